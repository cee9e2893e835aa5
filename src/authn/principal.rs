//! Verified identity.

use jiff::Timestamp;
use std::{fmt, sync::Arc};

/// Whether a principal is a person or a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A person: `Tidegate::User`.
    User,
    /// A program: `Tidegate::Workload`.
    Workload,
}

impl PrincipalKind {
    /// The Cedar entity type without its namespace.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Workload => "Workload",
        }
    }
}

/// A caller whose claim was verified. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Principal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: PrincipalKind,
    id: Box<str>,
    groups: Vec<Box<str>>,
    issuer: Box<str>,
    subject: Box<str>,
    session: SessionInfo,
}

/// The session through which a principal came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Unique; not secret.
    pub id: Box<str>,
    /// The caller's own name for it (`RoleSessionName`).
    pub name: Box<str>,
    /// The access key id that was issued for it.
    pub access_key_id: Box<str>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Principal {
    /// Only authentication makes principals.
    pub(super) fn new(
        kind: PrincipalKind,
        id: Box<str>,
        groups: Vec<Box<str>>,
        issuer: Box<str>,
        subject: Box<str>,
        session: SessionInfo,
    ) -> Self {
        Self(Arc::new(Inner {
            kind,
            id,
            groups,
            issuer,
            subject,
            session,
        }))
    }

    /// Person or program.
    pub fn kind(&self) -> PrincipalKind {
        self.0.kind
    }

    /// Issuer name, colon, claim: `google:etl@acme.iam.gserviceaccount.com`.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Issuer name, colon, group: `google:analysts`.
    pub fn groups(&self) -> &[Box<str>] {
        &self.0.groups
    }

    /// The issuer's URL, as in `iss`.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The `sub` claim.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The session it came through.
    pub fn session(&self) -> &SessionInfo {
        &self.0.session
    }

    /// A principal for tests of other rooms.
    #[cfg(test)]
    pub(crate) fn for_test(kind: PrincipalKind, id: &str, groups: &[&str]) -> Self {
        let session = SessionInfo {
            id: "test".into(),
            name: "test".into(),
            access_key_id: "TGIATEST".into(),
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::MAX,
        };
        let groups = groups.iter().map(|g| Box::from(*g)).collect();
        Self::new(
            kind,
            id.into(),
            groups,
            "https://issuer.test".into(),
            id.into(),
            session,
        )
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind().name(), self.id())
    }
}
