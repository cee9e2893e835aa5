//! An object of the store: what is kept of it, and the document that tells of it.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/objects#resource>

use super::Refusal;
use super::settings::Settings;
use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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

    /// The same in the XML API: the MD5 of the bytes, where there is one.
    pub(super) fn xml_etag(&self) -> String {
        let md5 = self.content.md5.as_ref();
        match md5.and_then(|md5| BASE64.decode(md5.as_bytes()).ok()) {
            Some(md5) => format!("\"{}\"", HEXLOWER.encode(&md5)),
            None => format!("\"-{}\"", self.etag()),
        }
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
