//! Requests of our own, by which Tidegate finds out what a target understands.
//!
//! INVARIANT: nothing in them comes from a caller. They need no permit because nobody asked for them, and they reach
//! only the keys that the operator's configuration sets aside for them.

use super::{OutgoingPayload, PayloadHash, SignedRequest, Signer, SigningError, Stamp, signature};
use crate::config::{Addressing, Profile, Target};
use crate::credentials::Credential;
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
    pub(crate) key: &'a str,
    pub(crate) version: Option<&'a str>,
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
        // Only targets that speak S3 are tried.
        stamp.put(Profile::Plain, request.headers_mut())?;
        let scheme = &signature::AWS4;
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
        Addressing::Path => (authority, format!("/{}/", own.bucket)),
        Addressing::VirtualHost => (format!("{}.{authority}", own.bucket), "/".to_owned()),
    };
    uri::encode_path(own.key.as_bytes(), &mut path);
    if let Some(version) = own.version {
        path.push_str("?versionId=");
        uri::encode_query(version.as_bytes(), &mut path);
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
