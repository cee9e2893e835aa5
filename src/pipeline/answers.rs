//! What needs no target: answers made here, and the record of a decision.

use crate::audit::{Decision, Effect, Ended, Reason, Trail};
use crate::authz::{NotPermitted, Permit};
use crate::body::Body;
use crate::config::Bucket;
use crate::dialect::s3::{Glimpse, Parsed, documents, error::S3Error, response};
use crate::error::{Error, denied_reason};
use crate::generation::Generation;
use crate::operation::gcs::Call;
use crate::operation::{Api, BucketName, Detail, ObjectName, Resource, Right};
use crate::telemetry::{self, Direction, Metrics};
use http::{HeaderMap, Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// The owner that listings show: a target's own would tell who pays for it.
const OWNER: &str = "tidegate";
/// Virtual buckets have no date of creation; clients need one to parse.
pub(super) const CREATED: &str = "2026-01-01T00:00:00.000Z";

/// Counts a request that is over.
pub(super) fn count(metrics: &Metrics, ended: Ended) {
    let decision = match ended.effect {
        Effect::Allow => telemetry::Decision::Allow,
        Effect::Deny => telemetry::Decision::Deny,
        Effect::Error => telemetry::Decision::Error,
    };
    // A caller that went away before an answer is counted as the 499 that nobody sent.
    let status = ended.status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status
        .or(StatusCode::from_u16(499).ok())
        .unwrap_or(StatusCode::BAD_REQUEST);
    metrics.request(ended.operation.unwrap_or("unknown"), status, decision, ended.took);
    metrics.bytes(Direction::In, ended.bytes_in);
    metrics.bytes(Direction::Out, ended.bytes_out);
}

/// Puts into the record what the head of a request says, also if it is refused for it.
pub(super) fn glimpsed(trail: &mut Trail, glimpse: &Glimpse, parsed: Option<&Parsed>) {
    if let Some(resource) = &glimpse.resource {
        addressed(trail, resource);
    }
    if let Some(claim) = &glimpse.claim {
        trail.claim(claim, parsed.map(|parsed| parsed.declared.mode));
    }
}

/// Puts into the record what a request addresses.
pub(super) fn addressed(trail: &mut Trail, resource: &Resource) {
    match resource {
        Resource::Bucket(bucket) => trail.addressed(Some(bucket.as_str()), None),
        Resource::Object(object) => trail.addressed(Some(object.bucket.as_str()), Some(object.key.as_str())),
        Resource::Service => {}
    }
}

/// Puts a decision into the record.
pub(super) fn decided(
    trail: &mut Trail,
    decision: &Result<Permit, NotPermitted>,
    generation: &Generation,
    took: Duration,
    metrics: &Metrics,
) {
    let (reason, policies, bucket) = match decision {
        Ok(permit) => {
            let refused = permit.refused().first().map(|(_, denied)| denied);
            let nothing_left = matches!(permit.operation().detail(), Detail::Deletions { objects, .. } if objects.is_empty());
            match refused {
                // A bulk delete of which nothing is allowed is a denial, whatever its status.
                Some(denied) if nothing_left => (
                    denied_reason(denied),
                    &*denied.policies,
                    permit.operation().bucket(),
                ),
                Some(_) => (Reason::Partial, permit.policies(), permit.operation().bucket()),
                None => (Reason::Permit, permit.policies(), permit.operation().bucket()),
            }
        }
        Err(not_permitted) => why_not(not_permitted),
    };
    record(trail, generation, (reason, policies, bucket), took, metrics);
}

/// As [`decided`], of a call of the JSON API.
pub(super) fn decided_call(
    trail: &mut Trail,
    decision: &Result<Permit<Call>, NotPermitted>,
    generation: &Generation,
    took: Duration,
    metrics: &Metrics,
) {
    let decided = match decision {
        Ok(permit) => (Reason::Permit, permit.policies(), permit.operation().bucket()),
        Err(not_permitted) => why_not(not_permitted),
    };
    record(trail, generation, decided, took, metrics);
}

/// Why, by which policies, and the bucket whose policies they are.
type Decided<'a> = (Reason, &'a [Box<str>], Option<&'a BucketName>);

fn why_not(not_permitted: &NotPermitted) -> Decided<'_> {
    match not_permitted {
        NotPermitted::Denied(denied) => (denied_reason(denied), &*denied.policies, None),
        NotPermitted::Tagging(_) => (Reason::Malformed, &[][..], None),
        NotPermitted::CrossTarget { bucket, .. } => (Reason::Unsupported, &[][..], Some(bucket)),
    }
}

fn record(
    trail: &mut Trail,
    generation: &Generation,
    (reason, policies, bucket): Decided<'_>,
    took: Duration,
    metrics: &Metrics,
) {
    if reason == Reason::EvalError {
        metrics.cedar_error();
    }
    trail.decided(Decision {
        effect: reason.effect(),
        reason,
        policies: policies.to_vec(),
        policy_version: bucket
            .and_then(|bucket| generation.policies.version(bucket))
            .map(Box::from),
        micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    });
}

/// The answer to what is not forwarded: listings of buckets, locations, and deletions of which none is allowed.
///
/// # Errors
/// For CreateBucket of a bucket that is there, as at S3.
pub(super) fn without_target(
    permit: &Permit,
    generation: &Generation,
) -> Result<Option<Response<Body>>, Error> {
    let operation = permit.operation();
    if reaches_beyond_its_folder(permit) {
        return Err(Error::Refused(S3Error::not_implemented(
            "this bucket is a folder of a bucket at the target, whose settings are those of everybody in it",
        )));
    }
    let document = match (operation.api(), operation.detail()) {
        (Api::ListBuckets, _) => list_buckets(permit, generation),
        (Api::CreateBucket, _) if !may_create(permit) => return Err(Error::Refused(already_there(permit))),
        (Api::DeleteBucket, _) if !may_create(permit) => {
            return Err(Error::Refused(S3Error::not_implemented(
                "the configuration provides this bucket, so that it cannot be deleted: `create = true` would allow it",
            )));
        }
        (Api::GetBucketLocation, _) => documents::location(Some(response::REGION)),
        (Api::DeleteObjects, Detail::Deletions { objects, .. }) if objects.is_empty() => {
            response::delete_result(permit, None)?
        }
        _ => return Ok(None),
    };
    Ok(Some(response::document(
        operation.api(),
        &HeaderMap::new(),
        document,
    )))
}

/// Whether it is about a setting of the whole bucket, where only a folder of it is anybody's to manage.
fn reaches_beyond_its_folder(permit: &Permit) -> bool {
    let managed = |right: &Right| matches!(right, Right::Bucket(action) if action.is_managed());
    let in_folder = permit.bucket().is_some_and(|bucket| !bucket.prefix.is_empty());
    let api = permit.operation().api();
    // Making a folder makes nothing, which is for the answer to say.
    in_folder && api != Api::CreateBucket && api.row().rights.iter().any(managed)
}

/// Holds back keys that the target may take for others: policy decided about the key as it is, and an `archive//a` that
/// becomes `archive/a` at the store would get around what policy says of that one.
///
/// # Errors
/// `InvalidArgument`, unless the target is known to keep every key as it is.
pub(super) fn check_keys(permit: &Permit) -> Result<(), Error> {
    let operation = permit.operation();
    let source = operation.copy_source().map(|source| &source.object);
    let deleted = operation.deletions().iter().map(|deletion| &deletion.object);
    check_names(
        permit.bucket(),
        operation.object().into_iter().chain(source).chain(deleted),
    )
}

/// As [`check_keys`], of whatever names there are.
///
/// # Errors
/// As there.
pub(super) fn check_names<'n>(
    bucket: Option<&Arc<Bucket>>,
    mut names: impl Iterator<Item = &'n ObjectName>,
) -> Result<(), Error> {
    if bucket.is_none_or(|bucket| bucket.target.exact_keys) {
        return Ok(());
    }
    match names.find(|object| object.key.is_ambiguous()) {
        None => Ok(()),
        Some(object) => Err(Error::Refused(S3Error::invalid_argument(format!(
            "the storage behind this bucket may take the key `{}` for another one: use a key without `//`, a `/` at its \
             beginning and `\\`",
            object.key
        )))),
    }
}

fn may_create(permit: &Permit) -> bool {
    permit.bucket().is_some_and(|bucket| bucket.create)
}

/// What S3 says to the owner, and what clients that make sure of their bucket before an upload take for success.
fn already_there(permit: &Permit) -> S3Error {
    let name = permit.operation().bucket().map(ToString::to_string);
    S3Error::bucket_already_owned_by_you(
        "Your previous request to create the named bucket succeeded and you already own it.",
    )
    .with("BucketName", name.unwrap_or_default())
}

// AUZ-13: from policy, never the target's.
fn list_buckets(permit: &Permit, generation: &Generation) -> bytes::Bytes {
    let operation = permit.operation();
    let prefix = operation.parameter("prefix").unwrap_or_default();
    let after = operation.parameter("continuation-token").unwrap_or_default();
    let limit = operation
        .parameter("max-buckets")
        .and_then(|n| n.parse().ok())
        .filter(|n| *n > 0)
        .unwrap_or(10_000);
    // All are in the region that GetBucketLocation says.
    let here = operation
        .parameter("bucket-region")
        .is_none_or(|region| region == "us-east-1");
    let mut visible: Vec<&BucketName> = permit
        .visible_buckets()
        .iter()
        .filter(|_| here)
        .filter(|name| generation.config.buckets.contains_key(*name))
        .filter(|name| name.as_str().starts_with(prefix) && name.as_str() > after)
        .collect();
    visible.sort_unstable();
    let more = visible.len() > limit;
    visible.truncate(limit);
    let next = if more {
        visible.last().map(|name| name.as_str())
    } else {
        None
    };
    let buckets: Vec<(&BucketName, &str)> = visible.iter().map(|name| (*name, CREATED)).collect();
    documents::list_buckets(OWNER, &buckets, next)
}
