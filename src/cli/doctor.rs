//! `tidegate doctor`: what is wrong, on whose side, and what mends it.

use super::check;
use super::choice::{self, Place, Session, Who};
use super::finding::{Finding, Severity};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::doctor::{self, Line, Side, client, server};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// `tidegate doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// On a server: its configuration. Without it, the gateway is looked at as a caller sees it
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["profile", "endpoint", "ca", "identity", "audience", "token_file", "store"])]
    pub config: Option<PathBuf>,
    /// A bucket, by the name that callers use; on a server it may be repeated, and others are left out
    #[arg(long = "bucket", value_name = "BUCKET")]
    pub buckets: Vec<String>,
    /// On a server: a target; may be repeated, and others are left out
    #[arg(long = "target", value_name = "TARGET", requires = "config")]
    pub targets: Vec<String>,
    /// Put, read and delete an object in each bucket, besides looking at it and listing it
    #[arg(long)]
    pub write: bool,
    /// What the key of that object begins with; default: `.tidegate-canary`
    #[arg(long, value_name = "PREFIX", requires = "write")]
    pub prefix: Option<String>,
    /// Which gateway.
    #[command(flatten)]
    pub place: Place,
    /// Whose identity.
    #[command(flatten)]
    pub who: Who,
}

const EXAMPLES: &str = "\
Examples:
  tidegate doctor --config tidegate.toml                                   on the server
  tidegate doctor --config tidegate.toml --bucket lake --write --prefix tmp/doctor
  tidegate doctor                                                          on a caller's machine
  tidegate doctor --profile lake --bucket lake --json

Nothing is written without --write. Secrets and tokens are not shown.

Exit codes: 0 nothing fails (there may be warnings), 1 something does, 2 the command was not understood.";

/// Looks, and prints the report.
pub fn run(args: &Args, out: &mut dyn Write) -> ExitCode {
    // A name that nobody resolves keeps a thread for longer than anybody waits: it is left to the end of the process.
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return super::exit_code(Err(error.into())),
    };
    let outcome = match &args.config {
        Some(path) => runtime.block_on(on_server(path, args)),
        None => runtime.block_on(on_client(args)),
    };
    runtime.shutdown_background();
    match outcome {
        Ok(lines) => super::exit_code(print(&lines, args.place.json, out).map_err(Into::into)),
        Err(misunderstood) => {
            // There is nobody left to tell if this fails.
            let _ = writeln!(io::stderr(), "tidegate: {misunderstood}");
            ExitCode::from(2)
        }
    }
}

fn print(lines: &[Line], as_json: bool, out: &mut dyn Write) -> io::Result<bool> {
    match as_json {
        true => writeln!(out, "{:#}", doctor::document(lines))?,
        false => lines.iter().try_for_each(|line| writeln!(out, "{line}"))?,
    }
    Ok(doctor::is_well(lines))
}

async fn on_server(path: &Path, args: &Args) -> Result<Vec<Line>, String> {
    let (parts, config) = check::examine_each(path);
    let mut lines = of_findings(&parts, config.as_ref());
    let Some(config) = config else {
        lines.push(Line::skip(
            "everything",
            "",
            "until the configuration can be read",
        ));
        return Ok(lines);
    };
    let options = server::Options {
        buckets: args.buckets.clone(),
        targets: args.targets.clone(),
        write: args.write,
        prefix: args.prefix.clone(),
    };
    match options.unknown(&config) {
        Some(unknown) => return Err(unknown),
        None => lines.extend(server::examine(Arc::new(config), &options, &Clock::system()).await),
    }
    Ok(lines)
}

/// What `tidegate check` finds, by what was looked at.
fn of_findings(parts: &[(&'static str, Vec<Finding>)], config: Option<&Config>) -> Vec<Line> {
    let of_part = |(check, findings): &(&'static str, Vec<Finding>)| -> Vec<Line> {
        match (findings.is_empty(), config) {
            (true, Some(config)) => summary(check, config).into_iter().collect(),
            _ => findings
                .iter()
                .map(|finding| of_finding(check, finding))
                .collect(),
        }
    };
    parts.iter().flat_map(of_part).collect()
}

fn of_finding(check: &'static str, finding: &Finding) -> Line {
    let said = format!("{}: {}", finding.location, finding.message);
    // What has no one way to be right is at least at one place.
    let remedy = match &finding.accepted {
        Some(accepted) => accepted.clone(),
        None => "look at the place that it names, then `tidegate check`".to_owned(),
    };
    let line = Line::fail(check, "", said, Side::Tidegate, remedy);
    match finding.severity {
        Severity::Error => line,
        Severity::Warning => line.as_warning(),
    }
}

/// What to say of a part with which nothing is wrong; nothing if there is no such part.
fn summary(part: &'static str, config: &Config) -> Option<Line> {
    let said = match part {
        "configuration" => format!(
            "{}, {}, {}",
            check::plural(config.issuers.len(), "issuer"),
            check::plural(config.targets.len(), "target"),
            check::plural(config.buckets.len(), "bucket")
        ),
        "key ring" => format!("`{}` seals sessions", config.sessions.keys.display()),
        "service keys" => match &config.service_keys {
            Some(settings) => format!("`{}`", settings.file.display()),
            None => return None,
        },
        "policies" => format!(
            "of {} can be loaded",
            check::plural(config.buckets.len(), "bucket")
        ),
        "secrets" => {
            let references = config.references();
            let managed = references
                .iter()
                .filter(|(_, reference)| reference.managed().is_some());
            of_secrets(references.len(), managed.count())
        }
        "audit" => format!("`{}` can be appended to", config.audit.file.display()),
        // Looked at closer elsewhere.
        _ => return None,
    };
    Some(Line::ok(part, "", said))
}

/// What is said of references with which nothing is wrong: those to secret managers nobody has read for it.
fn of_secrets(all: usize, managed: usize) -> String {
    match (all - managed, managed) {
        (_, 0) => "every reference can be read".to_owned(),
        (0, managed) => {
            format!("{managed} in secret managers, not read for this: a report of all reads them")
        }
        (here, managed) => format!(
            "{here} on this machine can be read; {managed} in secret managers, not read for this: a report of all reads them"
        ),
    }
}

async fn on_client(args: &Args) -> Result<Vec<Line>, String> {
    if args.buckets.len() > 1 {
        return Err("as a caller, `--bucket` is one bucket".to_owned());
    }
    if args.write && args.buckets.is_empty() {
        return Err("`--write` needs the `--bucket` to write to".to_owned());
    }
    let options = client::Options {
        bucket: args.buckets.first().cloned(),
        write: args.write,
        prefix: args.prefix.clone(),
    };
    let caller = choice::client(&args.place.choice(&args.who, &Session::default()));
    match caller {
        Ok(caller) => {
            let environment = Environment::of_process();
            Ok(client::examine(&caller, &environment, &options, &Clock::system()).await)
        }
        Err(error) => Ok(vec![client::of_error("settings", &error)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_says_of_a_manager_that_was_not_asked_that_it_can_be_read() {
        assert_eq!(of_secrets(2, 0), "every reference can be read");
        assert!(
            of_secrets(3, 1).starts_with("2 on this machine can be read; 1 in secret managers, not read")
        );
        assert!(!of_secrets(1, 1).contains("can be read"));
    }
}
