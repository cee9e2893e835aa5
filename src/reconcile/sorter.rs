//! Sorting on disk: rows of bytes go in as they come, and come out in order, in bounded memory.
//!
//! Rows are kept until there are [`Sorter::limit`] bytes of them, sorted, and written to one file as a run; at the end
//! all runs are merged. What the memory holds does not depend on how many rows there are, nor on how they are spread:
//! somebody who repeats one stamp a million times makes a long run of equal keys and nothing else.
//!
//! The file has no name: it is unlinked as soon as it is open, in a folder that only its owner may enter. However the
//! process ends, no row stays behind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folder of temporary files, of mode 0700. Dropping it removes it.
#[derive(Debug)]
pub(super) struct WorkFolder(PathBuf);

impl WorkFolder {
    /// A new folder below `parent`, named after `id`, which nobody else has.
    pub(super) fn new(parent: &Path, id: &str) -> io::Result<Self> {
        let path = parent.join(format!("tidegate-reconcile-{id}"));
        // Fails if it is there: nobody prepares a folder for us.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// A file without a name.
    fn file(&self, name: &str) -> io::Result<File> {
        let path = self.0.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // It is empty. If it cannot be removed, that harms nobody.
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Takes rows in any order.
pub(super) struct Sorter {
    file: BufWriter<File>,
    written: u64,
    runs: Vec<Run>,
    /// Rows that are not written yet, one after the other, and where each begins and ends.
    bytes: Vec<u8>,
    rows: Vec<(u32, u32)>,
    limit: usize,
}

/// A sorted part of the file.
#[derive(Clone, Copy, Debug)]
struct Run {
    at: u64,
    end: u64,
}

/// What a row takes beside its bytes.
const OVERHEAD: usize = size_of::<(u32, u32)>();
/// What is read of a run at a time, unless there are very many runs.
const LARGEST_PIECE: usize = 64 << 10;
const SMALLEST_PIECE: usize = 4 << 10;

impl Sorter {
    /// `limit` is in bytes of rows that are kept in memory, and of what is read ahead of all runs together.
    pub(super) fn new(folder: &WorkFolder, name: &str, limit: usize) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(folder.file(name)?),
            written: 0,
            runs: Vec::new(),
            bytes: Vec::with_capacity(limit),
            rows: Vec::new(),
            limit,
        })
    }

    /// Takes one row. It must be shorter than the limit.
    pub(super) fn push(&mut self, row: &[u8]) -> io::Result<()> {
        let held = self.bytes.len() + (self.rows.len() + 1) * OVERHEAD;
        if !self.rows.is_empty() && held + row.len() > self.limit {
            self.flush()?;
        }
        let place = |n: usize| u32::try_from(n).map_err(|_| io::Error::other("a row is too long"));
        let begin = place(self.bytes.len())?;
        self.bytes.extend_from_slice(row);
        self.rows.push((begin, place(self.bytes.len())?));
        Ok(())
    }

    /// Bytes that it holds in memory at most, whatever comes.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity() + self.rows.capacity() * OVERHEAD
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = &self.bytes;
        let row = |(begin, end): (u32, u32)| bytes.get(begin as usize..end as usize).unwrap_or_default();
        self.rows
            .sort_unstable_by(|one, other| row(*one).cmp(row(*other)));
        let at = self.written;
        for place in &self.rows {
            let row = row(*place);
            self.file.write_all(&(row.len() as u32).to_le_bytes())?;
            self.file.write_all(row)?;
            self.written += 4 + row.len() as u64;
        }
        self.runs.push(Run {
            at,
            end: self.written,
        });
        self.rows.clear();
        self.bytes.clear();
        Ok(())
    }

    /// The rows in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        // The memory of rows goes before that of readers comes.
        drop((self.bytes, self.rows));
        let piece = (self.limit / self.runs.len().max(1)).clamp(SMALLEST_PIECE, LARGEST_PIECE);
        let mut sorted = Sorted {
            file,
            readers: Vec::with_capacity(self.runs.len()),
            heap: BinaryHeap::with_capacity(self.runs.len()),
            current: Vec::new(),
        };
        for run in self.runs {
            sorted.readers.push(Reader {
                run,
                buffer: Vec::new(),
                read: 0,
                piece,
            });
            sorted.refill(sorted.readers.len() - 1, Vec::new())?;
        }
        Ok(sorted)
    }
}

/// Gives rows in order.
pub(super) struct Sorted {
    file: File,
    readers: Vec<Reader>,
    heap: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    current: Vec<u8>,
}

struct Reader {
    run: Run,
    buffer: Vec<u8>,
    read: usize,
    piece: usize,
}

impl Sorted {
    /// The next row.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let Some(Reverse((row, reader))) = self.heap.pop() else {
            return Ok(None);
        };
        let spare = std::mem::replace(&mut self.current, row);
        self.refill(reader, spare)?;
        Ok(Some(&self.current))
    }

    /// Puts the next row of a run into the heap, into `spare`.
    fn refill(&mut self, at: usize, mut spare: Vec<u8>) -> io::Result<()> {
        let Some(reader) = self.readers.get_mut(at) else {
            return Ok(());
        };
        let mut length = [0; 4];
        if !reader.take(&self.file, &mut length)? {
            reader.buffer = Vec::new();
            return Ok(());
        }
        spare.resize(u32::from_le_bytes(length) as usize, 0);
        if !reader.take(&self.file, &mut spare)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.heap.push(Reverse((spare, at)));
        Ok(())
    }
}

impl Reader {
    /// Fills `out`; false at the end of the run.
    fn take(&mut self, file: &File, out: &mut [u8]) -> io::Result<bool> {
        let mut filled = 0;
        while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let ready = self.buffer.get(self.read..).unwrap_or_default();
            if ready.is_empty() {
                let left = usize::try_from(self.run.end - self.run.at).unwrap_or(usize::MAX);
                if left == 0 {
                    return Ok(false);
                }
                self.buffer.resize(left.min(self.piece), 0);
                file.read_exact_at(&mut self.buffer, self.run.at)?;
                self.run.at += self.buffer.len() as u64;
                self.read = 0;
                continue;
            }
            let count = ready.len().min(rest.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..count), ready.get(..count)) {
                to.copy_from_slice(from);
            }
            self.read += count;
            filled += count;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn sorted(limit: usize, rows: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let folder = WorkFolder::new(folder.path(), "test").unwrap();
        let mut sorter = Sorter::new(&folder, "rows", limit).unwrap();
        for row in rows {
            sorter.push(row).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        let mut out = Vec::new();
        while let Some(row) = sorted.next().unwrap() {
            out.push(row.to_vec());
        }
        out
    }

    #[test]
    fn rows_come_out_in_order_however_many_runs_there_are() {
        let rows: Vec<Vec<u8>> = (0..5000_u32)
            .map(|n| {
                let n = n.wrapping_mul(2_654_435_761);
                [&n.to_be_bytes()[..], &vec![7; (n % 90) as usize]].concat()
            })
            .chain([vec![], vec![0], vec![255; 9000]])
            .collect();
        let mut expected = rows.clone();
        expected.sort();
        for limit in [64, 4096, 1 << 20] {
            assert_eq!(sorted(limit, &rows), expected, "{limit}");
        }
        assert_eq!(sorted(64, &[]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn what_it_holds_does_not_grow_with_what_comes() {
        let folder = tempfile::tempdir().unwrap();
        let folder = WorkFolder::new(folder.path(), "test").unwrap();
        let limit = 64 << 10;
        let mut sorter = Sorter::new(&folder, "rows", limit).unwrap();
        for n in 0..100_000_u32 {
            // Spread, and then always the same.
            let key = if n < 50_000 {
                n.wrapping_mul(2_654_435_761)
            } else {
                7
            };
            sorter.push(&[&key.to_be_bytes()[..], &[1; 60]].concat()).unwrap();
            assert!(sorter.held() <= 2 * limit, "{}", sorter.held());
        }
        let mut sorted = sorter.finish().unwrap();
        let mut count = 0;
        while sorted.next().unwrap().is_some() {
            count += 1;
            let read_ahead: usize = sorted.readers.iter().map(|reader| reader.buffer.capacity()).sum();
            assert!(
                read_ahead <= limit.max(sorted.readers.len() * SMALLEST_PIECE),
                "{read_ahead}"
            );
        }
        assert_eq!(count, 100_000);
    }

    #[test]
    fn nobody_else_reads_what_is_sorted_and_nothing_stays_behind() {
        let parent = tempfile::tempdir().unwrap();
        let folder = WorkFolder::new(parent.path(), "test").unwrap();
        assert_eq!(folder.0.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let mut sorter = Sorter::new(&folder, "rows", 64).unwrap();
        sorter.push(&[1; 100]).unwrap();
        sorter.push(&[1; 100]).unwrap();
        assert_eq!(
            std::fs::read_dir(&folder.0).unwrap().count(),
            0,
            "no file has a name"
        );
        assert!(
            WorkFolder::new(parent.path(), "test").is_err(),
            "a folder that is there is not used"
        );
        drop((sorter, folder));
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
