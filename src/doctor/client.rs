//! The report of a caller's machine: the gateway as it is seen from there, and what an SDK there would send it.

use super::callers_bucket::Visit;
use super::reach::{Place, SET_CLOCK};
use super::{Line, Outcome, Side, aws_files};
use crate::authn::service_keys::in_words;
use crate::client::{Client, ClientError, GatewayError, IdentityKind, Keys, Presented, Published, Renewal};
use crate::clock::Clock;
use crate::config::Environment;
use crate::error::with_causes;
use crate::fetch::Fetcher;
use jiff::SignedDuration;
use std::time::Duration;

/// What is tried besides.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A bucket to look at and list.
    pub bucket: Option<String>,
    /// Whether an object is put, read and deleted in it.
    pub write: bool,
    /// Below which prefix.
    pub prefix: Option<String>,
}

/// For each thing that is asked.
const PATIENCE: Duration = Duration::from_secs(20);
/// SDKs ask for new keys when so much is left.
const REFRESHED: SignedDuration = SignedDuration::from_mins(15);

/// Examines what `client` is set up to do.
pub async fn examine(
    client: &Client,
    environment: &Environment,
    options: &Options,
    clock: &Clock,
) -> Vec<Line> {
    let mut lines = vec![settings(client)];
    lines.push(variables(client, environment));
    lines.extend(aws_files::examine(environment, client.endpoint()));
    let is_there = match Place::of_url("gateway".to_owned(), client.endpoint(), Side::Tidegate) {
        None => true,
        Some(place) => {
            let reached = place
                .trusting(client.settings().ca.clone(), "ca")
                .reach(clock)
                .await;
            let is_there = reached.line.outcome != Outcome::Fail;
            lines.push(reached.line);
            is_there
        }
    };
    if !is_there {
        let why = "the gateway is not reached";
        lines.extend(
            ["clock", "gateway", "login", "audience", "credentials"].map(|check| Line::skip(check, "", why)),
        );
        return lines;
    }
    let published = bounded("gateway", client.published()).await;
    let (published, line) = match published {
        Ok(published) => {
            let line = of_gateway(&published);
            (published, line)
        }
        Err(line) => (Published::default(), line),
    };
    lines.push(of_clock(client));
    lines.push(line);
    let (issuers, identity) = tokio::join!(issuers(client, &published), identity(client, &published));
    lines.extend(issuers);
    let (identity, keys) = identity;
    lines.extend(identity);
    if let Some(bucket) = &options.bucket {
        match Fetcher::new(client.settings().ca.as_deref()) {
            Ok(fetcher) => {
                let fetcher = match client.endpoint().starts_with("http://") {
                    true => fetcher.allow_plain(),
                    false => fetcher,
                };
                let visit = Visit {
                    client,
                    fetcher: &fetcher,
                    bucket,
                    clock,
                };
                let (styles, trial) = tokio::join!(visit.styles(), visit.trial(keys.as_ref(), options));
                lines.push(styles);
                lines.extend(trial);
            }
            Err(error) => lines.push(Line::fail(
                "bucket",
                &**bucket,
                with_causes(&error),
                Side::ThisMachine,
                "",
            )),
        }
    }
    lines
}

/// What an error of the caller's side means in a report.
pub fn of_error(check: &'static str, error: &ClientError) -> Line {
    let side = match error {
        ClientError::Gateway(GatewayError::Refused { .. })
        | ClientError::Gateway(GatewayError::Answer { .. })
        | ClientError::Gateway(GatewayError::Unreachable { .. }) => Side::Tidegate,
        ClientError::Login(_) => Side::IdentityProvider,
        ClientError::LoginRejected { .. }
        | ClientError::NotLoggedIn { .. }
        | ClientError::Expired { .. }
        | ClientError::Settings(_)
        | ClientError::Identity(_)
        | ClientError::Store(_)
        | ClientError::Lock(_)
        | ClientError::File(_)
        | ClientError::OfAnother { .. }
        | ClientError::Random(_)
        | ClientError::Program { .. }
        | ClientError::Door(_)
        | ClientError::Output(_) => Side::ThisMachine,
    };
    Line::fail(check, "", with_causes(error), side, format!("`{}`", error.next()))
}

async fn bounded<T>(
    check: &'static str,
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, Line> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(told)) => Ok(told),
        Ok(Err(error)) => Err(of_error(check, &error)),
        Err(_) => {
            let said = format!("no outcome within {PATIENCE:?}");
            Err(Line::fail(
                check,
                "",
                said,
                Side::Tidegate,
                "try again, and see the log of the gateway",
            ))
        }
    }
}

fn settings(client: &Client) -> Line {
    let settings = client.settings();
    let profile = settings
        .profile
        .as_deref()
        .map(|name| format!(", profile `{name}`"));
    let said = format!(
        "{}{}, identity `{}`",
        client.endpoint(),
        profile.unwrap_or_default(),
        settings.identity.name()
    );
    Line::ok("settings", "", said)
}

/// Variables that beat what was set up.
fn variables(client: &Client, environment: &Environment) -> Line {
    let fail = |said: String, remedy: String| Line::fail("env", "", said, Side::ThisMachine, remedy);
    let misleading = client.misleading();
    let elsewhere = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find(|name| {
            environment
                .get(name)
                .is_some_and(|url| url.trim_end_matches('/') != client.endpoint())
        });
    let has = |name: &str| misleading.contains(&name);
    if has("AWS_ACCESS_KEY_ID") {
        return fail(
            "AWS_ACCESS_KEY_ID is set and beats `credential_process` and every profile".to_owned(),
            "`unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN`, unless it is `tidegate exec` or `tidegate env` that set it".to_owned(),
        )
        .as_warning();
    }
    match (elsewhere, misleading.first()) {
        (Some(name), _) => {
            let remedy = format!("`export {name}={}`, or `unset {name}`", client.endpoint());
            fail(format!("{name} leads SDKs elsewhere than to the gateway"), remedy).as_warning()
        }
        (None, Some(first)) => {
            let said = format!(
                "set, and mixed with what is set up here: {}",
                misleading.join(", ")
            );
            fail(said, format!("`unset {first}`, if it is not meant")).as_warning()
        }
        (None, None) => Line::ok("env", "", "no variable of AWS's SDKs leads elsewhere"),
    }
}

fn of_clock(client: &Client) -> Line {
    let ahead = SignedDuration::from_secs(client.ahead());
    let said = match client.ahead() {
        -1..=1 => "in step with the gateway (S3 refuses signatures at 15 min)".to_owned(),
        _ => {
            let side = if ahead.is_negative() { "ahead of" } else { "behind" };
            let by = match ahead.abs() {
                short if short < SignedDuration::from_mins(2) => format!("{} s", short.as_secs()),
                long => in_words(long),
            };
            format!("this machine is {by} {side} the gateway (S3 refuses signatures at 15 min)")
        }
    };
    match ahead.abs() {
        wrong if wrong >= SignedDuration::from_mins(5) => {
            Line::fail("clock", "", said, Side::ThisMachine, SET_CLOCK)
        }
        odd if odd >= SignedDuration::from_mins(1) => {
            Line::fail("clock", "", said, Side::ThisMachine, SET_CLOCK).as_warning()
        }
        _ => Line::ok("clock", "", said),
    }
}

fn of_gateway(published: &Published) -> Line {
    let names: Vec<&str> = published.issuers.iter().map(|(name, _)| &**name).collect();
    let people = match names.is_empty() {
        true => "nobody logs in here".to_owned(),
        false => format!("people log in with {}", names.join(", ")),
    };
    Line::ok("gateway", "", format!("it answers; {people}"))
}

/// The identity providers at which people log in, seen from here.
async fn issuers(client: &Client, published: &Published) -> Vec<Line> {
    if client.settings().identity != IdentityKind::Login {
        return Vec::new();
    }
    let fetcher = match client.to_issuers() {
        Ok(fetcher) => fetcher,
        Err(error) => return vec![of_error("issuer", &error)],
    };
    let mut lines = Vec::new();
    for (name, url) in &published.issuers {
        let at = format!("{}/.well-known/openid-configuration", url.trim_end_matches('/'));
        let look = format!("`curl -sS {at}` from this machine");
        let fail = |said: String| Line::fail("issuer", &**name, said, Side::IdentityProvider, &*look);
        lines.push(match fetcher.get(&at).await {
            Ok(answer) if answer.status == http::StatusCode::OK => {
                Line::ok("issuer", &**name, format!("`{url}` is reached"))
            }
            Ok(answer) => fail(format!("`{url}` answers {}", answer.status.as_u16())),
            Err(error) => fail(with_causes(&error)),
        });
    }
    lines
}

/// The token that would be sent, whether it is taken, and the keys for it.
async fn identity(client: &Client, published: &Published) -> (Vec<Line>, Option<Keys>) {
    let skipped = |from: &[&'static str], why: &str| -> Vec<Line> {
        from.iter().map(|check| Line::skip(check, "", why)).collect()
    };
    let presented = match bounded("login", client.presented()).await {
        Ok(presented) => presented,
        Err(line) => {
            let mut lines = vec![line];
            lines.extend(skipped(
                &["audience", "credentials"],
                "there is no identity token",
            ));
            return (lines, None);
        }
    };
    let mut lines = vec![of_login(&presented, client)];
    match bounded("audience", client.who_am_i()).await {
        Ok(me) => {
            let who = me.gateway.get("principal").and_then(serde_json::Value::as_str);
            let said = format!(
                "for {}, taken as `{}`",
                presented.audiences.join(", "),
                who.unwrap_or("-")
            );
            lines.push(Line::ok("audience", "", said));
        }
        Err(line) => {
            lines.push(refused_token(line, &presented, published, client));
            lines.extend(skipped(&["credentials"], "the token is not taken"));
            return (lines, None);
        }
    }
    let renewal = Renewal {
        auto_login: false,
        ..Renewal::default()
    };
    match bounded("credentials", client.keys(renewal)).await {
        Ok(keys) => {
            lines.push(of_keys(&keys, client));
            (lines, Some(keys))
        }
        Err(line) => {
            lines.push(line);
            (lines, None)
        }
    }
}

fn of_login(presented: &Presented, client: &Client) -> Line {
    let left = presented.expires_at.map(|at| at.duration_since(client.now()));
    let ends = left.map(|left| format!(", good for {}", in_words(left)));
    let said = format!("a token of `{}`{}", presented.issuer, ends.unwrap_or_default());
    Line::ok("login", "", said)
}

/// Why the gateway does not take a token: most often it is for somebody else.
fn refused_token(line: Line, presented: &Presented, published: &Published, client: &Client) -> Line {
    let is_for = |audience: &String| published.audiences.contains(audience);
    if published.audiences.is_empty()
        || presented.audiences.iter().any(is_for)
        || client.skew().is_dangerous()
    {
        return line;
    }
    let (theirs, ours) = (published.audiences.join(", "), presented.audiences.join(", "));
    let file = client.settings().file.as_ref();
    let file = file.map_or_else(
        || "the settings".to_owned(),
        |file| format!("`{}`", file.display()),
    );
    let first = published
        .audiences
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    let remedy = match client.settings().identity {
        IdentityKind::Login => {
            format!("`client_id = \"{first}\"` in {file}, or no `client_id` there, and log in again")
        }
        _ => format!("`--audience {first}`, or `audience = \"{first}\"` in {file}"),
    };
    let said = format!(
        "the token is for \"{ours}\", which is not among [{theirs}]: {}",
        line.said
    );
    Line::fail("audience", "", said, Side::ThisMachine, remedy)
}

fn of_keys(keys: &Keys, client: &Client) -> Line {
    let left = keys.expires_at.duration_since(client.now());
    let said = format!("valid for {} (SDKs refresh under 15)", in_words(left));
    match left < REFRESHED {
        false => Line::ok("credentials", "", said),
        true => {
            let remedy = format!(
                "`tidegate login`, or a longer `duration` in the settings; identity `{}`",
                client.settings().identity.name()
            );
            Line::fail("credentials", "", said, Side::ThisMachine, remedy).as_warning()
        }
    }
}
