//! Control documents: tags, retention, restores and settings, each taken apart and written anew.
//!
//! What a document may hold is listed where the data depends on it. A restore that names an output location would
//! write data elsewhere (LEK-03), so elements that are not listed are refused and not dropped. Settings are for whoever
//! may `manage` a bucket; of those only the form is checked, and that the target reads what was read here.

use super::DocumentError;
use super::reader::{Reader, Source, Token, is_blank};
use super::writer::Xml;
use crate::operation::ObjectTags;
use bytes::Bytes;

/// What a document of a fixed form may hold.
pub(crate) struct Form {
    root: &'static str,
    /// The path of each element below the root, and what its text may be.
    elements: &'static [(&'static str, Text)],
}

/// What the text of an element may be.
#[derive(Clone, Copy)]
enum Text {
    /// There are elements in it.
    None,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A number of days.
    Days,
    /// RFC 3339.
    Time,
}

/// PutObjectRetention. Without elements it ends the retention.
pub(crate) const RETENTION: Form = Form {
    root: "Retention",
    elements: &[
        ("Mode", Text::OneOf(&["GOVERNANCE", "COMPLIANCE"])),
        ("RetainUntilDate", Text::Time),
    ],
};

/// PutObjectLegalHold.
pub(crate) const LEGAL_HOLD: Form = Form {
    root: "LegalHold",
    elements: &[("Status", Text::OneOf(&["ON", "OFF"]))],
};

/// RestoreObject, in place.
pub(crate) const RESTORE: Form = Form {
    root: "RestoreRequest",
    elements: &[
        ("Days", Text::Days),
        ("GlacierJobParameters", Text::None),
        ("GlacierJobParameters/Tier", TIER),
        ("Tier", TIER),
    ],
};

const TIER: Text = Text::OneOf(&["Bulk", "Standard", "Expedited"]);

/// Writes a document of a fixed form anew.
///
/// # Errors
/// [`DocumentError`], with a text for the caller: also for an element that is there twice, as each reader would take
/// another one.
pub(crate) fn rebuild(document: &[u8], form: &Form) -> Result<Bytes, DocumentError> {
    let mut reader = Reader::new(document, Source::Caller)?;
    reader.root(form.root)?;
    let mut xml = Xml::document();
    xml.root(form.root);
    let mut seen = Vec::new();
    children(&mut reader, &mut xml, form, "", &mut seen)?;
    reader.end()?;
    xml.close(form.root);
    Ok(xml.finish())
}

fn children(
    reader: &mut Reader<'_>,
    xml: &mut Xml,
    form: &Form,
    above: &str,
    seen: &mut Vec<String>,
) -> Result<(), DocumentError> {
    while let Some(name) = reader.child()? {
        let path = match above {
            "" => name.to_string(),
            above => format!("{above}/{name}"),
        };
        let text = form.elements.iter().find(|(known, _)| *known == path);
        let (_, text) = text.ok_or_else(|| DocumentError::UnknownElement(name.as_ref().into()))?;
        if seen.contains(&path) {
            return Err(DocumentError::Malformed("an element is there twice"));
        }
        if let Text::None = text {
            xml.open(&name);
            children(reader, xml, form, &path, seen)?;
            xml.close(&name);
        } else {
            let value = reader.text()?;
            let value = value.trim_ascii();
            check(*text, value)?;
            xml.element(&name, value);
        }
        seen.push(path);
    }
    Ok(())
}

fn check(text: Text, value: &str) -> Result<(), DocumentError> {
    let fits = match text {
        Text::None => is_blank(value),
        Text::OneOf(values) => values.contains(&value),
        Text::Days => value.len() <= 9 && value.parse::<u32>().is_ok_and(|days| days > 0),
        Text::Time => value.parse::<jiff::Timestamp>().is_ok(),
    };
    match fits {
        true => Ok(()),
        false => Err(DocumentError::Malformed(
            "an element has a value that it cannot have",
        )),
    }
}

/// Writes a setting anew, element by element. Attributes are dropped, except for the type of a grantee.
///
/// # Errors
/// [`DocumentError`] if it is not well-formed or has another root.
pub(crate) fn rebuild_setting(document: &[u8], root: &str) -> Result<Bytes, DocumentError> {
    let mut reader = Reader::new(document, Source::Caller)?;
    reader.root(root)?;
    let mut xml = Xml::document();
    xml.root(root);
    let mut path: Vec<String> = Vec::new();
    while let Some(token) = reader.next()? {
        match token {
            Token::Open(name) if name == "Grantee" => write_grantee(&mut reader, &mut xml)?,
            Token::Open(name) => {
                xml.open(&name);
                path.push(name.into_owned());
            }
            Token::Text(text) => xml.text(&text),
            Token::Close => match path.pop() {
                Some(name) => xml.close(&name),
                None => xml.close(root),
            },
        }
    }
    Ok(xml.finish())
}

/// The type of a grantee, which callers send as an attribute, follows from what is in it.
fn write_grantee(reader: &mut Reader<'_>, xml: &mut Xml) -> Result<(), DocumentError> {
    let (mut id, mut uri, mut email) = (None, None, None);
    while let Some(name) = reader.child()? {
        let slot = match &*name {
            "ID" => &mut id,
            "URI" => &mut uri,
            "EmailAddress" => &mut email,
            "DisplayName" => {
                reader.skip()?;
                continue;
            }
            other => return Err(DocumentError::UnknownElement(other.into())),
        };
        if slot.replace(reader.text()?).is_some() {
            return Err(DocumentError::Malformed("an element is there twice"));
        }
    }
    let (kind, element, value) = match (id, uri, email) {
        (Some(id), None, None) => ("CanonicalUser", "ID", id),
        (None, Some(uri), None) => ("Group", "URI", uri),
        (None, None, Some(email)) => ("AmazonCustomerByEmail", "EmailAddress", email),
        _ => {
            return Err(DocumentError::Malformed(
                "a grantee is not one of `ID`, `URI` and `EmailAddress`",
            ));
        }
    };
    xml.open_grantee(kind);
    xml.element(element, &value);
    xml.close("Grantee");
    Ok(())
}

/// Parses the tags of a PutObjectTagging request: at most ten, each name once.
///
/// # Errors
/// [`DocumentError`], with a text for the caller.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html>
pub(crate) fn parse_tags(document: &[u8]) -> Result<ObjectTags, DocumentError> {
    let mut reader = Reader::new(document, Source::Caller)?;
    reader.root("Tagging")?;
    let mut tags = None;
    while let Some(name) = reader.child()? {
        if name != "TagSet" {
            return Err(DocumentError::UnknownElement(name.into()));
        }
        if tags.replace(tag_set(&mut reader)?).is_some() {
            return Err(DocumentError::Malformed("an element is there twice"));
        }
    }
    reader.end()?;
    tags.ok_or(DocumentError::Malformed("it has no `TagSet`"))
}

fn tag_set(reader: &mut Reader<'_>) -> Result<ObjectTags, DocumentError> {
    let mut tags = ObjectTags::default();
    while let Some(name) = reader.child()? {
        if name != "Tag" {
            return Err(DocumentError::UnknownElement(name.into()));
        }
        let (mut key, mut value) = (None, None);
        while let Some(name) = reader.child()? {
            let slot = match &*name {
                "Key" => &mut key,
                "Value" => &mut value,
                other => return Err(DocumentError::UnknownElement(other.into())),
            };
            if slot.replace(reader.text()?).is_some() {
                return Err(DocumentError::Malformed("an element is there twice"));
            }
        }
        let (Some(key), Some(value)) = (key, value) else {
            return Err(DocumentError::Malformed("a tag needs a `Key` and a `Value`"));
        };
        tags.add(key, value)?;
    }
    Ok(tags)
}

/// Writes the body of a PutObjectTagging request for the target.
pub(crate) fn write_tags(tags: &[(String, String)]) -> Bytes {
    let mut xml = Xml::document();
    xml.root("Tagging");
    xml.open("TagSet");
    for (key, value) in tags {
        xml.open("Tag");
        xml.element("Key", key);
        xml.element("Value", value);
        xml.close("Tag");
    }
    xml.close("TagSet");
    xml.close("Tagging");
    xml.finish()
}

/// Checks what a caller wants of a new bucket: a region, which is not for it to choose, and nothing else.
///
/// # Errors
/// [`DocumentError`] for anything else, which would be a bucket other than was asked for.
pub(crate) fn check_new_bucket(document: &[u8]) -> Result<(), DocumentError> {
    let mut reader = Reader::new(document, Source::Caller)?;
    reader.root("CreateBucketConfiguration")?;
    while let Some(name) = reader.child()? {
        match &*name {
            "LocationConstraint" => drop(reader.text()?),
            "Tags" => return Err(DocumentError::Unsupported("Tags")),
            "Bucket" => return Err(DocumentError::Unsupported("Bucket")),
            "Location" => return Err(DocumentError::Unsupported("Location")),
            other => return Err(DocumentError::UnknownElement(other.into())),
        }
    }
    reader.end()
}

/// Writes the body of a CreateBucket request for a target in `region`: nothing where that is the default.
pub(crate) fn write_new_bucket(region: &str) -> Bytes {
    if matches!(region, "us-east-1" | "auto") {
        return Bytes::new();
    }
    let mut xml = Xml::document();
    xml.root("CreateBucketConfiguration");
    xml.element("LocationConstraint", region);
    xml.close("CreateBucketConfiguration");
    xml.finish()
}

/// Writes a bucket policy anew, so that the target reads the JSON that was read here.
///
/// # Errors
/// [`DocumentError`] if it is no JSON object.
pub(crate) fn rebuild_policy(document: &[u8]) -> Result<Bytes, DocumentError> {
    let policy: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(document).map_err(|_| DocumentError::Policy)?;
    serde_json::to_vec(&policy)
        .map(Bytes::from)
        .map_err(|_| DocumentError::Policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const XMLNS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

    fn written(document: Result<Bytes, DocumentError>) -> Result<String, &'static str> {
        let document = document.map_err(|error| error.code())?;
        let text = String::from_utf8(document.to_vec()).unwrap();
        Ok(text.replace(&format!(" {XMLNS}"), "").split_off(39))
    }

    #[test]
    fn a_document_of_a_fixed_form_is_written_anew() {
        let check = |form: &Form, document: &str, expected: Result<&str, &'static str>| {
            let found = written(rebuild(document.as_bytes(), form));
            assert_eq!(found, expected.map(str::to_owned), "{document}");
        };
        check(
            &RETENTION,
            "<Retention xmlns='x' a='b'><!-- c --><Mode> GOVERNANCE</Mode>\n<RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>",
            Ok(
                "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>",
            ),
        );
        check(&RETENTION, "<Retention/>", Ok("<Retention></Retention>"));
        check(
            &LEGAL_HOLD,
            "<LegalHold><Status>ON</Status></LegalHold>",
            Ok("<LegalHold><Status>ON</Status></LegalHold>"),
        );
        check(
            &RESTORE,
            "<RestoreRequest><Days>2</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>",
            Ok(
                "<RestoreRequest><Days>2</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>",
            ),
        );
        for (form, document) in [
            (&RETENTION, "<Retention><Mode>NONE</Mode></Retention>"),
            (
                &RETENTION,
                "<Retention><RetainUntilDate>soon</RetainUntilDate></Retention>",
            ),
            (
                &RETENTION,
                "<Retention><Mode>COMPLIANCE</Mode><Mode>GOVERNANCE</Mode></Retention>",
            ),
            (&RETENTION, "<LegalHold><Status>ON</Status></LegalHold>"),
            (&LEGAL_HOLD, "<LegalHold><Status>on</Status></LegalHold>"),
            (
                &LEGAL_HOLD,
                "<!DOCTYPE x><LegalHold><Status>ON</Status></LegalHold>",
            ),
            (&RESTORE, "<RestoreRequest><Days>0</Days></RestoreRequest>"),
            (&RESTORE, "<RestoreRequest><Days>1</Days>text</RestoreRequest>"),
            // LEK-03: data would go to another bucket.
            (
                &RESTORE,
                "<RestoreRequest><OutputLocation><S3><BucketName>x</BucketName></S3></OutputLocation></RestoreRequest>",
            ),
            (&RESTORE, "<RestoreRequest><Type>SELECT</Type></RestoreRequest>"),
        ] {
            check(form, document, Err("MalformedXML"));
        }
    }

    #[test]
    fn tags_are_parsed_strictly_and_read_back_as_they_were() {
        let parse =
            |inner: &str| parse_tags(format!("<Tagging><TagSet>{inner}</TagSet></Tagging>").as_bytes());
        let tag = |key: &str, value: &str| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        let tags = parse(&(tag("a &amp; b", "") + &tag("c", " d "))).unwrap();
        assert_eq!(
            *tags,
            [
                ("a & b".to_owned(), String::new()),
                ("c".to_owned(), " d ".to_owned())
            ]
        );
        assert_eq!(parse_tags(&write_tags(&tags)), Ok(tags));
        assert_eq!(parse(""), Ok(ObjectTags::default()));
        let check = |inner: &str, code: &str| assert_eq!(parse(inner).unwrap_err().code(), code, "{inner}");
        check(&(tag("a", "1") + &tag("a", "2")), "InvalidTag");
        check(&tag("", "1"), "InvalidTag");
        check(&tag(&"k".repeat(129), "1"), "InvalidTag");
        check(&tag("k", &"v".repeat(257)), "InvalidTag");
        check(
            &(0..11).map(|n| tag(&n.to_string(), "")).collect::<String>(),
            "InvalidTag",
        );
        check("<Tag><Key>a</Key></Tag>", "MalformedXML");
        check("<Tag><Key>a</Key><Key>b</Key><Value/></Tag>", "MalformedXML");
        check("<Other/>", "MalformedXML");
        assert!(parse_tags(b"<Tagging/>").is_err());
        assert!(parse_tags(b"<Tagging><TagSet/><TagSet/></Tagging>").is_err());
    }

    #[test]
    fn a_setting_keeps_its_elements_and_the_type_of_its_grantees() {
        let check = |document: &str, root: &str, expected: Result<&str, &'static str>| {
            let found = written(rebuild_setting(document.as_bytes(), root));
            assert_eq!(found, expected.map(str::to_owned), "{document}");
        };
        check(
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod></CORSRule></CORSConfiguration>",
            "CORSConfiguration",
            Ok(
                "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod></CORSRule></CORSConfiguration>",
            ),
        );
        check(
            "<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi=\"y\" xsi:type=\"Group\"><URI>u</URI></Grantee>\
             <Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>",
            "AccessControlPolicy",
            Ok(
                "<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:type=\"Group\"><URI>u</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>",
            ),
        );
        check(
            "<Grant><Grantee><ID>a</ID><URI>u</URI></Grantee></Grant>",
            "Grant",
            Err("MalformedXML"),
        );
        check("<Other/>", "CORSConfiguration", Err("MalformedXML"));
        check(
            "<!DOCTYPE x [<!ENTITY e 'x'>]><Tagging>&e;</Tagging>",
            "Tagging",
            Err("MalformedXML"),
        );
    }

    #[test]
    fn a_new_bucket_is_made_where_the_configuration_says() {
        let check = |inner: &str, code: Option<&str>| {
            let document = format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>");
            assert_eq!(
                check_new_bucket(document.as_bytes()).err().map(|e| e.code()),
                code,
                "{inner}"
            );
        };
        check("", None);
        check("<LocationConstraint>eu-west-1</LocationConstraint>", None);
        check("<Tags><Tag/></Tags>", Some("NotImplemented"));
        check("<Bucket><Type>Directory</Type></Bucket>", Some("NotImplemented"));
        check("<Other/>", Some("MalformedXML"));
        assert_eq!(write_new_bucket("us-east-1"), "");
        assert!(
            written(Ok(write_new_bucket("eu-west-1")))
                .unwrap()
                .contains(">eu-west-1<")
        );
    }

    #[test]
    fn a_bucket_policy_is_a_json_object() {
        assert_eq!(rebuild_policy(b" {\"a\": [1]} ").unwrap(), "{\"a\":[1]}");
        for bad in ["", "[]", "{} x", "{\"a\":}", "\"x\""] {
            assert_eq!(
                rebuild_policy(bad.as_bytes()).unwrap_err().code(),
                "MalformedPolicy",
                "{bad}"
            );
        }
    }
}
