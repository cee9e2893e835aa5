//! What is wrong with a policy file, and where.

use cedar_policy::ffi::DetailedError;
use std::{fmt, path::Path, path::PathBuf};

/// A place in a text, both counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// An error or a warning about a policy file: `lake.cedar:12:5: message (help)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Where in it; `None` if it is about the file as a whole.
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
    /// What would be accepted.
    pub help: Option<String>,
}

/// Why policies were not loaded. Any of them refuses all.
pub type PolicyError = Finding;

/// What is accepted, but rarely meant.
pub type PolicyWarning = Finding;

impl Finding {
    pub(super) fn of_file(file: &Path, message: impl Into<String>, help: Option<&str>) -> Self {
        Self {
            file: file.to_owned(),
            position: None,
            message: message.into(),
            help: help.map(str::to_owned),
        }
    }

    pub(super) fn at(mut self, lines: &Lines<'_>, offset: usize) -> Self {
        self.position = Some(lines.position(offset));
        self
    }

    /// From Cedar's words. `fallback` is where it is about if Cedar does not say.
    pub(super) fn of_cedar(
        file: &Path,
        lines: &Lines<'_>,
        fallback: Option<usize>,
        error: DetailedError,
    ) -> Self {
        let label = error.source_locations.first();
        let mut message = error.message;
        // The label says what was expected at that place; parse errors alone have one.
        if let Some(label) = label.and_then(|label| label.label.as_deref()) {
            message = format!("{message}: {label}");
        }
        let found = Self::of_file(file, message, error.help.as_deref());
        match label.map(|label| label.loc.start).or(fallback) {
            Some(offset) => found.at(lines, offset),
            None => found,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// A text and where its lines begin.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(after_breaks.map(|(at, _)| at + 1));
        Self {
            text,
            starts: starts.collect(),
        }
    }

    /// The position of a byte; past the end, that of the end.
    pub(super) fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line));
        let rest = start
            .and_then(|start| self.text.get(*start..))
            .unwrap_or_default();
        let within = offset.saturating_sub(start.copied().unwrap_or_default());
        let before = rest.char_indices().take_while(|(at, _)| *at < within);
        Position {
            line,
            column: before.count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_lines_and_columns() {
        let text = "ab\nä\u{1F600}c\r\n\nx";
        for (offset, line, column) in [
            (0, 1, 1),
            (2, 1, 3),
            (3, 2, 1),
            (5, 2, 2),
            (9, 2, 3),
            (12, 3, 1),
            (13, 4, 1),
            (99, 4, 2),
        ] {
            assert_eq!(
                Lines::new(text).position(offset),
                Position { line, column },
                "{offset}"
            );
        }
    }
}
