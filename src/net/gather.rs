//! TLS that reads and writes many records per call.

use super::{Allowance, Grant};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{client, server};

/// What TLS may queue for a peer that does not keep up: two records.
const SMALLEST_WINDOW: usize = 32 * 1024;

/// What TLS may take in one go from one that does.
const LARGEST_WINDOW: usize = 256 * 1024;

/// The part of a TLS stream that [`Gather`] steers: how much ciphertext may wait for the socket.
pub trait TlsSession {
    /// Bounds what is queued, in bytes.
    fn set_buffer_limit(&mut self, bytes: usize);
    /// Whether something is queued that the socket did not take.
    fn is_behind(&self) -> bool;
}

impl<T> TlsSession for server::TlsStream<T> {
    fn set_buffer_limit(&mut self, bytes: usize) {
        self.get_mut().1.set_buffer_limit(Some(bytes));
    }

    fn is_behind(&self) -> bool {
        self.get_ref().1.wants_write()
    }
}

impl<T> TlsSession for client::TlsStream<T> {
    fn set_buffer_limit(&mut self, bytes: usize) {
        self.get_mut().1.set_buffer_limit(Some(bytes));
    }

    fn is_behind(&self) -> bool {
        self.get_ref().1.wants_write()
    }
}

/// A TLS stream whose reads fill the caller's buffer from as many records as have arrived, and whose writes take
/// from 32 KiB up to 256 KiB per call, depending on how the peer keeps up.
#[derive(Debug)]
pub struct Gather<S> {
    tls: S,
    /// An error that came after bytes which had to be handed out first.
    postponed: Option<io::Error>,
    /// What the next write may take, going by the last ones.
    wanted: usize,
    /// What TLS was told.
    window: usize,
    /// For `window`, where it is larger than the smallest; kept until what it let in has left.
    grant: Option<Grant>,
    allowance: &'static Allowance,
}

impl<S: TlsSession> Gather<S> {
    /// Wraps `tls`, whose handshake is done.
    pub fn new(tls: S) -> Self {
        Self::within(tls, Allowance::process())
    }

    /// Wraps `tls`; its write window grows within `allowance`.
    pub fn within(mut tls: S, allowance: &'static Allowance) -> Self {
        tls.set_buffer_limit(SMALLEST_WINDOW);
        Self {
            tls,
            postponed: None,
            wanted: SMALLEST_WINDOW,
            window: SMALLEST_WINDOW,
            grant: None,
            allowance,
        }
    }

    /// The TLS stream.
    pub fn get_ref(&self) -> &S {
        &self.tls
    }

    /// The TLS stream.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.tls
    }

    /// Whether the socket has not yet taken what was written last.
    pub fn is_behind(&self) -> bool {
        self.tls.is_behind()
    }

    /// Opens the window for a write.
    fn open(&mut self) {
        if self.wanted > self.window {
            self.grant = None;
            self.grant = self.allowance.take(self.wanted - SMALLEST_WINDOW);
            self.set(if self.grant.is_some() {
                self.wanted
            } else {
                SMALLEST_WINDOW
            });
        }
    }

    /// Learns from a write. `filled` says that it used the whole window.
    fn learn(&mut self, filled: bool) {
        if self.tls.is_behind() {
            self.wanted = SMALLEST_WINDOW;
            self.set(SMALLEST_WINDOW);
        } else if filled {
            self.wanted = (self.window * 2).min(LARGEST_WINDOW);
        }
    }

    /// Gives the allowance back when nothing is queued: an idle connection takes none from the others.
    fn close(&mut self) {
        self.grant = None;
        self.set(SMALLEST_WINDOW);
    }

    fn set(&mut self, window: usize) {
        if self.window != window {
            self.window = window;
            self.tls.set_buffer_limit(window);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(error) = this.postponed.take() {
            return Poll::Ready(Err(error));
        }
        let start = out.filled().len();
        while out.remaining() > 0 {
            let before = out.filled().len();
            match Pin::new(&mut this.tls).poll_read(cx, out) {
                Poll::Ready(Ok(())) if out.filled().len() == before => break,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) if before > start => {
                    this.postponed = Some(error);
                    break;
                }
                Poll::Pending if before > start => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + TlsSession + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.open();
        let written = Pin::new(&mut this.tls).poll_write(cx, bytes);
        this.learn(bytes.len() >= this.window);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.open();
        let written = Pin::new(&mut this.tls).poll_write_vectored(cx, slices);
        this.learn(matches!(&written, Poll::Ready(Ok(bytes)) if *bytes >= this.window));
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.tls).poll_flush(cx);
        if flushed.is_ready() {
            this.close();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
