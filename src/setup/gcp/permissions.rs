//! What Google asks of whoever makes a call. The match over actions has no wildcard: one that is added without its
//! permissions does not compile.

use crate::operation::Action;

/// What the XML API and the JSON API want for an action.
#[allow(clippy::too_many_lines, reason = "it is the table")]
pub(super) fn permissions(action: Action) -> &'static [&'static str] {
    match action {
        Action::GetObject | Action::GetObjectVersion => &["storage.objects.get"],
        // To overwrite is to delete.
        Action::PutObject => &[
            "storage.multipartUploads.create",
            "storage.objects.create",
            "storage.objects.delete",
            // By the JSON API: what was deleted softly, and the metadata of what is there.
            "storage.objects.restore",
            "storage.objects.update",
        ],
        Action::PutObjectLegalHold | Action::PutObjectTagging => &["storage.objects.update"],
        Action::PutObjectAcl | Action::PutObjectVersionAcl => {
            &["storage.objects.getIamPolicy", "storage.objects.setIamPolicy"]
        }
        Action::GetBucketNotification => &["storage.buckets.get"],
        Action::PutBucketPolicy | Action::PutBucketAcl => {
            &["storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy"]
        }
        Action::PutBucketCORS
        | Action::PutBucketLogging
        | Action::PutBucketNotification
        | Action::PutBucketObjectLockConfiguration
        | Action::PutBucketOwnershipControls
        | Action::PutBucketPublicAccessBlock
        | Action::PutBucketRequestPayment
        | Action::PutBucketTagging
        | Action::PutBucketVersioning
        | Action::PutBucketWebsite
        | Action::PutEncryptionConfiguration
        | Action::PutIntelligentTieringConfiguration
        | Action::PutLifecycleConfiguration
        | Action::PutReplicationConfiguration => &["storage.buckets.update"],
        Action::PutObjectRetention => &["storage.objects.setRetention"],
        Action::BypassGovernanceRetention => &["storage.objects.overrideUnlockedRetention"],
        Action::AbortMultipartUpload => &["storage.multipartUploads.abort"],
        Action::ListMultipartUploadParts => &["storage.multipartUploads.listParts"],
        // To move is to delete the source.
        Action::DeleteObject | Action::DeleteObjectVersion => {
            &["storage.objects.delete", "storage.objects.move"]
        }
        // HeadBucket is a listing to S3, and a look at the bucket to Google.
        Action::ListBucket => &["storage.buckets.get", "storage.objects.list"],
        Action::ListBucketVersions => &["storage.objects.list"],
        Action::ListBucketMultipartUploads => &["storage.multipartUploads.list"],
        Action::GetBucketVersioning => &["storage.buckets.get"],
        Action::DeleteBucket => &["storage.buckets.delete"],
        // Of a project, and so of no role on a bucket.
        Action::CreateBucket => &[],
        // Cloud Storage is not asked for these: Tidegate refuses them, in the caller's words.
        Action::GetObjectAcl
        | Action::GetObjectVersionAcl
        | Action::GetObjectAnnotation
        | Action::GetObjectVersionAnnotation
        | Action::GetObjectAttributes
        | Action::GetObjectVersionAttributes
        | Action::GetObjectLegalHold
        | Action::GetObjectRetention
        | Action::GetObjectTagging
        | Action::GetObjectVersionTagging
        | Action::PutObjectAnnotation
        | Action::PutObjectVersionTagging
        | Action::DeleteObjectTagging
        | Action::DeleteObjectVersionTagging
        | Action::RestoreObject
        | Action::GetAccelerateConfiguration
        | Action::GetBucketAcl
        | Action::GetBucketLocation
        | Action::GetBucketObjectLockConfiguration
        | Action::GetBucketPolicyStatus
        | Action::GetBucketRequestPayment
        | Action::GetBucketTagging
        | Action::GetEncryptionConfiguration
        | Action::PutObjectWebsiteRedirect
        | Action::CreateBucketMetadataTableConfiguration
        | Action::DeleteBucketPolicy
        | Action::DeleteBucketWebsite
        | Action::GetAnalyticsConfiguration
        | Action::GetBucketAbac
        | Action::GetBucketCORS
        | Action::GetBucketLogging
        | Action::GetBucketMetadataTableConfiguration
        | Action::GetBucketOwnershipControls
        | Action::GetBucketPolicy
        | Action::GetBucketPublicAccessBlock
        | Action::GetBucketWebsite
        | Action::GetIntelligentTieringConfiguration
        | Action::GetInventoryConfiguration
        | Action::GetLifecycleConfiguration
        | Action::GetMetricsConfiguration
        | Action::GetReplicationConfiguration
        | Action::PutAccelerateConfiguration
        | Action::PutAnalyticsConfiguration
        | Action::PutBucketAbac
        | Action::PutInventoryConfiguration
        | Action::PutMetricsConfiguration
        | Action::UpdateBucketMetadataAnnotationTableConfiguration
        | Action::UpdateBucketMetadataInventoryTableConfiguration
        | Action::UpdateBucketMetadataJournalTableConfiguration => &[],
    }
}
