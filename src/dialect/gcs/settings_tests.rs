use super::*;
use crate::operation::gcs::Wishes;
use crate::operation::{BucketName, KeyPrefix, Resource};

fn check(method: Method, document: &str, expected: Result<(&str, &[Action]), &str>) {
    let read = read(method, document.as_bytes());
    match (read, expected) {
        (Ok((bytes, actions)), Ok((kept, needed))) => {
            assert_eq!(bytes, kept.as_bytes(), "{document}");
            assert_eq!(actions, needed, "{document}");
        }
        (Err(error), Err(words)) => assert!(error.message.contains(words), "{document}: {error:?}"),
        (read, _) => panic!("{document}: {read:?}"),
    }
}

// GCS-06
#[test]
fn each_member_of_a_bucket_is_a_right_of_its_own() {
    let patch = Method::BucketsPatch;
    let labels = r#"{"labels":{"team":"a"}}"#;
    check(patch, labels, Ok((labels, &[Action::PutBucketTagging])));
    let with_output = r#"{"kind":"storage#bucket","name":"x","versioning":{"enabled":true}}"#;
    let kept = r#"{"versioning":{"enabled":true}}"#;
    check(patch, with_output, Ok((kept, &[Action::PutBucketVersioning])));
    check(
        patch,
        r#"{"iamConfiguration":{"publicAccessPrevention":"inherited"}}"#,
        Ok((
            r#"{"iamConfiguration":{"publicAccessPrevention":"inherited"}}"#,
            &[
                Action::PutBucketPublicAccessBlock,
                Action::PutBucketOwnershipControls,
            ],
        )),
    );
    check(patch, r#"{"unheardOf":1}"#, Err("`unheardOf`"));
    check(patch, r#"{"labels":{},"labels":{"a":"b"}}"#, Err("once"));
    check(patch, r#"{"rpo":1.5}"#, Err("no integer"));
    check(patch, "{}", Err("sets nothing"));
    check(patch, r#"{"name":"other"}"#, Err("sets nothing"));
    check(
        Method::ObjectAccessControlsInsert,
        r#"{"entity":"allUsers","role":"READER"}"#,
        Ok((r#"{"entity":"allUsers","role":"READER"}"#, &[])),
    );
    check(
        Method::BucketsSetIamPolicy,
        r#"{"labels":{"a":"b"}}"#,
        Err("`labels`"),
    );
}

/// What gcloud sends to change a label: the bucket as it was read, and the label.
fn read_and_changed(change: &Value) -> String {
    let mut bucket = as_shown();
    bucket.insert("etag".into(), ETAG.into());
    for (name, value) in [("kind", "storage#bucket"), ("name", "lake"), ("location", "US")] {
        bucket.insert(name.into(), value.into());
    }
    for (name, value) in change.as_object().unwrap() {
        bucket.insert(name.clone(), value.clone());
    }
    Value::Object(bucket).to_string()
}

#[test]
fn what_was_made_up_here_is_not_written_back() {
    let patch = Method::BucketsPatch;
    let labels = json!({ "labels": { "a": "b" } });
    check(
        patch,
        &read_and_changed(&labels),
        Ok((&labels.to_string(), &[Action::PutBucketTagging])),
    );
    // Of a member that has members, those that were changed.
    check(
        patch,
        &read_and_changed(&json!({ "iamConfiguration": {
            "uniformBucketLevelAccess": { "enabled": true }, "publicAccessPrevention": "inherited",
        } })),
        Ok((
            r#"{"iamConfiguration":{"publicAccessPrevention":"inherited"}}"#,
            &[
                Action::PutBucketPublicAccessBlock,
                Action::PutBucketOwnershipControls,
            ],
        )),
    );
    check(
        patch,
        &read_and_changed(&json!({})),
        Err("the whole bucket as it was read"),
    );
    // Whoever did not read it here means it.
    let class = r#"{"storageClass":"STANDARD"}"#;
    check(patch, class, Ok((class, &[Action::PutLifecycleConfiguration])));
    let elsewhere = r#"{"etag":"CAE=","storageClass":"STANDARD"}"#;
    check(
        patch,
        elsewhere,
        Ok((class, &[Action::PutLifecycleConfiguration])),
    );

    let admin = r#"{"members":["user:a@example.com"],"role":"roles/storage.objectAdmin"}"#;
    let caller = r#"{"members":["user:a@example.com","principal://tidegate/idp:etl"],"role":"r"}"#;
    for method in [Method::BucketsSetIamPolicy, Method::ObjectsSetIamPolicy] {
        for policy in [
            format!(r#"{{"bindings":[{admin}],"etag":"{ETAG}"}}"#),
            format!(r#"{{"bindings":[{admin},{caller}]}}"#),
            format!(r#"{{"bindings":[{caller}],"etag":"CAE="}}"#),
        ] {
            check(method, &policy, Err("this policy was read here"));
        }
        let own = format!(r#"{{"bindings":[{admin}],"etag":"CAE="}}"#);
        check(method, &own, Ok((&own, &[])));
    }
}

fn call(method: Method, sent: &str) -> Call {
    let bucket = Resource::Bucket(BucketName::parse("lake").unwrap());
    let call = Call::new(method, bucket, Vec::new(), Vec::new()).unwrap();
    call.with_detail(Detail::Document(sent.to_owned().into()), Wishes::default())
}

fn check_answer(call: &Call, document: &str, expected: Result<&str, AnswerError>) {
    let prefix = KeyPrefix::default();
    let names = Names {
        bucket: "lake",
        target_bucket: "acme-prod",
        prefix: &prefix,
        origin: "https://s3.test",
    };
    let shown = answered(document.as_bytes(), &names, call);
    let shown = shown.map(|shown| String::from_utf8(shown).unwrap());
    assert_eq!(shown, expected.map(str::to_owned), "{document}");
}

#[test]
fn answers_name_the_bucket_as_callers_do() {
    let list = call(Method::NotificationsList, "");
    check_answer(
        &list,
        r#"{"kind":"storage#notifications","items":[{"kind":"storage#notification","id":"7","selfLink":"https://g/x","topic":"t"}]}"#,
        Ok(
            r#"{"kind":"storage#notifications","items":[{"kind":"storage#notification","id":"7","topic":"t"}]}"#,
        ),
    );
    check_answer(
        &call(Method::BucketAccessControlsInsert, ""),
        r#"{"bucket":"acme-prod","id":"acme-prod/allUsers","entity":"allUsers","projectTeam":{"projectNumber":"1"}}"#,
        Ok(r#"{"bucket":"lake","entity":"allUsers"}"#),
    );
    check_answer(&list, r#"{"bucket":"other"}"#, Err(AnswerError::OtherBucket));
    check_answer(&list, "[]", Err(AnswerError::Malformed));
}

// LEK-04
#[test]
fn who_changes_one_setting_is_told_of_that_one() {
    let bucket = r#"{"kind":"storage#bucket","id":"acme-prod","name":"acme-prod","projectNumber":"42",
        "selfLink":"https://g/b/acme-prod","metageneration":"4","labels":{"a":"b"},"logging":{"logBucket":"acme-logs"},
        "encryption":{"defaultKmsKeyName":"projects/acme/k"},"retentionPolicy":{"isLocked":true},
        "acl":[{"kind":"storage#bucketAccessControl","id":"acme-prod/e","bucket":"acme-prod","entity":"e","role":"OWNER",
        "selfLink":"https://g/b/acme-prod/acl/e","projectTeam":{"projectNumber":"42","team":"owners"}}]}"#;
    let check = |method, sent: &str, more: Value| {
        let mut expected = json!({ "kind": "storage#bucket", "name": "lake", "metageneration": "4" });
        let more = more.as_object().unwrap().clone();
        expected.as_object_mut().unwrap().extend(more);
        check_answer(&call(method, sent), bucket, Ok(&expected.to_string()));
    };
    let patch = Method::BucketsPatch;
    check(
        patch,
        r#"{"labels":{"a":"b"}}"#,
        json!({ "labels": { "a": "b" } }),
    );
    check(patch, r#"{"cors":[]}"#, json!({}));
    check(
        patch,
        r#"{"acl":[{"entity":"e","role":"OWNER"}]}"#,
        json!({ "acl": [{
            "kind": "storage#bucketAccessControl", "bucket": "lake", "entity": "e", "role": "OWNER",
        }] }),
    );
    check(
        Method::BucketsLockRetentionPolicy,
        "",
        json!({ "retentionPolicy": { "isLocked": true } }),
    );
    check(Method::BucketsGet, "", json!({}));
    check(Method::BucketsInsert, "", json!({}));
}
