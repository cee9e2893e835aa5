//! Renders errors as S3 does. Echoed text is escaped; what XML cannot carry is replaced.

use super::documents::escape;
use super::error::S3Error;
use crate::body::{self, Body};
use http::{HeaderValue, Response, StatusCode, header};

/// The error document, or for HEAD its status and headers alone.
pub(crate) fn render(error: &S3Error, resource: &str, request_id: &str, head: bool) -> Response<Body> {
    let document = document(error, resource, request_id);
    let mut response = Response::new(if head { body::empty() } else { body::full(document) });
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn document(error: &S3Error, resource: &str, request_id: &str) -> String {
    let mut xml = String::with_capacity(512);
    xml.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    let mut element = |name: &str, text: &str| {
        xml.push('<');
        xml.push_str(name);
        xml.push('>');
        xml.push_str(&escape(text));
        xml.push_str("</");
        xml.push_str(name);
        xml.push('>');
    };
    element("Code", &error.code);
    element("Message", &error.message);
    for (name, text) in &error.elements {
        element(name, text);
    }
    element("Resource", resource);
    element("RequestId", request_id);
    xml.push_str("</Error>");
    xml
}
