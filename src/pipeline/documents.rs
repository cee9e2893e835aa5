//! Documents: bodies that say what is asked, or that must end before anything is done.
//!
//! The hazard is a caller who holds one back. Its head was let in by the policies, keys and revocations of then; if these
//! decided the rest, whoever sees its end coming could keep calls ready and finish them long after it was cut off. So a
//! document has to be whole within a time, however steadily it drips, and once it is, what counts then decides: the
//! generation is taken anew, and whoever claims to be its caller is authenticated by it (SES-06).

use super::Pipeline;
use crate::audit::Trail;
use crate::authn::{AuthnError, Claim, Principal, Service};
use crate::body::BodyError;
use crate::generation::Generation;
use crate::listener::Connection;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Until a document has to be whole. The largest has 4 MiB, for which a line of 1 Mbit/s needs 34 seconds.
pub(super) const DOCUMENT_TIME: Duration = Duration::from_secs(60);
/// The same for a batch: its 10 MiB take 84 seconds on such a line.
pub(super) const BATCH_TIME: Duration = Duration::from_secs(120);

/// What `reading` gives, if it is done within `limit`. `late` puts that it is not into the reader's words.
pub(super) async fn in_time<T, E>(
    limit: Duration,
    reading: impl Future<Output = Result<T, E>>,
    late: impl FnOnce(BodyError) -> E,
) -> Result<T, E> {
    match tokio::time::timeout(limit, reading).await {
        Ok(read) => read,
        Err(_) => Err(late(BodyError::Late(limit))),
    }
}

/// Who asks, and what decides about it.
pub(super) struct Admitted {
    pub(super) generation: Arc<Generation>,
    pub(super) principal: Principal,
}

impl Pipeline {
    /// What counts from here on, for a caller who was waited for: the current generation, and the principal that `claim`
    /// stands for by it, now. The record says which.
    ///
    /// INVARIANT: whatever waits for a body before it decides, decides by what this gives.
    ///
    /// # Errors
    /// Whatever would keep a new request of this caller from being served.
    pub(super) async fn admitted(
        &self,
        connection: &Connection,
        claim: &Claim,
        trail: &mut Trail,
    ) -> Result<Admitted, AuthnError> {
        let generation = self.current.load_full();
        trail.generation(&generation.id);
        let now = self.clock.now();
        let principal = match claim {
            // What was verified is remembered: only a reload makes this more than a look-up.
            Claim::Bearer(token) => Box::pin(generation.authenticate_bearer(token, now)).await?,
            Claim::Signature(_) | Claim::Anonymous => {
                let from = connection.peer.ip();
                let authenticated = generation.authenticate(claim, Service::S3, from, now)?;
                authenticated.principal
            }
        };
        trail.principal(&principal);
        Ok(Admitted {
            generation,
            principal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::PayloadError;
    use crate::dialect::s3::payload::next_frame;
    use bytes::Bytes;
    use http_body::Frame;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::time::{Instant, Interval, interval};

    /// A byte each second, for ever.
    struct Drip(Interval);

    impl http_body::Body for Drip {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            self.0
                .poll_tick(cx)
                .map(|_| Some(Ok(Frame::data(Bytes::from_static(b" ")))))
        }
    }

    // LIM-06
    #[tokio::test(start_paused = true)]
    async fn a_document_that_drips_is_not_waited_for() {
        let stall = Duration::from_secs(30);
        for limit in [DOCUMENT_TIME, BATCH_TIME] {
            let mut body = Drip(interval(Duration::from_secs(1)));
            let reading = async {
                while next_frame(&mut body, stall).await?.is_some() {}
                Ok(())
            };
            let began = Instant::now();
            let outcome: Result<(), BodyError> = in_time(limit, reading, std::convert::identity).await;
            assert!(
                matches!(outcome, Err(BodyError::Late(after)) if after == limit),
                "{outcome:?}"
            );
            assert_eq!(began.elapsed(), limit);
        }
        let whole: Result<u8, BodyError> =
            in_time(DOCUMENT_TIME, async { Ok(7) }, std::convert::identity).await;
        assert_eq!(whole.unwrap(), 7);
        let broken = async { Err::<(), _>(PayloadError::Incomplete.into()) };
        let broken = in_time(DOCUMENT_TIME, broken, std::convert::identity).await;
        assert!(matches!(
            broken,
            Err(BodyError::Payload(PayloadError::Incomplete))
        ));
    }
}
