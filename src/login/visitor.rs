//! Who is logged in, and how it logs out.

use super::answer::Answer;
use super::cookies::{self, Cookies};
use super::parameters::Parameters;
use super::{Admission, Login, LoginError, Visit, page};
use crate::authn::{Form, Principal, form_token, is_form_token, open_bearer};
use http::HeaderMap;

impl Login {
    pub(super) fn home(
        &self,
        visit: Visit<'_>,
        admits: Admission<'_>,
        answer: &mut Answer,
    ) -> Result<(), LoginError> {
        let principal = self.session(visit)?.ok_or(LoginError::NotLoggedIn)?;
        answer.principal = Some(principal.clone());
        admits(&principal)?;
        let token = form_token(&self.ring, &principal, visit.now).map_err(LoginError::Seal)?;
        let issuer = principal.id().split(':').next().unwrap_or_default();
        answer.page(page::home(&principal, issuer, &token));
        Ok(())
    }

    pub(super) fn end(&self, visit: Visit<'_>, answer: &mut Answer) -> Result<(), LoginError> {
        let session = match self.session(visit) {
            Ok(session) => session,
            // What is no session any more needs no proof to be cleared.
            Err(LoginError::Session(_)) => None,
            Err(error) => return Err(error),
        };
        if let Some(principal) = session {
            answer.principal = Some(principal.clone());
            self.check_form(visit, &principal)?;
        }
        answer.cookies.extend(cookies::clear(cookies::SESSION));
        answer.page(page::logged_out());
        Ok(())
    }

    /// OID-09: the form is ours, of this session, and was sent from our page.
    fn check_form(&self, visit: Visit<'_>, principal: &Principal) -> Result<(), LoginError> {
        let headers = &visit.head.headers;
        let site = only(headers, "sec-fetch-site")?;
        let origin = only(headers, "origin")?;
        match (site, origin) {
            (Some("same-origin"), None) => {}
            // What browsers make of the origin of a page that gives no reference to itself.
            (Some("same-origin"), Some("null")) => {}
            (Some("same-origin") | None, Some(origin)) if *origin == *self.origin => {}
            (Some("same-origin") | None, Some(_)) => return Err(LoginError::Forged("`Origin`")),
            (Some(_), _) => return Err(LoginError::Forged("`Sec-Fetch-Site`")),
            (None, None) => return Err(LoginError::Forged("neither `Sec-Fetch-Site` nor `Origin`")),
        }
        let form = std::str::from_utf8(visit.form).ok();
        let token = Parameters::of(form).take("token")?;
        match token {
            Some(token) if is_form_token(&self.ring, principal, &token) => Ok(()),
            Some(_) => Err(LoginError::Forged("`token`")),
            None => Err(LoginError::Forged("there is no `token`")),
        }
    }

    /// The session of the visitor, if there is one. Whether it is admitted is for the caller to ask.
    fn session(&self, visit: Visit<'_>) -> Result<Option<Principal>, LoginError> {
        let cookies = Cookies::of(&visit.head.headers);
        let cookie = cookies
            .session()
            .map_err(|cookies::Twice| LoginError::TwoSessions)?;
        cookie
            .map(|cookie| open_bearer(&self.ring, Form::Cookie, cookie, visit.now))
            .transpose()
            .map_err(LoginError::Session)
    }
}

/// A header that is there once or not at all.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, LoginError> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| LoginError::Forged(name)),
        (Some(_), Some(_)) => Err(LoginError::Forged(name)),
    }
}
