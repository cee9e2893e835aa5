//! Form and signature: JWT-01, JWT-02, JWT-05, JWT-06, JWT-07.

use super::*;
use aws_lc_rs::{encoding::AsDer, hmac};

const REFUSED_ALG: Result<(), &str> = Err("the token is refused: `alg` is missing or not accepted");
const WRONG_KEY: Result<(), &str> = Err("the token is refused: `alg` does not belong to the key");
const WRONG_SIGNATURE: Result<(), &str> = Err("the token is refused: the signature is wrong");
const WRONG_LENGTH: Result<(), &str> = Err("the token is refused: the signature has the wrong length");

fn header(algorithm: &str) -> String {
    format!(r#"{{"alg":"{algorithm}","kid":"{}"}}"#, kid_of(algorithm))
}

#[test]
fn every_accepted_algorithm_verifies_with_its_key() {
    let world = World::new();
    for algorithm in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
    ] {
        world.check(&signed(algorithm, &header(algorithm), &claims(&[])), Ok(()));
    }
}

// JWT-01
#[test]
fn a_token_without_a_signature_is_refused() {
    let world = World::new();
    for algorithm in ["none", "None", "NONE", "nOnE", "", "null"] {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"rsa"}}"#);
        let message = format!("{}.{}", base64(header), base64(claims(&[])));
        world.check(&format!("{message}."), REFUSED_ALG);
        world.check(
            &format!("{message}.{}", base64(signature("RS256", message.as_bytes()))),
            REFUSED_ALG,
        );
    }
    for alg in [r#"null"#, "0", "true", r#"["RS256"]"#, r#"{"alg":"RS256"}"#] {
        let header = format!(r#"{{"alg":{alg},"kid":"rsa"}}"#);
        world.check(&signed("RS256", &header, &claims(&[])), REFUSED_ALG);
    }
    world.check(&signed("RS256", r#"{"kid":"rsa"}"#, &claims(&[])), REFUSED_ALG);
    let message = format!("{}.{}", base64(header("RS256")), base64(claims(&[])));
    world.check(&format!("{message}."), WRONG_LENGTH);
    world.check(&format!("{message}.{}", base64([0; 256])), WRONG_SIGNATURE);
    let message = format!("{}.{}", base64(header("ES256")), base64(claims(&[])));
    // CVE-2022-21449: r = s = 0 verifies anything where nobody checks the range.
    world.check(&format!("{message}.{}", base64([0; 64])), WRONG_SIGNATURE);
}

// JWT-01, JWT-02
#[test]
fn a_public_key_is_never_a_shared_secret() {
    let world = World::new();
    let der = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(RSA.public_key()).unwrap();
    let body = data_encoding::BASE64.encode(der.as_ref());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    let jwk = jwk("RS256", "rsa", &[]).to_string();
    let modulus = RsaPublicKeyComponents::<Vec<u8>>::from(RSA.public_key()).n;
    let secrets: [&[u8]; 5] = [der.as_ref(), pem.as_bytes(), jwk.as_bytes(), &modulus, b""];
    for secret in secrets {
        for algorithm in [hmac::HMAC_SHA256, hmac::HMAC_SHA384, hmac::HMAC_SHA512] {
            let key = hmac::Key::new(algorithm, secret);
            for name in ["HS256", "HS384", "HS512", "hs256", "RS256"] {
                let message = format!("{}.{}", base64(header(name)), base64(claims(&[])));
                let token = format!("{message}.{}", base64(hmac::sign(&key, message.as_bytes())));
                world.check(
                    &token,
                    if name == "RS256" {
                        WRONG_LENGTH
                    } else {
                        REFUSED_ALG
                    },
                );
            }
        }
    }
}

// JWT-01
#[test]
fn a_token_cannot_choose_another_algorithm_for_a_key() {
    let world = World::new();
    let under = |algorithm: &str, named: &str, kid: &str| {
        signed(
            algorithm,
            &format!(r#"{{"alg":"{named}","kid":"{kid}"}}"#),
            &claims(&[]),
        )
    };
    world.check(&under("RS256", "PS256", "rsa"), WRONG_SIGNATURE);
    world.check(&under("PS256", "RS256", "rsa"), WRONG_SIGNATURE);
    world.check(&under("RS256", "RS512", "rsa"), WRONG_SIGNATURE);
    world.check(&under("RS256", "ES256", "rsa"), WRONG_KEY);
    world.check(&under("RS256", "EdDSA", "rsa"), WRONG_KEY);
    world.check(&under("ES256", "RS256", "p256"), WRONG_KEY);
    world.check(&under("ES256", "ES384", "p256"), WRONG_KEY);
    world.check(&under("ES384", "ES256", "p384"), WRONG_KEY);
    world.check(&under("ES256", "ES256", "p384"), WRONG_KEY);
    world.check(&under("EdDSA", "ES256", "ed"), WRONG_KEY);
    world.check(&under("ES256", "EdDSA", "ed"), WRONG_SIGNATURE);
    for name in [
        "ES512",
        "ES256K",
        "Ed25519",
        "RS1",
        "RSA-OAEP",
        "dir",
        "rs256",
        "RS256 ",
        "ML-DSA-44",
    ] {
        world.check(&under("RS256", name, "rsa"), REFUSED_ALG);
    }
}

// JWT-12
#[test]
fn the_algorithm_of_a_key_is_the_only_one() {
    let world = World::new();
    let only = jwk("RS256", "rsa", &[("alg", "RS256".into())]);
    world.documents.publish(JWKS, set(&[only]));
    world.check(&signed("RS256", &header("RS256"), &claims(&[])), Ok(()));
    world.check(&signed("PS256", &header("PS256"), &claims(&[])), WRONG_KEY);
    world.check(&signed("RS384", &header("RS384"), &claims(&[])), WRONG_KEY);
}

// JWT-01
#[test]
fn any_changed_byte_breaks_the_signature() {
    let world = World::new();
    let good = signed("ES256", &header("ES256"), &claims(&[]));
    let changed = claims(&[("email", Some(r#""ceo@acme.test""#))]);
    let segments: Vec<&str> = good.split('.').collect();
    world.check(&good, Ok(()));
    world.check(
        &format!("{}.{}.{}", segments[0], base64(changed), segments[2]),
        WRONG_SIGNATURE,
    );
    let other_header = base64(r#"{"alg":"ES256","kid":"p256","x":1}"#);
    world.check(
        &format!("{other_header}.{}.{}", segments[1], segments[2]),
        WRONG_SIGNATURE,
    );
    let mut signature = BASE64URL_NOPAD.decode(segments[2].as_bytes()).unwrap();
    signature[40] ^= 1;
    world.check(
        &format!("{}.{}.{}", segments[0], segments[1], base64(&signature)),
        WRONG_SIGNATURE,
    );
    signature[40] ^= 1;
    signature.push(0);
    world.check(
        &format!("{}.{}.{}", segments[0], segments[1], base64(&signature)),
        WRONG_LENGTH,
    );
    // The same signature in DER is another encoding of it, and not JWS.
    signature.truncate(63);
    world.check(
        &format!("{}.{}.{}", segments[0], segments[1], base64(&signature)),
        WRONG_LENGTH,
    );
}

// JWT-06
#[test]
fn what_is_not_a_compact_jws_is_malformed() {
    let world = World::new();
    let mut good = token(&claims(&[]));
    let malformed = |token: &str| world.check(token, Err("the token is malformed: "));
    malformed("");
    malformed(".");
    malformed("..");
    malformed("a.b");
    malformed("a.b.c.d");
    malformed("a.b.c.d.e");
    malformed(&format!("{good}."));
    malformed(&format!(".{good}"));
    malformed(&format!("{good}.{good}"));
    malformed(&format!(" {good}"));
    malformed(&format!("{good}\n"));
    malformed(&format!("{good}="));
    malformed(&format!("Bearer {good}"));
    // Bits that are not used must be zero: otherwise one token has sixteen texts.
    let last = good.pop().unwrap();
    let same_bytes = char::from(last as u8 + 1);
    malformed(&format!("{good}{same_bytes}"));
    good.push(last);
    malformed(&good.replace('.', "%2e"));
    malformed(&good.replacen('.', "=.", 1));
    malformed("{\"payload\":\"e30\",\"signatures\":[]}");
    let jwe = format!(
        "{}.a.b.c.d",
        base64(r#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"}"#)
    );
    malformed(&jwe);
    malformed(&"x".repeat(16 * 1024 + 1));
    malformed(&".".repeat(16 * 1024 + 1));
    malformed(&token(&claims(&[(
        "padding",
        Some(&format!("\"{}\"", "x".repeat(13_000))),
    )])));
    world.check(
        &token(&claims(&[(
            "padding",
            Some(&format!("\"{}\"", "x".repeat(8_000))),
        )])),
        Ok(()),
    );
}

// JWT-06
#[test]
fn claims_and_header_have_only_one_reading() {
    let world = World::new();
    let claims_of = |json: &str| world.check(&token(json), Err("the token is malformed: the claims"));
    let good = claims(&[]);
    claims_of(&good.replacen('{', r#"{"sub":"0","#, 1));
    claims_of(&good.replacen('{', r#"{"x":1,"\u0078":2,"#, 1));
    claims_of(&good.replacen('{', r#"{"x":{"y":1,"y":1},"#, 1));
    claims_of(&claims(&[(
        "x",
        Some(&format!("{}{}", "[".repeat(8), "]".repeat(8))),
    )]));
    claims_of(&format!("[{good}]"));
    claims_of(&format!("{good}{good}"));
    claims_of("null");
    claims_of("");
    let header_of = |json: &str| {
        world.check(
            &signed("ES256", json, &good),
            Err("the token is malformed: the header"),
        )
    };
    header_of(r#"{"alg":"ES256","kid":"p256","alg":"none"}"#);
    header_of(r#"{"alg":"ES256","kid":"rsa","kid":"p256"}"#);
    header_of(r#"{"alg":"ES256","kid":"p256"}x"#);
    header_of(r#"["ES256"]"#);
}

// JWT-07
#[test]
fn a_kid_is_required_and_matched_exactly() {
    let world = World::new();
    let with = |kid: &str, expected| {
        let token = signed("ES256", &format!(r#"{{"alg":"ES256"{kid}}}"#), &claims(&[]));
        world.check(&token, expected);
    };
    let missing: Result<(), &str> = Err("the token is refused: `kid` is missing or not accepted");
    let unknown: Result<(), &str> = Err("the token is refused: the issuer has no key with this `kid`");
    with(r#","kid":"p256""#, Ok(()));
    with("", missing);
    with(r#","kid":"""#, missing);
    with(r#","kid":null"#, missing);
    with(r#","kid":1"#, missing);
    with(r#","kid":["p256"]"#, missing);
    with(&format!(r#","kid":"{}""#, "k".repeat(1025)), missing);
    with(r#","kid":"P256""#, unknown);
    with(r#","kid":"p256 ""#, unknown);
    with(r#","kid":"../p256""#, unknown);
    with(r#","kid":"p256' or '1'='1""#, unknown);
}

// JWT-07
#[test]
fn a_token_cannot_bring_or_point_at_its_key() {
    let world = World::new();
    let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = &other.public_key().as_ref()[1..];
    let (x, y) = point.split_at(32);
    let own =
        serde_json::json!({ "kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y), "kid": "p256" });
    let pointers = [
        ("jwk", own),
        ("jku", "https://evil.test/keys".into()),
        ("x5u", "https://evil.test/chain".into()),
        ("x5c", serde_json::json!(["MIIB"])),
    ];
    for (name, value) in pointers {
        let header = serde_json::json!({ "alg": "ES256", "kid": "p256", name: value }).to_string();
        world.check(&signed("ES256", &header, &claims(&[])), Ok(()));
        let message = format!("{}.{}", base64(&header), base64(claims(&[])));
        let forged = other.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        world.check(&format!("{message}.{}", base64(forged)), WRONG_SIGNATURE);
    }
    assert!(
        world
            .documents
            .asked()
            .iter()
            .all(|(url, _)| url.starts_with(ISSUER))
    );
}

// JWT-07
#[test]
fn extensions_are_refused() {
    let world = World::new();
    let with = |member: &str| {
        let header = format!(r#"{{"alg":"ES256","kid":"p256",{member}}}"#);
        let expected = Err("the token is refused: the header asks for an extension");
        world.check(&signed("ES256", &header, &claims(&[])), expected);
    };
    with(r#""crit":["exp"]"#);
    with(r#""crit":[]"#);
    with(r#""crit":null"#);
    with(r#""crit":["b64"],"b64":false"#);
    with(r#""b64":false"#);
    with(r#""b64":true"#);
}

// JWT-07
#[test]
fn only_identity_and_access_tokens_are_accepted() {
    let world = World::new();
    let with = |typ: &str, accepted: bool| {
        let header = format!(r#"{{"alg":"ES256","kid":"p256","typ":{typ}}}"#);
        let refused = Err("the token is refused: `typ` is not accepted");
        world.check(
            &signed("ES256", &header, &claims(&[])),
            if accepted { Ok(()) } else { refused },
        );
    };
    with(r#""JWT""#, true);
    with(r#""jwt""#, true);
    with(r#""at+jwt""#, true);
    with(r#""application/at+JWT""#, true);
    with(r#""Application/jwt""#, true);
    with(r#""logout+jwt""#, false);
    with(r#""dpop+jwt""#, false);
    with(r#""JWT ""#, false);
    with(r#""JOSE""#, false);
    with(r#""text/jwt""#, false);
    with(r#""""#, false);
    with("null", false);
    with("1", false);
    with(r#"["JWT"]"#, false);
}

// JWT-05
#[test]
fn a_forged_token_learns_nothing_about_its_claims() {
    let world = World::new();
    let forged = |json: &str| {
        let message = format!("{}.{}", base64(header("ES256")), base64(json));
        format!("{message}.{}", base64([7; 64]))
    };
    for change in [
        ("exp", Some("1")),
        ("exp", None),
        ("aud", Some(r#""nobody""#)),
        ("sub", Some("5")),
        ("groups", Some("5")),
        ("nbf", Some("\"x\"")),
    ] {
        world.check(&forged(&claims(&[change])), WRONG_SIGNATURE);
    }
}

#[test]
fn the_longest_paths_do_not_panic() {
    let world = World::new();
    let good = token(&claims(&[]));
    // Every prefix and every single dropped byte: nothing may be accepted, nothing may panic.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for end in 0..good.len() {
        let mut dropped = good.clone();
        dropped.remove(end);
        assert!(runtime.block_on(world.verify(&good[..end])).is_err());
        assert!(runtime.block_on(world.verify(&dropped)).is_err());
    }
}
