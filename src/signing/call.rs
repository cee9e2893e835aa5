//! A call of the JSON API as the target gets it, from the permit alone: names mapped, parameters and headers by the
//! catalogue.
//!
//! The API takes access tokens and nothing else, so a target with HMAC keys cannot be asked in these words.

use super::{OutgoingPayload, SignedRequest, Signer, SigningError, Stamp, bear};
use crate::authz::Permit;
use crate::body::Body;
use crate::config::{Bucket, Profile};
use crate::credentials::{Credential, Material};
use crate::dialect::s3::uri;
use crate::operation::gcs::{Call, Detail, Handling, Method};
use crate::operation::{Action, ObjectKey};
use http::header::{CONTENT_LENGTH, HOST};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Parameters that are names, or the beginnings of names.
const OF_NAMES: [&str; 3] = ["endOffset", "prefix", "startOffset"];

impl Signer {
    /// Builds the target's request and puts the access token into it.
    ///
    /// # Errors
    /// [`SigningError`]; nothing has been sent then.
    pub(crate) fn sign_call(
        &self,
        permit: &Permit<Call>,
        payload: OutgoingPayload,
        credential: &Credential,
        stamp: Stamp<'_>,
    ) -> Result<SignedRequest, SigningError> {
        let name = permit.operation().method().id();
        let bucket = permit.bucket().ok_or(SigningError::NotForwarded(name))?;
        let Material::BearerToken(token) = &credential.material else {
            return Err(SigningError::NoAccessToken);
        };
        let mut request = build(permit, bucket, payload)?;
        stamp.put(Profile::Gcs, request.headers_mut())?;
        bear(&mut request, token)?;
        Ok(SignedRequest {
            request,
            target: bucket.target.clone(),
        })
    }
}

/// Builds the request in origin form, without the token.
pub(super) fn build(
    permit: &Permit<Call>,
    bucket: &Bucket,
    payload: OutgoingPayload,
) -> Result<http::Request<Body>, SigningError> {
    let call = permit.operation();
    if !is_forwarded(call, bucket) {
        return Err(SigningError::NotForwarded(call.method().id()));
    }
    let mut request = http::Request::builder()
        .method(call.http_method())
        .uri(place(permit, bucket)?)
        .header(HOST, bucket.target.endpoint.authority());
    for (name, value) in call.headers() {
        request = request.header(*name, &**value);
    }
    for (name, value) in &payload.headers {
        request = request.header(*name, value);
    }
    if let Some(length) = payload.length {
        request = request.header(CONTENT_LENGTH, length);
    }
    Ok(request.body(payload.body)?)
}

/// INVARIANT: only where the configuration lets callers make a bucket are they asked for: whether it is there, to make it and
/// to delete it. Nothing else that is answered here goes to a target.
fn is_forwarded(call: &Call, bucket: &Bucket) -> bool {
    match call.row().handling {
        Handling::Forwarded => true,
        Handling::Answered => {
            let makes = [Method::BucketsGet, Method::BucketsInsert, Method::BucketsDelete];
            bucket.create && makes.contains(&call.method())
        }
        Handling::Refused(_) => false,
    }
}

/// Path and query.
fn place(permit: &Permit<Call>, bucket: &Bucket) -> Result<String, SigningError> {
    let call = permit.operation();
    let mut path = String::with_capacity(192);
    path.push_str(match (call.method(), call.detail()) {
        (Method::ObjectsGet, Detail::Media) => "/download/storage/v1",
        (Method::ObjectsInsert, _) => "/upload/storage/v1",
        _ => "/storage/v1",
    });
    let mut names = call.names().iter();
    for template in call.row().path.split('/') {
        path.push('/');
        match template {
            "{bucket}" => path.push_str(bucket.target_bucket.as_str()),
            "{object}" => {
                let object = call
                    .object()
                    .ok_or(SigningError::NotForwarded(call.method().id()))?;
                segment(bucket, &object.key, &mut path)?;
            }
            "{sourceBucket}" => path.push_str(source(permit, bucket).target_bucket.as_str()),
            "{sourceObject}" => {
                let from = call
                    .sources()
                    .first()
                    .ok_or(SigningError::NotForwarded(call.method().id()))?;
                segment(source(permit, bucket), &from.object.key, &mut path)?;
            }
            _ if template.starts_with('{') => {
                uri::encode_query(names.next().map_or(&b""[..], |name| name.as_bytes()), &mut path);
            }
            literal => path.push_str(literal),
        }
    }
    query(permit, bucket, &mut path)?;
    Ok(path)
}

/// The bucket that is read from; a call without one reads from its own.
fn source<'p>(permit: &'p Permit<Call>, own: &'p Bucket) -> &'p Bucket {
    permit.source_bucket().map_or(own, |bucket| bucket)
}

/// A name as one segment of a path: every slash in it is `%2F`.
fn segment(bucket: &Bucket, key: &ObjectKey, path: &mut String) -> Result<(), SigningError> {
    uri::encode_query(bucket.prefix.join(key)?.as_str().as_bytes(), path);
    Ok(())
}

fn query(permit: &Permit<Call>, bucket: &Bucket, path: &mut String) -> Result<(), SigningError> {
    let call = permit.operation();
    let mut separator = '?';
    let mut put = |name: &str, value: &str| {
        path.push(separator);
        uri::encode_query(name.as_bytes(), path);
        path.push('=');
        uri::encode_query(value.as_bytes(), path);
        separator = '&';
    };
    if call.is_download() {
        put("alt", "media");
    }
    for (name, value) in call.parameters() {
        // An empty bound is none, and with the folder in front of it would be one.
        if !(value.is_empty() && matches!(*name, "endOffset" | "startOffset")) {
            put(name, &parameter(call, bucket, name, value)?);
        }
    }
    if call.method() == Method::BucketsPatch {
        // Who changes a label is not told who may do what.
        let sets_access = call.settings().contains(&Action::PutBucketAcl);
        put("projection", if sets_access { "full" } else { "noAcl" });
    }
    if call.method() == Method::BucketsInsert {
        // INVARIANT: who pays for a new bucket is for the configuration to say.
        put(
            "project",
            bucket.target.project.as_deref().ok_or(SigningError::NoProject)?,
        );
    }
    if let (Some(sending), Some(object)) = (call.sending(), call.object()) {
        put("uploadType", sending.kind());
        put("name", bucket.prefix.join(&object.key)?.as_str());
        if sending.is_step() {
            // INVARIANT: callers' handles mean nothing to a target.
            let session = call.session().ok_or(SigningError::Handle("upload_id"))?;
            put("upload_id", &session.target_id);
        }
    }
    // A listing of a folder asks for the folder, also if the caller asks for everything.
    let lists = call.method() == Method::ObjectsList;
    if lists && call.parameter("prefix").is_none() && !bucket.prefix.is_empty() {
        put("prefix", bucket.prefix.as_str());
    }
    Ok(())
}

/// The target's word for the value of a parameter.
fn parameter<'v>(
    call: &'v Call,
    bucket: &Bucket,
    name: &str,
    value: &'v str,
) -> Result<Cow<'v, str>, SigningError> {
    let sealed = match name {
        "rewriteToken" => Some("rewriteToken"),
        "pageToken" if !bucket.prefix.is_empty() => Some("pageToken"),
        _ => None,
    };
    if let Some(handle) = sealed {
        // INVARIANT: callers' handles mean nothing to a target.
        return call
            .target_token()
            .map(Cow::Borrowed)
            .ok_or(SigningError::Handle(handle));
    }
    if name == "matchGlob" && !bucket.prefix.is_empty() {
        return globbed(bucket.prefix.as_str(), value);
    }
    Ok(match OF_NAMES.contains(&name) {
        true => Cow::Owned(bucket.prefix.prepend(value)),
        false => Cow::Borrowed(value),
    })
}

/// A pattern for names in a folder: what the folder's own name has of a pattern stands for itself.
fn globbed<'v>(folder: &str, pattern: &str) -> Result<Cow<'v, str>, SigningError> {
    let mut escaped = String::with_capacity(folder.len() + pattern.len());
    for letter in folder.chars() {
        match letter {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' => {
                // A set of one stands for itself; there is no set of `\` and `]` that every matcher reads alike.
                if matches!(letter, '\\' | ']' | '}') {
                    return Err(SigningError::Pattern);
                }
                let _ = write!(escaped, "[{letter}]");
            }
            _ => escaped.push(letter),
        }
    }
    escaped.push_str(pattern);
    Ok(Cow::Owned(escaped))
}
