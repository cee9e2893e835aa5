//! How the bytes of an object come: in one request, or in several that belong together.
//!
//! Spec: <https://cloud.google.com/storage/docs/uploads-downloads#uploads>

use super::Wishes;
use bytes::Bytes;
use std::fmt;

/// What one request of an insertion sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sending {
    /// All bytes, and what describes them: metadata that was written anew, if there is any.
    Whole {
        /// Without it, the type alone describes the object.
        metadata: Option<Bytes>,
        /// `Content-Type` of the bytes.
        media_type: Option<Box<str>>,
    },
    /// No bytes yet: an upload in several requests begins.
    Begin {
        /// Written anew.
        metadata: Option<Bytes>,
    },
    /// Some bytes, or the rest.
    Chunk(ChunkRange),
    /// None: how many are there is asked.
    Status {
        /// How many there are to be.
        total: Option<u64>,
    },
    /// None: the upload is given up.
    Cancel,
}

/// Where a chunk is in its object: `Content-Range`.
///
/// Spec: <https://cloud.google.com/storage/docs/performing-resumable-uploads>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /// Of its first byte.
    pub first: u64,
    /// Of its last byte, if it is known before the end.
    pub last: Option<u64>,
    /// Bytes of the object, if they are known.
    pub total: Option<u64>,
}

/// What an upload id of a resumable upload says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The target's own id. Works at the target for whoever has it: never for callers.
    pub target_id: Box<str>,
    /// What was asked when it began.
    pub wishes: Wishes,
}

impl Sending {
    /// The method of the request to the target.
    pub(super) fn http_method(&self) -> &'static str {
        match self {
            Self::Whole { .. } | Self::Begin { .. } => "POST",
            Self::Chunk(_) | Self::Status { .. } => "PUT",
            Self::Cancel => "DELETE",
        }
    }

    /// `uploadType`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Whole { metadata: None, .. } => "media",
            Self::Whole {
                metadata: Some(_), ..
            } => "multipart",
            Self::Begin { .. } | Self::Chunk(_) | Self::Status { .. } | Self::Cancel => "resumable",
        }
    }

    /// Whether it goes on with an upload that was begun.
    pub fn is_step(&self) -> bool {
        match self {
            Self::Chunk(_) | Self::Status { .. } | Self::Cancel => true,
            Self::Whole { .. } | Self::Begin { .. } => false,
        }
    }

    /// Whether it is of an upload in several requests.
    pub(crate) fn may_go_on(&self) -> bool {
        self.is_step() || matches!(self, Self::Begin { .. })
    }

    /// `Content-Range` for the target.
    pub(crate) fn content_range(&self) -> Option<String> {
        match self {
            Self::Chunk(range) => Some(range.to_string()),
            Self::Status { total: Some(total) } => Some(format!("bytes */{total}")),
            Self::Status { total: None } => Some("bytes */*".to_owned()),
            Self::Whole { .. } | Self::Begin { .. } | Self::Cancel => None,
        }
    }

    /// Whether every byte of the object is in this one request.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Whole { .. } => true,
            Self::Chunk(range) => range.is_whole(),
            Self::Begin { .. } | Self::Status { .. } | Self::Cancel => false,
        }
    }
}

impl ChunkRange {
    /// How many bytes it has, as far as it says that.
    pub fn length(&self) -> Option<u64> {
        match (self.last, self.total) {
            (Some(last), _) => last.checked_sub(self.first)?.checked_add(1),
            (None, Some(total)) => total.checked_sub(self.first),
            (None, None) => None,
        }
    }

    fn is_whole(&self) -> bool {
        let to_the_end = match (self.last, self.total) {
            (Some(last), Some(total)) => last.checked_add(1) == Some(total),
            (Some(_), None) => false,
            (None, _) => true,
        };
        self.first == 0 && to_the_end
    }
}

impl fmt::Display for ChunkRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u64>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
        write!(
            f,
            "bytes {}-{}/{}",
            self.first,
            number(self.last),
            number(self.total)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_knows_its_length_and_whether_it_is_all() {
        let check = |first, last, total, text: &str, length: Option<u64>, whole: bool| {
            let range = ChunkRange { first, last, total };
            assert_eq!(range.to_string(), text);
            assert_eq!(range.length(), length, "{text}");
            assert_eq!(range.is_whole(), whole, "{text}");
        };
        check(0, Some(9), Some(10), "bytes 0-9/10", Some(10), true);
        check(0, Some(8), Some(10), "bytes 0-8/10", Some(9), false);
        check(5, Some(9), Some(10), "bytes 5-9/10", Some(5), false);
        check(0, Some(9), None, "bytes 0-9/*", Some(10), false);
        check(0, None, None, "bytes 0-*/*", None, true);
        check(5, None, None, "bytes 5-*/*", None, false);
        check(0, None, Some(10), "bytes 0-*/10", Some(10), true);
        check(
            0,
            Some(u64::MAX),
            None,
            "bytes 0-18446744073709551615/*",
            None,
            false,
        );
    }
}
