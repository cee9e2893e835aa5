//! A few fields out of large JSON, whatever else is in it, without keeping the rest.
//!
//! Entries have dozens of fields of which a handful matters, and those differ in type from one entry to the next. So a
//! tree says which texts are wanted, everything else is passed over, and a field of another type is as if it were not
//! there.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What is wanted of a value.
#[derive(Debug)]
pub(super) enum Node {
    /// Its text, number or truth value, into a slot.
    Text(usize),
    /// The same, added to the slot on a line of its own.
    Append(usize),
    /// Fields of an object.
    Map(&'static [(&'static str, Node)]),
    /// The same of each element of an array.
    Each(&'static Node),
    /// Texts with these names, however deep.
    Deep(&'static [(&'static str, usize)]),
}

/// No text of an entry that is wanted is longer; the longest is a key.
const LONGEST: usize = 4096;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<Option<String>>);

impl Slots {
    /// The text in a slot.
    pub(super) fn get(&self, slot: usize) -> Option<&str> {
        self.0.get(slot)?.as_deref()
    }

    /// Empties all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn set(&mut self, slot: usize, text: &str, append: bool) {
        if self.0.len() <= slot {
            self.0.resize_with(slot + 1, || None);
        }
        let Some(place) = self.0.get_mut(slot) else {
            return;
        };
        let place = place.get_or_insert_default();
        if append && !place.is_empty() {
            place.push('\n');
        } else {
            place.clear();
        }
        let room = LONGEST.saturating_sub(place.len());
        place.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
    }
}

/// Reads one value.
pub(super) struct Pick<'s> {
    pub(super) node: &'static Node,
    pub(super) slots: &'s mut Slots,
}

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Pick<'_> {
    fn scalar(self, text: &str) {
        match self.node {
            Node::Text(slot) => self.slots.set(*slot, text, false),
            Node::Append(slot) => self.slots.set(*slot, text, true),
            Node::Map(_) | Node::Each(_) | Node::Deep(_) => {}
        }
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.scalar(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.scalar(&value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.scalar(&value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.scalar(value);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        match self.node {
            Node::Each(node) => {
                let slots = self.slots;
                while seq
                    .next_element_seed(Pick {
                        node,
                        slots: &mut *slots,
                    })?
                    .is_some()
                {}
            }
            Node::Deep(_) => {
                let (node, slots) = (self.node, self.slots);
                while seq
                    .next_element_seed(Pick {
                        node,
                        slots: &mut *slots,
                    })?
                    .is_some()
                {}
            }
            Node::Text(_) | Node::Append(_) | Node::Map(_) => {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let slots = self.slots;
        match self.node {
            Node::Map(fields) => {
                while let Some(at) = map.next_key_seed(Name(&|name| position(fields, name)))? {
                    match at.and_then(|at| fields.get(at)) {
                        Some((_, node)) => map.next_value_seed(Pick {
                            node,
                            slots: &mut *slots,
                        })?,
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
            }
            Node::Deep(names) => {
                while let Some(at) = map.next_key_seed(Name(&|name| position(names, name)))? {
                    match at.and_then(|at| names.get(at)) {
                        Some((_, slot)) => {
                            let text: Option<String> = map.next_value_seed(Text)?;
                            if let Some(text) = text {
                                slots.set(*slot, &text, false);
                            }
                        }
                        None => map.next_value_seed(Pick {
                            node: self.node,
                            slots: &mut *slots,
                        })?,
                    }
                }
            }
            Node::Text(_) | Node::Append(_) | Node::Each(_) => {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            }
        }
        Ok(())
    }
}

fn position<T>(fields: &[(&str, T)], name: &str) -> Option<usize> {
    fields.iter().position(|(known, _)| *known == name)
}

/// Which of the wanted names a name is.
pub(super) struct Name<'f>(pub(super) &'f dyn Fn(&str) -> Option<usize>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok((self.0)(name))
    }
}

/// A text, or `None` for anything else.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let mut slots = Slots::default();
        Pick {
            node: &Node::Text(0),
            slots: &mut slots,
        }
        .deserialize(deserializer)?;
        Ok(slots.0.pop().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TREE: Node = Node::Map(&[
        ("a", Node::Text(0)),
        ("b", Node::Map(&[("c", Node::Text(1)), ("d", Node::Text(2))])),
        ("list", Node::Each(&Node::Map(&[("arn", Node::Append(3))]))),
        ("deep", Node::Deep(&[("wanted", 4)])),
    ]);

    #[track_caller]
    fn check(json: &str, expected: [Option<&str>; 5]) {
        let mut slots = Slots::default();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let pick = Pick {
            node: &TREE,
            slots: &mut slots,
        };
        pick.deserialize(&mut deserializer).unwrap();
        deserializer.end().unwrap();
        assert_eq!([0, 1, 2, 3, 4].map(|slot| slots.get(slot)), expected, "{json}");
    }

    #[test]
    fn wanted_texts_are_found_and_the_rest_is_passed_over() {
        check(
            r#"{"x":[1,{"a":"no"}],"a":"1","b":{"d":true,"y":null,"c":7}}"#,
            [Some("1"), Some("7"), Some("true"), None, None],
        );
        check(
            r#"{"list":[{"arn":"x"},{"arn":"y"},3]}"#,
            [None, None, None, Some("x\ny"), None],
        );
        check(
            r#"{"deep":{"p":[{"q":{"wanted":"yes","r":[]}}],"s":"wanted"}}"#,
            [None, None, None, None, Some("yes")],
        );
    }

    #[test]
    fn a_field_of_another_type_is_as_if_it_were_not_there() {
        check(
            r#"{"a":{"a":"x"},"b":"text","list":{"arn":"x"},"deep":{"wanted":[1]}}"#,
            [None; 5],
        );
        check(r#"{"a":null,"b":[{"c":"x"}],"list":null,"deep":7.5}"#, [None; 5]);
        check("[]", [None; 5]);
        check(r#""text""#, [None; 5]);
    }

    #[test]
    fn long_texts_are_clipped() {
        let mut slots = Slots::default();
        slots.set(0, &"ä".repeat(5000), false);
        assert_eq!(slots.get(0).unwrap().len(), LONGEST);
    }
}
