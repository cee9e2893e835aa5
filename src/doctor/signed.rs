//! Requests of a caller's machine at the gateway, signed as an SDK would.

use crate::client::Keys;
use crate::clock::Clock;
use crate::fetch::{FetchError, Fetched, Fetcher};
use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::{HeaderName, HeaderValue, Method};

/// Whoever signs.
pub(super) struct Signed<'a> {
    pub(super) fetcher: &'a Fetcher,
    pub(super) keys: &'a Keys,
    pub(super) region: &'a str,
    pub(super) clock: &'a Clock,
}

/// Why nothing was asked, or nothing answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignedError {
    #[error("the request cannot be signed")]
    Signature,
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl Signed<'_> {
    /// Sends a signed request.
    pub(super) async fn send(&self, method: Method, url: &str, body: Bytes) -> Result<Fetched, SignedError> {
        let uri: http::Uri = url.parse().map_err(|_| SignedError::Signature)?;
        let host = uri
            .authority()
            .map(http::uri::Authority::as_str)
            .unwrap_or_default();
        let hash = HEXLOWER.encode(digest(&SHA256, &body).as_ref());
        let text = |secret: &crate::secret::Secret| secret.expose_str().unwrap_or_default().to_owned();
        let identity: Identity = Credentials::new(
            &*self.keys.access_key_id,
            text(&self.keys.secret_access_key),
            Some(text(&self.keys.session_token)).filter(|token| !token.is_empty()),
            None,
            "tidegate",
        )
        .into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("s3")
            .time(self.clock.now().into())
            .settings(settings)
            .build()
            .map_err(|_| SignedError::Signature)?;
        let covered = [("host", host), ("x-amz-content-sha256", &*hash)];
        let payload = SignableBody::Precomputed(hash.clone());
        let request = SignableRequest::new(method.as_str(), url, covered.into_iter(), payload)
            .map_err(|_| SignedError::Signature)?;
        let (instructions, _) = sign(request, &parameters.into())
            .map_err(|_| SignedError::Signature)?
            .into_parts();
        let mut headers = vec![header("x-amz-content-sha256", &hash)?];
        for (name, value) in instructions.headers() {
            headers.push(header(name, value)?);
        }
        Ok(self.fetcher.send(method, url, body, &headers).await?)
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), SignedError> {
    let name = HeaderName::try_from(name).map_err(|_| SignedError::Signature)?;
    let mut value = HeaderValue::from_str(value).map_err(|_| SignedError::Signature)?;
    value.set_sensitive(true);
    Ok((name, value))
}
