//! Google's kinds of credentials: access tokens, which are sent as they are with each request.
//!
//! Three ways lead to one. Workload identity federation trades a token of Tidegate's own, or one of a file, at Google's
//! token service, and may go on to impersonate a service account: nothing is kept. The metadata server gives the token
//! of the machine. A service account's key file signs for one; it is the only kind that holds a secret for years.
//!
//! The hazards: something else that answers in Google's place (each answer is read strictly and in one place, and a
//! metadata server has to say that it is one), a token that says it is good for ever, and words of Google's that reach a
//! caller. Knows nothing of requests and buckets.
//!
//! What else is asked of Google than a target, such as its secret manager, has a [`GoogleToken`].

mod answer;
mod error;
mod key_file;
mod metadata;
mod refusal;
#[cfg(test)]
mod tests;
mod token;
mod workload_identity;

pub use error::GoogleError;
pub use key_file::check_key_file;
pub use token::GoogleToken;

use super::{Fetching, Resources, Source, SourceError, scope::CloudSession};
use crate::config::{CredentialSource, Endpoint};
use crate::fetch::{FetchError, Fetched, Fetcher};
use http::{HeaderName, HeaderValue};
use key_file::KeyFileSource;
use metadata::MetadataSource;
use std::fmt;
use std::path::Path;
use workload_identity::WorkloadIdentitySource;

/// What an access token is for. It is asked for no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Objects and the settings of buckets.
    Storage,
    /// What has no scope of its own, such as Secret Manager.
    Platform,
}

impl Purpose {
    /// The OAuth scope.
    ///
    /// Spec: <https://developers.google.com/identity/protocols/oauth2/scopes>
    fn scope(self) -> &'static str {
        match self {
            Self::Storage => "https://www.googleapis.com/auth/devstorage.full_control",
            Self::Platform => PLATFORM,
        }
    }
}

const PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Asks Google for access tokens.
pub(super) struct GoogleSource(Kind);

enum Kind {
    WorkloadIdentity(WorkloadIdentitySource),
    Metadata(MetadataSource),
    KeyFile(KeyFileSource),
}

impl GoogleSource {
    /// Prepares what `source` describes. `subject` is who Tidegate's own tokens speak of that are in nobody's name.
    ///
    /// # Errors
    /// [`SourceError`] for a CA or key file that cannot be used, for a token of ours without an issuer, and for a source
    /// that is none of Google's.
    pub(super) fn new(
        subject: Box<str>,
        source: &CredentialSource,
        purpose: Purpose,
        resources: &Resources,
    ) -> Result<Self, SourceError> {
        Ok(Self(match source {
            CredentialSource::WorkloadIdentity(settings) => Kind::WorkloadIdentity(
                WorkloadIdentitySource::new(subject, settings, purpose, resources)?,
            ),
            CredentialSource::Metadata(settings) => {
                Kind::Metadata(MetadataSource::new(settings, &resources.clock)?)
            }
            CredentialSource::ServiceAccountFile(settings) => {
                Kind::KeyFile(KeyFileSource::new(settings, purpose, &resources.clock)?)
            }
            CredentialSource::Static(_)
            | CredentialSource::AccessToken { .. }
            | CredentialSource::Role(_) => return Err(GoogleError::NotGoogles.into()),
        }))
    }
}

impl Source for GoogleSource {
    fn fetch<'a>(&'a self, session: &'a CloudSession) -> Fetching<'a> {
        Box::pin(async move {
            Ok(match &self.0 {
                Kind::WorkloadIdentity(source) => source.ask(session).await?,
                Kind::Metadata(source) => source.ask().await?,
                Kind::KeyFile(source) => source.ask().await?,
            })
        })
    }
}

/// A service of Google's that gives out tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// `sts.googleapis.com`.
    TokenService,
    /// `iamcredentials.googleapis.com`.
    IamCredentials,
    /// `metadata.google.internal`.
    MetadataServer,
    /// `oauth2.googleapis.com`.
    OAuth,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TokenService => "Google's token service",
            Self::IamCredentials => "Google's IAM Credentials service",
            Self::MetadataServer => "the metadata server",
            Self::OAuth => "Google's OAuth token endpoint",
        })
    }
}

/// A call that is made again and again.
struct Line {
    service: Service,
    url: String,
    fetcher: Fetcher,
}

impl Line {
    /// `path` begins with a slash.
    fn new(
        service: Service,
        endpoint: &Endpoint,
        path: &str,
        ca: Option<&Path>,
    ) -> Result<Self, SourceError> {
        let fetcher = Fetcher::new(ca)?;
        let (scheme, fetcher) = match endpoint.tls {
            true => ("https", fetcher),
            false => ("http", fetcher.allow_plain()),
        };
        Ok(Self {
            service,
            url: format!("{scheme}://{}{path}", endpoint.authority()),
            fetcher,
        })
    }

    async fn get(&self, headers: &[(HeaderName, HeaderValue)]) -> Result<Fetched, GoogleError> {
        let answer = self.fetcher.get_with(&self.url, headers).await;
        answer.map_err(|source| self.unreachable(source))
    }

    async fn post_form(&self, body: String) -> Result<Fetched, GoogleError> {
        let answer = self.fetcher.post_form(&self.url, body, &[]).await;
        answer.map_err(|source| self.unreachable(source))
    }

    /// A header that is given takes the place of the one of forms.
    async fn post_json(&self, body: String, authorization: HeaderValue) -> Result<Fetched, GoogleError> {
        let headers = [
            (
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            ),
            (http::header::AUTHORIZATION, authorization),
        ];
        let answer = self.fetcher.post_form(&self.url, body, &headers).await;
        answer.map_err(|source| self.unreachable(source))
    }

    fn unreachable(&self, source: FetchError) -> GoogleError {
        GoogleError::Unreachable {
            service: self.service,
            source,
        }
    }
}
