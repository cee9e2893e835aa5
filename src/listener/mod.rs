//! The listener: from a socket to a request that can be read in one way only.
//!
//! Accepts connections within caps, does TLS with a certificate that can be replaced, and hands requests to a
//! [`Handler`]. Answers the hazards of framing: what hyper lets through or hides is refused here, with a reason that
//! the handler renders and records. Ends without cutting what can still finish, and without letting what is cut
//! look complete. Knows neither operations nor policies.

mod cap;
mod chunked;
mod connection;
mod drain;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod guard;
mod head;
mod outline;
mod pace;
mod scanner;
mod socket;
mod tls;
mod violation;

#[cfg(test)]
mod tests;

pub use connection::{Connection, Handler, Inbound};
pub use drain::Drained;
pub use outline::Outline;
pub use tls::{CertificateStore, TlsError, validate};
pub use violation::HeadViolation;

use crate::config;
use cap::Addresses;
use connection::Context;
use drain::Drain;
use socket2::{SockRef, TcpKeepalive};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Connections that the kernel queues while we are busy.
const BACKLOG: u32 = 4096;

/// After how much silence TCP asks whether the caller is still there. Load balancers forget connections silently.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The pause after `accept` failed for lack of something, doubled each time up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why the listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// The address is taken, not ours, or needs more rights.
    #[error("cannot listen on `{address}`")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A socket that accepts callers.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    tls: Arc<rustls::ServerConfig>,
    settings: config::Server,
}

impl Listener {
    /// Binds the address of `server`; callers queue from here on. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`ListenerError`] if the address cannot be had or TLS cannot be set up.
    pub fn bind(
        server: &config::Server,
        certificates: &Arc<CertificateStore>,
    ) -> Result<Self, ListenerError> {
        let tls = Arc::new(certificates.server_config()?);
        let (tcp, address) = bind(server.listen).map_err(|source| ListenerError::Bind {
            address: server.listen,
            source,
        })?;
        Ok(Self {
            tcp,
            address,
            tls,
            settings: server.clone(),
        })
    }

    /// The bound address, with the port that the kernel chose if it was 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets open requests finish within the drain timeout.
    pub async fn run<H: Handler>(self, handler: Arc<H>, stop: CancellationToken) -> Drained {
        let drain = Arc::new(Drain::new(stop));
        let context = Arc::new(Context {
            handler,
            tls: TlsAcceptor::from(self.tls),
            settings: self.settings,
            drain: drain.clone(),
        });
        tokio::select! {
            () = drain.stopped() => {}
            never = accept(&self.tcp, &context) => match never {},
        }
        // Whoever still connects shall be refused and go to another instance.
        drop(self.tcp);
        drain.finish(context.settings.drain_timeout).await
    }
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let tcp = socket.listen(BACKLOG)?;
    let address = tcp.local_addr()?;
    Ok((tcp, address))
}

/// Accepts for ever. No error of `accept` ends it: they pass, and an exit would not help (LIM-04).
async fn accept<H: Handler>(tcp: &TcpListener, context: &Arc<Context<H>>) -> std::convert::Infallible {
    let room = Arc::new(Semaphore::new(
        context.settings.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let addresses = Arc::new(Addresses::new(context.settings.max_connections_per_address));
    let mut pause = SHORTEST_PAUSE;
    loop {
        let Ok(place) = room.clone().acquire_owned().await else {
            // The semaphore is never closed.
            std::future::pending::<()>().await;
            continue;
        };
        let (stream, peer) = match tcp.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_the_callers(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, ?pause, "cannot accept connections at the moment");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
        };
        pause = SHORTEST_PAUSE;
        let Some(slot) = addresses.enter(peer.ip()) else {
            tracing::debug!(%peer, "too many connections from this address");
            // A reset leaves nothing behind in the kernel.
            let _ = stream.set_zero_linger();
            continue;
        };
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%peer, %error, "the connection ended before it began");
            continue;
        }
        let open = context.handler.connected();
        let serving = connection::serve(stream, peer, context.clone());
        context.drain.spawn(async move {
            serving.await;
            drop((open, slot, place));
        });
    }
}

/// Errors of one connection, which went away between the kernel's queue and us.
fn is_the_callers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
