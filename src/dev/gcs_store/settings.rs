//! What callers may say of an object.
//!
//! Bodies are read strictly. A member that there is not is an error here, where Google would ignore it, because what was
//! sent in vain was meant for something.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/objects#resource>

use super::Refusal;
use super::members::{Members, flag, text, time};
use super::object::{check_name, milliseconds};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What callers may say of an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) custom_time: Option<String>,
    pub(super) storage_class: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) temporary_hold: bool,
    pub(super) event_based_hold: bool,
    pub(super) retention: Option<Retention>,
    pub(super) contexts: Option<Value>,
    /// Entity and role, in buckets without uniform access.
    pub(super) acl: BTreeMap<String, String>,
    /// Of the key that it is encrypted with; BASE64.
    pub(super) key_sha256: Option<String>,
}

/// Until when an object stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retention {
    pub(super) locked: bool,
    pub(super) until: Timestamp,
}

/// A body that tells of an object to be: the settings, and what it says of the object itself.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: Option<String>,
    pub(super) crc32c: Option<String>,
    pub(super) md5: Option<String>,
    pub(super) settings: Settings,
}

/// What the store says of an object and nobody else; clients send it back.
const READ_ONLY: [&str; 22] = [
    "bucket",
    "componentCount",
    "customerEncryption",
    "etag",
    "generation",
    "hardDeleteTime",
    "id",
    "kind",
    "kmsKeyName",
    "mediaLink",
    "metageneration",
    "owner",
    "restoreToken",
    "retentionExpirationTime",
    "selfLink",
    "size",
    "softDeleteTime",
    "timeCreated",
    "timeDeleted",
    "timeFinalized",
    "timeStorageClassUpdated",
    "updated",
];
pub(super) const CLASSES: [&str; 4] = ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"];

impl Draft {
    /// Reads a body for an object in `bucket`, on top of `settings`.
    ///
    /// # Errors
    /// Members that there are not, of another kind, or about another bucket.
    pub(super) fn read(members: &Members, bucket: &str, settings: Settings) -> Result<Self, Refusal> {
        let mut draft = Self {
            settings,
            ..Self::default()
        };
        for (member, value) in members {
            let settings = &mut draft.settings;
            match member.as_str() {
                "name" => draft.name = text(member, value)?,
                "crc32c" => draft.crc32c = text(member, value)?,
                "md5Hash" => draft.md5 = text(member, value)?,
                "bucket" => {
                    if text(member, value)?.is_some_and(|named| named != bucket) {
                        return Err(disagreement(&value.to_string(), bucket));
                    }
                }
                "contentType" => settings.content_type = text(member, value)?,
                "contentEncoding" => settings.content_encoding = text(member, value)?,
                "contentDisposition" => settings.content_disposition = text(member, value)?,
                "contentLanguage" => settings.content_language = text(member, value)?,
                "cacheControl" => settings.cache_control = text(member, value)?,
                "storageClass" => settings.storage_class = class(member, value)?,
                "customTime" => {
                    settings.custom_time = match text(member, value)? {
                        Some(at) => Some(milliseconds(time(member, &at)?)),
                        None => None,
                    };
                }
                "metadata" => apply_metadata(&mut settings.metadata, value)?,
                "temporaryHold" => settings.temporary_hold = flag(member, value)?,
                "eventBasedHold" => settings.event_based_hold = flag(member, value)?,
                "retention" => settings.retention = Retention::read(value)?,
                "contexts" => settings.contexts = (!value.is_null()).then(|| value.clone()),
                "acl" => settings.acl = acl(value)?,
                read_only if READ_ONLY.contains(&read_only) => {}
                unknown => return Err(Refusal::unknown("body", unknown)),
            }
        }
        Ok(draft)
    }

    /// The name, which the query may have said as well.
    ///
    /// # Errors
    /// None, two, or one that no object can have.
    pub(super) fn name(&self, in_query: Option<&str>) -> Result<String, Refusal> {
        let name = match (in_query, self.name.as_deref()) {
            (Some(query), Some(body)) if query != body => return Err(disagreement(body, query)),
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => return Err(Refusal::required("name")),
        };
        check_name(name)?;
        Ok(name.to_owned())
    }
}

impl Settings {
    /// Whether an object with these may go at this time.
    ///
    /// # Errors
    /// 403 for a hold or a retention.
    pub(super) fn may_go(&self, what: &str, now: Timestamp) -> Result<(), Refusal> {
        if self.temporary_hold || self.event_based_hold {
            let message = format!(
                "Object '{what}' is under active hold and cannot be deleted, overwritten or archived until hold is \
                 removed."
            );
            return Err(Refusal::new(403, "objectUnderActiveHold", message));
        }
        match &self.retention {
            Some(retention) if retention.until > now => Err(Refusal::new(
                403,
                "retentionPolicyNotMet",
                format!(
                    "Object '{what}' is subject to the object's retention and cannot be deleted or overwritten."
                ),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether these may become `next`.
    ///
    /// # Errors
    /// 403 for a retention that would be made weaker.
    pub(super) fn may_become(&self, next: &Self, overrides: bool, now: Timestamp) -> Result<(), Refusal> {
        let Some(kept) = self.retention.as_ref().filter(|kept| kept.until > now) else {
            return Ok(());
        };
        let weaker = next
            .retention
            .as_ref()
            .is_none_or(|next| next.until < kept.until || (kept.locked && !next.locked));
        if weaker && (kept.locked || !overrides) {
            let message =
                "The retention of the object cannot be reduced or removed without overrideUnlockedRetention";
            return Err(Refusal::forbidden(message));
        }
        Ok(())
    }

    /// The headers that a download has of them.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("content-type", &self.content_type),
            ("content-encoding", &self.content_encoding),
            ("content-disposition", &self.content_disposition),
            ("content-language", &self.content_language),
            ("cache-control", &self.cache_control),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

impl Retention {
    fn read(value: &Value) -> Result<Option<Self>, Refusal> {
        let Some(members) = value.as_object() else {
            return match value.is_null() {
                true => Ok(None),
                false => Err(Refusal::invalid("Invalid value for: retention")),
            };
        };
        let known = |name: &str| ["mode", "retainUntilTime"].contains(&name);
        if let Some(unknown) = members.keys().find(|name| !known(name)) {
            return Err(Refusal::unknown("body", unknown));
        }
        let (mode, until) = (members.get("mode"), members.get("retainUntilTime"));
        let (mode, until) = (mode.and_then(Value::as_str), until.and_then(Value::as_str));
        let locked = match mode {
            Some("Locked") => true,
            Some("Unlocked") => false,
            // Without both, there is none.
            None if until.is_none() => return Ok(None),
            Some(_) | None => return Err(Refusal::invalid("Invalid value for: retention.mode")),
        };
        let until = until.ok_or_else(|| Refusal::invalid("Invalid value for: retention.retainUntilTime"))?;
        Ok(Some(Self {
            locked,
            until: time("retention.retainUntilTime", until)?,
        }))
    }
}

fn disagreement(one: &str, other: &str) -> Refusal {
    Refusal::invalid(format!(
        "Value {one} in content does not agree with value {other}. This can happen when a value set through a parameter \
         is inconsistent with a value set in the request."
    ))
}

fn class(member: &str, value: &Value) -> Result<Option<String>, Refusal> {
    let class = text(member, value)?;
    match class.as_deref() {
        Some(class) if !CLASSES.contains(&class) => {
            Err(Refusal::invalid(format!("Invalid storage class: {class}")))
        }
        Some(_) | None => Ok(class),
    }
}

fn apply_metadata(metadata: &mut BTreeMap<String, String>, value: &Value) -> Result<(), Refusal> {
    let Some(members) = value.as_object() else {
        if value.is_null() {
            metadata.clear();
            return Ok(());
        }
        return Err(Refusal::invalid("Invalid value for: metadata"));
    };
    for (key, value) in members {
        match text("metadata", value)? {
            Some(text) => metadata.insert(key.clone(), text),
            None => metadata.remove(key),
        };
    }
    Ok(())
}

fn acl(value: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let refused = || Refusal::invalid("Invalid value for: acl");
    if value.is_null() {
        return Ok(BTreeMap::new());
    }
    let mut entries = BTreeMap::new();
    for entry in value.as_array().ok_or_else(refused)? {
        let member = |name: &str| entry.get(name).and_then(Value::as_str).ok_or_else(refused);
        entries.insert(member("entity")?.to_owned(), member("role")?.to_owned());
    }
    Ok(entries)
}
