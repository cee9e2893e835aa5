//! Reconciling: does the provider's own log say what our audit log says?
//!
//! An entry of the provider without a record here is somebody who went around the proxy; a record without an entry is a
//! gap in the provider's log. Both logs may be larger than any memory: what matters of each line goes to disk as a small
//! row ([`row`]), the rows are sorted there ([`sorter`]), and one pass over them decides ([`join`]).
//!
//! The hazards: a stamp that somebody else puts into a user agent (it is compared with the provider's own id of the
//! request, which nobody chooses), a log that is cut off or malformed (never called clean), a log that never has some
//! kinds of requests (not judged, and said so), and entries that come twice, late and in any order.
//!
//! Reads files and writes temporary ones; knows no network.

mod access_log;
mod cloudtrail;
mod documents;
mod entry;
mod finding;
mod gcp;
mod input;
mod join;
mod mapping;
mod pick;
mod records;
mod report;
mod row;
mod sorter;
#[cfg(test)]
mod tests;

pub use input::InputError;

use crate::clock::Clock;
use crate::config::Config;
use documents::Taken;
use entry::{Class, Entry, hash};
use input::{Input, Troubles};
use jiff::{SignedDuration, Timestamp};
use join::Rules;
use mapping::Mapping;
use report::Report;
use row::{Head, Ours, Packer, Side, Space, Theirs};
use sorter::{Sorter, WorkFolder};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// AWS CloudTrail.
    CloudTrail,
    /// Server access logs of S3.
    S3AccessLogs,
    /// Cloud Audit Logs of Google.
    Gcp,
}

impl Provider {
    /// Whether its entries have the id that the target answered with.
    fn has_request_ids(self) -> bool {
        match self {
            Self::CloudTrail | Self::S3AccessLogs => true,
            Self::Gcp => false,
        }
    }

    /// How long entries may take to be delivered, unless somebody says otherwise.
    pub fn delay(self) -> SignedDuration {
        match self {
            Self::CloudTrail => SignedDuration::from_mins(15),
            Self::S3AccessLogs => SignedDuration::from_hours(6),
            Self::Gcp => SignedDuration::from_mins(10),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::CloudTrail => "CloudTrail",
            Self::S3AccessLogs => "S3 server access logs",
            Self::Gcp => "Cloud Audit Logs",
        }
    }
}

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose log it is.
    pub provider: Provider,
    /// Its files and folders.
    pub log: Vec<PathBuf>,
    /// Our audit files; empty for those of the configuration, with what was rotated away.
    pub audit: Vec<PathBuf>,
    /// Nothing before it is looked at.
    pub from: Option<Timestamp>,
    /// Nothing from it on is looked at.
    pub to: Option<Timestamp>,
    /// How long entries may take to be delivered.
    pub delay: SignedDuration,
    /// Only these targets; empty for all of this kind of provider.
    pub targets: Vec<Box<str>>,
    /// Entries outside of mapped prefixes are findings, too.
    pub unmapped: bool,
    /// The log ought to have every kind of request.
    pub complete: bool,
    /// Where temporary files go.
    pub work_dir: PathBuf,
    /// Print JSON.
    pub json: bool,
}

/// How it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both logs say the same.
    Clean,
    /// They do not.
    Findings,
    /// Nothing was found in what could be read, and something could not.
    Unreadable,
    /// There was nothing to compare: the log has no entry of the requests that we know of, or neither side covers the
    /// time that was asked about.
    Unjudged,
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A file that was named is not there.
    #[error(transparent)]
    Input(#[from] InputError),
    /// There are no files.
    #[error("there is no file of {0} in what was named")]
    NoFiles(&'static str),
    /// Nothing to compare with.
    #[error("the configuration has no bucket at a target whose log this would be: {0}")]
    NoBuckets(&'static str),
    /// No moment is asked about.
    #[error("`--from` {from} is not before `--to` {to}: there is nothing between them")]
    NoTime {
        /// Where it begins.
        from: Timestamp,
        /// Where it ends.
        to: Timestamp,
    },
    /// A target that does not exist.
    #[error("there is no target `{0}` in the configuration")]
    NoTarget(Box<str>),
    /// The temporary files do not work.
    #[error("cannot use `{}` for temporary files: `--work-dir` names another folder", path.display())]
    Work {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The report cannot be written.
    #[error("cannot write the report")]
    Output(#[source] io::Error),
}

/// Bytes of rows in memory at a time.
const MEMORY: usize = 32 << 20;

/// Compares, and prints what is found to `out`.
///
/// # Errors
/// [`ReconcileError`] if there is nothing to compare, or no room for it.
pub fn run(
    question: &Question,
    config: &Config,
    clock: &Clock,
    out: &mut dyn Write,
) -> Result<Outcome, ReconcileError> {
    run_within(question, config, clock, out, MEMORY)
}

fn run_within(
    question: &Question,
    config: &Config,
    clock: &Clock,
    out: &mut dyn Write,
    memory: usize,
) -> Result<Outcome, ReconcileError> {
    if let (Some(from), Some(to)) = (question.from, question.to)
        && from >= to
    {
        return Err(ReconcileError::NoTime { from, to });
    }
    if let Some(name) = question
        .targets
        .iter()
        .find(|name| !config.targets.contains_key(*name))
    {
        return Err(ReconcileError::NoTarget(name.clone()));
    }
    let mapping = Mapping::new(config, question.provider, &question.targets);
    if mapping.len() == 0 {
        return Err(ReconcileError::NoBuckets(question.provider.name()));
    }
    let (log, skipped) = input::files(&question.log)?;
    if log.is_empty() {
        return Err(ReconcileError::NoFiles(question.provider.name()));
    }
    let (audit, _) = match question.audit.is_empty() {
        true => (input::with_siblings(&config.audit.file)?, 0),
        false => input::files(&question.audit)?,
    };
    let at_work = |source| ReconcileError::Work {
        path: question.work_dir.clone(),
        source,
    };
    let id = crate::audit::new_id(clock).to_string();
    let folder = WorkFolder::new(&question.work_dir, &id).map_err(at_work)?;
    let mut gathering = Gathering {
        question,
        config,
        mapping: &mapping,
        rows: Sorter::new(&folder, "rows", memory).map_err(at_work)?,
        seen: Seen::default(),
        row: Vec::new(),
        packer: Packer::default(),
    };
    for file in &audit {
        gathering.records(file).map_err(at_work)?;
    }
    for file in &log {
        gathering.entries(file).map_err(at_work)?;
    }
    let Gathering { rows, seen, .. } = gathering;
    let mut findings = Sorter::new(&folder, "findings", memory / 4).map_err(at_work)?;
    let rules = Rules {
        provider: question.provider,
        both: seen.both(question),
        asked: seen.asked(question),
        records: seen.records,
        logged: &seen.logged,
        complete: question.complete,
        unmapped: question.unmapped,
    };
    let mut rows = rows.finish().map_err(at_work)?;
    let tally = join::join(&mut rows, &rules, &mut findings).map_err(at_work)?;
    drop(rows);
    let report = Report {
        question,
        files: (log.len(), audit.len(), skipped),
        buckets: mapping.len(),
        both: rules.both,
        asked: rules.asked,
        covered: seen.common(question).is_some(),
        seen: &seen,
        tally: &tally,
    };
    let mut findings = findings.finish().map_err(at_work)?;
    report.write(&mut findings, out)
}

/// A time from one moment to another, both in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl Span {
    fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }

    /// Longer by so much on both sides.
    fn padded(self, by: SignedDuration) -> Self {
        Self {
            from: self.from.checked_sub(by).unwrap_or(Timestamp::MIN),
            to: self.to.checked_add(by).unwrap_or(Timestamp::MAX),
        }
    }

    fn extend(span: &mut Option<Self>, at: Timestamp) {
        let now = span.unwrap_or(Self { from: at, to: at });
        *span = Some(Self {
            from: now.from.min(at),
            to: now.to.max(at),
        });
    }
}

/// What was read, in numbers.
#[derive(Default)]
struct Seen {
    entries: u64,
    /// Of other services, or on buckets that are not mapped.
    entries_elsewhere: u64,
    /// Outside of `--from` and `--to`.
    entries_outside: u64,
    /// On mapped buckets, at a time that is asked about.
    entries_here: u64,
    /// Of all entries about buckets: when the log is known to have been written.
    log: Option<Span>,
    records: Option<Span>,
    record_count: u64,
    /// Of them, those that came to a target of this provider.
    records_here: u64,
    /// What the log has of each bucket.
    logged: BTreeMap<Box<str>, BTreeSet<Class>>,
    troubles: Troubles,
}

impl Seen {
    /// When what we did ought to be in the log: both sides cover it, and there was time to deliver it. A log that ought
    /// to have everything has it of the whole time that is asked about, however little of it there is.
    fn both(&self, question: &Question) -> Option<Span> {
        if let (true, Some(from), Some(to)) = (question.complete, question.from, question.to) {
            return Some(Span { from, to });
        }
        self.common(question)
    }

    /// What of the time that is asked about both sides cover, with time for delivery.
    fn common(&self, question: &Question) -> Option<Span> {
        let (log, records) = (self.log?, self.records?);
        let delivered = log.to.checked_sub(question.delay).unwrap_or(Timestamp::MIN);
        let span = Span {
            from: [Some(log.from), Some(records.from), question.from]
                .into_iter()
                .flatten()
                .max()?,
            to: [Some(delivered), Some(records.to), question.to]
                .into_iter()
                .flatten()
                .min()?,
        };
        (span.from <= span.to).then_some(span)
    }

    /// What is asked about: what was said, or else as far as the log goes; without an end, if the log has nothing there.
    fn asked(&self, question: &Question) -> Span {
        let begins = self.log.map(|log| log.from);
        let ends = self.log.map(|log| log.to);
        let begins = begins.filter(|begins| question.to.is_none_or(|to| *begins <= to));
        let ends = ends.filter(|ends| question.from.is_none_or(|from| from <= *ends));
        Span {
            from: question.from.or(begins).unwrap_or(Timestamp::MIN),
            to: question.to.or(ends).unwrap_or(Timestamp::MAX),
        }
    }
}

/// Makes an entry of the fields of one; `None` for one that is about something else.
type ReadsEntry = fn(&pick::Slots) -> Result<Option<Entry<'_>>, &'static str>;

/// Both logs on their way into rows.
struct Gathering<'a> {
    question: &'a Question,
    config: &'a Config,
    mapping: &'a Mapping,
    rows: Sorter,
    seen: Seen,
    row: Vec<u8>,
    packer: Packer,
}

impl Gathering<'_> {
    /// Our own records of a file.
    fn records(&mut self, file: &Path) -> io::Result<()> {
        let mut troubles = std::mem::take(&mut self.seen.troubles);
        let result = match Input::open(file) {
            Ok(mut input) => input.lines(file, &mut troubles, |line, number, troubles| match records::read(
                line,
                self.config,
                self.mapping,
            ) {
                Ok(record) => self.record(&record),
                Err(why) => {
                    troubles.note(file, format_args!("line {number}"), why);
                    Ok(())
                }
            }),
            Err(error) => {
                troubles.note(file, "line 1", input::Broken(&error));
                Ok(())
            }
        };
        self.seen.troubles = troubles;
        result
    }

    fn record(&mut self, read: &records::Read) -> io::Result<()> {
        self.seen.record_count += 1;
        let record = match read {
            records::Read::Elsewhere(at) => {
                Span::extend(&mut self.seen.records, *at);
                return Ok(());
            }
            records::Read::Here(record) => record,
        };
        Span::extend(&mut self.seen.records, record.ours.at);
        self.seen.records_here += 1;
        let stamp = record.ours.stamp.to_bytes();
        self.push(Space::Stamp, stamp, stamp, &record.ours)?;
        if self.question.provider.has_request_ids() {
            for request in &record.requests {
                let ours = Ours {
                    request_id: Some(request.id.clone()),
                    done: request.done,
                    ids: Vec::new(),
                    ..record.ours.clone()
                };
                self.push(Space::Request, request.hash, stamp, &ours)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, space: Space, key: [u8; 16], identity: [u8; 16], ours: &Ours) -> io::Result<()> {
        self.packer.0.clear();
        ours.pack(&mut self.packer);
        let head = Head {
            space,
            key,
            side: Side::Record,
            identity,
        };
        head.write(&mut self.row, &self.packer.0);
        self.rows.push(&self.row)
    }

    /// The provider's entries of a file.
    fn entries(&mut self, file: &Path) -> io::Result<()> {
        let mut troubles = std::mem::take(&mut self.seen.troubles);
        let result = match Input::open(file) {
            Ok(input) => self.entries_of(input, file, &mut troubles),
            Err(error) => {
                troubles.note(file, "line 1", input::Broken(&error));
                Ok(())
            }
        };
        self.seen.troubles = troubles;
        result
    }

    fn entries_of(&mut self, mut input: Input, file: &Path, troubles: &mut Troubles) -> io::Result<()> {
        let (schema, read): (_, ReadsEntry) = match self.question.provider {
            Provider::CloudTrail => (&cloudtrail::SCHEMA, cloudtrail::entry),
            Provider::Gcp => (&gcp::SCHEMA, gcp::entry),
            Provider::S3AccessLogs => {
                return input.lines(file, troubles, |line, number, troubles| {
                    let place = format_args!("line {number}");
                    match std::str::from_utf8(line)
                        .map_err(|_| "not UTF-8")
                        .and_then(access_log::entry)
                    {
                        Ok(entry) => self.entry(Some(&entry)),
                        Err(why) => {
                            troubles.note(file, place, why);
                            Ok(())
                        }
                    }
                });
            }
        };
        let mut each = |slots: &pick::Slots| match read(slots) {
            Ok(entry) => self.entry(entry.as_ref()).map(|()| Taken::Yes),
            Err(why) => Ok(Taken::Malformed(why)),
        };
        documents::read(input, file, schema, troubles, &mut each)
    }

    fn entry(&mut self, entry: Option<&Entry<'_>>) -> io::Result<()> {
        self.seen.entries += 1;
        let Some(entry) = entry else {
            self.seen.entries_elsewhere += 1;
            return Ok(());
        };
        // Also on buckets that are not mapped: it shows that the log was written then.
        Span::extend(&mut self.seen.log, entry.at);
        let Some((place, inside)) = self.mapping.of(entry) else {
            self.seen.entries_elsewhere += 1;
            return Ok(());
        };
        let before = self.question.from.is_some_and(|from| entry.at < from);
        if before || self.question.to.is_some_and(|to| entry.at >= to) {
            self.seen.entries_outside += 1;
            // Still the entry of a record at the edge.
            return match (
                self.question.provider.has_request_ids(),
                entry.request_id,
                entry.stamp,
            ) {
                (true, Some(id), _) => self.mention(Space::Request, hash(&[id]), entry),
                (false, _, Some(stamp)) => self.mention(Space::Stamp, stamp.to_bytes(), entry),
                (true, None, _) | (false, _, None) => Ok(()),
            };
        }
        self.seen.entries_here += 1;
        if !place.other_end {
            let logged = self.seen.logged.entry(place.bucket.into()).or_default();
            logged.insert(entry.class);
        }
        // Where a copy goes, if it is accused for what it reads, and the other way round.
        let first = entry
            .places
            .first()
            .filter(|first| place.other_end && *first != place);
        let request_on = first.map(|first| match &first.key {
            Some(key) => format!("{}/{key}", first.bucket),
            None => first.bucket.to_owned(),
        });
        let theirs = Theirs {
            at: entry.at,
            bucket: place.bucket,
            key: place.key.as_deref(),
            request_on: request_on.as_deref(),
            operation: entry.operation,
            principal: &entry.principal,
            source: entry.source,
            request_id: entry.request_id,
            stamp: entry.stamp,
            inside,
            by_provider: entry.by_provider,
        };
        self.packer.0.clear();
        theirs.pack(&mut self.packer);
        let id = entry.request_id.map(|id| hash(&[id]));
        if let Some(stamp) = entry.stamp {
            self.write(Space::Stamp, stamp.to_bytes(), entry)?;
        }
        match (id, entry.stamp) {
            (Some(id), _) => self.write(Space::Request, id, entry),
            (None, None) => self.write(Space::Request, entry.identity, entry),
            (None, Some(_)) => Ok(()),
        }
    }

    /// An entry that only shows that a request was logged.
    fn mention(&mut self, space: Space, key: [u8; 16], entry: &Entry<'_>) -> io::Result<()> {
        self.packer.0.clear();
        self.write(space, key, entry)
    }

    fn write(&mut self, space: Space, key: [u8; 16], entry: &Entry<'_>) -> io::Result<()> {
        let head = Head {
            space,
            key,
            side: Side::Entry,
            identity: entry.identity,
        };
        head.write(&mut self.row, &self.packer.0);
        self.rows.push(&self.row)
    }
}
