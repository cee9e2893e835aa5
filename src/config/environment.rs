//! The environment of the process, taken once.
//!
//! The one place that reads it for the command line on a caller's machine. What comes later takes an [`Environment`], so
//! that tests say what is in it, and so that a variable is never read from two points in time.

use std::collections::BTreeMap;
use std::fmt;

/// Variables by name. Those that are not UTF-8 or empty are as good as not set.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// What this process was started with.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// An environment of these variables alone.
    pub fn of<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let owned = |(name, value): (N, V)| (name.into(), value.into());
        Self(variables.into_iter().map(owned).collect())
    }

    /// A variable, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether a variable is there and not empty.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// Many a variable is a secret: only the names are shown.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_not_set_and_no_value_is_shown() {
        let environment = Environment::of([("TOKEN", "hidden"), ("EMPTY", "")]);
        assert_eq!(environment.get("TOKEN"), Some("hidden"));
        assert_eq!(environment.get("EMPTY"), None);
        assert!(!environment.has("MISSING"));
        assert_eq!(format!("{environment:?}"), r#"{"EMPTY", "TOKEN"}"#);
    }
}
