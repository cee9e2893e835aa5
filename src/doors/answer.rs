//! What the doors answer: JSON that nobody keeps.

use super::{Door, DoorError, Words};
use crate::body::{self, Body};
use http::{HeaderValue, Response, StatusCode, header};

/// A document of a door. Sessions and names are in it: no cache may keep it, and no browser take it for a page.
pub(crate) fn json(status: u16, document: String) -> Response<Body> {
    let mut response = Response::new(body::full(document));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `WWW-Authenticate` for a bearer token that was not taken.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc6750#section-3>
pub(crate) fn challenge(message: &str) -> HeaderValue {
    let text = format!(
        "Bearer error=\"invalid_token\", error_description=\"{}\"",
        printable(message)
    );
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer error=\"invalid_token\""))
}

/// A refusal, in the words of the door that was knocked at. `None` if it is none.
pub(crate) fn refusal(door: Option<Door>, error: &DoorError) -> Response<Body> {
    let words = door.map_or(Words::Container, Door::words);
    let (code, message) = (error.code(words), error.message());
    let document = match words {
        Words::Container => serde_json::json!({ "code": code, "message": message }),
        Words::OAuth => serde_json::json!({ "error": code, "error_description": printable(&message) }),
    };
    let mut response = json(error.status(words), document.to_string());
    let headers = response.headers_mut();
    if let DoorError::Method { allow, .. } = error {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if error.status(words) == 401 {
        let challenge = match error {
            DoorError::NoCredential => HeaderValue::from_static("Bearer"),
            _ => challenge(&message),
        };
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// RFC 6749 has `error_description` in printable ASCII without quotes and backslashes.
fn printable(message: &str) -> String {
    let plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    message.chars().map(|c| if plain(c) { c } else { '\'' }).collect()
}
