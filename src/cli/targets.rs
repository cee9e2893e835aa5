//! `tidegate check --targets`: does each target understand what the configuration says of it?

use super::finding::Finding;
use crate::bridge::{self, Trailers, canary};
use crate::clock::Clock;
use crate::config::{ChecksumRule, Config, Profile, Target};
use crate::error::with_causes;
use crate::generation::{TargetSide, resources};
use crate::secrets::{of_age, survey};
use std::io;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What came out for one target.
pub(super) struct Examined {
    /// What it understands, in one line.
    pub(super) found: Option<String>,
    /// What does not fit to the configuration.
    pub(super) findings: Vec<Finding>,
}

/// Tries every target, one after the other.
///
/// # Errors
/// If there is no runtime to be had.
pub(super) fn examine(config: &Config) -> io::Result<Vec<Examined>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut all = Vec::new();
    for target in config.targets.values() {
        all.push(runtime.block_on(of_target(target, config)));
    }
    Ok(all)
}

/// Reads every secret that is in a secret manager.
///
/// # Errors
/// If there is no runtime to be had.
pub(super) fn secrets(config: &Config) -> io::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let clock = Clock::system();
    let surveyed = match resources(config, &clock) {
        Ok(resources) => runtime.block_on(survey(config, &resources)),
        // It is said of each target.
        Err(_) => return Ok(Vec::new()),
    };
    let surveyed = match surveyed {
        Ok(surveyed) => surveyed,
        Err(error) => return Ok(vec![Finding::error("secrets", with_causes(&error))]),
    };
    let managed = surveyed.iter().filter(|one| one.secret.contains("://"));
    let found = managed.filter_map(|one| {
        let message = one
            .cause
            .as_ref()
            .map(|cause| format!("`{}` cannot be read: {cause}", one.secret));
        Some(Finding::warning(
            one.places.join(", "),
            message.or_else(|| of_age(one))?,
        ))
    });
    Ok(found.collect())
}

async fn of_target(target: &Arc<Target>, config: &Config) -> Examined {
    let place = format!("targets.{}", target.name);
    if target.profile == Profile::Gcs {
        return Examined {
            found: Some(format!(
                "{place}: profile `gcs`: the API is known, and nothing is tried"
            )),
            findings: Vec::new(),
        };
    }
    let clock = Clock::system();
    let outcome = match (
        resources(config, &clock)
            .map_err(|error| with_causes(&error))
            .and_then(|resources| TargetSide::new(target, config, &resources)),
        canary::place(config, target),
    ) {
        (Err(problem), _) => Err(problem),
        (_, Err(error)) => Err(with_causes(&error)),
        (Ok(side), Ok(at)) => canary::run(side.line(&clock), &at, None, &CancellationToken::new())
            .await
            .map_err(|error| with_causes(&error)),
    };
    match outcome {
        Err(why) => {
            let message = format!("not known what it understands: {why}");
            Examined {
                found: None,
                findings: vec![Finding::warning(place, message)],
            }
        }
        Ok(found) => Examined {
            found: Some(format!("{place}: {found}")),
            findings: misfits(target, config, &found)
                .into_iter()
                .chain(left_behind(&place, &found))
                .collect(),
        },
    }
}

/// What the configuration says and the target does not do.
fn misfits(target: &Target, config: &Config, found: &bridge::Finding) -> Vec<Finding> {
    let place = format!("targets.{}.profile", target.name);
    if target.finds_profile || target.profile != Profile::Aws {
        return Vec::new();
    }
    let accepted = "\"plain\" or \"auto\"";
    match &found.trailers {
        Trailers::StoredAsData => {
            let message =
                "the target stores the framing of trailers in the object: with `aws`, uploads are damaged";
            return vec![Finding::error(place, message).expected(accepted)];
        }
        Trailers::Refused(answer) => {
            let message = format!("the target refuses trailers ({answer}): with `aws`, most uploads fail");
            return vec![Finding::error(place, message).expected(accepted)];
        }
        Trailers::Understood if !found.checksums => {
            let message = "the target refuses checksums in headers: with `aws`, many uploads fail";
            return vec![Finding::error(place, message).expected(accepted)];
        }
        Trailers::Understood => {}
    }
    let unenforced = found.unenforced();
    let trusting = config
        .buckets
        .values()
        .filter(|bucket| bucket.target.name == target.name && bucket.checksum == ChecksumRule::Passthrough);
    let trusting = trusting.filter(|_| !unenforced.is_empty());
    let misplaced = trusting.map(|bucket| {
        let message = format!(
            "target `{}` does not enforce {}: wrong uploads become objects",
            target.name,
            unenforced.join(", ")
        );
        Finding::error(format!("buckets.{}.checksum", bucket.name), message)
            .expected("\"verify\", or `profile = \"auto\"` for the target")
    });
    misplaced.collect()
}

fn left_behind(place: &str, found: &bridge::Finding) -> Option<Finding> {
    let keys = found.left_behind.join(", ");
    let message = format!("these objects of the canary could not be deleted: {keys}");
    (!keys.is_empty()).then(|| Finding::warning(place, message))
}
