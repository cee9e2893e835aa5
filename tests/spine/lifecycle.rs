//! Lifecycle: keys turn over under running replicas, transfers end by themselves or look cut, clocks drift.

use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::world::{Replica, becomes, binary, eventually};
use crate::support::{Client, Payload, Settings, World, now, raw};
use std::path::Path;
use std::process::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn rotate(ring: &Path) {
    let done = Command::new(binary())
        .args(["keys", "rotate", "--seals-after", "0s"])
        .arg(ring)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The same caller at the other process.
fn at(replica: &Replica, client: &Client) -> Client {
    let mut there = replica.client.clone();
    there.keys = client.keys.clone();
    there
}

// SES-05: whoever gets the new ring first, sessions and uploads of before work everywhere, and those of after wherever
// the ring has arrived.
#[tokio::test]
async fn replicas_get_a_new_ring_in_either_order() {
    for first_here in [true, false] {
        let world = World::start().await;
        let replica = world.replica().await;
        let here = world.path("secrets/session-keys.toml");
        let works = async |client: &Client| client.put("/lake/tmp/a", b"x").await.status == 200;
        let before = world.client("etl").await;
        let before_there = at(&replica, &before);
        assert!(works(&before).await && works(&before_there).await);
        let begun = before
            .send(before.sign("POST", "/lake/tmp/parts?uploads", &[], b"", Payload::Literal))
            .await;
        let upload = begun.element("UploadId").unwrap();
        let (first, second, ahead, behind) = match first_here {
            true => (&here, &replica.ring, world.anonymous(), replica.client.clone()),
            false => (&replica.ring, &here, replica.client.clone(), world.anonymous()),
        };
        rotate(first);
        // A new session tells by its first use elsewhere which ring made it.
        let token = world.token("etl");
        let mut after = ahead.clone();
        let mut late = behind.clone();
        becomes("a session of the new ring", async || {
            let issued = ahead.assume_role(&token).await;
            after.keys = Some(crate::support::Keys::from_sts(&issued.text()));
            late.keys = after.keys.clone();
            late.head("/lake/tmp/a").await.status == 400
        })
        .await;
        let seen = world.target_requests().len();
        late.put("/lake/tmp/b", b"x")
            .await
            .refused("not there yet", 400, "InvalidToken");
        assert_eq!(world.target_requests().len(), seen);
        assert!(works(&after).await && works(&before).await && works(&before_there).await);

        std::fs::copy(first, second).unwrap();
        becomes("the new ring at the other", async || works(&late).await).await;
        assert!(works(&after).await && works(&before).await && works(&before_there).await);
        for client in [&before, &before_there, &late] {
            let target = format!("/lake/tmp/parts?partNumber=1&uploadId={upload}");
            let part = client.put(&target, b"part").await;
            assert_eq!(part.status, 200, "{}", part.text());
        }
    }
}

// SES-06, FLW-01, FLW-02
#[tokio::test]
async fn a_transfer_that_takes_too_long_looks_cut() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1048576000\r\n\r\nbegin";
    let scripts = vec![
        ("endless".to_owned(), vec![Step::Send(head.into()), Step::Hold]),
        ("silent".to_owned(), vec![Step::Hold]),
        (
            "flood".to_owned(),
            vec![Step::Send(head.into()), Step::Flood(1000)],
        ),
        (
            "upload".to_owned(),
            vec![
                Step::ReadBody,
                Step::Send(answer("200 OK", "etag: \"e\"\r\n", "")),
            ],
        ),
        (
            "quick".to_owned(),
            vec![Step::Send(answer("200 OK", "", "quick"))],
        ),
    ];
    let target = FakeTarget::by_name(scripts).await;
    let world = World::with(Settings {
        target: Some(target.address),
        server: "longest_transfer = \"1s\"".into(),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    for name in ["endless", "silent", "flood"] {
        let path = format!("/lake/tmp/{name}");
        let request = etl.sign("GET", &path, &[], b"", Payload::Literal);
        let started = tokio::time::Instant::now();
        let mut stream = etl.say(&raw::head(&request, "")).await;
        if name != "flood" {
            let mut received = Vec::new();
            let end = stream.read_to_end(&mut received).await;
            assert!(end.is_err(), "{name}: no clean end");
        }
        // The flood's reader takes nothing, and is cut all the same.
        recorded(&world, &format!("tmp/{name}"), started).await;
    }
    // With HTTP/2 it is the stream that is reset: others on the connection go on.
    let mut connection = etl.http2().await;
    for name in ["silent", "endless"] {
        let request = etl.sign("GET", &format!("/lake/tmp/{name}"), &[], b"", Payload::Literal);
        assert!(
            etl.try_send_http2(&mut connection, request).await.is_err(),
            "{name}"
        );
    }
    let request = etl.sign("GET", "/lake/tmp/quick", &[], b"", Payload::Literal);
    assert_eq!(etl.send_http2(&mut connection, request).await.text(), "quick");
    // Half an upload, and then a byte now and then.
    let request = etl.sign("PUT", "/lake/tmp/upload", &[], b"", Payload::Unsigned);
    let started = tokio::time::Instant::now();
    let mut stream = etl.say(&raw::head(&request, "content-length: 1000\r\n")).await;
    let mut pause = tokio::time::interval(std::time::Duration::from_millis(100));
    let mut sent = 0;
    while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() && sent < 100 {
        sent += 1;
        pause.tick().await;
    }
    assert!(sent < 100, "it was not cut");
    recorded(&world, "tmp/upload", started).await;
    let seen = target
        .seen()
        .into_iter()
        .find(|seen| seen.line().contains("upload"))
        .unwrap();
    assert!(seen.body.len() < 1000, "it never became an object");
    // Nothing is wrong with what is quick.
    assert_eq!(etl.get("/lake/tmp/quick").await.text(), "quick");
}

/// Waits for the record of a request that was cut.
async fn recorded(world: &World, key: &str, started: tokio::time::Instant) {
    let is = |record: &serde_json::Value| record["resource"]["key"] == key;
    let records = world.audit_when(|records| records.iter().any(is)).await;
    let record = records.iter().find(|record| is(record)).unwrap();
    assert_eq!(record["response"]["end_reason"], "too-long", "{record}");
    assert_eq!(record["response"]["aborted"], true);
    assert!(started.elapsed().as_millis() >= 1000, "{record}");
}

// SES-07: a link that expires in the middle of a download lets it finish, and begins no other.
#[tokio::test]
async fn a_download_outlives_its_link() {
    let size = 64 << 20;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
    let target = FakeTarget::start(move |_| vec![Step::Send(head.clone().into()), Step::Flood(64)]).await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let link = etl.presign("GET", "/lake/tmp/a", &[], b"", 4);
    let ends = now() + jiff::SignedDuration::from_secs(5);
    let mut stream = etl.say(&raw::head(&link, "connection: close\r\n")).await;
    assert_eq!(raw::answer_head(&mut stream).await.unwrap().status, 200);
    eventually("the end of the link", || (now() > ends).then_some(())).await;
    let (mut received, mut piece) = (0, vec![0; 1 << 20]);
    while received < size {
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "cut after {received} bytes");
        received += count;
    }
    let before = target.count();
    etl.send(link).await.refused("expired", 403, "AccessDenied");
    assert_eq!(target.count(), before);
}

#[tokio::test]
async fn the_clock_of_a_target_is_measured_and_told() {
    let date = (now() - jiff::SignedDuration::from_mins(9)).strftime("%a, %d %b %Y %H:%M:%S GMT");
    let target = FakeTarget::saying(answer("200 OK", &format!("date: {date}\r\n"), "x")).await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    assert_eq!(etl.get("/lake/tmp/a").await.status, 200);
    let metric = "tidegate_clock_drift_seconds{party=\"target\",name=\"store\"} -5";
    becomes("the target's drift", async || {
        world.admin_get("/metrics").await.1.contains(metric)
    })
    .await;
    let log = eventually("the warning", || {
        let log = world.written();
        log.contains("the clock of a target differs").then_some(log)
    })
    .await;
    assert!(log.contains("min behind"), "{log}");
    assert_eq!(
        log.matches("the clock of a target differs").count(),
        1,
        "once an hour"
    );
    world
        .ready_when(|status, body| status == 200 && !body.contains("degraded"))
        .await;
    // Of a caller whose clock is right there is little to say.
    let (_, metrics) = world.admin_get("/metrics").await;
    let last = metrics
        .lines()
        .find_map(|line| line.strip_prefix("tidegate_clock_drift_seconds{party=\"caller\",name=\"last\"} "));
    assert!(last.unwrap().parse::<f64>().unwrap().abs() < 30.0, "{last:?}");
}
