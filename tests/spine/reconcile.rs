//! `tidegate audit reconcile`, from real requests: what the target really received makes the provider's log.

use crate::stamps::numbering;
use crate::support::fake_target::{FakeTarget, Seen};
use crate::support::world::now;
use crate::support::{Settings, World};
use serde_json::{Value, json};

/// What CloudTrail would have written about a request that arrived as the `n`th.
fn event(seen: &Seen, n: usize) -> Value {
    let mut words = seen.line().split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let (bucket, key) = path[1..].split_once('/').unwrap();
    let name = match method {
        "PUT" => "PutObject",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        other => panic!("{other}"),
    };
    json!({
        "eventVersion": "1.11", "eventTime": format!("{:.0}", now()), "eventSource": "s3.amazonaws.com", "eventName": name,
        "userIdentity": { "type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/tidegate/tidegate" },
        "sourceIPAddress": "192.0.2.10", "userAgent": format!("[{}]", seen.header("user-agent").unwrap()),
        "requestParameters": { "bucketName": bucket, "key": key }, "requestID": format!("REAL{n}"),
        "eventID": format!("event{n}"), "readOnly": name != "PutObject", "managementEvent": false, "eventCategory": "Data",
    })
}

/// The log so far, as it is delivered: an hour earlier and an hour later there are entries of somebody else's.
fn log(world: &World, entries: &[Value]) {
    let other = |hours: i64| {
        let at = now() + jiff::SignedDuration::from_hours(hours);
        json!({
            "eventTime": format!("{at:.0}"), "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
            "eventID": format!("other{hours}"), "requestID": format!("OTHER{hours}"), "readOnly": true,
            "requestParameters": { "bucketName": "somebody-elses", "key": "x" },
        })
    };
    let others = [other(-1), other(1)];
    let records: Vec<&Value> = entries.iter().chain(&others).collect();
    std::fs::write(
        world.path("trail.json"),
        json!({ "Records": records }).to_string(),
    )
    .unwrap();
}

/// Exit code and what was printed.
fn reconcile(world: &World, words: &[&str]) -> (Option<i32>, String) {
    let all = [&["audit", "reconcile", "--cloudtrail", "trail.json"], words].concat();
    let trail = world.path("trail.json");
    let all: Vec<&str> = all
        .into_iter()
        .map(|word| {
            if word == "trail.json" {
                trail.to_str().unwrap()
            } else {
                word
            }
        })
        .collect();
    let done = world.command(&all);
    let text = String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap();
    (done.status.code(), text)
}

async fn some_requests() -> (FakeTarget, World) {
    let target = numbering("").await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    for key in ["/lake/tmp/a", "/lake/tmp/b"] {
        assert_eq!(etl.put(key, b"x").await.status, 200);
        assert_eq!(etl.get(key).await.status, 200);
        assert_eq!(etl.head(key).await.status, 200);
        // Denied: the target never hears of it, and its log has nothing.
        assert_eq!(etl.put("/lake/frozen/a", b"x").await.status, 403);
    }
    world.audit_when(|records| records.len() >= 9).await;
    (target, world)
}

#[tokio::test]
async fn what_the_target_received_is_what_was_recorded() {
    let (target, world) = some_requests().await;
    let entries: Vec<Value> = target
        .seen()
        .iter()
        .enumerate()
        .map(|(n, seen)| event(seen, n))
        .collect();
    assert_eq!(entries.len(), 6);
    log(&world, &entries);
    let (code, text) = reconcile(&world, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("6 of our requests; 0 unrecorded"), "{text}");
    assert!(
        text.contains("of 6 that the target answered, 6 are logged; 0 unlogged"),
        "{text}"
    );

    // Somebody goes around the proxy.
    let mut more = entries.clone();
    let mut direct = entries[1].clone();
    for (name, value) in [
        ("requestID", "DIRECT"),
        ("eventID", "direct"),
        ("userAgent", "[aws-cli/2]"),
    ] {
        direct[name] = json!(value);
    }
    direct["userIdentity"]["arn"] = json!("arn:aws:sts::111122223333:assumed-role/Admin/bob");
    more.push(direct.clone());
    log(&world, &more);
    let (code, text) = reconcile(&world, &["--json"]);
    assert_eq!(code, Some(1), "{text}");
    let found: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(
        [
            &found["kind"],
            &found["key"],
            &found["target_request_id"],
            &found["principal"]
        ],
        [
            "unrecorded",
            "tmp/a",
            "DIRECT",
            "arn:aws:sts::111122223333:assumed-role/Admin/bob"
        ]
    );
    assert_eq!(text.lines().count(), 2, "{text}");

    // The same, with the user agent of a request of ours.
    direct["userAgent"] = entries[1]["userAgent"].clone();
    *more.last_mut().unwrap() = direct;
    log(&world, &more);
    let (code, text) = reconcile(&world, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("forged-stamp "), "{text}");

    // One that the provider did not log.
    log(&world, &entries[1..]);
    let (code, text) = reconcile(&world, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.starts_with("unlogged ") && text.contains("PutObject lake/tmp/a by idp:etl"),
        "{text}"
    );
    assert!(text.contains("(the target's request REAL0, request 0"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_read_or_is_not_understood_is_two() {
    let (_target, world) = some_requests().await;
    std::fs::write(world.path("trail.json"), "{\"Records\":[{").unwrap();
    let (code, text) = reconcile(&world, &[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("the document is cut off here") && text.contains("unknown: "),
        "{text}"
    );
    for (words, why) in [
        (&["audit", "reconcile"][..], "required arguments"),
        (
            &["audit", "reconcile", "--cloudtrail", "a", "--gcp-logs", "b"],
            "cannot be used with",
        ),
        (
            &["audit", "reconcile", "--cloudtrail", "/nowhere"],
            "cannot read `/nowhere`",
        ),
        (
            &["audit", "reconcile", "--gcp-logs", "/nowhere"],
            "no bucket at a target",
        ),
        (
            &["audit", "reconcile", "--cloudtrail", "a", "--from", "soon"],
            "expected a time",
        ),
    ] {
        let done = world.command(words);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(why), "{words:?}: {said}");
    }
    std::fs::write(world.path("trail.json"), "{}").unwrap();
    let (code, text) = reconcile(&world, &["--work-dir", "/nowhere"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("cannot use `/nowhere` for temporary files"),
        "{text}"
    );
}
