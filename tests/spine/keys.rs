//! Names: a key is read once, and policy, audit and target see the same bytes, or nobody sees anything.

use crate::support::fake_target::FakeTarget;
use crate::support::{Payload, Settings, World, raw};

const STORED: &str = "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 0\r\n\r\n";

// CLS-05, CLS-06, CLS-09
#[tokio::test]
async fn every_spelling_of_a_key_reaches_the_target_as_one() {
    let target = FakeTarget::saying(STORED).await;
    let world = World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await;
    let etl = world.client("etl").await;
    let long = "k".repeat(1024);
    // As it is sent; as S3 signs it, and as it must arrive; the key.
    for (sent, canonical, key) in [
        ("tmp/a", "tmp/a", "tmp/a"),
        ("tmp/a//b", "tmp/a//b", "tmp/a//b"),
        ("/a", "/a", "/a"),
        ("tmp/a/", "tmp/a/", "tmp/a/"),
        ("tmp%2Fa", "tmp/a", "tmp/a"),
        ("tmp%2fa", "tmp/a", "tmp/a"),
        ("%74mp/%61", "tmp/a", "tmp/a"),
        ("tmp/%252e%252e/a", "tmp/%252e%252e/a", "tmp/%2e%2e/a"),
        ("tmp/a+b", "tmp/a%2Bb", "tmp/a+b"),
        ("tmp/a%2bb", "tmp/a%2Bb", "tmp/a+b"),
        ("tmp/a%20b", "tmp/a%20b", "tmp/a b"),
        ("tmp/a%3Fb%23c", "tmp/a%3Fb%23c", "tmp/a?b#c"),
        ("tmp/%c3%a4", "tmp/%C3%A4", "tmp/ä"),
        ("tmp/a%CC%88", "tmp/a%CC%88", "tmp/a\u{308}"),
        ("tmp/.../..a", "tmp/.../..a", "tmp/.../..a"),
        ("tmp/a%5Cb", "tmp/a%5Cb", "tmp/a\\b"),
        (&long, &long, &long),
    ] {
        let mut request = etl.sign("PUT", &format!("/lake/{canonical}"), &[], b"x", Payload::Literal);
        *request.uri_mut() = format!("/lake/{sent}").parse().unwrap();
        let answer = etl.send(request).await;
        assert_eq!(answer.status, 200, "{sent}: {}", answer.text());
        let arrived = target.lines().pop().unwrap();
        assert_eq!(
            arrived.split('?').next(),
            Some(&*format!("PUT /acme-lake-prod/{canonical}")),
            "{sent}"
        );
        let record = world.record_of(&answer).await;
        assert_eq!(record["resource"]["key"], key, "{sent}");
    }
    let seen = target.seen();
    // What the caller showed stays here.
    let token = etl.keys.unwrap().session_token.unwrap();
    assert!(
        seen.iter()
            .all(|seen| !seen.head.contains(&token) && !seen.head.contains("lake.s3"))
    );
}

// CLS-05, CLS-06
#[tokio::test]
async fn keys_that_could_be_read_in_two_ways_are_refused() {
    let world = World::start().await;
    world.store_file("acme-other", "k", b"secret");
    let etl = world.client("etl").await;
    let long = format!("/lake/{}", "k".repeat(1025));
    for (path, code) in [
        ("/lake/../other/k", "InvalidURI"),
        ("/lake/..%2Fother/k", "InvalidURI"),
        ("/lake/%2e%2e/other/k", "InvalidURI"),
        ("/lake/%2E./other/k", "InvalidURI"),
        ("/lake/.%2e%2fother%2fk", "InvalidURI"),
        ("/lake/tmp/./a", "InvalidURI"),
        ("/lake/tmp/..", "InvalidURI"),
        ("/lake/tmp/a%00b", "InvalidURI"),
        ("/lake/tmp/%ff", "InvalidURI"),
        ("/lake/tmp/%c0%ae%c0%ae/k", "InvalidURI"),
        (&long, "KeyTooLongError"),
        ("/../lake/tmp/a", "InvalidBucketName"),
        ("/%2e%2e/lake/tmp/a", "InvalidBucketName"),
        ("/./lake/tmp/a", "InvalidBucketName"),
        ("//lake/tmp/a", "InvalidBucketName"),
        ("/Lake/tmp/a", "InvalidBucketName"),
        ("/lake%00/tmp/a", "InvalidBucketName"),
        ("/lake\\..\\other/k", "InvalidBucketName"),
        ("/lake/tmp/%zz", "InvalidRequest"),
        ("/lake/tmp/%2", "InvalidRequest"),
        ("https://localhost/lake/tmp/a", "InvalidRequest"),
        ("lake/tmp/a", "InvalidRequest"),
        ("*", "InvalidRequest"),
    ] {
        for method in ["GET", "PUT", "DELETE", "HEAD"] {
            let request = etl.sign(method, "/lake/tmp/a", &[], b"", Payload::Literal);
            let head = String::from_utf8(raw::head(&request, "content-length: 0\r\n")).unwrap();
            let head = head.replacen("/lake/tmp/a", path, 1);
            if method == "HEAD" {
                assert_eq!(etl.exchange_head(head.as_bytes()).await.status, 400, "{path}");
                continue;
            }
            let answer = etl.exchange(head.as_bytes()).await;
            answer.refused(&format!("{method} {path}"), 400, code);
            world.recorded(&answer, "deny", "malformed").await;
        }
    }
    world.untouched("keys that could be read in two ways");
}

#[tokio::test]
async fn policy_sees_the_key_that_the_target_sees() {
    let world = World::start().await;
    world.store_file("acme-lake-prod", "public/a", b"public");
    world.store_file("acme-lake-prod", "secret/a", b"secret");
    let analyst = world.client("analyst").await;
    for path in ["public/a", "%70ublic/a", "public%2Fa", "public%2fa"] {
        let mut request = analyst.sign("GET", "/lake/public/a", &[], b"", Payload::Literal);
        *request.uri_mut() = format!("/lake/{path}").parse().unwrap();
        assert_eq!(analyst.send(request).await.text(), "public", "{path}");
    }
    let before = world.target_requests().len();
    for path in [
        "secret/a",
        "Public/a",
        "public",
        "publicity/a",
        "%252e%252e/public/a",
        "/public/a",
    ] {
        let answer = analyst.get(&format!("/lake/{path}")).await;
        answer.refused(path, 403, "AccessDenied");
        world.recorded(&answer, "deny", "no-permit").await;
    }
    assert_eq!(world.target_requests().len(), before);
}

#[tokio::test]
async fn virtual_host_and_path_style_are_the_same_bucket() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let port = etl.address.port();
    let at = |host: &str| {
        let mut client = etl.clone();
        client.host = format!("{host}:{port}");
        client
    };
    for host in ["lake.s3.tidegate.test", "lake.localhost"] {
        let hosted = at(host);
        assert_eq!(
            hosted.put("/tmp/a%2Fb", b"x").await.status,
            403,
            "signed as it was not meant"
        );
        assert_eq!(hosted.put("/tmp/a", host.as_bytes()).await.status, 200);
        assert_eq!(world.stored("tmp/a").as_deref(), Some(host.as_bytes()));
        assert_eq!(etl.get("/lake/tmp/a").await.text(), host);
        assert_eq!(at("s3.tidegate.test").get("/lake/tmp/a").await.text(), host);
        let list = hosted.get("/?list-type=2&prefix=tmp%2F").await;
        assert_eq!(
            (list.status, list.element("Name").as_deref()),
            (200, Some("lake"))
        );
        let nested = hosted.get("/lake/tmp/a").await;
        nested.refused("the bucket is not in the path too", 404, "NoSuchKey");
        assert_eq!(world.record_of(&nested).await["resource"]["key"], "lake/tmp/a");
        hosted
            .put("/../other/k", b"x")
            .await
            .refused("dots", 400, "InvalidURI");
    }
    let before = world.target_requests().len();
    // No name of a server was given with TLS, so `Host` alone decides.
    at("127.0.0.1")
        .get("/lake/tmp/a")
        .await
        .refused("unknown host", 400, "InvalidRequest");
    for host in [
        "evil.test",
        "localhost.evil.test",
        "lake.localhost",
        "other.s3.tidegate.test",
    ] {
        let mut request = etl.sign("GET", "/lake/tmp/a", &[], b"", Payload::Literal);
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = etl.send(request).await;
        answer.refused(host, 421, "InvalidRequest");
        world.recorded(&answer, "deny", "malformed").await;
    }
    assert_eq!(world.target_requests().len(), before);
}

// CLS-06: a store that keeps objects as files takes these for other keys, about which policy was not asked.
#[tokio::test]
async fn keys_that_the_store_may_take_for_others_do_not_reach_it() {
    let world = World::with(Settings {
        target_lines: "exact_keys = false".into(),
        policy: Some("permit (principal, action, resource);".into()),
        ..Settings::default()
    })
    .await;
    world.store_file("acme-lake-prod", "tmp/a", b"kept");
    let etl = world.client("etl").await;
    for key in ["tmp//a", "/tmp/a", "tmp%5Ca", "tmp/a%5C", "tmp/a//"] {
        let path = format!("/lake/{key}");
        for (method, target) in [
            ("GET", path.clone()),
            ("PUT", path.clone()),
            ("DELETE", path.clone()),
            ("PUT", format!("{path}?tagging")),
            ("POST", format!("{path}?uploads")),
        ] {
            let body: &[u8] = match target.ends_with("?tagging") {
                true => b"<Tagging><TagSet/></Tagging>",
                false => b"",
            };
            let answer = etl
                .send(etl.sign(method, &target, &[], body, Payload::Literal))
                .await;
            answer.refused(&format!("{method} {target}"), 400, "InvalidArgument");
            assert!(answer.text().contains("may take the key"), "{}", answer.text());
        }
        let copy = [("x-amz-copy-source", &*format!("lake/{key}"))];
        let answer = etl
            .send(etl.sign("PUT", "/lake/tmp/b", &copy, b"", Payload::Literal))
            .await;
        answer.refused(&format!("copy of {key}"), 400, "InvalidArgument");
        let plain = key.replace("%5C", "\\");
        let document =
            format!("<Delete><Object><Key>tmp/z</Key></Object><Object><Key>{plain}</Key></Object></Delete>");
        let answer = etl
            .send(etl.sign("POST", "/lake?delete", &[], document.as_bytes(), Payload::Literal))
            .await;
        answer.refused(&format!("bulk delete of {key}"), 400, "InvalidArgument");
    }
    world.untouched("ambiguous keys");
    assert_eq!(world.stored("tmp/a").as_deref(), Some(&b"kept"[..]));
    // A folder's marker is no such key.
    assert_ne!(etl.get("/lake/tmp/").await.status, 400);
}
