//! Uploads in one request.

use super::*;

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
