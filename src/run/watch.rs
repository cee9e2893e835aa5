//! Reloading: on SIGHUP and when a file changed. A file that is broken changes nothing but the health report.

use super::report::Reporter;
use super::{WATCH_INTERVAL, watched_files};
use crate::admin::{Readiness, State};
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::config::Config;
use crate::generation::Generation;
use crate::listener::CertificateStore;
use crate::telemetry::{Metrics, Outcome};
use arc_swap::ArcSwap;
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::signal::unix::Signal;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(super) struct Watcher {
    pub(super) config_path: PathBuf,
    /// The files as they were before they were read.
    pub(super) looked: Option<Look>,
    pub(super) clock: Clock,
    pub(super) current: Arc<ArcSwap<Generation>>,
    pub(super) certificates: Arc<CertificateStore>,
    pub(super) audit: AuditLog,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    pub(super) reporter: Reporter,
    pub(super) hangup: Option<Signal>,
    /// A fetch of issuers' keys that is under way.
    pub(super) warming: Option<JoinHandle<()>>,
    /// The configuration that was refused, as far as it can be read.
    pub(super) refused: Option<Config>,
}

/// The files that decide, and those of the certificate, as they were at one time.
pub(super) type Look = (Fingerprint, Fingerprint);

/// What tells one version of a file from the next without reading it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<Option<(u64, u64, i64, i64)>>);

impl Watcher {
    /// Before the first request. Everything is loaded; the keys of issuers are fetched while requests are served.
    pub(super) fn begin(&mut self) {
        self.readiness.set("certificate", State::Ok);
        let generation = self.current.load();
        self.metrics.generation(generation.number, &generation.id);
        self.report();
    }

    pub(super) async fn run(mut self, end: CancellationToken) {
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut applied = self.looked.take().unwrap_or_else(|| self.fingerprints());
        let mut seen = self.fingerprints();
        loop {
            let forced = tokio::select! {
                () = end.cancelled() => return,
                () = caught(&mut self.hangup) => true,
                _ = ticks.tick() => false,
            };
            // Before a reload takes targets away whose last numbers nobody has seen.
            self.report();
            if forced && let Err(error) = self.audit.reopen().await {
                tracing::error!(%error, "the audit file cannot be opened again, the open one stays");
            }
            // INVARIANT: taken before anything is read. A change that comes while a file is read differs from it, and
            // is found at the next look.
            let now = self.fingerprints();
            // CFG-03: files that are being written are left alone until two looks find the same.
            let settled = now == seen;
            if forced || (settled && now.0 != applied.0) {
                self.reload();
                applied.0 = now.0.clone();
            }
            if forced || (settled && now.1 != applied.1) {
                self.reload_certificate();
                applied.1 = now.1.clone();
            }
            seen = now;
        }
    }

    fn report(&mut self) {
        let wanting = self.reporter.report();
        let idle = self.warming.as_ref().is_none_or(JoinHandle::is_finished);
        if wanting && idle {
            // Never in the way of a request; how often an issuer is asked is bounded by its own cooldown.
            let verifier = Arc::clone(&self.current.load().verifier);
            self.warming = Some(tokio::spawn(async move { verifier.warm().await }));
        }
    }

    /// All or nothing: the new generation is complete before it replaces the old one.
    fn reload(&mut self) {
        let previous = self.current.load_full();
        match Generation::load(&self.config_path, &self.clock, Some(&previous)) {
            Ok(next) => {
                for setting in unreloadable(&previous, &next) {
                    tracing::warn!(setting, "this setting changed and takes a restart to apply");
                }
                next.announce();
                self.metrics.policy_reload(Outcome::Ok);
                self.metrics.generation(next.number, &next.id);
                self.current.store(Arc::new(next));
                self.refused = None;
                self.reporter.reloaded(&[]);
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::error!(%problem, "reload refused, the last good generation stays");
                }
                self.metrics.policy_reload(Outcome::Failed);
                self.reporter.reloaded(&problems);
                self.refused = crate::config::load(&self.config_path).ok();
            }
        }
        self.report();
    }

    fn reload_certificate(&self) {
        match self.certificates.reload() {
            Ok(()) => {
                tracing::info!("certificate reloaded");
                self.metrics.certificate_reload(Outcome::Ok);
                self.readiness.set("certificate", State::Ok);
            }
            Err(error) => {
                tracing::error!(%error, "certificate refused, the last good one stays");
                self.metrics.certificate_reload(Outcome::Failed);
                self.readiness
                    .set("certificate", State::Degraded(error.to_string()));
            }
        }
    }

    fn fingerprints(&self) -> (Fingerprint, Fingerprint) {
        let generation = self.current.load();
        let mut looked = look(&self.config_path, &generation.config);
        // What a refused configuration names is what somebody is about to mend.
        if let Some(refused) = &self.refused {
            looked.0.0.extend(look(&self.config_path, refused).0.0);
        }
        looked
    }
}

/// Looks at the files that `config` names.
pub(super) fn look(config_path: &Path, config: &Config) -> Look {
    let (deciding, certificate) = watched_files(config_path, config);
    (fingerprint(&deciding), fingerprint(&certificate))
}

/// Ready with the next signal; never without any.
async fn caught(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

fn fingerprint(files: &[PathBuf]) -> Fingerprint {
    let one = |path: &Path| {
        std::fs::metadata(path)
            .ok()
            .map(|m| (m.ino(), m.len(), m.mtime(), m.mtime_nsec()))
    };
    Fingerprint(files.iter().map(|path| one(path)).collect())
}

/// Settings that a running process cannot change.
fn unreloadable(previous: &Generation, next: &Generation) -> Vec<&'static str> {
    let (old, new) = (&previous.config, &next.config);
    [
        ("server.listen", old.server.listen != new.server.listen),
        (
            "server.tls",
            (&old.server.certificate, &old.server.key) != (&new.server.certificate, &new.server.key),
        ),
        (
            "server.longest_transfer",
            old.server.longest_transfer != new.server.longest_transfer,
        ),
        ("admin.listen", old.admin.listen != new.admin.listen),
        ("audit.file", old.audit.file != new.audit.file),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}
