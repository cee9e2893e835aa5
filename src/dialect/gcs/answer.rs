//! The target's answers, made ours: names mapped back, errors rebuilt, headers by allow-list.
//!
//! Generations, metagenerations and hashes are the target's own and stay as they are: clients hold what they have against
//! them. What a target says in words may name its bucket, so that only the reason of an error gets through.

use super::documents::{self, Names};
use super::error::{GcsError, reason_of};
use super::{sessions, settings};
use crate::audit::scrub;
use crate::authn::{Ends, Handles, SealError};
use crate::authz::Permit;
use crate::body::{self, Body};
use crate::dialect::s3::documents::place;
use crate::dialect::s3::response::whole;
use crate::error::Error;
use crate::operation::Asked;
use crate::operation::gcs::{Answer, Call, Detail, Sending};
use crate::upstream::UpstreamResponse;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};

/// Whom an answer is for.
#[derive(Clone, Copy)]
pub(crate) struct Addressee<'a> {
    /// Where it reaches the API: `https://host`.
    pub(crate) origin: &'a str,
    /// What seals for it what a target gives out.
    pub(crate) handles: &'a Handles,
}

/// Where a response goes.
#[derive(Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) permit: &'a Permit<Call>,
    pub(crate) addressee: Addressee<'a>,
    pub(crate) request_id: &'a str,
    /// The CRC32C of what was sent, if all of an object was.
    pub(crate) sent: Option<[u8; 4]>,
}

impl Destination<'_> {
    pub(crate) fn names(&self) -> Result<Names<'_>, Error> {
        let bucket = self
            .permit
            .bucket()
            .ok_or(Error::Internal("a target's answer without a bucket"))?;
        Ok(Names {
            bucket: bucket.name.as_str(),
            target_bucket: bucket.target_bucket.as_str(),
            prefix: &bucket.prefix,
            origin: self.addressee.origin,
        })
    }

    /// The page token of a folder is a name in it, in the target's words.
    fn seal_page(&self, token: &str) -> Result<String, SealError> {
        let prefix = self.permit.operation().listed_prefix().unwrap_or_default();
        match self.permit.bucket() {
            Some(bucket) if !bucket.prefix.is_empty() => {
                self.addressee.handles.seal_page(&place(bucket), prefix, token)
            }
            _ => Ok(token.to_owned()),
        }
    }

    /// GCS-03: whoever has a rewrite token goes on with the copy.
    fn seal_rewrite(&self, token: &str) -> Result<String, SealError> {
        let call = self.permit.operation();
        let ends = match (
            self.permit.source_bucket(),
            call.sources(),
            self.permit.bucket(),
            call.object(),
        ) {
            (Some(from), [source], Some(bucket), Some(object)) => Ends {
                source: (place(from), source.object.key.as_str()),
                destination: (place(bucket), object.key.as_str()),
            },
            _ => return Err(SealError::Unprintable),
        };
        self.addressee.handles.seal_rewrite(&ends, token)
    }
}

/// Turns a target's response into the caller's.
///
/// # Errors
/// [`Error::GcsTarget`] with what the target refused, or why its answer cannot be used.
pub(crate) async fn relay(answer: UpstreamResponse, to: Destination<'_>) -> Result<Response<Body>, Error> {
    let UpstreamResponse { head, body, .. } = answer;
    match head.status.as_u16() {
        308 | 499 | 200..=299 if to.permit.operation().sending().is_some_and(Sending::may_go_on) => {
            sessions::relay(&head, body, to).await
        }
        304 => Ok(with_headers(&head, body::empty())),
        200..=299 => success(head, body, to).await,
        _ => Err(refusal(&head, body, to).await),
    }
}

pub(super) async fn success(head: Parts, body: Body, to: Destination<'_>) -> Result<Response<Body>, Error> {
    let call = to.permit.operation();
    if call.is_download() {
        return Ok(with_headers(&head, body));
    }
    let document = whole(body).await?;
    stored(&document, to)?;
    let names = to.names()?;
    let rewritten = match call.row().answer {
        Answer::None => return Err(Error::Internal("a target's answer to what it is never asked")),
        Answer::Nothing => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(response);
        }
        Answer::Object => documents::object(&document, &names),
        Answer::Objects => {
            let prefix = call.listed_prefix().unwrap_or_default();
            documents::objects(&document, &names, prefix, |token| to.seal_page(token).ok())
        }
        Answer::Rewrite => {
            // The new object is in the bucket of the call; the token says of what it is a copy.
            documents::rewrite_response(&document, &names, |token| to.seal_rewrite(token).ok())
        }
        Answer::Setting => settings::answered(&document, &names, call),
    };
    Ok(json(&head.headers, rewritten.map_err(Error::GcsDocument)?.into()))
}

/// That the target has the bytes that were sent, as far as it says that.
fn stored(document: &[u8], to: Destination<'_>) -> Result<(), Error> {
    let Some(sent) = to.sent else { return Ok(()) };
    match documents::crc32c(document) {
        Some(stored) if stored != sent => Err(Error::Corrupted),
        Some(_) | None => Ok(()),
    }
}

/// A document of ours as a response.
pub(crate) fn json(target_headers: &HeaderMap, document: Bytes) -> Response<Body> {
    let length = document.len();
    let mut response = Response::new(body::full(document));
    let headers = response.headers_mut();
    if let Some(etag) = target_headers.get(header::ETAG) {
        headers.insert(header::ETAG, etag.clone());
    }
    headers.insert(header::CONTENT_LENGTH, length.into());
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    headers.insert(header::CONTENT_TYPE, json);
    let uncached = HeaderValue::from_static("no-cache, no-store, max-age=0, must-revalidate");
    headers.insert(header::CACHE_CONTROL, uncached);
    response
}

/// What is said of an object's bytes. A list of what may cross, because what may not is open-ended: a session's address, a
/// cookie, another way to the same host (LEK-04, LEK-05).
const OF_MEDIA: [&str; 22] = [
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "expires",
    "last-modified",
    "vary",
    "x-goog-component-count",
    "x-goog-encryption-algorithm",
    "x-goog-encryption-key-sha256",
    "x-goog-expiration",
    "x-goog-generation",
    "x-goog-hash",
    "x-goog-metageneration",
    "x-goog-storage-class",
    "x-goog-stored-content-encoding",
    "x-goog-stored-content-length",
];

fn with_headers(head: &Parts, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    for name in OF_MEDIA {
        for value in head.headers.get_all(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

/// What the target refused, with nothing of it but the reason.
#[derive(Debug)]
pub(crate) struct TargetRefusal {
    /// For the caller.
    pub(crate) outward: GcsError,
    /// `Content-Range` of a 416, and where it comes from.
    pub(crate) headers: HeaderMap,
    /// What the target said, for the operator.
    pub(crate) status: u16,
    /// The target's reason, if it gave one.
    pub(crate) reason: Option<String>,
    /// Whether it refused our credential.
    pub(crate) blames_credential: bool,
}

/// The reasons that clients act on. Any other says no more than its status.
const REASONS: [&str; 28] = [
    "badRequest",
    "conditionNotMet",
    "conflict",
    "customerEncryptionAlgorithmIsInvalid",
    "customerEncryptionKeyFormatIsInvalid",
    "customerEncryptionKeyIsIncorrect",
    "customerEncryptionKeySha256IsInvalid",
    "forbidden",
    "gone",
    "insufficientPermissions",
    "internalError",
    "invalid",
    "invalidArgument",
    "invalidParameter",
    "lengthRequired",
    "notFound",
    "notImplemented",
    "objectUnderActiveHold",
    "parseError",
    "quotaExceeded",
    "rateLimitExceeded",
    "requestedRangeNotSatisfiable",
    "required",
    "resourceIsEncryptedWithCustomerEncryptionKey",
    "resourceNotEncryptedWithCustomerEncryptionKey",
    "retentionPolicyNotMet",
    "uploadTooLarge",
    "userRateLimitExceeded",
];

/// Why the target did not do it.
pub(crate) async fn refusal(head: &Parts, body: Body, to: Destination<'_>) -> Error {
    let status = head.status.as_u16();
    let fault = match whole(body).await {
        Ok(document) => documents::target_fault(&document),
        Err(_) => documents::TargetFault::default(),
    };
    let reason = fault.reason.as_deref().unwrap_or_default();
    let message = fault.message.as_deref().unwrap_or_default();
    let blames_credential = status == 401;
    // What the caller can see for itself is not worth a line for each time.
    if head.status.is_client_error() && !matches!(status, 404 | 412 | 416) {
        // For the operator alone: a caller hears no word of a target's.
        tracing::info!(
            request_id = to.request_id,
            status,
            reason,
            message = %scrub(message, 512),
            "the target refused"
        );
    }
    let known = head.status.is_client_error() || head.status.is_server_error();
    let outward = if blames_credential || !known {
        // The caller's own token is fine; a 401 would make it throw that away.
        GcsError {
            retry_after: Some(5),
            ..GcsError::new(
                503,
                "backendError",
                "The storage behind this bucket cannot be used now. The operator's log says why.",
            )
        }
    } else {
        let word = REASONS.into_iter().find(|known| *known == reason);
        GcsError {
            retry_after: matches!(status, 429 | 503).then_some(1),
            ..GcsError::new(
                status,
                word.unwrap_or(reason_of(status)),
                sentence(status, reason, to.permit.operation()),
            )
        }
    };
    let mut headers = HeaderMap::new();
    for name in [header::CONTENT_RANGE, header::RETRY_AFTER] {
        if let Some(value) = head.headers.get(&name).filter(|_| !blames_credential) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert("x-tidegate-error-source", HeaderValue::from_static("target"));
    Error::GcsTarget(Box::new(TargetRefusal {
        outward,
        headers,
        status,
        reason: fault.reason.map(Into::into),
        blames_credential,
    }))
}

/// What a status means for the caller.
fn sentence(status: u16, reason: &str, call: &Call) -> String {
    let name = match (call.object(), call.bucket()) {
        (Some(object), _) => format!("{}/{}", object.bucket, object.key),
        (None, Some(bucket)) => bucket.to_string(),
        (None, None) => String::new(),
    };
    match reason {
        "objectUnderActiveHold" => return format!("A hold keeps this from being changed or deleted: {name}"),
        "retentionPolicyNotMet" => {
            return format!("A retention keeps this from being changed or deleted yet: {name}");
        }
        "resourceIsEncryptedWithCustomerEncryptionKey" => {
            return format!(
                "A key of a caller's own is needed to read this: send it in `x-goog-encryption-algorithm`, \
                 `x-goog-encryption-key` and `x-goog-encryption-key-sha256`, for the source of a copy in \
                 `x-goog-copy-source-encryption-…`: {name}"
            );
        }
        "resourceNotEncryptedWithCustomerEncryptionKey" => {
            return format!(
                "No key of a caller's own belongs to this: leave out `x-goog-encryption-…`: {name}"
            );
        }
        "customerEncryptionKeyIsIncorrect" => {
            return format!("This was written with another key than that of `x-goog-encryption-key`: {name}");
        }
        "customerEncryptionAlgorithmIsInvalid"
        | "customerEncryptionKeyFormatIsInvalid"
        | "customerEncryptionKeySha256IsInvalid" => {
            return "`x-goog-encryption-algorithm` is `AES256`, `x-goog-encryption-key` has 32 bytes in base64, and \
                    `x-goog-encryption-key-sha256` is the SHA-256 of these, in base64"
                .to_owned();
        }
        "quotaExceeded" => return "A quota of the storage behind this bucket is used up.".to_owned(),
        _ => {}
    }
    match (status, call.object()) {
        (403, _) => format!(
            "The storage behind the bucket does not let Tidegate do this, though policy allows it: {name}. Ask the operator for \
             the right of the bucket's credential"
        ),
        // What a copy or a compose does not find is something that it reads.
        (404, Some(_)) => match call.sources() {
            [] => format!("No such object: {name}"),
            [source] => format!("No such object: {}/{}", source.object.bucket, source.object.key),
            [_, ..] => format!("No such object: one of those that {name} is to be composed of"),
        },
        (404, None) => format!("The specified bucket does not exist: {name}"),
        (409, _) => format!("The storage refuses because of what is there: {name}"),
        (410, _) => "This is gone; begin again".to_owned(),
        (412, _) => "At least one of the pre-conditions you specified did not hold.".to_owned(),
        (416, _) => "The requested range cannot be satisfied.".to_owned(),
        (429 | 503, _) => "The storage behind this bucket is busy. Try again.".to_owned(),
        (501, _) => "The storage behind this bucket does not implement this.".to_owned(),
        (500..=599, _) => {
            "The storage behind this bucket does not answer as it should. Try again.".to_owned()
        }
        _ => format!(
            "The storage behind this bucket takes the request for invalid: {}. {}The operator's log has its own words",
            call.name(),
            suspects(call)
        ),
    }
}

/// Bytes that every chunk but the last is a multiple of.
const CHUNK_UNIT: u64 = 256 << 10;

/// Where callers should look who are told no more than that something is invalid: a sentence, or nothing.
fn suspects(call: &Call) -> String {
    if let Some(Sending::Chunk(range)) = call.sending()
        && let Some(end) = range.last.and_then(|last| last.checked_add(1))
        && range.total != Some(end)
        && !end.saturating_sub(range.first).is_multiple_of(CHUNK_UNIT)
    {
        return "A chunk that is not the last has a multiple of 256 KiB (262144 bytes). ".to_owned();
    }
    let said = call.parameters().iter().chain(call.headers());
    let mut suspects: Vec<String> = said
        .map(|(name, _)| match *name {
            "pageToken" => "`pageToken` (good for the listing that it came from)".to_owned(),
            name => format!("`{name}`"),
        })
        .collect();
    if matches!(call.detail(), Detail::Document(_) | Detail::Compose { .. }) {
        suspects.push("the document".to_owned());
    }
    let has_key = call.headers().iter().any(|(name, _)| name.contains("encryption"));
    if !has_key && (call.is_download() || !call.sources().is_empty()) {
        suspects.push("the key, if it was written with a caller's own (`x-goog-encryption-…`)".to_owned());
    }
    match &*suspects {
        [] => String::new(),
        suspects => format!("Look at {}. ", suspects.join(", ")),
    }
}
