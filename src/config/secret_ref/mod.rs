//! References to secrets: the configuration says where a secret is, never what it is.

mod managed;

pub(super) use managed::scheme;
pub use managed::{ManagedSecret, SecretManager, SecretPlace};

use crate::secret::Secret;
use jiff::Timestamp;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Longest secret, in bytes: tokens of identity platforms have up to 12 KiB.
pub(crate) const LONGEST: u64 = 64 << 10;

/// A key pair by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticKeys {
    /// Access key id.
    pub access_key_id: SecretRef,
    /// Secret access key.
    pub secret_access_key: SecretRef,
    /// Session token, for temporary keys.
    pub session_token: Option<SecretRef>,
}

/// Where a secret is kept: `env:NAME`, `file:PATH`, or in a secret manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Env(Box<str>),
    /// A file; trailing line ends are not part of the secret.
    File(PathBuf),
    /// A secret manager.
    Managed(Box<ManagedSecret>),
}

/// A secret as it was found on this machine.
#[derive(Debug)]
pub struct Found {
    /// What it is.
    pub secret: Secret,
    /// When the file was written; an environment does not say.
    pub written_at: Option<Timestamp>,
}

/// A secret that could not be read. The value is never in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretRefError {
    /// The variable is not set or not UTF-8.
    #[error("environment variable `{0}` is not set")]
    Env(Box<str>),
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("`{0}` is empty")]
    Empty(String),
    /// There is far more in it than a secret has.
    #[error("`{0}` is larger than {LONGEST} bytes")]
    TooLarge(String),
    /// It is not on this machine.
    #[error("`{0}` is read from its secret manager while Tidegate serves, and not here")]
    Elsewhere(String),
}

impl SecretRef {
    /// Reads a secret that is on this machine.
    ///
    /// # Errors
    /// [`SecretRefError`] says which reference failed and how.
    pub fn resolve(&self) -> Result<Secret, SecretRefError> {
        self.find().map(|found| found.secret)
    }

    /// As [`SecretRef::resolve`], with its age.
    ///
    /// # Errors
    /// As [`SecretRef::resolve`].
    pub fn find(&self) -> Result<Found, SecretRefError> {
        let mut written_at = None;
        let (name, value) = match self {
            #[allow(
                clippy::disallowed_methods,
                reason = "`config` is the room that reads the environment"
            )]
            Self::Env(name) => {
                let value = std::env::var(&**name).map_err(|_| SecretRefError::Env(name.clone()))?;
                (format!("env:{name}"), value.into_bytes())
            }
            Self::File(path) => {
                let (value, at) = read(path).map_err(|source| SecretRefError::File {
                    path: path.clone(),
                    source,
                })?;
                written_at = at;
                (format!("file:{}", path.display()), value)
            }
            Self::Managed(_) => return Err(SecretRefError::Elsewhere(self.to_string())),
        };
        if value.len() as u64 > LONGEST {
            return Err(SecretRefError::TooLarge(name));
        }
        let end = value
            .iter()
            .rposition(|b| !b.is_ascii_whitespace())
            .map_or(0, |last| last + 1);
        let value = value.get(..end).unwrap_or_default();
        if value.is_empty() {
            Err(SecretRefError::Empty(name))
        } else {
            Ok(Found {
                secret: Secret::new(value),
                written_at,
            })
        }
    }

    /// What a secret manager keeps.
    pub fn managed(&self) -> Option<&ManagedSecret> {
        match self {
            Self::Managed(secret) => Some(secret),
            Self::Env(_) | Self::File(_) => None,
        }
    }
}

/// As it is written; a path as it is resolved.
impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Managed(secret) => secret.fmt(f),
        }
    }
}

/// Images of containers and package managers set all times to one near the epoch: those say nothing about an age.
const EARLIEST: i64 = 1_000_000_000;

/// One byte more than a secret may have, so that a longer one is seen and a device without end is not read for ever.
/// Content and time are of one open file, whatever is renamed meanwhile.
fn read(path: &Path) -> std::io::Result<(Vec<u8>, Option<Timestamp>)> {
    let mut value = Vec::new();
    let file = std::fs::File::open(path)?;
    let written_at = file.metadata()?.modified().ok();
    let written_at = written_at.and_then(|at| Timestamp::try_from(at).ok());
    file.take(LONGEST + 1).read_to_end(&mut value)?;
    Ok((value, written_at.filter(|at| at.as_second() >= EARLIEST)))
}
