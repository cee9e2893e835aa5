//! `tidegate serve`: log, serve until told to stop, drain.

use crate::telemetry::{self, LogFormat};
use std::error::Error;
use std::path::PathBuf;

/// `tidegate serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tidegate.toml")]
    pub config: PathBuf,
    /// How the log on standard error looks
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Log::Text)]
    pub log: Log,
}

/// How the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Log {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

const EXAMPLES: &str = "\
Examples:
  tidegate serve --config tidegate.toml
  RUST_LOG=tidegate=debug tidegate serve --config /etc/tidegate/tidegate.toml

Signals:
  SIGHUP             read policies and certificates anew, open the audit file again
  SIGTERM, SIGINT    not ready any more, finish what is under way, end

Exit codes: 0 ended as told, 1 could not serve, 2 the command was not understood.";

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Why it could not start; no port is bound then.
pub fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let format = match args.log {
        Log::Text => LogFormat::Text,
        Log::Json => LogFormat::Json,
    };
    telemetry::init(format, crate::config::log_filter().as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(crate::run::serve(&args.config))?;
    Ok(true)
}
