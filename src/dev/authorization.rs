//! Logging in at the development provider: whoever opens its page says which of the sample identities it is.
//!
//! The protocol is whole, so that what is learned here holds elsewhere: authorization code with PKCE (S256 alone), codes
//! that are good once and for a minute, the device grant with its polling. What is missing is a password, which is why
//! it answers on loopback only and leads back to loopback only.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc7636>, <https://www.rfc-editor.org/rfc/rfc8628>

use super::configuration::AUDIENCE;
use super::pages;
use super::{IdentityProvider, SampleIdentity};
use crate::clock::Clock;
use aws_lc_rs::{digest, rand};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use http::{StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What of a request counts: parameters by name, the first of each.
pub(super) type Parameters = HashMap<String, String>;

/// The provider's answer.
#[derive(Debug)]
pub(super) enum Answer {
    Page(StatusCode, String),
    Redirect(String),
    Json(StatusCode, Value),
}

/// Who has begun to log in.
pub(super) struct Authorization {
    provider: IdentityProvider,
    issuer: String,
    clock: Clock,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    codes: HashMap<String, Grant>,
    devices: HashMap<String, Device>,
}

/// What a code is good for.
struct Grant {
    subject: &'static str,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    until: Timestamp,
}

/// A program that waits for somebody to approve it elsewhere.
struct Device {
    user_code: String,
    approved: Option<&'static str>,
    until: Timestamp,
}

/// The id of the only client. Its tokens are for itself, as those of a login are.
pub(super) const CLIENT_ID: &str = AUDIENCE;

/// An hour, so that a renewal can be seen.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
const CODE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);
const DEVICE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Logins under way at once.
const MOST: usize = 1000;

impl Authorization {
    pub(super) fn new(provider: IdentityProvider, issuer: String, clock: Clock) -> Self {
        Self {
            provider,
            issuer,
            clock,
            pending: Mutex::default(),
        }
    }

    /// What discovery says of it.
    pub(super) fn describe(&self, discovery: &mut Value) {
        let issuer = &self.issuer;
        let more = [
            ("authorization_endpoint", json!(format!("{issuer}/authorize"))),
            ("token_endpoint", json!(format!("{issuer}/token"))),
            (
                "device_authorization_endpoint",
                json!(format!("{issuer}/device_authorization")),
            ),
            ("response_types_supported", json!(["code"])),
            (
                "grant_types_supported",
                json!(["authorization_code", DEVICE_GRANT]),
            ),
            ("code_challenge_methods_supported", json!(["S256"])),
            ("token_endpoint_auth_methods_supported", json!(["none"])),
            ("scopes_supported", json!(["openid"])),
            ("authorization_response_iss_parameter_supported", json!(true)),
        ];
        if let Some(members) = discovery.as_object_mut() {
            members.extend(more.map(|(name, value)| (name.to_owned(), value)));
        }
    }

    /// The page that asks who it is; with `login_hint` it takes the hint.
    pub(super) fn authorize(&self, asked: &Parameters) -> Answer {
        if let Err(why) = acceptable(asked) {
            return Answer::Page(StatusCode::BAD_REQUEST, pages::failure(why));
        }
        match asked
            .get("login_hint")
            .and_then(|name| SampleIdentity::find(name))
        {
            Some(identity) => self.grant(asked, &identity),
            None => Answer::Page(StatusCode::OK, pages::choose("/authorize", asked)),
        }
    }

    /// The choice was made.
    pub(super) fn chosen(&self, asked: &Parameters) -> Answer {
        let identity = asked.get("identity").and_then(|name| SampleIdentity::find(name));
        match (acceptable(asked), identity) {
            (Ok(()), Some(identity)) => self.grant(asked, &identity),
            (Err(why), _) => Answer::Page(StatusCode::BAD_REQUEST, pages::failure(why)),
            (Ok(()), None) => Answer::Page(
                StatusCode::BAD_REQUEST,
                pages::failure("there is no such identity"),
            ),
        }
    }

    /// A token for a code, or for a device that was approved.
    pub(super) fn token(&self, asked: &Parameters) -> Answer {
        let outcome = match asked.get("grant_type").map(String::as_str) {
            _ if asked.get("client_id").map(String::as_str) != Some(CLIENT_ID) => Err("invalid_client"),
            Some("authorization_code") => self.redeem(asked),
            Some(DEVICE_GRANT) => self.poll(asked),
            _ => Err("unsupported_grant_type"),
        };
        match outcome {
            Ok((subject, nonce)) => self.tokens(subject, nonce.as_deref()),
            Err(error) => Answer::Json(StatusCode::BAD_REQUEST, json!({ "error": error })),
        }
    }

    /// Begins a login on a machine without a browser.
    pub(super) fn begin_device(&self, asked: &Parameters) -> Answer {
        if asked.get("client_id").map(String::as_str) != Some(CLIENT_ID) {
            return Answer::Json(StatusCode::BAD_REQUEST, json!({ "error": "invalid_client" }));
        }
        let (Some(device_code), Some(user_code)) = (random(), user_code()) else {
            return Answer::Json(
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({ "error": "server_error" }),
            );
        };
        let device = Device {
            user_code: user_code.clone(),
            approved: None,
            until: self.after(DEVICE_LIFETIME),
        };
        let mut pending = self.pending();
        if pending.devices.len() >= MOST {
            return Answer::Json(
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "error": "temporarily_unavailable" }),
            );
        }
        pending.devices.insert(device_code.clone(), device);
        let issuer = &self.issuer;
        Answer::Json(
            StatusCode::OK,
            json!({
                "device_code": device_code, "user_code": user_code,
                "verification_uri": format!("{issuer}/device"),
                "verification_uri_complete": format!("{issuer}/device?user_code={user_code}"),
                "expires_in": DEVICE_LIFETIME.as_secs(), "interval": 1,
            }),
        )
    }

    /// The page on which a device is approved.
    pub(super) fn device(&self, asked: &Parameters) -> Answer {
        Answer::Page(StatusCode::OK, pages::choose("/device", asked))
    }

    /// A device is approved.
    pub(super) fn approve(&self, asked: &Parameters) -> Answer {
        let identity = asked.get("identity").and_then(|name| SampleIdentity::find(name));
        let wanted = asked
            .get("user_code")
            .map(|code| code.trim().to_ascii_uppercase());
        let mut pending = self.pending();
        let waits =
            |device: &&mut Device| Some(&device.user_code) == wanted.as_ref() && device.approved.is_none();
        match (identity, pending.devices.values_mut().find(waits)) {
            (Some(identity), Some(device)) => {
                device.approved = Some(identity.subject);
                Answer::Page(StatusCode::OK, pages::done(identity.subject))
            }
            _ => Answer::Page(
                StatusCode::BAD_REQUEST,
                pages::failure("nothing waits under this code"),
            ),
        }
    }

    fn grant(&self, asked: &Parameters, identity: &SampleIdentity) -> Answer {
        let get = |name: &str| asked.get(name).cloned().unwrap_or_default();
        let Some(code) = random() else {
            return Answer::Page(
                StatusCode::INTERNAL_SERVER_ERROR,
                pages::failure("there is no randomness"),
            );
        };
        let grant = Grant {
            subject: identity.subject,
            redirect_uri: get("redirect_uri"),
            challenge: get("code_challenge"),
            nonce: asked.get("nonce").cloned(),
            until: self.after(CODE_LIFETIME),
        };
        let mut pending = self.pending();
        if pending.codes.len() >= MOST {
            let full = pages::failure("too many logins are under way");
            return Answer::Page(StatusCode::SERVICE_UNAVAILABLE, full);
        }
        let back = form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &code)
            .append_pair("state", &get("state"))
            .append_pair("iss", &self.issuer)
            .finish();
        let separator = if grant.redirect_uri.contains('?') {
            '&'
        } else {
            '?'
        };
        let to = format!("{}{separator}{back}", grant.redirect_uri);
        pending.codes.insert(code, grant);
        Answer::Redirect(to)
    }

    fn redeem(&self, asked: &Parameters) -> Result<(&'static str, Option<String>), &'static str> {
        let get = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
        // Taken out first: a code is good once, whatever comes of it.
        let grant = self.pending().codes.remove(get("code")).ok_or("invalid_grant")?;
        let verifier = digest::digest(&digest::SHA256, get("code_verifier").as_bytes());
        let verified = BASE64URL_NOPAD.encode(verifier.as_ref()) == grant.challenge;
        match verified && get("redirect_uri") == grant.redirect_uri {
            true => Ok((grant.subject, grant.nonce)),
            false => Err("invalid_grant"),
        }
    }

    fn poll(&self, asked: &Parameters) -> Result<(&'static str, Option<String>), &'static str> {
        let code = asked.get("device_code").map(String::as_str).unwrap_or_default();
        let mut pending = self.pending();
        let approved = pending.devices.get(code).ok_or("expired_token")?.approved;
        let subject = approved.ok_or("authorization_pending")?;
        pending.devices.remove(code);
        Ok((subject, None))
    }

    fn tokens(&self, subject: &'static str, nonce: Option<&str>) -> Answer {
        let Some(identity) = SampleIdentity::find(subject) else {
            return Answer::Json(StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant" }));
        };
        let issued = self.clock.now().as_second();
        let expires_in = i64::try_from(TOKEN_LIFETIME.as_secs()).unwrap_or(i64::MAX);
        let mut claims = json!({
            "iss": self.issuer, "sub": identity.subject, "aud": CLIENT_ID, "groups": identity.groups,
            "iat": issued, "nbf": issued, "exp": issued.saturating_add(expires_in),
        });
        if let (Some(nonce), Some(members)) = (nonce, claims.as_object_mut()) {
            members.insert("nonce".to_owned(), nonce.into());
        }
        match (self.provider.sign(&claims), random()) {
            (Ok(id_token), Some(access_token)) => Answer::Json(
                StatusCode::OK,
                json!({
                    "id_token": id_token, "access_token": access_token, "token_type": "Bearer",
                    "expires_in": expires_in, "scope": "openid",
                }),
            ),
            _ => Answer::Json(
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({ "error": "server_error" }),
            ),
        }
    }

    /// What is under way, without what is over.
    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        let now = self.clock.now();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.codes.retain(|_, grant| grant.until > now);
        pending.devices.retain(|_, device| device.until > now);
        pending
    }

    fn after(&self, lifetime: SignedDuration) -> Timestamp {
        self.clock.now().checked_add(lifetime).unwrap_or(Timestamp::MAX)
    }
}

/// Whether a login may begin as it was asked for, or what is wrong with it.
fn acceptable(asked: &Parameters) -> Result<(), &'static str> {
    let is = |name: &str, value: &str| asked.get(name).is_some_and(|found| found == value);
    let challenge = asked.get("code_challenge").map(String::len);
    if !is("client_id", CLIENT_ID) {
        Err("the client is not known: its id is tidegate-dev")
    } else if !is("response_type", "code") {
        Err("the response type must be code")
    } else if !is("code_challenge_method", "S256") || challenge != Some(43) {
        Err("a code challenge of the method S256 is required")
    } else if !asked.get("redirect_uri").is_some_and(|uri| is_loopback(uri)) {
        Err("the redirect URI must lead to this machine")
    } else {
        Ok(())
    }
}

fn is_loopback(uri: &str) -> bool {
    let host = |uri: Uri| match uri.host() {
        Some("localhost" | "127.0.0.1" | "[::1]") => {
            uri.authority().is_some_and(|a| !a.as_str().contains('@'))
        }
        _ => false,
    };
    uri.parse().is_ok_and(host)
}

fn random() -> Option<String> {
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).ok()?;
    Some(HEXLOWER.encode(&bytes))
}

/// `BDFG-HJKL`: consonants only, so that no word comes of it.
fn user_code() -> Option<String> {
    const LETTERS: &[u8; 16] = b"BCDFGHJKLMNPRSTX";
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).ok()?;
    let letter = |byte: u8| LETTERS.get(usize::from(byte % 16)).copied().map(char::from);
    let mut code = String::with_capacity(9);
    for (n, byte) in bytes.into_iter().enumerate() {
        if n == 4 {
            code.push('-');
        }
        code.push(letter(byte)?);
    }
    Some(code)
}

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    struct World {
        _folder: tempfile::TempDir,
        clock: Clock,
        authorization: Authorization,
    }

    fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed("2026-11-22T10:00:00Z".parse().unwrap());
        let provider = IdentityProvider::load_or_create(folder.path()).unwrap();
        World {
            authorization: Authorization::new(provider, "https://localhost:1".into(), clock.clone()),
            _folder: folder,
            clock,
        }
    }

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
    }

    fn login() -> Parameters {
        parameters(&[
            ("client_id", CLIENT_ID),
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("redirect_uri", "http://127.0.0.1:9/cb"),
            ("state", "s&s"),
            ("nonce", "n"),
            ("login_hint", "analyst"),
        ])
    }

    fn code(answer: Answer) -> String {
        let Answer::Redirect(to) = answer else {
            panic!("{answer:?}")
        };
        assert!(
            to.contains("state=s%26s") && to.contains("iss=https%3A%2F%2Flocalhost%3A1"),
            "{to}"
        );
        let (_, query) = to.split_once('?').unwrap();
        let found = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code");
        found.unwrap().1.into_owned()
    }

    fn redeem(world: &World, code: &str, verifier: &str) -> (StatusCode, Value) {
        let asked = parameters(&[
            ("client_id", CLIENT_ID),
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", "http://127.0.0.1:9/cb"),
        ]);
        match world.authorization.token(&asked) {
            Answer::Json(status, body) => (status, body),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_code_is_good_once_for_its_verifier_and_for_a_minute() {
        let world = world();
        let begin = || code(world.authorization.authorize(&login()));
        let first = begin();
        let (status, tokens) = redeem(&world, &first, VERIFIER);
        assert_eq!(status, StatusCode::OK);
        assert_eq!(tokens["id_token"].as_str().unwrap().split('.').count(), 3);
        assert_eq!(redeem(&world, &first, VERIFIER).1["error"], "invalid_grant");
        assert_eq!(redeem(&world, &begin(), "other").1["error"], "invalid_grant");
        let late = begin();
        world.clock.advance(SignedDuration::from_secs(60));
        assert_eq!(redeem(&world, &late, VERIFIER).1["error"], "invalid_grant");
    }

    #[test]
    fn a_login_leads_back_to_this_machine_and_takes_pkce() {
        let world = world();
        let refused = |name: &str, value: &str| {
            let mut asked = login();
            asked.insert(name.into(), value.into());
            let answer = world.authorization.authorize(&asked);
            assert!(
                matches!(answer, Answer::Page(StatusCode::BAD_REQUEST, _)),
                "{name}={value}: {answer:?}"
            );
        };
        refused("client_id", "other");
        refused("response_type", "token");
        refused("code_challenge_method", "plain");
        refused("code_challenge", "short");
        refused("redirect_uri", "https://example.com/cb");
        refused("redirect_uri", "http://127.0.0.1@example.com/cb");
        refused("redirect_uri", "http://127.0.0.1:1@evil.example:80/cb");
        refused("redirect_uri", "javascript:alert(1)");
    }

    #[test]
    fn a_device_waits_until_it_is_approved() {
        let world = world();
        let client = parameters(&[("client_id", CLIENT_ID)]);
        let Answer::Json(_, begun) = world.authorization.begin_device(&client) else {
            panic!()
        };
        let asked = parameters(&[
            ("client_id", CLIENT_ID),
            ("grant_type", DEVICE_GRANT),
            ("device_code", begun["device_code"].as_str().unwrap()),
        ]);
        let poll = || match world.authorization.token(&asked) {
            Answer::Json(_, body) => body["error"].as_str().unwrap_or("none").to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(poll(), "authorization_pending");
        let user_code = begun["user_code"].as_str().unwrap().to_lowercase();
        let approve = |code: &str| {
            world
                .authorization
                .approve(&parameters(&[("user_code", code), ("identity", "etl")]))
        };
        assert!(matches!(
            approve("XXXX-XXXX"),
            Answer::Page(StatusCode::BAD_REQUEST, _)
        ));
        assert!(matches!(approve(&user_code), Answer::Page(StatusCode::OK, _)));
        assert_eq!(poll(), "none");
        assert_eq!(poll(), "expired_token");
    }
}
