//! Tidegate as an issuer towards clouds: what they read, from whom, and for how long.

use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::world::ISSUER_KEYS;
use crate::support::{Answer, Client, Settings, World, becomes, binary, now};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidegate::issuer::SigningKeys;

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

fn ids(list: &str) -> Vec<(String, String)> {
    let all: Vec<Value> = serde_json::from_str(list).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.iter()
        .map(|key| (text(&key["id"]), text(&key["standing"])))
        .collect()
}

/// `tidegate issuer` with these words.
fn issuer(words: &[&str]) -> std::process::Output {
    std::process::Command::new(binary())
        .arg("issuer")
        .args(words)
        .output()
        .unwrap()
}

fn does(words: &[&str]) -> String {
    let done = issuer(words);
    assert!(
        done.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn keys_are_made_listed_rotated_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let file = path.to_str().unwrap();
    assert!(does(&["new", file]).contains("every replica needs this file"));
    let again = issuer(&["new", file]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists and is not overwritten"));
    let list = || ids(&does(&["list", file, "--json"]));
    let first = list()[0].0.clone();
    assert_eq!(list(), [(first.clone(), "signing".to_owned())]);

    // A day at least, or it is said that this is meant.
    let hasty = issuer(&["rotate", file, "--signs-after", "1h"]);
    let said = String::from_utf8_lossy(&hasty.stderr).into_owned();
    assert_eq!(hasty.status.code(), Some(1));
    assert!(
        said.contains("clouds keep the key set") && said.contains("--now"),
        "{said}"
    );
    assert_eq!(
        issuer(&["rotate", file, "--signs-after", "31d"]).status.code(),
        Some(2)
    );
    assert_eq!(list().len(), 1);

    let said = does(&["rotate", file]);
    assert!(said.contains("is published now and signs from"), "{said}");
    let second = list()[1].0.clone();
    assert_eq!(list()[0].1, "signing");
    assert_eq!(list()[1].1, "announced");
    let shown = does(&["list", file]);
    assert!(shown.contains("announced   signs from"), "{shown}");
    let set: Value = serde_json::from_str(&does(&["jwks", file])).unwrap();
    let published: Vec<&str> = set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap())
        .collect();
    assert_eq!(published, [&*first, &*second]);

    let last = issuer(&["drop", file, &first]);
    assert_eq!(last.status.code(), Some(1));
    let said = String::from_utf8_lossy(&last.stderr).into_owned();
    assert!(said.contains(&format!("rotate {file} --now --drop")), "{said}");
    let said = does(&["rotate", file, "--now", "--drop", &first]);
    assert!(
        said.contains("signs from now on; dropped: ") && said.contains(&first),
        "{said}"
    );
    let now = list();
    assert_eq!(now.len(), 2);
    assert!(
        now.iter()
            .any(|(id, standing)| *id != second && standing == "signing")
    );
    assert!(does(&["drop", file, &second]).contains(&second));
    assert_eq!(list().len(), 1);
    for output in [&does(&["list", file]), &does(&["jwks", file])] {
        assert!(
            !output.contains("PRIVATE KEY") && !output.contains("\"d\""),
            "{output}"
        );
    }
}

#[tokio::test]
async fn what_is_uploaded_is_what_is_served() {
    let world = issuing().await;
    let client = world.anonymous();
    let served: Value = serde_json::from_slice(&ask(&client, "GET", KEY_SET).await.body).unwrap();
    let printed: Value = serde_json::from_str(&world.does(&["issuer", "jwks"])).unwrap();
    assert_eq!(printed, served);
    let served: Value = serde_json::from_slice(&ask(&client, "GET", DISCOVERY).await.body).unwrap();
    let printed: Value = serde_json::from_str(&world.does(&["issuer", "discovery"])).unwrap();
    assert_eq!(printed, served);
    let without = World::start().await;
    let refused = without.command(&["issuer", "jwks"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no `[issuer]`"));
}

/// The ids that are published by a process.
async fn published(client: &Client) -> Vec<String> {
    let set: Value = serde_json::from_slice(&ask(client, "GET", KEY_SET).await.body).unwrap();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn keys_are_rotated_live_in_two_replicas_in_either_order() {
    let world = issuing().await;
    let ours = world.path(ISSUER_KEYS);
    let theirs = world.path("secrets/replica-issuer-keys.toml");
    std::fs::copy(&ours, &theirs).unwrap();
    let replica = world
        .replica_with(&[("secrets/issuer-keys.toml", "secrets/replica-issuer-keys.toml")])
        .await;
    let here = world.anonymous();
    for first_here in [true, false] {
        let before = published(&here).await;
        assert_eq!(published(&replica.client).await, before);
        let (first, second) = if first_here {
            (&ours, &theirs)
        } else {
            (&theirs, &ours)
        };
        does(&["rotate", first.to_str().unwrap()]);
        let (one, other) = if first_here {
            (&here, &replica.client)
        } else {
            (&replica.client, &here)
        };
        becomes("a rotation", async || {
            published(one).await.len() == before.len() + 1
        })
        .await;
        // What signs is in both sets, and so is what signed: no order of files makes a token that cannot be verified.
        let signing = ids(&does(&["list", first.to_str().unwrap(), "--json"]));
        let signing = signing
            .iter()
            .find(|(_, standing)| standing == "signing")
            .unwrap();
        for client in [one, other] {
            assert!(published(client).await.contains(&signing.0));
        }
        std::fs::copy(first, second).unwrap();
        becomes("the other rotation", async || {
            published(other).await.len() == before.len() + 1
        })
        .await;
        assert_eq!(published(&here).await, published(&replica.client).await);
    }
    let count = world
        .metric_when("tidegate_issuer_keys", |count| count == 3)
        .await;
    assert_eq!(count, 3);
    world
        .metric_when("tidegate_issuer_next_key_signs_seconds", |at| at > 0)
        .await;
}

#[tokio::test]
async fn keys_that_cannot_be_read_anew_degrade_and_the_last_ones_serve_on() {
    let world = issuing().await;
    let client = world.anonymous();
    let before = published(&client).await;
    let path = world.path(ISSUER_KEYS);
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, "keys = 3").unwrap();
    world
        .ready_when(|status, body| {
            status == 200 && body.contains("degraded") && body.contains("issuer-keys.toml")
        })
        .await;
    assert_eq!(published(&client).await, before);
    std::fs::write(&path, good).unwrap();
    world.ready_when(|_, body| !body.contains("degraded")).await;
}

#[tokio::test]
async fn what_is_hardly_meant_is_said_by_check() {
    let world = issuing().await;
    let file = world.path(ISSUER_KEYS);
    does(&["rotate", file.to_str().unwrap(), "--now", "--signs-after", "2h"]);
    let said = String::from_utf8(world.command(&["check"]).stdout).unwrap();
    assert!(said.contains("published only 2 hours before that"), "{said}");
    let path = world.path("tidegate.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace(URL, "https://issuer.elsewhere.test")).unwrap();
    let said = String::from_utf8(world.command(&["check"]).stdout).unwrap();
    assert!(said.contains("the key set is not fetched here"), "{said}");
    assert!(
        said.contains("publish there what `tidegate issuer discovery`"),
        "{said}"
    );
}

/// A token service that takes whatever it gets, and gives keys that are over in seconds: so every few requests bring
/// another token, which [`tokens`] holds against the key sets.
async fn hasty_sts() -> FakeTarget {
    FakeTarget::start(|_| {
        let end = (now() + jiff::SignedDuration::from_secs(63)).strftime("%Y-%m-%dT%H:%M:%SZ");
        let body = format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>\
             <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
             <Expiration>{end}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
             </AssumeRoleWithWebIdentityResponse>"
        );
        vec![
            Step::ReadBody,
            Step::Send(answer("200 OK", "content-type: text/xml\r\n", &body)),
        ]
    })
    .await
}

/// The tokens that it got.
fn tokens(sts: &FakeTarget) -> Vec<String> {
    let of = |body: Vec<u8>| {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
        pairs
            .into_iter()
            .find(|(name, _)| name == "WebIdentityToken")
            .map(|(_, token)| token)
    };
    sts.seen().into_iter().filter_map(|seen| of(seen.body)).collect()
}

/// As a strict cloud: one key by `kid`, RS256, issuer, audience and times.
fn verifies(token: &str, set: &str) -> Option<(String, i64)> {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
    let set: JwkSet = serde_json::from_str(set).ok()?;
    let kid = decode_header(token).ok()?.kid?;
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&["sts.amazonaws.com"]);
    rules.set_issuer(&[URL]);
    rules.set_required_spec_claims(&["iss", "sub", "aud", "exp", "nbf"]);
    let key = DecodingKey::from_jwk(set.find(&kid)?).ok()?;
    let claims = decode::<Value>(token, &key, &rules).ok()?.claims;
    assert_eq!(claims["sub"], "target/store");
    Some((kid, claims["iat"].as_i64()?))
}

// Two replicas take the new file up one after the other, and a cloud that keeps the key set for seconds, from whichever
// of them, verifies every token of both before, while and after the new key begins to sign.
#[tokio::test]
async fn while_keys_change_no_token_of_either_replica_is_one_that_a_cloud_cannot_verify() {
    const KEEPS: i64 = 3;
    let sts = hasty_sts().await;
    let target = FakeTarget::start(|_| {
        vec![
            Step::ReadBody,
            Step::Send(answer("200 OK", "etag: \"e\"\r\n", "x")),
        ]
    })
    .await;
    let table = format!(
        "[targets.store]\nkind = \"s3\"\nendpoint = \"http://{}\"\nregion = \"us-east-1\"\nexact_keys = true\n\
         [targets.store.credentials]\nkind = \"aws-web-identity\"\nrole_arn = \"arn:aws:iam::123456789012:role/lake\"\n\
         sts_endpoint = \"http://{}\"\n",
        target.address, sts.address
    );
    let world = World::with(Settings {
        own_issuer: Some(URL),
        target_table: Some(table),
        ..Settings::default()
    })
    .await;
    let (ours, theirs) = (
        world.path(ISSUER_KEYS),
        world.path("secrets/replica-issuer-keys.toml"),
    );
    std::fs::copy(&ours, &theirs).unwrap();
    let replica = world
        .replica_with(&[("secrets/issuer-keys.toml", "secrets/replica-issuer-keys.toml")])
        .await;
    let mut etl = world.client("etl").await;
    let documents = [world.anonymous(), replica.client.clone()];
    let after = std::time::Duration::from_secs(12);
    let rotated = SigningKeys::rotate(&theirs, now(), after).unwrap();
    // Everything that a cloud may have fetched, and when.
    let mut fetched: Vec<(i64, String)> = Vec::new();
    let mut copied = false;
    let addresses = [world.data, replica.client.address];
    let deadline = now() + jiff::SignedDuration::from_secs(60);
    loop {
        for client in &documents {
            let set = ask(client, "GET", KEY_SET).await;
            fetched.push((now().as_second(), set.text()));
        }
        for address in addresses {
            etl.address = address;
            etl.host = format!("localhost:{}", address.port());
            assert_eq!(etl.get("/lake/raw/a").await.status, 200);
        }
        if !copied && published(&documents[1]).await.len() == 2 {
            std::fs::copy(&theirs, &ours).unwrap();
            copied = true;
        }
        let new = tokens(&sts)
            .iter()
            .filter(|token| {
                jsonwebtoken::decode_header(token).unwrap().kid.as_deref() == Some(&*rotated.added.0)
            })
            .count();
        if new >= 4 {
            break;
        }
        assert!(now() < deadline, "the new key does not sign");
    }
    let all = tokens(&sts);
    let mut signers = BTreeSet::new();
    for token in &all {
        let of_any = fetched.iter().rev().find_map(|(_, set)| verifies(token, set));
        let (kid, issued) = of_any.expect("a token that nobody can verify");
        signers.insert(kid);
        for (at, set) in fetched
            .iter()
            .filter(|(at, _)| (issued - KEEPS..=issued).contains(at))
        {
            assert!(
                verifies(token, set).is_some(),
                "the key set of {at} for a token of {issued}"
            );
        }
    }
    assert_eq!(signers.len(), 2, "before and after");
}
