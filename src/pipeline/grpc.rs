//! gRPC, which is not spoken here, refused in its own words.
//!
//! Some clients of Google Cloud Storage try it before anything else. An answer that is none in gRPC is no answer to them:
//! they ask again for a minute and fall back only then. So they get one at once, whoever they are, before the body is read,
//! with the setting that spares them the question. It says nothing about buckets, and no target hears of it.
//!
//! Spec: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use crate::audit::{Reason, Trail};
use crate::body::{self, Body};
use crate::dialect::s3;
use crate::operation::Protocol;
use http::{HeaderValue, Method, Response, header::CONTENT_TYPE, request::Parts};
use std::fmt::Write as _;

/// For people, who read it in the error of their client.
const MESSAGE: &str = "gRPC is not spoken here, the JSON API is: set GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false for gcsfs, \
                       fs.gs.client.type=HTTP_API_CLIENT for Hadoop, and make an HTTP client of others";
const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");

#[derive(Debug, thiserror::Error)]
#[error("gRPC is not spoken")]
struct NotSpoken;

/// Whether this is a gRPC call. They are POSTs without a query; an object may well be of that type.
pub(super) fn is_call(head: &Parts, domains: &[Box<str>]) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_grpc = content_type
        .and_then(|value| value.get(..TYPE.len()))
        .is_some_and(|begin| begin.eq_ignore_ascii_case(TYPE));
    is_grpc && head.method == Method::POST && head.uri.query().is_none() && s3::is_service(head, domains)
}

/// The answer: trailers alone.
pub(super) fn refuse(trail: &mut Trail) -> Response<Body> {
    trail.protocol(Protocol::Gcs);
    trail.refused(200, "UNIMPLEMENTED", Reason::Unsupported, &NotSpoken);
    let mut response = Response::new(body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", UNIMPLEMENTED);
    if let Ok(message) = HeaderValue::try_from(encoded(MESSAGE)) {
        headers.insert("grpc-message", message);
    }
    response
}

/// A message as gRPC has it in a header: what is not printable ASCII, and `%`, percent-encoded.
fn encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
            _ => encoded.push(byte.into()),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_are_taken_for_calls() {
        let check = |method: &str, uri: &str, content_type: &str, expected: bool| {
            let request = http::Request::builder().method(method).uri(uri);
            let request = request
                .header("host", "tidegate.test")
                .header(CONTENT_TYPE, content_type);
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(
                is_call(&head, &["tidegate.test".into()]),
                expected,
                "{method} {uri} {content_type}"
            );
        };
        check(
            "POST",
            "/google.storage.v2.Storage/GetObject",
            "application/grpc",
            true,
        );
        check("POST", "/a/b", "Application/gRPC+proto", true);
        check("POST", "/a/b", "application/grpc-web", true);
        check("POST", "/a/b", "application/json", false);
        check("POST", "/lake/a?uploads", "application/grpc", false);
        check("PUT", "/lake/a", "application/grpc", false);
        check("POST", "/a/b", "", false);
    }

    #[test]
    fn the_message_is_one_that_a_header_can_hold() {
        assert_eq!(encoded("a b%c\n\u{e9}"), "a b%25c%0A%C3%A9");
        assert!(MESSAGE.len() < 256, "the answer is small");
    }
}
