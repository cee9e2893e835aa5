//! The signature chain of `aws-chunked` uploads, seeded by the request's verified signature.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use aws_lc_rs::{constant_time, digest, hmac};
use data_encoding::HEXLOWER;

/// Verifies chunk after chunk; each signature covers the one before.
///
/// Only authentication makes one, from a signature that was verified.
pub struct ChunkSigning {
    key: hmac::Key,
    date: Box<str>,
    scope: Box<str>,
    previous: String,
}

impl ChunkSigning {
    /// `key` is the derived signing key; `date` is `x-amz-date`; `seed` is the request's signature in hex.
    pub(super) fn new(key: hmac::Key, date: Box<str>, scope: Box<str>, seed: String) -> Self {
        Self {
            key,
            date,
            scope,
            previous: seed,
        }
    }

    /// Whether `signature` (64 hex digits) is right for a chunk with this SHA-256. Moves the chain forward.
    pub fn verify_chunk(&mut self, sha256: &[u8], signature: &[u8]) -> bool {
        let empty = digest::digest(&digest::SHA256, b"");
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}",
            self.date,
            self.scope,
            self.previous,
            HEXLOWER.encode(empty.as_ref()),
            HEXLOWER.encode(sha256),
        );
        self.advance(&text, signature)
    }

    /// Whether `signature` is right for a trailer section with this SHA-256 (of `name:value\n` lines, lower-case
    /// names, sorted). Moves the chain forward.
    pub fn verify_trailer(&mut self, sha256: &[u8], signature: &[u8]) -> bool {
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}",
            self.date,
            self.scope,
            self.previous,
            HEXLOWER.encode(sha256),
        );
        self.advance(&text, signature)
    }

    fn advance(&mut self, string_to_sign: &str, signature: &[u8]) -> bool {
        self.previous = HEXLOWER.encode(hmac::sign(&self.key, string_to_sign.as_bytes()).as_ref());
        constant_time::verify_slices_are_equal(self.previous.as_bytes(), signature).is_ok()
    }

    /// A chain for tests of other rooms.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn for_test(key: &[u8], date: &str, scope: &str, seed: &str) -> Self {
        Self::new(
            hmac::Key::new(hmac::HMAC_SHA256, key),
            date.into(),
            scope.into(),
            seed.into(),
        )
    }
}

impl std::fmt::Debug for ChunkSigning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChunkSigning")
    }
}
