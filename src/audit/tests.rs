//! What must hold of every record, whatever happens to the request, the file and the machine.

use super::file::{Open, Sink};
use super::*;
use crate::authn::{Claim, CredentialScope, Principal, PrincipalKind, SignatureClaim, SignatureForm, Signs};
use crate::body::{Body, BodyError, Frames, PayloadError, full};
use crate::operation::{Api, BucketName, Detail, ObjectKey, ObjectName, Operation, PayloadMode, Resource};
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::Value;
use std::io::{self, Write};
use std::sync::Mutex as StdMutex;

const CANARY: &str = "C4naryC4naryC4naryC4naryC4naryC4naryC4nary";

fn clock() -> Clock {
    Clock::fixed("2026-11-20T10:00:00.1234Z".parse().unwrap())
}

fn quick() -> Settings {
    Settings {
        capacity: 64,
        retry: Duration::from_millis(5),
        stall: Duration::from_millis(50),
        patience: Duration::from_millis(200),
    }
}

fn arrival(log: &AuditLog) -> Arrival<'static> {
    Arrival {
        peer: "[::ffff:203.0.113.9]:4711".parse().unwrap(),
        tls: "TLSv1.3",
        method: "GET",
        user_agent: Some("aws-cli/2"),
        request_id: new_id(&log.0.clock),
    }
}

fn operation(
    api: Api,
    parameters: Vec<(&'static str, Box<str>)>,
    headers: Vec<(&'static str, &str)>,
) -> Operation {
    let object = ObjectName {
        bucket: BucketName::parse("lake").unwrap(),
        key: ObjectKey::parse("raw/ä.csv".as_bytes()).unwrap(),
    };
    let headers = headers.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
    Operation::new(api, Resource::Object(object), parameters, headers, Detail::None).unwrap()
}

fn allow() -> Decision {
    Decision {
        effect: Effect::Allow,
        reason: Reason::Permit,
        policies: vec!["readers".into()],
        policy_version: Some("sha256:9f2c".into()),
        micros: 19,
    }
}

/// A file in memory that can be made to fail or to block.
#[derive(Clone, Default)]
struct Disk(Arc<DiskState>);

#[derive(Default)]
struct DiskState {
    bytes: StdMutex<Vec<u8>>,
    full: AtomicBool,
    /// Writes hang as long as this is set.
    hangs: AtomicBool,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while self.0.hangs.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        if self.0.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // Half a line at a time: the writer has to come back for the rest.
        let some = &bytes[..bytes.len().min(100)];
        self.0.bytes.lock().unwrap().extend_from_slice(some);
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Disk {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk {
    fn log(&self) -> AuditLog {
        self.log_with(quick())
    }

    fn log_with(&self, settings: Settings) -> AuditLog {
        let disk = self.clone();
        let open: Open = Arc::new(move || Ok(Box::new(disk.clone())));
        AuditLog::open_with(open, clock(), settings).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        lines(&self.0.bytes.lock().unwrap())
    }
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Runs one trail and gives back its record.
async fn record(run: impl AsyncFnOnce(Trail)) -> Value {
    let disk = Disk::default();
    let log = disk.log();
    run(log.begin(&arrival(&log)).unwrap()).await;
    log.shutdown().await.unwrap();
    let mut lines = disk.lines();
    assert_eq!(lines.len(), 1, "exactly one record");
    lines.remove(0)
}

fn response(status: u16, body: Body) -> Response<Body> {
    Response::builder().status(status).body(body).unwrap()
}

fn frames(frames: Vec<Result<&'static str, BodyError>>) -> Body {
    let frames = frames.into_iter().map(|frame| frame.map(Bytes::from));
    Frames::new(frames).boxed_unsync()
}

/// Reads a body as a server does, until it ends or breaks off.
async fn read(response: Response<Body>) {
    let mut body = response.into_body();
    while let Some(Ok(_)) = body.frame().await {}
}

/// Waits until writing works (or does not).
async fn until_healthy(log: &AuditLog, wanted: bool) {
    log.health().wait_for(|healthy| *healthy == wanted).await.unwrap();
}

// ---- What is in a record ----

#[tokio::test]
async fn a_served_request_leaves_one_complete_record() {
    let mut record = record(async |mut trail: Trail| {
        trail.generation("7f3a");
        trail.claim(&Claim::Anonymous, Some(PayloadMode::Unsigned));
        trail.auth(AuthMethod::SigV4Header);
        trail.principal(&Principal::for_test(
            PrincipalKind::User,
            "okta:ana@acme.com",
            &["okta:analysts"],
        ));
        trail.operation(&operation(
            Api::GetObject,
            vec![("versionId", "v1".into())],
            vec![("range", "bytes=0-9")],
        ));
        trail.decided(allow());
        trail.target(TargetInfo {
            name: "store".into(),
            endpoint: "127.0.0.1:9000".into(),
            region: "us-east-1".into(),
            ..TargetInfo::default()
        });
        trail.sending();
        let ids = TargetIds {
            request_id: Some("UPSTREAM1"),
            extended_id: Some("extended+/="),
        };
        trail.answered(206, ids);
        read(trail.follow(response(206, full("0123456789")))).await;
    })
    .await;
    for unstable in ["/duration_ms", "/upstream_ttfb_ms"] {
        assert!(
            record.pointer_mut(unstable).unwrap().take().is_u64(),
            "{unstable}"
        );
    }
    for unique in ["/request_id", "/event_id", "/instance"] {
        let id = record.pointer_mut(unique).unwrap().take();
        assert!(id.as_str().unwrap().parse::<Ulid>().is_ok(), "{unique}");
    }
    let expected = serde_json::json!({
        "v": 1, "type": "request", "time": "2026-11-20T10:00:00.123Z", "duration_ms": null,
        "upstream_ttfb_ms": null, "request_id": null, "event_id": null, "instance": null, "seq": 1,
        "actor": {
            "kind": "user", "id": "okta:ana@acme.com", "issuer": "https://issuer.test", "sub": "okta:ana@acme.com",
            "groups": ["okta:analysts"], "tags": {"team": "blue"}, "session_id": "test", "session_issued": "1970-01-01T00:00:00Z",
            "session_expires": "9999-12-30T22:00:00Z", "access_key_id": "TGIATEST",
        },
        "client": {
            "ip": "203.0.113.9", "port": 4711, "user_agent": "aws-cli/2", "tls": "TLSv1.3",
            "auth": "sigv4-header", "payload": "unsigned",
        },
        "api": { "protocol": "s3", "operation": "GetObject", "read_only": true },
        "resource": { "bucket": "lake", "key": "raw/ä.csv", "version_id": "v1" },
        "request": { "method": "GET", "range": "bytes=0-9" },
        "decision": {
            "effect": "allow", "reason": "permit", "actions": ["GetObjectVersion"], "policies": ["readers"], "policy_version": "sha256:9f2c", "us": 19,
        },
        "generation": "7f3a",
        "response": {
            "status": 206, "bytes_in": 0, "bytes_out": 10, "aborted": false, "end_reason": "complete",
        },
        "target": {
            "name": "store", "endpoint": "127.0.0.1:9000", "region": "us-east-1", "status": 206,
            "request_id": "UPSTREAM1", "extended_id": "extended+/=", "attribution": "okta=ana@acme.com",
        },
    });
    assert_eq!(record, expected);
}

#[tokio::test]
async fn every_request_to_the_target_is_listed_with_its_ids() {
    let target = || TargetInfo {
        name: "store".into(),
        credential_version: Some("7".into()),
        ..TargetInfo::default()
    };
    let ids = |id: &'static str| TargetIds {
        request_id: Some(id),
        extended_id: None,
    };
    let once_more = record(async |mut trail: Trail| {
        trail.target(target());
        trail.sending();
        trail.answered(403, ids("A"));
        trail.target(target());
        trail.sending();
        trail.target(target());
        trail.sending();
        trail.answered(200, ids("C"));
        trail.close(200);
    })
    .await;
    assert_eq!(
        once_more["target"],
        serde_json::json!({
            "name": "store", "endpoint": "", "region": "", "status": 200, "request_id": "C", "credential_version": "7",
            "earlier": [{ "status": 403, "request_id": "A" }, {}],
        })
    );
    let many = record(async |mut trail: Trail| {
        trail.target(target());
        for _ in 0..100 {
            trail.sending();
            trail.answered(200, ids("A"));
        }
        trail.close(200);
    })
    .await;
    assert_eq!(many["target"]["earlier"].as_array().unwrap().len(), 64, "bounded");
    assert_eq!(many["target"]["requests"], 100, "and it says so");
}

#[tokio::test]
async fn fields_stand_in_the_order_of_the_schema() {
    let disk = Disk::default();
    let log = disk.log();
    log.begin(&arrival(&log)).unwrap().close(400);
    log.shutdown().await.unwrap();
    let line = String::from_utf8(disk.0.bytes.lock().unwrap().clone()).unwrap();
    let order = [
        "v",
        "type",
        "time",
        "request_id",
        "seq",
        "client",
        "api",
        "decision",
        "response",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|field| line.find(&format!("\"{field}\":")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{line}");
}

#[tokio::test]
async fn an_upload_records_its_bytes_tags_encryption_and_part() {
    let record = record(async |mut trail: Trail| {
        let headers = vec![
            ("x-amz-tagging", "retention=7y&team=a%20b"),
            ("x-amz-server-side-encryption", "aws:kms"),
        ];
        trail.operation(&operation(
            Api::PutObject,
            vec![("partNumber", "7".into())],
            headers,
        ));
        trail.decided(allow());
        trail.bytes_in().fetch_add(1 << 33, Ordering::Relaxed);
        trail.close(200);
    })
    .await;
    assert_eq!(
        record["request"]["object_tags"],
        serde_json::json!({"retention": "7y", "team": "a b"})
    );
    assert_eq!(record["request"]["sse"], "aws:kms");
    assert_eq!(
        record["decision"]["actions"],
        serde_json::json!(["PutObject", "PutObjectTagging"])
    );
    assert_eq!(record["resource"]["part"], 7);
    assert_eq!(record["response"]["bytes_in"], 1_u64 << 33);
    assert_eq!(record["api"]["read_only"], false);
}

#[tokio::test]
async fn the_issue_of_a_session_is_of_type_auth() {
    let record = record(async |mut trail: Trail| {
        trail.kind(Kind::Auth);
        trail.auth(AuthMethod::WebIdentity);
        trail.call("sts", "AssumeRoleWithWebIdentity", false);
        trail.refused(
            400,
            "ExpiredTokenException",
            Reason::Expired,
            &io::Error::other("the token has expired"),
        );
        trail.close(400);
    })
    .await;
    assert_eq!(record["type"], "auth");
    assert_eq!(record["api"]["protocol"], "sts");
    assert_eq!(
        record["decision"],
        serde_json::json!({"effect": "deny", "reason": "expired"})
    );
    assert_eq!(record["response"]["error_code"], "ExpiredTokenException");
    assert_eq!(record["cause"], "the token has expired");
}

#[tokio::test]
async fn a_session_that_was_issued_is_allowed() {
    let record = record(async |mut trail: Trail| {
        trail.kind(Kind::Auth);
        trail.call("sts", "AssumeRoleWithWebIdentity", false);
        trail.authenticated();
        trail.close(200);
    })
    .await;
    assert_eq!(
        record["decision"],
        serde_json::json!({"effect": "allow", "reason": "authenticated"})
    );
}

#[tokio::test]
async fn a_failure_at_the_target_keeps_the_decision_that_allowed_it() {
    let record = record(async |mut trail: Trail| {
        trail.decided(allow());
        trail.refused(
            503,
            "SlowDown",
            Reason::Unavailable,
            &io::Error::other("connection refused"),
        );
        read(trail.follow(response(503, full("<Error/>")))).await;
    })
    .await;
    assert_eq!(record["decision"]["effect"], "allow");
    assert_eq!(record["response"]["status"], 503);
    assert_eq!(record["response"]["error_code"], "SlowDown");
    assert_eq!(record["response"]["bytes_out"], 8);
}

#[tokio::test]
async fn an_answer_that_nobody_decided_is_recorded_as_a_defect() {
    let record = record(async |trail: Trail| trail.close(200)).await;
    assert_eq!(
        record["decision"],
        serde_json::json!({"effect": "error", "reason": "internal"})
    );
}

// ---- How it ends: AUD-06 ----

#[tokio::test]
async fn every_way_to_end_leaves_one_record_that_says_so() {
    async fn check(body: fn() -> Body, frames: usize, expected: &str, bytes: u64) {
        let record = record(async |mut trail: Trail| {
            trail.decided(allow());
            let mut body = trail.follow(response(200, body())).into_body();
            for _ in 0..frames {
                let _ = body.frame().await;
            }
        })
        .await;
        assert_eq!(record["response"]["end_reason"], expected);
        assert_eq!(record["response"]["bytes_out"], bytes);
        assert_eq!(record["response"]["aborted"], expected != "complete");
    }
    check(|| full("abc"), 2, "complete", 3).await;
    check(|| full("abc"), 1, "complete", 3).await;
    check(|| full("abc"), 0, "caller-went-away", 0).await;
    check(|| full(""), 0, "complete", 0).await;
    check(|| frames(vec![Ok("ab"), Ok("cd")]), 3, "complete", 4).await;
    check(|| frames(vec![Ok("ab"), Ok("cd")]), 1, "caller-went-away", 2).await;
    check(
        || frames(vec![Ok("ab"), Err(BodyError::Target("reset".into()))]),
        2,
        "target-broke-off",
        2,
    )
    .await;
    check(
        || frames(vec![Err(BodyError::Caller("gone".into()))]),
        1,
        "caller-went-away",
        0,
    )
    .await;
    check(
        || frames(vec![Err(PayloadError::Sha256Mismatch.into())]),
        1,
        "payload-refused",
        0,
    )
    .await;
    check(
        || frames(vec![Err(BodyError::Stalled(Duration::from_secs(60)))]),
        1,
        "stalled",
        0,
    )
    .await;
}

#[tokio::test]
async fn a_body_that_ends_before_its_declared_length_is_not_complete() {
    let record = record(async |mut trail: Trail| {
        trail.decided(allow());
        let mut response = response(200, frames(vec![Ok("abc")]));
        response.headers_mut().insert("content-length", 4.into());
        read(trail.follow(response)).await;
    })
    .await;
    assert_eq!(record["response"]["end_reason"], "target-broke-off");
}

#[tokio::test]
async fn a_server_that_stops_at_the_declared_length_has_sent_everything() {
    let record = record(async |mut trail: Trail| {
        trail.decided(allow());
        let mut response = response(200, frames(vec![Ok("abc"), Ok("never asked for")]));
        response.headers_mut().insert("content-length", 3.into());
        let _ = trail.follow(response).into_body().frame().await;
    })
    .await;
    assert_eq!(record["response"]["end_reason"], "complete");
}

#[tokio::test]
async fn answers_without_a_body_end_at_once() {
    let disk = Disk::default();
    let log = disk.log();
    let head = Arrival {
        method: "HEAD",
        ..arrival(&log)
    };
    let a = log
        .begin(&head)
        .unwrap()
        .follow(response(200, frames(vec![Ok("never read")])));
    let b = log
        .begin(&arrival(&log))
        .unwrap()
        .follow(response(304, frames(vec![Ok("never read")])));
    log.shutdown().await.unwrap();
    assert!(
        disk.lines()
            .iter()
            .all(|line| line["response"]["end_reason"] == "complete")
    );
    assert_eq!(disk.lines().len(), 2);
    drop((a, b));
}

#[tokio::test]
async fn a_dropped_trail_is_recorded_as_aborted() {
    let record = record(async |trail: Trail| drop(trail)).await;
    assert_eq!(record["response"]["end_reason"], "aborted");
    assert_eq!(record["decision"]["effect"], "error");
    assert!(record["response"].get("status").is_none());
}

#[tokio::test]
async fn a_panic_is_recorded() {
    let record = record(async |trail: Trail| {
        let task = tokio::spawn(async move {
            let _trail = trail;
            panic!("a defect");
        });
        assert!(task.await.is_err());
    })
    .await;
    assert_eq!(record["response"]["end_reason"], "panic");
    assert_eq!(record["decision"]["reason"], "internal");
}

// ---- When it cannot be recorded: AUD-02 ----

#[tokio::test]
async fn a_full_disk_stops_new_requests_and_loses_no_record() {
    let disk = Disk::default();
    let log = disk.log();
    let early = log.begin(&arrival(&log)).unwrap();
    disk.0.full.store(true, Ordering::SeqCst);
    log.begin(&arrival(&log)).unwrap().close(200);
    until_healthy(&log, false).await;
    assert!(!log.is_healthy());
    assert_eq!(log.begin(&arrival(&log)).unwrap_err(), AuditUnavailable::Failing);
    early.close(204);
    disk.0.full.store(false, Ordering::SeqCst);
    until_healthy(&log, true).await;
    log.begin(&arrival(&log)).unwrap().close(200);
    log.shutdown().await.unwrap();
    let seqs: Vec<_> = disk
        .lines()
        .iter()
        .map(|line| line["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [1, 2, 3], "in order, once each");
    let counters = log.counters();
    assert_eq!((counters.written, counters.refused, counters.pending), (3, 1, 0));
    assert!(counters.failures >= 1);
}

#[tokio::test]
async fn a_device_without_space_is_not_mistaken_for_a_log() {
    let log = AuditLog::open_with(file::opener(Path::new("/dev/full")).unwrap(), clock(), quick()).unwrap();
    log.begin(&arrival(&log)).unwrap().close(200);
    until_healthy(&log, false).await;
    assert_eq!(log.begin(&arrival(&log)).unwrap_err(), AuditUnavailable::Failing);
    assert!(matches!(log.shutdown().await, Err(AuditError::Lost(1))));
}

#[tokio::test]
async fn a_write_that_hangs_stops_new_requests() {
    let disk = Disk::default();
    let log = disk.log();
    disk.0.hangs.store(true, Ordering::SeqCst);
    log.begin(&arrival(&log)).unwrap().close(200);
    // Only time can make a write late; the limit of the test is 50 ms.
    while log.available().is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.begin(&arrival(&log)).unwrap_err(), AuditUnavailable::Stalled);
    disk.0.hangs.store(false, Ordering::SeqCst);
    while log.available().is_err() {
        tokio::task::yield_now().await;
    }
    log.begin(&arrival(&log)).unwrap().close(200);
    log.shutdown().await.unwrap();
    assert_eq!(disk.lines().len(), 2);
}

#[tokio::test]
async fn a_full_queue_refuses_new_requests_but_takes_every_open_one() {
    let disk = Disk::default();
    let log = disk.log_with(Settings {
        capacity: 3,
        ..quick()
    });
    let open: Vec<_> = (0..3).map(|_| log.begin(&arrival(&log)).unwrap()).collect();
    assert_eq!(log.begin(&arrival(&log)).unwrap_err(), AuditUnavailable::Full);
    assert_eq!(log.counters().pending, 3);
    open.into_iter().for_each(|trail| trail.close(200));
    log.shutdown().await.unwrap();
    assert_eq!(disk.lines().len(), 3);
}

#[tokio::test]
async fn shutdown_waits_for_open_trails_and_then_takes_no_more() {
    let disk = Disk::default();
    let log = disk.log_with(Settings {
        patience: Duration::from_secs(60),
        ..quick()
    });
    let trail = log.begin(&arrival(&log)).unwrap();
    let ending = tokio::spawn({
        let log = log.clone();
        async move { log.shutdown().await }
    });
    while log.is_healthy() {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.begin(&arrival(&log)).unwrap_err(), AuditUnavailable::Closed);
    trail.close(200);
    ending.await.unwrap().unwrap();
    assert_eq!(disk.lines().len(), 1);
    assert!(matches!(log.shutdown().await, Err(AuditError::Closed)));
}

#[tokio::test]
async fn a_trail_that_never_ends_does_not_keep_the_process() {
    let disk = Disk::default();
    let log = disk.log();
    let _leaked = log.begin(&arrival(&log)).unwrap();
    log.begin(&arrival(&log)).unwrap().close(200);
    assert!(matches!(log.shutdown().await, Err(AuditError::Lost(1))));
    assert_eq!(disk.lines().len(), 1);
}

// ---- The file ----

#[tokio::test]
async fn the_file_and_its_folder_are_made_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/audit.jsonl");
    let log = AuditLog::open(&path, clock()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"", "nothing is written yet");
    log.begin(&arrival(&log)).unwrap().close(200);
    log.shutdown().await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(lines(&std::fs::read(&path).unwrap()).len(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_an_error_at_start() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        AuditLog::open(folder.path(), clock()),
        Err(AuditError::Open { .. })
    ));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(
        AuditLog::open(&file.join("x"), clock()),
        Err(AuditError::Folder { .. })
    ));
}

#[tokio::test]
async fn a_rotated_file_is_left_and_a_new_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("audit.jsonl"), folder.path().join("audit.1"));
    let log = AuditLog::open(&path, clock()).unwrap();
    log.begin(&arrival(&log)).unwrap().close(200);
    while log.counters().written < 1 {
        tokio::task::yield_now().await;
    }
    std::fs::rename(&path, &old).unwrap();
    log.reopen().await.unwrap();
    log.begin(&arrival(&log)).unwrap().close(200);
    log.shutdown().await.unwrap();
    let seq = |path: &Path| {
        lines(&std::fs::read(path).unwrap())
            .iter()
            .map(|l| l["seq"].as_u64())
            .collect::<Vec<_>>()
    };
    assert_eq!((seq(&old), seq(&path)), (vec![Some(1)], vec![Some(2)]));
    assert!(matches!(log.reopen().await, Err(AuditError::Closed)));
}

#[tokio::test]
async fn reopening_elsewhere_ends_an_outage_and_keeps_what_waited() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let log = AuditLog::open_with(file::opener(&path).unwrap(), clock(), quick()).unwrap();
    log.begin(&arrival(&log)).unwrap().close(200);
    until_healthy(&log, false).await;
    std::fs::remove_file(&path).unwrap();
    log.reopen().await.unwrap();
    until_healthy(&log, true).await;
    log.shutdown().await.unwrap();
    assert_eq!(lines(&std::fs::read(&path).unwrap()).len(), 1);
}

#[tokio::test]
async fn a_line_that_a_crash_tore_does_not_spoil_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::fs::write(&path, "{\"v\":1}\n{\"v\":1,\"ty").unwrap();
    let log = AuditLog::open(&path, clock()).unwrap();
    log.begin(&arrival(&log)).unwrap().close(200);
    log.shutdown().await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let parsed: Vec<bool> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).is_ok())
        .collect();
    assert_eq!(parsed, [true, false, true]);
}

// ---- What must not be in it ----

#[tokio::test]
async fn no_secret_of_any_input_is_in_the_record() {
    // AUD-05
    let disk = Disk::default();
    let log = disk.log();
    let agent = format!("curl/8 Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.{CANARY}.{CANARY}");
    let mut trail = log
        .begin(&Arrival {
            user_agent: Some(&agent),
            ..arrival(&log)
        })
        .unwrap();
    let claim = SignatureClaim {
        form: SignatureForm::Presigned {
            expires: Duration::from_secs(60),
        },
        access_key_id: CANARY.into(),
        scope: CredentialScope {
            date: CANARY.into(),
            region: CANARY.into(),
            service: CANARY.into(),
        },
        signed_at: Timestamp::UNIX_EPOCH,
        signed_at_text: CANARY.into(),
        session_token: Some(CANARY.into()),
        signs: Signs::CanonicalRequest([0xcc; 32]),
        signature: [0xdd; 32],
    };
    trail.claim(
        &Claim::Signature(Box::new(claim)),
        Some(PayloadMode::Literal([0xee; 32])),
    );
    let key = "x-amz-server-side-encryption-customer-key";
    let headers = vec![
        (key, CANARY),
        ("x-amz-server-side-encryption-customer-key-md5", CANARY),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
    ];
    trail.operation(&operation(
        Api::UploadPart,
        vec![("uploadId", CANARY.into()), ("partNumber", "1".into())],
        headers,
    ));
    let words = format!("STS answered `{CANARY}` for signature {}", "ab".repeat(32));
    trail.refused(
        403,
        "SignatureDoesNotMatch",
        Reason::BadSignature,
        &io::Error::other(words),
    );
    trail.close(403);
    log.shutdown().await.unwrap();
    let line = String::from_utf8(disk.0.bytes.lock().unwrap().clone()).unwrap();
    for secret in [CANARY, "eyJhbGci", "cccccccc", "dddddddd", "eeeeeeee", "abababab"] {
        assert!(!line.contains(secret), "{secret} in {line}");
    }
    let record = &disk.lines()[0];
    assert_eq!(record["client"]["auth"], "presigned");
    assert_eq!(record["request"]["sse"], "customer");
    assert_eq!(record["resource"]["upload_id"].as_str().unwrap().len(), 16);
    assert_eq!(
        record["cause"],
        "STS answered `[redacted]` for signature [redacted]"
    );
}

#[test]
fn ordinary_words_are_kept_and_secrets_are_not() {
    for kept in [
        "cannot read `/etc/tidegate/secrets/session-keys.toml`",
        "aws-sdk-java/2.20.160 Linux/5.15.0-1051-aws OpenJDK_64-Bit_Server_VM/17.0.9+9-LTS",
        "request 01JD5W2V3N8Q4T6Y7Z9A0B1C2D at https://sts.eu-central-1.amazonaws.com",
        "etl@acme-data-platform.iam.gserviceaccount.com",
    ] {
        assert_eq!(&*redact::scrub(kept, 1024), kept);
    }
    for secret in [
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ] {
        assert_eq!(&*redact::scrub(secret, 1024), "[redacted]", "{secret}");
    }
}

#[tokio::test]
async fn nothing_in_a_record_moves_a_cursor_or_hides() {
    // AUD-04
    let nasty = "\u{1b}[2K\r\n{\"v\":1}\u{7f}\u{9b}31m\u{202e}fdp\u{2066}\u{2028}\u{200f}\u{feff}é\u{1f600}";
    let disk = Disk::default();
    let log = disk.log();
    let trail = log
        .begin(&Arrival {
            user_agent: Some(nasty),
            ..arrival(&log)
        })
        .unwrap();
    trail.close(400);
    log.shutdown().await.unwrap();
    let line = String::from_utf8(disk.0.bytes.lock().unwrap().clone()).unwrap();
    assert_eq!(line.matches('\n').count(), 1);
    let seen = line.trim_end_matches('\n');
    assert!(
        seen.chars()
            .all(|c| c == 'é' || c == '\u{1f600}' || (' '..='~').contains(&c)),
        "{seen}"
    );
    assert!(
        seen.contains("\\u202efdp") && seen.contains("\\u007f\\u009b31m"),
        "{seen}"
    );
    assert_eq!(
        disk.lines()[0]["client"]["user_agent"],
        nasty,
        "escaped, not changed"
    );
}

#[test]
fn a_hundred_thousand_naughty_records_are_a_hundred_thousand_lines() {
    // AUD-04
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let pieces = [
        "\0",
        "\u{1b}]0;",
        "\r",
        "\n",
        "\"",
        "\\",
        "\\u0000",
        "\u{85}",
        "\u{2029}",
        "</script>",
        "{{}}",
        "𝔘",
        "e\u{301}",
    ];
    let (slots, mut records) = mpsc::channel::<Box<Record>>(1);
    let mut out = Vec::new();
    for n in 0..100_000_u32 {
        let mut text = String::new();
        for _ in 0..next() % 8 {
            let any = char::from_u32((next() % 0x11_0000) as u32).unwrap_or('\u{fffd}');
            text.push(any);
            text.push_str(pieces[(next() % pieces.len() as u64) as usize]);
        }
        let slot = slots.clone().try_reserve_owned().unwrap();
        let arrival = Arrival {
            peer: "127.0.0.1:1".parse().unwrap(),
            tls: &text,
            method: &text,
            user_agent: Some(&text),
            request_id: Ulid::from(u128::from(n)),
        };
        let mut trail = Trail::open(slot, &arrival, Timestamp::UNIX_EPOCH);
        trail.refused(400, &text, Reason::Malformed, &io::Error::other(text.clone()));
        drop(trail);
        let record = records.try_recv().unwrap();
        out.clear();
        record.write_line(&mut out);
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
        assert!(out.iter().all(|b| *b == b'\n' || *b >= 0x20));
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["response"]["error_code"], *text);
    }
}
