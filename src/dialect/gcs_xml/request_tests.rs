use super::*;
use crate::operation::{BodyRule, BucketName, CopySource, Detail, Handling, ObjectKey, ObjectName, Resource};

fn object(key: &str) -> ObjectName {
    ObjectName {
        bucket: BucketName::parse("lake").unwrap(),
        key: ObjectKey::parse(key.as_bytes()).unwrap(),
    }
}

fn operation(api: Api, parameters: &[(&'static str, &str)], headers: &[(&str, &str)]) -> Operation {
    let resource = match api.row().scope {
        Scope::Service => Resource::Service,
        Scope::Bucket => Resource::Bucket(BucketName::parse("lake").unwrap()),
        Scope::Object => Resource::Object(object("k")),
    };
    let detail = match api {
        Api::CopyObject | Api::UploadPartCopy => Detail::Copy(CopySource {
            object: object("source"),
            version_id: None,
        }),
        Api::DeleteObjects => Detail::Deletions {
            objects: Vec::new(),
            quiet: false,
        },
        Api::CompleteMultipartUpload => Detail::Parts(Vec::new()),
        _ => Detail::None,
    };
    let parameters = parameters.iter().map(|(name, value)| (*name, (*value).into()));
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned().into(), (*value).into()));
    Operation::new(api, resource, parameters.collect(), headers.collect(), detail).unwrap()
}

/// The headers that Google gets for these, sorted; without those that every call of this kind has.
fn said(api: Api, headers: &[(&str, &str)]) -> Result<Vec<String>, Untranslatable> {
    let operation = operation(api, &[], headers);
    let spoken = translate(&operation)?;
    let mut lines: Vec<String> = spoken
        .iter()
        .filter(|(name, _)| {
            !["accept-encoding", "x-goog-interop-list-objects-format"].contains(&name.as_str())
        })
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    Ok(lines)
}

/// A value that could well come with a header.
fn plausible(name: &str) -> &'static str {
    match name {
        "if-none-match" => "*",
        "x-amz-acl" => "private",
        "x-amz-storage-class" => "STANDARD",
        "x-amz-metadata-directive" | "x-amz-tagging-directive" => "COPY",
        "x-amz-server-side-encryption" | "x-amz-server-side-encryption-customer-algorithm" => "AES256",
        _ => "1",
    }
}

#[test]
fn every_header_of_every_call_is_said_left_out_or_refused_on_purpose() {
    for api in KNOWN {
        for name in api.row().headers {
            match said(api, &[(*name, plausible(name))]) {
                Ok(lines) => assert!(!lines.iter().any(|line| line.starts_with("x-amz-")), "{lines:?}"),
                // A key that lacks its other headers.
                Err(Untranslatable::Value { .. }) => assert!(encryption::concerns(name), "{api:?} {name}"),
                Err(error) => assert!(REFUSED.contains(name), "{api:?} {name}: {error}"),
            }
        }
    }
}

/// What is refused whatever its value.
const REFUSED: [&str; 28] = [
    "expires",
    "if-match",
    "if-none-match",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-md5",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-sha512",
    "x-amz-checksum-xxhash128",
    "x-amz-checksum-xxhash3",
    "x-amz-checksum-xxhash64",
    "x-amz-copy-source-range",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-mfa",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption-context",
    "x-amz-tagging",
    "x-amz-website-redirect-location",
];

#[test]
fn a_call_that_google_lacks_says_what_to_do_instead() {
    let forwarded = Api::ALL
        .iter()
        .filter(|api| api.row().handling == Handling::Forwarded);
    for api in forwarded.filter(|api| !KNOWN.contains(api)) {
        let error = known(*api).unwrap_err();
        assert!(!error.is_invalid(), "{api:?}");
        assert!(error.to_string().starts_with(api.name()), "{error}");
    }
    for api in KNOWN {
        assert_eq!(api.row().handling, Handling::Forwarded, "{api:?}");
        assert!(!matches!(api.row().body, BodyRule::Form), "{api:?}");
    }
}

#[test]
fn headers_have_googles_names() {
    let check = |api: Api, headers: &[(&str, &str)], expected: &[&str]| {
        assert_eq!(said(api, headers).unwrap(), expected, "{headers:?}");
    };
    let put = Api::PutObject;
    check(
        put,
        &[("x-amz-meta-a", "1"), ("content-type", "t/t")],
        &["content-type: t/t", "x-goog-meta-a: 1"],
    );
    check(put, &[("if-none-match", "*")], &["x-goog-if-generation-match: 0"]);
    check(
        Api::GetObject,
        &[("if-none-match", "\"e\"")],
        &["if-none-match: \"e\""],
    );
    check(
        Api::GetObject,
        &[("range", "bytes=0-1"), ("if-range", "\"e\"")],
        &[],
    );
    check(
        Api::GetObject,
        &[
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-request-payer", "requester"),
        ],
        &[],
    );
    check(
        Api::CopyObject,
        &[
            ("x-amz-copy-source-if-match", "e"),
            ("x-amz-metadata-directive", "REPLACE"),
            ("x-amz-tagging-directive", "COPY"),
            ("x-amz-object-annotation-directive", "EXCLUDE"),
        ],
        &[
            "x-goog-copy-source-if-match: e",
            "x-goog-metadata-directive: REPLACE",
        ],
    );
    check(
        put,
        &[
            ("x-amz-object-lock-mode", "COMPLIANCE"),
            ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
        ],
        &[
            "x-goog-object-lock-mode: COMPLIANCE",
            "x-goog-object-lock-retain-until-date: 2030-01-01T00:00:00Z",
        ],
    );
    check(Api::DeleteObjects, &[], &["content-type: application/xml"]);
}

#[test]
fn versions_are_generations() {
    let get = operation(
        Api::GetObject,
        &[
            ("versionId", "1795348800000001"),
            ("response-content-type", "t/t"),
        ],
        &[],
    );
    assert!(translate(&get).is_ok());
    assert_eq!(parameter_name("versionId"), "generation");
    assert_eq!(parameter_name("prefix"), "prefix");
    for version in ["null", "", "-1", "1.0", "\u{661}", "123456789012345678901"] {
        let get = operation(Api::GetObject, &[("versionId", version)], &[]);
        assert!(
            translate(&get).is_err_and(|error| error.is_invalid()),
            "{version}"
        );
    }
}

// SUP-01
#[test]
fn a_callers_key_is_marked_as_the_secret_it_is() {
    let put = operation(
        Api::PutObject,
        &[],
        &[
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            (
                "x-amz-server-side-encryption-customer-key",
                "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
            ),
            (
                "x-amz-server-side-encryption-customer-key-md5",
                "1mHs0UpOJ1CmSkkuAkKtjQ==",
            ),
        ],
    );
    let error = translate(&put).err().map(|error| error.to_string());
    // The MD5 of another key.
    assert!(error.is_some_and(|error| error.contains("customer-key-md5") && !error.contains("a2tr")));
    let right = data_encoding::BASE64.encode(&<md5::Md5 as md5::Digest>::digest([b'k'; 32]));
    let put = operation(
        Api::PutObject,
        &[],
        &[
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            (
                "x-amz-server-side-encryption-customer-key",
                "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
            ),
            ("x-amz-server-side-encryption-customer-key-md5", &right),
        ],
    );
    let spoken = translate(&put).unwrap();
    let shown = format!("{:?}", spoken);
    assert!(
        shown.contains("x-goog-encryption-key\"") && !shown.contains("a2tr"),
        "{shown}"
    );
}
