//! AWS: an OIDC provider, a role that trusts it, what the role may do, and a bucket that admits nobody else.
//!
//! The bucket's policy denies others the objects and their names, and leaves the settings of the bucket to whoever
//! has them: nobody can lock out the account by pasting it. A session in nobody's name has the subject `target/NAME`,
//! also where others are in the name of principals: that is Tidegate's own, with which it finds out what a target can do.
//!
//! Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html>

use super::document::{list, object, text, texts};
use super::hcl::{Hcl, Value};
use super::{AwsPartition, Document, Format, Place, Plain, Printed, RoleArn, Trusted, shell};
use crate::operation::{Action, ActionGroup, KeyPrefix, Scope};

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
            Format::Commands => commands(plan),
            Format::Json => json(plan).json(),
            Format::Terraform => terraform(plan),
        },
        notes: notes(plan),
    }
}

const VERSION: &str = "2012-10-17";

fn policy(statements: Vec<Document>) -> Document {
    object([
        ("Version", text(VERSION)),
        ("Statement", Document::List(statements)),
    ])
}

impl Plan {
    /// Who may assume the role, and under which conditions.
    pub fn trust_policy(&self) -> Document {
        let mut actions = Vec::new();
        let (principal, condition) = match &self.trust {
            Trust::Token(trusted) => {
                actions.push("sts:AssumeRoleWithWebIdentity");
                (
                    object([("Federated", text(self.provider_arn(trusted)))]),
                    Some(token_condition(trusted)),
                )
            }
            Trust::Principal { arn, external_id } => {
                actions.push("sts:AssumeRole");
                let external_id = external_id
                    .as_ref()
                    .map(|id| object([("StringEquals", object([("sts:ExternalId", text(id.as_str()))]))]));
                (object([("AWS", text(arn.as_str()))]), external_id)
            }
        };
        actions.extend(self.session_tags.then_some("sts:TagSession"));
        actions.extend(self.source_identity.then_some("sts:SetSourceIdentity"));
        let mut statement = vec![
            ("Sid".to_owned(), text("Tidegate")),
            ("Effect".to_owned(), text("Allow")),
            ("Principal".to_owned(), principal),
            ("Action".to_owned(), texts(actions)),
        ];
        statement.extend(condition.map(|condition| ("Condition".to_owned(), condition)));
        policy(vec![Document::Object(statement)])
    }

    /// What the role may do: what forwarded calls need, in this bucket and folder.
    pub fn role_policy(&self) -> Document {
        let mut statements = statements(&self.place, self.role.partition, true);
        statements.extend(self.kms_statement());
        policy(statements)
    }

    /// Nobody but the role gets at the objects, and nobody without TLS.
    pub fn bucket_policy(&self) -> Document {
        let place = &self.place;
        let (bucket, objects) = (
            bucket_arn(place, self.role.partition),
            objects_arn(place, self.role.partition),
        );
        let admitted = std::iter::once(self.role.to_string());
        let admitted = admitted.chain(self.exempt.iter().map(Plain::to_string));
        let others = ("ArnNotEquals", object([("aws:PrincipalArn", texts(admitted))]));
        let deny = |sid: &str, actions, resources, condition| {
            object([
                ("Sid", text(sid)),
                ("Effect", text("Deny")),
                ("Principal", text("*")),
                ("Action", actions),
                ("Resource", resources),
                ("Condition", condition),
            ])
        };
        // Of each virtual bucket its own, so that several folders of one bucket can be denied to others. A name has
        // no capital letters.
        let name = place.name.as_str().replace('-', "H").replace('.', "P");
        let sid = |what: &str| format!("Tidegate{what}Of{name}");
        let listings = texts([
            "s3:ListBucket",
            "s3:ListBucketMultipartUploads",
            "s3:ListBucketVersions",
        ]);
        let names = match place.prefix.is_empty() {
            true => deny(&sid("Names"), listings, text(&*bucket), object([others.clone()])),
            false => deny(
                &sid("Names"),
                texts(["s3:ListBucket", "s3:ListBucketVersions"]),
                text(&*bucket),
                object([others.clone(), prefix_condition(&place.prefix)]),
            ),
        };
        policy(vec![
            deny(&sid("Objects"), text("s3:*"), text(&*objects), object([others])),
            names,
            deny(
                "TidegateTlsOnly",
                text("s3:*"),
                texts([bucket, objects]),
                object([("Bool", object([("aws:SecureTransport", text("false"))]))]),
            ),
        ])
    }

    fn kms_statement(&self) -> Option<Document> {
        let key = self.kms_key.as_ref()?;
        let has = |group| self.place.actions.iter().any(|action| action.group() == group);
        let mut actions = vec!["kms:Decrypt"];
        // An upload in parts reads its parts again when it is completed.
        actions.extend(has(ActionGroup::Write).then_some("kms:GenerateDataKey"));
        let region = key.as_str().split(':').nth(3).unwrap_or_default();
        let domain = match self.role.partition.as_str() {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        // With a bucket key, the bucket is the context; without one, each object is.
        let partition = self.role.partition;
        let contexts = [
            bucket_arn(&self.place, partition),
            objects_arn(&self.place, partition),
        ];
        Some(object([
            ("Sid", text("Key")),
            ("Effect", text("Allow")),
            ("Action", texts(actions)),
            ("Resource", text(key.as_str())),
            (
                "Condition",
                object([
                    (
                        "StringEquals",
                        object([("kms:ViaService", text(format!("s3.{region}.{domain}")))]),
                    ),
                    (
                        "StringLike",
                        object([("kms:EncryptionContext:aws:s3:arn", texts(contexts))]),
                    ),
                ]),
            ),
        ]))
    }

    fn provider_arn(&self, trusted: &Trusted) -> String {
        let (partition, account) = (self.role.partition.as_str(), self.role.account());
        format!(
            "arn:{partition}:iam::{account}:oidc-provider/{}",
            provider_name(trusted)
        )
    }

    fn policy_name(&self) -> String {
        format!("tidegate-{}", self.place.name)
    }
}

/// Puts our statements among those that are there, in the place of those of the same name.
const MERGE: &str = "'.[0] as $old | .[1] as $new | ($new.Statement | map(.Sid)) as $ours |\n      \
    $new + {Statement: ([$old.Statement // [] | if type == \"array\" then .[] else . end |\n        \
    select(.Sid as $sid | $ours | index($sid) | not)] + $new.Statement)}'";

/// The issuer as AWS names it: without its scheme.
fn provider_name(trusted: &Trusted) -> &str {
    let issuer = trusted.issuer.as_str();
    issuer.strip_prefix("https://").unwrap_or(issuer)
}

/// `StringLike` takes a text without wildcards for itself alone.
fn token_condition(trusted: &Trusted) -> Document {
    let provider = provider_name(trusted);
    let audience = (format!("{provider}:aud"), text(trusted.audience.as_str()));
    let name = format!("{provider}:sub");
    let subjects = trusted.subjects.iter().cloned();
    if trusted.beginnings.is_empty() {
        let subject = (name, texts(subjects));
        return object([("StringEquals", Document::Object(vec![audience, subject]))]);
    }
    let beginnings = trusted.beginnings.iter().map(|start| format!("{start}*"));
    object([
        ("StringEquals", Document::Object(vec![audience])),
        (
            "StringLike",
            Document::Object(vec![(name, texts(subjects.chain(beginnings)))]),
        ),
    ])
}

/// The statements that allow a place its actions. MinIO takes them, too.
pub(super) fn statements(place: &Place, partition: AwsPartition, with_settings: bool) -> Vec<Document> {
    let names = |wanted: &dyn Fn(Action) -> bool| -> Vec<String> {
        let wanted = place.actions.iter().filter(|action| wanted(**action));
        wanted.map(|action| format!("s3:{}", action.name())).collect()
    };
    let allow = |sid: &str, actions: Vec<String>, resource: String, condition: Option<Document>| {
        let mut statement = vec![
            ("Sid".to_owned(), text(sid)),
            ("Effect".to_owned(), text("Allow")),
            ("Action".to_owned(), texts(actions)),
            ("Resource".to_owned(), text(resource)),
        ];
        statement.extend(condition.map(|condition| ("Condition".to_owned(), condition)));
        Document::Object(statement)
    };
    let (bucket, objects) = (bucket_arn(place, partition), objects_arn(place, partition));
    let parts = [
        (
            "Objects",
            names(&|action| action.scope() == Scope::Object),
            objects,
            None,
        ),
        (
            "Names",
            names(&|action| lists(action)),
            bucket.clone(),
            (!place.prefix.is_empty()).then(|| object([prefix_condition(&place.prefix)])),
        ),
        (
            "Bucket",
            names(&|action| with_settings && action.scope() == Scope::Bucket && !lists(action)),
            bucket,
            None,
        ),
    ];
    let parts = parts.into_iter().filter(|(_, actions, ..)| !actions.is_empty());
    parts
        .map(|(sid, actions, resource, condition)| allow(sid, actions, resource, condition))
        .collect()
}

/// Whether it knows the prefix that is listed.
fn lists(action: Action) -> bool {
    matches!(action, Action::ListBucket | Action::ListBucketVersions)
}

fn prefix_condition(prefix: &KeyPrefix) -> (&'static str, Document) {
    let pattern = format!("{}*", literal(prefix.as_str()));
    ("StringLike", object([("s3:prefix", text(pattern))]))
}

fn bucket_arn(place: &Place, partition: AwsPartition) -> String {
    format!("arn:{}:s3:::{}", partition.as_str(), place.bucket)
}

fn objects_arn(place: &Place, partition: AwsPartition) -> String {
    format!(
        "{}/{}*",
        bucket_arn(place, partition),
        literal(place.prefix.as_str())
    )
}

/// A text in which nothing is a wildcard or a variable of a policy.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' | '?' | '$' => out.push_str(&format!("${{{c}}}")),
            c => out.push(c),
        }
    }
    out
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

fn commands(plan: &Plan) -> String {
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

fn terraform(plan: &Plan) -> String {
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
    if plan.kms_key.is_some() {
        notes.push("the policy of the KMS key must let the account's IAM policies decide".to_owned());
    }
    notes
}
