//! A store that speaks Google's JSON API, and of the XML API what is spoken to a target of kind `gcs-xml`; as strict as the
//! original and stricter: what it does not know is refused, not ignored. One store for two: `tidegate dev` has it behind its
//! sample bucket, and tests have it behind Tidegate, with requests recorded and faults scripted.
//!
//! It lets in whoever has one of its tokens, and nobody else. The hazard is a stand-in that is kinder than Google: then tests
//! prove that a request was sent, not that it was understood. So hashes are compared, preconditions hold under the lock that
//! makes the object, a resumable session is a credential, and nothing of an upload that broke off is ever seen.

mod answer;
mod batch;
mod bucket;
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
mod members;
mod object;
mod objects;
mod refusal;
mod related;
mod request;
mod resumable;
mod server;
mod settings;
mod shelf;
mod target;
#[cfg(test)]
mod tests;
mod uploads;
mod xml;

use super::serving;
use crate::clock::Clock;
use answer::Answer;
use bucket::About;
use bytes::Bytes;
use faults::Planned;
use http::{HeaderMap, Method};
use hyper::service::service_fn;
use jiff::Timestamp;
use refusal::Refusal;
use serde_json::Value;
use server::{Call, Shared, lock};
use settings::Settings;
use shelf::Shelf;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use faults::GcsFault;

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
            in_parts: Mutex::default(),
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
        let settings = Settings {
            content_type: Some(content_type.to_owned()),
            ..Settings::default()
        };
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

fn refused(refusal: Refusal) -> io::Error {
    io::Error::other(refusal.to_string())
}
