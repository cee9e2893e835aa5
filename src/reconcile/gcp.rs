//! Cloud Audit Logs of Google Cloud Storage, as a sink writes them to a bucket (one entry on each line) or as
//! `gcloud logging read --format=json` prints them (an array).
//!
//! They have no id that Cloud Storage also answers with: an entry is tied to our record by the custom audit header
//! `x-goog-custom-audit-tidegate-request`, which stands somewhere in `protoPayload.metadata`, or by the user agent.
//! One request may leave several entries, such as a copy, which reads and writes: the one of the read stands under the
//! source and has `metadata.destination`. Whatever rights were needed on is touched, too.
//!
//! Spec: <https://cloud.google.com/storage/docs/audit-logging>, <https://cloud.google.com/logging/docs/audit/understanding-audit-logs>

use super::documents::Schema;
use super::entry::{Class, Entry, GOOGLE_NAMES, Place, hash, stamp, stamp_of_agent};
use super::pick::{Node, Slots};
use std::borrow::Cow;

pub(super) static SCHEMA: Schema = Schema {
    entry: &Node::Map(&[
        ("insertId", Node::Text(INSERT)),
        ("logName", Node::Text(LOG)),
        ("timestamp", Node::Text(TIME)),
        (
            "protoPayload",
            Node::Map(&[
                ("serviceName", Node::Text(SERVICE)),
                ("methodName", Node::Text(METHOD)),
                ("resourceName", Node::Text(RESOURCE)),
                (
                    "authenticationInfo",
                    Node::Map(&[
                        ("principalEmail", Node::Text(EMAIL)),
                        ("principalSubject", Node::Text(SUBJECT)),
                    ]),
                ),
                (
                    "requestMetadata",
                    Node::Map(&[
                        ("callerIp", Node::Text(ADDRESS)),
                        ("callerSuppliedUserAgent", Node::Text(AGENT)),
                    ]),
                ),
                (
                    "metadata",
                    Node::Deep(&[
                        (GOOGLE_NAMES[0], STAMP),
                        (GOOGLE_NAMES[1], STAMP),
                        ("destination", DESTINATION),
                    ]),
                ),
                (
                    "authorizationInfo",
                    Node::Each(&Node::Map(&[("resource", Node::Append(TOUCHED))])),
                ),
            ]),
        ),
    ]),
    list: "",
};

const INSERT: usize = 0;
const LOG: usize = 1;
const TIME: usize = 2;
const SERVICE: usize = 3;
const METHOD: usize = 4;
const RESOURCE: usize = 5;
const EMAIL: usize = 6;
const SUBJECT: usize = 7;
const ADDRESS: usize = 8;
const AGENT: usize = 9;
const STAMP: usize = 10;
const DESTINATION: usize = 11;
const TOUCHED: usize = 12;

/// `None` for an entry of another service or log, or about no bucket.
pub(super) fn entry(slots: &Slots) -> Result<Option<Entry<'_>>, &'static str> {
    let (Some(insert), Some(time)) = (slots.get(INSERT), slots.get(TIME)) else {
        return Err("not an entry of Cloud Logging: it has no `insertId` or no `timestamp`");
    };
    if slots.get(SERVICE) != Some("storage.googleapis.com") {
        return Ok(None);
    }
    let at = time.parse().map_err(|_| "`timestamp` is not a time")?;
    let method = slots.get(METHOD).ok_or("it has no `methodName`")?;
    let Some((bucket, key)) = slots.get(RESOURCE).and_then(names) else {
        return Ok(None);
    };
    let mut places = vec![Place::new(bucket, key.map(Cow::Borrowed))];
    let touched = slots.get(TOUCHED).unwrap_or_default().lines();
    for (bucket, key) in slots
        .get(DESTINATION)
        .into_iter()
        .chain(touched)
        .filter_map(names)
    {
        let place = Place {
            other_end: true,
            ..Place::new(bucket, key.map(Cow::Borrowed))
        };
        place.add_to(&mut places);
    }
    let log = slots.get(LOG).unwrap_or_default();
    let named = slots.get(EMAIL).filter(|email| !email.is_empty());
    let custom = slots.get(STAMP).and_then(stamp);
    Ok(Some(Entry {
        at,
        places,
        operation: method,
        principal: Cow::Borrowed(named.or(slots.get(SUBJECT)).unwrap_or("anonymous")),
        source: slots.get(ADDRESS).unwrap_or_default(),
        request_id: None,
        identity: hash(&[insert, time, log]),
        stamp: custom.or_else(|| slots.get(AGENT).and_then(stamp_of_agent)),
        class: class(method),
        by_provider: log.ends_with("system_event"),
    }))
}

/// Bucket and key of `projects/_/buckets/BUCKET/objects/KEY`.
fn names(resource: &str) -> Option<(&str, Option<&str>)> {
    let (_, rest) = resource.split_once("/buckets/")?;
    Some(match rest.split_once("/objects/") {
        Some((bucket, key)) => (bucket, Some(key)),
        None => (rest.split('/').next().unwrap_or(rest), None),
    })
}

fn class(method: &str) -> Class {
    if method.starts_with("storage.buckets.") || method.contains("Iam") {
        return Class::Manage;
    }
    let verb = method.rsplit('.').next().unwrap_or(method);
    match ["get", "list"].iter().any(|reads| verb.starts_with(reads)) {
        true => Class::Read,
        false => Class::Write,
    }
}
