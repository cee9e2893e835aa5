//! The outcomes of a decision: proof that an operation is allowed, or why it is not.

use super::tagging::TaggingError;
use crate::config::Bucket;
use crate::operation::{BucketName, ObjectDeletion, Operation};
use std::sync::Arc;

/// Proof that every access of a call is allowed: of an operation of S3, or of a [`Call`](crate::operation::gcs::Call).
/// Made only in this room.
#[derive(Debug)]
pub struct Permit<C = Operation> {
    pub(super) operation: C,
    pub(super) bucket: Option<Arc<Bucket>>,
    pub(super) source_bucket: Option<Arc<Bucket>>,
    pub(super) policies: Vec<Box<str>>,
    pub(super) refused: Vec<(ObjectDeletion, Denied)>,
    pub(super) visible_buckets: Vec<BucketName>,
}

impl<C> Permit<C> {
    /// A permit that nobody decided on, for tests of other rooms.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn for_test(
        operation: C,
        bucket: Option<Arc<Bucket>>,
        source_bucket: Option<Arc<Bucket>>,
    ) -> Self {
        Self {
            operation,
            bucket,
            source_bucket,
            policies: Vec::new(),
            refused: Vec::new(),
            visible_buckets: Vec::new(),
        }
    }

    /// What is allowed. Of a DeleteObjects call, only the deletions that are.
    pub fn operation(&self) -> &C {
        &self.operation
    }

    /// What is allowed, taken out: the permit is used up.
    pub fn into_operation(self) -> C {
        self.operation
    }

    /// The bucket it acts on.
    ///
    /// `None` for ListBuckets, and for a DeleteObjects call on a bucket that does not exist, all of whose deletions
    /// are refused. Neither has anything to ask of a target.
    pub fn bucket(&self) -> Option<&Arc<Bucket>> {
        self.bucket.as_ref()
    }

    /// The bucket that a copy reads from. At the same target as [`Permit::bucket`].
    pub fn source_bucket(&self) -> Option<&Arc<Bucket>> {
        self.source_bucket.as_ref()
    }

    /// The ids of the policies that allowed it.
    pub fn policies(&self) -> &[Box<str>] {
        &self.policies
    }

    /// The deletions of a DeleteObjects call that are not allowed, each with its reason. If
    /// [`Permit::operation`] has no deletion left, there is nothing to ask of a target.
    pub fn refused(&self) -> &[(ObjectDeletion, Denied)] {
        &self.refused
    }

    /// For ListBuckets: the buckets in which some policy allows this principal something.
    pub fn visible_buckets(&self) -> &[BucketName] {
        &self.visible_buckets
    }
}

/// Why an operation does not go on.
#[derive(Debug, thiserror::Error)]
pub enum NotPermitted {
    /// Policy does not allow it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Policy would have to decide on tags that are not clear.
    #[error(transparent)]
    Tagging(#[from] TaggingError),
    /// Allowed, but the two buckets are at different targets, and no target can read from another.
    #[error(
        "a copy from bucket `{source_bucket}` to bucket `{bucket}` crosses targets: download the object and upload it"
    )]
    CrossTarget {
        /// Where it would be read.
        source_bucket: BucketName,
        /// Where it would be written.
        bucket: BucketName,
    },
}

/// A denial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// For audit and metrics; not for the caller.
    pub reason: DenyReason,
    /// The ids of the policies that denied it, or failed. Empty if none allowed it.
    pub policies: Vec<Box<str>>,
    /// For the caller: who may not do what, and why. The same whether or not the bucket exists.
    pub message: String,
}

/// A role that is not given. The same whether or not there is such a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RoleDenied {
    /// For the caller: who may not take on what, and why.
    pub message: String,
}

/// What a denial comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenyReason {
    /// No policy allows it.
    NoPermit,
    /// A policy forbids it.
    Forbid,
    /// A policy could not be evaluated. Alarm on it: a prohibition may be broken.
    EvaluationError,
    /// There is no such bucket.
    UnknownBucket,
    /// The bucket has no policy file.
    NoPolicyFile,
    /// A setting that no policy of the bucket grants to anybody, asked for by somebody who has rights there.
    NotOffered,
    /// The bucket's policies allow it, and the session was narrowed to less.
    SessionPolicy,
}

impl DenyReason {
    /// The name for audit records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoPermit => "no-permit",
            Self::Forbid => "forbid",
            Self::EvaluationError => "eval-error",
            Self::UnknownBucket => "unknown-bucket",
            Self::NoPolicyFile => "no-policy-file",
            Self::NotOffered => "not-offered",
            Self::SessionPolicy => "session-policy",
        }
    }
}
