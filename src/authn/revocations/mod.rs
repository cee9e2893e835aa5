//! Revocations: sessions that end before their time, and principals who get no more.
//!
//! Sessions are stateless, so what ends one early is a list of conditions, in a file beside the policies that every
//! replica has. An entry matches if all conditions that it gives do: the session, the principal, the role, and that it
//! was issued before a time. It is asked at every use, of whatever kind, and at every door, through one function each.
//!
//! The hazards: a revoked session that narrows itself into another one first (children carry the ids of their
//! ancestors and the time at which the first of them was issued), a revoked person who logs in again (an entry without
//! `issued_before` closes the doors too), a typing error that revokes nothing (unknown keys and entries without a
//! condition are errors), and a list that vanishes (as long as Tidegate runs, the last one stays: no revocation ends
//! because a file was deleted or damaged).

mod edit;
mod file;
#[cfg(test)]
mod tests;

pub use edit::{Edited, add, remove};

use super::{Principal, oidc::Identity};
use crate::files::ReplaceError;
use aws_lc_rs::digest;
use jiff::Timestamp;
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// The revocations of one generation.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    entries: Vec<Revocation>,
    /// Whether there was a file.
    listed: bool,
    digest: [u8; 32],
}

/// One entry. At least one of its conditions is there, and all that are there must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocation {
    /// The id of a session, or the access key id of a service key.
    pub session: Option<Box<str>>,
    /// A principal's id: `google:ana@acme.com`.
    pub principal: Option<Box<str>>,
    /// The name of a role.
    pub role: Option<Box<str>>,
    /// Whatever was issued before.
    pub issued_before: Option<Timestamp>,
    /// Told to whoever is refused.
    pub reason: Option<Box<str>>,
    /// When it was written.
    pub at: Option<Timestamp>,
}

impl Revocations {
    /// Reads the entries of `path`; no file is no entries.
    ///
    /// # Errors
    /// [`RevocationsError`]: one mistake refuses the whole file.
    pub fn load(path: &Path) -> Result<Self, RevocationsError> {
        let Some((entries, text)) = file::read(path)? else {
            return Ok(Self::default());
        };
        let mut sum = [0; 32];
        sum.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Ok(Self {
            entries,
            listed: true,
            digest: sum,
        })
    }

    /// As [`Revocations::load`], while `previous` is in use: a list with entries that is gone is a mistake, because
    /// what it ended would begin to work again. An empty file takes everything back.
    ///
    /// # Errors
    /// [`RevocationsError::Gone`], and those of [`Revocations::load`].
    pub fn reload(path: &Path, previous: &Self) -> Result<Self, RevocationsError> {
        let next = Self::load(path)?;
        if !next.listed && !previous.entries.is_empty() {
            return Err(RevocationsError::Gone {
                path: path.to_owned(),
                entries: previous.entries.len(),
            });
        }
        Ok(next)
    }

    /// All entries, in the order of the file.
    pub fn entries(&self) -> &[Revocation] {
        &self.entries
    }

    /// Tells apart what was loaded; the same on every replica with the same file.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The entry that ends what `principal` came with: a session, an access token, a cookie or a service key.
    ///
    /// SES-06: every use of any of them asks this.
    pub fn of(&self, principal: &Principal) -> Option<&Revocation> {
        self.entries.iter().find(|entry| entry.ends(principal))
    }

    /// The entry that ends a service key.
    pub fn of_service_key(&self, record: &super::service_keys::Record) -> Option<&Revocation> {
        self.of(&Principal::of_service_key(record))
    }

    /// The entry that closes the doors to `identity`, for itself or with `role`.
    ///
    /// SES-06: every door asks this before it issues anything.
    pub fn door(&self, identity: &Identity, role: Option<&str>) -> Option<&Revocation> {
        self.entries.iter().find(|entry| entry.closes(&identity.id, role))
    }
}

impl Revocation {
    /// Whether there is any condition.
    pub fn has_condition(&self) -> bool {
        self.session.is_some()
            || self.principal.is_some()
            || self.role.is_some()
            || self.issued_before.is_some()
    }

    /// Whether all conditions hold for what `principal` came with, or for one of the sessions that this came from.
    fn ends(&self, principal: &Principal) -> bool {
        if !self.has_condition() || self.principal.as_deref().is_some_and(|p| p != principal.id()) {
            return false;
        }
        // What is said of everybody is said of those who can log in again. A service key is ended by its id or principal.
        let of_everybody = self.session.is_none() && self.principal.is_none() && self.role.is_none();
        if of_everybody && principal.has_service_key() {
            return false;
        }
        let session = principal.session();
        self.ends_one(&session.id, session.issued_at, session.role.as_deref())
            || session
                .ancestors
                .iter()
                .any(|one| self.ends_one(&one.id, one.issued_at, one.role.as_deref()))
    }

    fn ends_one(&self, session: &str, issued_at: Timestamp, role: Option<&str>) -> bool {
        self.session.as_deref().is_none_or(|id| id == session)
            && self.role.as_deref().is_none_or(|name| role == Some(name))
            && self.issued_before.is_none_or(|before| issued_at < before)
    }

    /// Whether nobody gets in as this principal, with this role. What ends sessions that exist does not.
    fn closes(&self, principal: &str, role: Option<&str>) -> bool {
        let lasting = self.session.is_none() && self.issued_before.is_none();
        let of_principal = self.principal.as_deref().is_none_or(|p| p == principal);
        let of_role = self.role.as_deref().is_none_or(|r| role == Some(r));
        self.has_condition() && lasting && of_principal && of_role
    }

    /// What a caller is told of it: nothing but the operator's reason.
    pub fn told(&self) -> String {
        match &self.reason {
            Some(reason) => format!("revoked: {reason}"),
            None => "revoked".to_owned(),
        }
    }
}

impl fmt::Display for Revocation {
    /// The conditions, as they stand in the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, value) in [
            ("session", &self.session),
            ("principal", &self.principal),
            ("role", &self.role),
        ] {
            if let Some(value) = value {
                write!(f, "{separator}{name} = {value:?}")?;
                separator = ", ";
            }
        }
        if let Some(before) = self.issued_before {
            write!(f, "{separator}issued_before = \"{before}\"")?;
        }
        Ok(())
    }
}

/// Why revocations cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum RevocationsError {
    /// The file cannot be read, or must not be.
    #[error("cannot read revocations `{path}`")]
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
    /// The file is gone while its entries are in use.
    #[error(
        "revocations `{path}` are gone, and what they ended would work again: {entries} stay in force; put the file \
         back, or an empty one to take them back"
    )]
    Gone {
        /// Which file.
        path: PathBuf,
        /// How many it had.
        entries: usize,
    },
    /// It cannot be replaced now.
    #[error("the revocations are as they were")]
    Replace(#[from] ReplaceError),
    /// There is no such entry.
    #[error("no entry of the revocations says this; `tidegate sessions revocations` shows what they say")]
    NoSuchEntry,
    /// An entry without a condition, which would be about nothing or about everybody.
    #[error("name a session, a principal, a role or a time before which sessions were issued")]
    NoCondition,
    /// A value that cannot stand in an entry.
    #[error("{0}")]
    Value(&'static str),
}
