//! A bucket: what is said of it, and the generations of every name in it.

use super::Refusal;
use super::members::{Members, number, text};
use super::object::{OWNER, Object, milliseconds};
use super::shelf::write_json;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// The file with what is said of a bucket.
pub(super) const ABOUT: &str = "bucket.json";

/// A bucket and what is in it.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) about: About,
    pub(super) objects: BTreeMap<String, Generations>,
    /// Where its files are.
    pub(super) folder: PathBuf,
}

/// What is said of a bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) created: Timestamp,
    pub(super) metageneration: u64,
    pub(super) versioning: bool,
    /// Whether what is deleted can be given back.
    pub(super) soft_delete: bool,
    /// Without access control lists on objects.
    pub(super) uniform_access: bool,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    /// The last policy that was set.
    #[serde(default)]
    pub(super) bindings: Option<Value>,
    #[serde(default)]
    pub(super) notifications: BTreeMap<String, Value>,
}

/// The generations of one name.
#[derive(Debug, Default)]
pub(super) struct Generations {
    pub(super) live: Option<Object>,
    /// Replaced or deleted; ascending.
    pub(super) old: Vec<Object>,
    pub(super) soft_deleted: Vec<Object>,
}

impl Bucket {
    pub(super) fn data(&self, generation: u64) -> PathBuf {
        self.folder.join(format!("{generation}.data"))
    }

    /// Writes what is said of it.
    ///
    /// # Errors
    /// The disk.
    pub(super) fn keep(&self) -> Result<(), Refusal> {
        write_json(&self.folder.join(ABOUT), &self.about)
    }

    pub(super) fn keep_object(&self, object: &Object) -> Result<(), Refusal> {
        write_json(&self.folder.join(format!("{}.json", object.generation)), object)
    }

    pub(super) fn erase(&self, generation: u64) -> Result<(), Refusal> {
        // Whoever reads the bytes has them open.
        fs::remove_file(self.folder.join(format!("{generation}.json")))?;
        fs::remove_file(self.data(generation))?;
        Ok(())
    }

    /// Takes the live object of this name away: to the old ones, to what can be restored, or for good.
    pub(super) fn take_away(&mut self, name: &str, now: Timestamp) -> Result<(), Refusal> {
        let what = format!("{}/{name}", self.about.name);
        let generations = self.objects.entry(name.to_owned()).or_default();
        let Some(object) = generations.live.as_ref() else {
            return Ok(());
        };
        object.settings.may_go(&what, now)?;
        let Some(mut object) = generations.live.take() else {
            return Ok(());
        };
        if self.about.versioning {
            object.deleted = Some(now);
            generations.old.push(object.clone());
        } else if self.about.soft_delete {
            object.soft_deleted = Some(now);
            generations.soft_deleted.push(object.clone());
        } else {
            return self.erase(object.generation);
        }
        self.keep_object(&object)
    }

    /// The resource. `full` shows who may what.
    pub(super) fn document(&self, origin: &str, full: bool) -> Value {
        let About {
            name,
            created,
            metageneration,
            versioning,
            soft_delete,
            uniform_access,
            labels,
            ..
        } = &self.about;
        let retention = if *soft_delete { "604800" } else { "0" };
        let mut document = json!({
            "kind": "storage#bucket",
            "id": name,
            "selfLink": format!("{origin}/storage/v1/b/{name}"),
            "projectNumber": "123456789012",
            "name": name,
            "timeCreated": milliseconds(*created),
            "updated": milliseconds(*created),
            "location": "US",
            "locationType": "multi-region",
            "storageClass": "STANDARD",
            "metageneration": metageneration.to_string(),
            "etag": data_encoding::BASE64.encode(&metageneration.to_be_bytes()),
            "rpo": "DEFAULT",
            "iamConfiguration": {
                "uniformBucketLevelAccess": {"enabled": uniform_access},
                "publicAccessPrevention": "enforced",
            },
            "versioning": {"enabled": versioning},
            "softDeletePolicy": {"retentionDurationSeconds": retention},
        });
        if let Some(members) = document.as_object_mut() {
            if !labels.is_empty() {
                members.insert("labels".into(), json!(labels));
            }
            if full {
                let owner =
                    json!([{"kind": "storage#bucketAccessControl", "entity": OWNER, "role": "OWNER"}]);
                members.insert("acl".into(), owner);
                members.insert("owner".into(), json!({"entity": OWNER}));
            }
        }
        document
    }
}

impl About {
    /// A bucket of this name with nothing special about it.
    pub(super) fn new(name: &str, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            created: now,
            metageneration: 1,
            versioning: false,
            soft_delete: false,
            uniform_access: true,
            labels: BTreeMap::new(),
            bindings: None,
            notifications: BTreeMap::new(),
        }
    }

    /// Takes what a body says of it.
    ///
    /// # Errors
    /// Members that the store does not know, or of another kind.
    pub(super) fn apply(&mut self, members: &Members) -> Result<(), Refusal> {
        for (member, value) in members {
            let flag = |path: &str| value.pointer(path).and_then(Value::as_bool);
            match member.as_str() {
                "name" if text(member, value)?.is_some_and(|name| name == self.name) => {}
                "location" | "storageClass" | "locationType" => {
                    text(member, value)?;
                }
                "versioning" => self.versioning = flag("/enabled").unwrap_or_default(),
                "iamConfiguration" => {
                    self.uniform_access = flag("/uniformBucketLevelAccess/enabled").unwrap_or(true);
                }
                "softDeletePolicy" => {
                    let seconds = value.get("retentionDurationSeconds");
                    let seconds =
                        seconds.ok_or_else(|| Refusal::invalid("Invalid value for: softDeletePolicy"))?;
                    self.soft_delete = number(member, seconds)? > 0;
                }
                "labels" if value.is_null() => self.labels.clear(),
                "labels" => {
                    let labels = value.as_object().into_iter().flatten();
                    for (label, value) in labels {
                        match text(member, value)? {
                            Some(text) => self.labels.insert(label.clone(), text),
                            None => self.labels.remove(label),
                        };
                    }
                }
                // What only the store says, and clients send back.
                "kind" | "id" | "selfLink" | "projectNumber" | "timeCreated" | "updated"
                | "metageneration" | "etag" | "rpo" | "acl" | "owner" => {}
                unknown => return Err(Refusal::unknown("body", unknown)),
            }
        }
        Ok(())
    }
}

impl Generations {
    pub(super) fn find(&self, generation: Option<u64>) -> Option<&Object> {
        let Some(generation) = generation else {
            return self.live.as_ref();
        };
        let mut all = self.old.iter().chain(&self.live);
        all.find(|object| object.generation == generation)
    }

    pub(super) fn find_mut(&mut self, generation: Option<u64>) -> Option<&mut Object> {
        let Some(generation) = generation else {
            return self.live.as_mut();
        };
        let mut all = self.old.iter_mut().chain(&mut self.live);
        all.find(|object| object.generation == generation)
    }
}

/// What a bucket with uniform access says to lists.
pub(super) fn uniform() -> Refusal {
    Refusal::invalid(
        "Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled. Read more at \
         https://cloud.google.com/storage/docs/uniform-bucket-level-access",
    )
}
