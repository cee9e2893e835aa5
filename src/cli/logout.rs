//! `tidegate logout`: forgets a login, here and at the identity provider.

use super::choice::{self, Place, Session, Who};
use crate::client::{Client, ClientError, Console, LoggedOut, SettingsError, forget_unreadable_logins};
use crate::config::Environment;
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;

/// `tidegate logout`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// All logins on this machine, and the address at which the provider's own session ends
    #[arg(long)]
    pub everywhere: bool,
    /// Which gateway.
    #[command(flatten)]
    pub place: Place,
}

const EXAMPLES: &str = "\
Examples:
  tidegate logout                 forget the tokens and keys of this gateway; the provider is told
  tidegate logout --everywhere    those of every gateway

Keys that were handed out are good until they end, unless the operator ends them:
  tidegate sessions revoke --config tidegate.toml --principal okta:ana@acme.example

Exit codes: 0 nobody is logged in any more, 1 failed, 2 the command was not understood.";

/// Logs out.
pub fn run(args: &Args, out: &mut dyn Write) -> ExitCode {
    choice::run(args.place.json, async || {
        let client = match choice::client(&args.place.choice(&Who::default(), &Session::default())) {
            Ok(client) => client,
            // Nobody says which, and nobody has ever logged in.
            Err(ClientError::Settings(SettingsError::NoEndpoint)) => {
                if forget_unreadable_logins(&Environment::of_process())? > 0 {
                    Console::of_process()
                        .warn("there were logins that could not be read; their files are gone, and no provider heard of it");
                }
                return nobody(args.place.json, out);
            }
            Err(error) => return Err(error),
        };
        let gone = client.log_out(args.everywhere).await?;
        if args.place.json {
            let gone: Vec<_> = gone.iter().map(document).collect();
            writeln!(out, "{}", json!({ "logged_out": gone }))?;
        } else {
            say(&client, &gone, args.everywhere);
        }
        Ok(0)
    })
}

fn nobody(json: bool, out: &mut dyn Write) -> Result<u8, ClientError> {
    if json {
        writeln!(out, "{}", json!({ "logged_out": [] }))?;
    } else {
        Console::of_process().say("Nobody was logged in.");
    }
    Ok(0)
}

fn say(client: &Client, gone: &[LoggedOut], everywhere: bool) {
    let console = client.console();
    if gone.is_empty() {
        console.say("Nobody was logged in.");
    }
    for one in gone {
        console.say(format!("Logged out {} at {}.", one.who, one.endpoint));
        if !one.revoked {
            console.warn("the identity provider did not hear of it; it forgets the login when that ends");
        }
        if let Some(url) = one.end_session.as_ref().filter(|_| everywhere) {
            console.say(format!(
                "To end the session at the identity provider as well, go to\n\n  {url}\n"
            ));
        }
    }
}

fn document(one: &LoggedOut) -> serde_json::Value {
    json!({
        "endpoint": one.endpoint,
        "who": one.who,
        "revoked": one.revoked,
        "end_session": one.end_session,
    })
}
