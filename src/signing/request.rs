//! The target's request, from the permit alone: names mapped, parameters and headers by the catalogue.

use super::{OutgoingPayload, PayloadHash, SigningError};
use crate::authz::Permit;
use crate::body::Body;
use crate::config::{Addressing, Bucket, Profile, Target};
use crate::dialect::gcs_xml;
use crate::dialect::s3::uri;
use crate::operation::{Api, Handling, Operation, Protocol};
use http::header::{CONTENT_LENGTH, HOST, RANGE};
use http::request::Builder;
use http::{HeaderValue, Method};
use std::{borrow::Cow, sync::Arc};

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
    let framed = payload.hash == PayloadHash::UnsignedTrailer;
    let mut request = begin(operation, bucket, profile)?;
    request = match profile {
        // INVARIANT: what is said in Google's words is said to Google: elsewhere a condition of its would be lost.
        Profile::Aws | Profile::Plain if operation.spoken() == Protocol::Gcs => {
            return Err(SigningError::Googles);
        }
        Profile::Aws | Profile::Plain => amazon(request, permit, profile, framed)?,
        Profile::Gcs => google(request, permit, bucket)?,
    };
    // The payload's own headers speak last: framing is ours to say.
    for (name, value) in &payload.headers {
        request = request.header(*name, value);
    }
    if let Some(length) = payload.length {
        request = request.header(CONTENT_LENGTH, length);
    }
    Ok((request.body(payload.body)?, target))
}

/// Makes GET of HEAD, for as little as there is to get.
///
/// # Errors
/// [`SigningError::NotForwarded`] for what is not HEAD.
pub(super) fn say_aloud(
    operation: &Operation,
    request: &mut http::Request<Body>,
) -> Result<(), SigningError> {
    match operation.api() {
        Api::HeadObject => {
            let first_byte = HeaderValue::from_static("bytes=0-0");
            request.headers_mut().insert(RANGE, first_byte);
        }
        Api::HeadBucket => {
            let listing = format!("{}?max-keys=1", request.uri().path());
            *request.uri_mut() = listing.parse().map_err(http::Error::from)?;
        }
        other => return Err(SigningError::NotForwarded(other.name())),
    }
    *request.method_mut() = Method::GET;
    Ok(())
}

/// `framed` is whether the payload is `aws-chunked`.
fn amazon(
    mut request: Builder,
    permit: &Permit,
    profile: Profile,
    framed: bool,
) -> Result<Builder, SigningError> {
    let operation = permit.operation();
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
    if let Some(mut value) = copy_source(permit)? {
        if let Some(version) = operation.copy_source().and_then(|s| s.version_id.as_deref()) {
            value.push_str("?versionId=");
            uri::encode_query(version.as_bytes(), &mut value);
        }
        request = request.header("x-amz-copy-source", value);
    }
    Ok(request)
}

/// Whether a header of the operation means something in the target's dialect of S3.
///
/// A multipart upload that is begun with `x-amz-checksum-algorithm` wants a checksum with every part, and a target that
/// is not spoken to in checksums gets none: they are agreed upon from the beginning to the end, or not at all.
fn crosses(profile: Profile, name: &str) -> bool {
    match profile {
        Profile::Aws => true,
        Profile::Plain | Profile::Gcs => !name.starts_with("x-amz-checksum-"),
    }
}

fn google(mut request: Builder, permit: &Permit, bucket: &Bucket) -> Result<Builder, SigningError> {
    let operation = permit.operation();
    for (name, value) in gcs_xml::translate_request(operation)? {
        request = request.header(name, value);
    }
    if let Some(value) = copy_source(permit)? {
        request = request.header("x-goog-copy-source", value);
    }
    if let (Api::CreateBucket, Some(project)) = (operation.api(), &bucket.target.project) {
        request = request.header("x-goog-project-id", &**project);
    }
    Ok(request)
}

/// Method, path, query and host.
fn begin(operation: &Operation, bucket: &Bucket, profile: Profile) -> Result<Builder, SigningError> {
    let (host, path_and_query) = place(operation, bucket, profile)?;
    let request = http::Request::builder().method(operation.api().row().method);
    Ok(request.uri(path_and_query).header(HOST, host))
}

/// Bucket and key of the source of a copy, encoded.
fn copy_source(permit: &Permit) -> Result<Option<String>, SigningError> {
    let (Some(source), Some(from)) = (permit.operation().copy_source(), permit.source_bucket()) else {
        return Ok(None);
    };
    let mut value = String::new();
    uri::encode_path(from.target_bucket.as_str().as_bytes(), &mut value);
    value.push('/');
    let key = from.prefix.join(&source.object.key)?;
    uri::encode_path(key.as_str().as_bytes(), &mut value);
    Ok(Some(value))
}

fn place(operation: &Operation, bucket: &Bucket, profile: Profile) -> Result<(String, String), SigningError> {
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
        let key = bucket.prefix.join(&object.key)?;
        uri::encode_path(key.as_str().as_bytes(), &mut path);
    }
    let mut separator = '?';
    let mut put = |name: &str, value: &str| {
        let name = match profile {
            Profile::Aws | Profile::Plain => name,
            Profile::Gcs => gcs_xml::parameter_name(name),
        };
        path.push(separator);
        uri::encode_query(name.as_bytes(), &mut path);
        path.push('=');
        uri::encode_query(value.as_bytes(), &mut path);
        separator = '&';
    };
    for (name, value) in operation.parameters() {
        if let Some(value) = parameter(operation, bucket, name, value)? {
            put(name, &value);
        }
    }
    // A listing of a folder asks for the folder, also if the caller asks for everything.
    let lists_all = operation.listed_prefix().is_some() && operation.parameter("prefix").is_none();
    if lists_all && !bucket.prefix.is_empty() {
        put("prefix", bucket.prefix.as_str());
    }
    Ok((host, path))
}

/// The target's word for the `value` of a parameter; `None` for one that says nothing to the target.
fn parameter<'v>(
    operation: &'v Operation,
    bucket: &Bucket,
    name: &str,
    value: &'v str,
) -> Result<Option<Cow<'v, str>>, SigningError> {
    let lists = operation.listed_prefix().is_some();
    let in_folder = lists && !bucket.prefix.is_empty();
    Ok(match name {
        // INVARIANT: an upload id that a target sees is one that was opened.
        "uploadId" => {
            let upload = operation.upload().ok_or(SigningError::Handle("uploadId"))?;
            Some(Cow::Borrowed(&*upload.target_id))
        }
        "upload-id-marker" => operation.target_upload_id_marker().map(Cow::Borrowed),
        "continuation-token" if in_folder => {
            let token = operation.target_continuation_token();
            Some(Cow::Borrowed(
                token.ok_or(SigningError::Handle("continuation-token"))?,
            ))
        }
        "marker" | "start-after" | "key-marker" if in_folder && value.is_empty() => None,
        "prefix" | "marker" | "start-after" | "key-marker" if in_folder => {
            Some(Cow::Owned(bucket.prefix.prepend(value)))
        }
        _ => Some(Cow::Borrowed(value)),
    })
}
