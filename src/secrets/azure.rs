//! Azure Key Vault: `GET /secrets/NAME[/VERSION]`.
//!
//! Key Vault hands out secrets beyond their `exp`, and before their `nbf`: that is for the reader to see, so both are
//! held against the clock here.
//!
//! Spec: <https://learn.microsoft.com/en-us/rest/api/keyvault/secrets/get-secret/get-secret>

use super::azure_identity::AzureSource;
use super::manager::{Manager, Reading, client, confidential, hint_of, parse, parse_error};
use super::payload::{Payload, Text};
use super::{SecretError, Versioned, error};
use crate::clock::Clock;
use crate::config::{AzureSecrets, Endpoint, SecretPlace};
use crate::credentials::{Material, OwnCredential, Resources};
use crate::fetch::{Fetched, Fetcher};
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

const NAME: &str = "Key Vault";
/// The version of the API, which Azure wants to be told with each call.
const API: &str = "7.4";

/// All vaults of a domain.
pub(super) struct AzureManager {
    suffix: Box<str>,
    endpoint: Option<Endpoint>,
    ca: Option<PathBuf>,
    identity: OwnCredential,
    clock: Clock,
}

#[derive(Deserialize)]
struct Answer {
    value: Text,
    id: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    enabled: bool,
    created: Option<i64>,
    nbf: Option<i64>,
    exp: Option<i64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: Code,
}

#[derive(Deserialize)]
struct Code {
    code: String,
    innererror: Option<Inner>,
}

#[derive(Deserialize)]
struct Inner {
    code: String,
}

impl AzureManager {
    pub(super) fn new(settings: &AzureSecrets, resources: &Resources) -> Result<Self, SecretError> {
        Fetcher::new(settings.ca.as_deref())?;
        let source = AzureSource::new(&settings.credentials, &settings.suffix, resources)?;
        Ok(Self {
            suffix: settings.suffix.clone(),
            endpoint: settings.endpoint.clone(),
            ca: settings.ca.clone(),
            identity: OwnCredential::new("secrets", Arc::new(source), &resources.clock),
            clock: resources.clock.clone(),
        })
    }

    async fn ask(&self, vault: &str, secret: &str, version: Option<&str>) -> Result<Versioned, SecretError> {
        let endpoint = self.endpoint.clone().unwrap_or_else(|| Endpoint {
            tls: true,
            host: format!("{vault}.{}", self.suffix).into(),
            port: 443,
        });
        let (base, fetcher) = client(&endpoint, self.ca.as_deref())?;
        let path = version.map_or_else(|| secret.to_owned(), |version| format!("{secret}/{version}"));
        let url = format!("{base}/secrets/{path}?api-version={API}");
        let answer = self.get(&fetcher, &url).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer));
        }
        self.read(secret, version, parse(NAME, &answer)?)
    }

    fn read(&self, secret: &str, asked: Option<&str>, answer: Answer) -> Result<Versioned, SecretError> {
        let wrong = |problem| SecretError::Answer {
            manager: NAME,
            problem,
        };
        let version = version_of(&answer.id, secret).ok_or(wrong("it is about another secret"))?;
        if asked.is_some_and(|asked| !asked.eq_ignore_ascii_case(version)) {
            return Err(wrong("it is about another version"));
        }
        let at = |seconds: i64| Timestamp::from_second(seconds).ok();
        let Attributes {
            enabled,
            created,
            nbf,
            exp,
        } = answer.attributes;
        let now = self.clock.now();
        if !enabled {
            return Err(wrong("the secret is disabled"));
        }
        if exp.and_then(at).is_some_and(|exp| exp <= now) {
            return Err(wrong("the secret has expired, by its own attribute `exp`"));
        }
        if nbf.and_then(at).is_some_and(|nbf| nbf > now) {
            return Err(wrong(
                "the secret is not to be used yet, by its own attribute `nbf`",
            ));
        }
        Ok(Versioned {
            payload: Payload::Whole(answer.value.0),
            version: version.to_ascii_lowercase().into(),
            created_at: created.and_then(at),
        })
    }

    /// Once more, if the token had expired before its time.
    async fn get(&self, fetcher: &Fetcher, url: &str) -> Result<Fetched, SecretError> {
        let mut tried = false;
        loop {
            let credential = self.identity.get().await;
            let credential = credential.map_err(|_| SecretError::Identity(self.identity.cause()))?;
            let bearer = match &credential.material {
                Material::BearerToken(token) => confidential("Bearer ", token),
                Material::AccessKey(_) => None,
            };
            let bearer = bearer.ok_or_else(|| SecretError::Identity("it is no token".to_owned()))?;
            let answer = fetcher.get_with(url, &[(header::AUTHORIZATION, bearer)]).await?;
            if answer.status != StatusCode::UNAUTHORIZED || tried || !self.identity.invalidate(&credential) {
                return Ok(answer);
            }
            tried = true;
        }
    }
}

impl Manager for AzureManager {
    fn read<'a>(&'a self, place: &'a SecretPlace) -> Reading<'a> {
        Box::pin(async move {
            match place {
                SecretPlace::Azure {
                    vault,
                    secret,
                    version,
                } => self.ask(vault, secret, version.as_deref()).await,
                SecretPlace::Aws { .. } | SecretPlace::Gcp { .. } | SecretPlace::Vault { .. } => {
                    Err(SecretError::NotYet)
                }
            }
        })
    }
}

/// The version in `https://VAULT/secrets/NAME/VERSION`. Names of Azure differ in more than case, or not at all.
fn version_of<'a>(id: &'a str, secret: &str) -> Option<&'a str> {
    let (_, path) = id.strip_prefix("https://")?.split_once('/')?;
    let parts: Vec<&str> = path.split('/').collect();
    let ["secrets", of, version] = parts.as_slice() else {
        return None;
    };
    let is_version = version.len() == 32 && version.bytes().all(|b| b.is_ascii_hexdigit());
    (of.eq_ignore_ascii_case(secret) && is_version).then_some(*version)
}

fn refusal(answer: &Fetched) -> SecretError {
    let told: Option<Refusal> = parse_error(answer);
    const KNOWN: [&str; 9] = [
        "AccessDenied",
        "BadParameter",
        "Forbidden",
        "ForbiddenByFirewall",
        "ForbiddenByRbac",
        "SecretDisabled",
        "SecretNotFound",
        "Throttled",
        "Unauthorized",
    ];
    let code = told.map(|told| told.error).map(|told| match told.innererror {
        Some(inner) => error::code(&inner.code, &KNOWN),
        None => error::code(&told.code, &KNOWN),
    });
    let code = code.unwrap_or("none");
    let hint = match code {
        "SecretNotFound" => "there is no such secret; one that was deleted can be recovered for a while",
        "SecretDisabled" => "the secret is disabled; enable it, or add a version",
        "Forbidden" | "ForbiddenByRbac" | "AccessDenied" => {
            "the identity needs the role `Key Vault Secrets User` on it, or the permission `get` of an access policy"
        }
        "ForbiddenByFirewall" => "the firewall of the vault does not let us in",
        "Unauthorized" => "check `credentials` in `[secrets.azure]`",
        _ => hint_of(answer.status),
    };
    SecretError::Refused {
        manager: NAME,
        status: answer.status,
        code,
        hint,
    }
}
