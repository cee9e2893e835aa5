//! Revocations: what ends before its time, within a second, and who gets no more.

use crate::support::world::becomes;
use crate::support::{Client, Settings, World};

fn file(world: &World) -> std::path::PathBuf {
    world.path("policies/revocations.toml")
}

async fn ends(client: &Client) {
    becomes("the end of a session", async || {
        client.head("/lake/tmp/a").await.status == 400
    })
    .await;
}

async fn returns(client: &Client) {
    becomes("its return", async || {
        client.head("/lake/tmp/a").await.status == 200
    })
    .await;
}

// SES-06
#[tokio::test]
async fn a_revoked_principal_is_out_and_gets_no_other_session() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let (etl, analyst) = (world.client("etl").await, world.client("analyst").await);
    let generation = world.record_of(&etl.get("/lake/tmp/a").await).await["generation"].clone();
    let said = world.does(&[
        "sessions",
        "revoke",
        "--principal",
        "idp:etl",
        "--reason",
        "laptop stolen",
    ]);
    assert!(said.contains("principal = \"idp:etl\""), "{said}");
    ends(&etl).await;
    let before = world.target_requests().len();
    for request in [
        etl.sign("PUT", "/lake/tmp/a", &[], b"x", crate::support::Payload::Literal),
        etl.presign("GET", "/lake/tmp/a", &[], b"", 60),
        crate::support::post_form::Form::of("tmp/a", b"x").request(&etl),
    ] {
        let answer = etl.send(request).await;
        // SDKs refresh on this code; at the door they learn why there is nothing to be had.
        answer.refused("revoked", 400, "ExpiredToken");
        assert!(
            answer.text().contains("revoked: laptop stolen"),
            "{}",
            answer.text()
        );
        let record = world.recorded(&answer, "deny", "revoked").await;
        assert_ne!(record["generation"], generation);
    }
    let door = world.anonymous().assume_role(&world.token("etl")).await;
    assert_eq!(
        (door.status, door.code().as_str()),
        (403, "AccessDenied"),
        "{}",
        door.text()
    );
    assert!(door.text().contains("revoked: laptop stolen"), "{}", door.text());
    let record = world.recorded(&door, "deny", "revoked").await;
    assert_eq!(record["type"], "auth");
    assert!(record["cause"].as_str().unwrap().contains("idp:etl"), "{record}");
    assert_eq!(world.target_requests().len(), before);
    // Nobody else notices.
    assert_ne!(analyst.get("/lake/public/a").await.code(), "ExpiredToken");
    world.client("analyst").await;

    let listed = world.does(&["sessions", "revocations", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["principal"], "idp:etl");
    world.does(&["sessions", "revoke", "--principal", "idp:etl", "--undo"]);
    returns(&etl).await;
    assert_eq!(
        world.does(&["sessions", "revocations"]).trim(),
        "nothing is revoked"
    );
}

// SES-06
#[tokio::test]
async fn one_session_ends_or_all_that_were_issued_before() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let (one, other) = (world.client("etl").await, world.client("etl").await);
    let record = world.record_of(&one.get("/lake/tmp/a").await).await;
    let id = record["actor"]["session_id"].as_str().unwrap();
    world.does(&["sessions", "revoke", "--session", id]);
    ends(&one).await;
    assert_eq!(
        other.get("/lake/tmp/a").await.status,
        200,
        "another session of the same principal"
    );

    world.does(&["sessions", "revoke", "--principal", "idp:etl", "--before", "now"]);
    ends(&other).await;
    let answer = other.put("/lake/tmp/a", b"x").await;
    answer.refused("revoked", 400, "ExpiredToken");
    // The door is open: whoever proves again who it is, goes on. Sessions count whole seconds.
    becomes("a session of a later second", async || {
        world.client("etl").await.get("/lake/tmp/a").await.status == 200
    })
    .await;
    assert_eq!(world.stored("tmp/a").as_deref(), Some(&b"a"[..]));
}

// SES-06, CFG-02
#[tokio::test]
async fn no_revocation_ends_because_its_file_is_damaged_or_gone() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let (etl, other) = (world.client("etl").await, world.client("etl").await);
    let id = world.record_of(&other.get("/lake/tmp/a").await).await;
    let id = id["actor"]["session_id"].as_str().unwrap().to_owned();
    world.does(&["sessions", "revoke", "--session", &id]);
    ends(&other).await;
    let good = std::fs::read_to_string(file(&world)).unwrap();
    for (what, content, said) in [
        (
            "damaged",
            Some(good[..good.len() - 5].to_owned()),
            "revocations.toml:",
        ),
        (
            "a typing error",
            Some(good.replace("session =", "sesion =")),
            "unknown field",
        ),
        (
            "no condition",
            Some("[[revocations]]\nreason = \"x\"\n".to_owned()),
            "name a session",
        ),
        ("gone", None, "are gone, and what they ended would work again"),
    ] {
        match content {
            Some(content) => std::fs::write(file(&world), content).unwrap(),
            None => std::fs::remove_file(file(&world)).unwrap(),
        }
        world
            .ready_when(|status, body| status == 200 && body.contains("degraded") && body.contains(said))
            .await;
        let before = world.target_requests().len();
        other.get("/lake/tmp/a").await.refused(what, 400, "ExpiredToken");
        assert_eq!(world.target_requests().len(), before, "{what}");
        assert_eq!(etl.get("/lake/tmp/a").await.status, 200, "{what}");
        std::fs::write(file(&world), &good).unwrap();
        world.ready_when(|_, body| !body.contains("degraded")).await;
    }
    std::fs::write(file(&world), "").unwrap();
    returns(&other).await;
}

#[tokio::test]
async fn whoever_revokes_learns_that_something_else_keeps_it_from_counting() {
    let world = World::start().await;
    std::fs::write(world.path("policies/lake.cedar"), "permit (").unwrap();
    let done = world.command(&["sessions", "revoke", "--principal", "idp:etl"]);
    let advice = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success());
    assert!(
        advice.contains("takes up nothing as long as this is wrong") && advice.contains("lake.cedar"),
        "{advice}"
    );
    for (words, because) in [
        (
            &["sessions", "revoke"][..],
            "name a session, a principal, a role or a time",
        ),
        (&["sessions", "revoke", "--principal", "ana"], "with its issuer"),
        (&["sessions", "revoke", "--before", "yesterday"], "is not a time"),
        (&["sessions", "revoke", "--role", "x", "--undo"], "no entry"),
    ] {
        let refused = world.command(words);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(
            refused.status.code() == Some(1) && said.contains(because),
            "{said}"
        );
    }
    let odd = world.command(&["sessions", "revoke", "--principal", "nobody:x"]);
    assert!(String::from_utf8_lossy(&odd.stderr).contains("no issuer is named `nobody`"));
}

// SES-06
#[tokio::test]
async fn what_is_said_of_everybody_leaves_service_keys_and_a_revoked_one_has_no_successor() {
    let key = r#"permit (principal == Tidegate::Workload::"backup:veeam", action, resource);"#;
    let world = World::with(Settings {
        more: "[service_keys]\nfile = \"service-keys.toml\"".into(),
        policy: Some(format!("{}{key}", crate::support::world::POLICY)),
        ..Settings::default()
    })
    .await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let etl = world.client("etl").await;
    let keys = world.service_key(&["--principal", "backup:veeam", "--bucket", "lake"]);
    let id = keys.access_key_id.clone();
    let veeam = world.client_with(keys);
    returns(&veeam).await;
    world.does(&["sessions", "revoke", "--before", "now"]);
    ends(&etl).await;
    assert_eq!(veeam.head("/lake/tmp/a").await.status, 200);

    let refused = world.command(&["sessions", "revoke", "--before", "2999-01-01T00:00:00Z"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`--before` is in the future"));

    world.does(&["sessions", "revoke", "--session", &id]);
    becomes("the end of the key", async || {
        veeam.head("/lake/tmp/a").await.status == 403
    })
    .await;
    let refused = world.command(&["service-keys", "rotate", &id]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is revoked by"));
}
