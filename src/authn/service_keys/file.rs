//! The file of service keys: TOML, one `[[keys]]` entry for each.
//!
//! There is nothing secret in it, but whoever writes it decides how long a key lives and for which buckets: it must
//! not be writable by everybody. A file with one mistake is refused as a whole, with its line.

use super::{ServiceKeysError, network::Network, record::Record};
use crate::authn::PrincipalKind;
use crate::files;
use crate::operation::BucketName;
use jiff::Timestamp;
use std::{collections::BTreeSet, fmt::Write, path::Path};
use toml::Spanned;

/// A record and the line where it begins.
pub(super) type Placed = (usize, Record);

/// Reads and checks all records; none if there is no file. Gives the text with them.
pub(super) fn read(path: &Path) -> Result<(Vec<Placed>, String), ServiceKeysError> {
    let text = files::read(path, MAX_FILE_BYTES, files::refuse_world_writable);
    let text = text.map_err(|source| ServiceKeysError::Read {
        path: path.to_owned(),
        source,
    })?;
    let text = text.unwrap_or_default();
    let records = parse(&text).map_err(|(line, problem)| ServiceKeysError::Invalid {
        path: path.to_owned(),
        line,
        problem,
    })?;
    Ok((records, text))
}

fn parse(text: &str) -> Result<Vec<Placed>, (usize, String)> {
    let line = |offset| files::line_of(text, offset);
    let shape: FileShape = files::parse(text)?;
    let mut ids = BTreeSet::new();
    let mut records = Vec::with_capacity(shape.keys.len());
    for key in shape.keys {
        let line = line(key.span().start);
        let record = key.into_inner().record().map_err(|problem| (line, problem))?;
        if let Some(flaw) = record.flaw() {
            return Err((line, flaw));
        }
        if !ids.insert(record.id.clone()) {
            return Err((line, format!("there is another key `{}`", record.id)));
        }
        records.push((line, record));
    }
    Ok(records)
}

/// The file with these records.
pub(super) fn render<'a>(records: impl Iterator<Item = &'a Record>) -> String {
    let mut text = String::from(HEADER);
    for record in records {
        // Writing to a string does not fail.
        let _ = render_record(&mut text, record);
    }
    text
}

fn render_record(text: &mut String, record: &Record) -> std::fmt::Result {
    let quoted = |value: &str| toml::Value::from(value).to_string();
    let list = |values: Vec<String>| {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        values.join(", ")
    };
    writeln!(text, "\n[[keys]]")?;
    writeln!(text, "id = {}", quoted(&record.id))?;
    writeln!(text, "ring_key = {}", quoted(&record.ring_key))?;
    writeln!(text, "principal = {}", quoted(&record.principal))?;
    writeln!(text, "kind = \"workload\"")?;
    let buckets = record.buckets.iter().map(ToString::to_string).collect();
    writeln!(text, "buckets = [{}]", list(buckets))?;
    writeln!(text, "created = \"{}\"", record.created)?;
    writeln!(text, "expires = \"{}\"", record.expires)?;
    if !record.source_addresses.is_empty() {
        let networks = record.source_addresses.iter().map(Network::to_string).collect();
        writeln!(text, "source_addresses = [{}]", list(networks))?;
    }
    if let Some(note) = &record.note {
        writeln!(text, "note = {}", quoted(note))?;
    }
    if let Some(replaces) = &record.replaces {
        writeln!(text, "replaces = {}", quoted(replaces))?;
    }
    if let Some(revoked) = record.revoked {
        writeln!(text, "revoked = \"{revoked}\"")?;
    }
    Ok(())
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FileShape {
    #[serde(default)]
    keys: Vec<Spanned<KeyShape>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyShape {
    id: Box<str>,
    ring_key: Box<str>,
    principal: Box<str>,
    kind: PrincipalKind,
    buckets: Vec<Box<str>>,
    created: Timestamp,
    expires: Timestamp,
    #[serde(default)]
    source_addresses: Vec<Network>,
    note: Option<Box<str>>,
    replaces: Option<Box<str>>,
    revoked: Option<Timestamp>,
}

impl KeyShape {
    fn record(self) -> Result<Record, String> {
        let bucket = |name: Box<str>| {
            BucketName::parse(&name).map_err(|wrong| format!("`buckets` has `{name}`: {wrong}"))
        };
        Ok(Record {
            buckets: self.buckets.into_iter().map(bucket).collect::<Result<_, _>>()?,
            id: self.id,
            ring_key: self.ring_key,
            principal: self.principal,
            kind: self.kind,
            created: self.created,
            expires: self.expires,
            source_addresses: self.source_addresses,
            note: self.note,
            revoked: self.revoked,
            replaces: self.replaces,
        })
    }
}

/// Ten thousand keys fit.
const MAX_FILE_BYTES: u64 = 4 << 20;

const HEADER: &str = "\
# Tidegate service keys, written by `tidegate service-keys`. Nothing in here is secret: the secrets derive from the key ring.
# Whoever changes it decides what the keys may do. It is read anew within a second of each change.
";
