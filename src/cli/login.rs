//! `tidegate login`: a person, a browser, a session.

use super::choice::{self, Place, Session, Who};
use crate::client::{Choice, Client, Hold, LoggedIn, LoginWay};
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

/// `tidegate login`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The gateway; without it that of the profile, or of the last login
    #[arg(value_name = "GATEWAY", conflicts_with = "endpoint")]
    pub gateway: Option<String>,
    /// Show a short code that is typed in on any device
    #[arg(long, conflicts_with = "no_browser")]
    pub device: bool,
    /// Print the address instead of opening a browser, and take the last page's address back
    #[arg(long)]
    pub no_browser: bool,
    /// The identity provider, by the gateway's name for it [env: TIDEGATE_ISSUER]
    #[arg(long, value_name = "NAME")]
    pub issuer: Option<String>,
    /// Where the login is kept: `auto`, `keychain` or `file` [env: TIDEGATE_STORE]
    #[arg(long, value_name = "PLACE", value_parser = ["auto", "keychain", "file"])]
    pub store: Option<String>,
    /// Which gateway.
    #[command(flatten)]
    pub place: Place,
    /// As what.
    #[command(flatten)]
    pub session: Session,
}

const EXAMPLES: &str = "\
Examples:
  tidegate login https://s3.acme.example          a browser opens
  tidegate login --device                         without a browser: a code, typed in anywhere
  tidegate login --no-browser                     the same where the provider knows no codes
  tidegate login --tag audit=CHG-1042 --ttl 8h    with a session tag that policies ask for
  tidegate login --role exporter

Role, tags and lifetime hold until the next login. Tokens are kept in the desktop's keychain, or in
a file that only you can read, and then it is said.

Exit codes: 0 logged in, 1 failed or denied, 2 the command was not understood.";

/// Logs in.
pub fn run(args: &Args, out: &mut dyn Write) -> ExitCode {
    choice::run(args.place.json, async || {
        let client = choice::client(&args.choice())?.reading_lines();
        let way = match (args.device, args.no_browser) {
            (true, _) => Some(LoginWay::Device),
            (_, true) => Some(LoginWay::Paste),
            (false, false) => None,
        };
        let begun = client.now();
        let logged_in = client.log_in(way, Hold::UntilTheNextLogin, begun).await?;
        if args.place.json {
            writeln!(out, "{}", document(&client, &logged_in))?;
        } else {
            say(&client, &logged_in);
        }
        Ok(0)
    })
}

impl Args {
    fn choice(&self) -> Choice {
        let who = Who {
            store: self.store.clone(),
            identity: Some("login".to_owned()),
            ..Who::default()
        };
        let mut choice = self.place.choice(&who, &self.session);
        choice.issuer.clone_from(&self.issuer);
        choice.endpoint = self.gateway.clone().or(choice.endpoint);
        choice
    }
}

/// `Logged in as ana@acme.com (okta) until 18:04, 8 h. Groups: analysts. Session tags: audit=CHG-1042`
fn say(client: &Client, logged_in: &LoggedIn) {
    let (at, left) = client.spoken(logged_in.expires_at);
    let how = if logged_in.by_another {
        "Another tidegate has logged in"
    } else {
        "Logged in"
    };
    let mut line = format!(
        "{how} as {} ({}) until {at}, {left}",
        logged_in.who, logged_in.issuer
    );
    line.push_str(if logged_in.renewable {
        ", renewed by itself."
    } else {
        "."
    });
    if let Some(gateway) = &logged_in.gateway {
        let groups = super::whoami::names(gateway.get("groups"));
        if !groups.is_empty() {
            line.push_str(&format!(" Groups: {}.", groups.join(", ")));
        }
    }
    let settings = client.settings();
    if !settings.tags.is_empty() {
        let tags: Vec<String> = settings
            .tags
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        line.push_str(&format!(" Session tags: {}.", tags.join(", ")));
    }
    if let Some(role) = &settings.role {
        line.push_str(&format!(" Role: {role}."));
    }
    client.console().say(line);
    let buckets = logged_in
        .gateway
        .as_ref()
        .and_then(|gateway| gateway.get("buckets"))
        .and_then(Value::as_object);
    let bucket = buckets
        .and_then(|buckets| buckets.keys().next())
        .map_or("BUCKET", String::as_str);
    client
        .console()
        .say(format!("Try: tidegate exec -- aws s3 ls s3://{bucket}/"));
}

fn document(client: &Client, logged_in: &LoggedIn) -> Value {
    json!({
        "endpoint": client.endpoint(),
        "who": logged_in.who,
        "issuer": logged_in.issuer,
        "expires_at": logged_in.expires_at.to_string(),
        "renewable": logged_in.renewable,
        "by_another": logged_in.by_another,
        "gateway": logged_in.gateway,
    })
}
