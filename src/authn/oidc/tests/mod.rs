//! Tests of the room as a whole: an issuer with real keys, its documents without a network.

mod cache;
mod claims;
mod network;
mod presets;
mod sets;
mod tokens;

use super::documents::{Documents, KeysError, Page};
use super::{Identity, TokenError, Verifier, VerifierError};
use crate::{authn::PrincipalKind, clock::Clock, config, fetch::Guard};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};
use tokio::sync::Semaphore;

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://idp.test";
pub(super) const DISCOVERY: &str = "https://idp.test/.well-known/openid-configuration";
pub(super) const JWKS: &str = "https://idp.test/keys";

/// Made once: RSA keys are slow to make.
pub(super) static RSA: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap());
pub(super) static P256: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
pub(super) static P384: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap());
pub(super) static ED25519: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::generate().unwrap());

pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

/// Signs as the algorithm says; the key is the test issuer's of that type.
pub(super) fn signature(algorithm: &str, message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let rsa = |padding| {
        let mut signature = vec![0; RSA.public_modulus_len()];
        RSA.sign(padding, &random, message, &mut signature).unwrap();
        signature
    };
    match algorithm {
        "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
        "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
        "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
        "PS256" => rsa(&signature::RSA_PSS_SHA256),
        "PS384" => rsa(&signature::RSA_PSS_SHA384),
        "PS512" => rsa(&signature::RSA_PSS_SHA512),
        "ES256" => P256.sign(&random, message).unwrap().as_ref().to_vec(),
        "ES384" => P384.sign(&random, message).unwrap().as_ref().to_vec(),
        "EdDSA" => ED25519.sign(message).as_ref().to_vec(),
        other => panic!("the test issuer has no key for {other}"),
    }
}

/// The test issuer's public key for an algorithm, with more or other members.
pub(super) fn jwk(algorithm: &str, kid: &str, members: &[(&str, serde_json::Value)]) -> serde_json::Value {
    let mut jwk = match algorithm.get(..2) {
        Some("RS" | "PS") => {
            let public = RsaPublicKeyComponents::<Vec<u8>>::from(RSA.public_key());
            serde_json::json!({ "kty": "RSA", "n": base64(public.n), "e": base64(public.e) })
        }
        Some("ES") => {
            let (curve, key) = if algorithm == "ES256" {
                ("P-256", &P256)
            } else {
                ("P-384", &P384)
            };
            let point = &key.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            serde_json::json!({ "kty": "EC", "crv": curve, "x": base64(x), "y": base64(y) })
        }
        _ => serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(ED25519.public_key()) }),
    };
    jwk["kid"] = kid.into();
    for (name, value) in members {
        jwk[*name] = value.clone();
    }
    jwk
}

pub(super) fn set(keys: &[serde_json::Value]) -> String {
    serde_json::json!({ "keys": keys }).to_string()
}

/// The issuer's usual set: one key for each type, its `kid` is the algorithm.
pub(super) fn usual_set() -> String {
    set(&[
        jwk("RS256", "rsa", &[]),
        jwk("ES256", "p256", &[]),
        jwk("ES384", "p384", &[]),
        jwk("EdDSA", "ed", &[]),
    ])
}

/// The `kid` in [`usual_set`].
pub(super) fn kid_of(algorithm: &str) -> &'static str {
    match algorithm {
        "ES256" => "p256",
        "ES384" => "p384",
        "EdDSA" => "ed",
        _ => "rsa",
    }
}

/// A token with this header and these claims, as they stand, signed with this algorithm.
pub(super) fn signed(algorithm: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", base64(header), base64(claims));
    let signature = base64(signature(algorithm, message.as_bytes()));
    format!("{message}.{signature}")
}

/// A token that is well signed, with these claims.
pub(super) fn token(claims: &str) -> String {
    signed("ES256", r#"{"alg":"ES256","kid":"p256","typ":"JWT"}"#, claims)
}

/// Good claims as JSON text, with some replaced (`Some`, JSON text) or left out (`None`).
pub(super) fn claims(changes: &[(&str, Option<&str>)]) -> String {
    let mut members = vec![
        ("iss", format!("{ISSUER:?}")),
        ("sub", r#""1234""#.to_owned()),
        ("aud", r#""https://s3.tidegate.test""#.to_owned()),
        ("iat", (NOW - 60).to_string()),
        ("exp", (NOW + 3540).to_string()),
        ("email", r#""etl@acme.test""#.to_owned()),
        ("email_verified", "true".to_owned()),
        ("groups", r#"["analysts","etl"]"#.to_owned()),
    ];
    for (name, value) in changes {
        members.retain(|(n, _)| n != name);
        members.extend(value.map(|value| (*name, value.to_owned())));
    }
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("{name:?}:{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

pub(super) fn issuer(name: &str, url: &str) -> config::Issuer {
    config::Issuer {
        name: name.into(),
        issuer: url.into(),
        aliases: Vec::new(),
        audiences: vec!["https://s3.tidegate.test".into(), "other-audience".into()],
        kind: PrincipalKind::Workload,
        principal: "email".into(),
        groups: Some("groups".into()),
        require: Vec::new(),
        tags: Vec::new(),
        ca: None,
        jwks: None,
        max_token_lifetime: Duration::from_secs(24 * 3600),
        login: None,
    }
}

/// What the issuer publishes, and who asked for it.
#[derive(Default)]
pub(super) struct Fake {
    pages: Mutex<HashMap<String, String>>,
    asked: Mutex<Vec<(String, Guard)>>,
    /// If set, each answer takes a permit.
    gate: Option<Semaphore>,
    /// `Date` of its answers.
    pub(super) date: Mutex<Option<Timestamp>>,
}

impl Fake {
    pub(super) fn publish(&self, url: &str, page: impl Into<String>) {
        self.pages.lock().unwrap().insert(url.to_owned(), page.into());
    }

    pub(super) fn withdraw(&self, url: &str) {
        self.pages.lock().unwrap().remove(url);
    }

    pub(super) fn asked(&self) -> Vec<(String, Guard)> {
        self.asked.lock().unwrap().clone()
    }

    /// Fetches that were begun.
    pub(super) fn fetches(&self) -> usize {
        self.asked()
            .iter()
            .filter(|(url, _)| url.ends_with("openid-configuration"))
            .count()
    }
}

impl Documents for Fake {
    fn get<'a>(
        &'a self,
        url: &'a str,
        guard: Guard,
    ) -> Pin<Box<dyn Future<Output = Result<Page, KeysError>> + Send + 'a>> {
        self.asked.lock().unwrap().push((url.to_owned(), guard));
        Box::pin(async move {
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let page = self.pages.lock().unwrap().get(url).cloned();
            assert_ne!(page.as_deref(), Some("panic"), "a fetch that panics");
            let date = *self.date.lock().unwrap();
            let found = page.map(|page| Page {
                body: page.into(),
                date,
            });
            found.ok_or_else(|| KeysError::Status {
                url: url.to_owned(),
                status: 503,
            })
        })
    }
}

/// An issuer that publishes the usual set, and a verifier that trusts it.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) documents: Arc<Fake>,
    pub(super) verifier: Arc<Verifier>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(&[issuer("idp", ISSUER)], Fake::default())
    }

    pub(super) fn gated() -> Self {
        let documents = Fake {
            gate: Some(Semaphore::new(0)),
            ..Fake::default()
        };
        Self::with(&[issuer("idp", ISSUER)], documents)
    }

    pub(super) fn with(issuers: &[config::Issuer], documents: Fake) -> Self {
        for issuer in issuers {
            let base = issuer.issuer.trim_end_matches('/');
            let discovery =
                serde_json::json!({ "issuer": issuer.issuer, "jwks_uri": format!("{base}/keys") });
            documents.publish(
                &format!("{base}/.well-known/openid-configuration"),
                discovery.to_string(),
            );
            documents.publish(&format!("{base}/keys"), usual_set());
        }
        let clock = Clock::fixed(Timestamp::from_second(NOW).unwrap());
        let documents = Arc::new(documents);
        let verifier = Arc::new(build(issuers, &clock, None, &documents).unwrap());
        Self {
            clock,
            documents,
            verifier,
        }
    }

    pub(super) async fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        self.verifier.verify(token, self.clock.now()).await
    }

    /// Opens the gate for both documents of this many fetches.
    pub(super) fn answer(&self, fetches: usize) {
        self.documents.gate.as_ref().unwrap().add_permits(2 * fetches);
    }

    /// Asserts acceptance or the beginning of the reason.
    #[track_caller]
    pub(super) fn check(&self, token: &str, expected: Result<(), &str>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let outcome = runtime.block_on(self.verify(token));
        match (&outcome, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(reason)) if error.to_string().starts_with(reason) => {}
            _ => panic!("expected {expected:?}, found {outcome:?}"),
        }
    }
}

pub(super) fn build(
    issuers: &[config::Issuer],
    clock: &Clock,
    reuse: Option<&Verifier>,
    documents: &Arc<Fake>,
) -> Result<Verifier, VerifierError> {
    let issuers: Vec<_> = issuers.iter().cloned().map(Arc::new).collect();
    Verifier::with_documents(&issuers, clock.clone(), reuse, |_| {
        Ok(documents.clone() as Arc<dyn Documents>)
    })
}
