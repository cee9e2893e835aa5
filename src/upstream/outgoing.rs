//! The request body on its way to the target.
//!
//! A target commits an object when it has the last byte. So the last bytes are withheld until the body has said that
//! it ended well, which for an upload means that its checksums and signatures are verified; and a body that fails
//! simply never ends: the failure is put where `send` finds it, which then resets the connection.

use crate::body::{Body, BodyError, PayloadError};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::sync::Notify;

/// The request body as hyper sees it.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// `None` once it has ended.
    body: Option<Body>,
    /// The bytes that complete the declared length, until `body` has ended.
    held: Option<Bytes>,
    /// What is still to come of the declared length.
    left: Option<u64>,
    progress: Arc<Progress>,
}

impl Outgoing {
    /// Wraps `body`.
    ///
    /// # Errors
    /// An empty body that must be verified is read here, because hyper does not read it: so fails one that has
    /// bytes after all, or whose checksum is not that of nothing.
    pub(super) async fn prepare(
        headers: &HeaderMap,
        body: Body,
        progress: Arc<Progress>,
    ) -> Result<Self, BodyError> {
        let declared = headers.get(header::CONTENT_LENGTH);
        let left = declared
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .or_else(|| body.size_hint().exact());
        let mut body = Some(body).filter(|body| !body.is_end_stream());
        if left == Some(0) {
            while let Some(frame) = next(&mut body).await {
                if frame?.data_ref().is_some_and(|data| !data.is_empty()) {
                    return Err(PayloadError::Incomplete.into());
                }
            }
            body = None;
        }
        if body.is_none() {
            if left.is_some_and(|left| left > 0) {
                return Err(PayloadError::Incomplete.into());
            }
            progress.sent_silently();
        }
        Ok(Self {
            body,
            held: None,
            left,
            progress,
        })
    }

    /// The end, after the last data frame.
    fn end(&mut self, last: Option<Bytes>) -> Option<Result<Frame<Bytes>, Infallible>> {
        self.body = None;
        self.progress.sent();
        last.map(|bytes| Ok(Frame::data(bytes)))
    }

    /// INVARIANT: after a failure hyper gets neither bytes nor an end, so the target cannot take the body for whole.
    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.body = None;
        self.held = None;
        self.progress.failed(error);
        Poll::Pending
    }
}

async fn next(body: &mut Option<Body>) -> Option<Result<Frame<Bytes>, BodyError>> {
    body.as_mut()?.frame().await
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.progress.is_stopped() {
            return Poll::Pending;
        }
        loop {
            let Some(body) = this.body.as_mut() else {
                return Poll::Ready(None);
            };
            if this.held.is_some() && body.is_end_stream() {
                let last = this.held.take();
                return Poll::Ready(this.end(last));
            }
            this.progress.wait_for_caller(true);
            let frame = ready!(Pin::new(body).poll_frame(cx));
            this.progress.wait_for_caller(false);
            let data = match frame {
                // Trailers of HTTP mean nothing to a store, and what is not signed does not cross.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => data,
                    _ => continue,
                },
                Some(Err(error)) => return this.fail(error),
                None if this.held.is_none() && this.left.is_some_and(|left| left > 0) => {
                    return this.fail(PayloadError::Incomplete.into());
                }
                None => {
                    let last = this.held.take();
                    return Poll::Ready(this.end(last));
                }
            };
            this.progress.advance(data.len() as u64);
            match this.left.map(|left| left.checked_sub(data.len() as u64)) {
                None => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(None) => return this.fail(PayloadError::Incomplete.into()),
                Some(Some(0)) => {
                    this.left = Some(0);
                    this.held = Some(data);
                }
                Some(rest) => {
                    this.left = rest;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none() && !self.progress.is_stopped()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None if self.body.is_none() => SizeHint::with_exact(0),
            None => SizeHint::default(),
        }
    }
}

/// What happened to the request body, for `send`.
pub(super) enum Event {
    /// All of it was handed over.
    Sent,
    /// It failed.
    Failed(BodyError),
    /// The target sends interim responses without end.
    Flooded,
}

/// Shared between the body, which hyper owns, and `send`.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: AtomicU8,
    moved: AtomicU64,
    waits: AtomicBool,
    interim: AtomicU8,
    error: Mutex<Option<BodyError>>,
    changed: Notify,
}

const SENDING: u8 = 0;
const SENT: u8 = 1;
const FAILED: u8 = 2;
/// The response came first.
const OVERTAKEN: u8 = 3;
const FLOODED: u8 = 4;

impl Progress {
    /// Whether all of the body was handed over.
    pub(super) fn is_sent(&self) -> bool {
        self.state.load(Ordering::Acquire) == SENT
    }

    /// Bytes taken from the body so far.
    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Whether a byte was taken from the body.
    pub(super) fn consumed(&self) -> bool {
        self.moved() > 0
    }

    /// Whether it is the caller who is slow, not the target.
    pub(super) fn waits_for_caller(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// Notes that the head of the response is here, and stops an unfinished body. Gives whether it was finished.
    pub(super) fn answered(&self) -> bool {
        self.turn(SENDING, OVERTAKEN);
        self.is_sent()
    }

    /// Counts an interim response.
    pub(super) fn interim(&self, limit: u8) {
        let before = self.interim.fetch_add(1, Ordering::Relaxed);
        if before == limit {
            self.state.store(FLOODED, Ordering::Release);
            self.changed.notify_one();
        }
        if before > limit {
            self.interim.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits for the next event.
    pub(super) async fn event(&self) -> Event {
        loop {
            self.changed.notified().await;
            if let Some(event) = self.pending_event() {
                return event;
            }
        }
    }

    /// An event that has happened. A failure is handed out once.
    pub(super) fn pending_event(&self) -> Option<Event> {
        match self.state.load(Ordering::Acquire) {
            SENT => Some(Event::Sent),
            FLOODED => Some(Event::Flooded),
            FAILED => {
                let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
                error.take().map(Event::Failed)
            }
            _ => None,
        }
    }

    fn is_stopped(&self) -> bool {
        !matches!(self.state.load(Ordering::Acquire), SENDING | SENT)
    }

    fn advance(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    fn wait_for_caller(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    fn sent_silently(&self) {
        self.turn(SENDING, SENT);
    }

    fn sent(&self) {
        self.sent_silently();
        self.changed.notify_one();
    }

    fn failed(&self, error: BodyError) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.turn(SENDING, FAILED);
        self.changed.notify_one();
    }

    fn turn(&self, from: u8, to: u8) {
        // A state that was reached before stays: what happened first counts.
        let _ = self
            .state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }
}
