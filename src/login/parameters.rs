//! The parameters of a page. Of two values for one name another reader may take the other one, so there is one or none.

use super::LoginError;
use std::borrow::Cow;

/// The parameters of a query or form that were not taken yet.
pub(super) struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Parameters<'a> {
    /// Reads `name=value&…`.
    pub(super) fn of(text: Option<&'a str>) -> Self {
        Self(form_urlencoded::parse(text.unwrap_or_default().as_bytes()).collect())
    }

    /// The value of `name`, if it is there.
    ///
    /// # Errors
    /// [`LoginError::Parameter`] if it is there twice.
    pub(super) fn take(&mut self, name: &'static str) -> Result<Option<Cow<'a, str>>, LoginError> {
        let found = self.0.iter().position(|(n, _)| n == name);
        let value = found.map(|at| self.0.swap_remove(at).1);
        match self.0.iter().any(|(n, _)| n == name) {
            true => Err(LoginError::Parameter(name)),
            false => Ok(value),
        }
    }

    /// # Errors
    /// [`LoginError::Parameter`] if any is left.
    pub(super) fn refuse_others(&self) -> Result<(), LoginError> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(LoginError::Parameter("(another one)")),
        }
    }
}
