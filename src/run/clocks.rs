//! What time brings: clocks that drift, and service keys that come to their end. Looked at every second, told to the
//! metrics each time and to the log now and then.

use crate::authn::service_keys::{Standing, in_words};
use crate::clock::{Clock, Drift};
use crate::drift::{Observed, WORTH_A_WARNING, larger};
use crate::generation::Generation;
use crate::telemetry::{Metrics, Party};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

pub(super) struct Clocks {
    clock: Clock,
    /// What the dates that callers signed say of their clocks.
    callers: Arc<Observed>,
    minutes: Minutes,
    /// Targets whose drift is among the metrics.
    shown: BTreeSet<Box<str>>,
    /// When something was logged for the last time.
    warned: BTreeMap<Box<str>, Instant>,
    /// The generation whose service keys are among the metrics.
    service_keys_of: u64,
}

impl Clocks {
    pub(super) fn new(clock: Clock, callers: Arc<Observed>) -> Self {
        Self {
            clock,
            callers,
            minutes: Minutes::default(),
            shown: BTreeSet::new(),
            warned: BTreeMap::new(),
            service_keys_of: 0,
        }
    }

    /// The time.
    pub(super) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// Readiness is not affected: a wrong clock elsewhere is not ours to fail for.
    pub(super) fn report(&mut self, generation: &Generation, metrics: &Metrics) {
        self.report_callers(metrics);
        self.report_targets(generation, metrics);
        self.report_service_keys(generation, metrics);
    }

    fn report_callers(&mut self, metrics: &Metrics) {
        let Some(last) = self.callers.last() else { return };
        metrics.clock_drift(Party::Caller, "last", last);
        match self.minutes.largest(self.callers.take_largest(), Instant::now()) {
            Some(largest) => {
                metrics.clock_drift(Party::Caller, "largest", largest);
                if largest.exceeds(WORTH_A_WARNING) && self.may_warn("callers", HOURLY) {
                    tracing::warn!(drift = %largest, "the clock of a caller differs from ours; the audit file says whose requests are refused for it");
                }
            }
            None => metrics.forget_drift(Party::Caller, "largest"),
        }
    }

    fn report_targets(&mut self, generation: &Generation, metrics: &Metrics) {
        let mut shown = BTreeSet::new();
        for (name, side) in &generation.targets {
            let Some(drift) = side.drift.last() else { continue };
            metrics.clock_drift(Party::Target, name, drift);
            shown.insert(name.clone());
            if drift.exceeds(WORTH_A_WARNING) && self.may_warn(&format!("target {name}"), HOURLY) {
                tracing::warn!(store = %name, %drift, "the clock of a target differs from ours; from 15 minutes on it refuses what we sign");
            }
        }
        for gone in self.shown.difference(&shown) {
            metrics.forget_drift(Party::Target, gone);
        }
        self.shown = shown;
    }

    fn report_service_keys(&mut self, generation: &Generation, metrics: &Metrics) {
        let now = self.clock.now();
        let records = generation.service_keys.records().iter();
        let alive = records.filter(|record| record.standing(now) == Standing::Alive);
        for record in alive.clone().filter(|record| record.ends_soon(now)) {
            if self.may_warn(&record.id, DAILY) {
                let left = in_words(record.expires.duration_since(now));
                tracing::warn!(
                    id = %record.id,
                    %left,
                    "a service key expires soon; `tidegate service-keys rotate` makes its successor"
                );
            }
        }
        // One that has expired goes with the next reload; until then its expiry lies in the past, which is the truth.
        if self.service_keys_of != generation.number {
            self.service_keys_of = generation.number;
            metrics.service_keys(alive.map(|record| (&*record.id, record.expires)));
        }
    }

    fn may_warn(&mut self, about: &str, every: Duration) -> bool {
        let now = Instant::now();
        let due = self
            .warned
            .get(about)
            .is_none_or(|last| now.duration_since(*last) >= every);
        if due {
            // What is not warned about any more need not be remembered.
            self.warned.retain(|_, last| now.duration_since(*last) < DAILY);
            self.warned.insert(about.into(), now);
        }
        due
    }
}

/// The largest of this minute and the last one.
#[derive(Debug, Default)]
struct Minutes {
    began: Option<Instant>,
    this: Option<Drift>,
    last: Option<Drift>,
}

impl Minutes {
    fn largest(&mut self, seen: Option<Drift>, now: Instant) -> Option<Drift> {
        let began = *self.began.get_or_insert(now);
        let minutes = now.duration_since(began).as_secs() / 60;
        if minutes > 0 {
            self.last = self.this.take().filter(|_| minutes == 1);
            self.began = Some(now);
        }
        self.this = larger(self.this, seen);
        larger(self.last, self.this)
    }
}

const HOURLY: Duration = Duration::from_secs(3600);
const DAILY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_the_last_minute_is_told_and_then_forgotten() {
        let mut minutes = Minutes::default();
        let start = Instant::now();
        let mut at = |second, seen: Option<i64>| {
            let ours = jiff::Timestamp::UNIX_EPOCH;
            let seen = seen.map(|ahead| {
                let theirs = ours + jiff::SignedDuration::from_secs(ahead);
                Drift::seen(theirs, ours, ours)
            });
            let largest = minutes.largest(seen, start + Duration::from_secs(second));
            largest.map(Drift::seconds)
        };
        assert_eq!(at(0, None), None);
        assert_eq!(at(1, Some(-1020)), Some(-1020));
        assert_eq!(at(2, Some(5)), Some(-1020));
        assert_eq!(at(61, Some(7)), Some(-1020), "of the minute before");
        assert_eq!(at(121, None), Some(7));
        assert_eq!(at(181, None), None);
        assert_eq!(at(182, Some(3)), Some(3));
        assert_eq!(at(500, None), None, "long ago");
    }

    #[test]
    fn the_log_hears_of_each_party_once_in_a_while() {
        let mut clocks = Clocks::new(Clock::system(), Arc::default());
        assert!(clocks.may_warn("target a", HOURLY));
        assert!(!clocks.may_warn("target a", HOURLY));
        assert!(clocks.may_warn("target b", HOURLY));
        assert!(clocks.may_warn("target a", Duration::ZERO));
    }
}
