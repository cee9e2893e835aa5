//! Uploads by form: a browser sends what the holder of a session signed for, and nothing else.

use crate::support::fake_target::{FakeTarget, answer};
use crate::support::post_form::Form;
use crate::support::{Client, Payload, Settings, Signed, World, raw};
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::json;
use tokio::io::AsyncWriteExt;

const CONTENT: &[u8] = b"a\r\n--BOUNDARY\r\n--\r\nb";

/// What the tests of refusals want to be empty at their end.
fn untouched(target: &FakeTarget, what: &str) {
    assert_eq!(target.lines(), Vec::<String>::new(), "{what}");
}

async fn world_of(target: &FakeTarget) -> World {
    World::with(Settings {
        target: Some(target.address),
        ..Settings::default()
    })
    .await
}

#[tokio::test]
async fn a_form_uploads_what_its_policy_allows() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let answer = etl.send(Form::of("tmp/a", CONTENT).request(&etl)).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let location = format!("https://{}/lake/tmp/a", etl.host);
    assert_eq!(answer.header("location"), Some(location.as_str()));
    assert!(answer.header("etag").is_some() && answer.body.is_empty());
    assert_eq!(world.stored("tmp/a").as_deref(), Some(CONTENT));
    let record = world.recorded(&answer, "allow", "permit").await;
    assert_eq!(record["api"]["operation"], "PostObject");
    assert_eq!(record["api"]["read_only"], false);
    assert_eq!(record["client"]["auth"], "post-policy");
    assert_eq!(record["client"]["payload"], "unsigned");
    assert_eq!(record["actor"]["id"], "idp:etl");
    assert_eq!(record["resource"]["key"], "tmp/a");
    assert_eq!(record["response"]["bytes_in"], CONTENT.len());
    assert_eq!(record["decision"]["policies"][0], "etl-reads-and-writes");

    // By the name of the host, and by the name of the file.
    let mut by_host = etl.clone();
    by_host.host = format!("lake.{}", etl.host);
    let mut form = Form::of("tmp/b", b"by host").only(json!(["starts-with", "$key", "tmp/"]));
    form.conditions.remove(1);
    form.target = "/";
    form.file_name = "C:\\Users\\ana\\../../b b.txt";
    let form = form
        .filled("key", "tmp/${filename}")
        .with("success_action_status", "201");
    let answer = by_host.send(form.request(&by_host)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let location = format!("https://{}/tmp/b%20b.txt", by_host.host);
    assert_eq!(answer.element("Location"), Some(location.clone()));
    assert_eq!(answer.header("location"), Some(location.as_str()));
    assert_eq!(answer.element("Bucket").as_deref(), Some("lake"));
    assert_eq!(answer.element("Key").as_deref(), Some("tmp/b b.txt"));
    assert!(
        answer.element("ETag").is_some_and(|etag| etag.len() > 30),
        "{}",
        answer.text()
    );
    assert_eq!(world.stored("tmp/b b.txt").as_deref(), Some(&b"by host"[..]));

    let form = Form::of("tmp/c", b"").with("success_action_redirect", "https://shop.test/done?a=b");
    let answer = etl.send(form.request(&etl)).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let back = answer.header("location").unwrap();
    assert!(
        back.starts_with("https://shop.test/done?a=b&bucket=lake&key=tmp%2Fc&etag=%22"),
        "{back}"
    );
    assert_eq!(world.stored("tmp/c").as_deref(), Some(&b""[..]));

    // Large, over both protocols.
    let large: Vec<u8> = (0..3_u32 << 20).map(|n| (n % 251) as u8).collect();
    let request = Form::of("tmp/d", &large)
        .only(json!(["content-length-range", 1, 10 << 20]))
        .request(&etl);
    assert_eq!(etl.send(request.clone()).await.status, 204);
    assert!(world.stored("tmp/d").as_deref() == Some(&large[..]));
    etl.delete("/lake/tmp/d").await;
    let mut http2 = etl.http2().await;
    assert_eq!(etl.send_http2(&mut http2, request).await.status, 204);
    assert!(world.stored("tmp/d").as_deref() == Some(&large[..]));
    let token = etl.keys.clone().unwrap().session_token.unwrap();
    world.kept_secret(&[&token]);
}

#[tokio::test]
async fn a_target_gets_a_put_made_of_covered_fields() {
    let target = FakeTarget::saying(answer("200 OK", "etag: \"e\"\r\nx-amz-version-id: v1\r\n", "")).await;
    let world = world_of(&target).await;
    let etl = world.client("etl").await;
    let tags = "<Tagging><TagSet><Tag><Key>team</Key><Value>a&amp;b</Value></Tag></TagSet></Tagging>";
    let form = Form::of("tmp/a", b"123456789")
        .with("Content-Type", "text/csv")
        .with("Cache-Control", "no-cache")
        .with("acl", "private")
        .with("tagging", tags)
        .with("x-amz-meta-Colour", "red")
        .with("x-amz-storage-class", "STANDARD_IA")
        .with("x-amz-checksum-crc32", "y/Q5Jg==")
        .with("submit", "Upload")
        .field("x-ignore-this", "1");
    let answered = etl.send(form.request(&etl)).await;
    assert_eq!(
        (answered.status, answered.header("x-amz-version-id")),
        (204, Some("v1")),
        "{}",
        answered.text()
    );
    let seen = target.seen().remove(0);
    assert_eq!(seen.line(), "PUT /acme-lake-prod/tmp/a");
    assert_eq!(seen.body, b"123456789");
    for (name, value) in [
        ("content-length", "9"),
        ("content-type", "text/csv"),
        ("cache-control", "no-cache"),
        ("x-amz-tagging", "team=a%26b"),
        ("x-amz-meta-colour", "red"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    // The type of the part is nobody's word.
    for name in [
        "policy",
        "x-amz-credential",
        "x-amz-algorithm",
        "submit",
        "x-ignore-this",
        "tagging",
        "acl",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert!(!seen.head.contains("text/html"), "{}", seen.head);
    let record = world.recorded(&answered, "allow", "permit").await;
    assert_eq!(record["request"]["object_tags"]["team"], "a&b");
}

// AUZ-14: CVE-2023-28434, CVE-2021-21362, CVE-2023-43040, GHSA-w5fh-f8xh-5x3p
#[tokio::test]
async fn what_the_policy_does_not_cover_is_refused() {
    let target = FakeTarget::saying(answer("200 OK", "", "")).await;
    let world = world_of(&target).await;
    let etl = world.client("etl").await;
    let form = || Form::of("tmp/a", CONTENT);
    let mut other_bucket = form();
    other_bucket.target = "/other";
    let mut no_bucket = form();
    no_bucket.conditions.remove(0);
    let mut bucket_field = form().field("bucket", "lake");
    bucket_field.target = "/other";
    let denied = (403, "AccessDenied");
    for (what, form, expected) in [
        ("another key", form().filled("key", "tmp/b"), denied),
        ("another case", form().filled("key", "TMP/A"), denied),
        ("no key", form().without("key"), denied),
        (
            "an extra field",
            form().field("Content-Type", "text/html"),
            denied,
        ),
        ("an extra acl", form().field("acl", "public-read"), denied),
        ("extra metadata", form().field("x-amz-meta-a", "1"), denied),
        ("extra tags", form().field("x-amz-tagging", "a=b"), denied),
        (
            "an extra status",
            form().field("success_action_status", "200"),
            denied,
        ),
        (
            "an open redirect",
            form().field("success_action_redirect", "https://evil.test/"),
            denied,
        ),
        (
            "a condition not met",
            form().only(json!(["starts-with", "$x-amz-meta-a", ""])),
            denied,
        ),
        (
            "types of two kinds",
            form()
                .only(json!(["starts-with", "$Content-Type", "image/"]))
                .field("Content-Type", "image/png,text/html"),
            denied,
        ),
        ("another bucket", other_bucket, denied),
        ("a bucket by field", bucket_field, denied),
        ("a policy for all buckets", no_bucket, denied),
        (
            "another bucket in the field",
            form()
                .only(json!(["starts-with", "$bucket", ""]))
                .field("bucket", "other"),
            denied,
        ),
        (
            "too large",
            form().only(json!(["content-length-range", 0, 3])),
            (400, "EntityTooLarge"),
        ),
        (
            "too small",
            form().only(json!(["content-length-range", 4096, 8192])),
            (400, "EntityTooSmall"),
        ),
        (
            "an unknown operator",
            form().only(json!(["ends-with", "$key", "a"])),
            (400, "InvalidPolicyDocument"),
        ),
        (
            "two properties",
            form().only(json!({ "a": "b", "c": "d" })),
            (400, "InvalidPolicyDocument"),
        ),
        (
            "a public acl",
            form().with("acl", "public-read"),
            (501, "NotImplemented"),
        ),
        (
            "a grant",
            form().with("x-amz-grant-read", "id=1"),
            (501, "NotImplemented"),
        ),
        (
            "a copy",
            form().with("x-amz-copy-source", "lake/secret"),
            (501, "NotImplemented"),
        ),
        (
            "a script",
            form().with("success_action_redirect", "javascript:alert(1)"),
            (400, "InvalidArgument"),
        ),
        (
            "a field twice",
            form().with("Content-Type", "a/b").field("content-type", "c/d"),
            (400, "InvalidArgument"),
        ),
        (
            "a wrong type of tags",
            form().with("tagging", "a=b"),
            (400, "MalformedXML"),
        ),
        (
            "a way out of the bucket",
            Form::of("../other/a", CONTENT),
            (400, "InvalidURI"),
        ),
        ("nowhere", Form::of("", CONTENT), (400, "InvalidArgument")),
    ] {
        let answer = etl.send(form.request(&etl)).await;
        answer.refused(what, expected.0, expected.1);
        let record = world.record_of(&answer).await;
        assert_eq!(record["api"]["operation"], "PostObject", "{what}: {record}");
        assert_eq!(record["decision"]["effect"], "deny", "{what}: {record}");
    }
    untouched(&target, "refused forms");
    let short = etl
        .send(form().with("x-amz-checksum-crc32", "AAAAAA==").request(&etl))
        .await;
    short.refused("a wrong checksum", 400, "BadDigest");
    assert!(
        target.seen().iter().all(|seen| seen.body.len() < CONTENT.len()),
        "it must not be whole"
    );
}

// SIG-04, SIG-05, SIG-07, SIG-08, SIG-09, AUZ-14
#[tokio::test]
async fn a_form_is_worth_what_its_signature_is() {
    let target = FakeTarget::saying(answer("200 OK", "", "")).await;
    let world = world_of(&target).await;
    let etl = world.client("etl").await;
    let form = || Form::of("tmp/a", CONTENT);
    let filled = || form().signed(&etl);
    let other = world.client("analyst").await.keys.unwrap();
    let changed = |change: &dyn Fn(&mut Client)| {
        let mut client = etl.clone();
        change(&mut client);
        form().request(&client)
    };
    let policy = filled().value("policy").to_owned();
    let mut stretched = policy.clone();
    stretched.replace_range(8..9, if policy.as_bytes()[8] == b'A' { "B" } else { "A" });
    let lasting = |minutes: i64, skew: i64| {
        let mut form = form();
        form.lifetime = SignedDuration::from_mins(minutes);
        let mut client = etl.clone();
        client.skew = SignedDuration::from_mins(skew);
        form.request(&client)
    };
    let day = filled()
        .value("x-amz-credential")
        .split('/')
        .nth(1)
        .unwrap()
        .to_owned();
    let credential = |from: &str, to: &str| {
        let credential = filled().value("x-amz-credential").replace(from, to);
        form()
            .signed(&etl)
            .tampered("x-amz-credential", &credential)
            .request(&etl)
    };
    let with_header = |name: &'static str, value: &str| {
        let mut request = form().request(&etl);
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let with_query = |query: &str| {
        let mut request = form().request(&etl);
        *request.uri_mut() = format!("/lake?{query}").parse().unwrap();
        request
    };
    let unsigned = [
        "policy",
        "x-amz-signature",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
    ]
    .into_iter()
    .fold(filled(), |form, name| form.without(name));
    let week = 7 * 24 * 60;
    let mismatch = (403, "SignatureDoesNotMatch");
    let (denied, argument) = ((403, "AccessDenied"), (400, "InvalidArgument"));
    let requests: Vec<(&str, Signed, (u16, &str))> = vec![
        ("nobody", unsigned.request(&etl), denied),
        (
            "another secret",
            changed(&|c| c.keys_mut().secret_access_key = other.secret_access_key.clone()),
            mismatch,
        ),
        (
            "another session",
            changed(&|c| c.keys_mut().session_token = other.session_token.clone()),
            (400, "InvalidToken"),
        ),
        (
            "no session",
            changed(&|c| c.keys_mut().session_token = None),
            (400, "InvalidToken"),
        ),
        (
            "another key id",
            changed(&|c| c.keys_mut().access_key_id = other.access_key_id.clone()),
            (400, "InvalidToken"),
        ),
        (
            "a foreign key id",
            changed(&|c| c.keys_mut().access_key_id = "AKIAIOSFODNN7EXAMPLE".into()),
            (403, "InvalidAccessKeyId"),
        ),
        ("another service", changed(&|c| c.service = "sts"), argument),
        ("another day", credential(&day, "20200101"), argument),
        ("another region", credential("us-east-1", "us-east-2"), mismatch),
        ("no terminator", credential("aws4_request", "aws4"), argument),
        (
            "another algorithm",
            filled()
                .tampered("x-amz-algorithm", "AWS4-ECDSA-P256-SHA256")
                .request(&etl),
            (400, "InvalidRequest"),
        ),
        (
            "a date in another case",
            filled().tampered("x-amz-date", "20261122T000000z").request(&etl),
            argument,
        ),
        (
            "a cut signature",
            filled().tampered("x-amz-signature", "00").request(&etl),
            argument,
        ),
        (
            "a zero signature",
            filled()
                .tampered("x-amz-signature", &"0".repeat(64))
                .request(&etl),
            mismatch,
        ),
        (
            "no signature",
            filled().without("x-amz-signature").request(&etl),
            argument,
        ),
        ("no policy", filled().without("policy").request(&etl), argument),
        (
            "no policy but a key",
            filled().tampered("policy", "").request(&etl),
            (400, "InvalidPolicyDocument"),
        ),
        (
            "version 2",
            form().field("AWSAccessKeyId", "A").request(&etl),
            (400, "InvalidRequest"),
        ),
        ("expired", lasting(5, -6), denied),
        ("expired at once", lasting(-1, 0), denied),
        ("older than a week", lasting(2 * week, -week - 1), denied),
        ("from the future", lasting(60, 16), denied),
        (
            "two authentications",
            with_header("authorization", "AWS4-HMAC-SHA256 Credential=a"),
            argument,
        ),
        (
            "a bearer as well",
            with_header("authorization", "Bearer a"),
            argument,
        ),
        (
            "a signed query as well",
            with_query("X-Amz-Signature=00&X-Amz-Credential=a"),
            argument,
        ),
        (
            "an unsigned header",
            with_header("x-amz-acl", "public-read"),
            denied,
        ),
        (
            "a token in a header",
            with_header("x-amz-security-token", "t"),
            denied,
        ),
        (
            "a foreign header",
            with_header("x-goog-acl", "public-read"),
            denied,
        ),
        (
            "a sum of the form",
            with_header("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
            denied,
        ),
        ("a hoisted header", with_query("x-amz-acl=public-read"), argument),
    ];
    for (what, request, expected) in requests {
        let answer = etl.send(request).await;
        answer.refused(what, expected.0, expected.1);
        let record = world.record_of(&answer).await;
        assert_eq!(record["decision"]["effect"], "deny", "{what}: {record}");
    }
    // The policy holds what it says even if its letters are others.
    let answer = etl
        .send(filled().tampered("policy", &stretched).request(&etl))
        .await;
    assert!(
        matches!(
            answer.code().as_str(),
            "InvalidPolicyDocument" | "SignatureDoesNotMatch"
        ),
        "{}",
        answer.text()
    );
    let expired = etl.send(lasting(5, -6)).await;
    assert_eq!(
        expired.element("Message").as_deref(),
        Some("Invalid according to Policy: Policy expired.")
    );
    world.recorded(&expired, "deny", "expired").await;
    assert_eq!(etl.send(lasting(60, -40)).await.status, 204);
    assert_eq!(target.lines(), ["PUT /acme-lake-prod/tmp/a"]);
    world.kept_secret(&[&policy, &other.session_token.unwrap()]);
}

// AUZ-14
#[tokio::test]
async fn a_form_has_the_rights_of_the_session_that_signed_it() {
    let target = FakeTarget::saying(answer("200 OK", "", "")).await;
    let policy = r#"
permit (principal == Tidegate::Workload::"idp:etl", action == Tidegate::Action::"PutObject", resource)
when { resource.key like "tmp/*" };
"#;
    let world = World::with(Settings {
        target: Some(target.address),
        policy: Some(policy.into()),
        ..Settings::default()
    })
    .await;
    let (etl, analyst) = (world.client("etl").await, world.client("analyst").await);
    for (who, client, form) in [
        ("a reader", &analyst, Form::of("tmp/a", CONTENT)),
        ("another prefix", &etl, Form::of("raw/a", CONTENT)),
        (
            "tags without their right",
            &etl,
            Form::of("tmp/a", CONTENT).with("x-amz-tagging", "a=b"),
        ),
    ] {
        let answer = client.send(form.request(client)).await;
        answer.refused(who, 403, "AccessDenied");
        assert!(
            answer
                .text()
                .contains("is not authorized to perform: s3:PutObject"),
            "{}",
            answer.text()
        );
        let record = world.recorded(&answer, "deny", "no-permit").await;
        assert_eq!(record["api"]["operation"], "PostObject");
    }
    untouched(&target, "denied forms");
    assert_eq!(
        etl.send(Form::of("tmp/a", CONTENT).request(&etl)).await.status,
        204
    );
}

// AUZ-14
#[tokio::test]
async fn only_a_well_formed_form_is_one() {
    let target = FakeTarget::saying(answer("200 OK", "", "")).await;
    let world = world_of(&target).await;
    let etl = world.client("etl").await;
    let filled = || Form::of("tmp/a", CONTENT).signed(&etl);
    let malformed = (400, "MalformedPOSTRequest");
    let after = "\r\n--BOUNDARY\r\nContent-Disposition: form-data; name=\"acl\"\r\n\r\npublic-read\r\n--BOUNDARY--\r\n";
    let large = vec![7; 200_000];
    for content in [CONTENT, &large] {
        let mut filled = filled();
        filled.content = content.to_vec();
        for (what, end) in [
            ("no end", ""),
            ("half an end", "\r\n--BOUND"),
            ("an open end", "\r\n--BOUNDARY\r\n"),
            ("another boundary", "\r\n--OTHER--\r\n"),
            ("bare line ends", "\n--BOUNDARY--\n"),
            ("an epilogue", "\r\n--BOUNDARY--\r\nmore"),
            ("two ends", "\r\n--BOUNDARY--\r\n\r\n--BOUNDARY--\r\n"),
            ("a field behind the file", after),
        ] {
            let before = target.seen().len();
            let answer = etl.send(filled.ending(&etl, end)).await;
            answer.refused(what, malformed.0, malformed.1);
            world.record_of(&answer).await;
            // A large one has begun to flow before its end is seen; its last bytes never leave.
            let seen = target.seen();
            assert!(content.len() > 1000 || seen.len() == before, "{what}");
            for seen in &seen[before..] {
                let declared: usize = seen.header("content-length").unwrap().parse().unwrap();
                assert!(seen.body.len() < declared, "{what}: a whole object");
            }
        }
    }
}

// AUZ-14
#[tokio::test]
async fn what_is_no_form_is_refused() {
    let target = FakeTarget::saying(answer("200 OK", "", "")).await;
    let world = world_of(&target).await;
    let etl = world.client("etl").await;
    let filled = || Form::of("tmp/a", CONTENT).signed(&etl);
    let malformed = (400, "MalformedPOSTRequest");
    let type_of = |content_type: &str| {
        let mut request = filled().request(&etl);
        request
            .headers_mut()
            .insert("content-type", content_type.parse().unwrap());
        request
    };
    let body = |body: Vec<u8>| filled().request(&etl).map(|_| Bytes::from(body));
    let mut no_file = filled();
    no_file.fields.clear();
    let parts = String::from_utf8(filled().head()).unwrap();
    let fields_only = parts
        .rsplit_once("Content-Disposition: form-data; name=\"file\"")
        .unwrap()
        .0
        .to_owned();
    let fields_only = fields_only.trim_end().to_owned() + "--\r\n";
    let padded = Form::of("tmp/a", CONTENT)
        .field("x-ignore-a", &"a".repeat(21 << 10))
        .request(&etl);
    for (what, request, expected) in [
        ("no boundary", type_of("multipart/form-data"), malformed),
        (
            "another boundary",
            type_of("multipart/form-data; boundary=x"),
            malformed,
        ),
        (
            "a boundary that cannot be",
            type_of("multipart/form-data; boundary=\"a\tb\""),
            malformed,
        ),
        ("no bytes", body(Vec::new()), malformed),
        ("one byte", body(b"-".to_vec()), malformed),
        (
            "no file",
            body(fields_only.into_bytes()),
            (400, "IncorrectNumberOfFilesInPostRequest"),
        ),
        (
            "fields only begun",
            body(parts.as_bytes()[..300].to_vec()),
            malformed,
        ),
        (
            "a preamble",
            body([b"x\r\n", &filled().body("\r\n--BOUNDARY--\r\n")[..]].concat()),
            malformed,
        ),
        (
            "endless fields",
            padded,
            (400, "MaxPostPreDataLengthExceededError"),
        ),
        ("no credentials", no_file.request(&etl), (403, "AccessDenied")),
    ] {
        let answer = etl.send(request).await;
        answer.refused(what, expected.0, expected.1);
        world.record_of(&answer).await;
    }
    etl.send_in_pieces(filled().request(&etl), 100)
        .await
        .refused("no length", 411, "MissingContentLength");
    untouched(&target, "what is no form");
    // The line end behind the last boundary is nothing of it: a small form may leave it out.
    assert_eq!(
        etl.send(filled().ending(&etl, "\r\n--BOUNDARY--")).await.status,
        204
    );
    assert_eq!(target.seen().last().unwrap().body, CONTENT);
    // A POST to a bucket that is no form is no call at all.
    let plain = etl.sign(
        "POST",
        "/lake",
        &[("content-type", "text/plain")],
        b"a",
        Payload::Literal,
    );
    assert!(etl.send(plain).await.status >= 400);
}

// FLW-02
#[tokio::test]
async fn a_form_that_breaks_off_never_becomes_an_object() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    for (size, cut) in [
        (10, 3),
        (10, 10),
        (300_000, 5),
        (300_000, 200_000),
        (300_000, 300_000),
        (300_000, 300_020),
    ] {
        let filled = Form::of("tmp/a", &vec![7; size]).signed(&etl);
        let request = filled.request(&etl);
        let agent = format!("cut/{size}-{cut}");
        let length = request.body().len();
        let more = format!("user-agent: {agent}\r\ncontent-length: {length}\r\n");
        let mut stream = etl.connect().await;
        stream.write_all(&raw::head(&request, &more)).await.unwrap();
        stream
            .write_all(&request.body()[..filled.head().len() + cut])
            .await
            .unwrap();
        stream.flush().await.unwrap();
        stream.shutdown().await.unwrap();
        let ended = |r: &serde_json::Value| r["client"]["user_agent"] == agent;
        let records = world.audit_when(|records| records.iter().any(ended)).await;
        assert_eq!(records.iter().filter(|r| ended(r)).count(), 1);
        assert_eq!(world.stored("tmp/a"), None, "{agent}");
    }
}
