//! `x-amz-copy-source`: a read hidden in a write's header.
//!
//! Stores differ in whether they split `?versionId=` before or after decoding. Here it is split before; a key
//! that would look different to a store that splits after is refused.

use super::address;
use super::error::S3Error;
use super::uri;
use crate::operation::CopySource;

const VERSION: &str = "?versionId=";

/// Parses `bucket/key`, `/bucket/key`, either with `?versionId=…`, percent-encoded.
///
/// # Errors
/// `InvalidArgument` for another shape, `NotImplemented` for ARNs, and the errors of bucket names and keys.
pub(crate) fn parse(value: &str) -> Result<CopySource, S3Error> {
    let shape = || {
        S3Error::invalid_argument(
            "x-amz-copy-source must be `bucket/key`, percent-encoded, with an optional `?versionId=`",
        )
    };
    let (path, version_id) = match value.split_once('?') {
        None => (value, None),
        Some((path, _)) => {
            let version = value
                .get(path.len()..)
                .and_then(|rest| rest.strip_prefix(VERSION))
                .ok_or_else(shape)?;
            let version = uri::decode(version)
                .and_then(|v| String::from_utf8(v).ok())
                .ok_or_else(shape)?;
            if version.is_empty() || version.chars().any(char::is_control) {
                return Err(shape());
            }
            (path, Some(version.into_boxed_str()))
        }
    };
    let decoded = uri::decode(path).ok_or_else(shape)?;
    let decoded = decoded.strip_prefix(b"/").unwrap_or(&decoded);
    if decoded.starts_with(b"arn:") {
        return Err(S3Error::not_implemented(
            "access points are not served; name the source as `bucket/key`",
        ));
    }
    let slash = decoded.iter().position(|b| *b == b'/').ok_or_else(shape)?;
    let (bucket, key) = decoded.split_at(slash);
    let object = address::object_name(address::bucket_name(bucket)?, key.get(1..).unwrap_or_default())?;
    if object.key.as_str().contains(VERSION) {
        return Err(S3Error::invalid_argument(
            "the key of x-amz-copy-source contains `?versionId=`, which is ambiguous",
        ));
    }
    Ok(CopySource { object, version_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str) -> Result<(String, String, Option<String>), String> {
        parse(value).map_err(|e| e.code.into_owned()).map(|source| {
            let object = source.object;
            (
                object.bucket.to_string(),
                object.key.to_string(),
                source.version_id.map(String::from),
            )
        })
    }

    // AUZ-03
    #[test]
    fn the_source_is_read_one_way_or_refused() {
        let ok = |b: &str, k: &str, v: Option<&str>| Ok((b.to_owned(), k.to_owned(), v.map(str::to_owned)));
        for (value, expected) in [
            ("lake/a/b", ok("lake", "a/b", None)),
            ("/lake/a%20b+c", ok("lake", "a b+c", None)),
            ("lake%2Fa%2Fb", ok("lake", "a/b", None)),
            ("lake//a", ok("lake", "/a", None)),
            ("lake/a?versionId=v1", ok("lake", "a", Some("v1"))),
            ("lake/a%3Fb", ok("lake", "a?b", None)),
            ("lake/%C3%A4", ok("lake", "ä", None)),
        ] {
            assert_eq!(check(value), expected, "{value}");
        }
        for (value, code) in [
            ("lake", "InvalidArgument"),
            ("lake/", "InvalidURI"),
            ("lake/../other/k", "InvalidURI"),
            ("lake/%2e%2e/k", "InvalidURI"),
            ("lake/a%3FversionId=v1", "InvalidArgument"),
            ("lake/a?versionId=", "InvalidArgument"),
            ("lake/a?acl", "InvalidArgument"),
            ("lake/a%zz", "InvalidArgument"),
            ("arn:aws:s3:us-east-1:1:accesspoint/x/object/k", "NotImplemented"),
            ("Lake/a", "InvalidBucketName"),
        ] {
            assert_eq!(check(value), Err(code.to_owned()), "{value}");
        }
    }
}
