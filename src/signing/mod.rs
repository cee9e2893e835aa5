//! Signing: the caller's signature stopped, the target's begins.
//!
//! The only place a [`SignedRequest`] is made, and the only kind of request that `upstream` sends. It is put
//! together from a [`Permit`] alone: nothing that the parser did not understand can be in it.

mod request;

use crate::authz::Permit;
use crate::body::Body;
use crate::config::Target;
use crate::credentials::Credential;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;
use jiff::Timestamp;
use std::{borrow::Cow, sync::Arc};

/// A request that carries the target's signature. Made from a permit alone.
pub struct SignedRequest {
    request: http::Request<Body>,
    target: Arc<Target>,
}

/// A payload on its way out: verified while it passes, framed as the target understands it.
pub struct OutgoingPayload {
    /// The bytes.
    pub body: Body,
    /// Bytes on the wire; `None` for requests that have no body by their method.
    pub length: Option<u64>,
    /// What the signature says about the payload.
    pub hash: PayloadHash,
    /// Headers that describe the payload, such as checksums.
    pub headers: Vec<(&'static str, String)>,
}

/// The value of `x-amz-content-sha256` towards the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadHash {
    /// A SHA-256 in hex: the caller's own, or that of a document which was rebuilt.
    Literal(String),
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    UnsignedTrailer,
}

/// Why a permitted request could not be signed: a defect here or in the configuration, never the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The operation is answered here and has no request at the target.
    #[error("`{0}` is not forwarded")]
    NotForwarded(&'static str),
    /// A name or value that HTTP cannot carry.
    #[error("the request cannot be put together")]
    Request(#[from] http::Error),
    /// The credential is not text.
    #[error("the target's credential is not printable text")]
    Credential,
    /// The signer refused.
    #[error("the request cannot be signed: {0}")]
    Signer(String),
}

/// Builds the target's request and signs it.
///
/// # Errors
/// [`SigningError`]; nothing has been sent then.
pub fn sign(
    permit: &Permit,
    payload: OutgoingPayload,
    credential: &Credential,
    now: Timestamp,
) -> Result<SignedRequest, SigningError> {
    let hash = payload.hash.clone();
    let (mut request, target) = request::build(permit, payload)?;
    let instructions = {
        let url = request::url(&request, &target);
        let mut headers = Vec::with_capacity(request.headers().len());
        for (name, value) in request.headers() {
            headers.push((
                name.as_str(),
                std::str::from_utf8(value.as_bytes()).map_err(|_| SigningError::Credential)?,
            ));
        }
        let body = match &hash {
            PayloadHash::Literal(sha256) => SignableBody::Precomputed(sha256.clone()),
            PayloadHash::Unsigned => SignableBody::UnsignedPayload,
            PayloadHash::UnsignedTrailer => SignableBody::StreamingUnsignedPayloadTrailer,
        };
        let signer = |error: &dyn std::fmt::Display| SigningError::Signer(error.to_string());
        let signable = SignableRequest::new(request.method().as_str(), url, headers.into_iter(), body)
            .map_err(|e| signer(&e))?;
        let identity = identity(credential)?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&target.region)
            .name("s3")
            .time(now.into())
            .settings(settings())
            .build()
            .map_err(|e| signer(&e))?;
        aws_sigv4::http_request::sign(signable, &parameters.into())
            .map_err(|e| signer(&e))?
            .into_parts()
            .0
    };
    instructions.apply_to_request_http1x(&mut request);
    Ok(SignedRequest { request, target })
}

impl SignedRequest {
    /// Where it goes.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The request in origin form, `Host` set. For `upstream`.
    pub(crate) fn into_request(self) -> http::Request<Body> {
        self.request
    }

    /// A request for tests of other rooms.
    #[cfg(test)]
    pub(crate) fn for_test(request: http::Request<Body>, target: Arc<Target>) -> Self {
        Self { request, target }
    }
}

/// S3's flavour: paths are encoded once and never normalised, and the payload hash is a header.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.excluded_headers = Some(
        ["user-agent", "content-length", "accept-encoding"]
            .into_iter()
            .map(Cow::Borrowed)
            .collect(),
    );
    settings
}

fn identity(credential: &Credential) -> Result<Credentials, SigningError> {
    let text = |secret: &crate::secret::Secret| {
        secret
            .expose_str()
            .map(str::to_owned)
            .ok_or(SigningError::Credential)
    };
    let session_token = credential.session_token.as_ref().map(text).transpose()?;
    let secret = text(&credential.secret_access_key)?;
    Ok(Credentials::new(
        credential.access_key_id.to_string(),
        secret,
        session_token,
        None,
        "tidegate",
    ))
}
