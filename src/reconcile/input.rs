//! Files of logs: found, unpacked and read line by line, in bounded memory.
//!
//! Nothing is skipped in silence: what cannot be read is counted, and the first of it is named with file and line. A log
//! of which a part could not be read is never called clean.

use flate2::read::MultiGzDecoder;
use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// No line of a log or of our records is longer.
const LONGEST_LINE: u64 = 1 << 20;
/// No entry of a document is longer, not even by far.
const LONGEST_ENTRY: u64 = 16 << 20;
const BUFFER: usize = 64 << 10;
/// How many troubles are named.
const NAMED: usize = 10;
/// What CloudTrail puts beside its logs, and what says nothing about requests.
const BESIDE: [&str; 2] = ["CloudTrail-Digest", "CloudTrail-Insight"];

/// A file or folder cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", path.display())]
pub struct InputError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The files that `paths` name, those of folders in the order of their names; and how many beside them are none of ours.
pub(super) fn files(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, u64), InputError> {
    let mut found = Vec::new();
    let mut skipped = 0;
    for path in paths {
        collect(path, &mut found, &mut skipped, 0).map_err(|source| InputError {
            path: path.clone(),
            source,
        })?;
    }
    Ok((found, skipped))
}

fn collect(path: &Path, found: &mut Vec<PathBuf>, skipped: &mut u64, depth: usize) -> io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        found.push(path.to_path_buf());
        return Ok(());
    }
    // Deeper than AccountId/CloudTrail/region/yyyy/mm/dd below any prefix; and an end to circles of links.
    if depth > 32 {
        return Err(io::Error::other("folders are nested too deeply"));
    }
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(path)? {
        entries.push(entry?.path());
    }
    entries.sort_unstable();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || BESIDE.contains(&&*name) {
            *skipped += 1;
        } else {
            collect(&entry, found, skipped, depth + 1)?;
        }
    }
    Ok(())
}

/// The audit file and what log rotation left beside it: `audit.jsonl.1`, `audit.jsonl-20261122.gz`, `audit-20261122.jsonl`.
pub(super) fn with_siblings(file: &Path) -> Result<Vec<PathBuf>, InputError> {
    let error = |source| InputError {
        path: file.to_path_buf(),
        source,
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let name = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (whole, stem, extension) = (
        name(file.file_name()),
        name(file.file_stem()),
        name(file.extension()),
    );
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let other = name(path.file_name());
        let after = |begin: &str| {
            other
                .strip_prefix(begin)
                .filter(|rest| rest.starts_with(['.', '-']))
        };
        let rotated = after(&whole).is_some()
            || after(&stem).is_some_and(|rest| {
                let rest = rest.strip_suffix(".gz").unwrap_or(rest);
                rest.starts_with(['-', '.']) && rest.ends_with(&format!(".{extension}"))
            });
        if (other == whole || rotated) && path.is_file() {
            found.push(path);
        }
    }
    found.sort_unstable();
    if found.is_empty() {
        return Err(error(io::ErrorKind::NotFound.into()));
    }
    Ok(found)
}

/// What could not be read.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// How many.
    pub(super) count: u64,
    /// The first few, each with its place.
    pub(super) first: Vec<String>,
}

impl Troubles {
    /// Notes something; `place` is a line or an entry.
    pub(super) fn note(&mut self, file: &Path, place: impl fmt::Display, what: impl fmt::Display) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(format!("{}: {place}: {what}", file.display()));
        }
    }
}

/// Counts what is read since the last entry began, so that one without an end takes no memory.
#[derive(Clone, Default)]
pub(super) struct Meter(Rc<Cell<u64>>);

impl Meter {
    /// That another entry begins.
    pub(super) fn restart(&self) {
        self.0.set(0);
    }
}

/// An opened file, unpacked.
pub(super) struct Input {
    pub(super) reader: BufReader<Metered>,
    pub(super) meter: Meter,
}

/// The bytes of a file, as long as entries are not too long.
pub(super) struct Metered {
    inner: Box<dyn Read>,
    meter: Meter,
    /// Lines have their own limit.
    on: bool,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let since = self.meter.0.get().saturating_add(count as u64);
        if self.on && since > LONGEST_ENTRY {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("an entry is longer than {} MiB", LONGEST_ENTRY >> 20),
            ));
        }
        self.meter.0.set(since);
        Ok(count)
    }
}

impl Input {
    /// Opens a file. Whether it is packed is seen by its first bytes, whatever its name is.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(BUFFER, File::open(path)?);
        let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        Ok(Self::of(match packed {
            // Also several, one after the other, as `cat` makes them.
            true => Box::new(MultiGzDecoder::new(file)),
            false => Box::new(file),
        }))
    }

    pub(super) fn of(inner: Box<dyn Read>) -> Self {
        let meter = Meter::default();
        let metered = Metered {
            inner,
            meter: meter.clone(),
            on: false,
        };
        Self {
            reader: BufReader::with_capacity(BUFFER, metered),
            meter,
        }
    }

    /// From here on, entries may not be too long.
    pub(super) fn limit_entries(&mut self) {
        self.meter.restart();
        self.reader.get_mut().on = true;
    }

    /// Gives each line that is not empty, without its end and with its number, to `each`, until it gives an error.
    ///
    /// # Errors
    /// Those of `each`. What cannot be read goes to `troubles`.
    pub(super) fn lines<E>(
        &mut self,
        file: &Path,
        troubles: &mut Troubles,
        mut each: impl FnMut(&[u8], u64, &mut Troubles) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut line = Vec::new();
        let mut number = 0_u64;
        loop {
            line.clear();
            number += 1;
            let place = format_args!("line {number}");
            match self
                .reader
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)
            {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    // What is there of the line is not all of it.
                    troubles.note(file, place, Broken(&error));
                    return Ok(());
                }
            }
            if line.len() as u64 == LONGEST_LINE && !line.ends_with(b"\n") {
                troubles.note(file, place, "longer than 1 MiB");
                if let Err(error) = self.skip_line(&mut line) {
                    troubles.note(file, place, Broken(&error));
                    return Ok(());
                }
                continue;
            }
            let text = line.trim_ascii();
            if !text.is_empty() {
                each(text, number, troubles)?;
            }
        }
    }

    fn skip_line(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        loop {
            buffer.clear();
            let count = self
                .reader
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', buffer)?;
            if count == 0 || buffer.ends_with(b"\n") {
                return Ok(());
            }
        }
    }
}

/// A file that ends or breaks in the middle.
pub(super) struct Broken<'a>(pub(super) &'a io::Error);

impl fmt::Display for Broken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            io::ErrorKind::UnexpectedEof => f.write_str("the file is cut off here: the rest is missing"),
            _ => write!(f, "the rest cannot be read: {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// What is read of a file with this content, and what is wrong with it.
    fn read(content: &[u8]) -> (Vec<(u64, Vec<u8>)>, Troubles) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, content).unwrap();
        let mut troubles = Troubles::default();
        let mut lines = Vec::new();
        let mut input = Input::open(&path).unwrap();
        let each = |line: &[u8], number, _: &mut Troubles| {
            lines.push((number, line.to_vec()));
            Ok::<(), ()>(())
        };
        input.lines(&path, &mut troubles, each).unwrap();
        (lines, troubles)
    }

    #[test]
    fn lines_are_read_packed_or_not() {
        let expected = vec![(1, b"a".to_vec()), (3, b"\xff b".to_vec()), (4, b"c".to_vec())];
        let text = b"a\n\n \xff b\r\nc";
        assert_eq!(read(text).0, expected);
        assert_eq!(read(&packed(text)).0, expected);
        // Two packed files in one.
        let joined = [packed(b"a\n\n \xff"), packed(b" b\r\nc")].concat();
        assert_eq!(read(&joined).0, expected);
        assert_eq!(read(b"").0, vec![]);
    }

    #[test]
    fn a_file_that_is_cut_off_says_so() {
        let text: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| format!("line {n}\n").into_bytes())
            .collect();
        let whole = packed(&text);
        let (lines, troubles) = read(&whole[..whole.len() / 2]);
        assert!(!lines.is_empty() && lines.len() < 20_000);
        assert_eq!(troubles.count, 1);
        assert!(troubles.first[0].contains("cut off"), "{:?}", troubles.first);
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 50].fill(0xaa);
        assert!(read(&damaged).1.count >= 1);
    }

    #[test]
    fn a_huge_line_is_counted_and_the_next_one_is_read() {
        let text = [&b"a\n"[..], &vec![b'x'; 5 << 20], b"\nb\n"].concat();
        let (lines, troubles) = read(&text);
        assert_eq!(lines, vec![(1, b"a".to_vec()), (3, b"b".to_vec())]);
        assert_eq!((troubles.count, troubles.first.len()), (1, 1));
        assert!(
            troubles.first[0].ends_with("log: line 2: longer than 1 MiB"),
            "{:?}",
            troubles.first
        );
    }

    #[test]
    fn folders_are_read_in_order_and_what_is_beside_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [
            "CloudTrail/eu/2",
            "CloudTrail/eu/10",
            "CloudTrail-Digest/x",
            ".hidden",
            "b",
        ] {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), "").unwrap();
        }
        let (found, skipped) = files(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(found, ["CloudTrail/eu/10", "CloudTrail/eu/2", "b"].map(path));
        assert_eq!(skipped, 2);
        let missing = files(&[path("none")]).unwrap_err();
        assert!(missing.to_string().contains("none"), "{missing}");
    }

    #[test]
    fn rotated_files_belong_to_the_audit_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let ours = [
            "audit-20261122.jsonl",
            "audit.1.jsonl.gz",
            "audit.jsonl",
            "audit.jsonl-20261121.gz",
            "audit.jsonl.1",
        ];
        for name in ours
            .into_iter()
            .chain(["auditors.jsonl", "replica.jsonl", "audit.toml"])
        {
            std::fs::write(path(name), "").unwrap();
        }
        assert_eq!(with_siblings(&path("audit.jsonl")).unwrap(), ours.map(path));
        assert!(with_siblings(&path("none.jsonl")).is_err());
    }
}
