//! Signatures: what is signed arrives, what is not signed or signed by somebody else does not.

use crate::support::{Payload, Signed, World};
use http::{HeaderName, HeaderValue};
use jiff::SignedDuration;

// SIG-01, SIG-02
#[tokio::test]
async fn a_header_that_acts_and_is_not_signed_is_refused() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "secret/plan", b"secret");
    let etl = world.client("etl").await;
    for (name, value) in [
        ("x-amz-copy-source", "lake/secret/plan"),
        ("x-amz-meta-owner", "mallory"),
        ("x-amz-tagging", "public=yes"),
        ("x-amz-acl", "private"),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-decoded-content-length", "1"),
        ("x-amz-something-new", "1"),
    ] {
        let signed = etl.sign("PUT", "/lake/tmp/a", &[], b"", Payload::Literal);
        let presigned = etl.presign("PUT", "/lake/tmp/a", &[], b"", 60);
        for request in [signed, presigned] {
            let answer = etl.send(with(request, name, value)).await;
            answer.refused(name, 403, "AccessDenied");
            assert_eq!(
                answer.element("HeadersNotSigned").as_deref(),
                Some(name),
                "{}",
                answer.text()
            );
            let record = world.recorded(&answer, "deny", "unauthenticated").await;
            assert_eq!(record["response"]["error_code"], "AccessDenied");
        }
    }
    let presigned = etl.presign("PUT", "/lake/tmp/a", &[], b"", 60);
    let hash = with(presigned, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    etl.send(hash)
        .await
        .refused("the hash of a presigned request", 403, "AccessDenied");
    world.untouched("unsigned headers");
}

// SIG-06
#[tokio::test]
async fn whatever_is_changed_after_signing_is_refused() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let etl = world.client("etl").await;
    let headers = [
        ("x-amz-meta-a", "1"),
        ("content-type", "text/plain"),
        ("range", "bytes=0-0"),
    ];
    type Change = fn(Signed) -> Signed;
    let changes: [(&str, Change); 9] = [
        ("method", deletion),
        ("path", |r| target(r, "/lake/tmp/b?versionId=1")),
        ("path as a folder", |r| target(r, "/lake/tmp/a/?versionId=1")),
        ("query", |r| target(r, "/lake/tmp/a?versionId=2")),
        ("query cut", |r| target(r, "/lake/tmp/a")),
        ("signed header", |r| with(r, "range", "bytes=0-9")),
        ("signed metadata", |r| with(r, "x-amz-meta-a", "2")),
        ("host", |r| with(r, "host", "localhost")),
        ("payload hash", |r| {
            with(r, "x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        }),
    ];
    for (what, change) in changes {
        let request = etl.sign("GET", "/lake/tmp/a?versionId=1", &headers, b"", Payload::Literal);
        let answer = etl.send(change(request)).await;
        answer.refused(what, 403, "SignatureDoesNotMatch");
        // For the caller to compare with its own; nothing in it that it did not send.
        let text = answer.element("StringToSign").unwrap();
        assert!(text.starts_with("AWS4-HMAC-SHA256\n"), "{text}");
        let record = world.recorded(&answer, "deny", "bad-signature").await;
        assert_eq!(
            record["actor"]["id"],
            serde_json::Value::Null,
            "{what}: only a claim"
        );
    }
    for at in [0, 1, 31, 62, 63] {
        let request = etl.sign("GET", "/lake/tmp/a", &[], b"", Payload::Literal);
        let value = request.headers()["authorization"].to_str().unwrap().to_owned();
        let start = value.find("Signature=").unwrap() + "Signature=".len() + at;
        let flipped = if value.as_bytes()[start] == b'0' { "1" } else { "0" };
        let value = format!("{}{flipped}{}", &value[..start], &value[start + 1..]);
        let answer = etl.send(with(request, "authorization", &value)).await;
        answer.refused("flipped signature", 403, "SignatureDoesNotMatch");
    }
    world.untouched("tampered requests");
}

// SIG-05, SIG-08, SIG-09, SIG-13
#[tokio::test]
async fn a_signature_is_read_one_way() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let etl = world.client("etl").await;
    let sign = || etl.sign("GET", "/lake/tmp/a", &[], b"", Payload::Literal);
    let change = |change: &dyn Fn(&str) -> String| {
        let request = sign();
        let value = change(request.headers()["authorization"].to_str().unwrap());
        with(request, "authorization", &value)
    };
    // pgBackRest and s3cmd send no space after the commas, others more than one.
    for (what, request) in [
        ("no spaces", change(&|v| v.replace(", ", ","))),
        ("more spaces", change(&|v| v.replace(", ", " ,  "))),
    ] {
        assert_eq!(etl.send(request).await.status, 200, "{what}");
    }
    let spaced = [("x-amz-meta-a", "two  words"), ("x-amz-meta-b", " outer ")];
    let request = etl.sign("PUT", "/lake/tmp/b", &spaced, b"b", Payload::Literal);
    assert_eq!(
        etl.send(request).await.status,
        200,
        "white space is collapsed as in the signature"
    );
    let before = world.target_requests().len();

    let presigned = etl.presign("GET", "/lake/tmp/a", &[], b"", 60);
    let twice = with(
        presigned,
        "authorization",
        sign().headers()["authorization"].to_str().unwrap(),
    );
    let scoped = |v: &str| v.replacen(&v[v.find("/20").unwrap()..][..9], "/20200101", 1);
    let signature = |v: &str| v[v.find("Signature=").unwrap()..].to_owned();
    let bearer = format!("Bearer {}", world.token("etl"));
    let malformed = "AuthorizationHeaderMalformed";
    for (what, request, code) in [
        ("header and query", twice, "InvalidArgument"),
        (
            "version 4a",
            change(&|v| v.replace("HMAC", "ECDSA-P256")),
            "InvalidRequest",
        ),
        (
            "version 2",
            change(&|_| "AWS AKID:c2lnbmF0dXJl".into()),
            "InvalidRequest",
        ),
        (
            "bearer beside a session",
            change(&|_| bearer.clone()),
            "InvalidArgument",
        ),
        ("no scheme", change(&|v| v[17..].into()), "InvalidRequest"),
        ("terminator", change(&|v| v.replace("aws4_", "aws5_")), malformed),
        ("other date", change(&scoped), malformed),
        (
            "part twice",
            change(&|v| format!("{v}, {}", signature(v))),
            malformed,
        ),
        (
            "no signature",
            change(&|v| v.replace(&signature(v), "")),
            malformed,
        ),
        ("short signature", change(&|v| v[..v.len() - 1].into()), malformed),
        (
            "upper-case name",
            change(&|v| v.replace("=host", "=Host")),
            malformed,
        ),
    ] {
        let answer = etl.send(request).await;
        answer.refused(what, 400, code);
        world.recorded(&answer, "deny", "malformed").await;
    }
    let unsigned_host = change(&|v| v.replace("=host;", "="));
    etl.send(unsigned_host)
        .await
        .refused("host is not signed", 403, "AccessDenied");
    let anonymous = world.anonymous();
    let answer = anonymous
        .send(anonymous.unsigned("GET", "/lake/tmp/a", &[], b""))
        .await;
    answer.refused("anonymous", 403, "AccessDenied");
    assert!(
        answer.text().contains("AssumeRoleWithWebIdentity"),
        "the way out: {}",
        answer.text()
    );
    world.recorded(&answer, "deny", "unauthenticated").await;
    assert_eq!(world.target_requests().len(), before);
}

// SIG-07
#[tokio::test]
async fn a_clock_may_be_off_by_fifteen_minutes_and_not_by_twenty() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let mut etl = world.client("etl").await;
    for minutes in [-14, 14] {
        etl.skew = SignedDuration::from_mins(minutes);
        assert_eq!(etl.get("/lake/tmp/a").await.status, 200, "{minutes} minutes");
    }
    let before = world.target_requests().len();
    for minutes in [-20, 20, -16, 16, 60 * 24 * 365 * 50] {
        etl.skew = SignedDuration::from_mins(minutes);
        let answer = etl.get("/lake/tmp/a").await;
        answer.refused("skew", 403, "RequestTimeTooSkewed");
        assert!(answer.element("ServerTime").is_some() && answer.element("RequestTime").is_some());
        world.recorded(&answer, "deny", "clock-skew").await;
    }
    assert_eq!(world.target_requests().len(), before);
}

fn with(mut request: Signed, name: &str, value: &str) -> Signed {
    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
    request
        .headers_mut()
        .insert(name, HeaderValue::from_str(value).unwrap());
    request
}

fn deletion(mut request: Signed) -> Signed {
    *request.method_mut() = http::Method::DELETE;
    request
}

fn target(mut request: Signed, target: &str) -> Signed {
    *request.uri_mut() = target.parse().unwrap();
    request
}
