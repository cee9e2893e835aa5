//! Why a secret was not read, for the operator. Neither a secret nor a word that a manager made up is in it.

use super::payload::PayloadFlaw;
use crate::config::SecretRefError;
use crate::credentials::SourceError;
use crate::fetch::FetchError;
use http::StatusCode;

/// Why a secret was not read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The manager cannot be reached, or its CA cannot be read.
    #[error("the secret manager cannot be asked")]
    Fetch(#[from] FetchError),
    /// Nothing proves to the manager who we are.
    #[error("there is nothing that opens the secret manager: {0}")]
    Identity(String),
    /// What proves it cannot be prepared.
    #[error("what opens the secret manager cannot be used")]
    Source(#[from] SourceError),
    /// The token by which Vault knows us cannot be read.
    #[error("the token for Vault cannot be read")]
    Token(#[from] SecretRefError),
    /// The manager refused.
    #[error("{manager} refused ({status}, `{code}`): {hint}")]
    Refused {
        /// Its name.
        manager: &'static str,
        /// HTTP status.
        status: StatusCode,
        /// Its error code, if it is one that is known.
        code: &'static str,
        /// What to look at.
        hint: &'static str,
    },
    /// The answer is not one of such a manager.
    #[error("the answer of {manager} is not usable: {problem}")]
    Answer {
        /// Its name.
        manager: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// What is in the secret is not what the reference speaks of.
    #[error("version `{version}` is not usable: {flaw}")]
    Payload {
        /// Which version.
        version: Box<str>,
        /// What is wrong with it.
        flaw: PayloadFlaw,
    },
    /// A region is needed, and none is known.
    #[error("no region is known for it: set `region` in `[secrets.aws]`, or write the whole ARN")]
    NoRegion,
    /// It is not on this machine, and managers are not asked here.
    #[error("`{0}` is in a secret manager, which is not asked here")]
    Offline(String),
    /// The secret was not read yet.
    #[error("it is not read yet")]
    NotYet,
}

/// The code of `known` that `text` is. Whatever else a manager says is not repeated: it may be anything.
pub(super) fn code(text: &str, known: &[&'static str]) -> &'static str {
    known
        .iter()
        .find(|code| **code == text)
        .copied()
        .unwrap_or("unknown")
}
