//! Whether sessions can be narrowed to the buckets that they are for: `narrow = true` of a target's credentials.
//!
//! A policy that is too long, or a folder that cannot be said in one, would otherwise be found with the first request.
//! A copy needs two buckets, so every two of a target must fit.

use super::super::raw::Site;
use super::super::{Bucket, CredentialSource};
use crate::operation::{BucketName, KeyPrefix};
use crate::session_policy::NarrowingError;
use std::collections::BTreeMap;

/// The buckets so far, of each narrowed target: the one that takes most room, among whole ones and among folders.
#[derive(Default)]
pub(super) struct Narrowed(BTreeMap<(Box<str>, bool), Longest>);

struct Longest {
    length: usize,
    name: BucketName,
    place: (BucketName, KeyPrefix),
}

const ACCEPTED: &str = "a shorter and plainer `prefix`, or `narrow = false` in the credentials of the target";

impl Narrowed {
    /// Checks one more bucket.
    pub(super) fn check(&mut self, bucket: &Bucket, site: &Site<'_>) {
        let CredentialSource::Role(role) = &bucket.target.credentials else {
            return;
        };
        if !role.narrow {
            return;
        }
        let dialect = role.dialect();
        let place = (&bucket.target_bucket, &bucket.prefix);
        let length = match dialect.narrowed([place]) {
            Ok(policy) => policy.len(),
            Err(wrong) => return site.problem(wrong.to_string(), ACCEPTED),
        };
        for is_folder in [false, true] {
            let Some(other) = self.0.get(&(bucket.target.name.clone(), is_folder)) else {
                continue;
            };
            if let Err(wrong @ NarrowingError::TooLong(_)) =
                dialect.narrowed([place, (&other.place.0, &other.place.1)])
            {
                let problem = format!(
                    "a copy between it and `{}` cannot be narrowed: {wrong}",
                    other.name
                );
                return site.problem(problem, ACCEPTED);
            }
        }
        let key = (bucket.target.name.clone(), !bucket.prefix.is_empty());
        if self.0.get(&key).is_none_or(|longest| longest.length < length) {
            let longest = Longest {
                length,
                name: bucket.name.clone(),
                place: (bucket.target_bucket.clone(), bucket.prefix.clone()),
            };
            self.0.insert(key, longest);
        }
    }
}
