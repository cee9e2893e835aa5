//! A request of the XML API, read strictly: names, parameters and headers, and what the headers say of an object.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/xml-api/reference-headers>

use crate::dev::gcs_store::Refusal;
use crate::dev::gcs_store::conditions::Conditions;
use crate::dev::gcs_store::encryption;
use crate::dev::gcs_store::object::Object;
use crate::dev::gcs_store::request::{self, AUDIT_PREFIX, Query};
use crate::dev::gcs_store::settings::{CLASSES, Settings};
use crate::dev::gcs_store::target::decoded;
use http::{HeaderMap, Method, request::Parts};
use jiff::Timestamp;

/// A request's head, read.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) bucket: String,
    pub(super) key: Option<String>,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
}

/// Conditions on the object that a request is about.
pub(super) const CONDITIONS: [&str; 4] = [
    "x-goog-if-generation-match",
    "x-goog-if-generation-not-match",
    "x-goog-if-metageneration-match",
    "x-goog-if-metageneration-not-match",
];
/// Those that a write heeds.
pub(super) const WRITE_CONDITIONS: [&str; 2] =
    ["x-goog-if-generation-match", "x-goog-if-metageneration-match"];
/// A key of the caller's.
pub(super) const ENCRYPTION: [&str; 3] = [
    "x-goog-encryption-algorithm",
    "x-goog-encryption-key",
    "x-goog-encryption-key-sha256",
];
/// What is said of an object to be; `META` stands for all that begin so.
pub(super) const DESCRIPTION: [&str; 2] = ["x-goog-storage-class", META];
/// Of a body.
pub(super) const HASHES: [&str; 2] = ["x-goog-hash", "content-md5"];
pub(super) const META: &str = "x-goog-meta-";

impl Asked {
    /// # Errors
    /// Broken encoding, a parameter that is there twice.
    pub(super) fn parse(head: Parts) -> Result<Self, Refusal> {
        let path = head.uri.path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let key = decoded(key)?;
        Ok(Self {
            bucket: decoded(bucket)?,
            key: Some(key).filter(|key| !key.is_empty()),
            query: Query::parse(&head.uri)?,
            method: head.method,
            headers: head.headers,
        })
    }

    /// Refuses parameters that are not in `parameters`, and headers of Google's and Amazon's that are not in `headers`.
    ///
    /// # Errors
    /// 400 for the first one.
    pub(super) fn only(&self, parameters: &[&str], headers: &[&[&str]]) -> Result<(), Refusal> {
        if let Some(unknown) = self.query.names().find(|name| !parameters.contains(name)) {
            return Err(Refusal::unknown("parameter", unknown));
        }
        let listed = |name: &str| headers.iter().any(|known| known.contains(&name));
        let mut audited = 0;
        for (name, value) in &self.headers {
            let name = name.as_str();
            let known = if name.starts_with(AUDIT_PREFIX) {
                audited += 1;
                audited <= 4 && name.len() <= 64 && value.len() <= 1200
            } else if name.starts_with(META) {
                listed(META)
            } else if name.starts_with("x-goog-") || name == "content-md5" {
                listed(name) || name == "x-goog-user-project"
            } else {
                !name.starts_with("x-amz-") && name != "x-http-method-override"
            };
            if !known || self.headers.get_all(name).iter().count() > 1 {
                return Err(Refusal::unknown("header", name));
            }
        }
        // Framing of Amazon's would be stored as data.
        let coding = self.header("content-encoding").unwrap_or_default();
        match coding.contains("aws-chunked") {
            true => Err(Refusal::unknown("header", "content-encoding")),
            false => Ok(()),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        request::text(&self.headers, name)
    }

    /// What must hold of the object.
    pub(super) fn conditions(&self) -> Result<Conditions, Refusal> {
        Conditions::of_headers(&self.headers, CONDITIONS)
    }

    /// What the headers say of an object to be.
    pub(super) fn settings(&self) -> Result<Settings, Refusal> {
        let own = |name: &str| self.header(name).map(str::to_owned);
        let mut settings = Settings {
            content_type: own("content-type"),
            content_encoding: own("content-encoding"),
            content_disposition: own("content-disposition"),
            content_language: own("content-language"),
            cache_control: own("cache-control"),
            storage_class: self.class()?,
            key_sha256: encryption::key_sha256(&self.headers, "x-goog-encryption-")?,
            ..Settings::default()
        };
        for (name, value) in &self.headers {
            if let Some(key) = name.as_str().strip_prefix(META) {
                let value = value
                    .to_str()
                    .map_err(|_| Refusal::unknown("header", name.as_str()))?;
                settings.metadata.insert(key.to_owned(), value.to_owned());
            }
        }
        Ok(settings)
    }

    pub(super) fn class(&self) -> Result<Option<String>, Refusal> {
        match self.header("x-goog-storage-class") {
            Some(class) if !CLASSES.contains(&class) => {
                let message = format!("Invalid storage class: {class}");
                Err(Refusal::invalid(message).coded("InvalidStorageClass"))
            }
            class => Ok(class.map(str::to_owned)),
        }
    }

    /// Whether `if-match` and its siblings behind `prefix` fail: 412, or 304 where nothing has changed.
    ///
    /// # Errors
    /// What is not a date.
    pub(super) fn failed(&self, prefix: &str, object: &Object) -> Result<Option<u16>, Refusal> {
        let said = |name: &str| self.header(&format!("{prefix}{name}"));
        let etag = object.xml_etag();
        let matches = |tags: &str| tags == "*" || tags.split(',').any(|tag| tag.trim() == etag);
        let date = |name: &'static str| match said(name) {
            Some(text) => match jiff::fmt::rfc2822::parse(text) {
                Ok(date) => Ok(Some(date.timestamp())),
                Err(_) => Err(Refusal::parameter(name, text)),
            },
            None => Ok(None),
        };
        // Dates have no fractions of a second.
        let updated = Timestamp::from_second(object.updated.as_second()).unwrap_or(object.updated);
        let (since, until) = (date("if-modified-since")?, date("if-unmodified-since")?);
        let changed = match said("if-match") {
            Some(tags) => !matches(tags),
            None => until.is_some_and(|until| updated > until),
        };
        let unchanged = match said("if-none-match") {
            Some(tags) => matches(tags),
            None => since.is_some_and(|since| updated <= since),
        };
        Ok(match (changed, unchanged) {
            (true, _) => Some(412),
            (false, true) => Some(304),
            (false, false) => None,
        })
    }
}
