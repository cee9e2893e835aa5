//! `tidegate setup gcp`.

use super::known::{Known, audience, unfit};
use super::{Common, Refusal, plain};
use crate::config::{Attribution, CredentialSource, IdentityToken, WorkloadIdentity};
use crate::setup::{Document, Names, Plain, Printed, Trusted, gcp};
use std::path::{Path, PathBuf};

/// What Google is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
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

pub(super) const EXAMPLES: &str = "\
Examples:
  tidegate setup gcp --bucket lake --config tidegate.toml
  tidegate setup gcp --bucket lake --issuer https://s3.acme.example --project acme-data --project-number 123456
  tidegate setup gcp --bucket lake --config tidegate.toml --jwks jwks.json
  tidegate setup gcp --bucket lake --project acme-data --service-account vm@acme-data.iam.gserviceaccount.com";

pub(super) fn print(args: &Args) -> Result<Printed, Refusal> {
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

fn federated(
    args: &Args,
    known: &Known,
    google: Option<&WorkloadIdentity>,
) -> Result<gcp::Identity, Refusal> {
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
    Ok(gcp::Identity::Federated(Box::new(gcp::Federation {
        pool,
        trusted,
        admitted,
        jwks,
        account,
    })))
}

/// A provider has one condition for all who use it: every target of the configuration that does.
fn all_of_provider(
    args: &Args,
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
