//! Requests over real connections.

use super::support::{PATIENCE, echo, exchange, read_response, start};
use crate::listener::Inbound;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn a_request_is_answered_with_a_date() {
    let running = start(|_| {}, echo);
    let mut tls = running.connect(&["http/1.1"]).await;
    tls.write_all(b"GET /k?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let (head, body) = read_response(&mut tls).await;
    assert!(head.starts_with("http/1.1 200 ok"));
    assert!(head.contains("\r\ndate: ") && head.contains(" gmt\r\n"), "{head}");
    assert_eq!(body, b"GET /k?a=b false 0");
}

#[tokio::test]
async fn bodies_arrive_unchanged_and_the_connection_stays() {
    let running = start(
        |_| {},
        async |_, inbound| {
            let Inbound::Request(request) = inbound else {
                panic!("refused")
            };
            http::Response::new(crate::body::full(
                super::support::read_all(request.into_body()).await,
            ))
        },
    );
    let mut tls = running.connect(&[]).await;
    let body: Vec<u8> = (0..1_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for _ in 0..3 {
        let sized = format!(
            "PUT /k HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        tls.write_all(&[sized.as_bytes(), &body].concat()).await.unwrap();
        assert!(read_response(&mut tls).await.1 == body);
        let mut chunked =
            b"PUT /k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in body.chunks(70_001) {
            chunked.extend(format!("{:x}\r\n", piece.len()).as_bytes());
            chunked.extend(piece);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\n\r\n");
        tls.write_all(&chunked).await.unwrap();
        assert!(read_response(&mut tls).await.1 == body);
    }
}

#[tokio::test]
async fn a_bad_head_is_answered_by_the_handler_and_ends_the_connection() {
    // FRM-01
    let running = start(|_| {}, echo);
    let mut tls = running.connect(&[]).await;
    let answers = exchange(
        &mut tls,
        b"PUT /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc\
          PUT /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
          0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    .await;
    assert!(answers.contains("PUT /a false 3"), "{answers}");
    assert!(
        answers.contains("HTTP/1.1 400") && answers.contains("refused: LengthAndEncoding"),
        "{answers}"
    );
    assert!(answers.to_ascii_lowercase().contains("connection: close"));
    assert!(!answers.contains("smuggled"));
}

#[tokio::test]
async fn every_kind_of_bad_head_reaches_the_handler_once() {
    // FRM-01 to FRM-08
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let running = start(
        |_| {},
        move |connection, inbound| {
            assert!(matches!(inbound, Inbound::Malformed(..)), "a bad head passed");
            counted.fetch_add(1, Ordering::Relaxed);
            echo(connection, inbound)
        },
    );
    let cases: &[(&str, u16, &str)] = &[
        ("GET / HTTP/1.1\r\n\r\n", 400, "MissingHost"),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            400,
            "Duplicate",
        ),
        ("GET / HTTP/1.1\r\nHost: p@localhost\r\n\r\n", 400, "Host"),
        (
            "GET https://evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
            "Authority",
        ),
        ("GET / HTTP/1.1\r\nHost: other\r\n\r\n", 421, "Misdirected"),
        ("GET / HTTP/1.1\nHost: localhost\n\n", 400, "BareLineFeed"),
        ("GET /a#b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "Fragment"),
        ("GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "Target"),
        ("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", 505, "Version"),
        ("TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "Method"),
        ("get / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "Method"),
        (
            "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
            "Target",
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\n\r\n",
            400,
            "Upgrade",
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\n\r\n",
            417,
            "Expectation",
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: x-amz-date\r\n\r\n",
            400,
            "Connection",
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
            400,
            "Body",
        ),
        (
            "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 01\r\n\r\nx",
            400,
            "ContentLength",
        ),
        (
            "PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
            "TransferEncoding",
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
            400,
            "Folded",
        ),
    ];
    for (number, (head, status, name)) in cases.iter().enumerate() {
        let mut tls = running.connect(&["http/1.1"]).await;
        let answer = exchange(&mut tls, head.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head:?} gave {answer}"
        );
        assert!(
            answer.contains(&format!("refused: {name}")),
            "{head:?} gave {answer}"
        );
        assert_eq!(seen.load(Ordering::Relaxed), number + 1);
    }
    let many = "X-A: a\r\n".repeat(300);
    let mut tls = running.connect(&[]).await;
    let answer = exchange(
        &mut tls,
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn large_heads_within_the_limits_are_served() {
    let running = start(|_| {}, echo);
    let mut tls = running.connect(&[]).await;
    let token = "t".repeat(40_000);
    let headers = "X-Amz-Meta-A: a\r\n".repeat(190);
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Security-Token: {token}\r\n{headers}\r\n");
    tls.write_all(head.as_bytes()).await.unwrap();
    assert!(read_response(&mut tls).await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn http_2_is_served_with_a_host_and_a_date() {
    let running = start(|_| {}, echo);
    let tls = running.connect(&["h2", "http/1.1"]).await;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, http) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
        .await
        .unwrap();
    tokio::spawn(http);
    let request = Request::put("https://localhost/k")
        .body(Full::new(Bytes::from_static(b"hello")))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert!(response.headers().contains_key("date"));
    let mut body = response.into_body();
    let said = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(said, "PUT /k true 5");
    // FRM-12
    let request = Request::get("https://other/k").body(Full::default()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 421);
}

#[tokio::test]
async fn a_continue_is_sent_only_when_the_body_is_wanted() {
    // FRM-10
    let running = start(
        |_| {},
        async |connection, inbound| match inbound {
            Inbound::Request(request) if request.uri() == "/denied" => {
                super::support::answer(http::StatusCode::FORBIDDEN, "denied".into())
            }
            inbound => echo(connection, inbound).await,
        },
    );
    let head = |path| {
        format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    };
    let mut tls = running.connect(&[]).await;
    tls.write_all(head("/k").as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    tls.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    tls.write_all(b"abc").await.unwrap();
    assert_eq!(read_response(&mut tls).await.1, b"PUT /k false 3");
    let answer = exchange(&mut tls, head("/denied").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn connections_above_the_share_of_an_address_are_dropped() {
    // LIM-10
    let running = start(|s| s.max_connections_per_address = 1, echo);
    let mut first = running.connect(&[]).await;
    let second = TcpStream::connect(running.address).await.unwrap();
    assert!(running.secure(second, &[]).await.is_err());
    first
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert!(read_response(&mut first).await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn connections_above_the_total_wait_their_turn() {
    let running = start(|s| s.max_connections = 1, echo);
    let mut first = running.connect(&[]).await;
    let waiting = TcpStream::connect(running.address).await.unwrap();
    let second = running.secure(waiting, &[]);
    tokio::pin!(second);
    tokio::select! {
        biased;
        _ = &mut second => panic!("served above the cap"),
        _ = exchange(&mut first, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") => {}
    }
    drop(first);
    tokio::time::timeout(PATIENCE, second).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_good_form() {
    // LIM-06
    let running = start(|s| s.header_timeout = std::time::Duration::from_millis(100), echo);
    let mut tls = running.connect(&[]).await;
    tls.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    read_response(&mut tls).await;
    let mut rest = Vec::new();
    // With `close_notify`: rustls reports an error otherwise.
    assert_eq!(
        tokio::time::timeout(PATIENCE, tls.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap(),
        0
    );
}
