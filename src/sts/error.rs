//! Why a call of the token service failed: one code for each cause, as SDKs know them.
//!
//! Callers learn the code and what to check. Which of the token's claims was wrong, and how, goes to the log
//! only: whoever tries tokens out must not be told how far they got.

use super::{Fault, IssueError};
use crate::authn::AuthnError;
use std::{borrow::Cow, error::Error, fmt::Write};

/// A call that was refused. `Display` and [`StsError::cause`] are for the operator, [`StsError::message`] for the
/// caller.
#[derive(Debug, thiserror::Error)]
pub enum StsError {
    /// No `Action`.
    #[error("the request has no `Action`")]
    MissingAction,
    /// Not an action that is served.
    #[error("the action is not one that is served")]
    InvalidAction,
    /// Not `2011-06-15`.
    #[error("the version is not `2011-06-15`")]
    InvalidVersion,
    /// A required parameter is not there.
    #[error("parameter `{0}` is missing")]
    MissingParameter(&'static str),
    /// A parameter is there twice, perhaps once in the query and once in the body.
    #[error("parameter `{0}` is there more than once")]
    Duplicate(Box<str>),
    /// A parameter that this service does not know.
    #[error("parameter `{0}` is not known")]
    UnknownParameter(Box<str>),
    /// A parameter that would ask for something that is not done here.
    #[error("parameter `{name}` is not supported")]
    UnsupportedParameter {
        /// Its name.
        name: &'static str,
        /// What holds instead.
        why: &'static str,
    },
    /// A value that is not acceptable.
    #[error("parameter `{parameter}` must be {expected}")]
    Validation {
        /// Its name.
        parameter: &'static str,
        /// A noun phrase.
        expected: &'static str,
    },
    /// No session was issued.
    #[error("no session is issued")]
    Issue(#[from] IssueError),
    /// Too many requests from one address.
    #[error("too many requests from one address")]
    Busy {
        /// Seconds until the next one is accepted.
        retry_after: u64,
    },
    /// The form cannot be read: too large, broken off, or without a length.
    #[error("the form cannot be read")]
    Form(#[source] crate::body::BodyError),
    /// The signature of a signed call cannot be read; in the words for the caller.
    #[error("the claim is malformed: {0}")]
    MalformedClaim(Cow<'static, str>),
    /// The signature of a signed call was not accepted.
    #[error("the caller is not authenticated")]
    Caller(#[from] AuthnError),
    /// A signed call came with a bearer token.
    #[error("the call has a bearer token where a signature is needed")]
    BearerToken,
}

impl StsError {
    /// The `Code` of the error document.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingAction => "MissingAction",
            Self::InvalidAction | Self::InvalidVersion => "InvalidAction",
            Self::MissingParameter(_) => "MissingParameter",
            Self::Duplicate(_) | Self::UnknownParameter(_) | Self::UnsupportedParameter { .. } => {
                "InvalidParameterValue"
            }
            Self::Validation { .. } => "ValidationError",
            Self::Issue(error) => match error.fault() {
                Fault::BadToken => "InvalidIdentityToken",
                Fault::RejectedClaim => "IDPRejectedClaim",
                Fault::Expired => "ExpiredTokenException",
                Fault::Unavailable => "IDPCommunicationError",
                Fault::Denied => "AccessDenied",
                Fault::Invalid => "ValidationError",
                Fault::MalformedPolicy => "MalformedPolicyDocument",
                Fault::TooLarge => "PackedPolicyTooLarge",
                Fault::Internal => "InternalFailure",
            },
            Self::Busy { .. } => "Throttling",
            Self::BearerToken => "MissingAuthenticationToken",
            Self::Form(_) => "MalformedQueryString",
            Self::MalformedClaim(_) => "IncompleteSignature",
            Self::Caller(error) => match error {
                AuthnError::Anonymous => "MissingAuthenticationToken",
                AuthnError::MalformedScope { .. }
                | AuthnError::RequestTimeTooSkewed { .. }
                | AuthnError::NotYetValid { .. }
                | AuthnError::Expired { .. }
                | AuthnError::PolicyExpired { .. }
                | AuthnError::SignatureDoesNotMatch { .. }
                | AuthnError::UnknownServiceKey { .. } => "SignatureDoesNotMatch",
                AuthnError::InvalidAccessKeyId { .. } | AuthnError::InvalidToken { .. } => {
                    "InvalidClientTokenId"
                }
                AuthnError::ExpiredToken { .. } | AuthnError::Revoked { .. } => "ExpiredToken",
                AuthnError::ServiceKey { .. } => "AccessDenied",
                // Refused before: signed calls take no bearer token.
                AuthnError::ExpiredBearer { .. }
                | AuthnError::InvalidBearer(_)
                | AuthnError::IssuerUnavailable(_) => "MissingAuthenticationToken",
            },
        }
    }

    /// Seconds until another try may succeed.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Busy { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Caller(_) | Self::BearerToken => 403,
            Self::Busy { .. } => 429,
            Self::Issue(error) => match error.fault() {
                Fault::Denied | Fault::RejectedClaim => 403,
                Fault::Internal => 500,
                Fault::BadToken
                | Fault::Expired
                | Fault::Unavailable
                | Fault::Invalid
                | Fault::MalformedPolicy
                | Fault::TooLarge => 400,
            },
            Self::MissingAction
            | Self::InvalidAction
            | Self::InvalidVersion
            | Self::MissingParameter(_)
            | Self::Duplicate(_)
            | Self::UnknownParameter(_)
            | Self::UnsupportedParameter { .. }
            | Self::Validation { .. }
            | Self::MalformedClaim(_)
            | Self::Form(_) => 400,
        }
    }

    /// The `Message` of the error document.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::MissingAction => "The parameter Action is missing.".into(),
            Self::InvalidAction => {
                "The action is not available here. Available are AssumeRoleWithWebIdentity, AssumeRole, \
                 GetSessionToken and GetCallerIdentity."
                    .into()
            }
            Self::InvalidVersion => "The parameter Version must be 2011-06-15.".into(),
            Self::MissingParameter(name) => format!("The parameter {name} is missing.").into(),
            Self::Duplicate(name) => {
                format!("The parameter {name} is there more than once, in the query or the body.").into()
            }
            Self::UnknownParameter(name) => format!("The parameter {name} is not known.").into(),
            Self::UnsupportedParameter { name, why } => {
                format!("The parameter {name} is not supported: {why}.").into()
            }
            Self::Validation { parameter, expected } => format!("{parameter} must be {expected}.").into(),
            Self::Issue(IssueError::Lifetime {
                asked,
                minimum,
                maximum,
            }) => format!("DurationSeconds is {asked}, but must be from {minimum} to {maximum}.").into(),
            Self::Issue(error) => error.message(),
            Self::Busy { retry_after } => format!(
                "Too many requests from one address. Try again in {retry_after} seconds, and keep a session until \
                 shortly before it ends."
            )
            .into(),
            Self::BearerToken => "This action is signed with the keys of a session. With a bearer token, ask \
                                  /_tidegate/whoami who you are, and get keys from /_tidegate/credentials."
                .into(),
            Self::Form(_) => {
                "The form cannot be read. Send it with a Content-Length of at most 32768 bytes.".into()
            }
            Self::MalformedClaim(message) => message.clone(),
            Self::Caller(error) => caller_message(error),
        }
    }

    /// What happened, with all its causes, for the log. Holds no secret.
    pub fn cause(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            let _ = write!(text, ": {error}");
            source = error.source();
        }
        text
    }
}

fn caller_message(error: &AuthnError) -> Cow<'static, str> {
    match error {
        AuthnError::Anonymous => "The request is not signed.".into(),
        AuthnError::MalformedScope { reason, .. } => {
            format!("The credential scope is not acceptable: {reason}.").into()
        }
        AuthnError::RequestTimeTooSkewed {
            request_time,
            server_time,
            drift,
            ..
        } => format!(
            "Signature not acceptable: {request_time} is more than 15 minutes from the server's time {server_time:.0}. Your \
             clock is {drift}: set it, best by NTP."
        )
        .into(),
        AuthnError::NotYetValid {
            request_time,
            server_time,
            drift,
        } => format!(
            "Signature not yet valid: {request_time} is after the server's time {server_time:.0}: your clock is {drift}."
        )
        .into(),
        AuthnError::Expired {
            expired_at,
            server_time,
            ..
        }
        | AuthnError::PolicyExpired {
            expired_at,
            server_time,
        } => format!("Signature expired at {expired_at:.0}; the server's time is {server_time:.0}.").into(),
        AuthnError::InvalidAccessKeyId { .. } | AuthnError::InvalidToken { .. } => {
            "The security token included in the request is invalid.".into()
        }
        AuthnError::ExpiredToken { .. } => "The security token included in the request is expired.".into(),
        AuthnError::ExpiredBearer { .. } | AuthnError::InvalidBearer(_) | AuthnError::IssuerUnavailable(_) => {
            "The request is not signed.".into()
        }
        AuthnError::Revoked { revocation, .. } => format!(
            "The security token included in the request is expired: it was {}.",
            revocation.told()
        )
        .into(),
        AuthnError::ServiceKey { access_key_id, why } => why.told(access_key_id).into(),
        AuthnError::SignatureDoesNotMatch { .. } | AuthnError::UnknownServiceKey { .. } => {
            "The request signature we calculated does not match the signature you provided. Check your secret \
             access key and signing method."
                .into()
        }
    }
}
