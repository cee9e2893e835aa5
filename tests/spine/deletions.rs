//! DeleteObjects and its document: each key is decided by itself, and a document means one thing or nothing.

use crate::support::fake_target::{FakeTarget, answer};
use crate::support::{Answer, Client, Payload, Settings, World};

async fn delete(client: &Client, document: &str) -> Answer {
    client
        .send(client.sign("POST", "/lake?delete", &[], document.as_bytes(), Payload::Literal))
        .await
}

fn keys(keys: &[&str]) -> String {
    let objects: String = keys
        .iter()
        .map(|key| format!("<Object><Key>{key}</Key></Object>"))
        .collect();
    format!("<Delete>{objects}</Delete>")
}

// AUZ-05
#[tokio::test]
async fn each_key_is_decided_and_only_the_allowed_ones_are_deleted() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let all = ["tmp/a", "raw/b", "tmp/c", "frozen/d"];
    for key in all {
        world.store_file("acme-lake-prod", key, b"x");
    }
    let answer = delete(&etl, &keys(&all)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    for key in ["tmp/a", "tmp/c"] {
        assert!(
            text.contains(&format!("<Deleted><Key>{key}</Key></Deleted>")),
            "{text}"
        );
        assert_eq!(world.stored(key), None);
    }
    for key in ["raw/b", "frozen/d"] {
        assert!(
            text.contains(&format!("<Error><Key>{key}</Key><Code>AccessDenied</Code>")),
            "{text}"
        );
        assert!(world.stored(key).is_some(), "{key}");
    }
    assert!(
        text.contains("because no policy allows it") && text.contains("The frozen folder is closed."),
        "{text}"
    );
    let record = world.recorded(&answer, "allow", "partial").await;
    assert_eq!(record["resource"]["keys_count"], 4);

    let before = world.target_requests().len();
    let quiet = keys(&["raw/b", "frozen/d"]).replace("</Delete>", "<Quiet>true</Quiet></Delete>");
    let answer = delete(&etl, &quiet).await;
    assert_eq!(
        (answer.status, answer.text().matches("<Error>").count()),
        (200, 2),
        "{}",
        answer.text()
    );
    assert_eq!(
        world.target_requests().len(),
        before,
        "nothing is left to ask the store for"
    );
    let analyst = world.client("analyst").await;
    assert_eq!(
        delete(&analyst, &keys(&["public/a"]))
            .await
            .text()
            .matches("AccessDenied")
            .count(),
        1
    );
    assert_eq!(world.target_requests().len(), before);
}

#[tokio::test]
async fn the_target_gets_a_document_of_our_own() {
    let result = "<DeleteResult><Deleted><Key>tmp/a&amp;b</Key></Deleted><Error><Key>tmp/c</Key>\
                  <Code>CanaryCode</Code></Error></DeleteResult>";
    let target = FakeTarget::saying(answer("200 OK", "", result)).await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let document = "<?xml version=\"1.0\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n\
                    <Object>\n<Key>tmp/a&amp;b</Key></Object><Object><Key>raw/x</Key></Object>\
                    <Object><VersionId>v</VersionId><Key>tmp/&#x63;</Key></Object></Delete>";
    let answer = delete(&etl, document).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = target.seen().remove(0);
    let sent = String::from_utf8(seen.body.clone()).unwrap();
    assert_eq!(seen.line(), "POST /acme-lake-prod?delete=");
    assert!(sent.contains("<Object><Key>tmp/a&amp;b</Key></Object>"), "{sent}");
    assert!(
        sent.contains("<Object><Key>tmp/c</Key><VersionId>v</VersionId></Object>"),
        "{sent}"
    );
    assert!(
        !sent.contains("raw/x") && seen.header("content-md5").is_some(),
        "{sent}"
    );
    assert!(!answer.text().contains("CanaryCode"), "{}", answer.text());
}

#[tokio::test]
async fn a_hostile_document_deletes_nothing() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let etl = world.client("etl").await;
    let good = keys(&["tmp/a"]);
    let laughs = format!("<!DOCTYPE d [<!ENTITY a \"tmp/a\">]>{}", keys(&["&a;"]));
    let external = format!("<!DOCTYPE d SYSTEM \"https://evil.test/d.dtd\">{good}");
    let many = keys(&vec!["tmp/a"; 1001]);
    let deep = format!("{}{}", "<Delete>".repeat(10_000), "</Delete>".repeat(10_000));
    let cases: [(&str, &str); 27] = [
        ("nothing", ""),
        ("no document", "delete everything"),
        ("cut", &good[..good.len() - 1]),
        ("no object", "<Delete></Delete>"),
        ("other root", "<Remove><Object><Key>tmp/a</Key></Object></Remove>"),
        ("two roots", &good.repeat(2)),
        ("text after", &format!("{good}tmp/a")),
        ("entity", &laughs),
        ("unknown entity", &keys(&["tmp/&a;"])),
        ("document type", &external),
        ("processing instruction", &format!("<?php delete ?>{good}")),
        ("no key", "<Delete><Object></Object></Delete>"),
        ("empty key", &keys(&[""])),
        (
            "two keys",
            "<Delete><Object><Key>tmp/a</Key><Key>raw/b</Key></Object></Delete>",
        ),
        ("element in a key", &keys(&["tmp/<b>a</b>"])),
        (
            "unknown element",
            "<Delete><Object><Key>tmp/a</Key><Force>1</Force></Object></Delete>",
        ),
        (
            "condition",
            "<Delete><Object><Key>tmp/a</Key><ETag>e</ETag></Object></Delete>",
        ),
        ("prefix", "<Delete><Prefix>tmp/</Prefix></Delete>"),
        ("dots", &keys(&["tmp/../raw/b"])),
        ("zero", &keys(&["tmp/a&#0;"])),
        ("long key", &keys(&[&"k".repeat(1025)])),
        ("too many", &many),
        ("deep", &deep),
        (
            "quiet twice",
            &good.replace("</Delete>", "<Quiet>true</Quiet><Quiet>false</Quiet></Delete>"),
        ),
        (
            "quiet maybe",
            &good.replace("</Delete>", "<Quiet>maybe</Quiet></Delete>"),
        ),
        (
            "empty version",
            "<Delete><Object><Key>tmp/a</Key><VersionId></VersionId></Object></Delete>",
        ),
        (
            "wrong nesting",
            "<Delete><Object><Key>tmp/a</Object></Key></Delete>",
        ),
    ];
    for (what, document) in cases {
        let answer = delete(&etl, document).await;
        let code = if what == "condition" {
            (501, "NotImplemented")
        } else {
            (400, "MalformedXML")
        };
        answer.refused(what, code.0, code.1);
        let record = world.record_of(&answer).await;
        assert_eq!(record["decision"]["effect"], "deny", "{what}: {record}");
    }
    let binary = etl.sign(
        "POST",
        "/lake?delete",
        &[],
        b"<Delete>\xff\xfe</Delete>",
        Payload::Literal,
    );
    etl.send(binary).await.refused("binary", 400, "MalformedXML");
    world.untouched("hostile documents");
    assert!(world.stored("tmp/a").is_some());
}

// STR-05, LIM-07
#[tokio::test]
async fn a_document_is_verified_before_it_is_read() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let etl = world.client("etl").await;
    let (good, other) = (keys(&["tmp/a"]), keys(&["tmp/b"]));
    let mut swapped = etl.sign("POST", "/lake?delete", &[], other.as_bytes(), Payload::Literal);
    *swapped.body_mut() = good.clone().into();
    etl.send(swapped)
        .await
        .refused("other document", 400, "XAmzContentSHA256Mismatch");
    let md5 = [("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")];
    for payload in [Payload::Literal, Payload::Unsigned] {
        let request = etl.sign("POST", "/lake?delete", &md5, good.as_bytes(), payload);
        let answer = etl.send(request).await;
        answer.refused("digest", 400, "BadDigest");
        world.recorded(&answer, "deny", "bad-payload").await;
    }
    let unproven = etl.sign("POST", "/lake?delete", &[], good.as_bytes(), Payload::Unsigned);
    etl.send(unproven)
        .await
        .refused("nothing that proves it", 400, "InvalidRequest");
    let large = etl.sign(
        "POST",
        "/lake?delete",
        &[],
        &vec![b' '; (2 << 20) + 1],
        Payload::Literal,
    );
    etl.send(large)
        .await
        .refused("too large", 400, "MaxMessageLengthExceeded");
    let pieces = etl.sign("POST", "/lake?delete", &[], good.as_bytes(), Payload::Literal);
    etl.send_in_pieces(pieces, 5)
        .await
        .refused("no length", 411, "MissingContentLength");
    world.untouched("documents that do not verify");
    assert!(world.stored("tmp/a").is_some());
    assert_eq!(delete(&etl, &good).await.status, 200);
    assert_eq!(world.stored("tmp/a"), None);
}
