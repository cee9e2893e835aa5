//! Which rights Tidegate needs at a target: those of the calls that it forwards, from the catalogue.

use crate::operation::{Action, ActionGroup, Api, Handling, Right, header_right};

/// How much of it is wanted, where no policy says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Access {
    /// Objects are read and listed
    Read,
    /// They are written and deleted, too
    #[default]
    Write,
    /// And settings of the bucket are changed, which lets who may do so get around Tidegate
    Manage,
}

impl Access {
    fn has(self, action: Action) -> bool {
        match action.group() {
            ActionGroup::Read | ActionGroup::List => true,
            ActionGroup::Write | ActionGroup::Delete => self != Self::Read,
            ActionGroup::Manage => self == Self::Manage,
        }
    }
}

/// What forwarded calls ask of a target, in the order of [`Action::ALL`]: as far as `access` goes, and as far as
/// `permitted` does, which is what the bucket's policies may permit anybody. Buckets are only made and deleted where
/// the configuration lets callers do so.
pub fn needed(access: Access, permitted: Option<&[Action]>, makes_buckets: bool) -> Vec<Action> {
    let asked: Vec<Action> = Api::ALL
        .iter()
        .filter(|api| api.row().handling == Handling::Forwarded)
        .filter(|api| makes_buckets || !matches!(api, Api::CreateBucket | Api::DeleteBucket))
        .flat_map(|api| of(*api))
        .collect();
    let wanted = |action: &Action| {
        asked.contains(action)
            && access.has(*action)
            && permitted.is_none_or(|permitted| permitted.contains(action))
    };
    Action::ALL.iter().copied().filter(wanted).collect()
}

/// The rights of a call: its own, and those of its headers.
pub(super) fn of(api: Api) -> Vec<Action> {
    let row = api.row();
    let mut actions: Vec<Action> = row.rights.iter().flat_map(|right| of_right(*right)).collect();
    // On a DeleteObjects call, headers are about each of the objects.
    let scope = match row.rights.contains(&Right::Deletions) {
        true => crate::operation::Scope::Object,
        false => row.scope,
    };
    actions.extend(
        row.headers
            .iter()
            .filter_map(|header| header_right(scope, header)),
    );
    if row.headers.contains(&"x-amz-object-annotation-directive") {
        actions.extend([
            Action::GetObjectAnnotation,
            Action::GetObjectVersionAnnotation,
            Action::PutObjectAnnotation,
        ]);
    }
    actions
}

fn of_right(right: Right) -> Vec<Action> {
    match right {
        Right::Bucket(action) | Right::Object(action) => vec![action],
        Right::Version(current, named) => vec![current, named],
        Right::CopySource => vec![Action::GetObject, Action::GetObjectVersion],
        Right::Deletions => vec![Action::DeleteObject, Action::DeleteObjectVersion],
        Right::Visible => Vec::new(),
    }
}
