//! Times as people say them.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// `40 s`, `12 min`, `6 h 12 min`, `3 days`: no more exact than is of use.
pub(super) fn duration(duration: SignedDuration) -> String {
    let seconds = duration.unsigned_abs().as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) if minutes % 60 == 0 => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        (1, _, _) => "1 day".to_owned(),
        _ => format!("{days} days"),
    }
}

/// `18:04` of this day in `zone`, or with the date if it is another day.
pub(super) fn time(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let form = if at.date() == now.date() {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_briefly() {
        let check = |seconds: i64, said: &str| {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), said);
            assert_eq!(duration(SignedDuration::from_secs(-seconds)), said);
        };
        check(0, "0 s");
        check(59, "59 s");
        check(60, "1 min");
        check(12 * 60 + 30, "12 min");
        check(8 * 3600, "8 h");
        check(6 * 3600 + 12 * 60, "6 h 12 min");
        check(86_400, "1 day");
        check(3 * 86_400 + 5, "3 days");
    }

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-20T10:00:00Z");
        assert_eq!(time(at("2026-11-20T18:04:59Z"), now, &TimeZone::UTC), "18:04");
        assert_eq!(
            time(at("2026-11-21T08:04:00Z"), now, &TimeZone::UTC),
            "2026-11-21 08:04"
        );
    }
}
