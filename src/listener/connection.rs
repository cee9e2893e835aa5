//! One connection, from the TLS handshake to the last byte.
//!
//! The layers, from the wire up: [`Socket`] (stall timer, lingering close), a read buffer, TLS, gathering of records,
//! the head [`Guard`] for HTTP/1.1, hyper, head checks, the handler.

use super::{
    drain::Drain,
    guard::Guard,
    head::{self, MAX_HEAD, MAX_HEADERS},
    outline::Outline,
    pace::Paced,
    socket::{Shared, Socket},
    violation::HeadViolation,
};
use crate::{
    body::Body,
    config,
    net::{BufferedIo, Gather},
};
use http::{HeaderValue, Request, Response, header::CONNECTION};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::{
    future::{Future, pending},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// What hyper may hold for one connection, per direction, and what it reads at once from a fast caller. Smaller
/// costs more system calls (64 KiB: 9 to 19 % on downloads); slow callers never fill it, see `pace`.
const HTTP1_BUFFER: usize = 256 * 1024;

/// How long a head may take from its first byte to its last.
const HEAD_PATIENCE: Duration = Duration::from_secs(15);

const HTTP2_STREAMS: u32 = 128;
const HTTP2_STREAM_WINDOW: u32 = 512 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
const HTTP2_SEND_BUFFER: usize = 128 * 1024;
const HTTP2_PING: Duration = Duration::from_secs(20);
/// Streams that callers may open and reset before we have looked at them: the rapid-reset flood.
const HTTP2_PENDING_RESETS: usize = 20;
/// Streams that we may have to reset for the caller's errors before the connection goes.
const HTTP2_LOCAL_RESETS: usize = 100;

/// What the listener knows about a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The caller's address.
    pub peer: SocketAddr,
    /// Our address that it reached.
    pub local: SocketAddr,
    /// `TLSv1.2` or `TLSv1.3`.
    pub tls_version: &'static str,
    /// The cipher suite, by its IANA name.
    pub cipher: &'static str,
    /// The host that the caller named in the TLS handshake (SNI).
    pub server_name: Option<Box<str>>,
    /// HTTP/2 or HTTP/1.1.
    pub http2: bool,
}

/// A request as it comes in.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every request is the large one, and it is moved once"
)]
pub enum Inbound {
    /// It can be read in one way only. Its target is a path with an optional query, and it has one `Host`.
    Request(Request<Incoming>),
    /// It was refused before that; on HTTP/1.1, the connection closes after the answer.
    Malformed(HeadViolation, Box<Outline>),
}

/// Who answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Errors are answers too. At `deadline` whatever is still under way is reset.
    fn handle(
        &self,
        connection: Arc<Connection>,
        inbound: Inbound,
        deadline: Instant,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// A connection is there. What this gives is dropped when the connection is over.
    fn connected(&self) -> Box<dyn Send> {
        Box::new(())
    }
}

/// What all connections of a listener share.
pub(super) struct Context<H> {
    pub(super) handler: Arc<H>,
    pub(super) tls: TlsAcceptor,
    pub(super) settings: config::Server,
    pub(super) drain: Arc<Drain>,
}

type Secured = Gather<TlsStream<BufferedIo<Socket>>>;

/// Serves `tcp` until either side ends it.
pub(super) async fn serve<H: Handler>(tcp: TcpStream, peer: SocketAddr, context: Arc<Context<H>>) {
    let Ok(local) = tcp.local_addr() else { return };
    let shared = Arc::new(Shared::default());
    let socket = Socket::new(tcp, context.settings.stall_timeout, shared.clone());
    let handshake = context.tls.accept(BufferedIo::new(socket));
    let tls = tokio::select! {
        done = timeout(context.settings.handshake_timeout, handshake) => match done {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "the TLS handshake failed"),
            Err(_) => return tracing::debug!(%peer, "the TLS handshake took too long"),
        },
        () = context.drain.stopped() => return,
    };
    let connection = Arc::new(describe(&tls, peer, local));
    let io = Gather::new(tls);
    if connection.http2 {
        serve_http2(io, connection, shared, context).await;
    } else {
        serve_http1(io, connection, shared, context).await;
    }
}

fn describe(tls: &TlsStream<BufferedIo<Socket>>, peer: SocketAddr, local: SocketAddr) -> Connection {
    let (_, session) = tls.get_ref();
    Connection {
        peer,
        local,
        tls_version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "unknown",
        },
        cipher: session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown"),
        server_name: session.server_name().map(Into::into),
        http2: session.alpn_protocol() == Some(b"h2"),
    }
}

async fn serve_http1<H: Handler>(
    io: Secured,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
    context: Arc<Context<H>>,
) {
    let peer = connection.peer;
    let settings = &context.settings;
    let io = Guard::new(io, HEAD_PATIENCE.min(settings.header_timeout), shared.clone());
    let requests = Requests::new(&context, connection, Some(shared.clone()));
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        // Also the time that an idle connection is kept: it starts when the next head is awaited.
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(HTTP1_BUFFER)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .serve_connection(
            TokioIo::new(io),
            service_fn(move |request| requests.answer(request)),
        );
    let ended = drive(
        Pin::new(&mut http),
        |http| http.graceful_shutdown(),
        pending(),
        &context.drain,
    )
    .await;
    match ended {
        Some(Err(error)) if error.is_timeout() => {
            let mut io = http.into_parts().io.into_inner();
            // A caller who does not even take a `close_notify` gets none.
            let _ = timeout(settings.handshake_timeout, io.shutdown()).await;
        }
        ended => settle(ended, peer, &shared, &context.drain),
    }
}

async fn serve_http2<H: Handler>(
    io: Secured,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
    context: Arc<Context<H>>,
) {
    let peer = connection.peer;
    let requests = Requests::new(&context, connection, None);
    let activity = requests.activity.clone();
    let http = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS)
        .max_local_error_reset_streams(HTTP2_LOCAL_RESETS)
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING)
        .serve_connection(
            TokioIo::new(io),
            service_fn(move |request| requests.answer(request)),
        );
    let ended = drive(
        pin!(http),
        |http| http.graceful_shutdown(),
        idle(&activity, context.settings.header_timeout),
        &context.drain,
    )
    .await;
    settle(ended, peer, &shared, &context.drain);
}

/// Runs `http` to its end; asks it to `finish` when the listener stops or the connection is `idle`. `None` if time
/// was up before that.
async fn drive<C>(
    mut http: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
    idle: impl Future<Output = ()>,
    drain: &Drain,
) -> Option<hyper::Result<()>>
where
    C: Future<Output = hyper::Result<()>>,
{
    let (mut stopped, mut cut, mut idle) = (pin!(drain.stopped()), pin!(drain.cut()), pin!(idle));
    let mut finishing = false;
    loop {
        tokio::select! {
            biased;
            ended = &mut http => return Some(ended),
            () = &mut cut => return None,
            () = &mut stopped, if !finishing => {}
            () = &mut idle, if !finishing => {}
        }
        finishing = true;
        finish(http.as_mut());
    }
}

/// Decides how the socket ends: whatever was not ended in agreement with the caller is reset.
fn settle(ended: Option<hyper::Result<()>>, peer: SocketAddr, shared: &Shared, drain: &Drain) {
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            tracing::debug!(%peer, %error, "the connection broke off");
            shared.reset();
        }
        None if shared.is_lingering() => {}
        None => {
            drain.count_cut();
            shared.reset();
        }
    }
}

/// Ready once no request is under way and none came for `patience`.
async fn idle(activity: &Arc<Activity>, patience: Duration) {
    let mut seen = 0;
    loop {
        tokio::time::sleep(patience).await;
        let requests = activity.requests.load(Ordering::Relaxed);
        // The one besides ours is held by the service; every request under way holds another.
        if requests == seen && Arc::strong_count(activity) <= 2 {
            return;
        }
        seen = requests;
    }
}

/// What a connection is busy with. Requests under way keep a clone.
#[derive(Debug, Default)]
pub(super) struct Activity {
    requests: AtomicU64,
}

/// A request that took longer than any may. The connection, or with HTTP/2 the stream, is reset for it.
#[derive(Debug, thiserror::Error)]
#[error("the request took longer than `server.longest_transfer`")]
struct Overdue;

/// The requests of one connection.
struct Requests<H> {
    handler: Arc<H>,
    connection: Arc<Connection>,
    activity: Arc<Activity>,
    /// How long a request may take.
    longest: Duration,
    /// With HTTP/1.1: violations that the guard found, and the pace of the socket.
    shared: Option<Arc<Shared>>,
}

impl<H: Handler> Requests<H> {
    fn new(context: &Context<H>, connection: Arc<Connection>, shared: Option<Arc<Shared>>) -> Self {
        Self {
            handler: context.handler.clone(),
            connection,
            activity: Arc::default(),
            longest: context.settings.longest_transfer,
            shared,
        }
    }

    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Paced>, Overdue>> + use<H> {
        let deadline = Instant::now() + self.longest;
        let number = self.activity.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let refused = self.shared.as_ref().and_then(|shared| shared.refusal_of(number));
        let checked = refused.map_or_else(|| head::check(request, &self.connection), Err);
        let (handler, connection) = (self.handler.clone(), self.connection.clone());
        let (shared, activity) = (self.shared.clone(), self.activity.clone());
        async move {
            let close = checked.is_err() && !connection.http2;
            let inbound = checked.map_or_else(
                |(violation, outline)| Inbound::Malformed(violation, outline),
                Inbound::Request,
            );
            // On the heap: hyper moves this future about and keeps its room for as long as the connection is open.
            let handled = Box::pin(handler.handle(connection, inbound, deadline));
            // INVARIANT: what is cut looks cut. The future that is dropped takes the target's connection with it, and no
            // answer follows that could pass for the end of an upload or of an object.
            let mut overdue = Box::pin(sleep_until(deadline));
            let mut response = tokio::select! {
                biased;
                response = handled => response,
                () = overdue.as_mut() => return Err(Overdue),
            };
            if close {
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Paced::new(body, shared, activity, overdue)))
        }
    }
}
