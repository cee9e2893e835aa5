//! The door of the token service: which tokens it takes, and with which words it sends the others away.

use crate::support::{AUDIENCE, Answer, Client, Settings, World, form, now};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

const REFUSED: &str = "The identity token is not accepted. Check its issuer, audience, signature and times against \
                       what this service expects; its operator finds the cause in the log under this request id.";

#[tokio::test]
async fn a_token_is_traded_by_get_and_by_post() {
    let world = World::start().await;
    let token = world.token("etl");
    let query = question(&token, &[]);
    let anonymous = world.anonymous();
    for answer in [
        anonymous.post_form(&query).await,
        get(&anonymous, &query).await,
        get(&anonymous, &question(&token, &[("DurationSeconds", "900")])).await,
    ] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/xml"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let subject = answer.element("SubjectFromWebIdentityToken");
        assert_eq!(subject.as_deref(), Some("etl"), "{}", answer.text());
        let record = world.recorded(&answer, "allow", "authenticated").await;
        assert_eq!(record["type"], "auth");
        assert_eq!(record["api"]["operation"], "AssumeRoleWithWebIdentity");
        assert_eq!(record["actor"]["id"], "idp:etl");
        let secrets = ["SecretAccessKey", "SessionToken"].map(|name| answer.element(name).unwrap());
        world.kept_secret(&[&secrets[0], &secrets[1], &token]);
    }
    world.untouched("a token service needs no store");
}

// JWT-01, JWT-03, JWT-04, JWT-06 to JWT-10
#[tokio::test]
async fn tokens_that_are_not_for_us_are_refused_in_one_sentence() {
    let world = World::start().await;
    let kid = world.provider.jwk()["kid"].as_str().unwrap().to_owned();
    let public_key = world.provider.jwk().to_string();
    let [header, payload, signature] = segments(&world.token("etl"));
    let [_, other_payload, other_signature] = segments(&world.token("analyst"));
    let set = |name: &str, value: Value| {
        let mut claims = claims(&world);
        claims[name] = value;
        world.provider.sign(&claims).unwrap()
    };
    let head = |header: Value, signature: &str| format!("{}.{payload}.{signature}", encoded(&header));
    let hmac = EncodingKey::from_secret(public_key.as_bytes());
    let later = now().as_second() + 600;
    for (what, token) in [
        ("wrong audience", set("aud", json!("https://elsewhere.test"))),
        ("no audience", set("aud", json!(null))),
        ("audience that is a number", set("aud", json!(5))),
        ("audiences of others", set("aud", json!(["a", "b"]))),
        ("wrong issuer", set("iss", json!("https://idp.test"))),
        (
            "issuer with a slash",
            set("iss", json!(world.issuer.clone() + "/")),
        ),
        ("no subject", set("sub", json!(null))),
        ("expiry as a string", set("exp", json!(later.to_string()))),
        ("no expiry", set("exp", json!(null))),
        ("not yet valid", set("nbf", json!(later))),
        ("issued in the future", set("iat", json!(later))),
        ("too long a life", set("exp", json!(later + 1_000_000))),
        ("oversized", set("pad", json!("x".repeat(14_000)))),
        ("unsigned", head(json!({"alg": "none", "kid": kid}), "")),
        ("without a signature", format!("{header}.{payload}.")),
        (
            "signature of another",
            format!("{header}.{payload}.{other_signature}"),
        ),
        (
            "claims of another",
            format!("{header}.{other_payload}.{signature}"),
        ),
        ("public key as secret", signed(&world, Algorithm::HS256, &hmac)),
        ("stranger's key", signed(&world, Algorithm::ES256, &stranger())),
        (
            "other algorithm",
            head(json!({"alg": "RS256", "kid": kid}), &signature),
        ),
        ("no key id", head(json!({"alg": "ES256"}), &signature)),
        ("encrypted", format!("{header}.{payload}.{signature}.a.b")),
        ("no token at all", "gibberish".to_owned()),
    ] {
        let answer = world.anonymous().assume_role(&token).await;
        refused(&answer, what, "InvalidIdentityToken", REFUSED);
        let record = world.recorded(&answer, "deny", "bad-token").await;
        assert_eq!(
            (&record["type"], &record["actor"]),
            (&json!("auth"), &json!(null))
        );
        world.kept_secret(&[&token]);
    }
    world.untouched("refused tokens");
}

#[tokio::test]
async fn an_expired_token_asks_for_a_new_one_and_a_missing_issuer_for_patience() {
    let mut world = World::start().await;
    let mut claims = claims(&world);
    let seconds = now().as_second();
    (claims["iat"], claims["nbf"], claims["exp"]) = (
        (seconds - 4000).into(),
        (seconds - 4000).into(),
        (seconds - 400).into(),
    );
    let expired = world.provider.sign(&claims).unwrap();
    let message = "The identity token has expired or is about to. Get a new one from its issuer.";
    for answer in [
        world.anonymous().assume_role(&expired).await,
        get(&world.anonymous(), &question(&expired, &[])).await,
    ] {
        refused(&answer, "expired", "ExpiredTokenException", message);
        world.recorded(&answer, "deny", "expired").await;
    }

    // Keys that are known stay in use; a key that is not known cannot be fetched from a provider that is gone.
    let known = world.token("etl");
    assert_eq!(world.anonymous().assume_role(&known).await.status, 200);
    world.stop_provider();
    assert_eq!(world.anonymous().assume_role(&known).await.status, 200);
    let fresh = World::with(Settings {
        without_provider: true,
        ..Settings::default()
    })
    .await;
    let answer = fresh.anonymous().assume_role(&fresh.token("etl")).await;
    let message = "The keys of the identity token's issuer cannot be fetched now. Try again.";
    refused(&answer, "issuer is gone", "IDPCommunicationError", message);
    fresh.recorded(&answer, "error", "unavailable").await;
}

async fn get(client: &Client, query: &str) -> Answer {
    client
        .send(client.unsigned("GET", &format!("/?{query}"), &[], b""))
        .await
}

fn refused(answer: &Answer, what: &str, code: &str, message: &str) {
    let found = (answer.status, answer.code());
    assert_eq!(found, (400, code.to_owned()), "{what}: {}", answer.text());
    assert!(answer.text().starts_with("<ErrorResponse"), "{what}");
    assert_eq!(
        answer.element("Message").unwrap().replace("&apos;", "'"),
        message,
        "{what}"
    );
    assert!(answer.element("RequestId").is_some() && answer.element("Credentials").is_none());
}

fn question(token: &str, more: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("WebIdentityToken", token),
    ];
    pairs.extend_from_slice(more);
    form(&pairs)
}

fn claims(world: &World) -> Value {
    let seconds = now().as_second();
    json!({
        "iss": world.issuer, "sub": "etl", "aud": AUDIENCE, "groups": ["pipelines"],
        "iat": seconds, "nbf": seconds, "exp": seconds + 3600,
    })
}

/// A token with right claims and the provider's key id, signed by somebody else.
fn signed(world: &World, algorithm: Algorithm, key: &EncodingKey) -> String {
    let mut header = Header::new(algorithm);
    header.kid = world.provider.jwk()["kid"].as_str().map(str::to_owned);
    jsonwebtoken::encode(&header, &claims(world), key).unwrap()
}

fn stranger() -> EncodingKey {
    EncodingKey::from_ec_der(&rcgen::KeyPair::generate().unwrap().serialize_der())
}

fn segments(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

fn encoded(header: &Value) -> String {
    BASE64URL_NOPAD.encode(header.to_string().as_bytes())
}
