//! Every way in which a request can end, in S3's words.
//!
//! The statuses are a contract: S3A and the SDKs retry, refresh or give up by them. An expired session is a 400
//! `ExpiredToken`, a denial a 403, and whatever is not the caller's fault a 503.

use super::documents;
use super::error::S3Error;
use crate::authz::{DenyReason, NotPermitted};
use crate::body::{BodyError, PayloadError};
use crate::credentials::CredentialError;
use crate::error::Error;
use crate::listener::HeadViolation;
use crate::signing::SigningError;
use crate::upstream::UpstreamError;

/// The caller's view of an error.
pub(crate) fn describe(error: &Error) -> S3Error {
    match error {
        Error::Malformed(violation) => malformed(*violation),
        Error::Refused(refusal) => refusal.clone(),
        // Said in Google's words to those who asked in them.
        Error::RefusedCall(refusal) => S3Error::new(refusal.status, "InvalidRequest", refusal.message.clone()),
        Error::GcsTarget(refusal) => {
            S3Error::new(refusal.outward.status, "InvalidRequest", refusal.outward.message.clone())
        }
        Error::Unauthenticated(error) => super::authn_error::describe(error),
        Error::NotPermitted(NotPermitted::Denied(denied)) if denied.reason == DenyReason::NotOffered => {
            S3Error::not_implemented(denied.message.clone())
        }
        Error::NotPermitted(NotPermitted::Denied(denied)) => S3Error::access_denied(denied.message.clone()),
        Error::Absent(_) => S3Error::no_such_key("The specified key does not exist."),
        Error::NotPermitted(NotPermitted::Tagging(error)) => S3Error::invalid_argument(error.to_string()),
        Error::NotPermitted(refusal @ NotPermitted::CrossTarget { .. }) => S3Error::not_implemented(refusal.to_string()),
        Error::NoSuchUpload(_) => S3Error::no_such_upload(documents::outward("NoSuchUpload").1),
        Error::NotAMarker(parameter, _) => {
            S3Error::invalid_argument(format!("The {parameter} provided is incorrect"))
        }
        Error::UploadTerms => S3Error::invalid_argument(
            "the tags and the encryption key of an upload in parts have 700 bytes at most: set the tags afterwards",
        ),
        Error::Signing(SigningError::Key(_)) => key_too_long(),
        Error::Payload(error) => body(error),
        Error::AuditUnavailable => S3Error::slow_down(
            "No access can be recorded now, and none is given unrecorded. Try again; the operator has been told.",
        )
        .retry_after(1),
        Error::Credential(error) => credential(error),
        Error::Upstream(UpstreamError::RequestBody(error)) => body(error),
        Error::Upstream(_)
        | Error::TargetBody(_)
        | Error::TargetDocument(_)
        | Error::GcsDocument(_)
        | Error::TargetAnswer(_) => {
            S3Error::bad_gateway("The storage behind this bucket does not answer as it should. Try again.").retry_after(1)
        }
        Error::Target(refusal) => refusal.outward.clone(),
        Error::Corrupted => S3Error::internal_error(
            "The storage behind this bucket kept other bytes than you sent. Upload the object again, or delete it.",
        ),
        Error::Signing(SigningError::Untranslatable(error)) if error.is_invalid() => {
            S3Error::invalid_argument(error.to_string())
        }
        Error::Signing(SigningError::Untranslatable(error)) => S3Error::not_implemented(error.to_string()),
        Error::Signing(SigningError::NoAccessToken) => S3Error::not_implemented(
            "the storage behind this bucket is not offered in Google's JSON API: ask the operator for credentials that have \
             access tokens, or use the S3 API",
        ),
        Error::Signing(SigningError::NoProject) => S3Error::not_implemented(
            "no bucket can be made here: the operator has named no project that it would belong to",
        ),
        Error::Signing(error @ SigningError::Pattern) => S3Error::not_implemented(error.to_string()),
        Error::Signing(SigningError::Googles) => S3Error::not_implemented(
            "The bucket is not stored in Google Cloud Storage, and `x-goog-*` headers and generations mean nothing to its \
             store: use S3's (`x-amz-*`, `versionId`, `If-None-Match`), or an S3 client with this endpoint",
        ),
        Error::Signing(_) | Error::Internal(_) => {
            S3Error::internal_error("We encountered an internal error. Please try again.")
        }
    }
}

fn malformed(violation: HeadViolation) -> S3Error {
    let code = match violation.status().as_u16() {
        405 => "MethodNotAllowed",
        414 => "InvalidURI",
        431 => "RequestHeaderSectionTooLarge",
        501 => "NotImplemented",
        _ => "InvalidRequest",
    };
    S3Error::new(violation.status().as_u16(), code, violation.to_string())
}

fn credential(error: &CredentialError) -> S3Error {
    let seconds = error.retry_after().as_secs().max(1);
    S3Error::slow_down("The credential for the storage behind this bucket cannot be had now. Try again.")
        .retry_after(seconds)
}

fn body(error: &BodyError) -> S3Error {
    match error {
        BodyError::Payload(error) => payload(error),
        BodyError::Caller(_) => S3Error::incomplete_body(
            "You did not provide the number of bytes specified by the Content-Length HTTP header",
        ),
        BodyError::Stalled(_) | BodyError::Late(_) | BodyError::Overdue => S3Error::request_timeout(
            "Your socket connection to the server was not read from or written to within the timeout period.",
        ),
        BodyError::Target(_) => {
            S3Error::bad_gateway("The storage behind this bucket broke off.").retry_after(1)
        }
    }
}

/// The folder that a bucket is counts, too: how long it is, is not for callers to know.
fn key_too_long() -> S3Error {
    S3Error::key_too_long("Your key is too long for this bucket")
}

/// The same for a caller whose sums are in `x-goog-hash`.
pub(crate) fn describe_to_google(error: &Error) -> S3Error {
    let (Error::Payload(found) | Error::Upstream(UpstreamError::RequestBody(found))) = error else {
        return describe(error);
    };
    let BodyError::Payload(PayloadError::ChecksumMismatch(header)) = found else {
        return describe(error);
    };
    let sum = match *header {
        "x-amz-checksum-crc32c" => "crc32c",
        "x-amz-checksum-md5" => "md5",
        _ => return describe(error),
    };
    S3Error::bad_digest(format!(
        "The {sum} in the x-goog-hash you specified did not match what we received."
    ))
}

fn payload(error: &PayloadError) -> S3Error {
    match error {
        PayloadError::KeyTooLong => key_too_long(),
        PayloadError::Sha256Mismatch => S3Error::sha256_mismatch(
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
        PayloadError::ChecksumMismatch("content-md5") => {
            S3Error::bad_digest("The Content-MD5 you specified did not match what we received.")
        }
        PayloadError::ChecksumMismatch(header) => S3Error::bad_digest(format!(
            "The {header} you specified did not match what we received."
        )),
        PayloadError::ChunkSignature => S3Error::signature_does_not_match(
            "A chunk signature we calculated does not match the one you provided. Check your key and signing method.",
        ),
        PayloadError::Incomplete => S3Error::incomplete_body(
            "The request body terminated unexpectedly, or has another length than declared",
        ),
        PayloadError::Framing(what) => {
            S3Error::incomplete_body(format!("The aws-chunked body is malformed: {what}"))
        }
        PayloadError::Form(what) => S3Error::malformed_post_request(format!(
            "The body of your POST request is not well-formed multipart/form-data: {what}"
        )),
        PayloadError::Multipart(what) => {
            S3Error::invalid_request(format!("The multipart body is malformed: {what}"))
        }
        PayloadError::Packed => {
            S3Error::invalid_request("The compressed body is broken, or there is something behind it")
        }
        PayloadError::MalformedTrailer(what) => {
            S3Error::malformed_trailer(format!("The trailer is malformed: {what}"))
        }
        PayloadError::UnexpectedTrailer => S3Error::invalid_request(
            "The value specified in the x-amz-trailer header is not the trailer that was sent",
        ),
        PayloadError::ChunkSize(bytes) => {
            S3Error::invalid_chunk_size(format!("A chunk of {bytes} bytes is not accepted"))
        }
        PayloadError::Unverifiable(header) => S3Error::not_implemented(format!(
            "A header you provided implies functionality that is not implemented: {header} cannot be verified here. \
             Use CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512 or MD5, or ask the operator for `checksum = \"passthrough\"` \
             on this bucket and `profile = \"auto\"` on its target."
        )),
        PayloadError::TooLarge(limit) => {
            S3Error::max_message_length(format!("Your request was too big: {limit} bytes at most"))
        }
    }
}
