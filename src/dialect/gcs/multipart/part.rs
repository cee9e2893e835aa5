//! The header lines of a part.
//!
//! Few headers mean anything in a part of the JSON API. Those that change what the content means (another transfer
//! encoding, compression) are refused, because the content is taken as it is.

use crate::body::PayloadError;

/// What the head of a part says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartHead {
    /// `Content-Type` as written.
    pub(super) content_type: Option<Box<str>>,
    /// `Content-Length`: a claim, which is held against what comes.
    pub(super) length: Option<u64>,
    /// `Content-ID` as written.
    pub(super) content_id: Option<Box<str>>,
    /// What was there once already.
    seen: Vec<Box<str>>,
}

impl PartHead {
    /// Takes a header line, without its line end.
    ///
    /// # Errors
    /// [`PayloadError::Multipart`] for what is not a header of a part, or one that was there.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), PayloadError> {
        let (name, value) = header_line(line).ok_or(PayloadError::Multipart(
            "a header line of a part is not of the form `Name: value`",
        ))?;
        if self.seen.contains(&name) {
            return Err(PayloadError::Multipart("a part has a header twice"));
        }
        match &*name {
            "content-type" => self.content_type = Some(value.into()),
            "content-id" => self.content_id = Some(value.into()),
            "content-length" => self.length = Some(length(value)?),
            "content-transfer-encoding" => {
                let plain = ["binary", "8bit", "7bit"];
                if !plain.iter().any(|known| value.eq_ignore_ascii_case(known)) {
                    return Err(PayloadError::Multipart(
                        "a part has a transfer encoding; send its bytes as they are, which is `binary`",
                    ));
                }
            }
            "content-encoding" if value.eq_ignore_ascii_case("identity") => {}
            "content-encoding" => {
                return Err(PayloadError::Multipart(
                    "a part is compressed; say `contentEncoding` in the metadata instead",
                ));
            }
            "mime-version" | "content-disposition" => {}
            _ => {
                return Err(PayloadError::Multipart(
                    "a part has a header other than Content-Type, -Length, -ID, -Disposition and -Transfer-Encoding",
                ));
            }
        }
        self.seen.push(name);
        Ok(())
    }

    /// The media type without parameters, in lower case.
    pub(super) fn media_type(&self) -> Option<String> {
        let media_type = self.content_type.as_deref()?.split(';').next()?;
        Some(media_type.trim().to_ascii_lowercase())
    }
}

/// Name in lower case and value of a header line; `None` for one that is not, that is folded, or that has a control
/// character. A value has printable ASCII and tabs only.
pub(super) fn header_line(line: &[u8]) -> Option<(Box<str>, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let (name, value) = line.split_once(':')?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return None;
    }
    let value = value.trim_matches([' ', '\t']);
    let printable = |b: u8| matches!(b, b'\t' | b' '..=b'~');
    match value.bytes().all(printable) {
        true => Some((name.to_ascii_lowercase().into(), value)),
        false => None,
    }
}

/// A line without its line end, which is CRLF or LF.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The digits of a length.
pub(super) fn length(value: &str) -> Result<u64, PayloadError> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let length = value.parse().ok().filter(|_| digits);
    length.ok_or(PayloadError::Multipart(
        "the Content-Length of a part is not a number",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_meaning_of_a_part_is_refused() {
        let check = |lines: &[&str], accepted: bool| {
            let mut head = PartHead::default();
            let outcome = lines.iter().try_for_each(|line| head.line(line.as_bytes()));
            assert_eq!(outcome.is_ok(), accepted, "{lines:?}: {outcome:?}");
        };
        check(&["Content-Type: a/b", "MIME-Version: 1.0"], true);
        check(&["Content-Transfer-Encoding: binary", "content-length:7"], true);
        check(&["Content-Disposition: form-data; name=\"metadata\""], true);
        check(&["Content-Encoding: identity"], true);
        check(&["Content-Encoding: gzip"], false);
        check(&["Content-Transfer-Encoding: base64"], false);
        check(&["Content-Type: a/b", "content-type: a/b"], false);
        check(&["MIME-Version: 1.0", "MIME-Version: 1.0"], false);
        check(&["Authorization: Bearer x"], false);
        check(&["Content-Length: +7"], false);
        check(&["Content-Length: 7,7"], false);
        check(&["Content-Type a/b"], false);
        check(&[" folded: x"], false);
        check(&["Content-Type : a/b"], false);
        check(&["Content-Type: a\rb"], false);
        check(&["Content-Type: a\0b"], false);
        check(&["Content-Type: ä"], false);
    }
}
