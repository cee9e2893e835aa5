//! The door where identity tokens are traded for sessions, on the same host as the storage.

use super::Pipeline;
use super::documents::{DOCUMENT_TIME, in_time};
use crate::audit::{AuthMethod, Kind, Reason, Trail};
use crate::authn::{Claim, Principal, Service};
use crate::body::{self, Body, BodyError};
use crate::dialect::s3;
use crate::error::Error;
use crate::generation::Generation;
use crate::listener::Connection;
use crate::operation::{DeclaredPayload, PayloadMode};
use crate::sts::{StsAction, StsError, StsRequest, Trade, WebIdentityRequest};
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;

/// Forms are small; anything larger is no form of ours. LIM-07
pub(super) const LARGEST_FORM: usize = 32 << 10;

impl Pipeline {
    /// Answers an STS request in STS's own words, errors included.
    pub(super) async fn issue_session(
        &self,
        generation: &Generation,
        connection: &Connection,
        head: Parts,
        body: Incoming,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        trail.kind(Kind::Auth);
        let request_id = trail.request_id().to_string();
        let answer = match generation.door_limit.admit(connection.peer.ip()) {
            Ok(()) => self.sts_answer(generation, connection, &head, body, trail).await,
            Err(busy) => Err(StsError::Busy {
                retry_after: busy.seconds(),
            }),
        };
        let mut retry_after = None;
        let (status, document) = match answer {
            Ok(answer) => {
                trail.authenticated();
                self.metrics.sts_request(answer.action.name(), "ok");
                (answer.status, answer.document)
            }
            Err(error) => {
                tracing::info!(%request_id, cause = error.cause(), "no session issued");
                trail.refused(error.status(), error.code(), reason(&error), &error);
                self.metrics.sts_request("refused", error.code());
                retry_after = error.retry_after();
                error.render(&request_id)
            }
        };
        let mut response = Response::new(body::full(document));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(crate::sts::CONTENT_TYPE),
        );
        // A session is in it.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        Ok(response)
    }

    /// The form in a request's body, of at most `limit` bytes, or nothing where there is none.
    pub(super) async fn form(
        generation: &Generation,
        head: &Parts,
        body: Incoming,
        limit: usize,
        trail: &Trail,
    ) -> Result<bytes::Bytes, BodyError> {
        let stall = generation.config.server.stall_timeout;
        let declared = DeclaredPayload {
            length: content_length(head),
            mode: PayloadMode::Unsigned,
            ..DeclaredPayload::none()
        };
        let reading = s3::payload::read_document(body, &declared, None, limit, stall, trail.bytes_in());
        Box::pin(in_time(DOCUMENT_TIME, reading, |late| late)).await
    }

    async fn sts_answer(
        &self,
        generation: &Generation,
        connection: &Connection,
        head: &Parts,
        body: Incoming,
        trail: &mut Trail,
    ) -> Result<Answer, StsError> {
        let form = Self::form(generation, head, body, LARGEST_FORM, trail).await;
        let form = form.map_err(StsError::Form)?;
        // What gives a session is what counts once it is asked for.
        let generation = &*self.current.load_full();
        trail.generation(&generation.id);
        let request = StsRequest::parse(head.uri.query(), (!form.is_empty()).then_some(&*form))?;
        let circumstances = super::circumstances(connection, self.clock.now());
        let (sts, asking) = (&generation.sts, generation.asking(&circumstances));
        let action = request.action();
        trail.call("sts", action.name(), action == StsAction::GetCallerIdentity);
        let (wish, grant) = match &request {
            StsRequest::AssumeRoleWithWebIdentity(request) => {
                trail.auth(AuthMethod::WebIdentity);
                let WebIdentityRequest { token, wish } = request;
                (wish, sts.trade(token, wish, asking).await?)
            }
            StsRequest::AssumeRole(wish) | StsRequest::GetSessionToken(wish) => {
                let caller = self.sts_caller(generation, connection, head, &form, trail)?;
                (wish, sts.narrow(&caller, wish, asking)?)
            }
            StsRequest::GetCallerIdentity => {
                let caller = self.sts_caller(generation, connection, head, &form, trail)?;
                let (status, document) =
                    crate::sts::caller_identity(&caller, &trail.request_id().to_string());
                return Ok(Answer {
                    action,
                    status,
                    document,
                });
            }
        };
        let session = sts.keys(&grant)?;
        trail.principal(&session.principal);
        let trade = Trade {
            action,
            wish,
            grant: &grant,
            session: &session,
        };
        let (status, document) = trade.render(&trail.request_id().to_string());
        Ok(Answer {
            action,
            status,
            document,
        })
    }

    /// Who signed a call.
    fn sts_caller(
        &self,
        generation: &Generation,
        connection: &Connection,
        head: &Parts,
        form: &[u8],
        trail: &mut Trail,
    ) -> Result<Principal, StsError> {
        let claim = s3::sts_claim(head, form).map_err(|error| StsError::MalformedClaim(error.message))?;
        trail.claim(&claim, None);
        if let Claim::Bearer(_) = claim {
            return Err(StsError::BearerToken);
        }
        let caller = self.authenticate(generation, connection, &claim, Service::Sts)?;
        trail.principal(&caller.principal);
        Ok(caller.principal)
    }
}

struct Answer {
    action: StsAction,
    status: u16,
    document: String,
}

fn reason(error: &StsError) -> Reason {
    match error {
        StsError::Issue(error) => error.reason(),
        StsError::Busy { .. } => Reason::Limited,
        StsError::BearerToken => Reason::Unauthenticated,
        StsError::Caller(error) => crate::error::authn_reason(error),
        StsError::MissingAction
        | StsError::InvalidAction
        | StsError::InvalidVersion
        | StsError::MissingParameter(_)
        | StsError::Duplicate(_)
        | StsError::UnknownParameter(_)
        | StsError::UnsupportedParameter { .. }
        | StsError::Validation { .. }
        | StsError::MalformedClaim(_) => Reason::Malformed,
        StsError::Form(_) => Reason::BadPayload,
    }
}

fn content_length(head: &Parts) -> u64 {
    let value = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}
