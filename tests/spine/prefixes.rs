//! Buckets that are folders of a bucket at the target: callers know nothing of the folder, and get nothing from beside
//! it.

use crate::support::fake_target::{FakeTarget, answer};
use crate::support::{Answer, Client, Payload, Settings, World};

/// etl does everything; analysts read what is public.
const POLICY: &str = r#"
@id("etl") permit (principal == Tidegate::Workload::"idp:etl", action, resource);
@id("etl-manages")
permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"manage", resource);
@id("public")
permit (principal in Tidegate::Group::"idp:analysts", action in Tidegate::Action::"read", resource)
when { resource.key like "public/*" };
@id("lists-public")
permit (principal in Tidegate::Group::"idp:analysts", action == Tidegate::Action::"ListBucket", resource)
when { context has prefix && context.prefix like "public/*" };
"#;

/// Two folders next to each other, the name of the one being the beginning of the other's.
fn folders(target: Option<&FakeTarget>) -> Settings {
    let bucket = |name: &str, prefix: &str| {
        format!("[buckets.{name}]\ntarget = \"store\"\nbucket = \"acme-lake-prod\"\nprefix = \"{prefix}\"\n")
    };
    Settings {
        target: target.map(|target| target.address),
        policy: Some(POLICY.into()),
        more: bucket("team-a", "teams/a/") + &bucket("team-ab", "teams/ab/"),
        policies: vec![("team-a", POLICY.into()), ("team-ab", POLICY.into())],
        ..Settings::default()
    }
}

async fn call(client: &Client, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    client
        .send(client.sign(method, target, headers, body, Payload::Literal))
        .await
}

/// The texts of all elements of that name.
fn texts(answer: &Answer, name: &str) -> Vec<String> {
    let text = answer.text();
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let after = text.split(&open).skip(1);
    after
        .map(|after| after.split(&close).next().unwrap().to_owned())
        .collect()
}

/// Nothing of an answer shows where the bucket is.
fn shows_no_folder(answer: &Answer) {
    let everything = format!("{:?}{}", answer.headers, answer.text());
    assert!(
        !everything.contains("teams") && !everything.contains("acme"),
        "{everything}"
    );
}

#[tokio::test]
async fn objects_are_stored_in_the_folder_and_known_without_it() {
    let world = World::with(folders(None)).await;
    let etl = world.client("etl").await;
    let put = etl.put("/team-a/x/1", b"one").await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(world.stored("teams/a/x/1").as_deref(), Some(&b"one"[..]));
    assert_eq!(world.stored("x/1"), None);
    let got = etl.get("/team-a/x/1").await;
    assert_eq!((got.status, got.text().as_str()), (200, "one"));
    assert_eq!(etl.head("/team-a/x/1").await.status, 200);
    // The whole bucket shows it under its whole name; the folder next door does not have it.
    assert_eq!(etl.get("/lake/teams/a/x/1").await.status, 200);
    etl.get("/team-ab/x/1")
        .await
        .refused("the next folder", 404, "NoSuchKey");
    etl.get("/team-a/teams/a/x/1")
        .await
        .refused("the folder's own name", 404, "NoSuchKey");
    let record = world.recorded(&got, "allow", "permit").await;
    assert_eq!(
        (&record["resource"]["bucket"], &record["resource"]["key"]),
        (&"team-a".into(), &"x/1".into())
    );
    assert_eq!(etl.delete("/team-a/x/1").await.status, 204);
    assert_eq!(world.stored("teams/a/x/1"), None);
    // Policy knows the key that callers know.
    let analyst = world.client("analyst").await;
    world.store_file("acme-lake-prod", "teams/a/public/p", b"p");
    assert_eq!(analyst.get("/team-a/public/p").await.status, 200);
    let before = world.target_requests().len();
    for path in [
        "/team-a/teams/a/public/p",
        "/team-a/x/1",
        "/team-a/../ab/public/p",
    ] {
        let answer = analyst.get(path).await;
        assert!(matches!(answer.status, 400 | 403), "{path}: {}", answer.status);
    }
    assert_eq!(world.target_requests().len(), before);
}

#[tokio::test]
async fn listings_begin_and_end_in_the_folder() {
    let world = World::with(folders(None)).await;
    for key in [
        "teams/a/x/1",
        "teams/a/x/2",
        "teams/a/x/y/3",
        "teams/a/z",
        "teams/ab/secret",
        "teams/a0",
        "x/1",
    ] {
        world.store_file("acme-lake-prod", key, b"x");
    }
    let etl = world.client("etl").await;
    for (target, keys, prefixes) in [
        ("/team-a", "x/1 x/2 x/y/3 z", ""),
        ("/team-a?prefix=x%2F", "x/1 x/2 x/y/3", "x/"),
        ("/team-a?marker=x%2F2", "x/y/3 z", ""),
        ("/team-a?prefix=x%2F&delimiter=%2F", "x/1 x/2", "x/ x/y/"),
        ("/team-a?list-type=2", "x/1 x/2 x/y/3 z", ""),
        ("/team-a?list-type=2&encoding-type=url", "x/1 x/2 x/y/3 z", ""),
        ("/team-a?list-type=2&prefix=x", "x/1 x/2 x/y/3", "x"),
        ("/team-a?list-type=2&delimiter=%2F", "z", "x/"),
        ("/team-a?list-type=2&start-after=x%2F2", "x/y/3 z", ""),
        ("/team-a?list-type=2&start-after=", "x/1 x/2 x/y/3 z", ""),
        ("/team-a?list-type=2&prefix=teams%2F", "", "teams/"),
        ("/team-ab?list-type=2", "secret", ""),
    ] {
        let answer = etl.get(target).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert_eq!(
            texts(&answer, "Key").join(" "),
            keys,
            "{target}: {}",
            answer.text()
        );
        let shown: Vec<String> = texts(&answer, "Prefix")
            .into_iter()
            .filter(|p| !p.is_empty())
            .collect();
        assert_eq!(shown.join(" "), prefixes, "{target}: {}", answer.text());
        let bucket = target[1..].split('?').next().unwrap();
        assert_eq!(answer.element("Name").as_deref(), Some(bucket));
        if !target.contains("teams") {
            shows_no_folder(&answer);
        }
    }
    // Page by page, in both versions.
    let mut seen = Vec::new();
    let mut next = "/team-a?list-type=2&max-keys=1".to_owned();
    loop {
        let page = etl.get(&next).await;
        assert_eq!(page.status, 200, "{next}: {}", page.text());
        shows_no_folder(&page);
        seen.extend(texts(&page, "Key"));
        let Some(token) = page.element("NextContinuationToken") else {
            break;
        };
        next = format!("/team-a?list-type=2&max-keys=1&continuation-token={token}");
    }
    assert_eq!(seen.join(" "), "x/1 x/2 x/y/3 z");
    let page = etl.get("/team-a?max-keys=2").await;
    assert_eq!(
        page.element("NextMarker").as_deref(),
        Some("x/2"),
        "{}",
        page.text()
    );
}

// AUZ-10
#[tokio::test]
async fn a_continuation_token_is_good_for_the_listing_that_gave_it() {
    let world = World::with(folders(None)).await;
    for key in [
        "teams/a/public/1",
        "teams/a/public/2",
        "teams/a/x/1",
        "teams/ab/public/1",
    ] {
        world.store_file("acme-lake-prod", key, b"x");
    }
    let etl = world.client("etl").await;
    let analyst = world.client("analyst").await;
    let page = etl.get("/team-a?list-type=2&prefix=public%2F&max-keys=1").await;
    let token = page.element("NextContinuationToken").unwrap();
    let again = etl
        .get(&format!(
            "/team-a?list-type=2&prefix=public%2F&continuation-token={token}"
        ))
        .await;
    assert_eq!(texts(&again, "Key"), ["public/2"], "{}", again.text());
    assert_eq!(again.element("ContinuationToken").as_deref(), Some(&*token));
    let before = world.target_requests().len();
    for (what, client, target) in [
        (
            "another principal",
            &analyst,
            format!("/team-a?list-type=2&prefix=public%2F&continuation-token={token}"),
        ),
        (
            "another prefix",
            &etl,
            format!("/team-a?list-type=2&prefix=x%2F&continuation-token={token}"),
        ),
        (
            "no prefix",
            &etl,
            format!("/team-a?list-type=2&continuation-token={token}"),
        ),
        (
            "another bucket",
            &etl,
            format!("/team-ab?list-type=2&prefix=public%2F&continuation-token={token}"),
        ),
        (
            "the store's own",
            &etl,
            "/team-a?list-type=2&continuation-token=teams%2Fa%2Fpublic%2F1".into(),
        ),
        ("nothing", &etl, "/team-a?list-type=2&continuation-token=".into()),
    ] {
        let answer = client.get(&target).await;
        answer.refused(what, 400, "InvalidArgument");
        world.recorded(&answer, "deny", "malformed").await;
    }
    assert_eq!(world.target_requests().len(), before);
}

// AUZ-01, AUZ-03
#[tokio::test]
async fn copies_go_from_folder_to_folder() {
    let world = World::with(folders(None)).await;
    world.store_file("acme-lake-prod", "teams/a/public/1", b"one");
    let etl = world.client("etl").await;
    for (source, to, stored) in [
        ("team-a/public/1", "/team-ab/copy", "teams/ab/copy"),
        ("/team-a/public%2F1", "/lake/copy", "copy"),
        ("lake/teams/a/public/1", "/team-a/copy", "teams/a/copy"),
        ("team-a/public/1", "/team-a/c/d", "teams/a/c/d"),
    ] {
        let copied = call(&etl, "PUT", to, &[("x-amz-copy-source", source)], b"").await;
        assert_eq!(copied.status, 200, "{source}: {}", copied.text());
        assert_eq!(world.stored(stored).as_deref(), Some(&b"one"[..]), "{source}");
        shows_no_folder(&copied);
    }
    let before = world.target_requests().len();
    let analyst = world.client("analyst").await;
    let denied = call(
        &analyst,
        "PUT",
        "/team-a/c/e",
        &[("x-amz-copy-source", "team-a/public/1")],
        b"",
    )
    .await;
    denied.refused("a copy by a reader", 403, "AccessDenied");
    assert_eq!(world.target_requests().len(), before);
}

// AUZ-05
#[tokio::test]
async fn deletions_stay_in_the_folder() {
    let world = World::with(folders(None)).await;
    for key in ["teams/a/x/1", "teams/ab/x/1", "x/1"] {
        world.store_file("acme-lake-prod", key, b"x");
    }
    let etl = world.client("etl").await;
    let document = "<Delete><Object><Key>x/1</Key></Object><Object><Key>teams/ab/x/1</Key></Object></Delete>";
    let answer = call(&etl, "POST", "/team-a?delete", &[], document.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.text().contains("<Deleted><Key>x/1</Key>"),
        "{}",
        answer.text()
    );
    assert!(!answer.text().contains("teams/a/"), "{}", answer.text());
    assert_eq!(world.stored("teams/a/x/1"), None);
    assert!(world.stored("teams/ab/x/1").is_some() && world.stored("x/1").is_some());
}

#[tokio::test]
async fn uploads_in_parts_end_in_the_folder() {
    let world = World::with(folders(None)).await;
    let etl = world.client("etl").await;
    let begun = call(&etl, "POST", "/team-a/large?uploads", &[], b"").await;
    shows_no_folder(&begun);
    assert_eq!(begun.element("Key").as_deref(), Some("large"), "{}", begun.text());
    let id = begun.element("UploadId").unwrap();
    let target = format!("/team-a/large?uploadId={id}");
    let part = call(&etl, "PUT", &format!("{target}&partNumber=1"), &[], b"part").await;
    let etag = part.header("etag").unwrap();
    let parts = etl.get(&target).await;
    shows_no_folder(&parts);
    assert_eq!(
        (
            parts.element("Key").as_deref(),
            parts.element("UploadId").as_deref()
        ),
        (Some("large"), Some(&*id)),
        "{}",
        parts.text()
    );
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let done = call(&etl, "POST", &target, &[], document.as_bytes()).await;
    assert_eq!(done.status, 200, "{}", done.text());
    shows_no_folder(&done);
    assert_eq!(done.element("Key").as_deref(), Some("large"), "{}", done.text());
    assert_eq!(world.stored("teams/a/large").as_deref(), Some(&b"part"[..]));
}

#[tokio::test]
async fn a_key_that_is_too_long_with_its_folder_is_refused() {
    let world = World::with(folders(None)).await;
    let etl = world.client("etl").await;
    // `teams/a/` has 8 bytes.
    let long = "k".repeat(1017);
    for (method, target, source) in [
        ("PUT", format!("/team-a/{long}"), None),
        ("GET", format!("/team-a/{long}"), None),
        ("DELETE", format!("/team-a/{long}"), None),
        ("POST", format!("/team-a/{long}?uploads"), None),
        ("PUT", "/lake/a".to_owned(), Some(format!("team-a/{long}"))),
    ] {
        let headers: Vec<(&str, &str)> = source.iter().map(|s| ("x-amz-copy-source", &**s)).collect();
        let answer = call(&etl, method, &target, &headers, b"").await;
        answer.refused(method, 400, "KeyTooLongError");
    }
    let document = format!("<Delete><Object><Key>{long}</Key></Object></Delete>");
    let answer = call(&etl, "POST", "/team-a?delete", &[], document.as_bytes()).await;
    answer.refused("a deletion", 400, "KeyTooLongError");
    world.untouched("keys that do not fit behind their folder");
}

// AUZ-10
#[tokio::test]
async fn what_a_target_lists_beside_the_question_is_not_passed_on() {
    let listing = |keys: &str| {
        format!(
            "<ListBucketResult><Name>acme-lake-prod</Name><IsTruncated>false</IsTruncated>{keys}</ListBucketResult>"
        )
    };
    let key = |key: &str| format!("<Contents><Key>{key}</Key></Contents>");
    for (target, inside, outside) in [
        ("/team-a?list-type=2", "teams/a/x", "teams/ab/canary"),
        ("/team-a?list-type=2&prefix=x%2F", "teams/a/x/1", "teams/a/canary"),
        ("/team-a", "teams/a/x", "x/canary"),
        ("/lake?list-type=2&prefix=team-a%2F", "team-a/1", "team-ab/canary"),
        ("/lake?list-type=2&prefix=%2Ftmp", "/tmp/1", "tmp/canary"),
    ] {
        let document = listing(&(key(inside) + &key(outside)));
        let store = FakeTarget::saying(answer("200 OK", "", &document)).await;
        let world = World::with(folders(Some(&store))).await;
        let etl = world.client("etl").await;
        let answer = etl.get(target).await;
        answer.refused(target, 503, "ServiceUnavailable");
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        let record = world.record_of(&answer).await;
        let cause = record["cause"].as_str().unwrap_or_default();
        assert!(cause.contains("outside of the prefix"), "{record}");
        assert!(world.written().contains("outside of the prefix"));
    }
    let store = FakeTarget::saying(answer("200 OK", "", &listing(&key("teams/a/x")))).await;
    let world = World::with(folders(Some(&store))).await;
    let answer = world.client("etl").await.get("/team-a?list-type=2").await;
    assert_eq!(
        (answer.status, texts(&answer, "Key")),
        (200, vec!["x".to_owned()])
    );
}

#[tokio::test]
async fn the_target_is_asked_for_the_folder() {
    let document = "<ListBucketResult><Prefix>teams/a/</Prefix></ListBucketResult>";
    let store = FakeTarget::saying(answer("200 OK", "", document)).await;
    let world = World::with(folders(Some(&store))).await;
    let etl = world.client("etl").await;
    for target in [
        "/team-a?list-type=2",
        "/team-a?list-type=2&prefix=&start-after=b",
        "/team-a?prefix=x%2By&marker=z",
        "/team-a",
    ] {
        assert_eq!(etl.get(target).await.status, 200, "{target}");
    }
    // Their answers are of another kind, which is another test's matter.
    for target in [
        "/team-a?versions&prefix=x&key-marker=x1&version-id-marker=v",
        "/team-a?versions&key-marker=",
        "/team-a?uploads&delimiter=%2F",
    ] {
        assert_eq!(etl.get(target).await.status, 503, "{target}");
    }
    assert_eq!(
        store.lines(),
        [
            "GET /acme-lake-prod?list-type=2&prefix=teams%2Fa%2F",
            "GET /acme-lake-prod?list-type=2&prefix=teams%2Fa%2F&start-after=teams%2Fa%2Fb",
            "GET /acme-lake-prod?marker=teams%2Fa%2Fz&prefix=teams%2Fa%2Fx%2By",
            "GET /acme-lake-prod?prefix=teams%2Fa%2F",
            "GET /acme-lake-prod?versions=&key-marker=teams%2Fa%2Fx1&prefix=teams%2Fa%2Fx&version-id-marker=v",
            "GET /acme-lake-prod?versions=&prefix=teams%2Fa%2F",
            "GET /acme-lake-prod?uploads=&delimiter=%2F&prefix=teams%2Fa%2F",
        ]
    );
}

// LEK-01: a setting of the whole bucket is not for whoever has a folder of it.
#[tokio::test]
async fn settings_are_not_those_of_a_folder() {
    let world = World::with(folders(None)).await;
    let etl = world.client("etl").await;
    for (method, target) in [
        ("GET", "/team-a?policy"),
        ("DELETE", "/team-a?policy"),
        ("GET", "/team-a?lifecycle"),
        ("DELETE", "/team-a?lifecycle"),
        ("GET", "/team-a?inventory"),
        ("DELETE", "/team-a"),
    ] {
        let answer = call(&etl, method, target, &[], b"").await;
        answer.refused(target, 501, "NotImplemented");
    }
    world.untouched("settings of a folder");
}

#[tokio::test]
async fn nested_folders_are_a_warning() {
    let world = World::with(folders(None)).await;
    let checked = std::process::Command::new(crate::support::world::binary())
        .args(["check", "--config"])
        .arg(world.path("tidegate.toml"))
        .env("STORE_ACCESS_KEY_ID", "STOREKEY")
        .env("STORE_SECRET_ACCESS_KEY", "x")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
    for name in ["team-a", "team-ab"] {
        let warning = format!("buckets.{name}: `lake` is the whole of the same bucket");
        assert!(said.contains(&warning), "{said}");
    }
    assert!(!said.contains("`team-a` is"), "{said}");
}
