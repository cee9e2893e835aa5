//! Stands above TLS and below hyper, and sees what hyper does not show.
//!
//! hyper takes `Content-Length` together with `Transfer-Encoding`, lines that end in LF alone, `#` in a target and
//! more, and hands its service a request in which no trace of it is left. Where another reader (a load balancer
//! before us, an audit of the bytes) sees something else, requests can be smuggled. So every head is held back
//! until it is complete and plain. One that is not never reaches hyper: it gets a harmless head in its place, whose
//! number the service recognises and answers with an error in the caller's dialect and an audit record.

use super::{
    outline::Outline,
    scanner::{Refusal, Scanner},
    socket::Shared,
};
use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// What hyper reads instead of a head that is refused. It closes the connection after the answer.
const SUBSTITUTE: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\nconnection: close\r\n\r\n";

/// Guards one connection.
#[derive(Debug)]
pub(super) struct Guard<T> {
    io: T,
    scanner: Scanner,
    /// Bytes that hyper has not seen: a head that is not complete, or what became of one.
    held: Vec<u8>,
    /// How many of them may pass now.
    cleared: usize,
    outcome: Outcome,
    /// How long a head may take from its first byte to its last.
    patience: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Outcome {
    Open,
    /// The caller will send no more.
    Ended,
    /// Of the substitute, so much was read.
    Refused(usize),
    Broken(&'static str),
}

impl<T> Guard<T> {
    /// Guards what is read from `io`. A head may take no longer than `patience`. Violations go to `shared`.
    pub(super) fn new(io: T, patience: Duration, shared: Arc<Shared>) -> Self {
        Self {
            io,
            scanner: Scanner::new(),
            held: Vec::new(),
            cleared: 0,
            outcome: Outcome::Open,
            patience,
            deadline: None,
            shared,
        }
    }

    fn hand_out(&mut self, out: &mut ReadBuf<'_>) {
        let bytes = self.cleared.min(out.remaining());
        out.put_slice(self.held.get(..bytes).unwrap_or_default());
        self.cleared -= bytes;
        if bytes == self.held.len() {
            self.held = Vec::new();
        } else {
            self.held.drain(..bytes);
        }
    }

    /// Refuses what is held back: all that is not cleared.
    fn refuse(&mut self, refusal: Refusal) {
        self.outcome = match refusal {
            Refusal::Head(number, violation) => {
                let head = self.held.get(self.cleared..).unwrap_or_default();
                let outline = Box::new(Outline::of_bytes(head));
                self.shared.refuse(number, violation, outline);
                Outcome::Refused(0)
            }
            Refusal::Chunk(what) => Outcome::Broken(what),
        };
        // INVARIANT: nothing after a refusal decides anything, and nothing held back goes out.
        self.held.truncate(self.cleared);
    }

    /// Takes what was just read into `out` behind `start`, and leaves there what may pass.
    fn inspect(&mut self, out: &mut ReadBuf<'_>, start: usize) {
        let fresh = out.filled().get(start..).unwrap_or_default();
        if self.held.is_empty() {
            // The usual case: whole heads and bodies pass where they are, without a copy.
            let (passed, refusal) = self.scanner.advance(fresh);
            self.held
                .extend_from_slice(fresh.get(passed..).unwrap_or_default());
            out.set_filled(start + passed);
            if let Some(refusal) = refusal {
                self.refuse(refusal);
            }
        } else {
            self.held.extend_from_slice(fresh);
            out.set_filled(start);
            let (passed, refusal) = self.scanner.advance(&self.held);
            self.cleared = passed;
            if let Some(refusal) = refusal {
                self.refuse(refusal);
            }
        }
        if !self.scanner.in_head() {
            self.deadline = None;
        }
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.scanner.in_head() {
            return Poll::Pending;
        }
        let patience = self.patience;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the head of a request did not arrive in time",
        )))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = out.filled().len();
        while out.remaining() > 0 {
            if this.cleared > 0 {
                this.hand_out(out);
                break;
            }
            match &mut this.outcome {
                Outcome::Open => {}
                Outcome::Ended => break,
                Outcome::Broken(what) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, *what)));
                }
                Outcome::Refused(read) => {
                    let rest = SUBSTITUTE.get(*read..).unwrap_or_default();
                    if rest.is_empty() {
                        // Not an end of file: hyper takes that for a caller who does not wait for the answer.
                        return Poll::Pending;
                    }
                    let bytes = rest.len().min(out.remaining());
                    out.put_slice(rest.get(..bytes).unwrap_or_default());
                    *read += bytes;
                    break;
                }
            }
            match Pin::new(&mut this.io).poll_read(cx, out) {
                Poll::Ready(Ok(())) if out.filled().len() == start => this.outcome = Outcome::Ended,
                Poll::Ready(Ok(())) => this.inspect(out, start),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return this.poll_patience(cx),
            }
            if out.filled().len() > start {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
