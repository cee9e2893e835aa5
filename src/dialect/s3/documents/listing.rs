//! What Tidegate itself reads of a listing.

use super::DocumentError;
use super::reader::{Reader, Source};

/// The first key of a ListObjectsV2 answer; `None` if it lists none.
///
/// # Errors
/// [`DocumentError`] if it is no such answer. The text is for the operator.
pub(crate) fn first_key(document: &[u8]) -> Result<Option<String>, DocumentError> {
    let mut reader = Reader::new(document, Source::Target)?;
    reader.root("ListBucketResult")?;
    let mut first = None;
    while let Some(name) = reader.child()? {
        if name != "Contents" || first.is_some() {
            reader.skip()?;
            continue;
        }
        while let Some(name) = reader.child()? {
            match &*name {
                "Key" => first = Some(reader.text()?),
                _ => reader.skip()?,
            }
        }
        if first.is_none() {
            return Err(DocumentError::Malformed("an entry has no key"));
        }
    }
    reader.end()?;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_is_found_or_there_is_none() {
        let check = |document: &str, expected: Option<Option<&str>>| {
            let found = first_key(document.as_bytes()).ok();
            assert_eq!(found.as_ref().map(Option::as_deref), expected, "{document}");
        };
        let entry = |key: &str| {
            format!("<Contents><Size>1</Size><Key>{key}</Key><Owner><ID>o</ID></Owner></Contents>")
        };
        let listing = |inner: &str| {
            format!("<?xml version=\"1.0\"?><ListBucketResult><Name>n</Name>{inner}</ListBucketResult>")
        };
        check(&listing(""), Some(None));
        check(&listing(&entry("a&amp;b")), Some(Some("a&b")));
        check(&listing(&(entry("a") + &entry("b"))), Some(Some("a")));
        check(
            &listing("<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"),
            Some(None),
        );
        check(&listing("<Contents><Size>1</Size></Contents>"), None);
        check("<Error><Code>NoSuchBucket</Code></Error>", None);
        check("", None);
        check(&listing(&entry("a"))[..60], None);
    }
}
