//! How connections end: early answers, slow readers, drain.

use super::support::{PATIENCE, Running, answer, read_response, start};
use crate::{
    body::{Body, BodyError},
    listener::Inbound,
};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, mpsc},
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The byte at `position` of every test object.
fn byte(position: usize) -> u8 {
    ((position >> 3).wrapping_mul(31) ^ position) as u8
}

/// An object of a known pattern, in frames of many sizes.
struct Pattern {
    sent: usize,
    total: usize,
}

impl http_body::Body for Pattern {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let left = self.total - self.sent;
        if left == 0 {
            return Poll::Ready(None);
        }
        let size = left.min(1 + self.sent % 70_000);
        let frame = (self.sent..self.sent + size).map(byte).collect::<Vec<_>>();
        self.sent += size;
        Poll::Ready(Some(Ok(Frame::data(frame.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.total - self.sent) as u64)
    }
}

fn object(total: usize) -> Response<Body> {
    Response::new(Pattern { sent: 0, total }.boxed_unsync())
}

/// A body that gives what it is sent, and says that it has `total` bytes.
fn fed(total: u64) -> (mpsc::UnboundedSender<Bytes>, Body) {
    struct Fed(mpsc::UnboundedReceiver<Bytes>, u64);
    impl http_body::Body for Fed {
        type Data = Bytes;
        type Error = BodyError;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            self.0
                .poll_recv(cx)
                .map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
        }
        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.1)
        }
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Fed(receiver, total).boxed_unsync())
}

#[tokio::test]
async fn an_early_answer_is_readable_while_the_caller_still_sends() {
    // FRM-10, FLW-04
    let running = start(
        |_| {},
        async |_, _| answer(StatusCode::FORBIDDEN, "denied".into()),
    );
    for _ in 0..5 {
        let tls = running.connect(&[]).await;
        let (mut reading, mut writing) = tokio::io::split(tls);
        let sending = async move {
            let head = b"PUT /k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n";
            writing.write_all(head).await.unwrap();
            // Far more than socket buffers hold, until the other side has had enough.
            while writing.write_all(&[7; 64 * 1024]).await.is_ok() {}
        };
        let receiving = async move {
            let mut read = vec![0; 4096];
            let count = reading.read(&mut read).await.unwrap();
            String::from_utf8(read[..count].to_vec()).unwrap()
        };
        let (answer, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(receiving, sending) })
            .await
            .unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.ends_with("denied"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_caller_may_go_on_sending_for_a_while_after_an_early_answer() {
    // FRM-10: most clients look at the answer only when their body is sent, and give up when sending fails.
    let running = start(
        |_| {},
        async |_, _| answer(StatusCode::FORBIDDEN, "denied".into()),
    );
    let mut tls = running.connect(&[]).await;
    tls.write_all(b"PUT /k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nx")
        .await
        .unwrap();
    let (head, body) = read_response(&mut tls).await;
    assert!(head.starts_with("http/1.1 403") && body == b"denied", "{head}");
    let mut rest = Vec::new();
    assert_eq!(
        tls.read_to_end(&mut rest).await.unwrap(),
        0,
        "a clean end of what we send"
    );
    for _ in 0..12 {
        tls.write_all(&[7; 64 * 1024]).await.unwrap();
        tokio::task::yield_now().await;
    }
    tls.flush().await.unwrap();
}

/// Reads a response of `total` bytes, slowly or not, and checks every byte.
async fn read_slowly(running: &Running, request: &[u8], total: usize, begun: impl FnOnce()) {
    let mut tls = running.connect_narrow(4096).await;
    tls.write_all(request).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tls.read_u8().await.unwrap());
    }
    begun();
    let (mut read, mut buffer) = (0, vec![0; 10_000]);
    while read < total {
        let count = tls.read(&mut buffer).await.unwrap();
        assert!(count > 0, "ended after {read} of {total} bytes");
        assert!(
            buffer[..count]
                .iter()
                .enumerate()
                .all(|(at, got)| *got == byte(read + at)),
            "at {read}"
        );
        read += count;
        tokio::task::yield_now().await;
    }
    assert_eq!(
        tls.read(&mut buffer).await.unwrap(),
        0,
        "with close_notify and nothing behind"
    );
}

#[tokio::test]
async fn a_slow_reader_gets_every_byte_before_a_close() {
    // FLW-03
    let running = start(|_| {}, async |_, _| object(6_000_000));
    for _ in 0..3 {
        read_slowly(
            &running,
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            6_000_000,
            || {},
        )
        .await;
    }
}

#[tokio::test]
async fn a_slow_reader_gets_every_byte_during_a_drain() {
    // FLW-03, FLW-10
    let running = start(|_| {}, async |_, _| object(6_000_000));
    let stop = running.stop.clone();
    read_slowly(&running, GET, 6_000_000, || stop.cancel()).await;
    assert_eq!(running.finish().await.cut, 0);
}

#[tokio::test]
async fn fast_readers_get_every_byte() {
    let running = start(|_| {}, async |_, _| object(20_000_000));
    let mut tls = running.connect(&[]).await;
    for _ in 0..2 {
        tls.write_all(GET).await.unwrap();
        let (_, body) = read_response(&mut tls).await;
        assert!(body.len() == 20_000_000 && body.iter().enumerate().all(|(at, got)| *got == byte(at)));
    }
}

#[tokio::test]
async fn a_drain_lets_a_response_finish() {
    // FLW-10
    let (sender, body) = fed(10);
    let body = std::sync::Mutex::new(Some(body));
    let running = start(
        |_| {},
        move |_, _| {
            let body = body.lock().unwrap().take().unwrap();
            async { Response::new(body) }
        },
    );
    let address = running.address;
    let mut tls = running.connect(&[]).await;
    tls.write_all(GET).await.unwrap();
    sender.send(Bytes::from_static(b"01234")).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"01234") {
        head.push(tls.read_u8().await.unwrap());
    }
    running.stop.cancel();
    // New callers are refused while the old one is served.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    sender.send(Bytes::from_static(b"56789")).unwrap();
    let mut rest = Vec::new();
    tls.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"56789");
    drop(tls);
    assert_eq!(running.finish().await.cut, 0);
}

#[tokio::test]
async fn a_drain_resets_what_does_not_finish() {
    // FLW-10
    let (sender, body) = fed(10);
    let body = std::sync::Mutex::new(Some(body));
    let running = start(
        |s| s.drain_timeout = Duration::from_millis(50),
        move |_, _| {
            let body = body.lock().unwrap().take().unwrap();
            async { Response::new(body) }
        },
    );
    let mut tls = running.connect(&[]).await;
    tls.write_all(GET).await.unwrap();
    sender.send(Bytes::from_static(b"01234")).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"01234") {
        head.push(tls.read_u8().await.unwrap());
    }
    assert_eq!(running.finish().await.cut, 1);
    let end = tls.read_u8().await.unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_reset() {
    // SES-06: before its answer, and in the middle of it.
    for answers in [false, true] {
        let (sender, body) = fed(10);
        let body = std::sync::Mutex::new(Some(body).filter(|_| answers));
        let running = start(
            |s| s.longest_transfer = Duration::from_millis(50),
            move |_, _| {
                let body = body.lock().unwrap().take();
                async move {
                    match body {
                        Some(body) => Response::new(body),
                        None => std::future::pending().await,
                    }
                }
            },
        );
        let mut tls = running.connect(&[]).await;
        tls.write_all(GET).await.unwrap();
        if answers {
            sender.send(Bytes::from_static(b"01234")).unwrap();
        }
        let mut read = Vec::new();
        let end = tls.read_to_end(&mut read).await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(read.ends_with(b"01234"), answers);
        assert_eq!(running.finish().await.cut, 0);
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_a_drain() {
    let running = start(|_| {}, async |_, _| object(10));
    let mut tls = running.connect(&[]).await;
    tls.write_all(GET).await.unwrap();
    read_response(&mut tls).await;
    running.stop.cancel();
    assert_eq!(tls.read(&mut [0]).await.unwrap(), 0, "closed in good form");
    drop(tls);
    assert_eq!(running.finish().await.cut, 0);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_a_reset() {
    // FLW-01
    for chunked in [false, true] {
        let running = start(
            |_| {},
            move |_, _| async move {
                let frames = [
                    Ok(Frame::data(Bytes::from_static(b"01234"))),
                    Err(BodyError::Stalled(Duration::ZERO)),
                ];
                let mut response = Response::new(Frames(frames.into_iter()).boxed_unsync());
                if !chunked {
                    response.headers_mut().insert("content-length", 10.into());
                }
                response
            },
        );
        let mut tls = running.connect(&[]).await;
        tls.write_all(GET).await.unwrap();
        let mut read = Vec::new();
        let end = tokio::time::timeout(PATIENCE, tls.read_to_end(&mut read))
            .await
            .unwrap();
        assert!(
            end.is_err(),
            "a clean end after {:?}",
            String::from_utf8_lossy(&read)
        );
    }
}

#[tokio::test]
async fn a_caller_that_takes_nothing_is_reset() {
    // LIM-06
    let gone = Arc::new(Notify::new());
    let told = gone.clone();
    let running = start(
        |s| s.stall_timeout = Duration::from_millis(100),
        move |_, _| {
            let told = Dropped(told.clone());
            async move {
                object(1 << 30).map(|body| {
                    body.map_frame(move |frame| {
                        let _ = &told;
                        frame
                    })
                    .boxed_unsync()
                })
            }
        },
    );
    let mut tls = running.connect_narrow(4096).await;
    tls.write_all(GET).await.unwrap();
    tokio::time::timeout(PATIENCE, gone.notified())
        .await
        .expect("the response is given up");
    let mut sink = vec![0; 1 << 20];
    let end = loop {
        match tls.read(&mut sink).await {
            Ok(0) => panic!("a clean end"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(
        end.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof
    ));
}

#[tokio::test]
async fn a_slow_caller_makes_the_source_wait() {
    // FLW-05
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    let running = start(
        |_| {},
        move |_, _| {
            let counted = counted.clone();
            async move {
                object(1 << 30).map(|body| {
                    body.map_frame(move |frame| {
                        counted.fetch_add(frame.data_ref().map_or(0, Bytes::len), Ordering::Relaxed);
                        frame
                    })
                    .boxed_unsync()
                })
            }
        },
    );
    let mut tls = running.connect_narrow(4096).await;
    tls.write_all(GET).await.unwrap();
    let mut read = 0;
    while read < 4 << 20 {
        read += tls.read(&mut [0; 4096]).await.unwrap();
        // What the kernel buffers, and a little for ourselves.
        assert!(taken.load(Ordering::Relaxed) < read + (8 << 20));
    }
}

#[tokio::test]
async fn a_caller_that_went_away_ends_the_response() {
    let (sender, body) = fed(1 << 30);
    let body = std::sync::Mutex::new(Some(body));
    let running = start(
        |_| {},
        move |_, _| {
            let body = body.lock().unwrap().take().unwrap();
            async { Response::new(body) }
        },
    );
    let mut tls = running.connect(&[]).await;
    tls.write_all(GET).await.unwrap();
    tls.read_u8().await.unwrap();
    drop(tls);
    tokio::time::timeout(PATIENCE, sender.closed())
        .await
        .expect("the source is let go");
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_an_error_of_its_body() {
    // FLW-02
    let (told, mut heard) = mpsc::unbounded_channel();
    let running = start(
        |_| {},
        move |_, inbound| {
            let told = told.clone();
            async move {
                let Inbound::Request(request) = inbound else {
                    panic!("refused")
                };
                let mut body = request.into_body();
                let end = loop {
                    match body.frame().await {
                        Some(Ok(_)) => {}
                        end => break end.is_some_and(|frame| frame.is_err()),
                    }
                };
                told.send(end).unwrap();
                object(1)
            }
        },
    );
    for head in [
        "Content-Length: 10\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
    ] {
        let mut tls = running.connect(&[]).await;
        tls.write_all(format!("PUT / HTTP/1.1\r\nHost: localhost\r\n{head}").as_bytes())
            .await
            .unwrap();
        tls.shutdown().await.unwrap();
        assert!(heard.recv().await.unwrap(), "a clean end for {head:?}");
    }
}

struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Frames one by one.
struct Frames<I>(I);

impl<I: Iterator<Item = Result<Frame<Bytes>, BodyError>> + Unpin> http_body::Body for Frames<I> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.next())
    }
}
