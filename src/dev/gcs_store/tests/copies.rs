//! Objects made of objects, and calls made in batches.

use super::*;

#[tokio::test]
async fn a_rewrite_takes_as_many_calls_as_it_is_told() {
    let site = Site::with(|options| options.rewrite_bytes = Some(1 << 20)).await;
    let content = vec![3; (5 << 20) / 2];
    let generation = site.put("a", &content).await;
    site.put("other", &content).await;
    let target = format!("{OBJECTS}/a/rewriteTo/b/lake/o/b");
    let first = site.post(&target, json!({})).await.json();
    assert_eq!(
        (&first["done"], &first["totalBytesRewritten"]),
        (&json!(false), &json!("1048576"))
    );
    assert!(first.get("resource").is_none());
    let token = first["rewriteToken"].as_str().unwrap();
    for (what, target, body) in [
        (
            "another destination",
            format!("{OBJECTS}/a/rewriteTo/b/lake/o/c?rewriteToken={token}"),
            json!({}),
        ),
        (
            "another source",
            format!("{OBJECTS}/other/rewriteTo/b/lake/o/b?rewriteToken={token}"),
            json!({}),
        ),
        (
            "another body",
            format!("{target}?rewriteToken={token}"),
            json!({"contentType": "x/y"}),
        ),
        (
            "none that there is",
            format!("{target}?rewriteToken=x"),
            json!({}),
        ),
    ] {
        let first = site.post(&target.replace(token, "x"), body.clone()).await;
        assert_eq!(first.status, 400, "{what}");
        let fresh = site
            .post(&format!("{OBJECTS}/a/rewriteTo/b/lake/o/b"), json!({}))
            .await
            .json();
        let fresh = fresh["rewriteToken"].as_str().unwrap();
        let target = target.replace(token, fresh);
        if what != "none that there is" {
            assert_eq!(site.post(&target, body).await.status, 400, "{what}");
        }
    }
    let mut next = token.to_owned();
    let second = site
        .post(
            &format!("{target}?rewriteToken={next}&sourceGeneration={generation}"),
            json!({}),
        )
        .await;
    next.clear();
    next.push_str(second.json()["rewriteToken"].as_str().unwrap());
    assert_eq!(site.content("b"), None);
    let last = site
        .post(&format!("{target}?rewriteToken={next}"), json!({}))
        .await
        .json();
    assert_eq!(
        (&last["done"], &last["objectSize"]),
        (&json!(true), &json!("2621440"))
    );
    assert_eq!(last["resource"]["name"], "b");
    assert_eq!(site.content("b").unwrap(), content);
    assert_eq!(
        site.post(&format!("{target}?rewriteToken={next}"), json!({}))
            .await
            .status,
        400,
        "once"
    );
    let all = format!("{target}?maxBytesRewrittenPerCall=1000");
    assert_eq!(site.post(&all, json!({})).await.status, 400);
}

#[tokio::test]
async fn objects_are_made_of_objects() {
    let site = Site::new().await;
    site.put("a", b"1234").await;
    let b = site.put("dir/b", b"567").await;
    site.put("c", b"89").await;
    let target = format!("{OBJECTS}/all/compose");
    let sources = json!([{"name": "a"}, {"name": "dir/b", "generation": b.to_string(),
        "objectPreconditions": {"ifGenerationMatch": b.to_string()}}, {"name": "c"}]);
    let made = site
        .post(
            &target,
            json!({"sourceObjects": sources, "destination": {"contentType": "text/x"}}),
        )
        .await;
    assert_eq!(made.status, 200, "{made:?}");
    let made = made.json();
    assert_eq!(
        (
            &made["crc32c"],
            &made["componentCount"],
            &made["contentType"],
            made.get("md5Hash")
        ),
        (&json!("4waSgw=="), &json!(3), &json!("text/x"), None)
    );
    assert_eq!(site.content("all").as_deref(), Some(&b"123456789"[..]));
    let many: Vec<_> = (0..33).map(|_| json!({"name": "a"})).collect();
    for (body, status) in [
        (json!({"sourceObjects": many}), 400),
        (json!({"sourceObjects": []}), 400),
        (json!({}), 400),
        (json!({"sourceObjects": [{"name": "a", "surprise": 1}]}), 400),
        (json!({"sourceObjects": [{"name": "gone"}]}), 404),
        (
            json!({"sourceObjects": [{"name": "a", "objectPreconditions": {"ifGenerationMatch": "1"}}]}),
            412,
        ),
        (
            json!({"sourceObjects": [{"name": "a"}], "destination": {"bucket": "other"}}),
            400,
        ),
    ] {
        let target = format!("{OBJECTS}/none/compose");
        assert_eq!(site.post(&target, body.clone()).await.status, status, "{body}");
    }
    // Copies keep what the source is, unless the body says what they are.
    let copy = site
        .post(&format!("{OBJECTS}/dir%2Fb/copyTo/b/lake/o/dir%2Fd"), json!({}))
        .await
        .json();
    assert_eq!(
        (&copy["name"], &copy["contentType"]),
        (&json!("dir/d"), &json!("text/plain"))
    );
    let body = json!({"contentType": "x/y", "metadata": {"k": "v"}});
    let copy = site
        .post(&format!("{OBJECTS}/dir%2Fb/copyTo/b/lake/o/e"), body)
        .await
        .json();
    assert_eq!(
        (&copy["contentType"], &copy["metadata"]["k"]),
        (&json!("x/y"), &json!("v"))
    );
    let moved = site
        .send("POST", &format!("{OBJECTS}/e/moveTo/o/dir%2Ff"), &[], b"")
        .await;
    assert_eq!((moved.status, &moved.json()["metadata"]["k"]), (200, &json!("v")));
    assert_eq!(
        site.store.names("lake"),
        ["a", "all", "c", "dir/b", "dir/d", "dir/f"]
    );
    site.is_clean();
}

#[tokio::test]
async fn a_batch_is_answered_call_by_call() {
    let site = Site::new().await;
    site.put("a/b", b"x").await;
    site.put("c", b"x").await;
    let part = |id: &str, line: &str, headers: &str, body: &str| {
        format!(
            "--bb\nContent-Type: application/http\nMIME-Version: 1.0\nContent-ID: <{id}>\n\n{line} HTTP/1.1\n\
             Content-Type: application/json\nContent-Length: {}\n{headers}\n{body}\n",
            body.len()
        )
    };
    let send = async |body: String| {
        let kind = [("content-type", "multipart/mixed; boundary=\"bb\"")];
        site.send(
            "POST",
            "/batch/storage/v1",
            &kind,
            format!("{body}--bb--").as_bytes(),
        )
        .await
    };
    let calls = [
        part(
            "x+1",
            &format!("DELETE https://gcs.example{OBJECTS}/a%2Fb"),
            "",
            "",
        ),
        part(
            "x+2",
            &format!("PATCH {OBJECTS}/c"),
            "",
            "{\"contentType\": \"x/y\"}",
        ),
        part("x+3", &format!("GET {OBJECTS}/gone"), "", ""),
        part("x+4", &format!("GET {OBJECTS}/c?alt=media"), "", ""),
        part(
            "x+5",
            &format!("DELETE {OBJECTS}/c"),
            "authorization: Bearer other\n",
            "",
        ),
    ];
    let reply = send(calls.concat()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let text = String::from_utf8(reply.body).unwrap();
    let statuses: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("HTTP/1.1 "))
        .map(|line| &line[9..12])
        .collect();
    assert_eq!(statuses, ["204", "200", "404", "400", "401"], "{text}");
    assert!(text.contains("Content-ID: <response-x+1>") && text.ends_with("--\r\n"));
    assert_eq!(site.store.names("lake"), ["c"]);
    let many: String = (0..101)
        .map(|_| part("x", &format!("DELETE {OBJECTS}/c"), "", ""))
        .collect();
    assert_eq!(send(many).await.status, 400);
    assert_eq!(site.store.names("lake"), ["c"]);
    assert_eq!(
        send("--bb\nContent-Type: text/plain\n\n".to_owned()).await.status,
        400
    );
}
