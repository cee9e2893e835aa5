//! The checks of a token, one after the other.
//!
//! There is one list of checks. Whoever verifies wants its first failure; `tidegate check --token` wants all of it,
//! with what the token says. Both go through [`Tally`], so that the report cannot praise what a door refuses.

use super::TokenError;

/// Who hears how each check went.
pub(super) trait Notes {
    /// Whether checks go on after a failure, as far as they can.
    const WHOLE: bool;

    /// A check is over. `seen` is what the token says about it.
    fn note(&mut self, check: &'static str, failure: Option<&TokenError>, seen: impl FnOnce() -> String);
}

/// Nobody: only the verdict counts.
pub(super) struct Silent;

impl Notes for Silent {
    const WHOLE: bool = false;

    fn note(&mut self, _: &'static str, _: Option<&TokenError>, _: impl FnOnce() -> String) {}
}

/// The checks so far, and the first that failed.
pub(super) struct Tally<N> {
    notes: N,
    failure: Option<TokenError>,
}

impl<N: Notes> Tally<N> {
    pub(super) fn new(notes: N) -> Self {
        Self { notes, failure: None }
    }

    /// Makes a check, unless one has failed and nobody asks for more. `None` if there is nothing to go on with.
    pub(super) fn check<T>(
        &mut self,
        name: &'static str,
        judge: impl FnOnce() -> Result<T, TokenError>,
        seen: impl FnOnce() -> String,
    ) -> Option<T> {
        if self.failure.is_some() && !N::WHOLE {
            return None;
        }
        match judge() {
            Ok(value) => {
                self.notes.note(name, None, seen);
                Some(value)
            }
            Err(error) => {
                self.notes.note(name, Some(&error), seen);
                self.failure.get_or_insert(error);
                None
            }
        }
    }

    /// What the checks found if all were passed; else the first failure, and what was noted.
    pub(super) fn verdict<T>(self, found: Option<T>) -> (Result<T, TokenError>, N) {
        let verdict = match (self.failure, found) {
            (None, Some(found)) => Ok(found),
            (Some(failure), _) => Err(failure),
            // INVARIANT: what is missing was not found by a check that failed. Should that ever not hold, it is refused.
            (None, None) => Err(TokenError::Refused("it could not be judged")),
        };
        (verdict, self.notes)
    }
}
