use super::*;
use crate::operation::Asked as _;

fn head<'a>(method: &'a str, query: &'a str, headers: &'a HeaderMap) -> Head<'a> {
    Head {
        method,
        path: "/upload/storage/v1/b/lake/o",
        query: Some(query),
        headers,
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn parse(method: &str, query: &str, pairs: &[(&'static str, &str)]) -> Result<Asked, GcsError> {
    Asked::parse(head(method, query, &headers(pairs)))
}

fn fields(text: &str) -> ObjectFields {
    ObjectFields::parse(text.as_bytes()).unwrap()
}

fn begun(query: &str, document: &str) -> Result<Upload, GcsError> {
    match parse("POST", query, &[]).unwrap() {
        Asked::Begin(insertion) => insertion.begun(fields(document)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_kinds_of_uploads_are_told_apart() {
    let related = [("content-type", "multipart/related; boundary=b")];
    let media = parse(
        "POST",
        "uploadType=media&name=a%2Fb",
        &[("content-type", "text/plain")],
    );
    assert!(matches!(media, Ok(Asked::Media(_))));
    let upload = match media {
        Ok(Asked::Media(insertion)) => insertion.media().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(upload.call.object().unwrap().key.as_str(), "a/b");
    assert!(matches!(
        parse("POST", "uploadType=multipart", &related),
        Ok(Asked::Related(..))
    ));
    assert!(matches!(
        parse("POST", "uploadType=resumable", &[]),
        Ok(Asked::Begin(_))
    ));
    let step = parse(
        "PUT",
        "uploadType=resumable&name=a&upload_id=x",
        &[("content-length", "1")],
    );
    assert!(matches!(step, Ok(Asked::Step(_))));
    let none = HeaderMap::new();
    let older = Head {
        path: "/resumable/upload/storage/v1/b/lake/o",
        ..head("POST", "name=a", &none)
    };
    assert!(matches!(Asked::parse(older), Ok(Asked::Begin(_))));
    for (method, query, pairs) in [
        ("POST", "", &[][..]),
        ("POST", "uploadType=other&name=a", &[]),
        ("PUT", "uploadType=media&name=a", &[]),
        ("GET", "uploadType=resumable&upload_id=x&name=a", &[]),
        (
            "POST",
            "uploadType=multipart",
            &[("content-type", "multipart/mixed; boundary=b")],
        ),
        (
            "POST",
            "uploadType=multipart",
            &[
                ("content-type", "multipart/related; boundary=b"),
                ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
            ],
        ),
        ("POST", "uploadType=media&name=a", &[("content-encoding", "gzip")]),
        (
            "POST",
            "uploadType=resumable&name=a",
            &[("content-encoding", "br")],
        ),
        ("POST", "uploadType=resumable&name=a&name=b", &[]),
        ("POST", "uploadType=resumable&name=a&access_token=x", &[]),
        (
            "POST",
            "uploadType=resumable&name=a",
            &[("x-upload-content-length", "-1")],
        ),
        (
            "POST",
            "uploadType=media&name=a",
            &[("x-goog-hash", "crc32c=AAAAAA==,crc32c=AAAAAQ==")],
        ),
        ("POST", "uploadType=media&name=a", &[("x-goog-hash", "sha1=AAAA")]),
        (
            "POST",
            "uploadType=media&name=a",
            &[("x-http-method-override", "PUT")],
        ),
    ] {
        assert!(parse(method, query, pairs).is_err(), "{method} {query} {pairs:?}");
    }
}

// GCS-05
#[test]
fn an_object_is_named_once_or_the_same() {
    for (query, document, name) in [
        ("uploadType=resumable&name=a", "", Some("a")),
        (
            "uploadType=resumable&name=a",
            r#"{"name":"a","bucket":"lake"}"#,
            Some("a"),
        ),
        ("uploadType=resumable", r#"{"name":"a/b"}"#, Some("a/b")),
        ("uploadType=resumable&name=a", r#"{"name":"b"}"#, None),
        ("uploadType=resumable&name=a%2Fb", r#"{"name":"a%2Fb"}"#, None),
        ("uploadType=resumable&name=a", r#"{"bucket":"other"}"#, None),
        ("uploadType=resumable", r#"{"bucket":"lake"}"#, None),
        ("uploadType=resumable&name=", "", None),
        ("uploadType=resumable&name=a%2F..%2Fb", "", None),
        ("uploadType=resumable", r#"{"name":"a\nb"}"#, None),
    ] {
        let upload = begun(query, document);
        let found = upload
            .as_ref()
            .ok()
            .map(|upload| upload.call.object().unwrap().key.as_str());
        assert_eq!(found, name, "{query} {document}");
        if let Err(error) = upload {
            assert_eq!(error.status, 400);
        }
    }
    let long = format!(r#"{{"name":"{}"}}"#, "k".repeat(1025));
    assert_eq!(begun("uploadType=resumable", &long).unwrap_err().status, 400);
}

// GCS-06
#[test]
fn what_an_upload_asks_besides_is_told() {
    let upload = begun(
        "uploadType=resumable&name=a&predefinedAcl=publicRead&kmsKeyName=k1",
        r#"{"storageClass":"NEARLINE","kmsKeyName":"k1","temporaryHold":true,"retention":{"mode":"Locked"},"contentType":null}"#,
    )
    .unwrap();
    let wishes = upload.call.wishes();
    assert!(wishes.acl && wishes.hold && wishes.retention && wishes.contexts.is_none());
    assert_eq!(
        (upload.call.kms_key(), upload.call.storage_class()),
        ("k1", "NEARLINE")
    );
    // What is decided about is what is used, wherever it is said.
    let two = begun(
        "uploadType=resumable&name=a&kmsKeyName=k1",
        r#"{"kmsKeyName":"k2"}"#,
    );
    assert_eq!(two.unwrap_err().status, 400);
    let in_metadata = begun("uploadType=resumable&name=a", r#"{"kmsKeyName":"k2"}"#);
    assert_eq!(in_metadata.unwrap().call.kms_key(), "k2");
    let hidden = parse("POST", "uploadType=resumable&name=a&kmsKeyName=", &[]);
    assert_eq!(hidden.unwrap_err().status, 400);
    let listed = begun(
        "uploadType=resumable&name=a",
        r#"{"acl":[{"entity":"allUsers","role":"READER"}]}"#,
    );
    assert!(listed.unwrap().call.wishes().acl);
    // AUZ-17: policies see the contexts, in each request of the upload, or it does not begin.
    let contexts = |value: &str| {
        begun(
            "uploadType=resumable&name=a",
            &format!(r#"{{"contexts":{{"custom":{{"class":{{"value":"{value}"}},"team":null}}}}}}"#),
        )
    };
    let tags = contexts("public").unwrap().call.wishes().tags().to_vec();
    assert_eq!(tags, [("class".to_owned(), "public".to_owned())]);
    let many: Vec<String> = (0..5)
        .map(|n| format!(r#""k{n}":{{"value":"{}"}}"#, "v".repeat(200)))
        .collect();
    let many = format!(r#"{{"contexts":{{"custom":{{{}}}}}}}"#, many.join(","));
    let long = begun("uploadType=resumable&name=a", &many).unwrap_err();
    assert!(
        long.status == 400 && long.message.contains("700 bytes"),
        "{long:?}"
    );
    // Nulls say nothing in a new object.
    let none = begun(
        "uploadType=resumable&name=a",
        r#"{"acl":null,"temporaryHold":null,"metadata":null}"#,
    )
    .unwrap();
    assert_eq!(none.call.wishes(), &crate::operation::gcs::Wishes::default());
    assert!(matches!(
        none.call.sending(),
        Some(Sending::Begin { metadata: None })
    ));
}

// GCS-04
#[test]
fn the_range_of_a_chunk_is_read_strictly() {
    let check = |range: Option<&str>, length: Option<&str>, expected: Option<(&str, Option<u64>)>| {
        let mut pairs = Vec::new();
        pairs.extend(range.map(|range| ("content-range", range)));
        pairs.extend(length.map(|length| ("content-length", length)));
        for method in ["PUT", "POST"] {
            let asked = parse(method, "uploadType=resumable&name=a&upload_id=x", &pairs);
            let found = match &asked {
                Ok(Asked::Step(step)) => step
                    .upload
                    .call
                    .sending()
                    .unwrap()
                    .content_range()
                    .zip(Some(step.upload.length)),
                Ok(other) => panic!("{other:?}"),
                Err(error) => {
                    assert_eq!(error.status, 400, "{range:?} {length:?}");
                    None
                }
            };
            let found = found.as_ref().map(|(range, length)| (range.as_str(), *length));
            assert_eq!(found, expected, "{range:?} {length:?}");
        }
    };
    check(Some("bytes 0-9/10"), Some("10"), Some(("bytes 0-9/10", Some(10))));
    check(Some("bytes 0-9/*"), Some("10"), Some(("bytes 0-9/*", Some(10))));
    check(Some("bytes 5-9/10"), None, Some(("bytes 5-9/10", Some(5))));
    check(Some("bytes 0-*/*"), None, Some(("bytes 0-*/*", None)));
    check(Some("bytes 0-*/*"), Some("10"), Some(("bytes 0-*/*", Some(10))));
    check(Some("bytes 4-*/10"), None, Some(("bytes 4-*/10", Some(6))));
    check(Some("bytes */10"), Some("0"), Some(("bytes */10", Some(0))));
    check(Some("bytes */*"), None, Some(("bytes */*", Some(0))));
    check(Some("bytes */0"), Some("0"), Some(("bytes */0", Some(0))));
    check(None, Some("10"), Some(("bytes 0-9/10", Some(10))));
    check(None, None, Some(("bytes 0-*/*", None)));
    for bad in [
        "",
        "bytes",
        "bytes 0-9",
        "bytes 0-9/10/11",
        "bytes=0-9/10",
        "Bytes 0-9/10",
        "bytes  0-9/10",
        "bytes 0-9/ 10",
        "bytes 9-0/10",
        "bytes 0-10/10",
        "bytes 10-*/9",
        "bytes +0-9/10",
        "bytes -9/10",
        "bytes 0-9/",
        "bytes *",
        "bytes */-1",
        "bytes 0-18446744073709551615/*",
        "bytes 0-99999999999999999999/*",
        "bytes 0-5497558138880/5497558138881",
    ] {
        check(Some(bad), None, None);
    }
    check(Some("bytes 0-9/10"), Some("9"), None);
    check(Some("bytes 0-9/10"), Some("11"), None);
    check(Some("bytes */10"), Some("1"), None);
    let twice = [
        ("content-range", "bytes 0-9/10"),
        ("content-range", "bytes 0-9/10"),
    ];
    assert!(parse("PUT", "name=a&upload_id=x", &twice).is_err());
}

#[test]
fn an_empty_object_is_one_request_without_a_range() {
    let step = parse("PUT", "name=a&upload_id=x", &[("content-length", "0")]).unwrap();
    let Asked::Step(step) = step else {
        panic!("{step:?}")
    };
    assert_eq!(step.upload.length, Some(0));
    assert_eq!(
        step.upload.call.sending().unwrap().content_range().as_deref(),
        Some("bytes */0")
    );
}

#[test]
fn a_step_asks_for_nothing_that_was_not_asked_at_the_beginning() {
    for query in [
        "name=a&upload_id=x&predefinedAcl=publicRead",
        "name=a&upload_id=x&kmsKeyName=k",
        "name=a&upload_id=x&contentEncoding=gzip",
        "upload_id=x",
    ] {
        assert!(
            parse("PUT", query, &[("content-length", "1")]).is_err(),
            "{query}"
        );
    }
    let kept = parse(
        "DELETE",
        "name=a&upload_id=x&fields=name&ifGenerationMatch=7",
        &[],
    )
    .unwrap();
    let Asked::Step(step) = kept else {
        panic!("{kept:?}")
    };
    assert_eq!(step.upload.call.sending(), Some(&Sending::Cancel));
    // Also what is to be shown: what was stored is held against what was sent.
    assert_eq!(step.upload.call.parameters(), []);
    assert_eq!(&*step.handle, "x");
}

#[test]
fn a_hash_is_said_on_whenever_it_is_said() {
    let hash = [("x-goog-hash", "md5=JfnnlDI7RTiF9RgfG2JNCw==, crc32c=4waSgw==")];
    let said = |upload: &Upload| {
        let headers = upload.call.headers().iter();
        let mut said = headers.filter(|(name, _)| *name == "x-goog-hash");
        said.next().map(|(_, value)| value.to_string())
    };
    let all = Some("crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw==".to_owned());
    match parse("POST", "uploadType=resumable&name=a", &hash) {
        Ok(Asked::Begin(insertion)) => assert_eq!(said(&insertion.begun(fields("")).unwrap()), all),
        other => panic!("{other:?}"),
    }
    let asking = [hash[0], ("content-range", "bytes */9")];
    match parse("PUT", "name=a&upload_id=x", &asking) {
        Ok(Asked::Step(step)) => assert_eq!(said(&step.upload), all),
        other => panic!("{other:?}"),
    }
    // Beside bytes it is held against them, and said with what their metadata says.
    match parse("POST", "uploadType=media&name=a", &hash) {
        Ok(Asked::Media(insertion)) => {
            let upload = insertion.media().unwrap();
            assert_eq!((said(&upload), upload.hashes.header()), (None, all));
        }
        other => panic!("{other:?}"),
    }
}
