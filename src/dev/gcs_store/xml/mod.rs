//! The part of Google's XML API that is spoken to a target of kind `gcs-xml`: objects, lists, and uploads in parts, with the
//! bucket in the path. The same objects as in the JSON API, so that what is written by one is read by the other.
//!
//! The hazard is the same as there: what is not known is refused, so that nothing that was translated is lost in silence.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/xml-api/overview>

mod asked;
mod deletions;
mod listing;
mod objects;
mod parts;

pub(super) use parts::Upload;

use super::faults::Inbound;
use super::refusal::XML;
use super::{Refusal, Shared};
use crate::body::{Body, empty, full};
use asked::Asked;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};

/// First segments of paths of the JSON API.
const JSON_PATHS: [&str; 6] = ["", "batch", "download", "resumable", "storage", "upload"];

/// What can be asked for besides an object or a list.
const SUBRESOURCES: [&str; 19] = [
    "acl",
    "billing",
    "compose",
    "cors",
    "delete",
    "encryption",
    "encryptionConfig",
    "lifecycle",
    "location",
    "logging",
    "object-lock",
    "retention",
    "storageClass",
    "tagging",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// Whether a path is one of the XML API.
pub(super) fn serves(path: &str) -> bool {
    let path = path.strip_prefix('/').unwrap_or(path);
    let first = path.split('/').next().unwrap_or_default();
    !JSON_PATHS.contains(&first)
}

impl Shared {
    /// The answer to a request of the XML API.
    pub(super) async fn xml(&self, head: Parts, body: &mut Inbound) -> Result<Response<Body>, Refusal> {
        self.authorize(&head.headers, false)?;
        let asked = Asked::parse(head)?;
        match asked.method {
            Method::PUT | Method::POST if !asked.headers.contains_key(header::CONTENT_LENGTH) => {
                return Err(
                    Refusal::new(411, "required", "You must provide a length.").coded("MissingContentLength")
                );
            }
            Method::GET | Method::HEAD | Method::DELETE if !body.is_empty() => {
                return Err(Refusal::invalid("This request has no body"));
            }
            _ => {}
        }
        body.begin().await?;
        let mut subresources = SUBRESOURCES.into_iter();
        let subresource = subresources.find(|name| asked.query.get(name).is_some());
        match (asked.method.as_str(), asked.key.as_deref(), subresource) {
            ("HEAD", None, None) => {
                asked.only(&[], &[])?;
                self.shelf().bucket(&asked.bucket)?;
                Ok(nothing(StatusCode::OK))
            }
            ("GET", None, None) => self.xml_list(&asked),
            ("GET", None, Some("versioning")) => {
                asked.only(&["versioning"], &[])?;
                let versioning = self.shelf().bucket(&asked.bucket)?.about.versioning;
                let status = if versioning { "Enabled" } else { "Suspended" };
                Ok(document(
                    "VersioningConfiguration",
                    &format!("<Status>{status}</Status>"),
                ))
            }
            ("POST", None, Some("delete")) => self.xml_delete_many(&asked, body).await,
            ("GET" | "HEAD", Some(key), None) => self.xml_read(&asked, key),
            ("PUT", Some(key), None) if asked.headers.contains_key("x-goog-copy-source") => {
                if !body.is_empty() {
                    return Err(Refusal::invalid("A copy has no body"));
                }
                self.xml_copy(&asked, key)
            }
            ("PUT", Some(key), None) => self.xml_write(&asked, key, body).await,
            ("DELETE", Some(key), None) => self.xml_delete(&asked, key),
            ("POST", Some(key), Some("uploads")) => self.begin_parts(&asked, key),
            ("PUT", Some(key), Some("uploadId")) => self.take_part(&asked, key, body).await,
            ("GET", Some(key), Some("uploadId")) => self.list_parts(&asked, key),
            ("POST", Some(key), Some("uploadId")) => self.complete_parts(&asked, key, body).await,
            ("DELETE", Some(key), Some("uploadId")) => self.abort_parts(&asked, key),
            ("PUT" | "DELETE", None, None) | (_, _, Some(_)) => Err(Refusal::new(
                501,
                "notImplemented",
                "This store does not implement it.",
            )),
            _ => Err(Refusal::new(405, "methodNotAllowed", "Method Not Allowed")),
        }
    }
}

/// The code of an error with this status, and this reason in the JSON API.
pub(super) fn code(status: u16, reason: &str) -> &'static str {
    match (status, reason) {
        (_, "resourceIsEncryptedWithCustomerEncryptionKey") => "ResourceIsEncryptedWithCustomerEncryptionKey",
        (_, "objectUnderActiveHold") => "ObjectUnderActiveHold",
        (_, "retentionPolicyNotMet") => "RetentionPolicyNotMet",
        (401, _) => "AuthenticationRequired",
        (403, _) => "AccessDenied",
        (404, _) => "NoSuchBucket",
        (405, _) => "MethodNotAllowed",
        (408, _) => "RequestTimeout",
        (412, _) => "PreconditionFailed",
        (413, _) => "EntityTooLarge",
        (416, _) => "InvalidRange",
        (429, _) => "RateLimitExceeded",
        (500, _) => "InternalError",
        (501, _) => "NotImplemented",
        (503, _) => "ServiceUnavailable",
        _ => "InvalidArgument",
    }
}

fn document(root: &str, inner: &str) -> Response<Body> {
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?><{root} xmlns='http://doc.s3.amazonaws.com/2006-03-01'>{inner}</{root}>"
    );
    let mut response = Response::new(full(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(XML));
    headers.insert("x-guploader-uploadid", HeaderValue::from_static("store-answer"));
    response
}

fn nothing(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    let id = HeaderValue::from_static("store-answer");
    response.headers_mut().insert("x-guploader-uploadid", id);
    response
}
