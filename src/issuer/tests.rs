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

/// A cloud that fetches the key set and keeps it for a while, and no kinder than any.
struct Cloud {
    keeps: SignedDuration,
    held: Option<(Timestamp, String)>,
}

impl Cloud {
    fn takes(&mut self, token: &Secret, published: &str, now: Timestamp) -> bool {
        let is_old = |at: &Timestamp| now.duration_since(*at) >= self.keeps;
        if self.held.as_ref().is_none_or(|(at, _)| is_old(at)) {
            self.held = Some((now, published.to_owned()));
        }
        let (_, set) = self.held.as_ref().unwrap();
        verified(token, set, "a").is_some()
    }
}

// Whichever replica has the new file first, and whichever answers: a cloud that keeps the key set for a day can verify
// whatever either of them signs.
#[test]
fn rotation_in_two_replicas_in_either_order_leaves_no_token_that_cannot_be_verified() {
    let token = Token {
        subject: "target/lake",
        audience: "a",
        claims: Map::new(),
    };
    let day = Duration::from_secs(24 * 3600);
    for (first_after, second_after) in [(1, 9), (9, 1), (0, 23), (23, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(noon());
        let source = folder.path().join("source.toml");
        SigningKeys::create(&source, clock.now()).unwrap();
        let replica = |name: &str| {
            let keys = folder.path().join(name);
            std::fs::copy(&source, &keys).unwrap();
            let settings = OwnIssuer {
                url: "https://s3.acme.example".into(),
                keys: keys.clone(),
                serves: true,
            };
            (Issuer::load(&settings, &clock).unwrap(), keys)
        };
        let replicas = [replica("one.toml"), replica("two.toml")];
        // Clouds that fetch here or there, now or later.
        let mut clouds: Vec<(usize, Cloud)> = (0..4)
            .map(|n| {
                let keeps = SignedDuration::from_hours([1, 6, 23, 1][n]);
                (n % 2, Cloud { keeps, held: None })
            })
            .collect();
        for _ in 0..3 {
            // A copy on its way: published by a replica only once it has it.
            SigningKeys::rotate(&source, clock.now(), day * 2).unwrap();
            for hour in 0..75 {
                for ((issuer, keys), after) in replicas.iter().zip([first_after, second_after]) {
                    if hour == after {
                        std::fs::copy(&source, keys).unwrap();
                        issuer.adopt(SigningKeys::load(keys, clock.now()).unwrap());
                    }
                }
                for (issuer, _) in &replicas {
                    let minted = issuer.mint(&token).unwrap();
                    for (from, cloud) in &mut clouds {
                        let published = replicas[*from].0.jwks();
                        assert!(
                            cloud.takes(&minted, &published, clock.now()),
                            "hour {hour}, replicas after {first_after} and {second_after}"
                        );
                    }
                }
                clock.advance(SignedDuration::from_hours(1));
            }
        }
    }
}

#[test]
fn a_compromised_key_goes_at_once_and_never_the_last_that_signs() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(noon());
    let issuer = issuer(folder.path(), &clock);
    let path = folder.path().join("issuer-keys.toml");
    let listed = |path: &std::path::Path| -> Vec<(String, &'static str)> {
        let keys = SigningKeys::read(path).unwrap();
        let all = keys.listed(clock.now());
        all.iter()
            .map(|key| (key.id.to_owned(), key.standing.name()))
            .collect()
    };
    let [(first, "signing")] = &listed(&path)[..] else {
        panic!("one key")
    };
    let drops = [Box::from(first.as_str())];
    let before = std::fs::read(&path).unwrap();
    let kept = SigningKeys::drop_keys(&path, clock.now(), &drops).unwrap_err();
    assert!(matches!(kept, IssuerError::NothingWouldSign(_)), "{kept}");
    let day = Duration::from_secs(24 * 3600);
    let kept = SigningKeys::rotate_out(&path, clock.now(), day, &drops).unwrap_err();
    let command = format!("`tidegate issuer rotate {} --now --drop ID`", path.display());
    assert!(kept.to_string().contains(&command), "{kept}");
    let unknown = SigningKeys::drop_keys(&path, clock.now(), &["nothing1".into()]).unwrap_err();
    assert!(
        unknown.to_string().contains(&format!("there are {first}")),
        "{unknown}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before, "nothing was changed");
    let stolen = issuer
        .mint(&Token {
            subject: "target/lake",
            audience: "a",
            claims: Map::new(),
        })
        .unwrap();
    let rotated = SigningKeys::rotate_out(&path, clock.now(), Duration::ZERO, &drops).unwrap();
    assert_eq!(rotated.dropped, drops);
    assert_eq!(listed(&path), [(rotated.added.0.to_string(), "signing")]);
    issuer.adopt(SigningKeys::load(&path, clock.now()).unwrap());
    assert!(
        verified(&stolen, &issuer.jwks(), "a").is_none(),
        "its tokens are over"
    );
}

#[test]
fn what_is_hardly_meant_about_keys_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    SigningKeys::create(&path, noon()).unwrap();
    let check = |at: Timestamp, serves: bool, expected: &[&str]| {
        let concerns = SigningKeys::read(&path).unwrap().concerns(at, serves);
        assert_eq!(concerns.len(), expected.len(), "{concerns:?}");
        for (concern, expected) in concerns.iter().zip(expected) {
            let said = format!("{concern}; {}", concern.remedy());
            assert!(said.contains(expected), "{said}");
        }
    };
    let later = |hours: i64| noon() + SignedDuration::from_hours(hours);
    check(noon(), true, &[]);
    check(
        later(366 * 24),
        true,
        &["for 366 days; `tidegate issuer rotate` once a year"],
    );
    let hours = |count: u64| Duration::from_secs(count * 3600);
    SigningKeys::rotate(&path, later(366 * 24), hours(24)).unwrap();
    check(later(366 * 24), true, &[]);
    check(later(366 * 24), false, &["uploaded to every cloud before that"]);
    check(later(368 * 24), false, &[]);
    SigningKeys::rotate(&path, later(400 * 24), hours(2)).unwrap();
    check(later(400 * 24), true, &["published only 2 hours before that"]);
    for _ in 0..11 {
        SigningKeys::rotate(&path, later(400 * 24), hours(24 * 30)).unwrap();
    }
    let concerns = SigningKeys::read(&path)
        .unwrap()
        .concerns(later(400 * 24 + 3), true);
    assert!(
        concerns.iter().any(|concern| matches!(concern, Concern::Many(_))),
        "{concerns:?}"
    );
}

// What AWS, Google and Entra take, by their own documentation.
#[test]
fn tokens_and_keys_keep_to_what_every_cloud_takes() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(noon());
    let issuer = issuer(folder.path(), &clock);
    let subject = "o".repeat(127);
    let minted = issuer
        .mint(&Token {
            subject: &subject,
            audience: "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/p/providers/t",
            claims: Map::new(),
        })
        .unwrap();
    let text = minted.expose_str().unwrap();
    // Google's STS takes 12 KB, that of AWS 20,000 characters.
    assert!(text.len() < 2048, "{}", text.len());
    let header = decode_header(text).unwrap();
    assert_eq!(header.alg, jsonwebtoken::Algorithm::RS256);
    assert_eq!(header.kid.as_deref(), issuer.keys().ids().next());
    let set: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    for key in set["keys"].as_array().unwrap() {
        let members: std::collections::BTreeSet<&str> =
            key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            members,
            std::collections::BTreeSet::from(["alg", "e", "kid", "kty", "n", "use"])
        );
        assert_eq!(
            (&key["kty"], &key["alg"], &key["use"]),
            (&json!("RSA"), &json!("RS256"), &json!("sig"))
        );
        assert_eq!(key["e"], "AQAB");
    }
    assert!(!issuer.url().ends_with('/'));
    let discovery: Value = serde_json::from_str(&issuer.discovery()).unwrap();
    for name in [
        "issuer",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "claims_supported",
    ] {
        assert!(discovery.get(name).is_some(), "{name}");
    }
}
