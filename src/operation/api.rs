//! The catalogue: one row for each API call that Tidegate knows, with everything that may cross.

/// What an API call acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The service: `/`.
    Service,
    /// A bucket: `/bucket`.
    Bucket,
    /// An object: `/bucket/key`.
    Object,
}

/// The API calls that are understood. Anything else is refused before it is looked at further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the S3 API reference")]
pub enum Api {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    GetBucketLocation,
    ListObjects,
    ListObjectsV2,
    ListMultipartUploads,
    GetObject,
    HeadObject,
    PutObject,
    CopyObject,
    DeleteObject,
    DeleteObjects,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
}

/// One row of the catalogue.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) scope: Scope,
    /// Query keys that make it this call; all must be present.
    pub(crate) required: &'static [&'static str],
    /// Query keys it may have besides.
    pub(crate) optional: &'static [&'static str],
    /// Request headers that cross to the target, besides `x-amz-meta-*` where [`Row::metadata`] says so.
    pub(crate) headers: &'static [&'static str],
    /// Whether `x-amz-meta-*` crosses.
    pub(crate) metadata: bool,
    /// Whether `x-amz-copy-source` makes it this call.
    pub(crate) copies: bool,
    /// What the body is.
    pub(crate) body: BodyRule,
}

/// What a call's request body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyRule {
    /// There is none.
    Empty,
    /// Object bytes: streamed, never held.
    Object,
    /// A small XML document of at most this many bytes: held, parsed and rebuilt.
    Document(usize),
}

const RESPONSE_OVERRIDES: [&str; 8] = [
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "versionId",
];
const READ_HEADERS: [&str; 12] = [
    "accept-encoding",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "x-amz-checksum-mode",
    "x-amz-request-payer",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];
const WRITE_HEADERS: [&str; 19] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "if-match",
    "if-none-match",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-type",
    "x-amz-request-payer",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-storage-class",
    "x-amz-tagging",
];
const COPY_HEADERS: [&str; 29] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "if-match",
    "if-none-match",
    "x-amz-checksum-algorithm",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-copy-source-range",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
    "x-amz-metadata-directive",
    "x-amz-request-payer",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-checksum-type",
];
const PART_HEADERS: [&str; 4] = [
    "x-amz-request-payer",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];
const PART_COPY_HEADERS: [&str; 12] = [
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-copy-source-range",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
    "x-amz-request-payer",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];
const COMPLETE_HEADERS: [&str; 13] = [
    "if-match",
    "if-none-match",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-mp-object-size",
    "x-amz-request-payer",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];
const PAYER: [&str; 1] = ["x-amz-request-payer"];
const LIST_HEADERS: [&str; 2] = ["x-amz-optional-object-attributes", "x-amz-request-payer"];

/// Two megabytes hold a thousand keys of the longest kind, escaped.
const DELETE_DOCUMENT: usize = 2 << 20;
/// A region and a few tags; read to verify its signature, and ignored.
const CREATE_DOCUMENT: usize = 64 << 10;
/// Four megabytes hold ten thousand parts with a checksum each.
const COMPLETE_DOCUMENT: usize = 4 << 20;

impl Api {
    /// Every call of the catalogue.
    pub const ALL: [Self; 19] = [
        Self::ListBuckets,
        Self::CreateBucket,
        Self::HeadBucket,
        Self::GetBucketLocation,
        Self::ListObjects,
        Self::ListObjectsV2,
        Self::ListMultipartUploads,
        Self::GetObject,
        Self::HeadObject,
        Self::PutObject,
        Self::CopyObject,
        Self::DeleteObject,
        Self::DeleteObjects,
        Self::CreateMultipartUpload,
        Self::UploadPart,
        Self::UploadPartCopy,
        Self::CompleteMultipartUpload,
        Self::AbortMultipartUpload,
        Self::ListParts,
    ];

    /// The name in the S3 API reference.
    pub fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::CreateBucket => "CreateBucket",
            Self::HeadBucket => "HeadBucket",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::ListObjects => "ListObjects",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::PutObject => "PutObject",
            Self::CopyObject => "CopyObject",
            Self::DeleteObject => "DeleteObject",
            Self::DeleteObjects => "DeleteObjects",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::ListParts => "ListParts",
        }
    }

    /// Whether the call changes nothing at the target.
    pub fn is_read_only(self) -> bool {
        matches!(self.row().method, "GET" | "HEAD")
    }

    /// The catalogue's row.
    pub(crate) fn row(self) -> Row {
        let row = |method, scope| Row {
            method,
            scope,
            required: &[],
            optional: &[],
            headers: &[],
            metadata: false,
            copies: false,
            body: BodyRule::Empty,
        };
        match self {
            Self::ListBuckets => Row {
                optional: &["bucket-region", "continuation-token", "max-buckets", "prefix"],
                ..row("GET", Scope::Service)
            },
            // Never forwarded: buckets are made by the configuration. Clients send it before an upload to be sure.
            Self::CreateBucket => Row {
                body: BodyRule::Document(CREATE_DOCUMENT),
                ..row("PUT", Scope::Bucket)
            },
            Self::HeadBucket => row("HEAD", Scope::Bucket),
            Self::GetBucketLocation => Row {
                required: &["location"],
                ..row("GET", Scope::Bucket)
            },
            Self::ListObjects => Row {
                optional: &["delimiter", "encoding-type", "marker", "max-keys", "prefix"],
                headers: &LIST_HEADERS,
                ..row("GET", Scope::Bucket)
            },
            Self::ListObjectsV2 => Row {
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
                headers: &LIST_HEADERS,
                ..row("GET", Scope::Bucket)
            },
            Self::ListMultipartUploads => Row {
                required: &["uploads"],
                optional: &[
                    "delimiter",
                    "encoding-type",
                    "key-marker",
                    "max-uploads",
                    "prefix",
                    "upload-id-marker",
                ],
                headers: &PAYER,
                ..row("GET", Scope::Bucket)
            },
            Self::GetObject => Row {
                optional: &RESPONSE_OVERRIDES,
                headers: &READ_HEADERS,
                ..row("GET", Scope::Object)
            },
            Self::HeadObject => Row {
                optional: &RESPONSE_OVERRIDES,
                headers: &READ_HEADERS,
                ..row("HEAD", Scope::Object)
            },
            Self::PutObject => Row {
                headers: &WRITE_HEADERS,
                metadata: true,
                body: BodyRule::Object,
                ..row("PUT", Scope::Object)
            },
            Self::CopyObject => Row {
                headers: &COPY_HEADERS,
                metadata: true,
                copies: true,
                ..row("PUT", Scope::Object)
            },
            Self::DeleteObject => Row {
                optional: &["versionId"],
                headers: &["if-match", "x-amz-request-payer"],
                ..row("DELETE", Scope::Object)
            },
            Self::DeleteObjects => Row {
                required: &["delete"],
                headers: &PAYER,
                body: BodyRule::Document(DELETE_DOCUMENT),
                ..row("POST", Scope::Bucket)
            },
            Self::CreateMultipartUpload => Row {
                required: &["uploads"],
                headers: &WRITE_HEADERS,
                metadata: true,
                ..row("POST", Scope::Object)
            },
            Self::UploadPart => Row {
                required: &["partNumber", "uploadId"],
                headers: &PART_HEADERS,
                body: BodyRule::Object,
                ..row("PUT", Scope::Object)
            },
            Self::UploadPartCopy => Row {
                required: &["partNumber", "uploadId"],
                headers: &PART_COPY_HEADERS,
                copies: true,
                ..row("PUT", Scope::Object)
            },
            Self::CompleteMultipartUpload => Row {
                required: &["uploadId"],
                headers: &COMPLETE_HEADERS,
                body: BodyRule::Document(COMPLETE_DOCUMENT),
                ..row("POST", Scope::Object)
            },
            Self::AbortMultipartUpload => Row {
                required: &["uploadId"],
                headers: &PAYER,
                ..row("DELETE", Scope::Object)
            },
            Self::ListParts => Row {
                required: &["uploadId"],
                optional: &["encoding-type", "max-parts", "part-number-marker"],
                headers: &PART_HEADERS,
                ..row("GET", Scope::Object)
            },
        }
    }
}
