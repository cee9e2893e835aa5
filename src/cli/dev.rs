//! `tidegate dev`: its arguments. What it does is in the room of the same name.

use std::error::Error;
use std::path::PathBuf;

/// `tidegate dev`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where certificates, keys, policies and data are kept; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "tidegate-dev", global = true)]
    pub dir: PathBuf,
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
  tidegate dev token etl              a signed token of the sample workload `etl`

For this machine only: everything listens on loopback, and anybody who can read the folder is anybody.";

const TOKEN: &str = "\
Examples:
  tidegate dev token etl > etl.token
  AWS_WEB_IDENTITY_TOKEN_FILE=etl.token aws sts assume-role-with-web-identity ...";

/// Serves the quickstart, or prints a token of it.
///
/// # Errors
/// What could not be made or proved.
pub fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let _ = args;
    Err("the quickstart is not part of this build".into())
}
