//! A credential of Tidegate's own: for what it asks of clouds besides targets, such as secret managers.

use super::keeper::{Keeper, Tally};
use super::scope::CloudSession;
use super::sts::RoleSource;
use super::{Credential, CredentialError, Resources, Source, SourceError};
use crate::clock::Clock;
use crate::config::AssumedRole;
use std::sync::Arc;

/// A credential of Tidegate's own, kept fresh. Clones share it.
#[derive(Clone)]
pub(crate) struct OwnCredential(Keeper);

impl OwnCredential {
    /// What `source` gives in nobody's name. `name` is for the log.
    pub(crate) fn new(name: &str, source: Arc<dyn Source>, clock: &Clock) -> Self {
        let session = CloudSession {
            principal: None,
            places: Vec::new(),
        };
        Self(Keeper::temporary(
            name,
            source,
            session,
            clock.clone(),
            Arc::<Tally>::default(),
        ))
    }

    /// A role of AWS. The subject of Tidegate's own tokens is `tidegate/NAME`, which is neither a target's nor a
    /// principal's.
    ///
    /// # Errors
    /// [`SourceError`] for a CA that cannot be read, and for a token of ours without an issuer.
    pub(crate) fn of_role(
        name: &str,
        role: &AssumedRole,
        resources: &Resources,
    ) -> Result<Self, SourceError> {
        let source = RoleSource::of_subject(format!("tidegate/{name}").into(), role, resources)?;
        Ok(Self::new(name, Arc::new(source), &resources.clock))
    }

    /// One that is good for at least another minute.
    ///
    /// # Errors
    /// [`CredentialError::Unavailable`] if there is none and none can be had now; [`OwnCredential::cause`] says why.
    pub(crate) async fn get(&self) -> Result<Arc<Credential>, CredentialError> {
        self.0.get().await
    }

    /// Says that `used` was not accepted. Gives whether [`OwnCredential::get`] will now give another one.
    pub(crate) fn invalidate(&self, used: &Credential) -> bool {
        self.0.invalidate(used)
    }

    /// Why the last attempt to get one failed, if it did.
    pub(crate) fn cause(&self) -> String {
        self.0
            .cause()
            .unwrap_or_else(|| "it cannot be had now".to_owned())
    }
}
