//! Why nobody got a session: the same at every door, whatever words it has for it.
//!
//! Callers learn what to do. Which of the token's claims was wrong, and how, goes to the log only: whoever tries tokens
//! out must not be told how far they got.

use crate::audit::Reason;
use crate::authn::{Revocation, SessionError, oidc::TokenError};
use crate::authz::RoleDenied;
use crate::clock::Drift;
use crate::session_policy::SessionPolicyError;
use std::borrow::Cow;

/// A session that was not issued. `Display` is for the operator, [`IssueError::message`] for the caller.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The identity token was not accepted.
    #[error("the identity token is not accepted")]
    Token(#[source] TokenError),
    /// The identity token is valid for too short a time to be traded.
    #[error("the identity token expires in {remaining_seconds} seconds, too soon for a session")]
    TokenTooShort {
        /// Until `exp`.
        remaining_seconds: i64,
    },
    /// The session that another one is to be made of is nearly over.
    #[error("the session expires in {remaining_seconds} seconds, too soon for another one")]
    ParentTooShort {
        /// Until its end.
        remaining_seconds: i64,
    },
    /// A lifetime out of range.
    #[error("the lifetime is {asked}, which is not from {minimum} to {maximum}")]
    Lifetime {
        /// Seconds.
        asked: u64,
        /// Seconds.
        minimum: u64,
        /// Seconds.
        maximum: u64,
    },
    /// The role does not admit the caller, or there is none of this name.
    #[error("the role is refused")]
    RoleRefused(#[source] RoleDenied),
    /// The session policy cannot be read, or says what is not enforced here.
    #[error("the session policy is not accepted")]
    Policy(#[source] SessionPolicyError),
    /// The caller's principal, or the role that it asks for, is revoked.
    #[error("`{principal}` gets no session: it is revoked by {revocation}")]
    Revoked {
        /// Who asks.
        principal: Box<str>,
        /// By which entry.
        revocation: Box<Revocation>,
    },
    /// A session that was narrowed asks for what it was not given.
    #[error("a session that was narrowed {0}")]
    Narrowed(&'static str),
    /// A tag that callers may not choose.
    #[error("the tag `{0}` is not one that callers may choose, or has another value already")]
    Tag(Box<str>),
    /// The session could not be made.
    #[error("the session cannot be issued")]
    Session(#[source] SessionError),
}

/// Whose fault it is, for doors to find their own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The token is none of a known issuer for this service.
    BadToken,
    /// The token is genuine, and what is wrong with it is for the issuer to change.
    RejectedClaim,
    /// The token, or the session, is over or nearly so.
    Expired,
    /// The issuer cannot be asked now.
    Unavailable,
    /// The caller may not have what it asks for.
    Denied,
    /// What is asked for is not acceptable, whoever asks.
    Invalid,
    /// The session policy is not acceptable.
    MalformedPolicy,
    /// Groups, tags and policies do not fit into a session.
    TooLarge,
    /// Ours.
    Internal,
}

impl IssueError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Token(TokenError::Expired { .. })
            | Self::TokenTooShort { .. }
            | Self::ParentTooShort { .. } => Fault::Expired,
            Self::Token(TokenError::IssuerUnavailable { .. }) => Fault::Unavailable,
            Self::Token(TokenError::GroupsLeftOut) => Fault::RejectedClaim,
            Self::Token(
                TokenError::Malformed(_)
                | TokenError::UnknownIssuer
                | TokenError::NotYetValid { .. }
                | TokenError::Refused(_)
                | TokenError::Unmet(_),
            ) => Fault::BadToken,
            Self::Lifetime { .. } => Fault::Invalid,
            Self::RoleRefused(_)
            | Self::Narrowed(_)
            | Self::Tag(_)
            | Self::Revoked { .. }
            | Self::Session(SessionError::OfServiceKey) => Fault::Denied,
            Self::Policy(_) => Fault::MalformedPolicy,
            Self::Session(SessionError::TooLarge { .. }) => Fault::TooLarge,
            Self::Session(_) => Fault::Internal,
        }
    }

    /// The audit record's reason.
    pub(crate) fn reason(&self) -> Reason {
        if let Self::Revoked { .. } = self {
            return Reason::Revoked;
        }
        match self.fault() {
            Fault::BadToken | Fault::RejectedClaim => Reason::BadToken,
            Fault::Expired => Reason::Expired,
            Fault::Unavailable => Reason::Unavailable,
            Fault::Denied => Reason::NoPermit,
            Fault::Invalid | Fault::MalformedPolicy | Fault::TooLarge => Reason::Malformed,
            Fault::Internal => Reason::Internal,
        }
    }

    /// What to do, for the caller.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Token(error) => token_message(error),
            Self::TokenTooShort { .. } => {
                "The identity token has expired or is about to. Get a new one from its issuer.".into()
            }
            Self::ParentTooShort { remaining_seconds } => format!(
                "The session that signed this request ends in {remaining_seconds} seconds, and what is made of it \
                 ends with it. Get a new session with an identity token."
            )
            .into(),
            Self::Lifetime {
                asked,
                minimum,
                maximum,
            } => format!("The lifetime is {asked} seconds, but must be from {minimum} to {maximum}.").into(),
            Self::RoleRefused(denied) => format!("{}.", denied.message).into(),
            Self::Policy(error) => format!("The session policy is not accepted: {error}.").into(),
            Self::Narrowed(what) => {
                format!("A session that was narrowed {what}. Start from an identity token.").into()
            }
            Self::Tag(name) => format!(
                "The tag {name} is not yours to choose: it is not among the tags that callers may choose \
                 (`sessions.caller_tags` of the configuration), or has another value already."
            )
            .into(),
            Self::Revoked { principal, revocation } => {
                format!("{principal} gets no session: it was {}. Ask the operator.", revocation.told()).into()
            }
            Self::Session(SessionError::OfServiceKey) => {
                "A service key gets no session: it is for what it was made for. Sign the requests to the storage with it."
                    .into()
            }
            Self::Session(SessionError::TooLarge { .. }) => {
                "The session would be too large: its groups, tags and policies do not fit into a token. Limit the \
                 groups in the identity token to those that matter here, or send a shorter policy."
                    .into()
            }
            Self::Session(_) => "The session could not be issued because of an internal failure.".into(),
        }
    }
}

/// Why an identity token is not accepted, for the caller.
pub(crate) fn token_message(error: &TokenError) -> Cow<'static, str> {
    match error {
        // JWT-10: one sentence for all ways in which a token can be wrong.
        TokenError::Malformed(_)
        | TokenError::UnknownIssuer
        | TokenError::Refused(_)
        | TokenError::Unmet(_) => {
            "The identity token is not accepted. Check its issuer, audience, signature and times against what \
             this service expects; its operator finds the cause in the log under this request id."
                .into()
        }
        TokenError::GroupsLeftOut => {
            "The identity token leaves out your groups because there are too many. Ask the admin of your identity \
             provider to put only groups into it that are assigned to this application."
                .into()
        }
        // Both are only said of genuine tokens: whoever has one may know what time it is here.
        TokenError::NotYetValid { claim, at, now, .. } => format!(
            "The identity token is not valid yet: its {claim} is {at:.0}, and the time of this service is {now:.0}: the \
             clock of its issuer is {} of ours.",
            Drift::seen(*at, *now, *now)
        )
        .into(),
        TokenError::Expired { at, now, .. } => format!(
            "The identity token expired at {at:.0}; the time of this service is {now:.0}. Get a new one from its \
             issuer."
        )
        .into(),
        TokenError::IssuerUnavailable { .. } => {
            "The keys of the identity token's issuer cannot be fetched now. Try again.".into()
        }
    }
}
