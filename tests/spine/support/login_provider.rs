//! An identity provider for people: it asks nobody and says what a test wants it to say. It is as strict as a real one
//! about what it is sent, and keeps all of it.

use aws_lc_rs::digest;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tidegate::dev::{CertificateAuthority, IdentityProvider};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{client::Client, now};

pub const CLIENT_ID: &str = "tidegate-portal";
pub const CLIENT_SECRET: &str = "a secret of the portal & its provider";

/// How the client says that it is the client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// `client_secret_basic`.
    Header,
    /// `client_secret_post`.
    Form,
    /// It has no secret.
    Public,
}

/// What the provider does.
#[derive(Clone)]
pub struct Behaviour {
    pub subject: String,
    pub groups: Vec<String>,
    /// Claims that are added or replaced; null removes one.
    pub claims: BTreeMap<&'static str, Value>,
    /// Members of the discovery document, likewise.
    pub discovery: BTreeMap<&'static str, Value>,
    /// The `iss` of its answers to browsers.
    pub named: Option<String>,
    /// An error instead of a code: parameters as they are.
    pub error: Option<String>,
    /// The token endpoint's answer, whatever it is asked.
    pub token_answer: Option<(u16, String)>,
    /// What it takes for a proof of the client.
    pub authentication: Authentication,
    /// Every connection is dropped.
    pub is_down: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            subject: "ana".into(),
            groups: vec!["analysts".into()],
            claims: BTreeMap::new(),
            discovery: BTreeMap::new(),
            named: None,
            error: None,
            token_answer: None,
            authentication: Authentication::Header,
            is_down: false,
        }
    }
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    /// Query or form.
    pub parameters: Vec<(String, String)>,
    pub authorization: Option<String>,
}

impl Asked {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|(n, _)| n == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "`{name}` is there once: {self:?}");
        value
    }
}

/// A code that was given out.
#[derive(Clone)]
struct Code {
    challenge: String,
    nonce: String,
    redirect: String,
}

struct State {
    key: IdentityProvider,
    issuer: String,
    behaviour: Mutex<Behaviour>,
    codes: Mutex<BTreeMap<String, Code>>,
    asked: Mutex<Vec<Asked>>,
}

/// A running provider. Dropping it ends it.
pub struct LoginProvider {
    pub address: SocketAddr,
    pub authority: CertificateAuthority,
    name: &'static str,
    dir: TempDir,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Drop for LoginProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl LoginProvider {
    /// A provider that the configuration calls `name`.
    pub async fn start(name: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::load_or_create(&dir.path().join("ca")).unwrap();
        let path = |name: &str| dir.path().join(name);
        let (certificate, key) = (path("server.pem"), path("server.key"));
        authority
            .issue(&["localhost", "127.0.0.1"], &certificate, &key)
            .unwrap();
        std::fs::write(path("ca.pem"), authority.certificate_pem()).unwrap();
        std::fs::write(path("secret"), format!("{CLIENT_SECRET}\n")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            key: IdentityProvider::load_or_create(dir.path()).unwrap(),
            issuer: format!("https://localhost:{}", address.port()),
            behaviour: Mutex::default(),
            codes: Mutex::default(),
            asked: Mutex::default(),
        });
        let task = tokio::spawn(serve(listener, acceptor(certificate, key), state.clone()));
        Self {
            address,
            authority,
            name,
            dir,
            state,
            task,
        }
    }

    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// Its table in the configuration of Tidegate.
    pub fn table(&self) -> String {
        self.table_with(
            "scopes = [\"openid\", \"profile\", \"groups\"]",
            "groups = \"groups\"",
        )
    }

    /// The same with other lines for the login and for the issuer.
    pub fn table_with(&self, login: &str, lines: &str) -> String {
        let folder = self.dir.path().display();
        format!(
            "[[issuers]]\nname = \"{}\"\nissuer = \"{}\"\naudiences = [\"https://s3.tidegate.test\"]\nkind = \"user\"\n\
             ca = \"{folder}/ca.pem\"\n{lines}\n[issuers.login]\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret = \"file:{folder}/secret\"\n{login}\n",
            self.name,
            self.issuer(),
        )
    }

    /// Changes what it does from now on.
    pub fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state.behaviour.lock().unwrap());
    }

    /// What arrived so far at a path.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.state.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// A browser's connection to it.
    pub fn client(&self) -> Client {
        Client::new(self.address, self.authority.certificate_pem())
    }

    /// A code as if somebody had logged in elsewhere: with this challenge and nonce, and for this redirect URI.
    pub fn code(&self, challenge: &str, nonce: &str, redirect: &str) -> String {
        self.state.give(Code {
            challenge: challenge.into(),
            nonce: nonce.into(),
            redirect: redirect.into(),
        })
    }
}

fn acceptor(certificate: PathBuf, key: PathBuf) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(certificate).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        if state.behaviour.lock().unwrap().is_down {
            continue;
        }
        let (acceptor, state) = (acceptor.clone(), state.clone());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let state = state.clone();
                async move { Ok::<_, Infallible>(state.answer(request).await) }
            });
            if let Ok(stream) = acceptor.accept(stream).await {
                let server = hyper::server::conn::http1::Builder::new();
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        #[allow(clippy::disallowed_methods, reason = "forms in tests are small")]
        let body = body.collect().await.unwrap().to_bytes();
        let text = match head.method {
            http::Method::POST => body.as_ref(),
            _ => head.uri.query().unwrap_or_default().as_bytes(),
        };
        let authorization = head.headers.get("authorization");
        let asked = Asked {
            path: head.uri.path().to_owned(),
            parameters: form_urlencoded::parse(text).into_owned().collect(),
            authorization: authorization.map(|value| value.to_str().unwrap().to_owned()),
        };
        self.asked.lock().unwrap().push(asked.clone());
        let behaviour = self.behaviour.lock().unwrap().clone();
        match head.uri.path() {
            "/.well-known/openid-configuration" => self.discovery(&behaviour),
            "/jwks" => document(200, &json!({ "keys": [self.key.jwk()] })),
            "/authorize" => self.authorize(&asked, &behaviour),
            "/token" => match &behaviour.token_answer {
                Some((status, answer)) => document(*status, &serde_json::from_str(answer).unwrap()),
                None => self.token(&asked, &behaviour),
            },
            other => panic!("nothing is at `{other}`"),
        }
    }

    fn discovery(&self, behaviour: &Behaviour) -> Response<Full<Bytes>> {
        let issuer = &self.issuer;
        let members = json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/jwks"),
            "authorization_endpoint": format!("{issuer}/authorize?from=discovery"),
            "token_endpoint": format!("{issuer}/token"),
            "response_types_supported": ["code"],
        });
        document(200, &changed(members, &behaviour.discovery))
    }

    /// As if the person had agreed.
    fn authorize(&self, asked: &Asked, behaviour: &Behaviour) -> Response<Full<Bytes>> {
        let required = |name: &str| asked.parameter(name).unwrap_or_else(|| panic!("no `{name}`"));
        assert_eq!(required("from"), "discovery");
        assert_eq!(required("response_type"), "code");
        assert_eq!(required("client_id"), CLIENT_ID);
        // OID-02: there is no login without it.
        assert_eq!(required("code_challenge_method"), "S256");
        assert!(required("scope").split(' ').any(|scope| scope == "openid"));
        let redirect = required("redirect_uri");
        let mut answer = form_urlencoded::Serializer::new(String::new());
        answer.append_pair("state", required("state"));
        if let Some(named) = &behaviour.named {
            answer.append_pair("iss", named);
        }
        let mut place = match &behaviour.error {
            Some(error) => format!("{redirect}?{}&{error}", answer.finish()),
            None => {
                let code = self.give(Code {
                    challenge: required("code_challenge").into(),
                    nonce: required("nonce").into(),
                    redirect: redirect.into(),
                });
                answer.append_pair("code", &code);
                format!("{redirect}?{}", answer.finish())
            }
        };
        // What providers add, and nobody asked for.
        place.push_str("&session_state=x&scope=openid");
        let mut response = Response::new(Full::default());
        *response.status_mut() = http::StatusCode::FOUND;
        response.headers_mut().insert("location", place.parse().unwrap());
        response
    }

    fn token(&self, asked: &Asked, behaviour: &Behaviour) -> Response<Full<Bytes>> {
        let refused = |error: &str| {
            let description = "<b>the code was stolen</b>";
            document(400, &json!({ "error": error, "error_description": description }))
        };
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET));
        let header = format!("Basic {}", BASE64.encode(pair.as_bytes()));
        let expected = match behaviour.authentication {
            Authentication::Header => (Some(&*header), None, None),
            Authentication::Form => (None, Some(CLIENT_ID), Some(CLIENT_SECRET)),
            Authentication::Public => (None, Some(CLIENT_ID), None),
        };
        let found = (
            asked.authorization.as_deref(),
            asked.parameter("client_id"),
            asked.parameter("client_secret"),
        );
        if found != expected {
            return refused("invalid_client");
        }
        assert_eq!(asked.parameter("grant_type"), Some("authorization_code"));
        let code = asked.parameter("code").unwrap();
        // Codes are used once.
        let Some(code) = self.codes.lock().unwrap().remove(code) else {
            return refused("invalid_grant");
        };
        let verifier = asked.parameter("code_verifier").unwrap_or_default();
        let challenge = digest::digest(&digest::SHA256, verifier.as_bytes());
        if code.challenge != BASE64URL_NOPAD.encode(challenge.as_ref())
            || Some(&*code.redirect) != asked.parameter("redirect_uri")
        {
            return refused("invalid_grant");
        }
        let access_token = format!("opaque-{}", random());
        let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
        let issued = now().as_second();
        let claims = json!({
            "iss": self.issuer, "sub": behaviour.subject, "aud": CLIENT_ID, "groups": behaviour.groups,
            "iat": issued, "exp": issued + 3600, "nonce": code.nonce,
            "at_hash": BASE64URL_NOPAD.encode(&hash.as_ref()[..16]),
        });
        let id_token = self.key.sign(&changed(claims, &behaviour.claims)).unwrap();
        document(
            200,
            &json!({ "token_type": "Bearer", "access_token": access_token, "id_token": id_token, "expires_in": 3600 }),
        )
    }

    fn give(&self, code: Code) -> String {
        let text = format!("code-{}", random());
        self.codes.lock().unwrap().insert(text.clone(), code);
        text
    }
}

fn changed(mut members: Value, changes: &BTreeMap<&'static str, Value>) -> Value {
    let map = members.as_object_mut().unwrap();
    for (name, value) in changes {
        match value {
            Value::Null => map.remove(*name),
            value => map.insert((*name).to_owned(), value.clone()),
        };
    }
    members
}

fn document(status: u16, content: &Value) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::from(content.to_string()))
        .unwrap()
}

fn random() -> String {
    let mut bytes = [0; 18];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    BASE64URL_NOPAD.encode(&bytes)
}
