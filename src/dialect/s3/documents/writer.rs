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
        push(&mut self.0, text, |out, _| out.push(char::REPLACEMENT_CHARACTER));
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

/// `text` for use in an element or an attribute; what XML cannot carry becomes U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut xml = Xml::fragment();
    xml.text(text);
    xml.0
}

fn push(out: &mut String, text: &str, other: impl Fn(&mut String, char)) {
    out.reserve(text.len());
    for c in text.chars() {
        match c {
            '&' => *out += "&amp;",
            '<' => *out += "&lt;",
            '>' => *out += "&gt;",
            '"' => *out += "&quot;",
            '\'' => *out += "&#39;",
            // Bare, a reader would turn it into a line feed.
            '\r' => *out += "&#13;",
            c if is_xml_char(c) => out.push(c),
            c => other(out, c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let check = |text: &str, expected: &str| assert_eq!(escape(text), expected);
        check("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;");
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
