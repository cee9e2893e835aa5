//! Uploads in several requests.

use super::*;

#[tokio::test]
async fn a_resumable_upload_goes_on_where_it_was() {
    let site = Site::new().await;
    let content: Vec<u8> = (0..3 * BLOCK + 5).map(|n| (n % 251) as u8).collect();
    let total = content.len();
    let session = site.begin("big", &[("x-upload-content-type", "image/png")]).await;
    assert!(session.starts_with("/upload/storage/v1/b/lake/o?uploadType=resumable&name=big&upload_id="));
    let put = async |range: &str, body: &[u8]| {
        // The session is a credential of its own.
        let headers = [("authorization", ""), ("content-range", range)];
        site.send("PUT", &session, &headers, body).await
    };
    let status = async || put("bytes */*", b"").await;
    assert_eq!((status().await.status, status().await.header("range")), (308, ""));
    let one = put(&format!("bytes 0-{}/*", BLOCK - 1), &content[..BLOCK]).await;
    assert_eq!((one.status, one.header("range")), (308, "bytes=0-262143"));
    let small = put(
        &format!("bytes {BLOCK}-{}/*", BLOCK + 9),
        &content[BLOCK..BLOCK + 10],
    )
    .await;
    assert_eq!(small.status, 400, "not a multiple of 256 KiB");
    let ahead = put(
        &format!("bytes {}-{}/{total}", 2 * BLOCK, total - 1),
        &content[2 * BLOCK..],
    )
    .await;
    assert_eq!((ahead.status, &*ahead.reason()), (503, "backendError"));
    let short = put(
        &format!("bytes {BLOCK}-{}/{total}", total - 1),
        &content[BLOCK..BLOCK + 10],
    )
    .await;
    assert_eq!(short.status, 400, "fewer bytes than declared");
    assert_eq!(put("bytes 0-9", b"").await.status, 400);
    assert_eq!(status().await.header("range"), "bytes=0-262143");
    // What is there already may be sent once more.
    let again = put(&format!("bytes 0-{}/*", 2 * BLOCK - 1), &content[..2 * BLOCK]).await;
    assert_eq!((again.status, again.header("range")), (308, "bytes=0-524287"));
    assert_eq!(put(&format!("bytes */{total}"), b"").await.status, 308);
    assert_eq!(site.content("big"), None);
    let last = put(
        &format!("bytes {}-{}/{total}", 2 * BLOCK, total - 1),
        &content[2 * BLOCK..],
    )
    .await;
    assert_eq!(last.status, 200, "{last:?}");
    assert_eq!(last.json()["contentType"], "image/png");
    assert_eq!(site.content("big").unwrap(), content);
    // Whoever lost the answer asks once more.
    assert_eq!(put(&format!("bytes */{total}"), b"").await.json(), last.json());
    site.is_clean();
}

#[tokio::test]
async fn a_session_ends_as_documented() {
    let site = Site::new().await;
    let put = async |session: &str, headers: &[(&str, &str)], body: &[u8]| {
        site.send("PUT", session, headers, body).await.status
    };
    // In one piece, of known and unknown length.
    let session = site.begin("whole", &[]).await;
    assert_eq!(put(&session, &[], b"123456789").await, 200);
    let session = site.begin("unknown", &[]).await;
    assert_eq!(
        put(
            &session,
            &[("content-range", "bytes 0-*/*"), ("x-goog-hash", CRC)],
            b"123456789"
        )
        .await,
        200
    );
    let session = site.begin("empty", &[]).await;
    assert_eq!(put(&session, &[("content-range", "bytes */0")], b"").await, 200);
    assert_eq!(site.content("empty").as_deref(), Some(&b""[..]));
    // Hashes: of the beginning and of the last chunk.
    let session = site.begin("hash", &[]).await;
    assert_eq!(
        put(&session, &[("x-goog-hash", WRONG_CRC)], b"123456789").await,
        400
    );
    assert_eq!(put(&session, &[], b"123456789").await, 410);
    let session = site.begin("hash", &[("x-goog-hash", WRONG_MD5)]).await;
    assert_eq!(put(&session, &[], b"123456789").await, 400);
    // Lengths.
    let session = site.begin("length", &[("x-upload-content-length", "10")]).await;
    assert_eq!(put(&session, &[], b"123456789").await, 400);
    assert_eq!(
        put(&session, &[("content-range", "bytes 0-*/*")], b"123456789").await,
        400
    );
    assert_eq!(site.send("DELETE", &session, &[], b"").await.status, 499);
    // Cancelled, over, unknown, of another bucket, with a credential that is none.
    let session = site.begin("cancelled", &[]).await;
    let cancel = [("authorization", "")];
    assert_eq!(site.send("DELETE", &session, &cancel, b"").await.status, 499);
    assert_eq!(put(&session, &[], b"x").await, 410);
    assert_eq!(site.send("DELETE", &session, &cancel, b"").await.status, 410);
    let session = site.begin("late", &[]).await;
    assert_eq!(
        put(&session, &[("authorization", "Bearer of-somebody")], b"x").await,
        401
    );
    assert_eq!(put(&session.replace("ABg5", "ABg6"), &[], b"x").await, 404);
    assert_eq!(put(&session.replace("/lake/", "/other/"), &[], b"x").await, 404);
    assert_eq!(put(&format!("{session}&surprise=1"), &[], b"x").await, 400);
    site.clock.advance(jiff::SignedDuration::from_hours(7 * 24));
    assert_eq!(put(&session, &[], b"x").await, 410);
    assert_eq!(site.store.names("lake"), ["empty", "unknown", "whole"]);
    site.is_clean();
    // The condition holds in the end, too.
    let target = format!("{UPLOAD}?uploadType=resumable&name=raced&ifGenerationMatch=0");
    let session = site.send("POST", &target, &[], b"").await.session();
    site.put("raced", b"first").await;
    assert_eq!(put(&session, &[], b"second").await, 412);
    assert_eq!(site.content("raced").as_deref(), Some(&b"first"[..]));
}

#[tokio::test]
async fn whole_blocks_survive_a_broken_connection() {
    let site = Site::new().await;
    let content = vec![7; 2 * BLOCK + 100];
    let session = site.begin("a", &[]).await;
    let range = format!("bytes 0-{}/{}", content.len() - 1, content.len());
    for (fault, status) in [
        (
            GcsFault::CutRequest {
                after: BLOCK as u64 + 50,
            },
            None,
        ),
        (
            GcsFault::Status {
                status: 503,
                after: BLOCK as u64 + 50,
            },
            Some(503),
        ),
    ] {
        site.store.plan("PUT", "upload_id", fault);
        let reply = site
            .try_send("PUT", &session, &[("content-range", &range)], &content)
            .await;
        // The sender may be cut off before it reads.
        assert!(
            reply.is_none_or(|reply| Some(reply.status) == status),
            "{fault:?}"
        );
        let there = site
            .send("PUT", &session, &[("content-range", "bytes */*")], b"")
            .await;
        assert_eq!(
            (there.status, there.header("range")),
            (308, "bytes=0-262143"),
            "{fault:?}"
        );
    }
    let rest = format!("bytes {BLOCK}-{}/{}", content.len() - 1, content.len());
    let done = site
        .send("PUT", &session, &[("content-range", &rest)], &content[BLOCK..])
        .await;
    assert_eq!(done.status, 200);
    assert_eq!(site.content("a").unwrap(), content);
}

#[tokio::test]
async fn a_later_request_takes_a_session_over() {
    let site = Site::new().await;
    let session = site.begin("a", &[]).await;
    let mut stream = TcpStream::connect(site.store.address()).await.unwrap();
    let head = format!("PUT {session} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1234");
    stream.write_all(head.as_bytes()).await.unwrap();
    while site.store.count() < 2 {
        tokio::task::yield_now().await;
    }
    let there = site
        .send("PUT", &session, &[("content-range", "bytes */*")], b"")
        .await;
    assert_eq!(there.status, 308);
    assert_eq!(site.send("PUT", &session, &[], b"123456789").await.status, 200);
    assert_eq!(site.content("a").as_deref(), Some(&b"123456789"[..]));
}
