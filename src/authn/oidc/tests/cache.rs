//! Fetching, keeping and renewing keys: JWT-11, JWT-13, JWT-14.

use super::super::IssuerState;
use super::super::keys::{COOLDOWN, MAX_STALE, REFRESH_AFTER, WAIT_AFTER};
use super::*;
use jiff::SignedDuration;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A token that is valid for a day and a bit from now, whatever the clock says in the test.
fn fresh(world: &World) -> String {
    let now = world.clock.now().as_second();
    token(&claims(&[
        ("iat", Some(&now.to_string())),
        ("exp", Some(&(now + 60).to_string())),
    ]))
}

fn with_kid(kid: &str) -> String {
    signed(
        "ES256",
        &format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#),
        &claims(&[]),
    )
}

/// Lets tasks in the background run until this many fetches were begun and ended.
async fn settle(world: &World, fetches: usize) {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.documents.fetches(), fetches);
}

fn state(world: &World) -> IssuerState {
    world.verifier.readiness().remove(0).1
}

#[tokio::test]
async fn keys_are_fetched_with_the_first_token_and_then_kept() {
    let world = World::new();
    assert_eq!(state(&world), IssuerState::NeverFetched);
    assert!(world.documents.asked().is_empty());
    for _ in 0..3 {
        world.verify(&fresh(&world)).await.unwrap();
    }
    assert_eq!(world.documents.fetches(), 1);
    assert_eq!(
        world.documents.asked(),
        [(DISCOVERY.to_owned(), Guard::Any), (JWKS.to_owned(), Guard::Any)]
    );
    let fetched_at = world.clock.now();
    assert_eq!(state(&world), IssuerState::Ready { keys: 4, fetched_at });
}

#[tokio::test]
async fn warming_fetches_once_and_reports_failures() {
    let world = World::new();
    world.verifier.warm().await;
    world.verifier.warm().await;
    assert_eq!(world.documents.fetches(), 1);
    let down = World::new();
    down.documents.withdraw(DISCOVERY);
    down.verifier.warm().await;
    assert!(matches!(state(&down), IssuerState::Unavailable { .. }));
}

// JWT-11
#[tokio::test]
async fn ten_thousand_unknown_kids_cause_one_fetch() {
    let world = World::new();
    world.verify(&fresh(&world)).await.unwrap();
    world.clock.advance(COOLDOWN);
    let mut storm = tokio::task::JoinSet::new();
    let token: Arc<str> = with_kid("unknown").into();
    for _ in 0..10_000 {
        let (verifier, token, now) = (world.verifier.clone(), token.clone(), world.clock.now());
        storm.spawn(async move { verifier.verify(&token, now).await });
    }
    while let Some(outcome) = storm.join_next().await {
        assert!(matches!(outcome.unwrap(), Err(TokenError::Refused(_))));
    }
    assert_eq!(world.documents.fetches(), 2);
    world.clock.advance(COOLDOWN - SECOND);
    assert!(world.verify(&with_kid("unknown")).await.is_err());
    assert_eq!(world.documents.fetches(), 2);
    world.clock.advance(SECOND);
    assert!(world.verify(&with_kid("another")).await.is_err());
    assert_eq!(world.documents.fetches(), 3);
    // Valid traffic never noticed.
    world.verify(&fresh(&world)).await.unwrap();
}

// JWT-11
#[tokio::test]
async fn a_storm_before_the_first_key_causes_one_fetch() {
    let world = World::gated();
    let mut storm = tokio::task::JoinSet::new();
    for token in [fresh(&world), with_kid("unknown")].into_iter().cycle().take(200) {
        let (verifier, now) = (world.verifier.clone(), world.clock.now());
        storm.spawn(async move { verifier.verify(&token, now).await.is_ok() });
    }
    settle(&world, 1).await;
    world.answer(1);
    let mut accepted = 0;
    while let Some(outcome) = storm.join_next().await {
        accepted += usize::from(outcome.unwrap());
    }
    assert_eq!((accepted, world.documents.fetches()), (100, 1));
}

// JWT-11
#[tokio::test]
async fn the_cooldown_counts_also_when_there_are_no_keys() {
    for page in [None, Some("{}"), Some(r#"{"keys":[]}"#), Some("<html>")] {
        let world = World::new();
        match page {
            Some(page) => world.documents.publish(JWKS, page),
            None => world.documents.withdraw(JWKS),
        }
        for _ in 0..100 {
            assert!(world.verify(&fresh(&world)).await.is_err());
        }
        assert_eq!(world.documents.fetches(), 1, "{page:?}");
        world.documents.publish(JWKS, usual_set());
        world.clock.advance(COOLDOWN);
        world.verify(&fresh(&world)).await.unwrap();
        assert_eq!(world.documents.fetches(), 2, "{page:?}");
    }
}

// JWT-11
#[tokio::test]
async fn a_caller_who_hangs_up_does_not_cancel_the_fetch() {
    let world = World::gated();
    let token = fresh(&world);
    let (first, second) = (world.verify(&token), world.verify(&token));
    let first = tokio::time::timeout(Duration::ZERO, first).await;
    assert!(first.is_err(), "the first caller was to give up");
    settle(&world, 1).await;
    world.answer(1);
    second.await.unwrap();
    assert_eq!(world.documents.fetches(), 1);
}

#[tokio::test]
async fn a_fetch_that_dies_leaves_nobody_waiting() {
    let world = World::new();
    world.documents.publish(JWKS, "panic");
    let outcome = world.verify(&fresh(&world)).await;
    assert!(
        matches!(outcome, Err(TokenError::IssuerUnavailable { .. })),
        "{outcome:?}"
    );
    world.documents.publish(JWKS, usual_set());
    world.clock.advance(COOLDOWN);
    world.verify(&fresh(&world)).await.unwrap();
}

#[tokio::test]
async fn a_new_key_is_found_when_a_token_names_it() {
    let world = World::new();
    world.verify(&fresh(&world)).await.unwrap();
    world
        .documents
        .publish(JWKS, set(&[jwk("ES256", "p256", &[]), jwk("ES256", "new", &[])]));
    world.clock.advance(COOLDOWN);
    world.verify(&with_kid("new")).await.unwrap();
    assert_eq!(world.documents.fetches(), 2);
}

// JWT-11
#[tokio::test]
async fn known_keys_survive_a_miss_and_a_failed_fetch() {
    let world = World::new();
    world.verify(&fresh(&world)).await.unwrap();
    world.documents.publish(JWKS, "{}");
    world.clock.advance(COOLDOWN);
    assert!(matches!(
        world.verify(&with_kid("x")).await,
        Err(TokenError::Refused(_))
    ));
    assert_eq!(world.documents.fetches(), 2);
    world.verify(&fresh(&world)).await.unwrap();
    assert!(matches!(state(&world), IssuerState::Stale { .. }));
}

#[tokio::test]
async fn keys_are_renewed_in_the_background() {
    let world = World::gated();
    world.answer(1);
    world.verify(&fresh(&world)).await.unwrap();
    world.clock.advance(REFRESH_AFTER - SECOND);
    world.verify(&fresh(&world)).await.unwrap();
    settle(&world, 1).await;
    world.clock.advance(SECOND);
    // The issuer does not answer, and nobody waits for it.
    world.verify(&fresh(&world)).await.unwrap();
    world.verify(&fresh(&world)).await.unwrap();
    settle(&world, 2).await;
    world.documents.publish(JWKS, set(&[jwk("RS256", "rsa", &[])]));
    world.answer(1);
    settle(&world, 2).await;
    // A withdrawn key is gone with the renewal.
    assert!(matches!(
        world.verify(&fresh(&world)).await,
        Err(TokenError::Refused(_))
    ));
}

#[tokio::test]
async fn after_a_long_silence_a_token_waits_for_the_renewal() {
    let world = World::new();
    world.verify(&fresh(&world)).await.unwrap();
    world.documents.publish(JWKS, set(&[jwk("RS256", "rsa", &[])]));
    world.clock.advance(WAIT_AFTER);
    assert!(matches!(
        world.verify(&fresh(&world)).await,
        Err(TokenError::Refused(_))
    ));
    assert_eq!(world.documents.fetches(), 2);
}

// JWT-14
#[tokio::test]
async fn keys_are_used_for_a_day_while_the_issuer_is_down() {
    let world = World::new();
    world.verify(&fresh(&world)).await.unwrap();
    world.documents.withdraw(DISCOVERY);
    world.clock.advance(MAX_STALE - SECOND);
    world.verify(&fresh(&world)).await.unwrap();
    assert!(matches!(state(&world), IssuerState::Stale { .. }));
    world.clock.advance(SECOND);
    let outcome = world.verify(&fresh(&world)).await;
    let Err(TokenError::IssuerUnavailable { issuer, cause }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((&*issuer, cause.contains("status 503")), ("idp", true));
    assert!(matches!(state(&world), IssuerState::Unavailable { .. }));
    // It comes back.
    let base = serde_json::json!({ "issuer": ISSUER, "jwks_uri": JWKS });
    world.documents.publish(DISCOVERY, base.to_string());
    world.clock.advance(COOLDOWN);
    world.verify(&fresh(&world)).await.unwrap();
    assert!(matches!(state(&world), IssuerState::Ready { .. }));
}

// JWT-14
#[tokio::test]
async fn an_issuer_that_is_down_concerns_its_own_tokens_alone() {
    let world = World::with(
        &[issuer("a", "https://a.test"), issuer("b", "https://b.test")],
        Fake::default(),
    );
    world.documents.withdraw("https://a.test/keys");
    let of = |iss: &str| token(&claims(&[("iss", Some(&format!("{iss:?}")))]));
    let down = world.verify(&of("https://a.test")).await;
    assert!(matches!(down, Err(TokenError::IssuerUnavailable { issuer, .. }) if &*issuer == "a"));
    world.verify(&of("https://b.test")).await.unwrap();
    let states = world.verifier.readiness();
    assert!(matches!(&states[0], (name, IssuerState::Unavailable { .. }) if **name == *"a"));
    assert!(matches!(&states[1], (name, IssuerState::Ready { .. }) if **name == *"b"));
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_renewal() {
    let world = World::new();
    world.documents.withdraw(JWKS);
    assert!(world.verify(&fresh(&world)).await.is_err());
    world.documents.publish(JWKS, usual_set());
    world.clock.advance(SignedDuration::from_hours(-5));
    world.verify(&fresh(&world)).await.unwrap();
    assert_eq!(world.documents.fetches(), 2);
}

#[tokio::test]
async fn keys_from_before_the_clock_was_set_back_are_renewed() {
    let world = World::new();
    world.verify(&fresh(&world)).await.unwrap();
    world.clock.advance(SignedDuration::from_hours(-5));
    world.verify(&fresh(&world)).await.unwrap();
    settle(&world, 2).await;
    world.verify(&fresh(&world)).await.unwrap();
    settle(&world, 2).await;
}

// JWT-13
#[tokio::test]
async fn keys_on_another_host_must_be_public() {
    let world = World::new();
    let elsewhere = "https://keys.idp.test/keys";
    let discovery = serde_json::json!({ "issuer": ISSUER, "jwks_uri": elsewhere });
    world.documents.publish(DISCOVERY, discovery.to_string());
    world.documents.publish(elsewhere, usual_set());
    world.verify(&fresh(&world)).await.unwrap();
    let expected = [
        (DISCOVERY.to_owned(), Guard::Any),
        (elsewhere.to_owned(), Guard::PublicOnly),
    ];
    assert_eq!(world.documents.asked(), expected);
}

// JWT-13
#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_not_used() {
    for document in [
        serde_json::json!({ "issuer": "https://idp.test/", "jwks_uri": JWKS }),
        serde_json::json!({ "issuer": "https://login.test/{tenantid}", "jwks_uri": JWKS }),
        serde_json::json!({ "issuer": ISSUER, "jwks_uri": "http://169.254.169.254/latest" }),
        serde_json::json!({ "issuer": ISSUER, "jwks_uri": "file:///etc/keys" }),
    ] {
        let world = World::new();
        world.documents.publish(DISCOVERY, document.to_string());
        let outcome = world.verify(&fresh(&world)).await;
        assert!(
            matches!(outcome, Err(TokenError::IssuerUnavailable { .. })),
            "{document}"
        );
        assert_eq!(world.documents.asked().len(), 1, "{document}");
    }
}

#[tokio::test]
async fn a_reload_keeps_keys_that_come_from_the_same_place() {
    let world = World::new();
    world.verify(&fresh(&world)).await.unwrap();
    let same = issuer("idp", ISSUER);
    let kept = build(
        std::slice::from_ref(&same),
        &world.clock,
        Some(&world.verifier),
        &world.documents,
    )
    .unwrap();
    kept.verify(&fresh(&world), world.clock.now()).await.unwrap();
    assert_eq!(world.documents.fetches(), 1);
    let mut changed = same;
    changed.audiences = vec!["somebody else".into()];
    let new = build(&[changed], &world.clock, Some(&kept), &world.documents).unwrap();
    let outcome = new.verify(&fresh(&world), world.clock.now()).await;
    assert!(matches!(outcome, Err(TokenError::Refused(_))), "{outcome:?}");
    assert_eq!(
        world.documents.fetches(),
        1,
        "what is accepted changed, not whose keys they are"
    );
    let mut moved = issuer("idp", ISSUER);
    moved.ca = Some("other.pem".into());
    let new = build(&[moved], &world.clock, Some(&kept), &world.documents).unwrap();
    new.verify(&fresh(&world), world.clock.now()).await.unwrap();
    assert_eq!(world.documents.fetches(), 2);
    let gone = build(&[], &world.clock, Some(&kept), &world.documents).unwrap();
    let outcome = gone.verify(&fresh(&world), world.clock.now()).await;
    assert!(matches!(outcome, Err(TokenError::UnknownIssuer)), "{outcome:?}");
}

/// `Date` of the issuer, in seconds from our time.
fn dated(world: &World, seconds: i64) {
    let date = world.clock.now() + SignedDuration::from_secs(seconds);
    *world.documents.date.lock().unwrap() = Some(date);
}

#[tokio::test]
async fn the_clock_of_an_issuer_is_seen_and_named_where_it_explains() {
    let world = World::new();
    world.verify(&fresh(&world)).await.unwrap();
    assert_eq!(world.verifier.drifts(), [], "it said no date");
    dated(&world, 1020);
    world.clock.advance(REFRESH_AFTER);
    dated(&world, 1020);
    world.verify(&fresh(&world)).await.unwrap();
    settle(&world, 2).await;
    let drifts: Vec<_> = world
        .verifier
        .drifts()
        .iter()
        .map(|(name, drift)| format!("{name} {drift}"))
        .collect();
    assert_eq!(drifts, ["idp 17 min ahead"]);
    let now = world.clock.now().as_second();
    let at = |iat: i64, exp: i64| {
        token(&claims(&[
            ("iat", Some(&(now + iat).to_string())),
            ("exp", Some(&(now + exp).to_string())),
        ]))
    };
    let future = world.verify(&at(1020, 1320)).await.unwrap_err();
    assert_eq!(
        future.to_string(),
        "the token is refused: `iat` is in the future; the issuer's clock is 17 min ahead"
    );
    assert!(matches!(future, TokenError::NotYetValid { claim: "iat", .. }));
    let expired = world.verify(&at(-300, -60)).await.unwrap_err();
    assert_eq!(
        expired.to_string(),
        "the token has expired; the issuer's clock is 17 min ahead"
    );
}

#[tokio::test]
async fn keys_of_a_file_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let mut inside = issuer("cluster", "https://kubernetes.default.svc");
    inside.jwks = Some(file.clone());
    let clock = Clock::fixed(Timestamp::from_second(NOW).unwrap());
    let documents = Arc::new(Fake::default());
    let load = |old: Option<&Verifier>| build(std::slice::from_ref(&inside), &clock, old, &documents);
    for (content, cause) in [
        (None, "No such file"),
        (Some("<html>".to_owned()), "not strict JSON"),
        (Some(set(&[])), "no key in it that can be used"),
        (Some(" ".repeat(1 << 21)), "larger than"),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let error = load(None).unwrap_err();
        assert!(matches!(error, VerifierError::Jwks { .. }), "{error:?}");
        assert!(error.to_string().contains(cause), "{error}");
    }
    std::fs::write(&file, usual_set()).unwrap();
    let verifier = load(None).unwrap();
    let of = |kid: &str, now: i64| {
        let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
        let claims = claims(&[
            ("iss", Some(r#""https://kubernetes.default.svc""#)),
            ("iat", Some(&now.to_string())),
            ("exp", Some(&(now + 60).to_string())),
        ]);
        signed("ES256", &header, &claims)
    };
    verifier.verify(&of("p256", NOW), clock.now()).await.unwrap();
    // They do not grow old, and a key that is not among them asks nobody.
    clock.advance(MAX_STALE + MAX_STALE);
    let now = clock.now().as_second();
    verifier.verify(&of("p256", now), clock.now()).await.unwrap();
    let unknown = verifier.verify(&of("new", now), clock.now()).await;
    assert!(matches!(unknown, Err(TokenError::Refused(_))), "{unknown:?}");
    verifier.warm().await;
    assert!(matches!(
        verifier.readiness()[0].1,
        IssuerState::Ready { keys: 4, .. }
    ));
    assert!(documents.asked().is_empty());
    // The next generation reads it anew.
    std::fs::write(&file, set(&[jwk("ES256", "new", &[])])).unwrap();
    let next = load(Some(&verifier)).unwrap();
    next.verify(&of("new", now), clock.now()).await.unwrap();
    assert!(next.verify(&of("p256", now), clock.now()).await.is_err());
}
