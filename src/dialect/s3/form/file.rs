//! The file of a form: as many bytes as there are between the head and the closing boundary.
//!
//! Nobody says how long the file is: its length is the request's less everything around it. A target must be told
//! before the first byte, so the end is assumed, and proved when it comes: until then the payload room withholds the
//! last byte, and a body that ends in another way never becomes an object. A small form is read whole first, and then
//! nothing is assumed.

use super::super::payload::{self, BrokenOff, next_frame};
use super::boundary::Delimiter;
use crate::body::{BodyError, PayloadError};
use crate::dialect::multipart::Search;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// What is read whole: about what one read of a connection gives anyway.
const SMALL: u64 = 64 << 10;

/// The file, and after it the closing boundary, which is not given out.
pub(crate) struct File<B> {
    /// `None` once everything of it was read.
    inner: Option<B>,
    /// What came already.
    pieces: VecDeque<Bytes>,
    /// Bytes that are still to come of the whole body, `pieces` included.
    left: u64,
    delimiter: Delimiter,
    search: Search,
    /// What must follow the file.
    closing: Box<[u8]>,
    closed: usize,
    /// Bytes of the file that are still to be given out.
    file: u64,
}

impl<B: payload::Incoming> File<B> {
    /// The rest of a body of which `left` bytes remain, `first` among them.
    ///
    /// # Errors
    /// [`PayloadError::Form`] if there is no room for a closing boundary.
    pub(super) fn new(
        inner: B,
        first: [Bytes; 2],
        left: u64,
        delimiter: Delimiter,
    ) -> Result<Self, PayloadError> {
        let closing = delimiter.closing();
        // Without the line end behind it, which is read as far as it is there.
        let least = closing.len().saturating_sub(2) as u64;
        if left < least {
            return Err(UNCLOSED);
        }
        Ok(Self {
            inner: Some(inner),
            pieces: first.into_iter().filter(|piece| !piece.is_empty()).collect(),
            left,
            delimiter,
            search: Search::default(),
            file: left.saturating_sub(closing.len() as u64),
            closing,
            closed: 0,
        })
    }

    /// Bytes of the file. Right for small forms once [`File::settle`] was called, else as its end will prove.
    pub(crate) fn length(&self) -> u64 {
        self.file
    }

    /// Reads a small form whole, so that its end and with it its length are known before anything is sent.
    ///
    /// # Errors
    /// [`BodyError`] if it breaks off, stands still for longer than `stall`, or does not end in its closing boundary.
    pub(crate) async fn settle(&mut self, stall: Duration) -> Result<(), BodyError> {
        if self.left > SMALL {
            return Ok(());
        }
        let mut whole = BytesMut::new();
        for piece in self.pieces.drain(..) {
            whole.extend_from_slice(&piece);
        }
        if let Some(mut inner) = self.inner.take() {
            while let Some(frame) = next_frame(&mut inner, stall).await? {
                if (whole.len() + frame.len()) as u64 > self.left {
                    return Err(PayloadError::Incomplete.into());
                }
                whole.extend_from_slice(&frame);
            }
        }
        if whole.len() as u64 != self.left {
            return Err(PayloadError::Incomplete.into());
        }
        // The line end behind the last boundary is not part of it, and some clients leave it out.
        let bare = self
            .closing
            .get(..self.closing.len().saturating_sub(2))
            .unwrap_or_default();
        let end = [&*self.closing, bare]
            .into_iter()
            .find(|end| whole.ends_with(end))
            .ok_or(UNCLOSED)?;
        whole.truncate(whole.len() - end.len());
        if self.search.end_in(&whole, self.delimiter.bytes()).is_some() {
            return Err(FOLLOWED.into());
        }
        self.search = Search::default();
        self.file = whole.len() as u64;
        self.closing = Box::default();
        self.pieces.push_back(whole.freeze());
        Ok(())
    }

    /// The next piece of the file out of `piece`, of which the rest stays; `None` if it was of the closing boundary.
    fn sift(&mut self, mut piece: Bytes) -> Result<Option<Bytes>, PayloadError> {
        if self.file > 0 {
            let length = usize::try_from(self.file).map_or(piece.len(), |file| file.min(piece.len()));
            let data = piece.split_to(length);
            if !piece.is_empty() {
                self.pieces.push_front(piece);
            }
            self.file -= length as u64;
            // A file that holds its own boundary is two parts to any other reader.
            if self.search.end_in(&data, self.delimiter.bytes()).is_some() {
                return Err(FOLLOWED);
            }
            return Ok(Some(data));
        }
        let end = self.closed.saturating_add(piece.len());
        match self.closing.get(self.closed..end) {
            Some(expected) if *expected == *piece => {
                self.closed = end;
                Ok(None)
            }
            _ => Err(UNCLOSED),
        }
    }
}

impl<B: payload::Incoming> Body for File<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            let piece = match this.pieces.pop_front() {
                Some(piece) => piece,
                None => match this.inner.as_mut().map(|inner| Pin::new(inner).poll_frame(cx)) {
                    Some(Poll::Pending) => return Poll::Pending,
                    Some(Poll::Ready(Some(Ok(frame)))) => frame.into_data().unwrap_or_default(),
                    Some(Poll::Ready(Some(Err(error)))) => {
                        return Poll::Ready(Some(Err(error.into_body_error())));
                    }
                    Some(Poll::Ready(None)) | None => {
                        this.inner = None;
                        // INVARIANT: no clean end without the closing boundary.
                        let whole = this.file == 0 && this.closed == this.closing.len();
                        return Poll::Ready((!whole).then(|| Err(UNCLOSED.into())));
                    }
                },
            };
            if piece.is_empty() {
                continue;
            }
            match this.sift(piece) {
                Ok(None) => {}
                Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }
}

const UNCLOSED: PayloadError = PayloadError::Form(
    "the file is not followed by the closing boundary, two dashes and a line end, and nothing else",
);
const FOLLOWED: PayloadError = PayloadError::Form("the file is not the last part");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Frames;
    use http_body_util::BodyExt;

    async fn read(body: &[u8], size: usize, settle: bool) -> Result<Vec<u8>, BodyError> {
        let delimiter = Delimiter::of("multipart/form-data; boundary=b").unwrap();
        let mut frames: VecDeque<Bytes> = body.chunks(size).map(Bytes::copy_from_slice).collect();
        let first = [
            frames.pop_front().unwrap_or_default(),
            frames.pop_front().unwrap_or_default(),
        ];
        let mut file = File::new(
            Frames::new(frames.into_iter().map(Ok)),
            first,
            body.len() as u64,
            delimiter,
        )?;
        if settle {
            file.settle(Duration::from_secs(60)).await?;
        }
        let (length, mut seen) = (file.length(), Vec::new());
        while let Some(frame) = file.frame().await {
            seen.extend_from_slice(&frame?.into_data().unwrap());
        }
        assert_eq!(seen.len() as u64, length);
        Ok(seen)
    }

    fn reason(outcome: Result<Vec<u8>, BodyError>) -> Option<PayloadError> {
        match outcome {
            Ok(_) => None,
            Err(BodyError::Payload(error)) => Some(error),
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn a_file_ends_before_its_closing_boundary_at_every_split() {
        for content in [
            "",
            "a",
            "content\r\n",
            "\r\n--\r\n-",
            "a\r\n--c--\r\n",
            "\r\n--",
            "\r",
        ] {
            let body = format!("{content}\r\n--b--\r\n");
            for size in 1..=body.len() {
                for settle in [false, true] {
                    let read = read(body.as_bytes(), size, settle).await.unwrap();
                    assert_eq!(read, content.as_bytes(), "by {size}, {settle}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_small_form_may_end_without_a_line_end() {
        for content in ["", "a", "content\r\n"] {
            let body = format!("{content}\r\n--b--");
            for size in 1..=body.len() {
                assert_eq!(
                    read(body.as_bytes(), size, true).await.unwrap(),
                    content.as_bytes()
                );
                // Of a large one it cannot be known in time.
                if body.len() >= 9 {
                    assert!(read(body.as_bytes(), size, false).await.is_err(), "{content}");
                }
            }
        }
    }

    // AUZ-14
    #[tokio::test]
    async fn nothing_may_follow_the_file_and_nothing_may_be_missing() {
        for body in [
            "content",
            "content\r\n--b",
            "content\r\n--b\r\n",
            "content\r\n--c--\r\n",
            "content\n--b--\r\n",
            "content\r\n--b--\n\n",
            "content\r\n--b--\r\n\r\n",
            "content\r\n--b--\r\nepilogue",
            "content\r\n--b--\r\n\r\n--b--\r\n",
            "content\r\n--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nother\r\n--b--\r\n",
            "content\r\n--bb--\r\n",
            "\r\n--b\r\n--b--\r\n",
        ] {
            for size in [1, 2, 3, 7, 1 << 20] {
                for settle in [false, true] {
                    let error = reason(read(body.as_bytes(), size, settle).await);
                    assert!(
                        matches!(error, Some(PayloadError::Form(_))),
                        "{body} by {size}: {error:?}"
                    );
                }
            }
        }
    }
}
