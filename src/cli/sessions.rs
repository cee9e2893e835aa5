//! `tidegate sessions`: ends sessions before their time, and keeps principals from getting more.

use super::wiring;
use crate::authn::revocations::{Edited, Revocation, Revocations, add, remove};
use crate::clock::Clock;
use crate::config::Config;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{error::Error, io::Write, path::PathBuf};

/// `tidegate sessions`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with sessions.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// End sessions; with a principal or a role and no time, also keep it from getting new ones
    #[command(after_help = REVOKE)]
    Revoke {
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = "tidegate.toml")]
        config: PathBuf,
        /// Of this principal, such as google:ana@acme.com
        #[arg(long, value_name = "ISSUER:NAME")]
        principal: Option<Box<str>>,
        /// This session, by the `session_id` of the audit file, and those that it made
        #[arg(long, value_name = "ID")]
        session: Option<Box<str>>,
        /// Those that carry this role
        #[arg(long, value_name = "NAME")]
        role: Option<Box<str>>,
        /// Those that were issued before; `now` ends those that there are and lets callers get new ones
        #[arg(long, value_name = "TIME")]
        before: Option<Box<str>>,
        /// Told to whoever is refused
        #[arg(long, value_name = "TEXT", conflicts_with = "undo")]
        reason: Option<Box<str>>,
        /// Take such an entry back
        #[arg(long)]
        undo: bool,
    },
    /// Show what is revoked
    #[command(after_help = LIST)]
    Revocations {
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = "tidegate.toml")]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  tidegate sessions revoke --config tidegate.toml --principal google:ana@acme.com --reason \"laptop stolen\"
  tidegate sessions revoke --session 6d1e0f3c5a7b49d2a1f08e3c4b5d6a7f
  tidegate sessions revocations
  tidegate sessions revoke --principal google:ana@acme.com --undo";

const LIST: &str = "\
Examples:
  tidegate sessions revocations
  tidegate sessions revocations --config /etc/tidegate/tidegate.toml --json";

const REVOKE: &str = "\
Examples:
  tidegate sessions revoke --principal google:ana@acme.com --reason \"laptop stolen\"      and no new ones
  tidegate sessions revoke --principal google:ana@acme.com --before now                  log in again
  tidegate sessions revoke --role exporter --before 2026-11-22T10:00:00Z
  tidegate sessions revoke --before now                                                  everybody logs in again
  tidegate sessions revoke --principal google:ana@acme.com --undo

All conditions that are given must hold. A running Tidegate knows within a second.";

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
        Command::Revoke {
            config: path,
            principal,
            session,
            role,
            before,
            reason,
            undo,
        } => {
            let config = crate::config::load(path)?;
            let entry = Revocation {
                session: session.clone(),
                principal: principal.clone(),
                role: role.clone(),
                issued_before: before.as_deref().map(|text| time(text, now)).transpose()?,
                reason: reason.clone(),
                at: Some(whole_second_after(now)),
            };
            if entry
                .issued_before
                .is_some_and(|before| before > whole_second_after(now))
            {
                return Err("`--before` is in the future: sessions would end as they are issued; leave it out to keep \
                            somebody out, or say `now`"
                    .into());
            }
            let issuers: Vec<&str> = config.issuers.iter().map(|issuer| &*issuer.name).collect();
            let file = &config.sessions.revocations;
            if !file.exists() && !*undo {
                writeln!(
                    advice,
                    "tidegate: `{}` is made anew; if there was one with entries, put it back before anything else: a \
                     running Tidegate keeps them only until it reads this file",
                    file.display()
                )?;
            }
            let edited = match undo {
                true => remove(file, &entry, &issuers, now)?,
                false => add(file, entry.clone(), &issuers, now)?,
            };
            writeln!(out, "{}: {}", file.display(), said(&edited, *undo))?;
            if !*undo {
                advise(&config, &entry, advice)?;
            }
            wiring::warn_of_refused_reload(path, advice)?;
        }
        Command::Revocations { config, json } => {
            let config = crate::config::load(config)?;
            let revocations = Revocations::load(&config.sessions.revocations)?;
            print_list(revocations.entries(), *json, out)?;
        }
    }
    Ok(true)
}

fn said(edited: &Edited, undo: bool) -> String {
    let list = |entries: &[Revocation]| {
        let entries: Vec<String> = entries.iter().map(Revocation::to_string).collect();
        entries.join("; ")
    };
    let mut said = match (undo, edited.changed.is_empty()) {
        (true, _) => format!("taken back: {}", list(&edited.changed)),
        (false, true) => "there is such an entry already".to_owned(),
        (false, false) => format!("revoked: {}", list(&edited.changed)),
    };
    if !edited.pruned.is_empty() {
        said.push_str(&format!(
            "; left out, as all of it is over: {}",
            list(&edited.pruned)
        ));
    }
    said
}

/// What is probably not meant.
fn advise(config: &Config, entry: &Revocation, advice: &mut dyn Write) -> std::io::Result<()> {
    if let Some(principal) = &entry.principal {
        let prefix = principal.split_once(':').map_or("", |(prefix, _)| prefix);
        let of_issuer = config.issuers.iter().any(|issuer| *issuer.name == *prefix);
        if !of_issuer && config.service_keys.is_none() {
            writeln!(
                advice,
                "tidegate: no issuer is named `{prefix}`: nobody is `{principal}`"
            )?;
        }
    }
    if let Some(role) = entry
        .role
        .as_ref()
        .filter(|role| !config.roles.contains_key(&**role))
    {
        writeln!(advice, "tidegate: there is no role `{role}` in the configuration")?;
    }
    Ok(())
}

fn print_list(entries: &[Revocation], json: bool, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    if json {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let shape = |entry: &Revocation| {
            json!({
                "session": entry.session,
                "principal": entry.principal,
                "role": entry.role,
                "issued_before": time(entry.issued_before),
                "reason": entry.reason,
                "at": time(entry.at),
            })
        };
        let all: Vec<Value> = entries.iter().map(shape).collect();
        return Ok(writeln!(out, "{}", Value::from(all))?);
    }
    if entries.is_empty() {
        writeln!(out, "nothing is revoked")?;
    }
    for entry in entries {
        write!(out, "{entry}")?;
        if let Some(at) = entry.at {
            write!(out, "  since {at:.0}")?;
        }
        match &entry.reason {
            Some(reason) => writeln!(out, "  ({reason})")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

fn time(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    match text {
        "now" => Ok(whole_second_after(now)),
        _ => text
            .parse()
            .map_err(|_| format!("`{text}` is not a time, such as \"2026-11-22T10:00:00Z\" or \"now\"")),
    }
}

/// Sessions count whole seconds: those of the present second are among those before the next one.
fn whole_second_after(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second().saturating_add(1)).unwrap_or(now)
}
