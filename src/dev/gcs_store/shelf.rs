//! What the store keeps: buckets in memory, each generation as two files.
//!
//! `BUCKET/GENERATION.data` has the bytes and `BUCKET/GENERATION.json` the rest, the name included: no name of a caller's is
//! ever a path. Bytes are received beside the buckets and become an object with one `rename`, under the lock that also
//! checked the preconditions.

use super::Refusal;
use super::bucket::{ABOUT, About, Bucket, Generations, uniform};
use super::conditions::Conditions;
use super::object::{Content, OWNER, Object};
use super::settings::Settings;
use crate::clock::Clock;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
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

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
}

/// Writes a document, which is there whole or not at all.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Refusal> {
    let text = serde_json::to_vec(value).map_err(io::Error::other)?;
    crate::dev::serving::replace_private(path, &text)?;
    Ok(())
}
