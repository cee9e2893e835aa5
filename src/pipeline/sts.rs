//! The door where identity tokens are traded for sessions, on the same host as the storage.

use super::Pipeline;
use crate::audit::{AuthMethod, Kind, Reason, Trail};
use crate::authn::{Service, SessionError, oidc::TokenError};
use crate::body::{self, Body};
use crate::dialect::s3;
use crate::error::Error;
use crate::generation::Generation;
use crate::listener::Connection;
use crate::operation::{DeclaredPayload, PayloadMode};
use crate::sts::{StsError, StsRequest};
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;

/// Forms are small; anything larger is no form of ours. LIM-07
const LARGEST_FORM: usize = 32 << 10;

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
        let stall = generation.config.server.stall_timeout;
        let declared = DeclaredPayload {
            length: content_length(&head),
            mode: PayloadMode::Unsigned,
            ..DeclaredPayload::none()
        };
        trail.kind(Kind::Auth);
        let form =
            s3::payload::read_document(body, &declared, None, LARGEST_FORM, stall, trail.bytes_in()).await;
        let request_id = trail.request_id().to_string();
        let answer = match form {
            Ok(form) => self.sts_answer(generation, connection, &head, &form, trail).await,
            Err(error) => Err(StsError::Form(error)),
        };
        let (status, document) = match answer {
            Ok(answer) => {
                trail.authenticated();
                self.metrics.sts_request(answer.action, "ok");
                (answer.status, answer.document)
            }
            Err(error) => {
                tracing::info!(%request_id, cause = error.cause(), "no session issued");
                trail.refused(error.status(), error.code(), reason(&error), &error);
                self.metrics.sts_request("refused", error.code());
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
        Ok(response)
    }

    async fn sts_answer(
        &self,
        generation: &Generation,
        connection: &Connection,
        head: &Parts,
        form: &[u8],
        trail: &mut Trail,
    ) -> Result<Answer, StsError> {
        let body = (!form.is_empty()).then_some(form);
        let request = StsRequest::parse(head.uri.query(), body)?;
        let now = self.clock.now();
        let request_id = trail.request_id().to_string();
        match request {
            StsRequest::AssumeRoleWithWebIdentity(exchange) => {
                let action = "AssumeRoleWithWebIdentity";
                trail.call("sts", action, false);
                trail.auth(AuthMethod::WebIdentity);
                let issued = generation
                    .sts
                    .assume_role_with_web_identity(&exchange, now)
                    .await?;
                trail.principal(&issued.session.principal);
                let (status, document) = issued.render(&request_id);
                Ok(Answer {
                    action,
                    status,
                    document,
                })
            }
            StsRequest::GetCallerIdentity => {
                let action = "GetCallerIdentity";
                trail.call("sts", action, true);
                let claim =
                    s3::sts_claim(head, form).map_err(|error| StsError::MalformedClaim(error.message))?;
                trail.claim(&claim, None);
                let caller = self.authenticate(generation, connection, &claim, Service::Sts)?;
                trail.principal(&caller.principal);
                let (status, document) = crate::sts::caller_identity(&caller.principal, &request_id);
                Ok(Answer {
                    action,
                    status,
                    document,
                })
            }
        }
    }
}

struct Answer {
    action: &'static str,
    status: u16,
    document: String,
}

fn reason(error: &StsError) -> Reason {
    match error {
        StsError::Token(TokenError::Expired { .. }) | StsError::TokenTooShort { .. } => Reason::Expired,
        StsError::Token(TokenError::IssuerUnavailable { .. }) => Reason::Unavailable,
        StsError::Token(_) => Reason::BadToken,
        StsError::Revoked { .. } => Reason::Revoked,
        StsError::Session(SessionError::OfServiceKey) => Reason::Unsupported,
        StsError::Session(_) => Reason::Internal,
        StsError::Caller(error) => crate::error::authn_reason(error),
        StsError::MissingAction
        | StsError::InvalidAction
        | StsError::InvalidVersion
        | StsError::MissingParameter(_)
        | StsError::Duplicate(_)
        | StsError::UnknownParameter(_)
        | StsError::UnsupportedParameter { .. }
        | StsError::Validation { .. }
        | StsError::Duration { .. }
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
