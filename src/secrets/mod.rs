//! Secrets in secret managers: read where references point, polled, and kept while a manager is down.
//!
//! A secret that is rotated is picked up within a poll. One that cannot be read any more (deleted, disabled, permission
//! lost, garbage) changes nothing but the health report: what was read last works on. The hazards: an answer of
//! something that is no secret manager (each is read strictly, and nothing is followed), a secret that ends up in a
//! message (errors are made of codes and words of our own), and halves of a key that do not belong together (what is
//! read at once has one version). Knows nothing of what a secret is for.
//!
//! Each manager has a file, and is asked over [`crate::fetch::Fetcher`]: a secret is one call, and a client library for
//! each of them would be larger than everything else here.

mod aws;
mod azure;
mod azure_identity;
mod error;
mod gcp;
mod manager;
mod payload;
mod reader;
mod vault;
mod vault_login;
mod watched;

#[cfg(test)]
pub(crate) mod tests;

pub use error::SecretError;
pub(crate) use payload::Payload;
pub use payload::PayloadFlaw;
pub use reader::{SecretReader, Surveyed, survey};
pub(crate) use reader::{of_age, version_here};
pub(crate) use watched::Watched;

use aws_lc_rs::{hmac, rand};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use std::sync::OnceLock;

/// A version of a secret.
#[derive(Debug)]
pub(crate) struct Versioned {
    pub(crate) payload: Payload,
    /// As its manager calls it.
    pub(crate) version: Box<str>,
    /// When it was made, if its manager says so.
    pub(crate) created_at: Option<Timestamp>,
}

/// The version of what has none: the same for the same secret, as long as this process lives.
///
/// It is a MAC under a key that is made at the start and never leaves memory: a plain hash would let whoever reads logs
/// try out passwords.
pub(crate) fn fingerprint(kind: &str, secret: &[u8]) -> Box<str> {
    static KEY: OnceLock<Option<hmac::Key>> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).ok()?;
        Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    });
    match key {
        Some(key) => {
            let tag = hmac::sign(key, secret);
            let start = tag.as_ref().get(..4).unwrap_or_default();
            format!("{kind}-{}", HEXLOWER.encode(start)).into()
        }
        None => kind.into(),
    }
}
