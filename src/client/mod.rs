//! What runs on a caller's machine: an identity, a login if it is a person's, and keys from the gateway for it.
//!
//! It shares the program with the server and nothing of the server's path. The hazards are those of every credential
//! helper: tokens that others on the machine can read, ten tabs because ten processes started, one refresh token spent
//! twice, secrets in the log of whatever called it, and messages that help nobody. Each has its room: `store` and `files`,
//! `lock`, `console`, `error`.
//!
//! [`Client`] puts them together; the commands in `cli` only print what it gives.

mod cache;
mod console;
mod door;
mod error;
mod facts;
mod files;
mod gateway;
mod identity;
mod jwt;
mod keys;
mod lock;
mod login;
mod people;
mod random;
mod settings;
mod spoken;
mod store;
mod variables;

#[cfg(test)]
mod tests;

pub use console::Console;
pub use door::Door;
pub use error::ClientError;
pub(crate) use facts::{Presented, Published};
pub use files::FileError;
pub use gateway::{GatewayError, Keys, Skew};
pub use identity::IdentityError;
pub use keys::Renewal;
pub use lock::LockError;
pub use login::{LoginError, Redirect};
pub use people::{Hold, LocalLogin, LoggedIn, LoggedOut, Me};
pub use random::NoRandomness;
pub use settings::{Choice, IdentityKind, LoginWay, REGION, Settings, SettingsError, StoreChoice, parse_tag};
pub use store::{KeychainError, StoreError};
pub use variables::Variables;

use crate::clock::Clock;
use crate::config::Environment;
use crate::fetch::{FetchError, Fetcher};
use gateway::{Gateway, Wish};
use jiff::{Timestamp, tz::TimeZone};
use lock::Lock;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::{Keychain, Login, Store};

/// The caller's side of a gateway.
pub struct Client {
    settings: Settings,
    environment: Environment,
    clock: Clock,
    console: Console,
    gateway: Gateway,
    /// `None` where there is no home: nothing is kept then.
    store: Option<Store>,
    /// Lines that are pasted into a login; `None` where standard input is somebody else's.
    lines: Option<fn() -> login::Lines>,
}

/// Forgets logins that nobody can read, of whatever gateway. Answers how many files went.
///
/// # Errors
/// [`ClientError::Store`] if one of them stays.
pub fn forget_unreadable_logins(environment: &Environment) -> Result<usize, ClientError> {
    let Some(folder) = settings::state_folder(environment) else {
        return Ok(0);
    };
    Ok(store::forget_files(&folder)?)
}

impl Client {
    /// Puts the settings together and finds the gateway: the one that is named, or that of the last login.
    ///
    /// # Errors
    /// [`ClientError::Settings`], or a CA file that cannot be read.
    pub fn new(
        choice: &Choice,
        environment: Environment,
        clock: Clock,
        console: Console,
    ) -> Result<Self, ClientError> {
        let settings = Settings::resolve(choice, &environment)?;
        let keychain = Keychain::of(&environment);
        Self::with(settings, environment, clock, console, keychain)
    }

    fn with(
        mut settings: Settings,
        environment: Environment,
        clock: Clock,
        console: Console,
        keychain: Keychain,
    ) -> Result<Self, ClientError> {
        let store = settings
            .folder
            .as_deref()
            .map(|folder| Store::new(folder, settings.store, keychain.clone(), console.clone()));
        // What was said at the login need not be said again.
        let known = match (&store, &settings.endpoint) {
            (Some(store), Some(endpoint)) => store.find(endpoint).ok().flatten(),
            (Some(store), None) => store.all().into_iter().next(),
            (None, _) => None,
        };
        if let Some(login) = known {
            settings.endpoint.get_or_insert(login.endpoint);
            settings.ca = settings.ca.or(login.ca);
            settings.issuer_ca = settings.issuer_ca.or(login.issuer_ca);
        }
        let fetcher = Fetcher::new(settings.ca.as_deref())
            .map_err(|error| unusable_ca(settings.ca.as_deref(), &error))?;
        let gateway = Gateway::new(settings.endpoint()?, fetcher, clock.clone());
        Ok(Self {
            settings,
            environment,
            clock,
            console,
            gateway,
            store,
            lines: None,
        })
    }

    /// The same, which reads standard input while somebody logs in. For a process that ends with the login: a program that
    /// it would start afterwards would miss a line.
    #[must_use]
    pub fn reading_lines(mut self) -> Self {
        self.lines = Some(login::standard_input);
        self
    }

    /// The settings of this run.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where people are told what happens.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The gateway's address.
    pub fn endpoint(&self) -> &str {
        self.gateway.endpoint()
    }

    /// What an SDK needs in its environment besides credentials.
    pub fn variables(&self) -> Variables<'_> {
        Variables::new(&self.settings, self.endpoint())
    }

    /// How long ago or from now, and when, as people say it.
    pub fn spoken(&self, at: Timestamp) -> (String, String) {
        let now = self.now();
        (
            spoken::time(at, now, &TimeZone::system()),
            spoken::duration(at.duration_since(now)),
        )
    }

    fn store(&self) -> Result<&Store, ClientError> {
        self.store
            .as_ref()
            .ok_or(ClientError::Settings(SettingsError::NoHome))
    }

    fn folder(&self) -> Option<&Path> {
        self.settings.folder.as_deref()
    }

    /// For the identity provider and metadata servers, whose certificates need not be the gateway's.
    fn fetcher(&self) -> Result<Fetcher, ClientError> {
        let ca = self.settings.issuer_ca.as_deref().or(self.settings.ca.as_deref());
        Fetcher::trusting_also(ca).map_err(|error| unusable_ca(ca, &error))
    }

    /// What the keys are to be: what this run says, and what was said at the login.
    fn wish(&self, login: Option<&Login>) -> Wish {
        let mut tags = login.map(|login| login.tags.clone()).unwrap_or_default();
        tags.extend(self.settings.tags.clone());
        Wish {
            role: self.settings.role.clone().or_else(|| login?.role.clone()),
            duration: self.settings.duration.or_else(|| login?.duration),
            tags,
        }
    }

    /// Takes a lock of a gateway's. `None` where there can be none, which is said.
    ///
    /// # Errors
    /// [`LockError::Busy`].
    async fn lock(
        &self,
        endpoint: &str,
        purpose: &str,
        limit: Duration,
    ) -> Result<Option<Lock>, ClientError> {
        let Some(path) = self.folder().map(|folder| lock_path(folder, endpoint, purpose)) else {
            return Ok(None);
        };
        let on_wait = |pid| {
            if purpose == LOGIN {
                self.console.say(format!(
                    "Another tidegate (process {pid}) is logging in; waiting for it."
                ));
            }
        };
        match lock::acquire(&path, limit, on_wait).await {
            Ok(lock) => Ok(Some(lock)),
            Err(LockError::File(error)) => {
                let why = crate::error::with_causes(&error);
                self.console.warn(format!("going on without a lock: {why}"));
                Ok(None)
            }
            Err(busy @ LockError::Busy { .. }) => Err(busy.into()),
        }
    }
}

fn lock_path(folder: &Path, endpoint: &str, purpose: &str) -> PathBuf {
    folder
        .join("locks")
        .join(format!("{}.{purpose}.lock", store::name(endpoint)))
}

/// The lock that is held while somebody logs in.
const LOGIN: &str = "login";
/// The lock that is held while keys are exchanged and tokens renewed.
const EXCHANGE: &str = "exchange";

fn unusable_ca(ca: Option<&Path>, error: &FetchError) -> ClientError {
    let named = ca.map(|ca| ca.display().to_string()).unwrap_or_default();
    let problem = crate::error::with_causes(error);
    ClientError::Settings(SettingsError::Ca {
        value: named,
        problem,
    })
}
