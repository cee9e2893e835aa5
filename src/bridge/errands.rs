//! What a canary does at its target: put, read and delete, and remember what has to be deleted.

use super::CanaryError;
use super::canary::{Canary, Stored, nothing};
use crate::audit::{TargetIds, Trail};
use crate::body::{Body, BodyError};
use crate::config::Profile;
use crate::credentials::Scope;
use crate::dialect::s3::documents;
use crate::signing::{OutgoingPayload, OwnRequest, Stamp};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

/// Most of an answer that is read: the large payload with any framing around it.
const LARGEST_ANSWER: usize = 256 << 10;

/// What the target said.
pub(super) struct Told {
    pub(super) status: u16,
    code: Option<String>,
    version: Option<String>,
    body: Bytes,
}

impl Canary<'_> {
    /// Puts an object, if wanted only where there is none.
    pub(super) async fn put(
        &mut self,
        key: &str,
        payload: OutgoingPayload,
        new: bool,
    ) -> Result<Told, CanaryError> {
        // Noted first: if this is given up half-way, the object may be there all the same.
        self.doubtful = Some(key.to_owned());
        let condition = new.then(|| match self.line.target.profile {
            Profile::Aws | Profile::Plain => ("if-none-match", "*".to_owned()),
            Profile::Gcs => ("x-goog-if-generation-match", "0".to_owned()),
        });
        let told = self.send("PUT", key, &[], condition, payload).await?;
        self.doubtful = None;
        if told.is_success() || told.status >= 500 {
            self.stored.push(Stored {
                key: key.to_owned(),
                version: told.version.clone(),
            });
        }
        Ok(told)
    }

    /// Whether an object is what was put.
    pub(super) async fn reads(&mut self, key: &str, expected: &Bytes) -> Result<bool, CanaryError> {
        let told = self.ask("GET", key, &[]).await?;
        match told.status {
            200 => Ok(told.body == *expected),
            _ => Err(self.refused("reading it again", &told)),
        }
    }

    /// Whether there is no such object.
    pub(super) async fn is_absent(&mut self, key: &str) -> Result<bool, CanaryError> {
        let told = self.ask("HEAD", key, &[]).await?;
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
    pub(super) async fn clear(&mut self) {
        self.note_doubtful();
        let mut at = 0;
        while let Some(Stored { key, version }) = self.stored.get(at).cloned() {
            match self.delete(&key, version.as_deref()).await {
                true => drop(self.stored.remove(at)),
                false => at += 1,
            }
        }
    }

    /// Deletes an object that was put, and says how that went.
    pub(super) async fn delete_noted(&mut self, key: &str) -> Result<Told, CanaryError> {
        let version = self.stored.iter().find(|stored| stored.key == key);
        let version = version.and_then(|stored| stored.version.clone());
        let query: Vec<_> = version.iter().map(|version| ("versionId", &**version)).collect();
        let told = self.ask("DELETE", key, &query).await?;
        if told.is_success() {
            self.stored.retain(|stored| stored.key != key);
        }
        Ok(told)
    }

    async fn delete(&mut self, key: &str, version: Option<&str>) -> bool {
        let query: Vec<_> = version.iter().map(|version| ("versionId", *version)).collect();
        let told = self.ask("DELETE", key, &query).await;
        let gone = |told: Result<Told, CanaryError>| told.is_ok_and(|t| t.is_success() || t.status == 404);
        // Who may not delete versions can at least keep it from being listed.
        gone(told) || (version.is_some() && gone(self.ask("DELETE", key, &[]).await))
    }

    /// A request without a body; with an empty key, on the bucket.
    pub(super) async fn ask(
        &mut self,
        method: &'static str,
        key: &str,
        query: &[(&'static str, &str)],
    ) -> Result<Told, CanaryError> {
        self.send(method, key, query, None, nothing()).await
    }

    async fn send(
        &mut self,
        method: &'static str,
        key: &str,
        query: &[(&'static str, &str)],
        condition: Option<(&'static str, String)>,
        payload: OutgoingPayload,
    ) -> Result<Told, CanaryError> {
        let line = &self.line;
        let credential = line.credentials.get(Scope::own()).await?;
        let request = OwnRequest {
            method,
            bucket: &self.place.bucket,
            key,
            query,
            condition,
            payload,
        };
        let stamp = Stamp {
            request_id: self.id,
            attribution: self.trail.as_deref().map_or("tidegate", Trail::attribution),
        };
        let signed = line
            .signer
            .sign_own(line.target, request, &credential, stamp, line.clock.now())?;
        if let Some(trail) = self.trail.as_deref_mut() {
            trail.sending();
        }
        let answer = line.upstream.send(signed).await?;
        if let Some(trail) = self.trail.as_deref_mut() {
            let ids = TargetIds::of(Profile::Plain, &answer.head.headers);
            trail.answered(answer.head.status.as_u16(), ids);
        }
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

    /// What it means that the plainest thing did not work.
    pub(super) fn refused(&self, what: &'static str, told: &Told) -> CanaryError {
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
    /// The target's code, if it refused and gave one.
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What it sent.
    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// An answer about the moment and not about the request.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.status, 408 | 429 | 502 | 503 | 504)
    }

    pub(super) fn answer(&self) -> String {
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
