//! What `tidegate doctor` asks a client about itself, one thing at a time.

use super::gateway::{Configuration, LoginIssuer, Skew};
use super::jwt::Claims;
use super::variables::MISLEADING;
use super::{Client, ClientError, EXCHANGE};
use crate::fetch::Fetcher;
use crate::json::Json;
use jiff::Timestamp;
use std::time::Duration;

/// What the gateway tells anybody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    /// The identity providers at which people log in: the gateway's name for them, and their URL.
    pub(crate) issuers: Vec<(String, String)>,
    /// Whom tokens of people are for, and those of workloads.
    pub(crate) audiences: Vec<String>,
}

/// The token that would be sent, as far as it may be shown.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// Whoever else holds the lock is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Client {
    /// What the gateway tells anybody.
    ///
    /// # Errors
    /// [`ClientError::Gateway`].
    pub(crate) async fn published(&self) -> Result<Published, ClientError> {
        let Configuration { issuers, audience } = self.gateway.configuration().await?;
        let client_ids = issuers.iter().map(|issuer| issuer.client_id.clone());
        Ok(Published {
            audiences: client_ids.chain(audience).collect(),
            issuers: issuers
                .into_iter()
                .map(|LoginIssuer { name, issuer, .. }| (name, issuer))
                .collect(),
        })
    }

    /// Seconds by which the gateway was ahead of this machine when it answered last.
    pub(crate) fn ahead(&self) -> i64 {
        self.gateway.ahead()
    }

    /// By how much that matters.
    pub(crate) fn skew(&self) -> Skew {
        self.gateway.drift()
    }

    /// What the token that would be sent says.
    ///
    /// # Errors
    /// [`ClientError`] if there is none.
    pub(crate) async fn presented(&self) -> Result<Presented, ClientError> {
        let _lock = self.lock(self.endpoint(), EXCHANGE, PATIENCE).await?;
        let (token, _) = self.token().await?;
        let claims = Claims::of(&token).ok();
        let text = |name: &str| {
            claims
                .as_ref()
                .and_then(|claims| claims.text(name))
                .unwrap_or("-")
        };
        Ok(Presented {
            issuer: super::console::printable(text("iss")),
            audiences: claims.as_ref().map(audiences).unwrap_or_default(),
            expires_at: claims.as_ref().and_then(|claims| claims.time("exp")),
        })
    }

    /// What reaches the identity provider as a login would.
    ///
    /// # Errors
    /// [`ClientError`] for a CA that cannot be used.
    pub(crate) fn to_issuers(&self) -> Result<Fetcher, ClientError> {
        self.fetcher()
    }

    /// Variables that are set and lead an SDK past the gateway or its keys.
    pub(crate) fn misleading(&self) -> Vec<&'static str> {
        let is_set = |name: &&str| self.environment.has(name);
        MISLEADING.into_iter().filter(is_set).collect()
    }
}

fn audiences(claims: &Claims) -> Vec<String> {
    let printable = super::console::printable;
    match claims.get("aud") {
        Some(Json::Array(all)) => all
            .iter()
            .filter_map(|one| Some(printable(one.as_str()?)))
            .collect(),
        Some(one) => one.as_str().map(printable).into_iter().collect(),
        None => Vec::new(),
    }
}
