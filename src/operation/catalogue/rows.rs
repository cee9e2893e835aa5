//! The rows, by what they act on: objects, uploads, listings, buckets, settings, and what is never served.

use super::headers::{
    ACL, ATTRIBUTES, COMPLETE, COPY, CREATE_BUCKET, DELETE, DELETE_MANY, LIST, PART, PART_COPY, PAYER, READ,
    RETENTION, WRITE,
};
use super::{Answer, BodyRule, DocumentForm, Handling, Right, Row};
use crate::operation::{Action, Api, Scope};

/// Two megabytes hold a thousand keys of the longest kind, escaped.
const DELETIONS: usize = 2 << 20;
/// Four megabytes hold ten thousand parts with a checksum each.
const PARTS: usize = 4 << 20;
/// A region and a few tags, a period, a tier.
const SMALL: usize = 64 << 10;
/// A lifecycle of a thousand rules is less.
const SETTING: usize = 1 << 20;
/// As at S3.
const POLICY: usize = 20 << 10;

/// Parameters of reads of object bytes.
const OVERRIDES: &[&str] = &[
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "versionId",
];
const VERSION: &[&str] = &["versionId"];
const PAGE: &[&str] = &["continuation-token"];

const DIRECTORY_BUCKETS: &str = "directory buckets are not served: put their credentials into the target's side, or use a general purpose bucket";
const NO_ACCESS_POINTS: &str =
    "access points and functions behind them are not served: name the bucket itself";

/// A row in the program's constants.
macro_rules! row {
    ($row:expr) => {
        const { &$row }
    };
}

impl Api {
    /// The catalogue's row.
    #[allow(clippy::too_many_lines, reason = "it is the table")]
    pub(crate) fn row(self) -> &'static Row {
        match self {
            // Objects
            Self::GetObject => row!(Row {
                optional: OVERRIDES,
                headers: READ,
                rights: &[Right::Version(Action::GetObject, Action::GetObjectVersion)],
                answer: Answer::Object,
                ..object("GET")
            }),
            Self::HeadObject => row!(Row {
                optional: OVERRIDES,
                headers: READ,
                rights: &[Right::Version(Action::GetObject, Action::GetObjectVersion)],
                answer: Answer::Object,
                ..object("HEAD")
            }),
            Self::PutObject => row!(Row {
                headers: WRITE,
                metadata: true,
                body: BodyRule::Object,
                rights: &[Right::Object(Action::PutObject)],
                ..object("PUT")
            }),
            Self::PostObject => row!(Row {
                body: BodyRule::Form,
                handling: Handling::Becomes(Self::PutObject),
                answer: Answer::None,
                ..bucket("POST")
            }),
            Self::CopyObject => row!(Row {
                headers: COPY,
                metadata: true,
                copies: true,
                rights: &[Right::CopySource, Right::Object(Action::PutObject)],
                answer: Answer::Document(&["CopyObjectResult"]),
                ..object("PUT")
            }),
            Self::DeleteObject => row!(Row {
                optional: VERSION,
                headers: DELETE,
                rights: &[Right::Version(Action::DeleteObject, Action::DeleteObjectVersion)],
                ..object("DELETE")
            }),
            Self::DeleteObjects => row!(Row {
                required: &["delete"],
                headers: DELETE_MANY,
                body: document(DELETIONS, DocumentForm::Deletions),
                rights: &[Right::Deletions],
                answer: Answer::Deletions,
                ..bucket("POST")
            }),
            Self::GetObjectAttributes => row!(Row {
                required: &["attributes"],
                optional: VERSION,
                headers: ATTRIBUTES,
                rights: &[
                    Right::Version(Action::GetObject, Action::GetObjectVersion),
                    Right::Version(Action::GetObjectAttributes, Action::GetObjectVersionAttributes),
                ],
                // The reference and the wire name it differently.
                answer: Answer::Document(&["GetObjectAttributesResponse", "GetObjectAttributesOutput"]),
                ..object("GET")
            }),
            Self::GetObjectTagging => row!(Row {
                required: &["tagging"],
                optional: VERSION,
                headers: PAYER,
                rights: &[Right::Version(
                    Action::GetObjectTagging,
                    Action::GetObjectVersionTagging
                )],
                answer: Answer::Document(&["Tagging"]),
                ..object("GET")
            }),
            Self::PutObjectTagging => row!(Row {
                required: &["tagging"],
                optional: VERSION,
                headers: PAYER,
                body: document(SMALL, DocumentForm::ObjectTags),
                rights: &[Right::Version(
                    Action::PutObjectTagging,
                    Action::PutObjectVersionTagging
                )],
                ..object("PUT")
            }),
            Self::DeleteObjectTagging => row!(Row {
                required: &["tagging"],
                optional: VERSION,
                rights: &[Right::Version(
                    Action::DeleteObjectTagging,
                    Action::DeleteObjectVersionTagging
                )],
                ..object("DELETE")
            }),
            Self::GetObjectAcl => row!(Row {
                required: &["acl"],
                optional: VERSION,
                headers: PAYER,
                rights: &[Right::Version(Action::GetObjectAcl, Action::GetObjectVersionAcl)],
                answer: Answer::Document(&["AccessControlPolicy"]),
                ..object("GET")
            }),
            Self::PutObjectAcl => row!(Row {
                required: &["acl"],
                optional: VERSION,
                headers: ACL,
                body: optional_document(SMALL, DocumentForm::Setting("AccessControlPolicy")),
                rights: &[Right::Version(Action::PutObjectAcl, Action::PutObjectVersionAcl)],
                ..object("PUT")
            }),
            Self::GetObjectRetention => row!(Row {
                required: &["retention"],
                optional: VERSION,
                headers: PAYER,
                rights: &[Right::Object(Action::GetObjectRetention)],
                answer: Answer::Document(&["Retention"]),
                ..object("GET")
            }),
            Self::PutObjectRetention => row!(Row {
                required: &["retention"],
                optional: VERSION,
                headers: RETENTION,
                body: document(SMALL, DocumentForm::Retention),
                rights: &[Right::Object(Action::PutObjectRetention)],
                ..object("PUT")
            }),
            Self::GetObjectLegalHold => row!(Row {
                required: &["legal-hold"],
                optional: VERSION,
                headers: PAYER,
                rights: &[Right::Object(Action::GetObjectLegalHold)],
                answer: Answer::Document(&["LegalHold"]),
                ..object("GET")
            }),
            Self::PutObjectLegalHold => row!(Row {
                required: &["legal-hold"],
                optional: VERSION,
                headers: PAYER,
                body: document(SMALL, DocumentForm::LegalHold),
                rights: &[Right::Object(Action::PutObjectLegalHold)],
                ..object("PUT")
            }),
            Self::RestoreObject => row!(Row {
                required: &["restore"],
                optional: VERSION,
                headers: PAYER,
                body: document(SMALL, DocumentForm::Restore),
                rights: &[Right::Object(Action::RestoreObject)],
                ..object("POST")
            }),

            // Uploads in parts
            Self::CreateMultipartUpload => row!(Row {
                required: &["uploads"],
                headers: WRITE,
                metadata: true,
                rights: &[Right::Object(Action::PutObject)],
                answer: Answer::Document(&["InitiateMultipartUploadResult"]),
                ..object("POST")
            }),
            Self::UploadPart => row!(Row {
                required: &["partNumber", "uploadId"],
                headers: PART,
                body: BodyRule::Object,
                rights: &[Right::Object(Action::PutObject)],
                ..object("PUT")
            }),
            Self::UploadPartCopy => row!(Row {
                required: &["partNumber", "uploadId"],
                headers: PART_COPY,
                copies: true,
                rights: &[Right::CopySource, Right::Object(Action::PutObject)],
                answer: Answer::Document(&["CopyPartResult"]),
                ..object("PUT")
            }),
            Self::CompleteMultipartUpload => row!(Row {
                required: &["uploadId"],
                headers: COMPLETE,
                body: document(PARTS, DocumentForm::Parts),
                rights: &[Right::Object(Action::PutObject)],
                answer: Answer::Completion,
                ..object("POST")
            }),
            Self::AbortMultipartUpload => row!(Row {
                required: &["uploadId"],
                headers: PAYER,
                rights: &[Right::Object(Action::AbortMultipartUpload)],
                ..object("DELETE")
            }),
            Self::ListParts => row!(Row {
                required: &["uploadId"],
                optional: &["encoding-type", "max-parts", "part-number-marker"],
                headers: PART,
                rights: &[Right::Object(Action::ListMultipartUploadParts)],
                answer: Answer::Document(&["ListPartsResult"]),
                ..object("GET")
            }),

            // Listings
            Self::ListBuckets => row!(Row {
                optional: &["bucket-region", "continuation-token", "max-buckets", "prefix"],
                handling: Handling::Answered,
                rights: &[Right::Visible],
                answer: Answer::None,
                ..row("GET", Scope::Service)
            }),
            Self::ListObjects => row!(Row {
                optional: &["delimiter", "encoding-type", "marker", "max-keys", "prefix"],
                headers: LIST,
                rights: &[Right::Bucket(Action::ListBucket)],
                answer: Answer::Document(&["ListBucketResult"]),
                ..bucket("GET")
            }),
            Self::ListObjectsV2 => row!(Row {
                required: &["list-type"],
                optional: &[
                    "continuation-token",
                    "delimiter",
                    "encoding-type",
                    "fetch-owner",
                    "max-keys",
                    "prefix",
                    "start-after",
                ],
                headers: LIST,
                rights: &[Right::Bucket(Action::ListBucket)],
                answer: Answer::Document(&["ListBucketResult"]),
                ..bucket("GET")
            }),
            Self::ListObjectVersions => row!(Row {
                required: &["versions"],
                optional: &[
                    "delimiter",
                    "encoding-type",
                    "key-marker",
                    "max-keys",
                    "prefix",
                    "version-id-marker",
                ],
                headers: LIST,
                rights: &[Right::Bucket(Action::ListBucketVersions)],
                answer: Answer::Document(&["ListVersionsResult"]),
                ..bucket("GET")
            }),
            Self::ListMultipartUploads => row!(Row {
                required: &["uploads"],
                optional: &[
                    "delimiter",
                    "encoding-type",
                    "key-marker",
                    "max-uploads",
                    "prefix",
                    "upload-id-marker",
                ],
                headers: PAYER,
                rights: &[Right::Bucket(Action::ListBucketMultipartUploads)],
                answer: Answer::Document(&["ListMultipartUploadsResult"]),
                ..bucket("GET")
            }),

            // Buckets
            Self::HeadBucket => row!(Row {
                rights: &[Right::Bucket(Action::ListBucket)],
                ..bucket("HEAD")
            }),
            // Clients send it before an upload to be sure. Forwarded where the configuration lets buckets be made.
            Self::CreateBucket => row!(Row {
                headers: CREATE_BUCKET,
                body: optional_document(SMALL, DocumentForm::NewBucket),
                rights: &[Right::Bucket(Action::CreateBucket)],
                ..bucket("PUT")
            }),
            Self::DeleteBucket => row!(Row {
                rights: &[Right::Bucket(Action::DeleteBucket)],
                ..bucket("DELETE")
            }),
            Self::GetBucketLocation => row!(Row {
                handling: Handling::Answered,
                answer: Answer::None,
                ..probe(&["location"], &[Right::Bucket(Action::GetBucketLocation)], &[])
            }),

            // What tools ask of a bucket before they begin
            Self::GetBucketAccelerateConfiguration => row!(probe(
                &["accelerate"],
                &[Right::Bucket(Action::GetAccelerateConfiguration)],
                &["AccelerateConfiguration"]
            )),
            Self::GetBucketAcl => row!(probe(
                &["acl"],
                &[Right::Bucket(Action::GetBucketAcl)],
                &["AccessControlPolicy"]
            )),
            Self::GetBucketEncryption => row!(probe(
                &["encryption"],
                &[Right::Bucket(Action::GetEncryptionConfiguration)],
                &["ServerSideEncryptionConfiguration"]
            )),
            Self::GetObjectLockConfiguration => row!(probe(
                &["object-lock"],
                &[Right::Bucket(Action::GetBucketObjectLockConfiguration)],
                &["ObjectLockConfiguration"]
            )),
            Self::GetBucketPolicyStatus => row!(probe(
                &["policyStatus"],
                &[Right::Bucket(Action::GetBucketPolicyStatus)],
                &["PolicyStatus"]
            )),
            Self::GetBucketRequestPayment => row!(probe(
                &["requestPayment"],
                &[Right::Bucket(Action::GetBucketRequestPayment)],
                &["RequestPaymentConfiguration"]
            )),
            Self::GetBucketTagging => row!(probe(
                &["tagging"],
                &[Right::Bucket(Action::GetBucketTagging)],
                &["Tagging"]
            )),
            Self::GetBucketVersioning => row!(probe(
                &["versioning"],
                &[Right::Bucket(Action::GetBucketVersioning)],
                &["VersioningConfiguration"]
            )),

            // Settings: they decide who else gets at the data, or what becomes of it. LEK-01
            Self::GetBucketAbac => row!(probe(
                &["abac"],
                &[Right::Bucket(Action::GetBucketAbac)],
                &["AbacStatus"]
            )),
            Self::PutBucketAbac => row!(change(
                &["abac"],
                "AbacStatus",
                &[Right::Bucket(Action::PutBucketAbac)]
            )),
            Self::PutBucketAccelerateConfiguration => row!(change(
                &["accelerate"],
                "AccelerateConfiguration",
                &[Right::Bucket(Action::PutAccelerateConfiguration)]
            )),
            Self::PutBucketAcl => row!(Row {
                headers: ACL,
                body: optional_document(SMALL, DocumentForm::Setting("AccessControlPolicy")),
                ..change(
                    &["acl"],
                    "AccessControlPolicy",
                    &[Right::Bucket(Action::PutBucketAcl)]
                )
            }),
            Self::GetBucketAnalyticsConfiguration => row!(probe(
                &["analytics", "id"],
                &[Right::Bucket(Action::GetAnalyticsConfiguration)],
                &["AnalyticsConfiguration"]
            )),
            Self::ListBucketAnalyticsConfigurations => row!(Row {
                optional: PAGE,
                ..probe(
                    &["analytics"],
                    &[Right::Bucket(Action::GetAnalyticsConfiguration)],
                    &[]
                )
            }),
            Self::PutBucketAnalyticsConfiguration => row!(change(
                &["analytics", "id"],
                "AnalyticsConfiguration",
                &[Right::Bucket(Action::PutAnalyticsConfiguration)]
            )),
            Self::DeleteBucketAnalyticsConfiguration => row!(remove(
                &["analytics", "id"],
                &[Right::Bucket(Action::PutAnalyticsConfiguration)]
            )),
            Self::GetBucketCors => row!(probe(
                &["cors"],
                &[Right::Bucket(Action::GetBucketCORS)],
                &["CORSConfiguration"]
            )),
            Self::PutBucketCors => row!(change(
                &["cors"],
                "CORSConfiguration",
                &[Right::Bucket(Action::PutBucketCORS)]
            )),
            Self::DeleteBucketCors => row!(remove(&["cors"], &[Right::Bucket(Action::PutBucketCORS)])),
            Self::PutBucketEncryption => row!(change(
                &["encryption"],
                "ServerSideEncryptionConfiguration",
                &[Right::Bucket(Action::PutEncryptionConfiguration)]
            )),
            Self::DeleteBucketEncryption => row!(remove(
                &["encryption"],
                &[Right::Bucket(Action::PutEncryptionConfiguration)]
            )),
            Self::GetBucketIntelligentTieringConfiguration => row!(probe(
                &["intelligent-tiering", "id"],
                &[Right::Bucket(Action::GetIntelligentTieringConfiguration)],
                &["IntelligentTieringConfiguration"]
            )),
            Self::ListBucketIntelligentTieringConfigurations => row!(Row {
                optional: PAGE,
                ..probe(
                    &["intelligent-tiering"],
                    &[Right::Bucket(Action::GetIntelligentTieringConfiguration)],
                    &[]
                )
            }),
            Self::PutBucketIntelligentTieringConfiguration => row!(change(
                &["intelligent-tiering", "id"],
                "IntelligentTieringConfiguration",
                &[Right::Bucket(Action::PutIntelligentTieringConfiguration)]
            )),
            Self::DeleteBucketIntelligentTieringConfiguration => row!(remove(
                &["intelligent-tiering", "id"],
                &[Right::Bucket(Action::PutIntelligentTieringConfiguration)]
            )),
            Self::GetBucketInventoryConfiguration => row!(probe(
                &["inventory", "id"],
                &[Right::Bucket(Action::GetInventoryConfiguration)],
                &["InventoryConfiguration"]
            )),
            Self::ListBucketInventoryConfigurations => row!(Row {
                optional: PAGE,
                ..probe(
                    &["inventory"],
                    &[Right::Bucket(Action::GetInventoryConfiguration)],
                    &[]
                )
            }),
            Self::PutBucketInventoryConfiguration => row!(change(
                &["inventory", "id"],
                "InventoryConfiguration",
                &[Right::Bucket(Action::PutInventoryConfiguration)]
            )),
            Self::DeleteBucketInventoryConfiguration => row!(remove(
                &["inventory", "id"],
                &[Right::Bucket(Action::PutInventoryConfiguration)]
            )),
            Self::GetBucketLifecycleConfiguration => row!(probe(
                &["lifecycle"],
                &[Right::Bucket(Action::GetLifecycleConfiguration)],
                &["LifecycleConfiguration"]
            )),
            Self::PutBucketLifecycleConfiguration => row!(Row {
                headers: &["x-amz-transition-default-minimum-object-size"],
                ..change(
                    &["lifecycle"],
                    "LifecycleConfiguration",
                    &[Right::Bucket(Action::PutLifecycleConfiguration)]
                )
            }),
            Self::DeleteBucketLifecycle => row!(remove(
                &["lifecycle"],
                &[Right::Bucket(Action::PutLifecycleConfiguration)]
            )),
            Self::GetBucketLogging => row!(probe(
                &["logging"],
                &[Right::Bucket(Action::GetBucketLogging)],
                &["BucketLoggingStatus"]
            )),
            Self::PutBucketLogging => row!(change(
                &["logging"],
                "BucketLoggingStatus",
                &[Right::Bucket(Action::PutBucketLogging)]
            )),
            Self::GetBucketMetadataConfiguration => row!(probe(
                &["metadataConfiguration"],
                &[Right::Bucket(Action::GetBucketMetadataTableConfiguration)],
                &[]
            )),
            Self::CreateBucketMetadataConfiguration => row!(Row {
                method: "POST",
                ..change(
                    &["metadataConfiguration"],
                    "MetadataConfiguration",
                    &[Right::Bucket(Action::CreateBucketMetadataTableConfiguration)]
                )
            }),
            Self::GetBucketMetadataTableConfiguration => row!(probe(
                &["metadataTable"],
                &[Right::Bucket(Action::GetBucketMetadataTableConfiguration)],
                &[]
            )),
            Self::CreateBucketMetadataTableConfiguration => row!(Row {
                method: "POST",
                ..change(
                    &["metadataTable"],
                    "MetadataTableConfiguration",
                    &[Right::Bucket(Action::CreateBucketMetadataTableConfiguration)]
                )
            }),
            Self::UpdateBucketMetadataAnnotationTableConfiguration => row!(change(
                &["metadataAnnotationTable"],
                "AnnotationTableConfiguration",
                &[Right::Bucket(
                    Action::UpdateBucketMetadataAnnotationTableConfiguration
                )]
            )),
            Self::UpdateBucketMetadataInventoryTableConfiguration => row!(change(
                &["metadataInventoryTable"],
                "InventoryTableConfiguration",
                &[Right::Bucket(
                    Action::UpdateBucketMetadataInventoryTableConfiguration
                )]
            )),
            Self::UpdateBucketMetadataJournalTableConfiguration => row!(change(
                &["metadataJournalTable"],
                "JournalTableConfiguration",
                &[Right::Bucket(
                    Action::UpdateBucketMetadataJournalTableConfiguration
                )]
            )),
            Self::GetBucketMetricsConfiguration => row!(probe(
                &["metrics", "id"],
                &[Right::Bucket(Action::GetMetricsConfiguration)],
                &["MetricsConfiguration"]
            )),
            Self::ListBucketMetricsConfigurations => row!(Row {
                optional: PAGE,
                ..probe(
                    &["metrics"],
                    &[Right::Bucket(Action::GetMetricsConfiguration)],
                    &[]
                )
            }),
            Self::PutBucketMetricsConfiguration => row!(change(
                &["metrics", "id"],
                "MetricsConfiguration",
                &[Right::Bucket(Action::PutMetricsConfiguration)]
            )),
            Self::DeleteBucketMetricsConfiguration => row!(remove(
                &["metrics", "id"],
                &[Right::Bucket(Action::PutMetricsConfiguration)]
            )),
            Self::GetBucketNotificationConfiguration => row!(probe(
                &["notification"],
                &[Right::Bucket(Action::GetBucketNotification)],
                &["NotificationConfiguration"]
            )),
            Self::PutBucketNotificationConfiguration => row!(Row {
                headers: &["x-amz-skip-destination-validation"],
                ..change(
                    &["notification"],
                    "NotificationConfiguration",
                    &[Right::Bucket(Action::PutBucketNotification)]
                )
            }),
            Self::PutObjectLockConfiguration => row!(Row {
                headers: &["x-amz-bucket-object-lock-token", "x-amz-request-payer"],
                ..change(
                    &["object-lock"],
                    "ObjectLockConfiguration",
                    &[Right::Bucket(Action::PutBucketObjectLockConfiguration)]
                )
            }),
            Self::GetBucketOwnershipControls => row!(probe(
                &["ownershipControls"],
                &[Right::Bucket(Action::GetBucketOwnershipControls)],
                &["OwnershipControls"]
            )),
            Self::PutBucketOwnershipControls => row!(change(
                &["ownershipControls"],
                "OwnershipControls",
                &[Right::Bucket(Action::PutBucketOwnershipControls)]
            )),
            Self::DeleteBucketOwnershipControls => row!(remove(
                &["ownershipControls"],
                &[Right::Bucket(Action::PutBucketOwnershipControls)]
            )),
            Self::GetPublicAccessBlock => row!(probe(
                &["publicAccessBlock"],
                &[Right::Bucket(Action::GetBucketPublicAccessBlock)],
                &["PublicAccessBlockConfiguration"]
            )),
            Self::PutPublicAccessBlock => row!(change(
                &["publicAccessBlock"],
                "PublicAccessBlockConfiguration",
                &[Right::Bucket(Action::PutBucketPublicAccessBlock)]
            )),
            Self::DeletePublicAccessBlock => row!(remove(
                &["publicAccessBlock"],
                &[Right::Bucket(Action::PutBucketPublicAccessBlock)]
            )),
            Self::GetBucketReplication => row!(probe(
                &["replication"],
                &[Right::Bucket(Action::GetReplicationConfiguration)],
                &["ReplicationConfiguration"]
            )),
            Self::PutBucketReplication => row!(Row {
                headers: &["x-amz-bucket-object-lock-token"],
                ..change(
                    &["replication"],
                    "ReplicationConfiguration",
                    &[Right::Bucket(Action::PutReplicationConfiguration)]
                )
            }),
            Self::DeleteBucketReplication => row!(remove(
                &["replication"],
                &[Right::Bucket(Action::PutReplicationConfiguration)]
            )),
            Self::PutBucketRequestPayment => row!(change(
                &["requestPayment"],
                "RequestPaymentConfiguration",
                &[Right::Bucket(Action::PutBucketRequestPayment)]
            )),
            Self::PutBucketTagging => row!(change(
                &["tagging"],
                "Tagging",
                &[Right::Bucket(Action::PutBucketTagging)]
            )),
            Self::DeleteBucketTagging => {
                row!(remove(&["tagging"], &[Right::Bucket(Action::PutBucketTagging)]))
            }
            Self::PutBucketVersioning => row!(Row {
                headers: &["x-amz-mfa"],
                ..change(
                    &["versioning"],
                    "VersioningConfiguration",
                    &[Right::Bucket(Action::PutBucketVersioning)]
                )
            }),
            Self::GetBucketWebsite => row!(probe(
                &["website"],
                &[Right::Bucket(Action::GetBucketWebsite)],
                &["WebsiteConfiguration"]
            )),
            Self::PutBucketWebsite => row!(change(
                &["website"],
                "WebsiteConfiguration",
                &[Right::Bucket(Action::PutBucketWebsite)]
            )),
            Self::DeleteBucketWebsite => row!(remove(
                &["website"],
                &[Right::Bucket(Action::DeleteBucketWebsite)]
            )),
            // Policies are JSON.
            Self::GetBucketPolicy => row!(Row {
                answer: Answer::Policy,
                ..probe(&["policy"], &[Right::Bucket(Action::GetBucketPolicy)], &[])
            }),
            Self::PutBucketPolicy => row!(Row {
                required: &["policy"],
                headers: &["x-amz-confirm-remove-self-bucket-access"],
                body: document(POLICY, DocumentForm::Policy),
                rights: &[Right::Bucket(Action::PutBucketPolicy)],
                ..bucket("PUT")
            }),
            Self::DeleteBucketPolicy => {
                row!(remove(&["policy"], &[Right::Bucket(Action::DeleteBucketPolicy)]))
            }

            // Older names
            Self::GetBucketLifecycle => row!(alias(
                "GET",
                &["lifecycle"],
                Self::GetBucketLifecycleConfiguration
            )),
            Self::PutBucketLifecycle => row!(alias(
                "PUT",
                &["lifecycle"],
                Self::PutBucketLifecycleConfiguration
            )),
            Self::GetBucketNotification => {
                row!(alias(
                    "GET",
                    &["notification"],
                    Self::GetBucketNotificationConfiguration
                ))
            }
            Self::PutBucketNotification => {
                row!(alias(
                    "PUT",
                    &["notification"],
                    Self::PutBucketNotificationConfiguration
                ))
            }

            // Never served. LEK-02, LEK-03. CLS-08: what is younger than most stores is among it, because a store that does
            // not know `?annotation` reads, writes and deletes the object itself.
            Self::CreateSession => row!(Row {
                required: &["session"],
                ..refused(
                    "GET",
                    Scope::Bucket,
                    "it would hand out credentials of the storage; sessions come from AssumeRoleWithWebIdentity here"
                )
            }),
            Self::ListDirectoryBuckets => row!(Row {
                required: &["max-directory-buckets"],
                optional: PAGE,
                ..refused("GET", Scope::Service, DIRECTORY_BUCKETS)
            }),
            Self::RenameObject => row!(Row {
                required: &["renameObject"],
                ..refused("PUT", Scope::Object, "copy the object and delete the first one")
            }),
            Self::SelectObjectContent => row!(Row {
                required: &["select", "select-type"],
                ..refused("POST", Scope::Object, "read the object and select from it there")
            }),
            Self::GetObjectAnnotation => row!(annotation("GET", &["annotation", "annotationName"])),
            Self::ListObjectAnnotations => row!(annotation("GET", &["annotation"])),
            Self::PutObjectAnnotation => row!(annotation("PUT", &["annotation", "annotationName"])),
            Self::DeleteObjectAnnotation => row!(annotation("DELETE", &["annotation", "annotationName"])),
            Self::DeleteBucketMetadataConfiguration => row!(Row {
                required: &["metadataConfiguration"],
                ..refused(
                    "DELETE",
                    Scope::Bucket,
                    "stores that do not know it would delete the bucket; remove it at the storage"
                )
            }),
            Self::DeleteBucketMetadataTableConfiguration => row!(Row {
                required: &["metadataTable"],
                ..refused(
                    "DELETE",
                    Scope::Bucket,
                    "stores that do not know it would delete the bucket; remove it at the storage"
                )
            }),
            Self::UpdateObjectEncryption => row!(Row {
                required: &["encryption"],
                optional: VERSION,
                ..refused(
                    "PUT",
                    Scope::Object,
                    "stores that do not know it would write its document over the object; copy the object onto itself"
                )
            }),
            Self::GetObjectTorrent => row!(Row {
                required: &["torrent"],
                ..refused(
                    "GET",
                    Scope::Object,
                    "torrents lead around policy; read the object"
                )
            }),
            // Its path is no name of a bucket, and no presigner hoists such a header: it is never found.
            Self::WriteGetObjectResponse => row!(Row {
                required: &["x-amz-request-route"],
                ..refused("POST", Scope::Bucket, NO_ACCESS_POINTS)
            }),
        }
    }
}

const fn row(method: &'static str, scope: Scope) -> Row {
    Row {
        method,
        scope,
        required: &[],
        optional: &[],
        headers: &[],
        metadata: false,
        copies: false,
        body: BodyRule::Empty,
        handling: Handling::Forwarded,
        rights: &[],
        answer: Answer::Headers,
    }
}

const fn object(method: &'static str) -> Row {
    row(method, Scope::Object)
}

const fn bucket(method: &'static str) -> Row {
    row(method, Scope::Bucket)
}

const fn document(limit: usize, form: DocumentForm) -> BodyRule {
    BodyRule::Document {
        limit,
        form,
        optional: false,
    }
}

const fn optional_document(limit: usize, form: DocumentForm) -> BodyRule {
    BodyRule::Document {
        limit,
        form,
        optional: true,
    }
}

/// A read of something about a bucket.
const fn probe(
    required: &'static [&'static str],
    rights: &'static [Right],
    roots: &'static [&'static str],
) -> Row {
    Row {
        required,
        rights,
        answer: Answer::Document(roots),
        ..bucket("GET")
    }
}

/// A change of something about a bucket.
const fn change(required: &'static [&'static str], root: &'static str, rights: &'static [Right]) -> Row {
    Row {
        required,
        rights,
        body: document(SETTING, DocumentForm::Setting(root)),
        ..bucket("PUT")
    }
}

/// The removal of something about a bucket.
const fn remove(required: &'static [&'static str], rights: &'static [Right]) -> Row {
    Row {
        required,
        rights,
        ..bucket("DELETE")
    }
}

const fn alias(method: &'static str, required: &'static [&'static str], of: Api) -> Row {
    Row {
        required,
        handling: Handling::SameRequestAs(of),
        answer: Answer::None,
        ..bucket(method)
    }
}

const fn annotation(method: &'static str, required: &'static [&'static str]) -> Row {
    Row {
        required,
        optional: &[
            "annotation-prefix",
            "continuation-token",
            "max-annotation-results",
            "versionId",
        ],
        ..refused(
            method,
            Scope::Object,
            "stores that do not know annotations take it for a call about the object itself; use tags or metadata",
        )
    }
}

const fn refused(method: &'static str, scope: Scope, why: &'static str) -> Row {
    Row {
        handling: Handling::Refused(why),
        answer: Answer::None,
        ..row(method, scope)
    }
}
