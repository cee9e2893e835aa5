//! What the file-system store gets wrong, mended where its crate lets one in: after it has verified who asks, and
//! before it does what was asked.
//!
//! A store that keeps keys as paths confuses folders with objects. S3A asks for every parent of what it writes, and
//! tries for minutes again when it is told 500 instead of 404. And an empty `delimiter`, which minio-go always sends
//! and which means none to S3, is taken for one: restic then cannot find its own packs. What cannot be mended is said:
//! next to each object the store keeps a file whose name has the whole key in it, encoded, so that a key over some
//! 160 bytes does not fit. Left alone it would answer 500, with the object written all the same.

use data_encoding::BASE64URL_NOPAD;
use s3s::access::S3Access;
use s3s::dto::{
    CopyObjectInput, CreateMultipartUploadInput, GetObjectInput, HeadObjectInput, ListObjectsInput,
    ListObjectsV2Input, PutObjectInput,
};
use s3s::{S3Request, S3Result, s3_error};
use std::{
    future::ready,
    path::{Path, PathBuf},
    pin::Pin,
};

/// Sees every request whose signature is right; anonymous ones are refused by what the trait does by default.
pub(super) struct StoreAccess {
    root: PathBuf,
}

/// Bytes of a file's name: what Linux takes.
const LONGEST_NAME: usize = 255;
/// What the names of the files beside an object begin with, join with and end with.
const NAME_PARTS: [&str; 3] = [".bucket-", ".object-", ".metadata.json"];
/// What such a name has in addition while the object is uploaded in parts.
const UPLOAD_PART: &str = ".upload-00000000-0000-0000-0000-000000000000";

/// What an asynchronous method of a boxed trait returns.
type Checked<'a> = Pin<Box<dyn Future<Output = S3Result<()>> + Send + 'a>>;

impl StoreAccess {
    /// For a store that serves the folders in `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// `more` is what the file's name has besides bucket and key.
    fn refuse_long_key(bucket: &str, key: &str, more: &str) -> S3Result<()> {
        let encoded = |text: &str| BASE64URL_NOPAD.encode_len(text.len());
        let fixed: usize = NAME_PARTS.iter().map(|part| part.len()).sum();
        let longest = fixed + more.len() + encoded(bucket) + encoded(key);
        // A key that ends in a slash becomes a folder, with nothing beside it.
        let fits = key.ends_with('/') || longest <= LONGEST_NAME;
        if fits && key.split('/').all(|segment| segment.len() <= LONGEST_NAME) {
            Ok(())
        } else {
            Err(s3_error!(
                KeyTooLongError,
                "The embedded store does not take keys this long"
            ))
        }
    }

    /// Refuses what cannot become an object. A write into a bucket that is not there would make the bucket.
    fn refuse_write(&self, bucket: &str, key: &str, more: &str) -> S3Result<()> {
        if self.root.join(bucket).is_dir() {
            Self::refuse_long_key(bucket, key, more)
        } else {
            Err(s3_error!(NoSuchBucket))
        }
    }

    fn refuse_folder(&self, bucket: &str, key: &str) -> S3Result<()> {
        if self.root.join(bucket).join(key).is_dir() {
            Err(s3_error!(NoSuchKey))
        } else {
            Ok(())
        }
    }
}

// The trait is written with a macro that boxes its futures; these are the signatures that it makes.
impl S3Access for StoreAccess {
    fn head_object<'s, 'r, 'f>(&'s self, request: &'r mut S3Request<HeadObjectInput>) -> Checked<'f>
    where
        's: 'f,
        'r: 'f,
        Self: 'f,
    {
        let input = &request.input;
        Box::pin(ready(self.refuse_folder(&input.bucket, &input.key)))
    }

    fn get_object<'s, 'r, 'f>(&'s self, request: &'r mut S3Request<GetObjectInput>) -> Checked<'f>
    where
        's: 'f,
        'r: 'f,
        Self: 'f,
    {
        let input = &request.input;
        Box::pin(ready(self.refuse_folder(&input.bucket, &input.key)))
    }

    fn put_object<'s, 'r, 'f>(&'s self, request: &'r mut S3Request<PutObjectInput>) -> Checked<'f>
    where
        's: 'f,
        'r: 'f,
        Self: 'f,
    {
        let input = &request.input;
        Box::pin(ready(self.refuse_write(&input.bucket, &input.key, "")))
    }

    fn copy_object<'s, 'r, 'f>(&'s self, request: &'r mut S3Request<CopyObjectInput>) -> Checked<'f>
    where
        's: 'f,
        'r: 'f,
        Self: 'f,
    {
        let input = &request.input;
        Box::pin(ready(self.refuse_write(&input.bucket, &input.key, "")))
    }

    fn create_multipart_upload<'s, 'r, 'f>(
        &'s self,
        request: &'r mut S3Request<CreateMultipartUploadInput>,
    ) -> Checked<'f>
    where
        's: 'f,
        'r: 'f,
        Self: 'f,
    {
        let input = &request.input;
        Box::pin(ready(Self::refuse_long_key(
            &input.bucket,
            &input.key,
            UPLOAD_PART,
        )))
    }

    fn list_objects<'s, 'r, 'f>(&'s self, request: &'r mut S3Request<ListObjectsInput>) -> Checked<'f>
    where
        's: 'f,
        'r: 'f,
        Self: 'f,
    {
        let delimiter = &mut request.input.delimiter;
        *delimiter = delimiter.take().filter(|text| !text.is_empty());
        Box::pin(ready(Ok(())))
    }

    fn list_objects_v2<'s, 'r, 'f>(&'s self, request: &'r mut S3Request<ListObjectsV2Input>) -> Checked<'f>
    where
        's: 'f,
        'r: 'f,
        Self: 'f,
    {
        let delimiter = &mut request.input.delimiter;
        *delimiter = delimiter.take().filter(|text| !text.is_empty());
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_refused_that_the_store_cannot_name() {
        let takes = |bucket: &str, key: usize, more: &str| {
            StoreAccess::refuse_long_key(bucket, &"k".repeat(key), more).is_ok()
        };
        assert!(takes("lake", 164, "") && !takes("lake", 165, ""));
        assert!(takes("lake", 131, UPLOAD_PART) && !takes("lake", 132, UPLOAD_PART));
        assert!(takes("a-bucket-with-a-longer-name", 100, ""));
        let folder = format!("{}/{}/", "a".repeat(200), "b".repeat(200));
        assert!(StoreAccess::refuse_long_key("lake", &folder, "").is_ok());
        let unnameable = format!("{}/", "a".repeat(256));
        assert!(StoreAccess::refuse_long_key("lake", &unnameable, "").is_err());
    }

    #[test]
    fn folders_are_no_objects() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("lake/tmp/events")).unwrap();
        std::fs::write(dir.path().join("lake/tmp/a"), "a").unwrap();
        let access = StoreAccess::new(dir.path());
        assert!(access.refuse_folder("lake", "tmp").is_err());
        assert!(access.refuse_folder("lake", "tmp/events/").is_err());
        assert!(access.refuse_folder("lake", "tmp/a").is_ok());
        assert!(access.refuse_folder("lake", "tmp/b").is_ok());
        assert!(access.refuse_write("lake", "tmp/b", "").is_ok());
        assert!(access.refuse_write("gone", "tmp/b", "").is_err());
    }
}
