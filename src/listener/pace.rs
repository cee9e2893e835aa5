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
use http_body::{Body as _, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep};

const SMALLEST: usize = 32 * 1024;
const LARGEST: usize = 256 * 1024;

/// A response body that waits for the caller.
#[derive(Debug)]
pub(super) struct Paced {
    body: Body,
    /// `None` for HTTP/2, which has flow control of its own.
    pace: Option<Pace>,
    /// When the request must be over.
    overdue: Pin<Box<Sleep>>,
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
    /// Gives `body` at the pace of the connection behind `shared`, until `overdue`.
    pub(super) fn new(
        body: Body,
        shared: Option<Arc<Shared>>,
        busy: Arc<Activity>,
        overdue: Pin<Box<Sleep>>,
    ) -> Self {
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
            overdue,
            _busy: busy,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_turn(cx));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(pace), Some(Ok(frame))) = (&mut self.pace, &frame) {
            pace.given += frame.data_ref().map_or(0, Buf::remaining);
        }
        Poll::Ready(frame)
    }

    /// The timer is touched only while there is nothing to give: a body that has something looks at the clock.
    fn is_overdue(&mut self, waits: bool, cx: &mut Context<'_>) -> bool {
        if waits {
            self.overdue.as_mut().poll(cx).is_ready()
        } else {
            Instant::now() >= self.overdue.deadline()
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
        let polled = this.poll_next(cx);
        // What has ended has ended in time.
        if !matches!(polled, Poll::Ready(None)) && this.is_overdue(polled.is_pending(), cx) {
            return Poll::Ready(Some(Err(BodyError::Overdue)));
        }
        polled
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
    use std::{task::Waker, time::Duration};

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

    fn paced(body: Body, shared: Option<Arc<Shared>>) -> Paced {
        let overdue = Box::pin(tokio::time::sleep(HOUR));
        Paced::new(body, shared, Arc::default(), overdue)
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn bursts_grow_while_the_socket_takes_all_and_shrink_when_it_does_not() {
        // FLW-05
        let shared = Arc::new(Shared::default());
        let mut body = paced(Endless.boxed_unsync(), Some(shared.clone()));
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

    /// Nothing ever comes.
    struct Silent;

    impl http_body::Body for Silent {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_an_error_and_no_end() {
        // SES-06: whether bytes flow, the source is silent, or the caller takes none.
        let blocked = Arc::new(Shared::default());
        blocked.block();
        for (body, shared) in [
            (Endless.boxed_unsync(), None),
            (Silent.boxed_unsync(), None),
            (Endless.boxed_unsync(), Some(blocked)),
        ] {
            let mut body = paced(body, shared);
            let started = Instant::now();
            let ended = loop {
                tokio::select! {
                    biased;
                    frame = body.frame() => match frame {
                        Some(Ok(_)) => tokio::time::advance(Duration::from_secs(60)).await,
                        ended => break ended,
                    },
                    () = tokio::time::sleep(2 * HOUR) => panic!("it was not cut"),
                }
            };
            assert!(matches!(ended, Some(Err(BodyError::Overdue))), "{ended:?}");
            assert_eq!(started.elapsed().as_secs(), HOUR.as_secs());
        }
        let mut body = paced(full("in time"), None);
        assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
        tokio::time::advance(2 * HOUR).await;
        assert!(body.frame().await.is_none(), "what has ended is not cut");
    }

    #[tokio::test]
    async fn http_2_is_not_paced_here() {
        let body = paced(full(vec![0; 1 << 20]), None);
        assert_eq!(burst(&mut { body }), 1024);
    }
}
