//! Finding out what targets understand, for those whose profile is `auto`: at the start, after a reload that brings new
//! ones, and again while it is not known. Until then a target is served as `plain`, which is right for every one.

use crate::audit::{Arrival, AuditLog};
use crate::bridge::{CanaryError, Finding, canary};
use crate::clock::Clock;
use crate::config::Canary;
use crate::error::with_causes;
use crate::generation::{Generation, TargetSide};
use arc_swap::ArcSwap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often somebody looks whether there are new targets.
const LOOK: Duration = Duration::from_millis(250);
/// How long the first callers wait for what is being found out, so that no upload is begun in one dialect and continued
/// in another. A target that takes longer delays nobody any further.
const HEAD_START: Duration = Duration::from_secs(3);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What it takes to try a target.
#[derive(Clone)]
pub(super) struct Prober {
    pub(super) current: Arc<ArcSwap<Generation>>,
    pub(super) audit: AuditLog,
    pub(super) clock: Clock,
}

impl Prober {
    /// Looks after every target that is not understood yet, until `end`.
    pub(super) async fn run(self, end: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut minded: Vec<Arc<TargetSide>> = Vec::new();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = end.cancelled() => break,
                _ = looks.tick() => {}
            }
            while tasks.try_join_next().is_some() {}
            let generation = self.current.load_full();
            minded.retain(|side| is_current(&generation, side) && !side.known.is_certain());
            for side in generation
                .targets
                .values()
                .filter(|side| !side.known.is_certain())
            {
                if !minded.iter().any(|known| Arc::ptr_eq(known, side)) {
                    minded.push(Arc::clone(side));
                    tasks.spawn(self.clone().mind(Arc::clone(side), end.clone()));
                }
            }
        }
        // What is under way deletes its objects before it ends, within its own bounds.
        while tasks.join_next().await.is_some() {}
    }

    /// Waits until every target was tried once, but not for long.
    pub(super) async fn head_start(&self) {
        let tried = async {
            let mut looks = tokio::time::interval(Duration::from_millis(20));
            let open = || {
                self.current
                    .load()
                    .targets
                    .values()
                    .any(|side| !side.known.was_tried())
            };
            while open() {
                looks.tick().await;
            }
        };
        if tokio::time::timeout(HEAD_START, tried).await.is_err() {
            tracing::warn!("not every target has shown yet what it understands; those are served as `plain`");
        }
    }

    /// Tries one target until it is understood or gone.
    async fn mind(self, side: Arc<TargetSide>, end: CancellationToken) {
        let store = side.target.name.clone();
        let mut pause = SHORTEST_PAUSE;
        let mut said = String::new();
        loop {
            let generation = self.current.load_full();
            if end.is_cancelled() || !is_current(&generation, &side) {
                return;
            }
            let place = canary::place(&generation.config, &side.target);
            let outcome = match &place {
                Ok(place) => self.attempt(&side, place, &end).await,
                Err(_) => Err(CanaryError::NoPlace),
            };
            match outcome {
                Ok(found) => {
                    side.known.settle(found.understanding());
                    tracing::info!(%store, "found out what the target understands: {found}");
                    return;
                }
                Err(CanaryError::Stopped) => return,
                Err(error) => {
                    let why = with_causes(&error);
                    if why != said {
                        tracing::warn!(
                            %store,
                            "not known what the target understands, it is served as `plain` and tried again: {why}"
                        );
                    }
                    said = why;
                    side.known.remains_open();
                }
            }
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One canary and its record.
    async fn attempt(
        &self,
        side: &TargetSide,
        place: &Canary,
        end: &CancellationToken,
    ) -> Result<Finding, CanaryError> {
        let arrival = Arrival {
            // Nobody called.
            peer: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            tls: "",
            method: "PUT",
            user_agent: None,
            request_id: crate::audit::new_id(&self.clock),
        };
        // INVARIANT: what cannot be recorded does not happen, also if it is our own.
        let mut trail = self.audit.begin(&arrival)?;
        trail.generation(&self.current.load().id);
        trail.own("Canary");
        trail.addressed(Some(place.bucket.as_str()), Some(&place.prefix));
        trail.target(crate::audit::TargetInfo {
            name: side.target.name.clone(),
            endpoint: side.target.endpoint.authority().into(),
            region: side.target.region.clone(),
            ..crate::audit::TargetInfo::default()
        });
        let outcome = canary::run(side.line(&self.clock), place, Some(&mut trail), end).await;
        match &outcome {
            Ok(_) => trail.close(200),
            Err(error) => {
                trail.failed(error);
                trail.close(503);
            }
        }
        outcome
    }
}

fn is_current(generation: &Generation, side: &Arc<TargetSide>) -> bool {
    let found = generation.targets.get(&side.target.name);
    found.is_some_and(|current| Arc::ptr_eq(current, side))
}
