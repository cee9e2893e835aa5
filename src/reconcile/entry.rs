//! One entry of a provider's log, whatever the log is.

use crate::signing::{GOOGLE_REQUEST, STAMP_TOKEN};
use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use std::borrow::Cow;
use ulid::Ulid;

/// What kind of request it is, as far as logs tell them apart: each kind can be switched on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Objects and lists of them, read.
    Read,
    /// Objects written.
    Write,
    /// Settings of buckets.
    Manage,
}

impl Class {
    pub(super) const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Manage];

    /// Of a call of S3, by the name that it has in the API reference and in CloudTrail.
    pub(super) fn of_api(name: &str, read_only: Option<bool>) -> Self {
        let of_bucket = (name.contains("Bucket") && name != "HeadBucket")
            || name.contains("PublicAccessBlock")
            || name.contains("ObjectLockConfiguration");
        if of_bucket {
            return Self::Manage;
        }
        let reads = ["Get", "Head", "List", "Select"]
            .iter()
            .any(|verb| name.starts_with(verb));
        match read_only.unwrap_or(reads) {
            true => Self::Read,
            false => Self::Write,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Manage => "settings",
        }
    }
}

/// Half a SHA-256: tells ids apart.
pub(super) type Hash = [u8; 16];

/// The hash of parts, each of which counts by itself.
pub(super) fn hash(parts: &[&str]) -> Hash {
    let mut text = Vec::with_capacity(128);
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_le_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let digest = digest(&SHA256, &text);
    let mut hash = Hash::default();
    for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    hash
}

/// An entry about a request on a bucket.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) at: Timestamp,
    /// What it is about, in the provider's names: first that of the request, then whatever else it touches.
    pub(super) places: Vec<Place<'a>>,
    /// In the provider's words, as are principal and source.
    pub(super) operation: &'a str,
    pub(super) principal: Cow<'a, str>,
    pub(super) source: &'a str,
    /// The provider's id of the request, if it is the one that it also answers with.
    pub(super) request_id: Option<&'a str>,
    /// What two entries have in common only if they are the same one, delivered twice.
    pub(super) identity: Hash,
    /// Our request id, as the entry claims it.
    pub(super) stamp: Option<Ulid>,
    pub(super) class: Class,
    /// It is the provider's own doing, such as a rule of lifecycle that comes to its time.
    pub(super) by_provider: bool,
}

/// Something that a request touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: Option<Cow<'a, str>>,
    /// What is listed, instead of a key.
    pub(super) prefix: Option<&'a str>,
    /// The other end of a copy: a request on another place, which says nothing about what is logged of this one.
    pub(super) other_end: bool,
}

impl<'a> Place<'a> {
    /// A bucket as a whole, or a key in it.
    pub(super) fn new(bucket: &'a str, key: Option<Cow<'a, str>>) -> Self {
        Self {
            bucket,
            key: key.filter(|key| !key.is_empty()),
            prefix: None,
            other_end: false,
        }
    }

    /// Adds it to `places`, unless they have it, or something that is more precise.
    pub(super) fn add_to(self, places: &mut Vec<Self>) {
        let known =
            |place: &Self| place.bucket == self.bucket && (self.key.is_none() || place.key == self.key);
        if !places.iter().any(known) {
            places.push(self);
        }
    }
}

/// Our request id in a user agent.
pub(super) fn stamp_of_agent(agent: &str) -> Option<Ulid> {
    let (_, rest) = agent.split_once(STAMP_TOKEN)?;
    stamp(rest.get(..ulid::ULID_LEN)?)
}

/// Our request id as it stands in a custom header.
pub(super) fn stamp(text: &str) -> Option<Ulid> {
    // Never in lower case, which would be a second way to write the same.
    let ours = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    Ulid::from_string(text).ok().filter(|_| ours)
}

/// The name of the custom header, and as a log may have it that drops what all of them begin with.
pub(super) const GOOGLE_NAMES: [&str; 2] = [GOOGLE_REQUEST, "tidegate-request"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_in_a_user_agent() {
        let id = "01JD0000000000000000000001";
        let check = |agent: &str, found: bool| {
            let stamp = stamp_of_agent(agent).map(|stamp| stamp.to_string());
            assert_eq!(stamp.as_deref(), found.then_some(id), "{agent}");
        };
        check("tidegate/0.1.0 tidegate-request/01JD0000000000000000000001", true);
        check(
            "[tidegate/0.1.0 tidegate-request/01JD0000000000000000000001]",
            true,
        );
        check(
            "tidegate/0.1.0 tidegate-request/01JD0000000000000000000001,gzip(gfe)",
            true,
        );
        check("tidegate/0.1.0 tidegate-request/01JD00000000000000000", false);
        check(
            "tidegate/0.1.0 tidegate-request/01jd0000000000000000000001",
            false,
        );
        check("tidegate/0.1.0 tidegate-request/ä1JD000000000000000000001", false);
        check("aws-cli/2", false);
    }

    #[test]
    fn calls_have_a_class() {
        let check = |name, class| assert_eq!(Class::of_api(name, None), class, "{name}");
        check("GetObject", Class::Read);
        check("HeadBucket", Class::Read);
        check("ListObjectsV2", Class::Read);
        check("PutObject", Class::Write);
        check("DeleteObjects", Class::Write);
        check("PutBucketPolicy", Class::Manage);
        check("GetBucketTagging", Class::Manage);
        check("DeletePublicAccessBlock", Class::Manage);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["a"]), hash(&["a", ""]));
    }
}
