//! The target's request, from the permit alone: names mapped, parameters and headers by the catalogue.

use super::{OutgoingPayload, PayloadHash, SigningError};
use crate::authz::Permit;
use crate::body::Body;
use crate::config::{Addressing, Bucket, Profile, Target};
use crate::dialect::s3::uri;
use crate::operation::{Api, Handling, Operation};
use http::header::{CONTENT_LENGTH, HOST, USER_AGENT};
use std::sync::Arc;

pub(super) const PRODUCT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));

/// Builds the unsigned request in origin form.
pub(super) fn build(
    permit: &Permit,
    payload: OutgoingPayload,
    profile: Profile,
) -> Result<(http::Request<Body>, Arc<Target>), SigningError> {
    let operation = permit.operation();
    let name = operation.api().name();
    let bucket = match operation.api().row().handling {
        Handling::Forwarded => permit.bucket().ok_or(SigningError::NotForwarded(name))?,
        Handling::Answered | Handling::Refused(_) | Handling::Becomes(_) | Handling::SameRequestAs(_) => {
            return Err(SigningError::NotForwarded(name));
        }
    };
    // INVARIANT: buckets are made and deleted only where the configuration says so.
    if matches!(operation.api(), Api::CreateBucket | Api::DeleteBucket) && !bucket.create {
        return Err(SigningError::NotForwarded(name));
    }
    let target = Arc::clone(&bucket.target);
    let (host, path_and_query) = place(operation, bucket);
    let mut request = http::Request::builder()
        .method(operation.api().row().method)
        .uri(path_and_query)
        .header(HOST, host)
        .header(USER_AGENT, PRODUCT);
    // The payload's own headers speak last: framing is ours to say.
    let framed = payload.hash == PayloadHash::UnsignedTrailer;
    for (name, value) in operation.headers() {
        if !(framed && name == "content-encoding") && crosses(profile, name) {
            request = request.header(&**name, &**value);
        }
    }
    if framed {
        let coding = operation
            .header("content-encoding")
            .map_or(String::new(), |coding| format!(",{coding}"));
        request = request.header("content-encoding", format!("aws-chunked{coding}"));
    }
    if let (Some(source), Some(from)) = (operation.copy_source(), permit.source_bucket()) {
        let mut value = String::new();
        uri::encode_path(from.target_bucket.as_str().as_bytes(), &mut value);
        value.push('/');
        uri::encode_path(source.object.key.as_str().as_bytes(), &mut value);
        if let Some(version) = &source.version_id {
            value.push_str("?versionId=");
            uri::encode_query(version.as_bytes(), &mut value);
        }
        request = request.header("x-amz-copy-source", value);
    }
    for (name, value) in &payload.headers {
        request = request.header(*name, value);
    }
    if let Some(length) = payload.length {
        request = request.header(CONTENT_LENGTH, length);
    }
    Ok((request.body(payload.body)?, target))
}

/// Whether a header of the operation means something in the target's dialect.
///
/// A multipart upload that is begun with `x-amz-checksum-algorithm` wants a checksum with every part, and a target that
/// is not spoken to in checksums gets none: they are agreed upon from the beginning to the end, or not at all.
fn crosses(profile: Profile, name: &str) -> bool {
    match profile {
        Profile::Aws => true,
        Profile::Plain | Profile::Gcs => !name.starts_with("x-amz-checksum-"),
    }
}

fn place(operation: &Operation, bucket: &Bucket) -> (String, String) {
    let authority = bucket.target.endpoint.authority();
    let mut path = String::with_capacity(128);
    path.push('/');
    let host = match bucket.target.addressing {
        Addressing::Path => {
            path.push_str(bucket.target_bucket.as_str());
            authority
        }
        Addressing::VirtualHost => format!("{}.{authority}", bucket.target_bucket),
    };
    if let Some(object) = operation.object() {
        if bucket.target.addressing == Addressing::Path {
            path.push('/');
        }
        uri::encode_path(object.key.as_str().as_bytes(), &mut path);
    }
    let mut separator = '?';
    for (name, value) in operation.parameters() {
        path.push(separator);
        uri::encode_query(name.as_bytes(), &mut path);
        path.push('=');
        uri::encode_query(value.as_bytes(), &mut path);
        separator = '&';
    }
    (host, path)
}
