//! Uploads by form: the one kind of request whose call, caller and key are all in its body.

use super::documents::{DOCUMENT_TIME, in_time};
use super::{Caller, Pipeline};
use crate::audit::Trail;
use crate::body::Body;
use crate::dialect::s3::{self, Glimpse, form, forward::IncomingPayload, payload::CallerBody};
use crate::error::Error;
use crate::generation::Generation;
use crate::listener::Connection;
use crate::operation::{Api, PayloadMode, Protocol};
use http::{Response, request::Parts};
use hyper::body::Incoming;

impl Pipeline {
    /// One form, top to bottom: as any request, but that its claim and its operation are read from the body.
    pub(super) async fn post_object(
        &self,
        generation: &Generation,
        connection: &Connection,
        head: Parts,
        body: Incoming,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        trail.call("s3", Api::PostObject.name(), false);
        let (domains, stall) = (
            &generation.config.server.domains,
            generation.config.server.stall_timeout,
        );
        // Parse: which bucket, which fields, and who signed for them?
        let mut glimpse = Glimpse::default();
        let request = form::Request::parse(&head, domains, &mut glimpse);
        super::answers::glimpsed(trail, &glimpse, None);
        let reading = in_time(DOCUMENT_TIME, request?.read(body, stall), Error::Payload);
        let form = Box::pin(reading).await?;
        let claim = form.claim().clone();
        trail.claim(&claim, Some(PayloadMode::Unsigned));
        // Authenticate: is the claim true?
        self.admitted(connection, &claim, trail).await?;
        // Complete: what does the signed policy leave of what was filled in?
        let form::Upload {
            operation,
            declared,
            file,
            answer,
        } = Box::pin(in_time(DOCUMENT_TIME, form.into_upload(stall), Error::Payload)).await?;
        // Small forms are read whole, which may have taken a while.
        let admitted = self.admitted(connection, &claim, trail).await?;
        let payload = IncomingPayload {
            body: Some(CallerBody::File(Box::new(file))),
            declared,
            chunk_signing: None,
            stall,
            counter: trail.bytes_in(),
        };
        // From here on it is a PutObject like any other.
        let url = s3::bucket_url(&head, domains, answer.bucket());
        let caller = Caller {
            connection,
            principal: &admitted.principal,
            url: &url,
            protocol: Protocol::S3,
        };
        let uploaded = self
            .perform(&admitted.generation, caller, operation, payload, trail)
            .await?;
        Ok(answer.to(uploaded, &url))
    }
}
