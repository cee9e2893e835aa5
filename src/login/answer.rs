//! What a visit comes to: a page or a way on, cookies, and what is recorded of it.

use super::page::{self, Page};
use super::{LoginError, Visit, Visited, cookies};
use crate::authn::{Principal, SessionError};
use http::{HeaderMap, HeaderValue, Method, header};

/// What becomes of a visit before it is an answer.
#[derive(Default)]
pub(super) struct Answer {
    /// A page, or where to go.
    pub(super) content: Option<Content>,
    pub(super) cookies: Vec<HeaderValue>,
    pub(super) principal: Option<Principal>,
}

pub(super) enum Content {
    Page(Page),
    Redirect(String),
}

impl Answer {
    pub(super) fn page(&mut self, page: Page) {
        self.content = Some(Content::Page(page));
    }

    pub(super) fn render(mut self, visit: Visit<'_>, origin: &str, refusal: Option<LoginError>) -> Visited {
        let head = visit.head.method == Method::HEAD;
        let refused = |error: &LoginError| {
            page::refusal(error.status(), &error.words(), origin, visit.request_id).render(head)
        };
        let defect = LoginError::Seal(SessionError::Crypto);
        let rendered = match (refusal, self.content) {
            (Some(error), _) => Err(error),
            (None, Some(Content::Page(page))) => Ok(page.render(head)),
            (None, Some(Content::Redirect(place))) => page::redirect(&place).ok_or(defect),
            (None, None) => Err(defect),
        };
        let (mut response, refusal) = match rendered {
            Ok(response) => (response, None),
            Err(error) => (refused(&error), Some(error)),
        };
        if let Some(error) = &refusal {
            // OID-07: what is not taken is not kept.
            if error.status() == 401 || matches!(error, LoginError::TwoSessions | LoginError::Revoked(_)) {
                self.cookies.extend(cookies::clear(cookies::SESSION));
            }
            explain(error, response.headers_mut());
        }
        for cookie in self.cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Visited {
            response,
            principal: self.principal,
            refusal,
        }
    }
}

/// The headers that go with a status.
fn explain(error: &LoginError, headers: &mut HeaderMap) {
    let (name, value) = match (error, error.status()) {
        (LoginError::Busy(busy), _) => {
            headers.insert(header::RETRY_AFTER, busy.seconds().into());
            return;
        }
        (LoginError::Method(allowed), _) => (header::ALLOW, *allowed),
        // No scheme of HTTP authentication: browsers would ask for a password.
        (_, 401) => (header::WWW_AUTHENTICATE, "Cookie realm=\"Tidegate\""),
        (_, 503) => (header::RETRY_AFTER, "5"),
        _ => return,
    };
    headers.insert(name, HeaderValue::from_static(value));
}
