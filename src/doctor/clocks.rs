//! Whose clock is wrong: ours, if everybody else agrees about that; otherwise that of whoever stands alone.

use super::reach::SET_CLOCK;
use super::{Line, Side};
use crate::clock::Drift;
use crate::drift::WORTH_A_WARNING;
use jiff::SignedDuration;

/// From here on tokens and signatures fail somewhere: S3 refuses at 15 minutes, token services at five.
const FAILS: SignedDuration = SignedDuration::from_mins(5);

/// What the clocks of others say, by their names in the report.
pub(super) fn compare(clocks: &[(String, Drift)]) -> Vec<Line> {
    if clocks.is_empty() {
        return vec![Line::skip("clock", "", "nobody answered with the time")];
    }
    let off: Vec<&(String, Drift)> = clocks
        .iter()
        .filter(|(_, drift)| drift.exceeds(WORTH_A_WARNING))
        .collect();
    let names = |all: &[&(String, Drift)]| {
        let names: Vec<&str> = all.iter().map(|(name, _)| &**name).collect();
        names.join(", ")
    };
    let all: Vec<&(String, Drift)> = clocks.iter().collect();
    let Some((_, first)) = off.first().map(|seen| (&seen.0, seen.1)) else {
        return vec![Line::ok("clock", "", format!("in step with {}", names(&all)))];
    };
    // Everybody else is off by the same: then it is us.
    let same = |drift: Drift| (drift.seconds() - first.seconds()).abs() <= WORTH_A_WARNING.as_secs();
    if off.len() == clocks.len() && clocks.iter().all(|(_, drift)| same(*drift)) {
        let side = if first.seconds() > 0 { "behind" } else { "ahead of" };
        let by = amount(first);
        let said = format!(
            "this machine is {by} {side} {}; S3 refuses signatures at 15 min",
            names(&all)
        );
        return vec![grave(
            first,
            Line::fail("clock", "", said, Side::ThisMachine, SET_CLOCK),
        )];
    }
    let of_one = |(name, drift): &&(String, Drift)| {
        let said = format!("its clock is {drift} of this machine's, and others agree with this one");
        let line = Line::fail("clock", &**name, said, side_of(name), "set the clock there");
        grave(*drift, line)
    };
    off.iter().map(of_one).collect()
}

fn grave(drift: Drift, line: Line) -> Line {
    match drift.exceeds(FAILS) {
        true => line,
        false => line.as_warning(),
    }
}

fn side_of(name: &str) -> Side {
    match name.split(' ').next() {
        Some("issuer") => Side::IdentityProvider,
        Some("sts") => Side::TokenService,
        Some("target") => Side::Target,
        _ => Side::Tidegate,
    }
}

/// `17 min`.
fn amount(drift: Drift) -> String {
    let said = drift.to_string();
    said.trim_end_matches(" ahead")
        .trim_end_matches(" behind")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;
    use jiff::Timestamp;

    fn check(clocks: &[(&str, i64)], expected: &[(Outcome, Option<Side>, &str)]) {
        let ours = Timestamp::from_second(1_800_000_000).unwrap();
        let seen = |(name, ahead): &(&str, i64)| {
            let theirs = ours + SignedDuration::from_secs(*ahead);
            ((*name).to_owned(), Drift::seen(theirs, ours, ours))
        };
        let clocks: Vec<_> = clocks.iter().map(seen).collect();
        let lines = compare(&clocks);
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, (outcome, side, said)) in lines.iter().zip(expected) {
            assert_eq!((line.outcome, line.side), (*outcome, *side), "{line}");
            assert!(line.to_string().contains(said), "{line}");
        }
    }

    #[test]
    fn a_clock_is_blamed_on_whoever_stands_alone() {
        use Outcome::*;
        check(&[], &[(Skip, None, "nobody answered")]);
        check(
            &[("issuer idp", 1), ("target lake", -2)],
            &[(Ok, None, "in step with issuer idp, target lake")],
        );
        let behind = "this machine is 17 min behind issuer idp, target lake";
        check(
            &[("issuer idp", 1020), ("target lake", 1019)],
            &[(Fail, Some(Side::ThisMachine), behind)],
        );
        check(
            &[("target lake", -90)],
            &[(
                Warn,
                Some(Side::ThisMachine),
                "this machine is 90 s ahead of target lake",
            )],
        );
        check(
            &[("issuer idp", 0), ("target lake", -1020)],
            &[(Fail, Some(Side::Target), "its clock is 17 min behind")],
        );
        check(
            &[("issuer idp", 1020), ("target lake", -1020)],
            &[
                (Fail, Some(Side::IdentityProvider), "17 min ahead"),
                (Fail, Some(Side::Target), "17 min behind"),
            ],
        );
    }
}
