//! From what the caller declared to what the target understands.
//!
//! | in | out to `aws` | out to `plain` |
//! |---|---|---|
//! | literal SHA-256 | the same literal, so that the target enforces it too | the same |
//! | `UNSIGNED-PAYLOAD` | the same | the same |
//! | unsigned trailer | framed anew with the caller's trailer | decoded, `UNSIGNED-PAYLOAD` with the decoded length |
//! | signed chunks | decoded, `UNSIGNED-PAYLOAD` with the decoded length | the same |
//! | signed chunks with trailer | framed with the caller's trailer, unsigned | decoded, as above |
//! | `x-amz-checksum-*` | kept | left out, as everything that is about such checksums |
//! | `Content-MD5` | kept | kept |
//!
//! Frames are never passed on as they came: S3 refuses chunks of less than 8 KiB, which some clients send, and a target
//! gets a `Content-Length` whether or not the caller gave one. A trailer cannot be turned into a header, which would
//! have to go first; towards a target that takes none it is enforced here, by the withheld last byte. A plain target
//! gets no `x-amz-checksum-*` because it would ignore it at best, and refuse it or half understand it at worst;
//! `Content-MD5` is as old as S3 and enforced everywhere. Google Cloud Storage gets everything raw: see [`gcs`].

mod gcs;

use super::documents;
use super::payload::{self, CallerBody, Outgoing};
use crate::authn::ChunkSigning;
use crate::body::{self, Body, BodyError, PayloadError};
use crate::bridge::Bridge;
use crate::config::{Bucket, Profile};
use crate::operation::{
    Api, BodyRule, Checksum, ChecksumAlgorithm, CompletedPart, DeclaredPayload, Detail, Enforced, Operation,
    PayloadMode,
};
use crate::signing::{OutgoingPayload, PayloadHash};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use md5::{Digest as _, Md5};
use std::{sync::Arc, sync::atomic::AtomicU64, time::Duration};

const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A caller's body with everything that verifies it.
pub(crate) struct IncomingPayload {
    /// Taken when it is read.
    pub(crate) body: Option<CallerBody>,
    pub(crate) declared: DeclaredPayload,
    pub(crate) chunk_signing: Option<ChunkSigning>,
    pub(crate) stall: Duration,
    /// Payload bytes that came in, for the audit record.
    pub(crate) counter: Arc<AtomicU64>,
}

impl IncomingPayload {
    /// Reads a control document whole, verified.
    ///
    /// # Errors
    /// [`BodyError`] if the body is not what was declared or is larger than `limit` bytes.
    pub(crate) async fn document(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let (body, chunks) = (
            self.body.take().ok_or(PayloadError::Incomplete)?,
            self.chunk_signing.take(),
        );
        payload::read_document(
            body,
            &self.declared,
            chunks,
            limit,
            self.stall,
            Arc::clone(&self.counter),
        )
        .await
    }

    /// Whether nothing of the payload is to be waited for before a call is decided: it is plainly empty, or an object, which
    /// streams.
    pub(crate) fn is_settled(&self, operation: &Operation) -> bool {
        match operation.api().row().body {
            BodyRule::Empty => self.is_plainly_empty(),
            BodyRule::Object | BodyRule::Document { .. } | BodyRule::Form => true,
        }
    }

    /// Reads a payload that has to be empty to its end, verified.
    ///
    /// # Errors
    /// [`BodyError`] if it is not.
    pub(crate) async fn settle(&mut self) -> Result<(), BodyError> {
        let (body, chunks) = (
            self.body.take().ok_or(PayloadError::Incomplete)?,
            self.chunk_signing.take(),
        );
        let declared = self.declared.clone();
        let nothing =
            payload::verify_empty(body, declared, Enforced::NONE, chunks, Outgoing::Raw, self.stall);
        nothing.await.map(drop)
    }

    /// The payload for the target: streamed for object bytes, rebuilt for documents, none for the rest.
    ///
    /// # Errors
    /// [`BodyError`] if a payload that is declared empty is not.
    pub(crate) async fn outgoing(
        self,
        operation: &Operation,
        bucket: &Bucket,
        bridge: Bridge,
    ) -> Result<OutgoingPayload, BodyError> {
        match operation.api().row().body {
            BodyRule::Object if bridge.profile == Profile::Gcs => self.object_for_gcs().await,
            BodyRule::Object => self.object(bridge).await,
            BodyRule::Document { .. } => document(operation, bucket, bridge.profile),
            // A form becomes an upload before it gets here.
            BodyRule::Form => Err(PayloadError::Incomplete.into()),
            // INVARIANT: that it is empty, and its declared hash that of nothing, was verified before the call was decided.
            BodyRule::Empty if self.body.is_none() || self.is_plainly_empty() => Ok(nothing(operation)),
            BodyRule::Empty => Err(PayloadError::Incomplete.into()),
        }
    }

    /// Whether there is nothing to verify, as in nearly every download: no byte, and nothing declared of any.
    fn is_plainly_empty(&self) -> bool {
        let declared = &self.declared;
        let hash_holds = match declared.mode {
            PayloadMode::Unsigned => true,
            PayloadMode::Literal(sha256) => HEXLOWER.encode(&sha256) == SHA256_OF_NOTHING,
            PayloadMode::UnsignedTrailer | PayloadMode::SignedChunks | PayloadMode::SignedChunksTrailer => {
                false
            }
        };
        let ended = self.body.as_ref().is_some_and(http_body::Body::is_end_stream);
        ended
            && hash_holds
            && declared.length == 0
            && declared.checksums.is_empty()
            && declared.trailer.is_none()
    }

    async fn object(self, bridge: Bridge) -> Result<OutgoingPayload, BodyError> {
        let length = self.declared.length;
        let speaks_checksums = speaks_checksums(bridge.profile);
        let carried = |c: &&Checksum| speaks_checksums || c.algorithm == ChecksumAlgorithm::Md5;
        let mut headers: Vec<(&'static str, String)> = self
            .declared
            .checksums
            .iter()
            .filter(carried)
            .map(|c| (c.algorithm.header(), BASE64.encode(&c.value)))
            .collect();
        let trailer = self.declared.trailer.filter(|_| speaks_checksums);
        let (hash, framing, wire_length) = match (self.declared.mode, trailer) {
            (PayloadMode::Literal(sha256), _) => (
                PayloadHash::Literal(HEXLOWER.encode(&sha256)),
                Outgoing::Raw,
                length,
            ),
            (PayloadMode::UnsignedTrailer | PayloadMode::SignedChunksTrailer, Some(algorithm)) => {
                headers.push(("x-amz-trailer", algorithm.header().to_owned()));
                headers.push(("x-amz-decoded-content-length", length.to_string()));
                let framing = Outgoing::UnsignedTrailer(algorithm);
                (
                    PayloadHash::UnsignedTrailer,
                    framing,
                    payload::encoded_length(length, algorithm),
                )
            }
            (
                PayloadMode::Unsigned
                | PayloadMode::SignedChunks
                | PayloadMode::UnsignedTrailer
                | PayloadMode::SignedChunksTrailer,
                _,
            ) => (PayloadHash::Unsigned, Outgoing::Raw, length),
        };
        let left = match framing {
            Outgoing::Raw | Outgoing::Summed(_) => bridge.left,
            Outgoing::UnsignedTrailer(_) => bridge.left.of_framed(),
        };
        payload::verifiable(&self.declared, left)?;
        // No byte can be withheld from an empty body: it is verified before anything is sent.
        let body = if length == 0 {
            Box::pin(self.verify_empty(left.beyond_us(), framing)).await?
        } else {
            self.verified(left, framing)?
        };
        Ok(OutgoingPayload {
            body,
            length: Some(wire_length),
            hash,
            headers,
            sum: None,
        })
    }

    fn verified(self, left: Enforced, framing: Outgoing) -> Result<Body, BodyError> {
        let body = self.body.ok_or(PayloadError::Incomplete)?;
        Ok(payload::verified(
            body,
            self.declared,
            left,
            self.chunk_signing,
            framing,
            self.stall,
            self.counter,
        ))
    }

    async fn verify_empty(self, left: Enforced, framing: Outgoing) -> Result<Body, BodyError> {
        let body = self.body.ok_or(PayloadError::Incomplete)?;
        payload::verify_empty(body, self.declared, left, self.chunk_signing, framing, self.stall).await
    }
}

/// Whether `x-amz-checksum-*` means anything to a target, in headers, trailers and documents.
fn speaks_checksums(profile: Profile) -> bool {
    match profile {
        Profile::Aws => true,
        Profile::Plain | Profile::Gcs => false,
    }
}

fn without_checksums(parts: &[CompletedPart]) -> Vec<CompletedPart> {
    let bare = parts.iter().map(|part| CompletedPart {
        checksums: Vec::new(),
        ..part.clone()
    });
    bare.collect()
}

/// The payload of a call that has no object bytes, as often as it is wanted; `None` for all others.
pub(crate) fn anew(operation: &Operation, bucket: &Bucket, profile: Profile) -> Option<OutgoingPayload> {
    match operation.api().row().body {
        BodyRule::Empty => Some(nothing(operation)),
        BodyRule::Document { .. } => document(operation, bucket, profile).ok(),
        BodyRule::Object | BodyRule::Form => None,
    }
}

/// As [`anew`], in the profile of the bucket. For tests of what is sent.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn without_caller(
    operation: &Operation,
    bucket: &crate::config::Bucket,
) -> Option<OutgoingPayload> {
    anew(operation, bucket, bucket.target.profile)
}

fn nothing(operation: &Operation) -> OutgoingPayload {
    OutgoingPayload {
        body: body::empty(),
        length: matches!(operation.api().row().method, "PUT" | "POST").then_some(0),
        hash: PayloadHash::Literal(SHA256_OF_NOTHING.to_owned()),
        headers: Vec::new(),
        sum: None,
    }
}

/// A rebuilt document with its own hash and MD5: what the caller declared was true of other bytes.
fn document(operation: &Operation, bucket: &Bucket, profile: Profile) -> Result<OutgoingPayload, BodyError> {
    let bytes = match operation.detail() {
        Detail::Deletions { objects, quiet } => {
            documents::write_delete(objects, *quiet, &bucket.prefix).map_err(|_| PayloadError::KeyTooLong)?
        }
        Detail::Parts(parts) if speaks_checksums(profile) => documents::write_complete(parts),
        // Each part was verified when it came, and its ETag binds it.
        Detail::Parts(parts) => documents::write_complete(&without_checksums(parts)),
        Detail::Tags(tags) => documents::write_tags(tags),
        Detail::Document(bytes) => bytes.clone(),
        // Google has a place of its own choice for whoever names none.
        Detail::None if profile == Profile::Gcs && &*bucket.target.region == "auto" => {
            return Ok(nothing(operation));
        }
        Detail::None if operation.api() == Api::CreateBucket => {
            documents::write_new_bucket(&bucket.target.region)
        }
        Detail::None => return Ok(nothing(operation)),
        // No row has a document and a source.
        Detail::Copy(_) => return Err(PayloadError::Incomplete.into()),
    };
    let mut headers = Vec::new();
    // S3 wants a checksum with every document but the list of parts.
    if !bytes.is_empty() && !matches!(operation.detail(), Detail::Parts(_)) {
        headers.push(("content-md5", BASE64.encode(&Md5::digest(&bytes))));
    }
    Ok(OutgoingPayload {
        length: u64::try_from(bytes.len()).ok(),
        hash: PayloadHash::Literal(HEXLOWER.encode(digest(&SHA256, &bytes).as_ref())),
        headers,
        sum: None,
        body: body::full(bytes),
    })
}
