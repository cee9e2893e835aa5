//! Downloads, connections and TLS.

use super::*;
use crate::fetch::FetchError;
use std::sync::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody";

#[tokio::test]
async fn an_answer_is_relayed_and_its_connection_used_again() {
    let fake = Fake::new(|mut peer| async move {
        loop {
            assert!(peer.head().await.starts_with("GET /bucket/key HTTP/1.1\r\n"));
            peer.answer(&format!(
                "HTTP/1.1 200 OK\r\nx-connection: {}\r\ncontent-length: 4\r\n\r\nbody",
                peer.number
            ))
            .await;
        }
    })
    .await;
    let upstream = upstream(&fake.target);
    for _ in 0..3 {
        let response = get(&upstream, &fake.target).await.unwrap();
        assert_eq!(response.head.headers["x-connection"], "0");
        assert!(!response.request_body_consumed);
        assert_eq!(read(response.body).await.unwrap(), b"body");
        assert_eq!(upstream.pool.len(), 1);
    }
}

// FLW-01
#[tokio::test]
async fn a_cut_download_is_never_a_clean_end() {
    for (answer, resets) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", true),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbo",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-a: b",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nbody\r\n0\r\n\r\n",
            false,
        ),
    ] {
        let fake = Fake::new(move |mut peer: Peer| async move {
            peer.head().await;
            peer.answer(answer).await;
            if resets {
                peer.reset();
            }
            None
        })
        .await;
        let upstream = upstream(&fake.target);
        // A reset may also overtake the head.
        if let Ok(response) = get(&upstream, &fake.target).await {
            let outcome = read(response.body).await;
            assert!(
                matches!(outcome, Err(BodyError::Target(_))),
                "{answer:?}: {outcome:?}"
            );
        }
        assert_eq!(upstream.pool.len(), 0, "{answer:?}");
    }
}

// FLW-01, FLW-08
#[tokio::test]
async fn an_answer_whose_end_is_in_doubt_is_refused_before_its_head() {
    for answer in [
        "HTTP/1.1 200 OK\r\n\r\nuntil the connection ends",
        "HTTP/1.0 200 OK\r\n\r\nuntil the connection ends",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nbody",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "",
    ] {
        let fake = Fake::new(move |mut peer: Peer| async move {
            peer.head().await;
            peer.answer(answer).await;
            None
        })
        .await;
        let outcome = get(&upstream(&fake.target), &fake.target).await;
        let refused = matches!(
            outcome,
            Err(UpstreamError::Framing(_) | UpstreamError::Reset { .. })
        );
        assert!(refused, "{answer:?}: {outcome:?}");
    }
}

// FLW-06, FRM
#[tokio::test]
async fn chunks_count_where_a_length_stands_beside_them_and_the_connection_is_left() {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
            .await;
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    let response = get(&upstream, &fake.target).await.unwrap();
    assert!(!response.head.headers.contains_key("content-length"));
    assert!(!response.head.headers.contains_key("transfer-encoding"));
    assert_eq!(read(response.body).await.unwrap(), b"body");
    assert!(fake.seen().await.bytes.is_empty());
    assert_eq!(upstream.pool.len(), 0);
}

// FLW-06
#[tokio::test]
async fn a_second_answer_in_the_same_breath_reaches_nobody() {
    let fake = Fake::new(|mut peer| async move {
        let number = peer.number;
        peer.head().await;
        if number == 0 {
            peer.answer(&format!("{OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"))
                .await;
        } else {
            peer.answer(OK).await;
        }
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    for _ in 0..2 {
        let response = get(&upstream, &fake.target).await.unwrap();
        assert_eq!(read(response.body).await.unwrap(), b"body");
    }
}

#[tokio::test]
async fn trailers_are_dropped() {
    let fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.answer(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nset-cookie: a=b\r\n\r\n",
        )
        .await;
        Some(peer)
    })
    .await;
    let response = get(&upstream(&fake.target), &fake.target).await.unwrap();
    // `read` takes data frames alone.
    assert_eq!(read(response.body).await.unwrap(), b"body");
}

// FLW-08
#[tokio::test]
async fn answers_without_a_body_keep_their_length_and_end_at_once() {
    for (method, status) in [
        ("HEAD", "200 OK"),
        ("GET", "304 Not Modified"),
        ("DELETE", "204 No Content"),
    ] {
        let fake = Fake::new(move |mut peer: Peer| async move {
            peer.head().await;
            peer.answer(&format!("HTTP/1.1 {status}\r\ncontent-length: 7\r\n\r\n"))
                .await;
            Some(peer)
        })
        .await;
        let upstream = upstream(&fake.target);
        let request = signed(&fake.target, method, None, body::empty());
        let response = upstream.send(request).await.unwrap();
        assert_eq!(response.head.headers["content-length"], "7");
        assert!(read(response.body).await.unwrap().is_empty());
        assert_eq!(upstream.pool.len(), 1);
    }
}

// FLW-08
#[tokio::test]
async fn interim_answers_are_ignored_up_to_a_limit() {
    for (count, passes) in [(3, true), (8, true), (9, false), (500, false)] {
        let fake = Fake::new(move |mut peer: Peer| async move {
            peer.head().await;
            for _ in 0..count {
                let early = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
                if peer.io.write_all(early.as_bytes()).await.is_err() {
                    return None;
                }
            }
            if passes {
                peer.answer(OK).await;
            }
            Some(peer)
        })
        .await;
        let outcome = get(&upstream(&fake.target), &fake.target).await;
        match outcome {
            Ok(response) => assert!(passes && response.head.status == 200),
            Err(error) => assert!(
                !passes && matches!(error, UpstreamError::Framing(_)),
                "{count}: {error:?}"
            ),
        }
    }
}

#[tokio::test]
async fn dropping_the_body_closes_the_connection_although_the_target_is_silent() {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort")
            .await;
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    let mut response = get(&upstream, &fake.target).await.unwrap();
    response.body.frame().await.unwrap().unwrap();
    drop(response);
    fake.seen().await;
    assert_eq!(upstream.pool.len(), 0);
}

#[tokio::test]
async fn giving_up_on_the_head_closes_the_connection() {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    let _ = tokio::time::timeout(SHORT, get(&upstream, &fake.target)).await;
    fake.seen().await;
}

#[tokio::test]
async fn a_target_that_never_answers_is_given_up() {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        Some(peer)
    })
    .await;
    let mut target = (*fake.target).clone();
    target.response_timeout = SHORT;
    let error = get(&upstream(&target), &fake.target).await.unwrap_err();
    assert!(
        matches!(
            error,
            UpstreamError::Timeout {
                after: SHORT,
                consumed: false
            }
        ),
        "{error:?}"
    );
    assert!(!error.request_body_consumed());
    fake.seen().await;
}

#[tokio::test]
async fn a_download_that_stands_still_is_given_up() {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort")
            .await;
        Some(peer)
    })
    .await;
    let upstream = Upstream::new(&fake.target, SHORT).unwrap();
    let response = get(&upstream, &fake.target).await.unwrap();
    let outcome = read(response.body).await;
    assert!(matches!(outcome, Err(BodyError::Stalled(SHORT))), "{outcome:?}");
    fake.seen().await;
}

// FLW-07
#[tokio::test]
async fn an_idle_connection_that_the_target_closed_is_not_used() {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.answer(OK).await;
        if peer.number == 0 {
            peer.io.shutdown().await.unwrap();
        }
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    let response = get(&upstream, &fake.target).await.unwrap();
    read(response.body).await.unwrap();
    assert_eq!(fake.seen().await.connection, 0);
    let response = get(&upstream, &fake.target).await.unwrap();
    assert_eq!(read(response.body).await.unwrap(), b"body");
}

// FLW-07
#[tokio::test]
async fn what_was_written_is_not_sent_again() {
    let count = Arc::new(Mutex::new(0));
    let counted = count.clone();
    let fake = Fake::new(move |mut peer: Peer| {
        let counted = counted.clone();
        async move {
            *counted.lock().unwrap() += 1;
            peer.head().await;
            peer.answer(OK).await;
            peer.head().await;
            None
        }
    })
    .await;
    let upstream = upstream(&fake.target);
    let response = get(&upstream, &fake.target).await.unwrap();
    read(response.body).await.unwrap();
    let outcome = upstream
        .send(signed(&fake.target, "PUT", Some(4), body::full("body")))
        .await;
    assert!(
        matches!(outcome, Err(UpstreamError::Reset { consumed: true, .. })),
        "{outcome:?}"
    );
    assert_eq!(*count.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_request_for_another_target_is_refused() {
    let fake = Fake::new(|peer| async move { Some(peer) }).await;
    let outcome = get(&upstream(&fake.target), &target(1, None)).await;
    assert!(matches!(outcome, Err(UpstreamError::Misdirected)));
}

#[tokio::test]
async fn a_target_that_is_not_there_is_named_as_the_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target(listener.local_addr().unwrap().port(), None);
    drop(listener);
    let error = get(&upstream(&target), &target).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Connect(_)), "{error:?}");
    assert!(!error.request_body_consumed());
}

#[tokio::test]
async fn tls_is_verified_resumed_and_byte_exact_in_both_directions() {
    const SIZE: usize = 5 << 20;
    let folder = tempfile::tempdir().unwrap();
    let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (ca_file, other_file) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    std::fs::write(&ca_file, ca.cert.pem()).unwrap();
    std::fs::write(&other_file, other.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(ca.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![ca.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, mut handshakes) = mpsc::unbounded_channel();
    let bytes: Arc<Vec<u8>> = Arc::new((0..SIZE).map(|i| ((i * 31) >> 7) as u8).collect());
    let expected = bytes.clone();
    tokio::spawn(async move {
        // One exchange per connection: an upload that is answered with what came.
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(mut io) = acceptor.accept(tcp).await else {
                continue;
            };
            tell.send(io.get_ref().1.handshake_kind().unwrap()).unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(io.read_u8().await.unwrap());
            }
            let mut body = vec![0; SIZE];
            io.read_exact(&mut body).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\nconnection: close\r\n\r\n");
            io.write_all(head.as_bytes()).await.unwrap();
            io.write_all(&body).await.unwrap();
            io.shutdown().await.unwrap();
        }
    });

    let trusting = target(port, Some(ca_file));
    let upstream_ = upstream(&trusting);
    for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
        let (feed, body) = fed();
        for piece in bytes.chunks(70_000) {
            feed.send(Ok(Bytes::copy_from_slice(piece))).unwrap();
        }
        drop(feed);
        let response = upstream_
            .send(signed(&trusting, "PUT", Some(SIZE), body))
            .await
            .unwrap();
        assert!(
            read(response.body).await.unwrap() == *expected,
            "the bytes differ"
        );
        assert_eq!(handshakes.recv().await.unwrap(), kind);
    }

    let doubting = target(port, Some(other_file));
    let outcome = get(&upstream(&doubting), &doubting).await;
    assert!(matches!(outcome, Err(UpstreamError::Tls(_))), "{outcome:?}");
}

#[test]
fn a_target_whose_ca_cannot_be_read_is_refused() {
    let target = target(443, Some("/nowhere/ca.pem".into()));
    let outcome = Upstream::new(&target, LONG);
    assert!(matches!(
        outcome,
        Err(UpstreamError::Trust(FetchError::Ca { .. }))
    ));
}
