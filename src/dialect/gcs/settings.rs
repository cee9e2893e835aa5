//! Settings: access controls, IAM policies, notifications and what a bucket is like, for those whom a policy names as
//! managers.
//!
//! A document is read strictly and written anew from members that are known, so that nobody sets what nobody decided
//! about. Of a bucket each member is a right of its own: who may change labels changes labels.
//!
//! Spec: <https://cloud.google.com/storage/docs/json_api/v1/buckets#resource>

use super::documents::{AnswerError, Names};
use super::error::GcsError;
use crate::json::{Json, Object};
use crate::operation::Action;
use crate::operation::gcs::Method;
use bytes::Bytes;
use serde_json::{Map, Value};

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
/// `parseError` for what is no JSON that is read in one way only, `invalid` with a member that is not known.
pub(super) fn read(method: Method, document: &[u8]) -> Result<(Bytes, Vec<Action>), GcsError> {
    let object = parse(document)?;
    let mut kept = Map::new();
    let mut actions = Vec::new();
    for (name, value) in object.members() {
        if known(method).contains(&&**name) {
            if let Some((_, needed)) = OF_BUCKET.iter().find(|(member, _)| **member == **name)
                && method == Method::BucketsPatch
            {
                actions.extend_from_slice(needed);
            }
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
    Ok((Value::Object(kept).to_string().into(), actions))
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
const SHOWN: [&str; 12] = [
    "domain",
    "email",
    "entityId",
    "generation",
    "kind",
    "location",
    "locationType",
    "metageneration",
    "projectTeam",
    "timeCreated",
    "updated",
    "etag",
];

/// A target's answer about settings, in the caller's words.
///
/// # Errors
/// [`AnswerError`] for what is no JSON object, or about something else.
pub(super) fn answered(document: &[u8], names: &Names<'_>) -> Result<Bytes, AnswerError> {
    let object = Object::parse(document).map_err(|_| AnswerError::Malformed)?;
    let mut shown = Map::new();
    if let Some(Json::Array(items)) = object.get("items") {
        let items = items.iter().map(|item| match item {
            Json::Object(item) => of_one(item, names).map(Value::Object),
            _ => Err(AnswerError::Malformed),
        });
        shown.insert("items".into(), items.collect::<Result<Vec<_>, _>>()?.into());
    }
    let mut whole = of_one(&object, names)?;
    whole.append(&mut shown);
    Ok(Value::Object(whole).to_string().into())
}

fn of_one(object: &Object, names: &Names<'_>) -> Result<Map<String, Value>, AnswerError> {
    let mut shown = Map::new();
    for (name, value) in object.members() {
        let settable = || {
            OF_BUCKET.iter().any(|(member, _)| *member == &**name)
                || [OF_ACCESS_CONTROL, OF_POLICY, OF_NOTIFICATION]
                    .iter()
                    .any(|members| members.contains(&&**name))
        };
        match (&**name, value.as_str()) {
            ("bucket" | "name", Some(bucket)) => {
                shown.insert((**name).into(), names.bucket(bucket)?.into());
            }
            ("object", Some(key)) => {
                shown.insert("object".into(), names.key(key)?.into());
            }
            // That of a notification, by which it is deleted. Others are made of names.
            ("id", Some(id)) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) => {
                shown.insert("id".into(), id.into());
            }
            (known, _) if SHOWN.contains(&known) || settable() => {
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
mod tests {
    use super::*;
    use crate::operation::KeyPrefix;

    fn check(method: Method, document: &str, expected: Result<(&str, &[Action]), &str>) {
        let read = read(method, document.as_bytes());
        match (read, expected) {
            (Ok((bytes, actions)), Ok((kept, needed))) => {
                assert_eq!(bytes, kept.as_bytes(), "{document}");
                assert_eq!(actions, needed, "{document}");
            }
            (Err(error), Err(words)) => assert!(error.message.contains(words), "{document}: {error:?}"),
            (read, _) => panic!("{document}: {read:?}"),
        }
    }

    // GCS-06
    #[test]
    fn each_member_of_a_bucket_is_a_right_of_its_own() {
        let patch = Method::BucketsPatch;
        let labels = r#"{"labels":{"team":"a"}}"#;
        check(patch, labels, Ok((labels, &[Action::PutBucketTagging])));
        let with_output = r#"{"kind":"storage#bucket","name":"x","versioning":{"enabled":true}}"#;
        let kept = r#"{"versioning":{"enabled":true}}"#;
        check(patch, with_output, Ok((kept, &[Action::PutBucketVersioning])));
        check(
            patch,
            r#"{"iamConfiguration":{"publicAccessPrevention":"inherited"}}"#,
            Ok((
                r#"{"iamConfiguration":{"publicAccessPrevention":"inherited"}}"#,
                &[
                    Action::PutBucketPublicAccessBlock,
                    Action::PutBucketOwnershipControls,
                ],
            )),
        );
        check(patch, r#"{"unheardOf":1}"#, Err("`unheardOf`"));
        check(patch, r#"{"labels":{},"labels":{"a":"b"}}"#, Err("once"));
        check(patch, r#"{"rpo":1.5}"#, Err("no integer"));
        check(patch, "{}", Err("sets nothing"));
        check(patch, r#"{"name":"other"}"#, Err("sets nothing"));
        check(
            Method::ObjectAccessControlsInsert,
            r#"{"entity":"allUsers","role":"READER"}"#,
            Ok((r#"{"entity":"allUsers","role":"READER"}"#, &[])),
        );
        check(
            Method::BucketsSetIamPolicy,
            r#"{"labels":{"a":"b"}}"#,
            Err("`labels`"),
        );
    }

    #[test]
    fn answers_name_the_bucket_as_callers_do() {
        let prefix = KeyPrefix::default();
        let names = Names {
            bucket: "lake",
            target_bucket: "acme-prod",
            prefix: &prefix,
            origin: "https://s3.test",
        };
        let check = |document: &str, expected: Result<&str, AnswerError>| {
            let shown = answered(document.as_bytes(), &names);
            assert_eq!(
                shown,
                expected.map(|text| Bytes::from(text.to_owned())),
                "{document}"
            );
        };
        check(
            r#"{"kind":"storage#notifications","items":[{"kind":"storage#notification","id":"7","selfLink":"https://g/x","topic":"t"}]}"#,
            Ok(
                r#"{"kind":"storage#notifications","items":[{"kind":"storage#notification","id":"7","topic":"t"}]}"#,
            ),
        );
        check(
            r#"{"bucket":"acme-prod","id":"acme-prod/allUsers","entity":"allUsers"}"#,
            Ok(r#"{"bucket":"lake","entity":"allUsers"}"#),
        );
        check(r#"{"bucket":"other"}"#, Err(AnswerError::OtherBucket));
        check("[]", Err(AnswerError::Malformed));
    }
}
