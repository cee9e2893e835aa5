//! Commands of the AWS CLI, which may be pasted again: nothing is made twice.

use super::{Plan, Trust};
use crate::setup::shell;

pub(super) fn print(plan: &Plan) -> String {
    let mut steps = Vec::new();
    let mut step = |comment: &str, text: String| steps.push((comment.to_owned(), text));
    let iam = |name: &str, options: &[(&str, &str)]| shell::command(&["aws", "iam", name], options);
    let role = plan.role.name.as_str();
    if let Trust::Token(trusted) = &plan.trust {
        let arn = plan.provider_arn(trusted);
        let (url, audience) = (trusted.issuer.as_str(), trusted.audience.as_str());
        let provider = ("--open-id-connect-provider-arn", &*arn);
        let text = format!(
            "{} >/dev/null 2>&1 ||\n  {}\n{}",
            iam("get-open-id-connect-provider", &[provider]),
            iam(
                "create-open-id-connect-provider",
                &[("--url", url), ("--client-id-list", audience)]
            ),
            iam(
                "add-client-id-to-open-id-connect-provider",
                &[provider, ("--client-id", audience)]
            ),
        );
        step(
            "The identity provider. AWS must reach the issuer from the internet when it is used.",
            text,
        );
    }
    let file = |name: &str| format!("{}{name}", shell::FILE);
    let trust = file("trust-policy.json");
    let mut options = vec![("--role-name", role)];
    if plan.role.path != "/" {
        options.push(("--path", &plan.role.path));
    }
    options.push(("--assume-role-policy-document", &trust));
    step(
        "The role, and who may assume it.",
        format!(
            "{}{} >/dev/null 2>&1 ||\n  {}\n{}",
            shell::file("trust-policy.json", &plan.trust_policy()),
            iam("get-role", &[("--role-name", role)]),
            iam("create-role", &options),
            iam(
                "update-assume-role-policy",
                &[("--role-name", role), ("--policy-document", &trust)]
            ),
        ),
    );
    step(
        "What it may do. There is one such policy for each bucket.",
        format!(
            "{}{}",
            shell::file("role-policy.json", &plan.role_policy()),
            iam(
                "put-role-policy",
                &[
                    ("--role-name", role),
                    ("--policy-name", &plan.policy_name()),
                    ("--policy-document", &file("role-policy.json")),
                ]
            ),
        ),
    );
    let bucket = plan.place.bucket.as_str();
    let s3api = |name: &str, options: &[(&str, &str)]| shell::command(&["aws", "s3api", name], options);
    step(
        "Nobody else gets at the objects. What else the bucket's policy says stays.",
        format!(
            "{}if ! {} > \"$dir/old-policy.json\" 2>\"$dir/error\"; then\n  \
             grep -q NoSuchBucketPolicy \"$dir/error\" || {{ cat \"$dir/error\" >&2; exit 1; }}\n  \
             echo '{{}}' > \"$dir/old-policy.json\"\nfi\n\
             jq -s {MERGE} \\\n    \"$dir/old-policy.json\" \"$dir/bucket-policy.json\" > \"$dir/new-policy.json\"\n{}",
            shell::file("bucket-policy.json", &plan.bucket_policy()),
            s3api(
                "get-bucket-policy",
                &[("--bucket", bucket), ("--query", "Policy"), ("--output", "text")]
            ),
            s3api(
                "put-bucket-policy",
                &[("--bucket", bucket), ("--policy", &file("new-policy.json"))]
            ),
        ),
    );
    shell::script(&format!("tidegate setup aws: bucket {}", plan.place.name), &steps)
}

/// Puts our statements among those that are there, in the place of those of the same name.
const MERGE: &str = "'.[0] as $old | .[1] as $new | ($new.Statement | map(.Sid)) as $ours |\n      \
    $new + {Statement: ([$old.Statement // [] | if type == \"array\" then .[] else . end |\n        \
    select(.Sid as $sid | $ours | index($sid) | not)] + $new.Statement)}'";
