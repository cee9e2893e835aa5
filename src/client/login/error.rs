//! Why a login failed.

use crate::fetch::FetchError;
use std::time::Duration;

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The gateway has nobody to ask.
    #[error(
        "no identity provider of `{endpoint}` has a login for people: its operator has to set `login` for one"
    )]
    NoIssuers {
        /// The gateway.
        endpoint: String,
    },
    /// It has several.
    #[error("there are several identity providers: {}", .known.join(", "))]
    WhichIssuer {
        /// Their names.
        known: Vec<String>,
    },
    /// It has others.
    #[error("there is no identity provider `{name}`; expected one of {}", .known.join(", "))]
    UnknownIssuer {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The provider cannot be reached.
    #[error("the identity provider `{issuer}` cannot be reached")]
    Unreachable {
        /// Which.
        issuer: String,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// It is not what it should be.
    #[error("the identity provider `{issuer}` does not answer as one: {problem}")]
    Provider {
        /// Which.
        issuer: String,
        /// What is wrong.
        problem: String,
    },
    /// It said no.
    #[error("the identity provider refuses: {description} ({code})")]
    Refused {
        /// Its code, such as `invalid_grant`.
        code: String,
        /// Its words.
        description: String,
    },
    /// Somebody pressed the other button.
    #[error("the login was denied")]
    Denied,
    /// There is no such way at this provider.
    #[error("the identity provider has no login by code")]
    NoDevice,
    /// The code was not typed in.
    #[error("the code was not approved in time")]
    CodeExpired,
    /// The browser did not come back.
    #[error("nobody logged in within {0:?}")]
    TimedOut(Duration),
    /// There is neither a browser nor somebody to paste.
    #[error("a browser cannot be opened in {place}, and no address can be pasted")]
    NoBrowser {
        /// Where this runs.
        place: &'static str,
    },
    /// No port.
    #[error("cannot listen on `{address}` for the browser to come back")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The token is not the one that was asked for.
    #[error("the identity token is not the one that was asked for: {0}")]
    IdToken(&'static str),
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] crate::client::random::NoRandomness),
}

impl LoginError {
    pub(in crate::client) fn next(&self) -> String {
        match self {
            Self::NoIssuers { endpoint } => format!("curl -sS {endpoint}/_tidegate/configuration"),
            Self::WhichIssuer { known } | Self::UnknownIssuer { known, .. } => {
                format!(
                    "tidegate login --issuer {}",
                    known.first().map_or("NAME", String::as_str)
                )
            }
            Self::Unreachable { issuer, .. } | Self::Provider { issuer, .. } => {
                format!(
                    "curl -sS {}/.well-known/openid-configuration",
                    issuer.trim_end_matches('/')
                )
            }
            Self::NoDevice => "tidegate login --no-browser".to_owned(),
            Self::NoBrowser { .. } | Self::Listen { .. } | Self::TimedOut(_) | Self::CodeExpired => {
                "tidegate login --device".to_owned()
            }
            Self::Refused { .. } | Self::Denied | Self::IdToken(_) | Self::Random(_) => {
                "tidegate login".to_owned()
            }
        }
    }

    /// Whether the next try may well succeed, without anybody logging in.
    pub(in crate::client) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Provider { .. } => true,
            Self::Refused { code, .. } => matches!(
                code.as_str(),
                "server_error" | "temporarily_unavailable" | "slow_down"
            ),
            Self::NoIssuers { .. }
            | Self::WhichIssuer { .. }
            | Self::UnknownIssuer { .. }
            | Self::Denied
            | Self::NoDevice
            | Self::CodeExpired
            | Self::TimedOut(_)
            | Self::NoBrowser { .. }
            | Self::Listen { .. }
            | Self::IdToken(_)
            | Self::Random(_) => false,
        }
    }
}
