//! What the members of an object may hold, each rebuilt from what was understood of it.

use super::DocumentError;
use crate::json::{Json, Object};
use crate::parameters::printable;

/// The kind of a writable member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    /// `metadata`: texts by name; null takes one away.
    Texts,
    /// `retention`: `mode` and `retainUntilTime`.
    Retention,
    /// `contexts`: values under `custom`.
    Contexts,
    /// `acl`: entities and their roles.
    AccessList,
}

/// The value as far as it is understood. Null means delete, or nothing: it is kept for each kind.
pub(super) fn understood(name: &'static str, kind: Kind, value: Json) -> Result<Json, DocumentError> {
    let wrong = |accepted| DocumentError::Value(name, accepted);
    Ok(match (kind, value) {
        (_, Json::Null) => Json::Null,
        (Kind::Text, Json::String(text)) => Json::String(text),
        (Kind::Text, _) => return Err(wrong("a string")),
        (Kind::Flag, Json::Bool(flag)) => Json::Bool(flag),
        (Kind::Flag, _) => return Err(wrong("true or false")),
        (Kind::Texts, Json::Object(texts)) => match texts.members().iter().all(|(_, text)| is_text(text)) {
            true => Json::Object(texts),
            false => return Err(wrong("an object whose values are strings")),
        },
        (Kind::Texts, _) => return Err(wrong("an object whose values are strings")),
        (Kind::Retention, Json::Object(retention)) => {
            Json::Object(texts(name, retention, &["mode", "retainUntilTime"], &[])?)
        }
        (Kind::Retention, _) => return Err(wrong("an object with `mode` and `retainUntilTime`")),
        (Kind::Contexts, Json::Object(contexts)) => Json::Object(self::contexts(name, contexts)?),
        (Kind::Contexts, _) => return Err(wrong("an object with `custom`")),
        (Kind::AccessList, Json::Array(entries)) => Json::Array(
            entries
                .into_iter()
                .map(|entry| access(name, entry))
                .collect::<Result<_, _>>()?,
        ),
        (Kind::AccessList, _) => return Err(wrong("an array of objects with `entity` and `role`")),
    })
}

/// Most contexts of an object, and most characters of a key or a value, as at Google.
///
/// Spec: <https://cloud.google.com/storage/docs/object-contexts>
const MOST_CONTEXTS: usize = 50;
const CONTEXT: usize = 256;

/// `{"custom": {"key": {"value": "…"}}}`; the times in it are the target's to write. Policies decide on these values, so each
/// entry has one, or is null.
fn contexts(name: &'static str, contexts: Object) -> Result<Object, DocumentError> {
    let mut understood = Object::default();
    for (member, value) in contexts.into_members() {
        let custom = match (&*member, value) {
            ("custom", Json::Null) => Json::Null,
            ("custom", Json::Object(custom)) => {
                if custom.members().len() > MOST_CONTEXTS {
                    return Err(DocumentError::Value(name, "an object with at most 50 keys"));
                }
                let entries = custom.into_members().into_iter().map(|(key, value)| match value {
                    _ if !(1..=CONTEXT).contains(&key.chars().count()) => Err(wrong_context(name)),
                    Json::Null => Ok((key, Json::Null)),
                    Json::Object(entry) => {
                        let entry = texts(name, entry, &["value"], &["createTime", "updateTime"])?;
                        let value = entry.text("value");
                        match value.is_some_and(|value| value.chars().count() <= CONTEXT) {
                            true => Ok((key, Json::Object(entry))),
                            false => Err(wrong_context(name)),
                        }
                    }
                    _ => Err(wrong_context(name)),
                });
                Json::Object(entries.collect::<Result<_, _>>()?)
            }
            ("custom", _) => return Err(DocumentError::Value(name, "an object with `custom`")),
            _ => return Err(unknown(name, &member)),
        };
        understood.push(member, custom);
    }
    Ok(understood)
}

fn wrong_context(name: &'static str) -> DocumentError {
    let accepted = "an object with a `value` for each key, both of at most 256 characters";
    DocumentError::Value(name, accepted)
}

/// An entry of an access list. What the API says of it besides, it does not read.
fn access(name: &'static str, entry: Json) -> Result<Json, DocumentError> {
    const IGNORED: [&str; 10] = [
        "kind",
        "id",
        "selfLink",
        "bucket",
        "object",
        "generation",
        "email",
        "entityId",
        "domain",
        "etag",
    ];
    let Json::Object(entry) = entry else {
        return Err(DocumentError::Value(
            name,
            "an array of objects with `entity` and `role`",
        ));
    };
    let entry = entry
        .into_members()
        .into_iter()
        .filter(|(member, _)| **member != *"projectTeam");
    Ok(Json::Object(texts(
        name,
        entry.collect(),
        &["entity", "role"],
        &IGNORED,
    )?))
}

/// An object of texts with known names; what is to be `ignored` is left out.
fn texts(
    name: &'static str,
    object: Object,
    known: &[&str],
    ignored: &[&str],
) -> Result<Object, DocumentError> {
    let mut understood = Object::default();
    for (member, value) in object.into_members() {
        if ignored.contains(&&*member) {
            continue;
        }
        if !known.contains(&&*member) {
            return Err(unknown(name, &member));
        }
        if !is_text(&value) {
            return Err(DocumentError::Value(name, "an object whose values are strings"));
        }
        understood.push(member, value);
    }
    Ok(understood)
}

fn is_text(value: &Json) -> bool {
    matches!(value, Json::String(_) | Json::Null)
}

fn unknown(name: &str, member: &str) -> DocumentError {
    DocumentError::UnknownMember(format!("{name}.{}", printable(member)).into())
}
