//! Reads that grow only while the reader keeps up.
//!
//! hyper doubles its read buffer whenever a read fills it. Behind a slow caller the socket is always full, so every
//! stream that stands still would end up with the largest buffer: a thousand of them with half a gigabyte. The rate
//! tells them apart: who takes 16 KiB in less than a few milliseconds is fast, and fast streams are few.

use crate::net::{Allowance, Grant};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take},
    time::Instant,
};

/// What a read may always give.
const SMALLEST: usize = 16 << 10;
/// What it may give at most: 4,096 reads per GiB.
const LARGEST: usize = 256 << 10;
/// Reads that are further apart are those of a slow reader: 16 KiB in 5 ms are 3 MiB/s.
const KEEPS_UP: Duration = Duration::from_millis(5);

/// Bounds each read of the stream underneath by how fast the reader is.
#[derive(Debug)]
pub(super) struct Paced<T> {
    io: Take<T>,
    window: Window,
}

impl<T: AsyncRead> Paced<T> {
    pub(super) fn new(io: T) -> Self {
        Self {
            io: io.take(0),
            window: Window::within(Allowance::process(), Instant::now()),
        }
    }

    pub(super) fn into_inner(self) -> T {
        self.io.into_inner()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        this.io.set_limit(this.window.open() as u64);
        let read = Pin::new(&mut this.io).poll_read(cx, out);
        match &read {
            Poll::Ready(Ok(())) => this.window.learn(out.filled().len() - before, Instant::now()),
            Poll::Pending => this.window.close(),
            Poll::Ready(Err(_)) => {}
        }
        read
    }
}

/// How much a read may give.
#[derive(Debug)]
struct Window {
    wanted: usize,
    /// For `wanted`, where it is larger than the smallest and there was enough left.
    grant: Option<Grant>,
    /// The last read; `None` if since then there was nothing to read.
    last: Option<Instant>,
    allowance: &'static Allowance,
}

impl Window {
    fn within(allowance: &'static Allowance, now: Instant) -> Self {
        Self {
            wanted: SMALLEST,
            grant: None,
            last: Some(now),
            allowance,
        }
    }

    /// For the next read, in bytes.
    fn open(&mut self) -> usize {
        if self.wanted > SMALLEST && self.grant.is_none() {
            self.grant = self.allowance.take(self.wanted - SMALLEST);
            if self.grant.is_none() {
                self.wanted = SMALLEST;
            }
        }
        self.wanted
    }

    /// There was nothing to read. Whoever waits needs no large buffer, and an idle connection takes none from others.
    fn close(&mut self) {
        self.grant = None;
        self.last = None;
    }

    /// Learns from a read of `bytes`. A reader that waited for them keeps up by definition.
    fn learn(&mut self, bytes: usize, now: Instant) {
        let keeps_up = self.last.is_none_or(|last| now.duration_since(last) < KEEPS_UP);
        self.last = Some(now);
        let wanted = if !keeps_up {
            SMALLEST
        } else if bytes >= self.wanted {
            (self.wanted * 2).min(LARGEST)
        } else if bytes < self.wanted / 4 {
            (self.wanted / 2).max(SMALLEST)
        } else {
            self.wanted
        };
        if wanted != self.wanted {
            self.grant = None;
            self.wanted = wanted;
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.io.get_mut()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.io.get_mut()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io.get_mut()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes, in KiB, of reads that always find enough, `pause` apart.
    fn reads(window: &mut Window, pause: Duration) -> Vec<usize> {
        let mut now = window.last.unwrap();
        let mut sizes = Vec::new();
        for _ in 0..7 {
            let bytes = window.open();
            sizes.push(bytes / 1024);
            now += pause;
            window.learn(bytes, now);
        }
        sizes
    }

    // P8, FLW-05
    #[test]
    fn reads_grow_for_a_fast_reader_and_shrink_for_a_slow_one() {
        static ALLOWANCE: Allowance = Allowance::of(LARGEST);
        let mut window = Window::within(&ALLOWANCE, Instant::now());
        assert_eq!(
            reads(&mut window, Duration::ZERO),
            [16, 32, 64, 128, 256, 256, 256]
        );
        assert_eq!(ALLOWANCE.left(), SMALLEST);
        assert_eq!(reads(&mut window, KEEPS_UP), [256, 16, 16, 16, 16, 16, 16]);
        assert_eq!(ALLOWANCE.left(), LARGEST);
    }

    #[test]
    fn a_reader_that_waits_gives_its_allowance_back_and_keeps_its_pace() {
        static ALLOWANCE: Allowance = Allowance::of(LARGEST);
        let mut window = Window::within(&ALLOWANCE, Instant::now());
        reads(&mut window, Duration::ZERO);
        window.close();
        assert_eq!(ALLOWANCE.left(), LARGEST);
        let late = Instant::now() + 10 * KEEPS_UP;
        assert_eq!(window.open(), LARGEST);
        window.learn(LARGEST / 2, late);
        assert_eq!(window.open(), LARGEST);
        window.learn(1, late);
        assert_eq!(window.open(), LARGEST / 2);
    }

    #[test]
    fn without_an_allowance_reads_stay_small() {
        static ALLOWANCE: Allowance = Allowance::of(1);
        let mut window = Window::within(&ALLOWANCE, Instant::now());
        assert_eq!(reads(&mut window, Duration::ZERO), [16; 7]);
    }
}
