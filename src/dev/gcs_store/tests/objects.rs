//! One object, from its writing to its end.

use super::*;

#[tokio::test]
async fn an_object_is_written_read_in_parts_and_deleted() {
    let site = Site::new().await;
    let kind = [("content-type", "text/csv")];
    let target = format!("{UPLOAD}?uploadType=media&name=raw%2Fa+b.csv");
    let written = site.send("POST", &target, &kind, b"123456789").await;
    assert_eq!(written.status, 200, "{written:?}");
    let resource = written.json();
    for (member, value) in [
        ("kind", "storage#object"),
        ("name", "raw/a b.csv"),
        ("bucket", "lake"),
        ("size", "9"),
        ("contentType", "text/csv"),
        ("crc32c", "4waSgw=="),
        ("md5Hash", "JfnnlDI7RTiF9RgfG2JNCw=="),
        ("metageneration", "1"),
        ("storageClass", "STANDARD"),
        ("timeCreated", "2026-11-20T10:00:00.000Z"),
        (
            "selfLink",
            "http://gcs.example/storage/v1/b/lake/o/raw%2Fa%20b.csv",
        ),
    ] {
        assert_eq!(resource[member], value, "{member}");
    }
    assert!(resource.get("acl").is_none() && resource.get("owner").is_none());
    let generation = resource["generation"].as_str().unwrap();
    let object = format!("{OBJECTS}/raw%2Fa%20b.csv");
    assert_eq!(site.get(&object).await.json(), resource);
    assert_eq!(
        site.get(&format!("{object}?fields=name,size")).await.json(),
        json!({"name": "raw/a b.csv", "size": "9"})
    );

    for path in [&object, &object.replace("/storage", "/download/storage")] {
        let read = site
            .get(&format!("{path}?alt=media&generation={generation}"))
            .await;
        assert_eq!((read.status, &*read.body), (200, &b"123456789"[..]));
        for (header, value) in [
            ("content-length", "9"),
            ("content-type", "text/csv"),
            ("etag", resource["etag"].as_str().unwrap()),
            ("x-goog-hash", "crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw=="),
            ("x-goog-generation", generation),
            ("x-goog-metageneration", "1"),
            ("x-goog-stored-content-length", "9"),
            ("x-goog-stored-content-encoding", "identity"),
            ("x-goog-storage-class", "STANDARD"),
        ] {
            assert_eq!(read.header(header), value, "{header}");
        }
    }
    let media = format!("{object}?alt=media");
    let check = async |range: &str, status: u16, content_range: &str, body: &[u8]| {
        let reply = site.send("GET", &media, &[("range", range)], b"").await;
        assert_eq!(
            (reply.status, reply.header("content-range")),
            (status, content_range),
            "{range}"
        );
        if status != 416 {
            assert_eq!(reply.body, body, "{range}");
        }
    };
    check("bytes=2-4", 206, "bytes 2-4/9", b"345").await;
    check("bytes=-2", 206, "bytes 7-8/9", b"89").await;
    check("bytes=7-", 206, "bytes 7-8/9", b"89").await;
    check("bytes=9-", 416, "bytes */9", b"").await;
    check("bytes=0-0,2-2", 200, "", b"123456789").await;

    assert_eq!(site.send("DELETE", &object, &[], b"").await.status, 204);
    let gone = site.get(&object).await;
    assert_eq!((gone.status, &*gone.reason()), (404, "notFound"));
    // As at Google, who wanted bytes is told in plain text.
    let gone = site.get(&media).await;
    assert_eq!(
        (gone.status, &*gone.body),
        (404, &b"No such object: lake/raw/a b.csv"[..])
    );
    assert_eq!(site.send("DELETE", &object, &[], b"").await.status, 404);
}

#[tokio::test]
async fn what_is_packed_is_unpacked_unless_the_reader_takes_it() {
    let site = Site::new().await;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(b"123456789").unwrap();
    let packed = packer.finish().unwrap();
    let target = format!("{UPLOAD}?uploadType=media&name=a&contentEncoding=gzip");
    assert_eq!(
        site.send("POST", &target, &[("content-type", "text/plain")], &packed)
            .await
            .status,
        200
    );
    let media = format!("{OBJECTS}/a?alt=media");
    let unpacked = site.send("GET", &media, &[("range", "bytes=0-1")], b"").await;
    assert_eq!((unpacked.status, &*unpacked.body), (200, &b"123456789"[..]));
    for (header, value) in [
        ("content-encoding", ""),
        ("content-length", ""),
        ("x-goog-stored-content-encoding", "gzip"),
        ("x-goog-stored-content-length", &packed.len().to_string()),
        ("warning", "214 UploadServer gunzipped"),
    ] {
        assert_eq!(unpacked.header(header), value, "{header}");
    }
    let kept = site
        .send("GET", &media, &[("accept-encoding", "deflate, gzip;q=1")], b"")
        .await;
    assert_eq!((kept.header("content-encoding"), &kept.body), ("gzip", &packed));
    let part = [("accept-encoding", "gzip"), ("range", "bytes=0-1")];
    assert_eq!(site.send("GET", &media, &part, b"").await.body, packed[..2]);
}

#[tokio::test]
async fn settings_change_as_they_are_told() {
    let site = Site::new().await;
    site.put("a", b"a").await;
    let object = format!("{OBJECTS}/a");
    let change = async |method: &str, body: Value| {
        let kind = [("content-type", "application/json")];
        site.send(method, &object, &kind, body.to_string().as_bytes())
            .await
    };
    let one = change(
        "PATCH",
        json!({"metadata": {"a": "1", "b": "2"}, "cacheControl": "no-cache"}),
    )
    .await
    .json();
    assert_eq!(
        (&one["metageneration"], &one["contentType"]),
        (&json!("2"), &json!("text/plain"))
    );
    let two = change("PATCH", json!({"metadata": {"a": null}})).await.json();
    assert_eq!(
        (&two["metadata"], &two["cacheControl"]),
        (&json!({"b": "2"}), &json!("no-cache"))
    );
    // A client sends the whole resource back.
    let three = change("PUT", two.clone()).await;
    assert_eq!(three.status, 200, "{three:?}");
    let four = change("PUT", json!({"contentLanguage": "de"})).await.json();
    assert_eq!(
        (
            four.get("metadata"),
            four.get("contentType"),
            &four["contentLanguage"]
        ),
        (None, None, &json!("de"))
    );
    // Holds and retention keep what they hold.
    assert_eq!(change("PATCH", json!({"temporaryHold": true})).await.status, 200);
    assert_eq!(
        site.send("DELETE", &object, &[], b"").await.reason(),
        "objectUnderActiveHold"
    );
    assert_eq!(change("PATCH", json!({"temporaryHold": false})).await.status, 200);
    let until = |time: &str| json!({"retention": {"mode": "Unlocked", "retainUntilTime": time}});
    assert_eq!(change("PATCH", until("2026-11-21T00:00:00Z")).await.status, 200);
    assert_eq!(
        site.send("DELETE", &object, &[], b"").await.reason(),
        "retentionPolicyNotMet"
    );
    assert_eq!(change("PATCH", until("2026-11-20T12:00:00Z")).await.status, 403);
    let overriding = format!("{object}?overrideUnlockedRetention=true");
    let kind = [("content-type", "application/json")];
    let earlier = until("2026-11-20T09:00:00Z").to_string();
    assert_eq!(
        site.send("PATCH", &overriding, &kind, earlier.as_bytes())
            .await
            .status,
        200
    );
    assert_eq!(site.send("DELETE", &object, &[], b"").await.status, 204);
}

#[tokio::test]
async fn names_that_no_object_can_have_are_refused() {
    let site = Site::new().await;
    for name in ["", ".", "..", "a%0Ab", "a%0D", &"x".repeat(1025)] {
        let target = format!("{UPLOAD}?uploadType=media&name={name}");
        assert_eq!(site.send("POST", &target, &[], b"x").await.status, 400, "{name}");
    }
    let longest = format!("{UPLOAD}?uploadType=media&name={}", "x".repeat(1024));
    assert_eq!(site.send("POST", &longest, &[], b"x").await.status, 200);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed("2026-11-20T10:00:00Z".parse().unwrap());
    let open = || GcsStore::start(GcsOptions::new(dir.path(), TOKEN, clock.clone()));
    let store = open().await.unwrap();
    let versioned = GcsBucket {
        versioning: true,
        ..GcsBucket::default()
    };
    assert!(store.make_bucket("lake", versioned).unwrap() && !store.make_bucket("lake", versioned).unwrap());
    store.put("lake", "a", "x/y", b"1").await.unwrap();
    let second = store.put("lake", "a", "x/y", b"2").await.unwrap();
    let resource = store.resource("lake", "a").unwrap();
    let names = ["../../up", "..%2F", "a/../b", "/", "ä\u{1}"];
    for name in names {
        store.put("lake", name, "x/y", name.as_bytes()).await.unwrap();
    }
    drop(store);
    std::fs::write(dir.path().join(shelf::INBOX).join("7"), "left behind").unwrap();
    let store = open().await.unwrap();
    assert_eq!(store.content("lake", "a").as_deref(), Some(&b"2"[..]));
    assert_eq!(
        store.resource("lake", "a").unwrap()["generation"],
        resource["generation"]
    );
    for name in names {
        assert_eq!(
            store.content("lake", name).as_deref(),
            Some(name.as_bytes()),
            "{name}"
        );
    }
    assert_eq!(
        std::fs::read_dir(dir.path().join(shelf::INBOX)).unwrap().count(),
        0
    );
    // The clock stands still, and generations grow all the same.
    assert!(store.put("lake", "a", "x/y", b"3").await.unwrap() > second);
}
