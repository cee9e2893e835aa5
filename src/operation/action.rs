//! The rights that policies grant: the IAM actions of S3, without their `s3:`.

use super::Scope;

/// Which context the schema gives to the requests of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContextKind {
    /// Who, when, from where.
    Plain,
    /// And the prefix that is listed.
    List,
    /// And what a write asks of the store.
    Write,
}

/// The group that an action belongs to in policies: `action in Tidegate::Action::"read"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActionGroup {
    /// What is read of objects.
    Read,
    /// What is written to objects.
    Write,
    /// What removes objects.
    Delete,
    /// What is listed and learned of buckets.
    List,
    /// What changes who else gets at data, or lifts a protection. A policy grants it by name or not at all.
    Manage,
}

impl ActionGroup {
    /// As in policies.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Manage => "manage",
        }
    }
}

macro_rules! actions {
    ($($name:ident: $scope:ident $group:ident $context:ident,)+) => {
        /// The policy name of a right: the IAM action without its `s3:`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are those of the IAM actions for S3")]
        pub enum Action { $($name,)+ }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name, as in `Tidegate::Action::"GetObject"` and `s3:GetObject`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// What it is a right to: a bucket or an object.
            pub(crate) fn scope(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)+ }
            }

            pub(crate) fn group(self) -> ActionGroup {
                match self { $(Self::$name => ActionGroup::$group,)+ }
            }

            pub(crate) fn context(self) -> ContextKind {
                match self { $(Self::$name => ContextKind::$context,)+ }
            }
        }
    };
}

actions! {
    GetObject: Object Read Plain,
    GetObjectVersion: Object Read Plain,
    GetObjectAcl: Object Read Plain,
    GetObjectVersionAcl: Object Read Plain,
    GetObjectAnnotation: Object Read Plain,
    GetObjectVersionAnnotation: Object Read Plain,
    GetObjectAttributes: Object Read Plain,
    GetObjectVersionAttributes: Object Read Plain,
    GetObjectLegalHold: Object Read Plain,
    GetObjectRetention: Object Read Plain,
    GetObjectTagging: Object Read Plain,
    GetObjectVersionTagging: Object Read Plain,

    PutObject: Object Write Write,
    PutObjectAnnotation: Object Write Write,
    PutObjectLegalHold: Object Write Write,
    PutObjectRetention: Object Write Write,
    PutObjectTagging: Object Write Write,
    PutObjectVersionTagging: Object Write Write,
    DeleteObjectTagging: Object Write Write,
    DeleteObjectVersionTagging: Object Write Write,
    RestoreObject: Object Write Write,
    AbortMultipartUpload: Object Write Write,
    ListMultipartUploadParts: Object Write Write,

    DeleteObject: Object Delete Plain,
    DeleteObjectVersion: Object Delete Plain,

    ListBucket: Bucket List List,
    ListBucketVersions: Bucket List List,
    ListBucketMultipartUploads: Bucket List List,
    GetAccelerateConfiguration: Bucket List List,
    GetBucketAcl: Bucket List List,
    GetBucketLocation: Bucket List List,
    GetBucketObjectLockConfiguration: Bucket List List,
    GetBucketPolicyStatus: Bucket List List,
    GetBucketRequestPayment: Bucket List List,
    GetBucketTagging: Bucket List List,
    GetBucketVersioning: Bucket List List,
    GetEncryptionConfiguration: Bucket List List,

    BypassGovernanceRetention: Object Manage Write,
    PutObjectAcl: Object Manage Write,
    PutObjectVersionAcl: Object Manage Write,
    PutObjectWebsiteRedirect: Object Manage Write,

    CreateBucket: Bucket Manage Plain,
    CreateBucketMetadataTableConfiguration: Bucket Manage Plain,
    DeleteBucket: Bucket Manage Plain,
    DeleteBucketPolicy: Bucket Manage Plain,
    DeleteBucketWebsite: Bucket Manage Plain,
    GetAnalyticsConfiguration: Bucket Manage Plain,
    GetBucketAbac: Bucket Manage Plain,
    GetBucketCORS: Bucket Manage Plain,
    GetBucketLogging: Bucket Manage Plain,
    GetBucketMetadataTableConfiguration: Bucket Manage Plain,
    GetBucketNotification: Bucket Manage Plain,
    GetBucketOwnershipControls: Bucket Manage Plain,
    GetBucketPolicy: Bucket Manage Plain,
    GetBucketPublicAccessBlock: Bucket Manage Plain,
    GetBucketWebsite: Bucket Manage Plain,
    GetIntelligentTieringConfiguration: Bucket Manage Plain,
    GetInventoryConfiguration: Bucket Manage Plain,
    GetLifecycleConfiguration: Bucket Manage Plain,
    GetMetricsConfiguration: Bucket Manage Plain,
    GetReplicationConfiguration: Bucket Manage Plain,
    PutAccelerateConfiguration: Bucket Manage Plain,
    PutAnalyticsConfiguration: Bucket Manage Plain,
    PutBucketAbac: Bucket Manage Plain,
    PutBucketAcl: Bucket Manage Plain,
    PutBucketCORS: Bucket Manage Plain,
    PutBucketLogging: Bucket Manage Plain,
    PutBucketNotification: Bucket Manage Plain,
    PutBucketObjectLockConfiguration: Bucket Manage Plain,
    PutBucketOwnershipControls: Bucket Manage Plain,
    PutBucketPolicy: Bucket Manage Plain,
    PutBucketPublicAccessBlock: Bucket Manage Plain,
    PutBucketRequestPayment: Bucket Manage Plain,
    PutBucketTagging: Bucket Manage Plain,
    PutBucketVersioning: Bucket Manage Plain,
    PutBucketWebsite: Bucket Manage Plain,
    PutEncryptionConfiguration: Bucket Manage Plain,
    PutIntelligentTieringConfiguration: Bucket Manage Plain,
    PutInventoryConfiguration: Bucket Manage Plain,
    PutLifecycleConfiguration: Bucket Manage Plain,
    PutMetricsConfiguration: Bucket Manage Plain,
    PutReplicationConfiguration: Bucket Manage Plain,
    UpdateBucketMetadataAnnotationTableConfiguration: Bucket Manage Plain,
    UpdateBucketMetadataInventoryTableConfiguration: Bucket Manage Plain,
    UpdateBucketMetadataJournalTableConfiguration: Bucket Manage Plain,
}

impl Action {
    /// Whether a policy must name it, or the group `manage`: a `permit` of every action does not grant it. LEK-01
    pub fn is_managed(self) -> bool {
        self.group() == ActionGroup::Manage
    }

    /// Whether it is about a setting. Tools try some of these as a matter of course and go on where they are not
    /// implemented, but not where they are denied.
    pub(crate) fn is_setting(self) -> bool {
        let more_than_a_setting = [
            Self::BypassGovernanceRetention,
            Self::CreateBucket,
            Self::DeleteBucket,
        ];
        self.is_managed() && !more_than_a_setting.contains(&self)
    }
}
