//! Logs as providers write them, against records as we write them.

use super::*;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::io::Write as _;

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
domains = ["localhost"]
[server.tls]
certificate = "certs/server.pem"
key = "certs/server.key"
[admin]
listen = "127.0.0.1:0"
[sessions]
keys = "secrets/session-keys.toml"
[audit]
file = "audit/audit.jsonl"
[[issuers]]
name = "idp"
issuer = "https://idp.test"
audiences = ["https://s3.test"]
kind = "workload"
[targets.store]
kind = "s3"
endpoint = "https://s3.eu-west-2.amazonaws.com"
region = "eu-west-2"
credentials = { kind = "static", access_key_id = "env:A", secret_access_key = "env:B" }
[targets.google]
kind = "gcs-xml"
credentials = { kind = "access-token", token = "file:secrets/token" }
[buckets.lake]
target = "store"
bucket = "acme-lake-prod"
[buckets.team]
target = "store"
bucket = "acme-shared"
prefix = "teams/a/"
[buckets.gcs]
target = "google"
bucket = "acme-gcs"
prefix = "lake/"
"#;

/// A time of the day that all of this is about.
fn at(text: &str) -> String {
    format!("2026-11-22T{text}Z")
}

fn ulid(n: u32) -> String {
    Ulid::from_parts(1_795_000_000_000, n.into()).to_string()
}
use ulid::Ulid;

/// Two logs and what is asked about them.
struct Case {
    folder: tempfile::TempDir,
    question: Question,
    log: Vec<u8>,
    records: Vec<Value>,
    memory: usize,
}

/// What came of it.
struct Told {
    outcome: Outcome,
    findings: Vec<Value>,
    summary: Value,
}

impl Told {
    /// Kind, bucket and key of each finding.
    fn briefly(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let one = |f: &Value| [&f["kind"], &f["bucket"], &f["key"]].map(text).join(" ");
        self.findings.iter().map(one).collect()
    }

    #[track_caller]
    fn is(&self, outcome: Outcome, findings: &[&str]) -> &Self {
        assert_eq!(self.briefly(), findings, "{:#}", self.summary);
        assert_eq!(self.outcome, outcome, "{:#}", self.summary);
        self
    }

    #[track_caller]
    fn counts(&self, pointer: &str, count: u64) -> &Self {
        assert_eq!(
            self.summary.pointer(pointer),
            Some(&json!(count)),
            "{pointer} {:#}",
            self.summary
        );
        self
    }
}

impl Case {
    fn new(provider: Provider) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("audit")).unwrap();
        std::fs::write(folder.path().join("tidegate.toml"), CONFIG).unwrap();
        let question = Question {
            provider,
            log: vec![folder.path().join("log")],
            audit: Vec::new(),
            from: None,
            to: None,
            delay: SignedDuration::from_mins(15),
            targets: Vec::new(),
            unmapped: false,
            complete: false,
            work_dir: folder.path().to_path_buf(),
            json: true,
        };
        Self {
            folder,
            question,
            log: Vec::new(),
            records: Vec::new(),
            memory: 1 << 20,
        }
    }

    /// A record of a request on `bucket/key`, to which the target answered 200 with the id.
    fn record(&mut self, n: u32, time: &str, operation: &str, resource: &str, id: &str) -> &mut Value {
        let (bucket, key) = resource.split_once('/').unwrap();
        let target = match bucket {
            "gcs" => "google",
            _ => "store",
        };
        let mut resource = json!({ "bucket": bucket });
        if !key.is_empty() {
            resource["key"] = json!(key);
        }
        let read = ["Get", "Head", "List"]
            .iter()
            .any(|verb| operation.starts_with(verb));
        self.records.push(json!({
            "v": 1, "type": "request", "time": at(time), "duration_ms": 20, "request_id": ulid(n),
            "actor": { "kind": "workload", "id": "idp:etl" }, "api": { "protocol": "s3", "operation": operation, "read_only": read },
            "resource": resource, "request": { "method": "GET" }, "decision": { "effect": "allow", "reason": "permit" },
            "response": { "status": 200, "bytes_in": 0, "bytes_out": 0, "aborted": false, "end_reason": "complete" },
            "target": { "name": target, "endpoint": "x", "region": "y", "status": 200, "request_id": id, "attribution": "idp=etl" },
        }));
        self.records.last_mut().unwrap()
    }

    fn line(&mut self, line: impl AsRef<[u8]>) {
        self.log.extend_from_slice(line.as_ref());
        self.log.push(b'\n');
    }

    fn run(&self) -> Told {
        let (outcome, text) = self.print(true).unwrap();
        let mut findings: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let summary = findings.pop().unwrap()["summary"].take();
        Told {
            outcome,
            findings,
            summary,
        }
    }

    fn print(&self, json: bool) -> Result<(Outcome, String), ReconcileError> {
        let path = |name: &str| self.folder.path().join(name);
        if self.question.log == [path("log")] {
            std::fs::write(path("log"), &self.log).unwrap();
        }
        let records: Vec<String> = self.records.iter().map(|record| format!("{record}\n")).collect();
        std::fs::write(path("audit/audit.jsonl"), records.concat()).unwrap();
        let config = crate::config::load(&path("tidegate.toml")).unwrap();
        let question = Question {
            json,
            ..self.question.clone()
        };
        let mut out = Vec::new();
        let outcome = run_within(&question, &config, &Clock::system(), &mut out, self.memory)?;
        let left = std::fs::read_dir(&self.question.work_dir).unwrap();
        let left = left.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("tidegate-reconcile")
        });
        assert_eq!(left.count(), 0, "nothing stays behind");
        Ok((outcome, String::from_utf8(out).unwrap()))
    }
}

fn agent(n: u32) -> String {
    format!("tidegate/0.1.0 tidegate-request/{}", ulid(n))
}

/// A data event as CloudTrail delivers it.
fn event(time: &str, name: &str, resource: &str, id: &str, agent: &str) -> Value {
    let (bucket, key) = resource.split_once('/').unwrap();
    let mut parameters =
        json!({ "bucketName": bucket, "Host": format!("{bucket}.s3.eu-west-2.amazonaws.com") });
    if !key.is_empty() {
        parameters["key"] = json!(key);
    }
    let read_only = ["Get", "Head", "List"].iter().any(|verb| name.starts_with(verb));
    let role = "arn:aws:sts::111122223333:assumed-role/Admin/bob";
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole", "principalId": "AROAEXAMPLE:bob", "arn": role, "accountId": "111122223333",
            "accessKeyId": "ASIAEXAMPLE",
            "sessionContext": { "sessionIssuer": { "type": "Role", "arn": "arn:aws:iam::111122223333:role/Admin" } },
        },
        "eventTime": at(time), "eventSource": "s3.amazonaws.com", "eventName": name, "awsRegion": "eu-west-2",
        "sourceIPAddress": "198.51.100.7", "userAgent": format!("[{agent}]"), "requestParameters": parameters,
        "responseElements": null,
        "additionalEventData": { "SignatureVersion": "SigV4", "x-amz-id-2": "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuN=", "bytesTransferredOut": 7 },
        "requestID": id, "eventID": format!("event-{id}-{key}-{time}"),
        "readOnly": read_only,
        "resources": [
            { "type": "AWS::S3::Object", "ARN": format!("arn:aws:s3:::{bucket}/{key}") },
            { "accountId": "111122223333", "type": "AWS::S3::Bucket", "ARN": format!("arn:aws:s3:::{bucket}") },
        ],
        "eventType": "AwsApiCall", "managementEvent": false, "recipientAccountId": "111122223333", "eventCategory": "Data",
    })
}

/// Ten requests of ours, all of them logged, from ten to twenty past ten.
fn quiet_day() -> Case {
    let mut case = Case::new(Provider::CloudTrail);
    let mut events = Vec::new();
    for n in 10..20 {
        let (time, id) = (format!("10:{n}:00"), format!("ID{n}"));
        let name = if n % 2 == 0 { "GetObject" } else { "PutObject" };
        case.record(n, &time, name, "lake/raw/x", &id);
        events.push(event(&time, name, "acme-lake-prod/raw/x", &id, &agent(n)));
    }
    // The log is known to have been written long after that.
    events.push(event("12:00:00", "GetObject", "elsewhere/x", "ID99", "aws-cli/2"));
    events.push(json!({ "eventTime": at("12:00:00"), "eventSource": "iam.amazonaws.com", "eventName": "GetRole", "eventID": "i" }));
    case.log = json!({ "Records": events }).to_string().into_bytes();
    case
}

// A clean day is clean, however the log is delivered.
#[test]
fn logs_that_say_the_same_are_clean() {
    let mut case = quiet_day();
    let told = case.run();
    told.is(Outcome::Clean, &[])
        .counts("/log/matched", 10)
        .counts("/records/logged", 10);
    told.counts("/log/elsewhere", 2).counts("/log/entries", 12);
    assert_eq!(
        told.summary["records"]["judged"],
        json!({ "from": at("10:10:00"), "to": at("10:19:00") })
    );

    // One on each line, twice, in another order, packed, in two files of a folder.
    let document: Value = serde_json::from_slice(&case.log).unwrap();
    let mut lines: Vec<String> = document["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| format!("{e}\n"))
        .collect();
    lines.reverse();
    let folder = case.folder.path().join("delivered");
    std::fs::create_dir(&folder).unwrap();
    let mut packed = GzEncoder::new(
        std::fs::File::create(folder.join("a.json.gz")).unwrap(),
        Compression::fast(),
    );
    packed.write_all(lines.concat().as_bytes()).unwrap();
    packed.finish().unwrap();
    std::fs::write(folder.join("b.json"), &case.log).unwrap();
    case.question.log = vec![folder];
    for memory in [1 << 20, 2048] {
        case.memory = memory;
        let told = case.run();
        told.is(Outcome::Clean, &[])
            .counts("/log/matched", 10)
            .counts("/log/duplicates", 10);
    }
}

#[test]
fn a_request_around_the_proxy_is_found_with_who_and_where() {
    let mut case = quiet_day();
    case.line("");
    case.line(
        event(
            "10:15:30",
            "DeleteObject",
            "acme-lake-prod/raw/\u{202e}y",
            "FOREIGN",
            "aws-cli/2",
        )
        .to_string(),
    );
    let told = case.run();
    told.is(Outcome::Findings, &["unrecorded acme-lake-prod raw/\u{202e}y"]);
    assert_eq!(
        told.findings[0],
        json!({
            "kind": "unrecorded", "time": at("10:15:30"), "bucket": "acme-lake-prod", "key": "raw/\u{202e}y",
            "operation": "DeleteObject", "principal": "arn:aws:sts::111122223333:assumed-role/Admin/bob",
            "source": "198.51.100.7", "target_request_id": "FOREIGN",
        })
    );
    let (_, text) = case.print(false).unwrap();
    assert!(
        text.starts_with(
            "unrecorded   2026-11-22T10:15:30Z DeleteObject acme-lake-prod/raw/\\u{202e}y by \
             arn:aws:sts::111122223333:assumed-role/Admin/bob from 198.51.100.7 (the target's request FOREIGN)\nlog: "
        ),
        "{text}"
    );
    assert!(text.ends_with("not clean\n"), "{text}");
    // Not in the time that is asked about.
    case.question.to = Some(at("10:15:00").parse().unwrap());
    case.run()
        .is(Outcome::Clean, &[])
        .counts("/log/outside_from_to", 6);
}

// Whoever reads by an access point, or has the bucket only among the resources.
#[test]
fn a_bucket_is_found_among_the_resources() {
    let mut case = quiet_day();
    let mut by_access_point = event("10:15:30", "GetObject", "acme-lake-prod/raw/y", "A", "aws-cli/2");
    by_access_point["requestParameters"]["bucketName"] =
        json!("arn:aws:s3:eu-west-2:111122223333:accesspoint/ap");
    let mut denied = event("10:15:31", "GetObject", "acme-lake-prod/raw/z", "B", "aws-cli/2");
    denied["requestParameters"] = Value::Null;
    denied["userIdentity"] =
        json!({ "type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL" });
    case.line("");
    case.line(json!([by_access_point, denied]).to_string());
    let told = case.run();
    told.is(
        Outcome::Findings,
        &[
            "unrecorded acme-lake-prod raw/y",
            "unrecorded acme-lake-prod raw/z",
        ],
    );
    assert_eq!(told.findings[1]["principal"], "AWSAccount ANONYMOUS_PRINCIPAL");
}

/// A copy as CloudTrail has it: an event on the destination.
fn copy(to: &str, source: &str, arns: &[&str], id: &str, agent: &str) -> Value {
    let mut event = event("10:15:30", "CopyObject", to, id, agent);
    event["requestParameters"]["x-amz-copy-source"] = json!(source);
    let resources = event["resources"].as_array_mut().unwrap();
    for arn in arns {
        let arn = format!("arn:aws:s3:::{arn}");
        resources.insert(0, json!({ "type": "AWS::S3::Object", "ARN": arn }));
    }
    event
}

// Whoever may read at the target can have the target carry data away.
#[test]
fn a_copy_out_of_a_mapped_prefix_is_found_wherever_it_goes() {
    let mut case = quiet_day();
    case.line("");
    let away = "elsewhere/stolen";
    for (n, (to, source, arns)) in [
        (
            away,
            "acme-shared/teams/a/1",
            &["acme-shared/teams/a/1", "acme-shared"][..],
        ),
        (away, "/acme-shared/teams%2Fa%2F2?versionId=7", &[]),
        (away, "acme-shared%2Fteams%2fa%2F3", &[]),
        ("acme-shared/teams/b/stolen", "acme-shared/teams/a/4", &[]),
        (
            away,
            "arn:aws:s3:eu-west-2:111122223333:accesspoint/ap/object/x",
            &["acme-shared/teams/a/5"],
        ),
        (
            away,
            "arn:aws:s3:eu-west-2:111122223333:accesspoint/ap/object/x",
            &["acme-shared"],
        ),
        // Nobody's business, however it is said.
        (
            away,
            "acme-shared/teams/b/x",
            &["acme-shared/teams/b/x", "acme-shared"],
        ),
        (away, "elsewhere/x", &[]),
    ]
    .into_iter()
    .enumerate()
    {
        case.line(copy(to, source, arns, &format!("COPY{n}"), "aws-cli/2").to_string());
    }
    let told = case.run();
    assert_eq!(told.outcome, Outcome::Findings);
    let mut found = told.briefly();
    found.sort_unstable();
    let expected = [
        "-",
        "teams/a/1",
        "teams/a/2",
        "teams/a/3",
        "teams/a/4",
        "teams/a/5",
    ];
    assert_eq!(found, expected.map(|key| format!("unrecorded acme-shared {key}")));
    let first = told.findings.iter().find(|f| f["key"] == "teams/a/1").unwrap();
    assert_eq!(first["request_on"], away);
    let (_, text) = case.print(false).unwrap();
    assert!(
        text.contains("the request is on elsewhere/stolen, the target's request COPY0"),
        "{text}"
    );

    // A copy of ours is one request, and one of what it reads: nothing else is expected of that bucket.
    let mut case = quiet_day();
    case.record(60, "10:15:30", "CopyObject", "lake/raw/copy", "OURS")["resource"]["copy_source"] =
        json!("team/1");
    case.line("");
    let arns = ["acme-shared/teams/a/1", "acme-shared"];
    case.line(
        copy(
            "acme-lake-prod/raw/copy",
            "acme-shared/teams/a/1",
            &arns,
            "OURS",
            &agent(60),
        )
        .to_string(),
    );
    case.run().is(Outcome::Clean, &[]).counts("/log/matched", 11);
}

#[test]
fn what_the_provider_did_not_log_is_found_where_it_ought_to_be_logged() {
    let mut case = quiet_day();
    case.record(30, "10:15:00", "PutObject", "lake/raw/lost", "LOST");
    // Not yet delivered, as far as anybody knows; at the end of what both cover.
    case.record(31, "11:50:00", "PutObject", "lake/raw/late", "LATE");
    // The log has no settings, and nothing of this bucket at all.
    case.record(32, "10:15:00", "GetBucketTagging", "lake/", "MANAGE");
    case.record(33, "10:15:00", "GetObject", "team/x", "TEAM");
    // It failed there, or nothing came back.
    case.record(34, "10:15:00", "PutObject", "lake/raw/failed", "FAILED")["target"]["status"] = json!(403);
    case.record(35, "10:15:00", "PutObject", "lake/raw/unknown", "?")["target"] = json!({ "name": "store" });
    // Never asked the target, of another provider, of a bucket that is gone.
    case.record(36, "10:15:00", "PutObject", "lake/raw/denied", "?")["target"] = Value::Null;
    case.record(37, "10:15:00", "PutObject", "gcs/x", "G");
    case.record(38, "10:15:00", "PutObject", "gone/x", "GONE");
    let told = case.run();
    told.is(Outcome::Findings, &["unlogged lake raw/lost"]);
    let finding = &told.findings[0];
    assert_eq!(
        (&finding["request_id"], &finding["principal"]),
        (&json!(ulid(30)), &json!("idp:etl"))
    );
    assert_eq!(finding["target_request_id"], "LOST");
    assert_eq!(
        told.summary["records"]["not_judged"],
        json!({
            "time": 1, "failed": 1, "not_mapped": 1, "kinds": [
                { "bucket": "acme-lake-prod", "kind": "settings", "count": 1 },
                { "bucket": "acme-shared", "kind": "reads", "count": 1 },
            ],
        })
    );
    assert_eq!(
        told.summary["records"]["judged"],
        json!({ "from": at("10:10:00"), "to": at("11:45:00") })
    );
    case.question.complete = true;
    let told = case.run();
    told.is(
        Outcome::Findings,
        &["unlogged lake raw/lost", "unlogged lake -", "unlogged team x"],
    );
    case.question.delay = SignedDuration::ZERO;
    case.run().counts("/records/unlogged", 4);
    case.question.delay = SignedDuration::from_hours(6);
    let told = case.run();
    told.is(Outcome::Clean, &[]);
    assert_eq!(told.summary["records"]["judged"], Value::Null);
    let (_, text) = case.print(false).unwrap();
    assert!(text.contains("requests: not judged"), "{text}");
}

// CRD-10: a stamp is said by whoever asks.
#[test]
fn a_stamp_that_somebody_else_uses_is_found() {
    let mut case = quiet_day();
    case.line("");
    let forged =
        |id: &str| event("10:12:00", "GetObject", "acme-lake-prod/raw/x", id, &agent(12)).to_string();
    case.line(forged("FORGED"));
    case.line(
        event(
            "10:12:00",
            "GetObject",
            "acme-lake-prod/raw/x",
            "UNKNOWN",
            &agent(77),
        )
        .to_string(),
    );
    let told = case.run();
    told.is(
        Outcome::Findings,
        &[
            "unrecorded acme-lake-prod raw/x",
            "forged-stamp acme-lake-prod raw/x",
        ],
    );
    assert_eq!(told.findings[0]["request_id"], ulid(77), "claimed");
    assert_eq!(told.findings[1]["target_request_id"], "FORGED");
    let (_, text) = case.print(false).unwrap();
    let why = "stamped, but of no record: `tidegate doctor` or `check --targets`, ";
    let of = |id: &str| text.lines().find(|line| line.contains(id)).unwrap();
    assert!(
        of("UNKNOWN").contains(why) && !of("FORGED").contains(why),
        "{text}"
    );

    // An answer that never came has no id: one such request may be ours, where and when it was asked; not two.
    let mut case = quiet_day();
    case.records[2]["target"]["earlier"] = json!([{}]);
    case.line("");
    case.line(forged("LOST"));
    case.run().is(Outcome::Clean, &[]).counts("/log/matched", 11);
    case.line(forged("ANOTHER"));
    let told = case.run();
    told.is(Outcome::Findings, &["forged-stamp acme-lake-prod raw/x"; 2])
        .counts("/log/forged_stamp", 1)
        .counts("/log/disputed", 1);
    for (time, key) in [("10:12:00", "raw/other"), ("10:30:00", "raw/x")] {
        let mut case = quiet_day();
        case.records[2]["target"]["earlier"] = json!([{}]);
        let resource = format!("acme-lake-prod/{key}");
        case.line("");
        case.line(event(time, "GetObject", &resource, "LOST", &agent(12)).to_string());
        case.run().is(
            Outcome::Findings,
            &[&format!("forged-stamp acme-lake-prod {key}")],
        );
    }
}

#[test]
fn every_request_of_a_record_is_known_by_its_own_id() {
    let mut case = quiet_day();
    case.records[2]["target"]["earlier"] = json!([{ "status": 403, "request_id": "FIRST" }]);
    case.line("");
    case.line(
        event(
            "10:12:00",
            "GetObject",
            "acme-lake-prod/raw/x",
            "FIRST",
            &agent(12),
        )
        .to_string(),
    );
    // A canary, whose record has the names of the target.
    let canary = case.record(50, "10:14:00", "Canary", "acme-lake-prod/.tidegate-canary", "C2");
    canary["type"] = json!("canary");
    canary["target"]["earlier"] = json!([{ "status": 200, "request_id": "C1" }]);
    let key = "acme-lake-prod/.tidegate-canary/1-1";
    case.line(event("10:14:00", "PutObject", key, "C1", &agent(50)).to_string());
    case.line(
        event(
            "10:14:00",
            "GetObject",
            key,
            "C2",
            "user agents are not always kept",
        )
        .to_string(),
    );
    case.run().is(Outcome::Clean, &[]).counts("/log/matched", 13);
}

// A folder of a bucket that others use, too.
#[test]
fn only_mapped_prefixes_are_judged_unless_all_are_asked_for() {
    let mut case = quiet_day();
    case.line("");
    case.record(40, "10:12:00", "GetObject", "team/x", "T");
    case.line(event("10:12:00", "GetObject", "acme-shared/teams/a/x", "T", &agent(40)).to_string());
    case.line(event("10:12:01", "GetObject", "acme-shared/teams/a/y", "U", "aws-cli/2").to_string());
    case.line(
        event(
            "10:12:02",
            "GetObject",
            "acme-shared/teams/ab/y",
            "V",
            "aws-cli/2",
        )
        .to_string(),
    );
    // Listings of what is outside, and of everything; settings of the bucket are everybody's.
    for (prefix, id) in [("teams/b/", "L1"), ("teams/", "L2"), ("teams/a/q", "L3")] {
        let mut listing = event("10:12:03", "ListObjects", "acme-shared/", id, "aws-cli/2");
        listing["requestParameters"]["prefix"] = json!(prefix);
        case.line(listing.to_string());
    }
    case.line(event("10:12:04", "PutBucketPolicy", "acme-shared/", "P", "aws-cli/2").to_string());
    let told = case.run();
    let ids = |told: &Told| {
        let ids = told
            .findings
            .iter()
            .map(|f| f["target_request_id"].as_str().unwrap().to_owned());
        let mut ids: Vec<String> = ids.collect();
        ids.sort_unstable();
        ids.join(" ")
    };
    assert_eq!(ids(&told), "L2 L3 P U");
    told.counts("/log/unmapped_keys", 2);
    case.question.unmapped = true;
    let told = case.run();
    assert_eq!(ids(&told), "L1 L2 L3 P U V");
    let unmapped = told.findings.iter().filter(|f| f["unmapped_key"] == true);
    assert_eq!(unmapped.count(), 2);
}

// A log that is switched off says nothing, and that is not the same as that nothing happened.
#[test]
fn a_log_without_any_trace_of_our_requests_is_never_clean() {
    let unjudged = |case: &Case, reached: u64| {
        let told = case.run();
        told.is(Outcome::Unjudged, &[])
            .counts("/records/reached", reached);
        let (_, text) = case.print(false).unwrap();
        assert!(text.contains("\nunjudged: "), "{text}");
        assert!(text.ends_with("unknown: nothing could be judged\n"), "{text}");
        text
    };
    let mut case = quiet_day();
    let whole = std::mem::take(&mut case.log);
    unjudged(&case, 10);
    case.line(r#"{"Records":[]}"#);
    let text = unjudged(&case, 10);
    assert!(
        text.contains("no entry of the 10 requests of ours on mapped"),
        "{text}"
    );
    // Written all the time, about others.
    case.log.clear();
    for time in ["10:00:00", "12:00:00"] {
        case.line(event(time, "GetObject", "elsewhere/x", time, "aws-cli/2").to_string());
    }
    let text = unjudged(&case, 10);
    assert!(
        text.contains("from 2026-11-22T10:00:00Z to 2026-11-22T12:00:00Z"),
        "{text}"
    );
    // What ought to be there is missed, if it is said when and that it ought to be.
    let time = |text: &str| Some(at(text).parse().unwrap());
    case.question.complete = true;
    (case.question.from, case.question.to) = (time("10:00:00"), time("10:14:30"));
    for log in [case.log.clone(), Vec::new()] {
        case.log = log;
        let told = case.run();
        told.is(Outcome::Findings, &["unlogged lake raw/x"; 5][..]);
    }

    // After everything, and before anything.
    for (from, to) in [(time("20:00:00"), None), (None, time("01:00:00"))] {
        let mut case = quiet_day();
        (case.question.from, case.question.to) = (from, to);
        unjudged(&case, 0);
    }
    let mut case = quiet_day();
    case.record(29, "00:30:00", "PutObject", "lake/raw/x", "EARLY");
    case.question.to = time("01:00:00");
    assert!(unjudged(&case, 1).contains("no entry of the 1 request of ours on mapped"));
    case.question.complete = true;
    (case.question.from, case.question.to) = (time("20:00:00"), time("21:00:00"));
    unjudged(&case, 0);
    // Nothing was done, and both would have said so.
    let mut case = quiet_day();
    case.log = whole;
    case.record(30, "11:40:00", "PutObject", "gcs/x", "G");
    (case.question.from, case.question.to) = (time("11:00:00"), time("11:30:00"));
    case.run().is(Outcome::Clean, &[]).counts("/records/reached", 0);
}

// What could not be read is not clean.
#[test]
fn a_log_that_is_not_all_there_is_never_clean() {
    let mut case = quiet_day();
    let whole = case.log.clone();
    case.log.truncate(whole.len() - 40);
    let told = case.run();
    told.is(Outcome::Unreadable, &[]);
    let first = told.summary["unread"]["first"][0].as_str().unwrap();
    assert!(
        first.contains("log: after entry 11, line 1: the document is cut off"),
        "{first}"
    );

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&whole).unwrap();
    let packed = packed.finish().unwrap();
    case.log = packed[..packed.len() - 20].to_vec();
    let told = case.run();
    assert_ne!(told.outcome, Outcome::Clean, "{:#}", told.summary);
    told.counts("/unread/count", 1);

    case.log = whole.clone();
    case.line("");
    case.line(
        json!({ "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "eventTime": 7 }).to_string(),
    );
    case.run().is(Outcome::Unreadable, &[]);
    case.log = whole;
    std::fs::write(
        case.folder.path().join("audit/audit.jsonl.1"),
        "{\"torn\n\nnonsense\n",
    )
    .unwrap();
    let told = case.run();
    told.is(Outcome::Unreadable, &[]).counts("/unread/count", 2);
    let (_, text) = case.print(false).unwrap();
    assert!(
        text.contains("audit.jsonl.1: line 3: not an audit record"),
        "{text}"
    );
    assert!(
        text.ends_with("unknown: nothing was found in what could be read\n"),
        "{text}"
    );
}

#[test]
fn entries_without_records_of_their_time_are_found_and_say_so() {
    let mut case = quiet_day();
    case.line("");
    case.line(
        event(
            "08:00:00",
            "GetObject",
            "acme-lake-prod/raw/x",
            "EARLY",
            "aws-cli/2",
        )
        .to_string(),
    );
    // Clocks differ by minutes.
    case.line(
        event(
            "10:07:00",
            "GetObject",
            "acme-lake-prod/raw/x",
            "NEAR",
            "aws-cli/2",
        )
        .to_string(),
    );
    let told = case.run();
    told.counts("/log/unrecorded", 2)
        .counts("/log/unrecorded_outside_records", 1);
    assert_eq!(told.findings[0]["outside_records"], true);
    assert_eq!(told.findings[1].get("outside_records"), None);
    case.records.clear();
    case.run()
        .counts("/log/unrecorded", 12)
        .counts("/log/unrecorded_outside_records", 12);
}

/// A line of a server access log, as of today.
fn access(time: &str, operation: &str, key: &str, id: &str, agent: &str) -> String {
    let owner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    format!(
        "{owner} acme-lake-prod [22/Nov/2026:{time} +0000] 192.0.2.3 arn:aws:sts::111122223333:assumed-role/Admin/bob {id} \
         {operation} {key} \"GET /{key}?x=y HTTP/1.1\" 200 - 113 - 7 - \"-\" \"{agent}\" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2= SigV4 \
         TLS_AES_128_GCM_SHA256 AuthHeader acme-lake-prod.s3.eu-west-2.amazonaws.com TLSv1.3 - Yes us-east-1"
    )
}

#[test]
fn server_access_logs_are_read() {
    let mut case = Case::new(Provider::S3AccessLogs);
    case.record(1, "10:00:00", "GetObject", "lake/raw/a b", "ID1");
    case.record(2, "10:01:00", "DeleteObjects", "lake/", "ID2")["resource"]["keys_count"] = json!(2);
    case.record(3, "10:02:00", "PutObject", "lake/raw/lost", "ID3");
    case.line(access("10:00:00", "REST.GET.OBJECT", "raw/a+b", "ID1", &agent(1)));
    case.line(access(
        "10:01:00",
        "REST.POST.MULTI_OBJECT_DELETE",
        "-",
        "ID2",
        &agent(2),
    ));
    case.line(access("10:01:00", "BATCH.DELETE.OBJECT", "raw/1", "ID2", "-"));
    case.line(access("10:01:00", "BATCH.DELETE.OBJECT", "raw/2", "ID2", "-"));
    // A rule of lifecycle, and a user agent with what it takes to confuse a reader.
    let expired = access("10:03:00", "S3.EXPIRE.OBJECT", "raw/old", "ID4", "-");
    case.line(expired.replace("arn:aws:sts::111122223333:assumed-role/Admin/bob", "-"));
    let nasty = format!("x\\\" \" [] {}", agent(1));
    case.line(access(
        "10:04:00",
        "REST.GET.OBJECT",
        "raw/secret%2520x",
        "ID5",
        &nasty,
    ));
    // From before there were so many fields.
    case.line(
        "owner acme-lake-prod [22/Nov/2026:12:00:00 +0000] 192.0.2.3 - ID6 REST.HEAD.BUCKET - \"HEAD / HTTP/1.1\" 403 \
         AccessDenied 0 - 7 - \"-\" \"S3Console/0.4\"",
    );
    let told = case.run();
    told.is(
        Outcome::Findings,
        &[
            "unlogged lake raw/lost",
            "unrecorded acme-lake-prod raw/secret%20x",
            "unrecorded acme-lake-prod -",
        ],
    );
    told.counts("/log/matched", 4).counts("/log/by_provider", 1);
    assert_eq!(told.findings[2]["principal"], "anonymous");
    for (line, why) in [
        ("too short", "too few fields"),
        (
            "o b [22/Nov/2026] 1 2 3 REST.GET.OBJECT 5 \"6\" 200 - - - - - \"-\" \"-\"",
            "not a time",
        ),
        (
            "o b [22/Nov/2026:10:00:00 +0000] 1 2 3 op 5 \"6\" 200 - - - - - \"-\" \"-\"",
            "not an operation",
        ),
        (
            "o b [22/Nov/2026:10:00:00 +0000 1 2 3 REST.GET.OBJECT 5 \"6\" 200",
            "too few fields",
        ),
    ] {
        let mut case = Case::new(Provider::S3AccessLogs);
        case.line(line);
        case.line(b"\xff\xfe");
        let told = case.run();
        told.is(Outcome::Unreadable, &[]).counts("/unread/count", 2);
        let first = told.summary["unread"]["first"].to_string();
        assert!(
            first.contains(why) && first.contains("line 2: not UTF-8"),
            "{first}"
        );
    }
}

/// An entry of Google's data access log. A stamp stands in the custom headers.
fn logged(time: &str, method: &str, resource: &str, insert: &str, stamp: Option<u32>) -> Value {
    let (bucket, key) = resource.split_once('/').unwrap();
    let object = if key.is_empty() {
        String::new()
    } else {
        format!("/objects/{key}")
    };
    let custom = stamp.map(|n| json!({ "x-goog-custom-audit-tidegate-request": ulid(n), "x-goog-custom-audit-tidegate-principal": "idp=etl" }));
    json!({
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "status": {},
            "authenticationInfo": { "principalEmail": "bob@acme.example", "serviceAccountDelegationInfo": [] },
            "requestMetadata": {
                "callerIp": "198.51.100.7", "callerSuppliedUserAgent": "gcloud-python/1.0,gzip(gfe)",
                "requestAttributes": { "time": at(time), "auth": {} }, "destinationAttributes": {},
            },
            "serviceName": "storage.googleapis.com", "methodName": method,
            "authorizationInfo": [{ "resource": format!("projects/_/buckets/{bucket}{object}"), "permission": method, "granted": true }],
            "resourceName": format!("projects/_/buckets/{bucket}{object}"),
            "metadata": { "@type": "x", "audit_context": [{ "app_context": "EXTERNAL", "audit_info": custom }] },
            "resourceLocation": { "currentLocations": ["europe-west2"] },
        },
        "insertId": insert, "timestamp": at(time), "severity": "INFO", "receiveTimestamp": at(time),
        "resource": { "type": "gcs_bucket", "labels": { "project_id": "p", "location": "eu", "bucket_name": bucket } },
        "logName": "projects/p/logs/cloudaudit.googleapis.com%2Fdata_access",
    })
}

/// Google's log, and ours.
fn google() -> Case {
    let mut case = Case::new(Provider::Gcp);
    case.record(1, "10:00:00", "GetObject", "gcs/x", "upload-1");
    case.record(2, "10:01:00", "CopyObject", "gcs/y", "upload-2")["resource"]["copy_source"] =
        json!("gcs/x?versionId=7");
    case.record(3, "10:02:00", "DeleteObjects", "gcs/", "upload-3")["resource"]["keys_count"] = json!(2);
    case.record(4, "10:03:00", "ListObjectsV2", "gcs/", "upload-4");
    for entry in [
        logged(
            "10:00:00.5",
            "storage.objects.get",
            "acme-gcs/lake/x",
            "a",
            Some(1),
        ),
        logged("10:01:00", "storage.objects.get", "acme-gcs/lake/x", "b", Some(2)),
        logged(
            "10:01:00",
            "storage.objects.create",
            "acme-gcs/lake/y",
            "c",
            Some(2),
        ),
        logged(
            "10:02:00",
            "storage.objects.delete",
            "acme-gcs/lake/1",
            "d",
            Some(3),
        ),
        logged(
            "10:02:00",
            "storage.objects.delete",
            "acme-gcs/lake/2",
            "e",
            Some(3),
        ),
        logged("10:03:00", "storage.objects.list", "acme-gcs/", "f", Some(4)),
        logged("12:00:00", "storage.objects.get", "elsewhere/x", "g", None),
    ] {
        case.line(entry.to_string());
    }
    case
}

#[test]
fn cloud_audit_logs_are_read() {
    let mut case = google();
    case.run()
        .is(Outcome::Clean, &[])
        .counts("/log/matched", 6)
        .counts("/records/logged", 4);
    // As `gcloud logging read` prints it, pretty, and delivered twice.
    let lines = String::from_utf8(case.log.clone()).unwrap();
    let array: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    case.log = serde_json::to_vec_pretty(&array).unwrap();
    case.line("");
    case.line(serde_json::to_vec(&array).unwrap());
    case.run().is(Outcome::Clean, &[]).counts("/log/duplicates", 6);
    // An entry that came a moment after the end still shows that the request before it was logged.
    case.question.to = Some(at("10:00:00.200").parse().unwrap());
    case.run().is(Outcome::Clean, &[]).counts("/records/logged", 4);
    case.question.to = None;
    // By the user agent alone.
    case.log.clear();
    let mut bare = logged("10:00:00", "storage.objects.get", "acme-gcs/lake/x", "a", None);
    bare["protoPayload"]["requestMetadata"]["callerSuppliedUserAgent"] =
        json!(format!("{},gzip(gfe)", agent(1)));
    case.line(bare.to_string());
    case.run().counts("/log/matched", 1).counts("/log/unrecorded", 0);
}

// CRD-10: there is no id of Google's to hold a stamp against, so place, time and number must fit.
#[test]
fn a_stamp_at_google_is_good_for_its_own_request_alone() {
    let check = |entry: Value, expected: &str| {
        let mut case = google();
        case.line(entry.to_string());
        case.run().is(Outcome::Findings, &[expected]);
    };
    let get = "storage.objects.get";
    check(
        logged("10:00:00", get, "acme-gcs/lake/x", "z", None),
        "unrecorded acme-gcs lake/x",
    );
    check(
        logged("10:00:00", get, "acme-gcs/lake/x", "z", Some(9)),
        "unrecorded acme-gcs lake/x",
    );
    check(
        logged("10:00:00", get, "acme-gcs/lake/z", "z", Some(1)),
        "forged-stamp acme-gcs lake/z",
    );
    check(
        logged("10:30:00", get, "acme-gcs/lake/z", "z", Some(3)),
        "forged-stamp acme-gcs lake/z",
    );
    check(
        logged("10:02:00", get, "acme-gcs/lake2/z", "z", Some(3)).clone(),
        "forged-stamp acme-gcs lake2/z",
    );

    let delete = logged(
        "10:00:00",
        "storage.objects.delete",
        "acme-gcs/lake/x",
        "z",
        Some(1),
    );
    check(delete, "forged-stamp acme-gcs lake/x");
    let overwrite = logged(
        "10:01:00",
        "storage.objects.create",
        "acme-gcs/lake/x",
        "z",
        Some(2),
    );
    check(overwrite, "forged-stamp acme-gcs lake/x");

    let mut case = google();
    case.record(5, "10:04:00", "PutObject", "gcs/lost", "upload-5");
    case.run().is(Outcome::Findings, &["unlogged gcs lost"]);
}

// The read of a copy stands under its source; its destination, and what rights were needed on, beside it.
#[test]
fn a_copy_at_google_is_judged_by_both_of_its_ends() {
    let check = |name: &str, field: &[&str], value: Value, expected: &[&str]| {
        let mut case = google();
        let mut entry = logged("10:02:00", name, "elsewhere/x", "z", None);
        let parent = field
            .iter()
            .fold(&mut entry["protoPayload"], |at, name| &mut at[*name]);
        *parent = value;
        case.line(entry.to_string());
        let told = case.run();
        assert_eq!(told.briefly(), expected, "{:#}", told.summary);
    };
    let (get, create) = ("storage.objects.get", "storage.objects.create");
    let inside = "projects/_/buckets/acme-gcs/objects/lake/secret";
    let outside = "projects/_/buckets/acme-gcs/objects/pond/x";
    let found = &["unrecorded acme-gcs lake/secret"][..];
    check(get, &["metadata", "destination"], json!(inside), found);
    check(get, &["metadata", "destination"], json!(outside), &[]);
    let rights = |resource: &str| json!([{ "resource": "projects/_/buckets/elsewhere" }, { "resource": resource, "permission": get }]);
    check(create, &["authorizationInfo"], rights(inside), found);
    check(create, &["authorizationInfo"], rights(outside), &[]);
}

// Which of two comes first in the log, or here, says nothing about whose it is.
#[test]
fn of_two_entries_with_one_stamp_at_google_both_are_named() {
    for insert in ["a0", "b1", "c2", "d3", "e4", "f5", "g6", "h7"] {
        let mut case = google();
        let mut stranger = logged(
            "10:00:05",
            "storage.objects.get",
            "acme-gcs/lake/x",
            insert,
            Some(1),
        );
        stranger["protoPayload"]["authenticationInfo"]["principalEmail"] = json!("eve@other.example");
        stranger["protoPayload"]["requestMetadata"]["callerIp"] = json!("203.0.113.9");
        case.line(stranger.to_string());
        let told = case.run();
        told.is(Outcome::Findings, &["forged-stamp acme-gcs lake/x"; 2])
            .counts("/log/matched", 6)
            .counts("/log/forged_stamp", 1)
            .counts("/log/disputed", 1);
        let who = |f: &Value| (f["principal"].clone(), f["source"].clone(), f["disputed"].clone());
        assert_eq!(
            who(&told.findings[0]),
            (json!("bob@acme.example"), json!("198.51.100.7"), json!(true))
        );
        assert_eq!(
            who(&told.findings[1]),
            (json!("eve@other.example"), json!("203.0.113.9"), json!(true))
        );
        let (_, text) = case.print(false).unwrap();
        assert!(
            text.contains("by eve@other.example from 203.0.113.9 (it claims to be request"),
            "{text}"
        );
        assert!(
            text.contains("one of several, of which not all can be ours"),
            "{text}"
        );
    }
}

// One stamp a hundred thousand times is one group, and takes no more memory than others.
#[test]
fn a_flood_of_one_stamp_is_found_in_little_memory() {
    let mut case = google();
    for n in 0..20_000 {
        case.line(
            logged(
                "10:00:00",
                "storage.objects.get",
                "acme-gcs/lake/x",
                &format!("z{n}"),
                Some(1),
            )
            .to_string(),
        );
    }
    case.memory = 64 << 10;
    let told = case.run();
    told.counts("/log/forged_stamp", 20_000).counts("/log/matched", 6);
    told.counts("/log/disputed", 1);
    assert_eq!(told.findings.len(), 20_001);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let fails = |case: &Case| crate::error::with_causes(&case.print(true).unwrap_err());
    let mut case = quiet_day();
    case.question.targets = vec!["none".into()];
    assert_eq!(fails(&case), "there is no target `none` in the configuration");
    case.question.targets = vec!["google".into()];
    assert!(fails(&case).contains("no bucket at a target whose log this would be: CloudTrail"));
    case.question.targets.clear();
    for to in ["09:00:00", "10:00:00"] {
        case.question.from = Some(at("10:00:00").parse().unwrap());
        case.question.to = Some(at(to).parse().unwrap());
        assert_eq!(
            fails(&case),
            format!(
                "`--from` {} is not before `--to` {}: there is nothing between them",
                at("10:00:00"),
                at(to)
            )
        );
    }
    (case.question.from, case.question.to) = (None, None);
    let missing = case.folder.path().join("missing");
    case.question.log = vec![missing.clone()];
    assert!(fails(&case).starts_with(&format!("cannot read `{}`", missing.display())));
    std::fs::create_dir(&missing).unwrap();
    assert_eq!(fails(&case), "there is no file of CloudTrail in what was named");
    case.question.log = vec![case.folder.path().join("tidegate.toml")];
    case.question.audit = vec![case.folder.path().join("nothing.jsonl")];
    assert!(fails(&case).contains("nothing.jsonl"));
}
