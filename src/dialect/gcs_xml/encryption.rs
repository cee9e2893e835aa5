//! Encryption: keys that callers bring along, and keys of Cloud KMS.
//!
//! Google checks a caller's key by its SHA-256 where Amazon does by its MD5. So the key is decoded here, held against
//! the MD5, and goes on with its SHA-256. It is marked sensitive like every secret that crosses.

use super::Untranslatable;
use crate::operation::Operation;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use http::{HeaderName, HeaderValue};
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

const ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
const KEY: &str = "x-amz-server-side-encryption-customer-key";
const KEY_MD5: &str = "x-amz-server-side-encryption-customer-key-md5";
const METHOD: &str = "x-amz-server-side-encryption";
const KMS_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
/// Whether many objects share a call of the key service, which Google decides by itself.
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";

/// Whether a header belongs to this.
pub(super) fn concerns(name: &str) -> bool {
    [ALGORITHM, KEY, KEY_MD5, METHOD, KMS_KEY, BUCKET_KEY].contains(&name)
}

/// What `operation` asks for, in Google's headers.
pub(super) fn translate(operation: &Operation) -> Result<Vec<(HeaderName, HeaderValue)>, Untranslatable> {
    let mut headers = customer_key(operation)?;
    headers.extend(kms_key(operation)?);
    Ok(headers)
}

fn customer_key(operation: &Operation) -> Result<Vec<(HeaderName, HeaderValue)>, Untranslatable> {
    let [algorithm, key, md5] = [ALGORITHM, KEY, KEY_MD5].map(|name| operation.header(name));
    if algorithm.is_none() && key.is_none() && md5.is_none() {
        return Ok(Vec::new());
    }
    if algorithm != Some("AES256") {
        return Err(invalid(ALGORITHM, "it is `AES256` whenever there is a key"));
    }
    let text = key.ok_or_else(|| invalid(KEY, "it is missing"))?;
    let key = BASE64.decode(text.as_bytes()).ok().map(Zeroizing::new);
    let key = key
        .filter(|key| key.len() == 32)
        .ok_or_else(|| invalid(KEY, "a key is 256 bits in base64"))?;
    let expected = BASE64.encode(&Md5::digest(&key[..]));
    if md5.is_none_or(|md5| md5.trim() != expected) {
        return Err(invalid(KEY_MD5, "it is the MD5 of the key in base64"));
    }
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| invalid(KEY, "it is not base64"));
    let mut secret = value(text)?;
    secret.set_sensitive(true);
    let sha256 = value(&BASE64.encode(digest(&SHA256, &key).as_ref()))?;
    Ok(vec![
        (
            name("x-goog-encryption-algorithm"),
            HeaderValue::from_static("AES256"),
        ),
        (name("x-goog-encryption-key"), secret),
        (name("x-goog-encryption-key-sha256"), sha256),
    ])
}

fn kms_key(operation: &Operation) -> Result<Option<(HeaderName, HeaderValue)>, Untranslatable> {
    match (operation.header(METHOD), operation.header(KMS_KEY)) {
        // Google encrypts everything so.
        (None | Some("AES256"), None) => Ok(None),
        (Some("aws:kms"), Some(key)) => {
            let parts: Vec<&str> = key.split('/').collect();
            let is_key = matches!(
                parts[..],
                ["projects", _, "locations", _, "keyRings", _, "cryptoKeys", _]
            );
            let value = HeaderValue::from_str(key).ok().filter(|_| is_key);
            let value = value.ok_or_else(|| {
                invalid(
                    KMS_KEY,
                    "name a key of Cloud KMS: `projects/P/locations/L/keyRings/R/cryptoKeys/K`",
                )
            })?;
            Ok(Some((name("x-goog-encryption-kms-key-name"), value)))
        }
        (Some("aws:kms"), None) => Err(Untranslatable::Header {
            name: METHOD.to_owned(),
            lack: "needs the name of a Cloud KMS key with `aws:kms`: leave the header out for the key of the bucket",
        }),
        (None | Some("AES256"), Some(_)) => {
            Err(invalid(METHOD, "it is `aws:kms` whenever there is a KMS key"))
        }
        (Some(_), _) => Err(Untranslatable::Header {
            name: METHOD.to_owned(),
            lack: "knows `AES256` and `aws:kms` only",
        }),
    }
}

fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn invalid(name: &'static str, wrong: &'static str) -> Untranslatable {
    Untranslatable::Value { name, wrong }
}
