//! The process as its operator sees it: numbers, readiness, reloads, and what it says when it starts.

use crate::support::World;
use std::time::Duration;

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
            "tidegate_policy_generation 1",
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
            "tidegate_policy_generation 2",
        ],
    )
    .await;
}
