//! What `s3s` reads: which call, and the words of it that decide.

use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Request, S3Response, S3Result, dto::*, host::SingleDomain, s3_error};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// A call with its words by their names on the wire, sorted. A word that is empty says nothing and is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) name: &'static str,
    pub(super) words: Vec<(String, String)>,
}

impl Reading {
    pub(super) fn new(name: &'static str, mut words: Vec<(String, String)>) -> Self {
        words.retain(|(_, value)| !value.is_empty());
        words.sort_unstable();
        Self { name, words }
    }
}

/// An S3 service that does nothing but read.
pub(super) struct Reader {
    service: S3Service,
    last: Arc<Mutex<Option<Reading>>>,
}

impl Reader {
    pub(super) fn new(domain: &str) -> Self {
        let last = Arc::default();
        let mut builder = S3ServiceBuilder::new(Recorder(Arc::clone(&last)));
        builder.set_host(SingleDomain::new(domain).unwrap());
        Self {
            service: builder.build(),
            last,
        }
    }

    /// The call of `request`, or the status with which it is refused.
    pub(super) fn read(&self, request: http::Request<bytes::Bytes>) -> Result<Reading, http::StatusCode> {
        let call = self.service.call(request.map(Body::from));
        // Nothing in it waits: the body is there.
        let Poll::Ready(answer) = pin!(call).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("s3s waits for something")
        };
        let reading = self.last.lock().unwrap().take();
        reading.ok_or_else(|| answer.unwrap().status())
    }
}

struct Recorder(Arc<Mutex<Option<Reading>>>);

type Words = Vec<(String, Option<String>)>;
type Answer<'f, T> = Pin<Box<dyn Future<Output = S3Result<S3Response<T>>> + Send + 'f>>;

/// For each call: the words of its input, and what a closure adds.
macro_rules! calls {
    ($($name:ident $method:ident $input:ident $output:ident { $($field:ident)* } $(+ $more:expr)?;)+) => {
        /// The calls that s3s can tell apart.
        pub(super) const CALLS: &[&str] = &[$(stringify!($name)),+];

        impl S3 for Recorder {
            $(fn $method<'a, 'f>(&'a self, request: S3Request<$input>) -> Answer<'f, $output>
            where
                'a: 'f,
                Self: 'f,
            {
                let input = request.input;
                #[allow(unused_mut, reason = "not every call has more")]
                let mut words: Words = vec![$((wire(stringify!($field)), input.$field.word())),*];
                $(let more: fn(&$input, &mut Words) = $more; more(&input, &mut words);)?
                let words = words.into_iter().filter_map(|(name, value)| Some((name, value?)));
                *self.0.lock().unwrap() = Some(Reading::new(stringify!($name), words.collect()));
                Box::pin(async { Err(s3_error!(NotImplemented)) })
            })+
        }
    };
}

calls! {
    GetObject get_object GetObjectInput GetObjectOutput { bucket key version_id part_number response_cache_control
        response_content_disposition response_content_encoding response_content_language response_content_type };
    HeadObject head_object HeadObjectInput HeadObjectOutput { bucket key version_id part_number response_cache_control
        response_content_disposition response_content_encoding response_content_language response_content_type };
    PutObject put_object PutObjectInput PutObjectOutput { bucket key acl tagging storage_class }
        + |input, words| words.extend(metadata(&input.metadata));
    CopyObject copy_object CopyObjectInput CopyObjectOutput { bucket key copy_source acl tagging storage_class }
        + |input, words| words.extend(metadata(&input.metadata));
    DeleteObject delete_object DeleteObjectInput DeleteObjectOutput { bucket key version_id bypass_governance_retention };
    DeleteObjects delete_objects DeleteObjectsInput DeleteObjectsOutput { bucket bypass_governance_retention }
        + |input, words| {
            for (i, object) in input.delete.objects.iter().enumerate() {
                words.push((format!("object {i}"), Some(format!("{} {:?}", object.key, object.version_id))));
            }
            words.push(("quiet".into(), input.delete.quiet.filter(|quiet| *quiet).word()));
        };
    GetObjectAttributes get_object_attributes GetObjectAttributesInput GetObjectAttributesOutput { bucket key version_id };
    GetObjectTagging get_object_tagging GetObjectTaggingInput GetObjectTaggingOutput { bucket key version_id };
    PutObjectTagging put_object_tagging PutObjectTaggingInput PutObjectTaggingOutput { bucket key version_id }
        + |input, words| {
            for (i, tag) in input.tagging.tag_set.iter().enumerate() {
                words.push((format!("tag {i}"), Some(format!("{:?} {:?}", tag.key, tag.value))));
            }
        };
    DeleteObjectTagging delete_object_tagging DeleteObjectTaggingInput DeleteObjectTaggingOutput { bucket key version_id };
    GetObjectAcl get_object_acl GetObjectAclInput GetObjectAclOutput { bucket key version_id };
    PutObjectAcl put_object_acl PutObjectAclInput PutObjectAclOutput { bucket key version_id acl };
    GetObjectRetention get_object_retention GetObjectRetentionInput GetObjectRetentionOutput { bucket key version_id };
    PutObjectRetention put_object_retention PutObjectRetentionInput PutObjectRetentionOutput { bucket key version_id
        bypass_governance_retention };
    GetObjectLegalHold get_object_legal_hold GetObjectLegalHoldInput GetObjectLegalHoldOutput { bucket key version_id };
    PutObjectLegalHold put_object_legal_hold PutObjectLegalHoldInput PutObjectLegalHoldOutput { bucket key version_id };
    RestoreObject restore_object RestoreObjectInput RestoreObjectOutput { bucket key version_id };
    CreateMultipartUpload create_multipart_upload CreateMultipartUploadInput CreateMultipartUploadOutput { bucket key
        acl tagging storage_class } + |input, words| words.extend(metadata(&input.metadata));
    UploadPart upload_part UploadPartInput UploadPartOutput { bucket key part_number upload_id };
    UploadPartCopy upload_part_copy UploadPartCopyInput UploadPartCopyOutput { bucket key part_number upload_id
        copy_source copy_source_range };
    CompleteMultipartUpload complete_multipart_upload CompleteMultipartUploadInput CompleteMultipartUploadOutput {
        bucket key upload_id } + |input, words| {
            let parts = input.multipart_upload.iter().flat_map(|upload| upload.parts.iter().flatten());
            for (i, part) in parts.enumerate() {
                let etag = part.e_tag.as_ref().map(ETag::value);
                words.push((format!("part {i}"), Some(format!("{:?} {etag:?}", part.part_number))));
            }
        };
    AbortMultipartUpload abort_multipart_upload AbortMultipartUploadInput AbortMultipartUploadOutput { bucket key
        upload_id };
    ListParts list_parts ListPartsInput ListPartsOutput { bucket key upload_id max_parts part_number_marker };
    ListBuckets list_buckets ListBucketsInput ListBucketsOutput { bucket_region continuation_token max_buckets prefix };
    ListObjects list_objects ListObjectsInput ListObjectsOutput { bucket delimiter encoding_type marker max_keys prefix };
    ListObjectsV2 list_objects_v2 ListObjectsV2Input ListObjectsV2Output { bucket continuation_token delimiter
        encoding_type fetch_owner max_keys prefix start_after };
    ListObjectVersions list_object_versions ListObjectVersionsInput ListObjectVersionsOutput { bucket delimiter
        encoding_type key_marker max_keys prefix version_id_marker };
    ListMultipartUploads list_multipart_uploads ListMultipartUploadsInput ListMultipartUploadsOutput { bucket delimiter
        encoding_type key_marker max_uploads prefix upload_id_marker };
    HeadBucket head_bucket HeadBucketInput HeadBucketOutput { bucket };
    CreateBucket create_bucket CreateBucketInput CreateBucketOutput { bucket acl };
    DeleteBucket delete_bucket DeleteBucketInput DeleteBucketOutput { bucket };
    GetBucketLocation get_bucket_location GetBucketLocationInput GetBucketLocationOutput { bucket };
    GetBucketAccelerateConfiguration get_bucket_accelerate_configuration GetBucketAccelerateConfigurationInput
        GetBucketAccelerateConfigurationOutput { bucket };
    PutBucketAccelerateConfiguration put_bucket_accelerate_configuration PutBucketAccelerateConfigurationInput
        PutBucketAccelerateConfigurationOutput { bucket };
    GetBucketAcl get_bucket_acl GetBucketAclInput GetBucketAclOutput { bucket };
    PutBucketAcl put_bucket_acl PutBucketAclInput PutBucketAclOutput { bucket acl };
    GetBucketAnalyticsConfiguration get_bucket_analytics_configuration GetBucketAnalyticsConfigurationInput
        GetBucketAnalyticsConfigurationOutput { bucket id };
    ListBucketAnalyticsConfigurations list_bucket_analytics_configurations ListBucketAnalyticsConfigurationsInput
        ListBucketAnalyticsConfigurationsOutput { bucket continuation_token };
    PutBucketAnalyticsConfiguration put_bucket_analytics_configuration PutBucketAnalyticsConfigurationInput
        PutBucketAnalyticsConfigurationOutput { bucket id };
    DeleteBucketAnalyticsConfiguration delete_bucket_analytics_configuration DeleteBucketAnalyticsConfigurationInput
        DeleteBucketAnalyticsConfigurationOutput { bucket id };
    GetBucketCors get_bucket_cors GetBucketCorsInput GetBucketCorsOutput { bucket };
    PutBucketCors put_bucket_cors PutBucketCorsInput PutBucketCorsOutput { bucket };
    DeleteBucketCors delete_bucket_cors DeleteBucketCorsInput DeleteBucketCorsOutput { bucket };
    GetBucketEncryption get_bucket_encryption GetBucketEncryptionInput GetBucketEncryptionOutput { bucket };
    PutBucketEncryption put_bucket_encryption PutBucketEncryptionInput PutBucketEncryptionOutput { bucket };
    DeleteBucketEncryption delete_bucket_encryption DeleteBucketEncryptionInput DeleteBucketEncryptionOutput { bucket };
    GetBucketIntelligentTieringConfiguration get_bucket_intelligent_tiering_configuration
        GetBucketIntelligentTieringConfigurationInput GetBucketIntelligentTieringConfigurationOutput { bucket id };
    ListBucketIntelligentTieringConfigurations list_bucket_intelligent_tiering_configurations
        ListBucketIntelligentTieringConfigurationsInput ListBucketIntelligentTieringConfigurationsOutput { bucket
        continuation_token };
    PutBucketIntelligentTieringConfiguration put_bucket_intelligent_tiering_configuration
        PutBucketIntelligentTieringConfigurationInput PutBucketIntelligentTieringConfigurationOutput { bucket id };
    DeleteBucketIntelligentTieringConfiguration delete_bucket_intelligent_tiering_configuration
        DeleteBucketIntelligentTieringConfigurationInput DeleteBucketIntelligentTieringConfigurationOutput { bucket id };
    GetBucketInventoryConfiguration get_bucket_inventory_configuration GetBucketInventoryConfigurationInput
        GetBucketInventoryConfigurationOutput { bucket id };
    ListBucketInventoryConfigurations list_bucket_inventory_configurations ListBucketInventoryConfigurationsInput
        ListBucketInventoryConfigurationsOutput { bucket continuation_token };
    PutBucketInventoryConfiguration put_bucket_inventory_configuration PutBucketInventoryConfigurationInput
        PutBucketInventoryConfigurationOutput { bucket id };
    DeleteBucketInventoryConfiguration delete_bucket_inventory_configuration DeleteBucketInventoryConfigurationInput
        DeleteBucketInventoryConfigurationOutput { bucket id };
    GetBucketLifecycleConfiguration get_bucket_lifecycle_configuration GetBucketLifecycleConfigurationInput
        GetBucketLifecycleConfigurationOutput { bucket };
    PutBucketLifecycleConfiguration put_bucket_lifecycle_configuration PutBucketLifecycleConfigurationInput
        PutBucketLifecycleConfigurationOutput { bucket };
    DeleteBucketLifecycle delete_bucket_lifecycle DeleteBucketLifecycleInput DeleteBucketLifecycleOutput { bucket };
    GetBucketLogging get_bucket_logging GetBucketLoggingInput GetBucketLoggingOutput { bucket };
    PutBucketLogging put_bucket_logging PutBucketLoggingInput PutBucketLoggingOutput { bucket };
    GetBucketMetadataTableConfiguration get_bucket_metadata_table_configuration GetBucketMetadataTableConfigurationInput
        GetBucketMetadataTableConfigurationOutput { bucket };
    CreateBucketMetadataTableConfiguration create_bucket_metadata_table_configuration
        CreateBucketMetadataTableConfigurationInput CreateBucketMetadataTableConfigurationOutput { bucket };
    DeleteBucketMetadataTableConfiguration delete_bucket_metadata_table_configuration
        DeleteBucketMetadataTableConfigurationInput DeleteBucketMetadataTableConfigurationOutput { bucket };
    GetBucketMetricsConfiguration get_bucket_metrics_configuration GetBucketMetricsConfigurationInput
        GetBucketMetricsConfigurationOutput { bucket id };
    ListBucketMetricsConfigurations list_bucket_metrics_configurations ListBucketMetricsConfigurationsInput
        ListBucketMetricsConfigurationsOutput { bucket continuation_token };
    PutBucketMetricsConfiguration put_bucket_metrics_configuration PutBucketMetricsConfigurationInput
        PutBucketMetricsConfigurationOutput { bucket id };
    DeleteBucketMetricsConfiguration delete_bucket_metrics_configuration DeleteBucketMetricsConfigurationInput
        DeleteBucketMetricsConfigurationOutput { bucket id };
    GetBucketNotificationConfiguration get_bucket_notification_configuration GetBucketNotificationConfigurationInput
        GetBucketNotificationConfigurationOutput { bucket };
    PutBucketNotificationConfiguration put_bucket_notification_configuration PutBucketNotificationConfigurationInput
        PutBucketNotificationConfigurationOutput { bucket };
    GetObjectLockConfiguration get_object_lock_configuration GetObjectLockConfigurationInput
        GetObjectLockConfigurationOutput { bucket };
    PutObjectLockConfiguration put_object_lock_configuration PutObjectLockConfigurationInput
        PutObjectLockConfigurationOutput { bucket };
    GetBucketOwnershipControls get_bucket_ownership_controls GetBucketOwnershipControlsInput
        GetBucketOwnershipControlsOutput { bucket };
    PutBucketOwnershipControls put_bucket_ownership_controls PutBucketOwnershipControlsInput
        PutBucketOwnershipControlsOutput { bucket };
    DeleteBucketOwnershipControls delete_bucket_ownership_controls DeleteBucketOwnershipControlsInput
        DeleteBucketOwnershipControlsOutput { bucket };
    GetBucketPolicy get_bucket_policy GetBucketPolicyInput GetBucketPolicyOutput { bucket };
    GetBucketPolicyStatus get_bucket_policy_status GetBucketPolicyStatusInput GetBucketPolicyStatusOutput { bucket };
    PutBucketPolicy put_bucket_policy PutBucketPolicyInput PutBucketPolicyOutput { bucket };
    DeleteBucketPolicy delete_bucket_policy DeleteBucketPolicyInput DeleteBucketPolicyOutput { bucket };
    GetPublicAccessBlock get_public_access_block GetPublicAccessBlockInput GetPublicAccessBlockOutput { bucket };
    PutPublicAccessBlock put_public_access_block PutPublicAccessBlockInput PutPublicAccessBlockOutput { bucket };
    DeletePublicAccessBlock delete_public_access_block DeletePublicAccessBlockInput DeletePublicAccessBlockOutput {
        bucket };
    GetBucketReplication get_bucket_replication GetBucketReplicationInput GetBucketReplicationOutput { bucket };
    PutBucketReplication put_bucket_replication PutBucketReplicationInput PutBucketReplicationOutput { bucket };
    DeleteBucketReplication delete_bucket_replication DeleteBucketReplicationInput DeleteBucketReplicationOutput {
        bucket };
    GetBucketRequestPayment get_bucket_request_payment GetBucketRequestPaymentInput GetBucketRequestPaymentOutput {
        bucket };
    PutBucketRequestPayment put_bucket_request_payment PutBucketRequestPaymentInput PutBucketRequestPaymentOutput {
        bucket };
    GetBucketTagging get_bucket_tagging GetBucketTaggingInput GetBucketTaggingOutput { bucket };
    PutBucketTagging put_bucket_tagging PutBucketTaggingInput PutBucketTaggingOutput { bucket };
    DeleteBucketTagging delete_bucket_tagging DeleteBucketTaggingInput DeleteBucketTaggingOutput { bucket };
    GetBucketVersioning get_bucket_versioning GetBucketVersioningInput GetBucketVersioningOutput { bucket };
    PutBucketVersioning put_bucket_versioning PutBucketVersioningInput PutBucketVersioningOutput { bucket };
    GetBucketWebsite get_bucket_website GetBucketWebsiteInput GetBucketWebsiteOutput { bucket };
    PutBucketWebsite put_bucket_website PutBucketWebsiteInput PutBucketWebsiteOutput { bucket };
    DeleteBucketWebsite delete_bucket_website DeleteBucketWebsiteInput DeleteBucketWebsiteOutput { bucket };
}

/// The name on the wire of a field.
fn wire(field: &str) -> String {
    match field {
        "version_id" => "versionId".into(),
        "upload_id" => "uploadId".into(),
        "part_number" => "partNumber".into(),
        "acl"
        | "tagging"
        | "storage_class"
        | "copy_source"
        | "copy_source_range"
        | "bypass_governance_retention" => {
            format!("x-amz-{}", field.replace('_', "-"))
        }
        other => other.replace('_', "-"),
    }
}

fn metadata(metadata: &Option<Metadata>) -> Words {
    let pairs = metadata.iter().flatten();
    pairs
        .map(|(name, value)| (format!("x-amz-meta-{name}"), Some(value.clone())))
        .collect()
}

trait Word {
    fn word(&self) -> Option<String>;
}

macro_rules! words {
    ($($type:ty: $word:expr,)+) => {
        $(impl Word for $type {
            fn word(&self) -> Option<String> {
                let word: fn(&$type) -> String = $word;
                Some(word(self))
            }
        })+
    };
}

words! {
    String: Clone::clone,
    i32: ToString::to_string,
    bool: ToString::to_string,
    EncodingType: |word| word.as_str().to_owned(),
    ObjectCannedACL: |word| word.as_str().to_owned(),
    BucketCannedACL: |word| word.as_str().to_owned(),
    StorageClass: |word| word.as_str().to_owned(),
    CopySource: |source| match source {
        CopySource::Bucket { bucket, key, version_id } => format!("{bucket} {key} {version_id:?}"),
        other => format!("{other:?}"),
    },
}

impl<T: Word> Word for Option<T> {
    fn word(&self) -> Option<String> {
        self.as_ref().and_then(Word::word)
    }
}
