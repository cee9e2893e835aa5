//! Bucket names, virtual and at the target.

use std::{fmt, net::Ipv4Addr, str::FromStr};

/// A bucket name: 3 to 63 bytes of `[a-z0-9.-]`, starting and ending with a letter or digit.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Box<str>);

/// Why a bucket name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketNameError {
    /// Shorter than 3 or longer than 63 bytes.
    #[error("a bucket name has 3 to 63 characters, not {0}")]
    Length(usize),
    /// A character outside `[a-z0-9.-]`, or a first or last character that is no letter or digit.
    #[error(
        "a bucket name has lower-case letters, digits, `.` and `-` only, and starts and ends with a letter or digit"
    )]
    Characters,
    /// Two dots in a row, or the shape of an IPv4 address.
    #[error("a bucket name has no `..` and is not an IP address")]
    Shape,
    /// A suffix that makes clients speak another protocol.
    #[error(
        "a bucket name does not end in `--x-s3`, `--ol-s3`, `-s3alias`, or start with `xn--` or `sthree-`"
    )]
    Reserved,
}

impl BucketName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`BucketNameError`] names the first rule that is broken.
    pub fn parse(name: &str) -> Result<Self, BucketNameError> {
        let bytes = name.as_bytes();
        if !(3..=63).contains(&bytes.len()) {
            return Err(BucketNameError::Length(bytes.len()));
        }
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        let outer = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !bytes.iter().all(|b| inner(*b)) || !outer(bytes.first()) || !outer(bytes.last()) {
            return Err(BucketNameError::Characters);
        }
        if name.contains("..") || Ipv4Addr::from_str(name).is_ok() {
            return Err(BucketNameError::Shape);
        }
        let suffixes = ["--x-s3", "--ol-s3", "-s3alias"];
        let prefixes = ["xn--", "sthree-"];
        if suffixes.iter().any(|s| name.ends_with(s)) || prefixes.iter().any(|p| name.starts_with(p)) {
            return Err(BucketNameError::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// Parses the name of a bucket at Google, which may have `_`, and with dots up to 222 bytes.
    ///
    /// # Errors
    /// As [`BucketName::parse`].
    ///
    /// Spec: <https://cloud.google.com/storage/docs/buckets#naming>
    pub fn parse_at_google(name: &str) -> Result<Self, BucketNameError> {
        let most = if name.contains('.') { 222 } else { 63 };
        if !(3..=most).contains(&name.len()) || name.split('.').any(|part| part.len() > 63) {
            return Err(BucketNameError::Length(name.len()));
        }
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        let outer = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = name.as_bytes();
        if !bytes.iter().all(|b| inner(*b)) || !outer(bytes.first()) || !outer(bytes.last()) {
            return Err(BucketNameError::Characters);
        }
        if name.contains("..") || Ipv4Addr::from_str(name).is_ok() {
            return Err(BucketNameError::Shape);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for BucketName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_s3() {
        for good in ["lake", "a1b", "my.bucket-1", "0ab"] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in [
            "",
            "ab",
            &long,
            "Lake",
            "a_b_c",
            "-abc",
            "abc-",
            "a..b",
            "127.0.0.1",
            "arn:aws",
            "x--x-s3",
            "xn--abc",
            "a/b",
        ] {
            assert!(BucketName::parse(bad).is_err(), "{bad}");
        }
        let dotted = ["a".repeat(63), "b".repeat(63)].join(".");
        for good in ["acme_models_eu", "data.acme.com", &dotted] {
            assert!(BucketName::parse_at_google(good).is_ok(), "{good}");
        }
        for bad in [
            "_a_",
            "a",
            "A_b",
            "a/b",
            "a..b",
            "10.0.0.1",
            &long,
            &format!("a.{long}"),
        ] {
            assert!(BucketName::parse_at_google(bad).is_err(), "{bad}");
        }
    }
}
