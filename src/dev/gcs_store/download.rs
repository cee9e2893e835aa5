//! Reading: `alt=media`, in ranges, and unpacked for whoever does not say that it takes what is packed.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/transcoding>

use super::conditions;
use super::encryption;
use super::object::Object;
use super::request;
use super::{Refusal, Shared};
use crate::body::{Body, BodyError, empty};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Bytes that are read from the disk at once, and how many such pieces may wait for the reader.
const PIECE: usize = 256 << 10;
const PIECES: usize = 2;

/// Bytes of an object, from the first to before the last.
type Span = (u64, u64);

impl Shared {
    /// The bytes of an object, which is called `etag` in the API that is spoken.
    pub(super) fn download(
        &self,
        asked: &HeaderMap,
        bucket: &str,
        object: &Object,
        etag: &str,
    ) -> Result<Response<Body>, Refusal> {
        encryption::check(asked, "x-goog-encryption-", object)?;
        conditions::check_tag(asked, etag)?;
        let file = {
            let shelf = self.shelf();
            File::open(shelf.data(bucket, object)?)?
        };
        let size = object.content.size;
        let unpacked = is_unpacked(object, asked);
        let range = request::text(asked, header::RANGE.as_str()).filter(|_| !unpacked);
        let span = match range {
            Some(range) => parse_range(range, size)?,
            None => None,
        };
        let (first, end) = span.unwrap_or((0, size));
        let body = if unpacked {
            stream(MultiGzDecoder::new(file), None)
        } else if end > first {
            let mut file = file;
            file.seek(SeekFrom::Start(first))?;
            stream(file.take(end - first), Some(end - first))
        } else {
            empty()
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        put(headers, "accept-ranges", "bytes");
        if span.is_some() {
            put(
                headers,
                "content-range",
                &format!("bytes {first}-{}/{size}", end.saturating_sub(1)),
            );
        }
        for (name, value) in object.settings.headers() {
            // Named alone: what is sent is unpacked.
            if !(unpacked && name == "content-encoding") {
                put(headers, name, value);
            }
        }
        if !headers.contains_key(header::CONTENT_TYPE) {
            put(headers, "content-type", "application/octet-stream");
        }
        if unpacked {
            put(headers, "warning", "214 UploadServer gunzipped");
        }
        put(headers, "vary", "X-Origin, Accept-Encoding");
        describe(headers, object, etag);
        if span.is_some() {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Ok(response)
    }
}

/// What an answer says of an object in headers.
pub(super) fn describe(headers: &mut HeaderMap, object: &Object, etag: &str) {
    let (stored, size) = (object.settings.content_encoding.as_deref(), object.content.size);
    for (name, value) in [
        ("etag", etag),
        ("x-goog-hash", &object.content.hashes()),
        ("x-goog-generation", &object.generation.to_string()),
        ("x-goog-metageneration", &object.metageneration.to_string()),
        ("x-goog-stored-content-length", &size.to_string()),
        ("x-goog-stored-content-encoding", stored.unwrap_or("identity")),
        ("x-goog-storage-class", object.class()),
        ("x-guploader-uploadid", "store-download"),
    ] {
        put(headers, name, value);
    }
}

/// Sets a header, unless its value can be none.
pub(super) fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Whether Google would unpack it.
fn is_unpacked(object: &Object, headers: &HeaderMap) -> bool {
    let settings = &object.settings;
    let packed = settings.content_encoding.as_deref() == Some("gzip");
    let kept = settings
        .cache_control
        .as_deref()
        .is_some_and(|control| control.contains("no-transform"));
    let accepted = request::text(headers, header::ACCEPT_ENCODING.as_str()).unwrap_or_default();
    let takes = accepted
        .split(',')
        .any(|coding| coding.split(';').next().unwrap_or_default().trim() == "gzip");
    packed && !kept && !takes
}

/// The one range of a header; `None` if it is of a kind that is ignored.
fn parse_range(range: &str, size: u64) -> Result<Option<Span>, Refusal> {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let span = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(length)) if first.is_empty() => (size.saturating_sub(length), size),
        _ => return Ok(None),
    };
    match span {
        (first, end) if first < end => Ok(Some(span)),
        _ => Err(Refusal::range(size)),
    }
}

/// Reads elsewhere, so that a slow disk holds nobody up.
fn stream(mut source: impl Read + Send + 'static, length: Option<u64>) -> Body {
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = source.read(&mut piece);
            let ended = !matches!(read, Ok(1..));
            let piece = read.map(|length| {
                piece.truncate(length);
                Bytes::from(piece)
            });
            // Whoever reads may be gone.
            if sender.blocking_send(piece).is_err() || ended {
                break;
            }
        }
    });
    Pieces { pieces, left: length }.boxed_unsync()
}

struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    /// Bytes to come, if that is known.
    left: Option<u64>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(context));
        Poll::Ready(match piece {
            Some(Ok(piece)) if piece.is_empty() => None,
            Some(Ok(piece)) => {
                self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
                Some(Ok(Frame::data(piece)))
            }
            Some(Err(error)) => Some(Err(BodyError::Target(error.into()))),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_answered_and_odd_ones_are_ignored() {
        let check = |range: &str, expected: Option<Option<Span>>| {
            assert_eq!(parse_range(range, 10).ok(), expected, "{range}");
        };
        check("bytes=0-3", Some(Some((0, 4))));
        check("bytes=8-99", Some(Some((8, 10))));
        check("bytes=4-", Some(Some((4, 10))));
        check("bytes=-3", Some(Some((7, 10))));
        check("bytes=-99", Some(Some((0, 10))));
        check("bytes=10-", None);
        check("bytes=-0", None);
        check("bytes=3-1", Some(None));
        check("bytes=0-1,3-4", Some(None));
        check("lines=0-1", Some(None));
    }
}
