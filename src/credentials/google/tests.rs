use super::*;
use crate::clock::Clock;
use crate::config::{
    Attribution, IdentityToken, Metadata, OwnIssuer, SecretRef, ServiceAccountFile, WorkloadIdentity,
};
use crate::credentials::{Credential, CredentialCache, CredentialState, Material, Scope};
use crate::error::with_causes;
use crate::issuer::{Issuer, SigningKeys};
use crate::json::Object;
use data_encoding::BASE64URL_NOPAD;
use jiff::SignedDuration;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const NOW: &str = "2026-11-22T00:00:00Z";
const PROVIDER: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";
const IDENTITY: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ";
const JSON: &str = "content-type: application/json; charset=UTF-8\r\n";
const FLAVORED: &str = "content-type: application/json\r\nMetadata-Flavor: Google\r\n";

/// A service that gives these answers one after the other, the last one for ever: status, headers, body. Its requests.
async fn service(answers: &[(&str, &str, &str)]) -> (Endpoint, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint {
        tls: false,
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
    };
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    let answers = answers.iter().map(|(status, headers, body)| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
    });
    let answers: Vec<String> = answers.collect();
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((mut io, _)) = listener.accept().await {
            let asked = request(&mut io).await;
            seen.lock().unwrap().push(asked);
            let answer = &answers[count.min(answers.len() - 1)];
            let _ = io.write_all(answer.as_bytes()).await;
            count += 1;
        }
    });
    (endpoint, requests)
}

async fn request(io: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut some = [0; 4096];
        let count = io.read(&mut some).await.unwrap();
        bytes.extend_from_slice(&some[..count]);
    }
}

fn clock() -> Clock {
    Clock::fixed(NOW.parse().unwrap())
}

fn resources(clock: &Clock) -> Resources {
    Resources {
        clock: clock.clone(),
        cache: CredentialCache::new(),
        issuer: None,
        secrets: crate::secrets::SecretReader::default(),
    }
}

fn identity_file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), IDENTITY).unwrap();
    file
}

fn federation(sts: &Endpoint, iam: &Endpoint, file: &Path, account: Option<&str>) -> CredentialSource {
    CredentialSource::WorkloadIdentity(WorkloadIdentity {
        provider: PROVIDER.into(),
        token: IdentityToken::File(file.to_owned()),
        service_account: account.map(Box::from),
        sts_endpoint: sts.clone(),
        iam_endpoint: iam.clone(),
        ca: None,
        attribution: Attribution::Shared,
    })
}

fn machine(endpoint: &Endpoint) -> CredentialSource {
    CredentialSource::Metadata(Metadata {
        service_account: "default".into(),
        endpoint: endpoint.clone(),
    })
}

async fn ask(source: &CredentialSource, clock: &Clock) -> Result<Credential, String> {
    let shown = |error: SourceError| with_causes(&error);
    let source = GoogleSource::new("target/lake".into(), source, Purpose::Storage, &resources(clock));
    let session = Scope::own().session(Attribution::Shared, false);
    source.map_err(shown)?.fetch(&session).await.map_err(shown)
}

fn token(credential: &Credential) -> &str {
    match &credential.material {
        Material::BearerToken(token) => token.expose_str().unwrap(),
        Material::AccessKey(_) => panic!("a key"),
    }
}

fn granted(token: &str, seconds: &str) -> String {
    format!(
        r#"{{"access_token":"{token}","issued_token_type":"{}","token_type":"Bearer","expires_in":{seconds}}}"#,
        answer::ACCESS_TOKEN
    )
}

#[tokio::test]
async fn an_identity_token_is_exchanged_for_one_that_is_for_storage_alone() {
    let (sts, requests) = service(&[("200 OK", JSON, &granted("ya29.federated", "3599"))]).await;
    let file = identity_file();
    let credential = ask(&federation(&sts, &sts, file.path(), None), &clock())
        .await
        .unwrap();
    assert_eq!(token(&credential), "ya29.federated");
    assert_eq!(
        credential.expires_at,
        Some("2026-11-22T00:59:59Z".parse().unwrap())
    );
    let requests = requests.lock().unwrap();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/token HTTP/1.1\r\n"), "{head}");
    let form: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", PROVIDER),
        ("scope", "https://www.googleapis.com/auth/devstorage.full_control"),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("subject_token", IDENTITY),
    ];
    assert_eq!(
        form,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_service_account_is_impersonated_for_an_hour_of_our_clock() {
    let answer = r#"{"accessToken":"ya29.account","expireTime":"2026-11-22T01:10:00.123456789Z"}"#;
    let (sts, to_sts) = service(&[("200 OK", JSON, &granted("ya29.federated", "3599"))]).await;
    let (iam, to_iam) = service(&[("200 OK", JSON, answer)]).await;
    let file = identity_file();
    let account = "tidegate@acme.iam.gserviceaccount.com";
    let source = federation(&sts, &iam, file.path(), Some(account));
    let credential = ask(&source, &clock()).await.unwrap();
    assert_eq!(token(&credential), "ya29.account");
    // Google's clock is ten minutes ahead. The token ends when it was asked to end.
    assert_eq!(
        credential.expires_at,
        Some("2026-11-22T01:00:00Z".parse().unwrap())
    );
    let exchanged = to_sts.lock().unwrap()[0].clone();
    assert!(exchanged.contains("auth%2Fcloud-platform"), "{exchanged}");
    let requests = to_iam.lock().unwrap();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let path = format!("POST /v1/projects/-/serviceAccounts/{account}:generateAccessToken HTTP/1.1\r\n");
    assert!(head.starts_with(&path), "{head}");
    assert!(head.contains("authorization: Bearer ya29.federated"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let scope = "https://www.googleapis.com/auth/devstorage.full_control";
    assert_eq!(body, serde_json::json!({ "scope": [scope], "lifetime": "3600s" }));
}

#[tokio::test]
async fn the_metadata_server_is_asked_for_the_token_of_the_machine() {
    let answer = r#"{"access_token":"ya29.machine","expires_in":1800,"token_type":"Bearer"}"#;
    let (server, requests) = service(&[("200 OK", FLAVORED, answer)]).await;
    let credential = ask(&machine(&server), &clock()).await.unwrap();
    assert_eq!(token(&credential), "ya29.machine");
    assert_eq!(
        credential.expires_at,
        Some("2026-11-22T00:30:00Z".parse().unwrap())
    );
    let request = requests.lock().unwrap()[0].clone();
    let path = "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1\r\n";
    assert!(request.starts_with(path), "{request}");
    assert!(
        request
            .to_ascii_lowercase()
            .contains("metadata-flavor: google\r\n"),
        "{request}"
    );
    assert!(
        !request.to_ascii_lowercase().contains("x-forwarded-for"),
        "{request}"
    );
}

// CRD-07
#[tokio::test]
async fn whoever_does_not_say_that_it_is_googles_metadata_server_gives_none() {
    let answer = r#"{"access_token":"ya29.machine","expires_in":1800,"token_type":"Bearer"}"#;
    for (status, headers) in [
        ("200 OK", JSON),
        (
            "200 OK",
            "content-type: application/json\r\nMetadata-Flavor: google\r\n",
        ),
        ("404 Not Found", "content-type: text/html\r\n"),
        ("302 Found", "location: http://portal.example/\r\n"),
    ] {
        let (server, _) = service(&[(status, headers, answer)]).await;
        let error = ask(&machine(&server), &clock()).await.unwrap_err();
        assert!(error.contains("Metadata-Flavor: Google"), "{error}");
        assert!(!error.contains("ya29"), "{error}");
    }
}

// CRD-07
#[tokio::test]
async fn an_answer_that_can_be_read_in_two_ways_or_lasts_for_ever_gives_none() {
    async fn check(status: &str, headers: &str, body: &str, expected: &str) {
        let (server, _) = service(&[(status, &format!("{headers}Metadata-Flavor: Google\r\n"), body)]).await;
        let error = ask(&machine(&server), &clock()).await.unwrap_err();
        assert!(error.contains(expected), "{body}: {error}");
        assert!(!error.contains("ya29"), "{error}");
    }
    let unusable = async |body: &str, expected: &str| check("200 OK", JSON, body, expected).await;
    unusable("", "JSON").await;
    unusable("[]", "JSON").await;
    unusable(
        r#"{"access_token":"ya29.a","access_token":"ya29.b"}"#,
        "one way only",
    )
    .await;
    unusable(r#"{"token_type":"Bearer","expires_in":60}"#, "no token in it").await;
    unusable(r#"{"access_token":"ya29.a","expires_in":60}"#, "not `Bearer`").await;
    unusable(&granted("ya29.a", "\"3600\""), "how many seconds").await;
    unusable(&granted("ya29.a", "3600.0"), "how many seconds").await;
    unusable(&granted("ya29.a", "1e9"), "how many seconds").await;
    unusable(&granted("ya29.a", "0"), "expired already").await;
    unusable(&granted("ya29.a", "-9223372036854775808"), "expired already").await;
    unusable(&granted("ya29.a", "43501"), "more than 12 hours").await;
    unusable(&granted("ya29.a", "9223372036854775807"), "more than 12 hours").await;
    for wrong in [
        "",
        " ya29.a",
        "ya29.a ",
        "ya29 a",
        "ya29.\\r\\na",
        "ya29.\\u00e4",
        "=",
        &"y".repeat(20_000),
    ] {
        unusable(&granted(wrong, "3600"), "RFC 6750").await;
    }
    let other = granted("ya29.a", "60").replace("access_token\",\"token_type", "id_token\",\"token_type");
    unusable(&other, "not an access token").await;
    check(
        "200 OK",
        "content-type: text/html\r\n",
        &granted("ya29.a", "60"),
        "not JSON",
    )
    .await;
    check("204 No Content", JSON, "", "refused (204 No Content").await;
    check(
        "302 Found",
        "location: http://elsewhere.example/\r\n",
        "",
        "refused (302",
    )
    .await;
    let large = granted("ya29.a", "60").replace('}', &format!(",\"x\":\"{}\"}}", "x".repeat(65_536)));
    unusable(&large, "64 KiB").await;
}

#[tokio::test]
async fn times_that_no_clock_could_mean_are_refused() {
    let check = async |time: &str, expected: &str| {
        let (sts, _) = service(&[("200 OK", JSON, &granted("ya29.federated", "3599"))]).await;
        let answer = format!(r#"{{"accessToken":"ya29.account","expireTime":"{time}"}}"#);
        let (iam, _) = service(&[("200 OK", JSON, &answer)]).await;
        let file = identity_file();
        let source = federation(&sts, &iam, file.path(), Some("a@b.iam.gserviceaccount.com"));
        let error = ask(&source, &clock()).await.unwrap_err();
        assert!(error.contains(expected), "{time}: {error}");
    };
    check("", "no time of RFC 3339").await;
    check("1795305600", "no time of RFC 3339").await;
    check("2026-11-22 01:00", "no time of RFC 3339").await;
    check("2026-11-21T23:59:59Z", "expired already").await;
    check("2026-11-22T00:00:00Z", "expired already").await;
    check("2026-11-22T12:30:00Z", "more than 12 hours").await;
    check("9000-12-31T23:59:59Z", "more than 12 hours").await;
}

#[tokio::test]
async fn a_refusal_says_what_to_look_at_and_nothing_that_was_sent() {
    async fn check(status: &str, body: &str, iam: Option<&str>, expected: &[&str]) {
        let file = identity_file();
        let (refusing, _) = service(&[(status, JSON, body)]).await;
        let (granting, _) = service(&[("200 OK", JSON, &granted("ya29.federated-token", "3599"))]).await;
        let source = match iam {
            None => federation(&refusing, &refusing, file.path(), None),
            Some(account) => federation(&granting, &refusing, file.path(), Some(account)),
        };
        let error = ask(&source, &clock()).await.unwrap_err();
        for part in expected {
            assert!(error.contains(part), "{body}: {error}");
        }
        for part in IDENTITY.split('.').chain(["federated-token"]) {
            assert!(!error.contains(part), "{error}");
        }
        assert!(error.is_ascii() && error.len() < 800, "{error}");
    }
    let by_sts = async |code: &str, description: &str, expected: &str| {
        let body = format!(r#"{{"error":"{code}","error_description":"{description}"}}"#);
        check(
            "400 Bad Request",
            &body,
            None,
            &["Google's token service", code, expected],
        )
        .await;
    };
    by_sts(
        "unauthorized_client",
        "The given credential is rejected by the attribute condition.",
        "attribute condition of the provider must hold",
    )
    .await;
    by_sts(
        "invalid_grant",
        "The audience in ID Token [https://x] does not match the expected audience.",
        "must allow the audience",
    )
    .await;
    by_sts(
        "invalid_grant",
        "Error connecting to the given credential's issuer.",
        "publish them",
    )
    .await;
    by_sts(
        "invalid_grant",
        "The issuer in ID Token https://x does not match the expected ones",
        "byte for byte",
    )
    .await;
    by_sts(
        "invalid_grant",
        "Unable to verify the ID Token signature.",
        "issuer jwks",
    )
    .await;
    by_sts(
        "invalid_grant",
        "ID Token issued at 1 is stale to sign-in.",
        "clock",
    )
    .await;
    by_sts(
        "invalid_target",
        "The target service indicated is invalid.",
        "exist and are enabled",
    )
    .await;
    by_sts(
        "invalid_grant",
        &format!("about {IDENTITY} \\u0000\\n\\u00e4"),
        "redacted",
    )
    .await;
    by_sts("invalid_grant", &"long ".repeat(10_000), "check issuer").await;

    let google = |code: u16, status: &str, message: &str, reason: &str| {
        format!(
            r#"{{"error":{{"code":{code},"message":"{message}","status":"{status}","details":[
            {{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"{reason}"}}]}}}}"#
        )
    };
    let account = Some("a@b.iam.gserviceaccount.com");
    let body = google(
        403,
        "PERMISSION_DENIED",
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        "IAM_PERMISSION_DENIED",
    );
    let expected = [
        "IAM Credentials",
        "PERMISSION_DENIED",
        "roles/iam.workloadIdentityUser",
        "take minutes",
    ];
    check("403 Forbidden", &body, account, &expected).await;
    let body = google(
        403,
        "PERMISSION_DENIED",
        "The API has not been used in project 1",
        "SERVICE_DISABLED",
    );
    check(
        "403 Forbidden",
        &body,
        account,
        &["services enable iamcredentials"],
    )
    .await;
    check("403 Forbidden", &body, None, &["services enable sts"]).await;
    let body = google(404, "NOT_FOUND", "Not found; Gaia id not found for email", "");
    check("404 Not Found", &body, account, &["no such service account"]).await;
    let body = google(429, "RESOURCE_EXHAUSTED", "Quota exceeded", "RATE_LIMIT_EXCEEDED");
    check("429 Too Many Requests", &body, None, &["quota is used up"]).await;
    let body = google(401, "UNAUTHENTICATED", "of ya29.federated-token and more", "");
    check(
        "401 Unauthorized",
        &body,
        account,
        &["of one universe", "[redacted]"],
    )
    .await;
    check(
        "503 Service Unavailable",
        "<html>later</html>",
        None,
        &["asked again", "later"],
    )
    .await;
    check("500 Internal Server Error", "", None, &["asked again"]).await;
}

// F9: an hour passes by the injected clock.
#[tokio::test]
async fn a_token_is_asked_for_anew_before_its_hour_is_over_and_lasts_while_nobody_answers() {
    let answer =
        |token: &str| format!(r#"{{"access_token":"{token}","expires_in":3600,"token_type":"Bearer"}}"#);
    let refusal = ("503 Service Unavailable", FLAVORED, "starting");
    let (server, requests) = service(&[
        ("200 OK", FLAVORED, &answer("first")),
        refusal,
        ("200 OK", FLAVORED, &answer("second")),
        refusal,
    ])
    .await;
    let clock = clock();
    let source = machine(&server);
    let held = GoogleToken::new("secrets", &source, Purpose::Platform, &resources(&clock)).unwrap();
    let asked = async |count: usize| {
        while requests.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    };
    let get = async || token(&held.get().await.unwrap()).to_owned();
    assert_eq!(held.state(), CredentialState::Unused);
    assert_eq!(get().await, "first");
    clock.advance(SignedDuration::from_mins(40));
    assert_eq!(get().await, "first");
    assert_eq!(requests.lock().unwrap().len(), 1);
    // Three minutes before its end it is high time. The first attempt fails, and the old one serves on.
    clock.advance(SignedDuration::from_mins(17));
    assert_eq!(get().await, "first");
    asked(2).await;
    while !matches!(held.state(), CredentialState::Stale { .. }) {
        tokio::task::yield_now().await;
    }
    clock.advance(SignedDuration::from_secs(30));
    assert_eq!(get().await, "first");
    asked(3).await;
    while get().await == "first" {
        tokio::task::yield_now().await;
    }
    assert_eq!(get().await, "second");
    // Another hour in which nobody answers: what is over is not handed out.
    clock.advance(SignedDuration::from_mins(60));
    held.get().await.unwrap_err();
    let CredentialState::Unavailable { cause } = held.state() else {
        panic!("there is none")
    };
    assert!(cause.contains("the metadata server refused (503"), "{cause}");
}

#[tokio::test]
async fn tokens_of_ours_name_whom_they_are_for() {
    let (sts, requests) = service(&[("200 OK", JSON, &granted("ya29.federated", "3599"))]).await;
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("issuer-keys.toml");
    let clock = clock();
    SigningKeys::create(&keys, clock.now()).unwrap();
    let settings = OwnIssuer {
        url: "https://s3.acme.example".into(),
        keys,
        serves: true,
    };
    let issuer = Issuer::load(&settings, &clock).unwrap();
    let resources = Resources {
        issuer: Some(Arc::new(issuer)),
        ..resources(&clock)
    };
    let source = CredentialSource::WorkloadIdentity(WorkloadIdentity {
        provider: PROVIDER.into(),
        token: IdentityToken::Own {
            audience: "https:audience".into(),
        },
        service_account: None,
        sts_endpoint: sts.clone(),
        iam_endpoint: sts,
        ca: None,
        attribution: Attribution::Shared,
    });
    let held = GoogleToken::new("secrets", &source, Purpose::Platform, &resources).unwrap();
    held.get().await.unwrap();
    let body = requests.lock().unwrap()[0]
        .split_once("\r\n\r\n")
        .unwrap()
        .1
        .to_owned();
    let form: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let value = |name: &str| form.iter().find(|(n, _)| n == name).unwrap().1.clone();
    assert_eq!(value("scope"), "https://www.googleapis.com/auth/cloud-platform");
    let claims = value("subject_token").split('.').nth(1).unwrap().to_owned();
    let claims = Object::parse(&BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap();
    assert_eq!(claims.text("sub"), Some("tidegate/secrets"));
    assert_eq!(claims.text("aud"), Some("https:audience"));

    let nobody = Resources {
        issuer: None,
        ..resources
    };
    let error = GoogleToken::new("secrets", &source, Purpose::Platform, &nobody);
    assert!(matches!(error.err(), Some(SourceError::NoIssuer)));
}

#[test]
fn other_kinds_of_credentials_are_none_of_googles() {
    let source = CredentialSource::AccessToken {
        token: SecretRef::Env("A".into()),
    };
    let error = GoogleToken::new("secrets", &source, Purpose::Platform, &resources(&clock()));
    assert!(matches!(
        error.err(),
        Some(SourceError::Google(GoogleError::NotGoogles))
    ));
}

/// The key file of a service account, with a key of its own.
fn key_file(dir: &Path, changed: &[(&str, &str)]) -> std::path::PathBuf {
    let keys = dir.join("keys.toml");
    let _ = std::fs::remove_file(&keys);
    SigningKeys::create(&keys, NOW.parse().unwrap()).unwrap();
    let text = std::fs::read_to_string(&keys).unwrap();
    let start = text.find("-----BEGIN").unwrap();
    let pem = &text[start..text.find("-----END PRIVATE KEY-----").unwrap()];
    let mut document = serde_json::json!({
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "0123456789abcdef",
        "private_key": format!("{pem}-----END PRIVATE KEY-----\n"),
        "client_email": "tidegate@acme.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    });
    for (name, value) in changed {
        document[*name] = (*value).into();
    }
    let path = dir.join("key.json");
    std::fs::write(&path, document.to_string()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn account(file: &Path, endpoint: Option<&Endpoint>) -> CredentialSource {
    CredentialSource::ServiceAccountFile(ServiceAccountFile {
        file: file.to_owned(),
        token_endpoint: endpoint.cloned(),
        ca: None,
    })
}

#[tokio::test]
async fn a_key_file_signs_an_assertion_for_the_endpoint_that_it_names() {
    let (oauth, requests) = service(&[("200 OK", JSON, &granted("ya29.account", "3599"))]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = key_file(dir.path(), &[]);
    let credential = ask(&account(&file, Some(&oauth)), &clock()).await.unwrap();
    assert_eq!(token(&credential), "ya29.account");
    let requests = requests.lock().unwrap();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    let form: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!(form[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let parts: Vec<&str> = form[1].1.split('.').collect();
    let read = |part: &str| Object::parse(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap();
    let (header, claims) = (read(parts[0]), read(parts[1]));
    assert_eq!(
        (header.text("alg"), header.text("kid")),
        (Some("RS256"), Some("0123456789abcdef"))
    );
    assert_eq!(claims.text("iss"), Some("tidegate@acme.iam.gserviceaccount.com"));
    assert_eq!(claims.text("aud"), Some("https://oauth2.googleapis.com/token"));
    let number = |name: &str| match claims.get(name) {
        Some(crate::json::Json::Integer(number)) => *number,
        _ => panic!("{name}"),
    };
    assert_eq!(number("exp") - number("iat"), 3600);
    assert!(number("iat") < clock().now().as_second());
}

// CRD-09
#[tokio::test]
async fn a_key_file_that_is_none_or_leads_elsewhere_is_refused_without_a_word_of_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let check = async |changed: &[(&str, &str)], expected: &str| {
        let file = key_file(dir.path(), changed);
        let error = ask(&account(&file, None), &clock()).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("BEGIN") && !error.contains("MII"), "{error}");
    };
    check(&[("type", "external_account")], "google-workload-identity").await;
    check(&[("type", "authorized_user")], "login of a person").await;
    check(&[("type", "")], "not `service_account`").await;
    check(&[("client_email", "")], "client_email").await;
    check(&[("client_email", "a b")], "client_email").await;
    check(
        &[(
            "private_key",
            "-----BEGIN PRIVATE KEY-----\nMIIcanary\n-----END PRIVATE KEY-----",
        )],
        "PKCS #8",
    )
    .await;
    check(&[("private_key", "MIIcanary")], "PKCS #8").await;
    for elsewhere in [
        "http://oauth2.googleapis.com/token",
        "https://oauth2.googleapis.com.evil.example/token",
        "https://evilgoogleapis.com/token",
        "https://evil.example/.googleapis.com/token",
        "https://user@oauth2.googleapis.com/token",
        "https://evil.example#.googleapis.com/token",
        "https://169.254.169.254/token",
        "https://a.b.googleapis.com/token",
        "https://oauth2.googleapis.com:444/token",
        "https://oauth2.googleapis.com/token?x",
        "https://oauth2.googleapis.com",
    ] {
        check(&[("token_uri", elsewhere)], "set `token_endpoint`").await;
    }
    let file = key_file(dir.path(), &[]);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = ask(&account(&file, None), &clock()).await.unwrap_err();
    assert!(error.contains("chmod 600") && error.contains("0640"), "{error}");
    let error = ask(&account(&dir.path().join("none"), None), &clock())
        .await
        .unwrap_err();
    assert!(error.contains("cannot read"), "{error}");
}

#[tokio::test]
async fn what_the_oauth_endpoint_says_of_a_key_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let file = key_file(dir.path(), &[]);
    let check = async |code: &str, description: &str, expected: &str| {
        let body = format!(r#"{{"error":"{code}","error_description":"{description}"}}"#);
        let (oauth, _) = service(&[("400 Bad Request", JSON, &body)]).await;
        let error = ask(&account(&file, Some(&oauth)), &clock()).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    check("invalid_grant", "Invalid JWT Signature.", "deleted or disabled").await;
    check(
        "invalid_grant",
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
        "clock",
    )
    .await;
    check(
        "invalid_grant",
        "Invalid grant: account not found",
        "disabled or deleted",
    )
    .await;
    check("invalid_scope", "no", "token_endpoint").await;
}
