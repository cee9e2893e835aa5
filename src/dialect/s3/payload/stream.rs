//! The body on its way: pulls frames from the caller, lets verified slices through, keeps the last one back.

use super::encoder::{Encoder, encoded_length};
use super::verify::Verifier;
use super::{BrokenOff as _, Incoming, Outgoing};
use crate::authn::ChunkSigning;
use crate::body::{BodyError, PayloadError};
use crate::operation::{ChecksumAlgorithm, DeclaredPayload, Enforced};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A caller's body, verified while it passes. Holds one frame at most.
pub(super) struct Verified<B> {
    inner: B,
    verifier: Verifier,
    /// What is left of the caller's last frame.
    input: Bytes,
    /// The slice with the last declared byte.
    withheld: Bytes,
    length: u64,
    encoder: Option<Encoder>,
    /// Where the CRC32C goes, if somebody wants it.
    summed: Option<Arc<OnceLock<[u8; 4]>>>,
    /// Payload on its way through the encoder.
    framing: Bytes,
    stall: Stall,
    received: Arc<AtomicU64>,
    state: State,
    /// Bytes that this body still has to give.
    remaining: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Everything is verified; what was withheld goes out.
    Approved,
    Ended,
    Failed,
}

impl<B: Incoming> Verified<B> {
    pub(super) fn new(
        inner: B,
        declared: DeclaredPayload,
        left: Enforced,
        chunks: Option<ChunkSigning>,
        outgoing: Outgoing,
        stall: Duration,
        received: Arc<AtomicU64>,
    ) -> Self {
        let length = declared.length;
        let (trailer, summed, remaining) = match outgoing {
            Outgoing::Raw => (None, None, length),
            Outgoing::Summed(sum) => (None, Some(sum), length),
            Outgoing::UnsignedTrailer(algorithm) => {
                (Some(algorithm), None, encoded_length(length, algorithm))
            }
        };
        // The caller's own trailer goes on as it came.
        let wanted = trailer.or(summed.as_ref().map(|_| ChecksumAlgorithm::Crc32c));
        let extra = wanted.filter(|algorithm| declared.trailer != Some(*algorithm));
        Self {
            inner,
            verifier: Verifier::new(declared, left, chunks, extra),
            input: Bytes::new(),
            withheld: Bytes::new(),
            length,
            encoder: trailer.map(|algorithm| Encoder::new(length, algorithm)),
            summed,
            framing: Bytes::new(),
            stall: Stall::new(stall),
            received,
            state: State::Open,
            remaining,
        }
    }

    /// The next slice of payload that may leave.
    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            if self.state == State::Approved {
                let withheld = std::mem::take(&mut self.withheld);
                return Poll::Ready(Ok(Some(withheld).filter(|slice| !slice.is_empty())));
            }
            if let Some(slice) = self.verifier.next(&mut self.input)? {
                self.received.fetch_add(slice.len() as u64, Ordering::Relaxed);
                // INVARIANT: the byte that completes the declared length leaves only after `finish` agreed. The
                // target waits for it, so what came before cannot become an object.
                if self.verifier.passed() < self.length {
                    return Poll::Ready(Ok(Some(slice)));
                }
                self.withheld = slice;
                continue;
            }
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.stall.moved();
                    // Trailers of HTTP are not those of aws-chunked: nothing announced or signed them.
                    self.input = frame.into_data().unwrap_or_default();
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into_body_error())),
                Poll::Ready(None) => {
                    self.verifier.finish()?;
                    if let Some(summed) = self.summed.take()
                        && let Some(sum) = self.verifier.sum(ChecksumAlgorithm::Crc32c)
                        && let Ok(sum) = sum.try_into()
                    {
                        // It is empty: a body ends once.
                        let _ = summed.set(sum);
                    }
                    self.state = State::Approved;
                }
                Poll::Pending => return self.stall.poll(cx).map(Err),
            }
        }
    }

    /// The next piece for the wire.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            if let Some(encoder) = &mut self.encoder
                && let Some(piece) = encoder.next(&mut self.framing)
            {
                return Poll::Ready(Ok(Some(piece)));
            }
            let payload = ready!(self.poll_payload(cx))?;
            match (payload, &mut self.encoder) {
                (Some(slice), Some(_)) => self.framing = slice,
                (None, Some(encoder)) => {
                    let sum = self.verifier.sum(encoder.algorithm());
                    let end = encoder.finish(&sum.ok_or(PayloadError::UnexpectedTrailer)?);
                    self.encoder = None;
                    return Poll::Ready(Ok(Some(end)));
                }
                (payload, _) => return Poll::Ready(Ok(payload)),
            }
        }
    }
}

impl<B: Incoming> Body for Verified<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match this.state {
            State::Ended => return Poll::Ready(None),
            // A failed body has no clean end, however often it is asked.
            State::Failed => return Poll::Ready(Some(Err(PayloadError::Incomplete.into()))),
            State::Open | State::Approved => {}
        }
        Poll::Ready(match ready!(this.poll_piece(cx)) {
            Ok(Some(piece)) => {
                this.remaining = this.remaining.saturating_sub(piece.len() as u64);
                Some(Ok(Frame::data(piece)))
            }
            Ok(None) => {
                this.state = State::Ended;
                None
            }
            Err(error) => {
                this.state = State::Failed;
                this.withheld.clear();
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        // Not before everything is verified, even if the declared length is 0.
        self.state == State::Ended || (self.state == State::Approved && self.remaining == 0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// How long the caller may stand still. Armed only while waiting: a frame that is there costs no timer.
pub(crate) struct Stall {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Stall {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            timer: None,
            armed: false,
        }
    }

    /// A frame came.
    pub(crate) fn moved(&mut self) {
        self.armed = false;
    }

    /// To be polled while there is no frame: ready once it takes too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.armed {
            self.armed = true;
            let deadline = Instant::now().checked_add(limit);
            if let Some(deadline) = deadline {
                timer.as_mut().reset(deadline);
            }
        }
        timer.as_mut().poll(cx).map(|()| BodyError::Stalled(limit))
    }
}
