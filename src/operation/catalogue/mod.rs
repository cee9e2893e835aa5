//! The catalogue: one row for each API call, with everything that may cross and everything that it needs.
//!
//! The hazard is a call that one side knows and the other does not: an ignored `?tagging` on a DELETE destroys the
//! object, an ignored `?acl` on a PUT replaces it. So every call of the API has a row, also those that are refused,
//! and what has none does not exist. The match over all calls has no wildcard: a call that is added without a row
//! does not compile.

#[cfg(test)]
mod golden;
mod headers;
mod rows;
#[cfg(test)]
mod tests;

use super::{Action, Api, Scope};

/// One row of the catalogue.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) scope: Scope,
    /// Query keys that make it this call; all must be present.
    pub(crate) required: &'static [&'static str],
    /// Query keys it may have besides.
    pub(crate) optional: &'static [&'static str],
    /// Request headers that cross to the target, besides `x-amz-meta-*` where [`Row::metadata`] says so.
    pub(crate) headers: &'static [&'static str],
    /// Whether `x-amz-meta-*` crosses.
    pub(crate) metadata: bool,
    /// Whether `x-amz-copy-source` makes it this call.
    pub(crate) copies: bool,
    /// What the body is.
    pub(crate) body: BodyRule,
    /// What becomes of it.
    pub(crate) handling: Handling,
    /// What it needs, besides what its headers need.
    pub(crate) rights: &'static [Right],
    /// What the target's answer is.
    pub(crate) answer: Answer,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// It goes to the target, if policy allows it.
    Forwarded,
    /// Answered from what is known here, if policy allows it.
    Answered,
    /// Never served. The text says why and what to do instead.
    Refused(&'static str),
    /// Read into another call, which is decided and forwarded in its place.
    Becomes(Api),
    /// An older name of another call: the same request on the wire, so that only the other one is ever found.
    SameRequestAs(Api),
}

/// A right that a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// To the bucket.
    Bucket(Action),
    /// To the object.
    Object(Action),
    /// To the object: the first for the current version, the second for one that is named.
    Version(Action, Action),
    /// To read the source of a copy.
    CopySource,
    /// To each object that the document names.
    Deletions,
    /// None: the answer is made from what policy lets the caller see.
    Visible,
}

/// What a call's request body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyRule {
    /// There is none.
    Empty,
    /// Object bytes: streamed, never held.
    Object,
    /// A form whose last field is the object: the fields are held, the object is streamed.
    Form,
    /// A small document: held, parsed and rebuilt.
    Document {
        /// Most bytes.
        limit: usize,
        /// What it holds.
        form: DocumentForm,
        /// Whether there may be none.
        optional: bool,
    },
}

/// What a control document holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DocumentForm {
    /// The objects of a DeleteObjects call.
    Deletions,
    /// The parts of a CompleteMultipartUpload call.
    Parts,
    /// What a bucket should be like. Where it is made is for the configuration to say.
    NewBucket,
    /// Tags of an object.
    ObjectTags,
    /// How long an object is kept.
    Retention,
    /// Whether an object is held.
    LegalHold,
    /// For how long an archived object is restored, and where: only in place.
    Restore,
    /// A setting that is passed on element by element, with the name of its root.
    Setting(&'static str),
    /// A bucket policy in JSON.
    Policy,
}

/// What a target answers to a call, and so what is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing: it is not asked.
    None,
    /// Object bytes, or their headers: streamed.
    Object,
    /// Headers. A body would say nothing that callers know.
    Headers,
    /// A document that is rebuilt with the caller's names. Its root is one of these, or any if there are none.
    Document(&'static [&'static str]),
    /// The results of a DeleteObjects call: merged with the refusals of policy.
    Deletions,
    /// The result of a completion, which may take minutes: rebuilt at its end.
    Completion,
    /// A bucket policy in JSON.
    Policy,
}

/// Whether a header sets an access control list.
pub(crate) fn is_acl(header: &str) -> bool {
    header == "x-amz-acl" || header.starts_with("x-amz-grant-")
}

/// The right that a header needs on what the call acts on, whatever its value; `None` for most.
pub(crate) fn header_right(scope: Scope, header: &str) -> Option<Action> {
    let is_acl = is_acl(header);
    match scope {
        Scope::Service => None,
        Scope::Bucket if is_acl => Some(Action::PutBucketAcl),
        Scope::Bucket => match header {
            "x-amz-bucket-object-lock-enabled" => Some(Action::PutBucketObjectLockConfiguration),
            "x-amz-object-ownership" => Some(Action::PutBucketOwnershipControls),
            // On a DeleteObjects call it is needed for each object.
            _ => None,
        },
        Scope::Object if is_acl => Some(Action::PutObjectAcl),
        Scope::Object => match header {
            "x-amz-tagging" => Some(Action::PutObjectTagging),
            "x-amz-object-lock-mode" | "x-amz-object-lock-retain-until-date" => {
                Some(Action::PutObjectRetention)
            }
            "x-amz-object-lock-legal-hold" => Some(Action::PutObjectLegalHold),
            "x-amz-bypass-governance-retention" => Some(Action::BypassGovernanceRetention),
            "x-amz-website-redirect-location" => Some(Action::PutObjectWebsiteRedirect),
            _ => None,
        },
    }
}
