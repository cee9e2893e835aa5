//! The pages of the browser login, on the same host as the storage.

use super::Pipeline;
use crate::audit::{AuthMethod, Kind, Trail};
use crate::authn::{AuthnError, Principal};
use crate::body::Body;
use crate::generation::Generation;
use crate::listener::Connection;
use crate::login::{Login, LoginError, Route, Visit, Visited};
use http::{Method, Response, request::Parts};
use hyper::body::Incoming;

/// The form has one short field.
const LARGEST_FORM: usize = 4 << 10;

impl Pipeline {
    /// Answers a request for a page, errors included.
    pub(super) async fn show_page(
        &self,
        (generation, login): (&Generation, &Login),
        connection: &Connection,
        (route, head): (&Route, &Parts),
        body: Incoming,
        trail: &mut Trail,
    ) -> Response<Body> {
        let (operation, read_only) = route.call();
        trail.kind(Kind::Auth);
        trail.call("login", operation, read_only);
        let form = match head.method {
            Method::POST => Self::form(generation, head, body, LARGEST_FORM, trail).await,
            _ => Ok(bytes::Bytes::new()),
        };
        let request_id = trail.request_id().to_string();
        let visit = |form| Visit {
            route,
            head,
            form,
            request_id: &request_id,
            now: self.clock.now(),
        };
        // Whoever begins a login makes us ask an issuer; whoever looks at a page does not.
        let limited = match route {
            Route::Login | Route::Callback(_) => generation.door_limit.admit(connection.peer.ip()),
            Route::Home | Route::Logout => Ok(()),
        };
        let admits = |principal: &Principal| admits(generation, principal);
        let visited = match (limited, form) {
            (Err(busy), _) => login.refuse(visit(&[]), LoginError::Busy(busy)),
            (Ok(()), Err(error)) => login.refuse(visit(&[]), LoginError::Form(error)),
            (Ok(()), Ok(form)) => login.serve(visit(&form), &admits).await,
        };
        let answer = visited.refusal.as_ref().map_or("ok", LoginError::code);
        self.metrics.sts_request(operation, answer);
        record(trail, route, &visited, &request_id);
        visited.response
    }
}

/// Whether a session that opens may still be used: the one place that is asked, for each page and each login.
fn admits(generation: &Generation, principal: &Principal) -> Result<(), LoginError> {
    generation.admit(principal).map_err(|error| match error {
        AuthnError::Revoked { revocation, .. } => LoginError::Revoked(revocation.told()),
        _ => LoginError::IssuerRemoved,
    })
}

fn record(trail: &mut Trail, route: &Route, visited: &Visited, request_id: &str) {
    let Visited {
        principal, refusal, ..
    } = visited;
    trail.auth(match (route, principal, refusal) {
        (Route::Callback(_), _, _) => AuthMethod::Login,
        (Route::Login, _, _) => AuthMethod::Anonymous,
        (Route::Home | Route::Logout, Some(_), _)
        | (Route::Home | Route::Logout, None, Some(LoginError::Session(_) | LoginError::TwoSessions)) => {
            AuthMethod::Cookie
        }
        (Route::Home | Route::Logout, None, _) => AuthMethod::Anonymous,
    });
    if let Some(principal) = principal {
        trail.principal(principal);
    }
    match refusal {
        Some(error) => {
            tracing::info!(%request_id, error = error as &dyn std::error::Error, "a page of the login was refused");
            trail.refused(error.status(), error.code(), error.reason(), error);
        }
        None if principal.is_some() => trail.authenticated(),
        None => trail.public(),
    }
}
