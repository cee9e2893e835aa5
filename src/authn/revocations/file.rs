//! The file of revocations: TOML, one `[[revocations]]` entry for each, written by hand or by `tidegate sessions`.

use super::{Revocation, RevocationsError};
use crate::files;
use jiff::Timestamp;
use std::{fmt::Write, path::Path};
use toml::Spanned;

/// Reads and checks all entries; `None` if there is no file. Gives the text with them.
pub(super) fn read(path: &Path) -> Result<Option<(Vec<Revocation>, String)>, RevocationsError> {
    let text = files::read(path, MAX_FILE_BYTES, files::refuse_world_writable);
    let text = text.map_err(|source| RevocationsError::Read {
        path: path.to_owned(),
        source,
    })?;
    let Some(text) = text else { return Ok(None) };
    let entries = parse(&text).map_err(|(line, problem)| RevocationsError::Invalid {
        path: path.to_owned(),
        line,
        problem,
    })?;
    Ok(Some((entries, text)))
}

fn parse(text: &str) -> Result<Vec<Revocation>, (usize, String)> {
    let line = |offset| files::line_of(text, offset);
    let shape: FileShape = files::parse(text)?;
    let mut entries = Vec::with_capacity(shape.revocations.len());
    for entry in shape.revocations {
        let line = line(entry.span().start);
        let entry = Revocation::from(entry.into_inner());
        if let Err(wrong) = check(&entry) {
            return Err((line, wrong.to_string()));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// Whether an entry says something, in texts that can be what they stand for.
pub(super) fn check(entry: &Revocation) -> Result<(), RevocationsError> {
    if !entry.has_condition() {
        return Err(RevocationsError::NoCondition);
    }
    let names = [&entry.session, &entry.principal, &entry.role];
    let name = |text: &str| (1..=2048).contains(&text.len()) && !text.chars().any(char::is_control);
    if !names.into_iter().flatten().all(|text| name(text)) {
        return Err(RevocationsError::Value(
            "a session, principal or role has 1 to 2048 bytes and no control characters",
        ));
    }
    if entry
        .principal
        .as_deref()
        .is_some_and(|principal| !principal.contains(':'))
    {
        return Err(RevocationsError::Value(
            "a principal is written with its issuer, such as `google:ana@acme.com`",
        ));
    }
    let reason = entry.reason.as_deref().unwrap_or_default();
    if reason.len() > 256 || reason.chars().any(char::is_control) {
        return Err(RevocationsError::Value(
            "a reason has 256 bytes at most and no control characters",
        ));
    }
    Ok(())
}

/// An entry as it stands in the file, with an empty line before it.
pub(super) fn render(entry: &Revocation) -> String {
    let mut text = String::from("\n[[revocations]]\n");
    let times = |at: &Option<Timestamp>| at.as_ref().map(ToString::to_string).map(Box::from);
    for (name, value) in [
        ("session", entry.session.clone()),
        ("principal", entry.principal.clone()),
        ("role", entry.role.clone()),
        ("issued_before", times(&entry.issued_before)),
        ("reason", entry.reason.clone()),
        ("at", times(&entry.at)),
    ] {
        if let Some(value) = value {
            let value: &str = &value;
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name} = {}", toml::Value::from(value));
        }
    }
    text
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FileShape {
    #[serde(default)]
    revocations: Vec<Spanned<EntryShape>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryShape {
    session: Option<Box<str>>,
    principal: Option<Box<str>>,
    role: Option<Box<str>>,
    issued_before: Option<Timestamp>,
    reason: Option<Box<str>>,
    at: Option<Timestamp>,
}

impl From<EntryShape> for Revocation {
    fn from(shape: EntryShape) -> Self {
        Self {
            session: shape.session,
            principal: shape.principal,
            role: shape.role,
            issued_before: shape.issued_before,
            reason: shape.reason,
            at: shape.at,
        }
    }
}

/// Ten thousand entries fit.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// What a new file begins with.
pub(super) const HEADER: &str = "\
# Revocations. An entry ends whatever fulfils all of its conditions: `session`, `principal`, `role`, `issued_before`.
# One with neither `session` nor `issued_before` also keeps the principal, or the role, from getting in again.
# It is read anew within a second of each change. Do not delete this file to take entries back: empty it.
";
