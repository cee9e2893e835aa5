//! A read buffer under TLS that exists only while bytes are in it.

use super::{Allowance, Grant};
use std::{
    future::Future,
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// The size it starts with: one full TLS record.
const SMALLEST: usize = 16 * 1024 + 256;

/// The size at which more brings nothing: 16 records, 4,100 `recv` per GiB.
const LARGEST: usize = 256 * 1024;

/// Reads ahead of TLS, in pieces that grow from one record to 256 KiB while the peer fills them.
///
/// Writes pass through. The buffer is allocated when bytes are wanted and freed when there are none, so an idle
/// connection holds nothing here.
#[derive(Debug)]
pub struct BufferedIo<T> {
    io: T,
    buffer: Vec<u8>,
    /// How much of `buffer` was handed out.
    taken: usize,
    /// The size of the next buffer.
    next: usize,
    /// For `buffer`, where it is larger than the smallest.
    grant: Option<Grant>,
    allowance: &'static Allowance,
}

impl<T> BufferedIo<T> {
    /// Reads ahead of `io`, within the allowance of the process.
    pub fn new(io: T) -> Self {
        Self::within(io, Allowance::process())
    }

    /// Reads ahead of `io`, within `allowance`.
    pub fn within(io: T, allowance: &'static Allowance) -> Self {
        Self {
            io,
            buffer: Vec::new(),
            taken: 0,
            next: SMALLEST,
            grant: None,
            allowance,
        }
    }

    /// The stream underneath.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// The stream underneath. Reading from it would tear a hole: what is buffered here comes first.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// The stream underneath, without what was read ahead.
    pub fn into_inner(self) -> T {
        self.io
    }

    /// Memory held at this moment, in bytes.
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    fn release(&mut self) {
        self.buffer = Vec::new();
        self.taken = 0;
        self.grant = None;
    }

    /// Makes `buffer` empty and of the size that the last reads speak for.
    fn prepare(&mut self) {
        self.buffer.clear();
        self.taken = 0;
        if self.buffer.capacity() == self.next {
            return;
        }
        self.release();
        if self.next > SMALLEST {
            self.grant = self.allowance.take(self.next - SMALLEST);
            if self.grant.is_none() {
                self.next = SMALLEST;
            }
        }
        self.buffer = Vec::with_capacity(self.next);
    }
}

impl<T: AsyncRead + Unpin> BufferedIo<T> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.prepare();
        let read = pin!(self.io.read_buf(&mut self.buffer)).poll(cx);
        match read {
            Poll::Ready(Ok(bytes)) if bytes > 0 => {
                if bytes == self.next {
                    self.next = (self.next * 2).min(LARGEST);
                } else if bytes < self.next / 4 {
                    self.next = (self.next / 2).max(SMALLEST);
                }
                Poll::Ready(Ok(()))
            }
            nothing => {
                self.release();
                nothing.map_ok(drop)
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for BufferedIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if this.unread().is_empty() {
            ready!(this.poll_fill(cx))?;
        }
        let unread = this.unread();
        let bytes = unread.len().min(out.remaining());
        out.put_slice(unread.get(..bytes).unwrap_or_default());
        this.taken += bytes;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for BufferedIo<T> {
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
