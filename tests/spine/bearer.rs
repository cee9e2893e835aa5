//! `Authorization: Bearer` on the paths of S3: an identity token or an access token instead of a signature.

use crate::doors::{access_token, expired};
use crate::support::{Payload, Settings, World, now};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

#[tokio::test]
async fn a_token_alone_reads_writes_lists_and_deletes() {
    let world = World::start().await;
    let identity = world.token("etl");
    let access = access_token(&world, "etl").await;
    let client = world.anonymous();
    for (n, token) in [&identity, &access].into_iter().enumerate() {
        let path = format!("/lake/tmp/{n}");
        let put = client.bearer("PUT", &path, token, b"content").await;
        assert_eq!(put.status, 200, "{}", put.text());
        let record = world.recorded(&put, "allow", "permit").await;
        assert_eq!(record["client"]["auth"], "bearer");
        assert_eq!(record["client"]["payload"], "unsigned");
        assert_eq!(record["actor"]["id"], "idp:etl");
        assert!(record["actor"]["session_id"].is_string(), "{record}");
        let got = client.bearer("GET", &path, token, b"").await;
        assert_eq!((got.status, got.text().as_str()), (200, "content"));
        let head = client.bearer("HEAD", &path, token, b"").await;
        assert_eq!(head.status, 200);
        let listed = client
            .bearer("GET", "/lake?list-type=2&prefix=tmp/", token, b"")
            .await;
        assert!(
            listed.text().contains(&format!("<Key>tmp/{n}</Key>")),
            "{}",
            listed.text()
        );
        let buckets = client.bearer("GET", "/", token, b"").await;
        assert!(buckets.text().contains("<Name>lake</Name>"), "{}", buckets.text());
        assert_eq!(client.bearer("DELETE", &path, token, b"").await.status, 204);
    }
    // Policies decide about it as about any other caller.
    let before = world.target_requests().len();
    let frozen = client.bearer("PUT", "/lake/frozen/a", &identity, b"x").await;
    frozen.refused("a forbidden write", 403, "AccessDenied");
    world.recorded(&frozen, "deny", "forbid").await;
    assert_eq!(world.target_requests().len(), before);
    world.kept_secret(&[&identity, &access]);
}

#[tokio::test]
async fn uploads_in_parts_go_on_with_another_token_of_the_same_principal() {
    let world = World::start().await;
    let (identity, access) = (world.token("etl"), access_token(&world, "etl").await);
    let client = world.anonymous();
    let begun = client
        .bearer("POST", "/lake/tmp/parts?uploads", &identity, b"")
        .await;
    let id = begun.element("UploadId").expect("an upload id");
    let part = client
        .bearer(
            "PUT",
            &format!("/lake/tmp/parts?partNumber=1&uploadId={id}"),
            &access,
            b"part",
        )
        .await;
    assert_eq!(part.status, 200, "{}", part.text());
    let etag = part.header("etag").unwrap().to_owned();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let etl = world.client("etl").await;
    let target = format!("/lake/tmp/parts?uploadId={id}");
    let done = etl
        .send(etl.sign("POST", &target, &[], list.as_bytes(), Payload::Literal))
        .await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(world.stored("tmp/parts").as_deref(), Some(&b"part"[..]));
}

// STR-01, STR-05
#[tokio::test]
async fn what_a_caller_declares_of_its_payload_still_holds() {
    let world = World::start().await;
    let token = world.token("etl");
    let client = world.anonymous();
    let (right, wrong) = (sha256(b"content"), sha256(b"other"));
    let crc = BASE64
        .encode(&crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, b"content").to_be_bytes()[4..]);
    for (what, headers, expected) in [
        ("nothing", &[][..], Ok(())),
        ("its hash", &[("x-amz-content-sha256", &*right)], Ok(())),
        (
            "that it is unsigned",
            &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")],
            Ok(()),
        ),
        ("its checksum", &[("x-amz-checksum-crc32", &*crc)], Ok(())),
        (
            "another hash",
            &[("x-amz-content-sha256", &*wrong)],
            Err((400, "XAmzContentSHA256Mismatch")),
        ),
        (
            "another checksum",
            &[("x-amz-checksum-crc32", "AAAAAA==")],
            Err((400, "BadDigest")),
        ),
        (
            "signed chunks",
            &[
                ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
                ("x-amz-decoded-content-length", "7"),
            ],
            Err((400, "InvalidRequest")),
        ),
        (
            "signed chunks with a trailer",
            &[
                (
                    "x-amz-content-sha256",
                    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                ),
                ("x-amz-decoded-content-length", "7"),
                ("x-amz-trailer", "x-amz-checksum-crc32"),
            ],
            Err((400, "InvalidRequest")),
        ),
        (
            "what nobody knows",
            &[("x-amz-content-sha256", "STREAMING-UNSIGNED")],
            Err((400, "InvalidRequest")),
        ),
    ] {
        let answer = client
            .bearer_with("PUT", "/lake/tmp/declared", &token, headers, b"content")
            .await;
        match expected {
            Ok(()) => {
                assert_eq!(answer.status, 200, "{what}: {}", answer.text());
                assert_eq!(
                    world.stored("tmp/declared").as_deref(),
                    Some(&b"content"[..]),
                    "{what}"
                );
                client.bearer("DELETE", "/lake/tmp/declared", &token, b"").await;
            }
            Err((status, code)) => {
                answer.refused(what, status, code);
                assert_eq!(world.stored("tmp/declared"), None, "{what}");
            }
        }
    }
    let framed = format!("7\r\ncontent\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n");
    let headers = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "7"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("content-encoding", "aws-chunked"),
    ];
    let put = client
        .bearer_with("PUT", "/lake/tmp/framed", &token, &headers, framed.as_bytes())
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(world.stored("tmp/framed").as_deref(), Some(&b"content"[..]));
}

// SIG-04, SIG-05
#[tokio::test]
async fn a_request_has_one_credential() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let token = world.token("etl");
    let session = etl.keys.clone().unwrap().session_token.unwrap();
    let presigned = etl.presign("GET", "/lake/tmp/a", &[], b"", 60);
    let with_query = presigned.uri().to_string();
    let (argument, request) = ("InvalidArgument", "InvalidRequest");
    for (what, target, headers, code) in [
        ("a presigned URL", &*with_query, &[][..], argument),
        (
            "a session token",
            "/lake/tmp/a",
            &[("x-amz-security-token", &*session)],
            argument,
        ),
        (
            "a part of a signature",
            "/lake/tmp/a?X-Amz-Security-Token=a",
            &[],
            argument,
        ),
        (
            "a date of a signature",
            "/lake/tmp/a?X-Amz-Date=20261122T000000Z",
            &[],
            argument,
        ),
        (
            "a signature of version 2",
            "/lake/tmp/a?AWSAccessKeyId=a&Signature=b&Expires=1",
            &[],
            argument,
        ),
    ] {
        let answer = etl.bearer_with("GET", target, &token, headers, b"").await;
        answer.refused(what, 400, code);
        world.recorded(&answer, "deny", "malformed").await;
    }
    for (what, value, code) in [
        ("no token", "Bearer ", request),
        ("nothing", "Bearer", request),
        ("two tokens", "Bearer a.b.c d.e.f", argument),
        ("a comma", "Bearer a.b.c,", argument),
        ("basic", "Basic dTpw", request),
        ("a bare token", &*token, request),
    ] {
        let answer = etl
            .send(etl.unsigned("GET", "/lake/tmp/a", &[("authorization", value)], b""))
            .await;
        answer.refused(what, 400, code);
        world.recorded(&answer, "deny", "malformed").await;
    }
    world.untouched("several credentials");
    world.kept_secret(&[&token, &session]);
}

// JWT-01, JWT-08, JWT-10, SES-07
#[tokio::test]
async fn a_token_that_is_not_accepted_is_a_401_that_says_what_to_do() {
    let world = World::start().await;
    let token = world.token("etl");
    let access = access_token(&world, "etl").await;
    let [head, claims, signature] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).unwrap();
    let seconds = now().as_second();
    let future = json!({
        "iss": world.issuer, "sub": "etl", "aud": crate::support::AUDIENCE,
        "iat": seconds + 600, "exp": seconds + 3600,
    });
    for (what, token, code, reason) in [
        ("expired", expired(&world), "ExpiredToken", "expired"),
        ("garbage", "garbage".to_owned(), "InvalidToken", "bad-token"),
        ("dots", "a.b.c".to_owned(), "InvalidToken", "bad-token"),
        (
            "unsigned",
            format!("{head}.{claims}."),
            "InvalidToken",
            "bad-token",
        ),
        (
            "cut",
            token[..token.len() - 4].to_owned(),
            "InvalidToken",
            "bad-token",
        ),
        (
            "other claims",
            format!("{head}.e30.{signature}"),
            "InvalidToken",
            "bad-token",
        ),
        (
            "from the future",
            world.provider.sign(&future).unwrap(),
            "InvalidToken",
            "bad-token",
        ),
        (
            "cut access token",
            access[..access.len() - 4].to_owned(),
            "InvalidToken",
            "bad-token",
        ),
        (
            "longer access token",
            format!("{access}AAAA"),
            "InvalidToken",
            "bad-token",
        ),
        ("large", "a".repeat(20_000), "InvalidToken", "bad-token"),
    ] {
        let answer = world.anonymous().bearer("GET", "/lake/tmp/a", &token, b"").await;
        answer.refused(what, 401, code);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Bearer error=\"invalid_token\""),
            "{challenge}"
        );
        world.recorded(&answer, "deny", reason).await;
        world.kept_secret(&[&token]);
    }
    // Twice, so that nothing of a refusal is remembered as anything else.
    let again = world
        .anonymous()
        .bearer("GET", "/lake/tmp/a", &expired(&world), b"")
        .await;
    again.refused("again", 401, "ExpiredToken");
    world.untouched("tokens that are not accepted");

    let fresh = World::with(Settings {
        without_provider: true,
        ..Settings::default()
    })
    .await;
    let answer = fresh
        .anonymous()
        .bearer("GET", "/lake/tmp/a", &fresh.token("etl"), b"")
        .await;
    answer.refused("the issuer is gone", 503, "SlowDown");
    assert!(answer.header("retry-after").is_some());
    fresh.recorded(&answer, "error", "unavailable").await;
    fresh.untouched("tokens that cannot be verified");
}

#[tokio::test]
async fn a_token_is_not_asked_about_each_time_and_forgotten_with_its_issuer() {
    let mut world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let (token, access) = (world.token("etl"), access_token(&world, "etl").await);
    let client = world.anonymous();
    for token in [&token, &access] {
        assert_eq!(client.bearer("GET", "/lake/tmp/a", token, b"").await.status, 200);
    }
    world.stop_provider();
    for token in [&token, &access] {
        assert_eq!(client.bearer("GET", "/lake/tmp/a", token, b"").await.status, 200);
    }
    // Another audience is wanted from now on: what was verified before counts for nothing, the access token was issued
    // for a session that may go on.
    let path = world.path("tidegate.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("name = \"idp\"", "name = \"other\"")).unwrap();
    world
        .metric_when("tidegate_generation", |number| number == 2)
        .await;
    let before = world.target_requests().len();
    for (token, status) in [(&token, [401, 403, 503]), (&access, [401, 401, 401])] {
        let answer = client.bearer("GET", "/lake/tmp/a", token, b"").await;
        assert!(status.contains(&answer.status), "{}", answer.text());
    }
    assert_eq!(world.target_requests().len(), before);
}
