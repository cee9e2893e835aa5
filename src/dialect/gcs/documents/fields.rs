//! An object as a caller describes it: in the bodies of insert, patch, update, copy, rewrite, compose, move and restore.

use super::contents::{Kind, understood};
use super::{DocumentError, LIMIT};
use crate::dialect::gcs::hash::Hashes;
use crate::json::{Json, Object};
use crate::parameters::printable;

/// What can be set, by name. Everything else is either the target's to say or unknown.
const WRITABLE: [(&str, Kind); 16] = [
    ("acl", Kind::AccessList),
    ("cacheControl", Kind::Text),
    ("contentDisposition", Kind::Text),
    ("contentEncoding", Kind::Text),
    ("contentLanguage", Kind::Text),
    ("contentType", Kind::Text),
    ("contexts", Kind::Contexts),
    ("crc32c", Kind::Text),
    ("customTime", Kind::Text),
    ("eventBasedHold", Kind::Flag),
    ("kmsKeyName", Kind::Text),
    ("md5Hash", Kind::Text),
    ("metadata", Kind::Texts),
    ("retention", Kind::Retention),
    ("storageClass", Kind::Text),
    ("temporaryHold", Kind::Flag),
];

/// What the API says of an object and ignores in a request. Clients send back whole objects as they got them.
const OUTPUT_ONLY: [&str; 21] = [
    "componentCount",
    "customerEncryption",
    "etag",
    "generation",
    "hardDeleteTime",
    "id",
    "isUnfinalized",
    "kind",
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

/// An object's fields, understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ObjectFields {
    /// `name` in the body, to be held against the address (GCS-05).
    pub(crate) name: Option<Box<str>>,
    /// `bucket` in the body, likewise.
    pub(crate) bucket: Option<Box<str>>,
    /// What it says of the bytes.
    pub(crate) hashes: Hashes,
    members: Vec<(&'static str, Json)>,
}

impl ObjectFields {
    /// Reads a body; an empty one says nothing.
    ///
    /// # Errors
    /// [`DocumentError`] for a document that is not understood to the last member.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, DocumentError> {
        if body.len() > LIMIT {
            return Err(DocumentError::Malformed);
        }
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        Self::of(Object::parse(body).map_err(|_| DocumentError::Malformed)?)
    }

    /// Reads an object within a document.
    pub(super) fn of(object: Object) -> Result<Self, DocumentError> {
        let mut fields = Self::default();
        for (member, value) in object.into_members() {
            match &*member {
                "name" => fields.name = address("name", value)?,
                "bucket" => fields.bucket = address("bucket", value)?,
                known if OUTPUT_ONLY.contains(&known) => {}
                other => {
                    let writable = WRITABLE.iter().find(|(name, _)| *name == other);
                    let (name, kind) =
                        *writable.ok_or_else(|| DocumentError::UnknownMember(printable(other)))?;
                    fields.members.push((name, understood(name, kind, value)?));
                }
            }
        }
        fields.hashes = Hashes::of_members(fields.text("crc32c"), fields.text("md5Hash"))?;
        Ok(fields)
    }

    /// Whether nothing is set.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The value of a member that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Json::as_str)
    }

    /// Whether a member is there, also if it is null.
    pub(crate) fn sets(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether who may do what is said: that is for `manage`.
    pub(crate) fn sets_access(&self) -> bool {
        self.sets("acl")
    }

    /// Whether a retention is set or taken away.
    pub(crate) fn sets_retention(&self) -> bool {
        self.sets("retention")
    }

    /// Whether a hold is set or taken away.
    pub(crate) fn sets_hold(&self) -> bool {
        self.sets("temporaryHold") || self.sets("eventBasedHold")
    }

    /// The contexts that are set, if anything is said of contexts. One that is null is taken away, and not among them.
    pub(crate) fn contexts(&self) -> Option<Vec<(String, String)>> {
        let custom = match self.get("contexts")? {
            Json::Object(contexts) => contexts.get("custom"),
            _ => None,
        };
        let Some(Json::Object(custom)) = custom else {
            return Some(Vec::new());
        };
        let set = custom.members().iter().filter_map(|(key, entry)| match entry {
            Json::Object(entry) => Some((String::from(&**key), entry.text("value")?.to_owned())),
            _ => None,
        });
        Some(set.collect())
    }

    /// What comes without a value in a new object is the same as what does not come.
    pub(crate) fn without_nulls(mut self) -> Self {
        self.members.retain(|(_, value)| *value != Json::Null);
        self
    }

    /// The document for a target: what was understood. Which object it is about, the address says (GCS-05).
    ///
    /// `None` cannot happen: no value that is understood has no JSON.
    pub(crate) fn to_json(&self) -> Option<Vec<u8>> {
        let members = self.members.iter();
        let members: Object = members
            .map(|(member, value)| ((*member).into(), value.clone()))
            .collect();
        serde_json::to_vec(&members).ok()
    }

    fn get(&self, name: &str) -> Option<&Json> {
        let member = self.members.iter().find(|(member, _)| *member == name);
        member.map(|(_, value)| value)
    }
}

fn address(name: &'static str, value: Json) -> Result<Option<Box<str>>, DocumentError> {
    match value {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text)),
        _ => Err(DocumentError::Value(name, "a string")),
    }
}
