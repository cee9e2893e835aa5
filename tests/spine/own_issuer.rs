//! Tidegate as an issuer towards clouds: what they read, from whom, and for how long.

use crate::support::{Answer, Client, Settings, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const URL: &str = "https://s3.tidegate.test";
const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEY_SET: &str = "/.well-known/jwks.json";

/// A process with an issuer of its own.
pub async fn issuing() -> World {
    let settings = Settings {
        own_issuer: Some(URL),
        ..Settings::default()
    };
    World::with(settings).await
}

async fn ask(client: &Client, method: &str, target: &str) -> Answer {
    client.send(client.unsigned(method, target, &[], b"")).await
}

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn anybody_reads_the_discovery_document_and_the_key_set() {
    let world = issuing().await;
    let client = world.anonymous();
    for (path, operation) in [(DISCOVERY, "IssuerDiscovery"), (KEY_SET, "IssuerKeySet")] {
        let got = ask(&client, "GET", path).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.header("content-type"), Some("application/json"));
        assert_eq!(got.header("cache-control"), Some("public, max-age=300"));
        let record = world.recorded(&got, "allow", "public").await;
        assert_eq!(record["type"], "auth");
        assert_eq!(record["api"]["operation"], operation);
        assert_eq!(record["client"]["auth"], "anonymous");
        let head = ask(&client, "HEAD", path).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(
            head.header("content-length"),
            Some(got.body.len().to_string().as_str())
        );
    }
    let discovery: Value = serde_json::from_slice(&ask(&client, "GET", DISCOVERY).await.body).unwrap();
    assert_eq!(discovery["issuer"], URL);
    assert_eq!(discovery["jwks_uri"], format!("{URL}{KEY_SET}"));
    for (name, value) in [
        ("response_types_supported", "id_token"),
        ("subject_types_supported", "public"),
        ("id_token_signing_alg_values_supported", "RS256"),
    ] {
        assert_eq!(discovery[name], json!([value]), "{name}");
    }
    assert!(
        discovery["claims_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("sub"))
    );
    let set: Value = serde_json::from_slice(&ask(&client, "GET", KEY_SET).await.body).unwrap();
    // What Google takes; no private part among it.
    assert_eq!(
        members(&set["keys"][0]),
        BTreeSet::from(["kty", "alg", "use", "kid", "n", "e"])
    );
    assert_eq!(
        (&set["keys"][0]["kty"], &set["keys"][0]["alg"]),
        (&json!("RSA"), &json!("RS256"))
    );
    world.untouched("documents of the issuer");
}

#[tokio::test]
async fn the_documents_are_read_and_nothing_else() {
    let world = issuing().await;
    let client = world.anonymous();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        for path in [DISCOVERY, KEY_SET] {
            let answer = ask(&client, method, path).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            world.recorded(&answer, "deny", "unsupported").await;
        }
    }
    let asked = ask(&client, "GET", &format!("{KEY_SET}?kid=1")).await;
    assert_eq!(asked.status, 400, "{}", asked.text());
    let etl = world.client("etl").await;
    for path in [
        "/.well-known",
        "/.well-known/",
        "/.well-known/jwks.json/",
        "/.well-known//jwks.json",
        "/.well-known/oauth-authorization-server",
        "/.Well-known/jwks.json",
        "/.well-known/JWKS.json",
    ] {
        etl.get(path).await.refused(path, 400, "InvalidBucketName");
        etl.put(path, b"x").await.refused(path, 400, "InvalidBucketName");
    }
    world.untouched("what is below `.well-known`");
}

#[tokio::test]
async fn in_the_host_name_of_a_bucket_it_is_a_key() {
    let world = issuing().await;
    let mut etl = world.client("etl").await;
    etl.host = "lake.s3.tidegate.test".into();
    assert_eq!(etl.put(KEY_SET, b"mine").await.status, 200);
    assert_eq!(etl.get(KEY_SET).await.body, b"mine".as_slice());
    let client = Client {
        keys: None,
        ..etl.clone()
    };
    ask(&client, "GET", KEY_SET)
        .await
        .refused("a stranger", 403, "AccessDenied");
}

#[tokio::test]
async fn without_an_issuer_or_where_it_is_elsewhere_there_is_no_document() {
    let elsewhere = Settings {
        own_issuer: Some("https://issuer.elsewhere.test/tidegate"),
        ..Settings::default()
    };
    for settings in [Settings::default(), elsewhere] {
        let world = World::with(settings).await;
        for path in [DISCOVERY, KEY_SET] {
            ask(&world.anonymous(), "GET", path)
                .await
                .refused(path, 400, "InvalidBucketName");
        }
        world.untouched("documents that there are not");
    }
}

#[tokio::test]
async fn one_address_reads_them_often_but_not_without_end() {
    let world = World::with(Settings {
        own_issuer: Some(URL),
        more: "[limits]\ndoor_requests_per_minute = 1".into(),
        ..Settings::default()
    })
    .await;
    let client = world.anonymous();
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(ask(&client, "GET", KEY_SET).await.status);
    }
    assert_eq!(statuses[..10], [200; 10]);
    assert_eq!(statuses[11], 429);
    let refused = ask(&client, "GET", DISCOVERY).await;
    assert!(refused.header("retry-after").is_some());
    world.recorded(&refused, "deny", "limited").await;
    // Whoever reads them takes nothing from those who want a session.
    world.session("etl").await;
}
