//! `POST /_tidegate/token`: an identity token for an access token, by RFC 8693.
//!
//! This is what `external_account` credentials of Google's libraries speak. They send more than we need: an audience, a
//! scope, options, and `gcloud` a client id and secret that everybody knows. None of it gives a right here, so it may be
//! there; what would take one away (an access boundary, a binding) is refused rather than left out.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc8693>, <https://google.aip.dev/auth/4117>

use super::{DoorError, asked};
use crate::authn::{IssuedBearer, SessionError};
use crate::json::Object;
use crate::parameters::{Parameters, Repeated};
use crate::secret::Secret;
use crate::sts::{IssueError, wish::Wish};
use http::{header, request::Parts};
use jiff::Timestamp;

/// An identity token, and what its holder asks for.
#[derive(Debug)]
pub(crate) struct Request {
    /// Without the white space that token files end with.
    pub(crate) token: Secret,
    pub(crate) wish: Wish,
}

/// Read and of no consequence: it names no right that a caller could gain or lose here.
const TOLERATED: [&str; 5] = ["audience", "scope", "resource", "client_id", "client_secret"];

impl Request {
    /// Reads the head of a request and its form.
    ///
    /// # Errors
    /// [`DoorError`] for another grant, another kind of token, and whatever else would be ignored.
    pub(crate) fn parse(head: &Parts, form: &[u8]) -> Result<Self, DoorError> {
        check_form(head)?;
        check_client(head)?;
        let wish = asked::wish(head.uri.query())?;
        let mut parameters = Parameters::read(None, form, &["audience", "resource"])
            .map_err(|Repeated(name)| DoorError::Repeated(name))?;
        match parameters.take("grant_type").as_deref() {
            Some(GRANT_TYPE) => {}
            Some(_) => return Err(DoorError::GrantType),
            None => return Err(DoorError::Missing("grant_type")),
        }
        let token = parameters
            .take("subject_token")
            .ok_or(DoorError::Missing("subject_token"))?;
        let kind = parameters
            .take("subject_token_type")
            .ok_or(DoorError::Missing("subject_token_type"))?;
        if !SUBJECT_TOKEN_TYPES.contains(&&*kind) {
            return Err(DoorError::Parameter {
                parameter: "subject_token_type",
                expected: "`urn:ietf:params:oauth:token-type:jwt` or `urn:ietf:params:oauth:token-type:id_token`",
            });
        }
        let requested = parameters.take("requested_token_type");
        if requested.is_some_and(|kind| kind != ACCESS_TOKEN) {
            return Err(DoorError::Parameter {
                parameter: "requested_token_type",
                expected: "`urn:ietf:params:oauth:token-type:access_token`",
            });
        }
        if let Some(options) = parameters.take("options") {
            check_options(&options)?;
        }
        if parameters.any_within("actor_token") || parameters.any_within("actor_token_type") {
            return Err(DoorError::Parameter {
                parameter: "actor_token",
                expected: "left out: nobody acts for another here",
            });
        }
        if let Some(parameter) = parameters.unknown(|name| TOLERATED.contains(&name)) {
            return Err(DoorError::Unknown {
                parameter,
                known: "those of RFC 8693",
            });
        }
        let token = token.trim_ascii();
        if token.is_empty() {
            return Err(DoorError::Missing("subject_token"));
        }
        Ok(Self {
            token: Secret::new(token),
            wish,
        })
    }
}

/// The document. It holds the access token: it goes to the caller and nowhere else.
///
/// # Errors
/// [`SessionError::TooLarge`]: the token would take too much of the head of every request.
pub(crate) fn document(issued: &IssuedBearer, now: Timestamp) -> Result<String, DoorError> {
    let expires_at = issued.principal.session().expires_at;
    let document = serde_json::json!({
        "access_token": issued.token.expose_str().unwrap_or_default(),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": expires_at.as_second().saturating_sub(now.as_second()),
    })
    .to_string();
    if document.len() < MAX_ANSWER {
        return Ok(document);
    }
    Err(DoorError::Issue(IssueError::Session(SessionError::TooLarge {
        bytes: document.len(),
        limit: MAX_ANSWER,
    })))
}

/// That the body is a form.
pub(super) fn check_form(head: &Parts) -> Result<(), DoorError> {
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let text = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    Err(DoorError::ContentType)
}

/// Clients say who they are by Basic, with a secret that is in everybody's program: it counts for nothing, and is no
/// second credential. Any other scheme would be one. SIG-05
pub(super) fn check_client(head: &Parts) -> Result<(), DoorError> {
    let Some(value) = head.headers.get(header::AUTHORIZATION) else {
        return Ok(());
    };
    let basic = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    if basic {
        Ok(())
    } else {
        Err(DoorError::TwoCredentials)
    }
}

/// Google's options: a project to bill, which there is none of, and two ways to make a token worth less.
fn check_options(text: &str) -> Result<(), DoorError> {
    let malformed = |expected| DoorError::Parameter {
        parameter: "options",
        expected,
    };
    let options = Object::parse(text.as_bytes()).map_err(|_| malformed("a JSON object"))?;
    let mut names = options.members().iter().map(|(name, _)| &**name);
    match names.find(|name| *name != "userProject") {
        None => Ok(()),
        Some("accessBoundary") => Err(malformed(
            "without `accessBoundary`: ask for a role that may do less, or for a session policy at the STS door",
        )),
        Some("bindCertFingerprint") => Err(malformed(
            "without `bindCertFingerprint`: access tokens are not bound to certificates here",
        )),
        Some(_) => Err(malformed("`userProject` alone, or left out")),
    }
}

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const SUBJECT_TOKEN_TYPES: [&str; 2] = [
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
];

/// Bytes of an answer. Its token is in the head of every request that follows.
pub(crate) const MAX_ANSWER: usize = 8 * 1024;
