//! Every temporary credential of the process, each under a key that is made of all that it depends on.
//!
//! The hazard is a credential of one caller that signs for another. So the key is every input, each with its length
//! before it (CRD-01): what differs in anything is another entry, and no two lists of inputs give the same key. It
//! outlives reloads, which only change the keys that are asked for. Entries that nobody uses are not renewed; they
//! go when they are over, or when there are too many (CRD-04), and are wiped then.

use super::keeper::{Keeper, Tally};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The cache. Clones share it.
#[derive(Clone)]
pub struct CredentialCache(Arc<Shared>);

struct Shared {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    entries: HashMap<Key, Entry>,
    /// By what the keys of their entries begin with.
    tallies: HashMap<Key, Weak<Tally>>,
    /// Counts the uses, as a clock for what was used when.
    uses: u64,
}

struct Entry {
    keeper: Keeper,
    last_use: u64,
}

/// Everything that a credential depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(Vec<u8>);

impl Key {
    /// The same key with one more input.
    #[must_use]
    pub(super) fn and(mut self, input: &[u8]) -> Self {
        // INVARIANT: length first, so that no two lists of inputs give the same bytes.
        self.0.extend_from_slice(&(input.len() as u64).to_be_bytes());
        self.0.extend_from_slice(input);
        self
    }

    fn begins_with(&self, start: &Self) -> bool {
        self.0.starts_with(&start.0)
    }
}

/// Credentials at once: as many people and jobs as one gateway serves in an hour, at some kilobytes each.
const MOST: usize = 10_000;

impl CredentialCache {
    /// An empty one.
    pub fn new() -> Self {
        Self::with_most(MOST)
    }

    fn with_most(most: usize) -> Self {
        Self(Arc::new(Shared {
            most,
            held: Mutex::default(),
        }))
    }

    /// What is under `key`, made by `make` if there is nothing.
    pub(super) fn keeper(&self, key: Key, make: impl FnOnce() -> Keeper) -> Keeper {
        let mut held = self.held();
        held.uses += 1;
        let last_use = held.uses;
        if let Some(entry) = held.entries.get_mut(&key) {
            entry.last_use = last_use;
            return entry.keeper.clone();
        }
        if held.entries.len() >= self.0.most {
            held.make_room();
        }
        let keeper = make();
        let entry = Entry {
            keeper: keeper.clone(),
            last_use,
        };
        held.entries.insert(key, entry);
        keeper
    }

    /// What is under `key`, if there is anything.
    pub(super) fn find(&self, key: &Key) -> Option<Keeper> {
        self.held().entries.get(key).map(|entry| entry.keeper.clone())
    }

    /// What counts the attempts of all whose key begins with `start`. It is the same one for as long as anybody holds it, so
    /// that those who outlive a reload go on to be counted.
    pub(super) fn tally(&self, start: &Key) -> Arc<Tally> {
        let mut held = self.held();
        if let Some(tally) = held.tallies.get(start).and_then(Weak::upgrade) {
            return tally;
        }
        held.tallies.retain(|_, tally| tally.strong_count() > 0);
        let tally = Arc::<Tally>::default();
        held.tallies.insert(start.clone(), Arc::downgrade(&tally));
        tally
    }

    /// Everything whose key begins with `start`.
    pub(super) fn beginning_with(&self, start: &Key) -> Vec<Keeper> {
        let held = self.held();
        let matching = held.entries.iter().filter(|(key, _)| key.begins_with(start));
        matching.map(|(_, entry)| entry.keeper.clone()).collect()
    }

    /// Renews what is due and in use, and lets go of what is over. To be called every second or so.
    pub fn tend(&self) {
        // A fetch takes the locks of single entries; none of them ever takes this one.
        self.held().entries.retain(|_, entry| entry.keeper.tend());
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Lets the tenth go that was not used for the longest time: so that this, which looks at all, is seldom.
    fn make_room(&mut self) {
        let mut uses: Vec<u64> = self.entries.values().map(|entry| entry.last_use).collect();
        uses.sort_unstable();
        let oldest = uses.get(uses.len() / 10).copied().unwrap_or(u64::MAX);
        self.entries.retain(|_, entry| entry.last_use > oldest);
    }
}

impl Default for CredentialCache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
