//! Logins: one for each gateway, in the keychain of the desktop or in a file that only its owner reads.
//!
//! What is no secret (which gateway, who, until when, how) is always in the file, so that a command finds out what it has
//! to do without waking the keychain. The tokens are in the keychain, or in the same file, and it says which. A keychain
//! that is locked or missing is never worked around in silence: it is said, or with `store = "keychain"` it is an error.

mod keychain;
mod login;

pub(super) use keychain::Keychain;
pub use keychain::KeychainError;
pub(super) use login::{Login, Tokens};

use super::console::Console;
use super::files::{self, FileError};
use super::settings::StoreChoice;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use std::path::{Path, PathBuf};

/// Where logins are.
#[derive(Clone, Debug)]
pub(super) struct Store {
    folder: PathBuf,
    choice: StoreChoice,
    keychain: Keychain,
    console: Console,
}

/// Why a login cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file.
    #[error("the login cannot be kept or read")]
    File(#[from] FileError),
    /// The keychain.
    #[error("the login is in the keychain, and {0}")]
    Keychain(KeychainError),
    /// The keychain, which the settings insist on.
    #[error("the settings say `store = \"keychain\"`, and {0}")]
    NoKeychain(KeychainError),
    /// Somebody changed it, or it was written by another version.
    #[error("`{path}` is not a login: {problem}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl StoreError {
    pub(super) fn next(&self) -> String {
        match self {
            Self::File(FileError::Exposed { path, .. }) => format!("rm {path} && tidegate login"),
            Self::File(FileError::Io { path, .. }) => format!("df -h {path}; ls -ld {path}"),
            // Whoever unlocks it need not log in again; who cannot, keeps the login in a file.
            Self::Keychain(_) | Self::NoKeychain(_) => "tidegate login --store file".to_owned(),
            Self::Damaged { path, .. } => format!("rm {path} && tidegate login"),
        }
    }
}

impl Store {
    pub(super) fn new(folder: &Path, choice: StoreChoice, keychain: Keychain, console: Console) -> Self {
        Self {
            folder: folder.join("logins"),
            choice,
            keychain,
            console,
        }
    }

    /// The login at a gateway, without its tokens.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn find(&self, endpoint: &str) -> Result<Option<Login>, StoreError> {
        self.read(&self.path(endpoint))
    }

    /// All logins, the latest first. What cannot be read is left out.
    pub(super) fn all(&self) -> Vec<Login> {
        let mut found: Vec<Login> = std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| {
                entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "json")
            })
            .filter_map(|entry| self.read(&entry.path()).ok().flatten())
            .collect();
        found.sort_by_key(|login| std::cmp::Reverse(login.logged_in_at));
        found
    }

    /// The tokens of a login.
    ///
    /// # Errors
    /// [`StoreError::Keychain`], above all if it is locked and nobody is there to unlock it.
    pub(super) async fn tokens(&self, login: &Login) -> Result<Tokens, StoreError> {
        if let Some(tokens) = &login.tokens {
            return Ok(tokens.clone());
        }
        let found = self
            .keychain
            .get(&name(&login.endpoint), self.console.is_attended())
            .await;
        let document = found.map_err(StoreError::Keychain)?;
        Tokens::parse(document.expose()).ok_or_else(|| StoreError::Damaged {
            path: self.path(&login.endpoint).display().to_string(),
            problem: "what is in the keychain is not",
        })
    }

    /// Keeps a login with its tokens, in place of an earlier one.
    ///
    /// # Errors
    /// [`StoreError`]; what was there before is still there.
    pub(super) async fn keep(&self, login: &Login, tokens: &Tokens) -> Result<(), StoreError> {
        let path = self.path(&login.endpoint);
        let mut login = login.clone();
        let in_keychain = match self.choice {
            StoreChoice::File => Err(None),
            StoreChoice::Auto | StoreChoice::Keychain => {
                let (name, document) = (name(&login.endpoint), tokens.document());
                let attended = self.console.is_attended();
                let kept = self
                    .keychain
                    .set(&name, &login.endpoint, &document, attended)
                    .await;
                kept.map_err(Some)
            }
        };
        match in_keychain {
            Ok(()) => login.tokens = None,
            Err(Some(error)) if self.choice == StoreChoice::Keychain => {
                return Err(StoreError::NoKeychain(error));
            }
            Err(reason) => {
                // Said at the login, not again at each renewal of it.
                let is_new = self
                    .find(&login.endpoint)
                    .ok()
                    .flatten()
                    .is_none_or(|old| old.id != login.id);
                if let Some(reason) = reason.filter(|_| is_new) {
                    self.console.say(format!(
                        "Notice: {reason}, so the login is kept in {}, which only you can read.",
                        path.display()
                    ));
                }
                login.tokens = Some(tokens.clone());
            }
        }
        files::write(&path, &login.document())?;
        Ok(())
    }

    /// Forgets the login at a gateway.
    ///
    /// # Errors
    /// [`StoreError`] if it is still there.
    pub(super) async fn forget(&self, login: &Login) -> Result<(), StoreError> {
        if login.tokens.is_none() {
            let removed = self
                .keychain
                .remove(&name(&login.endpoint), self.console.is_attended())
                .await;
            removed.map_err(StoreError::Keychain)?;
        }
        self.forget_file(&login.endpoint)
    }

    /// Forgets what the file says, whatever it is.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub(super) fn forget_file(&self, endpoint: &str) -> Result<(), StoreError> {
        Ok(files::remove(&self.path(endpoint))?)
    }

    /// Forgets whatever else there is, also what cannot be read as a login. Answers how many files went.
    ///
    /// # Errors
    /// [`StoreError::File`] if one of them stays.
    pub(super) fn forget_rest(&self) -> Result<usize, StoreError> {
        forget_in(&self.folder)
    }

    fn read(&self, path: &Path) -> Result<Option<Login>, StoreError> {
        let Some(document) = files::read(path)? else {
            return Ok(None);
        };
        let damaged = |problem| StoreError::Damaged {
            path: path.display().to_string(),
            problem,
        };
        Login::parse(&document).map(Some).map_err(damaged)
    }

    fn path(&self, endpoint: &str) -> PathBuf {
        self.folder.join(format!("{}.json", name(endpoint)))
    }
}

/// Forgets every file of a login in the folder of the state, whatever it says.
pub(super) fn forget_files(state: &Path) -> Result<usize, StoreError> {
    forget_in(&state.join("logins"))
}

fn forget_in(folder: &Path) -> Result<usize, StoreError> {
    let mut gone = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files::remove(&path)?;
            gone += 1;
        }
    }
    Ok(gone)
}

/// What a gateway's login is called in files and keychains.
pub(super) fn name(endpoint: &str) -> String {
    HEXLOWER.encode(
        digest(&SHA256, endpoint.as_bytes())
            .as_ref()
            .get(..16)
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
