//! The payload room as a whole: what comes out for what goes in, in every mode and at every split.

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
    let mut sums = checksum::Sums::new(&DeclaredPayload::none(), Some(algorithm));
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
        let chain = Signer::new(self.seed).chain();
        let chain = chain.filter(|_| self.declared.mode.is_signed_chunks());
        verified(
            frames,
            self.declared.clone(),
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

// The two published examples: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html> and
// `sigv4-streaming-trailers.html`, 66,560 bytes in chunks of 64 KiB.
#[tokio::test]
async fn the_published_examples_verify() {
    let payload = vec![b'a'; 66_560];
    let published = [
        (
            PayloadMode::SignedChunks,
            SEED,
            [
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ],
            "\r\n".to_owned(),
        ),
        (
            PayloadMode::SignedChunksTrailer,
            TRAILER_SEED,
            [
                "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
            ],
            "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
             d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
                .to_owned(),
        ),
    ];
    for (mode, seed, signatures, end) in published {
        let mut wire = Vec::new();
        for (chunk, signature) in payload.chunks(65_536).chain([&[][..]]).zip(signatures) {
            wire.extend(format!("{:x};chunk-signature={signature}\r\n", chunk.len()).bytes());
            if !chunk.is_empty() {
                wire.extend(chunk.iter().chain(b"\r\n"));
            }
        }
        wire.extend(end.bytes());
        let mut declared = declared(mode, payload.len());
        declared.trailer = (mode == PayloadMode::SignedChunksTrailer).then_some(ChecksumAlgorithm::Crc32c);
        let upload = Upload { wire, declared, seed };
        for frame in [1, 1000, 65_536, 1 << 20] {
            let (seen, end) = upload.run(frame).await;
            assert!(end.is_ok(), "{mode:?}: {end:?}");
            assert_eq!(seen, payload);
        }
        let other = Upload {
            seed: "0000000000000000000000000000000000000000000000000000000000000000",
            ..upload
        };
        assert_eq!(other.refused("seed").await, PayloadError::ChunkSignature);
    }
}

// STR-07
#[tokio::test]
async fn every_split_of_every_mode_gives_the_payload() {
    let payload = b"hello\r\n0\r\n\r\nworld";
    for mode in modes(payload) {
        let upload = Upload::new(mode, payload, 7);
        for frame in 1..=upload.wire.len() {
            let (seen, end) = upload.run(frame).await;
            assert!(end.is_ok(), "{mode:?} by {frame}: {end:?}");
            assert_eq!(seen, payload);
        }
        for at in 0..=upload.wire.len() {
            let (left, right) = upload.wire.split_at(at);
            let (seen, end) = drain(upload.body(caller([left, right]), Outgoing::Raw)).await;
            assert!(end.is_ok() && seen == payload, "{mode:?} at {at}");
        }
    }
}

// STR-02
#[tokio::test]
async fn a_cut_anywhere_is_never_a_whole_payload() {
    let payload = b"hello world, hello waves";
    for mode in modes(payload) {
        let mut upload = Upload::new(mode, payload, 9);
        for cut in 0..upload.wire.len() {
            let whole = std::mem::take(&mut upload.wire);
            upload.wire = whole[..cut].to_vec();
            assert_eq!(
                upload.refused("cut").await,
                PayloadError::Incomplete,
                "{mode:?} at {cut}"
            );
            upload.wire = whole;
        }
    }
}

// STR-02
#[tokio::test]
async fn another_length_than_declared_is_refused() {
    let payload = b"hello world, hello waves";
    for mode in modes(payload) {
        for length in [0, 1, 23, 25, u64::MAX] {
            let mut upload = Upload::new(mode, payload, 9);
            upload.declared.length = length;
            let error = upload.refused("length").await;
            assert_eq!(error, PayloadError::Incomplete, "{mode:?} {length}");
        }
    }
}

// STR-03
#[tokio::test]
async fn chunks_that_are_not_the_signed_ones_are_refused() {
    let payload = b"aaaaabbbbbccccc";
    for mode in [PayloadMode::SignedChunks, PayloadMode::SignedChunksTrailer] {
        let upload = Upload::new(mode, payload, 5);
        let header = 1 + ";chunk-signature=".len() + 64 + 2;
        let chunk = header + 5 + 2;
        // A byte of each chunk, and of each signature.
        for k in 0..3 {
            for at in [k * chunk + 20, k * chunk + header] {
                let mut wrong = upload.clone();
                wrong.wire[at] ^= 1;
                let error = wrong.refused("flip").await;
                assert!(
                    matches!(error, PayloadError::ChunkSignature | PayloadError::Framing(_)),
                    "{error:?}"
                );
            }
        }
        let mut last = upload.clone();
        last.wire[3 * chunk + 30] ^= 1;
        last.refused("signature of the last chunk").await;
        let mut reordered = upload.clone();
        reordered.wire[..2 * chunk].rotate_left(chunk);
        assert_eq!(reordered.refused("reorder").await, PayloadError::ChunkSignature);
        let mut replayed = upload.clone();
        replayed.wire.copy_within(0..chunk, chunk);
        assert_eq!(replayed.refused("replay").await, PayloadError::ChunkSignature);
        let mut dropped = upload.clone();
        dropped.wire.drain(chunk..2 * chunk);
        assert_eq!(dropped.refused("dropped").await, PayloadError::ChunkSignature);
        let mut without_last = upload.clone();
        without_last.wire.truncate(3 * chunk);
        assert_eq!(
            without_last.refused("no last chunk").await,
            PayloadError::Incomplete
        );
        let mut early = upload.clone();
        early.wire.drain(2 * chunk..3 * chunk);
        assert_eq!(early.refused("early last chunk").await, PayloadError::Incomplete);
        let mut more = upload.clone();
        more.wire.extend(b"more");
        assert!(matches!(
            more.refused("data after the end").await,
            PayloadError::Framing(_)
        ));
        let signature = String::from_utf8(upload.wire[1..header - 2].to_vec()).unwrap();
        let bare = upload.edit(&signature, "");
        assert_eq!(bare.refused("no signature").await, PayloadError::ChunkSignature);
    }
}

#[tokio::test]
async fn without_a_chain_no_signed_chunk_verifies() {
    for payload in [&b"hello"[..], b""] {
        let upload = Upload::new(PayloadMode::SignedChunks, payload, 5);
        let body = caller([&upload.wire[..]]);
        let body = verified(
            body,
            upload.declared.clone(),
            None,
            Outgoing::Raw,
            STALL,
            Arc::default(),
        );
        let (seen, end) = drain(body).await;
        assert!(seen.is_empty());
        assert!(matches!(
            end,
            Err(BodyError::Payload(PayloadError::ChunkSignature))
        ));
    }
}

// STR-04
#[tokio::test]
async fn a_trailer_that_is_not_the_announced_one_is_refused() {
    let upload = Upload::new(PayloadMode::UnsignedTrailer, b"hello world", 5);
    let line = format!(
        "{CRC32C}:{}\r\n",
        BASE64.encode(&sum(ChecksumAlgorithm::Crc32c, b"hello world"))
    );
    let check = async |to: &str, expected: PayloadError| {
        let error = upload.edit(&line, to).refused(to).await;
        assert!(
            std::mem::discriminant(&error) == std::mem::discriminant(&expected),
            "{to}: {error:?}"
        );
    };
    let malformed = PayloadError::MalformedTrailer("");
    check("", PayloadError::UnexpectedTrailer).await;
    check(&format!("{line}{line}"), malformed.clone()).await;
    check(
        &format!("{line}x-amz-meta-a:b\r\n"),
        PayloadError::UnexpectedTrailer,
    )
    .await;
    check(
        &format!("{line}x-amz-checksum-crc32:AAAAAA==\r\n"),
        PayloadError::UnexpectedTrailer,
    )
    .await;
    check(
        "x-amz-checksum-crc32:AAAAAA==\r\n",
        PayloadError::UnexpectedTrailer,
    )
    .await;
    check(
        &format!("{line}x-amz-trailer-signature:{SEED}\r\n"),
        PayloadError::UnexpectedTrailer,
    )
    .await;
    check(
        &format!("{CRC32C}:AAAAAA==\r\n"),
        PayloadError::ChecksumMismatch(""),
    )
    .await;
    check(&format!("{CRC32C}:AAAAAAA=\r\n"), malformed.clone()).await;
    check(&format!("{CRC32C}:\r\n"), malformed.clone()).await;
    check(&format!("{CRC32C}:{}\r\n", "A".repeat(2000)), malformed.clone()).await;
    check(&format!("{CRC32C} {line}"), malformed).await;
}

#[tokio::test]
async fn a_trailer_may_be_written_as_clients_write_it() {
    let upload = Upload::new(PayloadMode::UnsignedTrailer, b"hello world", 5);
    let value = BASE64.encode(&sum(ChecksumAlgorithm::Crc32c, b"hello world"));
    for line in [
        format!("X-Amz-Checksum-CRC32C:{value}\r\n"),
        format!("{CRC32C}: {value} \r\n"),
        format!("{CRC32C}:{value}\n"),
    ] {
        let upload = upload.edit(&format!("{CRC32C}:{value}\r\n"), &line);
        let (seen, end) = upload.run(1).await;
        assert!(end.is_ok() && seen == b"hello world", "{line:?}: {end:?}");
    }
}

// STR-04
#[tokio::test]
async fn a_signed_trailer_needs_its_signature() {
    let upload = Upload::new(PayloadMode::SignedChunksTrailer, b"hello world", 5);
    let text = String::from_utf8(upload.wire.clone()).unwrap();
    let start = text.find("x-amz-trailer-signature").unwrap();
    let line = text[start..].trim_end_matches("\r\n").to_owned() + "\r\n";
    let checksum = text[text.find(CRC32C).unwrap()..start].to_owned();
    let unsigned = upload.edit(&line, "");
    assert_eq!(unsigned.refused("no signature").await, PayloadError::Incomplete);
    let wrong = upload.edit(&line, &format!("x-amz-trailer-signature:{SEED}\r\n"));
    assert_eq!(
        wrong.refused("wrong signature").await,
        PayloadError::ChunkSignature
    );
    let twice = upload.edit(&line, &format!("{line}{line}"));
    assert!(matches!(
        twice.refused("twice").await,
        PayloadError::MalformedTrailer(_)
    ));
    let other = upload.edit(&checksum, &format!("{CRC32C}:AAAAAA==\r\n"));
    assert_eq!(
        other.refused("other checksum").await,
        PayloadError::ChunkSignature
    );
    let none = upload.edit(&checksum, "");
    assert_eq!(none.refused("no checksum").await, PayloadError::ChunkSignature);
    // Its place is after what it signs.
    let before = upload.edit(&format!("{checksum}{line}"), &format!("{line}{checksum}"));
    assert_eq!(before.refused("before").await, PayloadError::ChunkSignature);
    // minio-go: a bare line end, and an empty line before the signature.
    let minio = upload.edit(&checksum, &checksum.replace("\r\n", "\n\r\n"));
    assert!(minio.run(1).await.1.is_ok());
}

#[tokio::test]
async fn a_trailer_in_a_mode_without_one_is_refused() {
    let upload = Upload::new(PayloadMode::SignedChunks, b"hello", 5);
    let mut wire = upload.clone();
    wire.wire.truncate(wire.wire.len() - 2);
    wire.wire.extend(b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n");
    wire.declared.trailer = Some(ChecksumAlgorithm::Crc32);
    assert_eq!(wire.refused("trailer").await, PayloadError::UnexpectedTrailer);
    for mode in [PayloadMode::SignedChunks, PayloadMode::Unsigned] {
        let mut upload = Upload::new(mode, b"hello", 5);
        upload.declared.trailer = Some(ChecksumAlgorithm::Crc32);
        assert_eq!(upload.refused("announced").await, PayloadError::UnexpectedTrailer);
    }
}

// STR-05
#[tokio::test]
async fn every_declared_sum_is_checked() {
    let payload = b"hello world, hello waves";
    let algorithms = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
        ChecksumAlgorithm::Md5,
    ];
    for mode in modes(payload) {
        for algorithm in algorithms {
            let mut upload = Upload::new(mode, payload, 9);
            let value = sum(algorithm, payload);
            let mut wrong = value.clone();
            wrong[0] ^= 1;
            let short = value[1..].to_vec();
            upload.declared.checksums = vec![Checksum { algorithm, value }];
            assert!(upload.run(5).await.1.is_ok(), "{mode:?} {algorithm:?}");
            for value in [wrong, short, Vec::new()] {
                upload.declared.checksums.truncate(1);
                upload.declared.checksums.push(Checksum { algorithm, value });
                assert_eq!(
                    upload.refused("checksum").await,
                    PayloadError::ChecksumMismatch(algorithm.header())
                );
            }
        }
    }
    let literal = Upload::new(PayloadMode::Literal([7; 32]), payload, 9);
    assert_eq!(literal.refused("literal").await, PayloadError::Sha256Mismatch);
}

// STR-05
#[tokio::test]
async fn every_trailer_checksum_is_checked() {
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let value = sum(algorithm, b"hello");
        let mut wrong = value.clone();
        wrong[0] ^= 1;
        let upload = |value: &[u8]| Upload {
            wire: format!(
                "5\r\nhello\r\n0\r\n{}:{}\r\n\r\n",
                algorithm.header(),
                BASE64.encode(value)
            )
            .into(),
            declared: DeclaredPayload {
                trailer: Some(algorithm),
                ..declared(PayloadMode::UnsignedTrailer, 5)
            },
            seed: SEED,
        };
        assert!(upload(&value).run(3).await.1.is_ok());
        let mismatch = PayloadError::ChecksumMismatch(algorithm.header());
        assert_eq!(upload(&wrong).refused("trailer").await, mismatch);
    }
}

// STR-08
#[tokio::test]
async fn a_claimed_size_is_held_against_what_may_come() {
    let signature = format!(";chunk-signature={SEED}");
    for (mode, length, wire, expected) in [
        (
            PayloadMode::UnsignedTrailer,
            5,
            "ffffffffffffffff\r\n",
            PayloadError::ChunkSize(u64::MAX),
        ),
        (
            PayloadMode::UnsignedTrailer,
            u64::MAX,
            "140000001\r\n",
            PayloadError::ChunkSize((5 << 30) + 1),
        ),
        (
            PayloadMode::UnsignedTrailer,
            5,
            "6\r\nhello!",
            PayloadError::Incomplete,
        ),
        (
            PayloadMode::SignedChunks,
            u64::MAX,
            &format!("1000001{signature}\r\n"),
            PayloadError::ChunkSize((16 << 20) + 1),
        ),
    ] {
        let upload = Upload {
            wire: wire.into(),
            declared: DeclaredPayload {
                length,
                ..declared(mode, 0)
            },
            seed: SEED,
        };
        assert_eq!(upload.refused(wire).await, expected);
    }
}

#[tokio::test]
async fn a_signed_chunk_in_an_unsigned_upload_is_refused() {
    let upload = Upload::new(PayloadMode::UnsignedTrailer, b"hello", 5);
    let signed = upload.edit("5\r\n", &format!("5;chunk-signature={SEED}\r\n"));
    assert!(matches!(signed.refused("signed").await, PayloadError::Framing(_)));
}

#[tokio::test]
async fn the_last_byte_waits_for_the_end_and_the_others_do_not() {
    let frames = [&b"hello"[..], b"world"];
    let mut silent = caller(frames);
    silent.end = End::Silence;
    let mut body = verified(
        silent,
        declared(PayloadMode::Unsigned, 10),
        None,
        Outgoing::Raw,
        STALL,
        Arc::default(),
    );
    let first = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
    assert_eq!(first.unwrap().unwrap().into_data().unwrap(), "hello");
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(http_body::Body::poll_frame(Pin::new(&mut body), &mut cx).is_pending());
    assert!(!http_body::Body::is_end_stream(&body));
}

#[tokio::test]
async fn a_caller_that_breaks_off_or_stands_still_is_told_apart() {
    let run = async |end, stall| {
        let mut frames = caller([&b"hello"[..]]);
        frames.end = end;
        let declared = declared(PayloadMode::Unsigned, 10);
        drain(verified(
            frames,
            declared,
            None,
            Outgoing::Raw,
            stall,
            Arc::default(),
        ))
        .await
        .1
    };
    assert!(matches!(run(End::Error, STALL).await, Err(BodyError::Caller(_))));
    // Timers have a resolution of a millisecond: zero is over at once.
    let zero = Duration::ZERO;
    assert!(matches!(run(End::Silence, zero).await, Err(BodyError::Stalled(limit)) if limit == zero));
}

#[tokio::test]
async fn trailers_of_http_are_dropped() {
    let mut frames = caller([&b"hello"[..]]);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-amz-meta-a", http::HeaderValue::from_static("b"));
    frames.frames.push_back(Frame::trailers(trailers));
    let declared = declared(PayloadMode::Unsigned, 5);
    let body = verified(frames, declared, None, Outgoing::Raw, STALL, Arc::default());
    let (seen, end) = drain(body).await;
    assert!(end.is_ok() && seen == b"hello");
}

#[tokio::test]
async fn received_bytes_are_counted_without_framing() {
    let upload = Upload::new(PayloadMode::SignedChunks, b"hello world", 4);
    let received = Arc::new(AtomicU64::new(0));
    let chain = Signer::new(SEED).chain();
    let frames = caller([&upload.wire[..]]);
    let counter = Arc::clone(&received);
    drain(verified(
        frames,
        upload.declared,
        chain,
        Outgoing::Raw,
        STALL,
        counter,
    ))
    .await
    .1
    .unwrap();
    assert_eq!(received.load(Ordering::Relaxed), 11);
}

#[tokio::test]
async fn raw_frames_and_large_chunks_are_not_copied() {
    let payload = Bytes::from(vec![b'x'; 4096]);
    let mut frames = caller([]);
    frames.frames.push_back(Frame::data(payload.clone()));
    let declared = declared(PayloadMode::Unsigned, 4096);
    let mut body = verified(frames, declared, None, Outgoing::Raw, STALL, Arc::default());
    let frame = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
    assert_eq!(
        frame.unwrap().unwrap().into_data().unwrap().as_ptr(),
        payload.as_ptr()
    );
}

#[tokio::test]
async fn an_empty_payload_is_verified_before_anything_is_sent() {
    let run = async |upload: &Upload, outgoing| {
        let chain = Signer::new(SEED).chain();
        let frames = caller(upload.wire.chunks(3));
        match verify_empty(frames, upload.declared.clone(), chain, outgoing, STALL).await {
            Ok(body) => Ok(drain(body).await.0),
            Err(error) => Err(error),
        }
    };
    for mode in modes(b"") {
        let upload = Upload::new(mode, b"", 5);
        assert_eq!(run(&upload, Outgoing::Raw).await.unwrap(), b"", "{mode:?}");
        let framed = run(&upload, Outgoing::UnsignedTrailer(ChecksumAlgorithm::Crc32)).await;
        assert_eq!(
            framed.unwrap(),
            b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
            "{mode:?}"
        );
        let mut wrong = upload;
        wrong.declared.checksums = vec![Checksum {
            algorithm: ChecksumAlgorithm::Md5,
            value: vec![0; 16],
        }];
        assert!(run(&wrong, Outgoing::Raw).await.is_err());
        assert_eq!(
            wrong.refused("empty").await,
            PayloadError::ChecksumMismatch("content-md5")
        );
    }
    let more = Upload {
        wire: b"x".to_vec(),
        declared: DeclaredPayload::none(),
        seed: SEED,
    };
    assert!(run(&more, Outgoing::Raw).await.is_err());
    let not_empty = Upload::new(PayloadMode::Unsigned, b"hello", 5);
    assert!(run(&not_empty, Outgoing::Raw).await.is_err());
}

#[tokio::test]
async fn documents_are_read_whole_verified_and_bounded() {
    let payload = b"<Delete>this is a document</Delete>";
    for mode in modes(payload) {
        let upload = Upload::new(mode, payload, 9);
        let read = async |upload: &Upload, limit| {
            let chain = Signer::new(SEED).chain();
            let frames = caller(upload.wire.chunks(10));
            read_document(frames, &upload.declared, chain, limit, STALL, Arc::default()).await
        };
        assert_eq!(
            read(&upload, payload.len()).await.unwrap(),
            &payload[..],
            "{mode:?}"
        );
        // LIM-07
        let limit = payload.len() - 1;
        assert!(matches!(
            read(&upload, limit).await,
            Err(BodyError::Payload(PayloadError::TooLarge(l))) if l == limit
        ));
        let mut wrong = upload;
        wrong.declared.checksums = vec![Checksum {
            algorithm: ChecksumAlgorithm::Crc32,
            value: vec![0; 4],
        }];
        assert!(read(&wrong, 1000).await.is_err());
    }
}

/// Decodes what [`Outgoing::UnsignedTrailer`] sent, as a store would.
async fn stored(
    wire: Vec<u8>,
    length: usize,
    algorithm: ChecksumAlgorithm,
) -> (Vec<u8>, Result<(), BodyError>) {
    let upload = Upload {
        wire,
        declared: DeclaredPayload {
            trailer: Some(algorithm),
            ..declared(PayloadMode::UnsignedTrailer, length)
        },
        seed: SEED,
    };
    upload.run(1 << 20).await
}

#[tokio::test]
async fn a_reframed_upload_is_whole_only_if_it_verified() {
    let payload = vec![b'x'; 150_000];
    let outgoing = Outgoing::UnsignedTrailer(ChecksumAlgorithm::Crc32c);
    let mut upload = Upload::new(PayloadMode::SignedChunksTrailer, &payload, 6000);
    let (wire, end) = drain(upload.body(caller(upload.wire.chunks(1000)), outgoing)).await;
    end.unwrap();
    assert_eq!(
        wire.len() as u64,
        encoded_length(150_000, ChecksumAlgorithm::Crc32c)
    );
    let (seen, end) = stored(wire, payload.len(), ChecksumAlgorithm::Crc32c).await;
    assert!(end.is_ok() && seen == payload);
    upload.declared.checksums = vec![Checksum {
        algorithm: ChecksumAlgorithm::Sha1,
        value: vec![0; 20],
    }];
    let (wire, end) = drain(upload.body(caller(upload.wire.chunks(1000)), outgoing)).await;
    assert!(end.is_err());
    assert!(
        stored(wire, payload.len(), ChecksumAlgorithm::Crc32c)
            .await
            .1
            .is_err()
    );
}

fn block_on<F: std::future::Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // STR-06
    #[test]
    fn any_chunking_and_any_frames_give_the_same_bytes(
        payload in prop::collection::vec(any::<u8>(), 0..3000),
        chunk in 1usize..1000,
        frame in 1usize..700,
        mode in 0usize..5,
        algorithm in prop::sample::select(vec![
            ChecksumAlgorithm::Crc32,
            ChecksumAlgorithm::Crc64Nvme,
            ChecksumAlgorithm::Sha256,
        ]),
    ) {
        block_on(async {
            let upload = Upload::new(modes(&payload)[mode], &payload, chunk);
            let (seen, end) = upload.run(frame).await;
            prop_assert!(end.is_ok(), "{:?}", end);
            prop_assert_eq!(&seen, &payload);
            let outgoing = Outgoing::UnsignedTrailer(algorithm);
            let (wire, end) = drain(upload.body(caller(upload.wire.chunks(frame)), outgoing)).await;
            prop_assert!(end.is_ok());
            let (seen, end) = stored(wire, payload.len(), algorithm).await;
            prop_assert!(end.is_ok());
            prop_assert_eq!(seen, payload);
            Ok(())
        })?;
    }

    // STR-07: a flipped, lost or added byte is refused or changes nothing of the payload.
    #[test]
    fn no_single_edit_gives_another_payload(
        mode in 2usize..5,
        at in any::<prop::sample::Index>(),
        byte: u8,
        edit in 0usize..3,
        frame in 1usize..50,
    ) {
        let payload = b"hello world, hello waves";
        let mut upload = Upload::new(modes(payload)[mode], payload, 9);
        let at = at.index(upload.wire.len());
        match edit {
            0 => upload.wire[at] = byte,
            1 => drop(upload.wire.remove(at)),
            _ => upload.wire.insert(at, byte),
        }
        block_on(async {
            match upload.run(frame).await {
                (seen, Ok(())) => prop_assert_eq!(&seen[..], &payload[..]),
                (seen, Err(_)) => prop_assert!(seen.len() < payload.len()),
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(
        wire in prop::collection::vec(prop::sample::select(b"0159aF;\r\n:x+ \xff".to_vec()), 0..200),
        mode in 2usize..5,
        length in 0u64..50,
        frame in 1usize..20,
    ) {
        let mut upload = Upload::new(modes(b"")[mode], b"", 9);
        upload.wire = wire;
        upload.declared.length = length;
        block_on(upload.run(frame));
    }
}
