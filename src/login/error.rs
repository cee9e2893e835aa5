//! Why a page of the login is not what was asked for: for the person in front of it, and for the operator.
//!
//! The person's words are ours, all of them. What an identity provider or a link says is not repeated (OID-05): under
//! our name it would be believed.

use super::attempt::AttemptError;
use super::flow::FlowError;
use crate::audit::Reason;
use crate::authn::{SessionError, oidc::TokenError};
use crate::doors::limit::Busy;
use std::borrow::Cow;

/// A page that was refused. `Display` is for the operator, [`LoginError::words`] for the person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error(transparent)]
    Busy(Busy),
    #[error("the method is not `{0}`")]
    Method(&'static str),
    #[error("the request is no visit of a page: its `{0}` says so")]
    NotAVisit(&'static str),
    #[error("parameter `{0}` is unknown, repeated or not acceptable")]
    Parameter(&'static str),
    #[error("nobody can log in with an issuer of this name")]
    UnknownIssuer,
    #[error("the request has two session cookies")]
    TwoSessions,
    #[error("the request has no session cookie")]
    NotLoggedIn,
    #[error("the session cookie is not accepted")]
    Session(#[source] SessionError),
    #[error("the session's issuer is not configured any more")]
    IssuerRemoved,
    #[error("the session or its principal was {0}")]
    Revoked(String),
    #[error("the login is not one of this browser")]
    Attempt(#[source] AttemptError),
    #[error("the answer is of another issuer than the login")]
    MixUp,
    #[error("the answer does not say which issuer it is of")]
    Unnamed,
    #[error("the identity provider refused: `{0}`")]
    Provider(&'static str),
    #[error("the answer has neither a code nor an error")]
    NoCode,
    #[error("the login could not be completed")]
    Flow(#[source] FlowError),
    #[error("the ID token is not accepted")]
    Token(#[source] TokenError),
    #[error("the ID token is over in {0} seconds, too soon for a session")]
    TooShort(i64),
    #[error("the session does not fit into a cookie: it would have {0} bytes of 4096")]
    TooLarge(usize),
    #[error("the session cannot be sealed")]
    Seal(#[source] SessionError),
    #[error("the identity provider cannot be asked where to log in: {0}")]
    Unavailable(Box<str>),
    #[error("the form was not sent from our page: {0}")]
    Forged(&'static str),
    #[error("the form cannot be read")]
    Form(#[source] crate::body::BodyError),
}

/// What a person reads.
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) text: Cow<'static, str>,
    /// Whether another login may help.
    pub(super) again: bool,
}

impl LoginError {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::UnknownIssuer => 404,
            Self::Method(_) => 405,
            Self::Busy(_) => 429,
            Self::Parameter(_)
            | Self::TwoSessions
            | Self::Attempt(_)
            | Self::MixUp
            | Self::Unnamed
            | Self::NoCode
            | Self::Form(_) => 400,
            Self::NotLoggedIn | Self::Session(_) | Self::IssuerRemoved => 401,
            Self::NotAVisit(_)
            | Self::Revoked(_)
            | Self::Provider(_)
            | Self::TooShort(_)
            | Self::TooLarge(_)
            | Self::Forged(_) => 403,
            Self::Token(TokenError::IssuerUnavailable { .. }) | Self::Unavailable(_) => 503,
            Self::Token(_) => 403,
            Self::Flow(FlowError::Unreachable(_)) => 503,
            Self::Flow(FlowError::Code(_)) => 403,
            Self::Flow(FlowError::Client(_) | FlowError::Answer(_)) => 502,
            Self::Flow(FlowError::Settings(_)) | Self::Seal(_) => 500,
        }
    }

    /// For the audit record.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Method(_) => "MethodNotAllowed",
            Self::Busy(_) => "Throttling",
            Self::NotAVisit(_) => "NotAVisit",
            Self::Parameter(_) | Self::NoCode | Self::Form(_) => "InvalidRequest",
            Self::UnknownIssuer => "UnknownIssuer",
            Self::TwoSessions => "TwoSessions",
            Self::NotLoggedIn => "NotLoggedIn",
            Self::Session(SessionError::Expired { .. }) => "ExpiredSession",
            Self::Session(_) | Self::IssuerRemoved => "InvalidSession",
            Self::Revoked(_) => "Revoked",
            Self::Attempt(_) => "InvalidState",
            Self::MixUp | Self::Unnamed => "OtherIssuer",
            Self::Provider(_) => "RefusedByProvider",
            Self::Flow(FlowError::Code(_)) => "InvalidCode",
            Self::Flow(FlowError::Unreachable(_)) | Self::Unavailable(_) => "ProviderUnavailable",
            Self::Flow(FlowError::Client(_)) => "InvalidClient",
            Self::Flow(FlowError::Answer(_)) => "InvalidAnswer",
            Self::Flow(FlowError::Settings(_)) | Self::Seal(_) => "InternalError",
            Self::Token(TokenError::IssuerUnavailable { .. }) => "ProviderUnavailable",
            Self::Token(_) | Self::TooShort(_) => "InvalidIdToken",
            Self::TooLarge(_) => "SessionTooLarge",
            Self::Forged(_) => "ForgedForm",
        }
    }

    /// The audit record's reason.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::UnknownIssuer | Self::Method(_) => Reason::Unsupported,
            Self::Busy(_) => Reason::Limited,
            Self::Parameter(_) | Self::NoCode | Self::TwoSessions => Reason::Malformed,
            Self::NotLoggedIn | Self::NotAVisit(_) | Self::Forged(_) | Self::Revoked(_) => {
                Reason::Unauthenticated
            }
            Self::Session(SessionError::Expired { .. })
            | Self::Token(TokenError::Expired { .. })
            | Self::TooShort(_)
            | Self::Attempt(AttemptError::Late) => Reason::Expired,
            Self::Session(_) | Self::IssuerRemoved => Reason::BadToken,
            Self::Attempt(_) | Self::MixUp | Self::Unnamed | Self::Provider(_) => Reason::Unauthenticated,
            Self::Flow(FlowError::Code(_)) | Self::Token(TokenError::Malformed(_)) => Reason::BadToken,
            Self::Token(TokenError::IssuerUnavailable { .. })
            | Self::Unavailable(_)
            | Self::Flow(FlowError::Unreachable(_) | FlowError::Client(_) | FlowError::Answer(_)) => {
                Reason::Unavailable
            }
            Self::Token(TokenError::NotYetValid { .. }) => Reason::ClockSkew,
            Self::Token(_) | Self::TooLarge(_) => Reason::BadToken,
            Self::Form(_) => Reason::BadPayload,
            Self::Flow(FlowError::Settings(_)) | Self::Seal(_) => Reason::Internal,
        }
    }

    /// What the person in front of the browser is told.
    pub(super) fn words(&self) -> Words {
        let (title, text, again) = match self {
            Self::Method(_) => (
                "This page cannot be used like that",
                "Open it in a browser.",
                false,
            ),
            Self::Busy(_) => (
                "Too many logins at once",
                "They come from your network. Try again in a moment.",
                true,
            ),
            Self::NotAVisit(_) => (
                "This page is for people",
                "It opens in a window of its own and not inside of another page.",
                false,
            ),
            Self::Parameter(_) => (
                "This link is not right",
                "It asks for something that is not known here.",
                true,
            ),
            Self::UnknownIssuer => (
                "There is no such identity provider",
                "The link names one that nobody can log in with here.",
                true,
            ),
            Self::TwoSessions => (
                "You were logged in twice",
                "Your browser sent two sessions, of which neither was taken. Both are cleared.",
                true,
            ),
            Self::NotLoggedIn => ("You are not logged in", "Log in to see who you are here.", true),
            Self::Session(SessionError::Expired { .. }) => {
                ("Your session is over", "Log in again to go on.", true)
            }
            Self::Session(_) | Self::IssuerRemoved => (
                "Your session is not valid any more",
                "Log in again to go on.",
                true,
            ),
            Self::Attempt(_) => (
                "This login cannot be completed",
                "It was begun in another browser or under another address, more than ten minutes ago, or it is over \
                 already. Begin again, in this window.",
                true,
            ),
            Self::MixUp | Self::Unnamed => (
                "This login cannot be completed",
                "The answer did not come from the identity provider that you chose. Nothing was sent to it. Begin \
                 again, and tell your administrator if it happens twice.",
                true,
            ),
            Self::Provider("access_denied") => (
                "You were not logged in",
                "The identity provider did not let you in, or you cancelled. Ask your administrator whether you are \
                 assigned to this application.",
                true,
            ),
            Self::Provider("login_required" | "interaction_required" | "account_selection_required") => (
                "You were not logged in",
                "The identity provider needs you to do something first. Begin again.",
                true,
            ),
            Self::Provider("temporarily_unavailable" | "server_error") => (
                "You were not logged in",
                "The identity provider has a problem. Try again in a moment.",
                true,
            ),
            Self::Provider(_) | Self::NoCode => (
                "You were not logged in",
                "The identity provider refused the login. Your administrator finds out why under the number below.",
                true,
            ),
            Self::Flow(FlowError::Code(_)) => (
                "This login cannot be completed",
                "The identity provider says that it is over already. Begin again.",
                true,
            ),
            Self::Flow(FlowError::Unreachable(_))
            | Self::Unavailable(_)
            | Self::Token(TokenError::IssuerUnavailable { .. }) => (
                "The identity provider cannot be reached",
                "This is not your fault. Try again in a moment.",
                true,
            ),
            Self::Flow(FlowError::Client(_) | FlowError::Answer(_) | FlowError::Settings(_)) => (
                "Logging in does not work at the moment",
                "This gateway and the identity provider do not understand each other. Tell your administrator, with \
                 the number below.",
                false,
            ),
            Self::Token(TokenError::Expired { .. }) | Self::TooShort(_) => (
                "This login cannot be completed",
                "What the identity provider says about you is out of date, or is about to be. Begin again.",
                true,
            ),
            Self::Token(TokenError::NotYetValid { .. }) => (
                "This login cannot be completed",
                "The clocks of the identity provider and of this gateway differ. Try again in a minute; if it stays \
                 so, tell your administrator, with the number below.",
                true,
            ),
            Self::Token(TokenError::GroupsLeftOut) => (
                "You are in too many groups",
                "The identity provider left your groups out because there are too many. Ask your administrator to \
                 assign groups to the application.",
                false,
            ),
            Self::Token(_) => (
                "You cannot log in here",
                "What the identity provider says about you is not accepted. Your administrator finds out why under \
                 the number below.",
                true,
            ),
            Self::TooLarge(bytes) => {
                return Words {
                    title: "You are in too many groups",
                    text: format!(
                        "Your groups do not fit into a session of a browser: it would take {bytes} bytes, of which \
                         4096 are kept. Ask your administrator to put only the groups that matter here into your \
                         ID token."
                    )
                    .into(),
                    again: false,
                };
            }
            Self::Revoked(why) => {
                return Words {
                    title: "Your access was revoked",
                    text: format!("It was {why}. If you log in and read this again, ask your administrator.")
                        .into(),
                    again: true,
                };
            }
            Self::Forged(_) => (
                "You are still logged in",
                "The request to log out did not come from our own page. Open the page and use its button.",
                false,
            ),
            Self::Form(_) => (
                "The form cannot be read",
                "Open the page again and use its button.",
                false,
            ),
            Self::Seal(_) => (
                "Logging in does not work at the moment",
                "Tell your administrator, with the number below.",
                false,
            ),
        };
        Words {
            title,
            text: text.into(),
            again,
        }
    }
}
