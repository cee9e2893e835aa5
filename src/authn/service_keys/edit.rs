//! Making, rotating and revoking service keys: what the command line does to the file.
//!
//! Each is one replacement of the whole file. The secret of a new key is given out here and never again.

use super::{
    ServiceKeysError, file, issuer_of,
    network::Network,
    record::{ACCESS_KEY_PREFIX, LONGEST, Record, Standing, flaw_of_note},
    secret_access_key,
};
use crate::authn::{
    PrincipalKind,
    key_ring::{KeyRing, RingKey},
};
use crate::files::Replacement;
use crate::operation::BucketName;
use crate::secret::Secret;
use aws_lc_rs::rand;
use data_encoding::BASE32_NOPAD;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Prefix, colon, name; the prefix is no issuer's.
    pub principal: Box<str>,
    /// At least one.
    pub buckets: Vec<BucketName>,
    /// Up to [`LONGEST`].
    pub lifetime: SignedDuration,
    /// Anywhere if empty.
    pub source_addresses: Vec<Network>,
    /// For the operator.
    pub note: Option<Box<str>>,
}

/// A key that was made.
#[derive(Debug)]
pub struct NewKey {
    /// What is on record of it.
    pub record: Record,
    /// 40 characters. The only time that it is given out.
    pub secret_access_key: Secret,
}

/// Makes a key. Its secret derives from the key of `ring` that seals at `now`.
///
/// # Errors
/// [`ServiceKeysError::Terms`] for terms that no key can have; otherwise the file is as it was.
pub fn create<'a>(
    path: &Path,
    ring: &KeyRing,
    issuers: impl Iterator<Item = &'a str>,
    terms: Terms,
    now: Timestamp,
) -> Result<NewKey, ServiceKeysError> {
    if let Some(issuer) = issuer_of(&terms.principal, issuers) {
        return Err(ServiceKeysError::Terms(format!(
            "the principal `{}` would be one of issuer `{issuer}`; take another prefix, such as `backup`",
            terms.principal
        )));
    }
    edit(path, |records| {
        let new = new_key(ring, terms, None, now)?;
        records.push(new.record.clone());
        Ok(new)
    })
}

/// Makes a key with the terms of `id`, which ends after `overlap` if not before. Gives both.
///
/// # Errors
/// [`ServiceKeysError::NoSuchKey`], or [`ServiceKeysError::Ended`] for a key that is over.
pub fn rotate(
    path: &Path,
    ring: &KeyRing,
    id: &str,
    overlap: SignedDuration,
    now: Timestamp,
) -> Result<(NewKey, Record), ServiceKeysError> {
    edit(path, |records| {
        let successor = records
            .iter()
            .find(|record| record.replaces.as_deref() == Some(id));
        if let Some(by) = successor.map(|record| record.id.clone()) {
            return Err(ServiceKeysError::Replaced { id: id.into(), by });
        }
        let old = alive(records, id, now)?;
        let terms = Terms {
            principal: old.principal.clone(),
            buckets: old.buckets.clone(),
            lifetime: old.lifetime(),
            source_addresses: old.source_addresses.clone(),
            note: old.note.clone(),
        };
        let ends = now.checked_add(overlap).map_or(old.expires, whole_seconds);
        // Never empty, so that the record stays one: a key without overlap is over with this second.
        let earliest = old.created.checked_add(SignedDuration::from_secs(1));
        old.expires = old
            .expires
            .min(earliest.map_or(ends, |earliest| ends.max(earliest)));
        let old = old.clone();
        let new = new_key(ring, terms, Some(&old.id), now)?;
        records.push(new.record.clone());
        Ok((new, old))
    })
}

/// Ends a key. Gives its record.
///
/// # Errors
/// [`ServiceKeysError::NoSuchKey`], or [`ServiceKeysError::Ended`] for a key that is over.
pub fn revoke(path: &Path, id: &str, now: Timestamp) -> Result<Record, ServiceKeysError> {
    edit(path, |records| {
        let record = alive(records, id, now)?;
        record.revoked = Some(whole_seconds(now));
        Ok(record.clone())
    })
}

/// Reads, changes and replaces the file.
fn edit<T>(
    path: &Path,
    change: impl FnOnce(&mut Vec<Record>) -> Result<T, ServiceKeysError>,
) -> Result<T, ServiceKeysError> {
    // Of two commands at once, one would lose the other's key.
    let replacement = Replacement::begin(path, MODE)?;
    let (placed, _) = file::read(replacement.target())?;
    let mut records = placed.into_iter().map(|(_, record)| record).collect();
    let outcome = change(&mut records)?;
    replacement.finish(file::render(records.iter()).as_bytes())?;
    Ok(outcome)
}

fn alive<'a>(
    records: &'a mut [Record],
    id: &str,
    now: Timestamp,
) -> Result<&'a mut Record, ServiceKeysError> {
    let record = records.iter_mut().find(|record| *record.id == *id);
    let record = record.ok_or_else(|| ServiceKeysError::NoSuchKey(id.into()))?;
    match record.standing(now) {
        Standing::Alive => Ok(record),
        standing @ (Standing::Expired | Standing::Revoked) => Err(ServiceKeysError::Ended {
            id: id.into(),
            standing,
        }),
    }
}

fn new_key(
    ring: &KeyRing,
    terms: Terms,
    replaces: Option<&str>,
    now: Timestamp,
) -> Result<NewKey, ServiceKeysError> {
    let ring_key: &RingKey = ring.sealing(now).ok_or(ServiceKeysError::NoSealingKey)?;
    let mut random = [0; 10];
    rand::fill(&mut random).map_err(|_| ServiceKeysError::Crypto)?;
    if terms.lifetime > LONGEST {
        return Err(ServiceKeysError::Terms(
            "a service key lives for 90 days at most".to_owned(),
        ));
    }
    if let Some(flaw) = terms.note.as_deref().and_then(flaw_of_note) {
        return Err(ServiceKeysError::Terms(flaw.to_owned()));
    }
    let created = whole_seconds(now);
    let record = Record {
        id: format!("{ACCESS_KEY_PREFIX}{}", BASE32_NOPAD.encode(&random)).into(),
        ring_key: ring_key.id().into(),
        principal: terms.principal,
        kind: PrincipalKind::Workload,
        buckets: terms.buckets,
        created,
        expires: created.checked_add(terms.lifetime).unwrap_or(created),
        source_addresses: terms.source_addresses,
        note: terms.note,
        revoked: None,
        replaces: replaces.map(Into::into),
    };
    match record.flaw() {
        Some(flaw) => Err(ServiceKeysError::Terms(flaw)),
        None => Ok(NewKey {
            secret_access_key: secret_access_key(ring_key, &record.id, &record.principal),
            record,
        }),
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// For everybody to read, as there is nothing secret in it, and for its owner to write.
const MODE: u32 = 0o644;
