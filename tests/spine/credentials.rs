//! The target's credential changes while requests come in.

use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::{Settings, World};

/// A target that takes one access key and calls every other one expired or unknown.
async fn taking(key: &'static str, code: &'static str) -> FakeTarget {
    let credential = format!("Credential={key}/");
    let refusal = format!("<Error><Code>{code}</Code><Message>STRING-TO-SIGN</Message></Error>");
    FakeTarget::start(move |head| {
        let answer = if head.contains(&credential) {
            answer("200 OK", "etag: \"e\"\r\n", "hello")
        } else {
            answer("403 Forbidden", "content-type: application/xml\r\n", &refusal)
        };
        vec![Step::ReadBody, Step::Send(answer)]
    })
    .await
}

/// A world whose target is signed for with the keys in `secrets/id` and `secrets/key`.
async fn world(target: &FakeTarget, id: &str) -> World {
    let world = World::with(Settings {
        target: Some(target.address),
        policy: Some("permit (principal, action, resource);".into()),
        ..Settings::default()
    })
    .await;
    std::fs::write(world.path("secrets/id"), id).unwrap();
    std::fs::write(world.path("secrets/key"), "secret").unwrap();
    let path = world.path("tidegate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text
        .replace("env:STORE_ACCESS_KEY_ID", "file:secrets/id")
        .replace("env:STORE_SECRET_ACCESS_KEY", "file:secrets/key");
    std::fs::write(&path, text).unwrap();
    // Once for the change, and once more for the files that it is the first to name.
    world
        .metric_when("tidegate_generation", |number| number == 3)
        .await;
    world
}

fn signed_with(target: &FakeTarget) -> Vec<String> {
    let key = |head: &str| {
        let (_, rest) = head.split_once("Credential=").unwrap();
        rest.split('/').next().unwrap().to_owned()
    };
    target.seen().iter().map(|seen| key(&seen.head)).collect()
}

// CRD-03
#[tokio::test]
async fn an_expired_credential_is_replaced_and_a_request_without_a_body_sent_once_more() {
    for code in ["ExpiredToken", "InvalidAccessKeyId"] {
        let target = taking("NEWKEY", code).await;
        let world = world(&target, "OLDKEY").await;
        let etl = world.client("etl").await;
        std::fs::write(world.path("secrets/id"), "NEWKEY").unwrap();
        let read = etl.get("/lake/a").await;
        assert_eq!((read.status, read.text().as_str()), (200, "hello"), "{code}");
        assert_eq!(signed_with(&target), ["OLDKEY", "NEWKEY"], "{code}");
        assert_eq!(etl.get("/lake/a").await.status, 200);
        assert_eq!(signed_with(&target).len(), 3, "the new one stays");
        let record = world.recorded(&read, "allow", "permit").await;
        assert_eq!(record["target"]["status"], 200, "{record}");
    }
}

/// A target that takes `NEWKEY` and refuses every other one, to HEAD without a word.
async fn silent_to_head(code: &'static str) -> FakeTarget {
    FakeTarget::start(move |head| {
        let answer = match (head.contains("Credential=NEWKEY/"), head.starts_with("HEAD")) {
            (true, true) => answer("200 OK", "etag: \"e\"\r\n", ""),
            (true, false) => answer("200 OK", "etag: \"e\"\r\n", "hello"),
            (false, true) => b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec(),
            (false, false) => {
                let refusal = format!("<Error><Code>{code}</Code></Error>");
                answer("403 Forbidden", "content-type: application/xml\r\n", &refusal)
            }
        };
        vec![Step::ReadBody, Step::Send(answer)]
    })
    .await
}

// CRD-03
#[tokio::test]
async fn an_expired_credential_is_replaced_for_whoever_only_asks_head() {
    for (path, head, question) in [
        ("/lake/a", "HEAD /acme-lake-prod/a", "GET /acme-lake-prod/a"),
        ("/lake", "HEAD /acme-lake-prod", "GET /acme-lake-prod?max-keys=1"),
    ] {
        let target = silent_to_head("ExpiredToken").await;
        let world = world(&target, "OLDKEY").await;
        let etl = world.client("etl").await;
        let refused = etl.head(path).await;
        assert_eq!(refused.status, 503, "not the caller's fault: its session is good");
        let before = target.count();
        std::fs::write(world.path("secrets/id"), "NEWKEY").unwrap();
        assert_eq!(etl.head(path).await.status, 200, "{path}");
        assert_eq!(signed_with(&target)[before..], ["OLDKEY", "OLDKEY", "NEWKEY"]);
        assert_eq!(target.lines()[before..], [head, question, head]);
        let range = target.since(before)[1].header("range").map(str::to_owned);
        assert_eq!(range.is_some(), path == "/lake/a", "as little as there is");
    }
}

// CRD-03
#[tokio::test]
async fn head_of_what_the_target_denies_stays_denied_and_no_other_credential_is_had() {
    let target = silent_to_head("AccessDenied").await;
    let world = world(&target, "OLDKEY").await;
    let etl = world.client("etl").await;
    std::fs::write(world.path("secrets/id"), "NEWKEY").unwrap();
    assert_eq!(etl.head("/lake/a").await.status, 403);
    assert_eq!(signed_with(&target), ["OLDKEY", "OLDKEY"]);
}

// CRD-03, FLW-07
#[tokio::test]
async fn an_upload_is_not_sent_twice_and_the_next_one_is_signed_anew() {
    let target = taking("NEWKEY", "ExpiredToken").await;
    let world = world(&target, "OLDKEY").await;
    let etl = world.client("etl").await;
    std::fs::write(world.path("secrets/id"), "NEWKEY").unwrap();
    let refused = etl.put("/lake/tmp/a", b"body").await;
    refused.refused("an upload", 503, "ServiceUnavailable");
    assert!(!refused.text().contains("STRING-TO-SIGN"));
    assert_eq!(signed_with(&target), ["OLDKEY"]);
    assert_eq!(etl.put("/lake/tmp/a", b"body").await.status, 200);
    assert_eq!(signed_with(&target), ["OLDKEY", "NEWKEY"]);
}

// CRD-03
#[tokio::test]
async fn there_is_no_second_retry_and_none_without_another_credential() {
    let target = taking("GOODKEY", "ExpiredToken").await;
    let world = world(&target, "OLDKEY").await;
    let etl = world.client("etl").await;
    etl.get("/lake/a")
        .await
        .refused("the same key", 503, "ServiceUnavailable");
    assert_eq!(signed_with(&target), ["OLDKEY"]);
    std::fs::write(world.path("secrets/id"), "BADKEY").unwrap();
    etl.get("/lake/a")
        .await
        .refused("another bad key", 503, "ServiceUnavailable");
    assert_eq!(signed_with(&target), ["OLDKEY", "OLDKEY", "BADKEY"]);
}
