//! Plain uploads: the bytes that were declared arrive, and bytes that were not declared never become an object.

use crate::support::world::eventually;
use crate::support::{Client, Payload, World, raw};
use tokio::io::AsyncWriteExt;

const CONTENT: &[u8] = b"123456789";

/// The published check values of `123456789`, and the same of other bytes.
const CHECKSUMS: [(&str, &str, &str); 6] = [
    ("x-amz-checksum-crc32", "y/Q5Jg==", "AAAAAA=="),
    ("x-amz-checksum-crc32c", "4waSgw==", "AAAAAA=="),
    ("x-amz-checksum-crc64nvme", "rosUhgp5mIg=", "AAAAAAAAAAA="),
    (
        "x-amz-checksum-sha1",
        "98O8HYCOBHMq32eZZczDTKeuNEE=",
        "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    ),
    (
        "x-amz-checksum-sha256",
        "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ),
    (
        "content-md5",
        "JfnnlDI7RTiF9RgfG2JNCw==",
        "1B2M2Y8AsgTpgAmY7PhCfg==",
    ),
];

// STR-01, STR-05
#[tokio::test]
async fn a_right_checksum_arrives_and_a_wrong_one_does_not() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    for payload in [Payload::Literal, Payload::Unsigned] {
        for (name, right, wrong) in CHECKSUMS {
            let put = |value| etl.sign("PUT", "/lake/tmp/a", &[(name, value)], CONTENT, payload.clone());
            let answer = etl.send(put(wrong)).await;
            answer.refused(name, 400, "BadDigest");
            assert!(
                answer.element("Message").unwrap().to_lowercase().contains(name),
                "{}",
                answer.text()
            );
            let record = world.record_of(&answer).await;
            assert_eq!(
                record["response"]["end_reason"], "complete",
                "the refusal itself: {record}"
            );
            assert_eq!(world.stored("tmp/a"), None, "{name}");
            world.store_file("acme-lake-prod", "tmp/a", b"old");
            etl.send(put(wrong)).await.refused(name, 400, "BadDigest");
            assert_eq!(world.stored("tmp/a").as_deref(), Some(&b"old"[..]), "{name}");
            let answer = etl.send(put(right)).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            assert_eq!(world.stored("tmp/a").as_deref(), Some(CONTENT), "{name}");
            etl.delete("/lake/tmp/a").await;
        }
    }
    for (name, value, code) in [
        ("content-md5", "short", "InvalidDigest"),
        ("content-md5", "AAAAAA==", "InvalidDigest"),
        ("x-amz-checksum-crc32", "?", "InvalidRequest"),
        ("x-amz-checksum-sha256", "AAAAAA==", "InvalidRequest"),
        ("x-amz-checksum-xxhash", "AAAAAA==", "NotImplemented"),
    ] {
        let request = etl.sign("PUT", "/lake/tmp/a", &[(name, value)], CONTENT, Payload::Literal);
        let answer = etl.send(request).await;
        let status = if code == "NotImplemented" { 501 } else { 400 };
        answer.refused(name, status, code);
    }
    assert_eq!(world.stored("tmp/a"), None);
}

// STR-05
#[tokio::test]
async fn the_body_must_be_the_one_that_was_signed() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let large = vec![7; 3 << 20];
    for body in [CONTENT, &large[..]] {
        for old in [None, Some(&b"old"[..])] {
            if let Some(old) = old {
                world.store_file("acme-lake-prod", "tmp/a", old);
            }
            let mut request = etl.sign("PUT", "/lake/tmp/a", &[], body, Payload::Literal);
            let mut other = body.to_vec();
            *other.last_mut().unwrap() ^= 1;
            *request.body_mut() = other.into();
            let answer = etl.send(request).await;
            answer.refused("another body", 400, "XAmzContentSHA256Mismatch");
            assert_eq!(world.stored("tmp/a").as_deref(), old);
        }
        etl.delete("/lake/tmp/a").await;
        let presigned = etl.presign(
            "PUT",
            "/lake/tmp/a",
            &[("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")],
            b"987654321",
            60,
        );
        etl.send(presigned)
            .await
            .refused("checksum of a link", 400, "BadDigest");
        assert_eq!(world.stored("tmp/a"), None);
        assert_eq!(etl.put("/lake/tmp/a", body).await.status, 200);
        assert!(world.stored("tmp/a").as_deref() == Some(body));
        etl.delete("/lake/tmp/a").await;
    }
    // A length that cannot be known ahead, and a framing that nobody signed.
    let request = etl.sign("PUT", "/lake/tmp/a", &[], CONTENT, Payload::Literal);
    etl.send_in_pieces(request, 3)
        .await
        .refused("no length", 411, "MissingContentLength");
    let request = etl.sign(
        "PUT",
        "/lake/tmp/a",
        &[("content-encoding", "aws-chunked")],
        CONTENT,
        Payload::Literal,
    );
    etl.send(request).await.refused("framing", 400, "InvalidArgument");
    assert_eq!(world.stored("tmp/a"), None);
}

// FLW-04
#[tokio::test]
async fn a_refused_upload_hears_why_although_it_is_still_sending() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let large = vec![7; 20 << 20];
    let denied = etl.put("/lake/frozen/a", &large).await;
    denied.refused("denied", 403, "AccessDenied");
    assert!(
        denied.text().contains("The frozen folder is closed."),
        "{}",
        denied.text()
    );
    let unsigned = etl.unsigned("PUT", "/lake/tmp/a", &[], &large);
    etl.send(unsigned).await.refused("anonymous", 403, "AccessDenied");
    world.untouched("refused uploads");
}

#[tokio::test]
async fn an_empty_object_is_verified_before_it_exists() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    for (name, right, _) in CHECKSUMS {
        let request = etl.sign("PUT", "/lake/tmp/empty", &[(name, right)], b"", Payload::Literal);
        etl.send(request).await.refused(name, 400, "BadDigest");
    }
    let hash = Payload::Named("15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    let request = etl.sign("PUT", "/lake/tmp/empty", &[], b"", hash);
    etl.send(request)
        .await
        .refused("hash", 400, "XAmzContentSHA256Mismatch");
    world.untouched("empty objects with a wrong checksum");
    for payload in [Payload::Literal, Payload::Unsigned] {
        let md5 = [("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")];
        let answer = etl
            .send(etl.sign("PUT", "/lake/tmp/empty", &md5, b"", payload))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(world.stored("tmp/empty").as_deref(), Some(&b""[..]));
        etl.delete("/lake/tmp/empty").await;
    }
}

/// How a caller goes away.
#[derive(Clone, Copy, Debug)]
enum End {
    /// As a proxy would that lost its own caller.
    Politely,
    /// The TCP connection ends without a word of TLS.
    Abruptly,
    /// A reset.
    Reset,
}

// FLW-02
#[tokio::test]
async fn a_truncated_upload_never_becomes_an_object() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let content = vec![7; 200_000];
    for end in [End::Politely, End::Abruptly, End::Reset] {
        for (sent, payload) in [
            (0, Payload::Literal),
            (1, Payload::Unsigned),
            (100_000, Payload::Literal),
            (100_000, Payload::Unsigned),
            (199_999, Payload::Unsigned),
        ] {
            let agent = format!("truncated/{end:?}-{sent}-{payload:?}");
            for old in [None, Some(&b"old"[..])] {
                if let Some(old) = old {
                    world.store_file("acme-lake-prod", "tmp/a", old);
                }
                let before = world.target_requests().len();
                let upload = begin(&etl, &agent, &content, sent, payload.clone()).await;
                let begun = || (world.target_requests().len() > before).then_some(());
                eventually("the upload at the store", begun).await;
                cut(upload, end).await;
                let records = world
                    .audit_when(|records| records.iter().any(|r| ended(r, &agent)))
                    .await;
                let record = records.iter().rfind(|r| ended(r, &agent)).unwrap();
                let told = record["response"]["error_code"] == "IncompleteBody";
                assert!(told || record["response"]["aborted"] == true, "{record}");
                assert_eq!(world.stored("tmp/a").as_deref(), old, "{agent}");
            }
            std::fs::remove_file(world.path("store/acme-lake-prod/tmp/a")).unwrap();
        }
    }
}

fn ended(record: &serde_json::Value, agent: &str) -> bool {
    record["client"]["user_agent"] == agent
}

/// Sends a part of an upload.
async fn begin(client: &Client, agent: &str, content: &[u8], sent: usize, payload: Payload) -> raw::Stream {
    let request = client.sign("PUT", "/lake/tmp/a", &[("user-agent", agent)], content, payload);
    let mut stream = client.connect().await;
    let head = raw::head(&request, &format!("content-length: {}\r\n", content.len()));
    stream.write_all(&head).await.unwrap();
    stream.write_all(&content[..sent]).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

async fn cut(mut upload: raw::Stream, end: End) {
    match end {
        End::Politely => upload.shutdown().await.unwrap(),
        End::Abruptly => drop(upload.into_inner().0.into_std().unwrap()),
        End::Reset => upload.into_inner().0.set_zero_linger().unwrap(),
    }
}
