//! What a target answers, in the caller's names.
//!
//! The answer is taken apart and written anew: the bucket is the one that the caller named, keys are those that the
//! caller knows, a location is one where the caller can go, upload ids are sealed, owners say nothing about the target's
//! accounts, attributes are gone. The rest stays, unknown elements too, and text stays as it is: a key listed with
//! `encoding-type=url` is passed on as the target encoded it. What [`Names`] refuses ends the whole answer.

use super::DocumentError;
use super::names::Names;
use super::reader::{Reader, Source, Token};
use super::writer::Xml;
use crate::operation::{Answer, Api};
use bytes::Bytes;
use std::borrow::Cow;

/// Error documents are a few hundred bytes.
const ERROR_LIMIT: usize = 256 * 1024;
const MESSAGE_LIMIT: usize = 1024;
/// Who owns everything, as far as callers are concerned.
const OWNER: &str = "tidegate";

/// A target's answer of status 200, for the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rewritten {
    /// The document.
    Document(Bytes),
    /// The call failed after all: S3 answers 200 before it knows how a copy or a completion ends.
    Error {
        /// The target's code, of letters, digits and dots; the caller gets [`super::outward`] of it.
        code: String,
        /// The target's words, for the operator: they may name what callers must not see.
        message: String,
    },
}

/// Rebuilds the target's answer to `api`. The body is bounded by its reader.
///
/// # Errors
/// [`DocumentError`] if the answer is not the document that `api` has, or names what was not asked for. The text is for
/// the operator.
pub(crate) fn rewrite_result(api: Api, body: &[u8], names: &Names) -> Result<Rewritten, DocumentError> {
    rewrite(Xml::document(), api, body, names)
}

/// The code and the message of a target's error document; `None` if it is none.
///
/// The code has 1 to 64 letters, digits and dots. The message is for the operator only.
pub(crate) fn parse_target_error(body: &[u8]) -> Option<(String, String)> {
    if body.len() > ERROR_LIMIT {
        return None;
    }
    let mut reader = Reader::new(body, Source::Target).ok()?;
    reader.root("Error").ok()?;
    let (code, message) = error(&mut reader).ok()?;
    Some((code?, message))
}

/// As [`rewrite_result`], written to the end of `xml`.
pub(super) fn rewrite(
    mut xml: Xml,
    api: Api,
    body: &[u8],
    names: &Names,
) -> Result<Rewritten, DocumentError> {
    let expected = match api.row().answer {
        Answer::Document(roots) => roots,
        Answer::Completion => &["CompleteMultipartUploadResult"],
        Answer::None | Answer::Object | Answer::Headers | Answer::Deletions | Answer::Policy => {
            return Err(DocumentError::Malformed("this call has no document"));
        }
    };
    let mut reader = Reader::new(body, Source::Target)?;
    let root = match reader.next()? {
        Some(Token::Open(name)) if expected.contains(&&*name) => name,
        Some(Token::Open(name)) if expected.is_empty() && name != "Error" => name,
        Some(Token::Open(name)) if name == "Error" => {
            let (code, message) = error(&mut reader)?;
            let code = code.unwrap_or_else(|| "InternalError".to_owned());
            return Ok(Rewritten::Error { code, message });
        }
        Some(Token::Open(name)) => return Err(DocumentError::UnknownElement(name.into())),
        _ => return Err(DocumentError::Malformed("it has no root")),
    };
    xml.root(&root);
    let names = names.for_document(body);
    // The elements that are open below the root.
    let mut path: Vec<Cow<'_, str>> = Vec::new();
    let (mut upload, mut next) = (Listed::default(), Listed::default());
    let (mut entry, mut count) = (Entry::default(), None);
    while let Some(token) = reader.next()? {
        match token {
            Token::Open(name) => match Meaning::of(names.lists(), path.last().map(|parent| &**parent), &name)
            {
                Meaning::Other => {
                    if path.is_empty() {
                        entry.begin = xml.mark();
                    }
                    xml.open(&name);
                    path.push(name);
                }
                Meaning::Dropped => reader.skip()?,
                Meaning::Owner => {
                    reader.skip()?;
                    xml.open(&name);
                    xml.element("ID", OWNER);
                    xml.element("DisplayName", OWNER);
                    xml.close(&name);
                }
                // Its type is an attribute, without which some clients do not read it.
                Meaning::Grantee => {
                    let grantee = grantee(&mut reader)?;
                    xml.grantee(grantee.as_deref(), OWNER);
                }
                Meaning::Bucket => {
                    reader.skip()?;
                    xml.element(&name, names.bucket());
                }
                Meaning::Location => {
                    reader.skip()?;
                    if let Some(location) = names.location() {
                        xml.element(&name, &location);
                    }
                }
                Meaning::OwnKey => {
                    reader.skip()?;
                    if let Some(key) = names.own_key() {
                        xml.verbatim_element(&name, &key);
                    }
                }
                Meaning::OwnUpload => xml.element(&name, &names.own_upload(&reader.text()?)?),
                Meaning::Listed => {
                    let text = reader.text()?;
                    let listed = names.listed(&text)?;
                    entry.nameless |= listed.is_empty() && name == "Key";
                    xml.verbatim_element(&name, listed);
                }
                Meaning::Repeated => xml.verbatim_element(&name, names.repeated(&reader.text()?)),
                Meaning::Next => xml.verbatim_element(&name, names.next(&reader.text()?)?),
                Meaning::UploadKey => {
                    let key = reader.text()?;
                    let key = names.next(&key)?;
                    xml.verbatim_element(&name, key);
                    entry.nameless |= key.is_empty() && !path.is_empty();
                    upload_or_next(&path, &mut upload, &mut next).key = Some(key.to_owned());
                }
                Meaning::UploadId => {
                    upload_or_next(&path, &mut upload, &mut next).id = Some(reader.text()?);
                }
                Meaning::UploadIdMarker => {
                    reader.skip()?;
                    xml.element(&name, names.upload_id_marker());
                }
                Meaning::Count => {
                    let text = reader.text()?;
                    xml.open(&name);
                    let begin = xml.mark();
                    xml.verbatim(&text);
                    count = text
                        .trim_ascii()
                        .parse()
                        .ok()
                        .map(|n: u64| (begin..xml.mark(), n));
                    xml.close(&name);
                }
                Meaning::Token => xml.verbatim_element(&name, names.continuation_token(&reader.text()?)),
                Meaning::NextToken => xml.verbatim_element(&name, &names.next_token(&reader.text()?)?),
            },
            Token::Text(text) => xml.verbatim(&text),
            Token::Close => match path.pop() {
                Some(_) if path.is_empty() && std::mem::take(&mut entry.nameless) => {
                    xml.take_back(entry.begin);
                    upload = Listed::default();
                    entry.taken_back += 1;
                }
                Some(name) => {
                    if path.is_empty() && name == "Upload" {
                        std::mem::take(&mut upload).write("UploadId", &names, &mut xml)?;
                    }
                    xml.close(&name);
                }
                None => {
                    std::mem::take(&mut next).write("NextUploadIdMarker", &names, &mut xml)?;
                    if let Some((marks, counted)) = count.take().filter(|_| entry.taken_back > 0) {
                        xml.overwrite(marks, counted.saturating_sub(entry.taken_back));
                    }
                    xml.close(&root);
                }
            },
        }
    }
    Ok(Rewritten::Document(xml.finish()))
}

/// The entry of a listing that is being written. One without a name is taken back: a target may have an object whose key
/// is the folder that the bucket is, and on this side no key is empty.
#[derive(Default)]
struct Entry {
    begin: usize,
    nameless: bool,
    taken_back: u64,
}

/// An upload of a listing. Its id is sealed with its key, which may come after it: it is written when both are known.
#[derive(Default)]
struct Listed {
    key: Option<String>,
    id: Option<String>,
}

impl Listed {
    fn write(self, element: &str, names: &Names, xml: &mut Xml) -> Result<(), DocumentError> {
        let Some(id) = self.id.filter(|id| !id.is_empty()) else {
            return Ok(());
        };
        let key = self.key.filter(|key| !key.is_empty());
        let key = key.ok_or(DocumentError::Malformed("it has an upload without a key"))?;
        xml.element(element, &names.listed_upload(&key, &id)?);
        Ok(())
    }
}

fn upload_or_next<'l>(path: &[Cow<'_, str>], upload: &'l mut Listed, next: &'l mut Listed) -> &'l mut Listed {
    match path.is_empty() {
        true => next,
        false => upload,
    }
}

/// What an element says, as far as it names anything.
enum Meaning {
    /// Nothing that has another name on this side.
    Other,
    /// Something that callers must not see.
    Dropped,
    /// An account of the target.
    Owner,
    /// An account of the target, or a group that everybody knows.
    Grantee,
    /// The bucket.
    Bucket,
    /// Where the object is.
    Location,
    /// The key of the object that the call is about.
    OwnKey,
    /// The upload that the call is about.
    OwnUpload,
    /// A key in a listing, or what several begin with.
    Listed,
    /// A part of the question.
    Repeated,
    /// Where the next page begins.
    Next,
    /// A key with an upload, or where the next page of uploads begins.
    UploadKey,
    /// The id of an upload, or where the next page of uploads begins.
    UploadId,
    /// Where this page of uploads begins.
    UploadIdMarker,
    /// How many entries there are.
    Count,
    /// The token of this page.
    Token,
    /// The token of the next page.
    NextToken,
}

impl Meaning {
    /// Of `name`, below `parent`, which is `None` for what is directly below the root.
    fn of(listing: bool, parent: Option<&str>, name: &str) -> Self {
        match (name, parent, listing) {
            ("Owner" | "Initiator", _, _) => Self::Owner,
            ("Grantee", _, _) => Self::Grantee,
            ("Name" | "Bucket", None, _) => Self::Bucket,
            ("Location", None, _) => Self::Location,
            ("Key", None, false) => Self::OwnKey,
            ("UploadId", None, false) => Self::OwnUpload,
            ("Key", Some("Upload"), true) | ("NextKeyMarker", None, true) => Self::UploadKey,
            ("UploadId", Some("Upload"), true) | ("NextUploadIdMarker", None, true) => Self::UploadId,
            ("Key", _, true) | ("Prefix", Some(_), true) => Self::Listed,
            ("Prefix" | "Marker" | "StartAfter" | "KeyMarker", None, true) => Self::Repeated,
            ("NextMarker", None, true) => Self::Next,
            ("UploadIdMarker", None, true) => Self::UploadIdMarker,
            ("KeyCount", None, true) => Self::Count,
            ("ContinuationToken", None, true) => Self::Token,
            ("NextContinuationToken", None, true) => Self::NextToken,
            ("UploadId", _, _) => Self::Dropped,
            _ => Self::Other,
        }
    }
}

/// The URI of a group; `None` for an account, of which callers learn nothing.
fn grantee(reader: &mut Reader<'_>) -> Result<Option<String>, DocumentError> {
    let mut uri = None;
    while let Some(name) = reader.child()? {
        match &*name {
            "URI" => uri = Some(reader.text()?),
            _ => reader.skip()?,
        }
    }
    Ok(uri)
}

/// The code, if it is one, and the message of an error document whose root was read.
fn error(reader: &mut Reader<'_>) -> Result<(Option<String>, String), DocumentError> {
    let (mut code, mut message) = (None, String::new());
    while let Some(name) = reader.child()? {
        match &*name {
            "Code" => code = Some(reader.text()?.trim_ascii().to_owned()),
            "Message" => message = reader.text()?,
            _ => reader.skip()?,
        }
    }
    reader.end()?;
    let is_code = |b: u8| b.is_ascii_alphanumeric() || b == b'.';
    let code = code.filter(|code| (1..=64).contains(&code.len()) && code.bytes().all(is_code));
    // It goes to a log: on one line, and not too long.
    let message = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_LIMIT)
        .collect();
    Ok((code, message))
}

#[cfg(test)]
mod tests {
    use super::super::names::tests::{handles, names};
    use super::*;
    use crate::authn::Place;
    use crate::operation::{Upload, UploadOrigin, UploadTerms};

    fn rewritten_as(api: Api, body: &str, names: &Names) -> Result<String, DocumentError> {
        match rewrite_result(api, body.as_bytes(), names)? {
            Rewritten::Document(document) => Ok(String::from_utf8(document.to_vec()).unwrap().split_off(39)),
            Rewritten::Error { code, message } => Ok(format!("{code}|{message}")),
        }
    }

    fn rewritten(api: Api, body: &str) -> Result<String, DocumentError> {
        rewritten_as(api, body, &names(api, "", &[]))
    }

    /// The text of every element of that name.
    fn texts(document: &str, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let after = document.split(&open).skip(1);
        after
            .map(|text| text.split(&close).next().unwrap().to_owned())
            .collect()
    }

    fn place() -> Place<'static> {
        Place {
            target: "store",
            target_bucket: "acme-lake-prod",
            prefix: "",
            bucket: "lake",
        }
    }

    const XMLNS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

    #[test]
    fn listings_name_the_virtual_bucket_and_no_account() {
        let listing = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"canary\" a=\"canary\">\
            <Name>canary</Name><Prefix>Name</Prefix>\n  <KeyCount>1</KeyCount><Contents><Key>a%2Fb &amp; c&#x1;</Key>\
            <Size>1</Size><Owner><ID>canary</ID><DisplayName>canary</DisplayName></Owner><New x=\"canary\"><Name>n</Name>\
            </New></Contents><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>";
        let expected = format!(
            "<ListBucketResult {XMLNS}><Name>lake</Name><Prefix>Name</Prefix>\n  <KeyCount>1</KeyCount><Contents>\
             <Key>a%2Fb &amp; c&#x1;</Key><Size>1</Size><Owner><ID>tidegate</ID><DisplayName>tidegate</DisplayName>\
             </Owner><New><Name>n</Name></New></Contents><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>\
             </ListBucketResult>"
        );
        assert_eq!(rewritten(Api::ListObjectsV2, listing), Ok(expected.clone()));
        assert_eq!(rewritten(Api::ListObjects, listing), Ok(expected));
    }

    #[test]
    fn grants_name_groups_and_no_account() {
        let grant = |grantee: &str| format!("<Grant>{grantee}<Permission>READ</Permission></Grant>");
        let answer = |grants: &str| {
            format!(
                "<AccessControlPolicy><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
            )
        };
        let sent = grant(
            "<Grantee xmlns:xsi=\"x\" xsi:type=\"CanonicalUser\"><ID>canary</ID><DisplayName>canary</DisplayName></Grantee>",
        ) + &grant(
            "<Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>",
        );
        let seen = rewritten(Api::GetBucketAcl, &answer(&sent)).unwrap();
        assert!(!seen.contains("canary"), "{seen}");
        assert!(
            seen.contains("xsi:type=\"CanonicalUser\"><ID>tidegate</ID>"),
            "{seen}"
        );
        assert!(
            seen.contains("xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>"),
            "{seen}"
        );
    }

    #[test]
    fn uploads_and_parts_name_the_virtual_bucket_and_no_account() {
        let owner = "<ID>tidegate</ID><DisplayName>tidegate</DisplayName>";
        assert_eq!(
            rewritten(
                Api::ListMultipartUploads,
                "<ListMultipartUploadsResult><Bucket>canary</Bucket><Upload><Key>k</Key><Initiator><ID>c</ID></Initiator>\
                 <Owner/></Upload></ListMultipartUploadsResult>"
            ),
            Ok(format!(
                "<ListMultipartUploadsResult {XMLNS}><Bucket>lake</Bucket><Upload><Key>k</Key><Initiator>{owner}\
                 </Initiator><Owner>{owner}</Owner></Upload></ListMultipartUploadsResult>"
            ))
        );
        assert_eq!(
            rewritten(
                Api::ListParts,
                "<ListPartsResult><Bucket>canary</Bucket><Part><ETag>\"e\"</ETag></Part></ListPartsResult>"
            ),
            Ok(format!(
                "<ListPartsResult {XMLNS}><Bucket>lake</Bucket><Part><ETag>&quot;e&quot;</ETag></Part></ListPartsResult>"
            ))
        );
    }

    // AUZ-07
    #[test]
    fn upload_ids_are_sealed_for_the_caller() {
        let begun = rewritten(
            Api::CreateMultipartUpload,
            "<InitiateMultipartUploadResult><UploadId>real</UploadId><Bucket>canary</Bucket><Key>canary</Key>\
             </InitiateMultipartUploadResult>",
        )
        .unwrap();
        assert!(begun.ends_with("<Bucket>lake</Bucket><Key>a b/ä+?c</Key></InitiateMultipartUploadResult>"));
        let id = texts(&begun, "UploadId").remove(0);
        let upload = |origin| Upload {
            target_id: "real".into(),
            origin,
            terms: UploadTerms::default(),
        };
        assert_eq!(
            handles().open_upload(&place(), "a b/ä+?c", &id),
            Ok(upload(UploadOrigin::Begun))
        );
        let parts = names(Api::ListParts, "", &[("uploadId", "as sent")]);
        let listed = rewritten_as(
            Api::ListParts,
            "<ListPartsResult><Key>canary</Key><UploadId>real</UploadId></ListPartsResult>",
            &parts,
        );
        assert_eq!(texts(&listed.unwrap(), "UploadId"), ["as sent"]);
        // Whatever the order of elements, and whether or not keys are encoded.
        for (encoded, key) in [(false, "x +y"), (true, "x+%2By"), (true, "x%20%2By")] {
            let encoding = match encoded {
                true => "<EncodingType>url</EncodingType>",
                false => "",
            };
            let document = format!(
                "<ListMultipartUploadsResult><NextUploadIdMarker>real</NextUploadIdMarker><UploadIdMarker>real\
                 </UploadIdMarker><NextKeyMarker>{key}</NextKeyMarker><Upload><UploadId>real</UploadId><Key>{key}</Key>\
                 <Part><UploadId>real</UploadId></Part></Upload>{encoding}</ListMultipartUploadsResult>"
            );
            let names = names(Api::ListMultipartUploads, "", &[("encoding-type", "url")]);
            let listed = rewritten_as(Api::ListMultipartUploads, &document, &names).unwrap();
            assert!(!listed.contains("real"), "{listed}");
            assert_eq!(texts(&listed, "UploadIdMarker"), [""]);
            for element in ["UploadId", "NextUploadIdMarker"] {
                let ids = texts(&listed, element);
                assert_eq!(ids.len(), 1, "{listed}");
                assert_eq!(
                    handles().open_upload(&place(), "x +y", &ids[0]),
                    Ok(upload(UploadOrigin::Listed))
                );
            }
        }
    }

    #[test]
    fn a_listing_of_a_folder_shows_names_below_it() {
        let sent = [
            ("prefix", "x/"),
            ("start-after", "x/1"),
            ("continuation-token", "as sent"),
            ("encoding-type", "url"),
        ];
        let names = names(Api::ListObjectsV2, "te am/a/", &sent);
        let listing = |encoding: &str, folder: &str, key: &str| {
            format!(
                "<ListBucketResult><Name>canary</Name><Prefix>{folder}x/</Prefix><StartAfter>{folder}x/1</StartAfter>\
                 <Marker></Marker><ContinuationToken>canary</ContinuationToken><NextContinuationToken>canary\
                 </NextContinuationToken>{encoding}<Contents><Key>{key}</Key></Contents><CommonPrefixes><Prefix>{folder}x/y/\
                 </Prefix></CommonPrefixes></ListBucketResult>"
            )
        };
        let url = "<EncodingType>url</EncodingType>";
        for (encoding, folder, key) in [
            (url, "te+am/a/", "te+am/a/x/%C3%A4"),
            (url, "te%20am%2Fa%2F", "te%20am%2Fa%2Fx/%C3%A4"),
            (url, "te am/a/", "te am/a/x/%C3%A4"),
            ("", "te am/a/", "te am/a/x/%C3%A4"),
        ] {
            let seen = rewritten_as(Api::ListObjectsV2, &listing(encoding, folder, key), &names).unwrap();
            assert_eq!(texts(&seen, "Key"), ["x/%C3%A4"], "{seen}");
            assert_eq!(texts(&seen, "Prefix"), ["x/", "x/y/"]);
            assert_eq!(
                (texts(&seen, "StartAfter"), texts(&seen, "Marker")),
                (vec!["x/1".into()], vec!["".into()])
            );
            assert_eq!(texts(&seen, "ContinuationToken"), ["as sent"]);
            let folder = ["canary", "m/a", "m%2Fa"].iter().any(|part| seen.contains(part));
            assert!(!folder, "{seen}");
        }
        // AUZ-10
        for (encoding, key) in [
            (url, "x/1"),
            (url, "te+am/b/x/1"),
            (url, "te+am/a/y/1"),
            ("", "te+am/a/x/1"),
            ("", "te%20am/a/x/1"),
        ] {
            let seen = rewritten_as(Api::ListObjectsV2, &listing(encoding, "te am/a/", key), &names);
            assert_eq!(seen, Err(DocumentError::Outside), "{key}");
        }
    }

    #[test]
    fn the_object_that_is_the_folder_is_not_listed() {
        let names = names(Api::ListObjectsV2, "teams/a/", &[]);
        let listing = "<ListBucketResult><KeyCount>2</KeyCount><Contents><Size>0</Size><Key>teams/a/</Key></Contents>\
                       <Contents><Key>teams/a/x</Key></Contents></ListBucketResult>";
        assert_eq!(
            rewritten_as(Api::ListObjectsV2, listing, &names),
            Ok(format!(
                "<ListBucketResult {XMLNS}><KeyCount>1</KeyCount><Contents><Key>x</Key></Contents></ListBucketResult>"
            ))
        );
        let uploads = "<ListMultipartUploadsResult><Upload><Key>teams/a/</Key><UploadId>real</UploadId></Upload>\
                       </ListMultipartUploadsResult>";
        assert_eq!(
            rewritten_as(Api::ListMultipartUploads, uploads, &names),
            Ok(format!(
                "<ListMultipartUploadsResult {XMLNS}></ListMultipartUploadsResult>"
            ))
        );
    }

    #[test]
    fn versions_name_the_virtual_bucket_and_keys_below_the_folder() {
        let names = names(Api::ListObjectVersions, "teams/a/", &[("prefix", "x/")]);
        let entry = |kind: &str, key: &str| {
            format!(
                "<{kind}><Key>{key}</Key><VersionId>v1</VersionId><Owner><ID>canary</ID></Owner></{kind}>"
            )
        };
        let listing = |inner: &str| {
            format!(
                "<ListVersionsResult><Name>canary</Name><Prefix>teams/a/x/</Prefix><KeyMarker>teams/a/x/0</KeyMarker>\
                 <VersionIdMarker>v0</VersionIdMarker><NextKeyMarker>teams/a/x/2</NextKeyMarker><NextVersionIdMarker>v2\
                 </NextVersionIdMarker>{inner}</ListVersionsResult>"
            )
        };
        let inner = entry("Version", "teams/a/x/1") + &entry("DeleteMarker", "teams/a/x/2");
        let seen = rewritten_as(Api::ListObjectVersions, &listing(&inner), &names).unwrap();
        assert!(!seen.contains("canary") && !seen.contains("teams"), "{seen}");
        assert_eq!(texts(&seen, "Key"), ["x/1", "x/2"]);
        for (name, text) in [
            ("Name", "lake"),
            ("Prefix", "x/"),
            ("KeyMarker", "x/0"),
            ("VersionIdMarker", "v0"),
            ("NextKeyMarker", "x/2"),
            ("NextVersionIdMarker", "v2"),
        ] {
            assert_eq!(texts(&seen, name), [text], "{seen}");
        }
        // AUZ-10
        for kind in ["Version", "DeleteMarker"] {
            let outside = listing(&entry(kind, "teams/a/y"));
            let seen = rewritten_as(Api::ListObjectVersions, &outside, &names);
            assert_eq!(seen, Err(DocumentError::Outside), "{kind}");
        }
    }

    // AUZ-10
    #[test]
    fn nothing_outside_of_the_prefix_that_was_asked_for_is_passed_on() {
        let check = |api: Api, inner: &str, refused: bool| {
            let names = names(api, "", &[("prefix", "team-a/")]);
            let Answer::Document([root]) = api.row().answer else {
                panic!("{api:?}")
            };
            let seen = rewritten_as(api, &format!("<{root}>{inner}</{root}>"), &names);
            assert_eq!(seen.err(), refused.then_some(DocumentError::Outside), "{inner}");
        };
        for (inner, refused) in [
            ("<Prefix>anything</Prefix><Marker>b</Marker>", false),
            ("<Contents><Key>team-a/x</Key></Contents>", false),
            ("<Contents><Key>team-ab/x</Key></Contents>", true),
            ("<Contents><Key></Key></Contents>", true),
            ("<New><Deep><Key>b</Key></Deep></New>", true),
            (
                "<CommonPrefixes><Prefix>team-a/x/</Prefix></CommonPrefixes>",
                false,
            ),
            ("<CommonPrefixes><Prefix>team-</Prefix></CommonPrefixes>", true),
            ("<NextMarker></NextMarker>", false),
            ("<NextMarker>team-b</NextMarker>", true),
        ] {
            check(Api::ListObjects, inner, refused);
            check(Api::ListObjectsV2, inner, refused);
        }
        check(Api::ListMultipartUploads, "<Upload><Key>b</Key></Upload>", true);
        check(
            Api::ListMultipartUploads,
            "<NextKeyMarker>b</NextKeyMarker>",
            true,
        );
        check(
            Api::ListMultipartUploads,
            "<Upload><Key>team-a/b</Key><UploadId>u</UploadId></Upload>",
            false,
        );
    }

    #[test]
    fn a_location_leads_back_to_us() {
        let body = "<CompleteMultipartUploadResult><Location>https://canary</Location><Bucket>canary</Bucket>\
                    <Key>canary</Key></CompleteMultipartUploadResult>";
        let expected = format!(
            "<CompleteMultipartUploadResult {XMLNS}><Location>https://s3.tidegate.test/lake/a%20b/%C3%A4%2B%3Fc\
             </Location><Bucket>lake</Bucket><Key>a b/ä+?c</Key></CompleteMultipartUploadResult>"
        );
        assert_eq!(rewritten(Api::CompleteMultipartUpload, body), Ok(expected));
    }

    #[test]
    fn an_error_in_a_200_is_seen() {
        let body = "<Error><Code>SlowDown</Code><Message>a\nb</Message><HostId>canary</HostId></Error>";
        for api in [Api::CompleteMultipartUpload, Api::CopyObject, Api::UploadPartCopy] {
            assert_eq!(rewritten(api, body).as_deref(), Ok("SlowDown|a b"));
        }
        assert_eq!(
            rewritten(Api::CopyObject, "<Error><Code>bad code</Code></Error>").as_deref(),
            Ok("InternalError|")
        );
    }

    #[test]
    fn other_documents_are_refused() {
        for body in [
            "",
            "<html/>",
            "<CopyObjectResult>",
            "<!DOCTYPE x><CopyObjectResult/>",
        ] {
            assert!(rewritten(Api::CopyObject, body).is_err(), "{body}");
        }
        assert!(rewritten(Api::GetObject, "<CopyObjectResult/>").is_err());
        assert!(rewritten(Api::CopyObject, "<CopyPartResult/>").is_err());
    }

    #[test]
    fn only_an_error_document_has_a_code() {
        let check = |body: &str, expected: Option<&str>| {
            let code = parse_target_error(body.as_bytes()).map(|(code, _)| code);
            assert_eq!(code.as_deref(), expected, "{body}");
        };
        check("<Error><Code>NoSuchKey</Code></Error>", Some("NoSuchKey"));
        check("<Error xmlns='x'>\n<Code> A.b1 </Code>\n</Error>\n", Some("A.b1"));
        check("<Error><Code>a-b</Code></Error>", None);
        check("<Error><Code></Code></Error>", None);
        check("<Error></Error>", None);
        check("<Other><Code>a</Code></Other>", None);
        check("<html>502</html>", None);
        check("", None);
        check(&format!("<Error><Code>{}</Code></Error>", "a".repeat(65)), None);
    }
}
