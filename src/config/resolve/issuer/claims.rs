//! Claims in the configuration: where they are, what they must be, which of them become tags.

use super::super::super::raw::{Entry, Scalar, Section, Site};
use super::super::super::{ClaimPath, ClaimSource, ClaimValue, Condition, Rule, TagSource, units};

/// Conditions of an issuer, those of its preset included.
const MOST_CONDITIONS: usize = 32;
/// Tags of a principal, those of the preset included.
const MOST_TAGS: usize = 16;
/// Values of a condition.
const MOST_VALUES: usize = 64;
/// Levels of nested claims: tokens that are nested more deeply are not read at all.
const DEEPEST: usize = 7;

const CONDITIONS: &str = "a table of claims and what they must be, such as { hd = \"acme.com\" }";
const VALUE: &str = "a string, a boolean, a whole number, a list of them, or a table for nested claims";
const TAGS: &str =
    "a table of tags and the claims that they are made of, such as { repository = \"repository\" }";
const TAG: &str = "1 to 64 of letters, digits, `_`, `-`, `.`, `:` and `/`";

/// `key`: the name of a claim, or the list of names that leads to a nested one. `None` if it is not written or wrong.
pub(super) fn path(section: &Section<'_>, key: &'static str, example: &str) -> Option<ClaimPath> {
    of_entry(
        &section.entry(key)?,
        &format!("the name of a claim, such as {example}"),
    )
}

fn of_entry(entry: &Entry<'_>, accepted: &str) -> Option<ClaimPath> {
    let accepted = format!("{accepted}, or a list of names for a nested one");
    let texts = entry.texts(&accepted)?;
    if texts.len() > DEEPEST {
        entry
            .site()
            .problem("nested too deeply", format!("at most {DEEPEST} names"));
        return None;
    }
    let mut names = Vec::with_capacity(texts.len());
    for (site, text) in &texts {
        match units::word(text, 128) {
            Ok(name) => names.push(name),
            Err(wrong) => site.problem(wrong, &*accepted),
        }
    }
    ClaimPath::new(names).filter(|path| path.names().len() == texts.len())
}

/// `require`. `None` was reported.
pub(super) fn conditions(section: &Section<'_>) -> Option<Vec<Condition>> {
    let Some(entry) = section.entry("require") else {
        return Some(Vec::new());
    };
    let Some(fields) = entry.fields() else {
        entry.mistyped("a table", CONDITIONS);
        return None;
    };
    let mut found = Some(Vec::new());
    for (name, field) in fields {
        let of_its_own = match name {
            "iss" => Some("`issuer`"),
            "aud" => Some("`audiences`"),
            "exp" | "iat" | "nbf" => Some("`max_token_lifetime`"),
            _ => None,
        };
        if let Some(key) = of_its_own {
            field
                .site()
                .problem("is always checked", format!("{key} instead"));
            found = None;
            continue;
        }
        let mut path = vec![Box::from(name)];
        found = below(&mut path, &field).and_then(|more| {
            let mut found = found?;
            found.extend(more);
            Some(found)
        });
    }
    found
}

/// The conditions on the claim at `path` and on those in it.
fn below(path: &mut Vec<Box<str>>, entry: &Entry<'_>) -> Option<Vec<Condition>> {
    let site = entry.site();
    if path.len() > DEEPEST || path.iter().any(|name| units::word(name, 128).is_err()) {
        site.problem("not the name of a claim, or nested too deeply", VALUE);
        return None;
    }
    if let Some(fields) = entry.fields() {
        if fields.is_empty() {
            site.problem("empty", VALUE);
            return None;
        }
        let mut found = Some(Vec::new());
        for (name, field) in fields {
            path.push(name.into());
            let more = below(path, &field);
            path.pop();
            found = found.zip(more).map(|(mut found, more)| {
                found.extend(more);
                found
            });
        }
        return found;
    }
    let values = match entry.items() {
        None => vec![value(entry)?],
        Some(items) if (1..=MOST_VALUES).contains(&items.len()) => {
            items.iter().map(value).collect::<Option<Vec<_>>>()?
        }
        Some(_) => {
            site.problem(
                "not a list of acceptable length",
                format!("1 to {MOST_VALUES} values"),
            );
            return None;
        }
    };
    Some(vec![Condition {
        claim: ClaimPath::new(path.clone())?,
        rule: Rule::OneOf(values),
    }])
}

fn value(entry: &Entry<'_>) -> Option<ClaimValue> {
    match entry.scalar() {
        Some(Scalar::Text(text)) if text.len() <= 1024 => Some(ClaimValue::Text(text.into())),
        Some(Scalar::Text(_)) => {
            entry
                .site()
                .showing(None)
                .problem("too long", "at most 1024 characters");
            None
        }
        Some(Scalar::Flag(flag)) => Some(ClaimValue::Flag(flag)),
        Some(Scalar::Integer(number)) => Some(ClaimValue::Number(number)),
        None => {
            entry.mistyped("something that a claim is compared with", VALUE);
            None
        }
    }
}

/// `tags`. `None` was reported.
pub(super) fn tags(section: &Section<'_>) -> Option<Vec<TagSource>> {
    let Some(entry) = section.entry("tags") else {
        return Some(Vec::new());
    };
    let Some(fields) = entry.fields() else {
        entry.mistyped("a table", TAGS);
        return None;
    };
    let expected = fields.len();
    let read = fields.into_iter().filter_map(|(name, field)| {
        if !is_tag(name) {
            field.site().problem("not a name for a tag", TAG);
            return None;
        }
        let path = of_entry(&field, "the name of a claim, such as \"repository\"")?;
        if path.names().iter().any(|name| **name == *"request_tags") {
            field.site().warning(
                "workloads choose their request tags themselves: good to know, and nothing to decide by",
            );
        }
        Some(TagSource {
            name: name.into(),
            claim: ClaimSource::from(path),
        })
    });
    let read: Vec<_> = read.collect();
    (read.len() == expected).then_some(read)
}

/// Whether a tag may be called so.
fn is_tag(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(inner)
}

/// What the preset requires and what is written besides. Nothing that a preset requires can be dropped.
pub(super) fn joined(
    mut known: Vec<Condition>,
    written: Vec<Condition>,
    site: &Site<'_>,
) -> Option<Vec<Condition>> {
    known.extend(written);
    if known.len() > MOST_CONDITIONS {
        site.problem(
            format!("{} conditions", known.len()),
            format!("at most {MOST_CONDITIONS}"),
        );
        return None;
    }
    Some(known)
}

/// The preset's tags and those that are written, which replace one of the same name.
pub(super) fn merged(
    mut known: Vec<TagSource>,
    written: Vec<TagSource>,
    site: &Site<'_>,
) -> Option<Vec<TagSource>> {
    known.retain(|tag| !written.iter().any(|own| own.name == tag.name));
    known.extend(written);
    if known.len() > MOST_TAGS {
        site.problem(
            format!("{} tags with those of the preset", known.len()),
            format!("at most {MOST_TAGS}"),
        );
        return None;
    }
    Some(known)
}
