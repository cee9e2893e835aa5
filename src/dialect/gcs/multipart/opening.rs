//! An upload up to the first byte of its media: the first boundary, the metadata, and the head of the second part.
//!
//! A parser without input of its own: it is fed pieces of any size and gives the same for every split. What it holds is
//! bounded, and it looks at no byte more often than a few times, however small the pieces are.

use super::Boundary;
use super::part::{PartHead, without_line_end};
use crate::body::PayloadError;
use crate::dialect::multipart::Search;
use bytes::{Bytes, BytesMut};

/// The most metadata that an object can have is 8 KiB; the rest of its resource is short.
const METADATA_LIMIT: usize = 64 << 10;
/// Bytes of all header lines of a part, and of blank lines before the first boundary.
const HEAD_LIMIT: usize = 8 << 10;

/// Gathers the opening of one upload.
pub(super) struct Opening {
    /// Two dashes and the boundary.
    dashed: Box<[u8]>,
    /// With the line end of this body before it, once that is known.
    delimiter: Bytes,
    at: At,
    /// What is not taken apart yet.
    buffer: BytesMut,
    /// Bytes of the buffer in which what is looked for does not end.
    scanned: usize,
    search: Search,
    /// Bytes of the lines so far of what is limited by [`HEAD_LIMIT`].
    lines: usize,
    head: PartHead,
    metadata: Option<Bytes>,
}

enum At {
    /// Before the first boundary.
    Preamble,
    /// In the header lines of a part: the first if there is no metadata yet.
    Head,
    /// In the metadata.
    Metadata,
    /// Behind the boundary that ended it.
    Between,
}

/// An upload whose media comes next.
pub(super) struct Opened {
    pub(super) metadata: Bytes,
    pub(super) media_type: Option<Box<str>>,
    /// What the second part says of its length.
    pub(super) length: Option<u64>,
    /// What ends the media.
    pub(super) delimiter: Bytes,
    /// The first bytes of the media, as far as they came.
    pub(super) rest: Bytes,
}

impl Opening {
    pub(super) fn new(boundary: &Boundary) -> Self {
        Self {
            dashed: format!("--{}", boundary.as_str()).into_bytes().into(),
            delimiter: Bytes::new(),
            at: At::Preamble,
            buffer: BytesMut::new(),
            scanned: 0,
            search: Search::default(),
            lines: 0,
            head: PartHead::default(),
            metadata: None,
        }
    }

    /// Takes the next piece; the whole opening once the media begins. Of no use after an error.
    ///
    /// # Errors
    /// [`PayloadError`] as soon as the body cannot become one that is accepted.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Option<Opened>, PayloadError> {
        self.buffer.extend_from_slice(piece);
        loop {
            match self.at {
                At::Preamble => {
                    let Some(line) = self.take_line()? else {
                        return Ok(None);
                    };
                    self.preamble(&line)?;
                }
                At::Head => {
                    let Some(line) = self.take_line()? else {
                        return Ok(None);
                    };
                    let line = without_line_end(&line);
                    if !line.is_empty() {
                        self.head.line(line)?;
                        continue;
                    }
                    let head = std::mem::take(&mut self.head);
                    self.lines = 0;
                    let Some(metadata) = self.metadata.take() else {
                        check_metadata(&head)?;
                        self.head.length = head.length;
                        self.at = At::Metadata;
                        continue;
                    };
                    return Ok(Some(Opened {
                        metadata,
                        media_type: head.content_type,
                        length: head.length,
                        delimiter: self.delimiter.clone(),
                        rest: std::mem::take(&mut self.buffer).freeze(),
                    }));
                }
                At::Metadata => {
                    if !self.metadata()? {
                        return Ok(None);
                    }
                }
                At::Between => {
                    let Some(line) = self.take_line()? else {
                        return Ok(None);
                    };
                    let line = without_line_end(&line);
                    if line.starts_with(b"--") {
                        return Err(PayloadError::Multipart("there is no second part"));
                    }
                    if !line.iter().all(|byte| b" \t".contains(byte)) {
                        return Err(MORE_THAN_BOUNDARY);
                    }
                    self.lines = 0;
                    self.at = At::Head;
                }
            }
        }
    }

    /// A line before the first part: a blank one, or the boundary.
    fn preamble(&mut self, line: &[u8]) -> Result<(), PayloadError> {
        let text = without_line_end(line);
        if text.is_empty() {
            return Ok(());
        }
        let rest = text
            .strip_prefix(&*self.dashed)
            .ok_or(PayloadError::Multipart("it does not begin with its boundary"))?;
        if !rest.iter().all(|byte| b" \t".contains(byte)) {
            return Err(MORE_THAN_BOUNDARY);
        }
        let line_end = line.get(text.len()..).unwrap_or_default();
        self.delimiter = [line_end, &self.dashed].concat().into();
        self.lines = 0;
        self.at = At::Head;
        Ok(())
    }

    /// Looks for the end of the metadata; whether it is there.
    fn metadata(&mut self) -> Result<bool, PayloadError> {
        let new = self.buffer.get(self.scanned..).unwrap_or_default();
        let found = self.search.end_in(new, &self.delimiter);
        let seen = found.map_or(self.buffer.len(), |end| self.scanned + end);
        let least = match found {
            Some(_) => seen.saturating_sub(self.delimiter.len()),
            None => seen.saturating_sub(self.search.pending()),
        };
        if least > METADATA_LIMIT {
            return Err(PayloadError::TooLarge(METADATA_LIMIT));
        }
        self.scanned = seen;
        if found.is_none() {
            return Ok(false);
        }
        let mut metadata = self.take(seen);
        metadata.truncate(least);
        if self
            .head
            .length
            .take()
            .is_some_and(|length| length != least as u64)
        {
            return Err(PayloadError::Multipart(
                "the first part has another length than it says",
            ));
        }
        self.metadata = Some(metadata.freeze());
        self.at = At::Between;
        Ok(true)
    }

    /// The next line with its line end, if it is there.
    fn take_line(&mut self) -> Result<Option<BytesMut>, PayloadError> {
        let new = self.buffer.get(self.scanned..).unwrap_or_default();
        let end = new.iter().position(|byte| *byte == b'\n');
        let length = match end {
            Some(at) => self.scanned + at + 1,
            None => self.buffer.len(),
        };
        if self.lines.saturating_add(length) > HEAD_LIMIT {
            return Err(PayloadError::Multipart("the head of a part is longer than 8 KiB"));
        }
        self.scanned = length;
        if end.is_none() {
            return Ok(None);
        }
        self.lines += length;
        Ok(Some(self.take(length)))
    }

    fn take(&mut self, length: usize) -> BytesMut {
        self.scanned = 0;
        self.buffer.split_to(length.min(self.buffer.len()))
    }
}

/// What is not JSON by its own word is not read as if it were: then the parts may be the other way round.
fn check_metadata(head: &PartHead) -> Result<(), PayloadError> {
    match head.media_type().as_deref() {
        Some("application/json") => Ok(()),
        _ => Err(PayloadError::Multipart(
            "its first part has to be `Content-Type: application/json`",
        )),
    }
}

pub(super) const MORE_THAN_BOUNDARY: PayloadError =
    PayloadError::Multipart("a boundary is followed by something else than a line end");
