//! The end of a listener: no new connections, open requests finish, and what does not finish in time is reset.
//!
//! A transfer that is cut must look cut: a clean end would turn half an object into a whole one.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were reset with a request under way.
    pub cut: usize,
}

/// What connections hear of the end, and what they report.
#[derive(Debug)]
pub(super) struct Drain {
    stop: CancellationToken,
    cut: CancellationToken,
    open: TaskTracker,
    lost: AtomicUsize,
}

impl Drain {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            cut: CancellationToken::new(),
            open: TaskTracker::new(),
            lost: AtomicUsize::new(0),
        }
    }

    /// Ready when connections must finish what they have and take nothing new.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Ready when time is up.
    pub(super) async fn cut(&self) {
        self.cut.cancelled().await;
    }

    /// A connection reports that it was cut.
    pub(super) fn count_cut(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs a connection; the drain waits for it.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.open.spawn(connection);
    }

    /// Waits until all connections have ended, then, after `deadline`, ends the rest.
    pub(super) async fn finish(&self, deadline: Duration) -> Drained {
        self.open.close();
        if timeout(deadline, self.open.wait()).await.is_err() {
            self.cut.cancel();
            self.open.wait().await;
        }
        Drained {
            cut: self.lost.load(Ordering::Relaxed),
        }
    }
}
