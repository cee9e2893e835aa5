//! What needs no target: buckets as the configuration has them, and rights as policy has them.
//!
//! A credential for objects may not even read its bucket at Google, and whoever may use one folder of it has no business
//! with its settings. So a bucket is shown as callers have it: with one place, uniform access and no folders of its own.

use super::super::answers::CREATED;
use super::super::{Caller, Pipeline};
use super::permissions;
use crate::authz::Permit;
use crate::body::{self, Body};
use crate::config::{Bucket, Profile};
use crate::dialect::gcs::error::GcsError;
use crate::dialect::gcs::settings;
use crate::error::Error;
use crate::generation::Generation;
use crate::operation::BucketName;
use crate::operation::gcs::{Call, Handling, Method, Right};
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

/// What Google gives at most where a client asks for more.
const PAGE: usize = 1000;

impl Pipeline {
    /// The answer to what is not forwarded.
    ///
    /// # Errors
    /// `conflict` for a bucket that is there, `notFound` for a folder, `notImplemented` for what reaches beyond a bucket
    /// that is a folder, or is in an S3 store.
    pub(super) fn without_target(
        &self,
        generation: &Generation,
        caller: Caller<'_>,
        permit: &Permit<Call>,
    ) -> Result<Option<Response<Body>>, Error> {
        let call = permit.operation();
        if call.row().handling != Handling::Answered {
            return match reaches_beyond_its_folder(permit) {
                true => Err(GcsError::not_implemented(
                    "this bucket is a folder of a bucket at the target, whose settings are those of everybody in it",
                )
                .into()),
                false => Ok(None),
            };
        }
        let circumstances = caller.circumstances(self.clock.now());
        let method = call.method();
        let document = match method {
            Method::BucketsList => list(generation, caller, permit),
            Method::BucketsTestIamPermissions | Method::ObjectsTestIamPermissions => {
                let asked = call.names().iter();
                let held = asked.filter(|p| permissions::has(generation, caller, call, p, &circumstances));
                let held: Vec<&str> = held.map(|permission| &**permission).collect();
                let mut answer = json!({ "kind": "storage#testIamPermissionsResponse" });
                if let (false, Some(answer)) = (held.is_empty(), answer.as_object_mut()) {
                    answer.insert("permissions".into(), held.into());
                }
                answer
            }
            _ => {
                let bucket = permit
                    .bucket()
                    .ok_or(Error::Internal("an answer about no bucket"))?;
                if bucket.target.profile != Profile::Gcs {
                    return Err(super::in_an_s3_store(bucket.name.as_str(), caller.url).into());
                }
                match method {
                    Method::BucketsGet | Method::BucketsInsert | Method::BucketsDelete if bucket.create => {
                        return Ok(None);
                    }
                    Method::BucketsGetIamPolicy => {
                        let roles = permissions::roles(generation, caller, call, &circumstances);
                        policy(&bucket.name, caller, &roles)
                    }
                    _ => of_bucket(method, bucket, caller.url)?,
                }
            }
        };
        Ok(Some(response(&document)))
    }
}

/// The bucket as callers have it, once the target has said that it is there, or has made it. Of anything else the target's
/// answer is the answer.
///
/// # Errors
/// What the target refused.
pub(super) fn made(
    permit: &Permit<Call>,
    origin: &str,
    answer: Result<Response<Body>, Error>,
) -> Result<Response<Body>, Error> {
    let method = permit.operation().method();
    let (Method::BucketsGet | Method::BucketsInsert, Some(bucket)) = (method, permit.bucket()) else {
        return answer;
    };
    match answer {
        Ok(_) => {}
        // It is there, and what it is like there is not for our credential to see.
        Err(Error::GcsTarget(refusal)) if method == Method::BucketsGet && refusal.status == 403 => {}
        Err(error) => return Err(error),
    }
    Ok(response(&shown(bucket, origin)))
}

/// Whether it is about a setting of the whole bucket, where only a folder of it is anybody's to manage.
fn reaches_beyond_its_folder(permit: &Permit<Call>) -> bool {
    let in_folder = permit.bucket().is_some_and(|bucket| !bucket.prefix.is_empty());
    let of_bucket = |right: &Right| matches!(right, Right::Bucket(_) | Right::Settings);
    in_folder && permit.operation().row().rights.iter().any(of_bucket)
}

fn of_bucket(method: Method, bucket: &Bucket, origin: &str) -> Result<Value, GcsError> {
    let name = &bucket.name;
    Ok(match method {
        Method::BucketsGet => shown(bucket, origin),
        Method::BucketsGetStorageLayout => json!({
            "kind": "storage#storageLayout",
            "bucket": name.as_str(),
            "location": location(bucket),
            "locationType": location_type(bucket),
            "hierarchicalNamespace": { "enabled": false },
        }),
        Method::FoldersList => json!({ "kind": "storage#folders" }),
        Method::ManagedFoldersList => json!({ "kind": "storage#managedFolders" }),
        Method::FoldersGet | Method::ManagedFoldersGet => {
            return Err(GcsError::not_found(
                "The folder does not exist: names with a `/` need none here, and there are no others",
            ));
        }
        Method::BucketsInsert => {
            return Err(GcsError::conflict(format!(
                "Your previous request to create the named bucket succeeded and you already own it: `{name}` is there"
            )));
        }
        Method::BucketsDelete => {
            return Err(GcsError::not_implemented(
                "the configuration provides this bucket, so that it cannot be deleted: `create = true` would allow it",
            ));
        }
        _ => return Err(GcsError::new(500, "internalError", "an answer that nobody has")),
    })
}

/// The bucket as callers have it. It has no metageneration: there is one at the target, of what nobody is shown here.
fn shown(bucket: &Bucket, origin: &str) -> Value {
    let name = bucket.name.as_str();
    let mut shown = settings::as_shown();
    shown.extend([
        ("kind".to_owned(), "storage#bucket".into()),
        ("id".to_owned(), name.into()),
        ("name".to_owned(), name.into()),
        (
            "selfLink".to_owned(),
            format!("{origin}/storage/v1/b/{name}").into(),
        ),
        ("projectNumber".to_owned(), "0".into()),
        ("location".to_owned(), location(bucket).into()),
        ("locationType".to_owned(), location_type(bucket).into()),
        ("etag".to_owned(), settings::ETAG.into()),
        ("timeCreated".to_owned(), CREATED.into()),
        ("updated".to_owned(), CREATED.into()),
    ]);
    Value::Object(shown)
}

/// Where the target says that it is. `auto`, as in signatures, is no place.
fn location(bucket: &Bucket) -> String {
    match &*bucket.target.region {
        "auto" | "" => "US".to_owned(),
        region => region.to_ascii_uppercase(),
    }
}

/// Google's three continents are no regions.
fn location_type(bucket: &Bucket) -> &'static str {
    match &*location(bucket) {
        "ASIA" | "EU" | "US" => "multi-region",
        _ => "region",
    }
}

// AUZ-13: from policy, never the target's. Only what can be used in these words.
fn list(generation: &Generation, caller: Caller<'_>, permit: &Permit<Call>) -> Value {
    let call = permit.operation();
    let prefix = call.parameter("prefix").unwrap_or_default();
    let after = call.parameter("pageToken").unwrap_or_default();
    let asked = call.parameter("maxResults").and_then(|n| n.parse().ok());
    let limit = asked.filter(|n| (1..=PAGE).contains(n)).unwrap_or(PAGE);
    let known = |name: &&BucketName| {
        let bucket = generation.config.buckets.get(*name)?;
        (bucket.target.profile == Profile::Gcs).then_some(bucket)
    };
    let mut names: Vec<&BucketName> = permit.visible_buckets().iter().collect();
    names.retain(|name| name.as_str().starts_with(prefix) && name.as_str() > after);
    names.sort_unstable();
    let mut buckets: Vec<_> = names.iter().filter_map(known).collect();
    let more = buckets.len() > limit;
    buckets.truncate(limit);
    let mut answer = json!({ "kind": "storage#buckets" });
    if let (Some(last), Some(answer)) = (buckets.last(), answer.as_object_mut()) {
        let items: Vec<Value> = buckets.iter().map(|bucket| shown(bucket, caller.url)).collect();
        answer.insert("items".into(), items.into());
        if more {
            answer.insert("nextPageToken".into(), last.name.as_str().into());
        }
    }
    answer
}

/// What the caller may do, as a policy of which it sees its own part.
fn policy(bucket: &BucketName, caller: Caller<'_>, roles: &[&str]) -> Value {
    let member = format!("{}{}", settings::MEMBERS, caller.principal.id());
    let bindings: Vec<Value> = roles
        .iter()
        .map(|role| json!({ "role": role, "members": [member] }))
        .collect();
    json!({
        "kind": "storage#policy",
        "resourceId": format!("projects/_/buckets/{bucket}"),
        "version": 1,
        "etag": settings::ETAG,
        "bindings": bindings,
    })
}

fn response(document: &Value) -> Response<Body> {
    let bytes = document.to_string();
    let length = bytes.len();
    let mut response = Response::new(body::full(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    headers.insert(header::CONTENT_TYPE, json);
    // Rights change with policy.
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
    response
}
