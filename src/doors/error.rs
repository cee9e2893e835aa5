//! Why a door stayed shut, in the words of its clients.
//!
//! The statuses are a contract. SDKs that ask for container credentials try again after a 5xx and a 429 and give up at
//! a 4xx; OAuth clients read `error`, and print what stands beside it. So whatever can be waited out is a 5xx or a 429,
//! and everything else says what to change.

use super::{Door, limit::Busy};
use crate::audit::Reason;
use crate::authn::AuthnError;
use crate::body::BodyError;
use crate::sts::{Fault, IssueError};
use std::borrow::Cow;

/// A request at a door that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    #[error("there is no such door")]
    NoSuchDoor,
    #[error("this door takes `{allow}` only")]
    Method { door: Option<Door>, allow: &'static str },
    #[error("too many requests from one address")]
    Busy(#[source] Busy),
    #[error("the body cannot be read")]
    Body(#[source] BodyError),
    #[error("the body is not a form")]
    ContentType,
    #[error("parameter `{0}` is there more than once")]
    Repeated(Box<str>),
    #[error("parameter `{0}` is missing")]
    Missing(&'static str),
    #[error("parameter `{parameter}` is not known")]
    Unknown {
        parameter: Box<str>,
        /// A phrase.
        known: &'static str,
    },
    #[error("parameter `{parameter}` must be {expected}")]
    Parameter {
        parameter: &'static str,
        /// A phrase.
        expected: &'static str,
    },
    #[error("the grant type is not the exchange of tokens")]
    GrantType,
    #[error("the request has no credential")]
    NoCredential,
    #[error("the credential cannot be read as a token")]
    Credential,
    #[error("the request has a second credential")]
    TwoCredentials,
    #[error("no session is issued")]
    Issue(#[from] IssueError),
    #[error("the bearer token is not accepted")]
    Bearer(#[source] AuthnError),
}

/// Whose words a refusal is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// `{"code","message"}`.
    Container,
    /// `{"error","error_description"}`.
    OAuth,
}

impl DoorError {
    /// The code that clients act on.
    pub(crate) fn code(&self, words: Words) -> &'static str {
        let (container, oauth) = match self {
            Self::NoSuchDoor => ("NotFound", "invalid_request"),
            Self::Method { .. } => ("MethodNotAllowed", "invalid_request"),
            Self::Busy(_) => ("Throttling", "temporarily_unavailable"),
            Self::Body(_) | Self::ContentType => ("MalformedRequest", "invalid_request"),
            Self::Repeated(_) | Self::Missing(_) | Self::Unknown { .. } | Self::Parameter { .. } => {
                ("ValidationError", "invalid_request")
            }
            Self::GrantType => ("ValidationError", "unsupported_grant_type"),
            Self::NoCredential => ("MissingAuthenticationToken", "invalid_request"),
            Self::Credential => ("InvalidIdentityToken", "invalid_request"),
            Self::TwoCredentials => ("InvalidRequest", "invalid_request"),
            Self::Issue(error) => match error.fault() {
                Fault::BadToken => ("InvalidIdentityToken", "invalid_grant"),
                Fault::RejectedClaim => ("IDPRejectedClaim", "invalid_grant"),
                Fault::Expired => ("ExpiredTokenException", "invalid_grant"),
                Fault::Unavailable => ("IDPCommunicationError", "temporarily_unavailable"),
                Fault::Denied => ("AccessDenied", "access_denied"),
                Fault::Invalid => ("ValidationError", "invalid_request"),
                Fault::MalformedPolicy => ("MalformedPolicyDocument", "invalid_request"),
                Fault::TooLarge => ("PackedPolicyTooLarge", "invalid_grant"),
                Fault::Internal => ("InternalFailure", "server_error"),
            },
            Self::Bearer(AuthnError::IssuerUnavailable(_)) => {
                ("IDPCommunicationError", "temporarily_unavailable")
            }
            Self::Bearer(AuthnError::ExpiredBearer { .. }) => ("ExpiredToken", "invalid_token"),
            Self::Bearer(_) => ("InvalidToken", "invalid_token"),
        };
        match words {
            Words::Container => container,
            Words::OAuth => oauth,
        }
    }

    /// The HTTP status. RFC 6749 has 400 for tokens that are not accepted; elsewhere a 401 asks for another one.
    pub(crate) fn status(&self, words: Words) -> u16 {
        match self {
            Self::NoSuchDoor => 404,
            Self::Method { .. } => 405,
            Self::Busy(_) => 429,
            Self::ContentType => 415,
            Self::Body(_)
            | Self::Repeated(_)
            | Self::Missing(_)
            | Self::Unknown { .. }
            | Self::Parameter { .. }
            | Self::GrantType
            | Self::TwoCredentials => 400,
            Self::Issue(error) => match error.fault() {
                Fault::Unavailable => 503,
                Fault::Internal => 500,
                Fault::Denied => 403,
                Fault::RejectedClaim if words == Words::Container => 403,
                Fault::BadToken | Fault::Expired if words == Words::Container => 401,
                Fault::BadToken
                | Fault::RejectedClaim
                | Fault::Expired
                | Fault::Invalid
                | Fault::MalformedPolicy
                | Fault::TooLarge => 400,
            },
            Self::Bearer(AuthnError::IssuerUnavailable(_)) => 503,
            Self::NoCredential | Self::Credential | Self::Bearer(_) => match words {
                Words::Container => 401,
                Words::OAuth => 400,
            },
        }
    }

    /// Seconds until another try may succeed.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Busy(busy) => Some(busy.seconds()),
            Self::Issue(error) if error.fault() == Fault::Unavailable => Some(1),
            Self::Bearer(AuthnError::IssuerUnavailable(_)) => Some(1),
            _ => None,
        }
    }

    /// What to do, for people.
    pub(crate) fn message(&self) -> Cow<'static, str> {
        match self {
            Self::NoSuchDoor => "There is nothing at this address.".into(),
            Self::Method { allow, .. } => format!("This address takes {allow} only.").into(),
            Self::Busy(busy) => format!(
                "More than {} requests a minute from one address. Try again in {} seconds, and keep a session until \
                 shortly before it ends.",
                busy.per_minute,
                busy.seconds()
            )
            .into(),
            Self::Body(_) => {
                "The form cannot be read. Send it with a Content-Length of at most 32768 bytes.".into()
            }
            Self::ContentType => {
                "Send the parameters as a form: Content-Type application/x-www-form-urlencoded.".into()
            }
            Self::Repeated(name) => format!("The parameter {name} is there more than once.").into(),
            Self::Missing(name) => format!("The parameter {name} is missing.").into(),
            Self::Unknown { parameter, known } => {
                format!("The parameter {parameter} is not known here; known are {known}.").into()
            }
            Self::Parameter { parameter, expected } => format!("{parameter} must be {expected}.").into(),
            Self::GrantType => {
                "grant_type must be urn:ietf:params:oauth:grant-type:token-exchange: this service logs nobody in, but \
                 trades the tokens of those who do."
                    .into()
            }
            Self::NoCredential => "The request has no token. Send one as Authorization.".into(),
            Self::Credential => {
                "Authorization must be an identity token, alone or behind `Bearer`. Signatures and passwords are not \
                 taken here."
                    .into()
            }
            Self::TwoCredentials => {
                "The request has two credentials. Send the one token that this address takes, and no signature, session \
                 token or second Authorization beside it."
                    .into()
            }
            Self::Issue(error) => error.message(),
            Self::Bearer(error) => match error.bearer() {
                Some(flaw) => crate::authn::bearer_message(flaw),
                None => "The keys of the identity token's issuer cannot be fetched now. Try again.".into(),
            },
        }
    }

    /// The audit record's reason.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::NoSuchDoor | Self::Method { .. } => Reason::Unsupported,
            Self::Busy(_) => Reason::Limited,
            Self::Body(_) => Reason::BadPayload,
            Self::ContentType
            | Self::Repeated(_)
            | Self::Missing(_)
            | Self::Unknown { .. }
            | Self::Parameter { .. }
            | Self::GrantType
            | Self::TwoCredentials => Reason::Malformed,
            Self::NoCredential => Reason::Unauthenticated,
            Self::Credential => Reason::BadToken,
            Self::Issue(error) => error.reason(),
            Self::Bearer(error) => crate::error::authn_reason(error),
        }
    }
}
