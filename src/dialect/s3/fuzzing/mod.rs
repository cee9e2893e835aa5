//! For `fuzz/`: what the dialect reads has one meaning, and what is written of it reads as the same.

mod claims;
mod requests;

pub use super::documents::fuzzing::{complete, control, delete};
pub use super::form::fuzzing::form;
pub use super::payload::fuzzing::chunked;
pub use claims::{authorization, presign};
pub use requests::request;

use super::{address, classify, copy_source as source, query::Query, uri};
use crate::operation::{BucketName, CopySource, ObjectKey, ObjectName, Resource};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use std::fmt::Write as _;

fn domains() -> [Box<str>; 3] {
    [
        "localhost".into(),
        "tidegate.test".into(),
        "s3.tidegate.test".into(),
    ]
}

/// A host, a line feed, a raw path.
///
/// The canonical path addresses what the path addresses, and so does every other spelling of bucket and key. CLS-05
pub fn address(data: &[u8]) {
    let text = std::str::from_utf8(data).ok();
    let Some((authority, path)) = text.and_then(|text| text.split_once('\n')) else {
        return;
    };
    let domains = domains();
    let Ok(found) = address::parse(authority, path, &domains) else {
        return;
    };
    let again = address::parse(authority, &found.canonical_path, &domains);
    assert_eq!(
        again.as_ref(),
        Ok(&found),
        "the canonical path is another address"
    );
    let Resource::Object(ObjectName { bucket, key }) = &found.resource else {
        return;
    };
    for key in spellings(key.as_str()) {
        for (authority, path) in [
            ("localhost:8443".to_owned(), format!("/{bucket}/{key}")),
            (format!("{bucket}.localhost"), format!("/{key}")),
        ] {
            let spelt = address::parse(&authority, &path, &domains).map(|address| address.resource);
            assert_eq!(spelt.as_ref(), Ok(&found.resource), "{authority} {path}");
        }
    }
    assert_eq!(ObjectKey::parse(key.as_str().as_bytes()).as_ref(), Ok(key));
}

/// A method, a space, `service`, `bucket` or `object`, a line feed, a raw query.
///
/// Nothing of the query is lost but what the catalogue or SigV4 names, and what crosses makes the same call again.
/// CLS-02
pub fn query(data: &[u8]) {
    let text = std::str::from_utf8(data).ok();
    let Some((method, scope, raw)) = text.and_then(|text| {
        let (line, raw) = text.split_once('\n')?;
        let (method, scope) = line.split_once(' ')?;
        Some((method, scope, raw))
    }) else {
        return;
    };
    let Ok(query) = Query::parse(Some(raw)) else {
        return;
    };
    let canonical = query.canonical();
    let again = Query::parse(Some(&canonical)).map(|again| again.canonical());
    assert_eq!(again.as_deref(), Ok(&*canonical));

    let Some(resource) = resource(scope) else { return };
    let Ok(hoisted) = classify::unhoist(&query, &HeaderMap::new()) else {
        return;
    };
    let headers = hoisted.unwrap_or_default();
    let Ok(found) = classify::classify(method, &resource, &query, &headers) else {
        return;
    };
    let row = found.api.row();
    assert_eq!(row.method, method);
    for name in row.required {
        assert!(query.get(name).is_some(), "`{name}` is missing");
    }
    for (name, value) in query.iter() {
        let crossed = found.parameters.iter().find(|(n, _)| *n == name);
        match crossed {
            Some((_, crossed)) => assert_eq!(&**crossed, value),
            None => {
                let known = name == "x-id" || name.to_ascii_lowercase().starts_with("x-amz-");
                assert!(known, "`{name}` of {} is lost", found.api.name());
            }
        }
    }
    let mut raw = String::new();
    for (name, value) in &found.parameters {
        uri::encode_query(name.as_bytes(), &mut raw);
        raw.push('=');
        uri::encode_query(value.as_bytes(), &mut raw);
        raw.push('&');
    }
    let again = Query::parse(Some(&raw)).and_then(|q| classify::classify(method, &resource, &q, &headers));
    let again = again.map(|again| (again.api, again.parameters, again.headers));
    assert_eq!(again, Ok((found.api, found.parameters, found.headers)));
}

/// A value of `x-amz-copy-source`.
///
/// Every spelling of the source that was read is the same source. AUZ-03
pub fn copy_source(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(found) = source::parse(text) else { return };
    let CopySource { object, version_id } = &found;
    let mut version = String::new();
    if let Some(id) = version_id {
        version.push_str("?versionId=");
        uri::encode_query(id.as_bytes(), &mut version);
    }
    for key in spellings(object.key.as_str()) {
        for slash in ["", "/"] {
            let value = format!("{slash}{}/{key}{version}", object.bucket);
            assert_eq!(source::parse(&value).as_ref(), Ok(&found), "{value}");
        }
    }
}

/// The canonical spelling, and each byte encoded, in either case.
fn spellings(key: &str) -> [String; 3] {
    let mut canonical = String::new();
    uri::encode_path(key.as_bytes(), &mut canonical);
    let (mut upper, mut lower) = (String::new(), String::new());
    for byte in key.bytes() {
        // Writing to a String cannot fail.
        let _ = write!(upper, "%{byte:02X}");
        let _ = write!(lower, "%{byte:02x}");
    }
    [canonical, upper, lower]
}

fn resource(scope: &str) -> Option<Resource> {
    let bucket = BucketName::parse("lake").ok()?;
    let key = ObjectKey::parse(b"a").ok()?;
    match scope {
        "service" => Some(Resource::Service),
        "bucket" => Some(Resource::Bucket(bucket)),
        "object" => Some(Resource::Object(ObjectName { bucket, key })),
        _ => None,
    }
}

/// A request as text: a line of method and target, lines of headers, an empty line, a body. LF ends a line.
fn read(data: &[u8]) -> Option<Request<&[u8]>> {
    let end = data.windows(2).position(|two| two == b"\n\n");
    let (head, body) = match end {
        Some(end) => (data.get(..end)?, data.get(end + 2..)?),
        None => (data, &b""[..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = line.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target).body(body).ok()?;
    request.uri().path_and_query()?;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
        let value = line.get(colon + 1..)?.trim_ascii();
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request)
}
