//! `tidegate env`: keys as variables of a shell.

use super::choice::{self, Wanted};
use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

/// `tidegate env`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    #[arg(long, value_enum, value_name = "SHELL", default_value_t = Shell::Sh)]
    pub shell: Shell,
    /// Which keys.
    #[command(flatten)]
    pub wanted: Wanted,
}

/// In whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// sh, bash, zsh
    Sh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
    /// A `.env` file; what is to be removed is left out
    Dotenv,
}

const EXAMPLES: &str = "\
Examples:
  eval \"$(tidegate env)\"
  tidegate env --shell fish | source
  tidegate env --shell powershell | Out-String | Invoke-Expression
  tidegate env --shell dotenv > .env

The keys end; `tidegate exec --serve -- CMD` is for what runs longer.

Exit codes: 0 printed, 1 failed or denied, 2 the command was not understood, 3 not logged in.";

/// Prints variables.
pub fn run(args: &Args, out: &mut dyn Write) -> ExitCode {
    choice::run(args.wanted.place.json, async || {
        let client = args.wanted.client()?;
        let keys = client.keys(args.wanted.fresh.renewal(&client)).await?;
        let variables = client.variables().of_keys(&keys);
        if args.wanted.place.json {
            let document: serde_json::Map<_, _> = variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            writeln!(out, "{}", serde_json::Value::Object(document))?;
        } else {
            out.write_all(args.shell.script(&variables).as_bytes())?;
        }
        Ok(0)
    })
}

impl Shell {
    /// Sets each variable that has a value, and removes the others.
    pub(super) fn script(self, variables: &[(&'static str, Option<String>)]) -> String {
        let mut script = String::new();
        for (name, value) in variables {
            // Writing to a string does not fail.
            let _ = match (self, value) {
                (Self::Sh, Some(value)) => writeln!(script, "export {name}={}", quoted(value, r"'\''")),
                (Self::Sh, None) => writeln!(script, "unset {name}"),
                (Self::Fish, Some(value)) => {
                    writeln!(
                        script,
                        "set -gx {name} {}",
                        quoted(&value.replace('\\', r"\\"), r"\'")
                    )
                }
                (Self::Fish, None) => writeln!(script, "set -e {name}"),
                (Self::Powershell, Some(value)) => writeln!(script, "$Env:{name} = {}", quoted(value, "''")),
                (Self::Powershell, None) => {
                    writeln!(script, "Remove-Item Env:{name} -ErrorAction SilentlyContinue")
                }
                (Self::Dotenv, Some(value)) => writeln!(script, "{name}={}", dotenv(value)),
                (Self::Dotenv, None) => Ok(()),
            };
        }
        script
    }
}

/// In single quotes, in which shells read nothing but the quote itself.
fn quoted(value: &str, quote: &str) -> String {
    format!("'{}'", value.replace('\'', quote))
}

/// As it is where every reader agrees, in double quotes elsewhere: there is no standard for these files.
fn dotenv(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+=,@%".contains(c);
    if value.chars().all(plain) {
        value.to_owned()
    } else {
        format!(
            "\"{}\"",
            value
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('$', r"\$")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_is_read_by_a_shell() {
        let check = |shell: Shell, script: &str| {
            let variables = [("A", Some("it's $(x) \\ \"y\"".to_owned())), ("B", None)];
            assert_eq!(shell.script(&variables), script);
        };
        check(Shell::Sh, "export A='it'\\''s $(x) \\ \"y\"'\nunset B\n");
        check(Shell::Fish, "set -gx A 'it\\'s $(x) \\\\ \"y\"'\nset -e B\n");
        check(
            Shell::Powershell,
            "$Env:A = 'it''s $(x) \\ \"y\"'\nRemove-Item Env:B -ErrorAction SilentlyContinue\n",
        );
        check(Shell::Dotenv, "A=\"it's \\$(x) \\\\ \\\"y\\\"\"\n");
    }

    #[test]
    fn what_sh_reads_is_what_was_meant() {
        let value = "a'b \"c\" $HOME `id` \\ \n end";
        let script = Shell::Sh.script(&[("VALUE", Some(value.to_owned()))]);
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("{script}printf %s \"$VALUE\"")])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
    }
}
