//! What answers and records tell, and to whom: whether something exists, keys of customers, somebody else's words.

use crate::support::fake_target::{FakeTarget, answer};
use crate::support::{Payload, Settings, World};

// AUZ-15
#[tokio::test]
async fn whoever_may_not_read_does_not_learn_what_is_there() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "raw/there", b"content");
    let analyst = world.client("analyst").await;
    let of = |text: String, key: &str| {
        let text = text.replace(key, "KEY");
        let (before, rest) = text.split_once("<RequestId>").unwrap();
        before.to_owned() + rest.split_once("</RequestId>").unwrap().1
    };
    for headers in [
        &[][..],
        &[("if-match", "\"wrong\"")],
        &[("if-none-match", "*")],
        &[("if-modified-since", "Tue, 03 Nov 2026 08:00:00 GMT")],
        &[("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT")],
        &[("range", "bytes=999999-")],
        &[("range", "bytes=0-0")],
        &[("expect", "100-continue")],
    ] {
        for (method, query) in [
            ("GET", ""),
            ("GET", "?acl"),
            ("GET", "?tagging"),
            ("DELETE", ""),
            ("GET", "?attributes"),
        ] {
            let mut texts = Vec::new();
            for key in ["raw/there", "raw/gone"] {
                let target = format!("/lake/{key}{query}");
                let answer = analyst
                    .send(analyst.sign(method, &target, headers, b"", Payload::Literal))
                    .await;
                if answer.status == 501 {
                    // A header that this call does not have.
                    continue;
                }
                answer.refused(&format!("{method} {target} {headers:?}"), 403, "AccessDenied");
                for name in [
                    "etag",
                    "last-modified",
                    "content-range",
                    "accept-ranges",
                    "x-amz-version-id",
                ] {
                    assert_eq!(answer.header(name), None, "{target}");
                }
                texts.push(of(answer.text(), key));
            }
            assert_eq!(texts.first(), texts.last(), "{method} {query} {headers:?}");
        }
        for key in ["raw/there", "raw/gone"] {
            let request = analyst.sign("HEAD", &format!("/lake/{key}"), headers, b"", Payload::Literal);
            let answer = analyst.send(request).await;
            assert_eq!(
                (answer.status, answer.body.len(), answer.header("etag")),
                (403, 0, None),
                "{key}"
            );
        }
    }
    world.untouched("questions of somebody who may not read");
    // Who may, learns it.
    let etl = world.client("etl").await;
    etl.get("/lake/raw/gone").await.refused("gone", 404, "NoSuchKey");
    assert_eq!(etl.get("/lake/raw/there").await.status, 200);
}

// AUZ-16
#[tokio::test]
async fn the_key_of_a_customer_crosses_and_is_written_down_nowhere() {
    let target = FakeTarget::saying(answer(
        "200 OK",
        "etag: \"e\"\r\n",
        "<CopyObjectResult></CopyObjectResult>",
    ))
    .await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    const KEY: &str = "Y2FuYXJ5LWN1c3RvbWVyLWtleS0zMi1ieXRlcy4uLi4=";
    const COPY_KEY: &str = "b3RoZXItY2FuYXJ5LWtleS1vZi0zMi1ieXRlcy4uLi4=";
    let own = [
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", KEY),
        ("x-amz-server-side-encryption-customer-key-md5", "bWQ1"),
    ];
    let source = [
        ("x-amz-copy-source", "lake/tmp/b"),
        (
            "x-amz-copy-source-server-side-encryption-customer-algorithm",
            "AES256",
        ),
        ("x-amz-copy-source-server-side-encryption-customer-key", COPY_KEY),
        (
            "x-amz-copy-source-server-side-encryption-customer-key-md5",
            "bWQ1",
        ),
        ("x-amz-server-side-encryption-customer-key", KEY),
    ];
    for (method, path, headers) in [
        ("PUT", "/lake/tmp/a", &own[..]),
        ("GET", "/lake/tmp/a", &own),
        ("HEAD", "/lake/tmp/a", &own),
        ("PUT", "/lake/tmp/c", &source),
    ] {
        if method != "HEAD" {
            let answer = etl
                .send(etl.sign(method, path, headers, b"", Payload::Literal))
                .await;
            assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
            let seen = target.last();
            for (name, value) in headers.iter().filter(|(name, _)| *name != "x-amz-copy-source") {
                assert_eq!(seen.header(name), Some(*value), "{method} {path}");
            }
            world.record_of(&answer).await;
            let presigned = etl.presign(method, path, headers, b"", 60);
            world.record_of(&etl.send(presigned).await).await;
        }
        // Denied, broken and refused requests have it in them too.
        for bad in [
            "/lake/frozen/../a",
            "/elsewhere/a",
            "/lake/tmp/a?unknown=1",
            "/lake/tmp/a?x-amz-server-side-encryption-customer-key=x",
        ] {
            let answer = etl
                .send(etl.sign(method, bad, headers, b"", Payload::Literal))
                .await;
            assert!(
                answer.status >= 400 && !answer.text().contains(KEY) && !answer.text().contains(COPY_KEY),
                "{bad}"
            );
            world.record_of(&answer).await;
        }
    }
    world.kept_secret(&[KEY, COPY_KEY, "customer-key\":\"", "canary-customer"]);
}

// LEK-06
#[tokio::test]
async fn only_signed_requests_choose_headers_of_the_answer_and_none_breaks_out() {
    let target = FakeTarget::saying(answer(
        "200 OK",
        "content-type: text/html\r\ncontent-disposition: x\r\n",
        "x",
    ))
    .await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let names = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    ];
    for name in names {
        for value in [
            "a%0D%0Aset-cookie:x",
            "a%0Ab",
            "a%0Db",
            "a%00b",
            "%7F",
            "a%C2%85b",
        ] {
            let path = format!("/lake/tmp/a?response-{name}={value}");
            etl.get(&path).await.refused(&path, 400, "InvalidArgument");
            let head = etl.head(&path).await;
            assert_eq!(head.status, 400, "{path}");
        }
        let path = format!("/lake/tmp/a?response-{name}=a%2Fb");
        let anonymous = world.anonymous();
        let unsigned = anonymous.unsigned("GET", &path, &[], b"");
        anonymous
            .send(unsigned)
            .await
            .refused("unsigned", 403, "AccessDenied");
        // Added to a URL that was signed without it.
        let mut presigned = etl.presign("GET", "/lake/tmp/a", &[], b"", 60);
        let more = format!("{}&response-{name}=a%2Fb", presigned.uri());
        *presigned.uri_mut() = more.parse().unwrap();
        etl.send(presigned)
            .await
            .refused("added later", 403, "SignatureDoesNotMatch");
        for method in ["PUT", "DELETE"] {
            let answer = etl
                .send(etl.sign(method, &path, &[], b"", Payload::Literal))
                .await;
            answer.refused(&format!("{method} {path}"), 501, "NotImplemented");
        }
    }
    for unknown in [
        "response-set-cookie",
        "response-location",
        "Response-Content-Type",
        "response-x-amz-meta-a",
    ] {
        let path = format!("/lake/tmp/a?{unknown}=x");
        etl.get(&path).await.refused(unknown, 501, "NotImplemented");
    }
    assert_eq!(target.lines(), Vec::<String>::new());
    for name in names {
        let answer = etl.get(&format!("/lake/tmp/a?response-{name}=a%2Fb")).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(
            target.lines().pop(),
            Some(format!("GET /acme-lake-prod/tmp/a?response-{name}=a%2Fb"))
        );
    }
}

// CLS-11
#[tokio::test]
async fn content_codings_pass_as_they_are() {
    let bytes = b"\x1f\x8b\x08\x00 this is no gzip \xff\x00";
    let coded = [
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-type: text/plain\r\n".to_vec(),
        format!("content-length: {}\r\n\r\n", bytes.len()).into_bytes(),
        bytes.to_vec(),
    ];
    let target = FakeTarget::saying(coded.concat()).await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    for (sent, arrives) in [
        (None, None),
        (Some("gzip, br"), Some("gzip, br")),
        (Some("identity"), Some("identity")),
    ] {
        let headers: Vec<(&str, &str)> = sent.map(|value| ("accept-encoding", value)).into_iter().collect();
        let answer = etl
            .send(etl.sign("GET", "/lake/tmp/a", &headers, b"", Payload::Literal))
            .await;
        assert_eq!(
            (answer.status, answer.header("content-encoding")),
            (200, Some("gzip"))
        );
        assert_eq!(&answer.body[..], bytes);
        assert_eq!(target.last().header("accept-encoding"), arrives);
    }
}

// LEK-03
#[tokio::test]
async fn nothing_is_written_elsewhere_and_no_other_door_is_open() {
    let world = World::with(Settings {
        policy: Some(
            "permit (principal, action, resource); permit (principal, action in Tidegate::Action::\"manage\", resource);".into(),
        ),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let place = "<OutputLocation><S3><BucketName>evil</BucketName><Prefix>x</Prefix></S3></OutputLocation>";
    for inside in [
        place.to_owned(),
        format!("<Days>1</Days>{place}"),
        "<Type>SELECT</Type>".to_owned(),
        "<SelectParameters><Expression>SELECT * FROM S3Object</Expression></SelectParameters>".to_owned(),
        "<Days>1</Days><Description>x</Description>".to_owned(),
    ] {
        let document = format!("<RestoreRequest>{inside}</RestoreRequest>");
        let request = etl.sign(
            "POST",
            "/lake/a?restore",
            &[],
            document.as_bytes(),
            Payload::Literal,
        );
        etl.send(request).await.refused(&inside, 400, "MalformedXML");
    }
    for path in [
        "/arn%3Aaws%3As3%3Aus-east-1%3A123456789012%3Aaccesspoint%2Fap/k",
        "/arn:aws:s3:us-east-1:123456789012:accesspoint/ap/k",
        "/arn:aws:s3-object-lambda:us-east-1:123456789012:accesspoint/ap",
        "/arn:aws:s3-outposts:us-east-1:123456789012:outpost/op/accesspoint/ap",
        "/lambda--ol-s3/k",
        "/ap-abcdefgh-s3alias/k",
        "/bucket--use1-az4--x-s3/k",
        "/WriteGetObjectResponse",
    ] {
        for method in ["GET", "PUT", "POST"] {
            let answer = etl.send(etl.sign(method, path, &[], b"", Payload::Literal)).await;
            // What it is meant for is said; other names are no names.
            let (status, code) = match path.starts_with("/arn") {
                true => (501, "NotImplemented"),
                false => (400, "InvalidBucketName"),
            };
            answer.refused(&format!("{method} {path}"), status, code);
        }
    }
    for path in [
        "/v20180820/accesspoint/ap",
        "/v20180820/configuration/publicAccessBlock",
        "/v20180820/jobs",
    ] {
        let account = [("x-amz-account-id", "123456789012")];
        let answer = etl
            .send(etl.sign("GET", path, &account, b"", Payload::Literal))
            .await;
        answer.refused(path, 501, "NotImplemented");
        etl.get(path).await.refused(path, 403, "AccessDenied");
    }
    for host in [
        "123456789012.s3-control.us-east-1.amazonaws.com",
        "route.s3-object-lambda.us-east-1.amazonaws.com",
    ] {
        let mut request = etl.sign("GET", "/lake/a", &[], b"", Payload::Literal);
        request.headers_mut().insert("host", host.parse().unwrap());
        etl.send(request).await.refused(host, 421, "InvalidRequest");
    }
    world.untouched("doors to elsewhere");
}
