//! `tidegate check --token`: would this token be taken, and whom does it name?
//!
//! The verifier itself makes the checks, so the report cannot praise what a door refuses. Nothing that is printed can be
//! used to pose as anybody: claims are shown, the signature is not. The issuer's keys are fetched as they would be by the
//! server, unless its table names a file.

use crate::authn::oidc::{Checked, Examination, Identity, Outcome, Verifier};
use crate::clock::Clock;
use crate::config;
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::path::Path;

/// A token has 16 KiB at most; more is read only to see that it is more.
const MOST: u64 = 64 << 10;

/// Prints how the token in `file` (`-` is standard input) fares. Answers whether it would be taken.
///
/// # Errors
/// If the token cannot be read, or `out` does not take the report.
pub(super) fn run(configuration: &Path, file: &Path, as_json: bool, out: &mut dyn Write) -> io::Result<bool> {
    let (findings, loaded) = match config::load(configuration) {
        Ok(config) => (Vec::new(), Some(config)),
        Err(errors) => (
            errors
                .problems
                .iter()
                .map(|problem| format!("error: {problem}"))
                .collect(),
            None,
        ),
    };
    let verifier = match &loaded {
        None => Err(findings),
        Some(config) => Verifier::new(&config.issuers, Clock::system(), None)
            .map_err(|error| vec![format!("error: issuers: {}", super::describe(&error))]),
    };
    let verifier = match verifier {
        Ok(verifier) => verifier,
        Err(findings) => {
            for finding in findings {
                writeln!(out, "{finding}")?;
            }
            return Ok(false);
        }
    };
    let token = read(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let found = runtime.block_on(verifier.examine(token.trim(), Clock::system().now()));
    if as_json {
        writeln!(out, "{:#}", document(&found))?;
    } else {
        print(&found, out)?;
    }
    Ok(found.is_accepted())
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().take(MOST).read_to_string(&mut text)?;
    } else {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", file.display()));
        let opened = std::fs::File::open(file).map_err(named)?;
        opened.take(MOST).read_to_string(&mut text).map_err(named)?;
    }
    Ok(text)
}

fn print(found: &Examination, out: &mut dyn Write) -> io::Result<()> {
    for Checked { check, outcome, seen } in &found.checks {
        let (mark, said) = match outcome {
            Outcome::Passed => ("ok  ", seen.clone()),
            Outcome::Failed(why) if seen.is_empty() => ("FAIL", why.clone()),
            Outcome::Failed(why) => ("FAIL", format!("{why} ({seen})")),
            Outcome::NotReached => (
                "skip",
                "not looked at before the checks above are passed".to_owned(),
            ),
        };
        writeln!(out, "{}", format!("{mark}  {check:<10} {said}").trim_end())?;
    }
    let Some(identity) = &found.identity else {
        let of = found
            .issuer
            .as_deref()
            .map(|issuer| format!(", which would be of issuer `{issuer}`"));
        return writeln!(out, "refused{}", of.unwrap_or_default());
    };
    let issuer = found.issuer.as_deref().unwrap_or_default();
    writeln!(
        out,
        "accepted by issuer `{issuer}` until {:.0}",
        identity.expires_at
    )?;
    writeln!(out, "principal: {}", entity(identity))?;
    for group in &identity.groups {
        writeln!(out, "group:     Tidegate::Group::{group:?}")?;
    }
    for (name, value) in &identity.tags {
        writeln!(out, "tag:       {name} = {value:?}")?;
    }
    Ok(())
}

/// As a policy names it.
fn entity(identity: &Identity) -> String {
    format!("Tidegate::{}::{:?}", identity.kind.name(), identity.id)
}

fn document(found: &Examination) -> Value {
    let checks = found.checks.iter().map(|Checked { check, outcome, seen }| {
        let (outcome, message) = match outcome {
            Outcome::Passed => ("ok", None),
            Outcome::Failed(why) => ("failed", Some(why)),
            Outcome::NotReached => ("not-reached", None),
        };
        json!({ "check": check, "outcome": outcome, "message": message, "seen": seen })
    });
    let checks: Vec<Value> = checks.collect();
    let identity = found.identity.as_ref();
    json!({
        "accepted": found.is_accepted(),
        "issuer": found.issuer,
        "principal": identity.map(|identity| &identity.id),
        "entity": identity.map(entity),
        "subject": identity.map(|identity| &identity.subject),
        "audience": identity.map(|identity| &identity.audience),
        "expires_at": identity.map(|identity| format!("{:.0}", identity.expires_at)),
        "groups": identity.map(|identity| &identity.groups),
        "tags": identity.map(|identity| &identity.tags),
        "clock_drift_seconds": found.drift.map(|drift| drift.seconds()),
        "checks": checks,
    })
}
