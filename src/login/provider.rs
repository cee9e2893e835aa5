//! An issuer that people can log in with, and where.
//!
//! Strangers decide when a login begins, so they decide when the issuer is asked for its endpoints: once at a time,
//! and after a failure once in five seconds. The fetch belongs to no request, so that nobody who hangs up spoils it
//! for the others. What was fetched is used for a day if the issuer stays silent, as its keys are.

use crate::authn::oidc::{Endpoints, EndpointsError};
use crate::clock::Clock;
use crate::config;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Age from which endpoints are fetched anew.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// Age until which they are used if they cannot be.
const USABLE: SignedDuration = SignedDuration::from_hours(24);
/// From one attempt to the next, while there is nothing fresh.
const COOLDOWN: SignedDuration = SignedDuration::from_secs(5);

/// One issuer with `login`.
#[derive(Clone)]
pub(super) struct Provider {
    pub(super) issuer: Arc<config::Issuer>,
    clock: Clock,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    endpoints: Option<(Arc<Endpoints>, Timestamp)>,
    failure: Option<(EndpointsError, Timestamp)>,
}

impl Provider {
    pub(super) fn new(issuer: Arc<config::Issuer>, clock: Clock) -> Self {
        Self {
            issuer,
            clock,
            known: Arc::default(),
        }
    }

    /// The time now: it passes while an issuer is asked.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Where to log in. Waits up to ten seconds for the issuer.
    ///
    /// # Errors
    /// Why the issuer cannot be asked.
    pub(super) async fn endpoints(&self) -> Result<Arc<Endpoints>, EndpointsError> {
        let (issuer, clock, known) = (self.issuer.clone(), self.clock.clone(), self.known.clone());
        let looked = tokio::spawn(async move { known.lock().await.look(&issuer, &clock).await });
        looked
            .await
            .unwrap_or_else(|_| Err(EndpointsError("the fetch was cut off".into())))
    }
}

impl Known {
    async fn look(
        &mut self,
        issuer: &Arc<config::Issuer>,
        clock: &Clock,
    ) -> Result<Arc<Endpoints>, EndpointsError> {
        let now = clock.now();
        if let Some((endpoints, at)) = &self.endpoints
            && is_within(*at, now, FRESH)
        {
            return Ok(endpoints.clone());
        }
        let tried = self
            .failure
            .as_ref()
            .is_some_and(|(_, at)| is_within(*at, now, COOLDOWN));
        if !tried {
            match Endpoints::fetch(issuer).await {
                Ok(endpoints) => {
                    self.failure = None;
                    self.endpoints = Some((Arc::new(endpoints), clock.now()));
                }
                Err(error) => {
                    tracing::warn!(issuer = %issuer.name, %error, "nobody can log in with this issuer");
                    self.failure = Some((error, clock.now()));
                }
            }
        }
        match (&self.endpoints, &self.failure) {
            (Some((endpoints, at)), _) if is_within(*at, clock.now(), USABLE) => Ok(endpoints.clone()),
            (_, Some((error, _))) => Err(error.clone()),
            (_, None) => Err(EndpointsError("there is no answer yet".into())),
        }
    }
}

/// What comes from the future was noted before the clock was set back: its age is unknown.
fn is_within(at: Timestamp, now: Timestamp, age: SignedDuration) -> bool {
    let elapsed = now.duration_since(at);
    !elapsed.is_negative() && elapsed < age
}
