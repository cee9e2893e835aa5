//! Documents of callers, read strictly: a member is there once, and is what it should be.

use super::Refusal;
use super::request::text as header;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The members of a JSON object.
pub(super) type Members = Map<String, Value>;

/// The members of a body; none if it is empty.
///
/// # Errors
/// What is not a JSON object, or has a member twice.
pub(super) fn members(headers: &HeaderMap, body: &[u8]) -> Result<Members, Refusal> {
    if body.is_empty() {
        return Ok(Members::new());
    }
    let kind = header(headers, "content-type").unwrap_or_default();
    if !kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/json")
    {
        let message = format!("Unsupported content with type: {kind}");
        return Err(Refusal::invalid(message));
    }
    json(body)
}

/// The members of a document.
///
/// # Errors
/// As [`members`].
pub(super) fn json(document: &[u8]) -> Result<Members, Refusal> {
    let refused = |error: serde_json::Error| Refusal::new(400, "parseError", format!("Parse Error: {error}"));
    crate::json::Object::parse(document).map_err(refused)?;
    match serde_json::from_slice(document).map_err(refused)? {
        Value::Object(members) => Ok(members),
        _ => Err(Refusal::new(400, "parseError", "Parse Error")),
    }
}

/// A string, or `null` for none.
pub(super) fn text(member: &str, value: &Value) -> Result<Option<String>, Refusal> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Refusal::invalid(format!("Invalid value for: {member}")))
        }
    }
}

/// `true` or `false`; `null` is the latter.
pub(super) fn flag(member: &str, value: &Value) -> Result<bool, Refusal> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Refusal::invalid(format!("Invalid value for: {member}")))
        }
    }
}

/// A number of 64 bits, which is a string in Google's JSON and may be a number.
pub(super) fn number(member: &str, value: &Value) -> Result<u64, Refusal> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.ok_or_else(|| Refusal::invalid(format!("Invalid value for: {member}")))
}

/// A time as RFC 3339 has it.
pub(super) fn time(member: &str, text: &str) -> Result<Timestamp, Refusal> {
    text.parse()
        .map_err(|_| Refusal::invalid(format!("Invalid value for: {member}")))
}
