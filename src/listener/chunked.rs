//! Follows the chunked framing of a body without looking at its data.
//!
//! Sizes are plain hexadecimal, lines end in CR LF, and nothing else: where hyper tolerates white space after a
//! size, another reader may see another size. Extensions and trailers pass within a limit; nobody reads them. But
//! hyper parses trailers, and breaks off where one is no header: such a body is refused here.

use super::{head::MAX_HEADERS, scanner::is_token};

/// Lines between two pieces of data, together. hyper's own limit is the same.
const MAX_META: usize = 16 * 1024;

/// The framing of a chunked body.
#[derive(Debug)]
pub(super) struct Chunked {
    at: Position,
    size: u64,
    /// Bytes of lines since the last data.
    meta: usize,
    /// Bytes of extensions in the whole body: hyper counts them so.
    extensions: usize,
    /// Lines of the trailer.
    trailers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// In the size, after so many digits.
    Size(u8),
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self {
            at: Position::Size(0),
            size: 0,
            meta: 0,
            extensions: 0,
            trailers: 0,
        }
    }

    /// How far it got, and whether that is the end of the body.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), &'static str> {
        let mut passed = 0;
        while let Some(byte) = bytes.get(passed) {
            if self.at == Position::Data {
                let left = bytes.len() - passed;
                let step = usize::try_from(self.size).unwrap_or(usize::MAX).min(left);
                self.size -= step as u64;
                passed += step;
                if self.size == 0 {
                    self.at = Position::DataCr;
                    self.meta = 0;
                }
                continue;
            }
            passed += 1;
            self.meta += 1;
            if self.meta > MAX_META {
                return Err("chunk extensions or trailers are too long");
            }
            self.at = match (self.at, byte) {
                (Position::Size(16), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    return Err("a chunk size has more than 16 digits");
                }
                (Position::Size(digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    let digit = char::from(*byte).to_digit(16).unwrap_or(0);
                    self.size = (self.size << 4) | u64::from(digit);
                    Position::Size(digits + 1)
                }
                (Position::Size(1..), b';') => Position::Extension,
                (Position::Size(1..) | Position::Extension, b'\r') => Position::SizeEnd,
                (Position::Size(_), _) => return Err("a chunk size is not a plain hexadecimal number"),
                (Position::Extension, b'\t' | b' '..=b'~') => {
                    self.extensions += 1;
                    if self.extensions >= MAX_META {
                        return Err("chunk extensions are too long");
                    }
                    Position::Extension
                }
                (Position::Extension, _) => return Err("a chunk extension has control characters"),
                (Position::SizeEnd, b'\n') if self.size == 0 => Position::Trailer,
                (Position::SizeEnd, b'\n') => Position::Data,
                (Position::DataCr, b'\r') => Position::DataLf,
                (Position::DataLf, b'\n') => {
                    self.size = 0;
                    Position::Size(0)
                }
                (Position::DataCr | Position::DataLf, _) => return Err("a chunk is longer than its size"),
                (Position::Trailer, b'\r') => Position::EndLf,
                (Position::EndLf, b'\n') => return Ok((passed, true)),
                (Position::Trailer, byte) if is_token(*byte) => {
                    self.trailers += 1;
                    if self.trailers > MAX_HEADERS {
                        return Err("there are too many trailers");
                    }
                    Position::TrailerName
                }
                (Position::TrailerName, b':') => Position::TrailerValue,
                (Position::TrailerName, byte) if is_token(*byte) => Position::TrailerName,
                (Position::Trailer | Position::TrailerName, _) => return Err("a trailer is not a header"),
                (Position::TrailerValue, b'\r') => Position::TrailerLf,
                (Position::TrailerLf, b'\n') => Position::Trailer,
                (Position::TrailerValue, b'\t' | b' '..=b'~') => Position::TrailerValue,
                (Position::TrailerValue, _) => return Err("a trailer has control characters"),
                (Position::SizeEnd | Position::TrailerLf | Position::EndLf, _) => {
                    return Err("a line in a chunked body does not end in CR LF");
                }
                (Position::Data, _) => Position::Data,
            };
        }
        Ok((passed, false))
    }
}
