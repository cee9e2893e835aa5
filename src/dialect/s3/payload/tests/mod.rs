//! The payload room as a whole: what comes out for what goes in, in every mode and at every split.

mod flow;
mod refusals;

use super::*;
use crate::operation::{Checksum, PayloadMode};
use aws_lc_rs::{digest, hmac};
use data_encoding::{BASE64, HEXLOWER};
use http_body::Frame;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

const DATE: &str = "20130524T000000Z";
const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";
const STALL: Duration = Duration::from_secs(60);

/// A caller's body: these frames, then an end, an error or nothing at all.
struct Caller {
    frames: VecDeque<Frame<Bytes>>,
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    Clean,
    Error,
    Silence,
}

impl http_body::Body for Caller {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match (self.frames.pop_front(), self.end) {
            (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
            (None, End::Clean) => Poll::Ready(None),
            (None, End::Error) => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            (None, End::Silence) => Poll::Pending,
        }
    }
}

fn caller<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> Caller {
    let data = |frame| Frame::data(Bytes::copy_from_slice(frame));
    Caller {
        frames: frames.into_iter().map(data).collect(),
        end: End::Clean,
    }
}

/// Everything that a body gives, and how it ends.
async fn drain(mut body: Body) -> (Vec<u8>, Result<(), BodyError>) {
    let mut seen = Vec::new();
    loop {
        let exact = http_body::Body::size_hint(&body).exact();
        match poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await {
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap();
                assert!(!data.is_empty());
                assert!(exact.unwrap() >= data.len() as u64);
                seen.extend_from_slice(&data);
            }
            Some(Err(error)) => {
                // A failed body never ends cleanly afterwards.
                let again = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
                assert!(matches!(again, Some(Err(_))));
                return (seen, Err(error));
            }
            None => {
                assert_eq!(exact, Some(0));
                return (seen, Ok(()));
            }
        }
    }
}

/// Signs as a client does.
struct Signer {
    key: Vec<u8>,
    seed: String,
    previous: String,
}

impl Signer {
    fn new(seed: &str) -> Self {
        let mac = |key: &[u8], text: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
        };
        let secret = "AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let key = SCOPE
            .split('/')
            .fold(secret.as_bytes().to_vec(), |key, part| mac(&key, part));
        Self {
            key,
            seed: seed.into(),
            previous: seed.into(),
        }
    }

    fn chain(&self) -> Option<ChunkSigning> {
        Some(ChunkSigning::for_test(&self.key, DATE, SCOPE, &self.seed))
    }

    fn sign(&mut self, kind: &str, hashes: &str) -> String {
        let text = format!(
            "AWS4-HMAC-SHA256-{kind}\n{DATE}\n{SCOPE}\n{}\n{hashes}",
            self.previous
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        self.previous = HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref());
        self.previous.clone()
    }

    fn chunk(&mut self, data: &[u8]) -> Vec<u8> {
        let signature = self.sign("PAYLOAD", &format!("{}\n{}", sha256(b""), sha256(data)));
        let mut chunk = format!("{:x};chunk-signature={signature}\r\n", data.len()).into_bytes();
        if !data.is_empty() {
            chunk.extend_from_slice(data);
            chunk.extend_from_slice(b"\r\n");
        }
        chunk
    }

    fn trailer(&mut self, name: &str, value: &str) -> Vec<u8> {
        let signature = self.sign("TRAILER", &sha256(format!("{name}:{value}\n").as_bytes()));
        format!("{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n").into_bytes()
    }
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn declared(mode: PayloadMode, length: usize) -> DeclaredPayload {
    DeclaredPayload {
        mode,
        length: length as u64,
        ..DeclaredPayload::none()
    }
}

fn sum(algorithm: ChecksumAlgorithm, payload: &[u8]) -> Vec<u8> {
    let mut sums = checksum::Sums::new(&DeclaredPayload::none(), Enforced::NONE, Some(algorithm));
    sums.update(payload);
    sums.value(algorithm).unwrap()
}

/// A whole upload as a client sends it: its wire and what it declares.
#[derive(Clone)]
struct Upload {
    wire: Vec<u8>,
    declared: DeclaredPayload,
    seed: &'static str,
}

const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const TRAILER_SEED: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
const CRC32C: &str = "x-amz-checksum-crc32c";

impl Upload {
    fn new(mode: PayloadMode, payload: &[u8], chunk: usize) -> Self {
        let mut upload = Self {
            wire: Vec::new(),
            declared: declared(mode, payload.len()),
            seed: SEED,
        };
        let value = BASE64.encode(&sum(ChecksumAlgorithm::Crc32c, payload));
        let chunks = payload.chunks(chunk).chain([&[][..]]);
        let mut signer = Signer::new(SEED);
        match mode {
            PayloadMode::Literal(_) | PayloadMode::Unsigned => upload.wire = payload.to_vec(),
            PayloadMode::UnsignedTrailer => {
                upload.declared.trailer = Some(ChecksumAlgorithm::Crc32c);
                for chunk in chunks {
                    upload.wire.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    if !chunk.is_empty() {
                        upload.wire.extend(chunk.iter().chain(b"\r\n"));
                    }
                }
                upload.wire.extend(format!("{CRC32C}:{value}\r\n\r\n").bytes());
            }
            PayloadMode::SignedChunks => {
                upload.wire = chunks.flat_map(|chunk| signer.chunk(chunk)).collect();
                upload.wire.extend(b"\r\n");
            }
            PayloadMode::SignedChunksTrailer => {
                upload.declared.trailer = Some(ChecksumAlgorithm::Crc32c);
                upload.wire = chunks.flat_map(|chunk| signer.chunk(chunk)).collect();
                upload.wire.extend(signer.trailer(CRC32C, &value));
            }
        }
        upload
    }

    fn body(&self, frames: Caller, outgoing: Outgoing) -> Body {
        self.left(Enforced::NONE, frames, outgoing)
    }

    fn left(&self, left: Enforced, frames: Caller, outgoing: Outgoing) -> Body {
        let chain = Signer::new(self.seed).chain();
        let chain = chain.filter(|_| self.declared.mode.is_signed_chunks());
        verified(
            frames,
            self.declared.clone(),
            left,
            chain,
            outgoing,
            STALL,
            Arc::default(),
        )
    }

    async fn run(&self, frame: usize) -> (Vec<u8>, Result<(), BodyError>) {
        drain(self.body(caller(self.wire.chunks(frame)), Outgoing::Raw)).await
    }

    /// INVARIANT under test: whatever fails, the target never has all bytes.
    async fn refused(&self, what: &str) -> PayloadError {
        let mut errors = Vec::new();
        for frame in [1, 3, 64, 1 << 20] {
            let (seen, end) = self.run(frame).await;
            assert!(
                seen.is_empty() || (seen.len() as u64) < self.declared.length,
                "{what}"
            );
            match end {
                Err(BodyError::Payload(error)) => errors.push(error),
                other => panic!("{what}: {other:?}"),
            }
        }
        errors.dedup();
        assert_eq!(errors.len(), 1, "{what}: {errors:?}");
        errors.remove(0)
    }

    fn edit(&self, from: &str, to: &str) -> Self {
        let at = self
            .wire
            .windows(from.len())
            .position(|window| window == from.as_bytes())
            .unwrap_or_else(|| panic!("`{from}` is not in the wire"));
        let mut edited = self.clone();
        edited.wire.splice(at..at + from.len(), to.bytes());
        edited
    }
}

fn modes(payload: &[u8]) -> [PayloadMode; 5] {
    let hash = digest::digest(&digest::SHA256, payload);
    [
        PayloadMode::Literal(hash.as_ref().try_into().unwrap()),
        PayloadMode::Unsigned,
        PayloadMode::UnsignedTrailer,
        PayloadMode::SignedChunks,
        PayloadMode::SignedChunksTrailer,
    ]
}
