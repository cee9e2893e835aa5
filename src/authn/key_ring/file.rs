//! The ring's file: TOML, one `[[keys]]` entry for each key.
//!
//! Errors quote nothing of the content, and the file is judged by its open handle, so that what was checked is
//! what is read.

use super::{KeyRingError, KeyRingFlaw, Rotated};
use crate::secret::Secret;
use aws_lc_rs::rand;
use data_encoding::{BASE32_NOPAD, BASE64};
use jiff::{SignedDuration, Timestamp};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
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
    let mut file = new_private_file(path).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => KeyRingError::Exists(path.to_owned()),
        _ => cannot_write(path)(source),
    })?;
    let text = render(std::slice::from_ref(&entry));
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path));
    if let Err(source) = written {
        // Half a ring would only be refused later, with a worse message.
        let _ = fs::remove_file(path);
        return Err(cannot_write(path)(source));
    }
    Ok(entry.id)
}

/// Adds a key and drops those that are past use.
pub(super) fn rotate(path: &Path, now: Timestamp, seals_after: Duration) -> Result<Rotated, KeyRingError> {
    // The ring may be a link; what it points to is replaced, not the link.
    let target = fs::canonicalize(path).map_err(|source| KeyRingError::Read {
        path: path.to_owned(),
        source,
    })?;
    // The new file's fixed name is the lock: of two rotations at once, one would lose the other's key.
    let temporary = beside(&target);
    let file = new_private_file(&temporary).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => KeyRingError::Busy(temporary.clone()),
        _ => cannot_write(&temporary)(source),
    })?;
    let rotated = replace(&target, &temporary, file, now, seals_after);
    if rotated.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    rotated
}

fn replace(
    target: &Path,
    temporary: &Path,
    mut file: File,
    now: Timestamp,
    seals_after: Duration,
) -> Result<Rotated, KeyRingError> {
    let seals_from = now
        .checked_add(seals_after)
        .map_err(|_| cannot_write(target)(io::Error::other("`seals after` is too long")))?;
    let entries = read(target)?;
    let new = Entry::generate(now, (!seals_after.is_zero()).then_some(seals_from))?;

    // A key is superseded when the next one begins to seal.
    let limit = now.checked_sub(KEPT_AFTER_SUPERSEDED).unwrap_or(Timestamp::MIN);
    let past_use = entries
        .iter()
        .skip(1)
        .take_while(|next| next.start() < limit)
        .count();
    let (dropped, kept) = entries.split_at_checked(past_use).unwrap_or((&[], &entries));
    let ids = |entries: &[Entry]| entries.iter().map(|entry| entry.id.clone()).collect();
    let rotated = Rotated {
        added: new.id.clone(),
        seals_from: new.start(),
        dropped: ids(dropped),
        kept: ids(kept),
    };

    let mut text = render(kept);
    text.push_str(&render_entry(&new));
    keep_owner(target, &file)
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(temporary, target))
        .map_err(cannot_write(target))?;
    // The new ring is in place: replicas may already seal with it, and there is no way back.
    let _ = sync_folder(target);
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

fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> Result<(), KeyRingError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|source| KeyRingError::Read {
        path: path.to_owned(),
        source,
    })?;
    match metadata.permissions().mode() & 0o7777 {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(KeyRingError::Exposed {
            path: path.to_owned(),
            mode,
        }),
    }
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &File) -> Result<(), KeyRingError> {
    Ok(())
}

/// A ring rotated by root must stay readable to the service's own user.
#[cfg(unix)]
fn keep_owner(present: &Path, new: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let (old, fresh) = (fs::metadata(present)?, new.metadata()?);
    if (old.uid(), old.gid()) == (fresh.uid(), fresh.gid()) {
        return Ok(());
    }
    fchown(new, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
}

/// Makes a new or replaced name survive a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
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

/// A ring of a thousand keys is 150 KB; a file larger than this is not a ring.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Twice the longest session, so that no clock and no late replica can make a difference. Uploads that take longer end
/// with their key: they can be listed and aborted then.
const KEPT_AFTER_SUPERSEDED: SignedDuration = SignedDuration::from_hours(24);

const HEADER: &str = "\
# Tidegate session keys. Whoever reads this file can make any session: keep it private (mode 0600).
# `tidegate keys rotate` adds a key and rewrites this file. Removing a key ends the sessions that it sealed.
";
