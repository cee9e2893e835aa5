//! What keeps tokens from being minted.

use crate::files::ReplaceError;
use std::{fmt, io, path::PathBuf};

/// Why there is no token, or no signing key.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The file cannot be read.
    #[error("cannot read the issuer's keys from `{path}`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read the file.
    #[error("`{path}` can be read by others (mode {mode:04o}): run `chmod 600 {path}`")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What is in the file are no signing keys.
    #[error("`{path}` holds no usable signing keys: {flaw}")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        flaw: KeysFlaw,
    },
    /// It is there already.
    #[error("`{0}` exists and is not overwritten: its keys may be in use")]
    Exists(PathBuf),
    /// Nothing can be written.
    #[error("cannot write `{path}`")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is being replaced by another command, or cannot be.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// All keys are of the future.
    #[error("no key in `{0}` may sign yet: check the clock of this machine, or wait")]
    NothingSigns(PathBuf),
    /// A key that is to go is not there.
    #[error("there is no key `{id}` in `{path}`; there are {}", known.join(", "))]
    NoSuchKey {
        /// Which file.
        path: PathBuf,
        /// What was said.
        id: Box<str>,
        /// What there is.
        known: Vec<Box<str>>,
    },
    /// Without the keys that are to go, nothing can be signed.
    #[error(
        "no key of `{0}` would be left that signs now: `tidegate issuer rotate {0} --now --drop ID` puts a new one in its place"
    )]
    NothingWouldSign(PathBuf),
    /// No random bytes, or no signature.
    #[error("the cryptographic library failed")]
    Crypto,
}

/// What is wrong with a file of signing keys. Nothing of its content is in it, but ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysFlaw {
    /// It is no TOML of the shape that is expected.
    Syntax {
        /// From 1.
        line: usize,
        /// What the parser found.
        problem: String,
    },
    /// There is no key in it.
    Empty,
    /// It is far larger than keys are.
    TooLarge(u64),
    /// The id of a key has characters that it must not have.
    Id(usize),
    /// Two keys have this id.
    DuplicateId(Box<str>),
    /// It is no RSA key of 2048 to 4096 bits in PKCS #8.
    Key(Box<str>),
}

impl fmt::Display for KeysFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, problem } => write!(f, "line {line}: {problem}"),
            Self::Empty => f.write_str("there is no `[[keys]]` in it"),
            Self::TooLarge(limit) => write!(f, "it is larger than {limit} bytes"),
            Self::Id(nth) => write!(
                f,
                "the `id` of key {nth} is not 8 to 32 of lower-case letters and digits"
            ),
            Self::DuplicateId(id) => write!(f, "two keys have the id `{id}`"),
            Self::Key(id) => write!(
                f,
                "the `private_key` of `{id}` is not an RSA key of 2048 to 4096 bits as PKCS #8 PEM"
            ),
        }
    }
}
