//! What clients speak and what targets understand: every framing arrives at every kind of target, in words that it
//! knows, and whoever sees to it, what does not verify never becomes an object.

use crate::support::chunked::{SIGNED, SIGNED_TRAILER, Stream, UNSIGNED_TRAILER};
use crate::support::picky_target::{Asked, Framing, Habits, PickyTarget};
use crate::support::{Client, Payload, Settings, Signed, World};

const PARTS: [&[u8]; 3] = [b"1234", b"567", b"89"];
const WHOLE: &[u8] = b"123456789";
const CRC32: (&str, &str) = ("x-amz-checksum-crc32", "y/Q5Jg==");
const NO_CRC32: (&str, &str) = ("x-amz-checksum-crc32", "AAAAAA==");
const MD5: (&str, &str) = ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==");
const NO_MD5: (&str, &str) = ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// SHA-256 of `123456789`.
const SHA256: &str = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";

async fn world(target: &PickyTarget, profile: &str, checksum: &str) -> World {
    World::with(Settings {
        target: Some(target.address),
        target_lines: format!("profile = \"{profile}\""),
        bucket_lines: format!("checksum = \"{checksum}\""),
        ..Settings::default()
    })
    .await
}

/// Every way in which clients send `123456789`, with a name for it.
fn uploads(etl: &Client, key: &str) -> Vec<(&'static str, Signed)> {
    let target = format!("/lake/tmp/{key}");
    let put = |headers: &[(&str, &str)], payload| etl.sign("PUT", &target, headers, WHOLE, payload);
    let stream = |mode| etl.stream("PUT", &target, Stream::of(mode), &PARTS).request();
    vec![
        ("literal", put(&[], Payload::Literal)),
        ("literal, checksum", put(&[CRC32], Payload::Literal)),
        ("literal, digest", put(&[MD5], Payload::Literal)),
        ("unsigned", put(&[], Payload::Unsigned)),
        ("unsigned, checksum", put(&[CRC32], Payload::Unsigned)),
        ("unsigned, digest", put(&[MD5], Payload::Unsigned)),
        ("presigned", etl.presign("PUT", &target, &[], WHOLE, 60)),
        ("unsigned trailer", stream(UNSIGNED_TRAILER)),
        ("signed", stream(SIGNED)),
        ("signed trailer", stream(SIGNED_TRAILER)),
    ]
}

/// The same with something wrong, and the code that says so.
fn wrong_uploads(etl: &Client, key: &str) -> Vec<(&'static str, Signed, &'static str)> {
    let target = format!("/lake/tmp/{key}");
    let put = |headers: &[(&str, &str)], payload| etl.sign("PUT", &target, headers, WHOLE, payload);
    let stream = |mode| etl.stream("PUT", &target, Stream::of(mode), &PARTS);
    let other = || {
        let mut request = put(&[], Payload::Literal);
        *request.body_mut() = bytes::Bytes::from_static(b"987654321");
        request
    };
    let trailer = Stream {
        trailer: Some(NO_CRC32),
        ..Stream::of(SIGNED_TRAILER)
    };
    let no_crc = stream(UNSIGNED_TRAILER).replaced("y/Q5Jg==", "AAAAAA==");
    vec![
        ("literal", other(), "XAmzContentSHA256Mismatch"),
        ("checksum", put(&[NO_CRC32], Payload::Unsigned), "BadDigest"),
        (
            "checksum of literal",
            put(&[NO_CRC32], Payload::Literal),
            "BadDigest",
        ),
        ("digest", put(&[NO_MD5], Payload::Unsigned), "BadDigest"),
        ("trailer", no_crc.request(), "BadDigest"),
        (
            "data under a trailer",
            stream(UNSIGNED_TRAILER).replaced("1234", "4321").request(),
            "BadDigest",
        ),
        (
            "signed trailer",
            etl.stream("PUT", &target, trailer, &PARTS).request(),
            "BadDigest",
        ),
        (
            "signed chunk",
            stream(SIGNED).replaced("567", "576").request(),
            "SignatureDoesNotMatch",
        ),
        (
            "signed chunk before a trailer",
            stream(SIGNED_TRAILER).replaced("567", "576").request(),
            "SignatureDoesNotMatch",
        ),
    ]
}

/// The names of everything that only newer targets know.
fn newer_words(asked: &Asked) -> Vec<String> {
    let names = asked.headers.keys().map(|name| name.as_str().to_owned());
    let newer = |name: &String| {
        name.starts_with("x-amz-checksum")
            || name.starts_with("x-amz-trailer")
            || name.starts_with("x-amz-decoded")
            || name.starts_with("x-amz-sdk")
            || name == "transfer-encoding"
            || name == "content-encoding"
    };
    names.filter(newer).collect()
}

async fn arrives(etl: &Client, target: &PickyTarget, what: &str, upload: Signed, key: &str) -> Asked {
    let answer = etl.send(upload).await;
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    assert_eq!(target.object(key).as_deref(), Some(WHOLE), "{what}");
    target.last()
}

// STR-01, STR-05, STR-06
#[tokio::test]
async fn every_framing_arrives_at_a_plain_target_in_plain_words() {
    let careless = Habits {
        checks: false,
        conditions: false,
        ..Habits::OLD
    };
    let gullible = Habits {
        framing: Framing::StoredAsData,
        ..Habits::OLD
    };
    for habits in [Habits::OLD, careless, gullible] {
        let target = PickyTarget::start(habits).await;
        let world = world(&target, "plain", "verify").await;
        let etl = world.client("etl").await;
        for (what, upload) in uploads(&etl, "a") {
            let asked = arrives(&etl, &target, what, upload, "tmp/a").await;
            assert_eq!(newer_words(&asked), [""; 0], "{what}");
            assert_eq!(asked.header("content-length"), Some("9"), "{what}");
            let hash = if what.starts_with("literal") {
                SHA256
            } else {
                UNSIGNED
            };
            assert_eq!(asked.header("x-amz-content-sha256"), Some(hash), "{what}");
            // As old as S3: the target enforces it, too.
            let digest = what.ends_with("digest").then_some(MD5.1);
            assert_eq!(asked.header("content-md5"), digest, "{what}");
        }
        // boto3 over TLS: no length of the body that it sends.
        let pieces = etl.stream("PUT", "/lake/tmp/b", Stream::of(UNSIGNED_TRAILER), &PARTS);
        assert_eq!(etl.send_in_pieces(pieces.request(), 7).await.status, 200);
        assert_eq!(target.object("tmp/b").as_deref(), Some(WHOLE));
    }
}

// STR-05; invariant 9: what a plain target does not enforce is never left to it.
#[tokio::test]
async fn a_wrong_upload_never_becomes_an_object_at_a_plain_target() {
    for checksum in ["verify", "passthrough"] {
        let careless = Habits {
            checks: false,
            ..Habits::OLD
        };
        let target = PickyTarget::start(careless).await;
        let world = world(&target, "plain", checksum).await;
        let etl = world.client("etl").await;
        for (what, upload, code) in wrong_uploads(&etl, "a") {
            let answer = etl.send(upload).await;
            let status = if code == "SignatureDoesNotMatch" { 403 } else { 400 };
            answer.refused(what, status, code);
            assert_eq!(answer.header("x-tidegate-error-source"), None, "{what}");
            assert_eq!(target.object("tmp/a"), None, "{checksum} {what}");
        }
        let whole = target.asked_by_callers();
        assert!(
            whole.is_empty(),
            "the target never had a whole request: {whole:?}"
        );
    }
}

// STR-05, STR-06
#[tokio::test]
async fn every_framing_arrives_at_a_target_like_aws_with_what_it_can_enforce() {
    for checksum in ["verify", "passthrough"] {
        let target = PickyTarget::start(Habits::AWS).await;
        let world = world(&target, "aws", checksum).await;
        let etl = world.client("etl").await;
        for (what, upload) in uploads(&etl, "a") {
            let asked = arrives(&etl, &target, what, upload, "tmp/a").await;
            let hash = match what {
                "unsigned trailer" | "signed trailer" => UNSIGNED_TRAILER,
                what if what.starts_with("literal") => SHA256,
                _ => UNSIGNED,
            };
            assert_eq!(asked.header("x-amz-content-sha256"), Some(hash), "{what}");
            let trailer = (hash == UNSIGNED_TRAILER).then_some("x-amz-checksum-crc32");
            assert_eq!(asked.header("x-amz-trailer"), trailer, "{what}");
            let coding = trailer.map(|_| "aws-chunked");
            assert_eq!(asked.header("content-encoding"), coding, "{what}");
            let in_header = what.ends_with("checksum").then_some(CRC32.1);
            assert_eq!(asked.header("x-amz-checksum-crc32"), in_header, "{what}");
            let length = asked.body.len().to_string();
            assert_eq!(asked.header("content-length"), Some(&*length), "{what}");
        }
        // Chunks that S3 would refuse, many times over: they are framed anew.
        let part = vec![7; 1000];
        let parts: Vec<&[u8]> = std::iter::repeat_n(&part[..], 200).collect();
        for mode in [SIGNED, UNSIGNED_TRAILER] {
            let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &part.repeat(200)) as u32;
            let value = data_encoding::BASE64.encode(&crc.to_be_bytes());
            let stream = Stream {
                trailer: (mode == UNSIGNED_TRAILER).then_some(("x-amz-checksum-crc32", value.as_str())),
                ..Stream::of(mode)
            };
            let upload = etl.stream("PUT", "/lake/tmp/many", stream, &parts).request();
            let answer = etl.send_in_pieces(upload, 333).await;
            assert_eq!(answer.status, 200, "{mode}: {}", answer.text());
            assert!(target.object("tmp/many").unwrap() == part.repeat(200), "{mode}");
        }
    }
}

// STR-03, STR-05; invariant 9
#[tokio::test]
async fn a_wrong_upload_never_becomes_an_object_whoever_enforces_it() {
    for checksum in ["verify", "passthrough"] {
        let target = PickyTarget::start(Habits::AWS).await;
        let world = world(&target, "aws", checksum).await;
        let etl = world.client("etl").await;
        for (what, upload, code) in wrong_uploads(&etl, "a") {
            let before = target.asked_by_callers().len();
            let answer = etl.send(upload).await;
            let status = if code == "SignatureDoesNotMatch" { 403 } else { 400 };
            answer.refused(what, status, code);
            assert_eq!(target.object("tmp/a"), None, "{checksum} {what}");
            let left = checksum == "passthrough" && code != "SignatureDoesNotMatch";
            let source = left.then_some("target");
            assert_eq!(
                answer.header("x-tidegate-error-source"),
                source,
                "{checksum} {what}"
            );
            let whole = target.asked_by_callers().len() - before;
            assert_eq!(
                whole,
                usize::from(left),
                "{checksum} {what}: whole requests at the target"
            );
        }
        // Nor are headers beside a trailer: who knows which of the two a target looks at.
        let beside = Stream {
            headers: &[NO_MD5],
            ..Stream::of(UNSIGNED_TRAILER)
        };
        let before = target.asked_by_callers().len();
        let beside = etl.stream("PUT", "/lake/tmp/a", beside, &PARTS).request();
        etl.send(beside)
            .await
            .refused("digest beside a trailer", 400, "BadDigest");
        assert_eq!(target.asked_by_callers().len(), before);
        // Lengths and framing are never left to anybody.
        let short = Stream {
            length: Some("10"),
            ..Stream::of(UNSIGNED_TRAILER)
        };
        let no_end = etl
            .stream("PUT", "/lake/tmp/a", Stream::of(UNSIGNED_TRAILER), &PARTS)
            .ending(b"0\r\n");
        let short = etl.stream("PUT", "/lake/tmp/a", short, &PARTS);
        for upload in [no_end.request(), short.request()] {
            etl.send(upload).await.refused("framing", 400, "IncompleteBody");
        }
        assert_eq!(target.object("tmp/a"), None);
    }
}

// STR-05
#[tokio::test]
async fn empty_objects_arrive_in_every_framing_and_wrong_ones_nowhere() {
    for (habits, profile) in [(Habits::OLD, "plain"), (Habits::AWS, "aws")] {
        for checksum in ["verify", "passthrough"] {
            let target = PickyTarget::start(habits).await;
            let world = world(&target, profile, checksum).await;
            let etl = world.client("etl").await;
            let stream = |mode: &'static str, value| {
                let stream = Stream {
                    trailer: mode
                        .ends_with("TRAILER")
                        .then_some(("x-amz-checksum-crc32", value)),
                    ..Stream::of(mode)
                };
                etl.stream("PUT", "/lake/tmp/empty", stream, &[]).request()
            };
            let put =
                |headers: &[(&str, &str)], payload| etl.sign("PUT", "/lake/tmp/empty", headers, b"", payload);
            for (what, upload) in [
                ("literal", put(&[CRC32], Payload::Literal)),
                ("other literal", put(&[], Payload::Named(SHA256))),
                ("unsigned", put(&[MD5], Payload::Unsigned)),
                ("unsigned trailer", stream(UNSIGNED_TRAILER, "y/Q5Jg==")),
                ("signed trailer", stream(SIGNED_TRAILER, "y/Q5Jg==")),
            ] {
                let answer = etl.send(upload).await;
                assert_eq!(answer.status, 400, "{profile} {what}: {}", answer.text());
            }
            let asked = target.asked_by_callers();
            assert!(asked.is_empty(), "{asked:?}");
            for (what, upload) in [
                ("literal", put(&[NO_CRC32], Payload::Literal)),
                ("unsigned", put(&[], Payload::Unsigned)),
                ("unsigned trailer", stream(UNSIGNED_TRAILER, "AAAAAA==")),
                ("signed", stream(SIGNED, "")),
                ("signed trailer", stream(SIGNED_TRAILER, "AAAAAA==")),
            ] {
                let answer = etl.send(upload).await;
                assert_eq!(answer.status, 200, "{profile} {what}: {}", answer.text());
                assert_eq!(target.object("tmp/empty").as_deref(), Some(&b""[..]), "{what}");
                assert_eq!(etl.delete("/lake/tmp/empty").await.status, 204);
            }
        }
    }
}

/// A multipart upload whose checksums are agreed upon from the beginning to the end, as SDKs do it.
async fn in_parts(etl: &Client, target: &PickyTarget) -> [Asked; 3] {
    let algorithm = [("x-amz-checksum-algorithm", "CRC32")];
    let create = etl.sign(
        "POST",
        "/lake/tmp/parts?uploads",
        &algorithm,
        b"",
        Payload::Literal,
    );
    let answer = etl.send(create).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.element("UploadId").unwrap();
    let created = target.last();
    let at = format!("/lake/tmp/parts?partNumber=1&uploadId={id}");
    let part = etl.stream("PUT", &at, Stream::of(UNSIGNED_TRAILER), &PARTS);
    let answer = etl.send_in_pieces(part.request(), 5).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let uploaded = target.last();
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag>\
         <ChecksumCRC32>y/Q5Jg==</ChecksumCRC32></Part></CompleteMultipartUpload>",
        answer.header("etag").unwrap()
    );
    let at = format!("/lake/tmp/parts?uploadId={id}");
    let whole = [("x-amz-checksum-type", "COMPOSITE")];
    let complete = etl.sign("POST", &at, &whole, document.as_bytes(), Payload::Literal);
    let answer = etl.send(complete).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    [created, uploaded, target.last()]
}

#[tokio::test]
async fn checksums_of_parts_are_agreed_upon_from_the_beginning_to_the_end_or_not_at_all() {
    let target = PickyTarget::start(Habits::OLD).await;
    let plain = world(&target, "plain", "verify").await;
    for asked in in_parts(&plain.client("etl").await, &target).await {
        assert_eq!(newer_words(&asked), [""; 0], "{}", asked.target);
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        assert!(!body.contains("Checksum"), "{body}");
    }
    assert_eq!(target.object("tmp/parts").as_deref(), Some(WHOLE));
    let target = PickyTarget::start(Habits::AWS).await;
    let aws = world(&target, "aws", "verify").await;
    let [created, uploaded, completed] = in_parts(&aws.client("etl").await, &target).await;
    assert_eq!(created.header("x-amz-checksum-algorithm"), Some("CRC32"));
    assert_eq!(uploaded.header("x-amz-trailer"), Some("x-amz-checksum-crc32"));
    assert_eq!(completed.header("x-amz-checksum-type"), Some("COMPOSITE"));
    let body = String::from_utf8_lossy(&completed.body).into_owned();
    assert!(body.contains("<ChecksumCRC32>y/Q5Jg==</ChecksumCRC32>"), "{body}");
}

// STR-05: SHA-512 and MD5 are computed here; the rest only a target can hold a payload against.
#[tokio::test]
async fn newer_checksums_are_verified_here_or_by_a_target_that_was_seen_to_or_not_taken() {
    let zeros = |length: usize| data_encoding::BASE64.encode(&vec![0; length]);
    let ones = |length: usize| data_encoding::BASE64.encode(&vec![1; length]);
    let computed = [
        ("x-amz-checksum-md5", MD5.1.to_owned(), zeros(16)),
        ("x-amz-checksum-sha512", sha512_of_whole(), zeros(64)),
    ];
    let others = [
        ("x-amz-checksum-xxhash64", ones(8), zeros(8)),
        ("x-amz-checksum-xxhash3", ones(8), zeros(8)),
        ("x-amz-checksum-xxhash128", ones(16), zeros(16)),
    ];
    let half = Habits {
        checks_newer: false,
        ..Habits::AWS
    };
    for (habits, profile, checksum, may_be_left) in [
        (Habits::OLD, "plain", "verify", false),
        (Habits::OLD, "plain", "passthrough", false),
        (Habits::AWS, "aws", "verify", false),
        // The operator vouches for what S3 always did, and not for what is new.
        (Habits::AWS, "aws", "passthrough", false),
        (Habits::AWS, "auto", "verify", false),
        (Habits::AWS, "auto", "passthrough", true),
        (half, "auto", "passthrough", false),
    ] {
        let target = PickyTarget::start(habits).await;
        let world = world(&target, profile, checksum).await;
        let etl = world.client("etl").await;
        let case = format!("{profile} {checksum}");
        let put =
            |name, value: &str| etl.sign("PUT", "/lake/tmp/a", &[(name, value)], WHOLE, Payload::Unsigned);
        let trail = |name: &'static str, value: &str| {
            let stream = Stream {
                trailer: Some((name, value)),
                ..Stream::of(UNSIGNED_TRAILER)
            };
            etl.stream("PUT", "/lake/tmp/a", stream, &PARTS).request()
        };
        for (name, right, wrong) in &computed {
            for upload in [put(name, wrong), trail(name, wrong)] {
                etl.send(upload)
                    .await
                    .refused(&format!("{case} {name}"), 400, "BadDigest");
                assert_eq!(target.object("tmp/a"), None, "{case} {name}");
            }
            for upload in [put(name, right), trail(name, right)] {
                let answer = etl.send(upload).await;
                assert_eq!(answer.status, 200, "{case} {name}: {}", answer.text());
                assert_eq!(etl.delete("/lake/tmp/a").await.status, 204);
            }
        }
        let before = target.asked_by_callers().len();
        for (name, right, wrong) in &others {
            for (upload, wrong) in [
                (put(name, wrong), put(name, right)),
                (trail(name, wrong), trail(name, right)),
            ] {
                let (wrong, right) = (etl.send(upload).await, etl.send(wrong).await);
                if may_be_left {
                    wrong.refused(&format!("{case} {name}"), 400, "BadDigest");
                    assert_eq!(right.status, 200, "{case} {name}: {}", right.text());
                    assert_eq!(etl.delete("/lake/tmp/a").await.status, 204);
                } else {
                    for answer in [wrong, right] {
                        answer.refused(&format!("{case} {name}"), 501, "NotImplemented");
                        let message = answer.element("Message").unwrap();
                        assert!(
                            message.contains(name) && message.contains("CRC64NVME"),
                            "{message}"
                        );
                    }
                    assert_eq!(target.object("tmp/a"), None, "{case} {name}");
                }
            }
        }
        if !may_be_left {
            assert_eq!(
                target.asked_by_callers().len(),
                before,
                "{case}: nothing was asked of the target"
            );
        }
        // Names that nobody knows are no checksums.
        etl.send(put("x-amz-checksum-rot13", "AAAA"))
            .await
            .refused("rot13", 501, "NotImplemented");
        etl.send(trail("x-amz-checksum-rot13", "AAAA"))
            .await
            .refused("rot13", 400, "InvalidRequest");
    }
}

fn sha512_of_whole() -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, WHOLE);
    data_encoding::BASE64.encode(digest.as_ref())
}
