//! What all secret managers have in common: calls that are answered with JSON, by an identity that may have expired.

use super::{SecretError, Versioned};
use crate::config::{Endpoint, SecretPlace};
use crate::fetch::{FetchError, Fetched, Fetcher};
use crate::secret::Secret;
use http::{HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::pin::Pin;

/// A version of a secret on its way.
pub(super) type Reading<'a> = Pin<Box<dyn Future<Output = Result<Versioned, SecretError>> + Send + 'a>>;

/// Reads secrets.
pub(super) trait Manager: Send + Sync {
    /// Asks once.
    fn read<'a>(&'a self, place: &'a SecretPlace) -> Reading<'a>;
}

/// Bytes of an answer: a secret of 64 KiB, in base64, with what is said around it.
const LONGEST_ANSWER: usize = 256 << 10;

/// Base URL and client for an endpoint of the operator's.
pub(super) fn client(endpoint: &Endpoint, ca: Option<&Path>) -> Result<(String, Fetcher), FetchError> {
    let fetcher = Fetcher::new(ca)?;
    let (scheme, fetcher) = match endpoint.tls {
        true => ("https", fetcher),
        false => ("http", fetcher.allow_plain()),
    };
    Ok((format!("{scheme}://{}", endpoint.authority()), fetcher))
}

/// Reads an answer that should be JSON of this shape. CRD-07
pub(super) fn parse<T: DeserializeOwned>(manager: &'static str, answer: &Fetched) -> Result<T, SecretError> {
    let wrong = |problem| SecretError::Answer { manager, problem };
    if answer.body.len() > LONGEST_ANSWER {
        return Err(wrong("it is larger than 256 KiB"));
    }
    if !is_json(answer) {
        return Err(wrong("its content type is not JSON"));
    }
    // The message of the parser could show what it stumbled over.
    serde_json::from_slice(&answer.body).map_err(|_| wrong("it is not the JSON that was expected"))
}

/// As [`parse`], for the document of an error, which may be missing.
pub(super) fn parse_error<T: DeserializeOwned>(answer: &Fetched) -> Option<T> {
    let short = answer.body.len() <= LONGEST_ANSWER && is_json(answer);
    short.then(|| serde_json::from_slice(&answer.body).ok()).flatten()
}

fn is_json(answer: &Fetched) -> bool {
    answer.content_type.as_deref().is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        ["application/json", "application/x-amz-json-1.1"]
            .iter()
            .any(|known| kind.eq_ignore_ascii_case(known))
    })
}

/// What is to be said of a status without a code that is known.
pub(super) fn hint_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "it is asked too often; it will be asked again",
        500..=599 => "it will be asked again",
        300..=399 => "it redirects, which is not followed: write the address where it leads",
        _ => "check what `[secrets]` says of it",
    }
}

/// A header whose value is not shown.
pub(super) fn confidential(prefix: &str, secret: &Secret) -> Option<HeaderValue> {
    let mut value = zeroize::Zeroizing::new(prefix.as_bytes().to_vec());
    value.extend_from_slice(secret.expose());
    let mut value = HeaderValue::from_bytes(&value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
