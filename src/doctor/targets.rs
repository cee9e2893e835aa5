//! A target: is it there, does its cloud give us a credential, and what may that do in each bucket?

use super::buckets::{self, Trial};
use super::reach::{Place, SET_CLOCK};
use super::ward::{Seen, Ward};
use super::{Line, Outcome, Side};
use crate::authn::service_keys::in_words;
use crate::clock::Clock;
use crate::config::{
    AssumedRole, Bucket, Config, CredentialSource, Endpoint, RoleProof, Target, WorkloadIdentity,
};
use crate::credentials::{Credential, GoogleError, Resources, Scope, SourceError};
use crate::error::with_causes;
use crate::fetch::FetchError;
use crate::generation::TargetSide;
use jiff::SignedDuration;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// For a credential: an identity token, a token service, and an impersonation.
const PATIENCE: Duration = Duration::from_secs(20);
/// A credential that ends sooner was hardly meant to.
const SHORT: SignedDuration = SignedDuration::from_mins(5);

/// What is examined.
pub(super) struct Case {
    pub(super) config: Arc<Config>,
    pub(super) target: Arc<Target>,
    pub(super) buckets: Vec<Arc<Bucket>>,
    pub(super) resources: Resources,
    pub(super) trial: Trial,
}

/// Examines a target and its buckets.
pub(super) async fn examine(case: Case) -> Seen {
    let (name, clock) = (case.target.name.clone(), case.resources.clock.clone());
    let mut places = Ward::default();
    for place in places_of(&case.target) {
        let clock = clock.clone();
        places.admit(("connect", place.name.clone()), PATIENCE, async move {
            let reached = place.reach(&clock).await;
            Seen {
                lines: vec![reached.line],
                clocks: reached
                    .drift
                    .map(|drift| (place.name, drift))
                    .into_iter()
                    .collect(),
            }
        });
    }
    let made = TargetSide::new(&case.target, &case.config, &case.resources).map(Arc::new);
    let credential = async {
        match &made {
            Err(problem) => Err(unusable(&name, problem.clone())),
            Ok(side) => match tokio::time::timeout(PATIENCE, side.credentials.ask(Scope::own())).await {
                Ok(Ok(credential)) => Ok(of_credential(&case.target, &credential, &clock)),
                Ok(Err(error)) => Err(of_refusal(&case.target, &error)),
                Err(_) => Err(Line::fail(
                    "credential",
                    &*name,
                    format!("none within {PATIENCE:?}"),
                    Side::TokenService,
                    "look whether its endpoints are reached",
                )),
            },
        }
    };
    let (mut seen, credential) = tokio::join!(places.discharge(), credential);
    // The target itself is the first of the places.
    let is_there = seen
        .lines
        .first()
        .is_none_or(|line| line.outcome != Outcome::Fail);
    let (line, has_credential) = match credential {
        Ok(line) => (line, true),
        Err(line) => (line, false),
    };
    seen.lines.push(line);
    match made {
        Ok(side) if is_there && has_credential => {
            let mut wards = Ward::default();
            for bucket in case.buckets {
                let (side, clock, trial) = (Arc::clone(&side), clock.clone(), case.trial.clone());
                wards.admit(
                    ("bucket", bucket.name.to_string()),
                    buckets::PATIENCE,
                    async move { Seen::of(buckets::examine(&side, &bucket, &trial, &clock).await) },
                );
            }
            seen.lines.extend(wards.discharge().await.lines);
        }
        Ok(_) | Err(_) => {
            let why = match is_there {
                true => format!("there is no credential for target `{name}`"),
                false => format!("target `{name}` is not reached"),
            };
            let skipped = |bucket: &Arc<Bucket>| Line::skip("bucket", bucket.name.as_str(), &*why);
            seen.lines.extend(case.buckets.iter().map(skipped));
        }
    }
    seen
}

/// The target, and whatever is asked for its credential.
fn places_of(target: &Target) -> Vec<Place> {
    let name = &target.name;
    let place = |title: String, endpoint: &Endpoint, ca: Option<PathBuf>, key: String, side| Place {
        name: title,
        tls: endpoint.tls,
        host: endpoint.host.to_string(),
        port: endpoint.port,
        ca,
        ca_key: key,
        side,
    };
    let own = place(
        format!("target {name}"),
        &target.endpoint,
        target.ca.clone(),
        format!("targets.{name}.ca"),
        Side::Target,
    );
    let service = |endpoint: &Endpoint, ca: &Option<PathBuf>, key: &str| {
        let key = format!("targets.{name}.credentials.{key}");
        place(
            format!("sts of {name}"),
            endpoint,
            ca.clone(),
            key,
            Side::TokenService,
        )
    };
    let mut places = vec![own];
    match &target.credentials {
        CredentialSource::Role(role) => places.push(service(&role.sts_endpoint, &role.sts_ca, "sts_ca")),
        CredentialSource::WorkloadIdentity(google) => {
            places.push(service(&google.sts_endpoint, &google.ca, "ca"));
            if google.service_account.is_some() {
                places.push(service(&google.iam_endpoint, &google.ca, "ca"));
            }
        }
        CredentialSource::Metadata(metadata) => places.push(service(&metadata.endpoint, &None, "ca")),
        CredentialSource::ServiceAccountFile(account) => {
            places.extend(
                account
                    .token_endpoint
                    .iter()
                    .map(|at| service(at, &account.ca, "ca")),
            );
        }
        CredentialSource::Static(_) | CredentialSource::AccessToken { .. } => {}
    }
    places
}

fn unusable(name: &str, problem: String) -> Line {
    let remedy = format!("the table `targets.{name}`; `tidegate check` names the line");
    Line::fail("credential", name, problem, Side::Tidegate, remedy)
}

fn of_credential(target: &Target, credential: &Credential, clock: &Clock) -> Line {
    let kind = target.credentials.kind();
    let mut said = match in_whose_name(&target.credentials) {
        Some(who) => format!("{kind}, as `{who}`"),
        None => kind.to_owned(),
    };
    if let Some(key) = credential.access_key() {
        said.push_str(&format!(", access key {}", key.id));
    }
    let left = credential.expires_at.map(|at| at.duration_since(clock.now()));
    match left {
        None => Line::ok("credential", &*target.name, format!("{said}, without an end")),
        Some(left) if left < SHORT => {
            let said = format!("{said}, ends in {}", in_words(left));
            let remedy = "ask for one that lives longer (`duration`), or look at the clocks";
            Line::fail("credential", &*target.name, said, Side::TokenService, remedy).as_warning()
        }
        Some(left) => Line::ok(
            "credential",
            &*target.name,
            format!("{said}, ends in {}", in_words(left)),
        ),
    }
}

fn in_whose_name(source: &CredentialSource) -> Option<String> {
    match source {
        CredentialSource::Role(role) => Some(role.role_arn.to_string()),
        CredentialSource::WorkloadIdentity(google) => Some(
            google
                .service_account
                .as_ref()
                .unwrap_or(&google.provider)
                .to_string(),
        ),
        CredentialSource::Metadata(metadata) => Some(metadata.service_account.to_string()),
        CredentialSource::ServiceAccountFile(account) => Some(account.file.display().to_string()),
        CredentialSource::Static(_) | CredentialSource::AccessToken { .. } => None,
    }
}

/// Why there is no credential, on whose side that is, and what mends it.
fn of_refusal(target: &Target, error: &SourceError) -> Line {
    let (side, remedy) = mended(target, error);
    Line::fail("credential", &*target.name, with_causes(error), side, remedy)
}

fn mended(target: &Target, error: &SourceError) -> (Side, String) {
    let name = &*target.name;
    match error {
        SourceError::Managed(_) | SourceError::NotRead { .. } => (
            Side::SecretManager,
            format!("the right to read what `targets.{name}.credentials` refers to"),
        ),
        SourceError::Ambient(_) => (
            Side::ThisMachine,
            "give this machine a role (instance, container or pod), or a profile of AWS".to_owned(),
        ),
        SourceError::Silent { .. } => (
            Side::TokenService,
            format!("whatever `targets.{name}.credentials` asks: its endpoint, or the `credential_process` of a profile"),
        ),
        SourceError::Narrowing(_) => (
            Side::Tidegate,
            format!("`targets.{name}.credentials.narrow = false`, or shorter prefixes"),
        ),
        SourceError::Drifting { .. } => (Side::ThisMachine, SET_CLOCK.to_owned()),
        SourceError::Secret(_) | SourceError::Malformed(_) => (
            Side::Tidegate,
            format!("the references in `targets.{name}.credentials`, as the service's own user reads them"),
        ),
        SourceError::TokenFile { path, .. } | SourceError::Token { path, .. } => (
            Side::ThisMachine,
            format!("`ls -l {}`, and whatever writes it", path.display()),
        ),
        SourceError::NoIssuer | SourceError::Issuer(_) => (
            Side::Tidegate,
            "`[issuer]`, and `tidegate issuer list` for its keys".to_owned(),
        ),
        SourceError::Fetch(FetchError::Ca { .. } | FetchError::NoRoots | FetchError::Url(_)) => (
            Side::Tidegate,
            format!("`targets.{name}.credentials`: its CA or endpoint"),
        ),
        SourceError::Fetch(_) => (Side::TokenService, "see how it is reached, above".to_owned()),
        SourceError::Resting => (
            Side::TokenService,
            "ask again in a minute; `attribution = \"shared\"` asks for less, and AWS raises the quota on request".to_owned(),
        ),
        SourceError::Refused { hint, .. } => (Side::TokenService, trust(&target.credentials, hint)),
        SourceError::Google(
            GoogleError::KeyFile { path, .. }
            | GoogleError::Exposed { path, .. }
            | GoogleError::Key { path, .. },
        ) => (
            Side::Tidegate,
            format!(
                "`ls -l {}`: the key file, its owner and mode 0600",
                path.display()
            ),
        ),
        SourceError::Google(GoogleError::NoFlavor) => (
            Side::ThisMachine,
            "run it on a machine of Google Cloud, or use another kind of credential".to_owned(),
        ),
        SourceError::Google(_) => (
            Side::TokenService,
            trust(&target.credentials, "see the message for what it lacks"),
        ),
        SourceError::Signature | SourceError::Answer(_) => (
            Side::TokenService,
            "what it answers, and whether it is the right endpoint".to_owned(),
        ),
    }
}

/// What the cloud has to be told.
fn trust(source: &CredentialSource, hint: &str) -> String {
    match source {
        CredentialSource::Role(AssumedRole { role_arn, proof, .. }) => match proof {
            RoleProof::WebIdentity(_) => format!(
                "the trust policy of `{role_arn}` must allow `sts:AssumeRoleWithWebIdentity` to the issuer, with this \
                 audience and subject; {hint}"
            ),
            RoleProof::Ambient { .. } | RoleProof::Keys { .. } => format!(
                "the trust policy of `{role_arn}` must allow `sts:AssumeRole` to this caller, with its external id; {hint}"
            ),
        },
        CredentialSource::WorkloadIdentity(WorkloadIdentity { provider, .. }) => {
            format!(
                "the provider `{provider}` must have this issuer and audience, and grant the principal its role; {hint}"
            )
        }
        CredentialSource::Static(_)
        | CredentialSource::AccessToken { .. }
        | CredentialSource::Metadata(_)
        | CredentialSource::ServiceAccountFile(_) => hint.to_owned(),
    }
}
