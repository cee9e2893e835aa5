//! The file behind the audit log.

use super::AuditError;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Takes lines; blocking.
pub(super) trait Sink: Write + Send {
    /// Makes what was written survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

/// Opens the sink, the first time and again after a rotation.
pub(super) type Open = Arc<dyn Fn() -> Result<Box<dyn Sink>, AuditError> + Send + Sync>;

/// What opens the file at `path`. Makes its folder now.
pub(super) fn opener(path: &Path) -> Result<Open, AuditError> {
    let path = path.to_path_buf();
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| AuditError::Folder {
                path: path.clone(),
                source,
            })?;
    }
    Ok(Arc::new(move || {
        let file = append(&path).map_err(|source| AuditError::Open {
            path: path.clone(),
            source,
        })?;
        Ok(Box::new(file))
    }))
}

struct LineFile {
    file: File,
    /// Whether the file ends in the middle of a line: the machine stopped while it was written. The next record
    /// starts on a line of its own, so that it can be read.
    torn: bool,
}

fn append(path: &Path) -> io::Result<LineFile> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let torn = file.metadata()?.is_file() && file.metadata()?.len() > 0 && {
        let mut last = [0];
        let mut reader = File::open(path)?;
        reader.seek(SeekFrom::End(-1))?;
        reader.read_exact(&mut last)?;
        last != *b"\n"
    };
    Ok(LineFile { file, torn })
}

impl Write for LineFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for LineFile {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}
