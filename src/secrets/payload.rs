//! What a version of a secret holds: a text, or named members.

use crate::config::LONGEST_SECRET;
use crate::secret::Secret;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// What a version of a secret holds.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// Bytes, which may be JSON.
    Whole(Secret),
    /// Members of an object.
    Members(Members),
}

/// The members of an object: texts by name, each name once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(Vec<(Box<str>, Option<Secret>)>);

/// A text of an answer, which is a secret from the first moment.
#[derive(Clone, Debug)]
pub(super) struct Text(pub(super) Secret);

/// Why a payload is not what a reference speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFlaw {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// There is far more in it than a secret has.
    #[error("it is larger than {LONGEST_SECRET} bytes")]
    TooLarge,
    /// It has no members.
    #[error(
        "it is not a JSON object, each name of which comes once, and the reference asks for a field of one"
    )]
    NotAnObject,
    /// The member is not there.
    #[error("it has no such field as the reference asks for")]
    NoField,
    /// The member is no text.
    #[error("the field that the reference asks for is not a string")]
    NotText,
}

impl Payload {
    /// Whether both hold the same. Compared as it is, for it is in memory anyway; never with what a caller sent.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.expose() == other.expose(),
            (Self::Members(one), Self::Members(other)) => one.is_same(other),
            (Self::Whole(_), Self::Members(_)) | (Self::Members(_), Self::Whole(_)) => false,
        }
    }

    /// The member `field`, or the whole. White space at its end belongs to the editor that wrote it.
    ///
    /// # Errors
    /// [`PayloadFlaw`]; nothing of the payload is in it.
    pub(crate) fn part(&self, field: Option<&str>) -> Result<Secret, PayloadFlaw> {
        let found = match (self, field) {
            (Self::Whole(secret), None) => secret.clone(),
            (Self::Whole(secret), Some(field)) => Members::parse(secret.expose())?.get(field)?,
            (Self::Members(members), Some(field)) => members.get(field)?,
            (Self::Members(_), None) => return Err(PayloadFlaw::NoField),
        };
        let bytes = found.expose();
        let end = bytes.iter().rposition(|b| !b.is_ascii_whitespace());
        match end.and_then(|last| bytes.get(..=last)) {
            None => Err(PayloadFlaw::Empty),
            Some(text) if text.len() as u64 > LONGEST_SECRET => Err(PayloadFlaw::TooLarge),
            Some(text) => Ok(Secret::new(text)),
        }
    }
}

impl Members {
    /// In whatever order: no manager promises one.
    fn is_same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().all(|(name, value)| {
                let counterpart = other.0.iter().find(|(known, _)| known == name);
                counterpart.is_some_and(|(_, other)| {
                    value.as_ref().map(Secret::expose) == other.as_ref().map(Secret::expose)
                })
            })
    }

    fn parse(document: &[u8]) -> Result<Self, PayloadFlaw> {
        // The message of the parser could show what it stumbled over.
        serde_json::from_slice(document).map_err(|_| PayloadFlaw::NotAnObject)
    }

    fn get(&self, name: &str) -> Result<Secret, PayloadFlaw> {
        let found = self.0.iter().find(|(known, _)| **known == *name);
        let (_, value) = found.ok_or(PayloadFlaw::NoField)?;
        value.clone().ok_or(PayloadFlaw::NotText)
    }

    /// The texts, for what tells one state of them from the next.
    pub(super) fn digested(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for (name, value) in &self.0 {
            let value = value.as_ref().map(Secret::expose).unwrap_or_default();
            for part in [name.as_bytes(), value] {
                all.extend_from_slice(&(part.len() as u64).to_be_bytes());
                all.extend_from_slice(part);
            }
        }
        all
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(Box<str>, Option<Secret>)> = Vec::new();
                while let Some(name) = map.next_key::<Box<str>>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("a name comes twice"));
                    }
                    members.push((name, map.next_value::<Perhaps>()?.0));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(AnyValue)?;
        text.0.map(Self).ok_or_else(|| D::Error::custom("not a string"))
    }
}

/// A text, or something else.
struct Perhaps(Option<Secret>);

impl<'de> Deserialize<'de> for Perhaps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Perhaps;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Perhaps, E> {
        Ok(Perhaps(Some(Secret::new(text))))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Perhaps, E> {
        Ok(Perhaps(None))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Perhaps, E> {
        Ok(Perhaps(None))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Perhaps, E> {
        Ok(Perhaps(None))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Perhaps, E> {
        Ok(Perhaps(None))
    }

    fn visit_unit<E: Error>(self) -> Result<Perhaps, E> {
        Ok(Perhaps(None))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Perhaps, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Perhaps(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Perhaps, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Perhaps(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CRD-07, AUD-05
    #[test]
    fn a_part_is_a_text_that_is_there_once() {
        let check = |document: &str, field: Option<&str>, expected: Result<&str, PayloadFlaw>| {
            let part = Payload::Whole(Secret::new(document)).part(field);
            let found = part.as_ref().map(|secret| secret.expose_str().unwrap());
            assert_eq!(found, expected.as_ref().map(|text| *text), "{document} {field:?}");
        };
        check("AKID\n", None, Ok("AKID"));
        check(r#"{"id":"A","n":1}"#, None, Ok(r#"{"id":"A","n":1}"#));
        check(
            r#"{"id":"A","n":1,"o":{"id":"B"},"l":["C"]}"#,
            Some("id"),
            Ok("A"),
        );
        check(r#"{"id":"A\n"}"#, Some("id"), Ok("A"));
        check(r#"{"id":" "}"#, Some("id"), Err(PayloadFlaw::Empty));
        check("", None, Err(PayloadFlaw::Empty));
        check(r#"{"id":1}"#, Some("id"), Err(PayloadFlaw::NotText));
        check(r#"{"id":null}"#, Some("id"), Err(PayloadFlaw::NotText));
        check(r#"{"id":{"id":"A"}}"#, Some("id"), Err(PayloadFlaw::NotText));
        check(r#"{"ID":"A"}"#, Some("id"), Err(PayloadFlaw::NoField));
        check(
            r#"{"id":"A","id":"B"}"#,
            Some("id"),
            Err(PayloadFlaw::NotAnObject),
        );
        for garbage in ["hunter2", "[\"id\"]", "{\"id\":\"A\"", "{\"id\":\"A\"}}"] {
            check(garbage, Some("id"), Err(PayloadFlaw::NotAnObject));
        }
        let large = "x".repeat((64 << 10) + 1);
        check(&large, None, Err(PayloadFlaw::TooLarge));
    }
}
