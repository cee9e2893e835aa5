//! Credentials: what signs towards a target.

use crate::secret::Secret;
use jiff::Timestamp;

/// A credential of a target.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Access key id; not secret, but never shown to callers.
    pub access_key_id: Box<str>,
    /// Secret access key.
    pub secret_access_key: Secret,
    /// For temporary credentials.
    pub session_token: Option<Secret>,
    /// When it stops working; `None` for static keys.
    pub expires_at: Option<Timestamp>,
}
