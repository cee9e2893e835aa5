//! The same for the `aws` provider of Terraform.

use super::{Plan, Trust};
use crate::setup::hcl::{Hcl, Value};

pub(super) fn print(plan: &Plan) -> String {
    let mut hcl = Hcl::default();
    let name = plan.place.name.as_str().replace('.', "_");
    let role = format!("tidegate_{name}");
    hcl.comment(&format!("tidegate setup aws: bucket {}", plan.place.name));
    hcl.block(&["terraform"], |hcl| {
        hcl.block(&["required_providers"], |hcl| {
            hcl.attribute(
                "aws",
                Value::Reference("{ source = \"hashicorp/aws\", version = \">= 5.0\" }"),
            );
        });
    });
    let mut provider = None;
    if let Trust::Token(trusted) = &plan.trust {
        hcl.block(&["resource", "aws_iam_openid_connect_provider", &role], |hcl| {
            hcl.attribute("url", Value::Text(trusted.issuer.as_str()));
            hcl.attribute("client_id_list", Value::Texts(&[trusted.audience.to_string()]));
        });
        provider = Some(format!("aws_iam_openid_connect_provider.{role}"));
    }
    hcl.block(&["resource", "aws_iam_role", &role], |hcl| {
        hcl.attribute("name", Value::Text(plan.role.name.as_str()));
        if plan.role.path != "/" {
            hcl.attribute("path", Value::Text(&plan.role.path));
        }
        hcl.attribute("assume_role_policy", Value::Json(&plan.trust_policy()));
        if let Some(provider) = &provider {
            hcl.attribute("depends_on", Value::References(&[provider]));
        }
    });
    hcl.block(&["resource", "aws_iam_role_policy", &role], |hcl| {
        hcl.attribute("name", Value::Text(&plan.policy_name()));
        hcl.attribute("role", Value::Reference(&format!("aws_iam_role.{role}.id")));
        hcl.attribute("policy", Value::Json(&plan.role_policy()));
    });
    hcl.block(&["resource", "aws_s3_bucket_policy", &role], |hcl| {
        hcl.attribute("bucket", Value::Text(plan.place.bucket.as_str()));
        hcl.attribute("policy", Value::Json(&plan.bucket_policy()));
    });
    hcl.finish()
}
