//! Keys of a target are rotated while requests come in.

use crate::secrets::world;
use crate::support::keyed_target::{DENIED, KeyedTarget, MISMATCH, UNKNOWN, WORKED};
use crate::support::managers::{Kind, Manager};
use crate::support::{Client, Settings, World, becomes};
use http::Method;

const OLD: (&str, &str) = ("AKIDOLD", "canary-secret-of-the-old-key");
const NEW: (&str, &str) = ("AKIDNEW", "canary-secret-of-the-new-key");

/// A world that is signed for with `OLD`, and whose target does not know `NEW` yet.
async fn rotating() -> (Manager, KeyedTarget, World, Client) {
    let (manager, target, world) = world(Kind::VaultToken).await;
    target.forgets(NEW.0);
    let etl = world.client("etl").await;
    becomes("a first read", async || etl.get("/lake/a").await.status == 200).await;
    target.take_seen();
    (manager, target, world, etl)
}

/// Waits until the version that was written last is known.
async fn known(manager: &Manager, world: &World) {
    let version = manager.version().unwrap();
    let secret = manager.secret();
    let labels = format!("tidegate_secret_version_info{{secret=\"{secret}\",version=\"{version}\"}}");
    world.metric_when(&labels, |value| value == 1).await;
    // The target's side takes it up with the same beat.
    let reads = manager.reads();
    becomes("another poll", async || manager.reads() > reads).await;
}

fn uses(target: &KeyedTarget) -> Vec<(String, &'static str)> {
    target
        .take_seen()
        .into_iter()
        .map(|(_, id, code)| (id, code))
        .collect()
}

fn of(id: &str, code: &'static str) -> (String, &'static str) {
    (id.to_owned(), code)
}

async fn says(world: &World, words: &[&str]) {
    world
        .ready_when(|status, body| status == 200 && words.iter().all(|word| body.contains(word)))
        .await;
}

// 7.4, FLW-07
#[tokio::test]
async fn new_keys_are_tried_where_it_harms_nobody_and_uploads_wait_for_the_outcome() {
    let (manager, target, world, etl) = rotating().await;
    target.knows(NEW.0, NEW.1);
    manager.write(NEW.0, NEW.1);
    known(&manager, &world).await;
    for _ in 0..3 {
        assert_eq!(etl.put("/lake/b", b"body").await.status, 200);
    }
    assert!(
        uses(&target).iter().all(|one| *one == of(OLD.0, WORKED)),
        "an upload is no trial"
    );
    assert_eq!(etl.get("/lake/a").await.status, 200);
    assert_eq!(uses(&target), [of(NEW.0, WORKED)]);
    assert_eq!(etl.put("/lake/b", b"body").await.status, 200);
    assert_eq!(uses(&target), [of(NEW.0, WORKED)], "it has worked once");
    world.kept_secret(&[OLD.1, NEW.1]);
}

// 7.4, F9
#[tokio::test]
async fn keys_that_the_target_does_not_know_cost_nobody_anything_and_the_operator_hears_of_it() {
    for (secret, code) in [(None, UNKNOWN), (Some("another secret"), MISMATCH)] {
        let (manager, target, world, etl) = rotating().await;
        if let Some(secret) = secret {
            target.knows(NEW.0, secret);
        }
        manager.write(NEW.0, NEW.1);
        known(&manager, &world).await;
        let read = etl.get("/lake/a").await;
        assert_eq!((read.status, read.text().as_str()), (200, "content"));
        assert_eq!(uses(&target), [of(NEW.0, code), of(OLD.0, WORKED)]);
        let record = world.recorded(&read, "allow", "permit").await;
        assert_eq!(record["target"]["credential_version"], "1", "{record}");
        for _ in 0..5 {
            assert_eq!(etl.get("/lake/a").await.status, 200);
            assert_eq!(etl.put("/lake/b", b"body").await.status, 200);
        }
        assert!(
            uses(&target).iter().all(|one| *one == of(OLD.0, WORKED)),
            "it rests"
        );
        says(
            &world,
            &[
                "degraded",
                "refuses the new ones, version `2`",
                code,
                "version `1` goes on",
            ],
        )
        .await;
        world.kept_secret(&[OLD.1, NEW.1, "STRING-TO-SIGN"]);
        // Back again.
        manager.write(OLD.0, OLD.1);
        says(&world, &["\"status\": \"ready\""]).await;
        assert_eq!(etl.get("/lake/a").await.status, 200);
        assert_eq!(uses(&target), [of(OLD.0, WORKED)]);
    }
}

// 7.4, F9
#[tokio::test]
async fn when_the_old_keys_end_first_the_new_ones_sign_whatever_comes() {
    let (manager, target, world, etl) = rotating().await;
    target.knows(NEW.0, NEW.1);
    target.forgets(OLD.0);
    manager.write(NEW.0, NEW.1);
    known(&manager, &world).await;
    // What was refused before its body was read is sent again as a whole.
    let put = etl.put("/lake/b", b"body").await;
    assert!(put.status == 200 || put.status == 503, "{}", put.text());
    assert_eq!(etl.put("/lake/b", b"body").await.status, 200);
    let seen = target.take_seen();
    assert_eq!(
        seen.first(),
        Some(&(Method::PUT, OLD.0.to_owned(), UNKNOWN)),
        "{seen:?}"
    );
    assert_eq!(
        seen.last(),
        Some(&(Method::PUT, NEW.0.to_owned(), WORKED)),
        "{seen:?}"
    );
    says(&world, &["\"status\": \"ready\""]).await;
}

// 7.4
#[tokio::test]
async fn a_request_finds_keys_that_nobody_has_polled_yet() {
    let (manager, target, world, etl) = rotating().await;
    // The old key ends in the same moment as the new one begins.
    target.knows(NEW.0, NEW.1);
    target.forgets(OLD.0);
    manager.write(NEW.0, NEW.1);
    becomes("the new key", async || etl.get("/lake/a").await.status == 200).await;
    assert_eq!(uses(&target).last(), Some(&of(NEW.0, WORKED)));
    world.kept_secret(&[OLD.1, NEW.1]);
}

// 7.4, F9
#[tokio::test]
async fn with_two_bad_keys_the_caller_is_asked_to_come_back_and_one_good_one_is_enough() {
    let (manager, target, world, etl) = rotating().await;
    target.forgets(OLD.0);
    manager.write(NEW.0, NEW.1);
    known(&manager, &world).await;
    let read = etl.get("/lake/a").await;
    read.refused("both", 503, "ServiceUnavailable");
    assert!(read.header("retry-after").is_some());
    assert!(!read.text().contains("STRING-TO-SIGN") && !read.text().contains("AKID"));
    let seen = uses(&target);
    assert_eq!(seen, [of(NEW.0, UNKNOWN), of(OLD.0, UNKNOWN)], "each once");
    says(&world, &["degraded", "refuses version `2`", "and version `1`"]).await;
    target.knows(OLD.0, OLD.1);
    becomes("the old key", async || etl.get("/lake/a").await.status == 200).await;
}

// 7.4
#[tokio::test]
async fn new_keys_that_may_do_less_than_the_old_ones_do_not_take_their_place() {
    let (manager, target, world, etl) = rotating().await;
    target.knows(NEW.0, NEW.1);
    target.is_powerless(NEW.0, true);
    manager.write(NEW.0, NEW.1);
    known(&manager, &world).await;
    assert_eq!(etl.get("/lake/a").await.status, 200);
    assert_eq!(uses(&target), [of(NEW.0, DENIED), of(OLD.0, WORKED)]);
    says(&world, &["degraded", "refuses the new ones, version `2`", DENIED]).await;
    assert_eq!(etl.head("/lake/a").await.status, 200);
    assert_eq!(uses(&target), [of(OLD.0, WORKED)]);
}

// 7.4, F9
#[tokio::test]
async fn keys_of_another_tenant_cost_nobody_anything_and_do_not_take_the_place_of_the_old_ones() {
    for (status, code) in [(404, "NoSuchBucket"), (404, "NoSuchKey"), (500, "InternalError")] {
        let (manager, target, world, etl) = rotating().await;
        target.knows(NEW.0, NEW.1);
        target.is_a_strangers(NEW.0, Some((status, code)));
        manager.write(NEW.0, NEW.1);
        known(&manager, &world).await;
        let read = etl.get("/lake/a").await;
        assert_eq!((read.status, read.text().as_str()), (200, "content"), "{code}");
        assert_eq!(uses(&target), [of(NEW.0, code), of(OLD.0, WORKED)]);
        assert_eq!(etl.put("/lake/b", b"body").await.status, 200, "{code}");
        assert_eq!(uses(&target), [of(OLD.0, WORKED)]);
        says(&world, &["degraded", "refuses the new ones, version `2`", code]).await;
    }
}

// 7.4, FLW-07
#[tokio::test]
async fn what_changes_something_is_no_trial_of_new_keys() {
    let (manager, target, world, etl) = rotating().await;
    target.knows(NEW.0, NEW.1);
    target.is_a_strangers(NEW.0, Some((500, "InternalError")));
    manager.write(NEW.0, NEW.1);
    known(&manager, &world).await;
    etl.delete("/lake/tmp/a").await;
    let seen = uses(&target);
    assert!(
        !seen.is_empty() && seen.iter().all(|one| *one == of(OLD.0, WORKED)),
        "{seen:?}"
    );
}

// 7.4, CFG-03
#[tokio::test]
async fn keys_in_files_prove_themselves_too() {
    let target = KeyedTarget::start(OLD.0, OLD.1).await;
    let world = World::with(Settings {
        target: Some(target.address),
        policy: Some("permit (principal, action, resource);".into()),
        ..Settings::default()
    })
    .await;
    let write = |id: &str, secret: &str| {
        std::fs::write(world.path("secrets/id"), id).unwrap();
        std::fs::write(world.path("secrets/key"), secret).unwrap();
    };
    write(OLD.0, OLD.1);
    let path = world.path("tidegate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text
        .replace("env:STORE_ACCESS_KEY_ID", "file:secrets/id")
        .replace("env:STORE_SECRET_ACCESS_KEY", "file:secrets/key");
    std::fs::write(&path, text).unwrap();
    world
        .metric_when("tidegate_generation", |number| number == 3)
        .await;
    let etl = world.client("etl").await;
    assert_eq!(etl.get("/lake/a").await.status, 200);
    assert_eq!(uses(&target), [of(OLD.0, WORKED)]);
    write(NEW.0, "canary-wrong");
    target.knows(NEW.0, NEW.1);
    world
        .metric_when("tidegate_generation", |number| number == 4)
        .await;
    assert_eq!(etl.get("/lake/a").await.status, 200);
    assert_eq!(uses(&target), [of(NEW.0, MISMATCH), of(OLD.0, WORKED)]);
    says(&world, &["degraded", "refuses the new ones"]).await;
    write(NEW.0, NEW.1);
    world
        .metric_when("tidegate_generation", |number| number == 5)
        .await;
    assert_eq!(etl.get("/lake/a").await.status, 200);
    assert_eq!(uses(&target), [of(NEW.0, WORKED)]);
    says(&world, &["\"status\": \"ready\""]).await;
    world.kept_secret(&[OLD.1, NEW.1, "canary-wrong"]);
}
