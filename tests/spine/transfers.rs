//! Transfers under strain: slow callers, impatient targets, uploads that are cut at either end.

use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::world::eventually;
use crate::support::{Payload, Settings, World, raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn world(target: &FakeTarget) -> World {
    World::with(Settings {
        target: Some(target.address),
        target_lines: "response_timeout = \"1s\"".into(),
        server: "stall_timeout = \"2s\"".into(),
        ..Settings::default()
    })
    .await
}

// FLW-03
#[tokio::test]
async fn a_slow_reader_gets_every_byte() {
    let world = World::start().await;
    let content: Vec<u8> = (0..8_000_000u32).map(|i| (i % 253) as u8).collect();
    world.store_file("acme-lake-prod", "tmp/a", &content);
    let etl = world.client("etl").await;
    for connection in ["keep-alive", "close"] {
        let request = etl.sign("GET", "/lake/tmp/a", &[], b"", Payload::Literal);
        let head = raw::head(&request, &format!("connection: {connection}\r\n"));
        let mut stream = etl.say(&head).await;
        assert_eq!(raw::answer_head(&mut stream).await.unwrap().status, 200);
        let (mut received, mut piece) = (Vec::new(), [0; 4096]);
        while received.len() < content.len() {
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "cut after {} bytes", received.len());
            received.extend_from_slice(&piece[..count]);
            tokio::task::yield_now().await;
        }
        assert!(received == content);
        if connection == "close" {
            assert_eq!(stream.read(&mut piece).await.unwrap(), 0);
        }
    }
}

// FLW-05
#[tokio::test]
async fn a_reader_that_stops_is_given_up() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1048576000\r\n\r\n";
    let target = FakeTarget::start(|_| vec![Step::Send(head.into()), Step::Flood(1000)]).await;
    let world = world(&target).await;
    let etl = world.client("etl").await;
    let request = etl.sign("GET", "/lake/tmp/a", &[], b"", Payload::Literal);
    let stream = etl.say(&raw::head(&request, "")).await;
    let ended = |r: &serde_json::Value| r["api"]["operation"] == "GetObject";
    let records = world.audit_when(|records| records.iter().any(ended)).await;
    let record = records.iter().find(|r| ended(r)).unwrap();
    assert_eq!(record["response"]["aborted"], true, "{record}");
    // What it was sent is what the buffers between hold, not the object.
    assert!(
        record["response"]["bytes_out"].as_u64().unwrap() < 64 << 20,
        "{record}"
    );
    drop(stream);
}

// FLW-04
#[tokio::test]
async fn an_early_refusal_of_the_target_is_told_at_once() {
    let document = "<Error><Code>AccessDenied</Code></Error>";
    let bytes = answer("403 Forbidden", "", document);
    let target = FakeTarget::start(move |_| vec![Step::Send(bytes.clone()), Step::Hold]).await;
    let world = world(&target).await;
    let etl = world.client("etl").await;
    let request = etl.sign("PUT", "/lake/tmp/a", &[], b"", Payload::Unsigned);
    let mut stream = etl
        .say(&raw::head(&request, "content-length: 5000000000\r\n"))
        .await;
    stream.write_all(&[0; 100_000]).await.unwrap();
    let answer = raw::answer(&mut stream).await.unwrap();
    answer.refused("early refusal", 403, "AccessDenied");
}

// FLW-02, FLW-07
#[tokio::test]
async fn an_upload_that_the_target_does_not_take_whole_is_no_success() {
    let early = Step::Send(answer("200 OK", "etag: \"e\"\r\n", ""));
    let scripts = vec![
        ("reset".to_owned(), vec![Step::Reset]),
        ("closed".to_owned(), vec![Step::Close]),
        ("closed-late".to_owned(), vec![Step::ReadBody, Step::Close]),
        ("silent".to_owned(), vec![Step::ReadBody, Step::Hold]),
        ("early".to_owned(), vec![early, Step::Hold]),
    ];
    let target = FakeTarget::by_name(scripts).await;
    let world = world(&target).await;
    let etl = world.client("etl").await;
    let large = vec![7; 4 << 20];
    for (name, body) in [
        ("reset", &large[..]),
        ("closed", &large),
        ("closed-late", b"small"),
        ("silent", b"small"),
        ("early", &large),
    ] {
        let answer = etl.put(&format!("/lake/tmp/{name}"), body).await;
        answer.refused(name, 503, "ServiceUnavailable");
        // A write is never sent twice: the first may have been taken.
        let line = format!("PUT /acme-lake-prod/tmp/{name}");
        assert_eq!(
            target.lines().iter().filter(|seen| **seen == line).count(),
            1,
            "{name}"
        );
    }
}

// FLW-02
#[tokio::test]
async fn the_last_byte_waits_for_the_verdict() {
    let target = FakeTarget::saying(answer("200 OK", "etag: \"e\"\r\n", "")).await;
    let world = world(&target).await;
    let etl = world.client("etl").await;
    let content = b"0123456789";
    let request = etl.sign("PUT", "/lake/tmp/a", &[], b"another content", Payload::Literal);
    let mut stream = etl.say(&raw::head(&request, "content-length: 10\r\n")).await;
    stream.write_all(&content[..9]).await.unwrap();
    stream.flush().await.unwrap();
    eventually("nine bytes at the target", || {
        target
            .seen()
            .first()
            .filter(|seen| seen.body == content[..9])
            .map(|_| ())
    })
    .await;
    stream.write_all(&content[9..]).await.unwrap();
    let answer = raw::answer(&mut stream).await.unwrap();
    answer.refused("wrong hash", 400, "XAmzContentSHA256Mismatch");
    assert_eq!(target.seen().remove(0).body, content[..9], "the tenth never came");
}

// FLW-09
#[tokio::test]
async fn parts_of_an_object_and_what_proves_it_pass_unchanged() {
    let parts = "--b\r\ncontent-range: bytes 0-1/9\r\n\r\nab\r\n--b\r\ncontent-range: bytes 5-6/9\r\n\r\nfg\r\n--b--\r\n";
    let proof = [
        ("etag", "\"0123-2\""),
        ("content-type", "multipart/byteranges; boundary=b"),
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
        ("x-amz-checksum-type", "COMPOSITE"),
        ("x-amz-version-id", "v1"),
        ("last-modified", "Tue, 03 Nov 2026 08:00:00 GMT"),
    ];
    let headers = proof.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let target = FakeTarget::saying(answer("206 Partial Content", &headers, parts)).await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    for range in ["bytes=0-1,5-6", "bytes=-2", "bytes=0-", "bytes=9-1", "lines=1-2"] {
        let get = etl.sign("GET", "/lake/tmp/a", &[("range", range)], b"", Payload::Literal);
        let answer = etl.send(get).await;
        assert_eq!((answer.status, answer.text().as_str()), (206, parts), "{range}");
        for (name, value) in proof {
            assert_eq!(answer.header(name), Some(value), "{range}");
        }
        assert_eq!(target.last().header("range"), Some(range));
    }
}
