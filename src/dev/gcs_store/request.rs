//! A request's head, read strictly: what it is about, its parameters, its headers.
//!
//! Google ignores much of what it does not know. Here it is an error, so that whatever somebody forwards is proven to be
//! understood. An object's name is one segment of the path: a slash in it is `%2F`.

use super::Refusal;
use super::object::Members;
use http::{HeaderMap, Uri, header};
use serde_json::Value;

/// What the path of a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Buckets,
    Bucket(String),
    /// A call about a whole bucket: `iam`, `storageLayout`, ...
    OfBucket(String, BucketCall),
    Objects(String),
    Object(String, String),
    /// `/download/...`, which is for media alone.
    Download(String, String),
    Upload(String),
    Compose(String, String),
    Restore(String, String),
    Copy(Pair),
    Rewrite(Pair),
    Move(Pair),
    /// `/acl` and `/acl/ENTITY` of an object.
    ObjectAcl(String, String, Option<String>),
    ObjectIam(String, String),
    ObjectIamTest(String, String),
    ServiceAccount(String),
    Batch,
}

/// Two objects: the one that is read, and the one that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) from: (String, String),
    pub(super) to: (String, String),
}

/// What there is of a bucket besides objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BucketCall {
    Iam,
    IamTest,
    StorageLayout,
    Folders(Option<String>),
    ManagedFolders(Option<String>),
    Acl(Option<String>),
    DefaultAcl(Option<String>),
    Notifications(Option<String>),
}

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
const AUDIT_PREFIX: &str = "x-goog-custom-audit-";

impl Target {
    /// Reads a path.
    ///
    /// # Errors
    /// 404 for what there is not, 400 for broken encoding.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let mut segments = Vec::new();
        for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
            segments.push(decoded(segment)?);
        }
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let own = |text: &str| text.to_owned();
        let target = match segments.as_slice() {
            ["upload" | "resumable", rest @ ..] => {
                let rest = match rest {
                    ["upload", rest @ ..] => rest,
                    rest => rest,
                };
                match rest {
                    ["storage", "v1", "b", bucket, "o"] => Self::Upload(own(bucket)),
                    _ => return Err(nowhere()),
                }
            }
            ["download", "storage", "v1", "b", bucket, "o", name] => Self::Download(own(bucket), own(name)),
            ["batch", "storage", "v1"] | ["batch"] => Self::Batch,
            ["storage", "v1", rest @ ..] => match rest {
                ["b"] => Self::Buckets,
                ["b", bucket] => Self::Bucket(own(bucket)),
                ["b", bucket, "o"] => Self::Objects(own(bucket)),
                ["b", bucket, "o", name] => Self::Object(own(bucket), own(name)),
                ["b", bucket, "o", name, "compose"] => Self::Compose(own(bucket), own(name)),
                ["b", bucket, "o", name, "restore"] => Self::Restore(own(bucket), own(name)),
                ["b", bucket, "o", name, "acl"] => Self::ObjectAcl(own(bucket), own(name), None),
                ["b", bucket, "o", name, "acl", entity] => {
                    Self::ObjectAcl(own(bucket), own(name), Some(own(entity)))
                }
                ["b", bucket, "o", name, "iam"] => Self::ObjectIam(own(bucket), own(name)),
                ["b", bucket, "o", name, "iam", "testPermissions"] => {
                    Self::ObjectIamTest(own(bucket), own(name))
                }
                ["b", bucket, "o", name, "moveTo", "o", to] => Self::Move(Pair {
                    from: (own(bucket), own(name)),
                    to: (own(bucket), own(to)),
                }),
                [
                    "b",
                    bucket,
                    "o",
                    name,
                    call @ ("copyTo" | "rewriteTo"),
                    "b",
                    to_bucket,
                    "o",
                    to,
                ] => {
                    let pair = Pair {
                        from: (own(bucket), own(name)),
                        to: (own(to_bucket), own(to)),
                    };
                    if *call == "copyTo" {
                        Self::Copy(pair)
                    } else {
                        Self::Rewrite(pair)
                    }
                }
                ["b", bucket, call @ ..] => Self::OfBucket(own(bucket), BucketCall::parse(call)?),
                ["projects", project, "serviceAccount"] => Self::ServiceAccount(own(project)),
                _ => return Err(nowhere()),
            },
            _ => return Err(nowhere()),
        };
        Ok(target)
    }
}

impl BucketCall {
    fn parse(segments: &[&str]) -> Result<Self, Refusal> {
        let own = |text: &str| Some(text.to_owned());
        Ok(match segments {
            ["iam"] => Self::Iam,
            ["iam", "testPermissions"] => Self::IamTest,
            ["storageLayout"] => Self::StorageLayout,
            ["folders"] => Self::Folders(None),
            ["folders", name] => Self::Folders(own(name)),
            ["managedFolders"] => Self::ManagedFolders(None),
            ["managedFolders", name] => Self::ManagedFolders(own(name)),
            ["acl"] => Self::Acl(None),
            ["acl", entity] => Self::Acl(own(entity)),
            ["defaultObjectAcl"] => Self::DefaultAcl(None),
            ["defaultObjectAcl", entity] => Self::DefaultAcl(own(entity)),
            ["notificationConfigs"] => Self::Notifications(None),
            ["notificationConfigs", id] => Self::Notifications(own(id)),
            _ => return Err(nowhere()),
        })
    }
}

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

/// The members of a body; none if it is empty.
///
/// # Errors
/// What is not a JSON object, or has a member twice.
pub(super) fn members(headers: &HeaderMap, body: &[u8]) -> Result<Members, Refusal> {
    if body.is_empty() {
        return Ok(Members::new());
    }
    let kind = text(headers, "content-type").unwrap_or_default();
    if !kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/json")
    {
        let message = format!("Unsupported content with type: {kind}");
        return Err(Refusal::invalid(message));
    }
    json(body)
}

/// The members of a document.
///
/// # Errors
/// As [`members`].
pub(super) fn json(document: &[u8]) -> Result<Members, Refusal> {
    let refused = |error: serde_json::Error| Refusal::new(400, "parseError", format!("Parse Error: {error}"));
    crate::json::Object::parse(document).map_err(refused)?;
    match serde_json::from_slice(document).map_err(refused)? {
        Value::Object(members) => Ok(members),
        _ => Err(Refusal::new(400, "parseError", "Parse Error")),
    }
}

fn nowhere() -> Refusal {
    Refusal::not_found("Not Found")
}

fn decoded(segment: &str) -> Result<String, Refusal> {
    let broken = || Refusal::invalid("The path is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (high, low) = (digit().ok_or_else(broken)?, digit().ok_or_else(broken)?);
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        let check =
            |path: &str, expected: Option<Target>| assert_eq!(Target::parse(path).ok(), expected, "{path}");
        let object = |name: &str| Some(Target::Object("b".into(), name.into()));
        check("/storage/v1/b/b/o/a%2Fb", object("a/b"));
        check("/storage/v1/b/b/o/a%252Fb", object("a%2Fb"));
        check("/storage/v1/b/b/o/a+b%3F", object("a+b?"));
        check("/storage/v1/b/b/o/%C3%A4", object("ä"));
        check("/storage/v1/b/b/o/a/b", None);
        check("/storage/v1/b/b/o/%C3", None);
        check("/storage/v1/b/b/o/%4", None);
        check("/storage/v1/b/b/o/%+4", None);
        check("/storage/v2/b/b/o/a", None);
        check("/upload/storage/v1/b/b/o", Some(Target::Upload("b".into())));
        check(
            "/resumable/upload/storage/v1/b/b/o",
            Some(Target::Upload("b".into())),
        );
        check("/b/o", None);
    }
}
