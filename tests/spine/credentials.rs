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
