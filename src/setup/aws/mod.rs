//! AWS: an OIDC provider, a role that trusts it, what the role may do, and a bucket that admits nobody else.
//!
//! The bucket's policy denies others the objects and their names, and leaves the settings of the bucket to whoever
//! has them: nobody can lock out the account by pasting it. A session in nobody's name has the subject `target/NAME`,
//! also where others are in the name of principals: that is Tidegate's own, with which it finds out what a target can do.
//!
//! Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html>

mod commands;
mod policies;
mod terraform;

pub(crate) use policies::statements;

use super::document::{list, object, text};
use super::{Document, Format, Place, Plain, Printed, RoleArn, Trusted};
use crate::operation::BucketName;

/// What is set up.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bucket.
    pub place: Place,
    /// The role that Tidegate assumes.
    pub role: RoleArn,
    /// Who may assume it.
    pub trust: Trust,
    /// Whether sessions say in `SourceIdentity` in whose name they are.
    pub source_identity: bool,
    /// Whether they have tags.
    pub session_tags: bool,
    /// The key that objects are encrypted with.
    pub kms_key: Option<Plain>,
    /// Who gets at the objects besides the role.
    pub exempt: Vec<Plain>,
    /// Who else of the configuration is at the same place.
    pub neighbours: Neighbours,
}

/// Virtual buckets that are at the same place of the cloud as another one, or in it, or around it.
///
/// What a bucket's policy denies to everybody but one role, it denies to these too.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    /// Their names.
    pub buckets: Vec<BucketName>,
    /// Their roles, where they are not that of the bucket itself.
    pub roles: Vec<RoleArn>,
    /// Those whose credentials are of no role that is known.
    pub of_no_role: Vec<BucketName>,
}

/// Who may assume the role.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Whoever has a token.
    Token(Trusted),
    /// A user or a role: what the machine has.
    Principal {
        /// Its ARN.
        arn: Plain,
        /// Against the confused deputy.
        external_id: Option<Plain>,
    },
}

/// Makes everything that AWS has to be told.
pub fn print(plan: &Plan, format: Format) -> Printed {
    Printed {
        text: match format {
            Format::Commands => commands::print(plan),
            Format::Json => json(plan).json(),
            Format::Terraform => terraform::print(plan),
        },
        notes: notes(plan),
    }
}

fn json(plan: &Plan) -> Document {
    let mut members = Vec::new();
    if let Trust::Token(trusted) = &plan.trust {
        members.push((
            "open_id_connect_provider".to_owned(),
            object([
                ("Url", text(trusted.issuer.as_str())),
                ("ClientIDList", list([trusted.audience.as_str()])),
            ]),
        ));
    }
    members.extend([
        ("role_arn".to_owned(), text(plan.role.to_string())),
        ("trust_policy".to_owned(), plan.trust_policy()),
        ("role_policy".to_owned(), plan.role_policy()),
        ("bucket_policy".to_owned(), plan.bucket_policy()),
    ]);
    Document::Object(members)
}

fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = vec![
        "the bucket policy denies everybody but the role the objects, administrators too: name those who need them with `--exempt`, and try reading through Tidegate before you rely on it".to_owned(),
        "several buckets may share the role: each adds a policy of its own to it; in Terraform, keep provider and role in one file only".to_owned(),
        "root of the account can always delete the bucket policy, and so can whoever may change it".to_owned(),
    ];
    match &plan.trust {
        Trust::Token(trusted) => {
            let issuer = trusted.issuer.as_str();
            let host = issuer
                .strip_prefix("https://")
                .unwrap_or(issuer)
                .split('/')
                .next()
                .unwrap_or_default();
            if host.contains(':') {
                notes.push("AWS takes no issuer with a port".to_owned());
            }
            notes.push(format!(
                "AWS fetches {issuer}/.well-known/openid-configuration and the key set from the internet, with a certificate of a public authority"
            ));
        }
        Trust::Principal { arn, external_id } => {
            notes.push(format!(
                "{arn} needs `sts:AssumeRole` on {} in its own account, too",
                plan.role
            ));
            if external_id.is_none() {
                notes.push("without `--external-id`, whoever can make that principal assume roles can make it assume this one".to_owned());
            }
        }
    }
    if !plan.place.prefix.is_empty() {
        notes.push("AWS asks no prefix of HeadBucket and ListMultipartUploads: with a folder, HeadBucket is refused there, and names of uploads of the whole bucket can be listed by the role, of which Tidegate shows none outside of the folder".to_owned());
        notes.push("others who may list the whole bucket still see the names in the folder".to_owned());
    }
    let names = |buckets: &[BucketName]| {
        let quoted = buckets.iter().map(|name| format!("`{name}`"));
        quoted.collect::<Vec<_>>().join(", ")
    };
    if !plan.neighbours.buckets.is_empty() {
        notes.push(format!(
            "{} of the configuration overlap with this one in `{}`: the bucket policy admits their roles, so print and paste that of each again when a role changes; in Terraform, a bucket has one `aws_s3_bucket_policy`: put the statements of all into it",
            names(&plan.neighbours.buckets),
            plan.place.bucket
        ));
    }
    if !plan.neighbours.of_no_role.is_empty() {
        notes.push(format!(
            "the bucket policy locks {} out, whose credentials are of no role that the configuration names: name whose they are with `--exempt`",
            names(&plan.neighbours.of_no_role)
        ));
    }
    if plan.kms_key.is_some() {
        notes.push("the policy of the KMS key must let the account's IAM policies decide".to_owned());
    }
    notes
}
