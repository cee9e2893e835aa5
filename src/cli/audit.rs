//! `tidegate audit`: what the audit log is good for once it is written.

use crate::clock::Clock;
use crate::reconcile::{self, Outcome, Provider, Question};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// `tidegate audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with the audit log.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Find what went around Tidegate: compare the log of a cloud with the audit log
    Reconcile(Box<Reconcile>),
}

/// `tidegate audit reconcile`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("log").required(true).args(["cloudtrail", "s3_access_logs", "gcp_logs"])))]
pub struct Reconcile {
    /// Logs of AWS CloudTrail: files, also packed, and folders of them
    #[arg(long, value_name = "FILES", num_args = 1..)]
    pub cloudtrail: Vec<PathBuf>,
    /// Server access logs of S3
    #[arg(long, value_name = "FILES", num_args = 1..)]
    pub s3_access_logs: Vec<PathBuf>,
    /// Cloud Audit Logs of Google, as a sink writes them or `gcloud logging read --format=json` prints them
    #[arg(long, value_name = "FILES", num_args = 1..)]
    pub gcp_logs: Vec<PathBuf>,
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tidegate.toml")]
    pub config: PathBuf,
    /// Audit files of all replicas; without it, the one of the configuration and what was rotated away from it
    #[arg(long, value_name = "FILES", num_args = 1..)]
    pub audit: Vec<PathBuf>,
    /// Look at nothing before this time or day
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
    /// Look at nothing from this time or day on
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<Timestamp>,
    /// How long the cloud may take to deliver an entry [default: 15m for CloudTrail, 6h for access logs, 10m for Google]
    #[arg(long, value_name = "DURATION", value_parser = delay)]
    pub delay: Option<SignedDuration>,
    /// Only the buckets of this target; may be given several times
    #[arg(long, value_name = "NAME")]
    pub target: Vec<Box<str>>,
    /// List entries outside of the prefixes that are mapped, too
    #[arg(long)]
    pub unmapped: bool,
    /// Expect every kind of request in the log, also if it has none of that kind; with `--from` and `--to`, of all that
    /// time, which has to be over for as long as delivery takes
    #[arg(long)]
    pub complete: bool,
    /// Where temporary files go; they take about as much room as the unpacked logs [default: the system's]
    #[arg(long, value_name = "FOLDER")]
    pub work_dir: Option<PathBuf>,
    /// Print JSON: one line for each finding, and the summary in the last one
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tidegate audit reconcile --cloudtrail AWSLogs/111122223333/CloudTrail/eu-west-2/2026/11/22/
  tidegate audit reconcile --s3-access-logs logs/ --from 2026-11-21 --to 2026-11-22
  tidegate audit reconcile --gcp-logs cloudaudit.googleapis.com/data_access/ --json
  tidegate audit reconcile --cloudtrail AWSLogs/ --audit replica-1/ replica-2/ --work-dir /var/tmp

Prints one line for each of these, in the order of time, and a summary:
  unrecorded    the cloud logged a request that Tidegate has no record of: somebody went around it
  forged-stamp  the cloud logged a request that says it is one of Tidegate's and is not
  unlogged      the target did what Tidegate asked, and the cloud has no entry of it

Exit codes: 0 both logs say the same, 1 they do not, 2 the command was not understood, something could not be read, or there
was nothing to compare.";

/// Does it, and prints to `out`.
pub fn run(args: &Args, clock: &Clock, out: &mut dyn Write) -> ExitCode {
    let Command::Reconcile(args) = &args.command;
    match compare(args, clock, out) {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Ok(Outcome::Unreadable | Outcome::Unjudged) => ExitCode::from(2),
        Err(error) => {
            let source = error
                .source()
                .and_then(|source| source.downcast_ref::<io::Error>());
            if source.is_none_or(|source| source.kind() != io::ErrorKind::BrokenPipe) {
                // There is nobody left to tell if this fails.
                let _ = writeln!(io::stderr(), "tidegate: {}", super::describe(&*error));
            }
            ExitCode::from(2)
        }
    }
}

fn compare(args: &Reconcile, clock: &Clock, out: &mut dyn Write) -> Result<Outcome, Box<dyn Error>> {
    let logs = [
        (Provider::CloudTrail, &args.cloudtrail),
        (Provider::S3AccessLogs, &args.s3_access_logs),
        (Provider::Gcp, &args.gcp_logs),
    ];
    let (provider, log) = logs
        .into_iter()
        .find(|(_, files)| !files.is_empty())
        .ok_or("no log is named: give --cloudtrail, --s3-access-logs or --gcp-logs")?;
    let config = crate::config::load(&args.config)?;
    let question = Question {
        provider,
        log: log.clone(),
        audit: args.audit.clone(),
        from: args.from,
        to: args.to,
        delay: args.delay.unwrap_or(provider.delay()),
        targets: args.target.clone(),
        unmapped: args.unmapped,
        complete: args.complete,
        work_dir: args.work_dir.clone().unwrap_or_else(std::env::temp_dir),
        json: args.json,
    };
    Ok(reconcile::run(&question, &config, clock, out)?)
}

/// A moment, or the beginning of a day.
fn time(text: &str) -> Result<Timestamp, String> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    let at = text.parse().ok().or_else(|| day().map(|day| day.timestamp()));
    at.ok_or_else(|| "expected a time such as `2026-11-22T10:00:00Z`, or a day (of UTC)".to_owned())
}

fn delay(text: &str) -> Result<SignedDuration, String> {
    let parsed = text
        .parse::<SignedDuration>()
        .ok()
        .filter(|delay| !delay.is_negative());
    parsed.ok_or_else(|| "expected a duration such as `15m` or `6h`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_days_are_understood() {
        let check = |text: &str, at: Option<&str>| {
            let expected = at.map(|at| at.parse::<Timestamp>().unwrap());
            assert_eq!(time(text).ok(), expected, "{text}");
        };
        check("2026-11-22T10:00:00Z", Some("2026-11-22T10:00:00Z"));
        check("2026-11-22T10:00:00+02:00", Some("2026-11-22T08:00:00Z"));
        check("2026-11-22", Some("2026-11-22T00:00:00Z"));
        check("yesterday", None);
        assert_eq!(delay("15m"), Ok(SignedDuration::from_mins(15)));
        assert_eq!(delay("6h"), Ok(SignedDuration::from_hours(6)));
        assert!(delay("-1h").is_err() && delay("soon").is_err());
    }
}
