//! Keys that callers bring. The store keeps no bytes encrypted; it checks that whoever reads has the key that was written with.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/encryption/customer-supplied-keys>

use super::Refusal;
use super::object::Object;
use super::request;
use aws_lc_rs::digest;
use data_encoding::BASE64;
use http::HeaderMap;

/// The hash of the key in the three headers that begin with `prefix`; `None` if there are none.
///
/// # Errors
/// Some of the three, or a key that is none.
pub(super) fn key_sha256(headers: &HeaderMap, prefix: &str) -> Result<Option<String>, Refusal> {
    let [algorithm, key, sha256] =
        ["algorithm", "key", "key-sha256"].map(|part| request::text(headers, &format!("{prefix}{part}")));
    if [algorithm, key, sha256] == [None; 3] {
        return Ok(None);
    }
    let refused = |message: &str| Refusal::new(400, "customerEncryptionKeyFormatIsInvalid", message);
    if algorithm != Some("AES256") {
        return Err(Refusal::new(
            400,
            "customerEncryptionAlgorithmIsInvalid",
            "Missing an encryption algorithm, or it is not AES256.",
        ));
    }
    let bytes = key.and_then(|key| BASE64.decode(key.as_bytes()).ok());
    let bytes = bytes.filter(|bytes| bytes.len() == 32);
    let bytes =
        bytes.ok_or_else(|| refused("Missing an encryption key, or it is not 256 bits in base64."))?;
    let actual = BASE64.encode(digest::digest(&digest::SHA256, &bytes).as_ref());
    match sha256 {
        Some(said) if said == actual => Ok(Some(actual)),
        Some(_) | None => Err(refused(
            "Missing a SHA256 hash of the encryption key, or it is another one.",
        )),
    }
}

/// Whether a request with these headers may read `object`.
///
/// # Errors
/// 400 for another key, one too few or one too many.
pub(super) fn check(headers: &HeaderMap, prefix: &str, object: &Object) -> Result<(), Refusal> {
    let given = key_sha256(headers, prefix)?;
    let (reason, message) = match (&object.settings.key_sha256, given) {
        (None, None) => return Ok(()),
        (Some(kept), Some(given)) if *kept == given => return Ok(()),
        (None, Some(_)) => (
            "resourceNotEncryptedWithCustomerEncryptionKey",
            "The target object is not encrypted by a customer-supplied encryption key.",
        ),
        (Some(_), Some(_)) => (
            "customerEncryptionKeyIsIncorrect",
            "The provided encryption key is incorrect.",
        ),
        (Some(_), None) => (
            "resourceIsEncryptedWithCustomerEncryptionKey",
            "The target object is encrypted by a customer-supplied encryption key.",
        ),
    };
    Err(Refusal::new(400, reason, message))
}
