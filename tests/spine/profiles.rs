//! `profile = "auto"`: what a target understands is found out with objects of our own, which leave nothing behind.

use crate::support::chunked::{Stream, UNSIGNED_TRAILER};
use crate::support::fake_target::{FakeTarget, Step};
use crate::support::picky_target::{Framing, Habits, PickyTarget};
use crate::support::world::{binary, eventually};
use crate::support::{Payload, Settings, World};
use std::net::SocketAddr;
use std::process::{Command, Output};

const PARTS: [&[u8]; 3] = [b"1234", b"567", b"89"];

async fn auto(target: SocketAddr, lines: &str) -> World {
    World::with(Settings {
        target: Some(target),
        target_lines: format!("profile = \"auto\"\n{lines}"),
        ..Settings::default()
    })
    .await
}

fn log(world: &World) -> String {
    std::fs::read_to_string(world.path("tidegate.log")).unwrap_or_default()
}

/// `tidegate check` with the configuration of a world.
async fn check(world: &World, arguments: &'static [&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(["check", "--config"])
        .arg(world.path("tidegate.toml"))
        .args(arguments)
        .env("STORE_ACCESS_KEY_ID", "STOREKEY")
        .env("STORE_SECRET_ACCESS_KEY", "store-secret-that-nobody-else-has");
    // The target answers on this thread meanwhile.
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

const LAX: Habits = Habits {
    checks: false,
    checks_checksums: false,
    checks_newer: false,
    conditions: false,
    ..Habits::AWS
};

/// Habits, the profile that is found, and what is said about them.
fn kinds() -> [(Habits, &'static str, &'static [&'static str]); 6] {
    let versions = Habits {
        versions: true,
        ..Habits::AWS
    };
    let gullible = Habits {
        framing: Framing::StoredAsData,
        ..Habits::OLD
    };
    let careless = Habits {
        conditions: false,
        ..Habits::OLD
    };
    [
        (
            Habits::AWS,
            "aws",
            &[
                "understood",
                "wrong checksums are refused",
                "`If-None-Match` is honoured",
            ],
        ),
        (versions, "aws", &["wrong checksums are refused"]),
        (
            LAX,
            "aws",
            &[
                "not enforced: x-amz-content-sha256, content-md5, x-amz-checksum-*, x-amz-trailer",
                "`If-None-Match` is ignored",
            ],
        ),
        (
            Habits::OLD,
            "plain",
            &["trailers are refused (400 `InvalidArgument`)", "honoured"],
        ),
        (careless, "plain", &["`If-None-Match` is ignored"]),
        (
            gullible,
            "plain",
            &["the framing of trailers is stored as if it were data"],
        ),
    ]
}

#[tokio::test]
async fn what_a_target_understands_is_found_out_and_leaves_nothing_behind() {
    for (habits, profile, said) in kinds() {
        let target = PickyTarget::start(habits).await;
        let world = auto(target.address, "").await;
        let found = eventually("the finding", || {
            let log = log(&world);
            let line = log
                .lines()
                .find(|line| line.contains("found out what the target understands"))?;
            Some(line.to_owned())
        })
        .await;
        assert!(found.contains(&format!("profile `{profile}`")), "{found}");
        for words in said {
            assert!(found.contains(words), "{words}: {found}");
        }
        // Our own objects: under their own prefix, never over another, and gone.
        let asked = target.asked();
        assert!(
            asked
                .iter()
                .all(|a| a.target.starts_with("/acme-lake-prod/.tidegate-canary/")),
            "{asked:?}"
        );
        let mut puts = asked.iter().filter(|a| a.method == "PUT");
        assert!(puts.all(|a| a.header("if-none-match") == Some("*")));
        assert_eq!(target.objects(), [""; 0], "{profile}");
        assert_eq!(target.markers(), 0, "deleted by version, so that nothing is left");
        // One record, as ours.
        let records = world.audit_when(|records| !records.is_empty()).await;
        assert_eq!(records.len(), 1, "{records:?}");
        let record = &records[0];
        assert_eq!(record["type"], "canary", "{record}");
        assert_eq!(record["actor"]["id"], "tidegate", "{record}");
        assert_eq!(record["decision"]["reason"], "own", "{record}");
        assert_eq!(record["target"]["name"], "store", "{record}");
        assert_eq!(record["resource"]["bucket"], "acme-lake-prod", "{record}");
        // What follows for callers.
        let etl = world.client("etl").await;
        let upload = etl.stream("PUT", "/lake/tmp/a", Stream::of(UNSIGNED_TRAILER), &PARTS);
        let answer = etl.send_in_pieces(upload.request(), 4).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(target.object("tmp/a").as_deref(), Some(&b"123456789"[..]));
        let framed = target.last().header("x-amz-content-sha256") == Some(UNSIGNED_TRAILER);
        assert_eq!(framed, profile == "aws", "{profile}");
    }
}

#[tokio::test]
async fn what_the_embedded_store_understands_is_found_out() {
    let world = World::with(Settings {
        target_lines: "profile = \"auto\"".into(),
        ..Settings::default()
    })
    .await;
    let found = eventually("the finding", || {
        let log = log(&world);
        log.lines()
            .find(|line| line.contains("found out"))
            .map(str::to_owned)
    })
    .await;
    assert!(
        found.contains("profile `aws`: checksums in trailers are understood"),
        "{found}"
    );
    assert!(found.contains("`If-None-Match` is honoured"), "{found}");
    let folder = world.path("store/acme-lake-prod/.tidegate-canary");
    let left: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, [""; 0].map(std::path::PathBuf::from));
}

#[tokio::test]
async fn what_cannot_be_deleted_is_named() {
    let keeps = Habits {
        keeps: true,
        ..Habits::OLD
    };
    let target = PickyTarget::start(keeps).await;
    let world = auto(target.address, "").await;
    eventually("the finding", || log(&world).contains("found out").then_some(())).await;
    let said = log(&world);
    assert!(
        said.contains("could not be deleted; delete them by hand"),
        "{said}"
    );
    let left = target.objects();
    assert!(!left.is_empty());
    for path in left {
        assert!(
            said.contains(path.strip_prefix("/acme-lake-prod/").unwrap()),
            "{path}: {said}"
        );
    }
    let output = check(&world, &["--targets"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("warning: targets.store: these objects of the canary could not be deleted: "),
        "{text}"
    );
}

// Invariant 9: a target that takes a checksum and never looks at it is found out, and nothing is left to it.
#[tokio::test]
async fn nothing_is_left_to_a_target_that_was_seen_not_to_look() {
    let target = PickyTarget::start(LAX).await;
    let world = World::with(Settings {
        target: Some(target.address),
        target_lines: "profile = \"auto\"".into(),
        bucket_lines: "checksum = \"passthrough\"".into(),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let wrong = [("x-amz-checksum-crc32", "AAAAAA==")];
    let header = etl.sign("PUT", "/lake/tmp/a", &wrong, b"123456789", Payload::Literal);
    etl.send(header).await.refused("header", 400, "BadDigest");
    let mut literal = etl.sign("PUT", "/lake/tmp/a", &[], b"123456789", Payload::Literal);
    *literal.body_mut() = bytes::Bytes::from_static(b"987654321");
    etl.send(literal)
        .await
        .refused("literal", 400, "XAmzContentSHA256Mismatch");
    let trailer = etl.stream("PUT", "/lake/tmp/a", Stream::of(UNSIGNED_TRAILER), &PARTS);
    let trailer = trailer.replaced("y/Q5Jg==", "AAAAAA==").request();
    etl.send(trailer).await.refused("trailer", 400, "BadDigest");
    assert_eq!(target.object("tmp/a"), None);
}

#[tokio::test]
async fn a_target_that_cannot_be_tried_is_served_as_plain_and_tried_again() {
    let closed = Habits {
        forbids: true,
        ..Habits::AWS
    };
    let target = PickyTarget::start(closed).await;
    let world = auto(target.address, "").await;
    eventually("the warning", || {
        log(&world)
            .contains("it is served as `plain` and tried again")
            .then_some(())
    })
    .await;
    let said = log(&world);
    assert!(said.contains("403 `AccessDenied`"), "{said}");
    assert!(
        said.contains("put, get and delete `acme-lake-prod/.tidegate-canary/*`"),
        "{said}"
    );
    let failed = world
        .audit_when(|records| records.iter().any(|r| r["type"] == "canary"))
        .await;
    assert!(
        failed[0]["cause"].as_str().unwrap().contains("403"),
        "{}",
        failed[0]
    );
    target.becomes(Habits::AWS);
    eventually("the finding", || {
        log(&world)
            .contains("found out what the target understands")
            .then_some(())
    })
    .await;
    assert_eq!(target.objects(), [""; 0]);
    let etl = world.client("etl").await;
    let upload = etl.stream("PUT", "/lake/tmp/a", Stream::of(UNSIGNED_TRAILER), &PARTS);
    assert_eq!(etl.send(upload.request()).await.status, 200);
    assert_eq!(
        target.last().header("x-amz-content-sha256"),
        Some(UNSIGNED_TRAILER)
    );
}

#[tokio::test]
async fn a_target_that_says_nothing_delays_nobody_for_long() {
    let target = FakeTarget::start(|_| vec![Step::ReadBody, Step::Hold]).await;
    let world = auto(target.address, "").await;
    // Answered although the target never will.
    let answer = world.anonymous().assume_role(&world.token("etl")).await;
    assert_eq!(answer.status, 200);
    assert!(
        log(&world).contains("not every target has shown yet what it understands"),
        "{}",
        log(&world)
    );
}

#[tokio::test]
async fn the_canary_goes_where_the_configuration_says() {
    let target = PickyTarget::start(Habits::AWS).await;
    let world = auto(target.address, "canary = \"acme-probe/a/.tidegate-canary\"").await;
    eventually("the finding", || log(&world).contains("found out").then_some(())).await;
    let asked = target.asked();
    assert!(
        asked
            .iter()
            .all(|a| a.target.starts_with("/acme-probe/a/.tidegate-canary/")),
        "{asked:?}"
    );
    assert!(!asked.is_empty());
}

#[tokio::test]
async fn a_reload_tries_new_targets_alone() {
    let target = PickyTarget::start(Habits::AWS).await;
    let world = auto(target.address, "").await;
    eventually("the finding", || log(&world).contains("found out").then_some(())).await;
    let before = target.asked().len();
    let other = PickyTarget::start(Habits::OLD).await;
    let file = world.path("tidegate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once("[targets.store]").unwrap();
    let (store, buckets) = rest.split_once("[buckets.lake]").unwrap();
    let new = store
        .replace("targets.store", "targets.new")
        .replace(&target.address.to_string(), &other.address.to_string());
    let text = format!(
        "{head}[targets.store]{store}[targets.new]{new}[buckets.new]\ntarget = \"new\"\n[buckets.lake]{buckets}"
    );
    std::fs::write(&file, text).unwrap();
    world.signal("HUP");
    eventually("the other finding", || {
        log(&world).contains("profile `plain`").then_some(())
    })
    .await;
    assert!(
        other
            .asked()
            .iter()
            .all(|a| a.target.starts_with("/new/.tidegate-canary/"))
    );
    assert_eq!(target.asked().len(), before, "what is known is not asked again");
    assert_eq!(other.objects(), [""; 0]);
}

#[tokio::test]
async fn check_says_whether_a_profile_fits_when_it_may_use_the_network() {
    for (habits, configured, status, said) in [
        (
            Habits::AWS,
            "aws",
            Some(0),
            "targets.store: profile `aws`: checksums in trailers are understood",
        ),
        (
            Habits::OLD,
            "plain",
            Some(0),
            "targets.store: profile `plain`: trailers are refused",
        ),
        (Habits::AWS, "auto", Some(0), "targets.store: profile `aws`"),
        (
            Habits::OLD,
            "aws",
            Some(1),
            "error: targets.store.profile: the target refuses trailers (400 `InvalidArgument`): with `aws`, \
             most uploads fail; expected \"plain\" or \"auto\"",
        ),
        (
            Habits {
                framing: Framing::StoredAsData,
                ..Habits::OLD
            },
            "aws",
            Some(1),
            "error: targets.store.profile: the target stores the framing of trailers in the object",
        ),
        (
            LAX,
            "aws",
            Some(1),
            "error: buckets.lake.checksum: target `store` does not enforce x-amz-content-sha256",
        ),
        (
            Habits {
                forbids: true,
                ..Habits::OLD
            },
            "plain",
            Some(0),
            "warning: targets.store: not known what it understands: it answers 403 `AccessDenied`",
        ),
    ] {
        let target = PickyTarget::start(habits).await;
        let world = World::with(Settings {
            target: Some(target.address),
            target_lines: format!("profile = \"{configured}\""),
            bucket_lines: "checksum = \"passthrough\"".into(),
            ..Settings::default()
        })
        .await;
        if configured == "auto" {
            eventually("the finding", || log(&world).contains("found out").then_some(())).await;
        }
        let before = target.asked().len();
        check(&world, &[]).await;
        assert_eq!(
            target.asked().len(),
            before,
            "without being told, it uses no network"
        );
        let output = check(&world, &["--targets"]).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(said), "{said}:\n{text}");
        assert_eq!(output.status.code(), status, "{text}");
        assert_eq!(target.objects(), [""; 0]);
    }
}
