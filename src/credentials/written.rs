//! Credentials that are written down: keys that someone rotates by hand, and a token that something else keeps fresh.
//!
//! They are on this machine, or in a secret manager, which is polled: what was read there last is at hand. The hazard
//! is a pair of which one half is old: halves of one secret are of one version, and halves of two secrets count once
//! both are known to be the newest.

use super::{AccessKey, Credential, LONGEST_TOKEN, Material, SourceError, check};
use crate::config::{ManagedSecret, SecretRef, StaticKeys};
use crate::secret::Secret;
use crate::secrets::{SecretReader, Versioned, Watched, version_here};
use jiff::SignedDuration;
use std::sync::Arc;

/// Where the credential is.
pub(super) enum Written {
    /// A key pair.
    Keys(KeyPair),
    /// An OAuth 2.0 access token.
    Token(Part),
}

/// Where a key pair is.
pub(super) struct KeyPair {
    id: Part,
    secret: Part,
    session_token: Option<Part>,
}

/// Where one secret is.
pub(super) enum Part {
    Here(SecretRef),
    Managed(ManagedSecret, Watched),
}

/// What was read: everything that is of one secret is of one version of it.
#[derive(Default)]
struct Snapshot {
    taken: Vec<(Watched, Option<Arc<Versioned>>)>,
    versions: Vec<Box<str>>,
}

/// Google's tokens end an hour after they were made and are usually replaced minutes before.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(10);

impl Written {
    /// A key pair.
    ///
    /// # Errors
    /// [`SourceError::Managed`] for a manager that is not asked here.
    pub(super) fn keys(keys: &StaticKeys, secrets: &SecretReader) -> Result<Self, SourceError> {
        KeyPair::new(keys, secrets).map(Self::Keys)
    }

    /// A token.
    ///
    /// # Errors
    /// As [`Written::keys`].
    pub(super) fn token(token: &SecretRef, secrets: &SecretReader) -> Result<Self, SourceError> {
        Part::new(token, secrets).map(Self::Token)
    }

    /// Reads it; from managers, what was read last.
    ///
    /// # Errors
    /// [`SourceError::Secret`] for a reference that leads nowhere, [`SourceError::NotRead`] for a secret that its manager
    /// has not given yet, [`SourceError::Malformed`] for what is no key and no token.
    pub(super) fn read(&self) -> Result<Credential, SourceError> {
        match self {
            Self::Keys(pair) => pair.read(),
            Self::Token(part) => {
                let mut snapshot = Snapshot::default();
                let material = Material::BearerToken(token(&snapshot.read(part)?)?);
                Ok(snapshot.credential(material))
            }
        }
    }

    /// Waits until all of it was read once, or could not be.
    pub(super) async fn first(&self) {
        for watched in self.watched() {
            // Why it could not is found again when it is read.
            let _ = watched.first().await;
        }
    }

    /// Asks managers anew, because what was read does not work.
    pub(super) async fn again(&self) {
        for watched in self.watched() {
            watched.again().await;
        }
    }

    /// Counts the versions that managers gave.
    pub(super) fn changes(&self) -> u64 {
        self.watched().map(Watched::changes).sum()
    }

    /// Why a manager cannot be asked now, if so.
    pub(super) fn cause(&self) -> Option<String> {
        let mut causes = self.watched().filter_map(|watched| {
            let cause = watched.cause()?;
            Some(format!("`{}`: {cause}", watched.place()))
        });
        causes.next()
    }

    /// Whether halves that are in two secrets are both known to be the newest. Makes haste, if not.
    pub(super) fn is_settled(&self) -> bool {
        let changed_at = self.watched().filter_map(|watched| watched.times().0).max();
        let Some(changed_at) = changed_at else { return true };
        let behind: Vec<&Watched> = self
            .watched()
            .filter(|watched| {
                let (changed, confirmed) = watched.times();
                let newest = confirmed.max(changed);
                newest.is_none_or(|at| at < changed_at)
            })
            .collect();
        behind.iter().for_each(|watched| watched.hurry(changed_at));
        behind.is_empty()
    }

    /// How long after it was read it is read again without being asked.
    pub(super) fn look_again(&self) -> Option<SignedDuration> {
        match self {
            Self::Token(Part::Here(SecretRef::File(_))) => Some(LOOK_AGAIN),
            Self::Token(_) | Self::Keys(_) => None,
        }
    }

    /// Whether it need not be there when the process starts, because something else writes it or keeps it.
    pub(super) fn may_come_later(&self) -> bool {
        self.look_again().is_some() || self.watched().next().is_some()
    }

    fn watched(&self) -> impl Iterator<Item = &Watched> {
        let parts: [Option<&Part>; 3] = match self {
            Self::Keys(pair) => pair.parts(),
            Self::Token(part) => [Some(part), None, None],
        };
        parts.into_iter().flatten().filter_map(Part::watched)
    }
}

impl KeyPair {
    /// The pair that the configuration describes.
    ///
    /// # Errors
    /// As [`Written::keys`].
    pub(super) fn new(keys: &StaticKeys, secrets: &SecretReader) -> Result<Self, SourceError> {
        let token = keys.session_token.as_ref();
        Ok(Self {
            id: Part::new(&keys.access_key_id, secrets)?,
            secret: Part::new(&keys.secret_access_key, secrets)?,
            session_token: token.map(|token| Part::new(token, secrets)).transpose()?,
        })
    }

    /// Reads all parts.
    ///
    /// # Errors
    /// As [`Written::read`].
    pub(super) fn read(&self) -> Result<Credential, SourceError> {
        let mut snapshot = Snapshot::default();
        let id = snapshot.read(&self.id)?;
        let id = id.expose_str().ok_or(SourceError::Malformed("access key id"))?;
        let key = check(AccessKey {
            id: id.into(),
            secret: snapshot.read(&self.secret)?,
            session_token: match &self.session_token {
                Some(token) => Some(snapshot.read(token)?),
                None => None,
            },
        })?;
        Ok(snapshot.credential(Material::AccessKey(key)))
    }

    /// As [`KeyPair::read`], after all of it was read once.
    ///
    /// # Errors
    /// As [`Written::read`].
    pub(super) async fn wait(&self) -> Result<Credential, SourceError> {
        for watched in self.parts().into_iter().flatten().filter_map(Part::watched) {
            // Why it could not be is found again when it is read.
            let _ = watched.first().await;
        }
        self.read()
    }

    /// Whether it is all on this machine, so that it can be demanded at start.
    pub(super) fn is_here(&self) -> bool {
        let mut parts = self.parts().into_iter().flatten();
        parts.all(|part| part.watched().is_none())
    }

    fn parts(&self) -> [Option<&Part>; 3] {
        [Some(&self.id), Some(&self.secret), self.session_token.as_ref()]
    }
}

impl Part {
    fn new(reference: &SecretRef, secrets: &SecretReader) -> Result<Self, SourceError> {
        let Some(managed) = reference.managed() else {
            return Ok(Self::Here(reference.clone()));
        };
        let watched = secrets.watched(managed);
        let watched = watched.map_err(|error| SourceError::Managed(Box::new(error)))?;
        Ok(Self::Managed(managed.clone(), watched))
    }

    fn watched(&self) -> Option<&Watched> {
        match self {
            Self::Managed(_, watched) => Some(watched),
            Self::Here(_) => None,
        }
    }
}

impl Snapshot {
    fn read(&mut self, part: &Part) -> Result<Secret, SourceError> {
        let (secret, version) = match part {
            Part::Here(reference) => {
                let found = reference.find()?;
                let version = version_here(reference, &found);
                (found.secret, version)
            }
            Part::Managed(reference, watched) => {
                let versioned = self.of(watched).ok_or_else(|| SourceError::NotRead {
                    reference: reference.to_string(),
                    cause: watched
                        .cause()
                        .unwrap_or_else(|| "it is being asked for".to_owned()),
                })?;
                let part = versioned.payload.part(reference.field.as_deref());
                let part = part.map_err(|flaw| SourceError::NotRead {
                    reference: reference.to_string(),
                    cause: flaw.to_string(),
                })?;
                (part, versioned.version.clone())
            }
        };
        if !self.versions.contains(&version) {
            self.versions.push(version);
        }
        Ok(secret)
    }

    // INVARIANT: a secret is looked at once, however many parts are of it.
    fn of(&mut self, watched: &Watched) -> Option<Arc<Versioned>> {
        if let Some((_, taken)) = self.taken.iter().find(|(known, _)| known.is(watched)) {
            return taken.clone();
        }
        let latest = watched.latest();
        self.taken.push((watched.clone(), latest.clone()));
        latest
    }

    fn credential(self, material: Material) -> Credential {
        Credential {
            material,
            expires_at: None,
            version: Some(self.versions.join("+").into()),
        }
    }
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
