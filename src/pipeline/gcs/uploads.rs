//! Uploads of the JSON API, top to bottom.
//!
//! What names the object comes first: the query, the metadata, or the address that we gave out. Once that is known and
//! decided, the bytes stream. Each request of an upload is a request like any other: its caller is authenticated, and what
//! was asked at the beginning is decided anew, so that an upload ends with the right to it.

use super::super::documents::{DOCUMENT_TIME, in_time};
use super::super::{Caller, Pipeline, answers};
use super::{document, gcs_side, handles};
use crate::audit::Trail;
use crate::authn::Claim;
use crate::authz::Permit;
use crate::body::Body;
use crate::credentials::Scope;
use crate::dialect::gcs::answer::Addressee;
use crate::dialect::gcs::documents::{self, ObjectFields};
use crate::dialect::gcs::error::GcsError;
use crate::dialect::gcs::forward;
use crate::dialect::gcs::hash::{Checked, Hashes};
use crate::dialect::gcs::multipart::{Media, read_related};
use crate::dialect::gcs::packed::Unpacked;
use crate::dialect::gcs::upload::Asked;
use crate::dialect::s3::payload;
use crate::error::Error;
use crate::generation::TargetSide;
use crate::operation::gcs::{Call, Sending};
use crate::signing::OutgoingPayload;
use http::Response;
use hyper::body::Incoming;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The bytes of an object, where they come from.
enum Source {
    /// The body of the request.
    Request(Unpacked<Incoming>),
    /// The second part of one.
    Part(Box<Media<Unpacked<Incoming>>>),
}

impl Pipeline {
    /// One upload, or one request of it.
    pub(super) async fn upload(
        &self,
        stall: Duration,
        (caller, claim): (Caller<'_>, &Claim),
        asked: Asked,
        body: Incoming,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        // Complete: what is it called, and what is said of it?
        let (upload, handle, source) = match asked {
            Asked::Media(insertion) => (
                insertion.media()?,
                None,
                Source::Request(Unpacked::new(body, false)),
            ),
            Asked::Related(insertion, boundary) => {
                let body = Unpacked::new(body, insertion.packed);
                let reading = in_time(DOCUMENT_TIME, read_related(body, &boundary, stall), |late| late);
                let related = Box::pin(reading).await.map_err(Error::Payload)?;
                let fields = ObjectFields::parse(&related.metadata).map_err(GcsError::from)?;
                let length = related.media.length();
                let upload = insertion.related(fields, related.media_type, length)?;
                (upload, None, Source::Part(Box::new(related.media)))
            }
            Asked::Begin(insertion) => {
                let mut body = Unpacked::new(body, insertion.packed);
                let bytes = document(&mut body, documents::LIMIT, stall, trail).await?;
                let fields = ObjectFields::parse(&bytes).map_err(GcsError::from)?;
                (insertion.begun(fields)?, None, Source::Request(body))
            }
            Asked::Step(step) => {
                let mut body = Unpacked::new(body, false);
                if !step.upload.call.sending().is_some_and(has_bytes) {
                    document(&mut body, 0, stall, trail).await?;
                }
                (step.upload, Some(step.handle), Source::Request(body))
            }
        };
        let admitted = self.admitted(caller.connection, claim, trail).await?;
        let generation = &*admitted.generation;
        let caller = Caller {
            principal: &admitted.principal,
            ..caller
        };
        // Open: whose upload is it, and what was asked when it began?
        let opener = caller.handles(generation, self.clock.now());
        let (call, opened) = match &handle {
            Some(handle) => handles::open_session(upload.call, &opener, &generation.config, handle),
            None => (upload.call, Ok(())),
        };
        let permit = self.permitted(generation, caller, call, opened.is_ok(), trail)?;
        opened?;
        answers::check_names(permit.bucket(), permit.operation().object().into_iter())?;
        let side = gcs_side(generation, &permit, caller.url)?;
        let to = Addressee {
            origin: caller.url,
            handles: &opener,
        };
        let described = Described {
            hashes: upload.hashes,
            length: upload.length,
            stall,
        };
        match (permit.operation().sending(), source) {
            (Some(sending), Source::Request(body)) if has_bytes(sending) => {
                Box::pin(self.send_media(side, caller, &permit, (body, described), to, trail)).await
            }
            (Some(sending), Source::Part(media)) if has_bytes(sending) => {
                Box::pin(self.send_media(side, caller, &permit, (*media, described), to, trail)).await
            }
            // Of all others, everything was read.
            (_, Source::Request(_)) => {
                Box::pin(self.forward_call(side, (caller.principal, &permit), to, trail)).await
            }
            (_, Source::Part(_)) => Err(Error::Internal("a part of no upload")),
        }
    }

    /// Re-sign and stream. Object bytes come once, so there is no second time.
    async fn send_media<B: payload::Incoming>(
        &self,
        side: &TargetSide,
        caller: Caller<'_>,
        permit: &Permit<Call>,
        (body, described): (B, Described),
        to: Addressee<'_>,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let call = permit.operation();
        let scope = Scope::of(caller.principal, permit);
        // Of a part of an object there is nothing to hold the hashes of the object against: that is for the target.
        let whole = call.sending().is_some_and(Sending::is_whole);
        let held = if whole {
            described.hashes
        } else {
            Hashes::default()
        };
        let sum = Arc::new(OnceLock::new());
        let checked = Checked::new(
            body,
            held,
            described.length,
            Arc::clone(&sum),
            described.stall,
            trail.bytes_in(),
        );
        let payload = OutgoingPayload {
            sum: whole.then_some(sum),
            ..forward::media(call, checked.boxed(), described.length, described.hashes)?
        };
        // The next request has another token.
        let (answer, _) = self
            .attempt_call((side, scope), permit, payload, to, trail)
            .await?;
        answer
    }
}

/// What is declared of the bytes.
struct Described {
    hashes: Hashes,
    length: Option<u64>,
    stall: Duration,
}

/// Whether bytes of the object come, and not only words about them.
fn has_bytes(sending: &Sending) -> bool {
    matches!(sending, Sending::Whole { .. } | Sending::Chunk(_))
}
