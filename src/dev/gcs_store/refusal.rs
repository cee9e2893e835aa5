//! What the store answers to whom it refuses, in Google's words.
//!
//! Clients read `errors[0].reason`, and some of them nothing else. A download that is refused is told in plain text, as at
//! Google: whoever takes every error for JSON finds out here.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/status-codes>

use crate::body::{Body, empty, full};
use crate::dialect::s3::documents::escape;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use std::{fmt, io};

/// Why a request does not get what it wants.
#[derive(Debug)]
pub(super) enum Refusal {
    /// An answer with an error.
    Said(Box<Said>),
    /// No answer: the connection ends.
    Cut,
}

/// An error with its words.
#[derive(Debug)]
pub(super) struct Said {
    status: StatusCode,
    reason: &'static str,
    message: String,
    /// Where in the request: `header`, `Authorization`.
    location: Option<(&'static str, String)>,
    content_range: Option<String>,
    /// What the XML API calls it, where the status does not say so.
    code: Option<&'static str>,
}

/// How a refusal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// Plain text, to whoever asked for media.
    Text,
    Xml,
}

impl Refusal {
    pub(super) fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self::Said(Box::new(Said {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            reason,
            message: message.into(),
            location: None,
            content_range: None,
            code: None,
        }))
    }

    /// The same with another code in the XML API.
    pub(super) fn coded(mut self, code: &'static str) -> Self {
        if let Self::Said(said) = &mut self {
            said.code = Some(code);
        }
        self
    }

    /// Code and message in the XML API.
    pub(super) fn in_xml(&self) -> (&'static str, &str) {
        match self {
            Self::Said(said) => (said.code(), &said.message),
            Self::Cut => ("ServiceUnavailable", "the connection ended"),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", message)
    }

    /// A parameter or header that there is not, or not here.
    pub(super) fn unknown(kind: &'static str, name: &str) -> Self {
        Self::located(
            400,
            "badRequest",
            format!("Unknown name \"{name}\""),
            (kind, name),
        )
    }

    /// A parameter with a value that it cannot have.
    pub(super) fn parameter(name: &str, value: &str) -> Self {
        let message = format!("Invalid value at '{name}': \"{value}\"");
        Self::located(400, "invalidParameter", message, ("parameter", name))
    }

    pub(super) fn required(name: &str) -> Self {
        Self::located(400, "required", "Required", ("parameter", name))
    }

    pub(super) fn unauthorized() -> Self {
        Self::located(
            401,
            "authError",
            "Invalid Credentials",
            ("header", "Authorization"),
        )
    }

    pub(super) fn login_required() -> Self {
        Self::located(401, "required", "Login Required", ("header", "Authorization"))
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "forbidden", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "notFound", message)
    }

    pub(super) fn no_object(bucket: &str, name: &str) -> Self {
        Self::not_found(format!("No such object: {bucket}/{name}")).coded("NoSuchKey")
    }

    pub(super) fn condition(parameter: &str) -> Self {
        let message = "At least one of the pre-conditions you specified did not hold.";
        Self::located(412, "conditionNotMet", message, ("header", parameter))
    }

    pub(super) fn not_modified() -> Self {
        Self::new(304, "notModified", "")
    }

    pub(super) fn range(size: u64) -> Self {
        let Self::Said(mut said) = Self::new(
            416,
            "requestedRangeNotSatisfiable",
            "Request range not satisfiable",
        ) else {
            return Self::Cut;
        };
        said.content_range = Some(format!("bytes */{size}"));
        Self::Said(said)
    }

    fn located(
        status: u16,
        reason: &'static str,
        message: impl Into<String>,
        (kind, location): (&'static str, &str),
    ) -> Self {
        match Self::new(status, reason, message) {
            Self::Said(mut said) => {
                said.location = Some((kind, location.to_owned()));
                Self::Said(said)
            }
            Self::Cut => Self::Cut,
        }
    }

    /// Status, headers and bytes of a part of a batch.
    pub(super) fn parts(self) -> (StatusCode, Vec<(&'static str, String)>, Bytes) {
        match self {
            Self::Said(said) => {
                let document = said.document().to_string();
                (
                    said.status,
                    vec![("content-type", JSON.to_owned())],
                    document.into(),
                )
            }
            Self::Cut => (StatusCode::SERVICE_UNAVAILABLE, Vec::new(), Bytes::new()),
        }
    }

    /// The answer; `None` where the connection ends.
    pub(super) fn response(self, form: Form) -> Option<Response<Body>> {
        let Self::Said(said) = self else {
            return None;
        };
        let (kind, body) = match form {
            _ if said.status == StatusCode::NOT_MODIFIED => (None, empty()),
            Form::Text => (Some("text/html; charset=UTF-8"), full(said.message)),
            Form::Json => (Some(JSON), full(said.document().to_string())),
            Form::Xml => {
                let (code, message) = (said.code(), escape(&said.message));
                let text = format!(
                    "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
                );
                (Some(XML), full(text))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = said.status;
        let headers = response.headers_mut();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if said.status == StatusCode::UNAUTHORIZED {
            let challenge = "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"";
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(range) = said.content_range.and_then(|range| range.try_into().ok()) {
            headers.insert(header::CONTENT_RANGE, range);
        }
        Some(response)
    }
}

impl Said {
    fn code(&self) -> &'static str {
        self.code
            .unwrap_or_else(|| super::xml::code(self.status.as_u16(), self.reason))
    }

    fn document(&self) -> Value {
        let mut error = json!({"message": self.message, "domain": "global", "reason": self.reason});
        if let (Some((kind, location)), Some(members)) = (&self.location, error.as_object_mut()) {
            members.insert("locationType".into(), json!(kind));
            members.insert("location".into(), json!(location));
        }
        json!({"error": {"code": self.status.as_u16(), "message": self.message, "errors": [error]}})
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(said) => f.write_str(&said.message),
            Self::Cut => f.write_str("the connection ended"),
        }
    }
}

const JSON: &str = "application/json; charset=UTF-8";
/// The type of the XML API's documents.
pub(super) const XML: &str = "application/xml; charset=UTF-8";

/// The disk.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(500, "internalError", format!("the store's disk: {error}"))
    }
}
