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

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// All: for a host that the operator configured.
    Any,
    /// No loopback, private, link-local, shared, metadata or v4-mapped address: for a host that someone else named.
    PublicOnly,
}

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
        let allowed = addresses
            .iter()
            .filter(|at| self.guard == Guard::Any || is_public(at.ip()));
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

/// Where a URL leads.
struct Place {
    tls: bool,
    /// Without brackets.
    host: String,
    port: u16,
    /// As it stands in the URL: the `Host` header.
    authority: String,
    path: PathAndQuery,
}

impl Place {
    fn parse(url: &str, allow_plain: bool) -> Result<Self, FetchError> {
        // `http::Uri` drops a fragment without a word.
        if url.contains('#') {
            return Err(FetchError::Url("it has a fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| FetchError::Url("it is malformed"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if allow_plain => false,
            _ => return Err(FetchError::Url("it must begin with `https://`")),
        };
        let authority = uri.authority().ok_or(FetchError::Url("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(FetchError::Url("it has a user name"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(FetchError::Url("it has no host"));
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(authority.host()) => {
                if tls {
                    443
                } else {
                    80
                }
            }
            None => return Err(FetchError::Url("its port is malformed")),
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }

    fn request(
        &self,
        method: Method,
        body: Bytes,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Request<Full<Bytes>>, FetchError> {
        let unusable = |_| FetchError::Url("it is malformed");
        let mut request = Request::builder()
            .method(&method)
            .uri(Uri::from(self.path.clone()))
            .header(header::HOST, &self.authority)
            .header(
                header::USER_AGENT,
                concat!("tidegate/", env!("CARGO_PKG_VERSION")),
            )
            .header(header::ACCEPT, "*/*");
        if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let mut request = request.body(Full::new(body)).map_err(unusable)?;
        for (name, value) in headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}

/// What a TLS client of ours trusts: `ca` alone, or the machine's roots without one. No ALPN.
///
/// # Errors
/// [`FetchError::Ca`] or [`FetchError::NoRoots`].
pub(crate) fn tls_client_config(ca: Option<&Path>) -> Result<rustls::ClientConfig, FetchError> {
    let mut roots = rustls::RootCertStore::empty();
    match ca {
        Some(path) => add_certificates(&mut roots, path)?,
        // A bundle may hold a few certificates that nobody can use; one that can be used is enough.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    client_config(roots)
}

/// Adds all of the certificates in a file, of which there is at least one.
fn add_certificates(roots: &mut rustls::RootCertStore, path: &Path) -> Result<(), FetchError> {
    let unreadable = |cause: String| FetchError::Ca {
        path: path.to_owned(),
        cause,
    };
    let mut found = false;
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unreadable(error.to_string()))?;
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(unreadable("it contains no certificate".to_owned()))
    }
}

fn client_config(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, FetchError> {
    if roots.is_empty() {
        return Err(FetchError::NoRoots);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|_| FetchError::NoRoots)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Whether an address is one of the public Internet.
///
/// Spec: the IANA special-purpose address registries.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        [0 | 10 | 127 | 224.., ..]
        | [169, 254, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => false,
        [100, b, ..] if b & 0xc0 == 64 => false,
        [172, b, ..] if b & 0xf0 == 16 => false,
        [198, b, ..] if b & 0xfe == 18 => false,
        // Azure's metadata and agent service lives on a public address.
        [168, 63, 129, 16] => false,
        _ => true,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // NAT64 leads to the IPv4 address in its last four bytes.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        // Teredo and other protocol assignments, documentation, 6to4.
        [0x2001, 0x0000..=0x01ff, ..]
        | [0x2001, 0x0db8, ..]
        | [0x2002, ..]
        | [0x3fff, 0x0000..=0x0fff, ..] => false,
        // Global unicast is 2000::/3; everything else is loopback, local, mapped, multicast or unassigned.
        [first, ..] => first & 0xe000 == 0x2000,
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that answers one request with `answer` and gives back what it received.
    async fn server(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path?q=1", listener.local_addr().unwrap());
        let seen = tokio::spawn(async move {
            let (mut io, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 64 << 10];
            let n = io.read(&mut seen).await.unwrap();
            let _ = io.write_all(&answer).await;
            let _ = io.shutdown().await;
            String::from_utf8_lossy(&seen[..n]).into_owned()
        });
        (url, seen)
    }

    fn plain() -> Fetcher {
        Fetcher::new(None).unwrap().allow_plain()
    }

    #[tokio::test]
    async fn an_answer_is_read_completely() {
        let (url, seen) = server(
            b"HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\ncontent-length: 4\r\n\r\nbody".to_vec(),
        )
        .await;
        let header = (
            HeaderName::from_static("x-amz-date"),
            HeaderValue::from_static("now"),
        );
        let answer = plain().post_form(&url, "a=b".into(), &[header]).await.unwrap();
        assert_eq!(answer.status, 403);
        assert_eq!(answer.content_type.as_deref(), Some("text/xml"));
        assert_eq!(&*answer.body, b"body");
        let seen = seen.await.unwrap();
        assert!(seen.starts_with("POST /path?q=1 HTTP/1.1\r\n"), "{seen}");
        assert!(
            seen.contains("x-amz-date: now\r\n") && seen.ends_with("\r\n\r\na=b"),
            "{seen}"
        );
        assert!(
            seen.contains("content-type: application/x-www-form-urlencoded\r\n"),
            "{seen}"
        );
    }

    // CRD-06, JWT-13
    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        let (url, _) = server(answer.to_vec()).await;
        assert_eq!(plain().get(&url).await.unwrap().status, 302);
    }

    #[tokio::test]
    async fn an_answer_above_the_limit_is_an_error() {
        let mut answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
        answer.resize(answer.len() + MAX_BODY + 1, b'x');
        let (url, _) = server(answer).await;
        assert!(matches!(
            plain().get(&url).await,
            Err(FetchError::TooLarge { .. })
        ));
    }

    #[tokio::test]
    async fn a_cut_answer_is_an_error() {
        let (url, _) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".to_vec()).await;
        assert!(matches!(plain().get(&url).await, Err(FetchError::Http { .. })));
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut fetcher = plain();
        fetcher.timeout = Duration::from_millis(20);
        assert!(matches!(fetcher.get(&url).await, Err(FetchError::Timeout { .. })));
    }

    // JWT-14: an answer that never ends, byte by byte, is no longer waited for than a silent one.
    #[tokio::test]
    async fn a_server_that_drips_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut io, _) = listener.accept().await.unwrap();
            let _ = io
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
                .await;
            let mut drops = tokio::time::interval(Duration::from_millis(5));
            while io.write_all(b" ").await.is_ok() {
                drops.tick().await;
            }
        });
        let mut fetcher = plain();
        fetcher.timeout = Duration::from_millis(100);
        assert!(matches!(fetcher.get(&url).await, Err(FetchError::Timeout { .. })));
    }

    // JWT-13: the resolved address counts, however it is written.
    #[tokio::test]
    async fn private_addresses_are_refused_at_connect() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fetcher = plain().with_guard(Guard::PublicOnly);
        for host in [
            "127.0.0.1",
            "localhost",
            "2130706433",
            "0x7f.1",
            "127.1",
            "[::ffff:127.0.0.1]",
        ] {
            let outcome = fetcher.get(&format!("http://{host}:{port}/")).await;
            let refused = matches!(
                outcome,
                Err(FetchError::Private { .. } | FetchError::Connect { .. } | FetchError::Url(_))
            );
            assert!(refused, "{host}: {outcome:?}");
        }
        let knocked = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(knocked.is_err(), "a connection was made");
    }

    // JWT-13
    #[test]
    fn addresses_are_public_or_not() {
        let check = |address: &str, public| {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        };
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
        ] {
            check(private, false);
        }
        for public in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
        ] {
            check(public, true);
        }
    }

    #[tokio::test]
    async fn unusable_urls_are_refused() {
        let fetcher = Fetcher::new(None).unwrap();
        for url in [
            "http://idp.example/",
            "ftp://idp.example/",
            "idp.example",
            "https:///path",
            "https://user@idp.example/",
            "https://idp.example/#part",
            "https://idp.example:port/",
            "https://idp.example/a b",
            "",
        ] {
            assert!(matches!(fetcher.get(url).await, Err(FetchError::Url(_))), "{url}");
        }
    }

    #[tokio::test]
    async fn only_the_configured_ca_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let ours = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (ours_file, other_file) = (folder.path().join("ours.pem"), folder.path().join("other.pem"));
        std::fs::write(&ours_file, ours.cert.pem()).unwrap();
        std::fs::write(&other_file, other.cert.pem()).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(ours.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![ours.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                if let Ok(mut io) = acceptor.accept(tcp).await {
                    let _ = io.read(&mut [0; 4096]).await;
                    let _ = io
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await;
                    let _ = io.shutdown().await;
                }
            }
        });
        let trusted = Fetcher::new(Some(&ours_file)).unwrap().get(&url).await.unwrap();
        assert_eq!(&*trusted.body, b"ok");
        let refused = Fetcher::new(Some(&other_file)).unwrap().get(&url).await;
        assert!(matches!(refused, Err(FetchError::Tls { .. })), "{refused:?}");
    }

    #[test]
    fn a_ca_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            Fetcher::new(Some(file.path())),
            Err(FetchError::Ca { .. })
        ));
    }
}
