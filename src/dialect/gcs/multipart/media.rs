//! The media of an upload: the bytes of the second part, up to the closing boundary, which is not given out.
//!
//! How long the media is cannot be told before its end, because clients differ in what they write behind the last
//! boundary. So the length is unknown unless the whole is small, or the part says it itself; and what a part says is
//! held against what comes.

use super::opening::MORE_THAN_BOUNDARY;
use crate::body::{BodyError, PayloadError};
use crate::dialect::multipart::Search;
use crate::dialect::s3::payload::{self, BrokenOff, next_frame};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// What is read whole: about what one read of a connection gives anyway.
const SMALL: u64 = 64 << 10;
/// Bytes of blank lines behind the closing boundary.
const EPILOGUE_LIMIT: usize = 1 << 10;

/// The media of one upload.
pub(crate) struct Media<B> {
    /// `None` once everything of it was read.
    inner: Option<B>,
    delimiter: Bytes,
    search: Search,
    at: At,
    /// Media that was found and not given out yet.
    ready: VecDeque<Bytes>,
    /// Bytes found so far.
    found: u64,
    /// Bytes given out so far.
    given: u64,
    length: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Content,
    /// Behind the delimiter: so many of the two dashes came.
    Closing(u8),
    /// Behind the closing boundary: so many bytes came.
    Epilogue(usize),
    Failed,
}

impl<B: payload::Incoming> Media<B> {
    /// The rest of a body, in which `delimiter` ends the media. `length` is what the part says of itself.
    pub(super) fn new(inner: B, delimiter: Bytes, length: Option<u64>) -> Result<Self, PayloadError> {
        if delimiter.is_empty() {
            return Err(UNCLOSED);
        }
        Ok(Self {
            inner: Some(inner),
            delimiter,
            search: Search::default(),
            at: At::Content,
            ready: VecDeque::new(),
            found: 0,
            given: 0,
            length,
        })
    }

    /// Bytes of the whole media, if they are known before its end. If they are not as many, the body fails.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Takes the next piece of the body.
    pub(super) fn feed(&mut self, mut piece: Bytes) -> Result<(), PayloadError> {
        if self.at == At::Content {
            let before = self.search.pending();
            match self.search.end_in(&piece, &self.delimiter) {
                Some(end) => {
                    let rest = piece.split_off(end);
                    // Else it began in what was kept back, which was all of it.
                    if let Some(begin) = end.checked_sub(self.delimiter.len()) {
                        piece.truncate(begin);
                        self.give(self.delimiter.slice(..before))?;
                        self.give(piece)?;
                    }
                    self.at = At::Closing(0);
                    piece = rest;
                }
                None => {
                    let kept = self.search.pending();
                    // Else what was kept back goes on in this piece, to its end.
                    if let Some(sure) = piece.len().checked_sub(kept) {
                        piece.truncate(sure);
                        self.give(self.delimiter.slice(..before))?;
                        self.give(piece)?;
                    }
                    return Ok(());
                }
            }
        }
        for byte in piece {
            self.at = match (self.at, byte) {
                (At::Closing(0), b'-') => At::Closing(1),
                (At::Closing(1), b'-') => At::Epilogue(0),
                (At::Closing(0), b' ' | b'\t' | b'\r' | b'\n') => return Err(THIRD),
                (At::Closing(_), _) => return Err(MORE_THAN_BOUNDARY),
                (At::Epilogue(length), b' ' | b'\t' | b'\r' | b'\n') if length < EPILOGUE_LIMIT => {
                    At::Epilogue(length + 1)
                }
                (At::Epilogue(_), _) => {
                    return Err(PayloadError::Multipart(
                        "there is something behind its closing boundary",
                    ));
                }
                (At::Content | At::Failed, _) => return Err(UNCLOSED),
            };
        }
        Ok(())
    }

    /// Reads media whole that ends soon, so that its end and with it its length are known before anything is sent.
    pub(super) async fn settle(&mut self, stall: Duration) -> Result<(), BodyError> {
        let mut whole = BytesMut::new();
        loop {
            while let Some(piece) = self.ready.pop_front() {
                whole.extend_from_slice(&piece);
            }
            let Some(inner) = self.inner.as_mut().filter(|_| self.found <= SMALL) else {
                break;
            };
            match next_frame(inner, stall).await? {
                Some(frame) => self.feed(frame)?,
                None => {
                    self.inner = None;
                    self.end()?;
                    self.length = Some(self.found);
                }
            }
        }
        self.ready
            .extend(Some(whole.freeze()).filter(|whole| !whole.is_empty()));
        Ok(())
    }

    fn give(&mut self, bytes: Bytes) -> Result<(), PayloadError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.found = self.found.saturating_add(bytes.len() as u64);
        if self.length.is_some_and(|length| self.found > length) {
            return Err(OTHER_LENGTH);
        }
        self.ready.push_back(bytes);
        Ok(())
    }

    /// Judges the end of the body.
    fn end(&self) -> Result<(), PayloadError> {
        // INVARIANT: no clean end without the closing boundary.
        match self.at {
            At::Epilogue(_) if self.length.is_none_or(|length| length == self.found) => Ok(()),
            At::Epilogue(_) => Err(OTHER_LENGTH),
            At::Content | At::Closing(_) | At::Failed => Err(UNCLOSED),
        }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.at = At::Failed;
        self.inner = None;
        self.ready.clear();
        Poll::Ready(Some(Err(error)))
    }
}

impl<B: payload::Incoming> Body for Media<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            if let Some(piece) = this.ready.pop_front() {
                this.given = this.given.saturating_add(piece.len() as u64);
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let Some(inner) = this.inner.as_mut() else {
                return match this.end() {
                    Ok(()) => Poll::Ready(None),
                    Err(error) => this.fail(error.into()),
                };
            };
            match Pin::new(inner).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => this.inner = None,
                Poll::Ready(Some(Err(error))) => return this.fail(error.into_body_error()),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Err(error) = this.feed(frame.into_data().unwrap_or_default()) {
                        return this.fail(error.into());
                    }
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Some(length) => SizeHint::with_exact(length.saturating_sub(self.given)),
            None => SizeHint::default(),
        }
    }
}

const UNCLOSED: PayloadError = PayloadError::Multipart("it does not end with its closing boundary");
const THIRD: PayloadError = PayloadError::Multipart("it has more than two parts");
const OTHER_LENGTH: PayloadError = PayloadError::Multipart("the second part has another length than it says");
