//! A batch, call by call: each is decided, sent and recorded as if it had come on its own.
//!
//! It is never sent on as a batch: what Google does with a part that it reads otherwise than we do is not for a caller to
//! find out. A call that is denied is answered in its place, and the others go on. Each has its own record, with the id of
//! the request around it, so that every deletion has its evidence.

use super::lanes::in_lanes;
use super::room::Held;
use super::{Caller, Pipeline, gathered, gcs, glimpsed};
use crate::audit::Trail;
use crate::authn::Claim;
use crate::body::Body;
use crate::dialect::gcs::batch::{self, Around};
use crate::dialect::gcs::error::GcsError;
use crate::dialect::gcs::multipart::{Answer, Part, parse_batch, write_batch};
use crate::dialect::gcs::packed::Unpacked;
use crate::dialect::s3::response::whole;
use crate::error::Error;
use crate::generation::Generation;
use crate::operation::gcs::Answer as Kind;
use crate::pipeline::documents::{BATCH_TIME, in_time};
use crate::pipeline::{View, answers, identified};
use bytes::Bytes;
use http::{HeaderMap, Response, header, request::Parts};
use hyper::body::Incoming;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};
use ulid::Ulid;

/// Calls that are under way at a time.
const AT_ONCE: usize = 8;
/// Pages of listings that are under way at a time. Each may have 16 MiB and is taken apart whole: no batch has more of that
/// than a request on its own.
const PAGES_AT_ONCE: usize = 1;
/// Bytes that the answers may have together: they wait for each other.
const ROOM: usize = 32 << 20;

/// The request around the calls.
struct Outer<'a> {
    caller: Caller<'a>,
    claim: &'a Claim,
    around: Around<'a>,
    id: Ulid,
    user_agent: Option<&'a str>,
    room: AtomicUsize,
    pages: Semaphore,
}

impl Pipeline {
    /// Answers a batch of an authenticated caller.
    pub(super) async fn batch(
        &self,
        generation: &Generation,
        (caller, claim): (Caller<'_>, &Claim),
        (head, body): (&Parts, Incoming),
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let boundary = batch::boundary(gcs::Head::of(head))?;
        let mut body = Unpacked::new(body, gcs::upload::is_packed(&head.headers)?);
        let stall = generation.config.server.stall_timeout;
        let (counter, mut held) = (trail.bytes_in(), Held::default());
        let room = |bytes| self.batches.take(bytes, &mut held);
        let reading = gathered(&mut body, batch::LIMIT, stall, &counter, room);
        let bytes = Box::pin(in_time(BATCH_TIME, reading, Error::Payload)).await?;
        let admitted = self.admitted(caller.connection, claim, trail).await?;
        let parts = parse_batch(&bytes, &boundary).map_err(GcsError::from)?;
        batch::refuse_nested(&parts)?;
        // Whatever is asked of a bucket is decided call by call.
        trail.authenticated();
        let user_agent = head.headers.get(header::USER_AGENT);
        let outer = Outer {
            caller,
            claim,
            around: Around {
                authorization: head.headers.get(header::AUTHORIZATION),
                domains: &admitted.generation.config.server.domains,
            },
            id: trail.request_id(),
            user_agent: user_agent.and_then(|agent| agent.to_str().ok()),
            room: AtomicUsize::new(ROOM),
            pages: Semaphore::new(PAGES_AT_ONCE),
        };
        let answers = in_lanes(AT_ONCE, parts.iter().map(|part| self.answer_part(&outer, part))).await;
        // The calls are answered, so nothing of them is needed any more.
        drop((parts, bytes, held));
        let (content_type, written) =
            write_batch(&answers).ok_or(Error::Internal("no random bytes for a boundary"))?;
        let mut response = Response::new(crate::body::full(written));
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        Ok(response)
    }

    /// One call, as [`Pipeline::serve`](crate::pipeline::Pipeline) answers one request.
    async fn answer_part(&self, outer: &Outer<'_>, part: &Part) -> Answer {
        let _turn = outer.turn(part).await;
        let id = crate::audit::new_id(&self.clock);
        let request_id = id.to_string();
        let view = View::of_part(part, outer.user_agent);
        let response = match self.audit.begin(&view.arrival(outer.caller.connection, id)) {
            Ok(mut trail) => {
                trail.part_of(outer.id);
                trail
                    .bytes_in()
                    .fetch_add(part.body.len() as u64, Ordering::Relaxed);
                let metrics = self.metrics.clone();
                trail.observe(move |ended| answers::count(&metrics, ended));
                let outcome = Box::pin(self.perform_part(outer, part, &mut trail)).await;
                let response = outcome.unwrap_or_else(|error| view.refuse(&error, &request_id, &mut trail));
                trail.follow(response)
            }
            Err(error) => {
                tracing::error!(%request_id, %error, "refused: the access cannot be recorded");
                view.render(&Error::AuditUnavailable, &request_id)
            }
        };
        let (head, body) = identified(response, &request_id).into_parts();
        let held = whole(body).await.and_then(|body| outer.hold(body));
        let (status, headers, body) = match held {
            Ok(body) => (head.status, head.headers, body),
            Err(error) => {
                let (rendered, body) = view.render(&error, &request_id).into_parts();
                // It is a few hundred bytes in memory, which nothing can keep from being read.
                (
                    rendered.status,
                    rendered.headers,
                    whole(body).await.unwrap_or_default(),
                )
            }
        };
        Answer {
            content_id: part.content_id.clone(),
            status,
            headers: for_part(headers),
            body,
        }
    }

    async fn perform_part(
        &self,
        outer: &Outer<'_>,
        part: &Part,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        glimpsed(trail, gcs::Head::of_part(part));
        trail.claim(outer.claim, None);
        // Calls wait for each other: one is decided by what counts when its turn comes.
        let admitted = self.admitted(outer.caller.connection, outer.claim, trail).await?;
        let call = outer.around.call(part)?;
        let caller = Caller {
            principal: &admitted.principal,
            ..outer.caller
        };
        self.perform_call(&admitted.generation, caller, call, trail).await
    }
}

impl Outer<'_> {
    /// Waits until a call may be made, if it is one whose answer may be large.
    async fn turn(&self, part: &Part) -> Option<SemaphorePermit<'_>> {
        let (method, _) = gcs::glimpse(gcs::Head::of_part(part));
        match method?.row().answer {
            // It is never closed.
            Kind::Objects => self.pages.acquire().await.ok(),
            Kind::None | Kind::Nothing | Kind::Object | Kind::Rewrite | Kind::Setting => None,
        }
    }

    /// Keeps an answer until all are there.
    fn hold(&self, body: Bytes) -> Result<Bytes, Error> {
        let taken = |room: usize| room.checked_sub(body.len());
        match self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken) {
            Ok(_) => Ok(body),
            Err(_) => Err(GcsError::new(
                500,
                "internalError",
                "the answers of this batch are larger than 32 MiB: ask for this one on its own, or for smaller pages",
            )
            .into()),
        }
    }
}

impl View {
    /// Of a call in a batch.
    fn of_part(part: &Part, user_agent: Option<&str>) -> Self {
        Self {
            method: part.method.clone(),
            resource: part.path.clone().into(),
            user_agent: user_agent.map(str::to_owned),
            is_json_api: true,
            has_googles_hash: false,
        }
    }
}

/// The headers of an answer that mean something in a part.
fn for_part(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(header::CONNECTION);
    headers
}
