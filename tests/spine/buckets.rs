//! Buckets are made by the configuration; clients that make sure of theirs before an upload must not stumble.

use crate::support::fake_target::FakeTarget;
use crate::support::{Payload, Settings, World};

const DOCUMENT: &[u8] = b"<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
    <LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>";

#[tokio::test]
async fn a_bucket_that_is_there_is_owned_by_whoever_may_list_it() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    for (body, headers) in [(&b""[..], &[("x-amz-acl", "private")][..]), (DOCUMENT, &[])] {
        let answer = etl
            .send(etl.sign("PUT", "/lake", headers, body, Payload::Literal))
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (409, "BucketAlreadyOwnedByYou"),
            "{}",
            answer.text()
        );
        assert_eq!(answer.element("BucketName").as_deref(), Some("lake"));
    }
    let record = world.audit_of("CreateBucket").await;
    assert_eq!(record["decision"]["effect"], "allow");
    assert_eq!(record["response"]["status"], 409);
    assert_eq!(record["response"]["error_code"], "BucketAlreadyOwnedByYou");
    assert_eq!(world.target_requests(), Vec::<String>::new());
}

#[tokio::test]
async fn whoever_may_not_list_it_does_not_learn_that_it_is_there() {
    let world = World::start().await;
    let (etl, ana) = (world.client("etl").await, world.client("analyst").await);
    let denied = |answer: &crate::support::Answer, bucket: &str| {
        assert_eq!((answer.status, answer.code().as_str()), (403, "AccessDenied"));
        let message = answer.element("Message").unwrap();
        assert!(
            message.contains("s3:ListBucket") && message.ends_with("because no policy allows it"),
            "{message}"
        );
        assert!(message.contains(bucket), "{message}");
    };
    denied(&ana.put("/lake", b"").await, "lake");
    denied(&ana.put("/nope", b"").await, "nope");
    denied(&etl.put("/nope", b"").await, "nope");
    assert_eq!(world.target_requests(), Vec::<String>::new());
}

// LIM-07
#[tokio::test]
async fn the_document_is_verified_and_bounded() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let mut tampered = etl.sign("PUT", "/lake", &[], DOCUMENT, Payload::Literal);
    *tampered.body_mut() = tampered.body().iter().rev().copied().collect();
    let answer = etl.send(tampered).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "XAmzContentSHA256Mismatch")
    );
    let answer = etl.put("/lake", &vec![b' '; (64 << 10) + 1]).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "MaxMessageLengthExceeded")
    );
    // What would change a bucket needs the right to.
    for (name, action) in [
        (
            "x-amz-bucket-object-lock-enabled",
            "s3:PutBucketObjectLockConfiguration",
        ),
        ("x-amz-grant-read", "s3:PutBucketAcl"),
    ] {
        let answer = etl
            .send(etl.sign("PUT", "/lake", &[(name, "true")], b"", Payload::Literal))
            .await;
        answer.refused(name, 501, "NotImplemented");
        assert!(answer.text().contains(action), "{}", answer.text());
    }
    assert_eq!(world.target_requests(), Vec::<String>::new());
}

/// A bucket that callers make and delete.
async fn making(target: &FakeTarget, policy: &str) -> World {
    World::with(Settings {
        target: Some(target.address),
        bucket_lines: "create = true".into(),
        policy: Some(policy.into()),
        ..Settings::default()
    })
    .await
}

#[tokio::test]
async fn a_bucket_that_the_configuration_lets_be_made_is_made_at_the_target() {
    let target =
        FakeTarget::saying("HTTP/1.1 200 OK\r\nlocation: /acme-lake-prod\r\ncontent-length: 0\r\n\r\n").await;
    let world = making(
        &target,
        "permit (principal, action in [Tidegate::Action::\"CreateBucket\", Tidegate::Action::\"DeleteBucket\"], resource);",
    )
    .await;
    let etl = world.client("etl").await;
    let answer = etl.put("/lake", DOCUMENT).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (200, Some("/lake")),
        "{}",
        answer.text()
    );
    let made = target.seen().remove(0);
    assert_eq!(made.line(), "PUT /acme-lake-prod");
    // The region is the target's, and this one needs no word.
    assert_eq!(made.body, b"", "{}", String::from_utf8_lossy(&made.body));
    let request = etl.sign("DELETE", "/lake", &[], b"", Payload::Literal);
    assert_eq!(etl.send(request).await.status, 200);
    assert_eq!(target.lines(), ["PUT /acme-lake-prod", "DELETE /acme-lake-prod"]);
}

// LEK-01
#[tokio::test]
async fn making_and_deleting_a_bucket_needs_a_right_that_names_it() {
    let target = FakeTarget::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let world = making(&target, "permit (principal, action, resource);").await;
    let etl = world.client("etl").await;
    for (method, action) in [("PUT", "s3:CreateBucket"), ("DELETE", "s3:DeleteBucket")] {
        let answer = etl
            .send(etl.sign(method, "/lake", &[], b"", Payload::Literal))
            .await;
        answer.refused(method, 403, "AccessDenied");
        assert!(answer.text().contains(action), "{}", answer.text());
    }
    assert_eq!(target.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_of_the_configuration_is_not_deleted() {
    let world = World::with(Settings {
        policy: Some("permit (principal, action in Tidegate::Action::\"manage\", resource);".into()),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let answer = etl
        .send(etl.sign("DELETE", "/lake", &[], b"", Payload::Literal))
        .await;
    answer.refused("delete", 501, "NotImplemented");
    assert!(answer.text().contains("create = true"), "{}", answer.text());
    assert_eq!(world.target_requests(), Vec::<String>::new());
}
