//! The head of a form: every field, up to the first byte of the file.
//!
//! A parser without input of its own: it is fed pieces of any size and gives the same for every split. The hazard is
//! a form that two readers take apart in two ways: one sees a field where the other sees file content. So the
//! grammar is the narrow one that browsers and SDKs write, without preamble, folded lines or nested parts, and what
//! is outside of it is refused.

use super::super::error::S3Error;
use super::boundary::Delimiter;
use super::fields::{self, Fields};
use crate::dialect::multipart::parameters;
use bytes::{Buf as _, BytesMut};

/// Bytes of a part's header lines: a key of 1024 bytes may be in the file's name.
const HEADERS_LIMIT: usize = 4 << 10;
const BLANK_LINE: &[u8] = b"\r\n\r\n";

/// Gathers the head of one form.
pub(super) struct Head {
    delimiter: Delimiter,
    state: State,
    /// What is not taken apart yet.
    buffer: BytesMut,
    /// Bytes of the buffer in which what is looked for does not begin.
    scanned: usize,
    fields: Fields,
    /// Bytes taken apart so far.
    used: u64,
    /// Bytes of fields without the policy, their header lines included.
    weight: usize,
}

enum State {
    /// Before the first boundary.
    Start,
    /// In the header lines of a part.
    Headers,
    /// In the value of a field.
    Value(Box<str>),
    /// Behind a delimiter: another part, or the end.
    Between,
}

/// A form whose file comes next.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) fields: Fields,
    /// `filename` as sent; empty if there was none.
    pub(super) file_name: Box<str>,
    /// Bytes before the file.
    pub(super) used: u64,
    /// The first bytes of the file that came with the head.
    pub(super) rest: BytesMut,
}

impl Head {
    pub(super) fn new(delimiter: Delimiter) -> Self {
        Self {
            delimiter,
            state: State::Start,
            buffer: BytesMut::new(),
            scanned: 0,
            fields: Fields::default(),
            used: 0,
            weight: 0,
        }
    }

    /// Takes the next piece; the whole head once the file begins. Of no use after an error.
    ///
    /// # Errors
    /// `MalformedPOSTRequest` and its relatives as soon as the form cannot become one that is accepted.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Option<Complete>, S3Error> {
        self.buffer.extend_from_slice(piece);
        loop {
            match &self.state {
                State::Start => {
                    let first = self.delimiter.first();
                    let come = self.buffer.len().min(first.len());
                    if self.buffer.get(..come) != first.get(..come) {
                        return Err(malformed("it does not begin with its boundary"));
                    }
                    if come < first.len() {
                        return Ok(None);
                    }
                    let length = first.len();
                    self.take(length);
                    self.state = State::Between;
                }
                State::Between => {
                    let Some(two) = self.buffer.get(..2) else {
                        return Ok(None);
                    };
                    match two {
                        b"\r\n" => {}
                        b"--" => {
                            return Err(S3Error::incorrect_number_of_files(
                                "POST requires exactly one file upload per request.",
                            ));
                        }
                        _ => {
                            return Err(malformed(
                                "a boundary is followed by something else than a line end",
                            ));
                        }
                    }
                    self.take(2);
                    self.state = State::Headers;
                }
                State::Headers => {
                    let Some(end) = find(&self.buffer, &mut self.scanned, BLANK_LINE, HEADERS_LIMIT)? else {
                        return Ok(None);
                    };
                    let lines = self.take(end + BLANK_LINE.len());
                    let part = Part::read(lines.get(..end).unwrap_or_default())?;
                    self.weight = self.weight.saturating_add(end);
                    // Also what has no value weighs.
                    if self.weight > fields::LIMIT {
                        return Err(fields::too_large());
                    }
                    if part.name.eq_ignore_ascii_case("file") {
                        return Ok(Some(Complete {
                            fields: std::mem::take(&mut self.fields),
                            file_name: part.file_name.unwrap_or_default().into(),
                            used: self.used,
                            rest: std::mem::take(&mut self.buffer),
                        }));
                    }
                    self.state = State::Value(part.name.into());
                }
                State::Value(name) => {
                    let policy = name.eq_ignore_ascii_case("policy");
                    let limit = if policy {
                        fields::POLICY_LIMIT
                    } else {
                        fields::LIMIT.saturating_sub(self.weight)
                    };
                    let wanted = self.delimiter.bytes();
                    let Some(end) = find(&self.buffer, &mut self.scanned, wanted, limit)? else {
                        return Ok(None);
                    };
                    let length = end + wanted.len();
                    let State::Value(name) = std::mem::replace(&mut self.state, State::Between) else {
                        return Err(S3Error::internal_error("a value of no field"));
                    };
                    let value = self.take(length);
                    let value = std::str::from_utf8(value.get(..end).unwrap_or_default()).map_err(|_| {
                        S3Error::invalid_argument(format!("the form field `{name}` is not UTF-8"))
                    })?;
                    if !policy {
                        self.weight = self.weight.saturating_add(end);
                    }
                    self.fields.insert(&name, value)?;
                }
            }
        }
    }

    fn take(&mut self, length: usize) -> BytesMut {
        let length = length.min(self.buffer.remaining());
        self.used = self.used.saturating_add(length as u64);
        self.scanned = 0;
        self.buffer.split_to(length)
    }
}

/// Where `wanted` begins, at most `limit` bytes from the start; `None` if more must come. In the first `scanned` bytes
/// it does not begin.
fn find(buffer: &[u8], scanned: &mut usize, wanted: &[u8], limit: usize) -> Result<Option<usize>, S3Error> {
    let unseen = buffer.get(*scanned..).unwrap_or_default();
    let found = unseen.windows(wanted.len()).position(|window| window == wanted);
    let begins = match found {
        Some(at) => *scanned + at,
        // As far as it cannot begin, even if the rest of it is still to come.
        None => (buffer.len() + 1).saturating_sub(wanted.len()).max(*scanned),
    };
    if begins > limit {
        return Err(fields::too_large());
    }
    *scanned = begins;
    Ok(found.map(|_| begins))
}

/// What the header lines of a part say.
struct Part {
    name: String,
    file_name: Option<String>,
}

impl Part {
    fn read(lines: &[u8]) -> Result<Self, S3Error> {
        let lines = std::str::from_utf8(lines).map_err(|_| malformed("the header of a part is not UTF-8"))?;
        let (mut disposition, mut content_type) = (None, None);
        for line in lines.split("\r\n") {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| malformed("a header line of a part is not `name: value`"))?;
            let value = value.trim_matches([' ', '\t']);
            if value.contains(|c: char| c.is_control() && c != '\t') {
                return Err(malformed("a header line of a part has a control character"));
            }
            let twice = match name.to_ascii_lowercase().as_str() {
                "content-disposition" => disposition.replace(value).is_some(),
                // What a file is comes from the field of that name, which the policy covers.
                "content-type" => content_type.replace(value).is_some(),
                // Some clients count for us; the boundary decides.
                "content-length" => false,
                "content-transfer-encoding"
                    if ["7bit", "8bit", "binary"]
                        .iter()
                        .any(|e| value.eq_ignore_ascii_case(e)) =>
                {
                    false
                }
                _ => return Err(malformed("a part has a header that is not accepted")),
            };
            if twice {
                return Err(malformed("a part has a header twice"));
            }
        }
        let disposition = disposition.ok_or_else(|| malformed("a part has no Content-Disposition"))?;
        Self::of(disposition)
    }

    fn of(disposition: &str) -> Result<Self, S3Error> {
        let shape = || malformed("a Content-Disposition is not `form-data; name=\"…\"`");
        let (kind, rest) = disposition.split_once(';').ok_or_else(shape)?;
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err(shape());
        }
        let (mut name, mut file_name) = (None, None);
        for (parameter, value) in parameters(rest).ok_or_else(shape)? {
            let twice = match parameter.as_str() {
                "name" => name.replace(value).is_some(),
                "filename" => file_name.replace(value).is_some(),
                // `filename*` would be a second name of the file (RFC 7578 has it out of forms).
                _ => {
                    return Err(malformed(
                        "a Content-Disposition has a parameter other than name and filename",
                    ));
                }
            };
            if twice {
                return Err(shape());
            }
        }
        let name = name.ok_or_else(shape)?;
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
        if !(1..=256).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(malformed(
                "the name of a field is not 1 to 256 printable characters without spaces",
            ));
        }
        Ok(Self { name, file_name })
    }
}

fn malformed(what: &str) -> S3Error {
    S3Error::malformed_post_request(format!(
        "The body of your POST request is not well-formed multipart/form-data: {what}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &[u8], size: usize) -> Result<Option<Complete>, String> {
        let delimiter = Delimiter::of("multipart/form-data; boundary=b").unwrap();
        let mut head = Head::new(delimiter);
        let mut pieces = form.chunks(size);
        for piece in &mut pieces {
            if let Some(mut complete) = head.push(piece).map_err(|error| error.code.into_owned())? {
                for piece in pieces {
                    complete.rest.extend_from_slice(piece);
                }
                return Ok(Some(complete));
            }
        }
        Ok(None)
    }

    const DISPOSITION: &str = "Content-Disposition: form-data; name=";

    fn field(name: &str, value: &str) -> String {
        format!("--b\r\n{DISPOSITION}\"{name}\"\r\n\r\n{value}\r\n")
    }

    const FILE: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
                        Content-Type: text/plain\r\n\r\n";

    #[test]
    fn every_split_gives_the_same_fields() {
        let head = field("key", "a\r\nb\r\n--c") + &field("Content-Type", "") + FILE;
        let form = head.clone() + "content\r\n--b--\r\n";
        for size in 1..=form.len() {
            let complete = read(form.as_bytes(), size).unwrap().unwrap();
            let fields: Vec<_> = complete.fields.iter().collect();
            assert_eq!(
                fields,
                [("key", "a\r\nb\r\n--c"), ("content-type", "")],
                "by {size}"
            );
            assert_eq!(&*complete.file_name, "a.txt");
            assert_eq!(complete.used, head.len() as u64);
            assert_eq!(&complete.rest[..], b"content\r\n--b--\r\n", "by {size}");
        }
        for cut in 0..head.len() {
            assert!(
                matches!(read(&form.as_bytes()[..cut.max(1)], 7), Ok(None)),
                "{cut}"
            );
        }
    }

    #[test]
    fn the_forms_of_clients_are_accepted() {
        for part in [
            "--b\r\ncontent-disposition: form-data; name=file\r\n\r\n",
            "--b\r\nContent-Length: 3\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n",
            "--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: form-data; name=\"File\"\r\n\r\n",
        ] {
            assert!(read(part.as_bytes(), 3).unwrap().is_some(), "{part}");
        }
    }

    // AUZ-14
    #[test]
    fn what_could_be_read_in_two_ways_is_refused_at_every_split() {
        let malformed = "MalformedPOSTRequest";
        let part = |lines: &str| format!("--b\r\n{lines}\r\n\r\n");
        let name = |rest: &str| part(&format!("Content-Disposition: {rest}"));
        let large = field("a", &"v".repeat(fields::LIMIT + 1)) + "--b\r\n";
        let many: String = (0..500).map(|n| field(&format!("x-ignore-{n}"), "")).collect();
        let policy = field("policy", &"v".repeat(fields::POLICY_LIMIT + 1)) + "--b\r\n";
        let lines = part(&format!(
            "{DISPOSITION}\"a\"; filename=\"{}\"",
            "n".repeat(HEADERS_LIMIT)
        ));
        let endless = format!("--b\r\n{}", "x".repeat(HEADERS_LIMIT + 9));
        for (form, code) in [
            ("preamble\r\n--b\r\n".to_owned(), malformed),
            ("\r\n--b\r\n".to_owned(), malformed),
            ("--c\r\n".to_owned(), malformed),
            ("--b \r\n".to_owned(), malformed),
            ("--b\nx".to_owned(), malformed),
            ("--bb\r\n".to_owned(), malformed),
            (part("no colon"), malformed),
            (part("Content-Type: text/plain"), malformed),
            (part(" Content-Disposition: form-data; name=\"a\""), malformed),
            (part("Content-Disposition : form-data; name=\"a\""), malformed),
            (part(&format!("{DISPOSITION}\"a\"\r\n folded")), malformed),
            (
                part(&format!("{DISPOSITION}\"a\"\r\n{DISPOSITION}\"b\"")),
                malformed,
            ),
            (
                part(&format!(
                    "{DISPOSITION}\"a\"\r\nContent-Type: a\r\nContent-Type: b"
                )),
                malformed,
            ),
            (
                part(&format!(
                    "{DISPOSITION}\"a\"\r\nContent-Transfer-Encoding: base64"
                )),
                malformed,
            ),
            (part(&format!("{DISPOSITION}\"a\"\r\nX-Other: 1")), malformed),
            (part(&format!("{DISPOSITION}\"a\nb\"")), malformed),
            (name("form-data"), malformed),
            (name("form-data; filename=\"a\""), malformed),
            (name("attachment; name=\"a\""), malformed),
            (name("form-data; name=\"a\"; name=\"b\""), malformed),
            (
                name("form-data; name=\"a\"; filename=\"b\"; filename*=utf-8''c"),
                malformed,
            ),
            (name("form-data; name=\"\""), malformed),
            (name("form-data; name=\"a b\""), malformed),
            (name("form-data; name=\"ä\""), malformed),
            (name("form-data; name=\"a\\\"b\""), malformed),
            (
                field("key", "a") + "--b--\r\n",
                "IncorrectNumberOfFilesInPostRequest",
            ),
            ("--b--\r\n".to_owned(), "IncorrectNumberOfFilesInPostRequest"),
            (field("key", "a") + &field("KEY", "b") + "--b", "InvalidArgument"),
            (large, "MaxPostPreDataLengthExceededError"),
            (many, "MaxPostPreDataLengthExceededError"),
            (policy, "MaxPostPreDataLengthExceededError"),
            (lines, "MaxPostPreDataLengthExceededError"),
            (endless, "MaxPostPreDataLengthExceededError"),
        ] {
            for size in [1, 2, 7, 1 << 20] {
                let found = read(form.as_bytes(), size);
                assert_eq!(
                    found.map(|_| ()),
                    Err(code.to_owned()),
                    "{} by {size}",
                    form.chars().take(120).collect::<String>().escape_debug()
                );
            }
        }
        let not_utf8 = [b"--b\r\n", DISPOSITION.as_bytes(), b"\"a\"\r\n\r\n\xff\r\n--b"].concat();
        assert_eq!(read(&not_utf8, 1).map(|_| ()), Err("InvalidArgument".to_owned()));
    }

    #[test]
    fn the_policy_does_not_count_with_the_other_fields() {
        let form =
            field("policy", &"p".repeat(fields::POLICY_LIMIT)) + &field("a", &"v".repeat(18 << 10)) + FILE;
        assert!(read(form.as_bytes(), 4096).unwrap().is_some());
    }
}
