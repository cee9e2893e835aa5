//! The command line: one file for each command.
//!
//! Messages for people go to standard error, results to standard output. Exit codes: 0 it worked, 1 it did not,
//! 2 the command was not understood, 3 nobody is logged in. Knows no rules of its own: what is right is decided by the rooms it calls.

pub mod audit;
pub mod check;
mod choice;
pub mod credential_process;
#[cfg(feature = "dev")]
pub mod dev;
pub mod doctor;
pub mod env;
pub mod exec;
mod finding;
pub mod issuer;
pub mod keys;
pub mod login;
pub mod logout;
pub mod policy;
pub mod serve;
pub mod serve_credentials;
pub mod service_keys;
pub mod sessions;
pub mod setup;
pub mod snippet;
mod targets;
mod token;
pub mod whoami;
mod wiring;

#[cfg(test)]
mod tests;

pub use finding::{Finding, Severity};

use clap::{Parser, Subcommand};
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

/// Identity-aware TLS reverse proxy for object storage.
///
/// Callers log in with tokens of their identity provider and get short-lived S3 credentials; a Cedar policy for
/// each bucket decides what they may do; every request is recorded.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, after_help = EXAMPLES, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve what the configuration says
    Serve(serve::Args),
    /// Check the configuration, certificates, keys and policies without serving
    Check(check::Args),
    /// Find out what is wrong, on whose side, and what mends it: on a server with `--config`, else as a caller
    Doctor(doctor::Args),
    /// Make and rotate the keys that seal sessions
    Keys(keys::Args),
    /// Make, rotate and show the keys by which clouds know Tidegate
    Issuer(issuer::Args),
    /// Make, list, rotate and revoke the keys of tools that cannot refresh a session
    ServiceKeys(service_keys::Args),
    /// End sessions before their time
    Sessions(sessions::Args),
    /// Work with policies
    Policy(policy::Args),
    /// Compare the audit log with the logs of clouds
    Audit(audit::Args),
    /// Log in at a gateway
    Login(login::Args),
    /// Forget a login
    Logout(logout::Args),
    /// Print whom the gateway takes you for
    Whoami(whoami::Args),
    /// Run a program with keys
    Exec(exec::Args),
    /// Print keys as variables of a shell
    Env(env::Args),
    /// Print keys for an SDK's `credential_process`
    CredentialProcess(credential_process::Args),
    /// Serve keys to programs on this machine
    ServeCredentials(serve_credentials::Args),
    /// Print what to paste into a client: AWS CLI, Spark, rclone, restic and others
    Snippet(snippet::Args),
    /// Print what a cloud has to be told so that it trusts Tidegate with a bucket
    Setup(setup::Args),
    /// Try everything on this machine: a store, an identity provider and sample data, without configuration
    #[cfg(feature = "dev")]
    Dev(dev::Args),
}

#[cfg(feature = "dev")]
const EXAMPLES: &str = "\
Examples:
  tidegate dev                                      try it, without any configuration
  tidegate keys new secrets/session-keys.toml       make the keys that seal sessions
  tidegate check --config tidegate.toml             see what is wrong, with line, key and what is accepted
  tidegate serve --config tidegate.toml             serve

  tidegate login https://s3.acme.example            log in
  tidegate exec -- aws s3 ls s3://lake/             run something with keys

Exit codes: 0 it worked, 1 it did not, 2 the command was not understood, 3 nobody is logged in.";
#[cfg(not(feature = "dev"))]
const EXAMPLES: &str = "\
Examples:
  tidegate keys new secrets/session-keys.toml       make the keys that seal sessions
  tidegate check --config tidegate.toml             see what is wrong, with line, key and what is accepted
  tidegate serve --config tidegate.toml             serve

  tidegate login https://s3.acme.example            log in
  tidegate exec -- aws s3 ls s3://lake/             run something with keys

Exit codes: 0 it worked, 1 it did not, 2 the command was not understood, 3 nobody is logged in.";

/// How a command that only prints ended.
///
/// A reader that went away (`tidegate check | head -1`) is no failure; any other error is said on standard error.
pub fn exit_code(result: Result<bool, Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let pipe = error
                .downcast_ref::<io::Error>()
                .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
            if !pipe {
                // There is nobody left to tell if this fails.
                let _ = writeln!(io::stderr(), "tidegate: {}", describe(&*error));
            }
            ExitCode::FAILURE
        }
    }
}

/// An error and what led to it, on one line.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    crate::error::with_causes(error)
}
