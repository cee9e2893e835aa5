//! An issuer's key set.
//!
//! A key is taken only if it can be nothing but a public key for signatures, of a size that is safe to accept
//! and cheap enough to use, and it is bound to its algorithms here, once, so that a token cannot choose
//! (JWT-01, JWT-12). A key that we do not understand is left out; a set in which a `kid` is ambiguous is refused
//! as a whole.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc7517>, <https://www.rfc-editor.org/rfc/rfc7518#section-6>

use super::token::algorithm;
use crate::json::{Json, Object};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use std::collections::HashMap;

/// Entries of a set, those that are left out included.
const MAX_KEYS: usize = 64;
/// Bits of an RSA modulus: below it can be factored, above it takes the CPU away.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Why a key set is not used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwksError {
    #[error("the key set is not strict JSON: {0}")]
    Json(String),
    #[error("the key set has no array `keys`")]
    NoKeys,
    #[error("the key set has {0} keys, more than 64")]
    TooMany(usize),
    #[error("two keys have the same `kid`")]
    DuplicateKid,
}

/// The usable keys of an issuer, by `kid`.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: HashMap<Box<str>, std::sync::Arc<Key>>,
    skipped: usize,
}

/// A public key and what it may verify.
pub(super) struct Key {
    decoding: DecodingKey,
    algorithms: Vec<Algorithm>,
    signature_bytes: usize,
}

impl KeySet {
    /// Reads a JWKS document.
    ///
    /// # Errors
    /// [`JwksError`]; the set is then not used at all.
    pub(super) fn parse(document: &[u8]) -> Result<Self, JwksError> {
        let document = Object::parse(document).map_err(|error| JwksError::Json(error.to_string()))?;
        let Some(Json::Array(entries)) = document.get("keys") else {
            return Err(JwksError::NoKeys);
        };
        if entries.len() > MAX_KEYS {
            return Err(JwksError::TooMany(entries.len()));
        }
        let mut set = Self::default();
        for entry in entries {
            let Some((kid, key)) = usable(entry) else {
                set.skipped += 1;
                continue;
            };
            // Which of the two signs would be the order's choice, hence an attacker's.
            if set.keys.insert(kid.into(), std::sync::Arc::new(key)).is_some() {
                return Err(JwksError::DuplicateKid);
            }
        }
        Ok(set)
    }

    /// The key with exactly this `kid`.
    pub(super) fn get(&self, kid: &str) -> Option<std::sync::Arc<Key>> {
        self.keys.get(kid).cloned()
    }

    /// How many keys can be used.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many entries were left out.
    pub(super) fn skipped(&self) -> usize {
        self.skipped
    }
}

impl Key {
    /// Whether a token signed with this key may name `algorithm`.
    pub(super) fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// The length of every signature that this key makes.
    pub(super) fn signature_bytes(&self) -> usize {
        self.signature_bytes
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

/// `None` for whatever is not a well-formed, strong, public key for verifying signatures.
fn usable(entry: &Json) -> Option<(&str, Key)> {
    let Json::Object(jwk) = entry else { return None };
    let kid = jwk.text("kid").filter(|kid| !kid.is_empty())?;
    // A published private key is nobody's proof any more.
    if jwk.get("d").is_some() || jwk.get("k").is_some() || !is_for_signatures(jwk) {
        return None;
    }
    let mut key = match jwk.text("kty")? {
        "RSA" => rsa(jwk),
        "EC" => elliptic(jwk),
        "OKP" => edwards(jwk),
        _ => None,
    }?;
    match jwk.get("alg") {
        None => {}
        Some(Json::String(name)) => {
            let only = algorithm(name).filter(|only| key.allows(*only))?;
            key.algorithms = vec![only];
        }
        Some(_) => return None,
    }
    Some((kid, key))
}

fn is_for_signatures(jwk: &Object) -> bool {
    let used = match jwk.get("use") {
        None => true,
        Some(value) => value.as_str() == Some("sig"),
    };
    let operations = match jwk.get("key_ops") {
        None => true,
        Some(Json::Array(all)) => all.iter().any(|one| one.as_str() == Some("verify")),
        Some(_) => false,
    };
    used && operations
}

fn rsa(jwk: &Object) -> Option<Key> {
    // Some issuers write the sign byte of a Java `BigInteger`.
    let n = bytes(jwk, "n")?;
    let n = without_leading_zeros(&n);
    let e = bytes(jwk, "e")?;
    let e = without_leading_zeros(&e);
    let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
    // Exponents: 3 and 65537 in practice. An even one or 1 is no key; a long one takes the CPU away.
    let odd = e.last()? % 2 == 1 && n.last()? % 2 == 1;
    if !RSA_BITS.contains(&bits) || !odd || e.len() > 4 || e == [1] {
        return None;
    }
    Some(Key {
        decoding: DecodingKey::from_rsa_raw_components(n, e),
        algorithms: RSA.to_vec(),
        signature_bytes: n.len(),
    })
}

fn elliptic(jwk: &Object) -> Option<Key> {
    let (algorithm, check, half): (_, &'static dyn VerificationAlgorithm, usize) = match jwk.text("crv")? {
        "P-256" => (Algorithm::ES256, &signature::ECDSA_P256_SHA256_FIXED, 32),
        "P-384" => (Algorithm::ES384, &signature::ECDSA_P384_SHA384_FIXED, 48),
        _ => return None,
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != half || y.len() != half {
        return None;
    }
    let point = [&[4][..], &x, &y].concat();
    // Parsed once to know that the point is on the curve.
    UnparsedPublicKey::new(check, &point).parse().ok()?;
    Some(Key {
        decoding: DecodingKey::from_ec_der(&point),
        algorithms: vec![algorithm],
        signature_bytes: 2 * half,
    })
}

fn edwards(jwk: &Object) -> Option<Key> {
    let x = bytes(jwk, "x").filter(|x| x.len() == 32 && jwk.text("crv") == Some("Ed25519"))?;
    Some(Key {
        decoding: DecodingKey::from_ed_der(&x),
        algorithms: vec![Algorithm::EdDSA],
        signature_bytes: 64,
    })
}

fn bytes(jwk: &Object, name: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(jwk.text(name)?.as_bytes()).ok()
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
