//! Object tags, within the limits of S3 wherever they stand: in a document, or in a header.

/// The tags that a request sets: name and value, in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectTags(
    // INVARIANT: at most [`MOST`], each name once, lengths within limits.
    Vec<(String, String)>,
);

/// Why a tag cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagFlaw {
    /// More than ten.
    #[error("an object has at most 10 tags")]
    TooMany,
    /// An empty or too long name, or a too long value.
    #[error("the name of a tag has 1 to 128 characters and its value at most 256")]
    Length,
    /// A name twice.
    #[error("the name `{0}` is there twice")]
    Duplicate(Box<str>),
}

/// Most tags on an object.
const MOST: usize = 10;
/// Longest name, in characters.
const NAME: usize = 128;
/// Longest value, in characters.
const VALUE: usize = 256;

impl ObjectTags {
    /// Adds one more.
    ///
    /// # Errors
    /// [`TagFlaw`]; the tags are then as they were.
    ///
    /// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>
    pub fn add(&mut self, name: String, value: String) -> Result<(), TagFlaw> {
        if name.is_empty() || name.chars().count() > NAME || value.chars().count() > VALUE {
            return Err(TagFlaw::Length);
        }
        if self.0.iter().any(|(known, _)| *known == name) {
            return Err(TagFlaw::Duplicate(name.into()));
        }
        if self.0.len() == MOST {
            return Err(TagFlaw::TooMany);
        }
        self.0.push((name, value));
        Ok(())
    }
}

impl std::ops::Deref for ObjectTags {
    type Target = [(String, String)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_limits() {
        let mut tags = ObjectTags::default();
        let mut add = |name: &str, value: &str| tags.add(name.into(), value.into());
        assert_eq!(add("", "1"), Err(TagFlaw::Length));
        assert_eq!(add(&"ä".repeat(129), "1"), Err(TagFlaw::Length));
        assert_eq!(add("k", &"v".repeat(257)), Err(TagFlaw::Length));
        assert_eq!(add(&"ä".repeat(128), &"ö".repeat(256)), Ok(()));
        assert_eq!(add("a", "1"), Ok(()));
        assert_eq!(add("a", "2"), Err(TagFlaw::Duplicate("a".into())));
        for n in 2..10 {
            assert_eq!(add(&n.to_string(), ""), Ok(()));
        }
        assert_eq!(add("eleventh", ""), Err(TagFlaw::TooMany));
        assert_eq!(tags.len(), 10);
    }
}
