//! Text that goes into a record: bounded, one line, and without what looks like a secret.
//!
//! No field of a record is made for a secret. This is the second fence, for text that others wrote: user agents and
//! the words of an error.

use serde_json::ser::Formatter;
use std::io;

/// At most `limit` characters of `text`.
pub(super) fn clip(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    text.char_indices()
        .nth(limit)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}

/// At most `limit` characters of `text`, with every word that looks like a token, a signature or a key replaced.
pub(crate) fn scrub(text: &str, limit: usize) -> Box<str> {
    // Clipped first for bounded work, generously, so that no word is cut into something that looks harmless.
    let text = clip(text, limit.saturating_mul(2));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (before, tail) = rest.split_at(start);
        let (word, after) = tail.split_at(tail.find(|c| !is_word(c)).unwrap_or(tail.len()));
        out.push_str(before);
        out.push_str(if is_suspect(word) { "[redacted]" } else { word });
        rest = after;
    }
    out.push_str(rest);
    clip(&out, limit).into()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-' | '.' | '%')
}

/// A JWT or a piece of one, a hex digest, or a long run of base64 in both cases with digits: neither a path, nor a
/// host name, nor a ULID looks like that.
fn is_suspect(word: &str) -> bool {
    let jwt = word.starts_with("eyJ") && word.len() > 20;
    let hex = word.len() >= 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let base64 = word.split('.').any(|piece| {
        piece.len() >= 40
            && piece.bytes().any(|b| b.is_ascii_uppercase())
            && piece.bytes().any(|b| b.is_ascii_lowercase())
            && piece.bytes().any(|b| b.is_ascii_digit())
    });
    jwt || hex || base64
}

/// Whether a claimed access key id may be recorded: people paste the secret key into the wrong field, and that has
/// lower-case letters.
pub(super) fn is_access_key_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// JSON on one line, in which nothing moves a cursor, reverses a line or hides (AUD-04).
///
/// serde_json escapes C0, quotes and backslashes; this adds what terminals and viewers obey besides.
pub(crate) struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly always: a look at many bytes at a time instead of one character after the other.
        if fragment.is_ascii() && !fragment.as_bytes().contains(&0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, bad)) = rest.char_indices().find(|(_, c)| is_hidden(*c)) {
            let (clean, tail) = rest.split_at(at);
            // Every hidden character is in the basic plane: one escape is enough.
            write!(writer, "{clean}\\u{:04x}", u32::from(bad))?;
            rest = tail.get(bad.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{7f}'..='\u{9f}'              // DEL and C1: CSI is U+009B
        | '\u{ad}' | '\u{61c}'           // soft hyphen, Arabic letter mark
        | '\u{200b}'..='\u{200f}'        // zero width, direction marks
        | '\u{2028}'..='\u{202e}'        // line and paragraph ends, embeddings and overrides
        | '\u{2060}'..='\u{206f}'        // invisible operators, isolates
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}
