//! The keychain of the desktop: the Secret Service, which GNOME Keyring, KWallet and KeePassXC are.
//!
//! A locked one asks its owner for a password, in a window of its own, and waits. So it is only asked to unlock where
//! somebody is there to answer; otherwise it is found to be locked at once. Every call has a deadline: a keychain that hangs
//! must not hang whatever calls a credential process.

use crate::config::Environment;
use crate::secret::Secret;

/// A keychain, or the reason why there is none.
#[derive(Clone, Debug)]
pub(in crate::client) enum Keychain {
    /// That of the desktop.
    #[cfg(feature = "keychain")]
    Desktop,
    /// None.
    Missing(&'static str),
    /// One for tests.
    #[cfg(test)]
    Fake(super::tests::FakeKeychain),
}

/// Why a keychain does not give or take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeychainError {
    /// There is none.
    #[error("there is no keychain: {0}")]
    Missing(&'static str),
    /// It is locked, and nobody is there to unlock it, or does.
    #[error("the keychain is locked")]
    Locked,
    /// What should be in it is not.
    #[error("the login is not in the keychain any more")]
    Gone,
    /// It takes too long.
    #[error("the keychain does not answer")]
    Silent,
    /// Anything else.
    #[error("the keychain failed: {0}")]
    Failed(String),
}

#[cfg_attr(
    not(feature = "keychain"),
    allow(unused_variables, reason = "without a keychain nothing is asked of one")
)]
impl Keychain {
    /// The one of this session, if there is a session in which there can be one.
    pub(in crate::client) fn of(environment: &Environment) -> Self {
        #[cfg(feature = "keychain")]
        {
            let socket = environment
                .get("XDG_RUNTIME_DIR")
                .map(|folder| std::path::Path::new(folder).join("bus"));
            if environment.has("DBUS_SESSION_BUS_ADDRESS") || socket.is_some_and(|socket| socket.exists()) {
                Self::Desktop
            } else {
                Self::Missing("this is no desktop session")
            }
        }
        #[cfg(not(feature = "keychain"))]
        {
            let _ = environment;
            Self::Missing("this tidegate was built without one")
        }
    }

    /// The secret of this name.
    ///
    /// # Errors
    /// [`KeychainError`].
    pub(super) async fn get(&self, name: &str, attended: bool) -> Result<Secret, KeychainError> {
        match self {
            #[cfg(feature = "keychain")]
            Self::Desktop => desktop::in_time(attended, desktop::get(name, attended)).await,
            Self::Missing(why) => Err(KeychainError::Missing(why)),
            #[cfg(test)]
            Self::Fake(fake) => fake.get(name),
        }
    }

    /// Keeps a secret under this name. `label` is what people see.
    ///
    /// # Errors
    /// [`KeychainError`].
    pub(super) async fn set(
        &self,
        name: &str,
        label: &str,
        secret: &Secret,
        attended: bool,
    ) -> Result<(), KeychainError> {
        match self {
            #[cfg(feature = "keychain")]
            Self::Desktop => desktop::in_time(attended, desktop::set(name, label, secret, attended)).await,
            Self::Missing(why) => Err(KeychainError::Missing(why)),
            #[cfg(test)]
            Self::Fake(fake) => fake.set(name, secret),
        }
    }

    /// Removes the secret of this name, if it is there.
    ///
    /// # Errors
    /// [`KeychainError`].
    pub(super) async fn remove(&self, name: &str, attended: bool) -> Result<(), KeychainError> {
        match self {
            #[cfg(feature = "keychain")]
            Self::Desktop => desktop::in_time(attended, desktop::remove(name, attended)).await,
            Self::Missing(why) => Err(KeychainError::Missing(why)),
            #[cfg(test)]
            Self::Fake(fake) => fake.remove(name),
        }
    }
}

/// Spec: <https://specifications.freedesktop.org/secret-service-spec/latest/>
#[cfg(feature = "keychain")]
mod desktop {
    use super::KeychainError;
    use crate::secret::Secret;
    use secret_service::{Collection, EncryptionType, Error, Item, SecretService};
    use std::collections::HashMap;
    use std::time::Duration;

    /// How long a keychain may take that has nobody to ask.
    const QUICK: Duration = Duration::from_secs(5);
    /// How long somebody may take to type a password.
    const PATIENT: Duration = Duration::from_secs(90);

    /// By which our secrets are found among those of others.
    fn attributes(name: &str) -> HashMap<&str, &str> {
        HashMap::from([("application", "tidegate"), ("login", name)])
    }

    /// With an end: a keychain that hangs must not hang whatever calls a credential process.
    pub(super) async fn in_time<T>(
        attended: bool,
        call: impl Future<Output = Result<T, KeychainError>>,
    ) -> Result<T, KeychainError> {
        let limit = if attended { PATIENT } else { QUICK };
        tokio::time::timeout(limit, call)
            .await
            .unwrap_or(Err(KeychainError::Silent))
    }

    pub(super) async fn get(name: &str, attended: bool) -> Result<Secret, KeychainError> {
        let service = connect().await?;
        let found = service.search_items(attributes(name)).await.map_err(failed)?;
        let item = match (found.unlocked.first(), found.locked.first()) {
            (Some(item), _) => item,
            (None, Some(item)) => {
                unlock_item(item, attended).await?;
                item
            }
            (None, None) => return Err(KeychainError::Gone),
        };
        Ok(Secret::new(item.get_secret().await.map_err(failed)?))
    }

    pub(super) async fn set(
        name: &str,
        label: &str,
        secret: &Secret,
        attended: bool,
    ) -> Result<(), KeychainError> {
        let service = connect().await?;
        let collection = service.get_default_collection().await.map_err(failed)?;
        unlock(&collection, attended).await?;
        let label = format!("Tidegate login at {label}");
        let replaces = true;
        let item = collection
            .create_item(
                &label,
                attributes(name),
                secret.expose(),
                replaces,
                "application/json",
            )
            .await;
        item.map(|_| ()).map_err(failed)
    }

    pub(super) async fn remove(name: &str, attended: bool) -> Result<(), KeychainError> {
        let service = connect().await?;
        let found = service.search_items(attributes(name)).await.map_err(failed)?;
        for item in &found.locked {
            unlock_item(item, attended).await?;
        }
        for item in found.locked.iter().chain(&found.unlocked) {
            item.delete().await.map_err(failed)?;
        }
        Ok(())
    }

    /// The secret is encrypted on its way over the bus, too.
    async fn connect() -> Result<SecretService<'static>, KeychainError> {
        SecretService::connect(EncryptionType::Dh).await.map_err(failed)
    }

    async fn unlock(collection: &Collection<'_>, attended: bool) -> Result<(), KeychainError> {
        if !collection.is_locked().await.map_err(failed)? {
            return Ok(());
        }
        if !attended {
            return Err(KeychainError::Locked);
        }
        collection.unlock().await.map_err(failed)?;
        still_locked(collection.is_locked().await)
    }

    async fn unlock_item(item: &Item<'_>, attended: bool) -> Result<(), KeychainError> {
        if !attended {
            return Err(KeychainError::Locked);
        }
        item.unlock().await.map_err(failed)?;
        still_locked(item.is_locked().await)
    }

    /// A prompt that was closed is not always told as an error.
    fn still_locked(locked: Result<bool, Error>) -> Result<(), KeychainError> {
        if locked.map_err(failed)? {
            Err(KeychainError::Locked)
        } else {
            Ok(())
        }
    }

    fn failed(error: Error) -> KeychainError {
        match error {
            Error::Unavailable | Error::NoResult => {
                KeychainError::Missing("no secret service runs in this session")
            }
            Error::Locked | Error::Prompt | Error::PromptDisconnected => KeychainError::Locked,
            other => KeychainError::Failed(other.to_string()),
        }
    }
}
