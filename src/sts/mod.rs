//! The token service: trades an identity token for a session, in the words of AWS STS.
//!
//! The one door that callers pass unauthenticated, so it takes nothing on trust: the verifier says whom a token
//! names, the settings say how long a session may last, and no parameter adds a right. `RoleArn` is accepted
//! because every SDK insists on sending one, and means nothing: a session is its caller, with the caller's own
//! rights.

mod answer;
mod error;
mod request;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod tests;

pub use answer::{CONTENT_TYPE, caller_identity};
pub use error::StsError;
pub use request::{StsRequest, WebIdentityRequest};

use crate::authn::{
    IssuedSession, KeyRing, Revocations, Terms, issue_session,
    oidc::{Identity, TokenError, Verifier},
};
use crate::config::Sessions;
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

/// Whoever can say whether an identity token is genuine, and whom it names.
pub trait IdentityVerifier: Send + Sync {
    /// Verifies `token` as of `now`.
    ///
    /// # Errors
    /// [`TokenError`] if it is not acceptable, or cannot be judged now.
    fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Identity, TokenError>> + Send;
}

impl IdentityVerifier for Verifier {
    fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Identity, TokenError>> + Send {
        Self::verify(self, token, now)
    }
}

impl<V: IdentityVerifier> IdentityVerifier for Arc<V> {
    fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Identity, TokenError>> + Send {
        V::verify(self, token, now)
    }
}

/// The token service of one generation.
#[derive(Debug)]
pub struct Sts<V> {
    default_lifetime: Duration,
    maximum_lifetime: Duration,
    bound_to_token: bool,
    ring: Arc<KeyRing>,
    revocations: Arc<Revocations>,
    verifier: V,
}

/// A session that was issued, and what the answer says with it.
#[derive(Clone, Debug)]
pub struct IssuedAnswer {
    /// The session and its principal.
    pub session: IssuedSession,
    audience: Box<str>,
    role_arn: Option<Box<str>>,
}

impl<V: IdentityVerifier> Sts<V> {
    /// A token service that seals with `key_ring` what `verifier` accepts.
    /// Whoever `revocations` keeps out gets none.
    pub fn new(
        settings: &Sessions,
        key_ring: Arc<KeyRing>,
        revocations: Arc<Revocations>,
        verifier: V,
    ) -> Self {
        Self {
            default_lifetime: settings.default_lifetime,
            maximum_lifetime: settings.maximum_lifetime,
            bound_to_token: settings.bound_to_token,
            ring: key_ring,
            revocations,
            verifier,
        }
    }

    /// Trades the token of `request` for a session. A session cannot be traded for another one.
    ///
    /// # Errors
    /// [`StsError`] if the lifetime is out of range, the token is not accepted or too short, or the session
    /// cannot be sealed.
    pub async fn assume_role_with_web_identity(
        &self,
        request: &WebIdentityRequest,
        now: Timestamp,
    ) -> Result<IssuedAnswer, StsError> {
        let wanted = self.lifetime(request.duration)?;
        let malformed = || StsError::Token(TokenError::Malformed("not text"));
        let token = request.token.expose_str().ok_or_else(malformed)?;
        let identity = self.verifier.verify(token, now).await.map_err(StsError::Token)?;
        if let Some(revocation) = self.revocations.door(&identity, None) {
            return Err(StsError::Revoked {
                principal: identity.id,
                revocation: Box::new(revocation.clone()),
            });
        }
        let lifetime = self.bound(wanted, &identity, now)?;

        let derived;
        let name = match &request.session_name {
            Some(name) => &**name,
            None => {
                derived = session_name(&identity);
                &derived
            }
        };
        let session = issue_session(&self.ring, &Terms::plain(&identity, name, lifetime), now)
            .map_err(StsError::Session)?;
        Ok(IssuedAnswer {
            session,
            audience: identity.audience,
            role_arn: request.role_arn.clone(),
        })
    }

    /// SES-07: what was asked for, if it is in range; never silently something else.
    fn lifetime(&self, asked: Option<Duration>) -> Result<Duration, StsError> {
        let asked = match asked {
            Some(asked) => asked,
            None => return Ok(self.default_lifetime),
        };
        if (MINIMUM_LIFETIME..=self.maximum_lifetime).contains(&asked) {
            return Ok(asked);
        }
        Err(StsError::Duration {
            asked: asked.as_secs(),
            minimum: MINIMUM_LIFETIME.as_secs(),
            maximum: self.maximum_lifetime.as_secs(),
        })
    }

    /// SES-07: a session does not outlive its token, where the operator wants it so.
    fn bound(&self, wanted: Duration, identity: &Identity, now: Timestamp) -> Result<Duration, StsError> {
        if !self.bound_to_token {
            return Ok(wanted);
        }
        let remaining_seconds = identity.expires_at.as_second().saturating_sub(now.as_second());
        match u64::try_from(remaining_seconds) {
            Ok(remaining) if remaining >= SHORTEST_SESSION.as_secs() => {
                Ok(wanted.min(Duration::from_secs(remaining)))
            }
            _ => Err(StsError::TokenTooShort { remaining_seconds }),
        }
    }
}

/// A name for callers who give none: the principal without its issuer, in the characters of an ARN.
fn session_name(identity: &Identity) -> String {
    let id = identity.id.split_once(':').map_or(&*identity.id, |(_, id)| id);
    let plain = |c| if request::is_name_character(c) { c } else { '-' };
    let name: String = id.chars().map(plain).take(64).collect();
    if request::is_session_name(&name) {
        name
    } else {
        "tidegate".to_owned()
    }
}

/// What AWS has as the least that may be asked for.
const MINIMUM_LIFETIME: Duration = Duration::from_mins(15);

/// A session shorter than this would be over before its first upload is.
const SHORTEST_SESSION: Duration = Duration::from_secs(60);
