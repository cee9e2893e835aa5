//! The signature of a call to one of AWS's own services: its token service, its secret manager.
//!
//! Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use super::{AccessKey, SourceError};
use crate::secret::Secret;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

/// A POST that is to be signed.
pub(crate) struct AwsCall<'a> {
    /// As signatures name it: `sts`.
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) url: &'a str,
    pub(crate) host: &'a str,
    /// Those that are sent beside `host` and are signed with it.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a str,
}

impl AwsCall<'_> {
    /// The headers that sign it with `key`, which are to be added to its own.
    ///
    /// # Errors
    /// [`SourceError::Signature`] if it cannot be signed, which only a defect brings about.
    pub(crate) fn sign(
        &self,
        key: &AccessKey,
        now: Timestamp,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, SourceError> {
        let text = |secret: &Secret| secret.expose_str().unwrap_or_default().to_owned();
        let identity: Identity = Credentials::new(
            &*key.id,
            text(&key.secret),
            key.session_token.as_ref().map(text),
            None,
            "tidegate",
        )
        .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(now.into())
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| SourceError::Signature)?;
        let headers = std::iter::once(("host", self.host)).chain(self.headers.iter().copied());
        let body = SignableBody::Bytes(self.body.as_bytes());
        let request = SignableRequest::new("POST", self.url, headers, body);
        let signed = request.and_then(|request| sign(request, &params.into()));
        let (instructions, _) = signed.map_err(|_| SourceError::Signature)?.into_parts();
        let added = instructions.headers().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| SourceError::Signature)?;
            let mut value = HeaderValue::from_str(value).map_err(|_| SourceError::Signature)?;
            value.set_sensitive(true);
            Ok((name, value))
        });
        added.collect()
    }
}

/// A form to the token service.
pub(crate) fn sign_sts(
    key: &AccessKey,
    region: &str,
    url: &str,
    host: &str,
    body: &str,
    now: Timestamp,
) -> Result<Vec<(HeaderName, HeaderValue)>, SourceError> {
    let call = AwsCall {
        service: "sts",
        region,
        url,
        host,
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body,
    };
    call.sign(key, now)
}
