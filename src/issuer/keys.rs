//! The signing keys: when each is published, signs and goes.
//!
//! A key is published from the moment that it is in the file, signs from `signs_from` on until the next one does, and
//! stays published for [`KEPT_AFTER_SUPERSEDED`] after that. Which key does what follows from the file and the time
//! alone: replicas agree without talking to each other.
//!
//! Whoever reads the file can be Tidegate towards every cloud. So it is refused if others may read it.

use super::{IssuerError, KeysFlaw, TOKEN_LIFETIME};
use crate::files::{self, Replacement};
use crate::jws;
use crate::secret::Secret;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};
use std::{
    fmt, fs,
    io::{ErrorKind, Write as _},
    path::Path,
    time::Duration,
};
use zeroize::Zeroizing;

/// How long a key stays published after the next one has begun to sign: its last token, and a day in which a cloud
/// may hold a token against a key set that it fetched before.
pub(super) const KEPT_AFTER_SUPERSEDED: SignedDuration = SignedDuration::from_hours(25);

/// The keys of one file, checked.
pub struct SigningKeys {
    // INVARIANT: at least one; ids differ; in the order in which they begin to sign.
    keys: Vec<SigningKey>,
}

/// One key.
pub(super) struct SigningKey {
    id: Box<str>,
    created: Timestamp,
    signs_from: Timestamp,
    pair: RsaKeyPair,
    pem: Zeroizing<String>,
}

/// What a key does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Published, and will sign from then on.
    Announced(Timestamp),
    /// Signs.
    Signing,
    /// Signed, and is still published until then.
    Superseded(Timestamp),
    /// Not published any more.
    Gone,
}

/// A key, as far as anybody may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// `kid`.
    pub id: &'a str,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it signs, until the next one does.
    pub signs_from: Timestamp,
    /// What it does.
    pub standing: Standing,
}

/// What became of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The new key, and when it begins to sign.
    pub added: (Box<str>, Timestamp),
    /// Keys that are gone from the file: those that were not published any more, and those that were to go.
    pub dropped: Vec<Box<str>>,
}

impl SigningKeys {
    /// Reads the keys. On Unix the file must be closed to group and others.
    ///
    /// # Errors
    /// [`IssuerError`] if the file cannot be read, is open to others or holds no usable key, and if none may sign yet.
    pub fn load(path: &Path, now: Timestamp) -> Result<Self, IssuerError> {
        let keys = Self::read(path)?;
        match keys.signing(now) {
            Some(_) => Ok(keys),
            None => Err(IssuerError::NothingSigns(path.to_owned())),
        }
    }

    /// Writes a file with one new key that signs at once, mode `0600`. Gives the key's id.
    ///
    /// # Errors
    /// [`IssuerError::Exists`] rather than overwriting; otherwise why it could not be written.
    pub fn create(path: &Path, now: Timestamp) -> Result<Box<str>, IssuerError> {
        let key = SigningKey::generate(now, now)?;
        let failed = |source| IssuerError::Write {
            path: path.to_owned(),
            source,
        };
        let mut file = files::new_file(path, PRIVATE).map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => IssuerError::Exists(path.to_owned()),
            _ => failed(source),
        })?;
        let id = key.id.clone();
        let written = file
            .write_all(Self { keys: vec![key] }.render().as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| files::sync_folder(path));
        if let Err(source) = written {
            // Half a file would only be refused later, with a worse message.
            let _ = fs::remove_file(path);
            return Err(failed(source));
        }
        Ok(id)
    }

    /// Adds a key that signs from `signs_after` from now on, and drops those that are not published any more.
    ///
    /// # Errors
    /// [`IssuerError`] if the present keys cannot be read or the new ones not be written; the file is then as it was.
    pub fn rotate(path: &Path, now: Timestamp, signs_after: Duration) -> Result<Rotated, IssuerError> {
        Self::rotate_out(path, now, signs_after, &[])
    }

    /// As [`SigningKeys::rotate`], and takes the keys `drops` out at once: nobody can verify any more what they signed.
    ///
    /// # Errors
    /// As for [`SigningKeys::rotate`]; [`IssuerError::NoSuchKey`], and [`IssuerError::NothingWouldSign`] if no key were
    /// left that signs now.
    pub fn rotate_out(
        path: &Path,
        now: Timestamp,
        signs_after: Duration,
        drops: &[Box<str>],
    ) -> Result<Rotated, IssuerError> {
        let signs_from = SignedDuration::try_from(signs_after)
            .ok()
            .and_then(|after| now.checked_add(after).ok())
            .ok_or(IssuerError::Crypto)?;
        let key = SigningKey::generate(now, signs_from)?;
        let added = (key.id.clone(), key.signs_from);
        let dropped = Self::change(path, now, Some(key), drops)?;
        Ok(Rotated { added, dropped })
    }

    /// Takes the keys `drops` out at once, and those that are not published any more. Gives all that are gone.
    ///
    /// # Errors
    /// As for [`SigningKeys::rotate_out`].
    pub fn drop_keys(path: &Path, now: Timestamp, drops: &[Box<str>]) -> Result<Vec<Box<str>>, IssuerError> {
        Self::change(path, now, None, drops)
    }

    fn change(
        path: &Path,
        now: Timestamp,
        adds: Option<SigningKey>,
        drops: &[Box<str>],
    ) -> Result<Vec<Box<str>>, IssuerError> {
        // Before anything is made beside it: a file that is not there is no file to change.
        Self::read(path)?;
        // Of two changes at once, one would lose the other's key.
        let replacement = Replacement::begin(path, PRIVATE)?;
        let mut keys = Self::read(replacement.target())?;
        if let Some(unknown) = drops
            .iter()
            .find(|id| !keys.keys.iter().any(|key| key.id == **id))
        {
            return Err(IssuerError::NoSuchKey {
                path: path.to_owned(),
                id: unknown.clone(),
                known: keys.keys.iter().map(|key| key.id.clone()).collect(),
            });
        }
        let listed = keys.listed(now);
        let gone: Vec<Box<str>> = listed
            .iter()
            .filter(|key| key.standing == Standing::Gone || drops.iter().any(|id| **id == *key.id))
            .map(|key| key.id.into())
            .collect();
        keys.keys.retain(|key| !gone.contains(&key.id));
        keys.keys.extend(adds);
        keys.keys.sort_by_key(|key| (key.signs_from, key.created));
        if keys.signing(now).is_none() {
            return Err(IssuerError::NothingWouldSign(path.to_owned()));
        }
        replacement.finish(keys.render().as_bytes())?;
        Ok(gone)
    }

    /// Reads the keys, whether one of them may sign yet or not.
    ///
    /// # Errors
    /// As for [`SigningKeys::load`].
    pub fn read(path: &Path) -> Result<Self, IssuerError> {
        let failed = |source| IssuerError::Read {
            path: path.to_owned(),
            source,
        };
        let mut exposed = None;
        let text = files::read(path, MAX_FILE_BYTES, |file| {
            exposed = files::exposed(file)?;
            Ok(())
        })
        .map_err(failed)?;
        let text = Zeroizing::new(text.ok_or_else(|| failed(ErrorKind::NotFound.into()))?);
        if let Some(mode) = exposed {
            let path = path.to_owned();
            return Err(IssuerError::Exposed { path, mode });
        }
        Self::parse(&text).map_err(|flaw| IssuerError::Invalid {
            path: path.to_owned(),
            flaw,
        })
    }

    fn parse(text: &str) -> Result<Self, KeysFlaw> {
        let shape: FileShape =
            files::parse(text).map_err(|(line, problem)| KeysFlaw::Syntax { line, problem })?;
        let mut keys: Vec<SigningKey> = Vec::with_capacity(shape.keys.len());
        for (index, key) in shape.keys.into_iter().enumerate() {
            if !is_id(&key.id) {
                return Err(KeysFlaw::Id(index + 1));
            }
            if keys.iter().any(|earlier| earlier.id == key.id) {
                return Err(KeysFlaw::DuplicateId(key.id));
            }
            let pem = Zeroizing::new(key.private_key);
            let pair = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
                .ok()
                .and_then(|der| RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok())
                .filter(|pair| (256..=512).contains(&pair.public_modulus_len()))
                .ok_or_else(|| KeysFlaw::Key(key.id.clone()))?;
            keys.push(SigningKey {
                id: key.id,
                created: key.created,
                signs_from: key.signs_from.unwrap_or(key.created),
                pair,
                pem,
            });
        }
        if keys.is_empty() {
            return Err(KeysFlaw::Empty);
        }
        // Stable: of two keys of one second, the later in the file is the newer.
        keys.sort_by_key(|key| (key.signs_from, key.created));
        Ok(Self { keys })
    }

    /// The key that signs at `now`: the newest that may.
    pub(super) fn signing(&self, now: Timestamp) -> Option<&SigningKey> {
        self.keys.iter().rev().find(|key| key.signs_from <= now)
    }

    /// The ids of all keys, in the order in which they begin to sign.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| &*key.id)
    }

    /// Whether a key may sign at `now`. Once one may, this ends only if the clock is set back.
    pub fn can_sign(&self, now: Timestamp) -> bool {
        self.signing(now).is_some()
    }

    /// Every key and what it does at `now`; in the order in which they begin to sign.
    pub fn listed(&self, now: Timestamp) -> Vec<Listed<'_>> {
        let next = self.keys.iter().skip(1).map(|next| Some(next.signs_from));
        let each = self.keys.iter().zip(next.chain([None]));
        each.map(|(key, superseded)| {
            let kept_until =
                |from: Timestamp| from.checked_add(KEPT_AFTER_SUPERSEDED).unwrap_or(Timestamp::MAX);
            let standing = match superseded {
                _ if key.signs_from > now => Standing::Announced(key.signs_from),
                Some(from) if kept_until(from) <= now => Standing::Gone,
                Some(from) if from <= now => Standing::Superseded(kept_until(from)),
                Some(_) | None => Standing::Signing,
            };
            Listed {
                id: &key.id,
                created: key.created,
                signs_from: key.signs_from,
                standing,
            }
        })
        .collect()
    }

    /// The key set of `now`, as JSON: everything that is published.
    ///
    /// Spec: RFC 7517. Google takes no other members than these.
    pub fn jwks(&self, now: Timestamp) -> String {
        let published = self.keys.iter().zip(self.listed(now));
        let keys: Vec<_> = published
            .filter(|(_, listed)| listed.standing != Standing::Gone)
            .map(|(key, _)| {
                let public = key.pair.public_key();
                json!({
                    "kty": "RSA",
                    "alg": "RS256",
                    "use": "sig",
                    "kid": key.id,
                    "n": BASE64URL_NOPAD.encode(public.modulus().big_endian_without_leading_zero()),
                    "e": BASE64URL_NOPAD.encode(public.exponent().big_endian_without_leading_zero()),
                })
            })
            .collect();
        json!({ "keys": keys }).to_string()
    }

    fn render(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::from(HEADER));
        for key in &self.keys {
            let entry = Zeroizing::new(format!(
                "\n[[keys]]\nid = \"{}\"\ncreated = \"{}\"\nsigns_from = \"{}\"\nprivate_key = '''\n{}'''\n",
                key.id, key.created, key.signs_from, *key.pem,
            ));
            text.push_str(&entry);
        }
        text
    }
}

impl Standing {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Announced(_) => "announced",
            Self::Signing => "signing",
            Self::Superseded(_) => "superseded",
            Self::Gone => "gone",
        }
    }
}

impl SigningKey {
    fn generate(now: Timestamp, signs_from: Timestamp) -> Result<Self, IssuerError> {
        let mut id = [0; 10];
        rand::fill(&mut id).map_err(|_| IssuerError::Crypto)?;
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| IssuerError::Crypto)?;
        let der = pair.as_der().map_err(|_| IssuerError::Crypto)?;
        let pem = pem(der.as_ref());
        Ok(Self {
            id: BASE32_NOPAD.encode(&id).to_ascii_lowercase().into(),
            created: whole_seconds(now),
            signs_from: whole_seconds(signs_from),
            pair,
            pem,
        })
    }

    /// A token with these claims.
    pub(super) fn token(&self, claims: &Value) -> Result<Secret, IssuerError> {
        jws::sign(&self.pair, &self.id, claims).map_err(|_| IssuerError::Crypto)
    }
}

fn pem(der: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(BASE64.encode(der));
    let mut text = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
    for line in encoded.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap_or_default());
        text.push('\n');
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    text
}

fn is_id(id: &str) -> bool {
    (8..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys ")?;
        f.debug_list()
            .entries(self.keys.iter().map(|key| &key.id))
            .finish()
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FileShape {
    #[serde(default)]
    keys: Vec<KeyShape>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyShape {
    id: Box<str>,
    created: Timestamp,
    signs_from: Option<Timestamp>,
    private_key: String,
}

/// Whoever reads it can be Tidegate towards every cloud.
const PRIVATE: u32 = 0o600;

/// A key is 1.8 KB.
const MAX_FILE_BYTES: u64 = 256 * 1024;

const HEADER: &str = "\
# Tidegate's keys as an OIDC issuer. Whoever reads this file can be Tidegate towards every cloud: keep it private (mode 0600).
# `tidegate issuer rotate` adds a key and rewrites this file.
";

// A superseded key outlives its last token.
const _: () = assert!(KEPT_AFTER_SUPERSEDED.as_secs() > TOKEN_LIFETIME.as_secs());
