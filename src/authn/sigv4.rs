//! Verification of inbound SigV4 signatures.
//!
//! The dialect has read the request once and hashed its canonical form; here that hash, the time and the scope
//! are held against the secret of the caller's session or service key. The access key id says which of the two: one
//! comes with the session token it was issued with, and the secret is derived from that; the other comes alone, and
//! has a record. What a request asks for, and through which of its headers, cannot choose how it is verified.
//!
//! A signed request can be sent again for 15 minutes, as SigV4 has it (SIG-10). TLS keeps it from others; for
//! writes, `If-None-Match` makes a repetition harmless.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>

use super::{
    AuthnError, ChunkSigning, Claim, CredentialScope, KeyRing, Principal, ScopeFlaw, SignatureClaim,
    SignatureForm, Signs,
    bearer::BearerCache,
    service_keys::{self, ServiceKeyRefusal, ServiceKeys},
    session::{self, SessionError},
    session_cache::{CachedSession, SessionCache},
    token_cache,
};
use crate::clock::Drift;
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use std::{net::IpAddr, sync::Arc};

/// Verifies claims with the sessions and service keys of one key ring.
pub struct Authenticator {
    pub(super) ring: Arc<KeyRing>,
    service_keys: Arc<ServiceKeys>,
    // INVARIANT: holds only sessions that this ring opened.
    sessions: SessionCache,
    /// As well those that the issuers vouched for.
    pub(super) bearers: BearerCache,
}

/// The service that a request is for. It must be the one that it was signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Object storage.
    S3,
    /// The token service.
    Sts,
}

/// A claim that is true.
#[derive(Debug)]
pub struct Authenticated {
    /// Who it is.
    pub principal: Principal,
    /// For the chunks of a signed stream, if the body is one.
    pub chunk_signing: ChunkSigning,
}

impl Authenticator {
    /// An authenticator for the sessions of `ring` and for `service_keys`. A reloaded ring needs a new one.
    pub fn new(ring: Arc<KeyRing>, service_keys: Arc<ServiceKeys>) -> Self {
        Self {
            ring,
            service_keys,
            sessions: SessionCache::default(),
            bearers: BearerCache::default(),
        }
    }

    /// Verifies `claim`, which came `from` an address, as of `now`.
    ///
    /// # Errors
    /// [`AuthnError`]: the first of no credentials, scope, time, session and signature that does not hold.
    pub fn authenticate(
        &self,
        claim: &Claim,
        service: Service,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Authenticated, AuthnError> {
        let claim = match claim {
            Claim::Signature(claim) => claim,
            // A bearer token is for `authenticate_bearer`: here it proves nothing.
            Claim::Anonymous | Claim::Bearer(_) => return Err(AuthnError::Anonymous),
        };
        check_scope(claim, service)?;
        match check_time(claim, now) {
            Ok(()) => self.verify(claim, from, now),
            Err(AuthnError::RequestTimeTooSkewed {
                request_time,
                server_time,
                drift,
                proven: _,
            }) => Err(AuthnError::RequestTimeTooSkewed {
                request_time,
                server_time,
                drift,
                // Anybody can send a wrong date. Whose clock is wrong is worth knowing of callers alone.
                proven: self.verify(claim, from, now).is_ok(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Holds the claim against the secret, whatever its time.
    fn verify(
        &self,
        claim: &SignatureClaim,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Authenticated, AuthnError> {
        check_policy(claim)?;
        if service_keys::is_access_key_id(&claim.access_key_id) {
            return self.by_service_key(claim, from, now);
        }
        let token = check_credential(claim)?;

        let hash = token_cache::hash(token);
        let (cached, known) = match self.sessions.get(&hash) {
            Some(cached) => (cached, true),
            None => (self.open(claim, token, now)?, false),
        };
        let session = &cached.session;
        session
            .check(&claim.access_key_id, now)
            .map_err(|cause| refused(claim, cause))?;

        let key = cached.signing_key(&claim.scope);
        let scope = claim.scope.to_string();
        check_signature(claim, &key, &scope)?;

        // SIG-11: nothing is remembered for a caller who has not proved to hold the secret.
        cached.remember(&claim.scope, &key);
        if !known {
            self.sessions.insert(hash, cached.clone());
        }
        Ok(authenticated(claim, session.principal.clone(), key, scope))
    }

    /// SIG-11: an id that is not on record and a wrong secret differ for the operator alone, and what is wrong with a
    /// key is told only to whoever holds its secret.
    fn by_service_key(
        &self,
        claim: &SignatureClaim,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Authenticated, AuthnError> {
        let id = &claim.access_key_id;
        let refused = |why| AuthnError::ServiceKey {
            access_key_id: id.clone(),
            why,
        };
        let presented = self.service_keys.present(&self.ring, id, now).map_err(refused)?;
        if claim
            .session_token
            .as_ref()
            .is_some_and(|token| !token.is_empty())
        {
            return Err(refused(ServiceKeyRefusal::SessionToken));
        }
        let key = signing_key(presented.secret_access_key.expose(), &claim.scope);
        let scope = claim.scope.to_string();
        let signature = check_signature(claim, &key, &scope);
        let unknown = || AuthnError::UnknownServiceKey {
            access_key_id: id.clone(),
            string_to_sign: shown_string_to_sign(claim, string_to_sign(claim, &scope)),
        };
        if !presented.is_known() {
            return Err(unknown());
        }
        signature?;
        let principal = presented.check(from, now).map_err(refused)?.ok_or_else(unknown)?;
        Ok(authenticated(claim, principal.clone(), key, scope))
    }

    #[cfg(test)]
    pub(super) fn remembers(&self, token: &str) -> bool {
        self.sessions.get(&token_cache::hash(token)).is_some()
    }

    fn open(
        &self,
        claim: &SignatureClaim,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<CachedSession>, AuthnError> {
        session::open(&self.ring, token, &claim.access_key_id, now)
            .map(|session| Arc::new(CachedSession::new(session)))
            .map_err(|cause| refused(claim, cause))
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Authenticator").field(&self.ring).finish()
    }
}

impl Service {
    /// As it stands in a credential scope.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Sts => "sts",
        }
    }
}

/// SIG-12: compares in constant time.
fn check_signature(claim: &SignatureClaim, key: &hmac::Key, scope: &str) -> Result<(), AuthnError> {
    let string_to_sign = string_to_sign(claim, scope);
    hmac::verify(key, string_to_sign.as_bytes(), &claim.signature).map_err(|_| {
        AuthnError::SignatureDoesNotMatch {
            access_key_id: claim.access_key_id.clone(),
            string_to_sign: shown_string_to_sign(claim, string_to_sign),
        }
    })
}

/// The policy of a form names the session token: it is not shown.
fn shown_string_to_sign(claim: &SignatureClaim, string_to_sign: String) -> String {
    match claim.signs {
        Signs::CanonicalRequest(_) => string_to_sign,
        Signs::Policy(_) => String::new(),
    }
}

fn authenticated(
    claim: &SignatureClaim,
    principal: Principal,
    key: hmac::Key,
    scope: String,
) -> Authenticated {
    let seed = HEXLOWER.encode(&claim.signature);
    Authenticated {
        principal,
        chunk_signing: ChunkSigning::new(key, claim.signed_at_text.clone(), scope.into(), seed),
    }
}

/// SIG-08, SIG-09: a signature counts for one day and one service.
fn check_scope(claim: &SignatureClaim, service: Service) -> Result<(), AuthnError> {
    let flaw = if *claim.scope.service != *service.name() {
        ScopeFlaw::Service(service.name())
    } else if claim.scope.date.len() != 8 || claim.signed_at_text.get(..8) != Some(&claim.scope.date) {
        ScopeFlaw::Date
    } else {
        return Ok(());
    };
    Err(AuthnError::MalformedScope {
        form: claim.form,
        reason: flaw,
    })
}

/// SIG-07: 15 minutes either way, or from its date on a presigned URL's own lifetime or that of a form's policy.
fn check_time(claim: &SignatureClaim, now: Timestamp) -> Result<(), AuthnError> {
    let ahead = claim.signed_at.duration_since(now);
    let drift = Drift::seen(claim.signed_at, now, now);
    match claim.form {
        SignatureForm::Header if ahead.abs() > MAX_SKEW => Err(AuthnError::RequestTimeTooSkewed {
            request_time: claim.signed_at_text.clone(),
            server_time: now,
            drift: Drift::seen(claim.signed_at, now, now),
            proven: false,
        }),
        SignatureForm::Header => Ok(()),
        SignatureForm::Presigned { .. } | SignatureForm::Form { .. } if ahead > MAX_SKEW => {
            Err(AuthnError::NotYetValid {
                request_time: claim.signed_at_text.clone(),
                server_time: now,
                drift,
            })
        }
        SignatureForm::Form { expiration } => {
            let longest = claim
                .signed_at
                .checked_add(FORM_LIFETIME)
                .unwrap_or(Timestamp::MAX);
            let expired_at = expiration.min(longest);
            if now > expired_at {
                return Err(AuthnError::PolicyExpired {
                    expired_at,
                    server_time: now,
                });
            }
            Ok(())
        }
        SignatureForm::Presigned { expires } => {
            let expired_at = claim.signed_at.checked_add(expires).unwrap_or(Timestamp::MAX);
            if now > expired_at {
                return Err(AuthnError::Expired {
                    expires,
                    expired_at,
                    server_time: now,
                });
            }
            Ok(())
        }
    }
}

/// INVARIANT: the policy of a form cannot be read as what another kind of signature covers. Those begin with
/// `AWS4-HMAC-SHA256` and a line end; base64 has neither.
fn check_policy(claim: &SignatureClaim) -> Result<(), AuthnError> {
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    match &claim.signs {
        Signs::Policy(policy) if !policy.bytes().all(base64) => Err(AuthnError::SignatureDoesNotMatch {
            access_key_id: claim.access_key_id.clone(),
            string_to_sign: String::new(),
        }),
        Signs::Policy(_) | Signs::CanonicalRequest(_) => Ok(()),
    }
}

/// The session token that must come with an access key id of ours.
fn check_credential(claim: &SignatureClaim) -> Result<&str, AuthnError> {
    if !session::is_access_key_id(&claim.access_key_id) {
        return Err(AuthnError::InvalidAccessKeyId {
            access_key_id: claim.access_key_id.clone(),
        });
    }
    match claim.session_token.as_deref() {
        Some(token) if !token.is_empty() => Ok(token),
        _ => Err(refused(claim, SessionError::Invalid("is missing"))),
    }
}

fn refused(claim: &SignatureClaim, cause: SessionError) -> AuthnError {
    let access_key_id = claim.access_key_id.clone();
    match cause {
        SessionError::Expired { expired_at } => AuthnError::ExpiredToken {
            access_key_id,
            expired_at,
        },
        SessionError::Invalid(_)
        | SessionError::TooLarge { .. }
        | SessionError::OfServiceKey
        | SessionError::NoSealingKey
        | SessionError::Crypto => AuthnError::InvalidToken { access_key_id, cause },
    }
}

/// Time, scope and hash, nothing secret; of a form its policy alone, which names its session.
pub(super) fn string_to_sign(claim: &SignatureClaim, scope: &str) -> String {
    let hash = match &claim.signs {
        Signs::CanonicalRequest(hash) => hash,
        Signs::Policy(policy) => return String::from(&**policy),
    };
    // Once per request: pushed, not formatted.
    let mut text = String::with_capacity(160);
    for line in ["AWS4-HMAC-SHA256", &claim.signed_at_text, scope] {
        text.push_str(line);
        text.push('\n');
    }
    HEXLOWER.encode_append(hash, &mut text);
    text
}

/// `HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request")`.
pub(super) fn signing_key(secret_access_key: &[u8], scope: &CredentialScope) -> hmac::Key {
    let first = zeroize::Zeroizing::new([b"AWS4", secret_access_key].concat());
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, &first);
    for part in [&*scope.date, &*scope.region, &*scope.service, "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    key
}

/// What S3 allows, and what its error document names.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// As for presigned URLs: a signing key counts for no longer.
const FORM_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
