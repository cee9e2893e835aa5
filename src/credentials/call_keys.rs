//! Keys that sign the calls of a security token service, and those that did before them.
//!
//! A pair that was rotated is tried first. While the service refuses it, the last one that worked goes on (7.4): nobody's
//! requests end because somebody wrote a wrong line into a secret.

use super::written::KeyPair;
use super::{AccessKey, SourceError};
use crate::error::with_causes;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys that sign calls.
pub(super) struct CallKeys {
    pair: KeyPair,
    /// Those that worked last.
    worked: Mutex<Option<AccessKey>>,
}

impl CallKeys {
    pub(super) fn new(pair: KeyPair) -> Self {
        Self {
            pair,
            worked: Mutex::default(),
        }
    }

    /// What is to be tried, in this order.
    ///
    /// # Errors
    /// [`SourceError`] if they cannot be read, and none worked before.
    pub(super) async fn keys(&self) -> Result<Vec<AccessKey>, SourceError> {
        let read = self.pair.wait().await.and_then(|credential| {
            credential
                .access_key()
                .cloned()
                .ok_or(SourceError::Malformed("access key"))
        });
        let worked = self.last().clone();
        match (read, worked) {
            (Ok(now), Some(before)) if !same(&now, &before) => Ok(vec![now, before]),
            (Ok(now), _) => Ok(vec![now]),
            (Err(error), Some(before)) => {
                tracing::warn!(error = %with_causes(&error), "the keys of a role cannot be read again, the last ones go on");
                Ok(vec![before])
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Says that the service took `key`.
    pub(super) fn worked(&self, key: AccessKey) {
        *self.last() = Some(key);
    }

    fn last(&self) -> MutexGuard<'_, Option<AccessKey>> {
        self.worked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a service could not tell them apart.
pub(super) fn same(one: &AccessKey, other: &AccessKey) -> bool {
    let token = |key: &AccessKey| key.session_token.as_ref().map(|token| token.expose().to_vec());
    one.id == other.id && one.secret.expose() == other.secret.expose() && token(one) == token(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SecretRef, StaticKeys};
    use crate::secrets::SecretReader;

    // 7.4, F9
    #[tokio::test]
    async fn keys_that_worked_go_on_while_new_ones_are_refused_or_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let write = |id: &str| std::fs::write(folder.path().join("id"), id).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        let reference = |name: &str| SecretRef::File(folder.path().join(name));
        let keys = StaticKeys {
            access_key_id: reference("id"),
            secret_access_key: reference("secret"),
            session_token: None,
        };
        let keys = CallKeys::new(KeyPair::new(&keys, &SecretReader::default()).unwrap());
        let ids = async || {
            let keys = keys.keys().await?;
            Ok::<_, SourceError>(
                keys.iter()
                    .map(|key| key.id.to_string())
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        };
        assert!(ids().await.is_err(), "there is nothing yet");
        write("ONE");
        assert_eq!(ids().await.unwrap(), "ONE");
        keys.worked(keys.keys().await.unwrap().remove(0));
        write("TWO");
        assert_eq!(ids().await.unwrap(), "TWO ONE");
        write("no key");
        assert_eq!(ids().await.unwrap(), "ONE");
        write("TWO");
        keys.worked(keys.keys().await.unwrap().remove(0));
        assert_eq!(ids().await.unwrap(), "TWO", "the one before is forgotten");
    }
}
