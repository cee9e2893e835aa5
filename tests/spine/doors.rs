//! The doors below `/_tidegate/`: what each gives, to whom, and in which words it sends others away.

use crate::support::{AUDIENCE, Answer, Client, Keys, Settings, World, form, now};
use serde_json::{Value, json};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

async fn credentials(world: &World, query: &str, token: &str) -> Answer {
    let target = format!("/_tidegate/credentials{query}");
    let client = world.anonymous();
    client
        .send(client.unsigned("GET", &target, &[("authorization", token)], b""))
        .await
}

async fn post(client: &Client, target: &str, pairs: &[(&str, &str)], more: &[(&str, &str)]) -> Answer {
    let headers = [&[FORM], more].concat();
    let form = form(pairs);
    client
        .send(client.unsigned("POST", target, &headers, form.as_bytes()))
        .await
}

async fn exchange(world: &World, token: &str) -> Answer {
    let pairs = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", "//gw.example.com/tenants/t1"),
        ("scope", "https://www.googleapis.com/auth/devstorage.read_write"),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("subject_token", token),
        ("subject_token_type", JWT),
    ];
    post(&world.anonymous(), "/_tidegate/token", &pairs, &[]).await
}

/// An access token for a sample identity.
pub async fn access_token(world: &World, subject: &str) -> String {
    let answer = exchange(world, &world.token(subject)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    text(&answer, "access_token")
}

fn document(answer: &Answer) -> Value {
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    serde_json::from_slice(&answer.body).unwrap()
}

fn text(answer: &Answer, member: &str) -> String {
    let document = document(answer);
    document[member]
        .as_str()
        .unwrap_or_else(|| panic!("no `{member}`: {document}"))
        .to_owned()
}

fn refused(answer: &Answer, what: &str, status: u16, code: &str) {
    let document = document(answer);
    let (found, words) = match document.get("error") {
        Some(error) => (error, &document["error_description"]),
        None => (&document["code"], &document["message"]),
    };
    assert_eq!(
        (answer.status, found),
        (status, &json!(code)),
        "{what}: {document}"
    );
    assert!(
        words.as_str().is_some_and(|words| words.len() > 10),
        "{what}: {document}"
    );
    assert_eq!(document.as_object().unwrap().len(), 2, "{what}: {document}");
}

#[tokio::test]
async fn container_credentials_are_given_for_the_token_in_the_header() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let token = world.token("etl");
    for value in [token.clone(), format!("{token}  "), format!("Bearer {token}")] {
        let answer = credentials(&world, "", &value).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let keys = Keys {
            access_key_id: text(&answer, "AccessKeyId"),
            secret_access_key: text(&answer, "SecretAccessKey"),
            session_token: Some(text(&answer, "Token")),
        };
        let expires: jiff::Timestamp = text(&answer, "Expiration").parse().unwrap();
        let lifetime = expires.duration_since(now()).as_secs();
        assert!((3500..=3600).contains(&lifetime), "{lifetime}");
        let record = world.recorded(&answer, "allow", "authenticated").await;
        assert_eq!(record["type"], "auth");
        assert_eq!(record["client"]["auth"], "container-credentials");
        assert_eq!(record["api"]["operation"], "ContainerCredentials");
        assert_eq!(record["actor"]["id"], "idp:etl");
        world.kept_secret(&[
            &token,
            &keys.secret_access_key,
            keys.session_token.as_ref().unwrap(),
        ]);
        let mut client = world.anonymous();
        client.keys = Some(keys);
        assert_eq!(client.get("/lake/tmp/a").await.status, 200);
    }
    let short = credentials(&world, "?duration=900", &token).await;
    let expires: jiff::Timestamp = text(&short, "Expiration").parse().unwrap();
    assert!(expires.duration_since(now()).as_secs() <= 900);
}

// SIG-04, SES-09, JWT-10
#[tokio::test]
async fn container_credentials_are_refused_with_a_code_and_a_sentence() {
    let world = World::start().await;
    let token = world.token("etl");
    let expired = expired(&world);
    let foreign = token_for(&world, "https://elsewhere.test");
    for (what, query, value, status, code, reason) in [
        ("garbage", "", "garbage", 401, "InvalidIdentityToken", "bad-token"),
        ("foreign", "", &*foreign, 401, "InvalidIdentityToken", "bad-token"),
        ("expired", "", &*expired, 401, "ExpiredTokenException", "expired"),
        (
            "basic",
            "",
            "Basic dTpw",
            401,
            "InvalidIdentityToken",
            "bad-token",
        ),
        (
            "too long",
            "?duration=43201",
            &*token,
            400,
            "ValidationError",
            "malformed",
        ),
        (
            "too short",
            "?duration=899",
            &*token,
            400,
            "ValidationError",
            "malformed",
        ),
        (
            "no number",
            "?duration=1h",
            &*token,
            400,
            "ValidationError",
            "malformed",
        ),
        (
            "unknown",
            "?policy=%7B%7D",
            &*token,
            400,
            "ValidationError",
            "malformed",
        ),
        (
            "twice",
            "?role=a&role=b",
            &*token,
            400,
            "ValidationError",
            "malformed",
        ),
        (
            "no such role",
            "?role=nobody",
            &*token,
            403,
            "AccessDenied",
            "no-permit",
        ),
        (
            "no such tag",
            "?tag=audit%3Dx",
            &*token,
            403,
            "AccessDenied",
            "no-permit",
        ),
    ] {
        let answer = credentials(&world, query, value).await;
        refused(&answer, what, status, code);
        world.recorded(&answer, "deny", reason).await;
    }
    let client = world.anonymous();
    let answer = client
        .send(client.unsigned("GET", "/_tidegate/credentials", &[], b""))
        .await;
    refused(&answer, "no token", 401, "MissingAuthenticationToken");
    world.recorded(&answer, "deny", "unauthenticated").await;
    let headers = [("authorization", &*token), ("x-amz-security-token", "abc")];
    let answer = client
        .send(client.unsigned("GET", "/_tidegate/credentials", &headers, b""))
        .await;
    refused(&answer, "two credentials", 400, "InvalidRequest");
    world.recorded(&answer, "deny", "malformed").await;
    world.kept_secret(&[&expired, &foreign]);
    world.untouched("refused tokens");
}

#[tokio::test]
async fn a_token_is_exchanged_for_an_access_token_that_reads() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"hello");
    let token = world.token("etl");
    // A token file ends with a line end.
    let answer = exchange(&world, &format!("{token}\n")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.body.len() < 8192);
    let given = document(&answer);
    assert_eq!(given["token_type"], "Bearer");
    assert_eq!(
        given["issued_token_type"],
        "urn:ietf:params:oauth:token-type:access_token"
    );
    assert!(
        (3500..=3600).contains(&given["expires_in"].as_i64().unwrap()),
        "{given}"
    );
    let record = world.recorded(&answer, "allow", "authenticated").await;
    assert_eq!(
        (&record["client"]["auth"], &record["actor"]["id"]),
        (&json!("token-exchange"), &json!("idp:etl"))
    );
    let access = text(&answer, "access_token");
    let read = world.anonymous().bearer("GET", "/lake/tmp/a", &access, b"").await;
    assert_eq!(
        (read.status, read.text().as_str()),
        (200, "hello"),
        "{}",
        read.text()
    );

    // What it is, in the words of RFC 7662. gcloud sends its own client's id and secret.
    let basic = [("authorization", "Basic Z2Nsb3VkOnNlY3JldA==")];
    let asked = post(
        &world.anonymous(),
        "/_tidegate/introspect",
        &[("token", &access)],
        &basic,
    )
    .await;
    let told = document(&asked);
    assert_eq!(
        (asked.status, &told["active"], &told["username"]),
        (200, &json!(true), &json!("idp:etl"))
    );
    assert_eq!(
        (&told["sub"], &told["iss"]),
        (&json!("etl"), &json!(world.issuer))
    );
    assert!(told["exp"].as_i64().unwrap() > now().as_second());
    world.recorded(&asked, "allow", "authenticated").await;
    for other in ["garbage", "", &*token, &access[..access.len() - 4]] {
        let asked = post(
            &world.anonymous(),
            "/_tidegate/introspect",
            &[("token", other)],
            &[],
        )
        .await;
        assert_eq!(
            (asked.status, document(&asked)),
            (200, json!({ "active": false })),
            "{other}"
        );
        world.recorded(&asked, "deny", "bad-token").await;
    }
    world.kept_secret(&[&token, &access]);
}

// SIG-05, SES-09
#[tokio::test]
async fn an_exchange_is_refused_in_the_words_of_oauth() {
    let world = World::start().await;
    let token = world.token("etl");
    let expired = expired(&world);
    let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    let kind = ("subject_token_type", JWT);
    let client = world.anonymous();
    for (what, pairs, more, status, code, reason) in [
        (
            "garbage",
            &[grant, kind, ("subject_token", "garbage")][..],
            None,
            400,
            "invalid_grant",
            "bad-token",
        ),
        (
            "expired",
            &[grant, kind, ("subject_token", &*expired)],
            None,
            400,
            "invalid_grant",
            "expired",
        ),
        (
            "no token",
            &[grant, kind],
            None,
            400,
            "invalid_request",
            "malformed",
        ),
        (
            "another grant",
            &[("grant_type", "client_credentials")],
            None,
            400,
            "unsupported_grant_type",
            "malformed",
        ),
        (
            "another kind",
            &[
                grant,
                ("subject_token", &*token),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"),
            ],
            None,
            400,
            "invalid_request",
            "malformed",
        ),
        (
            "a boundary",
            &[
                grant,
                kind,
                ("subject_token", &*token),
                ("options", r#"{"accessBoundary":{}}"#),
            ],
            None,
            400,
            "invalid_request",
            "malformed",
        ),
        (
            "two credentials",
            &[grant, kind, ("subject_token", &*token)],
            Some(("authorization", "Bearer abc")),
            400,
            "invalid_request",
            "malformed",
        ),
    ] {
        let answer = post(&client, "/_tidegate/token", pairs, more.as_slice()).await;
        refused(&answer, what, status, code);
        world.recorded(&answer, "deny", reason).await;
    }
    let large = "x".repeat(40_000);
    let answer = post(
        &client,
        "/_tidegate/token",
        &[grant, kind, ("subject_token", &large)],
        &[],
    )
    .await;
    refused(&answer, "too large", 400, "invalid_request");
    world.recorded(&answer, "deny", "bad-payload").await;
    let pairs = [grant, kind, ("subject_token", &*token)];
    let answer = post(&client, "/_tidegate/token?role=nobody", &pairs, &[]).await;
    refused(&answer, "no such role", 403, "access_denied");
    world.kept_secret(&[&expired, &token]);
    world.untouched("refused exchanges");
}

#[tokio::test]
async fn a_caller_is_told_who_it_is_and_what_it_may_do() {
    let world = World::start().await;
    let token = world.token("analyst");
    let access = access_token(&world, "analyst").await;
    for bearer in [&token, &access] {
        let answer = world
            .anonymous()
            .bearer("GET", "/_tidegate/whoami", bearer, b"")
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let told = document(&answer);
        assert_eq!(told["principal"], "idp:analyst");
        assert_eq!(
            (&told["kind"], &told["subject"]),
            (&json!("workload"), &json!("analyst"))
        );
        assert_eq!(told["issuer"], json!(world.issuer));
        assert_eq!(told["groups"], json!(["idp:analysts"]));
        assert_eq!((&told["tags"], &told["role"]), (&json!({}), &json!(null)));
        assert_eq!(told["source_ip"], "127.0.0.1");
        assert_eq!(told["buckets"], json!({ "lake": ["read"] }), "{told}");
        let expires: jiff::Timestamp = told["session"]["expires_at"].as_str().unwrap().parse().unwrap();
        assert!(expires > now());
        let record = world.recorded(&answer, "allow", "authenticated").await;
        assert_eq!(record["client"]["auth"], "bearer");
    }
    let client = world.anonymous();
    for (what, answer, status, code, reason) in [
        (
            "nobody",
            client
                .send(client.unsigned("GET", "/_tidegate/whoami", &[], b""))
                .await,
            401,
            "MissingAuthenticationToken",
            "unauthenticated",
        ),
        (
            "expired",
            client
                .bearer("GET", "/_tidegate/whoami", &expired(&world), b"")
                .await,
            401,
            "ExpiredToken",
            "expired",
        ),
        (
            "garbage",
            client.bearer("GET", "/_tidegate/whoami", "a.b.c", b"").await,
            401,
            "InvalidToken",
            "bad-token",
        ),
        (
            "a question",
            client.bearer("GET", "/_tidegate/whoami?a=b", &token, b"").await,
            400,
            "ValidationError",
            "malformed",
        ),
    ] {
        refused(&answer, what, status, code);
        world.recorded(&answer, "deny", reason).await;
    }
    world.kept_secret(&[&token, &access]);
    world.untouched("questions of identity");
}

// SIG-04
#[tokio::test]
async fn whatever_is_no_door_is_said_to_be_none_and_needs_no_credential() {
    let world = World::start().await;
    let client = world.client("etl").await;
    for (method, path, status, code) in [
        ("GET", "/_tidegate/", 404, "NotFound"),
        ("GET", "/_tidegate", 404, "NotFound"),
        ("GET", "/_tidegate/admin", 404, "NotFound"),
        ("GET", "/_tidegate/whoami/", 404, "NotFound"),
        ("GET", "/_tidegate/../lake/a", 404, "NotFound"),
        ("POST", "/_tidegate/credentials", 405, "MethodNotAllowed"),
        ("PUT", "/_tidegate/whoami", 405, "MethodNotAllowed"),
        ("DELETE", "/_tidegate/configuration", 405, "MethodNotAllowed"),
        ("GET", "/_tidegate/token", 405, "invalid_request"),
    ] {
        let answer = client.send(client.unsigned(method, path, &[], b"")).await;
        refused(&answer, path, status, code);
        assert_eq!(answer.header("allow").is_some(), status == 405, "{path}");
        world.recorded(&answer, "deny", "unsupported").await;
    }
    let answer = client
        .send(client.unsigned("GET", "/_tidegate/configuration", &[], b""))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(document(&answer), json!({ "issuers": [], "audience": AUDIENCE }));
    world.recorded(&answer, "allow", "public").await;
    world.untouched("doors");
}

// CLS-09
#[tokio::test]
async fn in_the_host_name_of_a_bucket_the_path_of_a_door_is_a_key() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "_tidegate/whoami", b"an object");
    let mut etl = world.client("etl").await;
    etl.host = format!("lake.localhost:{}", etl.address.port());
    let answer = etl.get("/_tidegate/whoami").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "an object"));
    let elsewhere = etl.get("/_tidegate/nothing").await;
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (404, "NoSuchKey"));
}

#[tokio::test]
async fn who_knocks_too_often_is_told_when_to_come_back() {
    let world = World::with(Settings {
        more: "[limits]\ndoor_requests_per_minute = 3\n".to_owned(),
        ..Settings::default()
    })
    .await;
    let token = world.token("etl");
    for _ in 0..3 {
        assert_eq!(credentials(&world, "", &token).await.status, 200);
    }
    let answer = credentials(&world, "", &token).await;
    refused(&answer, "container", 429, "Throttling");
    world.recorded(&answer, "deny", "limited").await;
    let answer_of_exchange = exchange(&world, &token).await;
    refused(&answer_of_exchange, "exchange", 429, "temporarily_unavailable");
    let sts = world.anonymous().assume_role(&token).await;
    assert_eq!((sts.status, sts.code().as_str()), (429, "Throttling"));
    world.recorded(&sts, "deny", "limited").await;
    for answer in [answer, answer_of_exchange, sts] {
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=21).contains(&wait), "{wait}");
    }
    // Whoever has a token and no session is not among them.
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    assert_eq!(
        world
            .anonymous()
            .bearer("GET", "/lake/tmp/a", &token, b"")
            .await
            .status,
        200
    );
}

pub fn expired(world: &World) -> String {
    let seconds = now().as_second();
    sign(world, AUDIENCE, seconds - 4000, seconds - 400)
}

fn token_for(world: &World, audience: &str) -> String {
    let seconds = now().as_second();
    sign(world, audience, seconds, seconds + 3600)
}

fn sign(world: &World, audience: &str, issued: i64, expires: i64) -> String {
    let claims = json!({
        "iss": world.issuer, "sub": "etl", "aud": audience, "groups": ["pipelines"],
        "iat": issued, "nbf": issued, "exp": expires,
    });
    world.provider.sign(&claims).unwrap()
}

#[tokio::test]
async fn the_command_line_is_told_where_people_log_in_and_nothing_secret() {
    let world = World::with(Settings {
        more: r#"
[[issuers]]
name = "corp"
issuer = "https://login.corp.test"
kind = "user"
login = { client_id = "tidegate-cli", client_secret = "env:HOME", scopes = ["openid", "groups"] }
"#
        .to_owned(),
        ..Settings::default()
    })
    .await;
    let client = world.anonymous();
    let answer = client
        .send(client.unsigned("GET", "/_tidegate/configuration", &[], b""))
        .await;
    let told = document(&answer);
    assert_eq!(told["audience"], AUDIENCE);
    let issuers = told["issuers"].as_array().unwrap();
    assert_eq!(issuers.len(), 1, "{told}");
    assert_eq!(
        (&issuers[0]["name"], &issuers[0]["client_id"], &issuers[0]["kind"]),
        (&json!("corp"), &json!("tidegate-cli"), &json!("user"))
    );
    assert_eq!(issuers[0]["issuer"], "https://login.corp.test");
    assert_eq!(issuers[0]["scopes"], json!(["openid", "groups"]));
    assert!(
        !answer.text().contains("secret") && !answer.text().contains("/root"),
        "{told}"
    );
}
