//! What the commands of callers have in common: the gateway, who, and as what.

use crate::client::{Choice, Client, ClientError, Console, IdentityKind, Renewal, parse_tag};
use crate::clock::Clock;
use crate::config::{Environment, parse_duration};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Which gateway, and where logins are kept.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Place {
    /// The profile of `~/.config/tidegate/config.toml` [env: TIDEGATE_PROFILE]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The gateway, if it is not that of the profile or the last login [env: TIDEGATE_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Certificates that sign the gateway's, for a private CA [env: TIDEGATE_CA]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Whose identity it is.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Who {
    /// Where the identity comes from: `login`, or a machine's own [env: TIDEGATE_IDENTITY]
    #[arg(long, value_name = "IDENTITY", value_parser = identity)]
    pub identity: Option<String>,
    /// Whom a machine's token is for, if the gateway does not say [env: TIDEGATE_AUDIENCE]
    #[arg(long, value_name = "AUDIENCE")]
    pub audience: Option<String>,
    /// The file with the token, for `file` and `kubernetes` [env: TIDEGATE_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Where logins are kept: `auto`, `keychain` or `file` [env: TIDEGATE_STORE]
    #[arg(long, value_name = "PLACE", value_parser = ["auto", "keychain", "file"])]
    pub store: Option<String>,
}

/// What the session may do and how long.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Session {
    /// The role to assume [env: TIDEGATE_ROLE]
    #[arg(long, value_name = "NAME")]
    pub role: Option<String>,
    /// How long keys are good: `1h`, `45m` [env: TIDEGATE_DURATION]
    #[arg(long, visible_alias = "duration", value_name = "DURATION", value_parser = parse_duration)]
    pub ttl: Option<Duration>,
    /// A session tag that policies read, such as `audit=CHG-1042`; may be repeated [env: TIDEGATE_TAGS]
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_tag)]
    pub tag: Vec<(String, String)>,
}

/// When keys are renewed, and by whom.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Fresh {
    /// Open a browser when nobody is logged in, also without a terminal
    #[arg(long)]
    pub auto_login: bool,
    /// How long before their end keys are renewed
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = parse_duration)]
    pub window: Duration,
    /// Neither read nor keep keys: ask the gateway each time
    #[arg(long)]
    pub no_cache: bool,
}

/// Keys of a gateway: what every command that gives some out can be told.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Wanted {
    /// Which gateway.
    #[command(flatten)]
    pub place: Place,
    /// Whose identity.
    #[command(flatten)]
    pub who: Who,
    /// As what.
    #[command(flatten)]
    pub session: Session,
    /// How fresh.
    #[command(flatten)]
    pub fresh: Fresh,
}

impl Wanted {
    /// The caller's side of the gateway.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub(super) fn client(&self) -> Result<Client, ClientError> {
        client(&self.place.choice(&self.who, &self.session))
    }
}

impl Place {
    /// What is said here and in the others, in one.
    pub(super) fn choice(&self, who: &Who, session: &Session) -> Choice {
        Choice {
            profile: self.profile.clone(),
            endpoint: self.endpoint.clone(),
            ca: self.ca.clone(),
            issuer: None,
            identity: who.identity.clone(),
            role: session.role.clone(),
            duration: session.ttl,
            tags: session.tag.clone(),
            audience: who.audience.clone(),
            token_file: who.token_file.clone(),
            store: who.store.clone(),
        }
    }
}

impl Fresh {
    /// Somebody at a terminal is there to log in; whatever else runs this fails at once, unless it was told otherwise.
    pub(super) fn renewal(&self, client: &Client) -> Renewal {
        Renewal {
            auto_login: self.auto_login || client.console().is_attended(),
            window: self.window,
            cache: !self.no_cache,
        }
    }
}

/// The caller's side of the gateway that `choice` names, in this process.
///
/// # Errors
/// As [`Client::new`].
pub(super) fn client(choice: &Choice) -> Result<Client, ClientError> {
    Client::new(
        choice,
        Environment::of_process(),
        Clock::system(),
        Console::of_process(),
    )
}

/// Runs a command of a caller to its end, and says what went wrong.
pub(super) fn run<F>(json: bool, command: F) -> ExitCode
where
    F: AsyncFnOnce() -> Result<u8, ClientError>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(command());
            // A thread that reads standard input, or waits for a browser, is left to the end of the process.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(ClientError::Output(error)),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(ClientError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            fail(&error, json);
            ExitCode::from(error.exit_code())
        }
    }
}

/// One line for people, which ends in the next command; one document for machines, if they asked for it.
fn fail(error: &ClientError, json: bool) {
    let said = super::describe(error);
    // There is nobody left to tell if these fail.
    let _ = writeln!(io::stderr(), "tidegate: {said}. Run: {}", error.next());
    if json {
        let document =
            serde_json::json!({ "error": said, "next": error.next(), "exit_code": error.exit_code() });
        let _ = writeln!(io::stdout(), "{document}");
    }
}

fn identity(written: &str) -> Result<String, String> {
    match IdentityKind::parse(written) {
        Some(kind) => Ok(kind.name().to_owned()),
        None => Err(format!("expected {}", IdentityKind::ACCEPTED)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use clap::{Parser, error::ErrorKind};
    use std::time::Duration;

    fn parse(line: &str) -> Result<Command, ErrorKind> {
        Cli::try_parse_from(line.split(' '))
            .map(|cli| cli.command)
            .map_err(|error| error.kind())
    }

    #[test]
    fn the_commands_of_callers_are_understood_as_they_are_documented() {
        for line in [
            "tidegate login https://s3.acme.example",
            "tidegate login --device --store file",
            "tidegate login --no-browser --issuer okta",
            "tidegate login --role exporter --json",
            "tidegate logout --everywhere",
            "tidegate whoami --profile lake --identity gcp-metadata",
            "tidegate exec --serve -- python train.py --epochs 3",
            "tidegate env --shell fish --no-cache",
            "tidegate credential-process --profile lake --auto-login --window 5m",
            "tidegate credential-process --identity kubernetes --token-file /token --audience a --endpoint https://s3.acme.example",
            "tidegate serve-credentials --port 9911 --authorization-file token",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
        }
        let Ok(Command::Login(login)) = parse("tidegate login --tag audit=CHG-1042 --tag team=data --ttl 8h")
        else {
            panic!("no login");
        };
        assert_eq!(login.session.ttl, Some(Duration::from_secs(8 * 3600)));
        assert_eq!(
            login.session.tag,
            [
                ("audit".into(), "CHG-1042".into()),
                ("team".into(), "data".into())
            ]
        );
        let Ok(Command::Exec(exec)) = parse("tidegate exec -- aws s3 ls --json") else {
            panic!("no exec")
        };
        assert_eq!(exec.command, ["aws", "s3", "ls", "--json"]);
        assert!(!exec.wanted.place.json && exec.wanted.fresh.window == Duration::from_secs(900));
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_happens() {
        let check = |line: &str, kind: ErrorKind| assert_eq!(parse(line).err(), Some(kind), "{line}");
        check(
            "tidegate login --device --no-browser",
            ErrorKind::ArgumentConflict,
        );
        check(
            "tidegate login https://a --endpoint https://b",
            ErrorKind::ArgumentConflict,
        );
        check("tidegate login --tag audit", ErrorKind::ValueValidation);
        check("tidegate login --ttl 8", ErrorKind::ValueValidation);
        check("tidegate login --store vault", ErrorKind::InvalidValue);
        check(
            "tidegate credential-process --identity gcp",
            ErrorKind::ValueValidation,
        );
        check("tidegate exec", ErrorKind::MissingRequiredArgument);
        check("tidegate exec ls", ErrorKind::UnknownArgument);
        check("tidegate env --shell csh", ErrorKind::InvalidValue);
    }
}
