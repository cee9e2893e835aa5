//! What a call sends to the target besides its address: documents of ours, or nothing.

use super::hash::{self, Hashes};
use super::multipart::write_related;
use crate::body::{self, Body};
use crate::config::Bucket;
use crate::error::Error;
use crate::operation::KeyError;
use crate::operation::gcs::{Call, Detail, Method, Sending, Sent};
use crate::signing::{OutgoingPayload, PayloadHash, SigningError};
use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Map, Value, json};

/// The payload of a call without object bytes, as often as it is wanted.
///
/// # Errors
/// [`SigningError::Key`] for a source that cannot be named at the target.
pub(crate) fn payload(call: &Call, bucket: &Bucket) -> Result<OutgoingPayload, Error> {
    let document = match call.detail() {
        // A document of nothing is understood by all, and no document is not.
        Detail::None if call.row().sent == Sent::Object => Some(Bytes::from_static(b"{}")),
        Detail::None if call.method() == Method::BucketsInsert => Some(new_bucket(bucket)),
        Detail::None | Detail::Media => None,
        Detail::Document(bytes) => Some(bytes.clone()),
        Detail::Upload(Sending::Begin { metadata }) => metadata.clone(),
        Detail::Upload(Sending::Status { .. } | Sending::Cancel) => None,
        Detail::Upload(Sending::Whole { .. } | Sending::Chunk(_)) => {
            return Err(Error::Internal("an upload without its bytes"));
        }
        Detail::Compose { .. } => Some(composed(call, bucket).map_err(SigningError::Key)?),
    };
    Ok(match document {
        Some(bytes) => OutgoingPayload {
            length: u64::try_from(bytes.len()).ok(),
            headers: vec![("content-type", "application/json; charset=UTF-8".to_owned())],
            ..nothing(call, bytes)
        },
        None => nothing(call, Bytes::new()),
    })
}

/// The bucket that the configuration has in mind.
fn new_bucket(bucket: &Bucket) -> Bytes {
    let mut document = Map::new();
    document.insert("name".into(), bucket.target_bucket.as_str().into());
    if *bucket.target.region != *"auto" {
        document.insert(
            "location".into(),
            bucket.target.region.to_ascii_uppercase().into(),
        );
    }
    Value::Object(document).to_string().into()
}

fn nothing(call: &Call, bytes: Bytes) -> OutgoingPayload {
    OutgoingPayload {
        body: match bytes.is_empty() {
            true => body::empty(),
            false => body::full(bytes),
        },
        length: matches!(call.http_method(), "PATCH" | "POST" | "PUT").then_some(0),
        hash: PayloadHash::Unsigned,
        headers: ranged(call),
        sum: None,
    }
}

/// The payload of a call with object bytes: `media`, of which there are `length` if that is known.
///
/// Its end is sent only after `media` has ended well: an upload that fails is a request that never ends, of which the target
/// makes no object.
///
/// # Errors
/// [`Error::Internal`] for a call without bytes.
pub(crate) fn media(
    call: &Call,
    media: Body,
    length: Option<u64>,
    hashes: Hashes,
) -> Result<OutgoingPayload, Error> {
    let type_of = |text: &Option<Box<str>>| text.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    let mut headers = ranged(call);
    // Of the object, not of this body.
    headers.extend(hashes.header().map(|value| (hash::NAME, value)));
    let (body, length) = match call.sending() {
        Some(Sending::Whole {
            metadata: Some(metadata),
            media_type,
        }) => {
            let written = write_related(metadata, type_of(media_type).as_ref(), media);
            let written = written.ok_or(Error::Internal("no random bytes"))?;
            headers.push(("content-type", written.content_type));
            (written.body, written.length)
        }
        Some(Sending::Whole {
            metadata: None,
            media_type,
        }) => {
            headers.extend(
                media_type
                    .as_deref()
                    .map(|text| ("content-type", text.to_owned())),
            );
            (media, length)
        }
        Some(Sending::Chunk(_)) => (media, length),
        Some(Sending::Begin { .. } | Sending::Status { .. } | Sending::Cancel) | None => {
            return Err(Error::Internal("object bytes of a call without any"));
        }
    };
    Ok(OutgoingPayload {
        body,
        length,
        hash: PayloadHash::Unsigned,
        headers,
        sum: None,
    })
}

/// `Content-Range`, for a step of an upload.
fn ranged(call: &Call) -> Vec<(&'static str, String)> {
    let range = call.sending().and_then(Sending::content_range);
    range.map(|range| ("content-range", range)).into_iter().collect()
}

/// The body of a compose, with the sources as the target names them.
///
/// INVARIANT: these are the objects that were decided on, and no other document names any.
fn composed(call: &Call, bucket: &Bucket) -> Result<Bytes, KeyError> {
    let Detail::Compose {
        destination,
        conditions,
    } = call.detail()
    else {
        return Ok(Bytes::new());
    };
    let mut sources = Vec::with_capacity(call.sources().len());
    for (source, condition) in call.sources().iter().zip(conditions) {
        let mut item = Map::new();
        let name = bucket.prefix.join(&source.object.key)?;
        item.insert("name".into(), name.as_str().into());
        if let Some(generation) = &source.generation {
            item.insert("generation".into(), (**generation).into());
        }
        if let Some(generation) = &condition.if_generation_match {
            item.insert(
                "objectPreconditions".into(),
                json!({ "ifGenerationMatch": &**generation }),
            );
        }
        sources.push(Value::Object(item));
    }
    let mut document = Map::new();
    document.insert("kind".into(), "storage#composeRequest".into());
    let destination = destination
        .as_ref()
        .and_then(|bytes| serde_json::from_slice(bytes).ok());
    document.insert("destination".into(), destination.unwrap_or_else(|| json!({})));
    document.insert("sourceObjects".into(), sources.into());
    Ok(Value::Object(document).to_string().into())
}
