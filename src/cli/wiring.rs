//! Where the command line meets the rooms: one function for each call.

use super::{describe, finding::Finding};
use crate::authn::KeyRing;
use crate::authz::Policies;
use crate::clock::Clock;
use crate::config::Config;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

/// The server's certificate and key can be served.
pub(super) fn certificate(config: &Config) -> Vec<Finding> {
    let found = crate::listener::validate(&config.server).err();
    found
        .map(|error| Finding::error("server.tls", describe(&error)))
        .into_iter()
        .collect()
}

/// The key ring can seal sessions.
pub(super) fn key_ring(config: &Config) -> Vec<Finding> {
    let found = KeyRing::load(&config.sessions.keys, &Clock::system()).err();
    let accepted = "a key ring; `tidegate keys new` makes one";
    found
        .map(|error| Finding::error("sessions.keys", describe(&error)).expected(accepted))
        .into_iter()
        .collect()
}

/// Every policy can be loaded.
pub(super) fn policies(config: &Config) -> Vec<Finding> {
    let policies = match Policies::load(&config.buckets) {
        Ok(policies) => policies,
        Err(errors) => {
            return errors
                .iter()
                .map(|error| Finding::of_policy(true, error))
                .collect();
        }
    };
    let mut findings: Vec<Finding> = policies
        .warnings()
        .iter()
        .map(|w| Finding::of_policy(false, w))
        .collect();
    for name in policies.without_file() {
        let file = config
            .buckets
            .get(name)
            .map(|bucket| bucket.policy.display().to_string())
            .unwrap_or_default();
        let message = format!("does not exist: everything in bucket `{name}` is denied");
        findings.push(Finding::warning(file, message));
    }
    findings
}

/// Makes a key ring. Answers what was done.
pub(super) fn new_key_ring(file: &Path, clock: &Clock) -> Result<String, Box<dyn Error>> {
    let id = KeyRing::create(file, clock)?;
    Ok(format!("{}: made, with key `{id}`", file.display()))
}

/// Adds a key to a ring. Answers what was done.
pub(super) fn rotate_key_ring(
    file: &Path,
    clock: &Clock,
    seals_after: Duration,
) -> Result<String, Box<dyn Error>> {
    let rotated = KeyRing::rotate(file, clock, seals_after)?;
    let mut done = format!(
        "{}: added key `{}`, which seals from {}",
        file.display(),
        rotated.added,
        rotated.seals_from
    );
    if !rotated.dropped.is_empty() {
        done.push_str(&format!("; dropped {}", rotated.dropped.join(", ")));
    }
    Ok(done)
}

/// The Cedar schema.
pub(super) fn policy_schema() -> Result<&'static str, Box<dyn Error>> {
    Ok(crate::authz::SCHEMA)
}
