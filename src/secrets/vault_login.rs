//! Who we are for Vault: a login with an identity token, which gives a token of Vault's own for a while.
//!
//! It is not renewed: a new login asks the same of Vault, and works as well when the old token was revoked.
//!
//! Spec: <https://developer.hashicorp.com/vault/api-docs/auth/jwt>, <https://developer.hashicorp.com/vault/api-docs/auth/kubernetes>

use super::manager::{parse, parse_error};
use crate::clock::Clock;
use crate::credentials::{CloudSession, Credential, Fetching, Material, Source, SourceError, TokenSource};
use crate::fetch::Fetcher;
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, json};

/// Logs in.
pub(super) struct VaultLogin {
    pub(super) url: String,
    pub(super) role: Box<str>,
    pub(super) token: TokenSource,
    pub(super) fetcher: Fetcher,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) clock: Clock,
}

#[derive(Deserialize)]
struct Answer {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: super::payload::Text,
    /// Seconds; 0 for a token without an end.
    lease_duration: i64,
}

/// Vault's errors are sentences, and say what no code does.
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<String>,
}

/// A token without an end is taken anew after a day.
const LONGEST: i64 = 24 * 3600;
const LONGEST_TOKEN: usize = 4096;

impl VaultLogin {
    async fn ask(&self, session: &CloudSession) -> Result<Credential, SourceError> {
        let token = self.token.token(session, Map::new()).await?;
        let jwt = token.expose_str().unwrap_or_default();
        let body = json!({ "role": self.role, "jwt": jwt }).to_string();
        let mut headers = self.headers.clone();
        headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
        let answer = self.fetcher.post_form(&self.url, body, &headers).await?;
        if answer.status != StatusCode::OK {
            let told: Option<Refusal> = parse_error(&answer);
            let first = told
                .and_then(|told| told.errors.into_iter().next())
                .unwrap_or_default();
            return Err(SourceError::Refused {
                status: answer.status,
                code: "none".to_owned(),
                message: "Vault does not let us log in".to_owned(),
                hint: hint(answer.status, &first),
            });
        }
        let answer: Answer = parse("Vault", &answer)
            .map_err(|_| SourceError::Answer("it is not the JSON of a login at Vault"))?;
        let token = answer.auth.client_token.0;
        if token.is_empty()
            || token.expose().len() > LONGEST_TOKEN
            || !token.expose().iter().all(u8::is_ascii_graphic)
        {
            return Err(SourceError::Answer("its token is malformed"));
        }
        let seconds = match answer.auth.lease_duration {
            seconds @ 1..=LONGEST => seconds,
            0 => LONGEST,
            seconds if seconds > LONGEST => LONGEST,
            _ => return Err(SourceError::Answer("it is good for less than no time")),
        };
        let end = self.clock.now().checked_add(SignedDuration::from_secs(seconds));
        Ok(Credential {
            material: Material::BearerToken(token),
            expires_at: Some(end.map_err(|_| SourceError::Answer("it never ends"))?),
            version: None,
        })
    }
}

/// What to do about a sentence of Vault's. It is not repeated: some of them quote the token that was sent.
fn hint(status: StatusCode, told: &str) -> &'static str {
    let says = |words: &str| told.contains(words);
    if status.is_server_error() {
        "it is sealed or has no leader; it will be asked again"
    } else if says("audience") {
        "the audience of the token is not among `bound_audiences` of the role"
    } else if says("issuer") {
        "the issuer of the token is not `bound_issuer` of the auth method"
    } else if says("role") && (says("invalid") || says("could not be found")) {
        "there is no such role at this mount of the auth method"
    } else if says("subject") || says("claim") {
        "a claim of the token is not one that the role is bound to"
    } else if says("expired") || says("not valid yet") || says("issued") {
        "the token is of another time: check the clocks"
    } else if says("signature") || says("verify") || says("key") {
        "the signature of the token does not verify: can Vault fetch the keys of its issuer?"
    } else if says("namespace")
        || status == StatusCode::NOT_FOUND
        || says("no handler")
        || says("unsupported path")
    {
        "there is no such auth method: check `mount` and `namespace`"
    } else {
        "check role, mount and namespace"
    }
}

impl Source for VaultLogin {
    fn fetch<'a>(&'a self, session: &'a CloudSession) -> Fetching<'a> {
        Box::pin(self.ask(session))
    }
}
