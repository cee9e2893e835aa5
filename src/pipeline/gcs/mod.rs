//! One request of the JSON API, top to bottom: the same stages in the same order as one of S3, by the same policies.

mod answered;
mod batch;
mod handles;
mod lanes;
mod permissions;
mod room;
mod uploads;

pub(super) use room::BatchRoom;

use super::documents::{DOCUMENT_TIME, in_time};
use super::{Caller, NO_TARGET, Pipeline, answers, target_info};
use crate::audit::{TargetIds, Trail};
use crate::authn::{AuthnError, Claim, Principal};
use crate::authz::{NotPermitted, Permit};
use crate::body::Body;
use crate::config::Profile;
use crate::credentials::{Credential, Scope};
use crate::dialect::gcs::{self, Draft, answer, error::GcsError, forward, packed::Unpacked};
use crate::dialect::s3::payload::next_frame;
use crate::error::Error;
use crate::generation::{Generation, TargetSide};
use crate::listener::Connection;
use crate::operation::gcs::{Call, Method, Sending};
use crate::operation::{ObjectName, Protocol};
use crate::signing::{OutgoingPayload, Stamp};
use answer::{Addressee, Destination};
use bytes::{Bytes, BytesMut};
use http::{Response, request::Parts};
use http_body::Body as _;
use hyper::body::Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

impl Pipeline {
    /// What [`Pipeline::proxy`](super::Pipeline) is for S3.
    pub(super) async fn call_json_api(
        &self,
        generation: &Generation,
        connection: &Connection,
        head: Parts,
        body: Incoming,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        trail.protocol(Protocol::Gcs);
        let asked = gcs::Head::of(&head);
        glimpsed(trail, asked);
        // Parse: what is being asked, and who says so?
        let claim = gcs::claim(&head.headers)?;
        trail.claim(&claim, None);
        let parsed = if gcs::batch::is_batch(asked.path) {
            trail.call("gcs", BATCH, false);
            Parsed::Batch
        } else if gcs::upload::is_upload(asked.path) {
            Parsed::Upload(gcs::upload::Asked::parse(asked)?)
        } else {
            Parsed::Call(gcs::parse(asked)?, gcs::upload::is_packed(asked.headers)?)
        };
        // Authenticate: is the claim true?
        let principal = self.bearer(generation, &claim).await?;
        trail.principal(&principal);
        let origin = gcs::origin(&head).unwrap_or_default();
        let caller = Caller {
            connection,
            principal: &principal,
            url: &origin,
            protocol: Protocol::Gcs,
        };
        let (draft, packed) = match parsed {
            Parsed::Batch => {
                return Box::pin(self.batch(generation, (caller, &claim), (&head, body), trail)).await;
            }
            Parsed::Upload(upload) => {
                let stall = generation.config.server.stall_timeout;
                let answer = self.upload(stall, (caller, &claim), upload, body, trail).await?;
                return Ok(gcs::sessions::without_308(&head.headers, answer));
            }
            Parsed::Call(draft, packed) => (draft, packed),
        };
        // Complete: some calls name their objects in a document.
        let stall = generation.config.server.stall_timeout;
        let mut body = Unpacked::new(body, packed);
        let call = match draft {
            Draft::Ready(call) if body.is_end_stream() => {
                return self.perform_call(generation, caller, call, trail).await;
            }
            Draft::Ready(call) => {
                document(&mut body, 0, stall, trail).await?;
                call
            }
            Draft::Document(draft) => {
                let bytes = document(&mut body, draft.limit(), stall, trail).await?;
                draft.complete(&bytes)?
            }
        };
        let admitted = self.admitted(connection, &claim, trail).await?;
        let caller = Caller {
            principal: &admitted.principal,
            ..caller
        };
        self.perform_call(&admitted.generation, caller, call, trail).await
    }

    /// Whose bearer token it is.
    async fn bearer(&self, generation: &Generation, claim: &Claim) -> Result<Principal, AuthnError> {
        match claim {
            Claim::Bearer(token) => generation.authenticate_bearer(token, self.clock.now()).await,
            Claim::Anonymous | Claim::Signature(_) => Err(AuthnError::Anonymous),
        }
    }

    /// What an authenticated caller asks for, once it is complete.
    async fn perform_call(
        &self,
        generation: &Generation,
        caller: Caller<'_>,
        call: Call,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        // Open: what a caller came back with says whose it is.
        let handles = caller.handles(generation, self.clock.now());
        let (call, opened) = handles::open(call, &handles, &generation.config);
        let probed = probed(&call);
        let permit = match self.permitted(generation, caller, call, opened.is_ok(), trail) {
            Ok(permit) => permit,
            // AUZ-15: what the caller's own listing would show is told as in S3.
            Err(denial) => {
                return Err(Box::pin(self.explained(generation, caller, probed, denial, trail)).await);
            }
        };
        opened?;
        answers::check_names(permit.bucket(), objects(permit.operation()))?;
        if let Some(answer) = self.without_target(generation, caller, &permit)? {
            return Ok(answer);
        }
        let side = gcs_side(generation, &permit, caller.url)?;
        let to = Addressee {
            origin: caller.url,
            handles: &handles,
        };
        // Boxed, as for S3: it is most of the future.
        let answer = Box::pin(self.forward_call(side, (caller.principal, &permit), to, trail)).await;
        answered::made(&permit, caller.url, answer)
    }

    /// Authorize: does the bucket's policy allow it? Allowed or denied, the trail keeps the reasons.
    fn permitted(
        &self,
        generation: &Generation,
        caller: Caller<'_>,
        call: Call,
        opened: bool,
        trail: &mut Trail,
    ) -> Result<Permit<Call>, NotPermitted> {
        trail.json_call(&call);
        let circumstances = caller.circumstances(self.clock.now());
        let started = Instant::now();
        let decision = generation
            .policies
            .authorize_call(caller.principal, call, &circumstances);
        if decision.is_err() || opened {
            answers::decided_call(trail, &decision, generation, started.elapsed(), &self.metrics);
        }
        decision
    }

    /// Re-sign and stream; a second time if Google no longer takes our token and there is another one (CRD-03).
    async fn forward_call(
        &self,
        side: &TargetSide,
        (principal, permit): (&Principal, &Permit<Call>),
        to: Addressee<'_>,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let bucket = permit.bucket().ok_or(NO_TARGET)?;
        let way = (side, Scope::of(principal, permit));
        let payload = || forward::payload(permit.operation(), bucket);
        let (answer, again) = self.attempt_call(way, permit, payload()?, to, trail).await?;
        if !again {
            return answer;
        }
        tracing::info!(store = %side.target.name, "the access token was refused; once more with another one");
        let (answer, _) = self.attempt_call(way, permit, payload()?, to, trail).await?;
        answer
    }

    /// One request with the credential that there is, and whether it was refused for that one and there is another.
    ///
    /// # Errors
    /// There is no credential.
    async fn attempt_call(
        &self,
        (side, scope): (&TargetSide, Scope<'_>),
        permit: &Permit<Call>,
        payload: OutgoingPayload,
        to: Addressee<'_>,
        trail: &mut Trail,
    ) -> Result<(Result<Response<Body>, Error>, bool), Error> {
        let credential = side.credentials.get(scope).await?;
        let answer = self
            .exchange_call(side, permit, payload, &credential, to, trail)
            .await;
        let again = match &answer {
            Ok(_) => {
                side.credentials.worked(&credential);
                false
            }
            Err(Error::GcsTarget(refusal)) if refusal.blames_credential => {
                side.credentials.invalidate(scope, &credential, "authError").await
            }
            Err(_) => false,
        };
        Ok((answer, again))
    }

    /// One request to the target and its answer.
    async fn exchange_call(
        &self,
        side: &TargetSide,
        permit: &Permit<Call>,
        payload: OutgoingPayload,
        credential: &Arc<Credential>,
        to: Addressee<'_>,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let stamp = Stamp {
            request_id: trail.request_id(),
            attribution: trail.attribution(),
        };
        let asked = self.clock.now();
        let sum = payload.sum.clone();
        let signed = side.signer.sign_call(permit, payload, credential, stamp)?;
        trail.target(target_info(&side.target, credential));
        trail.sending();
        let answer = side.upstream.send(signed).await?;
        let (status, headers) = (answer.head.status, &answer.head.headers);
        if let Some(date) = super::header_text(headers, "date") {
            side.drift.saw_date(date, asked, self.clock.now());
        }
        let goes_on = permit.operation().sending().is_some_and(Sending::may_go_on);
        trail.answered(
            status.as_u16(),
            match goes_on {
                // What Google calls a request is here what it calls the upload, which is a key to it (AUD-05).
                true => TargetIds::default(),
                false => TargetIds::of(side.target.profile, headers),
            },
        );
        let request_id = trail.request_id().to_string();
        let to = Destination {
            permit,
            addressee: to,
            request_id: &request_id,
            sent: sum.and_then(|sum| sum.get().copied()),
        };
        answer::relay(answer, to).await
    }
}

/// What a batch is called in records. It is no method: its calls are.
const BATCH: &str = "batch";

/// What a request asks, as far as its head says.
enum Parsed {
    /// Calls, each of which is parsed on its own.
    Batch,
    Upload(gcs::upload::Asked),
    /// And whether its document comes compressed.
    Call(Draft, bool),
}

/// Puts into the record what the head of a request says, also if it is refused for it.
fn glimpsed(trail: &mut Trail, head: gcs::Head<'_>) {
    trail.protocol(Protocol::Gcs);
    let (method, resource) = gcs::glimpse(head);
    if let Some(method) = method {
        trail.call("gcs", method.id(), method.is_read_only());
    }
    if let Some(resource) = &resource {
        answers::addressed(trail, resource);
    }
}

/// The object that may be probed for: its live version is read, or asked for.
fn probed(call: &Call) -> Option<ObjectName> {
    let live = call.parameter("generation").is_none() && !call.says("softDeleted");
    let reads = call.method() == Method::ObjectsGet && live;
    call.object().filter(|_| reads).cloned()
}

/// Every object that a call names.
fn objects(call: &Call) -> impl Iterator<Item = &ObjectName> {
    call.object()
        .into_iter()
        .chain(call.sources().iter().map(|source| &source.object))
}

/// The target's side, if it speaks the JSON API.
///
/// # Errors
/// `notImplemented` for a bucket in an S3 store, with the way to it.
fn gcs_side<'g>(
    generation: &'g Generation,
    permit: &Permit<Call>,
    origin: &str,
) -> Result<&'g TargetSide, Error> {
    let bucket = permit.bucket().ok_or(NO_TARGET)?;
    if bucket.target.profile != Profile::Gcs {
        return Err(in_an_s3_store(bucket.name.as_str(), origin).into());
    }
    let side = generation.targets.get(&bucket.target.name);
    side.map(|side| &**side).ok_or(NO_TARGET)
}

/// What a caller hears who asks in Google's words for what is elsewhere.
fn in_an_s3_store(bucket: &str, origin: &str) -> GcsError {
    GcsError::not_implemented(format!(
        "the bucket `{bucket}` is in an S3 store, and Google's API is not translated for it: use the S3 API at {origin}, as \
         s3://{bucket} or s3a://{bucket}, with the same identity"
    ))
}

/// A small body, whole.
///
/// # Errors
/// `uploadTooLarge` beyond `limit` bytes, and [`Error::Payload`] if it breaks off or takes too long.
async fn document(
    body: &mut Unpacked<Incoming>,
    limit: usize,
    stall: Duration,
    trail: &Trail,
) -> Result<Bytes, Error> {
    let counter = trail.bytes_in();
    let reading = gathered(body, limit, stall, &counter, |_| Ok(()));
    Box::pin(in_time(DOCUMENT_TIME, reading, Error::Payload)).await
}

/// The same, in whatever time. `counter` gets the bytes as they come, `room` is asked about them first.
async fn gathered(
    body: &mut Unpacked<Incoming>,
    limit: usize,
    stall: Duration,
    counter: &AtomicU64,
    mut room: impl FnMut(usize) -> Result<(), GcsError>,
) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = next_frame(body, stall).await.map_err(Error::Payload)? {
        if whole.len() + frame.len() > limit {
            return Err(match limit {
                0 => GcsError::invalid("this method takes no body").into(),
                _ => GcsError::too_large(format!("the body has more than {limit} bytes")).into(),
            });
        }
        room(frame.len())?;
        counter.fetch_add(frame.len() as u64, Ordering::Relaxed);
        whole.extend_from_slice(&frame);
    }
    Ok(whole.freeze())
}
