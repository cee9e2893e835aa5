//! The token service: trades an identity token for a session, and a session for one that may do less.
//!
//! Its doors are the ones that callers pass unauthenticated, so it takes nothing on trust: the verifier says whom a
//! token names, the settings say how long a session may last, the trust policy of a role says who may carry it, and
//! nothing else that is asked for adds a right. What [`Sts::trade`] and [`Sts::narrow`] grant is the same for all doors;
//! here it is said in the words of AWS STS, and below `/_tidegate/` ([`crate::doors`]) in others.

mod answer;
mod error;
mod issue_error;
mod request;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod tests;
pub(crate) mod wish;

pub use answer::{ACCOUNT, CONTENT_TYPE, Trade, caller_identity};
pub use error::StsError;
pub(crate) use issue_error::token_message;
pub use issue_error::{Fault, IssueError};
pub use request::{StsRequest, WebIdentityRequest};
pub use wish::{RoleWish, Tag, Wish};

use crate::authn::{
    Form, IssuedBearer, IssuedSession, KeyRing, Principal, Revocations, SessionError, SessionInfo, Terms,
    issue_bearer, issue_session,
    oidc::{Identity, IdentityVerifier, TokenError},
};
use crate::authz::{Circumstances, Policies};
use crate::config::Sessions;
use crate::secret::Secret;
use crate::session_policy::SessionPolicy;
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

/// A call of the token service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StsAction {
    /// A session for an identity token.
    AssumeRoleWithWebIdentity,
    /// A session for a session.
    AssumeRole,
    /// The same, without a role and a policy.
    GetSessionToken,
    /// Who am I?
    GetCallerIdentity,
}

impl StsAction {
    const ALL: [Self; 4] = [
        Self::AssumeRoleWithWebIdentity,
        Self::AssumeRole,
        Self::GetSessionToken,
        Self::GetCallerIdentity,
    ];

    /// SES-09: exactly as it is written.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::AssumeRole => "AssumeRole",
            Self::GetSessionToken => "GetSessionToken",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }

    /// Whether callers sign it, with the keys of a session.
    pub fn is_signed(self) -> bool {
        match self {
            Self::AssumeRoleWithWebIdentity => false,
            Self::AssumeRole | Self::GetSessionToken | Self::GetCallerIdentity => true,
        }
    }
}

/// The token service of one generation.
#[derive(Debug)]
pub struct Sts<V> {
    settings: Sessions,
    ring: Arc<KeyRing>,
    revocations: Arc<Revocations>,
    verifier: V,
}

/// Whom to ask about roles, and from where and when somebody asks for one.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Trust policies.
    pub policies: &'a Policies,
    /// Of the request.
    pub circumstances: &'a Circumstances,
}

/// A session that may be issued, in whatever form the door gives it out.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who it is for, with the tags that it chose.
    pub identity: Identity,
    name: Box<str>,
    role: Option<Box<str>>,
    policies: Vec<Arc<SessionPolicy>>,
    parent: Option<SessionInfo>,
    lifetime: Duration,
    now: Timestamp,
}

impl<V: IdentityVerifier> Sts<V> {
    /// A token service that seals with `key_ring` what `verifier` accepts.
    /// Whoever `revocations` keeps out gets none.
    pub fn new(
        settings: &Sessions,
        key_ring: Arc<KeyRing>,
        revocations: Arc<Revocations>,
        verifier: V,
    ) -> Self {
        Self {
            settings: settings.clone(),
            ring: key_ring,
            revocations,
            verifier,
        }
    }

    /// Grants a session for an identity token. A session is none, and cannot be traded here.
    ///
    /// # Errors
    /// [`IssueError`] if the wish is not to be had, or the token is not accepted or too short.
    pub async fn trade(&self, token: &Secret, wish: &Wish, asking: Asking<'_>) -> Result<Grant, IssueError> {
        let now = asking.circumstances.now;
        // Before the token is looked at: no signature is verified for nothing.
        let wanted = self.lifetime(wish.lifetime)?;
        let policies = session_policy(wish)?;
        let not_text = || IssueError::Token(TokenError::Malformed("not text"));
        let token = token.expose_str().ok_or_else(not_text)?;
        let identity = self
            .verifier
            .verify(token, now)
            .await
            .map_err(IssueError::Token)?;
        self.admitted(&identity, None)?;
        let lifetime = self.bound(wanted, &identity, now)?;
        let identity = self.tagged(identity, wish)?;
        let role = asking.role(&wish.role, &self.vouched(&identity))?;
        self.admitted(&identity, role.as_deref())?;
        Ok(Grant {
            name: name(wish, &identity),
            role,
            policies: policies.into_iter().collect(),
            parent: None,
            lifetime,
            identity,
            now,
        })
    }

    /// Grants a session for another one, of the same principal and with no more rights.
    ///
    /// # Errors
    /// [`IssueError`] if the wish is not to be had, or the session is nearly over.
    pub fn narrow(&self, parent: &Principal, wish: &Wish, asking: Asking<'_>) -> Result<Grant, IssueError> {
        let now = asking.circumstances.now;
        if parent.has_service_key() {
            return Err(IssueError::Session(SessionError::OfServiceKey));
        }
        let lifetime = self.lifetime(wish.lifetime)?;
        let session = parent.session();
        let remaining_seconds = session.expires_at.as_second().saturating_sub(now.as_second());
        if remaining_seconds < SHORTEST_SESSION.as_secs().cast_signed() {
            return Err(IssueError::ParentTooShort { remaining_seconds });
        }
        // INVARIANT: what narrowed the parent narrows its child, too (AUZ-12).
        let mut policies = parent.session_policies().to_vec();
        if policies.iter().any(|policy| policy.source().is_empty()) {
            return Err(IssueError::Narrowed(
                "has no policy of its own that another session could carry",
            ));
        }
        let narrowed = !policies.is_empty();
        policies.extend(session_policy(wish)?);
        let identity = self.tagged(parent.identity(), wish)?;
        let role = match asking.role(&wish.role, &self.vouched(&identity))? {
            Some(role) => Some(role),
            None => parent.role().map(Box::from),
        };
        self.admitted(&identity, role.as_deref())?;
        // Whoever handed a narrowed session on gave that much away and no more: a role or a tag could make it more again,
        // within the same policy.
        if narrowed && (role.as_deref() != parent.role() || identity.tags != *parent.tags()) {
            return Err(IssueError::Narrowed("takes on neither a role nor tags"));
        }
        Ok(Grant {
            name: wish.name.clone().unwrap_or_else(|| session.name.clone()),
            role,
            policies,
            parent: Some(session.clone()),
            lifetime,
            identity,
            now,
        })
    }

    /// The identity as its issuer knows it. INVARIANT: nothing that a caller chose for itself gets it a role.
    fn vouched(&self, identity: &Identity) -> Identity {
        let mut vouched = identity.clone();
        vouched
            .tags
            .retain(|name, _| !self.settings.caller_tags.contains(name));
        vouched
    }

    /// SES-06: whoever is revoked gets nothing new, and nobody gets a role that is.
    fn admitted(&self, identity: &Identity, role: Option<&str>) -> Result<(), IssueError> {
        match self.revocations.door(identity, role) {
            None => Ok(()),
            Some(revocation) => Err(IssueError::Revoked {
                principal: identity.id.clone(),
                revocation: Box::new(revocation.clone()),
            }),
        }
    }

    /// Issues keys to sign with.
    ///
    /// # Errors
    /// [`IssueError::Session`] if it carries too much, or cannot be sealed.
    pub fn keys(&self, grant: &Grant) -> Result<IssuedSession, IssueError> {
        issue_session(&self.ring, &grant.terms(), grant.now).map_err(IssueError::Session)
    }

    /// Issues a token that stands for itself.
    ///
    /// # Errors
    /// As for keys.
    pub fn access_token(&self, grant: &Grant) -> Result<IssuedBearer, IssueError> {
        issue_bearer(&self.ring, Form::AccessToken, &grant.terms(), grant.now).map_err(IssueError::Session)
    }

    /// SES-07: what was asked for, if it is in range; never silently something else.
    fn lifetime(&self, asked: Option<Duration>) -> Result<Duration, IssueError> {
        let asked = match asked {
            Some(asked) => asked,
            None => return Ok(self.settings.default_lifetime),
        };
        let maximum = self.settings.maximum_lifetime;
        if (MINIMUM_LIFETIME..=maximum).contains(&asked) {
            return Ok(asked);
        }
        Err(IssueError::Lifetime {
            asked: asked.as_secs(),
            minimum: MINIMUM_LIFETIME.as_secs(),
            maximum: maximum.as_secs(),
        })
    }

    /// SES-07: a session does not outlive its token, where the operator wants it so.
    fn bound(&self, wanted: Duration, identity: &Identity, now: Timestamp) -> Result<Duration, IssueError> {
        if !self.settings.bound_to_token {
            return Ok(wanted);
        }
        let remaining_seconds = identity.expires_at.as_second().saturating_sub(now.as_second());
        match u64::try_from(remaining_seconds) {
            Ok(remaining) if remaining >= SHORTEST_SESSION.as_secs() => {
                Ok(wanted.min(Duration::from_secs(remaining)))
            }
            _ => Err(IssueError::TokenTooShort { remaining_seconds }),
        }
    }

    /// Adds the tags that the caller chose. One that is there already was given by the issuer, or by the session that
    /// this one is made of: it stays as it is.
    fn tagged(&self, mut identity: Identity, wish: &Wish) -> Result<Identity, IssueError> {
        for (name, value) in &wish.tags {
            let may_choose = self.settings.caller_tags.contains(name);
            match identity.tags.get(name) {
                Some(same) if same == value => {}
                None if may_choose => {
                    identity.tags.insert(name.clone(), value.clone());
                }
                Some(_) | None => return Err(IssueError::Tag(name.clone())),
            }
        }
        Ok(identity)
    }
}

impl Asking<'_> {
    /// The role that a session is to carry, if its trust policy admits the identity.
    fn role(&self, wish: &RoleWish, identity: &Identity) -> Result<Option<Box<str>>, IssueError> {
        let Some(name) = wish.name() else {
            return Ok(None);
        };
        match wish {
            RoleWish::Arn(_) if !self.policies.has_role(name) => return Ok(None),
            RoleWish::Own | RoleWish::Arn(_) | RoleWish::Named(_) => {}
        }
        self.policies
            .assume_role(identity, name, self.circumstances)
            .map_err(IssueError::RoleRefused)?;
        Ok(Some(name.into()))
    }
}

impl Grant {
    fn terms(&self) -> Terms<'_> {
        Terms {
            identity: &self.identity,
            name: &self.name,
            role: self.role.as_deref(),
            policies: self.policies.clone(),
            parent: self.parent.as_ref(),
            lifetime: self.lifetime,
        }
    }
}

fn session_policy(wish: &Wish) -> Result<Option<Arc<SessionPolicy>>, IssueError> {
    let policy = wish.policy.as_deref().map(SessionPolicy::parse).transpose();
    Ok(policy.map_err(IssueError::Policy)?.map(Arc::new))
}

/// A name for callers who give none: the principal without its issuer, in the characters of an ARN.
fn name(wish: &Wish, identity: &Identity) -> Box<str> {
    if let Some(name) = &wish.name {
        return name.clone();
    }
    let id = identity.id.split_once(':').map_or(&*identity.id, |(_, id)| id);
    let plain = |c| if wish::is_name_character(c) { c } else { '-' };
    let name: String = id.chars().map(plain).take(64).collect();
    if wish::is_session_name(&name) {
        name.into()
    } else {
        "tidegate".into()
    }
}

/// What AWS has as the least that may be asked for.
const MINIMUM_LIFETIME: Duration = Duration::from_mins(15);

/// A session shorter than this would be over before its first upload is.
const SHORTEST_SESSION: Duration = Duration::from_secs(60);
