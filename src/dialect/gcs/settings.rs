//! Settings: access controls, IAM policies, notifications and what a bucket is like, for those whom a policy names as
//! managers.
//!
//! A document is read strictly and written anew from members that are known, so that nobody sets what nobody decided
//! about. Of a bucket each member is a right of its own: who may change labels changes labels, and is told of labels.
//!
//! The hazard is a client that reads, changes and writes back. What it reads of a bucket is made up here, for all buckets
//! alike, and would become true at the store; so what was read here is recognised, and left out or refused.
//!
//! Spec: <https://cloud.google.com/storage/docs/json_api/v1/buckets#resource>

use super::documents::{AnswerError, Names};
use super::error::GcsError;
use crate::json::{Json, Object};
use crate::operation::Action;
use crate::operation::gcs::{Call, Detail, Method};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The entity tag of what is made up here. No store gives out this one, so that it tells what was read here.
pub(crate) const ETAG: &str = "dGlkZWdhdGU=";
/// How a caller is called in the policy that it is shown. No store knows such members.
pub(crate) const MEMBERS: &str = "principal://tidegate/";

/// What every bucket is shown with that could be set, whatever it is like at its store.
pub(crate) fn as_shown() -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("storageClass".into(), "STANDARD".into());
    shown.insert(
        "iamConfiguration".into(),
        json!({
            "uniformBucketLevelAccess": { "enabled": true },
            "publicAccessPrevention": "enforced",
        }),
    );
    shown
}

/// The actions that a member of a bucket needs.
const OF_BUCKET: [(&str, &[Action]); 18] = [
    ("acl", &[Action::PutBucketAcl]),
    ("autoclass", &[Action::PutIntelligentTieringConfiguration]),
    ("billing", &[Action::PutBucketRequestPayment]),
    ("cors", &[Action::PutBucketCORS]),
    (
        "defaultEventBasedHold",
        &[Action::PutBucketObjectLockConfiguration],
    ),
    ("defaultObjectAcl", &[Action::PutBucketAcl]),
    ("encryption", &[Action::PutEncryptionConfiguration]),
    (
        "iamConfiguration",
        &[
            Action::PutBucketPublicAccessBlock,
            Action::PutBucketOwnershipControls,
        ],
    ),
    ("labels", &[Action::PutBucketTagging]),
    ("lifecycle", &[Action::PutLifecycleConfiguration]),
    ("logging", &[Action::PutBucketLogging]),
    ("objectRetention", &[Action::PutBucketObjectLockConfiguration]),
    ("retentionPolicy", &[Action::PutBucketObjectLockConfiguration]),
    ("rpo", &[Action::PutReplicationConfiguration]),
    ("softDeletePolicy", &[Action::PutBucketVersioning]),
    ("storageClass", &[Action::PutLifecycleConfiguration]),
    ("versioning", &[Action::PutBucketVersioning]),
    ("website", &[Action::PutBucketWebsite]),
];

const OF_ACCESS_CONTROL: &[&str] = &["entity", "role"];
const OF_POLICY: &[&str] = &["bindings", "etag", "version"];
const OF_NOTIFICATION: &[&str] = &[
    "custom_attributes",
    "event_types",
    "object_name_prefix",
    "payload_format",
    "topic",
];

/// What a client sends back because it was told so, and nobody sets.
const OUTPUT_ONLY: [&str; 22] = [
    "bucket",
    "domain",
    "email",
    "entityId",
    "etag",
    "generation",
    "hardDeleteTime",
    "id",
    "kind",
    "location",
    "locationType",
    "metageneration",
    "name",
    "object",
    "owner",
    "projectNumber",
    "projectTeam",
    "resourceId",
    "satisfiesPZS",
    "selfLink",
    "timeCreated",
    "updated",
];

/// A setting of `method`, written anew, and the actions that its members need besides those of the method.
///
/// # Errors
/// `parseError` for what is no JSON that is read in one way only, `invalid` with a member that is not known, and for a policy
/// that was read here.
pub(super) fn read(method: Method, document: &[u8]) -> Result<(Bytes, Vec<Action>), GcsError> {
    let object = parse(document)?;
    let mut kept = Map::new();
    for (name, value) in object.members() {
        if known(method).contains(&&**name) {
            let value = rebuilt(value)
                .ok_or_else(|| GcsError::invalid(format!("`{name}` has a number that is no integer")))?;
            kept.insert((**name).into(), value);
        } else if !OUTPUT_ONLY.contains(&&**name) {
            return Err(GcsError::invalid(format!(
                "`{name}` is not a member that can be set here"
            )));
        }
    }
    if kept.is_empty() {
        return Err(GcsError::required("Required: the body sets nothing"));
    }
    let read_here = object.text("etag") == Some(ETAG);
    let actions = match method {
        Method::BucketsPatch => {
            if read_here {
                leave_out(&mut kept, &as_shown());
            }
            if kept.is_empty() {
                return Err(GcsError::invalid(
                    "the body has nothing but what every bucket is shown with here, whatever it is like at its store: send the \
                     members to be set, and not the whole bucket as it was read",
                ));
            }
            needed(&kept)
        }
        Method::BucketsSetIamPolicy | Method::ObjectsSetIamPolicy => {
            if read_here || names_callers(&kept) {
                return Err(GcsError::invalid(
                    "this policy was read here, where it tells the caller its own rights; written back it would take away \
                     what the store grants, the right of Tidegate itself with it. Who may do what through Tidegate is in \
                     the bucket's policy file: ask its admin to change that. What the store grants is changed with the \
                     tools of Google Cloud, or set here as a whole that was not read here",
                ));
            }
            Vec::new()
        }
        _ => Vec::new(),
    };
    Ok((Value::Object(kept).to_string().into(), actions))
}

/// The actions that these members of a bucket need.
fn needed(members: &Map<String, Value>) -> Vec<Action> {
    let of_bucket = OF_BUCKET.iter();
    of_bucket
        .filter(|(member, _)| members.contains_key(*member))
        .flat_map(|(_, needed)| *needed)
        .copied()
        .collect()
}

/// Leaves out of a change what is as it was shown, to the last member: a patch sets members of members on their own.
fn leave_out(change: &mut Map<String, Value>, shown: &Map<String, Value>) {
    change.retain(|name, value| match (value, shown.get(name)) {
        (Value::Object(change), Some(Value::Object(shown))) => {
            leave_out(change, shown);
            !change.is_empty()
        }
        (value, Some(shown)) => value != shown,
        (_, None) => true,
    });
}

/// Whether a policy names somebody as callers are named here alone.
fn names_callers(policy: &Map<String, Value>) -> bool {
    let of = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned();
    let bindings = policy.get("bindings").and_then(Value::as_array);
    let mut members = bindings
        .into_iter()
        .flatten()
        .filter_map(|binding| of(binding, "members"))
        .flatten();
    members.any(|member| member.as_str().is_some_and(|name| name.starts_with(MEMBERS)))
}

/// The name of a new bucket. What else it should be like is for the configuration to say.
///
/// # Errors
/// As [`read`].
pub(super) fn new_bucket(document: &[u8]) -> Result<String, GcsError> {
    let name = parse(document)?.text("name").map(str::to_owned);
    name.ok_or_else(|| GcsError::required("Required: the new bucket has no `name`"))
}

fn parse(document: &[u8]) -> Result<Object, GcsError> {
    Object::parse(document)
        .map_err(|_| GcsError::parse_error("the body is no JSON object in which each member is there once"))
}

fn known(method: Method) -> Vec<&'static str> {
    match method {
        Method::BucketsPatch => OF_BUCKET.iter().map(|(name, _)| *name).collect(),
        Method::BucketsSetIamPolicy | Method::ObjectsSetIamPolicy => OF_POLICY.to_vec(),
        Method::NotificationsInsert => OF_NOTIFICATION.to_vec(),
        _ => OF_ACCESS_CONTROL.to_vec(),
    }
}

/// `None` for a number that is no integer.
fn rebuilt(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => (*flag).into(),
        Json::Integer(number) => (*number).into(),
        Json::OtherNumber => return None,
        Json::String(text) => (**text).into(),
        Json::Array(items) => items.iter().map(rebuilt).collect::<Option<Vec<_>>>()?.into(),
        Json::Object(object) => {
            let members = object.members().iter();
            let members = members.map(|(name, value)| Some(((**name).to_owned(), rebuilt(value)?)));
            Value::Object(members.collect::<Option<Map<_, _>>>()?)
        }
    })
}

/// What is said of settings besides the members that can be set.
const SHOWN: [&str; 11] = [
    "domain",
    "email",
    "entityId",
    "generation",
    "kind",
    "location",
    "locationType",
    "metageneration",
    "timeCreated",
    "updated",
    "etag",
];

/// The members that an answer is about, besides [`SHOWN`]. Of a bucket it is what the call has set and nothing else: whoever
/// may change its labels has no business with where its logs go, or with whose key it is encrypted (LEK-04).
fn asked_of(call: &Call) -> Vec<Box<str>> {
    match (call.method(), call.detail()) {
        (Method::BucketsPatch, Detail::Document(sent)) => match Object::parse(sent) {
            Ok(sent) => sent.into_members().into_iter().map(|(name, _)| name).collect(),
            Err(_) => Vec::new(),
        },
        (Method::BucketsLockRetentionPolicy, _) => vec!["retentionPolicy".into()],
        (Method::BucketsPatch | Method::BucketsGet | Method::BucketsInsert, _) => Vec::new(),
        _ => {
            let all = [OF_ACCESS_CONTROL, OF_POLICY, OF_NOTIFICATION].concat();
            all.into_iter().map(Into::into).collect()
        }
    }
}

/// A target's answer about settings, in the caller's words.
///
/// # Errors
/// [`AnswerError`] for what is no JSON object, or about something else.
pub(super) fn answered(document: &[u8], names: &Names<'_>, call: &Call) -> Result<Vec<u8>, AnswerError> {
    let object = Object::parse(document).map_err(|_| AnswerError::Malformed)?;
    let asked = asked_of(call);
    let mut whole = of_one(&object, names, &asked)?;
    if let Some(Json::Array(items)) = object.get("items") {
        whole.insert("items".into(), entries(items, names, &asked)?);
    }
    Ok(Value::Object(whole).to_string().into_bytes())
}

fn entries(items: &[Json], names: &Names<'_>, asked: &[Box<str>]) -> Result<Value, AnswerError> {
    let items = items.iter().map(|item| match item {
        Json::Object(item) => of_one(item, names, asked).map(Value::Object),
        _ => Err(AnswerError::Malformed),
    });
    Ok(items.collect::<Result<Vec<_>, _>>()?.into())
}

fn of_one(object: &Object, names: &Names<'_>, asked: &[Box<str>]) -> Result<Map<String, Value>, AnswerError> {
    let mut shown = Map::new();
    for (name, value) in object.members() {
        match (&**name, value) {
            ("bucket" | "name", Json::String(bucket)) => {
                shown.insert((**name).into(), names.bucket(bucket)?.into());
            }
            ("object", Json::String(key)) => {
                shown.insert("object".into(), names.key(key)?.into());
            }
            // That of a notification, by which it is deleted. Others are made of names.
            ("id", Json::String(id)) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) => {
                shown.insert("id".into(), (**id).into());
            }
            // Lists of access controls, each of which names its bucket.
            ("acl" | "defaultObjectAcl", Json::Array(items)) if asked.contains(name) => {
                let entry: Vec<_> = OF_ACCESS_CONTROL.iter().map(|member| (*member).into()).collect();
                shown.insert((**name).into(), entries(items, names, &entry)?);
            }
            (known, value) if SHOWN.contains(&known) || asked.contains(name) => {
                if let Some(value) = rebuilt(value) {
                    shown.insert(known.into(), value);
                }
            }
            _ => {}
        }
    }
    Ok(shown)
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
