//! The response body on its way to the caller.
//!
//! Ends well only where the target's framing says so; everything else is an error, which the listener turns into a
//! reset. When it ends well the connection goes back to the pool, when it is dropped before, the connection closes:
//! that is how a caller's disconnect reaches the target.

use super::{
    framing::Length,
    pool::{Connection, Pool},
};
use crate::body::BodyError;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

/// A response body with the connection that it comes from.
pub(super) struct Relay {
    /// `None` after the end, good or bad.
    incoming: Option<Incoming>,
    /// Bytes that are still to come, if the target said how many.
    left: Option<u64>,
    connection: Option<Connection>,
    /// Where the connection may go afterwards.
    home: Option<Arc<Pool>>,
    stall: Stall,
}

impl Relay {
    pub(super) fn new(
        incoming: Incoming,
        length: Length,
        connection: Connection,
        home: Option<Arc<Pool>>,
        stall_timeout: Duration,
    ) -> Self {
        let left = match length {
            Length::Known(bytes) => Some(bytes),
            Length::None => Some(0),
            Length::Chunked | Length::UntilClose => None,
        };
        Self {
            incoming: Some(incoming),
            left,
            connection: Some(connection),
            home,
            stall: Stall::new(stall_timeout),
        }
    }

    /// The body is complete.
    fn end(&mut self) {
        self.incoming = None;
        if let (Some(pool), Some(connection)) = (self.home.take(), self.connection.take()) {
            pool.put(connection);
        }
        self.connection = None;
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.incoming = None;
        self.connection = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            let Some(incoming) = this.incoming.as_mut() else {
                return Poll::Ready(None);
            };
            let frame = match Pin::new(incoming).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending if this.stall.is_over(cx) => {
                    return this.fail(BodyError::Stalled(this.stall.timeout));
                }
                Poll::Pending => return Poll::Pending,
            };
            this.stall.moved();
            let data = match frame {
                // Trailers are dropped: nothing of S3 is in them.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => data,
                    _ => continue,
                },
                Some(Err(error)) => return this.fail(BodyError::Target(error.into())),
                None if this.left.is_some_and(|left| left > 0) => {
                    return this.fail(BodyError::Target(
                        "the body is shorter than its declared length".into(),
                    ));
                }
                None => {
                    this.end();
                    return Poll::Ready(None);
                }
            };
            if let Some(left) = this.left {
                let Some(rest) = left.checked_sub(data.len() as u64) else {
                    return this.fail(BodyError::Target(
                        "the body is longer than its declared length".into(),
                    ));
                };
                this.left = Some(rest);
                if rest == 0 {
                    // The listener does not ask again once the length is reached.
                    this.end();
                }
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Watches for a source from which nothing comes, only while somebody waits for it: a slow reader is no stall.
struct Stall {
    timeout: Duration,
    /// Set while waiting.
    deadline: Option<Instant>,
    /// Made at the first wait, and moved on only when it fires: most waits are short and never touch the timer.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            deadline: None,
            timer: None,
        }
    }

    fn moved(&mut self) {
        self.deadline = None;
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + self.timeout);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
        false
    }
}
