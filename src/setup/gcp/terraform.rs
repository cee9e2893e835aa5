//! The same for the `google` provider of Terraform.

use super::{Federation, Identity, LOGS, Plan, USER};
use crate::setup::hcl::{Hcl, Value};

pub(super) fn print(plan: &Plan) -> String {
    let mut hcl = Hcl::default();
    let address = format!("tidegate_{}", plan.place.name.as_str().replace('.', "_"));
    hcl.comment(&format!("tidegate setup gcp: bucket {}", plan.place.name));
    hcl.block(&["terraform"], |hcl| {
        hcl.block(&["required_providers"], |hcl| {
            hcl.attribute(
                "google",
                Value::Reference("{ source = \"hashicorp/google\", version = \">= 5.0\" }"),
            );
        });
    });
    let project = Value::Text;
    if let Identity::Federated(federation) = &plan.identity {
        let Federation {
            pool,
            trusted,
            admitted,
            jwks,
            account,
        } = &**federation;
        hcl.block(
            &["resource", "google_iam_workload_identity_pool", &address],
            |hcl| {
                hcl.attribute("project", project(plan.project.as_str()));
                hcl.attribute("workload_identity_pool_id", Value::Text(pool.pool.as_str()));
            },
        );
        hcl.block(
            &["resource", "google_iam_workload_identity_pool_provider", &address],
            |hcl| {
                hcl.attribute("project", project(plan.project.as_str()));
                hcl.attribute(
                    "workload_identity_pool_id",
                    Value::Reference(&format!(
                        "google_iam_workload_identity_pool.{address}.workload_identity_pool_id"
                    )),
                );
                hcl.attribute(
                    "workload_identity_pool_provider_id",
                    Value::Text(pool.provider.as_str()),
                );
                hcl.attribute(
                    "attribute_condition",
                    Value::Text(&Plan::attribute_condition(admitted)),
                );
                hcl.attribute(
                    "attribute_mapping",
                    Value::Map(&[("google.subject", "assertion.sub")]),
                );
                hcl.block(&["oidc"], |hcl| {
                    hcl.attribute("issuer_uri", Value::Text(trusted.issuer.as_str()));
                    hcl.attribute("allowed_audiences", Value::Texts(&[trusted.audience.to_string()]));
                    if let Some(jwks) = jwks {
                        hcl.attribute("jwks_json", Value::Json(jwks));
                    }
                });
            },
        );
        if let Some(account) = account {
            let account = format!("projects/{}/serviceAccounts/{account}", plan.project);
            for (number, member) in federation.members().iter().enumerate() {
                let address = numbered(&address, number);
                hcl.block(
                    &["resource", "google_service_account_iam_member", &address],
                    |hcl| {
                        hcl.attribute("service_account_id", Value::Text(&account));
                        hcl.attribute("role", Value::Text(USER));
                        hcl.attribute("member", Value::Text(member));
                    },
                );
            }
        }
    }
    hcl.block(&["resource", "google_project_iam_custom_role", &address], |hcl| {
        hcl.attribute("project", project(plan.project.as_str()));
        hcl.attribute("role_id", Value::Text(&plan.role_id()));
        hcl.attribute("title", Value::Text(&format!("Tidegate: {}", plan.place.name)));
        hcl.attribute("permissions", Value::Texts(&plan.permissions()));
    });
    for (number, member) in plan.members().iter().enumerate() {
        let name = numbered(&address, number);
        hcl.block(&["resource", "google_storage_bucket_iam_member", &name], |hcl| {
            hcl.attribute("bucket", Value::Text(plan.place.bucket.as_str()));
            hcl.attribute(
                "role",
                Value::Reference(&format!("google_project_iam_custom_role.{address}.id")),
            );
            hcl.attribute("member", Value::Text(member));
            if let Some(expression) = plan.place_condition() {
                hcl.block(&["condition"], |hcl| {
                    hcl.attribute("title", Value::Text("tidegate"));
                    hcl.attribute("expression", Value::Text(&expression));
                });
            }
        });
    }
    hcl.block(
        &["resource", "google_project_iam_audit_config", &address],
        |hcl| {
            hcl.attribute("project", project(plan.project.as_str()));
            hcl.attribute("service", Value::Text("storage.googleapis.com"));
            for kind in LOGS {
                hcl.block(&["audit_log_config"], |hcl| {
                    hcl.attribute("log_type", Value::Text(kind))
                });
            }
        },
    );
    hcl.finish()
}

/// The first has the plain name.
fn numbered(address: &str, number: usize) -> String {
    match number {
        0 => address.to_owned(),
        number => format!("{address}_{}", number + 1),
    }
}
