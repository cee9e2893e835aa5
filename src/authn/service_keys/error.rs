//! Why a service key is refused, and why the file of them is: the one in words for callers, both for the operator.

use super::Standing;
use crate::{authn::Revocation, files::ReplaceError};
use jiff::Timestamp;
use std::{io, net::IpAddr, path::PathBuf};

/// Why a caller who holds the secret of a service key is refused all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceKeyRefusal {
    /// The operator has no `[service_keys]`, or `enabled = false`.
    #[error("service keys are switched off")]
    Off,
    /// Service keys have no session.
    #[error("it came with a session token")]
    SessionToken,
    /// It was valid until then.
    #[error("it expired at `{0}`")]
    Expired(Timestamp),
    /// It was revoked.
    #[error("it was revoked at `{0}`")]
    Revoked(Timestamp),
    /// A revocation of its principal, or of everything before a time.
    #[error("it is revoked by an entry of the revocations: {0}")]
    Listed(Box<Revocation>),
    /// Its record lists other networks.
    #[error("it is used from `{0}`, which is none of its source addresses")]
    SourceAddress(IpAddr),
}

impl ServiceKeyRefusal {
    /// For whoever looks after a tool that cannot help itself: which key, since when, and what to ask for.
    pub fn told(&self, id: &str) -> String {
        match self {
            Self::Off => {
                "service keys are switched off at this endpoint. Use a session, or ask its operator."
                    .to_owned()
            }
            Self::SessionToken => format!(
                "{id} is a service key and has no session token. Take the session token out of the tool's settings."
            ),
            Self::Expired(at) => format!(
                "service key {id} expired on {at:.0}. It does not renew itself: ask the operator of this endpoint for a \
                 new one."
            ),
            Self::Revoked(at) => format!(
                "service key {id} was revoked on {at:.0}. Ask the operator of this endpoint for a new one."
            ),
            Self::Listed(revocation) => {
                format!(
                    "service key {id} was {}. Ask the operator of this endpoint.",
                    revocation.told()
                )
            }
            Self::SourceAddress(from) => format!(
                "service key {id} may not be used from this network ({from}). Use it where it belongs, or ask the \
                 operator of this endpoint."
            ),
        }
    }
}

/// Why service keys cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceKeysError {
    /// The file cannot be read, or must not be.
    #[error("cannot read service keys `{path}`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What it says cannot be used.
    #[error("{path}:{line}: {problem}")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// With what would be right.
        problem: String,
    },
    /// It cannot be replaced now.
    #[error("the service keys are as they were")]
    Replace(#[from] ReplaceError),
    /// No such key.
    #[error("there is no service key `{0}`; `tidegate service-keys list` shows those that there are")]
    NoSuchKey(Box<str>),
    /// It is over already.
    #[error("service key `{id}` is {}; make a new one with `tidegate service-keys create`", .standing.name())]
    Ended {
        /// Which.
        id: Box<str>,
        /// How.
        standing: Standing,
    },
    /// Another key has its place already.
    #[error("service key `{id}` was rotated already; rotate `{by}`, which took over from it")]
    Replaced {
        /// Which.
        id: Box<str>,
        /// Its successor.
        by: Box<str>,
    },
    /// A key that cannot be made.
    #[error("{0}")]
    Terms(String),
    /// No key of the ring may seal at this time.
    #[error("no key of the key ring may seal now; check `seals_from` and the clock")]
    NoSealingKey,
    /// Random bytes failed.
    #[error("the system's random generator failed")]
    Crypto,
}
