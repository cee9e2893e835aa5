//! Tokens that are signed here: RS256 in the compact form, which every cloud takes.
//!
//! Spec: RFC 7515, section 7.1; RFC 7518, section 3.3

use crate::secret::Secret;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// A token with these claims, signed with `pair`, which whoever verifies it knows as `key_id`.
///
/// # Errors
/// If the library cannot sign.
pub(crate) fn sign(pair: &RsaKeyPair, key_id: &str, claims: &Value) -> Result<Secret, Unspecified> {
    let header = json!({ "alg": "RS256", "kid": key_id, "typ": "JWT" });
    let encode = |value: &[u8]| BASE64URL_NOPAD.encode(value);
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )?;
    Ok(Secret::new(format!("{signed}.{}", encode(&signature))))
}
