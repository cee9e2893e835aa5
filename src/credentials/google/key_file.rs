//! `google-service-account-file`: the key of a service account, which signs an assertion that is traded for a token.
//!
//! It is the kind to leave: the key is good until somebody deletes it, wherever it has been copied to. The file is
//! refused while others may read it, and is read anew for each call, so that one that was replaced needs no reload.
//! Nothing of the key is in any message, and the file's own word about where to send the assertion counts only if that
//! is Google (CRD-09).
//!
//! Spec: <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>, RFC 7523

use super::{GoogleError, Line, Purpose, Service, answer::Answer};
use crate::clock::Clock;
use crate::config::{Endpoint, ServiceAccountFile};
use crate::credentials::{Credential, SourceError};
use crate::files;
use crate::json::Object;
use crate::jws;
use crate::secret::Secret;
use aws_lc_rs::signature::RsaKeyPair;
use form_urlencoded::Serializer;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::json;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

pub(super) struct KeyFileSource {
    settings: ServiceAccountFile,
    scope: &'static str,
    clock: Clock,
}

/// What is in the file.
struct KeyFile {
    email: String,
    key_id: String,
    pair: RsaKeyPair,
    /// `aud` of the assertion, byte for byte.
    token_uri: String,
}

/// A key file has 2.4 KB.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// An assertion may be good for an hour, which is what Google's own clients ask for.
const LIFETIME: SignedDuration = SignedDuration::from_secs(3600);
/// One that was made in the future is refused.
const EARLY: SignedDuration = SignedDuration::from_secs(10);

impl KeyFileSource {
    /// # Errors
    /// [`GoogleError`] for a file that cannot be used: better found at start than with the first request.
    pub(super) fn new(
        settings: &ServiceAccountFile,
        purpose: Purpose,
        clock: &Clock,
    ) -> Result<Self, SourceError> {
        let source = Self {
            settings: settings.clone(),
            scope: purpose.scope(),
            clock: clock.clone(),
        };
        source.line(&KeyFile::read(&settings.file)?)?;
        Ok(source)
    }

    pub(super) async fn ask(&self) -> Result<Credential, SourceError> {
        let path = self.settings.file.clone();
        let read = tokio::task::spawn_blocking(move || KeyFile::read(&path)).await;
        let key = read.map_err(|_| GoogleError::Signature)??;
        let asked_at = self.clock.now();
        let assertion = key.assertion(self.scope, asked_at)?;
        let body = Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", assertion.expose_str().unwrap_or_default())
            .finish();
        let line = self.line(&key)?;
        let answer = Answer {
            service: line.service,
            fetched: &line.post_form(body).await?,
            asked_at,
            sent: &[&assertion],
        };
        Ok(answer.access_token()?)
    }

    /// Where the assertion is sent.
    fn line(&self, key: &KeyFile) -> Result<Line, SourceError> {
        let ca = self.settings.ca.as_deref();
        match &self.settings.token_endpoint {
            Some(endpoint) => Line::new(Service::OAuth, endpoint, "/token", ca),
            None => {
                let unusable = |problem| GoogleError::Key {
                    path: self.settings.file.clone(),
                    problem,
                };
                let (host, path) = googles(&key.token_uri).ok_or_else(|| unusable(ELSEWHERE))?;
                let endpoint = Endpoint {
                    tls: true,
                    host: host.into(),
                    port: 443,
                };
                Line::new(Service::OAuth, &endpoint, path, ca)
            }
        }
    }
}

/// Whether a file is a key that can be used, for `tidegate check`.
///
/// # Errors
/// [`GoogleError`]: it cannot be read, others may read it, or it is no key of a service account.
pub fn check_key_file(path: &Path) -> Result<(), GoogleError> {
    KeyFile::read(path).map(|_| ())
}

const ELSEWHERE: &str = "its `token_uri` is not of googleapis.com or accounts.google.com; if it is to be another one, set `token_endpoint`";

/// Host and path of a URL of Google's, as Google writes it.
fn googles(token_uri: &str) -> Option<(&str, &str)> {
    let rest = token_uri.strip_prefix("https://")?;
    let (host, path) = rest.split_at(rest.find('/')?);
    let is_googles =
        host == "accounts.google.com" || host.strip_suffix(".googleapis.com").is_some_and(is_label);
    let is_plain = path
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/_.-".contains(&b));
    (is_googles && is_plain).then_some((host, path))
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl KeyFile {
    fn read(path: &Path) -> Result<Self, GoogleError> {
        let failed = |source| GoogleError::KeyFile {
            path: path.to_owned(),
            source,
        };
        let mut exposed = None;
        let text = files::read(path, MAX_FILE_BYTES, |file| {
            exposed = files::exposed(file)?;
            Ok(())
        });
        let text = text
            .map_err(failed)?
            .ok_or_else(|| failed(ErrorKind::NotFound.into()))?;
        let text = Zeroizing::new(text);
        if let Some(mode) = exposed {
            let path: PathBuf = path.to_owned();
            return Err(GoogleError::Exposed { path, mode });
        }
        Self::parse(text.as_bytes()).map_err(|problem| GoogleError::Key {
            path: path.to_owned(),
            problem,
        })
    }

    fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let document = Object::parse(text).map_err(|_| "it is no JSON that can be read in one way only")?;
        match document.text("type") {
            Some("service_account") => {}
            Some("external_account") => {
                return Err(
                    "it is the configuration of a workload identity: `kind = \"google-workload-identity\"` needs no file",
                );
            }
            Some("authorized_user") => return Err("it is the login of a person, and no service account's"),
            _ => return Err("its `type` is not `service_account`"),
        }
        let text = |name: &str, missing| match document.text(name) {
            Some(text) if (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) => {
                Ok(text.to_owned())
            }
            _ => Err(missing),
        };
        let email = text("client_email", "it has no `client_email`")?;
        let key_id = text("private_key_id", "it has no `private_key_id`")?;
        let token_uri = text("token_uri", "it has no `token_uri`")?;
        let pem = document.text("private_key").ok_or("it has no `private_key`")?;
        // What is wrong with a key is not said by its parser, which might quote it.
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "its `private_key` is no PKCS #8 key in PEM")?;
        let pair =
            RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| "its `private_key` is no RSA key")?;
        Ok(Self {
            email,
            key_id,
            pair,
            token_uri,
        })
    }

    /// A signed assertion.
    fn assertion(&self, scope: &str, now: Timestamp) -> Result<Secret, GoogleError> {
        let issued = now.as_second().saturating_sub(EARLY.as_secs());
        let claims = json!({
            "iss": self.email,
            "scope": scope,
            "aud": self.token_uri,
            "iat": issued,
            "exp": issued.saturating_add(LIFETIME.as_secs()),
        });
        jws::sign(&self.pair, &self.key_id, &claims).map_err(|_| GoogleError::Signature)
    }
}
