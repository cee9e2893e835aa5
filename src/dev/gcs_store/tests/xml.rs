//! The XML API: the same objects, told in its own words.

use super::*;

impl Reply {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of an error.
    fn code(&self) -> String {
        between(&self.text(), "Code")
    }
}

/// The text of the first element of this name.
fn between(text: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let inner = text
        .split_once(&open)
        .and_then(|(_, rest)| rest.split_once(&close));
    inner.map_or(String::new(), |(inner, _)| inner.to_owned())
}

#[tokio::test]
async fn an_object_is_the_same_in_both_apis() {
    let site = Site::new().await;
    let headers = [
        ("content-type", "text/plain"),
        ("x-goog-meta-colour", "blue"),
        ("x-goog-hash", CRC),
        ("x-goog-storage-class", "NEARLINE"),
        ("x-goog-custom-audit-tidegate-request", "01"),
    ];
    let put = site.send("PUT", "/lake/a/b%20c", &headers, b"123456789").await;
    assert_eq!((put.status, put.body.len()), (200, 0), "{put:?}");
    assert_eq!(put.header("etag"), "\"25f9e794323b453885f5181f1b624d0b\"");
    let resource = site.get(&format!("{OBJECTS}/a%2Fb%20c")).await.json();
    assert_eq!(resource["generation"], put.header("x-goog-generation"));
    assert_eq!(resource["metadata"]["colour"], "blue");
    assert_eq!(resource["storageClass"], "NEARLINE");

    let get = site.get("/lake/a/b%20c").await;
    assert_eq!((get.status, get.text().as_str()), (200, "123456789"));
    assert_eq!(get.header("last-modified"), "Fri, 20 Nov 2026 10:00:00 GMT");
    assert_eq!(get.header("x-goog-meta-colour"), "blue");
    assert!(get.header("x-goog-hash").contains(CRC));
    let head = site.send("HEAD", "/lake/a/b%20c", &[], b"").await;
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, "9", 0)
    );
    let part = site
        .send("GET", "/lake/a/b%20c", &[("range", "bytes=2-4")], b"")
        .await;
    assert_eq!((part.status, part.text().as_str()), (206, "345"));
    assert_eq!(part.header("content-range"), "bytes 2-4/9");

    let copy = [
        ("x-goog-copy-source", "/lake/a/b%20c"),
        ("x-goog-copy-source-if-match", put.header("etag")),
    ];
    let copied = site.send("PUT", "/lake/copy", &copy, b"").await;
    assert_eq!(between(&copied.text(), "ETag"), put.header("etag"), "{copied:?}");
    assert_eq!(site.get("/lake/copy").await.header("x-goog-meta-colour"), "blue");
    assert_eq!(site.send("DELETE", "/lake/copy", &[], b"").await.status, 204);
    assert_eq!(site.content("copy"), None);
    assert_eq!(site.send("HEAD", "/lake", &[], b"").await.status, 200);
}

#[tokio::test]
async fn refusals_have_codes_and_leave_nothing() {
    let site = Site::new().await;
    let generation = site.put("a", b"123456789").await.to_string();
    let check = async |line: &str, headers: &[(&str, &str)], body: &[u8], status: u16, code: &str| {
        let (method, target) = line.split_once(' ').unwrap();
        let reply = site.send(method, target, headers, body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{line} {headers:?}"
        );
    };
    let if_match = "x-goog-if-generation-match";
    check("GET /lake/b", &[], b"", 404, "NoSuchKey").await;
    check("GET /gone/b", &[], b"", 404, "NoSuchBucket").await;
    check("GET /gone", &[], b"", 404, "NoSuchBucket").await;
    check("HEAD /gone", &[], b"", 404, "").await;
    check("DELETE /lake/b", &[], b"", 404, "NoSuchKey").await;
    check(
        "GET /lake/a",
        &[("authorization", "")],
        b"",
        401,
        "AuthenticationRequired",
    )
    .await;
    check(
        "GET /lake/a",
        &[("authorization", "Bearer x")],
        b"",
        401,
        "AuthenticationRequired",
    )
    .await;
    check("GET /lake/a", &[("range", "bytes=9-")], b"", 416, "InvalidRange").await;
    check(
        "GET /lake/a",
        &[("if-match", "\"x\"")],
        b"",
        412,
        "PreconditionFailed",
    )
    .await;
    check("GET /lake/a", &[(if_match, "1")], b"", 412, "PreconditionFailed").await;
    let later = "Sat, 21 Nov 2026 10:00:00 GMT";
    check("GET /lake/a", &[("if-modified-since", later)], b"", 304, "").await;
    check(
        "GET /lake/a",
        &[("if-modified-since", "soon")],
        b"",
        400,
        "InvalidArgument",
    )
    .await;
    check("PUT /lake/a", &[(if_match, "0")], b"x", 412, "PreconditionFailed").await;
    check("PUT /lake/a", &[(if_match, "x")], b"x", 400, "InvalidArgument").await;
    check(
        "DELETE /lake/a",
        &[(if_match, "1")],
        b"",
        412,
        "PreconditionFailed",
    )
    .await;
    check(
        "PUT /lake/a",
        &[("x-goog-hash", WRONG_CRC)],
        b"123456789",
        400,
        "BadDigest",
    )
    .await;
    check(
        "PUT /lake/a",
        &[("x-goog-hash", WRONG_MD5)],
        b"123456789",
        400,
        "BadDigest",
    )
    .await;
    check(
        "PUT /lake/a",
        &[("x-goog-storage-class", "GLACIER")],
        b"x",
        400,
        "InvalidStorageClass",
    )
    .await;
    check(
        "PUT /lake/a",
        &[("content-encoding", "aws-chunked")],
        b"x",
        400,
        "InvalidArgument",
    )
    .await;
    for name in [
        "x-goog-surprise",
        "x-goog-acl",
        "x-amz-meta-a",
        "x-goog-if-generation-not-match",
    ] {
        check("PUT /lake/a", &[(name, "1")], b"x", 400, "InvalidArgument").await;
    }
    check("GET /lake/a?surprise=1", &[], b"", 400, "InvalidArgument").await;
    check("GET /lake?list-type=3", &[], b"", 400, "InvalidArgument").await;
    check("GET /lake?start-after=a", &[], b"", 400, "InvalidArgument").await;
    check("GET /lake?versions", &[], b"", 501, "NotImplemented").await;
    check("GET /lake/a?acl", &[], b"", 501, "NotImplemented").await;
    check("PUT /lake", &[], b"", 501, "NotImplemented").await;
    let source = "x-goog-copy-source";
    check("PUT /lake/b", &[(source, "lake/gone")], b"", 404, "NoSuchKey").await;
    let unless = "x-goog-copy-source-if-none-match";
    check(
        "PUT /lake/b",
        &[(source, "lake/a"), (unless, "*")],
        b"",
        412,
        "PreconditionFailed",
    )
    .await;
    check(
        "PUT /lake/b?uploadId=x&partNumber=1",
        &[],
        b"x",
        404,
        "NoSuchUpload",
    )
    .await;
    assert_eq!(site.content("a").unwrap(), b"123456789");
    assert_eq!(site.store.names("lake"), ["a"]);
    site.is_clean();
    check("DELETE /lake/a", &[(if_match, &generation)], b"", 204, "").await;
}

#[tokio::test]
async fn lists_come_in_pages_of_both_kinds() {
    let site = Site::new().await;
    for name in ["a/1", "a/2", "b & c", "d/1", "e"] {
        site.put(name, b"x").await;
    }
    for (first, mark, next) in [
        ("list-type=2", "continuation-token", "NextContinuationToken"),
        ("prefix=", "marker", "NextMarker"),
    ] {
        let (mut found, mut from) = (Vec::new(), String::new());
        loop {
            let target = format!("/lake?{first}&delimiter=%2F&max-keys=1&encoding-type=url{from}");
            let text = site.get(&target).await.text();
            let prefix = text
                .split_once("<CommonPrefixes>")
                .map(|(_, rest)| between(rest, "Prefix"));
            found.push(prefix.unwrap_or_else(|| between(&text, "Key")));
            match between(&text, next) {
                end if end.is_empty() => break,
                marker => from = format!("&{mark}={marker}"),
            }
        }
        assert_eq!(found, ["a/", "b%20%26%20c", "d/", "e"], "{first}");
    }
    let text = site
        .get("/lake?list-type=2&start-after=a%2F2&prefix=")
        .await
        .text();
    assert_eq!(between(&text, "KeyCount"), "3", "{text}");
    assert!(text.contains("<Key>b &amp; c</Key>"), "{text}");
}

#[tokio::test]
async fn many_are_deleted_and_each_is_told() {
    let site = Site::new().await;
    site.put("a", b"a").await;
    site.put("b", b"b").await;
    let body = "<Delete><Object><Key>a</Key></Object><Object><Key>gone</Key></Object></Delete>";
    let kind = [("content-type", "application/xml")];
    let reply = site.send("POST", "/lake?delete", &kind, body.as_bytes()).await;
    let text = reply.text();
    assert!(text.contains("<Deleted><Key>a</Key></Deleted>"), "{text}");
    assert!(
        text.contains("<Error><Key>gone</Key><Code>NoSuchKey</Code>"),
        "{text}"
    );
    let reply = site.send("POST", "/lake?delete", &kind, b"<Delete/>").await;
    assert_eq!(reply.code(), "MalformedMultiObjectDeleteRequest");
    let wrong = [("x-goog-hash", WRONG_CRC)];
    let body = "<Delete><Object><Key>b</Key></Object></Delete>";
    let reply = site.send("POST", "/lake?delete", &wrong, body.as_bytes()).await;
    assert_eq!(reply.code(), "BadDigest");
    assert_eq!(site.store.names("lake"), ["b"]);
}

#[tokio::test]
async fn an_upload_in_parts_is_an_object_when_it_is_complete() {
    let site = Site::new().await;
    let meta = [("x-goog-meta-colour", "blue")];
    let begin = async || {
        between(
            &site.send("POST", "/lake/a?uploads", &meta, b"").await.text(),
            "UploadId",
        )
    };
    let id = begin().await;
    let bytes = vec![7; 5 << 20];
    let mut document = String::new();
    for (number, part) in [(1, bytes.as_slice()), (2, b"end")] {
        let target = format!("/lake/a?partNumber={number}&uploadId={id}");
        let reply = site.send("PUT", &target, &[], part).await;
        let etag = reply.header("etag");
        document += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let parts = site
        .get(&format!("/lake/a?uploadId={id}&max-parts=1"))
        .await
        .text();
    assert_eq!(between(&parts, "NextPartNumberMarker"), "1", "{parts}");
    assert_eq!(site.content("a"), None);
    let target = format!("/lake/a?uploadId={id}");
    let complete = async |inner: &str| {
        let document = format!("<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>");
        site.send("POST", &target, &[], document.as_bytes()).await
    };
    let wrong = "<Part><PartNumber>1</PartNumber><ETag>\"x\"</ETag></Part>";
    assert_eq!(complete(wrong).await.code(), "InvalidPart");
    let done = complete(&document).await;
    assert!(between(&done.text(), "ETag").starts_with("\"-"), "{done:?}");
    assert_eq!(complete(&document).await.code(), "NoSuchUpload");
    assert_eq!(site.content("a").unwrap(), [bytes, b"end".to_vec()].concat());
    assert_eq!(site.get("/lake/a").await.header("x-goog-meta-colour"), "blue");

    let id = begin().await;
    site.send("PUT", &format!("/lake/a?partNumber=1&uploadId={id}"), &[], b"x")
        .await;
    let target = format!("/lake/a?uploadId={id}");
    assert_eq!(site.send("DELETE", &target, &[], b"").await.status, 204);
    assert_eq!(
        site.send("DELETE", &target, &[], b"").await.code(),
        "NoSuchUpload"
    );
    site.is_clean();
}

#[tokio::test]
async fn who_is_refused_early_may_send_the_rest_and_goes_on() {
    let site = Site::new().await;
    site.put("a", b"a").await;
    let length = 8 << 20;
    let json = format!("POST {UPLOAD}?uploadType=media&name=a&ifGenerationMatch=0 HTTP/1.1");
    let xml = "PUT /lake/a HTTP/1.1\r\nx-goog-if-generation-match: 0";
    let gone = "PUT /gone/a HTTP/1.1";
    for (line, status) in [(json.as_str(), 412), (xml, 412), (gone, 404)] {
        let mut stream = TcpStream::connect(site.store.address()).await.unwrap();
        let head =
            format!("{line}\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![1; length]).await.unwrap();
        // The same connection takes the next request.
        let next = format!(
            "GET /lake/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(next.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers).await.unwrap();
        let answers = String::from_utf8_lossy(&answers);
        assert!(answers.starts_with(&format!("HTTP/1.1 {status} ")), "{answers}");
        assert!(answers.contains("HTTP/1.1 200 OK"), "{answers}");
    }
    assert_eq!(site.content("a").unwrap(), b"a");
}
