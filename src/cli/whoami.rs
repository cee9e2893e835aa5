//! `tidegate whoami`: whom the gateway takes this caller for.

use super::choice::{self, Place, Session, Who};
use crate::client::{Client, Me};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

/// `tidegate whoami`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which gateway.
    #[command(flatten)]
    pub place: Place,
    /// Whose identity.
    #[command(flatten)]
    pub who: Who,
}

const EXAMPLES: &str = "\
Examples:
  tidegate whoami
  tidegate whoami --json | jq -r .gateway.principal
  tidegate whoami --identity gcp-metadata      what the gateway makes of this machine

Exit codes: 0 printed, 1 failed or denied, 2 the command was not understood, 3 not logged in.";

/// Asks, and prints.
pub fn run(args: &Args, out: &mut dyn Write) -> ExitCode {
    choice::run(args.place.json, async || {
        let client = choice::client(&args.place.choice(&args.who, &Session::default()))?;
        let me = client.who_am_i().await?;
        let keys_end = client.keys_end().await;
        if args.place.json {
            writeln!(out, "{}", document(&client, &me, keys_end))?;
        } else {
            print(&client, &me, keys_end, out)?;
        }
        Ok(0)
    })
}

fn print(client: &Client, me: &Me, keys_end: Option<Timestamp>, out: &mut dyn Write) -> io::Result<()> {
    let text = |name: &str| me.gateway.get(name).and_then(Value::as_str).unwrap_or("-");
    writeln!(
        out,
        "{}   issuer {}   sub {}",
        text("principal"),
        text("issuer"),
        text("subject")
    )?;
    if let Some(login) = &me.login {
        let (at, left) = client.spoken(login.expires_at);
        let renewed = if login.renewable {
            ", renewed by itself"
        } else {
            ""
        };
        writeln!(out, "login at {}: ends {at} (in {left}){renewed}", login.issuer)?;
    }
    if let Some(end) = session_end(&me.gateway).or(keys_end) {
        let (at, left) = client.spoken(end);
        writeln!(
            out,
            "session {} expires {at} (in {left})",
            session_id(&me.gateway)
        )?;
    }
    let groups = names(me.gateway.get("groups"));
    writeln!(out, "groups: {}", list(&groups))?;
    let tags: Vec<String> = pairs(me.gateway.get("tags"))
        .into_iter()
        .chain(me.tags.iter().map(|(name, value)| format!("{name}={value}")))
        .collect();
    writeln!(
        out,
        "source ip seen by the gateway: {}   tags: {}",
        text("source_ip"),
        list(&tags)
    )?;
    if let Some(role) = &me.role {
        writeln!(out, "keys have the role: {role}")?;
    }
    if let Some(buckets) = me.gateway.get("buckets").and_then(Value::as_object) {
        let buckets: Vec<String> = buckets
            .iter()
            .map(|(name, may)| format!("{name} ({})", names(Some(may)).join(", ")))
            .collect();
        writeln!(out, "buckets: {}", list(&buckets))?;
    }
    Ok(())
}

fn document(client: &Client, me: &Me, keys_end: Option<Timestamp>) -> Value {
    let login = me.login.as_ref().map(|login| {
        json!({
            "issuer": login.issuer,
            "expires_at": login.expires_at.to_string(),
            "renewable": login.renewable,
        })
    });
    json!({
        "endpoint": client.endpoint(),
        "identity": client.settings().identity.name(),
        "gateway": me.gateway,
        "login": login,
        "role": me.role,
        "tags": me.tags,
        "keys_expire_at": keys_end.map(|end| end.to_string()),
    })
}

fn session_end(gateway: &Value) -> Option<Timestamp> {
    gateway.get("session")?.get("expires_at")?.as_str()?.parse().ok()
}

fn session_id(gateway: &Value) -> &str {
    gateway
        .get("session")
        .and_then(|session| session.get("id"))
        .and_then(Value::as_str)
        .unwrap_or("keys")
}

/// The strings of an array.
pub(super) fn names(value: Option<&Value>) -> Vec<&str> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn pairs(value: Option<&Value>) -> Vec<String> {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    members
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
        .collect()
}

fn list<T: AsRef<str>>(all: &[T]) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    all.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}
