//! Google Cloud: a workload identity pool that trusts Tidegate's tokens, and a role on one bucket for whom it lets in.
//!
//! The permissions of the role are those of the calls that Cloud Storage is asked for. The match over actions has no
//! wildcard: one that is added without its permissions does not compile.
//!
//! Spec: <https://cloud.google.com/iam/docs/workload-identity-federation-with-other-providers>,
//! <https://cloud.google.com/storage/docs/access-control/iam-xml>

use super::document::{list, object, text};
use super::hcl::{Hcl, Value};
use super::{Document, Format, Place, Plain, Printed, Trusted, shell};
use crate::operation::Action;
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
    Federated {
        /// The pool.
        pool: Pool,
        /// Whose tokens count for this bucket.
        trusted: Trusted,
        /// Whose tokens the provider takes: those of other targets, too.
        admitted: Trusted,
        /// The key set, where Google cannot fetch it.
        jwks: Option<Document>,
        /// The account that is impersonated.
        account: Option<Plain>,
    },
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
            Format::Commands => commands(plan),
            Format::Json => json(plan).json(),
            Format::Terraform => terraform(plan),
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
            Identity::Account(account)
            | Identity::Federated {
                account: Some(account),
                ..
            } => {
                vec![format!("serviceAccount:{account}")]
            }
            Identity::Federated { pool, trusted, .. } => pool.members(trusted),
        }
    }

    /// At most 64 of letters, digits, `_` and `.`; bucket names have no `_`.
    fn role_id(&self) -> String {
        let name = self.place.name.as_str().replace('-', "_");
        // 63 characters are a bucket's name; what is cut is told apart by its length and its end.
        match name.len() {
            ..=54 => format!("tidegate_{name}"),
            length => {
                let head: String = name.chars().take(38).collect();
                let tail: String = name.chars().skip(length - 12).collect();
                format!("tidegate_{head}_{length}_{tail}")
            }
        }
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

    /// Those whom the provider takes: one subject each, or all of the pool where subjects are principals.
    fn members(&self, trusted: &Trusted) -> Vec<String> {
        if trusted.beginnings.is_empty() {
            let subjects = trusted.subjects.iter();
            return subjects
                .map(|subject| format!("principal://{}/subject/{subject}", self.name()))
                .collect();
        }
        vec![format!("principalSet://{}/*", self.name())]
    }
}

/// A string of CEL.
fn cel(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#))
}

/// What the XML API wants for an action.
#[allow(clippy::too_many_lines, reason = "it is the table")]
fn permissions(action: Action) -> &'static [&'static str] {
    match action {
        Action::GetObject | Action::GetObjectVersion => &["storage.objects.get"],
        // To overwrite is to delete.
        Action::PutObject => &[
            "storage.multipartUploads.create",
            "storage.objects.create",
            "storage.objects.delete",
        ],
        Action::PutObjectRetention => &["storage.objects.setRetention"],
        Action::BypassGovernanceRetention => &["storage.objects.overrideUnlockedRetention"],
        Action::AbortMultipartUpload => &["storage.multipartUploads.abort"],
        Action::ListMultipartUploadParts => &["storage.multipartUploads.listParts"],
        Action::DeleteObject | Action::DeleteObjectVersion => &["storage.objects.delete"],
        // HeadBucket is a listing to S3, and a look at the bucket to Google.
        Action::ListBucket => &["storage.buckets.get", "storage.objects.list"],
        Action::ListBucketVersions => &["storage.objects.list"],
        Action::ListBucketMultipartUploads => &["storage.multipartUploads.list"],
        Action::GetBucketVersioning => &["storage.buckets.get"],
        Action::DeleteBucket => &["storage.buckets.delete"],
        // Of a project, and so of no role on a bucket.
        Action::CreateBucket => &[],
        // Cloud Storage is not asked for these: Tidegate refuses them, in the caller's words.
        Action::GetObjectAcl
        | Action::GetObjectVersionAcl
        | Action::GetObjectAnnotation
        | Action::GetObjectVersionAnnotation
        | Action::GetObjectAttributes
        | Action::GetObjectVersionAttributes
        | Action::GetObjectLegalHold
        | Action::GetObjectRetention
        | Action::GetObjectTagging
        | Action::GetObjectVersionTagging
        | Action::PutObjectAnnotation
        | Action::PutObjectLegalHold
        | Action::PutObjectTagging
        | Action::PutObjectVersionTagging
        | Action::DeleteObjectTagging
        | Action::DeleteObjectVersionTagging
        | Action::RestoreObject
        | Action::GetAccelerateConfiguration
        | Action::GetBucketAcl
        | Action::GetBucketLocation
        | Action::GetBucketObjectLockConfiguration
        | Action::GetBucketPolicyStatus
        | Action::GetBucketRequestPayment
        | Action::GetBucketTagging
        | Action::GetEncryptionConfiguration
        | Action::PutObjectAcl
        | Action::PutObjectVersionAcl
        | Action::PutObjectWebsiteRedirect
        | Action::CreateBucketMetadataTableConfiguration
        | Action::DeleteBucketPolicy
        | Action::DeleteBucketWebsite
        | Action::GetAnalyticsConfiguration
        | Action::GetBucketAbac
        | Action::GetBucketCORS
        | Action::GetBucketLogging
        | Action::GetBucketMetadataTableConfiguration
        | Action::GetBucketNotification
        | Action::GetBucketOwnershipControls
        | Action::GetBucketPolicy
        | Action::GetBucketPublicAccessBlock
        | Action::GetBucketWebsite
        | Action::GetIntelligentTieringConfiguration
        | Action::GetInventoryConfiguration
        | Action::GetLifecycleConfiguration
        | Action::GetMetricsConfiguration
        | Action::GetReplicationConfiguration
        | Action::PutAccelerateConfiguration
        | Action::PutAnalyticsConfiguration
        | Action::PutBucketAbac
        | Action::PutBucketAcl
        | Action::PutBucketCORS
        | Action::PutBucketLogging
        | Action::PutBucketNotification
        | Action::PutBucketObjectLockConfiguration
        | Action::PutBucketOwnershipControls
        | Action::PutBucketPolicy
        | Action::PutBucketPublicAccessBlock
        | Action::PutBucketRequestPayment
        | Action::PutBucketTagging
        | Action::PutBucketVersioning
        | Action::PutBucketWebsite
        | Action::PutEncryptionConfiguration
        | Action::PutIntelligentTieringConfiguration
        | Action::PutInventoryConfiguration
        | Action::PutLifecycleConfiguration
        | Action::PutMetricsConfiguration
        | Action::PutReplicationConfiguration
        | Action::UpdateBucketMetadataAnnotationTableConfiguration
        | Action::UpdateBucketMetadataInventoryTableConfiguration
        | Action::UpdateBucketMetadataJournalTableConfiguration => &[],
    }
}

const MAPPING: &str = "google.subject=assertion.sub";
const USER: &str = "roles/iam.workloadIdentityUser";
const LOGS: [&str; 2] = ["DATA_READ", "DATA_WRITE"];

fn audit_config() -> Document {
    let logs = LOGS.map(|kind| object([("logType", text(kind))]));
    object([
        ("service", text("storage.googleapis.com")),
        ("auditLogConfigs", Document::List(logs.into())),
    ])
}

fn json(plan: &Plan) -> Document {
    let mut members = Vec::new();
    let mut put = |name: &str, value| members.push((name.to_owned(), value));
    if let Identity::Federated {
        pool,
        trusted,
        admitted,
        jwks,
        account,
    } = &plan.identity
    {
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
            let binding = object([("role", text(USER)), ("members", list(pool.members(trusted)))]);
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

fn commands(plan: &Plan) -> String {
    let mut steps = Vec::new();
    let mut step = |comment: &str, text: String| steps.push((comment.to_owned(), text));
    let project = ("--project", plan.project.as_str());
    if let Identity::Federated { .. } = &plan.identity {
        federation(&mut step, project, &plan.identity);
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
             '.auditConfigs = [(.auditConfigs // [])[] | select(.service != \"storage.googleapis.com\")] + $audit' \\\n    \
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

fn federation(step: &mut impl FnMut(&str, String), project: (&'static str, &str), identity: &Identity) {
    let Identity::Federated {
        pool,
        trusted,
        admitted,
        jwks,
        account,
    } = identity
    else {
        return;
    };
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
        let bindings = pool.members(trusted).into_iter().map(|member| {
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

fn terraform(plan: &Plan) -> String {
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
    if let Identity::Federated {
        pool,
        trusted,
        admitted,
        jwks,
        account,
    } = &plan.identity
    {
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
            for (number, member) in pool.members(trusted).iter().enumerate() {
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

fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    match &plan.identity {
        Identity::Federated {
            pool,
            trusted,
            jwks,
            account,
            ..
        } => {
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
