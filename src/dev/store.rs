//! A file-system S3 store on loopback. It verifies SigV4, so only who has its key gets in: Tidegate alone.

use super::{serving, store_access::StoreAccess};
use http::Request;
use hyper::body::Incoming;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Requests that a store remembers: more than a test sends, and no burden for a store that runs for days.
const REMEMBERED: usize = 10_000;

/// The one key of a store.
#[derive(Clone, Debug)]
pub struct StoreKeys {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
}

/// A running store. Dropping it stops it.
pub struct Store {
    address: SocketAddr,
    seen: Arc<Mutex<VecDeque<String>>>,
    task: JoinHandle<()>,
}

impl Store {
    /// Serves the folders in `root` as buckets, on a port that the kernel chooses.
    ///
    /// # Errors
    /// A root that cannot be used, or no port.
    pub async fn start(root: &Path, keys: &StoreKeys) -> io::Result<Self> {
        Self::start_on(root, keys, 0).await
    }

    /// The same on `port` of loopback (0: the kernel chooses).
    ///
    /// # Errors
    /// As [`Store::start`].
    pub async fn start_on(root: &Path, keys: &StoreKeys, port: u16) -> io::Result<Self> {
        let files = s3s_fs::FileSystem::new(root).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(
            keys.access_key_id.clone(),
            keys.secret_access_key.clone(),
        ));
        builder.set_access(StoreAccess::new(root));
        let seen = Arc::new(Mutex::new(VecDeque::new()));
        let service = Recorded {
            inner: builder.build(),
            seen: Arc::clone(&seen),
        };
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            address,
            seen,
            task: tokio::spawn(serving::serve(listener, None, service)),
        })
    }

    /// Where it listens, without TLS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Method and target of the requests that reached it: the last ten thousand.
    pub fn requests(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().cloned().collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Notes each request before it is served.
#[derive(Clone)]
struct Recorded {
    inner: S3Service,
    seen: Arc<Mutex<VecDeque<String>>>,
}

impl hyper::service::Service<Request<Incoming>> for Recorded {
    type Response = http::Response<s3s::Body>;
    type Error = s3s::HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let line = format!("{} {}", request.method(), request.uri());
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.len() == REMEMBERED {
                seen.pop_front();
            }
            seen.push_back(line);
        }
        let inner = self.inner.clone();
        Box::pin(async move { hyper::service::Service::call(&inner, request).await })
    }
}
