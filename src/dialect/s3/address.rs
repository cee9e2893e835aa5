//! Which bucket and key: from the host and the raw path, path style and virtual-host style.
//!
//! The hazard is reading a name twice: a router that sees `/b/k` where the store sees `/b/../k`. The path is
//! decoded once, into the bytes that policy, audit, signature and wire all use.

use super::error::S3Error;
use super::uri;
use crate::operation::{BucketName, KeyError, ObjectKey, ObjectName, Resource};

/// What a request addresses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Service, bucket or object.
    pub(crate) resource: Resource,
    /// The path as the signature covers it: decoded once, encoded the one way.
    pub(crate) canonical_path: String,
}

/// Reads the address. `authority` is the `Host` header in lower case, possibly with a port; `domains` are the
/// host names that are served.
///
/// # Errors
/// `InvalidRequest` for a host that is not served, `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`.
pub(crate) fn parse(authority: &str, raw_path: &str, domains: &[Box<str>]) -> Result<Address, S3Error> {
    let decoded = uri::decode(raw_path)
        .ok_or_else(|| S3Error::invalid_uri("the path has a `%` that is not followed by two hex digits"))?;
    let mut canonical_path = String::with_capacity(raw_path.len());
    uri::encode_path(&decoded, &mut canonical_path);
    let Some((b'/', path)) = decoded.split_first() else {
        return Err(S3Error::invalid_uri("the path does not start with `/`"));
    };
    let resource = match virtual_host(authority, domains)? {
        Some(bucket) if path.is_empty() => Resource::Bucket(bucket_name(bucket.as_bytes())?),
        Some(bucket) => object(bucket_name(bucket.as_bytes())?, path)?,
        None if path.is_empty() => Resource::Service,
        None => match path
            .iter()
            .position(|b| *b == b'/')
            .map(|slash| path.split_at(slash))
        {
            None => Resource::Bucket(bucket_name(path)?),
            Some((bucket, b"/")) => Resource::Bucket(bucket_name(bucket)?),
            Some((bucket, key)) => object(bucket_name(bucket)?, key.get(1..).unwrap_or_default())?,
        },
    };
    Ok(Address {
        resource,
        canonical_path,
    })
}

/// Whether this is one of the host names that are served, and not that of a bucket.
pub(crate) fn is_service_host(authority: &str, domains: &[Box<str>]) -> bool {
    matches!(virtual_host(authority, domains), Ok(None))
}

/// Where a caller who came by `authority` reaches `bucket`: `https://host/bucket` or `https://bucket.host`.
pub(crate) fn bucket_url(authority: &str, domains: &[Box<str>], bucket: &BucketName) -> String {
    match virtual_host(authority, domains) {
        Ok(Some(_)) => format!("https://{authority}"),
        Ok(None) | Err(_) => format!("https://{authority}/{bucket}"),
    }
}

/// Parses an object name from decoded bytes: the one parser of keys, for paths and for copy sources.
pub(crate) fn object_name(bucket: BucketName, key: &[u8]) -> Result<ObjectName, S3Error> {
    let key = ObjectKey::parse(key).map_err(|error| match error {
        KeyError::TooLong => S3Error::key_too_long("Your key is too long: 1024 bytes at most"),
        KeyError::Empty | KeyError::Encoding | KeyError::DotSegment => {
            S3Error::invalid_uri(error.to_string())
        }
    })?;
    Ok(ObjectName { bucket, key })
}

/// Parses a bucket name from decoded bytes.
pub(crate) fn bucket_name(bytes: &[u8]) -> Result<BucketName, S3Error> {
    let refuse = |message: String| {
        S3Error::invalid_bucket_name(message).with("BucketName", String::from_utf8_lossy(bytes).into_owned())
    };
    if bytes.starts_with(b"arn:") {
        return Err(S3Error::not_implemented(
            "access points are not served here: name the bucket itself",
        ));
    }
    let name = std::str::from_utf8(bytes).map_err(|_| refuse("a bucket name is ASCII".to_owned()))?;
    BucketName::parse(name).map_err(|error| refuse(error.to_string()))
}

fn object(bucket: BucketName, key: &[u8]) -> Result<Resource, S3Error> {
    object_name(bucket, key).map(Resource::Object)
}

/// The bucket label in front of a served domain; `None` for the domain itself.
fn virtual_host<'a>(authority: &'a str, domains: &[Box<str>]) -> Result<Option<&'a str>, S3Error> {
    let host = host_of(authority);
    if domains.iter().any(|domain| **domain == *host) {
        return Ok(None);
    }
    // Of two domains that both fit, the longer one leaves the shorter label: `s3.a.test` before `a.test`.
    let labels = domains
        .iter()
        .filter_map(|domain| host.strip_suffix(&**domain)?.strip_suffix('.'));
    if let Some(bucket) = labels.min_by_key(|label| label.len()) {
        return Ok(Some(bucket));
    }
    Err(S3Error::invalid_request(format!(
        "host `{host}` is not served here; use one of the names in `server.domains`"
    )))
}

/// The host of an authority without its port; IPv6 addresses keep their brackets.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => {
            if host.starts_with('[') && !host.ends_with(']') {
                authority
            } else {
                host
            }
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authority: &str, path: &str) -> Result<(Option<String>, Option<String>), String> {
        let domains = [
            "localhost".into(),
            "tidegate.test".into(),
            "s3.tidegate.test".into(),
        ];
        parse(authority, path, &domains)
            .map_err(|e| e.code.into_owned())
            .map(|address| match address.resource {
                Resource::Service => (None, None),
                Resource::Bucket(bucket) => (Some(bucket.to_string()), None),
                Resource::Object(object) => (Some(object.bucket.to_string()), Some(object.key.to_string())),
            })
    }

    fn found(bucket: &str, key: &str) -> Result<(Option<String>, Option<String>), String> {
        let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
        Ok((some(bucket), some(key)))
    }

    // CLS-05, CLS-06, CLS-09
    #[test]
    fn bucket_and_key_come_from_host_and_path() {
        for (host, path, expected) in [
            ("localhost:8443", "/", found("", "")),
            ("localhost", "/lake", found("lake", "")),
            ("localhost", "/lake/", found("lake", "")),
            ("localhost", "/lake/a%2Fb", found("lake", "a/b")),
            ("localhost", "/lake/a//b/", found("lake", "a//b/")),
            ("localhost", "/lake//a", found("lake", "/a")),
            ("localhost", "/lake/a+b%20c", found("lake", "a+b c")),
            ("localhost", "/lake/%252e%252e", found("lake", "%2e%2e")),
            ("lake.s3.tidegate.test", "/", found("lake", "")),
            ("lake.s3.tidegate.test:443", "/a/b", found("lake", "a/b")),
            ("my.lake.localhost", "/a", found("my.lake", "a")),
            ("s3.tidegate.test", "/lake/a", found("lake", "a")),
            ("lake.tidegate.test", "/a", found("lake", "a")),
        ] {
            assert_eq!(check(host, path), expected, "{host} {path}");
        }
        let long = format!("/lake/{}", "k".repeat(1025));
        for (host, path, code) in [
            ("localhost", "/lake/../secret", "InvalidURI"),
            ("localhost", "/lake/%2e%2e/secret/k", "InvalidURI"),
            ("localhost", "/lake/.%2E/k", "InvalidURI"),
            ("localhost", "/lake/a/./b", "InvalidURI"),
            ("localhost", "/lake/a%00b", "InvalidURI"),
            ("localhost", "/lake/%ff", "InvalidURI"),
            ("localhost", "/lake/%zz", "InvalidURI"),
            ("localhost", "lake", "InvalidURI"),
            ("localhost", &long, "KeyTooLongError"),
            ("localhost", "/Lake/a", "InvalidBucketName"),
            ("localhost", "/../lake", "InvalidBucketName"),
            ("localhost", "//lake", "InvalidBucketName"),
            ("localhost", "/arn%3Aaws%3As3:::lake/a", "NotImplemented"),
            ("evil.test", "/lake/a", "InvalidRequest"),
            ("notlocalhost", "/lake/a", "InvalidRequest"),
            ("localhost.evil.test", "/lake/a", "InvalidRequest"),
            ("LAKE.localhost", "/a", "InvalidBucketName"),
        ] {
            assert_eq!(check(host, path), Err(code.to_owned()), "{host} {path}");
        }
    }
}
