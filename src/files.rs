//! Small files that commands edit while Tidegate serves: replaced as a whole, by one at a time.
//!
//! The hazards: a reader that finds half a file (the new one is complete before it takes the name), two commands at
//! once of which one loses what the other wrote (the new file's fixed name is the lock), a link that is turned into
//! a file, and a file that its service can no longer read because somebody else edited it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Why a file is not being replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// Somebody else is at it, or was interrupted.
    #[error("`{0}` exists: another command is writing, or was interrupted; remove it if none is")]
    Busy(PathBuf),
    /// The folder, the disk or the permissions.
    #[error("cannot write `{path}`")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// SHA-256 over the contents of files. One that cannot be read is as good as empty: it is reported when it is used.
pub(crate) fn digest<'a>(files: impl IntoIterator<Item = &'a Path>) -> [u8; 32] {
    let mut all = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for file in files {
        let content = zeroize::Zeroizing::new(fs::read(file).unwrap_or_default());
        all.update(&(content.len() as u64).to_be_bytes());
        all.update(&content);
    }
    let mut sum = [0; 32];
    sum.copy_from_slice(all.finish().as_ref());
    sum
}

/// A file that is being replaced. Nobody else can replace it meanwhile; dropped, it stays as it was.
#[derive(Debug)]
pub(crate) struct Replacement {
    target: PathBuf,
    temporary: PathBuf,
    file: File,
    finished: bool,
}

impl Replacement {
    /// Begins to replace `path`, or to make it. On Unix, a new file has `mode`, as far as the umask lets it; one that
    /// is replaced keeps its own, and its owner.
    ///
    /// # Errors
    /// [`ReplaceError::Busy`] if somebody else does; otherwise why nothing can be written beside it.
    pub(crate) fn begin(path: &Path, mode: u32) -> Result<Self, ReplaceError> {
        // The path may be a link; what it points to is replaced, not the link.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let temporary = beside(&target);
        let file = waiting(|| new_file(&temporary, mode)).map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => ReplaceError::Busy(temporary.clone()),
            _ => ReplaceError::Io {
                path: temporary.clone(),
                source,
            },
        })?;
        Ok(Self {
            target,
            temporary,
            file,
            finished: false,
        })
    }

    /// What is replaced, behind all links. It cannot change any more.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Puts `content` in its place: written out, and then under its name at once.
    ///
    /// # Errors
    /// [`ReplaceError::Io`]; the file is then as it was.
    pub(crate) fn finish(mut self, content: &[u8]) -> Result<(), ReplaceError> {
        keep_owner_and_mode(&self.target, &self.file)
            .and_then(|()| self.file.write_all(content))
            .and_then(|()| self.file.sync_all())
            .and_then(|()| fs::rename(&self.temporary, &self.target))
            .map_err(|source| ReplaceError::Io {
                path: self.target.clone(),
                source,
            })?;
        self.finished = true;
        // The new content is in place: others may have acted on it, and there is no way back.
        let _ = sync_folder(&self.target);
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Reads a small file as text; `None` if there is none. `open` judges it by its open handle, so that what was judged
/// is what is read.
///
/// # Errors
/// Whatever kept it from being read, also that it is larger than `limit` bytes or that `open` refused it.
pub(crate) fn read(
    path: &Path,
    limit: u64,
    open: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    open(&file)?;
    let mut text = String::new();
    file.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(Some(text))
}

/// Refuses a file that everybody may write: whoever edits it decides who gets in.
///
/// # Errors
/// Says what to do.
#[cfg(unix)]
pub(crate) fn refuse_world_writable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    if mode & 0o002 == 0 {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "everybody may write it (mode {mode:04o}); run `chmod o-w` on it"
    )))
}

#[cfg(not(unix))]
pub(crate) fn refuse_world_writable(_: &File) -> io::Result<()> {
    Ok(())
}

/// The permission bits of a file that others than its owner may read or change.
///
/// # Errors
/// If its metadata cannot be read.
#[cfg(unix)]
pub(crate) fn exposed(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

#[cfg(not(unix))]
pub(crate) fn exposed(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

/// Makes a file that was not there.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if it was.
pub(crate) fn new_file(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

/// Makes a new or replaced name survive a power cut.
///
/// # Errors
/// Those of the file system.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// What root edits must stay readable to the service's own user, and be no more open than it was.
#[cfg(unix)]
fn keep_owner_and_mode(present: &Path, new: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let old = match fs::metadata(present) {
        Ok(old) => old,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let fresh = new.metadata()?;
    if (old.uid(), old.gid()) != (fresh.uid(), fresh.gid()) {
        fchown(new, Some(old.uid()), Some(old.gid()))?;
    }
    new.set_permissions(fs::Permissions::from_mode(old.mode() & 0o777))
}

#[cfg(not(unix))]
fn keep_owner_and_mode(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Tries again for a while what somebody else keeps from being done: a command is over in an instant.
fn waiting(mut attempt: impl FnMut() -> io::Result<File>) -> io::Result<File> {
    for _ in 0..ATTEMPTS {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
    attempt()
}

/// Five seconds in all.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Reads TOML, or says what is wrong in which line. Never quotes the text.
///
/// # Errors
/// The line, from 1, and the problem.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, (usize, String)> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let problem = error.message().lines().next().unwrap_or_default().to_owned();
        (line_of(text, start), problem)
    })
}

/// The line, from 1, in which a byte of `text` stands.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or_default();
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_made_replaced_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        Replacement::begin(&path, 0o600).unwrap().finish(b"one").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"one".to_vec(), 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        Replacement::begin(&path, 0o600).unwrap().finish(b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"two".to_vec(), 0o640));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn of_two_at_once_one_is_refused_and_one_that_gives_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let first = Replacement::begin(&path, 0o600).unwrap();
        let refused = Replacement::begin(&path, 0o600).unwrap_err();
        assert!(matches!(refused, ReplaceError::Busy(_)), "{refused}");
        drop(first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(Replacement::begin(&path, 0o600).is_ok());
    }

    #[test]
    fn a_second_one_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let first = Replacement::begin(&path, 0o600).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                Replacement::begin(&path, 0o600)
                    .unwrap()
                    .finish(b"second")
                    .unwrap()
            });
            first.finish(b"first").unwrap();
            second.join().unwrap();
        });
        assert_eq!(fs::read(&path).unwrap(), b"second");
    }

    #[test]
    fn what_everybody_may_write_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        assert!(read(&path, 9, refuse_world_writable).unwrap().is_none());
        fs::write(&path, "text").unwrap();
        for (bits, readable) in [(0o644, true), (0o664, true), (0o646, false), (0o602, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            assert_eq!(
                read(&path, 9, refuse_world_writable).is_ok(),
                readable,
                "{bits:o}"
            );
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read(&path, 3, refuse_world_writable).is_err(), "too large");
    }
}
