//! One secret of a manager, polled.
//!
//! One call is under way at a time, in a task of its own. What was read last stays until something better comes: a
//! version that lacks what the references to it speak of is no better. So a consumer sees whole versions or nothing.

use super::manager::Manager;
use super::{SecretError, Versioned};
use crate::clock::Clock;
use crate::config::SecretPlace;
use crate::credentials::jitter;
use crate::error::with_causes;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// One secret of a manager, polled. Clones share it.
#[derive(Clone)]
pub(crate) struct Watched(Arc<Shared>);

struct Shared {
    place: SecretPlace,
    manager: Arc<dyn Manager>,
    clock: Clock,
    poll: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Versioned>>,
    /// What references ask of it.
    fields: BTreeSet<Option<Box<str>>>,
    /// Counts the versions that were taken.
    changes: u64,
    /// When another version took the place of one.
    changed_at: Option<Timestamp>,
    /// When the last call that succeeded was begun.
    confirmed_at: Option<Timestamp>,
    /// Why the last call did not help, if so.
    cause: Option<String>,
    failures: u32,
    asked_at: Option<Timestamp>,
    due_at: Option<Timestamp>,
    /// The call under way.
    flight: Option<watch::Receiver<bool>>,
    tally: Tally,
}

/// How often a manager was asked for a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
}

/// A secret is not asked for again so soon because somebody doubts it.
const YOUNGEST: SignedDuration = SignedDuration::from_secs(5);

impl Watched {
    pub(super) fn new(place: SecretPlace, manager: Arc<dyn Manager>, clock: Clock, poll: Duration) -> Self {
        Self(Arc::new(Shared {
            place,
            manager,
            clock,
            poll,
            state: Mutex::default(),
        }))
    }

    /// Says that a reference asks for this part of it.
    pub(super) fn expect(&self, field: Option<&str>) {
        self.0.state().fields.insert(field.map(Box::from));
    }

    /// Which secret it is.
    pub(crate) fn place(&self) -> &SecretPlace {
        &self.0.place
    }

    /// Whether both are the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What was read last.
    pub(crate) fn latest(&self) -> Option<Arc<Versioned>> {
        self.0.state().current.clone()
    }

    /// Counts the versions that were read.
    pub(crate) fn changes(&self) -> u64 {
        self.0.state().changes
    }

    /// When another version took the place of one, and when it was last known to be the newest.
    pub(crate) fn times(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let state = self.0.state();
        (state.changed_at, state.confirmed_at)
    }

    /// Why it cannot be read now, if so.
    pub(crate) fn cause(&self) -> Option<String> {
        self.0.state().cause.clone()
    }

    /// The calls since this was last asked.
    pub(crate) fn take_tally(&self) -> Tally {
        std::mem::take(&mut self.0.state().tally)
    }

    /// What was read last; waits for the first answer.
    ///
    /// # Errors
    /// [`SecretError::NotYet`] if there is none; [`Watched::cause`] says why.
    pub(crate) async fn first(&self) -> Result<Arc<Versioned>, SecretError> {
        let flight = {
            let mut state = self.0.state();
            if let Some(current) = &state.current {
                return Ok(Arc::clone(current));
            }
            let now = self.0.clock.now();
            match state.flight.clone() {
                Some(flight) => Some(flight),
                None => state
                    .is_due(now, self.0.poll)
                    .then(|| self.0.launch(&mut state, now)),
            }
        };
        landed(flight).await;
        self.latest().ok_or(SecretError::NotYet)
    }

    /// Asks now, because what was read last does not work; not if that was seconds ago.
    pub(crate) async fn again(&self) {
        let flight = {
            let mut state = self.0.state();
            let now = self.0.clock.now();
            let is_young = state
                .asked_at
                .is_some_and(|at| now.duration_since(at).abs() < YOUNGEST);
            match state.flight.clone() {
                Some(flight) => Some(flight),
                None => (!is_young).then(|| self.0.launch(&mut state, now)),
            }
        };
        landed(flight).await;
    }

    /// Asks if it is time to. To be called every second or so.
    pub(crate) fn tend(&self) {
        let mut state = self.0.state();
        let now = self.0.clock.now();
        if state.flight.is_none() && state.is_due(now, self.0.poll) {
            self.0.launch(&mut state, now);
        }
    }

    #[cfg(test)]
    pub(super) fn is_asking(&self) -> bool {
        self.0.state().flight.is_some()
    }

    /// Asks with the next [`Watched::tend`], if that was not done since `then`.
    pub(crate) fn hurry(&self, then: Timestamp) {
        let mut state = self.0.state();
        if state.asked_at.is_none_or(|at| at < then) {
            state.due_at = None;
        }
    }
}

async fn landed(flight: Option<watch::Receiver<bool>>) {
    if let Some(mut flight) = flight {
        // An error is a call that ended without a word; what it left behind is looked at in any case.
        let _ = flight.wait_for(|landed| *landed).await;
    }
}

impl State {
    fn is_due(&self, now: Timestamp, poll: Duration) -> bool {
        let Some(due_at) = self.due_at else { return true };
        let left = due_at.duration_since(now);
        // A clock that was set back must not stop the polling.
        !left.is_positive() || left.as_secs_f64() > 2.0 * poll.as_secs_f64()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a call.
    fn launch(self: &Arc<Self>, state: &mut State, now: Timestamp) -> watch::Receiver<bool> {
        let (lands, flight) = watch::channel(false);
        state.flight = Some(flight.clone());
        state.asked_at = Some(now);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            // A panic on the way would leave the flight behind for ever.
            let grounded = Grounded(Arc::clone(&shared));
            let outcome = shared.manager.read(&shared.place).await;
            shared.land(outcome, now);
            drop(grounded);
            let _ = lands.send(true);
        });
        flight
    }

    fn land(&self, outcome: Result<Versioned, SecretError>, asked: Timestamp) {
        let now = self.clock.now();
        let mut state = self.state();
        let outcome = outcome.and_then(|read| state.take(read, now));
        let after = match outcome {
            Ok(changed) => {
                state.tally.succeeded += 1;
                if state.cause.take().is_some() || changed {
                    let version = state.current.as_ref().map(|current| current.version.clone());
                    tracing::info!(secret = %self.place, version = version.as_deref(), "read");
                }
                state.failures = 0;
                state.confirmed_at = Some(asked);
                self.poll.mul_f64(1.0 + 0.1 * jitter())
            }
            Err(error) => {
                state.tally.failed += 1;
                let cause = with_causes(&error);
                if state.cause.as_ref() != Some(&cause) {
                    let usable = state.current.is_some();
                    tracing::warn!(secret = %self.place, error = %cause, usable, "a secret cannot be read");
                }
                state.cause = Some(cause);
                let rest = Duration::from_secs(1 << state.failures.min(8)).min(self.poll);
                state.failures = state.failures.saturating_add(1);
                rest.mul_f64(1.0 + 0.25 * jitter())
            }
        };
        let after = SignedDuration::try_from(after).ok();
        state.due_at = after.and_then(|after| now.checked_add(after).ok());
    }
}

impl State {
    /// Takes what was read if it is another version or payload, and has all that is asked of it.
    fn take(&mut self, read: Versioned, now: Timestamp) -> Result<bool, SecretError> {
        // Versions are counted from one again when a secret is deleted and made anew: the same number, another payload.
        if let Some(current) = &self.current
            && current.version == read.version
            && current.payload.is_same(&read.payload)
        {
            // When it was made may be said only later. What was said is not forgotten.
            if read.created_at.is_some() && read.created_at != current.created_at {
                self.current = Some(Arc::new(read));
            }
            return Ok(false);
        }
        for field in &self.fields {
            read.payload
                .part(field.as_deref())
                .map_err(|flaw| SecretError::Payload {
                    version: read.version.clone(),
                    flaw,
                })?;
        }
        // The first one takes no other's place.
        self.changed_at = self.current.as_ref().map(|_| now);
        self.current = Some(Arc::new(read));
        self.changes += 1;
        Ok(true)
    }
}

/// Clears the flight when the call is over, however it ended.
struct Grounded(Arc<Shared>);

impl Drop for Grounded {
    fn drop(&mut self) {
        self.0.state().flight = None;
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.0.place).finish()
    }
}
