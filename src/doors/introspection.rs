//! `POST /_tidegate/introspect`: what an access token of ours is, by RFC 7662.
//!
//! `gcloud` asks, to show whose account it uses; its address is `token_info_url`. Whoever has the token could use it, so
//! that having it is right enough to ask. Of anything else than a living access token of ours it says the same: not
//! active.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc7662>

use super::{DoorError, asked, exchange};
use crate::authn::Principal;
use crate::parameters::{Parameters, Repeated};
use crate::secret::Secret;
use http::request::Parts;

/// Reads the token that is asked about.
///
/// # Errors
/// [`DoorError`] if there is none, or anything that is not known.
pub(crate) fn parse(head: &Parts, form: &[u8]) -> Result<Secret, DoorError> {
    exchange::check_form(head)?;
    exchange::check_client(head)?;
    asked::nothing(head.uri.query())?;
    let mut parameters =
        Parameters::read(None, form, &[]).map_err(|Repeated(name)| DoorError::Repeated(name))?;
    let token = parameters.take("token").ok_or(DoorError::Missing("token"))?;
    let known = ["token_type_hint", "client_id", "client_secret"];
    match parameters.unknown(|name| known.contains(&name)) {
        None => Ok(Secret::new(token.trim_ascii())),
        Some(parameter) => Err(DoorError::Unknown {
            parameter,
            known: "`token` and `token_type_hint`",
        }),
    }
}

/// The document: `None` for a token that opens nothing.
pub(crate) fn document(principal: Option<&Principal>) -> String {
    let Some(principal) = principal else {
        return serde_json::json!({ "active": false }).to_string();
    };
    let session = principal.session();
    serde_json::json!({
        "active": true,
        "token_type": "Bearer",
        "username": principal.id(),
        "client_id": principal.id(),
        "iss": principal.issuer(),
        "sub": principal.subject(),
        "iat": session.issued_at.as_second(),
        "exp": session.expires_at.as_second(),
        "jti": session.id,
    })
    .to_string()
}
