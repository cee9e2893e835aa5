//! Logging in: how a person proves to the identity provider who they are, and how that reaches this machine.
//!
//! Three ways, all without a secret of ours (RFC 8252): a browser on this machine that comes back to a port on loopback, a
//! browser anywhere whose last address is pasted back, and a code that is typed in anywhere (RFC 8628). PKCE with S256 binds
//! a code to the process that asked for it, `state` the answer to the question, `nonce` the token to both. Whatever else
//! knocks at the port, or is pasted, is not the answer, and is waited past.

mod browser;
mod code;
mod device;
mod error;
mod landing;
mod provider;
mod tokens;

pub use error::LoginError;
pub use landing::Redirect;

use browser::surroundings;
pub(super) use provider::Provider;
pub(super) use tokens::{Granted, end_session_url, renew, revoke};

use super::console::Console;
use super::gateway::{Configuration, LoginIssuer};
use super::settings::{LoginWay, Settings};
use crate::config::Environment;
use crate::fetch::Fetcher;
use std::time::Duration;
use tokio::sync::mpsc;

/// Lines that somebody types or pastes.
pub(super) type Lines = mpsc::Receiver<String>;

/// One login, before anything has happened.
pub(super) struct Flow<'a> {
    pub(super) provider: &'a Provider,
    pub(super) issuer: &'a LoginIssuer,
    pub(super) redirect: &'a Redirect,
    pub(super) fetcher: &'a Fetcher,
    pub(super) console: &'a Console,
    pub(super) environment: &'a Environment,
    /// How long somebody may take.
    pub(super) patience: Duration,
}

impl Flow<'_> {
    /// Logs in, in the way that was asked for or, where a browser cannot be opened, in one that works. `lines` is where
    /// somebody pastes an address, if that is possible.
    ///
    /// # Errors
    /// [`LoginError`].
    pub(super) async fn run(
        &self,
        way: LoginWay,
        lines: Option<fn() -> Lines>,
    ) -> Result<Granted, LoginError> {
        let place = surroundings(self.environment);
        match (way, lines) {
            (LoginWay::Device, _) => self.with_device().await,
            (LoginWay::Paste, Some(lines)) => self.with_code(false, Some(lines())).await,
            (LoginWay::Browser, lines) if place.has_browser() => {
                // Also where a browser opens: it may be one that cannot reach this machine.
                let lines = lines.filter(|_| self.console.is_attended());
                self.with_code(true, lines.map(|lines| lines())).await
            }
            (LoginWay::Browser, Some(lines)) if self.console.is_attended() => {
                self.console.say(format!(
                    "This is {}: a browser that is opened here would not be yours.",
                    place.name()
                ));
                if self.provider.device_authorization_endpoint.is_some() {
                    self.console
                        .say("(`tidegate login --device` shows a short code instead of a long address.)");
                }
                self.with_code(false, Some(lines())).await
            }
            (LoginWay::Browser | LoginWay::Paste, _) => Err(LoginError::NoBrowser { place: place.name() }),
        }
    }

    /// The client's secret, if the provider insists on one, as a parameter of a form.
    fn secret(&self) -> Option<(&'static str, &str)> {
        self.issuer
            .client_secret
            .as_deref()
            .map(|secret| ("client_secret", secret))
    }
}

/// The provider that is meant.
///
/// # Errors
/// [`LoginError`] with the names that there are.
pub(super) fn choose(
    configuration: &Configuration,
    settings: &Settings,
    endpoint: &str,
) -> Result<LoginIssuer, LoginError> {
    let all = &configuration.issuers;
    let known = || all.iter().map(|issuer| issuer.name.clone()).collect::<Vec<_>>();
    let mut chosen = match (&settings.issuer, all.as_slice()) {
        (_, []) => {
            return Err(LoginError::NoIssuers {
                endpoint: endpoint.to_owned(),
            });
        }
        (None, [one]) => one.clone(),
        (None, _) => return Err(LoginError::WhichIssuer { known: known() }),
        (Some(name), _) => match all.iter().find(|issuer| issuer.name == *name) {
            Some(issuer) => issuer.clone(),
            None => {
                return Err(LoginError::UnknownIssuer {
                    name: name.clone(),
                    known: known(),
                });
            }
        },
    };
    if let Some(client_id) = &settings.client_id {
        chosen.client_id.clone_from(client_id);
    }
    chosen.client_secret = settings.client_secret.clone().or(chosen.client_secret);
    Ok(chosen)
}

/// Lines of standard input, until it ends. Read by a thread of its own, which the end of the process takes with it.
pub(super) fn standard_input() -> Lines {
    let (sender, receiver) = mpsc::channel(8);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { break };
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
