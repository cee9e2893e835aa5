//! From fields to an upload: the PutObject that a form becomes.

use super::super::classify;
use super::super::error::S3Error;
use super::super::{address, declared, documents, limits};
use super::VENDOR_PREFIXES;
use super::answer::Answer;
use super::fields::Fields;
use super::file::File;
use crate::operation::{Api, BucketName, DeclaredPayload, Detail, Operation, Resource};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Fields that authenticate the form and say nothing of the object.
const OF_SIGNATURE: [&str; 5] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
];
/// What other requests say of their framing and their source. A form has neither.
const OF_REQUESTS: [&str; 6] = [
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-decoded-content-length",
    "x-amz-te",
    "x-amz-trailer",
    "x-amz-user-agent",
];

/// An upload that its form's policy allows.
pub(crate) struct Upload<B> {
    /// The PutObject. Whether it is allowed is for the bucket's policy to say.
    pub(crate) operation: Operation,
    /// What the fields say of the file.
    pub(crate) declared: DeclaredPayload,
    pub(crate) file: File<B>,
    /// What the caller wants to be told.
    pub(crate) answer: Answer,
}

/// Makes the upload to `bucket`, which the request addresses.
pub(super) fn upload<B: super::payload::Incoming>(
    bucket: BucketName,
    fields: &Fields,
    file: File<B>,
) -> Result<Upload<B>, S3Error> {
    let (operation, declared, answer) = put(bucket, fields, file.length())?;
    Ok(Upload {
        operation,
        declared,
        file,
        answer,
    })
}

fn put(
    bucket: BucketName,
    fields: &Fields,
    length: u64,
) -> Result<(Operation, DeclaredPayload, Answer), S3Error> {
    // CVE-2023-28434: the field is a word, the address is where the object goes.
    if fields.get("bucket").is_some_and(|named| named != bucket.as_str()) {
        return Err(S3Error::access_denied(
            "Invalid according to Policy: the field `bucket` names another bucket than the request",
        ));
    }
    let key = fields.required("key")?;
    if key.is_empty() {
        return Err(
            S3Error::invalid_argument("User key must have a length greater than 0.")
                .with("ArgumentName", "key"),
        );
    }
    let object = address::object_name(bucket, key.as_bytes())?;
    let mut headers = headers(fields)?;
    headers.insert(header::CONTENT_LENGTH, length.into());
    // Of the payload rules, those of a presigned upload: a plain body that nothing signs.
    let declared = declared::read(Api::PutObject, &headers, None, true)?;
    limits::check(Api::PutObject, &headers, &declared)?;
    let crossing = classify::crossing(Api::PutObject, &headers)?;
    let answer = Answer::read(fields, object.clone())?;
    let operation = Operation::new(
        Api::PutObject,
        Resource::Object(object),
        Vec::new(),
        crossing,
        Detail::None,
    )
    .and_then(|operation| operation.called_as(Api::PostObject));
    let operation = operation.map_err(|error| S3Error::invalid_request(error.to_string()))?;
    Ok((operation, declared, answer))
}

/// The headers that a PutObject of the same object would have.
fn headers(fields: &Fields) -> Result<HeaderMap, S3Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter() {
        let (name, value) = match name {
            "acl" => ("x-amz-acl", value.to_owned()),
            "tagging" => ("x-amz-tagging", tagging(value)?),
            name if OF_REQUESTS.contains(&name) => {
                return Err(S3Error::not_implemented(format!(
                    "A form field you provided implies functionality that is not implemented: `{name}`"
                )));
            }
            name if !OF_SIGNATURE.contains(&name) && is_meant(name) => (name, value.to_owned()),
            // What a store gives no meaning to is dropped, as S3 drops it.
            _ => continue,
        };
        let refuse = |why: &str| {
            S3Error::invalid_argument(format!("the form field `{name}` {why}")).with("ArgumentName", name)
        };
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refuse("has a name that no header can have"))?;
        // A header has no outer spaces: the policy would speak of another value than the one that is stored.
        if value.trim() != value {
            return Err(refuse("begins or ends with a space"));
        }
        let value = HeaderValue::from_str(&value)
            .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
            .map_err(|_| refuse("has a character that no header can have"))?;
        if headers.insert(header, value).is_some() {
            return Err(refuse("is given twice, under two names"));
        }
    }
    Ok(headers)
}

/// Whether a field is a header of the upload, or would be one of a store's own.
fn is_meant(name: &str) -> bool {
    name == "content-md5"
        || classify::listed(Api::PutObject, name)
        || VENDOR_PREFIXES.iter().any(|p| name.starts_with(p))
}

/// `x-amz-tagging` from the document that forms have for it.
fn tagging(document: &str) -> Result<String, S3Error> {
    let tags = documents::parse_tags(document.as_bytes())?;
    Ok(form_urlencoded::Serializer::new(String::new())
        .extend_pairs(tags.iter())
        .finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Result<(Operation, DeclaredPayload), String> {
        let mut form = Fields::default();
        for (name, value) in fields {
            form.insert(name, value).unwrap();
        }
        let bucket = BucketName::parse("lake").unwrap();
        put(bucket, &form, 9)
            .map(|(operation, declared, _)| (operation, declared))
            .map_err(|error| error.code.into_owned())
    }

    fn check(name: &str, value: &str, expected: Option<(&str, &str)>) {
        let (operation, declared) = form(&[("key", "in/a"), (name, value)]).unwrap();
        let headers: Vec<(&str, &str)> = operation.headers().iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(headers, expected.into_iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(declared.length, 9);
    }

    #[test]
    fn fields_become_the_headers_of_an_upload() {
        for name in [
            "Content-Type",
            "Cache-Control",
            "Content-Disposition",
            "Content-Encoding",
            "Expires",
            "x-amz-storage-class",
            "x-amz-server-side-encryption",
            "x-amz-meta-Colour",
            "If-None-Match",
        ] {
            let lower = name.to_lowercase();
            check(name, "a value", Some((&lower, "a value")));
        }
        check("x-amz-meta-city", "Zürich", Some(("x-amz-meta-city", "Zürich")));
        let tags = "<Tagging><TagSet><Tag><Key>a b</Key><Value>c&amp;d</Value></Tag></TagSet></Tagging>";
        check("tagging", tags, Some(("x-amz-tagging", "a+b=c%26d")));
        for nothing in [
            "submit",
            "x-ignore-a",
            "success_action_status",
            "x-amz-date",
            "Referer",
        ] {
            check(nothing, "1", None);
        }
        check("acl", "private", None);
        // They need the right to manage: see the catalogue.
        check("acl", "public-read", Some(("x-amz-acl", "public-read")));
        check("x-amz-grant-read", "id=1", Some(("x-amz-grant-read", "id=1")));
        let (_, declared) = form(&[("key", "a"), ("x-amz-checksum-crc32", "y/Q5Jg==")]).unwrap();
        assert_eq!(declared.checksums.len(), 1);
    }

    // AUZ-14, LEK-01
    #[test]
    fn what_a_form_must_not_say_is_refused() {
        for (fields, code) in [
            (&[][..], "InvalidArgument"),
            (&[("key", "")], "InvalidArgument"),
            (&[("key", "../a")], "InvalidURI"),
            (&[("key", "a/./b")], "InvalidURI"),
            (&[("key", "a\0b")], "InvalidURI"),
            (&[("key", &"k".repeat(1025))], "KeyTooLongError"),
            (&[("key", "a"), ("bucket", "other")], "AccessDenied"),
            (
                &[("key", "a"), ("acl", "private"), ("x-amz-acl", "private")],
                "InvalidArgument",
            ),
            (
                &[("key", "a"), ("x-amz-copy-source", "lake/secret")],
                "NotImplemented",
            ),
            (
                &[("key", "a"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")],
                "NotImplemented",
            ),
            (
                &[("key", "a"), ("x-amz-decoded-content-length", "1")],
                "NotImplemented",
            ),
            (
                &[("key", "a"), ("x-amz-trailer", "x-amz-checksum-crc32")],
                "NotImplemented",
            ),
            (&[("key", "a"), ("x-goog-acl", "public-read")], "NotImplemented"),
            (&[("key", "a"), ("x-minio-replication-a", "1")], "NotImplemented"),
            (
                &[("key", "a"), ("content-encoding", "aws-chunked")],
                "InvalidArgument",
            ),
            (&[("key", "a"), ("content-type", "a\r\nb: c")], "InvalidArgument"),
            (&[("key", "a"), ("content-type", " a")], "InvalidArgument"),
            (&[("key", "a"), ("x-amz-meta-a", "b\n")], "InvalidArgument"),
            (&[("key", "a"), ("x-amz-meta-a(b)", "c")], "InvalidArgument"),
            (&[("key", "a"), ("x-amz-unknown", "1")], "NotImplemented"),
            (
                &[("key", "a"), ("x-amz-meta-a", &"v".repeat(2048))],
                "MetadataTooLarge",
            ),
            (&[("key", "a"), ("tagging", "a=b")], "MalformedXML"),
            (
                &[
                    ("key", "a"),
                    ("tagging", "<Tagging><TagSet/></Tagging>"),
                    ("x-amz-tagging", "a=b"),
                ],
                "InvalidArgument",
            ),
            (&[("key", "a"), ("x-amz-checksum-crc32", "?")], "InvalidRequest"),
        ] {
            assert_eq!(form(fields).map(|_| ()), Err(code.to_owned()), "{fields:?}");
        }
    }
}
