//! For `fuzz/`: a form is taken apart in one way, however it arrives, and another reader would do it likewise.

use super::boundary::Delimiter;
use super::file::File;
use super::head::Head;
use crate::body::Frames;
use bytes::Bytes;
use http_body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime;

/// A form up to the closing boundary.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    fields: Vec<(String, String)>,
    file_name: String,
    /// Bytes before the file.
    used: usize,
    file: Vec<u8>,
}

/// A byte that says how the rest is cut, a `Content-Type`, a line feed, and a body.
///
/// Every cut gives the same fields and the same file. The file ends at the first boundary after it, as any reader
/// would have it, and nothing follows that. Written the one way, the form reads as the same.
pub fn form(data: &[u8]) {
    let Some((cut, rest)) = data.split_first() else {
        return;
    };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (content_type, body) = rest.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let content_type = std::str::from_utf8(content_type).ok();
    let Some(delimiter) = content_type.and_then(|text| Delimiter::of(text).ok()) else {
        return;
    };
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    let Ok(runtime) = runtime else { return };
    let read = |body: &[u8], piece: usize, whole: bool| {
        runtime.block_on(read(&delimiter, body, piece.max(1), whole)).ok()
    };
    let found = read(body, body.len(), true);
    assert_eq!(read(body, usize::from(*cut), true), found);
    if let Some(streamed) = read(body, usize::from(*cut), false) {
        assert_eq!(found.as_ref(), Some(&streamed));
    }
    let Some(found) = found else { return };

    let rest = body.get(found.used..).unwrap_or_default();
    let wanted = delimiter.bytes();
    let end = rest.windows(wanted.len()).position(|bytes| bytes == wanted);
    assert_eq!(end, Some(found.file.len()));
    assert!(rest.starts_with(&found.file));
    let after = rest.get(found.file.len() + wanted.len()..);
    assert!(matches!(after, Some(b"--" | b"--\r\n")), "{after:?}");

    let names = found
        .fields
        .iter()
        .map(|(name, _)| name)
        .chain([&found.file_name]);
    let plain = |text: &str| {
        text.bytes()
            .all(|b| matches!(b, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'))
    };
    // Longer headers than the caller's might be too much.
    if body.len() < 4096 && names.into_iter().all(|name| plain(name)) {
        let again = read(&written(&found, &delimiter), 1000, true);
        let again = again.map(|again| (again.fields, again.file_name, again.file));
        assert_eq!(again, Some((found.fields, found.file_name, found.file)));
    }
}

/// `settled`: small files are read whole, as they are; else they are streamed, as large ones are.
async fn read(delimiter: &Delimiter, body: &[u8], piece: usize, settled: bool) -> Result<Read, ()> {
    let mut head = Head::new(delimiter.clone());
    let mut pieces = body.chunks(piece).map(Bytes::copy_from_slice);
    let complete = loop {
        let piece = pieces.next().ok_or(())?;
        if let Some(complete) = head.push(&piece).map_err(drop)? {
            break complete;
        }
    };
    let left = (body.len() as u64).checked_sub(complete.used).ok_or(())?;
    let inner = Frames::new(pieces.map(Ok));
    let first = [complete.rest.freeze(), Bytes::new()];
    let mut file = File::new(inner, first, left, delimiter.clone()).map_err(drop)?;
    if settled {
        file.settle(Duration::from_secs(60)).await.map_err(drop)?;
    }
    let length = file.length();
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut file).poll_frame(cx)).await {
        bytes.extend_from_slice(&frame.map_err(drop)?.into_data().map_err(drop)?);
    }
    assert_eq!(bytes.len() as u64, length);
    let fields = complete.fields.iter();
    Ok(Read {
        fields: fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        file_name: complete.file_name.into(),
        used: usize::try_from(complete.used).unwrap_or(usize::MAX),
        file: bytes,
    })
}

fn written(form: &Read, delimiter: &Delimiter) -> Vec<u8> {
    let mut body = Vec::new();
    let part = |body: &mut Vec<u8>, parameters: &str, value: &[u8]| {
        // The line end before a boundary belongs to it, but the first has none.
        let boundary = if body.is_empty() {
            delimiter.first()
        } else {
            delimiter.bytes()
        };
        body.extend_from_slice(boundary);
        let line = format!("\r\nContent-Disposition: form-data; {parameters}\r\n\r\n");
        body.extend_from_slice(line.as_bytes());
        body.extend_from_slice(value);
    };
    for (name, value) in &form.fields {
        part(&mut body, &format!("name=\"{name}\""), value.as_bytes());
    }
    let parameters = format!("name=\"file\"; filename=\"{}\"", form.file_name);
    part(&mut body, &parameters, &form.file);
    body.extend_from_slice(&delimiter.closing());
    body
}
