//! The keys of one issuer, kept and renewed.
//!
//! Tokens decide when keys are looked up, so strangers decide too. Hence: at most one fetch at a time and one in
//! 30 seconds per issuer, whatever the tokens say and however the fetch ends (JWT-11); a miss never evicts a
//! known key; a fetch belongs to no request, so that a caller who hangs up cannot cancel it for the others. If
//! the issuer is down, its last keys are used for a day (JWT-14).
//!
//! Keys out of a file are those of the file, until the next generation: nothing is fetched for them.

use super::{
    TokenError, discovery,
    documents::{Documents, FETCH_TIMEOUT, KeysError},
    jwks::{Key, KeySet},
};
use crate::{
    clock::{Clock, Drift},
    config,
    fetch::Guard,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Age from which keys are renewed, while they are still used.
pub(super) const REFRESH_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Age from which a token waits for the renewal: nobody asked for long, and a key may have been withdrawn.
pub(super) const WAIT_AFTER: SignedDuration = SignedDuration::from_mins(20);
/// Age from which keys are no longer used, if the issuer stays unreachable.
pub(super) const MAX_STALE: SignedDuration = SignedDuration::from_hours(24);
/// From the start of one fetch to the start of the next.
pub(super) const COOLDOWN: SignedDuration = SignedDuration::from_secs(30);

/// How an issuer's keys are, for `/readyz` and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerState {
    /// No token has asked for them yet, or none for a day.
    NeverFetched,
    /// There are keys, and the last fetch succeeded.
    Ready {
        /// How many can be used.
        keys: usize,
        /// When they were fetched.
        fetched_at: Timestamp,
    },
    /// There are keys, but they could not be renewed.
    Stale {
        /// When they were fetched; they are used for 24 hours.
        fetched_at: Timestamp,
        /// Why they could not be renewed.
        cause: String,
    },
    /// There are no keys: every token of this issuer is refused.
    Unavailable {
        /// Why.
        cause: String,
    },
}

/// Where keys come from. Tables of the same issuer have the same ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The configured name, for messages.
    pub(super) name: Box<str>,
    /// The canonical `iss`: its discovery document is asked.
    pub(super) issuer: Box<str>,
    /// For discovery and JWKS.
    pub(super) ca: Option<PathBuf>,
    /// A key set on this machine instead.
    pub(super) jwks: Option<PathBuf>,
}

impl Source {
    pub(super) fn of(issuer: &config::Issuer) -> Self {
        Self {
            name: issuer.name.clone(),
            issuer: issuer.issuer.clone(),
            ca: issuer.ca.clone(),
            jwks: issuer.jwks.clone(),
        }
    }

    /// Whether both lead to the same keys, whatever they are called.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.issuer, &self.ca, &self.jwks) == (&other.issuer, &other.ca, &other.jwks)
    }
}

/// The cache of one issuer.
pub(super) struct IssuerKeys {
    source: Source,
    documents: Arc<dyn Documents>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// When the last fetch began.
    attempted_at: Option<Timestamp>,
    /// Why the last fetch failed, if it did.
    failure: Option<String>,
    /// Under way as long as its sender lives.
    flight: Option<watch::Receiver<()>>,
    /// The issuer's clock, as the last answer had it.
    drift: Option<Drift>,
}

struct Held {
    keys: Arc<KeySet>,
    fetched_at: Timestamp,
}

/// What a look at the cache leads to.
enum Step {
    Done(Result<Arc<Key>, TokenError>),
    Wait(watch::Receiver<()>),
}

impl IssuerKeys {
    pub(super) fn new(source: Source, documents: Arc<dyn Documents>, clock: Clock) -> Self {
        Self {
            source,
            documents,
            clock,
            state: Mutex::default(),
        }
    }

    /// These keys and no others.
    pub(super) fn fixed(source: Source, keys: KeySet, documents: Arc<dyn Documents>, clock: Clock) -> Self {
        let this = Self::new(source, documents, clock);
        this.lock().held = Some(Held {
            keys: Arc::new(keys),
            fetched_at: this.clock.now(),
        });
        this
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The issuer's clock, as its last answer had it.
    pub(super) fn drift(&self) -> Option<Drift> {
        self.lock().drift
    }

    /// How many keys there are, and since when.
    pub(super) fn summary(&self) -> String {
        let state = self.lock();
        match self.usable(&state) {
            Some(held) => format!("usable keys: {}, as of {:.0}", held.keys.len(), held.fetched_at),
            None => "no keys".to_owned(),
        }
    }

    /// The key with this `kid`; fetches the issuer's keys if that may help.
    ///
    /// # Errors
    /// [`TokenError::Refused`] if the issuer has no such key, [`TokenError::IssuerUnavailable`] if its keys
    /// cannot be had.
    pub(super) async fn key(self: &Arc<Self>, kid: &str) -> Result<Arc<Key>, TokenError> {
        match self.look(kid) {
            Step::Done(result) => result,
            Step::Wait(flight) => {
                landed(flight).await;
                let state = self.lock();
                self.held(&state, kid)
            }
        }
    }

    /// Fetches the keys if nobody has; waits until that is over. Failures show in [`IssuerKeys::state`].
    pub(super) async fn warm(self: &Arc<Self>) {
        let flight = {
            let mut state = self.lock();
            match self.usable(&state) {
                Some(_) => None,
                None => self.take_off(&mut state),
            }
        };
        if let Some(flight) = flight {
            landed(flight).await;
        }
    }

    pub(super) fn state(&self) -> IssuerState {
        let state = self.lock();
        match (self.usable(&state), &state.failure) {
            (Some(held), None) => IssuerState::Ready {
                keys: held.keys.len(),
                fetched_at: held.fetched_at,
            },
            (Some(held), Some(cause)) => IssuerState::Stale {
                fetched_at: held.fetched_at,
                cause: cause.clone(),
            },
            (None, Some(cause)) => IssuerState::Unavailable { cause: cause.clone() },
            (None, None) => IssuerState::NeverFetched,
        }
    }

    fn look(self: &Arc<Self>, kid: &str) -> Step {
        let mut state = self.lock();
        let (age, known) = match self.usable(&state) {
            Some(held) => (Some(self.since(held.fetched_at)), held.keys.get(kid)),
            None => (None, None),
        };
        let flight = match (age, &known) {
            _ if self.source.jwks.is_some() => None,
            (Some(age), Some(_)) if age < REFRESH_AFTER => None,
            _ => self.take_off(&mut state),
        };
        // While the issuer is down nobody waits for a renewal that failed a moment ago.
        let fresh_enough =
            age.is_some_and(|age| age < WAIT_AFTER || state.failure.is_some() || self.source.jwks.is_some());
        match (known, flight) {
            (Some(key), _) if fresh_enough => Step::Done(Ok(key)),
            (_, Some(flight)) => Step::Wait(flight),
            (_, None) => Step::Done(self.held(&state, kid)),
        }
    }

    /// The key from what is held now.
    fn held(&self, state: &State, kid: &str) -> Result<Arc<Key>, TokenError> {
        match self.usable(state) {
            Some(held) => held
                .keys
                .get(kid)
                .ok_or(TokenError::Refused("the issuer has no key with this `kid`")),
            None => Err(TokenError::IssuerUnavailable {
                issuer: self.source.name.clone(),
                cause: state
                    .failure
                    .clone()
                    .unwrap_or_else(|| "the last fetch was cut off".to_owned()),
            }),
        }
    }

    fn usable<'s>(&self, state: &'s State) -> Option<&'s Held> {
        state
            .held
            .as_ref()
            .filter(|held| self.source.jwks.is_some() || self.since(held.fetched_at) < MAX_STALE)
    }

    /// Joins the fetch that is under way or starts one; `None` within the cooldown.
    fn take_off(self: &Arc<Self>, state: &mut State) -> Option<watch::Receiver<()>> {
        if let Some(flight) = state
            .flight
            .as_ref()
            .filter(|flight| flight.has_changed().is_ok())
        {
            return Some(flight.clone());
        }
        let now = self.clock.now();
        if let Some(at) = state.attempted_at {
            let elapsed = now.duration_since(at);
            // A clock that was set back must not stop renewal until it catches up.
            if elapsed < COOLDOWN && !elapsed.is_negative() {
                return None;
            }
        }
        state.attempted_at = Some(now);
        let (sender, flight) = watch::channel(());
        state.flight = Some(flight.clone());
        let this = self.clone();
        tokio::spawn(async move {
            let outcome = tokio::time::timeout(FETCH_TIMEOUT, this.fetch()).await;
            this.land(outcome.unwrap_or(Err(KeysError::Timeout)));
            // INVARIANT: dropped after the result is in place, also if the fetch panics: waiters then look again.
            drop(sender);
        });
        Some(flight)
    }

    async fn fetch(&self) -> Result<KeySet, KeysError> {
        let discovery = discovery::document_of(&self.source.issuer).ok_or(KeysError::Address)?;
        let document = self.get(&discovery.url, Guard::Any, true).await?;
        let keys = discovery::keys_of(&self.source.issuer, &document)?;
        // The operator vouches for the issuer's host; for another one, only the issuer does.
        let guard = if keys.host == discovery.host {
            Guard::Any
        } else {
            Guard::PublicOnly
        };
        Ok(KeySet::parse(
            &self.get(&keys.url, guard, keys.host == discovery.host).await?,
        )?)
    }

    /// Gets a document, and looks at its server's clock if that is the issuer's own.
    async fn get(&self, url: &str, guard: Guard, own: bool) -> Result<Bytes, KeysError> {
        let asked = self.clock.now();
        let page = self.documents.get(url, guard).await?;
        if let Some(date) = page.date.filter(|_| own) {
            self.lock().drift = Some(Drift::seen(date, asked, self.clock.now()));
        }
        Ok(page.body)
    }

    fn land(&self, outcome: Result<KeySet, KeysError>) {
        let issuer = &*self.source.name;
        let mut state = self.lock();
        match outcome {
            Ok(keys) => {
                tracing::debug!(
                    issuer,
                    keys = keys.len(),
                    skipped = keys.skipped(),
                    "keys fetched"
                );
                if keys.len() == 0 {
                    tracing::warn!(
                        issuer,
                        skipped = keys.skipped(),
                        "the issuer publishes no usable key"
                    );
                }
                state.failure = None;
                // INVARIANT: replaced as a whole; a key that the issuer withdrew is gone.
                state.held = Some(Held {
                    keys: Arc::new(keys),
                    fetched_at: self.clock.now(),
                });
            }
            Err(error) => {
                let cause = with_causes(&error);
                tracing::warn!(issuer, cause, "keys cannot be fetched");
                state.failure = Some(cause);
            }
        }
    }

    /// How old something is. What comes from the future was fetched before the clock was set back: its age is
    /// unknown, so it is due.
    fn since(&self, at: Timestamp) -> SignedDuration {
        let age = self.clock.now().duration_since(at);
        if age.is_negative() { REFRESH_AFTER } else { age }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the fetch is over.
async fn landed(mut flight: watch::Receiver<()>) {
    while flight.changed().await.is_ok() {}
}

/// The error and what is behind it, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
