//! Terraform, in the layout of `terraform fmt`.
//!
//! The rule of the layout: attributes of one line each that follow each other have their `=` in one column; a value that
//! opens a bracket at the end of its line breaks the column.

use super::Document;

/// A file that is being written.
#[derive(Default)]
pub(super) struct Hcl {
    lines: Vec<Line>,
    depth: usize,
}

struct Line {
    depth: usize,
    /// The name of an attribute whose value ends on the same line.
    name: Option<String>,
    text: String,
}

/// The value of an attribute.
pub(super) enum Value<'a> {
    /// A string.
    Text(&'a str),
    /// Strings.
    Texts(&'a [String]),
    /// The address of something else, such as `aws_iam_role.tidegate.arn`.
    Reference(&'a str),
    /// Addresses.
    References(&'a [&'a str]),
    /// A document, as JSON.
    Json(&'a Document),
    /// Names and strings.
    Map(&'a [(&'a str, &'a str)]),
}

impl Hcl {
    /// A block, after an empty line if it is not the first.
    pub(super) fn block(&mut self, head: &[&str], body: impl FnOnce(&mut Self)) {
        if self.lines.last().is_some_and(|last| last.depth == self.depth) {
            self.line(String::new());
        }
        let mut words = head.iter();
        let kind = words.next().copied().unwrap_or_default();
        let labels = words
            .map(|label| format!(" {}", quoted(label)))
            .collect::<String>();
        self.line(format!("{kind}{labels} {{"));
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line("}".to_owned());
    }

    pub(super) fn comment(&mut self, text: &str) {
        for line in text.lines() {
            self.line(format!("# {line}"));
        }
    }

    pub(super) fn attribute(&mut self, name: &str, value: Value<'_>) {
        match value {
            Value::Text(text) => self.named(name, quoted(text)),
            Value::Reference(address) => self.named(name, address.to_owned()),
            Value::References(addresses) => self.named(name, format!("[{}]", addresses.join(", "))),
            Value::Texts(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                self.named(name, format!("[{}]", texts.join(", ")));
            }
            Value::Map(pairs) => {
                self.line(format!("{name} = {{"));
                self.depth += 1;
                for (key, value) in pairs {
                    self.named(&quoted(key), quoted(value));
                }
                self.depth -= 1;
                self.line("}".to_owned());
            }
            Value::Json(document) => {
                self.document(&format!("{name} = jsonencode("), document, ")");
            }
        }
    }

    pub(super) fn finish(self) -> String {
        let mut out = String::new();
        let mut lines = self.lines.as_slice();
        while let Some(first) = lines.first() {
            let run = lines.iter().take_while(|line| line.name.is_some()).count().max(1);
            let (these, rest) = lines.split_at_checked(run).unwrap_or((lines, &[]));
            let columns = |line: &Line| line.name.as_ref().map_or(0, |name| name.chars().count());
            let widest = these.iter().map(columns).max().unwrap_or_default();
            debug_assert!(first.name.is_some() || these.len() == 1);
            for line in these {
                let indent = if line.text.is_empty() { 0 } else { line.depth };
                out.push_str(&"  ".repeat(indent));
                if let Some(name) = &line.name {
                    out.push_str(name);
                    out.push_str(&" ".repeat(widest - columns(line)));
                    out.push_str(" = ");
                }
                out.push_str(&line.text);
                out.push('\n');
            }
            lines = rest;
        }
        out
    }

    fn document(&mut self, before: &str, document: &Document, after: &str) {
        match document {
            Document::Object(members) => {
                self.line(format!("{before}{{"));
                self.depth += 1;
                for (name, value) in members {
                    let name = match is_identifier(name) {
                        true => name.clone(),
                        false => quoted(name),
                    };
                    match simple(value) {
                        Some(text) => self.named(&name, text),
                        None => self.document(&format!("{name} = "), value, ""),
                    }
                }
                self.depth -= 1;
                self.line(format!("}}{after}"));
            }
            Document::List(items) => {
                self.line(format!("{before}["));
                self.depth += 1;
                for item in items {
                    match simple(item) {
                        Some(text) => self.line(format!("{text},")),
                        None => self.document("", item, ","),
                    }
                }
                self.depth -= 1;
                self.line(format!("]{after}"));
            }
            Document::Text(_) | Document::Flag(_) => {
                self.line(format!("{before}{}{after}", simple(document).unwrap_or_default()));
            }
        }
    }

    fn named(&mut self, name: &str, text: String) {
        let (depth, name) = (self.depth, Some(name.to_owned()));
        self.lines.push(Line { depth, name, text });
    }

    fn line(&mut self, text: String) {
        let depth = self.depth;
        self.lines.push(Line {
            depth,
            name: None,
            text,
        });
    }
}

/// A value of one line.
fn simple(document: &Document) -> Option<String> {
    match document {
        Document::Text(text) => Some(quoted(text)),
        Document::Flag(flag) => Some(flag.to_string()),
        Document::List(items) if items.is_empty() => Some("[]".to_owned()),
        Document::List(_) | Document::Object(_) => None,
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A string without templates: `${` and `%{` would be some.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '$' | '%' if chars.peek() == Some(&'{') => {
                out.push(c);
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
