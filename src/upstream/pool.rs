//! Connections to one target, and those of them that are idle.
//!
//! Whoever holds a [`Connection`] owns the socket: dropping it resets the socket at once, also in the middle of a
//! request. That is the only way an unfinished exchange is ever given up, so nothing can forget it.

use super::{
    connector::Io,
    hearing::{Hearing, WriteFailure},
    outgoing::Outgoing,
    pace::Paced,
};
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

/// Idle connections that are kept.
const MAX_IDLE: usize = 256;
/// How long they are kept. S3 closes its side after some 20 seconds, and a request that meets that moment fails.
const MAX_IDLE_TIME: Duration = Duration::from_secs(20);

/// A connection, used by one request at a time.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Outgoing>,
    /// Sent: close in peace. Dropped: reset.
    close: Option<oneshot::Sender<()>>,
    failure: Arc<WriteFailure>,
}

type Wire = http1::Connection<TokioIo<Paced<Hearing<Io>>>, Outgoing>;

impl Connection {
    /// Takes over a connection after its handshake.
    pub(super) fn spawn(sender: SendRequest<Outgoing>, mut wire: Wire, failure: Arc<WriteFailure>) -> Self {
        let (close, mut closed) = oneshot::channel();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                asked = &mut closed => if asked.is_ok() {
                    return;
                },
                // It ended by itself: the target closed it, or broke it.
                _ = &mut wire => return,
            }
            let paced = wire.into_parts().io.into_inner();
            paced.into_inner().into_inner().reset();
        });
        Self {
            sender,
            close: Some(close),
            failure,
        }
    }

    /// Whether it takes a request within `limit`.
    pub(super) async fn is_ready_within(&mut self, limit: Duration) -> bool {
        matches!(tokio::time::timeout(limit, self.sender.ready()).await, Ok(Ok(())))
    }

    /// Sends; an untouched request comes back with the error.
    pub(super) fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>> + use<> {
        self.sender.try_send_request(request)
    }

    /// Whether something that was written has not left.
    pub(super) fn failed_to_write(&self) -> bool {
        self.failure.is_known()
    }

    fn retire(mut self) {
        if let Some(close) = self.close.take() {
            let _ = close.send(());
        }
    }
}

/// The idle connections of one target, the last used on top.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Idle>);

#[derive(Debug, Default)]
struct Idle {
    connections: Vec<(Connection, Instant)>,
    reaped: bool,
}

impl Pool {
    /// The connection that was used last, if there is one that is not too old.
    pub(super) fn take(&self) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.idle();
        while let Some((connection, since)) = idle.connections.pop() {
            if connection.sender.is_closed() || now.duration_since(since) >= MAX_IDLE_TIME {
                connection.retire();
                continue;
            }
            return Some(connection);
        }
        None
    }

    /// Keeps a connection whose last exchange is complete in both directions.
    pub(super) fn put(self: Arc<Self>, connection: Connection) {
        if connection.sender.is_closed() || connection.failed_to_write() {
            return connection.retire();
        }
        let mut idle = self.idle();
        if idle.connections.len() >= MAX_IDLE {
            return connection.retire();
        }
        idle.connections.push((connection, Instant::now()));
        if !idle.reaped {
            idle.reaped = true;
            tokio::spawn(reap(Arc::downgrade(&self)));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.idle().connections.len()
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what has been idle for too long; ends when nothing is idle any more.
async fn reap(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(MAX_IDLE_TIME / 4).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = Instant::now();
        let mut idle = pool.idle();
        let old = idle
            .connections
            .partition_point(|(_, since)| now.duration_since(*since) >= MAX_IDLE_TIME);
        for (connection, _) in idle.connections.drain(..old) {
            connection.retire();
        }
        if idle.connections.is_empty() {
            idle.reaped = false;
            return;
        }
    }
}
