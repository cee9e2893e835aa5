//! Identities that a machine has by itself: nobody logs in.
//!
//! Each source gives an identity token for the gateway's audience, anew for each exchange, so that there is nothing to keep
//! and nothing to rotate. Metadata servers are asked without a proxy and without following anything; what they answer is
//! believed to be a token only if it looks like one.

mod ambient;
mod aws;
mod error;
mod file;
mod github;
mod metadata;

pub use error::IdentityError;

use super::jwt::Claims;
use super::settings::{IdentityKind, Settings};
use crate::clock::Clock;
use crate::config::Environment;
use crate::fetch::{Fetched, Fetcher};
use crate::secret::Secret;
use http::{HeaderName, HeaderValue, StatusCode};
use std::path::PathBuf;
use std::time::Duration;

/// What a source needs to know.
#[derive(Clone, Debug)]
pub(super) struct Source {
    kind: IdentityKind,
    /// Whom the token is for.
    audience: String,
    token_file: Option<PathBuf>,
    azure_client_id: Option<String>,
    aws_sts_endpoint: Option<String>,
    environment: Environment,
    clock: Clock,
    fetcher: Fetcher,
}

impl Source {
    /// The source that the settings name, which is not a person's login.
    pub(super) fn new(
        settings: &Settings,
        audience: String,
        environment: &Environment,
        clock: &Clock,
        fetcher: Fetcher,
    ) -> Self {
        Self {
            kind: settings.identity,
            audience,
            token_file: settings.token_file.clone(),
            azure_client_id: settings.azure_client_id.clone(),
            aws_sts_endpoint: settings.aws_sts_endpoint.clone(),
            environment: environment.clone(),
            clock: clock.clone(),
            fetcher,
        }
    }

    /// A fresh identity token.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub(super) async fn token(&self) -> Result<Secret, IdentityError> {
        match self.kind {
            IdentityKind::Login => Err(IdentityError::Person),
            IdentityKind::GcpMetadata => self.gcp_token().await,
            IdentityKind::AzureImds => self.azure_token().await,
            IdentityKind::Aws => self.aws_token().await,
            IdentityKind::File | IdentityKind::Kubernetes => self.token_of_file().await,
            IdentityKind::Github => self.github_token().await,
        }
    }

    /// GET, again if the server says that it has too much to do. For metadata servers, which say so while they start.
    async fn get_patiently(
        &self,
        fetcher: &Fetcher,
        server: &'static str,
        url: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Fetched, IdentityError> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            let answer = fetcher.get_with(url, headers).await;
            let answer = answer.map_err(|source| IdentityError::Unreachable { server, source })?;
            if answer.status != StatusCode::TOO_MANY_REQUESTS && !answer.status.is_server_error() {
                return Ok(answer);
            }
            tokio::time::sleep(pause).await;
            pause *= 4;
        }
        let answer = fetcher.get_with(url, headers).await;
        answer.map_err(|source| IdentityError::Unreachable { server, source })
    }
}

/// What decides which identity this is, for the names of cached keys: a process that is somebody else must not find keys
/// of this one.
///
/// # Errors
/// As [`Source::token`], for a token that is read to find out.
pub(super) async fn fingerprint(
    settings: &Settings,
    environment: &Environment,
) -> Result<Vec<String>, IdentityError> {
    let variable = |name: &str| environment.get(name).unwrap_or_default().to_owned();
    let mut inputs = vec![settings.identity.name().to_owned()];
    match settings.identity {
        IdentityKind::Login => {}
        IdentityKind::GcpMetadata => inputs.push(variable("GCE_METADATA_HOST")),
        IdentityKind::AzureImds => {
            inputs.extend(["AZURE_POD_IDENTITY_AUTHORITY_HOST", "IDENTITY_ENDPOINT"].map(variable));
            inputs.push(settings.azure_client_id.clone().unwrap_or_default());
        }
        IdentityKind::Aws => inputs.extend(ambient::inputs(environment)),
        IdentityKind::File | IdentityKind::Kubernetes => {
            let token = file::read(&file::path(
                settings.identity,
                settings.token_file.as_deref(),
                environment,
            )?)
            .await?;
            inputs.extend(of_token(&token));
        }
        // A runner keeps its home from one job to the next, and each job is somebody else.
        IdentityKind::Github => {
            inputs.extend(
                [
                    "ACTIONS_ID_TOKEN_REQUEST_URL",
                    "GITHUB_RUN_ID",
                    "GITHUB_JOB",
                    "GITHUB_REPOSITORY_ID",
                ]
                .map(variable),
            );
            inputs.push(digest(variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN").as_bytes()));
        }
    }
    Ok(inputs)
}

/// Who a token is for: its issuer and subject, which stay when it is rotated.
fn of_token(token: &Secret) -> Vec<String> {
    let claims = Claims::of(token).ok();
    match claims
        .as_ref()
        .and_then(|claims| Some((claims.text("iss")?, claims.text("sub")?)))
    {
        Some((issuer, subject)) => vec![issuer.to_owned(), subject.to_owned()],
        None => vec![digest(token.expose())],
    }
}

fn digest(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// Makes sure that an answer is a token: a captive portal answers 200, too.
fn token(server: &'static str, text: &str) -> Result<Secret, IdentityError> {
    let token = Secret::new(text.trim());
    match Claims::of(&token) {
        Ok(_) => Ok(token),
        Err(problem) => Err(IdentityError::Token { server, problem }),
    }
}

fn header(name: &'static str, value: &str) -> Result<(HeaderName, HeaderValue), IdentityError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| IdentityError::Variable { name })?;
    value.set_sensitive(true);
    Ok((HeaderName::from_static(name), value))
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Tries besides the last one.
const ATTEMPTS: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
