//! The guard on bytes alone: what passes, what does not, and that it does not matter how bytes are cut.

use crate::listener::{
    HeadViolation as Bad,
    guard::Guard,
    scanner::{Refusal, Scanner},
    socket::Shared,
};
use proptest::prelude::*;
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    task::unconstrained,
};

const PATIENCE: Duration = Duration::from_secs(15);

/// Scans `bytes` as a connection would bring them, in pieces of `piece` bytes.
fn scan(bytes: &[u8], piece: usize) -> (Vec<u8>, Option<Refusal>) {
    let (mut scanner, mut held, mut passed) = (Scanner::new(), Vec::new(), Vec::new());
    for fresh in bytes.chunks(piece) {
        held.extend_from_slice(fresh);
        let (count, refusal) = scanner.advance(&held);
        passed.extend(held.drain(..count));
        if refusal.is_some() {
            return (passed, refusal);
        }
    }
    (passed, None)
}

#[track_caller]
fn check(request: &str, expected: Bad) {
    check_bytes(request.as_bytes(), expected);
}

#[track_caller]
fn check_bytes(request: &[u8], expected: Bad) {
    for piece in [1, 2, 3, 7, request.len()] {
        let (passed, refusal) = scan(request, piece);
        assert_eq!(refusal, Some(Refusal::Head(1, expected)), "in pieces of {piece}");
        assert!(passed.is_empty(), "nothing of a refused head may pass");
    }
}

#[track_caller]
fn check_header(line: &str, expected: Bad) {
    check(
        &format!("PUT /b/k HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n"),
        expected,
    );
}

#[test]
fn length_and_encoding_together_are_refused() {
    // FRM-01
    check_header(
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        Bad::LengthAndEncoding,
    );
    check_header(
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        Bad::LengthAndEncoding,
    );
    check_header(
        "transfer-encoding:chunked\r\nCONTENT-LENGTH:0",
        Bad::LengthAndEncoding,
    );
}

#[test]
fn odd_content_lengths_are_refused() {
    // FRM-01
    check_header(
        "Content-Length: 3\r\nContent-Length: 3",
        Bad::Duplicate("Content-Length"),
    );
    check_header(
        "Content-Length: 3\r\nContent-Length: 4",
        Bad::Duplicate("Content-Length"),
    );
    for value in [
        "003",
        "+3",
        "-3",
        "0x3",
        "3, 3",
        "3 3",
        "",
        "00",
        "1e3",
        "99999999999999999999",
        "3.0",
    ] {
        check_header(&format!("Content-Length: {value}"), Bad::ContentLength);
    }
}

#[test]
fn any_encoding_but_one_chunked_is_refused() {
    // FRM-02
    for value in [
        "gzip, chunked",
        "chunked, chunked",
        "identity",
        "xchunked",
        "chunked;q=1",
        "gzip",
        "",
        "\"chunked\"",
    ] {
        check_header(&format!("Transfer-Encoding: {value}"), Bad::TransferEncoding);
    }
    check_header(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        Bad::TransferEncoding,
    );
}

#[test]
fn http_1_0_and_unknown_versions_are_refused() {
    // FRM-02
    for version in ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.1x"] {
        check(&format!("GET / {version}\r\nHost: h\r\n\r\n"), Bad::Version);
    }
    check("GET /\r\n\r\n", Bad::RequestLine);
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Bad::Version);
}

#[test]
fn lines_that_end_in_lf_alone_are_refused() {
    // FRM-03
    check("GET / HTTP/1.1\nHost: h\r\n\r\n", Bad::BareLineFeed);
    check("GET / HTTP/1.1\r\nHost: h\n\r\n", Bad::BareLineFeed);
    check("GET / HTTP/1.1\r\nHost: h\r\n\n", Bad::BareLineFeed);
    check("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", Bad::BareLineFeed);
}

#[test]
fn folds_control_bytes_and_odd_names_are_refused() {
    // FRM-03
    check_header("X-A: 1\r\n folded", Bad::Folded);
    check_header("X-A: 1\r\n\tfolded", Bad::Folded);
    check_header("X-A: a\0b", Bad::Control);
    check_header("X-A: a\rb", Bad::Control);
    check_header("X-A: a\x7fb", Bad::Control);
    check_header("X-A: \u{fc}", Bad::NotAscii);
    check_header("Content-Length : 3", Bad::HeaderName);
    check_header("Content-Length\t: 3", Bad::HeaderName);
    check_header("no colon", Bad::HeaderName);
    check_header(": empty", Bad::HeaderName);
    check_header("X(A): 1", Bad::HeaderName);
}

#[test]
fn odd_request_lines_and_targets_are_refused() {
    // FRM-05
    check("GET /a#b HTTP/1.1\r\n\r\n", Bad::Fragment);
    check("GET  / HTTP/1.1\r\n\r\n", Bad::RequestLine);
    check("GET / HTTP/1.1 \r\n\r\n", Bad::RequestLine);
    check("GET\t/ HTTP/1.1\r\n\r\n", Bad::RequestLine);
    check(" GET / HTTP/1.1\r\n\r\n", Bad::RequestLine);
    check("G(T / HTTP/1.1\r\n\r\n", Bad::RequestLine);
    check("GET / http/1.1\r\n\r\n", Bad::RequestLine);
    check("OPTIONS * HTTP/1.1\r\n\r\n", Bad::Target);
    check("CONNECT h:443 HTTP/1.1\r\n\r\n", Bad::Target);
    check("GET k HTTP/1.1\r\n\r\n", Bad::Target);
    check("GET /a<b HTTP/1.1\r\n\r\n", Bad::Target);
    check("GET /\u{fc} HTTP/1.1\r\n\r\n", Bad::NotAscii);
    check(
        &format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(16 * 1024)),
        Bad::TargetTooLong,
    );
}

#[test]
fn a_change_of_protocol_is_refused_before_hyper_sees_it() {
    // FRM-06
    check_header("Upgrade: websocket\r\nConnection: upgrade", Bad::Upgrade);
}

#[test]
fn heads_without_measure_are_refused() {
    // FRM-03, LIM-03
    let endless = format!("GET / HTTP/1.1\r\nX-A: {}", "a".repeat(65 * 1024));
    assert_eq!(
        scan(endless.as_bytes(), 1000).1,
        Some(Refusal::Head(1, Bad::TooLarge))
    );
    let long = format!("GET / HTTP/1.1\r\nX-A: {}\r\n\r\n", "a".repeat(64 * 1024));
    assert_eq!(
        scan(long.as_bytes(), long.len()).1,
        Some(Refusal::Head(1, Bad::TooLarge))
    );
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X-A: a\r\n".repeat(201));
    assert_eq!(
        scan(many.as_bytes(), 1000).1,
        Some(Refusal::Head(1, Bad::TooMany))
    );
    let enough = format!("GET / HTTP/1.1\r\n{}\r\n", "X-A: a\r\n".repeat(200));
    assert_eq!(scan(enough.as_bytes(), 1000), (enough.into_bytes(), None));
}

#[test]
fn sloppy_chunk_framing_is_refused() {
    // FRM-11
    for body in [
        "3 \r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "\r\nabc",
        ";x\r\nabc",
        "11111111111111111\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3;a\0\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\n",
        "0\r\nx: y\n\r\n",
        "0\r\nx: \0\r\n\r\n",
        "0\r\n(: y\r\n\r\n",
        "0\r\nx : y\r\n\r\n",
        "0\r\n y: z\r\n\r\n",
        "0\r\nx: y\r\n z\r\n\r\n",
        "0\r\n: y\r\n\r\n",
        "0\r\nx\r\n\r\n",
    ] {
        let request = format!("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        for piece in [1, 2, 1000] {
            let refusal = scan(request.as_bytes(), piece).1;
            assert!(
                matches!(refusal, Some(Refusal::Chunk(_))),
                "{body:?} gave {refusal:?}"
            );
        }
    }
    for endless in [
        format!("0\r\n{}", "x: y\r\n".repeat(201)),
        format!("0\r\nx: {}", "y".repeat(20_000)),
        format!("1;{}\r\n", "x".repeat(20_000)),
        format!("1;{}\r\ny\r\n", "x".repeat(100)).repeat(200),
    ] {
        let request = format!("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{endless}");
        let refusal = scan(request.as_bytes(), 1000).1;
        assert!(matches!(refusal, Some(Refusal::Chunk(_))), "{refusal:?}");
    }
}

/// Requests of all framings, one after the other on one connection.
const CONVERSATION: &str = "GET /a?b=c%20d HTTP/1.1\r\nHost: h\r\n\r\n\
    PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\nGET / HTTP/1.0\n\n#\0 GHEAD / HTTP/1.1\r\nHost: h\r\n\r\n\
    PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n\
    5;name=value\r\nhello\r\n00A\r\n\r\n0\r\n\r\n\n\n\n\r\n0\r\nX-Checksum: a\r\n\r\n\
    \r\nPUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n\
    DELETE /e HTTP/1.1\r\nX-Empty:\r\nX-Space: \t a b \t \r\nHost: h\r\n\r\n";

#[test]
fn plain_requests_pass_byte_by_byte() {
    let bytes = CONVERSATION.as_bytes();
    for piece in 1..=bytes.len() {
        let (passed, refusal) = scan(bytes, piece);
        assert_eq!(refusal, None, "in pieces of {piece}");
        assert!(passed == bytes);
    }
}

#[test]
fn the_number_of_the_bad_request_is_told_wherever_bytes_are_cut() {
    let all = format!("{CONVERSATION}GET /# HTTP/1.1\r\nHost: h\r\n\r\n");
    for cut in 0..all.len() {
        let mut scanner = Scanner::new();
        let (first, mut refusal) = scanner.advance(&all.as_bytes()[..cut]);
        let mut passed = first;
        if refusal.is_none() {
            let (second, late) = scanner.advance(&all.as_bytes()[first..]);
            passed += second;
            refusal = late;
        }
        assert_eq!(refusal, Some(Refusal::Head(7, Bad::Fragment)), "cut at {cut}");
        assert_eq!(passed, CONVERSATION.len());
    }
}

/// Sends `bytes` through a guard in two parts, cut at `cut`, and reads with a buffer of `room` bytes.
async fn through_guard(bytes: &[u8], cut: usize, room: usize) -> (Vec<u8>, Arc<Shared>) {
    let (mut caller, server) = duplex(1 << 20);
    let shared = Arc::new(Shared::default());
    let mut guard = Guard::new(server, PATIENCE, shared.clone());
    let mut read = Vec::new();
    caller.write_all(&bytes[..cut]).await.unwrap();
    unconstrained(read_available(&mut guard, &mut read, room)).await;
    caller.write_all(&bytes[cut..]).await.unwrap();
    caller.shutdown().await.unwrap();
    unconstrained(read_available(&mut guard, &mut read, room)).await;
    (read, shared)
}

/// Reads until the guard has nothing more at the moment, or for ever.
async fn read_available(guard: &mut Guard<DuplexStream>, all: &mut Vec<u8>, room: usize) {
    let mut buffer = vec![0; room];
    std::future::poll_fn(|_| {
        read_now(guard, all, &mut buffer);
        Poll::Ready(())
    })
    .await;
}

fn read_now(guard: &mut Guard<DuplexStream>, all: &mut Vec<u8>, buffer: &mut [u8]) {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        let mut out = ReadBuf::new(buffer);
        match Pin::new(&mut *guard).poll_read(&mut context, &mut out) {
            Poll::Ready(read) => read.unwrap(),
            Poll::Pending => return,
        }
        if out.filled().is_empty() {
            return;
        }
        all.extend_from_slice(out.filled());
    }
}

#[tokio::test]
async fn the_guard_passes_plain_requests_unchanged() {
    let bytes = CONVERSATION.as_bytes();
    for cut in 0..bytes.len() {
        for room in [5, 4096] {
            let (read, _) = through_guard(bytes, cut, room).await;
            assert!(read == bytes, "cut at {cut}, read by {room}");
        }
    }
}

#[tokio::test]
async fn a_refused_head_is_replaced_and_nothing_after_it_is_read() {
    let good = "PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
    let all = format!(
        "{good}GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nxGET /secret HTTP/1.1\r\n\r\n"
    );
    for cut in 0..all.len() {
        let (read, shared) = through_guard(all.as_bytes(), cut, 16).await;
        let read = String::from_utf8(read).unwrap();
        let rest = read.strip_prefix(good).unwrap();
        assert_eq!(
            rest,
            "GET / HTTP/1.1\r\nhost: refused.invalid\r\nconnection: close\r\n\r\n"
        );
        let (violation, outline) = shared.refusal_of(2).unwrap();
        assert_eq!(violation, Bad::Duplicate("Content-Length"));
        assert_eq!((outline.method, &*outline.path), (Some(http::Method::GET), "/"));
        assert_eq!(shared.refusal_of(1), None);
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up_and_an_idle_connection_is_not() {
    // LIM-03
    let (mut caller, server) = duplex(1024);
    let mut guard = Guard::new(server, Duration::from_millis(20), Arc::default());
    caller.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    guard.read_exact(&mut [0; 18]).await.unwrap();
    let idle = tokio::time::timeout(Duration::from_millis(60), guard.read_u8()).await;
    assert!(idle.is_err(), "between requests the guard waits");
    caller.write_all(b"GET / HTTP/1.1\r\nX").await.unwrap();
    let error = guard.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

/// Lets hyper read `bytes` from a connection, and says how many requests it saw and whether it was content.
async fn hyper_reads(bytes: &[u8]) -> (usize, bool) {
    use http_body_util::BodyExt;
    let (mut caller, server) = duplex(1 << 20);
    caller.write_all(bytes).await.unwrap();
    caller.shutdown().await.unwrap();
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| {
        let seen = seen.clone();
        async move {
            seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.frame().await {}
            Ok::<_, Infallible>(http::Response::new(crate::body::empty()))
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(hyper_util::rt::TokioTimer::new())
        .half_close(true)
        .max_headers(200)
        .max_buf_size(256 * 1024)
        .serve_connection(hyper_util::rt::TokioIo::new(server), service)
        .await;
    drop(caller);
    (seen.load(std::sync::atomic::Ordering::Relaxed), served.is_ok())
}

/// Pieces of requests, plain and odd, that fit together in all ways.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let token = "[A-Za-z!#$%&'*+.^_`|~-]{1,6}";
    let header = prop_oneof![
        4 => (token, "[ -~]{0,12}").prop_map(|(name, value)| format!("x{name}: {value}\r\n").into_bytes()),
        1 => Just(b"Content-Length: 3\r\n".to_vec()),
        1 => Just(b"Content-Length: 03\r\n".to_vec()),
        1 => Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        1 => Just(b"Transfer-Encoding: gzip, chunked\r\n".to_vec()),
        1 => Just(b"Expect: 100-continue\r\n".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
        1 => Just(b" folded\r\n".to_vec()),
        1 => Just(b"x: y\n".to_vec()),
    ];
    let target = prop_oneof![3 => "/[!-~]{0,12}", 1 => "[!-~]{1,8}", 1 => Just("http://h/p".to_owned())];
    let body = prop_oneof![
        3 => Just(Vec::new()),
        2 => Just(b"abc".to_vec()),
        2 => Just(b"3\r\nabc\r\n0\r\n\r\n".to_vec()),
        1 => Just(b"1;x=y\r\na\r\n0\r\nt: u\r\n\r\n".to_vec()),
        1 => Just(b"3 \r\nabc\r\n0\r\n\r\n".to_vec()),
    ];
    (token, target, proptest::collection::vec(header, 0..4), body).prop_map(
        |(method, target, headers, body)| {
            let mut request = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
            request.extend(headers.concat());
            request.extend(b"\r\n");
            request.extend(body);
            request
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// What the guard passes in full, hyper reads in full, as the same number of requests. So hyper never answers
    /// with an error of its own, of which no record would be written.
    #[test]
    fn hyper_reads_whatever_passes(requests in proptest::collection::vec(pieces(), 1..4)) {
        let bytes = requests.concat();
        let mut scanner = Scanner::new();
        let (passed, refusal) = scanner.advance(&bytes);
        let complete = &bytes[..passed];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (seen, content) = runtime.block_on(hyper_reads(complete));
        prop_assert_eq!(seen as u64, scanner.heads_passed(), "{:?}", refusal);
        // A body that breaks off is an error in both.
        prop_assert!(content || !scanner.at_start(), "hyper refused what passed");
    }

    /// It does not matter how bytes arrive.
    #[test]
    fn the_verdict_does_not_depend_on_cuts(bytes in proptest::collection::vec(pieces(), 1..3), piece in 1_usize..40) {
        let bytes = bytes.concat();
        let whole = scan(&bytes, bytes.len());
        let cut = scan(&bytes, piece);
        prop_assert_eq!(whole.1, cut.1);
        if !matches!(whole.1, Some(Refusal::Chunk(_))) {
            prop_assert_eq!(whole.0, cut.0);
        }
    }

    /// Arbitrary bytes do no harm.
    #[test]
    fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1_usize..40) {
        scan(&bytes, piece);
    }
}
