//! HashiCorp Vault and OpenBao: secrets of the KV engine, versions 2 and 1.
//!
//! Where a path stops being the mount, and which version the mount has, is Vault's to say: it is asked once, as its own
//! command line does.
//!
//! Spec: <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>

use super::manager::{Manager, Reading, client, confidential, hint_of, parse, parse_error};
use super::payload::{Members, Payload};
use super::vault_login::VaultLogin;
use super::{SecretError, Versioned, fingerprint};
use crate::config::{SecretPlace, SecretRef, VaultAuth, VaultSecrets};
use crate::credentials::{Credential, Material, OwnCredential, Resources, TokenSource};
use crate::fetch::{Fetched, Fetcher};
use crate::secret::Secret;
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

const NAME: &str = "Vault";
const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");

/// A Vault.
pub(super) struct VaultManager {
    url: String,
    fetcher: Fetcher,
    headers: Vec<(HeaderName, HeaderValue)>,
    identity: Identity,
    /// What is known of mounts, by the paths that lead there.
    mounts: Mutex<BTreeMap<Box<str>, Mount>>,
}

enum Identity {
    Token(SecretRef),
    Login(OwnCredential),
}

/// What opens Vault now.
enum Key {
    Token(Secret),
    Login(Arc<Credential>),
}

#[derive(Clone)]
struct Mount {
    /// Ends with a slash.
    path: Box<str>,
    versioned: bool,
}

#[derive(Deserialize)]
struct Wrapped<T> {
    data: T,
}

#[derive(Deserialize)]
struct MountData {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    options: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct V2 {
    data: Option<Members>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
    created_time: Option<Timestamp>,
    deletion_time: Option<String>,
    destroyed: bool,
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<String>,
}

impl VaultManager {
    pub(super) fn new(settings: &VaultSecrets, resources: &Resources) -> Result<Self, SecretError> {
        let (url, fetcher) = client(&settings.address, settings.ca.as_deref())?;
        let mut headers = vec![(
            HeaderName::from_static("x-vault-request"),
            HeaderValue::from_static("true"),
        )];
        if let Some(namespace) = &settings.namespace
            && let Ok(value) = HeaderValue::from_str(namespace)
        {
            headers.push((HeaderName::from_static("x-vault-namespace"), value));
        }
        let identity = match &settings.auth {
            VaultAuth::Token(token) => {
                // One that is missing is better found at start.
                token.resolve()?;
                Identity::Token(token.clone())
            }
            VaultAuth::Login { mount, role, token } => {
                let login = VaultLogin {
                    url: format!("{url}/v1/auth/{mount}/login"),
                    role: role.clone(),
                    token: TokenSource::of_subject("tidegate/secrets".into(), token, resources)?,
                    fetcher: fetcher.clone(),
                    headers: headers.clone(),
                    clock: resources.clock.clone(),
                };
                Identity::Login(OwnCredential::new("secrets", Arc::new(login), &resources.clock))
            }
        };
        Ok(Self {
            url,
            fetcher,
            headers,
            identity,
            mounts: Mutex::default(),
        })
    }

    async fn ask(&self, path: &str) -> Result<Versioned, SecretError> {
        let mount = match self.known(path) {
            Some(mount) => mount,
            None => self.find_mount(path).await?,
        };
        let read = self.read(path, &mount).await;
        if read.is_err() {
            // It may have been moved, or upgraded.
            self.mounts().remove(path);
        }
        read
    }

    fn known(&self, path: &str) -> Option<Mount> {
        self.mounts().get(path).cloned()
    }

    fn mounts(&self) -> std::sync::MutexGuard<'_, BTreeMap<Box<str>, Mount>> {
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find_mount(&self, path: &str) -> Result<Mount, SecretError> {
        let answer = self.get(&format!("sys/internal/ui/mounts/{path}")).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer));
        }
        let found: Wrapped<MountData> = parse(NAME, &answer)?;
        let found = found.data;
        let mount = found.path.trim_end_matches('/');
        let is_above = path.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/'));
        if mount.is_empty() || !is_above {
            return Err(wrong("it names another mount"));
        }
        if found.kind != "kv" && found.kind != "generic" {
            return Err(wrong("the mount is no KV secrets engine"));
        }
        let version = found.options.as_ref().and_then(|options| options.get("version"));
        let mount = Mount {
            path: format!("{mount}/").into(),
            versioned: version.is_some_and(|version| version == "2"),
        };
        self.mounts().insert(path.into(), mount.clone());
        Ok(mount)
    }

    async fn read(&self, path: &str, mount: &Mount) -> Result<Versioned, SecretError> {
        let rest = path.strip_prefix(&*mount.path).unwrap_or_default();
        if !mount.versioned {
            let answer = self.get(path).await?;
            if answer.status != StatusCode::OK {
                return Err(refusal(&answer));
            }
            let found: Wrapped<Members> = parse(NAME, &answer)?;
            return Ok(Versioned {
                version: fingerprint("kv1", &found.data.digested()),
                payload: Payload::Members(found.data),
                created_at: None,
            });
        }
        let answer = self.get(&format!("{}data/{rest}", mount.path)).await?;
        // A version that was deleted is a 404 that says so.
        let found: Wrapped<V2> = match answer.status {
            StatusCode::OK => parse(NAME, &answer)?,
            StatusCode::NOT_FOUND => parse_error(&answer).ok_or_else(|| refusal(&answer))?,
            _ => return Err(refusal(&answer)),
        };
        let V2 { data, metadata } = found.data;
        if metadata.destroyed {
            return Err(wrong("the newest version is destroyed; write another one"));
        }
        // In the future, it is when a version will be deleted.
        let gone = metadata.deletion_time.is_some_and(|at| !at.is_empty());
        match data {
            Some(members) => Ok(Versioned {
                payload: Payload::Members(members),
                version: metadata.version.to_string().into(),
                created_at: metadata.created_time,
            }),
            None if gone => Err(wrong(
                "the newest version is deleted; `vault kv undelete` brings it back",
            )),
            None => Err(wrong("there is no data in it")),
        }
    }

    /// Logs in anew once, if Vault does not know the token any more.
    async fn get(&self, path: &str) -> Result<Fetched, SecretError> {
        let url = format!("{}/v1/{path}", self.url);
        let mut tried = false;
        loop {
            let key = self.key().await?;
            let mut headers = self.headers.clone();
            let value = confidential("", key.token()?);
            headers.push((
                TOKEN,
                value.ok_or_else(|| SecretError::Identity("it is no token".to_owned()))?,
            ));
            let answer = self.fetcher.get_with(&url, &headers).await?;
            // Vault says no other thing of a token that ended than of one that may not.
            let once_more = answer.status == StatusCode::FORBIDDEN && !tried && self.forgets(&key);
            if !once_more {
                return Ok(answer);
            }
            tried = true;
        }
    }

    async fn key(&self) -> Result<Key, SecretError> {
        match &self.identity {
            // Read anew, so that whoever keeps it alive needs no reload.
            Identity::Token(token) => Ok(Key::Token(token.resolve()?)),
            Identity::Login(login) => match login.get().await {
                Ok(credential) => Ok(Key::Login(credential)),
                Err(_) => Err(SecretError::Identity(login.cause())),
            },
        }
    }

    fn forgets(&self, key: &Key) -> bool {
        match (&self.identity, key) {
            (Identity::Login(login), Key::Login(used)) => login.invalidate(used),
            (Identity::Token(_), _) | (Identity::Login(_), Key::Token(_)) => false,
        }
    }
}

impl Key {
    fn token(&self) -> Result<&Secret, SecretError> {
        match self {
            Self::Token(token) => Ok(token),
            Self::Login(credential) => match &credential.material {
                Material::BearerToken(token) => Ok(token),
                Material::AccessKey(_) => Err(SecretError::Identity("it is no token".to_owned())),
            },
        }
    }
}

impl Manager for VaultManager {
    fn read<'a>(&'a self, place: &'a SecretPlace) -> Reading<'a> {
        Box::pin(async move {
            match place {
                SecretPlace::Vault { path } => self.ask(path).await,
                SecretPlace::Aws { .. } | SecretPlace::Gcp { .. } | SecretPlace::Azure { .. } => {
                    Err(SecretError::NotYet)
                }
            }
        })
    }
}

fn wrong(problem: &'static str) -> SecretError {
    SecretError::Answer {
        manager: NAME,
        problem,
    }
}

fn refusal(answer: &Fetched) -> SecretError {
    let told: Option<Refusal> = parse_error(answer);
    let is_empty = told.as_ref().is_some_and(|told| told.errors.is_empty());
    let hint = match answer.status.as_u16() {
        403 => {
            "permission denied: the policy of the token must allow `read` on it (below `data/` for KV version 2), or the token has ended"
        }
        404 if is_empty => "there is no such secret",
        404 => "there is nothing: check mount, path and `namespace`",
        412 | 472 | 473 => "it is a standby; it will be asked again",
        503 => "it is sealed or has no leader; it will be asked again",
        _ => hint_of(answer.status),
    };
    SecretError::Refused {
        manager: NAME,
        status: answer.status,
        code: "none",
        hint,
    }
}
