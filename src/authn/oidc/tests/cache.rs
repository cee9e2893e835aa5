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
async fn a_reload_keeps_the_keys_of_unchanged_issuers() {
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
    assert_eq!(world.documents.fetches(), 2);
    let gone = build(&[], &world.clock, Some(&kept), &world.documents).unwrap();
    let outcome = gone.verify(&fresh(&world), world.clock.now()).await;
    assert!(matches!(outcome, Err(TokenError::UnknownIssuer)), "{outcome:?}");
}
