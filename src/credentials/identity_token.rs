//! The identity token by which a cloud knows us: Tidegate's own, or one that something else keeps in a file.

use super::{Resources, SourceError, scope::CloudSession};
use crate::config::IdentityToken;
use crate::issuer::{Issuer, Token};
use crate::secret::Secret;
use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Where the token comes from.
pub(crate) enum TokenSource {
    /// Read anew for each call.
    File(Box<Path>),
    /// Minted for each call.
    Own {
        issuer: Arc<Issuer>,
        audience: Box<str>,
        /// Of tokens that are in nobody's name.
        subject: Box<str>,
    },
}

/// Bytes of an identity token; STS takes 20,000 characters.
const MAX_TOKEN: u64 = 20_000;
/// Bytes of a subject: Google takes no more in `google.subject`.
const MAX_SUBJECT: usize = 127;

impl TokenSource {
    /// What the configuration describes. `subject` is of tokens that are in nobody's name, and begins with what it is
    /// for and a slash.
    ///
    /// # Errors
    /// [`SourceError::NoIssuer`] if it is Tidegate itself, and there is no issuer.
    pub(crate) fn of_subject(
        subject: Box<str>,
        token: &IdentityToken,
        resources: &Resources,
    ) -> Result<Self, SourceError> {
        match token {
            IdentityToken::File(path) => Ok(Self::File(path.as_path().into())),
            IdentityToken::Own { audience } => Ok(Self::Own {
                issuer: resources.issuer.clone().ok_or(SourceError::NoIssuer)?,
                audience: audience.clone(),
                subject,
            }),
        }
    }

    /// A token for `session`. `claims` are a cloud's own; only a token of ours can have them.
    ///
    /// # Errors
    /// [`SourceError`] for a file that cannot be read or holds no token, and for keys that cannot sign.
    pub(crate) async fn token(
        &self,
        session: &CloudSession,
        claims: Map<String, Value>,
    ) -> Result<Secret, SourceError> {
        match self {
            Self::File(path) => read_token(path).await,
            Self::Own {
                issuer,
                audience,
                subject: nobodys,
            } => Ok(issuer.mint(&Token {
                subject: &subject(session, nobodys),
                audience,
                claims,
            })?),
        }
    }
}

/// The subject of tokens for a target that are in nobody's name. It has a slash and no colon, a principal's has a colon
/// before any slash: none is taken for the other.
pub(super) fn of_target(name: &str) -> Box<str> {
    format!("target/{name}").into()
}

/// `sub`: the principal's id, or `nobodys`.
fn subject(session: &CloudSession, nobodys: &str) -> String {
    match &session.principal {
        None => nobodys.to_owned(),
        // INVARIANT: what looks as if it ended in a hash always does, so that nobody has another one's subject.
        Some(principal) if principal.id.len() <= MAX_SUBJECT && !ends_like_a_hash(&principal.id) => {
            principal.id.to_string()
        }
        Some(principal) => {
            let hash = digest::digest(&digest::SHA256, principal.id.as_bytes());
            let hash = HEXLOWER.encode(hash.as_ref().get(..16).unwrap_or_default());
            let mut end = MAX_SUBJECT - hash.len() - 1;
            while !principal.id.is_char_boundary(end) {
                end -= 1;
            }
            format!("{}#{hash}", principal.id.get(..end).unwrap_or_default())
        }
    }
}

fn ends_like_a_hash(id: &str) -> bool {
    id.rsplit_once('#').is_some_and(|(_, hash)| {
        hash.len() == 32 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Reads an identity token. Line ends around it belong to the file (2.1).
async fn read_token(path: &Path) -> Result<Secret, SourceError> {
    let unusable = |problem| SourceError::Token {
        path: path.to_owned(),
        problem,
    };
    let unreadable = |source| SourceError::TokenFile {
        path: path.to_owned(),
        source,
    };
    let size = tokio::fs::metadata(path).await.map_err(unreadable)?.len();
    if size > MAX_TOKEN {
        return Err(unusable("it is larger than 20,000 bytes"));
    }
    let bytes = Zeroizing::new(tokio::fs::read(path).await.map_err(unreadable)?);
    let token = bytes.trim_ascii();
    if token.is_empty() {
        return Err(unusable("it is empty"));
    }
    if !token.iter().all(u8::is_ascii_graphic) {
        return Err(unusable("there are characters in it that no token has"));
    }
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::super::scope::OnBehalfOf;
    use super::*;
    use crate::authn::PrincipalKind;

    fn subject_of(id: &str) -> String {
        let session = CloudSession {
            principal: Some(OnBehalfOf {
                id: id.into(),
                kind: PrincipalKind::Workload,
                issuer: "https://idp.test".into(),
            }),
            places: Vec::new(),
        };
        subject(&session, "target/lake")
    }

    // CRD-10
    #[test]
    fn nobody_can_have_the_subject_of_another_one() {
        let plain = "idp:ana@acme.example";
        assert_eq!(subject_of(plain), plain);
        let long = format!("idp:{}", "x".repeat(150));
        let shortened = subject_of(&long);
        assert_eq!(shortened.len(), MAX_SUBJECT);
        assert_ne!(subject_of(&shortened), shortened, "it is somebody else's");
        assert_ne!(subject_of(&long.replace("xx", "xy")), shortened);
        let wide = subject_of(&format!("idp:{}", "\u{6570}".repeat(100)));
        assert!(wide.len() <= MAX_SUBJECT, "{wide}");
    }
}
