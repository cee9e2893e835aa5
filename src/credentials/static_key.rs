//! Keys that someone rotates by hand: read where the configuration points, and again on demand.

use super::{Credential, SourceError, check};
use crate::config::StaticKeys;

/// Reads all parts of a key pair.
///
/// # Errors
/// [`SourceError::Secret`] for a reference that leads nowhere, [`SourceError::Malformed`] for what is no key.
pub(super) fn resolve(keys: &StaticKeys) -> Result<Credential, SourceError> {
    let id = keys.access_key_id.resolve()?;
    let id = id.expose_str().ok_or(SourceError::Malformed("access key id"))?;
    check(Credential {
        access_key_id: id.into(),
        secret_access_key: keys.secret_access_key.resolve()?,
        session_token: keys
            .session_token
            .as_ref()
            .map(|token| token.resolve())
            .transpose()?,
        expires_at: None,
    })
}
