//! What a call in Google's words does besides its name: whatever it changes of an object is decided as in S3, however it is
//! said, and the record says what that was. Whatever is denied never reaches the store.

use crate::support::gcs::EVERYTHING;
use crate::support::gcs_json::{BUCKET, Caller, JsonStore, json, refused};
use crate::support::gcs_uploads::{CONTENT, UPLOAD, begun, chunk, of_writers, related, world_of};
use crate::support::{Payload, Settings, World};
use serde_json::{Value, json as document};

const OBJECTS: &str = "/storage/v1/b/lake/o";
const PREFIXES: [(&str, &str, &str); 4] = [
    ("held", "PutObjectLegalHold", "PutObjectLegalHold"),
    ("kept", "PutObjectRetention", "PutObjectRetention"),
    ("tagged", "PutObjectTagging", "PutObjectVersionTagging"),
    ("shared", "PutObjectAcl", "PutObjectVersionAcl"),
];

/// Everything, but for what `more` says.
async fn all_but(more: &str) -> (JsonStore, World, Caller) {
    world_of(Settings {
        policy: Some(format!("{EVERYTHING}\n{more}")),
        ..Settings::default()
    })
    .await
}

fn forbidden(action: &str, condition: &str) -> String {
    format!(
        "forbid (principal, action == Tidegate::Action::\"{action}\", resource) when {{ {condition} }};\n"
    )
}

fn contexts(name: &str, value: &str) -> Value {
    document!({ "contexts": { "custom": { name: { "value": value } } } })
}

// GCS-06, AUZ-11: what a replacement does not name is gone, so that leaving a hold out would lift it.
#[tokio::test]
async fn an_update_needs_the_right_to_all_that_it_resets() {
    let forbids =
        PREFIXES.map(|(folder, live, _)| forbidden(live, &format!("resource.key like \"{folder}/*\"")));
    let (store, world, etl) = all_but(&forbids.concat()).await;
    let plain = document!({ "contentType": "text/plain" });
    for (folder, right, _) in PREFIXES {
        store.has(&format!("{folder}/a"), CONTENT).await;
        let object = format!("{OBJECTS}/{folder}%2Fa");
        let before = store.requests().len();
        let answer = etl.call("PUT", &object, &plain).await;
        refused(&answer, folder, 403, "forbidden");
        let message = json(&answer)["error"]["message"].to_string();
        assert!(message.contains(right) && message.contains("PATCH"), "{message}");
        world.recorded(&answer, "deny", "forbid").await;
        store.untouched_since(before, folder);
        let patched = etl.call("PATCH", &object, &plain).await;
        assert_eq!(patched.status, 200, "{folder}: {}", patched.text());
    }
    store.has("free", CONTENT).await;
    let answer = etl.call("PUT", &format!("{OBJECTS}/free"), &plain).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // Whoever may write, and nothing more, has a patch.
    let (store, _world, writer) = of_writers().await;
    store.has("a", CONTENT).await;
    let before = store.requests().len();
    let answer = writer.call("PUT", &format!("{OBJECTS}/a"), &plain).await;
    refused(&answer, "a writer", 403, "forbidden");
    store.untouched_since(before, "a writer");
    let patched = writer.call("PATCH", &format!("{OBJECTS}/a"), &plain).await;
    assert_eq!(patched.status, 200, "{}", patched.text());
}

// GCS-07: a generation is a version, in whichever call it is named.
#[tokio::test]
async fn what_is_set_on_a_generation_needs_the_right_to_versions() {
    let forbids = PREFIXES.map(|(folder, live, named)| match live == named {
        true => String::new(),
        false => forbidden(named, &format!("resource.key like \"{folder}/*\"")),
    });
    let (store, world, etl) = all_but(&forbids.concat()).await;
    for (folder, query, body) in [
        ("tagged", "", contexts("class", "public")),
        ("shared", "&predefinedAcl=publicRead", document!({})),
        (
            "shared",
            "",
            document!({ "acl": [{ "entity": "allUsers", "role": "READER" }] }),
        ),
    ] {
        let generation = store.has(&format!("{folder}/a"), CONTENT).await;
        let object = format!("{OBJECTS}/{folder}%2Fa");
        let before = store.requests().len();
        let target = format!("{object}?generation={generation}{query}");
        let mut whole = body.clone();
        whole["contentType"] = "text/plain".into();
        for (method, body) in [("PATCH", &body), ("PUT", &whole)] {
            let answer = etl.call(method, &target, body).await;
            refused(&answer, &format!("{method} {target}"), 403, "forbidden");
            assert!(answer.text().contains("PutObjectVersion"), "{}", answer.text());
            world.recorded(&answer, "deny", "forbid").await;
        }
        store.untouched_since(before, folder);
    }
    let live = etl
        .call(
            "PATCH",
            &format!("{OBJECTS}/tagged%2Fa"),
            &contexts("class", "public"),
        )
        .await;
    assert_eq!(live.status, 200, "{}", live.text());
}

// AUZ-16: a rule has one word for one thing.
#[tokio::test]
async fn a_write_reads_the_same_to_policy_in_whatever_words_it_is_said() {
    let key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    let policy = forbidden("PutObject", "context.sse == \"aws:kms\"")
        + &forbidden("PutObject", "context.storage_class == \"ARCHIVE\"");
    let (store, world, etl) = all_but(&policy).await;
    store.has("a", CONTENT).await;
    let before = store.requests().len();
    let media = format!("{UPLOAD}?uploadType=media&name=b&kmsKeyName={key}");
    refused(
        &etl.send("POST", &media, &[], CONTENT).await,
        "a key",
        403,
        "forbidden",
    );
    for header in [
        ("x-goog-encryption-kms-key-name", key),
        ("x-goog-storage-class", "ARCHIVE"),
        ("x-amz-storage-class", "DEEP_ARCHIVE"),
    ] {
        let answer = etl.send("PUT", "/lake/b", &[header], CONTENT).await;
        assert_eq!(answer.status, 403, "{header:?}: {}", answer.text());
        world.recorded(&answer, "deny", "forbid").await;
    }
    let signed = world.client("etl").await;
    let archived = [("x-amz-storage-class", "DEEP_ARCHIVE")];
    let request = signed.sign("PUT", "/lake/b", &archived, CONTENT, Payload::Literal);
    let answer = signed.send(request).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    for (class, status, reason) in [
        ("ARCHIVE", 403, "forbidden"),
        ("archive", 400, "invalid"),
        ("Archive", 400, "invalid"),
        (" ARCHIVE", 400, "invalid"),
        ("DEEP_ARCHIVE", 400, "invalid"),
        ("", 400, "invalid"),
    ] {
        let fields = document!({ "storageClass": class });
        let rewrite = format!("{OBJECTS}/a/rewriteTo/b/lake/o/b");
        refused(&etl.call("POST", &rewrite, &fields).await, class, status, reason);
        let composed = document!({ "sourceObjects": [{ "name": "a" }], "destination": fields });
        let compose = format!("{OBJECTS}/b/compose");
        refused(
            &etl.call("POST", &compose, &composed).await,
            class,
            status,
            reason,
        );
        let begin = format!("{UPLOAD}?uploadType=resumable&name=b");
        refused(&etl.call("POST", &begin, &fields).await, class, status, reason);
    }
    store.untouched_since(before, "what is forbidden by another name");
    assert_eq!(store.names(BUCKET), ["a"]);
    let near = document!({ "storageClass": "NEARLINE" });
    let answer = etl
        .call("POST", &format!("{OBJECTS}/a/rewriteTo/b/lake/o/b"), &near)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

// AUZ-17: contexts are Google's tags.
#[tokio::test]
async fn contexts_are_tags_for_policy_wherever_they_are_set() {
    let policy = "@id(\"no-legal\") forbid (principal, action in [Tidegate::Action::\"PutObjectTagging\", \
                  Tidegate::Action::\"PutObject\"], resource) when { resource.hasTag(\"legal\") && \
                  resource.getTag(\"legal\") != \"kept\" };";
    let (store, world, etl) = all_but(policy).await;
    let generation = store.has("a", CONTENT).await;
    let calls = |value: &str| {
        let tags = contexts("legal", value);
        let mut whole = tags.clone();
        whole["contentType"] = "text/plain".into();
        let composed = document!({ "sourceObjects": [{ "name": "a" }], "destination": tags });
        [
            ("PATCH", "a".to_owned(), tags.clone()),
            ("PUT", "a".to_owned(), whole),
            ("POST", "a/copyTo/b/lake/o/copied".to_owned(), tags.clone()),
            ("POST", "a/rewriteTo/b/lake/o/rewritten".to_owned(), tags),
            ("POST", "composed/compose".to_owned(), composed),
        ]
    };
    let before = store.requests().len();
    for (method, target, body) in calls("cleared") {
        let answer = etl.call(method, &format!("{OBJECTS}/{target}"), &body).await;
        refused(&answer, &target, 403, "forbidden");
        let record = world.recorded(&answer, "deny", "forbid").await;
        assert_eq!(
            record["request"]["object_tags"],
            document!({ "legal": "cleared" }),
            "{record}"
        );
    }
    let restore = format!("{OBJECTS}/a/restore?generation={generation}");
    let answer = etl.call("POST", &restore, &contexts("legal", "cleared")).await;
    refused(&answer, "restore", 403, "forbidden");
    let upload = |value: &str| {
        let mut metadata = contexts("legal", value);
        metadata["name"] = "uploaded".into();
        related("==1==", "\r\n", &metadata.to_string(), CONTENT, "--==1==--")
    };
    let headers = [("content-type", "multipart/related; boundary=\"==1==\"")];
    let multipart = format!("{UPLOAD}?uploadType=multipart");
    let answer = etl.send("POST", &multipart, &headers, &upload("cleared")).await;
    refused(&answer, "multipart", 403, "forbidden");
    let resumable = format!("{UPLOAD}?uploadType=resumable&name=a");
    let answer = etl.call("POST", &resumable, &contexts("legal", "cleared")).await;
    refused(&answer, "resumable", 403, "forbidden");
    let many: serde_json::Map<_, _> = (0..5)
        .map(|n| (format!("k{n}"), document!({ "value": "v".repeat(200) })))
        .collect();
    let many = document!({ "contexts": { "custom": many } });
    let answer = etl.call("POST", &resumable, &many).await;
    refused(&answer, "more than an upload id carries", 400, "invalid");
    store.untouched_since(before, "a tag that is forbidden");

    for (method, target, body) in calls("kept") {
        let answer = etl.call(method, &format!("{OBJECTS}/{target}"), &body).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    }
    let answer = etl.send("POST", &multipart, &headers, &upload("kept")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let record = world.recorded(&answer, "allow", "permit").await;
    assert_eq!(
        record["request"]["object_tags"],
        document!({ "legal": "kept" }),
        "{record}"
    );
    // As with the tags of S3, what is taken away is not there to be looked at.
    let gone = document!({ "contexts": { "custom": { "legal": null } } });
    let answer = etl.call("PATCH", &format!("{OBJECTS}/a"), &gone).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

// AUZ-17, GCS-04
#[tokio::test]
async fn each_request_of_an_upload_is_decided_by_the_contexts_that_it_began_with() {
    let (store, world, etl) = all_but("").await;
    let place = begun(&etl, "&name=a", &[], &contexts("class", "public").to_string()).await;
    let plain = begun(&etl, "&name=b", &[], "").await;
    let forbids = forbidden(
        "PutObject",
        "resource.hasTag(\"class\") && resource.getTag(\"class\") == \"public\"",
    );
    let reloads = "tidegate_policy_reloads_total{result=\"ok\"}";
    let count = world.metric_when(reloads, |_| true).await;
    std::fs::write(
        world.path("policies/lake.cedar"),
        format!("{EVERYTHING}\n{forbids}"),
    )
    .unwrap();
    world.metric_when(reloads, |now| now > count).await;
    let before = store.requests().len();
    for (method, range, body) in [
        ("PUT", Some("bytes 0-8/9"), CONTENT),
        ("PUT", Some("bytes */*"), &b""[..]),
        ("DELETE", None, b""),
    ] {
        let headers: Vec<_> = range.into_iter().map(|range| ("content-range", range)).collect();
        let answer = etl.send(method, &place, &headers, body).await;
        refused(&answer, method, 403, "forbidden");
        let record = world.recorded(&answer, "deny", "forbid").await;
        assert_eq!(
            record["request"]["object_tags"],
            document!({ "class": "public" }),
            "{record}"
        );
    }
    store.untouched_since(before, "what policy denies now");
    assert_eq!(chunk(&etl, &plain, "bytes 0-8/9", CONTENT).await.status, 200);
}

// GCS-06: the name of a call does not say what it did to an object.
#[tokio::test]
async fn a_record_has_the_actions_that_a_call_needed() {
    let (store, world, etl) = all_but("").await;
    let generation = store.has("a", CONTENT).await;
    let object = format!("{OBJECTS}/a");
    let of_a_version = format!("{object}?generation={generation}");
    let held = document!({ "temporaryHold": false });
    let kept = document!({ "retention": { "mode": "Unlocked", "retainUntilTime": "2030-01-01T00:00:00Z" } });
    for (target, body, more) in [
        (object.clone(), document!({ "contentType": "text/csv" }), None),
        (
            format!("{object}?predefinedAcl=publicRead"),
            document!({}),
            Some("PutObjectAcl"),
        ),
        (object.clone(), held, Some("PutObjectLegalHold")),
        (object.clone(), kept, Some("PutObjectRetention")),
        (
            format!("{object}?overrideUnlockedRetention=true"),
            document!({ "contentType": "text/csv" }),
            Some("BypassGovernanceRetention"),
        ),
        (
            object.clone(),
            contexts("class", "public"),
            Some("PutObjectTagging"),
        ),
        (
            of_a_version.clone(),
            contexts("class", "public"),
            Some("PutObjectVersionTagging"),
        ),
    ] {
        let record = world.record_of(&etl.call("PATCH", &target, &body).await).await;
        let read = match target == of_a_version {
            true => "GetObjectVersion",
            false => "GetObject",
        };
        let mut expected = vec![read, "PutObject"];
        expected.extend(more);
        assert_eq!(record["api"]["operation"], "storage.objects.patch", "{record}");
        assert_eq!(record["decision"]["actions"], document!(expected), "{record}");
    }
    for (query, versions, soft_deleted, action) in [
        ("", None, None, "ListBucket"),
        ("?versions=true", Some(true), None, "ListBucketVersions"),
        ("?versions=false", None, None, "ListBucket"),
        ("?softDeleted=true", None, Some(true), "ListBucketVersions"),
    ] {
        let record = world
            .record_of(&etl.get(&format!("{OBJECTS}{query}")).await)
            .await;
        assert_eq!(record["decision"]["actions"], document!([action]), "{record}");
        let request = &record["request"];
        assert_eq!(
            (request["versions"].as_bool(), request["soft_deleted"].as_bool()),
            (versions, soft_deleted),
            "{record}"
        );
    }
}
