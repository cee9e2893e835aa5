//! For whom and for which places a credential is wanted, and what of that a source makes a difference of.

use crate::authn::{Principal, PrincipalKind};
use crate::authz::Permit;
use crate::config::{Attribution, Bucket};
use crate::operation::{BucketName, KeyPrefix};

/// For whom and for which places a credential is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    principal: Option<&'a Principal>,
    buckets: [Option<&'a Bucket>; 2],
}

impl<'a> Scope<'a> {
    /// What `principal` was permitted.
    pub fn of<C>(principal: &'a Principal, permit: &'a Permit<C>) -> Self {
        let bucket = permit.bucket().map(|bucket| &**bucket);
        let source = permit.source_bucket().map(|bucket| &**bucket);
        Self {
            principal: Some(principal),
            buckets: [bucket, source],
        }
    }

    /// What Tidegate does on its own account: in nobody's name, and wherever the target lets it.
    pub fn own() -> Self {
        Self {
            principal: None,
            buckets: [None, None],
        }
    }

    /// Anything that `principal` does, wherever, for tests of this room.
    #[cfg(test)]
    pub(super) fn for_test(principal: &'a Principal, bucket: Option<&'a Bucket>) -> Self {
        Self {
            principal: Some(principal),
            buckets: [bucket, None],
        }
    }

    /// What a source that attributes and narrows in this way makes of it.
    pub(super) fn session(&self, attribution: Attribution, narrow: bool) -> CloudSession {
        let principal = self
            .principal
            .filter(|_| attribution == Attribution::PerPrincipal)
            .map(|principal| OnBehalfOf {
                id: principal.id().into(),
                kind: principal.kind(),
                issuer: principal.issuer().into(),
            });
        let mut places: Vec<Place> = self
            .buckets
            .iter()
            .flatten()
            .filter(|_| narrow)
            .map(|bucket| Place {
                bucket: bucket.target_bucket.clone(),
                prefix: bucket.prefix.clone(),
            })
            .collect();
        places.sort();
        places.dedup();
        CloudSession { principal, places }
    }
}

/// What a session at the target's cloud is for: everything about a scope that changes what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CloudSession {
    /// In whose name; `None` for a session that is shared.
    pub(super) principal: Option<OnBehalfOf>,
    /// The places that it is narrowed to; none for all that the role may reach.
    pub(super) places: Vec<Place>,
}

/// A principal, as far as clouds are told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OnBehalfOf {
    pub(super) id: Box<str>,
    pub(super) kind: PrincipalKind,
    /// The URL of its issuer.
    pub(super) issuer: Box<str>,
}

/// A part of a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// As the target names it.
    pub(super) bucket: BucketName,
    pub(super) prefix: KeyPrefix,
}
