//! Commands of `gcloud`, which may be pasted again: what is there is updated.

use super::{Federation, Identity, MAPPING, Plan, USER, audit_config};
use crate::setup::shell;

pub(super) fn print(plan: &Plan) -> String {
    let mut steps = Vec::new();
    let mut step = |comment: &str, text: String| steps.push((comment.to_owned(), text));
    let project = ("--project", plan.project.as_str());
    if let Identity::Federated(federation) = &plan.identity {
        federate(&mut step, project, federation);
    }
    let id = plan.role_id();
    let permissions = plan.permissions().join(",");
    let title = format!("Tidegate: {}", plan.place.name);
    let role = [
        project,
        ("--title", &*title),
        ("--permissions", &*permissions),
        ("--stage", "GA"),
    ];
    let iam = |verb: &str, options: &[(&str, &str)]| {
        shell::command(&["gcloud", "iam", "roles", verb, &id], options)
    };
    step(
        "The role: the permissions of the calls that Tidegate makes there.",
        format!(
            "{} >/dev/null 2>&1 ||\n  {}\n{}",
            iam("describe", &[project]),
            iam("create", &role),
            iam("update", &[&role[..], &[("--quiet", "")]].concat()),
        ),
    );
    let bucket = format!("gs://{}", plan.place.bucket);
    let mut bindings = String::new();
    let condition = match plan.condition() {
        Some(condition) => {
            bindings.push_str(&shell::file("condition.json", &condition));
            ("--condition-from-file", format!("{}condition.json", shell::PATH))
        }
        None => ("--condition", "None".to_owned()),
    };
    let storage = ["gcloud", "storage", "buckets"];
    bindings.push_str(&shell::command(
        &[&storage[..], &["update", &bucket]].concat(),
        &[("--uniform-bucket-level-access", "")],
    ));
    for member in plan.members() {
        bindings.push('\n');
        bindings.push_str(&shell::command(
            &[&storage[..], &["add-iam-policy-binding", &bucket]].concat(),
            &[
                ("--member", &member),
                ("--role", &plan.role()),
                (condition.0, &condition.1),
            ],
        ));
    }
    step(
        "Who has it on the bucket. Conditions take uniform access; object ACLs end with it.",
        bindings,
    );
    step(
        "Data access logs, which say who was behind each request. They cost what logs cost.",
        format!(
            "{}{} > \"$dir/policy.json\"\njq --slurpfile audit \"$dir/audit.json\" \\\n    \
             {MERGE} \\\n    \
             \"$dir/policy.json\" > \"$dir/policy-new.json\"\n{}",
            shell::file("audit.json", &audit_config()),
            shell::command(
                &["gcloud", "projects", "get-iam-policy", plan.project.as_str()],
                &[("--format", "json")]
            ),
            shell::command(
                &["gcloud", "projects", "set-iam-policy", plan.project.as_str()],
                &[("", &*format!("{}policy-new.json", shell::PATH)), ("--quiet", "")]
            ),
        ),
    );
    shell::script(&format!("tidegate setup gcp: bucket {}", plan.place.name), &steps)
}

/// Adds the logs that are missing. Others that are there stay, and so does whoever is exempted from one.
const MERGE: &str = "'$audit[0] as $new |\n      \
    ([.auditConfigs[]? | select(.service == $new.service)]) as $old |\n      \
    ([$old[].auditLogConfigs[]?]) as $logs |\n      \
    .auditConfigs = [.auditConfigs[]? | select(.service != $new.service)] +\n        \
    [($old[0] // {}) + $new + {auditLogConfigs: ($logs + [$new.auditLogConfigs[] |\n        \
    select(.logType as $type | $logs | map(.logType) | index($type) | not)])}]'";

fn federate(step: &mut impl FnMut(&str, String), project: (&'static str, &str), federation: &Federation) {
    let Federation {
        pool,
        trusted,
        admitted,
        jwks,
        account,
    } = federation;
    step(
        "The services that trade tokens.",
        shell::command(
            &[
                "gcloud",
                "services",
                "enable",
                "sts.googleapis.com",
                "iamcredentials.googleapis.com",
            ],
            &[project],
        ),
    );
    let pools = ["gcloud", "iam", "workload-identity-pools"];
    let in_pools = |words: &[&str], options: &[(&str, &str)]| {
        shell::command(
            &[&pools[..], words].concat(),
            &[&[project, ("--location", "global")], options].concat(),
        )
    };
    let name = pool.pool.as_str();
    step(
        "The pool. Use it for Tidegate alone: where subjects are principals, all of it has the role.",
        format!(
            "{} >/dev/null 2>&1 ||\n  {}",
            in_pools(&["describe", name], &[]),
            in_pools(&["create", name], &[("--display-name", "Tidegate")]),
        ),
    );
    let condition = Plan::attribute_condition(admitted);
    let keys = format!("{}jwks.json", shell::PATH);
    let mut options = vec![
        ("--workload-identity-pool", name),
        ("--issuer-uri", trusted.issuer.as_str()),
        ("--allowed-audiences", trusted.audience.as_str()),
        ("--attribute-mapping", MAPPING),
        ("--attribute-condition", &condition),
    ];
    let mut text = String::new();
    if let Some(jwks) = jwks {
        text.push_str(&shell::file("jwks.json", jwks));
        options.push(("--jwk-json-path", &keys));
    }
    let provider = pool.provider.as_str();
    text.push_str(&format!(
        "{} >/dev/null 2>&1 ||\n  {}\n{}",
        in_pools(
            &["providers", "describe", provider],
            &[("--workload-identity-pool", name)]
        ),
        in_pools(&["providers", "create-oidc", provider], &options),
        in_pools(&["providers", "update-oidc", provider], &options),
    ));
    step("The provider: whose tokens it takes, and which of them.", text);
    if let Some(account) = account {
        let bindings = federation.members().into_iter().map(|member| {
            shell::command(
                &[
                    "gcloud",
                    "iam",
                    "service-accounts",
                    "add-iam-policy-binding",
                    account.as_str(),
                ],
                &[
                    project,
                    ("--member", &member),
                    ("--role", USER),
                    ("--condition", "None"),
                ],
            )
        });
        step(
            "Who may impersonate the service account. It takes minutes until it counts.",
            bindings.collect::<Vec<_>>().join("\n"),
        );
    }
}
