//! Follows the framing of HTTP/1.1 and finds every head on a connection.
//!
//! Stricter than hyper on purpose: whatever passes here parses there, to one meaning only. Bodies cost nothing but
//! a count; only heads and chunk lines are looked at.

use super::{
    chunked::Chunked,
    head::{MAX_HEAD, MAX_HEADERS, MAX_TARGET},
    violation::HeadViolation,
};

/// What the scanner does not let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A head; the number of it on the connection, counted from 1, and what is wrong.
    Head(u64, HeadViolation),
    /// The framing of a body.
    Chunk(&'static str),
}

/// Where in the stream of a connection we are.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    heads: u64,
}

#[derive(Debug)]
enum State {
    /// In a head, of which `seen` bytes were looked at and the current line starts at `line`.
    Head { seen: usize, line: usize },
    /// In a body with so many bytes to come.
    Sized(u64),
    /// In a chunked body.
    Chunked(Chunked),
}

const NEW_HEAD: State = State::Head { seen: 0, line: 0 };

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            state: NEW_HEAD,
            heads: 0,
        }
    }

    /// Moves over `bytes`, which start where the last call stopped, and returns how many of them may pass.
    ///
    /// Those that may not yet pass belong to a head that is not complete: give them again, with more behind.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, Option<Refusal>) {
        let mut passed = 0;
        loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            if rest.is_empty() {
                return (passed, None);
            }
            match &mut self.state {
                State::Sized(left) => {
                    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= step as u64;
                    passed += step;
                    if *left == 0 {
                        self.state = NEW_HEAD;
                    }
                }
                State::Chunked(chunked) => match chunked.advance(rest) {
                    Ok((step, end)) => {
                        passed += step;
                        if end {
                            self.state = NEW_HEAD;
                        }
                    }
                    Err(what) => return (passed, Some(Refusal::Chunk(what))),
                },
                State::Head { seen, line } => match find_end(rest, seen, line) {
                    Ok(None) => return (passed, None),
                    Ok(Some(0)) => {
                        // An empty line before a request line, as some old clients send after a body.
                        passed += 2;
                        self.state = NEW_HEAD;
                    }
                    Ok(Some(end)) => {
                        match check(rest.get(..end).unwrap_or_default()) {
                            Ok(state) => self.state = state,
                            Err(violation) => {
                                return (passed, Some(Refusal::Head(self.heads + 1, violation)));
                            }
                        }
                        self.heads += 1;
                        passed += end;
                    }
                    Err(violation) => {
                        return (passed, Some(Refusal::Head(self.heads + 1, violation)));
                    }
                },
            }
        }
    }

    /// Heads that passed.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn heads_passed(&self) -> u64 {
        self.heads
    }

    /// Whether a head would come next.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn at_start(&self) -> bool {
        matches!(self.state, State::Head { .. })
    }

    /// Whether some bytes of a head have been seen, but not all.
    pub(super) fn in_head(&self) -> bool {
        matches!(self.state, State::Head { seen, .. } if seen > 0)
    }
}

/// The length of the head that `bytes` begin with, `None` if it goes on; 0 stands for an empty line at the start.
fn find_end(bytes: &[u8], seen: &mut usize, line: &mut usize) -> Result<Option<usize>, HeadViolation> {
    loop {
        let fresh = bytes.get(*seen..).unwrap_or_default();
        let Some(at) = find_line_feed(fresh) else {
            *seen = bytes.len();
            return if *seen > MAX_HEAD {
                Err(HeadViolation::TooLarge)
            } else {
                Ok(None)
            };
        };
        let feed = *seen + at;
        if feed >= MAX_HEAD {
            return Err(HeadViolation::TooLarge);
        }
        if feed <= *line || bytes.get(feed - 1) != Some(&b'\r') {
            return Err(HeadViolation::BareLineFeed);
        }
        let empty = feed == *line + 1;
        *seen = feed + 1;
        if empty {
            return Ok(Some(if *line == 0 { 0 } else { feed + 1 }));
        }
        *line = feed + 1;
    }
}

/// The first LF. In blocks, so that the compiler can look at many bytes at once.
fn find_line_feed(bytes: &[u8]) -> Option<usize> {
    let blocks = bytes.chunks(32);
    let mut start = 0;
    for block in blocks {
        if block.iter().fold(false, |found, byte| found | (*byte == b'\n')) {
            return block.iter().position(|byte| *byte == b'\n').map(|at| start + at);
        }
        start += block.len();
    }
    None
}

/// Checks a complete head, empty line included, and says what follows it.
fn check(head: &[u8]) -> Result<State, HeadViolation> {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    request_line(lines.next().unwrap_or_default())?;
    let (mut length, mut encoded, mut count) = (None, false, 0);
    for line in lines.take_while(|line| !line.is_empty()) {
        count += 1;
        if count > MAX_HEADERS {
            return Err(HeadViolation::TooMany);
        }
        let (name, value) = header_line(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if length.is_some() {
                return Err(HeadViolation::Duplicate("Content-Length"));
            }
            length = Some(content_length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if encoded || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(HeadViolation::TransferEncoding);
            }
            encoded = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            // Seen by hyper, it would end the connection its own way.
            return Err(HeadViolation::Upgrade);
        }
    }
    match (length, encoded) {
        (Some(_), true) => Err(HeadViolation::LengthAndEncoding),
        (None, true) => Ok(State::Chunked(Chunked::new())),
        (None | Some(0), false) => Ok(NEW_HEAD),
        (Some(length), false) => Ok(State::Sized(length)),
    }
}

fn request_line(line: &[u8]) -> Result<(), HeadViolation> {
    plain(line)?;
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(HeadViolation::RequestLine);
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(HeadViolation::RequestLine);
    }
    match version {
        b"HTTP/1.1" => {}
        version if version.starts_with(b"HTTP/") => return Err(HeadViolation::Version),
        _ => return Err(HeadViolation::RequestLine),
    }
    if target.len() > MAX_TARGET {
        return Err(HeadViolation::TargetTooLong);
    }
    if target.contains(&b'#') {
        return Err(HeadViolation::Fragment);
    }
    let usual = target.first() == Some(&b'/') && target.iter().all(|byte| is_target(*byte));
    // Absolute form is for the service to judge, if hyper can read it at all.
    if usual
        || http::Uri::try_from(target).is_ok_and(|uri| uri.scheme().is_some() && uri.path().starts_with('/'))
    {
        Ok(())
    } else {
        Err(HeadViolation::Target)
    }
}

/// Name and value, without the white space around the value.
fn header_line(line: &[u8]) -> Result<(&[u8], &[u8]), HeadViolation> {
    plain(line)?;
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(HeadViolation::Folded);
    }
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(HeadViolation::HeaderName)?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(HeadViolation::HeaderName);
    }
    Ok((name, value.get(1..).unwrap_or_default().trim_ascii()))
}

/// Neither control bytes nor anything above 127. Without early exit, which lets it run many bytes at a time.
fn plain(line: &[u8]) -> Result<(), HeadViolation> {
    let control = line.iter().fold(false, |found, byte| {
        found | ((*byte < b' ') & (*byte != b'\t')) | (*byte == 0x7f)
    });
    if control {
        return Err(HeadViolation::Control);
    }
    if line.is_ascii() {
        Ok(())
    } else {
        Err(HeadViolation::NotAscii)
    }
}

fn content_length(value: &[u8]) -> Result<u64, HeadViolation> {
    let plain = matches!(value, [b'0'] | [b'1'..=b'9', ..]) && value.len() <= 19;
    if !plain {
        return Err(HeadViolation::ContentLength);
    }
    value.iter().try_fold(0_u64, |number, byte| match byte {
        b'0'..=b'9' => Ok(number * 10 + u64::from(byte - b'0')),
        _ => Err(HeadViolation::ContentLength),
    })
}

/// What hyper takes in a target, except `#`. The query may have one byte less than the path, `"`.
fn is_target(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x24..=0x3b | 0x3d | 0x3f..=0x5f | 0x61..=0x7e)
}

/// What names of headers are made of.
pub(super) fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'z' | b'|' | b'~')
}
