//! Who may: a token, or the holder of an HMAC key. The signature is computed here anew, from the documentation.

use super::Fault;
use crate::support::google::FakeGoogle;
use aws_lc_rs::{digest, hmac};
use data_encoding::HEXLOWER;
use http::request::Parts;
use jiff::civil::DateTime;
use std::sync::Arc;

#[derive(Clone)]
pub enum Auth {
    /// `Authorization: Bearer`.
    Token(&'static str),
    /// `GOOG4-HMAC-SHA256`.
    Hmac(&'static str, &'static str),
    /// `Authorization: Bearer`, with a token that this one gave out.
    Granted(Arc<FakeGoogle>),
}

const NO_MATCH: Fault = Fault(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided.",
);

impl Auth {
    pub fn check(&self, head: &Parts, body: &[u8]) -> Result<(), Fault> {
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let Some(authorization) = header("authorization") else {
            return Err(Fault(
                401,
                "MissingSecurityHeader",
                "Your request was missing a required header.",
            ));
        };
        match self {
            Self::Token(token) => match authorization.strip_prefix("Bearer ") {
                Some(given) if given == *token => Ok(()),
                _ => Err(Fault(401, "AuthenticationRequired", "Authentication required.")),
            },
            Self::Granted(google) => {
                let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
                google
                    .may_use_storage(token)
                    .map_err(|(status, message)| match status {
                        401 => Fault(401, "AuthenticationRequired", message),
                        _ => Fault(403, "AccessDenied", message),
                    })
            }
            Self::Hmac(id, secret) => signed(head, body, authorization, id, secret),
        }
    }
}

fn signed(head: &Parts, body: &[u8], authorization: &str, id: &str, secret: &str) -> Result<(), Fault> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let rest = authorization.strip_prefix("GOOG4-HMAC-SHA256 ").ok_or(NO_MATCH)?;
    let part = |name: &str| {
        let mut parts = rest.split(", ").filter_map(|part| part.split_once('='));
        parts
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
            .ok_or(NO_MATCH)
    };
    let (credential, names, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let (given, scope) = credential.split_once('/').ok_or(NO_MATCH)?;
    if given != id {
        return Err(Fault(
            403,
            "InvalidSecurity",
            "The provided security credentials are not valid.",
        ));
    }
    let time = header("x-goog-date").ok_or(NO_MATCH)?;
    let date = &time[..8];
    if scope != format!("{date}/auto/storage/goog4_request") {
        return Err(NO_MATCH);
    }
    let at = DateTime::strptime("%Y%m%dT%H%M%SZ", time).map_err(|_| NO_MATCH)?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    let age = crate::support::now().duration_since(at).as_secs().abs();
    if age > 15 * 60 {
        return Err(Fault(403, "RequestTimeTooSkewed", "The clocks differ."));
    }
    let signed: Vec<&str> = names.split(';').collect();
    // The front end rewrites it on the way in.
    if signed.contains(&"accept-encoding") || !signed.contains(&"host") {
        return Err(NO_MATCH);
    }
    let all = head.headers.keys().map(http::HeaderName::as_str);
    if all
        .filter(|name| name.starts_with("x-goog-"))
        .any(|name| !signed.contains(&name))
    {
        return Err(NO_MATCH);
    }
    let payload = header("x-goog-content-sha256").ok_or(NO_MATCH)?;
    if payload != "UNSIGNED-PAYLOAD" && payload != HEXLOWER.encode(sha256(body).as_ref()) {
        return Err(Fault(400, "BadDigest", "The hash of the payload is another one."));
    }
    let mut query: Vec<String> = head
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.contains('=') {
            true => pair.to_owned(),
            false => format!("{pair}="),
        })
        .collect();
    query.sort();
    let mut canonical = format!("{}\n{}\n{}\n", head.method, head.uri.path(), query.join("&"));
    for name in &signed {
        let values: Vec<&str> = head
            .headers
            .get_all(*name)
            .iter()
            .map(|v| v.to_str().unwrap().trim())
            .collect();
        canonical += &format!("{name}:{}\n", values.join(","));
    }
    canonical += &format!("\n{names}\n{payload}");
    let hash = HEXLOWER.encode(sha256(canonical.as_bytes()).as_ref());
    let to_sign = format!("GOOG4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
    let mut key = format!("GOOG4{secret}").into_bytes();
    for part in scope.split('/').chain([to_sign.as_str()]) {
        key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes())
            .as_ref()
            .to_vec();
    }
    if HEXLOWER.encode(&key) == signature {
        Ok(())
    } else {
        Err(NO_MATCH)
    }
}

pub fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}
