//! The end of a process: what is under way finishes, what does not finish in time looks cut, and nothing is lost.

use crate::support::world::eventually;
use crate::support::{Client, Payload, Settings, World, raw, transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CONTENT: &[u8] = &[7; 200_000];

/// An upload of which the store has the head and Tidegate the first half.
async fn half(world: &World, client: &Client) -> raw::Stream {
    let request = client.sign("PUT", "/lake/tmp/a", &[], CONTENT, Payload::Literal);
    let head = raw::head(&request, &format!("content-length: {}\r\n", CONTENT.len()));
    let mut stream = client.say(&head).await;
    stream.write_all(&CONTENT[..CONTENT.len() / 2]).await.unwrap();
    stream.flush().await.unwrap();
    eventually("the upload at the store", || {
        (!world.target_requests().is_empty()).then_some(())
    })
    .await;
    stream
}

/// All records, once the process has ended.
fn records(world: &World) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(world.path("audit/audit.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

// FLW-10
#[tokio::test]
async fn an_upload_under_way_finishes_before_the_process_ends() {
    for signal in ["TERM", "INT"] {
        let mut world = World::start().await;
        let etl = world.client("etl").await;
        let mut idle = etl.connect().await;
        let mut upload = half(&world, &etl).await;
        world.signal(signal);
        // Whoever balances load hears of it before new connections are refused.
        world
            .ready_when(|status, body| status == 503 && body.contains("\"draining\": true"))
            .await;
        let refused = async || tokio::net::TcpStream::connect(etl.address).await.is_err();
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while !refused().await {
            assert!(tokio::time::Instant::now() < deadline, "still accepting");
        }
        assert_eq!(
            idle.read(&mut [0; 1]).await.unwrap_or(0),
            0,
            "idle connections are closed"
        );

        assert_eq!(world.stored("tmp/a"), None);
        upload.write_all(&CONTENT[CONTENT.len() / 2..]).await.unwrap();
        let answer = raw::answer(&mut upload).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(world.stored("tmp/a").as_deref() == Some(CONTENT));
        assert_eq!(
            upload.read(&mut [0; 1]).await.unwrap_or(0),
            0,
            "no more requests on it"
        );
        let status = world.ended().await;
        assert_eq!(status.code(), Some(0), "{}", world.written());
        let uploads: Vec<_> = records(&world)
            .into_iter()
            .filter(|r| r["api"]["operation"] == "PutObject")
            .collect();
        assert_eq!(uploads.len(), 1);
        assert_eq!(uploads[0]["response"]["end_reason"], "complete");
    }
}

// FLW-02, FLW-10
#[tokio::test]
async fn an_upload_that_does_not_finish_in_time_is_cut_and_becomes_no_object() {
    let mut world = World::with(Settings {
        server: "drain_timeout = \"1s\"".into(),
        ..Settings::default()
    })
    .await;
    world.store_file("acme-lake-prod", "tmp/a", b"old");
    let etl = world.client("etl").await;
    let mut upload = half(&world, &etl).await;
    world.signal("TERM");
    let status = world.ended().await;
    assert_eq!(status.code(), Some(0), "{}", world.written());
    assert!(
        raw::answer(&mut upload).await.is_none(),
        "no answer that could be taken for one"
    );
    assert_eq!(world.stored("tmp/a").as_deref(), Some(&b"old"[..]));
    let uploads: Vec<_> = records(&world)
        .into_iter()
        .filter(|r| r["api"]["operation"] == "PutObject")
        .collect();
    assert_eq!(uploads.len(), 1);
    assert_eq!(uploads[0]["response"]["aborted"], true, "{uploads:?}");
    assert!(world.written().contains("the drain deadline passed"));
}

// FLW-01, FLW-10
#[tokio::test]
async fn a_download_under_way_finishes_or_looks_cut() {
    let content: Vec<u8> = (0..40_000_000u32).map(|i| (i % 251) as u8).collect();
    for (timeout, reads_on) in [("30s", true), ("1s", false)] {
        let settings = Settings {
            server: format!("drain_timeout = \"{timeout}\""),
            ..Settings::default()
        };
        let mut world = World::with(settings).await;
        world.store_file("acme-lake-prod", "tmp/a", &content);
        let etl = world.client("etl").await;
        let request = etl.sign("GET", "/lake/tmp/a", &[], b"", Payload::Literal);
        let mut stream = etl.say(&raw::head(&request, "")).await;
        let head = raw::answer_head(&mut stream).await.unwrap();
        assert_eq!(head.header("content-length"), Some("40000000"));
        let mut received = vec![0; 1000];
        stream.read_exact(&mut received).await.unwrap();
        world.signal("TERM");
        world.ready_when(|status, _| status == 503).await;
        if reads_on {
            let clean = stream.read_to_end(&mut received).await;
            assert!(clean.is_ok() && received == content);
            assert_eq!(world.ended().await.code(), Some(0));
        } else {
            assert_eq!(world.ended().await.code(), Some(0));
            let cut = stream.read_to_end(&mut received).await;
            // A reset, and not a `close_notify` after half of the object.
            assert!(
                cut.is_err() && received.len() < content.len(),
                "{cut:?} {}",
                received.len()
            );
            let downloads: Vec<_> = records(&world)
                .into_iter()
                .filter(|r| r["api"]["operation"] == "GetObject")
                .collect();
            assert_eq!(downloads.len(), 1);
            assert_eq!(downloads[0]["response"]["aborted"], true, "{downloads:?}");
        }
    }
}

#[tokio::test]
async fn http_2_streams_under_way_finish_and_new_ones_go_elsewhere() {
    let mut world = World::start().await;
    let content = vec![7; 20_000_000];
    world.store_file("acme-lake-prod", "tmp/a", &content);
    let etl = world.client("etl").await;
    let mut sender = etl.http2().await;
    let get = |key: &str| etl.sign("GET", &format!("/lake/tmp/{key}"), &[], b"", Payload::Literal);
    let under_way = etl.begin_get_http2(&mut sender, get("a")).await;
    world.signal("TERM");
    world.ready_when(|status, _| status == 503).await;
    let whole = transport::read(under_way).await.expect("the whole object");
    assert!(whole.body == content);
    assert_eq!(world.ended().await.code(), Some(0));
    assert!(sender.ready().await.is_err(), "the connection is over");
}
