//! A caller with an independent signer: `aws-sigv4`, not the code under test.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use std::{net::SocketAddr, sync::Arc, time::Duration};

pub use super::transport::Answer;

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

impl Keys {
    /// As `service-keys create --json` prints them.
    pub fn of_json(json: &str) -> Self {
        let shown: serde_json::Value = serde_json::from_str(json).expect("JSON");
        let text = |name: &str| shown[name].as_str().expect(name).to_owned();
        Self {
            access_key_id: text("access_key_id"),
            secret_access_key: text("secret_access_key"),
            session_token: None,
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
    pub tls: Arc<rustls::ClientConfig>,
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
            tls: Arc::new(config),
        }
    }

    /// The client's keys, to put something wrong among them.
    pub fn keys_mut(&mut self) -> &mut Keys {
        self.keys.as_mut().expect("a client with keys")
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

    /// A request with a token instead of a signature.
    pub async fn bearer(&self, method: &str, target: &str, token: &str, body: &[u8]) -> Answer {
        self.bearer_with(method, target, token, &[], body).await
    }

    /// The same, with more headers.
    pub async fn bearer_with(
        &self,
        method: &str,
        target: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers = [&[("authorization", &*authorization)], headers].concat();
        self.send(self.unsigned(method, target, &headers, body)).await
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

pub fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
