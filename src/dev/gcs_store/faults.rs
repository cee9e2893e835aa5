//! Scripted faults: what a store does once in a million requests, on demand.
//!
//! A fault is planned for the next request that its rule fits, and is used up by it. It counts bytes of bodies, because what
//! matters is what had already been said: an upload that is answered before its end, a download that ends short.

use super::Refusal;
use crate::body::{Body, BodyError};
use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcsFault {
    /// An error with this status (503 `backendError`, 429 `rateLimitExceeded`, ...) when so many bytes of the request's body
    /// were taken, or at its end.
    Status {
        /// The status.
        status: u16,
        /// Bytes of the request's body.
        after: u64,
    },
    /// The connection ends when so many bytes of the request's body were taken.
    CutRequest {
        /// Bytes of the request's body.
        after: u64,
    },
    /// No more than so many bytes of the request's body are taken, and nothing is said.
    StallRequest {
        /// Bytes of the request's body.
        after: u64,
    },
    /// The connection ends when so many bytes of the answer's body were sent.
    CutResponse {
        /// Bytes of the answer's body.
        after: u64,
    },
    /// No more than so many bytes of the answer's body are sent, and the connection stays.
    StallResponse {
        /// Bytes of the answer's body.
        after: u64,
    },
    /// The request is carried out, and its answer lost.
    LoseResponse,
}

/// For the rest of a body that nobody wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// A fault, and for what.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) method: String,
    /// A part of path and query.
    pub(super) part: String,
    pub(super) fault: GcsFault,
}

/// The body of a request, with what goes wrong with it.
pub(super) struct Inbound {
    body: Incoming,
    fault: Option<GcsFault>,
    taken: u64,
    /// What of it was a document, for the record.
    pub(super) document: Bytes,
}

impl Inbound {
    pub(super) fn new(body: Incoming, fault: Option<GcsFault>) -> Self {
        Self {
            body,
            fault,
            taken: 0,
            document: Bytes::new(),
        }
    }

    /// Before the first byte is taken.
    ///
    /// # Errors
    /// Whatever was planned for no bytes, or for a body that there is not.
    pub(super) async fn begin(&self) -> Result<(), Refusal> {
        if self.left() == Some(0) || self.is_empty() {
            self.strike().await?;
        }
        Ok(())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Takes the rest and forgets it, beside the answer, as Google's front end does: an answer on a connection that is closed
    /// with unread bytes is lost to the sender. Whoever waits to be told to go on is not told.
    pub(super) fn discard(self, expects: bool) {
        if self.is_empty() || (expects && self.taken == 0) {
            return;
        }
        let mut body = self.body;
        tokio::spawn(async move {
            let rest = async { while let Some(Ok(_)) = body.frame().await {} };
            // What is longer than this ends with the connection.
            let _ = tokio::time::timeout(PATIENCE, rest).await;
        });
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`Refusal::Cut`] if the sender went away, and whatever was planned.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            if self.left() == Some(0) {
                self.strike().await?;
            }
            let Some(frame) = self.body.frame().await else {
                self.strike().await?;
                return Ok(None);
            };
            let Ok(mut data) = frame.map_err(|_| Refusal::Cut)?.into_data() else {
                continue;
            };
            if let Some(left) = self.left() {
                data.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            }
            if data.is_empty() {
                continue;
            }
            self.taken += data.len() as u64;
            return Ok(Some(data));
        }
    }

    /// The whole of a document.
    ///
    /// # Errors
    /// As [`Inbound::next`], or more than `limit` bytes.
    pub(super) async fn document(&mut self, limit: usize) -> Result<Bytes, Refusal> {
        let mut document = Vec::new();
        while let Some(data) = self.next().await? {
            if document.len() + data.len() > limit {
                return Err(Refusal::new(413, "uploadTooLarge", "Request Entity Too Large"));
            }
            document.extend_from_slice(&data);
        }
        self.document = document.into();
        Ok(self.document.clone())
    }

    /// Bytes until something goes wrong.
    fn left(&self) -> Option<u64> {
        match self.fault? {
            GcsFault::Status { after, .. }
            | GcsFault::CutRequest { after }
            | GcsFault::StallRequest { after } => Some(after.saturating_sub(self.taken)),
            GcsFault::CutResponse { .. } | GcsFault::StallResponse { .. } | GcsFault::LoseResponse => None,
        }
    }

    /// Lets it go wrong.
    async fn strike(&self) -> Result<(), Refusal> {
        match self.fault {
            Some(GcsFault::Status { status, .. }) => {
                let reason = match status {
                    401 => return Err(Refusal::unauthorized()),
                    403 => "forbidden",
                    408 => "requestTimeout",
                    429 => "rateLimitExceeded",
                    500 => "internalError",
                    _ => "backendError",
                };
                Err(Refusal::new(
                    status,
                    reason,
                    "We encountered an internal error. Please try again.",
                ))
            }
            Some(GcsFault::CutRequest { .. }) => Err(Refusal::Cut),
            Some(GcsFault::StallRequest { .. }) => std::future::pending().await,
            Some(GcsFault::CutResponse { .. } | GcsFault::StallResponse { .. } | GcsFault::LoseResponse)
            | None => Ok(()),
        }
    }

    /// The answer with what goes wrong with it.
    pub(super) fn answer(
        fault: Option<GcsFault>,
        response: Response<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let (left, cut) = match fault {
            Some(GcsFault::LoseResponse) => return Err(Refusal::Cut),
            Some(GcsFault::CutResponse { after }) => (after, true),
            Some(GcsFault::StallResponse { after }) => (after, false),
            Some(GcsFault::Status { .. } | GcsFault::CutRequest { .. } | GcsFault::StallRequest { .. })
            | None => return Ok(response),
        };
        Ok(response.map(|inner| {
            let faulty = Faulty {
                inner,
                left,
                cut,
                pauses: 2,
            };
            faulty.boxed_unsync()
        }))
    }
}

/// The body of an answer that does not come to its end.
struct Faulty {
    inner: Body,
    left: u64,
    cut: bool,
    /// How often to let what was said so far be written before the connection ends.
    pauses: u8,
}

impl http_body::Body for Faulty {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 {
            if !self.cut {
                return Poll::Pending;
            }
            if self.pauses > 0 {
                self.pauses -= 1;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let broken = std::io::Error::other("a planned fault");
            return Poll::Ready(Some(Err(BodyError::Target(broken.into()))));
        }
        match std::task::ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            Some(Ok(frame)) => {
                let frame = frame.map_data(|mut data| {
                    data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                    data
                });
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.left -= length as u64;
                Poll::Ready(Some(Ok(frame)))
            }
            // It was shorter than the fault: it ends here all the same.
            None => {
                self.left = 0;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            failed @ Some(Err(_)) => Poll::Ready(failed),
        }
    }

    /// What it would have been, so that the receiver expects it.
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
