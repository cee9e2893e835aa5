//! A canary: objects of our own, put, read again, compared and deleted, to find out what a target understands.
//!
//! A target's documentation, its version and even its answers say little: some store the framing of an upload as if it
//! were data and answer 200. So it is tried, with objects that nobody else can have: under a prefix of their own, with
//! random names, put with `If-None-Match` so that nothing is ever overwritten, and deleted in the end, by version where
//! there are versions. Knows no caller and takes nothing from one.

use super::{Conditions, Finding, Trailers};
use crate::audit::AuditUnavailable;
use crate::body::{self, Body, BodyError};
use crate::clock::Clock;
use crate::config::{Canary as Place, Config, Target};
use crate::credentials::{CredentialError, TargetCredentials};
use crate::dialect::s3::{documents, payload};
use crate::operation::{ChecksumAlgorithm, Declaration, Enforced};
use crate::signing::{OutgoingPayload, OwnRequest, PayloadHash, Signer, SigningError};
use crate::upstream::{Upstream, UpstreamError};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::{Bytes, BytesMut};
use data_encoding::{BASE64, HEXLOWER};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// For everything, and then for the deletions. A target that takes longer is tried again later.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_TO_DELETE: Duration = Duration::from_secs(5);
/// More than one chunk of our framing, and not a whole number of them.
const LARGE: usize = 70_000;
const SMALL: &[u8] = b"tidegate canary";
/// Most of an answer that is read: the large payload with any framing around it.
const LARGEST_ANSWER: usize = 256 << 10;
/// The prefix of keys where the configuration names no place.
const PREFIX: &str = ".tidegate-canary";

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CanaryError {
    /// There is no bucket to put it into.
    #[error("no bucket is mapped to it; map one, or name a place with `canary`")]
    NoPlace,
    /// There is nothing to sign with.
    #[error("there is no credential for it")]
    Credential(#[from] CredentialError),
    /// A request could not be put together.
    #[error("a request could not be signed")]
    Signing(#[from] SigningError),
    /// The target cannot be used.
    #[error("it cannot be reached")]
    Upstream(#[from] UpstreamError),
    /// The answer broke off.
    #[error("its answer broke off")]
    Answer(#[from] BodyError),
    /// Even the plainest way is closed.
    #[error(
        "it answers {answer} to {what}: its credential must be allowed to put, get and delete `{bucket}/{prefix}/*`"
    )]
    Refused {
        /// What was tried.
        what: &'static str,
        /// Status and code.
        answer: String,
        /// The bucket's name there.
        bucket: String,
        /// What the keys begin with.
        prefix: String,
    },
    /// It is too busy to say anything about itself.
    #[error("it answers {0}")]
    Busy(String),
    /// Bytes went in and others came out.
    #[error("what it gives back is not what was put: do not use it")]
    Altered,
    /// It cannot be recorded.
    #[error("it cannot be recorded")]
    Unrecorded(#[from] AuditUnavailable),
    /// We are told to stop.
    #[error("there was no time left for it")]
    Stopped,
    /// All of it took too long.
    #[error("it takes longer than {0:?}")]
    TimedOut(Duration),
}

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
/// deletes.
///
/// # Errors
/// [`CanaryError`] if it could not be found out; what was stored is deleted then, too, as far as that is possible.
pub(crate) async fn run(
    line: Line<'_>,
    place: &Place,
    stop: &CancellationToken,
) -> Result<Finding, CanaryError> {
    let mut canary = Canary {
        place,
        id: crate::audit::new_id(line.clock).to_string(),
        line,
        count: 0,
        stored: Vec::new(),
        doubtful: None,
    };
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

struct Canary<'a> {
    line: Line<'a>,
    place: &'a Place,
    id: String,
    count: usize,
    /// What is there, or may be.
    stored: Vec<Stored>,
    /// A key that is being put.
    doubtful: Option<String>,
}

#[derive(Clone)]
struct Stored {
    key: String,
    version: Option<String>,
}

/// What the target said.
struct Told {
    status: u16,
    code: Option<String>,
    version: Option<String>,
    body: Bytes,
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
    fn key(&mut self) -> String {
        self.count += 1;
        format!("{}/{}-{}", self.place.prefix, self.id, self.count)
    }

    async fn put(&mut self, key: &str, payload: OutgoingPayload, new: bool) -> Result<Told, CanaryError> {
        // Noted first: if this is given up half-way, the object may be there all the same.
        self.doubtful = Some(key.to_owned());
        let condition = new.then(|| ("if-none-match", "*".to_owned()));
        let told = self.send("PUT", key, None, condition, payload).await?;
        self.doubtful = None;
        if told.is_success() || told.status >= 500 {
            self.stored.push(Stored {
                key: key.to_owned(),
                version: told.version.clone(),
            });
        }
        Ok(told)
    }

    async fn reads(&mut self, key: &str, expected: &Bytes) -> Result<bool, CanaryError> {
        let told = self.send("GET", key, None, None, nothing()).await?;
        match told.status {
            200 => Ok(told.body == *expected),
            _ => Err(self.refused("reading it again", &told)),
        }
    }

    async fn is_absent(&mut self, key: &str) -> Result<bool, CanaryError> {
        let told = self.send("HEAD", key, None, None, nothing()).await?;
        // Without the right to list, what is not there is forbidden.
        let absent = matches!(told.status, 403 | 404);
        if !absent {
            self.doubtful = Some(key.to_owned());
            self.note_doubtful();
        }
        Ok(absent)
    }

    fn note_doubtful(&mut self) {
        let version = None;
        self.stored
            .extend(self.doubtful.take().map(|key| Stored { key, version }));
    }

    /// Deletes what was stored, as far as that goes.
    async fn clear(&mut self) {
        self.note_doubtful();
        let mut at = 0;
        while let Some(Stored { key, version }) = self.stored.get(at).cloned() {
            match self.delete(&key, version.as_deref()).await {
                true => drop(self.stored.remove(at)),
                false => at += 1,
            }
        }
    }

    async fn delete(&self, key: &str, version: Option<&str>) -> bool {
        let told = self.send("DELETE", key, version, None, nothing()).await;
        let gone = |told: Result<Told, CanaryError>| told.is_ok_and(|t| t.is_success() || t.status == 404);
        // Who may not delete versions can at least keep it from being listed.
        gone(told) || (version.is_some() && gone(self.send("DELETE", key, None, None, nothing()).await))
    }

    async fn send(
        &self,
        method: &'static str,
        key: &str,
        version: Option<&str>,
        condition: Option<(&'static str, String)>,
        payload: OutgoingPayload,
    ) -> Result<Told, CanaryError> {
        let line = &self.line;
        let credential = line.credentials.get().await?;
        let request = OwnRequest {
            method,
            bucket: &self.place.bucket,
            key,
            version,
            condition,
            payload,
        };
        let signed = line
            .signer
            .sign_own(line.target, request, &credential, line.clock.now())?;
        let answer = line.upstream.send(signed).await?;
        let status = answer.head.status.as_u16();
        let version = answer.head.headers.get("x-amz-version-id");
        let version = version.and_then(|version| version.to_str().ok());
        let version = version.filter(|version| *version != "null").map(str::to_owned);
        let body = read(answer.body).await?;
        let code = Some(status).filter(|status| *status >= 300);
        let code = code
            .and_then(|_| documents::parse_target_error(&body))
            .map(|(code, _)| code);
        Ok(Told {
            status,
            code,
            version,
            body,
        })
    }

    fn refused(&self, what: &'static str, told: &Told) -> CanaryError {
        match told.is_busy() {
            true => CanaryError::Busy(told.answer()),
            false => CanaryError::Refused {
                what,
                answer: told.answer(),
                bucket: self.place.bucket.to_string(),
                prefix: self.place.prefix.to_string(),
            },
        }
    }
}

impl Told {
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// An answer about the moment and not about the request.
    fn is_busy(&self) -> bool {
        matches!(self.status, 408 | 429 | 502 | 503 | 504)
    }

    fn answer(&self) -> String {
        match &self.code {
            Some(code) => format!("{} `{}`", self.status, code.escape_debug()),
            None => self.status.to_string(),
        }
    }
}

/// A body of at most [`LARGEST_ANSWER`] bytes; what is longer is cut, and equals nothing that was put.
async fn read(mut body: Body) -> Result<Bytes, BodyError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > LARGEST_ANSWER {
            break;
        }
    }
    Ok(bytes.freeze())
}

fn crc32(bytes: &[u8]) -> Vec<u8> {
    payload::checksum_of(ChecksumAlgorithm::Crc32, bytes).unwrap_or_default()
}

fn nothing() -> OutgoingPayload {
    OutgoingPayload {
        length: None,
        ..raw(Bytes::new())
    }
}

fn raw(bytes: Bytes) -> OutgoingPayload {
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
