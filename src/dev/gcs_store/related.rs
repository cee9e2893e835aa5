//! `multipart/related`: a document about an object, and the object. The second part is read as it comes.
//!
//! Clients differ in quotes around the boundary (double, single, none) and in line ends, all of which Google takes.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/uploading-objects#uploading-an-object> and RFC 2387

use super::Refusal;
use super::faults::Inbound;
use super::intake::Intake;
use super::members::{self, Members};
use super::request;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Bytes of the document and of both parts' headers.
const MAX_HEAD: usize = 256 << 10;

/// Reads such a body.
pub(super) struct Related<'a> {
    body: &'a mut Inbound,
    /// Read and not yet used.
    buffer: Vec<u8>,
    /// `--boundary`.
    delimiter: Vec<u8>,
}

/// What comes before the object's bytes.
pub(super) struct Announced {
    pub(super) members: Members,
    pub(super) content_type: Option<String>,
}

impl<'a> Related<'a> {
    /// # Errors
    /// Another type, or no boundary.
    pub(super) fn new(headers: &HeaderMap, body: &'a mut Inbound) -> Result<Self, Refusal> {
        let kind = request::text(headers, "content-type").unwrap_or_default();
        let boundary = boundary(kind, "multipart/related")
            .ok_or_else(|| Refusal::invalid(format!("Unsupported content with type: {kind}")))?;
        Ok(Self {
            body,
            buffer: Vec::new(),
            delimiter: format!("--{boundary}").into_bytes(),
        })
    }

    /// Reads up to the first byte of the object.
    ///
    /// # Errors
    /// What is not two parts, the first of them JSON.
    pub(super) async fn announced(&mut self) -> Result<Announced, Refusal> {
        let first = self.line().await?;
        if first.0 != self.delimiter {
            return Err(malformed("it does not begin with its boundary"));
        }
        // The bytes of the object end where a line of the same kind does.
        let line_end: &[u8] = if first.1 { b"\r\n" } else { b"\n" };
        let headers = self.headers().await?;
        let mut document = Vec::new();
        loop {
            let (line, _) = self.line().await?;
            if line == self.delimiter {
                break;
            }
            document.extend_from_slice(&line);
            document.push(b'\n');
            if document.len() > MAX_HEAD {
                return Err(malformed("its first part is too large"));
            }
        }
        let members = members::members(&headers, document.trim_ascii())?;
        self.body.document = document.into();
        let headers = self.headers().await?;
        self.delimiter.splice(0..0, line_end.iter().copied());
        Ok(Announced {
            members,
            content_type: request::text(&headers, "content-type").map(str::to_owned),
        })
    }

    /// Reads the object into `intake`, and the rest to its end.
    ///
    /// # Errors
    /// A body that ends before its last boundary, or has more than two parts.
    pub(super) async fn media(mut self, intake: &mut Intake) -> Result<(), Refusal> {
        let delimiter = self.delimiter.clone();
        let finder = Finder::new(&delimiter);
        let end = loop {
            if let Some(at) = finder.find(&self.buffer) {
                break at;
            }
            // A delimiter may have begun in the last bytes.
            let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            let sure: Vec<u8> = self.buffer.drain(..sure).collect();
            intake.take(&sure).await?;
            self.fill().await?;
        };
        let media: Vec<u8> = self.buffer.drain(..end).collect();
        intake.take(&media).await?;
        self.buffer.drain(..self.delimiter.len());
        while self.buffer.len() < 2 {
            self.fill().await?;
        }
        if !self.buffer.starts_with(b"--") {
            return Err(malformed("it has more than two parts"));
        }
        while let Some(rest) = self.body.next().await? {
            if self.buffer.len() + rest.len() > MAX_HEAD {
                return Err(malformed("something follows its last part"));
            }
            self.buffer.extend_from_slice(&rest);
        }
        let rest = self.buffer.get(2..).unwrap_or_default();
        match rest.trim_ascii().is_empty() {
            true => Ok(()),
            false => Err(malformed("something follows its last part")),
        }
    }

    async fn fill(&mut self) -> Result<(), Refusal> {
        let more = self.body.next().await?;
        let more = more.ok_or_else(|| malformed("it ends before its last boundary"))?;
        self.buffer.extend_from_slice(&more);
        Ok(())
    }

    /// A line without its end, and whether that was CRLF.
    async fn line(&mut self) -> Result<(Vec<u8>, bool), Refusal> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=at).collect();
                line.pop();
                let crlf = line.pop_if(|byte| *byte == b'\r').is_some();
                return Ok((line, crlf));
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(malformed("its first part is too large"));
            }
            self.fill().await?;
        }
    }

    async fn headers(&mut self) -> Result<HeaderMap, Refusal> {
        let mut headers = HeaderMap::new();
        loop {
            let (line, _) = self.line().await?;
            if line.is_empty() {
                return Ok(headers);
            }
            let (name, value) = header(&line).ok_or_else(|| malformed("a part has a broken header"))?;
            let known = [
                "content-type",
                "content-transfer-encoding",
                "mime-version",
                "content-length",
            ];
            if !known.contains(&name.as_str()) || headers.insert(name, value).is_some() {
                return Err(malformed("a part has a header that it cannot have"));
            }
        }
    }
}

/// A header in one line.
pub(super) fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.get(1..)?.trim_ascii();
    Some((
        HeaderName::from_bytes(name).ok()?,
        HeaderValue::from_bytes(value).ok()?,
    ))
}

/// The boundary in the value of a `Content-Type` of this kind.
pub(super) fn boundary(content_type: &str, kind: &str) -> Option<String> {
    let (found, parameters) = content_type.split_once(';')?;
    if !found.trim().eq_ignore_ascii_case(kind) {
        return None;
    }
    let mut parameters = parameters
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let value = value.trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let boundary = unquoted.unwrap_or(value);
    ((1..=100).contains(&boundary.len())).then(|| boundary.to_owned())
}

fn malformed(how: &str) -> Refusal {
    Refusal::new(400, "badContent", format!("Malformed multipart body: {how}."))
}

/// Finds a needle by skipping what cannot contain it (Horspool): a gigabyte is looked through in a build without
/// optimisation, too.
struct Finder<'a> {
    needle: &'a [u8],
    /// How far to go on if the last byte looked at is this one.
    skips: [usize; 256],
}

impl<'a> Finder<'a> {
    fn new(needle: &'a [u8]) -> Self {
        let mut skips = [needle.len(); 256];
        let but_last = needle.iter().take(needle.len().saturating_sub(1));
        for (at, byte) in but_last.enumerate() {
            if let Some(skip) = skips.get_mut(usize::from(*byte)) {
                *skip = needle.len() - 1 - at;
            }
        }
        Self { needle, skips }
    }

    fn find(&self, hay: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let window = hay.get(at..at + self.needle.len())?;
            if window == self.needle {
                return Some(at);
            }
            let last = window.last().map_or(0, |byte| usize::from(*byte));
            at += self.skips.get(last).copied().unwrap_or(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_found_in_every_quoting() {
        let check = |kind: &str, expected: Option<&str>| {
            assert_eq!(boundary(kind, "multipart/related").as_deref(), expected, "{kind}");
        };
        check("multipart/related; boundary=abc", Some("abc"));
        check("multipart/related; boundary=\"==0==\"", Some("==0=="));
        check("Multipart/Related; type=x; boundary='===1==='", Some("===1==="));
        check("multipart/related", None);
        check("multipart/related; boundary=", None);
        check("multipart/mixed; boundary=abc", None);
    }

    #[test]
    fn a_delimiter_is_found_wherever_it_is() {
        let finder = Finder::new(b"\r\n--xx");
        for (hay, expected) in [
            (&b"\r\n--xx"[..], Some(0)),
            (b"a\r\n--x\r\n--xx", Some(6)),
            (b"\r\n\r\n--xx--", Some(2)),
            (b"\r\n--x", None),
            (b"", None),
            (b"--xx--xx--xx", None),
        ] {
            assert_eq!(finder.find(hay), expected, "{}", hay.escape_ascii());
        }
    }
}
