//! For `fuzz/`: a multipart body is taken apart in one way, however it arrives.

use super::{Boundary, parse_batch, read_related, write_related};
use crate::body::{BodyError, Frames, full};
use bytes::Bytes;
use http::HeaderValue;
use http_body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime;

#[derive(Debug, PartialEq, Eq)]
struct Read {
    metadata: Bytes,
    media_type: Option<Box<str>>,
    media: Vec<u8>,
}

/// A byte that says how the rest is cut, a `Content-Type`, a line feed, and a body.
///
/// Every cut gives the same metadata and the same media, in which there is no delimiter. Written by us, the upload reads
/// as the same.
pub fn gcs_related(data: &[u8]) {
    let Some((cut, content_type, body)) = split(data) else {
        return;
    };
    let Ok(boundary) = Boundary::of_related(content_type) else {
        return;
    };
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    let Ok(runtime) = runtime else { return };
    let found = runtime.block_on(read(&boundary, body, body.len().max(1))).ok();
    let cut = runtime.block_on(read(&boundary, body, cut.max(1))).ok();
    assert_eq!(found, cut);
    let Some(found) = found else { return };

    let dashed = format!("\r\n--{}", boundary.as_str());
    let line_end = body.iter().position(|byte| *byte == b'\n');
    let is_crlf = line_end.is_some_and(|at| at > 0 && body.get(at - 1) == Some(&b'\r'));
    let delimiter = dashed.as_bytes().get(usize::from(!is_crlf)..).unwrap_or_default();
    // Blank lines before the first boundary may be of the other kind.
    if body.starts_with(b"--") {
        assert!(
            !found
                .media
                .windows(delimiter.len())
                .any(|bytes| bytes == delimiter)
        );
    }
    let media_type = found
        .media_type
        .as_deref()
        .and_then(|text| HeaderValue::from_str(text).ok());
    let written = write_related(&found.metadata, media_type.as_ref(), full(found.media.clone()));
    let Some(written) = written else { return };
    let (boundary, body) = runtime.block_on(async {
        let boundary = Boundary::of_related(&written.content_type).ok();
        (boundary, collect(written.body).await.ok())
    });
    let (Some(boundary), Some(body)) = (boundary, body) else {
        unreachable!("what is written has a boundary and an end");
    };
    assert_eq!(written.length, Some(body.len() as u64));
    assert_eq!(runtime.block_on(read(&boundary, &body, 1000)).ok(), Some(found));
}

/// As for uploads, without a cut.
///
/// Targets are split without loss, heads have no control characters, and no body holds the head of another part.
pub fn gcs_batch(data: &[u8]) {
    let Some((_, content_type, body)) = split(data) else {
        return;
    };
    let Ok(boundary) = Boundary::of_mixed(content_type) else {
        return;
    };
    let Ok(parts) = parse_batch(&Bytes::copy_from_slice(body), &boundary) else {
        return;
    };
    assert!((1..=100).contains(&parts.len()));
    let text = String::from_utf8_lossy(body);
    let dashed = format!("\n--{}", boundary.as_str());
    for part in parts {
        let authority = part.authority.as_deref().unwrap_or_default();
        let query = part
            .query
            .as_deref()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        assert!(text.contains(&format!("{authority}{}{query} HTTP/1.", part.path)));
        assert!(part.path.starts_with('/') && !part.path.contains(['?', '#', ' ']));
        assert!(!authority.contains(['@', '/', '?']));
        for value in part.headers.values() {
            assert!(
                value
                    .as_bytes()
                    .iter()
                    .all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
            );
        }
        let is_lf = !dashed_with_cr(body, &boundary);
        assert!(!(is_lf && String::from_utf8_lossy(&part.body).contains(&dashed)));
    }
}

fn dashed_with_cr(body: &[u8], boundary: &Boundary) -> bool {
    let dashed = format!("\r\n--{}", boundary.as_str());
    body.windows(dashed.len()).any(|bytes| bytes == dashed.as_bytes())
}

fn split(data: &[u8]) -> Option<(usize, &str, &[u8])> {
    let (cut, rest) = data.split_first()?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (content_type, body) = rest.split_at(end);
    Some((
        usize::from(*cut),
        std::str::from_utf8(content_type).ok()?,
        body.get(1..)?,
    ))
}

async fn read(boundary: &Boundary, body: &[u8], piece: usize) -> Result<Read, BodyError> {
    let related = read_related(Frames::cut(body, piece), boundary, Duration::from_secs(60)).await?;
    let length = related.media.length();
    let media = collect(related.media).await?;
    assert!(length.is_none_or(|length| length == media.len() as u64));
    Ok(Read {
        metadata: related.metadata,
        media_type: related.media_type,
        media,
    })
}

async fn collect(mut body: impl Body<Data = Bytes, Error = BodyError> + Unpin) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        bytes.extend_from_slice(&frame?.into_data().unwrap_or_default());
    }
    Ok(bytes)
}
