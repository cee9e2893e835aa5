//! Objects made of objects: copy, rewrite, compose, move, restore. No bytes move where a link does.
//!
//! A rewrite may take several calls. Its token is good for one source, one destination and one body.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/objects>

use super::conditions::{self, Conditions};
use super::encryption;
use super::members::{self, Members};
use super::object::{Object, check_name};
use super::settings::{Draft, Settings};
use super::shelf::{Received, Shelf};
use super::target::{Pair, Target};
use super::uploads::predefined_acl;
use super::{Answer, Call, Refusal, Shared};
use aws_lc_rs::rand;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io;
use tokio::io::AsyncReadExt as _;

/// Objects that may be composed at once.
const MAX_SOURCES: usize = 32;
const MEBIBYTE: u64 = 1 << 20;

/// A rewrite that is not done.
pub(super) struct Rewrite {
    pair: Pair,
    generation: u64,
    members: Members,
    written: u64,
}

/// One of the objects that are composed.
struct Source {
    name: String,
    generation: Option<u64>,
    conditions: Conditions,
}

impl Shared {
    pub(super) fn copy(&self, call: &Call, pair: &Pair, members: &Members) -> Result<Answer, Refusal> {
        let known = [
            "destinationKmsKeyName",
            "destinationPredefinedAcl",
            "projection",
            "sourceGeneration",
        ];
        call.query
            .only(&["json"], &[&known, &conditions::OBJECT, &conditions::SOURCE])?;
        let object = self.copied(call, pair, members)?;
        Ok(self.told(call, &pair.to.0, &object, call.query.full()))
    }

    pub(super) fn rewrite(&self, call: &Call, pair: &Pair, members: &Members) -> Result<Answer, Refusal> {
        let query = &call.query;
        let known = [
            "destinationKmsKeyName",
            "destinationPredefinedAcl",
            "maxBytesRewrittenPerCall",
            "projection",
            "rewriteToken",
            "sourceGeneration",
        ];
        query.only(&["json"], &[&known, &conditions::OBJECT, &conditions::SOURCE])?;
        let limit = match query.number("maxBytesRewrittenPerCall")? {
            Some(limit) if limit == 0 || limit % MEBIBYTE != 0 => {
                return Err(Refusal::parameter("maxBytesRewrittenPerCall", &limit.to_string()));
            }
            Some(limit) => Some(self.rewrite_bytes.map_or(limit, |most| most.min(limit))),
            None => self.rewrite_bytes,
        };
        let source = self.source(call, pair)?;
        let size = source.content.size;
        let before = match query.get("rewriteToken") {
            None => 0,
            Some(token) => {
                let rewrite = self.rewrites().remove(token);
                let rewrite = rewrite.filter(|known| {
                    known.pair == *pair && known.generation == source.generation && known.members == *members
                });
                rewrite
                    .ok_or_else(|| Refusal::parameter("rewriteToken", token))?
                    .written
            }
        };
        let written = limit.map_or(size, |limit| before.saturating_add(limit).min(size));
        let done = written == size;
        let mut document = json!({
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": written.to_string(),
            "objectSize": size.to_string(),
            "done": done,
        });
        let (member, value) = if done {
            let object = self.copied(call, pair, members)?;
            let shows = query.full() && !self.shelf().bucket(&pair.to.0)?.about.uniform_access;
            let settings = shows.then_some(&object.settings);
            ("resource", object.document(&pair.to.0, &call.origin, settings))
        } else {
            // What would be refused in the end is refused now.
            self.settings(call, pair, members, &source)?;
            let mut random = [0; 32];
            rand::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
            let token = BASE64URL_NOPAD.encode(&random);
            let rewrite = Rewrite {
                pair: pair.clone(),
                generation: source.generation,
                members: members.clone(),
                written,
            };
            self.rewrites().insert(token.clone(), rewrite);
            ("rewriteToken", json!(token))
        };
        if let Some(members) = document.as_object_mut() {
            members.insert(member.to_owned(), value);
        }
        Ok(Answer::json(document))
    }

    pub(super) fn move_object(&self, call: &Call, pair: &Pair) -> Result<Answer, Refusal> {
        call.query.only(
            &["json"],
            &[&["projection"], &conditions::OBJECT, &conditions::SOURCE],
        )?;
        if pair.from == pair.to {
            return Err(Refusal::invalid(
                "The source and the destination are the same object",
            ));
        }
        let source = self.source(call, pair)?;
        let to = Conditions::read(&call.query, conditions::OBJECT)?;
        let from = Conditions::generation(Some(source.generation));
        let mut shelf = self.shelf();
        let (bucket, name) = &pair.from;
        source.settings.may_go(&format!("{bucket}/{name}"), shelf.now())?;
        let received = link(&mut shelf, bucket, &source)?;
        let object = shelf.commit(&pair.to.0, &pair.to.1, source.settings, &received, &to)?;
        shelf.delete(bucket, name, None, &from)?;
        drop(shelf);
        Ok(self.told(call, &pair.to.0, &object, call.query.full()))
    }

    pub(super) fn restore(
        &self,
        call: &Call,
        bucket: &str,
        name: &str,
        members: &Members,
    ) -> Result<Answer, Refusal> {
        let query = &call.query;
        let known = ["copySourceAcl", "generation", "projection", "restoreToken"];
        query.only(&["json"], &[&known, &conditions::OBJECT])?;
        if let Some(member) = members.keys().next() {
            return Err(Refusal::unknown("body", member));
        }
        let generation = query.number("generation")?;
        let generation = generation.ok_or_else(|| Refusal::required("generation"))?;
        let to = Conditions::read(query, conditions::OBJECT)?;
        let object = self.shelf().restore(bucket, name, generation, &to)?;
        Ok(self.told(call, bucket, &object, query.full()))
    }

    pub(super) async fn compose(
        &self,
        call: &Call,
        bucket: &str,
        name: &str,
        members: &Members,
    ) -> Result<Answer, Refusal> {
        let query = &call.query;
        let known = [
            "destinationPredefinedAcl",
            "ifGenerationMatch",
            "ifMetagenerationMatch",
            "kmsKeyName",
        ];
        query.only(&["json"], &[&known, &["projection"]])?;
        check_name(name)?;
        let (mut draft, mut sources, mut deletes) = (Draft::default(), Vec::new(), false);
        for (member, value) in members {
            match member.as_str() {
                "kind" => {}
                "deleteSourceObjects" => deletes = members::flag(member, value)?,
                "destination" => {
                    let destination = value.as_object();
                    let destination =
                        destination.ok_or_else(|| Refusal::invalid("Invalid value for: destination"))?;
                    draft = Draft::read(destination, bucket, Settings::default())?;
                    draft.name(Some(name))?;
                }
                "sourceObjects" => {
                    for source in value.as_array().into_iter().flatten() {
                        sources.push(Source::read(source)?);
                    }
                }
                unknown => return Err(Refusal::unknown("body", unknown)),
            }
        }
        if !(1..=MAX_SOURCES).contains(&sources.len()) {
            let message = format!(
                "The number of source components provided ({}) must be between 1 and {MAX_SOURCES}.",
                sources.len()
            );
            return Err(Refusal::invalid(message));
        }
        let mut settings = draft.settings;
        settings.key_sha256 = encryption::key_sha256(&call.headers, "x-goog-encryption-")?;
        let to = Conditions::read(query, conditions::OBJECT)?;
        let (files, components) = {
            let shelf = self.shelf();
            let found = shelf.bucket(bucket)?;
            predefined_acl(query, found.about.uniform_access, &mut settings)?;
            let generations = found.objects.get(name);
            to.check(generations.and_then(|generations| generations.live.as_ref()))?;
            let (mut files, mut components) = (Vec::new(), 0);
            for source in &sources {
                let object = shelf.object(bucket, &source.name, source.generation)?;
                source.conditions.check(Some(object))?;
                components += object.content.components.unwrap_or(1);
                files.push(File::open(shelf.data(bucket, object)?)?);
            }
            (files, components)
        };
        let mut intake = self.intake().await?;
        let mut piece = vec![0; super::intake::BLOCK];
        for file in files {
            let mut file = tokio::fs::File::from_std(file);
            loop {
                let read = file.read(&mut piece).await?;
                if read == 0 {
                    break;
                }
                intake.take(piece.get(..read).unwrap_or_default()).await?;
            }
        }
        let mut received = intake.finish(&Default::default()).await?;
        received.content.md5 = None;
        received.content.components = Some(components);
        let mut shelf = self.shelf();
        let object = shelf.commit(bucket, name, settings, &received, &to)?;
        if deletes {
            for source in sources.iter().filter(|source| source.name != name) {
                shelf.delete(bucket, &source.name, source.generation, &source.conditions)?;
            }
        }
        drop(shelf);
        Ok(self.told(call, bucket, &object, query.full()))
    }

    /// The object that is read, if its conditions hold.
    fn source(&self, call: &Call, pair: &Pair) -> Result<Object, Refusal> {
        let (bucket, name) = &pair.from;
        check_name(&pair.to.1)?;
        let shelf = self.shelf();
        let object = shelf.object(bucket, name, call.query.number("sourceGeneration")?)?;
        Conditions::read(&call.query, conditions::SOURCE)?.check(Some(object))?;
        Ok(object.clone())
    }

    /// What the copy is told to be: as the source, or as the body says.
    fn settings(
        &self,
        call: &Call,
        pair: &Pair,
        members: &Members,
        source: &Object,
    ) -> Result<Settings, Refusal> {
        let prefix = match call.target {
            Target::Rewrite(_) => "x-goog-copy-source-encryption-",
            _ => "x-goog-encryption-",
        };
        encryption::check(&call.headers, prefix, source)?;
        let mut settings = if members.is_empty() {
            let mut settings = source.settings.clone();
            settings.acl.clear();
            settings.retention = None;
            settings
        } else {
            let draft = Draft::read(members, &pair.to.0, Settings::default())?;
            draft.name(Some(&pair.to.1))?;
            let mut settings = draft.settings;
            let kept = source.settings.content_type.clone();
            settings.content_type = settings.content_type.or(kept);
            settings
        };
        settings.key_sha256 = encryption::key_sha256(&call.headers, "x-goog-encryption-")?;
        let shelf = self.shelf();
        let to = shelf.bucket(&pair.to.0)?;
        predefined_acl(&call.query, to.about.uniform_access, &mut settings)?;
        let generations = to.objects.get(&pair.to.1);
        let live = generations.and_then(|generations| generations.live.as_ref());
        Conditions::read(&call.query, conditions::OBJECT)?.check(live)?;
        Ok(settings)
    }

    fn copied(&self, call: &Call, pair: &Pair, members: &Members) -> Result<Object, Refusal> {
        let source = self.source(call, pair)?;
        let settings = self.settings(call, pair, members, &source)?;
        let to = Conditions::read(&call.query, conditions::OBJECT)?;
        let mut shelf = self.shelf();
        let received = link(&mut shelf, &pair.from.0, &source)?;
        shelf.commit(&pair.to.0, &pair.to.1, settings, &received, &to)
    }
}

impl Source {
    fn read(value: &Value) -> Result<Self, Refusal> {
        let refused = || Refusal::invalid("Invalid value for: sourceObjects");
        let (mut name, mut generation, mut conditions) = (None, None, Conditions::default());
        for (member, value) in value.as_object().ok_or_else(refused)? {
            match member.as_str() {
                "name" => name = members::text(member, value)?,
                "generation" => generation = Some(members::number(member, value)?),
                "objectPreconditions" => {
                    for (member, value) in value.as_object().ok_or_else(refused)? {
                        if member != "ifGenerationMatch" {
                            return Err(Refusal::unknown("body", member));
                        }
                        conditions = Conditions::generation(Some(members::number(member, value)?));
                    }
                }
                unknown => return Err(Refusal::unknown("body", unknown)),
            }
        }
        Ok(Self {
            name: name.ok_or_else(refused)?,
            generation,
            conditions,
        })
    }
}

/// The bytes of an object for another one.
pub(super) fn link(shelf: &mut Shelf, bucket: &str, object: &Object) -> Result<Received, Refusal> {
    let path = shelf.inbox();
    fs::hard_link(shelf.data(bucket, object)?, &path)?;
    Ok(Received {
        path,
        content: object.content.clone(),
    })
}
