//! What sessions carry: roles, tags, and the policies that they were narrowed to.

use super::*;
use crate::authn::Tags;
use crate::session_policy::SessionPolicy;
use proptest::prelude::*;

const EVERYTHING: &str = "permit(principal, action, resource); \
     permit(principal, action in Tidegate::Action::\"manage\", resource);";

fn carrying(role: Option<&str>, policies: &[&str]) -> Principal {
    let groups = ["google:jobs"];
    Principal::carrying(
        PrincipalKind::Workload,
        "google:etl@acme.test",
        &groups,
        role,
        policies,
    )
}

fn narrowed(statements: &str) -> Principal {
    carrying(None, &[&format!("{{\"Statement\":[{statements}]}}")])
}

const READ_RAW: &str = r#"{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::lake","arn:aws:s3:::lake/raw/*"]}"#;

#[test]
fn a_role_is_what_policies_name() {
    let policies = lake(
        r#"
        permit(principal in Tidegate::Role::"exporter", action == Tidegate::Action::"PutObject", resource)
        when { resource.key like "exports/*" };
        permit(principal == Tidegate::Workload::"google:etl@acme.test", action == Tidegate::Action::"GetObject", resource);
        forbid(principal, action == Tidegate::Action::"DeleteObject", resource)
        when { principal in Tidegate::Role::"exporter" };
        "#,
    );
    let put = || call(Api::PutObject, "lake/exports/a", &[]);
    assert!(is_allowed(&policies, &carrying(Some("exporter"), &[]), put()));
    assert!(is_allowed(
        &policies,
        &carrying(Some("exporter"), &[]),
        get("lake/a")
    ));
    assert!(!is_allowed(&policies, &carrying(Some("reader"), &[]), put()));
    assert!(!is_allowed(&policies, &carrying(None, &[]), put()));
    let group = Principal::for_test(PrincipalKind::Workload, "google:x", &["exporter"]);
    assert!(!is_allowed(&policies, &group, put()));
}

#[test]
fn tags_are_what_policies_ask_about() {
    let policies = lake(
        r#"permit(principal, action in Tidegate::Action::"read", resource)
        when { principal.hasTag("team") && principal.getTag("team") == "blue" };
        forbid(principal, action, resource) when { principal.hasTag("suspended") };"#,
    );
    assert!(is_allowed(&policies, &etl(), get("lake/a")));
    let other = lake(
        "permit(principal, action, resource) when { principal.hasTag(\"team\") && principal.getTag(\"team\") == \"red\" };",
    );
    assert!(!is_allowed(&other, &etl(), get("lake/a")));
}

// AUZ-12
#[test]
fn a_session_policy_takes_away_and_adds_nothing() {
    let everything = Files::new(&[("lake", EVERYTHING), ("other", EVERYTHING)]).load();
    let who = narrowed(READ_RAW);
    assert!(is_allowed(&everything, &who, get("lake/raw/a")));
    assert!(is_allowed(&everything, &who, list("lake", Some(""))));
    for operation in [
        get("lake/other"),
        get("other/raw/a"),
        call(Api::PutObject, "lake/raw/a", &[]),
        call(Api::GetObject, "lake/raw/a", &[("versionId", "1")]),
        call(Api::GetBucketPolicy, "lake", &[]),
        call(Api::CopyObject, "lake/raw/b", &[("copy-source", "other/a")]),
    ] {
        let denied = denied(&everything, &who, operation);
        assert_eq!(denied.reason, DenyReason::SessionPolicy, "{denied}");
        assert!(denied.message.contains("because no session policy allows it"));
    }
    let nothing = lake("");
    assert!(!is_allowed(&nothing, &who, get("lake/raw/a")));

    let explicit = narrowed(
        r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:DeleteObject*","Resource":"*"}"#,
    );
    let denied = denied(&everything, &explicit, call(Api::DeleteObject, "lake/a", &[]));
    assert_eq!(denied.reason, DenyReason::Forbid);
    assert!(denied.message.contains("explicit deny in a session policy"));
}

#[test]
fn every_session_policy_must_allow_it() {
    let raw = format!("{{\"Statement\":[{READ_RAW}]}}");
    let one_file = r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::lake/*/a"}]}"#;
    let who = carrying(None, &[&raw, one_file]);
    let everything = lake(EVERYTHING);
    assert!(is_allowed(&everything, &who, get("lake/raw/a")));
    assert!(!is_allowed(&everything, &who, get("lake/raw/b")));
    assert!(!is_allowed(&everything, &who, get("lake/x/a")));
}

#[test]
fn each_deletion_is_asked_of_the_session_policy() {
    let who =
        narrowed(r#"{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::lake/tmp/*"}"#);
    let with = [("delete", "lake/tmp/a"), ("delete", "lake/raw/b")];
    let permit = allowed(&lake(EVERYTHING), &who, call(Api::DeleteObjects, "lake", &with));
    assert_eq!(permit.operation().deletions().len(), 1);
    assert_eq!(permit.refused()[0].1.reason, DenyReason::SessionPolicy);
}

#[test]
fn buckets_are_listed_as_far_as_the_session_reaches() {
    let files = Files::new(&[("lake", EVERYTHING), ("other", EVERYTHING)]);
    let policies = files.load();
    let buckets = |statements: &str| {
        let permit = allowed(&policies, &narrowed(statements), call(Api::ListBuckets, "", &[]));
        let names = permit
            .visible_buckets()
            .iter()
            .map(|name| name.as_str().to_owned());
        names.collect::<Vec<_>>()
    };
    let list = r#"{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"arn:aws:s3:::*"}"#;
    assert!(buckets(list).is_empty());
    let two = format!(
        "{list},{}",
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#
    );
    assert_eq!(buckets(&two), ["lake", "other"]);
    let one = format!("{list},{READ_RAW}");
    assert_eq!(buckets(&one), ["lake"]);
    let denied = denied(&policies, &narrowed(READ_RAW), call(Api::ListBuckets, "", &[]));
    assert_eq!(denied.reason, DenyReason::SessionPolicy);
}

proptest! {
    // AUZ-12: session ⊆ bucket policy, for whatever a caller writes.
    #[test]
    fn a_narrowed_session_never_does_more(
        allow in any::<bool>(),
        action in prop::sample::select(vec!["s3:*", "s3:Get*", "s3:PutObject", "*", "kms:*"]),
        resource in prop::sample::select(vec!["*", "arn:aws:s3:::lake/*", "arn:aws:s3:::lake", "arn:aws:s3:::other/*"]),
        key in "[a-c]/[a-c]",
        write in any::<bool>(),
    ) {
        let policies = lake(
            "permit(principal, action in Tidegate::Action::\"read\", resource) when { resource.key like \"a/*\" };",
        );
        let effect = if allow { "Allow" } else { "Deny" };
        let who = narrowed(&format!(
            r#"{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}"#
        ));
        let name = format!("lake/{key}");
        let operation = || match write {
            true => call(Api::PutObject, &name, &[]),
            false => get(&name),
        };
        if policies.authorize(&who, operation(), &office()).is_ok() {
            prop_assert!(policies.authorize(&carrying(None, &[]), operation(), &office()).is_ok());
        }
    }
}

fn identity(id: &str, groups: &[&str]) -> crate::authn::oidc::Identity {
    let principal = Principal::for_test(PrincipalKind::Workload, id, groups);
    crate::authn::oidc::Identity {
        tags: Tags::from([("repository".into(), "acme/etl".into())]),
        ..principal.identity()
    }
}

#[test]
fn a_role_is_taken_on_by_whom_its_trust_policy_names() {
    let mut files = Files::new(&[("lake", "")]);
    files.add_role(
        "exporter",
        Some(
            r#"
            @id("jobs")
            permit(principal in Tidegate::Group::"google:jobs", action == Tidegate::Action::"AssumeRole",
                   resource == Tidegate::Role::"exporter")
            when { context.source_ip.isInRange(ip("203.0.113.0/24")) };
            permit(principal, action, resource)
            when { principal.hasTag("repository") && principal.getTag("repository") == "acme/etl"
                   && principal.subject like "repo:acme/*" };
            @id("never") forbid(principal == Tidegate::Workload::"google:mallory", action, resource);
            "#,
        ),
    );
    files.add_role("empty", None);
    let policies = files.load();
    let check = |id: &str, groups: &[&str], role: &str, expected: Result<(), &str>| {
        let outcome = policies.assume_role(&identity(id, groups), role, &office());
        match (outcome, expected) {
            (Ok(_), Ok(())) => {}
            (Err(denied), Err(why)) => assert!(denied.message.contains(why), "{denied}"),
            (outcome, _) => panic!("{id} {role}: {outcome:?}"),
        }
    };
    check("google:etl", &["google:jobs"], "exporter", Ok(()));
    check(
        "google:etl",
        &["google:others"],
        "exporter",
        Err("its trust policy does not allow it"),
    );
    check("repo:acme/etl", &[], "exporter", Ok(()));
    check(
        "google:mallory",
        &["google:jobs"],
        "exporter",
        Err("explicit deny in trust policy never"),
    );
    check(
        "google:etl",
        &["google:jobs"],
        "empty",
        Err("no trust policy allows it"),
    );
    check(
        "google:etl",
        &["google:jobs"],
        "unknown",
        Err("no trust policy allows it"),
    );
    let elsewhere = Circumstances {
        source_ip: "198.51.100.1".parse().unwrap(),
        ..office()
    };
    let jobs = identity("google:etl", &["google:jobs"]);
    assert!(policies.assume_role(&jobs, "exporter", &elsewhere).is_err());
}

// SES-09
#[test]
fn a_role_that_trusts_an_issuer_alone_refuses_to_load() {
    let check = |text: &str, expected: &str| {
        let mut files = Files::new(&[("lake", "")]);
        files.add_role("exporter", Some(text));
        let errors = lines(&files.errors());
        assert!(errors.contains(expected), "{errors}");
    };
    check(
        "\npermit(principal, action, resource) when { principal.issuer == \"https://idp.test\" };",
        "does not say who may take the role on",
    );
    check(
        "permit(principal == Tidegate::User::\"a:b\", action, resource == Tidegate::Role::\"other\");",
        "this file is for role `exporter`",
    );
    check(
        "permit(principal == Tidegate::User::\"a:b\", action == Tidegate::Action::\"GetObject\", resource);",
        "GetObject",
    );
    check(
        "permit(principal == Tidegate::User::\"a:b\", action, resource) when { context.session.name == \"x\" };",
        "session",
    );
}

#[test]
fn a_session_policy_of_the_longest_kind_is_decided() {
    let filler = "x".repeat(1_900);
    let text = format!(
        r#"{{"Statement":[{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::lake/*{filler}"}}]}}"#
    );
    assert!(SessionPolicy::parse(&text).is_ok());
    assert!(!is_allowed(
        &lake(EVERYTHING),
        &carrying(None, &[&text]),
        get("lake/a")
    ));
}
