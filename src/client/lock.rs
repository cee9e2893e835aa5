//! One lock, so that parallel runs of the command do a thing once.
//!
//! Build tools and SDKs start a credential process for each of their threads. Without a lock, ten of them open ten
//! browser tabs, and ten refresh one rotating token, of which nine then lose the login. The lock is the kernel's
//! (`flock`): it ends with the process that holds it, however that ends, so that SIGKILL leaves nothing behind.
//!
//! Who holds it writes its process id into the file, and how a login ended: who waited reuses that result.

use super::files::{self, FileError};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// A lock that is held until this is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// Whether another process held it first.
    pub(super) waited: bool,
    /// What the last holder left.
    pub(super) left: Note,
}

/// What is written into the file. Nothing secret: the message is what people were told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The process that holds or held it.
    pub(super) pid: u32,
    /// How it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
}

/// How the holder failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// In the words that people were told.
    pub(super) message: String,
    /// The exit code that it had.
    pub(super) exit_code: u8,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it, and goes on doing so.
    #[error("another tidegate (process {pid}) has been at it for {waited:?}")]
    Busy {
        /// The other process.
        pid: u32,
        /// How long this one waited.
        waited: Duration,
    },
    /// The file cannot be made or locked: nothing keeps others out then.
    #[error("the lock cannot be made")]
    File(#[from] FileError),
}

/// How often a lock that is held is tried again.
const POLL: Duration = Duration::from_millis(50);

/// Waits for the lock at `path`, at most for `limit`. `on_wait` is told who holds it, once.
///
/// # Errors
/// [`LockError`].
pub(super) async fn acquire(
    path: &Path,
    limit: Duration,
    on_wait: impl FnOnce(u32),
) -> Result<Lock, LockError> {
    let mut file = open(path)?;
    let begun = Instant::now();
    let mut on_wait = Some(on_wait);
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => {
                return Err(FileError::Io {
                    path: path.display().to_string(),
                    source,
                }
                .into());
            }
        }
        if let Some(on_wait) = on_wait.take() {
            on_wait(read(&mut file).pid);
        }
        let waited = begun.elapsed();
        if waited >= limit {
            let pid = read(&mut file).pid;
            return Err(LockError::Busy { pid, waited });
        }
        tokio::time::sleep(POLL).await;
    }
    let left = read(&mut file);
    let waited = on_wait.is_none();
    // Of ten that wait, the first must not wipe out what the others are waiting for.
    let kept = left.failure.clone().filter(|_| waited);
    let mut lock = Lock { file, waited, left };
    lock.note(kept);
    Ok(lock)
}

impl Lock {
    /// Writes down how it went, for those who wait.
    ///
    /// Best effort: on a full disk the next one finds nothing and does the work itself.
    pub(super) fn note(&mut self, failure: Option<Failure>) {
        let note = Note {
            pid: std::process::id(),
            failure,
        };
        let _ = self.file.set_len(0);
        let _ = self.file.rewind();
        if let Ok(text) = serde_json::to_vec(&note) {
            let _ = self.file.write_all(&text);
        }
    }
}

fn open(path: &Path) -> Result<File, FileError> {
    if let Some(folder) = path.parent() {
        files::make_folder(folder)?;
    }
    // INVARIANT: never removed. Whoever unlinks a lock file lets two processes hold two files of one name.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| FileError::Io {
            path: path.display().to_string(),
            source,
        })
}

/// What is in the file; nothing, if it is new or cut short.
fn read(file: &mut File) -> Note {
    const LONGEST: u64 = 4096;
    let mut text = Vec::new();
    if file.rewind().is_ok() && Read::by_ref(file).take(LONGEST).read_to_end(&mut text).is_ok() {
        serde_json::from_slice(&text).unwrap_or_default()
    } else {
        Note::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holds_it_and_the_next_hears_how_it_went() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks/login.lock");
        let mut first = acquire(&path, Duration::ZERO, |_| panic!("nobody holds it"))
            .await
            .unwrap();
        assert!(!first.waited && first.left == Note::default());
        let refused = acquire(&path, Duration::ZERO, |pid| assert_eq!(pid, std::process::id())).await;
        assert!(
            matches!(refused, Err(LockError::Busy { pid, .. }) if pid == std::process::id()),
            "{refused:?}"
        );
        let failure = Failure {
            message: "the login was denied".into(),
            exit_code: 1,
        };
        let waiting = tokio::spawn({
            let path = path.clone();
            async move { acquire(&path, Duration::from_secs(60), |_| {}).await.unwrap() }
        });
        // The other one has begun to wait once it was told who holds the lock.
        tokio::task::yield_now().await;
        first.note(Some(failure.clone()));
        drop(first);
        let second = waiting.await.unwrap();
        assert!(second.waited);
        assert_eq!(second.left.failure, Some(failure));
        drop(second);
        let third = acquire(&path, Duration::ZERO, |_| {}).await.unwrap();
        assert!(!third.waited);
        drop(third);
        // Whoever did not wait begins anew, and tells nobody of what was before.
        let fourth = acquire(&path, Duration::ZERO, |_| {}).await.unwrap();
        assert!(fourth.left.failure.is_none());
    }

    // Whoever is killed leaves a file, and no lock.
    #[tokio::test]
    async fn a_killed_holder_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login.lock");
        std::fs::write(&path, "").unwrap();
        let script = "exec 9>>\"$0\"; flock 9; echo held; sleep 600";
        let mut holder = std::process::Command::new("sh")
            .args(["-c", script])
            .arg(&path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut held = [0; 5];
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut held).unwrap();
        let refused = acquire(&path, Duration::ZERO, |_| {}).await;
        assert!(matches!(refused, Err(LockError::Busy { .. })), "{refused:?}");
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let children = std::fs::read_to_string(children).unwrap();
        holder.kill().unwrap();
        holder.wait().unwrap();
        // The descriptor was inherited by `sleep`, which is killed as well.
        for child in children.split_whitespace() {
            std::process::Command::new("kill")
                .args(["-9", child])
                .status()
                .unwrap();
        }
        acquire(&path, Duration::from_secs(60), |_| {}).await.unwrap();
    }

    #[tokio::test]
    async fn a_torn_note_is_no_note() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login.lock");
        std::fs::write(&path, "{\"pid\":1,\"fail").unwrap();
        let lock = acquire(&path, Duration::ZERO, |_| {}).await.unwrap();
        assert_eq!(lock.left, Note::default());
    }
}
