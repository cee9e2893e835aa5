//! For `fuzz/`: `aws-chunked` gives the payload that was framed, however it arrives, or nothing.

use super::aws_chunked::{Decoder, Event};
use super::checksum::Sums;
use super::encoder::{Encoder, encoded_length};
use super::verify::Verifier;
use crate::authn::ChunkSigning;
use crate::body::PayloadError;
use crate::operation::{ChecksumAlgorithm, DeclaredPayload, Enforced, PayloadMode};
use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};

const DATE: &str = "20130524T000000Z";
const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";
const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const KEY: &[u8] = b"the key that a session derived";
const SUM: ChecksumAlgorithm = ChecksumAlgorithm::Crc32;

/// A byte for the mode, one for the size of pieces, one for that of chunks, two for an edit, and bytes.
///
/// Mode 0 takes the bytes for a body: each way to cut it gives the same. The others take them for a payload, which is
/// framed as clients do it, and comes out as it was; after an edit it comes out as it was, or is refused. STR-06, STR-07
pub fn chunked(data: &[u8]) {
    let Some(([mode, piece, chunk, at, edit], bytes)) = data.split_first_chunk::<5>() else {
        return;
    };
    let (piece, chunk) = (usize::from(*piece).max(1), usize::from(*chunk).max(1));
    let mode = match mode % 4 {
        0 => return any_body(bytes, piece),
        1 => PayloadMode::UnsignedTrailer,
        2 => PayloadMode::SignedChunks,
        _ => PayloadMode::SignedChunksTrailer,
    };
    let wire = frame(bytes, chunk, mode);
    assert_eq!(verified(&wire, piece, mode, bytes.len()).as_deref(), Ok(bytes));

    let mut edited = wire;
    let at = usize::from(*at) * edited.len() / 256;
    if let Some(byte) = edited.get_mut(at) {
        *byte = *edit;
    }
    if let Ok(payload) = verified(&edited, piece, mode, bytes.len()) {
        assert_eq!(payload, bytes, "an edit gives another payload");
    }

    // Framed anew for a target, it is the same.
    let wire = framed_anew(bytes, piece);
    assert_eq!(wire.len() as u64, encoded_length(bytes.len() as u64, SUM));
    let mode = PayloadMode::UnsignedTrailer;
    assert_eq!(verified(&wire, piece, mode, bytes.len()).as_deref(), Ok(bytes));
}

fn any_body(wire: &[u8], piece: usize) {
    for signed in [false, true] {
        let whole = decoded(wire, wire.len().max(1), signed);
        assert_eq!(decoded(wire, piece, signed), whole);
        if let Ok((payload, ..)) = whole {
            for mode in [PayloadMode::UnsignedTrailer, PayloadMode::SignedChunks] {
                let length = payload.len();
                let whole = verified(wire, wire.len().max(1), mode, length).ok();
                assert_eq!(verified(wire, piece, mode, length).ok(), whole);
                assert!(whole.is_none_or(|whole| whole == payload));
            }
        }
    }
}

type Decoded = (Vec<u8>, Vec<(String, String)>, bool);

/// The payload, the trailer, and whether that was all.
fn decoded(wire: &[u8], piece: usize, signed: bool) -> Result<Decoded, PayloadError> {
    let (mut decoder, mut payload, mut trailer) = (Decoder::new(signed), Vec::new(), Vec::new());
    for piece in wire.chunks(piece) {
        let mut input = Bytes::copy_from_slice(piece);
        while let Some(event) = decoder.next(&mut input)? {
            match event {
                Event::Chunk { .. } => {}
                Event::Data { bytes, .. } => payload.extend_from_slice(&bytes),
                Event::Trailer { name, value } => trailer.push((name, value)),
            }
        }
    }
    Ok((payload, trailer, decoder.is_done()))
}

/// The payload of a body that is said to have `length` bytes, if all of it is true.
fn verified(wire: &[u8], piece: usize, mode: PayloadMode, length: usize) -> Result<Vec<u8>, PayloadError> {
    let trailer = matches!(
        mode,
        PayloadMode::UnsignedTrailer | PayloadMode::SignedChunksTrailer
    );
    let declared = DeclaredPayload {
        mode,
        length: length as u64,
        trailer: trailer.then_some(SUM),
        ..DeclaredPayload::none()
    };
    let chain = mode
        .is_signed_chunks()
        .then(|| ChunkSigning::for_test(KEY, DATE, SCOPE, SEED));
    let mut verifier = Verifier::new(declared, Enforced::NONE, chain, None);
    let mut payload = Vec::new();
    for piece in wire.chunks(piece) {
        let mut input = Bytes::copy_from_slice(piece);
        while let Some(bytes) = verifier.next(&mut input)? {
            payload.extend_from_slice(&bytes);
        }
    }
    verifier.finish()?;
    Ok(payload)
}

/// Frames as a client does.
fn frame(payload: &[u8], chunk: usize, mode: PayloadMode) -> Vec<u8> {
    let mut previous = SEED.to_owned();
    let mut sign = |kind: &str, hashes: &str| {
        let text = format!("AWS4-HMAC-SHA256-{kind}\n{DATE}\n{SCOPE}\n{previous}\n{hashes}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY);
        previous = HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref());
        previous.clone()
    };
    let mut wire = Vec::new();
    for data in payload.chunks(chunk).chain([&b""[..]]) {
        wire.extend_from_slice(format!("{:x}", data.len()).as_bytes());
        if mode.is_signed_chunks() {
            let signature = sign("PAYLOAD", &format!("{}\n{}", sha256(b""), sha256(data)));
            wire.extend_from_slice(format!(";chunk-signature={signature}").as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
        if !data.is_empty() {
            wire.extend_from_slice(data);
            wire.extend_from_slice(b"\r\n");
        }
    }
    if mode != PayloadMode::SignedChunks {
        let line = format!("{}:{}", SUM.header(), BASE64.encode(&sum(payload)));
        wire.extend_from_slice(format!("{line}\r\n").as_bytes());
        if mode == PayloadMode::SignedChunksTrailer {
            let signature = sign("TRAILER", &sha256(format!("{line}\n").as_bytes()));
            wire.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
        }
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

/// Frames as Tidegate does towards a target.
fn framed_anew(payload: &[u8], piece: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(payload.len() as u64, SUM);
    let mut wire = Vec::new();
    for piece in payload.chunks(piece) {
        let mut rest = Bytes::copy_from_slice(piece);
        while let Some(bytes) = encoder.next(&mut rest) {
            wire.extend_from_slice(&bytes);
        }
    }
    wire.extend_from_slice(&encoder.finish(&sum(payload)));
    wire
}

fn sum(payload: &[u8]) -> Vec<u8> {
    let mut sums = Sums::new(&DeclaredPayload::none(), Enforced::NONE, Some(SUM));
    sums.update(payload);
    sums.value(SUM).unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}
