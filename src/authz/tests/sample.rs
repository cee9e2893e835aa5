//! The sample policies do what their comments say.

use super::*;

#[test]
fn sample_policies_do_what_they_say() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/");
    let text = std::fs::read_to_string(folder.to_owned() + "lake.cedar").unwrap();
    let policies = Files::new(&[("lake", &text)]).load();
    assert_eq!(lines(policies.warnings()), "");
    let who = |name: &str| {
        Principal::for_test(
            PrincipalKind::Workload,
            &format!("google:{name}@acme.iam.gserviceaccount.com"),
            &[],
        )
    };
    let put = |name: &str| call(Api::PutObject, name, &[]);
    let delete = |name: &str| call(Api::DeleteObject, name, &[]);
    let check =
        |who: &Principal, operation, expected| assert_eq!(is_allowed(&policies, who, operation), expected);

    let etl = who("etl");
    check(&etl, get("lake/raw/2026/a.csv"), true);
    check(&etl, call(Api::HeadObject, "lake/raw", &[]), true);
    check(&etl, get("lake/rawhide/secret"), false);
    check(&etl, put("lake/raw/a.csv"), false);
    check(&etl, put("lake/exports/part-0"), true);
    check(&etl, call(Api::UploadPart, "lake/exports/part-0", &[]), true);
    check(&etl, delete("lake/exports/_temporary/0"), true);
    check(&etl, delete("lake/raw/a.csv"), false);
    check(&etl, list("lake", Some("raw/")), true);
    check(&etl, list("lake", None), false);
    check(&etl, call(Api::HeadBucket, "lake", &[]), true);

    let backup = who("backup");
    check(&backup, put("lake/backup/1"), true);
    check(&backup, get("lake/backup/1"), false);
    let denied = denied(&policies, &backup, delete("lake/backup/1"));
    assert!(denied.message.ends_with(
        "in policy backup-never-deletes. Backups are append-only. Ask the storage team for a lifecycle rule instead."
    ));

    let ana = ana();
    check(&ana, get("lake/exports/part-0"), true);
    check(&ana, list("lake", None), true);
    check(&ana, put("lake/exports/x"), false);
    for (now, source_ip, expected) in [
        ("2026-11-20T17:59:59Z", "203.0.113.9", true),
        ("2026-11-20T18:00:00Z", "203.0.113.9", false),
        ("2026-11-20T08:59:59Z", "203.0.113.9", false),
        ("2026-11-21T10:00:00Z", "203.0.113.9", false),
        ("2026-11-20T10:00:00Z", "198.51.100.9", false),
    ] {
        let circumstances = Circumstances {
            now: now.parse().unwrap(),
            source_ip: source_ip.parse().unwrap(),
            protocol: "s3",
        };
        assert_eq!(
            policies.authorize(&ana, get("lake/k"), &circumstances).is_ok(),
            expected,
            "{now}"
        );
    }
}

/// Every Cedar block of the guide is a policy that loads.
#[test]
fn examples_of_the_guide_load() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/README.md")).unwrap();
    let blocks: Vec<_> = guide
        .split("```cedar\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.len(), 5);
    let policies = Files::new(&[("lake", &blocks.concat())]).load();
    assert_eq!(lines(policies.warnings()), "");
}
