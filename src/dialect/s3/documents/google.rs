//! Lists of Google's, made those of S3 before they are rebuilt like every target's.
//!
//! The documents are the same but for the names of storage classes, and for generations, which only callers who ask
//! for versions see, as versions.

use super::DocumentError;
use super::reader::{Reader, Source, Token};
use super::writer::Xml;
use crate::dialect::gcs_xml;
use bytes::Bytes;

/// What S3 would have answered.
///
/// # Errors
/// [`DocumentError`] if it is no document. The text is for the operator.
pub(crate) fn from_google(body: &[u8]) -> Result<Bytes, DocumentError> {
    let mut reader = Reader::new(body, Source::Target)?;
    let mut xml = Xml::document();
    let mut path = Vec::new();
    while let Some(token) = reader.next()? {
        match token {
            Token::Open(name) if path.is_empty() => {
                xml.root(&name);
                path.push(name);
            }
            Token::Open(name) => match &*name {
                "Generation" | "MetaGeneration" => reader.skip()?,
                "StorageClass" => {
                    let class = reader.text()?;
                    xml.element("StorageClass", gcs_xml::storage_class(class.trim_ascii()));
                }
                _ => {
                    xml.open(&name);
                    path.push(name);
                }
            },
            Token::Text(text) => xml.verbatim(&text),
            Token::Close => match path.pop() {
                Some(name) => xml.close(&name),
                None => return Err(DocumentError::Malformed("it ends more than it begins")),
            },
        }
    }
    Ok(xml.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_renamed_and_generations_left_out() {
        let check = |inner: &str, expected: &str| {
            let google =
                format!("<?xml version='1.0'?><ListBucketResult xmlns='x'>{inner}</ListBucketResult>");
            let seen = from_google(google.as_bytes()).unwrap();
            let seen = std::str::from_utf8(&seen).unwrap();
            let (_, rest) = seen.split_once("2006-03-01/\">").unwrap();
            assert_eq!(rest.strip_suffix("</ListBucketResult>"), Some(expected));
        };
        check(
            "<Contents><Key>a &amp; b</Key><Generation>1</Generation><MetaGeneration>2</MetaGeneration>\
             <StorageClass>ARCHIVE</StorageClass></Contents>",
            "<Contents><Key>a &amp; b</Key><StorageClass>GLACIER_IR</StorageClass></Contents>",
        );
        check("<Name>b</Name> <Prefix/>", "<Name>b</Name> <Prefix></Prefix>");
        for body in ["", "<a>", "<!DOCTYPE x><a/>", "text"] {
            assert!(from_google(body.as_bytes()).is_err(), "{body}");
        }
    }
}
