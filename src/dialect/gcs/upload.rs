//! Uploads: what a request below `/upload/` asks, before its body and with it.
//!
//! An upload names its object in the query, in its metadata, or in both; then both have to say the same (GCS-05). The
//! metadata comes before the bytes, so everything is known before the first of them is read.
//!
//! In an upload of several requests, every request after the first comes back to an address that we gave out. It names
//! the object, so that it can be decided about, and has an upload id that is good for that object alone (GCS-04).
//!
//! Spec: <https://cloud.google.com/storage/docs/json_api/v1/objects/insert>

use super::Head;
use super::address::{self, Family};
use super::documents::ObjectFields;
use super::error::GcsError;
use super::hash::{self, Hashes};
use super::headers::{self, once};
use super::multipart::Boundary;
use super::query::Query;
use crate::authn::Handles;
use crate::operation::gcs::{Call, ChunkRange, Detail, Method, Sending};
use crate::operation::{BucketName, ObjectName, Resource};
use http::HeaderMap;

/// Bytes of an object, as at Google.
const LARGEST: u64 = 5 << 40;

/// What a request asks, as far as its head says.
#[derive(Debug)]
pub(crate) enum Asked {
    /// All bytes, and nothing about them but what the head says.
    Media(Insertion),
    /// Metadata and all bytes.
    Related(Insertion, Boundary),
    /// An upload in several requests begins; metadata may come.
    Begin(Insertion),
    /// It goes on.
    Step(Box<Step>),
}

/// An insertion whose object may be named in its metadata.
#[derive(Debug)]
pub(crate) struct Insertion {
    bucket: BucketName,
    name: Option<Box<str>>,
    parameters: Vec<(&'static str, Box<str>)>,
    headers: Vec<(&'static str, Box<str>)>,
    media_type: Option<Box<str>>,
    hashes: Hashes,
    /// Bytes of the body, if its head says so.
    pub(crate) length: Option<u64>,
    /// Whether the body comes compressed.
    pub(crate) packed: bool,
}

/// A request of an upload that was begun.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) upload: Upload,
    /// The upload id, not opened.
    pub(crate) handle: Box<str>,
}

/// An insertion, complete but for the bytes that it may have.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) call: Call,
    /// What is declared of all bytes of the object.
    pub(crate) hashes: Hashes,
    /// Bytes in this request, if they are known.
    pub(crate) length: Option<u64>,
}

/// Whether a request is an upload.
pub(crate) fn is_upload(path: &str) -> bool {
    matches!(Family::of(path), Some((Family::Upload, _)))
}

impl Asked {
    /// Reads the head of a request below `/upload/`.
    ///
    /// # Errors
    /// Google's own error for whatever is malformed or not known.
    pub(crate) fn parse(head: Head<'_>) -> Result<Self, GcsError> {
        let (_, rest) = Family::of(head.path).ok_or(GcsError::not_found("no path of the JSON API"))?;
        headers::check(head.headers)?;
        // Its address is that of the insertion, whatever is done with it.
        let address = address::parse("POST", rest)?;
        let (Method::ObjectsInsert, Resource::Bucket(bucket)) = (address.method, address.resource) else {
            return Err(GcsError::not_found("only objects are uploaded"));
        };
        let query = Query::parse(head.query)?;
        let parameters = query.crossing(Method::ObjectsInsert.row())?;
        if query.get("alt") == Some("media") {
            return Err(GcsError::invalid("`alt=media` is for downloads"));
        }
        let insertion = Insertion {
            bucket,
            name: query.get("name").map(Into::into),
            parameters,
            headers: headers::crossing(Method::ObjectsInsert, false, head.headers)?,
            media_type: once(head.headers, "content-type")?.map(Into::into),
            hashes: Hashes::declared(head.headers).map_err(|error| GcsError::invalid(error.to_string()))?,
            length: number(head.headers, "content-length")?,
            packed: is_packed(head.headers)?,
        };
        if let Some(handle) = query.get("upload_id") {
            return step(head, insertion, handle).map(|step| Self::Step(Box::new(step)));
        }
        if head.method != "POST" {
            return Err(GcsError::method_not_allowed("an upload begins with POST").allowing("POST"));
        }
        let kind = query.get("uploadType").or_else(|| {
            // The older address says it in its path.
            head.path.starts_with("/resumable/").then_some("resumable")
        });
        match kind {
            Some("media") => {
                refuse_packed(&insertion)?;
                Ok(Self::Media(insertion))
            }
            Some("multipart") => {
                if head.headers.contains_key("content-md5") {
                    return Err(GcsError::invalid(
                        "`Content-MD5` of a multipart body is of more than the object: send `x-goog-hash`, or `md5Hash` in \
                         the metadata",
                    ));
                }
                let content_type = insertion.media_type.as_deref().unwrap_or_default();
                let boundary = Boundary::of_related(content_type)
                    .map_err(|error| GcsError::invalid(format!("the upload cannot be read: {error}")))?;
                Ok(Self::Related(insertion, boundary))
            }
            Some("resumable") => begin(head.headers, insertion).map(Self::Begin),
            Some(_) => Err(GcsError::invalid(
                "`uploadType` is `media`, `multipart` or `resumable`",
            )),
            None => Err(GcsError::required("Required parameter: `uploadType`")),
        }
    }
}

impl Insertion {
    /// The upload of all bytes that has no metadata.
    ///
    /// # Errors
    /// As [`Insertion::related`].
    pub(crate) fn media(self) -> Result<Upload, GcsError> {
        let sending = Sending::Whole {
            metadata: None,
            media_type: self.media_type.clone(),
        };
        let length = self.length;
        let upload = self.of(&ObjectFields::default(), sending)?;
        Ok(Upload { length, ..upload })
    }

    /// The upload of all bytes that come with these fields. `media_type` and `length` are those of the bytes.
    ///
    /// # Errors
    /// `required` without a name, `invalid` for two names, two hashes, or fields that nobody may say.
    pub(crate) fn related(
        self,
        fields: ObjectFields,
        media_type: Option<Box<str>>,
        length: Option<u64>,
    ) -> Result<Upload, GcsError> {
        let fields = fields.without_nulls();
        let metadata = fields.to_json().map(Into::into);
        let upload = self.of(&fields, Sending::Whole { metadata, media_type })?;
        Ok(Upload { length, ..upload })
    }

    /// The beginning of an upload with these fields.
    ///
    /// # Errors
    /// As [`Insertion::related`], and `invalid` for more than an upload id can carry.
    pub(crate) fn begun(self, fields: ObjectFields) -> Result<Upload, GcsError> {
        let fields = fields.without_nulls();
        let metadata = match fields.is_empty() {
            true => None,
            false => fields.to_json().map(Into::into),
        };
        let upload = self.of(&fields, Sending::Begin { metadata })?;
        match Handles::fits_session(upload.call.wishes()) {
            true => Ok(upload),
            false => Err(GcsError::invalid(
                "`contexts` and `kmsKeyName` of an upload in several requests have about 700 bytes together: upload in one \
                 request, or set the contexts with a patch afterwards",
            )),
        }
    }

    fn of(mut self, fields: &ObjectFields, sending: Sending) -> Result<Upload, GcsError> {
        let has_bytes = matches!(sending, Sending::Whole { .. } | Sending::Chunk(_));
        // Beside bytes, it is said with all else that is known of them.
        if let (false, Some(declared)) = (has_bytes, self.hashes.header()) {
            self.headers.push((hash::NAME, declared.into()));
        }
        let Some(name) = self.name.as_deref().or(fields.name.as_deref()) else {
            return Err(GcsError::required(
                "Required: the object has no name, neither as `name` in the query nor in the metadata",
            ));
        };
        let object = ObjectName {
            key: address::object_key(name)?,
            bucket: self.bucket,
        };
        // GCS-05: what was decided about and what is written are one name.
        super::agree(&object, fields)?;
        super::decidable(&super::asked_in_parameters(&self.parameters), fields)?;
        let hashes = self.hashes.and(fields.hashes);
        let hashes = hashes.map_err(|error| GcsError::invalid(error.to_string()))?;
        let asked = super::asked_in_parameters(&self.parameters);
        let call = Call::new(
            Method::ObjectsInsert,
            Resource::Object(object),
            self.parameters,
            self.headers,
        )
        .map_err(|error| GcsError::invalid(error.to_string()))?
        .with_wishes(super::wishes(fields))
        // Google takes the parameter where both say something.
        .with_detail(Detail::Upload(sending), asked);
        Ok(Upload {
            call,
            hashes,
            length: None,
        })
    }
}

fn begin(headers: &HeaderMap, mut insertion: Insertion) -> Result<Insertion, GcsError> {
    if let Some(length) = number(headers, "x-upload-content-length")? {
        insertion
            .headers
            .push(("x-upload-content-length", length.to_string().into()));
    }
    if let Some(media_type) = once(headers, "x-upload-content-type")? {
        insertion
            .headers
            .push(("x-upload-content-type", media_type.into()));
    }
    Ok(insertion)
}

fn step(head: Head<'_>, mut insertion: Insertion, handle: &str) -> Result<Step, GcsError> {
    refuse_packed(&insertion)?;
    // What was asked at the beginning holds. Here it would be asked anew, of an upload that was decided about.
    let conditions = ["contentEncoding", "kmsKeyName", "predefinedAcl"];
    if let Some((name, _)) = insertion
        .parameters
        .iter()
        .find(|(name, _)| conditions.contains(name))
    {
        return Err(GcsError::invalid(format!(
            "`{name}` is said when an upload begins"
        )));
    }
    insertion.parameters.clear();
    let length = insertion.length;
    let sending = match head.method {
        "DELETE" => Sending::Cancel,
        // Some clients send their chunks with POST.
        "PUT" | "POST" => chunk(head.headers, length)?,
        _ => {
            let why = "an upload goes on with PUT and is given up with DELETE";
            return Err(GcsError::method_not_allowed(why).allowing("DELETE, POST, PUT"));
        }
    };
    let empty = !matches!(sending, Sending::Chunk(_));
    if empty && length.is_some_and(|length| length > 0) {
        return Err(GcsError::invalid("a request without a chunk has no body"));
    }
    let length = match &sending {
        Sending::Chunk(range) => range.length().or(length),
        Sending::Whole { .. } | Sending::Begin { .. } | Sending::Status { .. } | Sending::Cancel => Some(0),
    };
    let upload = insertion.of(&ObjectFields::default(), sending)?;
    Ok(Step {
        upload: Upload { length, ..upload },
        handle: handle.into(),
    })
}

/// `Content-Range`, held against `Content-Length`. Without one the body is the whole object.
fn chunk(headers: &HeaderMap, length: Option<u64>) -> Result<Sending, GcsError> {
    let invalid = |why: &str| Err(GcsError::invalid(format!("Invalid `Content-Range`: {why}")));
    let Some(text) = once(headers, "content-range")? else {
        return Ok(match length {
            // Of nothing there is no first byte.
            Some(0) => Sending::Status { total: Some(0) },
            _ => Sending::Chunk(ChunkRange {
                first: 0,
                last: length.map(|length| length.saturating_sub(1)),
                total: length,
            }),
        });
    };
    let forms = "it is `bytes first-last/total`, where the last two may be `*`, or `bytes */total`";
    let ranged = text.strip_prefix("bytes ").and_then(|rest| rest.split_once('/'));
    let Some((range, total)) = ranged else {
        return invalid(forms);
    };
    let open = |text: &str| match text {
        "*" => Some(None),
        digits => parsed(digits).map(Some),
    };
    let Some(total) = open(total) else {
        return invalid(forms);
    };
    if range == "*" {
        return Ok(Sending::Status { total });
    }
    let parts = range.split_once('-');
    let Some((Some(first), Some(last))) = parts.map(|(first, last)| (parsed(first), open(last))) else {
        return invalid(forms);
    };
    if last.is_some_and(|last| last < first) {
        return invalid("its last byte is before its first");
    }
    let end = last.map_or(Some(first), |last| last.checked_add(1));
    if end.is_none_or(|end| end > total.unwrap_or(LARGEST).min(LARGEST)) {
        return invalid("it is beyond the end of the object");
    }
    let range = ChunkRange { first, last, total };
    if let (Some(said), Some(length)) = (range.length(), length)
        && said != length
    {
        return invalid("it has another length than the body");
    }
    Ok(Sending::Chunk(range))
}

fn refuse_packed(insertion: &Insertion) -> Result<(), GcsError> {
    match insertion.packed {
        false => Ok(()),
        true => Err(GcsError::invalid(
            "the bytes of an object are sent as they are, without `Content-Encoding`: say `contentEncoding=gzip` in the query \
             if they are meant to be compressed",
        )),
    }
}

/// Whether a body comes compressed.
///
/// # Errors
/// `invalid` for anything but `gzip`.
pub(crate) fn is_packed(headers: &HeaderMap) -> Result<bool, GcsError> {
    match once(headers, "content-encoding")? {
        None => Ok(false),
        Some(encoding) if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") => Ok(false),
        Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => Ok(true),
        Some(_) => Err(GcsError::invalid("`Content-Encoding` is `gzip` or not there")),
    }
}

fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, GcsError> {
    let Some(text) = once(headers, name)? else {
        return Ok(None);
    };
    let number = parsed(text).filter(|number| *number <= LARGEST);
    let number =
        number.ok_or_else(|| GcsError::invalid(format!("`{name}` is not a number of bytes up to 5 TiB")));
    number.map(Some)
}

fn parsed(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
