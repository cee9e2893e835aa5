//! JSON as providers deliver it: one enormous document with a list of entries, an array, or one entry on each line.
//!
//! A document is never held: its entries are visited one by one as they are read. One that breaks off in the middle is
//! read up to there and counted as broken; a line that is broken costs only itself.

use super::input::{Input, Meter, Troubles};
use super::pick::{Name, Node, Pick, Slots};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer as Json;
use std::fmt;
use std::io::{self, BufRead};
use std::path::Path;

/// What entries look like.
pub(super) struct Schema {
    /// The fields of an entry that are wanted.
    pub(super) entry: &'static Node,
    /// The name under which a document has its entries; empty if there are no such documents.
    pub(super) list: &'static str,
}

/// What an entry came to.
pub(super) enum Taken {
    /// It was read.
    Yes,
    /// It makes no sense, and why.
    Malformed(&'static str),
}

/// Gives every entry of a file to `each`.
///
/// # Errors
/// Those of `each`: what cannot be read goes to `troubles`.
pub(super) fn read(
    mut input: Input,
    file: &Path,
    schema: &'static Schema,
    troubles: &mut Troubles,
    each: &mut dyn FnMut(&Slots) -> io::Result<Taken>,
) -> io::Result<()> {
    let mut walk = Walk {
        schema,
        file,
        troubles,
        each,
        slots: Slots::default(),
        meter: Meter::default(),
        count: 0,
        fatal: None,
    };
    match Shape::of(&mut input, schema, walk.troubles, file) {
        Shape::Nothing => {}
        Shape::Document => {
            input.limit_entries();
            walk.meter = input.meter.clone();
            walk.document(input);
        }
        Shape::Lines => {
            let mut troubles = Troubles::default();
            std::mem::swap(&mut troubles, walk.troubles);
            let result = input.lines(file, &mut troubles, |line, number, troubles| {
                std::mem::swap(troubles, walk.troubles);
                walk.line(line, number);
                std::mem::swap(troubles, walk.troubles);
                walk.fatal.take().map_or(Ok(()), Err)
            });
            std::mem::swap(&mut troubles, walk.troubles);
            result?;
        }
    }
    walk.fatal.map_or(Ok(()), Err)
}

/// How a file is laid out, by its first bytes.
enum Shape {
    Nothing,
    /// A document or an array, to be read as it comes.
    Document,
    /// One entry on each line.
    Lines,
}

impl Shape {
    fn of(input: &mut Input, schema: &Schema, troubles: &mut Troubles, file: &Path) -> Self {
        let start = match input.reader.fill_buf() {
            Ok(start) => start,
            Err(error) => {
                troubles.note(file, "line 1", super::input::Broken(&error));
                return Self::Nothing;
            }
        };
        let text = start.trim_ascii_start();
        if start.is_empty() {
            return Self::Nothing;
        }
        let list = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
        let named = format!("\"{}\"", schema.list);
        let is_list = !schema.list.is_empty() && list.is_some_and(|rest| rest.starts_with(named.as_bytes()));
        if text.starts_with(b"[") || is_list {
            Self::Document
        } else {
            Self::Lines
        }
    }
}

/// On the way through one file.
struct Walk<'a> {
    schema: &'static Schema,
    file: &'a Path,
    troubles: &'a mut Troubles,
    each: &'a mut dyn FnMut(&Slots) -> io::Result<Taken>,
    slots: Slots,
    meter: Meter,
    /// Entries so far.
    count: u64,
    /// Why there is no use in going on.
    fatal: Option<io::Error>,
}

impl Walk<'_> {
    /// One document after the other, to the end of the file.
    fn document(&mut self, input: Input) {
        let mut json = Json::from_reader(input.reader);
        loop {
            let read = Top {
                walk: self,
                line: None,
            }
            .deserialize(&mut json);
            if self.fatal.is_some() {
                return;
            }
            if let Err(error) = read {
                return self.broken(&error);
            }
            match json.end() {
                Ok(()) => return,
                Err(error) if error.is_io() => return self.broken(&error),
                // Another document.
                Err(_) => {}
            }
        }
    }

    fn broken(&mut self, error: &serde_json::Error) {
        let place = format!("after entry {}, line {}", self.count, error.line());
        if error.is_eof() {
            self.troubles.note(
                self.file,
                place,
                "the document is cut off here: the rest is missing",
            );
        } else {
            self.troubles
                .note(self.file, place, format_args!("the rest cannot be read: {error}"));
        }
    }

    fn line(&mut self, line: &[u8], number: u64) {
        let mut json = Json::from_slice(line);
        let top = Top {
            walk: self,
            line: Some(number),
        };
        let read = top.deserialize(&mut json).and_then(|()| json.end());
        if let (Err(error), None) = (read, &self.fatal) {
            let place = format!("line {number}");
            self.troubles
                .note(self.file, place, format_args!("not JSON: {error}"));
        }
    }

    /// What is in the slots, as an entry. False if there is no use in going on.
    fn take(&mut self, line: Option<u64>) -> bool {
        self.count += 1;
        self.meter.restart();
        match (self.each)(&self.slots) {
            Ok(Taken::Yes) => true,
            Ok(Taken::Malformed(why)) => {
                let (kind, number) = line.map_or(("entry", self.count), |line| ("line", line));
                self.troubles
                    .note(self.file, format_args!("{kind} {number}"), why);
                true
            }
            Err(error) => {
                self.fatal = Some(error);
                false
            }
        }
    }
}

/// A whole value: an entry, a list of them, or a document with one.
struct Top<'w, 'a> {
    walk: &'w mut Walk<'a>,
    line: Option<u64>,
}

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { walk, line } = self;
        loop {
            walk.slots.clear();
            let pick = Pick {
                node: walk.schema.entry,
                slots: &mut walk.slots,
            };
            if seq.next_element_seed(pick)?.is_none() {
                return Ok(());
            }
            if !walk.take(line) {
                return Err(A::Error::custom("given up"));
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { walk, line } = self;
        let Node::Map(fields) = walk.schema.entry else {
            return Err(A::Error::custom("no schema"));
        };
        let list = walk.schema.list;
        let known = |name: &str| match name == list && !list.is_empty() {
            true => Some(fields.len()),
            false => fields.iter().position(|(known, _)| *known == name),
        };
        let mut has_list = false;
        walk.slots.clear();
        while let Some(at) = map.next_key_seed(Name(&known))? {
            match at.map(|at| fields.get(at)) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(None) => {
                    has_list = true;
                    map.next_value_seed(Top {
                        walk: &mut *walk,
                        line,
                    })?;
                }
                Some(Some((_, node))) => map.next_value_seed(Pick {
                    node,
                    slots: &mut walk.slots,
                })?,
            }
        }
        if !has_list && !walk.take(line) {
            return Err(A::Error::custom("given up"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static SCHEMA: Schema = Schema {
        entry: &Node::Map(&[("id", Node::Text(0)), ("in", Node::Map(&[("x", Node::Text(1))]))]),
        list: "Records",
    };

    fn entries(content: &[u8]) -> (Vec<String>, Vec<String>) {
        let (mut ids, mut troubles) = (Vec::new(), Troubles::default());
        let input = Input::of(Box::new(io::Cursor::new(content.to_vec())));
        let mut each = |slots: &Slots| {
            Ok(match slots.get(0) {
                Some(id) => {
                    ids.push(id.to_owned());
                    Taken::Yes
                }
                None => Taken::Malformed("it has no id"),
            })
        };
        read(input, Path::new("log"), &SCHEMA, &mut troubles, &mut each).unwrap();
        (ids, troubles.first)
    }

    #[track_caller]
    fn check(content: &str, expected: &[&str], troubles: &[&str]) {
        let (ids, told) = entries(content.as_bytes());
        assert_eq!(ids, expected, "{content}");
        assert_eq!(told.len(), troubles.len(), "{content}: {told:?}");
        for (told, expected) in told.iter().zip(troubles) {
            assert!(told.contains(expected), "{content}: {told}");
        }
    }

    #[test]
    fn entries_come_in_documents_arrays_and_lines() {
        check(
            r#"{"Records":[{"id":"a"},{"id":"b","in":{"x":[1]}}]}"#,
            &["a", "b"],
            &[],
        );
        check(
            " {\n \"Records\" : [ {\"id\":\"a\"} ] }\n{\"Records\":[{\"id\":\"b\"}]}",
            &["a", "b"],
            &[],
        );
        check("[{\"id\":\"a\"},\n{\"id\":\"b\"}]\n", &["a", "b"], &[]);
        check("{\"id\":\"a\"}\n\n{\"id\":\"b\"}", &["a", "b"], &[]);
        check(r#"{"version":1,"Records":[{"id":"a"}],"more":2}"#, &["a"], &[]);
        check("", &[], &[]);
        check(r#"{"Records":[]}"#, &[], &[]);
    }

    #[test]
    fn what_is_broken_is_named_and_the_rest_is_read() {
        check(
            "{\"id\":\"a\"}\nnonsense\n{\"id\":\"b\"}",
            &["a", "b"],
            &["log: line 2: not JSON"],
        );
        check("{\"id\":\"a\"} x\n{\"id\":7}", &["a", "7"], &["line 1"]);
        check(
            "{\"no\":1}\n7\n{\"id\":\"b\"}",
            &["b"],
            &["line 1: it has no id", "line 2"],
        );
        check(
            r#"{"Records":[{"id":"a"},7,{"id":"b"}]}"#,
            &["a", "b"],
            &["entry 2: it has no id"],
        );
        check(
            r#"{"Records":[{"id":"a"},{"id":"#,
            &["a"],
            &["after entry 1, line 1: the document is cut off"],
        );
        check(
            r#"{"Records":[{"id":"a"},}]}"#,
            &["a"],
            &["the rest cannot be read"],
        );
        check(r#"{"Records":[{"id":"a"}]} trailing"#, &["a"], &["after entry 1"]);
        let (ids, told) = entries(b"{\"id\":\"a\"}\n{\"id\":\"\xff\xfe\"}\n{\"id\":\"b\"}");
        assert_eq!((ids, told.len()), (vec!["a".to_owned(), "b".to_owned()], 1));
        let (ids, told) = entries(b"{\"Records\":[{\"id\":\"a\"},{\"id\":\"\xff\"}]}");
        assert_eq!((ids, told.len()), (vec!["a".to_owned()], 1));
    }

    // An entry without an end takes no memory.
    #[test]
    fn a_huge_entry_ends_the_document() {
        let huge = format!(
            r#"{{"Records":[{{"id":"a"}},{{"id":"{}"}},{{"id":"c"}}]}}"#,
            "x".repeat(20 << 20)
        );
        check(&huge[..huge.len()], &["a"], &["longer than 16 MiB"]);
        let deep = format!("{{\"Records\":[{{\"in\":{}", "[".repeat(100_000));
        check(&deep, &[], &["after entry 0"]);
    }

    #[test]
    fn whoever_takes_entries_may_give_up() {
        for content in [
            "{\"Records\":[{\"id\":\"a\"},{\"id\":\"b\"}]}",
            "{\"id\":\"a\"}\n{\"id\":\"b\"}",
        ] {
            let input = Input::of(Box::new(content.as_bytes()));
            let mut count = 0;
            let mut each = |_: &Slots| {
                count += 1;
                Err(io::Error::other("the disk is full"))
            };
            let mut troubles = Troubles::default();
            let error = read(input, Path::new("log"), &SCHEMA, &mut troubles, &mut each).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), count, troubles.count),
                ("the disk is full", 1, 0)
            );
        }
    }

    proptest! {
        // Whatever is done to a log, it is read as far as it goes, and never in silence.
        #[test]
        fn an_edited_log_is_read_or_said_to_be_broken(at in 0_usize..60, byte: u8, document: bool) {
            let mut log = match document {
                true => br#"{"Records":[{"id":"a"},{"id":"b"},{"id":"c"}]}"#.to_vec(),
                false => b"{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n".to_vec(),
            };
            let at = at % log.len();
            log[at] = byte;
            let (ids, troubles) = entries(&log);
            prop_assert!(ids.len() >= 3 || !troubles.is_empty(), "{:?}", String::from_utf8_lossy(&log));
        }
    }
}
