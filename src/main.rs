//! The `tidegate` program: arguments in, exit code out. Everything else is in the library.

use clap::Parser;
use std::io;
use std::process::ExitCode;
use tidegate::cli::{self, Cli, Command};
use tidegate::clock::Clock;
use tidegate::config::Environment;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => cli::exit_code(cli::serve::run(&args)),
        Command::Check(args) => cli::exit_code(cli::check::run(&args, &mut io::stdout()).map_err(Into::into)),
        Command::Doctor(args) => cli::doctor::run(&args, &mut io::stdout()),
        Command::Keys(args) => cli::exit_code(cli::keys::run(&args, &Clock::system(), &mut io::stdout())),
        Command::Issuer(args) => cli::exit_code(cli::issuer::run(&args, &Clock::system(), &mut io::stdout())),
        Command::ServiceKeys(args) => cli::exit_code(cli::service_keys::run(
            &args,
            &Clock::system(),
            &mut io::stdout(),
            &mut io::stderr(),
        )),
        Command::Sessions(args) => cli::exit_code(cli::sessions::run(
            &args,
            &Clock::system(),
            &mut io::stdout(),
            &mut io::stderr(),
        )),
        Command::Policy(args) => cli::exit_code(cli::policy::run(&args, &mut io::stdout())),
        Command::Audit(args) => cli::audit::run(&args, &Clock::system(), &mut io::stdout()),
        Command::Login(args) => cli::login::run(&args, &mut io::stdout()),
        Command::Logout(args) => cli::logout::run(&args, &mut io::stdout()),
        Command::Whoami(args) => cli::whoami::run(&args, &mut io::stdout()),
        Command::Exec(args) => cli::exec::run(&args),
        Command::Env(args) => cli::env::run(&args, &mut io::stdout()),
        Command::CredentialProcess(args) => cli::credential_process::run(&args, &mut io::stdout()),
        Command::ServeCredentials(args) => cli::serve_credentials::run(&args, &mut io::stdout()),
        Command::Snippet(args) => cli::exit_code(cli::snippet::run(
            &args,
            &Environment::of_process(),
            &mut io::stdout(),
            &mut io::stderr(),
        )),
        Command::Setup(args) => cli::exit_code(cli::setup::run(&args, &mut io::stdout(), &mut io::stderr())),
        #[cfg(feature = "dev")]
        Command::Dev(args) => cli::exit_code(cli::dev::run(&args)),
    }
}
