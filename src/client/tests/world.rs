//! A gateway, a provider, a home and a time.

use super::{Fake, Seen, answer, console};
use crate::client::login::Lines;
use crate::client::store::Keychain;
use crate::client::{Choice, Client, ClientError, Keys, Renewal, Settings};
use crate::clock::Clock;
use crate::config::Environment;
use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// What the servers do, and may be told to do otherwise.
pub(in crate::client) struct State {
    pub(in crate::client) issuer: String,
    pub(in crate::client) now: Timestamp,
    /// `Date` of the gateway, against `now`.
    pub(in crate::client) gateway_ahead: SignedDuration,
    pub(in crate::client) gateway_status: Option<(u16, Value)>,
    pub(in crate::client) idp_status: Option<(u16, Value)>,
    /// Answers of the token endpoint to device codes, before it gives in.
    pub(in crate::client) pending: Vec<Value>,
    pub(in crate::client) refresh_token: Option<String>,
    /// Refresh tokens given out so far.
    pub(in crate::client) rotations: usize,
    /// What is put into identity tokens in place of what is right.
    pub(in crate::client) twisted: Value,
    /// Of the authorization request, as the browser brought it.
    pub(in crate::client) challenge: String,
    pub(in crate::client) nonce: String,
    pub(in crate::client) keys_live: SignedDuration,
}

pub(in crate::client) struct World {
    pub(in crate::client) home: TempDir,
    pub(in crate::client) gateway: Fake,
    pub(in crate::client) idp: Fake,
    pub(in crate::client) state: Arc<Mutex<State>>,
    pub(in crate::client) clock: Clock,
    pub(in crate::client) said: Arc<Mutex<Vec<u8>>>,
}

pub(in crate::client) const START: &str = "2026-11-20T10:00:00Z";

/// A token that says this; nobody here verifies its signature.
pub(in crate::client) fn jwt(claims: &Value) -> String {
    format!(
        "e30.{}.c2lnbmF0dXJl",
        BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
    )
}

pub(in crate::client) fn text(said: &Mutex<Vec<u8>>) -> String {
    String::from_utf8(said.lock().unwrap().clone()).unwrap()
}

impl World {
    pub(in crate::client) async fn new() -> Self {
        let now: Timestamp = START.parse().unwrap();
        let state = Arc::new(Mutex::new(State {
            issuer: String::new(),
            now,
            gateway_ahead: SignedDuration::ZERO,
            gateway_status: None,
            idp_status: None,
            pending: Vec::new(),
            refresh_token: Some("refresh-0".into()),
            rotations: 0,
            twisted: json!({}),
            challenge: String::new(),
            nonce: String::new(),
            keys_live: SignedDuration::from_hours(1),
        }));
        let of_idp = Arc::clone(&state);
        let idp = Fake::serve(move |seen| answer_of_idp(&mut of_idp.lock().unwrap(), seen)).await;
        state.lock().unwrap().issuer.clone_from(&idp.url);
        let of_gateway = Arc::clone(&state);
        let gateway = Fake::serve(move |seen| answer_of_gateway(&of_gateway.lock().unwrap(), seen)).await;
        let said = console(false).1;
        Self {
            home: tempfile::tempdir().unwrap(),
            gateway,
            idp,
            state,
            clock: Clock::fixed(now),
            said,
        }
    }

    /// One process. `lines` are pasted into its login.
    pub(in crate::client) fn client(&self) -> Client {
        self.client_with(&Choice::default())
    }

    pub(in crate::client) fn client_with(&self, choice: &Choice) -> Client {
        let home = self.home.path().to_str().unwrap();
        // `true` is a browser that ends without having gone anywhere; the test is the browser.
        let environment = Environment::of([
            ("HOME", home),
            ("BROWSER", "true"),
            ("TIDEGATE_ENDPOINT", self.gateway.url.as_str()),
        ]);
        self.client_in(environment, choice, false)
    }

    pub(in crate::client) fn client_in(
        &self,
        environment: Environment,
        choice: &Choice,
        attended: bool,
    ) -> Client {
        let settings = Settings::resolve(choice, &environment).unwrap();
        let console = crate::client::Console::new(self.said.clone(), attended);
        let mut client = Client::with(
            settings,
            environment,
            self.clock.clone(),
            console,
            Keychain::Missing("this is a test"),
        )
        .unwrap();
        client.lines = Some(nobody_types);
        client
    }

    /// Keys from a cold start of a process.
    pub(in crate::client) async fn keys(&self) -> Result<Keys, ClientError> {
        self.client().keys(Renewal::default()).await
    }

    pub(in crate::client) fn advance(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
        self.state.lock().unwrap().now = self.clock.now();
    }

    pub(in crate::client) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    pub(in crate::client) fn said(&self) -> String {
        text(&self.said)
    }

    /// Logs in with the browser that [`World::browse`] is.
    pub(in crate::client) async fn log_in(&self) -> Result<crate::client::LoggedIn, ClientError> {
        let client = self.client();
        let begun = client.now();
        let browsing = self.browse();
        let (outcome, _) = tokio::join!(
            client.log_in(
                Some(crate::client::LoginWay::Browser),
                crate::client::Hold::UntilTheNextLogin,
                begun
            ),
            browsing
        );
        outcome
    }

    /// Follows the address that was shown, as somebody would who logs in.
    pub(in crate::client) async fn browse(&self) -> String {
        let url = self.shown_address().await;
        let query = url.split_once('?').unwrap().1.to_owned();
        let parameter = |name: &str| super::fake::parameter(&query, name).unwrap();
        assert_eq!(parameter("code_challenge_method"), "S256");
        self.set(|state| {
            state.challenge = parameter("code_challenge");
            state.nonce = parameter("nonce");
        });
        let back = format!(
            "{}?code=code-1&state={}&iss={}",
            parameter("redirect_uri"),
            parameter("state"),
            self.idp.url
        );
        get(&back).await
    }

    /// The last address of the provider among what was said, once there is one.
    pub(in crate::client) async fn shown_address(&self) -> String {
        let mark = format!("{}/authorize?", self.idp.url);
        eventually(|| {
            let said = self.said();
            let at = said.rfind(&mark)?;
            said[at..].split_whitespace().next().map(str::to_owned)
        })
        .await
    }

    /// Nothing that was said is a secret.
    pub(in crate::client) fn assert_nothing_secret_was_said(&self) {
        let said = self.said();
        for secret in [
            "refresh-",
            "code-1",
            "c2lnbmF0dXJl",
            "hidden-secret",
            "hidden-token",
            "device-code",
        ] {
            assert!(!said.contains(secret), "`{secret}` was said: {said}");
        }
    }

    pub(in crate::client) fn folder(&self) -> std::path::PathBuf {
        self.home.path().join(".local/state/tidegate")
    }
}

pub(in crate::client) async fn eventually<T>(mut probe: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(found) = probe() {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it never came");
}

/// GET, as a browser does it: status line and page.
pub(in crate::client) async fn get(url: &str) -> String {
    let fetched = crate::fetch::Fetcher::new(None)
        .unwrap()
        .allow_plain()
        .get(url)
        .await
        .unwrap();
    format!(
        "{} {}",
        fetched.status.as_u16(),
        String::from_utf8_lossy(&fetched.body)
    )
}

pub(in crate::client) fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map(Iterator::count).unwrap_or(0)
}

/// A terminal at which nobody sits.
fn nobody_types() -> Lines {
    let (sender, lines) = tokio::sync::mpsc::channel(1);
    std::mem::forget(sender);
    lines
}

fn answer_of_idp(state: &mut State, seen: &Seen) -> super::Answer {
    if let Some((status, body)) = &state.idp_status {
        return answer(*status, body);
    }
    let issuer = &state.issuer;
    match (seen.method.as_str(), seen.path()) {
        ("GET", "/.well-known/openid-configuration") => answer(
            200,
            json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "device_authorization_endpoint": format!("{issuer}/device"),
                "revocation_endpoint": format!("{issuer}/revoke"),
                "end_session_endpoint": format!("{issuer}/end"),
                "authorization_response_iss_parameter_supported": true,
                "scopes_supported": ["openid", "offline_access"],
            }),
        ),
        ("POST", "/device") => answer(
            200,
            json!({
                "device_code": "device-code",
                "user_code": "WDJB-MJHT",
                "verification_uri": format!("{issuer}/activate"),
                "verification_uri_complete": format!("{issuer}/activate?user_code=WDJB-MJHT"),
                "expires_in": 600,
                "interval": 0,
            }),
        ),
        ("POST", "/token") => token(state, seen),
        ("POST", "/revoke") => answer(200, ""),
        _ => answer(404, ""),
    }
}

fn token(state: &mut State, seen: &Seen) -> super::Answer {
    let refused = |code: &str| answer(400, json!({ "error": code, "error_description": "no" }));
    if seen.form("client_id").as_deref() != Some("tidegate-cli") {
        return refused("invalid_client");
    }
    let grant = seen.form("grant_type").unwrap();
    match grant.as_str() {
        "authorization_code" => {
            let verifier = seen.form("code_verifier").unwrap();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
            if seen.form("code").as_deref() != Some("code-1")
                || BASE64URL_NOPAD.encode(digest.as_ref()) != state.challenge
            {
                return refused("invalid_grant");
            }
        }
        "refresh_token" => {
            if state.refresh_token.is_none() || seen.form("refresh_token") != state.refresh_token {
                return refused("invalid_grant");
            }
        }
        "urn:ietf:params:oauth:grant-type:device_code" => {
            if !state.pending.is_empty() {
                return answer(400, state.pending.remove(0));
            }
        }
        _ => return refused("unsupported_grant_type"),
    }
    // Each refresh token is good once.
    if state.refresh_token.is_some() {
        state.rotations += 1;
        state.refresh_token = Some(format!("refresh-{}", state.rotations));
    }
    let mut claims = json!({
        "iss": state.issuer, "aud": "tidegate-cli", "sub": "00u1", "email": "ana@acme.example", "nonce": state.nonce,
        "iat": state.now.as_second(), "exp": state.now.as_second() + 3600,
    });
    for (name, value) in state.twisted.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let mut given = json!({ "access_token": "unused", "token_type": "Bearer", "id_token": jwt(&claims) });
    if let Some(refresh) = &state.refresh_token {
        given["refresh_token"] = json!(refresh);
    }
    answer(200, given)
}

fn answer_of_gateway(state: &State, seen: &Seen) -> super::Answer {
    let date = state.now.checked_add(state.gateway_ahead).unwrap();
    let with_date = |(status, mut headers, body): super::Answer| {
        headers.push((
            "date",
            jiff::fmt::rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&date)
                .unwrap(),
        ));
        (status, headers, body)
    };
    if let Some((status, body)) = &state.gateway_status
        && seen.path() != "/_tidegate/configuration"
    {
        return with_date(answer(*status, body));
    }
    with_date(match seen.path() {
        "/_tidegate/configuration" => answer(
            200,
            json!({
                "issuers": [{
                    "name": "okta", "issuer": state.issuer, "client_id": "tidegate-cli",
                    "scopes": ["openid", "email", "offline_access"], "kind": "human",
                }],
                "audience": "https://s3.acme.example",
            }),
        ),
        "/_tidegate/credentials"
            if seen
                .header("authorization")
                .is_some_and(|token| token.starts_with("e30.")) =>
        {
            answer(
                200,
                json!({
                    "AccessKeyId": "TGIAEXAMPLE",
                    "SecretAccessKey": "hidden-secret",
                    "Token": "hidden-token",
                    "Expiration": state.now.checked_add(state.keys_live).unwrap().to_string(),
                }),
            )
        }
        "/_tidegate/whoami" => answer(
            200,
            json!({
                "principal": "okta:ana@acme.example", "kind": "human", "issuer": state.issuer, "subject": "00u1",
                "groups": ["okta:analysts"], "tags": {}, "buckets": { "lake": ["read", "list"] }, "source_ip": "203.0.113.9",
            }),
        ),
        _ => answer(
            404,
            json!({ "code": "NoSuchKey", "message": "there is nothing here" }),
        ),
    })
}
