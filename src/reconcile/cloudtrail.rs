//! CloudTrail: data events and management events of S3, as they are delivered to a bucket, or one on each line.
//!
//! `requestID` is what S3 answers with as `x-amz-request-id`; the user agent stands in brackets. The bucket is among the
//! parameters of the request, or only among the resources where it was reached by an access point. A copy is one event, of
//! its destination: what it reads is in `x-amz-copy-source` and among the resources.
//!
//! Spec: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-understanding-s3-entries.html>

use super::access_log::decoded;
use super::documents::Schema;
use super::entry::{Class, Entry, Place, hash, stamp_of_agent};
use super::pick::{Node, Slots};
use std::borrow::Cow;

pub(super) static SCHEMA: Schema = Schema {
    entry: &Node::Map(&[
        ("eventTime", Node::Text(TIME)),
        ("eventSource", Node::Text(SOURCE)),
        ("eventName", Node::Text(NAME)),
        ("userAgent", Node::Text(AGENT)),
        ("sourceIPAddress", Node::Text(ADDRESS)),
        ("requestID", Node::Text(REQUEST)),
        ("eventID", Node::Text(EVENT)),
        ("readOnly", Node::Text(READ_ONLY)),
        ("managementEvent", Node::Text(MANAGEMENT)),
        (
            "userIdentity",
            Node::Map(&[
                ("arn", Node::Text(ARN)),
                ("type", Node::Text(TYPE)),
                ("accountId", Node::Text(ACCOUNT)),
                ("invokedBy", Node::Text(INVOKED_BY)),
            ]),
        ),
        (
            "requestParameters",
            Node::Map(&[
                ("bucketName", Node::Text(BUCKET)),
                ("key", Node::Text(KEY)),
                ("prefix", Node::Text(PREFIX)),
                ("x-amz-copy-source", Node::Text(COPY_SOURCE)),
            ]),
        ),
        (
            "resources",
            Node::Each(&Node::Map(&[("ARN", Node::Append(RESOURCES))])),
        ),
    ]),
    list: "Records",
};

const TIME: usize = 0;
const SOURCE: usize = 1;
const NAME: usize = 2;
const AGENT: usize = 3;
const ADDRESS: usize = 4;
const REQUEST: usize = 5;
const EVENT: usize = 6;
const READ_ONLY: usize = 7;
const MANAGEMENT: usize = 8;
const ARN: usize = 9;
const TYPE: usize = 10;
const ACCOUNT: usize = 11;
const INVOKED_BY: usize = 12;
const BUCKET: usize = 13;
const KEY: usize = 14;
const PREFIX: usize = 15;
const RESOURCES: usize = 16;
const COPY_SOURCE: usize = 17;

/// `None` for an entry of another service, or about no bucket.
pub(super) fn entry(slots: &Slots) -> Result<Option<Entry<'_>>, &'static str> {
    let (Some(name), Some(source)) = (slots.get(NAME), slots.get(SOURCE)) else {
        return Err("not an event of CloudTrail: it has no `eventName` or no `eventSource`");
    };
    if source != "s3.amazonaws.com" {
        return Ok(None);
    }
    let at = slots.get(TIME).and_then(|text| text.parse().ok());
    let at = at.ok_or("`eventTime` is missing or not a time")?;
    let event = slots.get(EVENT).ok_or("it has no `eventID`")?;
    let places = places(slots);
    if places.is_empty() {
        return Ok(None);
    }
    let read_only = slots.get(READ_ONLY).map(|text| text == "true");
    Ok(Some(Entry {
        at,
        places,
        operation: name,
        principal: principal(slots),
        source: slots.get(ADDRESS).unwrap_or_default(),
        request_id: slots.get(REQUEST),
        identity: hash(&[event]),
        stamp: slots.get(AGENT).and_then(stamp_of_agent),
        class: match slots.get(MANAGEMENT) {
            Some("true") => Class::Manage,
            _ => Class::of_api(name, read_only),
        },
        by_provider: false,
    }))
}

/// Everything that an event is about.
fn places<'s>(slots: &'s Slots) -> Vec<Place<'s>> {
    let (key, prefix) = (slots.get(KEY).map(Cow::Borrowed), slots.get(PREFIX));
    let of_request = |bucket| Place {
        prefix,
        ..Place::new(bucket, key.clone())
    };
    let mut places: Vec<Place<'s>> = slots.get(BUCKET).map(of_request).into_iter().collect();
    let source = slots.get(COPY_SOURCE);
    for (bucket, key) in source.and_then(names_of_source).into_iter().flatten() {
        let place = Place {
            other_end: true,
            ..Place::new(bucket, Some(key))
        };
        place.add_to(&mut places);
    }
    let resources = || slots.get(RESOURCES).unwrap_or_default().lines().filter_map(names);
    for (bucket, key) in resources().filter_map(|(bucket, key)| Some((bucket, key?))) {
        let place = Place {
            other_end: source.is_some(),
            ..Place::new(bucket, Some(Cow::Borrowed(key)))
        };
        place.add_to(&mut places);
    }
    // Known by nothing else: reached by an access point. Of a copy, nobody knows which end it is and what was read there.
    for (bucket, _) in resources() {
        if !places.iter().any(|place| place.bucket == bucket) {
            places.push(match source {
                None => of_request(bucket),
                Some(_) => Place {
                    other_end: true,
                    ..Place::new(bucket, None)
                },
            });
        }
    }
    places
}

/// Bucket and key of `arn:aws:s3:::bucket` or `arn:aws:s3:::bucket/key`.
fn names(arn: &str) -> Option<(&str, Option<&str>)> {
    let rest = arn.strip_prefix("arn:")?;
    let (_, rest) = rest.split_once(":s3:::")?;
    let (bucket, key) = match rest.split_once('/') {
        Some((bucket, key)) => (bucket, Some(key).filter(|key| !key.is_empty())),
        None => (rest, None),
    };
    (!bucket.is_empty()).then_some((bucket, key))
}

/// Bucket and key of `bucket/key?versionId=…`: the key as it is meant, and as it stands there, since not every client
/// encodes it.
fn names_of_source(source: &str) -> Option<[(&str, Cow<'_, str>); 2]> {
    let source = source.strip_prefix('/').unwrap_or(source);
    let source = source.split("?versionId=").next().unwrap_or(source);
    // Also `bucket%2Fkey`, and what an access point is named by, which is among the resources.
    let at = source.find('/').map(|at| (at, 1));
    let escaped = source.to_ascii_lowercase().find("%2f").map(|at| (at, 3));
    let (at, length) = at.into_iter().chain(escaped).min()?;
    let (bucket, key) = (source.get(..at)?, source.get(at + length..)?);
    let named = !bucket.is_empty() && !bucket.contains(':');
    named.then_some([(bucket, decoded(key)), (bucket, Cow::Borrowed(key))])
}

fn principal(slots: &Slots) -> Cow<'_, str> {
    let kind = slots.get(TYPE).unwrap_or("unknown");
    let who = slots.get(ARN).or(slots.get(INVOKED_BY));
    match (who, slots.get(ACCOUNT)) {
        (Some(who), _) => Cow::Borrowed(who),
        (None, Some(account)) => Cow::Owned(format!("{kind} {account}")),
        (None, None) => Cow::Borrowed(kind),
    }
}
