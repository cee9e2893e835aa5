//! Uploads of the JSON API, top to bottom.
//!
//! What names the object comes first: the query, the metadata, or the address that we gave out. Once that is known and
//! decided, the bytes stream. Each request of an upload is a request like any other: its caller is authenticated, and what
//! was asked at the beginning is decided anew, so that an upload ends with the right to it.

use super::super::{Caller, NO_TARGET, Pipeline, answers};
use super::{document, gcs_side, handles};
use crate::audit::Trail;
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
use crate::generation::{Generation, TargetSide};
use crate::operation::gcs::{Call, Sending};
use crate::signing::OutgoingPayload;
use http::Response;
use hyper::body::Incoming;
use std::sync::{Arc, OnceLock};

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
        generation: &Generation,
        caller: Caller<'_>,
        asked: Asked,
        body: Incoming,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        let stall = generation.config.server.stall_timeout;
        // Complete: what is it called, and what is said of it?
        let (upload, handle, source) = match asked {
            Asked::Media(insertion) => (
                insertion.media()?,
                None,
                Source::Request(Unpacked::new(body, false)),
            ),
            Asked::Related(insertion, boundary) => {
                let body = Unpacked::new(body, insertion.packed);
                let related = read_related(body, &boundary, stall)
                    .await
                    .map_err(Error::Payload)?;
                let fields = ObjectFields::parse(&related.metadata).map_err(GcsError::from)?;
                let length = related.media.length();
                let upload = insertion.related(fields, related.media_type, length)?;
                (upload, None, Source::Part(Box::new(related.media)))
            }
            Asked::Begin(insertion) => {
                let mut body = Unpacked::new(body, insertion.packed);
                let bytes = document(&mut body, documents::LIMIT, stall).await?;
                let fields = ObjectFields::parse(&bytes).map_err(GcsError::from)?;
                (insertion.begun(fields)?, None, Source::Request(body))
            }
            Asked::Step(step) => {
                let body = Unpacked::new(body, false);
                (step.upload, Some(step.handle), Source::Request(body))
            }
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
            (Some(Sending::Whole { .. } | Sending::Chunk(_)), Source::Request(body)) => {
                Box::pin(self.send_media(side, caller, &permit, (body, described), to, trail)).await
            }
            (Some(Sending::Whole { .. } | Sending::Chunk(_)), Source::Part(media)) => {
                Box::pin(self.send_media(side, caller, &permit, (*media, described), to, trail)).await
            }
            (_, Source::Request(mut body)) => {
                // Of a beginning, everything was read.
                document(&mut body, 0, stall).await?;
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
        permit.bucket().ok_or(NO_TARGET)?;
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
    stall: std::time::Duration,
}
