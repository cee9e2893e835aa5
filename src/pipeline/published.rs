//! What clouds read of Tidegate as an issuer: no credential, one audit record, nothing towards a target.

use super::Pipeline;
use crate::audit::{Kind, Trail};
use crate::body::Body;
use crate::dialect::s3;
use crate::doors::{
    DoorError, Words, answer,
    published::{self, Published},
};
use crate::error::with_causes;
use crate::generation::Generation;
use crate::issuer::Issuer;
use crate::listener::Connection;
use http::{Method, Response, request::Parts};

/// The document that a request is for, if there is an issuer and this is where it is served.
pub(super) fn asked<'a>(generation: &'a Generation, head: &Parts) -> Option<(&'a Issuer, Published)> {
    let document = Published::at(head.uri.path())?;
    let config = &generation.config;
    let serves = config.issuer.as_ref().is_some_and(|settings| settings.serves);
    let issuer = generation.issuer.as_deref().filter(|_| serves)?;
    s3::is_service(head, &config.server.domains).then_some((issuer, document))
}

impl Pipeline {
    /// Answers a request for a document, refusals included.
    pub(super) fn publish(
        &self,
        generation: &Generation,
        connection: &Connection,
        head: &Parts,
        (issuer, document): (&Issuer, Published),
        trail: &mut Trail,
    ) -> Response<Body> {
        trail.kind(Kind::Auth);
        trail.call("tidegate", document.operation(), true);
        let peer = connection.peer.ip();
        let admitted = generation.published_limit.admit(peer).map_err(DoorError::Busy);
        let response = match admitted.and_then(|()| published::check(head)) {
            Ok(()) => {
                trail.public();
                published::answer(document.of(issuer))
            }
            Err(error) => {
                let words = Words::Container;
                let cause = with_causes(&error);
                tracing::info!(request_id = %trail.request_id(), cause, "a document is not given");
                trail.refused(error.status(words), error.code(words), error.reason(), &error);
                answer::refusal(None, &error)
            }
        };
        match head.method {
            Method::HEAD => published::as_head(response),
            _ => response,
        }
    }
}
