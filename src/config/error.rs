//! What is wrong with a configuration: where, what was written, and what would be accepted.

use std::fmt;
use std::path::{Path, PathBuf};

/// One mistake, or one warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The configuration file, as it was named.
    pub file: PathBuf,
    /// The line, from 1; `None` if the file as a whole is meant.
    pub line: Option<usize>,
    /// The path of the key (`targets.store.credentials.kind`); empty for the file as a whole.
    pub key: String,
    /// What was written, as TOML; `None` if nothing was, or if it may be a secret.
    pub value: Option<String>,
    /// What is wrong with it.
    pub message: String,
    /// What would be right; empty if the message says so.
    pub accepted: String,
}

impl ConfigProblem {
    pub(super) fn of_file(file: &Path, message: String, accepted: &str) -> Self {
        Self {
            file: file.to_path_buf(),
            line: None,
            key: String::new(),
            value: None,
            message,
            accepted: accepted.to_owned(),
        }
    }
}

impl fmt::Display for ConfigProblem {
    /// `tidegate.toml:14: server.listen = "abc": not an address; expected …`, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}", self.message)?;
        if !self.accepted.is_empty() {
            write!(f, "; expected {}", self.accepted)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    /// What is wrong.
    pub problems: Vec<ConfigProblem>,
    /// What is suspicious besides.
    pub warnings: Vec<ConfigProblem>,
}

impl fmt::Display for ConfigErrors {
    /// One line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl From<ConfigProblem> for ConfigErrors {
    fn from(problem: ConfigProblem) -> Self {
        Self {
            problems: vec![problem],
            warnings: Vec::new(),
        }
    }
}
