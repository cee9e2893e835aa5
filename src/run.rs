//! Start, serve, reload, drain: the life of the process.

use crate::admin::{AdminError, AdminServer, Readiness};
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::config::Config;
use crate::drift::Observed;
use crate::generation::Generation;
use crate::listener::{CertificateStore, Drained, Listener, ListenerError};
use crate::pipeline::Pipeline;
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use clocks::Clocks;
use probe::Prober;
use report::Reporter;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod clocks;
mod probe;
mod report;
mod watch;

/// How often files are looked at. Shorter than anybody waits after saving one.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// Between "not ready" and "no new connections": load balancers must see the first before the second hurts.
const READINESS_LEAD: Duration = Duration::from_millis(500);

/// A started process: both listeners are bound and everything is loaded.
pub struct Server {
    config_path: PathBuf,
    looked: Option<watch::Look>,
    clock: Clock,
    current: Arc<ArcSwap<Generation>>,
    certificates: Arc<CertificateStore>,
    audit: AuditLog,
    metrics: Metrics,
    readiness: Readiness,
    listener: Listener,
    admin: AdminServer,
    /// Caught from the start: uncaught, a SIGHUP ends the process.
    hangup: Option<Signal>,
}

/// Why the process did not start. Nothing was bound, or everything is released again.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration and what it names, one problem each.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    /// The data listener.
    #[error(transparent)]
    Listener(ListenerError),
    /// The admin listener.
    #[error(transparent)]
    Admin(AdminError),
}

impl Server {
    /// Loads and checks everything, then binds.
    ///
    /// # Errors
    /// [`StartError::Invalid`] before any port is bound.
    pub async fn start(config_path: &Path) -> Result<Self, StartError> {
        let clock = Clock::system();
        let hangup = signal(SignalKind::hangup())
            .inspect_err(|error| tracing::error!(%error, "cannot listen for SIGHUP; files are still watched"))
            .ok();
        // INVARIANT: taken before anything is read, as for every reload: an edit while we start is found.
        let looked = crate::config::load(config_path)
            .ok()
            .map(|config| watch::look(config_path, &config));
        let generation = Generation::load(config_path, &clock, None).map_err(|problems| {
            StartError::Invalid(problems.into_iter().map(|problem| problem.message).collect())
        })?;
        generation.announce();
        let invalid = |error: &dyn std::fmt::Display| StartError::Invalid(vec![error.to_string()]);
        let config = generation.config.clone();
        let certificates = Arc::new(CertificateStore::load(&config.server).map_err(|error| invalid(&error))?);
        let audit = AuditLog::open(&config.audit.file, clock.clone()).map_err(|error| invalid(&error))?;
        let listener = Listener::bind(&config.server, &certificates).map_err(StartError::Listener)?;
        let admin = AdminServer::bind(config.admin.listen)
            .await
            .map_err(StartError::Admin)?;
        Ok(Self {
            config_path: config_path.to_owned(),
            looked,
            clock,
            current: Arc::new(ArcSwap::from_pointee(generation)),
            certificates,
            audit,
            metrics: Metrics::new(),
            readiness: Readiness::expecting(&[
                "config",
                "sessions",
                "issuers",
                "issuer",
                "secrets",
                "policies",
                "targets",
                "certificate",
                "audit",
            ]),
            listener,
            admin,
            hangup,
        })
    }

    /// Where callers connect.
    pub fn data_address(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Where health and metrics are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.local_addr()
    }

    /// Serves until `stop` is cancelled, then drains. SIGHUP and changed files reload.
    pub async fn run(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let end = CancellationToken::new();
        let callers = Arc::new(Observed::default());
        let mut watcher = watch::Watcher {
            config_path: self.config_path,
            looked: self.looked,
            clock: self.clock.clone(),
            current: Arc::clone(&self.current),
            certificates: Arc::clone(&self.certificates),
            audit: self.audit.clone(),
            metrics: self.metrics.clone(),
            readiness: self.readiness.clone(),
            reporter: Reporter::new(
                Arc::clone(&self.current),
                self.audit.clone(),
                self.metrics.clone(),
                self.readiness.clone(),
                Clocks::new(self.clock.clone(), Arc::clone(&callers)),
                self.clock.clone(),
            ),
            hangup: self.hangup,
            warming: None,
            refused: None,
        };
        watcher.begin();
        tasks.spawn(watcher.run(end.clone()));
        tasks.spawn(
            self.admin
                .run(self.readiness.clone(), self.metrics.clone(), end.clone()),
        );
        let prober = Prober {
            current: Arc::clone(&self.current),
            audit: self.audit.clone(),
            clock: self.clock.clone(),
        };
        tasks.spawn(prober.clone().run(end.clone()));
        // The ports are bound: who connects now is served right after.
        tokio::select! {
            () = prober.head_start() => {}
            () = stop.cancelled() => {}
        }
        let pipeline = Arc::new(Pipeline::new(
            self.current,
            self.audit.clone(),
            self.clock,
            self.metrics.clone(),
            callers,
        ));
        let drain = CancellationToken::new();
        let serving = self.listener.run(pipeline, drain.clone());
        tokio::pin!(serving);
        let Drained { cut } = tokio::select! {
            drained = &mut serving => drained,
            () = stop.cancelled() => {
                self.readiness.drain();
                tracing::info!("draining: no longer ready, in-flight requests finish");
                tokio::time::sleep(READINESS_LEAD).await;
                drain.cancel();
                serving.await
            }
        };
        if cut > 0 {
            tracing::warn!(
                connections = cut,
                "the drain deadline passed and connections were reset"
            );
        }
        end.cancel();
        tasks.close();
        tasks.wait().await;
        if let Err(error) = self.audit.shutdown().await {
            tracing::error!(%error, "the audit log did not take its last records");
        }
    }
}

/// Serves a configuration until SIGTERM or SIGINT. Prints every bound address.
///
/// # Errors
/// As [`Server::start`].
pub async fn serve(config_path: &Path) -> Result<(), StartError> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let server = Server::start(config_path).await?;
    println!("listening on https://{} (data)", server.data_address());
    println!("listening on http://{} (admin)", server.admin_address());
    server.run(stop).await;
    Ok(())
}

/// Cancels `stop` on SIGTERM or SIGINT. Signals are caught from the call on, not from the first poll.
pub(crate) fn stop_on_signal(stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        if let (Ok(mut terminate), Ok(mut interrupt)) = signals {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        stop.cancel();
    }
}

/// The files that decide: a change of any of them reloads.
fn watched_files(config_path: &Path, config: &Config) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut deciding = vec![
        config_path.to_owned(),
        config.sessions.keys.clone(),
        config.sessions.revocations.clone(),
    ];
    deciding.extend(config.issuer.iter().map(|issuer| issuer.keys.clone()));
    deciding.extend(config.service_keys.iter().map(|settings| settings.file.clone()));
    deciding.extend(config.buckets.values().map(|bucket| bucket.policy.clone()));
    deciding.extend(config.roles.values().map(|role| role.trust.clone()));
    deciding.extend(
        config
            .targets
            .values()
            .flat_map(|target| target.files())
            .map(Path::to_owned),
    );
    deciding.extend(config.secrets.authorities().into_iter().map(Path::to_owned));
    let of_issuers = config.issuers.iter();
    deciding
        .extend(of_issuers.flat_map(|issuer| [issuer.ca.clone(), issuer.jwks.clone()].into_iter().flatten()));
    (
        deciding,
        vec![config.server.certificate.clone(), config.server.key.clone()],
    )
}
