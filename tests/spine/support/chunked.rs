//! Uploads in `aws-chunked`, signed by an independent signer and kept in pieces, so that tests can break each.

use super::client::{Client, Payload, Signed};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::SigningSettings,
    sign::v4::{SigningParams, sign_chunk, sign_trailer},
};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::http::Headers;
use bytes::Bytes;
use jiff::civil::DateTime;

pub const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
pub const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
pub const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

/// What is to be uploaded, and how.
#[derive(Clone, Copy)]
pub struct Stream<'a> {
    /// `x-amz-content-sha256`.
    pub mode: &'static str,
    /// A trailer header and its value.
    pub trailer: Option<(&'static str, &'a str)>,
    /// `x-amz-decoded-content-length`, if it is not the sum of the chunks.
    pub length: Option<&'a str>,
    pub headers: &'a [(&'a str, &'a str)],
}

impl Stream<'static> {
    /// A stream in `mode`, with a right CRC-32 of `123456789` in the trailer if the mode has one.
    pub fn of(mode: &'static str) -> Self {
        Self {
            mode,
            trailer: mode
                .ends_with("TRAILER")
                .then_some(("x-amz-checksum-crc32", "y/Q5Jg==")),
            length: None,
            headers: &[],
        }
    }
}

/// A signed upload: its head, each chunk with its framing, and the end.
#[derive(Clone)]
pub struct Chunked {
    pub head: Signed,
    pub chunks: Vec<Vec<u8>>,
    /// `0` with its signature, and the trailer.
    pub end: Vec<u8>,
}

impl Chunked {
    /// The request with its whole body.
    pub fn request(self) -> Signed {
        let mut body = self.chunks.concat();
        body.extend(self.end);
        self.head.map(|_| Bytes::from(body))
    }

    /// Another chunk in the place of one.
    pub fn chunk(mut self, at: usize, chunk: &[u8]) -> Self {
        self.chunks[at] = chunk.to_vec();
        self
    }

    /// Another end.
    pub fn ending(mut self, end: &[u8]) -> Self {
        self.end = end.to_vec();
        self
    }

    /// Another text in the place of one that must be there.
    pub fn replaced(mut self, from: &str, to: &str) -> Self {
        let mut found = false;
        for piece in self.chunks.iter_mut().chain([&mut self.end]) {
            let text = String::from_utf8(std::mem::take(piece)).unwrap();
            found |= text.contains(from);
            *piece = text.replace(from, to).into_bytes();
        }
        assert!(found, "`{from}` is not in the stream");
        self
    }
}

impl Client {
    /// Signs an upload of `chunks`.
    pub fn stream(&self, method: &str, target: &str, stream: Stream<'_>, chunks: &[&[u8]]) -> Chunked {
        let length: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        let length = stream.length.map_or_else(|| length.to_string(), str::to_owned);
        let mut headers = vec![("content-encoding", "aws-chunked")];
        if !length.is_empty() {
            headers.push(("x-amz-decoded-content-length", &length));
        }
        headers.extend(stream.trailer.map(|(name, _)| ("x-amz-trailer", name)));
        headers.extend_from_slice(stream.headers);
        let head = self.sign(method, target, &headers, b"", Payload::Named(stream.mode));
        let mut chain = Chain::new(self, &head);
        let signed = stream.mode.starts_with("STREAMING-AWS4");
        let mut line = |data: &[u8]| match signed {
            true => format!("{:x};chunk-signature={}\r\n", data.len(), chain.chunk(data)),
            false => format!("{:x}\r\n", data.len()),
        };
        let framed = |data: &&[u8]| [line(data).as_bytes(), data, b"\r\n"].concat();
        let chunks = chunks.iter().map(framed).collect();
        let mut end = line(b"");
        if let Some((name, value)) = stream.trailer {
            end += &format!("{name}:{value}\r\n");
            if signed {
                end += &format!("x-amz-trailer-signature:{}\r\n", chain.trailer(name, value));
            }
        }
        end += "\r\n";
        Chunked {
            head,
            chunks,
            end: end.into_bytes(),
        }
    }
}

/// The signatures of a stream, each of which covers the one before.
struct Chain {
    identity: Identity,
    region: &'static str,
    service: &'static str,
    time: DateTime,
    last: String,
}

impl Chain {
    fn new(client: &Client, head: &Signed) -> Self {
        let keys = client.keys.clone().expect("a client with keys");
        let text = |name: &str| head.headers()[name].to_str().unwrap();
        Self {
            identity: Credentials::new(keys.access_key_id, keys.secret_access_key, None, None, "test").into(),
            region: client.region,
            service: client.service,
            time: DateTime::strptime("%Y%m%dT%H%M%SZ", text("x-amz-date")).unwrap(),
            last: text("authorization")
                .rsplit_once("Signature=")
                .unwrap()
                .1
                .to_owned(),
        }
    }

    fn chunk(&mut self, data: &[u8]) -> String {
        let data = Bytes::copy_from_slice(data);
        self.last = sign_chunk(&data, &self.last, &self.parameters())
            .unwrap()
            .into_parts()
            .1;
        self.last.clone()
    }

    fn trailer(&mut self, name: &'static str, value: &str) -> String {
        let mut headers = Headers::new();
        headers.insert(name, value.to_owned());
        self.last = sign_trailer(&headers, &self.last, &self.parameters())
            .unwrap()
            .into_parts()
            .1;
        self.last.clone()
    }

    fn parameters(&self) -> SigningParams<'_, SigningSettings> {
        SigningParams::builder()
            .identity(&self.identity)
            .region(self.region)
            .name(self.service)
            .time(
                self.time
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .unwrap()
                    .timestamp()
                    .into(),
            )
            .settings(SigningSettings::default())
            .build()
            .unwrap()
    }
}
