//! Verification: is the payload what its request declared?
//!
//! Holds everything that was declared against everything that came: length, chunk and trailer signatures, the
//! literal SHA-256, checksums in headers and in the trailer. Without input or output of its own, like the decoder.
//!
//! What it lets pass is decoded payload. Slices of a chunk pass before the chunk's signature is checked, only its
//! last slice waits: the stream around withholds the last declared byte until [`Verifier::finish`] agreed, so no
//! object can come of a payload that fails late, and memory stays constant for any chunk size.

use super::aws_chunked::{Decoder, Event, Signature, TRAILER_SIGNATURE};
use super::checksum::Sums;
use crate::authn::ChunkSigning;
use crate::body::PayloadError;
use crate::operation::{Checksum, ChecksumAlgorithm, Declaration, DeclaredPayload, Enforced, PayloadMode};
use aws_lc_rs::digest;
use bytes::Bytes;
use data_encoding::BASE64;

/// The largest signed chunk, as in MinIO: a signature should come before much was sent on for nothing.
const SIGNED_CHUNK_LIMIT: u64 = 16 << 20;
const CHUNK_LIMIT: u64 = super::super::limits::LARGEST_UPLOAD;

/// Checks one payload while it passes.
pub(super) struct Verifier {
    declared: DeclaredPayload,
    /// What the target holds the payload against, so that it is not done twice.
    left: Enforced,
    sums: Sums,
    /// Payload bytes so far.
    passed: u64,
    chunks: Option<Chunks>,
}

/// What an `aws-chunked` payload needs besides.
struct Chunks {
    decoder: Decoder,
    signing: Option<Signing>,
    trailer: Trailer,
}

/// The signature chain and the chunk in progress.
struct Signing {
    /// `None` if authentication gave no chain: then nothing verifies.
    chain: Option<ChunkSigning>,
    hash: digest::Context,
    signature: Option<Signature>,
}

/// What the trailer may and did bring.
struct Trailer {
    announced: Option<ChecksumAlgorithm>,
    signed: bool,
    /// The announced checksum.
    value: Option<Vec<u8>>,
    /// What its signature covers.
    canonical: String,
    signature_seen: bool,
}

impl Verifier {
    /// What is `left` to the target is not verified here, except signatures and lengths, which it cannot know.
    /// `extra` is summed besides what was declared.
    pub(super) fn new(
        declared: DeclaredPayload,
        left: Enforced,
        chain: Option<ChunkSigning>,
        extra: Option<ChecksumAlgorithm>,
    ) -> Self {
        let (signed, trailer) = match declared.mode {
            PayloadMode::Literal(_) | PayloadMode::Unsigned | PayloadMode::SignedChunks => (false, false),
            PayloadMode::UnsignedTrailer => (false, true),
            PayloadMode::SignedChunksTrailer => (true, true),
        };
        let chunks = declared.mode.is_chunked().then(|| Chunks {
            decoder: Decoder::new(signed),
            signing: declared.mode.is_signed_chunks().then(|| Signing::new(chain)),
            trailer: Trailer {
                announced: declared.trailer.filter(|_| trailer),
                signed,
                value: None,
                canonical: String::new(),
                signature_seen: false,
            },
        });
        Self {
            sums: Sums::new(&declared, left, extra),
            declared,
            left,
            passed: 0,
            chunks,
        }
    }

    /// The next slice of payload, never empty; `None` when `input` is used up.
    ///
    /// # Errors
    /// [`PayloadError`] as soon as something cannot become right any more.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, PayloadError> {
        let Some(chunks) = &mut self.chunks else {
            let bytes = std::mem::take(input);
            return match bytes.is_empty() {
                true => Ok(None),
                false => self.pass(bytes).map(Some),
            };
        };
        while let Some(event) = chunks.decoder.next(input)? {
            match event {
                Event::Chunk { size, signature } => {
                    let missing = self.declared.length.saturating_sub(self.passed);
                    chunks.check_size(size, missing)?;
                    chunks.begin(size, signature)?;
                }
                Event::Data { bytes, last } => {
                    chunks.data(&bytes, last)?;
                    return self.pass(bytes).map(Some);
                }
                Event::Trailer { name, value } => chunks.trailer_line(&name, &value)?,
            }
        }
        Ok(None)
    }

    /// Payload bytes so far.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Judges the whole, once the caller's body ended.
    ///
    /// # Errors
    /// [`PayloadError`] for the first declaration that does not hold.
    pub(super) fn finish(&self) -> Result<(), PayloadError> {
        let ended = self.chunks.as_ref().is_none_or(|c| c.decoder.is_done());
        if !ended || self.passed != self.declared.length {
            return Err(PayloadError::Incomplete);
        }
        if let Some(chunks) = &self.chunks
            && chunks.trailer.signed
            && !chunks.trailer.signature_seen
        {
            return Err(PayloadError::ChunkSignature);
        }
        if let Some(algorithm) = self.declared.trailer {
            let came = self.came().ok_or(PayloadError::UnexpectedTrailer)?;
            self.check(Declaration::Trailer(algorithm), algorithm, came)?;
        }
        for Checksum { algorithm, value } in &self.declared.checksums {
            self.check(Declaration::Header(*algorithm), *algorithm, value)?;
        }
        match self.declared.mode {
            PayloadMode::Literal(_) if self.left.holds(Declaration::Literal) => Ok(()),
            PayloadMode::Literal(expected)
                if self.sums.value(ChecksumAlgorithm::Sha256).as_deref() != Some(&expected[..]) =>
            {
                Err(PayloadError::Sha256Mismatch)
            }
            _ => Ok(()),
        }
    }

    /// The checksum for a trailer of our own: the caller's, or else the computed sum of what was declared or asked for
    /// as extra.
    pub(super) fn sum(&self, algorithm: ChecksumAlgorithm) -> Option<Vec<u8>> {
        let came = self.came().filter(|_| self.declared.trailer == Some(algorithm));
        came.map(<[u8]>::to_vec).or_else(|| self.sums.value(algorithm))
    }

    /// What came in the trailer.
    fn came(&self) -> Option<&[u8]> {
        self.chunks.as_ref().and_then(|c| c.trailer.value.as_deref())
    }

    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, PayloadError> {
        self.passed = self.passed.saturating_add(bytes.len() as u64);
        if self.passed > self.declared.length {
            return Err(PayloadError::Incomplete);
        }
        self.sums.update(&bytes);
        Ok(bytes)
    }

    fn check(
        &self,
        declaration: Declaration,
        algorithm: ChecksumAlgorithm,
        declared: &[u8],
    ) -> Result<(), PayloadError> {
        match self.left.holds(declaration) || self.sums.value(algorithm).as_deref() == Some(declared) {
            true => Ok(()),
            false => Err(PayloadError::ChecksumMismatch(algorithm.header())),
        }
    }
}

impl Chunks {
    /// STR-08: a size is a claim; it is held against what may still come before anything is done with it.
    fn check_size(&self, size: u64, missing: u64) -> Result<(), PayloadError> {
        let limit = match self.signing {
            Some(_) => SIGNED_CHUNK_LIMIT,
            None => CHUNK_LIMIT,
        };
        if size > limit {
            return Err(PayloadError::ChunkSize(size));
        }
        if size > missing || (size == 0 && missing != 0) {
            return Err(PayloadError::Incomplete);
        }
        Ok(())
    }

    fn begin(&mut self, size: u64, signature: Option<Signature>) -> Result<(), PayloadError> {
        match (&mut self.signing, signature) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(PayloadError::Framing(
                "a chunk is signed, which `x-amz-content-sha256` does not say",
            )),
            (Some(_), None) => Err(PayloadError::ChunkSignature),
            (Some(signing), signature) => {
                signing.signature = signature;
                match size {
                    0 => signing.verify(),
                    _ => Ok(()),
                }
            }
        }
    }

    fn data(&mut self, bytes: &[u8], last: bool) -> Result<(), PayloadError> {
        let Some(signing) = &mut self.signing else {
            return Ok(());
        };
        signing.hash.update(bytes);
        match last {
            true => signing.verify(),
            false => Ok(()),
        }
    }

    fn trailer_line(&mut self, name: &str, value: &str) -> Result<(), PayloadError> {
        let trailer = &mut self.trailer;
        if trailer.signature_seen {
            return Err(PayloadError::MalformedTrailer(
                "there is a line after the signature",
            ));
        }
        if name == TRAILER_SIGNATURE && trailer.signed {
            trailer.signature_seen = true;
            let hash = digest::digest(&digest::SHA256, trailer.canonical.as_bytes());
            let chain = self.signing.as_mut().and_then(|signing| signing.chain.as_mut());
            return match chain.is_some_and(|chain| chain.verify_trailer(hash.as_ref(), value.as_bytes())) {
                true => Ok(()),
                false => Err(PayloadError::ChunkSignature),
            };
        }
        let algorithm = trailer
            .announced
            .filter(|algorithm| algorithm.header() == name)
            .ok_or(PayloadError::UnexpectedTrailer)?;
        if trailer.value.is_some() {
            return Err(PayloadError::MalformedTrailer("the checksum is there twice"));
        }
        trailer.value = BASE64
            .decode(value.as_bytes())
            .ok()
            .filter(|value| value.len() == algorithm.length());
        trailer.canonical = format!("{name}:{value}\n");
        match trailer.value {
            Some(_) => Ok(()),
            None => Err(PayloadError::MalformedTrailer(
                "the checksum is not base64 of its length",
            )),
        }
    }
}

impl Signing {
    fn new(chain: Option<ChunkSigning>) -> Self {
        Self {
            chain,
            hash: digest::Context::new(&digest::SHA256),
            signature: None,
        }
    }

    fn verify(&mut self) -> Result<(), PayloadError> {
        let hash = std::mem::replace(&mut self.hash, digest::Context::new(&digest::SHA256)).finish();
        match (&mut self.chain, self.signature.take()) {
            (Some(chain), Some(signature)) => match chain.verify_chunk(hash.as_ref(), &signature) {
                true => Ok(()),
                false => Err(PayloadError::ChunkSignature),
            },
            (None, _) | (_, None) => Err(PayloadError::ChunkSignature),
        }
    }
}
