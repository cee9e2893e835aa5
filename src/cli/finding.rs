//! What a check found.

use crate::config::ConfigProblem;
use std::fmt;
use std::path::Path;

/// Whether it keeps Tidegate from serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but is probably not meant.
    Warning,
}

/// One thing that is wrong, or hardly meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// File and line, key and value as far as there are any: `tidegate.toml:14: server.listen = "abc"`.
    pub location: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub accepted: Option<String>,
}

impl Finding {
    /// Something that keeps Tidegate from serving.
    pub fn error(location: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            location: location.to_string(),
            message: message.into(),
            accepted: None,
        }
    }

    /// Something that does not.
    pub fn warning(location: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(location, message)
        }
    }

    /// The same, with what would be right.
    pub fn expected(self, accepted: impl Into<String>) -> Self {
        Self {
            accepted: Some(accepted.into()),
            ..self
        }
    }

    /// What the configuration found.
    pub(super) fn of_config(severity: Severity, problem: &ConfigProblem) -> Self {
        // Everything before the message, in the words of the problem itself.
        let bare = ConfigProblem {
            message: String::new(),
            accepted: String::new(),
            ..problem.clone()
        };
        let location = bare.to_string();
        Self {
            severity,
            location: location.strip_suffix(": ").unwrap_or(&location).to_owned(),
            message: problem.message.clone(),
            accepted: Some(problem.accepted.clone()).filter(|accepted| !accepted.is_empty()),
        }
    }

    /// A file that cannot be opened.
    pub(super) fn of_io(path: &Path, error: &std::io::Error) -> Self {
        Self::error(path.display(), format!("cannot be read: {error}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}: {}", self.location, self.message)?;
        match &self.accepted {
            Some(accepted) => write!(f, "; expected {accepted}"),
            None => Ok(()),
        }
    }
}
