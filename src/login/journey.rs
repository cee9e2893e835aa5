//! A login: the browser is sent to an issuer, and comes back with a code.

use super::answer::{Answer, Content};
use super::cookies::{self, Cookies};
use super::flow::Flow;
use super::parameters::Parameters;
use super::provider::Provider;
use super::return_path::{ROOT, ReturnPath};
use super::{Admission, Login, LoginError, Visit, attempt, page};
use crate::authn::oidc::{Endpoints, Identity, LoginProof};
use crate::authn::{Form, IssuedBearer, SessionError, Terms, issue_bearer};
use jiff::Timestamp;
use std::time::Duration;

/// A session shorter than this would be over before its first page is read.
const SHORTEST: i64 = 60;

impl Login {
    pub(super) async fn begin(&self, visit: Visit<'_>, answer: &mut Answer) -> Result<(), LoginError> {
        let mut parameters = Parameters::of(visit.head.uri.query());
        let name = parameters.take("issuer")?;
        let to = parameters.take("to")?;
        let account = parameters.take("account")?;
        parameters.refuse_others()?;
        let to = match to {
            Some(to) => ReturnPath::parse(&to).ok_or(LoginError::Parameter("to"))?,
            None => ReturnPath::home(),
        };
        let other_account = match account.as_deref() {
            None => false,
            Some("other") => true,
            Some(_) => return Err(LoginError::Parameter("account")),
        };
        let provider = match (name, self.providers.as_slice()) {
            (Some(name), _) => self.provider(&name)?,
            (None, [only]) => only,
            (None, several) => {
                let names = several.iter().map(|provider| &*provider.issuer.name);
                answer.page(page::choice(names, &to));
                return Ok(());
            }
        };
        let endpoints = provider.endpoints().await;
        let endpoints = endpoints.map_err(|error| LoginError::Unavailable(error.0))?;
        let redirect = self.redirect(provider);
        let flow = self.flow(provider, &endpoints, &redirect)?;
        let cookies = Cookies::of(&visit.head.headers);
        let begun = attempt::begin(&self.ring, &provider.issuer.name, &to, &cookies, visit.now)
            .map_err(LoginError::Seal)?;
        let place = flow
            .authorization(&begun, other_account)
            .map_err(LoginError::Flow)?;
        answer.cookies = begun.cookies;
        answer.content = Some(Content::Redirect(place));
        Ok(())
    }

    pub(super) async fn complete(
        &self,
        visit: Visit<'_>,
        name: &str,
        admits: Admission<'_>,
        answer: &mut Answer,
    ) -> Result<(), LoginError> {
        let provider = self.provider(name)?;
        let mut parameters = Parameters::of(visit.head.uri.query());
        let state = parameters.take("state")?;
        let code = parameters.take("code")?;
        let issuer = parameters.take("iss")?;
        let error = parameters.take("error")?;
        // What else issuers add (`session_state`, `scope`, `error_description`) is not looked at.
        let cookies = Cookies::of(&visit.head.headers);
        let (cleared, returned) = attempt::resume(
            &self.ring,
            &self.used,
            name,
            state.as_deref(),
            &cookies,
            visit.now,
        );
        answer.cookies.extend(cleared);
        let returned = returned.map_err(LoginError::Attempt)?;
        let endpoints = provider.endpoints().await;
        let endpoints = endpoints.map_err(|error| LoginError::Unavailable(error.0))?;
        // OID-04: an answer that another issuer had a hand in ends here, before its code goes anywhere.
        match issuer {
            Some(issuer) if *issuer != *provider.issuer.issuer => return Err(LoginError::MixUp),
            None if endpoints.names_itself => return Err(LoginError::Unnamed),
            Some(_) | None => {}
        }
        if let Some(error) = error {
            return Err(LoginError::Provider(known_error(&error)));
        }
        let code = code.filter(|code| !code.is_empty()).ok_or(LoginError::NoCode)?;
        let redirect = self.redirect(provider);
        let flow = self.flow(provider, &endpoints, &redirect)?;
        let tokens = flow.exchange(&code, &returned.verifier).await;
        let tokens = tokens.map_err(LoginError::Flow)?;
        let proof = LoginProof {
            issuer: &provider.issuer,
            client_id: &flow.settings.client_id,
            nonce: &returned.nonce,
            access_token: tokens.access_token.expose_str().unwrap_or_default(),
        };
        let id_token = tokens.id_token.expose_str().unwrap_or_default();
        let identity = self.verifier.verify_login(id_token, proof, provider.now()).await;
        let identity = identity.map_err(LoginError::Token)?;
        let now = provider.now();
        let lifetime = self.lifetime_of(identity.expires_at, now)?;
        let issued = self.issue(&identity, lifetime, now)?;
        answer.principal = Some(issued.principal.clone());
        admits(&issued.principal)?;
        let value = issued.token.expose_str().unwrap_or_default();
        let cookie = cookies::set(cookies::SESSION, value, lifetime);
        // Browsers drop a longer one without a word, and the person would be sent to log in for ever.
        answer
            .cookies
            .push(cookie.ok_or(LoginError::TooLarge(value.len()))?);
        answer.content = Some(Content::Redirect(returned.to.as_str().to_owned()));
        Ok(())
    }

    fn provider(&self, name: &str) -> Result<&Provider, LoginError> {
        let mut providers = self.providers.iter();
        providers
            .find(|provider| *provider.issuer.name == *name)
            .ok_or(LoginError::UnknownIssuer)
    }

    /// OID-03, OID-04: one for each issuer, made of configuration alone.
    pub(super) fn redirect(&self, provider: &Provider) -> String {
        format!("{}{ROOT}callback/{}", self.origin, provider.issuer.name)
    }

    fn flow<'a>(
        &'a self,
        provider: &'a Provider,
        endpoints: &'a Endpoints,
        redirect: &'a str,
    ) -> Result<Flow<'a>, LoginError> {
        let settings = provider.issuer.login.as_ref().ok_or(LoginError::UnknownIssuer)?;
        Ok(Flow {
            issuer: &provider.issuer,
            settings,
            endpoints,
            redirect,
            secrets: &self.secrets,
        })
    }

    /// OID-07: a new session for each login, whatever the browser had before.
    fn issue(
        &self,
        identity: &Identity,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<IssuedBearer, LoginError> {
        let terms = Terms::plain(identity, "browser", lifetime);
        issue_bearer(&self.ring, Form::Cookie, &terms, now).map_err(|error| match error {
            SessionError::TooLarge { bytes, .. } => LoginError::TooLarge(bytes),
            other => LoginError::Seal(other),
        })
    }

    /// SES-07: a session does not outlive its token, where the operator wants it so.
    fn lifetime_of(&self, token_expires_at: Timestamp, now: Timestamp) -> Result<Duration, LoginError> {
        if !self.bound_to_token {
            return Ok(self.lifetime);
        }
        let remaining = token_expires_at.as_second().saturating_sub(now.as_second());
        match u64::try_from(remaining) {
            Ok(seconds) if remaining >= SHORTEST => Ok(self.lifetime.min(Duration::from_secs(seconds))),
            _ => Err(LoginError::TooShort(remaining)),
        }
    }
}

/// OID-05: an error that we know by name; whatever else was written there stays there.
fn known_error(text: &str) -> &'static str {
    const KNOWN: [&str; 16] = [
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "invalid_request",
        "invalid_request_object",
        "invalid_request_uri",
        "invalid_scope",
        "login_required",
        "registration_not_supported",
        "request_not_supported",
        "request_uri_not_supported",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == text)
        .unwrap_or("another error")
}
