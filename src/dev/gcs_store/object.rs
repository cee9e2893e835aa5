//! An object of the store: what is kept of it, and the document that tells of it.
//!
//! Bodies are read strictly. A member that there is not is an error here, where Google would ignore it, because what was
//! sent in vain was meant for something.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/objects#resource>

use super::Refusal;
use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The members of a JSON object.
pub(super) type Members = Map<String, Value>;

/// One generation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) metageneration: u64,
    pub(super) settings: Settings,
    pub(super) content: Content,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    /// When it was replaced or deleted, in a bucket with versions.
    pub(super) deleted: Option<Timestamp>,
    /// The same in a bucket that gives things back.
    pub(super) soft_deleted: Option<Timestamp>,
}

/// What is known of the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) crc32c: u32,
    /// `None` for what was composed.
    pub(super) md5: Option<String>,
    pub(super) components: Option<u64>,
}

/// What callers may say of an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    content_disposition: Option<String>,
    content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    custom_time: Option<String>,
    pub(super) storage_class: Option<String>,
    metadata: BTreeMap<String, String>,
    temporary_hold: bool,
    event_based_hold: bool,
    pub(super) retention: Option<Retention>,
    contexts: Option<Value>,
    /// Entity and role, in buckets without uniform access.
    pub(super) acl: BTreeMap<String, String>,
    /// Of the key that it is encrypted with; BASE64.
    pub(super) key_sha256: Option<String>,
}

/// Until when an object stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retention {
    locked: bool,
    until: Timestamp,
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
const CLASSES: [&str; 4] = ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"];

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

impl Content {
    /// `crc32c` as Google writes it: big-endian, BASE64.
    pub(super) fn crc32c(&self) -> String {
        BASE64.encode(&self.crc32c.to_be_bytes())
    }

    /// The value of `x-goog-hash`.
    pub(super) fn hashes(&self) -> String {
        let md5 = self
            .md5
            .as_ref()
            .map(|md5| format!(",md5={md5}"))
            .unwrap_or_default();
        format!("crc32c={}{md5}", self.crc32c())
    }
}

impl Object {
    /// What a change of the object changes. As at Google it is made of both numbers.
    pub(super) fn etag(&self) -> String {
        let mut bytes = Vec::new();
        for (tag, mut number) in [(0x08, self.generation), (0x10, self.metageneration)] {
            bytes.push(tag);
            while number >= 0x80 {
                bytes.push((number & 0x7f) as u8 | 0x80);
                number >>= 7;
            }
            bytes.push((number & 0x7f) as u8);
        }
        BASE64.encode(&bytes)
    }

    /// The storage class, of which there is always one.
    pub(super) fn class(&self) -> &str {
        self.settings.storage_class.as_deref().unwrap_or("STANDARD")
    }

    /// The resource. `origin` is where the store was asked; `full` shows who may what.
    pub(super) fn document(&self, bucket: &str, origin: &str, full: Option<&Settings>) -> Value {
        let Settings {
            content_type,
            content_encoding,
            content_disposition,
            content_language,
            cache_control,
            custom_time,
            metadata,
            temporary_hold,
            event_based_hold,
            retention,
            contexts,
            key_sha256,
            storage_class: _,
            acl: _,
        } = &self.settings;
        let path = format!("b/{bucket}/o/{}", encoded(&self.name));
        let generation = self.generation;
        let mut document = json!({
            "kind": "storage#object",
            "id": format!("{bucket}/{}/{generation}", self.name),
            "selfLink": format!("{origin}/storage/v1/{path}"),
            "mediaLink": format!("{origin}/download/storage/v1/{path}?generation={generation}&alt=media"),
            "name": self.name,
            "bucket": bucket,
            "generation": generation.to_string(),
            "metageneration": self.metageneration.to_string(),
            "storageClass": self.class(),
            "size": self.content.size.to_string(),
            "crc32c": self.content.crc32c(),
            "etag": self.etag(),
            "timeCreated": milliseconds(self.created),
            "updated": milliseconds(self.updated),
            "timeStorageClassUpdated": milliseconds(self.created),
            "timeFinalized": milliseconds(self.created),
        });
        let mut put = |name: &str, value: Option<Value>| {
            if let (Some(value), Some(members)) = (value, document.as_object_mut()) {
                members.insert(name.to_owned(), value);
            }
        };
        put("contentType", content_type.as_ref().map(|text| json!(text)));
        put(
            "contentEncoding",
            content_encoding.as_ref().map(|text| json!(text)),
        );
        put(
            "contentDisposition",
            content_disposition.as_ref().map(|text| json!(text)),
        );
        put(
            "contentLanguage",
            content_language.as_ref().map(|text| json!(text)),
        );
        put("cacheControl", cache_control.as_ref().map(|text| json!(text)));
        put("customTime", custom_time.as_ref().map(|text| json!(text)));
        put("metadata", (!metadata.is_empty()).then(|| json!(metadata)));
        put("temporaryHold", temporary_hold.then_some(Value::Bool(true)));
        put("eventBasedHold", event_based_hold.then_some(Value::Bool(true)));
        put("contexts", contexts.clone());
        put("md5Hash", self.content.md5.as_ref().map(|md5| json!(md5)));
        put(
            "componentCount",
            self.content.components.map(|count| json!(count)),
        );
        put("timeDeleted", self.deleted.map(|at| json!(milliseconds(at))));
        put(
            "softDeleteTime",
            self.soft_deleted.map(|at| json!(milliseconds(at))),
        );
        let retention = retention.as_ref().map(|kept| {
            let mode = if kept.locked { "Locked" } else { "Unlocked" };
            json!({"mode": mode, "retainUntilTime": milliseconds(kept.until)})
        });
        put("retention", retention);
        let key = key_sha256.as_ref();
        put(
            "customerEncryption",
            key.map(|sha256| json!({"encryptionAlgorithm": "AES256", "keySha256": sha256})),
        );
        if let Some(settings) = full {
            put("owner", Some(json!({"entity": OWNER})));
            let entries = settings.acl.iter();
            let entries = entries.map(|(entity, role)| self.acl_entry(bucket, entity, role));
            put("acl", Some(entries.collect()));
        }
        document
    }

    /// One entry of its access control list.
    pub(super) fn acl_entry(&self, bucket: &str, entity: &str, role: &str) -> Value {
        json!({
            "kind": "storage#objectAccessControl",
            "id": format!("{bucket}/{}/{}/{entity}", self.name, self.generation),
            "object": self.name,
            "generation": self.generation.to_string(),
            "bucket": bucket,
            "entity": entity,
            "role": role,
            "etag": self.etag(),
        })
    }
}

/// Who owns everything here.
pub(super) const OWNER: &str = "user-owner@store.example";

/// Whether an object may have this name.
///
/// # Errors
/// As documented: 1 to 1024 bytes of UTF-8, no line breaks, neither `.` nor `..`.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    let fits = (1..=1024).contains(&name.len());
    if !fits || name.contains(['\r', '\n']) || name == "." || name == ".." {
        return Err(Refusal::invalid(format!("Disallowed object name: {name:?}")));
    }
    Ok(())
}

/// A name as one segment of a path.
pub(super) fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&HEXLOWER.encode(&[byte]).to_ascii_uppercase());
        }
    }
    text
}

/// A time as Google writes it.
pub(super) fn milliseconds(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn disagreement(one: &str, other: &str) -> Refusal {
    Refusal::invalid(format!(
        "Value {one} in content does not agree with value {other}. This can happen when a value set through a parameter \
         is inconsistent with a value set in the request."
    ))
}

/// A string, or `null` for none.
pub(super) fn text(member: &str, value: &Value) -> Result<Option<String>, Refusal> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Refusal::invalid(format!("Invalid value for: {member}")))
        }
    }
}

/// `true` or `false`; `null` is the latter.
pub(super) fn flag(member: &str, value: &Value) -> Result<bool, Refusal> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Refusal::invalid(format!("Invalid value for: {member}")))
        }
    }
}

/// A number of 64 bits, which is a string in Google's JSON and may be a number.
pub(super) fn number(member: &str, value: &Value) -> Result<u64, Refusal> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.ok_or_else(|| Refusal::invalid(format!("Invalid value for: {member}")))
}

fn time(member: &str, text: &str) -> Result<Timestamp, Refusal> {
    text.parse()
        .map_err(|_| Refusal::invalid(format!("Invalid value for: {member}")))
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
