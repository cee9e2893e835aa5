//! Audit: every request leaves exactly one record, whatever becomes of it.
//!
//! A [`Trail`] is opened before anything of a request is believed and closes with its last byte: also for denied,
//! malformed and unauthenticated requests, for panics, and for callers that vanish. Opening reserves the record's
//! place in a bounded queue, so that closing can neither block nor lose it. When there is no place, or the file
//! does not take what was written, no new request is served: what cannot be recorded does not happen.
//!
//! The hazards: a full or stuck disk (requests are refused, records are kept until they are written), log
//! injection (one line of JSON for each record, escaped in the serializer), and secrets (a record has no field
//! for a token, a signature or a key). Knows neither policies nor the network.

mod file;
mod follow;
mod record;
mod redact;
mod trail;
mod writer;

#[cfg(test)]
mod tests;

pub use record::{AuthMethod, Decision, Effect, EndReason, Kind, Reason, TargetIds, TargetInfo};
pub(crate) use redact::{OneLine, scrub};
pub use trail::{Arrival, Ended, Trail};

use crate::clock::Clock;
use record::Record;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::Instant;
use ulid::Ulid;

/// Where records go. Cheap to clone; all clones write to one file.
#[derive(Clone)]
pub struct AuditLog(Arc<Inner>);

struct Inner {
    clock: Clock,
    queue: mpsc::Sender<Box<Record>>,
    control: mpsc::Sender<writer::Control>,
    health: watch::Receiver<bool>,
    state: Arc<State>,
    writer: Mutex<Option<tokio::task::JoinHandle<u64>>>,
}

/// What the writer tells the requests.
struct State {
    settings: Settings,
    started: Instant,
    healthy: AtomicBool,
    /// Milliseconds after `started`, plus one, at which the write began that is under way; 0 if none is.
    writing_since: AtomicU64,
    written: AtomicU64,
    failures: AtomicU64,
    refused: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    /// Requests that may be open or waiting to be written. A record takes about a kilobyte.
    capacity: usize,
    /// How long after a failed write it is tried again.
    retry: Duration,
    /// A write that takes longer than this stops new requests (AUD-02).
    stall: Duration,
    /// How long [`AuditLog::shutdown`] waits for open trails and for a file that fails.
    patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capacity: 65_536,
            retry: Duration::from_secs(1),
            stall: Duration::from_millis(250),
            patience: Duration::from_secs(5),
        }
    }
}

/// The audit file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The folder cannot be made.
    #[error("cannot create the folder of the audit file `{path}`")]
    Folder {
        /// The audit file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be opened for appending.
    #[error("cannot append to the audit file `{path}`")]
    Open {
        /// The audit file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no runtime to write in.
    #[error("the audit log is opened outside of the runtime")]
    NoRuntime,
    /// The writer has stopped.
    #[error("the audit log is closed")]
    Closed,
    /// Records could not be written before the end.
    #[error("{0} audit records could not be written")]
    Lost(u64),
}

/// Why no trail was opened. The request is answered with 503 and goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditUnavailable {
    /// The last write failed, and nothing was written since.
    #[error("the audit file cannot be written")]
    Failing,
    /// A write takes too long.
    #[error("the audit file does not take what is written to it")]
    Stalled,
    /// Too many records are open or waiting.
    #[error("the queue of audit records is full")]
    Full,
    /// The log was shut down.
    #[error("the audit log is closed")]
    Closed,
}

/// What has happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records in the file.
    pub written: u64,
    /// Writes that failed; each is tried again.
    pub failures: u64,
    /// Requests that were refused because they could not be recorded.
    pub refused: u64,
    /// Records that are open or wait to be written.
    pub pending: u64,
}

impl AuditLog {
    /// Opens `path` for appending and starts the writer. Makes the folder if it is missing; a new file can be read
    /// by its owner alone. Nothing is written yet.
    ///
    /// # Errors
    /// [`AuditError`] if the file cannot be opened, or outside of a tokio runtime.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, AuditError> {
        Self::open_with(file::opener(path)?, clock, Settings::default())
    }

    fn open_with(open: file::Open, clock: Clock, settings: Settings) -> Result<Self, AuditError> {
        let runtime = Handle::try_current().map_err(|_| AuditError::NoRuntime)?;
        let sink = open()?;
        let (queue, records) = mpsc::channel(settings.capacity);
        let (control, commands) = mpsc::channel(4);
        let (health_sender, health) = watch::channel(true);
        let state = Arc::new(State {
            settings,
            started: Instant::now(),
            healthy: AtomicBool::new(true),
            writing_since: AtomicU64::new(0),
            written: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        let instance = new_id(&clock).to_string().into();
        let writer = writer::Writer::new(
            open,
            sink,
            records,
            commands,
            health_sender,
            state.clone(),
            instance,
        );
        let writer = Mutex::new(Some(runtime.spawn(writer.run())));
        Ok(Self(Arc::new(Inner {
            clock,
            queue,
            control,
            health,
            state,
            writer,
        })))
    }

    /// Opens the trail of a request, which is recorded from here on.
    ///
    /// # Errors
    /// [`AuditUnavailable`] if the request could not be recorded: answer 503 and do nothing else.
    pub fn begin(&self, arrival: &Arrival<'_>) -> Result<Trail, AuditUnavailable> {
        let slot = self.available().and_then(|()| {
            self.0.queue.clone().try_reserve_owned().map_err(|e| match e {
                mpsc::error::TrySendError::Full(_) => AuditUnavailable::Full,
                mpsc::error::TrySendError::Closed(_) => AuditUnavailable::Closed,
            })
        });
        match slot {
            Ok(slot) => Ok(Trail::open(slot, arrival, self.0.clock.now())),
            Err(why) => {
                self.0.state.refused.fetch_add(1, Ordering::Relaxed);
                Err(why)
            }
        }
    }

    /// Whether new requests can be recorded. False makes readiness false.
    pub fn is_healthy(&self) -> bool {
        self.available().is_ok() && !self.0.queue.is_closed()
    }

    /// Changes when writing starts to fail and when it works again.
    pub fn health(&self) -> watch::Receiver<bool> {
        self.0.health.clone()
    }

    /// What has happened since the start.
    pub fn counters(&self) -> Counters {
        let state = &self.0.state;
        let queued = self.0.queue.max_capacity() - self.0.queue.capacity();
        Counters {
            written: state.written.load(Ordering::Relaxed),
            failures: state.failures.load(Ordering::Relaxed),
            refused: state.refused.load(Ordering::Relaxed),
            pending: queued as u64,
        }
    }

    /// Opens the file by its path again, after it was moved away. Records that wait go to the new file.
    ///
    /// # Errors
    /// [`AuditError`] if it cannot be opened; the old file stays in use.
    pub async fn reopen(&self) -> Result<(), AuditError> {
        let (done, answer) = oneshot::channel();
        self.0
            .control
            .send(writer::Control::Reopen(done))
            .await
            .map_err(|_| AuditError::Closed)?;
        answer.await.unwrap_or(Err(AuditError::Closed))
    }

    /// Takes no new requests, waits a few seconds for open trails, writes everything and ends.
    ///
    /// # Errors
    /// [`AuditError::Lost`] if the file did not take every record; [`AuditError::Closed`] the second time.
    pub async fn shutdown(&self) -> Result<(), AuditError> {
        let task = self.0.writer.lock().await.take().ok_or(AuditError::Closed)?;
        // The writer has ended already if this fails; its answer still counts.
        let _ = self.0.control.send(writer::Control::Shutdown).await;
        match task.await {
            Ok(0) => Ok(()),
            Ok(lost) => Err(AuditError::Lost(lost)),
            Err(_) => Err(AuditError::Closed),
        }
    }

    fn available(&self) -> Result<(), AuditUnavailable> {
        let state = &self.0.state;
        if !state.healthy.load(Ordering::Acquire) {
            return Err(AuditUnavailable::Failing);
        }
        let since = state.writing_since.load(Ordering::Acquire);
        if since != 0 && state.elapsed().saturating_sub(since) > state.settings.stall.as_millis() as u64 {
            return Err(AuditUnavailable::Stalled);
        }
        Ok(())
    }
}

impl State {
    /// Milliseconds since the start, plus one.
    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// A new identifier: sorts by time, unique without coordination, not secret.
pub fn new_id(clock: &Clock) -> Ulid {
    let mut random = [0; 16];
    // A failing generator leaves zeros: identifiers tell records apart, they protect nothing.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let millis = u64::try_from(clock.now().as_millisecond()).unwrap_or(0);
    Ulid::from_parts(millis, u128::from_be_bytes(random))
}
