//! Bad input, whatever call it is for: a clear error in S3's words, nothing lost, and nothing reaches the target.

use crate::support::calls::{Becomes, Call, calls};
use crate::support::fake_target::{FakeTarget, answer};
use crate::support::{Payload, Settings, World};
use std::collections::BTreeSet;

const ALL: &str = r#"
permit (principal, action, resource);
permit (principal, action in Tidegate::Action::"manage", resource);
"#;

async fn world() -> World {
    World::with(Settings {
        policy: Some(ALL.into()),
        other_policy: Some(ALL.into()),
        ..Settings::default()
    })
    .await
}

// CLS-08: what one side takes for a tag is an object for the other.
#[tokio::test]
async fn deleting_something_about_an_object_never_deletes_the_object() {
    let target = FakeTarget::saying(answer("204 No Content", "", "")).await;
    let world = World::with(Settings {
        target: Some(target.address),
        policy: Some(ALL.into()),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    for (asked, arrives) in [
        ("/lake/a?tagging", "DELETE /acme-lake-prod/a?tagging="),
        ("/lake/a?tagging=", "DELETE /acme-lake-prod/a?tagging="),
        ("/lake/a?tagging=x", "DELETE /acme-lake-prod/a?tagging=x"),
        ("/lake/a?%74agging", "DELETE /acme-lake-prod/a?tagging="),
        (
            "/lake/a?versionId=1&tagging",
            "DELETE /acme-lake-prod/a?tagging=&versionId=1",
        ),
    ] {
        assert_eq!(etl.delete(asked).await.status, 204, "{asked}");
        assert_eq!(target.lines().pop().as_deref(), Some(arrives), "{asked}");
    }
    assert_eq!(target.lines().len(), 5);
    drop(world);

    // With a store that has the object, too.
    let world = self::world().await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let etl = world.client("etl").await;
    for query in [
        "tagging",
        "tagging=x",
        "Tagging",
        "tagging&tagging",
        "tagging&acl",
        "tagging&versionId=1&uploadId=u",
        "acl",
        "retention",
        "legal-hold",
        "restore",
        "torrent",
        "attributes",
        "annotation",
        "annotation&annotationName=n",
        "uploads",
        "partNumber=1",
        "encryption",
        "select",
        "renameObject",
        "unknown",
        "delete",
        "versions",
        "policy",
        "X-Tagging=1",
        "tagging%00",
        "%20tagging",
        "tagging%20",
    ] {
        etl.delete(&format!("/lake/tmp/a?{query}")).await;
        etl.send(etl.presign("DELETE", &format!("/lake/tmp/a?{query}"), &[], b"", 60))
            .await;
        assert!(world.stored("tmp/a").is_some(), "?{query} deleted the object");
    }
    let deletes = |line: &String| line.starts_with("DELETE") && !line.contains('?');
    assert!(
        !world.target_requests().iter().any(deletes),
        "{:?}",
        world.target_requests()
    );
    assert_eq!(etl.delete("/lake/tmp/a").await.status, 204);
    assert_eq!(world.stored("tmp/a"), None);
}

// AUZ-05: each reader could take another thing for what is meant.
#[tokio::test]
async fn no_document_of_any_call_is_read_in_two_ways() {
    let world = world().await;
    let etl = world.client("etl").await;
    let mut forms = BTreeSet::new();
    let mut all = calls();
    // What a new bucket is like is not passed on, and so it is in no list of what arrives.
    let making = all.iter().find(|call| call.name == "CreateBucket").unwrap();
    all.push(Call {
        body: "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
        ..making.clone()
    });
    for call in all.iter().filter(|call| call.has_document()) {
        forms.insert(call.name);
        for (what, document) in broken(call) {
            let (method, target) = call.request.split_once(' ').unwrap();
            let target = target.replace("{upload}", "u");
            let answer = etl
                .send(etl.sign(
                    method,
                    &target,
                    call.headers,
                    document.as_bytes(),
                    Payload::Literal,
                ))
                .await;
            let code = if call.body.starts_with('{') {
                "MalformedPolicy"
            } else {
                "MalformedXML"
            };
            answer.refused(&format!("{} with {what}: {document:.200}", call.name), 400, code);
        }
    }
    assert!(forms.len() >= 30, "{forms:?}");
    world.untouched("documents that could be read in two ways");
}

/// The document of a call, broken in each way that there is.
fn broken(call: &Call) -> Vec<(&'static str, String)> {
    let good = call.body;
    if good.starts_with('{') {
        let cases = [
            ("no object", "[]"),
            ("cut", "{\"Statement\":["),
            ("text after", "{} {}"),
            ("a word", "policy"),
        ];
        return cases.map(|(what, text)| (what, text.to_owned())).to_vec();
    }
    let root = good[1..].split(['>', ' ']).next().unwrap();
    let inside = |text: &str| good.replacen('>', &format!(">{text}"), 1);
    let mut cases = vec![
        ("a document type", format!("<!DOCTYPE {root}>{good}")),
        (
            "an external document type",
            format!("<!DOCTYPE {root} SYSTEM \"https://evil.test/d.dtd\">{good}"),
        ),
        (
            "an entity",
            format!("<!DOCTYPE {root} [<!ENTITY e \"x\">]>{}", inside("&e;")),
        ),
        (
            "laughs",
            format!(
                "<!DOCTYPE {root} [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]>{}",
                inside("&b;")
            ),
        ),
        ("an entity that nobody declared", inside("&e;")),
        ("a processing instruction", format!("<?php x ?>{good}")),
        ("an instruction inside", inside("<?x y?>")),
        ("two roots", good.repeat(2)),
        ("text after", format!("{good}x")),
        ("text before", format!("x{good}")),
        ("another root", format!("<Other>{good}</Other>")),
        ("a cut end", good[..good.len() - 1].to_owned()),
        ("wrong nesting", inside("<A><B></A></B>")),
        ("a prefix", inside("<p:A xmlns:p=\"x\"></p:A>")),
        ("a zero", inside("&#0;")),
        ("half a surrogate", inside("&#xD800;")),
        ("depth", inside(&("<A>".repeat(100) + &"</A>".repeat(100)))),
        ("a word", "x".to_owned()),
    ];
    // Where a name may stand twice is for the form of a setting to say; here it may not.
    for once in [
        "Quiet",
        "Key",
        "VersionId",
        "ETag",
        "PartNumber",
        "TagSet",
        "Value",
        "Mode",
        "RetainUntilDate",
        "Status",
        "Days",
        "Tier",
    ] {
        let fixed = [
            "Delete",
            "CompleteMultipartUpload",
            "Retention",
            "LegalHold",
            "RestoreRequest",
        ]
        .contains(&root)
            || call.name == "PutObjectTagging";
        let open = format!("<{once}>");
        let element = good.find(&open).and_then(|start| {
            let length = good[start..].find(&format!("</{once}>"))? + once.len() + 3;
            Some(&good[start..start + length])
        });
        if let Some(element) = element.filter(|_| fixed) {
            cases.push(("an element twice", good.replacen(element, &element.repeat(2), 1)));
        }
    }
    cases
}

#[tokio::test]
async fn numbers_that_a_part_cannot_have_are_refused() {
    let world = world().await;
    let etl = world.client("etl").await;
    let source = [("x-amz-copy-source", "lake/b")];
    for number in [
        "0",
        "10001",
        "-1",
        "%2B1",
        "1.0",
        "",
        "%201",
        "0x1",
        "4294967297",
        "%D9%A1",
        "1%00",
    ] {
        for (method, target, headers) in [
            ("PUT", format!("/lake/a?partNumber={number}&uploadId=u"), &[][..]),
            ("PUT", format!("/lake/a?partNumber={number}&uploadId=u"), &source),
            ("GET", format!("/lake/a?partNumber={number}"), &[]),
        ] {
            let answer = etl
                .send(etl.sign(method, &target, headers, b"", Payload::Literal))
                .await;
            answer.refused(&format!("{method} {target}"), 400, "InvalidArgument");
        }
        if number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty() {
            let document = format!(
                "<CompleteMultipartUpload><Part><ETag>e</ETag><PartNumber>{number}</PartNumber></Part></CompleteMultipartUpload>"
            );
            let request = etl.sign(
                "POST",
                "/lake/a?uploadId=u",
                &[],
                document.as_bytes(),
                Payload::Literal,
            );
            etl.send(request).await.refused(number, 400, "MalformedXML");
        }
    }
    let twice = etl.sign(
        "PUT",
        "/lake/a?partNumber=1&partNumber=2&uploadId=u",
        &[],
        b"x",
        Payload::Literal,
    );
    etl.send(twice)
        .await
        .refused("two numbers", 400, "InvalidArgument");
    world.untouched("parts with impossible numbers");
}

// CLS-08: on every call that there is.
#[tokio::test]
async fn a_parameter_that_a_call_does_not_have_refuses_it() {
    let world = world().await;
    let etl = world.client("etl").await;
    let mut sender = etl.http2().await;
    for call in calls().iter().filter(|call| {
        !matches!(
            call.becomes,
            Becomes::Refused(..) | Becomes::Another(_) | Becomes::Form(..)
        )
    }) {
        let (method, target) = call.request.split_once(' ').unwrap();
        let target = target.replace("{upload}", "u");
        let mark = if target.contains('?') { '&' } else { '?' };
        let mut headers = call.headers.to_vec();
        headers.extend(call.copies.map(|source| ("x-amz-copy-source", source)));
        for more in ["unknown=1", "accelerate&torrent", "x-oss-process=1", "Acl"] {
            let target = format!("{target}{mark}{more}");
            let request = etl.sign(method, &target, &headers, call.body.as_bytes(), Payload::Literal);
            let answer = etl.send_http2(&mut sender, request).await;
            let refused = matches!(answer.status, 400 | 405 | 501);
            assert!(refused, "{method} {target}: {} {}", answer.status, answer.text());
        }
    }
    world.untouched("parameters that no call has");
}

// AUZ-03, AUZ-05, CLS-06, CLS-07: a key is one thing, wherever it stands.
#[tokio::test]
async fn keys_are_the_same_wherever_they_stand() {
    let target = FakeTarget::saying(answer(
        "200 OK",
        "etag: \"e\"\r\n",
        "<CopyObjectResult></CopyObjectResult>",
    ))
    .await;
    let world = World::with(Settings {
        target: Some(target.address),
        policy: Some(ALL.into()),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let long = "k".repeat(1025);
    for (path, xml) in [
        ("a/../b", "a/../b"),
        ("a%2F..%2Fb", "a/../b"),
        ("%2e%2e/b", "../b"),
        ("a/.", "a/."),
        ("a%00", "a&#0;"),
        ("%ff", "\u{fffd}\u{0}"),
        (&long, &long),
    ] {
        let copy = etl.sign(
            "PUT",
            "/lake/x",
            &[("x-amz-copy-source", &format!("lake/{path}"))],
            b"",
            Payload::Literal,
        );
        let answer = etl.send(copy).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        let document = format!("<Delete><Object><Key>{xml}</Key></Object></Delete>");
        let delete = etl.sign("POST", "/lake?delete", &[], document.as_bytes(), Payload::Literal);
        etl.send(delete).await.refused(path, 400, "MalformedXML");
    }
    assert_eq!(target.lines(), Vec::<String>::new());
    // In a path, in a copy source and back again: the bytes are the key.
    for (encoded, source) in [
        ("a//b", "a//b"),
        ("%01", "%01"),
        ("%E2%80%AE", "%E2%80%AE"),
        ("%252e%252e", "%252e%252e"),
        ("a%2Bb", "a%2Bb"),
        ("caf%C3%A9", "caf%C3%A9"),
        ("cafe%CC%81", "cafe%CC%81"),
    ] {
        let path = format!("/lake/{encoded}");
        let copy = etl.sign(
            "PUT",
            &path,
            &[("x-amz-copy-source", &format!("lake/{encoded}"))],
            b"",
            Payload::Literal,
        );
        let answer = etl.send(copy).await;
        assert_eq!(answer.status, 200, "{encoded}: {}", answer.text());
        let seen = target.last();
        assert_eq!(seen.line(), format!("PUT /acme-lake-prod/{encoded}"));
        assert_eq!(
            seen.header("x-amz-copy-source"),
            Some(&*format!("acme-lake-prod/{source}"))
        );
    }
}
