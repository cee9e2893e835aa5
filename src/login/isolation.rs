//! Keeps objects from acting as the page that they share a host with.
//!
//! An object is anybody's bytes. Opened in a browser by a presigned URL, HTML runs its scripts with the origin of the
//! login, where a person's cookie is (OID-10). So once browsers log in here, whatever is not a page of ours is served
//! for a sandbox: a browser gives it an origin of its own and runs nothing of it. Programs do not look at these headers.

use crate::body::Body;
use http::{HeaderValue, Response, StatusCode, header};

/// Adds the headers, unless the answer has a policy of its own.
pub(crate) fn isolate(mut response: Response<Body>) -> Response<Body> {
    // What a browser has kept already it has kept with these headers.
    let is_kept = response.status() == StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    if is_kept || headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        return response;
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !media_type.is_some_and(is_inert) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox"),
        );
    }
    response
}

/// What browsers show without running anything of it with our origin. Their viewers of PDF do not start in a sandbox,
/// and have an origin of their own.
fn is_inert(media_type: &str) -> bool {
    const INERT: [&str; 11] = [
        "application/octet-stream",
        "application/pdf",
        "application/json",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/csv",
        "text/plain",
    ];
    let essence = media_type.split(';').next().unwrap_or_default().trim_ascii();
    let media = |prefix: &str| {
        essence
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    // A comma may hide a second type, of which browsers take the last.
    !media_type.contains(',')
        && (INERT.iter().any(|inert| essence.eq_ignore_ascii_case(inert))
            || media("audio/")
            || media("video/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(media_type: Option<&'static str>, sandboxed: bool) {
        let mut response = Response::new(crate::body::empty());
        let media = media_type.map(|value| (header::CONTENT_TYPE, HeaderValue::from_static(value)));
        response.headers_mut().extend(media);
        let response = isolate(response);
        let headers = response.headers();
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = headers.get(header::CONTENT_SECURITY_POLICY);
        assert_eq!(policy.is_some(), sandboxed, "{media_type:?}");
    }

    // OID-10
    #[test]
    fn whatever_could_run_is_for_a_sandbox() {
        for runs in [
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "image/svg+xml",
            "text/xml",
            "application/xml",
            "application/xhtml+xml",
            "text/javascript",
            "multipart/x-mixed-replace",
            "text/plain, text/html",
            "application/rss+xml",
            "",
            "?",
        ] {
            check(Some(runs), true);
        }
        check(None, true);
        for inert in [
            "text/plain",
            "image/png",
            "IMAGE/JPEG",
            "video/mp4",
            "application/pdf",
            "text/csv; charset=utf-8",
            "application/octet-stream",
        ] {
            check(Some(inert), false);
        }
    }
}
