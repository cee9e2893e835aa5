//! A small HTTPS client for control calls: discovery documents, key sets, security token services.
//!
//! It answers what such calls are abused for. Nothing is followed (a redirect is an answer like any other), no
//! proxy is taken from the environment, no cookie is kept, nothing is decompressed, and time and size are bounded.
//! A URL that came out of somebody else's document is fetched with [`Guard::PublicOnly`]: the address is checked
//! after it is resolved, when the connection is made, so neither `2130706433` nor a name that changes its answer
//! reaches the inside of the network. URLs are taken apart by `http::Uri`, which normalises nothing.
//!
//! Each call has a connection of its own: there are a few calls an hour, and an idle connection that the other
//! side has closed is the usual way for such a call to fail.

mod guard;
mod place;
#[cfg(test)]
mod tests;
mod trust;

pub use guard::Guard;
pub(crate) use trust::tls_client_config;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use place::Place;
use rustls::pki_types::ServerName;
use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use trust::{add_certificates, client_config};

/// The client. Clones are cheap and share the trusted roots.
#[derive(Clone)]
pub struct Fetcher {
    tls: Option<TlsConnector>,
    guard: Guard,
    allow_plain: bool,
    timeout: Duration,
}

/// An answer, complete.
pub struct Fetched {
    /// Any status, redirects and errors included.
    pub status: StatusCode,
    /// `Content-Type` as sent, if it is ASCII.
    pub content_type: Option<String>,
    /// All headers as sent.
    pub headers: HeaderMap,
    /// At most [`MAX_BODY`] bytes.
    pub body: Bytes,
}

/// Why there is no answer. Names the host, never the query or the body.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The CA file cannot be read as PEM certificates.
    #[error("cannot read certificates from `{path}`: {cause}")]
    Ca {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// There is no CA bundle on this machine and none was configured.
    #[error("this machine trusts no certificate authority: install its CA bundle or set `ca`")]
    NoRoots,
    /// The URL is not one that is fetched.
    #[error("the URL is not usable: {0}")]
    Url(&'static str),
    /// The guard refused every address of the host.
    #[error("`{host}` has no public address, and another host's document may not name private ones")]
    Private {
        /// The host.
        host: String,
    },
    /// No address of the host could be connected to.
    #[error("cannot connect to `{host}`")]
    Connect {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("no TLS with `{host}`")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Request or response broke off.
    #[error("the exchange with `{host}` broke off")]
    Http {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The response is too large.
    #[error("the answer of `{host}` is larger than {MAX_BODY} bytes")]
    TooLarge {
        /// The host.
        host: String,
    },
    /// The whole call took too long.
    #[error("`{host}` did not answer within {after:?}")]
    Timeout {
        /// The host.
        host: String,
        /// The deadline.
        after: Duration,
    },
}

/// Bytes of a response body that are read; one more is an error.
pub const MAX_BODY: usize = 1 << 20;
/// Deadline for everything from name resolution to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Deadline for one address, so that a host with one dead address is still reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of a response head.
const MAX_HEAD: usize = 64 << 10;

impl Fetcher {
    /// A client that trusts only the certificates in `ca`, or the machine's roots without one.
    ///
    /// It speaks HTTPS alone and connects to any address; see [`Fetcher::with_guard`] and [`Fetcher::allow_plain`].
    ///
    /// # Errors
    /// [`FetchError::Ca`] if `ca` cannot be read. Missing roots of the machine are an error of the call.
    pub fn new(ca: Option<&Path>) -> Result<Self, FetchError> {
        Self::with(tls_client_config(ca))
    }

    /// A client that trusts the machine's roots and the certificates in `ca`: for a host of which nobody can say whose
    /// certificate it has, such as the identity provider of a gateway that has a private CA.
    ///
    /// # Errors
    /// As [`Fetcher::new`].
    pub fn trusting_also(ca: Option<&Path>) -> Result<Self, FetchError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca {
            add_certificates(&mut roots, path)?;
        }
        Self::with(client_config(roots))
    }

    fn with(config: Result<rustls::ClientConfig, FetchError>) -> Result<Self, FetchError> {
        let tls = match config {
            Ok(mut config) => {
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Some(TlsConnector::from(Arc::new(config)))
            }
            Err(FetchError::NoRoots) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            tls,
            guard: Guard::Any,
            allow_plain: false,
            timeout: TIMEOUT,
        })
    }

    /// The same client with another rule for addresses.
    #[must_use]
    pub fn with_guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// The same client that also accepts `http` URLs: for an endpoint on this machine that is configured so.
    #[must_use]
    pub fn allow_plain(mut self) -> Self {
        self.allow_plain = true;
        self
    }

    /// The same client with another deadline for a whole call.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Fetches `url` with GET.
    ///
    /// # Errors
    /// [`FetchError`] if there is no complete answer. An answer with an error status is not an error.
    pub async fn get(&self, url: &str) -> Result<Fetched, FetchError> {
        self.call(Method::GET, url, Bytes::new(), &[]).await
    }

    /// Fetches `url` with GET. `headers` are added as they are.
    ///
    /// # Errors
    /// As [`Fetcher::get`].
    pub async fn get_with(
        &self,
        url: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Fetched, FetchError> {
        self.call(Method::GET, url, Bytes::new(), headers).await
    }

    /// Sends an empty PUT to `url`, by which the metadata service of EC2 gives out its session. `headers` are added as
    /// they are.
    ///
    /// # Errors
    /// As [`Fetcher::get`].
    pub async fn put_empty(
        &self,
        url: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Fetched, FetchError> {
        self.call(Method::PUT, url, Bytes::new(), headers).await
    }

    /// Sends a form to `url` with POST. `headers` are added as they are.
    ///
    /// # Errors
    /// As [`Fetcher::get`].
    pub async fn post_form(
        &self,
        url: &str,
        body: String,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Fetched, FetchError> {
        self.call(Method::POST, url, Bytes::from(body), headers).await
    }

    /// Sends what somebody else put together. `headers` are added as they are.
    ///
    /// # Errors
    /// As [`Fetcher::get`].
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Fetched, FetchError> {
        self.call(method, url, body, headers).await
    }

    async fn call(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Fetched, FetchError> {
        let place = Place::parse(url, self.allow_plain)?;
        let request = place.request(method, body, headers)?;
        let exchange = async {
            let tcp = self.connect(&place).await?;
            if !place.tls {
                return exchange(tcp, request, &place.host).await;
            }
            let tls = self.tls.as_ref().ok_or(FetchError::NoRoots)?;
            let name = ServerName::try_from(place.host.clone())
                .map_err(|_| FetchError::Url("its host is neither a name nor an address"))?;
            let io = tls.connect(name, tcp).await.map_err(|source| FetchError::Tls {
                host: place.host.clone(),
                source,
            })?;
            exchange(io, request, &place.host).await
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Timeout {
                host: place.host,
                after: self.timeout,
            }),
        }
    }

    /// Connects to the first address that answers and that the guard allows.
    async fn connect(&self, place: &Place) -> Result<TcpStream, FetchError> {
        let failed = |source| FetchError::Connect {
            host: place.host.clone(),
            source,
        };
        let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(failed)?.collect();
        // INVARIANT: what is checked is what is connected to; the name is not resolved a second time.
        let allowed = addresses.iter().filter(|at| self.guard.allows(at.ip()));
        let mut last = None;
        for address in allowed {
            match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(io::ErrorKind::TimedOut.into()),
            }
        }
        match last {
            Some(error) => Err(failed(error)),
            None if addresses.is_empty() => Err(failed(io::ErrorKind::NotFound.into())),
            None => Err(FetchError::Private {
                host: place.host.clone(),
            }),
        }
    }
}

/// Sends `request` and reads the whole answer.
async fn exchange<T>(io: T, request: Request<Full<Bytes>>, host: &str) -> Result<Fetched, FetchError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let failed = |source| FetchError::Http {
        host: host.to_owned(),
        source,
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(io))
        .await
        .map_err(failed)?;
    let read = async {
        let (head, mut body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(failed)?.into_data() {
                if bytes.len() + data.len() > MAX_BODY {
                    return Err(FetchError::TooLarge {
                        host: host.to_owned(),
                    });
                }
                bytes.extend_from_slice(&data);
            }
        }
        let content_type = head.headers.get(header::CONTENT_TYPE);
        Ok(Fetched {
            status: head.status,
            content_type: content_type.and_then(|v| Some(v.to_str().ok()?.to_owned())),
            headers: head.headers,
            body: bytes.freeze(),
        })
    };
    // The connection is driven here and not in a task of its own: when the caller gives up, it is closed.
    tokio::pin!(read, connection);
    tokio::select! {
        biased;
        outcome = &mut read => outcome,
        // The connection may end before the last frame was taken; the answer then tells whether it was complete.
        _ = &mut connection => read.await,
    }
}

impl Fetched {
    /// The clock of whoever answered: its `Date`.
    pub fn date(&self) -> Option<Timestamp> {
        let date = self.headers.get(header::DATE)?.to_str().ok()?;
        jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(date)
            .ok()
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("guard", &self.guard)
            .field("allow_plain", &self.allow_plain)
            .finish_non_exhaustive()
    }
}

/// The body may hold credentials: only its size is shown.
impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("bytes", &self.body.len())
            .finish()
    }
}
