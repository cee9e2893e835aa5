//! `tidegate setup`: what it takes from a configuration, and what becomes of what it prints when it is pasted.

use crate::support::binary;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const POLICY: &str = r#"
@id("read") permit (principal, action in [Tidegate::Action::"read", Tidegate::Action::"ListBucket"], resource);
@id("not") forbid (principal, action in Tidegate::Action::"write", resource);
"#;

/// A folder with a configuration of these targets and buckets, and a policy for `lake`.
fn configured(tables: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        r#"
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
[[issuers]]
name = "kube"
issuer = "https://kube.acme.example"
audiences = ["https://s3.acme.example"]
kind = "workload"
{tables}
"#
    );
    fs::write(dir.path().join("tidegate.toml"), text).unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    fs::write(dir.path().join("policies/lake.cedar"), POLICY).unwrap();
    dir
}

fn setup(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .arg("setup")
        .args(words)
        .current_dir(dir)
        .output()
        .unwrap()
}

fn printed(dir: &Path, words: &[&str]) -> String {
    let output = setup(dir, words);
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The JSON that is printed for bucket `lake` of a configuration.
fn documents(tables: &str, words: &[&str]) -> Value {
    let dir = configured(tables);
    let fixed = [
        "--bucket",
        "lake",
        "--config",
        "tidegate.toml",
        "--format",
        "json",
    ];
    let (cloud, more) = words.split_first().unwrap();
    let words = [&[*cloud], &fixed[..], more].concat();
    serde_json::from_str(&printed(dir.path(), &words)).unwrap()
}

/// Why nothing is printed.
fn refused(tables: &str, words: &[&str], expected: &str) {
    let dir = configured(tables);
    let output = setup(dir.path(), words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
    assert!(said.contains(expected), "{words:?}: {said}");
    assert_eq!(output.stdout, b"", "half of it is worse than nothing");
}

fn aws(more: &str) -> String {
    format!(
        r#"
[targets.store]
kind = "s3"
endpoint = "https://s3.eu-central-1.amazonaws.com"
region = "eu-central-1"
[targets.store.credentials]
kind = "aws-web-identity"
role_arn = "arn:aws:iam::123456789012:role/gw/tidegate"
{more}
[buckets.lake]
target = "store"
bucket = "acme-lake-prod"
prefix = "teams/a/"
"#
    )
}

fn google(target: &str, more: &str) -> String {
    format!(
        r#"
[targets.{target}]
kind = "gcs-xml"
project = "acme-data"
[targets.{target}.credentials]
kind = "google-workload-identity"
audience = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/gateway/providers/tidegate"
{more}
"#
    )
}

const LAKE: &str = "[buckets.lake]\ntarget = \"store\"\nbucket = \"acme-lake-prod\"\n";

#[test]
fn a_role_may_do_what_some_policy_permits_and_no_more() {
    let all = documents(&aws(""), &["aws"]);
    assert_eq!(all["role_arn"], "arn:aws:iam::123456789012:role/gw/tidegate");
    let text = all["role_policy"].to_string();
    assert!(
        text.contains("\"s3:GetObject\"") && text.contains("\"s3:ListBucket\""),
        "{text}"
    );
    for not in [
        "PutObject",
        "DeleteObject",
        "ListBucketVersions",
        "GetBucketPolicy",
    ] {
        assert!(!text.contains(&format!("s3:{not}\"")), "{not}: {text}");
    }
    assert!(text.contains("arn:aws:s3:::acme-lake-prod/teams/a/*"), "{text}");
    let condition = &all["trust_policy"]["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(condition["s3.acme.example:sub"], "target/store");
    assert_eq!(condition["s3.acme.example:aud"], "sts.amazonaws.com");
    assert_eq!(
        all["trust_policy"]["Statement"][0]["Action"],
        "sts:AssumeRoleWithWebIdentity"
    );
}

#[test]
fn sessions_of_principals_are_trusted_by_their_issuers() {
    let all = documents(
        &aws("attribution = \"per-principal\"\nsource_identity = false"),
        &["aws"],
    );
    let statement = &all["trust_policy"]["Statement"][0];
    let subjects = &statement["Condition"]["StringLike"]["s3.acme.example:sub"];
    assert_eq!(
        *subjects,
        serde_json::json!(["target/store", "google:*", "kube:*"])
    );
    let actions = serde_json::json!(["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]);
    assert_eq!(statement["Action"], actions);
}

#[test]
fn what_several_targets_use_takes_the_tokens_of_all_and_a_bucket_those_of_its_own() {
    let tables = google("store", "") + &google("other", "attribution = \"per-principal\"") + LAKE;
    let all = documents(&tables, &["gcp"]);
    assert_eq!(
        all["provider"]["attributeCondition"],
        "assertion.sub == \"target/other\" || assertion.sub == \"target/store\" || assertion.sub.startsWith(\"google:\") \
         || assertion.sub.startsWith(\"kube:\")"
    );
    let pool =
        "principal://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/gateway";
    assert_eq!(
        all["bucket_binding"]["members"],
        serde_json::json!([format!("{pool}/subject/target/store")])
    );
    let permissions = all["role"]["includedPermissions"].clone();
    assert_eq!(
        permissions,
        serde_json::json!([
            "storage.buckets.get",
            "storage.objects.get",
            "storage.objects.list"
        ])
    );

    let tables = google("store", "service_account = \"t@acme.iam.gserviceaccount.com\"") + LAKE;
    let all = documents(&tables, &["gcp"]);
    assert_eq!(
        all["bucket_binding"]["members"],
        serde_json::json!(["serviceAccount:t@acme.iam.gserviceaccount.com"])
    );
    assert_eq!(
        all["service_account_binding"]["role"],
        "roles/iam.workloadIdentityUser"
    );
}

#[test]
fn what_is_missing_is_said_with_the_option_that_says_it() {
    let lake = ["--bucket", "lake", "--config", "tidegate.toml"];
    let of = |cloud: &'static str| [&[cloud], &lake[..]].concat();
    refused(
        &aws(""),
        &["aws", "--bucket", "lak", "--config", "tidegate.toml"],
        "there is no bucket `lak`",
    );
    refused(&aws(""), &of("gcp"), "say `--project`");
    refused(
        &(google("store", "") + LAKE),
        &of("aws"),
        "credentials of kind `google-workload-identity`",
    );
    let file = aws("token_file = \"token\"");
    refused(&file, &of("aws"), "say `--issuer` and `--subject`");
    let nobody = aws("").replace("[buckets.lake]", "[buckets.frozen]");
    let words = ["aws", "--bucket", "frozen", "--config", "tidegate.toml"];
    refused(&nobody, &words, "no policy permits anything in bucket `frozen`");
    refused(
        "",
        &["aws", "--bucket", "lake", "--issuer", "https://a.example"],
        "say `--account-id`",
    );
    refused(
        "",
        &["aws", "--bucket", "lake", "--account-id", "123456789012"],
        "say `--issuer`",
    );
    refused(
        "",
        &["gcp", "--bucket", "lake", "--project", "acme-data"],
        "say `--project-number`",
    );
    refused(
        "",
        &["aws", "--bucket", "lake", "--config", "none.toml"],
        "none.toml",
    );
    let private = r#"{"keys":[{"kty":"RSA","kid":"a","n":"x","e":"AQAB","d":"secret"}]}"#;
    let dir = configured("");
    fs::write(dir.path().join("jwks.json"), private).unwrap();
    let words = [
        "gcp",
        "--bucket",
        "lake",
        "--project",
        "acme-data",
        "--project-number",
        "1",
        "--issuer",
    ];
    let output = setup(
        dir.path(),
        &[&words[..], &["https://a.example", "--jwks", "jwks.json"]].concat(),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("a private key is in it") && !said.contains("secret"),
        "{said}"
    );
}

#[test]
fn names_with_syntax_in_them_are_not_understood() {
    let dir = tempfile::tempdir().unwrap();
    for (option, value) in [
        ("--issuer", "https://a.example/'$(id)'"),
        ("--issuer", "http://a.example"),
        ("--account-id", "1234"),
        ("--role-name", "a\"b"),
        ("--exempt", "arn:aws:iam::123456789012:role/*"),
        ("--kms-key", "alias/a"),
        ("--target-bucket", "Bucket"),
        ("--prefix", "a"),
        ("--target", "a b"),
    ] {
        let output = setup(dir.path(), &["aws", "--bucket", "lake", option, value]);
        assert_eq!(output.status.code(), Some(2), "{option} {value}");
        assert_eq!(output.stdout, b"", "{option}");
    }
}

/// Programs that only write down what they were asked, and the policy that the bucket has.
struct Stubs {
    dir: TempDir,
}

/// `get-` fails while there is a file of that name; documents are kept by the name of the call.
const AWS: &str = r#"#!/bin/sh
echo "$2" >> "$STUBS/calls"
if [ "$2" = get-bucket-policy ]; then
  [ -e "$STUBS/denied" ] && { echo 'An error occurred (AccessDenied)' >&2; exit 254; }
  [ -e "$STUBS/put-bucket-policy" ] || { echo 'An error occurred (NoSuchBucketPolicy)' >&2; exit 254; }
  cat "$STUBS/put-bucket-policy"
  exit 0
fi
case $2 in get-*) [ -e "$STUBS/exists" ] || exit 254 ;; esac
call=$2
for word in "$@"; do
  case $word in file://*) cp "${word#file://}" "$STUBS/$call" ;; esac
done
"#;

impl Stubs {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bin/aws");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, AWS).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn paste(&self, script: &str) -> Output {
        let path = format!("{}:{}", self.path("bin").display(), env!("PATH"));
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(self.dir.path());
        shell
            .env("STUBS", self.dir.path())
            .env("PATH", path)
            .output()
            .unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        calls.lines().map(str::to_owned).collect()
    }

    fn document(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }
}

/// Whether a tool is on this machine; tests that need it say so and go on without.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no `{tool}`");
    }
    found
}

#[test]
fn what_is_pasted_reaches_aws_as_it_was_meant() {
    if !has("jq") {
        return;
    }
    let stubs = Stubs::new();
    let folder = "a'b\"$(touch stolen)`touch stolen`\\/END/";
    let words = [
        "aws",
        "--bucket",
        "lake",
        "--prefix",
        folder,
        "--issuer",
        "https://s3.acme.example",
    ];
    let script = printed(
        stubs.dir.path(),
        &[&words[..], &["--account-id", "123456789012"]].concat(),
    );
    let pasted = stubs.paste(&script);
    assert!(
        pasted.status.success(),
        "{}",
        String::from_utf8_lossy(&pasted.stderr)
    );
    assert!(!stubs.path("stolen").exists());
    let made = [
        "get-open-id-connect-provider",
        "create-open-id-connect-provider",
        "add-client-id-to-open-id-connect-provider",
        "get-role",
        "create-role",
        "update-assume-role-policy",
        "put-role-policy",
        "get-bucket-policy",
        "put-bucket-policy",
    ];
    assert_eq!(stubs.calls(), made);
    let resource = stubs.document("put-role-policy")["Statement"][0]["Resource"].clone();
    let literal = folder.replace('$', "${$}");
    assert_eq!(resource, format!("arn:aws:s3:::lake/{literal}*"));

    // Once more, with what is there: nothing is made twice, and somebody else's statement stays.
    fs::write(stubs.path("exists"), "").unwrap();
    let mut policy = stubs.document("put-bucket-policy");
    let own = policy["Statement"].as_array().unwrap().len();
    let other = serde_json::json!({ "Sid": "Other", "Effect": "Deny" });
    policy["Statement"].as_array_mut().unwrap().push(other.clone());
    fs::write(stubs.path("put-bucket-policy"), policy.to_string()).unwrap();
    assert!(stubs.paste(&script).status.success());
    let made_again: Vec<&str> = made
        .into_iter()
        .filter(|call| !call.starts_with("create-"))
        .collect();
    assert_eq!(stubs.calls(), made_again);
    let merged = stubs.document("put-bucket-policy");
    assert_eq!(merged["Statement"].as_array().unwrap().len(), own + 1);
    assert_eq!(merged["Statement"][0], other);

    // What cannot be read is not taken for nothing.
    fs::write(stubs.path("denied"), "").unwrap();
    let pasted = stubs.paste(&script);
    assert!(!pasted.status.success());
    assert!(String::from_utf8_lossy(&pasted.stderr).contains("AccessDenied"));
    assert_eq!(
        stubs.calls().last().map(String::as_str),
        Some("get-bucket-policy")
    );
}

fn golden(ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/setup");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == ending))
        .collect();
    assert_eq!(paths.len(), 8, "{ending}");
    paths
}

#[test]
fn terraform_finds_nothing_to_mend_in_the_layout() {
    if !has("terraform") {
        return;
    }
    for path in golden("tf") {
        let output = Command::new("terraform")
            .args(["fmt", "-check", "-diff"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[test]
fn shells_find_nothing_to_mend_in_the_commands() {
    for path in golden("sh") {
        let output = Command::new("sh").arg("-n").arg(&path).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        if has("shellcheck") {
            let output = Command::new("shellcheck")
                .args(["-s", "sh"])
                .arg(&path)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
    }
}
