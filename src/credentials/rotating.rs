//! A credential that is written down, and what becomes of it when somebody writes another one.
//!
//! A new key pair proves itself before it takes the place of the old one (7.4): it is tried on a read, one at a time.
//! When it is served, the old one is forgotten. Whatever else it is answered, the old one is asked, too: a pair of
//! another tenant is no less valid, and finds no bucket, or worse, one of the same name. If the old one does better, it
//! goes on, the operator hears of it, and the new one is tried again later: some clouds know a new key only after a while.
//! Only when the target refuses the old one, too, is the new one used for whatever comes.
//!
//! Nothing that changes anything is a trial: what was answered with an error may have happened, and not where it should.
//!
//! Tokens and temporary keys take the place of their predecessors at once: those are about to end anyway.

use super::keeper::{Attempts, CredentialState, Tally};
use super::written::Written;
use super::{Credential, CredentialError, SourceError};
use crate::clock::Clock;
use crate::error::with_causes;
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A credential that is written down. Clones share it.
#[derive(Clone)]
pub(super) struct Rotating(Arc<Shared>);

struct Shared {
    name: Box<str>,
    clock: Clock,
    written: Written,
    state: Mutex<State>,
    tally: Tally,
}

#[derive(Default)]
struct State {
    /// What signs.
    standing: Option<Standing>,
    /// What was written since, and has not worked yet.
    candidate: Option<Candidate>,
    /// Why the last reading failed, if it did.
    cause: Option<String>,
    /// How many versions of managers were known when it was read.
    changes: u64,
    read_at: Option<Timestamp>,
}

struct Standing {
    credential: Arc<Credential>,
    /// The target's code for it, since it last worked.
    refused: Option<Box<str>>,
}

struct Candidate {
    credential: Arc<Credential>,
    refused: Option<Box<str>>,
    refusals: u32,
    /// It is not tried before: it was refused, or a trial is under way.
    not_before: Option<Timestamp>,
}

/// How long a trial may be without an answer before another request tries.
const TRIAL: SignedDuration = SignedDuration::from_secs(30);
/// Pauses between trials of what was refused.
const SHORTEST_PAUSE: i64 = 10;
const LONGEST_PAUSE: i64 = 300;
/// When nothing can be read there, for callers.
const RETRY_AFTER: Duration = Duration::from_secs(2);

impl Rotating {
    /// What is written, read now. `name` is the target's, for the log.
    ///
    /// # Errors
    /// [`SourceError`] for what cannot be read, and is nothing that comes later.
    pub(super) fn new(name: &str, written: Written, clock: Clock) -> Result<Self, SourceError> {
        let mut state = State {
            changes: written.changes(),
            ..State::default()
        };
        match written.read() {
            Ok(credential) => state.stand(credential, clock.now()),
            Err(SourceError::Secret(_) | SourceError::NotRead { .. }) if written.may_come_later() => {}
            Err(error) => return Err(error),
        }
        Ok(Self(Arc::new(Shared {
            name: name.into(),
            clock,
            written,
            state: Mutex::new(state),
            tally: Tally::default(),
        })))
    }

    /// What signs now. With `may_try`, the request is a read, so that it may be the trial of what has not worked yet.
    ///
    /// # Errors
    /// [`CredentialError::Unavailable`] if there is nothing.
    pub(super) async fn get(&self, may_try: bool) -> Result<Arc<Credential>, CredentialError> {
        if let Some(credential) = self.0.state().choose(may_try, self.0.clock.now()) {
            return Ok(credential);
        }
        // Boxed: the future of every request has this one in it.
        Box::pin(self.first(may_try)).await
    }

    async fn first(&self, may_try: bool) -> Result<Arc<Credential>, CredentialError> {
        self.0.written.first().await;
        // Why it cannot be read is kept.
        let _ = self.refresh();
        let chosen = self.0.state().choose(may_try, self.0.clock.now());
        chosen.ok_or(CredentialError::Unavailable {
            retry_after: RETRY_AFTER,
        })
    }

    /// Reads it once, past what is kept.
    ///
    /// # Errors
    /// [`SourceError`] for what cannot be read.
    pub(super) async fn ask(&self) -> Result<Credential, SourceError> {
        self.0.written.first().await;
        self.0.written.read()
    }

    /// What signs, and is not on trial.
    pub(super) fn standing(&self) -> Option<Arc<Credential>> {
        let state = self.0.state();
        state
            .standing
            .as_ref()
            .map(|standing| Arc::clone(&standing.credential))
    }

    /// Whether it has not worked yet, and something else signs meanwhile that the target does not refuse.
    pub(super) fn is_on_trial(&self, used: &Arc<Credential>) -> bool {
        let state = self.0.state();
        let stands = state
            .standing
            .as_ref()
            .is_some_and(|standing| standing.refused.is_none());
        let candidate = state.candidate.as_ref();
        stands && candidate.is_some_and(|one| Arc::ptr_eq(&one.credential, used))
    }

    /// Says that the target did what was asked, and not merely that it knows the keys.
    pub(super) fn worked(&self, used: &Arc<Credential>) {
        let mut state = self.0.state();
        if let Some(standing) = &mut state.standing
            && Arc::ptr_eq(&standing.credential, used)
        {
            standing.refused = None;
            return;
        }
        if let Some(candidate) = state.candidate.take_if(|one| Arc::ptr_eq(&one.credential, used)) {
            let version = candidate.credential.version.as_deref();
            tracing::info!(store = %self.0.name, version, "the new keys work, the old ones are forgotten");
            state.standing = Some(Standing {
                credential: candidate.credential,
                refused: None,
            });
        }
    }

    /// Says that the target refused `used`. Gives whether [`Rotating::get`] will now give another one.
    pub(super) async fn refused(&self, used: &Arc<Credential>, code: &str) -> bool {
        if let Some(answer) = self.0.state().refuse(used, code, &self.0) {
            return answer;
        }
        // What stands is refused: perhaps somebody has just written another one.
        self.0.written.again().await;
        // Why it cannot be read is kept.
        let _ = self.refresh();
        let state = self.0.state();
        let now = self.0.clock.now();
        let is_other = |credential: &Arc<Credential>| !Arc::ptr_eq(credential, used);
        let standing = state.standing.as_ref().map(|standing| &standing.credential);
        standing.is_none_or(is_other) || state.candidate.as_ref().is_some_and(|one| one.may_be_tried(now))
    }

    /// Says that the same request was answered with `code` to `used`, and better or otherwise to the standing one.
    pub(super) fn inferior(&self, used: &Arc<Credential>, code: &str) {
        let mut state = self.0.state();
        if state
            .candidate
            .as_ref()
            .is_some_and(|one| Arc::ptr_eq(&one.credential, used))
        {
            state.refuse(used, code, &self.0);
        }
    }

    /// Takes up what managers gave, and what is due to be looked at. To be called every second or so.
    pub(super) fn tend(&self) {
        let is_due = {
            let state = self.0.state();
            let again = self.0.written.look_again();
            let due_at = again.and_then(|after| state.read_at?.checked_add(after).ok());
            let is_due = due_at.is_some_and(|at| at <= self.0.clock.now());
            is_due || state.changes != self.0.written.changes()
        };
        if is_due {
            // Why it cannot be read is kept.
            let _ = self.refresh();
        }
    }

    /// Reads it again; gives whether it changed. If it cannot be read the old one stays.
    ///
    /// # Errors
    /// [`SourceError`] says which reference cannot be read.
    pub(super) fn refresh(&self) -> Result<bool, SourceError> {
        let changes = self.0.written.changes();
        let has_one = self.0.state().standing.is_some();
        if has_one && !self.0.written.is_settled() {
            return Ok(false);
        }
        let read = self.0.written.read();
        self.0.tally.count(&read);
        let now = self.0.clock.now();
        let mut state = self.0.state();
        state.changes = changes;
        state.read_at = Some(now);
        let cause = read.as_ref().err().map(|error| with_causes(error));
        if let Some(cause) = cause.as_ref().filter(|cause| state.cause.as_ref() != Some(cause)) {
            tracing::warn!(store = %self.0.name, error = %cause, "the credential was not read again");
        }
        state.cause = cause;
        Ok(state.take(read?, now, &self.0.name))
    }

    /// How it is.
    pub(super) fn state(&self) -> CredentialState {
        let state = self.0.state();
        let unread = state.cause.clone().or_else(|| self.0.written.cause());
        let Some(standing) = &state.standing else {
            return match unread {
                Some(cause) => CredentialState::Unavailable { cause },
                None => CredentialState::Unused,
            };
        };
        let version = |credential: &Credential| match &credential.version {
            Some(version) => format!("version `{version}`"),
            None => "a version without a name".to_owned(),
        };
        let old = version(&standing.credential);
        let refused = state
            .candidate
            .as_ref()
            .and_then(|one| one.refused.as_deref().zip(Some(one)));
        let cause = match (refused, &standing.refused, unread) {
            (Some((code, new)), Some(other), _) => format!(
                "the target refuses {} (`{code}`) and {old} (`{other}`)",
                version(&new.credential)
            ),
            (Some((code, new)), None, _) => format!(
                "the target refuses the new ones, {} (`{code}`), and {old} goes on: write keys that it knows",
                version(&new.credential)
            ),
            (None, Some(code), _) if state.candidate.is_some() => {
                format!("the target refuses {old} (`{code}`), and new ones are tried")
            }
            (None, Some(code), None) => format!("the target refuses {old} (`{code}`), and there is no other"),
            (None, Some(code), Some(unread)) => {
                format!("the target refuses {old} (`{code}`), and no other can be read: {unread}")
            }
            (None, None, Some(unread)) => format!("they cannot be read again, and {old} goes on: {unread}"),
            (None, None, None) => return CredentialState::Ready { expires_at: None },
        };
        CredentialState::Stale {
            expires_at: None,
            cause,
        }
    }

    /// The attempts to read it since this was last asked.
    pub(super) fn take_attempts(&self) -> Attempts {
        self.0.tally.take()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn choose(&mut self, may_try: bool, now: Timestamp) -> Option<Arc<Credential>> {
        let standing = self.standing.as_ref()?;
        if let Some(candidate) = &mut self.candidate
            && candidate.may_be_tried(now)
        {
            if standing.refused.is_some() {
                return Some(Arc::clone(&candidate.credential));
            }
            if may_try {
                // INVARIANT: one trial at a time, so that a bad pair costs one request its second attempt, and not all.
                candidate.not_before = now.checked_add(TRIAL).ok();
                return Some(Arc::clone(&candidate.credential));
            }
        }
        Some(Arc::clone(&standing.credential))
    }

    /// `None` if it is what stands, so that another one should be looked for.
    fn refuse(&mut self, used: &Arc<Credential>, code: &str, of: &Shared) -> Option<bool> {
        let now = of.clock.now();
        let stands = self
            .standing
            .as_ref()
            .is_some_and(|standing| standing.refused.is_none());
        if let Some(candidate) = &mut self.candidate
            && Arc::ptr_eq(&candidate.credential, used)
        {
            let pause = SHORTEST_PAUSE << candidate.refusals.min(6);
            let pause = SignedDuration::from_secs(pause.min(LONGEST_PAUSE));
            candidate.refusals = candidate.refusals.saturating_add(1);
            candidate.refused = Some(code.into());
            candidate.not_before = now.checked_add(pause).ok();
            let version = candidate.credential.version.as_deref();
            tracing::warn!(store = %of.name, version, code, stands, "the target refuses the new keys");
            return Some(stands);
        }
        match &mut self.standing {
            Some(standing) if Arc::ptr_eq(&standing.credential, used) => {
                if standing.refused.is_none() {
                    let version = standing.credential.version.as_deref();
                    tracing::warn!(store = %of.name, version, code, "the target refuses the keys");
                }
                standing.refused = Some(code.into());
                None
            }
            // Somebody else saw it first.
            Some(_) | None => Some(true),
        }
    }

    /// Takes what was read; gives whether anything changed.
    fn take(&mut self, read: Credential, now: Timestamp, name: &str) -> bool {
        let Some(standing) = &mut self.standing else {
            self.stand(read, now);
            return true;
        };
        if standing.credential.is_same(&read) {
            // The same keys under another version, or back from a new pair that did not work.
            if standing.credential.version != read.version {
                standing.credential = Arc::new(read);
            }
            return self.candidate.take().is_some();
        }
        if self
            .candidate
            .as_ref()
            .is_some_and(|one| one.credential.is_same(&read))
        {
            return false;
        }
        let proves_itself = read.access_key().is_some_and(|key| key.session_token.is_none());
        if !proves_itself {
            self.stand(read, now);
            self.candidate = None;
            return true;
        }
        tracing::info!(store = %name, version = read.version.as_deref(), "new keys are there, and are tried");
        self.candidate = Some(Candidate {
            credential: Arc::new(read),
            refused: None,
            refusals: 0,
            not_before: None,
        });
        true
    }

    fn stand(&mut self, credential: Credential, now: Timestamp) {
        self.read_at = Some(now);
        self.standing = Some(Standing {
            credential: Arc::new(credential),
            refused: None,
        });
    }
}

impl Candidate {
    fn may_be_tried(&self, now: Timestamp) -> bool {
        // A clock that was set back must not stop the trials.
        self.not_before
            .is_none_or(|at| at <= now || at.duration_since(now).as_secs() > LONGEST_PAUSE)
    }
}

impl fmt::Debug for Rotating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotating")
            .field("store", &self.0.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "rotating_tests.rs"]
mod tests;
