//! The dialect bridge: what does a target understand, and who holds a payload against what was declared about it?
//!
//! What callers speak and what targets understand are two independent choices. A caller's framing is taken apart and
//! verified in any case; what is put together again depends on the target's [`Profile`], which the operator names or
//! which [`canary`] finds out. Some declarations may be left to the target, for buckets with
//! `checksum = "passthrough"`, but only those that it is known to enforce: an upload that does not verify must not
//! become an object, whoever sees to it.
//!
//! The hazards: a target that stores `aws-chunked` framing as if it were data, and one that takes a checksum and never
//! looks at it. Neither can be seen in its answers, only in what it gives back.

pub(crate) mod canary;
mod dry_run;
mod errands;
mod error;
mod finding;

pub(crate) use dry_run::{Step, Tried, dry_run};
pub(crate) use error::CanaryError;
pub(crate) use finding::{Conditions, Finding, Trailers};

use crate::config::{ChecksumRule, Profile, Target};
use crate::operation::Enforced;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a target understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Understanding {
    /// Its dialect.
    pub(crate) profile: Profile,
    /// What it holds a payload against.
    pub(crate) enforces: Enforced,
}

/// How one request crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bridge {
    /// The dialect on the other side.
    pub(crate) profile: Profile,
    /// What the target sees to, so that it is not done twice.
    pub(crate) left: Enforced,
}

impl Understanding {
    /// What the operator says of a target by naming a profile.
    pub(crate) fn of(profile: Profile) -> Self {
        let enforces = match profile {
            Profile::Aws => Enforced::by_s3(),
            Profile::Plain | Profile::Gcs => Enforced::NONE,
        };
        Self { profile, enforces }
    }

    /// The way to a bucket with `rule`.
    pub(crate) fn under(self, rule: ChecksumRule) -> Bridge {
        let left = match (rule, self.profile) {
            (ChecksumRule::Passthrough, Profile::Aws) => self.enforces,
            // INVARIANT: where nobody else enforces what was declared, it is verified here, whatever the rule says.
            (ChecksumRule::Passthrough, Profile::Plain | Profile::Gcs) | (ChecksumRule::Verify, _) => {
                Enforced::NONE
            }
        };
        Bridge {
            profile: self.profile,
            left,
        }
    }
}

/// What is known of a target at present. Changes once, from what is safe to what was found.
#[derive(Debug)]
pub(crate) struct Known {
    now: ArcSwap<Understanding>,
    certain: AtomicBool,
    tried: AtomicBool,
}

impl Known {
    /// What the configuration says, which is final unless the profile is to be found out.
    pub(crate) fn of(target: &Target) -> Self {
        Self {
            now: ArcSwap::from_pointee(Understanding::of(target.profile)),
            certain: AtomicBool::new(!target.finds_profile),
            tried: AtomicBool::new(false),
        }
    }

    /// For one request, which must ask once: it may be something else the next time.
    pub(crate) fn now(&self) -> Understanding {
        **self.now.load()
    }

    /// Whether there is nothing to find out any more.
    pub(crate) fn is_certain(&self) -> bool {
        self.certain.load(Ordering::Acquire)
    }

    /// Whether it is certain, or somebody has at least tried to find out.
    pub(crate) fn was_tried(&self) -> bool {
        self.is_certain() || self.tried.load(Ordering::Acquire)
    }

    /// That it was tried in vain.
    pub(crate) fn remains_open(&self) {
        self.tried.store(true, Ordering::Release);
    }

    /// What was found.
    pub(crate) fn settle(&self, found: Understanding) {
        self.now.store(Arc::new(found));
        self.certain.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{ChecksumAlgorithm, Declaration};

    // Invariant 9: with `passthrough` it is the target that keeps a wrong upload from becoming an object.
    #[test]
    fn only_what_a_target_enforces_is_left_to_it() {
        let literal = |profile, rule| {
            Understanding::of(profile)
                .under(rule)
                .left
                .holds(Declaration::Literal)
        };
        assert!(literal(Profile::Aws, ChecksumRule::Passthrough));
        assert!(!literal(Profile::Aws, ChecksumRule::Verify));
        for profile in [Profile::Plain, Profile::Gcs] {
            for rule in [ChecksumRule::Passthrough, ChecksumRule::Verify] {
                assert_eq!(Understanding::of(profile).under(rule).left, Enforced::NONE);
            }
        }
        let lax = Understanding {
            profile: Profile::Aws,
            enforces: Enforced::NONE.with(Declaration::Header(ChecksumAlgorithm::Crc32)),
        };
        let left = lax.under(ChecksumRule::Passthrough).left;
        assert!(left.holds(Declaration::Header(ChecksumAlgorithm::Crc32)));
        assert!(!left.holds(Declaration::Literal));
        assert!(!left.holds(Declaration::Trailer(ChecksumAlgorithm::Crc32)));
    }
}
