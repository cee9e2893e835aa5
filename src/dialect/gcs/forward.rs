//! What a call sends to the target besides its address: documents of ours, or nothing.

use crate::body;
use crate::config::Bucket;
use crate::error::Error;
use crate::operation::KeyError;
use crate::operation::gcs::{Call, Detail, Sent};
use crate::signing::{OutgoingPayload, PayloadHash, SigningError};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The payload of a call without object bytes, as often as it is wanted.
///
/// # Errors
/// [`SigningError::Key`] for a source that cannot be named at the target.
pub(crate) fn payload(call: &Call, bucket: &Bucket) -> Result<OutgoingPayload, Error> {
    let document = match call.detail() {
        // A document of nothing is understood by all, and no document is not.
        Detail::None if call.row().sent == Sent::Object => Some(Bytes::from_static(b"{}")),
        Detail::None | Detail::Media => None,
        Detail::Document(bytes) => Some(bytes.clone()),
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

fn nothing(call: &Call, bytes: Bytes) -> OutgoingPayload {
    OutgoingPayload {
        body: match bytes.is_empty() {
            true => body::empty(),
            false => body::full(bytes),
        },
        length: matches!(call.row().method, "PATCH" | "POST" | "PUT").then_some(0),
        hash: PayloadHash::Unsigned,
        headers: Vec::new(),
        sum: None,
    }
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
