//! Uploads: what fails here must not become an object there.

use super::*;
use crate::body::PayloadError;

#[tokio::test]
async fn an_upload_arrives_completely() {
    let fake = Fake::new(|mut peer| async move {
        let head = peer.head().await;
        assert!(head.contains("content-length: 10\r\n"), "{head}");
        let body = peer.body(10).await;
        assert_eq!(body, b"0123456789");
        peer.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    let (feed, body) = fed();
    for piece in ["01", "", "234567", "89"] {
        feed.send(Ok(piece.into())).unwrap();
    }
    drop(feed);
    let response = upstream
        .send(signed(&fake.target, "PUT", Some(10), body))
        .await
        .unwrap();
    assert!(response.request_body_consumed);
    assert_eq!(upstream.pool.len(), 1);
}

/// Sends `pieces` as an upload of ten bytes; gives the error, and what the target got of the body.
async fn failed(pieces: Vec<Result<Bytes, BodyError>>) -> (UpstreamError, usize) {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    let (feed, body) = fed();
    for piece in pieces {
        feed.send(piece).unwrap();
    }
    drop(feed);
    let error = upstream
        .send(signed(&fake.target, "PUT", Some(10), body))
        .await
        .unwrap_err();
    let seen = fake.seen().await;
    assert_eq!(seen.end, End::Reset, "{error:?}");
    assert_eq!(upstream.pool.len(), 0);
    (error, seen.bytes.len())
}

// FLW-02
#[tokio::test]
async fn a_caller_who_breaks_off_resets_the_target() {
    let gone = || BodyError::Caller("gone".into());
    let (error, received) = failed(vec![Ok("01234".into()), Err(gone())]).await;
    assert!(
        matches!(error, UpstreamError::RequestBody(BodyError::Caller(_))),
        "{error:?}"
    );
    assert!(error.request_body_consumed());
    assert!(received < 10);
}

// FLW-02, STR-08
#[tokio::test]
async fn the_last_bytes_wait_until_the_body_is_verified() {
    let pieces = vec![
        Ok("01234".into()),
        Ok("56789".into()),
        Err(PayloadError::Sha256Mismatch.into()),
    ];
    let (error, received) = failed(pieces).await;
    let expected = PayloadError::Sha256Mismatch;
    assert!(
        matches!(&error, UpstreamError::RequestBody(BodyError::Payload(cause)) if *cause == expected),
        "{error:?}"
    );
    assert!(received <= 5);
}

// FLW-02
#[tokio::test]
async fn a_body_of_another_length_than_declared_is_refused() {
    for pieces in [
        vec!["0123"],
        vec![],
        vec!["0123456789", "0"],
        vec!["01234", "567890"],
        vec!["01234567890"],
    ] {
        let (error, received) = failed(pieces.into_iter().map(|piece| Ok(piece.into())).collect()).await;
        assert!(
            matches!(
                error,
                UpstreamError::RequestBody(BodyError::Payload(PayloadError::Incomplete))
            ),
            "{error:?}"
        );
        assert!(received < 10);
    }
}

#[tokio::test]
async fn an_upload_of_unknown_length_arrives_in_chunks() {
    let fake = Fake::new(|mut peer| async move {
        let head = peer.head().await;
        assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
        assert!(!head.contains("content-length"), "{head}");
        let expected = b"5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n";
        assert_eq!(peer.body(expected.len()).await, expected);
        peer.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    let (feed, body) = fed();
    for piece in ["01234", "", "56789"] {
        feed.send(Ok(piece.into())).unwrap();
    }
    drop(feed);
    let response = upstream
        .send(signed(&fake.target, "POST", None, body))
        .await
        .unwrap();
    assert_eq!(response.head.status, 200);
    assert_eq!(upstream.pool.len(), 1);
}

// FLW-02, STR-08
#[tokio::test]
async fn an_upload_in_chunks_that_fails_never_ends() {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    let (feed, body) = fed();
    feed.send(Ok("01234".into())).unwrap();
    feed.send(Err(PayloadError::ChecksumMismatch("x-goog-hash").into()))
        .unwrap();
    drop(feed);
    let error = upstream
        .send(signed(&fake.target, "POST", None, body))
        .await
        .unwrap_err();
    assert!(
        matches!(error, UpstreamError::RequestBody(BodyError::Payload(_))),
        "{error:?}"
    );
    let seen = fake.seen().await;
    assert_eq!(seen.end, End::Reset);
    let got = String::from_utf8_lossy(&seen.bytes);
    assert!(!got.contains("\r\n0\r\n"), "{got}");
    assert_eq!(upstream.pool.len(), 0);
}

// FLW-02
#[tokio::test]
async fn an_empty_upload_that_does_not_verify_does_not_reach_the_target() {
    let mut fake = Fake::new(|peer| async move { Some(peer) }).await;
    let upstream = upstream(&fake.target);
    for piece in [Err(PayloadError::Sha256Mismatch.into()), Ok("x".into())] {
        let (feed, body) = fed();
        feed.send(piece).unwrap();
        drop(feed);
        let outcome = upstream.send(signed(&fake.target, "PUT", Some(0), body)).await;
        assert!(
            matches!(outcome, Err(UpstreamError::RequestBody(_))),
            "{outcome:?}"
        );
    }
    let knocked = tokio::time::timeout(SHORT, fake.seen()).await;
    assert!(knocked.is_err(), "{knocked:?}");
}

// FLW-02
#[tokio::test]
async fn an_empty_upload_that_verifies_is_sent() {
    let fake = Fake::new(|mut peer| async move {
        assert!(peer.head().await.contains("content-length: 0\r\n"));
        peer.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        Some(peer)
    })
    .await;
    let (feed, body) = fed();
    drop(feed);
    let request = signed(&fake.target, "PUT", Some(0), body);
    let response = upstream(&fake.target).send(request).await.unwrap();
    assert_eq!(response.head.status, 200);
}

// FLW-04, FLW-06
#[tokio::test]
async fn an_early_refusal_is_delivered_at_once_and_the_connection_left() {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.body(5).await;
        peer.answer("HTTP/1.1 403 Forbidden\r\ncontent-length: 4\r\n\r\nbody")
            .await;
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    let (feed, body) = fed();
    feed.send(Ok("01234".into())).unwrap();
    // The feed stays open: the rest of the upload never comes.
    let response = upstream
        .send(signed(&fake.target, "PUT", Some(10), body))
        .await
        .unwrap();
    assert_eq!(response.head.status, 403);
    assert!(response.request_body_consumed);
    assert_eq!(read(response.body).await.unwrap(), b"body");
    let seen = fake.seen().await;
    assert_eq!((seen.bytes.len(), seen.end), (0, End::Reset));
    assert_eq!(upstream.pool.len(), 0);
    // And nobody asks the caller for more.
    feed.closed().await;
}

// FLW-04
#[tokio::test]
async fn an_early_refusal_with_a_close_is_delivered_too() {
    let fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.answer("HTTP/1.1 503 Slow Down\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody")
            .await;
        None
    })
    .await;
    let upstream = upstream(&fake.target);
    let (feed, body) = fed();
    let response = upstream
        .send(signed(&fake.target, "PUT", Some(10), body))
        .await
        .unwrap();
    assert_eq!(response.head.status, 503);
    assert!(!response.request_body_consumed);
    assert_eq!(read(response.body).await.unwrap(), b"body");
    drop(feed);
}

// FLW-04: closed with bytes unread, a socket is reset, and writing on fails.
#[tokio::test]
async fn an_early_refusal_is_delivered_although_the_rest_cannot_be_written() {
    let fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.body(64).await;
        peer.answer("HTTP/1.1 412 Precondition Failed\r\ncontent-length: 4\r\n\r\nbody")
            .await;
        None
    })
    .await;
    let upstream = upstream(&fake.target);
    for _ in 0..20 {
        let response = upstream.send(large(&fake.target)).await.unwrap();
        assert_eq!(response.head.status, 412);
        assert_eq!(read(response.body).await.unwrap(), b"body");
        assert_eq!(upstream.pool.len(), 0);
    }
}

/// An upload of 16 MiB in many pieces, more than sockets hold.
fn large(target: &Arc<Target>) -> SignedRequest {
    let (feed, body) = fed();
    for _ in 0..256 {
        feed.send(Ok(vec![b'a'; 64 << 10].into())).unwrap();
    }
    signed(target, "PUT", Some(16 << 20), body)
}

// FLW-02: what hyper took from the body has not left it.
#[tokio::test]
async fn success_is_not_believed_where_the_rest_could_not_be_written() {
    let fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        None
    })
    .await;
    let upstream = upstream(&fake.target);
    for _ in 0..20 {
        let outcome = upstream.send(large(&fake.target)).await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
}

// FLW-02
#[tokio::test]
async fn success_before_the_end_of_the_upload_is_not_believed() {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        Some(peer)
    })
    .await;
    let (feed, body) = fed();
    feed.send(Ok("01234".into())).unwrap();
    let outcome = upstream(&fake.target)
        .send(signed(&fake.target, "PUT", Some(10), body))
        .await;
    assert!(matches!(outcome, Err(UpstreamError::Framing(_))), "{outcome:?}");
    assert_eq!(fake.seen().await.end, End::Reset);
}

#[tokio::test]
async fn the_response_timeout_begins_when_the_upload_has_left() {
    let fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.body(10).await;
        Some(peer)
    })
    .await;
    let mut target = (*fake.target).clone();
    target.response_timeout = SHORT;
    let (feed, body) = fed();
    let upstream = upstream(&target);
    let sending = upstream.send(signed(&fake.target, "PUT", Some(10), body));
    tokio::pin!(sending);
    feed.send(Ok("01234".into())).unwrap();
    let early = tokio::time::timeout(3 * SHORT, &mut sending).await;
    assert!(early.is_err(), "{early:?}");
    feed.send(Ok("56789".into())).unwrap();
    drop(feed);
    let error = sending.await.unwrap_err();
    assert!(
        matches!(
            error,
            UpstreamError::Timeout {
                after: SHORT,
                consumed: true
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_target_that_stops_reading_is_given_up() {
    let (keep, kept) = mpsc::unbounded_channel();
    let fake = Fake::new(move |peer: Peer| {
        let keep = keep.clone();
        async move {
            // Held open, never read.
            let _ = keep.send(peer);
            None
        }
    })
    .await;
    let upstream = Upstream::new(&fake.target, SHORT).unwrap();
    const SIZE: usize = 64 << 20;
    let (feed, body) = fed();
    let piece = Bytes::from(vec![0; 1 << 20]);
    for _ in 0..SIZE >> 20 {
        feed.send(Ok(piece.clone())).unwrap();
    }
    let outcome = upstream.send(signed(&fake.target, "PUT", Some(SIZE), body)).await;
    assert!(
        matches!(outcome, Err(UpstreamError::Stalled { consumed: true, .. })),
        "{outcome:?}"
    );
    drop(kept);
}

#[tokio::test]
async fn a_slow_caller_is_not_taken_for_a_stalled_target() {
    let fake = Fake::new(|mut peer| async move {
        peer.head().await;
        peer.body(10).await;
        peer.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        Some(peer)
    })
    .await;
    let upstream = Upstream::new(&fake.target, SHORT).unwrap();
    let (feed, body) = fed();
    let sending = upstream.send(signed(&fake.target, "PUT", Some(10), body));
    tokio::pin!(sending);
    let early = tokio::time::timeout(4 * SHORT, &mut sending).await;
    assert!(early.is_err(), "{early:?}");
    feed.send(Ok("0123456789".into())).unwrap();
    drop(feed);
    assert_eq!(sending.await.unwrap().head.status, 200);
}

#[tokio::test]
async fn a_caller_who_leaves_resets_the_target() {
    let mut fake = Fake::new(|mut peer| async move {
        peer.head().await;
        Some(peer)
    })
    .await;
    let upstream = upstream(&fake.target);
    let (feed, body) = fed();
    feed.send(Ok("01234".into())).unwrap();
    let sending = upstream.send(signed(&fake.target, "PUT", Some(10), body));
    let _ = tokio::time::timeout(SHORT, sending).await;
    let seen = fake.seen().await;
    assert_eq!(seen.end, End::Reset);
    assert!(seen.bytes.len() <= 5);
    drop(feed);
}
