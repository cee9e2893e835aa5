//! Answers that are not an object's bytes: a document, of which `fields` may ask for a part, or nothing.

use super::Call;
use super::fields::Fields;
use crate::body::{Body, empty, full};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;

/// An answer that is not an object's bytes.
pub(super) struct Answer {
    status: StatusCode,
    body: AnswerBody,
    headers: Vec<(&'static str, String)>,
}

enum AnswerBody {
    Empty,
    Document(Value),
    Bytes(Bytes),
}

impl Answer {
    pub(super) fn json(document: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: AnswerBody::Document(document),
            headers: vec![("content-type", "application/json; charset=UTF-8".to_owned())],
        }
    }

    pub(super) fn bytes(content_type: String, bytes: Vec<u8>) -> Self {
        Self {
            status: StatusCode::OK,
            body: AnswerBody::Bytes(bytes.into()),
            headers: vec![("content-type", content_type)],
        }
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            body: AnswerBody::Empty,
            headers: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn tagged(self, etag: String) -> Self {
        self.with("etag", etag)
    }

    /// Status, headers and bytes; of a document, those that `fields` asks for.
    pub(super) fn parts(self, call: &Call) -> (StatusCode, Vec<(&'static str, String)>, Bytes) {
        let body = match self.body {
            AnswerBody::Empty => Bytes::new(),
            AnswerBody::Bytes(bytes) => bytes,
            AnswerBody::Document(document) => {
                // They were read when the query was checked.
                let fields = call
                    .query
                    .get("fields")
                    .and_then(|fields| Fields::parse(fields).ok());
                fields.unwrap_or_default().select(document).to_string().into()
            }
        };
        (self.status, self.headers, body)
    }

    pub(super) fn response(self, call: &Call) -> Response<Body> {
        let (status, headers, body) = self.parts(call);
        let mut response = Response::new(if body.is_empty() { empty() } else { full(body) });
        *response.status_mut() = status;
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        response
            .headers_mut()
            .entry("x-guploader-uploadid")
            .or_insert(HeaderValue::from_static("store-answer"));
        response
    }
}
