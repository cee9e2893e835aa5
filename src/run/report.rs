//! What nobody reports by itself: looked at every second, for `/metrics` and `/readyz`.
//!
//! The rooms count for themselves and know nothing of telemetry; this is where their numbers become metrics.

use crate::admin::{Readiness, State};
use crate::audit::{AuditLog, Counters};
use crate::credentials::CredentialState;
use crate::generation::Generation;
use crate::telemetry::{Metrics, Outcome};
use arc_swap::ArcSwap;
use std::{collections::BTreeSet, mem, sync::Arc};

pub(super) struct Reporter {
    current: Arc<ArcSwap<Generation>>,
    audit: AuditLog,
    metrics: Metrics,
    readiness: Readiness,
    /// What the metrics have already.
    counted: Counters,
    /// Targets whose credential's end is among the metrics.
    expiring: BTreeSet<Box<str>>,
}

impl Reporter {
    pub(super) fn new(
        current: Arc<ArcSwap<Generation>>,
        audit: AuditLog,
        metrics: Metrics,
        readiness: Readiness,
    ) -> Self {
        Self {
            current,
            audit,
            metrics,
            readiness,
            counted: Counters::default(),
            expiring: BTreeSet::new(),
        }
    }

    pub(super) fn report(&mut self) {
        let generation = self.current.load_full();
        self.report_audit();
        self.report_credentials(&generation);
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

    fn report_credentials(&mut self, generation: &Generation) {
        let mut expiring = BTreeSet::new();
        for (name, side) in &generation.targets {
            let attempts = side.credentials.take_attempts();
            for (result, count) in [
                (Outcome::Ok, attempts.succeeded),
                (Outcome::Failed, attempts.failed),
            ] {
                self.metrics.credential_refreshes(name, result, count);
            }
            match side.credentials.state() {
                CredentialState::Ready {
                    expires_at: Some(at), ..
                }
                | CredentialState::Stale {
                    expires_at: Some(at), ..
                } => {
                    self.metrics.credential_expires(name, at);
                    expiring.insert(name.clone());
                }
                CredentialState::Ready { expires_at: None }
                | CredentialState::Stale { expires_at: None, .. }
                | CredentialState::Unused
                | CredentialState::Unavailable { .. } => {}
            }
        }
        for gone in self.expiring.difference(&expiring) {
            self.metrics.forget_expiry(gone);
        }
        self.expiring = expiring;
    }
}
