//! Payloads: the bytes of an upload, verified while they pass, and small documents, verified before they are read.
//!
//! The caller signs what it is about to send: a hash, a length, a chain of chunk signatures, a checksum. Tidegate
//! signs anew for the target, so nobody behind it can check those promises: whatever is not verified here is not
//! verified at all. A body that fails verification ends in an error, the target's connection is reset, and no
//! object comes of it.
//!
//! - [`aws_chunked`] takes the framing apart, [`verify`] holds everything against the declaration,
//! - [`stream`] moves the bytes and withholds the last one, [`encoder`] frames them anew where the target wants it.

mod aws_chunked;
mod caller;
mod checksum;
mod encoder;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod stream;
#[cfg(test)]
mod tests;
mod verify;

use crate::authn::ChunkSigning;
use crate::body::{Body, BodyError, PayloadError, full};
use crate::operation::{ChecksumAlgorithm, Declaration, DeclaredPayload, Enforced};
use bytes::{Bytes, BytesMut};
pub(crate) use caller::CallerBody;
pub(crate) use checksum::Sums;
pub(crate) use encoder::{encoded_length, framed};
use http_body_util::BodyExt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
pub(crate) use stream::Stall;
use stream::Verified;

/// How a payload is framed towards the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// The decoded bytes: `declared.length` of them.
    Raw,
    /// As `Raw`; their CRC32C is put here once all is verified.
    Summed(Arc<OnceLock<[u8; 4]>>),
    /// `aws-chunked` with a checksum in the trailer: [`encoded_length`] bytes.
    UnsignedTrailer(ChecksumAlgorithm),
}

/// A caller's body, before anything about it is believed.
pub(crate) trait Incoming:
    http_body::Body<Data = Bytes, Error: BrokenOff> + Send + Unpin + 'static
{
}

impl<B> Incoming for B where B: http_body::Body<Data = Bytes, Error: BrokenOff> + Send + Unpin + 'static {}

/// What a caller's body fails with.
pub(crate) trait BrokenOff {
    /// Whose fault it is, if it can be told.
    fn into_body_error(self) -> BodyError;
}

impl BrokenOff for hyper::Error {
    fn into_body_error(self) -> BodyError {
        BodyError::Caller(self.into())
    }
}

impl BrokenOff for std::io::Error {
    fn into_body_error(self) -> BodyError {
        BodyError::Caller(self.into())
    }
}

impl BrokenOff for BodyError {
    fn into_body_error(self) -> BodyError {
        self
    }
}

/// The next data of a body that is not a payload yet; `None` at its end.
///
/// # Errors
/// [`BodyError`] if it breaks off, or if nothing comes for `stall`.
pub(crate) async fn next_frame<B: Incoming>(
    body: &mut B,
    stall: Duration,
) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *body), cx));
        let frame = tokio::time::timeout(stall, frame).await;
        match frame.map_err(|_| BodyError::Stalled(stall))? {
            None => return Ok(None),
            Some(Err(error)) => return Err(error.into_body_error()),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                _ => {}
            },
        }
    }
}

/// Whether everything that is declared and not `left` to the target can be verified here. To be asked before anything
/// is sent.
///
/// # Errors
/// [`PayloadError::Unverifiable`] with the header that cannot.
pub(crate) fn verifiable(declared: &DeclaredPayload, left: Enforced) -> Result<(), PayloadError> {
    let ours = declared
        .declarations()
        .filter(|declaration| !left.holds(*declaration));
    for declaration in ours {
        match declaration {
            Declaration::Header(algorithm) | Declaration::Trailer(algorithm) if !algorithm.is_computed() => {
                return Err(PayloadError::Unverifiable(algorithm.header()));
            }
            Declaration::Literal | Declaration::Header(_) | Declaration::Trailer(_) => {}
        }
    }
    Ok(())
}

/// The checksum of bytes that are there as a whole; `None` for one that is not computed here.
pub(crate) fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut sums = checksum::Sums::new(&DeclaredPayload::none(), Enforced::NONE, Some(algorithm));
    sums.update(bytes);
    sums.value(algorithm)
}

/// The body for the target: decoded, verified against `declared`, framed as `outgoing`.
///
/// What is `left` to the target is carried over and not verified here, except what the target cannot know: lengths,
/// framing and the signatures of chunks.
///
/// `chunks` is the signature chain that authentication gave; without it no signed chunk verifies. `stall` bounds
/// the time without a frame from the caller. `received` counts decoded payload bytes for the audit record.
///
/// The body fails with [`BodyError::Payload`] if a declaration does not hold, [`BodyError::Caller`] if the caller
/// breaks off, [`BodyError::Stalled`] if it stands still. Its size hint is exact.
///
/// INVARIANT: sent with a `Content-Length` of its exact size, the request lacks at least one byte until all is
/// verified. A raw body of length 0 has no byte to withhold: use [`verify_empty`] for `declared.length == 0`.
pub(crate) fn verified<B: Incoming>(
    inner: B,
    declared: DeclaredPayload,
    left: Enforced,
    chunks: Option<ChunkSigning>,
    outgoing: Outgoing,
    stall: Duration,
    received: Arc<AtomicU64>,
) -> Body {
    Verified::new(inner, declared, left, chunks, outgoing, stall, received).boxed_unsync()
}

/// Verifies a payload of declared length 0 to its end and gives the (complete) body for the target.
///
/// To be awaited before anything is sent: a request without payload is whole with its head, and an upload of an
/// empty object whose signature or checksum is wrong must not become one.
///
/// # Errors
/// As the body of [`verified`].
pub(crate) async fn verify_empty<B: Incoming>(
    inner: B,
    declared: DeclaredPayload,
    left: Enforced,
    chunks: Option<ChunkSigning>,
    outgoing: Outgoing,
    stall: Duration,
) -> Result<Body, BodyError> {
    if declared.length != 0 {
        return Err(PayloadError::Incomplete.into());
    }
    verifiable(&declared, left)?;
    let body = Verified::new(inner, declared, left, chunks, outgoing, stall, Arc::default());
    // Only a framing without payload can come out of it.
    gather(body, 256).await.map(full)
}

/// Reads a control document of at most `limit` bytes, verified as an upload would be.
///
/// # Errors
/// [`PayloadError::TooLarge`] past `limit`, else as the body of [`verified`]. Nothing is parsed before.
pub(crate) async fn read_document<B: Incoming>(
    inner: B,
    declared: &DeclaredPayload,
    chunks: Option<ChunkSigning>,
    limit: usize,
    stall: Duration,
    received: Arc<AtomicU64>,
) -> Result<Bytes, BodyError> {
    if declared.length > limit as u64 {
        return Err(PayloadError::TooLarge(limit).into());
    }
    verifiable(declared, Enforced::NONE)?;
    let declared = declared.clone();
    let body = Verified::new(
        inner,
        declared,
        Enforced::NONE,
        chunks,
        Outgoing::Raw,
        stall,
        received,
    );
    gather(body, limit).await
}

/// Grows with what really came: a length is only a claim.
async fn gather<B: Incoming>(mut body: Verified<B>, limit: usize) -> Result<Bytes, BodyError> {
    let mut first = Bytes::new();
    let mut gathered = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.len() + gathered.len() + data.len() > limit {
            return Err(PayloadError::TooLarge(limit).into());
        }
        match (first.is_empty(), gathered.is_empty()) {
            (true, true) => first = data,
            _ => {
                gathered.extend_from_slice(&std::mem::take(&mut first));
                gathered.extend_from_slice(&data);
            }
        }
    }
    Ok(match gathered.is_empty() {
        true => first,
        false => gathered.freeze(),
    })
}
