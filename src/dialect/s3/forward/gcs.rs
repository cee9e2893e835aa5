//! Payloads for Google Cloud Storage: raw bytes with their length, and the sums that it knows in its own words.
//!
//! It would store `aws-chunked` framing as data and ignores `x-amz-checksum-*`. So everything that was declared is
//! verified here as for every target; a CRC32C or MD5 that is known beforehand goes along, for Google to check as well.
//! What is known only at the end cannot go along: the CRC32C of every upload is summed up on the way and held against
//! the one in Google's answer.

use super::super::payload::{self, Outgoing};
use super::IncomingPayload;
use crate::body::BodyError;
use crate::operation::{ChecksumAlgorithm, Enforced, PayloadMode};
use crate::signing::{OutgoingPayload, PayloadHash};
use data_encoding::{BASE64, HEXLOWER};
use std::sync::Arc;

impl IncomingPayload {
    pub(super) async fn object_for_gcs(self) -> Result<OutgoingPayload, BodyError> {
        payload::verifiable(&self.declared, Enforced::NONE)?;
        let length = self.declared.length;
        let known = self.declared.checksums.iter().filter_map(|sum| {
            let value = BASE64.encode(&sum.value);
            match sum.algorithm {
                ChecksumAlgorithm::Md5 => Some(("content-md5", value)),
                ChecksumAlgorithm::AmzMd5 => Some(("x-goog-hash", format!("md5={value}"))),
                ChecksumAlgorithm::Crc32c => Some(("x-goog-hash", format!("crc32c={value}"))),
                // Google would not look at them: they are enforced here, like everything.
                ChecksumAlgorithm::Crc32
                | ChecksumAlgorithm::Crc64Nvme
                | ChecksumAlgorithm::Sha1
                | ChecksumAlgorithm::Sha256
                | ChecksumAlgorithm::Sha512
                | ChecksumAlgorithm::XxHash64
                | ChecksumAlgorithm::XxHash3
                | ChecksumAlgorithm::XxHash128 => None,
            }
        });
        let headers = known.collect();
        let hash = match self.declared.mode {
            PayloadMode::Literal(sha256) => PayloadHash::Literal(HEXLOWER.encode(&sha256)),
            PayloadMode::Unsigned
            | PayloadMode::UnsignedTrailer
            | PayloadMode::SignedChunks
            | PayloadMode::SignedChunksTrailer => PayloadHash::Unsigned,
        };
        let sum = Arc::default();
        let framing = Outgoing::Summed(Arc::clone(&sum));
        // No byte can be withheld from an empty body: it is verified before anything is sent.
        let body = if length == 0 {
            Box::pin(self.verify_empty(Enforced::NONE, framing)).await?
        } else {
            self.verified(Enforced::NONE, framing)?
        };
        Ok(OutgoingPayload {
            body,
            length: Some(length),
            hash,
            headers,
            sum: Some(sum),
        })
    }
}
