//! The caller's names, for what a target answers.
//!
//! A virtual bucket may be a folder of a bucket at the target, and the ids that a target gives out are good for
//! Tidegate alone. So every name of an answer is turned round on its way: the folder comes off the keys, ids are sealed
//! for the caller. What has no name on this side is not passed on: AUZ-10, a target that lists keys outside of the
//! prefix it was asked for has not understood the question, and what it says may be somebody else's.

use super::DocumentError;
use crate::authn::{Handles, Place};
use crate::authz::Permit;
use crate::config::Bucket;
use crate::dialect::s3::uri;
use crate::operation::{ObjectKey, Operation, Upload, UploadOrigin, UploadTerms};
use std::sync::Arc;

/// What the caller of one request calls things.
#[derive(Clone)]
pub(crate) struct Names {
    bucket: Arc<Bucket>,
    /// Where the caller reaches the bucket, without a slash at the end.
    url: Box<str>,
    key: Option<ObjectKey>,
    /// The prefix that a listing asks for; `None` for what lists nothing.
    asked: Option<Box<str>>,
    /// The names of a listing are to be URL-encoded.
    encoded: bool,
    upload_id: Option<Box<str>>,
    upload_id_marker: Option<Box<str>>,
    continuation_token: Option<Box<str>>,
    terms: UploadTerms,
    handles: Handles,
}

impl Names {
    /// The names of the caller who has `permit`. `url` is where that caller reaches the bucket: `https://host/bucket`
    /// or `https://bucket.host`. `None` for what has no bucket at a target.
    pub(crate) fn of(permit: &Permit, url: &str, handles: &Handles) -> Option<Self> {
        Some(Self::new(
            Arc::clone(permit.bucket()?),
            permit.operation(),
            url,
            handles.clone(),
        ))
    }

    pub(super) fn new(bucket: Arc<Bucket>, operation: &Operation, url: &str, handles: Handles) -> Self {
        let sent = |name| operation.parameter(name).map(Into::into);
        Self {
            bucket,
            url: url.into(),
            key: operation.object().map(|object| object.key.clone()),
            asked: operation.listed_prefix().map(Into::into),
            encoded: operation.parameter("encoding-type").is_some(),
            upload_id: sent("uploadId"),
            upload_id_marker: sent("upload-id-marker"),
            continuation_token: sent("continuation-token"),
            terms: UploadTerms::of(operation),
            handles,
        }
    }

    /// For one document: S3 says in it whether its names are encoded; not every store that was asked to does so.
    pub(super) fn for_document(&self, body: &[u8]) -> Self {
        let says_so = || std::str::from_utf8(body).is_ok_and(|text| text.contains(ENCODED));
        Self {
            encoded: self.encoded && says_so(),
            ..self.clone()
        }
    }

    /// Whether the answer names many keys, and not the one of the call.
    pub(super) fn lists(&self) -> bool {
        self.asked.is_some()
    }

    fn asked(&self) -> &str {
        self.asked.as_deref().unwrap_or_default()
    }

    pub(super) fn bucket(&self) -> &str {
        self.bucket.name.as_str()
    }

    /// The key of the object that the call is about, as its document shows it.
    pub(super) fn own_key(&self) -> Option<String> {
        let key = self.key.as_ref()?.as_str();
        if !self.encoded {
            return Some(key.to_owned());
        }
        let mut encoded = String::new();
        uri::encode_path(key.as_bytes(), &mut encoded);
        Some(encoded)
    }

    /// Where the caller finds the object that the call is about.
    pub(crate) fn location(&self) -> Option<String> {
        let mut url = format!("{}/", self.url);
        uri::encode_path(self.key.as_ref()?.as_str().as_bytes(), &mut url);
        Some(url)
    }

    /// A key, or the beginning of keys, out of a listing.
    ///
    /// # Errors
    /// [`DocumentError::Outside`] if it is not below the prefix that was asked for.
    pub(super) fn listed<'t>(&self, text: &'t str) -> Result<&'t str, DocumentError> {
        let below = |text, prefix| below(text, prefix, self.encoded).ok_or(DocumentError::Outside);
        let name = below(text, self.bucket.prefix.as_str())?;
        below(name, self.asked())?;
        Ok(name)
    }

    /// Where the next page begins; empty if there is none.
    pub(super) fn next<'t>(&self, text: &'t str) -> Result<&'t str, DocumentError> {
        match text {
            "" => Ok(""),
            text => self.listed(text),
        }
    }

    /// What the target repeats of the question. Stores differ in how exactly they do: what is not ours is left out.
    pub(super) fn repeated<'t>(&self, text: &'t str) -> &'t str {
        below(text, self.bucket.prefix.as_str(), self.encoded).unwrap_or_default()
    }

    /// A key of a DeleteObjects result.
    pub(super) fn deleted<'t>(&self, text: &'t str) -> Result<&'t str, DocumentError> {
        self.bucket.prefix.strip(text).ok_or(DocumentError::Outside)
    }

    /// The id of an upload that this call began, or the one that the caller named.
    pub(super) fn own_upload(&self, target_id: &str) -> Result<String, DocumentError> {
        match (&self.upload_id, &self.key) {
            (Some(sent), _) => Ok(sent.to_string()),
            (None, Some(key)) => self.seal(key.as_str(), target_id, UploadOrigin::Begun),
            (None, None) => Err(DocumentError::Malformed("it has an upload of no object")),
        }
    }

    /// The id of an upload in a listing; `key` as [`Names::listed`] gave it.
    pub(super) fn listed_upload(&self, key: &str, target_id: &str) -> Result<String, DocumentError> {
        if !self.encoded {
            return self.seal(key, target_id, UploadOrigin::Listed);
        }
        let key = uri::decode(&key.replace('+', " ")).and_then(|key| String::from_utf8(key).ok());
        let key = key.ok_or(DocumentError::Malformed("a key is not URL-encoded"))?;
        self.seal(&key, target_id, UploadOrigin::Listed)
    }

    fn seal(&self, key: &str, target_id: &str, origin: UploadOrigin) -> Result<String, DocumentError> {
        let terms = match origin {
            UploadOrigin::Begun => self.terms.clone(),
            UploadOrigin::Listed => UploadTerms::default(),
        };
        let upload = Upload {
            target_id: target_id.into(),
            origin,
            terms,
        };
        Ok(self.handles.seal_upload(&place(&self.bucket), key, &upload)?)
    }

    /// The marker between uploads that the caller sent.
    pub(super) fn upload_id_marker(&self) -> &str {
        self.upload_id_marker.as_deref().unwrap_or_default()
    }

    /// The continuation token that the caller sent, `text` being the target's.
    pub(super) fn continuation_token<'t>(&'t self, text: &'t str) -> &'t str {
        match self.bucket.prefix.is_empty() {
            true => text,
            false => self.continuation_token.as_deref().unwrap_or_default(),
        }
    }

    /// The token of the next page. At many stores it is a key: where callers do not see the folder, it is sealed.
    pub(super) fn next_token(&self, text: &str) -> Result<String, DocumentError> {
        match self.bucket.prefix.is_empty() || text.is_empty() {
            true => Ok(text.to_owned()),
            false => Ok(self.handles.seal_page(&place(&self.bucket), self.asked(), text)?),
        }
    }
}

/// How S3 says that the names of a listing are encoded.
const ENCODED: &str = "<EncodingType>url</EncodingType>";

/// Where the handles of a bucket are good.
pub(crate) fn place(bucket: &Bucket) -> Place<'_> {
    Place {
        target: &bucket.target.name,
        target_bucket: bucket.target_bucket.as_str(),
        prefix: bucket.prefix.as_str(),
        bucket: bucket.name.as_str(),
    }
}

/// What follows `prefix` in `text`, which may be URL-encoded; `None` if it does not begin with it.
///
/// Some stores say that they encode, and do not: both readings are accepted.
fn below<'t>(text: &'t str, prefix: &str, encoded: bool) -> Option<&'t str> {
    let as_it_is = text.strip_prefix(prefix);
    match encoded {
        true => as_it_is.or_else(|| below_encoded(text, prefix)),
        false => as_it_is,
    }
}

/// Each byte of `prefix` is in `text` as it is, as `%XX`, or, for a space, as a plus.
fn below_encoded<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let mut rest = text.as_bytes();
    for &wanted in prefix.as_bytes() {
        let escaped = rest.split_first_chunk::<3>().and_then(|(unit, after)| {
            let decoded = uri::decode(std::str::from_utf8(unit).ok()?)?;
            (decoded == [wanted]).then_some(after)
        });
        rest = match (escaped, rest.split_first()) {
            (Some(after), _) => after,
            (None, Some((b'+', after))) if wanted == b' ' => after,
            (None, Some((byte, after))) if *byte == wanted && *byte != b'%' => after,
            (None, _) => return None,
        };
    }
    text.get(text.len() - rest.len()..)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::authn::{KeyRing, Principal, PrincipalKind};
    use crate::operation::{Api, BucketName, Detail, KeyPrefix, ObjectName, Resource};
    use proptest::prelude::*;

    pub(in super::super) fn handles() -> Handles {
        let etl = Principal::for_test(PrincipalKind::Workload, "idp:etl", &[]);
        Handles::of(KeyRing::for_test(1), &etl, jiff::Timestamp::UNIX_EPOCH)
    }

    /// Names in bucket `lake`, which is folder `prefix` of a bucket `acme` at a target.
    pub(in super::super) fn names(api: Api, prefix: &str, parameters: &[(&'static str, &str)]) -> Names {
        let name = BucketName::parse("lake").unwrap();
        let config = include_str!("../../../config/sample.toml");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tidegate.toml");
        std::fs::write(&path, config).unwrap();
        let sample = crate::config::load(&path).unwrap();
        let bucket = Bucket {
            prefix: match prefix {
                "" => KeyPrefix::default(),
                prefix => KeyPrefix::parse(prefix).unwrap(),
            },
            ..(*sample.buckets["lake"]).clone()
        };
        let resource = match api.row().scope {
            crate::operation::Scope::Object => Resource::Object(ObjectName {
                bucket: name,
                key: ObjectKey::parse("a b/ä+?c".as_bytes()).unwrap(),
            }),
            _ => Resource::Bucket(name),
        };
        let parameters = parameters.iter().map(|(n, v)| (*n, (*v).into())).collect();
        let detail = match api {
            Api::CompleteMultipartUpload => Detail::Parts(Vec::new()),
            Api::DeleteObjects => Detail::Deletions {
                objects: Vec::new(),
                quiet: false,
            },
            Api::CopyObject | Api::UploadPartCopy => Detail::Copy(crate::operation::CopySource {
                object: ObjectName {
                    bucket: BucketName::parse("lake").unwrap(),
                    key: ObjectKey::parse(b"a").unwrap(),
                },
                version_id: None,
            }),
            _ => Detail::None,
        };
        let operation = Operation::new(api, resource, parameters, Vec::new(), detail).unwrap();
        Names::new(
            Arc::new(bucket),
            &operation,
            "https://s3.tidegate.test/lake",
            handles(),
        )
    }

    #[test]
    fn encoded_names_lose_their_prefix_as_they_are() {
        let check = |text: &str, prefix: &str, rest: Option<&str>| {
            assert_eq!(below_encoded(text, prefix), rest, "{text} below {prefix}");
        };
        check("a%2Fb", "a/", Some("b"));
        check("a%2fb", "a/", Some("b"));
        check("a/b%20c", "a/", Some("b%20c"));
        check("a+b/%C3%A4", "a b/", Some("%C3%A4"));
        check("a%20b/", "a b/", Some(""));
        check("%C3%A4/x", "ä/", Some("x"));
        check("ä/x", "ä/", Some("x"));
        check("a%2Bb", "a+", Some("b"));
        check("a+b", "a+", Some("b"));
        check("a%25b", "a%", Some("b"));
        check("ab", "a/", None);
        check("a%2", "a/", None);
        check("a%+f", "a/", None);
        check("a%", "a%", None);
        check("%", "ä", None);
        check("", "a", None);
        check("a%252Fb", "a/", None);
    }

    // AUZ-10
    #[test]
    fn a_name_outside_of_the_prefix_that_was_asked_for_is_refused() {
        let check = |prefix: &str, asked: &str, text: &str, expected: Option<&str>| {
            let names = names(Api::ListObjectsV2, prefix, &[("prefix", asked)]);
            assert_eq!(names.listed(text).ok(), expected, "{prefix} {asked} {text}");
        };
        check("", "", "a", Some("a"));
        check("", "team-a/", "team-a/x", Some("team-a/x"));
        check("", "team-a/", "team-ab/x", None);
        check("", "team-a", "team-ab/x", Some("team-ab/x"));
        check("teams/a/", "", "teams/a/x", Some("x"));
        check("teams/a/", "x/", "teams/a/x/y", Some("x/y"));
        check("teams/a/", "x/", "teams/a/y", None);
        check("teams/a/", "", "teams/b/x", None);
        check("teams/a/", "", "x", None);
        check("teams/a/", "../b/", "teams/b/x", None);
        // What a store that drops leading slashes answers.
        check("", "/x", "x", None);
    }

    proptest! {
        // AUZ-10: whatever a store leaves as it is when it encodes, the caller's name is what was put behind the prefix.
        #[test]
        fn encoded_or_not_names_come_back(prefix in "[a-z%+ ä/]{0,8}", key in "[a-z./%+ \\\\ä]{0,12}", plus: bool, raw in "[a-zä/]") {
            let mut encoded = String::new();
            for c in format!("{prefix}{key}").chars() {
                match c {
                    ' ' if plus => encoded.push('+'),
                    c if raw.contains(c) => encoded.push(c),
                    c => uri::encode_query(c.to_string().as_bytes(), &mut encoded),
                }
            }
            let rest = below_encoded(&encoded, &prefix).unwrap();
            let decoded = uri::decode(&rest.replace('+', " ")).unwrap();
            prop_assert_eq!(String::from_utf8(decoded).unwrap(), key);
        }
    }
}
