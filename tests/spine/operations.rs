//! Calls: what is not in the catalogue is refused before any target hears of it, and nothing unknown crosses.

use crate::support::fake_target::FakeTarget;
use crate::support::{Payload, Settings, World};

/// Everything that an etl job could wish for: no denial hides what is refused for another reason.
const ALL: &str = "permit (principal, action, resource);";

/// What is in no catalogue, or only in another spelling.
const UNKNOWN: [&str; 10] = [
    "append&position=0",
    "ACL",
    "Tagging",
    "defaultObjectAcl",
    "policystatus",
    "publicaccessblock",
    "storageClass",
    "unknown",
    "x-oss-process=image",
    "partnumber=1",
];

// CLS-01 to CLS-03
#[tokio::test]
async fn an_unknown_sub_resource_is_refused_on_every_method() {
    let world = World::with(Settings {
        policy: Some(ALL.into()),
        ..Settings::default()
    })
    .await;
    world.store_file("acme-lake-prod", "tmp/a", b"a");
    let etl = world.client("etl").await;
    for sub in UNKNOWN {
        for path in ["/", "/lake", "/lake/tmp/a"] {
            for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
                let request = etl.sign(method, &format!("{path}?{sub}"), &[], b"", Payload::Literal);
                let answer = etl.send(request).await;
                let what = format!("{method} {path}?{sub}");
                if method == "HEAD" {
                    assert_eq!((answer.status, answer.body.len()), (501, 0), "{what}");
                    continue;
                }
                answer.refused(&what, 501, "NotImplemented");
                let message = answer.element("Message").unwrap();
                assert!(
                    message.contains(sub.split(['&', '=']).next().unwrap()),
                    "{what}: {message}"
                );
            }
        }
        let presigned = etl.presign("DELETE", &format!("/lake/tmp/a?{sub}"), &[], b"", 60);
        let answer = etl.send(presigned).await;
        answer.refused(sub, 501, "NotImplemented");
        world.recorded(&answer, "deny", "unsupported").await;
    }
    world.untouched("unknown sub-resources");
    assert!(world.stored("tmp/a").is_some());
}

// CLS-03, CLS-08
#[tokio::test]
async fn calls_that_are_almost_known_are_refused() {
    let world = World::with(Settings {
        policy: Some(ALL.into()),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    for (method, target, status, code) in [
        ("DELETE", "/lake", 403, "AccessDenied"),
        ("DELETE", "/lake/tmp/a?acl", 405, "MethodNotAllowed"),
        ("DELETE", "/lake/tmp/a?tagging&acl", 400, "InvalidRequest"),
        ("GET", "/lake?acl&policy", 400, "InvalidRequest"),
        ("PUT", "/lake/tmp/a?tagging&retention", 400, "InvalidRequest"),
        ("POST", "/lake", 412, "PreconditionFailed"),
        ("POST", "/lake/tmp/a", 501, "NotImplemented"),
        ("GET", "/lake?delete", 405, "MethodNotAllowed"),
        ("GET", "/lake?list-type=1", 400, "InvalidArgument"),
        ("GET", "/lake?list-type=2&unknown=1", 501, "NotImplemented"),
        ("GET", "/lake?list-type=2&list-type=2", 400, "InvalidArgument"),
        ("GET", "/lake?list-type=2&max-keys=-1", 400, "InvalidArgument"),
        ("GET", "/lake/tmp/a?VersionId=1", 501, "NotImplemented"),
        (
            "GET",
            "/lake/tmp/a?versionId=1&versionid=2",
            400,
            "InvalidArgument",
        ),
        ("GET", "/lake/tmp/a?versionId=", 400, "InvalidArgument"),
        ("GET", "/lake/tmp/a?partNumber=0", 400, "InvalidArgument"),
        ("GET", "/lake/tmp/a?prefix=a", 501, "NotImplemented"),
        ("GET", "/lake/tmp/a?uploads&uploadId=1", 400, "InvalidRequest"),
        ("DELETE", "/lake/tmp/a?partNumber=1", 405, "MethodNotAllowed"),
        ("PUT", "/lake/tmp/a?uploadId=1", 501, "NotImplemented"),
        ("PUT", "/lake/tmp/a?partNumber=1", 501, "NotImplemented"),
        (
            "PUT",
            "/lake/tmp/a?partNumber=10001&uploadId=1",
            400,
            "InvalidArgument",
        ),
        ("PATCH", "/lake/tmp/a", 405, "MethodNotAllowed"),
        ("OPTIONS", "/lake/tmp/a", 405, "MethodNotAllowed"),
        ("PUT", "/", 501, "NotImplemented"),
    ] {
        let answer = etl
            .send(etl.sign(method, target, &[], b"", Payload::Literal))
            .await;
        answer.refused(&format!("{method} {target}"), status, code);
    }
    world.untouched("almost known calls");
}

// CLS-02, LEK-01
#[tokio::test]
async fn headers_with_an_unknown_meaning_are_refused() {
    let world = World::with(Settings {
        policy: Some(ALL.into()),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    for (name, value) in [
        ("x-amz-bypass-governance-retention", "true"),
        ("x-amz-mfa", "1 2"),
        ("x-amz-write-offset-bytes", "0"),
        ("x-amz-rename-source", "/lake/secret"),
        ("x-amz-something-new", "1"),
        ("x-goog-copy-source", "lake/secret"),
        ("x-goog-acl", "public-read"),
        ("x-minio-extract", "true"),
        ("x-minio-source-mtime", "1"),
        ("x-rustfs-internal", "1"),
    ] {
        let signed = etl.sign("PUT", "/lake/tmp/a", &[(name, value)], b"x", Payload::Literal);
        let answer = etl.send(signed).await;
        answer.refused(name, 501, "NotImplemented");
        assert!(
            answer.element("Message").unwrap().contains(name),
            "{}",
            answer.text()
        );
        world.recorded(&answer, "deny", "unsupported").await;
        let presigned = etl.presign("PUT", "/lake/tmp/a", &[(name, value)], b"x", 60);
        etl.send(presigned).await.refused(name, 501, "NotImplemented");
    }
    world.untouched("headers with an unknown meaning");
    // The default of every client library, which changes nothing.
    let request = etl.sign(
        "PUT",
        "/lake/tmp/a",
        &[("x-amz-acl", "private")],
        b"x",
        Payload::Literal,
    );
    assert_eq!(etl.send(request).await.status, 200);
}

// LEK-01, LEK-04: a policy of every action has data in mind, and not what leads around the proxy.
#[tokio::test]
async fn headers_that_give_data_away_need_the_right_to_manage() {
    let settings = |policy: &str| Settings {
        policy: Some(policy.into()),
        ..Settings::default()
    };
    let world = World::with(settings(ALL)).await;
    let etl = world.client("etl").await;
    let everybody = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
    for (name, value, action) in [
        ("x-amz-acl", "public-read", "s3:PutObjectAcl"),
        ("x-amz-acl", "bucket-owner-full-control", "s3:PutObjectAcl"),
        ("x-amz-grant-read", everybody, "s3:PutObjectAcl"),
        ("x-amz-grant-full-control", "id=1", "s3:PutObjectAcl"),
        (
            "x-amz-website-redirect-location",
            "https://evil.test",
            "s3:PutObjectWebsiteRedirect",
        ),
    ] {
        let signed = etl.sign("PUT", "/lake/tmp/a", &[(name, value)], b"x", Payload::Literal);
        let answer = etl.send(signed).await;
        answer.refused(name, 501, "NotImplemented");
        let message = answer.element("Message").unwrap();
        assert!(
            message.contains(action) && message.contains("`manage`, by name"),
            "{message}"
        );
        let presigned = etl.presign("PUT", "/lake/tmp/a", &[(name, value)], b"x", 60);
        etl.send(presigned).await.refused(name, 501, "NotImplemented");
    }
    let hoisted = etl.presign("PUT", "/lake/tmp/a?x-amz-acl=public-read", &[], b"x", 60);
    etl.send(hoisted).await.refused("hoisted", 501, "NotImplemented");
    world.untouched("headers that give data away");
    // Where somebody has the right, it is a matter of policy.
    let world = World::with(settings(
        "permit (principal, action, resource);
         permit (principal == Tidegate::User::\"idp:boss\", action in Tidegate::Action::\"manage\", resource);",
    ))
    .await;
    let etl = world.client("etl").await;
    let request = etl.sign(
        "PUT",
        "/lake/tmp/a",
        &[("x-amz-acl", "public-read")],
        b"x",
        Payload::Literal,
    );
    etl.send(request).await.refused("of others", 403, "AccessDenied");
    world.untouched("the rights of others");

    let target = FakeTarget::saying("HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 0\r\n\r\n").await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..settings("permit (principal, action in [Tidegate::Action::\"write\", Tidegate::Action::\"manage\"], resource);")
    })
    .await;
    let etl = world.client("etl").await;
    let request = etl.sign(
        "PUT",
        "/lake/tmp/a",
        &[("x-amz-acl", "public-read")],
        b"x",
        Payload::Literal,
    );
    assert_eq!(etl.send(request).await.status, 200);
    assert_eq!(target.seen().remove(0).header("x-amz-acl"), Some("public-read"));
}

// HDR-01, LEK-03
#[tokio::test]
async fn only_what_is_understood_crosses_to_the_target() {
    let target = FakeTarget::saying("HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 0\r\n\r\n").await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let headers = [
        ("content-type", "text/plain"),
        ("x-amz-meta-owner", "etl"),
        ("x-amz-acl", "private"),
        ("x-amz-user-agent", "canary-agent"),
        ("user-agent", "canary-agent"),
        ("cookie", "session=canary"),
        ("forwarded", "for=canary"),
        ("x-forwarded-for", "10.9.8.7"),
        ("x-forwarded-host", "canary.test"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/canary"),
        ("x-oss-object-acl", "public-read"),
        ("x-obs-acl", "public-read"),
        ("x-ms-blob-type", "BlockBlob"),
        ("proxy-authorization", "Basic canary"),
        ("te", "trailers"),
        ("range", "bytes=0-1"),
        ("origin", "https://canary.test"),
    ];
    let request = etl.sign(
        "PUT",
        "/lake/tmp/a?x-id=PutObject",
        &headers,
        b"x",
        Payload::Literal,
    );
    let answer = etl.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = target.seen().remove(0);
    let mut names: Vec<&str> = seen
        .head
        .lines()
        .skip(1)
        .filter_map(|l| l.split_once(": "))
        .map(|(n, _)| n)
        .collect();
    names.sort_unstable();
    let expected = [
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-meta-owner",
    ];
    assert_eq!(names, expected, "{}", seen.head);
    assert_eq!(
        (seen.line(), &seen.body[..]),
        ("PUT /acme-lake-prod/tmp/a", &b"x"[..])
    );
    let keys = etl.keys.clone().unwrap();
    let authorization = seen.header("authorization").unwrap();
    assert!(authorization.contains("Credential=STOREKEY/") && !seen.head.contains(&keys.access_key_id));
    assert!(
        !seen.head.contains("canary") && !seen.head.contains("lake.") && !seen.head.contains("localhost")
    );
}
