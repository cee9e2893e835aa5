//! The numbers.
//!
//! INVARIANT: a label's values are written in this source, in the configuration or in another file of the operator's. No
//! key of an object, no principal, no path, no user agent: a caller must not be able to make a time series (LIM-12).
//! Hence `&'static str` and enums for everything that a request decides.

use super::labels::{
    CredentialVersionLabels, Decision, DigestLabel, Direction, DriftLabels, IdLabel, OperationLabel, Outcome,
    OutcomeLabel, Party, RequestLabels, SecretLabel, SecretOutcomeLabels, SecretVersionLabels,
    SessionsLabels, StatusClass, StsLabels, TargetLabel, TargetOutcomeLabels,
};
use crate::clock::Drift;
use crate::secrets::Surveyed;
use http::StatusCode;
use jiff::Timestamp;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{fmt, sync::Arc, time::Duration};

/// Seconds. From a decision alone to a part of some gigabytes.
const BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// All metrics. Clones are cheap and count together.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    requests: Family<RequestLabels, Counter>,
    durations: Family<OperationLabel, Histogram, fn() -> Histogram>,
    bytes_in: Counter,
    bytes_out: Counter,
    connections: Gauge,
    policy_reloads: Family<OutcomeLabel, Counter>,
    policy_reload_failed: Gauge,
    generation: Gauge,
    generation_digest: Family<DigestLabel, Gauge>,
    certificate_reloads: Family<OutcomeLabel, Counter>,
    audit_records: Counter,
    audit_failures: Counter,
    audit_refused: Counter,
    audit_pending: Gauge,
    credential_refreshes: Family<TargetOutcomeLabels, Counter>,
    credential_expires: Family<TargetLabel, Gauge>,
    credential_sessions: Family<SessionsLabels, Gauge>,
    secret_versions: Family<SecretVersionLabels, Gauge>,
    secret_ages: Family<SecretLabel, Gauge>,
    secret_reads: Family<SecretOutcomeLabels, Counter>,
    credential_versions: Family<CredentialVersionLabels, Gauge>,
    service_key_expiry: Family<IdLabel, Gauge>,
    issuer_keys: Gauge,
    issuer_signs_since: Gauge,
    issuer_next: Gauge,
    sts_requests: Family<StsLabels, Counter>,
    cedar_errors: Counter,
    clock_drift: Family<DriftLabels, Gauge>,
    registry: Registry,
}

impl Metrics {
    /// The `Content-Type` of [`Metrics::encode`].
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// All at zero.
    pub fn new() -> Self {
        let mut into = Registry::with_prefix("tidegate");
        let into = &mut into;
        let durations: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let help = "From the head of a request to the last byte of its answer";
        into.register("request_duration_seconds", help, durations.clone());
        let bytes: Family<[(&str, &str); 1], Counter> = register(
            into,
            "bytes",
            "Bytes of request bodies (in) and response bodies (out)",
        );
        let policy_reloads = register(into, "policy_reloads", "Attempts to load policies");
        let certificate_reloads = register(into, "certificate_reloads", "Attempts to load the certificate");
        for family in [&policy_reloads, &certificate_reloads] {
            // Present from the start: a rate over a series that appears with its first failure misses it.
            appear(family, Outcome::Ok);
            appear(family, Outcome::Failed);
        }
        Self(Arc::new(Inner {
            requests: register(into, "requests", "Requests answered"),
            durations,
            bytes_in: bytes.get_or_create_owned(&[("direction", "in")]),
            bytes_out: bytes.get_or_create_owned(&[("direction", "out")]),
            connections: register(into, "connections", "Open connections of callers"),
            policy_reloads,
            policy_reload_failed: register(
                into,
                "policy_reload_failed",
                "1 while the policies on disk cannot be loaded and older ones are in use",
            ),
            generation: register(
                into,
                "generation",
                "Generations of configuration, policies and session keys since the start",
            ),
            generation_digest: register(
                into,
                "generation_digest",
                "1 for the configuration, policies and session keys in use: the same on all replicas that agree",
            ),
            certificate_reloads,
            audit_records: register(into, "audit_records", "Audit records written"),
            audit_failures: register(
                into,
                "audit_failures",
                "Writes of audit records that failed and are tried again",
            ),
            audit_refused: register(
                into,
                "audit_refused",
                "Requests refused because they could not be recorded",
            ),
            audit_pending: register(
                into,
                "audit_pending",
                "Audit records that are open or wait to be written",
            ),
            credential_refreshes: register(
                into,
                "credential_refreshes",
                "Attempts to get a credential for a target",
            ),
            credential_expires: register(
                into,
                "credential_expires_seconds",
                "When the credential in use expires, in seconds since 1970; of several, the first one",
            ),
            credential_sessions: register(
                into,
                "credential_sessions",
                "Credentials of a target that are in use, by how they are",
            ),
            secret_versions: register(
                into,
                "secret_version_info",
                "1 for the version of a secret that was read last",
            ),
            secret_ages: register(
                into,
                "secret_age_seconds",
                "How old the version of a secret is that was read last, where that is known",
            ),
            secret_reads: register(into, "secret_reads", "Attempts to read a secret from its manager"),
            credential_versions: register(
                into,
                "credential_version_info",
                "1 for the version of the secret that signs for a target",
            ),
            service_key_expiry: register(
                into,
                "service_key_expiry_seconds",
                "When a service key that works expires, in seconds since 1970",
            ),
            issuer_keys: register(
                into,
                "issuer_keys",
                "Keys of Tidegate's own issuer that are published; 0 if it is none",
            ),
            issuer_signs_since: register(
                into,
                "issuer_key_signs_since_seconds",
                "Since when the key signs that does, in seconds since 1970; 0 if none does",
            ),
            issuer_next: register(
                into,
                "issuer_next_key_signs_seconds",
                "When the next key will sign, in seconds since 1970; 0 if there is none",
            ),
            sts_requests: register(into, "sts_requests", "Requests for sessions, by answer"),
            cedar_errors: register(into, "cedar_errors", "Evaluation errors; each one denies"),
            clock_drift: register(
                into,
                "clock_drift_seconds",
                "How far the clock of an identity provider, a target or callers is ahead of ours, as last seen",
            ),
            registry: std::mem::take(into),
        }))
    }

    /// A request is over. `operation` is the API's name, or one word for all that were not understood.
    pub fn request(&self, operation: &'static str, status: StatusCode, decision: Decision, took: Duration) {
        let labels = RequestLabels {
            operation,
            status_class: StatusClass(status.as_u16() / 100),
            decision,
        };
        self.0.requests.get_or_create(&labels).inc();
        let seconds = took.as_secs_f64();
        self.0
            .durations
            .get_or_create(&OperationLabel { operation })
            .observe(seconds);
    }

    /// Bytes of a body have passed. Cheap enough for each frame.
    pub fn bytes(&self, direction: Direction, count: u64) {
        match direction {
            Direction::In => self.0.bytes_in.inc_by(count),
            Direction::Out => self.0.bytes_out.inc_by(count),
        };
    }

    /// A connection is open until the guard is dropped.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.0.connections.inc();
        Connected(self.0.connections.clone())
    }

    /// Policies were loaded, or could not be.
    pub fn policy_reload(&self, result: Outcome) {
        self.0
            .policy_reloads
            .get_or_create(&OutcomeLabel { result })
            .inc();
        self.0
            .policy_reload_failed
            .set(i64::from(result == Outcome::Failed));
    }

    /// This is in use now. `digest` is the same wherever configuration, policies and session keys are.
    pub fn generation(&self, number: u64, digest: &str) {
        self.0.generation.set(i64::try_from(number).unwrap_or(i64::MAX));
        self.0.generation_digest.clear();
        let label = DigestLabel {
            digest: digest.into(),
        };
        self.0.generation_digest.get_or_create(&label).set(1);
    }

    /// The certificate was loaded, or could not be.
    pub fn certificate_reload(&self, result: Outcome) {
        self.0
            .certificate_reloads
            .get_or_create(&OutcomeLabel { result })
            .inc();
    }

    /// So many more audit records were written, writes failed, and requests were refused for want of a record.
    pub fn audit_records(&self, written: u64, failures: u64, refused: u64) {
        self.0.audit_records.inc_by(written);
        self.0.audit_failures.inc_by(failures);
        self.0.audit_refused.inc_by(refused);
    }

    /// So many audit records are open or wait to be written now.
    pub fn audit_pending(&self, records: u64) {
        self.0
            .audit_pending
            .set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// So many more attempts to get a credential for this configured target ended so.
    pub fn credential_refreshes(&self, target: &str, result: Outcome, count: u64) {
        let labels = TargetOutcomeLabels {
            target: target.into(),
            result,
        };
        self.0.credential_refreshes.get_or_create(&labels).inc_by(count);
    }

    /// The credential in use for this configured target expires then.
    pub fn credential_expires(&self, target: &str, at: Timestamp) {
        let label = TargetLabel {
            target: target.into(),
        };
        self.0
            .credential_expires
            .get_or_create(&label)
            .set(at.as_second());
    }

    /// This target has no credential that ends, or is no longer configured: an old expiry must not raise an alarm.
    pub fn forget_expiry(&self, target: &str) {
        self.0.credential_expires.remove(&TargetLabel {
            target: target.into(),
        });
    }

    /// So many credentials of this configured target are in use and in this state: `ready`, `stale` or `unavailable`.
    pub fn credential_sessions(&self, target: &str, state: &'static str, count: usize) {
        let labels = SessionsLabels {
            target: target.into(),
            state,
        };
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.0.credential_sessions.get_or_create(&labels).set(count);
    }

    /// This target is no longer configured.
    pub fn forget_sessions(&self, target: &str, state: &'static str) {
        self.0.credential_sessions.remove(&SessionsLabels {
            target: target.into(),
            state,
        });
    }

    /// What is known of secrets now. A version's name comes from its manager, and stays only while it is in use.
    pub fn secrets(&self, surveyed: &[Surveyed], now: Timestamp) {
        self.0.secret_versions.clear();
        self.0.secret_ages.clear();
        for one in surveyed {
            if let Some(version) = &one.version {
                let labels = SecretVersionLabels {
                    secret: one.secret.clone(),
                    version: version.to_string(),
                };
                self.0.secret_versions.get_or_create(&labels).set(1);
            }
            if let Some(at) = one.created_at {
                let secret = one.secret.clone();
                let age = now.duration_since(at).as_secs();
                self.0.secret_ages.get_or_create(&SecretLabel { secret }).set(age);
            }
        }
    }

    /// So many more attempts to read this configured secret from its manager ended so.
    pub fn secret_reads(&self, secret: &str, result: Outcome, count: u64) {
        let labels = SecretOutcomeLabels {
            secret: secret.to_owned(),
            result,
        };
        self.0.secret_reads.get_or_create(&labels).inc_by(count);
    }

    /// These versions of secrets sign for these configured targets.
    pub fn credential_versions<'a>(&self, versions: impl Iterator<Item = (&'a str, Box<str>)>) {
        self.0.credential_versions.clear();
        for (target, version) in versions {
            let labels = CredentialVersionLabels {
                target: target.to_owned(),
                version: version.into(),
            };
            self.0.credential_versions.get_or_create(&labels).set(1);
        }
    }

    /// These service keys work and expire then. Their ids stand in a file of the operator's.
    pub fn service_keys<'a>(&self, keys: impl Iterator<Item = (&'a str, Timestamp)>) {
        self.0.service_key_expiry.clear();
        for (id, expires) in keys {
            let label = IdLabel { id: id.into() };
            self.0
                .service_key_expiry
                .get_or_create(&label)
                .set(expires.as_second());
        }
    }

    /// So many keys of our own issuer are published; the one that signs does since then, and the next one will.
    pub fn issuer_keys(&self, published: usize, signs_since: Option<Timestamp>, next: Option<Timestamp>) {
        let seconds = |at: Option<Timestamp>| at.map_or(0, Timestamp::as_second);
        self.0
            .issuer_keys
            .set(i64::try_from(published).unwrap_or(i64::MAX));
        self.0.issuer_signs_since.set(seconds(signs_since));
        self.0.issuer_next.set(seconds(next));
    }

    /// A request for a session was answered. `code` is the error's, or `ok`.
    pub fn sts_request(&self, action: &'static str, code: &'static str) {
        self.0
            .sts_requests
            .get_or_create(&StsLabels { action, code })
            .inc();
    }

    /// Cedar could not evaluate a policy.
    pub fn cedar_error(&self) {
        self.0.cedar_errors.inc();
    }

    /// How far somebody's clock was from ours when it was last seen. `name` is a configured one, or empty.
    pub fn clock_drift(&self, party: Party, name: &str, drift: Drift) {
        let labels = DriftLabels {
            party,
            name: name.into(),
        };
        self.0.clock_drift.get_or_create(&labels).set(drift.seconds());
    }

    /// This issuer or target is no longer configured.
    pub fn forget_drift(&self, party: Party, name: &str) {
        self.0.clock_drift.remove(&DriftLabels {
            party,
            name: name.into(),
        });
    }

    /// All metrics in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail, and half an exposition has no `# EOF`: a scraper refuses it.
        let _ = text::encode(&mut text, &self.0.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn register<M>(into: &mut Registry, name: &str, help: &str) -> M
where
    M: prometheus_client::registry::Metric + Default + Clone,
{
    let metric = M::default();
    into.register(name, help, metric.clone());
    metric
}

fn appear(family: &Family<OutcomeLabel, Counter>, result: Outcome) {
    drop(family.get_or_create(&OutcomeLabel { result }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(metrics: &Metrics, line: &str) {
        let text = metrics.encode();
        assert!(text.lines().any(|l| l == line), "no line `{line}` in\n{text}");
    }

    #[test]
    fn everything_is_counted_under_its_name() {
        let metrics = Metrics::new();
        let took = Duration::from_millis(20);
        metrics.request("GetObject", StatusCode::PARTIAL_CONTENT, Decision::Allow, took);
        metrics.request("GetObject", StatusCode::OK, Decision::Allow, took);
        metrics.request("unknown", StatusCode::NOT_IMPLEMENTED, Decision::Error, took);
        metrics.bytes(Direction::In, 5);
        metrics.bytes(Direction::Out, 7);
        metrics.policy_reload(Outcome::Ok);
        metrics.certificate_reload(Outcome::Failed);
        metrics.audit_records(3, 2, 1);
        metrics.audit_pending(4);
        metrics.credential_refreshes("store", Outcome::Ok, 1);
        metrics.credential_expires("store", Timestamp::from_second(1_800_000_000).unwrap());
        metrics.credential_sessions("store", "unavailable", 2);
        metrics.sts_request("AssumeRoleWithWebIdentity", "ok");
        metrics.cedar_error();
        let allowed =
            r#"tidegate_requests_total{operation="GetObject",status_class="2xx",decision="allow"} 2"#;
        check(&metrics, allowed);
        check(
            &metrics,
            r#"tidegate_requests_total{operation="unknown",status_class="5xx",decision="error"} 1"#,
        );
        check(
            &metrics,
            r#"tidegate_request_duration_seconds_bucket{le="0.01",operation="GetObject"} 0"#,
        );
        check(
            &metrics,
            r#"tidegate_request_duration_seconds_bucket{le="0.025",operation="GetObject"} 2"#,
        );
        check(
            &metrics,
            r#"tidegate_request_duration_seconds_count{operation="GetObject"} 2"#,
        );
        check(&metrics, r#"tidegate_bytes_total{direction="in"} 5"#);
        check(&metrics, r#"tidegate_bytes_total{direction="out"} 7"#);
        check(&metrics, r#"tidegate_policy_reloads_total{result="ok"} 1"#);
        check(&metrics, r#"tidegate_policy_reloads_total{result="failed"} 0"#);
        check(
            &metrics,
            r#"tidegate_certificate_reloads_total{result="failed"} 1"#,
        );
        check(&metrics, "tidegate_audit_records_total 3");
        check(&metrics, "tidegate_audit_failures_total 2");
        check(&metrics, "tidegate_audit_refused_total 1");
        check(&metrics, "tidegate_audit_pending 4");
        check(
            &metrics,
            r#"tidegate_credential_refreshes_total{target="store",result="ok"} 1"#,
        );
        check(
            &metrics,
            r#"tidegate_credential_expires_seconds{target="store"} 1800000000"#,
        );
        check(
            &metrics,
            r#"tidegate_credential_sessions{target="store",state="unavailable"} 2"#,
        );
        check(
            &metrics,
            r#"tidegate_sts_requests_total{action="AssumeRoleWithWebIdentity",code="ok"} 1"#,
        );
        check(&metrics, "tidegate_cedar_errors_total 1");
        assert!(metrics.encode().ends_with("# EOF\n"));
    }

    #[test]
    fn a_connection_counts_until_its_guard_is_dropped() {
        let metrics = Metrics::new();
        let (first, second) = (metrics.connected(), metrics.clone().connected());
        check(&metrics, "tidegate_connections 2");
        drop(first);
        check(&metrics, "tidegate_connections 1");
        drop(second);
        check(&metrics, "tidegate_connections 0");
    }

    // CFG-02, CFG-04
    #[test]
    fn only_the_generation_in_use_is_shown() {
        let metrics = Metrics::new();
        metrics.generation(1, "sha256:aa");
        metrics.generation(2, "sha256:bb");
        metrics.policy_reload(Outcome::Failed);
        check(&metrics, "tidegate_generation 2");
        check(&metrics, r#"tidegate_generation_digest{digest="sha256:bb"} 1"#);
        assert!(!metrics.encode().contains("sha256:aa"));
        check(&metrics, "tidegate_policy_reload_failed 1");
        metrics.policy_reload(Outcome::Ok);
        check(&metrics, "tidegate_policy_reload_failed 0");
    }

    #[test]
    fn drift_is_told_apart_by_whose_it_is() {
        let metrics = Metrics::new();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        metrics.clock_drift(Party::Issuer, "google", Drift::seen(at(90), at(100), at(100)));
        metrics.clock_drift(Party::Target, "store", Drift::seen(at(117), at(100), at(100)));
        check(
            &metrics,
            r#"tidegate_clock_drift_seconds{party="issuer",name="google"} -10"#,
        );
        check(
            &metrics,
            r#"tidegate_clock_drift_seconds{party="target",name="store"} 17"#,
        );
        metrics.forget_drift(Party::Issuer, "google");
        assert!(!metrics.encode().contains("google"));
    }

    #[test]
    fn only_service_keys_that_are_there_have_an_end() {
        let metrics = Metrics::new();
        let expires = Timestamp::from_second(1_900_000_000).unwrap();
        metrics.service_keys([("TGSKGONE", expires)].into_iter());
        metrics.service_keys([("TGSKAAAA", expires)].into_iter());
        check(
            &metrics,
            r#"tidegate_service_key_expiry_seconds{id="TGSKAAAA"} 1900000000"#,
        );
        assert!(!metrics.encode().contains("TGSKGONE"));
    }

    #[test]
    fn a_forgotten_expiry_raises_no_alarm() {
        let metrics = Metrics::new();
        metrics.credential_expires("gone", Timestamp::UNIX_EPOCH);
        metrics.forget_expiry("gone");
        assert!(!metrics.encode().contains("gone"));
    }
}
