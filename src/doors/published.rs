//! `/.well-known/`: what clouds read before they take a token of Tidegate's own, told to anybody.
//!
//! No bucket's name begins with a dot, so that nothing here can stand in the way of an object; in a bucket's own host
//! name the same path is a key. The hazard is a cloud that holds an old key set: what is said here may be kept for
//! minutes, while keys are published a day before they sign.
//!
//! Spec: <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig>

use super::{DoorError, asked};
use crate::body::{self, Body};
use crate::issuer::{DISCOVERY_PATH, Issuer, JWKS_PATH};
use http::{HeaderValue, Method, Response, header, request::Parts};
use std::num::NonZeroU32;

/// How long anybody may keep a document. A key that must not be trusted any more is trusted for so long.
const CACHE: &str = "public, max-age=300";

/// How many more requests an address has here than at the doors that issue something: a cloud that is told to wait
/// refuses our token, and all its fetchers may stand behind one address.
pub(crate) const GENEROSITY: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// A document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// Who the issuer is, and where its keys are.
    Discovery,
    /// The keys.
    KeySet,
}

impl Published {
    /// The document at a path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        match path {
            DISCOVERY_PATH => Some(Self::Discovery),
            JWKS_PATH => Some(Self::KeySet),
            _ => None,
        }
    }

    /// The name in the audit record.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Discovery => "IssuerDiscovery",
            Self::KeySet => "IssuerKeySet",
        }
    }

    /// What it says now.
    pub(crate) fn of(self, issuer: &Issuer) -> String {
        match self {
            Self::Discovery => issuer.discovery(),
            Self::KeySet => issuer.jwks(),
        }
    }
}

/// That nothing else is asked than to read it.
///
/// # Errors
/// [`DoorError::Method`], or [`DoorError::Unknown`] for a parameter.
pub(crate) fn check(head: &Parts) -> Result<(), DoorError> {
    match head.method {
        Method::GET | Method::HEAD => asked::nothing(head.uri.query()),
        _ => Err(DoorError::Method {
            door: None,
            allow: "GET, HEAD",
        }),
    }
}

/// The answer.
pub(crate) fn answer(document: String) -> Response<Body> {
    let mut response = super::answer::json(200, document);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE));
    headers.remove(header::PRAGMA);
    response
}

/// `response` as `HEAD` has it: HTTP/2 would send the body.
pub(crate) fn as_head(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = hyper::body::Body::size_hint(&body).exact() {
        parts.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, body::full(""))
}
