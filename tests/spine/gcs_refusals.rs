//! What Google Cloud Storage lacks, or would quietly do otherwise, is refused before anything is sent.

use crate::support::Payload;
use crate::support::gcs::{with_hmac_key, with_token};

type Case = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const LACKING: &[Case] = &[
    // Conditions that it ignores: what they protect would be lost.
    ("PUT", "/lake/tmp/a", &[("if-match", "\"e\"")]),
    (
        "PUT",
        "/lake/tmp/a",
        &[("if-match", "\"e\""), ("x-amz-copy-source", "lake/tmp/b")],
    ),
    ("POST", "/lake/tmp/a?uploadId={id}", &[("if-none-match", "*")]),
    ("POST", "/lake/tmp/a?uploadId={id}", &[("if-match", "\"e\"")]),
    // What it does not have.
    (
        "PUT",
        "/lake/tmp/a?partNumber=1&uploadId={id}",
        &[("x-amz-copy-source", "lake/tmp/b")],
    ),
    (
        "PUT",
        "/lake/tmp/a?partNumber=1&uploadId={id}",
        &[
            ("x-amz-copy-source", "lake/tmp/b"),
            ("x-amz-copy-source-range", "bytes=0-9"),
        ],
    ),
    ("PUT", "/lake/tmp/a", &[("x-amz-tagging", "a=b")]),
    ("POST", "/lake/tmp/a?uploads", &[("x-amz-tagging", "a=b")]),
    (
        "PUT",
        "/lake/tmp/a",
        &[
            ("x-amz-copy-source", "lake/tmp/b"),
            ("x-amz-tagging-directive", "REPLACE"),
            ("x-amz-tagging", "a=b"),
        ],
    ),
    (
        "PUT",
        "/lake/tmp/a",
        &[("expires", "Wed, 21 Oct 2015 07:28:00 GMT")],
    ),
    (
        "PUT",
        "/lake/tmp/a",
        &[("x-amz-storage-class", "INTELLIGENT_TIERING")],
    ),
    (
        "PUT",
        "/lake/tmp/a",
        &[("x-amz-server-side-encryption", "aws:kms")],
    ),
    (
        "PUT",
        "/lake/tmp/a",
        &[("x-amz-server-side-encryption", "aws:kms:dsse")],
    ),
    (
        "PUT",
        "/lake/tmp/a",
        &[
            ("x-amz-copy-source", "lake/tmp/b"),
            (
                "x-amz-copy-source-server-side-encryption-customer-algorithm",
                "AES256",
            ),
        ],
    ),
    (
        "POST",
        "/lake/tmp/a?uploadId={id}",
        &[("x-amz-checksum-crc32", "y/Q5Jg==")],
    ),
    ("DELETE", "/lake/tmp/a", &[("if-match", "\"e\"")]),
    ("DELETE", "/lake/tmp/a", &[("x-amz-mfa", "serial 123456")]),
    ("PUT", "/lake/tmp/a", &[("x-amz-acl", "public-read")]),
    ("PUT", "/lake/tmp/a", &[("x-amz-grant-read", "id=1")]),
    ("PUT", "/lake/tmp/a", &[("x-amz-object-lock-legal-hold", "ON")]),
    ("PUT", "/lake/tmp/a", &[("x-amz-website-redirect-location", "/b")]),
    // Calls of which Google has nothing, or something else.
    ("GET", "/lake/tmp/a?tagging", &[]),
    ("PUT", "/lake/tmp/a?tagging", &[]),
    ("DELETE", "/lake/tmp/a?tagging", &[]),
    (
        "GET",
        "/lake/tmp/a?attributes",
        &[("x-amz-object-attributes", "ETag")],
    ),
    ("GET", "/lake/tmp/a?acl", &[]),
    ("GET", "/lake/tmp/a?retention", &[]),
    ("GET", "/lake/tmp/a?legal-hold", &[]),
    ("POST", "/lake/tmp/a?restore", &[]),
    ("GET", "/lake?lifecycle", &[]),
    ("GET", "/lake?policy", &[]),
    ("GET", "/lake?cors", &[]),
    ("GET", "/lake?tagging", &[]),
    ("GET", "/lake/tmp/a?partNumber=1", &[]),
    ("HEAD", "/lake/tmp/a?partNumber=1", &[]),
    ("GET", "/lake/tmp/a?response-cache-control=no-store", &[]),
];

const WRONG: &[Case] = &[
    ("PUT", "/lake/tmp/a", &[("if-none-match", "\"e\"")]),
    ("PUT", "/lake/tmp/a", &[("x-amz-storage-class", "FROZEN")]),
    ("GET", "/lake/tmp/a?versionId=null", &[]),
    ("DELETE", "/lake/tmp/a?versionId=3HL4kqtJvjVBH40Nrjfkd", &[]),
    (
        "PUT",
        "/lake/tmp/a",
        &[("x-amz-copy-source", "lake/tmp/b?versionId=v1")],
    ),
    (
        "PUT",
        "/lake/tmp/a",
        &[
            ("x-amz-server-side-encryption", "aws:kms"),
            (
                "x-amz-server-side-encryption-aws-kms-key-id",
                "arn:aws:kms:eu-west-1:1:key/k",
            ),
        ],
    ),
    (
        "GET",
        "/lake/tmp/a",
        &[
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "c2hvcnQ="),
            (
                "x-amz-server-side-encryption-customer-key-md5",
                "1B2M2Y8AsgTpgAmY7PhCfg==",
            ),
        ],
    ),
];

const DOCUMENT: &[u8] = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>\
                          </CompleteMultipartUpload>";

const TAGS: &[u8] = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
const RESTORE: &[u8] = b"<RestoreRequest><Days>1</Days></RestoreRequest>";

#[tokio::test]
async fn what_google_lacks_is_refused_and_nothing_is_sent() {
    for (fake, world) in [with_token().await, with_hmac_key().await] {
        let etl = world.client("etl").await;
        let begun = etl.sign("POST", "/lake/tmp/a?uploads", &[], b"", Payload::Literal);
        let id = etl.send(begun).await.element("UploadId").unwrap();
        fake.forget();
        let lacking = LACKING.iter().map(|case| (case, 501, "NotImplemented"));
        let wrong = WRONG.iter().map(|case| (case, 400, "InvalidArgument"));
        for ((method, target, headers), status, code) in lacking.chain(wrong) {
            let target = &target.replace("{id}", &id);
            let body = match (*method, target.rsplit('?').next()) {
                ("POST", Some(query)) if query.starts_with("uploadId") => DOCUMENT,
                ("PUT", Some("tagging")) => TAGS,
                ("POST", Some("restore")) => RESTORE,
                _ => b"",
            };
            let answer = etl
                .send(etl.sign(method, target, headers, body, Payload::Literal))
                .await;
            let what = format!("{method} {target} {headers:?}");
            let record = world.record_of(&answer).await;
            assert_eq!(
                record["decision"]["effect"], "allow",
                "{what}: policy did not refuse it"
            );
            if *method == "HEAD" {
                assert_eq!(answer.status, status, "{what}");
            } else {
                answer.refused(&what, status, code);
            }
            if status == 501 && *method != "HEAD" {
                let message = answer.element("Message").unwrap();
                assert!(message.contains("Google Cloud Storage"), "{what}: {message}");
            }
        }
        fake.untouched("what Google lacks");
    }
}
