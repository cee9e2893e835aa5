//! Opens connections to one target: name, TCP, TLS and HTTP/1.1, under one deadline.
//!
//! HTTP/1.1 alone, because S3 speaks nothing else, and one TCP connection per transfer has no head-of-line blocking.

use super::{UpstreamError, hearing::Hearing, pace::Paced, pool::Connection};
use crate::{
    config::Target,
    fetch,
    net::{BufferedIo, Gather, TlsOrPlain},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::{fmt, io, net::SocketAddr, pin::Pin, sync::Arc, task, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Bytes that one connection may hold for a fast peer, in each direction; [`Paced`] keeps a slow one far below.
const MAX_BUFFER: usize = 256 << 10;
/// Bytes of a response head.
const MAX_HEAD: usize = 64 << 10;
/// Shorter than what load balancers and firewalls forget after.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// The least an address gets when there are several.
const LEAST_PER_ADDRESS: Duration = Duration::from_millis(250);

/// How to connect to a target.
pub(super) struct Connector {
    host: Box<str>,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
}

impl Connector {
    /// Reads the CA file; the TLS sessions of a target are shared by its connections, so that most are resumed.
    pub(super) fn new(target: &Target) -> Result<Self, UpstreamError> {
        let endpoint = &target.endpoint;
        let tls = if endpoint.tls {
            let name = ServerName::try_from(endpoint.host.to_string())
                .map_err(|_| UpstreamError::Name(endpoint.host.clone()))?;
            let mut config = fetch::tls_client_config(target.ca.as_deref()).map_err(UpstreamError::Trust)?;
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        Ok(Self {
            host: endpoint.host.clone(),
            port: endpoint.port,
            tls,
            timeout: target.connect_timeout,
        })
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<Connection, UpstreamError> {
        match tokio::time::timeout(self.timeout, self.open()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(UpstreamError::ConnectTimeout(self.timeout)),
        }
    }

    async fn open(&self) -> Result<Connection, UpstreamError> {
        let tcp = self.tcp().await.map_err(UpstreamError::Connect)?;
        tcp.set_nodelay(true).map_err(UpstreamError::Connect)?;
        SockRef::from(&tcp)
            .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))
            .map_err(UpstreamError::Connect)?;
        let io = match &self.tls {
            None => Io(TlsOrPlain::Plain(tcp)),
            Some((tls, name)) => {
                let stream = tls.connect(name.clone(), BufferedIo::new(tcp)).await;
                Io(TlsOrPlain::Tls(Box::new(Gather::new(
                    stream.map_err(UpstreamError::Tls)?,
                ))))
            }
        };
        let io = Hearing::new(io);
        let failure = io.failure();
        let (sender, wire) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER)
            .max_header_size(MAX_HEAD)
            .handshake(TokioIo::new(Paced::new(io)))
            .await
            .map_err(|source| UpstreamError::Reset {
                source,
                consumed: false,
            })?;
        Ok(Connection::spawn(sender, wire, failure))
    }

    /// The first address that answers. Several share the deadline, so that a dead one does not use it up.
    async fn tcp(&self) -> io::Result<TcpStream> {
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((&*self.host, self.port)).await?.collect();
        let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let share = (self.timeout / shares).max(LEAST_PER_ADDRESS);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

type Tls = Gather<TlsStream<BufferedIo<TcpStream>>>;

/// The byte stream of a connection.
#[derive(Debug)]
pub(super) struct Io(TlsOrPlain<Box<Tls>, TcpStream>);

impl Io {
    /// Closes so that the peer sees a reset and never an end of what was sent.
    pub(super) fn reset(self) {
        let tcp = match &self.0 {
            TlsOrPlain::Plain(tcp) => tcp,
            TlsOrPlain::Tls(tls) => tls.get_ref().get_ref().0.get_ref(),
        };
        // If it cannot be had, the peer sees an end in the middle of a body, which is no good end either.
        let _ = tcp.set_zero_linger();
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, out)
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> task::Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
