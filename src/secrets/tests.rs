//! Polling, with a manager that follows a script.

use super::manager::{Manager, Reading};
use super::reader::Inner;
use super::watched::Watched;
use super::*;
use crate::clock::Clock;
use crate::config::{ManagedSecret, SecretPlace, Secrets};
use crate::secret::Secret;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A manager of one secret that says what it was told to say.
#[derive(Clone)]
pub(crate) struct Script(Arc<State>);

struct State {
    /// Version, value and when it was made; `None` while it is down.
    says: Mutex<Option<(String, String, Option<Timestamp>)>>,
    calls: AtomicUsize,
    gate: Semaphore,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            says: Mutex::default(),
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(10_000),
        }))
    }

    pub(crate) fn says(&self, version: &str, value: &str) {
        self.says_of(version, value, None);
    }

    fn says_of(&self, version: &str, value: &str, created_at: Option<Timestamp>) {
        *self.0.says.lock().unwrap() = Some((version.to_owned(), value.to_owned(), created_at));
    }

    pub(crate) fn is_down(&self) {
        *self.0.says.lock().unwrap() = None;
    }

    fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }
}

impl Manager for Script {
    fn read<'a>(&'a self, _: &'a SecretPlace) -> Reading<'a> {
        Box::pin(async move {
            self.0.calls.fetch_add(1, Ordering::SeqCst);
            self.0.gate.acquire().await.unwrap().forget();
            let says = self.0.says.lock().unwrap().clone();
            let (version, value, created_at) = says.ok_or(SecretError::Answer {
                manager: "Script",
                problem: "it is down",
            })?;
            Ok(Versioned {
                payload: Payload::Whole(Secret::new(value)),
                version: version.into(),
                created_at,
            })
        })
    }
}

impl SecretReader {
    /// One that asks scripts.
    pub(crate) fn scripted(clock: &Clock, secrets: &[(&str, &Script)]) -> Self {
        let mut watched = BTreeMap::new();
        for (reference, script) in secrets {
            let secret = ManagedSecret::parse(reference).unwrap();
            let one = watched.entry(secret.place.clone()).or_insert_with(|| {
                Watched::new(
                    secret.place.clone(),
                    Arc::new((*script).clone()),
                    clock.clone(),
                    POLL,
                )
            });
            one.expect(secret.field.as_deref());
        }
        Self::of(Inner {
            settings: Secrets::default(),
            issuer: "".into(),
            files: [0; 32],
            managers: BTreeMap::new(),
            watched,
        })
    }
}

pub(crate) const POLL: Duration = Duration::from_secs(60);
const REFERENCE: &str = "vault://secret/store#id";

fn clock() -> Clock {
    Clock::fixed("2026-11-22T00:00:00Z".parse().unwrap())
}

fn scripted() -> (Script, Watched, Clock) {
    let (script, clock) = (Script::new(), clock());
    let reader = SecretReader::scripted(&clock, &[(REFERENCE, &script)]);
    let watched = reader.watched(&ManagedSecret::parse(REFERENCE).unwrap()).unwrap();
    (script, watched, clock)
}

fn version(watched: &Watched) -> Option<String> {
    watched.latest().map(|latest| latest.version.to_string())
}

/// Lets time pass, and a call that is due then come to its end.
async fn after(seconds: i64, clock: &Clock, watched: &Watched) {
    clock.advance(SignedDuration::from_secs(seconds));
    watched.tend();
    while watched.is_asking() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_rotated_secret_is_there_after_a_poll() {
    let (script, watched, clock) = scripted();
    script.says("1", r#"{"id":"one"}"#);
    after(0, &clock, &watched).await;
    assert_eq!(version(&watched).as_deref(), Some("1"));
    assert_eq!(watched.changes(), 1);
    script.says("2", r#"{"id":"two"}"#);
    after(50, &clock, &watched).await;
    assert_eq!(
        (version(&watched).as_deref(), script.calls()),
        (Some("1"), 1),
        "not yet"
    );
    after(20, &clock, &watched).await;
    assert_eq!((version(&watched).as_deref(), script.calls()), (Some("2"), 2));
    assert_eq!(watched.changes(), 2);
    after(70, &clock, &watched).await;
    assert_eq!(
        (watched.changes(), script.calls()),
        (2, 3),
        "the same is no change"
    );
}

// F9
#[tokio::test]
async fn what_was_read_last_stays_while_the_manager_is_down_or_babbles() {
    let (script, watched, clock) = scripted();
    script.says("1", r#"{"id":"one"}"#);
    after(0, &clock, &watched).await;
    script.is_down();
    after(70, &clock, &watched).await;
    assert_eq!(version(&watched).as_deref(), Some("1"));
    assert!(watched.cause().unwrap().contains("it is down"));
    for (n, garbage) in ["hunter2", r#"{"id":1}"#, r#"{"other":"x"}"#, r#"{"id":""}"#]
        .iter()
        .enumerate()
    {
        script.says(&format!("{}", n + 2), garbage);
        after(70, &clock, &watched).await;
        assert_eq!(version(&watched).as_deref(), Some("1"), "{garbage}");
        let cause = watched.cause().unwrap();
        assert!(cause.contains(&format!("version `{}`", n + 2)), "{cause}");
        assert!(!cause.contains("hunter2"), "{cause}");
    }
    script.says("9", r#"{"id":"nine"}"#);
    after(70, &clock, &watched).await;
    assert_eq!((version(&watched).as_deref(), watched.cause()), (Some("9"), None));
}

#[tokio::test]
async fn after_a_failure_it_is_asked_sooner_and_then_later() {
    let (script, watched, clock) = scripted();
    after(0, &clock, &watched).await;
    assert_eq!(script.calls(), 1);
    for pause in [2, 3, 5, 10, 20, 40] {
        after(pause, &clock, &watched).await;
    }
    assert_eq!(script.calls(), 7);
    after(40, &clock, &watched).await;
    assert_eq!(script.calls(), 7, "it is asked once in a poll at most");
    after(40, &clock, &watched).await;
    assert_eq!(script.calls(), 8);
}

#[tokio::test]
async fn those_who_wait_for_the_first_answer_make_one_call() {
    let (script, watched, _) = scripted();
    script.says("1", r#"{"id":"one"}"#);
    let all: Vec<_> = (0..50)
        .map(|_| {
            let watched = watched.clone();
            tokio::spawn(async move { watched.first().await.unwrap().version.clone() })
        })
        .collect();
    for one in all {
        assert_eq!(&*one.await.unwrap(), "1");
    }
    assert_eq!(script.calls(), 1);
    watched.again().await;
    assert_eq!(script.calls(), 1, "it was asked a moment ago");
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_the_polling() {
    let (script, watched, clock) = scripted();
    script.says("1", r#"{"id":"one"}"#);
    after(0, &clock, &watched).await;
    after(-1_000_000, &clock, &watched).await;
    assert_eq!(script.calls(), 2);
}

// AUD-05
// 7.4
#[tokio::test]
async fn a_secret_that_was_deleted_and_made_anew_under_the_same_number_is_picked_up() {
    let (script, watched, clock) = scripted();
    script.says("1", r#"{"id": "old"}"#);
    after(0, &clock, &watched).await;
    let changes = watched.changes();
    script.says("1", r#"{"id": "new"}"#);
    after(70, &clock, &watched).await;
    let id = watched.latest().unwrap().payload.part(Some("id")).unwrap();
    assert_eq!(id.expose(), b"new");
    assert_eq!(watched.changes(), changes + 1, "and whoever uses it hears of it");
    after(70, &clock, &watched).await;
    assert_eq!(watched.changes(), changes + 1, "once");
}

// 7.4
#[tokio::test]
async fn when_a_known_version_was_made_may_be_learned_later_and_stays_known() {
    let (script, watched, clock) = scripted();
    let made = clock.now();
    let value = r#"{"id": "one"}"#;
    for (says, known) in [(None, None), (Some(made), Some(made)), (None, Some(made))] {
        script.says_of("1", value, says);
        after(70, &clock, &watched).await;
        assert_eq!(watched.latest().unwrap().created_at, known);
    }
    assert_eq!(watched.changes(), 1, "it is the same version");
}

#[test]
fn the_version_of_what_has_none_tells_nothing_but_sameness() {
    let one = fingerprint("env", b"hunter2");
    assert_eq!(one, fingerprint("env", b"hunter2"));
    assert_ne!(one, fingerprint("env", b"hunter3"));
    let plain = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"hunter2");
    let plain = data_encoding::HEXLOWER.encode(plain.as_ref());
    assert!(!plain.contains(one.trim_start_matches("env-")), "{one}");
}
