//! What a target answers, in the caller's names.
//!
//! The answer is taken apart and written anew: the bucket is the one that the caller named, a location is one where
//! the caller can go, owners say nothing about the target's accounts, attributes are gone. The rest stays, unknown
//! elements too, and text stays as it is: a key listed with `encoding-type=url` is passed on as the target encoded it.

use super::DocumentError;
use super::reader::{Reader, Source, Token};
use super::writer::Xml;
use crate::operation::{Answer, Api, BucketName};
use bytes::Bytes;
use std::fmt::Write as _;

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

/// Rebuilds the target's answer to `api`.
///
/// `host_url` is where the caller reached us (`https://host`), without a slash at the end. The body is bounded by
/// its reader.
///
/// # Errors
/// [`DocumentError`] if the answer is not the document that `api` has. The text is for the operator.
pub(crate) fn rewrite_result(
    api: Api,
    body: &[u8],
    virtual_bucket: &BucketName,
    host_url: &str,
) -> Result<Rewritten, DocumentError> {
    rewrite(Xml::document(), api, body, virtual_bucket, host_url)
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
    virtual_bucket: &BucketName,
    host_url: &str,
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
    // The elements that are open below the root.
    let mut path = Vec::new();
    while let Some(token) = reader.next()? {
        match token {
            Token::Open(name) => match (&*name, path.is_empty()) {
                // Its type is an attribute, without which some clients do not read it.
                ("Grantee", _) => {
                    let grantee = grantee(&mut reader)?;
                    xml.grantee(grantee.as_deref(), OWNER);
                }
                ("Owner" | "Initiator", _) => {
                    reader.skip()?;
                    xml.open(&name);
                    xml.element("ID", OWNER);
                    xml.element("DisplayName", OWNER);
                    xml.close(&name);
                }
                ("Name" | "Bucket", true) => {
                    reader.skip()?;
                    xml.element(&name, virtual_bucket.as_str());
                }
                ("Location", true) => {
                    reader.skip()?;
                    if let Some(key) = key_of(body)? {
                        xml.element("Location", &location(host_url, virtual_bucket, &key));
                    }
                }
                _ => {
                    xml.open(&name);
                    path.push(name);
                }
            },
            Token::Text(text) => xml.verbatim(&text),
            Token::Close => match path.pop() {
                Some(name) => xml.close(&name),
                None => xml.close(&root),
            },
        }
    }
    Ok(Rewritten::Document(xml.finish()))
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

/// The text of the root's `Key`, which comes after the location in the document.
fn key_of(body: &[u8]) -> Result<Option<String>, DocumentError> {
    let mut reader = Reader::new(body, Source::Target)?;
    reader.next()?;
    while let Some(name) = reader.child()? {
        match &*name {
            "Key" => return reader.text().map(Some),
            _ => reader.skip()?,
        }
    }
    Ok(None)
}

fn location(host_url: &str, bucket: &BucketName, key: &str) -> String {
    let mut url = format!("{host_url}/{bucket}/");
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(char::from(byte));
            }
            // Writing to a string cannot fail.
            _ => drop(write!(url, "%{byte:02X}")),
        }
    }
    url
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
    use super::*;

    fn rewritten(api: Api, body: &str) -> Result<String, DocumentError> {
        let lake = BucketName::parse("lake").unwrap();
        match rewrite_result(api, body.as_bytes(), &lake, "https://s3.tidegate.test")? {
            Rewritten::Document(document) => Ok(String::from_utf8(document.to_vec()).unwrap().split_off(39)),
            Rewritten::Error { code, message } => Ok(format!("{code}|{message}")),
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
        assert_eq!(
            rewritten(
                Api::CreateMultipartUpload,
                "<InitiateMultipartUploadResult><Bucket>canary</Bucket><UploadId>u</UploadId></InitiateMultipartUploadResult>"
            ),
            Ok(format!(
                "<InitiateMultipartUploadResult {XMLNS}><Bucket>lake</Bucket><UploadId>u</UploadId>\
                 </InitiateMultipartUploadResult>"
            ))
        );
    }

    #[test]
    fn a_location_leads_back_to_us() {
        let check = |key: &str, location: &str| {
            let body = format!(
                "<CompleteMultipartUploadResult><Location>https://canary</Location><Bucket>canary</Bucket>{key}\
                 </CompleteMultipartUploadResult>"
            );
            let expected = format!(
                "<CompleteMultipartUploadResult {XMLNS}>{location}<Bucket>lake</Bucket>{key}</CompleteMultipartUploadResult>"
            );
            assert_eq!(rewritten(Api::CompleteMultipartUpload, &body), Ok(expected));
        };
        check(
            "<Key>a b/ä+?c</Key>",
            "<Location>https://s3.tidegate.test/lake/a%20b/%C3%A4%2B%3Fc</Location>",
        );
        check("", "");
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
