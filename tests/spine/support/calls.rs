//! Every call of the S3 API as it stands in its reference: what is sent, what must arrive, what comes back, and which
//! rights it takes. Written by hand, so that it is a second opinion on the program's own table.

/// What becomes of a call.
#[derive(Clone, Copy)]
pub enum Becomes {
    /// It reaches the target.
    Forwarded,
    /// It is answered without the target.
    Answered,
    /// It is never served: status and code.
    Refused(u16, &'static str),
    /// It is an older name of another call.
    Another(&'static str),
    /// It is a form and becomes another call, of which `forms` has the tests. Signed as no form is: status and code.
    Form(&'static str, u16, &'static str),
}

impl Becomes {
    /// The name of the call in the audit record; `None` where there is none to speak of.
    pub fn name(self, call: &Call) -> Option<&'static str> {
        match self {
            Self::Forwarded | Self::Answered => Some(call.name),
            Self::Another(other) => Some(other),
            Self::Refused(..) | Self::Form(..) => None,
        }
    }
}

/// A call.
#[derive(Clone)]
pub struct Call {
    /// Its name in the API reference.
    pub name: &'static str,
    /// Method and target; `{upload}` is the id of an upload of the key.
    pub request: &'static str,
    /// Headers, all of which must arrive.
    pub headers: &'static [(&'static str, &'static str)],
    /// The source of a copy.
    pub copies: Option<&'static str>,
    /// The body, as it must arrive.
    pub body: &'static str,
    /// What the target answers.
    pub answer: &'static str,
    /// The rights it takes, in the order in which they are asked for.
    pub needs: &'static [&'static str],
    pub becomes: Becomes,
}

/// Rights that a policy must name, or with the group `manage`.
const MANAGED: [&str; 46] = [
    "BypassGovernanceRetention",
    "CreateBucket",
    "CreateBucketMetadataTableConfiguration",
    "DeleteBucket",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "GetAnalyticsConfiguration",
    "GetBucketAbac",
    "GetBucketCORS",
    "GetBucketLogging",
    "GetBucketMetadataTableConfiguration",
    "GetBucketNotification",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPublicAccessBlock",
    "GetBucketWebsite",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetReplicationConfiguration",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAbac",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutObjectAcl",
    "PutObjectVersionAcl",
    "PutObjectWebsiteRedirect",
    "PutReplicationConfiguration",
    "UpdateBucketMetadataAnnotationTableConfiguration",
];

impl Call {
    /// The first of its rights that must be granted by name.
    pub fn managed(&self) -> Option<&'static str> {
        let named = |right: &&&str| MANAGED.contains(right) || right.starts_with("UpdateBucketMetadata");
        self.needs.iter().find(named).copied()
    }

    /// Whether its body is a document, and not the bytes of something.
    pub fn has_document(&self) -> bool {
        self.body.starts_with(['<', '{'])
    }

    /// Whether S3 wants a digest with its document: with all of them but the list of parts.
    pub fn has_md5(&self) -> bool {
        self.has_document() && self.name != "CompleteMultipartUpload"
    }

    /// What of the target's answer must be in ours: all of it, in names that callers know.
    pub fn relayed(&self) -> String {
        // An upload has another id for callers, and their own host is the place.
        let own = [
            "InitiateMultipartUpload",
            "ListParts",
            "ListMultipartUploads",
            "CompleteMultipartUpload",
        ];
        if let Some(root) = own.iter().find(|root| self.answer.contains(**root)) {
            return format!("<{root}");
        }
        let account = "<ID>tidegate</ID><DisplayName>tidegate</DisplayName>";
        let text = self.answer.replace("acme-lake-prod", "lake");
        text.replace("<ID>canary</ID>", account).replace(" {", "{")
    }

    fn new(name: &'static str, request: &'static str, needs: &'static [&'static str]) -> Self {
        Self {
            name,
            request,
            headers: &[],
            copies: None,
            body: "",
            answer: "",
            needs,
            becomes: Becomes::Forwarded,
        }
    }

    fn with(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }

    fn from(mut self, source: &'static str) -> Self {
        self.copies = Some(source);
        self
    }

    fn sends(mut self, body: &'static str) -> Self {
        self.body = body;
        self
    }

    fn gets(mut self, answer: &'static str) -> Self {
        self.answer = answer;
        self
    }

    fn becomes(mut self, becomes: Becomes) -> Self {
        self.becomes = becomes;
        self
    }
}

/// All calls of the reference. Where one takes other rights for a named version or for a header, it is here twice.
pub fn calls() -> Vec<Call> {
    let mut calls = objects();
    calls.extend(about_objects());
    calls.extend(uploads());
    calls.extend(buckets());
    calls.extend(probes());
    calls.extend(settings());
    calls.extend(configurations());
    calls.extend(refused());
    calls
}

const PAYER: &[(&str, &str)] = &[("x-amz-request-payer", "requester")];

fn objects() -> Vec<Call> {
    let call = Call::new;
    vec![
        call("GetObject", "GET /lake/team/k?partNumber=2&response-content-type=text%2Fplain", &["GetObject"])
            .with(&[("range", "bytes=0-9"), ("if-match", "\"e\""), ("x-amz-checksum-mode", "ENABLED")])
            .gets("bytes of an object"),
        call("GetObject", "GET /lake/team/k?versionId=v1", &["GetObjectVersion"])
            .with(&[
                ("accept-encoding", "gzip"),
                ("if-modified-since", "Tue, 03 Nov 2026 08:00:00 GMT"),
                ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
                ("x-amz-server-side-encryption-customer-key", "a2V5"),
                ("x-amz-server-side-encryption-customer-key-md5", "bWQ1"),
            ])
            .gets("bytes of a version"),
        call("HeadObject", "HEAD /lake/team/k", &["GetObject"]).with(&[("if-none-match", "\"e\"")]),
        call("HeadObject", "HEAD /lake/team/k?versionId=null", &["GetObjectVersion"]).with(PAYER),
        call("PutObject", "PUT /lake/team/k", &["PutObject"])
            .with(&[
                ("cache-control", "no-cache"),
                ("content-disposition", "attachment"),
                ("content-encoding", "gzip"),
                ("content-language", "en"),
                ("content-type", "text/plain"),
                ("expires", "Tue, 03 Nov 2026 08:00:00 GMT"),
                ("if-none-match", "*"),
                ("x-amz-meta-owner", "team"),
                ("x-amz-server-side-encryption", "aws:kms"),
                ("x-amz-server-side-encryption-aws-kms-key-id", "k1"),
                ("x-amz-storage-class", "STANDARD_IA"),
            ])
            .sends("bytes"),
        call("PutObject", "PUT /lake/team/k", &["PutObject", "PutObjectTagging", "PutObjectRetention", "PutObjectLegalHold"])
            .with(&[
                ("x-amz-tagging", "a=b"),
                ("x-amz-object-lock-mode", "GOVERNANCE"),
                ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
                ("x-amz-object-lock-legal-hold", "ON"),
            ])
            .sends("bytes"),
        call("PutObject", "PUT /lake/team/k", &["PutObject", "PutObjectAcl"])
            .with(&[("x-amz-acl", "public-read")])
            .sends("bytes"),
        call("PutObject", "PUT /lake/team/k", &["PutObject", "PutObjectAcl"])
            .with(&[("x-amz-grant-full-control", "id=\"1\"")])
            .sends("bytes"),
        call("PutObject", "PUT /lake/team/k", &["PutObject", "PutObjectWebsiteRedirect"])
            .with(&[("x-amz-website-redirect-location", "/elsewhere")])
            .sends("bytes"),
        // A form is signed in its fields, and not as this one is.
        call("PostObject", "POST /lake", &[])
            .with(&[("content-type", "multipart/form-data; boundary=b")])
            .becomes(Becomes::Form("PutObject", 400, "InvalidArgument")),
        call("CopyObject", "PUT /lake/team/k", &["GetObject", "PutObject"])
            .from("other/team/s")
            .with(&[
                ("x-amz-copy-source-if-match", "\"e\""),
                ("x-amz-metadata-directive", "REPLACE"),
                ("x-amz-meta-owner", "team"),
            ])
            .gets("<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>"),
        call("CopyObject", "PUT /lake/team/k", &["GetObjectVersion", "PutObject", "PutObjectTagging"])
            .from("other/team/s?versionId=v1")
            .with(&[("x-amz-tagging", "a=b"), ("x-amz-tagging-directive", "REPLACE")])
            .gets("<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>"),
        call("CopyObject", "PUT /lake/team/k", &["GetObject", "PutObject", "PutObjectAcl"])
            .from("other/team/s")
            .with(&[("x-amz-grant-read-acp", "id=\"1\"")])
            .gets("<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>"),
        call("DeleteObject", "DELETE /lake/team/k", &["DeleteObject"]).with(&[("if-match", "\"e\"")]),
        call("DeleteObject", "DELETE /lake/team/k?versionId=null", &["DeleteObjectVersion"])
            .with(&[("x-amz-mfa", "device 123456")]),
        call("DeleteObject", "DELETE /lake/team/k?versionId=v1", &["DeleteObjectVersion", "BypassGovernanceRetention"])
            .with(&[("x-amz-bypass-governance-retention", "true")]),
        call("DeleteObjects", "POST /lake?delete", &["DeleteObject"])
            .with(PAYER)
            .sends("<Delete><Object><Key>team/k</Key></Object></Delete>")
            .gets("<DeleteResult><Deleted><Key>team/k</Key></Deleted></DeleteResult>"),
        call("DeleteObjects", "POST /lake?delete", &["DeleteObjectVersion", "BypassGovernanceRetention"])
            .with(&[("x-amz-bypass-governance-retention", "true")])
            .sends("<Delete><Object><Key>team/k</Key><VersionId>v1</VersionId></Object></Delete>")
            .gets("<DeleteResult><Deleted><Key>team/k</Key><VersionId>v1</VersionId></Deleted></DeleteResult>"),
        call("RestoreObject", "POST /lake/team/k?restore&versionId=v1", &["RestoreObject"])
            .with(PAYER)
            .sends("<RestoreRequest><Days>2</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>"),
    ]
}

fn about_objects() -> Vec<Call> {
    let call = Call::new;
    vec![
        call("GetObjectAttributes", "GET /lake/team/k?attributes", &["GetObject", "GetObjectAttributes"])
            .with(&[("x-amz-object-attributes", "ETag,ObjectSize"), ("x-amz-max-parts", "2")])
            .gets("<GetObjectAttributesResponse><ETag>e</ETag><ObjectSize>1</ObjectSize></GetObjectAttributesResponse>"),
        call(
            "GetObjectAttributes",
            "GET /lake/team/k?attributes&versionId=v1",
            &["GetObjectVersion", "GetObjectVersionAttributes"],
        )
        .with(&[("x-amz-object-attributes", "ETag")])
        .gets("<GetObjectAttributesOutput><ETag>e</ETag></GetObjectAttributesOutput>"),
        call("GetObjectTagging", "GET /lake/team/k?tagging", &["GetObjectTagging"])
            .with(PAYER)
            .gets("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
        call("GetObjectTagging", "GET /lake/team/k?tagging&versionId=v1", &["GetObjectVersionTagging"])
            .gets("<Tagging><TagSet></TagSet></Tagging>"),
        call("PutObjectTagging", "PUT /lake/team/k?tagging", &["PutObjectTagging"])
            .with(PAYER)
            .sends("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
        call("PutObjectTagging", "PUT /lake/team/k?tagging&versionId=v1", &["PutObjectVersionTagging"])
            .sends("<Tagging><TagSet></TagSet></Tagging>"),
        call("DeleteObjectTagging", "DELETE /lake/team/k?tagging", &["DeleteObjectTagging"]),
        call("DeleteObjectTagging", "DELETE /lake/team/k?tagging&versionId=v1", &["DeleteObjectVersionTagging"]),
        call("GetObjectAcl", "GET /lake/team/k?acl", &["GetObjectAcl"])
            .with(PAYER)
            .gets("<AccessControlPolicy><Owner><ID>canary</ID></Owner><AccessControlList></AccessControlList></AccessControlPolicy>"),
        call("GetObjectAcl", "GET /lake/team/k?acl&versionId=v1", &["GetObjectVersionAcl"])
            .gets("<AccessControlPolicy><Owner><ID>canary</ID></Owner></AccessControlPolicy>"),
        call("PutObjectAcl", "PUT /lake/team/k?acl", &["PutObjectAcl"]).with(&[("x-amz-acl", "private")]),
        call("PutObjectAcl", "PUT /lake/team/k?acl&versionId=v1", &["PutObjectVersionAcl"])
            .sends("<AccessControlPolicy><Owner><ID>1</ID></Owner><AccessControlList></AccessControlList></AccessControlPolicy>"),
        call("GetObjectRetention", "GET /lake/team/k?retention", &["GetObjectRetention"])
            .with(PAYER)
            .gets("<Retention><Mode>GOVERNANCE</Mode></Retention>"),
        call("PutObjectRetention", "PUT /lake/team/k?retention&versionId=v1", &["PutObjectRetention"])
            .with(PAYER)
            .sends("<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>"),
        call("PutObjectRetention", "PUT /lake/team/k?retention", &["PutObjectRetention", "BypassGovernanceRetention"])
            .with(&[("x-amz-bypass-governance-retention", "true")])
            .sends("<Retention></Retention>"),
        call("GetObjectLegalHold", "GET /lake/team/k?legal-hold", &["GetObjectLegalHold"])
            .with(PAYER)
            .gets("<LegalHold><Status>ON</Status></LegalHold>"),
        call("PutObjectLegalHold", "PUT /lake/team/k?legal-hold", &["PutObjectLegalHold"])
            .with(PAYER)
            .sends("<LegalHold><Status>OFF</Status></LegalHold>"),
    ]
}

fn uploads() -> Vec<Call> {
    let call = Call::new;
    let begun = "<InitiateMultipartUploadResult><Bucket>acme-lake-prod</Bucket><Key>team/k</Key>\
                 <UploadId>upload-1</UploadId></InitiateMultipartUploadResult>";
    vec![
        call("CreateMultipartUpload", "POST /lake/team/k?uploads", &["PutObject"])
            .with(&[("content-type", "text/plain"), ("x-amz-meta-owner", "team"), ("x-amz-checksum-algorithm", "CRC32")])
            .gets(begun),
        call("CreateMultipartUpload", "POST /lake/team/k?uploads", &["PutObject", "PutObjectTagging"])
            .with(&[("x-amz-tagging", "a=b")])
            .gets(begun),
        call("UploadPart", "PUT /lake/team/k?partNumber=10000&uploadId={upload}", &["PutObject"])
            .with(PAYER)
            .sends("bytes"),
        call("UploadPartCopy", "PUT /lake/team/k?partNumber=1&uploadId={upload}", &["GetObject", "PutObject"])
            .from("other/team/s")
            .with(&[("x-amz-copy-source-range", "bytes=0-9")])
            .gets("<CopyPartResult><ETag>&quot;e&quot;</ETag></CopyPartResult>"),
        call("UploadPartCopy", "PUT /lake/team/k?partNumber=1&uploadId={upload}", &["GetObjectVersion", "PutObject"])
            .from("other/team/s?versionId=v1")
            .gets("<CopyPartResult><ETag>&quot;e&quot;</ETag></CopyPartResult>"),
        call("CompleteMultipartUpload", "POST /lake/team/k?uploadId={upload}", &["PutObject"])
            .with(&[("if-none-match", "*"), ("x-amz-mp-object-size", "5")])
            .sends("<CompleteMultipartUpload><Part><ETag>e</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>")
            .gets(
                "<CompleteMultipartUploadResult><Location>https://canary.test/acme-lake-prod/team/k</Location>\
                 <Bucket>acme-lake-prod</Bucket><Key>team/k</Key><ETag>e</ETag></CompleteMultipartUploadResult>",
            ),
        call("AbortMultipartUpload", "DELETE /lake/team/k?uploadId={upload}", &["AbortMultipartUpload"]).with(PAYER),
        call("ListParts", "GET /lake/team/k?uploadId={upload}&max-parts=10&part-number-marker=2", &["ListMultipartUploadParts"])
            .gets(
                "<ListPartsResult><Bucket>acme-lake-prod</Bucket><Key>team/k</Key><UploadId>upload-1</UploadId>\
                 <Initiator><ID>canary</ID></Initiator><Owner><ID>canary</ID></Owner></ListPartsResult>",
            ),
        call("ListMultipartUploads", "GET /lake?uploads&prefix=team%2F&max-uploads=5", &["ListBucketMultipartUploads"])
            .with(PAYER)
            .gets(
                "<ListMultipartUploadsResult><Bucket>acme-lake-prod</Bucket><Upload><Key>team/k</Key>\
                 <UploadId>upload-1</UploadId><Owner><ID>canary</ID></Owner></Upload></ListMultipartUploadsResult>",
            ),
    ]
}

fn buckets() -> Vec<Call> {
    let call = Call::new;
    vec![
        call("ListBuckets", "GET /?max-buckets=10&prefix=l", &[]).becomes(Becomes::Answered),
        call("ListObjects", "GET /lake?prefix=team%2F&delimiter=%2F&marker=a&max-keys=5&encoding-type=url", &["ListBucket"])
            .with(&[("x-amz-optional-object-attributes", "RestoreStatus")])
            .gets(
                "<ListBucketResult><Name>acme-lake-prod</Name><Contents><Key>team/k</Key><Owner><ID>canary</ID></Owner>\
                 </Contents></ListBucketResult>",
            ),
        call(
            "ListObjectsV2",
            "GET /lake?list-type=2&prefix=team%2F&start-after=a&continuation-token=t&fetch-owner=true",
            &["ListBucket"],
        )
        .with(PAYER)
        .gets("<ListBucketResult><Name>acme-lake-prod</Name><KeyCount>0</KeyCount></ListBucketResult>"),
        call(
            "ListObjectVersions",
            "GET /lake?versions&prefix=team%2F&key-marker=k&version-id-marker=v",
            &["ListBucketVersions"],
        )
        .gets(
            "<ListVersionsResult><Name>acme-lake-prod</Name><Version><Key>team/k</Key><VersionId>v1</VersionId>\
             <Owner><ID>canary</ID></Owner></Version><DeleteMarker><Key>team/k</Key></DeleteMarker></ListVersionsResult>",
        ),
        call("HeadBucket", "HEAD /lake", &["ListBucket"]),
        call("CreateBucket", "PUT /lake", &["CreateBucket"]),
        call("CreateBucket", "PUT /lake", &["CreateBucket", "PutBucketAcl", "PutBucketOwnershipControls"])
            .with(&[("x-amz-acl", "public-read"), ("x-amz-object-ownership", "ObjectWriter")]),
        call("CreateBucket", "PUT /lake", &["CreateBucket", "PutBucketObjectLockConfiguration"])
            .with(&[("x-amz-bucket-object-lock-enabled", "true")]),
        call("DeleteBucket", "DELETE /lake", &["DeleteBucket"]),
        call("GetBucketLocation", "GET /lake?location", &["GetBucketLocation"]).becomes(Becomes::Answered),
    ]
}

/// Harmless facts about a bucket.
fn probes() -> Vec<Call> {
    let probe = |name, request, needs, answer| Call::new(name, request, needs).gets(answer);
    vec![
        probe(
            "GetBucketAccelerateConfiguration",
            "GET /lake?accelerate",
            &["GetAccelerateConfiguration"],
            "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>",
        ),
        probe(
            "GetBucketAcl",
            "GET /lake?acl",
            &["GetBucketAcl"],
            "<AccessControlPolicy><Owner><ID>canary</ID></Owner></AccessControlPolicy>",
        ),
        probe(
            "GetBucketEncryption",
            "GET /lake?encryption",
            &["GetEncryptionConfiguration"],
            "<ServerSideEncryptionConfiguration><Rule></Rule></ServerSideEncryptionConfiguration>",
        ),
        probe(
            "GetObjectLockConfiguration",
            "GET /lake?object-lock",
            &["GetBucketObjectLockConfiguration"],
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
        ),
        probe(
            "GetBucketPolicyStatus",
            "GET /lake?policyStatus",
            &["GetBucketPolicyStatus"],
            "<PolicyStatus><IsPublic>false</IsPublic></PolicyStatus>",
        ),
        probe(
            "GetBucketRequestPayment",
            "GET /lake?requestPayment",
            &["GetBucketRequestPayment"],
            "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
        ),
        probe(
            "GetBucketTagging",
            "GET /lake?tagging",
            &["GetBucketTagging"],
            "<Tagging><TagSet></TagSet></Tagging>",
        ),
        probe(
            "GetBucketVersioning",
            "GET /lake?versioning",
            &["GetBucketVersioning"],
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        ),
    ]
}

/// What decides who else gets at the data, or what becomes of it.
fn settings() -> Vec<Call> {
    let read = |name, request, needs, answer| Call::new(name, request, needs).gets(answer);
    let change = |name, request, needs, body| Call::new(name, request, needs).sends(body);
    let remove = |name, request, needs| Call::new(name, request, needs);
    vec![
        read("GetBucketAbac", "GET /lake?abac", &["GetBucketAbac"], "<AbacStatus><Status>Enabled</Status></AbacStatus>"),
        change(
            "PutBucketAbac",
            "PUT /lake?abac",
            &["PutBucketAbac"],
            "<AbacStatus><Status>Enabled</Status></AbacStatus>",
        ),
        change(
            "PutBucketAccelerateConfiguration",
            "PUT /lake?accelerate",
            &["PutAccelerateConfiguration"],
            "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>",
        ),
        Call::new("PutBucketAcl", "PUT /lake?acl", &["PutBucketAcl"])
            .with(&[("x-amz-acl", "public-read"), ("x-amz-grant-write", "id=\"1\"")]),
        change(
            "PutBucketAcl",
            "PUT /lake?acl",
            &["PutBucketAcl"],
            "<AccessControlPolicy><AccessControlList></AccessControlList></AccessControlPolicy>",
        ),
        read(
            "GetBucketCors",
            "GET /lake?cors",
            &["GetBucketCORS"],
            "<CORSConfiguration><CORSRule></CORSRule></CORSConfiguration>",
        ),
        change(
            "PutBucketCors",
            "PUT /lake?cors",
            &["PutBucketCORS"],
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod></CORSRule></CORSConfiguration>",
        ),
        remove("DeleteBucketCors", "DELETE /lake?cors", &["PutBucketCORS"]),
        change(
            "PutBucketEncryption",
            "PUT /lake?encryption",
            &["PutEncryptionConfiguration"],
            "<ServerSideEncryptionConfiguration><Rule></Rule></ServerSideEncryptionConfiguration>",
        ),
        remove("DeleteBucketEncryption", "DELETE /lake?encryption", &["PutEncryptionConfiguration"]),
        read(
            "GetBucketLifecycleConfiguration",
            "GET /lake?lifecycle",
            &["GetLifecycleConfiguration"],
            "<LifecycleConfiguration><Rule></Rule></LifecycleConfiguration>",
        ),
        change(
            "PutBucketLifecycleConfiguration",
            "PUT /lake?lifecycle",
            &["PutLifecycleConfiguration"],
            "<LifecycleConfiguration><Rule><ID>a</ID></Rule><Rule><ID>b</ID></Rule></LifecycleConfiguration>",
        )
        .with(&[("x-amz-transition-default-minimum-object-size", "all_storage_classes_128K")]),
        remove("DeleteBucketLifecycle", "DELETE /lake?lifecycle", &["PutLifecycleConfiguration"]),
        read(
            "GetBucketLifecycle",
            "GET /lake?lifecycle",
            &["GetLifecycleConfiguration"],
            "<LifecycleConfiguration></LifecycleConfiguration>",
        )
        .becomes(Becomes::Another("GetBucketLifecycleConfiguration")),
        change(
            "PutBucketLifecycle",
            "PUT /lake?lifecycle",
            &["PutLifecycleConfiguration"],
            "<LifecycleConfiguration></LifecycleConfiguration>",
        )
        .becomes(Becomes::Another("PutBucketLifecycleConfiguration")),
        read(
            "GetBucketLogging",
            "GET /lake?logging",
            &["GetBucketLogging"],
            "<BucketLoggingStatus></BucketLoggingStatus>",
        ),
        change(
            "PutBucketLogging",
            "PUT /lake?logging",
            &["PutBucketLogging"],
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket></LoggingEnabled></BucketLoggingStatus>",
        ),
        read(
            "GetBucketNotificationConfiguration",
            "GET /lake?notification",
            &["GetBucketNotification"],
            "<NotificationConfiguration></NotificationConfiguration>",
        ),
        change(
            "PutBucketNotificationConfiguration",
            "PUT /lake?notification",
            &["PutBucketNotification"],
            "<NotificationConfiguration><TopicConfiguration></TopicConfiguration></NotificationConfiguration>",
        )
        .with(&[("x-amz-skip-destination-validation", "true")]),
        read(
            "GetBucketNotification",
            "GET /lake?notification",
            &["GetBucketNotification"],
            "<NotificationConfiguration></NotificationConfiguration>",
        )
        .becomes(Becomes::Another("GetBucketNotificationConfiguration")),
        change(
            "PutBucketNotification",
            "PUT /lake?notification",
            &["PutBucketNotification"],
            "<NotificationConfiguration></NotificationConfiguration>",
        )
        .becomes(Becomes::Another("PutBucketNotificationConfiguration")),
        change(
            "PutObjectLockConfiguration",
            "PUT /lake?object-lock",
            &["PutBucketObjectLockConfiguration"],
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
        )
        .with(&[("x-amz-bucket-object-lock-token", "t")]),
        read(
            "GetBucketOwnershipControls",
            "GET /lake?ownershipControls",
            &["GetBucketOwnershipControls"],
            "<OwnershipControls><Rule></Rule></OwnershipControls>",
        ),
        change(
            "PutBucketOwnershipControls",
            "PUT /lake?ownershipControls",
            &["PutBucketOwnershipControls"],
            "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
        ),
        remove("DeleteBucketOwnershipControls", "DELETE /lake?ownershipControls", &["PutBucketOwnershipControls"]),
        read("GetBucketPolicy", "GET /lake?policy", &["GetBucketPolicy"], "{\"Statement\":[]}"),
        change("PutBucketPolicy", "PUT /lake?policy", &["PutBucketPolicy"], "{\"Statement\":[]}")
            .with(&[("x-amz-confirm-remove-self-bucket-access", "true")]),
        remove("DeleteBucketPolicy", "DELETE /lake?policy", &["DeleteBucketPolicy"]),
        read(
            "GetPublicAccessBlock",
            "GET /lake?publicAccessBlock",
            &["GetBucketPublicAccessBlock"],
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
        ),
        change(
            "PutPublicAccessBlock",
            "PUT /lake?publicAccessBlock",
            &["PutBucketPublicAccessBlock"],
            "<PublicAccessBlockConfiguration><BlockPublicAcls>false</BlockPublicAcls></PublicAccessBlockConfiguration>",
        ),
        remove("DeletePublicAccessBlock", "DELETE /lake?publicAccessBlock", &["PutBucketPublicAccessBlock"]),
        read(
            "GetBucketReplication",
            "GET /lake?replication",
            &["GetReplicationConfiguration"],
            "<ReplicationConfiguration><Rule></Rule></ReplicationConfiguration>",
        ),
        change(
            "PutBucketReplication",
            "PUT /lake?replication",
            &["PutReplicationConfiguration"],
            "<ReplicationConfiguration><Rule></Rule></ReplicationConfiguration>",
        )
        .with(&[("x-amz-bucket-object-lock-token", "t")]),
        remove("DeleteBucketReplication", "DELETE /lake?replication", &["PutReplicationConfiguration"]),
        change(
            "PutBucketRequestPayment",
            "PUT /lake?requestPayment",
            &["PutBucketRequestPayment"],
            "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
        ),
        change(
            "PutBucketTagging",
            "PUT /lake?tagging",
            &["PutBucketTagging"],
            "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
        ),
        remove("DeleteBucketTagging", "DELETE /lake?tagging", &["PutBucketTagging"]),
        change(
            "PutBucketVersioning",
            "PUT /lake?versioning",
            &["PutBucketVersioning"],
            "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
        )
        .with(&[("x-amz-mfa", "device 123456")]),
        read(
            "GetBucketWebsite",
            "GET /lake?website",
            &["GetBucketWebsite"],
            "<WebsiteConfiguration></WebsiteConfiguration>",
        ),
        change(
            "PutBucketWebsite",
            "PUT /lake?website",
            &["PutBucketWebsite"],
            "<WebsiteConfiguration><RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo></WebsiteConfiguration>",
        ),
        remove("DeleteBucketWebsite", "DELETE /lake?website", &["DeleteBucketWebsite"]),
    ]
}

/// Settings of which a bucket has several, by `id`, and those of metadata tables.
fn configurations() -> Vec<Call> {
    let read = |name, request, needs, answer| Call::new(name, request, needs).gets(answer);
    let change = |name, request, needs, body| Call::new(name, request, needs).sends(body);
    let remove = |name, request, needs| Call::new(name, request, needs);
    const ANALYTICS: &str = "<AnalyticsConfiguration><Id>1</Id></AnalyticsConfiguration>";
    const TIERING: &str = "<IntelligentTieringConfiguration><Id>1</Id></IntelligentTieringConfiguration>";
    const INVENTORY: &str = "<InventoryConfiguration><Id>1</Id></InventoryConfiguration>";
    const METRICS: &str = "<MetricsConfiguration><Id>1</Id></MetricsConfiguration>";
    let get_table: &[&str] = &["GetBucketMetadataTableConfiguration"];
    let make_table: &[&str] = &["CreateBucketMetadataTableConfiguration"];
    vec![
        read(
            "GetBucketAnalyticsConfiguration",
            "GET /lake?analytics&id=1",
            &["GetAnalyticsConfiguration"],
            ANALYTICS,
        ),
        read(
            "ListBucketAnalyticsConfigurations",
            "GET /lake?analytics&continuation-token=t",
            &["GetAnalyticsConfiguration"],
            "<ListBucketAnalyticsConfigurationsResult><IsTruncated>false</IsTruncated></ListBucketAnalyticsConfigurationsResult>",
        ),
        change(
            "PutBucketAnalyticsConfiguration",
            "PUT /lake?analytics&id=1",
            &["PutAnalyticsConfiguration"],
            ANALYTICS,
        ),
        remove(
            "DeleteBucketAnalyticsConfiguration",
            "DELETE /lake?analytics&id=1",
            &["PutAnalyticsConfiguration"],
        ),
        read(
            "GetBucketIntelligentTieringConfiguration",
            "GET /lake?intelligent-tiering&id=1",
            &["GetIntelligentTieringConfiguration"],
            TIERING,
        ),
        read(
            "ListBucketIntelligentTieringConfigurations",
            "GET /lake?intelligent-tiering",
            &["GetIntelligentTieringConfiguration"],
            "<ListBucketIntelligentTieringConfigurationsOutput></ListBucketIntelligentTieringConfigurationsOutput>",
        ),
        change(
            "PutBucketIntelligentTieringConfiguration",
            "PUT /lake?intelligent-tiering&id=1",
            &["PutIntelligentTieringConfiguration"],
            TIERING,
        ),
        remove(
            "DeleteBucketIntelligentTieringConfiguration",
            "DELETE /lake?intelligent-tiering&id=1",
            &["PutIntelligentTieringConfiguration"],
        ),
        read(
            "GetBucketInventoryConfiguration",
            "GET /lake?inventory&id=1",
            &["GetInventoryConfiguration"],
            INVENTORY,
        ),
        read(
            "ListBucketInventoryConfigurations",
            "GET /lake?inventory",
            &["GetInventoryConfiguration"],
            "<ListInventoryConfigurationsResult></ListInventoryConfigurationsResult>",
        ),
        change(
            "PutBucketInventoryConfiguration",
            "PUT /lake?inventory&id=1",
            &["PutInventoryConfiguration"],
            INVENTORY,
        ),
        remove(
            "DeleteBucketInventoryConfiguration",
            "DELETE /lake?inventory&id=1",
            &["PutInventoryConfiguration"],
        ),
        read(
            "GetBucketMetricsConfiguration",
            "GET /lake?metrics&id=1",
            &["GetMetricsConfiguration"],
            METRICS,
        ),
        read(
            "ListBucketMetricsConfigurations",
            "GET /lake?metrics&continuation-token=t",
            &["GetMetricsConfiguration"],
            "<ListMetricsConfigurationsResult></ListMetricsConfigurationsResult>",
        ),
        change(
            "PutBucketMetricsConfiguration",
            "PUT /lake?metrics&id=1",
            &["PutMetricsConfiguration"],
            METRICS,
        ),
        remove(
            "DeleteBucketMetricsConfiguration",
            "DELETE /lake?metrics&id=1",
            &["PutMetricsConfiguration"],
        ),
        read(
            "GetBucketMetadataConfiguration",
            "GET /lake?metadataConfiguration",
            get_table,
            "<GetBucketMetadataConfigurationResult></GetBucketMetadataConfigurationResult>",
        ),
        change(
            "CreateBucketMetadataConfiguration",
            "POST /lake?metadataConfiguration",
            make_table,
            "<MetadataConfiguration></MetadataConfiguration>",
        ),
        read(
            "GetBucketMetadataTableConfiguration",
            "GET /lake?metadataTable",
            get_table,
            "<GetBucketMetadataTableConfigurationResult></GetBucketMetadataTableConfigurationResult>",
        ),
        change(
            "CreateBucketMetadataTableConfiguration",
            "POST /lake?metadataTable",
            make_table,
            "<MetadataTableConfiguration></MetadataTableConfiguration>",
        ),
        change(
            "UpdateBucketMetadataAnnotationTableConfiguration",
            "PUT /lake?metadataAnnotationTable",
            &["UpdateBucketMetadataAnnotationTableConfiguration"],
            "<AnnotationTableConfiguration></AnnotationTableConfiguration>",
        ),
        change(
            "UpdateBucketMetadataInventoryTableConfiguration",
            "PUT /lake?metadataInventoryTable",
            &["UpdateBucketMetadataInventoryTableConfiguration"],
            "<InventoryTableConfiguration></InventoryTableConfiguration>",
        ),
        change(
            "UpdateBucketMetadataJournalTableConfiguration",
            "PUT /lake?metadataJournalTable",
            &["UpdateBucketMetadataJournalTableConfiguration"],
            "<JournalTableConfiguration></JournalTableConfiguration>",
        ),
    ]
}

/// What is served to nobody.
fn refused() -> Vec<Call> {
    let never =
        |name, request| Call::new(name, request, &[]).becomes(Becomes::Refused(501, "NotImplemented"));
    vec![
        never("CreateSession", "GET /lake?session"),
        never("ListDirectoryBuckets", "GET /?max-directory-buckets=10"),
        never("RenameObject", "PUT /lake/team/k?renameObject"),
        never("SelectObjectContent", "POST /lake/team/k?select&select-type=2"),
        never("GetObjectTorrent", "GET /lake/team/k?torrent"),
        never(
            "GetObjectAnnotation",
            "GET /lake/team/k?annotation&annotationName=n",
        ),
        never(
            "GetObjectAnnotation",
            "GET /lake/team/k?annotation&annotationName=n&versionId=v1",
        ),
        never(
            "ListObjectAnnotations",
            "GET /lake/team/k?annotation&annotation-prefix=a",
        ),
        never(
            "PutObjectAnnotation",
            "PUT /lake/team/k?annotation&annotationName=n",
        ),
        never(
            "DeleteObjectAnnotation",
            "DELETE /lake/team/k?annotation&annotationName=n",
        ),
        never(
            "DeleteBucketMetadataConfiguration",
            "DELETE /lake?metadataConfiguration",
        ),
        never(
            "DeleteBucketMetadataTableConfiguration",
            "DELETE /lake?metadataTable",
        ),
        never("UpdateObjectEncryption", "PUT /lake/team/k?encryption"),
        // Its path is no name of a bucket.
        never("WriteGetObjectResponse", "POST /WriteGetObjectResponse")
            .becomes(Becomes::Refused(400, "InvalidBucketName")),
    ]
}
