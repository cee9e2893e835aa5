//! The one task that writes records, in batches, in order, without losing any.

use super::file::{Open, Sink};
use super::record::Record;
use super::{AuditError, State};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout_at};

/// Records in one write. At a kilobyte each, this is what the kernel takes at once anyway.
const BATCH: usize = 256;

/// The time from one write to the next, unless a whole batch waits. A write is a hand-over to another thread and
/// back: with one for each record, a small request costs half as much again. A single record never waits.
const PACE: Duration = Duration::from_millis(5);

/// What the writer is told.
pub(super) enum Control {
    /// Open the file by its path again.
    Reopen(oneshot::Sender<Result<(), AuditError>>),
    /// Write everything and end.
    Shutdown,
}

pub(super) struct Writer {
    open: Open,
    /// `None` while it is lent to a blocking thread; opened anew if that thread panicked.
    sink: Option<Box<dyn Sink>>,
    records: mpsc::Receiver<Box<Record>>,
    control: mpsc::Receiver<Control>,
    health: watch::Sender<bool>,
    state: Arc<State>,
    instance: Arc<str>,
    seq: u64,
    pending: Pending,
    /// The next write is not before this.
    rests_until: Instant,
    /// Records that a panicking sink took with it.
    lost: u64,
}

/// Serialized records that are not in the file yet.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Bytes that are in the file already; the sink may take half a line.
    done: usize,
    lines: u64,
}

impl Writer {
    pub(super) fn new(
        open: Open,
        sink: Box<dyn Sink>,
        records: mpsc::Receiver<Box<Record>>,
        control: mpsc::Receiver<Control>,
        health: watch::Sender<bool>,
        state: Arc<State>,
        instance: Arc<str>,
    ) -> Self {
        Self {
            open,
            sink: Some(sink),
            records,
            control,
            health,
            state,
            instance,
            seq: 0,
            pending: Pending::default(),
            rests_until: Instant::now(),
            lost: 0,
        }
    }

    /// Writes until it is told to end or nobody is left who could write. Answers how many records were lost.
    pub(super) async fn run(mut self) -> u64 {
        while self.step().await.is_continue() {}
        self.finish().await
    }

    async fn step(&mut self) -> ControlFlow<()> {
        if self.pending.lines > 0 || self.sink.is_none() {
            // A failed batch comes first, again and again: INVARIANT: records are written in order.
            let retry = self.state.settings.retry;
            return tokio::select! {
                biased;
                command = self.control.recv() => self.obey(command).await,
                () = sleep(retry) => { self.flush().await; ControlFlow::Continue(()) }
            };
        }
        let mut batch = Vec::with_capacity(BATCH);
        let records = &mut self.records;
        let rests_until = self.rests_until;
        let gather = async {
            if Instant::now() < rests_until {
                sleep_until(rests_until).await;
            }
            records.recv_many(&mut batch, BATCH).await
        };
        tokio::select! {
            biased;
            command = self.control.recv() => self.obey(command).await,
            count = gather => {
                if count == 0 {
                    return ControlFlow::Break(());
                }
                self.take(batch);
                self.flush().await;
                if count < BATCH {
                    self.rests_until = Instant::now() + PACE;
                }
                ControlFlow::Continue(())
            }
        }
    }

    async fn obey(&mut self, command: Option<Control>) -> ControlFlow<()> {
        match command {
            Some(Control::Reopen(done)) => {
                let answer = self.reopen().await;
                // Whoever asked may have gone.
                let _ = done.send(answer);
                ControlFlow::Continue(())
            }
            // Without a command channel there is no log any more; open trails still have their places.
            Some(Control::Shutdown) | None => ControlFlow::Break(()),
        }
    }

    async fn reopen(&mut self) -> Result<(), AuditError> {
        let open = self.open.clone();
        let sink = tokio::task::spawn_blocking(move || open())
            .await
            .map_err(|_| AuditError::Closed)??;
        if let Some(mut old) = self.sink.replace(sink) {
            // Best effort: the old file is no longer ours.
            let _ = tokio::task::spawn_blocking(move || old.sync()).await;
        }
        self.pending.back_to_line_start();
        if self.pending.lines > 0 {
            self.flush().await;
        }
        Ok(())
    }

    /// Takes what is left, and ends. A file that fails is tried until the patience is over.
    async fn finish(mut self) -> u64 {
        self.records.close();
        let deadline = tokio::time::Instant::now() + self.state.settings.patience;
        loop {
            while self.pending.lines > 0 && tokio::time::Instant::now() < deadline {
                self.flush().await;
                if self.pending.lines > 0 {
                    sleep(self.state.settings.retry.min(self.state.settings.patience / 4)).await;
                }
            }
            let mut batch = Vec::with_capacity(BATCH);
            match timeout_at(deadline, self.records.recv_many(&mut batch, BATCH)).await {
                Ok(0) => break,
                Ok(_) => self.take(batch),
                Err(_) => {
                    while let Ok(record) = self.records.try_recv() {
                        self.take([record]);
                    }
                    self.flush().await;
                    break;
                }
            }
            self.flush().await;
        }
        let still_open = self
            .records
            .max_capacity()
            .saturating_sub(self.records.capacity()) as u64;
        let lost = self
            .lost
            .saturating_add(self.pending.lines)
            .saturating_add(still_open);
        if let Some(mut sink) = self.sink.take() {
            let _ = tokio::task::spawn_blocking(move || sink.sync()).await;
        }
        lost
    }

    fn take(&mut self, batch: impl IntoIterator<Item = Box<Record>>) {
        for mut record in batch {
            self.seq += 1;
            record.seq = self.seq;
            record.instance = self.instance.clone();
            record.write_line(&mut self.pending.bytes);
            self.pending.lines += 1;
        }
    }

    /// Writes what is pending, on a thread where it may block, and tells everybody how that went.
    async fn flush(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        let lines = pending.lines;
        let (open, sink, state) = (self.open.clone(), self.sink.take(), self.state.clone());
        let work = move || {
            let mut sink = match sink.map_or_else(|| open(), Ok) {
                Ok(sink) => sink,
                Err(error) => return (pending, None, Err(io::Error::other(error))),
            };
            state.writing_since.store(state.elapsed(), Ordering::Release);
            let result = pending.write_to(&mut *sink);
            state.writing_since.store(0, Ordering::Release);
            (pending, Some(sink), result)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok((_, sink, Ok(()))) => {
                self.sink = sink;
                self.state.written.fetch_add(lines, Ordering::Relaxed);
                self.report(true, None);
            }
            Ok((pending, sink, Err(error))) => {
                (self.pending, self.sink) = (pending, sink);
                self.state.failures.fetch_add(1, Ordering::Relaxed);
                self.report(false, Some(&error));
            }
            Err(error) => {
                self.lost = self.lost.saturating_add(lines);
                self.report(false, Some(&error));
            }
        }
    }

    fn report(&self, healthy: bool, error: Option<&dyn std::error::Error>) {
        let before = self.state.healthy.swap(healthy, Ordering::AcqRel);
        match (before, healthy) {
            (true, false) => {
                let cause = error.map(ToString::to_string).unwrap_or_default();
                tracing::error!(
                    cause,
                    "the audit file cannot be written: new requests are refused until it can"
                );
            }
            (false, true) => tracing::info!("the audit file is written again"),
            (true, true) | (false, false) => {}
        }
        self.health
            .send_if_modified(|value| std::mem::replace(value, healthy) != healthy);
    }
}

impl Pending {
    fn write_to(&mut self, sink: &mut dyn Sink) -> io::Result<()> {
        while let Some(rest) = self.bytes.get(self.done..).filter(|rest| !rest.is_empty()) {
            match sink.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.done = self.done.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        sink.flush()
    }

    /// Half a line in the old file does not help the new one.
    fn back_to_line_start(&mut self) {
        let done = self.bytes.get(..self.done).unwrap_or_default();
        self.done = done.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    }
}
