//! A development identity provider: discovery, keys, logins, and real signed tokens for sample identities.

use super::authorization::{Answer, Authorization, Parameters};
use super::{CertificateAuthority, serving};
use crate::body::{self, Body};
use crate::clock::Clock;
use aws_lc_rs::digest;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::json;
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Somebody whom the provider vouches for.
#[derive(Clone, Debug)]
pub struct SampleIdentity {
    /// `sub`.
    pub subject: &'static str,
    /// `groups`.
    pub groups: &'static [&'static str],
    /// What it is for.
    pub about: &'static str,
}

impl SampleIdentity {
    /// The identities of the quickstart.
    pub const ALL: [Self; 3] = [
        Self {
            subject: "etl",
            groups: &["pipelines"],
            about: "a Spark job: reads and writes, deletes only under tmp/",
        },
        Self {
            subject: "backup",
            groups: &["backups"],
            about: "a backup tool: adds and reads, deletes only restic's locks",
        },
        Self {
            subject: "analyst",
            groups: &["analysts"],
            about: "a person's notebook: reads only",
        },
    ];

    /// The identity whose `sub` is `name`.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|identity| identity.subject == name)
    }

    /// All of them, for messages.
    pub(super) fn names() -> String {
        let names = Self::ALL.map(|identity| format!("`{}`", identity.subject));
        names.join(", ")
    }
}

/// The provider's signing key. Tokens can be made without a server running.
#[derive(Clone)]
pub struct IdentityProvider {
    key: EncodingKey,
    key_id: String,
    jwk: serde_json::Value,
}

/// A provider that answers discovery. Dropping it stops it.
pub struct RunningProvider {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl IdentityProvider {
    /// Loads the signing key from `dir`, or makes one there.
    ///
    /// # Errors
    /// Files that cannot be read or written, or that hold no key.
    pub fn load_or_create(dir: &Path) -> io::Result<Self> {
        let path: PathBuf = dir.join("signing.key");
        if !path.exists() {
            std::fs::create_dir_all(dir)?;
            let pair = KeyPair::generate().map_err(io::Error::other)?;
            serving::write_private(&path, pair.serialize_pem().as_bytes())?;
        }
        let pem = std::fs::read_to_string(&path)?;
        let pair = KeyPair::from_pem(&pem).map_err(io::Error::other)?;
        let point = pair.der_bytes();
        let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
            return Err(io::Error::other("the signing key is not a P-256 key"));
        };
        let key_id = HEXLOWER.encode(
            digest::digest(&digest::SHA256, point)
                .as_ref()
                .get(..8)
                .unwrap_or_default(),
        );
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": key_id,
            "x": BASE64URL_NOPAD.encode(x), "y": BASE64URL_NOPAD.encode(y),
        });
        Ok(Self {
            key: EncodingKey::from_ec_der(&pair.serialize_der()),
            key_id,
            jwk,
        })
    }

    /// A token for a sample identity.
    ///
    /// # Errors
    /// Only if the key cannot sign.
    pub fn token(
        &self,
        issuer: &str,
        identity: &SampleIdentity,
        audience: &str,
        now: Timestamp,
        lifetime: Duration,
    ) -> io::Result<String> {
        let issued = now.as_second();
        let expires = issued.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
        self.sign(&json!({
            "iss": issuer, "sub": identity.subject, "aud": audience, "groups": identity.groups,
            "iat": issued, "nbf": issued, "exp": expires,
        }))
    }

    /// A token with any claims at all.
    ///
    /// # Errors
    /// Only if the key cannot sign.
    pub fn sign(&self, claims: &serde_json::Value) -> io::Result<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(io::Error::other)
    }

    /// The public key, as in the provider's JWKS.
    pub fn jwk(&self) -> &serde_json::Value {
        &self.jwk
    }

    /// Answers discovery, JWKS and logins over TLS on `port` of loopback (0: the kernel chooses), with a certificate of
    /// `authority` that is kept in `dir`.
    ///
    /// # Errors
    /// No port, or no certificate.
    pub async fn serve(
        &self,
        authority: &CertificateAuthority,
        dir: &Path,
        port: u16,
    ) -> io::Result<RunningProvider> {
        let (certificate, key) = (dir.join("server.pem"), dir.join("server.key"));
        authority.issue(&["localhost", "127.0.0.1"], &certificate, &key)?;
        let acceptor = acceptor(&certificate, &key)?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let site = Arc::new(Site::new(&issuer_url(address), self));
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let site = Arc::clone(&site);
            async move { Ok::<_, Infallible>(site.answer(request).await) }
        });
        Ok(RunningProvider {
            address,
            task: tokio::spawn(serving::serve(listener, Some(acceptor), service)),
        })
    }
}

impl RunningProvider {
    /// `iss` of its tokens.
    pub fn issuer(&self) -> String {
        issuer_url(self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RunningProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn issuer_url(address: SocketAddr) -> String {
    format!("https://localhost:{}", address.port())
}

/// Everything that the provider answers.
struct Site {
    discovery: String,
    jwks: String,
    authorization: Authorization,
}

impl Site {
    fn new(issuer: &str, provider: &IdentityProvider) -> Self {
        let authorization = Authorization::new(provider.clone(), issuer.to_owned(), Clock::system());
        let mut discovery = json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/jwks"),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        authorization.describe(&mut discovery);
        Self {
            discovery: discovery.to_string(),
            jwks: json!({ "keys": [provider.jwk] }).to_string(),
            authorization,
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let json = "application/json";
        match (head.method.as_str(), path) {
            ("GET", "/.well-known/openid-configuration") => {
                return document(StatusCode::OK, json, self.discovery.clone());
            }
            ("GET", "/jwks") => return document(StatusCode::OK, json, self.jwks.clone()),
            _ => {}
        }
        let asked = match head.method.as_str() {
            "GET" => parameters(head.uri.query().unwrap_or_default().as_bytes()),
            _ => match form(body).await {
                Some(form) => form,
                None => return document(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", String::new()),
            },
        };
        let site = &self.authorization;
        let answer = match (head.method.as_str(), path) {
            ("GET", "/authorize") => site.authorize(&asked),
            ("POST", "/authorize") => site.chosen(&asked),
            ("POST", "/token") => site.token(&asked),
            ("POST", "/device_authorization") => site.begin_device(&asked),
            ("GET", "/device") => site.device(&asked),
            ("POST", "/device") => site.approve(&asked),
            _ => return document(StatusCode::NOT_FOUND, "text/plain", String::new()),
        };
        match answer {
            Answer::Page(status, html) => document(status, "text/html; charset=utf-8", html),
            Answer::Json(status, value) => document(status, json, value.to_string()),
            Answer::Redirect(to) => {
                let mut response = document(StatusCode::SEE_OTHER, "text/plain", String::new());
                match header::HeaderValue::from_str(&to) {
                    Ok(to) => drop(response.headers_mut().insert(header::LOCATION, to)),
                    Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
                }
                response
            }
        }
    }
}

/// None if it is larger than any form of a login.
#[allow(clippy::disallowed_methods, reason = "bounded by `Limited`")]
async fn form(body: Incoming) -> Option<Parameters> {
    let form = Limited::new(body, MAX_FORM).collect().await.ok()?;
    Some(parameters(&form.to_bytes()))
}

/// By name, the first of each.
fn parameters(form: &[u8]) -> Parameters {
    let mut found = Parameters::new();
    for (name, value) in form_urlencoded::parse(form) {
        found
            .entry(name.into_owned())
            .or_insert_with(|| value.into_owned());
    }
    found
}

fn document(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    response
}

/// Bytes of a form.
const MAX_FORM: usize = 16 << 10;

fn acceptor(certificate: &Path, key: &Path) -> io::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
