//! What the store keeps: buckets in memory, each generation as two files.
//!
//! `BUCKET/GENERATION.data` has the bytes and `BUCKET/GENERATION.json` the rest, the name included: no name of a caller's is
//! ever a path. Bytes are received beside the buckets and become an object with one `rename`, under the lock that also
//! checked the preconditions.

use super::Refusal;
use super::conditions::Conditions;
use super::object::{Content, Members, OWNER, Object, Settings, milliseconds, text};
use crate::clock::Clock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// All buckets.
#[derive(Debug)]
pub(super) struct Shelf {
    root: PathBuf,
    clock: Clock,
    buckets: BTreeMap<String, Bucket>,
    /// Buckets that there are, of somebody else.
    foreign: BTreeSet<String>,
    last_generation: u64,
}

/// A bucket and what is in it.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) about: About,
    pub(super) objects: BTreeMap<String, Generations>,
    folder: PathBuf,
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

/// Bytes that were received and belong to nobody yet. Dropping it deletes them.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) path: PathBuf,
    pub(super) content: Content,
}

impl Drop for Received {
    fn drop(&mut self) {
        // It is gone where it became an object.
        let _ = fs::remove_file(&self.path);
    }
}

/// Where bytes are received. No bucket can have this name.
pub(super) const INBOX: &str = ".inbox";
const ABOUT: &str = "bucket.json";

impl Shelf {
    /// Reads what is there, and clears the inbox.
    ///
    /// # Errors
    /// A folder that cannot be used.
    pub(super) fn open(root: &Path, clock: Clock, foreign: BTreeSet<String>) -> io::Result<Self> {
        let inbox = root.join(INBOX);
        if inbox.exists() {
            fs::remove_dir_all(&inbox)?;
        }
        fs::create_dir_all(&inbox)?;
        let mut shelf = Self {
            root: root.to_owned(),
            clock,
            buckets: BTreeMap::new(),
            foreign,
            last_generation: 0,
        };
        for entry in fs::read_dir(root)? {
            let folder = entry?.path();
            if folder.join(ABOUT).exists() {
                shelf.read_bucket(folder)?;
            }
        }
        Ok(shelf)
    }

    fn read_bucket(&mut self, folder: PathBuf) -> io::Result<()> {
        let about: About = read_json(&folder.join(ABOUT))?;
        let mut objects = BTreeMap::<String, Generations>::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let is_object = path.extension().is_some_and(|extension| extension == "json");
            if !is_object || path.ends_with(ABOUT) {
                continue;
            }
            let object: Object = read_json(&path)?;
            self.last_generation = self.last_generation.max(object.generation);
            let generations = objects.entry(object.name.clone()).or_default();
            if object.soft_deleted.is_some() {
                generations.soft_deleted.push(object);
            } else if object.deleted.is_some() {
                generations.old.push(object);
            } else {
                generations.live = Some(object);
            }
        }
        for generations in objects.values_mut() {
            generations.old.sort_by_key(|object| object.generation);
            generations.soft_deleted.sort_by_key(|object| object.generation);
        }
        let bucket = Bucket {
            about,
            objects,
            folder,
        };
        self.buckets.insert(bucket.about.name.clone(), bucket);
        Ok(())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A file for bytes to come.
    pub(super) fn inbox(&mut self) -> PathBuf {
        let number = self.next_generation();
        self.root.join(INBOX).join(number.to_string())
    }

    /// The time in microseconds, and never the same twice.
    pub(super) fn next_generation(&mut self) -> u64 {
        let now = u64::try_from(self.clock.now().as_microsecond()).unwrap_or_default();
        self.last_generation = now.max(self.last_generation + 1);
        self.last_generation
    }

    pub(super) fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets.values()
    }

    /// # Errors
    /// 404, or 403 for somebody else's.
    pub(super) fn bucket(&self, name: &str) -> Result<&Bucket, Refusal> {
        self.buckets.get(name).ok_or_else(|| self.missing(name))
    }

    /// # Errors
    /// As [`Shelf::bucket`].
    pub(super) fn bucket_mut(&mut self, name: &str) -> Result<&mut Bucket, Refusal> {
        let missing = self.missing(name);
        self.buckets.get_mut(name).ok_or(missing)
    }

    fn missing(&self, name: &str) -> Refusal {
        if self.foreign.contains(name) {
            Refusal::forbidden(format!(
                "tidegate@store.example does not have storage access to the Google Cloud Storage bucket {name}."
            ))
        } else {
            Refusal::not_found("The specified bucket does not exist.")
        }
    }

    /// # Errors
    /// A name that no bucket can have, or one that is taken.
    pub(super) fn make_bucket(&mut self, about: About) -> Result<&Bucket, Refusal> {
        let name = about.name.clone();
        let fits = (3..=63).contains(&name.len());
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        let plain = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let ends = plain(name.bytes().next()) && plain(name.bytes().last());
        if !fits || !ends || !name.bytes().all(known) {
            return Err(Refusal::invalid(format!("Invalid bucket name: '{name}'")));
        }
        if self.foreign.contains(&name) || self.buckets.contains_key(&name) {
            let message =
                "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(Refusal::new(409, "conflict", message));
        }
        let folder = self.root.join(&name);
        fs::create_dir_all(&folder)?;
        let bucket = Bucket {
            about,
            objects: BTreeMap::new(),
            folder,
        };
        bucket.keep()?;
        Ok(self.buckets.entry(name).or_insert(bucket))
    }

    /// # Errors
    /// 409 unless it is empty.
    pub(super) fn remove_bucket(&mut self, name: &str) -> Result<(), Refusal> {
        let bucket = self.bucket(name)?;
        if bucket
            .objects
            .values()
            .any(|generations| generations.live.is_some() || !generations.old.is_empty())
        {
            return Err(Refusal::new(
                409,
                "conflict",
                "The bucket you tried to delete is not empty.",
            ));
        }
        fs::remove_dir_all(&bucket.folder)?;
        self.buckets.remove(name);
        Ok(())
    }

    /// The generation of an object that is asked for, or the live one.
    ///
    /// # Errors
    /// 404.
    pub(super) fn object(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<u64>,
    ) -> Result<&Object, Refusal> {
        let generations = self.bucket(bucket)?.objects.get(name);
        let found = generations.and_then(|generations| generations.find(generation));
        found.ok_or_else(|| Refusal::no_object(bucket, name))
    }

    /// Its bytes.
    ///
    /// # Errors
    /// The disk.
    pub(super) fn data(&self, bucket: &str, object: &Object) -> Result<PathBuf, Refusal> {
        Ok(self.bucket(bucket)?.data(object.generation))
    }

    /// Makes an object of what was received, if `conditions` hold of what it replaces.
    ///
    /// # Errors
    /// 412; a hold or a retention on what would be replaced.
    pub(super) fn commit(
        &mut self,
        bucket: &str,
        name: &str,
        settings: Settings,
        received: &Received,
        conditions: &Conditions,
    ) -> Result<Object, Refusal> {
        let (now, generation) = (self.now(), self.next_generation());
        let bucket = self.bucket_mut(bucket)?;
        let live = bucket
            .objects
            .get(name)
            .and_then(|generations| generations.live.as_ref());
        conditions.check(live)?;
        if live.is_some() {
            bucket.take_away(name, now)?;
        }
        let mut settings = settings;
        if !bucket.about.uniform_access {
            settings.acl.insert(OWNER.to_owned(), "OWNER".to_owned());
        } else if !settings.acl.is_empty() {
            return Err(uniform());
        }
        let object = Object {
            name: name.to_owned(),
            generation,
            metageneration: 1,
            settings,
            content: received.content.clone(),
            created: now,
            updated: now,
            deleted: None,
            soft_deleted: None,
        };
        fs::rename(&received.path, bucket.data(generation))?;
        bucket.keep_object(&object)?;
        bucket.objects.entry(name.to_owned()).or_default().live = Some(object.clone());
        Ok(object)
    }

    /// Changes the settings of an object.
    ///
    /// # Errors
    /// 404, and what `change` refuses.
    pub(super) fn change(
        &mut self,
        bucket: &str,
        name: &str,
        generation: Option<u64>,
        change: impl FnOnce(&Object) -> Result<Settings, Refusal>,
    ) -> Result<Object, Refusal> {
        let now = self.now();
        self.object(bucket, name, generation)?;
        let missing = || Refusal::no_object(bucket, name);
        let bucket = self.bucket_mut(bucket)?;
        let generations = bucket.objects.get_mut(name).ok_or_else(missing)?;
        let object = generations.find_mut(generation).ok_or_else(missing)?;
        let settings = change(object)?;
        if bucket.about.uniform_access && !settings.acl.is_empty() {
            return Err(uniform());
        }
        object.settings = settings;
        object.metageneration += 1;
        object.updated = now;
        let object = object.clone();
        bucket.keep_object(&object)?;
        Ok(object)
    }

    /// Deletes the live object, or a generation for good.
    ///
    /// # Errors
    /// 404, 412, a hold or a retention.
    pub(super) fn delete(
        &mut self,
        bucket: &str,
        name: &str,
        generation: Option<u64>,
        conditions: &Conditions,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let object = self.object(bucket, name, generation)?;
        conditions.check(Some(object))?;
        object.settings.may_go(&format!("{bucket}/{name}"), now)?;
        let number = object.generation;
        let bucket = self.bucket_mut(bucket)?;
        let generations = bucket.objects.entry(name.to_owned()).or_default();
        if generations
            .live
            .as_ref()
            .is_some_and(|live| live.generation == number)
        {
            let is_final = generation.is_some() && !bucket.about.soft_delete;
            if !is_final {
                return bucket.take_away(name, now);
            }
            generations.live = None;
        } else {
            generations.old.retain(|object| object.generation != number);
        }
        bucket.erase(number)
    }

    /// Gives a deleted generation back, as a new one.
    ///
    /// # Errors
    /// 404, 412.
    pub(super) fn restore(
        &mut self,
        bucket: &str,
        name: &str,
        generation: u64,
        conditions: &Conditions,
    ) -> Result<Object, Refusal> {
        let missing = || Refusal::no_object(bucket, name);
        let path = self.inbox();
        let found = self.bucket(bucket)?;
        let generations = found.objects.get(name).ok_or_else(missing)?;
        let mut deleted = generations.soft_deleted.iter();
        let object = deleted
            .find(|object| object.generation == generation)
            .ok_or_else(missing)?
            .clone();
        fs::hard_link(found.data(generation), &path)?;
        let received = Received {
            path,
            content: object.content,
        };
        self.commit(bucket, name, object.settings, &received, conditions)
    }
}

impl Bucket {
    fn data(&self, generation: u64) -> PathBuf {
        self.folder.join(format!("{generation}.data"))
    }

    /// Writes what is said of it.
    ///
    /// # Errors
    /// The disk.
    pub(super) fn keep(&self) -> Result<(), Refusal> {
        write_json(&self.folder.join(ABOUT), &self.about)
    }

    fn keep_object(&self, object: &Object) -> Result<(), Refusal> {
        write_json(&self.folder.join(format!("{}.json", object.generation)), object)
    }

    fn erase(&self, generation: u64) -> Result<(), Refusal> {
        // Whoever reads the bytes has them open.
        fs::remove_file(self.folder.join(format!("{generation}.json")))?;
        fs::remove_file(self.data(generation))?;
        Ok(())
    }

    /// Takes the live object of this name away: to the old ones, to what can be restored, or for good.
    fn take_away(&mut self, name: &str, now: Timestamp) -> Result<(), Refusal> {
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
                    self.soft_delete = super::object::number(member, seconds)? > 0;
                }
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
    fn find(&self, generation: Option<u64>) -> Option<&Object> {
        let Some(generation) = generation else {
            return self.live.as_ref();
        };
        let mut all = self.old.iter().chain(&self.live);
        all.find(|object| object.generation == generation)
    }

    fn find_mut(&mut self, generation: Option<u64>) -> Option<&mut Object> {
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

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Refusal> {
    let text = serde_json::to_vec(value).map_err(io::Error::other)?;
    crate::dev::serving::replace_private(path, &text)?;
    Ok(())
}
