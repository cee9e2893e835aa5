//! Errors in the words of the JSON API.
//!
//! Clients act on the status and on the first `reason`: a 401 makes them fetch a new token and try again, a 403 never
//! does, 429 and 5xx are tried again after a while. So whatever is about the token is a 401 and every denial a 403.
//!
//! Spec: <https://cloud.google.com/storage/docs/json_api/v1/status-codes>

use crate::authn::AuthnError;
use crate::authz::NotPermitted;
use crate::body::{self, Body, BodyError, PayloadError};
use crate::dialect::s3;
use crate::error::Error;
use http::{HeaderValue, Response, StatusCode, header};
use std::borrow::Cow;

/// A refusal as callers of the JSON API read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GcsError {
    /// HTTP status.
    pub(crate) status: u16,
    /// `errors[0].reason`.
    pub(crate) reason: Cow<'static, str>,
    /// For people.
    pub(crate) message: Cow<'static, str>,
    /// Seconds.
    pub(crate) retry_after: Option<u64>,
    /// The methods that there are, where it is the method that is refused.
    pub(crate) allow: Option<Box<str>>,
}

macro_rules! reasons {
    ($($name:ident $status:literal $reason:literal;)*) => {
        impl GcsError {
            $(pub(crate) fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                Self::new($status, $reason, message)
            })*
        }
    };
}

reasons! {
    invalid 400 "invalid";
    required 400 "required";
    parse_error 400 "parseError";
    unauthenticated 401 "authError";
    not_found 404 "notFound";
    method_not_allowed 405 "methodNotAllowed";
    conflict 409 "conflict";
    too_large 413 "uploadTooLarge";
    not_implemented 501 "notImplemented";
}

impl GcsError {
    pub(crate) fn new(
        status: u16,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            reason: reason.into(),
            message: message.into(),
            retry_after: None,
            allow: None,
        }
    }

    /// The same with the methods that would be allowed there.
    ///
    /// Spec: <https://www.rfc-editor.org/rfc/rfc9110#name-405-method-not-allowed>
    pub(crate) fn allowing(self, methods: impl Into<Box<str>>) -> Self {
        Self {
            allow: Some(methods.into()),
            ..self
        }
    }
}

/// The caller's view of an error.
pub(crate) fn describe(error: &Error) -> GcsError {
    if let Error::RefusedCall(refusal) = error {
        return refusal.clone();
    }
    if let Error::GcsTarget(refusal) = error {
        return refusal.outward.clone();
    }
    if let Error::Unauthenticated(AuthnError::Anonymous) = error {
        return GcsError::new(
            401,
            "required",
            "Login Required: send `Authorization: Bearer` with an identity token, or an access token from `/_tidegate/token`",
        );
    }
    if let Error::TargetBody(BodyError::Payload(PayloadError::TooLarge(limit))) = error {
        return GcsError::new(
            500,
            "internalError",
            format!(
                "The storage's answer has more than {limit} bytes: ask for less at once, with `maxResults` or `fields`"
            ),
        );
    }
    if let Error::NoSuchUpload(_) = error {
        return GcsError::not_found(
            "No such upload of yours for this object: it has ended, was given up, or was never begun here. Begin it again",
        );
    }
    let in_s3 = s3::describe(error);
    let (status, reason) = match error {
        Error::Unauthenticated(AuthnError::IssuerUnavailable(_)) => (503, "backendError"),
        Error::Unauthenticated(_) => (401, "authError"),
        // Where S3 says it with a 400, which Google's libraries would not try again.
        Error::Payload(BodyError::Stalled(_) | BodyError::Late(_) | BodyError::Overdue) => {
            (408, "requestTimeout")
        }
        // Also of a setting that nobody may change: S3 has a code for what is not offered, Google has none.
        Error::NotPermitted(NotPermitted::Denied(_)) => (403, "forbidden"),
        Error::Absent(_) => {
            return GcsError::not_found("No such object, as a listing of yours would show");
        }
        _ => (in_s3.status, reason_of(in_s3.status)),
    };
    GcsError {
        retry_after: in_s3.retry_after,
        ..GcsError::new(status, reason, in_s3.message)
    }
}

/// The usual reason for a status.
pub(crate) fn reason_of(status: u16) -> &'static str {
    match status {
        401 => "authError",
        403 => "forbidden",
        404 => "notFound",
        405 => "methodNotAllowed",
        408 => "requestTimeout",
        409 => "conflict",
        410 => "gone",
        411 => "lengthRequired",
        412 => "conditionNotMet",
        413 => "uploadTooLarge",
        416 => "requestedRangeNotSatisfiable",
        429 => "rateLimitExceeded",
        501 => "notImplemented",
        500 => "internalError",
        502..=599 => "backendError",
        _ => "invalid",
    }
}

/// The error as a response. The id of the request is said in the message, too: it is all that most clients show.
pub(crate) fn render(error: &GcsError, request_id: &str, head: bool) -> Response<Body> {
    let message = format!("{} (request {request_id})", error.message.trim_end_matches('.'));
    let domain = match error.status {
        429 => "usageLimits",
        _ => "global",
    };
    let mut item = serde_json::json!({ "message": message, "domain": domain, "reason": error.reason });
    if let (401, Some(item)) = (error.status, item.as_object_mut()) {
        item.insert("locationType".into(), "header".into());
        item.insert("location".into(), "Authorization".into());
    }
    let document = serde_json::json!({
        "error": { "code": error.status, "message": message, "errors": [item] }
    });
    let mut response = Response::new(match head {
        true => body::empty(),
        false => body::full(document.to_string()),
    });
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(methods) = error
        .allow
        .as_deref()
        .and_then(|methods| HeaderValue::from_str(methods).ok())
    {
        headers.insert(header::ALLOW, methods);
    }
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if error.status == 401 {
        // Whatever is about the token: libraries get another one and try again. Who sent none at all did nothing wrong with
        // it (RFC 6750, 3.1).
        let challenge = match &*error.reason {
            "required" => HeaderValue::from_static("Bearer"),
            _ => crate::doors::answer::challenge(&error.message),
        };
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
