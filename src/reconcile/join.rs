//! Comparing: rows of both sides come in order of what they have in common, and each group is decided as it passes.
//!
//! A group of [`Space::Request`] has the records and entries with one id of the provider. An entry there that has no
//! record and claims nothing is a request that somebody else made. A group of [`Space::Stamp`] has the record with one id
//! of ours, and the entries that claim to be its requests: a claim holds if the record has the provider's id of the entry.
//! Where there is no such id (Google's log has none; an answer that never came), place and time must be those of the
//! record, and there must not be more entries than requests. If there are, any of them may be the stranger's: all of them
//! are findings, so that who it was is among them whatever order they come in.

use super::entry::Class;
use super::finding::{Finding, Kind};
use super::row::{Head, Ours, Side, Space, Theirs};
use super::sorter::{Sorted, Sorter};
use super::{Provider, Span};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// How far clocks may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Records that are kept of one group. There is one, unless a target gives an id twice.
const RECORDS: usize = 16;
/// Different things that one request may leave entries about, and one that names many keys: S3 takes a thousand.
const KINDS: usize = 64;
const MANY_KINDS: usize = 1024;
/// Entries of one kind that are kept in case another one follows: more than a request is ever tried again.
const KEPT: usize = 16;

/// What is needed to judge.
pub(super) struct Rules<'a> {
    pub(super) provider: Provider,
    /// When records ought to be logged: both sides cover it, with time for delivery.
    pub(super) both: Option<Span>,
    /// What is asked about.
    pub(super) asked: Span,
    /// When there are records at all.
    pub(super) records: Option<Span>,
    /// What the log has of each bucket.
    pub(super) logged: &'a BTreeMap<Box<str>, BTreeSet<Class>>,
    /// It ought to have everything.
    pub(super) complete: bool,
    /// Entries outside of mapped prefixes are findings.
    pub(super) unmapped: bool,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) duplicates: u64,
    /// Entries that are requests of ours.
    pub(super) matched: u64,
    pub(super) by_provider: u64,
    /// Entries without a record outside of mapped prefixes, if those are no findings.
    pub(super) unmapped: u64,
    pub(super) outside_records: u64,
    pub(super) unrecorded: u64,
    pub(super) forged: u64,
    /// Entries that count as matched and are findings all the same: one of too many is a stranger's, and nobody knows which.
    pub(super) disputed: u64,
    pub(super) unlogged: u64,
    /// Our requests that the log has.
    pub(super) logged: u64,
    /// Records of what a target did on a mapped bucket, in the time that is asked about.
    pub(super) reached: u64,
    /// Of our requests in that time, those that the log has.
    pub(super) logged_then: u64,
    /// Our requests that the log has not, and need not have.
    pub(super) excused: Excused,
}

/// Why a request need not be logged.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Excused {
    /// It is not in the time that both sides cover.
    pub(super) time: u64,
    /// It failed, or nobody knows.
    pub(super) failed: u64,
    /// It is a canary's, or of a bucket that is not mapped any more.
    pub(super) place: u64,
    /// The log has none of its kind in its bucket: counted by both.
    pub(super) kinds: BTreeMap<(String, &'static str), u64>,
}

/// Compares everything. Findings go to `findings`.
pub(super) fn join(rows: &mut Sorted, rules: &Rules<'_>, findings: &mut Sorter) -> io::Result<Tally> {
    let mut join = Join {
        rules,
        findings,
        tally: Tally::default(),
        row: Vec::new(),
    };
    let mut group: Option<Group> = None;
    while let Some(row) = rows.next()? {
        let (head, body) = Head::read(row).ok_or_else(damaged)?;
        if let Some(done) = group.take_if(|group| (group.space, group.key) != (head.space, head.key)) {
            join.end(&done)?;
        }
        let group = group.get_or_insert_with(|| Group::new(&head));
        let place = Some((head.side, head.identity));
        if group.last == place {
            if head.side == Side::Entry && join.is_counted(&head, body) {
                join.tally.duplicates += 1;
            }
            continue;
        }
        group.last = place;
        match head.side {
            Side::Record => {
                let record = Ours::unpack(body).ok_or_else(damaged)?;
                if group.records.len() < RECORDS {
                    group.records.push(record);
                }
            }
            Side::Entry if body.is_empty() => group.entries += 1,
            Side::Entry => {
                let entry = Theirs::unpack(body).ok_or_else(damaged)?;
                join.entry(group, &entry)?;
            }
        }
    }
    if let Some(done) = group {
        join.end(&done)?;
    }
    Ok(join.tally)
}

fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the work files were changed while they were used",
    )
}

/// Rows with the same key.
struct Group {
    space: Space,
    key: [u8; 16],
    last: Option<(Side, [u8; 16])>,
    records: Vec<Ours>,
    /// Entries that count as logged.
    entries: u64,
    /// Entries without an id that were taken for requests of the record, by operation and key.
    taken: BTreeMap<(String, Option<String>), Taken>,
}

impl Group {
    fn new(head: &Head) -> Self {
        Self {
            space: head.space,
            key: head.key,
            last: None,
            records: Vec::new(),
            entries: 0,
            taken: BTreeMap::new(),
        }
    }
}

/// Entries that were taken for requests of a record because there are not more of them.
#[derive(Default)]
struct Taken {
    count: u32,
    /// What will be said of them if there are.
    kept: Vec<Finding>,
}

struct Join<'a> {
    rules: &'a Rules<'a>,
    findings: &'a mut Sorter,
    tally: Tally,
    row: Vec<u8>,
}

impl Join<'_> {
    /// Whether this row counts the entry. A stamped one with an id of the provider has a row in each space.
    fn is_counted(&self, head: &Head, body: &[u8]) -> bool {
        head.space == Space::Request || Theirs::unpack(body).is_some_and(|entry| entry.request_id.is_none())
    }

    fn entry(&mut self, group: &mut Group, entry: &Theirs<'_>) -> io::Result<()> {
        match group.space {
            Space::Request if !group.records.is_empty() => {
                group.entries += 1;
                self.tally.matched += 1;
                Ok(())
            }
            // What it claims is looked up in the other space.
            Space::Request if entry.stamp.is_some() => Ok(()),
            Space::Request => self.unrecorded(entry),
            Space::Stamp => self.claim(group, entry),
        }
    }

    /// An entry that says it is a request of the record.
    fn claim(&mut self, group: &mut Group, entry: &Theirs<'_>) -> io::Result<()> {
        let Some(record) = group.records.first() else {
            return self.unrecorded(entry);
        };
        let id = entry.request_id.map(|id| super::entry::hash(&[id]));
        if id.is_some_and(|id| record.ids.contains(&id)) {
            // Counted in the other space.
            return Ok(());
        }
        // Without an id of the provider's, or with one that no answer told us.
        let (name, allowed) = match id {
            Some(_) => (String::new(), record.unknown),
            None => (entry.operation.to_owned(), record.requests),
        };
        let key = (name, entry.key.filter(|_| id.is_none()).map(str::to_owned));
        // A bulk delete leaves an entry for each key.
        let kinds = if record.many { MANY_KINDS } else { KINDS };
        let room = group.taken.len() < kinds || group.taken.contains_key(&key);
        let mut finding = Finding::of_entry(Kind::ForgedStamp, entry, self.is_outside(entry.at));
        if room && is_plausible(entry, record) && allowed > 0 {
            finding.disputed = true;
            let taken = group.taken.entry(key).or_default();
            taken.count = taken.count.saturating_add(1);
            if taken.count <= allowed {
                group.entries += 1;
                self.tally.matched += 1;
                if taken.kept.len() < KEPT {
                    taken.kept.push(finding);
                }
                return Ok(());
            }
            for other in std::mem::take(&mut taken.kept) {
                self.tally.disputed += 1;
                self.find(&other)?;
            }
        }
        self.tally.forged += 1;
        self.find(&finding)
    }

    fn unrecorded(&mut self, entry: &Theirs<'_>) -> io::Result<()> {
        if entry.by_provider {
            self.tally.by_provider += 1;
            return Ok(());
        }
        if !entry.inside && !self.rules.unmapped {
            self.tally.unmapped += 1;
            return Ok(());
        }
        let outside = self.is_outside(entry.at);
        self.tally.outside_records += u64::from(outside);
        self.tally.unrecorded += 1;
        self.find(&Finding::of_entry(Kind::Unrecorded, entry, outside))
    }

    /// What is known of records only when all entries were seen.
    fn end(&mut self, group: &Group) -> io::Result<()> {
        if group.space == Space::Stamp {
            // Here each record is once, however many requests it has.
            let reached = |record: &&Ours| {
                record.done && record.class.is_some() && self.rules.asked.contains(record.at)
            };
            self.tally.reached += group.records.iter().filter(reached).count() as u64;
        }
        // Each side is judged where it has its ids.
        let by_id = self.rules.provider.has_request_ids();
        if by_id != (group.space == Space::Request) {
            return Ok(());
        }
        for record in &group.records {
            if group.entries > 0 {
                self.tally.logged += 1;
                self.tally.logged_then += u64::from(self.rules.asked.contains(record.at));
            } else if self.ought_to_be_logged(record) {
                self.tally.unlogged += 1;
                self.find(&Finding::of_record(record))?;
            }
        }
        Ok(())
    }

    fn ought_to_be_logged(&mut self, record: &Ours) -> bool {
        let excused = &mut self.tally.excused;
        if !self.rules.both.is_some_and(|span| span.contains(record.at)) {
            excused.time += 1;
            return false;
        }
        let (Some(class), Some((bucket, _))) = (record.class, &record.place) else {
            excused.place += 1;
            return false;
        };
        if !record.done {
            excused.failed += 1;
            return false;
        }
        let has = |classes: &BTreeSet<Class>| {
            // An access log has all kinds or none.
            classes.contains(&class) || self.rules.provider == Provider::S3AccessLogs
        };
        if !self.rules.complete && !self.rules.logged.get(&**bucket).is_some_and(has) {
            *excused.kinds.entry((bucket.clone(), class.name())).or_default() += 1;
            return false;
        }
        true
    }

    fn is_outside(&self, at: Timestamp) -> bool {
        let padded = self.rules.records.map(|span| span.padded(SKEW));
        !padded.is_some_and(|span| span.contains(at))
    }

    fn find(&mut self, finding: &Finding) -> io::Result<()> {
        finding.pack(&mut self.row);
        self.findings.push(&self.row)
    }
}

/// What a request does, as far as the words of providers tell it alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Reads,
    Writes,
    Deletes,
}

impl Deed {
    /// Of `GetObject`, `REST.GET.OBJECT` or `storage.objects.get`.
    fn of(operation: &str) -> Self {
        let word = match operation.split_once('.') {
            Some(("storage", rest)) => rest.rsplit('.').next(),
            Some((_, rest)) => rest.split('.').next(),
            None => Some(operation),
        };
        let word = word.unwrap_or_default().to_ascii_lowercase();
        let begins = |words: &[&str]| words.iter().any(|verb| word.starts_with(verb));
        if begins(&["delete", "abort"]) || operation.contains("MULTI_OBJECT_DELETE") {
            Self::Deletes
        } else if begins(&["get", "head", "list", "select", "options"]) {
            Self::Reads
        } else {
            Self::Writes
        }
    }
}

/// Whether an entry can be what a record asked for: its deed and its place, while it was under way.
fn is_plausible(entry: &Theirs<'_>, record: &Ours) -> bool {
    let span = Span {
        from: record.at,
        to: record.until,
    };
    let is = |place: Option<&(String, Option<String>)>, many: bool| {
        place.is_some_and(|(bucket, key)| {
            let same = match (entry.key, key) {
                (None, _) => true,
                (Some(key), Some(ours)) if many => key.starts_with(ours.as_str()),
                (Some(key), Some(ours)) => key == ours,
                (Some(_), None) => false,
            };
            bucket == entry.bucket && same
        })
    };
    let theirs = Deed::of(entry.operation);
    let fits = match (record.operation.as_deref().map(Deed::of), record.class) {
        // A canary does everything.
        (_, None) => true,
        (None, Some(_)) => false,
        // Taking a setting away is a change to Google.
        (Some(ours), Some(Class::Manage)) => (ours == Deed::Reads) == (theirs == Deed::Reads),
        (Some(ours), Some(Class::Read | Class::Write)) => ours == theirs,
    };
    // A move takes its source away.
    let moves = record.operation.as_deref() == Some("storage.objects.move");
    let of_source = theirs == Deed::Reads || (moves && theirs == Deed::Deletes);
    let copied = of_source && record.sources.iter().any(|source| is(Some(source), false));
    span.padded(SKEW).contains(entry.at) && ((fits && is(record.place.as_ref(), record.many)) || copied)
}
