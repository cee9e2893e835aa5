//! Which method a request calls, and on what: from the path of the JSON API.
//!
//! The hazard is reading a name twice. A name is one segment of the path, in which a slash is `%2F`: the path is taken
//! apart before anything is decoded, and each segment is decoded once, into the bytes that policy, audit and wire use.
//!
//! Spec: <https://cloud.google.com/storage/docs/request-endpoints#encoding>

use super::error::GcsError;
use crate::dialect::s3::uri;
use crate::operation::gcs::Method;
use crate::operation::{BucketName, KeyError, ObjectKey, ObjectName, Resource};

/// The families of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `/storage/v1/…`: metadata, and bytes with `alt=media`.
    Plain,
    /// `/upload/storage/v1/…` and its older name.
    Upload,
    /// `/download/storage/v1/…`.
    Download,
    /// `/batch/storage/v1` and `/batch`.
    Batch,
}

impl Family {
    /// The family of a path, and what follows its beginning; `None` for a path of S3.
    pub(crate) fn of(path: &str) -> Option<(Self, &str)> {
        const BEGINNINGS: [(&str, Family); 4] = [
            ("/storage/v1/", Family::Plain),
            ("/upload/storage/v1/", Family::Upload),
            ("/resumable/upload/storage/v1/", Family::Upload),
            ("/download/storage/v1/", Family::Download),
        ];
        if path == "/batch" || path == "/batch/storage/v1" {
            return Some((Self::Batch, ""));
        }
        let found = BEGINNINGS
            .into_iter()
            .find_map(|(beginning, family)| Some((family, path.strip_prefix(beginning)?)));
        // The older clients and newer ones differ in a slash at the end of the base.
        found.or((path == "/storage/v1").then_some((Self::Plain, "")))
    }
}

/// What a request addresses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) method: Method,
    pub(crate) resource: Resource,
    /// The object that is copied or moved.
    pub(crate) source: Option<ObjectName>,
    /// What else the path names.
    pub(crate) names: Vec<Box<str>>,
}

/// Finds the method of `path`, which is what follows `/storage/v1/`.
///
/// # Errors
/// `notFound` for what no method is, `methodNotAllowed` for the wrong verb, `invalid` for names that are none.
pub(crate) fn parse(http_method: &str, path: &str) -> Result<Address, GcsError> {
    let at_path = || {
        Method::ALL
            .iter()
            .copied()
            .filter(|method| matches(method.row().path, path))
    };
    let Some(method) = at_path().find(|method| method.row().method == http_method) else {
        let others: Vec<&str> = at_path().map(|method| method.row().method).collect();
        return Err(match others.is_empty() {
            false => {
                let why = format!("no method of the JSON API is {http_method} at this path");
                GcsError::method_not_allowed(why).allowing(others.join(", "))
            }
            true => GcsError::not_found(
                "no method of the JSON API is at this path; in the name of an object, a `/` is written `%2F`",
            ),
        });
    };
    read(method, path)
}

fn matches(template: &str, path: &str) -> bool {
    let (mut expected, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return true,
            (Some(expected), Some(given)) if expected.starts_with('{') => {
                if given.is_empty() {
                    return false;
                }
            }
            (Some(expected), Some(given)) if expected == given => {}
            _ => return false,
        }
    }
}

fn read(method: Method, path: &str) -> Result<Address, GcsError> {
    let (mut bucket, mut object, mut source_bucket, mut source) = (None, None, None, None);
    let mut names = Vec::new();
    for (template, raw) in method.row().path.split('/').zip(path.split('/')) {
        match template {
            "{bucket}" => bucket = Some(bucket_name(raw)?),
            "{object}" => object = Some(key(raw)?),
            "{sourceBucket}" => source_bucket = Some(bucket_name(raw)?),
            "{sourceObject}" => source = Some(key(raw)?),
            "{folder}" | "{sourceFolder}" => names.push(key(raw)?.as_str().into()),
            _ if template.starts_with('{') => names.push(word(raw)?.into()),
            _ => {}
        }
    }
    let of = |bucket: Option<&BucketName>, key| bucket.cloned().map(|bucket| ObjectName { bucket, key });
    // A move stays in its bucket.
    let source_bucket = source_bucket.as_ref().or(bucket.as_ref());
    Ok(Address {
        method,
        source: source.and_then(|key| of(source_bucket, key)),
        resource: match (bucket, object) {
            (Some(bucket), Some(key)) => Resource::Object(ObjectName { bucket, key }),
            (Some(bucket), None) => Resource::Bucket(bucket),
            (None, _) => Resource::Service,
        },
        names,
    })
}

/// What a path addresses, whatever is done with it: for the record of what is refused.
pub(super) fn whatever_the_verb(path: &str) -> Option<Resource> {
    let mut methods = Method::ALL.iter().copied();
    let method = methods.find(|method| matches(method.row().path, path))?;
    Some(read(method, path).ok()?.resource)
}

/// The name of an entity or of a notification. Dot segments would make another path of it, as in names of objects.
fn word(raw: &str) -> Result<String, GcsError> {
    let word = text(raw)?;
    let plain = |c: char| c.is_alphanumeric() || "-_.@+:/".contains(c);
    let dots = word.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    match word.len() <= 1024 && word.chars().all(plain) && !dots {
        true => Ok(word),
        false => Err(GcsError::invalid(
            "a name in the path is not one that an entity or a notification has",
        )),
    }
}

fn text(raw: &str) -> Result<String, GcsError> {
    let decoded = uri::decode(raw)
        .ok_or_else(|| GcsError::invalid("the path has a `%` that is not followed by two hex digits"))?;
    String::from_utf8(decoded).map_err(|_| GcsError::invalid("a name in the path is not UTF-8"))
}

fn bucket_name(raw: &str) -> Result<BucketName, GcsError> {
    bucket(&text(raw)?)
}

/// The name of a bucket, decoded.
///
/// # Errors
/// `invalid` with the rule that is broken.
pub(crate) fn bucket(name: &str) -> Result<BucketName, GcsError> {
    BucketName::parse(name).map_err(|error| GcsError::invalid(format!("Invalid bucket name: {error}")))
}

/// The name of an object, or of a folder: that of all objects in it, up to a slash.
fn key(raw: &str) -> Result<ObjectKey, GcsError> {
    object_key(&text(raw)?)
}

/// The name of an object, decoded.
///
/// # Errors
/// `invalid` with the rule that is broken.
///
/// Spec: <https://cloud.google.com/storage/docs/objects#naming>
pub(crate) fn object_key(name: &str) -> Result<ObjectKey, GcsError> {
    check_name(name)?;
    ObjectKey::parse(name.as_bytes()).map_err(|error| match error {
        KeyError::Empty => GcsError::required("Required: the object has no name"),
        other => GcsError::invalid(format!("Invalid object name: {other}")),
    })
}

/// What Google does not take in a name, and S3 does.
///
/// # Errors
/// `invalid`.
pub(crate) fn check_name(name: &str) -> Result<(), GcsError> {
    match name.contains(['\r', '\n']) {
        false => Ok(()),
        true => Err(GcsError::invalid(
            "Invalid object name: it has a line feed or a carriage return, which Google Cloud Storage does not take",
        )),
    }
}
