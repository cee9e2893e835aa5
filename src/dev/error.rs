//! Why there is no development environment, or none that works.

use super::identity_provider::SampleIdentity;
use crate::config::ConfigErrors;
use crate::run::StartError;
use std::{io, net::SocketAddr, path::PathBuf};

/// Why `tidegate dev` ended.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// A file or folder of the environment.
    #[error("cannot use `{path}`")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Two servers would take each other's ports and overwrite each other's addresses.
    #[error("another `tidegate dev` serves from `{0}`: end it, or choose another folder with `--dir`")]
    Busy(PathBuf),
    /// Tokens need the key of an identity provider.
    #[error(
        "there is no development environment in `{0}`: run `tidegate dev` first, or name its folder with `--dir`"
    )]
    Missing(PathBuf),
    /// Nobody of that name.
    #[error("`{0}` is not a sample identity: expected one of {expected}", expected = SampleIdentity::names())]
    UnknownIdentity(String),
    /// The environment's `tidegate.toml` was changed beyond what can be understood here.
    #[error("`{path}`: {problem}; mend it, or delete it to have it made anew")]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The environment's `tidegate.toml` is not valid.
    #[error(transparent)]
    Invalid(#[from] ConfigErrors),
    /// The key ring.
    #[error("cannot make the key ring of the sessions")]
    KeyRing(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else has the address.
    #[error("`{0}` is taken: choose another address with `--listen`, such as `--listen 127.0.0.1:0`")]
    Taken(SocketAddr),
    /// The store.
    #[error("cannot start the store")]
    Store(#[source] io::Error),
    /// The identity provider.
    #[error("cannot start the identity provider")]
    Provider(#[source] io::Error),
    /// Tidegate itself.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The proof.
    #[error("the proof failed at step {step}: expected {expected}, got {found}")]
    Proof {
        /// Counted from 1, as printed.
        step: usize,
        /// What should have happened.
        expected: String,
        /// What did.
        found: String,
    },
    /// The runtime, or the server's task.
    #[error("Tidegate ended by itself")]
    Ended,
    /// Standard output does not take any more.
    #[error(transparent)]
    Output(io::Error),
}

impl DevError {
    /// For `map_err`: the file that an error was about.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
