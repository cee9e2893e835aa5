//! `tidegate dev`: its arguments. What it does is in the room of the same name.

use crate::clock::Clock;
use crate::dev::{self, DevError};
use crate::telemetry::{self, LogFormat};
use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

/// `tidegate dev`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where certificates, keys, policies and data are kept; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "tidegate-dev", global = true)]
    pub dir: PathBuf,
    /// Where callers connect [default: as before in this folder, at first 127.0.0.1:8443]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = loopback)]
    pub listen: Option<SocketAddr>,
    /// Without one: serve.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do with an environment that is there.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print an identity token of a sample identity
    #[command(after_help = TOKEN)]
    Token {
        /// The sample identity, such as `etl`
        name: String,
    },
}

const EXAMPLES: &str = "\
Examples:
  tidegate dev                        make everything under ./tidegate-dev, prove it, and serve until Ctrl-C
  tidegate dev --dir /tmp/try         the same, elsewhere
  tidegate dev --listen 127.0.0.1:0   the same, on a port that is free
  tidegate dev token etl              a signed token of the sample workload `etl`

For this machine only: everything listens on loopback, and anybody who can read the folder is anybody.";

const TOKEN: &str = "\
Examples:
  tidegate dev token etl > etl.token
  AWS_WEB_IDENTITY_TOKEN_FILE=etl.token aws sts assume-role-with-web-identity ...";

/// What is logged if `RUST_LOG` does not say otherwise: the proof is to be read. To the embedded store every object
/// that is not there is an error; Tidegate's own log says what matters of its answers.
const LOG: &str = "warn,s3s=off,s3s_fs=off";

/// Serves the quickstart, or prints a token of it.
///
/// # Errors
/// What could not be made or proved.
pub fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    match &args.command {
        Some(Command::Token { name }) => {
            let token = dev::token(&args.dir, name, Clock::system())?;
            writeln!(io::stdout(), "{token}")?;
        }
        None => {
            let filter = crate::config::log_filter();
            telemetry::init(LogFormat::Text, Some(filter.as_deref().unwrap_or(LOG)))?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let mut out = io::stdout();
            let served = dev::serve(&args.dir, args.listen, Clock::system(), &mut out);
            runtime.block_on(served).map_err(|error| match error {
                // As it is, so that a reader that went away is recognised.
                DevError::Output(error) => Box::from(error),
                error => Box::<dyn Error>::from(error),
            })?;
        }
    }
    Ok(true)
}

/// Whoever can read the folder is anybody, so nobody else is invited.
fn loopback(text: &str) -> Result<SocketAddr, &'static str> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("not an address of this machine alone; expected one such as `127.0.0.1:8443`"),
        Err(_) => Err("not an address; expected one such as `127.0.0.1:8443`"),
    }
}
