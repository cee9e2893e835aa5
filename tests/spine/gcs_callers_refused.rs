//! What callers in Google's words may not, or say in two ways: refused before a target hears of it.

use crate::gcs_callers::{Caller, under_policy};
use crate::support::gcs::with_token;
use crate::support::{Payload, World};

const CONTENT: &[u8] = b"123456789";
const EMPTY: &[(&str, &str)] = &[];

// AUZ-01, GCS-06
#[tokio::test]
async fn googles_words_need_the_rights_that_amazons_need() {
    let own = r#"
@id("analysts-write-drafts")
permit (principal in Tidegate::Group::"idp:analysts", action in [Tidegate::Action::"write", Tidegate::Action::"list"], resource)
when { if resource is Tidegate::Object then resource.key like "drafts/*" else true };"#;
    let (fake, world) = under_policy(own).await;
    let (etl, analyst) = (Caller::of(&world, "etl"), Caller::of(&world, "analyst"));
    for (who, method, target, headers, body) in [
        // The source of a copy is read.
        (
            &analyst,
            "PUT",
            "/lake/drafts/a",
            &[("x-goog-copy-source", "lake/raw/a")][..],
            &b""[..],
        ),
        (
            &analyst,
            "PUT",
            "/lake/drafts/a",
            &[("x-goog-copy-source", "/lake/raw%2Fa")],
            b"",
        ),
        // One generation of it is read by another right.
        (
            &analyst,
            "PUT",
            "/lake/drafts/a",
            &[
                ("x-goog-copy-source", "lake/raw/a"),
                ("x-goog-copy-source-generation", "1"),
            ],
            b"",
        ),
        // Who else gets at it is not the writer's to say.
        (
            &etl,
            "PUT",
            "/lake/tmp/a",
            &[("x-goog-acl", "public-read")],
            CONTENT,
        ),
        (
            &etl,
            "PUT",
            "/lake/tmp/a",
            &[("x-goog-acl", "project-private")],
            CONTENT,
        ),
        (
            &etl,
            "PUT",
            "/lake/tmp/a",
            &[
                ("x-goog-acl", "public-read"),
                ("x-goog-copy-source", "lake/tmp/b"),
            ],
            b"",
        ),
        (
            &etl,
            "POST",
            "/lake/tmp/a?uploads",
            &[("x-goog-acl", "bucket-owner-read")],
            b"",
        ),
        (&etl, "DELETE", "/lake/raw/a?generation=1", EMPTY, b""),
        (
            &etl,
            "DELETE",
            "/lake/tmp/a",
            &[("x-goog-bypass-governance-retention", "true")],
            b"",
        ),
        (
            &etl,
            "PUT",
            "/lake/frozen/a",
            &[("x-goog-if-generation-match", "0")],
            CONTENT,
        ),
        (
            &etl,
            "PUT",
            "/nowhere/a",
            &[("x-goog-if-generation-match", "0")],
            CONTENT,
        ),
    ] {
        let what = format!("{method} {target} {headers:?}");
        let answer = who.ask(method, target, headers, body).await;
        let record = world.record_of(&answer).await;
        assert_eq!(record["decision"]["effect"], "deny", "{what}: {record}");
        let reason = record["decision"]["reason"].as_str().unwrap();
        assert!(
            ["no-permit", "forbid", "no-such-bucket"].contains(&reason),
            "{what}: {reason}"
        );
        // What nobody is granted by name is told as not offered.
        assert!([403, 501].contains(&answer.status), "{what}: {}", answer.text());
    }
    fake.untouched("what is forbidden");
}

// CLS-02, CLS-07
#[tokio::test]
async fn what_is_said_in_two_ways_or_not_known_is_refused() {
    let (fake, world) = with_token().await;
    let etl = Caller::of(&world, "etl");
    let source = ("x-goog-copy-source", "lake/tmp/b");
    for (method, target, headers, status) in [
        (
            "PUT",
            "/lake/tmp/a",
            &[("x-goog-acl", "private"), ("x-amz-acl", "private")][..],
            400,
        ),
        (
            "PUT",
            "/lake/tmp/a",
            &[source, ("x-amz-copy-source", "lake/tmp/b")],
            400,
        ),
        ("PUT", "/lake/tmp/a", &[source, source], 400),
        (
            "PUT",
            "/lake/tmp/a",
            &[
                source,
                ("x-goog-copy-source-generation", "1"),
                ("x-goog-copy-source-generation", "1"),
            ],
            400,
        ),
        (
            "PUT",
            "/lake/tmp/a",
            &[
                ("x-goog-copy-source", "lake/tmp/b?versionId=1"),
                ("x-goog-copy-source-generation", "1"),
            ],
            400,
        ),
        (
            "PUT",
            "/lake/tmp/a",
            &[("x-goog-copy-source-generation", "1")],
            400,
        ),
        (
            "PUT",
            "/lake/tmp/a",
            &[("x-goog-meta-a", "1"), ("x-amz-meta-a", "1")],
            400,
        ),
        (
            "PUT",
            "/lake/tmp/a",
            &[("x-goog-meta-a", "1"), ("x-goog-meta-a", "2")],
            400,
        ),
        (
            "PUT",
            "/lake/tmp/a",
            &[("x-goog-if-generation-match", "0"), ("if-none-match", "*")],
            400,
        ),
        (
            "PUT",
            "/lake/tmp/a",
            &[("x-goog-if-generation-match", "latest")],
            400,
        ),
        ("PUT", "/lake/tmp/a", &[("x-goog-storage-class", "FROZEN")], 400),
        ("PUT", "/lake/tmp/a", &[("x-goog-allowed-resources", "1")], 400),
        ("PUT", "/lake/tmp/a", &[("x-goog-encryption-key", "AAAA")], 400),
        ("GET", "/lake/tmp/a?generation=1&versionId=1", EMPTY, 400),
        ("GET", "/lake/tmp/a?generation=1&generation=2", EMPTY, 400),
        ("GET", "/lake/tmp/a?generation=latest", EMPTY, 400),
        ("GET", "/lake/tmp/a?alt=media", EMPTY, 501),
        (
            "GET",
            "/lake/tmp/a",
            &[("x-goog-content-length-range", "0,1")],
            400,
        ),
        (
            "POST",
            "/lake/tmp/a?uploads",
            &[("x-goog-if-generation-match", "0")],
            501,
        ),
        ("POST", "/lake/tmp/a", &[("x-goog-resumable", "start")], 501),
        (
            "POST",
            "/lake/tmp/a?uploads",
            &[("x-goog-resumable", "start")],
            501,
        ),
        // Allowed here, and nothing that Google is told.
        ("PUT", "/lake/tmp/a", &[("x-goog-acl", "public-read")], 501),
    ] {
        let what = format!("{method} {target} {headers:?}");
        let answer = etl.ask(method, target, headers, b"").await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(
            answer.element("Message").is_some_and(|text| !text.is_empty()),
            "{what}"
        );
    }
    let answer = etl
        .ask("PUT", "/lake/tmp/a", &[("x-goog-acl", "public-read")], b"")
        .await;
    let said = answer.element("Message").unwrap();
    assert!(said.contains("`x-goog-acl`") && !said.contains("x-amz"), "{said}");
    fake.untouched("what is not understood");
}

// SIG-01
#[tokio::test]
async fn beside_a_signature_of_amazons_they_are_refused() {
    let (fake, world) = with_token().await;
    let etl = world.client("etl").await;
    for header in [
        "x-goog-if-generation-match",
        "x-goog-acl",
        "x-goog-meta-a",
        "x-goog-api-client",
    ] {
        let signed = etl.sign("PUT", "/lake/tmp/a", &[(header, "0")], CONTENT, Payload::Literal);
        etl.send(signed).await.refused(header, 501, "NotImplemented");
    }
    let anonymous = world.anonymous();
    let unsigned = anonymous.unsigned("PUT", "/lake/tmp/a", &[("x-goog-acl", "private")], CONTENT);
    let answer = anonymous.send(unsigned).await;
    answer.refused("no token", 501, "NotImplemented");
    // A token that is none learns the same about a bucket that is there and one that is not.
    let mut answers = Vec::new();
    for target in ["/lake/tmp/a", "/nowhere/tmp/a"] {
        let answer = anonymous
            .bearer_with(
                "PUT",
                target,
                "no-token",
                &[("x-goog-if-generation-match", "0")],
                CONTENT,
            )
            .await;
        assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|how| how.starts_with("Bearer"))
        );
        answers.push((answer.status, answer.code()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 401);
    fake.untouched("who is not known");
}

// LEK-01
#[tokio::test]
async fn an_upload_goes_on_for_who_began_it() {
    let (fake, world) = under_policy(
        r#"permit (principal in Tidegate::Group::"idp:analysts", action in Tidegate::Action::"write", resource);"#,
    )
    .await;
    let (etl, analyst) = (Caller::of(&world, "etl"), Caller::of(&world, "analyst"));
    let begun = etl
        .ask("POST", "/lake/tmp/a?uploads", &[("x-goog-meta-a", "1")], b"")
        .await;
    let id = begun.element("UploadId").expect("an upload id");
    fake.forget();
    let part = format!("/lake/tmp/a?partNumber=1&uploadId={id}");
    for (who, target) in [
        (&analyst, part.clone()),
        (&etl, format!("/lake/tmp/b?partNumber=1&uploadId={id}")),
        (&etl, "/lake/tmp/a?partNumber=1&uploadId=ABPnzm1".to_owned()),
    ] {
        let answer = who
            .ask("PUT", &target, &[("x-goog-hash", "crc32c=4waSgw==")], CONTENT)
            .await;
        answer.refused(&target, 404, "NoSuchUpload");
    }
    fake.untouched("an upload of somebody else");
    assert_eq!(etl.ask("PUT", &part, &[], CONTENT).await.status, 200);
}

// CLS-02
#[tokio::test]
async fn another_store_is_told_nothing_in_googles_words() {
    let world = World::start().await;
    let etl = Caller::of(&world, "etl");
    for (method, target, headers) in [
        ("PUT", "/lake/tmp/a", &[("x-goog-if-generation-match", "0")][..]),
        ("PUT", "/lake/tmp/a", &[("x-goog-meta-a", "1")]),
        ("PUT", "/lake/tmp/a", &[("x-goog-api-client", "gl-go/1")]),
        ("GET", "/lake/tmp/a?generation=1", EMPTY),
        ("DELETE", "/lake/tmp/a", &[("x-goog-if-generation-match", "1")]),
    ] {
        let what = format!("{method} {target} {headers:?}");
        let answer = etl.ask(method, target, headers, b"").await;
        answer.refused(&what, 501, "NotImplemented");
        let message = answer.element("Message").unwrap();
        assert!(
            message.contains("versionId") && message.contains("S3"),
            "{message}"
        );
        world.recorded(&answer, "allow", "permit").await;
    }
    // What is forbidden is that first.
    let denied = etl
        .ask(
            "PUT",
            "/lake/frozen/a",
            &[("x-goog-if-generation-match", "0")],
            b"",
        )
        .await;
    denied.refused("a forbidden write", 403, "AccessDenied");
    world.untouched("words of Google's");
    let plain = etl.ask("PUT", "/lake/tmp/a", EMPTY, CONTENT).await;
    assert_eq!(plain.status, 200);
    let record = world.recorded(&plain, "allow", "permit").await;
    assert_eq!(record["api"]["protocol"], "s3");
}
