//! Buckets as callers of Google's JSON API read and change them: what is made up here never becomes true at the store, and
//! who may change one setting, or use one folder, is told of no more.

use crate::support::gcs::EVERYTHING;
use crate::support::gcs_json::{BUCKET, Caller, JsonStore, json, refused, shows_nothing_of_the_store};
use crate::support::{Settings, World};
use serde_json::{Value, json as document};

const LAKE: &str = "/storage/v1/b/lake";
const IAM: &str = "/storage/v1/b/lake/iam";

async fn with(policy: &str) -> (JsonStore, World) {
    let store = JsonStore::start().await;
    let world = store
        .world(Settings {
            policy: Some(policy.into()),
            ..Settings::default()
        })
        .await;
    (store, world)
}

/// The document of the last request that reached the store.
fn last_document(store: &JsonStore) -> Value {
    let seen = store.requests().pop().unwrap();
    serde_json::from_slice(&seen.document).unwrap()
}

// LEK-01: `add-iam-policy-binding` reads, changes and writes; what it read are the caller's own rights.
#[tokio::test]
async fn a_policy_that_was_read_here_is_not_written_over_that_of_the_store() {
    let (store, world) = with(EVERYTHING).await;
    let etl = Caller::new(&world, "etl");
    let read = etl.get(&format!("{IAM}?fields=bindings,etag")).await;
    assert_eq!(read.status, 200, "{}", read.text());
    let mut policy = json(&read);
    assert!(
        policy["bindings"]
            .to_string()
            .contains("principal://tidegate/idp:etl"),
        "{policy}"
    );
    let bob = document!({ "role": "roles/storage.objectViewer", "members": ["user:bob@example.com"] });
    policy["bindings"].as_array_mut().unwrap().push(bob.clone());
    let mut without_tag = policy.clone();
    without_tag.as_object_mut().unwrap().remove("etag");
    let only_tag = document!({ "bindings": [bob], "etag": policy["etag"] });
    for written in [&policy, &without_tag, &only_tag] {
        let answer = etl.call("PUT", IAM, written).await;
        refused(&answer, "a policy that was read here", 400, "invalid");
        assert!(answer.text().contains("policy file"), "{}", answer.text());
    }
    store.untouched_since(0, "a policy that was read here");
    // One that was not read here is the store's business.
    let whole = document!({ "bindings": [bob], "etag": "CAE=" });
    let answer = etl.call("PUT", IAM, &whole).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(last_document(&store), whole);
}

const LABELS: &str = r#"
@id("labels") permit (principal == Tidegate::Workload::"idp:etl", action == Tidegate::Action::"PutBucketTagging", resource);
"#;

// LEK-04: gcloud reads the bucket, puts the label into what it read, and sends all of it.
#[tokio::test]
async fn who_changes_a_label_changes_nothing_else_and_is_told_of_nothing_else() {
    let (store, world) = with(LABELS).await;
    let etl = Caller::new(&world, "etl");
    let read = etl.get(&format!("{LAKE}?projection=full")).await;
    assert_eq!(read.status, 200, "{}", read.text());
    let whole = json(&read);
    let mut labelled = whole.clone();
    labelled["labels"] = document!({ "team": "a" });
    let changed = etl
        .call("PATCH", &format!("{LAKE}?projection=full"), &labelled)
        .await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(last_document(&store), document!({ "labels": { "team": "a" } }));
    assert_eq!(
        store.lines_since(0),
        [format!("PATCH /storage/v1/b/{BUCKET}?projection=noAcl")]
    );
    let told = json(&changed);
    assert_eq!(
        (&told["name"], &told["labels"], &told["metageneration"]),
        (&"lake".into(), &document!({ "team": "a" }), &"2".into())
    );
    shows_nothing_of_the_store(
        &changed,
        "a label",
        &["project", "iamConfiguration", "softDelete", "versioning", "rpo"],
    );
    // What is changed besides is a right of its own, and what is not changed is nothing to send.
    let before = store.requests().len();
    labelled["iamConfiguration"]["publicAccessPrevention"] = "inherited".into();
    let denied = etl.call("PATCH", LAKE, &labelled).await;
    refused(&denied, "another setting", 403, "forbidden");
    assert!(
        denied.text().contains("PutBucketPublicAccessBlock"),
        "{}",
        denied.text()
    );
    refused(
        &etl.call("PATCH", LAKE, &whole).await,
        "no change",
        400,
        "invalid",
    );
    store.untouched_since(before, "what is not to be changed");
}

#[tokio::test]
async fn who_sets_access_lists_is_told_of_them() {
    let (store, world) = with(EVERYTHING).await;
    let etl = Caller::new(&world, "etl");
    let lists = document!({ "acl": [{ "entity": "allUsers", "role": "READER" }] });
    let changed = etl.call("PATCH", LAKE, &lists).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(
        store.lines_since(0),
        [format!("PATCH /storage/v1/b/{BUCKET}?projection=full")]
    );
    let told = json(&changed);
    assert_eq!(told["acl"][0]["role"], "OWNER", "{told}");
    assert_eq!(
        (&told["owner"], &told["versioning"]),
        (&Value::Null, &Value::Null)
    );
}

const RELEASES: &str = r#"
@id("use") permit (principal in Tidegate::Group::"idp:analysts", action in Tidegate::Action::"read", resource)
when { resource.key like "released/*" };
@id("list") permit (principal in Tidegate::Group::"idp:analysts", action in Tidegate::Action::"list", resource)
when { context has prefix && context.prefix like "released/*" };
"#;

// AUZ-13: a bucket that is in the list of buckets is told alone as well, and to nobody else.
#[tokio::test]
async fn who_has_a_folder_is_told_that_the_bucket_is_there() {
    let (store, world) = with(RELEASES).await;
    let analyst = Caller::new(&world, "analyst");
    let backup = Caller::new(&world, "backup");
    let listed = json(
        &analyst
            .get("/storage/v1/b?project=p&returnPartialSuccess=true")
            .await,
    );
    let bucket = analyst.get(LAKE).await;
    assert_eq!((bucket.status, json(&bucket)), (200, listed["items"][0].clone()));
    let tested =
        format!("{IAM}/testPermissions?permissions=storage.buckets.get&permissions=storage.buckets.delete");
    assert_eq!(
        json(&analyst.get(&tested).await)["permissions"],
        document!(["storage.buckets.get"])
    );
    assert_eq!(json(&backup.get(&tested).await)["permissions"], Value::Null);
    for (what, status) in [
        ("storageLayout?prefix=released%2F", 200),
        ("storageLayout?prefix=secret%2F", 403),
        ("storageLayout", 403),
        ("folders?prefix=released%2F", 200),
        ("folders?prefix=secret%2F", 403),
        ("folders/released%2F", 404),
        ("managedFolders/released%2Fa%20b%2F", 404),
    ] {
        let answer = analyst.get(&format!("{LAKE}/{what}")).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let answer = backup.get(&format!("{LAKE}/{what}")).await;
        refused(&answer, what, 403, "forbidden");
    }
    let absent = |answer: &str| answer.replace("lake", "nowhere");
    let (denied, unknown) = (backup.get(LAKE).await, backup.get("/storage/v1/b/nowhere").await);
    refused(&denied, "somebody else", 403, "forbidden");
    refused(&unknown, "a bucket that nobody has", 403, "forbidden");
    let words = |text: String| text.split(" (request").next().unwrap_or_default().to_owned();
    assert_eq!(words(absent(&denied.text())), words(unknown.text()));
    store.untouched_since(0, "what is answered here");
}
