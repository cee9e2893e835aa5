//! A request's head, read strictly: its parameters and its headers.
//!
//! Google ignores much of what it does not know. Here it is an error, so that whatever somebody forwards is proven to be
//! understood.

use super::Refusal;
use http::{HeaderMap, Uri, header};

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

/// Parameters that every call takes. Those that would carry a credential or another method are not among them.
const COMMON: [&str; 6] = [
    "alt",
    "fields",
    "prettyPrint",
    "quotaUser",
    "userProject",
    "uploadType",
];

/// Headers of Google's that the JSON API takes.
const GOOGLE: [&str; 10] = [
    "x-goog-allowed-resources",
    "x-goog-api-client",
    "x-goog-copy-source-encryption-algorithm",
    "x-goog-copy-source-encryption-key",
    "x-goog-copy-source-encryption-key-sha256",
    "x-goog-encryption-algorithm",
    "x-goog-encryption-key",
    "x-goog-encryption-key-sha256",
    "x-goog-gcs-idempotency-token",
    "x-goog-user-project",
];
/// Those of uploads.
const UPLOAD: [&str; 4] = [
    "x-goog-hash",
    "x-upload-content-length",
    "x-goog-resumable",
    "content-md5",
];
/// Custom audit information: how much there may be.
pub(super) const AUDIT_PREFIX: &str = "x-goog-custom-audit-";

impl Query {
    /// Reads the query of a request.
    ///
    /// # Errors
    /// A parameter that is there twice, except for `permissions`.
    pub(super) fn parse(uri: &Uri) -> Result<Self, Refusal> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if name != "permissions" && pairs.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::parameter(&name, &value));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// Refuses whatever is neither common nor in `known`.
    ///
    /// # Errors
    /// 400 for the first such parameter, for `alt` of another value than `alts` have, and for bad `fields`.
    pub(super) fn only(&self, alts: &[&str], known: &[&[&str]]) -> Result<(), Refusal> {
        for (name, value) in &self.0 {
            let name = name.as_str();
            if !COMMON.contains(&name) && !known.iter().any(|known| known.contains(&name)) {
                return Err(Refusal::unknown("parameter", name));
            }
            match name {
                "alt" if !alts.contains(&value.as_str()) => return Err(Refusal::parameter(name, value)),
                "prettyPrint" if !["true", "false"].contains(&value.as_str()) => {
                    return Err(Refusal::parameter(name, value));
                }
                "projection" if !["full", "noAcl"].contains(&value.as_str()) => {
                    return Err(Refusal::parameter(name, value));
                }
                "uploadType" if !known.iter().any(|known| known.contains(&"name")) => {
                    return Err(Refusal::unknown("parameter", name));
                }
                "fields" => {
                    super::fields::Fields::parse(value)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The names of all parameters.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.all(name);
        all.next()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A number of 64 bits.
    ///
    /// # Errors
    /// What is none.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| plain);
        number.map(Some).ok_or_else(|| Refusal::parameter(name, text))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// What is neither.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            // `True` is what gcloud writes.
            None | Some("false" | "False") => Ok(false),
            Some("true" | "True") => Ok(true),
            Some(other) => Err(Refusal::parameter(name, other)),
        }
    }

    /// Whether access control is to be shown.
    pub(super) fn full(&self) -> bool {
        self.get("projection") == Some("full")
    }
}

/// Checks the headers that every call may have; `upload` adds those of uploads.
///
/// # Errors
/// 400 for headers of Amazon's, for those of Google's that there are not, and for a method that is overridden.
pub(super) fn check_headers(headers: &HeaderMap, upload: bool) -> Result<(), Refusal> {
    let mut audited = 0;
    for (name, value) in headers {
        let name = name.as_str();
        let known = match name {
            audit if audit.starts_with(AUDIT_PREFIX) => {
                audited += 1;
                audited <= 4 && audit.len() <= 64 && value.len() <= 1200
            }
            name if UPLOAD.contains(&name) => upload,
            name if name.starts_with("x-goog-") => GOOGLE.contains(&name),
            "x-http-method-override" | "x-http-method" | "x-method-override" | "x-allowed-locations" => false,
            // Google's library for Python says it of downloads, too.
            "x-upload-content-type" => true,
            name => !name.starts_with("x-amz-") && !name.starts_with("x-upload-"),
        };
        if !known || headers.get_all(name).iter().count() > 1 {
            return Err(Refusal::unknown("header", name));
        }
    }
    // What is sent compressed would be stored compressed without being said to be.
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Refusal::unknown("header", "content-encoding"));
    }
    Ok(())
}

/// Where a request was sent to, for the addresses in its answer.
pub(super) fn origin(headers: &HeaderMap, tls: bool) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

/// A header that is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
