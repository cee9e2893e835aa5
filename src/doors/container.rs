//! `GET /_tidegate/credentials`: session keys, in the words of container credentials.
//!
//! An SDK with `AWS_CONTAINER_CREDENTIALS_FULL_URI` and a token file sends what is in the file as `Authorization`,
//! without a scheme, and reads four members of a JSON object. It comes back before they expire, and reads the file
//! anew each time.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use super::{DoorError, asked};
use crate::authn::IssuedSession;
use crate::secret::Secret;
use crate::sts::wish::Wish;
use http::request::Parts;

/// An identity token, and what its holder asks for.
#[derive(Debug)]
pub(crate) struct Request {
    /// Without the white space that token files end with.
    pub(crate) token: Secret,
    pub(crate) wish: Wish,
}

impl Request {
    /// Reads the head of a request.
    ///
    /// # Errors
    /// [`DoorError`] if there is no token, or a parameter is not acceptable.
    pub(crate) fn parse(head: &Parts) -> Result<Self, DoorError> {
        let wish = asked::wish(head.uri.query())?;
        let value = head
            .headers
            .get(http::header::AUTHORIZATION)
            .ok_or(DoorError::NoCredential)?;
        let text = value.to_str().map_err(|_| DoorError::Credential)?.trim();
        let token = crate::authn::bearer_token(text).unwrap_or(text);
        // A scheme of another kind has a space behind it, and no token has one.
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(DoorError::Credential);
        }
        Ok(Self {
            token: Secret::new(token),
            wish,
        })
    }
}

/// The document. It holds the session's secrets: it goes to the caller and nowhere else.
pub(crate) fn document(session: &IssuedSession) -> String {
    serde_json::json!({
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key.expose_str().unwrap_or_default(),
        "Token": session.session_token.expose_str().unwrap_or_default(),
        "Expiration": session.expires_at.to_string(),
        "AccountId": crate::sts::ACCOUNT,
    })
    .to_string()
}
