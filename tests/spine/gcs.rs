//! Google Cloud Storage behind a bucket: S3 clients do what they always do, and Google gets what it understands.

use crate::support::chunked::{SIGNED, SIGNED_TRAILER, Stream, UNSIGNED_TRAILER};
use crate::support::gcs::{Auth, EVERYTHING, FakeGcs, Seen, with_hmac_key, with_token, world};
use crate::support::world::STORE_SECRET;
use crate::support::{Answer, Client, Payload, Settings, World};

const CONTENT: &[u8] = b"123456789";
const PARTS: [&[u8]; 3] = [b"1234", b"567", b"89"];

/// The check values of `123456789` in trailers, and one that is wrong.
const TRAILERS: [(&str, &str); 4] = [
    ("x-amz-checksum-crc32", "y/Q5Jg=="),
    ("x-amz-checksum-crc32c", "4waSgw=="),
    ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
    (
        "x-amz-checksum-sha256",
        "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
    ),
];

async fn call(client: &Client, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    client
        .send(client.sign(method, target, headers, body, Payload::Literal))
        .await
}

/// Fails if a request has something that Google would not understand, or that is none of its business.
fn is_raw(seen: &Seen, what: &str) {
    let names: Vec<&str> = seen.headers.keys().map(http::HeaderName::as_str).collect();
    assert!(
        !names.iter().any(|name| name.starts_with("x-amz-")),
        "{what}: {names:?}"
    );
    assert_eq!(seen.header("content-encoding"), None, "{what}");
    assert_eq!(seen.header("transfer-encoding"), None, "{what}");
    assert_eq!(seen.header("content-length"), Some("9"), "{what}");
    assert_eq!(seen.body, CONTENT, "{what}");
}

// STR-01, STR-06, 1.6
#[tokio::test]
async fn every_payload_arrives_raw_with_a_token_and_with_a_key() {
    for (fake, world) in [with_token().await, with_hmac_key().await] {
        let etl = world.client("etl").await;
        let mut requests = Vec::new();
        for payload in [Payload::Literal, Payload::Unsigned] {
            let what = format!("{payload:?}");
            requests.push((what, etl.sign("PUT", "/lake/tmp/a", &[], CONTENT, payload)));
        }
        let signed = etl
            .stream("PUT", "/lake/tmp/a", Stream::of(SIGNED), &PARTS)
            .request();
        requests.push((SIGNED.to_owned(), signed));
        for mode in [UNSIGNED_TRAILER, SIGNED_TRAILER] {
            for trailer in TRAILERS {
                let stream = Stream {
                    trailer: Some(trailer),
                    ..Stream::of(mode)
                };
                let request = etl.stream("PUT", "/lake/tmp/a", stream, &PARTS).request();
                requests.push((format!("{mode} {trailer:?}"), request));
            }
        }
        requests.push((
            "presigned".to_owned(),
            etl.presign("PUT", "/lake/tmp/a", &[], CONTENT, 60),
        ));
        for (what, request) in requests {
            let answer = etl.send(request).await;
            assert_eq!(
                answer.status,
                200,
                "{what}: {} {:?}",
                answer.text(),
                fake.refused()
            );
            is_raw(&fake.last(), &what);
            assert_eq!(fake.stored("tmp/a").as_deref(), Some(CONTENT), "{what}");
            let object = fake.object("tmp/a").unwrap();
            assert_eq!(answer.header("etag"), Some(&*object.etag), "{what}");
            foreign_to_s3(&answer, &what);
            let record = world.recorded(&answer, "allow", "permit").await;
            assert_eq!(record["response"]["bytes_in"], 9, "{what}");
            assert_eq!(record["target"]["request_id"], "canary-upload", "{what}");
        }
        assert_eq!(fake.refused(), Vec::<String>::new());
        world.kept_secret(&[STORE_SECRET]);
    }
}

#[tokio::test]
async fn a_token_stands_alone_and_a_key_signs_in_googles_names() {
    let (fake, world) = with_token().await;
    world.client("etl").await.put("/lake/tmp/a", CONTENT).await;
    let seen = fake.last();
    assert!(seen.header("authorization").unwrap().starts_with("Bearer "));
    assert_eq!(
        (seen.header("x-goog-content-sha256"), seen.header("x-goog-date")),
        (None, None)
    );

    let (fake, world) = with_hmac_key().await;
    let etl = world.client("etl").await;
    etl.put("/lake/tmp/a", CONTENT).await;
    let seen = fake.last();
    let authorization = seen.header("authorization").unwrap();
    assert!(
        authorization.starts_with("GOOG4-HMAC-SHA256 Credential=STOREKEY/"),
        "{authorization}"
    );
    let sha256 = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
    assert_eq!(
        seen.header("x-goog-content-sha256"),
        Some(sha256),
        "what the caller signed is kept"
    );
    etl.get("/lake/tmp/a").await;
    let seen = fake.last();
    assert_eq!(seen.header("accept-encoding"), Some("gzip"));
    assert!(!seen.header("authorization").unwrap().contains("accept-encoding"));
}

/// Fails if something of Google's reaches the caller.
fn foreign_to_s3(answer: &Answer, what: &str) {
    for name in answer.headers.keys().map(http::HeaderName::as_str) {
        let foreign =
            name.starts_with("x-goog-") || ["alt-svc", "server", "x-guploader-uploadid"].contains(&name);
        assert!(!foreign, "{what}: {name}");
    }
    assert!(!answer.text().contains("canary"), "{what}: {}", answer.text());
    assert!(
        !answer.text().contains("acme-lake-prod"),
        "{what}: {}",
        answer.text()
    );
}

// STR-01, STR-05
#[tokio::test]
async fn what_was_declared_holds_or_nothing_is_stored() {
    let (fake, world) = with_token().await;
    let etl = world.client("etl").await;
    for (name, right, wrong, google) in [
        (
            "content-md5",
            "JfnnlDI7RTiF9RgfG2JNCw==",
            "1B2M2Y8AsgTpgAmY7PhCfg==",
            None,
        ),
        (
            "x-amz-checksum-crc32c",
            "4waSgw==",
            "AAAAAA==",
            Some("crc32c=4waSgw=="),
        ),
        ("x-amz-checksum-crc32", "y/Q5Jg==", "AAAAAA==", None),
        ("x-amz-checksum-crc64nvme", "rosUhgp5mIg=", "AAAAAAAAAAA=", None),
    ] {
        let answer = call(&etl, "PUT", "/lake/tmp/a", &[(name, wrong)], CONTENT).await;
        answer.refused(name, 400, "BadDigest");
        assert_eq!(fake.stored("tmp/a"), None, "{name}");
        let answer = call(&etl, "PUT", "/lake/tmp/a", &[(name, right)], CONTENT).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(fake.last().header("x-goog-hash"), google, "{name}");
        let md5 = Some(right).filter(|_| name == "content-md5");
        assert_eq!(fake.last().header("content-md5"), md5);
        etl.delete("/lake/tmp/a").await;
    }
    for mode in [UNSIGNED_TRAILER, SIGNED_TRAILER] {
        let stream = Stream {
            trailer: Some(("x-amz-checksum-crc32c", "AAAAAA==")),
            ..Stream::of(mode)
        };
        let answer = etl
            .send(etl.stream("PUT", "/lake/tmp/a", stream, &PARTS).request())
            .await;
        answer.refused(mode, 400, "BadDigest");
        assert_eq!(fake.stored("tmp/a"), None, "{mode}");
    }
    let mut signed = etl.stream("PUT", "/lake/tmp/a", Stream::of(SIGNED), &PARTS);
    signed = signed.replaced("567", "568");
    etl.send(signed.request())
        .await
        .refused("a chunk", 403, "SignatureDoesNotMatch");
    assert_eq!(fake.stored("tmp/a"), None);
    // FLW-02: less than was promised.
    let short = Stream {
        length: Some("10"),
        ..Stream::of(UNSIGNED_TRAILER)
    };
    let short = etl.stream("PUT", "/lake/tmp/a", short, &PARTS).request();
    etl.send(short)
        .await
        .refused("a short one", 400, "IncompleteBody");
    assert_eq!(fake.stored("tmp/a"), None);
    // An empty object has no byte to hold back: it is verified before anything is asked.
    fake.forget();
    let empty = call(
        &etl,
        "PUT",
        "/lake/tmp/a",
        &[("x-amz-checksum-crc32c", "4waSgw==")],
        b"",
    )
    .await;
    empty.refused("empty", 400, "BadDigest");
    fake.untouched("an empty object with a wrong sum");
    assert_eq!(etl.put("/lake/tmp/a", b"").await.status, 200);
    assert_eq!(fake.stored("tmp/a").as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn an_upload_that_google_keeps_otherwise_than_it_was_sent_is_an_error() {
    let (fake, world) = with_token().await;
    let etl = world.client("etl").await;
    for mode in [UNSIGNED_TRAILER, SIGNED] {
        fake.corrupts_the_next_upload();
        let answer = etl
            .send(
                etl.stream("PUT", "/lake/tmp/a", Stream::of(mode), &PARTS)
                    .request(),
            )
            .await;
        answer.refused(mode, 500, "InternalError");
        assert!(
            answer.text().contains("kept other bytes than you sent"),
            "{}",
            answer.text()
        );
        let record = world.record_of(&answer).await;
        assert!(
            record["cause"].as_str().unwrap().contains("other bytes"),
            "{record}"
        );
    }
    // What every client does then.
    assert_eq!(etl.put("/lake/tmp/a", CONTENT).await.status, 200);
    assert_eq!(fake.stored("tmp/a").as_deref(), Some(CONTENT));
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put_with_its_metadata() {
    let (fake, world) = with_token().await;
    let etl = world.client("etl").await;
    let headers = [
        ("content-type", "text/csv"),
        ("cache-control", "no-store"),
        ("content-disposition", "attachment"),
        ("x-amz-meta-colour", "blue"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "AES256"),
    ];
    let answer = call(&etl, "PUT", "/lake/tmp/a%20%C3%A4%2Bb", &headers, CONTENT).await;
    assert_eq!(answer.status, 200, "{} {:?}", answer.text(), fake.refused());
    let object = fake.object("tmp/a ä+b").unwrap();
    assert_eq!(object.metadata("x-goog-meta-colour"), Some("blue"));
    assert_eq!(object.class, "NEARLINE");
    for method in ["GET", "HEAD"] {
        let answer = call(&etl, method, "/lake/tmp/a%20%C3%A4%2Bb", &[], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        foreign_to_s3(&answer, method);
        for (name, value) in &headers[..5] {
            assert_eq!(answer.header(name), Some(*value), "{method} {name}");
        }
        assert_eq!(answer.header("content-length"), Some("9"), "{method}");
        assert_eq!(answer.header("etag"), Some(&*object.etag));
        // Nobody asked for them.
        assert_eq!(answer.header("x-amz-version-id"), None, "{method}");
        assert_eq!(answer.header("x-amz-checksum-crc32c"), None, "{method}");
        let expected = if method == "GET" { CONTENT } else { b"" };
        assert_eq!(answer.body, expected);
    }
    let get =
        async |headers: &[(&str, &str)]| call(&etl, "GET", "/lake/tmp/a%20%C3%A4%2Bb", headers, b"").await;
    let range = get(&[("range", "bytes=2-4"), ("x-amz-checksum-mode", "ENABLED")]).await;
    assert_eq!((range.status, &*range.body), (206, &b"345"[..]));
    assert_eq!(range.header("content-range"), Some("bytes 2-4/9"));
    assert_eq!(
        range.header("x-amz-checksum-crc32c"),
        None,
        "that is the sum of the whole"
    );
    get(&[("range", "bytes=20-")])
        .await
        .refused("range", 416, "InvalidRange");
    let whole = get(&[("x-amz-checksum-mode", "ENABLED")]).await;
    assert_eq!(whole.header("x-amz-checksum-crc32c"), Some("4waSgw=="));
    assert_eq!(whole.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    let conditional = get(&[("range", "bytes=2-4"), ("if-range", "\"other\"")]).await;
    assert_eq!(
        (conditional.status, &*conditional.body),
        (200, CONTENT),
        "the whole is always right"
    );
    assert_eq!(get(&[("if-none-match", &object.etag)]).await.status, 304);
    get(&[("if-match", "\"other\"")])
        .await
        .refused("if-match", 412, "PreconditionFailed");
    let named = call(
        &etl,
        "GET",
        "/lake/tmp/a%20%C3%A4%2Bb?response-content-type=text%2Fplain",
        &[],
        b"",
    )
    .await;
    assert_eq!(named.header("content-type"), Some("text/plain"));
    etl.get("/lake/tmp/none").await.refused("none", 404, "NoSuchKey");
    assert_eq!(etl.head("/lake/tmp/none").await.status, 404);
}

// 5.9
#[tokio::test]
async fn stored_bytes_arrive_unchanged_although_they_call_themselves_packed() {
    let (fake, world) = with_token().await;
    let etl = world.client("etl").await;
    let packed = [("content-encoding", "gzip")];
    assert_eq!(
        call(&etl, "PUT", "/lake/tmp/a", &packed, CONTENT).await.status,
        200
    );
    for headers in [
        &[][..],
        &[("accept-encoding", "identity")],
        &[("accept-encoding", "br")],
    ] {
        let answer = call(&etl, "GET", "/lake/tmp/a", headers, b"").await;
        assert_eq!((answer.status, &*answer.body), (200, CONTENT), "{headers:?}");
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert_eq!(fake.last().header("accept-encoding"), Some("gzip"));
        let range = [headers, &[("range", "bytes=0-2")]].concat();
        let answer = call(&etl, "GET", "/lake/tmp/a", &range, b"").await;
        assert_eq!((answer.status, &*answer.body), (206, &b"123"[..]));
    }
    let answer = etl.head("/lake/tmp/a").await;
    assert_eq!(
        answer.header("content-length"),
        Some("9"),
        "Google does not say it itself"
    );
}

#[tokio::test]
async fn lists_have_virtual_names_and_classes_of_s3() {
    let (_fake, world) = with_hmac_key().await;
    let etl = world.client("etl").await;
    for (key, class) in [
        ("a", "STANDARD"),
        ("b/1", "GLACIER_IR"),
        ("b/2", "DEEP_ARCHIVE"),
        ("c%26d", "STANDARD_IA"),
    ] {
        let headers = [("x-amz-storage-class", class)];
        assert_eq!(
            call(&etl, "PUT", &format!("/lake/t/{key}"), &headers, CONTENT)
                .await
                .status,
            200
        );
    }
    let list = async |query: &str| {
        let answer = etl.get(&format!("/lake?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        foreign_to_s3(&answer, query);
        assert_eq!(answer.element("Name").as_deref(), Some("lake"), "{query}");
        answer
    };
    let all = list("list-type=2&prefix=t%2F").await.text();
    assert_eq!(all.matches("<Contents>").count(), 4, "{all}");
    for (class, count) in [("STANDARD", 1), ("GLACIER_IR", 2), ("STANDARD_IA", 1)] {
        assert_eq!(
            all.matches(&format!("<StorageClass>{class}</StorageClass>"))
                .count(),
            count,
            "{all}"
        );
    }
    assert!(!all.contains("Generation"), "{all}");
    let groups = list("list-type=2&prefix=t%2F&delimiter=%2F").await.text();
    assert!(
        groups.contains("<CommonPrefixes><Prefix>t/b/</Prefix></CommonPrefixes>"),
        "{groups}"
    );
    let page = list("list-type=2&prefix=t%2F&max-keys=2").await;
    let next = page.element("NextContinuationToken").unwrap();
    let token: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let page = list(&format!("list-type=2&prefix=t%2F&continuation-token={token}")).await;
    assert_eq!(page.text().matches("<Contents>").count(), 2, "{}", page.text());
    let first = list("prefix=t%2F&max-keys=1").await;
    assert_eq!(first.element("NextMarker").as_deref(), Some("t/a"));
    let encoded = list("list-type=2&prefix=t%2Fc&encoding-type=url").await;
    assert_eq!(encoded.element("Key").as_deref(), Some("t/c%26d"));
    assert_eq!(call(&etl, "HEAD", "/lake", &[], b"").await.status, 200);
}

#[tokio::test]
async fn parts_become_one_object_and_their_sums_stay_here() {
    for (fake, world) in [with_token().await, with_hmac_key().await] {
        let etl = world.client("etl").await;
        let headers = [
            ("x-amz-checksum-algorithm", "CRC32"),
            ("x-amz-checksum-type", "COMPOSITE"),
            ("x-amz-meta-colour", "blue"),
        ];
        let created = call(&etl, "POST", "/lake/tmp/large?uploads", &headers, b"").await;
        assert_eq!(created.status, 200, "{} {:?}", created.text(), fake.refused());
        foreign_to_s3(&created, "create");
        let id = created.element("UploadId").unwrap();
        let listed = etl.get("/lake?uploads&prefix=tmp%2F").await;
        assert_eq!(
            listed.element("Key").as_deref(),
            Some("tmp/large"),
            "{}",
            listed.text()
        );
        let mut document = String::new();
        for (number, mode) in [(1, UNSIGNED_TRAILER), (2, SIGNED)] {
            let target = format!("/lake/tmp/large?partNumber={number}&uploadId={id}");
            let part = etl
                .send(etl.stream("PUT", &target, Stream::of(mode), &PARTS).request())
                .await;
            assert_eq!(part.status, 200, "{}", part.text());
            is_raw(&fake.last(), mode);
            document += &format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32></Part>",
                part.header("etag").unwrap()
            );
        }
        let target = format!("/lake/tmp/large?uploadId={id}");
        let parts = etl.get(&target).await;
        assert_eq!(parts.text().matches("<Part>").count(), 2, "{}", parts.text());
        let document = format!("<CompleteMultipartUpload>{document}</CompleteMultipartUpload>");
        let headers = [
            ("x-amz-mp-object-size", "18"),
            ("x-amz-checksum-type", "COMPOSITE"),
        ];
        let done = call(&etl, "POST", &target, &headers, document.as_bytes()).await;
        assert_eq!(done.status, 200, "{}", done.text());
        foreign_to_s3(&done, "complete");
        assert_eq!(done.element("Bucket").as_deref(), Some("lake"), "{}", done.text());
        let object = fake.object("tmp/large").unwrap();
        assert_eq!(object.body, [CONTENT, CONTENT].concat());
        assert_eq!(object.metadata("x-goog-meta-colour"), Some("blue"));
        // The sum is that of all bytes, also of an object that came in parts.
        let read = call(
            &etl,
            "GET",
            "/lake/tmp/large",
            &[("x-amz-checksum-mode", "ENABLED")],
            b"",
        )
        .await;
        assert_eq!(read.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
        assert_eq!(read.header("etag"), Some(&*object.etag));

        let other = call(&etl, "POST", "/lake/tmp/other?uploads", &[], b"").await;
        let target = format!("/lake/tmp/other?uploadId={}", other.element("UploadId").unwrap());
        assert_eq!(etl.delete(&target).await.status, 204);
        etl.get(&target).await.refused("aborted", 404, "NoSuchUpload");
        assert_eq!(fake.refused(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_is_not_there_is_deleted_as_at_s3() {
    let (fake, world) = with_hmac_key().await;
    let etl = world.client("etl").await;
    for key in ["a", "b%26c", "d"] {
        etl.put(&format!("/lake/tmp/{key}"), CONTENT).await;
    }
    assert_eq!(etl.delete("/lake/tmp/a").await.status, 204);
    let again = etl.delete("/lake/tmp/a").await;
    assert_eq!(
        (again.status, again.text().as_str()),
        (204, ""),
        "Google says 404"
    );
    assert_eq!(fake.object("tmp/a").map(|o| o.generation), None);
    let document =
        "<Delete><Object><Key>tmp/b&amp;c</Key></Object><Object><Key>tmp/none</Key></Object></Delete>";
    let many = call(
        &etl,
        "POST",
        "/lake?delete",
        &[("content-md5", &md5(document))],
        document.as_bytes(),
    )
    .await;
    assert_eq!(many.status, 200, "{} {:?}", many.text(), fake.refused());
    assert_eq!(many.text().matches("<Deleted>").count(), 2, "{}", many.text());
    assert!(!many.text().contains("<Error>"), "{}", many.text());
    assert!(fake.object("tmp/b&c").is_none() && fake.object("tmp/d").is_some());
}

fn md5(text: &str) -> String {
    use md5::Digest as _;
    data_encoding::BASE64.encode(&md5::Md5::digest(text))
}

#[tokio::test]
async fn a_copy_is_made_by_google_under_the_conditions_that_were_set() {
    let (fake, world) = with_token().await;
    let etl = world.client("etl").await;
    call(
        &etl,
        "PUT",
        "/lake/tmp/a",
        &[("x-amz-meta-colour", "blue")],
        CONTENT,
    )
    .await;
    let copy = async |to: &str, headers: &[(&str, &str)]| {
        let headers = [&[("x-amz-copy-source", "/lake/tmp%2Fa")], headers].concat();
        call(&etl, "PUT", to, &headers, b"").await
    };
    let etag = fake.object("tmp/a").unwrap().etag;
    let answer = copy("/lake/tmp/b", &[("x-amz-copy-source-if-match", &etag)]).await;
    assert_eq!(answer.status, 200, "{} {:?}", answer.text(), fake.refused());
    foreign_to_s3(&answer, "copy");
    assert_eq!(
        fake.object("tmp/b").unwrap().metadata("x-goog-meta-colour"),
        Some("blue")
    );
    let replaced = [
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-colour", "red"),
        ("x-amz-tagging-directive", "COPY"),
        ("x-amz-storage-class", "GLACIER"),
    ];
    assert_eq!(copy("/lake/tmp/c", &replaced).await.status, 200);
    let object = fake.object("tmp/c").unwrap();
    assert_eq!(
        (object.metadata("x-goog-meta-colour"), &*object.class),
        (Some("red"), "COLDLINE")
    );
    let wrong = copy("/lake/tmp/d", &[("x-amz-copy-source-if-match", "\"other\"")]).await;
    wrong.refused("if-match", 412, "PreconditionFailed");
    assert!(fake.object("tmp/d").is_none());
}

#[tokio::test]
async fn if_none_match_protects_what_is_there() {
    for (fake, world) in [with_token().await, with_hmac_key().await] {
        let etl = world.client("etl").await;
        let once = [("if-none-match", "*")];
        assert_eq!(call(&etl, "PUT", "/lake/tmp/a", &once, CONTENT).await.status, 200);
        let again = call(&etl, "PUT", "/lake/tmp/a", &once, b"other").await;
        again.refused("a second time", 412, "PreconditionFailed");
        let from = [("if-none-match", "*"), ("x-amz-copy-source", "lake/tmp/a")];
        assert_eq!(call(&etl, "PUT", "/lake/tmp/b", &from, b"").await.status, 200);
        call(&etl, "PUT", "/lake/tmp/a", &from, b"")
            .await
            .refused("a copy", 412, "PreconditionFailed");
        assert_eq!(fake.stored("tmp/a").as_deref(), Some(CONTENT));
        assert_eq!(fake.refused(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn versions_are_generations_for_those_who_ask_for_them() {
    let (fake, world) = with_token().await;
    fake.keeps_versions();
    let etl = world.client("etl").await;
    let mut generations = Vec::new();
    for content in [&b"one"[..], b"two"] {
        let answer = etl.put("/lake/tmp/a", content).await;
        assert_eq!(
            answer.header("x-amz-version-id"),
            None,
            "nobody knows whether it stays"
        );
        generations.push(fake.object("tmp/a").unwrap().generation);
    }
    let old = etl
        .get(&format!("/lake/tmp/a?versionId={}", generations[0]))
        .await;
    assert_eq!((old.status, &*old.body), (200, &b"one"[..]));
    assert_eq!(old.header("x-amz-version-id"), Some(&*generations[0].to_string()));
    etl.get("/lake/tmp/a?versionId=17")
        .await
        .refused("another", 404, "NoSuchVersion");
    let source = format!("/lake/tmp/a?versionId={}", generations[0]);
    let copied = call(&etl, "PUT", "/lake/tmp/b", &[("x-amz-copy-source", &source)], b"").await;
    assert_eq!(copied.status, 200, "{}", copied.text());
    assert_eq!(fake.stored("tmp/b").as_deref(), Some(&b"one"[..]));
    let target = format!("/lake/tmp/a?versionId={}", generations[1]);
    assert_eq!(etl.delete(&target).await.status, 204);
    assert!(fake.object("tmp/a").is_none());
    let listed = etl.get("/lake?versions&prefix=tmp%2Fa").await;
    assert_eq!(listed.status, 200, "{} {:?}", listed.text(), fake.refused());
    foreign_to_s3(&listed, "versions");
    assert_eq!(listed.element("Name").as_deref(), Some("lake"));
    assert_eq!(listed.element("VersionId"), Some(generations[0].to_string()));
    let versioning = etl.get("/lake?versioning").await;
    assert_eq!(
        versioning.element("Status").as_deref(),
        Some("Enabled"),
        "{}",
        versioning.text()
    );
}

#[tokio::test]
async fn a_bucket_is_made_in_the_project_of_the_configuration() {
    let fake = FakeGcs::start(Auth::Token(STORE_SECRET)).await;
    let table = format!(
        "[targets.store]\nkind = \"gcs-xml\"\nendpoint = \"http://{}\"\nproject = \"acme-data-1\"\n\
         credentials = {{ kind = \"access-token\", token = \"env:STORE_SECRET_ACCESS_KEY\" }}",
        fake.address
    );
    let world = World::with(Settings {
        target_table: Some(table),
        bucket_lines: "create = true".into(),
        policy: Some(EVERYTHING.into()),
        ..Settings::default()
    });
    let world = world.await;
    let etl = world.client("etl").await;
    let made = call(&etl, "PUT", "/lake", &[], b"").await;
    assert_eq!(made.status, 200, "{} {:?}", made.text(), fake.refused());
    let seen = fake.last();
    assert_eq!(seen.header("x-goog-project-id"), Some("acme-data-1"));
    assert_eq!((&*seen.path, &*seen.body), ("/acme-lake-prod", &b""[..]));
    let gone = call(&etl, "DELETE", "/lake", &[], b"").await;
    assert_eq!(gone.status, 204, "{}", gone.text());
}

#[tokio::test]
async fn keys_of_callers_and_of_cloud_kms_are_used() {
    let (fake, world) = with_token().await;
    let etl = world.client("etl").await;
    // 32 bytes of `k`, and their MD5.
    let key = data_encoding::BASE64.encode(&[b'k'; 32]);
    let key_md5 = md5(&"k".repeat(32));
    let with = |md5: &'static str| {
        [
            (
                "x-amz-server-side-encryption-customer-algorithm",
                "AES256".to_owned(),
            ),
            ("x-amz-server-side-encryption-customer-key", key.clone()),
            (
                "x-amz-server-side-encryption-customer-key-md5",
                if md5.is_empty() {
                    key_md5.clone()
                } else {
                    md5.to_owned()
                },
            ),
        ]
    };
    let own = with("");
    let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let put = call(&etl, "PUT", "/lake/tmp/a", &own, CONTENT).await;
    assert_eq!(put.status, 200, "{} {:?}", put.text(), fake.refused());
    assert!(fake.object("tmp/a").unwrap().key_sha256.is_some());
    assert_eq!(etl.get("/lake/tmp/a").await.status, 400);
    let read = call(&etl, "GET", "/lake/tmp/a", &own, b"").await;
    assert_eq!((read.status, &*read.body), (200, CONTENT), "{}", read.text());
    assert_eq!(
        read.header("x-amz-server-side-encryption-customer-algorithm"),
        Some("AES256")
    );
    assert_eq!(
        read.header("x-amz-server-side-encryption-customer-key-md5"),
        Some(&*key_md5)
    );
    fake.forget();
    let wrong = with("1B2M2Y8AsgTpgAmY7PhCfg==");
    let wrong: Vec<(&str, &str)> = wrong
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let refused = call(&etl, "PUT", "/lake/tmp/b", &wrong, CONTENT).await;
    refused.refused("another MD5", 400, "InvalidArgument");
    fake.untouched("a key with a wrong MD5");
    world.kept_secret(&[&key]);

    let name = "projects/p/locations/eu/keyRings/r/cryptoKeys/k";
    let kms = [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", name),
    ];
    let put = call(&etl, "PUT", "/lake/tmp/c", &kms, CONTENT).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(put.header("x-amz-server-side-encryption"), Some("aws:kms"));
    assert_eq!(fake.object("tmp/c").unwrap().kms_key.as_deref(), Some(name));
}

// CRD-03
#[tokio::test]
async fn a_token_in_a_file_is_read_again_when_google_does_not_take_it() {
    let credentials = "kind = \"access-token\"\ntoken = \"file:secrets/token\"";
    let (fake, world) = world(Auth::Token("ya29.one"), credentials).await;
    let etl = world.client("etl").await;
    etl.get("/lake/tmp/a")
        .await
        .refused("no token yet", 503, "SlowDown");
    fake.untouched("a request without a token");
    std::fs::write(world.path("secrets/token"), "ya29.one\n").unwrap();
    put_when_it_is_taken(&etl).await;

    // Expired and replaced: nobody notices.
    fake.takes(Auth::Token("ya29.two"));
    std::fs::write(world.path("secrets/token"), "ya29.two").unwrap();
    assert_eq!(etl.get("/lake/tmp/a").await.status, 200);
    // Expired and not replaced: it is not the caller's session that ended.
    fake.takes(Auth::Token("ya29.three"));
    let refused = etl.get("/lake/tmp/a").await;
    refused.refused("an old token", 503, "ServiceUnavailable");
    foreign_to_s3(&refused, "an old token");
    std::fs::write(world.path("secrets/token"), "ya29.three").unwrap();
    assert_eq!(etl.get("/lake/tmp/a").await.status, 200);
    world.kept_secret(&["ya29."]);
}

async fn put_when_it_is_taken(client: &Client) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while client.put("/lake/tmp/a", CONTENT).await.status != 200 {
        assert!(tokio::time::Instant::now() < deadline, "the token is not read");
        tokio::task::yield_now().await;
    }
}

// LEK-07
#[tokio::test]
async fn errors_of_google_are_those_of_s3() {
    let (fake, world) = with_token().await;
    let etl = world.client("etl").await;
    fake.takes(Auth::Hmac("OTHER", "other"));
    for (method, target) in [
        ("GET", "/lake/tmp/a"),
        ("PUT", "/lake/tmp/a"),
        ("GET", "/lake?list-type=2"),
    ] {
        let answer = call(&etl, method, target, &[], b"").await;
        answer.refused(method, 503, "ServiceUnavailable");
        foreign_to_s3(&answer, method);
    }
    assert_eq!(fake.refused().len(), 3);
}
