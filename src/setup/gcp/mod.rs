//! Google Cloud: a workload identity pool that trusts Tidegate's tokens, and a role on one bucket for whom it lets in.
//!
//! The permissions of the role are those of the calls that Cloud Storage is asked for.
//!
//! Spec: <https://cloud.google.com/iam/docs/workload-identity-federation-with-other-providers>,
//! <https://cloud.google.com/storage/docs/access-control/iam-xml>

mod commands;
mod permissions;
mod terraform;

use super::document::{list, object, text};
use super::{Document, Format, Place, Plain, Printed, Trusted};
use crate::operation::Action;
use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use permissions::permissions;
use std::collections::BTreeSet;

/// What is set up.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bucket.
    pub place: Place,
    /// The project of bucket, role and pool.
    pub project: Plain,
    /// Who gets at the bucket.
    pub identity: Identity,
}

/// Who gets at the bucket.
#[derive(Clone, Debug)]
pub enum Identity {
    /// A service account of a machine, or with a key file.
    Account(Plain),
    /// Whom the pool lets in.
    Federated(Box<Federation>),
}

/// What is trusted of whose tokens.
#[derive(Clone, Debug)]
pub struct Federation {
    /// The pool.
    pub pool: Pool,
    /// Whose tokens count for this bucket.
    pub trusted: Trusted,
    /// Whose tokens the provider takes: those of other targets, too.
    pub admitted: Trusted,
    /// The key set, where Google cannot fetch it.
    pub jwks: Option<Document>,
    /// The account that is impersonated.
    pub account: Option<Plain>,
}

/// A pool and its provider.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The number of the project.
    pub number: Plain,
    /// The pool.
    pub pool: Plain,
    /// The provider.
    pub provider: Plain,
}

/// Makes everything that Google has to be told.
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

impl Plan {
    /// The permissions of the role, sorted.
    pub fn permissions(&self) -> Vec<String> {
        let all: BTreeSet<&str> = self
            .place
            .actions
            .iter()
            .flat_map(|action| permissions(*action))
            .copied()
            .collect();
        all.into_iter().map(str::to_owned).collect()
    }

    /// Which tokens of the issuer the provider takes, in CEL.
    pub fn attribute_condition(trusted: &Trusted) -> String {
        let exactly = trusted
            .subjects
            .iter()
            .map(|subject| format!("assertion.sub == {}", cel(subject)));
        let beginning = trusted
            .beginnings
            .iter()
            .map(|start| format!("assertion.sub.startsWith({})", cel(start)));
        exactly.chain(beginning).collect::<Vec<_>>().join(" || ")
    }

    /// Where the role counts, in CEL; `None` for the whole bucket.
    pub fn place_condition(&self) -> Option<String> {
        let prefix = self.place.prefix.as_str();
        if prefix.is_empty() {
            return None;
        }
        let objects = format!("projects/_/buckets/{}/objects/{prefix}", self.place.bucket);
        Some(format!(
            "resource.name.startsWith({}) || api.getAttribute(\"storage.googleapis.com/objectListPrefix\", \"\").startsWith({})",
            cel(&objects),
            cel(prefix)
        ))
    }

    /// Who has the role on the bucket.
    pub fn members(&self) -> Vec<String> {
        match &self.identity {
            Identity::Account(account) => vec![format!("serviceAccount:{account}")],
            Identity::Federated(federation) => match &federation.account {
                Some(account) => vec![format!("serviceAccount:{account}")],
                None => federation.members(),
            },
        }
    }

    /// At most 64 of letters, digits, `_` and `.`; bucket names have no `_`.
    fn role_id(&self) -> String {
        let name = self.place.name.as_str();
        let id = name.replace('-', "_");
        if id.len() <= 54 {
            return format!("tidegate_{id}");
        }
        let hash = digest::digest(&digest::SHA256, name.as_bytes());
        let hash = HEXLOWER.encode(hash.as_ref().get(..8).unwrap_or_default());
        let head: String = id.chars().take(37).collect();
        format!("tidegate_{head}_{hash}")
    }

    fn role(&self) -> String {
        format!("projects/{}/roles/{}", self.project, self.role_id())
    }

    fn condition(&self) -> Option<Document> {
        let expression = self.place_condition()?;
        Some(object([
            ("title", text("tidegate")),
            ("description", text(format!("the folder of {}", self.place.name))),
            ("expression", text(expression)),
        ]))
    }
}

impl Pool {
    fn name(&self) -> String {
        format!(
            "iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/{}",
            self.number, self.pool
        )
    }

    /// `audience` in Tidegate's configuration.
    pub fn audience(&self) -> String {
        format!("//{}/providers/{}", self.name(), self.provider)
    }
}

impl Federation {
    /// Those who count for this bucket: one subject each, or all of the pool where subjects are principals.
    fn members(&self) -> Vec<String> {
        let pool = self.pool.name();
        if self.trusted.beginnings.is_empty() {
            let subjects = self.trusted.subjects.iter();
            return subjects
                .map(|subject| format!("principal://{pool}/subject/{subject}"))
                .collect();
        }
        vec![format!("principalSet://{pool}/*")]
    }
}

/// A string of CEL.
fn cel(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#))
}

const MAPPING: &str = "google.subject=assertion.sub";
const USER: &str = "roles/iam.workloadIdentityUser";
const LOGS: [&str; 2] = ["DATA_READ", "DATA_WRITE"];

pub(super) fn audit_config() -> Document {
    let logs = LOGS.map(|kind| object([("logType", text(kind))]));
    object([
        ("service", text("storage.googleapis.com")),
        ("auditLogConfigs", Document::List(logs.into())),
    ])
}

fn json(plan: &Plan) -> Document {
    let mut members = Vec::new();
    let mut put = |name: &str, value| members.push((name.to_owned(), value));
    if let Identity::Federated(federation) = &plan.identity {
        let Federation {
            pool,
            trusted,
            admitted,
            jwks,
            account,
        } = &**federation;
        let mut oidc = vec![
            ("issuerUri".to_owned(), text(trusted.issuer.as_str())),
            ("allowedAudiences".to_owned(), list([trusted.audience.as_str()])),
        ];
        oidc.extend(
            jwks.as_ref()
                .map(|jwks| ("jwksJson".to_owned(), text(jwks.json()))),
        );
        put("audience", text(pool.audience()));
        put(
            "provider",
            object([
                (
                    "attributeMapping",
                    object([("google.subject", text("assertion.sub"))]),
                ),
                ("attributeCondition", text(Plan::attribute_condition(admitted))),
                ("oidc", Document::Object(oidc)),
            ]),
        );
        if account.is_some() {
            let binding = object([("role", text(USER)), ("members", list(federation.members()))]);
            put("service_account_binding", binding);
        }
    }
    put(
        "role",
        object([
            ("title", text(format!("Tidegate: {}", plan.place.name))),
            ("includedPermissions", list(plan.permissions())),
            ("stage", text("GA")),
        ]),
    );
    let mut binding = vec![
        ("role".to_owned(), text(plan.role())),
        ("members".to_owned(), list(plan.members())),
    ];
    binding.extend(
        plan.condition()
            .map(|condition| ("condition".to_owned(), condition)),
    );
    put("bucket_binding", Document::Object(binding));
    put("audit_config", audit_config());
    Document::Object(members)
}

fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    match &plan.identity {
        Identity::Federated(federation) => {
            let Federation {
                pool,
                trusted,
                jwks,
                account,
                ..
            } = &**federation;
            notes.push(format!("in the configuration: audience = \"{}\"", pool.audience()));
            notes.push(match jwks {
                Some(_) => "the key set is uploaded: upload it again whenever `tidegate issuer rotate` has added a key, before that one signs".to_owned(),
                None => format!("Google fetches {}/.well-known/openid-configuration and the key set from the internet; where nothing inbound is allowed, upload the key set with `--jwks`", trusted.issuer),
            });
            notes.push("an organisation policy may allow only some issuers: `constraints/iam.workloadIdentityPoolProviders` must have this one".to_owned());
            if account.is_some() && !trusted.beginnings.is_empty() {
                notes.push("Google's log names the service account, and the principal beside it as the one who delegated".to_owned());
            }
            notes.push("new pools, providers and bindings take up to seven minutes until they count".to_owned());
        }
        Identity::Account(_) => notes.push(
            "a key file of a service account is good until it is deleted; `constraints/iam.disableServiceAccountKeyCreation` forbids making any".to_owned(),
        ),
    }
    notes.push("the audit configuration of Terraform is all that the project has for Cloud Storage: write what is there, such as `ADMIN_READ` and exempted members, into it; the commands keep it".to_owned());
    if !plan.place.prefix.is_empty() {
        notes.push(
            "the condition names a folder, of which HeadBucket says nothing: it is refused there".to_owned(),
        );
    }
    if plan.place.actions.contains(&Action::CreateBucket) {
        notes.push(
            "making buckets takes `storage.buckets.create` on the project, which is not granted here"
                .to_owned(),
        );
    }
    notes
}
