//! An upload in our own words: metadata as it was decided about, and the media as it comes.

use super::Boundary;
use crate::body::{Body, BodyError};
use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A body for a target, and what its head has to say of it.
pub(crate) struct Outgoing {
    /// `Content-Type`.
    pub(crate) content_type: String,
    /// `Content-Length`; without one the body goes out in chunks.
    pub(crate) length: Option<u64>,
    /// Fails where the media fails; then its end is never sent.
    pub(crate) body: Body,
}

/// Writes `metadata`, which is JSON, and `media` of the type `media_type` as `multipart/related`.
///
/// `None` without random bytes for a boundary.
///
/// INVARIANT: the closing boundary is given out only after the media has ended well, so a target that has half of it, or
/// media that did not verify, has no upload.
pub(crate) fn write_related(
    metadata: &[u8],
    media_type: Option<&HeaderValue>,
    media: Body,
) -> Option<Outgoing> {
    let boundary = Boundary::random()?;
    let boundary = boundary.as_str();
    let mut before = Vec::with_capacity(metadata.len() + 256);
    before.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
    before.extend_from_slice(b"Content-Type: application/json; charset=UTF-8\r\n\r\n");
    before.extend_from_slice(metadata);
    before.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
    if let Some(media_type) = media_type {
        before.extend_from_slice(b"Content-Type: ");
        before.extend_from_slice(media_type.as_bytes());
        before.extend_from_slice(b"\r\n");
    }
    before.extend_from_slice(b"\r\n");
    let body = Framed {
        before: Some(before.into()),
        media: Some(media),
        after: Some(format!("\r\n--{boundary}--\r\n").into()),
    };
    Some(Outgoing {
        content_type: format!("multipart/related; boundary={boundary}"),
        length: body.size_hint().exact(),
        body: body.boxed_unsync(),
    })
}

struct Framed {
    before: Option<Bytes>,
    /// `None` once it has ended, well or not.
    media: Option<Body>,
    after: Option<Bytes>,
}

impl http_body::Body for Framed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(before) = this.before.take() {
            return Poll::Ready(Some(Ok(Frame::data(before))));
        }
        while let Some(media) = this.media.as_mut() {
            match ready!(Pin::new(media).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers have no place between two boundaries.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                Some(Err(error)) => {
                    this.media = Some(failed());
                    this.after = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.media = None,
            }
        }
        Poll::Ready(this.after.take().map(|after| Ok(Frame::data(after))))
    }

    fn is_end_stream(&self) -> bool {
        self.before.is_none() && self.media.is_none() && self.after.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let bytes = |piece: &Option<Bytes>| piece.as_ref().map_or(0, |piece| piece.len() as u64);
        let around = bytes(&self.before).saturating_add(bytes(&self.after));
        let media = self
            .media
            .as_ref()
            .map_or(Some(0), |media| media.size_hint().exact());
        match media.and_then(|media| media.checked_add(around)) {
            Some(exact) => SizeHint::with_exact(exact),
            None => SizeHint::default(),
        }
    }
}

/// A failed body has no clean end, however often it is asked.
fn failed() -> Body {
    struct Failed;
    impl http_body::Body for Failed {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(Some(Err(crate::body::PayloadError::Incomplete.into())))
        }
    }
    Failed.boxed_unsync()
}
