//! Signatures: whatever spelling is accepted is one claim, and it covers what decides.

use super::super::claim::{self, Signable};
use super::super::{address, query::Query};
use super::{domains, read};
use crate::authn::{Claim, SignatureClaim, SignatureForm};
use data_encoding::HEXLOWER;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Request};

/// A request with an `Authorization` header.
///
/// Written the one way, the header is the same claim. Every header that must be signed is, and another value of a
/// signed header is another request. SIG-01, SIG-02
pub fn authorization(data: &[u8]) {
    let Some(request) = read(data) else { return };
    let query = request.uri().query().unwrap_or_default();
    let Some(found) = claim(&request, query, request.headers()) else {
        return;
    };
    let text = request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok());
    let Some((SignatureForm::Header, text)) = text.map(|text| (found.form, text)) else {
        return;
    };
    let signed = text.split_once("SignedHeaders=").map_or("", |(_, rest)| rest);
    let signed = signed.split(',').next().unwrap_or_default().trim();
    let canonical = format!(
        "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={signed}, Signature={}",
        found.access_key_id,
        found.scope,
        HEXLOWER.encode(&found.signature),
    );
    let mut headers = request.headers().clone();
    let value = HeaderValue::from_str(&canonical);
    headers.insert(
        AUTHORIZATION,
        value.unwrap_or(HeaderValue::from_static("unprintable")),
    );
    assert_same(&found, claim(&request, query, &headers));

    let names: Vec<&str> = signed.split(';').collect();
    assert!(names.contains(&"host"));
    for name in request.headers().keys() {
        let is_signed = names.contains(&name.as_str());
        assert!(
            is_signed || !name.as_str().starts_with("x-amz-"),
            "`{name}` is not signed"
        );
        // There is one `Host`: the listener sees to it.
        if is_signed && name != HOST {
            let mut changed = request.headers().clone();
            changed.append(name, HeaderValue::from_static("x"));
            assert_other(&found, claim(&request, query, &changed), name.as_str());
        }
    }
}

/// A request with a presigned URL.
///
/// The order of parameters is nothing, the signature does not cover itself, and everything else of the query is
/// covered. SIG-03
pub fn presign(data: &[u8]) {
    let Some(request) = read(data) else { return };
    let query = request.uri().query().unwrap_or_default();
    let Some(found) = claim(&request, query, request.headers()) else {
        return;
    };
    let SignatureForm::Presigned { expires } = found.form else {
        return;
    };
    assert!((1..=604_800).contains(&expires.as_secs()));
    let pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    let reversed: Vec<&str> = pairs.iter().rev().copied().collect();
    assert_same(&found, claim(&request, &reversed.join("&"), request.headers()));
    for (i, pair) in pairs.iter().enumerate() {
        let mut changed: Vec<String> = pairs.iter().map(ToString::to_string).collect();
        if let Some(changed) = changed.get_mut(i) {
            changed.push_str(if pair.contains('=') { "x" } else { "=x" });
        }
        assert_other(
            &found,
            claim(&request, &changed.join("&"), request.headers()),
            pair,
        );
    }
}

fn claim(request: &Request<&[u8]>, raw_query: &str, headers: &HeaderMap) -> Option<Box<SignatureClaim>> {
    let authority = headers.get(HOST)?.to_str().ok()?.to_ascii_lowercase();
    let address = address::parse(&authority, request.uri().path(), &domains()).ok()?;
    let read = claim::read(&Signable {
        method: request.method().as_str(),
        canonical_path: &address.canonical_path,
        query: &Query::parse(Some(raw_query)).ok()?,
        headers,
        authority: &authority,
        body_sha256: None,
    });
    match read.ok()?.claim {
        Claim::Signature(claim) => Some(claim),
        Claim::Anonymous | Claim::Bearer(_) => None,
    }
}

fn assert_same(found: &SignatureClaim, other: Option<Box<SignatureClaim>>) {
    let text = |claim: &SignatureClaim| format!("{claim:?}");
    assert_eq!(other.as_deref().map(text), Some(text(found)));
}

/// Another request, or none at all.
fn assert_other(found: &SignatureClaim, other: Option<Box<SignatureClaim>>, what: &str) {
    if let Some(other) = other {
        assert_ne!(other.signs, found.signs, "`{what}` is not covered");
    }
}
