//! Service keys: two strings for tools that can do nothing but keep two strings.
//!
//! The one door that stays open for longer than a session, and so the narrowest: a key names its buckets, lives for 90
//! days at most, may be bound to networks, and is a workload of its own that policies must let in. Nothing secret is
//! stored: the secret access key is a MAC of the id and the principal under a sub-key of the ring, and the file of
//! records, which decides what a key may do and for how long, is worthless without the ring.
//!
//! The hazards: a key that outlives its reason (90 days, warnings before the end, one command to end it), a key that
//! is used from elsewhere, a guess that tells which keys there are (an unknown id and a wrong secret are answered
//! alike, and what is wrong with a key is told only to whoever holds its secret), and a key that turns itself into
//! something else: it opens no door at which sessions are issued.

mod edit;
mod error;
mod file;
mod network;
mod record;
#[cfg(test)]
mod tests;

pub use edit::{NewKey, Terms, create, revoke, rotate};
pub use error::{ServiceKeyRefusal, ServiceKeysError};
pub use network::Network;
pub(super) use record::is_access_key_id;
pub use record::{LONGEST, Record, Standing};

use super::{
    Principal,
    key_ring::{KeyRing, Purpose, RingKey},
};
use crate::secret::Secret;
use aws_lc_rs::{digest, hmac};
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use std::{collections::HashMap, net::IpAddr, path::Path};

/// The issuer of principals that come with a service key. No configured issuer can have this name: theirs are URLs.
pub const ISSUER: &str = "tidegate:service-keys";

/// The service keys of one generation.
#[derive(Debug, Default)]
pub struct ServiceKeys {
    /// `None` if service keys are switched off.
    keys: Option<HashMap<Box<str>, ServiceKey>>,
    /// In the order of the file.
    records: Vec<Record>,
    digest: [u8; 32],
}

/// A key and whom it makes known.
#[derive(Debug)]
struct ServiceKey {
    record: Record,
    principal: Principal,
}

/// A service key that is on record. Whether the caller holds its secret is for the signature to say.
pub(super) struct Presented<'a> {
    /// `None` if there is no such key, or the key ring lost what its secret derives from.
    key: Option<&'a ServiceKey>,
    pub(super) secret_access_key: Secret,
}

impl ServiceKeys {
    /// No service key is accepted.
    pub fn off() -> Self {
        Self::default()
    }

    /// Reads the records of `path`; no file is no records. `issuers` are the names of the configured issuers, whose
    /// principals are theirs alone.
    ///
    /// # Errors
    /// [`ServiceKeysError`]: one mistake refuses the whole file.
    pub fn load<'a>(
        path: &Path,
        issuers: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Self, ServiceKeysError> {
        let (placed, text) = file::read(path)?;
        let mut keys = HashMap::with_capacity(placed.len());
        let mut records = Vec::with_capacity(placed.len());
        for (line, record) in placed {
            if let Some(issuer) = issuer_of(&record.principal, issuers.clone()) {
                return Err(ServiceKeysError::Invalid {
                    path: path.to_owned(),
                    line,
                    problem: format!(
                        "`principal` begins with `{issuer}:`, as those of the issuer of that name do"
                    ),
                });
            }
            let principal = Principal::of_service_key(&record);
            records.push(record.clone());
            keys.insert(record.id.clone(), ServiceKey { record, principal });
        }
        let mut sum = [0; 32];
        sum.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Ok(Self {
            keys: Some(keys),
            records,
            digest: sum,
        })
    }

    /// All that is on record, in the order of the file.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Tells apart what was loaded; the same on every replica with the same file.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// What the key `id` is verified with. For an id that is not on record there is a secret too, which nobody holds.
    ///
    /// # Errors
    /// [`ServiceKeyRefusal::Off`] if there are no service keys.
    pub(super) fn present<'a>(
        &'a self,
        ring: &KeyRing,
        id: &str,
        now: Timestamp,
    ) -> Result<Presented<'a>, ServiceKeyRefusal> {
        let keys = self.keys.as_ref().ok_or(ServiceKeyRefusal::Off)?;
        let found = keys
            .get(id)
            .and_then(|key| Some((key, ring.find(key.record.ring_key.as_bytes())?)));
        // SIG-11: an unknown id costs what a known one does, and has no other outcome than a wrong secret.
        let (key, principal, ring_key) = match found {
            Some((key, ring_key)) => (Some(key), &*key.record.principal, Some(ring_key)),
            None => (None, "none:none", ring.sealing(now)),
        };
        let secret_access_key = ring_key.map(|ring_key| secret_access_key(ring_key, id, principal));
        Ok(Presented {
            key,
            secret_access_key: secret_access_key.unwrap_or_else(|| Secret::new(*b"")),
        })
    }
}

impl<'a> Presented<'a> {
    /// Whether there is such a key at all.
    pub(super) fn is_known(&self) -> bool {
        self.key.is_some()
    }

    /// The principal, for a caller who holds the secret and uses the key as it may be used. `None` if there is no
    /// such key.
    ///
    /// # Errors
    /// [`ServiceKeyRefusal`] if it is over or used from elsewhere.
    pub(super) fn check(
        &self,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Option<&'a Principal>, ServiceKeyRefusal> {
        let Some(ServiceKey { record, principal }) = self.key else {
            return Ok(None);
        };
        if let Some(at) = record.revoked {
            return Err(ServiceKeyRefusal::Revoked(at));
        }
        if now >= record.expires {
            return Err(ServiceKeyRefusal::Expired(record.expires));
        }
        let from = from.to_canonical();
        let networks = &record.source_addresses;
        if !networks.is_empty() && !networks.iter().any(|network| network.contains(from)) {
            return Err(ServiceKeyRefusal::SourceAddress(from));
        }
        Ok(Some(principal))
    }
}

/// INVARIANT: id and principal are all that it depends on besides the ring key, each with its length before it: no two
/// keys share a secret, and a record whose principal was changed has another one.
fn secret_access_key(key: &RingKey, id: &str, principal: &str) -> Secret {
    let mut mac = hmac::Context::with_key(&key.sub_keys(Purpose::ServiceKey).mac);
    for part in [Purpose::ServiceKey.label(), id.as_bytes(), principal.as_bytes()] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    // 30 bytes are 240 bits and 40 characters without padding, the length that tools expect.
    Secret::new(BASE64.encode(mac.sign().as_ref().get(..30).unwrap_or_default()))
}

fn issuer_of<'a>(principal: &str, mut issuers: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let prefix = record::prefix_of(principal).ok()?;
    issuers.find(|issuer| *issuer == prefix)
}

/// For a message: `3 days`, `5 hours`.
pub fn in_words(left: SignedDuration) -> String {
    let plural = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match left.as_hours() {
        hours if hours >= 48 => plural(hours / 24, "day"),
        hours if hours >= 1 => plural(hours, "hour"),
        _ => plural(left.as_mins().max(0), "minute"),
    }
}
