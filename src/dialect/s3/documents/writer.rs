//! Writes XML. Text is escaped on the way in; there is no way to write markup by accident.

use super::reader::is_xml_char;
use bytes::Bytes;

const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document in the making.
///
/// Element names come from our own code or from the reader, which checked them.
pub(crate) struct Xml(String);

impl Xml {
    /// With the XML declaration.
    pub(crate) fn document() -> Self {
        Self(PROLOG.to_owned())
    }

    /// Without it, for what follows a declaration that is out already.
    pub(crate) fn fragment() -> Self {
        Self(String::new())
    }

    /// Opens the root element, in the namespace of S3.
    pub(crate) fn root(&mut self, name: &str) {
        self.0 += "<";
        self.0 += name;
        self.0 += " xmlns=\"";
        self.0 += NAMESPACE;
        self.0 += "\">";
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, name: &str) {
        self.0 += "<";
        self.0 += name;
        self.0 += ">";
    }

    /// Closes an element.
    pub(crate) fn close(&mut self, name: &str) {
        self.0 += "</";
        self.0 += name;
        self.0 += ">";
    }

    /// Writes text; what XML cannot carry becomes U+FFFD.
    pub(crate) fn text(&mut self, text: &str) {
        push(&mut self.0, text, replaced);
    }

    /// Writes text of a target; what XML cannot carry becomes a reference, as S3 writes it in listings.
    pub(super) fn verbatim(&mut self, text: &str) {
        push(&mut self.0, text, |out, c| {
            *out += &format!("&#x{:x};", u32::from(c));
        });
    }

    /// Writes an element with text.
    pub(crate) fn element(&mut self, name: &str, text: &str) {
        self.open(name);
        self.text(text);
        self.close(name);
    }

    /// Writes whom a grant is for: the group of that URI, or the account `account`.
    pub(super) fn grantee(&mut self, uri: Option<&str>, account: &str) {
        self.open_grantee(if uri.is_some() { "Group" } else { "CanonicalUser" });
        match uri {
            Some(uri) => self.element("URI", uri),
            None => {
                self.element("ID", account);
                self.element("DisplayName", account);
            }
        }
        self.close("Grantee");
    }

    /// Opens the one element of S3 that has an attribute.
    pub(super) fn open_grantee(&mut self, kind: &'static str) {
        self.0 += "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"";
        self.0 += kind;
        self.0 += "\">";
    }

    /// Writes an element with text of a target.
    pub(super) fn verbatim_element(&mut self, name: &str, text: &str) {
        self.open(name);
        self.verbatim(text);
        self.close(name);
    }

    /// How far it is written: a place to go back to.
    pub(super) fn mark(&self) -> usize {
        self.0.len()
    }

    /// Takes back what was written after `mark`.
    pub(super) fn take_back(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    /// Writes a number over what was written between two marks.
    pub(super) fn overwrite(&mut self, marks: std::ops::Range<usize>, number: u64) {
        if self.0.get(marks.clone()).is_some() {
            self.0.replace_range(marks, &number.to_string());
        }
    }

    /// Writes an element around what was written elsewhere.
    pub(super) fn wrap(&mut self, name: &str, inner: Self) {
        self.open(name);
        self.0 += &inner.0;
        self.close(name);
    }

    /// The document.
    pub(crate) fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// The text of an element of an error; what XML cannot carry becomes U+FFFD.
///
/// Quotes stay as they are. The error reader of the Java SDK 1 (S3A up to Hadoop 3.3) keeps only what follows the
/// last reference of a text: of `… on resource: &quot;arn:…` its user would read the second half alone.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_char(&mut out, c, &replaced);
    }
    out
}

fn push(out: &mut String, text: &str, other: impl Fn(&mut String, char)) {
    out.reserve(text.len());
    for c in text.chars() {
        match c {
            '"' => *out += "&quot;",
            '\'' => *out += "&#39;",
            c => push_char(out, c, &other),
        }
    }
}

fn push_char(out: &mut String, c: char, other: &impl Fn(&mut String, char)) {
    match c {
        '&' => *out += "&amp;",
        '<' => *out += "&lt;",
        '>' => *out += "&gt;",
        // Bare, a reader would turn it into a line feed.
        '\r' => *out += "&#13;",
        c if is_xml_char(c) => out.push(c),
        c => other(out, c),
    }
}

fn replaced(out: &mut String, _: char) {
    out.push(char::REPLACEMENT_CHARACTER);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let check = |text: &str, expected: &str| assert_eq!(escape(text), expected);
        check("a<b>&", "a&lt;b&gt;&amp;");
        check("\"lake\" isn't", "\"lake\" isn't");
        check("]]>", "]]&gt;");
        check("a\tb\nc\rd", "a\tb\nc&#13;d");
        check("\0\u{1}\u{fffe}x", "\u{fffd}\u{fffd}\u{fffd}x");
        check("ä🌊", "ä🌊");
    }

    #[test]
    fn text_of_a_target_keeps_its_control_characters() {
        let mut xml = Xml::fragment();
        xml.verbatim("a\u{1}&");
        assert_eq!(xml.finish(), "a&#x1;&amp;");
    }
}
