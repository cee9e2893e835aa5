//! HTML, written by hand: text goes through [`Escaped`], and markup is in this source alone.

use std::fmt::{self, Display, Write as _};

/// Text for an element or for an attribute in double quotes.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Controls are no text, and what reverses a line could make `ana` of `bob`.
                c if is_unprintable(c) => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A value of a query.
pub(super) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // OID-05
    #[test]
    fn text_stays_text() {
        let check = |text: &str, html: &str| assert_eq!(Escaped(text).to_string(), html);
        check("ana@acme.com", "ana@acme.com");
        check(
            "<script>alert('x')</script>",
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;",
        );
        check("\" onload=\"x", "&quot; onload=&quot;x");
        check("a&amp;b", "a&amp;amp;b");
        check(
            "a\0\r\nb\u{202e}c\u{200b}",
            "a\u{fffd}\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}",
        );
        check("Größe 数", "Größe 数");
    }
}
