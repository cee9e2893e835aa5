//! Sessions that were opened and proved themselves a moment ago.
//!
//! Opening a token costs about five times what verifying a signature does, and callers send the same token with
//! each request. A cache can only remember what is true regardless of time: expiry and access key id are checked
//! at each use, and a cache lives exactly as long as the key ring it belongs to, so that a key taken out of the
//! ring takes its sessions with it.

use super::{claim::CredentialScope, session::OpenSession, sigv4};
use aws_lc_rs::{digest, hmac};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Sessions by the SHA-256 of their whole token, bounded in number.
#[derive(Default)]
pub(super) struct SessionCache {
    shards: [Mutex<Shard>; SHARDS],
}

/// Two ages: what was used since the last turn, and what was used before. A full young age becomes the old one,
/// whose unused entries are dropped: cheap, bounded, and a session in use is never the one that goes.
#[derive(Default)]
struct Shard {
    young: HashMap<TokenHash, Arc<CachedSession>>,
    old: HashMap<TokenHash, Arc<CachedSession>>,
}

/// Stands for the token, which is not kept.
pub(super) type TokenHash = [u8; digest::SHA256_OUTPUT_LEN];

/// A session and the signing keys derived for it.
pub(super) struct CachedSession {
    pub(super) session: OpenSession,
    signing_keys: Mutex<Vec<(CredentialScope, hmac::Key)>>,
}

impl SessionCache {
    pub(super) fn hash(token: &str) -> TokenHash {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        hash
    }

    pub(super) fn get(&self, token: &TokenHash) -> Option<Arc<CachedSession>> {
        let mut shard = self.shard(token)?.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = shard.young.get(token) {
            return Some(session.clone());
        }
        let session = shard.old.remove(token)?;
        shard.insert(*token, session.clone());
        Some(session)
    }

    /// SIG-11: called only after the caller proved that it has the session's secret.
    pub(super) fn insert(&self, token: TokenHash, session: Arc<CachedSession>) {
        if let Some(shard) = self.shard(&token) {
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(token, session);
        }
    }

    fn shard(&self, token: &TokenHash) -> Option<&Mutex<Shard>> {
        self.shards.get(usize::from(*token.first()?) % SHARDS)
    }
}

impl Shard {
    fn insert(&mut self, token: TokenHash, session: Arc<CachedSession>) {
        if self.young.len() >= SHARD_AGE_CAPACITY {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, session);
    }
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

const SHARDS: usize = 8;

/// 8 shards of two ages of 128 sessions of about 2 KB: 4 MiB when full, and more only for callers with hundreds
/// of groups each. A session that does not fit is opened anew.
const SHARD_AGE_CAPACITY: usize = 128;

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

    fn count(cache: &SessionCache) -> usize {
        let shards = cache.shards.iter().map(|shard| shard.lock().unwrap());
        shards.map(|shard| shard.young.len() + shard.old.len()).sum()
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_in_use() {
        let (cache, session) = (SessionCache::default(), opened());
        let in_use = SessionCache::hash("in use");
        cache.insert(in_use, session.clone());
        for n in 0..10_000 {
            cache.insert(SessionCache::hash(&n.to_string()), session.clone());
            assert!(cache.get(&in_use).is_some(), "gone after {n} others");
        }
        assert!(count(&cache) <= SHARDS * 2 * SHARD_AGE_CAPACITY);
        assert!(cache.get(&SessionCache::hash("0")).is_none());
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
