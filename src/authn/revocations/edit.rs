//! Adding entries and taking them back: what the command line does to the file.
//!
//! The rest of the file, comments included, stays as somebody wrote it, as far as each entry is a table of its own.

use super::{Revocation, RevocationsError, file};
use crate::authn::service_keys;
use crate::files::Replacement;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The entries that were written, or taken back. None if there was such an entry already.
    pub changed: Vec<Revocation>,
    /// Entries about what is dead by now, which were left out.
    pub pruned: Vec<Revocation>,
}

/// Adds `entry`, unless there is one with the same conditions. `issuers` are the names of the configured issuers.
///
/// # Errors
/// [`RevocationsError`]; the file is then as it was.
pub fn add(
    path: &Path,
    entry: Revocation,
    issuers: &[&str],
    now: Timestamp,
) -> Result<Edited, RevocationsError> {
    file::check(&entry)?;
    edit(path, |entries| {
        let present = entries.iter().any(|present| present.has_conditions_of(&entry));
        let pruned = entries.extract_if(.., |old| is_dead(old, issuers, now)).collect();
        Ok(Change {
            added: (!present).then_some(entry),
            taken: Vec::new(),
            pruned,
        })
    })
}

/// Takes back every entry with the session, the principal and the role of `conditions`, and with its time if it has
/// one.
///
/// # Errors
/// [`RevocationsError::NoSuchEntry`] if there is none; the file is then as it was.
pub fn remove(
    path: &Path,
    conditions: &Revocation,
    issuers: &[&str],
    now: Timestamp,
) -> Result<Edited, RevocationsError> {
    file::check(conditions)?;
    edit(path, |entries| {
        let meant = |old: &mut Revocation| {
            let any_time = conditions.issued_before.is_none();
            (&old.session, &old.principal, &old.role)
                == (&conditions.session, &conditions.principal, &conditions.role)
                && (any_time || old.issued_before == conditions.issued_before)
        };
        let taken: Vec<_> = entries.extract_if(.., meant).collect();
        if taken.is_empty() {
            return Err(RevocationsError::NoSuchEntry);
        }
        let pruned = entries.extract_if(.., |old| is_dead(old, issuers, now)).collect();
        Ok(Change {
            added: None,
            taken,
            pruned,
        })
    })
}

struct Change {
    added: Option<Revocation>,
    taken: Vec<Revocation>,
    pruned: Vec<Revocation>,
}

fn edit(
    path: &Path,
    change: impl FnOnce(&mut Vec<Revocation>) -> Result<Change, RevocationsError>,
) -> Result<Edited, RevocationsError> {
    // Of two commands at once, one would lose the other's entry.
    let replacement = Replacement::begin(path, MODE)?;
    let (before, text) =
        file::read(replacement.target())?.unwrap_or_else(|| (Vec::new(), file::HEADER.to_owned()));
    let mut kept = before.clone();
    let Change { added, taken, pruned } = change(&mut kept)?;
    let mut text = without(&text, &before, &kept);
    if let Some(added) = &added {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&file::render(added));
    }
    replacement.finish(text.as_bytes())?;
    Ok(Edited {
        changed: added.into_iter().chain(taken).collect(),
        pruned,
    })
}

/// `text`, which has the entries `before`, with only those that are `kept`.
fn without(text: &str, before: &[Revocation], kept: &[Revocation]) -> String {
    if before.len() == kept.len() {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is_header = |line: &&str| line.trim_start().starts_with("[[revocations]]");
    let headers: Vec<usize> = (0..lines.len())
        .filter(|n| lines.get(*n).is_some_and(is_header))
        .collect();
    if headers.len() != before.len() {
        // Written as a list of inline tables: there is no telling which line belongs to which.
        let entries: String = kept.iter().map(file::render).collect();
        return format!("{}{entries}", file::HEADER);
    }
    let mut out: String = lines
        .iter()
        .take(headers.first().copied().unwrap_or_default())
        .copied()
        .collect();
    for (n, entry) in before.iter().enumerate() {
        let (start, next) = (headers.get(n).copied().unwrap_or_default(), headers.get(n + 1));
        let of_entry = lines
            .get(start..next.copied().unwrap_or(lines.len()))
            .unwrap_or_default();
        // Comments and empty lines above the next header belong to the next entry.
        let is_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let own = match next {
            Some(_) => of_entry.iter().rposition(is_content).map_or(0, |last| last + 1),
            None => of_entry.len(),
        };
        let (own, between) = of_entry.split_at_checked(own).unwrap_or((of_entry, &[]));
        if kept.contains(entry) {
            out.extend(own.iter().copied());
        }
        out.extend(between.iter().copied());
    }
    out
}

/// Whether everything that it could end is over anyway.
fn is_dead(entry: &Revocation, issuers: &[&str], now: Timestamp) -> bool {
    // Sessions have no role, principal or id in common with service keys, which live longer.
    let of_session = entry
        .session
        .as_deref()
        .is_some_and(|id| !service_keys::is_access_key_id(id));
    let of_issuer = |principal: &str| {
        principal
            .split_once(':')
            .is_some_and(|(prefix, _)| issuers.contains(&prefix))
    };
    let only_sessions =
        of_session || entry.role.is_some() || entry.principal.as_deref().is_some_and(of_issuer);
    let longest = if only_sessions {
        LONGEST_SESSION
    } else {
        service_keys::LONGEST
    };
    // A session that is named was there when the entry was written.
    let named = entry.at.filter(|_| entry.session.is_some());
    let last_issued = [entry.issued_before, named].into_iter().flatten().min();
    last_issued
        .and_then(|at| at.checked_add(longest).ok()?.checked_add(MARGIN).ok())
        .is_some_and(|end| end < now)
}

impl Revocation {
    fn has_conditions_of(&self, other: &Self) -> bool {
        let conditions = |entry: &Self| {
            let Self {
                session,
                principal,
                role,
                issued_before,
                reason: _,
                at: _,
            } = entry.clone();
            (session, principal, role, issued_before)
        };
        conditions(self) == conditions(other)
    }
}

/// No configuration allows a longer one.
const LONGEST_SESSION: SignedDuration = SignedDuration::from_hours(12);

/// For clocks that differ.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// As policies: for everybody to read, for its owner to write.
const MODE: u32 = 0o644;
