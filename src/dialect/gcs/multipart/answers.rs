//! The answers to the calls of a batch, in the order of the calls.
//!
//! Clients read these bodies with very different means: a general mail parser (Python), a reader of lines that trusts
//! `Content-Length` (Java), one that looks for its own id between angle brackets (gsutil). So every status line has a
//! reason, every answer its length, and ids are given back letter by letter.

use super::Boundary;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// What was answered to one call.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// As the caller wrote it.
    pub(crate) content_id: Option<Box<str>>,
    pub(crate) status: StatusCode,
    /// Those for the caller. Lengths are added here.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Writes the answers; their `Content-Type` and the body. `None` without random bytes for a boundary.
pub(crate) fn write_batch(answers: &[Answer]) -> Option<(HeaderValue, Bytes)> {
    let boundary = Boundary::random()?;
    let content_type =
        HeaderValue::try_from(format!("multipart/mixed; boundary={}", boundary.as_str())).ok()?;
    let size = answers.iter().map(|answer| answer.body.len() + 1024).sum();
    let mut body = BytesMut::with_capacity(size);
    for answer in answers {
        body.put_slice(format!("--{}\r\n", boundary.as_str()).as_bytes());
        body.put_slice(b"Content-Type: application/http\r\n");
        if let Some(id) = answer.content_id.as_deref().filter(|id| is_one_line(id)) {
            body.put_slice(format!("Content-ID: {}\r\n", response_id(id)).as_bytes());
        }
        let reason = answer.status.canonical_reason().unwrap_or("Status");
        body.put_slice(format!("\r\nHTTP/1.1 {} {reason}\r\n", answer.status.as_u16()).as_bytes());
        for (name, value) in &answer.headers {
            if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name) {
                continue;
            }
            body.put_slice(name.as_str().as_bytes());
            body.put_slice(b": ");
            body.put_slice(value.as_bytes());
            body.put_slice(b"\r\n");
        }
        body.put_slice(format!("content-length: {}\r\n\r\n", answer.body.len()).as_bytes());
        body.put_slice(&answer.body);
        body.put_slice(b"\r\n");
    }
    body.put_slice(format!("--{}--\r\n", boundary.as_str()).as_bytes());
    Some((content_type, body.freeze()))
}

/// `<id + 1>` is answered with `<response-id + 1>`, `1` with `response-1`.
fn response_id(id: &str) -> String {
    match id.strip_prefix('<') {
        Some(rest) => format!("<response-{rest}"),
        None => format!("response-{id}"),
    }
}

fn is_one_line(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~'))
}
