//! JSON from strangers, read strictly.
//!
//! A document that two parsers read differently is a way around the stricter of them (JWT-06). So a member may
//! appear once only, nesting is bounded, and a number is an integer or nothing that anybody can use: no
//! conversion turns `1e300` or `"5"` into a time (JWT-03).

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;

/// Levels of arrays and objects, the outermost included.
const MAX_DEPTH: usize = 8;

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is not an integer of 64 bits. Its value is of no use to anybody here.
    OtherNumber,
    String(Box<str>),
    Array(Vec<Json>),
    Object(Object),
}

/// The members of an object, each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object(Vec<(Box<str>, Json)>);

impl Object {
    /// Reads a document whose outermost value is an object.
    ///
    /// # Errors
    /// Not JSON, not UTF-8, a duplicate member, too deep, something behind the end, or not an object. The
    /// message is serde's, with a position and without any value of the document.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(document);
        let value = AtDepth(0).deserialize(&mut deserializer)?;
        deserializer.end()?;
        match value {
            Json::Object(object) => Ok(object),
            _ => Err(serde_json::Error::custom("not an object")),
        }
    }

    /// The member with exactly this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(n, _)| **n == *name).map(|(_, value)| value)
    }

    /// Adds a member behind the others. The caller knows that there is none of this name.
    pub(crate) fn push(&mut self, name: impl Into<Box<str>>, value: Json) {
        self.0.push((name.into(), value));
    }

    /// The members in the order of the document, to be kept.
    pub(crate) fn into_members(self) -> Vec<(Box<str>, Json)> {
        self.0
    }

    /// The members in the order of the document.
    pub(crate) fn members(&self) -> &[(Box<str>, Json)] {
        &self.0
    }

    /// The member with this name if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Json::as_str)
    }
}

impl Json {
    /// The text, if it is a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl FromIterator<(Box<str>, Json)> for Object {
    /// The caller knows that each name is there once.
    fn from_iter<T: IntoIterator<Item = (Box<str>, Json)>>(members: T) -> Self {
        Self(members.into_iter().collect())
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Serialize for Json {
    /// Fails for [`Json::OtherNumber`], of which nobody knows what it was.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::OtherNumber => Err(serde::ser::Error::custom("a number that is not an integer")),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

/// Reads one value at this many levels below the top.
struct AtDepth(usize);

impl AtDepth {
    fn below<E: Error>(&self) -> Result<Self, E> {
        if self.0 < MAX_DEPTH {
            Ok(Self(self.0 + 1))
        } else {
            Err(E::custom("nested too deeply"))
        }
    }
}

impl<'de> DeserializeSeed<'de> for AtDepth {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AtDepth {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::OtherNumber, Json::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::OtherNumber)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self.below()?)? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut names = std::collections::HashSet::new();
        let mut object = Vec::new();
        while let Some(name) = members.next_key::<Box<str>>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom("a member appears twice"));
            }
            object.push((name, members.next_value_seed(self.below()?)?));
        }
        Ok(Json::Object(Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, accepted: bool) {
        let result = Object::parse(document.as_bytes());
        assert_eq!(result.is_ok(), accepted, "{document}: {result:?}");
    }

    // JWT-06
    #[test]
    fn only_one_reading_of_a_document_is_possible() {
        check(r#"{}"#, true);
        check(r#" {"a": [1, {"b": null}]} "#, true);
        check(r#"{"a":1,"a":1}"#, false);
        check(r#"{"a":1,"\u0061":2}"#, false);
        check(r#"{"x":{"a":1,"b":2,"a":3}}"#, false);
        check(r#"{"x":[{"a":1,"a":3}]}"#, false);
        check(r#"{"a":1}{}"#, false);
        check(r#"{"a":1},"#, false);
        check(r#"{"a":1,}"#, false);
        check(r#"[]"#, false);
        check(r#""text""#, false);
        check(r#""#, false);
        check("\u{feff}{}", false);
        check(r#"{"a":NaN}"#, false);
        check(r#"{"a":Infinity}"#, false);
        check(r#"{"a":01}"#, false);
        check(r#"{"a":+1}"#, false);
        check(r#"{"a":1.}"#, false);
        check(r#"{"a":.5}"#, false);
        check(r#"{"a":0x5}"#, false);
        check(r#"{'a':1}"#, false);
        check(r#"{a:1}"#, false);
        check(r#"{"a":"\ud800"}"#, false);
        check(r#"{"a":"\x41"}"#, false);
        check("{\"a\":\"\t\"}", false);
        check("{\"a\":1}\0", false);
        check(r#"{"a":1} // comment"#, false);
        check(r#"{"a":1e999}"#, false);
        check(r#"{"a":tru}"#, false);
        assert!(Object::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    // JWT-06
    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        check(&nested(MAX_DEPTH - 1), true);
        check(&nested(MAX_DEPTH), false);
        check(&nested(100_000), false);
        check(&"{\"a\":".repeat(100_000), false);
    }

    #[test]
    fn what_was_read_is_written_as_it_was() {
        let document = r#"{"a":null,"b":[true,-7,"\u0001\"ä"],"c":{"d":{}}}"#;
        let object = Object::parse(document.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&object).unwrap(), document);
        let other = Object::parse(br#"{"a":1.5}"#).unwrap();
        assert!(serde_json::to_string(&other).is_err());
    }

    // JWT-03
    #[test]
    fn only_integers_are_numbers() {
        let number = |text: &str| {
            Object::parse(format!("{{\"n\":{text}}}").as_bytes())
                .unwrap()
                .get("n")
                .cloned()
        };
        assert_eq!(number("0"), Some(Json::Integer(0)));
        assert_eq!(number("-7"), Some(Json::Integer(-7)));
        assert_eq!(number("9223372036854775807"), Some(Json::Integer(i64::MAX)));
        for other in [
            "9223372036854775808",
            "18446744073709551616",
            "1.0",
            "1e3",
            "1e300",
            "-0",
            "0.5",
        ] {
            assert_eq!(number(other), Some(Json::OtherNumber), "{other}");
        }
    }
}
