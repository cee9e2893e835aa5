//! `tidegate serve-credentials`: container credentials on this machine, for programs that know no `credential_process`.

use super::choice::{self, Wanted};
use super::env::Shell;
use crate::client::{Client, ClientError, Door};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// `tidegate serve-credentials`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The port on 127.0.0.1; 0 takes one that is free
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Write the authorization token into this file, which only you can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub authorization_file: Option<PathBuf>,
    /// The shell in whose words the variables are printed
    #[arg(long, value_enum, value_name = "SHELL", default_value_t = Shell::Sh)]
    pub shell: Shell,
    /// Which keys.
    #[command(flatten)]
    pub wanted: Wanted,
}

const EXAMPLES: &str = "\
Examples:
  tidegate serve-credentials > door.env &    then `. ./door.env` in each shell that needs keys
  tidegate serve-credentials --port 9911 --authorization-file door-token

Prints the variables for an SDK, then serves until it is told to stop. Whoever has not the token is
refused: it is a random one for each run.

Exit codes: 0 ended as told, 1 failed or denied, 2 the command was not understood, 3 not logged in.";

/// Serves until SIGTERM or SIGINT.
pub fn run(args: &Args, out: &mut dyn Write) -> ExitCode {
    choice::run(args.wanted.place.json, async || {
        let client = args.wanted.client()?;
        // A door behind which there is nothing is better not opened.
        client.keys(args.wanted.fresh.renewal(&client)).await?;
        let door = Door::open(args.port, args.wanted.fresh.renewal(&client)).await?;
        announce(args, &client, &door, out)?;
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let end = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        Arc::new(door).serve(Arc::new(client), end).await;
        Ok(0)
    })
}

fn announce(args: &Args, client: &Client, door: &Door, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut variables = client.variables().of_door(&door.url, door.token());
    if let Some(file) = &args.authorization_file {
        write_token(file, door.token())?;
        variables.retain(|(name, _)| {
            *name != "AWS_CONTAINER_AUTHORIZATION_TOKEN" && *name != "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
        });
        let path = std::path::absolute(file)?;
        variables.insert(
            1,
            (
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                Some(path.display().to_string()),
            ),
        );
        variables.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN", None));
    }
    if args.wanted.place.json {
        let document: serde_json::Map<_, _> = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
            .collect();
        writeln!(out, "{}", serde_json::Value::Object(document))?;
    } else {
        out.write_all(args.shell.script(&variables).as_bytes())?;
    }
    out.flush()?;
    client
        .console()
        .say(format!("Keys are served at {}. Ctrl-C ends it.", door.url));
    Ok(())
}

/// Without a line end: SDKs send the file as it is.
fn write_token(path: &Path, token: &str) -> io::Result<()> {
    // What is there may be open to others.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(token.as_bytes())
}
