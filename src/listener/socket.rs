//! The lowest layer of a caller's connection: TCP with manners.
//!
//! Three things that only this layer can do. A peer that takes nothing for too long is given up. A connection that
//! must not look complete ends in a reset. And one that does end well ends slowly: closing while the caller is still
//! sending makes the kernel answer with a reset, which destroys the response on its way, so what still arrives is
//! read and thrown away for a moment.

use super::{outline::Outline, violation::HeadViolation};
use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

/// How much is thrown away after the last response: a part of an upload, which many callers send without having
/// asked with `Expect`, and whole before they read. Cut before that, they see a broken pipe instead of their 403
/// and try again.
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// What the layers of one connection tell each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Dropping the socket sends a reset.
    reset: AtomicBool,
    /// All is sent; only the caller's last bytes are being thrown away.
    lingering: AtomicBool,
    /// The socket takes no more at the moment.
    blocked: AtomicBool,
    /// Who wants to know when it does again.
    waiting: Mutex<Option<Waker>>,
    /// The request that must be refused, by its number on the connection, counted from 1.
    refused: OnceLock<(u64, HeadViolation, Box<Outline>)>,
}

impl Shared {
    /// Makes the connection end in a reset.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_lingering(&self) -> bool {
        self.lingering.load(Ordering::Relaxed)
    }

    /// Ready while the socket takes bytes.
    pub(super) fn poll_unblocked(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.blocked.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: whoever unblocks takes the waker under it too.
        if !self.blocked.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        match &mut *waiting {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The socket takes no more.
    pub(super) fn block(&self) {
        self.blocked.store(true, Ordering::Release);
    }

    /// It does again.
    pub(super) fn unblock(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.blocked.store(false, Ordering::Release);
        if let Some(waker) = waiting.take() {
            waker.wake();
        }
    }

    /// Remembers the one request that is refused: none is read after it.
    pub(super) fn refuse(&self, number: u64, violation: HeadViolation, outline: Box<Outline>) {
        self.refused.get_or_init(|| (number, violation, outline));
    }

    /// What is wrong with request `number`, and what it seems to have been.
    pub(super) fn refusal_of(&self, number: u64) -> Option<(HeadViolation, Box<Outline>)> {
        let (refused, violation, outline) = self.refused.get()?;
        (*refused == number).then(|| (*violation, outline.clone()))
    }
}

/// A caller's socket.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    shared: Arc<Shared>,
    /// How long a write may wait.
    patience: Duration,
    /// Set while a write waits.
    stalled: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// What may still be thrown away; `None` until the connection is being closed.
    linger: Option<usize>,
}

impl Socket {
    /// Takes over `tcp`. A write that waits longer than `patience` fails.
    pub(super) fn new(tcp: TcpStream, patience: Duration, shared: Arc<Shared>) -> Self {
        Self {
            tcp,
            shared,
            patience,
            stalled: false,
            timer: None,
            linger: None,
        }
    }

    /// Sees the outcome of each write: waiting starts the clock, progress stops it.
    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            if self.stalled {
                self.stalled = false;
                self.shared.unblock();
            }
            return outcome;
        }
        if !self.stalled {
            self.stalled = true;
            self.shared.block();
            self.set_timer(self.patience);
        }
        if self.poll_timer(cx).is_pending() {
            return Poll::Pending;
        }
        self.shared.reset();
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the caller took no byte for too long",
        )))
    }

    fn set_timer(&mut self, after: Duration) {
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(Instant::now() + after),
            none => *none = Some(Box::pin(tokio::time::sleep(after))),
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Throws away what arrives until the caller has closed too, sent too much, or took too long.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waste = [0; 16 * 1024];
        while let Some(left) = self.linger.filter(|left| *left > 0) {
            if self.poll_timer(cx).is_ready() {
                break;
            }
            let mut buffer = ReadBuf::new(&mut waste);
            match ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    self.linger = Some(left.saturating_sub(buffer.filled().len()));
                }
                Ok(()) | Err(_) => break,
            }
        }
        self.linger = Some(0);
        Poll::Ready(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.shared.reset.load(Ordering::Relaxed) || std::thread::panicking() {
            // INVARIANT: a response that ends short never looks complete. If the option cannot be set, the missing
            // `close_notify` still tells.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, out)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TCP has nothing to flush.
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
            self.linger = Some(LINGER_BYTES);
            self.shared.lingering.store(true, Ordering::Relaxed);
            self.set_timer(LINGER_TIME);
        }
        ready!(self.poll_linger(cx));
        Poll::Ready(Ok(()))
    }
}
