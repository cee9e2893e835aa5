//! `tidegate exec -- CMD`: runs a program with keys.
//!
//! The program takes this one's place: signals, terminal and exit code are its own. With `--serve` this one stays, as the
//! door at which the program asks for keys as often as it needs them, and passes signals and the exit code on.

use super::choice::{self, Wanted};
use crate::client::{Client, ClientError, Door};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, IsTerminal};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// `tidegate exec`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// For what runs longer than keys live: stay, and renew them
    #[arg(long)]
    pub serve: bool,
    /// Which keys.
    #[command(flatten)]
    pub wanted: Wanted,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  tidegate exec -- aws s3 ls s3://lake/
  tidegate exec --role exporter --tag audit=CHG-1042 -- ./export.sh
  tidegate exec --serve -- python train.py    keys are renewed while it runs

The program gets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
AWS_CREDENTIAL_EXPIRATION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_STS, AWS_REGION and, for a private
CA, AWS_CA_BUNDLE. With --serve it gets AWS_CONTAINER_CREDENTIALS_FULL_URI and
AWS_CONTAINER_AUTHORIZATION_TOKEN instead of keys, for SDKs that know container credentials.
AWS_PROFILE and whatever else would lead an SDK elsewhere is removed.

Exit codes: that of the program; 1, 2 or 3 (not logged in) if it was not started.";

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    choice::run(false, async || {
        let client = args.wanted.client()?;
        // Before it starts, also with `--serve`: a program that fails in its middle is worse.
        let renewal = args.wanted.fresh.renewal(&client);
        let keys = client.keys(renewal).await?;
        if !args.serve {
            return Err(take_place(&args.command, &client.variables().of_keys(&keys)));
        }
        let client = Arc::new(client);
        let door = Arc::new(Door::open(0, renewal).await?);
        let variables = client.variables().of_door(&door.url, door.token());
        // Before there is a program that could miss one.
        let signals = Signals::listen()?;
        let child = start(&args.command, &variables)?;
        Ok(stay(door, Arc::clone(&client), signals, child).await?)
    })
}

/// Becomes the program. Comes back only with an error.
fn take_place(words: &[String], variables: &[(&'static str, Option<String>)]) -> ClientError {
    let (program, mut command) = prepare(words, variables);
    ClientError::Program {
        program,
        source: command.exec(),
    }
}

fn start(words: &[String], variables: &[(&'static str, Option<String>)]) -> Result<Child, ClientError> {
    let (program, mut command) = prepare(words, variables);
    command
        .spawn()
        .map_err(|source| ClientError::Program { program, source })
}

fn prepare(words: &[String], variables: &[(&'static str, Option<String>)]) -> (String, Command) {
    let mut words = words.iter();
    let program = words.next().cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(words);
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    (program, command)
}

/// The signals that this process is told by.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The next one that the program has not been told itself.
    async fn next(&mut self) -> Signal {
        loop {
            let told = tokio::select! {
                _ = self.terminate.recv() => return Signal::TERM,
                _ = self.hang_up.recv() => return Signal::HUP,
                _ = self.interrupt.recv() => Signal::INT,
                _ = self.quit.recv() => Signal::QUIT,
            };
            // A terminal sends these to the program as well. This process takes them so that it outlives it.
            if !io::stdin().is_terminal() {
                return told;
            }
        }
    }
}

/// Serves until the program ends, and passes signals on.
async fn stay(door: Arc<Door>, client: Arc<Client>, mut signals: Signals, child: Child) -> io::Result<u8> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (ended, wait) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut child = child;
        // Nobody listens any more only if this process is about to end.
        let _ = ended.send(child.wait());
    });
    let passing = async {
        loop {
            let told = signals.next().await;
            if let Some(id) = id {
                // It may have ended this moment.
                let _ = kill_process(id, told);
            }
        }
    };
    tokio::select! {
        ended = wait => match ended {
            Ok(status) => Ok(code(status?)),
            Err(_) => Err(io::ErrorKind::Other.into()),
        },
        () = door.serve(client, passing) => Ok(1),
    }
}

/// As a shell tells it: 128 and the signal for a program that one ended.
fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
