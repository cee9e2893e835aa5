//! What Google's services answer, read strictly and once for all of them. CRD-07
//!
//! A token is taken if it is one word of RFC 6750, sent as JSON that can be read in one way only, and if it says when it
//! ends: in the future, and no later than any token of Google's does. Whatever else answers, such as a login page of a
//! network, gives none.

use super::{GoogleError, Service, refusal};
use crate::credentials::{Credential, Material, written};
use crate::fetch::Fetched;
use crate::json::{Json, Object};
use crate::secret::Secret;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

/// An answer of one of Google's services.
pub(super) struct Answer<'a> {
    pub(super) service: Service,
    pub(super) fetched: &'a Fetched,
    /// The time before the question was sent: what Google counts from is not earlier.
    pub(super) asked_at: Timestamp,
    /// Secrets that were sent, none of which is shown.
    pub(super) sent: &'a [&'a Secret],
}

/// The longest life that is believed: an organisation may allow twelve hours. The rest is for clocks that differ.
const LONGEST: SignedDuration = SignedDuration::from_secs(12 * 3600 + 300);
/// A token is at most 12 KiB.
const MAX_DOCUMENT: usize = 64 << 10;

impl Answer<'_> {
    /// Reads an answer of RFC 6749, which the token service, the OAuth endpoint and the metadata server give:
    /// `access_token`, `token_type`, `expires_in`.
    ///
    /// # Errors
    /// [`GoogleError::Refused`] and [`GoogleError::Answer`].
    pub(super) fn access_token(&self) -> Result<Credential, GoogleError> {
        let document = self.document()?;
        let issued = document.get("issued_token_type");
        if issued.is_some_and(|kind| kind.as_str() != Some(ACCESS_TOKEN)) {
            return Err(self.unusable("it is not an access token"));
        }
        let is_bearer = |kind: &str| kind.eq_ignore_ascii_case("Bearer");
        if !document.text("token_type").is_some_and(is_bearer) {
            return Err(self.unusable("its `token_type` is not `Bearer`"));
        }
        let seconds = match document.get("expires_in") {
            Some(Json::Integer(seconds)) => *seconds,
            _ => return Err(self.unusable("it does not say in how many seconds it expires")),
        };
        if seconds > LONGEST.as_secs() {
            return Err(self.unusable(TOO_LONG));
        }
        let end = self.asked_at.checked_add(SignedDuration::from_secs(seconds)).ok();
        self.credential(document.text("access_token"), end)
    }

    /// Reads an answer of generateAccessToken: `accessToken` and `expireTime`, which is a moment and not a duration.
    /// `lifetime` is what was asked for: by our clock the token does not last longer, whatever Google's says.
    ///
    /// # Errors
    /// As [`Answer::access_token`].
    pub(super) fn impersonated(&self, lifetime: SignedDuration) -> Result<Credential, GoogleError> {
        let document = self.document()?;
        let end: Timestamp = document
            .text("expireTime")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.unusable("its `expireTime` is no time of RFC 3339"))?;
        if end.duration_since(self.asked_at) > LONGEST {
            return Err(self.unusable(TOO_LONG));
        }
        let longest = self.asked_at.checked_add(lifetime).ok();
        self.credential(
            document.text("accessToken"),
            longest.map(|longest| end.min(longest)),
        )
    }

    fn credential(&self, token: Option<&str>, end: Option<Timestamp>) -> Result<Credential, GoogleError> {
        let token = token.ok_or_else(|| self.unusable("there is no token in it"))?;
        let token = Secret::new(token);
        let read = written::token(&token).map_err(|_| self.unusable(NO_TOKEN))?;
        // Spaces around it belong to a file, not to an answer.
        if read.expose() != token.expose() {
            return Err(self.unusable(NO_TOKEN));
        }
        match end {
            Some(end) if end > self.asked_at => Ok(Credential {
                material: Material::BearerToken(token),
                expires_at: Some(end),
                version: None,
            }),
            _ => Err(self.unusable("it has expired already: check the clocks")),
        }
    }

    /// The JSON document of a successful answer.
    fn document(&self) -> Result<Object, GoogleError> {
        let Fetched { status, body, .. } = self.fetched;
        if body.len() > MAX_DOCUMENT {
            return Err(self.unusable("it is larger than 64 KiB"));
        }
        if *status != StatusCode::OK {
            return Err(refusal::read(self.service, *status, body, self.sent));
        }
        let kind = self.fetched.content_type.as_deref().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(self.unusable("its content type is not JSON: something else may have answered"));
        }
        Object::parse(body).map_err(|_| self.unusable("it is no JSON that can be read in one way only"))
    }

    fn unusable(&self, problem: &'static str) -> GoogleError {
        GoogleError::Answer {
            service: self.service,
            problem,
        }
    }
}

/// What is exchanged, and what comes of it.
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const NO_TOKEN: &str = "its token is not one word of RFC 6750, or is longer than 16 KiB";
const TOO_LONG: &str = "it claims to be good for more than 12 hours: check the clocks";
