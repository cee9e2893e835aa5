//! What went wrong on a caller's machine, and the command that comes next.
//!
//! Whoever reads this is no operator: a message without a way out ends at somebody else's desk. So each error has a
//! [`ClientError::next`], and an exit code that scripts can tell apart.

use super::files::FileError;
use super::gateway::GatewayError;
use super::identity::IdentityError;
use super::lock::LockError;
use super::login::LoginError;
use super::random::NoRandomness;
use super::settings::SettingsError;
use super::spoken;
use super::store::StoreError;
use jiff::SignedDuration;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The settings are wrong, or not enough.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nobody has logged in.
    #[error("not logged in to `{endpoint}`")]
    NotLoggedIn {
        /// The gateway.
        endpoint: String,
        /// What logs in.
        login: String,
    },
    /// The login is over.
    #[error("session expired {} ago", spoken::duration(*ago))]
    Expired {
        /// Since when.
        ago: SignedDuration,
        /// What logs in.
        login: String,
    },
    /// The gateway does not take the login any more.
    #[error("the gateway does not accept this login: {reason}")]
    LoginRejected {
        /// In its words.
        reason: String,
        /// What logs in.
        login: String,
    },
    /// The gateway did not answer as it should, or refused.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// A login that failed.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The identity of this machine cannot be had.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The login is kept somewhere that cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process has the lock, or there cannot be one.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file of ours.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process tried the same a moment ago.
    #[error("{message}")]
    OfAnother {
        /// In its words.
        message: String,
        /// Its exit code.
        exit_code: u8,
    },
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The command that was to be run.
    #[error("cannot run `{program}`")]
    Program {
        /// Its name.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The door on this machine cannot be opened.
    #[error("cannot listen on this machine")]
    Door(#[source] std::io::Error),
    /// Standard output is gone.
    #[error("cannot write to standard output")]
    Output(#[from] std::io::Error),
}

impl ClientError {
    /// 1 it failed or was denied, 2 it was not understood, 3 nobody is logged in.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotLoggedIn { .. } | Self::Expired { .. } | Self::LoginRejected { .. } => 3,
            Self::Settings(_) => 2,
            Self::OfAnother { exit_code, .. } => *exit_code,
            Self::Gateway(_)
            | Self::Login(_)
            | Self::Identity(_)
            | Self::Store(_)
            | Self::Lock(_)
            | Self::File(_)
            | Self::Random(_)
            | Self::Program { .. }
            | Self::Door(_)
            | Self::Output(_) => 1,
        }
    }

    /// The command to run next.
    pub fn next(&self) -> String {
        match self {
            Self::NotLoggedIn { login, .. }
            | Self::Expired { login, .. }
            | Self::LoginRejected { login, .. } => login.clone(),
            Self::Settings(error) => error.next(),
            Self::Gateway(error) => error.next(),
            Self::Login(error) => error.next(),
            Self::Identity(error) => error.next(),
            Self::Store(error) => error.next(),
            Self::Lock(LockError::Busy { pid, .. }) => format!("ps -p {pid}"),
            Self::File(error) | Self::Lock(LockError::File(error)) => error.next(),
            Self::OfAnother { .. } => "tidegate login".to_owned(),
            Self::Random(_) => "ls -l /dev/urandom".to_owned(),
            Self::Program { program, .. } => format!("command -v {program}"),
            Self::Door(_) => "tidegate serve-credentials --port 0".to_owned(),
            Self::Output(_) => "tidegate whoami".to_owned(),
        }
    }

    /// Whether keys that are still good should be used instead: the next try may succeed, or a person has to come.
    pub(super) fn leaves_keys_as_they_are(&self) -> bool {
        match self {
            Self::NotLoggedIn { .. }
            | Self::Expired { .. }
            | Self::Lock(_)
            | Self::Store(_)
            | Self::Identity(_) => true,
            Self::Gateway(error) => error.is_passing(),
            Self::Login(error) => error.is_passing(),
            // Whoever refuses this caller refuses its keys, too.
            Self::LoginRejected { .. }
            | Self::Settings(_)
            | Self::File(_)
            | Self::OfAnother { .. }
            | Self::Random(_)
            | Self::Program { .. }
            | Self::Door(_)
            | Self::Output(_) => false,
        }
    }
}

impl FileError {
    fn next(&self) -> String {
        match self {
            Self::Exposed { path, .. } => format!("ls -ld {path}"),
            Self::Io { path, .. } => format!("df -h {path}; ls -ld {path}"),
        }
    }
}
