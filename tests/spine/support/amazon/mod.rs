//! A small Amazon: a token service that gives roles to whom their trust policies allow, and a store that knows who every
//! request was signed for.
//!
//! It is made from the documentation and refuses what the real one refuses, in its words. One listener has both, told
//! apart by the method and path. Every session and every request is kept, as CloudTrail would.

mod s3;
pub(in crate::support) mod sigv4;
mod sts;
mod token;

use super::{World, now};
use bytes::{Bytes, BytesMut};
use data_encoding::BASE32_NOPAD;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const ACCOUNT: &str = "111122223333";
pub const ROLE: &str = "arn:aws:iam::111122223333:role/tidegate-lake";
pub const REGION: &str = "eu-central-1";

/// What the token service does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Throttled,
    Down,
    /// It takes the call and says nothing.
    Silent,
    NotXml,
    HalfXml,
    /// A credential that was over yesterday.
    Expired,
    /// One that is over in a moment.
    AlmostExpired,
    CannotReachIssuer,
    RegionDisabled,
    PolicyTooLarge,
}

/// Who gets a role.
#[derive(Clone, Debug)]
pub struct Role {
    /// `aud` of the trust policy's condition.
    pub audience: String,
    /// Patterns of `sub`.
    pub subjects: Vec<String>,
    /// Who may assume it with a signature, by access key.
    pub principals: Vec<String>,
    pub external_id: Option<String>,
    pub allows_tags: bool,
    pub allows_source_identity: bool,
    /// Seconds.
    pub longest: u64,
}

/// An identity provider in the account.
#[derive(Clone)]
struct Provider {
    client_ids: Vec<String>,
    /// Where its documents are really fetched.
    client: super::Client,
}

/// A key of long life, or of somebody's role.
#[derive(Clone)]
pub struct User {
    pub secret: String,
    pub token: Option<String>,
    /// Whether it is itself a role's.
    pub is_role: bool,
}

/// A session that was given.
#[derive(Clone, Debug)]
pub struct Session {
    pub access_key_id: String,
    pub secret: String,
    pub token: String,
    pub name: String,
    /// `sub` of the token, for whoever came with one.
    pub subject: Option<String>,
    pub source_identity: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub transitive: BTreeSet<String>,
    pub external_id: Option<String>,
    pub policy: Option<Value>,
    pub duration: u64,
    pub expires: Timestamp,
    /// The target calls it expired from now on.
    pub is_over: bool,
}

/// A request at the store.
#[derive(Clone, Debug)]
pub struct Done {
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Whose session signed it; empty if none did.
    pub session: String,
    pub access_key_id: String,
    pub status: u16,
}

pub(super) struct State {
    pub(super) roles: BTreeMap<String, Role>,
    providers: BTreeMap<String, Provider>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) sessions: Vec<Session>,
    by_key: BTreeMap<String, usize>,
    pub(super) calls: Vec<String>,
    pub(super) done: Vec<Done>,
    pub(super) objects: BTreeMap<String, Bytes>,
    trouble: Option<Trouble>,
    /// Sessions whose name is among these are refused.
    refused: BTreeSet<String>,
    skew: SignedDuration,
    numbers: u64,
}

/// Dropping it ends it.
pub struct Amazon {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Amazon {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) type Reply = Response<Full<Bytes>>;

impl Amazon {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let role = Role {
            audience: "sts.amazonaws.com".into(),
            subjects: vec!["*".into()],
            principals: vec!["AKIDMACHINE".into()],
            external_id: None,
            allows_tags: true,
            allows_source_identity: true,
            longest: 3600,
        };
        let user = User {
            secret: "machine-secret".into(),
            token: None,
            is_role: false,
        };
        let state = Arc::new(Mutex::new(State {
            roles: BTreeMap::from([(ROLE.to_owned(), role)]),
            providers: BTreeMap::new(),
            users: BTreeMap::from([("AKIDMACHINE".to_owned(), user)]),
            sessions: Vec::new(),
            by_key: BTreeMap::new(),
            calls: Vec::new(),
            done: Vec::new(),
            objects: BTreeMap::new(),
            trouble: None,
            refused: BTreeSet::new(),
            skew: SignedDuration::ZERO,
            numbers: 0,
        }));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, state, task }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Makes the issuer of `world` an identity provider of the account.
    pub fn trusts(&self, world: &World, url: &str) {
        let mut client = world.anonymous();
        client.host = url.trim_start_matches("https://").to_owned();
        let provider = Provider {
            client_ids: vec!["sts.amazonaws.com".into()],
            client,
        };
        self.state().providers.insert(url.to_owned(), provider);
    }

    /// Changes what the provider's tokens must be for.
    pub fn client_ids(&self, url: &str, ids: &[&str]) {
        let mut state = self.state();
        let provider = state.providers.get_mut(url).unwrap();
        provider.client_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    }

    /// The provider's documents are not to be had from now on.
    pub fn loses_sight_of(&self, url: &str) {
        let mut state = self.state();
        // Nothing listens on port 1.
        state.providers.get_mut(url).unwrap().client.address = "127.0.0.1:1".parse().unwrap();
    }

    /// Changes the role.
    pub fn role(&self, change: impl FnOnce(&mut Role)) {
        change(self.state().roles.get_mut(ROLE).unwrap());
    }

    /// Another key of the account, or the same with other secrets.
    pub fn user(&self, id: &str, user: User) {
        self.state().users.insert(id.to_owned(), user);
    }

    /// From now on, until it is told otherwise.
    pub fn has(&self, trouble: Option<Trouble>) {
        self.state().trouble = trouble;
    }

    /// The role is refused to sessions of this name.
    pub fn refuses(&self, name: &str) {
        self.state().refused.insert(name.to_owned());
    }

    /// Its clock is off by this.
    pub fn is_off_by(&self, skew: SignedDuration) {
        self.state().skew = skew;
    }

    /// The store takes no session any more that was given until now.
    pub fn ends_sessions(&self) {
        for session in &mut self.state().sessions {
            session.is_over = true;
        }
    }

    /// The sessions that were given, in order.
    pub fn sessions(&self) -> Vec<Session> {
        self.state().sessions.clone()
    }

    /// The calls of the token service: names of sessions that were asked for.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// The requests at the store.
    pub fn done(&self) -> Vec<Done> {
        self.state().done.clone()
    }

    /// Whether the policy of `session` would let a request be.
    pub fn would_allow(&self, session: &Session, method: &str, target: &str) -> bool {
        s3::allows(
            session,
            &Asked {
                method: method.parse().unwrap(),
                target: target.into(),
                headers: HeaderMap::new(),
                body: Bytes::new(),
            },
        )
        .is_ok()
    }

    /// What is stored.
    pub fn objects(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// `[targets.store]` with these credentials.
    pub fn target(&self, credentials: &str) -> String {
        let address = self.address;
        format!(
            "[targets.store]\nkind = \"s3\"\nendpoint = \"http://{address}\"\nregion = \"{REGION}\"\nexact_keys = true\n\
             [targets.store.credentials]\nrole_arn = \"{ROLE}\"\nsts_endpoint = \"http://{address}\"\n{credentials}\n"
        )
    }
}

impl State {
    pub(super) fn now(&self) -> Timestamp {
        now() + self.skew
    }

    /// A session of this access key.
    pub(super) fn session(&self, access_key_id: &str) -> Option<&Session> {
        self.by_key.get(access_key_id).map(|at| &self.sessions[*at])
    }

    pub(super) fn give(&mut self, session: Session) -> Session {
        self.by_key
            .insert(session.access_key_id.clone(), self.sessions.len());
        self.sessions.push(session.clone());
        session
    }

    /// A word that was never used before.
    pub(super) fn unique(&mut self, prefix: &str) -> String {
        self.numbers += 1;
        let number = BASE32_NOPAD.encode(&self.numbers.to_be_bytes());
        format!("{prefix}{number}")
    }
}

/// A request, read whole.
pub(in crate::support) struct Asked {
    pub(in crate::support) method: Method,
    pub(in crate::support) target: String,
    pub(in crate::support) headers: HeaderMap,
    pub(in crate::support) body: Bytes,
}

impl Asked {
    pub(in crate::support) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let (head, incoming) = request.into_parts();
    let asked = Asked {
        method: head.method,
        target: head.uri.to_string(),
        headers: head.headers,
        body: Bytes::new(),
    };
    let is_sts = asked.method == Method::POST && asked.target == "/";
    let mut reply = if is_sts {
        let body = read(incoming).await;
        sts::answer(&state, Asked { body, ..asked }).await
    } else {
        s3::answer(&state, asked, incoming).await
    };
    let date = state.lock().unwrap().now();
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    reply.headers_mut().insert("date", date.parse().unwrap());
    Ok(reply)
}

pub(super) async fn read(mut incoming: Incoming) -> Bytes {
    let mut body = BytesMut::new();
    while let Some(Ok(frame)) = incoming.frame().await {
        body.extend_from_slice(frame.data_ref().unwrap());
    }
    body.freeze()
}

pub(super) fn xml(status: u16, text: String) -> Reply {
    Response::builder()
        .status(status)
        .header("content-type", "text/xml")
        .header("x-amzn-requestid", "11111111-2222-3333-4444-555555555555")
        .body(Full::new(text.into()))
        .unwrap()
}
