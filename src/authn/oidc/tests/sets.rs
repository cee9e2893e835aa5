//! Key sets: JWT-12.

use super::super::jwks::{JwksError, KeySet};
use super::*;
use serde_json::json;

/// How many keys of a set are used and how many left out.
#[track_caller]
fn check(keys: &[serde_json::Value], expected: (usize, usize)) {
    let parsed = KeySet::parse(set(keys).as_bytes()).unwrap();
    assert_eq!((parsed.len(), parsed.skipped()), expected, "{keys:?}");
}

fn check_one(algorithm: &str, members: &[(&str, serde_json::Value)], used: bool) {
    check(
        &[jwk(algorithm, "a", members)],
        if used { (1, 0) } else { (0, 1) },
    );
}

fn rsa_of(modulus: &[u8], exponent: &[u8]) -> serde_json::Value {
    json!({ "kty": "RSA", "kid": "a", "n": base64(modulus), "e": base64(exponent) })
}

#[test]
fn keys_of_every_accepted_type_are_used() {
    check(
        &serde_json::from_str::<serde_json::Value>(&usual_set()).unwrap()["keys"]
            .as_array()
            .unwrap()
            .clone(),
        (4, 0),
    );
}

#[test]
fn keys_that_are_not_understood_are_left_out() {
    check(
        &[
            json!({ "kty": "AKP", "kid": "a", "alg": "ML-DSA-44", "pub": "AA" }),
            jwk("ES256", "b", &[]),
        ],
        (1, 1),
    );
    check(&[json!({ "kty": "oct", "kid": "a", "k": "c2VjcmV0" })], (0, 1));
    check(
        &[json!({ "kty": "oct", "kid": "a", "k": "c2VjcmV0", "alg": "HS256" })],
        (0, 1),
    );
    check(
        &[
            json!({ "kid": "a" }),
            json!("text"),
            json!(null),
            json!(5),
            json!([]),
        ],
        (0, 5),
    );
    check_one("ES256", &[("crv", "P-521".into())], false);
    check_one("ES256", &[("crv", "secp256k1".into())], false);
    check_one("EdDSA", &[("crv", "Ed448".into())], false);
    check_one("EdDSA", &[("crv", "X25519".into())], false);
    check_one("ES256", &[("kid", json!(null))], false);
    check_one("ES256", &[("kid", json!(1))], false);
    check_one("ES256", &[("kid", "".into())], false);
    check_one("RS256", &[("kty", "rsa".into())], false);
}

#[test]
fn use_operations_and_algorithm_of_a_key_are_honoured() {
    check_one("RS256", &[("use", "sig".into())], true);
    check_one("RS256", &[("use", "enc".into())], false);
    check_one("RS256", &[("use", json!(["sig"]))], false);
    check_one("RS256", &[("key_ops", json!(["verify"]))], true);
    check_one("RS256", &[("key_ops", json!(["encrypt", "verify"]))], true);
    check_one("RS256", &[("key_ops", json!(["encrypt"]))], false);
    check_one("RS256", &[("key_ops", json!([]))], false);
    check_one("RS256", &[("key_ops", "verify".into())], false);
    check_one("RS256", &[("alg", "PS512".into())], true);
    check_one("RS256", &[("alg", "RSA-OAEP".into())], false);
    check_one("RS256", &[("alg", "HS256".into())], false);
    check_one("RS256", &[("alg", "none".into())], false);
    check_one("RS256", &[("alg", "ES256".into())], false);
    check_one("RS256", &[("alg", json!(5))], false);
    check_one("ES256", &[("alg", "ES384".into())], false);
    check_one("EdDSA", &[("alg", "EdDSA".into())], true);
}

#[test]
fn a_published_private_key_is_not_trusted() {
    check_one("ES256", &[("d", "AAAA".into())], false);
    check_one("RS256", &[("d", "AAAA".into())], false);
    check_one("RS256", &[("k", "AAAA".into())], false);
}

#[test]
fn rsa_keys_are_neither_weak_nor_enormous() {
    let modulus = |bits: usize| {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] = 0xff >> (bytes.len() * 8 - bits);
        bytes
    };
    for (bits, used) in [
        (512, 0),
        (1024, 0),
        (2047, 0),
        (2048, 1),
        (4096, 1),
        (8192, 1),
        (8193, 0),
        (16384, 0),
    ] {
        check(&[rsa_of(&modulus(bits), &[1, 0, 1])], (used, 1 - used));
    }
    let good = modulus(2048);
    check(&[rsa_of(&good, &[3])], (1, 0));
    check(
        &[rsa_of(&[&[0], good.as_slice()].concat(), &[0, 1, 0, 1])],
        (1, 0),
    );
    // Zeros in front do not make a weak key strong.
    check(
        &[rsa_of(&[vec![0; 128], modulus(1024)].concat(), &[1, 0, 1])],
        (0, 1),
    );
    for exponent in [
        &[][..],
        &[0],
        &[1],
        &[2],
        &[0, 0, 1],
        &[1, 0, 0],
        &[0xff; 5],
        &[0xff; 300],
    ] {
        check(&[rsa_of(&good, exponent)], (0, 1));
    }
    let mut even = good.clone();
    even[255] = 0xfe;
    check(&[rsa_of(&even, &[1, 0, 1])], (0, 1));
    check(&[rsa_of(&[], &[1, 0, 1])], (0, 1));
    check_one("RS256", &[("n", "not base64!".into())], false);
    check_one("RS256", &[("n", json!(5))], false);
}

#[test]
fn points_are_on_their_curve() {
    check_one("ES256", &[("x", base64([0; 32]).into())], false);
    check_one("ES256", &[("x", base64([1; 31]).into())], false);
    check_one("ES256", &[("x", base64([1; 33]).into())], false);
    check_one(
        "ES256",
        &[("x", base64([0; 32]).into()), ("y", base64([0; 32]).into())],
        false,
    );
    check_one("ES256", &[("y", json!(null))], false);
    check_one("ES384", &[("crv", "P-256".into())], false);
    check_one("EdDSA", &[("x", base64([1; 31]).into())], false);
    check_one("EdDSA", &[("x", base64([1; 64]).into())], false);
}

#[test]
fn an_ambiguous_or_malformed_set_is_refused() {
    let check = |document: &str, expected: JwksError| {
        assert_eq!(
            KeySet::parse(document.as_bytes()).err(),
            Some(expected),
            "{document}"
        );
    };
    check(
        &set(&[jwk("RS256", "a", &[]), jwk("ES256", "a", &[])]),
        JwksError::DuplicateKid,
    );
    check(
        &set(&[jwk("RS256", "a", &[]), jwk("RS256", "a", &[])]),
        JwksError::DuplicateKid,
    );
    check(&set(&vec![json!({}); 65]), JwksError::TooMany(65));
    for document in [
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":"x"}"#,
        r#"{"Keys":[]}"#,
    ] {
        check(document, JwksError::NoKeys);
    }
    for document in ["", "[]", "<html>", r#"{"keys":[],"keys":[]}"#, r#"{"keys":[]}{}"#] {
        let outcome = KeySet::parse(document.as_bytes());
        assert!(matches!(outcome, Err(JwksError::Json(_))), "{document}");
    }
    let many: Vec<_> = (0..64).map(|n| jwk("ES256", &format!("k{n}"), &[])).collect();
    assert_eq!(KeySet::parse(set(&many).as_bytes()).unwrap().len(), 64);
    // A key for encryption may share its `kid`: nothing is ambiguous about it.
    let encryption = jwk("RS256", "a", &[("use", "enc".into())]);
    assert_eq!(
        KeySet::parse(set(&[encryption, jwk("RS256", "a", &[])]).as_bytes())
            .unwrap()
            .len(),
        1
    );
}
