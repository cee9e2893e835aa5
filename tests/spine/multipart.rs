//! Uploads in parts, from the first call to the last.

use crate::support::{Answer, Client, Payload, World};

async fn create(client: &Client, key: &str) -> String {
    let answer = call(client, "POST", &format!("/lake/{key}?uploads"), b"").await;
    assert_eq!(
        (answer.status, answer.element("Bucket").as_deref()),
        (200, Some("lake")),
        "{}",
        answer.text()
    );
    assert_eq!(answer.element("Key").as_deref(), Some(key));
    answer.element("UploadId").unwrap()
}

async fn call(client: &Client, method: &str, target: &str, body: &[u8]) -> Answer {
    client
        .send(client.sign(method, target, &[], body, Payload::Literal))
        .await
}

fn complete(etags: &[&str]) -> String {
    let part = |(i, etag): (usize, &&str)| {
        format!(
            "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>",
            i + 1
        )
    };
    let parts: String = etags.iter().enumerate().map(part).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

#[tokio::test]
async fn parts_become_one_object() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let upload = create(&etl, "tmp/large").await;
    let (first, second) = (vec![1; 5 << 20], vec![2; 1000]);
    let mut etags = Vec::new();
    for (number, part) in [(1, &first), (2, &second)] {
        let target = format!("/lake/tmp/large?partNumber={number}&uploadId={upload}");
        let answer = call(&etl, "PUT", &target, part).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        etags.push(answer.header("etag").unwrap().to_owned());
        let record = world.record_of(&answer).await;
        assert_eq!(
            (&record["resource"]["part"], &record["api"]["operation"]),
            (&number.into(), &"UploadPart".into())
        );
        assert_ne!(
            record["resource"]["upload_id"], upload,
            "an upload id is a bearer of rights"
        );
    }
    assert_eq!(world.stored("tmp/large"), None);
    let target = format!("/lake/tmp/large?uploadId={upload}");
    let parts = etl.get(&target).await;
    assert_eq!(
        (parts.status, parts.text().matches("<Part>").count()),
        (200, 2),
        "{}",
        parts.text()
    );
    assert_eq!(parts.element("Bucket").as_deref(), Some("lake"));
    assert!(!parts.text().contains("acme"));

    let etags: Vec<&str> = etags.iter().map(String::as_str).collect();
    let done = call(&etl, "POST", &target, complete(&etags).as_bytes()).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let location = format!("https://{}/lake/tmp/large", etl.host);
    let named = done.element("Location");
    assert!(named.is_none_or(|named| named == location), "{}", done.text());
    assert_eq!(
        (done.element("Bucket").as_deref(), done.element("Key").as_deref()),
        (Some("lake"), Some("tmp/large"))
    );
    assert!(world.stored("tmp/large") == Some([first, second].concat()));
    assert_eq!(
        world.recorded(&done, "allow", "permit").await["api"]["operation"],
        "CompleteMultipartUpload"
    );
    world.kept_secret(&[&upload]);
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let upload = create(&etl, "tmp/a").await;
    let target = format!("/lake/tmp/a?uploadId={upload}");
    let part = call(&etl, "PUT", &format!("{target}&partNumber=1"), b"part").await;
    assert_eq!(part.status, 200);
    let aborted = call(&etl, "DELETE", &target, b"").await;
    assert_eq!(aborted.status, 204, "{}", aborted.text());
    assert_eq!(
        world.record_of(&aborted).await["api"]["operation"],
        "AbortMultipartUpload"
    );
    let answer = call(&etl, "POST", &target, complete(&["e"]).as_bytes()).await;
    assert!(answer.status >= 400, "{}", answer.text());
    assert_eq!(world.stored("tmp/a"), None);
}

// AUZ-06
#[tokio::test]
async fn every_call_of_an_upload_is_decided_and_its_documents_are_read_strictly() {
    let world = World::start().await;
    let etl = world.client("etl").await;
    let analyst = world.client("analyst").await;
    let good = complete(&["e"]);
    for (method, target, body) in [
        ("POST", "/lake/public/a?uploads", ""),
        ("PUT", "/lake/public/a?partNumber=1&uploadId=u", "x"),
        ("POST", "/lake/public/a?uploadId=u", &good),
        ("DELETE", "/lake/public/a?uploadId=u", ""),
        ("GET", "/lake/public/a?uploadId=u", ""),
        ("GET", "/lake?uploads", ""),
    ] {
        let answer = call(&analyst, method, target, body.as_bytes()).await;
        answer.refused(target, 403, "AccessDenied");
        world.recorded(&answer, "deny", "no-permit").await;
    }
    for (what, document) in [
        ("nothing", String::new()),
        ("no part", complete(&[])),
        ("no etag", good.replace("<ETag>e</ETag>", "")),
        ("empty etag", complete(&[""])),
        (
            "two numbers",
            good.replace("<ETag>", "<PartNumber>2</PartNumber><ETag>"),
        ),
        ("number zero", good.replace(">1<", ">0<")),
        ("signed number", good.replace(">1<", ">+1<")),
        ("large number", good.replace(">1<", ">10001<")),
        (
            "unknown element",
            good.replace("<ETag>", "<Key>raw/a</Key><ETag>"),
        ),
        (
            "entity",
            format!("<!DOCTYPE d [<!ENTITY e \"e\">]>{}", complete(&["&e;"])),
        ),
        (
            "other root",
            "<Delete><Object><Key>tmp/a</Key></Object></Delete>".to_owned(),
        ),
    ] {
        let answer = call(&etl, "POST", "/lake/tmp/a?uploadId=u", document.as_bytes()).await;
        answer.refused(what, 400, "MalformedXML");
        world.recorded(&answer, "deny", "malformed").await;
    }
    world.untouched("uploads that are not allowed or not understood");
}
