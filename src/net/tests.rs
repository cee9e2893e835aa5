use super::{Allowance, BufferedIo, Gather, TlsSession};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_test_io::{Records, Step};

fn allowance(bytes: usize) -> &'static Allowance {
    Box::leak(Box::new(Allowance::of(bytes)))
}

/// Reads scripted pieces; writes go nowhere.
mod tokio_test_io {
    use super::*;

    pub(super) enum Step {
        Bytes(usize),
        Pending,
        Broken,
    }

    pub(super) struct Records {
        pub(super) steps: std::collections::VecDeque<Step>,
        pub(super) limit: usize,
        pub(super) behind: bool,
        pub(super) largest: usize,
    }

    impl Records {
        pub(super) fn of(steps: impl IntoIterator<Item = Step>) -> Self {
            Self {
                steps: steps.into_iter().collect(),
                limit: 0,
                behind: false,
                largest: 0,
            }
        }
    }

    impl AsyncRead for Records {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.steps.pop_front() {
                Some(Step::Bytes(bytes)) => {
                    self.largest = self.largest.max(out.remaining());
                    let now = bytes.min(out.remaining());
                    for byte in 0..now {
                        out.put_slice(&[byte as u8]);
                    }
                    if now < bytes {
                        self.steps.push_front(Step::Bytes(bytes - now));
                    }
                    Poll::Ready(Ok(()))
                }
                Some(Step::Pending) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(Step::Broken) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                None => Poll::Ready(Ok(())),
            }
        }
    }

    impl AsyncWrite for Records {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len().min(self.limit)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl TlsSession for Records {
        fn set_buffer_limit(&mut self, bytes: usize) {
            self.limit = bytes;
        }

        fn is_behind(&self) -> bool {
            self.behind
        }
    }
}

#[tokio::test]
async fn a_read_gathers_all_records_that_have_arrived() {
    let mut io = Gather::new(Records::of([
        Step::Bytes(10),
        Step::Bytes(20),
        Step::Pending,
        Step::Bytes(5),
    ]));
    let mut buffer = [0; 64];
    assert_eq!(io.read(&mut buffer).await.unwrap(), 30);
    assert_eq!(io.read(&mut buffer).await.unwrap(), 5);
    assert_eq!(io.read(&mut buffer).await.unwrap(), 0);
}

#[tokio::test]
async fn an_error_after_bytes_comes_after_the_bytes() {
    let mut io = Gather::new(Records::of([Step::Bytes(10), Step::Broken]));
    let mut buffer = [0; 64];
    assert_eq!(io.read(&mut buffer).await.unwrap(), 10);
    assert_eq!(
        io.read(&mut buffer).await.unwrap_err().kind(),
        io::ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn the_read_buffer_grows_while_reads_fill_it_and_goes_when_empty() {
    let allowance = allowance(1 << 20);
    let mut io = BufferedIo::within(
        Records::of([Step::Bytes(4 << 20), Step::Pending, Step::Bytes(1)]),
        allowance,
    );
    assert_eq!(io.held(), 0);
    let mut sink = vec![0; 4096];
    let mut read = 0;
    while read < 4 << 20 {
        read += io.read(&mut sink).await.unwrap();
    }
    assert_eq!(io.get_ref().largest, 256 * 1024);
    assert_eq!(io.held(), 256 * 1024);
    let mut waker = Context::from_waker(std::task::Waker::noop());
    assert!(
        Pin::new(&mut io)
            .poll_read(&mut waker, &mut ReadBuf::new(&mut sink))
            .is_pending()
    );
    assert_eq!((io.held(), allowance.left()), (0, 1 << 20));
    assert_eq!(io.read(&mut sink).await.unwrap(), 1);
}

#[tokio::test]
async fn buffered_bytes_arrive_unchanged() {
    let total = 1 << 20;
    let mut expected = Vec::new();
    Records::of([Step::Bytes(total)])
        .read_to_end(&mut expected)
        .await
        .unwrap();
    assert_eq!(expected.len(), total);
    let source = io::Cursor::new(expected.clone());
    let mut read = Vec::new();
    BufferedIo::new(source).read_to_end(&mut read).await.unwrap();
    assert!(read == expected);
}

#[tokio::test]
async fn without_allowance_the_read_buffer_stays_small() {
    let mut io = BufferedIo::within(Records::of([Step::Bytes(1 << 20)]), allowance(1000));
    let mut all = Vec::new();
    io.read_to_end(&mut all).await.unwrap();
    assert!(io.get_ref().largest < 17 * 1024);
}

#[tokio::test]
async fn the_write_window_follows_the_peer() {
    let allowance = allowance(1 << 20);
    let mut io = Gather::within(Records::of([]), allowance);
    let bytes = vec![0; 1 << 20];
    let mut written = 0;
    for _ in 0..8 {
        written = io.write(&bytes).await.unwrap();
    }
    assert_eq!(written, 256 * 1024);
    assert!(allowance.left() < 1 << 20);
    io.get_mut().behind = true;
    assert_eq!(io.write(&bytes).await.unwrap(), 256 * 1024);
    assert_eq!(
        io.write(&bytes).await.unwrap(),
        32 * 1024,
        "a peer that is behind gets two records at a time"
    );
    io.get_mut().behind = false;
    io.flush().await.unwrap();
    assert_eq!(
        allowance.left(),
        1 << 20,
        "all is returned once the queue is empty"
    );
}
