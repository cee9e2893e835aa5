//! What is there: buckets are those of policy, names are those that callers know.

use crate::support::fake_target::{FakeTarget, answer};
use crate::support::{Settings, World};

// AUZ-13
#[tokio::test]
async fn buckets_are_listed_from_policy_and_not_from_the_target() {
    let world = World::with(Settings {
        other_policy: Some(
            r#"permit (principal in Tidegate::Group::"idp:analysts", action in Tidegate::Action::"list", resource);"#
                .into(),
        ),
        ..Settings::default()
    });
    let world = world.await;
    for (who, visible) in [
        ("etl", vec!["lake"]),
        ("analyst", vec!["lake", "other"]),
        ("backup", vec![]),
    ] {
        let answer = world.client(who).await.get("/").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let names: Vec<String> = answer
            .text()
            .split("<Name>")
            .skip(1)
            .map(|t| t.split('<').next().unwrap().into())
            .collect();
        assert_eq!(names, visible, "{who}");
        assert!(!answer.text().contains("acme"), "{}", answer.text());
        let record = world.recorded(&answer, "allow", "permit").await;
        assert_eq!(record["api"]["operation"], "ListBuckets");
    }
    let etl = world.client("etl").await;
    let location = etl.get("/lake?location").await;
    assert_eq!(location.status, 200, "{}", location.text());
    assert!(
        location.text().contains("<LocationConstraint"),
        "{}",
        location.text()
    );
    world.untouched("answers that need no target");
    for path in [
        "/other?location",
        "/elsewhere?location",
        "/acme-lake-prod?location",
        "/acme-lake-prod?list-type=2",
    ] {
        etl.get(path).await.refused(path, 403, "AccessDenied");
    }
    assert_eq!(etl.head("/other").await.status, 403);
    world.untouched("denied questions");
    let head = etl.head("/lake").await;
    assert_eq!(
        (head.status, head.header("x-amz-bucket-region")),
        (200, Some("us-east-1"))
    );
}

#[tokio::test]
async fn listings_carry_the_names_that_callers_know() {
    let world = World::start().await;
    for key in ["tmp/a", "tmp/b", "raw/ä +&.csv"] {
        world.store_file("acme-lake-prod", key, b"x");
    }
    let etl = world.client("etl").await;
    for (target, found) in [
        ("/lake", 3),
        ("/lake?prefix=tmp%2F", 2),
        ("/lake?list-type=2", 3),
        ("/lake?list-type=2&prefix=tmp%2F&max-keys=1", 1),
        ("/lake?list-type=2&delimiter=%2F", 0),
        ("/lake?list-type=2&prefix=nothing", 0),
    ] {
        let answer = etl.get(target).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert_eq!(answer.element("Name").as_deref(), Some("lake"), "{target}");
        assert_eq!(
            answer.text().matches("<Key>").count(),
            found,
            "{target}: {}",
            answer.text()
        );
        assert!(!answer.text().contains("acme"), "{target}");
    }
    let before = world.target_requests().len();
    let analyst = world.client("analyst").await;
    for target in ["/lake", "/lake?list-type=2&prefix=public%2F", "/lake?uploads"] {
        let answer = analyst.get(target).await;
        answer.refused(target, 403, "AccessDenied");
        world.recorded(&answer, "deny", "no-permit").await;
    }
    assert_eq!(world.target_requests().len(), before);
}

// LEK-02, LEK-04
#[tokio::test]
async fn an_answer_says_nothing_about_the_target() {
    let document = "<?xml version=\"1.0\"?><ListMultipartUploadsResult canary=\"1\"><Bucket>acme-lake-prod</Bucket>\
                    <Upload><Key>tmp/a</Key><UploadId>u</UploadId><Owner><ID>canary</ID></Owner>\
                    <Initiator><ID>canary</ID><DisplayName>canary</DisplayName></Initiator></Upload>\
                    <!-- canary --></ListMultipartUploadsResult>";
    let headers = "Server: canary\r\nx-amz-bucket-region: canary\r\nLocation: http://canary/\r\n\
                   set-cookie: canary=1\r\nalt-svc: h2=\"canary\"\r\nx-amz-id-2: canary\r\nx-amz-request-id: canary\r\n\
                   access-control-allow-origin: canary\r\nvia: canary\r\n";
    let target = FakeTarget::saying(answer("200 OK", headers, document)).await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let answer = etl.get("/lake?uploads&prefix=tmp%2F").await;
    assert_eq!(
        (answer.status, answer.element("Bucket").as_deref()),
        (200, Some("lake")),
        "{}",
        answer.text()
    );
    assert!(
        answer.element("UploadId").is_some_and(|id| id.len() > 100),
        "{}",
        answer.text()
    );
    let everything = format!("{:?}{}", answer.headers, answer.text());
    assert!(
        !everything.contains("canary") && !everything.contains("acme"),
        "{everything}"
    );
    // The operator can follow the request to the target.
    assert_eq!(world.record_of(&answer).await["target"]["request_id"], "canary");
    let mut lines = target.lines();
    assert_eq!(lines.remove(0), "GET /acme-lake-prod?uploads=&prefix=tmp%2F");
}
