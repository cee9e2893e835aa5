//! Tidegate as an OIDC issuer towards clouds: they trust its key set and give short-lived credentials for its tokens.
//!
//! So nothing static is kept for a cloud: the only secret is the signing key, which never leaves this machine. The
//! hazards: a key that signs before the clouds have it (a new one is published long before it signs), one that goes
//! while its tokens are still under way (it stays published after it was superseded), and a token that is taken for
//! another (each names one audience, and ends after five minutes).
//!
//! Spec: <https://openid.net/specs/openid-connect-discovery-1_0.html>, RFC 7517, RFC 7519

mod concerns;
mod documents;
mod error;
mod keys;
#[cfg(test)]
mod tests;

pub use concerns::{Concern, PUBLISHED_BEFORE_USE};
pub use error::{IssuerError, KeysFlaw};
pub use keys::{Listed, Rotated, SigningKeys, Standing};

use crate::clock::Clock;
use crate::config::OwnIssuer;
use crate::secret::Secret;
use arc_swap::ArcSwap;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the discovery document is.
pub const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";
/// Where the key set is.
pub const JWKS_PATH: &str = "/.well-known/jwks.json";

/// How long a token is good for. It is sent at once, and only needs to outlive the difference of two clocks.
pub const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// How long before its issue a token is valid already: clouds refuse tokens of the future, however near it is.
const EARLY: SignedDuration = SignedDuration::from_secs(30);

/// The issuer, with the keys of the moment.
pub struct Issuer {
    /// Tells this one from all others of the process.
    number: u64,
    url: Box<str>,
    file: PathBuf,
    clock: Clock,
    keys: ArcSwap<SigningKeys>,
}

/// What a token says besides who issued it and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Token<'a> {
    /// `sub`: a principal, or a target.
    pub subject: &'a str,
    /// `aud`: the one cloud that it is for.
    pub audience: &'a str,
    /// Claims of that cloud's own.
    pub claims: Map<String, Value>,
}

impl Issuer {
    /// The issuer that `settings` describe.
    ///
    /// # Errors
    /// [`IssuerError`] for keys that cannot be used.
    pub fn load(settings: &OwnIssuer, clock: &Clock) -> Result<Self, IssuerError> {
        let keys = SigningKeys::load(&settings.keys, clock.now())?;
        static MADE: AtomicU64 = AtomicU64::new(0);
        Ok(Self {
            number: MADE.fetch_add(1, Ordering::Relaxed),
            url: settings.url.clone(),
            file: settings.keys.clone(),
            clock: clock.clone(),
            keys: ArcSwap::from_pointee(keys),
        })
    }

    /// Whether `settings` describe this one, so that only its keys have to be read again.
    pub fn is_of(&self, settings: &OwnIssuer) -> bool {
        self.url == settings.url && self.file == settings.keys
    }

    /// Tells this one from all others of the process, for keys. Its URL would not do: with another file of keys there is
    /// another issuer, and what holds the old one must not sign with its keys any more.
    pub(crate) fn identity(&self) -> String {
        format!("{} {}", self.number, self.url)
    }

    /// Goes on with `keys`. Who holds this issuer signs with them from now on.
    pub fn adopt(&self, keys: SigningKeys) {
        self.keys.store(Arc::new(keys));
    }

    /// `iss`: byte for byte what the clouds were told.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The keys of the moment.
    pub fn keys(&self) -> Arc<SigningKeys> {
        self.keys.load_full()
    }

    /// A signed token.
    ///
    /// # Errors
    /// [`IssuerError::NothingSigns`] if no key may sign now, [`IssuerError::Crypto`] if signing failed.
    pub fn mint(&self, token: &Token<'_>) -> Result<Secret, IssuerError> {
        let now = self.clock.now();
        let keys = self.keys.load();
        let key = keys
            .signing(now)
            .ok_or_else(|| IssuerError::NothingSigns(self.file.clone()))?;
        let mut claims = token.claims.clone();
        let own = [
            ("iss", json!(self.url)),
            ("sub", json!(token.subject)),
            ("aud", json!(token.audience)),
            ("iat", json!(now.as_second())),
            ("nbf", json!(seconds(now, -EARLY))),
            ("exp", json!(seconds(now, TOKEN_LIFETIME))),
            ("jti", json!(unique()?)),
        ];
        // INVARIANT: no claim of a cloud's own replaces one of these.
        claims.extend(own.map(|(name, value)| (name.to_owned(), value)));
        key.token(&Value::Object(claims))
    }

    /// The discovery document, as JSON.
    pub fn discovery(&self) -> String {
        documents::discovery(&self.url)
    }

    /// The key set, as JSON: what signs, what will sign, and what signed what may still be under way.
    pub fn jwks(&self) -> String {
        self.keys.load().jwks(self.clock.now())
    }
}

/// `at` moved by `by`, in seconds since the epoch.
fn seconds(at: Timestamp, by: SignedDuration) -> i64 {
    at.as_second().saturating_add(by.as_secs())
}

fn unique() -> Result<String, IssuerError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| IssuerError::Crypto)?;
    Ok(HEXLOWER.encode(&bytes))
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
