//! What a principal may do, as far as that can be said without asking for something in particular.
//!
//! Told to the principal itself. Conditions are not looked at, so that it is what some policy may allow, and no more than
//! the names of buckets and groups of actions: who has only a part of a bucket finds the rest of it closed.

use super::load::Policies;
use crate::authn::Principal;
use crate::operation::{Action, ActionGroup, BucketName};
use std::collections::BTreeMap;

/// The groups of actions that may be allowed in each bucket, by its name.
pub type Reach = BTreeMap<Box<str>, Vec<&'static str>>;

impl Policies {
    /// What some policy of a bucket permits somebody, under whatever conditions: no target needs to allow more.
    pub fn grantable(&self, bucket: &BucketName) -> Vec<Action> {
        let index = self.buckets.get(bucket).and_then(|known| known.index.as_ref());
        let all = Action::ALL.iter().copied();
        all.filter(|action| index.is_some_and(|index| index.may_permit_anybody(*action)))
            .collect()
    }

    /// Whether some policy may permit the principal `action` on something in `bucket`, under whatever conditions.
    pub fn may_reach(&self, principal: &Principal, bucket: &BucketName, action: Action) -> bool {
        let index = self.buckets.get(bucket).and_then(|known| known.index.as_ref());
        let mut narrowed = principal.session_policies().iter();
        index.is_some_and(|index| index.may_permit(principal, &[action], action.group().name()))
            && narrowed.all(|policy| policy.mentions_any(bucket.as_str(), &[action]))
    }

    /// In which buckets some policy permits the principal something, and what.
    pub fn reach(&self, principal: &Principal) -> Reach {
        let groups: Vec<(&'static str, Vec<Action>)> = GROUPS
            .into_iter()
            .map(|group| {
                let of_group = |action: &Action| action.group() == group;
                (
                    group.name(),
                    Action::ALL.iter().copied().filter(of_group).collect(),
                )
            })
            .collect();
        let mut reach = Reach::new();
        for (name, known) in &self.buckets {
            let Some(index) = &known.index else { continue };
            let allowed = groups.iter().filter(|(group, actions)| {
                let narrowed = principal.session_policies().iter();
                index.may_permit(principal, actions, group)
                    && narrowed
                        .clone()
                        .all(|policy| policy.mentions_any(name.as_str(), actions))
            });
            let allowed: Vec<_> = allowed.map(|(group, _)| *group).collect();
            if !allowed.is_empty() {
                reach.insert(name.as_str().into(), allowed);
            }
        }
        reach
    }
}

const GROUPS: [ActionGroup; 5] = [
    ActionGroup::Read,
    ActionGroup::Write,
    ActionGroup::List,
    ActionGroup::Delete,
    ActionGroup::Manage,
];
