//! DeleteObjects: the list that is asked for, the list that is sent, and the result put together from both.
//!
//! AUZ-05: each key is decided by itself, so the list must mean one thing to everybody. It is parsed into nouns and
//! the target gets a list written from those that were allowed. What could narrow a deletion (`ETag`, `Size`,
//! `LastModifiedTime`) is refused rather than dropped: without it more would be deleted than was asked.

use super::names::Names;
use super::reader::{Reader, Source, is_blank};
use super::writer::Xml;
use super::{DocumentError, outward};
use crate::operation::{BucketName, KeyError, KeyPrefix, ObjectDeletion, ObjectKey, ObjectName};
use bytes::Bytes;
use std::collections::HashSet;

/// As at S3.
const OBJECT_LIMIT: usize = 1000;
const VERSION_LIMIT: usize = 1024;
/// One entry for each object that was asked for, and room for a target that reports more than one.
const RESULT_LIMIT: usize = 4 * OBJECT_LIMIT;

/// Parses the body of a DeleteObjects request to `bucket`: 1 to 1,000 objects, and whether successes go unreported.
///
/// # Errors
/// [`DocumentError`], with a text for the caller.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
pub(crate) fn parse_delete(
    document: &[u8],
    bucket: &BucketName,
) -> Result<(Vec<ObjectDeletion>, bool), DocumentError> {
    let mut reader = Reader::new(document, Source::Caller)?;
    reader.root("Delete")?;
    let (mut objects, mut quiet) = (Vec::new(), None);
    while let Some(name) = reader.child()? {
        match &*name {
            "Object" if objects.len() == OBJECT_LIMIT => return Err(DocumentError::TooMany(OBJECT_LIMIT)),
            "Object" => objects.push(object(&mut reader, bucket, objects.len() + 1)?),
            "Quiet" => once(&mut quiet, boolean(&reader.text()?)?)?,
            other => return Err(DocumentError::UnknownElement(other.into())),
        }
    }
    reader.end()?;
    match objects.is_empty() {
        true => Err(DocumentError::Malformed("it names no object")),
        false => Ok((objects, quiet.unwrap_or(false))),
    }
}

fn object(
    reader: &mut Reader<'_>,
    bucket: &BucketName,
    position: usize,
) -> Result<ObjectDeletion, DocumentError> {
    let (mut key, mut version_id) = (None, None);
    while let Some(name) = reader.child()? {
        match &*name {
            "Key" => once(&mut key, reader.text()?)?,
            "VersionId" => once(&mut version_id, version(reader.text()?)?)?,
            "ETag" => return Err(DocumentError::Unsupported("ETag")),
            "LastModifiedTime" => return Err(DocumentError::Unsupported("LastModifiedTime")),
            "Size" => return Err(DocumentError::Unsupported("Size")),
            other => return Err(DocumentError::UnknownElement(other.into())),
        }
    }
    let key = key.ok_or(DocumentError::Malformed("an object has no key"))?;
    let key = ObjectKey::parse(key.as_bytes()).map_err(|error| DocumentError::Key { position, error })?;
    Ok(ObjectDeletion {
        object: ObjectName {
            bucket: bucket.clone(),
            key,
        },
        version_id,
    })
}

/// An empty version is refused: whether it means the current one or none is not ours to guess.
fn version(text: String) -> Result<Box<str>, DocumentError> {
    match text.len() {
        1..=VERSION_LIMIT => Ok(text.into()),
        _ => Err(DocumentError::Malformed("a version id is empty or too long")),
    }
}

fn boolean(text: &str) -> Result<bool, DocumentError> {
    let text = text.trim_ascii();
    [("true", true), ("false", false)]
        .into_iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .ok_or(DocumentError::Malformed("`Quiet` is neither `true` nor `false`"))
}

/// Sets `slot`, but not a second time: of two keys, each side would take another one.
fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), DocumentError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(DocumentError::Malformed("an element is there twice")),
    }
}

/// Writes the body of a DeleteObjects request for the target.
///
/// # Errors
/// [`KeyError::TooLong`] for a key that does not fit behind `prefix`.
pub(crate) fn write_delete(
    objects: &[ObjectDeletion],
    quiet: bool,
    prefix: &KeyPrefix,
) -> Result<Bytes, KeyError> {
    // INVARIANT: keys and versions come from `parse_delete`, which refuses what XML cannot carry: the writer
    // replaces nothing, so the target deletes what was decided.
    let mut xml = Xml::document();
    xml.root("Delete");
    for deletion in objects {
        xml.open("Object");
        let key = prefix.join(&deletion.object.key)?;
        name_object(&mut xml, key.as_str(), deletion);
        xml.close("Object");
    }
    if quiet {
        xml.element("Quiet", "true");
    }
    xml.close("Delete");
    Ok(xml.finish())
}

fn name_object(xml: &mut Xml, key: &str, deletion: &ObjectDeletion) {
    xml.element("Key", key);
    if let Some(version_id) = &deletion.version_id {
        xml.element("VersionId", version_id);
    }
}

/// Puts the answer together: what the target did, and an `AccessDenied` for each deletion that policy denied.
///
/// `target` is the body of the target's answer, bounded by its reader, with the caller's names for it; `None` if nothing
/// was asked of it. `asked` is what was: of an object about which the target says nothing nobody knows whether it is
/// gone, and what it says about others is for nobody here.
/// `denied` comes with the message for each. Of the target's errors only the code is kept.
///
/// # Errors
/// [`DocumentError`] if the target's answer is not a DeleteResult. The text is for the operator.
pub(crate) fn merge_delete_result(
    target: Option<(&[u8], &Names)>,
    asked: &[ObjectDeletion],
    denied: &[(ObjectDeletion, String)],
    quiet: bool,
) -> Result<Bytes, DocumentError> {
    let mut xml = Xml::document();
    xml.root("DeleteResult");
    if let Some((target, names)) = target {
        let mut reader = Reader::new(target, Source::Target)?;
        reader.root("DeleteResult")?;
        let mut entries = 0;
        let mut open = Open::new(asked);
        while let Some(name) = reader.child()? {
            entries += 1;
            if entries > RESULT_LIMIT {
                return Err(DocumentError::TooMany(RESULT_LIMIT));
            }
            match &*name {
                "Deleted" => deleted(&mut reader, &mut xml, names, &mut open, quiet)?,
                "Error" => failed(&mut reader, &mut xml, names, &mut open, quiet)?,
                _ => reader.skip()?,
            }
        }
        reader.end()?;
        // Quiet targets tell of failures alone.
        for deletion in asked.iter().filter(|asked| !quiet && open.is_untold(asked)) {
            let (code, message) = outward("InternalError");
            xml.open("Error");
            name_object(&mut xml, deletion.object.key.as_str(), deletion);
            xml.element("Code", code);
            xml.element("Message", message);
            xml.close("Error");
        }
    }
    for (deletion, message) in denied {
        xml.open("Error");
        name_object(&mut xml, deletion.object.key.as_str(), deletion);
        xml.element("Code", "AccessDenied");
        xml.element("Message", message);
        xml.close("Error");
    }
    xml.close("DeleteResult");
    Ok(xml.finish())
}

/// The keys that were asked about, and those of which the target told.
struct Open<'a> {
    asked: HashSet<&'a str>,
    told: HashSet<String>,
}

impl<'a> Open<'a> {
    fn new(asked: &'a [ObjectDeletion]) -> Self {
        Self {
            asked: asked
                .iter()
                .map(|deletion| deletion.object.key.as_str())
                .collect(),
            told: HashSet::new(),
        }
    }

    /// Whether `key` was asked about; it is told of now.
    fn tell(&mut self, key: Option<String>) -> bool {
        let asked = key.filter(|key| self.asked.contains(key.as_str()));
        asked.map(|key| self.told.insert(key)).is_some()
    }

    fn is_untold(&self, deletion: &ObjectDeletion) -> bool {
        !self.told.contains(deletion.object.key.as_str())
    }
}

/// What the target says of one object.
struct Entry {
    /// As the caller named it.
    key: Option<String>,
    kept: Xml,
    code: String,
}

/// Reads an entry and keeps those of `elements` that say something.
fn entry(reader: &mut Reader<'_>, names: &Names, elements: &[&str]) -> Result<Entry, DocumentError> {
    let mut entry = Entry {
        key: None,
        kept: Xml::fragment(),
        code: String::new(),
    };
    while let Some(name) = reader.child()? {
        match &*name {
            "Key" => {
                let text = reader.text()?;
                let key = names.deleted(&text)?;
                entry.kept.element("Key", key);
                entry.key = Some(key.to_owned());
            }
            "Code" => entry.code = reader.text()?,
            name if elements.contains(&name) => {
                let text = reader.text()?;
                if !is_blank(&text) {
                    entry.kept.element(name, &text);
                }
            }
            _ => reader.skip()?,
        }
    }
    Ok(entry)
}

fn deleted(
    reader: &mut Reader<'_>,
    xml: &mut Xml,
    names: &Names,
    open: &mut Open<'_>,
    quiet: bool,
) -> Result<(), DocumentError> {
    let Entry { key, kept, .. } = entry(
        reader,
        names,
        &["VersionId", "DeleteMarker", "DeleteMarkerVersionId"],
    )?;
    if open.tell(key) && !quiet {
        xml.wrap("Deleted", kept);
    }
    Ok(())
}

fn failed(
    reader: &mut Reader<'_>,
    xml: &mut Xml,
    names: &Names,
    open: &mut Open<'_>,
    quiet: bool,
) -> Result<(), DocumentError> {
    let Entry { key, mut kept, code } = entry(reader, names, &["VersionId"])?;
    if !open.tell(key) {
        return Ok(());
    }
    // To S3, what is not there is deleted; other stores make an error of it, which clients do not expect.
    if matches!(code.trim_ascii(), "NoSuchKey" | "NoSuchVersion") {
        if !quiet {
            xml.wrap("Deleted", kept);
        }
        return Ok(());
    }
    let (code, message) = outward(code.trim_ascii());
    kept.element("Code", code);
    kept.element("Message", message);
    xml.wrap("Error", kept);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::names::tests::names;
    use super::*;
    use crate::operation::Api;
    use proptest::prelude::*;

    fn bucket() -> BucketName {
        BucketName::parse("lake").unwrap()
    }

    fn deletion(key: &str, version_id: Option<&str>) -> ObjectDeletion {
        ObjectDeletion {
            object: ObjectName {
                bucket: bucket(),
                key: ObjectKey::parse(key.as_bytes()).unwrap(),
            },
            version_id: version_id.map(Into::into),
        }
    }

    fn parse(inner: &str) -> Result<(Vec<ObjectDeletion>, bool), DocumentError> {
        parse_delete(format!("<Delete>{inner}</Delete>").as_bytes(), &bucket())
    }

    fn key(key: &str) -> Result<String, DocumentError> {
        let (objects, _) = parse(&format!("<Object><Key>{key}</Key></Object>"))?;
        Ok(objects[0].object.key.to_string())
    }

    #[test]
    fn the_documents_of_clients_are_understood() {
        let boto = b"<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a</Key></Object>\
            <Object><Key>b</Key><VersionId>v1</VersionId></Object><Quiet>true</Quiet></Delete>";
        let expected = vec![deletion("a", None), deletion("b", Some("v1"))];
        assert_eq!(parse_delete(boto, &bucket()), Ok((expected, true)));
        let pretty =
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete>\n  <Quiet>false</Quiet>\n  <Object>\n    \
            <VersionId>null</VersionId>\n    <Key>a</Key>\n  </Object>\n</Delete>\n";
        assert_eq!(
            parse_delete(pretty, &bucket()),
            Ok((vec![deletion("a", Some("null"))], false))
        );
    }

    // AUZ-05
    #[test]
    fn a_key_is_decoded_once_and_never_trimmed() {
        let check =
            |written: &str, expected: &str| assert_eq!(key(written).as_deref(), Ok(expected), "{written}");
        check(" a ", " a ");
        check("a&amp;amp;b", "a&amp;b");
        check("&#x61;&#98;", "ab");
        check("a%2Fb", "a%2Fb");
        check("<![CDATA[a&lt;<b>]]>", "a&lt;<b>");
        check("a<!-- b -->c", "ac");
        check("&#13;&#10;", "\r\n");
        check("ä🌊", "ä🌊");
    }

    // AUZ-05
    #[test]
    fn keys_that_cannot_be_named_are_refused() {
        for bad in ["", "..", "a/../b", "a/&#46;&#46;/b", "./a", "a/<![CDATA[..]]>"] {
            let error = key(bad).unwrap_err();
            assert!(matches!(error, DocumentError::Key { position: 1, .. }), "{bad}");
            assert_eq!(error.code(), "MalformedXML");
        }
        assert!(key(&"k".repeat(1025)).is_err());
        assert!(key("a&#0;").is_err());
        assert!(key("a&#1;").is_err());
    }

    // AUZ-05
    #[test]
    fn what_is_not_understood_is_refused() {
        for inner in [
            "",
            "<Object/>",
            "<Object><Key>a</Key><Key>b</Key></Object>",
            "<Object><Key>a<b/></Key></Object>",
            "<Object><VersionId>v</VersionId></Object>",
            "<Object><Key>a</Key><VersionId/></Object>",
            "<Object><Key>a</Key><VersionId>v</VersionId><VersionId>w</VersionId></Object>",
            "<Object><key>a</key></Object>",
            "<Object><Key>a</Key><Other/></Object>",
            "<Object>text<Key>a</Key></Object>",
            "<Object><Key>a</Key></Object><Quiet>yes</Quiet>",
            "<Object><Key>a</Key></Object><Quiet>true</Quiet><Quiet>false</Quiet>",
            "<Object><Key>a</Key></Object><Other/>",
            "<x:Object xmlns:x='y'><Key>a</Key></x:Object>",
        ] {
            assert_eq!(parse(inner).map_err(|e| e.code()), Err("MalformedXML"), "{inner}");
        }
        for document in ["<Other><Object><Key>a</Key></Object></Other>", "{}", ""] {
            assert!(parse_delete(document.as_bytes(), &bucket()).is_err());
        }
    }

    #[test]
    fn a_condition_is_refused_not_dropped() {
        for name in ["ETag", "LastModifiedTime", "Size"] {
            let error = parse(&format!("<Object><Key>a</Key><{name}>1</{name}></Object>")).unwrap_err();
            assert_eq!(error.code(), "NotImplemented", "{name}");
        }
    }

    // AUZ-05
    #[test]
    fn a_thousand_objects_are_accepted_and_not_one_more() {
        let objects = |count| "<Object><Key>a</Key></Object>".repeat(count);
        assert_eq!(parse(&objects(1000)).unwrap().0.len(), 1000);
        assert_eq!(parse(&objects(1001)), Err(DocumentError::TooMany(1000)));
    }

    proptest! {
        // What was decided is what the target reads.
        #[test]
        fn the_written_list_reads_as_the_parsed_one(
            keys in prop::collection::vec("[ -~\t\r\näß\u{2028}🌊&<>'\"]{1,40}", 1..20),
            quiet: bool,
        ) {
            let objects: Vec<_> = keys
                .iter()
                .filter_map(|key| ObjectKey::parse(key.as_bytes()).ok())
                .map(|key| deletion(key.as_str(), (key.as_str().len() % 2 == 0).then_some("v&<1>")))
                .collect();
            prop_assume!(!objects.is_empty());
            let written = write_delete(&objects, quiet, &KeyPrefix::default()).unwrap();
            prop_assert_eq!(parse_delete(&written, &bucket()), Ok((objects, quiet)));
        }

        #[test]
        fn no_bytes_make_the_parser_panic(document in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_delete(&document, &bucket());
        }
    }

    #[test]
    fn the_result_has_what_the_target_did_and_what_was_denied() {
        let target = b"<?xml version=\"1.0\"?><DeleteResult xmlns=\"x\"><Deleted><Key>a &amp; b</Key>\
            <DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m1</DeleteMarkerVersionId><Canary/></Deleted>\
            <Error><Key>c</Key><VersionId></VersionId><Code>InternalError</Code><Message>canary</Message>\
            <Resource>canary</Resource></Error>\
            <Error><Key>d</Key><Code>SignatureDoesNotMatch</Code><StringToSign>canary</StringToSign></Error>\
            </DeleteResult>";
        let denied = [(deletion("e", Some("v")), "not you & not <now>".to_owned())];
        let names = names(Api::DeleteObjects, "", &[]);
        let asked = [
            deletion("a & b", None),
            deletion("c", None),
            deletion("d", None),
            deletion("f", None),
        ];
        let merged = merge_delete_result(Some((target, &names)), &asked, &denied, false).unwrap();
        let merged = std::str::from_utf8(&merged).unwrap();
        assert!(merged.contains(
            "<Deleted><Key>a &amp; b</Key><DeleteMarker>true</DeleteMarker>\
             <DeleteMarkerVersionId>m1</DeleteMarkerVersionId></Deleted>"
        ));
        assert!(merged.contains("<Error><Key>c</Key><Code>InternalError</Code>"));
        assert!(merged.contains("<Error><Key>d</Key><Code>InternalError</Code>"));
        assert!(merged.contains(
            "<Error><Key>e</Key><VersionId>v</VersionId><Code>AccessDenied</Code>\
             <Message>not you &amp; not &lt;now&gt;</Message></Error>"
        ));
        // LEK-07
        assert!(!merged.to_lowercase().contains("canary"), "{merged}");
        // Nobody knows what became of it.
        assert!(merged.contains("<Error><Key>f</Key><Code>InternalError</Code>"));
        let quiet = merge_delete_result(Some((target, &names)), &asked, &denied, true).unwrap();
        let quiet = std::str::from_utf8(&quiet).unwrap();
        assert!(!quiet.contains("<Deleted>") && quiet.contains("<Key>e</Key>"));
    }

    #[test]
    fn what_nobody_asked_about_is_not_told() {
        let names = names(Api::DeleteObjects, "", &[]);
        let target = b"<DeleteResult><Deleted><Key>z</Key></Deleted><Error><Key>y</Key><Code>AccessDenied</Code></Error>\
            <Deleted><Key>a</Key></Deleted></DeleteResult>";
        let merged = merge_delete_result(Some((target, &names)), &[deletion("a", None)], &[], false).unwrap();
        let merged = std::str::from_utf8(&merged).unwrap();
        assert!(
            merged.ends_with("><Deleted><Key>a</Key></Deleted></DeleteResult>"),
            "{merged}"
        );
    }

    #[test]
    fn without_an_answer_of_the_target_the_denied_stand_alone() {
        let merged = merge_delete_result(None, &[], &[(deletion("a", None), "no".into())], false).unwrap();
        assert_eq!(
            merged,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Error><Key>a</Key>\
             <Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"
        );
        for answer in [&b"<Error/>"[..], b"<DeleteResult>", b"<html></html>", b""] {
            let names = names(Api::DeleteObjects, "", &[]);
            assert!(merge_delete_result(Some((answer, &names)), &[], &[], false).is_err());
        }
    }

    #[test]
    fn keys_are_mapped_out_and_back() {
        let prefix = KeyPrefix::parse("teams/a/").unwrap();
        let written = write_delete(&[deletion("b&", None)], false, &prefix).unwrap();
        assert!(
            std::str::from_utf8(&written)
                .unwrap()
                .contains("<Key>teams/a/b&amp;</Key>")
        );
        let long = [deletion(&"k".repeat(1020), None)];
        assert_eq!(write_delete(&long, false, &prefix), Err(KeyError::TooLong));

        let names = names(Api::DeleteObjects, "teams/a/", &[]);
        let asked = [deletion("b", None), deletion("c", None)];
        let merged = |inner: &str| {
            let answer = format!("<DeleteResult>{inner}</DeleteResult>");
            merge_delete_result(Some((answer.as_bytes(), &names)), &asked, &[], false)
        };
        let both = merged(
            "<Deleted><Key>teams/a/b</Key></Deleted><Error><Key>teams/a/c</Key><Code>InternalError</Code></Error>",
        );
        let both = String::from_utf8(both.unwrap().to_vec()).unwrap();
        assert!(both.contains("<Key>b</Key>") && both.contains("<Key>c</Key>") && !both.contains("teams"));
        // AUZ-10
        for foreign in [
            "<Deleted><Key>teams/b/c</Key></Deleted>",
            "<Error><Key>b</Key></Error>",
        ] {
            assert_eq!(merged(foreign), Err(DocumentError::Outside), "{foreign}");
        }
    }
}
