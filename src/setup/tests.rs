use super::*;
use crate::golden;
use crate::operation::{Api, Handling, Scope};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

const ROLE: &str = "arn:aws:iam::123456789012:role/tidegate";

fn place(prefix: &str, actions: Vec<Action>) -> Place {
    Place {
        name: BucketName::parse("lake").unwrap(),
        target: "store".into(),
        bucket: BucketName::parse("acme-lake-prod").unwrap(),
        prefix: match prefix {
            "" => KeyPrefix::default(),
            prefix => KeyPrefix::parse(prefix).unwrap(),
        },
        actions,
    }
}

fn trusted(audience: &str, beginnings: &[&str]) -> Trusted {
    Trusted {
        issuer: Names::ISSUER.parse("https://s3.acme.example").unwrap(),
        audience: Names::AUDIENCE.parse(audience).unwrap(),
        subjects: vec!["target/store".into()],
        beginnings: beginnings.iter().map(|start| (*start).to_owned()).collect(),
    }
}

fn of_aws(prefix: &str, access: Access, beginnings: &[&str]) -> aws::Plan {
    aws::Plan {
        place: place(prefix, needed(access, None, false)),
        role: RoleArn::parse(ROLE).unwrap(),
        trust: aws::Trust::Token(trusted("sts.amazonaws.com", beginnings)),
        source_identity: !beginnings.is_empty(),
        session_tags: !beginnings.is_empty(),
        kms_key: None,
        exempt: Vec::new(),
        neighbours: aws::Neighbours::default(),
    }
}

fn of_gcp(prefix: &str, beginnings: &[&str], jwks: Option<Document>, account: Option<&str>) -> gcp::Plan {
    let pool = |text: &str| Names::POOL.parse(text).unwrap();
    let trusted = trusted("https://iam.googleapis.com/x", beginnings);
    gcp::Plan {
        place: place(prefix, needed(Access::Write, None, false)),
        project: Names::PROJECT.parse("acme-data").unwrap(),
        identity: gcp::Identity::Federated(Box::new(gcp::Federation {
            pool: gcp::Pool {
                number: Names::NUMBER.parse("123456").unwrap(),
                pool: pool("tidegate"),
                provider: pool("tidegate"),
            },
            admitted: trusted.clone(),
            trusted,
            jwks,
            account: account.map(|account| Names::SERVICE_ACCOUNT.parse(account).unwrap()),
        })),
    }
}

fn of_minio(trust: minio::Trust) -> minio::Plan {
    minio::Plan {
        place: place("", needed(Access::Write, None, false)),
        alias: Names::MINIO.parse("store").unwrap(),
        trust,
    }
}

const FORMATS: [(Format, &str); 3] = [
    (Format::Commands, "sh"),
    (Format::Json, "json"),
    (Format::Terraform, "tf"),
];

#[test]
fn what_is_printed_is_what_was_read() {
    let jwks = serde_json::json!({ "keys": [{ "e": "AQAB", "kid": "k1", "kty": "RSA", "n": "0vx7" }] });
    let account = "tidegate@acme-data.iam.gserviceaccount.com";
    let by_role = aws::Plan {
        trust: aws::Trust::Principal {
            arn: Names::ARN
                .parse("arn:aws:iam::210987654321:role/gateway")
                .unwrap(),
            external_id: Some(Names::EXTERNAL_ID.parse("acme-7").unwrap()),
        },
        kms_key: Some(
            Names::ARN
                .parse("arn:aws:kms:eu-central-1:123456789012:key/1a2b")
                .unwrap(),
        ),
        exempt: vec![Names::ARN.parse("arn:aws:iam::123456789012:role/admin").unwrap()],
        ..of_aws("teams/a/", Access::Read, &[])
    };
    for (format, ending) in FORMATS {
        let check = |name: &str, printed: Printed| {
            let notes: String = printed
                .notes
                .iter()
                .map(|note| format!("note: {note}\n"))
                .collect();
            golden::check(&format!("tests/golden/setup/{name}.{ending}"), &printed.text);
            // The same whatever the format.
            golden::check(&format!("tests/golden/setup/{name}.notes"), &notes);
        };
        check("aws", aws::print(&of_aws("", Access::Write, &[]), format));
        check(
            "aws-principals",
            aws::print(&of_aws("teams/a/", Access::Manage, &["google:", "kube:"]), format),
        );
        check("aws-role", aws::print(&by_role, format));
        check("gcp", gcp::print(&of_gcp("", &[], None, None), format));
        check(
            "gcp-principals",
            gcp::print(
                &of_gcp("teams/a/", &["google:"], Some(jwks.clone().into()), None),
                format,
            ),
        );
        check(
            "gcp-account",
            gcp::print(&of_gcp("", &[], None, Some(account)), format),
        );
        check(
            "minio",
            minio::print(&of_minio(minio::Trust::Keys), format).unwrap(),
        );
        let token = minio::Trust::Token(trusted("minio-store", &[]));
        check("minio-token", minio::print(&of_minio(token), format).unwrap());
    }
}

/// A request to AWS, as its policies see it.
struct Asked<'a> {
    principal: &'a str,
    action: &'a str,
    resource: &'a str,
    context: &'a [(&'a str, &'a str)],
}

/// Decides as IAM does: a Deny that matches wins, then an Allow that matches.
fn decide(policy: &Document, asked: &Asked<'_>) -> Option<bool> {
    let policy: Value = serde_json::from_str(&policy.json()).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    let matching = policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|statement| {
            let is = |name: &str, wanted: &str| {
                texts(&statement[name])
                    .iter()
                    .any(|pattern| like(pattern, wanted))
            };
            let is_principal = match &statement["Principal"] {
                Value::Null => true,
                Value::String(all) => all == "*",
                named => named
                    .as_object()
                    .unwrap()
                    .values()
                    .any(|value| texts(value).contains(&asked.principal.to_owned())),
            };
            let is_resource = statement.get("Resource").is_none() || is("Resource", asked.resource);
            is_principal && is("Action", asked.action) && is_resource && holds(&statement["Condition"], asked)
        });
    let effects: Vec<&Value> = matching.map(|statement| &statement["Effect"]).collect();
    match effects.iter().any(|effect| **effect == "Deny") {
        true => Some(false),
        false => (!effects.is_empty()).then_some(true),
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
        other => panic!("{other}"),
    }
}

fn holds(condition: &Value, asked: &Asked<'_>) -> bool {
    let context: BTreeMap<&str, &str> = asked.context.iter().copied().collect();
    let operators = condition.as_object().into_iter().flatten();
    operators.into_iter().all(|(operator, keys)| {
        keys.as_object().unwrap().iter().all(|(key, wanted)| {
            let found = match &**key {
                "aws:PrincipalArn" => Some(asked.principal),
                key => context.get(key).copied(),
            };
            let wanted = texts(wanted);
            match &**operator {
                "StringEquals" | "Bool" => found.is_some_and(|found| wanted.iter().any(|text| text == found)),
                "StringLike" => found.is_some_and(|found| wanted.iter().any(|pattern| like(pattern, found))),
                "ArnNotEquals" => found.is_none_or(|found| !wanted.iter().any(|text| text == found)),
                other => panic!("{other}"),
            }
        })
    })
}

/// `*`, `?`, and `${*}`, `${?}`, `${$}` for themselves.
fn like(pattern: &str, text: &str) -> bool {
    fn go(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['$', '{', c, '}', rest @ ..] => text.first() == Some(c) && go(rest, &text[1..]),
            ['*', rest @ ..] => (0..=text.len()).any(|skipped| go(rest, &text[skipped..])),
            ['?', rest @ ..] => !text.is_empty() && go(rest, &text[1..]),
            [c, rest @ ..] => text.first() == Some(c) && go(rest, &text[1..]),
        }
    }
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    go(&chars(pattern), &chars(text))
}

/// Asks for an action where it belongs: the object of this name, or the bucket, in TLS, with the prefix of a listing.
fn may(policy: &Document, principal: &str, action: Action, bucket: &str, key: &str) -> Option<bool> {
    let resource = match action.scope() {
        Scope::Object => format!("arn:aws:s3:::{bucket}/{key}"),
        Scope::Bucket | Scope::Service => format!("arn:aws:s3:::{bucket}"),
    };
    let asked = Asked {
        principal,
        action: &format!("s3:{}", action.name()),
        resource: &resource,
        context: &[("s3:prefix", key), ("aws:SecureTransport", "true")],
    };
    decide(policy, &asked)
}

// CRD-05: as much as forwarded calls need, in the folder, and nothing else anywhere.
#[test]
fn the_role_may_do_what_is_forwarded_and_nothing_else() {
    for (prefix, access) in [
        ("", Access::Manage),
        ("", Access::Write),
        ("teams/a/", Access::Write),
        ("teams/a/", Access::Read),
        ("od\"d*?$ {x}/", Access::Read),
    ] {
        let plan = of_aws(prefix, access, &[]);
        let policy = plan.role_policy();
        for action in Action::ALL.iter().copied() {
            let wanted = plan.place.actions.contains(&action);
            let what = format!("{prefix:?} {access:?} {action:?}");
            let inside = format!("{prefix}k");
            assert_eq!(
                may(&policy, ROLE, action, "acme-lake-prod", &inside),
                wanted.then_some(true),
                "{what}"
            );
            assert_eq!(
                may(&policy, ROLE, action, "acme-lake-prod2", &inside),
                None,
                "{what}"
            );
            assert_eq!(may(&policy, ROLE, action, "acme-lake", &inside), None, "{what}");
            // What knows no prefix is of the whole bucket.
            let is_bound = action.scope() == Scope::Object
                || matches!(action, Action::ListBucket | Action::ListBucketVersions);
            if !prefix.is_empty() && is_bound {
                for outside in ["", "teams/", "teams/ab", "k", "od\"dxy$ {x}/k"] {
                    assert_eq!(
                        may(&policy, ROLE, action, "acme-lake-prod", outside),
                        None,
                        "{what} {outside}"
                    );
                }
            }
        }
    }
}

proptest! {
    // CRD-05
    #[test]
    fn no_folder_says_more_than_itself(prefix in "[ab*?$\"'{}\\\\ä%]{1,12}/", other in "[ab*?$\"'{}\\\\ä%/]{0,14}") {
        let plan = of_aws(&prefix, Access::Read, &[]);
        let policy = plan.role_policy();
        let inside = format!("{prefix}{other}");
        prop_assert_eq!(may(&policy, ROLE, Action::GetObject, "acme-lake-prod", &inside), Some(true));
        let granted = may(&policy, ROLE, Action::GetObject, "acme-lake-prod", &other) == Some(true);
        prop_assert_eq!(granted, other.starts_with(&*prefix));
        let listed = may(&policy, ROLE, Action::ListBucket, "acme-lake-prod", &other) == Some(true);
        prop_assert_eq!(listed, other.starts_with(&*prefix));
        for format in [Format::Commands, Format::Json] {
            let text = aws::print(&plan, format).text;
            // Nothing of a document ends it: the only lines that do are ours.
            prop_assert!(text.lines().filter(|line| *line == "END").count() <= 3);
        }
    }
}

#[test]
fn no_forwarded_call_is_forgotten() {
    let all = needed(Access::Manage, None, true);
    for api in Api::ALL {
        let row = api.row();
        if row.handling != Handling::Forwarded {
            continue;
        }
        assert!(
            rights::of(*api).iter().all(|action| all.contains(action)),
            "{api:?}"
        );
        assert!(!rights::of(*api).is_empty(), "{api:?}");
    }
    // What Tidegate answers itself, or never serves, the target is not asked for.
    assert!(!all.contains(&Action::GetBucketLocation));
    let read = needed(Access::Read, None, false);
    assert!(
        read.iter()
            .all(|action| action.name().starts_with("Get") || action.name().starts_with("List")),
        "{read:?}"
    );
    assert!(
        !needed(Access::Write, None, true)
            .iter()
            .any(|action| action.is_managed())
    );
    assert!(!needed(Access::Manage, None, false).contains(&Action::CreateBucket));
    let permitted = [Action::GetObject, Action::PutBucketPolicy];
    assert_eq!(needed(Access::Manage, Some(&permitted), false), permitted);
    assert_eq!(needed(Access::Read, Some(&permitted), false), [Action::GetObject]);
}

#[test]
fn only_tokens_for_it_assume_the_role() {
    let asked = |plan: &aws::Plan, audience: &str, subject: &str, action: &str| {
        let provider = "arn:aws:iam::123456789012:oidc-provider/s3.acme.example";
        let context = [
            ("s3.acme.example:aud", audience),
            ("s3.acme.example:sub", subject),
        ];
        let asked = Asked {
            principal: provider,
            action,
            resource: "",
            context: &context,
        };
        decide(&plan.trust_policy(), &asked) == Some(true)
    };
    const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";
    let shared = of_aws("", Access::Write, &[]);
    assert!(asked(&shared, "sts.amazonaws.com", "target/store", ASSUME));
    for (audience, subject, action) in [
        ("sts.amazonaws.com", "target/store2", ASSUME),
        ("sts.amazonaws.com", "target/*", ASSUME),
        ("sts.amazonaws.com", "google:ana@acme.example", ASSUME),
        ("sts.amazonaws.com", "", ASSUME),
        ("api://AzureADTokenExchange", "target/store", ASSUME),
        ("sts.amazonaws.com", "target/store", "sts:TagSession"),
        ("sts.amazonaws.com", "target/store", "sts:AssumeRole"),
    ] {
        assert!(
            !asked(&shared, audience, subject, action),
            "{audience} {subject} {action}"
        );
    }
    let principals = of_aws("", Access::Write, &["google:"]);
    for action in [ASSUME, "sts:TagSession", "sts:SetSourceIdentity"] {
        assert!(asked(
            &principals,
            "sts.amazonaws.com",
            "google:ana@acme.example",
            action
        ));
        assert!(asked(&principals, "sts.amazonaws.com", "target/store", action));
        for subject in [
            "google",
            "googles:ana",
            "kube:ana",
            "target/store2",
            "x google:ana",
        ] {
            assert!(
                !asked(&principals, "sts.amazonaws.com", subject, action),
                "{subject}"
            );
        }
        assert!(!asked(&principals, "other", "google:ana", action));
    }
}

#[test]
fn the_bucket_admits_the_role_and_locks_nobody_out_of_its_settings() {
    let admin = "arn:aws:iam::123456789012:role/admin";
    let other = "arn:aws:iam::123456789012:role/other";
    let plan = aws::Plan {
        exempt: vec![Names::ARN.parse(admin).unwrap()],
        ..of_aws("teams/a/", Access::Write, &[])
    };
    let policy = plan.bucket_policy();
    let denied = |who: &str, action: Action, key: &str| {
        may(&policy, who, action, "acme-lake-prod", key) == Some(false)
    };
    for action in [
        Action::GetObject,
        Action::PutObject,
        Action::PutObjectAcl,
        Action::ListBucket,
    ] {
        assert!(denied(other, action, "teams/a/k"), "{action:?}");
        assert!(denied(
            "arn:aws:iam::123456789012:role/tidegate2",
            action,
            "teams/a/k"
        ));
        assert!(denied(
            "arn:aws:iam::210987654321:role/tidegate",
            action,
            "teams/a/k"
        ));
        assert!(!denied(ROLE, action, "teams/a/k"));
        assert!(!denied(admin, action, "teams/a/k"));
        assert!(
            !denied(other, action, "teams/b/k"),
            "another folder is none of its business"
        );
    }
    for action in [
        Action::PutBucketPolicy,
        Action::DeleteBucketPolicy,
        Action::GetBucketPolicy,
    ] {
        assert!(!denied(other, action, "teams/a/k"), "{action:?}");
    }
    let clear = Asked {
        principal: ROLE,
        action: "s3:GetObject",
        resource: "arn:aws:s3:::acme-lake-prod/teams/a/k",
        context: &[("aws:SecureTransport", "false")],
    };
    assert_eq!(decide(&policy, &clear), Some(false), "without TLS");
}

#[test]
fn googles_conditions_name_subject_and_folder() {
    let plan = of_gcp("te\"a\\ms/a/", &["google:", "kube:"], None, None);
    let gcp::Identity::Federated(federation) = &plan.identity else {
        panic!("federated")
    };
    assert_eq!(
        gcp::Plan::attribute_condition(&federation.admitted),
        "assertion.sub == \"target/store\" || assertion.sub.startsWith(\"google:\") || assertion.sub.startsWith(\"kube:\")"
    );
    let condition = plan.place_condition().unwrap();
    assert!(condition.contains(r#"/objects/te\"a\\ms/a/")"#), "{condition}");
    assert_eq!(of_gcp("", &[], None, None).place_condition(), None);
    assert_eq!(
        of_gcp("", &[], None, None).members(),
        [
            "principal://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/tidegate/subject/target/store"
        ]
    );
    assert!(
        plan.permissions()
            .iter()
            .all(|permission| permission.starts_with("storage."))
    );
    assert!(
        !plan
            .permissions()
            .iter()
            .any(|permission| permission.contains("etIamPolicy"))
    );
}

#[test]
fn two_buckets_have_two_roles_however_long_their_names() {
    let role = |name: &str| {
        let mut plan = of_gcp("", &[], None, None);
        plan.place.name = BucketName::parse(name).unwrap();
        let printed: Value = serde_json::from_str(&gcp::print(&plan, Format::Json).text).unwrap();
        printed["bucket_binding"]["role"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    };
    let (start, end) = ("a".repeat(40), "b".repeat(14));
    let names = [
        format!("{start}-x-{end}"),
        format!("{start}-y-{end}"),
        format!("{start}.y.{end}"),
        "a-b".into(),
        "a.b".into(),
    ];
    let mut ids: Vec<String> = names.iter().map(|name| role(name)).collect();
    assert!(ids.iter().all(|id| id.len() <= 64), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), names.len(), "{ids:?}");
}

#[test]
fn minio_is_told_nothing_that_it_refuses() {
    let plan = minio::Plan {
        place: place("", needed(Access::Manage, None, true)),
        ..of_minio(minio::Trust::Keys)
    };
    let policy = plan.policy().json();
    for unknown in [
        "Annotation",
        "Acl",
        "Website",
        "Inventory",
        "Accelerate",
        "RequestPayment",
        "CORS",
    ] {
        assert!(!policy.contains(unknown), "{unknown}");
    }
    let folder = minio::Plan {
        place: place("a*/", needed(Access::Read, None, false)),
        ..of_minio(minio::Trust::Keys)
    };
    let error = minio::print(&folder, Format::Json).unwrap_err().to_string();
    assert!(
        error.contains("`a*/`") && error.contains("another folder"),
        "{error}"
    );
}

#[test]
fn a_name_with_syntax_in_it_is_refused() {
    let every = [
        Names::ISSUER,
        Names::AUDIENCE,
        Names::SUBJECT,
        Names::OWN,
        Names::ROLE,
        Names::REGION,
        Names::ARN,
        Names::EXTERNAL_ID,
        Names::PROJECT,
        Names::NUMBER,
        Names::POOL,
        Names::SERVICE_ACCOUNT,
        Names::MINIO,
    ];
    for names in every {
        for syntax in [
            "'", "\"", "`", "$", "\\", "\n", " ", "%{", "${", "*", "?", ";", "&", "|", "<", "(", "\u{e4}",
            "\0",
        ] {
            for text in [
                format!("https://a.example/{syntax}b"),
                format!("arn:aws:iam::123456789012:role/{syntax}"),
                format!("abcd{syntax}"),
                syntax.to_owned(),
            ] {
                assert!(names.parse(&text).is_err(), "{text:?}");
            }
        }
        assert!(names.parse("").is_err());
        assert!(names.parse(&"a".repeat(3000)).is_err());
    }
    let good = |names: Names, text: &str| assert_eq!(names.parse(text).unwrap().as_str(), text);
    good(Names::ISSUER, "https://s3.acme.example:8443/a/b");
    good(Names::SUBJECT, "system:serviceaccount:ns:name");
    good(Names::ARN, ROLE);
    good(Names::PROJECT, "acme.example:data-1");
    for wrong in [
        "http://a.example",
        "https://",
        "https://a.example/",
        "https://a.example//b",
    ] {
        assert!(Names::ISSUER.parse(wrong).is_err(), "{wrong}");
    }
    assert!(AwsAccount::parse("12345678901").is_err());
    for wrong in [
        "arn:aws:iam::123456789012:user/a",
        "arn:xx:iam::123456789012:role/a",
        "arn:aws:iam::1:role/a",
        "arn:aws:s3:::bucket/role",
    ] {
        assert!(RoleArn::parse(wrong).is_err(), "{wrong}");
    }
    let role = RoleArn::parse("arn:aws-cn:iam::123456789012:role/a/b/c").unwrap();
    assert_eq!(
        (&*role.path, role.name.as_str(), &*role.to_string()),
        ("/a/b/", "c", "arn:aws-cn:iam::123456789012:role/a/b/c")
    );
}

#[test]
fn no_text_is_syntax_of_a_shell_or_of_terraform() {
    assert_eq!(shell::word("a-b/c"), "a-b/c");
    assert_eq!(shell::word(""), "''");
    assert_eq!(shell::word("a'b $(c)"), r"'a'\''b $(c)'");
    let mut hcl = hcl::Hcl::default();
    hcl.attribute("a", hcl::Value::Text("\"${b}\" %{c} $d\n\\"));
    hcl.attribute("long", hcl::Value::Text("x"));
    assert_eq!(
        hcl.finish(),
        "a    = \"\\\"$${b}\\\" %%{c} $d\\n\\\\\"\nlong = \"x\"\n"
    );
}

#[test]
fn an_arn_that_would_mean_nobody_or_everybody_is_refused() {
    type Parse = fn(&str) -> Result<Plain, arns::ArnError>;
    let check = |parse: Parse, arn: &str, expected: &str| {
        let said = parse(arn).unwrap_err().to_string();
        assert!(said.contains(expected), "{arn}: {said}");
    };
    for parse in [arns::exempt as Parse, arns::trusted] {
        let session = "arn:aws-cn:sts::123456789012:assumed-role/Admin/bob";
        check(parse, session, "`arn:aws-cn:iam::123456789012:role/Admin`");
        check(parse, session, "path");
        check(
            parse,
            "arn:aws:iam::123456789012:group/a",
            "not the ARN of a role",
        );
        check(parse, "arn:aws:iam::123456789012:role/", "not the ARN of a role");
        check(parse, "arn:aws:s3:::acme-lake-prod", "not the ARN of a role");
        for good in [ROLE, "arn:aws:iam::123456789012:user/a/b"] {
            assert_eq!(parse(good).unwrap().as_str(), good);
        }
    }
    let root = "arn:aws:iam::123456789012:root";
    check(arns::trusted, root, "everybody in an account");
    assert_eq!(
        arns::exempt(root).unwrap().as_str(),
        root,
        "there, the root user alone"
    );
    let alias = "arn:aws:kms:eu-central-1:123456789012:alias/lake";
    check(arns::kms_key, alias, &format!("--key-id {alias}"));
    check(arns::kms_key, ROLE, "not the ARN of a key");
    arns::kms_key("arn:aws:kms:eu-central-1:123456789012:key/1a2b").unwrap();
}

#[test]
fn audit_logs_that_are_there_stay_with_whoever_is_exempted() {
    let script = gcp::print(&of_gcp("", &[], None, None), Format::Commands).text;
    let start = script.find("'$audit[0]").unwrap() + 1;
    let program = &script[start..start + script[start..].find('\'').unwrap()];
    let dir = tempfile::tempdir().unwrap();
    let audit = dir.path().join("audit.json");
    std::fs::write(&audit, gcp::audit_config().json()).unwrap();
    let merged = |policy: Value| -> Option<Value> {
        let file = dir.path().join("policy.json");
        std::fs::write(&file, policy.to_string()).unwrap();
        let mut jq = std::process::Command::new("jq");
        jq.arg("--slurpfile")
            .arg("audit")
            .arg(&audit)
            .arg(program)
            .arg(&file);
        // Where there is no `jq`, there is nothing to try.
        let output = jq.output().ok()?;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let merged: Value = serde_json::from_slice(&output.stdout).unwrap();
        Some(merged["auditConfigs"].clone())
    };
    let (read, write) = (
        serde_json::json!({ "logType": "DATA_READ" }),
        serde_json::json!({ "logType": "DATA_WRITE" }),
    );
    let admin = serde_json::json!({ "logType": "ADMIN_READ" });
    let exempted =
        serde_json::json!({ "logType": "DATA_READ", "exemptedMembers": ["user:ana@acme.example"] });
    let storage =
        |logs: Value| serde_json::json!({ "service": "storage.googleapis.com", "auditLogConfigs": logs });
    let other = serde_json::json!({ "service": "allServices", "auditLogConfigs": [admin] });
    let Some(new) = merged(serde_json::json!({})) else {
        return;
    };
    assert_eq!(
        new,
        serde_json::json!([storage(serde_json::json!([read, write]))])
    );
    let there = storage(serde_json::json!([admin, exempted]));
    let kept = serde_json::json!([other, storage(serde_json::json!([admin, exempted, write]))]);
    assert_eq!(
        merged(serde_json::json!({ "auditConfigs": [there, other] })).unwrap(),
        kept
    );
    assert_eq!(
        merged(serde_json::json!({ "auditConfigs": kept })).unwrap(),
        kept,
        "once more"
    );
}

#[test]
fn a_short_name_of_minio_is_refused_with_its_length() {
    let said = Names::MINIO.parse("st").unwrap_err().to_string();
    assert!(said.contains("3 to 64 of letters"), "{said}");
}
