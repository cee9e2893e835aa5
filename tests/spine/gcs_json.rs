//! Google's JSON API from a caller to a store that speaks it: what arrives is understood, what comes back is the store's own
//! where clients hold it against something, and nothing of where it is.

use crate::support::gcs::EVERYTHING;
use crate::support::gcs_json::{BUCKET, Caller, JsonStore, bytes, json, refused, shows_nothing_of_the_store};
use crate::support::world::STORE_SECRET;
use crate::support::{Answer, Settings, World};
use data_encoding::BASE64;
use serde_json::{Value, json as document};
use tidegate::dev::{GcsBucket, GcsFault};

const CONTENT: &[u8] = b"123456789";
const HASH: &str = "crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw==";
const OBJECTS: &str = "/storage/v1/b/lake/o";

/// A store, a world at it, and `etl`, who may do everything.
async fn everything() -> (JsonStore, World, Caller) {
    let store = JsonStore::start().await;
    let world = store
        .world(Settings {
            policy: Some(EVERYTHING.into()),
            ..Settings::default()
        })
        .await;
    let etl = Caller::new(&world, "etl");
    (store, world, etl)
}

/// A store, a world at it with the policy of most tests, and its `etl`.
async fn with_policy() -> (JsonStore, World, Caller) {
    let store = JsonStore::start().await;
    let world = store.world(Settings::default()).await;
    let etl = Caller::new(&world, "etl");
    (store, world, etl)
}

#[tokio::test]
async fn an_object_is_told_read_in_ranges_and_deleted() {
    let (store, world, etl) = with_policy().await;
    let generation = store.has("tmp/a b+c", CONTENT).await.to_string();
    let object = format!("{OBJECTS}/tmp%2Fa%20b%2Bc");

    let told = etl.get(&object).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let resource = json(&told);
    for (member, value) in [
        ("kind", "storage#object"),
        ("bucket", "lake"),
        ("name", "tmp/a b+c"),
        ("size", "9"),
        ("crc32c", "4waSgw=="),
        ("md5Hash", "JfnnlDI7RTiF9RgfG2JNCw=="),
        ("metageneration", "1"),
        ("contentType", "text/plain"),
        ("generation", &generation),
    ] {
        assert_eq!(resource[member], value, "{member}");
    }
    let link = resource["selfLink"].as_str().unwrap();
    assert_eq!(link, format!("https://{}{object}", etl.client.host));
    let store_resource = store.resource(BUCKET, "tmp/a b+c").unwrap();
    assert_eq!(resource["etag"], store_resource["etag"]);
    assert_eq!(told.header("etag"), store_resource["etag"].as_str());
    shows_nothing_of_the_store(&told, "metadata", &[]);
    let record = world.recorded(&told, "allow", "permit").await;
    assert_eq!(record["api"]["operation"], "storage.objects.get");
    assert_eq!(record["resource"]["key"], "tmp/a b+c");

    for media in [
        format!("{object}?alt=media"),
        format!("/download{object}?alt=media"),
    ] {
        let read = etl.get(&media).await;
        assert_eq!((read.status, &*read.body), (200, CONTENT), "{media}");
        for (header, value) in [
            ("content-length", "9"),
            ("content-type", "text/plain"),
            ("x-goog-hash", HASH),
            ("x-goog-generation", &generation),
            ("x-goog-metageneration", "1"),
            ("x-goog-stored-content-length", "9"),
            ("x-goog-stored-content-encoding", "identity"),
            ("x-goog-storage-class", "STANDARD"),
            ("etag", store_resource["etag"].as_str().unwrap()),
        ] {
            assert_eq!(read.header(header), Some(value), "{media}: {header}");
        }
        shows_nothing_of_the_store(&read, &media, &[]);
        for (range, status, content_range, body) in [
            ("bytes=2-4", 206, "bytes 2-4/9", &b"345"[..]),
            ("bytes=-2", 206, "bytes 7-8/9", b"89"),
            ("bytes=7-", 206, "bytes 7-8/9", b"89"),
        ] {
            let part = etl.send("GET", &media, &[("range", range)], b"").await;
            assert_eq!((part.status, &*part.body), (status, body), "{range}");
            assert_eq!(part.header("content-range"), Some(content_range), "{range}");
            assert_eq!(part.header("x-goog-hash"), Some(HASH), "of the whole object");
        }
        let beyond = etl.send("GET", &media, &[("range", "bytes=9-")], b"").await;
        assert_eq!(
            (beyond.status, beyond.header("content-range")),
            (416, Some("bytes */9"))
        );
    }
    // Names cross as one segment.
    let seen = store.requests();
    let paths = seen.iter().map(|seen| seen.path.as_str());
    assert!(
        paths
            .clone()
            .all(|path| path.ends_with("/b/acme-lake-prod/o/tmp%2Fa%20b%2Bc")),
        "{:?}",
        paths.collect::<Vec<_>>()
    );
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization") == Some(&format!("Bearer {STORE_SECRET}")))
    );

    assert_eq!(etl.delete(&object).await.status, 204);
    assert_eq!(store.content(BUCKET, "tmp/a b+c"), None);
    let gone = etl.get(&object).await;
    refused(&gone, "a deleted object", 404, "notFound");
    shows_nothing_of_the_store(&gone, "a deleted object", &[]);
    refused(
        &etl.get(&format!("{object}?alt=media")).await,
        "its bytes",
        404,
        "notFound",
    );
    world.kept_secret(&[&etl.token, STORE_SECRET]);
}

// GCS-07
#[tokio::test]
async fn preconditions_and_generations_are_the_stores_own() {
    let (store, _world, etl) = everything().await;
    let generation = store.has("a", CONTENT).await;
    let other = generation + 1;
    let object = format!("{OBJECTS}/a");
    for (query, status) in [
        (format!("ifGenerationMatch={generation}"), 200),
        (format!("generation={generation}"), 200),
        (format!("generation={other}"), 404),
        (format!("ifGenerationMatch={other}"), 412),
        (format!("ifGenerationNotMatch={generation}"), 304),
        ("ifMetagenerationMatch=2".to_owned(), 412),
        ("ifMetagenerationNotMatch=1".to_owned(), 304),
        ("alt=media&ifMetagenerationMatch=1".to_owned(), 200),
        (format!("alt=media&ifGenerationMatch={other}"), 412),
        (format!("alt=media&ifGenerationNotMatch={generation}"), 304),
    ] {
        let before = store.requests().len();
        let answer = etl.get(&format!("{object}?{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
        if status == 412 {
            refused(&answer, &query, 412, "conditionNotMet");
        }
        if status == 304 {
            assert!(answer.body.is_empty(), "{query}");
        }
        let [seen] = &store.requests()[before..] else {
            panic!("{query}: one request");
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap();
            assert_eq!(seen.parameter(name).as_deref(), Some(value), "{query}");
        }
    }
    for query in [
        format!("ifGenerationMatch={other}"),
        "ifMetagenerationNotMatch=1".to_owned(),
        "ifGenerationMatch=0".to_owned(),
    ] {
        let kept = etl.delete(&format!("{object}?{query}")).await;
        refused(&kept, &query, 412, "conditionNotMet");
        let patched = etl
            .call(
                "PATCH",
                &format!("{object}?{query}"),
                &document!({"metadata": {"k": "v"}}),
            )
            .await;
        refused(&patched, &query, 412, "conditionNotMet");
        assert!(store.content(BUCKET, "a").is_some(), "{query}");
    }
    let patched = etl
        .call(
            "PATCH",
            &format!("{object}?ifMetagenerationMatch=1"),
            &document!({"metadata": {"k": "v"}, "contentType": "text/x"}),
        )
        .await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    let patched = json(&patched);
    assert_eq!(
        (&patched["metageneration"], &patched["metadata"]["k"]),
        (&document!("2"), &document!("v"))
    );
    // A client sends the whole of what it was told back.
    let updated = etl.call("PUT", &object, &patched).await;
    assert_eq!(updated.status, 200, "{}", updated.text());
    assert_eq!(json(&updated)["metageneration"], "3");
    assert_eq!(
        etl.delete(&format!(
            "{object}?ifGenerationMatch={generation}&ifMetagenerationMatch=3"
        ))
        .await
        .status,
        204
    );

    // Versions: what was replaced is still there under its number.
    let versions = GcsBucket {
        versioning: true,
        ..GcsBucket::default()
    };
    store.make_bucket("acme-versions", versions).unwrap();
    let world = store
        .world(Settings {
            policy: Some(EVERYTHING.into()),
            more: "[buckets.kept]\ntarget = \"store\"\nbucket = \"acme-versions\"\n".into(),
            policies: vec![("kept", EVERYTHING.into())],
            ..Settings::default()
        })
        .await;
    let etl = Caller::new(&world, "etl");
    let one = store.put("acme-versions", "v", "x/y", b"one").await.unwrap();
    store.put("acme-versions", "v", "x/y", b"two").await.unwrap();
    let object = "/storage/v1/b/kept/o/v";
    assert_eq!(etl.get(&format!("{object}?alt=media")).await.text(), "two");
    assert_eq!(
        etl.get(&format!("{object}?alt=media&generation={one}"))
            .await
            .text(),
        "one"
    );
    let listed = json(&etl.get("/storage/v1/b/kept/o?versions=true").await);
    assert_eq!(listed["items"][0]["generation"], one.to_string());
    assert_eq!(
        etl.delete(&format!("{object}?generation={one}")).await.status,
        204
    );
    assert_eq!(
        etl.get(&format!("{object}?alt=media&generation={one}"))
            .await
            .status,
        404
    );
}

/// Names and prefixes of all pages of a listing, and how many pages there were.
async fn pages(caller: &Caller, target: &str, what: &[&str]) -> (Vec<String>, usize) {
    let (mut names, mut count, mut token) = (Vec::new(), 0, String::new());
    loop {
        let page = caller.get(&format!("{target}{token}")).await;
        assert_eq!(page.status, 200, "{target}{token}: {}", page.text());
        shows_nothing_of_the_store(&page, target, what);
        let page = json(&page);
        count += 1;
        let members = |name: &str| page[name].as_array().cloned().unwrap_or_default();
        names.extend(
            members("items")
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        names.extend(
            members("prefixes")
                .iter()
                .map(|prefix| prefix.as_str().unwrap().to_owned()),
        );
        match page["nextPageToken"].as_str() {
            Some(next) => token = format!("&pageToken={next}"),
            None => break,
        }
    }
    names.sort();
    (names, count)
}

#[tokio::test]
async fn a_listing_of_three_pages_is_whole() {
    let (store, world, etl) = with_policy().await;
    for name in ["a", "b/1", "b/2", "c", "d/x/1", "d/y", "e"] {
        store.has(name, b"x").await;
    }
    let check = async |query: &str, names: &[&str], count: usize| {
        let found = pages(&etl, &format!("{OBJECTS}?{query}"), &[]).await;
        assert_eq!(
            (found.0.iter().map(String::as_str).collect::<Vec<_>>(), found.1),
            (names.to_vec(), count),
            "{query}"
        );
    };
    let all = ["a", "b/1", "b/2", "c", "d/x/1", "d/y", "e"];
    check("maxResults=3", &all, 3).await;
    check("prefix=", &all, 1).await;
    check("delimiter=%2F&maxResults=2", &["a", "b/", "c", "d/", "e"], 3).await;
    check("prefix=d%2F&delimiter=%2F", &["d/x/", "d/y"], 1).await;
    check("startOffset=b%2F2&endOffset=d%2Fy", &["b/2", "c", "d/x/1"], 1).await;
    check("matchGlob=%2A%2A%2F1", &["b/1", "d/x/1"], 1).await;
    let listed = etl
        .get(&format!("{OBJECTS}?fields=items(name)&maxResults=1"))
        .await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    assert_eq!(json(&listed)["items"][0]["name"], "a");
    let record = world.recorded(&listed, "allow", "permit").await;
    assert_eq!(record["api"]["operation"], "storage.objects.list");
    refused(
        &etl.get(&format!("{OBJECTS}?pageToken=x")).await,
        "a token of nobody's",
        400,
        "invalidParameter",
    );
}

/// `lake` is a folder of the store's bucket.
async fn in_a_folder() -> (JsonStore, World, Caller) {
    let store = JsonStore::start().await;
    let world = store
        .world(Settings {
            policy: Some(EVERYTHING.into()),
            bucket_lines: "prefix = \"teams/a/\"".into(),
            ..Settings::default()
        })
        .await;
    let etl = Caller::new(&world, "etl");
    for name in [
        "teams/a/x/1",
        "teams/a/x/2",
        "teams/a/x/y/3",
        "teams/a/z",
        "teams/ab/secret",
        "teams/a0",
        "x/1",
    ] {
        store.has(name, name.as_bytes()).await;
    }
    (store, world, etl)
}

#[tokio::test]
async fn a_folder_is_a_bucket_without_a_name_of_its_own() {
    let (store, world, etl) = in_a_folder().await;
    let check = async |query: &str, names: &[&str], count: usize| {
        let found = pages(&etl, &format!("{OBJECTS}?{query}"), &["teams", "secret"]).await;
        assert_eq!(
            (found.0.iter().map(String::as_str).collect::<Vec<_>>(), found.1),
            (names.to_vec(), count),
            "{query}"
        );
    };
    check("maxResults=2", &["x/1", "x/2", "x/y/3", "z"], 2).await;
    check("maxResults=1", &["x/1", "x/2", "x/y/3", "z"], 4).await;
    check("delimiter=%2F", &["x/", "z"], 1).await;
    check(
        "prefix=x%2F&delimiter=%2F&maxResults=1",
        &["x/1", "x/2", "x/y/"],
        3,
    )
    .await;
    check("startOffset=x%2F2&endOffset=z", &["x/2", "x/y/3"], 1).await;
    check("matchGlob=x%2F%2A", &["x/1", "x/2"], 1).await;
    check("prefix=teams", &[], 1).await;
    let asked = store.requests();
    let prefixes: Vec<_> = asked
        .iter()
        .map(|seen| seen.parameter("prefix").unwrap())
        .collect();
    assert!(
        prefixes.iter().all(|prefix| prefix.starts_with("teams/a/")),
        "{prefixes:?}"
    );

    let told = etl.get(&format!("{OBJECTS}/x%2F1")).await;
    shows_nothing_of_the_store(&told, "an object", &["teams"]);
    let resource = json(&told);
    assert_eq!(
        (&resource["name"], &resource["bucket"]),
        (&document!("x/1"), &document!("lake"))
    );
    let id = resource["id"].as_str().unwrap();
    assert!(id.starts_with("lake/x/1/"), "{id}");
    let read = etl.get(&format!("{OBJECTS}/x%2F1?alt=media")).await;
    assert_eq!(read.text(), "teams/a/x/1");
    let record = world.recorded(&told, "allow", "permit").await;
    assert_eq!(record["resource"]["key"], "x/1");
    for name in ["teams%2Fa%2Fx%2F1", "secret", "gone"] {
        let gone = etl.get(&format!("{OBJECTS}/{name}")).await;
        refused(&gone, name, 404, "notFound");
        assert!(
            !gone.text().contains("teams/a/x/1\"") && !gone.text().contains("acme"),
            "{}",
            gone.text()
        );
    }
    // Out of the folder there is no way.
    let before = store.requests().len();
    for name in ["..%2Fab%2Fsecret", "x%2F..%2F..%2Fab%2Fsecret", ".", ".."] {
        let answer = etl.get(&format!("{OBJECTS}/{name}")).await;
        assert!(matches!(answer.status, 400 | 404), "{name}: {}", answer.text());
    }
    store.untouched_since(before, "names that lead out of the folder");

    // Page tokens are sealed: one of the store's own, and one of another prefix, are worth nothing.
    let page = json(&etl.get(&format!("{OBJECTS}?maxResults=1")).await);
    let token = page["nextPageToken"].as_str().unwrap();
    let before = store.requests().len();
    let bad = etl
        .get(&format!("{OBJECTS}?maxResults=1&prefix=z&pageToken={token}"))
        .await;
    assert_eq!(bad.status, 400, "{}", bad.text());
    let analyst = Caller::new(&world, "analyst");
    let other = analyst
        .get(&format!("{OBJECTS}?maxResults=1&pageToken={token}"))
        .await;
    assert!(matches!(other.status, 400 | 403), "{}", other.text());
    store.untouched_since(before, "page tokens of others");

    assert_eq!(etl.delete(&format!("{OBJECTS}/z")).await.status, 204);
    assert_eq!(store.content(BUCKET, "teams/a/z"), None);
    // Copies stay in the folder.
    let copied = etl
        .call(
            "POST",
            &format!("{OBJECTS}/x%2F1/copyTo/b/lake/o/x%2Fcopy"),
            &document!({}),
        )
        .await;
    assert_eq!(copied.status, 200, "{}", copied.text());
    shows_nothing_of_the_store(&copied, "a copy", &["teams"]);
    assert_eq!(json(&copied)["name"], "x/copy");
    assert_eq!(
        store.content(BUCKET, "teams/a/x/copy").as_deref(),
        Some(&b"teams/a/x/1"[..])
    );
    let composed = document!({"sourceObjects": [{"name": "x/1"}, {"name": "x/2"}], "destination": {"contentType": "x/y"}});
    let composed = etl
        .call("POST", &format!("{OBJECTS}/x%2Fboth/compose"), &composed)
        .await;
    assert_eq!(composed.status, 200, "{}", composed.text());
    shows_nothing_of_the_store(&composed, "a composition", &["teams"]);
    assert_eq!(
        store.content(BUCKET, "teams/a/x/both").as_deref(),
        Some(&b"teams/a/x/1teams/a/x/2"[..])
    );
}

#[tokio::test]
async fn a_folder_with_its_marker_is_listed_without_it() {
    let (store, _world, etl) = in_a_folder().await;
    store.has("teams/a/", b"").await;
    store.has("teams/a/empty/", b"").await;
    for (query, names, pages_of_them) in [
        ("", &["empty/", "x/1", "x/2", "x/y/3", "z"][..], 1),
        ("delimiter=%2F", &["empty/", "x/", "z"], 1),
        ("versions=true&delimiter=%2F", &["empty/", "x/", "z"], 1),
        // The marker is a page of its own, with nothing on it.
        ("maxResults=1", &["empty/", "x/1", "x/2", "x/y/3", "z"], 6),
        ("prefix=empty%2F", &["empty/"], 1),
    ] {
        let found = pages(&etl, &format!("{OBJECTS}?{query}"), &["teams", "secret"]).await;
        assert_eq!(found.0, names, "{query}");
        assert_eq!(found.1, pages_of_them, "{query}");
    }
}

#[tokio::test]
async fn a_mask_without_names_is_answered() {
    let (store, _world, etl) = in_a_folder().await;
    for mask in [
        "items(size,updated)",
        "items%2Fsize,items%2Fupdated",
        "kind,items(size),nextPageToken",
    ] {
        let before = store.requests().len();
        let answer = etl
            .get(&format!("{OBJECTS}?prefix=x%2F&delimiter=%2F&fields={mask}"))
            .await;
        assert_eq!(answer.status, 200, "{mask}: {}", answer.text());
        shows_nothing_of_the_store(&answer, mask, &["teams"]);
        let page = json(&answer);
        assert_eq!(page["items"][0]["size"], "11", "{mask}: {page}");
        assert_eq!(page["items"][0]["name"], "x/1", "{mask}: {page}");
        assert!(page["items"][0].get("etag").is_none(), "{mask}: {page}");
        let asked = store.requests()[before].parameter("fields").unwrap();
        assert!(asked.contains("name"), "{asked}");
    }
    // What is no mask does not get there.
    let before = store.requests().len();
    for mask in ["items(na,", "items()", "items(name"] {
        let answer = etl.get(&format!("{OBJECTS}?fields={mask}")).await;
        refused(&answer, mask, 400, "invalidParameter");
        assert!(answer.text().contains("`fields`"), "{}", answer.text());
    }
    store.untouched_since(before, "broken masks");
}

#[tokio::test]
async fn what_the_store_takes_for_invalid_is_told_with_where_to_look() {
    let (store, _world, etl) = with_policy().await;
    let check = |answer: &Answer, status: u16, reason: &str, says: &str| {
        refused(answer, says, status, reason);
        assert!(answer.text().contains(says), "{}", answer.text());
        shows_nothing_of_the_store(answer, says, &[]);
    };
    let page = etl.get(&format!("{OBJECTS}?pageToken=nonsense")).await;
    check(&page, 400, "invalidParameter", "`pageToken` (good for");
    assert!(page.text().contains("storage.objects.list"), "{}", page.text());

    let key = [7; 32];
    let sha256 = BASE64.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key).as_ref());
    let key = BASE64.encode(&key);
    let with_key = [
        ("content-type", "text/plain"),
        ("x-goog-encryption-algorithm", "AES256"),
        ("x-goog-encryption-key", &*key),
        ("x-goog-encryption-key-sha256", &*sha256),
    ];
    let target = "/upload/storage/v1/b/lake/o?uploadType=media&name=tmp%2Fkept";
    let kept = etl.send("POST", target, &with_key, CONTENT).await;
    assert_eq!(kept.status, 200, "{}", kept.text());
    let object = format!("{OBJECTS}/tmp%2Fkept");
    let read = etl.get(&format!("{object}?alt=media")).await;
    check(&read, 400, "invalid", "`x-goog-encryption-");
    let copied = etl
        .call(
            "POST",
            &format!("{object}/copyTo/b/lake/o/tmp%2Fcopy"),
            &document!({}),
        )
        .await;
    let reason = "resourceIsEncryptedWithCustomerEncryptionKey";
    check(&copied, 400, reason, "`x-goog-encryption-key`");

    let begin = "/upload/storage/v1/b/lake/o?uploadType=resumable&name=tmp%2Fodd";
    let begun = etl.send("POST", begin, &[], b"").await;
    let location: http::Uri = begun.header("location").unwrap().parse().unwrap();
    let session = location.path_and_query().unwrap().as_str();
    let odd = [("content-range", "bytes 0-8/*")];
    let odd = etl.send("PUT", session, &odd, CONTENT).await;
    check(&odd, 400, "invalid", "256 KiB");
    assert_eq!(store.content(BUCKET, "tmp/odd"), None);
}

#[tokio::test]
async fn an_entity_tag_spares_metadata() {
    let (store, _world, etl) = with_policy().await;
    store.has("tmp/a", CONTENT).await;
    let object = format!("{OBJECTS}/tmp%2Fa");
    let etag = etl.get(&object).await.header("etag").unwrap().to_owned();
    let same = etl.send("GET", &object, &[("if-none-match", &*etag)], b"").await;
    assert_eq!((same.status, same.body.len()), (304, 0));
}

// GCS-03
#[tokio::test]
async fn a_rewrite_in_rounds_goes_on_with_a_sealed_token() {
    let store = JsonStore::with(|options| options.rewrite_bytes = Some(1 << 20)).await;
    let world = store
        .world(Settings {
            policy: Some(format!("{EVERYTHING}\n{ANALYSTS}")),
            ..Settings::default()
        })
        .await;
    let etl = Caller::new(&world, "etl");
    let content = bytes((5 << 20) / 2);
    store.has("a", &content).await;
    store.has("b", &content).await;
    let target = format!("{OBJECTS}/a/rewriteTo/b/lake/o/copy");
    let mut token = String::new();
    for round in 1..=3 {
        let answer = etl
            .call("POST", &format!("{target}{token}"), &document!({}))
            .await;
        assert_eq!(answer.status, 200, "{round}: {}", answer.text());
        shows_nothing_of_the_store(&answer, "a rewrite", &[]);
        let answer = json(&answer);
        assert_eq!(answer["done"], round == 3, "{answer}");
        if round == 3 {
            assert_eq!(answer["resource"]["name"], "copy");
            break;
        }
        let next = answer["rewriteToken"].as_str().unwrap();
        if round == 1 {
            // It is good for one principal, one source and one destination.
            let before = store.requests().len();
            let empty = document!({});
            for pair in ["b/rewriteTo/b/lake/o/copy", "a/rewriteTo/b/lake/o/other"] {
                let target = format!("{OBJECTS}/{pair}?rewriteToken={next}");
                let answer = etl.call("POST", &target, &empty).await;
                assert_eq!(answer.status, 400, "{pair}: {}", answer.text());
            }
            let analyst = Caller::new(&world, "analyst");
            let theirs = analyst
                .call("POST", &format!("{target}?rewriteToken={next}"), &document!({}))
                .await;
            assert_eq!(theirs.status, 400, "{}", theirs.text());
            store.untouched_since(before, "a token of somebody else's");
        }
        token = format!("?rewriteToken={next}");
    }
    assert_eq!(store.content(BUCKET, "copy").as_deref(), Some(&content[..]));
}

const ANALYSTS: &str = r#"
@id("analysts") permit (principal in Tidegate::Group::"idp:analysts", action, resource);
"#;

#[tokio::test]
async fn what_is_refused_never_reaches_the_store() {
    let (store, world, etl) = with_policy().await;
    store.has("frozen/a", CONTENT).await;
    store.has("raw/a", CONTENT).await;
    let analyst = Caller::new(&world, "analyst");
    let nobody = Caller {
        token: String::new(),
        ..Caller::new(&world, "etl")
    };
    let forged = Caller {
        token: "eyJhbGciOiJub25lIn0.e30.".into(),
        ..Caller::new(&world, "etl")
    };
    let own = Caller {
        token: STORE_SECRET.into(),
        ..Caller::new(&world, "etl")
    };
    let object = format!("{OBJECTS}/raw%2Fa");
    // Who asks.
    let anonymous = etl
        .client
        .send(etl.client.unsigned("GET", &object, &[], b""))
        .await;
    refused(&anonymous, "nobody", 401, "required");
    for (caller, what) in [
        (&nobody, "an empty token"),
        (&forged, "a forged token"),
        (&own, "the store's own token"),
    ] {
        for target in [object.clone(), format!("{object}?alt=media"), OBJECTS.to_owned()] {
            refused(&caller.get(&target).await, what, 401, "authError");
        }
    }
    // What policy denies.
    for (caller, method, target) in [
        (&analyst, "GET", object.clone()),
        (&analyst, "GET", format!("{object}?alt=media")),
        (&analyst, "GET", format!("/download{object}?alt=media")),
        (&analyst, "GET", OBJECTS.to_owned()),
        (&etl, "DELETE", object.clone()),
        (&etl, "DELETE", format!("{OBJECTS}/frozen%2Fa")),
        (&etl, "GET", "/storage/v1/b/other/o/a".to_owned()),
        (&etl, "GET", "/storage/v1/b/other/o".to_owned()),
    ] {
        let denied = caller.send(method, &target, &[], b"").await;
        refused(&denied, &format!("{method} {target}"), 403, "forbidden");
        shows_nothing_of_the_store(&denied, &target, &[]);
        let record = world.record_of(&denied).await;
        assert_eq!(record["decision"]["effect"], "deny", "{record}");
    }
    // What is asked.
    for target in [
        format!("{object}?surprise=1"),
        format!("{object}?access_token={}", etl.token),
        format!("{object}?generation=x"),
        format!("{object}?ifGenerationMatch=-1"),
        format!("{object}?callback=x"),
        format!("{OBJECTS}/raw%2Fa%0A"),
        format!("{OBJECTS}/{}", "x".repeat(1025)),
        format!("{OBJECTS}/%C3"),
    ] {
        let answer = etl.get(&target).await;
        let number = target.contains("generation=x") || target.contains("Match=-1");
        refused(
            &answer,
            &target,
            400,
            if number { "invalidParameter" } else { "invalid" },
        );
    }
    for (header, value) in [
        ("x-http-method-override", "DELETE"),
        ("x-goog-acl", "public-read"),
        ("x-amz-copy-source", "/x/y"),
        ("x-goog-surprise", "1"),
    ] {
        let answer = etl.send("GET", &object, &[(header, value)], b"").await;
        refused(&answer, header, 400, "invalid");
    }
    let gone = etl.get("/storage/v1/b/gone/o/a").await;
    refused(&gone, "a bucket that nobody has", 403, "forbidden");
    store.untouched_since(0, "whatever is refused");
    assert_eq!(store.names(BUCKET), ["frozen/a", "raw/a"]);
    world.kept_secret(&[&etl.token, STORE_SECRET]);
}

#[tokio::test]
async fn what_the_store_suffers_is_told_in_googles_words() {
    let (store, _world, etl) = with_policy().await;
    store.has("a", CONTENT).await;
    let object = format!("{OBJECTS}/a");
    for (status, told, reason) in [
        (503, 503, "backendError"),
        (500, 500, "internalError"),
        (429, 429, "rateLimitExceeded"),
        // The storage refuses our credential: the caller's own is fine, and it must not throw it away.
        (403, 403, "forbidden"),
    ] {
        store.plan("GET", "/o/a", GcsFault::Status { status, after: 0 });
        let answer = etl.get(&object).await;
        refused(&answer, &format!("{status}"), told, reason);
        shows_nothing_of_the_store(&answer, &format!("{status}"), &[]);
    }
    assert_eq!(etl.get(&object).await.status, 200, "once only");
    // A token that ended at the store is not the caller's trouble.
    store.revoke(STORE_SECRET);
    let answer = etl.get(&object).await;
    refused(&answer, "a target's 401", 503, "backendError");
    store.allow(STORE_SECRET, None);
}

// STR-05
#[tokio::test]
async fn a_download_that_breaks_off_is_no_whole_answer() {
    let (store, world, etl) = with_policy().await;
    let content = bytes(3 << 20);
    store.has("big", &content).await;
    let media = format!("{OBJECTS}/big?alt=media");
    store.plan("GET", "alt=media", GcsFault::CutResponse { after: 1 << 20 });
    assert!(
        etl.try_send("GET", &media, &[], b"").await.is_none(),
        "over HTTP/1.1"
    );
    store.plan("GET", "alt=media", GcsFault::CutResponse { after: 1 << 20 });
    let mut sender = etl.client.http2().await;
    let request = etl.request("GET", &media, &[], b"");
    assert!(
        etl.client.try_send_http2(&mut sender, request).await.is_err(),
        "over HTTP/2"
    );
    // The connection to the store is gone, the caller's goes on.
    let request = etl.request("GET", &media, &[], b"");
    let whole = etl.client.send_http2(&mut sender, request).await;
    assert_eq!(whole.body, content);
    let broken = |record: &&Value| {
        record["response"]["end_reason"] != "complete" && record["api"]["operation"] == "storage.objects.get"
    };
    let records = world.audit_when(|records| records.len() >= 3).await;
    assert_eq!(records.iter().filter(broken).count(), 2, "{records:?}");
    // No answer at all.
    store.plan("GET", "/o/big", GcsFault::CutRequest { after: 0 });
    let lost = etl.get(&format!("{OBJECTS}/big")).await;
    assert!(matches!(lost.status, 200 | 502 | 503), "{}", lost.text());
}

#[tokio::test]
async fn a_store_that_stands_still_is_given_up() {
    let store = JsonStore::start().await;
    let hurried = "[targets.store]\nresponse_timeout = \"1s\"\n";
    let world = World::with(Settings {
        server: "stall_timeout = \"1s\"".into(),
        target_table: Some(store.table().replace("[targets.store]\n", hurried)),
        ..Settings::default()
    })
    .await;
    let etl = Caller::new(&world, "etl");
    store.has("big", &bytes(3 << 20)).await;
    store.plan("GET", "alt=media", GcsFault::StallResponse { after: 1 << 20 });
    assert!(
        etl.try_send("GET", &format!("{OBJECTS}/big?alt=media"), &[], b"")
            .await
            .is_none()
    );
    store.plan("GET", "/o/big", GcsFault::StallRequest { after: 0 });
    let silent = etl.get(&format!("{OBJECTS}/big")).await;
    assert!(
        matches!(silent.status, 503 | 504),
        "{}: {}",
        silent.status,
        silent.text()
    );
    assert_eq!(etl.get(&format!("{OBJECTS}/big")).await.status, 200);
}

#[tokio::test]
async fn what_is_packed_stays_packed_for_whoever_takes_it() {
    use std::io::Write as _;
    let (store, _world, etl) = with_policy().await;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&[b'x'; 5000]).unwrap();
    let packed = packer.finish().unwrap();
    store.has("a.gz", &packed).await;
    let patched = etl
        .call(
            "PATCH",
            &format!("{OBJECTS}/a.gz"),
            &document!({"contentEncoding": "gzip"}),
        )
        .await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    let media = format!("{OBJECTS}/a.gz?alt=media");
    let kept = etl.send("GET", &media, &[("accept-encoding", "gzip")], b"").await;
    assert_eq!(
        (kept.header("content-encoding"), &*kept.body),
        (Some("gzip"), &*packed)
    );
    let unpacked = etl.get(&media).await;
    assert_eq!(
        (unpacked.header("content-encoding"), &*unpacked.body),
        (None, &[b'x'; 5000][..])
    );
    assert_eq!(unpacked.header("x-goog-stored-content-encoding"), Some("gzip"));
}
