//! A body that is held against what was declared about it, while it streams.
//!
//! The hazard is an object that nobody meant: cut short, or with a byte changed on the way. A target has an object when
//! it has the end of the body, so the last piece waits until the end has come and everything holds. Then, and only
//! then, it goes out; otherwise the body fails, and the connection to the target with it.

use super::{Hashes, NAME};
use crate::body::{Body, BodyError, PayloadError};
use crate::dialect::s3::payload::{BrokenOff as _, Incoming, Stall, Sums};
use crate::operation::{ChecksumAlgorithm, Enforced};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A caller's media on its way. Holds one frame at most.
pub(crate) struct Checked<B> {
    inner: B,
    hashes: Hashes,
    sums: Sums,
    length: Option<u64>,
    /// Bytes that came.
    passed: u64,
    /// Bytes that went out.
    given: u64,
    /// The last frame, until the next one or the end.
    withheld: Bytes,
    summed: Arc<OnceLock<[u8; 4]>>,
    stall: Stall,
    received: Arc<AtomicU64>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Failed,
}

impl<B: Incoming> Checked<B> {
    /// Holds `inner` against `hashes`, and against `length` if it is known. `summed` gets the CRC32C once all is
    /// verified; `stall` bounds the time without a frame; `received` counts bytes for the audit record.
    ///
    /// The body fails with [`BodyError::Payload`] if something declared does not hold, [`BodyError::Caller`] if the
    /// caller breaks off, [`BodyError::Stalled`] if it stands still. Its size hint is exact if `length` is known.
    pub(crate) fn new(
        inner: B,
        hashes: Hashes,
        length: Option<u64>,
        summed: Arc<OnceLock<[u8; 4]>>,
        stall: Duration,
        received: Arc<AtomicU64>,
    ) -> Self {
        let declared = hashes.payload(length.unwrap_or_default());
        Self {
            inner,
            hashes,
            sums: Sums::new(&declared, Enforced::NONE, Some(ChecksumAlgorithm::Crc32c)),
            length,
            passed: 0,
            given: 0,
            withheld: Bytes::new(),
            summed,
            stall: Stall::new(stall),
            received,
            state: State::Open,
        }
    }

    /// The body for a target.
    pub(crate) fn boxed(self) -> Body {
        self.boxed_unsync()
    }

    /// The next piece that may leave; `None` at the end of what is right.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            let data = match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Pending => return self.stall.poll(cx).map(Err),
                Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into_body_error())),
                Poll::Ready(None) => {
                    self.finish()?;
                    self.state = State::Ended;
                    let last = std::mem::take(&mut self.withheld);
                    return Poll::Ready(Ok(Some(last).filter(|last| !last.is_empty())));
                }
            };
            self.stall.moved();
            if data.is_empty() {
                continue;
            }
            self.passed = self.passed.saturating_add(data.len() as u64);
            if self.length.is_some_and(|length| self.passed > length) {
                return Poll::Ready(Err(PayloadError::Incomplete.into()));
            }
            self.received.fetch_add(data.len() as u64, Ordering::Relaxed);
            self.sums.update(&data);
            // INVARIANT: what came last leaves only after `finish` agreed, or when it turned out not to be the last.
            let before = std::mem::replace(&mut self.withheld, data);
            if !before.is_empty() {
                return Poll::Ready(Ok(Some(before)));
            }
        }
    }

    /// Judges the whole.
    fn finish(&self) -> Result<(), PayloadError> {
        if self.length.is_some_and(|length| self.passed != length) {
            return Err(PayloadError::Incomplete);
        }
        let sum = self.sums.value(ChecksumAlgorithm::Crc32c);
        let sum: Option<[u8; 4]> = sum.and_then(|sum| sum.try_into().ok());
        let md5 = self.sums.value(ChecksumAlgorithm::Md5);
        let holds = self.hashes.crc32c.is_none_or(|declared| sum == Some(declared))
            && self
                .hashes
                .md5
                .is_none_or(|declared| md5.as_deref() == Some(&declared[..]));
        if !holds {
            return Err(PayloadError::ChecksumMismatch(NAME));
        }
        if let Some(sum) = sum {
            // It is empty: a body ends once.
            let _ = self.summed.set(sum);
        }
        Ok(())
    }
}

impl<B: Incoming> http_body::Body for Checked<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this.state {
            State::Ended => return Poll::Ready(None),
            // A failed body has no clean end, however often it is asked.
            State::Failed => return Poll::Ready(Some(Err(PayloadError::Incomplete.into()))),
            State::Open => {}
        }
        Poll::Ready(match ready!(this.poll_piece(cx)) {
            Ok(Some(piece)) => {
                this.given = this.given.saturating_add(piece.len() as u64);
                Some(Ok(Frame::data(piece)))
            }
            Ok(None) => None,
            Err(error) => {
                this.state = State::Failed;
                this.withheld.clear();
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        // Not before everything is verified, even if the declared length is 0.
        self.state == State::Ended
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Some(length) => SizeHint::with_exact(length.saturating_sub(self.given)),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Frames;
    use http_body::Body as _;

    /// What leaves of `123456789` in three frames, and how it ends.
    async fn check(
        hashes: Hashes,
        length: Option<u64>,
        breaks: bool,
    ) -> (String, Option<BodyError>, Option<[u8; 4]>) {
        let mut frames = Vec::from(["123", "456", "789"].map(|text| Ok(Bytes::from(text))));
        if breaks {
            frames.push(Err(BodyError::Caller("gone".into())));
        }
        let (sum, received) = (Arc::new(OnceLock::new()), Arc::new(AtomicU64::new(0)));
        let stall = Duration::from_secs(60);
        let mut body = Checked::new(Frames::new(frames), hashes, length, sum.clone(), stall, received);
        let mut seen = String::new();
        assert_eq!(body.size_hint().exact(), length);
        let error = loop {
            match body.frame().await {
                Some(Ok(frame)) => seen.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        if error.is_some() {
            assert!(body.frame().await.unwrap().is_err(), "it failed for good");
        }
        (seen, error, sum.get().copied())
    }

    const RIGHT: Hashes = Hashes {
        crc32c: Some([0xe3, 0x06, 0x92, 0x83]),
        md5: Some(*b"\x25\xf9\xe7\x94\x32\x3b\x45\x38\x85\xf5\x18\x1f\x1b\x62\x4d\x0b"),
    };

    #[tokio::test]
    async fn what_holds_passes_and_is_summed() {
        for hashes in [RIGHT, Hashes::default(), Hashes { md5: None, ..RIGHT }] {
            for length in [None, Some(9)] {
                let (seen, error, sum) = check(hashes, length, false).await;
                assert!(error.is_none(), "{error:?}");
                assert_eq!((seen.as_str(), sum), ("123456789", RIGHT.crc32c));
            }
        }
    }

    // FLW-02, STR-08
    #[tokio::test]
    async fn what_does_not_hold_never_leaves_whole() {
        let crc32c = Hashes {
            crc32c: Some([0; 4]),
            ..RIGHT
        };
        let md5 = Hashes {
            md5: Some([0; 16]),
            ..RIGHT
        };
        for (hashes, length, breaks) in [
            (crc32c, None, false),
            (crc32c, Some(9), false),
            (md5, None, false),
            (RIGHT, Some(10), false),
            (RIGHT, Some(8), false),
            (RIGHT, None, true),
            (RIGHT, Some(9), true),
        ] {
            let (seen, error, sum) = check(hashes, length, breaks).await;
            assert!(error.is_some());
            assert!("123456".starts_with(&seen), "{seen}");
            assert_eq!(sum, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_stands_still_is_given_up() {
        struct Still;
        impl http_body::Body for Still {
            type Data = Bytes;
            type Error = BodyError;

            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
                Poll::Pending
            }
        }
        let stall = Duration::from_secs(7);
        let mut body = Checked::new(
            Still,
            Hashes::default(),
            None,
            Arc::default(),
            stall,
            Arc::default(),
        );
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(matches!(error, BodyError::Stalled(after) if after == stall));
    }
}
