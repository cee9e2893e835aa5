//! What a caller declares about the bytes it sends.
//!
//! Every declaration is verified while the bytes pass, except those that are left to a target which enforces them.

use super::enforced::Declaration;

/// How the payload is framed and authenticated: the value of `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadMode {
    /// A literal SHA-256 of the raw body.
    Literal([u8; 32]),
    /// `UNSIGNED-PAYLOAD`: a raw body.
    Unsigned,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: aws-chunked, checksum in the trailer.
    UnsignedTrailer,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: aws-chunked, every chunk signed.
    SignedChunks,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`: aws-chunked, chunks and trailer signed.
    SignedChunksTrailer,
}

impl PayloadMode {
    /// Whether the body is framed as `aws-chunked`.
    pub fn is_chunked(self) -> bool {
        match self {
            Self::Literal(_) | Self::Unsigned => false,
            Self::UnsignedTrailer | Self::SignedChunks | Self::SignedChunksTrailer => true,
        }
    }

    /// Whether every chunk carries a signature.
    pub fn is_signed_chunks(self) -> bool {
        match self {
            Self::SignedChunks | Self::SignedChunksTrailer => true,
            Self::Literal(_) | Self::Unsigned | Self::UnsignedTrailer => false,
        }
    }

    /// The name for audit records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Literal(_) => "sha256",
            Self::Unsigned => "unsigned",
            Self::UnsignedTrailer => "unsigned-trailer",
            Self::SignedChunks => "signed-chunks",
            Self::SignedChunksTrailer => "signed-chunks-trailer",
        }
    }
}

/// The checksums that S3 knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC), 4 bytes.
    Crc32,
    /// CRC-32C (Castagnoli), 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
    /// MD5, 16 bytes, as `x-amz-checksum-md5`.
    AmzMd5,
    /// XXH64, 8 bytes. Not computed here.
    XxHash64,
    /// XXH3 of 64 bits, 8 bytes. Not computed here.
    XxHash3,
    /// XXH3 of 128 bits, 16 bytes. Not computed here.
    XxHash128,
    /// MD5, 16 bytes: `Content-MD5` only, never a trailer.
    Md5,
}

impl ChecksumAlgorithm {
    /// Those with a `x-amz-checksum-…` header, by age.
    pub const AMZ: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::AmzMd5,
        Self::XxHash64,
        Self::XxHash3,
        Self::XxHash128,
    ];

    /// The header or trailer that carries it.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Sha512 => "x-amz-checksum-sha512",
            Self::AmzMd5 => "x-amz-checksum-md5",
            Self::XxHash64 => "x-amz-checksum-xxhash64",
            Self::XxHash3 => "x-amz-checksum-xxhash3",
            Self::XxHash128 => "x-amz-checksum-xxhash128",
            Self::Md5 => "content-md5",
        }
    }

    /// The element that carries it in the documents of multipart uploads; `None` for `Content-MD5`.
    pub fn element(self) -> Option<&'static str> {
        match self {
            Self::Crc32 => Some("ChecksumCRC32"),
            Self::Crc32c => Some("ChecksumCRC32C"),
            Self::Crc64Nvme => Some("ChecksumCRC64NVME"),
            Self::Sha1 => Some("ChecksumSHA1"),
            Self::Sha256 => Some("ChecksumSHA256"),
            Self::Sha512 => Some("ChecksumSHA512"),
            Self::AmzMd5 => Some("ChecksumMD5"),
            Self::XxHash64 => Some("ChecksumXXHASH64"),
            Self::XxHash3 => Some("ChecksumXXHASH3"),
            Self::XxHash128 => Some("ChecksumXXHASH128"),
            Self::Md5 => None,
        }
    }

    /// The algorithm of a `x-amz-checksum-…` name in lower case; `None` for any other name.
    pub fn from_header(name: &str) -> Option<Self> {
        Self::AMZ.into_iter().find(|algorithm| algorithm.header() == name)
    }

    /// Bytes of the checksum.
    pub fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::XxHash64 | Self::XxHash3 => 8,
            Self::Md5 | Self::AmzMd5 | Self::XxHash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Whether Tidegate can compute it. What it cannot, only a target can hold a payload against.
    pub fn is_computed(self) -> bool {
        match self {
            Self::Crc32
            | Self::Crc32c
            | Self::Crc64Nvme
            | Self::Sha1
            | Self::Sha256
            | Self::Sha512
            | Self::AmzMd5
            | Self::Md5 => true,
            Self::XxHash64 | Self::XxHash3 | Self::XxHash128 => false,
        }
    }

    /// A bit of its own, for sets.
    pub(super) fn bit(self) -> u16 {
        match self {
            Self::Crc32 => 1,
            Self::Crc32c => 1 << 1,
            Self::Crc64Nvme => 1 << 2,
            Self::Sha1 => 1 << 3,
            Self::Sha256 => 1 << 4,
            Self::Sha512 => 1 << 5,
            Self::AmzMd5 => 1 << 6,
            Self::XxHash64 => 1 << 7,
            Self::XxHash3 => 1 << 8,
            Self::XxHash128 => 1 << 9,
            Self::Md5 => 1 << 10,
        }
    }
}

/// A checksum value as declared or computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// What was computed.
    pub algorithm: ChecksumAlgorithm,
    /// The raw bytes, [`ChecksumAlgorithm::length`] of them.
    pub value: Vec<u8>,
}

/// Everything a caller declared about its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredPayload {
    /// Framing and authentication.
    pub mode: PayloadMode,
    /// Payload bytes after decoding: `x-amz-decoded-content-length` for aws-chunked, else `Content-Length`.
    pub length: u64,
    /// Checksums in headers, `Content-MD5` included.
    pub checksums: Vec<Checksum>,
    /// The checksum announced by `x-amz-trailer`.
    pub trailer: Option<ChecksumAlgorithm>,
}

impl DeclaredPayload {
    /// Everything that the payload can be held against.
    pub fn declarations(&self) -> impl Iterator<Item = Declaration> + '_ {
        let literal = matches!(self.mode, PayloadMode::Literal(_)).then_some(Declaration::Literal);
        let headers = self.checksums.iter().map(|c| Declaration::Header(c.algorithm));
        headers
            .chain(literal)
            .chain(self.trailer.map(Declaration::Trailer))
    }

    /// A request without a payload.
    pub fn none() -> Self {
        Self {
            mode: PayloadMode::Unsigned,
            length: 0,
            checksums: Vec::new(),
            trailer: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_has_a_name_and_a_bit_of_its_own() {
        let all = || ChecksumAlgorithm::AMZ.into_iter().chain([ChecksumAlgorithm::Md5]);
        for one in all() {
            for other in all().filter(|other| *other != one) {
                assert_ne!(one.bit(), other.bit());
                assert_ne!(one.header(), other.header());
            }
        }
        for one in ChecksumAlgorithm::AMZ {
            assert_eq!(ChecksumAlgorithm::from_header(one.header()), Some(one));
            assert!(one.element().is_some());
        }
        assert_eq!(ChecksumAlgorithm::from_header("content-md5"), None);
        assert_eq!(ChecksumAlgorithm::from_header("x-amz-checksum-rot13"), None);
    }
}
