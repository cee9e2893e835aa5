//! Probes for what a caller may not read: 404 where it may list, the explained 403 everywhere else.

use crate::support::fake_target::{FakeTarget, answer};
use crate::support::post_form::Form;
use crate::support::{Client, Payload, Settings, World};

/// What a team has that may use its prefix and nothing else.
const TEAM: &str = r#"
@id("team-a-uses-its-prefix")
permit (principal == Tidegate::Workload::"idp:etl",
        action in [Tidegate::Action::"read", Tidegate::Action::"write", Tidegate::Action::"delete"], resource)
when { resource.key like "team-a/*" };
@id("team-a-lists-its-prefix")
permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"list", resource)
when { context has prefix && context.prefix like "team-a/*" };
"#;

async fn world_with(target: Option<&FakeTarget>, policy: &str) -> World {
    World::with(Settings {
        target: target.map(|target| target.address),
        policy: Some(policy.into()),
        ..Settings::default()
    })
    .await
}

/// HEAD and GET of `key`, which must both have this status.
async fn check(world: &World, client: &Client, key: &str, status: u16) {
    let target = format!("/lake/{key}");
    let head = client.head(&target).await;
    assert_eq!((head.status, head.body.len()), (status, 0), "HEAD {key}");
    let get = client.get(&target).await;
    let code = if status == 404 {
        "NoSuchKey"
    } else {
        "AccessDenied"
    };
    get.refused(key, status, code);
    for answer in [head, get] {
        let record = world.record_of(&answer).await;
        assert_eq!(record["decision"]["effect"], "deny", "{record}");
        assert_eq!(record["response"]["error_code"], code, "{record}");
        let cause = record["cause"].as_str().unwrap();
        assert!(
            cause.contains("is not authorized to perform: s3:GetObject"),
            "{cause}"
        );
        assert_eq!(cause.contains("told as absent"), status == 404, "{cause}");
    }
}

// AUZ-15
#[tokio::test]
async fn a_parent_of_what_a_caller_may_use_is_not_there() {
    let target = FakeTarget::saying(answer("200 OK", "etag: \"e\"\r\n", "")).await;
    let world = world_with(Some(&target), TEAM).await;
    let etl = world.client("etl").await;
    check(&world, &etl, "team-a", 404).await;
    for key in ["team", "team-ab", "team-b", "team-b/team-a", "Team-a", "other/"] {
        check(&world, &etl, key, 403).await;
    }
    // Only reads of what is current are probes.
    for answer in [
        etl.get("/lake/team-a?versionId=v1").await,
        etl.get("/lake/team-a?tagging").await,
        etl.put("/lake/team-a", b"").await,
        etl.delete("/lake/team-a").await,
        etl.get("/lake?list-type=2&prefix=team-a").await,
        etl.get("/lake?list-type=2&prefix=").await,
    ] {
        answer.refused("no probe", 403, "AccessDenied");
    }
    let conditional = etl.sign(
        "GET",
        "/lake/team-a",
        &[("if-none-match", "*")],
        b"",
        Payload::Literal,
    );
    etl.send(conditional)
        .await
        .refused("a condition", 404, "NoSuchKey");
    // Whoever may list nothing hears nothing.
    let analyst = world.client("analyst").await;
    check(&world, &analyst, "team-a", 403).await;
    assert_eq!(target.lines(), Vec::<String>::new());
    assert_eq!(etl.head("/lake/team-a/x").await.status, 200);
    assert_eq!(target.lines(), ["HEAD /acme-lake-prod/team-a/x"]);
}

// AUZ-15
#[tokio::test]
async fn who_may_list_a_key_is_told_what_a_listing_shows() {
    let policy = r#"
permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"list", resource)
when { context has prefix && context.prefix like "team-a/*" };
@id("nobody-reads-sealed")
@explain("Sealed until the audit is over.")
forbid (principal, action in Tidegate::Action::"read", resource) when { resource.key like "team-a/sealed/*" };
"#;
    let world = world_with(None, policy).await;
    world.store_file("acme-lake-prod", "team-a/secret.txt", b"x");
    let etl = world.client("etl").await;
    for (key, status) in [
        ("team-a/secret.txt", 403),
        ("team-a/secret", 404),
        ("team-a/nothing", 404),
        ("team-a", 404),
        ("team-b", 403),
    ] {
        check(&world, &etl, key, status).await;
    }
    let asked = world.target_requests();
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert!(
        asked
            .iter()
            .all(|line| line.starts_with("GET /acme-lake-prod?list-type=2&max-keys=1&prefix=team-a%2F")),
        "{asked:?}"
    );
    // A prohibition is told as one, and nothing is asked for it.
    for key in ["team-a/sealed/a", "team-a/sealed/none"] {
        let denied = etl.get(&format!("/lake/{key}")).await;
        denied.refused(key, 403, "AccessDenied");
        assert!(
            denied.text().contains("Sealed until the audit is over."),
            "{}",
            denied.text()
        );
    }
    assert_eq!(world.target_requests().len(), asked.len());
}

// AUZ-15, AUZ-20
#[tokio::test]
async fn doubt_is_not_absence() {
    let entry =
        |key: &str| format!("<ListBucketResult><Contents><Key>{key}</Key></Contents></ListBucketResult>");
    let list = r#"permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"list", resource);"#;
    for (status, document, expected) in [
        ("200 OK", entry("a"), 403),
        ("200 OK", entry("a/b"), 404),
        ("200 OK", "<ListBucketResult></ListBucketResult>".to_owned(), 404),
        // No answer to what was asked.
        ("200 OK", entry("b"), 403),
        ("200 OK", "<html></html>".to_owned(), 403),
        ("200 OK", String::new(), 403),
        (
            "200 OK",
            "<Error><Code>InternalError</Code></Error>".to_owned(),
            403,
        ),
        (
            "403 Forbidden",
            "<Error><Code>AccessDenied</Code></Error>".to_owned(),
            403,
        ),
        (
            "404 Not Found",
            "<Error><Code>NoSuchBucket</Code></Error>".to_owned(),
            403,
        ),
        ("503 Slow Down", String::new(), 403),
    ] {
        let target = FakeTarget::saying(answer(status, "", &document)).await;
        let world = world_with(Some(&target), list).await;
        let etl = world.client("etl").await;
        assert_eq!(etl.head("/lake/a").await.status, expected, "{status} {document}");
        assert_eq!(
            target.lines(),
            ["GET /acme-lake-prod?list-type=2&max-keys=1&prefix=a"]
        );
    }
    let failing = format!(
        "{list}\nforbid (principal, action == Tidegate::Action::\"GetObject\", resource)\n\
         when {{ context.local.minute + 9223372036854775807 > 0 }};"
    );
    let target = FakeTarget::saying(answer("200 OK", "", "<ListBucketResult></ListBucketResult>")).await;
    let world = world_with(Some(&target), &failing).await;
    let etl = world.client("etl").await;
    // At midnight exactly the sum is no overflow, and then it forbids.
    assert_eq!(etl.head("/lake/a").await.status, 403);
    assert_eq!(target.lines(), Vec::<String>::new());
}

// AUZ-05: what S3A 3.3 asks for a write into a directory of its own, in its order.
#[tokio::test]
async fn hadoop_works_in_a_prefix_of_its_own() {
    let world = world_with(None, TEAM).await;
    let etl = world.client("etl").await;
    let absent = async |key: &str| {
        assert_eq!(etl.head(&format!("/lake/{key}")).await.status, 404, "{key}");
        let listing = format!("/lake?list-type=2&delimiter=%2F&max-keys=2&prefix={key}%2F");
        let listed = etl.get(&listing).await;
        assert_eq!(listed.status, 200, "{key}: {}", listed.text());
        listed.text().matches("<Key>").count() + listed.text().matches("<CommonPrefixes>").count()
    };
    // mkdirs: the directory, and every parent up to the first that is there.
    for key in [
        "team-a/out/_temporary/0",
        "team-a/out/_temporary",
        "team-a/out",
        "team-a",
    ] {
        assert_eq!(absent(key).await, 0, "{key}");
    }
    assert_eq!(etl.put("/lake/team-a/out/part-0", b"rows").await.status, 200);
    // After each write it removes the markers of all parents, also those that it has no business with.
    let keys = ["team-a/out/", "team-a/", "other/"];
    let objects: String = keys
        .iter()
        .map(|key| format!("<Object><Key>{key}</Key></Object>"))
        .collect();
    let body = format!("<Delete>{objects}</Delete>");
    let delete = etl.sign("POST", "/lake?delete", &[], body.as_bytes(), Payload::Literal);
    let deleted = etl.send(delete).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert_eq!(deleted.text().matches("<Error>").count(), 1, "{}", deleted.text());
    assert!(
        deleted
            .text()
            .contains("<Key>other/</Key><Code>AccessDenied</Code>"),
        "{}",
        deleted.text()
    );
    assert_eq!(absent("team-a/out").await, 1);
    assert_eq!(etl.head("/lake/team-a/out/part-0").await.status, 200);
    let asked = world.target_requests();
    assert!(
        !asked
            .iter()
            .any(|line| line.contains("other") || line.contains("acme-lake-prod/team-a ")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn probes_and_forms_work_in_a_bucket_that_is_a_folder() {
    let policy = r#"
permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"list", resource);
permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"write", resource)
when { resource.key like "in/*" };
"#;
    let world = World::with(Settings {
        more: "[buckets.team]\ntarget = \"store\"\nbucket = \"acme-lake-prod\"\nprefix = \"teams/a/\"\n"
            .into(),
        policies: vec![("team", policy.into())],
        ..Settings::default()
    })
    .await;
    world.store_file("acme-lake-prod", "teams/a/there", b"x");
    world.store_file("acme-lake-prod", "teams/absent", b"x");
    let etl = world.client("etl").await;
    for (key, status) in [("there", 403), ("the", 404), ("absent", 404)] {
        assert_eq!(etl.head(&format!("/team/{key}")).await.status, status, "{key}");
    }
    let mut form = Form::of("in/a", b"by form").with("success_action_status", "201");
    form.target = "/team";
    form.conditions[0] = serde_json::json!({ "bucket": "team" });
    let answer = etl.send(form.request(&etl)).await;
    assert_eq!(
        answer.element("Key").as_deref(),
        Some("in/a"),
        "{}",
        answer.text()
    );
    assert!(!format!("{:?}{}", answer.headers, answer.text()).contains("teams"));
    assert_eq!(world.stored("teams/a/in/a").as_deref(), Some(&b"by form"[..]));
}
