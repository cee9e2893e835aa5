//! The JSON documents of the API: what callers say about objects, and what targets answer.
//!
//! A document of a caller is read strictly and written anew from what was understood: a member that nobody here knows
//! may be a right that nobody decided about. A document of a target is let through member by member: names are put
//! into the caller's words, addresses into our own, and what no caller needs (access lists, owners, anything that is
//! good for something at Google itself) does not cross.
//!
//! - [`fields`] is an object as a caller describes it, [`contents`] what its members may hold, [`compose`] the list of
//!   objects that become one,
//! - [`names`] maps names and addresses back, [`answers`] whole documents; [`fault`] is what went wrong at a target,
//! - [`segment`] writes and reads an object's name as one segment of a path.
//!
//! Spec: <https://cloud.google.com/storage/docs/json_api/v1/objects#resource>

mod answers;
mod compose;
mod contents;
mod fault;
mod fields;
mod names;
pub(crate) mod segment;
#[cfg(test)]
mod tests;

pub(crate) use answers::{crc32c, object, objects, rewrite_response};
pub(crate) use compose::ComposeRequest;
pub(crate) use fault::{TargetFault, target_fault};
pub(crate) use fields::ObjectFields;
pub(crate) use names::Names;

use super::hash::HashError;
use crate::operation::KeyError;

/// Most bytes of a document about one object or one call.
pub(crate) const LIMIT: usize = 64 << 10;

/// Why a caller's document is refused. The text is for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentError {
    /// Not JSON, or JSON that two readers may read differently.
    #[error("the body is not a JSON object of at most {LIMIT} bytes in which each member is there once")]
    Malformed,
    /// A member that is not known here.
    #[error("`{0}` is not a member that can be set here")]
    UnknownMember(Box<str>),
    /// A member with a value of another kind.
    #[error("the value of `{0}` is not valid: it has to be {1}")]
    Value(&'static str, &'static str),
    /// A hash that is none.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Not a name that an object can have.
    #[error("the name of an object is not valid: {0}")]
    Name(#[from] KeyError),
    /// Compose of nothing, or of too much.
    #[error("`sourceObjects` names 1 to 32 objects")]
    Sources,
}

/// Why a target's document cannot be passed on. For the operator: what it shows is not for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerError {
    /// Not a JSON object.
    #[error("it is not the JSON that was expected")]
    Malformed,
    /// Of another bucket than was asked.
    #[error("it is about another bucket")]
    OtherBucket,
    /// Of a name outside of the folder or of the prefix that was asked for.
    #[error("it names an object outside of what was asked for")]
    Outside,
    /// A listing in which it cannot be told what the entries are.
    #[error("it does not name the objects that it lists; ask for `items/name` in `fields`")]
    Nameless,
    /// What it gave out to come back with could not be sealed.
    #[error("the token in it cannot be sealed")]
    Unsealed,
}
