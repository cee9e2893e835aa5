//! Where the command line meets the rooms: one function for each call.

use super::describe;
use super::finding::{Finding, Severity};
use crate::authn::key_ring::Rotated;
use crate::authn::oidc::{Verifier, VerifierError};
use crate::authn::service_keys::{Standing, in_words};
use crate::authn::{KeyRing, Revocations, ServiceKeys};
use crate::authz::{self, Policies};
use crate::clock::Clock;
use crate::config::Config;
use crate::generation;
use crate::issuer::{Concern, Issuer};
use crate::listener;
use crate::operation::{Action, BucketName};
use crate::secrets::{SecretReader, of_age};
use std::error::Error;
use std::path::Path;
use std::time::Duration;

/// The server's certificate and key can be served.
pub(super) fn certificate(config: &Config) -> Vec<Finding> {
    let found = listener::validate(&config.server).err();
    found
        .map(|error| Finding::error("server.tls", describe(&error)))
        .into_iter()
        .collect()
}

/// The key ring can seal sessions now.
pub(super) fn key_ring(config: &Config) -> Vec<Finding> {
    let found = KeyRing::load(&config.sessions.keys, &Clock::system()).err();
    found
        .map(|error| Finding::error("sessions.keys", describe(&error)))
        .into_iter()
        .collect()
}

/// Tidegate's own issuer can sign now, and what is hardly meant about its keys.
pub(super) fn issuer(config: &Config) -> Vec<Finding> {
    let Some(settings) = &config.issuer else {
        return Vec::new();
    };
    let clock = Clock::system();
    match Issuer::load(settings, &clock) {
        Err(error) => vec![Finding::error("issuer.keys", describe(&error))],
        Ok(issuer) => {
            let concerns = issuer.keys().concerns(clock.now(), settings.serves);
            let place = settings.keys.display();
            let warning =
                |concern: &Concern| Finding::warning(&place, concern.to_string()).expected(concern.remedy());
            concerns.iter().map(warning).collect()
        }
    }
}

/// Secrets on this machine that are older than they should be.
pub(super) fn ages(config: &Config) -> Vec<Finding> {
    let surveyed = SecretReader::default().survey(config, Clock::system().now());
    let found = surveyed.iter().filter_map(|one| {
        let message = of_age(one)?;
        Some(Finding::warning(one.places.join(", "), message))
    });
    found.collect()
}

/// Every policy can be loaded.
pub(super) fn policies(config: &Config) -> Vec<Finding> {
    // What is wrong with them is said elsewhere.
    let issuers = config.issuers.iter().map(|issuer| &*issuer.name);
    let file = config.service_keys.as_ref().map(|settings| &settings.file);
    let service_keys = file.and_then(|file| ServiceKeys::load(file, issuers).ok());
    let names = generation::names(config, service_keys.as_ref());
    match Policies::load(&config.buckets, &config.roles, &names) {
        Ok(policies) => policies
            .warnings()
            .iter()
            .map(|found| of_policy(Finding::warning, found))
            .collect(),
        Err(errors) => errors
            .iter()
            .map(|found| of_policy(Finding::error, found))
            .collect(),
    }
}

/// The key sets that are files can be used, and issuers can be told apart.
pub(super) fn issuers(config: &Config) -> Vec<Finding> {
    match Verifier::new(&config.issuers, Clock::system(), None) {
        // Private CAs have a check of their own.
        Ok(_) | Err(VerifierError::Ca { .. }) => Vec::new(),
        Err(error) => vec![Finding::error("issuers", describe(&error))],
    }
}

/// What the policies of a bucket may permit anybody.
///
/// # Errors
/// What is wrong with the policies.
pub(super) fn grantable(config: &Config, bucket: &BucketName) -> Result<Vec<Action>, Box<dyn Error>> {
    let issuers = config.issuers.iter().map(|issuer| &*issuer.name);
    let file = config.service_keys.as_ref().map(|settings| &settings.file);
    let service_keys = file.and_then(|file| ServiceKeys::load(file, issuers).ok());
    let names = generation::names(config, service_keys.as_ref());
    match Policies::load(&config.buckets, &config.roles, &names) {
        Ok(policies) => Ok(policies.grantable(bucket)),
        Err(errors) => {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Err(lines.join("\n").into())
        }
    }
}

fn of_policy(finding: fn(String, String) -> Finding, found: &authz::Finding) -> Finding {
    let mut location = found.file.display().to_string();
    if let Some(at) = found.position {
        location.push_str(&format!(":{}:{}", at.line, at.column));
    }
    let help = found
        .help
        .as_ref()
        .map(|help| format!(" ({help})"))
        .unwrap_or_default();
    finding(location, format!("{}{help}", found.message))
}

/// Makes a key ring. Answers what was done.
pub(super) fn new_key_ring(file: &Path, clock: &Clock) -> Result<String, Box<dyn Error>> {
    let id = KeyRing::create(file, clock)?;
    Ok(format!(
        "{}: made with key `{id}`; every replica needs this file",
        file.display()
    ))
}

/// Adds a key to a ring. Answers what was done.
pub(super) fn rotate_key_ring(
    file: &Path,
    clock: &Clock,
    seals_after: Duration,
    drops: &[Box<str>],
) -> Result<String, Box<dyn Error>> {
    Ok(changed(
        file,
        KeyRing::rotate_out(file, clock, seals_after, drops)?,
    ))
}

/// Takes keys out of a ring. Answers what was done.
pub(super) fn drop_ring_keys(
    file: &Path,
    clock: &Clock,
    drops: &[Box<str>],
) -> Result<String, Box<dyn Error>> {
    Ok(changed(file, KeyRing::drop_keys(file, clock, drops)?))
}

/// Which living service keys end with these keys of the ring, as the end of a sentence.
pub(super) fn ending_service_keys(
    config: Option<&Path>,
    drops: &[Box<str>],
    clock: &Clock,
) -> Result<String, Box<dyn Error>> {
    if drops.is_empty() {
        return Ok(String::new());
    }
    let Some(path) = config else {
        return Ok("; service keys that they made end, too: `--config` says which".to_owned());
    };
    let config = crate::config::load(path)?;
    let Some(settings) = &config.service_keys else {
        return Ok("; no service keys end".to_owned());
    };
    let issuers = config.issuers.iter().map(|issuer| &*issuer.name);
    let known = ServiceKeys::load(&settings.file, issuers)?;
    let now = clock.now();
    let ending = known
        .records()
        .iter()
        .filter(|record| drops.contains(&record.ring_key) && record.standing(now) == Standing::Alive)
        .map(|record| format!("{} of {}", record.id, record.principal));
    let ending: Vec<String> = ending.collect();
    Ok(match ending.is_empty() {
        true => "; no service keys end".to_owned(),
        false => format!("; service keys that end: {}", ending.join(", ")),
    })
}

fn changed(file: &Path, done: Rotated) -> String {
    let mut said = format!("{}: ", file.display());
    match &done.added {
        Some((id, seals_from)) => said.push_str(&format!("key `{id}` seals from {seals_from:.0}")),
        None => said.push_str("changed"),
    }
    for (what, keys) in [("still open", &done.kept), ("dropped", &done.dropped)] {
        if !keys.is_empty() {
            said.push_str(&format!("; {what}: {}", keys.join(", ")));
        }
    }
    said
}

/// The key ring of a configuration.
pub(super) fn load_key_ring(config: &Config, clock: &Clock) -> Result<KeyRing, Box<dyn Error>> {
    Ok(KeyRing::load(&config.sessions.keys, clock)?)
}

/// Says if a running Tidegate would not take up what was written, because something else is wrong.
pub(super) fn warn_of_refused_reload(path: &Path, advice: &mut dyn std::io::Write) -> std::io::Result<()> {
    let (findings, _) = super::check::examine(path);
    let errors: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    writeln!(
        advice,
        "tidegate: it is written, but a running Tidegate takes up nothing as long as this is wrong:"
    )?;
    errors
        .iter()
        .try_for_each(|finding| writeln!(advice, "{finding}"))
}

/// Service keys and revocations can be loaded; keys that end soon, or that nothing can verify any more.
pub(super) fn service_keys(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(error) = Revocations::load(&config.sessions.revocations) {
        findings.push(Finding::error("sessions.revocations", describe(&error)));
    }
    let Some(settings) = &config.service_keys else {
        return findings;
    };
    let issuers = config.issuers.iter().map(|issuer| &*issuer.name);
    let known = match ServiceKeys::load(&settings.file, issuers) {
        Ok(known) => known,
        Err(error) => {
            findings.push(Finding::error("service_keys.file", describe(&error)));
            return findings;
        }
    };
    let clock = Clock::system();
    let (now, ring) = (clock.now(), KeyRing::load(&config.sessions.keys, &clock).ok());
    let alive = known
        .records()
        .iter()
        .filter(|record| record.standing(now) == Standing::Alive);
    for record in alive {
        let mut warn = |message: String, accepted: &str| {
            let place = format!("{}: {}", settings.file.display(), record.id);
            findings.push(Finding::warning(place, message).expected(accepted));
        };
        if record.ends_soon(now) {
            let left = in_words(record.expires.duration_since(now));
            warn(
                format!("expires in {left}"),
                "`tidegate service-keys rotate` before that",
            );
        }
        if ring
            .as_ref()
            .is_some_and(|ring| !ring.ids().any(|id| *id == *record.ring_key))
        {
            warn(
                "is refused: the key that its secret derives from has left the key ring".to_owned(),
                "a new service key",
            );
        }
        for bucket in record
            .buckets
            .iter()
            .filter(|bucket| !config.buckets.contains_key(bucket.as_str()))
        {
            warn(
                format!("is for the bucket `{bucket}`, which there is not"),
                "buckets of the configuration",
            );
        }
    }
    findings
}

/// The Cedar schema of the policies of buckets, or that of the trust policies of roles.
pub(super) fn policy_schema(trust: bool) -> &'static str {
    match trust {
        false => authz::SCHEMA,
        true => authz::TRUST_SCHEMA,
    }
}
