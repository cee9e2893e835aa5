//! The golden matrix: which rights every call needs, written down by hand.

use super::*;
use crate::authz::index::Standing;
use crate::authz::needs::Needs;
use crate::authz::request::Facts;
use crate::authz::schema::Vocabulary;
use crate::authz::tagging;
use crate::operation::Handling;

/// A call and the rights it needs, in order.
pub(super) fn matrix() -> Vec<(Operation, Vec<&'static str>)> {
    use Api::*;
    let tags = ("x-amz-tagging", "a=b");
    let version = ("versionId", "v1");
    let replace = ("x-amz-tagging-directive", "REPLACE");
    let source = ("copy-source", "other/s");
    let row = |api, name, with: &[_], needs: &[&'static str]| (call(api, name, with), needs.to_vec());
    let mut rows = vec![
        row(ListBuckets, "", &[], &[]),
        // One that the configuration provides, and one that callers may make.
        row(CreateBucket, "lake", &[], &["lake ListBucket"]),
        row(CreateBucket, "made", &[], &["made CreateBucket"]),
        row(
            CreateBucket,
            "made",
            &[("x-amz-acl", "public-read")],
            &["made CreateBucket", "made PutBucketAcl"],
        ),
        row(
            CreateBucket,
            "made",
            &[("x-amz-bucket-object-lock-enabled", "true")],
            &["made CreateBucket", "made PutBucketObjectLockConfiguration"],
        ),
        row(
            CreateBucket,
            "made",
            &[("x-amz-object-ownership", "ObjectWriter")],
            &["made CreateBucket", "made PutBucketOwnershipControls"],
        ),
        row(HeadBucket, "lake", &[], &["lake ListBucket"]),
        row(GetBucketLocation, "lake", &[], &["lake GetBucketLocation"]),
        row(ListObjects, "lake", &[("prefix", "a/")], &["lake ListBucket"]),
        row(ListObjectsV2, "lake", &[], &["lake ListBucket"]),
        row(
            ListMultipartUploads,
            "lake",
            &[],
            &["lake ListBucketMultipartUploads"],
        ),
        row(GetObject, "lake/k", &[], &["lake/k GetObject"]),
        row(GetObject, "lake/k", &[("partNumber", "1")], &["lake/k GetObject"]),
        row(GetObject, "lake/k", &[version], &["lake/k GetObjectVersion"]),
        row(HeadObject, "lake/k", &[], &["lake/k GetObject"]),
        row(
            HeadObject,
            "lake/k",
            &[("versionId", "null")],
            &["lake/k GetObjectVersion"],
        ),
        row(PutObject, "lake/k", &[], &["lake/k PutObject"]),
        row(
            PutObject,
            "lake/k",
            &[tags],
            &["lake/k PutObject", "lake/k PutObjectTagging"],
        ),
        row(
            CopyObject,
            "lake/k",
            &[source],
            &["other/s GetObject", "lake/k PutObject"],
        ),
        row(
            CopyObject,
            "lake/k",
            &[("copy-source", "other/s?v1"), tags, replace],
            &[
                "other/s GetObjectVersion",
                "lake/k PutObject",
                "lake/k PutObjectTagging",
            ],
        ),
        row(
            CopyObject,
            "lake/k",
            &[("copy-source", "lake/k")],
            &["lake/k GetObject", "lake/k PutObject"],
        ),
        // AUZ-04: metadata that replaces itself is a write, and reads what it replaces.
        row(
            CopyObject,
            "lake/k",
            &[("copy-source", "lake/k"), ("x-amz-metadata-directive", "REPLACE")],
            &["lake/k GetObject", "lake/k PutObject"],
        ),
        row(DeleteObject, "lake/k", &[], &["lake/k DeleteObject"]),
        row(
            DeleteObject,
            "lake/k",
            &[("versionId", "null")],
            &["lake/k DeleteObjectVersion"],
        ),
        row(
            DeleteObject,
            "lake/k",
            &[version],
            &["lake/k DeleteObjectVersion"],
        ),
        row(
            DeleteObjects,
            "lake",
            &[("delete", "lake/k")],
            &["lake/k DeleteObject"],
        ),
        row(
            DeleteObjects,
            "lake",
            &[("delete", "lake/k?v")],
            &["lake/k DeleteObjectVersion"],
        ),
        row(CreateMultipartUpload, "lake/k", &[], &["lake/k PutObject"]),
        row(
            CreateMultipartUpload,
            "lake/k",
            &[tags],
            &["lake/k PutObject", "lake/k PutObjectTagging"],
        ),
        row(UploadPart, "lake/k", &[], &["lake/k PutObject"]),
        row(
            UploadPartCopy,
            "lake/k",
            &[source],
            &["other/s GetObject", "lake/k PutObject"],
        ),
        row(CompleteMultipartUpload, "lake/k", &[], &["lake/k PutObject"]),
        row(
            AbortMultipartUpload,
            "lake/k",
            &[],
            &["lake/k AbortMultipartUpload"],
        ),
        row(ListParts, "lake/k", &[], &["lake/k ListMultipartUploadParts"]),
    ];
    rows.extend(of_objects());
    rows.extend(of_buckets());
    rows
}

/// What objects have besides bytes.
fn of_objects() -> Vec<(Operation, Vec<&'static str>)> {
    use Api::*;
    let version = ("versionId", "v1");
    let bypass = ("x-amz-bypass-governance-retention", "true");
    let row = |api, with: &[_], needs: &[&'static str]| (call(api, "lake/k", with), needs.to_vec());
    vec![
        row(GetObjectAcl, &[], &["lake/k GetObjectAcl"]),
        row(GetObjectAcl, &[version], &["lake/k GetObjectVersionAcl"]),
        row(
            PutObjectAcl,
            &[("x-amz-acl", "private")],
            &["lake/k PutObjectAcl"],
        ),
        row(
            PutObjectAcl,
            &[("x-amz-grant-read", "id=1"), version],
            &["lake/k PutObjectVersionAcl"],
        ),
        row(
            GetObjectAttributes,
            &[],
            &["lake/k GetObject", "lake/k GetObjectAttributes"],
        ),
        row(
            GetObjectAttributes,
            &[version],
            &["lake/k GetObjectVersion", "lake/k GetObjectVersionAttributes"],
        ),
        row(GetObjectLegalHold, &[], &["lake/k GetObjectLegalHold"]),
        row(PutObjectLegalHold, &[version], &["lake/k PutObjectLegalHold"]),
        row(GetObjectRetention, &[version], &["lake/k GetObjectRetention"]),
        row(PutObjectRetention, &[], &["lake/k PutObjectRetention"]),
        row(
            PutObjectRetention,
            &[bypass],
            &["lake/k PutObjectRetention", "lake/k BypassGovernanceRetention"],
        ),
        row(GetObjectTagging, &[], &["lake/k GetObjectTagging"]),
        row(GetObjectTagging, &[version], &["lake/k GetObjectVersionTagging"]),
        row(PutObjectTagging, &[], &["lake/k PutObjectTagging"]),
        row(PutObjectTagging, &[version], &["lake/k PutObjectVersionTagging"]),
        row(DeleteObjectTagging, &[], &["lake/k DeleteObjectTagging"]),
        row(
            DeleteObjectTagging,
            &[version],
            &["lake/k DeleteObjectVersionTagging"],
        ),
        row(RestoreObject, &[version], &["lake/k RestoreObject"]),
        row(
            DeleteObject,
            &[version, bypass],
            &["lake/k DeleteObjectVersion", "lake/k BypassGovernanceRetention"],
        ),
        (
            call(DeleteObjects, "lake", &[("delete", "lake/k?v"), bypass]),
            vec!["lake/k DeleteObjectVersion", "lake/k BypassGovernanceRetention"],
        ),
        row(
            PutObject,
            &[
                ("x-amz-object-lock-mode", "GOVERNANCE"),
                ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
            ],
            &["lake/k PutObject", "lake/k PutObjectRetention"],
        ),
        row(
            CreateMultipartUpload,
            &[("x-amz-object-lock-legal-hold", "ON")],
            &["lake/k PutObject", "lake/k PutObjectLegalHold"],
        ),
        row(
            PutObject,
            &[("x-amz-acl", "public-read")],
            &["lake/k PutObject", "lake/k PutObjectAcl"],
        ),
        row(
            CreateMultipartUpload,
            &[("x-amz-grant-full-control", "id=1")],
            &["lake/k PutObject", "lake/k PutObjectAcl"],
        ),
        row(
            CopyObject,
            &[("copy-source", "other/s"), ("x-amz-grant-read-acp", "id=1")],
            &["other/s GetObject", "lake/k PutObject", "lake/k PutObjectAcl"],
        ),
        row(
            CopyObject,
            &[
                ("copy-source", "other/s"),
                ("x-amz-object-annotation-directive", "EXCLUDE"),
            ],
            &["other/s GetObject", "lake/k PutObject"],
        ),
        row(
            CopyObject,
            &[
                ("copy-source", "other/s"),
                ("x-amz-object-annotation-directive", "COPY"),
            ],
            &[
                "other/s GetObject",
                "lake/k PutObject",
                "other/s GetObjectAnnotation",
                "lake/k PutObjectAnnotation",
            ],
        ),
        row(
            PutObject,
            &[("x-amz-website-redirect-location", "/")],
            &["lake/k PutObject", "lake/k PutObjectWebsiteRedirect"],
        ),
    ]
}

/// What buckets have besides names of objects. One right each, and each after IAM's list of actions.
fn of_buckets() -> Vec<(Operation, Vec<&'static str>)> {
    use Api::*;
    const ID: &[(&str, &str)] = &[("id", "1")];
    type Bucketwise = (Api, &'static [(&'static str, &'static str)], &'static str);
    let rows: [Bucketwise; 69] = [
        (ListObjectVersions, &[], "lake ListBucketVersions"),
        (DeleteBucket, &[], "lake DeleteBucket"),
        (GetBucketAbac, &[], "lake GetBucketAbac"),
        (PutBucketAbac, &[], "lake PutBucketAbac"),
        (
            GetBucketAccelerateConfiguration,
            &[],
            "lake GetAccelerateConfiguration",
        ),
        (
            PutBucketAccelerateConfiguration,
            &[],
            "lake PutAccelerateConfiguration",
        ),
        (GetBucketAcl, &[], "lake GetBucketAcl"),
        (PutBucketAcl, &[("x-amz-acl", "public-read")], "lake PutBucketAcl"),
        (
            GetBucketAnalyticsConfiguration,
            ID,
            "lake GetAnalyticsConfiguration",
        ),
        (
            ListBucketAnalyticsConfigurations,
            &[],
            "lake GetAnalyticsConfiguration",
        ),
        (
            PutBucketAnalyticsConfiguration,
            ID,
            "lake PutAnalyticsConfiguration",
        ),
        (
            DeleteBucketAnalyticsConfiguration,
            ID,
            "lake PutAnalyticsConfiguration",
        ),
        (GetBucketCors, &[], "lake GetBucketCORS"),
        (PutBucketCors, &[], "lake PutBucketCORS"),
        (DeleteBucketCors, &[], "lake PutBucketCORS"),
        (GetBucketEncryption, &[], "lake GetEncryptionConfiguration"),
        (PutBucketEncryption, &[], "lake PutEncryptionConfiguration"),
        (DeleteBucketEncryption, &[], "lake PutEncryptionConfiguration"),
        (
            GetBucketIntelligentTieringConfiguration,
            ID,
            "lake GetIntelligentTieringConfiguration",
        ),
        (
            ListBucketIntelligentTieringConfigurations,
            &[],
            "lake GetIntelligentTieringConfiguration",
        ),
        (
            PutBucketIntelligentTieringConfiguration,
            ID,
            "lake PutIntelligentTieringConfiguration",
        ),
        (
            DeleteBucketIntelligentTieringConfiguration,
            ID,
            "lake PutIntelligentTieringConfiguration",
        ),
        (
            GetBucketInventoryConfiguration,
            ID,
            "lake GetInventoryConfiguration",
        ),
        (
            ListBucketInventoryConfigurations,
            &[],
            "lake GetInventoryConfiguration",
        ),
        (
            PutBucketInventoryConfiguration,
            ID,
            "lake PutInventoryConfiguration",
        ),
        (
            DeleteBucketInventoryConfiguration,
            ID,
            "lake PutInventoryConfiguration",
        ),
        (
            GetBucketLifecycleConfiguration,
            &[],
            "lake GetLifecycleConfiguration",
        ),
        (
            PutBucketLifecycleConfiguration,
            &[],
            "lake PutLifecycleConfiguration",
        ),
        (DeleteBucketLifecycle, &[], "lake PutLifecycleConfiguration"),
        (GetBucketLogging, &[], "lake GetBucketLogging"),
        (PutBucketLogging, &[], "lake PutBucketLogging"),
        (
            GetBucketMetadataConfiguration,
            &[],
            "lake GetBucketMetadataTableConfiguration",
        ),
        (
            CreateBucketMetadataConfiguration,
            &[],
            "lake CreateBucketMetadataTableConfiguration",
        ),
        (
            GetBucketMetadataTableConfiguration,
            &[],
            "lake GetBucketMetadataTableConfiguration",
        ),
        (
            CreateBucketMetadataTableConfiguration,
            &[],
            "lake CreateBucketMetadataTableConfiguration",
        ),
        (
            UpdateBucketMetadataAnnotationTableConfiguration,
            &[],
            "lake UpdateBucketMetadataAnnotationTableConfiguration",
        ),
        (
            UpdateBucketMetadataInventoryTableConfiguration,
            &[],
            "lake UpdateBucketMetadataInventoryTableConfiguration",
        ),
        (
            UpdateBucketMetadataJournalTableConfiguration,
            &[],
            "lake UpdateBucketMetadataJournalTableConfiguration",
        ),
        (GetBucketMetricsConfiguration, ID, "lake GetMetricsConfiguration"),
        (
            ListBucketMetricsConfigurations,
            &[],
            "lake GetMetricsConfiguration",
        ),
        (PutBucketMetricsConfiguration, ID, "lake PutMetricsConfiguration"),
        (
            DeleteBucketMetricsConfiguration,
            ID,
            "lake PutMetricsConfiguration",
        ),
        (
            GetBucketNotificationConfiguration,
            &[],
            "lake GetBucketNotification",
        ),
        (
            PutBucketNotificationConfiguration,
            &[],
            "lake PutBucketNotification",
        ),
        (
            GetObjectLockConfiguration,
            &[],
            "lake GetBucketObjectLockConfiguration",
        ),
        (
            PutObjectLockConfiguration,
            &[],
            "lake PutBucketObjectLockConfiguration",
        ),
        (GetBucketOwnershipControls, &[], "lake GetBucketOwnershipControls"),
        (PutBucketOwnershipControls, &[], "lake PutBucketOwnershipControls"),
        (
            DeleteBucketOwnershipControls,
            &[],
            "lake PutBucketOwnershipControls",
        ),
        (GetBucketPolicy, &[], "lake GetBucketPolicy"),
        (PutBucketPolicy, &[], "lake PutBucketPolicy"),
        (DeleteBucketPolicy, &[], "lake DeleteBucketPolicy"),
        (GetBucketPolicyStatus, &[], "lake GetBucketPolicyStatus"),
        (GetPublicAccessBlock, &[], "lake GetBucketPublicAccessBlock"),
        (PutPublicAccessBlock, &[], "lake PutBucketPublicAccessBlock"),
        (DeletePublicAccessBlock, &[], "lake PutBucketPublicAccessBlock"),
        (GetBucketReplication, &[], "lake GetReplicationConfiguration"),
        (PutBucketReplication, &[], "lake PutReplicationConfiguration"),
        (DeleteBucketReplication, &[], "lake PutReplicationConfiguration"),
        (GetBucketRequestPayment, &[], "lake GetBucketRequestPayment"),
        (PutBucketRequestPayment, &[], "lake PutBucketRequestPayment"),
        (GetBucketTagging, &[], "lake GetBucketTagging"),
        (PutBucketTagging, &[], "lake PutBucketTagging"),
        (DeleteBucketTagging, &[], "lake PutBucketTagging"),
        (GetBucketVersioning, &[], "lake GetBucketVersioning"),
        (PutBucketVersioning, &[], "lake PutBucketVersioning"),
        (GetBucketWebsite, &[], "lake GetBucketWebsite"),
        (PutBucketWebsite, &[], "lake PutBucketWebsite"),
        (DeleteBucketWebsite, &[], "lake DeleteBucketWebsite"),
    ];
    let rows = rows.into_iter();
    rows.map(|(api, with, needs)| (call(api, "lake", with), vec![needs]))
        .collect()
}

/// Principals for each line of the matrix, in one set of policies: one with exactly the rights of the line, and for each
/// right one that has every other. One set, because checking thousands of rules takes its time.
fn lines_of_the_matrix() -> Policies {
    let text = |bucket: &str| {
        let groups = ["read", "write", "delete", "list", "manage"];
        let all = groups.map(|group| {
            format!(
                "permit(principal in Tidegate::Group::\"line:all\", action in Tidegate::Action::\"{group}\", resource);\n"
            )
        });
        let mut text = all.concat();
        for (at, (_, needs)) in matrix().iter().enumerate() {
            text += &rules("permit", &with_all(at), bucket, needs);
            for (without, right) in needs.iter().enumerate() {
                text += &rules("forbid", &with_all_but(at, without), bucket, &[right]);
            }
        }
        text
    };
    let buckets = ["lake", "other", "made"].map(|bucket| (bucket, text(bucket)));
    let mut files = Files::new(&buckets.each_ref().map(|(bucket, text)| (*bucket, text.as_str())));
    files.let_create("made");
    files.load()
}

fn with_all(line: usize) -> String {
    format!("line:{line}")
}

fn with_all_but(line: usize, right: usize) -> String {
    format!("line:{line}-without-{right}")
}

fn rules(effect: &str, who: &str, bucket: &str, rights: &[&str]) -> String {
    let mut text = String::new();
    for right in rights {
        let (resource, action) = right.split_once(' ').unwrap();
        let entity = if resource.contains('/') {
            "Object"
        } else {
            "Bucket"
        };
        if resource.split('/').next() == Some(bucket) {
            text += &format!(
                "{effect}(principal == Tidegate::User::\"{who}\", action == Tidegate::Action::\"{action}\", \
                 resource == Tidegate::{entity}::\"{resource}\");\n"
            );
        }
    }
    text
}

/// AUZ-01, AUZ-04, AUZ-07, AUZ-08, AUZ-09, AUZ-11, AUZ-17, AUZ-18, AUZ-23
#[test]
fn every_call_needs_exactly_its_rights() {
    let covered: Vec<Api> = matrix().iter().map(|(operation, _)| operation.api()).collect();
    for api in Api::ALL {
        let decided = matches!(api.row().handling, Handling::Forwarded | Handling::Answered);
        assert_eq!(
            covered.contains(api),
            decided,
            "{}: write into `matrix` which rights it needs, from the API reference and not from the table",
            api.name()
        );
    }
    let policies = lines_of_the_matrix();
    for (at, (operation, needs)) in matrix().into_iter().enumerate() {
        let name = format!("{} {needs:?}", operation.api().name());
        let permits = |id: String, groups: &[&str]| {
            let who = Principal::for_test(PrincipalKind::User, &id, groups);
            match policies.authorize(&who, operation.clone(), &office()) {
                Ok(permit) => permit.refused().is_empty(),
                Err(NotPermitted::Denied(_)) => false,
                Err(error) => panic!("{name}: {error}"),
            }
        };
        assert!(permits(with_all(at), &[]), "{name} is refused with its rights");
        for (without, missing) in needs.iter().enumerate() {
            assert!(
                !permits(with_all_but(at, without), &["line:all"]),
                "{name} is allowed without {missing}"
            );
        }
        assert!(
            permits("line:other".into(), &["line:all"])
                && (needs.is_empty() || !permits("line:other".into(), &[])),
            "{name}"
        );
    }
}

/// LEK-01: what leads around the proxy is granted by name, and not by a policy that permits every action.
#[test]
fn a_permit_of_every_action_does_not_grant_to_manage() {
    let everything = "permit(principal, action, resource);";
    let without_data = "permit(principal, action in Tidegate::Action::\"manage\", resource);";
    for (text, reads, manages) in [(everything, true, false), (without_data, false, true)] {
        let policies = Files::new(&[("lake", text), ("other", "")]).load();
        let put_policy = || call(Api::PutBucketPolicy, "lake", &[]);
        let published = || call(Api::PutObject, "lake/k", &[("x-amz-acl", "public-read")]);
        assert_eq!(is_allowed(&policies, &etl(), get("lake/k")), reads, "{text}");
        assert_eq!(is_allowed(&policies, &etl(), put_policy()), manages, "{text}");
        assert_eq!(
            is_allowed(&policies, &etl(), published()),
            reads && manages,
            "{text}"
        );
    }
    let policies = Files::new(&[("lake", everything)]).load();
    let why = denied(&policies, &etl(), call(Api::PutBucketPolicy, "lake", &[])).message;
    assert!(
        why.ends_with("because no policy grants this action, or `manage`, by name"),
        "{why}"
    );
    // Who has rights in the bucket is told that nobody has this one; who has none learns nothing.
    let reason = |text: &str, api| {
        let policies = Files::new(&[("lake", text)]).load();
        denied(&policies, &etl(), call(api, "lake", &[])).reason
    };
    let somebody = "permit(principal == Tidegate::User::\"idp:boss\", action in Tidegate::Action::\"manage\", resource);";
    assert_eq!(reason(everything, Api::PutBucketCors), DenyReason::NotOffered);
    assert_eq!(
        reason(&(everything.to_owned() + somebody), Api::PutBucketCors),
        DenyReason::NoPermit
    );
    assert_eq!(reason("", Api::PutBucketCors), DenyReason::NoPermit);
    assert_eq!(reason(everything, Api::DeleteBucket), DenyReason::NoPermit);
    // A prohibition of every action does prohibit it.
    let text = "permit(principal, action in Tidegate::Action::\"manage\", resource);\nforbid(principal, action, resource);";
    let policies = Files::new(&[("lake", text)]).load();
    assert!(!is_allowed(
        &policies,
        &etl(),
        call(Api::PutBucketPolicy, "lake", &[])
    ));
}

/// What the builder promises: with everything in it, each request is what the schema says, and so are its entities.
#[test]
fn every_request_is_to_the_letter_of_the_schema() {
    let vocabulary = Vocabulary::shared().unwrap();
    let files = Files::new(&[("lake", ""), ("other", ""), ("made", "")]);
    for (operation, _) in matrix() {
        for (who, source_ip) in [
            (etl(), "203.0.113.9"),
            (ana(), "2001:db8::1"),
            (ana(), "::ffff:203.0.113.9"),
            (ana(), "::1.2.3.4"),
        ] {
            let circumstances = Circumstances {
                source_ip: source_ip.parse().unwrap(),
                ..office()
            };
            let tags = tagging::tags(&operation).unwrap();
            let facts = Facts::of(&who, &operation, &tags, &circumstances);
            for access in operation.accesses() {
                let bucket = &files.buckets[access.resource.bucket()];
                let schema = Some(&vocabulary.schema);
                let built = facts.request(
                    vocabulary,
                    &access,
                    bucket,
                    Needs::ALL,
                    &Standing::default(),
                    schema,
                );
                built.unwrap_or_else(|error| panic!("{access:?}: {error}"));
            }
        }
    }
}

/// AUZ-21: no attribute of the schema is ever missing, and none makes a policy fail.
#[test]
fn every_attribute_is_there_for_every_action_that_has_it() {
    let everywhere = [
        "context.source_ip.isInRange(ip(\"203.0.113.0/24\"))",
        "context.time == datetime(\"2026-11-20T10:00:00.123Z\")",
        "context.local.weekday == 5 && context.local.minute == 600",
        "context.operation != \"\"",
        "context.protocol == \"s3\"",
        "context.session.id == \"test\" && context.session.name == \"test\"",
        "context.session.issued_at < context.time && context.time < context.session.expires_at",
        "principal.id like \"google:*\" && principal.issuer == \"https://issuer.test\"",
    ];
    let objects = [
        "resource.key like \"?\" || resource.key != \"\"",
        "resource.bucket == \"lake\" || resource.bucket == \"other\"",
        "resource.hasTag(\"a\") || !(resource.hasTag(\"a\"))",
    ];
    let writes = ["context.sse == \"\" && context.kms_key == \"\" && context.storage_class == \"\""];
    let buckets = ["resource.name == \"lake\" || resource.name == \"made\""];
    let file = |group: &str, conditions: &[&[&str]]| {
        let all = conditions.concat().join(")\n && (");
        format!("permit(principal, action in Tidegate::Action::\"{group}\", resource) when {{ ({all}) }};\n")
    };
    let text = [
        file("read", &[&everywhere, &objects]),
        file("delete", &[&everywhere, &objects]),
        file("write", &[&everywhere, &objects, &writes]),
        file("list", &[&everywhere, &buckets]),
        "permit(principal, action in Tidegate::Action::\"manage\", resource);".to_owned(),
    ]
    .concat();
    let policies = Files::new(&[("lake", &text), ("other", &text), ("made", &text)]).load();
    for (operation, _) in matrix() {
        let permit = allowed(&policies, &etl(), operation);
        assert_eq!(permit.refused(), []);
    }
}
