use super::*;
use crate::operation::{AccessResource, Action, Asked, BucketName, ObjectKey, ObjectName, Resource, Scope};
use std::collections::BTreeSet;

fn object(key: &str) -> ObjectName {
    ObjectName {
        bucket: BucketName::parse("lake").unwrap(),
        key: ObjectKey::parse(key.as_bytes()).unwrap(),
    }
}

fn bucket() -> Resource {
    Resource::Bucket(BucketName::parse("lake").unwrap())
}

#[test]
fn every_method_that_clients_know_has_a_row_of_its_own() {
    let ids: BTreeSet<_> = Method::ALL.iter().map(|method| method.id()).collect();
    assert_eq!((ids.len(), Method::ALL.len()), (81, 81));
    let places: BTreeSet<_> = Method::ALL
        .iter()
        .map(|method| (method.row().method, method.row().path))
        .collect();
    assert_eq!(places.len(), Method::ALL.len());
}

// AUZ-01: whatever reaches a target was asked about, of a resource that the call has.
#[test]
fn what_is_forwarded_or_answered_needs_a_right() {
    for method in Method::ALL {
        let row = method.row();
        let id = method.id();
        match row.handling {
            Handling::Forwarded => {
                assert!(!row.rights.is_empty(), "{id} needs no right: give its row one");
                assert!(
                    !row.rights
                        .iter()
                        .any(|right| matches!(right, Right::Visible | Right::Known)),
                    "{id} is forwarded on no decision"
                );
            }
            Handling::Answered => assert!(!row.rights.is_empty(), "{id} needs no right"),
            Handling::Refused(why) => assert!(!why.is_empty() && row.rights.is_empty(), "{id}"),
        }
        for right in row.rights {
            let (actions, scope): (&[Action], _) = match right {
                Right::Bucket(action) => (&[*action], Scope::Bucket),
                Right::Object(action) => (&[*action], Scope::Object),
                Right::Version(live, named) => (&[*live, *named], Scope::Object),
                _ => continue,
            };
            assert!(actions.iter().all(|action| action.scope() == scope), "{id}");
            let has_object = row.path.contains("{object}") || *method == Method::ObjectsInsert;
            assert_eq!(scope == Scope::Object, has_object, "{id}");
        }
    }
}

// LEK-01, GCS-06
#[test]
fn what_decides_who_else_gets_at_data_is_for_managers() {
    for method in Method::ALL {
        let (row, id) = (method.row(), method.id());
        let forwarded = row.handling == Handling::Forwarded;
        let of_rights = [
            "AccessControls",
            "IamPolicy",
            "otifications",
            "lockRetentionPolicy",
        ]
        .iter()
        .any(|word| id.contains(word));
        if forwarded && of_rights {
            let managed = row.rights.iter().any(|right| match right {
                Right::Bucket(action) | Right::Object(action) => action.is_managed(),
                Right::Version(live, named) => live.is_managed() && named.is_managed(),
                _ => false,
            });
            assert!(managed, "{id}");
        }
    }
    for method in [
        Method::HmacKeysCreate,
        Method::ObjectsWatchAll,
        Method::ManagedFoldersSetIamPolicy,
    ] {
        assert!(
            matches!(method.row().handling, Handling::Refused(_)),
            "{}",
            method.id()
        );
    }
}

fn needed(call: &Call) -> Vec<String> {
    let name = |resource: &AccessResource<'_>| match resource {
        AccessResource::Bucket(bucket) => bucket.to_string(),
        AccessResource::Object(object) => format!("{}/{}", object.bucket, object.key),
    };
    call.accesses()
        .iter()
        .map(|access| format!("{} {}", access.action.name(), name(&access.resource)))
        .collect()
}

fn call(method: Method, resource: Resource, parameters: &[(&'static str, &str)]) -> Call {
    let parameters = parameters.iter().map(|(name, value)| (*name, (*value).into()));
    Call::new(method, resource, parameters.collect(), Vec::new()).unwrap()
}

fn source(key: &str, generation: Option<&str>) -> Source {
    Source {
        object: object(key),
        generation: generation.map(Into::into),
    }
}

// GCS-02, GCS-07
#[test]
fn a_call_needs_what_its_twin_in_s3_needs() {
    let of = |key| Resource::Object(object(key));
    let check = |call: Call, expected: &[&str]| assert_eq!(needed(&call), expected, "{call:?}");
    let get = |parameters: &[_]| call(Method::ObjectsGet, of("a"), parameters);
    check(get(&[]), &["GetObject lake/a"]);
    check(get(&[("generation", "7")]), &["GetObjectVersion lake/a"]);
    check(get(&[("softDeleted", "true")]), &["GetObjectVersion lake/a"]);
    let list = |parameters: &[_]| call(Method::ObjectsList, bucket(), parameters);
    check(list(&[]), &["ListBucket lake"]);
    check(list(&[("versions", "true")]), &["ListBucketVersions lake"]);
    check(list(&[("versions", "false")]), &["ListBucket lake"]);
    check(
        call(Method::ObjectsDelete, of("a"), &[("generation", "7")]),
        &["DeleteObjectVersion lake/a"],
    );
    check(
        call(Method::ObjectsPatch, of("a"), &[]),
        &["GetObject lake/a", "PutObject lake/a"],
    );
    let moved = call(Method::ObjectsMove, of("b"), &[]).with_sources(vec![source("a", None)]);
    check(
        moved,
        &["GetObject lake/a", "DeleteObject lake/a", "PutObject lake/b"],
    );
    let composed = call(Method::ObjectsCompose, of("all"), &[]).with_sources(vec![
        source("a", None),
        source("b", Some("3")),
        source("a", None),
    ]);
    check(
        composed.clone(),
        &[
            "GetObject lake/a",
            "GetObjectVersion lake/b",
            "GetObject lake/a",
            "PutObject lake/all",
        ],
    );
    assert_eq!(composed.copied_from().len(), 3);
    let wishes = Wishes {
        acl: true,
        retention: true,
        hold: true,
        lifts_retention: true,
        contexts: Some(Vec::new()),
        ..Wishes::default()
    };
    check(
        call(Method::ObjectsInsert, of("a"), &[]).with_wishes(wishes),
        &[
            "PutObject lake/a",
            "PutObjectAcl lake/a",
            "PutObjectRetention lake/a",
            "PutObjectLegalHold lake/a",
            "PutObjectTagging lake/a",
            "BypassGovernanceRetention lake/a",
        ],
    );
    // GCS-06: what an update does not name is reset.
    check(
        call(Method::ObjectsUpdate, of("a"), &[]),
        &[
            "GetObject lake/a",
            "PutObject lake/a",
            "PutObjectAcl lake/a",
            "PutObjectRetention lake/a",
            "PutObjectLegalHold lake/a",
            "PutObjectTagging lake/a",
        ],
    );
    let both = Wishes {
        acl: true,
        contexts: Some(Vec::new()),
        ..Wishes::default()
    };
    for (method, more) in [
        (Method::ObjectsPatch, &[][..]),
        (
            Method::ObjectsUpdate,
            &["PutObjectRetention lake/a", "PutObjectLegalHold lake/a"],
        ),
    ] {
        let changed = call(method, of("a"), &[("generation", "7")]).with_wishes(both.clone());
        let mut expected = vec![
            "GetObjectVersion lake/a",
            "PutObject lake/a",
            "PutObjectVersionAcl lake/a",
        ];
        expected.extend(more);
        expected.push("PutObjectVersionTagging lake/a");
        check(changed, &expected);
    }
    // What is restored is live again, whatever it comes from.
    check(
        call(Method::ObjectsRestore, of("a"), &[("generation", "7")]).with_wishes(both),
        &[
            "GetObjectVersion lake/a",
            "PutObject lake/a",
            "PutObjectAcl lake/a",
            "PutObjectTagging lake/a",
        ],
    );
    // A patch of nothing is nobody's to decide, and so nobody's to do.
    check(call(Method::BucketsPatch, bucket(), &[]), &[]);
}

#[test]
fn a_call_without_its_resource_cannot_be_made() {
    for (method, resource) in [
        (Method::ObjectsGet, bucket()),
        (Method::ObjectsList, Resource::Object(object("a"))),
        (Method::BucketsGet, Resource::Service),
        (Method::BucketsList, bucket()),
    ] {
        assert!(
            Call::new(method, resource, Vec::new(), Vec::new()).is_err(),
            "{}",
            method.id()
        );
    }
}
