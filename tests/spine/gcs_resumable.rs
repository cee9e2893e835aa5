//! Uploads in several requests by Google's JSON API: they belong to whoever began them, for as long as policy allows them.

use crate::support::Settings;
use crate::support::gcs::EVERYTHING;
use crate::support::gcs_json::{BUCKET, Caller, bytes, json, refused, shows_nothing_of_the_store};
use crate::support::gcs_uploads::{
    BLOCK, CONTENT, UPLOAD, address, begun, chunk, of_everybody, packed, related, world_of,
};
use crate::support::raw;
use crate::support::world::STORE_SECRET;
use tidegate::dev::GcsFault;

// GCS-04
#[tokio::test]
async fn an_upload_in_several_requests_goes_on_at_our_address() {
    let (store, world, etl) = of_everybody().await;
    let content = bytes(2 * BLOCK + 100);
    let total = content.len();
    let document = "{\"name\":\"tmp/a b\",\"contentType\":\"text/csv\",\"metadata\":{\"k\":\"v\"}}";
    let place = begun(
        &etl,
        "",
        &[("x-upload-content-length", &total.to_string())],
        document,
    )
    .await;
    assert!(
        place.starts_with(&format!(
            "{UPLOAD}?uploadType=resumable&name=tmp%2Fa%20b&upload_id="
        )),
        "{place}"
    );
    let first = chunk(
        &etl,
        &place,
        &format!("bytes 0-{}/{total}", BLOCK - 1),
        &content[..BLOCK],
    )
    .await;
    assert_eq!(
        (first.status, first.header("range")),
        (308, Some("bytes=0-262143"))
    );
    assert_eq!(first.header("location"), None);
    shows_nothing_of_the_store(&first, "a chunk", &[]);
    let asked = chunk(&etl, &place, "bytes */*", b"").await;
    assert_eq!(
        (asked.status, asked.header("range")),
        (308, Some("bytes=0-262143"))
    );
    // gcsfs sends its chunks with POST.
    let range = format!("bytes {BLOCK}-{}/{total}", 2 * BLOCK - 1);
    let second = etl
        .send(
            "POST",
            &place,
            &[("content-range", &range)],
            &content[BLOCK..2 * BLOCK],
        )
        .await;
    assert_eq!(
        (second.status, second.header("range")),
        (308, Some("bytes=0-524287"))
    );
    let last = chunk(
        &etl,
        &place,
        &format!("bytes {}-{}/{total}", 2 * BLOCK, total - 1),
        &content[2 * BLOCK..],
    )
    .await;
    assert_eq!(last.status, 200, "{}", last.text());
    let resource = json(&last);
    assert_eq!(
        (&resource["name"], &resource["metadata"]["k"]),
        (&"tmp/a b".into(), &"v".into())
    );
    shows_nothing_of_the_store(&last, "the last chunk", &[]);
    assert_eq!(store.content(BUCKET, "tmp/a b").as_deref(), Some(&*content));
    // Whoever lost the answer asks again.
    let again = chunk(&etl, &place, &format!("bytes */{total}"), b"").await;
    assert_eq!((again.status, &json(&again)["name"]), (200, &"tmp/a b".into()));
    for answer in [&first, &asked, &second, &last, &again] {
        let record = world.recorded(answer, "allow", "permit").await;
        assert_eq!(record["api"]["operation"], "storage.objects.insert", "{record}");
        assert_eq!(record["resource"]["key"], "tmp/a b", "{record}");
    }
    // What goes there is the store's own id, and none of ours.
    let own = place.split_once("upload_id=").unwrap().1;
    for seen in store.requests() {
        assert!(!seen.line().contains(own), "{}", seen.line());
        assert_eq!(
            seen.header("authorization"),
            Some(&*format!("Bearer {STORE_SECRET}"))
        );
    }
    let id = store.requests().last().unwrap().parameter("upload_id").unwrap();
    let written = world.written();
    let leak = written.lines().find(|line| line.contains(&id));
    assert_eq!(leak, None, "the store's id");
}

#[tokio::test]
async fn an_upload_of_unknown_length_and_an_empty_one_and_a_packed_beginning() {
    let (store, _world, etl) = of_everybody().await;
    // Node sends everything at once, in chunks of HTTP.
    let place = begun(&etl, "&name=node", &[], "").await;
    let request = etl.request("PUT", &place, &[("content-range", "bytes 0-*/*")], b"");
    let mut bytes = raw::head(&request, "transfer-encoding: chunked\r\n");
    bytes.extend_from_slice(b"4\r\n1234\r\n5\r\n56789\r\n0\r\n\r\n");
    let answer = etl.client.exchange(&bytes).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(store.content(BUCKET, "node").as_deref(), Some(CONTENT));
    // Without a range, everything is there.
    let place = begun(&etl, "&name=curl", &[], "").await;
    assert_eq!(etl.send("PUT", &place, &[], CONTENT).await.status, 200);
    assert_eq!(store.content(BUCKET, "curl").as_deref(), Some(CONTENT));
    // Nothing is something.
    let place = begun(&etl, "&name=empty", &[], "").await;
    let empty = chunk(&etl, &place, "bytes */0", b"").await;
    assert_eq!(empty.status, 200, "{}", empty.text());
    assert_eq!(store.content(BUCKET, "empty").as_deref(), Some(&b""[..]));
    // Java packs its documents.
    let packed = packed(b"{\"name\":\"java\"}");
    let target = format!("{UPLOAD}?uploadType=resumable");
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let answer = etl.send("POST", &target, &headers, &packed).await;
    let place = address(&etl, &answer);
    assert_eq!(chunk(&etl, &place, "bytes 0-8/9", CONTENT).await.status, 200);
    assert_eq!(store.content(BUCKET, "java").as_deref(), Some(CONTENT));
}

// GCS-04, AUZ-07
#[tokio::test]
async fn an_upload_is_good_for_one_principal_and_one_object() {
    let (store, world, etl) = of_everybody().await;
    let backup = Caller::new(&world, "backup");
    let place = begun(&etl, "&name=a", &[], "").await;
    let (head, id) = place.split_once("&upload_id=").unwrap();
    let reversed: String = id.chars().rev().collect();
    let store_id = {
        // What only the store may know.
        let seen = chunk(&etl, &place, "bytes */*", b"").await;
        assert_eq!(seen.status, 308);
        store.requests().last().unwrap().parameter("upload_id").unwrap()
    };
    let before = store.requests().len();
    for (what, caller, target) in [
        ("another principal", &backup, place.clone()),
        ("another object", &etl, place.replace("name=a&", "name=b&")),
        ("another bucket", &etl, place.replace("/b/lake/", "/b/other/")),
        ("a changed id", &etl, format!("{head}&upload_id={reversed}")),
        ("a shorter id", &etl, format!("{head}&upload_id={}", &id[1..])),
        ("the store's own id", &etl, format!("{head}&upload_id={store_id}")),
        ("no name", &etl, place.replace("name=a&", "")),
    ] {
        for (method, range) in [
            ("PUT", Some("bytes 0-8/9")),
            ("PUT", Some("bytes */*")),
            ("DELETE", None),
        ] {
            let headers: Vec<_> = range.into_iter().map(|range| ("content-range", range)).collect();
            let body = if range == Some("bytes 0-8/9") {
                CONTENT
            } else {
                b""
            };
            let answer = caller.send(method, &target, &headers, body).await;
            let (status, reason) = match what {
                "another bucket" => (403, "forbidden"),
                "no name" => (400, "required"),
                _ => (404, "notFound"),
            };
            refused(&answer, &format!("{what} {method}"), status, reason);
            shows_nothing_of_the_store(&answer, what, &[&store_id]);
        }
    }
    let unsigned = etl
        .client
        .unsigned("PUT", &place, &[("content-range", "bytes 0-8/9")], CONTENT);
    refused(&etl.client.send(unsigned).await, "nobody", 401, "required");
    store.untouched_since(before, "whoever did not begin it");
    assert_eq!(chunk(&etl, &place, "bytes 0-8/9", CONTENT).await.status, 200);
}

// GCS-04, AUZ-07
#[tokio::test]
async fn an_upload_ends_with_the_right_to_it() {
    let (store, world, etl) = of_everybody().await;
    let place = begun(&etl, "&name=a", &[], "{\"storageClass\":\"NEARLINE\"}").await;
    let plain = begun(&etl, "&name=b", &[], "").await;
    let policy = r#"
@id("all") permit (principal == Tidegate::Workload::"idp:etl", action, resource);
@id("hot-only") @explain("Hot storage only.")
forbid (principal, action in Tidegate::Action::"write", resource) when { context.storage_class == "NEARLINE" };
"#;
    let before = world
        .metric_when("tidegate_policy_reloads_total{result=\"ok\"}", |_| true)
        .await;
    std::fs::write(world.path("policies/lake.cedar"), policy).unwrap();
    world
        .metric_when("tidegate_policy_reloads_total{result=\"ok\"}", |count| {
            count > before
        })
        .await;
    let seen = store.requests().len();
    for (method, range, body) in [
        ("PUT", "bytes 0-8/9", CONTENT),
        ("PUT", "bytes */*", &b""[..]),
        ("DELETE", "", b""),
    ] {
        let headers: Vec<_> = Some(("content-range", range))
            .filter(|_| !range.is_empty())
            .into_iter()
            .collect();
        let answer = etl.send(method, &place, &headers, body).await;
        refused(&answer, method, 403, "forbidden");
        let record = world.record_of(&answer).await;
        assert_eq!(record["decision"]["effect"], "deny", "{record}");
    }
    store.untouched_since(seen, "what policy denies now");
    // What was begun without it goes on.
    assert_eq!(chunk(&etl, &plain, "bytes 0-8/9", CONTENT).await.status, 200);
}

// GCS-04
#[tokio::test]
async fn an_upload_that_is_given_up_or_suffers_is_told_as_it_is() {
    let (store, _world, etl) = of_everybody().await;
    let place = begun(&etl, "&name=a", &[], "").await;
    let given_up = etl.delete(&place).await;
    assert_eq!((given_up.status, given_up.body.len()), (499, 0));
    refused(
        &chunk(&etl, &place, "bytes 0-8/9", CONTENT).await,
        "given up",
        410,
        "gone",
    );
    assert_eq!(store.names(BUCKET), Vec::<String>::new());

    let place = begun(&etl, "&name=a", &[], "").await;
    store.plan(
        "PUT",
        "upload_id",
        GcsFault::Status {
            status: 503,
            after: 4,
        },
    );
    refused(
        &chunk(&etl, &place, "bytes 0-8/9", CONTENT).await,
        "busy",
        503,
        "backendError",
    );
    store.plan("PUT", "upload_id", GcsFault::CutRequest { after: 4 });
    let cut = chunk(&etl, &place, "bytes 0-8/9", CONTENT).await;
    refused(&cut, "a broken connection", cut.status, "backendError");
    let asked = chunk(&etl, &place, "bytes */9", b"").await;
    assert_eq!((asked.status, asked.header("range")), (308, None));
    // A wrong hash of all of it is found here, and the upload can still go on.
    let wrong = [
        ("content-range", "bytes 0-8/9"),
        ("x-goog-hash", "crc32c=AAAAAA=="),
    ];
    refused(
        &etl.send("PUT", &place, &wrong, CONTENT).await,
        "a wrong hash",
        400,
        "invalid",
    );
    assert_eq!(store.names(BUCKET), Vec::<String>::new());
    let right = [
        ("content-range", "bytes 0-8/9"),
        ("x-goog-hash", "crc32c=4waSgw=="),
    ];
    assert_eq!(etl.send("PUT", &place, &right, CONTENT).await.status, 200);
    assert_eq!(
        store.requests().last().unwrap().header("x-goog-hash"),
        Some("crc32c=4waSgw==")
    );

    // A hash of more than this chunk is for the store.
    let place = begun(&etl, "&name=b", &[], "").await;
    let content = bytes(BLOCK + 9);
    let total = content.len();
    chunk(
        &etl,
        &place,
        &format!("bytes 0-{}/*", BLOCK - 1),
        &content[..BLOCK],
    )
    .await;
    let range = format!("bytes {BLOCK}-{}/{total}", total - 1);
    let wrong = [("content-range", &*range), ("x-goog-hash", "crc32c=AAAAAA==")];
    let answer = etl.send("PUT", &place, &wrong, &content[BLOCK..]).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(store.content(BUCKET, "b"), None);
}

// AUZ-10
#[tokio::test]
async fn an_upload_into_a_folder_is_below_it() {
    let (store, _world, etl) = world_of(Settings {
        policy: Some(EVERYTHING.into()),
        bucket_lines: "prefix = \"teams/a/\"".into(),
        ..Settings::default()
    })
    .await;
    let kind = [("content-type", "multipart/related; boundary=b")];
    let body = related("b", "\r\n", "{\"name\":\"x/1\"}", CONTENT, "--b--");
    let whole = etl
        .send("POST", &format!("{UPLOAD}?uploadType=multipart"), &kind, &body)
        .await;
    let media = etl
        .send(
            "POST",
            &format!("{UPLOAD}?uploadType=media&name=x%2F2"),
            &[],
            CONTENT,
        )
        .await;
    let place = begun(&etl, "", &[], "{\"name\":\"x/3\"}").await;
    assert!(!place.contains("teams"), "{place}");
    let steps = chunk(&etl, &place, "bytes 0-8/9", CONTENT).await;
    for (answer, name) in [(&whole, "x/1"), (&media, "x/2"), (&steps, "x/3")] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(json(answer)["name"], name);
        assert_eq!(
            json(answer)["id"].as_str().unwrap().split('/').next(),
            Some("lake")
        );
        shows_nothing_of_the_store(answer, name, &["teams"]);
    }
    assert_eq!(store.names(BUCKET), ["teams/a/x/1", "teams/a/x/2", "teams/a/x/3"]);
}

// FLW-02, GCS-04
#[tokio::test]
async fn an_upload_that_broke_off_goes_on_where_it_was() {
    let (store, _world, etl) = of_everybody().await;
    let content = bytes(5 * BLOCK + 7);
    let total = content.len();
    let place = begun(&etl, "&name=a", &[], "").await;
    let after = 3 * BLOCK as u64 + 100;
    store.plan("PUT", "upload_id", GcsFault::CutRequest { after });
    let cut = chunk(&etl, &place, &format!("bytes 0-{}/{total}", total - 1), &content).await;
    assert!(cut.status >= 500, "{}", cut.text());
    assert_eq!(store.names(BUCKET), Vec::<String>::new());
    let asked = chunk(&etl, &place, &format!("bytes */{total}"), b"").await;
    assert_eq!(
        (asked.status, asked.header("range")),
        (308, Some("bytes=0-786431"))
    );
    let range = format!("bytes {}-{}/{total}", 3 * BLOCK, total - 1);
    let rest = chunk(&etl, &place, &range, &content[3 * BLOCK..]).await;
    assert_eq!(rest.status, 200, "{}", rest.text());
    assert_eq!(store.content(BUCKET, "a").as_deref(), Some(&*content));
}
