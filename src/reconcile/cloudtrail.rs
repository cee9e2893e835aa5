//! CloudTrail: data events and management events of S3, as they are delivered to a bucket, or one on each line.
//!
//! `requestID` is what S3 answers with as `x-amz-request-id`; the user agent stands in brackets. The bucket is among the
//! parameters of the request, or only among the resources where it was reached by an access point.
//!
//! Spec: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-understanding-s3-entries.html>

use super::documents::Schema;
use super::entry::{Class, Entry, hash, stamp_of_agent};
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
    let mut buckets: Vec<&str> = slots.get(BUCKET).into_iter().collect();
    for bucket in slots
        .get(RESOURCES)
        .unwrap_or_default()
        .lines()
        .filter_map(bucket_of)
    {
        if !buckets.contains(&bucket) {
            buckets.push(bucket);
        }
    }
    if buckets.is_empty() {
        return Ok(None);
    }
    let read_only = slots.get(READ_ONLY).map(|text| text == "true");
    Ok(Some(Entry {
        at,
        buckets,
        key: slots.get(KEY).map(Cow::Borrowed),
        prefix: slots.get(PREFIX),
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

/// The bucket of `arn:aws:s3:::bucket` or `arn:aws:s3:::bucket/key`.
fn bucket_of(arn: &str) -> Option<&str> {
    let rest = arn.strip_prefix("arn:")?;
    let (_, rest) = rest.split_once(":s3:::")?;
    rest.split('/').next().filter(|bucket| !bucket.is_empty())
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
