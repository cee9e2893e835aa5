//! The network, as far as this room sees it: documents by URL.
//!
//! Size, time, redirects and addresses are bounded by [`crate::fetch`]. Behind a trait, so that tests can publish
//! what they like and count who asks.

use super::{discovery::DiscoveryError, jwks::JwksError};
use crate::{
    config,
    fetch::{FetchError, Fetcher, Guard},
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// Deadline for discovery and key set together.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Gets documents; the network, or a test.
pub(super) trait Documents: Send + Sync {
    /// A `200 OK`, at most 1 MiB of it.
    fn get<'a>(
        &'a self,
        url: &'a str,
        guard: Guard,
    ) -> Pin<Box<dyn Future<Output = Result<Page, KeysError>> + Send + 'a>>;
}

/// A document, and when its server says that it is.
pub(super) struct Page {
    pub(super) body: Bytes,
    /// `Date`, if there is one.
    pub(super) date: Option<Timestamp>,
}

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    #[error("the issuer's address is not an `https` URL")]
    Address,
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("`{url}` answers with status {status}")]
    Status { url: String, status: u16 },
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error(transparent)]
    Jwks(#[from] JwksError),
    #[error("there was no answer within {FETCH_TIMEOUT:?}")]
    Timeout,
    #[error("the trusted roots could not be loaded")]
    Roots,
}

/// The network.
pub(super) struct Network {
    issuer: Arc<config::Issuer>,
}

impl Network {
    /// Checks that the issuer's CA can be used.
    ///
    /// # Errors
    /// [`FetchError::Ca`].
    pub(super) fn new(issuer: &Arc<config::Issuer>) -> Result<Self, FetchError> {
        if let Some(ca) = &issuer.ca {
            Fetcher::new(Some(ca))?;
        }
        Ok(Self {
            issuer: issuer.clone(),
        })
    }
}

impl Documents for Network {
    fn get<'a>(
        &'a self,
        url: &'a str,
        guard: Guard,
    ) -> Pin<Box<dyn Future<Output = Result<Page, KeysError>> + Send + 'a>> {
        Box::pin(async move {
            // The CA is read for each call, a few times an hour: a new one counts without a reload.
            let ca = self.issuer.ca.clone();
            let fetcher = tokio::task::spawn_blocking(move || Fetcher::new(ca.as_deref())).await;
            let fetcher = fetcher.map_err(|_| KeysError::Roots)??;
            let answer = fetcher.with_guard(guard).get(url).await?;
            if answer.status == http::StatusCode::OK {
                // What a cache on the way has kept says when it was made, and in `Age` how long ago.
                let age = answer.headers.get(http::header::AGE);
                let age = age
                    .and_then(|age| age.to_str().ok()?.parse::<u32>().ok())
                    .unwrap_or(0);
                let date = answer
                    .date()
                    .and_then(|date| date.checked_add(SignedDuration::from_secs(i64::from(age))).ok());
                let body = answer.body;
                Ok(Page { body, date })
            } else {
                Err(KeysError::Status {
                    url: url.to_owned(),
                    status: answer.status.as_u16(),
                })
            }
        })
    }
}
