//! What can be wrong with the head of a request, before anybody asks what it wants.

use http::StatusCode;

/// Why a request's head is refused. `Display` is for the caller.
///
/// These are the cases in which two readers of the same bytes could see two different requests, or in which the
/// request asks for something that is not served here whatever the policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadViolation {
    /// Both ways to say how long the body is.
    #[error("`Content-Length` and `Transfer-Encoding` cannot be sent together")]
    LengthAndEncoding,
    /// A header that may be there once is there more often, even with the same value.
    #[error("`{0}` must not be sent more than once")]
    Duplicate(&'static str),
    /// A sign, a leading zero, a list, or no number at all.
    #[error("`Content-Length` must be a plain decimal number")]
    ContentLength,
    /// Anything but one `chunked`.
    #[error("`Transfer-Encoding` must be exactly `chunked`")]
    TransferEncoding,
    /// A line that ends in LF alone.
    #[error("every line of the head must end in CR LF")]
    BareLineFeed,
    /// A header line that continues the one before.
    #[error("a header must not be folded over several lines")]
    Folded,
    /// NUL, CR or another control byte.
    #[error("control characters are not accepted in the head")]
    Control,
    /// A byte above 127.
    #[error("only ASCII is accepted in the head, encode anything else")]
    NotAscii,
    /// White space around the name of a header, a missing colon, or a byte that names may not have.
    #[error("a header line must be a name, a colon and a value, without a space before the colon")]
    HeaderName,
    /// Not `method SP target SP version`.
    #[error("the request line is malformed")]
    RequestLine,
    /// A `#`, which parsers cut off together with what follows.
    #[error("`#` must be encoded as `%23` in a request target")]
    Fragment,
    /// Not a path with an optional query, or with bytes that must be encoded.
    #[error("the request target must be an encoded path with an optional query")]
    Target,
    /// A longer target than any presigned URL needs.
    #[error("the request target is longer than {} bytes", super::head::MAX_TARGET)]
    TargetTooLong,
    /// More header bytes than accepted.
    #[error("the head is longer than {} bytes", super::head::MAX_HEAD)]
    TooLarge,
    /// More header lines than accepted.
    #[error("more than {} headers are not accepted", super::head::MAX_HEADERS)]
    TooMany,
    /// HTTP/1.0, where a body that breaks off looks complete, or a version that does not exist.
    #[error("only HTTP/1.1 and HTTP/2 are served")]
    Version,
    /// TRACE, CONNECT, lower case, or unknown.
    #[error("the method is not served")]
    Method,
    /// No name of the server that is meant.
    #[error("`Host` is missing")]
    MissingHost,
    /// User information or bytes that no host has.
    #[error("`Host` must be a host name with an optional port")]
    Host,
    /// Two names of the server that is meant.
    #[error("`Host` and the authority of the request target differ")]
    Authority,
    /// A request for another host than the one that TLS was set up for.
    #[error("this connection was made for another host")]
    Misdirected,
    /// A protocol change.
    #[error("`Upgrade` is not served")]
    Upgrade,
    /// `Connection` that asks for the removal of a header which decides something.
    #[error("`Connection` must not name a header that is part of the request")]
    Connection,
    /// Other than `100-continue`.
    #[error("only `Expect: 100-continue` can be met")]
    Expectation,
    /// A body on a method that has none.
    #[error("a body is not accepted with this method")]
    Body,
}

impl HeadViolation {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::LengthAndEncoding
            | Self::Duplicate(_)
            | Self::ContentLength
            | Self::BareLineFeed
            | Self::Folded
            | Self::Control
            | Self::NotAscii
            | Self::HeaderName
            | Self::RequestLine
            | Self::Fragment
            | Self::Target
            | Self::MissingHost
            | Self::Host
            | Self::Authority
            | Self::Connection
            | Self::Body
            | Self::Upgrade => StatusCode::BAD_REQUEST,
            Self::TransferEncoding => StatusCode::NOT_IMPLEMENTED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooLarge | Self::TooMany => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
        }
    }
}
