//! What people are told: standard error, and whether somebody is there to read it.
//!
//! Standard output belongs to machines. Nothing secret is said here (SDKs put the standard error of a credential process
//! into their own logs), which is why only [`Console::say`] writes, and why the words of servers go through [`printable`].

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Standard error and, if there is one, the person before it.
#[derive(Clone)]
pub struct Console {
    out: Arc<Mutex<dyn Write + Send>>,
    attended: bool,
}

impl Console {
    /// That of the process.
    pub fn of_process() -> Self {
        Self {
            out: Arc::new(Mutex::new(std::io::stderr())),
            attended: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
        }
    }

    /// One that writes to `out`.
    pub fn new(out: Arc<Mutex<dyn Write + Send>>, attended: bool) -> Self {
        Self { out, attended }
    }

    /// Whether somebody is there to answer: both standard input and standard error are a terminal.
    pub fn is_attended(&self) -> bool {
        self.attended
    }

    /// Says one line, or several.
    pub fn say(&self, text: impl AsRef<str>) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to be told if this fails.
        let _ = writeln!(out, "{}", text.as_ref());
        let _ = out.flush();
    }

    /// Says what was not as it should be, though the command goes on.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.say(format!("tidegate: warning: {}", text.as_ref()));
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("attended", &self.attended)
            .finish_non_exhaustive()
    }
}

/// The words of somebody else, fit for a terminal: on one line, without control characters, not without end.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 400;
    let mut fit: String = text
        .chars()
        .map(|c| {
            if c.is_control()
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
            {
                ' '
            } else {
                c
            }
        })
        .take(LONGEST)
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        fit.push('…');
    }
    fit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_server_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc\u{202e}d"), "a [2Jb  c d");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 401);
    }
}
