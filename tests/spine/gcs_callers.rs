//! Callers of Google's XML API: with a token, on the paths of S3, to buckets at Google.

use crate::support::gcs::{Auth, FakeGcs, with_hmac_key, with_token, world_with};
use crate::support::world::{POLICY, STORE_SECRET};
use crate::support::{Answer, Client, World};

const CONTENT: &[u8] = b"123456789";
const HASH: &str = "crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw==";

/// A caller with its token.
pub struct Caller {
    client: Client,
    pub token: String,
}

impl Caller {
    pub fn of(world: &World, subject: &str) -> Self {
        Self {
            client: world.anonymous(),
            token: world.token(subject),
        }
    }

    pub async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.client
            .bearer_with(method, target, &self.token, headers, body)
            .await
    }
}

/// A world whose policy is that of the samples.
pub async fn under_policy(more: &str) -> (FakeGcs, World) {
    let credentials = "kind = \"access-token\"\ntoken = \"env:STORE_SECRET_ACCESS_KEY\"";
    world_with(Auth::Token(STORE_SECRET), credentials, &format!("{POLICY}{more}")).await
}

// GCS-07, LEK-04
#[tokio::test]
async fn an_object_is_written_read_listed_copied_and_deleted_in_googles_words() {
    for (fake, world) in [with_token().await, with_hmac_key().await] {
        let etl = Caller::of(&world, "etl");
        let put = etl
            .ask(
                "PUT",
                "/lake/tmp/a",
                &[
                    ("content-type", "text/csv"),
                    ("x-goog-acl", "private"),
                    ("x-goog-api-client", "gl-rust/1.95"),
                    ("x-goog-hash", HASH),
                    ("x-goog-if-generation-match", "0"),
                    ("x-goog-meta-colour", "blue"),
                    ("x-goog-storage-class", "NEARLINE"),
                    ("x-goog-user-project", "somebodys-bill"),
                ],
                CONTENT,
            )
            .await;
        assert_eq!(put.status, 200, "{} {:?}", put.text(), fake.refused());
        let seen = fake.last();
        assert_eq!(seen.header("x-goog-if-generation-match"), Some("0"));
        assert_eq!(seen.header("x-goog-user-project"), None);
        assert_eq!(seen.header("x-goog-acl"), None);
        let hashes: Vec<_> = seen.headers.get_all("x-goog-hash").iter().collect();
        assert_eq!(hashes.len(), 2, "{hashes:?}");
        let object = fake.object("tmp/a").unwrap();
        assert_eq!(object.class, "NEARLINE");
        let generation = object.generation.to_string();
        assert_eq!(put.header("x-goog-generation"), Some(&*generation));
        assert_eq!(put.header("x-goog-metageneration"), Some("1"));
        assert_eq!(put.header("etag"), Some(&*object.etag));
        googles(&put, "a write");

        let get = etl
            .ask(
                "GET",
                &format!("/lake/tmp/a?generation={generation}"),
                &[("range", "bytes=2-4")],
                b"",
            )
            .await;
        assert_eq!((get.status, get.text().as_str()), (206, "345"));
        for (name, value) in [
            ("x-goog-generation", &*generation),
            ("x-goog-meta-colour", "blue"),
            ("x-goog-storage-class", "NEARLINE"),
            ("x-goog-stored-content-encoding", "identity"),
            ("x-goog-stored-content-length", "9"),
            ("content-range", "bytes 2-4/9"),
            ("content-type", "text/csv"),
        ] {
            assert_eq!(get.header(name), Some(value), "{name}");
        }
        let hashes: Vec<_> = get.headers.get_all("x-goog-hash").iter().collect();
        assert_eq!(hashes, ["crc32c=4waSgw==", "md5=JfnnlDI7RTiF9RgfG2JNCw=="]);
        googles(&get, "a read");
        let record = world.recorded(&get, "allow", "permit").await;
        assert_eq!(record["api"]["protocol"], "gcs");
        assert_eq!(record["api"]["operation"], "GetObject");
        assert_eq!(record["resource"]["version_id"], *generation);
        let head = etl.ask("HEAD", "/lake/tmp/a", &[], b"").await;
        assert_eq!((head.status, head.header("content-length")), (200, Some("9")));
        assert_eq!(head.header("x-goog-hash"), Some("crc32c=4waSgw=="));

        let list = etl.ask("GET", "/lake?list-type=2&prefix=tmp/", &[], b"").await;
        assert_eq!(
            list.element("Generation").as_deref(),
            Some(&*generation),
            "{}",
            list.text()
        );
        assert_eq!(list.element("MetaGeneration").as_deref(), Some("1"));
        assert_eq!(list.element("StorageClass").as_deref(), Some("NEARLINE"));
        assert_eq!(list.element("Name").as_deref(), Some("lake"));

        let copy = [
            ("x-goog-copy-source", "lake/tmp/a"),
            ("x-goog-copy-source-generation", &*generation),
            ("x-goog-metadata-directive", "REPLACE"),
            ("x-goog-meta-colour", "red"),
        ];
        let copied = etl.ask("PUT", "/lake/tmp/b", &copy, b"").await;
        assert_eq!(copied.status, 200, "{}", copied.text());
        assert_eq!(
            fake.last().header("x-goog-copy-source-generation"),
            Some(&*generation)
        );
        assert_eq!(fake.stored("tmp/b").as_deref(), Some(CONTENT));
        assert_eq!(
            fake.object("tmp/b").unwrap().metadata("x-goog-meta-colour"),
            Some("red")
        );

        let target = format!("/lake/tmp/a?generation={generation}");
        assert_eq!(etl.ask("DELETE", &target, &[], b"").await.status, 204);
        // What is not there was not deleted.
        etl.ask("DELETE", &target, &[], b"")
            .await
            .refused("another deletion", 404, "NoSuchKey");
        assert_eq!(fake.stored("tmp/a"), None);
        assert_eq!(fake.refused(), Vec::<String>::new());
        world.kept_secret(&[&etl.token, STORE_SECRET]);
    }
}

/// Fails if something of Google's reaches the caller that works there or leads there.
fn googles(answer: &Answer, what: &str) {
    for name in [
        "x-guploader-uploadid",
        "alt-svc",
        "server",
        "location",
        "set-cookie",
    ] {
        assert_eq!(answer.header(name), None, "{what}: {name}");
    }
    assert!(
        !answer.text().contains("acme-lake-prod"),
        "{what}: {}",
        answer.text()
    );
}

// GCS-07
#[tokio::test]
async fn preconditions_are_heeded_by_google() {
    let (fake, world) = with_token().await;
    let etl = Caller::of(&world, "etl");
    etl.ask("PUT", "/lake/tmp/a", &[], b"first").await;
    let generation = fake.object("tmp/a").unwrap().generation.to_string();
    let copy = ("x-goog-copy-source", "lake/tmp/a");
    for (method, headers) in [
        ("PUT", &[("x-goog-if-generation-match", "0")][..]),
        ("PUT", &[("x-goog-if-generation-match", "1")]),
        ("PUT", &[("x-goog-if-metageneration-match", "7")]),
        ("PUT", &[copy, ("x-goog-if-generation-match", "0")]),
        ("DELETE", &[("x-goog-if-generation-match", "1")]),
        ("GET", &[("x-goog-if-generation-match", "1")]),
        ("GET", &[("x-goog-if-metageneration-match", "2")]),
    ] {
        let body: &[u8] = if headers.len() == 1 && method == "PUT" {
            b"second"
        } else {
            b""
        };
        let what = format!("{method} {headers:?}");
        let answer = etl.ask(method, "/lake/tmp/a", headers, body).await;
        answer.refused(&what, 412, "PreconditionFailed");
        assert_eq!(fake.stored("tmp/a").as_deref(), Some(&b"first"[..]), "{what}");
    }
    let unchanged = [("x-goog-if-generation-not-match", &*generation)];
    let answer = etl.ask("GET", "/lake/tmp/a", &unchanged, b"").await;
    assert_eq!(
        (answer.status, answer.header("x-goog-generation")),
        (304, Some(&*generation))
    );
    let same = [
        ("x-goog-if-generation-match", &*generation),
        ("x-goog-if-metageneration-match", "1"),
    ];
    assert_eq!(etl.ask("PUT", "/lake/tmp/a", &same, b"second").await.status, 200);
    assert_eq!(fake.stored("tmp/a").as_deref(), Some(&b"second"[..]));
}

// STR-05
#[tokio::test]
async fn what_does_not_have_its_hash_is_no_object() {
    let (fake, world) = with_token().await;
    let etl = Caller::of(&world, "etl");
    let sha256 = "0".repeat(64);
    for (headers, code) in [
        (("x-goog-hash", "crc32c=AAAAAA=="), "BadDigest"),
        (("x-goog-hash", "md5=AAAAAAAAAAAAAAAAAAAAAA=="), "BadDigest"),
        (
            ("x-goog-hash", "crc32c=4waSgw==,md5=AAAAAAAAAAAAAAAAAAAAAA=="),
            "BadDigest",
        ),
        (("x-goog-content-sha256", &*sha256), "XAmzContentSHA256Mismatch"),
        (("x-goog-content-length-range", "0,8"), "EntityTooLarge"),
        (("x-goog-content-length-range", "10,20"), "EntityTooSmall"),
    ] {
        let what = format!("{headers:?}");
        let answer = etl.ask("PUT", "/lake/tmp/a", &[headers], CONTENT).await;
        answer.refused(&what, 400, code);
        assert_eq!(fake.stored("tmp/a"), None, "{what}");
        if code == "BadDigest" {
            let text = answer.text();
            assert!(
                text.contains("in the x-goog-hash") && !text.contains("x-amz-"),
                "{text}"
            );
        }
    }
    let right = [("x-goog-content-length-range", "9,9"), ("x-goog-hash", HASH)];
    assert_eq!(etl.ask("PUT", "/lake/tmp/a", &right, CONTENT).await.status, 200);
}

#[tokio::test]
async fn an_upload_in_parts_is_one_in_googles_words_as_well() {
    let (fake, world) = with_token().await;
    let etl = Caller::of(&world, "etl");
    let kms = (
        "x-goog-encryption-kms-key-name",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k",
    );
    let begin = [
        ("x-goog-meta-colour", "blue"),
        ("x-goog-storage-class", "COLDLINE"),
        kms,
    ];
    let begun = etl.ask("POST", "/lake/tmp/a?uploads", &begin, b"").await;
    let id = begun.element("UploadId").expect("an upload id");
    assert!(!id.contains("ABPnzm"), "the upload id is the target's");
    // Some clients say all of it again with every part.
    let part = [kms, ("x-goog-hash", "md5=JfnnlDI7RTiF9RgfG2JNCw==")];
    let target = format!("/lake/tmp/a?partNumber=1&uploadId={id}");
    let part = etl.ask("PUT", &target, &part, CONTENT).await;
    assert_eq!(part.status, 200, "{}", part.text());
    assert_eq!(part.header("x-goog-hash"), Some("crc32c=4waSgw=="));
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.header("etag").unwrap()
    );
    let target = format!("/lake/tmp/a?uploadId={id}");
    // It would be ignored there.
    let condition = [("x-goog-if-generation-match", "0")];
    let refused = etl.ask("POST", &target, &condition, list.as_bytes()).await;
    refused.refused("a condition on the completion", 501, "NotImplemented");
    let done = etl.ask("POST", &target, &[], list.as_bytes()).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(
        done.element("Location").unwrap().split('/').next(),
        Some("https:")
    );
    assert!(!done.text().contains("googleapis"), "{}", done.text());
    let object = fake.object("tmp/a").unwrap();
    assert_eq!((&*object.body, object.class.as_str()), (CONTENT, "COLDLINE"));
    assert_eq!(object.kms_key.as_deref(), Some(kms.1));
    assert_eq!(object.metadata("x-goog-meta-colour"), Some("blue"));
}

#[tokio::test]
async fn a_key_of_the_callers_is_checked_and_goes_along() {
    let (fake, world) = with_token().await;
    let etl = Caller::of(&world, "etl");
    let key = [
        ("x-goog-encryption-algorithm", "AES256"),
        (
            "x-goog-encryption-key",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
        (
            "x-goog-encryption-key-sha256",
            "Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU=",
        ),
    ];
    assert_eq!(etl.ask("PUT", "/lake/tmp/a", &key, CONTENT).await.status, 200);
    let get = etl.ask("GET", "/lake/tmp/a", &key, b"").await;
    assert_eq!((get.status, &*get.body), (200, CONTENT));
    assert_eq!(get.header("x-goog-encryption-key-sha256"), Some(key[2].1));
    fake.forget();
    let wrong = [key[0], key[1], ("x-goog-encryption-key-sha256", "AAAA")];
    let answer = etl.ask("PUT", "/lake/tmp/a", &wrong, CONTENT).await;
    answer.refused("the hash of another key", 400, "InvalidArgument");
    fake.untouched("the hash of another key");
    world.kept_secret(&[key[1].1]);
}

// AUZ-02
#[tokio::test]
async fn policies_tell_the_protocols_apart() {
    let only = r#"forbid (principal, action in Tidegate::Action::"write", resource) unless { context.protocol == "gcs" };"#;
    let (fake, world) = under_policy(only).await;
    let etl = Caller::of(&world, "etl");
    assert_eq!(etl.ask("PUT", "/lake/tmp/a", &[], CONTENT).await.status, 200);
    fake.forget();
    let signed = world.client("etl").await.put("/lake/tmp/a", CONTENT).await;
    signed.refused("a signature of S3's", 403, "AccessDenied");
    let record = world.recorded(&signed, "deny", "forbid").await;
    assert_eq!(record["api"]["protocol"], "s3");
    fake.untouched("a signature of S3's");
}

// GCS-08, CLS-05
#[tokio::test]
async fn names_are_read_once_and_written_one_way() {
    let (fake, world) = with_token().await;
    let etl = Caller::of(&world, "etl");
    let long = "k".repeat(1020);
    for (path, key) in [
        ("tmp/a%2Fb", "tmp/a/b"),
        ("tmp/a%252Fb", "tmp/a%2Fb"),
        ("tmp/line%0Abreak", "tmp/line\nbreak"),
        ("tmp/a..b", "tmp/a..b"),
        ("tmp/%C3%A9+%20", "tmp/\u{e9}+ "),
        (&*format!("tmp/{long}"), &*format!("tmp/{long}")),
    ] {
        let target = format!("/lake/{path}");
        assert_eq!(etl.ask("PUT", &target, &[], CONTENT).await.status, 200, "{path}");
        assert_eq!(fake.stored(key).as_deref(), Some(CONTENT), "{path}");
        let copy = [("x-goog-copy-source", &*format!("lake/{path}"))];
        assert_eq!(
            etl.ask("PUT", "/lake/tmp/copy", &copy, b"").await.status,
            200,
            "{path}"
        );
        assert_eq!(etl.ask("GET", &target, &[], b"").await.body, CONTENT, "{path}");
    }
    fake.forget();
    let too_long = format!("/lake/{}", "k".repeat(1025));
    for (path, code) in [
        ("/lake/tmp/../secret", "InvalidURI"),
        ("/lake/tmp/%2e%2e/secret", "InvalidURI"),
        ("/lake/..", "InvalidURI"),
        (&*too_long, "KeyTooLongError"),
    ] {
        etl.ask("PUT", path, &[], CONTENT).await.refused(path, 400, code);
        let source = path.strip_prefix('/').unwrap();
        let copy = etl
            .ask("PUT", "/lake/tmp/b", &[("x-goog-copy-source", source)], b"")
            .await;
        copy.refused(path, 400, code);
    }
    fake.untouched("names that are none");
}
