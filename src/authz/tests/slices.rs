//! Slices: a part of the policies and of the request decides like all of them.

use super::*;
use crate::authz::index::Index;
use crate::authz::index::Standing;
use crate::authz::needs::Needs;
use crate::authz::request::Facts;
use crate::authz::tagging;
use cedar_policy::{Authorizer, Decision};
use proptest::prelude::*;

const SCOPES: [&str; 9] = [
    "principal",
    "principal is Tidegate::User",
    "principal == Tidegate::User::\"google:ana@acme.test\"",
    "principal == Tidegate::Workload::\"google:etl@acme.test\"",
    "principal in Tidegate::Workload::\"google:etl@acme.test\"",
    "principal in Tidegate::Group::\"google:all\"",
    "principal in Tidegate::Group::\"google:analysts\"",
    "principal is Tidegate::Workload in Tidegate::Group::\"google:all\"",
    "principal == Tidegate::Workload::\"google:nobody\"",
];
const ACTIONS: [(&str, &[&str]); 4] = [
    ("action", &[]),
    (
        "action in Tidegate::Action::\"read\"",
        &["resource.key like \"a/*\"", "resource.key == \"b\""],
    ),
    (
        "action in Tidegate::Action::\"write\"",
        &[
            "context.sse == \"AES256\"",
            "context has copy_source",
            "resource.hasTag(\"t\")",
        ],
    ),
    (
        "action in Tidegate::Action::\"list\"",
        &["context has prefix && context.prefix like \"a/*\""],
    ),
];
const CONDITIONS: [&str; 8] = [
    "true",
    "principal in Tidegate::Group::\"google:jobs\"",
    "principal.id like \"*ana*\"",
    "context.local.minute < 600",
    "context.source_ip.isLoopback() || context.operation == \"GetObject\"",
    "context.time > context.session.issued_at && action == Tidegate::Action::\"GetObject\"",
    "context.local.weekday * 1844674407370955161 > 0",
    "resource in Tidegate::Bucket::\"lake\"",
];

fn a_policy() -> impl Strategy<Value = String> {
    (
        any::<bool>(),
        0..SCOPES.len(),
        0..ACTIONS.len(),
        any::<u8>(),
        any::<u8>(),
    )
        .prop_map(|(permit, scope, action, pick, unless)| {
            let effect = if permit { "permit" } else { "forbid" };
            let (action, own) = ACTIONS[action];
            let conditions: Vec<_> = own.iter().chain(&CONDITIONS).collect();
            let condition = conditions[usize::from(pick) % conditions.len()];
            let clause = if unless < 64 { "unless" } else { "when" };
            format!(
                "{effect}({}, {action}, resource) {clause} {{ {condition} }};",
                SCOPES[scope]
            )
        })
}

fn operations() -> Vec<Operation> {
    vec![
        get("lake/a/1"),
        get("lake/b"),
        call(
            Api::PutObject,
            "lake/a/1",
            &[("x-amz-server-side-encryption", "AES256")],
        ),
        call(Api::PutObject, "lake/b", &[("x-amz-tagging", "t=1")]),
        call(Api::CopyObject, "lake/b", &[("copy-source", "lake/a/1")]),
        list("lake", Some("a/")),
        list("lake", None),
        call(Api::HeadBucket, "lake", &[]),
        call(Api::DeleteObject, "lake/a/1", &[]),
    ]
}

fn principals() -> Vec<Principal> {
    let nobody = Principal::for_test(PrincipalKind::User, "okta:bob", &[]);
    let twice = Principal::for_test(
        PrincipalKind::User,
        "google:ana@acme.test",
        &["google:all", "google:all"],
    );
    vec![etl(), ana(), nobody, twice]
}

/// The decision of all policies on the whole request, which Cedar checks against the schema; errors deny.
fn reference(policies: &Policies, index: &Index, who: &Principal, operation: &Operation) -> bool {
    let circumstances = office();
    let tags = tagging::tags(operation).unwrap();
    let facts = Facts::of(who, operation, &tags, &circumstances);
    let whole = index.whole();
    operation.accesses().iter().all(|access| {
        let bucket = &policies.buckets[access.resource.bucket()].bucket;
        let schema = Some(&policies.vocabulary.schema);
        let built = facts.request(
            policies.vocabulary,
            access,
            bucket,
            Needs::ALL,
            &Standing::default(),
            schema,
        );
        let (request, entities) = built.unwrap();
        let response = Authorizer::new().is_authorized(&request, &whole, &entities);
        response.decision() == Decision::Allow && response.diagnostics().errors().next().is_none()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_slice_decides_like_the_whole(texts in prop::collection::vec(a_policy(), 0..12)) {
        let policies = lake(&texts.join("\n"));
        let index = policies.buckets["lake"].index.as_ref().unwrap();
        for who in principals() {
            for operation in operations() {
                let expected = reference(&policies, index, &who, &operation);
                let decision = policies.authorize(&who, operation.clone(), &office()).is_ok();
                prop_assert_eq!(decision, expected, "{} {:?}\n{}", who, operation, texts.join("\n"));
            }
        }
    }
}

/// P10: what a request meets does not grow with the rules of others.
#[test]
fn thousands_of_rules_of_others_are_not_met() {
    let mut text = String::from("forbid(principal, action in Tidegate::Action::\"delete\", resource);\n");
    for n in 0..1_000 {
        text += &format!("permit(principal == Tidegate::User::\"google:u{n}\", action, resource);\n");
        text += &format!(
            "permit(principal in Tidegate::Group::\"google:g{}\", action, resource);\n",
            n / 2
        );
    }
    let policies = lake(&text);
    assert_eq!(policies.count(), 2_001);
    let index = policies.buckets["lake"].index.as_ref().unwrap();
    let met = |id: &str, groups: &[&str]| {
        let who = Principal::for_test(PrincipalKind::User, id, groups);
        let slice = index.slice(&index.standing(&who), false).unwrap();
        slice.policies.num_of_policies()
    };
    assert_eq!(met("google:u7", &[]), 2);
    assert_eq!(met("google:nobody", &["google:none"]), 1);
    assert_eq!(met("google:u7", &["google:g1", "google:g2", "google:g2"]), 6);
    // Members of the same groups share a slice.
    let kept = index.kept();
    for n in 0..100 {
        assert_eq!(met(&format!("google:new{n}"), &["google:g1"]), 3);
    }
    assert_eq!(index.kept(), kept + 1);
}
