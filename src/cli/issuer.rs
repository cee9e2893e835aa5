//! `tidegate issuer`: makes, rotates and shows the keys by which clouds know Tidegate.
//!
//! The hazard is a key that signs before the clouds have it: they keep the key set that they fetched, and refuse what they
//! cannot verify. So a new key is published a day before it signs, unless it is said that this is not meant.

use crate::clock::Clock;
use crate::config::{self, OwnIssuer, parse_duration};
use crate::issuer::{Issuer, Listed, PUBLISHED_BEFORE_USE, SigningKeys, Standing};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `tidegate issuer`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do with the keys.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with the issuer's keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write a file with one new RSA key, readable by its owner alone
    #[command(
        after_help = "Example:\n  tidegate issuer new secrets/issuer-keys.toml\n\nNever overwrites a file. Every replica needs this file."
    )]
    New {
        /// The file to make
        file: PathBuf,
    },
    /// Publish a new key, which signs a day later; the old one stays published for what it signed
    #[command(after_help = ROTATE)]
    Rotate {
        /// The keys
        file: PathBuf,
        /// How long the new key is published before it signs: a day at least, 30 days at most
        #[arg(long, value_name = "DURATION", value_parser = signs_after)]
        signs_after: Option<Duration>,
        /// Let the new key sign at once, or sooner than after a day: clouds refuse its tokens until they fetch the keys anew
        #[arg(long)]
        now: bool,
        /// A compromised key that is taken out at the same time; may be repeated
        #[arg(long = "drop", value_name = "ID")]
        drops: Vec<Box<str>>,
    },
    /// Take a compromised key out: no cloud that fetches the key set takes its tokens any more
    #[command(after_help = DROP)]
    Drop {
        /// The keys
        file: PathBuf,
        /// The ids of the keys
        #[arg(required = true, value_name = "ID")]
        ids: Vec<Box<str>>,
    },
    /// Show every key and what it does: announced, signing, superseded or gone
    #[command(
        after_help = "Examples:\n  tidegate issuer list secrets/issuer-keys.toml\n  tidegate issuer list secrets/issuer-keys.toml --json | jq -r '.[] | select(.standing == \"signing\") | .id'"
    )]
    List {
        /// The keys
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the key set, to be uploaded where nothing inbound is allowed
    #[command(after_help = JWKS)]
    Jwks {
        /// The keys
        #[arg(conflicts_with = "config")]
        file: Option<PathBuf>,
        /// The configuration that names them
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the discovery document, to be published at `url`/.well-known/openid-configuration
    #[command(
        after_help = "Example:\n  tidegate issuer discovery --config tidegate.toml > openid-configuration"
    )]
    Discovery {
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = "tidegate.toml")]
        config: PathBuf,
    },
}

const EXAMPLES: &str = "\
Examples:
  tidegate issuer new secrets/issuer-keys.toml
  tidegate issuer rotate secrets/issuer-keys.toml
  tidegate issuer list secrets/issuer-keys.toml
  tidegate issuer jwks --config tidegate.toml > jwks.json

A running Tidegate takes up a changed file within seconds.";

const ROTATE: &str = "\
Examples:
  tidegate issuer rotate secrets/issuer-keys.toml
  tidegate issuer rotate secrets/issuer-keys.toml --signs-after 7d     replicas get their files weekly
  tidegate issuer rotate secrets/issuer-keys.toml --now                no cloud trusts it yet
  tidegate issuer rotate secrets/issuer-keys.toml --now --drop 4zk2m6wq7h3xjpva     it is compromised

Every replica must have the file before the new key signs. Where the key set was uploaded, upload it again before that.
Keys that signed nothing for 25 hours are dropped.";

const DROP: &str = "\
Example:
  tidegate issuer drop secrets/issuer-keys.toml 4zk2m6wq7h3xjpva

For the key that signs now: tidegate issuer rotate FILE --now --drop ID
Clouds keep the key set that they fetched, for a day at most. Where that is too long, take their trust in the issuer away
until then; where the key set was uploaded, upload it again.";

const JWKS: &str = "\
Examples:
  tidegate issuer jwks secrets/issuer-keys.toml > jwks.json
  gcloud iam workload-identity-pools providers update-oidc tidegate --workload-identity-pool=tidegate \\
      --project=acme-data --location=global --jwk-json-path=jwks.json

It has no private keys in it.";

/// Does it, and prints what was done or asked for to `out`.
///
/// # Errors
/// Why it could not be done; then the file is as it was.
pub fn run(args: &Args, clock: &Clock, out: &mut dyn Write) -> Result<bool, Box<dyn Error>> {
    let now = clock.now();
    match &args.command {
        Command::New { file } => {
            let id = SigningKeys::create(file, now)?;
            let file = file.display();
            writeln!(out, "{file}: made with key `{id}`; every replica needs this file")?;
        }
        Command::Rotate {
            file,
            signs_after,
            now: at_once,
            drops,
        } => {
            let after = patience(*signs_after, *at_once)?;
            let rotated = SigningKeys::rotate_out(file, now, after, drops)?;
            let (id, from) = &rotated.added;
            let file = file.display();
            let dropped = dropped(&rotated.dropped);
            match after.is_zero() {
                true => writeln!(
                    out,
                    "{file}: key `{id}` is published and signs from now on{dropped}"
                )?,
                false => writeln!(
                    out,
                    "{file}: key `{id}` is published now and signs from {from:.0} on{dropped}"
                )?,
            }
        }
        Command::Drop { file, ids } => {
            let gone = SigningKeys::drop_keys(file, now, ids)?;
            writeln!(out, "{}: changed{}", file.display(), dropped(&gone))?;
        }
        Command::List { file, json } => list(&SigningKeys::read(file)?.listed(now), *json, out)?,
        Command::Jwks { file, config } => {
            let named = match (file, config) {
                (Some(file), _) => file.clone(),
                (None, Some(config)) => settings(config)?.keys,
                (None, None) => settings(Path::new("tidegate.toml"))?.keys,
            };
            writeln!(out, "{}", SigningKeys::read(&named)?.jwks(now))?;
        }
        Command::Discovery { config } => {
            writeln!(out, "{}", Issuer::load(&settings(config)?, clock)?.discovery())?;
        }
    }
    Ok(true)
}

fn settings(config: &Path) -> Result<OwnIssuer, Box<dyn Error>> {
    match config::load(config)?.issuer {
        Some(issuer) => Ok(issuer),
        None => Err(format!(
            "there is no `[issuer]` in `{}`: Tidegate is an issuer with `url = \"https://s3.acme.example\"` and \
             `keys = \"secrets/issuer-keys.toml\"` there",
            config.display()
        )
        .into()),
    }
}

/// How long the new key is published before it signs.
fn patience(signs_after: Option<Duration>, at_once: bool) -> Result<Duration, String> {
    let day = Duration::try_from(PUBLISHED_BEFORE_USE).unwrap_or_default();
    match (signs_after, at_once) {
        (None, false) => Ok(day),
        (None, true) => Ok(Duration::ZERO),
        (Some(short), false) if short < day => Err(
            "`--signs-after` is shorter than a day: clouds keep the key set that they fetched, some for a day, and refuse \
             what a key signed that is not in it. Say `--now` as well if no cloud trusts this issuer yet, or if the old \
             key is compromised"
                .to_owned(),
        ),
        (Some(said), _) => Ok(said),
    }
}

fn dropped(ids: &[Box<str>]) -> String {
    match ids {
        [] => String::new(),
        ids => format!("; dropped: {}", ids.join(", ")),
    }
}

fn list(keys: &[Listed<'_>], as_json: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if as_json {
        let all: Vec<Value> = keys.iter().map(shape).collect();
        return writeln!(out, "{}", Value::from(all));
    }
    keys.iter().try_for_each(|key| {
        let until = match key.standing {
            Standing::Announced(from) => format!("signs from {from:.0}"),
            Standing::Signing => format!("since {:.0}", key.signs_from),
            Standing::Superseded(until) => format!("published until {until:.0}"),
            Standing::Gone => "not published any more".to_owned(),
        };
        writeln!(
            out,
            "{}  {:<10}  {until}, made {:.0}",
            key.id,
            key.standing.name(),
            key.created
        )
    })
}

fn shape(key: &Listed<'_>) -> Value {
    let said = |at: Timestamp| format!("{at:.0}");
    let published_until = match key.standing {
        Standing::Superseded(until) => Some(said(until)),
        Standing::Announced(_) | Standing::Signing | Standing::Gone => None,
    };
    json!({
        "id": key.id,
        "standing": key.standing.name(),
        "created": said(key.created),
        "signs_from": said(key.signs_from),
        "published_until": published_until,
    })
}

/// A key that waits for longer is a mistake.
fn signs_after(text: &str) -> Result<Duration, &'static str> {
    let longest = Duration::try_from(SignedDuration::from_hours(30 * 24)).unwrap_or_default();
    match parse_duration(text)? {
        long if long > longest => Err("longer than \"30d\""),
        fits => Ok(fits),
    }
}
