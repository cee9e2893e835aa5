//! Why there is no response that could be relayed.

use crate::{body::BodyError, fetch::FetchError};
use std::{io, time::Duration};

/// Why a request got no usable answer. The text is for the operator; the caller learns only that the target is
/// not available, except for [`UpstreamError::RequestBody`], which is about what the caller sent.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The configured CA cannot be used, or there is none.
    #[error("the target's certificate could not be checked")]
    Trust(#[source] FetchError),
    /// The host cannot be a name in a certificate.
    #[error("`{0}` is neither a host name nor an address")]
    Name(Box<str>),
    /// The request was signed for another target.
    #[error("the request was signed for another target")]
    Misdirected,
    /// No TCP connection.
    #[error("cannot connect to the target")]
    Connect(#[source] io::Error),
    /// No TLS: a certificate that is not trusted, another name, no common version.
    #[error("no TLS with the target: check its certificate, its name and `ca`")]
    Tls(#[source] io::Error),
    /// Connecting took too long.
    #[error("the target did not accept a connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The whole request was sent and no response came.
    #[error("the target did not answer within {after:?}")]
    Timeout {
        /// The deadline, from the last byte of the request.
        after: Duration,
        /// Whether a byte of the request body was taken.
        consumed: bool,
    },
    /// The target stopped reading the request body.
    #[error("the target took no byte of the upload for {after:?}")]
    Stalled {
        /// The deadline.
        after: Duration,
        /// Whether a byte of the request body was taken.
        consumed: bool,
    },
    /// The request body failed: the caller went away or what it sent is not what it declared. The connection was
    /// reset, and the target has not received the end of the body.
    #[error("the request body failed")]
    RequestBody(#[source] BodyError),
    /// The response is one that cannot be relayed without a doubt about where it ends.
    #[error("the target's answer cannot be relayed: {0}")]
    Framing(&'static str),
    /// The connection broke, or what came back is not HTTP.
    #[error("the exchange with the target broke off")]
    Reset {
        /// Why.
        #[source]
        source: hyper::Error,
        /// Whether a byte of the request body was taken.
        consumed: bool,
    },
}

impl UpstreamError {
    /// Whether a byte of the request body was taken. If not, the same request may be built and sent again.
    pub fn request_body_consumed(&self) -> bool {
        match self {
            Self::Trust(_)
            | Self::Name(_)
            | Self::Misdirected
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::ConnectTimeout(_) => false,
            Self::RequestBody(_) | Self::Framing(_) => true,
            Self::Timeout { consumed, .. }
            | Self::Stalled { consumed, .. }
            | Self::Reset { consumed, .. } => *consumed,
        }
    }
}
