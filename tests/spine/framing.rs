//! Framing: what two readers of the same bytes could see as two requests is refused as one, in S3's words.

use crate::support::fake_target::FakeTarget;
use crate::support::world::eventually;
use crate::support::{Payload, Settings, World, raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

// FRM-01 to FRM-07, LIM-03
#[tokio::test]
async fn a_malformed_head_is_answered_recorded_and_the_last() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let good = String::from_utf8(raw::head(
        &etl.sign("GET", "/lake/tmp/a", &[], b"", Payload::Literal),
        "",
    ))
    .unwrap();
    let put = String::from_utf8(raw::head(
        &etl.sign("PUT", "/lake/tmp/a", &[], b"", Payload::Literal),
        "",
    ))
    .unwrap();
    let line = |line: &str| put.replacen("\r\n", &format!("\r\n{line}\r\n"), 1);
    let first = |from: &str, to: &str| good.replacen(from, to, 1);
    let host = good.lines().find(|line| line.starts_with("host: ")).unwrap();
    let without_host = good.replacen(&format!("{host}\r\n"), "", 1);
    let (bad, unknown) = ((400, "InvalidRequest"), (501, "NotImplemented"));
    let (method, large) = ((405, "MethodNotAllowed"), (431, "RequestHeaderSectionTooLarge"));
    let cases: Vec<(&str, String, (u16, &str))> = vec![
        (
            "both lengths",
            line("content-length: 1\r\ntransfer-encoding: chunked"),
            bad,
        ),
        ("two lengths", line("content-length: 1\r\ncontent-length: 2"), bad),
        (
            "same length twice",
            line("content-length: 1\r\ncontent-length: 1"),
            bad,
        ),
        ("length with a sign", line("content-length: +1"), bad),
        ("length in hex", line("content-length: 0x1"), bad),
        ("list of lengths", line("content-length: 1, 1"), bad),
        (
            "other encoding",
            line("transfer-encoding: gzip, chunked"),
            unknown,
        ),
        ("hidden encoding", line("transfer-encoding: xchunked"), unknown),
        (
            "encoding twice",
            line("transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
            unknown,
        ),
        ("bare line feed", first("\r\n", "\n"), bad),
        ("bare carriage return", line("x-a: a\rb"), bad),
        ("folded", line("x-a: a\r\n b"), bad),
        ("space before the colon", line("transfer-encoding : chunked"), bad),
        ("no colon", line("x-a"), bad),
        ("control character", line("x-a: \u{1}"), bad),
        ("zero", line("x-a: \0"), bad),
        ("not ASCII", line("x-a: ä"), bad),
        ("no host", without_host.clone(), bad),
        ("two hosts", line(host), bad),
        ("host with a user", good.replacen("host: ", "host: evil@", 1), bad),
        ("fragment", first("/lake/tmp/a", "/lake/tmp/a#b"), bad),
        ("space in the target", first("/lake/tmp/a", "/lake/tmp/a b"), bad),
        ("absolute target", first("/lake", "https://evil.test/lake"), bad),
        ("quote in the target", first("/lake/tmp/a", "/lake/tmp/\"a"), bad),
        ("HTTP/1.0", first("HTTP/1.1", "HTTP/1.0"), (505, "InvalidRequest")),
        ("HTTP/3", first("HTTP/1.1", "HTTP/3.0"), (505, "InvalidRequest")),
        ("HTTP/0.9", first(" HTTP/1.1", ""), bad),
        ("TRACE", first("GET", "TRACE"), method),
        ("CONNECT", first("GET", "CONNECT"), method),
        ("lower case", first("GET", "get"), method),
        ("unknown method", first("GET", "MOVE"), method),
        (
            "body of a GET",
            good.replacen("\r\n", "\r\ncontent-length: 4\r\n", 1),
            bad,
        ),
        (
            "chunks of a GET",
            good.replacen("\r\n", "\r\ntransfer-encoding: chunked\r\n", 1),
            bad,
        ),
        ("upgrade", line("upgrade: h2c\r\nconnection: upgrade"), bad),
        (
            "other expectation",
            line("expect: 200-ok"),
            (417, "InvalidRequest"),
        ),
        ("hop by hop", line("connection: x-amz-date"), bad),
        ("two signatures", line("authorization: AWS4-HMAC-SHA256 a=b"), bad),
        (
            "long target",
            first("/lake/tmp/a", &format!("/lake/{}", "a".repeat(20_000))),
            (414, "InvalidURI"),
        ),
        ("long head", line(&format!("x-a: {}", "a".repeat(70_000))), large),
        (
            "many headers",
            line(&"x-a: b\r\n".repeat(250).trim_end().replace("\r\n\r\n", "\r\n")),
            large,
        ),
    ];
    let mut answered = 1;
    for (what, head, (status, code)) in cases {
        // Whatever comes after it is not a request: it may be the other reader's body.
        let smuggled = format!("{head}{good}");
        let mut stream = etl.say(smuggled.as_bytes()).await;
        let answer = raw::answer(&mut stream)
            .await
            .unwrap_or_else(|| panic!("no answer to `{what}`"));
        answer.refused(what, status, code);
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert_eq!(
            String::from_utf8_lossy(&rest),
            "",
            "{what}: nothing is answered after it"
        );
        world.recorded(&answer, "deny", "malformed").await;
        answered += 1;
    }
    let records = world.audit_when(|records| records.len() >= answered).await;
    assert_eq!(records.len(), answered, "one record for each answer");
    world.untouched("malformed heads");
}

// FRM-01, LIM-03
#[tokio::test]
async fn a_malformed_head_is_answered_in_the_words_of_the_caller() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let host = etl.host.clone();
    let head = |start: &str, more: &str| {
        format!("{start} HTTP/1.1\r\nhost: {host}\r\nuser-agent: gcsfs\r\n{more}\r\n")
    };
    let long = format!("GET /storage/v1/b/lake/o?prefix={}", "a".repeat(20_000));
    for (what, head, status) in [
        (
            "two lengths",
            head(
                "POST /upload/storage/v1/b/lake/o",
                "content-length: 1\r\ncontent-length: 1\r\n",
            ),
            400,
        ),
        ("long target", head(&long, ""), 414),
        ("fragment", head("DELETE /storage/v1/b/lake/o/a#b", ""), 400),
        (
            "body of a GET",
            head("GET /storage/v1/b/lake/o/a", "content-length: 1\r\n"),
            400,
        ),
        ("unknown method", head("MOVE /batch/storage/v1", ""), 405),
    ] {
        let answer = etl.exchange(head.as_bytes()).await;
        let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            (answer.status, &error["error"]["code"]),
            (status, &status.into()),
            "{what}"
        );
        let record = world.recorded(&answer, "deny", "malformed").await;
        let method = head.split(' ').next().unwrap();
        assert_eq!(record["request"]["method"], method, "{what}: {record}");
        assert_eq!(record["api"]["protocol"], "gcs", "{what}: {record}");
        assert!(record.to_string().contains("gcsfs"), "{what}: {record}");
    }
    // The same bytes to a bucket of that name are S3's.
    let answer = etl
        .exchange(
            head("GET /storage/v1", "content-length: 1\r\n")
                .replace(" /storage/v1", " /storage/v2")
                .as_bytes(),
        )
        .await;
    answer.refused("a bucket", 400, "InvalidRequest");
    let answer = etl
        .exchange(head("HEAD /storage/v1/b/lake/o/a", "content-length: 1\r\n").as_bytes())
        .await;
    assert_eq!((answer.status, answer.body.len()), (400, 0));
    world.untouched("malformed heads");
}

#[tokio::test]
async fn a_body_is_asked_for_after_the_decision() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let expecting = |client: &crate::support::Client, target: &str| {
        let request = client.sign("PUT", target, &[], b"0123456789", Payload::Literal);
        raw::head(&request, "expect: 100-continue\r\ncontent-length: 10\r\n")
    };
    let mut stranger = etl.clone();
    stranger.keys_mut().secret_access_key = "wrong".into();
    for (what, head, code) in [
        ("denied", expecting(&etl, "/lake/frozen/a"), "AccessDenied"),
        (
            "wrong key",
            expecting(&stranger, "/lake/tmp/a"),
            "SignatureDoesNotMatch",
        ),
    ] {
        // The first answer is the last: nobody says `100 Continue`, and no byte of the body was sent.
        let answer = etl.exchange(&head).await;
        answer.refused(what, 403, code);
        assert_eq!(world.record_of(&answer).await["response"]["bytes_in"], 0);
    }
    world.untouched("bodies that nobody asked for");
    let mut stream = etl.say(&expecting(&etl, "/lake/tmp/a")).await;
    assert_eq!(raw::answer_head(&mut stream).await.unwrap().status, 100);
    assert_eq!(world.stored("tmp/a"), None);
    stream.write_all(b"0123456789").await.unwrap();
    assert_eq!(raw::answer(&mut stream).await.unwrap().status, 200);
    assert_eq!(world.stored("tmp/a").as_deref(), Some(&b"0123456789"[..]));
}

#[tokio::test]
async fn a_body_that_no_target_would_take_is_not_asked_for() {
    let target = FakeTarget::saying("").await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    drop(target);
    let etl = world.client("etl").await;
    let request = etl.sign("PUT", "/lake/tmp/a", &[], b"0123456789", Payload::Literal);
    let head = raw::head(&request, "expect: 100-continue\r\ncontent-length: 10\r\n");
    etl.exchange(&head)
        .await
        .refused("target is gone", 503, "ServiceUnavailable");
}

#[tokio::test]
async fn http_2_is_served_by_the_same_rules() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let mut sender = etl.http2().await;
    let put = etl.sign("PUT", "/lake/tmp/a", &[], b"by h2", Payload::Literal);
    let put = etl.send_http2(&mut sender, put).await;
    assert_eq!(
        (put.status, world.stored("tmp/a").as_deref()),
        (200, Some(&b"by h2"[..])),
        "{}",
        put.text()
    );
    let get = etl.sign(
        "GET",
        "/lake/tmp/a",
        &[("range", "bytes=3-")],
        b"",
        Payload::Literal,
    );
    let get = etl.send_http2(&mut sender, get).await;
    assert_eq!((get.status, get.text().as_str()), (206, "h2"));
    world.recorded(&get, "allow", "permit").await;
    let before = world.target_requests().len();

    let mut tampered = etl.sign("GET", "/lake/tmp/a", &[], b"", Payload::Literal);
    *tampered.uri_mut() = "/lake/tmp/b".parse().unwrap();
    let mut body = etl.sign("PUT", "/lake/tmp/b", &[], b"signed", Payload::Literal);
    *body.body_mut() = "other!".into();
    let mut trace = etl.sign("GET", "/lake/tmp/a", &[], b"", Payload::Literal);
    *trace.method_mut() = http::Method::TRACE;
    let denied = etl.sign("DELETE", "/lake/raw/a", &[], b"", Payload::Literal);
    let dots = etl.sign("GET", "/lake/%2e%2e/k", &[], b"", Payload::Literal);
    for (what, request, status, code) in [
        ("tampered", tampered, 403, "SignatureDoesNotMatch"),
        ("denied", denied, 403, "AccessDenied"),
        ("dots", dots, 400, "InvalidURI"),
        ("method", trace, 405, "MethodNotAllowed"),
    ] {
        let answer = etl.send_http2(&mut sender, request).await;
        answer.refused(what, status, code);
        world.record_of(&answer).await;
    }
    assert_eq!(world.target_requests().len(), before);
    etl.send_http2(&mut sender, body)
        .await
        .refused("body", 400, "XAmzContentSHA256Mismatch");
    assert_eq!(world.stored("tmp/b"), None);

    // The connection is for one host, as with HTTP/1.1.
    let mut other = etl.clone();
    other.host = "other.s3.tidegate.test".into();
    let request = other.sign("GET", "/k", &[], b"", Payload::Literal);
    other
        .send_http2(&mut sender, request)
        .await
        .refused("other host", 421, "InvalidRequest");
}

// FLW-02
#[tokio::test]
async fn an_http_2_upload_that_is_reset_never_becomes_an_object() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"old");
    let etl = world.client("etl").await;
    let upload = etl.begin_http2("/lake/tmp/a", 100_000, vec![7; 50_000]).await;
    eventually("the upload at the store", || {
        (!world.target_requests().is_empty()).then_some(())
    })
    .await;
    upload.abort();
    let aborted = |r: &serde_json::Value| r["response"]["aborted"] == true;
    let records = world.audit_when(|records| records.iter().any(aborted)).await;
    assert_eq!(
        records
            .iter()
            .filter(|r| r["api"]["operation"] == "PutObject")
            .count(),
        1
    );
    assert_eq!(world.stored("tmp/a").as_deref(), Some(&b"old"[..]));
}
