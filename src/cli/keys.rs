//! `tidegate keys`: makes and rotates the key ring that seals sessions.

use super::wiring;
use crate::clock::Clock;
use crate::config::parse_duration;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// `tidegate keys`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do with the ring.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with a ring.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write a new key ring with one random key, readable by its owner alone
    #[command(
        after_help = "Example:\n  tidegate keys new secrets/session-keys.toml\n\nNever overwrites a file."
    )]
    New {
        /// The file to make
        file: PathBuf,
    },
    /// Add a random key; older ones still open the sessions that they sealed
    #[command(after_help = ROTATE)]
    Rotate {
        /// The key ring
        file: PathBuf,
        /// How long until the new key seals: by then every replica must have the file
        #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = seals_after)]
        seals_after: Duration,
        /// A compromised key that is taken out at the same time; may be repeated
        #[arg(long = "drop", value_name = "ID")]
        drops: Vec<Box<str>>,
        /// The configuration, to say which service keys end with the keys that go
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Take a compromised key out: everything that it made ends
    #[command(after_help = DROP)]
    Drop {
        /// The key ring
        file: PathBuf,
        /// The ids of the keys
        #[arg(required = true, value_name = "ID")]
        ids: Vec<Box<str>>,
        /// The configuration, to say which service keys end with them
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Say only what would end
        #[arg(long)]
        dry_run: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  tidegate keys new secrets/session-keys.toml
  tidegate keys rotate secrets/session-keys.toml --seals-after 10m";

const ROTATE: &str = "\
Examples:
  tidegate keys rotate secrets/session-keys.toml
  tidegate keys rotate secrets/session-keys.toml --seals-after 1h    replicas get their files hourly
  tidegate keys rotate secrets/session-keys.toml --seals-after 0s    there is only one Tidegate

Keys that were superseded more than 91 days ago are dropped: no session and no service key of theirs can be alive.";

const DROP: &str = "\
Examples:
  tidegate keys drop secrets/session-keys.toml 4zk2m6wq7h3xjpva --config tidegate.toml --dry-run
  tidegate keys drop secrets/session-keys.toml 4zk2m6wq7h3xjpva --config tidegate.toml
  tidegate keys rotate secrets/session-keys.toml --seals-after 0s --drop 4zk2m6wq7h3xjpva    it is the only one

Sessions, uploads in parts, logins and service keys that the key made end as soon as a replica has the file.";

/// Does it, and prints what was done to `out`.
///
/// # Errors
/// Why it could not be done; then the file is as it was.
pub fn run(args: &Args, clock: &Clock, out: &mut dyn Write) -> Result<bool, Box<dyn Error>> {
    let done = match &args.command {
        Command::New { file } => wiring::new_key_ring(file, clock)?,
        Command::Rotate {
            file,
            seals_after,
            drops,
            config,
        } => {
            let ending = wiring::ending_service_keys(config.as_deref(), drops, clock)?;
            wiring::rotate_key_ring(file, clock, *seals_after, drops)? + &ending
        }
        Command::Drop {
            file,
            ids,
            config,
            dry_run,
        } => {
            let ending = wiring::ending_service_keys(config.as_deref(), ids, clock)?;
            match dry_run {
                true => format!("{}: would drop {}{ending}", file.display(), ids.join(", ")),
                false => wiring::drop_ring_keys(file, clock, ids)? + &ending,
            }
        }
    };
    writeln!(out, "{done}")?;
    Ok(true)
}

/// A ring whose new key waits for more than a day is a mistake: it would be dropped before it is used.
fn seals_after(text: &str) -> Result<Duration, &'static str> {
    match parse_duration(text)? {
        long if long > Duration::from_secs(24 * 3600) => Err("longer than \"24h\""),
        fits => Ok(fits),
    }
}
