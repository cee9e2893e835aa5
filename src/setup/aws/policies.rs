//! The policies: who may assume the role, what the role may do, and who is kept from the bucket.
//!
//! What comes from a configuration stands in them as a value of JSON, and in patterns with everything escaped that a
//! pattern understands.

use super::{Plan, Trust};
use crate::operation::{Action, ActionGroup, KeyPrefix, Scope};
use crate::setup::document::{object, text, texts};
use crate::setup::{AwsPartition, Document, Place, Plain, RoleArn, Trusted};

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

    /// Nobody but the role, and those of others at the same place, gets at the objects, and nobody without TLS.
    pub fn bucket_policy(&self) -> Document {
        let place = &self.place;
        let (bucket, objects) = (
            bucket_arn(place, self.role.partition),
            objects_arn(place, self.role.partition),
        );
        let neighbours = self.neighbours.roles.iter().filter(|role| **role != self.role);
        let admitted = std::iter::once(&self.role)
            .chain(neighbours)
            .map(RoleArn::to_string);
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
                &sid("TlsOnly"),
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

    pub(super) fn provider_arn(&self, trusted: &Trusted) -> String {
        let (partition, account) = (self.role.partition.as_str(), self.role.account());
        format!(
            "arn:{partition}:iam::{account}:oidc-provider/{}",
            provider_name(trusted)
        )
    }

    pub(super) fn policy_name(&self) -> String {
        format!("tidegate-{}", self.place.name)
    }
}

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
pub(crate) fn statements(place: &Place, partition: AwsPartition, with_settings: bool) -> Vec<Document> {
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
