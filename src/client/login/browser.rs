//! A browser on this machine, if there is one that its user sees.
//!
//! In an SSH session or a container the browser would open on the wrong machine, or the address on loopback would be that of
//! another one. That is found out and said, instead of waiting for what cannot come.

use crate::config::Environment;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where this runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A desktop, or `BROWSER` says what to do.
    Desktop,
    /// Linux inside of Windows, whose browser reaches ports of this one.
    Wsl,
    /// A machine somewhere else.
    Ssh,
    /// A container.
    Container,
    /// No display.
    Headless,
}

impl Place {
    pub(super) fn has_browser(self) -> bool {
        match self {
            Self::Desktop | Self::Wsl => true,
            Self::Ssh | Self::Container | Self::Headless => false,
        }
    }

    /// In the words of a message.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Desktop => "a desktop",
            Self::Wsl => "WSL",
            Self::Ssh => "an SSH session",
            Self::Container => "a container",
            Self::Headless => "a machine without a display",
        }
    }
}

/// Finds out where this runs.
pub(super) fn surroundings(environment: &Environment) -> Place {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let in_container = ["/.dockerenv", "/run/.containerenv"]
        .iter()
        .any(|mark| Path::new(mark).exists());
    place(environment, &kernel, in_container)
}

fn place(environment: &Environment, kernel: &str, in_container: bool) -> Place {
    let any = |names: &[&str]| names.iter().any(|name| environment.has(name));
    let display = any(&["DISPLAY", "WAYLAND_DISPLAY"]) || cfg!(target_os = "macos");
    if environment.has("BROWSER") {
        Place::Desktop
    } else if any(&["SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"]) {
        // Also with X11 forwarded: few have a browser there that they want to log in with.
        Place::Ssh
    } else if in_container || any(&["container", "KUBERNETES_SERVICE_HOST"]) {
        Place::Container
    } else if environment.has("WSL_DISTRO_NAME") || kernel.to_ascii_lowercase().contains("microsoft") {
        Place::Wsl
    } else if display {
        Place::Desktop
    } else {
        Place::Headless
    }
}

/// Opens an address. Answers whether something was started that should do it.
pub(super) fn open(url: &str, environment: &Environment) -> bool {
    commands(url, environment)
        .into_iter()
        .any(|command| start(&command))
}

/// What could open it, the best first. The address is an argument of its own: there is no shell.
fn commands(url: &str, environment: &Environment) -> Vec<Vec<String>> {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    if let Some(browsers) = environment.get("BROWSER") {
        return browsers
            .split(':')
            .filter_map(|written| of_variable(written, url))
            .collect();
    }
    if cfg!(target_os = "macos") {
        return vec![owned(&["open", url])];
    }
    if surroundings(environment) == Place::Wsl {
        return vec![
            owned(&["wslview", url]),
            owned(&["rundll32.exe", "url.dll,FileProtocolHandler", url]),
        ];
    }
    vec![owned(&["xdg-open", url]), owned(&["gio", "open", url])]
}

/// One entry of `BROWSER`: a command, with `%s` where the address goes or at its end.
fn of_variable(written: &str, url: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = written
        .split_whitespace()
        .map(|word| word.replace("%s", url))
        .collect();
    if words.is_empty() {
        return None;
    }
    if !written.contains("%s") {
        words.push(url.to_owned());
    }
    Some(words)
}

fn start(command: &[String]) -> bool {
    let Some((program, arguments)) = command.split_first() else {
        return false;
    };
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(mut child) => {
            // Some run for as long as their window is open. Whoever ends is taken notice of, and no zombie is left.
            std::thread::spawn(move || child.wait());
            true
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_runs_is_found_out() {
        let check = |variables: &[(&str, &str)], kernel: &str, in_container: bool, found: Place| {
            assert_eq!(
                place(&Environment::of(variables.iter().copied()), kernel, in_container),
                found,
                "{variables:?}"
            );
        };
        if !cfg!(target_os = "macos") {
            check(&[], "6.1.0-40-amd64", false, Place::Headless);
        }
        check(&[("DISPLAY", ":0")], "6.1.0-40-amd64", false, Place::Desktop);
        check(&[("WAYLAND_DISPLAY", "wayland-0")], "", false, Place::Desktop);
        check(
            &[("SSH_CONNECTION", "a b c d"), ("DISPLAY", ":10")],
            "",
            false,
            Place::Ssh,
        );
        check(&[("DISPLAY", ":0")], "", true, Place::Container);
        check(
            &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")],
            "",
            false,
            Place::Container,
        );
        check(&[], "5.15.90.1-microsoft-standard-WSL2", false, Place::Wsl);
        check(&[("WSL_DISTRO_NAME", "Debian")], "", false, Place::Wsl);
        check(
            &[("BROWSER", "firefox"), ("SSH_TTY", "/dev/pts/0")],
            "",
            true,
            Place::Desktop,
        );
    }

    #[test]
    fn the_address_is_an_argument_of_its_own() {
        let check = |browser: &str, command: &[&[&str]]| {
            let environment = Environment::of([("BROWSER", browser)]);
            assert_eq!(
                commands("https://idp/?a=1&b=$(x)", &environment),
                command,
                "{browser}"
            );
        };
        check("firefox", &[&["firefox", "https://idp/?a=1&b=$(x)"]]);
        check(
            "a --to=%s --new:b",
            &[
                &["a", "--to=https://idp/?a=1&b=$(x)", "--new"],
                &["b", "https://idp/?a=1&b=$(x)"],
            ],
        );
        check(" : ", &[]);
    }
}
