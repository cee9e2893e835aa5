//! The provider's token endpoint: codes and refresh tokens in, identity tokens out.
//!
//! A refresh token may be good for one use. Whoever calls [`renew`] holds the lock, and keeps what comes back before doing
//! anything else.

use super::provider::for_issuer;
use super::{Flow, LoginError};
use crate::client::console::printable;
use crate::client::jwt::Claims;
use crate::client::store::{Login, Tokens};
use crate::fetch::{Fetched, Fetcher};
use crate::json::Object;
use crate::secret::Secret;
use http::StatusCode;
use jiff::SignedDuration;

/// What a login gave.
#[derive(Clone, Debug)]
pub(in crate::client) struct Granted {
    pub(in crate::client) tokens: Tokens,
    /// How long the identity token is good.
    pub(in crate::client) lifetime: SignedDuration,
    /// Who it is, for people.
    pub(in crate::client) who: String,
}

impl Flow<'_> {
    /// Asks the token endpoint. `nonce` is what the identity token has to repeat.
    pub(super) async fn grant(
        &self,
        form: &[(&str, &str)],
        nonce: Option<&str>,
    ) -> Result<Granted, LoginError> {
        let mut form = form.to_vec();
        form.push(("client_id", &self.issuer.client_id));
        form.extend(self.secret());
        let provider = self.provider;
        let answer = post(self.fetcher, &provider.issuer, &provider.token_endpoint, &form).await?;
        let given = read(&answer, &provider.issuer)?;
        let id_token = given.id_token.ok_or(LoginError::IdToken("there is none"))?;
        let claims = accept(&id_token, &provider.issuer, &self.issuer.client_id)?;
        if nonce.is_some() && claims.text("nonce") != nonce {
            return Err(LoginError::IdToken("it answers another login"));
        }
        granted(id_token, &claims, given.refresh_token)
    }
}

/// A new identity token for a login that has a refresh token.
///
/// # Errors
/// [`LoginError::Refused`] if the login is over.
pub(in crate::client) async fn renew(
    login: &Login,
    tokens: &Tokens,
    fetcher: &Fetcher,
) -> Result<Granted, LoginError> {
    let refresh = tokens.refresh_token.as_ref().and_then(Secret::expose_str);
    let refresh = refresh.ok_or(LoginError::IdToken("there is no refresh token"))?;
    let mut form = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
        ("client_id", login.client_id.as_str()),
    ];
    form.extend(
        login
            .client_secret
            .as_deref()
            .map(|secret| ("client_secret", secret)),
    );
    let answer = post(fetcher, &login.issuer, &login.token_endpoint, &form).await?;
    let given = read(&answer, &login.issuer)?;
    let id_token = given.id_token.ok_or(LoginError::Refused {
        code: "no_id_token".to_owned(),
        description: "it renews without an identity token".to_owned(),
    })?;
    let claims = accept(&id_token, &login.issuer, &login.client_id)?;
    // OpenID Connect Core 12.2: the same person as before.
    let before = Claims::of(&tokens.id_token).map_err(LoginError::IdToken)?;
    if claims.text("sub") != before.text("sub") {
        return Err(LoginError::IdToken("it is somebody else's"));
    }
    // One that is not replaced stays good.
    let refresh_token = given.refresh_token.or_else(|| tokens.refresh_token.clone());
    granted(id_token, &claims, refresh_token)
}

/// Tells the provider that a refresh token is not needed any more (RFC 7009). Answers whether it heard.
pub(in crate::client) async fn revoke(login: &Login, tokens: &Tokens, fetcher: &Fetcher) -> bool {
    let (Some(endpoint), Some(refresh)) = (&login.revocation_endpoint, &tokens.refresh_token) else {
        return true;
    };
    let Some(refresh) = refresh.expose_str() else {
        return false;
    };
    let mut form = vec![
        ("token", refresh),
        ("token_type_hint", "refresh_token"),
        ("client_id", login.client_id.as_str()),
    ];
    form.extend(
        login
            .client_secret
            .as_deref()
            .map(|secret| ("client_secret", secret)),
    );
    post(fetcher, &login.issuer, endpoint, &form)
        .await
        .is_ok_and(|answer| answer.status == StatusCode::OK)
}

/// Where the provider's own session ends, in a browser. Without the identity token as a hint: the address is shown.
pub(in crate::client) fn end_session_url(login: &Login) -> Option<String> {
    let endpoint = login.end_session_endpoint.as_deref()?;
    let separator = if endpoint.contains('?') { '&' } else { '?' };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &login.client_id)
        .finish();
    Some(format!("{endpoint}{separator}{query}"))
}

struct Given {
    id_token: Option<Secret>,
    refresh_token: Option<Secret>,
}

/// Sends a form to an endpoint of the provider.
pub(super) async fn post(
    fetcher: &Fetcher,
    issuer: &str,
    url: &str,
    form: &[(&str, &str)],
) -> Result<Fetched, LoginError> {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let accept = (
        http::header::ACCEPT,
        http::HeaderValue::from_static("application/json"),
    );
    let answer = for_issuer(fetcher, issuer).post_form(url, body, &[accept]).await;
    answer.map_err(|source| LoginError::Unreachable {
        issuer: issuer.to_owned(),
        source,
    })
}

fn read(answer: &Fetched, issuer: &str) -> Result<Given, LoginError> {
    let document = document(answer, issuer)?;
    let secret = |name| {
        document
            .text(name)
            .filter(|text| !text.is_empty())
            .map(Secret::new)
    };
    Ok(Given {
        id_token: secret("id_token"),
        refresh_token: secret("refresh_token"),
    })
}

/// The answer's document, or the provider's error.
pub(super) fn document(answer: &Fetched, issuer: &str) -> Result<Object, LoginError> {
    let odd = |problem: String| LoginError::Provider {
        issuer: issuer.to_owned(),
        problem,
    };
    let parsed = Object::parse(&answer.body);
    if answer.status == StatusCode::OK {
        return parsed.map_err(|_| odd("its answer is not JSON".to_owned()));
    }
    let told = parsed.ok();
    let text = |name| {
        told.as_ref()
            .and_then(|document| document.text(name))
            .map(printable)
    };
    match text("error") {
        Some(code) if code == "access_denied" => Err(LoginError::Denied),
        Some(code) => Err(LoginError::Refused {
            code,
            description: text("error_description").unwrap_or_else(|| "it does not say why".to_owned()),
        }),
        None => Err(odd(format!("status {}", answer.status.as_u16()))),
    }
}

/// OpenID Connect Core 3.1.3.7. The signature is the gateway's business: the token came over TLS from the provider itself.
fn accept(token: &Secret, issuer: &str, client_id: &str) -> Result<Claims, LoginError> {
    let claims = Claims::of(token).map_err(LoginError::IdToken)?;
    if claims.text("iss") != Some(issuer) {
        return Err(LoginError::IdToken("it is that of another issuer"));
    }
    if !claims.is_for(client_id) {
        return Err(LoginError::IdToken("it is for another client"));
    }
    Ok(claims)
}

fn granted(id_token: Secret, claims: &Claims, refresh_token: Option<Secret>) -> Result<Granted, LoginError> {
    let lifetime = claims
        .lifetime()
        .ok_or(LoginError::IdToken("it does not say how long it is good"))?;
    let who = printable(claims.who());
    Ok(Granted {
        tokens: Tokens {
            id_token,
            refresh_token,
        },
        lifetime,
        who,
    })
}
