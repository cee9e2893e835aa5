//! An access token for Tidegate itself: for what it asks of Google besides targets.

use super::{GoogleSource, Purpose};
use crate::config::{Attribution, CredentialSource};
use crate::credentials::keeper::{CredentialState, Keeper};
use crate::credentials::{Credential, CredentialError, Resources, Scope, SourceError};
use std::sync::Arc;

/// An access token of Google's, kept fresh. Clones share it.
///
/// ```text
/// let token = GoogleToken::new("secrets", &settings.credentials, Purpose::Platform, &resources)?;
/// let credential = token.get().await?;                 // Material::BearerToken
/// if answer.status == 401 && token.invalidate(&credential) { /* once more, with another one */ }
/// ```
#[derive(Clone)]
pub struct GoogleToken(Keeper);

impl GoogleToken {
    /// Prepares what `source` describes: one of the three kinds of Google. `name` is for the log; the subject of
    /// Tidegate's own tokens is `tidegate/NAME`, which is neither a target's nor a principal's.
    ///
    /// # Errors
    /// [`SourceError`] for files that cannot be used, for a token of ours without an issuer, and for another source.
    pub fn new(
        name: &str,
        source: &CredentialSource,
        purpose: Purpose,
        resources: &Resources,
    ) -> Result<Self, SourceError> {
        let subject = format!("tidegate/{name}").into();
        let source = Arc::new(GoogleSource::new(subject, source, purpose, resources)?);
        let session = Scope::own().session(Attribution::Shared, false);
        let clock = resources.clock.clone();
        Ok(Self(Keeper::temporary(
            name,
            source,
            session,
            clock,
            Arc::default(),
        )))
    }

    /// A token that is good for at least another minute. It is fetched when it is first wanted, and anew ahead of its
    /// end, in the background, while somebody asks.
    ///
    /// # Errors
    /// [`CredentialError::Unavailable`] if there is none and none can be had now; [`GoogleToken::state`] says why.
    pub async fn get(&self) -> Result<Arc<Credential>, CredentialError> {
        self.0.get().await
    }

    /// Says that Google did not accept `used`. Gives whether [`GoogleToken::get`] will now give another one.
    pub fn invalidate(&self, used: &Credential) -> bool {
        self.0.invalidate(used)
    }

    /// How it is, and why there is none.
    pub fn state(&self) -> CredentialState {
        self.0.state()
    }
}
