//! What a caller declares about the bytes it sends. Every declaration is verified while the bytes pass.

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

/// The checksums that S3 clients send and Tidegate verifies.
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
    /// MD5, 16 bytes: `Content-MD5` only, never a trailer.
    Md5,
}

impl ChecksumAlgorithm {
    /// The header or trailer that carries it.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Md5 => "content-md5",
        }
    }

    /// The algorithm of a `x-amz-checksum-…` name in lower case; `None` for any other name.
    pub fn from_header(name: &str) -> Option<Self> {
        [
            Self::Crc32,
            Self::Crc32c,
            Self::Crc64Nvme,
            Self::Sha1,
            Self::Sha256,
        ]
        .into_iter()
        .find(|algorithm| algorithm.header() == name)
    }

    /// Bytes of the checksum.
    pub fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
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
