//! Where a response ends, settled before its head is passed on.
//!
//! hyper's client takes a body that ends with the connection for complete, and so it does `Transfer-Encoding` other
//! than chunked: a cut object would look whole. It also leaves `Content-Length` beside `Transfer-Encoding` in the
//! map, and two hops would then read two different bodies.

use http::{HeaderValue, StatusCode, header, response};

/// How much body there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// None by method or status. `Content-Length` says what a GET would have given.
    None,
    /// So many bytes.
    Known(u64),
    /// Until the last chunk.
    Chunked,
    /// Until the connection ends: only for errors, whose documents are rebuilt.
    UntilClose,
}

/// The framing of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) length: Length,
    /// Whether another request may follow on the connection.
    pub(super) reusable: bool,
}

/// Decides and leaves at most one framing header in the map.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9112#section-6.3>
pub(super) fn settle(head: &mut response::Parts, is_head: bool) -> Result<Framing, &'static str> {
    let framing = |length, reusable| Ok(Framing { length, reusable });
    let encoded = head.headers.contains_key(header::TRANSFER_ENCODING);
    let declared = content_length(head)?;
    if is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        head.headers.remove(header::TRANSFER_ENCODING);
        return framing(Length::None, true);
    }
    if encoded {
        let mut encodings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
        let chunked = encodings
            .next()
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || encodings.next().is_some() {
            return Err("its transfer encoding is not plain `chunked`");
        }
        head.headers.remove(header::TRANSFER_ENCODING);
        // Both at once is how responses are smuggled: the chunks count, and the connection is not trusted again.
        let alone = head.headers.remove(header::CONTENT_LENGTH).is_none();
        return framing(Length::Chunked, alone);
    }
    match declared {
        Some(bytes) => framing(Length::Known(bytes), true),
        None if head.status.is_success() => {
            Err("it has neither a length nor chunks, so a cut would not be seen")
        }
        None => framing(Length::UntilClose, false),
    }
}

/// Reads `Content-Length` strictly and leaves it once.
fn content_length(head: &mut response::Parts) -> Result<Option<u64>, &'static str> {
    const BROKEN: &str = "its content length is not one number";
    let mut length = None;
    for value in head.headers.get_all(header::CONTENT_LENGTH) {
        let digits = value.to_str().map_err(|_| BROKEN)?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BROKEN);
        }
        let bytes: u64 = digits.parse().map_err(|_| BROKEN)?;
        if length.is_some_and(|before| before != bytes) {
            return Err(BROKEN);
        }
        length = Some(bytes);
    }
    if let Some(bytes) = length {
        head.headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn check(status: u16, is_head: bool, headers: &[(&str, &str)], expected: Result<(Length, bool), ()>) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (mut head, ()) = response.body(()).unwrap().into_parts();
        let settled = settle(&mut head, is_head)
            .map(|f| (f.length, f.reusable))
            .map_err(|_| ());
        assert_eq!(settled, expected, "{status} {headers:?}");
        if expected.is_ok() {
            assert!(!head.headers.contains_key("transfer-encoding"));
            assert!(head.headers.get_all("content-length").iter().count() < 2);
        }
    }

    // FLW-01, FLW-08
    #[test]
    fn the_end_of_a_response_is_never_in_doubt() {
        const CL: (&str, &str) = ("content-length", "7");
        const TE: (&str, &str) = ("transfer-encoding", "chunked");
        check(200, false, &[CL], Ok((Length::Known(7), true)));
        check(206, false, &[CL, CL], Ok((Length::Known(7), true)));
        check(200, false, &[TE], Ok((Length::Chunked, true)));
        check(200, false, &[CL, TE], Ok((Length::Chunked, false)));
        check(200, false, &[], Err(()));
        check(200, false, &[("transfer-encoding", "gzip")], Err(()));
        check(200, false, &[("transfer-encoding", "gzip, chunked")], Err(()));
        check(200, false, &[TE, TE], Err(()));
        check(200, false, &[("content-length", "+7")], Err(()));
        check(200, false, &[("content-length", "7, 7")], Err(()));
        check(200, false, &[("content-length", "")], Err(()));
        check(200, false, &[("content-length", "99999999999999999999")], Err(()));
        check(200, false, &[CL, ("content-length", "8")], Err(()));
        check(403, false, &[], Ok((Length::UntilClose, false)));
        check(200, true, &[CL], Ok((Length::None, true)));
        check(200, true, &[], Ok((Length::None, true)));
        check(204, false, &[], Ok((Length::None, true)));
        check(304, false, &[CL], Ok((Length::None, true)));
    }
}
