//! The key ring: the secrets behind every session, shared by all replicas as one small file.
//!
//! Sessions are stateless, so whoever holds these keys can make any session. The ring therefore refuses weak or
//! exposed keys instead of warning about them, never shows a secret, and never uses a ring secret itself: each
//! purpose has a sub-key of its own, so that a token made for one purpose means nothing to another.
//!
//! The newest key that may seal seals; all keys open. A key may be announced before it seals (`seals_from`), so
//! that replicas which get the file in any order understand each other. Taking a key out of the file revokes
//! every session, every upload id and every service key that it made.

mod file;
#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::files::ReplaceError;
use aws_lc_rs::{error::Unspecified, hkdf, hmac};
use jiff::Timestamp;
use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The keys of one file, checked.
pub struct KeyRing {
    // INVARIANT: at least one key; ids and secrets differ; in the order in which they begin to seal.
    keys: Vec<RingKey>,
}

/// One key of the ring.
pub(super) struct RingKey {
    id: Box<str>,
    seals_from: Option<Timestamp>,
    session: SubKeys,
    secret_access_key: SubKeys,
    upload_id: SubKeys,
    continuation_token: SubKeys,
    rewrite_token: SubKeys,
    upload_session: SubKeys,
    access_token: SubKeys,
    cookie: SubKeys,
    login_state: SubKeys,
    service_key: SubKeys,
}

/// What a ring key becomes for one purpose. The ring key itself is not kept.
pub(super) struct SubKeys {
    /// Makes keys.
    pub(super) derivation: hkdf::Prk,
    /// Makes MACs.
    pub(super) mac: hmac::Key,
}

/// What a sub-key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Seals session tokens.
    Session,
    /// Derives secret access keys from session ids.
    SecretAccessKey,
    /// Seals upload ids.
    UploadId,
    /// Seals continuation tokens of listings.
    ContinuationToken,
    /// Seals rewrite tokens of Google's JSON API.
    RewriteToken,
    /// Seals upload ids of Google's JSON API.
    UploadSession,
    /// Seals access tokens, which are sessions that are presented by themselves.
    AccessToken,
    /// Seals the sessions of browsers.
    Cookie,
    /// Seals what a browser carries between the two halves of a login.
    LoginState,
    /// Derives the secrets of service keys from their ids.
    ServiceKey,
}

impl Purpose {
    /// Every purpose.
    #[cfg(test)]
    pub(super) const ALL: [Self; 10] = [
        Self::Session,
        Self::SecretAccessKey,
        Self::UploadId,
        Self::ContinuationToken,
        Self::RewriteToken,
        Self::UploadSession,
        Self::AccessToken,
        Self::Cookie,
        Self::LoginState,
        Self::ServiceKey,
    ];

    /// The label that separates this purpose from all others. Changing one ends everything made with it.
    pub(super) const fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"tidegate session token v1",
            Self::SecretAccessKey => b"tidegate secret access key v1",
            Self::UploadId => b"tidegate upload id v1",
            Self::ContinuationToken => b"tidegate continuation token v1",
            Self::RewriteToken => b"tidegate rewrite token v1",
            Self::UploadSession => b"tidegate upload session v1",
            Self::AccessToken => b"tidegate access token v1",
            Self::Cookie => b"tidegate cookie v1",
            Self::LoginState => b"tidegate login state v1",
            Self::ServiceKey => b"tidegate service key v1",
        }
    }
}

impl KeyRing {
    /// Reads the ring. On Unix the file must be closed to group and others (mode `0600` or less).
    ///
    /// # Errors
    /// [`KeyRingError`] if the file cannot be read, is open to others, is not a key ring, holds a weak key, or
    /// no key in it may seal yet.
    pub fn load(path: &Path, clock: &Clock) -> Result<Self, KeyRingError> {
        let ring = Self::from_entries(&file::read(path)?).map_err(|_| KeyRingError::Crypto)?;
        if ring.sealing(clock.now()).is_none() {
            return Err(KeyRingError::invalid(path, KeyRingFlaw::NothingSeals));
        }
        Ok(ring)
    }

    /// Writes a new ring with one key, mode `0600`, and returns the key's id.
    ///
    /// # Errors
    /// [`KeyRingError::Exists`] rather than overwriting; otherwise why it could not be written.
    pub fn create(path: &Path, clock: &Clock) -> Result<Box<str>, KeyRingError> {
        file::create(path, clock.now())
    }

    /// Adds a key that seals from `seals_after` from now on, and drops keys that were superseded more than 91 days
    /// ago: no session, no service key and hardly an upload of theirs can be alive. The file is replaced at once,
    /// never half-written.
    ///
    /// # Errors
    /// [`KeyRingError`] if the present ring cannot be read or the new one not be written; the file is then as
    /// it was.
    pub fn rotate(path: &Path, clock: &Clock, seals_after: Duration) -> Result<Rotated, KeyRingError> {
        Self::rotate_out(path, clock, seals_after, &[])
    }

    /// As [`KeyRing::rotate`], and takes the keys `drops` out at once: everything that they made ends.
    ///
    /// # Errors
    /// As for [`KeyRing::rotate`]; [`KeyRingError::NoSuchKey`] for an id that is not in the ring, and
    /// [`KeyRingError::NothingWouldSeal`] if no key were left that seals now.
    pub fn rotate_out(
        path: &Path,
        clock: &Clock,
        seals_after: Duration,
        drops: &[Box<str>],
    ) -> Result<Rotated, KeyRingError> {
        let adds = Some(seals_after);
        file::change(path, clock.now(), &file::Change { adds, drops })
    }

    /// Takes the keys `drops` out at once: everything that they made ends.
    ///
    /// # Errors
    /// As for [`KeyRing::rotate_out`].
    pub fn drop_keys(path: &Path, clock: &Clock, drops: &[Box<str>]) -> Result<Rotated, KeyRingError> {
        file::change(path, clock.now(), &file::Change { adds: None, drops })
    }

    fn from_entries(entries: &[file::Entry]) -> Result<Self, Unspecified> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tidegate key ring v1");
        let keys = entries.iter().map(|entry| {
            let root = salt.extract(entry.secret.expose());
            Ok(RingKey {
                id: entry.id.clone(),
                seals_from: entry.seals_from,
                session: SubKeys::derive(&root, Purpose::Session)?,
                secret_access_key: SubKeys::derive(&root, Purpose::SecretAccessKey)?,
                upload_id: SubKeys::derive(&root, Purpose::UploadId)?,
                continuation_token: SubKeys::derive(&root, Purpose::ContinuationToken)?,
                rewrite_token: SubKeys::derive(&root, Purpose::RewriteToken)?,
                upload_session: SubKeys::derive(&root, Purpose::UploadSession)?,
                access_token: SubKeys::derive(&root, Purpose::AccessToken)?,
                cookie: SubKeys::derive(&root, Purpose::Cookie)?,
                login_state: SubKeys::derive(&root, Purpose::LoginState)?,
                service_key: SubKeys::derive(&root, Purpose::ServiceKey)?,
            })
        });
        Ok(Self {
            keys: keys.collect::<Result<_, Unspecified>>()?,
        })
    }

    /// The ids of all keys, in the order in which they begin to seal. They are not secret: sessions carry them.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(RingKey::id)
    }

    /// The newest key that may seal at `now`.
    pub(super) fn sealing(&self, now: Timestamp) -> Option<&RingKey> {
        let mut newest_first = self.keys.iter().rev();
        newest_first.find(|key| key.seals_from.is_none_or(|from| from <= now))
    }

    /// The key with this id; it may open, whatever its age.
    pub(super) fn find(&self, id: &[u8]) -> Option<&RingKey> {
        self.keys.iter().find(|key| key.id.as_bytes() == id)
    }

    /// A ring for tests of other rooms; equal `seed`s (1 to 255) make equal rings.
    #[cfg(test)]
    pub(crate) fn for_test(seed: u8) -> std::sync::Arc<Self> {
        let secret: Vec<u8> = (0..32)
            .map(|i| seed.wrapping_mul(31).wrapping_add(i * 7))
            .collect();
        let entry = file::Entry {
            id: format!("testkey{seed:03}").into(),
            created: Timestamp::UNIX_EPOCH,
            seals_from: None,
            secret: crate::secret::Secret::new(secret),
        };
        std::sync::Arc::new(Self::from_entries(&[entry]).unwrap())
    }
}

impl RingKey {
    /// `[a-z0-9]{8,32}`.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The only way to this key's secret.
    pub(super) fn sub_keys(&self, purpose: Purpose) -> &SubKeys {
        match purpose {
            Purpose::Session => &self.session,
            Purpose::SecretAccessKey => &self.secret_access_key,
            Purpose::UploadId => &self.upload_id,
            Purpose::ContinuationToken => &self.continuation_token,
            Purpose::RewriteToken => &self.rewrite_token,
            Purpose::UploadSession => &self.upload_session,
            Purpose::AccessToken => &self.access_token,
            Purpose::Cookie => &self.cookie,
            Purpose::LoginState => &self.login_state,
            Purpose::ServiceKey => &self.service_key,
        }
    }
}

impl SubKeys {
    fn derive(root: &hkdf::Prk, purpose: Purpose) -> Result<Self, Unspecified> {
        let label = purpose.label();
        Ok(Self {
            derivation: root.expand(&[label, b": derivation"], hkdf::HKDF_SHA256)?.into(),
            mac: root.expand(&[label, b": mac"], hmac::HMAC_SHA256)?.into(),
        })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing ")?;
        f.debug_list().entries(self.ids()).finish()
    }
}

/// What became of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The new key, if one was added, and when it begins to seal. By then every replica must have the file.
    pub added: Option<(Box<str>, Timestamp)>,
    /// Keys that are gone: those that were named, then those past use, oldest first.
    pub dropped: Vec<Box<str>>,
    /// Keys that still open, oldest first; the new one is not among them.
    pub kept: Vec<Box<str>>,
}

/// Why a key ring cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// It cannot be read.
    #[error("cannot read key ring `{path}`; `tidegate keys new` makes one")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others can read or change it.
    #[error("key ring `{path}` is open to others (mode {mode:04o}); run `chmod 600 {path}`")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What it says cannot be used.
    #[error("key ring `{path}` cannot be used")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        flaw: KeyRingFlaw,
    },
    /// There is something already, and it stays.
    #[error("`{0}` exists; `tidegate keys rotate` adds a key to it")]
    Exists(PathBuf),
    /// It is being changed already, or cannot be replaced.
    #[error("the key ring is as it was")]
    Replace(#[from] ReplaceError),
    /// A key that is to be dropped is not in it.
    #[error("key ring `{path}` has no key `{id}`; it has {}", .known.join(", "))]
    NoSuchKey {
        /// Which file.
        path: PathBuf,
        /// The key that was named.
        id: Box<str>,
        /// Those that there are.
        known: Vec<Box<str>>,
    },
    /// Dropping the keys would leave no session to be made.
    #[error(
        "key ring `{0}` would have no key that may seal now; `tidegate keys rotate --seals-after 0s --drop` puts one there"
    )]
    NothingWouldSeal(PathBuf),
    /// It cannot be written.
    #[error("cannot write key ring `{path}`")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Random bytes or a cipher failed.
    #[error("the system's random generator or a cipher failed")]
    Crypto,
}

impl KeyRingError {
    fn invalid(path: &Path, flaw: KeyRingFlaw) -> Self {
        let path = path.to_owned();
        Self::Invalid { path, flaw }
    }
}

/// What is wrong with the content of a key ring. Never quotes the file: any part of it may be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingFlaw {
    /// Not TOML, or not in the shape of a key ring.
    #[error(
        "line {line}: {problem}; a `[[keys]]` entry has `id`, `created`, `secret` and optionally `seals_from`"
    )]
    Syntax {
        /// From 1.
        line: usize,
        /// Without values.
        problem: String,
    },
    /// Larger than any ring.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// No `[[keys]]` at all.
    #[error("it has no key; `tidegate keys new` makes a ring")]
    Empty,
    /// An id that is not acceptable.
    #[error("the id of key {0} (counted from 1) must be 8 to 32 characters `a-z` and `0-9`")]
    Id(usize),
    /// Two keys with one id.
    #[error("two keys have the id `{0}`")]
    DuplicateId(Box<str>),
    /// Two keys with one secret.
    #[error("keys `{0}` and `{1}` have the same secret")]
    DuplicateSecret(Box<str>, Box<str>),
    /// A secret that could be guessed.
    #[error(
        "the secret of key `{id}` {why}; it must be base64 of 32 random bytes, as `tidegate keys new` makes it"
    )]
    Weak {
        /// Which key.
        id: Box<str>,
        /// A verb phrase.
        why: &'static str,
    },
    /// Every key has `seals_from` in the future.
    #[error("none of its keys may seal yet: every `seals_from` is in the future")]
    NothingSeals,
}
