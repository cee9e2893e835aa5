//! Object keys: decoded exactly once, never normalised.

use std::fmt;

/// An object key: 1 to 1024 bytes of UTF-8 without NUL and without `.` or `..` segments.
///
/// Dot segments are legal in S3, but stores and intermediaries collapse them, and a key that means one
/// object to the policy and another to the store is an escape: they are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Box<str>);

/// Why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No bytes at all.
    #[error("the object key is empty")]
    Empty,
    /// More than 1024 bytes.
    #[error("the object key is longer than 1024 bytes")]
    TooLong,
    /// Not UTF-8, or a NUL byte.
    #[error("the object key is not UTF-8 or contains NUL")]
    Encoding,
    /// A `.` or `..` segment.
    #[error("the object key has a `.` or `..` segment, which stores and intermediaries may collapse")]
    DotSegment,
}

impl ObjectKey {
    /// Parses the decoded bytes of a key.
    ///
    /// # Errors
    /// [`KeyError`] names the rule that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.is_empty() {
            return Err(KeyError::Empty);
        }
        if bytes.len() > 1024 {
            return Err(KeyError::TooLong);
        }
        let key = std::str::from_utf8(bytes).map_err(|_| KeyError::Encoding)?;
        if key.contains('\0') {
            return Err(KeyError::Encoding);
        }
        // Some stores read a backslash as a slash.
        if key
            .split(['/', '\\'])
            .any(|segment| segment == "." || segment == "..")
        {
            return Err(KeyError::DotSegment);
        }
        Ok(Self(key.into()))
    }

    /// Whether a store that keeps objects as files may take it for another key: it has an empty segment before its end,
    /// or a backslash.
    pub fn is_ambiguous(&self) -> bool {
        self.0.starts_with('/') || self.0.contains("//") || self.0.contains('\\')
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_as_they_are_or_refused() {
        for good in [
            "a",
            "a//b",
            "/a",
            "a/",
            "...",
            "a/..b",
            "a+b;c=d",
            "ä/%2e%2e",
            "a\\b",
        ] {
            assert_eq!(
                ObjectKey::parse(good.as_bytes())
                    .map(|k| k.to_string())
                    .as_deref(),
                Ok(good)
            );
        }
        let long = "k".repeat(1025);
        for (bad, why) in [
            (&b""[..], KeyError::Empty),
            (long.as_bytes(), KeyError::TooLong),
            (b"a\0b", KeyError::Encoding),
            (b"\xff", KeyError::Encoding),
            (b"..", KeyError::DotSegment),
            (b"a/../b", KeyError::DotSegment),
            (b"./a", KeyError::DotSegment),
            (b"a/.", KeyError::DotSegment),
            (b"a\\..\\b", KeyError::DotSegment),
            (b"..\\b", KeyError::DotSegment),
        ] {
            assert_eq!(ObjectKey::parse(bad), Err(why));
        }
    }

    #[test]
    fn keys_that_stores_may_take_for_others_are_told() {
        for (key, ambiguous) in [
            ("a", false),
            ("a/b/", false),
            ("a b/+c", false),
            ("/a", true),
            ("a//b", true),
            ("a//", true),
            ("a\\b", true),
        ] {
            let parsed = ObjectKey::parse(key.as_bytes()).unwrap();
            assert_eq!(parsed.is_ambiguous(), ambiguous, "{key}");
        }
    }
}
