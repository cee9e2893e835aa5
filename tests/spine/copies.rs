//! Copies: a read hidden in a write. The source is authorized as a read of the bucket that callers know.

use crate::support::fake_target::FakeTarget;
use crate::support::{Answer, Client, Payload, Settings, World};

/// etl reads and writes; `secret/` may be written and not be read; analysts read `public/`.
const LAKE: &str = r#"
@id("etl") permit (principal == Tidegate::Workload::"idp:etl", action, resource);
@id("secret")
forbid (principal, action in Tidegate::Action::"read", resource) when { resource.key like "secret/*" };
@id("frozen")
forbid (principal, action in Tidegate::Action::"write", resource) when { resource.key like "frozen/*" };
@id("readers")
permit (principal in Tidegate::Group::"idp:analysts", action in Tidegate::Action::"read", resource);
"#;
const OTHER: &str = r#"
@id("shared") permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"read", resource)
when { resource.key like "shared/*" };
"#;

async fn world() -> World {
    let world = World::with(Settings {
        policy: Some(LAKE.into()),
        other_policy: Some(OTHER.into()),
        ..Settings::default()
    });
    let world = world.await;
    for (bucket, key) in [
        ("acme-lake-prod", "tmp/a"),
        ("acme-lake-prod", "secret/a"),
        ("acme-other", "shared/a"),
        ("acme-other", "own/a"),
    ] {
        world.store_file(bucket, key, key.as_bytes());
    }
    world
}

async fn copy(client: &Client, source: &str, to: &str) -> Answer {
    let headers = [("x-amz-copy-source", source)];
    client
        .send(client.sign("PUT", to, &headers, b"", Payload::Literal))
        .await
}

// AUZ-03
#[tokio::test]
async fn a_copy_needs_the_right_to_read_its_source_and_to_write_its_destination() {
    let world = world().await;
    let etl = world.client("etl").await;
    for (source, key, content) in [
        ("lake/tmp/a", "tmp/b", "tmp/a"),
        ("/lake/tmp%2Fa", "tmp/c", "tmp/a"),
        ("other/shared/a", "tmp/d", "shared/a"),
        ("lake/tmp/a", "secret/b", "tmp/a"),
    ] {
        let answer = copy(&etl, source, &format!("/lake/{key}")).await;
        assert_eq!(answer.status, 200, "{source}: {}", answer.text());
        assert!(answer.element("ETag").is_some() && answer.text().contains("<CopyObjectResult"));
        assert_eq!(world.stored(key).as_deref(), Some(content.as_bytes()), "{source}");
        let record = world.recorded(&answer, "allow", "permit").await;
        assert_eq!(record["api"]["operation"], "CopyObject");
        assert_eq!(
            record["resource"]["copy_source"],
            source.replace("%2F", "/").trim_start_matches('/')
        );
    }
    let before = world.target_requests().len();
    let analyst = world.client("analyst").await;
    for (what, client, source, to, reason) in [
        ("source", &etl, "lake/secret/a", "/lake/tmp/x", "forbid"),
        (
            "source in another bucket",
            &etl,
            "other/own/a",
            "/lake/tmp/x",
            "no-permit",
        ),
        ("destination", &etl, "lake/tmp/a", "/lake/frozen/x", "forbid"),
        (
            "destination bucket",
            &etl,
            "lake/tmp/a",
            "/other/shared/x",
            "no-permit",
        ),
        ("reader", &analyst, "lake/tmp/a", "/lake/tmp/x", "no-permit"),
        (
            "name at the target",
            &etl,
            "acme-lake-prod/tmp/a",
            "/lake/tmp/x",
            "no-such-bucket",
        ),
        (
            "unknown bucket",
            &etl,
            "elsewhere/tmp/a",
            "/lake/tmp/x",
            "no-such-bucket",
        ),
    ] {
        for to in [to.to_owned(), format!("{to}?partNumber=1&uploadId=u")] {
            let answer = copy(client, source, &to).await;
            answer.refused(what, 403, "AccessDenied");
            world.recorded(&answer, "deny", reason).await;
        }
    }
    let denied = copy(&etl, "lake/secret/a", "/lake/tmp/x")
        .await
        .element("Message")
        .unwrap();
    assert!(
        denied.contains("s3:GetObject") && denied.contains("lake/secret/a"),
        "{denied}"
    );
    assert_eq!(world.target_requests().len(), before);
    assert_eq!((world.stored("tmp/x"), world.stored("frozen/x")), (None, None));
}

#[tokio::test]
async fn a_source_that_could_be_read_in_two_ways_is_refused() {
    let world = world().await;
    let etl = world.client("etl").await;
    for (source, status, code) in [
        ("lake", 400, "InvalidArgument"),
        ("", 400, "InvalidArgument"),
        ("lake/", 400, "InvalidURI"),
        ("lake/../other/own/a", 400, "InvalidURI"),
        ("lake/%2e%2e/other/own/a", 400, "InvalidURI"),
        ("lake/tmp/./a", 400, "InvalidURI"),
        ("lake/tmp/a%00", 400, "InvalidURI"),
        ("lake/tmp/%zz", 400, "InvalidArgument"),
        ("lake/tmp/a%3FversionId=1", 400, "InvalidArgument"),
        ("lake/tmp/a?versionId=", 400, "InvalidArgument"),
        ("lake/tmp/a?acl", 400, "InvalidArgument"),
        ("Lake/tmp/a", 400, "InvalidBucketName"),
        ("//lake/tmp/a", 400, "InvalidBucketName"),
        (
            "arn:aws:s3:us-east-1:1:accesspoint/x/object/a",
            501,
            "NotImplemented",
        ),
    ] {
        copy(&etl, source, "/lake/tmp/x")
            .await
            .refused(source, status, code);
        copy(&etl, source, "/lake/tmp/x?partNumber=1&uploadId=u")
            .await
            .refused(source, status, code);
    }
    let body = etl.sign(
        "PUT",
        "/lake/tmp/x",
        &[("x-amz-copy-source", "lake/tmp/a")],
        b"x",
        Payload::Literal,
    );
    etl.send(body)
        .await
        .refused("a copy with a body", 400, "InvalidRequest");
    for method in ["GET", "DELETE", "POST"] {
        let headers = [("x-amz-copy-source", "lake/tmp/a")];
        let answer = etl
            .send(etl.sign(method, "/lake/tmp/x", &headers, b"", Payload::Literal))
            .await;
        answer.refused(method, 501, "NotImplemented");
    }
    world.untouched("sources that could be read in two ways");
}

#[tokio::test]
async fn the_target_sees_its_own_name_of_the_source() {
    let target = FakeTarget::of_uploads("").await;
    let world = World::with(Settings {
        target: Some(target.address),
        policy: Some(LAKE.into()),
        ..Settings::default()
    });
    let world = world.await;
    let etl = world.client("etl").await;
    let headers = [
        ("x-amz-copy-source", "lake/tmp/a+b%20c?versionId=v%2F1"),
        ("x-amz-copy-source-range", "bytes=0-9"),
    ];
    let begun = etl.sign("POST", "/lake/tmp/b?uploads", &[], b"", Payload::Literal);
    let upload = etl.send(begun).await.element("UploadId").unwrap();
    let request = etl.sign(
        "PUT",
        &format!("/lake/tmp/b?partNumber=1&uploadId={upload}"),
        &headers,
        b"",
        Payload::Literal,
    );
    let answer = etl.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = target.seen().remove(1);
    assert_eq!(
        seen.header("x-amz-copy-source"),
        Some("acme-lake-prod/tmp/a%2Bb%20c?versionId=v%2F1")
    );
    assert_eq!(seen.header("x-amz-copy-source-range"), Some("bytes=0-9"));
}
