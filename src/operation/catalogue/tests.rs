use super::*;
use std::collections::BTreeSet;

#[test]
fn every_call_of_the_reference_has_a_row() {
    let names: BTreeSet<_> = Api::ALL.iter().map(|api| api.name()).collect();
    // 116 of the reference, and PostObject.
    assert_eq!((names.len(), Api::ALL.len()), (117, 117));
}

#[test]
fn no_two_rows_match_the_same_request() {
    let found = |api: &&Api| !matches!(api.row().handling, Handling::SameRequestAs(_));
    for one in Api::ALL.iter().filter(found) {
        for other in Api::ALL.iter().filter(found).filter(|other| *other != one) {
            let (a, b) = (one.row(), other.row());
            let same = a.method == b.method && a.scope == b.scope && a.copies == b.copies;
            let takes = |row: &Row, keys: &[&str]| {
                keys.iter()
                    .all(|key| row.required.contains(key) || row.optional.contains(key))
            };
            let reachable = takes(b, a.required) && takes(a, b.required);
            assert!(!(same && reachable), "{} and {}", one.name(), other.name());
        }
    }
}

#[test]
fn an_older_name_is_the_same_request() {
    for api in Api::ALL {
        if let Handling::SameRequestAs(other) = api.row().handling {
            let (a, b) = (api.row(), other.row());
            assert_eq!(
                (a.method, a.scope, a.required),
                (b.method, b.scope, b.required),
                "{}",
                api.name()
            );
            assert_eq!(b.handling, Handling::Forwarded);
        }
    }
}

// AUZ-01: whatever reaches a target was asked about, of a resource that the call has.
#[test]
fn what_is_forwarded_or_answered_needs_a_right() {
    for api in Api::ALL {
        let row = api.row();
        match row.handling {
            Handling::Forwarded | Handling::Answered => {
                assert!(
                    !row.rights.is_empty(),
                    "{} needs no right: give its row one",
                    api.name()
                );
            }
            Handling::Refused(why) => assert!(!why.is_empty() && row.rights.is_empty(), "{}", api.name()),
            Handling::Becomes(other) => {
                assert!(row.rights.is_empty(), "{}", api.name());
                assert_eq!(other.row().handling, Handling::Forwarded, "{}", api.name());
            }
            Handling::SameRequestAs(_) => assert!(row.rights.is_empty(), "{}", api.name()),
        }
        for right in row.rights {
            let scopes = match *right {
                Right::Bucket(action) => vec![(action, Scope::Bucket)],
                Right::Object(action) => vec![(action, Scope::Object)],
                Right::Version(current, named) => vec![(current, Scope::Object), (named, Scope::Object)],
                Right::CopySource => {
                    assert!(row.copies, "{}", api.name());
                    Vec::new()
                }
                Right::Deletions | Right::Visible => Vec::new(),
            };
            for (action, scope) in scopes {
                assert_eq!(
                    (action.scope(), row.scope),
                    (scope, scope),
                    "{} {}",
                    api.name(),
                    action.name()
                );
            }
            if let Right::Version(..) = right {
                assert!(row.optional.contains(&"versionId"), "{}", api.name());
            }
        }
        assert_eq!(
            row.copies,
            row.rights.contains(&Right::CopySource),
            "{}",
            api.name()
        );
    }
}

// LEK-01: what lets data leave around the proxy is granted by name or not at all.
#[test]
fn settings_that_lead_around_the_proxy_are_managed() {
    let harmless = [
        Action::GetAccelerateConfiguration,
        Action::GetBucketAcl,
        Action::GetBucketLocation,
        Action::GetBucketObjectLockConfiguration,
        Action::GetBucketPolicyStatus,
        Action::GetBucketRequestPayment,
        Action::GetBucketTagging,
        Action::GetBucketVersioning,
        Action::GetEncryptionConfiguration,
        Action::ListBucket,
        Action::ListBucketMultipartUploads,
        Action::ListBucketVersions,
    ];
    for action in Action::ALL
        .iter()
        .filter(|action| action.scope() == Scope::Bucket)
    {
        assert_eq!(
            action.is_managed(),
            !harmless.contains(action),
            "{}",
            action.name()
        );
    }
    for header in ["x-amz-acl", "x-amz-grant-read", "x-amz-grant-full-control"] {
        assert_eq!(header_right(Scope::Object, header), Some(Action::PutObjectAcl));
        assert_eq!(header_right(Scope::Bucket, header), Some(Action::PutBucketAcl));
    }
    for action in [
        Action::PutObjectAcl,
        Action::PutObjectVersionAcl,
        Action::PutObjectWebsiteRedirect,
        Action::BypassGovernanceRetention,
    ] {
        assert!(action.is_managed(), "{}", action.name());
    }
}

#[test]
fn headers_are_listed_once_and_in_lower_case() {
    for api in Api::ALL {
        let headers = api.row().headers;
        let sorted: BTreeSet<_> = headers.iter().collect();
        assert_eq!(sorted.len(), headers.len(), "{}", api.name());
        assert!(
            headers.iter().all(|name| *name == name.to_ascii_lowercase()),
            "{}",
            api.name()
        );
    }
}
