//! How requests travel: TLS, HTTP/1.1 and HTTP/2, and the answers that come back.

use super::client::{Client, Payload, Signed};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{net::SocketAddr, sync::Arc};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first element with this name.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once("</").map(|(value, _)| value.to_owned())
    }

    pub fn code(&self) -> String {
        self.element("Code").unwrap_or_default()
    }

    /// Fails if this is not a refusal in S3's words, with this status and code.
    pub fn refused(&self, what: &str, status: u16, code: &str) {
        let found = (self.status, self.code());
        assert_eq!(found, (status, code.to_owned()), "{what}: {}", self.text());
        assert!(self.text().contains("<Error><Code>"), "{what}: {}", self.text());
        let id = self.header("x-amz-request-id");
        assert_eq!(self.element("RequestId").as_deref(), id, "{what}");
        assert!(self.element("Message").is_some_and(|m| !m.is_empty()), "{what}");
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Client {
    /// A TLS connection to `host`, for tests that speak bytes.
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_with(self.tls.clone()).await
    }

    async fn connect_with(&self, tls: Arc<rustls::ClientConfig>) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let host = self.host.split(':').next().unwrap().to_owned();
        let name = ServerName::try_from(host).unwrap();
        TlsConnector::from(tls).connect(name, stream).await.unwrap()
    }

    /// The certificate that a new connection is shown, in DER.
    pub async fn certificate(&self) -> Vec<u8> {
        let mut tls = (*self.tls).clone();
        // A resumed session shows none.
        tls.resumption = rustls::client::Resumption::disabled();
        let mut stream = self.connect_with(Arc::new(tls)).await;
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        let _ = stream.shutdown().await;
        shown
    }

    /// An HTTP/2 connection.
    pub async fn http2<B>(&self) -> SendRequest<B>
    where
        B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    {
        let mut tls = (*self.tls).clone();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let io = TokioIo::new(self.connect_with(Arc::new(tls)).await);
        let (sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Sends a request on an HTTP/2 connection.
    pub async fn send_http2(&self, sender: &mut SendRequest<Full<Bytes>>, request: Signed) -> Answer {
        self.try_send_http2(sender, request).await.expect("an answer")
    }

    /// Sends a request on an HTTP/2 connection; an error if no whole answer comes back.
    pub async fn try_send_http2(
        &self,
        sender: &mut SendRequest<Full<Bytes>>,
        mut request: Signed,
    ) -> Result<Answer, hyper::Error> {
        self.for_http2(&mut request);
        sender.ready().await.unwrap();
        read(sender.send_request(request.map(Full::new)).await?).await
    }

    /// Begins a download over HTTP/2: its head has come, its body not.
    pub async fn begin_get_http2(
        &self,
        sender: &mut SendRequest<Full<Bytes>>,
        mut request: Signed,
    ) -> http::Response<Incoming> {
        self.for_http2(&mut request);
        sender.send_request(request.map(Full::new)).await.unwrap()
    }

    /// Begins an upload over HTTP/2 that stands still after its first bytes. Aborting the task resets the stream.
    pub async fn begin_http2(&self, target: &str, length: u64, first: Vec<u8>) -> JoinHandle<()> {
        let mut request = self.sign("PUT", target, &[], b"", Payload::Unsigned);
        request.headers_mut().insert("content-length", length.into());
        self.for_http2(&mut request);
        let mut sender = self.http2().await;
        tokio::spawn(async move {
            let body = Standing(Some(first.into()));
            let _ = sender.send_request(request.map(|_| body)).await;
        })
    }

    /// Sends the head of a request over HTTP/2 and reads the answer, while the body never comes.
    pub async fn send_without_body_http2(&self, mut request: Signed) -> Answer {
        self.for_http2(&mut request);
        let mut sender = self.http2().await;
        let response = sender.send_request(request.map(|_| Standing(None))).await;
        read(response.unwrap()).await.expect("an answer")
    }

    fn for_http2(&self, request: &mut Signed) {
        request.headers_mut().remove("host");
        let uri = format!("https://{}{}", self.host, request.uri());
        *request.uri_mut() = uri.parse().unwrap();
    }

    /// Sends a request on a connection of its own.
    pub async fn send(&self, request: Signed) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    /// Sends a request; an error if no whole answer comes back.
    pub async fn try_send(&self, request: Signed) -> Result<Answer, hyper::Error> {
        self.transfer(request.map(Full::new)).await
    }

    /// Sends the body in pieces of `size` bytes and with `Transfer-Encoding: chunked`.
    pub async fn send_in_pieces(&self, request: Signed, size: usize) -> Answer {
        let pieces = request.body().chunks(size).map(Bytes::copy_from_slice).collect();
        let answer = self.transfer(request.map(|_| Pieces(pieces))).await;
        answer.expect("an answer")
    }

    async fn transfer<B>(&self, mut request: Request<B>) -> Result<Answer, hyper::Error>
    where
        B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(self.connect().await)).await?;
        tokio::spawn(connection);
        if request.body().size_hint().exact() == Some(0)
            && matches!(request.method().as_str(), "PUT" | "POST")
        {
            request.headers_mut().insert("content-length", 0.into());
        }
        let response = sender.send_request(request).await?;
        read(response).await
    }
}

/// Reads an answer to its end.
pub async fn read(response: http::Response<Incoming>) -> Result<Answer, hyper::Error> {
    let (parts, body) = response.into_parts();
    #[allow(clippy::disallowed_methods, reason = "answers in tests are small")]
    let body = body.collect().await?.to_bytes();
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    })
}

/// A body of which nobody knows the size.
struct Pieces(VecDeque<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// A body that gives its first bytes and stands still.
struct Standing(Option<Bytes>);

impl http_body::Body for Standing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Poll::Pending,
        }
    }
}

/// GET without TLS, for the admin listener.
pub async fn plain_get(address: SocketAddr, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", address.to_string())
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    #[allow(clippy::disallowed_methods, reason = "health and metrics are small")]
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}
