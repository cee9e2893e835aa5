//! `tidegate policy`: help for those who write policies.

use super::wiring;
use std::error::Error;
use std::io::Write;

/// `tidegate policy`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with policies.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the Cedar schema that every policy is checked against
    #[command(after_help = EXAMPLES)]
    Schema {
        /// The one of the trust policies of roles
        #[arg(long)]
        trust: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  tidegate policy schema > tidegate.cedarschema     for the Cedar extension of your editor
  tidegate policy schema | less                     what a policy can ask about
  tidegate policy schema --trust                    what the trust policy of a role can ask about

`tidegate check` checks the policies themselves.";

/// Does it, and prints to `out`.
///
/// # Errors
/// If `out` does not take it, or it cannot be had.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<bool, Box<dyn Error>> {
    match args.command {
        Command::Schema { trust } => out.write_all(wiring::policy_schema(trust).as_bytes())?,
    }
    Ok(true)
}
