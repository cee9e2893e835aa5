//! Key prefixes: the folder of a target bucket that a virtual bucket is.
//!
//! The hazard is an escape: a name that leaves the folder on the way to the target, or one from outside that is taken
//! for a name inside on the way back. A prefix ends with `/` and has no dot segments, so that putting it in front of
//! any key gives a key below it, and taking it off again gives the same key.

use super::{KeyError, ObjectKey};
use std::fmt;

/// What stands in front of every key of a virtual bucket at the target; empty for a bucket that is a whole one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPrefix(Box<str>);

/// Why a prefix was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyPrefixError {
    /// No bytes at all.
    #[error("empty; leave the key out for a whole bucket")]
    Empty,
    /// More than [`KeyPrefix::MAX`] bytes.
    #[error(
        "longer than {} bytes, which leaves too little of the 1024 that a key may have",
        KeyPrefix::MAX
    )]
    TooLong,
    /// `team-a` would be the beginning of `team-ab` too.
    #[error("does not end with `/`")]
    NoSlash,
    /// A leading slash, or two in a row.
    #[error("has an empty folder name: a `/` at the beginning, or two in a row")]
    EmptySegment,
    /// A `.` or `..` segment.
    #[error("has a `.` or `..` folder, which stores and intermediaries may collapse")]
    DotSegment,
    /// A character that no document or log shows as it is.
    #[error("has a control character")]
    Control,
}

impl KeyPrefix {
    /// Longest prefix, in bytes: half of what a key may have.
    pub const MAX: usize = 512;

    /// Parses a prefix as an operator writes it: `teams/a/`.
    ///
    /// # Errors
    /// [`KeyPrefixError`] names the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, KeyPrefixError> {
        if text.is_empty() {
            return Err(KeyPrefixError::Empty);
        }
        if text.len() > Self::MAX {
            return Err(KeyPrefixError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(KeyPrefixError::Control);
        }
        let folders = text.strip_suffix('/').ok_or(KeyPrefixError::NoSlash)?;
        for folder in folders.split('/') {
            match folder {
                "" => return Err(KeyPrefixError::EmptySegment),
                "." | ".." => return Err(KeyPrefixError::DotSegment),
                _ => {}
            }
        }
        Ok(Self(text.into()))
    }

    /// The prefix; empty for a whole bucket.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the virtual bucket is a whole bucket.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The target's key for a caller's.
    ///
    /// # Errors
    /// [`KeyError::TooLong`] if both together are longer than a key may be.
    pub fn join(&self, key: &ObjectKey) -> Result<ObjectKey, KeyError> {
        // INVARIANT: what leaves is a key like any other, below the prefix.
        ObjectKey::parse(self.prepend(key.as_str()).as_bytes())
    }

    /// The target's words for the beginning of a key, or for a marker between keys.
    pub fn prepend(&self, text: &str) -> String {
        let mut joined = String::with_capacity(self.0.len() + text.len());
        joined.push_str(&self.0);
        joined.push_str(text);
        joined
    }

    /// The caller's words for the target's; `None` for what is not below the prefix.
    pub fn strip<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.strip_prefix(&*self.0)
    }

    /// Whether one of the two holds everything that the other holds.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.starts_with(&*other.0) || other.0.starts_with(&*self.0)
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_is_a_folder_or_refused() {
        for good in ["a/", "teams/a/", "Ä b/c+d/", ".../", "..a/", "a%2e%2e/"] {
            assert_eq!(KeyPrefix::parse(good).map(|p| p.to_string()).as_deref(), Ok(good));
        }
        let longest = format!("{}/", "p".repeat(511));
        assert!(KeyPrefix::parse(&longest).is_ok());
        for (bad, why) in [
            ("", KeyPrefixError::Empty),
            (&format!("p{longest}"), KeyPrefixError::TooLong),
            ("team-a", KeyPrefixError::NoSlash),
            ("/", KeyPrefixError::EmptySegment),
            ("/a/", KeyPrefixError::EmptySegment),
            ("a//", KeyPrefixError::EmptySegment),
            ("a//b/", KeyPrefixError::EmptySegment),
            ("./", KeyPrefixError::DotSegment),
            ("a/../b/", KeyPrefixError::DotSegment),
            ("a/..", KeyPrefixError::NoSlash),
            ("a\0/", KeyPrefixError::Control),
            ("a\n/", KeyPrefixError::Control),
        ] {
            assert_eq!(KeyPrefix::parse(bad), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn a_key_that_does_not_fit_is_refused() {
        let prefix = KeyPrefix::parse("teams/a/").unwrap();
        let key = |length: usize| ObjectKey::parse("k".repeat(length).as_bytes()).unwrap();
        assert_eq!(prefix.join(&key(1016)).map(|k| k.as_str().len()), Ok(1024));
        assert_eq!(prefix.join(&key(1017)), Err(KeyError::TooLong));
        assert_eq!(KeyPrefix::default().join(&key(1024)), Ok(key(1024)));
    }

    #[test]
    fn prefixes_overlap_when_one_holds_the_other() {
        let prefix = |text: &str| match text {
            "" => KeyPrefix::default(),
            text => KeyPrefix::parse(text).unwrap(),
        };
        for (one, other, overlap) in [
            ("a/", "a/", true),
            ("a/", "a/b/", true),
            ("", "a/", true),
            ("", "", true),
            ("a/", "ab/", false),
            ("a/b/", "a/c/", false),
        ] {
            assert_eq!(prefix(one).overlaps(&prefix(other)), overlap, "{one} {other}");
            assert_eq!(prefix(other).overlaps(&prefix(one)), overlap, "{other} {one}");
        }
    }

    fn prefixes() -> impl Strategy<Value = KeyPrefix> {
        let folder = "[a-z.%+ ä/]{0,6}";
        proptest::collection::vec(folder, 0..4)
            .prop_map(|folders| folders.iter().map(|f| format!("{f}/")).collect::<String>())
            .prop_filter_map("not a prefix", |text| match text.is_empty() {
                true => Some(KeyPrefix::default()),
                false => KeyPrefix::parse(&text).ok(),
            })
    }

    proptest! {
        // AUZ-10: what goes out is below the prefix, and what comes back is what went out.
        #[test]
        fn mapping_and_unmapping_are_inverse_and_no_key_escapes(prefix in prefixes(), key in "[a-z./%+ \\\\ä]{1,24}") {
            let Ok(key) = ObjectKey::parse(key.as_bytes()) else { return Ok(()) };
            let mapped = prefix.join(&key).unwrap();
            prop_assert_eq!(prefix.strip(mapped.as_str()), Some(key.as_str()));
            // As a store that collapses paths would see it.
            let mut folders = Vec::new();
            for segment in mapped.as_str().split('/') {
                match segment {
                    ".." => drop(folders.pop()),
                    "" | "." => {}
                    other => folders.push(other),
                }
            }
            let collapsed = folders.join("/");
            let folder = prefix.as_str().trim_end_matches('/');
            prop_assert!(collapsed.starts_with(folder), "{} is not below {}", collapsed, folder);
        }

        #[test]
        fn another_bucket_s_key_is_never_taken_for_one_of_ours(ours in prefixes(), theirs in prefixes(), key in "[a-z./]{1,8}") {
            prop_assume!(!ours.overlaps(&theirs));
            let Ok(key) = ObjectKey::parse(key.as_bytes()) else { return Ok(()) };
            let foreign = theirs.join(&key).unwrap();
            prop_assert_eq!(ours.strip(foreign.as_str()), None);
        }
    }
}
