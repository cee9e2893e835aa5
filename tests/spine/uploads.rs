//! Upload ids: sealed for a principal, a bucket and a key, good in any session, and for nobody else. AUZ-07, AUZ-08

use crate::support::fake_target::FakeTarget;
use crate::support::{Answer, Client, Payload, Settings, World};
use std::process::Command;

/// Two principals who may do the same.
const POLICY: &str = r#"
@id("etl") permit (principal == Tidegate::Workload::"idp:etl", action, resource);
@id("backup") permit (principal == Tidegate::Workload::"idp:backup", action, resource);
"#;

fn open() -> Settings {
    Settings {
        policy: Some(POLICY.into()),
        other_policy: Some(POLICY.into()),
        ..Settings::default()
    }
}

async fn call(client: &Client, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    client
        .send(client.sign(method, target, headers, body, Payload::Literal))
        .await
}

async fn begin(client: &Client, key: &str, headers: &[(&str, &str)]) -> String {
    let answer = call(client, "POST", &format!("/lake/{key}?uploads"), headers, b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.element("UploadId").unwrap()
}

const COMPLETION: &str = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>ETAG</ETag></Part></CompleteMultipartUpload>";

/// Every call that names an upload.
async fn every_call(client: &Client, path: &str, id: &str) -> Vec<(&'static str, Answer)> {
    let target = format!("{path}?uploadId={id}");
    let copy = [("x-amz-copy-source", "lake/tmp/source")];
    let completion = COMPLETION.replace("ETAG", "e");
    vec![
        (
            "UploadPart",
            call(client, "PUT", &format!("{target}&partNumber=1"), &[], b"part").await,
        ),
        (
            "UploadPartCopy",
            call(client, "PUT", &format!("{target}&partNumber=1"), &copy, b"").await,
        ),
        ("ListParts", client.get(&target).await),
        (
            "CompleteMultipartUpload",
            call(client, "POST", &target, &[], completion.as_bytes()).await,
        ),
        ("AbortMultipartUpload", client.delete(&target).await),
    ]
}

// AUZ-07, SES-03
#[tokio::test]
async fn an_upload_id_is_good_for_its_principal_its_bucket_and_its_key_alone() {
    let store = FakeTarget::of_uploads("").await;
    let world = World::with(Settings {
        target: Some(store.address),
        ..open()
    })
    .await;
    let etl = world.client("etl").await;
    let backup = world.client("backup").await;
    let id = begin(&etl, "tmp/a", &[]).await;
    assert!(!id.contains("real") && id.len() <= 2048, "{id}");
    let session = etl.keys.as_ref().unwrap().session_token.clone().unwrap();
    let changed = format!(
        "{}{}",
        &id[..id.len() - 1],
        if id.ends_with('A') { 'B' } else { 'A' }
    );
    let before = store.lines();
    for (what, client, path, id, why) in [
        (
            "another principal",
            &backup,
            "/lake/tmp/a",
            id.as_str(),
            "another principal",
        ),
        ("another key", &etl, "/lake/tmp/b", &id, "another key"),
        ("another bucket", &etl, "/other/tmp/a", &id, "another bucket"),
        (
            "the target's own id",
            &etl,
            "/lake/tmp/a",
            "real%2Fid%2B1",
            "none of ours",
        ),
        ("a changed id", &etl, "/lake/tmp/a", &changed, "none of ours"),
        ("a session", &etl, "/lake/tmp/a", &session, "none of ours"),
    ] {
        for (call, answer) in every_call(client, path, id).await {
            answer.refused(&format!("{call} with {what}"), 404, "NoSuchUpload");
            // No oracle: whatever is wrong with it, the answer is the same.
            assert!(!answer.text().contains("principal") && !answer.text().contains("real"));
            let record = world.recorded(&answer, "deny", "no-such-upload").await;
            assert!(record["cause"].as_str().unwrap().contains(why), "{record}");
        }
    }
    assert_eq!(store.lines(), before, "nothing reached the target");
    // An upload id is no session either.
    let mut confused = etl.clone();
    confused.keys_mut().session_token = Some(id.clone());
    confused
        .get("/lake/tmp/a")
        .await
        .refused("an upload id as a session", 400, "InvalidToken");
    assert_eq!(store.lines(), before);
    world.kept_secret(&[&id, "real/id+1"]);

    let part = call(
        &etl,
        "PUT",
        &format!("/lake/tmp/a?partNumber=1&uploadId={id}"),
        &[],
        b"x",
    )
    .await;
    assert_eq!(part.status, 200, "{}", part.text());
    assert_eq!(
        store.lines().pop().unwrap(),
        "PUT /acme-lake-prod/tmp/a?partNumber=1&uploadId=real%2Fid%2B1"
    );
}

// As committers do it: tasks begin, and the job ends it elsewhere and later.
#[tokio::test]
async fn another_session_of_the_same_principal_completes_an_upload() {
    let world = World::with(open()).await;
    let task = world.client("etl").await;
    let id = begin(&task, "tmp/a", &[]).await;
    let target = format!("/lake/tmp/a?uploadId={id}");
    let part = call(&task, "PUT", &format!("{target}&partNumber=1"), &[], b"part").await;
    let job = world.client("etl").await;
    assert_ne!(
        task.keys.as_ref().unwrap().access_key_id,
        job.keys.as_ref().unwrap().access_key_id
    );
    let completion = COMPLETION.replace("ETAG", part.header("etag").unwrap());
    let done = call(&job, "POST", &target, &[], completion.as_bytes()).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(world.stored("tmp/a").as_deref(), Some(&b"part"[..]));
    let (part, done) = (world.record_of(&part).await, world.record_of(&done).await);
    assert_ne!(part["actor"]["session_id"], done["actor"]["session_id"]);
    assert_eq!(part["resource"]["upload_id"], done["resource"]["upload_id"]);
}

// SES-05
#[tokio::test]
async fn an_upload_id_lives_as_long_as_its_key_is_in_the_ring() {
    let world = World::with(open()).await;
    let etl = world.client("etl").await;
    let id = begin(&etl, "tmp/a", &[]).await;
    let target = format!("/lake/tmp/a?uploadId={id}");
    let keys = world.path("secrets/session-keys.toml");
    let rotated = Command::new(crate::support::world::binary())
        .args(["keys", "rotate", "--seals-after", "0s"])
        .arg(&keys)
        .output()
        .unwrap();
    assert!(rotated.status.success());
    reload(&world).await;
    assert_eq!(etl.get(&target).await.status, 200, "an older key opens");

    std::fs::remove_file(&keys).unwrap();
    let made = Command::new(crate::support::world::binary())
        .args(["keys", "new"])
        .arg(&keys)
        .output()
        .unwrap();
    assert!(made.status.success());
    reload(&world).await;
    let etl = world.client("etl").await;
    let answer = etl.get(&target).await;
    answer.refused("an id of a key that is gone", 404, "NoSuchUpload");
    let record = world.recorded(&answer, "deny", "no-such-upload").await;
    assert!(
        record["cause"].as_str().unwrap().contains("unknown key"),
        "{record}"
    );
}

async fn reload(world: &World) {
    let reloads = "tidegate_policy_reloads_total{result=\"ok\"}";
    let before = world.metric_when(reloads, |_| true).await;
    world.signal("HUP");
    world.metric_when(reloads, |count| count > before).await;
}

#[tokio::test]
async fn parts_are_decided_by_what_their_upload_was_begun_with() {
    let store = FakeTarget::of_uploads("").await;
    let policy = r#"
@id("etl") permit (principal == Tidegate::Workload::"idp:etl", action, resource);
@id("encrypted")
forbid (principal, action == Tidegate::Action::"PutObject", resource)
unless { context.sse == "aws:kms" && context.kms_key == "lake-key" };
@id("classified")
forbid (principal, action == Tidegate::Action::"PutObject", resource)
unless { resource.hasTag("class") && resource.getTag("class") == "internal" };
@id("warm")
forbid (principal, action == Tidegate::Action::"PutObject", resource)
when { context.storage_class == "GLACIER" };
"#;
    let world = World::with(Settings {
        target: Some(store.address),
        policy: Some(policy.into()),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let right = [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "lake-key"),
        ("x-amz-tagging", "class=internal&more=%C3%A4"),
    ];
    let id = begin(&etl, "tmp/a", &right).await;
    for (what, answer) in every_call(&etl, "/lake/tmp/a", &id).await {
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        world.recorded(&answer, "allow", "permit").await;
    }
    let before = store.lines();
    for (what, headers, policy) in [
        ("nothing", &[][..], "encrypted"),
        ("no key", &right[..1], "encrypted"),
        ("no tags", &right[..2], "classified"),
        (
            "cold",
            &[right[0], right[1], right[2], ("x-amz-storage-class", "GLACIER")],
            "warm",
        ),
    ] {
        let answer = call(&etl, "POST", "/lake/tmp/a?uploads", headers, b"").await;
        answer.refused(what, 403, "AccessDenied");
        let record = world.recorded(&answer, "deny", "forbid").await;
        assert!(
            record["decision"]["policies"].to_string().contains(policy),
            "{record}"
        );
    }
    let tags = format!("class=internal&more={}", "t".repeat(900));
    let long = [right[0], right[1], ("x-amz-tagging", tags.as_str())];
    let answer = call(&etl, "POST", "/lake/tmp/a?uploads", &long, b"").await;
    assert!(matches!(answer.status, 400), "{}", answer.text());
    assert_eq!(store.lines(), before, "nothing reached the target");
}

fn uploads(next: bool) -> String {
    let next = match next {
        true => "<NextKeyMarker>tmp/b</NextKeyMarker><NextUploadIdMarker>real-b</NextUploadIdMarker>",
        false => "",
    };
    format!(
        "<Bucket>acme-lake-prod</Bucket><KeyMarker/><UploadIdMarker/>{next}\
         <Upload><Key>tmp/a</Key><UploadId>real-a</UploadId><Owner><ID>canary</ID></Owner></Upload>\
         <Upload><UploadId>real-b</UploadId><Key>tmp/b</Key></Upload>"
    )
}

fn ids(answer: &Answer) -> Vec<String> {
    let text = answer.text();
    let after = text.split("<UploadId>").skip(1);
    after
        .map(|after| after.split('<').next().unwrap().to_owned())
        .collect()
}

// AUZ-07, AUZ-08: what `fs.s3a.multipart.purge` and other tidying needs, and no more.
#[tokio::test]
async fn an_upload_out_of_a_listing_may_be_aborted_and_not_gone_on_with() {
    let store = FakeTarget::of_uploads(&uploads(false)).await;
    let world = World::with(Settings {
        target: Some(store.address),
        ..open()
    })
    .await;
    let backup = world.client("backup").await;
    let etl = world.client("etl").await;
    let listed = backup.get("/lake?uploads&prefix=tmp%2F").await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    assert!(!listed.text().contains("real") && !listed.text().contains("canary"));
    let listed = ids(&listed);
    assert_eq!(listed.len(), 2);
    let before = store.lines();
    for (what, answer) in every_call(&etl, "/lake/tmp/a", &listed[0]).await {
        answer.refused(
            &format!("{what} by another than who listed it"),
            404,
            "NoSuchUpload",
        );
    }
    assert_eq!(store.lines(), before);
    for (what, answer) in every_call(&backup, "/lake/tmp/a", &listed[0]).await {
        match what {
            "ListParts" | "AbortMultipartUpload" => {
                assert_eq!(answer.status, 200, "{what}: {}", answer.text());
                world.recorded(&answer, "allow", "permit").await;
            }
            _ => {
                answer.refused(what, 404, "NoSuchUpload");
                let record = world.recorded(&answer, "deny", "no-such-upload").await;
                assert!(record["cause"].as_str().unwrap().contains("listing"), "{record}");
            }
        }
    }
    let later = store.lines().split_off(before.len());
    assert_eq!(
        later,
        [
            "GET /acme-lake-prod/tmp/a?uploadId=real-a",
            "DELETE /acme-lake-prod/tmp/a?uploadId=real-a"
        ]
    );
}

#[tokio::test]
async fn a_bucket_of_one_service_may_let_it_go_on_with_listed_uploads() {
    let store = FakeTarget::of_uploads(&uploads(false)).await;
    let world = World::with(Settings {
        target: Some(store.address),
        bucket_lines: "resume_listed_uploads = true".into(),
        ..open()
    })
    .await;
    let etl = world.client("etl").await;
    let listed = ids(&etl.get("/lake?uploads").await).remove(0);
    for (what, answer) in every_call(&etl, "/lake/tmp/a", &listed).await {
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        world.recorded(&answer, "allow", "permit").await;
    }
    let before = store.lines();
    let backup = world.client("backup").await;
    for (what, answer) in every_call(&backup, "/lake/tmp/a", &listed).await {
        answer.refused(what, 404, "NoSuchUpload");
    }
    assert_eq!(store.lines(), before);
}

// AUZ-08
#[tokio::test]
async fn a_listing_of_uploads_is_decided_by_its_prefix_and_its_markers_come_back() {
    let store = FakeTarget::of_uploads(&uploads(true)).await;
    let policy = r#"
permit (principal == Tidegate::Workload::"idp:etl", action == Tidegate::Action::"ListBucketMultipartUploads", resource)
when { context has prefix && context.prefix like "tmp/*" };
"#;
    let world = World::with(Settings {
        target: Some(store.address),
        policy: Some(policy.into()),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    for target in [
        "/lake?uploads",
        "/lake?uploads&prefix=tmp",
        "/lake?uploads&prefix=raw%2F",
    ] {
        etl.get(target).await.refused(target, 403, "AccessDenied");
    }
    assert!(store.lines().is_empty());
    let page = etl.get("/lake?uploads&prefix=tmp%2F").await;
    let marker = page.element("NextUploadIdMarker").unwrap();
    assert_eq!(page.element("NextKeyMarker").as_deref(), Some("tmp/b"));
    let next = |key: &str, marker: &str| {
        format!("/lake?uploads&prefix=tmp%2F&key-marker={key}&upload-id-marker={marker}")
    };
    let second = etl.get(&next("tmp%2Fb", &marker)).await;
    assert_eq!(
        second.element("UploadIdMarker").as_deref(),
        Some(&*marker),
        "{}",
        second.text()
    );
    // Without a marker of keys it means nothing, as at S3.
    assert_eq!(
        etl.get(&format!("/lake?uploads&prefix=tmp%2F&upload-id-marker={marker}"))
            .await
            .status,
        200
    );
    let lines = store.lines();
    assert_eq!(
        lines[1..],
        [
            "GET /acme-lake-prod?uploads=&key-marker=tmp%2Fb&prefix=tmp%2F&upload-id-marker=real-b",
            "GET /acme-lake-prod?uploads=&prefix=tmp%2F"
        ]
    );
    for (what, target) in [
        ("a marker of another key", next("tmp%2Fa", &marker)),
        ("the target's own marker", next("tmp%2Fb", "real-b")),
    ] {
        let answer = etl.get(&target).await;
        answer.refused(what, 400, "InvalidArgument");
        world.recorded(&answer, "deny", "malformed").await;
    }
    assert_eq!(store.lines(), lines);
}

#[tokio::test]
async fn a_location_is_where_the_caller_came_by() {
    let store = FakeTarget::of_uploads("").await;
    let world = World::with(Settings {
        target: Some(store.address),
        ..open()
    })
    .await;
    let by_path = world.client("etl").await;
    let mut by_host = by_path.clone();
    by_host.host = format!("lake.localhost:{}", world.data.port());
    let id = begin(&by_path, "tmp/a%20b", &[]).await;
    let completion = COMPLETION.replace("ETAG", "e");
    for (client, path, place) in [(&by_path, "/lake", "/lake"), (&by_host, "", "")] {
        let target = format!("{path}/tmp/a%20b?uploadId={id}");
        let done = call(client, "POST", &target, &[], completion.as_bytes()).await;
        assert_eq!(done.status, 200, "{}", done.text());
        let location = format!("https://{}{place}/tmp/a%20b", client.host);
        assert_eq!(done.element("Location"), Some(location), "{}", done.text());
        assert!(!done.text().contains("canary"));
    }
}
