//! Which API call is it, and what of it may cross?
//!
//! The catalogue is searched, never guessed at: a query key that no row lists makes the request a call that we
//! do not know, and an ignored `?tagging` on a DELETE would destroy the object.

use super::claim::PRESIGN_PARAMETERS;
use super::error::S3Error;
use super::query::Query;
use crate::operation::{Api, ChecksumAlgorithm, Handling, Resource, Row, Scope};
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
const CONSUMED: [&str; 10] = [
    // The AWS SDK for C++ (pyarrow) says on every request that it speaks 2006-03-01; there is no other.
    "x-amz-api-version",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    // An offer to take a checksum behind the bytes of an answer. No answer here says that it was taken up.
    "x-amz-te",
    "x-amz-trailer",
    "x-amz-user-agent",
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
    let rows = Api::ALL.iter().map(|api| (*api, api.row()));
    let mut candidates = rows.filter(|(_, row)| {
        row.scope == scope
            && row.method == method
            && row.copies == copies
            && row.required.iter().all(|key| keys.contains(key))
            && keys
                .iter()
                .all(|key| row.required.contains(key) || row.optional.contains(key))
            && !matches!(row.handling, Handling::SameRequestAs(_))
    });
    let Some((api, row)) = candidates.next() else {
        return Err(unknown(method, scope, &keys));
    };
    if let Handling::Refused(why) = row.handling {
        return Err(S3Error::not_implemented(format!(
            "{} is not served here: {why}",
            api.name()
        )));
    }
    if let Handling::Becomes(_) = row.handling {
        // The pipeline takes forms before they get here.
        return Err(S3Error::precondition_failed(
            "Bucket POST must be of the enclosure-type multipart/form-data",
        ));
    }
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
        headers: crossing_headers(headers, row)?,
    })
}

/// The headers of `headers` that cross in a call of `api`, however they came.
///
/// # Errors
/// As [`classify`] for headers.
pub(crate) fn crossing(api: Api, headers: &HeaderMap) -> Result<Headers, S3Error> {
    crossing_headers(headers, api.row())
}

/// Whether a call of `api` takes a header of this name, in lower case.
pub(crate) fn listed(api: Api, name: &str) -> bool {
    api.row().headers.contains(&name)
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

/// Why a request is no call of the catalogue.
fn unknown(method: &str, scope: Scope, keys: &[&str]) -> S3Error {
    if !matches!(method, "GET" | "HEAD" | "PUT" | "POST" | "DELETE") {
        return S3Error::method_not_allowed(format!("`{method}` is not allowed against this resource"));
    }
    let rows = || {
        Api::ALL
            .iter()
            .map(|api| api.row())
            .filter(|row| row.scope == scope)
    };
    let known = |key: &str| rows().any(|row| row.required.contains(&key) || row.optional.contains(&key));
    let implied = "A header or query you provided implies functionality that is not implemented";
    if let Some(key) = keys.iter().find(|key| !known(key)) {
        return S3Error::not_implemented(format!("{implied}: `?{key}`"));
    }
    let named = |key: &&&str| rows().any(|row| row.required.contains(*key));
    let sub_resources: Vec<&str> = keys.iter().filter(named).copied().collect();
    match sub_resources.as_slice() {
        // CLS-08: each side would take another one for what is meant.
        [first, second, ..] => S3Error::invalid_request(format!(
            "`?{first}` and `?{second}` do not go together in a `{method}`: a request names one thing"
        )),
        [only] if !rows().any(|row| row.method == method && row.required.contains(only)) => {
            S3Error::method_not_allowed(format!("`{method}` is not allowed against `?{only}`"))
        }
        _ => S3Error::not_implemented(format!("{implied}: `{method}` with this combination")),
    }
}

fn check_parameter(name: &str, value: &str) -> Result<(), S3Error> {
    let refuse = |rule: &str| Err(S3Error::invalid_argument(format!("`{name}` must be {rule}")));
    // Rust would read `+1`, and who knows who else.
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = |low: u32, high: u32| digits && value.parse().is_ok_and(|n: u32| (low..=high).contains(&n));
    match name {
        "list-type" if value != "2" => refuse("2"),
        "id" if value.is_empty() || value.len() > 1024 || value.chars().any(char::is_control) => {
            refuse("1 to 1024 printable characters")
        }
        "partNumber" if !number(1, 10_000) => refuse("a number from 1 to 10000"),
        "max-buckets" if !number(1, 10_000) => refuse("a number from 1 to 10000"),
        "max-keys" | "max-uploads" | "max-parts" | "part-number-marker" if !number(0, i32::MAX as u32) => {
            refuse("a number from 0 to 2147483647")
        }
        "encoding-type" if value != "url" => refuse("`url`"),
        // AUZ-10: a store that looks for a prefix in folders would go up, past what policy decided on.
        "prefix" if climbs(value) => {
            refuse("free of NUL and of `.` and `..` segments, which stores may collapse")
        }
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

/// Whether a path made of `prefix` would leave the folder that it seems to name. The last segment is only a beginning: a
/// `.` may be that of a hidden file.
fn climbs(prefix: &str) -> bool {
    // Some stores read a backslash as a slash.
    const SLASHES: [char; 2] = ['/', '\\'];
    let (folders, last) = prefix.rsplit_once(SLASHES).unwrap_or(("", prefix));
    let dots = |segment| matches!(segment, "." | "..");
    prefix.contains('\0') || last == ".." || folders.split(SLASHES).any(dots)
}

fn crossing_headers(headers: &HeaderMap, row: &Row) -> Result<Headers, S3Error> {
    let mut crossing = Headers::new();
    let sets_acl = row.required.contains(&"acl");
    for name in headers.keys().map(http::HeaderName::as_str) {
        if let Some(listed) = row.headers.iter().find(|listed| **listed == name) {
            if let Some(value) = single(headers, name)?
                && (sets_acl || asks_for_more(name, &value))
            {
                check_directive(name, &value)?;
                crossing.push((Cow::Borrowed(listed), value));
            }
        } else if name.starts_with(METADATA) {
            // S3 ignores metadata where a call takes none.
            if row.metadata
                && let Some(value) = single(headers, name)?
            {
                crossing.push((Cow::Owned(name.to_owned()), value));
            }
        } else if VENDOR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            && !CONSUMED.contains(&name)
            && ChecksumAlgorithm::from_header(name).is_none()
        {
            // CLS-02
            return Err(S3Error::not_implemented(format!(
                "A header you provided implies functionality that is not implemented: `{name}`"
            )));
        }
    }
    Ok(crossing)
}

/// Directives that decide what else a call needs.
fn check_directive(name: &str, value: &str) -> Result<(), S3Error> {
    match name {
        "x-amz-object-annotation-directive" if !matches!(value, "COPY" | "EXCLUDE") => Err(
            S3Error::invalid_argument(format!("`{name}` must be COPY or EXCLUDE")),
        ),
        _ => Ok(()),
    }
}

/// Whether a value asks for more than what is done without it. Tools say `private` and `false` out of habit, and what
/// asks for nothing needs no right.
fn asks_for_more(name: &str, value: &str) -> bool {
    match name {
        "x-amz-acl" => value != "private",
        "x-amz-bypass-governance-retention" | "x-amz-bucket-object-lock-enabled" => {
            !value.eq_ignore_ascii_case("false")
        }
        _ => true,
    }
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
            ("GET", Bucket, "versions&prefix=a", &[], "ListObjectVersions"),
            (
                "GET",
                Bucket,
                "inventory",
                &[],
                "ListBucketInventoryConfigurations",
            ),
            (
                "GET",
                Bucket,
                "inventory&id=1",
                &[],
                "GetBucketInventoryConfiguration",
            ),
            ("GET", Bucket, "lifecycle", &[], "GetBucketLifecycleConfiguration"),
            ("DELETE", Bucket, "", &[], "DeleteBucket"),
            ("GET", Object, "acl", &[], "GetObjectAcl"),
            ("DELETE", Object, "tagging", &[], "DeleteObjectTagging"),
            ("PUT", Bucket, "encryption", &[], "PutBucketEncryption"),
            ("PUT", Object, "", &[("x-amz-acl", "public-read")], "PutObject"),
            ("HEAD", Bucket, "", &[], "HeadBucket"),
            ("GET", Bucket, "location", &[], "GetBucketLocation"),
            ("GET", Bucket, "prefix=a&delimiter=/", &[], "ListObjects"),
            ("GET", Bucket, "prefix=a/.&marker=a/..", &[], "ListObjects"),
            ("GET", Bucket, "list-type=2&prefix=a", &[], "ListObjectsV2"),
            ("GET", Bucket, "uploads", &[], "ListMultipartUploads"),
            ("POST", Bucket, "delete=", &[], "DeleteObjects"),
            ("GET", Object, "", &[("range", "bytes=0-1")], "GetObject"),
            ("GET", Object, "partNumber=1&response-expires=x", &[], "GetObject"),
            ("HEAD", Object, "versionId=1", &[], "HeadObject"),
            ("PUT", Object, "x-id=PutObject", &[], "PutObject"),
            ("PUT", Object, "", &copy, "CopyObject"),
            ("GET", Object, "", &[("x-amz-te", "append-md5")], "GetObject"),
            (
                "GET",
                Object,
                "",
                &[("x-amz-api-version", "2006-03-01")],
                "GetObject",
            ),
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
            ("DELETE", Object, "acl", &[][..], "MethodNotAllowed"),
            ("GET", Object, "Tagging", &[], "NotImplemented"),
            ("PUT", Object, "annotation", &[], "NotImplemented"),
            ("GET", Object, "annotation", &[], "NotImplemented"),
            (
                "DELETE",
                Object,
                "annotation&annotationName=a",
                &[],
                "NotImplemented",
            ),
            ("PUT", Object, "encryption", &[], "NotImplemented"),
            ("PUT", Object, "acl&tagging", &[], "InvalidRequest"),
            ("DELETE", Object, "tagging&acl", &[], "InvalidRequest"),
            ("PUT", Object, "uploadId=u", &[], "NotImplemented"),
            ("GET", Object, "uploads&uploadId=u", &[], "InvalidRequest"),
            ("GET", Object, "uploadId=u&partNumber=1", &[], "InvalidRequest"),
            ("GET", Object, "torrent", &[], "NotImplemented"),
            ("PUT", Object, "renameObject", &[], "NotImplemented"),
            ("POST", Object, "select&select-type=2", &[], "NotImplemented"),
            ("GET", Bucket, "session", &[], "NotImplemented"),
            ("GET", Service, "max-directory-buckets=1", &[], "NotImplemented"),
            ("GET", Bucket, "inventory&id=", &[], "InvalidArgument"),
            ("GET", Object, "VersionId=1", &[], "NotImplemented"),
            ("GET", Bucket, "list-type=1", &[], "InvalidArgument"),
            ("GET", Bucket, "delete", &[], "MethodNotAllowed"),
            ("GET", Bucket, "prefix=a&unknown=1", &[], "NotImplemented"),
            ("GET", Bucket, "max-keys=-1", &[], "InvalidArgument"),
            ("GET", Bucket, "max-keys=%2B1", &[], "InvalidArgument"),
            ("GET", Bucket, "prefix=team-a/../team-b/", &[], "InvalidArgument"),
            ("GET", Bucket, "list-type=2&prefix=..", &[], "InvalidArgument"),
            ("GET", Bucket, "uploads&prefix=a/..", &[], "InvalidArgument"),
            ("GET", Bucket, "versions&prefix=a/./b", &[], "InvalidArgument"),
            ("GET", Bucket, "prefix=a%00", &[], "InvalidArgument"),
            ("POST", Bucket, "", &[], "PreconditionFailed"),
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
            ("PUT", Object, "x-amz-content-sha256=00", &[], "InvalidArgument"),
            (
                "PUT",
                Object,
                "",
                &[
                    ("x-amz-copy-source", "lake/b"),
                    ("x-amz-object-annotation-directive", "KEEP"),
                ],
                "InvalidArgument",
            ),
            (
                "UPDATE",
                Object,
                "",
                &[("x-amz-acl", "public-read")],
                "MethodNotAllowed",
            ),
            (
                "GET",
                Object,
                "",
                &[("x-amz-acl", "public-read")],
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

    type Committed = (
        &'static str,
        &'static str,
        Scope,
        Vec<&'static str>,
        Vec<&'static str>,
    );

    /// The committed table: for each call its method, scope, required parameters and headers that may cross.
    fn committed() -> Vec<Committed> {
        let rows = include_str!("../../../tests/golden/catalogue.tsv")
            .lines()
            .skip(1);
        let rows = rows.map(|line| line.split('\t').collect::<Vec<_>>());
        let served = rows.filter(|cells| matches!(cells[1], "forwarded" | "answered"));
        served
            .map(|cells| {
                let scope = match cells[3] {
                    "service" => Scope::Service,
                    "bucket" => Scope::Bucket,
                    _ => Scope::Object,
                };
                let words = |text: &'static str| text.split(' ').filter(|word| !word.is_empty()).collect();
                (cells[0], cells[2], scope, words(cells[4]), words(cells[11]))
            })
            .collect()
    }

    // CLS-02: every name that anybody gave a header, on every call.
    #[test]
    fn a_header_crosses_if_the_catalogue_lists_it_and_is_refused_if_it_might_mean_something() {
        let names: Vec<&str> = include_str!("../../../tests/golden/header-names.txt")
            .lines()
            .collect();
        assert!(names.len() > 500);
        for (api, method, scope, required, listed) in committed() {
            let copies = listed.contains(&"x-amz-copy-source");
            let values = required.iter().map(|name| match *name {
                "list-type" => "list-type=2".to_owned(),
                name => format!("{name}=1"),
            });
            let query = Query::parse(Some(&values.collect::<Vec<_>>().join("&"))).unwrap();
            for name in &names {
                let mut headers = HeaderMap::new();
                headers.insert(
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_static("1"),
                );
                if copies {
                    headers.insert("x-amz-copy-source", HeaderValue::from_static("lake/b"));
                }
                let found = classify(method, &resource(scope), &query, &headers);
                let is_metadata = name.starts_with("x-amz-meta-");
                let crosses = listed.contains(name) || (is_metadata && listed.contains(&"x-amz-meta-*"));
                let means = VENDOR_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !is_metadata;
                match found {
                    Ok(found) => {
                        let crossing: Vec<&str> = found.headers.iter().map(|(name, _)| &**name).collect();
                        let expected: &[&str] = if crosses { &[name] } else { &[] };
                        assert_eq!((found.api.name(), &crossing[..]), (api, expected), "{name}");
                        assert!(crosses || !means, "{api} lets `{name}` pass unseen");
                    }
                    Err(error) => {
                        assert_eq!(
                            (&*error.code, means && !crosses),
                            ("NotImplemented", true),
                            "{api} {name}"
                        );
                    }
                }
            }
        }
    }

    // CLS-08: of two sub-resources each side could take another one for what is meant.
    #[test]
    fn two_sub_resources_are_one_call_only_where_the_reference_has_it() {
        let rows = committed();
        let names: std::collections::BTreeSet<&str> = rows.iter().flat_map(|row| row.3.clone()).collect();
        for scope in [Scope::Service, Scope::Bucket, Scope::Object] {
            for (one, other) in names
                .iter()
                .flat_map(|one| names.iter().map(move |other| (*one, *other)))
            {
                let both = format!("{one}=1&{other}=1");
                let Ok(query) = Query::parse(Some(&both)) else {
                    continue;
                };
                for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
                    for copies in [false, true] {
                        let mut headers = HeaderMap::new();
                        if copies {
                            headers.insert("x-amz-copy-source", HeaderValue::from_static("lake/b"));
                        }
                        if let Ok(found) = classify(method, &resource(scope), &query, &headers) {
                            let row = rows.iter().find(|row| row.0 == found.api.name()).unwrap();
                            let optional = found.api.row().optional;
                            assert!(
                                row.3.contains(&one) && row.3.contains(&other)
                                    || optional.contains(&one)
                                    || optional.contains(&other),
                                "{method} ?{both} is {}",
                                row.0
                            );
                        }
                    }
                }
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
