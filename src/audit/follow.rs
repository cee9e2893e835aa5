//! Follows a response to its last byte, because only then it is known what happened.

use super::record::EndReason;
use super::trail::Trail;
use crate::body::{Body, BodyError};
use bytes::Bytes;
use http::{Response, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll};

impl Trail {
    /// Ends the record with the last byte of `response`, with the error that breaks it off, or when it is dropped.
    pub fn follow(mut self, response: Response<Body>) -> Response<Body> {
        self.status(response.status().as_u16());
        let (parts, inner) = response.into_parts();
        // The server does not read these bodies, whatever they say about their length.
        let bodyless = self.method() == "HEAD" || matches!(parts.status.as_u16(), 100..=199 | 204 | 304);
        if bodyless || http_body::Body::is_end_stream(&inner) {
            self.end(EndReason::Complete, 0);
            return Response::from_parts(parts, inner);
        }
        let declared = parts.headers.get(header::CONTENT_LENGTH);
        let declared = declared
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        let expected = declared.or_else(|| http_body::Body::size_hint(&inner).exact());
        let body = Followed {
            inner,
            trail: self,
            sent: 0,
            expected,
        };
        Response::from_parts(parts, body.boxed_unsync())
    }
}

struct Followed {
    inner: Body,
    trail: Trail,
    sent: u64,
    /// The server stops reading at the declared length, without asking for the end.
    expected: Option<u64>,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.sent = this.sent.saturating_add(length as u64);
            }
            Poll::Ready(Some(Err(error))) => {
                let reason = match error {
                    BodyError::Caller(_) => EndReason::CallerWentAway,
                    BodyError::Target(_) => EndReason::TargetBrokeOff,
                    BodyError::Payload(_) => EndReason::PayloadRefused,
                    BodyError::Stalled(_) | BodyError::Late(_) => EndReason::Stalled,
                    BodyError::Overdue => EndReason::TooLong,
                };
                this.trail.cause(error);
                this.trail.end(reason, this.sent);
            }
            Poll::Ready(None) => {
                // An end before the declared length is none; the server resets the connection for it.
                let short = this.expected.is_some_and(|expected| this.sent < expected);
                let reason = if short {
                    EndReason::TargetBrokeOff
                } else {
                    EndReason::Complete
                };
                this.trail.end(reason, this.sent);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let complete = match self.expected {
            Some(expected) => self.sent >= expected,
            None => http_body::Body::is_end_stream(&self.inner),
        };
        let reason = if complete {
            EndReason::Complete
        } else if std::thread::panicking() {
            EndReason::Panic
        } else {
            EndReason::CallerWentAway
        };
        self.trail.end(reason, self.sent);
    }
}
