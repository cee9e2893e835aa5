//! Why a caller was not authenticated.

use super::{
    BearerFlaw, Revocation, ServiceKeyRefusal, SignatureForm, oidc::TokenError, session::SessionError,
};
use crate::clock::Drift;
use jiff::Timestamp;
use std::time::Duration;

/// Why a claim is not true. Carries what the caller's error document shows; never a secret or a token.
#[derive(Debug, thiserror::Error)]
pub enum AuthnError {
    /// No credentials. S3: 403 `AccessDenied`.
    #[error("the request has no credentials")]
    Anonymous,
    /// The credential scope is not for this request. S3: 400 `AuthorizationHeaderMalformed`, or
    /// `AuthorizationQueryParametersError` if presigned, or `InvalidArgument` in a form.
    #[error("the credential scope is malformed: {reason}")]
    MalformedScope {
        /// Where it was.
        form: SignatureForm,
        /// For the caller.
        reason: ScopeFlaw,
    },
    /// Signed too long ago or too far ahead. S3: 403 `RequestTimeTooSkewed`.
    #[error(
        "the request was signed at `{request_time}`, more than 15 minutes from the server's `{server_time}`: the \
         caller's clock is {drift}"
    )]
    RequestTimeTooSkewed {
        /// `x-amz-date` as sent.
        request_time: Box<str>,
        /// Ours.
        server_time: Timestamp,
        /// How far the caller's clock is from ours.
        drift: Drift,
        /// Whether everything else about the request holds, so that it is a caller's clock indeed.
        proven: bool,
    },
    /// A presigned URL or a form from the future. S3: 403 `AccessDenied`, `Request is not valid yet`.
    #[error(
        "the presigned request is not valid before `{request_time}`; the server's time is `{server_time}`"
    )]
    NotYetValid {
        /// `X-Amz-Date` as sent.
        request_time: Box<str>,
        /// Ours.
        server_time: Timestamp,
        /// The clock of whoever signed it.
        drift: Drift,
    },
    /// A presigned URL that is over. S3: 403 `AccessDenied`, `Request has expired`.
    #[error("the presigned request expired at `{expired_at}`; the server's time is `{server_time}`")]
    Expired {
        /// `X-Amz-Expires`.
        expires: Duration,
        /// `X-Amz-Date` and that.
        expired_at: Timestamp,
        /// Ours.
        server_time: Timestamp,
    },
    /// A form whose policy is over. S3: 403 `AccessDenied`, `Invalid according to Policy: Policy expired.`
    #[error("the policy of the form expired at `{expired_at}`; the server's time is `{server_time}`")]
    PolicyExpired {
        /// Its `expiration`, or seven days after `x-amz-date`.
        expired_at: Timestamp,
        /// Ours.
        server_time: Timestamp,
    },
    /// Not an access key id that was issued here. S3: 403 `InvalidAccessKeyId`.
    #[error("the access key id `{access_key_id}` was not issued here")]
    InvalidAccessKeyId {
        /// As sent.
        access_key_id: Box<str>,
    },
    /// The session token is missing, or not one that goes with the access key id. S3: 400 `InvalidToken`.
    #[error("the session of access key id `{access_key_id}` is not accepted")]
    InvalidToken {
        /// As sent.
        access_key_id: Box<str>,
        /// For the log only.
        #[source]
        cause: SessionError,
    },
    /// The session is over. S3: 400 `ExpiredToken`.
    #[error("the session of access key id `{access_key_id}` is over since `{expired_at}`")]
    ExpiredToken {
        /// As sent.
        access_key_id: Box<str>,
        /// Its first second of not being valid.
        expired_at: Timestamp,
    },
    /// The session was ended before its time. S3: 400 `ExpiredToken`, so that SDKs get another one, or learn at the door
    /// why there is none.
    #[error("the session of access key id `{access_key_id}` is revoked by {revocation}")]
    Revoked {
        /// As sent.
        access_key_id: Box<str>,
        /// By which entry.
        revocation: Box<Revocation>,
    },
    /// The caller holds the secret of a service key that may not be used, or not from there. S3: 403 `AccessDenied`.
    ///
    /// Not `ExpiredToken` or `InvalidAccessKeyId`: the tools with two text fields cannot refresh, and some take these
    /// for a passing trouble (restic tries for a quarter of an hour, the AWS SDKs look for other credentials). All of
    /// them give up at once on `AccessDenied`, and show its message.
    #[error("service key `{access_key_id}` is refused: {why}")]
    ServiceKey {
        /// As sent.
        access_key_id: Box<str>,
        /// For the caller, too.
        why: ServiceKeyRefusal,
    },
    /// No such service key. Callers cannot tell it from a wrong secret. S3: 403 `SignatureDoesNotMatch`.
    #[error("there is no service key `{access_key_id}` on record, or its key left the key ring")]
    UnknownServiceKey {
        /// As sent.
        access_key_id: Box<str>,
        /// As for [`AuthnError::SignatureDoesNotMatch`].
        string_to_sign: String,
    },
    /// The bearer token is over. S3: 401 `ExpiredToken`.
    #[error("the bearer token expired at `{expired_at}`; the server's time is `{server_time}`")]
    ExpiredBearer {
        /// Its first second of not being valid.
        expired_at: Timestamp,
        /// Ours.
        server_time: Timestamp,
        /// Which kind of token it was.
        #[source]
        cause: BearerFlaw,
    },
    /// The bearer token is not one that is taken. S3: 401 `InvalidToken`.
    #[error("the bearer token is not accepted")]
    InvalidBearer(#[source] BearerFlaw),
    /// The issuer of the bearer token cannot be asked for its keys. S3: 503 `SlowDown`.
    #[error("the bearer token cannot be verified")]
    IssuerUnavailable(#[source] TokenError),
    /// The signature is not what the session's secret makes of this request. S3: 403 `SignatureDoesNotMatch`.
    #[error("the signature of access key id `{access_key_id}` does not match")]
    SignatureDoesNotMatch {
        /// As sent.
        access_key_id: Box<str>,
        /// What was signed by our reading, for the caller to compare with its own. Empty for a form: its policy names
        /// the session token.
        string_to_sign: String,
    },
}

impl AuthnError {
    /// Why a bearer token was not taken; `None` for other claims, and for issuers that cannot be asked.
    pub fn bearer(&self) -> Option<&BearerFlaw> {
        match self {
            Self::ExpiredBearer { cause, .. } | Self::InvalidBearer(cause) => Some(cause),
            _ => None,
        }
    }
}

/// What is wrong with a credential scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeFlaw {
    /// Its date is not that of `x-amz-date`.
    #[error("invalid credential date; it must be the date of `x-amz-date`")]
    Date,
    /// Signed for another service than is asked.
    #[error("the credential must be scoped to the service `{0}`")]
    Service(&'static str),
}
