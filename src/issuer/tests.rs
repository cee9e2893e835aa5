use super::*;
use crate::config::OwnIssuer;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use std::path::Path;
use std::time::Duration;

const NOON: &str = "2026-11-22T12:00:00Z";

fn noon() -> Timestamp {
    NOON.parse().unwrap()
}

fn issuer(folder: &Path, clock: &Clock) -> Issuer {
    let keys = folder.join("issuer-keys.toml");
    SigningKeys::create(&keys, clock.now()).unwrap();
    let settings = OwnIssuer {
        url: "https://s3.acme.example".into(),
        keys,
        serves: true,
    };
    Issuer::load(&settings, clock).unwrap()
}

/// Reads a token as a cloud does: by the key set alone.
fn verified(token: &Secret, jwks: &str, audience: &str) -> Option<Value> {
    let token = token.expose_str()?;
    let set: JwkSet = serde_json::from_str(jwks).ok()?;
    let kid = decode_header(token).ok()?.kid?;
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[audience]);
    rules.validate_exp = false;
    let key = DecodingKey::from_jwk(set.find(&kid)?).ok()?;
    decode::<Value>(token, &key, &rules)
        .ok()
        .map(|token| token.claims)
}

#[test]
fn a_token_says_who_for_whom_and_not_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(noon());
    let issuer = issuer(folder.path(), &clock);
    let mut claims = Map::new();
    claims.insert("sub".into(), json!("somebody else"));
    claims.insert("https://aws.amazon.com/source_identity".into(), json!("okta:ana"));
    let token = Token {
        subject: "okta:ana",
        audience: "sts.amazonaws.com",
        claims,
    };
    let minted = issuer.mint(&token).unwrap();
    let said = verified(&minted, &issuer.jwks(), "sts.amazonaws.com").unwrap();
    let at = noon().as_second();
    assert_eq!(said["iss"], "https://s3.acme.example");
    assert_eq!(said["sub"], "okta:ana", "no claim of a cloud's own replaces it");
    assert_eq!(said["https://aws.amazon.com/source_identity"], "okta:ana");
    assert_eq!(
        (&said["iat"], &said["nbf"], &said["exp"]),
        (&json!(at), &json!(at - 30), &json!(at + 300))
    );
    assert_eq!(said["jti"].as_str().unwrap().len(), 32);
    assert!(verified(&minted, &issuer.jwks(), "another").is_none());
    let discovery: Value = serde_json::from_str(&issuer.discovery()).unwrap();
    assert_eq!(
        discovery["jwks_uri"],
        "https://s3.acme.example/.well-known/jwks.json"
    );
}

#[test]
fn a_new_key_is_published_before_it_signs_and_the_old_one_after_it_signed() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(noon());
    let issuer = issuer(folder.path(), &clock);
    let path = folder.path().join("issuer-keys.toml");
    let token = Token {
        subject: "target/lake",
        audience: "a",
        claims: Map::new(),
    };
    let signed_by = |issuer: &Issuer| {
        let minted = issuer.mint(&token).unwrap();
        assert!(
            verified(&minted, &issuer.jwks(), "a").is_some(),
            "it is published"
        );
        decode_header(minted.expose_str().unwrap()).unwrap().kid.unwrap()
    };
    let published = |issuer: &Issuer| {
        let set: JwkSet = serde_json::from_str(&issuer.jwks()).unwrap();
        set.keys.len()
    };
    let first = signed_by(&issuer);
    let day = Duration::from_secs(24 * 3600);
    let rotated = SigningKeys::rotate(&path, clock.now(), day).unwrap();
    issuer.adopt(SigningKeys::load(&path, clock.now()).unwrap());
    assert_eq!((signed_by(&issuer), published(&issuer)), (first.clone(), 2));
    clock.advance(SignedDuration::from_hours(24));
    assert_eq!((&*signed_by(&issuer), published(&issuer)), (&*rotated.added.0, 2));
    clock.advance(KEPT_AFTER_SUPERSEDED_LESS_A_SECOND);
    assert_eq!(published(&issuer), 2);
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(published(&issuer), 1);
    let again = SigningKeys::rotate(&path, clock.now(), day).unwrap();
    assert_eq!(again.dropped, [first.into_boxed_str()]);
}

const KEPT_AFTER_SUPERSEDED_LESS_A_SECOND: SignedDuration = SignedDuration::from_secs(25 * 3600 - 1);

#[cfg(unix)]
#[test]
fn keys_that_others_may_read_or_that_are_none_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    SigningKeys::create(&path, noon()).unwrap();
    assert!(matches!(
        SigningKeys::create(&path, noon()),
        Err(IssuerError::Exists(_))
    ));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let refused = SigningKeys::load(&path, noon()).unwrap_err();
    assert!(matches!(refused, IssuerError::Exposed { mode: 0o640, .. }));
    let before = noon() - SignedDuration::from_secs(1);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(
        SigningKeys::load(&path, before),
        Err(IssuerError::NothingSigns(_))
    ));
    let good = std::fs::read_to_string(&path).unwrap();
    let check = |text: &str, expected: &str| {
        std::fs::write(&path, text).unwrap();
        let refused = SigningKeys::load(&path, noon()).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert!(!refused.contains("MII"), "{refused}");
    };
    check("", "there is no `[[keys]]` in it");
    check("[[keys]]\nid = 3", "line 2: ");
    check(
        &good.replace("MII", "AAA"),
        "is not an RSA key of 2048 to 4096 bits",
    );
    check(&format!("{good}{good}"), "two keys have the id");
    check(&good.replace("created", "made"), "unknown field `made`");
}
