//! The only source of time. Code that decides takes a [`Clock`], so that tests can set it.

use jiff::{SignedDuration, Timestamp};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Wall-clock time, real or set by a test.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Fixed(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `at` until [`Clock::advance`] moves it. Clones share the time.
    pub fn fixed(at: Timestamp) -> Self {
        Self(Source::Fixed(Arc::new(Mutex::new(at))))
    }

    /// The current time.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Fixed(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a fixed clock; does nothing to the machine's.
    pub fn advance(&self, by: SignedDuration) {
        if let Source::Fixed(at) = &self.0 {
            let mut at = at.lock().unwrap_or_else(PoisonError::into_inner);
            *at += by;
        }
    }
}

/// How far somebody's clock is from ours: theirs minus ours, in whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drift(i64);

impl Drift {
    /// By a time that they wrote between two of ours: only what lies outside of that is certain. `Date` has no
    /// fractions of a second, which is allowed for.
    pub fn seen(theirs: Timestamp, asked: Timestamp, answered: Timestamp) -> Self {
        let theirs = theirs.as_second();
        let (early, late) = (asked.as_second(), answered.as_second());
        if theirs > late {
            Self(theirs.saturating_sub(late))
        } else if theirs < early {
            Self(theirs.saturating_sub(early))
        } else {
            Self(0)
        }
    }

    /// Seconds that they are ahead of us; negative if they are behind.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// Whether it is more than this, either way.
    pub fn exceeds(self, limit: SignedDuration) -> bool {
        SignedDuration::from_secs(self.0).abs() > limit
    }
}

impl fmt::Display for Drift {
    /// `17 min ahead`, `40 s behind`, `in step`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (amount, unit) = match self.0.unsigned_abs() {
            0 => return f.write_str("in step"),
            seconds @ ..120 => (seconds, "s"),
            seconds @ ..7200 => (seconds / 60, "min"),
            seconds @ ..172_800 => (seconds / 3600, "h"),
            seconds => (seconds / 86_400, "days"),
        };
        let direction = if self.0 > 0 { "ahead" } else { "behind" };
        write!(f, "{amount} {unit} {direction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_outside_of_the_exchange_is_drift() {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let check = |theirs: i64, asked: i64, answered: i64, seconds: i64, text: &str| {
            let drift = Drift::seen(at(theirs), at(asked), at(answered));
            assert_eq!((drift.seconds(), &*drift.to_string()), (seconds, text));
        };
        check(0, 0, 0, 0, "in step");
        check(3, 0, 5, 0, "in step");
        check(7, 0, 5, 2, "2 s ahead");
        check(-7, 0, 5, -7, "7 s behind");
        check(1020, 0, 0, 1020, "17 min ahead");
        check(-1020, 0, 0, -1020, "17 min behind");
        check(-40_000, 0, 0, -40_000, "11 h behind");
        check(-400 * 86_400, 0, 0, -400 * 86_400, "400 days behind");
        // Our second has begun, theirs is the same one.
        let ours = at(0) + SignedDuration::from_millis(900);
        assert_eq!(Drift::seen(at(0), ours, ours).seconds(), 0);
        assert!(Drift(31).exceeds(SignedDuration::from_secs(30)));
        assert!(Drift(-31).exceeds(SignedDuration::from_secs(30)));
        assert!(!Drift(-30).exceeds(SignedDuration::from_secs(30)));
    }
}
