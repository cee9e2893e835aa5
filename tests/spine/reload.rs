//! Reloading while serving: what is broken changes nothing but the health report, what is right counts at once.

use crate::support::{Client, World};
use std::process::Command;

const OPEN: &str = "permit (principal, action, resource);";

const CERTIFICATES: &str = "tidegate_certificate_reloads_total{result=\"ok\"}";

/// Waits until the policies were reloaded once more, with this outcome.
async fn reloaded(world: &World, outcome: &str, before: u64) {
    let name = format!("tidegate_policy_reloads_total{{result=\"{outcome}\"}}");
    world.metric_when(&name, |count| count > before).await;
}

async fn reloads(world: &World, outcome: &str) -> u64 {
    let name = format!("tidegate_policy_reloads_total{{result=\"{outcome}\"}}");
    world.metric_when(&name, |_| true).await
}

#[tokio::test]
async fn a_policy_that_breaks_while_serving_leaves_the_last_good_one() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "raw/a", b"a");
    let etl = world.client("etl").await;
    let good = world.record_of(&etl.get("/lake/raw/a").await).await;
    for (what, broken, said) in [
        ("syntax", "permit (principal, action", "lake.cedar"),
        (
            "unknown action",
            r#"permit (principal, action == Tidegate::Action::"Everything", resource);"#,
            "Everything",
        ),
        (
            "wrong type",
            "permit (principal, action, resource) when { resource.key > 1 };",
            "lake.cedar",
        ),
        (
            "open door",
            "permit (principal, action, resource);\n@id(\"x\") forbid (",
            "lake.cedar",
        ),
    ] {
        // All or nothing: the other bucket's file would be right, and does not count either.
        std::fs::write(world.path("policies/other.cedar"), OPEN).unwrap();
        std::fs::write(world.path("policies/lake.cedar"), broken).unwrap();
        world
            .ready_when(|status, body| status == 200 && body.contains("degraded") && body.contains(said))
            .await;
        let before = world.target_requests().len();
        etl.delete("/lake/raw/a").await.refused(what, 403, "AccessDenied");
        etl.get("/other/k").await.refused(what, 403, "AccessDenied");
        assert_eq!(world.target_requests().len(), before, "{what}");
        let read = etl.get("/lake/raw/a").await;
        assert_eq!(read.status, 200, "{what}");
        let record = world.record_of(&read).await;
        assert_eq!(record["generation"], good["generation"], "{what}");
        assert_eq!(
            record["decision"]["policy_version"], good["decision"]["policy_version"],
            "{what}"
        );
        std::fs::remove_file(world.path("policies/other.cedar")).unwrap();
        std::fs::write(world.path("policies/lake.cedar"), crate::support::world::POLICY).unwrap();
        world
            .ready_when(|_, body| body.contains("\"ready\"") && !body.contains("degraded"))
            .await;
    }
    std::fs::write(world.path("policies/lake.cedar"), OPEN).unwrap();
    world.signal("HUP");
    reloaded(&world, "ok", 4).await;
    let deleted = etl.delete("/lake/raw/a").await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    assert_ne!(world.record_of(&deleted).await["generation"], good["generation"]);
}

#[tokio::test]
async fn a_policy_file_that_goes_away_denies_everything() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let before = reloads(&world, "ok").await;
    std::fs::remove_file(world.path("policies/lake.cedar")).unwrap();
    world.signal("HUP");
    reloaded(&world, "ok", before).await;
    let answer = etl.put("/lake/tmp/a", b"x").await;
    answer.refused("no policy", 403, "AccessDenied");
    world.recorded(&answer, "deny", "no-permit").await;
    world.untouched("a bucket without a policy");
}

#[tokio::test]
async fn a_configuration_that_breaks_while_serving_leaves_the_last_good_one() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let good = std::fs::read_to_string(world.path("tidegate.toml")).unwrap();
    let unknown = format!("{good}\n[buckets.more]\ntarget = \"nowhere\"\n");
    std::fs::write(world.path("tidegate.toml"), unknown).unwrap();
    world
        .ready_when(|status, body| status == 200 && body.contains("nowhere"))
        .await;
    assert_eq!(etl.put("/lake/tmp/a", b"x").await.status, 200);
    let more = format!(
        "{good}\n[buckets.more]\ntarget = \"store\"\nbucket = \"acme-other\"\npolicy = \"policies/lake.cedar\"\n"
    );
    std::fs::write(world.path("tidegate.toml"), more).unwrap();
    world.ready_when(|_, body| !body.contains("degraded")).await;
    assert_eq!(etl.put("/more/tmp/a", b"x").await.status, 200);
    assert!(world.path("store/acme-other/tmp/a").exists());
}

#[tokio::test]
async fn a_certificate_that_breaks_while_serving_leaves_the_last_good_one() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let first = etl.certificate().await;
    let files = ["certs/server.pem", "certs/server.key"].map(|name| world.path(name));
    let good = files.each_ref().map(|path| std::fs::read(path).unwrap());
    world
        .authority
        .issue(
            &["localhost"],
            &world.path("certs/next.pem"),
            &world.path("certs/next.key"),
        )
        .unwrap();
    let other_key = std::fs::read(world.path("certs/next.key")).unwrap();
    for (what, certificate, key) in [
        ("garbage", &b"garbage"[..], &good[1][..]),
        ("empty", b"", &good[1]),
        ("half", &good[0][..good[0].len() / 2], &good[1]),
        ("key of another", &good[0], &other_key),
        ("key in the place of the certificate", &good[1], &good[1]),
    ] {
        std::fs::write(&files[0], certificate).unwrap();
        std::fs::write(&files[1], key).unwrap();
        world.signal("HUP");
        world
            .ready_when(|status, body| status == 200 && degraded(body, "certificate"))
            .await;
        assert_eq!(etl.certificate().await, first, "{what}");
        assert_eq!(etl.put("/lake/tmp/a", b"x").await.status, 200, "{what}");
        for (path, content) in files.iter().zip(&good) {
            std::fs::write(path, content).unwrap();
        }
        world.signal("HUP");
        world.ready_when(|_, body| !degraded(body, "certificate")).await;
    }
    // A new one is served without a signal, and open connections stay.
    let mut open = etl.http2().await;
    let before = world.metric_when(CERTIFICATES, |_| true).await;
    world
        .authority
        .issue(&["localhost"], &files[0], &files[1])
        .unwrap();
    world.metric_when(CERTIFICATES, |count| count > before).await;
    world.ready_when(|_, body| !degraded(body, "certificate")).await;
    assert_ne!(etl.certificate().await, first);
    let request = etl.sign("GET", "/lake/tmp/a", &[], b"", crate::support::Payload::Literal);
    assert_eq!(etl.send_http2(&mut open, request).await.status, 200);
    let log = world.written();
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

fn degraded(body: &str, component: &str) -> bool {
    let report: serde_json::Value = serde_json::from_str(body).unwrap();
    report["components"][component]["status"] == "degraded"
}

// SES-05
#[tokio::test]
async fn sessions_outlive_a_rotation_and_end_with_their_key() {
    let world = World::start().await;
    let old = world.client("etl").await;
    let ring = world.path("secrets/session-keys.toml");
    let first = std::fs::read_to_string(&ring).unwrap();
    let works = async |client: &Client| client.put("/lake/tmp/a", b"x").await.status == 200;
    let reload = async || {
        let before = reloads(&world, "ok").await;
        world.signal("HUP");
        reloaded(&world, "ok", before).await;
    };
    assert!(works(&old).await);
    let rotated = Command::new(crate::support::world::binary())
        .args(["keys", "rotate", "--seals-after", "0s"])
        .arg(&ring)
        .output()
        .unwrap();
    assert!(
        rotated.status.success(),
        "{}",
        String::from_utf8_lossy(&rotated.stderr)
    );
    reload().await;
    let new = world.client("etl").await;
    assert!(
        works(&old).await && works(&new).await,
        "every key of the ring opens"
    );

    let both = std::fs::read_to_string(&ring).unwrap();
    std::fs::write(&ring, "[[keys]]\nid = \"broken\"\n").unwrap();
    world
        .ready_when(|status, body| status == 200 && body.contains("session-keys.toml"))
        .await;
    assert!(
        works(&old).await && works(&new).await,
        "a broken ring changes nothing"
    );

    std::fs::write(&ring, first).unwrap();
    reload().await;
    let before = world.target_requests().len();
    let answer = new.put("/lake/tmp/b", b"x").await;
    answer.refused("its key is gone", 400, "InvalidToken");
    world.recorded(&answer, "deny", "bad-token").await;
    assert_eq!(world.target_requests().len(), before);
    assert!(works(&old).await);
    let secrets: Vec<&str> = both
        .lines()
        .filter_map(|line| line.strip_prefix("secret = \""))
        .collect();
    assert_eq!(secrets.len(), 2);
    world.kept_secret(
        &secrets
            .iter()
            .map(|line| line.trim_end_matches('"'))
            .collect::<Vec<_>>(),
    );
}

#[tokio::test]
async fn a_hangup_opens_the_audit_file_anew() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let file = world.path("audit/audit.jsonl");
    world.record_of(&etl.put("/lake/tmp/a", b"x").await).await;
    let rotated = world.path("audit/audit.jsonl.1");
    std::fs::rename(&file, &rotated).unwrap();
    world.signal("HUP");
    crate::support::world::eventually("a new audit file", || file.exists().then_some(())).await;
    let record = world.record_of(&etl.delete("/lake/tmp/a").await).await;
    // No record is lost between the files: the numbers go on.
    let last = std::fs::read_to_string(&rotated).unwrap().lines().count() as u64;
    assert_eq!(record["seq"], last + 1);
}

#[tokio::test]
async fn what_a_refused_configuration_names_is_watched_until_it_is_right() {
    let world = World::start().await;
    let path = world.path("tidegate.toml");
    let trust = world.path("policies/roles/exporter.cedar");
    std::fs::create_dir_all(trust.parent().unwrap()).unwrap();
    std::fs::write(&trust, "permit (principal, action").unwrap();
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{config}\n[[roles]]\nname = \"exporter\"\n")).unwrap();
    world
        .ready_when(|status, body| {
            status == 200 && body.contains("degraded") && body.contains("exporter.cedar")
        })
        .await;
    let before = reloads(&world, "ok").await;
    std::fs::write(
        &trust,
        r#"permit (principal == Tidegate::Workload::"idp:etl", action, resource);"#,
    )
    .unwrap();
    reloaded(&world, "ok", before).await;
    world.ready_when(|_, body| !body.contains("exporter.cedar")).await;
}
