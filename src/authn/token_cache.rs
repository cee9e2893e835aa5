//! What is known of tokens that proved themselves a moment ago.
//!
//! Opening or verifying a token costs more than everything else that authentication does, and callers send the same
//! one with each request. A cache can only remember what is true regardless of time: whoever uses an entry checks its
//! times again.

use aws_lc_rs::digest;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Values by the SHA-256 of a whole token, bounded in number.
pub(super) struct TokenCache<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
}

/// Two ages: what was used since the last turn, and what was used before. A full young age becomes the old one,
/// whose unused entries are dropped: cheap, bounded, and what is in use is never what goes.
struct Shard<V> {
    young: HashMap<TokenHash, V>,
    old: HashMap<TokenHash, V>,
}

/// Stands for the token, which is not kept.
pub(super) type TokenHash = [u8; digest::SHA256_OUTPUT_LEN];

/// The hash of a token.
pub(super) fn hash(token: &str) -> TokenHash {
    let mut hash = [0; digest::SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    hash
}

impl<V: Clone> TokenCache<V> {
    pub(super) fn get(&self, token: &TokenHash) -> Option<V> {
        let mut shard = self.shard(token)?.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = shard.young.get(token) {
            return Some(value.clone());
        }
        let value = shard.old.remove(token)?;
        shard.insert(*token, value.clone());
        Some(value)
    }

    /// SIG-11: called only after the caller proved itself.
    pub(super) fn insert(&self, token: TokenHash, value: V) {
        if let Some(shard) = self.shard(&token) {
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(token, value);
        }
    }

    fn shard(&self, token: &TokenHash) -> Option<&Mutex<Shard<V>>> {
        self.shards.get(usize::from(*token.first()?) % SHARDS)
    }
}

impl<V> Shard<V> {
    fn insert(&mut self, token: TokenHash, value: V) {
        if self.young.len() >= SHARD_AGE_CAPACITY {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, value);
    }
}

impl<V> Default for TokenCache<V> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }
}

const SHARDS: usize = 8;

/// 8 shards of two ages of 128 values of about 2 KB: 4 MiB when full, and more only for callers with hundreds
/// of groups each. What does not fit is opened anew.
const SHARD_AGE_CAPACITY: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_what_is_in_use() {
        let cache = TokenCache::default();
        let in_use = hash("in use");
        cache.insert(in_use, 0);
        for n in 0..10_000 {
            cache.insert(hash(&n.to_string()), n);
            assert_eq!(cache.get(&in_use), Some(0), "gone after {n} others");
        }
        let shards = cache.shards.iter().map(|shard| shard.lock().unwrap());
        let count: usize = shards.map(|shard| shard.young.len() + shard.old.len()).sum();
        assert!(count <= SHARDS * 2 * SHARD_AGE_CAPACITY);
        assert_eq!(cache.get(&hash("0")), None);
    }
}
