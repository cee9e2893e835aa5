//! `tidegate service-keys`: makes, lists, rotates and revokes the keys of tools that know nothing but two strings.

use super::wiring;
use crate::authn::Revocations;
use crate::authn::service_keys::{LONGEST, Network, ServiceKeys};
use crate::authn::service_keys::{NewKey, Record, Terms, create, in_words, revoke, rotate};
use crate::clock::Clock;
use crate::config::{Config, parse_duration};
use crate::operation::BucketName;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{
    error::Error,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

/// `tidegate service-keys`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with service keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a key and print its two strings, the only time
    #[command(after_help = CREATE)]
    Create {
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = "tidegate.toml")]
        config: PathBuf,
        /// Whom it stands for, with a prefix that is no issuer's: policies name it as `Tidegate::Workload::"backup:veeam"`
        #[arg(long, value_name = "PREFIX:NAME")]
        principal: Box<str>,
        /// A bucket that it may be used for, as far as its policy lets the principal; may be repeated
        #[arg(long = "bucket", value_name = "BUCKET", required = true, value_parser = bucket)]
        buckets: Vec<BucketName>,
        /// How many days it lives, 90 at most
        #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=90))]
        days: u16,
        /// A network that it may be used from, such as 192.0.2.0/24; may be repeated; default: anywhere
        #[arg(long = "source-address", value_name = "CIDR", value_parser = network)]
        source_addresses: Vec<Network>,
        /// A note for whoever reads the list
        #[arg(long, value_name = "TEXT")]
        note: Option<Box<str>>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what is on record; secrets are not
    #[command(after_help = LIST)]
    List {
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = "tidegate.toml")]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key with the same principal, buckets and networks, and end the old one a while later
    #[command(after_help = ROTATE)]
    Rotate {
        /// The access key id of the old key
        id: Box<str>,
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = "tidegate.toml")]
        config: PathBuf,
        /// How long the old key still works, if it lives so long
        #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = overlap)]
        overlap: Duration,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a key now
    #[command(after_help = REVOKE)]
    Revoke {
        /// Its access key id
        id: Box<str>,
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = "tidegate.toml")]
        config: PathBuf,
    },
}

const EXAMPLES: &str = "\
Examples:
  tidegate service-keys create --config tidegate.toml --principal backup:veeam --bucket backups --days 30
  tidegate service-keys list
  tidegate service-keys rotate TGSK2F5XQ3B7JWPCZKDA --overlap 7d
  tidegate service-keys revoke TGSK2F5XQ3B7JWPCZKDA

A running Tidegate knows within a second. Sessions are the better way wherever a tool can refresh them.";

const CREATE: &str = "\
Examples:
  tidegate service-keys create --principal backup:veeam --bucket backups
  tidegate service-keys create --principal backup:nas --bucket backups --bucket archive --days 90 \\
      --source-address 192.0.2.0/24 --note \"NAS in the basement, ask Ana\" --json

The key is for what the policies of these buckets permit its principal, for example:
  permit (principal == Tidegate::Workload::\"backup:veeam\",
          action in [Tidegate::Action::\"read\", Tidegate::Action::\"write\", Tidegate::Action::\"list\"], resource);";

const LIST: &str = "\
Examples:
  tidegate service-keys list
  tidegate service-keys list --json | jq -r '.[] | select(.standing == \"alive\") | .access_key_id'";

const REVOKE: &str = "\
Example:
  tidegate service-keys revoke TGSK2F5XQ3B7JWPCZKDA

It cannot be taken back: make a new one.";

const ROTATE: &str = "\
Examples:
  tidegate service-keys rotate TGSK2F5XQ3B7JWPCZKDA
  tidegate service-keys rotate TGSK2F5XQ3B7JWPCZKDA --overlap 0s     the old key ends now

The new key lives as long as the old one was made for.";

/// Does it. What was asked for goes to `out`, advice to `advice`.
///
/// # Errors
/// Why it could not be done; then the file is as it was.
pub fn run(
    args: &Args,
    clock: &Clock,
    out: &mut dyn Write,
    advice: &mut dyn Write,
) -> Result<bool, Box<dyn Error>> {
    let now = clock.now();
    match &args.command {
        Command::Create {
            config: path,
            principal,
            buckets,
            days,
            source_addresses,
            note,
            json,
        } => {
            let config = crate::config::load(path)?;
            let file = file(&config)?;
            check_buckets(&config, buckets)?;
            let terms = Terms {
                principal: principal.clone(),
                buckets: deduplicated(buckets),
                lifetime: SignedDuration::from_hours(24 * i64::from(*days)).min(LONGEST),
                source_addresses: source_addresses.clone(),
                note: note.clone(),
            };
            let ring = wiring::load_key_ring(&config, clock)?;
            let made = create(file, &ring, issuers(&config), terms, now)?;
            print_new(&made, None, *json, now, out)?;
            wiring::warn_of_refused_reload(path, advice)?;
        }
        Command::List { config, json } => {
            let config = crate::config::load(config)?;
            let known = ServiceKeys::load(file(&config)?, issuers(&config))?;
            print_list(known.records(), *json, now, out)?;
        }
        Command::Rotate {
            id,
            config: path,
            overlap,
            json,
        } => {
            let config = crate::config::load(path)?;
            let ring = wiring::load_key_ring(&config, clock)?;
            let overlap = SignedDuration::try_from(*overlap)?;
            let revocations = Revocations::load(&config.sessions.revocations)?;
            let file = file(&config)?;
            let keys = ServiceKeys::load(file, config.issuers.iter().map(|issuer| &*issuer.name))?;
            let record = keys.records().iter().find(|record| *record.id == **id);
            if let Some(revocation) = record.and_then(|record| revocations.of_service_key(record)) {
                let said = format!(
                    "service key `{id}` is revoked by {revocation} in `{}`; make a new one with `tidegate service-keys create`",
                    config.sessions.revocations.display()
                );
                return Err(said.into());
            }
            let (made, old) = rotate(file, &ring, id, overlap, now)?;
            print_new(&made, Some(&old), *json, now, out)?;
            wiring::warn_of_refused_reload(path, advice)?;
        }
        Command::Revoke { id, config: path } => {
            let config = crate::config::load(path)?;
            let record = revoke(file(&config)?, id, now)?;
            writeln!(out, "{}: revoked; it was for {}", record.id, terms_of(&record))?;
            wiring::warn_of_refused_reload(path, advice)?;
        }
    }
    Ok(true)
}

fn file(config: &Config) -> Result<&Path, Box<dyn Error>> {
    match &config.service_keys {
        Some(settings) => Ok(&settings.file),
        None => Err("service keys are switched off: the configuration has no `[service_keys]` with `file = \"service-keys.toml\"`, \
                     or says `enabled = false` there"
            .into()),
    }
}

fn issuers(config: &Config) -> impl Iterator<Item = &str> + Clone {
    config.issuers.iter().map(|issuer| &*issuer.name)
}

fn check_buckets(config: &Config, buckets: &[BucketName]) -> Result<(), Box<dyn Error>> {
    match buckets
        .iter()
        .find(|bucket| !config.buckets.contains_key(bucket.as_str()))
    {
        Some(unknown) => {
            let known: Vec<&str> = config.buckets.keys().map(BucketName::as_str).collect();
            Err(format!("there is no bucket `{unknown}`; there are {}", known.join(", ")).into())
        }
        None => Ok(()),
    }
}

fn deduplicated(buckets: &[BucketName]) -> Vec<BucketName> {
    let mut buckets = buckets.to_vec();
    buckets.sort_unstable();
    buckets.dedup();
    buckets
}

fn print_new(
    made: &NewKey,
    old: Option<&Record>,
    json: bool,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let secret = made.secret_access_key.expose_str().unwrap_or_default();
    if json {
        let mut shown = shape(&made.record, now);
        if let Value::Object(fields) = &mut shown {
            fields.insert("secret_access_key".into(), secret.into());
        }
        return Ok(writeln!(out, "{shown}")?);
    }
    let record = &made.record;
    writeln!(out, "access key id:      {}", record.id)?;
    writeln!(out, "secret access key:  {secret}")?;
    writeln!(out, "for {}", terms_of(record))?;
    let lifetime = in_words(record.lifetime());
    writeln!(
        out,
        "until {:.0}, for {lifetime}; the secret is not shown again",
        record.expires
    )?;
    if let Some(old) = old {
        writeln!(out, "{} works until {:.0}", old.id, old.expires)?;
    }
    Ok(())
}

fn print_list(
    records: &[Record],
    json: bool,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    if json {
        let all: Vec<Value> = records.iter().map(|record| shape(record, now)).collect();
        return Ok(writeln!(out, "{}", Value::from(all))?);
    }
    if records.is_empty() {
        writeln!(out, "there are no service keys")?;
    }
    for record in records {
        let standing = record.standing(now).name();
        write!(
            out,
            "{}  {standing:<7}  until {:.0}  {}",
            record.id,
            record.expires,
            terms_of(record)
        )?;
        match &record.note {
            Some(note) => writeln!(out, "  ({note})")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

/// Whom and what it is for, on one line.
fn terms_of(record: &Record) -> String {
    let buckets: Vec<&str> = record.buckets.iter().map(BucketName::as_str).collect();
    let mut terms = format!("{} in {}", record.principal, buckets.join(", "));
    if !record.source_addresses.is_empty() {
        let networks: Vec<String> = record.source_addresses.iter().map(Network::to_string).collect();
        terms.push_str(&format!(" from {}", networks.join(", ")));
    }
    terms
}

fn shape(record: &Record, now: Timestamp) -> Value {
    let buckets: Vec<&str> = record.buckets.iter().map(BucketName::as_str).collect();
    let networks: Vec<String> = record.source_addresses.iter().map(Network::to_string).collect();
    json!({
        "access_key_id": record.id,
        "principal": record.principal,
        "buckets": buckets,
        "created": record.created.to_string(),
        "expires": record.expires.to_string(),
        "standing": record.standing(now).name(),
        "source_addresses": networks,
        "note": record.note,
        "revoked": record.revoked.map(|at| at.to_string()),
        "replaces": record.replaces,
        "ring_key": record.ring_key,
    })
}

fn bucket(text: &str) -> Result<BucketName, String> {
    BucketName::parse(text).map_err(|wrong| wrong.to_string())
}

fn network(text: &str) -> Result<Network, String> {
    text.parse()
}

/// More would be no rotation.
fn overlap(text: &str) -> Result<Duration, &'static str> {
    match parse_duration(text)? {
        long if long > Duration::from_secs(30 * 24 * 3600) => Err("longer than \"30d\""),
        fits => Ok(fits),
    }
}
