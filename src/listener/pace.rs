//! Takes no more of a response out of its source than the caller keeps up with.
//!
//! hyper queues up to its buffer size before it writes, for fast callers and slow ones alike: with a thousand slow
//! ones, that is where the memory goes. So a body stops after a burst until what it gave is written, and bursts grow
//! from 32 KiB to 256 KiB only while the socket takes everything at once.

use super::{connection::Activity, socket::Shared};
use crate::{
    body::{Body, BodyError},
    net::{Allowance, Grant},
};
use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

const SMALLEST: usize = 32 * 1024;
const LARGEST: usize = 256 * 1024;

/// A response body that waits for the caller.
#[derive(Debug)]
pub(super) struct Paced {
    body: Body,
    /// `None` for HTTP/2, which has flow control of its own.
    pace: Option<Pace>,
    /// The connection is busy as long as this body is there.
    _busy: Arc<Activity>,
}

#[derive(Debug)]
struct Pace {
    shared: Arc<Shared>,
    /// How much may be given before the next look at the socket.
    burst: usize,
    given: usize,
    looking: bool,
    /// For `burst`, where it is larger than the smallest.
    grant: Option<Grant>,
}

impl Paced {
    /// Gives `body` at the pace of the connection behind `shared`.
    pub(super) fn new(body: Body, shared: Option<Arc<Shared>>, busy: Arc<Activity>) -> Self {
        let pace = shared.map(|shared| Pace {
            shared,
            burst: SMALLEST,
            given: 0,
            looking: false,
            grant: None,
        });
        Self {
            body,
            pace,
            _busy: busy,
        }
    }
}

impl Pace {
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.given >= self.burst {
            // hyper writes what it has when a body pauses; then it asks again, and the socket has had its say.
            self.given = 0;
            self.looking = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.shared.poll_unblocked(cx).is_pending() {
            self.burst = SMALLEST;
            self.looking = false;
            return Poll::Pending;
        }
        if self.looking {
            self.looking = false;
            self.grow();
        } else if self.burst == SMALLEST {
            // Whatever a larger burst had queued is written.
            self.grant = None;
        }
        Poll::Ready(())
    }

    fn grow(&mut self) {
        let burst = (self.burst * 2).min(LARGEST);
        if burst > self.burst {
            self.grant = None;
            self.grant = Allowance::process().take(burst - SMALLEST);
            self.burst = if self.grant.is_some() { burst } else { SMALLEST };
        }
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(pace) = &mut this.pace {
            ready!(pace.poll_turn(cx));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let (Some(pace), Some(Ok(frame))) = (&mut this.pace, &frame) {
            pace.given += frame.data_ref().map_or(0, Buf::remaining);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::full;
    use http_body_util::BodyExt;
    use std::task::Waker;

    /// Frames of 8 KiB without end.
    struct Endless;

    impl http_body::Body for Endless {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 8 * 1024])))))
        }
    }

    /// What `body` gives before it pauses, in KiB.
    fn burst(body: &mut Paced) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        let mut given = 0;
        while let Poll::Ready(Some(Ok(frame))) = http_body::Body::poll_frame(Pin::new(body), &mut context) {
            given += frame.data_ref().map_or(0, Bytes::len);
        }
        given / 1024
    }

    #[test]
    fn bursts_grow_while_the_socket_takes_all_and_shrink_when_it_does_not() {
        // FLW-05
        let shared = Arc::new(Shared::default());
        let mut body = Paced::new(Endless.boxed_unsync(), Some(shared.clone()), Arc::default());
        assert_eq!([(); 5].map(|()| burst(&mut body)), [32, 64, 128, 256, 256]);
        shared.block();
        assert_eq!(
            [(); 3].map(|()| burst(&mut body)),
            [0, 0, 0],
            "nothing for a socket that is full"
        );
        shared.unblock();
        assert_eq!([(); 3].map(|()| burst(&mut body)), [32, 64, 128]);
    }

    #[test]
    fn http_2_is_not_paced_here() {
        let body = Paced::new(full(vec![0; 1 << 20]), None, Arc::default());
        assert_eq!(burst(&mut { body }), 1024);
    }
}
