use super::*;
use clap::Parser as _;
use serde_json::Value;
use std::fs;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

const HEAD: &str = r#"
[server]
listen = "127.0.0.1:0"
domains = ["s3.acme.example"]
[server.tls]
certificate = "server.pem"
key = "server.key"
[admin]
listen = "127.0.0.1:0"
[sessions]
keys = "keys.toml"
[audit]
file = "audit.jsonl"
[issuer]
url = "https://s3.acme.example"
keys = "issuer-keys.toml"
[[issuers]]
name = "google"
preset = "google"
audiences = ["https://s3.acme.example"]
"#;

const POLICY: &str = r#"@id("all") permit (principal, action, resource);"#;

/// A target of AWS with a role of this name; `more` is about its credentials.
fn target(name: &str, kind: &str, more: &str) -> String {
    format!(
        "[targets.{name}]\nkind = \"s3\"\nendpoint = \"https://s3.eu-central-1.amazonaws.com\"\nregion = \"eu-central-1\"\n\
         [targets.{name}.credentials]\nkind = \"{kind}\"\n{more}\n"
    )
}

fn of_role(name: &str) -> String {
    let role = format!("role_arn = \"arn:aws:iam::123456789012:role/{name}\"");
    target(name, "aws-web-identity", &role)
}

fn bucket(name: &str, target: &str, more: &str) -> String {
    format!("[buckets.{name}]\ntarget = \"{target}\"\nbucket = \"acme-lake\"\n{more}\n")
}

/// What `tidegate setup` prints with a configuration of these tables, and its notes; or why it does not.
fn run_with(tables: &str, line: &str) -> Result<(String, String), String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tidegate.toml");
    fs::write(&file, format!("{HEAD}{tables}")).unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    for name in ["lake", "raw", "rare"] {
        fs::write(dir.path().join(format!("policies/{name}.cedar")), POLICY).unwrap();
    }
    let mut words = vec!["setup"];
    words.extend(line.split(' '));
    let file = file.display().to_string();
    if !tables.is_empty() {
        words.extend(["--config", &file]);
    }
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    run(&line.args, &mut out, &mut notes).map_err(|error| error.to_string())?;
    Ok((String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap()))
}

fn statements(tables: &str, bucket: &str) -> Vec<Value> {
    let line = format!("aws --bucket {bucket} --format json");
    let (printed, _) = run_with(tables, &line).unwrap();
    let all: Value = serde_json::from_str(&printed).unwrap();
    all["bucket_policy"]["Statement"].as_array().unwrap().clone()
}

fn admitted(tables: &str, bucket: &str) -> Vec<Value> {
    let admitted = |statement: &Value| {
        let others = statement["Condition"].get("ArnNotEquals")?;
        Some(others["aws:PrincipalArn"].clone())
    };
    statements(tables, bucket).iter().filter_map(admitted).collect()
}

#[test]
fn buckets_that_overlap_admit_the_roles_of_each_other() {
    let tables = [
        of_role("a"),
        of_role("b"),
        of_role("c"),
        bucket("lake", "a", ""),
        bucket("raw", "b", "prefix = \"raw/\""),
        bucket("rare", "c", "prefix = \"rare/\""),
    ]
    .concat();
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let all = serde_json::json!([role("a"), role("c"), role("b")]);
    assert_eq!(admitted(&tables, "lake"), [all.clone(), all]);
    let both = serde_json::json!([role("b"), role("a")]);
    assert_eq!(
        admitted(&tables, "raw"),
        [both.clone(), both],
        "another folder is not in the way"
    );
    let (_, notes) = run_with(&tables, "aws --bucket lake").unwrap();
    assert!(
        notes.contains("`rare`, `raw` of the configuration overlap"),
        "{notes}"
    );
}

#[test]
fn buckets_of_one_role_or_of_another_cloud_admit_nobody_more() {
    let elsewhere = of_role("b").replace("s3.eu-central-1.amazonaws.com", "s3.acme.example");
    let tables = [
        of_role("a"),
        elsewhere,
        bucket("lake", "a", ""),
        bucket("raw", "a", "prefix = \"raw/\""),
        bucket("rare", "b", ""),
    ]
    .concat();
    let alone = serde_json::json!("arn:aws:iam::123456789012:role/a");
    assert_eq!(admitted(&tables, "lake"), [alone.clone(), alone]);
}

#[test]
fn a_bucket_that_overlaps_without_a_role_is_named() {
    let keys = "access_key_id = \"env:ID\"\nsecret_access_key = \"env:SECRET\"";
    let tables = [
        of_role("a"),
        target("b", "static", keys),
        bucket("lake", "a", ""),
        bucket("raw", "b", "prefix = \"raw/\""),
    ]
    .concat();
    let (_, notes) = run_with(&tables, "aws --bucket lake").unwrap();
    assert!(
        notes.contains("locks `raw` out") && notes.contains("`--exempt`"),
        "{notes}"
    );
}

#[test]
fn no_bucket_takes_the_place_of_a_statement_of_another_one() {
    let folders = [
        bucket("lake", "a", "prefix = \"a/\""),
        bucket("raw", "a", "prefix = \"raw/\""),
    ];
    let tables = [of_role("a"), folders.concat()].concat();
    let names = |bucket: &str| -> Vec<String> {
        let all = statements(&tables, bucket);
        all.iter()
            .map(|one| one["Sid"].as_str().unwrap().to_owned())
            .collect()
    };
    let (lake, raw) = (names("lake"), names("raw"));
    assert_eq!(lake.len(), 3);
    assert!(lake.iter().all(|name| !raw.contains(name)), "{lake:?} {raw:?}");
}

#[test]
fn options_that_contradict_the_configuration_are_refused() {
    let lake = bucket("lake", "a", "");
    let by_token = of_role("a") + &lake;
    let role = "role_arn = \"arn:aws:iam::123456789012:role/a\"";
    let by_machine = target("a", "aws-assume-role", role) + &lake;
    let with_id = target(
        "a",
        "aws-assume-role",
        &format!("{role}\nexternal_id = \"acme-7\""),
    ) + &lake;
    let trusted = "--trusted arn:aws:iam::123456789012:role/gw";
    let check = |tables: &str, options: &str, expected: &str| {
        let said = run_with(tables, &format!("aws --bucket lake {options}")).unwrap_err();
        assert!(said.contains(expected), "{options}: {said}");
        assert!(
            said.contains("contradicts the configuration"),
            "{options}: {said}"
        );
    };
    let arn = "`targets.a.credentials.role_arn` says";
    check(&by_token, "--account-id 210987654321", arn);
    check(&by_token, "--role-name tidegate", arn);
    check(
        &by_token,
        "--region cn-north-1",
        "`targets.a.region` says `eu-central-1`",
    );
    check(
        &by_token,
        "--issuer https://a.example",
        "`[issuer] url` says `https://s3.acme.example`",
    );
    check(&by_token, "--audience other", "says `sts.amazonaws.com`");
    check(&by_token, "--subject other", "says `target/a`");
    check(&by_token, trusted, "is `aws-web-identity`");
    check(
        &by_machine,
        &format!("{trusted} --issuer https://s3.acme.example"),
        "no tokens",
    );
    check(
        &by_machine,
        &format!("{trusted} --external-id acme-7"),
        "there is no `targets.a.credentials.external_id`",
    );
    check(
        &with_id,
        &format!("{trusted} --external-id acme-8"),
        "says `acme-7`",
    );

    // What is the same, and what the configuration cannot say.
    for (tables, options) in [
        (
            &by_token,
            "--account-id 123456789012 --role-name a --region eu-central-1 --issuer https://s3.acme.example",
        ),
        (&by_token, "--exempt arn:aws:iam::123456789012:role/admin"),
        (&with_id, trusted),
    ] {
        run_with(tables, &format!("aws --bucket lake {options}")).unwrap();
    }
}
