//! Frames a verified payload as `aws-chunked` with a checksum trailer, for a target that understands it.
//!
//! The caller's own chunks are not kept: stores refuse a chunk under 8 KiB that is not the last, and some clients
//! send a chunk per write. The length is known, so every chunk header can be written as soon as its first byte is
//! there: nothing is gathered and no payload byte is copied.

use crate::operation::ChecksumAlgorithm;
use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;

/// Payload bytes of every chunk but the last, and its header with and without the end of the chunk before.
const CHUNK: u64 = 64 * 1024;
const FIRST_HEADER: &[u8] = b"10000\r\n";
const NEXT_HEADER: &[u8] = b"\r\n10000\r\n";

/// The exact bytes that a payload of `decoded` bytes takes on the wire. Saturates instead of overflowing.
pub(crate) fn encoded_length(decoded: u64, algorithm: ChecksumAlgorithm) -> u64 {
    let framed = |size: u64| (format!("{size:x}").len() as u64 + 4).saturating_add(size);
    let full = (decoded / CHUNK).saturating_mul(framed(CHUNK));
    let last = match decoded % CHUNK {
        0 => 0,
        rest => framed(rest),
    };
    let value = BASE64.encode_len(algorithm.length());
    let end = "0\r\n".len() + algorithm.header().len() + ":".len() + value + "\r\n\r\n".len();
    full.saturating_add(last).saturating_add(end as u64)
}

/// A payload that is there as a whole, framed with `value` in the trailer.
pub(crate) fn framed(payload: &Bytes, algorithm: ChecksumAlgorithm, value: &[u8]) -> Bytes {
    let mut encoder = Encoder::new(payload.len() as u64, algorithm);
    let mut rest = payload.clone();
    let mut wire = BytesMut::new();
    while let Some(piece) = encoder.next(&mut rest) {
        wire.extend_from_slice(&piece);
    }
    wire.extend_from_slice(&encoder.finish(value));
    wire.freeze()
}

/// Interleaves payload slices with chunk headers.
pub(super) struct Encoder {
    algorithm: ChecksumAlgorithm,
    /// Payload bytes for which no chunk was opened yet.
    unframed: u64,
    /// Payload bytes that are missing in the open chunk.
    open: u64,
    first: bool,
}

impl Encoder {
    pub(super) fn new(decoded: u64, algorithm: ChecksumAlgorithm) -> Self {
        Self {
            algorithm,
            unframed: decoded,
            open: 0,
            first: true,
        }
    }

    /// The checksum of the trailer.
    pub(super) fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The next piece of the wire, taken from `payload`; `None` when `payload` is used up.
    pub(super) fn next(&mut self, payload: &mut Bytes) -> Option<Bytes> {
        if payload.is_empty() {
            return None;
        }
        if self.open == 0 {
            return Some(self.header());
        }
        let size = usize::try_from(self.open).map_or(payload.len(), |open| open.min(payload.len()));
        self.open -= size as u64;
        Some(payload.split_to(size))
    }

    fn header(&mut self) -> Bytes {
        // INVARIANT: the verifier lets through no more than the declared length, so there is always something
        // unframed here; were it otherwise, a chunk of size 0 would be an early end, and 1 is not.
        self.open = self.unframed.clamp(1, CHUNK);
        self.unframed = self.unframed.saturating_sub(self.open);
        let first = std::mem::replace(&mut self.first, false);
        match (first, self.open) {
            (true, CHUNK) => Bytes::from_static(FIRST_HEADER),
            (false, CHUNK) => Bytes::from_static(NEXT_HEADER),
            (true, size) => format!("{size:x}\r\n").into(),
            (false, size) => format!("\r\n{size:x}\r\n").into(),
        }
    }

    /// The last chunk and the trailer. Only for a payload that was verified to its end.
    pub(super) fn finish(&self, value: &[u8]) -> Bytes {
        let end_of_chunk = if self.first { "" } else { "\r\n" };
        let name = self.algorithm.header();
        format!("{end_of_chunk}0\r\n{name}:{}\r\n\r\n", BASE64.encode(value)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(payload: &Bytes, frame: usize) -> BytesMut {
        let algorithm = ChecksumAlgorithm::Crc32;
        let mut encoder = Encoder::new(payload.len() as u64, algorithm);
        let mut wire = BytesMut::new();
        for slice in payload.chunks(frame) {
            let mut slice = payload.slice_ref(slice);
            while let Some(piece) = encoder.next(&mut slice) {
                wire.extend_from_slice(&piece);
            }
        }
        wire.extend_from_slice(&encoder.finish(&[0; 4]));
        wire
    }

    #[test]
    fn the_length_is_known_before_the_first_byte() {
        for size in [0, 1, 15, 16, 8191, 65_535, 65_536, 65_537, 131_072, 200_000] {
            let payload = Bytes::from(vec![b'x'; size]);
            let wire = encode(&payload, 10_000);
            let expected = encoded_length(size as u64, ChecksumAlgorithm::Crc32);
            assert_eq!(wire.len() as u64, expected, "{size}");
        }
        // STR-02: a claim that cannot be true does not overflow.
        assert_eq!(encoded_length(u64::MAX, ChecksumAlgorithm::Sha256), u64::MAX);
    }

    #[test]
    fn chunks_have_one_size_whatever_the_frames_were() {
        let payload = Bytes::from(vec![b'x'; 65_540]);
        let expected = [
            &b"10000\r\n"[..],
            &payload[..65_536],
            b"\r\n4\r\nxxxx\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        ]
        .concat();
        for frame in [1, 7, 4096, 65_535, 65_536, 65_537, 100_000] {
            assert_eq!(encode(&payload, frame), expected, "{frame}");
        }
    }

    #[test]
    fn an_empty_payload_is_the_last_chunk_alone() {
        assert_eq!(
            encode(&Bytes::new(), 1),
            "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
        );
    }

    #[test]
    fn payload_bytes_are_not_copied() {
        let payload = Bytes::from(vec![b'x'; 1000]);
        let mut rest = payload.clone();
        let mut encoder = Encoder::new(1000, ChecksumAlgorithm::Crc32);
        encoder.next(&mut rest);
        assert_eq!(
            encoder.next(&mut rest).map(|piece| piece.as_ptr()),
            Some(payload.as_ptr())
        );
    }
}
