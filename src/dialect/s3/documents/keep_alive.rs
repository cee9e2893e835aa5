//! Answers that take minutes: CompleteMultipartUpload and copies send white space until they know how they ended.
//!
//! The white space keeps connections alive on both sides, so it passes at once; the document itself can only be
//! rewritten when it is whole. The caller sees one declaration, then spaces, then the document. A failure at the
//! target becomes an error document of our own, as the status is long out; clients know that case. A document that
//! is not understood ends the body with an error: nobody can say whether the call succeeded.

use super::names::Names;
use super::rewrite::{Rewritten, rewrite};
use super::writer::Xml;
use super::{DocumentError, outward};
use crate::body::{Body, BodyError};
use crate::operation::Api;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Results are under 2 KiB.
const LIMIT: usize = 1 << 20;

/// The target's body of status 200, rewritten as [`super::rewrite_result`] does.
///
/// `request_id` is ours, for the error document.
pub(crate) fn keep_alive_rewrite(body: Body, api: Api, names: Names, request_id: String) -> Body {
    KeepAlive {
        inner: body,
        api,
        names,
        request_id,
        document: Vec::new(),
        state: State::Declaration,
    }
    .boxed_unsync()
}

struct KeepAlive {
    inner: Body,
    api: Api,
    names: Names,
    request_id: String,
    document: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Declaration,
    Gathering,
    Done,
}

impl KeepAlive {
    /// Takes in a frame of the target; gives what goes out for it at once.
    fn gather(&mut self, data: &[u8]) -> Result<Option<Bytes>, BodyError> {
        let blank = data.trim_ascii().is_empty();
        if blank && !self.in_root() {
            return Ok(Some(Bytes::from_static(b" ")));
        }
        if self.document.len() + data.len() > LIMIT {
            return Err(refused(DocumentError::TooMany(LIMIT)));
        }
        self.document.extend_from_slice(data);
        Ok(None)
    }

    /// Whether the root element began, so that white space may mean something.
    fn in_root(&self) -> bool {
        let so_far = self.document.trim_ascii();
        let declaration = so_far
            .windows(2)
            .position(|pair| pair == b"?>")
            .filter(|_| so_far.starts_with(b"<?xml"));
        match declaration {
            Some(end) => end + 2 != so_far.len(),
            None => !so_far.is_empty(),
        }
    }

    fn finish(&self) -> Result<Bytes, BodyError> {
        let rewritten = rewrite(Xml::fragment(), self.api, &self.document, &self.names);
        match rewritten.map_err(refused)? {
            Rewritten::Document(document) => Ok(document),
            Rewritten::Error { code, message } => {
                tracing::warn!(code, message, "the target failed after it had answered 200");
                let (code, message) = outward(&code);
                let mut xml = Xml::fragment();
                xml.open("Error");
                xml.element("Code", code);
                xml.element("Message", message);
                xml.element("RequestId", &self.request_id);
                xml.close("Error");
                Ok(xml.finish())
            }
        }
    }
}

fn refused(error: DocumentError) -> BodyError {
    BodyError::Target(error.into())
}

impl http_body::Body for KeepAlive {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let next = loop {
            match this.state {
                State::Declaration => {
                    this.state = State::Gathering;
                    break Some(Ok(Xml::document().finish()));
                }
                State::Done => break None,
                State::Gathering => {}
            }
            let step = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame.into_data().map_or(Ok(None), |data| this.gather(&data)),
                Some(Err(error)) => Err(error),
                None => {
                    this.state = State::Done;
                    this.finish().map(Some)
                }
            };
            match step {
                Ok(None) => {}
                Ok(Some(bytes)) => break Some(Ok(bytes)),
                Err(error) => {
                    this.state = State::Done;
                    break Some(Err(error));
                }
            }
        };
        Poll::Ready(next.map(|step| step.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::tests::names;
    use super::*;
    use crate::body::Frames;
    use std::future::poll_fn;

    /// What comes out, frame by frame; an error is `!`.
    async fn out(frames: &[&str]) -> Vec<String> {
        let frames = frames
            .iter()
            .map(|frame| Ok(Bytes::copy_from_slice(frame.as_bytes())));
        let mut body = keep_alive_rewrite(
            Frames::new(frames).boxed_unsync(),
            Api::CompleteMultipartUpload,
            names(Api::CompleteMultipartUpload, "", &[]),
            "REQ1".into(),
        );
        let mut seen = Vec::new();
        while let Some(frame) = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await {
            match frame {
                Ok(frame) => seen.push(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()),
                Err(_) => seen.push("!".into()),
            }
        }
        seen
    }

    const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    const ROOT: &str = "<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";

    #[tokio::test]
    async fn white_space_passes_at_once_and_the_document_when_it_is_whole() {
        let document = "<CompleteMultipartUploadResult><Location>x</Location><Bucket>x</Bucket><ETag>a";
        let expected = format!(
            "{ROOT}<Location>https://s3.tidegate.test/lake/a%20b/%C3%A4%2B%3Fc</Location><Bucket>lake</Bucket>\
             <ETag>a  b</ETag></CompleteMultipartUploadResult>"
        );
        assert_eq!(
            out(&[
                "\n",
                DECLARATION,
                " ",
                "\r\n  ",
                document,
                "  ",
                "b</ETag></CompleteMultipartUploadResult>"
            ])
            .await,
            [DECLARATION, " ", " ", " ", &expected]
        );
        assert_eq!(
            out(&[
                "<CompleteMultipartUploadResult>?>",
                " ",
                "</CompleteMultipartUploadResult>"
            ])
            .await,
            [
                DECLARATION,
                &format!("{ROOT}?&gt; </CompleteMultipartUploadResult>")
            ]
        );
    }

    // LEK-07
    #[tokio::test]
    async fn an_error_of_the_target_becomes_one_of_ours() {
        let check = |code: &str, expected: &str| {
            let frame =
                format!("<Error><Code>{code}</Code><Message>canary</Message><HostId>canary</HostId></Error>");
            let expected = format!("<Error><Code>{expected}</Code>");
            async move {
                let seen = out(&[" ", &frame]).await;
                assert_eq!(seen.len(), 3);
                assert!(
                    seen[2].starts_with(&expected)
                        && seen[2].ends_with("<RequestId>REQ1</RequestId></Error>")
                );
                assert!(!seen[2].contains("canary"));
            }
        };
        check("InternalError", "InternalError").await;
        check("NoSuchUpload", "NoSuchUpload").await;
        check("InvalidAccessKeyId", "InternalError").await;
    }

    #[tokio::test]
    async fn an_answer_that_is_not_understood_has_no_clean_end() {
        let large = "x".repeat(LIMIT + 1);
        for frames in [
            &["", " "][..],
            &["<html>"],
            &["<CompleteMultipartUploadResult>"],
            &[&large],
        ] {
            assert_eq!(out(frames).await.last().map(String::as_str), Some("!"));
        }
    }
}
