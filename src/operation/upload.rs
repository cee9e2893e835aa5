//! An upload in parts, between the call that begins it and the one that ends it.
//!
//! The store knows an upload by its own id and by nothing else; a policy wants to know what was asked when it began.
//! Both travel in the upload id that the caller holds (sealed in `authn`), and are here once that was opened.

use super::Operation;

/// What an upload id says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The target's own id. Works at the target: never for callers.
    pub target_id: Box<str>,
    /// Where the caller has the id from.
    pub origin: UploadOrigin,
    /// What was asked when it began; nothing is known of an upload out of a listing.
    pub terms: UploadTerms,
}

/// Where a caller has an upload id from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadOrigin {
    /// It began the upload.
    Begun,
    /// It listed the uploads of a bucket: whose this one is cannot be known.
    Listed,
}

/// What CreateMultipartUpload asked of the store, as far as policies look at it: one value for each of
/// [`UploadTerms::HEADERS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadTerms(pub [Option<Box<str>>; UploadTerms::HEADERS.len()]);

impl UploadTerms {
    /// The headers that policies look at. Their order is that of sealed upload ids: it must not change.
    pub const HEADERS: [&'static str; 4] = [
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-storage-class",
        "x-amz-tagging",
    ];

    /// What `operation` asks.
    pub fn of(operation: &Operation) -> Self {
        Self(Self::HEADERS.map(|name| operation.header(name).map(Into::into)))
    }

    /// The value of one of [`UploadTerms::HEADERS`].
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = Self::HEADERS.into_iter().zip(&self.0);
        pairs.find(|(known, _)| *known == name)?.1.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Api, BucketName, Detail, ObjectKey, ObjectName, Resource};

    fn begin(headers: &[(&'static str, &str)]) -> Operation {
        let object = ObjectName {
            bucket: BucketName::parse("lake").unwrap(),
            key: ObjectKey::parse(b"a").unwrap(),
        };
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let (api, resource) = (Api::CreateMultipartUpload, Resource::Object(object));
        let parameters = vec![("uploads", "".into())];
        Operation::new(api, resource, parameters, headers.collect(), Detail::None).unwrap()
    }

    #[test]
    fn later_calls_ask_for_what_the_first_one_asked() {
        let first = begin(&[
            ("x-amz-tagging", "a=b"),
            ("x-amz-server-side-encryption", "aws:kms"),
        ]);
        let upload = Upload {
            target_id: "u".into(),
            origin: UploadOrigin::Begun,
            terms: UploadTerms::of(&first),
        };
        let later = begin(&[]).with_upload(upload.clone());
        assert_eq!(later.asked("x-amz-tagging"), Some("a=b"));
        assert_eq!(later.asked("x-amz-server-side-encryption"), Some("aws:kms"));
        assert_eq!(later.asked("x-amz-storage-class"), None);
        assert_eq!(later.header("x-amz-tagging"), None);
        let says_so_itself = begin(&[("x-amz-tagging", "c=d")]).with_upload(upload);
        assert_eq!(says_so_itself.asked("x-amz-tagging"), Some("c=d"));
    }
}
