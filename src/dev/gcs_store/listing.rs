//! Listings of objects: by prefix and delimiter, between offsets, in pages.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/objects/list>

use super::bucket::Bucket;
use super::object::Object;
use super::request::Query;
use super::{Answer, Call, Refusal, Shared, glob};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::ops::Bound;

const PARAMETERS: [&str; 12] = [
    "delimiter",
    "endOffset",
    "includeFoldersAsPrefixes",
    "includeTrailingDelimiter",
    "matchGlob",
    "maxResults",
    "pageToken",
    "prefix",
    "projection",
    "softDeleted",
    "startOffset",
    "versions",
];
/// Items and prefixes of a page, unless fewer are asked for.
const PAGE: u64 = 1000;

/// Where a page begins: behind a generation of a name, or behind everything with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Item(String, u64),
    Prefix(String),
}

/// What there is on a page.
#[derive(Default)]
pub(super) struct Page<'a> {
    pub(super) items: Vec<&'a Object>,
    pub(super) prefixes: Vec<String>,
    pub(super) next: Option<Position>,
}

pub(super) struct Listing<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    start: Option<&'a str>,
    end: Option<&'a str>,
    pattern: Option<glob::Glob>,
    after: Option<Position>,
    limit: usize,
    trailing: bool,
    versions: bool,
    soft_deleted: bool,
}

impl Shared {
    /// GET of a bucket's objects.
    pub(super) fn list(&self, call: &Call, bucket: &str) -> Result<Answer, Refusal> {
        let query = &call.query;
        query.only(&["json"], &[&PARAMETERS])?;
        let listing = Listing::read(query, bucket)?;
        let shelf = self.shelf();
        let found = shelf.bucket(bucket)?;
        let page = listing.page(found);
        let full = query.full() && !found.about.uniform_access;
        let items = page.items.iter();
        let items: Vec<Value> = items
            .map(|object| object.document(bucket, &call.origin, full.then_some(&object.settings)))
            .collect();
        let mut document = json!({"kind": "storage#objects"});
        if let Some(members) = document.as_object_mut() {
            if let Some(next) = &page.next {
                members.insert("nextPageToken".into(), json!(next.token(bucket)));
            }
            if !page.prefixes.is_empty() {
                members.insert("prefixes".into(), json!(page.prefixes));
            }
            if !items.is_empty() {
                members.insert("items".into(), items.into());
            }
        }
        Ok(Answer::json(document))
    }
}

impl<'a> Listing<'a> {
    /// One of the XML API: of what is live, from `start` on, behind `after`.
    pub(super) fn plain(
        (prefix, delimiter): (&'a str, Option<&'a str>),
        start: Option<&'a str>,
        after: Option<Position>,
        limit: usize,
    ) -> Self {
        Self {
            prefix,
            delimiter,
            start,
            end: None,
            pattern: None,
            after,
            limit: limit.min(1000),
            trailing: false,
            versions: false,
            soft_deleted: false,
        }
    }

    fn read(query: &'a Query, bucket: &str) -> Result<Self, Refusal> {
        let after = match query.get("pageToken").filter(|token| !token.is_empty()) {
            Some(token) => {
                let position = Position::read(token, bucket);
                Some(position.ok_or_else(|| Refusal::parameter("pageToken", token))?)
            }
            None => None,
        };
        let limit = match query.number("maxResults")? {
            Some(0) | None => PAGE,
            Some(limit) => limit.min(PAGE),
        };
        let (versions, soft_deleted) = (query.flag("versions")?, query.flag("softDeleted")?);
        if versions && soft_deleted {
            return Err(Refusal::invalid("versions and softDeleted exclude each other"));
        }
        // A bucket without folders has nothing to include.
        query.flag("includeFoldersAsPrefixes")?;
        let pattern = match query.get("matchGlob") {
            Some(pattern) => Some(glob::Glob::parse(pattern)?),
            None => None,
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default(),
            delimiter: query.get("delimiter").filter(|delimiter| !delimiter.is_empty()),
            start: query.get("startOffset").filter(|start| !start.is_empty()),
            end: query.get("endOffset").filter(|end| !end.is_empty()),
            pattern,
            after,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            trailing: query.flag("includeTrailingDelimiter")?,
            versions,
            soft_deleted,
        })
    }

    pub(super) fn page<'b>(&self, bucket: &'b Bucket) -> Page<'b> {
        let mut page = Page::default();
        let mut last = None;
        let first = Bound::Included(self.prefix.to_owned());
        for (name, generations) in bucket.objects.range((first, Bound::Unbounded)) {
            let Some(rest) = name.strip_prefix(self.prefix) else {
                break;
            };
            if self.end.is_some_and(|end| name.as_str() >= end) {
                break;
            }
            let wanted = self.start.is_none_or(|start| name.as_str() >= start)
                && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(name));
            let objects: Vec<&Object> = if self.soft_deleted {
                generations.soft_deleted.iter().collect()
            } else if self.versions {
                generations.old.iter().chain(&generations.live).collect()
            } else {
                generations.live.iter().collect()
            };
            if !wanted || objects.is_empty() {
                continue;
            }
            let folder = self.folder(rest);
            if let Some(folder) = &folder {
                let known = page.prefixes.last() == Some(folder);
                if !known && !self.is_before(&Position::Prefix(folder.clone())) {
                    if page.len() == self.limit {
                        page.next = last;
                        return page;
                    }
                    page.prefixes.push(folder.clone());
                    last = Some(Position::Prefix(folder.clone()));
                }
                if !(self.trailing && folder == name) {
                    continue;
                }
            }
            for object in objects {
                let position = Position::Item(name.clone(), object.generation);
                if self.is_before(&position) {
                    continue;
                }
                if page.len() == self.limit {
                    page.next = last;
                    return page;
                }
                page.items.push(object);
                last = Some(position);
            }
        }
        page
    }

    /// The prefix that a name is shown as, if it goes on behind a delimiter.
    fn folder(&self, rest: &str) -> Option<String> {
        let (folder, _) = rest.split_once(self.delimiter?)?;
        Some(format!("{}{folder}{}", self.prefix, self.delimiter?))
    }

    /// Whether an earlier page had it.
    fn is_before(&self, position: &Position) -> bool {
        match (&self.after, position) {
            (None, _) => false,
            (Some(Position::Item(name, generation)), Position::Item(this, number)) => {
                (this, number) <= (name, generation)
            }
            (Some(Position::Prefix(prefix)), Position::Prefix(this)) => this <= prefix,
            // The item of the same name comes behind the prefix.
            (Some(Position::Prefix(prefix)), Position::Item(this, _)) => {
                this < prefix || (!self.trailing && this.starts_with(prefix.as_str()))
            }
            (Some(Position::Item(name, _)), Position::Prefix(this)) => this <= name,
        }
    }
}

impl Page<'_> {
    pub(super) fn len(&self) -> usize {
        self.items.len() + self.prefixes.len()
    }
}

impl Position {
    /// Good for one bucket.
    pub(super) fn token(&self, bucket: &str) -> String {
        let parts = match self {
            Self::Item(name, generation) => json!([bucket, name, generation]),
            Self::Prefix(prefix) => json!([bucket, prefix]),
        };
        BASE64URL_NOPAD.encode(parts.to_string().as_bytes())
    }

    pub(super) fn read(token: &str, bucket: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
        let parts: Vec<Value> = serde_json::from_slice(&bytes).ok()?;
        match parts.as_slice() {
            [Value::String(of), Value::String(name), generation] if of == bucket => {
                Some(Self::Item(name.clone(), generation.as_u64()?))
            }
            [Value::String(of), Value::String(prefix)] if of == bucket => Some(Self::Prefix(prefix.clone())),
            _ => None,
        }
    }
}
