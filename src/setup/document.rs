//! A document of a cloud, before it is text: JSON, or the same as an expression of Terraform.
//!
//! Members keep their order, so that what is printed reads like what people write.

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// Any text.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// Values.
    List(Vec<Document>),
    /// Members, each name once.
    Object(Vec<(String, Document)>),
}

/// An object of these members.
pub(super) fn object<const N: usize>(members: [(&str, Document); N]) -> Document {
    Document::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
}

/// A text.
pub(super) fn text(text: impl Into<String>) -> Document {
    Document::Text(text.into())
}

/// One text as it is, several as a list: as policies of AWS are written.
pub(super) fn texts<T: Into<String>>(all: impl IntoIterator<Item = T>) -> Document {
    let mut all: Vec<Document> = all.into_iter().map(text).collect();
    match (all.len(), all.pop()) {
        (1, Some(one)) => one,
        (_, last) => {
            all.extend(last);
            Document::List(all)
        }
    }
}

/// Texts as a list, however many.
pub(super) fn list<T: Into<String>>(all: impl IntoIterator<Item = T>) -> Document {
    Document::List(all.into_iter().map(text).collect())
}

impl Document {
    /// As JSON, indented by two, with a line end.
    pub fn json(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out.push('\n');
        out
    }

    /// A statement of a policy as one line of JSON, without its name.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Flag(flag) => flag.to_string(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::line).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Object(members) => {
                let members = members.iter().filter(|(name, _)| name != "Sid");
                let members = members.map(|(name, value)| format!("{}: {}", quoted(name), value.line()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn write(&self, depth: usize, out: &mut String) {
        let lines = |open: char, close: char, items: Vec<(Option<&str>, &Self)>, out: &mut String| {
            out.push(open);
            for (number, (name, value)) in items.iter().enumerate() {
                out.push_str(if number == 0 { "\n" } else { ",\n" });
                out.push_str(&"  ".repeat(depth + 1));
                if let Some(name) = name {
                    out.push_str(&quoted(name));
                    out.push_str(": ");
                }
                value.write(depth + 1, out);
            }
            if !items.is_empty() {
                out.push('\n');
                out.push_str(&"  ".repeat(depth));
            }
            out.push(close);
        };
        match self {
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::List(items) => lines('[', ']', items.iter().map(|item| (None, item)).collect(), out),
            Self::Object(members) => {
                let members = members.iter().map(|(name, value)| (Some(&**name), value));
                lines('{', '}', members.collect(), out);
            }
        }
    }
}

impl From<serde_json::Value> for Document {
    /// Numbers become text; a key set has none.
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Text(String::new()),
            serde_json::Value::Bool(flag) => Self::Flag(flag),
            serde_json::Value::Number(number) => Self::Text(number.to_string()),
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| (name, Self::from(value)));
                Self::Object(members.collect())
            }
        }
    }
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
