//! What callers of the JSON API come back with, opened before anybody decides and refused after: see
//! [`super::super::handles`] for why in this order.

use crate::authn::{Ends, Handles};
use crate::config::Config;
use crate::dialect::s3::documents::place;
use crate::error::Error;
use crate::operation::gcs::{Call, Method};

/// The call with what its handles say, and why one of them did not open.
pub(super) fn open(call: Call, handles: &Handles, config: &Config) -> (Call, Result<(), Error>) {
    match opened(&call, handles, config) {
        Ok(Some(token)) => (call.with_target_token(token), Ok(())),
        Ok(None) => (call, Ok(())),
        Err(error) => (call, Err(error)),
    }
}

/// The call with what the upload id `handle` says, and why that did not open.
pub(super) fn open_session(
    call: Call,
    handles: &Handles,
    config: &Config,
    handle: &str,
) -> (Call, Result<(), Error>) {
    let (Some(object), Some(bucket)) = (
        call.object(),
        call.bucket().and_then(|name| config.buckets.get(name)),
    ) else {
        // No policy allows anything in a bucket that is not there.
        return (call, Ok(()));
    };
    match handles.open_session(&place(bucket), object.key.as_str(), handle) {
        Ok(session) => (call.with_session(session), Ok(())),
        Err(error) => (call, Err(Error::NoSuchUpload(error))),
    }
}

fn opened(call: &Call, handles: &Handles, config: &Config) -> Result<Option<Box<str>>, Error> {
    let Some(bucket) = call.bucket().and_then(|name| config.buckets.get(name)) else {
        // No policy allows anything in a bucket that is not there.
        return Ok(None);
    };
    if let (Method::ObjectsList, Some(token), false) = (
        call.method(),
        call.parameter("pageToken"),
        bucket.prefix.is_empty(),
    ) {
        let prefix = call.parameter("prefix").unwrap_or_default();
        let opened = handles.open_page(&place(bucket), prefix, token);
        return opened
            .map(Some)
            .map_err(|error| Error::NotAMarker("pageToken", error));
    }
    let Some(token) = call.parameter("rewriteToken") else {
        return Ok(None);
    };
    let (Some(source), Some(object)) = (call.sources().first(), call.object()) else {
        return Err(Error::Internal("a rewrite without two ends"));
    };
    let Some(from) = config.buckets.get(&source.object.bucket) else {
        return Ok(None);
    };
    let ends = Ends {
        source: (place(from), source.object.key.as_str()),
        destination: (place(bucket), object.key.as_str()),
    };
    let opened = handles.open_rewrite(&ends, token);
    opened
        .map(Some)
        .map_err(|error| Error::NotAMarker("rewriteToken", error))
}
