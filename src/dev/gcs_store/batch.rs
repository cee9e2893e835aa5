//! Batches: up to a hundred calls in one body. Each is answered on its own; none of them has an object's bytes.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/batch>

use super::related::{boundary, header};
use super::request::{self, Query};
use super::target::Target;
use super::{Answer, Call, Refusal, Shared};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};

/// Bytes of a batch.
pub(super) const MAX_BATCH: usize = 10 << 20;
const MAX_CALLS: usize = 100;
/// Between the parts of an answer.
const BOUNDARY: &str = "batch_store";

/// One call of a batch.
struct Part {
    id: Option<String>,
    call: Call,
    body: Bytes,
}

impl Shared {
    pub(super) async fn batch(&self, outer: &Call, body: &Bytes) -> Result<Answer, Refusal> {
        outer.query.only(&["json"], &[])?;
        let kind = request::text(&outer.headers, "content-type").unwrap_or_default();
        let boundary = boundary(kind, "multipart/mixed")
            .ok_or_else(|| Refusal::invalid(format!("Unsupported content with type: {kind}")))?;
        let parts = parts(body, &boundary).ok_or_else(|| Refusal::invalid("Malformed batch"))?;
        if parts.len() > MAX_CALLS {
            let message = format!(
                "The batch request has {} calls, more than {MAX_CALLS}.",
                parts.len()
            );
            return Err(Refusal::invalid(message));
        }
        let mut document = Vec::new();
        for part in parts {
            let part = part_of(part, outer)?;
            let answer = self.answered(&part).await;
            let response = match answer {
                Ok(answer) => answer.parts(&part.call),
                Err(refusal) => refusal.parts(),
            };
            let (status, headers, body) = response;
            let id = part.id.as_deref().unwrap_or_default();
            let id = match id.strip_prefix('<').and_then(|id| id.strip_suffix('>')) {
                Some(id) => format!("<response-{id}>"),
                None => format!("response-{id}"),
            };
            let mut text = format!("--{BOUNDARY}\r\nContent-Type: application/http\r\n");
            if part.id.is_some() {
                text.push_str(&format!("Content-ID: {id}\r\n"));
            }
            let reason = status.canonical_reason().unwrap_or("Unknown");
            text.push_str(&format!("\r\nHTTP/1.1 {} {reason}\r\n", status.as_u16()));
            for (name, value) in &headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
            document.extend_from_slice(text.as_bytes());
            document.extend_from_slice(&body);
            document.extend_from_slice(b"\r\n");
        }
        document.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        Ok(Answer::bytes(
            format!("multipart/mixed; boundary={BOUNDARY}"),
            document,
        ))
    }

    async fn answered(&self, part: &Part) -> Result<Answer, Refusal> {
        self.authorize(&part.call.headers, false)?;
        request::check_headers(&part.call.headers, false)?;
        let is_media = part.call.query.get("alt") == Some("media");
        match part.call.target {
            Target::Upload(_) | Target::Download(..) | Target::Batch => Err(Refusal::invalid(
                "Neither uploads nor downloads nor batches are calls of a batch.",
            )),
            _ if is_media => Err(Refusal::parameter("alt", "media")),
            _ => self.control(&part.call, &part.body).await,
        }
    }
}

/// The parts of a body, without the lines around them; `None` if it is not closed.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<&'a [u8]>> {
    let (delimiter, last) = (format!("--{boundary}"), format!("--{boundary}--"));
    let (mut parts, mut begin, mut at) = (Vec::new(), None, 0);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        let is_last = text == last.as_bytes();
        if is_last || text == delimiter.as_bytes() {
            if let Some(begin) = begin {
                parts.push(body.get(begin..at)?);
            }
            begin = Some(at + line.len());
        }
        at += line.len();
        if is_last {
            return Some(parts);
        }
    }
    None
}

/// A part: its own headers, a request line, the call's headers, its body.
fn part_of(part: &[u8], outer: &Call) -> Result<Part, Refusal> {
    let malformed = || Refusal::invalid("Malformed batch");
    let (own, rest) = headers(part).ok_or_else(malformed)?;
    if request::text(&own, "content-type") != Some("application/http") {
        return Err(malformed());
    }
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or_else(malformed)?;
    let (line, rest) = rest.split_at_checked(end + 1).ok_or_else(malformed)?;
    let line = std::str::from_utf8(line).map_err(|_| malformed())?;
    let mut words = line.trim_end().split(' ');
    let (Some(method), Some(uri), Some("HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(malformed());
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| malformed())?;
    let uri: Uri = uri.parse().map_err(|_| malformed())?;
    let (mut inner, body) = headers(rest).ok_or_else(malformed)?;
    let length = request::text(&inner, "content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let body = body.get(..length).ok_or_else(malformed)?;
    // The inner one decides; the outer one is for those that have none.
    if let Some(authorization) = outer.headers.get(header::AUTHORIZATION) {
        inner
            .entry(header::AUTHORIZATION)
            .or_insert_with(|| authorization.clone());
    }
    let call = Call {
        target: Target::parse(uri.path())?,
        query: Query::parse(&uri)?,
        method,
        uri,
        headers: inner,
        origin: outer.origin.clone(),
    };
    Ok(Part {
        id: request::text(&own, "content-id").map(str::to_owned),
        call,
        body: Bytes::copy_from_slice(body),
    })
}

/// Header lines up to an empty one, and what follows.
fn headers(mut text: &[u8]) -> Option<(HeaderMap, &[u8])> {
    let mut headers = HeaderMap::<HeaderValue>::new();
    loop {
        let end = text.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = text.split_at_checked(end + 1)?;
        text = rest;
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return Some((headers, text));
        }
        let (name, value) = header(line)?;
        headers.append(name, value);
    }
}
