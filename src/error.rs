//! Everything that can end a request, one variant per stage. The caller's words and the operator's are separate.

use crate::audit::Reason;
use crate::authn::{AuthnError, HandleError, ServiceKeyRefusal};
use crate::authz::{Denied, DenyReason, NotPermitted};
use crate::body::{BodyError, PayloadError};
use crate::credentials::CredentialError;
use crate::dialect::gcs::answer::TargetRefusal;
use crate::dialect::gcs::documents::AnswerError;
use crate::dialect::gcs::error::GcsError;
use crate::dialect::s3::documents::DocumentError;
use crate::dialect::s3::error::S3Error;
use crate::dialect::s3::response::TargetError;
use crate::listener::HeadViolation;
use crate::signing::SigningError;
use crate::upstream::UpstreamError;

/// Why a request ended without the answer that was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request head is malformed: {0}")]
    Malformed(HeadViolation),
    #[error("the request is refused: {}", .0.message)]
    Refused(S3Error),
    #[error("the request is refused: {}", .0.message)]
    RefusedCall(GcsError),
    #[error("the claim is not accepted: {0}")]
    Unauthenticated(#[from] AuthnError),
    #[error("policy: {0}")]
    NotPermitted(#[from] NotPermitted),
    #[error("policy: {}; told as absent, as the caller may list there", .0.message)]
    Absent(Denied),
    #[error("the upload id is not accepted: {0}")]
    NoSuchUpload(#[source] HandleError),
    #[error("`{0}` is not accepted: {1}")]
    NotAMarker(&'static str, #[source] HandleError),
    #[error("the tags and the encryption key of an upload in parts are too long to be kept in its upload id")]
    UploadTerms,
    #[error("the payload is not accepted: {0}")]
    Payload(#[source] BodyError),
    #[error("the audit log takes no records")]
    AuditUnavailable,
    #[error("no credential for the target: {0}")]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error("the target cannot be used: {0}")]
    Upstream(#[from] UpstreamError),
    #[error("the target answered {} {}", .0.status, .0.code.as_deref().unwrap_or("without a code"))]
    Target(Box<TargetError>),
    #[error("the target answered {} {}", .0.status, .0.reason.as_deref().unwrap_or("without a reason"))]
    GcsTarget(Box<TargetRefusal>),
    #[error("the target's answer broke off: {0}")]
    TargetBody(#[source] BodyError),
    #[error("the target's answer is not understood: {0}")]
    TargetDocument(#[source] DocumentError),
    #[error("the target's answer is not understood: {0}")]
    GcsDocument(#[source] AnswerError),
    #[error("the target's answer cannot be used: {0}")]
    TargetAnswer(&'static str),
    #[error("the target stored other bytes than were sent to it")]
    Corrupted,
    #[error("a defect: {0}")]
    Internal(&'static str),
}

impl From<GcsError> for Error {
    fn from(error: GcsError) -> Self {
        Self::RefusedCall(error)
    }
}

impl From<S3Error> for Error {
    fn from(error: S3Error) -> Self {
        Self::Refused(error)
    }
}

impl Error {
    /// The audit record's reason.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Malformed(_) => Reason::Malformed,
            Self::Refused(refusal) if refusal.status == 501 => Reason::Unsupported,
            Self::Refused(refusal) if refusal.status == 403 => Reason::Unauthenticated,
            Self::Refused(_) => Reason::Malformed,
            Self::RefusedCall(refusal) => match refusal.status {
                501 => Reason::Unsupported,
                401 | 403 => Reason::Unauthenticated,
                _ => Reason::Malformed,
            },
            Self::Unauthenticated(error) => authn_reason(error),
            Self::NotPermitted(NotPermitted::Denied(denied)) | Self::Absent(denied) => denied_reason(denied),
            Self::NotPermitted(NotPermitted::Tagging(_)) => Reason::Malformed,
            Self::NotPermitted(NotPermitted::CrossTarget { .. }) => Reason::Unsupported,
            Self::Payload(BodyError::Payload(PayloadError::Unverifiable(_))) => Reason::Unsupported,
            Self::NoSuchUpload(_) => Reason::NoSuchUpload,
            Self::NotAMarker(..)
            | Self::UploadTerms
            | Self::Signing(SigningError::Key(_))
            | Self::Payload(BodyError::Payload(PayloadError::KeyTooLong)) => Reason::Malformed,
            Self::Payload(BodyError::Payload(_))
            | Self::Upstream(UpstreamError::RequestBody(BodyError::Payload(_))) => Reason::BadPayload,
            Self::Payload(_) | Self::Upstream(UpstreamError::RequestBody(_)) => Reason::Aborted,
            Self::AuditUnavailable
            | Self::Credential(_)
            | Self::Upstream(_)
            | Self::Target(_)
            | Self::GcsTarget(_)
            | Self::TargetBody(_)
            | Self::TargetDocument(_)
            | Self::GcsDocument(_)
            | Self::TargetAnswer(_)
            | Self::Corrupted => Reason::Unavailable,
            Self::Signing(
                SigningError::Untranslatable(_)
                | SigningError::Googles
                | SigningError::NoAccessToken
                | SigningError::NoProject
                | SigningError::Pattern,
            ) => Reason::Unsupported,
            Self::Signing(_) | Self::Internal(_) => Reason::Internal,
        }
    }
}

/// The audit record's word for a denial.
pub(crate) fn denied_reason(denied: &Denied) -> Reason {
    match denied.reason {
        DenyReason::NoPermit | DenyReason::NoPolicyFile | DenyReason::NotOffered => Reason::NoPermit,
        DenyReason::SessionPolicy => Reason::SessionPolicy,
        DenyReason::Forbid => Reason::Forbid,
        DenyReason::EvaluationError => Reason::EvalError,
        DenyReason::UnknownBucket => Reason::NoSuchBucket,
    }
}

/// The audit record's word for a claim that was not accepted.
pub(crate) fn authn_reason(error: &AuthnError) -> Reason {
    match error {
        AuthnError::Anonymous
        | AuthnError::InvalidAccessKeyId { .. }
        | AuthnError::UnknownServiceKey { .. } => Reason::Unauthenticated,
        AuthnError::Revoked { .. } => Reason::Revoked,
        AuthnError::ServiceKey { why, .. } => match why {
            ServiceKeyRefusal::Off => Reason::Unsupported,
            ServiceKeyRefusal::SessionToken => Reason::BadToken,
            ServiceKeyRefusal::Expired(_) => Reason::Expired,
            ServiceKeyRefusal::Revoked(_) | ServiceKeyRefusal::Listed(_) => Reason::Revoked,
            ServiceKeyRefusal::SourceAddress(_) => Reason::SourceAddress,
        },
        AuthnError::MalformedScope { .. } => Reason::Malformed,
        AuthnError::RequestTimeTooSkewed { .. } | AuthnError::NotYetValid { .. } => Reason::ClockSkew,
        AuthnError::Expired { .. } | AuthnError::PolicyExpired { .. } | AuthnError::ExpiredToken { .. } => {
            Reason::Expired
        }
        AuthnError::ExpiredBearer { .. } => Reason::Expired,
        AuthnError::InvalidToken { .. } | AuthnError::InvalidBearer(_) => Reason::BadToken,
        AuthnError::IssuerUnavailable(_) => Reason::Unavailable,
        AuthnError::SignatureDoesNotMatch { .. } => Reason::BadSignature,
    }
}

/// An error and what led to it, on one line.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    // Bounded: nothing keeps a faulty error from being its own source.
    for _ in 0..8 {
        let Some(error) = source else { break };
        words.push_str(": ");
        words.push_str(&error.to_string());
        source = error.source();
    }
    words
}
