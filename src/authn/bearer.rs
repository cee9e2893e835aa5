//! Bearer tokens: identity tokens of the configured issuers, and access tokens of our own.
//!
//! Whoever has a bearer token is its caller, so it must be one of these two and nothing else: a session token of the
//! STS is half of a secret and is not taken without the other half (SES-03). Which of the two a token is shows in its
//! form, a JWT has dots and what we seal has none, and the one way is never tried after the other.
//!
//! An identity token is verified with each request, as far as the caller can tell: what was verified is remembered for
//! a while, never beyond the token's own end, and not beyond the configuration and the keys that it was verified with.

use super::{
    Authenticator, AuthnError, Form, Principal, Revocation, SessionError, SessionInfo,
    oidc::{Identity, IdentityVerifier, TokenError},
    open_bearer,
    token_cache::{self, TokenCache, TokenHash},
};
use crate::secret::Secret;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;

/// Principals of tokens that were verified.
pub(super) type BearerCache = TokenCache<Verified>;

/// What a token was found to be.
#[derive(Clone)]
pub(super) struct Verified {
    principal: Principal,
    /// From here on it is verified again.
    until: Timestamp,
}

/// Why a bearer token opens nothing; for the log.
#[derive(Debug, thiserror::Error)]
pub enum BearerFlaw {
    /// Not an identity token that is acceptable.
    #[error(transparent)]
    Identity(TokenError),
    /// Not an access token of ours.
    #[error(transparent)]
    Access(SessionError),
    /// It was ended before its time.
    #[error("it is revoked by {0}")]
    Revoked(Box<Revocation>),
}

impl Authenticator {
    /// Verifies a bearer token as of `now`.
    ///
    /// # Errors
    /// [`AuthnError::ExpiredBearer`], [`AuthnError::IssuerUnavailable`], [`AuthnError::InvalidBearer`].
    pub(crate) async fn authenticate_bearer(
        &self,
        token: &Secret,
        verifier: &impl IdentityVerifier,
        now: Timestamp,
    ) -> Result<Principal, AuthnError> {
        let text = token.expose_str().unwrap_or_default();
        if !is_jwt(text) {
            return self.authenticate_access_token(token, now);
        }
        let hash = token_cache::hash(text);
        if let Some(known) = self.bearers.get(&hash)
            && now < known.until
        {
            return Ok(known.principal);
        }
        let identity = verifier.verify(text, now).await.map_err(refused_identity)?;
        // The verifier allows for clocks that differ; what stands for a session ends at its second (SES-07).
        if now >= identity.expires_at {
            return Err(refused_identity(TokenError::Expired {
                at: identity.expires_at,
                now,
                drift: None,
            }));
        }
        // INVARIANT: never beyond the token's own end.
        let until = identity
            .expires_at
            .min(now.saturating_add(REMEMBERED).unwrap_or(now));
        let principal = of_identity(identity, &hash);
        let verified = Verified {
            principal: principal.clone(),
            until,
        };
        self.bearers.insert(hash, verified);
        Ok(principal)
    }

    /// Verifies an access token of our own as of `now`. Nothing else is one.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate_bearer`].
    pub(crate) fn authenticate_access_token(
        &self,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Principal, AuthnError> {
        let text = token.expose_str().unwrap_or_default();
        // INVARIANT: what is known of the one kind of token is not found by the other.
        if is_jwt(text) {
            let cause = BearerFlaw::Access(SessionError::Invalid("is an identity token"));
            return Err(AuthnError::InvalidBearer(cause));
        }
        let hash = token_cache::hash(text);
        if let Some(known) = self.bearers.get(&hash)
            && now < known.until
        {
            return Ok(known.principal);
        }
        let opened = open_bearer(&self.ring, Form::AccessToken, text, now);
        let principal = opened.map_err(|cause| match cause {
            SessionError::Expired { expired_at } => AuthnError::ExpiredBearer {
                expired_at,
                server_time: now,
                cause: BearerFlaw::Access(cause),
            },
            cause => AuthnError::InvalidBearer(BearerFlaw::Access(cause)),
        })?;
        let verified = Verified {
            principal: principal.clone(),
            until: principal.session().expires_at,
        };
        self.bearers.insert(hash, verified);
        Ok(principal)
    }
}

/// What we seal has no dot in it, and no JWT is without.
fn is_jwt(token: &str) -> bool {
    token.contains('.')
}

/// The token is the session: it began when the token was issued and ends with it, and its id is one that whoever has
/// the token can compute and nobody can turn back.
fn of_identity(identity: Identity, hash: &TokenHash) -> Principal {
    let id: Box<str> = HEXLOWER.encode(hash.get(..16).unwrap_or_default()).into();
    let session = SessionInfo {
        root: id.clone(),
        id,
        name: "identity-token".into(),
        access_key_id: Box::default(),
        issued_at: identity.issued_at,
        authenticated_at: identity.issued_at,
        expires_at: identity.expires_at,
        role: None,
        ancestors: Vec::new(),
    };
    Principal::new(identity, Vec::new(), session)
}

fn refused_identity(cause: TokenError) -> AuthnError {
    match cause {
        TokenError::Expired { at, now, .. } => AuthnError::ExpiredBearer {
            expired_at: at,
            server_time: now,
            cause: BearerFlaw::Identity(cause),
        },
        TokenError::IssuerUnavailable { .. } => AuthnError::IssuerUnavailable(cause),
        cause => AuthnError::InvalidBearer(BearerFlaw::Identity(cause)),
    }
}

/// Why a bearer token is not accepted, for the caller.
pub(crate) fn bearer_message(flaw: &BearerFlaw) -> Cow<'static, str> {
    match flaw {
        BearerFlaw::Identity(error) => crate::sts::token_message(error),
        BearerFlaw::Access(SessionError::Expired { expired_at }) => {
            format!("The access token expired at {expired_at:.0}. Get a new one from /_tidegate/token.")
                .into()
        }
        BearerFlaw::Revoked(revocation) => {
            format!("The bearer token was {}. Ask the operator.", revocation.told()).into()
        }
        BearerFlaw::Access(_) => {
            "The bearer token is not accepted. Send an identity token of an issuer that this \
                                  service knows, or an access token from /_tidegate/token."
                .into()
        }
    }
}

/// How long an identity token is not verified again: so much later counts what its issuer changes about its keys.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::super::{KeyRing, PrincipalKind, ServiceKeys, Tags, session};
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// Accepts `good.token` from 0 to an hour later; counts.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl IdentityVerifier for Counting {
        async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            if token != "good.token" {
                return Err(TokenError::Refused("signature"));
            }
            if now >= at(3600) {
                return Err(TokenError::Expired {
                    at: at(3600),
                    now,
                    drift: None,
                });
            }
            Ok(Identity {
                kind: PrincipalKind::User,
                id: "okta:ana".into(),
                groups: Vec::new(),
                tags: Tags::new(),
                issuer: "https://okta.test".into(),
                subject: "ana".into(),
                audience: "us".into(),
                issued_at: at(0),
                expires_at: at(3600),
            })
        }
    }

    // SES-07
    #[tokio::test]
    async fn a_token_is_verified_again_after_a_while_and_never_taken_beyond_its_end() {
        let (authenticator, verifier) = (
            Authenticator::new(KeyRing::for_test(1), Arc::new(ServiceKeys::off())),
            Counting::default(),
        );
        for (seconds, verified) in [(0, 1), (1, 1), (299, 1), (300, 2), (3500, 3), (3599, 3)] {
            let token = Secret::new("good.token");
            let found = authenticator
                .authenticate_bearer(&token, &verifier, at(seconds))
                .await;
            let principal = found.unwrap();
            assert_eq!(principal.id(), "okta:ana");
            assert_eq!(principal.session().expires_at, at(3600));
            assert_eq!(principal.session().authenticated_at, at(0));
            assert_eq!(verifier.0.load(Ordering::Relaxed), verified, "{seconds}");
        }
        let token = Secret::new("good.token");
        let late = authenticator.authenticate_bearer(&token, &verifier, at(3600));
        assert!(matches!(late.await, Err(AuthnError::ExpiredBearer { .. })));
        assert_eq!(verifier.0.load(Ordering::Relaxed), 4);
    }

    // SES-03, SES-04, SIG-11
    #[tokio::test]
    async fn one_kind_of_token_is_never_tried_as_the_other() {
        let ring = KeyRing::for_test(1);
        let (authenticator, verifier) = (
            Authenticator::new(ring.clone(), Arc::new(ServiceKeys::off())),
            Counting::default(),
        );
        let identity = verifier.verify("good.token", at(0)).await.unwrap();
        let terms = session::Terms::plain(&identity, "test", std::time::Duration::from_secs(900));
        let keys = session::issue(&ring, &terms, at(0)).unwrap();
        let access = session::issue_bearer(&ring, Form::AccessToken, &terms, at(0)).unwrap();
        let cookie = session::issue_bearer(&ring, Form::Cookie, &terms, at(0)).unwrap();
        let text = |secret: &Secret| secret.expose_str().unwrap().to_owned();
        let asked = verifier.0.load(Ordering::Relaxed);
        for (token, accepted) in [
            (text(&access.token), true),
            (text(&keys.session_token), false),
            (text(&keys.secret_access_key), false),
            (text(&cookie.token), false),
            (String::new(), false),
            ("gibberish".to_owned(), false),
        ] {
            for _ in 0..2 {
                let presented = Secret::new(token.clone());
                let found = authenticator.authenticate_bearer(&presented, &verifier, at(1));
                assert_eq!(found.await.is_ok(), accepted, "{token}");
            }
        }
        assert_eq!(
            verifier.0.load(Ordering::Relaxed),
            asked,
            "no sealed text is an identity token"
        );
        let dotted = Secret::new(format!("{}.", text(&access.token)));
        let found = authenticator.authenticate_bearer(&dotted, &verifier, at(1)).await;
        assert!(matches!(
            found,
            Err(AuthnError::InvalidBearer(BearerFlaw::Identity(_)))
        ));
        let over = authenticator
            .authenticate_bearer(&access.token, &verifier, at(900))
            .await;
        assert!(matches!(over, Err(AuthnError::ExpiredBearer { .. })));
        let good = Secret::new("good.token");
        assert!(authenticator.authenticate_access_token(&good, at(0)).is_err());
        assert!(
            authenticator
                .authenticate_bearer(&good, &verifier, at(0))
                .await
                .is_ok()
        );
        let known = authenticator.authenticate_access_token(&good, at(0));
        assert!(
            known.is_err(),
            "an identity token is no access token once it is known, either"
        );
    }
}
