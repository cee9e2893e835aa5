//! The XML documents of S3: what callers send, what targets answer, what Tidegate says itself.
//!
//! Nothing is passed on as it came. A caller's document is parsed into nouns, and the target's copy is written from
//! those nouns alone, so that policy and target cannot read two things out of one text. A target's document is
//! rebuilt with the caller's names in place of the target's, and its error messages are replaced by our own.
//!
//! Reading is strict and bounded: no document type, no entities beyond the five, 16 levels, known elements only.

mod codes;
mod complete;
mod control;
mod delete;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod google;
mod keep_alive;
mod listing;
mod names;
mod own;
mod reader;
mod rewrite;
mod writer;

use crate::authn::SealError;
use crate::operation::{KeyError, TagFlaw};
pub(crate) use codes::outward;
pub(crate) use complete::{parse_complete, write_complete};
pub(crate) use control::{
    LEGAL_HOLD, RESTORE, RETENTION, check_new_bucket, parse_tags, rebuild, rebuild_policy, rebuild_setting,
    write_new_bucket, write_tags,
};
pub(crate) use delete::{merge_delete_result, parse_delete, write_delete};
pub(crate) use google::from_google;
pub(crate) use keep_alive::keep_alive_rewrite;
pub(crate) use listing::first_key;
pub(crate) use names::{Names, place};
pub(crate) use own::{list_buckets, location, post_response};
pub(crate) use rewrite::{Rewritten, parse_target_error, rewrite_result};
pub(crate) use writer::escape;

/// Why a document was refused. The text is for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentError {
    /// Not XML as we accept it, or not of the expected schema: `MalformedXML`.
    #[error("the XML is not well-formed or does not follow the published schema: {0}")]
    Malformed(&'static str),
    /// An element that the schema does not have: `MalformedXML`.
    #[error("the XML does not follow the published schema: `{0}` is not expected here")]
    UnknownElement(Box<str>),
    /// A key that cannot be named: `MalformedXML`.
    #[error("`<Key>` number {position} is refused: {error}")]
    Key {
        /// Counted from 1.
        position: usize,
        /// The rule that is broken.
        error: KeyError,
    },
    /// More entries than the call takes: `MalformedXML`, as at S3.
    #[error("the XML has more than {0} entries")]
    TooMany(usize),
    /// A part of the schema that Tidegate does not implement: `NotImplemented`.
    #[error("`{0}` is not implemented: leave it out")]
    Unsupported(&'static str),
    /// A tag that no object has: `InvalidTag`.
    #[error("the tags are not valid: {0}")]
    Tag(#[from] TagFlaw),
    /// A bucket policy that is none: `MalformedPolicy`.
    #[error("the policy is not a JSON object")]
    Policy,
    /// A target's answer names what was not asked for: not passed on, whatever it is (AUZ-10).
    #[error("it names a key outside of the prefix that was asked for")]
    Outside,
    /// An id of a target's answer that no caller can be given.
    #[error("it has an upload id or a continuation token that cannot be sealed: {0}")]
    Seal(#[from] SealError),
}

impl DocumentError {
    /// The S3 error code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_)
            | Self::UnknownElement(_)
            | Self::Key { .. }
            | Self::TooMany(_)
            | Self::Outside
            | Self::Seal(_) => "MalformedXML",
            Self::Unsupported(_) => "NotImplemented",
            Self::Tag(_) => "InvalidTag",
            Self::Policy => "MalformedPolicy",
        }
    }
}
