//! Batches of Google's JSON API: every call in them is decided, sent and recorded on its own.

use crate::support::fake_target::{FakeTarget, Step, answer};
use crate::support::gcs::EVERYTHING;
use crate::support::gcs_uploads::packed;
use crate::support::world::{POLICY, STORE_SECRET, eventually};
use crate::support::{Answer, Settings, World};
use serde_json::Value;

/// A target that deletes whatever it is asked to, and has every object that is asked for.
async fn target() -> FakeTarget {
    FakeTarget::start(|head| {
        let line = head.lines().next().unwrap_or_default();
        let say = match line.split(' ').next() {
            Some("DELETE") if line.contains("missing") => answer(
                "404 Not Found",
                "content-type: application/json\r\n",
                r#"{"error":{"code":404,"message":"canary","errors":[{"reason":"notFound","message":"canary"}]}}"#,
            ),
            Some("DELETE") => answer("204 No Content", "", ""),
            _ => {
                let name = line.split("/o/").nth(1).unwrap().split([' ', '?']).next().unwrap();
                let name = name.replace("%2F", "/");
                answer(
                    "200 OK",
                    "content-type: application/json\r\netag: CAE=\r\n",
                    &format!(
                        r#"{{"kind":"storage#object","bucket":"acme-lake-prod","name":"{name}","generation":"7","size":"9"}}"#
                    ),
                )
            }
        };
        vec![Step::ReadBody, Step::Send(say)]
    })
    .await
}

async fn world(policy: &str) -> (FakeTarget, World) {
    let target = target().await;
    let world = world_at(&target, policy).await;
    (target, world)
}

async fn world_at(target: &FakeTarget, policy: &str) -> World {
    let table = format!(
        "[targets.store]\nkind = \"gcs-xml\"\nendpoint = \"http://{}\"\n[targets.store.credentials]\n\
         kind = \"access-token\"\ntoken = \"env:STORE_SECRET_ACCESS_KEY\"",
        target.address
    );
    let settings = Settings {
        target_table: Some(table),
        policy: Some(policy.into()),
        ..Settings::default()
    };
    World::with(settings).await
}

/// A batch as the library for Python writes it: with bare line feeds.
fn python(parts: &[(&str, String)]) -> Vec<u8> {
    let mut body = String::new();
    for (id, call) in parts {
        body += &format!(
            "--===1==\nContent-Type: application/http\nMIME-Version: 1.0\nContent-ID: {id}\n\n{call}\n\n"
        );
    }
    (body + "--===1==--").into_bytes()
}

/// As that for Java does.
fn java(parts: &[(&str, String)]) -> Vec<u8> {
    let mut body = String::new();
    for (id, call) in parts {
        let call = call.replace('\n', "\r\n");
        body += &format!(
            "--===1==\r\nContent-Length: {}\r\nContent-Type: application/http\r\ncontent-id: {id}\r\n\
             content-transfer-encoding: binary\r\n\r\n{call}\r\n\r\n",
            call.len()
        );
    }
    (body + "--===1==--\r\n").into_bytes()
}

async fn post(world: &World, path: &str, token: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers = [&[("content-type", "multipart/mixed; boundary=\"===1==\"")], more].concat();
    world
        .anonymous()
        .bearer_with("POST", path, token, &headers, body)
        .await
}

/// Content-ID, status and body of each answer.
fn answers(answer: &Answer) -> Vec<(String, u16, String)> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let kind = answer.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/mixed; boundary=").unwrap();
    let text = answer.text();
    let dashed = format!("--{boundary}");
    let parts = text.split(&dashed).skip(1);
    let parts = parts.filter(|part| !part.starts_with("--"));
    parts
        .map(|part| {
            let (head, rest) = part.split_once("\r\n\r\n").unwrap();
            let id = head.lines().find_map(|line| line.strip_prefix("Content-ID: "));
            let (head, body) = rest.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            (id.unwrap_or_default().to_owned(), status, body.trim().to_owned())
        })
        .collect()
}

fn delete(name: &str) -> String {
    format!("DELETE /storage/v1/b/lake/o/{name} HTTP/1.1")
}

// GCS-01, AUZ-05
#[tokio::test]
async fn each_call_is_decided_sent_and_recorded_on_its_own() {
    for (path, written) in [
        ("/batch/storage/v1", python as fn(&[(&str, String)]) -> Vec<u8>),
        ("/batch", java),
    ] {
        let (target, world) = world(POLICY).await;
        let token = world.token("etl");
        let own = format!(
            "DELETE https://localhost:{}/storage/v1/b/lake/o/tmp%2Fb?prettyPrint=false HTTP/1.1\naccept: application/json",
            world.data.port()
        );
        let calls = [
            ("<a+1>", delete("tmp%2Fa"), 204),
            ("<a+2>", delete("raw%2Fa"), 403),
            ("<a+3>", own, 204),
            ("<a+4>", delete("frozen%2Fa"), 403),
            (
                "<a+5>",
                "GET /storage/v1/b/lake/o/raw%2Fb HTTP/1.1".to_owned(),
                200,
            ),
            (
                "<a+6>",
                "DELETE https://storage.googleapis.com/storage/v1/b/lake/o/tmp%2Fa HTTP/1.1".into(),
                400,
            ),
            ("<a+7>", delete("tmp%2Fa") + "\nHost: storage.googleapis.com", 400),
            (
                "<a+8>",
                delete("tmp%2Fa") + "\nAuthorization: Bearer somebody-else",
                400,
            ),
            ("<a+9>", delete("tmp%2Fa") + "\nX-HTTP-Method-Override: GET", 400),
            (
                "<a+10>",
                "GET /storage/v1/b/lake/o/raw%2Fb?alt=media HTTP/1.1".into(),
                400,
            ),
            (
                "<a+11>",
                "POST /upload/storage/v1/b/lake/o?uploadType=media&name=tmp%2Fa HTTP/1.1".into(),
                400,
            ),
            ("<a+12>", "DELETE /lake/tmp/a HTTP/1.1".into(), 400),
            ("<a+13>", delete("tmp%2Fmissing"), 404),
            (
                "<a+14>",
                "DELETE /storage/v1/b/nowhere/o/tmp%2Fa HTTP/1.1".into(),
                403,
            ),
            // As the library for Java writes it.
            (
                "<a+15>",
                delete("tmp%2Fc") + &format!("\nAuthorization: Bearer {token}"),
                204,
            ),
        ];
        let parts: Vec<(&str, String)> = calls.iter().map(|(id, call, _)| (*id, call.clone())).collect();
        let answer = post(&world, path, &token, &[], &written(&parts)).await;
        let found = answers(&answer);
        let expected: Vec<(String, u16)> = calls
            .iter()
            .map(|(id, _, status)| (id.replace('<', "<response-"), *status))
            .collect();
        let shown: Vec<(String, u16)> = found
            .iter()
            .map(|(id, status, _)| (id.clone(), *status))
            .collect();
        assert_eq!(shown, expected, "{}", answer.text());
        for (id, status, body) in &found {
            assert!(
                !body.contains("canary") && !body.contains("acme-lake-prod"),
                "{id}: {body}"
            );
            if *status >= 400 {
                let document: Value = serde_json::from_str(body).unwrap();
                assert_eq!(document["error"]["code"], *status, "{body}");
                assert!(document["error"]["errors"][0]["reason"].is_string(), "{body}");
            }
        }
        assert!(
            found[3].2.contains("The frozen folder is closed."),
            "{}",
            found[3].2
        );
        let object: Value = serde_json::from_str(&found[4].2).unwrap();
        assert_eq!(
            (&object["bucket"], &object["generation"]),
            (&"lake".into(), &"7".into())
        );
        // Only what is allowed was sent, call by call.
        let mut seen: Vec<String> = target.seen().iter().map(|seen| seen.line().to_owned()).collect();
        seen.sort();
        let sent = |line: &str| seen.iter().filter(|seen| seen.starts_with(line)).count();
        let at = "/storage/v1/b/acme-lake-prod/o";
        for line in [
            format!("DELETE {at}/tmp%2Fa"),
            format!("DELETE {at}/tmp%2Fb"),
            format!("DELETE {at}/tmp%2Fc"),
            format!("DELETE {at}/tmp%2Fmissing"),
            format!("GET {at}/raw%2Fb"),
        ] {
            assert_eq!(sent(&line), 1, "{line} {seen:?}");
        }
        assert_eq!(seen.len(), 5, "{seen:?}");
        for seen in target.seen() {
            assert_eq!(
                seen.header("authorization"),
                Some(&*format!("Bearer {STORE_SECRET}"))
            );
        }
        evidence(&world, &answer, calls.len()).await;
        world.kept_secret(&[&token, STORE_SECRET, "somebody-else"]);
    }
}

/// Each call has its record, which names the batch.
async fn evidence(world: &World, answer: &Answer, calls: usize) {
    let outer = answer.header("x-amz-request-id").unwrap();
    let records = world
        .audit_when(|records| records.iter().any(|record| record["request_id"] == outer))
        .await;
    let record = records
        .iter()
        .find(|record| record["request_id"] == outer)
        .unwrap();
    assert_eq!(record["api"]["operation"], "batch");
    assert_eq!(record["decision"]["reason"], "authenticated");
    assert_eq!(record["batch_id"], Value::Null);
    let parts: Vec<&Value> = records
        .iter()
        .filter(|record| record["batch_id"] == outer)
        .collect();
    assert_eq!(parts.len(), calls);
    let deleted = |key: &str, effect: &str| {
        let of = |record: &&&Value| {
            record["resource"]["key"] == key
                && record["decision"]["effect"] == effect
                && record["api"]["operation"] == "storage.objects.delete"
        };
        parts.iter().filter(of).count()
    };
    assert_eq!((deleted("tmp/a", "allow"), deleted("tmp/a", "deny")), (1, 5));
    assert_eq!((deleted("raw/a", "allow"), deleted("raw/a", "deny")), (0, 1));
    for record in parts {
        assert_eq!(record["actor"]["id"], "idp:etl", "{record}");
        assert_eq!(record["api"]["protocol"], "gcs", "{record}");
        assert_ne!(record["request_id"], outer);
        let reached = record["target"]["status"].is_number();
        assert_eq!(reached, record["decision"]["effect"] == "allow", "{record}");
    }
}

// GCS-01
#[tokio::test]
async fn what_is_no_batch_is_refused_as_a_whole() {
    let (target, world) = world(EVERYTHING).await;
    let token = world.token("etl");
    let many = |count: usize| -> Vec<(String, String)> {
        (0..count)
            .map(|n| (format!("<{n}>"), delete(&format!("tmp%2F{n}"))))
            .collect()
    };
    let body = |calls: &[(String, String)]| {
        let calls: Vec<(&str, String)> = calls.iter().map(|(id, call)| (&**id, call.clone())).collect();
        python(&calls)
    };
    let one = body(&many(1));
    let large = [("<1>", delete("tmp%2Fa") + "\n\n" + &" ".repeat(11 << 20))];
    let nested = [
        ("<1>", delete("tmp%2Fa")),
        (
            "<2>",
            "POST /batch/storage/v1 HTTP/1.1\nContent-Type: multipart/mixed; boundary=x\n\n--x--".to_owned(),
        ),
    ];
    let twice = [("<1>", delete("tmp%2Fa")), ("<1>", delete("tmp%2Fb"))];
    let unfinished = one.strip_suffix(b"--").unwrap().to_vec();
    let more = [("content-encoding", "gzip")];
    let brotli = [("content-encoding", "br")];
    let half = packed(&one);
    let half = half[..half.len() / 2].to_vec();
    let overridden = [("x-http-method-override", "GET")];
    for (what, path, headers, body, status) in [
        ("101 calls", "/batch/storage/v1", &[][..], body(&many(101)), 400),
        ("11 MB", "/batch/storage/v1", &[], python(&large), 413),
        (
            "a batch in a batch",
            "/batch/storage/v1",
            &[],
            python(&nested),
            400,
        ),
        ("one Content-ID twice", "/batch", &[], python(&twice), 400),
        ("no end", "/batch", &[], unfinished, 400),
        ("no calls", "/batch", &[], b"--===1==--".to_vec(), 400),
        ("nothing", "/batch", &[], Vec::new(), 400),
        ("what is not packed as it says", "/batch", &more, one.clone(), 400),
        (
            "what unpacks to 11 MB",
            "/batch",
            &more,
            packed(&python(&large)),
            413,
        ),
        (
            "what is packed in another way",
            "/batch",
            &brotli,
            one.clone(),
            400,
        ),
        ("half of what is packed", "/batch", &more, half, 400),
        ("a method override", "/batch", &overridden, one.clone(), 400),
        (
            "a token in the address",
            "/batch?access_token=a",
            &[],
            one.clone(),
            400,
        ),
        ("a script", "/batch/storage/v1?callback=a", &[], one.clone(), 400),
    ] {
        let answer = post(&world, path, &token, headers, &body).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let document: Value = serde_json::from_str(&answer.text()).unwrap();
        assert!(
            document["error"]["message"].as_str().unwrap().len() > 10,
            "{what}"
        );
    }
    let client = world.anonymous();
    let other_type = client.bearer_with(
        "POST",
        "/batch",
        &token,
        &[("content-type", "application/json")],
        &one,
    );
    assert_eq!(other_type.await.status, 400);
    let get = client.bearer("GET", "/batch/storage/v1", &token, b"").await;
    assert_eq!(get.status, 405, "{}", get.text());
    for token in ["no-token", ""] {
        let answer = post(&world, "/batch/storage/v1", token, &[], &one).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|how| how.starts_with("Bearer"))
        );
    }
    assert_eq!(target.seen().len(), 0, "what is no batch");
    let hundred = post(&world, "/batch/storage/v1", &token, &[], &body(&many(100))).await;
    assert!(answers(&hundred).iter().all(|(_, status, _)| *status == 204));
    assert_eq!(target.seen().len(), 100);
    let packed = post(&world, "/batch", &token, &more, &packed(&body(&many(100)))).await;
    assert!(answers(&packed).iter().all(|(_, status, _)| *status == 204));
    assert_eq!(target.seen().len(), 200);
}

// LIM-07
#[tokio::test]
async fn pages_of_listings_in_a_batch_come_one_after_the_other() {
    let target = FakeTarget::start(|head| match head.contains("/o/") {
        // A page that never comes.
        false => vec![Step::Hold],
        true => vec![Step::Send(answer("204 No Content", "", ""))],
    })
    .await;
    let world = world_at(&target, EVERYTHING).await;
    let page = "GET /storage/v1/b/lake/o?maxResults=5 HTTP/1.1".to_owned();
    let mut calls: Vec<(String, String)> = (0..3).map(|n| (format!("<{n}>"), page.clone())).collect();
    calls.extend((3..60).map(|n| (format!("<{n}>"), delete(&format!("tmp%2F{n}")))));
    let calls: Vec<(&str, String)> = calls.iter().map(|(id, call)| (&**id, call.clone())).collect();
    let (body, token, client) = (python(&calls), world.token("etl"), world.anonymous());
    let headers = [("content-type", "multipart/mixed; boundary=\"===1==\"")];
    let sent = tokio::spawn(async move {
        client
            .bearer_with("POST", "/batch", &token, &headers, &body)
            .await
    });
    let seen = |page: bool| {
        let seen = target.seen();
        let wanted = seen.iter().filter(|seen| seen.line().contains("/o?") == page);
        wanted.count()
    };
    eventually("all that is not a page", || (seen(false) == 57).then_some(())).await;
    assert_eq!(seen(true), 1, "{:?}", target.lines());
    sent.abort();
}

#[tokio::test]
async fn a_batch_for_another_store_says_in_each_answer_where_to_go() {
    let world = World::start().await;
    let token = world.token("etl");
    let calls = [("<1>", delete("tmp%2Fa")), ("<2>", delete("raw%2Fa"))];
    let answer = post(&world, "/batch/storage/v1", &token, &[], &java(&calls)).await;
    let found = answers(&answer);
    assert_eq!((found[0].1, found[1].1), (501, 403), "{}", answer.text());
    assert!(found[0].2.contains("s3"), "{}", found[0].2);
    world.untouched("a batch for another store");
}
