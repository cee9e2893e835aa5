//! Why Google gave no token. For the operator alone: no token, assertion or key is in it.

use super::Service;
use crate::fetch::FetchError;
use http::StatusCode;
use std::path::PathBuf;

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
pub enum GoogleError {
    /// It cannot be reached, or did not answer in time.
    #[error("{service} cannot be asked")]
    Unreachable {
        /// Which.
        service: Service,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// It refused.
    #[error("{service} refused ({status}, `{code}`): {message}; {hint}")]
    Refused {
        /// Which.
        service: Service,
        /// HTTP status.
        status: StatusCode,
        /// Its error code.
        code: String,
        /// Its message, shortened, without what was sent.
        message: String,
        /// What to look at.
        hint: &'static str,
    },
    /// What it answered is no usable token.
    #[error("the answer of {service} is not usable: {problem}")]
    Answer {
        /// Which.
        service: Service,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Something else than the metadata server answered.
    #[error(
        "what answers in the place of the metadata server does not say `Metadata-Flavor: Google`: this is no machine of Google's, or `metadata_endpoint` leads elsewhere"
    )]
    NoFlavor,
    /// The key file cannot be read.
    #[error("cannot read the service account's key from `{path}`")]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others may read the key file.
    #[error(
        "others may read `{path}` (mode {mode:04o}), and whoever does is the service account; run `chmod 600` on it"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What is in the file is no key of a service account.
    #[error("`{path}` holds no usable key of a service account: {problem}")]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The assertion could not be signed.
    #[error("the assertion of the service account could not be signed")]
    Signature,
    /// The configuration names a kind of credentials that is none of Google's.
    #[error("these credentials are none of Google's")]
    NotGoogles,
}
