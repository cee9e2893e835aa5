//! What a request is sent a second time with, when the target refused the credential of the first (CRD-03).
//!
//! Nothing of a caller's may be sent twice or be missing (FLW-07). So a document of ours is made again, and an upload
//! goes again only while it is whole: it is lent to the first request, and taken back if that took nothing of it. The
//! one who loses it gets neither a byte nor an end any more, so that no target can take half of it for all of it.

use crate::authz::Permit;
use crate::body::{Body, BodyError};
use crate::config::Profile;
use crate::dialect::s3::forward;
use crate::operation::BodyRule;
use crate::signing::OutgoingPayload;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

/// How to make a payload of what there is, once more.
pub(super) enum SecondTime {
    /// From the operation alone.
    Anew,
    /// The caller's, which is with the first request.
    Lent(Lender, OutgoingPayload),
}

impl SecondTime {
    /// Whether a second time is possible whatever the first one came to, and changes nothing.
    pub(super) fn is_harmless(permit: &Permit) -> bool {
        let row = permit.operation().api().row();
        matches!((row.method, &row.body), ("GET" | "HEAD", BodyRule::Empty))
    }

    /// Keeps what is needed to send `outgoing` again.
    pub(super) fn keep(permit: &Permit, outgoing: OutgoingPayload) -> (OutgoingPayload, Self) {
        match permit.operation().api().row().body {
            BodyRule::Empty | BodyRule::Document { .. } => (outgoing, Self::Anew),
            BodyRule::Object | BodyRule::Form => {
                let lender = Lender(Arc::new(Mutex::new(Loan {
                    body: Some(outgoing.body),
                    touched: false,
                })));
                let with = |body| OutgoingPayload {
                    body,
                    length: outgoing.length,
                    hash: outgoing.hash.clone(),
                    headers: outgoing.headers.clone(),
                    sum: outgoing.sum.clone(),
                };
                let lent = with(Lent(lender.0.clone()).boxed_unsync());
                let kept = with(crate::body::empty());
                (lent, Self::Lent(lender, kept))
            }
        }
    }

    /// The payload; `None` if something of it is gone.
    pub(super) fn payload(self, permit: &Permit, profile: Profile) -> Option<OutgoingPayload> {
        match self {
            Self::Anew => forward::anew(permit.operation(), permit.bucket()?, profile),
            Self::Lent(lender, kept) => Some(OutgoingPayload {
                body: lender.take_back()?,
                ..kept
            }),
        }
    }
}

/// Whoever gets the body back.
pub(super) struct Lender(Arc<Mutex<Loan>>);

struct Loan {
    body: Option<Body>,
    /// Whether anything came out of it: bytes, an error or its end.
    touched: bool,
}

impl Lender {
    fn take_back(self) -> Option<Body> {
        let mut loan = lock(&self.0);
        match loan.touched {
            true => None,
            false => loan.body.take(),
        }
    }
}

/// The body as the first request has it.
struct Lent(Arc<Mutex<Loan>>);

fn lock(loan: &Mutex<Loan>) -> MutexGuard<'_, Loan> {
    loan.lock().unwrap_or_else(PoisonError::into_inner)
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut loan = lock(&self.0);
        // INVARIANT: taken back, it neither goes on nor ends.
        let Some(body) = &mut loan.body else {
            return Poll::Pending;
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        loan.touched = true;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let loan = lock(&self.0);
        loan.body.as_ref().is_some_and(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let loan = lock(&self.0);
        loan.body
            .as_ref()
            .map_or_else(SizeHint::default, |body| body.size_hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use http_body_util::Full;
    use std::convert::Infallible;

    fn lend(body: Body) -> (Lender, Lent) {
        let loan = Arc::new(Mutex::new(Loan {
            body: Some(body),
            touched: false,
        }));
        (Lender(loan.clone()), Lent(loan))
    }

    fn never(error: Infallible) -> BodyError {
        match error {}
    }

    async fn polled(lent: &mut Lent) -> Poll<Option<Bytes>> {
        std::future::poll_fn(|cx| {
            let frame = Pin::new(&mut *lent).poll_frame(cx);
            Poll::Ready(frame.map(|frame| frame.map(|frame| frame.unwrap().into_data().unwrap())))
        })
        .await
    }

    /// What comes through a channel.
    struct Receiving(tokio::sync::mpsc::UnboundedReceiver<Bytes>);

    impl http_body::Body for Receiving {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            self.0
                .poll_recv(cx)
                .map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    // CRD-03, FLW-07
    #[tokio::test]
    async fn a_body_that_was_waited_for_in_vain_comes_back_whole() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let (lender, mut lent) = lend(Receiving(receiver).boxed_unsync());
        assert_eq!(polled(&mut lent).await, Poll::Pending);
        let back = lender.take_back().unwrap();
        sender.send(Bytes::from_static(b"all")).unwrap();
        drop(sender);
        assert_eq!(
            polled(&mut lent).await,
            Poll::Pending,
            "nothing more for the first request"
        );
        assert!(!lent.is_end_stream(), "and no end");
        let mut back = back;
        assert_eq!(back.frame().await.unwrap().unwrap().into_data().unwrap(), "all");
        assert!(back.frame().await.is_none());
    }

    // CRD-03, FLW-07
    #[tokio::test]
    async fn a_body_of_which_a_byte_is_gone_does_not_come_back() {
        let body = Full::new(Bytes::from_static(b"all")).map_err(never);
        let (lender, mut lent) = lend(body.boxed_unsync());
        assert_eq!(polled(&mut lent).await, Poll::Ready(Some("all".into())));
        assert!(lender.take_back().is_none());
    }
}
