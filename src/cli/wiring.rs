//! Where the command line meets the rooms: one function for each call.

use super::describe;
use super::finding::Finding;
use crate::authn::KeyRing;
use crate::authn::oidc::{Verifier, VerifierError};
use crate::authz::{self, Policies};
use crate::clock::Clock;
use crate::config::Config;
use crate::generation;
use crate::listener;
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

/// Every policy can be loaded.
pub(super) fn policies(config: &Config) -> Vec<Finding> {
    match Policies::load(&config.buckets, &config.roles, &generation::names(config)) {
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
) -> Result<String, Box<dyn Error>> {
    let done = KeyRing::rotate(file, clock, seals_after)?;
    let mut said = format!("{}: ", file.display());
    if let Some((id, seals_from)) = &done.added {
        said.push_str(&format!("key `{id}` seals from {seals_from:.0}"));
    }
    for (what, keys) in [("still open", &done.kept), ("dropped", &done.dropped)] {
        if !keys.is_empty() {
            said.push_str(&format!("; {what}: {}", keys.join(", ")));
        }
    }
    Ok(said)
}

/// The Cedar schema of the policies of buckets, or that of the trust policies of roles.
pub(super) fn policy_schema(trust: bool) -> &'static str {
    match trust {
        false => authz::SCHEMA,
        true => authz::TRUST_SCHEMA,
    }
}
