//! A canary: objects of our own, put, read again, compared and deleted, to find out what a target understands.
//!
//! A target's documentation, its version and even its answers say little: some store the framing of an upload as if it
//! were data and answer 200. So it is tried, with objects that nobody else can have: under a prefix of their own, with
//! random names, put with `If-None-Match` so that nothing is ever overwritten, and deleted in the end, by version where
//! there are versions. Knows no caller and takes nothing from one.

use super::{CanaryError, Conditions, Finding, Trailers};
use crate::audit::Trail;
use crate::body;
use crate::clock::Clock;
use crate::config::{Canary as Place, Config, Target};
use crate::credentials::TargetCredentials;
use crate::dialect::s3::payload;
use crate::operation::{ChecksumAlgorithm, Declaration, Enforced};
use crate::signing::{OutgoingPayload, PayloadHash, Signer};
use crate::upstream::Upstream;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

/// For everything, and then for the deletions. A target that takes longer is tried again later.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_TO_DELETE: Duration = Duration::from_secs(5);
/// More than one chunk of our framing, and not a whole number of them.
const LARGE: usize = 70_000;
const SMALL: &[u8] = b"tidegate canary";
/// The prefix of keys where the configuration names no place.
pub(crate) const PREFIX: &str = ".tidegate-canary";

/// Where the canary of `target` goes: where the configuration says, else into the first bucket that is mapped to it, and
/// into its folder if it is one.
///
/// # Errors
/// [`CanaryError::NoPlace`].
pub(crate) fn place(config: &Config, target: &Target) -> Result<Place, CanaryError> {
    let mapped = || {
        config
            .buckets
            .values()
            .find(|bucket| bucket.target.name == target.name)
    };
    let first = || {
        mapped().map(|bucket| Place {
            bucket: bucket.target_bucket.clone(),
            prefix: bucket.prefix.prepend(PREFIX).into(),
        })
    };
    target.canary.clone().or_else(first).ok_or(CanaryError::NoPlace)
}

/// The way to one target.
pub(crate) struct Line<'a> {
    pub(crate) target: &'a Arc<Target>,
    pub(crate) upstream: &'a Upstream,
    pub(crate) credentials: &'a TargetCredentials,
    pub(crate) signer: &'a Signer,
    pub(crate) clock: &'a Clock,
}

/// Finds out what the target understands, and deletes what was stored for that. Once `stop` is cancelled it only
/// deletes. Every request goes into the record of `trail`, if there is one, and carries its id.
///
/// # Errors
/// [`CanaryError`] if it could not be found out; what was stored is deleted then, too, as far as that is possible.
pub(crate) async fn run(
    line: Line<'_>,
    place: &Place,
    trail: Option<&mut Trail>,
    stop: &CancellationToken,
) -> Result<Finding, CanaryError> {
    let mut canary = Canary::new(line, place, trail);
    let found = tokio::select! {
        found = canary.examine() => found,
        () = tokio::time::sleep(PATIENCE) => Err(CanaryError::TimedOut(PATIENCE)),
        () = stop.cancelled() => Err(CanaryError::Stopped),
    };
    let clearing = tokio::time::timeout(PATIENCE_TO_DELETE, canary.clear()).await;
    let left_behind: Vec<String> = canary.stored.iter().map(|stored| stored.key.clone()).collect();
    if clearing.is_err() || !left_behind.is_empty() {
        tracing::warn!(
            store = %canary.line.target.name,
            bucket = %place.bucket,
            keys = left_behind.join(", "),
            "objects of the canary could not be deleted; delete them by hand"
        );
    }
    found.map(|found| Finding { left_behind, ..found })
}

/// One run.
pub(super) struct Canary<'a> {
    pub(super) line: Line<'a>,
    pub(super) place: &'a Place,
    pub(super) id: Ulid,
    pub(super) trail: Option<&'a mut Trail>,
    pub(super) count: usize,
    /// What is there, or may be.
    pub(super) stored: Vec<Stored>,
    /// A key that is being put.
    pub(super) doubtful: Option<String>,
}

#[derive(Clone)]
pub(super) struct Stored {
    pub(super) key: String,
    pub(super) version: Option<String>,
}

impl<'a> Canary<'a> {
    pub(super) fn new(line: Line<'a>, place: &'a Place, trail: Option<&'a mut Trail>) -> Self {
        Self {
            place,
            id: match &trail {
                Some(trail) => trail.request_id(),
                None => crate::audit::new_id(line.clock),
            },
            line,
            trail,
            count: 0,
            stored: Vec::new(),
            doubtful: None,
        }
    }
}

impl Canary<'_> {
    async fn examine(&mut self) -> Result<Finding, CanaryError> {
        let large = Bytes::from_iter((0..LARGE).map(|at| (at % 251) as u8));
        let conditions = self.conditions(&large).await?;
        let trailers = self.trailers(&large).await?;
        let mut finding = Finding {
            checksums: false,
            enforces: Enforced::NONE,
            trailers,
            conditions,
            left_behind: Vec::new(),
        };
        if finding.trailers == Trailers::Understood {
            finding.checksums = self.checksums().await?;
            finding.enforces = self.enforced().await?;
        }
        Ok(finding)
    }

    /// The plainest upload there is, which must work; then the same key once more on condition that it is not there.
    async fn conditions(&mut self, large: &Bytes) -> Result<Conditions, CanaryError> {
        let key = self.key();
        let mut told = self.put(&key, raw(large.clone()), true).await?;
        let mut refused = None;
        if matches!(told.status, 400 | 501) {
            // The condition itself may be what it does not know; a random name is as good.
            refused = Some(told.answer());
            told = self.put(&key, raw(large.clone()), false).await?;
        }
        if !told.is_success() {
            return Err(self.refused("a plain upload", &told));
        }
        if !self.reads(&key, large).await? {
            return Err(CanaryError::Altered);
        }
        if let Some(answer) = refused {
            return Ok(Conditions::Refused(answer));
        }
        let again = self.put(&key, raw(large.clone()), true).await?;
        Ok(match again.status {
            409 | 412 => Conditions::Honoured,
            200..=299 => Conditions::Ignored,
            _ => Conditions::Refused(again.answer()),
        })
    }

    /// An upload with its checksum in the trailer, which is then compared byte by byte.
    async fn trailers(&mut self, large: &Bytes) -> Result<Trailers, CanaryError> {
        let key = self.key();
        let told = self.put(&key, framed(large, &crc32(large)), true).await?;
        if told.is_busy() {
            return Err(CanaryError::Busy(told.answer()));
        }
        if !told.is_success() {
            return Ok(Trailers::Refused(told.answer()));
        }
        Ok(match self.reads(&key, large).await? {
            true => Trailers::Understood,
            false => Trailers::StoredAsData,
        })
    }

    /// Whether an upload with a right checksum in a header is taken.
    async fn checksums(&mut self) -> Result<bool, CanaryError> {
        let key = self.key();
        let small = Bytes::from_static(SMALL);
        let value = crc32(&small);
        let told = self
            .put(&key, with_checksum(ChecksumAlgorithm::Crc32, &value), true)
            .await?;
        match told.is_busy() {
            true => Err(CanaryError::Busy(told.answer())),
            false => Ok(told.is_success() && self.reads(&key, &small).await?),
        }
    }

    /// Everything that is wrong must be refused, one by one.
    async fn enforced(&mut self) -> Result<Enforced, CanaryError> {
        let small = Bytes::from_static(SMALL);
        let mut wrong = vec![
            (
                Declaration::Trailer(ChecksumAlgorithm::Crc32),
                framed(&small, &[0; 4]),
            ),
            (
                Declaration::Literal,
                OutgoingPayload {
                    hash: PayloadHash::Literal(HEXLOWER.encode(&[0; 32])),
                    ..raw(small)
                },
            ),
        ];
        let algorithms = ChecksumAlgorithm::AMZ.into_iter().chain([ChecksumAlgorithm::Md5]);
        wrong.extend(algorithms.map(|algorithm| {
            let value = vec![0; algorithm.length()];
            (Declaration::Header(algorithm), with_checksum(algorithm, &value))
        }));
        let mut enforced = Enforced::NONE;
        for (declaration, payload) in wrong {
            let key = self.key();
            let told = self.put(&key, payload, true).await?;
            if told.is_busy() {
                return Err(CanaryError::Busy(told.answer()));
            }
            // What counts is not what it says but whether there is an object.
            if !told.is_success() && self.is_absent(&key).await? {
                enforced = enforced.with(declaration);
            }
        }
        Ok(enforced)
    }

    /// A name that nobody else has.
    pub(super) fn key(&mut self) -> String {
        self.count += 1;
        format!("{}/{}-{}", self.place.prefix, self.id, self.count)
    }
}

fn crc32(bytes: &[u8]) -> Vec<u8> {
    payload::checksum_of(ChecksumAlgorithm::Crc32, bytes).unwrap_or_default()
}

/// No body, as of requests that have none by their method.
pub(super) fn nothing() -> OutgoingPayload {
    OutgoingPayload {
        length: None,
        ..raw(Bytes::new())
    }
}

pub(super) fn raw(bytes: Bytes) -> OutgoingPayload {
    OutgoingPayload {
        length: Some(bytes.len() as u64),
        hash: PayloadHash::Literal(HEXLOWER.encode(digest(&SHA256, &bytes).as_ref())),
        headers: Vec::new(),
        sum: None,
        body: body::full(bytes),
    }
}

fn with_checksum(algorithm: ChecksumAlgorithm, value: &[u8]) -> OutgoingPayload {
    OutgoingPayload {
        headers: vec![(algorithm.header(), BASE64.encode(value))],
        ..raw(Bytes::from_static(SMALL))
    }
}

/// As uploads with a trailer are sent on.
fn framed(bytes: &Bytes, value: &[u8]) -> OutgoingPayload {
    let algorithm = ChecksumAlgorithm::Crc32;
    let wire = payload::framed(bytes, algorithm, value);
    OutgoingPayload {
        length: Some(wire.len() as u64),
        hash: PayloadHash::UnsignedTrailer,
        headers: vec![
            ("x-amz-trailer", algorithm.header().to_owned()),
            ("x-amz-decoded-content-length", bytes.len().to_string()),
        ],
        sum: None,
        body: body::full(wire),
    }
}
