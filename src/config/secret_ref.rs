//! References to secrets: the configuration says where a secret is, never what it is.

use crate::secret::Secret;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Longest secret, in bytes: tokens of identity platforms have up to 12 KiB.
const LONGEST: u64 = 64 << 10;

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

/// Where a secret is kept: `env:NAME` or `file:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Env(Box<str>),
    /// A file; trailing line ends are not part of the secret.
    File(PathBuf),
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
}

impl SecretRef {
    /// Reads the secret.
    ///
    /// # Errors
    /// [`SecretRefError`] says which reference failed and how.
    pub fn resolve(&self) -> Result<Secret, SecretRefError> {
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
                let value = read(path).map_err(|source| SecretRefError::File {
                    path: path.clone(),
                    source,
                })?;
                (format!("file:{}", path.display()), value)
            }
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
            Ok(Secret::new(value))
        }
    }
}

/// One byte more than a secret may have, so that a longer one is seen and a device without end is not read for ever.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut value = Vec::new();
    std::fs::File::open(path)?
        .take(LONGEST + 1)
        .read_to_end(&mut value)?;
    Ok(value)
}
