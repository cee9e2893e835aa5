//! Bytes on their way to the disk, with CRC32C and MD5 computed on the way. Nothing is held but a block.

use super::Refusal;
use super::object::Content;
use super::shelf::Received;
use crc_fast::CrcAlgorithm;
use data_encoding::BASE64;
use http::HeaderMap;
use md5::{Digest as _, Md5};
use std::path::PathBuf;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// What a resumable upload keeps when it is broken off: whole blocks of this size.
pub(super) const BLOCK: usize = 256 << 10;

/// A file that is being written.
pub(super) struct Intake {
    file: File,
    path: PathBuf,
    /// Not yet written, and less than a block.
    pending: Vec<u8>,
    written: u64,
    crc32c: crc_fast::Digest,
    md5: Md5,
    finished: bool,
}

/// What a sender says that the hashes are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    crc32c: Option<String>,
    md5: Option<String>,
}

impl Intake {
    /// # Errors
    /// The disk.
    pub(super) async fn new(path: PathBuf) -> Result<Self, Refusal> {
        Ok(Self {
            file: File::create(&path).await?,
            path,
            pending: Vec::new(),
            written: 0,
            crc32c: crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi),
            md5: Md5::new(),
            finished: false,
        })
    }

    /// Bytes that are kept whatever happens to the connection.
    pub(super) fn persisted(&self) -> u64 {
        self.written
    }

    /// All bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// # Errors
    /// The disk.
    pub(super) async fn take(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let room = BLOCK.saturating_sub(self.pending.len()).min(bytes.len());
            let (fits, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.pending.extend_from_slice(fits);
            bytes = rest;
            if self.pending.len() >= BLOCK {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// Forgets what is less than a block, as Google does when an upload breaks off.
    pub(super) fn forget_pending(&mut self) {
        self.pending.clear();
    }

    async fn write(&mut self) -> Result<(), Refusal> {
        self.crc32c.update(&self.pending);
        self.md5.update(&self.pending);
        self.file.write_all(&self.pending).await?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// All of it, if it is what it should be.
    ///
    /// # Errors
    /// 400 for another hash, and the disk.
    pub(super) async fn finish(mut self, expected: &Expected) -> Result<Received, Refusal> {
        self.write().await?;
        self.file.flush().await?;
        let content = Content {
            size: self.written,
            crc32c: u32::try_from(self.crc32c.finalize()).unwrap_or_default(),
            md5: Some(BASE64.encode(&self.md5.clone().finalize())),
            components: None,
        };
        expected.check(&content)?;
        self.finished = true;
        Ok(Received {
            path: std::mem::take(&mut self.path),
            content,
        })
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        if !self.finished {
            // What is left is cleared at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Expected {
    /// What the headers of an upload and its body say.
    ///
    /// # Errors
    /// Values that are no hashes, and two that differ.
    pub(super) fn read(
        headers: &HeaderMap,
        crc32c: Option<&str>,
        md5: Option<&str>,
    ) -> Result<Self, Refusal> {
        let mut expected = Self::default();
        expected.add("crc32c", crc32c)?;
        expected.add("md5", md5)?;
        expected.add("md5", super::request::text(headers, "content-md5"))?;
        let hashes = super::request::text(headers, "x-goog-hash").unwrap_or_default();
        for hash in hashes.split(',').map(str::trim).filter(|hash| !hash.is_empty()) {
            match hash.split_once('=') {
                Some((kind @ ("crc32c" | "md5"), value)) => expected.add(kind, Some(value))?,
                Some(_) | None => return Err(Refusal::invalid(format!("Invalid x-goog-hash: {hash}"))),
            }
        }
        Ok(expected)
    }

    /// With what a later request says.
    ///
    /// # Errors
    /// Two that differ.
    pub(super) fn and(mut self, later: &Self) -> Result<Self, Refusal> {
        self.add("crc32c", later.crc32c.as_deref())?;
        self.add("md5", later.md5.as_deref())?;
        Ok(self)
    }

    fn add(&mut self, kind: &str, value: Option<&str>) -> Result<(), Refusal> {
        let Some(value) = value else {
            return Ok(());
        };
        let (slot, length) = match kind {
            "crc32c" => (&mut self.crc32c, 4),
            _ => (&mut self.md5, 16),
        };
        let is_hash = BASE64
            .decode(value.as_bytes())
            .is_ok_and(|bytes| bytes.len() == length);
        if !is_hash || slot.as_ref().is_some_and(|known| known != value) {
            return Err(Refusal::invalid(format!("Invalid {kind}: {value}")));
        }
        *slot = Some(value.to_owned());
        Ok(())
    }

    /// # Errors
    /// 400 for another hash.
    pub(super) fn check(&self, content: &Content) -> Result<(), Refusal> {
        let crc32c = content.crc32c();
        if let Some(expected) = self.crc32c.as_ref().filter(|expected| **expected != crc32c) {
            let message =
                format!("Provided CRC32C \"{expected}\" doesn't match calculated CRC32C \"{crc32c}\".");
            return Err(Refusal::invalid(message).coded("BadDigest"));
        }
        let md5 = content.md5.as_deref().unwrap_or_default();
        if let Some(expected) = self.md5.as_ref().filter(|expected| *expected != md5) {
            let message =
                format!("Provided MD5 hash \"{expected}\" doesn't match calculated MD5 hash \"{md5}\".");
            return Err(Refusal::invalid(message).coded("BadDigest"));
        }
        Ok(())
    }
}
