//! The admin listener: plain HTTP/1.1, three documents, nothing else.

use super::Readiness;
use crate::telemetry::Metrics;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

/// Connections at once. More wait in the kernel's queue for a place.
const MAX_CONNECTIONS: usize = 64;
/// Deadline for a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Deadline for a whole connection: one request and its answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after `accept` failed, for instance because there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why there is no admin listener.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address cannot be had.
    #[error("cannot listen on `{address}` for health and metrics: set another `admin.listen`")]
    Bind {
        /// As configured.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A bound admin listener.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminServer {
    /// Binds `address`; with port 0, the kernel chooses one.
    ///
    /// # Errors
    /// [`AdminError::Bind`].
    pub async fn bind(address: SocketAddr) -> Result<Self, AdminError> {
        let failed = |source| AdminError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address that is bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`. That should come after the data listener has drained, so that readiness and
    /// metrics can be seen meanwhile.
    pub async fn run(self, readiness: Readiness, metrics: Metrics, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let accept_all = async {
            loop {
                // The semaphore is never closed; if it were, there would be nothing left to do.
                let Ok(place) = places.clone().acquire_owned().await else {
                    return;
                };
                match self.listener.accept().await {
                    Ok((tcp, _)) => {
                        let (readiness, metrics) = (readiness.clone(), metrics.clone());
                        let shutdown = shutdown.clone();
                        tokio::spawn(async move {
                            let _place = place;
                            tokio::select! {
                                () = serve(tcp, &readiness, &metrics) => {}
                                () = shutdown.cancelled() => {}
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the admin listener cannot accept");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accept_all => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// Answers one request.
async fn serve(tcp: TcpStream, readiness: &Readiness, metrics: &Metrics) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(&request, readiness, metrics);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        // No place is held by a client that says nothing.
        .keep_alive(false)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(tcp), service);
    match tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an admin connection broke off"),
        Err(_) => tracing::debug!("an admin connection took too long"),
    }
}

fn answer<B>(request: &Request<B>, readiness: &Readiness, metrics: &Metrics) -> Response<Full<Bytes>> {
    // A page that somebody visits must not read this through their browser.
    if request.headers().contains_key(header::ORIGIN) {
        return text(StatusCode::FORBIDDEN, "browsers are not served here\n");
    }
    let document: fn(&Readiness, &Metrics) -> Response<Full<Bytes>> = match request.uri().path() {
        "/healthz" => |_, _| text(StatusCode::OK, "ok\n"),
        "/readyz" => |readiness, _| {
            let (ready, report) = readiness.report();
            let status = if ready {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            respond(status, "application/json", report)
        },
        "/metrics" => |_, metrics| respond(StatusCode::OK, Metrics::CONTENT_TYPE, metrics.encode()),
        _ => {
            return text(
                StatusCode::NOT_FOUND,
                "there are /healthz, /readyz and /metrics\n",
            );
        }
    };
    if request.method() == Method::GET {
        return document(readiness, metrics);
    }
    let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n");
    refusal
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET"));
    refusal
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", body)
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Admin {
        address: SocketAddr,
        readiness: Readiness,
        metrics: Metrics,
        shutdown: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    impl Admin {
        async fn start() -> Self {
            let server = AdminServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let (address, shutdown) = (server.local_addr(), CancellationToken::new());
            let (readiness, metrics) = (Readiness::expecting(&["policies"]), Metrics::new());
            let task = tokio::spawn(server.run(readiness.clone(), metrics.clone(), shutdown.clone()));
            Self {
                address,
                readiness,
                metrics,
                shutdown,
                task,
            }
        }

        /// The whole answer to raw bytes.
        async fn ask(&self, request: &str) -> String {
            let mut io = TcpStream::connect(self.address).await.unwrap();
            io.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            io.read_to_string(&mut answer).await.unwrap();
            answer
        }

        async fn check(&self, line: &str, headers: &str, status: u16) -> String {
            let answer = self
                .ask(&format!("{line} HTTP/1.1\r\nhost: admin\r\n{headers}\r\n"))
                .await;
            let expected = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&expected), "{line} {headers}: {answer}");
            answer
        }
    }

    #[tokio::test]
    async fn three_documents_are_served_and_nothing_else() {
        let admin = Admin::start().await;
        admin.check("GET /healthz", "", 200).await;
        admin.check("GET /healthz?probe=1", "", 200).await;
        admin.check("GET /readyz", "", 503).await;
        admin.check("GET /metrics", "", 200).await;
        admin.check("GET /", "", 404).await;
        admin.check("GET /healthz/", "", 404).await;
        admin.check("GET /metrics/../debug", "", 404).await;
        admin.check("GET //metrics", "", 404).await;
        admin.check("POST /nothing", "content-length: 0\r\n", 404).await;
        for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUIT"] {
            let answer = admin
                .check(&format!("{method} /readyz"), "content-length: 0\r\n", 405)
                .await;
            assert!(answer.to_ascii_lowercase().contains("allow: get\r\n"), "{answer}");
        }
    }

    // ADM-03
    #[tokio::test]
    async fn browsers_are_turned_away() {
        let admin = Admin::start().await;
        admin
            .check("GET /metrics", "origin: https://evil.test\r\n", 403)
            .await;
        admin.check("GET /metrics", "Origin: null\r\n", 403).await;
        admin.check("GET /healthz", "origin:\r\n", 403).await;
        admin
            .check("OPTIONS /metrics", "origin: https://evil.test\r\n", 403)
            .await;
    }

    #[tokio::test]
    async fn readiness_says_which_component_is_not_ready() {
        let admin = Admin::start().await;
        let answer = admin.check("GET /readyz", "", 503).await;
        assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
        assert!(answer.contains("not started"), "{answer}");
        admin.readiness.set("policies", State::Ok);
        admin.check("GET /readyz", "", 200).await;
        admin
            .readiness
            .set("issuers", State::Degraded("`google` cannot be reached".into()));
        let answer = admin.check("GET /readyz", "", 200).await;
        assert!(answer.contains("`google` cannot be reached"), "{answer}");
        admin.readiness.drain();
        admin.check("GET /readyz", "", 503).await;
        admin.check("GET /healthz", "", 200).await;
    }

    #[tokio::test]
    async fn metrics_are_in_the_openmetrics_format() {
        let admin = Admin::start().await;
        admin.metrics.cedar_error();
        let answer = admin.check("GET /metrics", "", 200).await;
        assert!(
            answer.contains("content-type: application/openmetrics-text; version=1.0.0"),
            "{answer}"
        );
        assert!(answer.contains("\ntidegate_cedar_errors_total 1\n"), "{answer}");
        assert!(answer.ends_with("# EOF\n"), "{answer}");
    }

    // LIM-10
    #[tokio::test]
    async fn connections_beyond_the_cap_wait_for_a_place() {
        let admin = Admin::start().await;
        let mut idle = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            idle.push(TcpStream::connect(admin.address).await.unwrap());
        }
        let mut late = TcpStream::connect(admin.address).await.unwrap();
        late.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        let early = tokio::time::timeout(Duration::from_millis(50), late.read_buf(&mut answer)).await;
        assert!(early.is_err(), "a connection above the cap was served");
        drop(idle.pop());
        late.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
    }

    #[tokio::test]
    async fn shutdown_ends_the_server_and_its_connections() {
        let admin = Admin::start().await;
        let mut idle = TcpStream::connect(admin.address).await.unwrap();
        admin.check("GET /healthz", "", 200).await;
        admin.shutdown.cancel();
        admin.task.await.unwrap();
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
        assert!(TcpStream::connect(admin.address).await.is_err());
    }

    #[tokio::test]
    async fn an_address_in_use_is_reported() {
        let admin = Admin::start().await;
        let second = AdminServer::bind(admin.address).await;
        assert!(matches!(second, Err(AdminError::Bind { address, .. }) if address == admin.address));
    }
}
