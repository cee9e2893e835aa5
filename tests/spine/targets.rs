//! Targets that are down, break off, lie or babble: the caller sees a failure as a failure, and nothing of theirs.

use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::{Answer, Payload, Settings, World};

async fn world(target: &FakeTarget) -> World {
    World::with(Settings {
        target: Some(target.address),
        policy: Some("permit (principal, action, resource);".into()),
        server: "stall_timeout = \"1s\"".into(),
        target_lines: "response_timeout = \"1s\"".into(),
        ..Settings::default()
    })
    .await
}

/// Nothing of the target is in an answer: not its words, its names, its address or its key.
fn tells_nothing(answer: &Answer, target: &FakeTarget, what: &str) {
    let everything = format!("{:?} {}", answer.headers, answer.text());
    for secret in ["anary", "acme-lake-prod", "STOREKEY", &target.address.to_string()] {
        assert!(
            !everything.contains(secret),
            "{what} tells `{secret}`: {everything}"
        );
    }
}

#[tokio::test]
async fn a_target_that_is_down_is_a_503_with_patience() {
    let target = FakeTarget::saying("").await;
    let world = world(&target).await;
    let etl = world.client("etl").await;
    let address = target.address.to_string();
    drop(target);
    for (method, path, body) in [
        ("GET", "/lake/tmp/a", &b""[..]),
        ("PUT", "/lake/tmp/a", b"x"),
        ("DELETE", "/lake/tmp/a", b""),
        ("GET", "/lake?list-type=2", b""),
        ("POST", "/lake/tmp/a?uploads", b""),
    ] {
        let answer = etl
            .send(etl.sign(method, path, &[], body, Payload::Literal))
            .await;
        answer.refused(method, 503, "ServiceUnavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(!answer.text().contains(&address), "{}", answer.text());
        // Policy allowed it: what failed is behind.
        let record = world.recorded(&answer, "allow", "permit").await;
        assert_eq!(record["response"]["error_code"], "ServiceUnavailable");
        assert!(
            record["cause"]
                .as_str()
                .unwrap()
                .contains("the target cannot be used"),
            "{record}"
        );
    }
    assert_eq!(etl.head("/lake/tmp/a").await.status, 503);
}

// FLW-01
#[tokio::test]
async fn a_download_that_breaks_off_never_ends_cleanly() {
    let half = "x".repeat(50_000);
    let known = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let cuts = [
        ("reset", known(100_000) + &half, Step::Reset),
        ("close", known(100_000) + &half, Step::Close),
        ("no-byte", known(100_000), Step::Close),
        ("last-byte", known(50_001) + &half, Step::Close),
        ("chunk-cut", format!("{chunked}186a0\r\n{half}"), Step::Close),
        (
            "chunk-missing",
            format!("{chunked}c350\r\n{half}\r\n"),
            Step::Close,
        ),
        (
            "end-cut",
            format!("{chunked}c350\r\n{half}\r\n0\r\n"),
            Step::Close,
        ),
        ("chunk-reset", format!("{chunked}c350\r\n{half}\r\n"), Step::Reset),
        (
            "bad-chunk",
            format!("{chunked}c350\r\n{half}\r\nzz\r\n"),
            Step::Close,
        ),
        ("stall", known(100_000) + &half, Step::Hold),
    ];
    let names = cuts.each_ref().map(|(name, ..)| *name);
    let script =
        |(name, bytes, end): (&str, String, Step)| (name.to_owned(), vec![Step::Send(bytes.into()), end]);
    let target = FakeTarget::by_name(cuts.map(script).to_vec()).await;
    let world = world(&target).await;
    let etl = world.client("etl").await;
    for name in names {
        let target = format!("/lake/tmp/{name}");
        let get = || etl.sign("GET", &target, &[("user-agent", name)], b"", Payload::Literal);
        let answer = etl.try_send(get()).await;
        assert!(answer.is_err(), "{name} looks complete over HTTP/1.1: {answer:?}");
        let mut sender = etl.http2().await;
        let answer = etl.try_send_http2(&mut sender, get()).await;
        assert!(answer.is_err(), "{name} looks complete over HTTP/2: {answer:?}");
        let is = |r: &&serde_json::Value| r["client"]["user_agent"] == name;
        let records = world
            .audit_when(|records| records.iter().filter(is).count() == 2)
            .await;
        for record in records.iter().filter(is) {
            let ended = if name == "stall" {
                "stalled"
            } else {
                "target-broke-off"
            };
            assert_eq!(record["response"]["end_reason"], ended, "{record}");
            assert_eq!(record["response"]["aborted"], true, "{record}");
        }
    }
}

// FLW-01, FLW-06, FLW-08
#[tokio::test]
async fn an_answer_whose_end_is_in_doubt_is_not_passed_on() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let answers = [
        ("until-the-end", format!("{ok}\r\nbody")),
        ("compressed", format!("{ok}transfer-encoding: gzip\r\n\r\nbody")),
        (
            "two-lengths",
            format!("{ok}content-length: 4\r\ncontent-length: 5\r\n\r\nbody!"),
        ),
        ("odd-length", format!("{ok}content-length: +4\r\n\r\nbody")),
        ("half-a-head", format!("{ok}content-le")),
        (
            "switch",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n".to_owned(),
        ),
        ("flood", "HTTP/1.1 102 Processing\r\n\r\n".repeat(100)),
        ("nothing", String::new()),
        ("other-protocol", "SSH-2.0-canary\r\n".to_owned()),
    ];
    let names = answers.each_ref().map(|(name, _)| *name);
    let script =
        |(name, bytes): (&str, String)| (name.to_owned(), vec![Step::Send(bytes.into()), Step::Close]);
    let target = FakeTarget::by_name(answers.map(script).to_vec()).await;
    let world = world(&target).await;
    let etl = world.client("etl").await;
    for name in names {
        let answer = etl.get(&format!("/lake/tmp/{name}")).await;
        answer.refused(name, 503, "ServiceUnavailable");
        tells_nothing(&answer, &target, name);
        world.recorded(&answer, "allow", "permit").await;
    }
}

// FLW-06
#[tokio::test]
async fn a_second_answer_never_meets_another_request() {
    let twice = [answer("200 OK", "", "mine"), answer("200 OK", "", "poison")].concat();
    let longer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nminepoison".to_vec();
    for bytes in [twice, longer] {
        let target = FakeTarget::saying(bytes).await;
        let world = world(&target).await;
        let etl = world.client("etl").await;
        for _ in 0..5 {
            assert_eq!(etl.get("/lake/tmp/a").await.text(), "mine");
        }
    }
}

// LEK-02, LEK-04, LEK-07
#[tokio::test]
async fn nothing_that_a_target_says_about_itself_reaches_the_caller() {
    let document = |code: &str| {
        format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>canary of acme-lake-prod</Message>\
             <AWSAccessKeyId>STOREKEY</AWSAccessKeyId><StringToSign>canary</StringToSign>\
             <StringToSignBytes>canary</StringToSignBytes><CanonicalRequest>canary</CanonicalRequest>\
             <BucketName>acme-lake-prod</BucketName><Bucket>acme-lake-prod</Bucket><Endpoint>canary.test</Endpoint>\
             <Region>canary</Region><HostId>canary</HostId><RequestId>canary</RequestId><Key>canary</Key></Error>"
        )
    };
    let headers = "location: https://canary.test/\r\nx-amz-id-2: canary\r\nx-amz-bucket-region: canary\r\n\
                   www-authenticate: canary\r\nx-amz-request-id: canary\r\nserver: canary\r\n";
    let unavailable = (503, "ServiceUnavailable");
    let cases = [
        ("403 Forbidden", "SignatureDoesNotMatch", unavailable),
        ("403 Forbidden", "InvalidAccessKeyId", unavailable),
        ("403 Forbidden", "RequestTimeTooSkewed", unavailable),
        ("400 Bad Request", "ExpiredToken", unavailable),
        ("400 Bad Request", "AuthorizationHeaderMalformed", unavailable),
        ("301 Moved Permanently", "PermanentRedirect", unavailable),
        ("307 Temporary Redirect", "TemporaryRedirect", unavailable),
        ("302 Found", "", unavailable),
        ("403 Forbidden", "AccessDenied", (403, "AccessDenied")),
        ("404 Not Found", "NoSuchKey", (404, "NoSuchKey")),
        ("404 Not Found", "NoSuchCanary", (404, "NoSuchKey")),
        (
            "412 Precondition Failed",
            "PreconditionFailed",
            (412, "PreconditionFailed"),
        ),
        ("416 Range Not Satisfiable", "InvalidRange", (416, "InvalidRange")),
        (
            "500 Internal Server Error",
            "InternalError",
            (500, "InternalError"),
        ),
        ("503 Slow Down", "SlowDown", (503, "SlowDown")),
        ("418 Teapot", "CanaryError", (418, "InvalidRequest")),
    ];
    let script = |(at, (status, code, _)): (usize, &(&str, &str, (u16, &str)))| {
        let all = vec![
            Step::ReadBody,
            Step::Send(answer(status, headers, &document(code))),
        ];
        let head = vec![Step::Send(answer(status, headers, "")), Step::Close];
        [(at.to_string(), all), (format!("{at}-head"), head)]
    };
    let target = FakeTarget::by_name(cases.iter().enumerate().flat_map(script).collect()).await;
    let world = world(&target).await;
    let etl = world.client("etl").await;
    for (at, (status, code, expected)) in cases.into_iter().enumerate() {
        for (method, name) in [
            ("GET", at.to_string()),
            ("PUT", at.to_string()),
            ("HEAD", format!("{at}-head")),
        ] {
            let request = etl.sign(method, &format!("/lake/tmp/{name}"), &[], b"", Payload::Literal);
            let answer = etl.send(request).await;
            let what = format!("{method} {status} {code}");
            tells_nothing(&answer, &target, &what);
            assert_eq!(answer.header("x-tidegate-error-source"), Some("target"), "{what}");
            let record = world.record_of(&answer).await;
            assert_eq!(record["target"]["request_id"], "canary", "the operator may know");
            if method != "HEAD" {
                answer.refused(&what, expected.0, expected.1);
            }
        }
    }
    world.kept_secret(&["store-secret-that-nobody-else-has"]);
    let log = std::fs::read_to_string(world.path("tidegate.log")).unwrap_or_default();
    let told = |line: &str| line.contains("the target refused") && line.contains("canary of acme-lake-prod");
    assert!(log.lines().any(told), "the operator hears why: {log}");
}
