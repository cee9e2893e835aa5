//! Preconditions and generations.

use super::*;

#[tokio::test]
async fn labels_are_changed_one_by_one_or_all_taken_away() {
    let site = Site::new().await;
    for (change, left) in [
        (
            json!({"labels": {"a": "b", "c": "d"}}),
            json!({"a": "b", "c": "d"}),
        ),
        (json!({"labels": {"a": null}}), json!({"c": "d"})),
        (json!({}), json!({"c": "d"})),
        (json!({"labels": null}), Value::Null),
    ] {
        let kind = [("content-type", "application/json")];
        let body = change.to_string();
        let reply = site
            .send("PATCH", "/storage/v1/b/lake", &kind, body.as_bytes())
            .await;
        assert_eq!((reply.status, &reply.json()["labels"]), (200, &left), "{change}");
    }
}

#[tokio::test]
async fn an_entity_tag_is_held_against_metadata_and_bytes() {
    let site = Site::new().await;
    site.put("a", b"a").await;
    let object = format!("{OBJECTS}/a");
    let etag = site.get(&object).await.header("etag").to_owned();
    for target in [object.clone(), format!("{object}?alt=media")] {
        for (header, tag, status) in [
            ("if-none-match", &*etag, 304),
            ("if-none-match", "*", 304),
            ("if-none-match", "other", 200),
            ("if-match", &etag, 200),
            ("if-match", "other", 412),
        ] {
            let reply = site.send("GET", &target, &[(header, tag)], b"").await;
            assert_eq!(reply.status, status, "{target} {header} {tag}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn preconditions_hold_or_nothing_happens() {
    let site = Site::new().await;
    let generation = site.put("a", b"a").await;
    let other = generation + 1;
    let check = async |method: &str, target: &str, status: u16| {
        let body: &[u8] = if method == "PATCH" {
            b"{\"metadata\": {}}"
        } else {
            b""
        };
        let kind = [("content-type", "application/json")];
        let reply = site.send(method, target, &kind, body).await;
        assert_eq!(reply.status, status, "{method} {target}: {reply:?}");
        if status == 412 && !target.contains("media") {
            assert_eq!(reply.reason(), "conditionNotMet");
        }
    };
    let (object, gone) = (format!("{OBJECTS}/a"), format!("{OBJECTS}/gone"));
    check("GET", &format!("{object}?ifGenerationMatch={generation}"), 200).await;
    check("GET", &format!("{object}?ifGenerationMatch={other}"), 412).await;
    check("GET", &format!("{object}?ifGenerationNotMatch={generation}"), 304).await;
    check(
        "GET",
        &format!("{object}?alt=media&ifGenerationMatch={other}"),
        412,
    )
    .await;
    check(
        "GET",
        &format!("{object}?alt=media&ifMetagenerationNotMatch=1"),
        304,
    )
    .await;
    check("GET", &format!("{object}?ifMetagenerationMatch=2"), 412).await;
    check("GET", &format!("{object}?generation={other}"), 404).await;
    check("GET", &format!("{gone}?ifGenerationMatch=0"), 404).await;
    check("PATCH", &format!("{object}?ifMetagenerationMatch=2"), 412).await;
    check("PATCH", &format!("{object}?ifGenerationMatch={other}"), 412).await;
    check("DELETE", &format!("{object}?ifGenerationMatch={other}"), 412).await;
    check("DELETE", &format!("{object}?ifMetagenerationNotMatch=1"), 412).await;
    check("DELETE", &format!("{object}?generation={other}"), 404).await;
    let insert = |name: &str, condition: &str| format!("{UPLOAD}?uploadType=media&name={name}&{condition}");
    check("POST", &insert("a", "ifGenerationMatch=0"), 412).await;
    check("POST", &insert("a", &format!("ifGenerationMatch={other}")), 412).await;
    check(
        "POST",
        &insert("a", &format!("ifGenerationNotMatch={generation}")),
        412,
    )
    .await;
    check("POST", &insert("b", "ifGenerationMatch=5"), 412).await;
    check("POST", &insert("b", "ifMetagenerationMatch=1"), 412).await;
    check("POST", &insert("b", "ifGenerationNotMatch=0"), 412).await;
    for (call, condition) in [
        ("copyTo", "ifGenerationMatch=1"),
        ("copyTo", "ifSourceGenerationMatch=1"),
        ("rewriteTo", "ifSourceMetagenerationNotMatch=1"),
        ("rewriteTo", "ifMetagenerationMatch=1"),
    ] {
        check("POST", &format!("{object}/{call}/b/lake/o/b?{condition}"), 412).await;
    }
    check(
        "POST",
        &format!("{object}/moveTo/o/b?ifSourceGenerationMatch=1"),
        412,
    )
    .await;
    assert_eq!(
        (site.content("a").as_deref(), site.content("b")),
        (Some(&b"a"[..]), None)
    );
    site.is_clean();
    check("POST", &insert("b", "ifGenerationMatch=0"), 200).await;
    check(
        "POST",
        &insert("a", &format!("ifGenerationMatch={generation}")),
        200,
    )
    .await;
    let now = site.store.resource("lake", "a").unwrap()["generation"]
        .as_str()
        .unwrap()
        .to_owned();
    check(
        "DELETE",
        &format!("{object}?ifGenerationMatch={now}&ifMetagenerationMatch=1"),
        204,
    )
    .await;
}

#[tokio::test]
async fn versions_are_kept_where_they_are_wanted() {
    let site = Site::new().await;
    let made = site
        .post(
            "/storage/v1/b?project=p",
            json!({"name": "kept", "versioning": {"enabled": true}}),
        )
        .await;
    assert_eq!(made.status, 200, "{made:?}");
    let put = async |content: &[u8]| site.store.put("kept", "a", "x/y", content).await.unwrap();
    let (one, two) = (put(b"1").await, put(b"2").await);
    assert!(one < two);
    let object = "/storage/v1/b/kept/o/a";
    assert_eq!(
        site.get(&format!("{object}?alt=media&generation={one}"))
            .await
            .body,
        b"1"
    );
    assert_eq!(site.send("DELETE", object, &[], b"").await.status, 204);
    assert_eq!(site.get(object).await.status, 404);
    let listed = site
        .get("/storage/v1/b/kept/o?versions=true&maxResults=1")
        .await
        .json();
    assert_eq!(listed["items"][0]["generation"], one.to_string());
    let token = listed["nextPageToken"].as_str().unwrap();
    let listed = site
        .get(&format!("/storage/v1/b/kept/o?versions=true&pageToken={token}"))
        .await
        .json();
    assert_eq!(
        (
            &listed["items"][0]["generation"],
            listed["items"].as_array().unwrap().len()
        ),
        (&json!(two.to_string()), 1)
    );
    assert!(listed["items"][0]["timeDeleted"].is_string());
    assert_eq!(
        site.send("DELETE", &format!("{object}?generation={one}"), &[], b"")
            .await
            .status,
        204
    );
    assert_eq!(site.get(&format!("{object}?generation={one}")).await.status, 404);
    assert_eq!(
        site.send("DELETE", "/storage/v1/b/kept", &[], b"").await.status,
        409
    );

    let soft = GcsBucket {
        soft_delete: true,
        ..GcsBucket::default()
    };
    site.store.make_bucket("soft", soft).unwrap();
    let generation = site.store.put("soft", "a", "x/y", b"1").await.unwrap();
    assert_eq!(
        site.send("DELETE", "/storage/v1/b/soft/o/a", &[], b"")
            .await
            .status,
        204
    );
    let listed = site.get("/storage/v1/b/soft/o?softDeleted=true").await.json();
    assert_eq!(listed["items"][0]["generation"], generation.to_string());
    let restore = format!("/storage/v1/b/soft/o/a/restore?generation={generation}");
    let restored = site.send("POST", &restore, &[], b"").await;
    assert_eq!(restored.status, 200, "{restored:?}");
    assert_eq!(site.store.content("soft", "a").as_deref(), Some(&b"1"[..]));
    assert_eq!(
        site.send("POST", "/storage/v1/b/soft/o/a/restore?generation=1", &[], b"")
            .await
            .status,
        404
    );
}
