//! Identity tokens, verified as STS does: the provider must be known to the account, its keys are fetched from it.

use super::{Provider, State};
use crate::support::{Answer, Client};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use std::sync::Mutex;

pub(super) type Refusal = (u16, &'static str, String);

fn invalid(message: impl Into<String>) -> Refusal {
    (400, "InvalidIdentityToken", message.into())
}

/// The claims of `token`, if it is one that this account takes.
pub(super) async fn claims(state: &Mutex<State>, token: &str) -> Result<Value, Refusal> {
    let malformed = || invalid("The web identity token that was passed could not be validated by AWS.");
    if token.len() > 20_000 {
        return Err((400, "ValidationError", "webIdentityToken is too long".into()));
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, _] = parts[..] else {
        return Err(malformed());
    };
    let decode = |part: &str| -> Option<Value> {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok()
    };
    let (header, unverified) = (
        decode(header).ok_or_else(malformed)?,
        decode(payload).ok_or_else(malformed)?,
    );
    let (Some("RS256"), Some(kid)) = (header["alg"].as_str(), header["kid"].as_str()) else {
        return Err(malformed());
    };
    let issuer = unverified["iss"].as_str().ok_or_else(malformed)?.to_owned();
    let provider = state.lock().unwrap().providers.get(&issuer).cloned();
    let Some(Provider { client_ids, client }) = provider else {
        return Err(invalid(format!(
            "No OpenIDConnect provider found in your account for {issuer}"
        )));
    };
    let unreachable = || {
        invalid(
            "Couldn't retrieve verification key from your identity provider, please reference \
             AssumeRoleWithWebIdentity documentation for requirements",
        )
    };
    let key = key(&client, &issuer, kid).await.ok_or_else(unreachable)?;
    let mut validation = Validation::new(Algorithm::RS256);
    // Each of these has an error of its own.
    validation.validate_aud = false;
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let verified = jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(|_| malformed())?;
    let claims = verified.claims;
    let now = state.lock().unwrap().now().as_second();
    let time = |name: &str| claims[name].as_i64();
    let exp = time("exp").ok_or_else(malformed)?;
    if exp < now {
        let message =
            format!("Token expired: current date/time {now} must be before the expiration date/time {exp}");
        return Err((400, "ExpiredTokenException", message));
    }
    // The future is tolerated by some minutes.
    if time("iat").is_none_or(|at| at > now + 300) || time("nbf").is_some_and(|at| at > now + 300) {
        return Err(malformed());
    }
    let audience = claims["aud"].as_str().ok_or_else(malformed)?;
    if !client_ids.iter().any(|id| id == audience) {
        return Err(invalid("Incorrect token audience"));
    }
    Ok(claims)
}

/// The provider's key of this id, by way of its discovery document.
async fn key(client: &Client, issuer: &str, kid: &str) -> Option<DecodingKey> {
    let discovery = fetch(client, "/.well-known/openid-configuration").await?;
    if discovery["issuer"] != issuer {
        return None;
    }
    let path = discovery["jwks_uri"].as_str()?.strip_prefix(issuer)?;
    let set = fetch(client, path).await?;
    let key = set["keys"].as_array()?.iter().find(|key| key["kid"] == kid)?;
    if key["kty"] != "RSA" || key["use"] != "sig" {
        return None;
    }
    DecodingKey::from_rsa_components(key["n"].as_str()?, key["e"].as_str()?).ok()
}

async fn fetch(client: &Client, path: &str) -> Option<Value> {
    // A connection that is refused panics in there.
    tokio::net::TcpStream::connect(client.address).await.ok()?;
    let answer: Answer = client.send(client.unsigned("GET", path, &[], b"")).await;
    let is_json = answer.header("content-type")?.starts_with("application/json");
    (answer.status == 200 && is_json).then(|| serde_json::from_slice(&answer.body).ok())?
}
