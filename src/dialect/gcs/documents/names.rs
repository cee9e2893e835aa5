//! Names and addresses of an answer, in the caller's words.
//!
//! INVARIANT: [`Names::key`] is the only way from a target's name to a caller's, and it gives none for what is not below
//! the folder.

use super::{AnswerError, segment};
use crate::operation::KeyPrefix;

/// What a bucket is called on either side, and where callers find it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    /// The name callers use.
    pub(crate) bucket: &'a str,
    /// The name at the target.
    pub(crate) target_bucket: &'a str,
    /// The folder there; empty for a whole bucket.
    pub(crate) prefix: &'a KeyPrefix,
    /// `https://` and the host that the caller used.
    pub(crate) origin: &'a str,
}

impl<'a> Names<'a> {
    /// The caller's name for the target's bucket.
    pub(crate) fn bucket(&self, found: &str) -> Result<&'a str, AnswerError> {
        match found == self.target_bucket {
            true => Ok(self.bucket),
            false => Err(AnswerError::OtherBucket),
        }
    }

    /// The caller's name for the target's.
    pub(crate) fn key<'t>(&self, found: &'t str) -> Result<&'t str, AnswerError> {
        self.prefix
            .strip(found)
            .filter(|key| !key.is_empty())
            .ok_or(AnswerError::Outside)
    }

    /// Whether this is the folder itself, which consoles and mounts make an object of.
    pub(super) fn is_marker(&self, found: &str) -> bool {
        !self.prefix.is_empty() && self.prefix.strip(found).is_some_and(str::is_empty)
    }

    /// `bucket/name/generation`.
    pub(super) fn id(&self, found: &str) -> Result<String, AnswerError> {
        let rest = found
            .strip_prefix(self.target_bucket)
            .and_then(|rest| rest.strip_prefix('/'));
        let key = self.key(rest.ok_or(AnswerError::OtherBucket)?)?;
        Ok(format!("{}/{key}", self.bucket))
    }

    /// The address of an object's resource here.
    pub(super) fn self_link(&self, key: &str) -> String {
        format!(
            "{}/storage/v1/b/{}/o/{}",
            self.origin,
            self.bucket,
            segment::encode(key)
        )
    }

    /// The address of an object's bytes here.
    pub(super) fn media_link(&self, key: &str, generation: Option<&str>) -> String {
        let generation = generation.map(|generation| format!("generation={generation}&"));
        format!(
            "{}/download/storage/v1/b/{}/o/{}?{}alt=media",
            self.origin,
            self.bucket,
            segment::encode(key),
            generation.unwrap_or_default()
        )
    }

    /// Key and generation out of an address at the target; `None` if it is not one of its bucket's.
    pub(super) fn of_link(&self, link: &str) -> Option<(String, Option<String>)> {
        let (path, query) = link.split_once('?').unwrap_or((link, ""));
        let (before, name) = path.rsplit_once("/o/")?;
        let (_, bucket) = before.rsplit_once("/b/")?;
        let name = String::from_utf8(segment::decode(name)?).ok()?;
        let key = self.key(&name).ok()?;
        let generation = query.split('&').find_map(|pair| pair.strip_prefix("generation="));
        let generation = generation.filter(|digits| is_number(digits)).map(str::to_owned);
        (bucket == self.target_bucket).then(|| (key.to_owned(), generation))
    }
}

/// Whether a text is the digits of a generation.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit())
}
