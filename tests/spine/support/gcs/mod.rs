//! A stand-in for Google Cloud Storage that is as strict as the original and honest about what it ignores.
//!
//! What is known of the original from its documentation and from measurements that others published:
//! - it takes `Bearer` tokens and `GOOG4-HMAC-SHA256`, and refuses `x-amz-*` beside `x-goog-*` (`ExcessHeaderValues`),
//! - its front end rewrites `Accept-Encoding` before the signature is checked, and it knows no `x-amz-checksum-*`:
//!   signed, both are a `SignatureDoesNotMatch`,
//! - it takes `aws-chunked` for data, so that an object of frames would come of it; here that is an error at once,
//! - it ignores `If-Match` and `If-None-Match` on writes, and its own conditions when an upload is completed,
//! - it unpacks what is stored as `gzip` for whoever does not say `Accept-Encoding: gzip`, ignoring ranges,
//! - a deletion of what is not there is a 404, and there is no UploadPartCopy.

mod auth;
mod objects;
mod uploads;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use auth::Auth;
pub use objects::Object;

/// The one bucket that there is.
pub const BUCKET: &str = "acme-lake-prod";

/// Dropping it ends it.
pub struct FakeGcs {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

/// A request that was let in: its head and its whole body.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[derive(Default)]
pub struct State {
    auth: Option<Auth>,
    /// Each name with its generations, the live one last.
    objects: BTreeMap<String, Vec<Object>>,
    uploads: BTreeMap<String, uploads::Upload>,
    /// What was asked, in order; also what was refused.
    seen: Vec<Seen>,
    refused: Vec<String>,
    count: u64,
    /// Keeps what is replaced.
    versioning: bool,
    /// Flips a bit of the next upload.
    corrupts: bool,
}

/// An error in Google's words.
pub struct Fault(pub u16, pub &'static str, pub &'static str);

pub type Answer = Result<Response<Full<Bytes>>, Fault>;

impl FakeGcs {
    pub async fn start(auth: Auth) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            auth: Some(auth),
            ..State::default()
        }));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| serve(state.clone(), request));
                    // A connection that the other side resets is part of the tests.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, state, task }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Takes other credentials from now on.
    pub fn takes(&self, auth: Auth) {
        self.state().auth = Some(auth);
    }

    pub fn keeps_versions(&self) {
        self.state().versioning = true;
    }

    pub fn corrupts_the_next_upload(&self) {
        self.state().corrupts = true;
    }

    /// What was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    pub fn last(&self) -> Seen {
        self.seen().pop().expect("a request")
    }

    /// Why requests were refused for what they are rather than for what they want.
    pub fn refused(&self) -> Vec<String> {
        self.state().refused.clone()
    }

    /// The live object of this name.
    pub fn object(&self, key: &str) -> Option<Object> {
        self.state().live(key).cloned()
    }

    /// Its bytes.
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.object(key).map(|object| object.body.to_vec())
    }

    /// Fails if anything was asked.
    pub fn untouched(&self, what: &str) {
        let seen = self.seen();
        let seen: Vec<_> = seen.iter().map(|seen| (&seen.method, &seen.path)).collect();
        assert!(seen.is_empty(), "{what}: {seen:?}");
    }

    /// The access tokens that it was sent, in order.
    pub fn tokens(&self) -> Vec<String> {
        let seen = self.seen();
        let tokens = seen
            .iter()
            .filter_map(|seen| seen.header("authorization")?.strip_prefix("Bearer "));
        tokens.map(str::to_owned).collect()
    }

    pub fn forget(&self) {
        self.state().seen.clear();
    }
}

impl Drop for FakeGcs {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let is_head = head.method == Method::HEAD;
    #[allow(clippy::disallowed_methods, reason = "uploads in tests are small")]
    let body = body.collect().await;
    // Nothing comes of what breaks off.
    let Ok(body) = body.map(http_body_util::Collected::to_bytes) else {
        return Ok(Response::new(Full::default()));
    };
    let mut state = state.lock().unwrap();
    let answer = state.answer(&head, body);
    let mut response = answer.unwrap_or_else(|Fault(status, code, message)| {
        let body = format!(
            "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message>\
             <Details>canary of {BUCKET}</Details></Error>"
        );
        Response::builder()
            .status(status)
            .header("content-type", "application/xml; charset=UTF-8")
            .header("cache-control", "private, max-age=0")
            .body(Full::from(if is_head { String::new() } else { body }))
            .unwrap()
    });
    let headers = response.headers_mut();
    headers.insert("x-guploader-uploadid", "canary-upload".parse().unwrap());
    headers.insert("server", "UploadServer".parse().unwrap());
    headers.insert("alt-svc", "h3=\":443\"; ma=2592000".parse().unwrap());
    Ok(response)
}

impl State {
    fn answer(&mut self, head: &Parts, body: Bytes) -> Answer {
        let checked = self.check(head, &body);
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let query: BTreeMap<String, String> = form_urlencoded::parse(query.replace('+', "%2B").as_bytes())
            .into_owned()
            .collect();
        let seen = Seen {
            method: head.method.clone(),
            path: decoded(path),
            query,
            headers: head.headers.clone(),
            body,
        };
        self.seen.push(seen.clone());
        if let Err(Fault(_, code, message)) = &checked {
            self.refused.push(format!("{code}: {message}"));
        }
        checked?;
        let rest = seen.path.strip_prefix('/').unwrap_or_default();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket != BUCKET {
            return Err(Fault(404, "NoSuchBucket", "The specified bucket does not exist."));
        }
        match key {
            "" => self.bucket(&seen),
            key => self.of_object(key, &seen),
        }
    }

    /// What every request must be.
    fn check(&self, head: &Parts, body: &[u8]) -> Result<(), Fault> {
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let auth = self.auth.as_ref().unwrap();
        auth.check(head, body)?;
        let amazon = head
            .headers
            .keys()
            .find(|name| name.as_str().starts_with("x-amz-"));
        if let Some(name) = amazon {
            return Err(match name.as_str().starts_with("x-amz-checksum-") {
                true => Fault(403, "SignatureDoesNotMatch", "Invalid argument."),
                false => Fault(
                    400,
                    "ExcessHeaderValues",
                    "Requests cannot specify both x-amz and x-goog headers.",
                ),
            });
        }
        for name in head.headers.keys().map(header::HeaderName::as_str) {
            let known = KNOWN.contains(&name)
                || name.starts_with("x-goog-meta-")
                || name.starts_with("x-goog-custom-audit-");
            if name.starts_with("x-goog-") && !known {
                return Err(Fault(400, "InvalidArgument", "There is no such header."));
            }
        }
        let custom = |name: &header::HeaderName| name.as_str().starts_with("x-goog-custom-audit-");
        let audited: Vec<_> = head.headers.iter().filter(|(name, _)| custom(name)).collect();
        let too_long =
            |(name, value): &(&header::HeaderName, &_)| name.as_str().len() > 64 || header_len(value) > 1200;
        if audited.len() > 4 || audited.iter().any(too_long) {
            return Err(Fault(
                400,
                "InvalidArgument",
                "Too much custom audit information.",
            ));
        }
        let chunked = header("content-encoding").is_some_and(|coding| coding.contains("aws-chunked"));
        let streaming = header("x-goog-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING"));
        if chunked || streaming {
            return Err(Fault(400, "InvalidArgument", "That would be stored as data."));
        }
        // The original also takes `Transfer-Encoding: chunked`. A length is what makes a cut upload no object.
        let sends = matches!(head.method, Method::PUT | Method::POST);
        if sends && header("content-length").is_none() {
            return Err(Fault(411, "MissingContentLength", "You must provide a length."));
        }
        Ok(())
    }
}

const KNOWN: [&str; 22] = [
    "x-goog-bypass-governance-retention",
    "x-goog-content-sha256",
    "x-goog-copy-source",
    "x-goog-copy-source-generation",
    "x-goog-copy-source-if-match",
    "x-goog-copy-source-if-modified-since",
    "x-goog-copy-source-if-none-match",
    "x-goog-copy-source-if-unmodified-since",
    "x-goog-date",
    "x-goog-encryption-algorithm",
    "x-goog-encryption-key",
    "x-goog-encryption-key-sha256",
    "x-goog-encryption-kms-key-name",
    "x-goog-hash",
    "x-goog-if-generation-match",
    "x-goog-if-generation-not-match",
    "x-goog-if-metageneration-match",
    "x-goog-if-metageneration-not-match",
    "x-goog-interop-list-objects-format",
    "x-goog-metadata-directive",
    "x-goog-project-id",
    "x-goog-storage-class",
];

fn header_len(value: &header::HeaderValue) -> usize {
    value.to_str().map_or(usize::MAX, str::len)
}

fn decoded(text: &str) -> String {
    // A path has no `+` for a space.
    let query = format!("k={}", text.replace('+', "%2B").replace('&', "%26"));
    let (_, value) = form_urlencoded::parse(query.as_bytes()).next().unwrap();
    value.into_owned()
}

fn xml(root: &str, inner: &str) -> Response<Full<Bytes>> {
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?><{root} xmlns='http://doc.s3.amazonaws.com/2006-03-01'>{inner}</{root}>"
    );
    let response = Response::builder().header("content-type", "application/xml; charset=UTF-8");
    response.body(Full::from(text)).unwrap()
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).unwrap()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The texts of the elements of this name.
fn texts(document: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let rest = document.split(&open).skip(1);
    let texts = rest.map(|rest| rest.split(&close).next().unwrap());
    texts
        .map(|text| {
            text.replace("&quot;", "\"")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&")
        })
        .collect()
}

/// What is meant by "everything": the settings of buckets have to be named.
pub const EVERYTHING: &str = r#"
@id("all") permit (principal == Tidegate::Workload::"idp:etl", action, resource);
@id("settings")
permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"manage", resource);
"#;

/// A world whose store is a stand-in for Google that takes `auth`; `credentials` are the lines of that table. Everybody
/// in it is `etl`, who may do everything.
pub async fn world(auth: Auth, credentials: &str) -> (FakeGcs, super::World) {
    world_with(auth, credentials, EVERYTHING).await
}

/// The same under another policy.
pub async fn world_with(auth: Auth, credentials: &str, policy: &str) -> (FakeGcs, super::World) {
    let fake = FakeGcs::start(auth).await;
    let table = format!(
        "[targets.store]\nkind = \"gcs-xml\"\nendpoint = \"http://{}\"\n[targets.store.credentials]\n{credentials}",
        fake.address
    );
    let world = super::World::with(super::Settings {
        target_table: Some(table),
        policy: Some(policy.into()),
        ..super::Settings::default()
    });
    (fake, world.await)
}

/// With a token from the environment.
pub async fn with_token() -> (FakeGcs, super::World) {
    let credentials = "kind = \"access-token\"\ntoken = \"env:STORE_SECRET_ACCESS_KEY\"";
    world(Auth::Token(super::world::STORE_SECRET), credentials).await
}

/// With an HMAC key from the environment.
pub async fn with_hmac_key() -> (FakeGcs, super::World) {
    let credentials = "kind = \"static\"\naccess_key_id = \"env:STORE_ACCESS_KEY_ID\"\n\
                       secret_access_key = \"env:STORE_SECRET_ACCESS_KEY\"";
    world(Auth::Hmac("STOREKEY", super::world::STORE_SECRET), credentials).await
}
