//! What is right and wrong about a token, for its operator: `tidegate check --token`.

use super::tally::{Notes, Tally};
use super::token::Unverified;
use super::{Accepted, Identity, TokenError, Verifier};
use crate::clock::Drift;
use jiff::Timestamp;

/// Every check, in order. What comes after a failure that hides the claims is not reached.
const CHECKS: [&str; 12] = [
    "form",
    "issuer",
    "key",
    "signature",
    "audience",
    "times",
    "lifetime",
    "now",
    "subject",
    "principal",
    "groups",
    "tags",
];

/// How a token fares.
#[derive(Debug)]
pub struct Examination {
    /// The configured name of the issuer that would take it, or whose token it would be.
    pub issuer: Option<Box<str>>,
    /// Every check, in the order in which they are made.
    pub checks: Vec<Checked>,
    /// Whom it names, if every check was passed.
    pub identity: Option<Identity>,
    /// The clock of its issuer, if that was asked.
    pub drift: Option<Drift>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Its name: `form`, `issuer`, `key`, `signature`, `audience`, `times`, `lifetime`, `now`, `subject`, `principal`,
    /// `require`, `groups` or `tags`.
    pub check: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// What the token says about it, and what is accepted.
    pub seen: String,
}

/// How a check went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was passed.
    Passed,
    /// It was not, for this reason.
    Failed(String),
    /// It was not made: what it is about is not known before an earlier one is passed.
    NotReached,
}

#[derive(Default)]
struct Noted(Vec<Checked>);

impl Notes for Noted {
    const WHOLE: bool = true;

    fn note(&mut self, check: &'static str, failure: Option<&TokenError>, seen: impl FnOnce() -> String) {
        self.0.push(Checked {
            check,
            outcome: match failure {
                None => Outcome::Passed,
                Some(error) => Outcome::Failed(error.to_string()),
            },
            seen: seen(),
        });
    }
}

impl Verifier {
    /// Makes every check of [`Verifier::verify`] that can be made, and says how each went.
    pub async fn examine(&self, token: &str, now: Timestamp) -> Examination {
        let (verdict, Noted(mut checks)) = self.judge(token, now, Tally::new(Noted::default())).await;
        for check in CHECKS {
            if !checks.iter().any(|made| made.check == check) {
                checks.push(Checked {
                    check,
                    outcome: Outcome::NotReached,
                    seen: String::new(),
                });
            }
        }
        let realm = Unverified::parse(token)
            .ok()
            .and_then(|token| self.realms.get(token.issuer().ok()?));
        let (accepted, named) = match verdict {
            Ok(accepted) => {
                let name = accepted.issuer.name.clone();
                (Some(accepted), Some(name))
            }
            // Of several tables for one `iss` nobody knows which it would be.
            Err(_) => match realm.map(|realm| &*realm.issuers) {
                Some([only]) => (None, Some(only.name.clone())),
                _ => (None, None),
            },
        };
        Examination {
            issuer: named,
            checks,
            identity: accepted.map(|accepted: Accepted| accepted.identity),
            drift: realm.and_then(|realm| realm.keys.drift()),
        }
    }
}

impl Examination {
    /// Whether the token would be taken.
    pub fn is_accepted(&self) -> bool {
        self.identity.is_some()
    }
}
