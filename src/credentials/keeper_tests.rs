use super::super::{AccessKey, Fetching, Material};
use super::*;
use crate::secret::Secret;
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};
use tokio::sync::Semaphore;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A source that answers from a list, each time after a permit of the gate.
struct Script {
    answers: Mutex<VecDeque<Result<Credential, SourceError>>>,
    calls: AtomicUsize,
    gate: Semaphore,
}

fn scripted(answers: Vec<Result<Credential, SourceError>>) -> (Arc<Script>, Keeper, Clock) {
    let clock = Clock::fixed("2026-11-22T00:00:00Z".parse().unwrap());
    let script = Arc::new(Script {
        answers: Mutex::new(answers.into()),
        calls: AtomicUsize::new(0),
        gate: Semaphore::new(1000),
    });
    let credentials = Keeper::temporary("store", script.clone(), nobodys(), clock.clone(), Arc::default());
    (script, credentials, clock)
}

impl Source for Script {
    fn fetch<'a>(&'a self, _: &'a CloudSession) -> Fetching<'a> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
            let answer = self.answers.lock().unwrap().pop_front();
            answer.unwrap_or_else(|| panic!("it is asked more often than it answers"))
        })
    }
}

/// A session in nobody's name.
fn nobodys() -> CloudSession {
    CloudSession {
        principal: None,
        places: Vec::new(),
    }
}

/// A credential that ends `life` after midnight.
fn credential(id: &str, life: SignedDuration) -> Credential {
    let start: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    Credential {
        material: Material::AccessKey(AccessKey {
            id: id.into(),
            secret: Secret::new("secret"),
            session_token: Some(Secret::new("token")),
        }),
        expires_at: Some(start + life),
        version: None,
    }
}

fn down() -> Result<Credential, SourceError> {
    Err(SourceError::Answer("it is not XML"))
}

impl Script {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Waits until no call is under way.
async fn settled(credentials: &Keeper) {
    while credentials.0.state().flight.is_some() {
        tokio::task::yield_now().await;
    }
}

async fn id(credentials: &Keeper) -> String {
    let credential = credentials.get().await.unwrap();
    credential.access_key().unwrap().id.to_string()
}

// CRD-03
#[tokio::test]
async fn a_hundred_requests_make_one_call() {
    let (script, credentials, _) = scripted(vec![Ok(credential("a", HOUR))]);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let credentials = credentials.clone();
            tokio::spawn(async move { id(&credentials).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), "a");
    }
    assert_eq!(script.calls(), 1);
}

// CRD-03
#[tokio::test]
async fn a_caller_who_leaves_does_not_take_the_answer_with_him() {
    let (script, credentials, _) = scripted(vec![Ok(credential("a", HOUR))]);
    script.gate.forget_permits(1000);
    let mut first = Box::pin(credentials.get());
    assert!(matches!(
        std::future::poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await,
        Poll::Pending
    ));
    drop(first);
    script.gate.add_permits(1);
    assert_eq!(id(&credentials).await, "a");
    assert_eq!(script.calls(), 1);
}

// CRD-03, F9
#[tokio::test]
async fn it_is_fetched_anew_ahead_of_its_end_and_in_the_background() {
    let (script, credentials, clock) =
        scripted(vec![Ok(credential("a", HOUR)), Ok(credential("b", 2 * HOUR))]);
    assert_eq!(id(&credentials).await, "a");
    assert_eq!(credentials.expires_in(), Some(Duration::from_secs(3600)));
    clock.advance(SignedDuration::from_mins(46));
    assert_eq!(id(&credentials).await, "a");
    settled(&credentials).await;
    assert_eq!(script.calls(), 1, "a fifth of its life is left, and more");
    clock.advance(SignedDuration::from_mins(4));
    script.gate.forget_permits(1000);
    for _ in 0..10 {
        assert_eq!(id(&credentials).await, "a", "nobody waits");
    }
    script.gate.add_permits(1);
    settled(&credentials).await;
    assert_eq!(id(&credentials).await, "b");
    assert_eq!(script.calls(), 2);
}

// CRD-03, F9
#[tokio::test]
async fn while_the_source_is_down_the_old_one_serves_until_a_minute_before_its_end() {
    let answers = vec![
        Ok(credential("a", HOUR)),
        down(),
        down(),
        Ok(credential("b", 3 * HOUR)),
    ];
    let (script, credentials, clock) = scripted(answers);
    assert_eq!(id(&credentials).await, "a");

    clock.advance(SignedDuration::from_mins(50));
    assert_eq!(id(&credentials).await, "a");
    settled(&credentials).await;
    assert_eq!(script.calls(), 2);
    assert_eq!(id(&credentials).await, "a");
    settled(&credentials).await;
    assert_eq!(script.calls(), 2, "it rests after a failure");

    clock.advance(SignedDuration::from_secs(9 * 60 - 1));
    assert_eq!(id(&credentials).await, "a");
    settled(&credentials).await;
    assert_eq!(script.calls(), 3);

    // 59 minutes: now it does not sign any more, although it has a minute left.
    clock.advance(SignedDuration::from_secs(1));
    let error = credentials.get().await.unwrap_err();
    assert!(error.retry_after() <= Duration::from_secs(5));
    assert_eq!(script.calls(), 3, "it still rests");

    clock.advance(SignedDuration::from_secs(5));
    assert_eq!(id(&credentials).await, "b");
}

// F9
#[tokio::test]
async fn without_a_usable_one_the_request_is_told_when_to_come_back() {
    let (script, credentials, clock) = scripted(vec![down(), Ok(credential("a", HOUR))]);
    let CredentialError::Unavailable { retry_after } = credentials.get().await.unwrap_err();
    assert!((1..=5).contains(&retry_after.as_secs()), "{retry_after:?}");
    for _ in 0..10 {
        assert!(credentials.get().await.is_err());
    }
    assert_eq!(script.calls(), 1);
    clock.advance(SignedDuration::from_secs(5));
    assert_eq!(id(&credentials).await, "a");
}

// CRD-03
#[tokio::test]
async fn an_expired_one_is_never_handed_out_wherever_it_comes_from() {
    let (_, credentials, _) = scripted(vec![Ok(credential("a", MARGIN))]);
    assert!(credentials.get().await.is_err());
    assert!(credentials.expires_in().is_none());
}

#[tokio::test]
async fn a_source_that_panics_does_not_block_the_next_call() {
    let (script, credentials, _) = scripted(vec![]);
    assert!(credentials.get().await.is_err());
    script
        .answers
        .lock()
        .unwrap()
        .push_back(Ok(credential("a", HOUR)));
    assert_eq!(id(&credentials).await, "a");
}

// F9
#[tokio::test(start_paused = true)]
async fn a_source_that_never_answers_is_one_that_failed() {
    let (script, credentials, clock) = scripted(vec![Ok(credential("a", HOUR))]);
    script.gate.forget_permits(1000);
    assert!(credentials.get().await.is_err());
    assert!(
        matches!(credentials.state(), CredentialState::Unavailable { cause } if cause.contains("did not answer within 15s"))
    );
    script.gate.add_permits(1);
    clock.advance(SignedDuration::from_secs(5));
    assert_eq!(id(&credentials).await, "a");
    assert_eq!(script.calls(), 2);
}

// CRD-03
#[tokio::test]
async fn what_the_target_calls_expired_is_fetched_once_more() {
    let answers = vec![Ok(credential("a", HOUR)), Ok(credential("b", HOUR))];
    let (script, credentials, clock) = scripted(answers);
    let a = credentials.get().await.unwrap();
    assert!(
        !credentials.invalidate(&a),
        "it is seconds old: another one would fare no better"
    );
    clock.advance(SignedDuration::from_secs(10));
    assert!(credentials.invalidate(&a));
    assert_eq!(id(&credentials).await, "b");
    assert!(credentials.invalidate(&a), "somebody else saw it first");
    assert_eq!(id(&credentials).await, "b");
    assert_eq!(script.calls(), 2);
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_make_a_credential_young() {
    let answers = vec![Ok(credential("a", HOUR)), Ok(credential("b", HOUR))];
    let (_, credentials, clock) = scripted(answers);
    let a = credentials.get().await.unwrap();
    clock.advance(SignedDuration::from_mins(-30));
    assert!(credentials.invalidate(&a));
    assert_eq!(id(&credentials).await, "b");
}

// CRD-03, F9
#[tokio::test]
async fn one_that_is_doubted_goes_on_until_there_is_another() {
    let answers = vec![
        Ok(credential("a", HOUR)),
        down(),
        Ok(credential("a", HOUR)),
        Ok(credential("b", HOUR)),
    ];
    let (script, credentials, clock) = scripted(answers);
    let a = credentials.get().await.unwrap();
    assert!(!credentials.doubt(&a).await, "it is seconds old");
    clock.advance(SignedDuration::from_secs(10));

    let doubts = (0..20).map(|_| {
        let (credentials, a) = (credentials.clone(), a.clone());
        tokio::spawn(async move { credentials.doubt(&a).await })
    });
    for doubt in doubts.collect::<Vec<_>>() {
        assert!(
            !doubt.await.unwrap(),
            "the source is down, once more would be the same"
        );
    }
    assert_eq!(script.calls(), 2, "one call for all of them, and a rest");
    assert_eq!(id(&credentials).await, "a");
    assert!(matches!(credentials.state(), CredentialState::Stale { .. }));

    clock.advance(SignedDuration::from_secs(5));
    assert!(!credentials.doubt(&a).await, "the source gives the same again");
    assert_eq!(id(&credentials).await, "a");
    clock.advance(SignedDuration::from_secs(5));
    assert!(credentials.doubt(&a).await);
    assert_eq!(id(&credentials).await, "b");
    assert!(credentials.doubt(&a).await, "somebody else saw it first");
    assert_eq!(script.calls(), 4);
}

#[test]
fn the_moment_of_refresh_differs_between_replicas_within_bounds() {
    let now = Timestamp::UNIX_EPOCH;
    let check = |life: i64, jitter: f64, left: i64| {
        let at = refresh_at(now, now + SignedDuration::from_secs(life), jitter);
        assert_eq!(life - at.as_second(), left, "{life} {jitter}");
    };
    check(3600, 0.0, 720);
    check(3600, 1.0, 792);
    check(3600, -1.0, 648);
    check(900, 0.0, 300);
    check(43_200, 0.0, 8640);
    check(240, 0.0, 120);
    for _ in 0..1000 {
        assert!((-1.0..=1.0).contains(&jitter()));
    }
}

#[test]
fn pauses_grow_from_one_to_five_seconds() {
    let check = |failures, jitter, seconds| assert_eq!(rest(failures, jitter).as_secs_f64(), seconds);
    check(0, 0.0, 1.0);
    check(1, 0.0, 2.0);
    check(2, 1.0, 5.0);
    check(2, -1.0, 3.0);
    check(u32::MAX, 0.0, 5.0);
    check(0, -1.0, 1.0);
}

#[tokio::test]
async fn how_it_is_and_how_often_the_source_was_asked_can_be_seen() {
    let answers = vec![down(), Ok(credential("a", HOUR)), down()];
    let (_, credentials, clock) = scripted(answers);
    let of = |succeeded, failed| Attempts { succeeded, failed };
    assert_eq!(credentials.state(), CredentialState::Unused);
    assert_eq!(credentials.0.tally.take(), of(0, 0));

    assert!(credentials.get().await.is_err());
    let state = credentials.state();
    assert!(
        matches!(&state, CredentialState::Unavailable { cause } if cause.contains("it is not XML")),
        "{state:?}"
    );
    clock.advance(SignedDuration::from_secs(5));
    assert_eq!(id(&credentials).await, "a");
    assert!(
        matches!(credentials.state(), CredentialState::Ready { expires_at: Some(at) } if at.to_string() == "2026-11-22T01:00:00Z")
    );
    assert_eq!(credentials.0.tally.take(), of(1, 1));

    clock.advance(SignedDuration::from_mins(50));
    assert_eq!(id(&credentials).await, "a");
    settled(&credentials).await;
    assert!(matches!(credentials.state(), CredentialState::Stale { .. }));
    assert_eq!(credentials.0.tally.take(), of(0, 1));
    clock.advance(HOUR);
    assert!(matches!(credentials.state(), CredentialState::Unavailable { .. }));
}
