//! A document for each call that takes one, as clients write it.

use crate::dialect::s3::documents;
use crate::operation::{Api, BodyRule, DocumentForm};
use bytes::Bytes;

/// What becomes of the document on its way to a target.
pub(super) fn rebuilt(api: Api) -> Bytes {
    let sample = sample(api).as_bytes();
    let BodyRule::Document { form, .. } = api.row().body else {
        panic!("{} takes no document", api.name())
    };
    let rebuilt = match form {
        DocumentForm::Retention => documents::rebuild(sample, &documents::RETENTION),
        DocumentForm::LegalHold => documents::rebuild(sample, &documents::LEGAL_HOLD),
        DocumentForm::Restore => documents::rebuild(sample, &documents::RESTORE),
        DocumentForm::Setting(root) => documents::rebuild_setting(sample, root),
        DocumentForm::Policy => documents::rebuild_policy(sample),
        DocumentForm::Deletions
        | DocumentForm::Parts
        | DocumentForm::ObjectTags
        | DocumentForm::NewBucket => {
            panic!("{} is made otherwise", api.name())
        }
    };
    rebuilt.unwrap_or_else(|error| panic!("{}: {error}", api.name()))
}

pub(super) fn sample(api: Api) -> &'static str {
    match api {
        Api::PutObjectRetention => {
            "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>"
        }
        Api::PutObjectLegalHold => "<LegalHold><Status>ON</Status></LegalHold>",
        Api::RestoreObject => "<RestoreRequest><Days>2</Days></RestoreRequest>",
        Api::PutObjectAcl | Api::PutBucketAcl => {
            "<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList><Grant>\
             <Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>o</ID>\
             </Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"
        }
        Api::PutBucketAccelerateConfiguration => {
            "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>"
        }
        Api::PutBucketAnalyticsConfiguration => {
            "<AnalyticsConfiguration><Id>i</Id><StorageClassAnalysis/></AnalyticsConfiguration>"
        }
        Api::PutBucketCors => {
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>\
             </CORSRule></CORSConfiguration>"
        }
        Api::PutBucketEncryption => {
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
             </ServerSideEncryptionConfiguration>"
        }
        Api::PutBucketIntelligentTieringConfiguration => {
            "<IntelligentTieringConfiguration><Id>i</Id><Status>Enabled</Status><Tiering>\
             <AccessTier>ARCHIVE_ACCESS</AccessTier><Days>90</Days></Tiering></IntelligentTieringConfiguration>"
        }
        Api::PutBucketInventoryConfiguration => {
            "<InventoryConfiguration><Id>i</Id><IsEnabled>true</IsEnabled><Destination><S3BucketDestination>\
             <Bucket>b</Bucket><Format>CSV</Format></S3BucketDestination></Destination><Schedule>\
             <Frequency>Daily</Frequency></Schedule><IncludedObjectVersions>All</IncludedObjectVersions>\
             </InventoryConfiguration>"
        }
        Api::PutBucketLifecycleConfiguration => {
            "<LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>p/</Prefix></Filter><Status>Enabled</Status>\
             <Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>"
        }
        Api::PutBucketLogging => "<BucketLoggingStatus/>",
        Api::CreateBucketMetadataTableConfiguration => {
            "<MetadataTableConfiguration><S3TablesDestination><TableBucketArn>a</TableBucketArn>\
             <TableName>n</TableName></S3TablesDestination></MetadataTableConfiguration>"
        }
        Api::PutBucketMetricsConfiguration => "<MetricsConfiguration><Id>i</Id></MetricsConfiguration>",
        Api::PutBucketNotificationConfiguration => "<NotificationConfiguration/>",
        Api::PutObjectLockConfiguration => {
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
        }
        Api::PutBucketOwnershipControls => {
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>"
        }
        Api::PutBucketPolicy => "{\"Version\":\"2012-10-17\",\"Statement\":[]}",
        Api::PutPublicAccessBlock => {
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>"
        }
        Api::PutBucketReplication => {
            "<ReplicationConfiguration><Role>r</Role><Rule><Status>Enabled</Status><Destination><Bucket>b</Bucket>\
             </Destination></Rule></ReplicationConfiguration>"
        }
        Api::PutBucketRequestPayment => {
            "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>"
        }
        Api::PutBucketTagging => {
            "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
        }
        Api::PutBucketVersioning => {
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        }
        Api::PutBucketWebsite => {
            "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>"
        }
        other => panic!("add a document for {}", other.name()),
    }
}
