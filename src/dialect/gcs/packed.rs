//! Bodies that come compressed. The Java libraries send documents so, and uploads of one request, unless they are told not to.
//!
//! The hazard is a small body that is a large one: what is unpacked comes out a little at a time, and whoever reads it
//! counts that. Data behind the end, a wrong sum or a missing end fail the body.
//!
//! How small it was is not asked: gzip gets a thousandth out of honest tables, too. Documents have their limit in bytes as
//! they come out. The bytes of an object stream, and each costs what it costs unpacked, in a target that the caller may fill:
//! nothing is held but one bite's yield, and what is not unpacked yet is not moved.

use crate::body::{BodyError, PayloadError};
use crate::dialect::s3::payload::{BrokenOff as _, Incoming};
use bytes::{Buf as _, Bytes};
use flate2::write::GzDecoder;
use http_body::{Body, Frame, SizeHint};
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How much is unpacked in one go: it becomes a thousand times as much at most.
const BITE: usize = 1 << 10;

/// A body as it is meant, whether or not it comes compressed.
pub(crate) struct Unpacked<B> {
    inner: B,
    state: State,
}

enum State {
    Plain,
    Packed {
        decoder: Box<GzDecoder<Vec<u8>>>,
        /// What came and is not unpacked yet.
        rest: Bytes,
        /// Whether anything came: of nothing, nothing is packed.
        began: bool,
    },
    Ended,
    Failed,
}

impl<B: Incoming> Unpacked<B> {
    /// `packed` is whether the body says that it is compressed.
    pub(crate) fn new(inner: B, packed: bool) -> Self {
        let state = match packed {
            false => State::Plain,
            true => State::Packed {
                decoder: Box::new(GzDecoder::new(Vec::new())),
                rest: Bytes::new(),
                began: false,
            },
        };
        Self { inner, state }
    }
}

/// Takes a bite; what comes of it.
fn unpack(decoder: &mut GzDecoder<Vec<u8>>, rest: &mut Bytes) -> Result<Vec<u8>, PayloadError> {
    let bite = rest.get(..rest.len().min(BITE)).unwrap_or_default();
    // It takes everything up to the end of the compressed data, and nothing that is behind that.
    let taken = decoder.write(bite).map_err(|_| BROKEN)?;
    if taken == 0 {
        return Err(BROKEN);
    }
    rest.advance(taken);
    Ok(std::mem::take(decoder.get_mut()))
}

impl<B: Incoming> Body for Unpacked<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            let (decoder, rest, began) = match &mut this.state {
                State::Plain => {
                    let frame = Pin::new(&mut this.inner).poll_frame(cx);
                    return frame
                        .map(|frame| frame.map(|frame| frame.map_err(|error| error.into_body_error())));
                }
                State::Packed { decoder, rest, began } => (decoder, rest, began),
                State::Ended => return Poll::Ready(None),
                State::Failed => return Poll::Ready(Some(Err(BROKEN.into()))),
            };
            if !rest.is_empty() {
                *began = true;
                match unpack(decoder, rest) {
                    Ok(data) if data.is_empty() => continue,
                    Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data.into())))),
                    Err(error) => {
                        this.state = State::Failed;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                }
            }
            match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => *rest = frame.into_data().unwrap_or_default(),
                Poll::Ready(Some(Err(error))) => {
                    this.state = State::Failed;
                    return Poll::Ready(Some(Err(error.into_body_error())));
                }
                Poll::Ready(None) => {
                    let ended = !*began || decoder.try_finish().is_ok();
                    let last = std::mem::take(decoder.get_mut());
                    if !ended {
                        this.state = State::Failed;
                        return Poll::Ready(Some(Err(BROKEN.into())));
                    }
                    this.state = State::Ended;
                    if !last.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(last.into()))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.state {
            State::Plain => self.inner.is_end_stream(),
            State::Ended => true,
            State::Packed { .. } | State::Failed => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Plain => self.inner.size_hint(),
            State::Packed { .. } | State::Failed => SizeHint::default(),
            State::Ended => SizeHint::with_exact(0),
        }
    }
}

const BROKEN: PayloadError = PayloadError::Packed;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Frames;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http_body_util::BodyExt as _;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn read(bytes: &[u8], size: usize, is_packed: bool) -> Result<Vec<u8>, BodyError> {
        let (mut body, mut seen) = (Unpacked::new(Frames::cut(bytes, size), is_packed), Vec::new());
        while let Some(frame) = body.frame().await {
            let data = frame?.into_data().unwrap();
            assert!(data.len() <= 2 << 20, "{}", data.len());
            seen.extend_from_slice(&data);
        }
        Ok(seen)
    }

    #[tokio::test]
    async fn what_was_packed_comes_out_as_it_was() {
        let noise: Vec<u8> = (0..200_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for bytes in [&b""[..], b"hello", &[7; 5_000_000], &noise] {
            let packed = packed(bytes);
            for size in [1 << 20, 1000, 7] {
                assert_eq!(read(&packed, size, true).await.unwrap(), bytes);
            }
            assert_eq!(read(&packed, 1000, false).await.unwrap(), packed);
        }
        assert_eq!(read(b"", 1, true).await.unwrap(), b"");
    }

    // LIM-07
    #[test]
    fn what_is_not_unpacked_yet_stays_where_it_is() {
        let whole = Bytes::from(packed(&vec![7; 20_000_000]));
        let (mut rest, mut seen) = (whole.clone(), 0);
        let mut decoder = GzDecoder::new(Vec::new());
        while !rest.is_empty() {
            let before = rest.len();
            let data = unpack(&mut decoder, &mut rest).unwrap();
            // Far less than a bite makes a frame of it: what that leaves would be copied a thousand times over.
            assert!(
                data.len() <= 64 << 10 && before - rest.len() <= BITE,
                "{}",
                data.len()
            );
            seen += data.len();
            let place = whole.as_ptr() as usize + whole.len() - rest.len();
            assert!(rest.is_empty() || rest.as_ptr() as usize == place);
        }
        decoder.try_finish().unwrap();
        assert_eq!(seen + decoder.get_ref().len(), 20_000_000);
    }

    // FLW-02
    #[tokio::test]
    async fn what_is_broken_has_no_end() {
        let whole = packed(b"some bytes that are packed");
        let mut wrong = whole.clone();
        let sum = wrong.len() - 8;
        wrong[sum] ^= 1;
        for broken in [
            &whole[..whole.len() - 1],
            &whole[..12],
            &whole[..3],
            &wrong,
            b"not packed at all, of which there is some more",
            &[&whole[..], b"more"].concat(),
            &[&whole[..], &whole[..]].concat(),
        ] {
            for size in [1, 5, 1000] {
                let error = read(broken, size, true).await.unwrap_err();
                assert!(
                    matches!(error, BodyError::Payload(PayloadError::Packed)),
                    "{error:?}"
                );
            }
        }
    }
}
