//! The audit log: one record for each request whatever became of it, no secret in it, and no access without it.

use crate::support::{Payload, Settings, World, form, raw};
use tokio::io::AsyncWriteExt;

// AUD-01, AUD-06
#[tokio::test]
async fn every_request_leaves_exactly_one_record() {
    let mut world = World::start().await;
    let etl = world.client("etl").await;
    let anonymous = world.anonymous();
    let mut told: Vec<String> = Vec::new();
    let mut sent = 1;
    for answer in [
        etl.put("/lake/tmp/a", b"x").await,
        etl.get("/lake/tmp/a").await,
        etl.head("/lake/tmp/a").await,
        etl.get("/lake/tmp/none").await,
        etl.get("/").await,
        etl.delete("/lake/raw/a").await,
        etl.get("/lake/tmp/a?acl").await,
        etl.get("/lake/%2e%2e/k").await,
        anonymous.send(anonymous.unsigned("GET", "/lake/tmp/a", &[], b"")).await,
        anonymous.assume_role("gibberish").await,
        anonymous.exchange(b"GET / HTTP/1.0\r\n\r\n").await,
        anonymous.exchange(b"TRACE / HTTP/1.1\r\nhost: localhost\r\n\r\n").await,
        anonymous.exchange(b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n").await,
    ] {
        told.push(answer.header("x-amz-request-id").unwrap().to_owned());
        sent += 1;
    }
    // One that is given up by its caller, in the middle of its body.
    let request = etl.sign("PUT", "/lake/tmp/b", &[], b"", Payload::Unsigned);
    let mut stream = etl.say(&raw::head(&request, "content-length: 1000\r\n")).await;
    stream.write_all(b"half").await.unwrap();
    let begun = || (world.target_requests().iter().any(|l| l.contains("tmp/b"))).then_some(());
    crate::support::world::eventually("the upload at the store", begun).await;
    drop(stream);
    sent += 1;
    world.audit_when(|records| records.len() >= sent).await;
    world.signal("TERM");
    assert_eq!(world.ended().await.code(), Some(0));

    let records = world.audit_when(|_| true).await;
    assert_eq!(records.len(), sent);
    for (at, record) in records.iter().enumerate() {
        assert_eq!(record["seq"], at as u64 + 1, "numbers without a gap");
        assert_eq!(record["instance"], records[0]["instance"]);
    }
    for id in told {
        assert_eq!(
            records.iter().filter(|r| r["request_id"] == *id).count(),
            1,
            "{id}"
        );
    }
    let last = &records.last().unwrap()["response"];
    assert!(
        last["aborted"] == true || last["error_code"] == "IncompleteBody",
        "{last}"
    );
}

// AUD-03
#[tokio::test]
async fn no_secret_is_written_down_wherever_a_caller_puts_it() {
    let world = World::start().await;
    let mut etl = world.client("etl").await;
    let keys = etl.keys.clone().unwrap();
    let token = world.token("etl");
    let session = keys.session_token.clone().unwrap();
    let [_, _, signature] = [0, 1, 2].map(|at| token.split('.').nth(at).unwrap().to_owned());
    let anonymous = world.anonymous();
    let get = |target: String, headers: &[(&str, &str)]| anonymous.unsigned("GET", &target, headers, b"");
    for request in [
        get(format!("/lake/tmp/a?X-Amz-Security-Token={session}"), &[]),
        get(format!("/lake/tmp/a?token={token}"), &[]),
        get(
            format!("/?Action=AssumeRoleWithWebIdentity&WebIdentityToken={token}"),
            &[],
        ),
        get(
            "/lake/tmp/a".into(),
            &[("authorization", &format!("Bearer {token}"))],
        ),
        get("/lake/tmp/a".into(), &[("cookie", &format!("session={session}"))]),
        get(
            "/lake/tmp/a".into(),
            &[("user-agent", &format!("tool/1 {token}"))],
        ),
        get("/lake/tmp/a".into(), &[("x-amz-security-token", &session)]),
        get(
            "/lake/tmp/a".into(),
            &[("referer", &format!("https://a/?t={token}"))],
        ),
    ] {
        anonymous.send(request).await;
    }
    anonymous
        .post_form(&form(&[("Action", &token), ("Version", "2011-06-15")]))
        .await;
    anonymous.post_form(&form(&[(&token, "1")])).await;
    anonymous.post_form(&token).await;
    anonymous.assume_role(&session).await;
    // The secret in the place of the key id, as people do it.
    etl.keys_mut().access_key_id = keys.secret_access_key.clone();
    etl.get("/lake/tmp/a").await;
    etl.keys_mut().access_key_id = session[..60].to_owned();
    etl.get("/lake/tmp/a").await;
    *etl.keys_mut() = keys.clone();
    let customer_key = "Y3VzdG9tZXIta2V5LWN1c3RvbWVyLWtleS1jdXN0b21lcg==";
    for name in ["x-amz-server-side-encryption-customer-key", "x-amz-meta-password"] {
        let request = etl.sign(
            "PUT",
            "/lake/frozen/a",
            &[(name, customer_key)],
            b"canary-body",
            Payload::Literal,
        );
        etl.send(request).await;
    }
    etl.put("/lake/tmp/a", b"canary-body").await;
    let presigned = etl.presign("GET", "/lake/tmp/a", &[], b"", 60);
    let query = presigned.uri().query().unwrap().to_owned();
    let link_signature = query.split("X-Amz-Signature=").nth(1).unwrap()[..64].to_owned();
    let got = etl.send(presigned).await;
    assert_eq!(got.status, 200);
    world.record_of(&got).await;
    world.kept_secret(&[
        &token,
        &signature,
        &session,
        &session[..60],
        &keys.secret_access_key,
        &link_signature,
        customer_key,
        "canary-body",
        "store-secret-that-nobody-else-has",
    ]);
}

// AUD-04
#[tokio::test]
async fn a_record_is_one_line_whatever_a_caller_sends() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    for (key, agent) in [
        ("tmp/%0A%7B%22v%22:1%7D", "tool"),
        ("tmp/%E2%80%AE%1B%5B2J%C2%9B", "tool\t\"quoted\" \\ {}"),
        ("tmp/%E2%80%A8%EF%BB%BF", "x"),
    ] {
        let request = etl.sign(
            "GET",
            &format!("/lake/{key}"),
            &[("user-agent", agent)],
            b"",
            Payload::Literal,
        );
        let record = world.record_of(&etl.send(request).await).await;
        assert_eq!(record["client"]["user_agent"], agent);
    }
    let text = std::fs::read_to_string(world.path("audit/audit.jsonl")).unwrap();
    assert!(
        text.lines()
            .all(|line| line.starts_with("{\"v\":1,") && line.ends_with('}'))
    );
    assert!(
        text.chars()
            .all(|c| c == '\n' || !(c.is_control() || "\u{202e}\u{2028}\u{feff}".contains(c)))
    );
}

// AUD-02
#[tokio::test]
async fn without_a_record_there_is_no_access() {
    let world = World::with(Settings {
        audit_file: Some("/dev/full"),
        ..Settings::default()
    })
    .await;
    // The first record cannot be written; what comes after it is refused.
    world.anonymous().assume_role("gibberish").await;
    world
        .ready_when(|status, body| status == 503 && body.contains("audit"))
        .await;
    let mut client = world.anonymous();
    client.keys = Some(crate::support::Keys {
        access_key_id: "TGIAAAAAAAAAAAAAAAAA".into(),
        secret_access_key: "x".into(),
        session_token: Some("x".into()),
    });
    for answer in [
        client.get("/lake/tmp/a").await,
        client.put("/lake/tmp/a", b"x").await,
        client.get("/").await,
    ] {
        answer.refused("no record", 503, "SlowDown");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(
            answer
                .element("Message")
                .unwrap()
                .contains("No access can be recorded now")
        );
    }
    let answer = client.assume_role(&world.token("etl")).await;
    assert_eq!(
        (answer.status, answer.element("SecretAccessKey")),
        (503, None),
        "{}",
        answer.text()
    );
    world.untouched("access that cannot be recorded");
}
