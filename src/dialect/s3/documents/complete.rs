//! CompleteMultipartUpload: the list of parts, parsed and written anew (AUZ-06).

use super::DocumentError;
use super::reader::{Reader, Source};
use super::writer::Xml;
use crate::operation::{ChecksumAlgorithm, CompletedPart};
use bytes::Bytes;

/// As at S3.
const PART_LIMIT: usize = 10_000;
/// ETags are 32 hex digits in quotes at S3; other stores have longer ones. Checksums are shorter.
const TEXT_LIMIT: usize = 1024;

/// Parses the body of a CompleteMultipartUpload request: 1 to 10,000 parts, in the order in which they were sent.
///
/// Whether they ascend and fit is for the target to say, which has them.
///
/// # Errors
/// [`DocumentError`], with a text for the caller.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
pub(crate) fn parse_complete(document: &[u8]) -> Result<Vec<CompletedPart>, DocumentError> {
    let mut reader = Reader::new(document, Source::Caller)?;
    reader.root("CompleteMultipartUpload")?;
    let mut parts = Vec::new();
    while let Some(name) = reader.child()? {
        match &*name {
            "Part" if parts.len() == PART_LIMIT => return Err(DocumentError::TooMany(PART_LIMIT)),
            "Part" => parts.push(part(&mut reader)?),
            other => return Err(DocumentError::UnknownElement(other.into())),
        }
    }
    reader.end()?;
    match parts.is_empty() {
        true => Err(DocumentError::Malformed("it names no part")),
        false => Ok(parts),
    }
}

fn part(reader: &mut Reader<'_>) -> Result<CompletedPart, DocumentError> {
    let twice = DocumentError::Malformed("an element is there twice");
    let (mut number, mut etag) = (None, None);
    let mut checksums: Vec<(&'static str, Box<str>)> = Vec::new();
    while let Some(name) = reader.child()? {
        let mut elements = ChecksumAlgorithm::AMZ
            .into_iter()
            .filter_map(ChecksumAlgorithm::element);
        let known = elements.find(|known| *known == name);
        let again = match (&*name, known) {
            ("PartNumber", _) => number.replace(part_number(&reader.text()?)?).is_some(),
            ("ETag", _) => etag.replace(short(reader.text()?)?).is_some(),
            (_, Some(known)) => {
                let again = checksums.iter().any(|(there, _)| *there == known);
                checksums.push((known, short(reader.text()?)?));
                again
            }
            (other, None) => return Err(DocumentError::UnknownElement(other.into())),
        };
        if again {
            return Err(twice);
        }
    }
    Ok(CompletedPart {
        number: number.ok_or(DocumentError::Malformed("a part has no number"))?,
        etag: etag.ok_or(DocumentError::Malformed("a part has no `ETag`"))?,
        checksums,
    })
}

fn part_number(text: &str) -> Result<u16, DocumentError> {
    let text = text.trim_ascii();
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && (1..=PART_LIMIT).contains(&usize::from(*number)))
        .ok_or(DocumentError::Malformed("a part number is not 1 to 10000"))
}

fn short(text: String) -> Result<Box<str>, DocumentError> {
    match text.len() {
        1..=TEXT_LIMIT => Ok(text.into()),
        _ => Err(DocumentError::Malformed(
            "an `ETag` or checksum is empty or too long",
        )),
    }
}

/// Writes the body of a CompleteMultipartUpload request for the target.
pub(crate) fn write_complete(parts: &[CompletedPart]) -> Bytes {
    let mut xml = Xml::document();
    xml.root("CompleteMultipartUpload");
    for part in parts {
        xml.open("Part");
        xml.element("ETag", &part.etag);
        xml.element("PartNumber", &part.number.to_string());
        for (name, value) in &part.checksums {
            xml.element(name, value);
        }
        xml.close("Part");
    }
    xml.close("CompleteMultipartUpload");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(inner: &str) -> Result<Vec<CompletedPart>, DocumentError> {
        parse_complete(format!("<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>").as_bytes())
    }

    #[test]
    fn parts_keep_their_order_etags_and_checksums() {
        let parts = parse(
            "<Part><ETag>&quot;a-1&quot;</ETag><PartNumber>2</PartNumber><ChecksumCRC32>AAAAAA==</ChecksumCRC32>\
             <ChecksumSHA256>x</ChecksumSHA256></Part>\n<Part><PartNumber> 1 </PartNumber><ETag>\"b\"</ETag></Part>",
        )
        .unwrap();
        let expected = vec![
            CompletedPart {
                number: 2,
                etag: "\"a-1\"".into(),
                checksums: vec![
                    ("ChecksumCRC32", "AAAAAA==".into()),
                    ("ChecksumSHA256", "x".into()),
                ],
            },
            CompletedPart {
                number: 1,
                etag: "\"b\"".into(),
                checksums: vec![],
            },
        ];
        assert_eq!(parts, expected);
        assert_eq!(parse_complete(&write_complete(&parts)), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for inner in [
            "",
            "<Part/>",
            "<Part><PartNumber>1</PartNumber></Part>",
            "<Part><ETag>a</ETag></Part>",
            "<Part><PartNumber>0</PartNumber><ETag>a</ETag></Part>",
            "<Part><PartNumber>10001</PartNumber><ETag>a</ETag></Part>",
            "<Part><PartNumber>+1</PartNumber><ETag>a</ETag></Part>",
            "<Part><PartNumber>0x1</PartNumber><ETag>a</ETag></Part>",
            "<Part><PartNumber>65537</PartNumber><ETag>a</ETag></Part>",
            "<Part><PartNumber>1</PartNumber><PartNumber>2</PartNumber><ETag>a</ETag></Part>",
            "<Part><PartNumber>1</PartNumber><ETag>a</ETag><ETag>b</ETag></Part>",
            "<Part><PartNumber>1</PartNumber><ETag/></Part>",
            "<Part><PartNumber>1</PartNumber><ETag>a</ETag><Size>1</Size></Part>",
            "<Part><PartNumber>1</PartNumber><ETag>a</ETag><ChecksumSHA1>a</ChecksumSHA1>\
             <ChecksumSHA1>b</ChecksumSHA1></Part>",
            "<Other/>",
        ] {
            assert_eq!(parse(inner).map_err(|e| e.code()), Err("MalformedXML"), "{inner}");
        }
    }

    // AUZ-06
    #[test]
    fn ten_thousand_parts_are_accepted_and_not_one_more() {
        let parts = |count| "<Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>".repeat(count);
        assert_eq!(parse(&parts(10_000)).unwrap().len(), 10_000);
        assert_eq!(parse(&parts(10_001)), Err(DocumentError::TooMany(10_000)));
    }
}
