//! The policies of one bucket, found by principal.
//!
//! Cedar evaluates every policy of a set for every request, so that a thousand rules cost a hundred times ten. Here
//! a request meets only those rules whose scope can match its principal; a slice is put together once for each
//! combination of matching scopes and kept.

use super::needs::Needs;
use super::schema::Vocabulary;
use crate::authn::{Principal, PrincipalKind};
use crate::operation::Action;
use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Policy, PolicySet, PolicySetError, PrincipalConstraint,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Slices kept for one bucket. Principals who share their groups share a slice, so this is far above what real files
/// need; beyond it all are dropped and made anew.
const SLICES: usize = 4096;

/// The policies of one bucket.
pub(super) struct Index {
    /// In the order of the file.
    policies: Vec<Indexed>,
    /// Position by id.
    positions: HashMap<Box<str>, usize>,
    /// Positions of policies whose scope names nobody.
    always: Vec<usize>,
    /// Positions of policies for each principal, group or role that a scope names.
    scopes: Vec<Vec<usize>>,
    /// Which of `scopes` is whose, by id.
    users: HashMap<Box<str>, usize>,
    workloads: HashMap<Box<str>, usize>,
    groups: HashMap<Box<str>, usize>,
    roles: HashMap<Box<str>, usize>,
    slices: Slices,
    /// For actions that a `permit` must name.
    managed_slices: Slices,
    /// Those of them that one does name, for whomever.
    granted_by_name: HashSet<Action>,
}

type Slices = RwLock<HashMap<Box<[usize]>, Arc<Slice>>>;

struct Indexed {
    policy: Policy,
    needs: Needs,
    /// The one kind of principal it is for, if its scope says so.
    kind: Option<PrincipalKind>,
    /// Whether it permits every action, without a name.
    permits_any_action: bool,
}

/// The policies that can match one principal.
#[derive(Debug)]
pub(super) struct Slice {
    /// A set of their own.
    pub(super) policies: PolicySet,
    /// What their conditions look at.
    pub(super) needs: Needs,
}

/// Where a principal stands in an index.
#[derive(Default)]
pub(super) struct Standing<'a> {
    /// The scopes that match, sorted.
    scopes: Vec<usize>,
    /// The principal's groups that some scope names.
    pub(super) groups: Vec<&'a str>,
    /// Its session's role, if some scope names it.
    pub(super) role: Option<&'a str>,
}

impl Index {
    /// Indexes policies, which are in the order of the file and have different ids.
    pub(super) fn new(vocabulary: &Vocabulary, policies: Vec<(Policy, Needs)>) -> Self {
        let mut index = Self {
            policies: Vec::with_capacity(policies.len()),
            positions: HashMap::with_capacity(policies.len()),
            always: Vec::new(),
            scopes: Vec::new(),
            users: HashMap::new(),
            workloads: HashMap::new(),
            groups: HashMap::new(),
            roles: HashMap::new(),
            slices: Slices::default(),
            managed_slices: Slices::default(),
            granted_by_name: HashSet::new(),
        };
        for (policy, needs) in policies {
            index.add(vocabulary, policy, needs);
        }
        index
    }

    // INVARIANT: a policy that can match a principal is in its slice. Groups and roles are flat (the schema gives them no
    // parents), and nobody is a member of a `User` or `Workload`, so `in` one of these means that very one.
    fn add(&mut self, vocabulary: &Vocabulary, policy: Policy, needs: Needs) {
        let position = self.policies.len();
        let kind_of = |name| {
            [PrincipalKind::User, PrincipalKind::Workload]
                .into_iter()
                .find(|kind| vocabulary.kind(*kind) == name)
        };
        let (named, kind) = match policy.principal_constraint() {
            PrincipalConstraint::Any => (None, None),
            PrincipalConstraint::Is(name) => (None, kind_of(&name)),
            PrincipalConstraint::Eq(uid) | PrincipalConstraint::In(uid) => (Some(uid), None),
            PrincipalConstraint::IsIn(name, uid) => (Some(uid), kind_of(&name)),
        };
        match named.and_then(|uid| self.scope(vocabulary, &uid)) {
            Some(scope) => scope.push(position),
            None => self.always.push(position),
        }
        self.positions
            .insert(AsRef::<str>::as_ref(policy.id()).into(), position);
        let named = match (policy.effect(), policy.action_constraint()) {
            (Effect::Forbid, _) | (_, ActionConstraint::Any) => Vec::new(),
            (Effect::Permit, ActionConstraint::Eq(uid)) => vec![uid],
            (Effect::Permit, ActionConstraint::In(uids)) => uids,
        };
        let managed = Action::ALL.iter().copied().filter(|action| action.is_managed());
        self.granted_by_name.extend(managed.filter(|action| {
            let is_named = |uid: &EntityUid| [action.name(), "manage"].contains(&uid.id().unescaped());
            named.iter().any(is_named)
        }));
        let permits_any_action =
            policy.effect() == Effect::Permit && policy.action_constraint() == ActionConstraint::Any;
        self.policies.push(Indexed {
            policy,
            needs,
            kind,
            permits_any_action,
        });
    }

    fn scope(&mut self, vocabulary: &Vocabulary, uid: &EntityUid) -> Option<&mut Vec<usize>> {
        let name = uid.type_name();
        let ids = if name == vocabulary.kind(PrincipalKind::User) {
            &mut self.users
        } else if name == vocabulary.kind(PrincipalKind::Workload) {
            &mut self.workloads
        } else if vocabulary.is_group(uid) {
            &mut self.groups
        } else if vocabulary.is_role(uid) {
            &mut self.roles
        } else {
            return None;
        };
        let next = self.scopes.len();
        let scope = *ids.entry(uid.id().unescaped().into()).or_insert(next);
        if scope == next {
            self.scopes.push(Vec::new());
        }
        self.scopes.get_mut(scope)
    }

    /// Finds the scopes that match `principal`.
    pub(super) fn standing<'a>(&self, principal: &'a Principal) -> Standing<'a> {
        let own = match principal.kind() {
            PrincipalKind::User => &self.users,
            PrincipalKind::Workload => &self.workloads,
        };
        let mut scopes: Vec<usize> = own.get(principal.id()).copied().into_iter().collect();
        let mut groups = Vec::new();
        for group in principal.groups() {
            if let Some(scope) = self.groups.get(group) {
                scopes.push(*scope);
                groups.push(&**group);
            }
        }
        let named = |role: &&'a str| self.roles.contains_key(*role);
        let role = principal.role().filter(named);
        scopes.extend(role.and_then(|role| self.roles.get(role)));
        scopes.sort_unstable();
        scopes.dedup();
        Standing { scopes, groups, role }
    }

    /// The policies that can match where `standing` says. For `managed` actions without those that permit every
    /// action: who wrote such a one had data in mind and not what leads around the proxy.
    ///
    /// # Errors
    /// If Cedar refuses to put the policies into one set, which different ids rule out.
    pub(super) fn slice(
        &self,
        standing: &Standing<'_>,
        managed: bool,
    ) -> Result<Arc<Slice>, Box<PolicySetError>> {
        let key = standing.scopes.as_slice();
        let slices = if managed {
            &self.managed_slices
        } else {
            &self.slices
        };
        let kept = slices.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(slice) = kept.get(key) {
            return Ok(Arc::clone(slice));
        }
        drop(kept);
        let mut policies = PolicySet::new();
        let mut needs = Needs::NONE;
        for indexed in self.matching(standing) {
            if managed && indexed.permits_any_action {
                continue;
            }
            policies.add(indexed.policy.clone()).map_err(Box::new)?;
            needs = needs.and(indexed.needs);
        }
        let slice = Arc::new(Slice { policies, needs });
        let mut kept = slices.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= SLICES {
            kept.clear();
        }
        kept.insert(key.into(), Arc::clone(&slice));
        Ok(slice)
    }

    /// Whether some `permit` is for this principal, whatever else it asks for.
    pub(super) fn mentions(&self, principal: &Principal) -> bool {
        let standing = self.standing(principal);
        self.matching(&standing).any(|indexed| {
            indexed.policy.effect() == Effect::Permit
                && indexed.kind.is_none_or(|kind| kind == principal.kind())
        })
    }

    /// Whether some `permit` may be for this principal and one of these actions, whatever else it asks for.
    pub(super) fn may_permit(&self, principal: &Principal, actions: &[Action], group: &str) -> bool {
        let managed = actions.iter().all(|action| action.is_managed());
        let names = |uid: &EntityUid| {
            let name = uid.id().unescaped();
            name == group || actions.iter().any(|action| action.name() == name)
        };
        let standing = self.standing(principal);
        self.matching(&standing).any(|indexed| {
            indexed.policy.effect() == Effect::Permit
                && indexed.kind.is_none_or(|kind| kind == principal.kind())
                && match indexed.policy.action_constraint() {
                    ActionConstraint::Any => !managed,
                    ActionConstraint::Eq(uid) => names(&uid),
                    ActionConstraint::In(uids) => uids.iter().any(names),
                }
        })
    }

    /// Whether some `permit` may be for this action, for whomever and whatever else is asked for.
    pub(super) fn may_permit_anybody(&self, action: Action) -> bool {
        let names = |uid: &EntityUid| {
            let name = uid.id().unescaped();
            name == action.group().name() || name == action.name()
        };
        let mut permits = self.policies.iter().map(|indexed| &indexed.policy);
        permits.any(|policy| {
            policy.effect() == Effect::Permit
                && match policy.action_constraint() {
                    ActionConstraint::Any => !action.is_managed(),
                    ActionConstraint::Eq(uid) => names(&uid),
                    ActionConstraint::In(uids) => uids.iter().any(names),
                }
        })
    }

    /// Whether some `permit` names this managed action, or `manage`, for whomever.
    pub(super) fn grants_by_name(&self, action: Action) -> bool {
        self.granted_by_name.contains(&action)
    }

    /// Ids in the order of the file, whatever order they come in.
    pub(super) fn sorted<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Vec<Box<str>> {
        let mut ids: Vec<&str> = ids.collect();
        ids.sort_by_key(|id| self.positions.get(*id));
        ids.dedup();
        ids.into_iter().map(Box::from).collect()
    }

    /// An annotation of a policy.
    pub(super) fn annotation(&self, id: &str, name: &str) -> Option<&str> {
        let indexed = self.policies.get(*self.positions.get(id)?)?;
        indexed.policy.annotation(name)
    }

    /// How many policies there are.
    pub(super) fn len(&self) -> usize {
        self.policies.len()
    }

    fn matching(&self, standing: &Standing<'_>) -> impl Iterator<Item = &Indexed> {
        let scoped = standing
            .scopes
            .iter()
            .filter_map(|scope| self.scopes.get(*scope))
            .flatten();
        self.always
            .iter()
            .chain(scoped)
            .filter_map(|position| self.policies.get(*position))
    }

    /// Every policy, in one set: what slices are compared with.
    #[cfg(test)]
    pub(super) fn whole(&self) -> PolicySet {
        PolicySet::from_policies(self.policies.iter().map(|indexed| indexed.policy.clone())).unwrap()
    }

    /// How many slices are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.slices.read().unwrap().len()
    }
}
