//! Resumable uploads. The address of a session is a credential here, as at Google: whoever has it needs no other. That is what
//! makes a leak of one visible in a test.
//!
//! Bytes are kept in blocks of 256 KiB. What a broken connection had sent beyond the last whole block is forgotten.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/performing-resumable-uploads>

use super::conditions;
use super::faults::Inbound;
use super::intake::{BLOCK, Expected, Intake};
use super::members;
use super::object::Object;
use super::request;
use super::settings::{Draft, Settings};
use super::uploads::{Destination, INSERT};
use super::{Answer, Call, Refusal, Shared};
use aws_lc_rs::rand;
use data_encoding::BASE64URL_NOPAD;
use http::{Method, StatusCode, header};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Bytes of the document that begins a session.
const MAX_DOCUMENT: usize = 256 << 10;
/// As at Google, a session ends after a week.
const LIFETIME: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

/// An upload that was begun.
pub(super) struct Session {
    bucket: String,
    ends: jiff::Timestamp,
    /// Ends the request that works on it: a later one takes over.
    turn: Mutex<CancellationToken>,
    state: tokio::sync::Mutex<State>,
}

enum State {
    Open(Box<Upload>),
    Done(Box<Object>, bool),
    Gone,
}

struct Upload {
    to: Destination,
    /// `X-Upload-Content-Length`.
    announced: Option<u64>,
    intake: Intake,
}

/// What `Content-Range` says of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// `bytes */TOTAL`, `bytes */*`: nothing; what is there is asked for.
    Query { total: Option<u64> },
    /// `bytes FIRST-LAST/TOTAL`, each of the latter two of which may be `*`.
    Bytes {
        first: u64,
        last: Option<u64>,
        total: Option<u64>,
    },
}

impl Shared {
    /// Begins a session.
    pub(super) async fn begin(
        &self,
        call: &Call,
        bucket: &str,
        body: &mut Inbound,
    ) -> Result<Answer, Refusal> {
        let members = members::members(&call.headers, &body.document(MAX_DOCUMENT).await?)?;
        let mut draft = Draft::read(&members, bucket, Settings::default())?;
        let kind = &mut draft.settings.content_type;
        let announced_kind = request::text(&call.headers, "x-upload-content-type");
        *kind = kind.take().or(announced_kind.map(str::to_owned));
        let announced = match request::text(&call.headers, "x-upload-content-length") {
            Some(text) => Some(
                text.parse()
                    .map_err(|_| Refusal::invalid("Invalid X-Upload-Content-Length"))?,
            ),
            None => None,
        };
        let to = self.destination(call, bucket, draft)?;
        let mut random = [0; 48];
        rand::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
        let id = format!("ABg5{}", BASE64URL_NOPAD.encode(&random));
        let ends = self.shelf().now() + LIFETIME;
        let session = Session {
            bucket: bucket.to_owned(),
            ends,
            turn: Mutex::default(),
            state: tokio::sync::Mutex::new(State::Open(Box::new(Upload {
                to,
                announced,
                intake: self.intake().await?,
            }))),
        };
        let mut sessions = self.sessions();
        // What nobody asked for since is forgotten a while after its end.
        sessions.retain(|_, kept| ends < kept.ends + LIFETIME * 2);
        sessions.insert(id.clone(), Arc::new(session));
        drop(sessions);
        let query = call.uri.query().unwrap_or_default();
        let location = format!("{}{}?{query}&upload_id={id}", call.origin, call.uri.path());
        Ok(Answer::empty(StatusCode::OK)
            .with("location", location)
            .with("x-guploader-uploadid", id))
    }

    /// A request to the address of a session.
    pub(super) async fn resume(
        &self,
        call: &Call,
        bucket: &str,
        id: &str,
        body: &mut Inbound,
    ) -> Result<Answer, Refusal> {
        call.query
            .only(&["json"], &[&INSERT, &conditions::OBJECT, &["upload_id"]])?;
        let session = self.sessions().get(id).cloned();
        let session = session
            .filter(|session| session.bucket == bucket)
            .ok_or_else(|| Refusal::not_found("Upload session not found"))?;
        let gone = || Refusal::new(410, "gone", "The upload session is gone");
        let turn = CancellationToken::new();
        {
            let mut current = session.turn.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, turn.clone()).cancel();
        }
        let mut state = session.state.lock().await;
        if self.shelf().now() >= session.ends {
            *state = State::Gone;
        }
        if call.method == Method::DELETE {
            if matches!(*state, State::Gone) {
                return Err(gone());
            }
            *state = State::Gone;
            let status = StatusCode::from_u16(499).map_err(io::Error::other)?;
            return Ok(Answer::empty(status));
        }
        let upload = match &mut *state {
            State::Open(upload) => upload,
            State::Done(object, full) => return Ok(self.told(call, bucket, object, *full)),
            State::Gone => return Err(gone()),
        };
        let chunk = Chunk::read(call)?;
        let received = upload.receive(chunk, body, &turn).await;
        if received.is_err() {
            upload.intake.forget_pending();
        }
        if !received? {
            return Ok(incomplete(upload.intake.persisted()));
        }
        let expected = Expected::read(&call.headers, None, None)?;
        // Whether it becomes an object or not, it is the session's end.
        let State::Open(upload) = std::mem::replace(&mut *state, State::Gone) else {
            return Err(gone());
        };
        let Upload { mut to, intake, .. } = *upload;
        to.expected = to.expected.and(&expected)?;
        let object = self.commit(&to, intake).await?;
        let answer = self.told(call, bucket, &object, to.full);
        *state = State::Done(Box::new(object), to.full);
        Ok(answer)
    }
}

impl Upload {
    /// Takes a chunk. Answers whether it was the last.
    async fn receive(
        &mut self,
        chunk: Chunk,
        body: &mut Inbound,
        turn: &CancellationToken,
    ) -> Result<bool, Refusal> {
        let persisted = self.intake.persisted();
        let total = match chunk {
            Chunk::Query { total } | Chunk::Bytes { total, .. } => total,
        };
        if let (Some(announced), Some(total)) = (self.announced, total)
            && announced != total
        {
            let message =
                format!("Invalid request. The total size {total} is not the announced {announced}.");
            return Err(Refusal::invalid(message));
        }
        let Chunk::Bytes { first, last, total } = chunk else {
            if body.next().await?.is_some() {
                return Err(Refusal::invalid("Invalid request. A status query has no body."));
            }
            return Ok(total == Some(persisted));
        };
        if first > persisted {
            let message = format!(
                "Invalid request. According to the Content-Range header, the upload offset is {first} byte(s), which \
                 exceeds already uploaded size of {persisted} byte(s)."
            );
            return Err(Refusal::new(503, "backendError", message));
        }
        let declared = last.map(|last| last.saturating_sub(first).saturating_add(1));
        let is_last = match (last, total) {
            (Some(last), Some(total)) => last.saturating_add(1) == total,
            (Some(_), None) => false,
            (None, _) => true,
        };
        if let Some(declared) = declared
            && !is_last
            && declared % BLOCK as u64 != 0
        {
            let message = format!(
                "Invalid request. The number of bytes uploaded is required to be equal or greater than 262144, except \
                 for the final request, and a multiple of it: {declared}."
            );
            return Err(Refusal::invalid(message));
        }
        let mut position = first;
        loop {
            let data = tokio::select! {
                biased;
                () = turn.cancelled() => return Err(Refusal::Cut),
                data = body.next() => data?,
            };
            let Some(data) = data else { break };
            // What is there already is not taken twice.
            let known = usize::try_from(persisted.saturating_sub(position)).unwrap_or(usize::MAX);
            position += data.len() as u64;
            self.intake.take(data.get(known..).unwrap_or_default()).await?;
        }
        let taken = position - first;
        if declared.is_some_and(|declared| declared != taken) {
            let message = format!(
                "Invalid request.  There were {taken} byte(s) in the request body.  There should have been {} byte(s) \
                 according to the Content-Range header.",
                declared.unwrap_or_default()
            );
            return Err(Refusal::invalid(message));
        }
        let size = self.intake.size();
        let wanted = total.or(self.announced);
        if is_last && wanted.is_some_and(|wanted| wanted != size) {
            let message = format!(
                "Invalid request. The upload has {size} byte(s) of {}.",
                wanted.unwrap_or_default()
            );
            return Err(Refusal::invalid(message));
        }
        Ok(is_last)
    }
}

impl Chunk {
    /// # Errors
    /// What is no such header.
    fn read(call: &Call) -> Result<Self, Refusal> {
        let Some(range) = request::text(&call.headers, header::CONTENT_RANGE.as_str()) else {
            let total = request::text(&call.headers, header::CONTENT_LENGTH.as_str());
            return Ok(Self::Bytes {
                first: 0,
                last: None,
                total: total.and_then(|total| total.parse().ok()),
            });
        };
        Self::parse(range).ok_or_else(|| Refusal::invalid("Failed to parse Content-Range header."))
    }

    fn parse(range: &str) -> Option<Self> {
        let (bytes, total) = range.strip_prefix("bytes ")?.split_once('/')?;
        let total = number_or_any(total)?;
        if bytes == "*" {
            return Some(Self::Query { total });
        }
        let (first, last) = bytes.split_once('-')?;
        let (first, last) = (number_or_any(first)??, number_or_any(last)?);
        let ordered = last.is_none_or(|last| first <= last && total.is_none_or(|total| last < total));
        ordered.then_some(Self::Bytes { first, last, total })
    }
}

/// `*` is any number.
fn number_or_any(text: &str) -> Option<Option<u64>> {
    if text == "*" {
        return Some(None);
    }
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().map(Some)
}

/// 308: so much is there.
fn incomplete(persisted: u64) -> Answer {
    let answer = Answer::empty(StatusCode::PERMANENT_REDIRECT);
    match persisted.checked_sub(1) {
        Some(last) => answer.with("range", format!("bytes=0-{last}")),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_as_documented() {
        let check =
            |range: &str, expected: Option<Chunk>| assert_eq!(Chunk::parse(range), expected, "{range}");
        let bytes = |first, last, total| Some(Chunk::Bytes { first, last, total });
        check("bytes */*", Some(Chunk::Query { total: None }));
        check("bytes */7", Some(Chunk::Query { total: Some(7) }));
        check("bytes 0-6/7", bytes(0, Some(6), Some(7)));
        check("bytes 0-6/*", bytes(0, Some(6), None));
        check("bytes 0-*/*", bytes(0, None, None));
        check("bytes 3-*/7", bytes(3, None, Some(7)));
        check("bytes 0-7/7", None);
        check("bytes 6-3/7", None);
        check("bytes -6/7", None);
        check("bytes +0-6/7", None);
        check("bytes 0-6", None);
        check("0-6/7", None);
    }
}
