//! The report: what was found, in the order of time, and then what was compared, so that nobody takes what was not looked
//! at for clean.

use super::finding::Finding;
use super::join::Tally;
use super::sorter::Sorted;
use super::{Outcome, Question, ReconcileError, Seen, Span};
use crate::audit::OneLine;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::{self, Write as _};
use std::io::{self, Write};

/// What the report is made of.
pub(super) struct Report<'a> {
    pub(super) question: &'a Question,
    /// Files of the log, files of records, and what lay beside the log.
    pub(super) files: (usize, usize, u64),
    pub(super) buckets: usize,
    pub(super) both: Option<Span>,
    pub(super) asked: Span,
    /// Both sides cover some of it.
    pub(super) covered: bool,
    pub(super) seen: &'a Seen,
    pub(super) tally: &'a Tally,
}

impl Report<'_> {
    /// Prints everything.
    pub(super) fn write(
        &self,
        findings: &mut Sorted,
        out: &mut dyn Write,
    ) -> Result<Outcome, ReconcileError> {
        let at_work = |source| ReconcileError::Work {
            path: self.question.work_dir.clone(),
            source,
        };
        let mut out = io::BufWriter::new(out);
        while let Some(row) = findings.next().map_err(at_work)? {
            let Some(finding) = Finding::unpack(row) else {
                continue;
            };
            let written = match self.question.json {
                true => json_line(&mut out, &finding),
                false => writeln!(out, "{finding}"),
            };
            written.map_err(ReconcileError::Output)?;
        }
        let written = match self.question.json {
            true => json_line(&mut out, &json!({ "summary": self.summary() })),
            false => self.text(&mut out),
        };
        written
            .and_then(|()| out.flush())
            .map_err(ReconcileError::Output)?;
        Ok(self.outcome())
    }

    fn outcome(&self) -> Outcome {
        let tally = self.tally;
        let found = tally.unrecorded + tally.forged + tally.unlogged;
        match (found, self.seen.troubles.count) {
            (0, 0) if self.unjudged().is_some() => Outcome::Unjudged,
            (0, 0) => Outcome::Clean,
            (0, _) => Outcome::Unreadable,
            _ => Outcome::Findings,
        }
    }

    /// Why nothing could be judged, if that is so. That nothing was found says nothing then.
    fn unjudged(&self) -> Option<String> {
        let tally = self.tally;
        // A log without a trace of what we know was done is as good as switched off.
        if tally.reached > 0 && tally.matched + tally.logged_then + tally.unlogged == 0 {
            let asked = self.asked;
            let from = (asked.from > Timestamp::MIN).then(|| format!(" from {}", asked.from));
            let to = (asked.to < Timestamp::MAX).then(|| format!(" to {}", asked.to));
            return Some(format!(
                "the log has no entry of the {} on mapped buckets that the target did{}{}: is logging switched on, and \
                 is this all of the log?",
                counted(tally.reached, "request of ours", "requests of ours"),
                from.unwrap_or_default(),
                to.unwrap_or_default()
            ));
        }
        // Nobody did anything is an answer only where both would have said otherwise.
        (tally.reached == 0 && self.seen.entries_here == 0 && !self.covered).then(|| {
            "neither side has anything on mapped buckets, and there is no time that both cover: are these the files \
             of that time?"
                .to_owned()
        })
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (seen, tally, excused) = (self.seen, self.tally, &self.tally.excused);
        let (log_files, audit_files, skipped) = self.files;
        let provider = self.question.provider;
        writeln!(
            out,
            "log:      {}, {}, {}, {}",
            provider.name(),
            counted(log_files as u64, "file", "files"),
            counted(seen.entries, "entry", "entries"),
            Said(seen.log)
        )?;
        writeln!(
            out,
            "records:  {}, {}, {}",
            counted(audit_files as u64, "file", "files"),
            counted(seen.record_count, "record", "records"),
            Said(seen.records)
        )?;
        writeln!(
            out,
            "entries:  {} of our requests; {} unrecorded, {} with a forged stamp{}",
            tally.matched,
            tally.unrecorded,
            tally.forged,
            also(&[
                (
                    tally.disputed,
                    "of ours listed beside those, because the records cannot tell which is whose"
                ),
                (tally.duplicates, "delivered twice"),
                (tally.by_provider, "the provider's own doing"),
                (
                    tally.unmapped,
                    "unrecorded outside of mapped prefixes (`--unmapped` lists them)"
                ),
                (seen.entries_elsewhere, "about other things or buckets"),
                (seen.entries_outside, "outside of `--from` and `--to`"),
            ])
        )?;
        if tally.outside_records > 0 {
            writeln!(
                out,
                "          {} of the unrecorded are from before the first or after the last record: name the audit files \
                 of that time, or narrow it with `--from` and `--to`",
                tally.outside_records
            )?;
        }
        match self.both {
            Some(span) => writeln!(
                out,
                "requests: of {} that the target answered, {} are logged; {} unlogged, judged from {} to {}{}",
                tally.logged + tally.unlogged + self.excused(),
                tally.logged,
                tally.unlogged,
                span.from,
                span.to,
                also(&[
                    (
                        excused.time,
                        "outside of that time, which leaves entries time to be delivered (`--delay`)"
                    ),
                    (excused.failed, "failed at the target, which is not judged"),
                    (
                        excused.place,
                        "by Tidegate itself or of buckets that are not mapped now, which is not judged"
                    ),
                ])
            )?,
            None => writeln!(
                out,
                "requests: not judged: there is no time that the log and the records both cover (with {} for delivery)",
                crate_duration(self.question.delay)
            )?,
        }
        for ((bucket, kind), count) in &excused.kinds {
            writeln!(
                out,
                "          {count} not judged: the log has no {kind} of `{}` at all (`--complete` judges them)",
                Shown(bucket)
            )?;
        }
        if skipped > 0 {
            writeln!(
                out,
                "skipped:  {skipped} digests, insights and hidden files beside the log"
            )?;
        }
        if let Some(why) = self.unjudged() {
            writeln!(out, "unjudged: {why}")?;
        }
        if seen.troubles.count > 0 {
            writeln!(
                out,
                "unread:   {} could not be read: this log is not clean, whatever else is said here",
                counted(seen.troubles.count, "place", "places")
            )?;
            for trouble in &seen.troubles.first {
                writeln!(out, "          {}", Shown(trouble))?;
            }
        }
        writeln!(
            out,
            "{}",
            match self.outcome() {
                Outcome::Clean => "clean",
                Outcome::Findings => "not clean",
                Outcome::Unreadable => "unknown: nothing was found in what could be read",
                Outcome::Unjudged => "unknown: nothing could be judged",
            }
        )
    }

    fn excused(&self) -> u64 {
        let excused = &self.tally.excused;
        excused.time + excused.failed + excused.place + excused.kinds.values().sum::<u64>()
    }

    fn summary(&self) -> Value {
        let (seen, tally, excused) = (self.seen, self.tally, &self.tally.excused);
        let (log_files, audit_files, skipped) = self.files;
        let span = |span: Option<Span>| span.map(|span| json!({ "from": span.from, "to": span.to }));
        let kinds = excused.kinds.iter();
        json!({
            "outcome": match self.outcome() {
                Outcome::Clean => "clean",
                Outcome::Findings => "findings",
                Outcome::Unreadable => "unreadable",
                Outcome::Unjudged => "unjudged",
            },
            "unjudged": self.unjudged(),
            "log": {
                "kind": self.question.provider.name(),
                "files": log_files,
                "files_skipped": skipped,
                "entries": seen.entries,
                "time": span(seen.log),
                "matched": tally.matched,
                "unrecorded": tally.unrecorded,
                "unrecorded_outside_records": tally.outside_records,
                "forged_stamp": tally.forged,
                "disputed": tally.disputed,
                "duplicates": tally.duplicates,
                "by_provider": tally.by_provider,
                "unmapped_keys": tally.unmapped,
                "elsewhere": seen.entries_elsewhere,
                "outside_from_to": seen.entries_outside,
            },
            "records": {
                "files": audit_files,
                "records": seen.record_count,
                "at_targets": seen.records_here,
                "reached": tally.reached,
                "time": span(seen.records),
                "judged": span(self.both),
                "logged": tally.logged,
                "unlogged": tally.unlogged,
                "not_judged": {
                    "time": excused.time,
                    "failed": excused.failed,
                    "not_mapped": excused.place,
                    "kinds": kinds
                        .map(|((bucket, kind), count)| json!({ "bucket": bucket, "kind": kind, "count": count }))
                        .collect::<Vec<_>>(),
                },
            },
            "buckets": self.buckets,
            "unread": { "count": seen.troubles.count, "first": seen.troubles.first },
        })
    }
}

fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, OneLine))?;
    out.write_all(b"\n")
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What else there was, if there was any.
fn also(counts: &[(u64, &str)]) -> String {
    let some = counts.iter().filter(|(count, _)| *count > 0);
    some.fold(String::new(), |mut text, (count, what)| {
        // Writing to a String cannot fail.
        let _ = write!(text, "; {count} {what}");
        text
    })
}

fn crate_duration(duration: jiff::SignedDuration) -> String {
    format!("{duration:#}")
}

/// A time, or that there is none.
struct Said(Option<Span>);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(span) => write!(f, "{} to {}", span.from, span.to),
            None => f.write_str("of no time"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<12} {} {} {}",
            self.kind.name(),
            self.time,
            Shown(&self.operation),
            Shown(&self.bucket)
        )?;
        if let Some(key) = &self.key {
            write!(f, "/{}", Shown(key))?;
        }
        write!(f, " by {}", Shown(&self.principal))?;
        if let Some(source) = self.source.as_deref().filter(|source| !source.is_empty()) {
            write!(f, " from {}", Shown(source))?;
        }
        let claims = match self.kind {
            super::finding::Kind::Unlogged => "request",
            _ => "it claims to be request",
        };
        let more = [
            self.request_on
                .as_ref()
                .map(|place| format!("the request is on {}", Shown(place))),
            self.target_request_id
                .as_ref()
                .map(|id| format!("the target's request {}", Shown(id))),
            self.request_id
                .as_ref()
                .map(|id| format!("{claims} {}", Shown(id))),
            (self.kind == super::finding::Kind::Unrecorded && self.request_id.is_some()).then(|| {
                "stamped, but of no record: `tidegate doctor` or `check --targets`, audit files that are missing, or a forgery"
                    .to_owned()
            }),
            self.disputed
                .then(|| "one of several, of which not all can be ours".to_owned()),
            self.outside_records.then(|| "no records of that time".to_owned()),
            self.unmapped_key.then(|| "outside of mapped prefixes".to_owned()),
        ];
        let more: Vec<String> = more.into_iter().flatten().collect();
        match more.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", more.join(", ")),
        }
    }
}

/// Text of strangers on a terminal: whatever moves a cursor or hides is escaped.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' | '\'' | '\\' => f.write_char(c)?,
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        Ok(())
    }
}
