//! The target's answers, made ours: names mapped back, errors rebuilt, headers by allow-list.
//!
//! A target's error may echo our string to sign, its bucket or its endpoint. Only its code gets through.

use super::documents::{self, Names, Rewritten};
use super::error::S3Error;
use crate::audit::scrub;
use crate::authn::Handles;
use crate::authz::Permit;
use crate::body::{self, Body, BodyError};
use crate::config::Profile;
use crate::dialect::gcs_xml::{self, Fault};
use crate::error::Error;
use crate::operation::{Answer, Api, Detail, Protocol, Scope};
use crate::upstream::{UpstreamResponse, relayed};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};
use http_body_util::BodyExt;

/// A page of a thousand of the longest keys, escaped.
const LARGEST_DOCUMENT: usize = 16 << 20;
const LARGEST_ERROR: usize = 64 << 10;

/// The region of every bucket. Any region signs here, so the one that clients assume without asking is right. Said with
/// good answers only: to an error with a region, SDKs turn to that region of Amazon's.
pub(crate) const REGION: &str = "us-east-1";

/// Whom an answer is for: what the names in it depend on.
#[derive(Clone, Copy)]
pub(crate) struct Addressee<'a> {
    /// Where it reaches the bucket, without a slash at the end.
    pub(crate) url: &'a str,
    /// What seals for it what a target gives out.
    pub(crate) handles: &'a Handles,
    /// Whose words it speaks.
    pub(crate) speaks: Protocol,
}

/// Where a response goes.
pub(crate) struct Destination<'a> {
    pub(crate) permit: &'a Permit,
    pub(crate) addressee: Addressee<'a>,
    pub(crate) request_id: &'a str,
}

impl Destination<'_> {
    fn names(&self) -> Result<Names, Error> {
        Names::of(self.permit, self.addressee.url, self.addressee.handles)
            .ok_or(Error::Internal("a target's answer without a bucket"))
    }
}

/// Turns a target's response into the caller's.
///
/// # Errors
/// [`Error::Target`] with the code that the target gave, or why its answer cannot be used.
pub(crate) async fn relay(answer: UpstreamResponse, to: Destination<'_>) -> Result<Response<Body>, Error> {
    let UpstreamResponse { mut head, body, .. } = answer;
    let operation = to.permit.operation();
    let google = to.is_google();
    if google {
        let status = head.status;
        gcs_xml::translate_answer(operation, status, &mut head.headers).map_err(Error::TargetAnswer)?;
    }
    let kept = match (google, to.addressee.speaks) {
        (true, Protocol::Gcs) => gcs_xml::for_google(operation.api(), &head.headers),
        (false, Protocol::Gcs) | (_, Protocol::S3) => HeaderMap::new(),
    };
    let with_kept = |mut response: Response<Body>| {
        response.headers_mut().extend(kept);
        response
    };
    match head.status.as_u16() {
        304 => Ok(with_kept(with_headers(operation.api(), &head, body::empty()))),
        200..=299 => success(head, body, &to).await.map(with_kept),
        status => {
            let (code, message) = said(body).await;
            // Of our credential its code says enough, and its words may quote what was signed.
            let of_credential = code.as_deref().is_some_and(blames_credential);
            if matches!(status, 401 | 403) && !of_credential {
                // For the operator alone: a caller hears no word of a target's.
                tracing::info!(
                    request_id = to.request_id,
                    status,
                    code = code.as_deref().unwrap_or_default(),
                    message = %scrub(&message, 512),
                    "the target refused"
                );
            }
            let fault = match google {
                true => gcs_xml::translate_fault(operation, to.addressee.speaks, status, code),
                false => Fault::Failure(status, code),
            };
            match fault {
                Fault::Success => {
                    head.status = StatusCode::NO_CONTENT;
                    head.headers.clear();
                    Ok(with_headers(operation.api(), &head, body::empty()))
                }
                Fault::Failure(status, code) => {
                    let error = from_code(operation.api(), status, code, &head.headers);
                    Err(Error::Target(Box::new(error)))
                }
            }
        }
    }
}

impl Destination<'_> {
    /// Whether the answer comes from Google Cloud Storage.
    fn is_google(&self) -> bool {
        let bucket = self.permit.bucket();
        bucket.is_some_and(|bucket| bucket.target.profile == Profile::Gcs)
    }
}

async fn success(head: Parts, body: Body, to: &Destination<'_>) -> Result<Response<Body>, Error> {
    let operation = to.permit.operation();
    let api = operation.api();
    match api.row().answer {
        Answer::Object => Ok(with_headers(api, &head, body)),
        Answer::Headers => {
            read(body, LARGEST_ERROR).await?;
            let mut response = with_headers(api, &head, body::empty());
            if operation.api().row().method != "HEAD" {
                response.headers_mut().remove(header::CONTENT_LENGTH);
                response.headers_mut().remove(header::CONTENT_TYPE);
            }
            if api == Api::HeadBucket {
                let region = HeaderValue::from_static(REGION);
                response.headers_mut().insert("x-amz-bucket-region", region);
            }
            if let (Api::CreateBucket, Some(bucket)) = (api, operation.bucket()) {
                let location = HeaderValue::try_from(format!("/{bucket}"));
                response
                    .headers_mut()
                    .extend(location.ok().map(|at| (header::LOCATION, at)));
            }
            Ok(response)
        }
        Answer::Deletions => {
            let body = read(body, LARGEST_DOCUMENT).await?;
            let merged = delete_result(to.permit, Some((&body, &to.names()?)))?;
            Ok(document(api, &head.headers, merged))
        }
        Answer::Completion => {
            let rewritten = documents::keep_alive_rewrite(body, api, to.names()?, to.request_id.into());
            let mut response = with_headers(api, &head, rewritten);
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response.headers_mut().insert(header::CONTENT_TYPE, xml());
            Ok(response)
        }
        Answer::Document(_) => {
            let body = read(body, LARGEST_DOCUMENT).await?;
            let body = match (to.is_google(), to.addressee.speaks) {
                (true, Protocol::S3) => documents::from_google(&body).map_err(Error::TargetDocument)?,
                // Generations and classes are Google's own to whoever speaks its words.
                (true, Protocol::Gcs) | (false, _) => body,
            };
            match documents::rewrite_result(api, &body, &to.names()?).map_err(Error::TargetDocument)? {
                Rewritten::Document(rewritten) => Ok(document(api, &head.headers, rewritten)),
                // S3 may say 200 and fail later: the error is in the body.
                Rewritten::Error { code, .. } => Err(Error::Target(Box::new(from_code(
                    api,
                    status_of(&code),
                    Some(code),
                    &head.headers,
                )))),
            }
        }
        Answer::Policy => {
            let body = read(body, LARGEST_ERROR).await?;
            let policy = documents::rebuild_policy(&body).map_err(Error::TargetDocument)?;
            let mut response = document(api, &head.headers, policy);
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            Ok(response)
        }
        Answer::None => Err(Error::Internal("an answer to what was not asked")),
    }
}

/// The answer to DeleteObjects: the target's results and the refusals of policy, in one document.
///
/// # Errors
/// [`Error::TargetDocument`] if the target's answer is no DeleteResult.
pub(crate) fn delete_result(permit: &Permit, target_answer: Option<(&[u8], &Names)>) -> Result<Bytes, Error> {
    let quiet = matches!(permit.operation().detail(), Detail::Deletions { quiet: true, .. });
    let refused: Vec<_> = permit
        .refused()
        .iter()
        .map(|(deletion, denied)| (deletion.clone(), denied.message.clone()))
        .collect();
    let asked = permit.operation().deletions();
    documents::merge_delete_result(target_answer, asked, &refused, quiet).map_err(Error::TargetDocument)
}

/// A document of our own as a response.
pub(crate) fn document(api: Api, target_headers: &HeaderMap, bytes: Bytes) -> Response<Body> {
    let length = bytes.len();
    let mut response = Response::new(body::full(bytes));
    *response.headers_mut() = relayed(api, target_headers);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    response.headers_mut().insert(header::CONTENT_TYPE, xml());
    response
}

fn xml() -> HeaderValue {
    HeaderValue::from_static("application/xml")
}

fn with_headers(api: Api, head: &Parts, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = relayed(api, &head.headers);
    response
}

/// An answer read whole, for what Tidegate asks on its own.
///
/// # Errors
/// [`Error::TargetBody`] if it breaks off or is larger than any document.
pub(crate) async fn whole(body: Body) -> Result<Bytes, Error> {
    read(body, LARGEST_DOCUMENT).await
}

async fn read(mut body: Body, limit: usize) -> Result<Bytes, Error> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(Error::TargetBody)?.into_data() {
            if bytes.len() + data.len() > limit {
                return Err(Error::TargetBody(BodyError::Payload(
                    crate::body::PayloadError::TooLarge(limit),
                )));
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

/// What the target refused, with nothing of it but the code.
#[derive(Debug)]
pub(crate) struct TargetError {
    /// For the caller.
    pub(crate) outward: S3Error,
    /// `Content-Range` of a 416 and the like.
    pub(crate) headers: HeaderMap,
    /// What the target said, for the operator.
    pub(crate) status: u16,
    /// The target's code, if it gave one.
    pub(crate) code: Option<String>,
    /// Whether it refused our credential.
    pub(crate) blames_credential: bool,
}

/// The target's code, if it gave one, and its words.
async fn said(body: Body) -> (Option<String>, String) {
    let body = read(body, LARGEST_ERROR).await.unwrap_or_default();
    match documents::parse_target_error(&body) {
        Some((code, message)) => (Some(code), message),
        None => (None, String::new()),
    }
}

/// Whether a target's code is about our credential.
fn blames_credential(code: &str) -> bool {
    matches!(
        code,
        "InvalidAccessKeyId"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            // Keys that were rotated between the reading of the one half and the other.
            | "SignatureDoesNotMatch"
    )
}

fn from_code(api: Api, status: u16, code: Option<String>, headers: &HeaderMap) -> TargetError {
    let misconfigured = matches!(
        code.as_deref(),
        Some(
            "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "InvalidToken"
                | "TokenRefreshRequired"
                | "RequestTimeTooSkewed"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
                | "PermanentRedirect"
                | "TemporaryRedirect"
                | "AccountProblem"
        )
    );
    let blames_credential = code.as_deref().is_some_and(blames_credential);
    let known = StatusCode::from_u16(status).is_ok_and(|s| s.is_client_error() || s.is_server_error());
    let outward = if misconfigured || !known {
        // The caller's own session is fine; a 403 would make it throw that away.
        S3Error::bad_gateway(
            "The storage behind this bucket cannot be used now. The operator's log says why.",
        )
        .retry_after(5)
    } else {
        // LEK-07: a code that is not in our table says no more than its status.
        let (code, message) = match code.as_deref().map(|code| (code, documents::outward(code))) {
            Some((given, (code, message))) if given == code => (code, message),
            _ => documents::outward(code_of(api, status)),
        };
        let retry = matches!(status, 429 | 503).then_some(1);
        S3Error {
            retry_after: retry,
            ..S3Error::new(status, code, message)
        }
    };
    let mut kept = HeaderMap::new();
    for name in [header::CONTENT_RANGE, header::ETAG, header::LAST_MODIFIED] {
        if let Some(value) = headers.get(&name).filter(|_| !misconfigured) {
            kept.insert(name, value.clone());
        }
    }
    for name in ["x-amz-delete-marker", "x-amz-version-id"] {
        if let Some(value) = headers.get(name).filter(|_| !misconfigured) {
            kept.insert(name, value.clone());
        }
    }
    kept.insert("x-tidegate-error-source", HeaderValue::from_static("target"));
    TargetError {
        outward,
        headers: kept,
        status,
        code,
        blames_credential,
    }
}

/// The status of an error that came in the body of a 200.
fn status_of(code: &str) -> u16 {
    match code {
        "AccessDenied" => 403,
        "NoSuchBucket" | "NoSuchKey" | "NoSuchUpload" | "NoSuchVersion" => 404,
        "ConditionalRequestConflict" => 409,
        "PreconditionFailed" => 412,
        "ServiceUnavailable" | "SlowDown" => 503,
        "InternalError" => 500,
        _ => 400,
    }
}

/// The code for an answer without a document, as to HEAD.
fn code_of(api: Api, status: u16) -> &'static str {
    match (status, api) {
        (403, _) => "AccessDenied",
        (404, api) if api.row().scope == Scope::Bucket => "NoSuchBucket",
        (404, _) => "NoSuchKey",
        (405, _) => "MethodNotAllowed",
        (409, _) => "ConditionalRequestConflict",
        (411, _) => "MissingContentLength",
        (412, _) => "PreconditionFailed",
        (416, _) => "InvalidRange",
        (429 | 503, _) => "SlowDown",
        (501, _) => "NotImplemented",
        (500..=599, _) => "InternalError",
        _ => "InvalidRequest",
    }
}
