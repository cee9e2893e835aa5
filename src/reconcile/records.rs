//! Our own audit records: what of them a provider's log can be compared with.

use super::Provider;
use super::entry::{Class, Hash, hash};
use super::mapping::Mapping;
use super::row::Ours;
use crate::config::Config;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::borrow::Cow;
use ulid::Ulid;

/// A record that has a target.
pub(super) struct Record {
    /// As a whole: its own id, and the ids of all its requests.
    pub(super) ours: Ours,
    /// Each request to the target whose id is known.
    pub(super) requests: Vec<Request>,
}

/// One request to the target.
pub(super) struct Request {
    pub(super) id: String,
    pub(super) hash: Hash,
    /// The target did it.
    pub(super) done: bool,
}

/// What became of a line.
pub(super) enum Read {
    /// A record of this time that never came to a target of this provider.
    Elsewhere(Timestamp),
    /// One that did.
    Here(Box<Record>),
}

/// Reads a line of an audit file.
pub(super) fn read(line: &[u8], config: &Config, mapping: &Mapping) -> Result<Read, String> {
    let line: Line<'_> =
        serde_json::from_slice(line).map_err(|error| format!("not an audit record: {error}"))?;
    let at = line.time;
    let Some(target) = &line.target else {
        return Ok(Read::Elsewhere(at));
    };
    let name = target.name.as_deref().unwrap_or_default();
    if !mapping.has_target(config, name) {
        return Ok(Read::Elsewhere(at));
    }
    let exchanges = || target.earlier.iter().chain([&target.last]);
    let requests: Vec<Request> = exchanges()
        .filter_map(|exchange| {
            let id = exchange.request_id.as_deref()?;
            Some(Request {
                id: id.to_owned(),
                hash: hash(&[id]),
                done: exchange.is_done(),
            })
        })
        .collect();
    // A record has a target as soon as it is known; without a request there is nothing to compare.
    let count = target
        .requests
        .unwrap_or(target.earlier.len() + 1)
        .max(target.earlier.len() + 1);
    let canary = line.kind.as_deref() == Some("canary");
    let resource = line.resource.unwrap_or_default();
    let (bucket, key) = (resource.bucket.as_deref(), resource.key.as_deref());
    let at_target = |bucket, key| {
        let (bucket, key) = mapping.at_target(name, bucket, key)?;
        Some((bucket.to_owned(), key))
    };
    let many = resource.keys_count.is_some() || canary;
    let place = match (bucket, canary) {
        // A canary's are the names of the target already.
        (Some(bucket), true) => Some((bucket.to_owned(), key.map(str::to_owned))),
        (Some(bucket), false) if many => at_target(bucket, Some("")),
        (Some(bucket), false) => at_target(bucket, key),
        (None, _) => None,
    };
    let copied = resource.copy_source.iter().chain(&resource.copy_sources);
    let sources = copied.flat_map(|source| readings(source)).filter_map(|source| {
        let (bucket, key) = source.split_once('/')?;
        at_target(bucket, Some(key))
    });
    let sources = sources.collect();
    let api = line.api.unwrap_or_default();
    let operation = api.operation.as_deref();
    let class = operation
        .filter(|_| !canary && place.is_some())
        .map(|name| class(name, api.read_only, mapping));
    let took = SignedDuration::from_millis(line.duration_ms.unwrap_or_default().min(1 << 40) as i64);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let ours = Ours {
        at,
        until: at.checked_add(took).unwrap_or(at),
        stamp: line.request_id,
        operation: owned(operation),
        principal: line.actor.and_then(|actor| owned(actor.id.as_deref())),
        bucket: owned(bucket),
        key: owned(key),
        place,
        sources,
        many,
        class,
        requests: u32::try_from(count).unwrap_or(u32::MAX),
        unknown: u32::try_from(count.saturating_sub(requests.len())).unwrap_or(u32::MAX),
        request_id: owned(target.last.request_id.as_deref()),
        done: exchanges().any(Exchange::is_done),
        ids: requests.iter().map(|request| request.hash).collect(),
    };
    Ok(Read::Here(Box::new(Record { ours, requests })))
}

/// A source without its version, in the words of either dialect. What stands behind a `#` may be of the name.
fn readings(source: &str) -> impl Iterator<Item = &str> {
    let source = source.split("?versionId=").next().unwrap_or(source);
    let numbered = source.rsplit_once('#');
    let bare = numbered.filter(|(_, number)| number.bytes().all(|b| b.is_ascii_digit()));
    [Some(source), bare.map(|(name, _)| name)].into_iter().flatten()
}

fn class(operation: &str, read_only: Option<bool>, mapping: &Mapping) -> Class {
    match (operation, mapping.provider()) {
        // Google logs it with the settings of buckets.
        ("HeadBucket", Provider::Gcp) => Class::Manage,
        _ => Class::of_api(operation, read_only),
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    time: Timestamp,
    duration_ms: Option<u64>,
    #[serde(deserialize_with = "ulid")]
    request_id: Ulid,
    #[serde(borrow)]
    actor: Option<Actor<'a>>,
    #[serde(borrow)]
    api: Option<Api<'a>>,
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow)]
    target: Option<Target<'a>>,
}

#[derive(Deserialize)]
struct Actor<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Default)]
struct Api<'a> {
    #[serde(borrow)]
    operation: Option<Cow<'a, str>>,
    read_only: Option<bool>,
}

#[derive(Deserialize, Default)]
struct Resource<'a> {
    #[serde(borrow)]
    bucket: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    copy_source: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    copy_sources: Vec<Cow<'a, str>>,
    keys_count: Option<u64>,
}

#[derive(Deserialize)]
struct Target<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(flatten, borrow)]
    last: Exchange<'a>,
    #[serde(borrow, default)]
    earlier: Vec<Exchange<'a>>,
    requests: Option<usize>,
}

#[derive(Deserialize)]
struct Exchange<'a> {
    status: Option<u16>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
}

impl Exchange<'_> {
    fn is_done(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

fn ulid<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Ulid, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    Ulid::from_string(&text).map_err(serde::de::Error::custom)
}
