//! Who gets in, and what is refused for what it is.

use super::*;

#[tokio::test]
async fn only_who_has_a_token_gets_in() {
    let site = Site::new().await;
    site.put("a", b"a").await;
    let check = async |headers: &[(&str, &str)], status: u16| {
        let reply = site.send("GET", &format!("{OBJECTS}/a"), headers, b"").await;
        assert_eq!(reply.status, status, "{headers:?}");
        if status == 401 {
            assert!(reply.header("www-authenticate").starts_with("Bearer "));
            assert_eq!(reply.json()["error"]["code"], 401);
        }
    };
    check(&[], 200).await;
    check(&[("authorization", "")], 401).await;
    check(&[("authorization", "Bearer other")], 401).await;
    check(&[("authorization", "bearer store-token")], 401).await;
    check(&[("authorization", "Bearer store-token ")], 200).await;
    check(&[("authorization", "Bearer  store-token")], 401).await;
    check(&[("authorization", "Basic c3RvcmUtdG9rZW4=")], 401).await;
    let twice = [
        ("authorization", "Bearer store-token"),
        ("authorization", "Bearer store-token"),
    ];
    check(&twice, 401).await;
    let end = "2026-11-20T11:00:00Z".parse().unwrap();
    site.store.allow("short", Some(end));
    check(&[("authorization", "Bearer short")], 200).await;
    site.clock.advance(jiff::SignedDuration::from_hours(1));
    check(&[("authorization", "Bearer short")], 401).await;
    site.store.revoke(TOKEN);
    check(&[], 401).await;
}

#[tokio::test]
async fn what_is_not_known_is_refused() {
    let site = Site::new().await;
    site.put("a", b"a").await;
    let object = format!("{OBJECTS}/a");
    for query in [
        "surprise=1",
        "access_token=x",
        "key=x",
        "callback=x",
        "alt=xml",
        "projection=all",
        "generation=x",
        "generation=-1",
        "ifGenerationMatch=",
        "generation=1&generation=1",
        "fields=a(",
        "prefix=a",
        "uploadType=media",
    ] {
        assert_eq!(
            site.get(&format!("{object}?{query}")).await.status,
            400,
            "{query}"
        );
    }
    for query in [
        "fields=name",
        "prettyPrint=false",
        "quotaUser=q",
        "userProject=p",
        "alt=json",
    ] {
        assert_eq!(
            site.get(&format!("{object}?{query}")).await.status,
            200,
            "{query}"
        );
    }
    for (name, value) in [
        ("x-goog-surprise", "1"),
        ("x-goog-acl", "private"),
        ("x-goog-hash", "crc32c=AAAAAA=="),
        ("x-goog-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-date", "x"),
        ("x-http-method-override", "DELETE"),
        ("x-upload-content-length", "1"),
        ("content-encoding", "gzip"),
    ] {
        let reply = site.send("GET", &object, &[(name, value)], b"").await;
        assert_eq!((reply.status, &*reply.reason()), (400, "badRequest"), "{name}");
    }
    let patch = async |body: &str| {
        let kind = [("content-type", "application/json")];
        site.send("PATCH", &object, &kind, body.as_bytes()).await.status
    };
    assert_eq!(patch("{\"surprise\": 1}").await, 400);
    assert_eq!(patch("{\"contentType\": 1}").await, 400);
    assert_eq!(
        patch("{\"metadata\": {\"a\": \"b\"}, \"metadata\": {}}").await,
        400
    );
    assert_eq!(patch("{\"bucket\": \"other\"}").await, 400);
    assert_eq!(patch("{\"name\": \"b\"}").await, 400);
    assert_eq!(patch("[]").await, 400);
    assert_eq!(
        patch("{\"metadata\": {\"a\": \"b\"}, \"name\": \"a\", \"bucket\": \"lake\"}").await,
        200
    );
    assert_eq!(site.send("GET", &object, &[], b"{}").await.status, 400);
    assert_eq!(site.send("HEAD", &object, &[], b"").await.status, 405);
    assert_eq!(site.get("/storage/v1/b/lake/o/a/b").await.status, 404);
    assert_eq!(site.get("/").await.status, 404);
    assert_eq!(site.get("/storage/v1/b/gone/o/a").await.status, 404);
}

#[tokio::test]
async fn buckets_are_told_as_far_as_clients_ask() {
    let site = Site::with(|options| options.foreign_buckets.push("theirs".to_owned())).await;
    let check = async |target: &str, status: u16| {
        let reply = site.get(target).await;
        assert_eq!(reply.status, status, "{target}: {reply:?}");
        reply
    };
    assert_eq!(
        check("/storage/v1/b/lake?projection=noAcl", 200).await.json()["name"],
        "lake"
    );
    check("/storage/v1/b/lake?ifMetagenerationMatch=7", 412).await;
    check("/storage/v1/b/theirs", 403).await;
    check("/storage/v1/b/theirs/o/a", 403).await;
    check("/storage/v1/b/gone", 404).await;
    check("/storage/v1/b", 400).await;
    assert_eq!(
        check("/storage/v1/b?project=p", 200).await.json()["items"][0]["name"],
        "lake"
    );
    check("/storage/v1/b/lake/iam", 200).await;
    let tested = "/storage/v1/b/lake/iam/testPermissions?permissions=storage.objects.get&permissions=storage.buckets.get";
    let granted = json!(["storage.objects.get", "storage.buckets.get"]);
    assert_eq!(check(tested, 200).await.json()["permissions"], granted);
    check("/storage/v1/b/lake/storageLayout", 200).await;
    check("/storage/v1/b/lake/folders", 409).await;
    check("/storage/v1/b/lake/managedFolders", 200).await;
    check("/storage/v1/b/lake/managedFolders/x", 404).await;
    check("/storage/v1/b/lake/notificationConfigs", 200).await;
    check("/storage/v1/b/lake/acl", 400).await;
    check("/storage/v1/projects/p/serviceAccount", 200).await;
    for name in ["no", "Upper", "-dash", "a/b", ".inbox", ""] {
        let reply = site.post("/storage/v1/b?project=p", json!({"name": name})).await;
        assert_eq!(reply.status, 400, "{name}");
    }
    assert_eq!(
        site.post("/storage/v1/b?project=p", json!({"name": "lake"}))
            .await
            .status,
        409
    );
}

#[tokio::test]
async fn lists_of_access_are_where_there_is_no_uniform_access() {
    let site = Site::new().await;
    let listed = GcsBucket {
        uniform_access: false,
        ..GcsBucket::default()
    };
    site.store.make_bucket("listed", listed).unwrap();
    site.store.put("listed", "a", "x/y", b"1").await.unwrap();
    site.put("a", b"1").await;
    let object = "/storage/v1/b/listed/o/a";
    assert!(site.get(object).await.json().get("acl").is_none());
    assert_eq!(
        site.get(&format!("{object}?projection=full")).await.json()["acl"][0]["role"],
        "OWNER"
    );
    let entry = json!({"entity": "allUsers", "role": "READER"});
    assert_eq!(
        site.post(&format!("{object}/acl"), entry.clone()).await.json()["entity"],
        "allUsers"
    );
    assert_eq!(
        site.get(&format!("{object}/acl")).await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        site.send("DELETE", &format!("{object}/acl/allUsers"), &[], b"")
            .await
            .status,
        204
    );
    assert_eq!(site.get(&format!("{object}/acl/allUsers")).await.status, 404);
    // Everywhere else they are an error, as at Google.
    assert_eq!(site.post(&format!("{OBJECTS}/a/acl"), entry).await.status, 400);
    let target = format!("{UPLOAD}?uploadType=media&name=b&predefinedAcl=publicRead");
    assert_eq!(site.send("POST", &target, &[], b"x").await.status, 400);
    assert_eq!(site.store.names("lake"), ["a"]);
}

#[tokio::test]
async fn a_key_of_the_callers_is_needed_for_what_was_written_with_it() {
    let site = Site::new().await;
    let (key, other) = ([1; 32], [2; 32]);
    let hash =
        |key: &[u8]| BASE64.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key).as_ref());
    let with = |key: &[u8; 32], hash: String| {
        [
            ("x-goog-encryption-algorithm".to_owned(), "AES256".to_owned()),
            ("x-goog-encryption-key".to_owned(), BASE64.encode(key)),
            ("x-goog-encryption-key-sha256".to_owned(), hash),
        ]
    };
    let send = async |method: &str, target: &str, headers: &[(String, String)], body: &[u8]| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        site.send(method, target, &headers, body).await
    };
    let target = format!("{UPLOAD}?uploadType=media&name=a");
    assert_eq!(
        send("POST", &target, &with(&key, hash(&other)), b"x")
            .await
            .status,
        400
    );
    let written = send("POST", &target, &with(&key, hash(&key)), b"x").await;
    assert_eq!(written.json()["customerEncryption"]["keySha256"], hash(&key));
    let media = format!("{OBJECTS}/a?alt=media");
    assert_eq!(send("GET", &media, &[], b"").await.status, 400);
    assert_eq!(
        send("GET", &media, &with(&other, hash(&other)), b"").await.status,
        400
    );
    assert_eq!(send("GET", &media, &with(&key, hash(&key)), b"").await.body, b"x");
}
