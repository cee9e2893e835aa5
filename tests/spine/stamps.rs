//! What a target is told about who asks, and what it answers that is kept: callers have no say in either.

use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::gcs::{FakeGcs, with_hmac_key, with_token};
use crate::support::{Payload, Settings, World};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A target that answers each request with ids of its own: `REAL0`, `REAL1` and so on.
pub(crate) async fn numbering(refuse: &'static str) -> FakeTarget {
    let count = AtomicUsize::new(0);
    FakeTarget::start(move |head| {
        let n = count.fetch_add(1, Ordering::Relaxed);
        let ids = format!("x-amz-request-id: REAL{n}\r\nx-amz-id-2: extended+{n}/=\r\n");
        let refused = !refuse.is_empty() && head.contains(refuse);
        let told = match refused {
            true => answer("403 Forbidden", &ids, "<Error><Code>ExpiredToken</Code></Error>"),
            false => answer("200 OK", &format!("{ids}etag: \"e\"\r\n"), ""),
        };
        vec![Step::ReadBody, Step::Send(told)]
    })
    .await
}

/// What a caller might say to be taken for somebody else.
const CLAIMS: [(&str, &str); 5] = [
    (
        "user-agent",
        "tidegate/9.9.9 tidegate-request/01JD0000000000000000000001",
    ),
    ("x-amz-user-agent", "tidegate-request/01JD0000000000000000000001"),
    (
        "x-goog-custom-audit-tidegate-request",
        "01JD0000000000000000000001",
    ),
    ("x-goog-custom-audit-tidegate-principal", "idp=admin"),
    ("x-goog-custom-audit-job", "claimed"),
];

// CRD-10: nobody sets the stamp but us.
#[tokio::test]
async fn a_target_is_told_our_request_id_and_nothing_that_a_caller_claims() {
    let target = numbering("").await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    for claim in CLAIMS {
        let before = target.count();
        let put = etl.sign("PUT", "/lake/tmp/a", &[claim], b"x", Payload::Literal);
        let told = etl.send(put).await;
        let id = told.header("x-amz-request-id").unwrap().to_owned();
        for seen in target.since(before) {
            let agent = format!("tidegate/{} tidegate-request/{id}", env!("CARGO_PKG_VERSION"));
            assert_eq!(seen.header("user-agent"), Some(&*agent), "{claim:?}");
            let agents = seen.head.to_ascii_lowercase().matches("user-agent:").count();
            assert_eq!(agents, 1, "{claim:?}: {}", seen.head);
            assert!(!seen.head.contains("x-goog-"), "{claim:?}: {}", seen.head);
            assert!(
                !seen.head.contains("01JD0000000000000000000001"),
                "{claim:?}: {}",
                seen.head
            );
        }
        if told.status == 200 {
            let n = before;
            let record = world.record_of(&told).await;
            assert_eq!(record["target"]["request_id"], format!("REAL{n}"), "{claim:?}");
            assert_eq!(
                record["target"]["extended_id"],
                format!("extended+{n}/="),
                "{claim:?}"
            );
            assert_eq!(record["target"]["attribution"], "idp=etl", "{claim:?}");
        } else {
            assert_eq!(target.count(), before, "{claim:?}: {}", told.text());
        }
        // LEK-05: what the target calls it is for the operator alone.
        assert!(
            !told
                .headers
                .values()
                .any(|v| v.to_str().unwrap().contains("REAL")),
            "{claim:?}"
        );
        assert_eq!(told.header("x-amz-id-2"), None, "{claim:?}");
    }
}

#[tokio::test]
async fn a_second_try_is_in_the_record_with_the_first() {
    let target = numbering("Credential=OLDKEY/").await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    for (name, text) in [("secrets/id", "OLDKEY"), ("secrets/key", "secret")] {
        std::fs::write(world.path(name), text).unwrap();
    }
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
    std::fs::write(world.path("secrets/id"), "NEWKEY").unwrap();
    let told = etl.get("/lake/tmp/a").await;
    assert_eq!(told.status, 200, "{}", told.text());
    let record = world.record_of(&told).await;
    let ids = |seen: &crate::support::fake_target::Seen| seen.header("user-agent").unwrap().to_owned();
    let agents: Vec<String> = target.seen().iter().map(ids).collect();
    if agents.len() == 2 {
        assert_eq!(agents[0], agents[1], "both are requests of the same record");
        assert_eq!(record["target"]["request_id"], "REAL1");
        assert_eq!(
            record["target"]["earlier"],
            serde_json::json!([{ "status": 403, "request_id": "REAL0", "extended_id": "extended+0/=" }])
        );
    } else {
        // The new key was noticed before the request came.
        assert_eq!(
            (agents.len(), &record["target"]["request_id"]),
            (1, &"REAL0".into())
        );
    }
}

// CRD-10
#[tokio::test]
async fn google_is_told_the_request_and_the_principal_in_signed_headers() {
    for (fake, world) in [with_token().await, with_hmac_key().await] {
        let etl = world.client("etl").await;
        let told = etl.put("/lake/tmp/a", b"x").await;
        assert_eq!(told.status, 200, "{} {:?}", told.text(), fake.refused());
        let seen = fake.last();
        let id = told.header("x-amz-request-id");
        assert_eq!(seen.header("x-goog-custom-audit-tidegate-request"), id);
        assert_eq!(
            seen.header("x-goog-custom-audit-tidegate-principal"),
            Some("idp=etl")
        );
        let agent = format!(
            "tidegate/{} tidegate-request/{}",
            env!("CARGO_PKG_VERSION"),
            id.unwrap()
        );
        assert_eq!(seen.header("user-agent"), Some(&*agent));
        for claim in CLAIMS {
            let put = etl.sign("PUT", "/lake/tmp/a", &[claim], b"x", Payload::Literal);
            fake.forget();
            let told = etl.send(put).await;
            unclaimed(&fake, told.header("x-amz-request-id").unwrap(), claim);
        }
        assert_eq!(fake.refused(), Vec::<String>::new());
    }
}

fn unclaimed(fake: &FakeGcs, id: &str, claim: (&str, &str)) {
    for seen in fake.seen() {
        let custom = seen.headers.iter();
        let custom = custom.filter(|(name, _)| name.as_str().starts_with("x-goog-custom-audit-"));
        let mut custom: Vec<&str> = custom.map(|(_, value)| value.to_str().unwrap()).collect();
        custom.sort_unstable();
        let mut expected = vec![id, "idp=etl"];
        expected.sort_unstable();
        assert_eq!(custom, expected, "{claim:?}");
        assert!(seen.header("user-agent").unwrap().ends_with(id), "{claim:?}");
    }
}
