//! Verified identity.

use super::{oidc::Identity, service_keys};
use crate::session_policy::SessionPolicy;
use jiff::Timestamp;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What policies may ask about a principal besides its groups: text by name.
pub type Tags = BTreeMap<Box<str>, Box<str>>;

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
    tags: Tags,
    issuer: Box<str>,
    subject: Box<str>,
    session_policies: Vec<Arc<SessionPolicy>>,
    session: SessionInfo,
}

/// The session through which a principal came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Unique; not secret.
    pub id: Box<str>,
    /// The first session of the chain that it came from, which is its own id unless it was made by another session.
    pub root: Box<str>,
    /// The caller's own name for it (`RoleSessionName`).
    pub name: Box<str>,
    /// The access key id that was issued for it.
    pub access_key_id: Box<str>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When the principal proved who it is: when the first session of the chain was issued.
    pub authenticated_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The role that it carries, by its name in the configuration.
    pub role: Option<Box<str>>,
    /// The sessions that it came from, the first one first; none unless it was made by another session.
    pub ancestors: Vec<Ancestor>,
}

/// A session that another one came from: what revokes it, revokes that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// Its id.
    pub id: Box<str>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The role that it carried.
    pub role: Option<Box<str>>,
}

impl SessionInfo {
    /// This session as the ancestor of another one.
    pub(super) fn as_ancestor(&self) -> Ancestor {
        Ancestor {
            id: self.id.clone(),
            issued_at: self.issued_at,
            role: self.role.clone(),
        }
    }
}

impl Principal {
    /// Only authentication makes principals.
    pub(super) fn new(
        identity: Identity,
        session_policies: Vec<Arc<SessionPolicy>>,
        session: SessionInfo,
    ) -> Self {
        Self(Arc::new(Inner {
            kind: identity.kind,
            id: identity.id,
            groups: identity.groups,
            tags: identity.tags,
            issuer: identity.issuer,
            subject: identity.subject,
            session_policies,
            session,
        }))
    }

    /// Whom a service key on record makes known: a workload of its own, within the key's buckets.
    pub(super) fn of_service_key(record: &service_keys::Record) -> Self {
        let name = record
            .principal
            .split_once(':')
            .map_or(&*record.principal, |(_, name)| name);
        let identity = Identity {
            kind: record.kind,
            id: record.principal.clone(),
            groups: Vec::new(),
            tags: Tags::new(),
            issuer: service_keys::ISSUER.into(),
            subject: name.into(),
            audience: Box::default(),
            issued_at: record.created,
            expires_at: record.expires,
        };
        let session = SessionInfo {
            id: record.id.clone(),
            root: record.id.clone(),
            name: name.into(),
            access_key_id: record.id.clone(),
            issued_at: record.created,
            authenticated_at: record.created,
            expires_at: record.expires,
            role: None,
            ancestors: Vec::new(),
        };
        let within = SessionPolicy::of_buckets(&record.buckets);
        Self::new(identity, vec![Arc::new(within)], session)
    }

    /// Whether it came with a service key: such a principal gets no session.
    pub fn has_service_key(&self) -> bool {
        *self.0.issuer == *service_keys::ISSUER
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

    /// From its claims, and those that a caller may choose itself.
    pub fn tags(&self) -> &Tags {
        &self.0.tags
    }

    /// The role that its session carries, by its name in the configuration.
    pub fn role(&self) -> Option<&str> {
        self.0.session.role.as_deref()
    }

    /// What its session was narrowed to: all of them must allow what it does.
    pub fn session_policies(&self) -> &[Arc<SessionPolicy>] {
        &self.0.session_policies
    }

    /// Who it is, for a session that is made by this one. Its token is over, so there is no audience.
    pub fn identity(&self) -> Identity {
        Identity {
            kind: self.kind(),
            id: self.0.id.clone(),
            groups: self.0.groups.clone(),
            tags: self.0.tags.clone(),
            issuer: self.0.issuer.clone(),
            subject: self.0.subject.clone(),
            audience: Box::default(),
            issued_at: self.session().authenticated_at,
            expires_at: self.session().expires_at,
        }
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
        Self::carrying(kind, id, groups, None, &[])
    }

    /// Another one, whose session carries something.
    #[cfg(test)]
    pub(crate) fn carrying(
        kind: PrincipalKind,
        id: &str,
        groups: &[&str],
        role: Option<&str>,
        session_policies: &[&str],
    ) -> Self {
        let session = SessionInfo {
            id: "test".into(),
            root: "test".into(),
            name: "test".into(),
            access_key_id: "TGIATEST".into(),
            issued_at: Timestamp::UNIX_EPOCH,
            authenticated_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::MAX,
            role: role.map(Into::into),
            ancestors: Vec::new(),
        };
        let identity = Identity {
            kind,
            id: id.into(),
            groups: groups.iter().map(|g| Box::from(*g)).collect(),
            tags: Tags::from([("team".into(), "blue".into())]),
            issuer: "https://issuer.test".into(),
            subject: id.into(),
            audience: "test".into(),
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::MAX,
        };
        let policies = session_policies.iter();
        let policies = policies.map(|text| Arc::new(SessionPolicy::parse(text).unwrap()));
        Self::new(identity, policies.collect(), session)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind().name(), self.id())
    }
}
