//! Clock drift: how far the clocks of others are from ours.
//!
//! A clock that is wrong breaks authentication in ways that look like anything but a clock: signatures that are too
//! old, tokens from the future, targets that refuse. Whatever says what time it is (the date that a caller signed, the
//! `Date` of an answer) is held against our own clock, kept as two numbers, and told to whoever can set it right.
//!
//! Positive means that they are ahead of us. Knows nothing of metrics: whoever reports takes the numbers.

use crate::clock::Drift;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Mutex, PoisonError};

/// What was seen of one party's clock, or of those of all parties of a kind.
#[derive(Debug, Default)]
pub struct DriftWatch(Mutex<Seen>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    last: Option<SignedDuration>,
    /// In either direction, since it was taken.
    largest: Option<SignedDuration>,
}

impl DriftWatch {
    /// Their clock said `theirs` when ours said `ours`.
    pub fn saw(&self, theirs: Timestamp, ours: Timestamp) {
        let ahead = theirs.duration_since(ours);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.last = Some(ahead);
        if seen
            .largest
            .is_none_or(|largest| ahead.unsigned_abs() > largest.unsigned_abs())
        {
            seen.largest = Some(ahead);
        }
    }

    /// Their clock said `date`, an HTTP date, when ours said `ours`. It has whole seconds, of which half of one has
    /// passed on average. What is no date is ignored.
    pub fn saw_date(&self, date: &str, ours: Timestamp) {
        let theirs = jiff::fmt::rfc2822::parse(date)
            .ok()
            .map(|zoned| zoned.timestamp());
        if let Some(theirs) = theirs.and_then(|theirs| theirs.checked_add(HALF_A_SECOND).ok()) {
            self.saw(theirs, ours);
        }
    }

    /// What was seen last.
    pub fn last(&self) -> Option<SignedDuration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// The largest, in either direction, since this was asked for the last time.
    pub fn take_largest(&self) -> Option<SignedDuration> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .largest
            .take()
    }
}

/// For a sentence about a clock: `17 min behind`, `4 s ahead`.
pub fn in_words(ahead: SignedDuration) -> String {
    Drift::from(ahead).to_string()
}

/// More than this is told to the operator. S3 refuses requests from 15 minutes on, and tokens suffer earlier.
pub const WORTH_A_WARNING: SignedDuration = SignedDuration::from_secs(60);

const HALF_A_SECOND: SignedDuration = SignedDuration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_and_the_largest_are_kept() {
        let (drift, now) = (DriftWatch::default(), at("2026-11-22T09:00:00Z"));
        assert_eq!((drift.last(), drift.take_largest()), (None, None));
        for theirs in [
            "2026-11-22T09:00:05Z",
            "2026-11-22T08:43:00Z",
            "2026-11-22T09:00:01Z",
        ] {
            drift.saw(at(theirs), now);
        }
        assert_eq!(drift.last(), Some(SignedDuration::from_secs(1)));
        assert_eq!(drift.take_largest(), Some(SignedDuration::from_mins(-17)));
        assert_eq!(drift.take_largest(), None, "it was taken");
        assert_eq!(drift.last(), Some(SignedDuration::from_secs(1)));
    }

    #[test]
    fn the_date_of_an_answer_is_read_and_anything_else_ignored() {
        let (drift, now) = (DriftWatch::default(), at("2026-11-22T09:00:00Z"));
        for date in [
            "",
            "yesterday",
            "Sun, 22 Nov 2026",
            "2026-11-22T09:00:00Z",
            "Sun, 99 Nov 2026 09:00:00 GMT",
        ] {
            drift.saw_date(date, now);
            assert_eq!(drift.last(), None, "{date}");
        }
        drift.saw_date("Sun, 22 Nov 2026 08:58:00 GMT", now);
        assert_eq!(drift.last(), Some(SignedDuration::from_millis(-119_500)));
    }
}
