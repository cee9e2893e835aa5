//! Uploads by Google's JSON API: what is declared holds or nothing is stored.

use crate::support::fake_target::{FakeTarget, answer};
use crate::support::gcs::EVERYTHING;
use crate::support::gcs_json::{BUCKET, Caller, bytes, json, refused, shows_nothing_of_the_store};
use crate::support::gcs_uploads::{CONTENT, UPLOAD, begun, chunk, of_everybody, of_writers, packed, related};
use crate::support::raw;
use crate::support::world::STORE_SECRET;
use crate::support::{Settings, World};
use tokio::io::AsyncWriteExt as _;

const CRC32C: &str = "4waSgw==";
const MD5: &str = "JfnnlDI7RTiF9RgfG2JNCw==";

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
