use super::*;
use crate::body::Frames;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;

const STALL: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Eq)]
struct Read {
    metadata: String,
    media_type: Option<Box<str>>,
    media: Vec<u8>,
}

async fn read(boundary: &str, body: &[u8], size: usize) -> Result<Read, BodyError> {
    let related = read_related(Frames::cut(body, size), &Boundary::for_test(boundary), STALL).await?;
    let length = related.media.length();
    let media = collect(related.media).await?;
    assert!(length.is_none_or(|length| length == media.len() as u64));
    Ok(Read {
        metadata: String::from_utf8(related.metadata.to_vec()).unwrap(),
        media_type: related.media_type,
        media,
    })
}

async fn collect(
    mut body: impl http_body::Body<Data = Bytes, Error = BodyError> + Unpin,
) -> Result<Vec<u8>, BodyError> {
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        seen.extend_from_slice(&frame?.into_data().unwrap());
    }
    Ok(seen)
}

/// Reads a body whole, byte by byte, and in pieces between.
async fn check(boundary: &str, body: &[u8], expected: Option<(&str, Option<&str>, &[u8])>) {
    for size in [body.len(), 1, 2, 3, 7, 50] {
        let found = read(boundary, body, size).await;
        match (&found, expected) {
            (Ok(read), Some((metadata, media_type, media))) => {
                assert_eq!(read.metadata, metadata);
                assert_eq!(read.media_type.as_deref(), media_type);
                assert_eq!(read.media, media, "by {size}");
            }
            (Err(BodyError::Payload(_)), None) => {}
            _ => panic!("{:?} by {size}: {found:?}", String::from_utf8_lossy(body)),
        }
    }
}

#[tokio::test]
async fn the_uploads_of_real_clients_are_read() {
    // google-cloud-storage for Python: no line end at the end.
    check(
        "===============1==",
        b"--===============1==\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{\"name\": \"a/b\"}\r\n\
          --===============1==\r\ncontent-type: text/plain\r\n\r\nhello\r\n--===============1==--",
        Some(("{\"name\": \"a/b\"}", Some("text/plain"), b"hello")),
    )
    .await;
    // gcsfs: bare LF, content that ends in CR and has lines like boundaries.
    check(
        "==0==",
        b"--==0==\nContent-Type: application/json; charset=UTF-8\n\n{\"name\": \"x\"}\n--==0==\n\
          Content-Type: application/octet-stream\n\na\n--==0=\n\n\r\n--==0==--",
        Some((
            "{\"name\": \"x\"}",
            Some("application/octet-stream"),
            b"a\n--==0=\n\n\r",
        )),
    )
    .await;
    // gcloud: bare LF, MIME headers.
    check(
        "===============7==",
        b"--===============7==\nContent-Type: application/json\nMIME-Version: 1.0\n\n{\"name\": \"x\"}\n\
          --===============7==\nContent-Type: text/csv\nMIME-Version: 1.0\nContent-Transfer-Encoding: binary\n\n1,2\n\n\
          --===============7==--",
        Some(("{\"name\": \"x\"}", Some("text/csv"), b"1,2\n")),
    )
    .await;
    // Java: lengths in the parts.
    check(
        "__END_OF_PART__",
        b"--__END_OF_PART__\r\nContent-Length: 12\r\nContent-Type: application/json; charset=UTF-8\r\n\
          content-transfer-encoding: binary\r\n\r\n{\"name\":\"x\"}\r\n--__END_OF_PART__\r\nContent-Length: 5\r\n\
          Content-Type: text/plain\r\ncontent-transfer-encoding: binary\r\n\r\nhello\r\n--__END_OF_PART__--\r\n",
        Some(("{\"name\":\"x\"}", Some("text/plain"), b"hello")),
    )
    .await;
    // Go and rclone.
    check(
        "a1",
        b"--a1\r\nContent-Type: application/json\r\n\r\n{\"bucket\":\"b\",\"name\":\"x\"}\n\r\n--a1\r\n\
          Content-Type: application/octet-stream\r\n\r\n\r\n--a1--\r\n",
        Some((
            "{\"bucket\":\"b\",\"name\":\"x\"}\n",
            Some("application/octet-stream"),
            b"",
        )),
    )
    .await;
    // Blank lines before, padding behind the boundaries, no type, content that is nearly the boundary.
    check(
        "b",
        b"\r\n--b \t\r\ncontent-type:application/json\r\n\r\n{}\r\n--b\t\r\n\r\n\r\n\r\n--\r\r\n--B\n--b\r\n--b--  \r\n\r\n",
        Some(("{}", None, b"\r\n\r\n--\r\r\n--B\n--b")),
    )
    .await;
}

// GCS-05, STR-06
#[tokio::test]
async fn an_upload_that_is_not_two_parts_is_refused() {
    const JSON: &str = "--b\r\nContent-Type: application/json\r\n\r\n{}\r\n";
    for bad in [
        "",
        "--b--",
        "preamble\r\n--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--",
        "--bb\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Type: text/plain\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--",
        "--b\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Type: application/json\r\n\r\n{}\n--b\n\nx\n--b--",
        &format!("{JSON}--b--"),
        &format!("{JSON}--bx\r\n\r\nx\r\n--b--"),
        &format!("{JSON}--b\r\n\r\nx"),
        &format!("{JSON}--b\r\n\r\nx\r\n--b"),
        &format!("{JSON}--b\r\n\r\nx\r\n--b-"),
        &format!("{JSON}--b\r\n\r\nx\r\n--b-x"),
        &format!("{JSON}--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--"),
        &format!("{JSON}--b\r\n\r\nx\r\n--bb\r\n--b--"),
        &format!("{JSON}--b\r\n\r\nx\r\n--b--\r\nepilogue"),
        &format!("{JSON}--b\r\n\r\nx\r\n--b--{}", " ".repeat(2000)),
        &format!("{JSON}--b\r\nContent-Length: 2\r\n\r\nx\r\n--b--"),
        &format!("{JSON}--b\r\nContent-Length: 0\r\n\r\nx\r\n--b--"),
        &format!("{JSON}--b\r\nContent-Encoding: gzip\r\n\r\nx\r\n--b--"),
        &format!(
            "{JSON}--b\r\nContent-Type: {}\r\n\r\nx\r\n--b--",
            "t".repeat(9000)
        ),
        &format!("{JSON}--b\r\n\tfolded: x\r\n\r\nx\r\n--b--"),
        &format!("{}{JSON}--b\r\n\r\nx\r\n--b--", "\r\n".repeat(5000)),
    ] {
        check("b", bad.as_bytes(), None).await;
    }
}

// LIM-07
#[tokio::test]
async fn metadata_is_held_up_to_its_limit_only() {
    let body = |length: usize| {
        let metadata = " ".repeat(length);
        format!("--b\r\nContent-Type: application/json\r\n\r\n{metadata}\r\n--b\r\n\r\nx\r\n--b--")
    };
    for size in [1, 4096, 1 << 20] {
        assert!(read("b", body(64 << 10).as_bytes(), size).await.is_ok());
        let error = read("b", body((64 << 10) + 1).as_bytes(), size)
            .await
            .unwrap_err();
        assert!(
            matches!(error, BodyError::Payload(PayloadError::TooLarge(_))),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn large_media_streams_and_small_media_has_a_length() {
    let upload = |media: &[u8], says: &str| {
        let mut body = b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n".to_vec();
        body.extend_from_slice(says.as_bytes());
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(media);
        body.extend_from_slice(b"\r\n--b--\r\n");
        body
    };
    for (length, says, known) in [
        (0, "", Some(0)),
        (1, "", Some(1)),
        (60_000, "", Some(60_000)),
        (300_000, "", None),
        (300_000, "Content-Length: 300000\r\n", Some(300_000)),
    ] {
        // Every sixteenth byte begins something like a boundary.
        let media: Vec<u8> = b"\r\n--b-like \r\n--\r\n"
            .iter()
            .copied()
            .cycle()
            .take(length)
            .collect();
        let media: Vec<u8> = media
            .iter()
            .map(|byte| if *byte == b'b' { b'c' } else { *byte })
            .collect();
        let body = upload(&media, says);
        let related = read_related(Frames::cut(&body, 1000), &Boundary::for_test("b"), STALL)
            .await
            .unwrap();
        assert_eq!(related.media.length(), known);
        assert_eq!(related.media.size_hint().exact(), known);
        assert_eq!(collect(related.media).await.unwrap(), media);
    }
}

// FLW-02
#[tokio::test]
async fn media_that_breaks_off_has_no_end() {
    let body = format!(
        "--b\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--b\r\n\r\n{}",
        "x".repeat(100_000)
    );
    let pieces = body
        .as_bytes()
        .chunks(1000)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)));
    let broken = pieces.chain([Err(BodyError::Caller("gone".into()))]);
    let mut related = read_related(Frames::new(broken), &Boundary::for_test("b"), STALL)
        .await
        .unwrap();
    let outcome = collect(&mut related.media).await;
    assert!(matches!(outcome, Err(BodyError::Caller(_))));
    assert!(related.media.frame().await.unwrap().is_err(), "asked once more");
}

#[tokio::test]
async fn what_is_written_reads_as_the_same() {
    let json = HeaderValue::from_static("text/plain; charset=utf-8");
    for (media, media_type) in [(&b""[..], None), (b"hello\r\n--x", Some(&json))] {
        let written = write_related(
            b"{\"name\":\"a\"}",
            media_type,
            crate::body::full(Bytes::copy_from_slice(media)),
        );
        let written = written.unwrap();
        let bytes = collect(written.body).await.unwrap();
        assert_eq!(written.length, Some(bytes.len() as u64));
        let boundary = Boundary::of_related(&written.content_type).unwrap();
        let read = read(boundary.as_str(), &bytes, 10).await.unwrap();
        assert_eq!(read.metadata, "{\"name\":\"a\"}");
        assert_eq!(
            read.media_type.as_deref(),
            media_type.map(|t| t.to_str().unwrap())
        );
        assert_eq!(read.media, media);
    }
}

// FLW-02
#[tokio::test]
async fn what_is_written_around_failed_media_is_never_closed() {
    let pieces = Frames::new([Ok("some".into()), Err(BodyError::Caller("gone".into()))]);
    let written = write_related(b"{}", None, pieces.boxed_unsync()).unwrap();
    assert_eq!(written.length, None);
    let (mut body, mut seen) = (written.body, Vec::new());
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(frame) => seen.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, BodyError::Caller(_)));
    assert!(seen.ends_with(b"some"));
    assert!(!body.is_end_stream());
    assert!(body.frame().await.unwrap().is_err());
}

fn batch(text: &str) -> Result<Vec<Part>, BatchError> {
    parse_batch(&Bytes::copy_from_slice(text.as_bytes()), &Boundary::for_test("b"))
}

// GCS-01
#[test]
fn the_batches_of_real_clients_are_read() {
    // google-cloud-storage for Python: parts with LF, calls with CRLF, absolute URLs.
    let python = "--b\nContent-Type: application/http\nMIME-Version: 1.0\n\n\
        DELETE https://localhost:18443/storage/v1/b/bbb/o/a%2Fx?ifGenerationMatch=7&prettyPrint=false HTTP/1.1\r\n\
        accept-encoding: gzip\r\nAuthorization: Bearer t\r\n\r\n\n\
        --b\nContent-Type: application/http\nMIME-Version: 1.0\n\n\
        PATCH https://localhost:18443/storage/v1/b/bbb/o/y HTTP/1.1\r\nContent-Type: application/json\r\n\
        Content-Length: 18\r\n\r\n{\"metadata\": null}\n--b--\n";
    let parts = batch(python).unwrap();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].method, Method::DELETE);
    assert_eq!(parts[0].authority.as_deref(), Some("localhost:18443"));
    assert_eq!(&*parts[0].path, "/storage/v1/b/bbb/o/a%2Fx");
    assert_eq!(
        parts[0].query.as_deref(),
        Some("ifGenerationMatch=7&prettyPrint=false")
    );
    assert_eq!(parts[0].headers["authorization"], "Bearer t");
    assert!(parts[0].body.is_empty() && parts[0].content_id.is_none());
    assert_eq!(parts[1].body, "{\"metadata\": null}");

    // Java: CRLF, plain ids, an outer length.
    let java = "--b\r\nContent-Length: 120\r\nContent-Type: application/http\r\ncontent-id: 1\r\n\
        content-transfer-encoding: binary\r\n\r\nGET https://gw/storage/v1/b/bbb/o/x HTTP/1.1\r\n\
        x-goog-api-client: gl-java\r\n\r\n\r\n--b--\r\n";
    let parts = batch(java).unwrap();
    assert_eq!(parts[0].content_id.as_deref(), Some("1"));
    assert_eq!(parts[0].authority.as_deref(), Some("gw"));

    // gsutil: relative, ids in angle brackets with blanks.
    let gsutil = "--b\nContent-Type: application/http\nMIME-Version: 1.0\nContent-Transfer-Encoding: binary\n\
        Content-ID: <5a + 0>\n\nDELETE /storage/v1/b/bbb/o/x?alt=json HTTP/1.1\nContent-Type: application/json\n\
        MIME-Version: 1.0\nHost: gw\n\n\n--b--";
    let parts = batch(gsutil).unwrap();
    assert_eq!(parts[0].content_id.as_deref(), Some("<5a + 0>"));
    assert_eq!(parts[0].authority, None);
    assert_eq!(parts[0].headers["host"], "gw");
}

// GCS-01
#[test]
fn a_batch_that_could_be_read_in_two_ways_is_refused() {
    let one = |outer: &str, inner: &str| format!("--b\r\n{outer}\r\n\r\n{inner}\r\n--b--\r\n");
    const HTTP: &str = "Content-Type: application/http";
    const GET: &str = "GET /x HTTP/1.1\r\n\r\n";
    assert!(batch(&one(HTTP, GET)).is_ok());
    for bad in [
        String::new(),
        "--b--\r\n".into(),
        one("Content-Type: text/plain", GET),
        one("Content-Type: multipart/mixed; boundary=c", GET),
        one("Content-ID: 1", GET),
        one(
            "Content-Type: application/http\r\nContent-Type: application/http",
            GET,
        ),
        one("Content-Type: application/http\r\nAuthorization: Bearer x", GET),
        one("Content-Type: application/http\r\n folded", GET),
        one(HTTP, ""),
        one(HTTP, "GET /x HTTP/1.1 \r\n\r\n"),
        one(HTTP, "GET  /x HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET /x\r\n\r\n"),
        one(HTTP, "get /x HTTP/1.1\r\n\r\n"),
        one(HTTP, "TRACE /x HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET x HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET gs://b/x HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET https://u:p@gw/x HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET https:///x HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET https://gw HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET https://gw?x HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET /x#y HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET /x\\y HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET /x\0 HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET /ä HTTP/1.1\r\n\r\n"),
        one(HTTP, "GET /x HTTP/1.1\r\na: b\r\n c\r\n\r\n"),
        one(HTTP, "GET /x HTTP/1.1\r\na: b\rc: d\r\n\r\n"),
        one(HTTP, "GET /x HTTP/1.1\r\na: b\0\r\n\r\n"),
        one(HTTP, "GET /x HTTP/1.1\r\na b\r\n\r\n"),
        one(
            HTTP,
            "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        one(
            HTTP,
            "POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        ),
        one(HTTP, "POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\na"),
        one(HTTP, "POST /x HTTP/1.1\r\nContent-Length: 1\r\n\r\nab"),
        one(HTTP, "POST /x HTTP/1.1\r\nContent-Length: +1\r\n\r\na"),
        one(
            HTTP,
            "POST /x HTTP/1.1\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--",
        ),
        format!("preamble\r\n{}", one(HTTP, GET)),
        format!("{}epilogue", one(HTTP, GET)),
        one(HTTP, GET).replace("--b--\r\n", ""),
        one(HTTP, GET).replace("--b--", "--bb--"),
        format!(
            "--b\r\n{HTTP}\r\nContent-ID: 1\r\n\r\n{GET}\r\n--b\r\n{HTTP}\r\nContent-ID: 1\r\n\r\n{GET}\r\n--b--"
        ),
    ] {
        assert!(batch(&bad).is_err(), "{bad:?}");
    }
}

// GCS-01
#[test]
fn a_batch_of_101_calls_is_refused() {
    let calls = |count: usize| {
        let part = "--b\r\nContent-Type: application/http\r\n\r\nGET /x HTTP/1.1\r\n\r\n\r\n";
        batch(&format!("{}--b--", part.repeat(count)))
    };
    assert_eq!(calls(100).map(|parts| parts.len()), Ok(100));
    assert_eq!(calls(101), Err(BatchError::TooMany));
}

#[test]
fn answers_are_in_the_form_that_clients_parse() {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("content-length", HeaderValue::from_static("99"));
    let answers = [
        (Some("<5a + 0>"), StatusCode::FORBIDDEN, "{\"error\":{}}"),
        (Some("2"), StatusCode::NO_CONTENT, ""),
        (None, StatusCode::from_u16(499).unwrap(), ""),
    ];
    let answers = answers.map(|(id, status, body)| Answer {
        content_id: id.map(Into::into),
        status,
        headers: headers.clone(),
        body: Bytes::from_static(body.as_bytes()),
    });
    let (content_type, body) = write_batch(&answers).unwrap();
    let boundary = content_type
        .to_str()
        .unwrap()
        .split_once("boundary=")
        .unwrap()
        .1
        .to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let expected = "--b\r\nContent-Type: application/http\r\nContent-ID: <response-5a + 0>\r\n\r\n\
         HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{\"error\":{}}\r\n\
         --b\r\nContent-Type: application/http\r\nContent-ID: response-2\r\n\r\n\
         HTTP/1.1 204 No Content\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n\r\n\
         --b\r\nContent-Type: application/http\r\n\r\n\
         HTTP/1.1 499 Status\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n\r\n--b--\r\n";
    assert_eq!(body.replace(&boundary, "b"), expected);
}
