//! A batch, call by call: each is decided, sent and recorded as if it had come on its own.
//!
//! It is never sent on as a batch: what Google does with a part that it reads otherwise than we do is not for a caller to
//! find out. A call that is denied is answered in its place, and the others go on. Each has its own record, with the id of
//! the request around it, so that every deletion has its evidence.

use super::lanes::in_lanes;
use super::{Caller, Pipeline, document, gcs, glimpsed};
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
use crate::pipeline::{View, answers, identified};
use bytes::Bytes;
use http::{HeaderMap, Response, header, request::Parts};
use hyper::body::Incoming;
use std::sync::atomic::{AtomicUsize, Ordering};
use ulid::Ulid;

/// Calls that are under way at a time.
const AT_ONCE: usize = 8;
/// Bytes that the answers may have together: they wait for each other.
const ROOM: usize = 32 << 20;

/// The request around the calls.
struct Outer<'a> {
    generation: &'a Generation,
    caller: Caller<'a>,
    claim: &'a Claim,
    around: Around<'a>,
    id: Ulid,
    user_agent: Option<&'a str>,
    room: AtomicUsize,
}

impl Pipeline {
    /// Answers a batch of an authenticated caller.
    pub(super) async fn batch(
        &self,
        generation: &Generation,
        caller: Caller<'_>,
        claim: &Claim,
        (head, body): (&Parts, Incoming),
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let boundary = batch::boundary(gcs::Head::of(head))?;
        let mut body = Unpacked::new(body, gcs::upload::is_packed(&head.headers)?);
        let bytes = document(&mut body, batch::LIMIT, generation.config.server.stall_timeout).await?;
        let parts = parse_batch(&bytes, &boundary).map_err(GcsError::from)?;
        batch::refuse_nested(&parts)?;
        // Whatever is asked of a bucket is decided call by call.
        trail.authenticated();
        let user_agent = head.headers.get(header::USER_AGENT);
        let outer = Outer {
            generation,
            caller,
            claim,
            around: Around {
                authorization: head.headers.get(header::AUTHORIZATION),
                domains: &generation.config.server.domains,
            },
            id: trail.request_id(),
            user_agent: user_agent.and_then(|agent| agent.to_str().ok()),
            room: AtomicUsize::new(ROOM),
        };
        let answers = in_lanes(AT_ONCE, parts.iter().map(|part| self.answer_part(&outer, part))).await;
        let (content_type, written) =
            write_batch(&answers).ok_or(Error::Internal("no random bytes for a boundary"))?;
        let mut response = Response::new(crate::body::full(written));
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        Ok(response)
    }

    /// One call, as [`Pipeline::serve`](crate::pipeline::Pipeline) answers one request.
    async fn answer_part(&self, outer: &Outer<'_>, part: &Part) -> Answer {
        let id = crate::audit::new_id(&self.clock);
        let request_id = id.to_string();
        let view = View::of_part(part, outer.user_agent);
        let response = match self.audit.begin(&view.arrival(outer.caller.connection, id)) {
            Ok(mut trail) => {
                trail.generation(&outer.generation.id);
                trail.part_of(outer.id);
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
        trail.principal(outer.caller.principal);
        let call = outer.around.call(part)?;
        self.perform_call(outer.generation, outer.caller, call, trail)
            .await
    }
}

impl Outer<'_> {
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
