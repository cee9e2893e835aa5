//! Keeps one credential fresh.
//!
//! One call is under way at a time (CRD-03). It runs in a task of its own, so that a caller who leaves does not take
//! the answer away from the others, and not for ever, so that a source that hangs is one that failed. It starts ahead of
//! expiry, at a moment that differs between replicas, and while it fails the old credential goes on until a minute before
//! its end.

use super::{Credential, CredentialError, Source, SourceError, scope::CloudSession};
use crate::clock::Clock;
use crate::error::with_causes;
use jiff::{SignedDuration, Timestamp};
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// One credential, kept fresh. Clones share it.
#[derive(Clone)]
pub(super) struct Keeper(Arc<Shared>);

struct Shared {
    name: Box<str>,
    clock: Clock,
    source: Arc<dyn Source>,
    session: CloudSession,
    state: Mutex<State>,
    tally: Arc<Tally>,
}

/// Counts the attempts of one target.
#[derive(Debug, Default)]
pub(super) struct Tally {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

/// How often a source was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// It gave a credential.
    pub succeeded: u64,
    /// It did not.
    pub failed: u64,
}

/// How a target's credential is, for `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialState {
    /// Nobody has asked for one yet, or not since the last one ended.
    Unused,
    /// There is one.
    Ready {
        /// When it ends; `None` for static keys.
        expires_at: Option<Timestamp>,
    },
    /// There is one, but the last attempt to get another failed.
    Stale {
        /// When it ends; `None` for static keys.
        expires_at: Option<Timestamp>,
        /// Why there is no other, for the operator.
        cause: String,
    },
    /// There is none: nothing can be sent to the target.
    Unavailable {
        /// Why, for the operator.
        cause: String,
    },
}

#[derive(Default)]
struct State {
    current: Option<Entry>,
    /// The call under way.
    flight: Option<watch::Receiver<Landing>>,
    failures: u32,
    /// Why the last attempt failed, if it did.
    cause: Option<String>,
    /// No call before this time.
    rest_until: Option<Timestamp>,
}

struct Entry {
    credential: Arc<Credential>,
    fetched_at: Timestamp,
    /// Whether anybody has asked for it: only then somebody will again.
    was_used: bool,
    /// From here on a new one is fetched in the background.
    refresh_at: Option<Timestamp>,
}

/// Whether a credential that was refused is the one that is handed out.
enum Accused {
    /// It is not.
    Gone,
    /// It is, since a moment ago: another one would fare no better.
    TooYoung,
    /// It is.
    Current,
}

/// How a call ended; `None` while it is under way.
type Landing = Option<Result<Arc<Credential>, Duration>>;

/// A credential that ends sooner does not sign any more: the target may see the request later than we do.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// A credential younger than this is not fetched again because a target calls it expired.
const YOUNGEST: SignedDuration = SignedDuration::from_secs(5);
/// How long it is remembered that a source failed: for whom it is, and to ask it ever more seldom.
const MEMORY: SignedDuration = SignedDuration::from_secs(60);
/// How long a source is waited for. One call over the network is given up after five seconds; some sources make two or
/// three of them, and whoever waits here has a caller who waits for longer than this.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// Bounds of the pause after failures.
const SHORTEST_REST: f64 = 1.0;
const LONGEST_REST: f64 = 5.0;

impl Keeper {
    /// What `source` gives for `session`, first fetched when first wanted.
    pub(super) fn temporary(
        name: &str,
        source: Arc<dyn Source>,
        session: CloudSession,
        clock: Clock,
        tally: Arc<Tally>,
    ) -> Self {
        Self(Arc::new(Shared {
            name: name.into(),
            clock,
            source,
            session,
            state: Mutex::default(),
            tally,
        }))
    }

    /// A credential that is good for at least another minute.
    ///
    /// # Errors
    /// [`CredentialError::Unavailable`] if there is none and none can be had now.
    pub(super) async fn get(&self) -> Result<Arc<Credential>, CredentialError> {
        let landing = {
            let mut state = self.0.state();
            let now = self.0.clock.now();
            if let Some(entry) = &mut state.current {
                entry.was_used = true;
            }
            if let Some((credential, is_due)) = state.usable(now) {
                if is_due {
                    self.0.launch_if_idle(&mut state, now);
                }
                return Ok(credential);
            }
            match (&state.flight, state.rest(now)) {
                (Some(flight), _) => flight.clone(),
                (None, Some(retry_after)) => return Err(CredentialError::Unavailable { retry_after }),
                (None, None) => self.0.launch(&mut state),
            }
        };
        landed(landing).await
    }

    /// Fetches anew what is due and was used: nobody shall wait for what could be foreseen. Gives whether there is
    /// still a reason to keep this.
    pub(super) fn tend(&self) -> bool {
        let mut state = self.0.state();
        let now = self.0.clock.now();
        let was_used = state.current.as_ref().is_some_and(|entry| entry.was_used);
        let usable = state.usable(now);
        if was_used && usable.as_ref().is_some_and(|(_, is_due)| *is_due) {
            self.0.launch_if_idle(&mut state, now);
        }
        let failed_lately = state.rest_until.is_some_and(|until| {
            // Also of a clock that was set back.
            now.duration_since(until).abs() < MEMORY
        });
        usable.is_some() || state.flight.is_some() || failed_lately
    }

    /// Whether somebody needs it, as far as can be seen: it will be renewed, or was wanted and could not be had.
    pub(super) fn is_in_use(&self) -> bool {
        let state = self.0.state();
        let now = self.0.clock.now();
        match &state.current {
            Some(entry) => entry.was_used || entry.refresh_at.is_none_or(|at| now < at),
            None => state.cause.is_some() || state.flight.is_some(),
        }
    }

    /// Says that `used` is over, whatever its end was said to be. Gives whether [`Keeper::get`] will now give another one;
    /// not so if the current one was fetched seconds ago, because then it is not the credential's fault.
    pub(super) fn invalidate(&self, used: &Credential) -> bool {
        let mut state = self.0.state();
        let accused = state.accused(used, self.0.clock.now());
        match accused {
            Accused::Gone => true,
            Accused::TooYoung => false,
            Accused::Current => {
                state.current = None;
                true
            }
        }
    }

    /// Says that the target refused `used` for a reason that may be the credential's or not. Another one is fetched now
    /// and takes its place; if none can be had, `used` goes on. Gives whether [`Keeper::get`] will now give another one.
    ///
    /// The hazard is one odd answer of a target, while the source is down, that takes a good credential from everybody.
    pub(super) async fn doubt(&self, used: &Credential) -> bool {
        let landing = {
            let mut state = self.0.state();
            let now = self.0.clock.now();
            match state.accused(used, now) {
                Accused::Gone => return true,
                Accused::TooYoung => return false,
                Accused::Current => {}
            }
            if let Some(entry) = &mut state.current {
                // It is due from now on, should the attempt fail.
                entry.refresh_at = Some(now);
            }
            match (&state.flight, state.rest(now)) {
                (Some(flight), _) => flight.clone(),
                (None, Some(_)) => return false,
                (None, None) => self.0.launch(&mut state),
            }
        };
        landed(landing).await.is_ok_and(|fresh| !fresh.is_same(used))
    }

    /// How the credential is.
    pub(super) fn state(&self) -> CredentialState {
        let state = self.0.state();
        let held = state.usable(self.0.clock.now());
        match (held.map(|(credential, _)| credential.expires_at), &state.cause) {
            (Some(expires_at), None) => CredentialState::Ready { expires_at },
            (Some(expires_at), Some(cause)) => CredentialState::Stale {
                expires_at,
                cause: cause.clone(),
            },
            (None, Some(cause)) => CredentialState::Unavailable { cause: cause.clone() },
            (None, None) => CredentialState::Unused,
        }
    }

    /// Why the last attempt failed, if it did.
    pub(super) fn cause(&self) -> Option<String> {
        self.0.state().cause.clone()
    }

    /// How long the credential at hand is still good; `None` if there is none or it has no end.
    #[cfg(test)]
    pub(super) fn expires_in(&self) -> Option<Duration> {
        let expires_at = self.0.state().current.as_ref()?.credential.expires_at?;
        let left = expires_at.duration_since(self.0.clock.now());
        Some(left.try_into().unwrap_or(Duration::ZERO))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn launch_if_idle(self: &Arc<Self>, state: &mut State, now: Timestamp) {
        if state.flight.is_none() && state.rest(now).is_none() {
            self.launch(state);
        }
    }

    /// Starts a call.
    fn launch(self: &Arc<Self>, state: &mut State) -> watch::Receiver<Landing> {
        let (lands, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let shared = self.clone();
        tokio::spawn(async move {
            // A panic in the source would leave the flight behind for ever.
            let grounded = Grounded(shared.clone());
            let outcome = within(PATIENCE, shared.source.fetch(&shared.session)).await;
            let landing = shared.land(outcome);
            drop(grounded);
            let _ = lands.send(Some(landing));
        });
        flight
    }

    /// Takes the outcome of a call in.
    fn land(&self, outcome: Result<Credential, SourceError>) -> Result<Arc<Credential>, Duration> {
        let now = self.clock.now();
        // INVARIANT: what is not good for longer than the margin is never handed out, wherever it comes from.
        let outcome = outcome.and_then(|credential| match credential.expires_at {
            Some(end) if end.duration_since(now) <= MARGIN => Err(SourceError::Answer("it expires at once")),
            _ => Ok(credential),
        });
        self.tally.count(&outcome);
        let mut state = self.state();
        match outcome {
            Ok(credential) => {
                state.failures = 0;
                state.cause = None;
                state.rest_until = None;
                let entry = Entry {
                    refresh_at: credential.expires_at.map(|end| refresh_at(now, end, jitter())),
                    fetched_at: now,
                    was_used: false,
                    credential: Arc::new(credential),
                };
                Ok(state.current.insert(entry).credential.clone())
            }
            Err(error) => {
                let rest = rest(state.failures, jitter());
                state.failures = state.failures.saturating_add(1);
                state.cause = Some(with_causes(&error));
                state.rest_until = SignedDuration::try_from(rest)
                    .ok()
                    .and_then(|rest| now.checked_add(rest).ok());
                tracing::warn!(
                    store = %self.name,
                    error = %with_causes(&error),
                    failures = state.failures,
                    usable = state.usable(now).is_some(),
                    "no new credential"
                );
                Err(rest)
            }
        }
    }
}

/// What the call gives, when it is over.
async fn landed(mut flight: watch::Receiver<Landing>) -> Result<Arc<Credential>, CredentialError> {
    let landed = flight.wait_for(Option::is_some).await;
    match landed.as_deref() {
        Ok(Some(Ok(credential))) => Ok(credential.clone()),
        Ok(Some(Err(retry_after))) => Err(CredentialError::Unavailable {
            retry_after: *retry_after,
        }),
        Ok(None) | Err(_) => Err(CredentialError::Unavailable {
            retry_after: Duration::from_secs(1),
        }),
    }
}

/// What `fetching` gives, if it gives anything in time.
pub(super) async fn within(
    patience: Duration,
    fetching: impl Future<Output = Result<Credential, SourceError>>,
) -> Result<Credential, SourceError> {
    tokio::time::timeout(patience, fetching)
        .await
        .unwrap_or(Err(SourceError::Silent { after: patience }))
}

impl Tally {
    pub(super) fn count<T>(&self, outcome: &Result<T, SourceError>) {
        let counter = if outcome.is_ok() {
            &self.succeeded
        } else {
            &self.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The attempts since this was last asked.
    pub(super) fn take(&self) -> Attempts {
        Attempts {
            succeeded: self.succeeded.swap(0, Ordering::Relaxed),
            failed: self.failed.swap(0, Ordering::Relaxed),
        }
    }
}

/// Clears the flight when the call is over, however it ended.
struct Grounded(Arc<Shared>);

impl Drop for Grounded {
    fn drop(&mut self) {
        self.0.state().flight = None;
    }
}

impl State {
    /// The credential at hand if it may still sign, and whether it is time for another.
    fn usable(&self, now: Timestamp) -> Option<(Arc<Credential>, bool)> {
        let entry = self.current.as_ref()?;
        let is_good = entry
            .credential
            .expires_at
            .is_none_or(|end| end.duration_since(now) > MARGIN);
        is_good.then(|| {
            let is_due = entry.refresh_at.is_some_and(|at| at <= now);
            (entry.credential.clone(), is_due)
        })
    }

    fn accused(&self, used: &Credential, now: Timestamp) -> Accused {
        match &self.current {
            Some(entry) if !entry.credential.is_same(used) => Accused::Gone,
            // The absolute difference: a clock that was set back does not make it young for as long as that.
            Some(entry) if now.duration_since(entry.fetched_at).abs() < YOUNGEST => Accused::TooYoung,
            Some(_) => Accused::Current,
            None => Accused::Gone,
        }
    }

    /// How long no call is made, after a failure.
    fn rest(&self, now: Timestamp) -> Option<Duration> {
        let left = self.rest_until?.duration_since(now);
        // A clock that was set back must not stop calls for longer than the longest pause.
        (left.is_positive() && left.as_secs_f64() <= 2.0 * LONGEST_REST)
            .then(|| left.try_into().unwrap_or(Duration::ZERO))
    }
}

/// When a credential that ends at `end` is fetched anew: the larger of five minutes and a fifth of its life before
/// its end, give or take a tenth; for very short ones at half of their life.
fn refresh_at(now: Timestamp, end: Timestamp, jitter: f64) -> Timestamp {
    let life = end.duration_since(now).as_secs_f64();
    let ahead = (life / 5.0).max(300.0) * (1.0 + 0.1 * jitter);
    let ahead = SignedDuration::from_secs_f64(ahead.min(life / 2.0));
    end.checked_sub(ahead).unwrap_or(end)
}

/// The pause after `failures` earlier failures: from one to five seconds, doubling, give or take a quarter.
fn rest(failures: u32, jitter: f64) -> Duration {
    let base = SHORTEST_REST * f64::from(1_u32 << failures.min(8));
    let seconds = base.min(LONGEST_REST) * (1.0 + 0.25 * jitter);
    Duration::from_secs_f64(seconds.clamp(SHORTEST_REST, LONGEST_REST))
}

/// From -1 to 1. Without randomness it is 0: the replicas then merely do it together.
pub(crate) fn jitter() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX) * 2.0 - 1.0,
        Err(_) => 0.0,
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("store", &self.0.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
