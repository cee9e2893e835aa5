//! Documents that come late: what was allowed when a request began is decided by what counts once it is whole.
//!
//! Each request here is held back by its last byte. That its body is asked for shows in the `100 Continue`: by then its
//! caller was let in, by the policies and revocations of before.

use crate::support::gcs::EVERYTHING;
use crate::support::gcs_json::{Caller, JsonStore};
use crate::support::gcs_uploads::{CONTENT, UPLOAD, begun, related, world_of};
use crate::support::post_form::Form;
use crate::support::world::{POLICY, becomes};
use crate::support::{Answer, Client, Payload, Settings, Signed, World, form, raw};
use tokio::io::AsyncWriteExt as _;

const NOBODY: &str = "forbid (principal, action, resource);";

/// A request of which all but the last byte was sent.
struct Held {
    what: &'static str,
    stream: raw::Stream,
    last: Vec<u8>,
}

impl Held {
    async fn back(what: &'static str, client: &Client, request: &Signed) -> Self {
        let length = format!("content-length: {}\r\n", request.body().len());
        Self::framed(what, client, request, &length, request.body()).await
    }

    /// A request without a body that has an end all the same.
    async fn empty(what: &'static str, client: &Client, request: &Signed) -> Self {
        Self::framed(
            what,
            client,
            request,
            "transfer-encoding: chunked\r\n",
            b"0\r\n\r\n",
        )
        .await
    }

    async fn framed(what: &'static str, client: &Client, request: &Signed, more: &str, body: &[u8]) -> Self {
        let head = raw::head(request, &format!("{more}expect: 100-continue\r\n"));
        let mut stream = client.say(&head).await;
        let asked = raw::answer_head(&mut stream).await.expect(what);
        assert_eq!(asked.status, 100, "{what}: {:?}", asked.headers);
        let (first, last) = body.split_at(body.len() - 1);
        stream.write_all(first).await.unwrap();
        stream.flush().await.unwrap();
        Self {
            what,
            stream,
            last: last.to_vec(),
        }
    }

    async fn finish(mut self) -> (&'static str, Answer) {
        self.stream.write_all(&self.last).await.unwrap();
        self.stream.flush().await.unwrap();
        let answer = raw::answer(&mut self.stream).await;
        (
            self.what,
            answer.unwrap_or_else(|| panic!("{}: no answer", self.what)),
        )
    }
}

async fn in_s3(world: &World, etl: &Client) -> Vec<Held> {
    let deletions = b"<Delete><Object><Key>tmp/a</Key></Object></Delete>";
    let deletions = etl.sign("POST", "/lake?delete", &[], deletions, Payload::Literal);
    let tags = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    let tags = etl.sign("PUT", "/lake/tmp/a?tagging", &[], tags, Payload::Literal);
    let parts = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"e\"</ETag></Part></CompleteMultipartUpload>";
    let parts = etl.sign("POST", "/lake/tmp/a?uploadId=none", &[], parts, Payload::Literal);
    let token = world.token("etl");
    let door = form(&[
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", "arn:aws:iam::000000000000:role/tidegate"),
        ("RoleSessionName", "test"),
        ("WebIdentityToken", &token),
    ]);
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let door = etl.unsigned("POST", "/", &kind, door.as_bytes());
    vec![
        Held::back("DeleteObjects", etl, &deletions).await,
        Held::back("PutObjectTagging", etl, &tags).await,
        Held::back("CompleteMultipartUpload", etl, &parts).await,
        Held::back("a form", etl, &Form::of("tmp/b", CONTENT).request(etl)).await,
        Held::back("a session", etl, &door).await,
    ]
}

// SES-06
#[tokio::test]
async fn a_document_of_s3_is_decided_by_what_counts_once_it_is_whole() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"x");
    let etl = world.client("etl").await;
    let held = in_s3(&world, &etl).await;
    std::fs::write(world.path("policies/lake.cedar"), NOBODY).unwrap();
    becomes("the end of all rights", async || {
        etl.get("/lake/tmp/a").await.status == 403
    })
    .await;
    let now = world.record_of(&etl.get("/lake/tmp/a").await).await["generation"].clone();
    let before = world.target_requests().len();
    for held in held {
        let (what, answer) = held.finish().await;
        match what {
            "DeleteObjects" => {
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert!(answer.text().contains("AccessDenied"), "{}", answer.text());
            }
            // Who it is did not change, and no bucket's policy decides about sessions.
            "a session" => assert_eq!(answer.status, 200, "{}", answer.text()),
            _ => answer.refused(what, 403, "AccessDenied"),
        }
        if what != "a session" {
            assert_eq!(world.record_of(&answer).await["generation"], now, "{what}");
        }
    }
    assert_eq!(world.target_requests().len(), before);

    std::fs::write(world.path("policies/lake.cedar"), POLICY).unwrap();
    becomes("their return", async || {
        etl.get("/lake/tmp/a").await.status == 200
    })
    .await;
    let held = in_s3(&world, &etl).await;
    world.does(&["sessions", "revoke", "--principal", "idp:etl"]);
    becomes("the end of the session", async || {
        etl.get("/lake/tmp/a").await.status == 400
    })
    .await;
    let before = world.target_requests().len();
    for held in held {
        let (what, answer) = held.finish().await;
        match what {
            "a session" => assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "AccessDenied"),
                "{}",
                answer.text()
            ),
            _ => {
                answer.refused(what, 400, "ExpiredToken");
                world.recorded(&answer, "deny", "revoked").await;
            }
        }
    }
    assert_eq!(world.target_requests().len(), before);
    let stored = ["tmp/a", "tmp/b"].map(|key| world.stored(key).is_some());
    assert_eq!(stored, [true, false]);
}

async fn in_json(etl: &Caller) -> Vec<Held> {
    let kind = [("content-type", "application/json")];
    let mixed = [("content-type", "multipart/mixed; boundary=\"b\"")];
    let parts = [("content-type", "multipart/related; boundary=b")];
    let batch = "--b\r\nContent-Type: application/http\r\n\r\nDELETE /storage/v1/b/lake/o/tmp%2Fc HTTP/1.1\r\n\r\n--b--\r\n";
    let compose = r#"{"sourceObjects":[{"name":"tmp/a"}],"destination":{"contentType":"text/plain"}}"#;
    let upload = related("b", "\r\n", r#"{"name":"tmp/d"}"#, CONTENT, "--b--\r\n");
    let of_one = format!("{UPLOAD}?uploadType=multipart");
    let of_many = format!("{UPLOAD}?uploadType=resumable");
    let place = begun(etl, "", &[], r#"{"name":"tmp/e"}"#).await;
    let object = "/storage/v1/b/lake/o/tmp%2F";
    let unknown = [("content-range", "bytes */*")];
    let held = async |what, method, target: &str, headers: &[(&str, &str)], body: &[u8]| {
        let request = etl.request(method, target, headers, body);
        match body {
            b"" => Held::empty(what, &etl.client, &request).await,
            _ => Held::back(what, &etl.client, &request).await,
        }
    };
    vec![
        held("a batch", "POST", "/batch/storage/v1", &mixed, batch.as_bytes()).await,
        held(
            "compose",
            "POST",
            &format!("{object}b/compose"),
            &kind,
            compose.as_bytes(),
        )
        .await,
        held(
            "patch",
            "PATCH",
            &format!("{object}a"),
            &kind,
            br#"{"metadata":{"k":"v"}}"#,
        )
        .await,
        held("an upload", "POST", &of_one, &parts, &upload).await,
        held("a beginning", "POST", &of_many, &kind, br#"{"name":"tmp/f"}"#).await,
        held("a question", "PUT", &place, &unknown, b"").await,
    ]
}

async fn json_world() -> (JsonStore, World, Caller) {
    let (store, world, etl) = world_of(Settings {
        policy: Some(EVERYTHING.into()),
        ..Settings::default()
    })
    .await;
    for name in ["tmp/a", "tmp/c"] {
        store.has(name, CONTENT).await;
    }
    (store, world, etl)
}

const OBJECT: &str = "/storage/v1/b/lake/o/tmp%2Fc";

// SES-06, GCS-01
#[tokio::test]
async fn a_document_of_google_is_decided_by_what_counts_once_it_is_whole() {
    let (store, world, etl) = json_world().await;
    let held = in_json(&etl).await;
    std::fs::write(world.path("policies/lake.cedar"), NOBODY).unwrap();
    becomes("the end of all rights", async || {
        etl.get(OBJECT).await.status == 403
    })
    .await;
    let now = world.record_of(&etl.get(OBJECT).await).await["generation"].clone();
    let before = store.requests().len();
    for held in held {
        let (what, answer) = held.finish().await;
        match what {
            "a batch" => assert!(
                answer.status == 200 && answer.text().contains("HTTP/1.1 403 "),
                "{}",
                answer.text()
            ),
            _ => crate::support::gcs_json::refused(&answer, what, 403, "forbidden"),
        }
        let records = world.audit_when(|records| is_there(records, &answer)).await;
        let outer = answer.header("x-amz-request-id").unwrap();
        let of_it = |id: &serde_json::Value| *id == outer;
        for record in records {
            if of_it(&record["request_id"]) || of_it(&record["batch_id"]) {
                assert_eq!(record["generation"], now, "{what}");
            }
        }
    }
    store.untouched_since(before, "what may not be any more");

    std::fs::write(world.path("policies/lake.cedar"), EVERYTHING).unwrap();
    becomes("their return", async || etl.get(OBJECT).await.status == 200).await;
    let held = in_json(&etl).await;
    world.does(&["sessions", "revoke", "--principal", "idp:etl"]);
    becomes("the end of the token", async || {
        etl.get(OBJECT).await.status == 401
    })
    .await;
    let before = store.requests().len();
    for held in held {
        let (what, answer) = held.finish().await;
        crate::support::gcs_json::refused(&answer, what, 401, "authError");
        let record = world.recorded(&answer, "deny", "expired").await;
        assert!(record["cause"].as_str().unwrap().contains("revoked"), "{record}");
    }
    store.untouched_since(before, "what a revoked principal asked before");
}

fn is_there(records: &[serde_json::Value], answer: &Answer) -> bool {
    let id = answer.header("x-amz-request-id").unwrap();
    records.iter().any(|record| record["request_id"] == id)
}

// LIM-06
#[tokio::test]
async fn a_document_that_does_not_come_is_given_up() {
    let impatient = || Settings {
        server: "stall_timeout = \"1s\"".into(),
        policy: Some(EVERYTHING.into()),
        ..Settings::default()
    };
    let (store, world, etl) = world_of(impatient()).await;
    let compose = br#"{"sourceObjects":[{"name":"tmp/a"}],"destination":{}}"#;
    let compose = etl.request("POST", "/storage/v1/b/lake/o/tmp%2Fb/compose", &[], compose);
    let mut held = Held::back("compose", &etl.client, &compose).await;
    let answer = raw::answer(&mut held.stream).await.unwrap();
    crate::support::gcs_json::refused(&answer, "compose", 408, "requestTimeout");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(raw::answer_head(&mut held.stream).await.is_none());
    world.recorded(&answer, "error", "aborted").await;
    store.untouched_since(0, "half a document");

    let world = World::with(impatient()).await;
    let etl = world.client("etl").await;
    let deletions = b"<Delete><Object><Key>tmp/a</Key></Object></Delete>";
    let deletions = etl.sign("POST", "/lake?delete", &[], deletions, Payload::Literal);
    let form = Form::of("tmp/b", CONTENT).request(&etl);
    for (what, request) in [("DeleteObjects", deletions), ("a form", form)] {
        let mut held = Held::back(what, &etl, &request).await;
        let answer = raw::answer(&mut held.stream).await.unwrap();
        answer.refused(what, 400, "RequestTimeout");
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
    }
    world.untouched("half a document");
}

#[tokio::test]
async fn a_document_that_takes_its_time_is_answered() {
    let (_store, world, etl) = json_world().await;
    for held in in_json(&etl).await {
        let (what, answer) = held.finish().await;
        // The upload that is asked about has no bytes.
        assert!(matches!(answer.status, 200 | 308), "{what}: {}", answer.text());
        assert!(!answer.text().contains("HTTP/1.1 4"), "{what}: {}", answer.text());
        let record = world.record_of(&answer).await;
        assert_eq!(record["actor"]["id"], "idp:etl", "{what}");
    }
}

#[tokio::test]
async fn documents_count_as_what_came_in() {
    let (_store, world, etl) = json_world().await;
    let counted = async |answer: &Answer| world.record_of(answer).await["response"]["bytes_in"].clone();
    let document = serde_json::json!({ "metadata": { "k": "v" } });
    let patched = etl.call("PATCH", "/storage/v1/b/lake/o/tmp%2Fa", &document).await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    assert_eq!(counted(&patched).await, document.to_string().len());
    let begun = etl
        .call(
            "POST",
            &format!("{UPLOAD}?uploadType=resumable&name=tmp%2Fz"),
            &document,
        )
        .await;
    assert_eq!(counted(&begun).await, document.to_string().len());
    let batch = format!(
        "--b\r\nContent-Type: application/http\r\n\r\nPATCH /storage/v1/b/lake/o/tmp%2Fa HTTP/1.1\r\n\
         Content-Type: application/json\r\n\r\n{document}\r\n--b--\r\n"
    );
    let mixed = [("content-type", "multipart/mixed; boundary=\"b\"")];
    let answer = etl
        .send("POST", "/batch/storage/v1", &mixed, batch.as_bytes())
        .await;
    assert!(answer.text().contains("HTTP/1.1 200 "), "{}", answer.text());
    assert_eq!(counted(&answer).await, batch.len());
    let id = answer.header("x-amz-request-id").unwrap();
    let records = world
        .audit_when(|records| records.iter().any(|record| record["batch_id"] == id))
        .await;
    let inner = records.iter().find(|record| record["batch_id"] == id).unwrap();
    assert_eq!(inner["response"]["bytes_in"], document.to_string().len());
}

// LIM-07
#[tokio::test]
async fn batches_share_what_they_may_have_in_memory() {
    let (store, world, etl) = json_world().await;
    let mixed = [("content-type", "multipart/mixed; boundary=\"b\"")];
    let of = |length: usize| {
        let call =
            "--b\r\nContent-Type: application/http\r\n\r\nGET /storage/v1/b/lake/o/tmp%2Fa HTTP/1.1\r\n\r\n";
        let end = "\r\n--b--\r\n";
        let blank = " ".repeat(length - call.len() - end.len());
        [call, &blank, end].concat().into_bytes()
    };
    let large = of(10 << 20);
    let request = etl.request("POST", "/batch/storage/v1", &mixed, &large);
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(Held::back("a large batch", &etl.client, &request).await);
    }
    // They are there once there is no room for another one.
    becomes("a full memory", async || {
        let answer = etl.send("POST", "/batch/storage/v1", &mixed, &large).await;
        answer.status == 503
    })
    .await;
    let before = store.requests().len();
    let answer = etl.send("POST", "/batch/storage/v1", &mixed, &large).await;
    crate::support::gcs_json::refused(&answer, "one too many", 503, "backendError");
    assert!(answer.header("retry-after").is_some());
    store.untouched_since(before, "a batch for which there is no room");
    // What is small finds room, and what is answered makes some.
    let small = etl.send("POST", "/batch/storage/v1", &mixed, &of(1000)).await;
    assert_eq!(small.status, 200, "{}", small.text());
    for held in held {
        let (what, answer) = held.finish().await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert!(
            answer.text().contains("HTTP/1.1 200 "),
            "{what}: {}",
            answer.text()
        );
    }
    let answer = etl.send("POST", "/batch/storage/v1", &mixed, &large).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.kept_secret(&[&etl.token]);
}
