//! A narrow reader over quick-xml: elements and text, nothing else of XML.
//!
//! Refused: document types (and with them every entity that could be declared), processing instructions, namespace
//! prefixes, more than 16 levels, anything but whitespace around the root. Attributes are never looked at, so a tag
//! with 80,000 of them costs one scan of its bytes. Comments vanish and CDATA is text, as XML has it. References
//! are decoded once. Text is never trimmed: a key may begin or end with a space.

use super::DocumentError;
use quick_xml::Reader as Events;
use quick_xml::events::{BytesRef, Event};
use std::borrow::Cow;

const DEPTH_LIMIT: usize = 16;

/// A step through a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// An element begins.
    Open(Cow<'a, str>),
    /// The innermost element ends.
    Close,
    /// Text, decoded. Adjacent pieces come one by one.
    Text(Cow<'a, str>),
}

/// Whose document it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Characters that XML 1.0 cannot carry are refused.
    Caller,
    /// Such characters are let pass as references: S3 lists keys with control characters in this way.
    Target,
}

/// Reads a document from memory.
pub(super) struct Reader<'a> {
    events: Events<&'a [u8]>,
    source: Source,
    depth: usize,
    /// Whether anything came yet: a declaration is only right as the very first thing.
    started: bool,
    /// Whether the root element began.
    rooted: bool,
}

impl<'a> Reader<'a> {
    /// `document` is bounded by the caller.
    pub(super) fn new(document: &'a [u8], source: Source) -> Result<Self, DocumentError> {
        let text = std::str::from_utf8(document).map_err(|_| DocumentError::Malformed("it is not UTF-8"))?;
        let mut events = Events::from_str(text);
        let config = events.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = true;
        Ok(Self {
            events,
            source,
            depth: 0,
            started: false,
            rooted: false,
        })
    }

    /// The next step; `None` at the end of a whole document.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, DocumentError> {
        let malformed = DocumentError::Malformed;
        loop {
            let event = self
                .events
                .read_event()
                .map_err(|_| malformed("its tags or references do not fit"))?;
            let first = !std::mem::replace(&mut self.started, true);
            let text = match event {
                Event::Decl(_) if first => continue,
                Event::Comment(_) => continue,
                Event::Start(tag) => return self.open(tag.name().as_ref()).map(Some),
                // `expand_empty_elements` makes these a start and an end.
                Event::Empty(_) => return Err(malformed("an empty element is out of place")),
                Event::End(_) => {
                    self.depth = self.depth.checked_sub(1).ok_or(malformed("an end is too many"))?;
                    return Ok(Some(Token::Close));
                }
                Event::Text(text) => text.xml10_content(),
                Event::CData(text) if self.depth > 0 => text.xml10_content(),
                Event::GeneralRef(reference) if self.depth > 0 => self.reference(&reference)?,
                Event::Eof if self.depth == 0 && self.rooted => return Ok(None),
                Event::Eof => return Err(malformed("it ends too early")),
                Event::Decl(_) | Event::PI(_) => {
                    return Err(malformed("processing instructions are not accepted"));
                }
                Event::DocType(_) => return Err(malformed("a document type is not accepted")),
                Event::CData(_) | Event::GeneralRef(_) => {
                    return Err(malformed("there is text around the root"));
                }
            };
            if self.depth == 0 {
                if !is_blank(&text) {
                    return Err(malformed("there is text around the root"));
                }
                continue;
            }
            if self.source == Source::Caller && !text.chars().all(is_xml_char) {
                return Err(malformed("it has a character that XML cannot carry"));
            }
            return Ok(Some(Token::Text(text)));
        }
    }

    /// Steps into the root element, which must be `name`.
    pub(super) fn root(&mut self, name: &str) -> Result<(), DocumentError> {
        match self.next()? {
            Some(Token::Open(found)) if found == name => Ok(()),
            Some(Token::Open(found)) => Err(DocumentError::UnknownElement(found.into())),
            _ => Err(DocumentError::Malformed("it has no root")),
        }
    }

    /// The next child of the element we are in; `None` at its end. Text between children must be blank.
    pub(super) fn child(&mut self) -> Result<Option<Cow<'a, str>>, DocumentError> {
        loop {
            match self.next()? {
                Some(Token::Open(name)) => return Ok(Some(name)),
                Some(Token::Text(text)) if is_blank(&text) => {}
                Some(Token::Text(_)) => {
                    return Err(DocumentError::Malformed("there is text between elements"));
                }
                Some(Token::Close) | None => return Ok(None),
            }
        }
    }

    /// The text of the element we are in, to its end. An element inside is refused.
    pub(super) fn text(&mut self) -> Result<String, DocumentError> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Some(Token::Text(piece)) => text.push_str(&piece),
                Some(Token::Open(name)) => return Err(DocumentError::UnknownElement(name.into())),
                Some(Token::Close) | None => return Ok(text),
            }
        }
    }

    /// Passes over the rest of the element we are in.
    pub(super) fn skip(&mut self) -> Result<(), DocumentError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Checks that nothing but whitespace and comments follows the root.
    pub(super) fn end(&mut self) -> Result<(), DocumentError> {
        match self.next()? {
            None => Ok(()),
            Some(_) => Err(DocumentError::Malformed("there is more than the root")),
        }
    }

    fn open(&mut self, name: &str) -> Result<Token<'a>, DocumentError> {
        let malformed = DocumentError::Malformed;
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if name.contains(':') {
            return Err(malformed("namespace prefixes are not accepted"));
        }
        if !(1..=64).contains(&name.len())
            || !name.bytes().all(fits)
            || !name.starts_with(|c: char| c.is_ascii_alphabetic())
        {
            return Err(malformed("an element has a strange name"));
        }
        if self.depth == 0 && std::mem::replace(&mut self.rooted, true) {
            return Err(malformed("there is more than the root"));
        }
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(malformed("it is nested too deeply"));
        }
        Ok(Token::Open(Cow::Owned(name.to_owned())))
    }

    fn reference(&self, reference: &BytesRef<'a>) -> Result<Cow<'a, str>, DocumentError> {
        let text = match &**reference {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "apos" => "'",
            _ => {
                let character =
                    reference
                        .resolve_char_ref()
                        .ok()
                        .flatten()
                        .ok_or(DocumentError::Malformed(
                            "it has a reference that is not accepted",
                        ))?;
                return Ok(Cow::Owned(character.to_string()));
            }
        };
        Ok(Cow::Borrowed(text))
    }
}

/// Whether `text` is whitespace as XML has it, and nothing else.
pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

/// The characters that XML 1.0 can carry, escaped or not.
///
/// Spec: <https://www.w3.org/TR/xml/#charsets>
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> Result<String, DocumentError> {
        let mut reader = Reader::new(document.as_bytes(), Source::Caller)?;
        let mut seen = String::new();
        while let Some(token) = reader.next()? {
            match token {
                Token::Open(name) => seen += &format!("<{name}>"),
                Token::Close => seen += "</>",
                Token::Text(text) => seen += &text,
            }
        }
        Ok(seen)
    }

    #[test]
    fn elements_and_text_come_through_decoded_once() {
        let check = |document: &str, expected: &str| {
            assert_eq!(read(document).as_deref(), Ok(expected), "{document}")
        };
        check("<a/>", "<a></>");
        check(
            "\u{feff}<?xml version='1.0' encoding='UTF-8'?>\n<a>x</a>\n<!-- end -->\n",
            "<a>x</>",
        );
        check(
            "<a xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><b c='>'/></a >",
            "<a><b></></>",
        );
        check(
            "<a> &amp;amp;&lt;&gt;&quot;&apos;&#65;&#x42; </a>",
            "<a> &amp;<>\"'AB </>",
        );
        check("<a>x<!-- y -->z<![CDATA[<&amp;>]]></a>", "<a>xz<&amp;></>");
        check("<a>1\r\n2\r3</a>", "<a>1\n2\n3</>");
        check("<a>&#13;&#10;&#9;</a>", "<a>\r\n\t</>");
    }

    // LIM-09, AUZ-05
    #[test]
    fn hostile_documents_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b 'bbbb'><!ENTITY c '&b;&b;'>]><a>&c;</a>";
        let deep = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        let name = format!("<{}/>", "a".repeat(65));
        for document in [
            "",
            " ",
            "text",
            "<a>",
            "<a",
            "<a></b>",
            "</a>",
            "<a/><a/>",
            "<a/>x",
            "x<a/>",
            "<a/>&amp;",
            "<![CDATA[x]]><a/>",
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            bomb,
            "<a>&b;</a>",
            "<a>&amp</a>",
            "<a>&</a>",
            "<a>&#xD800;</a>",
            "<a>&#0;</a>",
            "<a>&#1;</a>",
            "<a>&#xFFFF;</a>",
            "<a>&#x110000;</a>",
            "<a>&#99999999999;</a>",
            "<a>&#x;</a>",
            "<a>&#-1;</a>",
            "<a>\u{1}</a>",
            "<a><?php echo?></a>",
            "<a><?xml version='1.0'?></a>",
            "<!-- x --><?xml version='1.0'?><a/>",
            "<s3:a xmlns:s3='x'/>",
            "<1/>",
            "<a><![CDATA[x</a>",
            "<a><!-- </a>",
            &deep,
            &name,
        ] {
            assert!(read(document).is_err(), "{document}");
        }
        assert!(Reader::new(b"<a>\xff</a>", Source::Caller).is_err());
    }

    // LIM-09: one scan, not a comparison of each attribute with all others.
    #[test]
    fn many_attributes_cost_nothing() {
        let attributes: String = (0..80_000).map(|n| format!(" a{n}='x'")).collect();
        assert_eq!(read(&format!("<a{attributes}>x</a>")).as_deref(), Ok("<a>x</>"));
    }
}
