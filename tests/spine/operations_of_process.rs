//! The process as its operator sees it: numbers, readiness, reloads, and what it says when it starts.

use crate::support::{Payload, World, world};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Waits until `path` on the admin listener answers what `wanted` accepts, and gives the answer.
async fn admin_when(world: &World, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut pause = tokio::time::interval(Duration::from_millis(50));
    loop {
        let (status, body) = world.admin_get(path).await;
        if wanted(status, &body) {
            return body;
        }
        let late = tokio::time::Instant::now() >= deadline;
        assert!(!late, "{path} stays {status} {body}");
        pause.tick().await;
    }
}

async fn metrics_show(world: &World, lines: &[&str]) {
    let all = |text: &str| {
        lines
            .iter()
            .all(|wanted| text.lines().any(|line| line == *wanted))
    };
    admin_when(world, "/metrics", |status, text| status == 200 && all(text)).await;
}

#[tokio::test]
async fn a_few_requests_are_counted_on_the_admin_port() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    assert_eq!(etl.put("/lake/tmp/a.csv", b"1,2,3\n").await.status, 200);
    assert_eq!(etl.get("/lake/tmp/a.csv").await.status, 200);
    assert_eq!(etl.delete("/lake/raw/a.csv").await.status, 403);
    let held = etl.connect().await;
    metrics_show(
        &world,
        &[
            r#"tidegate_requests_total{operation="PutObject",status_class="2xx",decision="allow"} 1"#,
            r#"tidegate_requests_total{operation="GetObject",status_class="2xx",decision="allow"} 1"#,
            r#"tidegate_requests_total{operation="DeleteObject",status_class="4xx",decision="deny"} 1"#,
            r#"tidegate_sts_requests_total{action="AssumeRoleWithWebIdentity",code="ok"} 1"#,
            "tidegate_audit_records_total 4",
            "tidegate_audit_failures_total 0",
            "tidegate_audit_refused_total 0",
            "tidegate_audit_pending 0",
            "tidegate_connections 1",
            r#"tidegate_credential_refreshes_total{target="store",result="failed"} 0"#,
            "tidegate_generation 1",
            r#"tidegate_policy_reloads_total{result="ok"} 0"#,
            r#"tidegate_certificate_reloads_total{result="ok"} 0"#,
            "tidegate_cedar_errors_total 0",
        ],
    )
    .await;
    drop(held);
    metrics_show(&world, &["tidegate_connections 0"]).await;
    world.signal("HUP");
    metrics_show(
        &world,
        &[
            r#"tidegate_policy_reloads_total{result="ok"} 1"#,
            r#"tidegate_certificate_reloads_total{result="ok"} 1"#,
            "tidegate_generation 2",
        ],
    )
    .await;
}

/// Changes the configuration of a running process, and tells it.
fn reconfigure(world: &World, change: impl FnOnce(String) -> String) {
    let path = world.path("tidegate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, change(text)).unwrap();
    world.signal("HUP");
}

fn component(report: &str, name: &str) -> (String, String) {
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    let component = &report["components"][name];
    let text = |field: &str| component[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

/// Waits until a component is degraded for a reason, with requests still wanted.
async fn degraded_by(world: &World, name: &str, reason: &str) {
    let is = |status, report: &str| {
        let (state, why) = component(report, name);
        status == 200 && state == "degraded" && why.contains(reason)
    };
    admin_when(world, "/readyz", is).await;
}

const EVERY_COMPONENT: [&str; 9] = [
    "audit",
    "certificate",
    "config",
    "issuer",
    "issuers",
    "policies",
    "secrets",
    "sessions",
    "targets",
];

#[tokio::test]
async fn a_started_process_is_ready_in_every_component() {
    let world = World::start().await;
    let (status, report) = world.admin_get("/readyz").await;
    assert_eq!(status, 200, "{report}");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["status"], "ready");
    let components: Vec<_> = report["components"].as_object().unwrap().keys().collect();
    assert_eq!(components, EVERY_COMPONENT);
}

// JWT-14, F9
#[tokio::test]
async fn an_issuer_or_a_credential_that_cannot_be_had_degrades_and_is_named() {
    let world = World::start().await;
    reconfigure(&world, |text| {
        let gone = "[[issuers]]\nname = \"gone\"\nissuer = \"https://127.0.0.1:1\"\naudiences = [\"a\"]\nkind = \"user\"\n\
                    ca = \"certs/ca.pem\"\n";
        let vault = "[targets.vault]\nkind = \"s3\"\nendpoint = \"http://127.0.0.1:1\"\nregion = \"us-east-1\"\n\
                     [targets.vault.credentials]\nkind = \"aws-web-identity\"\n\
                     role_arn = \"arn:aws:iam::123456789012:role/r\"\nsts_endpoint = \"http://127.0.0.1:1\"\n\
                     token_file = \"secrets/nothing\"\n";
        text.replace("[targets.store]", &format!("{gone}[targets.store]"))
            .replace("[buckets.lake]", &format!("{vault}[buckets.lake]"))
            .replace(
                "[buckets.other]\ntarget = \"store\"",
                "[buckets.other]\ntarget = \"vault\"\npolicy = \"policies/lake.cedar\"",
            )
    });
    // Nobody asked for its keys: they are fetched ahead.
    degraded_by(&world, "issuers", "no keys of issuer `gone`").await;
    let etl = world.client("etl").await;
    let answer = etl.get("/other/a.csv").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "SlowDown"));
    assert!(answer.header("retry-after").is_some());
    degraded_by(&world, "targets", "no credential for target `vault`").await;
    metrics_show(
        &world,
        &[
            r#"tidegate_credential_refreshes_total{target="vault",result="failed"} 1"#,
            r#"tidegate_credential_refreshes_total{target="store",result="failed"} 0"#,
        ],
    )
    .await;
    assert_eq!(etl.put("/lake/tmp/a.csv", b"x").await.status, 200);
}

#[tokio::test]
async fn a_key_ring_that_broke_degrades_sessions_and_the_old_one_serves() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let ring = world.path("secrets/session-keys.toml");
    let good = std::fs::read(&ring).unwrap();
    std::fs::write(&ring, "keys = []").unwrap();
    degraded_by(&world, "sessions", "session-keys.toml` cannot be used").await;
    assert_eq!(etl.put("/lake/tmp/a.csv", b"x").await.status, 200);
    std::fs::write(&ring, good).unwrap();
    admin_when(&world, "/readyz", |_, report| {
        component(report, "sessions").0 == "ok"
    })
    .await;
}

#[tokio::test]
async fn while_it_drains_it_is_not_ready_and_an_upload_finishes() {
    let mut world = World::start().await;
    let etl = world.client("etl").await;
    let upload = etl.sign("PUT", "/lake/tmp/a.csv", &[], b"123456", Payload::Literal);
    let mut head = format!(
        "PUT {} HTTP/1.1\r\nconnection: close\r\ncontent-length: 6\r\n",
        upload.uri()
    );
    for (name, value) in upload.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    let mut tls = etl.connect().await;
    tls.write_all(format!("{head}\r\n123").as_bytes()).await.unwrap();
    // The first half is on its way to the target before the end begins.
    metrics_show(&world, &["tidegate_audit_pending 1"]).await;
    world.signal("TERM");
    let report = admin_when(&world, "/readyz", |status, _| status == 503).await;
    assert!(report.contains("\"draining\": true"), "{report}");
    tls.write_all(b"456").await.unwrap();
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(world.ended().await.success());
    assert_eq!(world.stored("tmp/a.csv").as_deref(), Some(&b"123456"[..]));
}

/// The id of the generation in use, once it is not `before`.
async fn generation_after(world: &World, before: &str) -> String {
    let id = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("tidegate_generation_digest{"))?;
        line.split('"').nth(1).map(str::to_owned)
    };
    let changed = |_, text: &str| id(text).is_some_and(|id| id != before);
    id(&admin_when(world, "/metrics", changed).await).unwrap()
}

// CFG-04
#[tokio::test]
async fn the_generation_is_known_by_configuration_policies_and_keys() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let first = generation_after(&world, "").await;
    let hex = first.strip_prefix("sha256:").unwrap();
    assert!(
        hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        "{first}"
    );
    assert_eq!(etl.put("/lake/tmp/a.csv", b"x").await.status, 200);
    assert_eq!(world.audit_of("PutObject").await["generation"], first.as_str());

    reconfigure(&world, |text| text + "# a remark\n");
    let second = generation_after(&world, &first).await;
    let policy = world.path("policies/other.cedar");
    std::fs::write(&policy, "permit (principal, action, resource);").unwrap();
    let third = generation_after(&world, &second).await;
    let rotated = std::process::Command::new(world::binary())
        .args(["keys", "rotate"])
        .arg(world.path("secrets/session-keys.toml"))
        .output()
        .unwrap();
    assert!(rotated.status.success());
    let fourth = generation_after(&world, &third).await;
    assert_eq!(etl.head("/lake/tmp/a.csv").await.status, 200);
    assert_eq!(world.audit_of("HeadObject").await["generation"], fourth.as_str());
    assert!(![&first, &second].contains(&&third) && ![&first, &second].contains(&&fourth));
}
