//! Documents that come packed: Google's library for Java packs the body of every call, also one of nothing.
//!
//! The hazard is a small body that becomes a large one: what is unpacked is counted while it is.

use super::error::GcsError;
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, header};
use std::io::Read as _;

/// A document as it is meant, of at most `limit` bytes.
///
/// # Errors
/// `invalid` for another coding than gzip or for what is none, `uploadTooLarge` beyond `limit`.
pub(crate) fn unpacked(headers: &HeaderMap, document: Bytes, limit: usize) -> Result<Bytes, GcsError> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    match (codings.next().map(|coding| coding.as_bytes()), codings.next()) {
        (None | Some(b"" | b"identity"), None) => Ok(document),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"gzip") => gunzipped(&document, limit),
        _ => Err(GcsError::invalid(
            "the body of a call is packed with gzip or not at all",
        )),
    }
}

fn gunzipped(document: &[u8], limit: usize) -> Result<Bytes, GcsError> {
    let mut plain = Vec::new();
    let mut decoder = GzDecoder::new(document).take(limit as u64 + 1);
    decoder
        .read_to_end(&mut plain)
        .map_err(|_| GcsError::invalid("the body is said to be packed with gzip and is not"))?;
    match plain.len() > limit {
        true => Err(GcsError::too_large(format!(
            "the body has more than {limit} bytes, unpacked"
        ))),
        false => Ok(plain.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;

    fn packed(plain: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn a_document_is_unpacked_up_to_its_limit() {
        let check = |coding: &str, document: Bytes, expected: Result<&[u8], u16>| {
            let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, coding.parse().unwrap())]);
            let plain = unpacked(&headers, document, 100);
            let plain = plain.as_deref().map_err(|error| error.status);
            assert_eq!(plain, expected, "{coding}");
        };
        check("gzip", packed(b"{}"), Ok(b"{}"));
        check("GZIP", packed(b""), Ok(b""));
        check("identity", Bytes::from_static(b"{}"), Ok(b"{}"));
        check("gzip", packed(&[b' '; 100]), Ok(&[b' '; 100]));
        check("gzip", packed(&[b' '; 101]), Err(413));
        check("gzip", packed(&[b' '; 1 << 20]), Err(413));
        check("gzip", Bytes::from_static(b"{}"), Err(400));
        check("br", Bytes::from_static(b"{}"), Err(400));
        check("gzip, gzip", packed(b"{}"), Err(400));
    }
}
