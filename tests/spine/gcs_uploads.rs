//! Uploads by Google's JSON API: what is declared holds or nothing is stored, and an upload in several requests belongs to
//! whoever began it.

use crate::support::fake_target::{FakeTarget, answer};
use crate::support::gcs::EVERYTHING;
use crate::support::gcs_json::{BUCKET, Caller, JsonStore, bytes, json, refused, shows_nothing_of_the_store};
use crate::support::raw;
use crate::support::world::STORE_SECRET;
use crate::support::{Answer, Settings, World};
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;
use tidegate::dev::GcsFault;
use tokio::io::AsyncWriteExt as _;

const CONTENT: &[u8] = b"123456789";
const CRC32C: &str = "4waSgw==";
const MD5: &str = "JfnnlDI7RTiF9RgfG2JNCw==";
const UPLOAD: &str = "/upload/storage/v1/b/lake/o";
const BLOCK: usize = 256 << 10;

/// Two who may do everything, so that only what they hold tells them apart.
const TWO: &str = r#"
@id("all") permit (principal == Tidegate::Workload::"idp:etl", action, resource);
@id("settings")
permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"manage", resource);
@id("all-too") permit (principal == Tidegate::Workload::"idp:backup", action, resource);
"#;

async fn world_of(settings: Settings) -> (JsonStore, World, Caller) {
    let store = JsonStore::start().await;
    let world = store.world(settings).await;
    let etl = Caller::new(&world, "etl");
    (store, world, etl)
}

/// Whoever writes may write, and nothing more.
async fn of_writers() -> (JsonStore, World, Caller) {
    let policy = r#"@id("writes") permit (principal == Tidegate::Workload::"idp:etl",
        action in [Tidegate::Action::"PutObject", Tidegate::Action::"GetObject"], resource);"#;
    world_of(Settings {
        policy: Some(policy.into()),
        ..Settings::default()
    })
    .await
}

async fn of_everybody() -> (JsonStore, World, Caller) {
    world_of(Settings {
        policy: Some(TWO.into()),
        ..Settings::default()
    })
    .await
}

fn related(boundary: &str, line_end: &str, metadata: &str, media: &[u8], close: &str) -> Vec<u8> {
    let head = format!(
        "--{boundary}{line_end}Content-Type: application/json; charset=UTF-8{line_end}{line_end}{metadata}{line_end}\
         --{boundary}{line_end}Content-Type: text/csv{line_end}{line_end}"
    );
    [head.as_bytes(), media, line_end.as_bytes(), close.as_bytes()].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Begins an upload; the path and query at which it goes on.
async fn begun(caller: &Caller, query: &str, headers: &[(&str, &str)], document: &str) -> String {
    let headers = [&[("content-type", "application/json")], headers].concat();
    let target = format!("{UPLOAD}?uploadType=resumable{query}");
    let answer = caller.send("POST", &target, &headers, document.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    address(caller, &answer)
}

fn address(caller: &Caller, answer: &Answer) -> String {
    let location = answer.header("location").unwrap();
    let origin = format!("https://{}", caller.client.host);
    let place = location
        .strip_prefix(&origin)
        .unwrap_or_else(|| panic!("{location}"));
    let id = place.split_once("upload_id=").unwrap().1;
    assert_eq!(answer.header("x-guploader-uploadid"), Some(id));
    place.to_owned()
}

async fn chunk(caller: &Caller, place: &str, range: &str, content: &[u8]) -> Answer {
    caller
        .send("PUT", place, &[("content-range", range)], content)
        .await
}

#[tokio::test]
async fn an_upload_in_one_request_becomes_an_object() {
    let (store, world, etl) = of_everybody().await;
    let quoted = "multipart/related; boundary=\"===1==\"";
    let single = "multipart/related; boundary='===1=='";
    let python = related("===1==", "\r\n", "{\"name\":\"tmp/a b\"}", CONTENT, "--===1==--");
    let gcsfs = related(
        "===1==",
        "\n",
        "{\"name\":\"tmp/a b\",\"bucket\":\"lake\"}",
        CONTENT,
        "--===1==--",
    );
    let large = bytes(3 << 20);
    let hashed = format!("{{\"name\":\"tmp/a b\",\"crc32c\":\"{CRC32C}\",\"md5Hash\":\"{MD5}\"}}");
    let hashed = related("===1==", "\r\n", &hashed, CONTENT, "--===1==--\r\n");
    let streamed = related(
        "===1==",
        "\r\n",
        "{\"name\":\"tmp/a b\"}",
        &large,
        "--===1==--\r\n",
    );
    let java = packed(&python);
    let media = "uploadType=media&name=tmp%2Fa%20b";
    let both = "uploadType=multipart&name=tmp%2Fa%20b";
    for (what, query, headers, body, content) in [
        (
            "media",
            media,
            vec![("content-type", "text/csv")],
            CONTENT,
            CONTENT,
        ),
        (
            "large media",
            media,
            vec![("content-type", "text/csv")],
            &large,
            &large,
        ),
        (
            "hashed media",
            media,
            vec![
                ("content-type", "text/csv"),
                ("content-md5", MD5),
                ("x-goog-hash", "crc32c=4waSgw=="),
            ],
            CONTENT,
            CONTENT,
        ),
        (
            "python",
            "uploadType=multipart",
            vec![("content-type", quoted)],
            &python,
            CONTENT,
        ),
        (
            "gcloud",
            "uploadType=multipart",
            vec![("content-type", single)],
            &gcsfs,
            CONTENT,
        ),
        (
            "named twice",
            both,
            vec![("content-type", quoted)],
            &gcsfs,
            CONTENT,
        ),
        (
            "hashed",
            "uploadType=multipart",
            vec![("content-type", quoted)],
            &hashed,
            CONTENT,
        ),
        (
            "streamed",
            "uploadType=multipart",
            vec![("content-type", quoted)],
            &streamed,
            &large,
        ),
        (
            "java",
            "uploadType=multipart",
            vec![("content-type", quoted), ("content-encoding", "gzip")],
            &java,
            CONTENT,
        ),
    ] {
        let answer = etl
            .send("POST", &format!("{UPLOAD}?{query}"), &headers, body)
            .await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        let resource = json(&answer);
        assert_eq!(
            (&resource["name"], &resource["bucket"]),
            (&"tmp/a b".into(), &"lake".into()),
            "{what}"
        );
        assert_eq!(resource["contentType"], "text/csv", "{what}");
        assert_eq!(resource["size"], content.len().to_string(), "{what}");
        shows_nothing_of_the_store(&answer, what, &[]);
        assert_eq!(
            store.content(BUCKET, "tmp/a b").as_deref(),
            Some(content),
            "{what}"
        );
        let record = world.recorded(&answer, "allow", "permit").await;
        assert_eq!(record["api"]["operation"], "storage.objects.insert", "{what}");
        assert_eq!(record["resource"]["key"], "tmp/a b", "{what}");
        assert_eq!(record["response"]["bytes_in"], content.len(), "{what}");
        assert_eq!(etl.delete("/storage/v1/b/lake/o/tmp%2Fa%20b").await.status, 204);
    }
    world.kept_secret(&[&etl.token, STORE_SECRET]);
}

// FLW-02, STR-05, GCS-05
#[tokio::test]
async fn what_does_not_hold_becomes_no_object() {
    let (store, world, etl) = of_everybody().await;
    let kind = "multipart/related; boundary=b";
    let wrong = "{\"name\":\"a\",\"crc32c\":\"AAAAAA==\"}";
    let large = bytes(1 << 20);
    for (what, query, headers, body) in [
        (
            "a wrong md5",
            "uploadType=media&name=a",
            vec![("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")],
            CONTENT.to_vec(),
        ),
        (
            "a wrong crc32c",
            "uploadType=media&name=a",
            vec![("x-goog-hash", "crc32c=AAAAAA==")],
            CONTENT.to_vec(),
        ),
        (
            "a wrong hash of much",
            "uploadType=media&name=a",
            vec![("x-goog-hash", "crc32c=AAAAAA==")],
            large.to_vec(),
        ),
        (
            "a wrong hash of nothing",
            "uploadType=media&name=a",
            vec![("x-goog-hash", "crc32c=4waSgw==")],
            Vec::new(),
        ),
        (
            "a wrong member",
            "uploadType=multipart",
            vec![("content-type", kind)],
            related("b", "\r\n", wrong, CONTENT, "--b--"),
        ),
        (
            "a wrong member of much",
            "uploadType=multipart",
            vec![("content-type", kind)],
            related("b", "\r\n", wrong, &large, "--b--"),
        ),
        (
            "no close",
            "uploadType=multipart",
            vec![("content-type", kind)],
            related("b", "\r\n", "{\"name\":\"a\"}", CONTENT, ""),
        ),
        (
            "no close of much",
            "uploadType=multipart",
            vec![("content-type", kind)],
            related("b", "\r\n", "{\"name\":\"a\"}", &large, "--b"),
        ),
        (
            "a third part",
            "uploadType=multipart",
            vec![("content-type", kind)],
            related("b", "\r\n", "{\"name\":\"a\"}", CONTENT, "--b\r\n\r\nx\r\n--b--"),
        ),
        (
            "more of much",
            "uploadType=multipart",
            vec![("content-type", kind)],
            related("b", "\r\n", "{\"name\":\"a\"}", &large, "--b--more"),
        ),
    ] {
        let answer = etl
            .send("POST", &format!("{UPLOAD}?{query}"), &headers, &body)
            .await;
        refused(&answer, what, 400, "invalid");
        assert_eq!(store.names(BUCKET), Vec::<String>::new(), "{what}");
        let record = world.record_of(&answer).await;
        assert!(record["cause"].is_string(), "{what}: {record}");
    }
    // Whoever goes away has stored nothing.
    let request = etl.request("POST", &format!("{UPLOAD}?uploadType=media&name=gone"), &[], b"");
    let head = raw::head(&request, "content-length: 10\r\n");
    let mut stream = etl.client.say(&[&*head, CONTENT].concat()).await;
    stream.flush().await.unwrap();
    drop(stream);
    world
        .audit_when(|records| records.iter().any(|record| record["resource"]["key"] == "gone"))
        .await;
    assert_eq!(store.names(BUCKET), Vec::<String>::new());
}

// GCS-05, GCS-06, CLS-10
#[tokio::test]
async fn what_is_not_to_be_decided_never_reaches_the_store() {
    let (store, world, etl) = of_writers().await;
    let kind = [("content-type", "multipart/related; boundary=b")];
    let of = |metadata: &str| related("b", "\r\n", metadata, CONTENT, "--b--");
    for (what, method, query, headers, body, status, reason) in [
        (
            "two names",
            "POST",
            "uploadType=multipart&name=a",
            &kind[..],
            of("{\"name\":\"b\"}"),
            400,
            "invalid",
        ),
        (
            "two buckets",
            "POST",
            "uploadType=multipart",
            &kind,
            of("{\"name\":\"b\",\"bucket\":\"other\"}"),
            400,
            "invalid",
        ),
        (
            "a name twice",
            "POST",
            "uploadType=multipart",
            &kind,
            of("{\"name\":\"b\",\"name\":\"b\"}"),
            400,
            "parseError",
        ),
        (
            "no name",
            "POST",
            "uploadType=multipart",
            &kind,
            of("{}"),
            400,
            "required",
        ),
        (
            "no name of media",
            "POST",
            "uploadType=media",
            &[],
            CONTENT.to_vec(),
            400,
            "required",
        ),
        (
            "a member",
            "POST",
            "uploadType=multipart",
            &kind,
            of("{\"name\":\"b\",\"surprise\":1}"),
            400,
            "invalid",
        ),
        (
            "no multipart",
            "POST",
            "uploadType=multipart",
            &[],
            of("{\"name\":\"b\"}"),
            400,
            "invalid",
        ),
        (
            "a dot segment",
            "POST",
            "uploadType=media&name=a%2F..%2Fb",
            &[],
            CONTENT.to_vec(),
            400,
            "invalid",
        ),
        (
            "a line feed",
            "POST",
            "uploadType=media&name=a%0A",
            &[],
            CONTENT.to_vec(),
            400,
            "invalid",
        ),
        (
            "a hash of nobody's",
            "POST",
            "uploadType=media&name=a",
            &[("x-goog-hash", "sha1=AA==")],
            CONTENT.to_vec(),
            400,
            "invalid",
        ),
        (
            "an override",
            "POST",
            "uploadType=media&name=a",
            &[("x-http-method-override", "PUT")],
            CONTENT.to_vec(),
            400,
            "invalid",
        ),
        (
            "packed bytes",
            "POST",
            "uploadType=media&name=a",
            &[("content-encoding", "gzip")],
            packed(CONTENT),
            400,
            "invalid",
        ),
        (
            "a PUT",
            "PUT",
            "uploadType=media&name=a",
            &[],
            CONTENT.to_vec(),
            405,
            "methodNotAllowed",
        ),
        (
            "an access list",
            "POST",
            "uploadType=media&name=a&predefinedAcl=publicRead",
            &[],
            CONTENT.to_vec(),
            403,
            "forbidden",
        ),
        (
            "an access list in the metadata",
            "POST",
            "uploadType=multipart",
            &kind,
            of("{\"name\":\"b\",\"acl\":[{\"entity\":\"allUsers\",\"role\":\"READER\"}]}"),
            403,
            "forbidden",
        ),
        (
            "a hold",
            "POST",
            "uploadType=multipart",
            &kind,
            of("{\"name\":\"b\",\"temporaryHold\":true}"),
            403,
            "forbidden",
        ),
        (
            "a retention",
            "POST",
            "uploadType=resumable&name=a",
            &[],
            b"{\"retention\":{\"mode\":\"Unlocked\",\"retainUntilTime\":\"2099-01-01T00:00:00Z\"}}".to_vec(),
            403,
            "forbidden",
        ),
        (
            "a step of nothing",
            "PUT",
            "uploadType=resumable&name=a&upload_id=x",
            &[],
            CONTENT.to_vec(),
            404,
            "notFound",
        ),
        (
            "a range beyond",
            "PUT",
            "uploadType=resumable&name=a&upload_id=x",
            &[("content-range", "bytes 0-9/9")],
            CONTENT.to_vec(),
            400,
            "invalid",
        ),
        (
            "a range of another length",
            "PUT",
            "uploadType=resumable&name=a&upload_id=x",
            &[("content-range", "bytes 0-9/10")],
            CONTENT.to_vec(),
            400,
            "invalid",
        ),
    ] {
        let answer = etl
            .send(method, &format!("{UPLOAD}?{query}"), headers, &body)
            .await;
        refused(&answer, what, status, reason);
        shows_nothing_of_the_store(&answer, what, &[]);
    }
    let other = "/upload/storage/v1/b/other/o?uploadType=media&name=a";
    refused(
        &etl.send("POST", other, &[], CONTENT).await,
        "another bucket",
        403,
        "forbidden",
    );
    let analyst = Caller::new(&world, "analyst");
    for query in ["uploadType=media&name=a", "uploadType=resumable&name=a"] {
        let denied = analyst.send("POST", &format!("{UPLOAD}?{query}"), &[], b"").await;
        refused(&denied, query, 403, "forbidden");
    }
    let media = format!("{UPLOAD}?uploadType=media&name=a");
    let anonymous = etl
        .client
        .send(etl.client.unsigned("POST", &media, &[], CONTENT))
        .await;
    refused(&anonymous, "nobody", 401, "required");
    store.untouched_since(0, "whatever is refused");
}

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

// GCS-07
#[tokio::test]
async fn conditions_of_an_upload_are_the_stores_own() {
    let (store, _world, etl) = of_everybody().await;
    let generation = store.has("a", b"old").await;
    let kind = [("content-type", "multipart/related; boundary=b")];
    let body = related("b", "\r\n", "{\"name\":\"a\"}", CONTENT, "--b--");
    for query in ["uploadType=media&name=a", "uploadType=multipart"] {
        let target = format!("{UPLOAD}?{query}&ifGenerationMatch=0");
        let (headers, body) = match query {
            "uploadType=multipart" => (&kind[..], &*body),
            _ => (&[][..], CONTENT),
        };
        refused(
            &etl.send("POST", &target, headers, body).await,
            query,
            412,
            "conditionNotMet",
        );
        assert_eq!(store.content(BUCKET, "a").as_deref(), Some(&b"old"[..]));
    }
    let place = begun(&etl, &format!("&name=a&ifGenerationMatch={generation}"), &[], "").await;
    store.has("a", b"newer").await;
    refused(
        &chunk(&etl, &place, "bytes 0-8/9", CONTENT).await,
        "too late",
        412,
        "conditionNotMet",
    );
    assert_eq!(store.content(BUCKET, "a").as_deref(), Some(&b"newer"[..]));
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

// STR-05
#[tokio::test]
async fn a_store_that_kept_other_bytes_is_found_out() {
    let document = r#"{"name":"a","bucket":"acme-lake-prod","crc32c":"AAAAAA=="}"#;
    let fake = FakeTarget::saying(answer("200 OK", "content-type: application/json\r\n", document)).await;
    let world = World::with(Settings {
        target_table: Some(format!(
            "[targets.store]\nkind = \"gcs-xml\"\nendpoint = \"http://{}\"\n[targets.store.credentials]\n\
             kind = \"access-token\"\ntoken = \"env:STORE_SECRET_ACCESS_KEY\"\n",
            fake.address
        )),
        policy: Some(EVERYTHING.into()),
        ..Settings::default()
    })
    .await;
    let etl = Caller::new(&world, "etl");
    let target = format!("{UPLOAD}?uploadType=media&name=a");
    let answer = etl.send("POST", &target, &[], CONTENT).await;
    assert_eq!(answer.status, 500, "{}", answer.text());
    shows_nothing_of_the_store(&answer, "other bytes", &[]);
    // What it says is of these bytes or of none.
    assert_eq!(fake.last().body, CONTENT);
}
