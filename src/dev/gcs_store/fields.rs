//! Partial responses: `fields=kind,items(name,size),prefixes`.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/how-tos/performance#partial>

use super::Refusal;
use serde_json::{Map, Value};

/// What of a document is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, Fields)>);

/// Levels of brackets.
const MAX_DEPTH: usize = 16;

impl Fields {
    /// Reads the parameter.
    ///
    /// # Errors
    /// What does not follow the grammar.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let refused = || Refusal::parameter("fields", text);
        let (fields, rest) = list(text, 0).ok_or_else(refused)?;
        match rest {
            "" if !fields.0.is_empty() => Ok(fields),
            _ => Err(refused()),
        }
    }

    /// What is wanted of a member; `None` if nothing is. It may be named several times: `items/name,items/size`.
    fn of(&self, name: &str) -> Option<Self> {
        let named = self.0.iter().filter(|(field, _)| field == name || field == "*");
        let mut named = named.map(|(_, wanted)| wanted).peekable();
        named.peek()?;
        let mut all = Self::default();
        for wanted in named {
            // One without parts wants the whole.
            if wanted.0.is_empty() {
                return Some(Self::default());
            }
            all.0.extend(wanted.0.iter().cloned());
        }
        Some(all)
    }

    /// The part of `value` that is wanted. Arrays are looked through.
    pub(super) fn select(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        match value {
            Value::Object(members) => {
                let mut selected = Map::new();
                for (name, value) in members {
                    if let Some(wanted) = self.of(&name) {
                        selected.insert(name, wanted.select(value));
                    }
                }
                Value::Object(selected)
            }
            Value::Array(values) => values.into_iter().map(|value| self.select(value)).collect(),
            other => other,
        }
    }
}

/// Fields with commas between them, up to a closing bracket or the end.
fn list(mut text: &str, depth: usize) -> Option<(Fields, &str)> {
    let mut fields = Fields::default();
    loop {
        let (field, rest) = field(text, depth)?;
        fields.0.push(field);
        match rest.strip_prefix(',') {
            Some(rest) => text = rest,
            None => return Some((fields, rest)),
        }
    }
}

/// `a`, `a/b`, `a(b,c)`.
fn field(text: &str, depth: usize) -> Option<((String, Fields), &str)> {
    if depth > MAX_DEPTH {
        return None;
    }
    let end = text.find([',', '/', '(', ')']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    let (inner, rest) = if let Some(rest) = rest.strip_prefix('/') {
        let (inner, rest) = field(rest, depth + 1)?;
        (Fields(vec![inner]), rest)
    } else if let Some(rest) = rest.strip_prefix('(') {
        let (inner, rest) = list(rest, depth + 1)?;
        (inner, rest.strip_prefix(')')?)
    } else {
        (Fields::default(), rest)
    };
    Some(((name.to_owned(), inner), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_wanted_is_told() {
        let document = json!({"kind": "k", "items": [{"name": "a", "size": "1", "acl": [{"role": "r", "id": 1}]}],
                              "next": "t"});
        let check = |fields: &str, expected: Value| {
            let fields = Fields::parse(fields).map_err(|_| fields).unwrap();
            assert_eq!(fields.select(document.clone()), expected);
        };
        check("kind", json!({"kind": "k"}));
        check("kind,nothing", json!({"kind": "k"}));
        check("items/name", json!({"items": [{"name": "a"}]}));
        check(
            "items(name,size),next",
            json!({"items": [{"name": "a", "size": "1"}], "next": "t"}),
        );
        check("items/acl(role)", json!({"items": [{"acl": [{"role": "r"}]}]}));
        check(
            "items(name,acl/id)",
            json!({"items": [{"name": "a", "acl": [{"id": 1}]}]}),
        );
        check("*", document.clone());
        // As gcloud and gsutil ask.
        let sizes = json!({"items": [{"name": "a", "size": "1"}]});
        check("items/name,items/size", sizes.clone());
        check("nothing,items(name),items/size,items/gone", sizes);
        check(
            "items/name,kind,items",
            json!({"kind": "k", "items": document["items"]}),
        );
        check(
            "items/acl/id,items/acl/role,items/name",
            json!({"items": [{"name": "a", "acl": [{"role": "r", "id": 1}]}]}),
        );
        check(
            "*/size,items/name",
            json!({"kind": "k", "items": [{"name": "a", "size": "1"}], "next": "t"}),
        );
    }

    #[test]
    fn what_does_not_follow_the_grammar_is_refused() {
        let deep = "a(".repeat(1000);
        let slashes = "a/".repeat(1000) + "a";
        for fields in [
            "", ",", "a,", "a(", "a()", "a)", "a(b", "a/", "(a)", &deep, &slashes,
        ] {
            assert!(Fields::parse(fields).is_err(), "{fields}");
        }
    }
}
