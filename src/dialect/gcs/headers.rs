//! The headers of the JSON API: what crosses, what is left out, and what is refused.
//!
//! Google's libraries say much of themselves in `x-goog-*` headers, and with some of them a caller would change whose call
//! it is, or what. So each that is known is listed here, and one that is not is refused (CLS-02, CLS-10).
//!
//! Spec: <https://cloud.google.com/storage/docs/json_api/v1/parameters#headers>

use super::error::GcsError;
use crate::operation::gcs::Method;
use http::{HeaderMap, HeaderName};

/// Prefixes with which storage systems give headers a meaning of their own.
const MEANINGFUL: [&str; 5] = ["x-goog-", "x-amz-", "x-upload-", "x-guploader-", "x-http-method"];

/// What clients say of themselves, of who pays and of their own bookkeeping.
const LEFT_OUT: [&str; 9] = [
    "x-goog-api-client",
    "x-goog-api-version",
    "x-goog-gcs-idempotency-token",
    "x-goog-project-id",
    "x-goog-request-params",
    "x-goog-request-reason",
    "x-goog-user-project",
    "x-guploader-client-info",
    "x-upload-content-source",
];

/// A key of the caller's own for an object, and for the one that it is copied from.
const KEYS: [&str; 6] = [
    "x-goog-copy-source-encryption-algorithm",
    "x-goog-copy-source-encryption-key",
    "x-goog-copy-source-encryption-key-sha256",
    "x-goog-encryption-algorithm",
    "x-goog-encryption-key",
    "x-goog-encryption-key-sha256",
];

/// What describes an upload: read where uploads are.
const OF_UPLOADS: [&str; 4] = [
    "x-goog-hash",
    "x-guploader-no-308",
    "x-upload-content-length",
    "x-upload-content-type",
];

/// What is said of reads.
const OF_READS: [&str; 6] = [
    "accept-encoding",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Refuses what nobody here knows.
///
/// # Errors
/// `invalid` with the header's name.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), GcsError> {
    for name in headers.keys().map(HeaderName::as_str) {
        if name.starts_with("x-http-method") || name == "x-method-override" {
            return Err(GcsError::invalid(
                "the method of a request is its own: send it as what it is, without a method override",
            ));
        }
        let meaningful = MEANINGFUL.iter().any(|prefix| name.starts_with(prefix));
        // Ours tie Google's log to our record: those of others would be lost in it.
        let audit =
            name.starts_with("x-goog-custom-audit-") && !name.starts_with("x-goog-custom-audit-tidegate-");
        let known = audit || LEFT_OUT.contains(&name) || KEYS.contains(&name) || OF_UPLOADS.contains(&name);
        if meaningful && !known {
            return Err(GcsError::invalid(format!(
                "the header `{name}` is not known here; leave it out"
            )));
        }
    }
    Ok(())
}

/// The headers of a call that cross to the target; `media` is whether bytes are asked for.
///
/// # Errors
/// `invalid` for what is twice there or no text.
pub(crate) fn crossing(
    method: Method,
    media: bool,
    headers: &HeaderMap,
) -> Result<Vec<(&'static str, Box<str>)>, GcsError> {
    let reads = method == Method::ObjectsGet;
    let of_objects = matches!(
        method,
        Method::ObjectsGet
            | Method::ObjectsInsert
            | Method::ObjectsCopy
            | Method::ObjectsRewrite
            | Method::ObjectsCompose
            | Method::ObjectsPatch
            | Method::ObjectsUpdate
    );
    let mut crossing = Vec::new();
    let known = OF_READS
        .iter()
        .filter(|_| reads)
        .chain(KEYS.iter().filter(|_| of_objects));
    for name in known {
        // Of metadata there is no range, and packing it is for nobody to ask.
        if !media && matches!(*name, "range" | "accept-encoding") {
            continue;
        }
        crossing.extend(once(headers, name)?.map(|text| (*name, text.into())));
    }
    Ok(crossing)
}

/// The value of a header that may be there once.
///
/// # Errors
/// `invalid` for what is twice there or no text.
pub(super) fn once<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, GcsError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(Some)
            .map_err(|_| GcsError::invalid(format!("the header `{name}` is not printable ASCII"))),
        (Some(_), Some(_)) => Err(GcsError::invalid(format!(
            "the header `{name}` is sent twice; send it once"
        ))),
    }
}
