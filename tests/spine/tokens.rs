//! The door of the token service: which tokens it takes, and with which words it sends the others away.

use crate::support::{AUDIENCE, Answer, Client, Keys, Settings, World, binary, form, now};
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
    for answer in [
        world.anonymous().assume_role(&expired).await,
        get(&world.anonymous(), &question(&expired, &[])).await,
    ] {
        timely(&answer, "ExpiredTokenException", "The identity token expired at ");
        world.recorded(&answer, "deny", "expired").await;
    }
    (claims["iat"], claims["nbf"], claims["exp"]) =
        (seconds.into(), (seconds + 600).into(), (seconds + 3600).into());
    for claim in ["nbf", "iat"] {
        let token = world.provider.sign(&claims).unwrap();
        let answer = world.anonymous().assume_role(&token).await;
        let start = format!("The identity token is not valid yet: its {claim} is ");
        timely(&answer, "InvalidIdentityToken", &start);
        world.recorded(&answer, "deny", "bad-token").await;
        (claims["iat"], claims["nbf"]) = ((seconds + 600).into(), seconds.into());
    }
    world.untouched("expired and early tokens");

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

#[tokio::test]
async fn the_clock_of_the_provider_is_a_number() {
    let world = World::start().await;
    assert_eq!(
        world.anonymous().assume_role(&world.token("etl")).await.status,
        200
    );
    let name = "tidegate_clock_drift_seconds{party=\"issuer\",name=\"idp\"}";
    world.metric_when(name, |seconds| seconds == 0).await;
}

// SES-06: an issuer that is taken away takes its sessions along.
#[tokio::test]
async fn the_keys_of_a_cluster_are_a_file_that_is_watched() {
    let world = World::start().await;
    let cluster = "https://kubernetes.default.svc.cluster.local";
    let before = std::fs::read_to_string(world.path("tidegate.toml")).unwrap();
    let table = format!(
        "\n[[issuers]]\nname = \"c1\"\npreset = \"kubernetes\"\nissuer = \"{cluster}\"\njwks = \"jwks.json\"\n\
         audiences = [\"{AUDIENCE}\"]\n"
    );
    let keys = |key: &Value| {
        std::fs::write(world.path("jwks.json"), json!({ "keys": [key] }).to_string()).unwrap();
    };
    keys(&serde_json::to_value(world.provider.jwk()).unwrap());
    std::fs::write(world.path("tidegate.toml"), before.clone() + &table).unwrap();
    world
        .metric_when("tidegate_generation", |number| number == 2)
        .await;
    let mut claims = claims(&world);
    claims["iss"] = json!(cluster);
    claims["sub"] = json!("system:serviceaccount:jobs:etl");
    claims["kubernetes.io"] = json!({ "namespace": "jobs", "serviceaccount": { "name": "etl" } });
    let token = world.provider.sign(&claims).unwrap();
    let answer = world.anonymous().assume_role(&token).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let record = world.recorded(&answer, "allow", "authenticated").await;
    assert_eq!(record["actor"]["id"], "c1:system:serviceaccount:jobs:etl");
    let mut caller = world.anonymous();
    caller.keys = Some(Keys::from_sts(&answer.text()));
    let listing = caller.get("/lake/x").await;
    assert_eq!(listing.code(), "AccessDenied", "{}", listing.text());

    // Other keys, and a file that holds none: what was loaded last stays.
    let mut other = serde_json::to_value(world.provider.jwk()).unwrap();
    other["kid"] = json!("another");
    keys(&other);
    world
        .metric_when("tidegate_generation", |number| number == 3)
        .await;
    let answer = world.anonymous().assume_role(&token).await;
    refused(&answer, "a key that is gone", "InvalidIdentityToken", REFUSED);
    std::fs::write(world.path("jwks.json"), "<html>").unwrap();
    world
        .ready_when(|_, text| text.contains("the `jwks` of issuer `c1` cannot be used"))
        .await;
    let listing = caller.get("/lake/x").await;
    assert_eq!(listing.code(), "AccessDenied", "{}", listing.text());
    std::fs::write(world.path("tidegate.toml"), before).unwrap();
    world
        .metric_when("tidegate_generation", |number| number == 4)
        .await;
    assert_eq!(caller.get("/lake/x").await.code(), "InvalidToken");
    world.untouched("sessions of a cluster that nothing is permitted");
}

// With threads of its own: the identity provider answers while the command is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_examined_without_a_server() {
    let world = World::start().await;
    let check = |token: &str, json: bool| {
        std::fs::write(world.path("token.jwt"), format!("{token}\n")).unwrap();
        let mut command = std::process::Command::new(binary());
        command
            .args(["check", "--config"])
            .arg(world.path("tidegate.toml"));
        command.arg("--token").arg(world.path("token.jwt"));
        if json {
            command.arg("--json");
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let token = world.token("analyst");
    let (code, text) = check(&token, false);
    assert_eq!(code, Some(0), "{text}");
    let has = |line: &str| assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
    has("principal: Tidegate::Workload::\"idp:analyst\"");
    has("group:     Tidegate::Group::\"idp:analysts\"");
    assert!(text.contains("ok    key"), "{text}");
    let [_, _, signature] = segments(&token);
    assert!(!text.contains(&signature), "{text}");
    let (code, text) = check(&token, true);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &document["accepted"]), (Some(0), &json!(true)));
    assert_eq!(document["issuer"], "idp");
    assert_eq!(document["entity"], "Tidegate::Workload::\"idp:analyst\"");
    assert_eq!(document["clock_drift_seconds"], 0);

    let mut claims = claims(&world);
    claims["aud"] = json!("https://elsewhere.test");
    let (code, text) = check(&world.provider.sign(&claims).unwrap(), false);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("FAIL  audience   the token is refused: `aud` names none of the configured audiences"),
        "{text}"
    );
    assert!(
        text.contains("\"https://elsewhere.test\"; accepted: \"https://s3.tidegate.test\""),
        "{text}"
    );
    let (code, text) = check(&signed(&world, Algorithm::ES256, &stranger()), false);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("FAIL  signature  the token is refused: the signature is wrong\nskip  audience"),
        "{text}"
    );
    assert!(
        text.ends_with("refused, which would be of issuer `idp`\n"),
        "{text}"
    );
    world.untouched("examinations");
}

/// Refused with the times in question, which whoever has a genuine token may know.
fn timely(answer: &Answer, code: &str, start: &str) {
    assert_eq!(
        (answer.status, answer.code()),
        (400, code.to_owned()),
        "{}",
        answer.text()
    );
    let message = answer.element("Message").unwrap();
    assert!(
        message.starts_with(start) && message.contains("this service is 20"),
        "{message}"
    );
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
