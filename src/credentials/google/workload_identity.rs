//! `google-workload-identity`: a token that Google trusts because of its issuer, traded for one of Google's.
//!
//! The token goes to Google's token service alone, and names in its audience the provider that it is for. What comes back
//! is good for an hour. With a service account, it is traded once more, for a token of that account, and does no more.
//!
//! Spec: <https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>,
//! <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>

use super::answer::{ACCESS_TOKEN, Answer};
use super::{GoogleError, Line, PLATFORM, Purpose, Service};
use crate::clock::Clock;
use crate::config::WorkloadIdentity;
use crate::credentials::identity_token::TokenSource;
use crate::credentials::{Credential, Material, Resources, SourceError, scope::CloudSession};
use crate::secret::Secret;
use form_urlencoded::Serializer;
use http::HeaderValue;
use jiff::SignedDuration;
use serde_json::{Map, json};
use zeroize::Zeroizing;

pub(super) struct WorkloadIdentitySource {
    sts: Line,
    impersonation: Option<Line>,
    provider: Box<str>,
    token: TokenSource,
    scope: &'static str,
    clock: Clock,
}

/// More takes a permission of the organisation.
const LIFETIME: SignedDuration = SignedDuration::from_secs(3600);

impl WorkloadIdentitySource {
    pub(super) fn new(
        subject: Box<str>,
        settings: &WorkloadIdentity,
        purpose: Purpose,
        resources: &Resources,
    ) -> Result<Self, SourceError> {
        let ca = settings.ca.as_deref();
        let impersonation = settings.service_account.as_deref().map(|account| {
            // The configuration takes no account with a character that means something in a path.
            let path = format!("/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
            Line::new(Service::IamCredentials, &settings.iam_endpoint, &path, ca)
        });
        Ok(Self {
            sts: Line::new(Service::TokenService, &settings.sts_endpoint, "/v1/token", ca)?,
            impersonation: impersonation.transpose()?,
            provider: settings.provider.clone(),
            token: TokenSource::of_subject(subject, &settings.token, resources)?,
            scope: purpose.scope(),
            clock: resources.clock.clone(),
        })
    }

    pub(super) async fn ask(&self, session: &CloudSession) -> Result<Credential, SourceError> {
        let identity = self.token.token(session, Map::new()).await?;
        Ok(match &self.impersonation {
            None => self.exchange(&identity, self.scope).await?,
            Some(line) => {
                // The scope of the token that acts as the account; what the account may be used for is asked for there.
                let federated = self.exchange(&identity, PLATFORM).await?;
                self.impersonate(line, &federated).await?
            }
        })
    }

    async fn exchange(&self, identity: &Secret, scope: &str) -> Result<Credential, GoogleError> {
        let token = identity.expose_str().unwrap_or_default();
        let body = Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
            .append_pair("audience", &self.provider)
            .append_pair("scope", scope)
            .append_pair("requested_token_type", ACCESS_TOKEN)
            .append_pair("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
            .append_pair("subject_token", token)
            .finish();
        let asked_at = self.clock.now();
        let answer = Answer {
            service: self.sts.service,
            fetched: &self.sts.post_form(body).await?,
            asked_at,
            sent: &[identity],
        };
        answer.access_token()
    }

    async fn impersonate(&self, line: &Line, federated: &Credential) -> Result<Credential, GoogleError> {
        let Material::BearerToken(token) = &federated.material else {
            return Err(GoogleError::NotGoogles);
        };
        let body = json!({ "scope": [self.scope], "lifetime": format!("{}s", LIFETIME.as_secs()) });
        let asked_at = self.clock.now();
        let answer = Answer {
            service: line.service,
            fetched: &line.post_json(body.to_string(), bearer(token)?).await?,
            asked_at,
            sent: &[token],
        };
        answer.impersonated(LIFETIME)
    }
}

/// `Authorization: Bearer`.
fn bearer(token: &Secret) -> Result<HeaderValue, GoogleError> {
    let value = Zeroizing::new([b"Bearer ", token.expose()].concat());
    let mut value = HeaderValue::from_bytes(&value).map_err(|_| GoogleError::Signature)?;
    value.set_sensitive(true);
    Ok(value)
}
