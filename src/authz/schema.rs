//! The vocabulary of policies: the Cedar schema, and its names parsed once.
//!
//! Policies are checked against the schema when they are loaded; requests are built to it by `request`. A name that
//! is spelled differently in the two places would make policies silently match nothing, so a test holds them together.

use crate::authn::PrincipalKind;
use crate::operation::Action;
use cedar_policy::{Entities, EntityId, EntityTypeName, EntityUid, Schema, Validator};
use std::str::FromStr;
use std::sync::OnceLock;

/// The schema's text, as `tidegate policy schema` prints it.
pub const SCHEMA: &str = concat!(
    "// The vocabulary of Tidegate's policies. A policy that uses anything else is refused when it is loaded.\n//\n",
    "// One file per bucket holds its policies. Nothing is allowed unless a `permit` says so, and a `forbid` always wins.\n",
    "// Print this text with `tidegate policy schema`; editors with a Cedar plug-in complete and check against it.\n",
    "namespace Tidegate {\n",
    include_str!("principals.cedarschema"),
    include_str!("storage.cedarschema"),
    "}\n"
);

/// The schema of the trust policies of roles, as `tidegate policy schema --trust` prints it.
pub const TRUST_SCHEMA: &str = concat!(
    "// The vocabulary of the trust policies of Tidegate's roles.\n",
    "namespace Tidegate {\n",
    include_str!("principals.cedarschema"),
    include_str!("trust.cedarschema"),
    "}\n"
);

/// An action, ready for use.
pub(super) struct ActionEntity {
    action: Action,
    /// Its name.
    pub(super) uid: EntityUid,
    /// The action alone, with its groups as ancestors: what the entities of a request begin with.
    pub(super) entities: Entities,
}

/// The schema and its names, ready for use.
pub(super) struct Vocabulary {
    #[cfg(test)]
    pub(super) schema: Schema,
    /// Checks policies against the schema.
    pub(super) validator: Validator,
    /// Checks trust policies against theirs.
    pub(super) trust_validator: Validator,
    /// The one action of trust policies.
    pub(super) assume_role: EntityUid,
    user: EntityTypeName,
    workload: EntityTypeName,
    group: EntityTypeName,
    role: EntityTypeName,
    bucket: EntityTypeName,
    object: EntityTypeName,
    actions: Vec<ActionEntity>,
}

impl Vocabulary {
    /// The vocabulary of this program. The schema never changes while it runs, so it is parsed once and not at every
    /// reload.
    ///
    /// # Errors
    /// What is wrong with the built-in schema: a defect of this program, never of its configuration.
    pub(super) fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<Vocabulary, String>> = OnceLock::new();
        SHARED.get_or_init(Self::new).as_ref().map_err(Clone::clone)
    }

    /// Parses the built-in schema.
    fn new() -> Result<Self, String> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|e| e.to_string())?;
        let (trust, _) = Schema::from_cedarschema_str(TRUST_SCHEMA).map_err(|e| e.to_string())?;
        let entities = schema.action_entities().map_err(|e| e.to_string())?;
        let name = |name: &str| {
            EntityTypeName::from_str(&format!("Tidegate::{name}")).map_err(|errors| errors.to_string())
        };
        let action_type = name("Action")?;
        let mut actions = Vec::with_capacity(Action::ALL.len());
        for &action in Action::ALL {
            let uid = EntityUid::from_type_name_and_id(action_type.clone(), EntityId::new(action.name()));
            let Some(entity) = entities.get(&uid) else {
                return Err(format!("the schema has no `{uid}`"));
            };
            actions.push(ActionEntity {
                action,
                entities: Entities::from_entities([entity.clone()], None).map_err(|e| e.to_string())?,
                uid,
            });
        }
        Ok(Self {
            user: name("User")?,
            workload: name("Workload")?,
            group: name("Group")?,
            role: name("Role")?,
            bucket: name("Bucket")?,
            object: name("Object")?,
            #[cfg(test)]
            schema: schema.clone(),
            validator: Validator::new(schema),
            trust_validator: Validator::new(trust),
            assume_role: EntityUid::from_type_name_and_id(action_type, EntityId::new("AssumeRole")),
            actions,
        })
    }

    /// `Tidegate::User::"…"` or `Tidegate::Workload::"…"`.
    pub(super) fn principal(&self, kind: PrincipalKind, id: &str) -> EntityUid {
        let name = match kind {
            PrincipalKind::User => &self.user,
            PrincipalKind::Workload => &self.workload,
        };
        EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
    }

    /// `Tidegate::Group::"…"`.
    pub(super) fn group(&self, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.group.clone(), EntityId::new(id))
    }

    /// `Tidegate::Role::"…"`.
    pub(super) fn role(&self, name: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.role.clone(), EntityId::new(name))
    }

    /// `Tidegate::Bucket::"…"`.
    pub(super) fn bucket(&self, name: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.bucket.clone(), EntityId::new(name))
    }

    /// `Tidegate::Object::"bucket/key"`.
    pub(super) fn object(&self, bucket: &str, key: &str) -> EntityUid {
        let id = format!("{bucket}/{key}");
        EntityUid::from_type_name_and_id(self.object.clone(), EntityId::new(id))
    }

    /// The entity of an action. Every action has one, in the order of their declaration: [`Vocabulary::shared`] saw
    /// to it.
    pub(super) fn action(&self, action: Action) -> Option<&ActionEntity> {
        let known = self.actions.get(action as usize)?;
        (known.action == action).then_some(known)
    }

    /// Whether `uid` names a group.
    pub(super) fn is_group(&self, uid: &EntityUid) -> bool {
        *uid.type_name() == self.group
    }

    /// Whether `uid` names a role.
    pub(super) fn is_role(&self, uid: &EntityUid) -> bool {
        *uid.type_name() == self.role
    }

    /// Whether `uid` names a bucket other than `bucket`, or an object in one.
    pub(super) fn is_foreign(&self, uid: &EntityUid, bucket: &str) -> bool {
        let id = uid.id().unescaped();
        if *uid.type_name() == self.bucket {
            id != bucket
        } else if *uid.type_name() == self.object {
            id.split_once('/').is_none_or(|(of, _)| of != bucket)
        } else {
            false
        }
    }

    /// The type of people, or that of programs.
    pub(super) fn kind(&self, kind: PrincipalKind) -> &EntityTypeName {
        match kind {
            PrincipalKind::User => &self.user,
            PrincipalKind::Workload => &self.workload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{ActionGroup, Scope};
    use std::collections::BTreeSet;

    #[test]
    fn actions_of_the_schema_are_those_of_the_operations() {
        let vocabulary = Vocabulary::shared().unwrap();
        let groups = ["delete", "list", "manage", "read", "write"];
        let in_schema: BTreeSet<_> = vocabulary
            .schema
            .actions()
            .map(|uid| uid.id().unescaped().to_owned())
            .filter(|id| !groups.contains(&id.as_str()))
            .collect();
        let in_code: BTreeSet<_> = Action::ALL.iter().map(|a| a.name().to_owned()).collect();
        assert_eq!(
            in_schema, in_code,
            "`operation::Action` and `authz/storage.cedarschema` differ: an action of one must be in the other, \
             in one of the groups, with the context that `authz/request.rs` builds for it"
        );
        let all: BTreeSet<_> = vocabulary
            .schema
            .actions()
            .map(|uid| uid.id().unescaped().to_owned())
            .collect();
        assert!(groups.iter().all(|g| all.contains(*g)), "{all:?}");
        for action in &vocabulary.actions {
            let name = action.action.name();
            let in_group = |group: &str| {
                let group =
                    EntityUid::from_type_name_and_id(action.uid.type_name().clone(), EntityId::new(group));
                action.entities.is_ancestor_of(&group, &action.uid)
            };
            let group = match action.action.group() {
                ActionGroup::Read => "read",
                ActionGroup::Write => "write",
                ActionGroup::Delete => "delete",
                ActionGroup::List => "list",
                ActionGroup::Manage => "manage",
            };
            for other in groups {
                assert_eq!(in_group(other), other == group, "`{name}` in group `{other}`");
            }
            let resources: Vec<_> = vocabulary
                .schema
                .resources_for_action(&action.uid)
                .unwrap()
                .collect();
            let resource = match action.action.scope() {
                Scope::Bucket => &vocabulary.bucket,
                Scope::Object | Scope::Service => &vocabulary.object,
            };
            assert_eq!(resources, [resource], "the resource of `{name}`");
        }
    }

    #[test]
    fn foreign_resources_are_told_apart() {
        let vocabulary = Vocabulary::shared().unwrap();
        let foreign = |uid| vocabulary.is_foreign(&uid, "lake");
        assert!(!foreign(vocabulary.bucket("lake")));
        assert!(!foreign(vocabulary.object("lake", "a/b")));
        assert!(foreign(vocabulary.bucket("lake2")));
        assert!(foreign(vocabulary.object("lake2", "a")));
        assert!(!foreign(vocabulary.group("lake2")));
    }
}
