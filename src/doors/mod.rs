//! The doors below `/_tidegate/`: sessions for clients that do not speak STS, and what a caller may know of itself.
//!
//! No bucket's name begins with `_`, so that nothing here can stand in the way of an object; in a bucket's own host
//! name the same path is a key. Each door speaks the words that its clients know: [`container`] those of container
//! credentials, [`exchange`] and [`introspection`] those of OAuth. What they all hold to is said once, in the token
//! service ([`crate::sts`]): whose token it is, which role it may take, how long a session lasts.
//!
//! Knows neither sockets nor policies. What becomes of a request is for the pipeline to say (`pipeline/doors.rs`).

pub(crate) mod answer;
mod asked;
pub(crate) mod configuration;
pub(crate) mod container;
mod error;
pub(crate) mod exchange;
pub(crate) mod introspection;
pub(crate) mod limit;
pub(crate) mod published;
#[cfg(test)]
mod tests;
pub(crate) mod whoami;

pub(crate) use error::{DoorError, Words};

use http::Method;

/// What every path begins with.
pub(crate) const ROOT: &str = "/_tidegate/";

/// A door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// An identity token for session keys, as the SDKs ask for container credentials.
    Credentials,
    /// An identity token for an access token, by RFC 8693.
    Token,
    /// What an access token is, by RFC 7662.
    Introspect,
    /// Who the caller is, and what it may do.
    WhoAmI,
    /// What the command line must know to log somebody in.
    Configuration,
}

impl Door {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Credentials,
        Self::Token,
        Self::Introspect,
        Self::WhoAmI,
        Self::Configuration,
    ];

    /// The door that a path leads to.
    ///
    /// # Errors
    /// [`DoorError::NoSuchDoor`], or [`DoorError::Method`] with the one that it has.
    pub(crate) fn find(path: &str, method: &Method) -> Result<Self, DoorError> {
        let name = path.strip_prefix(ROOT).unwrap_or_default();
        let found = Self::ALL.into_iter().find(|door| door.name() == name);
        match found.ok_or(DoorError::NoSuchDoor)? {
            door if door.allow() == method.as_str() => Ok(door),
            door => Err(DoorError::Method {
                door: Some(door),
                allow: door.allow(),
            }),
        }
    }

    /// The path behind [`ROOT`].
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Token => "token",
            Self::Introspect => "introspect",
            Self::WhoAmI => "whoami",
            Self::Configuration => "configuration",
        }
    }

    fn allow(self) -> &'static str {
        match self {
            Self::Credentials | Self::WhoAmI | Self::Configuration => "GET",
            Self::Token | Self::Introspect => "POST",
        }
    }

    /// The name in the audit record and in the metrics.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Credentials => "ContainerCredentials",
            Self::Token => "TokenExchange",
            Self::Introspect => "Introspect",
            Self::WhoAmI => "WhoAmI",
            Self::Configuration => "Configuration",
        }
    }

    /// Whether it gives out nothing that opens another door.
    pub(crate) fn is_read_only(self) -> bool {
        match self {
            Self::Credentials | Self::Token => false,
            Self::Introspect | Self::WhoAmI | Self::Configuration => true,
        }
    }

    /// In whose words it refuses.
    pub(crate) fn words(self) -> Words {
        match self {
            Self::Token | Self::Introspect => Words::OAuth,
            Self::Credentials | Self::WhoAmI | Self::Configuration => Words::Container,
        }
    }
}
