//! Clock drift: how far the clocks of others are from ours.
//!
//! A clock that is wrong breaks authentication in ways that look like anything but a clock: signatures that are too
//! old, tokens from the future, targets that refuse. Whatever says what time it is (the date that a caller signed, the
//! `Date` of an answer) is held against our own clock, kept as two numbers, and told to whoever can set it right.
//!
//! Knows nothing of metrics: whoever reports takes the numbers.

use crate::clock::Drift;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Mutex, PoisonError};

/// What was seen of one party's clock, or of those of all parties of a kind.
#[derive(Debug, Default)]
pub struct Observed(Mutex<Seen>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    last: Option<Drift>,
    /// In either direction, since it was taken.
    largest: Option<Drift>,
}

impl Observed {
    /// Somebody's clock was seen.
    pub fn saw(&self, drift: Drift) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.last = Some(drift);
        seen.largest = larger(seen.largest, Some(drift));
    }

    /// An answer said `date`, an HTTP date, between two times of ours. What is no date is ignored.
    pub fn saw_date(&self, date: &str, asked: Timestamp, answered: Timestamp) {
        if let Ok(theirs) = jiff::fmt::rfc2822::parse(date) {
            self.saw(Drift::seen(theirs.timestamp(), asked, answered));
        }
    }

    /// What was seen last.
    pub fn last(&self) -> Option<Drift> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// The largest, in either direction, since this was asked for the last time.
    pub fn take_largest(&self) -> Option<Drift> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .largest
            .take()
    }
}

/// That of the two which is further off, in either direction.
pub fn larger(one: Option<Drift>, other: Option<Drift>) -> Option<Drift> {
    one.into_iter()
        .chain(other)
        .max_by_key(|drift| drift.seconds().unsigned_abs())
}

/// More than this is told to the operator. S3 refuses requests from 15 minutes on, and tokens suffer earlier.
pub const WORTH_A_WARNING: SignedDuration = SignedDuration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_and_the_largest_are_kept() {
        let (observed, now) = (Observed::default(), at("2026-11-22T09:00:00Z"));
        assert_eq!((observed.last(), observed.take_largest()), (None, None));
        for theirs in [
            "2026-11-22T09:00:05Z",
            "2026-11-22T08:43:00Z",
            "2026-11-22T09:00:01Z",
        ] {
            observed.saw(Drift::seen(at(theirs), now, now));
        }
        let seconds = |drift: Option<Drift>| drift.map(Drift::seconds);
        assert_eq!(seconds(observed.last()), Some(1));
        assert_eq!(seconds(observed.take_largest()), Some(-17 * 60));
        assert_eq!(observed.take_largest(), None, "it was taken");
        assert_eq!(seconds(observed.last()), Some(1));
    }

    #[test]
    fn the_date_of_an_answer_is_read_and_anything_else_ignored() {
        let (observed, now) = (Observed::default(), at("2026-11-22T09:00:00Z"));
        for date in [
            "",
            "yesterday",
            "Sun, 22 Nov 2026",
            "2026-11-22T09:00:00Z",
            "Sun, 99 Nov 2026 09:00:00 GMT",
        ] {
            observed.saw_date(date, now, now);
            assert_eq!(observed.last(), None, "{date}");
        }
        observed.saw_date("Sun, 22 Nov 2026 08:58:00 GMT", now, now);
        assert_eq!(observed.last().map(Drift::seconds), Some(-120));
    }
}
