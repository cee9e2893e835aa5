//! What nobody reports by itself: looked at every second, for `/metrics` and `/readyz`.
//!
//! The rooms count for themselves and know nothing of telemetry; this is where their numbers become metrics.

use super::clocks::Clocks;
use crate::admin::{Readiness, State};
use crate::audit::{AuditLog, Counters};
use crate::authn::oidc::{IssuerState, LEEWAY};
use crate::clock::{Clock, Drift};
use crate::credentials::{CredentialState, Sessions};
use crate::generation::{Generation, Problem};
use crate::issuer::Standing;
use crate::secrets::{self, Surveyed};
use crate::telemetry::{Metrics, Outcome, Party};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

/// How long the ages of secrets are good for.
const SURVEY_SECONDS: i64 = 1;

pub(super) struct Reporter {
    current: Arc<ArcSwap<Generation>>,
    audit: AuditLog,
    metrics: Metrics,
    readiness: Readiness,
    /// What the metrics have already.
    counted: Counters,
    /// Targets whose credential's end is among the metrics.
    expiring: BTreeSet<Box<str>>,
    /// Targets whose credentials are counted among the metrics.
    holding: BTreeSet<Box<str>>,
    /// Issuers whose clock is among the metrics.
    timed: BTreeSet<Box<str>>,
    clocks: Clocks,
    /// What was found of secrets, by which generation and when.
    surveyed: Option<(u64, Timestamp, Vec<Surveyed>)>,
    clock: Clock,
    /// Why the last reload was refused: the first problem of each component.
    refused: BTreeMap<&'static str, String>,
}

impl Reporter {
    pub(super) fn new(
        current: Arc<ArcSwap<Generation>>,
        audit: AuditLog,
        metrics: Metrics,
        readiness: Readiness,
        clocks: Clocks,
        clock: Clock,
    ) -> Self {
        Self {
            current,
            audit,
            metrics,
            readiness,
            counted: Counters::default(),
            expiring: BTreeSet::new(),
            holding: BTreeSet::new(),
            timed: BTreeSet::new(),
            clocks,
            surveyed: None,
            clock,
            refused: BTreeMap::new(),
        }
    }

    /// How the last reload went; without problems it was accepted.
    pub(super) fn reloaded(&mut self, problems: &[Problem]) {
        self.refused.clear();
        for Problem { component, message } in problems {
            self.refused
                .entry(component)
                .or_insert_with(|| format!("the last reload was refused: {message}"));
        }
    }

    /// Looks at everything. Says whether an issuer has no keys, so that somebody should fetch them.
    pub(super) fn report(&mut self) -> bool {
        let generation = self.current.load_full();
        self.report_audit();
        generation.secrets.tend();
        generation.credentials.tend();
        generation
            .targets
            .values()
            .for_each(|side| side.credentials.tend());
        let sessions = generation.targets.iter();
        let sessions: Vec<_> = sessions
            .map(|(name, side)| (&**name, side.credentials.sessions()))
            .collect();
        self.count_credentials(&generation, &sessions);
        self.report_secrets(&generation);
        self.clocks.report(&generation, &self.metrics);
        let issuers = generation.verifier.readiness();
        // What is in use is whole, or it would not be in use.
        for component in ["config", "sessions", "policies"] {
            self.set(component, Vec::new());
        }
        let found = self.report_issuer(&generation);
        self.set("issuer", found);
        let drifts = self.compare_clocks(&generation);
        let found = issuers.iter().filter_map(of_issuer);
        self.set("issuers", found.chain(drifts).collect());
        let troubled = sessions
            .iter()
            .filter_map(|(name, sessions)| of_sessions(name, sessions));
        let (general, theirs): (Vec<_>, Vec<_>) = troubled.partition(|(is_general, _)| *is_general);
        let reasons = |found: Vec<(bool, String)>| found.into_iter().map(|(_, reason)| reason).collect();
        self.set_with_notes("targets", reasons(general), reasons(theirs));
        issuers
            .iter()
            .any(|(_, state)| matches!(state, IssuerState::NeverFetched | IssuerState::Unavailable { .. }))
    }

    /// Degraded by a refused reload or by what is found now: what was loaded before still serves.
    fn set(&self, component: &'static str, found: Vec<String>) {
        self.set_with_notes(component, found, Vec::new());
    }

    /// The same, with what is worth a word and no alarm.
    fn set_with_notes(&self, component: &'static str, found: Vec<String>, notes: Vec<String>) {
        let mut reasons: Vec<_> = self.refused.get(component).cloned().into_iter().collect();
        reasons.extend(found);
        let is_degraded = !reasons.is_empty();
        reasons.extend(notes);
        let text = reasons.join("; ");
        let state = match (is_degraded, reasons.is_empty()) {
            (true, _) => State::Degraded(text),
            (false, false) => State::Noted(text),
            (false, true) => State::Ok,
        };
        self.readiness.set(component, state);
    }

    /// The keys by which clouds know us. That they cannot be read again shows as a refused reload.
    fn report_issuer(&self, generation: &Generation) -> Vec<String> {
        let Some(issuer) = &generation.issuer else {
            self.metrics.issuer_keys(0, None, None);
            return Vec::new();
        };
        let keys = issuer.keys();
        let listed = keys.listed(self.clock.now());
        let published = listed.iter().filter(|key| key.standing != Standing::Gone).count();
        let signing = listed.iter().find(|key| key.standing == Standing::Signing);
        let next = listed.iter().find_map(|key| match key.standing {
            Standing::Announced(from) => Some(from),
            Standing::Signing | Standing::Superseded(_) | Standing::Gone => None,
        });
        self.metrics
            .issuer_keys(published, signing.map(|key| key.signs_from), next);
        match signing {
            Some(_) => Vec::new(),
            None => vec![NOTHING_SIGNS.to_owned()],
        }
    }

    fn report_audit(&mut self) {
        let now = self.audit.counters();
        let before = mem::replace(&mut self.counted, now);
        self.metrics.audit_records(
            now.written.saturating_sub(before.written),
            now.failures.saturating_sub(before.failures),
            now.refused.saturating_sub(before.refused),
        );
        self.metrics.audit_pending(now.pending);
        let health = if self.audit.is_healthy() {
            State::Ok
        } else {
            State::Failed("the audit log cannot be written; requests are refused".into())
        };
        self.readiness.set("audit", health);
    }

    /// The clocks of issuers. Answers which of them are so far off that their tokens are refused.
    fn compare_clocks(&mut self, generation: &Generation) -> Vec<String> {
        let drifts = generation.verifier.drifts();
        let timed: BTreeSet<Box<str>> = drifts.iter().map(|(name, _)| name.clone()).collect();
        for gone in self.timed.difference(&timed) {
            self.metrics.forget_drift(Party::Issuer, gone);
        }
        self.timed = timed;
        for (name, drift) in &drifts {
            self.metrics.clock_drift(Party::Issuer, name, *drift);
        }
        drifts.iter().filter_map(of_clock).collect()
    }

    /// Versions, ages and reads. A secret that cannot be read is not on its own a reason to send requests elsewhere.
    fn report_secrets(&mut self, generation: &Generation) {
        for (secret, tally) in generation.secrets.take_tallies() {
            self.metrics.secret_reads(&secret, Outcome::Ok, tally.succeeded);
            self.metrics.secret_reads(&secret, Outcome::Failed, tally.failed);
        }
        let now = self.clocks.now();
        // Files are looked at, which nobody needs twice a second.
        let is_due = self.surveyed.as_ref().is_none_or(|(of, at, found)| {
            let unread = found
                .iter()
                .any(|one| one.version.is_none() || one.cause.is_some());
            let age = now.duration_since(*at).as_secs();
            *of != generation.number || unread || !(0..SURVEY_SECONDS).contains(&age)
        });
        if is_due {
            self.surveyed = Some((
                generation.number,
                now,
                generation.secrets.survey(&generation.config, now),
            ));
        }
        let surveyed = self.surveyed.as_ref().map_or(&[][..], |(_, _, found)| found);
        self.metrics.secrets(surveyed, now);
        let versions = generation.targets.iter();
        let versions = versions.filter_map(|(name, side)| Some((&**name, side.credentials.version()?)));
        self.metrics.credential_versions(versions);
        let found = surveyed.iter().flat_map(|one| {
            let unread = one.cause.as_ref().map(|cause| match &one.version {
                Some(version) => format!(
                    "`{}` cannot be read again, and version `{version}` goes on: {cause}",
                    one.secret
                ),
                None => format!("`{}` cannot be read: {cause}", one.secret),
            });
            [unread, secrets::of_age(one)].into_iter().flatten()
        });
        let found = found.collect();
        self.set("secrets", found);
    }

    fn count_credentials(&mut self, generation: &Generation, sessions: &[(&str, Sessions)]) {
        for (name, side) in &generation.targets {
            let attempts = side.credentials.take_attempts();
            for (result, count) in [
                (Outcome::Ok, attempts.succeeded),
                (Outcome::Failed, attempts.failed),
            ] {
                self.metrics.credential_refreshes(name, result, count);
            }
        }
        let mut expiring = BTreeSet::new();
        for (name, all) in sessions {
            for (state, count) in counted(all) {
                self.metrics.credential_sessions(name, state, count);
            }
            if let Some(at) = all.ends {
                self.metrics.credential_expires(name, at);
                expiring.insert(Box::from(*name));
            }
        }
        let holding: BTreeSet<Box<str>> = generation.targets.keys().cloned().collect();
        for gone in self.holding.difference(&holding) {
            for state in STATES {
                self.metrics.forget_sessions(gone, state);
            }
        }
        self.holding = holding;
        for gone in self.expiring.difference(&expiring) {
            self.metrics.forget_expiry(gone);
        }
        self.expiring = expiring;
    }
}

/// Only a clock that was set back leads here.
const NOTHING_SIGNS: &str = "no key of Tidegate's own issuer may sign yet, so that clouds give no credential: check the clock of this machine";

fn of_issuer((name, state): &(Box<str>, IssuerState)) -> Option<String> {
    match state {
        IssuerState::NeverFetched | IssuerState::Ready { .. } => None,
        IssuerState::Stale { fetched_at, cause } => Some(format!(
            "the keys of issuer `{name}` cannot be renewed since {fetched_at:.0} and serve for a day: {cause}"
        )),
        IssuerState::Unavailable { cause } => Some(format!(
            "there are no keys of issuer `{name}`, its tokens are refused: {cause}"
        )),
    }
}

fn of_clock((name, drift): &(Box<str>, Drift)) -> Option<String> {
    drift.exceeds(LEEWAY).then(|| {
        format!("seen from here the clock of issuer `{name}` is {drift}: its tokens seem to be of the future or of the past")
    })
}

/// How credentials are, as metrics say it.
const STATES: [&str; 3] = ["ready", "stale", "unavailable"];

fn counted(sessions: &Sessions) -> impl Iterator<Item = (&'static str, usize)> {
    let counts = [sessions.ready, sessions.stale, sessions.unavailable];
    STATES.into_iter().zip(counts)
}

/// What the operator should know of the credentials of a target, and whether it is more than some callers' trouble.
fn of_sessions(name: &str, sessions: &Sessions) -> Option<(bool, String)> {
    let count = sessions.count();
    let cause = match &sessions.worst {
        CredentialState::Stale { cause, .. } | CredentialState::Unavailable { cause } => cause,
        CredentialState::Unused | CredentialState::Ready { .. } => return None,
    };
    if count == 1 {
        return of_credential(name, &sessions.worst).map(|reason| (true, reason));
    }
    let mut said = Vec::new();
    if sessions.unavailable > 0 {
        said.push(format!(
            "{} of {count} sessions at target `{name}` have no credential, their callers get 503",
            sessions.unavailable
        ));
    }
    if sessions.stale > 0 {
        said.push(format!(
            "{} of {count} sessions at target `{name}` cannot be renewed",
            sessions.stale
        ));
    }
    Some((sessions.is_general(), format!("{}: {cause}", said.join(", "))))
}

fn of_credential(name: &str, state: &CredentialState) -> Option<String> {
    match state {
        CredentialState::Unused | CredentialState::Ready { .. } => None,
        CredentialState::Stale {
            expires_at: Some(at),
            cause,
        } => Some(format!(
            "the credential of target `{name}` cannot be renewed and ends at {at:.0}: {cause}"
        )),
        CredentialState::Stale {
            expires_at: None,
            cause,
        } => Some(format!("the keys of target `{name}`: {cause}")),
        CredentialState::Unavailable { cause } => Some(format!(
            "there is no credential for target `{name}`, its buckets answer 503: {cause}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn a_clock_is_worth_a_word_when_tokens_are_refused_for_it() {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let of = |seconds| of_clock(&("idp".into(), Drift::seen(at(seconds), at(0), at(0))));
        assert_eq!(of(30), None);
        assert_eq!(of(-30), None);
        let ahead = "seen from here the clock of issuer `idp` is 31 s ahead: its tokens seem to be of the future or of the past";
        assert_eq!(of(31).as_deref(), Some(ahead));
        assert!(of(-1020).is_some_and(|text| text.contains("is 17 min behind: ")));
    }
}
