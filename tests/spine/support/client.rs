//! A caller with an independent signer: `aws-sigv4`, not the code under test.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A session's keys.
#[derive(Clone, Debug)]
pub struct Keys {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
}

impl Keys {
    pub fn from_sts(xml: &str) -> Self {
        let element = |name: &str| {
            let start = xml.find(&format!("<{name}>")).expect(name) + name.len() + 2;
            xml[start..].split('<').next().unwrap().to_owned()
        };
        Self {
            access_key_id: element("AccessKeyId"),
            secret_access_key: element("SecretAccessKey"),
            session_token: Some(element("SessionToken")),
        }
    }
}

/// How the payload is signed.
#[derive(Clone, Debug)]
pub enum Payload {
    /// A SHA-256 of the body.
    Literal,
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// Whatever the test says `x-amz-content-sha256` is.
    Named(&'static str),
}

/// A signed request, which a test may tamper with before it is sent.
pub type Signed = Request<Bytes>;

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

/// A caller of one Tidegate.
#[derive(Clone)]
pub struct Client {
    pub keys: Option<Keys>,
    pub host: String,
    /// What the caller's clock is off by.
    pub skew: SignedDuration,
    pub region: &'static str,
    pub service: &'static str,
    pub address: SocketAddr,
    connector: TlsConnector,
}

impl Client {
    pub fn new(address: SocketAddr, authority_pem: &str) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority_pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            keys: None,
            host: format!("localhost:{}", address.port()),
            skew: SignedDuration::ZERO,
            region: "us-east-1",
            service: "s3",
            address,
            connector: TlsConnector::from(Arc::new(config)),
        }
    }

    /// The client's keys, to put something wrong among them.
    pub fn keys_mut(&mut self) -> &mut Keys {
        self.keys.as_mut().expect("a client with keys")
    }

    /// A TLS connection to `host`, for tests that speak bytes.
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let host = self.host.split(':').next().unwrap().to_owned();
        let name = ServerName::try_from(host).unwrap();
        self.connector.connect(name, stream).await.unwrap()
    }

    /// A request with its signature in the headers. `headers` are signed too.
    pub fn sign(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        payload: Payload,
    ) -> Signed {
        let mut request = self.unsigned(method, target, headers, body);
        let body = match payload {
            Payload::Literal => SignableBody::Bytes(body),
            Payload::Unsigned => SignableBody::UnsignedPayload,
            Payload::Named(name) => SignableBody::Precomputed(name.to_owned()),
        };
        self.apply(&mut request, body, SignatureLocation::Headers, None);
        request
    }

    /// A request with its signature in the query.
    pub fn presign(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        expires: u64,
    ) -> Signed {
        let mut request = self.unsigned(method, target, headers, body);
        let expires = Some(Duration::from_secs(expires));
        // Only S3 has requests whose body is not signed.
        let body = match self.service {
            "s3" => SignableBody::UnsignedPayload,
            _ => SignableBody::Bytes(body),
        };
        self.apply(&mut request, body, SignatureLocation::QueryParams, expires);
        // A presigned request comes back with an absolute URI.
        let target = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
        *request.uri_mut() = target;
        request
    }

    pub fn unsigned(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Signed {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Bytes::copy_from_slice(body)).unwrap()
    }

    fn apply(
        &self,
        request: &mut Signed,
        body: SignableBody<'_>,
        location: SignatureLocation,
        expires: Option<Duration>,
    ) {
        let keys = self.keys.clone().expect("a client with keys");
        let identity = Credentials::new(
            keys.access_key_id,
            keys.secret_access_key,
            keys.session_token,
            None,
            "test",
        )
        .into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.signature_location = location;
        settings.expires_in = expires;
        settings.payload_checksum_kind = match location {
            SignatureLocation::Headers => PayloadChecksumKind::XAmzSha256,
            _ => PayloadChecksumKind::NoHeader,
        };
        let time: Timestamp = super::world::now() + self.skew;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(time.into())
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let url = format!("https://{}{}", self.host, request.uri());
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let method = request.method().to_string();
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(&method, url, pairs, body).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        instructions.apply_to_request_http1x(request);
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
        let (parts, body) = response.into_parts();
        #[allow(clippy::disallowed_methods, reason = "answers in tests are small")]
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send(self.sign("GET", target, &[], b"", Payload::Literal))
            .await
    }

    pub async fn head(&self, target: &str) -> Answer {
        self.send(self.sign("HEAD", target, &[], b"", Payload::Literal))
            .await
    }

    pub async fn put(&self, target: &str, body: &[u8]) -> Answer {
        self.send(self.sign("PUT", target, &[], body, Payload::Literal))
            .await
    }

    pub async fn delete(&self, target: &str) -> Answer {
        self.send(self.sign("DELETE", target, &[], b"", Payload::Literal))
            .await
    }

    /// AssumeRoleWithWebIdentity by POST.
    pub async fn assume_role(&self, token: &str) -> Answer {
        let form = form(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", "arn:aws:iam::000000000000:role/tidegate"),
            ("RoleSessionName", "test"),
            ("WebIdentityToken", token),
        ]);
        self.post_form(&form).await
    }

    pub async fn post_form(&self, form: &str) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send(self.unsigned("POST", "/", &headers, form.as_bytes()))
            .await
    }
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

pub fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
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
