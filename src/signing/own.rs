//! Requests of our own, by which Tidegate finds out what a target understands.
//!
//! INVARIANT: nothing in them comes from a caller. They need no permit because nobody asked for them, and they reach
//! only the keys that the operator's configuration sets aside for them.

use super::{OutgoingPayload, PayloadHash, SignedRequest, Signer, SigningError, Stamp, signature};
use crate::config::{Addressing, Profile, Target};
use crate::credentials::{Credential, Material};
use crate::dialect::gcs_xml;
use crate::dialect::s3::uri;
use crate::operation::BucketName;
use http::header::{CONTENT_LENGTH, HOST};
use jiff::Timestamp;
use std::sync::Arc;

/// A request on one object of our own.
pub(crate) struct OwnRequest<'a> {
    pub(crate) method: &'static str,
    /// The bucket's name at the target.
    pub(crate) bucket: &'a BucketName,
    /// Empty for the bucket itself.
    pub(crate) key: &'a str,
    /// Names and values, not encoded.
    pub(crate) query: &'a [(&'static str, &'a str)],
    /// A conditional header.
    pub(crate) condition: Option<(&'static str, String)>,
    pub(crate) payload: OutgoingPayload,
}

impl Signer {
    /// Builds and signs a request of our own.
    ///
    /// # Errors
    /// [`SigningError`]; nothing has been sent then.
    pub(crate) fn sign_own(
        &self,
        target: &Arc<Target>,
        own: OwnRequest<'_>,
        credential: &Arc<Credential>,
        stamp: Stamp<'_>,
        now: Timestamp,
    ) -> Result<SignedRequest, SigningError> {
        let hash = own.payload.hash.header()?;
        let mut request = build(target, own)?;
        stamp.put(target.profile, request.headers_mut())?;
        let scheme = match (target.profile, &credential.material) {
            (Profile::Aws | Profile::Plain, _) => &signature::AWS4,
            (Profile::Gcs, Material::AccessKey(_)) => &signature::GOOG4,
            (Profile::Gcs, Material::BearerToken(token)) => {
                super::bear(&mut request, token)?;
                return Ok(SignedRequest {
                    request,
                    target: Arc::clone(target),
                });
            }
        };
        signature::sign(
            scheme,
            &mut request,
            hash,
            &self.keys,
            credential,
            &target.region,
            now,
        )?;
        Ok(SignedRequest {
            request,
            target: Arc::clone(target),
        })
    }
}

fn build(target: &Target, own: OwnRequest<'_>) -> Result<http::Request<crate::body::Body>, SigningError> {
    let authority = target.endpoint.authority();
    let (host, mut path) = match target.addressing {
        // A bucket with a slash behind it is an object without a name to some stores.
        Addressing::Path if own.key.is_empty() => (authority, format!("/{}", own.bucket)),
        Addressing::Path => (authority, format!("/{}/", own.bucket)),
        Addressing::VirtualHost => (format!("{}.{authority}", own.bucket), "/".to_owned()),
    };
    uri::encode_path(own.key.as_bytes(), &mut path);
    for (n, (name, value)) in own.query.iter().enumerate() {
        path.push(if n == 0 { '?' } else { '&' });
        path.push_str(match target.profile {
            Profile::Aws | Profile::Plain => name,
            Profile::Gcs => gcs_xml::parameter_name(name),
        });
        path.push('=');
        uri::encode_query(value.as_bytes(), &mut path);
    }
    let mut request = http::Request::builder()
        .method(own.method)
        .uri(path)
        .header(HOST, host);
    if own.payload.hash == PayloadHash::UnsignedTrailer {
        request = request.header("content-encoding", "aws-chunked");
    }
    for (name, value) in own.condition.iter().chain(&own.payload.headers) {
        request = request.header(*name, value);
    }
    if let Some(length) = own.payload.length {
        request = request.header(CONTENT_LENGTH, length);
    }
    Ok(request.body(own.payload.body)?)
}
