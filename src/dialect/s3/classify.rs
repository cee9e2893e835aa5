//! Which API call is it, and what of it may cross?
//!
//! The catalogue is searched, never guessed at: a query key that no row lists makes the request a call that we
//! do not know, and an ignored `?tagging` on a DELETE would destroy the object.

use super::claim::PRESIGN_PARAMETERS;
use super::error::S3Error;
use super::query::Query;
use crate::operation::{Api, Resource, Scope};
use http::HeaderMap;
use std::borrow::Cow;

/// Parameters that cross: names from the catalogue, decoded values.
pub(crate) type Parameters = Vec<(&'static str, Box<str>)>;
/// Headers that cross: lower-case names and values.
pub(crate) type Headers = Vec<(Cow<'static, str>, Box<str>)>;

/// A call and what crosses with it.
#[derive(Debug)]
pub(crate) struct Classified {
    pub(crate) api: Api,
    pub(crate) parameters: Parameters,
    pub(crate) headers: Headers,
}

/// Headers that are read by other parts of the dialect, or that say nothing which matters to anybody.
const CONSUMED: [&str; 8] = [
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-trailer",
    "x-amz-user-agent",
];
const CHECKSUMS: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];
/// Prefixes with which storage systems give headers a meaning of their own.
const VENDOR_PREFIXES: [&str; 4] = ["x-amz-", "x-goog-", "x-minio-", "x-rustfs-"];
const METADATA: &str = "x-amz-meta-";

/// Finds the call. `headers` are those of the request with hoisted ones merged in.
///
/// # Errors
/// `NotImplemented` for a call, parameter or header that is not known, `MethodNotAllowed` for a method that
/// nothing at this scope has, `InvalidArgument` for values that cannot be.
pub(crate) fn classify(
    method: &str,
    resource: &Resource,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Classified, S3Error> {
    let scope = match resource {
        Resource::Service => Scope::Service,
        Resource::Bucket(_) => Scope::Bucket,
        Resource::Object(_) => Scope::Object,
    };
    let keys: Vec<&str> = query
        .iter()
        .map(|(name, _)| name)
        .filter(|name| crosses(name))
        .collect();
    let copies = headers.contains_key("x-amz-copy-source");
    let mut candidates = Api::ALL
        .into_iter()
        .map(|api| (api, api.row()))
        .filter(|(_, row)| {
            row.method == method
                && row.scope == scope
                && row.copies == copies
                && row.required.iter().all(|key| keys.contains(key))
                && keys
                    .iter()
                    .all(|key| row.required.contains(key) || row.optional.contains(key))
        });
    let Some((api, row)) = candidates.next() else {
        return Err(unknown(method, scope, &keys));
    };
    let mut parameters = Parameters::new();
    for name in row.required.iter().chain(row.optional) {
        if let Some(value) = query.get(name) {
            check_parameter(name, value)?;
            parameters.push((name, value.into()));
        }
    }
    Ok(Classified {
        api,
        parameters,
        headers: crossing_headers(headers, row.headers, row.metadata)?,
    })
}

/// Moves `x-amz-*` query parameters that a presigner hoisted back to where they came from; `None` if there are none.
///
/// # Errors
/// `InvalidArgument` for one that is also there as a header, or that no header can hold.
pub(crate) fn unhoist(query: &Query, headers: &HeaderMap) -> Result<Option<HeaderMap>, S3Error> {
    let mut merged: Option<HeaderMap> = None;
    for (name, value) in query.iter().filter(|(name, _)| is_hoisted(name)) {
        if PRESIGN_PARAMETERS
            .iter()
            .any(|parameter| parameter.eq_ignore_ascii_case(name))
        {
            return Err(S3Error::invalid_argument(format!(
                "the query parameter `{name}` is spelt in another case"
            )));
        }
        let refuse =
            || S3Error::invalid_argument(format!("`{name}` is given twice, or is not a valid header"));
        let header = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?;
        let value = http::HeaderValue::from_str(value).map_err(|_| refuse())?;
        let merged = merged.get_or_insert_with(|| headers.clone());
        if merged.insert(header, value).is_some() {
            return Err(refuse());
        }
    }
    Ok(merged)
}

fn is_hoisted(name: &str) -> bool {
    name.get(..6)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-amz-"))
        && !PRESIGN_PARAMETERS.contains(&name)
}

/// Whether a query key takes part in finding the call. `x-id` is a routing hint of the JavaScript SDK.
fn crosses(name: &str) -> bool {
    name != "x-id" && !PRESIGN_PARAMETERS.contains(&name) && !is_hoisted(name)
}

fn unknown(method: &str, scope: Scope, keys: &[&str]) -> S3Error {
    let at_scope = || {
        Api::ALL
            .into_iter()
            .map(Api::row)
            .filter(|row| row.scope == scope)
    };
    if !matches!(method, "GET" | "HEAD" | "PUT" | "POST" | "DELETE") {
        return S3Error::method_not_allowed(format!("`{method}` is not allowed against this resource"));
    }
    let known = |key: &&str| at_scope().any(|row| row.required.contains(key) || row.optional.contains(key));
    let message = match keys.iter().find(|key| !known(key)) {
        Some(key) => {
            format!("A header or query you provided implies functionality that is not implemented: `?{key}`")
        }
        None => format!(
            "A header or query you provided implies functionality that is not implemented: `{method}` with this combination"
        ),
    };
    S3Error::not_implemented(message)
}

fn check_parameter(name: &str, value: &str) -> Result<(), S3Error> {
    let refuse = |rule: &str| Err(S3Error::invalid_argument(format!("`{name}` must be {rule}")));
    let number = |low: u32, high: u32| value.parse::<u32>().is_ok_and(|n| (low..=high).contains(&n));
    match name {
        "list-type" if value != "2" => refuse("2"),
        "partNumber" if !number(1, 10_000) => refuse("a number from 1 to 10000"),
        "max-keys" | "max-uploads" | "max-parts" | "max-buckets" | "part-number-marker"
            if !number(0, i32::MAX as u32) =>
        {
            refuse("a number from 0 to 2147483647")
        }
        "encoding-type" if value != "url" => refuse("`url`"),
        "uploadId" | "versionId"
            if value.is_empty() || value.len() > 2048 || value.chars().any(char::is_control) =>
        {
            refuse("1 to 2048 printable characters")
        }
        // LEK-06
        name if name.starts_with("response-") && value.chars().any(char::is_control) => {
            refuse("free of control characters")
        }
        _ => Ok(()),
    }
}

fn crossing_headers(
    headers: &HeaderMap,
    listed: &'static [&'static str],
    metadata: bool,
) -> Result<Headers, S3Error> {
    let mut crossing = Headers::new();
    for name in headers.keys().map(http::HeaderName::as_str) {
        if let Some(listed) = listed.iter().find(|listed| **listed == name) {
            if let Some(value) = single(headers, name)? {
                crossing.push((Cow::Borrowed(listed), value));
            }
        } else if name.starts_with(METADATA) {
            // S3 ignores metadata where a call takes none.
            if metadata && let Some(value) = single(headers, name)? {
                crossing.push((Cow::Owned(name.to_owned()), value));
            }
        } else if name == "x-amz-acl" {
            // What a target without ACLs does anyway; anything else would open a door around the proxy. LEK-01
            if single(headers, name)?.as_deref() != Some("private") {
                return Err(S3Error::not_implemented(
                    "A header you provided implies functionality that is not implemented: `x-amz-acl` other than `private`",
                ));
            }
        } else if VENDOR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            && !CONSUMED.contains(&name)
            && !CHECKSUMS.contains(&name)
        {
            // CLS-02
            return Err(S3Error::not_implemented(format!(
                "A header you provided implies functionality that is not implemented: `{name}`"
            )));
        }
    }
    Ok(crossing)
}

/// The one value of a header; `content-encoding` without `aws-chunked`, which is framing and not content.
fn single(headers: &HeaderMap, name: &str) -> Result<Option<Box<str>>, S3Error> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(S3Error::invalid_argument(format!(
            "the header `{name}` is given twice; give it once"
        )));
    };
    let value = std::str::from_utf8(value.as_bytes())
        .map_err(|_| S3Error::invalid_argument(format!("the header `{name}` is not UTF-8")))?;
    if name != "content-encoding" {
        return Ok(Some(value.into()));
    }
    let codings: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|c| !c.is_empty() && !c.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    Ok((!codings.is_empty()).then(|| codings.join(",").into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{BucketName, ObjectKey, ObjectName};
    use http::{HeaderName, HeaderValue};

    fn resource(scope: Scope) -> Resource {
        let bucket = BucketName::parse("lake").unwrap();
        match scope {
            Scope::Service => Resource::Service,
            Scope::Bucket => Resource::Bucket(bucket),
            Scope::Object => Resource::Object(ObjectName {
                bucket,
                key: ObjectKey::parse(b"a").unwrap(),
            }),
        }
    }

    fn check(
        method: &str,
        scope: Scope,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<&'static str, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let query = Query::parse(Some(query)).map_err(|e| e.code.into_owned())?;
        let merged = unhoist(&query, &map).map_err(|e| e.code.into_owned())?;
        let map = merged.unwrap_or(map);
        classify(method, &resource(scope), &query, &map)
            .map(|c| c.api.name())
            .map_err(|e| e.code.into_owned())
    }

    #[test]
    fn each_call_is_found_by_its_method_scope_and_parameters() {
        use Scope::{Bucket, Object, Service};
        let copy = [("x-amz-copy-source", "lake/b")];
        for (method, scope, query, headers, expected) in [
            ("GET", Service, "", &[][..], "ListBuckets"),
            ("GET", Service, "x-id=ListBuckets", &[], "ListBuckets"),
            ("PUT", Bucket, "", &[("x-amz-acl", "private")], "CreateBucket"),
            ("HEAD", Bucket, "", &[], "HeadBucket"),
            ("GET", Bucket, "location", &[], "GetBucketLocation"),
            ("GET", Bucket, "prefix=a&delimiter=/", &[], "ListObjects"),
            ("GET", Bucket, "list-type=2&prefix=a", &[], "ListObjectsV2"),
            ("GET", Bucket, "uploads", &[], "ListMultipartUploads"),
            ("POST", Bucket, "delete=", &[], "DeleteObjects"),
            ("GET", Object, "", &[("range", "bytes=0-1")], "GetObject"),
            ("GET", Object, "partNumber=1&response-expires=x", &[], "GetObject"),
            ("HEAD", Object, "versionId=1", &[], "HeadObject"),
            ("PUT", Object, "x-id=PutObject", &[], "PutObject"),
            ("PUT", Object, "", &copy, "CopyObject"),
            ("DELETE", Object, "", &[], "DeleteObject"),
            ("POST", Object, "uploads", &[], "CreateMultipartUpload"),
            ("PUT", Object, "partNumber=1&uploadId=u", &[], "UploadPart"),
            ("PUT", Object, "partNumber=1&uploadId=u", &copy, "UploadPartCopy"),
            ("POST", Object, "uploadId=u", &[], "CompleteMultipartUpload"),
            ("DELETE", Object, "uploadId=u", &[], "AbortMultipartUpload"),
            ("GET", Object, "uploadId=u", &[], "ListParts"),
        ] {
            assert_eq!(
                check(method, scope, query, headers).as_deref(),
                Ok(expected),
                "{method} ?{query}"
            );
        }
    }

    // CLS-02, CLS-03, CLS-08, LEK-01
    #[test]
    fn what_is_not_in_the_catalogue_is_refused() {
        use Scope::{Bucket, Object, Service};
        for (method, scope, query, headers, code) in [
            ("GET", Object, "acl", &[][..], "NotImplemented"),
            ("DELETE", Object, "tagging", &[], "NotImplemented"),
            ("PUT", Object, "annotation", &[], "NotImplemented"),
            ("PUT", Object, "acl&tagging", &[], "NotImplemented"),
            ("PUT", Object, "uploadId=u", &[], "NotImplemented"),
            ("GET", Object, "uploads&uploadId=u", &[], "NotImplemented"),
            ("GET", Object, "uploadId=u&partNumber=1", &[], "NotImplemented"),
            ("GET", Object, "VersionId=1", &[], "NotImplemented"),
            ("GET", Bucket, "list-type=1", &[], "InvalidArgument"),
            ("GET", Bucket, "versions", &[], "NotImplemented"),
            ("GET", Bucket, "delete", &[], "NotImplemented"),
            ("GET", Bucket, "prefix=a&unknown=1", &[], "NotImplemented"),
            ("GET", Bucket, "max-keys=-1", &[], "InvalidArgument"),
            (
                "PUT",
                Bucket,
                "",
                &[("x-amz-bucket-object-lock-enabled", "true")],
                "NotImplemented",
            ),
            (
                "PUT",
                Bucket,
                "",
                &[("x-amz-acl", "public-read")],
                "NotImplemented",
            ),
            ("PUT", Bucket, "policy", &[], "NotImplemented"),
            ("DELETE", Bucket, "", &[], "NotImplemented"),
            ("POST", Bucket, "", &[], "NotImplemented"),
            ("PATCH", Object, "", &[], "MethodNotAllowed"),
            ("OPTIONS", Bucket, "", &[], "MethodNotAllowed"),
            ("POST", Service, "", &[], "NotImplemented"),
            (
                "GET",
                Object,
                "",
                &[("x-amz-copy-source", "lake/b")],
                "NotImplemented",
            ),
            (
                "PUT",
                Object,
                "",
                &[("x-amz-acl", "public-read")],
                "NotImplemented",
            ),
            ("PUT", Object, "x-amz-acl=public-read", &[], "NotImplemented"),
            ("PUT", Object, "X-AMZ-ACL=public-read", &[], "NotImplemented"),
            ("PUT", Object, "x-amz-content-sha256=00", &[], "InvalidArgument"),
            (
                "PUT",
                Object,
                "",
                &[("x-amz-grant-read", "id=1")],
                "NotImplemented",
            ),
            ("PUT", Object, "", &[("x-goog-acl", "private")], "NotImplemented"),
            (
                "PUT",
                Object,
                "",
                &[("x-minio-replication-x", "1")],
                "NotImplemented",
            ),
            (
                "PUT",
                Object,
                "",
                &[("x-amz-website-redirect-location", "/")],
                "NotImplemented",
            ),
            (
                "PUT",
                Object,
                "",
                &[("content-type", "a"), ("content-type", "b")],
                "InvalidArgument",
            ),
            (
                "PUT",
                Object,
                "x-amz-storage-class=A",
                &[("x-amz-storage-class", "A")],
                "InvalidArgument",
            ),
            ("PUT", Object, "partNumber=0&uploadId=u", &[], "InvalidArgument"),
            (
                "PUT",
                Object,
                "partNumber=10001&uploadId=u",
                &[],
                "InvalidArgument",
            ),
        ] {
            assert_eq!(
                check(method, scope, query, headers),
                Err(code.to_owned()),
                "{method} ?{query} {headers:?}"
            );
        }
    }

    #[test]
    fn no_two_rows_of_the_catalogue_match_the_same_request() {
        for one in Api::ALL {
            for other in Api::ALL.into_iter().filter(|other| *other != one) {
                let (a, b) = (one.row(), other.row());
                let same = a.method == b.method && a.scope == b.scope && a.copies == b.copies;
                let reachable = a
                    .required
                    .iter()
                    .all(|k| b.required.contains(k) || b.optional.contains(k))
                    && b.required
                        .iter()
                        .all(|k| a.required.contains(k) || a.optional.contains(k));
                assert!(!(same && reachable), "{} and {}", one.name(), other.name());
            }
        }
    }

    #[test]
    fn framing_is_taken_out_of_the_content_encoding() {
        for (sent, crosses) in [
            ("aws-chunked", None),
            ("aws-chunked,gzip", Some("gzip")),
            ("gzip, AWS-Chunked", Some("gzip")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("content-encoding", HeaderValue::from_static(sent));
            let found = classify("PUT", &resource(Scope::Object), &Query::default(), &headers)
                .unwrap()
                .headers;
            assert_eq!(found.first().map(|(_, value)| &**value), crosses, "{sent}");
        }
    }
}
