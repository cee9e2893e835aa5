//! The golden matrix: which rights every call needs, written down by hand.

use super::*;
use crate::authz::needs::Needs;
use crate::authz::request::Facts;
use crate::authz::schema::Vocabulary;
use crate::authz::tagging;
use crate::operation::Action;

/// A call and the rights it needs, in order.
fn matrix() -> Vec<(Operation, Vec<&'static str>)> {
    use Api::*;
    let tags = ("x-amz-tagging", "a=b");
    let version = ("versionId", "v1");
    let replace = ("x-amz-tagging-directive", "REPLACE");
    let source = ("copy-source", "other/s");
    let row = |api, name, with: &[_], needs: &[&'static str]| (call(api, name, with), needs.to_vec());
    vec![
        row(ListBuckets, "", &[], &[]),
        row(CreateBucket, "lake", &[], &["lake ListBucket"]),
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
        row(DeleteObject, "lake/k", &[], &["lake/k DeleteObject"]),
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
    ]
}

/// Exactly these rights for everybody, in the files of `lake` and `other`.
fn granting(rights: &[&str]) -> Policies {
    let file = |bucket: &str| {
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
                    "permit(principal, action == Tidegate::Action::\"{action}\", \
                     resource == Tidegate::{entity}::\"{resource}\");\n"
                );
            }
        }
        text
    };
    Files::new(&[("lake", &file("lake")), ("other", &file("other"))]).load()
}

fn every_right() -> Vec<String> {
    let resources = |action: Action| match action {
        Action::ListBucket | Action::ListBucketMultipartUploads | Action::GetBucketLocation => {
            ["lake", "other"]
        }
        _ => ["lake/k", "other/s"],
    };
    let rights = |action: Action| resources(action).map(|resource| format!("{resource} {}", action.name()));
    Action::ALL.into_iter().flat_map(rights).collect()
}

/// AUZ-01, AUZ-07, AUZ-08, AUZ-09, AUZ-17
#[test]
fn every_call_needs_exactly_its_rights() {
    let covered: Vec<Api> = matrix().iter().map(|(operation, _)| operation.api()).collect();
    assert!(
        Api::ALL.iter().all(|api| covered.contains(api)),
        "a call is not in the matrix"
    );
    for (operation, needs) in matrix() {
        let name = format!("{} {needs:?}", operation.api().name());
        let permits = |policies: &Policies| match policies.authorize(&etl(), operation.clone(), &office()) {
            Ok(permit) => permit.refused().is_empty(),
            Err(NotPermitted::Denied(_)) => false,
            Err(error) => panic!("{name}: {error}"),
        };
        assert!(permits(&granting(&needs)), "{name} is refused with its rights");
        for missing in &needs {
            let all = every_right();
            let others: Vec<_> = all
                .iter()
                .map(String::as_str)
                .filter(|right| right != missing)
                .collect();
            assert!(
                !permits(&granting(&others)),
                "{name} is allowed without {missing}"
            );
        }
    }
}

/// What the builder promises: with everything in it, each request is what the schema says, and so are its entities.
#[test]
fn every_request_is_to_the_letter_of_the_schema() {
    let vocabulary = Vocabulary::new().unwrap();
    let files = Files::new(&[("lake", ""), ("other", "")]);
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
            let facts = Facts {
                principal: &who,
                operation: &operation,
                circumstances: &circumstances,
                tags: &tags,
            };
            for access in operation.accesses() {
                let bucket = &files.buckets[access.resource.bucket()];
                let schema = Some(&vocabulary.schema);
                let built = facts.request(&vocabulary, &access, bucket, Needs::ALL, &[], schema);
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
    let buckets = ["resource.name == \"lake\""];
    let file = |group: &str, conditions: &[&[&str]]| {
        let all = conditions.concat().join(")\n && (");
        format!("permit(principal, action in Tidegate::Action::\"{group}\", resource) when {{ ({all}) }};\n")
    };
    let text = [
        file("read", &[&everywhere, &objects]),
        file("delete", &[&everywhere, &objects]),
        file("write", &[&everywhere, &objects, &writes]),
        file("list", &[&everywhere, &buckets]),
    ]
    .concat();
    let policies = Files::new(&[("lake", &text), ("other", &text)]).load();
    for (operation, _) in matrix() {
        let permit = allowed(&policies, &etl(), operation);
        assert_eq!(permit.refused(), []);
    }
}
