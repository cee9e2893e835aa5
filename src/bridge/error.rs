//! Why a canary found out nothing.

use crate::audit::AuditUnavailable;
use crate::body::BodyError;
use crate::credentials::CredentialError;
use crate::signing::SigningError;
use crate::upstream::UpstreamError;
use std::time::Duration;

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CanaryError {
    /// There is no bucket to put it into.
    #[error("no bucket is mapped to it; map one, or name a place with `canary`")]
    NoPlace,
    /// There is nothing to sign with.
    #[error("there is no credential for it")]
    Credential(#[from] CredentialError),
    /// A request could not be put together.
    #[error("a request could not be signed")]
    Signing(#[from] SigningError),
    /// The target cannot be used.
    #[error("it cannot be reached")]
    Upstream(#[from] UpstreamError),
    /// The answer broke off.
    #[error("its answer broke off")]
    Answer(#[from] BodyError),
    /// Even the plainest way is closed.
    #[error(
        "it answers {answer} to {what}: its credential must be allowed to put, get and delete `{bucket}/{prefix}/*`"
    )]
    Refused {
        /// What was tried.
        what: &'static str,
        /// Status and code.
        answer: String,
        /// The bucket's name there.
        bucket: String,
        /// What the keys begin with.
        prefix: String,
    },
    /// It is too busy to say anything about itself.
    #[error("it answers {0}")]
    Busy(String),
    /// Bytes went in and others came out.
    #[error("what it gives back is not what was put: do not use it")]
    Altered,
    /// It cannot be recorded.
    #[error("it cannot be recorded")]
    Unrecorded(#[from] AuditUnavailable),
    /// We are told to stop.
    #[error("there was no time left for it")]
    Stopped,
    /// All of it took too long.
    #[error("it takes longer than {0:?}")]
    TimedOut(Duration),
}
