//! Secret Manager of Google Cloud: `versions/V:access`.
//!
//! `latest` is resolved by Google, and the answer's name says to which number. When a version was made is said by
//! another call, which needs another right; without that right, its age is not known.
//!
//! Spec: <https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access>

use super::manager::{Manager, Reading, client, confidential, hint_of, parse, parse_error};
use super::payload::{Payload, Text};
use super::{SecretError, Versioned, error};
use crate::config::{GcpSecrets, SecretPlace};
use crate::credentials::{GoogleToken, Material, Purpose, Resources};
use crate::fetch::{Fetched, Fetcher};
use crate::secret::Secret;
use crc_fast::{CrcAlgorithm, checksum};
use data_encoding::BASE64;
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};

const NAME: &str = "Secret Manager";

/// Secret Manager.
pub(super) struct GcpManager {
    url: String,
    fetcher: Fetcher,
    token: GoogleToken,
    /// When the versions that were read were made.
    known: Mutex<Vec<(Known, Option<Timestamp>)>>,
}

/// A version by its full name, and the checksum of its payload: a secret that is made anew counts from one again.
type Known = (String, u64);

#[derive(Deserialize)]
struct Answer {
    name: String,
    payload: Data,
}

#[derive(Deserialize)]
struct Data {
    data: Text,
    /// A number of 64 bits, which Google writes as text.
    #[serde(rename = "dataCrc32c")]
    crc32c: Option<String>,
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "createTime")]
    created: Timestamp,
}

#[derive(Deserialize)]
struct Refusal {
    error: Status,
}

#[derive(Deserialize)]
struct Status {
    status: String,
}

/// Versions whose age is remembered: one for each secret of a configuration, and more.
const KNOWN: usize = 256;

impl GcpManager {
    pub(super) fn new(settings: &GcpSecrets, resources: &Resources) -> Result<Self, SecretError> {
        let (url, fetcher) = client(&settings.endpoint, settings.ca.as_deref())?;
        let token = GoogleToken::new("secrets", &settings.credentials, Purpose::Platform, resources)?;
        Ok(Self {
            url,
            fetcher,
            token,
            known: Mutex::default(),
        })
    }

    async fn ask(&self, project: &str, secret: &str, version: Option<u64>) -> Result<Versioned, SecretError> {
        let version = version.map_or_else(|| "latest".to_owned(), |number| number.to_string());
        let path = format!("projects/{project}/secrets/{secret}/versions/{version}");
        let answer = self.get(&format!("{path}:access")).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer));
        }
        let answer: Answer = parse(NAME, &answer)?;
        let wrong = |problem| SecretError::Answer {
            manager: NAME,
            problem,
        };
        let number = numbered(&answer.name, secret, &version).ok_or(wrong("it is about another version"))?;
        let bytes = BASE64.decode(answer.payload.data.0.expose());
        let payload = Secret::new(bytes.map_err(|_| wrong("its data is not base64"))?);
        let crc32c = checksum(CrcAlgorithm::Crc32Iscsi, payload.expose());
        if answer
            .payload
            .crc32c
            .is_some_and(|sent| sent != crc32c.to_string())
        {
            return Err(wrong("its data was damaged on the way"));
        }
        let pinned = format!("projects/{project}/secrets/{secret}/versions/{number}");
        Ok(Versioned {
            payload: Payload::Whole(payload),
            created_at: self.created_at((pinned, crc32c)).await,
            version: number.into(),
        })
    }

    /// When a version was made; `None` if we may not know. Asked once for each.
    async fn created_at(&self, version: Known) -> Option<Timestamp> {
        if let Some((_, at)) = self.known().iter().find(|(known, _)| *known == version) {
            return *at;
        }
        let answer = self.get(&version.0).await.ok()?;
        let made = match answer.status {
            StatusCode::OK => parse::<Version>(NAME, &answer)
                .ok()
                .map(|version| version.created),
            // It will be said another time.
            status if status.is_server_error() => return None,
            _ => None,
        };
        let mut known = self.known();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.push((version, made));
        made
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<(Known, Option<Timestamp>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once more, if the token had expired before its time.
    async fn get(&self, path: &str) -> Result<Fetched, SecretError> {
        let url = format!("{}/v1/{path}", self.url);
        let mut tried = false;
        loop {
            let credential = self.token.get().await;
            let credential = credential.map_err(|_| SecretError::Identity(cause(&self.token)))?;
            let Material::BearerToken(token) = &credential.material else {
                return Err(SecretError::Identity("it is no token".to_owned()));
            };
            let bearer = confidential("Bearer ", token);
            let bearer = bearer.ok_or_else(|| SecretError::Identity("it is no token".to_owned()))?;
            let answer = self
                .fetcher
                .get_with(&url, &[(header::AUTHORIZATION, bearer)])
                .await?;
            if answer.status != StatusCode::UNAUTHORIZED || tried || !self.token.invalidate(&credential) {
                return Ok(answer);
            }
            tried = true;
        }
    }
}

impl Manager for GcpManager {
    fn read<'a>(&'a self, place: &'a SecretPlace) -> Reading<'a> {
        Box::pin(async move {
            match place {
                SecretPlace::Gcp {
                    project,
                    secret,
                    version,
                } => self.ask(project, secret, *version).await,
                SecretPlace::Aws { .. } | SecretPlace::Azure { .. } | SecretPlace::Vault { .. } => {
                    Err(SecretError::NotYet)
                }
            }
        })
    }
}

/// The number in `projects/NUMBER/secrets/SECRET/versions/NUMBER`, if it is of this secret and of the version that was
/// asked for.
fn numbered<'a>(name: &'a str, secret: &str, asked: &str) -> Option<&'a str> {
    let parts: Vec<&str> = name.split('/').collect();
    let ["projects", _, "secrets", of, "versions", number] = parts.as_slice() else {
        return None;
    };
    let is_number = (1..=19).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let is_it = asked == "latest" || *number == asked;
    (*of == secret && is_number && is_it).then_some(*number)
}

fn refusal(answer: &Fetched) -> SecretError {
    let told: Option<Refusal> = parse_error(answer);
    const KNOWN: [&str; 8] = [
        "FAILED_PRECONDITION",
        "INTERNAL",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "UNAUTHENTICATED",
        "UNAVAILABLE",
    ];
    let code = told.map_or("none", |told| error::code(&told.error.status, &KNOWN));
    let hint = match code {
        "NOT_FOUND" => "there is no such secret, or no version is in it",
        "FAILED_PRECONDITION" => "the version is disabled or destroyed; enable it, or add one",
        "PERMISSION_DENIED" => "the identity needs `roles/secretmanager.secretAccessor` on it",
        "UNAUTHENTICATED" => "check `credentials` in `[secrets.gcp]`",
        _ => hint_of(answer.status),
    };
    SecretError::Refused {
        manager: NAME,
        status: answer.status,
        code,
        hint,
    }
}

fn cause(token: &GoogleToken) -> String {
    use crate::credentials::CredentialState::{Ready, Stale, Unavailable, Unused};
    match token.state() {
        Unavailable { cause } | Stale { cause, .. } => cause,
        Unused | Ready { .. } => "it cannot be had now".to_owned(),
    }
}
