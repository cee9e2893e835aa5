//! Sessions: what a login or token exchange gave a caller, carried by the caller.
//!
//! The session token is the sealed session itself, so that every replica with the key ring knows it and none
//! stores it. The secret access key is a MAC of the session's id under a sub-key of its own: nothing that a
//! caller can choose or read leads to it, and it is in no token. The token names the access key id that was
//! issued with it, and opens for no other.

use super::{
    Ancestor, Principal, PrincipalKind, SessionInfo, Tags,
    key_ring::{KeyRing, Purpose, RingKey},
    oidc::Identity,
    seal, service_keys,
};
use crate::secret::Secret;
use crate::session_policy::SessionPolicy;
use aws_lc_rs::{error::Unspecified, hmac, rand};
use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

/// A new session, for the caller. The only time that its secret access key is given out.
#[derive(Clone, Debug)]
pub struct IssuedSession {
    /// `TGIA` and 16 characters of base32; not secret.
    pub access_key_id: Box<str>,
    /// 40 characters of base64.
    pub secret_access_key: Secret,
    /// Base64url, at most [`MAX_SESSION_TOKEN_BYTES`].
    pub session_token: Secret,
    /// Whole seconds. At this second the session is no longer valid.
    pub expires_at: Timestamp,
    /// Whom it makes known.
    pub principal: Principal,
}

/// A session that was presented and is genuine. Whether the caller may use it is for the signature to say.
#[derive(Debug)]
pub(super) struct OpenSession {
    pub(super) principal: Principal,
    pub(super) secret_access_key: Secret,
}

/// Why there is no session.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// It was valid until then.
    #[error("the session expired at `{expired_at}`")]
    Expired {
        /// Its first second of not being valid.
        expired_at: Timestamp,
    },
    /// It is not a session of ours, not for this access key id, or its key was taken out of the ring.
    #[error("the session token {0}")]
    Invalid(&'static str),
    /// It would not fit into a request's header.
    #[error(
        "the session token would have {bytes} bytes, of which {limit} are allowed; name fewer groups in the \
         identity token, or write a shorter session policy"
    )]
    TooLarge {
        /// Of the token.
        bytes: usize,
        /// [`MAX_SESSION_TOKEN_BYTES`].
        limit: usize,
    },
    /// What asks for it came with a service key, which is for what its record says and for nothing else.
    #[error("a service key makes no session")]
    OfServiceKey,
    /// No key of the ring may seal at this time.
    #[error("no key of the key ring may seal now; check `seals_from` and the clock")]
    NoSealingKey,
    /// Random bytes or a cipher failed.
    #[error("the system's random generator or a cipher failed")]
    Crypto,
}

impl From<Unspecified> for SessionError {
    fn from(_: Unspecified) -> Self {
        Self::Crypto
    }
}

/// What a session is to be.
#[derive(Clone, Debug)]
pub(crate) struct Terms<'a> {
    /// Who was verified. With the tags that the caller chose, where it may.
    pub(crate) identity: &'a Identity,
    /// The caller's name for it.
    pub(crate) name: &'a str,
    /// The role that it carries. Whoever issues has asked whether the identity may assume it.
    pub(crate) role: Option<&'a str>,
    /// What it is narrowed to: all of them count.
    pub(crate) policies: Vec<Arc<SessionPolicy>>,
    /// The session that it is made from. It ends no later than that one, and with it.
    pub(crate) parent: Option<&'a SessionInfo>,
    /// Counts in whole seconds.
    pub(crate) lifetime: Duration,
}

impl<'a> Terms<'a> {
    /// Terms that add nothing to an identity.
    pub(crate) fn plain(identity: &'a Identity, name: &'a str, lifetime: Duration) -> Self {
        Self {
            identity,
            name,
            role: None,
            policies: Vec::new(),
            parent: None,
            lifetime,
        }
    }
}

/// How a session is carried that is presented by itself, without a signature. Each form opens one kind of door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An OAuth 2.0 access token, in `Authorization: Bearer`.
    AccessToken,
    /// A cookie of our own pages.
    Cookie,
}

/// A new session that is presented by itself.
#[derive(Clone, Debug)]
pub struct IssuedBearer {
    /// Base64url, without a dot: no JWT looks like it.
    pub token: Secret,
    /// Whom it makes known.
    pub principal: Principal,
}

/// Longest session token, in characters. Callers send it in a header of each request.
pub const MAX_SESSION_TOKEN_BYTES: usize = 8 * 1024;

/// Makes a session for a verified identity, to sign with.
///
/// # Errors
/// [`SessionError::TooLarge`] if it carries too much; otherwise the ring cannot seal.
pub(crate) fn issue(
    ring: &KeyRing,
    terms: &Terms<'_>,
    now: Timestamp,
) -> Result<IssuedSession, SessionError> {
    let key = ring.sealing(now).ok_or(SessionError::NoSealingKey)?;
    let payload = Payload::new(terms, now)?;
    let token = payload.seal(key, Purpose::Session)?;
    let secret_access_key = payload.secret_access_key(key)?;
    let principal = payload.into_principal()?;
    Ok(IssuedSession {
        access_key_id: principal.session().access_key_id.clone(),
        secret_access_key,
        session_token: Secret::new(token),
        expires_at: principal.session().expires_at,
        principal,
    })
}

/// Makes a session for a verified identity, to present by itself.
///
/// # Errors
/// As for [`issue`].
pub(crate) fn issue_bearer(
    ring: &KeyRing,
    form: Form,
    terms: &Terms<'_>,
    now: Timestamp,
) -> Result<IssuedBearer, SessionError> {
    let key = ring.sealing(now).ok_or(SessionError::NoSealingKey)?;
    let payload = Payload::new(terms, now)?;
    Ok(IssuedBearer {
        token: Secret::new(payload.seal(key, form.purpose())?),
        principal: payload.into_principal()?,
    })
}

/// Opens the session that `token` is, if it was issued to sign with, with `access_key_id`, and is alive at `now`.
///
/// # Errors
/// [`SessionError::Expired`] from the exact second on; [`SessionError::Invalid`] for everything else.
pub(super) fn open(
    ring: &KeyRing,
    token: &str,
    access_key_id: &str,
    now: Timestamp,
) -> Result<OpenSession, SessionError> {
    let (key, payload) = Payload::open(ring, Purpose::Session, token)?;
    let secret_access_key = payload.secret_access_key(key)?;
    let session = OpenSession {
        principal: payload.into_principal()?,
        secret_access_key,
    };
    session.check(access_key_id, now)?;
    Ok(session)
}

/// Opens the session that `token` is, if it was issued in this form and is alive at `now`.
///
/// # Errors
/// As for a session to sign with.
pub(crate) fn open_bearer(
    ring: &KeyRing,
    form: Form,
    token: &str,
    now: Timestamp,
) -> Result<Principal, SessionError> {
    let (_, payload) = Payload::open(ring, form.purpose(), token)?;
    let principal = payload.into_principal()?;
    alive(principal.session(), now)?;
    Ok(principal)
}

fn alive(session: &SessionInfo, now: Timestamp) -> Result<(), SessionError> {
    match now >= session.expires_at {
        true => Err(SessionError::Expired {
            expired_at: session.expires_at,
        }),
        false => Ok(()),
    }
}

impl Form {
    fn purpose(self) -> Purpose {
        match self {
            Self::AccessToken => Purpose::AccessToken,
            Self::Cookie => Purpose::Cookie,
        }
    }
}

impl OpenSession {
    /// What must hold at each use, also of a session that was opened before.
    pub(super) fn check(&self, access_key_id: &str, now: Timestamp) -> Result<(), SessionError> {
        let session = self.principal.session();
        // SES-08: a token is worth nothing with another session's access key.
        if *session.access_key_id != *access_key_id {
            return Err(SessionError::Invalid("belongs to another access key id"));
        }
        alive(session, now)
    }
}

/// Whether this could be an access key id of ours. Others are refused without looking at their token.
pub(super) fn is_access_key_id(id: &str) -> bool {
    id.strip_prefix(ACCESS_KEY_PREFIX)
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7')))
}

/// What is sealed; every field must be there. Any change of shape needs a new version or purpose: replicas of two releases share tokens.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    #[serde(rename = "i")]
    session_id: Box<str>,
    #[serde(rename = "a")]
    access_key_id: Box<str>,
    #[serde(rename = "k")]
    kind: PrincipalKind,
    #[serde(rename = "p")]
    principal: Box<str>,
    #[serde(rename = "g")]
    groups: Vec<Box<str>>,
    #[serde(rename = "o")]
    issuer: Box<str>,
    #[serde(rename = "s")]
    subject: Box<str>,
    #[serde(rename = "n")]
    name: Box<str>,
    /// Unix seconds, as is the next.
    #[serde(rename = "b")]
    issued_at: i64,
    #[serde(rename = "e")]
    expires_at: i64,
    #[serde(rename = "t")]
    tags: Tags,
    #[serde(rename = "r", deserialize_with = "Option::deserialize")]
    role: Option<Box<str>>,
    /// The texts of session policies.
    #[serde(rename = "l")]
    policies: Vec<Box<str>>,
    /// Of a session that another one made: those before it, the first one first.
    #[serde(rename = "f")]
    ancestors: Vec<Link>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    #[serde(rename = "i")]
    session_id: Box<str>,
    /// Unix seconds.
    #[serde(rename = "b")]
    issued_at: i64,
    #[serde(rename = "r", deserialize_with = "Option::deserialize")]
    role: Option<Box<str>>,
}

impl Link {
    /// The sessions before one that `parent` makes.
    fn down_to(parent: &SessionInfo) -> Vec<Self> {
        let own = parent.as_ancestor();
        let all = parent.ancestors.iter().chain([&own]);
        all.map(|ancestor| Self {
            session_id: ancestor.id.clone(),
            issued_at: ancestor.issued_at.as_second(),
            role: ancestor.role.clone(),
        })
        .collect()
    }
}

impl Payload {
    fn new(terms: &Terms<'_>, now: Timestamp) -> Result<Self, SessionError> {
        let Terms { identity, parent, .. } = terms;
        // INVARIANT: whatever door it is tried at, the only long-lived credential does not turn into others.
        if parent.is_some_and(|parent| service_keys::is_access_key_id(&parent.access_key_id))
            || *identity.issuer == *service_keys::ISSUER
        {
            return Err(SessionError::OfServiceKey);
        }
        let lifetime = i64::try_from(terms.lifetime.as_secs()).unwrap_or(i64::MAX);
        let expires_at = now.as_second().saturating_add(lifetime);
        // INVARIANT: no session outlives the one that made it (SES-07).
        let latest = parent.map_or(i64::MAX, |parent| parent.expires_at.as_second());
        Ok(Self {
            session_id: HEXLOWER.encode(&random::<16>()?).into(),
            access_key_id: format!("{ACCESS_KEY_PREFIX}{}", BASE32_NOPAD.encode(&random::<10>()?)).into(),
            kind: identity.kind,
            principal: identity.id.clone(),
            groups: identity.groups.clone(),
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            name: terms.name.into(),
            issued_at: now.as_second(),
            expires_at: expires_at.min(latest),
            tags: identity.tags.clone(),
            role: terms.role.map(Into::into),
            policies: terms
                .policies
                .iter()
                .map(|policy| policy.source().into())
                .collect(),
            ancestors: parent.map_or_else(Vec::new, Link::down_to),
        })
    }

    fn seal(&self, key: &RingKey, purpose: Purpose) -> Result<String, SessionError> {
        let plaintext = serde_json::to_vec(self).map_err(|_| SessionError::Crypto)?;
        let token = seal::seal(key, purpose, &plaintext)?;
        if token.len() > MAX_SESSION_TOKEN_BYTES {
            return Err(SessionError::TooLarge {
                bytes: token.len(),
                limit: MAX_SESSION_TOKEN_BYTES,
            });
        }
        Ok(token)
    }

    fn open<'r>(
        ring: &'r KeyRing,
        purpose: Purpose,
        token: &str,
    ) -> Result<(&'r RingKey, Self), SessionError> {
        if token.len() > MAX_SESSION_TOKEN_BYTES {
            return Err(SessionError::Invalid("is too long"));
        }
        let (key, plaintext) = seal::open(ring, purpose, token).map_err(SessionError::Invalid)?;
        let payload = serde_json::from_slice(&plaintext)
            .map_err(|_| SessionError::Invalid("is of another release of the gateway"))?;
        Ok((key, payload))
    }

    /// SES-08: derived, so that it need not be stored; keyed, so that only the ring can derive it.
    fn secret_access_key(&self, key: &RingKey) -> Result<Secret, SessionError> {
        let mut mac = hmac::Context::with_key(&key.sub_keys(Purpose::SecretAccessKey).mac);
        for part in [
            Purpose::SecretAccessKey.label(),
            self.session_id.as_bytes(),
            self.access_key_id.as_bytes(),
        ] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let tag = mac.sign();
        // 30 bytes are 240 bits and 40 characters without padding, the length that tools expect.
        let bytes = tag.as_ref().get(..30).ok_or(SessionError::Crypto)?;
        Ok(Secret::new(BASE64.encode(bytes)))
    }

    fn into_principal(self) -> Result<Principal, SessionError> {
        let time = |seconds| {
            Timestamp::from_second(seconds).map_err(|_| SessionError::Invalid("has a time out of range"))
        };
        // INVARIANT: a policy that cannot be read any more leaves no session, rather than one without it.
        let policies = self
            .policies
            .iter()
            .map(|text| SessionPolicy::parse(text).map(Arc::new));
        let policies = policies.collect::<Result<_, _>>().map_err(|_| {
            SessionError::Invalid("carries a session policy of another release of the gateway")
        })?;
        let (issued_at, expires_at) = (time(self.issued_at)?, time(self.expires_at)?);
        let ancestors = self.ancestors.into_iter().map(|link| {
            Ok(Ancestor {
                id: link.session_id,
                issued_at: time(link.issued_at)?,
                role: link.role,
            })
        });
        let ancestors = ancestors.collect::<Result<Vec<_>, SessionError>>()?;
        let (root, authenticated_at) = match ancestors.first() {
            Some(root) => (root.id.clone(), root.issued_at),
            None => (self.session_id.clone(), issued_at),
        };
        let session = SessionInfo {
            id: self.session_id,
            root,
            name: self.name,
            access_key_id: self.access_key_id,
            issued_at,
            authenticated_at,
            expires_at,
            role: self.role,
            ancestors,
        };
        let identity = Identity {
            kind: self.kind,
            id: self.principal,
            groups: self.groups,
            tags: self.tags,
            issuer: self.issuer,
            subject: self.subject,
            audience: Box::default(),
            issued_at: authenticated_at,
            expires_at,
        };
        Ok(Principal::new(identity, policies, session))
    }
}

fn random<const N: usize>() -> Result<[u8; N], Unspecified> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

const ACCESS_KEY_PREFIX: &str = "TGIA";
