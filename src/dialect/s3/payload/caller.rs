//! Where a payload comes from.

use super::BrokenOff;
use crate::body::BodyError;
use crate::dialect::s3::form::File;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A caller's body, as far as it is payload.
pub(crate) enum CallerBody {
    /// The body of the request.
    Request(Incoming),
    /// The file of a form, which is a part of one.
    File(Box<File<Incoming>>),
}

impl Body for CallerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Request(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map(|frame| frame.map(|frame| frame.map_err(BrokenOff::into_body_error)))
            }
            Self::File(file) => Pin::new(&mut **file).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Request(body) => body.is_end_stream(),
            Self::File(file) => file.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Request(body) => body.size_hint(),
            Self::File(file) => file.size_hint(),
        }
    }
}
