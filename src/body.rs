//! Bodies on the move: one type for requests and responses, and what can go wrong with either.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};

/// A body in either direction. Object bytes are never held, control documents are.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended before its end. The receiver sees a reset, never a clean end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The caller went away or broke the framing.
    #[error("the caller's body broke off")]
    Caller(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The target went away or broke the framing.
    #[error("the target's body broke off")]
    Target(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What the caller declared about its payload is not true.
    #[error("the payload is not what was declared")]
    Payload(#[from] PayloadError),
    /// Nothing moved for too long.
    #[error("no byte moved for {0:?}")]
    Stalled(std::time::Duration),
    /// A document that came, but too slowly.
    #[error("the document was not whole within {0:?}")]
    Late(std::time::Duration),
    /// The request took longer than any may.
    #[error("it took longer than `server.longest_transfer`")]
    Overdue,
}

/// How a payload differs from what its request declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The SHA-256 of the body is not the signed one.
    #[error("the body does not match `x-amz-content-sha256`")]
    Sha256Mismatch,
    /// A checksum (named by its header) does not match.
    #[error("the body does not match `{0}`")]
    ChecksumMismatch(&'static str),
    /// A chunk or trailer signature is wrong.
    #[error("a chunk signature does not match")]
    ChunkSignature,
    /// Fewer or more bytes than declared, or the last chunk is missing.
    #[error("the body has another length than declared")]
    Incomplete,
    /// Broken aws-chunked framing.
    #[error("the aws-chunked framing is broken: {0}")]
    Framing(&'static str),
    /// A form that does not end with its file.
    #[error("the form is malformed: {0}")]
    Form(&'static str),
    /// A multipart body that is not of the form that its request needs.
    #[error("the multipart body is malformed: {0}")]
    Multipart(&'static str),
    /// A compressed body that does not unpack to its end.
    #[error("the compressed body is broken, or there is something behind it")]
    Packed,
    /// The trailer is malformed.
    #[error("the trailer is malformed: {0}")]
    MalformedTrailer(&'static str),
    /// The trailer is not the announced one.
    #[error("the trailer is not the one that `x-amz-trailer` announced")]
    UnexpectedTrailer,
    /// A chunk that is too small (not the last one) or too large.
    #[error("a chunk has {0} bytes, which is not accepted")]
    ChunkSize(u64),
    /// A checksum (named by its header) that is not computed here, and that the target is not known to enforce.
    #[error("`{0}` cannot be verified here")]
    Unverifiable(&'static str),
    /// A control document above its limit.
    #[error("the document is larger than {0} bytes")]
    TooLarge(usize),
    /// A control document names a key that does not fit behind the prefix of its bucket.
    #[error("the document names a key that is too long with the prefix of its bucket")]
    KeyTooLong,
}

/// A body that is already complete.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body without bytes.
pub fn empty() -> Body {
    full(Bytes::new())
}

/// A body in the frames that it is made of.
#[cfg(any(test, feature = "fuzzing"))]
#[derive(Debug)]
pub(crate) struct Frames(std::collections::VecDeque<Result<Bytes, BodyError>>);

#[cfg(any(test, feature = "fuzzing"))]
impl Frames {
    pub(crate) fn new(frames: impl IntoIterator<Item = Result<Bytes, BodyError>>) -> Self {
        Self(frames.into_iter().collect())
    }

    /// `bytes` in frames of `size`.
    pub(crate) fn cut(bytes: &[u8], size: usize) -> Self {
        Self::new(
            bytes
                .chunks(size.max(1))
                .map(|piece| Ok(Bytes::copy_from_slice(piece))),
        )
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        std::task::Poll::Ready(self.0.pop_front().map(|frame| frame.map(http_body::Frame::data)))
    }
}
