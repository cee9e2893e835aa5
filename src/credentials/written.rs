//! Credentials that are written down: keys that someone rotates by hand, and a token that something else keeps fresh.
//!
//! They are read where the configuration points, and again on demand. A token in a file is short-lived and its writer
//! tells nobody when it writes: so it is also looked at every few seconds while it is in use.

use super::{AccessKey, Credential, LONGEST_TOKEN, Material, SourceError, check};
use crate::config::{SecretRef, StaticKeys};
use crate::secret::Secret;
use jiff::SignedDuration;

/// Where the credential is.
pub(super) enum Written {
    /// A key pair.
    Keys(StaticKeys),
    /// An OAuth 2.0 access token.
    Token(SecretRef),
}

/// Google's tokens end an hour after they were made and are usually replaced minutes before.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(10);

impl Written {
    /// Reads it.
    ///
    /// # Errors
    /// [`SourceError::Secret`] for a reference that leads nowhere, [`SourceError::Malformed`] for what is no key and
    /// no token.
    pub(super) fn read(&self) -> Result<Credential, SourceError> {
        let material = match self {
            Self::Keys(keys) => Material::AccessKey(access_key(keys)?),
            Self::Token(reference) => Material::BearerToken(token(&reference.resolve()?)?),
        };
        Ok(Credential {
            material,
            expires_at: None,
        })
    }

    /// How long after it was read it is read again without being asked.
    pub(super) fn look_again(&self) -> Option<SignedDuration> {
        match self {
            Self::Token(SecretRef::File(_)) => Some(LOOK_AGAIN),
            Self::Token(SecretRef::Env(_)) | Self::Keys(_) => None,
        }
    }

    /// Whether it need not be there when the process starts, because something else writes it.
    pub(super) fn may_come_later(&self) -> bool {
        self.look_again().is_some()
    }
}

/// Reads all parts of a key pair.
///
/// # Errors
/// As [`Written::read`].
pub(super) fn access_key(keys: &StaticKeys) -> Result<AccessKey, SourceError> {
    let id = keys.access_key_id.resolve()?;
    let id = id.expose_str().ok_or(SourceError::Malformed("access key id"))?;
    check(AccessKey {
        id: id.into(),
        secret: keys.secret_access_key.resolve()?,
        session_token: keys
            .session_token
            .as_ref()
            .map(|token| token.resolve())
            .transpose()?,
    })
}

/// What RFC 6750 allows as a token: no JSON, no `Bearer` before it, nothing that could end a header.
pub(super) fn token(secret: &Secret) -> Result<Secret, SourceError> {
    let token = secret.expose().trim_ascii();
    let body = token.iter().rposition(|b| *b != b'=').map_or(0, |last| last + 1);
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(b);
    let well_formed = token.get(..body).is_some_and(|body| body.iter().all(is_token));
    if body == 0 || token.len() > LONGEST_TOKEN || !well_formed {
        return Err(SourceError::Malformed("access token"));
    }
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_of_rfc_6750() {
        let check = |text: &str, expected: Option<&str>| {
            let token = token(&Secret::new(text)).ok();
            let found = token.as_ref().and_then(Secret::expose_str);
            assert_eq!(found, expected, "{text:?}");
        };
        check("ya29.a0-_~+/b==", Some("ya29.a0-_~+/b=="));
        check("  ya29.a \r\n", Some("ya29.a"));
        check(&"a".repeat(16 << 10), Some(&"a".repeat(16 << 10)));
        for wrong in [
            "",
            "=",
            "a b",
            "Bearer a",
            "{\"access_token\":\"a\"}",
            "a=b",
            "a\r\nx-goog-acl: p",
            "\u{e4}",
        ] {
            check(wrong, None);
        }
        check(&"a".repeat((16 << 10) + 1), None);
    }
}
