//! Uploads in `aws-chunked`: every mode arrives byte for byte, and nothing that was tampered with becomes an
//! object.

use crate::support::chunked::{SIGNED, SIGNED_TRAILER, Stream, UNSIGNED_TRAILER};
use crate::support::{Payload, World};

const PARTS: [&[u8]; 3] = [b"1234", b"567", b"89"];
const MODES: [&str; 3] = [UNSIGNED_TRAILER, SIGNED, SIGNED_TRAILER];

// STR-01, STR-06
#[tokio::test]
async fn every_mode_arrives_with_the_right_bytes() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    for mode in MODES {
        for (encoding, key) in [("content-length", "tmp/a"), ("transfer-encoding", "tmp/b")] {
            let target = format!("/lake/{key}-{}", mode.len());
            let request = etl.stream("PUT", &target, Stream::of(mode), &PARTS).request();
            let answer = match encoding {
                "content-length" => etl.send(request).await,
                _ => etl.send_in_pieces(request, 7).await,
            };
            assert_eq!(answer.status, 200, "{mode} {encoding}: {}", answer.text());
            let stored = world.stored(&target["/lake/".len()..]);
            assert_eq!(stored.as_deref(), Some(&b"123456789"[..]), "{mode} {encoding}");
            let record = world.recorded(&answer, "allow", "permit").await;
            assert_eq!(
                record["response"]["bytes_in"], 9,
                "{mode}: payload without its framing"
            );
        }
    }
    // Many chunks, larger than any buffer on the way.
    let part: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    let parts: Vec<&[u8]> = std::iter::repeat_n(&part[..], 20).collect();
    let large = etl
        .stream("PUT", "/lake/tmp/large", Stream::of(SIGNED), &parts)
        .request();
    assert_eq!(etl.send(large).await.status, 200);
    assert!(world.stored("tmp/large") == Some(part.repeat(20)));
    // The framing is not part of the object.
    assert_eq!(etl.head("/lake/tmp/large").await.header("content-encoding"), None);
}

// STR-01
#[tokio::test]
async fn no_mode_is_taken_without_a_right_signature() {
    let world = World::start().await;
    let mut etl = world.client("etl").await;
    let presigned = etl.presign(
        "PUT",
        "/lake/tmp/a",
        &[("x-amz-content-sha256", SIGNED)],
        b"0\r\n\r\n",
        60,
    );
    etl.send(presigned)
        .await
        .refused("presigned", 400, "InvalidRequest");
    etl.keys_mut().secret_access_key = world.session("analyst").await.secret_access_key;
    for mode in MODES {
        let request = etl
            .stream("PUT", "/lake/tmp/a", Stream::of(mode), &PARTS)
            .request();
        let answer = etl.send(request).await;
        answer.refused(mode, 403, "SignatureDoesNotMatch");
        world.recorded(&answer, "deny", "bad-signature").await;
    }
    for mode in [Payload::Literal, Payload::Unsigned] {
        let answer = etl.send(etl.sign("PUT", "/lake/tmp/a", &[], b"x", mode)).await;
        answer.refused("wrong key", 403, "SignatureDoesNotMatch");
    }
    for mode in [
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "STREAMING-NEW",
        "streaming-unsigned-payload-trailer",
        "",
    ] {
        let request = etl
            .stream(
                "PUT",
                "/lake/tmp/a",
                Stream {
                    trailer: None,
                    ..Stream::of(mode)
                },
                &PARTS,
            )
            .request();
        etl.send(request).await.refused(mode, 400, "InvalidRequest");
    }
    world.untouched("payloads that nobody signed");
}

// STR-02, STR-03, STR-04, STR-07, STR-08
#[tokio::test]
async fn a_broken_stream_never_becomes_an_object() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let stream = |mode| etl.stream("PUT", "/lake/tmp/a", Stream::of(mode), &PARTS);
    let plain = || stream(UNSIGNED_TRAILER);
    let signed = || stream(SIGNED);
    let both = || stream(SIGNED_TRAILER);
    let parts: [&[u8]; 3] = [b"1234", b"xxx", b"89"];
    let other = etl.stream("PUT", "/lake/tmp/other", Stream::of(SIGNED), &parts);
    let mut order = signed();
    order.chunks.swap(0, 1);
    let mut left_out = signed();
    left_out.chunks.pop();
    let replay = signed().chunk(1, &signed().chunks[0]);
    // Its own end, as below.
    let trailed = both();
    let end = trailed.end.clone();
    let digit = if end.ends_with(b"0\r\n\r\n") { b"1" } else { b"0" };
    let forged = [&end[..end.len() - 5], digit, b"\r\n\r\n"].concat();
    let unsigned = &end[..end.len() - "x-amz-trailer-signature:\r\n\r\n".len() - 64];
    // Its own end: that of another may be of another second, and then it is a wrong signature first.
    let whole = signed();
    let more = [&whole.end[..], b"more"].concat();
    let more = whole.ending(&more);
    let mismatch = (403, "SignatureDoesNotMatch");
    let incomplete = (400, "IncompleteBody");
    let digest = (400, "BadDigest");
    let trailer = (400, "MalformedTrailerError");
    let invalid = (400, "InvalidRequest");
    let line = "x-amz-checksum-crc32:y/Q5Jg==\r\n";
    for (what, stream, (status, code)) in [
        ("data", signed().replaced("\r\n567", "\r\n568"), mismatch),
        ("last data", both().replaced("\r\n89", "\r\n98"), mismatch),
        (
            "long signature",
            signed().replaced("4;chunk-signature=", "4;chunk-signature=0"),
            incomplete,
        ),
        ("order", order, mismatch),
        ("replay", replay, mismatch),
        ("chunk of another", signed().chunk(1, &other.chunks[1]), mismatch),
        ("end of another", signed().ending(&other.end), mismatch),
        ("unsigned chunk", signed().chunk(1, b"3\r\n567\r\n"), mismatch),
        ("unsigned end", signed().ending(b"0\r\n\r\n"), mismatch),
        ("chunk left out", left_out, incomplete),
        ("no end", signed().ending(b""), incomplete),
        ("no end", plain().ending(b""), incomplete),
        ("end before its trailer", plain().ending(b"0\r\n"), incomplete),
        ("more after the end", more, incomplete),
        ("signed chunk", plain().chunk(0, &other.chunks[0]), incomplete),
        (
            "huge size",
            plain().chunk(0, b"ffffffffffffffff\r\n"),
            (400, "InvalidChunkSizeError"),
        ),
        (
            "size with a sign",
            plain().chunk(0, b"+4\r\n1234\r\n"),
            incomplete,
        ),
        (
            "size with a prefix",
            plain().chunk(0, b"0x4\r\n1234\r\n"),
            incomplete,
        ),
        ("checksum", plain().replaced("y/Q5", "AAAA"), digest),
        ("data under a checksum", plain().replaced("1234", "4321"), digest),
        ("signed checksum", both().replaced("y/Q5", "AAAA"), mismatch),
        ("trailer signature", both().ending(&forged), mismatch),
        (
            "no trailer signature",
            trailed.ending(&[unsigned, b"\r\n"].concat()),
            incomplete,
        ),
        ("no checksum", plain().ending(b"0\r\n\r\n"), invalid),
        ("other trailer", plain().replaced("crc32", "crc32c"), invalid),
        ("trailer twice", plain().replaced(line, &line.repeat(2)), trailer),
        (
            "trailer without a colon",
            plain().replaced("crc32:", "crc32 "),
            trailer,
        ),
    ] {
        let request = stream.request();
        let answer = etl.send(request.clone()).await;
        answer.refused(what, status, code);
        let record = world.record_of(&answer).await;
        assert_eq!(record["response"]["error_code"], code, "{what}");
        assert_eq!(world.stored("tmp/a"), None, "{what}");
        world.store_file("acme-lake-prod", "tmp/a", b"old");
        etl.send(request).await.refused(what, status, code);
        assert_eq!(world.stored("tmp/a").as_deref(), Some(&b"old"[..]), "{what}");
        std::fs::remove_file(world.path("store/acme-lake-prod/tmp/a")).unwrap();
    }
}

// STR-02, STR-04
#[tokio::test]
async fn what_a_stream_declares_must_hold() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let length = |length: &'static str| Stream {
        length: Some(length),
        ..Stream::of(SIGNED)
    };
    let trailer = |mode, trailer| Stream {
        trailer,
        ..Stream::of(mode)
    };
    let with = |headers: &'static [(&'static str, &'static str)]| Stream {
        headers,
        ..Stream::of(SIGNED)
    };
    let crc = Some(("x-amz-checksum-crc32", "y/Q5Jg=="));
    for (what, stream, status, code) in [
        ("too short", length("8"), 400, "IncompleteBody"),
        ("too long", length("10"), 400, "IncompleteBody"),
        ("missing", length(""), 411, "MissingContentLength"),
        ("negative", length("-9"), 400, "InvalidArgument"),
        ("overflow", length("99999999999999999999"), 400, "InvalidArgument"),
        (
            "trailer without a mode",
            trailer(SIGNED, crc),
            400,
            "InvalidRequest",
        ),
        (
            "mode without a trailer",
            trailer(UNSIGNED_TRAILER, None),
            400,
            "InvalidRequest",
        ),
        (
            "unknown trailer",
            trailer(SIGNED_TRAILER, Some(("x-amz-meta-a", "1"))),
            400,
            "InvalidRequest",
        ),
        (
            "header checksum",
            with(&[("x-amz-checksum-crc32", "AAAAAA==")]),
            400,
            "BadDigest",
        ),
        (
            "header digest",
            with(&[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")]),
            400,
            "BadDigest",
        ),
    ] {
        let request = etl.stream("PUT", "/lake/tmp/a", stream, &PARTS).request();
        etl.send(request).await.refused(what, status, code);
        assert_eq!(world.stored("tmp/a"), None, "{what}");
    }
    let before = world.target_requests().len();
    for (method, target) in [
        ("POST", "/lake/tmp/a?uploads"),
        ("POST", "/lake?delete"),
        ("DELETE", "/lake/tmp/a"),
    ] {
        let request = etl.stream(method, target, Stream::of(SIGNED), &[]).request();
        let answer = match method {
            "DELETE" => etl.send(request.map(|_| bytes::Bytes::new())).await,
            _ => etl.send(request).await,
        };
        answer.refused(target, 400, "InvalidRequest");
    }
    assert_eq!(world.target_requests().len(), before);
}

#[tokio::test]
async fn an_empty_stream_is_verified_before_there_is_an_empty_object() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let stream = |mode: &'static str, checksum: &'static str| {
        let trailer = mode
            .ends_with("TRAILER")
            .then_some(("x-amz-checksum-crc32", checksum));
        let stream = Stream {
            trailer,
            ..Stream::of(mode)
        };
        etl.stream("PUT", "/lake/tmp/empty", stream, &[])
    };
    let wrong = stream(UNSIGNED_TRAILER, "y/Q5Jg==").request();
    etl.send(wrong).await.refused("checksum", 400, "BadDigest");
    for mode in [SIGNED, SIGNED_TRAILER] {
        let end = format!("0;chunk-signature={}\r\n\r\n", "0".repeat(64));
        let forged = stream(mode, "AAAAAA==").ending(end.as_bytes()).request();
        etl.send(forged).await.refused(mode, 403, "SignatureDoesNotMatch");
    }
    world.untouched("empty objects that nobody signed");
    for mode in MODES {
        let answer = etl.send(stream(mode, "AAAAAA==").request()).await;
        assert_eq!(answer.status, 200, "{mode}: {}", answer.text());
        assert_eq!(world.stored("tmp/empty").as_deref(), Some(&b""[..]), "{mode}");
        assert_eq!(etl.delete("/lake/tmp/empty").await.status, 204);
    }
}
