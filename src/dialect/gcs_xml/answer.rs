//! The headers of Google's answers in the words of S3.
//!
//! After this an answer goes the way of every answer, by the same list of what may cross. Two things are judged here.
//! A generation is a version only to callers who ask for versions: an unversioned bucket has generations as well, and
//! a client that remembered one would find nothing under it after the next write. And bytes that were unpacked on the
//! way are not the object's: with them its length and its checksum are wrong, so such an answer is not used.

use super::Hashes;
use super::storage_class;
use crate::operation::{Answer, Api, Operation};
use data_encoding::BASE64;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// What Google's support asks for.
pub(crate) const REQUEST_ID: &str = "x-guploader-uploadid";

/// What has the same value under another name.
const RENAMED: [(&str, &str); 4] = [
    (
        "x-goog-encryption-algorithm",
        "x-amz-server-side-encryption-customer-algorithm",
    ),
    (
        "x-goog-encryption-kms-key-name",
        "x-amz-server-side-encryption-aws-kms-key-id",
    ),
    ("x-goog-object-lock-mode", "x-amz-object-lock-mode"),
    (
        "x-goog-object-lock-retain-until-date",
        "x-amz-object-lock-retain-until-date",
    ),
];

/// Puts the headers of the answer to `operation` into S3's words.
///
/// # Errors
/// Why the answer cannot be used, for the operator.
pub(crate) fn translate(
    operation: &Operation,
    status: StatusCode,
    headers: &mut HeaderMap,
) -> Result<(), &'static str> {
    let reads = matches!(operation.api(), Api::GetObject | Api::HeadObject);
    if reads && status.is_success() {
        as_stored(operation.api(), headers)?;
    }
    let mut said = Vec::new();
    for (name, value) in headers.iter() {
        if let Some(key) = name.as_str().strip_prefix("x-goog-meta-") {
            let name = HeaderName::try_from(format!("x-amz-meta-{key}"));
            said.extend(name.map(|name| (name, value.clone())));
        }
    }
    let mut say = |name: &'static str, value: HeaderValue| said.push((HeaderName::from_static(name), value));
    for (from, to) in RENAMED {
        if let Some(value) = headers.get(from) {
            say(to, value.clone());
        }
    }
    if headers.contains_key("x-goog-encryption-kms-key-name") {
        say(
            "x-amz-server-side-encryption",
            HeaderValue::from_static("aws:kms"),
        );
    }
    // Google answers with a SHA-256 of the key; the caller gave its MD5, and both are of the same key.
    if let Some(md5) = operation.header("x-amz-server-side-encryption-customer-key-md5")
        && headers.contains_key("x-goog-encryption-algorithm")
        && let Ok(md5) = HeaderValue::from_str(md5)
    {
        say("x-amz-server-side-encryption-customer-key-md5", md5);
    }
    // As at S3, where the standard class goes without saying.
    if let Some(class) = headers
        .get("x-goog-storage-class")
        .and_then(|class| class.to_str().ok())
        && storage_class::of_google(class) != "STANDARD"
    {
        say(
            "x-amz-storage-class",
            HeaderValue::from_static(storage_class::of_google(class)),
        );
    }
    if operation.parameter("versionId").is_some()
        && let Some(generation) = headers.get("x-goog-generation")
    {
        say("x-amz-version-id", generation.clone());
    }
    // The sum is that of the whole object, also beside a part of it, where a client would hold it against that part.
    let asks = operation.header("x-amz-checksum-mode").is_some();
    if asks && reads && status == StatusCode::OK {
        for (name, value) in checksum(headers) {
            say(name, value);
        }
    }
    // Whatever calls itself Amazon's was not said by Amazon.
    let foreign: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-amz-"))
        .cloned()
        .collect();
    for name in foreign {
        headers.remove(name);
    }
    for (name, value) in said {
        headers.append(name, value);
    }
    Ok(())
}

/// What callers who speak Google's words are told in them, besides what everybody is: of what an answer says, and by a
/// list, as for S3. What works at Google (`x-guploader-uploadid`) or leads there (`Location`) is not on it.
const KEPT: [&str; 11] = [
    "x-goog-component-count",
    "x-goog-encryption-algorithm",
    "x-goog-encryption-key-sha256",
    "x-goog-encryption-kms-key-name",
    "x-goog-expiration",
    "x-goog-generation",
    "x-goog-hash",
    "x-goog-metageneration",
    "x-goog-storage-class",
    "x-goog-stored-content-encoding",
    "x-goog-stored-content-length",
];

/// The headers of Google's that cross to a caller who speaks its words.
pub(crate) fn for_google(api: Api, headers: &HeaderMap) -> HeaderMap {
    let metadata = api.row().answer == Answer::Object;
    let kept = |name: &HeaderName| {
        KEPT.contains(&name.as_str()) || (metadata && name.as_str().starts_with("x-goog-meta-"))
    };
    let crossing = headers.iter().filter(|(name, _)| kept(name));
    crossing
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether the bytes are those that are stored, and how many there are.
fn as_stored(api: Api, headers: &mut HeaderMap) -> Result<(), &'static str> {
    let coding = |name: &HeaderName| {
        let coding = headers.get(name).and_then(|coding| coding.to_str().ok());
        coding.is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"))
    };
    let stored = HeaderName::from_static("x-goog-stored-content-encoding");
    if headers.contains_key(&stored) && coding(&stored) != coding(&CONTENT_ENCODING) {
        return Err("it is packed or unpacked on the way, against `accept-encoding: gzip`");
    }
    // For a packed object HEAD has no length of its own.
    if api == Api::HeadObject
        && !headers.contains_key(CONTENT_LENGTH)
        && let Some(length) = headers.get("x-goog-stored-content-length")
    {
        let length = length.clone();
        headers.insert(CONTENT_LENGTH, length);
    }
    Ok(())
}

fn checksum(headers: &HeaderMap) -> Vec<(&'static str, HeaderValue)> {
    let Some(crc32c) = Hashes::answered(headers).crc32c else {
        return Vec::new();
    };
    let Ok(value) = HeaderValue::from_str(&BASE64.encode(&crc32c)) else {
        return Vec::new();
    };
    vec![
        ("x-amz-checksum-crc32c", value),
        ("x-amz-checksum-type", HeaderValue::from_static("FULL_OBJECT")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{BucketName, Detail, ObjectKey, ObjectName, Resource};

    fn operation(
        api: Api,
        parameters: &[(&'static str, &str)],
        headers: &[(&'static str, &str)],
    ) -> Operation {
        let object = ObjectName {
            bucket: BucketName::parse("lake").unwrap(),
            key: ObjectKey::parse(b"k").unwrap(),
        };
        let parameters = parameters.iter().map(|(name, value)| (*name, (*value).into()));
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let resource = Resource::Object(object);
        Operation::new(
            api,
            resource,
            parameters.collect(),
            headers.collect(),
            Detail::None,
        )
        .unwrap()
    }

    const GOOGLE: &[(&str, &str)] = &[
        ("etag", "\"e\""),
        ("content-length", "9"),
        ("x-goog-generation", "17"),
        ("x-goog-hash", "crc32c=4waSgw=="),
        ("x-goog-hash", "md5=JfnnlDI7RTiF9RgfG2JNCw=="),
        ("x-goog-meta-a", "1"),
        ("x-goog-storage-class", "NEARLINE"),
        ("x-goog-stored-content-encoding", "identity"),
        ("x-goog-stored-content-length", "9"),
        ("x-amz-meta-canary", "not Google's"),
    ];

    /// What S3 would have said, sorted, without what Google said.
    fn said(operation: &Operation, status: u16, more: &[(&str, &str)]) -> Result<Vec<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in GOOGLE.iter().chain(more) {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        translate(operation, StatusCode::from_u16(status).unwrap(), &mut headers)?;
        let amazon = headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("x-amz-"));
        let mut lines: Vec<String> = amazon
            .map(|(name, value)| format!("{}: {}", &name.as_str()[6..], value.to_str().unwrap()))
            .collect();
        lines.sort();
        Ok(lines)
    }

    #[test]
    fn only_what_was_asked_for_is_said() {
        let check = |operation: Operation, status: u16, more: &[&str]| {
            let mut expected = vec!["meta-a: 1".to_owned(), "storage-class: STANDARD_IA".to_owned()];
            expected.extend(more.iter().map(|line| (*line).to_owned()));
            expected.sort();
            assert_eq!(said(&operation, status, &[]).unwrap(), expected);
        };
        let mode = [("x-amz-checksum-mode", "ENABLED")];
        check(operation(Api::GetObject, &[], &[]), 200, &[]);
        check(operation(Api::PutObject, &[], &[]), 200, &[]);
        let sum = ["checksum-crc32c: 4waSgw==", "checksum-type: FULL_OBJECT"];
        check(operation(Api::GetObject, &[], &mode), 200, &sum);
        check(operation(Api::HeadObject, &[], &mode), 200, &sum);
        check(operation(Api::GetObject, &[], &mode), 206, &[]);
        check(
            operation(Api::GetObject, &[("versionId", "17")], &[]),
            200,
            &["version-id: 17"],
        );
    }

    // 5.9
    #[test]
    fn an_answer_that_was_packed_or_unpacked_is_not_used() {
        let get = operation(Api::GetObject, &[], &[]);
        assert!(
            said(&get, 200, &[("content-encoding", "gzip")]).is_err(),
            "packed on the way"
        );
        assert!(
            said(&get, 200, &[("content-encoding", "br")]).is_ok(),
            "stored so, as far as is known"
        );
        let mut headers = HeaderMap::new();
        headers.insert("x-goog-stored-content-encoding", "gzip".parse().unwrap());
        assert!(
            translate(&get, StatusCode::OK, &mut headers.clone()).is_err(),
            "unpacked on the way"
        );
        headers.insert("content-encoding", "gzip".parse().unwrap());
        assert!(translate(&get, StatusCode::OK, &mut headers).is_ok());
    }
}
