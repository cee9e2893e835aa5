//! Ways around a decision in Google's words: what is said twice, what collapses on the way, and what a reader is shown.
//! Whatever is refused never reaches the store; whatever is told was there to be listed.

use crate::support::gcs::EVERYTHING;
use crate::support::gcs_json::{BUCKET, Caller, JsonStore, json, refused};
use crate::support::{Settings, World};
use serde_json::json as document;
use tidegate::dev::GcsFault;

const OBJECTS: &str = "/storage/v1/b/lake/o";

async fn with(policy: &str) -> (JsonStore, World, Caller) {
    let store = JsonStore::start().await;
    let world = store
        .world(Settings {
            policy: Some(policy.into()),
            ..Settings::default()
        })
        .await;
    let etl = Caller::new(&world, "etl");
    (store, world, etl)
}

// AUZ-16, GCS-05: what is decided about is what the store would use.
#[tokio::test]
async fn a_key_is_named_in_one_place() {
    let policy = format!(
        "{EVERYTHING}\n@id(\"one-key\") forbid (principal, action == Tidegate::Action::\"PutObject\", resource)\n\
         when {{ context.kms_key != \"projects/p/good\" }};"
    );
    let (store, _world, etl) = with(&policy).await;
    store.has("a", b"123").await;
    let before = store.requests().len();
    let good = document!({ "kmsKeyName": "projects/p/good" });
    let composed = document!({ "sourceObjects": [{ "name": "a" }], "destination": good });
    for (target, body, status, reason) in [
        ("a/rewriteTo/b/lake/o/b", document!({}), 403, "forbidden"),
        (
            "a/rewriteTo/b/lake/o/b?destinationKmsKeyName=projects/p/evil",
            document!({}),
            403,
            "forbidden",
        ),
        (
            "a/rewriteTo/b/lake/o/b?destinationKmsKeyName=projects/p/evil",
            good.clone(),
            400,
            "invalid",
        ),
        (
            "a/copyTo/b/lake/o/b?destinationKmsKeyName=projects/p/evil",
            good.clone(),
            400,
            "invalid",
        ),
        (
            "b/compose?kmsKeyName=projects/p/evil",
            composed.clone(),
            400,
            "invalid",
        ),
        ("b/compose?kmsKeyName=", composed, 400, "invalidParameter"),
    ] {
        let answer = etl.call("POST", &format!("{OBJECTS}/{target}"), &body).await;
        refused(&answer, target, status, reason);
    }
    let begin = "/upload/storage/v1/b/lake/o?uploadType=resumable&name=b&kmsKeyName=";
    for key in ["", "projects/p/evil"] {
        let answer = etl.call("POST", &format!("{begin}{key}"), &good).await;
        assert_eq!(answer.status, 400, "{key}: {}", answer.text());
    }
    store.untouched_since(before, "two keys");
    assert_eq!(store.names(BUCKET), ["a"]);
}

// CLS-06: whoever collapses dot segments would do something else than was decided.
#[tokio::test]
async fn no_name_in_a_path_is_a_dot_segment() {
    let (store, _world, etl) = with(EVERYTHING).await;
    store.has("a", b"123").await;
    let before = store.requests().len();
    for name in ["..", "%2e%2e", ".", "a%2F..%2Fb"] {
        for path in [
            format!("/storage/v1/b/lake/acl/{name}"),
            format!("{OBJECTS}/a/acl/{name}"),
            format!("/storage/v1/b/lake/notificationConfigs/{name}"),
        ] {
            refused(&etl.delete(&path).await, &path, 400, "invalid");
        }
    }
    store.untouched_since(before, "dot segments");
}

// LEK-04: at Google they name projects and service accounts.
#[tokio::test]
async fn who_reads_objects_sees_no_access_lists() {
    let policy = "@id(\"reader\") permit (principal, action, resource);";
    let (store, _world, etl) = with(policy).await;
    store.has("a", b"123").await;
    let before = store.requests().len();
    for path in [
        "o/a/acl",
        "o/a/iam",
        "o/a/acl/allUsers",
        "acl",
        "defaultObjectAcl",
    ] {
        let answer = etl.get(&format!("/storage/v1/b/lake/{path}")).await;
        refused(&answer, path, 403, "forbidden");
    }
    store.untouched_since(before, "access lists");
}

// AUZ-15
#[tokio::test]
async fn a_parent_of_what_may_be_used_is_told_absent() {
    let policy = r#"
@id("folder") permit (principal, action in Tidegate::Action::"read", resource)
when { resource.key like "released/*" };
@id("list") permit (principal, action == Tidegate::Action::"ListBucket", resource)
when { if context has prefix then context.prefix like "released/*" else true };
"#;
    let (store, world, etl) = with(policy).await;
    store.has("released/a", b"123").await;
    store.has("secret/a", b"123").await;
    let parent = etl.get(&format!("{OBJECTS}/released")).await;
    refused(&parent, "a parent", 404, "notFound");
    let record = world.record_of(&parent).await;
    assert_eq!(record["decision"]["effect"], "deny", "{record}");
    for name in ["secret", "secret%2Fa", "secret%2Fb"] {
        refused(
            &etl.get(&format!("{OBJECTS}/{name}")).await,
            name,
            403,
            "forbidden",
        );
    }
    assert_eq!(etl.get(&format!("{OBJECTS}/released%2Fa")).await.status, 200);
}

// Every object that is read has its evidence.
#[tokio::test]
async fn a_compose_is_recorded_with_all_its_sources() {
    let (store, world, etl) = with(EVERYTHING).await;
    for name in ["a", "b", "c"] {
        store.has(name, b"123").await;
    }
    let sources = document!({ "sourceObjects": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] });
    let made = etl
        .call("POST", &format!("{OBJECTS}/all/compose"), &sources)
        .await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(json(&made)["size"], "9");
    let resource = &world.record_of(&made).await["resource"];
    assert_eq!(resource["copy_source"], "lake/a", "{resource}");
    assert_eq!(
        resource["copy_sources"],
        document!(["lake/b", "lake/c"]),
        "{resource}"
    );
    let missing = document!({ "sourceObjects": [{ "name": "gone" }] });
    let answer = etl
        .call("POST", &format!("{OBJECTS}/all/compose"), &missing)
        .await;
    refused(&answer, "a missing source", 404, "notFound");
    assert!(answer.text().contains("lake/gone"), "{}", answer.text());
}

// What a caller says of a project and of the bucket's name at the store counts for nothing.
#[tokio::test]
async fn a_bucket_is_made_and_deleted_where_the_configuration_says_so() {
    let store = JsonStore::start().await;
    let made = |project: &str, lines: &str| Settings {
        target_table: Some(
            store
                .table()
                .replace("kind = \"gcs-xml\"\n", &format!("kind = \"gcs-xml\"\n{project}")),
        ),
        bucket_lines: lines.into(),
        policy: Some(EVERYTHING.into()),
        ..Settings::default()
    };
    let (bucket, buckets) = ("/storage/v1/b/lake", "/storage/v1/b?project=theirs");
    let body = document!({ "name": "lake", "location": "nowhere" });

    let world = World::with(made("", "create = true")).await;
    let etl = Caller::new(&world, "etl");
    refused(
        &etl.call("POST", buckets, &body).await,
        "no project",
        501,
        "notImplemented",
    );
    store.untouched_since(0, "a bucket of no project");

    let world = World::with(made("project = \"acme-data-1\"\n", "")).await;
    let etl = Caller::new(&world, "etl");
    refused(
        &etl.call("POST", buckets, &body).await,
        "a bucket that is there",
        409,
        "conflict",
    );
    refused(
        &etl.delete(bucket).await,
        "a bucket that is provided",
        501,
        "notImplemented",
    );
    assert_eq!(etl.get(bucket).await.status, 200);
    store.untouched_since(0, "a bucket of the configuration's");

    let world = World::with(made("project = \"acme-data-1\"\n", "create = true")).await;
    let etl = Caller::new(&world, "etl");
    let gone = etl.delete(bucket).await;
    assert_eq!((gone.status, gone.text()), (204, String::new()));
    // Whoever makes sure of it first hears whether there is something to make.
    let asked = store.requests().len();
    refused(
        &etl.get(&format!("{bucket}?fields=name")).await,
        "a bucket that is to be made",
        404,
        "notFound",
    );
    assert_eq!(store.lines_since(asked), [format!("GET /storage/v1/b/{BUCKET}")]);
    for target in [buckets, "/storage/v1/b"] {
        let before = store.requests().len();
        let answer = etl.call("POST", target, &body).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert_eq!(json(&answer)["name"], "lake");
        assert!(!answer.text().contains(BUCKET), "{}", answer.text());
        assert_eq!(
            store.lines_since(before),
            ["POST /storage/v1/b?project=acme-data-1"]
        );
        let there = etl.get(bucket).await;
        assert_eq!((there.status, json(&there)), (200, json(&answer)), "{target}");
        // There as well, where our credential may do no more than use it.
        store.plan(
            "GET",
            BUCKET,
            GcsFault::Status {
                status: 403,
                after: 0,
            },
        );
        assert_eq!(etl.get(bucket).await.status, 200, "{target}");
        store.plan(
            "GET",
            BUCKET,
            GcsFault::Status {
                status: 503,
                after: 0,
            },
        );
        assert_eq!(etl.get(bucket).await.status, 503, "{target}");
        assert_eq!(etl.delete(bucket).await.status, 204);
    }
}
