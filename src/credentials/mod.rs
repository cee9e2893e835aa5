//! Credentials: what signs towards a target.
//!
//! Each target has one source and its [`TargetCredentials`], which ask it for what a [`Scope`] needs and keep that
//! fresh in the [`CredentialCache`]: a token service is asked once however many requests wait, ahead of expiry and in
//! the background, and while it is down the old credential serves on. An expired one never signs. Knows nothing of
//! requests.

mod ambient;
mod aws_call;
mod cache;
mod call_keys;
mod error;
mod google;
mod identity_token;
mod keeper;
mod own;
mod refusal;
mod role_session;
mod rotating;
mod scope;
mod sts;
mod sts_xml;
mod target;
mod written;

pub(crate) use ambient::Ambient;
pub(crate) use aws_call::{AwsCall, sign_sts};
pub use cache::CredentialCache;
pub use error::{CredentialError, SourceError};
pub use google::{GoogleError, GoogleToken, Purpose, Service, check_key_file};
pub(crate) use identity_token::TokenSource;
pub(crate) use keeper::jitter;
pub use keeper::{Attempts, CredentialState};
pub(crate) use own::OwnCredential;
pub(crate) use scope::CloudSession;
pub use scope::Scope;
pub(crate) use sts_xml::{error as sts_error, web_identity_token};
pub use target::{Sessions, TargetCredentials};

use crate::{clock::Clock, issuer::Issuer, secret::Secret, secrets::SecretReader};
use jiff::Timestamp;
use std::{future::Future, pin::Pin, sync::Arc};

/// What sources of credentials share.
#[derive(Clone)]
pub struct Resources {
    /// The time.
    pub clock: Clock,
    /// Every temporary credential of the process.
    pub cache: CredentialCache,
    /// Tidegate as an issuer towards clouds, if it is one.
    pub issuer: Option<Arc<Issuer>>,
    /// The secrets that the configuration refers to.
    pub secrets: SecretReader,
}

/// Gets temporary credentials anew.
pub(crate) trait Source: Send + Sync {
    /// Asks once.
    fn fetch<'a>(&'a self, session: &'a CloudSession) -> Fetching<'a>;
}

/// A credential on its way.
pub(crate) type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Credential, SourceError>> + Send + 'a>>;

/// A credential of a target.
#[derive(Clone, Debug)]
pub struct Credential {
    /// What it is.
    pub material: Material,
    /// When it stops working; `None` for static keys, and for a token of which nobody says so.
    pub expires_at: Option<Timestamp>,
    /// Which version of a secret it is, for the audit record; `None` where credentials have no versions.
    pub version: Option<Box<str>>,
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
