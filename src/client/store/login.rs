//! A login, and how it is written.

use crate::secret::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// A login at one gateway.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// Another one for each time somebody logs in.
    pub(crate) id: String,
    pub(crate) endpoint: String,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) issuer_ca: Option<PathBuf>,
    /// The gateway's name for the identity provider.
    pub(crate) issuer_name: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<String>,
    pub(crate) token_endpoint: String,
    pub(crate) revocation_endpoint: Option<String>,
    pub(crate) end_session_endpoint: Option<String>,
    /// Who it is, for people.
    pub(crate) who: String,
    pub(crate) logged_in_at: Timestamp,
    /// When the identity token was obtained, and when it ends: by the clock of this machine, whatever that says.
    pub(crate) obtained_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Whether there is a refresh token.
    pub(crate) renewable: bool,
    /// What was asked for with the login, and holds until the next one.
    pub(crate) role: Option<String>,
    pub(crate) duration: Option<Duration>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The tokens, unless they are in the keychain.
    pub(crate) tokens: Option<Tokens>,
}

/// The secrets of a login.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) id_token: Secret,
    pub(crate) refresh_token: Option<Secret>,
}

const VERSION: u32 = 1;

/// As it stands in the file.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    id: String,
    endpoint: String,
    #[serde(default)]
    ca: Option<PathBuf>,
    #[serde(default)]
    issuer_ca: Option<PathBuf>,
    issuer_name: String,
    issuer: String,
    client_id: String,
    #[serde(default)]
    client_secret: Option<String>,
    token_endpoint: String,
    #[serde(default)]
    revocation_endpoint: Option<String>,
    #[serde(default)]
    end_session_endpoint: Option<String>,
    who: String,
    logged_in_at: Timestamp,
    obtained_at: Timestamp,
    expires_at: Timestamp,
    renewable: bool,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    duration_seconds: Option<u64>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Absent if they are in the keychain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<WrittenTokens>,
}

#[derive(Serialize, Deserialize)]
struct WrittenTokens {
    id_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

impl Login {
    /// The whole file.
    pub(super) fn document(&self) -> Zeroizing<Vec<u8>> {
        let written = Written {
            version: VERSION,
            id: self.id.clone(),
            endpoint: self.endpoint.clone(),
            ca: self.ca.clone(),
            issuer_ca: self.issuer_ca.clone(),
            issuer_name: self.issuer_name.clone(),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            token_endpoint: self.token_endpoint.clone(),
            revocation_endpoint: self.revocation_endpoint.clone(),
            end_session_endpoint: self.end_session_endpoint.clone(),
            who: self.who.clone(),
            logged_in_at: self.logged_in_at,
            obtained_at: self.obtained_at,
            expires_at: self.expires_at,
            renewable: self.renewable,
            role: self.role.clone(),
            duration_seconds: self.duration.map(|duration| duration.as_secs()),
            tags: self.tags.clone(),
            tokens: self.tokens.as_ref().map(Tokens::written),
        };
        Zeroizing::new(serde_json::to_vec_pretty(&written).unwrap_or_default())
    }

    pub(super) fn parse(document: &[u8]) -> Result<Self, &'static str> {
        let written: Written = serde_json::from_slice(document).map_err(|_| "it was cut short or changed")?;
        if written.version != VERSION {
            return Err("another version of tidegate wrote it");
        }
        Ok(Self {
            id: written.id,
            endpoint: written.endpoint,
            ca: written.ca,
            issuer_ca: written.issuer_ca,
            issuer_name: written.issuer_name,
            issuer: written.issuer,
            client_id: written.client_id,
            client_secret: written.client_secret,
            token_endpoint: written.token_endpoint,
            revocation_endpoint: written.revocation_endpoint,
            end_session_endpoint: written.end_session_endpoint,
            who: written.who,
            logged_in_at: written.logged_in_at,
            obtained_at: written.obtained_at,
            expires_at: written.expires_at,
            renewable: written.renewable,
            role: written.role,
            duration: written.duration_seconds.map(Duration::from_secs),
            tags: written.tags,
            tokens: written.tokens.map(Tokens::of),
        })
    }
}

impl Tokens {
    /// What goes into the keychain.
    pub(super) fn document(&self) -> Secret {
        Secret::new(serde_json::to_vec(&self.written()).unwrap_or_default())
    }

    pub(super) fn parse(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok().map(Self::of)
    }

    fn written(&self) -> WrittenTokens {
        let text = |secret: &Secret| secret.expose_str().unwrap_or_default().to_owned();
        WrittenTokens {
            id_token: text(&self.id_token),
            refresh_token: self.refresh_token.as_ref().map(text),
        }
    }

    fn of(mut written: WrittenTokens) -> Self {
        Self {
            id_token: Secret::new(std::mem::take(&mut written.id_token)),
            refresh_token: written.refresh_token.take().map(Secret::new),
        }
    }
}

/// Wiped when it was written or read.
impl Drop for WrittenTokens {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.id_token.zeroize();
        self.refresh_token.zeroize();
    }
}
