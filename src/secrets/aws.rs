//! AWS Secrets Manager: GetSecretValue, in JSON 1.1, signed with SigV4.
//!
//! The version that is read is the one with the stage `AWSCURRENT`, which a rotation moves when it is through.
//!
//! Spec: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use super::manager::{Manager, Reading, client, hint_of, parse, parse_error};
use super::payload::{Payload, Text};
use super::{SecretError, Versioned, error};
use crate::clock::Clock;
use crate::config::{AwsSecrets, CredentialSource, Endpoint, Environment, SecretPlace};
use crate::credentials::{AccessKey, Ambient, AwsCall, Credential, OwnCredential, Resources, SourceError};
use crate::fetch::{Fetched, Fetcher};
use crate::secret::Secret;
use data_encoding::BASE64;
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

const NAME: &str = "AWS Secrets Manager";
const JSON: &str = "application/x-amz-json-1.1";
const TARGET: (&str, &str) = ("x-amz-target", "secretsmanager.GetSecretValue");

/// AWS Secrets Manager, in all regions that references name.
pub(super) struct AwsManager {
    region: Option<Box<str>>,
    endpoint: Option<Endpoint>,
    ca: Option<PathBuf>,
    role: Option<OwnCredential>,
    resources: Resources,
    clock: Clock,
    regions: Mutex<BTreeMap<Box<str>, Arc<Region>>>,
}

/// One region.
struct Region {
    name: Box<str>,
    url: String,
    host: String,
    fetcher: Fetcher,
    /// Who the machine is there, if no role is configured.
    ambient: Option<Ambient>,
}

/// What signs a call.
enum Signer {
    Role(Arc<Credential>),
    Ambient(AccessKey),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "ARN")]
    arn: String,
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "VersionId")]
    version: String,
    #[serde(rename = "VersionStages", default)]
    stages: Vec<String>,
    #[serde(rename = "SecretString")]
    text: Option<Text>,
    #[serde(rename = "SecretBinary")]
    binary: Option<Text>,
    #[serde(rename = "CreatedDate")]
    created: Option<f64>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type", alias = "code")]
    kind: String,
}

impl AwsManager {
    pub(super) fn new(settings: &AwsSecrets, resources: &Resources) -> Result<Self, SecretError> {
        let environment = Environment::of_process();
        let ambient = || {
            environment
                .get("AWS_REGION")
                .or_else(|| environment.get("AWS_DEFAULT_REGION"))
        };
        let role = match settings.credentials.as_deref() {
            Some(CredentialSource::Role(role)) => Some(OwnCredential::of_role("secrets", role, resources)?),
            Some(_) => return Err(SourceError::Answer("AWS knows no such credentials").into()),
            None => None,
        };
        // Found at start, and not with the first call.
        Fetcher::new(settings.ca.as_deref())?;
        Ok(Self {
            region: settings.region.clone().or_else(|| ambient().map(Box::from)),
            endpoint: settings.endpoint.clone(),
            ca: settings.ca.clone(),
            role,
            resources: resources.clone(),
            clock: resources.clock.clone(),
            regions: Mutex::default(),
        })
    }

    async fn ask(&self, id: &str, region: Option<&str>) -> Result<Versioned, SecretError> {
        let region = region.or(self.region.as_deref()).ok_or(SecretError::NoRegion)?;
        let region = self.region(region)?;
        let signer = self.signer(&region).await?;
        let mut answer = self.call(&region, id, &signer).await?;
        // Once more, if what signed had expired before its time.
        if let Some(code) = refused(&answer)
            && EXPIRED.contains(&code)
            && let Some(other) = self.other_than(&region, &signer).await?
        {
            answer = self.call(&region, id, &other).await?;
        }
        read(id, &answer)
    }

    /// What else may sign after `refused`, if there is anything.
    async fn other_than(&self, region: &Region, refused: &Signer) -> Result<Option<Signer>, SecretError> {
        Ok(match (refused, &self.role, &region.ambient) {
            (Signer::Role(used), Some(role), _) if role.invalidate(used) => Some(self.signer(region).await?),
            (Signer::Ambient(key), _, Some(ambient)) => ambient.other_than(key).await.map(Signer::Ambient),
            (Signer::Role(_) | Signer::Ambient(_), _, _) => None,
        })
    }

    fn region(&self, name: &str) -> Result<Arc<Region>, SecretError> {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(region) = regions.get(name) {
            return Ok(Arc::clone(region));
        }
        let domain = match name.starts_with("cn-") {
            true => "amazonaws.com.cn",
            false => "amazonaws.com",
        };
        let endpoint = self.endpoint.clone().unwrap_or_else(|| Endpoint {
            tls: true,
            host: format!("secretsmanager.{name}.{domain}").into(),
            port: 443,
        });
        let (url, fetcher) = client(&endpoint, self.ca.as_deref())?;
        let ambient = match self.role {
            Some(_) => None,
            None => Some(Ambient::new(name, &self.resources)?),
        };
        let region = Arc::new(Region {
            name: name.into(),
            url: format!("{url}/"),
            host: endpoint.authority(),
            fetcher,
            ambient,
        });
        regions.insert(name.into(), Arc::clone(&region));
        Ok(region)
    }

    async fn signer(&self, region: &Region) -> Result<Signer, SecretError> {
        if let Some(ambient) = &region.ambient {
            let key = ambient.key().await;
            return Ok(Signer::Ambient(key.map_err(|error| {
                SecretError::Identity(crate::error::with_causes(&error))
            })?));
        }
        let role = self.role.as_ref().ok_or(SecretError::NotYet)?;
        let credential = role.get().await;
        Ok(Signer::Role(
            credential.map_err(|_| SecretError::Identity(role.cause()))?,
        ))
    }

    async fn call(&self, region: &Region, id: &str, signer: &Signer) -> Result<Fetched, SecretError> {
        let body = json!({ "SecretId": id }).to_string();
        let key = match signer {
            Signer::Role(credential) => credential.access_key(),
            Signer::Ambient(key) => Some(key),
        };
        let key = key.ok_or(SourceError::Signature)?;
        let headers = signed(key, region, &body, self.clock.now())?;
        Ok(region.fetcher.post_form(&region.url, body, &headers).await?)
    }
}

impl Manager for AwsManager {
    fn read<'a>(&'a self, place: &'a SecretPlace) -> Reading<'a> {
        Box::pin(async move {
            match place {
                SecretPlace::Aws { id, region } => self.ask(id, region.as_deref()).await,
                SecretPlace::Gcp { .. } | SecretPlace::Azure { .. } | SecretPlace::Vault { .. } => {
                    Err(SecretError::NotYet)
                }
            }
        })
    }
}

/// Answers that another credential could change.
const EXPIRED: [&str; 5] = [
    "ExpiredTokenException",
    "ExpiredToken",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "InvalidClientTokenId",
];

fn refused(answer: &Fetched) -> Option<&'static str> {
    const KNOWN: [&str; 7] = [
        "AccessDeniedException",
        "DecryptionFailure",
        "InternalServiceError",
        "InvalidParameterException",
        "InvalidRequestException",
        "ResourceNotFoundException",
        "ThrottlingException",
    ];
    if answer.status == StatusCode::OK {
        return None;
    }
    let refusal: Refusal = parse_error(answer)?;
    let kind = refusal.kind.rsplit('#').next().unwrap_or_default();
    Some(error::code(kind, &[&EXPIRED[..], &KNOWN[..]].concat()))
}

fn read(id: &str, answer: &Fetched) -> Result<Versioned, SecretError> {
    if answer.status != StatusCode::OK {
        let code = refused(answer).unwrap_or("none");
        let hint = match code {
            "ResourceNotFoundException" => "there is no such secret in this region, or nothing is in it",
            "InvalidRequestException" => "the secret is marked for deletion; `restore-secret` undoes that",
            "AccessDeniedException" => {
                "the identity needs `secretsmanager:GetSecretValue` on it, and `kms:Decrypt` if its key is one of yours"
            }
            "DecryptionFailure" => "its key is disabled or deleted, or the identity lacks `kms:Decrypt`",
            code if EXPIRED.contains(&code) => "check the credentials that sign this call, and the clock",
            _ => hint_of(answer.status),
        };
        return Err(SecretError::Refused {
            manager: NAME,
            status: answer.status,
            code,
            hint,
        });
    }
    let wrong = |problem| SecretError::Answer {
        manager: NAME,
        problem,
    };
    let answer: Answer = parse(NAME, answer)?;
    let is_other = *id != *answer.name && *id != *answer.arn && !answer.arn.starts_with(&format!("{id}-"));
    if is_other {
        return Err(wrong("it is about another secret"));
    }
    let is_id = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if !(1..=64).contains(&answer.version.len()) || !answer.version.bytes().all(is_id) {
        return Err(wrong("its version is none"));
    }
    if !answer.stages.iter().any(|stage| stage == "AWSCURRENT") {
        return Err(wrong("its version is not the current one"));
    }
    let payload = match (answer.text, answer.binary) {
        (Some(text), None) => text.0,
        (None, Some(binary)) => {
            let bytes = BASE64.decode(binary.0.expose());
            Secret::new(bytes.map_err(|_| wrong("its binary is not base64"))?)
        }
        (Some(_), Some(_)) | (None, None) => return Err(wrong("it has not one value")),
    };
    let created_at = answer.created.filter(|at| at.is_finite());
    Ok(Versioned {
        payload: Payload::Whole(payload),
        version: answer.version.into(),
        created_at: created_at.and_then(|at| Timestamp::from_millisecond((at * 1000.0) as i64).ok()),
    })
}

/// The headers of a signed call.
fn signed(
    key: &AccessKey,
    region: &Region,
    body: &str,
    now: Timestamp,
) -> Result<Vec<(HeaderName, HeaderValue)>, SourceError> {
    let call = AwsCall {
        service: "secretsmanager",
        region: &region.name,
        url: &region.url,
        host: &region.host,
        headers: &[("content-type", JSON), TARGET],
        body,
    };
    let own = [
        (header::CONTENT_TYPE, HeaderValue::from_static(JSON)),
        (
            HeaderName::from_static(TARGET.0),
            HeaderValue::from_static(TARGET.1),
        ),
    ];
    Ok(own.into_iter().chain(call.sign(key, now)?).collect())
}
