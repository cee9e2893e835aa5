//! Files that only their owner reads.
//!
//! The hazards: a file that was readable for a moment before it was made private, one that is half written when the disk
//! is full or the process is killed, and one that somebody else put there. So a file is written under another name with
//! mode 0600 from the first byte and renamed; its folder is 0700; and what is read must be ours and nobody else's.

use super::random;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Bytes of a file of ours; tokens and keys are far below it.
const MAX_FILE: u64 = 1 << 20;

/// Why a private file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Others may read or write it, or it is somebody else's.
    #[error("`{path}` is open to other users (mode {mode:04o}, owner {owner})")]
    Exposed {
        /// Which file or folder.
        path: String,
        /// Its permissions.
        mode: u32,
        /// The user id of its owner.
        owner: u32,
    },
    /// It cannot be read or written.
    #[error("`{path}`")]
    Io {
        /// Which file or folder.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The contents of a private file; `None` if there is none.
///
/// # Errors
/// [`FileError::Exposed`] for one that others may read or write.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let failed = failure(path);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(&failed)?;
    guard(path, &metadata)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(failed(io::ErrorKind::InvalidData.into()));
    }
    let mut contents = Vec::new();
    Read::by_ref(&mut file)
        .take(MAX_FILE)
        .read_to_end(&mut contents)
        .map_err(&failed)?;
    Ok(Some(contents))
}

/// Replaces a file as a whole, or leaves it as it was.
///
/// # Errors
/// [`FileError::Io`], as on a full disk.
pub(super) fn write(path: &Path, contents: &[u8]) -> Result<(), FileError> {
    let failed = failure(path);
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", random::name()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(contents)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        // A draft that cannot be removed either is no worse than one that a killed process left.
        let _ = std::fs::remove_file(&draft);
    }
    written.map_err(failed)
}

/// Removes a file, if it is there.
///
/// # Errors
/// [`FileError::Io`].
pub(super) fn remove(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure(path)(error)),
        _ => Ok(()),
    }
}

/// Makes a folder that only its owner enters, and refuses one that others may change.
///
/// # Errors
/// [`FileError`].
pub(super) fn make_folder(folder: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failure(folder))?;
    let metadata = std::fs::metadata(folder).map_err(failure(folder))?;
    // Others may see that the folder is there, as with most home directories; they may not put anything into it.
    if metadata.uid() != own_id() || metadata.mode() & 0o022 != 0 {
        return Err(exposed(folder, &metadata));
    }
    Ok(())
}

fn guard(path: &Path, metadata: &std::fs::Metadata) -> Result<(), FileError> {
    if metadata.uid() != own_id() || metadata.mode() & 0o077 != 0 {
        return Err(exposed(path, metadata));
    }
    Ok(())
}

fn own_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn exposed(path: &Path, metadata: &std::fs::Metadata) -> FileError {
    FileError::Exposed {
        path: path.display().to_string(),
        mode: metadata.mode() & 0o7777,
        owner: metadata.uid(),
    }
}

fn failure(path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.display().to_string();
    move |source| FileError::Io {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_written_is_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/file.json");
        assert!(read(&path).unwrap().is_none());
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "a draft was left: {left:?}");
        remove(&path).unwrap();
        remove(&path).unwrap();
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"secret").unwrap();
        for mode in [0o644, 0o640, 0o602, 0o660] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert!(matches!(read(&path), Err(FileError::Exposed { .. })), "{mode:o}");
        }
    }

    #[test]
    fn a_folder_that_others_may_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(matches!(
            write(&shared.join("file"), b""),
            Err(FileError::Exposed { .. })
        ));
        assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 0);
    }
}
