//! Secret managers, made from their documentation: HashiCorp Vault, AWS Secrets Manager, Secret Manager of Google Cloud
//! and Azure Key Vault.
//!
//! They know who may read, verify signatures and tokens, and refuse what the real ones refuse, in their words. Each keeps
//! one secret with its versions. What proves who somebody is (metadata services, logins) is behind the same address.

mod aws;
mod azure;
mod gcp;
mod vault;

use super::amazon::Asked;
use super::{Client, World, now};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Which manager, and how it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    VaultToken,
    VaultJwt,
    VaultKubernetes,
    VaultOne,
    Aws,
    Gcp,
    Azure,
    AzureWorkload,
}

/// What it does besides its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Connections end at once.
    Down,
    /// It takes a call and says nothing.
    Silent,
    /// An error of its own, with the secret in the message.
    Failing,
    /// Something that is no secret manager answers.
    Babbling,
}

/// How the newest version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Enabled,
    Disabled,
    Deleted,
}

/// A version of the secret.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) text: String,
    pub(super) created: jiff::Timestamp,
}

pub(super) struct State {
    pub(super) kind: Kind,
    pub(super) mood: Mood,
    pub(super) versions: Vec<Version>,
    pub(super) standing: Standing,
    /// Whether Tidegate may read it.
    pub(super) permitted: bool,
    /// Tokens that were given and are good.
    pub(super) tokens: Vec<String>,
    pub(super) given: usize,
    pub(super) reads: usize,
    /// The key set of Tidegate's own issuer.
    pub(super) jwks: Value,
    /// Why calls were refused for what they are.
    pub(super) refusals: Vec<String>,
}

/// A secret manager. Dropping it ends it.
pub struct Manager {
    pub address: SocketAddr,
    kind: Kind,
    folder: TempDir,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

/// Status, headers besides the usual ones, document.
pub(super) type Reply = (u16, &'static str, Value);

pub const VAULT_TOKEN: &str = "hvs.canary-vault-root-token";
pub const POD_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.canary-pod-token.c2ln";
pub const MACHINE: (&str, &str) = ("AKIDMACHINE", "canary-machine-secret");
/// In everything that is given out to open a manager.
pub const CANARY: &str = "canary-";
pub const ISSUER: &str = "https://s3.tidegate.test";

impl Manager {
    pub async fn start(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vault-token"), VAULT_TOKEN).unwrap();
        std::fs::write(folder.path().join("pod-token"), POD_TOKEN).unwrap();
        let state = Arc::new(Mutex::new(State {
            kind,
            mood: Mood::Well,
            versions: Vec::new(),
            standing: Standing::Enabled,
            permitted: true,
            tokens: Vec::new(),
            given: 0,
            reads: 0,
            jwks: Value::Null,
            refusals: Vec::new(),
        }));
        let address = listener.local_addr().unwrap();
        let shared = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                if state.lock().unwrap().mood == Mood::Down {
                    continue;
                }
                tokio::spawn(async move {
                    let service = service_fn(move |request| serve(state.clone(), request));
                    // A connection that the other side gives up is part of the tests.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            kind,
            folder,
            state,
            task,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// `[secrets]` for it, polled every second.
    pub fn tables(&self) -> String {
        let at = format!("http://{}", self.address);
        let file = |name: &str| -> PathBuf { self.folder.path().join(name) };
        let table = match self.kind {
            Kind::VaultToken | Kind::VaultOne => format!(
                "[secrets.vault]\naddress = \"{at}\"\nnamespace = \"acme\"\n\
                 auth = {{ kind = \"token\", token = \"file:{}\" }}",
                file("vault-token").display()
            ),
            Kind::VaultJwt => format!(
                "[secrets.vault]\naddress = \"{at}\"\nnamespace = \"acme\"\n\
                 auth = {{ kind = \"jwt\", role = \"tidegate\" }}"
            ),
            Kind::VaultKubernetes => format!(
                "[secrets.vault]\naddress = \"{at}\"\nnamespace = \"acme\"\n\
                 auth = {{ kind = \"kubernetes\", role = \"tidegate\", token_file = \"{}\" }}",
                file("pod-token").display()
            ),
            Kind::Aws => format!("[secrets.aws]\nregion = \"eu-central-1\"\nendpoint = \"{at}\""),
            Kind::Gcp => format!(
                "[secrets.gcp]\nendpoint = \"{at}\"\n\
                 credentials = {{ kind = \"google-metadata\", metadata_endpoint = \"{at}\" }}"
            ),
            Kind::Azure => format!(
                "[secrets.azure]\nendpoint = \"{at}\"\n\
                 credentials = {{ kind = \"azure-managed-identity\", metadata_endpoint = \"{at}\" }}"
            ),
            Kind::AzureWorkload => format!(
                "[secrets.azure]\nendpoint = \"{at}\"\n\
                 credentials = {{ kind = \"azure-workload-identity\", tenant = \"acme-tenant\", \
                 client_id = \"acme-client\", login_endpoint = \"{at}\" }}"
            ),
        };
        format!("[secrets]\npoll = \"1s\"\n{table}\n")
    }

    /// Whether Tidegate shows it tokens of its own.
    pub fn takes_own_tokens(&self) -> bool {
        matches!(self.kind, Kind::VaultJwt | Kind::AzureWorkload)
    }

    /// The reference to a field of the secret.
    pub fn reference(&self, field: &str) -> String {
        format!("{}#{field}", self.secret())
    }

    /// The reference to the secret.
    pub fn secret(&self) -> &'static str {
        match self.kind {
            Kind::VaultToken | Kind::VaultJwt | Kind::VaultKubernetes => "vault://team/kv/tidegate/store",
            Kind::VaultOne => "vault://old/tidegate/store",
            Kind::Aws => "aws-secrets-manager://tidegate/store",
            Kind::Gcp => "gcp-secret-manager://projects/acme-prod/secrets/store/versions/latest",
            Kind::Azure | Kind::AzureWorkload => "azure-key-vault://acme-prod/store",
        }
    }

    /// Writes a version with an access key and its secret.
    pub fn write(&self, id: &str, secret: &str) {
        self.write_text(&json!({ "id": id, "secret": secret }).to_string());
    }

    /// Writes a version with this in it.
    pub fn write_text(&self, text: &str) {
        let mut state = self.state();
        state.standing = Standing::Enabled;
        state.versions.push(Version {
            text: text.to_owned(),
            created: now(),
        });
    }

    /// Makes the newest version this old.
    pub fn made(&self, days_ago: i64) {
        let then = now() - jiff::SignedDuration::from_hours(24 * days_ago);
        self.state().versions.last_mut().unwrap().created = then;
    }

    pub fn is(&self, mood: Mood) {
        self.state().mood = mood;
    }

    pub fn stands(&self, standing: Standing) {
        self.state().standing = standing;
    }

    pub fn permits(&self, permitted: bool) {
        self.state().permitted = permitted;
    }

    /// Forgets the tokens that it gave.
    pub fn revokes(&self) {
        self.state().tokens.clear();
    }

    /// How often it gave a token.
    pub fn logins(&self) -> usize {
        self.state().given
    }

    /// How often the secret was read.
    pub fn reads(&self) -> usize {
        self.state().reads
    }

    /// What it calls the newest version.
    pub fn version(&self) -> Option<String> {
        let count = self.state().versions.len();
        match self.kind {
            Kind::VaultOne => None,
            Kind::Aws => Some(aws::version(count)),
            Kind::Azure | Kind::AzureWorkload => Some(azure::version(count)),
            _ => Some(count.to_string()),
        }
    }

    /// Fails if a call was not one that the real one would take.
    pub fn was_asked_rightly(&self) {
        assert_eq!(self.state().refusals, Vec::<String>::new(), "{:?}", self.kind);
    }

    /// Trusts the issuer of `world`.
    pub async fn trusts(&self, world: &World) {
        let anyone: Client = world.anonymous();
        let answer = anyone
            .send(anyone.unsigned("GET", "/.well-known/jwks.json", &[], b""))
            .await;
        assert_eq!(answer.status, 200);
        let mut state = self.state();
        state.jwks = serde_json::from_slice(&answer.body).unwrap();
        // What came before it was trusted is no fault.
        state.refusals.clear();
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    #[allow(clippy::disallowed_methods, reason = "calls in tests are small")]
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let asked = Asked {
        method: head.method,
        target: head.uri.path_and_query().unwrap().to_string(),
        headers: head.headers,
        body,
    };
    let mood = state.lock().unwrap().mood;
    let secret = |state: &State| {
        state
            .versions
            .last()
            .map(|one| one.text.clone())
            .unwrap_or_default()
    };
    let reply = match mood {
        Mood::Down => return Err(std::io::ErrorKind::ConnectionReset.into()),
        Mood::Silent => std::future::pending().await,
        Mood::Well => {
            let mut state = state.lock().unwrap();
            match state.kind {
                Kind::VaultToken | Kind::VaultJwt | Kind::VaultKubernetes | Kind::VaultOne => {
                    vault::answer(&mut state, &asked)
                }
                Kind::Aws => aws::answer(&mut state, &asked),
                Kind::Gcp => gcp::answer(&mut state, &asked),
                Kind::Azure | Kind::AzureWorkload => azure::answer(&mut state, &asked),
            }
        }
        Mood::Failing => {
            let told = secret(&state.lock().unwrap());
            (
                500,
                "",
                json!({ "error": { "code": told, "message": told, "status": told }, "__type": told, "errors": [told] }),
            )
        }
        Mood::Babbling => {
            let told = secret(&state.lock().unwrap());
            (
                200,
                "",
                json!({ "error": told, "data": [told], "value": 7, "SecretString": 7 }),
            )
        }
    };
    let (status, headers, document) = reply;
    let kind = match state.lock().unwrap().kind {
        Kind::Aws => "application/x-amz-json-1.1",
        _ => "application/json; charset=utf-8",
    };
    let mut response = Response::builder().status(status).header("content-type", kind);
    for line in headers.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(document.to_string())).unwrap())
}

impl State {
    pub(super) fn newest(&self) -> Option<(usize, Version)> {
        Some((self.versions.len(), self.versions.last()?.clone()))
    }

    /// A new token.
    pub(super) fn gives(&mut self, prefix: &str) -> String {
        self.given += 1;
        let token = format!("{prefix}{CANARY}token-{}", self.given);
        self.tokens.push(token.clone());
        token
    }

    pub(super) fn fault(&mut self, what: impl Into<String>) {
        self.refusals.push(what.into());
    }

    /// The claims of a token of Tidegate's own for `audience`; why it is not taken, if so.
    pub(super) fn claims(&self, token: &str, audience: &str) -> Result<Value, String> {
        let header = token.split('.').next().unwrap_or_default();
        let header = BASE64URL_NOPAD
            .decode(header.as_bytes())
            .map_err(|_| "no token")?;
        let header: Value = serde_json::from_slice(&header).map_err(|_| "no token")?;
        let keys = self.jwks["keys"].as_array().ok_or("the issuer is not trusted")?;
        let key = keys
            .iter()
            .find(|key| key["kid"] == header["kid"])
            .ok_or("the key is not known")?;
        let text = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        let key = DecodingKey::from_rsa_components(&text("n"), &text("e")).map_err(|_| "no RSA key")?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.validate_nbf = true;
        let decoded =
            jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(|error| error.to_string())?;
        let claims = decoded.claims;
        match claims["sub"].as_str() {
            Some("tidegate/secrets") => Ok(claims),
            other => Err(format!("subject {other:?}")),
        }
    }
}

/// Query or form.
pub(super) fn pairs(text: &str) -> std::collections::BTreeMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
