//! Calls that wait for their document: metadata, sources of a compose, settings of a bucket.
//!
//! A document may say what the address said before it, and then both have to say the same.

use super::documents::{self, ComposeRequest, ObjectFields};
use super::error::GcsError;
use super::{address, settings};
use crate::operation::gcs::{Call, ComposeCondition, Detail, Method, Sent, Source, Wishes};
use crate::operation::{GOOGLES_CLASSES, ObjectName, Resource};

/// A call that waits for its document.
#[derive(Debug)]
pub(crate) struct DocumentDraft {
    pub(crate) call: Call,
}

impl DocumentDraft {
    /// How many bytes the document may have.
    pub(crate) fn limit(&self) -> usize {
        match self.call.row().sent {
            Sent::Bucket | Sent::Setting => 1 << 20,
            Sent::Nothing | Sent::Object | Sent::Compose | Sent::Media | Sent::NewBucket => documents::LIMIT,
        }
    }

    /// Completes the call with its document.
    ///
    /// # Errors
    /// `parseError`, `invalid`, and `required` for what is missing.
    pub(crate) fn complete(self, document: &[u8]) -> Result<Call, GcsError> {
        let call = self.call;
        match call.row().sent {
            Sent::Nothing | Sent::Media => Ok(call),
            // Google's clients for Go send `null` where they have nothing to say.
            Sent::Object if matches!(document.trim_ascii(), b"" | b"null") => {
                described(call, &ObjectFields::default())
            }
            Sent::Object => described(call, &ObjectFields::parse(document)?),
            Sent::Compose => composed(call, &ComposeRequest::parse(document)?),
            Sent::NewBucket => {
                let name = address::bucket(&settings::new_bucket(document)?)?;
                let parameters = call.parameters().to_vec();
                Call::new(call.method(), Resource::Bucket(name), parameters, Vec::new())
                    .map_err(|error| GcsError::invalid(error.to_string()))
            }
            Sent::Bucket | Sent::Setting => {
                let (rebuilt, actions) = settings::read(call.method(), document)?;
                let call = call.with_settings(actions);
                Ok(call.with_detail(Detail::Document(rebuilt), Wishes::default()))
            }
        }
    }
}

/// A call with the metadata of its object.
fn described(call: Call, fields: &ObjectFields) -> Result<Call, GcsError> {
    let object = call
        .object()
        .cloned()
        .ok_or(GcsError::invalid("metadata of no object"))?;
    agree(&object, fields)?;
    decidable(call.wishes(), fields)?;
    if call.method() == Method::ObjectsUpdate && fields.is_empty() {
        // It would wipe what there is.
        return Err(GcsError::required(
            "Required: an update has all metadata of the object in its body",
        ));
    }
    if call.method() == Method::ObjectsMove && !fields.is_empty() {
        return Err(GcsError::invalid(
            "a move changes the name of an object and nothing else of it",
        ));
    }
    let (wishes, document) = (wishes(fields), fields.to_json());
    Ok(match document {
        Some(document) => call.with_detail(Detail::Document(document.into()), wishes),
        None => call,
    })
}

/// A compose with its sources.
fn composed(call: Call, request: &ComposeRequest) -> Result<Call, GcsError> {
    let object = call
        .object()
        .cloned()
        .ok_or(GcsError::invalid("a compose without an object"))?;
    agree(&object, &request.destination)?;
    decidable(call.wishes(), &request.destination)?;
    for source in &request.sources {
        address::check_name(source.name.as_str())?;
    }
    if request.delete_sources {
        return Err(GcsError::not_implemented(
            "`deleteSourceObjects` is not served: delete the sources afterwards",
        ));
    }
    let number = |number: i64| number.to_string().into_boxed_str();
    let sources = request.sources.iter().map(|source| Source {
        object: ObjectName {
            bucket: object.bucket.clone(),
            key: source.name.clone(),
        },
        generation: source.generation.map(number),
    });
    let conditions = request.sources.iter().map(|source| ComposeCondition {
        if_generation_match: source.if_generation_match.map(number),
    });
    let detail = Detail::Compose {
        destination: request.destination.to_json().map(Into::into),
        conditions: conditions.collect(),
    };
    Ok(call
        .with_sources(sources.collect())
        .with_detail(detail, wishes(&request.destination)))
}

/// What the metadata of an object asks of the store.
pub(crate) fn wishes(fields: &ObjectFields) -> Wishes {
    Wishes {
        acl: fields.sets_access(),
        retention: fields.sets_retention(),
        hold: fields.sets_hold(),
        lifts_retention: false,
        contexts: fields.contexts(),
        kms_key: fields.text("kmsKeyName").map(Into::into),
        storage_class: fields.text("storageClass").map(Into::into),
    }
}

/// That what policies look at has one spelling, which is the one that Google is told: a rule on `ARCHIVE` is not to be passed by
/// `archive`. And that the query and the metadata do not name two keys of Cloud KMS.
///
/// # Errors
/// `invalid`.
pub(crate) fn decidable(in_query: &Wishes, fields: &ObjectFields) -> Result<(), GcsError> {
    let is_key = |key: &str| key.len() <= 512 && key.bytes().all(|b| b.is_ascii_graphic());
    if !fields.text("kmsKeyName").is_none_or(is_key) {
        return Err(GcsError::invalid(
            "`kmsKeyName` is the resource name of a key, of at most 512 characters",
        ));
    }
    if !fields
        .text("storageClass")
        .is_none_or(|class| GOOGLES_CLASSES.contains(&class))
    {
        return Err(GcsError::invalid(
            "`storageClass` is `STANDARD`, `NEARLINE`, `COLDLINE` or `ARCHIVE`, in these letters",
        ));
    }
    match (&in_query.kms_key, fields.text("kmsKeyName")) {
        (Some(one), Some(other)) if **one != *other => Err(GcsError::invalid(
            "the query names another key of Cloud KMS than the metadata: name it once, or the same",
        )),
        _ => Ok(()),
    }
}

/// That a document which names its object and its bucket names those of the address (GCS-05).
///
/// # Errors
/// `invalid`.
pub(crate) fn agree(object: &ObjectName, fields: &ObjectFields) -> Result<(), GcsError> {
    let same = |said: &Option<Box<str>>, name: &str| said.as_deref().is_none_or(|said| said == name);
    match same(&fields.name, object.key.as_str()) && same(&fields.bucket, object.bucket.as_str()) {
        true => Ok(()),
        false => Err(GcsError::invalid(
            "the metadata names another object or bucket than the address of the request: name it once, or the same",
        )),
    }
}

impl From<documents::DocumentError> for GcsError {
    fn from(error: documents::DocumentError) -> Self {
        match error {
            documents::DocumentError::Malformed => Self::parse_error(error.to_string()),
            _ => Self::invalid(error.to_string()),
        }
    }
}
