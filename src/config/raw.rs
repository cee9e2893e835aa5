//! The file as it was written: tables, keys and values that know their place.
//!
//! A [`Section`] is asked for its keys one by one and remembers them. What nobody asked for is unknown, and the
//! keys that were asked for are the accepted ones: the list in a message cannot be out of date.

mod entry;

pub(super) use entry::{Entry, Scalar};

use super::error::ConfigProblem;
use super::units;
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The file, and what was found in it so far.
pub(super) struct Document<'a> {
    path: &'a Path,
    line_starts: Vec<usize>,
    problems: RefCell<Vec<ConfigProblem>>,
    warnings: RefCell<Vec<ConfigProblem>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(path: &'a Path, text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(end, _)| end + 1);
        Self {
            path,
            line_starts: std::iter::once(0).chain(starts).collect(),
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// The place of a byte of the text, for mistakes of syntax.
    pub(super) fn at(&self, offset: Option<usize>) -> Site<'_> {
        Site {
            document: self,
            key: String::new(),
            offset,
            shown: None,
        }
    }

    /// `relative`, seen from the folder of the file.
    pub(super) fn resolve(&self, relative: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(relative)
    }

    /// Problems and warnings, in the order of the file.
    pub(super) fn findings(self) -> (Vec<ConfigProblem>, Vec<ConfigProblem>) {
        let mut found = (self.problems.into_inner(), self.warnings.into_inner());
        found.0.sort_by_key(|p| p.line);
        found.1.sort_by_key(|p| p.line);
        found
    }
}

/// Where a value stands, and how it is shown.
#[derive(Clone)]
pub(super) struct Site<'a> {
    document: &'a Document<'a>,
    key: String,
    offset: Option<usize>,
    shown: Option<String>,
}

impl Site<'_> {
    pub(super) fn problem(&self, message: impl Into<String>, accepted: impl Into<String>) {
        let problem = self.found(message.into(), accepted.into());
        self.document.problems.borrow_mut().push(problem);
    }

    pub(super) fn warning(&self, message: impl Into<String>) {
        let warning = self.found(message.into(), String::new());
        self.document.warnings.borrow_mut().push(warning);
    }

    pub(super) fn line(&self) -> usize {
        self.offset.map_or(0, |o| {
            self.document.line_starts.partition_point(|start| *start <= o)
        })
    }

    /// The same place with nothing or something else shown: for what may be a secret.
    pub(super) fn showing(&self, shown: Option<String>) -> Self {
        Self {
            shown,
            ..self.clone()
        }
    }

    fn found(&self, message: String, accepted: String) -> ConfigProblem {
        ConfigProblem {
            file: self.document.path.to_path_buf(),
            line: Some(self.line()).filter(|line| *line > 0),
            key: self.key.clone(),
            value: self.shown.clone(),
            message,
            accepted,
        }
    }
}

/// A table.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    table: &'a DeTable<'a>,
    key: String,
    offset: Option<usize>,
    /// Whether values may be secrets: only those of [`OPEN_KEYS`] are shown.
    private: bool,
    asked: RefCell<Vec<&'static str>>,
}

/// Keys next to secrets whose values are none.
const OPEN_KEYS: [&str; 23] = [
    "attribution",
    "audience",
    "ca",
    "client_id",
    "duration",
    "file",
    "iam_endpoint",
    "kind",
    "login_endpoint",
    "metadata_endpoint",
    "mount",
    "role",
    "role_arn",
    "service_account",
    "session_name",
    "sts_ca",
    "sts_endpoint",
    "sts_region",
    "tenant",
    "token_audience",
    "token_endpoint",
    "token_file",
    "universe_domain",
];

impl<'a> Section<'a> {
    pub(super) fn root(document: &'a Document<'a>, table: &'a DeTable<'a>) -> Self {
        Self {
            document,
            table,
            key: String::new(),
            offset: None,
            private: false,
            asked: RefCell::default(),
        }
    }

    /// The file it is in.
    pub(super) fn document(&self) -> &'a Document<'a> {
        self.document
    }

    /// The place of the table's header.
    pub(super) fn site(&self) -> Site<'a> {
        Site {
            document: self.document,
            key: self.key.clone(),
            offset: self.offset,
            shown: None,
        }
    }

    /// The place where `key` is, or would be.
    pub(super) fn site_of(&self, key: &'static str) -> Site<'a> {
        let entry = self.table.get_key_value(key);
        Site {
            document: self.document,
            key: join(&self.key, key),
            offset: entry.map(|(k, _)| k.span().start).or(self.offset),
            shown: entry.and_then(|(_, value)| self.show(key, value.get_ref())),
        }
    }

    /// A value that is checked by `parse`, which answers what is wrong with it.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &self,
        key: &'static str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (site, text) = self.text(key, accepted)?;
        parse(text)
            .map_err(|wrong| site.problem(wrong.to_string(), accepted))
            .ok()
    }

    /// Like [`Section::parsed`], for a key that must be there.
    pub(super) fn required<T, E: std::fmt::Display>(
        &self,
        key: &'static str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.missing(key, accepted);
        }
        self.parsed(key, accepted, parse)
    }

    /// A text as it stands.
    pub(super) fn text(&self, key: &'static str, accepted: &str) -> Option<(Site<'a>, &'a str)> {
        match self.value(key)? {
            DeValue::String(text) => Some((self.site_of(key), text)),
            other => {
                self.wrong_type(key, other, "a string", accepted);
                None
            }
        }
    }

    /// A path, seen from the folder of the file.
    pub(super) fn path(&self, key: &'static str) -> Option<PathBuf> {
        self.parsed(key, ACCEPTED_PATH, units::path)
            .map(|path| self.document.resolve(&path))
    }

    /// Like [`Section::path`], for a key that must be there.
    pub(super) fn required_path(&self, key: &'static str) -> Option<PathBuf> {
        if !self.table.contains_key(key) {
            self.missing(key, ACCEPTED_PATH);
        }
        self.path(key)
    }

    /// A duration in `range`.
    pub(super) fn duration(&self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let (least, most) = (units::show(*range.start()), units::show(*range.end()));
        let accepted = format!("a duration from \"{least}\" to \"{most}\"");
        self.parsed(key, &accepted, |text| match units::duration(text)? {
            short if short < *range.start() => Err("too short"),
            long if long > *range.end() => Err("too long"),
            fits => Ok(fits),
        })
    }

    /// A whole number in `range`.
    pub(super) fn number(&self, key: &'static str, range: RangeInclusive<usize>) -> Option<usize> {
        let accepted = format!("a whole number from {} to {}", range.start(), range.end());
        match self.value(key)? {
            DeValue::Integer(digits) => match usize::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) if range.contains(&number) => Some(number),
                Ok(_) | Err(_) => {
                    self.site_of(key).problem("out of range", accepted);
                    None
                }
            },
            other => {
                self.wrong_type(key, other, "a whole number", &accepted);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        match self.value(key)? {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                self.wrong_type(key, other, "a boolean", "`true` or `false`");
                None
            }
        }
    }

    /// A list with at least one text, each checked by `parse`, none of them twice.
    pub(super) fn list<T: PartialEq, E: std::fmt::Display>(
        &self,
        key: &'static str,
        accepted: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let accepted_list = format!("a list of {accepted}");
        let Some(value) = self.value(key) else {
            self.missing(key, &accepted_list);
            return None;
        };
        let DeValue::Array(items) = value else {
            self.wrong_type(key, value, "a list", &accepted_list);
            return None;
        };
        if items.is_empty() {
            self.site_of(key).problem("empty", accepted_list);
            return None;
        }
        let mut found = Vec::with_capacity(items.len());
        for (n, item) in items.iter().enumerate() {
            let site = Site {
                key: format!("{}[{n}]", join(&self.key, key)),
                offset: Some(item.span().start),
                ..self.site_of(key).showing(self.show(key, item.get_ref()))
            };
            match item.get_ref() {
                DeValue::String(text) => match parse(text) {
                    Ok(item) if found.contains(&item) => site.problem("listed twice", "each once"),
                    Ok(item) => found.push(item),
                    Err(wrong) => site.problem(wrong.to_string(), accepted),
                },
                other => site
                    .showing(None)
                    .problem(format!("{}, not a string", type_of(other)), accepted),
            }
        }
        Some(found).filter(|found| found.len() == items.len())
    }

    /// A table that must be there.
    pub(super) fn section(&self, key: &'static str, accepted: &str) -> Option<Section<'a>> {
        match self.value(key) {
            None => {
                self.missing(key, accepted);
                None
            }
            Some(value) => self.table_of(key, key, self.site_of(key), value, accepted),
        }
    }

    /// The tables of `[[key]]`.
    pub(super) fn repeated(&self, key: &'static str, accepted: &str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value else {
            self.wrong_type(key, value, "a list of tables", accepted);
            return Vec::new();
        };
        let each = items.iter().enumerate().filter_map(|(n, item)| {
            let site = Site {
                offset: Some(item.span().start),
                ..self.site_of(key)
            };
            self.table_of(key, &format!("{key}[{n}]"), site, item.get_ref(), accepted)
        });
        each.collect()
    }

    /// The tables of `[key.NAME]`, with their names.
    pub(super) fn named(&self, key: &'static str, accepted: &str) -> Vec<(&'a str, Section<'a>)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Table(entries) = value else {
            self.wrong_type(key, value, "a table", accepted);
            return Vec::new();
        };
        let each = entries.iter().filter_map(|(name, value): (&Spanned<_>, _)| {
            let site = Site {
                offset: Some(name.span().start),
                ..self.site_of(key)
            };
            let section = self.table_of(key, &join(key, name.get_ref()), site, value.get_ref(), accepted)?;
            Some((&**name.get_ref(), section))
        });
        each.collect()
    }

    /// The same table, in which values may be secrets.
    pub(super) fn private(self) -> Self {
        Self {
            private: true,
            ..self
        }
    }

    /// Whether the key is written at all.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Reports every key that nobody asked for. Its value is not shown: it may be a secret in the wrong place.
    pub(super) fn finish(self) {
        let mut asked = self.asked.borrow().clone();
        asked.sort_unstable();
        asked.dedup();
        for (key, _) in self.table {
            let name = &**key.get_ref();
            if asked.contains(&name) {
                continue;
            }
            let site = Site {
                document: self.document,
                key: join(&self.key, name),
                offset: Some(key.span().start),
                shown: None,
            };
            let message = match units::nearest(name, &asked) {
                Some(near) => format!("not a known key (did you mean `{near}`?)"),
                None => "not a known key".to_owned(),
            };
            let accepted: Vec<String> = asked.iter().map(|key| format!("`{key}`")).collect();
            site.problem(message, format!("one of {}", accepted.join(", ")));
        }
    }

    pub(super) fn missing(&self, key: &'static str, accepted: &str) {
        self.asked.borrow_mut().push(key);
        self.site_of(key).problem("missing", accepted);
    }

    fn value(&self, key: &'static str) -> Option<&'a DeValue<'a>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key).map(Spanned::get_ref)
    }

    /// `name` is `key` and what tells its tables apart, as a path.
    fn table_of(
        &self,
        key: &'static str,
        name: &str,
        site: Site<'a>,
        value: &'a DeValue<'a>,
        accepted: &str,
    ) -> Option<Section<'a>> {
        let DeValue::Table(table) = value else {
            self.wrong_type(key, value, "a table", accepted);
            return None;
        };
        Some(Section {
            document: self.document,
            table,
            key: if self.key.is_empty() {
                name.to_owned()
            } else {
                format!("{}.{name}", self.key)
            },
            offset: site.offset,
            private: self.private,
            asked: RefCell::default(),
        })
    }

    fn wrong_type(&self, key: &'static str, value: &DeValue<'_>, wanted: &str, accepted: &str) {
        let site = self.site_of(key);
        site.problem(format!("{}, not {wanted}", type_of(value)), accepted);
    }

    fn show(&self, key: &str, value: &DeValue<'_>) -> Option<String> {
        if self.private && !OPEN_KEYS.contains(&key) {
            return None;
        }
        shown(value)
    }
}

const ACCEPTED_PATH: &str = "a path, relative to the folder of this file";

/// A key path; a name that is no bare key is quoted, as in TOML.
fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    match (path.is_empty(), bare) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{key:?}"),
        (false, true) => format!("{path}.{key}"),
        (false, false) => format!("{path}.{key:?}"),
    }
}

/// A value on one line; lists and tables are not shown.
fn shown(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(format!("{:?}", units::shown(text))),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
