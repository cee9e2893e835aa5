//! The ring's file: TOML, one `[[keys]]` entry for each key.
//!
//! Errors quote nothing of the content, and the file is judged by its open handle, so that what was checked is
//! what is read.

use super::{KeyRingError, KeyRingFlaw, Rotated};
use crate::files::{self, Replacement};
use crate::secret::Secret;
use aws_lc_rs::rand;
use data_encoding::{BASE32_NOPAD, BASE64};
use jiff::{SignedDuration, Timestamp};
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    path::Path,
    time::Duration,
};
use zeroize::Zeroizing;

/// A key as it stands in the file, checked.
pub(super) struct Entry {
    pub(super) id: Box<str>,
    pub(super) created: Timestamp,
    pub(super) seals_from: Option<Timestamp>,
    /// 32 bytes.
    pub(super) secret: Secret,
}

impl Entry {
    /// When it begins to seal.
    fn start(&self) -> Timestamp {
        self.seals_from.unwrap_or(self.created)
    }

    fn generate(now: Timestamp, seals_from: Option<Timestamp>) -> Result<Self, KeyRingError> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        let mut id = [0; 10];
        rand::fill(&mut secret[..]).map_err(|_| KeyRingError::Crypto)?;
        rand::fill(&mut id).map_err(|_| KeyRingError::Crypto)?;
        Ok(Self {
            id: BASE32_NOPAD.encode(&id).to_ascii_lowercase().into(),
            created: whole_seconds(now),
            seals_from: seals_from.map(whole_seconds),
            secret: Secret::new(secret.to_vec()),
        })
    }
}

/// Reads and checks all entries, in the order in which they begin to seal.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, KeyRingError> {
    let failed = |source| KeyRingError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    refuse_exposed(path, &file)?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(KeyRingError::invalid(path, KeyRingFlaw::TooLarge(MAX_FILE_BYTES)));
    }
    parse(&text).map_err(|flaw| KeyRingError::invalid(path, flaw))
}

/// Writes a ring with one key; never overwrites.
pub(super) fn create(path: &Path, now: Timestamp) -> Result<Box<str>, KeyRingError> {
    let entry = Entry::generate(now, None)?;
    let mut file = files::new_file(path, PRIVATE).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => KeyRingError::Exists(path.to_owned()),
        _ => cannot_write(path)(source),
    })?;
    let text = render(std::slice::from_ref(&entry));
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| files::sync_folder(path));
    if let Err(source) = written {
        // Half a ring would only be refused later, with a worse message.
        let _ = fs::remove_file(path);
        return Err(cannot_write(path)(source));
    }
    Ok(entry.id)
}

/// What is to be done to a ring.
pub(super) struct Change<'a> {
    /// Whether a key is added, and how long from now it begins to seal.
    pub(super) adds: Option<Duration>,
    /// Keys that go at once, whatever they sealed.
    pub(super) drops: &'a [Box<str>],
}

/// Replaces the ring by a changed one, without the keys that are past use if there is a new one.
pub(super) fn change(path: &Path, now: Timestamp, change: &Change<'_>) -> Result<Rotated, KeyRingError> {
    if let Err(source) = fs::metadata(path) {
        let path = path.to_owned();
        return Err(KeyRingError::Read { path, source });
    }
    // Of two changes at once, one would lose the other's key.
    let replacement = Replacement::begin(path, PRIVATE)?;
    let mut entries = read(replacement.target())?;
    let mut gone = Vec::new();
    for id in change.drops {
        let at = entries.iter().position(|entry| entry.id == *id);
        let at = at.ok_or_else(|| KeyRingError::NoSuchKey {
            path: path.to_owned(),
            id: id.clone(),
            known: entries.iter().map(|entry| entry.id.clone()).collect(),
        })?;
        gone.push(entries.remove(at));
    }
    if let Some(seals_after) = change.adds {
        // A key is superseded when the next one begins to seal.
        let limit = now.checked_sub(KEPT_AFTER_SUPERSEDED).unwrap_or(Timestamp::MIN);
        let next = entries.iter().skip(1);
        let past_use = next.take_while(|next| next.start() < limit).count();
        gone.extend(entries.drain(..past_use));

        let seals_from = now
            .checked_add(seals_after)
            .map_err(|_| cannot_write(path)(io::Error::other("`seals after` is too long")))?;
        entries.push(Entry::generate(
            now,
            (!seals_after.is_zero()).then_some(seals_from),
        )?);
    }
    let seals_now = |entry: &Entry| entry.seals_from.is_none_or(|from| from <= now);
    if !entries.iter().any(seals_now) {
        return Err(KeyRingError::NothingWouldSeal(path.to_owned()));
    }
    let added = entries.last().filter(|_| change.adds.is_some());
    let ids = |entries: &[Entry]| entries.iter().map(|entry| entry.id.clone()).collect();
    let older = entries.len() - usize::from(added.is_some());
    let rotated = Rotated {
        added: added.map(|new| (new.id.clone(), new.start())),
        dropped: ids(&gone),
        kept: ids(entries.get(..older).unwrap_or_default()),
    };
    replacement.finish(render(&entries).as_bytes())?;
    Ok(rotated)
}

fn parse(text: &str) -> Result<Vec<Entry>, KeyRingFlaw> {
    let shape: FileShape = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    let mut entries = Vec::with_capacity(shape.keys.len());
    for (index, key) in shape.keys.into_iter().enumerate() {
        if !is_id(&key.id) {
            return Err(KeyRingFlaw::Id(index + 1));
        }
        let secret = strong_secret(&key.secret).map_err(|why| KeyRingFlaw::Weak {
            id: key.id.clone(),
            why,
        })?;
        entries.push(Entry {
            id: key.id,
            created: key.created,
            seals_from: key.seals_from,
            secret,
        });
    }
    if entries.is_empty() {
        return Err(KeyRingFlaw::Empty);
    }
    refuse_twins(&entries)?;
    // Stable: of two keys of one second, the later in the file is the newer.
    entries.sort_by_key(|entry| (entry.start(), entry.created));
    Ok(entries)
}

/// SUP-01: what a person typed, or a placeholder that was never replaced, is not a key.
fn strong_secret(encoded: &Secret) -> Result<Secret, &'static str> {
    let bytes = BASE64.decode(encoded.expose()).map_err(|_| "is not base64")?;
    let secret = Secret::new(bytes);
    let bytes = secret.expose();
    if bytes.len() != SECRET_BYTES {
        return Err("is not 32 bytes long");
    }
    if bytes.iter().all(|byte| Some(byte) == bytes.first()) {
        return Err("is one byte repeated");
    }
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("is text, not random bytes");
    }
    Ok(secret)
}

fn refuse_twins(entries: &[Entry]) -> Result<(), KeyRingFlaw> {
    for (index, entry) in entries.iter().enumerate() {
        for earlier in entries.iter().take(index) {
            if earlier.id == entry.id {
                return Err(KeyRingFlaw::DuplicateId(entry.id.clone()));
            }
            if aws_lc_rs::constant_time::verify_slices_are_equal(
                earlier.secret.expose(),
                entry.secret.expose(),
            )
            .is_ok()
            {
                return Err(KeyRingFlaw::DuplicateSecret(earlier.id.clone(), entry.id.clone()));
            }
        }
    }
    Ok(())
}

fn is_id(id: &str) -> bool {
    (8..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Says where and what, without the values that TOML errors like to quote.
fn syntax(text: &str, error: &toml::de::Error) -> KeyRingFlaw {
    let before = error
        .span()
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    let about_names = ["missing field", "unknown field", "duplicate key"];
    let message = error.message();
    let problem = if about_names.iter().any(|start| message.starts_with(start)) {
        message.lines().next().unwrap_or_default()
    } else {
        "not as expected"
    };
    KeyRingFlaw::Syntax {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        problem: problem.to_owned(),
    }
}

fn render(entries: &[Entry]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::from(HEADER));
    for entry in entries {
        text.push_str(&render_entry(entry));
    }
    text
}

fn render_entry(entry: &Entry) -> Zeroizing<String> {
    let secret = Zeroizing::new(BASE64.encode(entry.secret.expose()));
    let seals_from = match entry.seals_from {
        Some(from) => format!("seals_from = \"{from}\"\n"),
        None => String::new(),
    };
    Zeroizing::new(format!(
        "\n[[keys]]\nid = \"{}\"\ncreated = \"{}\"\n{seals_from}secret = \"{}\"\n",
        entry.id, entry.created, *secret,
    ))
}

fn refuse_exposed(path: &Path, file: &File) -> Result<(), KeyRingError> {
    let exposed = files::exposed(file).map_err(|source| KeyRingError::Read {
        path: path.to_owned(),
        source,
    })?;
    match exposed {
        None => Ok(()),
        Some(mode) => Err(KeyRingError::Exposed {
            path: path.to_owned(),
            mode,
        }),
    }
}

fn cannot_write(path: &Path) -> impl Fn(io::Error) -> KeyRingError {
    move |source| KeyRingError::Write {
        path: path.to_owned(),
        source,
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
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
    seals_from: Option<Timestamp>,
    #[serde(deserialize_with = "secret_text")]
    secret: Secret,
}

fn secret_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    Ok(Secret::new(text))
}

const SECRET_BYTES: usize = 32;

/// Whoever reads a ring can make any session.
const PRIVATE: u32 = 0o600;

/// A ring of a thousand keys is 150 KB; a file larger than this is not a ring.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// A day more than the longest service key, which is longer than any session and nearly every upload: so that rotating
/// ends nothing by itself. What must end at once is dropped by name.
const KEPT_AFTER_SUPERSEDED: SignedDuration = SignedDuration::from_hours(91 * 24);

const HEADER: &str = "\
# Tidegate session keys. Whoever reads this file can make any session: keep it private (mode 0600).
# `tidegate keys rotate` adds a key and rewrites this file, `tidegate keys drop` takes one out: that ends
# the sessions, the uploads in parts and the service keys that it made.
";
