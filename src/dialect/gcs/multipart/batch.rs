//! A batch: up to 100 calls in one body, each a request of its own.
//!
//! What stands in a part decides what is asked, so a part is read as strictly as the head of a request (GCS-01): no
//! folded line, no bare CR, no NUL, no header twice that frames anything, no second body behind the first. A part
//! cannot hold further parts. What a part may ask is not decided here.
//!
//! Spec: <https://cloud.google.com/storage/docs/batch>

use super::Boundary;
use super::part::{PartHead, header_line, without_line_end};
use crate::dialect::multipart::Search;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// Calls in one batch, as at Google.
const MOST_PARTS: usize = 100;
/// Bytes of the head lines of a part, and of those of its request.
const HEAD_LIMIT: usize = 32 << 10;
const MOST_HEADERS: usize = 100;
/// Bytes of a request target.
const TARGET_LIMIT: usize = 16 << 10;

/// One call of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// As the caller wrote it, with angle brackets or without.
    pub(crate) content_id: Option<Box<str>>,
    pub(crate) method: Method,
    /// Host and port, if the target was written as an absolute URL.
    pub(crate) authority: Option<Box<str>>,
    /// Begins with `/`; nothing is decoded.
    pub(crate) path: Box<str>,
    /// Behind the `?`, nothing decoded.
    pub(crate) query: Option<Box<str>>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a batch is not read. The text is for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    /// The multipart body around the calls.
    #[error("the batch is malformed: {0}")]
    Malformed(&'static str),
    /// One of its calls, counted from 1.
    #[error("call {0} of the batch is malformed: {1}")]
    Part(usize, &'static str),
    /// More than are allowed.
    #[error("the batch has more than {MOST_PARTS} calls")]
    TooMany,
}

/// Takes a batch apart.
///
/// # Errors
/// [`BatchError`] if any of its calls cannot be read: a batch is read whole or not at all.
pub(crate) fn parse_batch(body: &Bytes, boundary: &Boundary) -> Result<Vec<Part>, BatchError> {
    let mut parts: Vec<Part> = Vec::new();
    for piece in split(body, boundary)? {
        let nth = parts.len() + 1;
        let part = part(&piece).map_err(|wrong| BatchError::Part(nth, wrong))?;
        let taken = |other: &Part| part.content_id.is_some() && other.content_id == part.content_id;
        if parts.iter().any(taken) {
            return Err(BatchError::Part(nth, "another call has the same Content-ID"));
        }
        parts.push(part);
    }
    match parts.is_empty() {
        true => Err(BatchError::Malformed("it has no call")),
        false => Ok(parts),
    }
}

/// The bytes between the boundaries.
fn split(body: &Bytes, boundary: &Boundary) -> Result<Vec<Bytes>, BatchError> {
    let dashed = format!("--{}", boundary.as_str());
    let blank = |line: &[u8]| line.iter().all(|byte| b" \t".contains(byte));
    let mut rest = body.clone();
    let delimiter = loop {
        let line = take_line(&mut rest).ok_or(BEGINNING)?;
        let text = without_line_end(&line);
        if text.is_empty() {
            continue;
        }
        let after = text.strip_prefix(dashed.as_bytes()).ok_or(BEGINNING)?;
        if !blank(after) {
            return Err(BEGINNING);
        }
        let line_end = line.get(text.len()..).unwrap_or_default();
        break [line_end, dashed.as_bytes()].concat();
    };
    let mut pieces = Vec::new();
    loop {
        let end = Search::default().end_in(&rest, &delimiter).ok_or(ENDING)?;
        let mut piece = rest.split_to(end);
        piece.truncate(end.saturating_sub(delimiter.len()));
        if pieces.len() == MOST_PARTS {
            return Err(BatchError::TooMany);
        }
        pieces.push(piece);
        if let Some(epilogue) = rest.strip_prefix(b"--") {
            return match epilogue.iter().all(|byte| b" \t\r\n".contains(byte)) {
                true => Ok(pieces),
                false => Err(ENDING),
            };
        }
        let line = take_line(&mut rest).ok_or(ENDING)?;
        if !blank(without_line_end(&line)) {
            return Err(BatchError::Malformed(
                "a boundary is followed by something else than a line end",
            ));
        }
    }
}

fn part(piece: &Bytes) -> Result<Part, &'static str> {
    let mut rest = piece.clone();
    let mut head = PartHead::default();
    for line in head_lines(&mut rest)? {
        head.line(&line).map_err(|_| {
            "a part of a batch has the headers Content-Type, -ID, -Length, -Transfer-Encoding, each once, and no others"
        })?;
    }
    if head.media_type().as_deref() != Some("application/http") {
        return Err("a part of a batch is `Content-Type: application/http`");
    }
    let content_id = head.content_id.filter(|id| !id.is_empty());
    if content_id.as_ref().is_some_and(|id| id.len() > 512) {
        return Err("its Content-ID is longer than 512 characters");
    }
    // Its Content-Length is not looked at: some clients count before their line ends are changed, and no byte can be
    // hidden behind it, because what is behind the request has to be blank.
    let mut lines = head_lines(&mut rest)?.into_iter();
    let first = lines.next().ok_or("it has no request line")?;
    let (method, target) = request_line(&first)?;
    let (authority, path, query) = split_target(target)?;
    let headers = headers(lines)?;
    let body = body(rest, &headers)?;
    Ok(Part {
        content_id,
        method,
        authority: authority.map(Into::into),
        path: path.into(),
        query: query.map(Into::into),
        headers,
        body,
    })
}

fn request_line(line: &[u8]) -> Result<(Method, &str), &'static str> {
    const FORM: &str = "its first line is not of the form `METHOD target HTTP/1.1`";
    let line = std::str::from_utf8(line).map_err(|_| FORM)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(FORM);
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err(FORM);
    }
    let method = match method {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        _ => return Err("its method is none of GET, HEAD, POST, PUT, PATCH and DELETE"),
    };
    Ok((method, target))
}

/// Authority, path and query of a target in origin form or in absolute form.
fn split_target(target: &str) -> Result<(Option<&str>, &str, Option<&str>), &'static str> {
    if target.len() > TARGET_LIMIT {
        return Err("its URL is longer than 16 KiB");
    }
    // Fragments are for browsers, backslashes are slashes to some, and the rest has to be percent-encoded.
    if !target
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"#\\\"<>^`{|}".contains(&b))
    {
        return Err("its URL has a character that has to be percent-encoded");
    }
    let (authority, rest) = match target.starts_with('/') {
        true => (None, target),
        false => {
            let after = target
                .strip_prefix("https://")
                .or_else(|| target.strip_prefix("http://"))
                .ok_or("its URL begins neither with `/` nor with `https://`")?;
            let end = after.find(['/', '?']).unwrap_or(after.len());
            let (authority, rest) = after.split_at(end);
            let host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
            if authority.is_empty() || !authority.bytes().all(host) {
                return Err("the host of its URL is not one");
            }
            (Some(authority), rest)
        }
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    match path.starts_with('/') {
        true => Ok((authority, path, query)),
        false => Err("its URL has no path"),
    }
}

fn headers(lines: impl Iterator<Item = Bytes>) -> Result<HeaderMap, &'static str> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = header_line(&line).ok_or("a header line is not of the form `Name: value`")?;
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| "the name of a header is malformed")?;
        let value = HeaderValue::from_str(value).map_err(|_| "the value of a header is malformed")?;
        if headers.len() >= MOST_HEADERS {
            return Err("it has too many headers");
        }
        if name == header::TRANSFER_ENCODING {
            return Err("a call in a batch has no Transfer-Encoding");
        }
        let once = [
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::HOST,
        ];
        if once.contains(&name) && headers.contains_key(&name) {
            return Err("a header is there twice");
        }
        headers.append(name, value);
    }
    Ok(headers)
}

fn body(mut rest: Bytes, headers: &HeaderMap) -> Result<Bytes, &'static str> {
    let media_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_multipart = |text: &[u8]| {
        text.get(..10)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
    };
    if media_type.is_some_and(is_multipart) {
        return Err("a call in a batch has no parts of its own");
    }
    let Some(declared) = headers.get(header::CONTENT_LENGTH) else {
        // Clients end the last line in their own way.
        let end = rest
            .iter()
            .rposition(|byte| !b"\r\n".contains(byte))
            .map_or(0, |last| last + 1);
        rest.truncate(end);
        return Ok(rest);
    };
    let length = declared
        .to_str()
        .ok()
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let length: usize = length
        .and_then(|digits| digits.parse().ok())
        .ok_or("its Content-Length is not a number")?;
    if length > rest.len() {
        return Err("it is shorter than its Content-Length");
    }
    let body = rest.split_to(length);
    match rest.iter().all(|byte| b"\r\n".contains(byte)) {
        true => Ok(body),
        false => Err("it is longer than its Content-Length"),
    }
}

/// The lines up to a blank one or to the end, without line ends.
fn head_lines(rest: &mut Bytes) -> Result<Vec<Bytes>, &'static str> {
    let (mut lines, mut weight) = (Vec::new(), 0_usize);
    while let Some(line) = take_line(rest) {
        weight = weight.saturating_add(line.len());
        if weight > HEAD_LIMIT {
            return Err("its head is longer than 32 KiB");
        }
        let length = without_line_end(&line).len();
        if length == 0 {
            break;
        }
        let line = line.slice(..length);
        if line.iter().any(|byte| b"\r\0".contains(byte)) {
            return Err("a line of its head has a bare CR or a NUL");
        }
        if line.first().is_some_and(|byte| b" \t".contains(byte)) {
            return Err("a line of its head is folded");
        }
        lines.push(line);
    }
    Ok(lines)
}

/// The next line with its line end; the last one may have none.
fn take_line(rest: &mut Bytes) -> Option<Bytes> {
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(rest.len(), |at| at + 1);
    Some(rest.split_to(end)).filter(|line| !line.is_empty())
}

const BEGINNING: BatchError = BatchError::Malformed("it does not begin with its boundary");
const ENDING: BatchError =
    BatchError::Malformed("it does not end with its closing boundary, and nothing behind it");
