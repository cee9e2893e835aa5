//! What must never become an object: every way in which a payload can differ from its declaration.

use super::*;

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

// STR-01
#[tokio::test]
async fn without_a_chain_no_signed_chunk_verifies() {
    for payload in [&b"hello"[..], b""] {
        let upload = Upload::new(PayloadMode::SignedChunks, payload, 5);
        let body = caller([&upload.wire[..]]);
        let body = verified(
            body,
            upload.declared.clone(),
            Enforced::NONE,
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

// STR-04
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

// STR-03
#[tokio::test]
async fn a_signed_chunk_in_an_unsigned_upload_is_refused() {
    let upload = Upload::new(PayloadMode::UnsignedTrailer, b"hello", 5);
    let signed = upload.edit("5\r\n", &format!("5;chunk-signature={SEED}\r\n"));
    assert!(matches!(signed.refused("signed").await, PayloadError::Framing(_)));
}
