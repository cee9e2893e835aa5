//! Who we are for Azure: a managed identity of the machine, or an application that trusts identity tokens of others.
//!
//! Spec: <https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token> and
//! <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use super::manager::{client, parse, parse_error};
use super::{SecretError, error};
use crate::clock::Clock;
use crate::config::AzureIdentity;
use crate::credentials::{
    CloudSession, Credential, Fetching, Material, Resources, Source, SourceError, TokenSource,
};
use crate::fetch::{Fetched, Fetcher};
use form_urlencoded::Serializer;
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value};

const NAME: &str = "Entra";

/// Asks for access tokens for Key Vault.
pub(super) struct AzureSource {
    url: String,
    fetcher: Fetcher,
    proof: Proof,
    clock: Clock,
}

enum Proof {
    /// Who asks is proof enough.
    Machine,
    Federated {
        client_id: Box<str>,
        scope: String,
        token: TokenSource,
    },
}

#[derive(Deserialize)]
struct Answer {
    access_token: super::payload::Text,
    token_type: String,
    /// Seconds: a number, and text from the metadata service.
    expires_in: Value,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// The longest life that a token may claim: a managed identity's is good for a day.
const LONGEST: i64 = 36 * 3600;
/// Bytes of a token.
const LONGEST_TOKEN: usize = 16 << 10;

impl AzureSource {
    /// Prepares to ask for tokens for vaults in the domain `suffix`.
    pub(super) fn new(
        identity: &AzureIdentity,
        suffix: &str,
        resources: &Resources,
    ) -> Result<Self, SecretError> {
        let resource = format!("https://{suffix}");
        let (url, fetcher, proof) = match identity {
            AzureIdentity::Managed { client_id, metadata } => {
                let (base, fetcher) = client(metadata, None)?;
                let mut query = Serializer::new(String::new());
                query.append_pair("api-version", "2018-02-01");
                query.append_pair("resource", &resource);
                query.extend_pairs(client_id.as_deref().map(|id| ("client_id", id)));
                let url = format!("{base}/metadata/identity/oauth2/token?{}", query.finish());
                (url, fetcher, Proof::Machine)
            }
            AzureIdentity::Workload {
                tenant,
                client_id,
                token,
                login,
                ca,
            } => {
                let (base, fetcher) = client(login, ca.as_deref())?;
                let token = TokenSource::of_subject("tidegate/secrets".into(), token, resources)?;
                let proof = Proof::Federated {
                    client_id: client_id.clone(),
                    scope: format!("{resource}/.default"),
                    token,
                };
                (format!("{base}/{tenant}/oauth2/v2.0/token"), fetcher, proof)
            }
        };
        Ok(Self {
            url,
            fetcher,
            proof,
            clock: resources.clock.clone(),
        })
    }

    async fn ask(&self, session: &CloudSession) -> Result<Credential, SourceError> {
        let answer = match &self.proof {
            Proof::Machine => {
                let metadata = (
                    HeaderName::from_static("metadata"),
                    HeaderValue::from_static("true"),
                );
                self.fetcher.get_with(&self.url, &[metadata]).await?
            }
            Proof::Federated {
                client_id,
                scope,
                token,
            } => {
                let token = token.token(session, Map::new()).await?;
                let body = Serializer::new(String::new())
                    .append_pair("grant_type", "client_credentials")
                    .append_pair("client_id", client_id)
                    .append_pair("scope", scope)
                    .append_pair("client_assertion_type", JWT_BEARER)
                    .append_pair("client_assertion", token.expose_str().unwrap_or_default())
                    .finish();
                self.fetcher.post_form(&self.url, body, &[]).await?
            }
        };
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer));
        }
        self.read(&answer)
    }

    fn read(&self, answer: &Fetched) -> Result<Credential, SourceError> {
        let answer: Answer =
            parse(NAME, answer).map_err(|_| SourceError::Answer("it is not the JSON of an access token"))?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(SourceError::Answer("it is not a bearer token"));
        }
        let token = answer.access_token.0;
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(b);
        if token.is_empty() || token.expose().len() > LONGEST_TOKEN || !token.expose().iter().all(is_token) {
            return Err(SourceError::Answer("its token is malformed"));
        }
        let seconds = match &answer.expires_in {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let seconds = seconds.filter(|seconds| (1..=LONGEST).contains(seconds));
        let seconds = seconds.ok_or(SourceError::Answer("how long it is good for is not said"))?;
        let end = self.clock.now().checked_add(SignedDuration::from_secs(seconds));
        Ok(Credential {
            material: Material::BearerToken(token),
            expires_at: Some(end.map_err(|_| SourceError::Answer("it never ends"))?),
            version: None,
        })
    }
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Source for AzureSource {
    fn fetch<'a>(&'a self, session: &'a CloudSession) -> Fetching<'a> {
        Box::pin(self.ask(session))
    }
}

/// The code alone: a description of Entra's repeats what it was sent.
fn refusal(answer: &Fetched) -> SourceError {
    let told: Option<Refusal> = parse_error(answer);
    const KNOWN: [&str; 6] = [
        "invalid_client",
        "invalid_request",
        "invalid_resource",
        "invalid_scope",
        "temporarily_unavailable",
        "unauthorized_client",
    ];
    let code = told.map_or("none", |told| error::code(&told.error, &KNOWN));
    let hint = match code {
        "invalid_client" => {
            "the application needs a federated credential with this issuer, the subject `tidegate/secrets` (or that \
             of the token file) and this audience"
        }
        "unauthorized_client" => "there is no such application in this directory",
        "invalid_request" => {
            "check tenant and client_id; a machine with several identities needs `client_id`"
        }
        "invalid_resource" | "invalid_scope" => "check `suffix` in `[secrets.azure]`",
        _ => "it will be asked again",
    };
    SourceError::Refused {
        status: answer.status,
        code: code.to_owned(),
        message: "Entra gave no token".to_owned(),
        hint,
    }
}
