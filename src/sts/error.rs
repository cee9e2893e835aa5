//! Why a call of the token service failed: one code for each cause, as SDKs know them.
//!
//! Callers learn the code and what to check. Which of the token's claims was wrong, and how, goes to the log
//! only: whoever tries tokens out must not be told how far they got.

use crate::authn::{AuthnError, Revocation, SessionError, oidc::TokenError};
use crate::drift;
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
    /// A lifetime out of range.
    #[error("`DurationSeconds` is {asked}, which is not from {minimum} to {maximum}")]
    Duration {
        /// Seconds.
        asked: u64,
        /// Seconds.
        minimum: u64,
        /// Seconds.
        maximum: u64,
    },
    /// The identity token was not accepted.
    #[error("the identity token is not accepted")]
    Token(#[source] TokenError),
    /// The caller's principal or the role that it asks for is revoked.
    #[error("`{principal}` gets no session: it is revoked by {revocation}")]
    Revoked {
        /// Whom the token names.
        principal: Box<str>,
        /// By which entry.
        revocation: Box<Revocation>,
    },
    /// The identity token is valid for too short a time to be traded.
    #[error("the identity token expires in {remaining_seconds} seconds, too soon for a session")]
    TokenTooShort {
        /// Until `exp`.
        remaining_seconds: i64,
    },
    /// The session could not be made.
    #[error("the session cannot be issued")]
    Session(#[source] SessionError),
    /// The form cannot be read: too large, broken off, or without a length.
    #[error("the form cannot be read")]
    Form(#[source] crate::body::BodyError),
    /// The signature of a signed call cannot be read; in the words for the caller.
    #[error("the claim is malformed: {0}")]
    MalformedClaim(Cow<'static, str>),
    /// The signature of a signed call was not accepted.
    #[error("the caller is not authenticated")]
    Caller(#[from] AuthnError),
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
            Self::Validation { .. } | Self::Duration { .. } => "ValidationError",
            Self::Token(TokenError::Expired { .. }) | Self::TokenTooShort { .. } => "ExpiredTokenException",
            Self::Token(TokenError::IssuerUnavailable { .. }) => "IDPCommunicationError",
            Self::Token(
                TokenError::Malformed(_)
                | TokenError::UnknownIssuer
                | TokenError::NotYetValid { .. }
                | TokenError::Refused(_)
                | TokenError::Unmet(_),
            ) => "InvalidIdentityToken",
            // The token is genuine, and what is wrong with it is for the issuer to change.
            Self::Token(TokenError::GroupsLeftOut) => "IDPRejectedClaim",
            Self::Revoked { .. } | Self::Session(SessionError::OfServiceKey) => "AccessDenied",
            Self::Session(SessionError::TooLarge { .. }) => "PackedPolicyTooLarge",
            Self::Session(_) => "InternalFailure",
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
            },
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Caller(_)
            | Self::Token(TokenError::GroupsLeftOut)
            | Self::Revoked { .. }
            | Self::Session(SessionError::OfServiceKey) => 403,
            Self::Session(SessionError::TooLarge { .. }) => 400,
            Self::Session(_) => 500,
            Self::MissingAction
            | Self::InvalidAction
            | Self::InvalidVersion
            | Self::MissingParameter(_)
            | Self::Duplicate(_)
            | Self::UnknownParameter(_)
            | Self::UnsupportedParameter { .. }
            | Self::Validation { .. }
            | Self::Duration { .. }
            | Self::Token(_)
            | Self::MalformedClaim(_)
            | Self::Form(_)
            | Self::TokenTooShort { .. } => 400,
        }
    }

    /// The `Message` of the error document.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::MissingAction => "The parameter Action is missing.".into(),
            Self::InvalidAction => {
                "The action is not available here. Available are AssumeRoleWithWebIdentity and GetCallerIdentity."
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
            Self::Duration {
                asked,
                minimum,
                maximum,
            } => format!("DurationSeconds is {asked}, but must be from {minimum} to {maximum}.").into(),
            // JWT-10: one sentence for all ways in which a token can be wrong.
            Self::Token(
                TokenError::Malformed(_)
                | TokenError::UnknownIssuer
                | TokenError::Refused(_)
                | TokenError::Unmet(_),
            ) => "The identity token is not accepted. Check its issuer, audience, signature and times against what \
                 this service expects; its operator finds the cause in the log under this request id."
                .into(),
            Self::Token(TokenError::GroupsLeftOut) => {
                "The identity token leaves out your groups because there are too many. Ask the admin of your identity \
                 provider to put only groups into it that are assigned to this application."
                    .into()
            }
            // Both are only said of genuine tokens: whoever has one may know what time it is here.
            Self::Token(TokenError::NotYetValid { claim, at, now, .. }) => format!(
                "The identity token is not valid yet: its {claim} is {at:.0}, and the time of this service is {now:.0}."
            )
            .into(),
            Self::Token(TokenError::Expired { at, now, .. }) => format!(
                "The identity token expired at {at:.0}; the time of this service is {now:.0}. Get a new one from its \
                 issuer."
            )
            .into(),
            Self::TokenTooShort { .. } => {
                "The identity token has expired or is about to. Get a new one from its issuer.".into()
            }
            Self::Revoked { principal, revocation } => {
                format!("{principal} gets no session: it was {}. Ask the operator.", revocation.told()).into()
            }
            Self::Token(TokenError::IssuerUnavailable { .. }) => {
                "The keys of the identity token's issuer cannot be fetched now. Try again.".into()
            }
            Self::Session(SessionError::TooLarge { .. }) => {
                "The identity token names too many groups for a session. Limit the groups in the token to those \
                 that matter here."
                    .into()
            }
            Self::Session(SessionError::OfServiceKey) => {
                "A service key gets no session: it is for what it was made for. Sign the requests to the storage with it."
                    .into()
            }
            Self::Session(_) => "The session could not be issued because of an internal failure.".into(),
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
            ahead,
            ..
        } => format!(
            "Signature not acceptable: {request_time} is more than 15 minutes from the server's time {server_time:.0}. Your \
             clock is {}: set it, best by NTP.",
            drift::in_words(*ahead)
        )
        .into(),
        AuthnError::NotYetValid {
            request_time,
            server_time,
        } => format!("Signature not yet valid: {request_time} is after the server's time {server_time:.0}.").into(),
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
