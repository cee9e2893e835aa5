//! What an operation needs: actions on resources, under the names that policies use.

use super::{Api, BucketName, ObjectName, Operation};

/// The policy name of a right: the IAM action without its `s3:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the IAM actions for S3")]
pub enum Action {
    GetObject,
    GetObjectVersion,
    ListMultipartUploadParts,
    PutObject,
    PutObjectTagging,
    AbortMultipartUpload,
    DeleteObject,
    DeleteObjectVersion,
    ListBucket,
    ListBucketMultipartUploads,
    GetBucketLocation,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 11] = [
        Self::GetObject,
        Self::GetObjectVersion,
        Self::ListMultipartUploadParts,
        Self::PutObject,
        Self::PutObjectTagging,
        Self::AbortMultipartUpload,
        Self::DeleteObject,
        Self::DeleteObjectVersion,
        Self::ListBucket,
        Self::ListBucketMultipartUploads,
        Self::GetBucketLocation,
    ];

    /// The name, as in `Tidegate::Action::"GetObject"` and `s3:GetObject`.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetObject => "GetObject",
            Self::GetObjectVersion => "GetObjectVersion",
            Self::ListMultipartUploadParts => "ListMultipartUploadParts",
            Self::PutObject => "PutObject",
            Self::PutObjectTagging => "PutObjectTagging",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::DeleteObject => "DeleteObject",
            Self::DeleteObjectVersion => "DeleteObjectVersion",
            Self::ListBucket => "ListBucket",
            Self::ListBucketMultipartUploads => "ListBucketMultipartUploads",
            Self::GetBucketLocation => "GetBucketLocation",
        }
    }
}

/// An action on a resource. An operation is allowed when all its accesses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access<'a> {
    /// What is done.
    pub action: Action,
    /// To what.
    pub resource: AccessResource<'a>,
}

/// The resource of an access, under the name callers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessResource<'a> {
    /// A bucket.
    Bucket(&'a BucketName),
    /// An object in a bucket.
    Object(&'a ObjectName),
}

impl AccessResource<'_> {
    /// The bucket whose policy decides.
    pub fn bucket(&self) -> &BucketName {
        match self {
            Self::Bucket(bucket) => bucket,
            Self::Object(object) => &object.bucket,
        }
    }
}

impl Operation {
    /// The accesses that this operation needs, all of them.
    ///
    /// Empty for [`Api::ListBuckets`], which is answered from policy, and for [`Api::DeleteObjects`], whose
    /// deletions are decided one by one (see [`super::ObjectDeletion::action`]).
    pub fn accesses(&self) -> Vec<Access<'_>> {
        let on_bucket = |action| {
            self.bucket().map(|b| Access {
                action,
                resource: AccessResource::Bucket(b),
            })
        };
        let on_object = |action| {
            self.object().map(|o| Access {
                action,
                resource: AccessResource::Object(o),
            })
        };
        let versioned = |plain, version| {
            if self.parameter("versionId").is_some() {
                version
            } else {
                plain
            }
        };
        let tagging = || {
            self.header("x-amz-tagging")
                .and_then(|_| on_object(Action::PutObjectTagging))
        };
        let source = || {
            self.copy_source().map(|source| Access {
                action: match source.version_id {
                    Some(_) => Action::GetObjectVersion,
                    None => Action::GetObject,
                },
                resource: AccessResource::Object(&source.object),
            })
        };
        let needed: [Option<Access<'_>>; 3] = match self.api() {
            Api::ListBuckets | Api::DeleteObjects => [None, None, None],
            // Who may list a bucket learns that it exists, and nothing is made.
            Api::CreateBucket | Api::HeadBucket | Api::ListObjects | Api::ListObjectsV2 => {
                [on_bucket(Action::ListBucket), None, None]
            }
            Api::GetBucketLocation => [on_bucket(Action::GetBucketLocation), None, None],
            Api::ListMultipartUploads => [on_bucket(Action::ListBucketMultipartUploads), None, None],
            Api::GetObject | Api::HeadObject => [
                on_object(versioned(Action::GetObject, Action::GetObjectVersion)),
                None,
                None,
            ],
            Api::PutObject | Api::CreateMultipartUpload => [on_object(Action::PutObject), tagging(), None],
            Api::UploadPart | Api::CompleteMultipartUpload => [on_object(Action::PutObject), None, None],
            Api::CopyObject => [source(), on_object(Action::PutObject), tagging()],
            Api::UploadPartCopy => [source(), on_object(Action::PutObject), None],
            Api::DeleteObject => [
                on_object(versioned(Action::DeleteObject, Action::DeleteObjectVersion)),
                None,
                None,
            ],
            Api::AbortMultipartUpload => [on_object(Action::AbortMultipartUpload), None, None],
            Api::ListParts => [on_object(Action::ListMultipartUploadParts), None, None],
        };
        needed.into_iter().flatten().collect()
    }
}
