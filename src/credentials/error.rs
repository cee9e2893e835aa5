//! Why there is no credential: in the words of the source for the operator, and for the pipeline.

use super::google::GoogleError;
use crate::clock::Drift;
use crate::session_policy::NarrowingError;
use crate::{config::SecretRefError, fetch::FetchError, issuer::IssuerError};
use http::StatusCode;
use std::{path::PathBuf, time::Duration};

/// Why a request cannot be signed. The caller gets 503 and is asked to come back.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// There is no credential that is still good, and none could be had.
    #[error("no credential for the target can be had now; next attempt in {retry_after:?}")]
    Unavailable {
        /// When it makes sense to come back.
        retry_after: Duration,
    },
}

impl CredentialError {
    /// When it makes sense to come back.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Unavailable { retry_after } => *retry_after,
        }
    }
}

/// Why a source gave no credential. For the operator's log; no secret or token is in it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A reference to a secret leads nowhere.
    #[error("a key of the target cannot be read")]
    Secret(#[from] SecretRefError),
    /// A secret of a manager that is not asked here.
    #[error("a key of the target cannot be read")]
    Managed(#[source] Box<crate::secrets::SecretError>),
    /// A secret that its manager has not given.
    #[error("`{reference}` cannot be read: {cause}")]
    NotRead {
        /// Its reference.
        reference: String,
        /// Why, with all causes.
        cause: String,
    },
    /// A part of the credential cannot be one.
    #[error("the {0} is malformed: it must be one word of visible ASCII and nothing else")]
    Malformed(&'static str),
    /// The identity token's file cannot be read.
    #[error("cannot read the identity token from `{path}`")]
    TokenFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What is in the identity token's file is no token.
    #[error("`{path}` holds no identity token: {problem}")]
    Token {
        /// Which file.
        path: PathBuf,
        /// Why.
        problem: &'static str,
    },
    /// Tidegate is asked for a token of its own, and is no issuer.
    #[error("there is no `[issuer]`, so there is no token of Tidegate's own")]
    NoIssuer,
    /// Tidegate's own token could not be made.
    #[error("no identity token of Tidegate's own can be made")]
    Issuer(#[from] IssuerError),
    /// The machine has no credentials of its own, or they cannot be had.
    #[error("this machine has no AWS credentials that could sign the call: {0}")]
    Ambient(String),
    /// No session policy can be made.
    #[error("the session cannot be narrowed")]
    Narrowing(#[from] NarrowingError),
    /// It neither gave one nor said why not.
    #[error(
        "whoever gives the credential did not answer within {after:?}: see whether the token service, or this machine's \
         metadata service or `credential_process`, hangs"
    )]
    Silent {
        /// How long it was waited for.
        after: Duration,
    },
    /// It said that it is asked too often.
    #[error("the security token service was asked too often, and is left alone for some seconds")]
    Resting,
    /// It failed, and the clocks may be why.
    #[error("the clock of whoever was asked is {drift} of this machine's, and one of the two is wrong")]
    Drifting {
        /// Theirs minus ours.
        drift: Drift,
        /// What failed.
        #[source]
        source: Box<SourceError>,
    },
    /// The call of the security token service could not be signed.
    #[error("the call of the security token service could not be signed")]
    Signature,
    /// The security token service cannot be reached, or its CA cannot be read.
    #[error("the security token service cannot be asked")]
    Fetch(#[from] FetchError),
    /// The security token service refused.
    #[error("the security token service refused ({status}, `{code}`): {message}; {hint}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// Its error code.
        code: String,
        /// Its message, shortened, without the token.
        message: String,
        /// What to look at.
        hint: &'static str,
    },
    /// Google gave no token.
    #[error(transparent)]
    Google(#[from] GoogleError),
    /// What it answered is not a usable credential.
    #[error("the answer of the security token service is not usable: {0}")]
    Answer(&'static str),
}
