//! Files: what is refused, where it says it is, and what is accepted with a warning.

use super::*;
use crate::authz::{MAX_POLICY_FILE, Position};

/// The only error of bucket `lake` with this file.
fn error(text: &str) -> Finding {
    let errors = Files::new(&[("lake", text)]).errors();
    assert_eq!(errors.len(), 1, "{}", lines(&errors));
    errors.into_iter().next().unwrap()
}

fn check(text: &str, line: usize, column: usize, message: &str) {
    let error = error(text);
    assert_eq!(error.position, Some(Position { line, column }), "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

/// AUZ-22, CFG-02, CFG-05
#[test]
fn mistakes_are_refused_where_they_are() {
    check(
        "permit(principal, action, resource)",
        1,
        36,
        "unexpected end of input",
    );
    check(
        "// ä\n\npermit(principal action, resource);",
        3,
        18,
        "unexpected token `action`",
    );
    check(
        "permit(principal, action == Tidegate::Action::\"GetObjekt\", resource);",
        1,
        29,
        "unrecognized action `Tidegate::Action::\"GetObjekt\"`",
    );
    check(
        "permit(principal, action in Tidegate::Action::\"read\", resource)\nwhen { resource.kex == \"\" };",
        2,
        8,
        "did you mean `key`",
    );
    check(
        "permit(principal == Tidegate::Person::\"a\", action, resource);",
        1,
        21,
        "Tidegate::Person",
    );
    check(
        "permit(principal, action in Tidegate::Action::\"read\", resource)\n  when { context.sse == \"\" };",
        2,
        10,
        "attribute `sse`",
    );
    check(
        "permit(principal, action in Tidegate::Action::\"list\", resource)\nwhen { context.prefix == \"\" };",
        2,
        8,
        "optional attribute `prefix`",
    );
    check(
        "permit(principal, action in Tidegate::Action::\"write\", resource)\nwhen { context.copy_source == \"\" };",
        2,
        8,
        "optional attribute `copy_source`",
    );
    check(
        "permit(principal, action in Tidegate::Action::\"write\", resource)\nwhen { resource.getTag(\"a\") == \"\" };",
        2,
        8,
        "tag",
    );
    check(
        "permit(principal, action, resource) when { context.source_ip.isInRange(ip(\"1.2.3.4/33\")) };",
        1,
        72,
        "1.2.3.4/33",
    );
    check(
        "\npermit(principal == ?principal, action, resource);",
        2,
        1,
        "templates",
    );
}

/// The mistake that everybody makes with IAM: a key where there is only a bucket.
#[test]
fn keys_are_not_for_listings() {
    check(
        "permit(principal, action in [Tidegate::Action::\"read\", Tidegate::Action::\"list\"], resource)\n\
         when { resource.key like \"raw/*\" };",
        2,
        8,
        "attribute `key`",
    );
}

#[test]
fn names_are_unique_and_printable() {
    let named = |id: &str| format!("@id(\"{id}\") permit(principal, action, resource) when {{ false }};\n");
    check(
        &(named("a") + &named("b") + &named("a")),
        3,
        1,
        "`a` has the same name as the one in line 1",
    );
    check(
        &(named("policy1") + "  permit(principal, action, resource) when { false };"),
        2,
        3,
        "same name",
    );
    check(&named(" "), 1, 1, "`@id`");
    check(&named("a\\nb"), 1, 1, "`@id`");
    check(&named(&"a".repeat(129)), 1, 1, "`@id`");
    check(&("\n@explain(\"\")".to_owned() + &named("a")), 2, 1, "`@explain`");
}

#[test]
fn scopes_stay_in_their_bucket() {
    let scope = |scope: &str| format!("// who\npermit(principal, action, {scope}) when {{ false }};");
    check(
        &scope("resource == Tidegate::Bucket::\"other\""),
        2,
        1,
        "this file is for bucket `lake`",
    );
    check(&scope("resource in Tidegate::Bucket::\"other\""), 2, 1, "`lake`");
    check(
        &scope("resource == Tidegate::Object::\"other/k\""),
        2,
        1,
        "`lake`",
    );
    check(
        &scope("resource is Tidegate::Object in Tidegate::Bucket::\"lak\""),
        2,
        1,
        "`lake`",
    );
    let own = "permit(principal, action, resource in Tidegate::Bucket::\"lake\");\n\
               permit(principal, action, resource == Tidegate::Object::\"lake/a/b\");";
    assert!(is_allowed(&lake(own), &etl(), get("lake/a/b")));
}

/// AUZ-27
#[test]
fn files_that_are_no_policies_are_refused() {
    let mut files = Files::new(&[]);
    let path = files.add("lake", "store", "UTC");
    let check = |content: &[u8], message: &str| {
        std::fs::write(&path, content).unwrap();
        let errors = files.errors();
        assert!(lines(&errors).contains(message), "{}", lines(&errors));
    };
    check(b"// \n \xff", ".cedar:2:2: is not UTF-8");
    check(
        b"\xef\xbb\xbfpermit(principal, action, resource);",
        "byte order mark",
    );
    check(
        &vec![b' '; usize::try_from(MAX_POLICY_FILE).unwrap() + 1],
        "is larger than",
    );
    let when = |condition: String| format!("permit(principal, action, resource)\nwhen {{ {condition} }};");
    let deep = when("(".repeat(50_000) + "true" + &")".repeat(50_000));
    check(
        deep.as_bytes(),
        ".cedar:2:71: brackets are nested more than 64 deep (write several policies)",
    );
    let long = when("true && ".repeat(50_000) + "true");
    check(long.as_bytes(), "more than 4000 operators");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(lines(&files.errors()).contains("is not a file"));
}

#[test]
fn one_bad_file_refuses_all_and_every_mistake_is_listed() {
    let good = "permit(principal, action, resource) when { true };";
    let bad = "forbid(principal, action, resource) when { context.x };\nforbid(principal, action, resource) when { 1 };";
    let errors = Files::new(&[("aaa", bad), ("lake", good), ("zzz", "nonsense")]).errors();
    let files: Vec<_> = errors
        .iter()
        .map(|e| {
            (
                e.file.file_name().unwrap().to_str().unwrap(),
                e.position.unwrap().line,
            )
        })
        .collect();
    assert!(
        files.contains(&("aaa.cedar", 1)) && files.contains(&("aaa.cedar", 2)),
        "{files:?}"
    );
    assert_eq!(files.last(), Some(&("zzz.cedar", 1)));
}

#[test]
fn missing_file_denies_everything_with_a_warning() {
    let mut files = Files::new(&[]);
    files.add("lake", "store", "UTC");
    let policies = files.load();
    assert!(lines(policies.warnings()).contains("everything in bucket `lake` is denied"));
    assert_eq!(
        policies
            .without_file()
            .map(BucketName::as_str)
            .collect::<Vec<_>>(),
        ["lake"]
    );
    assert_eq!(policies.version(&BucketName::parse("lake").unwrap()), None);
    let denied = denied(&policies, &etl(), get("lake/k"));
    assert_eq!(denied.reason, DenyReason::NoPolicyFile);
    assert!(denied.message.ends_with("because no policy allows it"));
}

/// AUZ-26
#[test]
fn odd_policies_are_warned_about() {
    let text = "// permit(principal, action, resource);\n\
                permit(principal, action, resource);\n\n\
                @id(\"open\")\npermit(principal, action in Tidegate::Action::\"read\", resource)\n\
                when { resource.key like \"team-a*\" };\n\
                permit(principal == Tidegate::Group::\"google:x\", action, resource);\n";
    let policies = lake(text);
    let at = |line, message: &str| {
        let found = policies.warnings().iter().any(|warning| {
            warning.position.is_some_and(|p| p.line == line) && warning.message.contains(message)
        });
        assert!(found, "{line} {message}:\n{}", lines(policies.warnings()));
    };
    at(2, "allows everybody everything");
    at(4, "policy `open`: `like \"team-a*\"`");
    at(7, "impossible");
    let empty = policies
        .warnings()
        .iter()
        .filter(|w| w.message.starts_with("has no policies"))
        .count();
    assert_eq!(empty, 2, "`other` and `far`");
}

#[test]
fn manage_can_be_named() {
    let policies = lake("forbid(principal, action in Tidegate::Action::\"manage\", resource);");
    assert_eq!(policies.count(), 1);
}

/// CFG-04
#[test]
fn generation_is_known_by_its_content() {
    let of = |lake: &str, other: &str| Files::new(&[("lake", lake), ("other", other)]).load();
    let rule = "permit(principal, action, resource);";
    assert_eq!(of(rule, "").generation_id(), of(rule, "").generation_id());
    assert_ne!(of(rule, "").generation_id(), of("", rule).generation_id());
    assert_ne!(of(rule, "").generation_id(), of(rule, " ").generation_id());
    let mut missing = Files::new(&[("lake", rule)]);
    missing.add("other", "store", "UTC");
    assert_ne!(of(rule, "").generation_id(), missing.load().generation_id());
    // sha256sum of nothing
    let version = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(
        of("", "").version(&BucketName::parse("lake").unwrap()),
        Some(version)
    );
}

/// AUZ-27: what is just not too deep is parsed, checked, decided upon and freed on an ordinary stack.
#[test]
fn deepest_policies_are_no_danger() {
    let when = |condition: String| format!("permit(principal, action, resource) when {{ {condition} }};\n");
    let text = [
        when("(".repeat(62) + "true" + &")".repeat(62)),
        when("true && ".repeat(1_999) + "true"),
        when("true && (".repeat(62) + "true" + &")".repeat(62)),
        when("1 + ".repeat(3_990) + "1 > 0"),
        when("if true then true else ".repeat(3_990) + "true"),
        when(format!("{{}} has a{}", ".a".repeat(3_990))),
    ];
    for text in text {
        let files = Files::new(&[("lake", &text)]);
        match Policies::load(&files.buckets, &files.roles, &Names::default()) {
            Ok(policies) => drop(policies.authorize(&etl(), get("lake/k"), &office())),
            Err(errors) => assert!(!errors.is_empty()),
        }
    }
}
