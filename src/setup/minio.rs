//! MinIO: a policy, and a user whose keys assume its role or an identity provider whose tokens do.
//!
//! MinIO refuses a policy with an action that it does not know, and takes no escape for a wildcard in a name: a folder
//! with one in its name is refused here.

use super::document::{object, text};
use super::hcl::{Hcl, Value};
use super::{AwsPartition, Document, Format, Place, Plain, Printed, Trusted, aws, shell};
use crate::operation::Action;

/// What is set up.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bucket.
    pub place: Place,
    /// What `mc` calls the server.
    pub alias: Plain,
    /// How Tidegate is known there.
    pub trust: Trust,
}

/// How Tidegate is known.
#[derive(Clone, Debug)]
pub enum Trust {
    /// By its own tokens: `aws-web-identity`.
    Token(Trusted),
    /// By keys that assume a role: `sts-assume-role`.
    Keys,
}

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
pub enum MinioError {
    /// A pattern of MinIO has no escape.
    #[error(
        "the prefix `{0}` has a wildcard or a `$` in it, which a policy of MinIO cannot say; use another folder"
    )]
    Wildcard(String),
}

/// Makes everything that MinIO has to be told.
///
/// # Errors
/// [`MinioError::Wildcard`].
pub fn print(plan: &Plan, format: Format) -> Result<Printed, MinioError> {
    let prefix = plan.place.prefix.as_str();
    if prefix.contains(['*', '?', '$']) {
        return Err(MinioError::Wildcard(prefix.to_owned()));
    }
    Ok(Printed {
        text: match format {
            Format::Commands => commands(plan),
            Format::Json => json(plan).json(),
            Format::Terraform => terraform(plan),
        },
        notes: notes(plan),
    })
}

/// The actions of forwarded calls that MinIO knows; all others it refuses anyway.
const KNOWN: [Action; 36] = [
    Action::AbortMultipartUpload,
    Action::BypassGovernanceRetention,
    Action::CreateBucket,
    Action::DeleteBucket,
    Action::DeleteBucketPolicy,
    Action::DeleteObject,
    Action::DeleteObjectTagging,
    Action::DeleteObjectVersion,
    Action::DeleteObjectVersionTagging,
    Action::GetBucketNotification,
    Action::GetBucketObjectLockConfiguration,
    Action::GetBucketPolicy,
    Action::GetBucketPolicyStatus,
    Action::GetBucketTagging,
    Action::GetBucketVersioning,
    Action::GetEncryptionConfiguration,
    Action::GetLifecycleConfiguration,
    Action::GetObject,
    Action::GetObjectAttributes,
    Action::GetObjectLegalHold,
    Action::GetObjectRetention,
    Action::GetObjectTagging,
    Action::GetObjectVersion,
    Action::GetObjectVersionAttributes,
    Action::GetObjectVersionTagging,
    Action::GetReplicationConfiguration,
    Action::ListBucket,
    Action::ListBucketMultipartUploads,
    Action::ListBucketVersions,
    Action::ListMultipartUploadParts,
    Action::PutObject,
    Action::PutObjectLegalHold,
    Action::PutObjectRetention,
    Action::PutObjectTagging,
    Action::PutObjectVersionTagging,
    Action::RestoreObject,
];

impl Plan {
    /// What Tidegate may do.
    pub fn policy(&self) -> Document {
        let known = self.place.actions.iter().filter(|action| KNOWN.contains(action));
        let place = Place {
            actions: known.copied().collect(),
            ..self.place.clone()
        };
        let statements = aws::statements(&place, AwsPartition::of(None), true);
        object([
            ("Version", text("2012-10-17")),
            ("Statement", Document::List(statements)),
        ])
    }

    fn name(&self) -> String {
        format!("tidegate-{}", self.place.name.as_str().replace('.', "_"))
    }

    /// Credentials are of a target: all of its buckets have one user.
    fn user(&self) -> String {
        format!("tidegate-{}", self.place.target)
    }

    fn discovery(trusted: &Trusted) -> String {
        format!("{}/.well-known/openid-configuration", trusted.issuer)
    }
}

fn json(plan: &Plan) -> Document {
    let mut members = vec![
        ("policy_name".to_owned(), text(plan.name())),
        ("policy".to_owned(), plan.policy()),
    ];
    if let Trust::Token(trusted) = &plan.trust {
        let variable = |name: &str| format!("MINIO_IDENTITY_OPENID_{name}_TIDEGATE");
        members.push((
            "identity_openid".to_owned(),
            Document::Object(vec![
                (variable("CONFIG_URL"), text(Plan::discovery(trusted))),
                (variable("CLIENT_ID"), text(trusted.audience.as_str())),
                (variable("ROLE_POLICY"), text(plan.name())),
            ]),
        ));
    }
    Document::Object(members)
}

fn commands(plan: &Plan) -> String {
    let (alias, name) = (plan.alias.as_str(), plan.name());
    let mut steps = vec![(
        "What Tidegate may do.".to_owned(),
        format!(
            "{}mc admin policy create {alias} {name} \"$dir/policy.json\"",
            shell::file("policy.json", &plan.policy())
        ),
    )];
    match &plan.trust {
        Trust::Token(trusted) => {
            let setting = |name: &str, value: &str| shell::word(&format!("{name}={value}"));
            let settings = [
                setting("config_url", &Plan::discovery(trusted)),
                setting("client_id", trusted.audience.as_str()),
                setting("role_policy", &name),
            ]
            .join(" \\\n    ");
            steps.push((
                "The identity provider; MinIO restarts, and says the ARN of the role.".to_owned(),
                format!(
                    "mc idp openid info {alias} tidegate >/dev/null 2>&1 ||\n  mc idp openid add {alias} tidegate \\\n    {settings}\n\
                     mc idp openid update {alias} tidegate \\\n    {settings}\nmc admin service restart {alias}\n\
                     mc idp openid info {alias} tidegate"
                ),
            ));
        }
        Trust::Keys => {
            let user = plan.user();
            steps.push((
                "The keys that assume the role: a user of its own. They are written to two files, for\n\
                 `[targets.NAME.credentials]`. What is there already is kept."
                    .to_owned(),
                format!(
                    "umask 077\nmkdir -p secrets\n[ -s secrets/{user}.id ] || printf %s {user} > secrets/{user}.id\n\
                     [ -s secrets/{user}.key ] || openssl rand -hex 32 | tr -d '\\n' > secrets/{user}.key\n\
                     {{ cat secrets/{user}.id; echo; cat secrets/{user}.key; echo; }} | mc admin user add {alias}\n\
                     mc admin policy attach {alias} {name} --user {user} ||\n  \
                     mc admin policy entities {alias} --user {user} | grep -q {name}"
                ),
            ));
        }
    }
    shell::script(
        &format!("tidegate setup minio: bucket {}", plan.place.name),
        &steps,
    )
}

fn terraform(plan: &Plan) -> String {
    let mut hcl = Hcl::default();
    let name = plan.name();
    let address = name.replace('-', "_");
    hcl.comment(&format!("tidegate setup minio: bucket {}", plan.place.name));
    hcl.block(&["terraform"], |hcl| {
        hcl.block(&["required_providers"], |hcl| {
            hcl.attribute(
                "minio",
                Value::Reference("{ source = \"aminueza/minio\", version = \">= 3.0\" }"),
            );
        });
    });
    hcl.block(&["resource", "minio_iam_policy", &address], |hcl| {
        hcl.attribute("name", Value::Text(&name));
        hcl.attribute("policy", Value::Json(&plan.policy()));
    });
    if let Trust::Keys = plan.trust {
        hcl.block(&["resource", "minio_iam_user", &address], |hcl| {
            hcl.attribute("name", Value::Text(&plan.user()));
        });
        hcl.block(
            &["resource", "minio_iam_user_policy_attachment", &address],
            |hcl| {
                hcl.attribute(
                    "user_name",
                    Value::Reference(&format!("minio_iam_user.{address}.name")),
                );
                hcl.attribute(
                    "policy_name",
                    Value::Reference(&format!("minio_iam_policy.{address}.id")),
                );
            },
        );
    }
    hcl.finish()
}

fn notes(plan: &Plan) -> Vec<String> {
    match &plan.trust {
        Trust::Token(trusted) => vec![
            format!("MinIO fetches {} and the key set when it starts, and trusts the authorities of its own machine", Plan::discovery(trusted)),
            "MinIO has no conditions on the subject: whoever has a token of this issuer for this audience has the policy, so let the audience be of this server alone".to_owned(),
            "every bucket of this provider adds its policy to `role_policy`, separated by commas".to_owned(),
        ],
        Trust::Keys => vec![
            "in the configuration: kind = \"sts-assume-role\", role_arn = \"arn:minio:iam:::role/tidegate\" (MinIO takes any), and the two files".to_owned(),
        ],
    }
}
