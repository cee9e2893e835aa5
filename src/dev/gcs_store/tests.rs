//! What the store takes, what it refuses, and what remains of what it refused.

use super::*;
use data_encoding::BASE64;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::io::Write as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TOKEN: &str = "store-token";
const BLOCK: usize = 256 << 10;

/// A store with the bucket `lake`, at a time that stands still.
struct Site {
    store: GcsStore,
    clock: Clock,
    dir: TempDir,
}

/// An answer, read as far as it came.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    /// It did not come to its end.
    broken: bool,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    fn reason(&self) -> String {
        self.json()["error"]["errors"][0]["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn header(&self, name: &str) -> &str {
        request::text(&self.headers, name).unwrap_or_default()
    }

    /// The path of the session that was begun.
    fn session(&self) -> String {
        let location: Uri = self.header("location").parse().unwrap();
        location.path_and_query().unwrap().to_string()
    }
}

impl Site {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut GcsOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::fixed("2026-11-20T10:00:00Z".parse().unwrap());
        let mut options = GcsOptions::new(dir.path(), TOKEN, clock.clone());
        change(&mut options);
        let store = GcsStore::start(options).await.unwrap();
        assert!(store.make_bucket("lake", GcsBucket::default()).unwrap());
        Self { store, clock, dir }
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_send(method, target, headers, body)
            .await
            .expect("an answer")
    }

    /// `None` if the connection ended without an answer. An empty `authorization` is none.
    async fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Reply> {
        let stream = TcpStream::connect(self.store.address()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "gcs.example");
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {TOKEN}"));
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let (head, mut incoming) = sender.send_request(request).await.ok()?.into_parts();
        let (mut body, mut broken) = (Vec::new(), false);
        while let Some(frame) = incoming.frame().await {
            match frame {
                Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        Some(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            broken,
        })
    }

    async fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &[], b"").await
    }

    async fn post(&self, target: &str, body: Value) -> Reply {
        let kind = [("content-type", "application/json")];
        self.send("POST", target, &kind, body.to_string().as_bytes())
            .await
    }

    async fn put(&self, name: &str, content: &[u8]) -> u64 {
        self.store.put("lake", name, "text/plain", content).await.unwrap()
    }

    fn content(&self, name: &str) -> Option<Vec<u8>> {
        self.store.content("lake", name)
    }

    /// Nothing is left of what was refused.
    fn is_clean(&self) {
        let inbox = self.dir.path().join(shelf::INBOX);
        assert_eq!(std::fs::read_dir(inbox).unwrap().count(), 0);
    }

    async fn begin(&self, name: &str, headers: &[(&str, &str)]) -> String {
        let target = format!("{UPLOAD}?uploadType=resumable&name={name}");
        let reply = self.send("POST", &target, headers, b"").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.session()
    }
}

const UPLOAD: &str = "/upload/storage/v1/b/lake/o";
const OBJECTS: &str = "/storage/v1/b/lake/o";

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
    assert_eq!(site.get("/lake/a").await.status, 404);
    assert_eq!(site.get("/storage/v1/b/gone/o/a").await.status, 404);
}

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

const CRC: &str = "crc32c=4waSgw==";
const MD5: &str = "md5=JfnnlDI7RTiF9RgfG2JNCw==";
const WRONG_CRC: &str = "crc32c=AAAAAA==";
const WRONG_MD5: &str = "md5=1B2M2Y8AsgTpgAmY7PhCfg==";

fn related(document: &Value, media: &str, line: &str) -> String {
    [
        "--xx",
        "content-type: application/json; charset=UTF-8",
        "",
        &document.to_string(),
        "--xx",
        "content-type: text/csv",
        "",
        media,
        "--xx--",
    ]
    .join(line)
}

#[tokio::test]
async fn what_has_another_hash_never_becomes_an_object() {
    let site = Site::new().await;
    let media = format!("{UPLOAD}?uploadType=media&name=a");
    for (headers, status) in [
        (vec![("x-goog-hash", CRC)], 200),
        (vec![("x-goog-hash", MD5)], 200),
        (
            vec![("x-goog-hash", "crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw==")],
            200,
        ),
        (vec![("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")], 200),
        (vec![("x-goog-hash", WRONG_CRC)], 400),
        (vec![("x-goog-hash", WRONG_MD5)], 400),
        (
            vec![("x-goog-hash", "crc32c=4waSgw==,md5=1B2M2Y8AsgTpgAmY7PhCfg==")],
            400,
        ),
        (vec![("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")], 400),
        (vec![("x-goog-hash", "sha1=x")], 400),
        (vec![("x-goog-hash", "crc32c=x")], 400),
    ] {
        let reply = site.send("POST", &media, &headers, b"123456789").await;
        assert_eq!(reply.status, status, "{headers:?}");
        assert_eq!(site.content("a").is_some(), status == 200, "{headers:?}");
        site.send("DELETE", &format!("{OBJECTS}/a"), &[], b"").await;
    }
    let multipart = format!("{UPLOAD}?uploadType=multipart");
    for (document, status) in [
        (
            json!({"name": "m", "crc32c": "4waSgw==", "md5Hash": "JfnnlDI7RTiF9RgfG2JNCw=="}),
            200,
        ),
        (json!({"name": "m", "crc32c": "AAAAAA=="}), 400),
        (json!({"name": "m", "md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg=="}), 400),
    ] {
        let kind = [("content-type", "multipart/related; boundary=xx")];
        let body = related(&document, "123456789", "\r\n");
        let reply = site.send("POST", &multipart, &kind, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{document}: {reply:?}");
        assert_eq!(site.content("m").is_some(), status == 200, "{document}");
        site.send("DELETE", &format!("{OBJECTS}/m"), &[], b"").await;
    }
    site.is_clean();
}

#[tokio::test]
async fn a_body_of_two_parts_is_read_as_clients_write_it() {
    let site = Site::new().await;
    let target = format!("{UPLOAD}?uploadType=multipart");
    let document = json!({"name": "a", "metadata": {"k": "v"}});
    let media = "1\r\n--x\n--xy\r\n-2";
    for (line, quote) in [("\r\n", ""), ("\n", "\""), ("\n", "'")] {
        let kind = format!("multipart/related; boundary={quote}xx{quote}");
        let body = related(&document, media, line);
        let reply = site
            .send("POST", &target, &[("content-type", &kind)], body.as_bytes())
            .await;
        assert_eq!(reply.status, 200, "{kind}: {reply:?}");
        assert_eq!(
            (
                &*reply.json()["metadata"]["k"].to_string(),
                &reply.json()["contentType"]
            ),
            ("\"v\"", &json!("text/csv"))
        );
        assert_eq!(site.content("a").as_deref(), Some(media.as_bytes()), "{kind}");
        site.send("DELETE", &format!("{OBJECTS}/a"), &[], b"").await;
    }
    let whole = related(&document, media, "\r\n");
    let kind = [("content-type", "multipart/related; boundary=xx")];
    for (what, body) in [
        ("cut", whole[..whole.len() - 3].to_owned()),
        ("cut in the media", whole[..whole.len() - 12].to_owned()),
        (
            "a third part",
            whole.replace("--xx--", "--xx\r\n\r\nmore\r\n--xx--"),
        ),
        ("something behind", format!("{whole}\r\nmore")),
        ("no document", whole.replace("{", "")),
        ("no name", whole.replace("\"name\"", "\"contentLanguage\"")),
    ] {
        let reply = site.send("POST", &target, &kind, body.as_bytes()).await;
        assert_eq!(reply.status, 400, "{what}");
    }
    // GCS-05: a name is said once, or twice the same.
    let twice = |name: &str| format!("{target}&name={name}");
    assert_eq!(
        site.send("POST", &twice("b"), &kind, whole.as_bytes())
            .await
            .status,
        400
    );
    assert_eq!(site.store.names("lake"), [""; 0]);
    assert_eq!(
        site.send("POST", &twice("a"), &kind, whole.as_bytes())
            .await
            .status,
        200
    );
    site.is_clean();
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_no_object() {
    let site = Site::new().await;
    for head in [
        "uploadType=media&name=a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n",
        "uploadType=media&name=a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n",
    ] {
        let mut stream = TcpStream::connect(site.store.address()).await.unwrap();
        let body = if head.contains("chunked") {
            "4\r\n1234\r\n"
        } else {
            "1234"
        };
        let request = format!("POST {UPLOAD}?{head}authorization: Bearer {TOKEN}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", rest.escape_ascii());
    }
    assert_eq!(site.content("a"), None);
    site.is_clean();
}

#[tokio::test]
async fn a_resumable_upload_goes_on_where_it_was() {
    let site = Site::new().await;
    let content: Vec<u8> = (0..3 * BLOCK + 5).map(|n| (n % 251) as u8).collect();
    let total = content.len();
    let session = site.begin("big", &[("x-upload-content-type", "image/png")]).await;
    assert!(session.starts_with("/upload/storage/v1/b/lake/o?uploadType=resumable&name=big&upload_id="));
    let put = async |range: &str, body: &[u8]| {
        // The session is a credential of its own.
        let headers = [("authorization", ""), ("content-range", range)];
        site.send("PUT", &session, &headers, body).await
    };
    let status = async || put("bytes */*", b"").await;
    assert_eq!((status().await.status, status().await.header("range")), (308, ""));
    let one = put(&format!("bytes 0-{}/*", BLOCK - 1), &content[..BLOCK]).await;
    assert_eq!((one.status, one.header("range")), (308, "bytes=0-262143"));
    let small = put(
        &format!("bytes {BLOCK}-{}/*", BLOCK + 9),
        &content[BLOCK..BLOCK + 10],
    )
    .await;
    assert_eq!(small.status, 400, "not a multiple of 256 KiB");
    let ahead = put(
        &format!("bytes {}-{}/{total}", 2 * BLOCK, total - 1),
        &content[2 * BLOCK..],
    )
    .await;
    assert_eq!((ahead.status, &*ahead.reason()), (503, "backendError"));
    let short = put(
        &format!("bytes {BLOCK}-{}/{total}", total - 1),
        &content[BLOCK..BLOCK + 10],
    )
    .await;
    assert_eq!(short.status, 400, "fewer bytes than declared");
    assert_eq!(put("bytes 0-9", b"").await.status, 400);
    assert_eq!(status().await.header("range"), "bytes=0-262143");
    // What is there already may be sent once more.
    let again = put(&format!("bytes 0-{}/*", 2 * BLOCK - 1), &content[..2 * BLOCK]).await;
    assert_eq!((again.status, again.header("range")), (308, "bytes=0-524287"));
    assert_eq!(put(&format!("bytes */{total}"), b"").await.status, 308);
    assert_eq!(site.content("big"), None);
    let last = put(
        &format!("bytes {}-{}/{total}", 2 * BLOCK, total - 1),
        &content[2 * BLOCK..],
    )
    .await;
    assert_eq!(last.status, 200, "{last:?}");
    assert_eq!(last.json()["contentType"], "image/png");
    assert_eq!(site.content("big").unwrap(), content);
    // Whoever lost the answer asks once more.
    assert_eq!(put(&format!("bytes */{total}"), b"").await.json(), last.json());
    site.is_clean();
}

#[tokio::test]
async fn a_session_ends_as_documented() {
    let site = Site::new().await;
    let put = async |session: &str, headers: &[(&str, &str)], body: &[u8]| {
        site.send("PUT", session, headers, body).await.status
    };
    // In one piece, of known and unknown length.
    let session = site.begin("whole", &[]).await;
    assert_eq!(put(&session, &[], b"123456789").await, 200);
    let session = site.begin("unknown", &[]).await;
    assert_eq!(
        put(
            &session,
            &[("content-range", "bytes 0-*/*"), ("x-goog-hash", CRC)],
            b"123456789"
        )
        .await,
        200
    );
    let session = site.begin("empty", &[]).await;
    assert_eq!(put(&session, &[("content-range", "bytes */0")], b"").await, 200);
    assert_eq!(site.content("empty").as_deref(), Some(&b""[..]));
    // Hashes: of the beginning and of the last chunk.
    let session = site.begin("hash", &[]).await;
    assert_eq!(
        put(&session, &[("x-goog-hash", WRONG_CRC)], b"123456789").await,
        400
    );
    assert_eq!(put(&session, &[], b"123456789").await, 410);
    let session = site.begin("hash", &[("x-goog-hash", WRONG_MD5)]).await;
    assert_eq!(put(&session, &[], b"123456789").await, 400);
    // Lengths.
    let session = site.begin("length", &[("x-upload-content-length", "10")]).await;
    assert_eq!(put(&session, &[], b"123456789").await, 400);
    assert_eq!(
        put(&session, &[("content-range", "bytes 0-*/*")], b"123456789").await,
        400
    );
    assert_eq!(site.send("DELETE", &session, &[], b"").await.status, 499);
    // Cancelled, over, unknown, of another bucket, with a credential that is none.
    let session = site.begin("cancelled", &[]).await;
    let cancel = [("authorization", "")];
    assert_eq!(site.send("DELETE", &session, &cancel, b"").await.status, 499);
    assert_eq!(put(&session, &[], b"x").await, 410);
    assert_eq!(site.send("DELETE", &session, &cancel, b"").await.status, 410);
    let session = site.begin("late", &[]).await;
    assert_eq!(
        put(&session, &[("authorization", "Bearer of-somebody")], b"x").await,
        401
    );
    assert_eq!(put(&session.replace("ABg5", "ABg6"), &[], b"x").await, 404);
    assert_eq!(put(&session.replace("/lake/", "/other/"), &[], b"x").await, 404);
    assert_eq!(put(&format!("{session}&surprise=1"), &[], b"x").await, 400);
    site.clock.advance(jiff::SignedDuration::from_hours(7 * 24));
    assert_eq!(put(&session, &[], b"x").await, 410);
    assert_eq!(site.store.names("lake"), ["empty", "unknown", "whole"]);
    site.is_clean();
    // The condition holds in the end, too.
    let target = format!("{UPLOAD}?uploadType=resumable&name=raced&ifGenerationMatch=0");
    let session = site.send("POST", &target, &[], b"").await.session();
    site.put("raced", b"first").await;
    assert_eq!(put(&session, &[], b"second").await, 412);
    assert_eq!(site.content("raced").as_deref(), Some(&b"first"[..]));
}

#[tokio::test]
async fn whole_blocks_survive_a_broken_connection() {
    let site = Site::new().await;
    let content = vec![7; 2 * BLOCK + 100];
    let session = site.begin("a", &[]).await;
    let range = format!("bytes 0-{}/{}", content.len() - 1, content.len());
    for (fault, status) in [
        (
            GcsFault::CutRequest {
                after: BLOCK as u64 + 50,
            },
            None,
        ),
        (
            GcsFault::Status {
                status: 503,
                after: BLOCK as u64 + 50,
            },
            Some(503),
        ),
    ] {
        site.store.plan("PUT", "upload_id", fault);
        let reply = site
            .try_send("PUT", &session, &[("content-range", &range)], &content)
            .await;
        // The sender may be cut off before it reads.
        assert!(
            reply.is_none_or(|reply| Some(reply.status) == status),
            "{fault:?}"
        );
        let there = site
            .send("PUT", &session, &[("content-range", "bytes */*")], b"")
            .await;
        assert_eq!(
            (there.status, there.header("range")),
            (308, "bytes=0-262143"),
            "{fault:?}"
        );
    }
    let rest = format!("bytes {BLOCK}-{}/{}", content.len() - 1, content.len());
    let done = site
        .send("PUT", &session, &[("content-range", &rest)], &content[BLOCK..])
        .await;
    assert_eq!(done.status, 200);
    assert_eq!(site.content("a").unwrap(), content);
}

#[tokio::test]
async fn a_later_request_takes_a_session_over() {
    let site = Site::new().await;
    let session = site.begin("a", &[]).await;
    let mut stream = TcpStream::connect(site.store.address()).await.unwrap();
    let head = format!("PUT {session} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1234");
    stream.write_all(head.as_bytes()).await.unwrap();
    while site.store.count() < 2 {
        tokio::task::yield_now().await;
    }
    let there = site
        .send("PUT", &session, &[("content-range", "bytes */*")], b"")
        .await;
    assert_eq!(there.status, 308);
    assert_eq!(site.send("PUT", &session, &[], b"123456789").await.status, 200);
    assert_eq!(site.content("a").as_deref(), Some(&b"123456789"[..]));
}

#[tokio::test]
async fn faults_come_once_and_in_order() {
    let site = Site::new().await;
    site.put("a", &vec![1; 1000]).await;
    let media = format!("{OBJECTS}/a?alt=media");
    site.store.plan(
        "GET",
        "alt=media",
        GcsFault::Status {
            status: 503,
            after: 0,
        },
    );
    site.store
        .plan("GET", "alt=media", GcsFault::CutResponse { after: 600 });
    site.store.plan("DELETE", "/a", GcsFault::LoseResponse);
    assert_eq!(site.get(&media).await.status, 503);
    let cut = site.get(&media).await;
    assert_eq!(
        (cut.status, cut.header("content-length"), cut.broken),
        (200, "1000", true)
    );
    assert!(cut.body.len() <= 600);
    let whole = site.get(&media).await;
    assert_eq!((whole.body.len(), whole.broken), (1000, false));
    assert!(
        site.try_send("DELETE", &format!("{OBJECTS}/a"), &[], b"")
            .await
            .is_none()
    );
    assert_eq!(site.content("a"), None);
    let seen = site.store.requests();
    let statuses: Vec<_> = seen.iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(503), Some(200), Some(200), None]);
    assert_eq!(seen[0].line(), format!("GET {media}"));
}

#[tokio::test]
async fn what_stalls_stays_until_the_other_side_has_enough() {
    let site = Site::new().await;
    site.put("a", &vec![1; 1000]).await;
    site.store
        .plan("GET", "alt=media", GcsFault::StallResponse { after: 600 });
    let mut stream = TcpStream::connect(site.store.address()).await.unwrap();
    let head =
        format!("GET {OBJECTS}/a?alt=media HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.windows(4).any(|window| window == b"\r\n\r\n") || !read.ends_with(&[1; 600]) {
        assert!(
            stream.read_buf(&mut read).await.unwrap() > 0,
            "{}",
            read.escape_ascii()
        );
    }
    let more = tokio::time::timeout(std::time::Duration::from_millis(50), stream.read_u8()).await;
    assert!(more.is_err(), "it says nothing more, and does not end either");
}

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
async fn listings_come_in_pages() {
    let site = Site::new().await;
    for name in ["a", "b/", "b/1", "b/2", "c", "d/x/1", "d/y", "e"] {
        site.put(name, b"x").await;
    }
    let pages = async |query: &str| {
        let (mut names, mut pages, mut token) = (Vec::new(), 0, String::new());
        loop {
            let page = site.get(&format!("{OBJECTS}?{query}{token}")).await;
            assert_eq!(page.status, 200, "{query}{token}: {page:?}");
            let page = page.json();
            pages += 1;
            let items = page["items"].as_array().into_iter().flatten();
            names.extend(items.map(|item| item["name"].as_str().unwrap().to_owned()));
            let prefixes = page["prefixes"].as_array().into_iter().flatten();
            names.extend(prefixes.map(|prefix| format!("{}*", prefix.as_str().unwrap())));
            match page["nextPageToken"].as_str() {
                Some(next) => token = format!("&pageToken={next}"),
                None => break,
            }
        }
        names.sort();
        (names.join(" "), pages)
    };
    let check = async |query: &str, names: &str, count: usize| {
        assert_eq!(pages(query).await, (names.to_owned(), count), "{query}");
    };
    let all = "a b/ b/1 b/2 c d/x/1 d/y e";
    check("prefix=", all, 1).await;
    check("maxResults=3", all, 3).await;
    check("maxResults=1", all, 8).await;
    check("delimiter=/", "a b/* c d/* e", 1).await;
    for limit in 1..=5 {
        let query = format!("delimiter=%2F&maxResults={limit}");
        check(&query, "a b/* c d/* e", 5_usize.div_ceil(limit)).await;
        let query = format!("{query}&includeTrailingDelimiter=true");
        check(&query, "a b/ b/* c d/* e", 6_usize.div_ceil(limit)).await;
    }
    check("prefix=d/&delimiter=/", "d/x/* d/y", 1).await;
    check("prefix=b", "b/ b/1 b/2", 1).await;
    check("startOffset=b/2&endOffset=d/y", "b/2 c d/x/1", 1).await;
    check("matchGlob=*%2F*", "b/ b/1 b/2 d/y", 1).await;
    check("prefix=nothing", "", 1).await;
    assert_eq!(site.get(&format!("{OBJECTS}?pageToken=x")).await.status, 400);
    let only = site
        .get(&format!(
            "{OBJECTS}?maxResults=2&fields=items(name),nextPageToken"
        ))
        .await
        .json();
    assert_eq!(only["items"], json!([{"name": "a"}, {"name": "b/"}]));
    // A token is good for one bucket.
    site.store.make_bucket("other", GcsBucket::default()).unwrap();
    let token = only["nextPageToken"].as_str().unwrap();
    assert_eq!(
        site.get(&format!("/storage/v1/b/other/o?pageToken={token}"))
            .await
            .status,
        400
    );
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
