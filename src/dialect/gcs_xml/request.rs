//! An operation in Google's words, or the reason why it has none.
//!
//! Nothing is left out in silence that could change what happens: what Google would ignore is refused. Left out are
//! only declarations about the payload, which are verified here, and hints without an effect on the object.

use super::{Untranslatable, encryption, storage_class, words};
use crate::operation::{Api, Operation, Protocol, Scope};
use http::{HeaderName, HeaderValue};
use std::borrow::Cow;

/// Says `operation` to Google: the headers of its request. Values that are secrets are marked.
///
/// # Errors
/// [`Untranslatable`], with words for the caller, for whatever Google lacks: call, header or parameter.
pub(crate) fn translate(operation: &Operation) -> Result<Vec<(HeaderName, HeaderValue)>, Untranslatable> {
    said(operation).map_err(|error| match operation.spoken() {
        Protocol::S3 => error,
        Protocol::Gcs => error.in_googles_words(),
    })
}

fn said(operation: &Operation) -> Result<Vec<(HeaderName, HeaderValue)>, Untranslatable> {
    known(operation.api())?;
    for (name, value) in operation.parameters() {
        parameter(operation.api(), name, value)?;
    }
    let mut spoken = encryption::translate(operation)?;
    // Whoever asks for the part that changed takes the whole if it cannot be told: a range is only ever an offer.
    let without_range = operation.header("if-range").is_some();
    for (name, value) in operation.headers() {
        if encryption::concerns(name) || (without_range && name == "range") {
            continue;
        }
        if let Some((name, value)) = header(operation.api(), name, value)? {
            let value = HeaderValue::from_str(&value).map_err(|_| Untranslatable::Value {
                name: "x-amz-meta-",
                wrong: "it is not printable ASCII",
            })?;
            spoken.push((name, value));
        }
    }
    let mut say = |name, value| spoken.push((HeaderName::from_static(name), value));
    if let Some(version) = operation
        .copy_source()
        .and_then(|source| source.version_id.as_deref())
    {
        let generation = HeaderValue::from_str(generation(version)?);
        say(
            "x-goog-copy-source-generation",
            generation.map_err(|_| NO_GENERATION)?,
        );
    }
    match operation.api() {
        // Without it Google unpacks what is stored with `Content-Encoding: gzip`, and ignores ranges.
        Api::GetObject | Api::HeadObject => say("accept-encoding", HeaderValue::from_static("gzip")),
        Api::DeleteObjects | Api::CompleteMultipartUpload => {
            say("content-type", HeaderValue::from_static("application/xml"));
        }
        // Without it versions are listed in a form of Google's own.
        Api::ListObjectVersions => say(
            "x-goog-interop-list-objects-format",
            HeaderValue::from_static("enabled"),
        ),
        _ => {}
    }
    Ok(spoken)
}

/// What Google has under the same name and with the same document.
const KNOWN: [Api; 19] = [
    Api::CreateBucket,
    Api::DeleteBucket,
    Api::HeadBucket,
    Api::GetBucketVersioning,
    Api::ListObjects,
    Api::ListObjectsV2,
    Api::ListObjectVersions,
    Api::ListMultipartUploads,
    Api::ListParts,
    Api::GetObject,
    Api::HeadObject,
    Api::PutObject,
    Api::CopyObject,
    Api::DeleteObject,
    Api::DeleteObjects,
    Api::CreateMultipartUpload,
    Api::UploadPart,
    Api::CompleteMultipartUpload,
    Api::AbortMultipartUpload,
];

fn known(api: Api) -> Result<(), Untranslatable> {
    if KNOWN.contains(&api) {
        return Ok(());
    }
    Err(Untranslatable::Operation {
        api: api.name(),
        way_out: match api {
            Api::UploadPartCopy => {
                ": copy the whole object with CopyObject, or download the range and upload it as a part"
            }
            Api::GetObjectTagging | Api::PutObjectTagging | Api::DeleteObjectTagging => {
                ": keep what would be a tag in `x-amz-meta-` headers"
            }
            Api::GetObjectAttributes => ": HeadObject tells length, entity tag, class and checksum",
            Api::RestoreObject => ": every object can be read at once, whatever its storage class",
            _ if api.row().scope == Scope::Bucket => ": set it with the tools of Google Cloud",
            _ => "",
        },
    })
}

type Header<'a> = Option<(HeaderName, Cow<'a, str>)>;

/// A header in Google's words; `None` if it is left out.
fn header<'a>(api: Api, name: &str, value: &'a str) -> Result<Header<'a>, Untranslatable> {
    let renamed = |to: &'static str| Ok(Some((HeaderName::from_static(to), Cow::Borrowed(value))));
    let same = || {
        let name = HeaderName::try_from(name).map_err(|_| lacking(name, "does not know it"))?;
        Ok(Some((name, Cow::Borrowed(value))))
    };
    let refused = |lack| Err(lacking(name, lack));
    let reads = matches!(api, Api::GetObject | Api::HeadObject);
    match name {
        "cache-control"
        | "content-disposition"
        | "content-encoding"
        | "content-language"
        | "content-type"
        | "range" => same(),
        "if-match" | "if-none-match" | "if-modified-since" | "if-unmodified-since" if reads => same(),
        // Said by ourselves; a range without its condition is not asked for at all.
        "accept-encoding" | "if-range" => Ok(None),
        "expires" => refused("does not keep it: leave it out, or say it in `Cache-Control`"),
        "if-none-match" => if_absent(api, value),
        "if-match" => refused(
            "compares no entity tags when it writes, and would write in any case: leave the condition out, or use \
             `If-None-Match: *` to write only what is not there yet",
        ),
        "x-amz-storage-class" => Ok(Some((
            HeaderName::from_static("x-goog-storage-class"),
            Cow::Borrowed(storage_class::of_amazon(value)?),
        ))),
        // Said in Google's own words, and heeded in this call.
        _ if words::conditions(api).contains(&name) => same(),
        "x-amz-metadata-directive" => renamed("x-goog-metadata-directive"),
        "x-amz-copy-source-if-match" => renamed("x-goog-copy-source-if-match"),
        "x-amz-copy-source-if-none-match" => renamed("x-goog-copy-source-if-none-match"),
        "x-amz-copy-source-if-modified-since" => renamed("x-goog-copy-source-if-modified-since"),
        "x-amz-copy-source-if-unmodified-since" => renamed("x-goog-copy-source-if-unmodified-since"),
        "x-amz-object-lock-mode" => renamed("x-goog-object-lock-mode"),
        "x-amz-object-lock-retain-until-date" => renamed("x-goog-object-lock-retain-until-date"),
        "x-amz-bypass-governance-retention" => renamed("x-goog-bypass-governance-retention"),
        "x-amz-bucket-object-lock-enabled" => renamed("x-goog-bucket-object-lock-enabled"),
        // These give nobody anything that the bucket does not give anyway.
        "x-amz-acl" if matches!(value, "private" | "bucket-owner-full-control") => Ok(None),
        "x-amz-acl" => refused("is not told who else may read: leave it out; policies and IAM say so"),
        _ if name.starts_with("x-amz-grant-") => {
            refused("is not told who else may read: leave it out; policies and IAM say so")
        }
        // What is declared of the payload is verified here, in the stream; parts have sums of their own.
        "x-amz-checksum-mode"
        | "x-amz-checksum-algorithm"
        | "x-amz-sdk-checksum-algorithm"
        | "x-amz-checksum-type" => Ok(None),
        // Who pays is the project of the credential. The size is a cross-check that Google does not offer.
        "x-amz-request-payer" | "x-amz-mp-object-size" | "x-amz-optional-object-attributes" => Ok(None),
        // No object has tags or annotations there, so to copy them is to do nothing.
        "x-amz-tagging-directive" if value == "COPY" => Ok(None),
        "x-amz-object-annotation-directive" => Ok(None),
        "x-amz-tagging" | "x-amz-tagging-directive" => {
            refused("has no object tags: leave them out, or keep them in `x-amz-meta-` headers")
        }
        _ if name.starts_with("x-amz-checksum-") => refused(
            "cannot check it for a whole upload in parts: leave it out; the sums of the parts are checked here",
        ),
        _ if name.starts_with("x-amz-copy-source-server-side-encryption-") => {
            refused("cannot copy an object with a key of yours: download it and upload it again")
        }
        _ => match name.strip_prefix("x-amz-meta-") {
            Some(key) => {
                let name = HeaderName::try_from(format!("x-goog-meta-{key}"));
                let name = name.map_err(|_| lacking(name_of_metadata(key), "cannot keep it"))?;
                Ok(Some((name, Cow::Borrowed(value))))
            }
            None => refused("does not know it: leave it out"),
        },
    }
}

/// `If-None-Match: *` on a write. Google ignores it and has its own condition, which it ignores in turn when an
/// upload in parts is completed.
fn if_absent<'a>(api: Api, value: &str) -> Result<Header<'a>, Untranslatable> {
    match (api, value.trim()) {
        (Api::PutObject | Api::CopyObject, "*") => Ok(Some((
            HeaderName::from_static("x-goog-if-generation-match"),
            Cow::Borrowed("0"),
        ))),
        (Api::PutObject | Api::CopyObject, _) => Err(Untranslatable::Value {
            name: "if-none-match",
            wrong: "on a write it is `*`",
        }),
        _ => Err(lacking(
            "if-none-match",
            "knows no condition when an upload in parts is completed: leave it out, or upload in one request",
        )),
    }
}

/// The name of a parameter, whose value is the same.
pub(crate) fn parameter_name(name: &str) -> &str {
    match name {
        "versionId" => "generation",
        _ => name,
    }
}

fn parameter(api: Api, name: &'static str, value: &str) -> Result<(), Untranslatable> {
    let lack = match name {
        "versionId" => return generation(value).map(drop),
        "partNumber" if matches!(api, Api::GetObject | Api::HeadObject) => {
            "does not keep the parts of an object apart: leave it out, or ask for a `Range`"
        }
        "response-cache-control"
        | "response-content-encoding"
        | "response-content-language"
        | "response-expires" => "replaces only the type and the disposition of a response: leave it out",
        _ => return Ok(()),
    };
    Err(Untranslatable::Parameter { name, lack })
}

const NO_GENERATION: Untranslatable = Untranslatable::Value {
    name: "versionId",
    wrong: "versions are generations here: whole numbers, as in a listing of versions",
};

fn generation(version: &str) -> Result<&str, Untranslatable> {
    let digits = (1..=20).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_digit());
    if digits { Ok(version) } else { Err(NO_GENERATION) }
}

fn lacking(name: impl Into<String>, lack: &'static str) -> Untranslatable {
    Untranslatable::Header {
        name: name.into(),
        lack,
    }
}

fn name_of_metadata(key: &str) -> String {
    format!("x-amz-meta-{key}")
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
