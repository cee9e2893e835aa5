//! Tests against scripted targets: what arrives there, and what must never look like an end.

mod target;
mod transfer_tests;
mod upload_tests;

use super::{Upstream, UpstreamError, UpstreamResponse};
use crate::{
    body::{self, Body, BodyError},
    config::Target,
    signing::SignedRequest,
};
use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::BodyExt;
use std::{sync::Arc, time::Duration};
use target::{End, Fake, Peer, target};
use tokio::sync::mpsc;

const LONG: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(60);

fn upstream(target: &Target) -> Upstream {
    Upstream::new(target, LONG).unwrap()
}

fn signed(target: &Arc<Target>, method: &str, length: Option<usize>, body: Body) -> SignedRequest {
    let mut request = Request::builder()
        .method(method)
        .uri("/bucket/key")
        .header("host", target.endpoint.authority());
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    SignedRequest::for_test(request.body(body).unwrap(), target.clone())
}

async fn get(upstream: &Upstream, target: &Arc<Target>) -> Result<UpstreamResponse, UpstreamError> {
    upstream.send(signed(target, "GET", None, body::empty())).await
}

/// Reads a body to its end, good or bad.
async fn read(mut body: Body) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(&frame?.into_data().expect("trailers are dropped"));
    }
    Ok(bytes)
}

/// A body that gives what is sent to it.
fn fed() -> (mpsc::UnboundedSender<Result<Bytes, BodyError>>, Body) {
    let (feed, mut source) = mpsc::unbounded_channel::<Result<Bytes, BodyError>>();
    let stream = FromFn(move |cx: &mut std::task::Context<'_>| source.poll_recv(cx));
    (feed, stream.boxed_unsync())
}

/// A body made of a poll function.
struct FromFn<F>(F);

impl<F> http_body::Body for FromFn<F>
where
    F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<Result<Bytes, BodyError>>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        (self.0)(cx).map(|frame| frame.map(|frame| frame.map(Frame::data)))
    }
}
