//! A target may answer and close before it has read all of an upload: "no room", "not this version".
//!
//! Writing then fails while the answer waits to be read, and hyper gives a connection up as soon as writing fails. So a
//! failed write only ends the writing: what the target said before is heard, and the failure is told where the answer
//! would have ended or where there is none. Nothing hangs on it: the peer is gone, and `send` has its time limits.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads on where writing failed.
#[derive(Debug)]
pub(super) struct Hearing<T> {
    io: T,
    failure: Arc<WriteFailure>,
}

/// How writing to a connection failed, if it did.
#[derive(Debug, Default)]
pub(super) struct WriteFailure(OnceLock<io::ErrorKind>);

impl WriteFailure {
    /// Whether not all that was written has left, whatever comes back.
    pub(super) fn is_known(&self) -> bool {
        self.0.get().is_some()
    }

    fn error(&self) -> Option<io::Error> {
        self.0.get().map(|kind| (*kind).into())
    }
}

impl<T> Hearing<T> {
    pub(super) fn new(io: T) -> Self {
        Self {
            io,
            failure: Arc::default(),
        }
    }

    /// What becomes known of writing.
    pub(super) fn failure(&self) -> Arc<WriteFailure> {
        self.failure.clone()
    }

    pub(super) fn into_inner(self) -> T {
        self.io
    }
}

impl<T: AsyncWrite + Unpin> Hearing<T> {
    /// Writes with `write` for as long as that works.
    fn write<R>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if self.failure.is_known() {
            return Poll::Pending;
        }
        let written = ready!(write(Pin::new(&mut self.io), cx));
        let Err(error) = written else {
            return Poll::Ready(written);
        };
        let _ = self.failure.0.set(error.kind());
        // hyper looked for an answer before it wrote: it looks once more.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Hearing<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, out));
        let ended = read.is_err() || (out.filled().len() == before && out.remaining() > 0);
        // INVARIANT: behind a failed write no end is a good one.
        match self.failure.error() {
            Some(error) if ended => Poll::Ready(Err(error)),
            Some(_) | None => Poll::Ready(read),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Hearing<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, |io, cx| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |io, cx| io.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(cx, T::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.failure.error() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.io).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, StatusCode};
    use http_body_util::{BodyExt, Full};
    use hyper::{body::Bytes, client::conn::http1};
    use hyper_util::rt::TokioIo;

    /// A peer that answered and went away: whatever is written is refused, and then its answer can be read.
    struct Gone {
        answer: &'static [u8],
        refused: bool,
    }

    impl AsyncRead for Gone {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if !self.refused {
                return Poll::Pending;
            }
            let (now, later) = self.answer.split_at(self.answer.len().min(out.remaining()));
            out.put_slice(now);
            self.answer = later;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Gone {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            self.refused = true;
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Status of what is heard of `answer`, and its body if that is whole; or why there is none.
    async fn heard(answer: &'static str) -> Result<(StatusCode, Option<Vec<u8>>), hyper::Error> {
        let gone = Gone {
            answer: answer.as_bytes(),
            refused: false,
        };
        let (mut sender, wire) = http1::handshake(TokioIo::new(Hearing::new(gone))).await?;
        tokio::spawn(wire);
        let upload = Request::put("/o")
            .header("host", "h")
            .body(Full::<Bytes>::from("bytes"));
        let (head, mut body) = sender.send_request(upload.unwrap()).await?.into_parts();
        let mut whole = Some(Vec::new());
        while let Some(frame) = body.frame().await {
            match (frame, &mut whole) {
                (Ok(frame), Some(bytes)) => bytes.extend_from_slice(&frame.into_data().unwrap()),
                (_, whole) => *whole = None,
            }
        }
        Ok((head.status, whole))
    }

    // FLW-04
    #[tokio::test]
    async fn an_answer_is_heard_although_writing_failed() {
        let (status, body) = heard("HTTP/1.1 412 No\r\ncontent-length: 4\r\n\r\nbody")
            .await
            .unwrap();
        assert_eq!(
            (status, body.as_deref()),
            (StatusCode::PRECONDITION_FAILED, Some(&b"body"[..]))
        );
    }

    // FLW-02
    #[tokio::test]
    async fn behind_a_failed_write_no_end_is_a_good_one() {
        for (answer, what) in [
            (
                "HTTP/1.1 412 No\r\nconnection: close\r\n\r\nbody",
                "an end that may be a reset",
            ),
            (
                "HTTP/1.1 412 No\r\ncontent-length: 9\r\n\r\nbody",
                "a body cut short",
            ),
        ] {
            let (status, body) = heard(answer).await.unwrap();
            assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{what}");
            assert!(body.is_none(), "{what}: {body:?}");
        }
        for (answer, what) in [("", "no answer"), ("HTTP/1.1 412 No\r\n", "half a head")] {
            assert!(heard(answer).await.is_err(), "{what}");
        }
    }
}
