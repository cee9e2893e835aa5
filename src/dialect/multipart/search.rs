//! A delimiter in bytes that come in pieces of any size.

use std::io::BufRead as _;

/// Looks for one delimiter.
///
/// INVARIANT: the first byte of the delimiter, which begins a line end, is nowhere else in it. So bytes that matched and
/// then did not are no beginning of another match, and a single counter is enough.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Search {
    /// Bytes of the delimiter that the last piece ended with.
    matched: usize,
}

impl Search {
    /// Takes the next piece; where in it the first delimiter ends. What is behind that is to be searched anew.
    pub(crate) fn end_in(&mut self, piece: &[u8], delimiter: &[u8]) -> Option<usize> {
        let first = *delimiter.first()?;
        let mut at = 0;
        loop {
            if self.matched == 0 {
                // Most of a file has no line end of this kind.
                at += find(piece.get(at..)?, first)?;
            }
            let byte = *piece.get(at)?;
            at += 1;
            self.matched = match delimiter.get(self.matched) {
                Some(expected) if *expected == byte => self.matched + 1,
                _ if byte == first => 1,
                _ => 0,
            };
            if self.matched == delimiter.len() {
                self.matched = 0;
                return Some(at);
            }
        }
    }

    /// How many bytes that were taken may be the beginning of the delimiter.
    pub(crate) fn pending(&self) -> usize {
        self.matched
    }
}

/// Where the first byte of this kind is. Every byte of an upload passes here: `position` takes five times as long as what
/// is behind `skip_until`.
fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut rest = bytes;
    let read = rest.skip_until(wanted).ok()?;
    let at = read.checked_sub(1)?;
    (bytes.get(at) == Some(&wanted)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_found_at_every_split() {
        let check = |delimiter: &[u8], bytes: &[u8], expected: Option<usize>| {
            for size in 1..=bytes.len() {
                let mut search = Search::default();
                let mut pieces = bytes.chunks(size).enumerate();
                let found =
                    pieces.find_map(|(nth, piece)| Some(nth * size + search.end_in(piece, delimiter)?));
                assert_eq!(found, expected, "{bytes:?} by {size}");
            }
        };
        let crlf = b"\r\n--b-b";
        check(crlf, b"a\r\n--b-b", Some(8));
        check(crlf, b"\r\r\n--b-b--", Some(8));
        check(crlf, b"\r\n--b-\r\n--b-b", Some(13));
        check(crlf, b"\r\n\r\n--b\r\n--b-bb", Some(14));
        check(crlf, b"--b-b", None);
        check(crlf, b"\n--b-b", None);
        check(crlf, b"\r\n--b-\nb", None);
        check(crlf, b"\r\n--b-B\r\n-", None);
        let lf = b"\n--b-b";
        check(lf, b"a\r\n--b-b", Some(8));
        check(lf, b"\n\n--b-\n--b-b-", Some(12));
        check(lf, b"\r--b-b", None);
    }
}
