//! The object tags that a request sets, in its document or in `x-amz-tagging`, which is read once and strictly.
//!
//! Policies decide on these tags, and the store reads the same header again. What two readers could understand
//! differently is refused: broken percent signs, text that is not UTF-8, a `;` that some take for an `&`, a name
//! twice, and tags that a copy may or may not apply.

use crate::operation::{Api, Detail, ObjectTags, Operation, TagFlaw};

/// Why the tags of a request were not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaggingError {
    /// Not a query string of UTF-8.
    #[error("`x-amz-tagging` is not of the form `name=value&name=value`, URL-encoded UTF-8")]
    Encoding,
    /// Too many, too long, or twice.
    #[error("`x-amz-tagging` is not acceptable: {0}")]
    Flaw(#[from] TagFlaw),
    /// A copy with tags of its own that keeps those of its source.
    #[error("`x-amz-tagging` on a copy needs `x-amz-tagging-directive: REPLACE`")]
    Directive,
}

/// The tags that `operation` sets on its object; empty for calls that set none.
///
/// # Errors
/// [`TaggingError`] if they are not clear.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
pub(super) fn tags(operation: &Operation) -> Result<ObjectTags, TaggingError> {
    if let Detail::Tags(tags) = operation.detail() {
        return Ok(tags.clone());
    }
    let Some(header) = operation.asked("x-amz-tagging") else {
        return Ok(ObjectTags::default());
    };
    // Stores differ in what they do with tags on a copy that does not ask for them: some ignore, some apply.
    let replaces = || operation.header("x-amz-tagging-directive") == Some("REPLACE");
    if operation.api() == Api::CopyObject && !replaces() {
        return Err(TaggingError::Directive);
    }
    parse(header)
}

fn parse(header: &str) -> Result<ObjectTags, TaggingError> {
    if header.contains(';') || !percents_are_whole(header) {
        return Err(TaggingError::Encoding);
    }
    let mut tags = ObjectTags::default();
    for (name, value) in form_urlencoded::parse(header.as_bytes()) {
        // The decoder puts U+FFFD for what is not UTF-8.
        if [&name, &value].into_iter().any(|text| text.contains('\u{FFFD}')) {
            return Err(TaggingError::Encoding);
        }
        tags.add(name.into_owned(), value.into_owned())?;
    }
    Ok(tags)
}

fn percents_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut digit = || digits.next().is_some_and(|b| b.is_ascii_hexdigit());
        digit() && digit()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_strictly() {
        let good = |header: &str, expected: &[(&str, &str)]| {
            let expected: Vec<_> = expected
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect();
            assert_eq!(parse(header).as_deref(), Ok(&expected[..]), "{header}");
        };
        good("", &[]);
        good("a=b", &[("a", "b")]);
        good("a=b&c=", &[("a", "b"), ("c", "")]);
        good("flag", &[("flag", "")]);
        good("a+b=c%20d%2B%3D", &[("a b", "c d+=")]);
        good("%C3%A4=1", &[("ä", "1")]);

        let bad = |header: &str, expected: TaggingError| assert_eq!(parse(header), Err(expected), "{header}");
        bad("a=%", TaggingError::Encoding);
        bad("a=%2", TaggingError::Encoding);
        bad("a=%zz", TaggingError::Encoding);
        bad("a=%ff", TaggingError::Encoding);
        bad("a=b;c=d", TaggingError::Encoding);
        bad("=b", TagFlaw::Length.into());
        bad("a=1&%61=2", TagFlaw::Duplicate("a".into()).into());
    }
}
