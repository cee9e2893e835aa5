//! A listener on a free port, certificates made on the spot, and callers that speak in bytes.

use crate::{
    body::{self, Body},
    config,
    listener::{CertificateStore, Connection, Drained, Handler, Inbound, Listener},
};
use http::{Response, StatusCode};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

/// Longer than anything takes here; only a failing test waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers requests with a function.
pub(super) struct Answer<F>(pub(super) F);

impl<F, R> Handler for Answer<F>
where
    F: Fn(Arc<Connection>, Inbound) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    fn handle(
        &self,
        connection: Arc<Connection>,
        inbound: Inbound,
        _: tokio::time::Instant,
    ) -> impl Future<Output = Response<Body>> + Send {
        (self.0)(connection, inbound)
    }
}

/// Reads the whole body and says what was asked.
pub(super) async fn echo(connection: Arc<Connection>, inbound: Inbound) -> Response<Body> {
    match inbound {
        Inbound::Malformed(violation, _) => answer(violation.status(), format!("refused: {violation:?}")),
        Inbound::Request(request) => {
            let (head, body) = request.into_parts();
            let read = read_all(body).await;
            let said = format!("{} {} {} {}", head.method, head.uri, connection.http2, read.len());
            answer(StatusCode::OK, said)
        }
    }
}

pub(super) async fn read_all(mut body: hyper::body::Incoming) -> Vec<u8> {
    use http_body_util::BodyExt;
    let mut all = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        all.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    all
}

pub(super) fn answer(status: StatusCode, said: String) -> Response<Body> {
    let mut response = Response::new(body::full(said));
    *response.status_mut() = status;
    response
}

/// Writes a new certificate for `localhost` and its key into `folder`.
pub(super) fn new_certificate(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "h".to_owned()]).unwrap();
    std::fs::write(folder.join("server.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("server.key"), made.signing_key.serialize_pem()).unwrap();
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()
}

pub(super) fn settings(folder: &Path) -> config::Server {
    config::Server {
        listen: "127.0.0.1:0".parse().unwrap(),
        domains: vec!["localhost".into()],
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
        max_connections: 100,
        max_connections_per_address: 100,
        handshake_timeout: PATIENCE,
        header_timeout: PATIENCE,
        stall_timeout: PATIENCE,
        drain_timeout: PATIENCE,
        longest_transfer: PATIENCE,
    }
}

/// A running listener.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) certificates: Arc<CertificateStore>,
    pub(super) trusted: CertificateDer<'static>,
    pub(super) folder: tempfile::TempDir,
    pub(super) stop: CancellationToken,
    pub(super) ended: JoinHandle<Drained>,
}

/// Starts a listener with settings that `change` has seen.
pub(super) fn start<F, R>(change: impl FnOnce(&mut config::Server), answer: F) -> Running
where
    F: Fn(Arc<Connection>, Inbound) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let folder = tempfile::tempdir().unwrap();
    let trusted = new_certificate(folder.path());
    let mut settings = settings(folder.path());
    change(&mut settings);
    let certificates = Arc::new(CertificateStore::load(&settings).unwrap());
    let listener = Listener::bind(&settings, &certificates).unwrap();
    let address = listener.local_addr();
    let stop = CancellationToken::new();
    let ended = tokio::spawn(listener.run(Arc::new(Answer(answer)), stop.clone()));
    Running {
        address,
        certificates,
        trusted,
        folder,
        stop,
        ended,
    }
}

impl Running {
    /// Connects with TLS, offering `alpn`.
    pub(super) async fn connect(&self, alpn: &[&str]) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        self.secure(tcp, alpn).await.unwrap()
    }

    /// Connects with a small receive buffer, as a caller who cannot keep up.
    pub(super) async fn connect_narrow(&self, bytes: u32) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        let tcp = socket.connect(self.address).await.unwrap();
        self.secure(tcp, &[]).await.unwrap()
    }

    pub(super) async fn secure(
        &self,
        tcp: TcpStream,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(Arc::new(self.client(alpn)))
            .connect(ServerName::try_from("localhost").unwrap(), tcp)
            .await
    }

    pub(super) fn client(&self, alpn: &[&str]) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.trusted.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        client
    }

    /// Stops the listener and waits for its end.
    pub(super) async fn finish(self) -> Drained {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.ended).await.unwrap().unwrap()
    }
}

/// Sends `bytes` and reads until the connection ends.
pub(super) async fn exchange(tls: &mut TlsStream<TcpStream>, bytes: &[u8]) -> String {
    tls.write_all(bytes).await.unwrap();
    let mut read = Vec::new();
    let end = tokio::time::timeout(PATIENCE, tls.read_to_end(&mut read)).await;
    let read = String::from_utf8(read).unwrap();
    // With `close_notify`: rustls reports an error otherwise.
    assert!(matches!(end, Ok(Ok(_))), "{end:?} after {read:?}");
    read
}

/// Reads one response with a `Content-Length`.
pub(super) async fn read_response(tls: &mut TlsStream<TcpStream>) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tls.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    tls.read_exact(&mut body).await.unwrap();
    (head, body)
}
