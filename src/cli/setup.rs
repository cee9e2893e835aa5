//! `tidegate setup`: what a cloud has to be told so that it trusts Tidegate with a bucket.
//!
//! What the configuration says is taken from there; before there is one, options say it. Nothing is called: the text is
//! for whoever has the right to change the cloud.

use super::wiring;
use crate::config::{
    self, AssumedRole, Attribution, Config, CredentialSource, IdentityToken, RoleProof, WorkloadIdentity,
};
use crate::operation::{BucketName, KeyPrefix};
use crate::setup::{
    Access, AwsAccount, AwsPartition, Document, Format, Names, Place, Plain, Printed, RoleArn, Trusted, aws,
    gcp, minio, needed,
};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

/// `tidegate setup`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which cloud.
    #[command(subcommand)]
    pub cloud: Cloud,
}

/// Which cloud.
#[derive(Debug, clap::Subcommand)]
pub enum Cloud {
    /// AWS: OIDC provider, role, what it may do, and a bucket that admits nobody else
    #[command(after_help = AWS)]
    Aws(Box<Aws>),
    /// Google Cloud: workload identity pool, role on the bucket, data access logs
    #[command(after_help = GCP)]
    Gcp(Box<Gcp>),
    /// MinIO: policy, and keys or an identity provider
    #[command(after_help = MINIO)]
    Minio(Box<Minio>),
}

/// What all clouds are asked.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// The bucket, by the name callers use
    #[arg(long, value_name = "NAME", value_parser = BucketName::parse)]
    pub bucket: BucketName,
    /// The configuration; without it, options say what it would
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// How much Tidegate may do there; default: what the bucket's policies may permit, or `write` without a configuration
    #[arg(long, value_enum)]
    pub access: Option<Access>,
    /// The bucket's name in the cloud; default: the same
    #[arg(long, value_name = "NAME", value_parser = BucketName::parse, conflicts_with = "config")]
    pub target_bucket: Option<BucketName>,
    /// The folder of it, such as `teams/a/`; default: all of it
    #[arg(long, value_name = "FOLDER", value_parser = KeyPrefix::parse, conflicts_with = "config")]
    pub prefix: Option<KeyPrefix>,
    /// What the configuration will call the target; default: the bucket's name
    #[arg(long, value_name = "NAME", value_parser = plain(Names::OWN), conflicts_with = "config")]
    pub target: Option<Plain>,
    /// `[issuer] url` of the configuration, or that of whoever else issues the tokens
    #[arg(long, value_name = "URL", value_parser = plain(Names::ISSUER))]
    pub issuer: Option<Plain>,
    /// The audience of the tokens; default: what the cloud expects
    #[arg(long, value_name = "TEXT", value_parser = plain(Names::AUDIENCE))]
    pub audience: Option<Plain>,
    /// The subject of tokens that are not Tidegate's own
    #[arg(long, value_name = "TEXT", value_parser = plain(Names::SUBJECT))]
    pub subject: Option<Plain>,
    /// Sessions are in the name of principals of this issuer in `[[issuers]]`; may be repeated
    #[arg(long = "principals-of", value_name = "NAME", value_parser = plain(Names::OWN), conflicts_with = "config")]
    pub principals_of: Vec<Plain>,
}

/// What AWS is asked.
#[derive(Debug, clap::Args)]
pub struct Aws {
    /// What all clouds are asked.
    #[command(flatten)]
    pub common: Common,
    /// The account of the role; default: that of the role in the configuration
    #[arg(long, value_name = "DIGITS", value_parser = AwsAccount::parse)]
    pub account_id: Option<AwsAccount>,
    /// The role's name
    #[arg(long, value_name = "NAME", default_value = "tidegate", value_parser = plain(Names::ROLE))]
    pub role_name: Plain,
    /// The bucket's region: it tells the partition
    #[arg(long, value_name = "NAME", value_parser = plain(Names::REGION))]
    pub region: Option<Plain>,
    /// The KMS key of the bucket
    #[arg(long, value_name = "ARN", value_parser = plain(Names::ARN))]
    pub kms_key: Option<Plain>,
    /// A role or user that gets at the objects besides; may be repeated
    #[arg(long, value_name = "ARN", value_parser = plain(Names::ARN))]
    pub exempt: Vec<Plain>,
    /// The role or user that Tidegate's machine has, for `aws-assume-role`
    #[arg(long, value_name = "ARN", value_parser = plain(Names::ARN))]
    pub trusted: Option<Plain>,
    /// `external_id` of `aws-assume-role`
    #[arg(long, value_name = "TEXT", value_parser = plain(Names::EXTERNAL_ID), requires = "trusted")]
    pub external_id: Option<Plain>,
}

/// What Google is asked.
#[derive(Debug, clap::Args)]
pub struct Gcp {
    /// What all clouds are asked.
    #[command(flatten)]
    pub common: Common,
    /// The project's id; default: `project` of the target
    #[arg(long, value_name = "ID", value_parser = plain(Names::PROJECT))]
    pub project: Option<Plain>,
    /// The project's number, for the pool; default: that of `audience` in the configuration
    #[arg(long, value_name = "NUMBER", value_parser = plain(Names::NUMBER))]
    pub project_number: Option<Plain>,
    /// The workload identity pool
    #[arg(long, value_name = "NAME", default_value = "tidegate", value_parser = plain(Names::POOL))]
    pub pool: Plain,
    /// Its provider
    #[arg(long, value_name = "NAME", default_value = "tidegate", value_parser = plain(Names::POOL))]
    pub provider: Plain,
    /// The service account that is impersonated, or that the machine has
    #[arg(long, value_name = "EMAIL", value_parser = plain(Names::SERVICE_ACCOUNT))]
    pub service_account: Option<Plain>,
    /// The key set, to be uploaded where Google cannot fetch it: what `tidegate issuer jwks` prints
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
}

/// What MinIO is asked.
#[derive(Debug, clap::Args)]
pub struct Minio {
    /// What all clouds are asked.
    #[command(flatten)]
    pub common: Common,
    /// What `mc` calls the server
    #[arg(long, value_name = "NAME", default_value = "minio", value_parser = plain(Names::MINIO))]
    pub alias: Plain,
}

const EXAMPLES: &str = "\
Examples:
  tidegate setup aws --bucket lake --config tidegate.toml                     commands to paste
  tidegate setup gcp --bucket lake --config tidegate.toml --format terraform > lake.tf
  tidegate setup minio --bucket lake --config tidegate.toml --format json

Nothing is called and nothing is changed. What to know about it goes to standard error.

Exit codes: 0 it was printed, 1 something is missing or wrong, 2 the command was not understood.";
const AWS: &str = "\
Examples:
  tidegate setup aws --bucket lake --config tidegate.toml
  tidegate setup aws --bucket lake --target-bucket acme-lake --issuer https://s3.acme.example --account-id 123456789012
  tidegate setup aws --bucket lake --account-id 123456789012 \\
      --trusted arn:aws:iam::123456789012:role/gateway --external-id acme-7
  tidegate setup aws --bucket lake --config tidegate.toml --format terraform > lake.tf";
const GCP: &str = "\
Examples:
  tidegate setup gcp --bucket lake --config tidegate.toml
  tidegate setup gcp --bucket lake --issuer https://s3.acme.example --project acme-data --project-number 123456
  tidegate setup gcp --bucket lake --config tidegate.toml --jwks jwks.json
  tidegate setup gcp --bucket lake --project acme-data --service-account vm@acme-data.iam.gserviceaccount.com";
const MINIO: &str = "\
Examples:
  tidegate setup minio --bucket lake --config tidegate.toml --alias store
  tidegate setup minio --bucket lake                                          keys that assume a role
  tidegate setup minio --bucket lake --issuer https://s3.acme.example         Tidegate's own tokens";

type Refusal = Box<dyn Error>;

/// Prints it to `out`, and to `notes` what to know about it.
///
/// # Errors
/// What is missing, or wrong with the configuration.
pub fn run(args: &Args, out: &mut dyn Write, notes: &mut dyn Write) -> Result<bool, Refusal> {
    let printed = match &args.cloud {
        Cloud::Aws(args) => of_aws(args)?,
        Cloud::Gcp(args) => of_gcp(args)?,
        Cloud::Minio(args) => of_minio(args)?,
    };
    out.write_all(printed.text.as_bytes())?;
    for note in printed.notes {
        writeln!(notes, "tidegate: {note}")?;
    }
    Ok(true)
}

fn plain(names: Names) -> impl Fn(&str) -> Result<Plain, crate::setup::NameError> + Clone + Send + Sync {
    move |text| names.parse(text)
}

/// What is known of a bucket.
struct Known {
    place: Place,
    config: Option<Config>,
    region: Option<Plain>,
}

impl Known {
    fn of(common: &Common) -> Result<Self, Refusal> {
        match &common.config {
            Some(path) => Self::configured(common, path),
            None => Ok(Self {
                place: Place {
                    name: common.bucket.clone(),
                    target: match &common.target {
                        Some(name) => name.as_str().into(),
                        None => default_target(&common.bucket)?,
                    },
                    bucket: common
                        .target_bucket
                        .clone()
                        .unwrap_or_else(|| common.bucket.clone()),
                    prefix: common.prefix.clone().unwrap_or_default(),
                    actions: needed(common.access.unwrap_or_default(), None, false),
                },
                config: None,
                region: None,
            }),
        }
    }

    fn configured(common: &Common, path: &Path) -> Result<Self, Refusal> {
        let config = config::load(path)?;
        let Some(bucket) = config.buckets.get(&common.bucket) else {
            let names: Vec<&str> = config.buckets.keys().map(BucketName::as_str).collect();
            return Err(format!(
                "there is no bucket `{}` in `{}`; it has: {}",
                common.bucket,
                path.display(),
                names.join(", ")
            )
            .into());
        };
        let permitted = wiring::grantable(&config, &common.bucket)?;
        let access = common.access.unwrap_or(Access::Manage);
        let actions = needed(access, Some(&permitted), bucket.create);
        if actions.is_empty() {
            return Err(format!(
                "no policy permits anything in bucket `{}` that needs the target: write `{}` first",
                bucket.name,
                bucket.policy.display()
            )
            .into());
        }
        Ok(Self {
            place: Place {
                name: bucket.name.clone(),
                target: bucket.target.name.clone(),
                bucket: bucket.target_bucket.clone(),
                prefix: bucket.prefix.clone(),
                actions,
            },
            region: Names::REGION.parse(&bucket.target.region).ok(),
            config: Some(config),
        })
    }

    fn source(&self) -> Option<&CredentialSource> {
        let target = self.config.as_ref()?.targets.get(&self.place.target)?;
        Some(&target.credentials)
    }

    /// Whose tokens: Tidegate's own, or those that a file has.
    fn trusted(
        &self,
        common: &Common,
        audience: Plain,
        attribution: Attribution,
    ) -> Result<Trusted, Refusal> {
        let is_file = self
            .source()
            .and_then(CredentialSource::identity_token)
            .is_some_and(|token| matches!(token, IdentityToken::File(_)));
        if is_file && (common.issuer.is_none() || common.subject.is_none()) {
            return Err(
                "the token of a file is somebody else's: say `--issuer` and `--subject` of it".into(),
            );
        }
        let own = self.config.as_ref().and_then(|config| config.issuer.as_ref());
        let issuer = match (&common.issuer, own) {
            (Some(issuer), _) => issuer.clone(),
            (None, Some(own)) => Names::ISSUER.parse(&own.url)?,
            (None, None) => {
                return Err(
                    "nobody issues tokens: say `--issuer`, or write `[issuer]` into the configuration".into(),
                );
            }
        };
        let subjects = match &common.subject {
            Some(subject) => vec![subject.to_string()],
            None => vec![self.place.subject()],
        };
        let names: Vec<String> = match (&self.config, attribution) {
            (Some(_), Attribution::Shared) => Vec::new(),
            (Some(config), Attribution::PerPrincipal) => config
                .issuers
                .iter()
                .map(|issuer| issuer.name.to_string())
                .collect(),
            (None, _) => common.principals_of.iter().map(Plain::to_string).collect(),
        };
        Ok(Trusted {
            issuer,
            audience,
            subjects,
            beginnings: names.into_iter().map(|name| format!("{name}:")).collect(),
        })
    }
}

impl Known {
    /// Whose tokens something takes that several targets use: those of all targets whose credentials are of the
    /// `same` kind, too, and in whose name.
    fn with_all(
        &self,
        common: &Common,
        mut trusted: Trusted,
        same: impl Fn(&CredentialSource) -> Option<Attribution>,
    ) -> Trusted {
        let (Some(config), None) = (&self.config, &common.subject) else {
            return trusted;
        };
        for target in config.targets.values() {
            let is_own = matches!(
                target.credentials.identity_token(),
                Some(IdentityToken::Own { .. })
            );
            let Some(attribution) = same(&target.credentials).filter(|_| is_own) else {
                continue;
            };
            trusted.subjects.push(format!("target/{}", target.name));
            if attribution == Attribution::PerPrincipal {
                let names = config.issuers.iter().map(|issuer| format!("{}:", issuer.name));
                trusted.beginnings.extend(names);
            }
        }
        for texts in [&mut trusted.subjects, &mut trusted.beginnings] {
            texts.sort();
            texts.dedup();
        }
        trusted
    }
}

fn default_target(bucket: &BucketName) -> Result<Box<str>, Refusal> {
    let name = Names::OWN.parse(bucket.as_str());
    Ok(name
        .map_err(|_| "no target can have the bucket's name: say `--target`")?
        .as_str()
        .into())
}

fn of_aws(args: &Aws) -> Result<Printed, Refusal> {
    let known = Known::of(&args.common)?;
    let role = match known.source() {
        Some(CredentialSource::Role(role)) => Some(role.clone()),
        Some(CredentialSource::Static(_)) | None => None,
        Some(other) => return Err(unfit(&known, other, "`aws-web-identity` or `aws-assume-role`")),
    };
    let region = args.region.clone().or_else(|| known.region.clone());
    let arn = match (&args.account_id, &role) {
        (Some(account), _) => RoleArn::new(
            AwsPartition::of(region.as_ref()),
            account.clone(),
            args.role_name.clone(),
        ),
        (None, Some(role)) => RoleArn::parse(&role.role_arn)?,
        (None, None) => return Err("the role's account is not known: say `--account-id`".into()),
    };
    let principals = !args.common.principals_of.is_empty();
    let named = |of: fn(&AssumedRole) -> bool| role.as_ref().map_or(principals, of);
    let (source_identity, session_tags) = (
        named(|role| role.source_identity),
        named(|role| role.session_tags),
    );
    let trust = match &args.trusted {
        Some(trusted) => aws::Trust::Principal {
            arn: trusted.clone(),
            external_id: external_id(args, role.as_ref())?,
        },
        None => of_token(args, &known, role.as_ref())?,
    };
    let plan = aws::Plan {
        place: known.place,
        role: arn,
        trust,
        source_identity,
        session_tags,
        kms_key: args.kms_key.clone(),
        exempt: args.exempt.clone(),
    };
    Ok(aws::print(&plan, args.common.format))
}

fn of_token(args: &Aws, known: &Known, role: Option<&AssumedRole>) -> Result<aws::Trust, Refusal> {
    let configured = match role.map(|role| &role.proof) {
        Some(RoleProof::Ambient { .. } | RoleProof::Keys { .. }) => {
            return Err("say in `--trusted` which role or user assumes it: that of Tidegate's machine, or of its keys".into());
        }
        Some(RoleProof::WebIdentity(IdentityToken::Own { audience })) => Some(audience),
        Some(RoleProof::WebIdentity(IdentityToken::File(_))) | None => None,
    };
    let audience = audience(&args.common, configured.map(|text| &**text), "sts.amazonaws.com")?;
    let attribution = role.map_or(Attribution::Shared, |role| role.attribution);
    Ok(aws::Trust::Token(known.trusted(
        &args.common,
        audience,
        attribution,
    )?))
}

fn external_id(args: &Aws, role: Option<&AssumedRole>) -> Result<Option<Plain>, Refusal> {
    if let Some(id) = &args.external_id {
        return Ok(Some(id.clone()));
    }
    let configured = match role.map(|role| &role.proof) {
        Some(RoleProof::Ambient { external_id, .. } | RoleProof::Keys { external_id, .. }) => {
            external_id.as_deref()
        }
        Some(RoleProof::WebIdentity(_)) | None => None,
    };
    Ok(configured.map(|id| Names::EXTERNAL_ID.parse(id)).transpose()?)
}

fn audience(common: &Common, configured: Option<&str>, default: &str) -> Result<Plain, Refusal> {
    match &common.audience {
        Some(audience) => Ok(audience.clone()),
        None => Ok(Names::AUDIENCE.parse(configured.unwrap_or(default))?),
    }
}

fn unfit(known: &Known, source: &CredentialSource, accepted: &str) -> Refusal {
    format!(
        "target `{}` has credentials of kind `{}`: write {accepted} into the configuration first",
        known.place.target,
        source.kind()
    )
    .into()
}

fn of_gcp(args: &Gcp) -> Result<Printed, Refusal> {
    let known = Known::of(&args.common)?;
    let target = known
        .config
        .as_ref()
        .and_then(|config| config.targets.get(&known.place.target));
    let project = match (&args.project, target.and_then(|target| target.project.as_deref())) {
        (Some(project), _) => project.clone(),
        (None, Some(project)) => Names::PROJECT.parse(project)?,
        (None, None) => return Err("the project is not known: say `--project`".into()),
    };
    let account = |configured: &str| match &args.service_account {
        Some(account) => Ok::<_, Refusal>(account.clone()),
        None => Ok(Names::SERVICE_ACCOUNT
            .parse(configured)
            .map_err(|_| "the service account is not known: say `--service-account`")?),
    };
    let identity = match known.source() {
        Some(CredentialSource::WorkloadIdentity(google)) => federated(args, &known, Some(google))?,
        Some(CredentialSource::Metadata(machine)) => {
            gcp::Identity::Account(account(&machine.service_account)?)
        }
        Some(CredentialSource::ServiceAccountFile(_)) => gcp::Identity::Account(account("")?),
        Some(other @ CredentialSource::Role(_)) => {
            return Err(unfit(&known, other, "`google-workload-identity`"));
        }
        Some(CredentialSource::Static(_) | CredentialSource::AccessToken { .. }) | None => {
            match args.service_account.is_some() && args.project_number.is_none() {
                true => gcp::Identity::Account(account("")?),
                false => federated(args, &known, None)?,
            }
        }
    };
    let plan = gcp::Plan {
        place: known.place,
        project,
        identity,
    };
    Ok(gcp::print(&plan, args.common.format))
}

fn federated(args: &Gcp, known: &Known, google: Option<&WorkloadIdentity>) -> Result<gcp::Identity, Refusal> {
    let pool = match google {
        Some(google) => pool(&google.provider)?,
        None => gcp::Pool {
            number: args
                .project_number
                .clone()
                .ok_or("the project's number is not known: say `--project-number`")?,
            pool: args.pool.clone(),
            provider: args.provider.clone(),
        },
    };
    let configured = google.and_then(|google| match &google.token {
        IdentityToken::Own { audience } => Some(&**audience),
        IdentityToken::File(_) => None,
    });
    let default = format!("https:{}", pool.audience());
    let audience = audience(&args.common, configured, &default)?;
    let attribution = google.map_or(Attribution::Shared, |google| google.attribution);
    let trusted = known.trusted(&args.common, audience, attribution)?;
    let account = match (
        &args.service_account,
        google.and_then(|google| google.service_account.as_deref()),
    ) {
        (Some(account), _) => Some(account.clone()),
        (None, Some(account)) => Some(Names::SERVICE_ACCOUNT.parse(account)?),
        (None, None) => None,
    };
    let admitted = all_of_provider(args, known, google, trusted.clone());
    let jwks = args.jwks.as_deref().map(key_set).transpose()?;
    Ok(gcp::Identity::Federated {
        pool,
        trusted,
        admitted,
        jwks,
        account,
    })
}

/// A provider has one condition for all who use it: every target of the configuration that does.
fn all_of_provider(
    args: &Gcp,
    known: &Known,
    google: Option<&WorkloadIdentity>,
    trusted: Trusted,
) -> Trusted {
    let same = |source: &CredentialSource| match (source, google) {
        (CredentialSource::WorkloadIdentity(other), Some(google)) if other.provider == google.provider => {
            Some(other.attribution)
        }
        _ => None,
    };
    known.with_all(&args.common, trusted, same)
}

/// `//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`.
fn pool(provider: &str) -> Result<gcp::Pool, Refusal> {
    let parts: Vec<&str> = provider.split('/').collect();
    match parts.as_slice() {
        [
            "",
            "",
            "iam.googleapis.com",
            "projects",
            number,
            "locations",
            "global",
            "workloadIdentityPools",
            pool,
            "providers",
            provider,
        ] => Ok(gcp::Pool {
            number: Names::NUMBER.parse(number)?,
            pool: Names::POOL.parse(pool)?,
            provider: Names::POOL.parse(provider)?,
        }),
        _ => Err("`audience` in the configuration names no pool of googleapis.com: set it up by hand".into()),
    }
}

/// A key set, read as JSON and with keys that are public.
fn key_set(path: &Path) -> Result<Document, Refusal> {
    let wrong = |problem: &str| Refusal::from(format!("`{}` is no key set: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| wrong("it is not JSON"))?;
    let keys = value.get("keys").and_then(serde_json::Value::as_array);
    let keys = keys
        .filter(|keys| !keys.is_empty())
        .ok_or_else(|| wrong("it has no `keys`"))?;
    for key in keys {
        if ["d", "p", "q", "k"]
            .iter()
            .any(|private| key.get(private).is_some())
        {
            return Err(wrong("a private key is in it, which must not leave this machine"));
        }
        let is_text = |name| key.get(name).is_some_and(serde_json::Value::is_string);
        if !(is_text("kty") && is_text("kid")) {
            return Err(wrong("a key has no `kty` or no `kid`"));
        }
    }
    Ok(value.into())
}

fn of_minio(args: &Minio) -> Result<Printed, Refusal> {
    let known = Known::of(&args.common)?;
    let own = |configured: Option<&str>, attribution| {
        // Of which this server is the only one: see the notes.
        let default = format!("minio-{}", known.place.target);
        let audience = audience(&args.common, configured, &default)?;
        Ok::<_, Refusal>(minio::Trust::Token(known.trusted(
            &args.common,
            audience,
            attribution,
        )?))
    };
    let trust = match known.source() {
        Some(CredentialSource::Role(role)) => match &role.proof {
            RoleProof::WebIdentity(IdentityToken::Own { audience }) => own(Some(audience), role.attribution)?,
            RoleProof::WebIdentity(IdentityToken::File(_)) => own(None, role.attribution)?,
            RoleProof::Keys { .. } => minio::Trust::Keys,
            RoleProof::Ambient { .. } => {
                return Err(unfit(
                    &known,
                    &CredentialSource::Role(role.clone()),
                    "`sts-assume-role`",
                ));
            }
        },
        Some(CredentialSource::Static(_)) | None => match &args.common.issuer {
            Some(_) => own(None, Attribution::Shared)?,
            None => minio::Trust::Keys,
        },
        Some(other) => return Err(unfit(&known, other, "`sts-assume-role`")),
    };
    let plan = minio::Plan {
        place: known.place,
        alias: args.alias.clone(),
        trust,
    };
    Ok(minio::print(&plan, args.common.format)?)
}
