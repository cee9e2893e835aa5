//! The `aws-chunked` framing: splits what the caller sends into headers, payload slices and trailer lines.
//!
//! A decoder without input or output of its own: it is fed frames of any size and never looks ahead, so every
//! split gives the same events. Payload is sliced, never copied; only lines are gathered, within a small bound.
//! It judges framing alone; signatures, lengths and sums are the verifier's.
//!
//! Grammar: `hexlen[;chunk-signature=<64 hex>] CRLF data CRLF … 0[;…] CRLF [name:value CRLF]… CRLF`.
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use crate::body::PayloadError;
use bytes::{Buf, Bytes};

/// Sixteen hex digits, `;chunk-signature=`, 64 hex digits and CRLF are 99 bytes.
const HEADER_LIMIT: usize = 128;
/// One checksum line and one signature line are less than 200 bytes.
const TRAILER_LIMIT: usize = 1024;
/// Line ends after the end that are let pass: minio-go sends one more than the framing has.
const SLACK: usize = 4;
/// The trailer line that signs the others.
pub(super) const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// A chunk signature as sent: 64 hex digits.
pub(super) type Signature = [u8; 64];

/// What comes next in the framing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A chunk begins. Size 0 is the last one.
    Chunk { size: u64, signature: Option<Signature> },
    /// Payload, never empty; `last` for the last slice of its chunk.
    Data { bytes: Bytes, last: bool },
    /// A trailer line: name in lower case, value without surrounding whitespace.
    Trailer { name: String, value: String },
}

/// Where in the framing we are.
pub(super) struct Decoder {
    state: State,
    line: Vec<u8>,
    /// Whether a trailer signature is still to come: the trailer cannot end before it.
    signature_due: bool,
    /// Bytes of the trailer section so far.
    trailer: usize,
    slack: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Data(u64),
    DataEnd { carriage_return: bool },
    Trailer,
    Done,
}

impl Decoder {
    /// `signed_trailer`: the trailer ends with a signature line.
    pub(super) fn new(signed_trailer: bool) -> Self {
        Self {
            state: State::Header,
            line: Vec::new(),
            signature_due: signed_trailer,
            trailer: 0,
            slack: SLACK,
        }
    }

    /// The next event, taken from `input`; `None` when `input` is used up.
    ///
    /// # Errors
    /// [`PayloadError::Framing`] and [`PayloadError::MalformedTrailer`]; the decoder is of no use afterwards.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Event>, PayloadError> {
        while !input.is_empty() {
            match self.state {
                State::Header => {
                    let too_long = PayloadError::Framing("a chunk header is too long");
                    if let Some(line) = self.line(input, HEADER_LIMIT, too_long)? {
                        return self.header(&line).map(Some);
                    }
                }
                State::Data(left) => {
                    let size = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                    let left = left - size as u64;
                    self.state = match left {
                        0 => State::DataEnd {
                            carriage_return: false,
                        },
                        left => State::Data(left),
                    };
                    return Ok(Some(Event::Data {
                        bytes: input.split_to(size),
                        last: left == 0,
                    }));
                }
                State::DataEnd { carriage_return } => {
                    self.state = match (carriage_return, input.get_u8()) {
                        (false, b'\r') => State::DataEnd {
                            carriage_return: true,
                        },
                        (true, b'\n') => State::Header,
                        _ => return Err(PayloadError::Framing("a chunk does not end after its size")),
                    };
                }
                State::Trailer => {
                    let limit = TRAILER_LIMIT - self.trailer;
                    let too_long = PayloadError::MalformedTrailer("it is too long");
                    if let Some(line) = self.line(input, limit, too_long)? {
                        self.trailer += line.len();
                        if let Some(event) = self.trailer_line(&line)? {
                            return Ok(Some(event));
                        }
                    }
                }
                State::Done => {
                    let byte = input.get_u8();
                    if self.slack == 0 || !matches!(byte, b'\r' | b'\n') {
                        return Err(PayloadError::Framing("there is data after the last chunk"));
                    }
                    self.slack -= 1;
                }
            }
        }
        Ok(None)
    }

    /// Whether the framing came to its end.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// A whole line with its end, of at most `limit` bytes.
    fn line(
        &mut self,
        input: &mut Bytes,
        limit: usize,
        too_long: PayloadError,
    ) -> Result<Option<Vec<u8>>, PayloadError> {
        let room = limit.saturating_sub(self.line.len());
        let end = input.iter().take(room).position(|byte| *byte == b'\n');
        if end.is_none() && input.len() >= room {
            return Err(too_long);
        }
        let part = input.split_to(end.map_or(input.len(), |end| end + 1));
        self.line.extend_from_slice(&part);
        Ok(end.map(|_| std::mem::take(&mut self.line)))
    }

    fn header(&mut self, line: &[u8]) -> Result<Event, PayloadError> {
        let line = line
            .strip_suffix(b"\r\n")
            .ok_or(PayloadError::Framing("a chunk header does not end in CRLF"))?;
        let mut parts = line.splitn(2, |byte| *byte == b';');
        let size = chunk_size(parts.next().unwrap_or_default())?;
        let signature = parts.next().map(chunk_signature).transpose()?;
        self.state = match size {
            0 => State::Trailer,
            size => State::Data(size),
        };
        Ok(Event::Chunk { size, signature })
    }

    /// minio-go ends its lines in a bare LF, and has an empty line before the signature: both are let pass. What
    /// counts is which lines there are, and nothing of the framing goes on to the target.
    fn trailer_line(&mut self, line: &[u8]) -> Result<Option<Event>, PayloadError> {
        let malformed = PayloadError::MalformedTrailer;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            if !self.signature_due {
                self.state = State::Done;
            }
            return Ok(None);
        }
        let text = std::str::from_utf8(line).map_err(|_| malformed("it is not text"))?;
        let (name, value) = text
            .split_once(':')
            .ok_or(malformed("a line is not `name:value`"))?;
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(malformed("a name has characters that are not accepted"));
        }
        let name = name.to_ascii_lowercase();
        if name == TRAILER_SIGNATURE {
            self.signature_due = false;
        }
        let value = value.trim_matches([' ', '\t']).to_owned();
        Ok(Some(Event::Trailer { name, value }))
    }
}

/// Hex digits and nothing else: no sign, no `0x`, no whitespace, which parsers of numbers let pass.
fn chunk_size(digits: &[u8]) -> Result<u64, PayloadError> {
    let refused = PayloadError::Framing("a chunk size is not 1 to 16 hex digits");
    if !(1..=16).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(refused);
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(refused)
}

fn chunk_signature(extension: &[u8]) -> Result<Signature, PayloadError> {
    extension
        .strip_prefix(b"chunk-signature=")
        .and_then(|hex| Signature::try_from(hex).ok())
        .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        .ok_or(PayloadError::Framing(
            "a chunk extension is not `chunk-signature=` and 64 hex digits",
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payload and the trailer lines of `wire`, fed in frames of `frame` bytes.
    fn decode(wire: &[u8], frame: usize) -> Result<(Vec<u8>, String, bool), PayloadError> {
        let (mut decoder, mut payload, mut trailer) = (Decoder::new(false), Vec::new(), String::new());
        for frame in wire.chunks(frame) {
            let mut input = Bytes::copy_from_slice(frame);
            while let Some(event) = decoder.next(&mut input)? {
                match event {
                    Event::Chunk { .. } => {}
                    Event::Data { bytes, .. } => payload.extend_from_slice(&bytes),
                    Event::Trailer { name, value } => trailer += &format!("{name}={value}|"),
                }
            }
        }
        Ok((payload, trailer, decoder.is_done()))
    }

    #[test]
    fn every_split_gives_the_same_payload() {
        let wire = b"6\r\nhello \r\n00A\r\nworld\r\n\r\n!\r\n0\r\nX-Amz-Checksum-CRC32: AA== \r\n\r\n";
        let expected = (
            b"hello world\r\n\r\n!".to_vec(),
            "x-amz-checksum-crc32=AA==|".to_owned(),
            true,
        );
        for frame in 1..=wire.len() {
            assert_eq!(decode(wire, frame).as_ref(), Ok(&expected), "frames of {frame}");
        }
    }

    // STR-07
    #[test]
    fn broken_framing_is_refused_at_every_frame_size() {
        let long = format!("1;chunk-signature={}\r\n", "a".repeat(200));
        let zeros = format!("{}1\r\n", "0".repeat(16));
        let trailer = format!("0\r\nx-amz-checksum-crc32:{}\r\n\r\n", "A".repeat(1100));
        let trailers = format!("0\r\n{}\r\n", "a:b\r\n".repeat(300));
        for wire in [
            "\r\n",
            "x\r\n",
            "0x5\r\nhello\r\n",
            "+5\r\nhello\r\n",
            "-5\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5\nhello\r\n",
            "5\rhello\n",
            "5_0\r\n",
            "10000000000000000\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello!\r\n",
            "5;\r\nhello\r\n",
            "5;ext=1\r\nhello\r\n",
            "5;chunk-signature=abc\r\nhello\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\n:value\r\n\r\n",
            "0\r\nna me:value\r\n\r\n",
            "0\r\n\r\nmore",
            "0\r\n\r\n0\r\n\r\n",
            "0\r\n\r\n\r\n\r\n\r\n",
            &long,
            &zeros,
            &trailer,
            &trailers,
        ] {
            for frame in [1, 2, 3, 5, 4096] {
                assert!(decode(wire.as_bytes(), frame).is_err(), "{wire:?} by {frame}");
            }
        }
    }

    #[test]
    fn an_end_before_the_end_is_seen() {
        let wire = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n";
        for cut in 0..wire.len() {
            assert!(
                !decode(&wire[..cut], 4096).is_ok_and(|(_, _, done)| done),
                "{cut}"
            );
        }
    }

    #[test]
    fn the_line_ends_of_minio_go_are_accepted() {
        let wire = b"1\r\na\r\n0\r\nx-amz-checksum-crc32:AA==\n\r\n\r\n";
        assert_eq!(
            decode(wire, 1),
            Ok((b"a".to_vec(), "x-amz-checksum-crc32=AA==|".into(), true))
        );
    }
}
