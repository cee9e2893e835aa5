//! What a request's head must be beyond parsing: one host, one method that is served, one of each header that
//! decides something.
//!
//! The same for HTTP/1.1 and HTTP/2. Afterwards every request looks alike: its target is a path with an optional
//! query, and it has exactly one `Host`.

use super::{connection::Connection, outline::Outline, violation::HeadViolation};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, DATE, EXPECT, HOST, RANGE, UPGRADE,
    },
};
use http_body::Body;

/// Bytes of a head. Session tokens in headers and long presigned URLs need room; S3 itself stops at 8 KiB.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Bytes of a request target: a presigned URL with a session token in it.
pub(super) const MAX_TARGET: usize = 16 * 1024;

/// Header lines: objects can carry many `x-amz-meta-*`.
pub(super) const MAX_HEADERS: usize = 200;

/// Where two values would leave it to chance which one is meant.
const ONCE: [(HeaderName, &str); 11] = [
    (HOST, "Host"),
    (AUTHORIZATION, "Authorization"),
    (CONTENT_LENGTH, "Content-Length"),
    (CONTENT_TYPE, "Content-Type"),
    (RANGE, "Range"),
    (DATE, "Date"),
    (EXPECT, "Expect"),
    (HeaderName::from_static("x-amz-date"), "x-amz-date"),
    (
        HeaderName::from_static("x-amz-security-token"),
        "x-amz-security-token",
    ),
    (
        HeaderName::from_static("x-amz-content-sha256"),
        "x-amz-content-sha256",
    ),
    (HeaderName::from_static("x-amz-copy-source"), "x-amz-copy-source"),
];

/// Checks the head of `request` and gives it its one form.
///
/// # Errors
/// The first rule that it breaks, and what it asked.
pub(super) fn check<B: Body>(
    mut request: Request<B>,
    connection: &Connection,
) -> Result<Request<B>, (HeadViolation, Box<Outline>)> {
    match settle(&mut request, connection) {
        Ok(()) => Ok(request),
        Err(violation) => Err((violation, Box::new(Outline::of_request(&request)))),
    }
}

fn settle<B: Body>(request: &mut Request<B>, connection: &Connection) -> Result<(), HeadViolation> {
    match request.version() {
        Version::HTTP_11 | Version::HTTP_2 => {}
        _ => return Err(HeadViolation::Version),
    }
    check_headers(request.headers())?;
    one_host(request)?;
    let host = request.headers().get(HOST).ok_or(HeadViolation::MissingHost)?;
    let name = host_name(host)?;
    if let Some(server_name) = &connection.server_name
        && !without_dot(name).eq_ignore_ascii_case(without_dot(server_name))
    {
        return Err(HeadViolation::Misdirected);
    }
    let bodiless = match *request.method() {
        Method::GET | Method::HEAD | Method::DELETE => true,
        Method::PUT | Method::POST | Method::OPTIONS | Method::PATCH => false,
        _ => return Err(HeadViolation::Method),
    };
    if bodiless && !request.body().is_end_stream() {
        return Err(HeadViolation::Body);
    }
    let target = request.uri().path_and_query().ok_or(HeadViolation::Target)?;
    check_target(target.as_str())?;
    if request.uri().authority().is_some() {
        *request.uri_mut() = Uri::from(target.clone());
    }
    Ok(())
}

fn check_headers(headers: &HeaderMap) -> Result<(), HeadViolation> {
    if headers.len() > MAX_HEADERS {
        return Err(HeadViolation::TooMany);
    }
    if headers.len() != headers.keys_len() {
        for (name, shown) in &ONCE {
            if headers.get_all(name).iter().nth(1).is_some() {
                return Err(HeadViolation::Duplicate(shown));
            }
        }
    }
    if headers.contains_key(UPGRADE) {
        return Err(HeadViolation::Upgrade);
    }
    if let Some(expectation) = headers.get(EXPECT)
        && !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(HeadViolation::Expectation);
    }
    let named = headers.get_all(CONNECTION);
    for token in named
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
    {
        if decides(token.trim_ascii()) {
            return Err(HeadViolation::Connection);
        }
    }
    if !headers.values().all(|value| value.as_bytes().is_ascii()) {
        return Err(HeadViolation::NotAscii);
    }
    Ok(())
}

/// Whether `name` is a header that changes what is asked for, by whom, or how it is read.
///
/// A hop that honours `Connection: authorization` removes the header on its way: what was signed here is then not
/// what arrives there. Names without a meaning for storage are ignored, as they should be.
fn decides(name: &[u8]) -> bool {
    let starts = |prefix: &[u8]| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    starts(b"x-amz-")
        || starts(b"x-goog-")
        || starts(b"content-")
        || starts(b"if-")
        || [HOST, AUTHORIZATION, RANGE, DATE, EXPECT, COOKIE]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_str().as_bytes()))
        || name.eq_ignore_ascii_case(b"transfer-encoding")
}

/// Makes `Host` and the authority of the target, where there is one, the same single thing.
fn one_host<B>(request: &mut Request<B>) -> Result<(), HeadViolation> {
    let Some(authority) = request.uri().authority() else {
        return Ok(());
    };
    match request.headers().get(HOST) {
        Some(host)
            if host
                .as_bytes()
                .eq_ignore_ascii_case(authority.as_str().as_bytes()) => {}
        Some(_) => return Err(HeadViolation::Authority),
        // HTTP/2 has no need of `Host`; what reads and verifies requests has.
        None if request.version() == Version::HTTP_2 => {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| HeadViolation::Host)?;
            request.headers_mut().insert(HOST, host);
        }
        None => return Err(HeadViolation::MissingHost),
    }
    Ok(())
}

/// The name in a `Host` header, without the port.
fn host_name(host: &HeaderValue) -> Result<&str, HeadViolation> {
    let host = host.to_str().map_err(|_| HeadViolation::Host)?;
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or(HeadViolation::Host)?;
            address
                .parse::<std::net::Ipv6Addr>()
                .map_err(|_| HeadViolation::Host)?;
            (address, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
        }
        None => {
            let (name, port) = host
                .split_once(':')
                .map_or((host, Some("")), |(name, port)| (name, Some(port)));
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            if name.is_empty() || !name.bytes().all(plain) {
                return Err(HeadViolation::Host);
            }
            (name, port)
        }
    };
    match port {
        Some(port) if port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(name),
        _ => Err(HeadViolation::Host),
    }
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// A path, every `%` of it with two hexadecimal digits, nothing that must be encoded.
fn check_target(target: &str) -> Result<(), HeadViolation> {
    if target.len() > MAX_TARGET {
        return Err(HeadViolation::TargetTooLong);
    }
    if !target.starts_with('/') {
        return Err(HeadViolation::Target);
    }
    let bytes = target.as_bytes();
    if !bytes.iter().all(|byte| matches!(byte, 0x21..=0x7e)) {
        return Err(HeadViolation::Target);
    }
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..) {
            Some([high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after
            }
            _ => return Err(HeadViolation::Target),
        }
    }
    Ok(())
}
