//! Which buckets of a provider are mapped here, and which keys of them.

use super::Provider;
use super::access_log::decoded;
use super::entry::{self, Entry};
use crate::bridge::canary;
use crate::config::{Config, Profile};
use std::collections::{BTreeMap, BTreeSet};

/// The buckets at the provider, by the provider's names.
#[derive(Debug)]
pub(super) struct Mapping {
    /// The prefixes that are mapped; an empty one is the whole bucket.
    prefixes: BTreeMap<Box<str>, Vec<Box<str>>>,
    /// Where a bucket of ours is.
    virtual_buckets: BTreeMap<Box<str>, Place>,
    /// Targets at the provider.
    targets: BTreeSet<Box<str>>,
    provider: Provider,
}

#[derive(Clone, Debug)]
struct Place {
    target: Box<str>,
    bucket: Box<str>,
    prefix: Box<str>,
}

impl Mapping {
    /// The buckets of `config` that are at targets of this kind of provider; if `only` names targets, at those.
    pub(super) fn new(config: &Config, provider: Provider, only: &[Box<str>]) -> Self {
        let of_kind = |profile| (profile == Profile::Gcs) == (provider == Provider::Gcp);
        let chosen = |name: &str| only.is_empty() || only.iter().any(|other| **other == *name);
        let targets = config.targets.values();
        let targets: Vec<_> = targets
            .filter(|target| of_kind(target.profile) && chosen(&target.name))
            .collect();
        let names: BTreeSet<Box<str>> = targets.iter().map(|target| target.name.clone()).collect();
        let mut mapping = Self {
            prefixes: BTreeMap::new(),
            virtual_buckets: BTreeMap::new(),
            targets: names,
            provider,
        };
        for bucket in config.buckets.values() {
            if mapping.targets.contains(&bucket.target.name) {
                let place = Place {
                    target: bucket.target.name.clone(),
                    bucket: bucket.target_bucket.as_str().into(),
                    prefix: bucket.prefix.as_str().into(),
                };
                mapping.add(&place.bucket, &place.prefix);
                mapping.virtual_buckets.insert(bucket.name.as_str().into(), place);
            }
        }
        // What Tidegate does there by itself is in its records, too.
        for target in targets.iter().filter(|target| target.finds_profile) {
            if let Ok(place) = canary::place(config, target) {
                mapping.add(place.bucket.as_str(), &format!("{}/", place.prefix));
            }
        }
        mapping
    }

    fn add(&mut self, bucket: &str, prefix: &str) {
        self.prefixes
            .entry(bucket.into())
            .or_default()
            .push(prefix.into());
    }

    /// How many buckets of the provider are mapped.
    pub(super) fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// The place that an entry is judged by: of all that it touches, the first in a mapped prefix, or else in a mapped
    /// bucket; and whether it is in a mapped prefix.
    pub(super) fn of<'e, 'a>(&self, entry: &'e Entry<'a>) -> Option<(&'e entry::Place<'a>, bool)> {
        let mapped = || {
            entry
                .places
                .iter()
                .filter_map(|place| Some((place, self.is_inside(place)?)))
        };
        mapped().find(|(_, inside)| *inside).or_else(|| mapped().next())
    }

    /// Whether something is in a mapped prefix; `None` if its bucket is not mapped.
    fn is_inside(&self, place: &entry::Place<'_>) -> Option<bool> {
        let prefixes = self.prefixes.get(place.bucket)?;
        let whole = |key: &str| prefixes.iter().any(|prefix| key.starts_with(&**prefix));
        Some(match (&place.key, place.prefix) {
            // Keys are encoded once or twice in access logs, depending on how they were asked for.
            (Some(key), _) => whole(key) || (self.provider == Provider::S3AccessLogs && whole(&decoded(key))),
            // A listing shows what begins with its prefix.
            (None, Some(listed)) => whole(listed) || prefixes.iter().any(|prefix| prefix.starts_with(listed)),
            // Of the bucket as a whole.
            (None, None) => true,
        })
    }

    /// Whether a target is at the provider. One that is no longer configured may have been.
    pub(super) fn has_target(&self, config: &Config, name: &str) -> bool {
        self.targets.contains(name) || !config.targets.contains_key(name)
    }

    /// The bucket and key at the provider of what a record names.
    pub(super) fn at_target(
        &self,
        target: &str,
        bucket: &str,
        key: Option<&str>,
    ) -> Option<(&str, Option<String>)> {
        let place = self.virtual_buckets.get(bucket)?;
        // A record of before the configuration changed says nothing about where that was.
        if *place.target != *target {
            return None;
        }
        let key = key.map(|key| format!("{}{key}", place.prefix));
        Some((&place.bucket, key))
    }

    /// Whose buckets they are.
    pub(super) fn provider(&self) -> Provider {
        self.provider
    }
}
