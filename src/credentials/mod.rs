//! Credentials: what signs towards a target.
//!
//! Each target has one source, and each source one [`TargetCredentials`] that keeps its credential fresh: a token
//! service is asked once however many requests wait, ahead of expiry and in the background, and while it is down
//! the old credential serves on. An expired one never signs. Knows nothing of requests.

mod cache;
mod error;
mod sts;
mod sts_xml;
mod written;

pub use cache::{Attempts, CredentialState, TargetCredentials};
pub use error::{CredentialError, SourceError};
pub(crate) use sts::sign_call;
pub(crate) use sts_xml::{error as sts_error, web_identity_token};

use crate::{
    clock::Clock,
    config::{CredentialSource, Target},
    secret::Secret,
};
use cache::Source;
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};
use written::Written;

/// A credential of a target.
#[derive(Clone, Debug)]
pub struct Credential {
    /// What it is.
    pub material: Material,
    /// When it stops working; `None` for static keys, and for a token of which nobody says so.
    pub expires_at: Option<Timestamp>,
}

/// What makes a target believe us.
#[derive(Clone, Debug)]
pub enum Material {
    /// Signs each request and is itself never sent.
    AccessKey(AccessKey),
    /// Is sent with each request as it is: `Authorization: Bearer`.
    BearerToken(Secret),
}

/// A key that signs.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// Access key id; not secret, but never shown to callers.
    pub id: Box<str>,
    /// Secret access key.
    pub secret: Secret,
    /// For temporary credentials.
    pub session_token: Option<Secret>,
}

impl Credential {
    /// The key, if it is one that signs.
    pub fn access_key(&self) -> Option<&AccessKey> {
        match &self.material {
            Material::AccessKey(key) => Some(key),
            Material::BearerToken(_) => None,
        }
    }

    /// Whether `other` would make no difference to the target.
    fn is_same(&self, other: &Self) -> bool {
        let exposed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_vec());
        match (&self.material, &other.material) {
            (Material::AccessKey(a), Material::AccessKey(b)) => {
                a.id == b.id
                    && a.secret.expose() == b.secret.expose()
                    && exposed(&a.session_token) == exposed(&b.session_token)
            }
            (Material::BearerToken(a), Material::BearerToken(b)) => a.expose() == b.expose(),
            (Material::AccessKey(_), Material::BearerToken(_))
            | (Material::BearerToken(_), Material::AccessKey(_)) => false,
        }
    }
}

/// The credentials of all targets. Two targets never share one, also where their sources look alike.
#[derive(Debug)]
pub struct Credentials(BTreeMap<Box<str>, TargetCredentials>);

impl Credentials {
    /// Prepares the credentials of `targets`: static keys are read, token services are not yet asked.
    ///
    /// # Errors
    /// The name of the target whose source cannot be used, and why.
    pub fn new<'a>(
        targets: impl IntoIterator<Item = &'a Arc<Target>>,
        clock: &Clock,
    ) -> Result<Self, (Box<str>, SourceError)> {
        let mut all = BTreeMap::new();
        for target in targets {
            let credentials = TargetCredentials::for_source(&target.name, &target.credentials, clock.clone())
                .map_err(|error| (target.name.clone(), error))?;
            all.insert(target.name.clone(), credentials);
        }
        Ok(Self(all))
    }

    /// What signs towards `target`.
    ///
    /// # Errors
    /// [`CredentialError`], also for a target that these were not prepared for.
    pub async fn for_target(&self, target: &Target) -> Result<Arc<Credential>, CredentialError> {
        match self.of(target) {
            Some(credentials) => credentials.get().await,
            None => Err(CredentialError::unknown_target()),
        }
    }

    /// The credentials of one target, to refresh or invalidate them.
    pub fn of(&self, target: &Target) -> Option<&TargetCredentials> {
        self.0.get(&target.name)
    }

    /// All of them, by the name of the target.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &TargetCredentials)> {
        self.0.iter().map(|(name, credentials)| (&**name, credentials))
    }
}

impl TargetCredentials {
    /// Prepares one source. `name` is the target's, for the log.
    ///
    /// # Errors
    /// [`SourceError`] for keys or a CA file that cannot be read.
    pub fn for_source(name: &str, source: &CredentialSource, clock: Clock) -> Result<Self, SourceError> {
        Ok(match source {
            CredentialSource::Static(keys) => Self::written(name, Written::Keys(keys.clone()), clock)?,
            CredentialSource::AccessToken { token } => {
                Self::written(name, Written::Token(token.clone()), clock)?
            }
            CredentialSource::AssumeRole { .. } | CredentialSource::AssumeRoleWithWebIdentity { .. } => {
                let call = Arc::new(sts::Call::new(source, clock.clone())?);
                let source: Source = Box::new(move || {
                    let call = call.clone();
                    Box::pin(async move { call.fetch().await })
                });
                Self::temporary(name, source, clock)
            }
        })
    }
}

/// Access key id and secret of the kind that fits into a signature and a header.
fn check(key: AccessKey) -> Result<AccessKey, SourceError> {
    let id = key.id.as_bytes();
    if id.is_empty() || id.len() > 128 || !id.iter().all(|b| b.is_ascii_graphic() && *b != b'/') {
        return Err(SourceError::Malformed("access key id"));
    }
    let is_plain = |secret: &Secret, longest: usize| {
        let bytes = secret.expose();
        !bytes.is_empty() && bytes.len() <= longest && bytes.iter().all(u8::is_ascii_graphic)
    };
    if !is_plain(&key.secret, 256) {
        return Err(SourceError::Malformed("secret access key"));
    }
    let token = key.session_token.as_ref();
    if token.is_some_and(|token| !is_plain(token, LONGEST_TOKEN)) {
        return Err(SourceError::Malformed("session token"));
    }
    Ok(key)
}

/// It goes into a header of every request, where 12 KiB is what Google allows itself.
const LONGEST_TOKEN: usize = 16 << 10;
