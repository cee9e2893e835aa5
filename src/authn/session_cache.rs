//! Sessions that were opened and proved themselves a moment ago, with the signing keys derived for them.
//!
//! Opening a token costs about five times what verifying a signature does. Expiry and access key id are checked at each
//! use, and a cache lives exactly as long as the key ring it belongs to, so that a key taken out of the ring takes its
//! sessions with it.

use super::{claim::CredentialScope, session::OpenSession, sigv4, token_cache::TokenCache};
use aws_lc_rs::hmac;
use std::sync::{Arc, Mutex, PoisonError};

/// Sessions by the SHA-256 of their whole token, bounded in number.
pub(super) type SessionCache = TokenCache<Arc<CachedSession>>;

/// A session and the signing keys derived for it.
pub(super) struct CachedSession {
    pub(super) session: OpenSession,
    signing_keys: Mutex<Vec<(CredentialScope, hmac::Key)>>,
}

impl CachedSession {
    pub(super) fn new(session: OpenSession) -> Self {
        Self {
            session,
            signing_keys: Mutex::default(),
        }
    }

    /// The signing key of this session for `scope`, remembered or derived.
    pub(super) fn signing_key(&self, scope: &CredentialScope) -> hmac::Key {
        let known = self.signing_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = known.iter().find(|(known, _)| known == scope) {
            return key.clone();
        }
        drop(known);
        sigv4::signing_key(self.session.secret_access_key.expose(), scope)
    }

    /// Remembers a key that verified a signature; the oldest goes when there are too many.
    pub(super) fn remember(&self, scope: &CredentialScope, key: &hmac::Key) {
        let mut known = self.signing_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|(known, _)| known == scope) {
            return;
        }
        if known.len() >= SIGNING_KEYS {
            known.remove(0);
        }
        known.push((scope.clone(), key.clone()));
    }
}

/// A session is used for one region and service, and over one midnight.
const SIGNING_KEYS: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::{key_ring::KeyRing, session, session_tests::identity};
    use super::*;
    use jiff::Timestamp;
    use std::time::Duration;

    fn opened() -> Arc<CachedSession> {
        let ring = KeyRing::for_test(1);
        let now = Timestamp::UNIX_EPOCH;
        let issued = session::issue(
            &ring,
            &session::Terms::plain(&identity(), "name", Duration::from_secs(900)),
            now,
        )
        .unwrap();
        let token = issued.session_token.expose_str().unwrap();
        let session = session::open(&ring, token, &issued.access_key_id, now).unwrap();
        Arc::new(CachedSession::new(session))
    }

    #[test]
    fn signing_keys_are_bounded_and_differ_by_each_part_of_the_scope() {
        let session = opened();
        let scope = |date: &str, region: &str, service: &str| CredentialScope {
            date: date.into(),
            region: region.into(),
            service: service.into(),
        };
        let scopes = [
            scope("20261122", "a", "s3"),
            scope("20261123", "a", "s3"),
            scope("20261122", "b", "s3"),
            scope("20261122", "a", "sts"),
            scope("20261122", "a/s3", "s3"),
        ];
        let tag = |key: &hmac::Key| hmac::sign(key, b"x").as_ref().to_vec();
        let mut tags = std::collections::BTreeSet::new();
        for scope in &scopes {
            let key = session.signing_key(scope);
            session.remember(scope, &key);
            session.remember(scope, &key);
            assert_eq!(tag(&session.signing_key(scope)), tag(&key));
            tags.insert(tag(&key));
        }
        assert_eq!(tags.len(), scopes.len());
        assert_eq!(session.signing_keys.lock().unwrap().len(), SIGNING_KEYS);
    }
}
