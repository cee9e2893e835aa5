//! One object: its resource, its settings, its end, and who may what with it.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/objects>

use super::bucket::uniform;
use super::conditions::{self, Conditions};
use super::members::{self, Members};
use super::object::Object;
use super::settings::{Draft, Settings};
use super::{Answer, Call, Refusal, Shared};
use http::{Method, StatusCode};
use serde_json::{Value, json};

impl Shared {
    /// The object that is asked for, if its conditions hold.
    pub(super) fn read(&self, call: &Call, bucket: &str, name: &str) -> Result<Object, Refusal> {
        let query = &call.query;
        let known = ["generation", "projection", "restoreToken", "softDeleted"];
        query.only(&["json", "media"], &[&known, &conditions::OBJECT])?;
        let conditions = Conditions::read(query, conditions::OBJECT)?;
        let generation = query.number("generation")?;
        let shelf = self.shelf();
        let object = if query.flag("softDeleted")? {
            let generation = generation.ok_or_else(|| Refusal::required("generation"))?;
            let generations = shelf.bucket(bucket)?.objects.get(name);
            let mut deleted = generations
                .into_iter()
                .flat_map(|generations| &generations.soft_deleted);
            let found = deleted.find(|object| object.generation == generation);
            found.ok_or_else(|| Refusal::no_object(bucket, name))?
        } else {
            shelf.object(bucket, name, generation)?
        };
        conditions.check_read(object)?;
        Ok(object.clone())
    }

    pub(super) fn get(&self, call: &Call, bucket: &str, name: &str) -> Result<Answer, Refusal> {
        let object = self.read(call, bucket, name)?;
        conditions::check_tag(&call.headers, &object.etag())?;
        Ok(self.told(call, bucket, &object, call.query.full()))
    }

    pub(super) fn delete(&self, call: &Call, bucket: &str, name: &str) -> Result<Answer, Refusal> {
        call.query
            .only(&["json"], &[&["generation"], &conditions::OBJECT])?;
        let conditions = Conditions::read(&call.query, conditions::OBJECT)?;
        let generation = call.query.number("generation")?;
        self.shelf().delete(bucket, name, generation, &conditions)?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// PATCH changes what it names; PUT replaces everything.
    pub(super) fn change(
        &self,
        call: &Call,
        bucket: &str,
        name: &str,
        members: &Members,
    ) -> Result<Answer, Refusal> {
        let query = &call.query;
        let known = [
            "generation",
            "overrideUnlockedRetention",
            "predefinedAcl",
            "projection",
        ];
        query.only(&["json"], &[&known, &conditions::OBJECT])?;
        let conditions = Conditions::read(query, conditions::OBJECT)?;
        let overrides = query.flag("overrideUnlockedRetention")?;
        let mut shelf = self.shelf();
        let (now, is_uniform) = (shelf.now(), shelf.bucket(bucket)?.about.uniform_access);
        let generation = query.number("generation")?;
        let object = shelf.change(bucket, name, generation, |object| {
            conditions.check(Some(object))?;
            let kept = &object.settings;
            let before = if call.method == Method::PATCH {
                kept.clone()
            } else {
                Settings {
                    acl: kept.acl.clone(),
                    ..Settings::default()
                }
            };
            let draft = Draft::read(members, bucket, before)?;
            draft.name(Some(name))?;
            let mut settings = draft.settings;
            settings.storage_class.clone_from(&kept.storage_class);
            settings.key_sha256.clone_from(&kept.key_sha256);
            kept.may_become(&settings, overrides, now)?;
            super::uploads::predefined_acl(query, is_uniform, &mut settings)?;
            Ok(settings)
        })?;
        drop(shelf);
        Ok(self.told(call, bucket, &object, query.full()))
    }

    /// `/acl` and `/acl/ENTITY` of an object.
    pub(super) fn acl(
        &self,
        call: &Call,
        (bucket, name): (&str, &str),
        entity: Option<&str>,
        members: &Members,
    ) -> Result<Answer, Refusal> {
        call.query.only(&["json"], &[&["generation"]])?;
        let generation = call.query.number("generation")?;
        let mut shelf = self.shelf();
        if shelf.bucket(bucket)?.about.uniform_access {
            return Err(uniform());
        }
        let told = |object: &Object, entity: &str| {
            let role = object.settings.acl.get(entity);
            let role = role.ok_or_else(|| Refusal::not_found("The specified ACL entry does not exist."))?;
            Ok(Answer::json(object.acl_entry(bucket, entity, role)))
        };
        let named = |member: &str| match members.get(member) {
            Some(value) => members::text(member, value),
            None => Ok(None),
        };
        match (call.method.as_str(), entity) {
            ("GET", None) => {
                let object = shelf.object(bucket, name, generation)?;
                let entries = object.settings.acl.iter();
                let entries: Value = entries
                    .map(|(entity, role)| object.acl_entry(bucket, entity, role))
                    .collect();
                Ok(Answer::json(
                    json!({"kind": "storage#objectAccessControls", "items": entries}),
                ))
            }
            ("GET", Some(entity)) => told(shelf.object(bucket, name, generation)?, entity),
            ("DELETE", Some(entity)) => {
                shelf.change(bucket, name, generation, |object| {
                    let mut settings = object.settings.clone();
                    settings.acl.remove(entity);
                    Ok(settings)
                })?;
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
            ("POST", None) | ("PUT" | "PATCH", Some(_)) => {
                let entity = match entity {
                    Some(entity) => Some(entity.to_owned()),
                    None => named("entity")?,
                };
                let entity = entity.ok_or_else(|| Refusal::required("entity"))?;
                let role = named("role")?.ok_or_else(|| Refusal::required("role"))?;
                if !["OWNER", "READER"].contains(&role.as_str()) {
                    return Err(Refusal::invalid("Invalid value for: role"));
                }
                let object = shelf.change(bucket, name, generation, |object| {
                    let mut settings = object.settings.clone();
                    settings.acl.insert(entity.clone(), role);
                    Ok(settings)
                })?;
                told(&object, &entity)
            }
            _ => Err(Refusal::new(405, "methodNotAllowed", "Method Not Allowed")),
        }
    }
}
