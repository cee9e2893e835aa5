//! A store that speaks Google's JSON API, as strict as the original and stricter: what it does not know is refused, not
//! ignored. One store for two: `tidegate dev` has it behind its sample bucket, and tests have it behind Tidegate, with
//! requests recorded and faults scripted.
//!
//! It lets in whoever has one of its tokens, and nobody else. The hazard is a stand-in that is kinder than Google: then tests
//! prove that a request was sent, not that it was understood. So hashes are compared, preconditions hold under the lock that
//! makes the object, a resumable session is a credential, and nothing of an upload that broke off is ever seen.

mod batch;
mod buckets;
mod conditions;
mod copies;
mod download;
mod encryption;
mod faults;
mod fields;
mod glob;
mod intake;
mod listing;
mod object;
mod objects;
mod refusal;
mod related;
mod request;
mod resumable;
mod shelf;
#[cfg(test)]
mod tests;
mod uploads;

use super::serving;
use crate::body::{Body, empty, full};
use crate::clock::Clock;
use bytes::Bytes;
use faults::{Inbound, Planned};
use fields::Fields;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use jiff::Timestamp;
use refusal::Refusal;
use request::{Query, Target};
use serde_json::Value;
use shelf::{About, Shelf};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use faults::GcsFault;

/// Bytes of a document that is not a batch.
const MAX_DOCUMENT: usize = 1 << 20;
/// Requests that a store remembers.
const REMEMBERED: usize = 10_000;

/// What a store is to be.
pub struct GcsOptions {
    /// Where objects are kept.
    pub root: PathBuf,
    /// The tokens that open it.
    pub tokens: Vec<String>,
    /// Buckets that there are, of somebody else: 403.
    pub foreign_buckets: Vec<String>,
    /// Bytes that one call of a rewrite copies at most.
    pub rewrite_bytes: Option<u64>,
    /// On loopback; 0: the kernel chooses.
    pub port: u16,
    /// HTTPS with this.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The time.
    pub clock: Clock,
}

/// What a bucket is to be.
#[derive(Clone, Copy, Debug)]
pub struct GcsBucket {
    /// Keeps what is replaced or deleted.
    pub versioning: bool,
    /// Gives back what was deleted.
    pub soft_delete: bool,
    /// Has no access control lists on objects.
    pub uniform_access: bool,
}

/// A request that reached the store, whatever came of it.
#[derive(Clone, Debug)]
pub struct GcsRequest {
    /// The method.
    pub method: Method,
    /// The path as it was sent.
    pub path: String,
    /// The query as it was sent; empty if there was none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, where it is a document; of a `multipart` upload, the document in it.
    pub document: Bytes,
    /// What was answered; `None` while nothing is, or where the connection ended.
    pub status: Option<u16>,
}

/// A running store. Dropping it stops it.
pub struct GcsStore {
    address: SocketAddr,
    tls: bool,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl GcsOptions {
    /// A store in `root` for whoever has `token`, without TLS on a port that the kernel chooses.
    pub fn new(root: &Path, token: &str, clock: Clock) -> Self {
        Self {
            root: root.to_owned(),
            tokens: vec![token.to_owned()],
            foreign_buckets: Vec::new(),
            rewrite_bytes: None,
            port: 0,
            tls: None,
            clock,
        }
    }
}

impl Default for GcsBucket {
    fn default() -> Self {
        Self {
            versioning: false,
            soft_delete: false,
            uniform_access: true,
        }
    }
}

impl GcsRequest {
    /// Method, path and query.
    pub fn line(&self) -> String {
        match self.query.as_str() {
            "" => format!("{} {}", self.method, self.path),
            query => format!("{} {}?{query}", self.method, self.path),
        }
    }

    /// A header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        request::text(&self.headers, name)
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }
}

impl GcsStore {
    /// Starts a store.
    ///
    /// # Errors
    /// A folder that cannot be used, or no port.
    pub async fn start(options: GcsOptions) -> io::Result<Self> {
        let foreign = options.foreign_buckets.into_iter().collect();
        let tls = options.tls.is_some();
        let shared = Arc::new(Shared {
            shelf: Mutex::new(Shelf::open(&options.root, options.clock, foreign)?),
            tokens: Mutex::new(options.tokens.into_iter().map(|token| (token, None)).collect()),
            sessions: Mutex::default(),
            rewrites: Mutex::default(),
            log: Mutex::default(),
            planned: Mutex::default(),
            rewrite_bytes: options.rewrite_bytes,
            tls,
        });
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
        let address = listener.local_addr()?;
        let serving = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&serving);
            async move { shared.serve(request).await }
        });
        let acceptor = options.tls.map(TlsAcceptor::from);
        Ok(Self {
            address,
            tls,
            shared,
            task: tokio::spawn(serving::serve(listener, acceptor, service)),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Makes a bucket; `false` if there is one of that name.
    ///
    /// # Errors
    /// A name that no bucket can have, or the disk.
    pub fn make_bucket(&self, name: &str, settings: GcsBucket) -> io::Result<bool> {
        let mut shelf = self.shared.shelf();
        if shelf.bucket(name).is_ok() {
            return Ok(false);
        }
        let about = About {
            versioning: settings.versioning,
            soft_delete: settings.soft_delete,
            uniform_access: settings.uniform_access,
            ..About::new(name, shelf.now())
        };
        shelf.make_bucket(about).map_err(refused)?;
        Ok(true)
    }

    /// Puts an object into a bucket, and answers its generation.
    ///
    /// # Errors
    /// No such bucket, or the disk.
    pub async fn put(&self, bucket: &str, name: &str, content_type: &str, content: &[u8]) -> io::Result<u64> {
        let mut settings = object::Settings::default();
        settings.content_type = Some(content_type.to_owned());
        let mut intake = self.shared.intake().await.map_err(refused)?;
        intake.take(content).await.map_err(refused)?;
        let received = intake.finish(&Default::default()).await.map_err(refused)?;
        let mut shelf = self.shared.shelf();
        let object = shelf.commit(bucket, name, settings, &received, &Default::default());
        Ok(object.map_err(refused)?.generation)
    }

    /// The bytes of the live object of this name.
    pub fn content(&self, bucket: &str, name: &str) -> Option<Vec<u8>> {
        let shelf = self.shared.shelf();
        let object = shelf.object(bucket, name, None).ok()?;
        std::fs::read(shelf.data(bucket, object).ok()?).ok()
    }

    /// The resource of the live object of this name, with its access control.
    pub fn resource(&self, bucket: &str, name: &str) -> Option<Value> {
        let shelf = self.shared.shelf();
        let object = shelf.object(bucket, name, None).ok()?;
        Some(object.document(bucket, &self.url(), Some(&object.settings)))
    }

    /// The names of the live objects of a bucket.
    pub fn names(&self, bucket: &str) -> Vec<String> {
        let shelf = self.shared.shelf();
        let objects = shelf.bucket(bucket).map(|bucket| &bucket.objects);
        let objects = objects.into_iter().flatten();
        objects
            .filter(|(_, generations)| generations.live.is_some())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Lets another token in, until it ends.
    pub fn allow(&self, token: &str, until: Option<Timestamp>) {
        lock(&self.shared.tokens).insert(token.to_owned(), until);
    }

    /// Lets a token in no longer.
    pub fn revoke(&self, token: &str) {
        lock(&self.shared.tokens).remove(token);
    }

    /// Plans a fault for the next request of `method` with `part` in its path and query. Those planned first come first.
    pub fn plan(&self, method: &str, part: &str, fault: GcsFault) {
        lock(&self.shared.planned).push(Planned {
            method: method.to_owned(),
            part: part.to_owned(),
            fault,
        });
    }

    /// What reached it: the last ten thousand requests.
    pub fn requests(&self) -> Vec<GcsRequest> {
        lock(&self.shared.log).requests.iter().cloned().collect()
    }

    /// How many requests reached it.
    pub fn count(&self) -> u64 {
        lock(&self.shared.log).count
    }
}

impl Drop for GcsStore {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections share.
struct Shared {
    shelf: Mutex<Shelf>,
    /// And when each ends.
    tokens: Mutex<BTreeMap<String, Option<Timestamp>>>,
    sessions: Mutex<BTreeMap<String, Arc<resumable::Session>>>,
    rewrites: Mutex<BTreeMap<String, copies::Rewrite>>,
    log: Mutex<Log>,
    planned: Mutex<Vec<Planned>>,
    rewrite_bytes: Option<u64>,
    tls: bool,
}

#[derive(Default)]
struct Log {
    requests: VecDeque<GcsRequest>,
    count: u64,
}

/// A request's head, read.
struct Call {
    method: Method,
    uri: Uri,
    target: Target,
    query: Query,
    headers: HeaderMap,
    /// `http://HOST`, as the request was sent to.
    origin: String,
}

/// An answer that is not an object's bytes.
struct Answer {
    status: StatusCode,
    body: AnswerBody,
    headers: Vec<(&'static str, String)>,
}

enum AnswerBody {
    Empty,
    Document(Value),
    Bytes(Bytes),
}

impl Shared {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.shelf)
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, Arc<resumable::Session>>> {
        lock(&self.sessions)
    }

    fn rewrites(&self) -> MutexGuard<'_, BTreeMap<String, copies::Rewrite>> {
        lock(&self.rewrites)
    }

    /// The whole life of a request. An error ends the connection.
    async fn serve(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let number = self.note(&request);
        let fault = self.fault(&request);
        let is_media = request
            .uri()
            .query()
            .is_some_and(|query| query.split('&').any(|pair| pair == "alt=media"));
        let (head, body) = request.into_parts();
        let mut body = Inbound::new(body, fault);
        let answer = self.answer(head, &mut body).await;
        let answer = answer.or_else(|refusal| refusal.response(is_media).ok_or(Refusal::Cut));
        let answer = answer.and_then(|response| Inbound::answer(fault, response));
        let mut log = lock(&self.log);
        let back = usize::try_from(log.count.saturating_sub(number)).unwrap_or(usize::MAX);
        if let Some(noted) = log.requests.iter_mut().rev().nth(back) {
            noted.status = answer.as_ref().ok().map(|response| response.status().as_u16());
            noted.document = body.document;
        }
        answer.map_err(|_| io::Error::from(io::ErrorKind::ConnectionReset))
    }

    async fn answer(
        &self,
        head: http::request::Parts,
        body: &mut Inbound,
    ) -> Result<Response<Body>, Refusal> {
        let target = Target::parse(head.uri.path())?;
        let query = Query::parse(&head.uri)?;
        let call = Call {
            origin: request::origin(&head.headers, self.tls),
            method: head.method,
            uri: head.uri,
            target,
            query,
            headers: head.headers,
        };
        let session = match (&call.target, call.query.get("upload_id")) {
            (Target::Upload(bucket), Some(id)) => Some((bucket, id)),
            _ => None,
        };
        self.authorize(&call.headers, session.is_some())?;
        request::check_headers(&call.headers, matches!(call.target, Target::Upload(_)))?;
        if matches!(call.method, Method::GET | Method::HEAD) && !body.is_empty() {
            return Err(Refusal::invalid("A request that reads has no body"));
        }
        body.begin().await?;
        let answer = match (&call.target, call.method.as_str()) {
            (Target::Upload(bucket), method) => match (session, method) {
                (Some((bucket, id)), "PUT" | "POST" | "DELETE") => {
                    self.resume(&call, bucket, id, body).await?
                }
                (None, "POST") => self.insert(&call, bucket, body).await?,
                _ => return Err(Refusal::new(405, "methodNotAllowed", "Method Not Allowed")),
            },
            (Target::Download(bucket, name) | Target::Object(bucket, name), "GET")
                if call.query.get("alt") == Some("media") =>
            {
                let object = self.read(&call, bucket, name)?;
                return self.download(&call, bucket, &object);
            }
            (Target::Batch, "POST") => {
                let document = body.document(batch::MAX_BATCH).await?;
                self.batch(&call, &document).await?
            }
            _ => {
                let document = body.document(MAX_DOCUMENT).await?;
                self.control(&call, &document).await?
            }
        };
        Ok(answer.response(&call))
    }

    /// What has a document for an answer, or none.
    async fn control(&self, call: &Call, document: &[u8]) -> Result<Answer, Refusal> {
        let reads = matches!(call.method, Method::GET | Method::DELETE);
        if reads && !document.is_empty() {
            return Err(Refusal::invalid("This request has no body"));
        }
        let members = request::members(&call.headers, document)?;
        let nothing = || match members.keys().next() {
            Some(member) => Err(Refusal::unknown("body", member)),
            None => Ok(()),
        };
        match (&call.target, call.method.as_str()) {
            (Target::Buckets, "GET" | "POST") => self.buckets(call, &members),
            (Target::Bucket(bucket), _) => self.bucket(call, bucket, &members),
            (Target::OfBucket(bucket, what), _) => self.of_bucket(call, bucket, what, &members),
            (Target::Objects(bucket), "GET") => self.list(call, bucket),
            (Target::Object(bucket, name), "GET") => self.get(call, bucket, name),
            (Target::Object(bucket, name), "DELETE") => self.delete(call, bucket, name),
            (Target::Object(bucket, name), "PATCH" | "PUT") => self.change(call, bucket, name, &members),
            (Target::ObjectAcl(bucket, name, entity), _) => {
                self.acl(call, (bucket, name), entity.as_deref(), &members)
            }
            (Target::ObjectIam(bucket, name), _) => self.object_iam(call, bucket, name),
            (Target::ObjectIamTest(bucket, name), "GET") => self.object_iam_test(call, bucket, name),
            (Target::Copy(pair), "POST") => self.copy(call, pair, &members),
            (Target::Rewrite(pair), "POST") => self.rewrite(call, pair, &members),
            (Target::Move(pair), "POST") => {
                nothing()?;
                self.move_object(call, pair)
            }
            (Target::Compose(bucket, name), "POST") => self.compose(call, bucket, name, &members).await,
            (Target::Restore(bucket, name), "POST") => self.restore(call, bucket, name, &members),
            (Target::ServiceAccount(project), "GET") => self.service_account(call, project),
            // As at Google: without `alt=media` there is nothing to download.
            (Target::Download(..), "GET") => Err(Refusal::required("alt")),
            _ => Err(Refusal::new(405, "methodNotAllowed", "Method Not Allowed")),
        }
    }

    /// Whether a request may be answered at all. The address of a session lets in whoever has it.
    fn authorize(&self, headers: &HeaderMap, session: bool) -> Result<(), Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return if session {
                Ok(())
            } else {
                Err(Refusal::login_required())
            };
        };
        let token = value
            .to_str()
            .ok()
            .and_then(|value| value.strip_prefix("Bearer "));
        let ends = token.and_then(|token| lock(&self.tokens).get(token).copied());
        match ends {
            Some(ends) if values.next().is_none() && ends.is_none_or(|ends| self.shelf().now() < ends) => {
                Ok(())
            }
            Some(_) | None => Err(Refusal::unauthorized()),
        }
    }

    /// Remembers a request; its number counts from 1.
    fn note(&self, request: &Request<Incoming>) -> u64 {
        let mut log = lock(&self.log);
        if log.requests.len() == REMEMBERED {
            log.requests.pop_front();
        }
        log.requests.push_back(GcsRequest {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: request.headers().clone(),
            document: Bytes::new(),
            status: None,
        });
        log.count += 1;
        log.count
    }

    /// Takes what was planned for a request.
    fn fault(&self, request: &Request<Incoming>) -> Option<GcsFault> {
        let target = request.uri().to_string();
        let mut planned = lock(&self.planned);
        let fits = |plan: &Planned| request.method() == plan.method.as_str() && target.contains(&plan.part);
        let index = planned.iter().position(fits)?;
        Some(planned.remove(index).fault)
    }
}

impl Answer {
    fn json(document: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: AnswerBody::Document(document),
            headers: vec![("content-type", "application/json; charset=UTF-8".to_owned())],
        }
    }

    fn bytes(content_type: String, bytes: Vec<u8>) -> Self {
        Self {
            status: StatusCode::OK,
            body: AnswerBody::Bytes(bytes.into()),
            headers: vec![("content-type", content_type)],
        }
    }

    fn empty(status: StatusCode) -> Self {
        Self {
            status,
            body: AnswerBody::Empty,
            headers: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn tagged(self, etag: String) -> Self {
        self.with("etag", etag)
    }

    /// Status, headers and bytes; of a document, those that `fields` asks for.
    fn parts(self, call: &Call) -> (StatusCode, Vec<(&'static str, String)>, Bytes) {
        let body = match self.body {
            AnswerBody::Empty => Bytes::new(),
            AnswerBody::Bytes(bytes) => bytes,
            AnswerBody::Document(document) => {
                // They were read when the query was checked.
                let fields = call
                    .query
                    .get("fields")
                    .and_then(|fields| Fields::parse(fields).ok());
                fields.unwrap_or_default().select(document).to_string().into()
            }
        };
        (self.status, self.headers, body)
    }

    fn response(self, call: &Call) -> Response<Body> {
        let (status, headers, body) = self.parts(call);
        let mut response = Response::new(if body.is_empty() { empty() } else { full(body) });
        *response.status_mut() = status;
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        response
            .headers_mut()
            .entry("x-guploader-uploadid")
            .or_insert(HeaderValue::from_static("store-answer"));
        response
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(refusal: Refusal) -> io::Error {
    io::Error::other(refusal.to_string())
}
