//! Decisions: who may do what, and what the others are told.

use super::*;
use crate::authz::TaggingError;

const ETL_RAW: &str = r#"
    @id("raw")
    permit(principal == Tidegate::Workload::"google:etl@acme.test", action in Tidegate::Action::"read", resource)
    when { resource.key like "raw/*" };
"#;

#[test]
fn denials_read_as_promised() {
    let policies = lake(
        r#"
        permit(principal, action, resource);
        @id("final") @explain(" Ask records@acme.test. ")
        forbid(principal, action in Tidegate::Action::"delete", resource);
        @id("later") @explain("Never shown.")
        forbid(principal, action in Tidegate::Action::"delete", resource);
        @id("mute")
        forbid(principal, action in Tidegate::Action::"write", resource);
        @id("unlisted")
        forbid(principal, action in Tidegate::Action::"list", resource);
        "#,
    );
    let check = |policies: &Policies, operation, reason, ids: &[&str], message: &str| {
        let denied = denied(policies, &etl(), operation);
        assert_eq!(denied.message, message);
        assert_eq!(
            (denied.reason, denied.policies),
            (reason, ids.iter().map(|id| Box::from(*id)).collect())
        );
    };
    check(
        &policies,
        call(Api::DeleteObject, "lake/x", &[]),
        DenyReason::Forbid,
        &["final", "later"],
        "Workload: google:etl@acme.test is not authorized to perform: s3:DeleteObject on resource: \
         \"arn:aws:s3:::lake/x\" with an explicit deny in policy final. Ask records@acme.test.",
    );
    check(
        &policies,
        call(Api::PutObject, "lake/x", &[]),
        DenyReason::Forbid,
        &["mute"],
        "Workload: google:etl@acme.test is not authorized to perform: s3:PutObject on resource: \
         \"arn:aws:s3:::lake/x\" with an explicit deny in policy mute",
    );
    check(
        &policies,
        list("lake", Some("raw/")),
        DenyReason::Forbid,
        &["unlisted"],
        "Workload: google:etl@acme.test is not authorized to perform: s3:ListBucket on resource: \
         \"arn:aws:s3:::lake\" with prefix \"raw/\" with an explicit deny in policy unlisted",
    );
    check(
        &lake(""),
        get("lake/x"),
        DenyReason::NoPermit,
        &[],
        "Workload: google:etl@acme.test is not authorized to perform: s3:GetObject on resource: \
         \"arn:aws:s3:::lake/x\" because no policy allows it",
    );
    check(
        &lake(""),
        list("lake", None),
        DenyReason::NoPermit,
        &[],
        "Workload: google:etl@acme.test is not authorized to perform: s3:ListBucket on resource: \
         \"arn:aws:s3:::lake\" because no policy allows it",
    );
}

/// AUZ-15
#[test]
fn unknown_bucket_reads_like_a_denied_one() {
    let policies = lake("");
    for (operation, twin) in [
        (get("nope/x"), get("lake/x")),
        (list("nope", None), list("lake", None)),
        (
            call(Api::HeadBucket, "nope", &[]),
            call(Api::HeadBucket, "lake", &[]),
        ),
    ] {
        let unknown = denied(&policies, &ana(), operation);
        assert_eq!(unknown.reason, DenyReason::UnknownBucket);
        let known = denied(&policies, &ana(), twin);
        assert_eq!(unknown.message.replace("nope", "lake"), known.message);
    }
    let delete = |bucket: &str| {
        let name = format!("{bucket}/x");
        let permit = allowed(
            &policies,
            &ana(),
            call(Api::DeleteObjects, bucket, &[("delete", &name)]),
        );
        assert_eq!(permit.bucket().is_some(), bucket == "lake");
        permit.refused()[0].1.message.replace("nope", "lake")
    };
    assert_eq!(delete("nope"), delete("lake"));
}

#[test]
fn permit_carries_what_is_allowed() {
    let permit = allowed(&lake(ETL_RAW), &etl(), get("lake/raw/a"));
    assert_eq!(permit.operation(), &get("lake/raw/a"));
    assert_eq!(permit.bucket().unwrap().name.as_str(), "lake");
    assert!(permit.source_bucket().is_none() && permit.refused().is_empty());
    assert_eq!(permit.policies(), [Box::from("raw")]);
    assert_eq!(permit.into_operation(), get("lake/raw/a"));
}

#[test]
fn kind_of_principal_is_part_of_its_name() {
    let policies = lake(ETL_RAW);
    assert!(is_allowed(&policies, &etl(), get("lake/raw/a")));
    let person = Principal::for_test(PrincipalKind::User, "google:etl@acme.test", &[]);
    assert!(!is_allowed(&policies, &person, get("lake/raw/a")));
    for other in [
        "google:etl@acme.tes",
        "google:etl@acme.test2",
        "okta:etl@acme.test",
        "GOOGLE:etl@acme.test",
        "",
    ] {
        let other = Principal::for_test(PrincipalKind::Workload, other, &[]);
        assert!(!is_allowed(&policies, &other, get("lake/raw/a")), "{other}");
    }
}

#[test]
fn groups_open_doors_for_their_members_alone() {
    let text = |who: &str, condition: &str| format!("permit({who}, action, resource) {condition};");
    for (who, condition) in [
        ("principal in Tidegate::Group::\"google:analysts\"", ""),
        (
            "principal is Tidegate::User in Tidegate::Group::\"google:analysts\"",
            "",
        ),
        (
            "principal",
            "when { principal in Tidegate::Group::\"google:analysts\" }",
        ),
        (
            "principal in Tidegate::Group::\"google:all\"",
            "when { principal in Tidegate::Group::\"google:analysts\" }",
        ),
    ] {
        let policies = lake(&text(who, condition));
        assert!(is_allowed(&policies, &ana(), get("lake/k")), "{who}");
        assert!(!is_allowed(&policies, &etl(), get("lake/k")), "{who}");
    }
    let programs = lake(&text(
        "principal is Tidegate::Workload in Tidegate::Group::\"google:all\"",
        "",
    ));
    assert!(is_allowed(&programs, &etl(), get("lake/k")) && !is_allowed(&programs, &ana(), get("lake/k")));
}

/// AUZ-10
#[test]
fn prefix_of_one_team_is_not_that_of_another() {
    let policies = lake(
        r#"
        permit(principal, action in Tidegate::Action::"read", resource) when { resource.key like "team-a/*" };
        permit(principal, action in Tidegate::Action::"list", resource)
        when { context has prefix && context.prefix like "team-a/*" };
        "#,
    );
    let check = |operation, expected| assert_eq!(is_allowed(&policies, &etl(), operation), expected);
    check(get("lake/team-a/x"), true);
    check(get("lake/team-a//x"), true);
    check(get("lake/team-ab/x"), false);
    check(get("lake/team-a"), false);
    check(get("lake//team-a/x"), false);
    check(get("lake/TEAM-A/x"), false);
    check(list("lake", Some("team-a/")), true);
    check(list("lake", Some("team-a/x")), true);
    check(list("lake", Some("team-ab/")), false);
    check(list("lake", Some("team-a")), false);
    // No prefix is the whole bucket, given as "" or not at all; a marker changes nothing.
    check(list("lake", Some("")), false);
    check(list("lake", None), false);
    check(
        call(
            Api::ListObjectsV2,
            "lake",
            &[("prefix", ""), ("start-after", "team-a/")],
        ),
        false,
    );
    check(
        call(
            Api::ListObjects,
            "lake",
            &[("marker", "team-a/"), ("delimiter", "/")],
        ),
        false,
    );
    // AUZ-08
    check(
        call(Api::ListMultipartUploads, "lake", &[("prefix", "team-a/")]),
        true,
    );
    check(call(Api::ListMultipartUploads, "lake", &[]), false);
    check(call(Api::HeadBucket, "lake", &[]), false);
}

#[test]
fn calls_that_show_no_names_have_no_prefix() {
    let policies = lake(
        "permit(principal, action in Tidegate::Action::\"list\", resource) \
         when { if context has prefix then context.prefix like \"raw/*\" else true };",
    );
    let check = |operation, expected| assert_eq!(is_allowed(&policies, &etl(), operation), expected);
    check(call(Api::HeadBucket, "lake", &[]), true);
    check(call(Api::GetBucketLocation, "lake", &[]), true);
    check(list("lake", Some("raw/")), true);
    check(list("lake", None), false);
    check(list("lake", Some("")), false);
}

/// AUZ-01, AUZ-02
#[test]
fn copies_are_decided_by_both_buckets() {
    let read = "permit(principal, action in Tidegate::Action::\"read\", resource);";
    let write = "@id(\"w\") permit(principal, action in Tidegate::Action::\"write\", resource)\n\
                 when { context has copy_source && context.copy_source == \"other/s\" };";
    let copy = || call(Api::CopyObject, "lake/k", &[("copy-source", "other/s")]);
    let decide = |lake: &str, other: &str| Files::new(&[("lake", lake), ("other", other)]).load();
    let permit = allowed(&decide(write, read), &etl(), copy());
    assert_eq!(permit.source_bucket().unwrap().name.as_str(), "other");
    assert_eq!(permit.bucket().unwrap().name.as_str(), "lake");
    assert_eq!(permit.policies(), [Box::from("policy0"), Box::from("w")]);
    let part = call(Api::UploadPartCopy, "lake/k", &[("copy-source", "other/s")]);
    assert!(is_allowed(&decide(write, read), &etl(), part));

    let source_denied = denied(&decide(write, ""), &etl(), copy());
    assert!(
        source_denied
            .message
            .contains("s3:GetObject on resource: \"arn:aws:s3:::other/s\"")
    );
    let destination_denied = denied(&decide("", read), &etl(), copy());
    assert!(
        destination_denied
            .message
            .contains("s3:PutObject on resource: \"arn:aws:s3:::lake/k\"")
    );
    let both_denied = denied(&decide("", ""), &etl(), copy());
    assert!(both_denied.message.contains("s3:GetObject"));
    // The rights on one bucket are those of its own file, whatever the other's says.
    assert!(!is_allowed(
        &decide(
            &format!("{read}{write}"),
            write.replace("\"w\"", "\"x\"").as_str()
        ),
        &etl(),
        copy()
    ));
    let unknown = call(Api::CopyObject, "lake/k", &[("copy-source", "nope/s")]);
    assert_eq!(
        denied(&decide(write, read), &etl(), unknown).reason,
        DenyReason::UnknownBucket
    );
    // Another source, under the same rule; and a self-copy, which is a read and a write.
    let elsewhere = call(Api::CopyObject, "lake/k", &[("copy-source", "other/t")]);
    assert!(!is_allowed(&decide(write, read), &etl(), elsewhere));
    let itself = || call(Api::CopyObject, "lake/k", &[("copy-source", "lake/k")]);
    let everything = "permit(principal, action, resource);";
    assert!(is_allowed(&decide(everything, ""), &etl(), itself()));
    assert!(!is_allowed(&decide(write, read), &etl(), itself()));
}

/// AUZ-01
#[test]
fn copies_across_targets_are_refused_once_they_are_allowed() {
    let all = "permit(principal, action, resource);";
    let mut files = Files::new(&[("lake", all)]);
    std::fs::write(files.add("far", "elsewhere", "UTC"), all).unwrap();
    let copy = call(Api::CopyObject, "lake/k", &[("copy-source", "far/s")]);
    match files.load().authorize(&etl(), copy.clone(), &office()) {
        Err(error @ NotPermitted::CrossTarget { .. }) => {
            assert!(
                error.to_string().contains("from bucket `far` to bucket `lake`"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(denied(&lake(all), &etl(), copy).reason, DenyReason::NoPermit);
}

/// AUZ-05
#[test]
fn deletions_are_decided_one_by_one() {
    let policies = lake(
        r#"
        @id("tmp") permit(principal, action == Tidegate::Action::"DeleteObject", resource)
        when { resource.key like "tmp/*" };
        @id("keep") @explain("Kept.") forbid(principal, action in Tidegate::Action::"delete", resource)
        when { resource.key == "tmp/keep" };
        "#,
    );
    let keys = [
        "lake/tmp/a",
        "lake/b",
        "lake/tmp/keep",
        "lake/tmp/a",
        "lake/tmp/a?v1",
        "other/tmp/a",
    ];
    let with: Vec<_> = keys.iter().map(|key| ("delete", *key)).collect();
    let permit = allowed(&policies, &etl(), call(Api::DeleteObjects, "lake", &with));
    let Detail::Deletions { objects, .. } = permit.operation().detail() else {
        panic!("{permit:?}")
    };
    let name = |d: &ObjectDeletion| format!("{}/{}", d.object.bucket, d.object.key);
    assert_eq!(
        objects.iter().map(name).collect::<Vec<_>>(),
        ["lake/tmp/a", "lake/tmp/a"]
    );
    let refused: Vec<_> = permit
        .refused()
        .iter()
        .map(|(d, why)| (name(d), why.reason))
        .collect();
    assert_eq!(
        refused,
        [
            ("lake/b".to_owned(), DenyReason::NoPermit),
            ("lake/tmp/keep".to_owned(), DenyReason::Forbid),
            ("lake/tmp/a".to_owned(), DenyReason::NoPermit),
            ("other/tmp/a".to_owned(), DenyReason::UnknownBucket),
        ]
    );
    assert!(permit.refused()[1].1.message.ends_with("in policy keep. Kept."));
    assert!(permit.refused()[2].1.message.contains("s3:DeleteObjectVersion"));
    assert_eq!(permit.policies(), [Box::from("tmp")]);
    let none = allowed(
        &policies,
        &etl(),
        call(Api::DeleteObjects, "lake", &[("delete", "lake/b")]),
    );
    assert!(matches!(none.operation().detail(), Detail::Deletions { objects, .. } if objects.is_empty()));
}

/// AUZ-13
#[test]
fn buckets_are_listed_for_those_whom_a_permit_names() {
    let for_etl =
        "permit(principal == Tidegate::Workload::\"google:etl@acme.test\", action, resource) when { false };";
    let for_analysts = "permit(principal in Tidegate::Group::\"google:analysts\", action, resource);";
    let people = "permit(principal is Tidegate::User, action, resource);";
    let people_of_all =
        "permit(principal is Tidegate::User in Tidegate::Group::\"google:all\", action, resource);";
    let forbidden = "forbid(principal, action, resource);";
    let everybody = "permit(principal, action, resource);";
    let mut files = Files::new(&[
        ("b-etl", for_etl),
        ("b-analysts", for_analysts),
        ("b-people", people),
        ("b-people-of-all", people_of_all),
        ("b-forbidden", forbidden),
        ("b-everybody", everybody),
    ]);
    files.add("b-missing", "store", "UTC");
    let policies = files.load();
    let check = |who, expected: &[&str]| {
        let permit = allowed(&policies, &who, call(Api::ListBuckets, "", &[]));
        let names: Vec<_> = permit.visible_buckets().iter().map(BucketName::as_str).collect();
        assert_eq!(names, expected);
        assert!(permit.bucket().is_none());
    };
    check(etl(), &["b-etl", "b-everybody"]);
    check(
        ana(),
        &["b-analysts", "b-everybody", "b-people", "b-people-of-all"],
    );
    check(
        Principal::for_test(PrincipalKind::Workload, "x:y", &[]),
        &["b-everybody"],
    );
}

/// AUZ-20
#[test]
fn evaluation_errors_deny() {
    let overflow = "when { context.local.minute * 9223372036854775807 > 0 }";
    let all = "@id(\"all\") permit(principal, action, resource);";
    let check = |text: &str, ids: &[&str]| {
        let denied = denied(&lake(text), &etl(), get("lake/k"));
        assert_eq!(denied.reason, DenyReason::EvaluationError, "{text}");
        assert_eq!(
            denied.policies,
            ids.iter().map(|id| Box::from(*id)).collect::<Vec<_>>()
        );
        assert!(
            denied
                .message
                .ends_with("because policy broken cannot be evaluated"),
            "{denied}"
        );
    };
    check(
        &format!("{all} @id(\"broken\") forbid(principal, action, resource) {overflow};"),
        &["broken"],
    );
    check(
        &format!("{all} @id(\"broken\") permit(principal, action, resource) {overflow};"),
        &["broken"],
    );
    check(
        &format!(
            "@id(\"broken\") forbid(principal, action, resource) {overflow}; forbid(principal, action, resource);"
        ),
        &["broken"],
    );
    // A policy that is not about the request cannot break it.
    let other = format!("{all} forbid(principal == Tidegate::User::\"x\", action, resource) {overflow};");
    assert!(is_allowed(&lake(&other), &etl(), get("lake/k")));
    // Another principal is not known here: what it is like cannot be said.
    let unknown = format!(
        "{all} @id(\"broken\") forbid(principal, action, resource) when {{ Tidegate::User::\"x\".id == \"\" }};"
    );
    check(&unknown, &["broken"]);
}

#[test]
fn the_bucket_of_an_object_can_be_looked_at() {
    let policies =
        lake("permit(principal, action, resource) when { Tidegate::Bucket::\"lake\".name == \"lake\" };");
    assert!(is_allowed(&policies, &etl(), get("lake/k")));
    assert!(is_allowed(&policies, &etl(), list("lake", None)));
}

#[test]
fn instants_that_cannot_be_written_deny() {
    let policies =
        lake("permit(principal, action, resource) when { context.time > datetime(\"2020-01-01\") };");
    for (now, reason) in [
        (jiff::Timestamp::MIN, DenyReason::EvaluationError),
        ("1970-01-01T00:00:00Z".parse().unwrap(), DenyReason::NoPermit),
    ] {
        let circumstances = Circumstances { now, ..office() };
        match policies.authorize(&etl(), get("lake/k"), &circumstances) {
            Err(NotPermitted::Denied(denied)) => assert_eq!(denied.reason, reason),
            other => panic!("{other:?}"),
        }
    }
    let circumstances = Circumstances {
        now: jiff::Timestamp::MAX,
        ..office()
    };
    assert!(policies.authorize(&etl(), get("lake/k"), &circumstances).is_ok());
}

#[test]
fn local_time_follows_the_time_zone_of_the_bucket() {
    let text = |weekday, minute| {
        format!(
            "permit(principal, action, resource) \
             when {{ context.local.weekday == {weekday} && context.local.minute == {minute} }};"
        )
    };
    let check = |now: &str, weekday: i8, minute: i32| {
        let circumstances = Circumstances {
            now: now.parse().unwrap(),
            ..office()
        };
        let policies = lake(&text(weekday, minute));
        assert!(
            policies.authorize(&etl(), get("lake/k"), &circumstances).is_ok(),
            "{now}"
        );
    };
    check("2026-01-05T09:00:00Z", 1, 540); // winter: UTC
    check("2026-07-01T08:00:00Z", 3, 540); // summer: an hour ahead
    check("2026-03-29T00:59:59Z", 7, 59); // the last second before the clocks go forward
    check("2026-03-29T01:00:00Z", 7, 120);
    check("2026-10-25T00:30:00Z", 7, 90); // half past one, and again an hour later
    check("2026-10-25T01:30:00Z", 7, 90);
    check("2026-06-30T23:30:00Z", 3, 30); // another day already
    check("2026-12-31T23:59:59.999Z", 4, 1439);
}

#[test]
fn mapped_addresses_are_the_addresses_they_map() {
    let policies = lake(
        "permit(principal, action, resource) when { context.source_ip.isInRange(ip(\"203.0.113.0/24\")) };",
    );
    for (address, expected) in [
        ("203.0.113.255", true),
        ("203.0.114.0", false),
        ("::ffff:203.0.113.9", true),
        ("::ffff:203.0.114.9", false),
        ("2001:db8::1", false),
        ("::1.2.3.4", false),
    ] {
        let circumstances = Circumstances {
            source_ip: address.parse().unwrap(),
            ..office()
        };
        let decision = policies.authorize(&etl(), get("lake/k"), &circumstances);
        match decision {
            Ok(_) => assert!(expected, "{address}"),
            Err(NotPermitted::Denied(denied)) => {
                assert!(!expected, "{address}");
                assert_eq!(denied.reason, DenyReason::NoPermit, "{address}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn writes_are_decided_by_what_they_ask_of_the_store() {
    let policies = lake(
        r#"
        permit(principal, action in Tidegate::Action::"write", resource)
        when {
            context.sse == "aws:kms" && context.kms_key == "k1" && context.storage_class == "GLACIER" &&
            resource.hasTag("retention") && resource.getTag("retention") == "7 y"
        };
        "#,
    );
    let headers = [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "k1"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-tagging", "retention=7+y"),
    ];
    for api in [Api::PutObject, Api::CreateMultipartUpload] {
        assert!(is_allowed(&policies, &etl(), call(api, "lake/k", &headers)));
        for missing in 0..headers.len() {
            let mut fewer = headers.to_vec();
            fewer.remove(missing);
            assert!(
                !is_allowed(&policies, &etl(), call(api, "lake/k", &fewer)),
                "{missing}"
            );
        }
    }
    // AUZ-24: only these headers count, whatever else is called like an attribute.
    let named_alike = [
        ("x-amz-meta-sse", "aws:kms"),
        ("sse", "aws:kms"),
        ("kms_key", "k1"),
        ("storage_class", "GLACIER"),
        ("x-amz-meta-x-amz-tagging", "retention=7+y"),
    ];
    assert!(!is_allowed(
        &policies,
        &etl(),
        call(Api::PutObject, "lake/k", &named_alike)
    ));
}

#[test]
fn tags_are_those_of_the_destination() {
    let read =
        "permit(principal, action in Tidegate::Action::\"read\", resource) when { !resource.hasTag(\"a\") };";
    let write =
        "permit(principal, action in Tidegate::Action::\"write\", resource) when { resource.hasTag(\"a\") };";
    let files = Files::new(&[("lake", &format!("{read}{write}"))]);
    let copy = |with: &[(&'static str, &str)]| {
        let mut all = vec![("copy-source", "lake/s"), ("x-amz-tagging", "a=1")];
        all.extend(with);
        files
            .load()
            .authorize(&etl(), call(Api::CopyObject, "lake/k", &all), &office())
    };
    assert!(copy(&[("x-amz-tagging-directive", "REPLACE")]).is_ok());
    // AUZ-04: some stores apply tags that the directive says to leave, some do not.
    for with in [&[][..], &[("x-amz-tagging-directive", "COPY")]] {
        assert!(matches!(
            copy(with),
            Err(NotPermitted::Tagging(TaggingError::Directive))
        ));
    }
    let broken = call(Api::PutObject, "lake/k", &[("x-amz-tagging", "a=%")]);
    let error = files.load().authorize(&etl(), broken, &office()).unwrap_err();
    assert!(
        matches!(error, NotPermitted::Tagging(TaggingError::Encoding)),
        "{error}"
    );
}

#[test]
fn forbid_wins_wherever_it_stands() {
    let (permit, forbid) = (
        "permit(principal, action, resource);",
        "forbid(principal in Tidegate::Group::\"google:jobs\", action, resource == Tidegate::Object::\"lake/k\");",
    );
    for text in [format!("{permit}{forbid}"), format!("{forbid}{permit}")] {
        let policies = lake(&text);
        assert!(!is_allowed(&policies, &etl(), get("lake/k")));
        assert!(is_allowed(&policies, &etl(), get("lake/l")));
        assert!(is_allowed(&policies, &ana(), get("lake/k")));
    }
}

/// AUZ-25: of several, one is enough where a policy says so, and all are needed where it says that.
#[test]
fn sets_that_overlap_in_part_are_told_apart() {
    let permit = |condition: &str| {
        lake(&format!(
            "permit(principal, action, resource) when {{ {condition} }};"
        ))
    };
    let two = "[Tidegate::Group::\"google:analysts\", Tidegate::Group::\"google:none\"]";
    let check = |condition: &str, ana_may: bool, etl_may: bool| {
        let policies = permit(condition);
        assert_eq!(
            is_allowed(&policies, &ana(), get("lake/k")),
            ana_may,
            "{condition}"
        );
        assert_eq!(
            is_allowed(&policies, &etl(), get("lake/k")),
            etl_may,
            "{condition}"
        );
    };
    check(&format!("principal in {two}"), true, false);
    check(&format!("!(principal in {two})"), false, true);
    let both = |one: &str, other: &str| {
        format!(
            "principal in Tidegate::Group::\"google:{one}\" && principal in Tidegate::Group::\"google:{other}\""
        )
    };
    check(&both("all", "analysts"), true, false);
    check(&both("all", "none"), false, false);
    check(&format!("!({})", both("all", "analysts")), false, true);
    for (set, any, all) in [
        ("[\"GetObject\", \"PutObject\"]", true, false),
        ("[\"GetObject\"]", true, true),
        ("[\"PutObject\", \"DeleteObject\"]", false, false),
    ] {
        check(&format!("[context.operation].containsAny({set})"), any, any);
        check(&format!("[context.operation].containsAll({set})"), all, all);
        check(&format!("!([context.operation].containsAny({set}))"), !any, !any);
        check(&format!("{set}.contains(context.operation)"), any, any);
    }
    // A rule about several actions is about each of them, and about no other.
    let policies = lake(
        "permit(principal, action in [Tidegate::Action::\"GetObject\", Tidegate::Action::\"delete\"], resource); \
         forbid(principal, action in [Tidegate::Action::\"DeleteObjectVersion\", Tidegate::Action::\"write\"], resource);",
    );
    for (operation, expected) in [
        (get("lake/k"), true),
        (call(Api::DeleteObject, "lake/k", &[]), true),
        (call(Api::GetObject, "lake/k", &[("versionId", "v")]), false),
        (call(Api::DeleteObject, "lake/k", &[("versionId", "v")]), false),
        (call(Api::PutObject, "lake/k", &[]), false),
    ] {
        assert_eq!(
            is_allowed(&policies, &etl(), operation.clone()),
            expected,
            "{operation:?}"
        );
    }
}
