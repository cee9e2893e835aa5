//! A caller like any other: it trusts the environment's authority, trades a token, and signs its requests.
//!
//! The proof is worth what this knows about Tidegate, so it knows nothing: it goes through the listening socket, the
//! signature is `aws-sigv4`'s, and it reads no more of an answer than any S3 client does.

use crate::clock::Clock;
use crate::fetch::{self, FetchError};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For a whole call. Everything is on this machine, which may be busy with something else.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of an answer: the proof's object and error documents are far smaller.
const MAX_ANSWER: usize = 64 << 10;

/// Somebody with or without a session.
pub(super) struct Caller {
    address: SocketAddr,
    host: String,
    tls: TlsConnector,
    session: Option<Credentials>,
    clock: Clock,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The authority's certificate.
    #[error(transparent)]
    Authority(#[from] FetchError),
    /// The connection or its TLS.
    #[error("no connection")]
    Connect(#[from] io::Error),
    /// The exchange.
    #[error("the exchange broke off")]
    Http(#[from] hyper::Error),
    /// Not a request.
    #[error("the request cannot be put together")]
    Request(#[from] http::Error),
    /// No signature.
    #[error("the request cannot be signed: {0}")]
    Sign(String),
    /// More than a proof can want.
    #[error("the answer is larger than {MAX_ANSWER} bytes")]
    TooLarge,
    /// Nothing came.
    #[error("no answer within {TIMEOUT:?}")]
    Timeout,
}

impl Caller {
    /// Somebody without a session who trusts the certificate in `ca` alone.
    ///
    /// # Errors
    /// A certificate that cannot be read.
    pub(super) fn new(address: SocketAddr, ca: &Path, clock: Clock) -> Result<Self, CallError> {
        Ok(Self {
            address,
            host: format!("localhost:{}", address.port()),
            tls: TlsConnector::from(Arc::new(fetch::tls_client_config(Some(ca))?)),
            session: None,
            clock,
        })
    }

    /// Signs with the keys of a session from now on.
    pub(super) fn signs_with(&mut self, session: Credentials) {
        self.session = Some(session);
    }

    /// Sends a form with POST, unsigned.
    ///
    /// # Errors
    /// [`CallError`] if there is no whole answer; an answer with an error status is none.
    pub(super) async fn post_form(&self, form: String) -> Result<Answer, CallError> {
        let request = Request::post("/")
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))?;
        self.exchange(request).await
    }

    /// Sends a request for `target`, a path that needs no encoding, signed if there is a session.
    ///
    /// # Errors
    /// As [`Caller::post_form`].
    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        body: &'static str,
    ) -> Result<Answer, CallError> {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, USER_AGENT)
            .body(Bytes::from_static(body.as_bytes()))?;
        if let Some(session) = &self.session {
            self.sign(&mut request, session)?;
        }
        self.exchange(request).await
    }

    /// Sends GET for `target` with a token instead of a signature, as gs:// clients do.
    ///
    /// # Errors
    /// As [`Caller::post_form`].
    pub(super) async fn get_with_token(&self, target: &str, token: &str) -> Result<Answer, CallError> {
        let request = Request::get(target)
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Bytes::new())?;
        self.exchange(request).await
    }

    fn sign(&self, request: &mut Request<Bytes>, session: &Credentials) -> Result<(), CallError> {
        let failed = |error: &dyn std::fmt::Display| CallError::Sign(error.to_string());
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = session.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(self.clock.now().into())
            .settings(settings)
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let url = format!("https://{}{}", self.host, request.uri());
        let instructions = {
            let headers = request
                .headers()
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
            let body = SignableBody::Bytes(request.body());
            let signable = SignableRequest::new(request.method().as_str(), url, headers, body)
                .map_err(|error| failed(&error))?;
            sign(signable, &parameters)
                .map_err(|error| failed(&error))?
                .into_parts()
                .0
        };
        instructions.apply_to_request_http1x(request);
        Ok(())
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Answer, CallError> {
        let call = async {
            let tcp = TcpStream::connect(self.address).await?;
            tcp.set_nodelay(true)?;
            let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
            let io = TokioIo::new(self.tls.connect(name, tcp).await?);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            let reading = async {
                let (head, mut body) = sender.send_request(request.map(Full::new)).await?.into_parts();
                let mut bytes = BytesMut::new();
                while let Some(frame) = body.frame().await {
                    if let Ok(data) = frame?.into_data() {
                        if bytes.len() + data.len() > MAX_ANSWER {
                            return Err(CallError::TooLarge);
                        }
                        bytes.extend_from_slice(&data);
                    }
                }
                Ok(Answer {
                    status: head.status,
                    headers: head.headers,
                    body: bytes.freeze(),
                })
            };
            tokio::pin!(reading, connection);
            tokio::select! {
                biased;
                answer = &mut reading => answer,
                // The connection may end before its last frame was taken.
                _ = &mut connection => reading.await,
            }
        };
        tokio::time::timeout(TIMEOUT, call)
            .await
            .unwrap_or(Err(CallError::Timeout))
    }
}

impl Answer {
    /// The text of the first element with this name; `None` if there is none.
    pub(super) fn element(&self, name: &str) -> Option<String> {
        let text = std::str::from_utf8(&self.body).ok()?;
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        Some(quick_xml::escape::unescape(value).ok()?.into_owned())
    }

    /// A header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Tidegate's id of the request, which is also in the audit log.
    pub(super) fn request_id(&self) -> Option<&str> {
        self.header("x-amz-request-id")
    }

    /// The session keys of an answer to AssumeRoleWithWebIdentity.
    pub(super) fn session(&self) -> Option<Credentials> {
        Some(Credentials::new(
            self.element("AccessKeyId")?,
            self.element("SecretAccessKey")?,
            Some(self.element("SessionToken")?),
            None,
            "tidegate-dev",
        ))
    }
}

/// How the proof is told from other callers in the audit log.
const USER_AGENT: &str = concat!("tidegate-dev/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &'static str) -> Answer {
        Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn elements_are_read_with_their_entities() {
        let denied =
            answer("<Error><Code>AccessDenied</Code><Message>on &quot;a&amp;b&quot;</Message></Error>");
        assert_eq!(denied.element("Code").as_deref(), Some("AccessDenied"));
        assert_eq!(denied.element("Message").as_deref(), Some("on \"a&b\""));
        assert_eq!(denied.element("RequestId"), None);
        assert_eq!(answer("<Code>cut").element("Code"), None);
        assert_eq!(answer("<Code>&nope;</Code>").element("Code"), None);
    }

    #[test]
    fn a_session_needs_all_three_of_its_parts() {
        let whole =
            "<AccessKeyId>A</AccessKeyId><SecretAccessKey>B</SecretAccessKey><SessionToken>C</SessionToken>";
        let session = answer(whole).session().unwrap();
        assert_eq!(
            (session.access_key_id(), session.session_token()),
            ("A", Some("C"))
        );
        assert!(answer("<AccessKeyId>A</AccessKeyId>").session().is_none());
    }
}
