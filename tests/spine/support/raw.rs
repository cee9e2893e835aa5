//! Bytes instead of requests: for what no HTTP client would send, and for connections that end too early.

use super::client::{Answer, Client, Signed};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub type Stream = TlsStream<TcpStream>;

/// The head of a request as it goes over HTTP/1.1, with more header lines if wanted.
pub fn head(request: &Signed, more: &str) -> Vec<u8> {
    let target = request.uri().path_and_query().unwrap();
    let mut head = format!("{} {target} HTTP/1.1\r\n", request.method()).into_bytes();
    for (name, value) in request.headers() {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(more.as_bytes());
    head.extend(b"\r\n");
    head
}

/// Reads one answer: the head, and the body that `content-length` announces.
///
/// `None` if the connection ends before that.
pub async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> Option<Answer> {
    let mut answer = answer_head(stream).await?;
    let length = answer.header("content-length").and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    answer.body = body.into();
    Some(answer)
}

/// Reads the head of an answer.
pub async fn answer_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).expect("an ASCII head");
    let mut lines = text.trim_end().lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    Some(Answer {
        status,
        headers,
        body: Bytes::new(),
    })
}

impl Client {
    /// Sends bytes as they are on a connection of their own and reads the answer.
    pub async fn exchange(&self, bytes: &[u8]) -> Answer {
        answer(&mut self.say(bytes).await).await.expect("an answer")
    }

    /// Like [`Client::exchange`], for answers without a body.
    pub async fn exchange_head(&self, bytes: &[u8]) -> Answer {
        answer_head(&mut self.say(bytes).await).await.expect("an answer")
    }

    /// Sends bytes as they are on a connection of their own.
    pub async fn say(&self, bytes: &[u8]) -> Stream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        stream
    }
}
