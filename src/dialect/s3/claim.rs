//! Who does the request say it comes from? The signature, and the canonical request that it must cover.
//!
//! A proxy that re-signs launders what the caller left unsigned: it would leave here under the target's
//! signature. So every `x-amz-*` header must be signed, in the header form and in presigned URLs alike.

use super::error::S3Error;
use super::query::Query;
use crate::authn::{Claim, CredentialScope, SignatureClaim, SignatureForm, Signs, bearer_token};
use crate::secret::Secret;
use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use http::HeaderMap;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::time::Duration;

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The parameters of a presigned URL. Any other `x-amz-*` parameter is a header that a presigner hoisted.
pub(crate) const PRESIGN_PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// What a signature covers.
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a str,
    pub(crate) canonical_path: &'a str,
    pub(crate) query: &'a Query,
    pub(crate) headers: &'a HeaderMap,
    /// The `Host` header, or `:authority`.
    pub(crate) authority: &'a str,
    /// For requests that carry no `x-amz-content-sha256`: the hash of the body (STS).
    pub(crate) body_sha256: Option<[u8; 32]>,
}

/// A claim with the payload hash that it signs, as text.
pub(crate) struct ReadClaim {
    pub(crate) claim: Claim,
    /// The signed value of `x-amz-content-sha256`; `UNSIGNED-PAYLOAD` for a plain presigned URL.
    pub(crate) payload: Option<Box<str>>,
}

/// Reads the one claim of a request.
///
/// # Errors
/// Two mechanisms at once, another mechanism than SigV4, a malformed signature, or unsigned `x-amz-*` headers.
pub(crate) fn read(signable: &Signable<'_>) -> Result<ReadClaim, S3Error> {
    let header = signable.headers.get(http::header::AUTHORIZATION);
    let query = signable.query;
    let in_query = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
    ]
    .iter()
    .any(|name| query.get(name).is_some());
    let version_2 = ["AWSAccessKeyId", "Signature"]
        .iter()
        .any(|name| query.get(name).is_some());
    match (header, in_query || version_2) {
        // SIG-05
        (Some(_), true) => Err(S3Error::invalid_argument(
            "Only one auth mechanism allowed: the Authorization header or the query parameters, not both",
        )),
        (Some(value), false) => {
            let value = value.to_str().map_err(|_| unsupported())?;
            match bearer_token(value) {
                Some(token) => from_bearer(signable, token),
                None => from_header(signable, value),
            }
        }
        (None, true) if version_2 => Err(unsupported()),
        (None, true) => from_query(signable),
        (None, false) => Ok(ReadClaim {
            claim: Claim::Anonymous,
            payload: content_sha256(signable)?.map(Box::from),
        }),
    }
}

fn unsupported() -> S3Error {
    S3Error::invalid_request(
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

/// A token instead of a signature: it stands for the request as a whole, of which TLS keeps every byte.
fn from_bearer(signable: &Signable<'_>, token: &str) -> Result<ReadClaim, S3Error> {
    // SIG-05: what belongs to a signature has no business beside a token.
    let of_a_signature = PRESIGN_PARAMETERS
        .iter()
        .any(|name| signable.query.get(name).is_some());
    if of_a_signature || signable.headers.contains_key("x-amz-security-token") {
        return Err(S3Error::invalid_argument(
            "Only one auth mechanism allowed: a Bearer token, or a signature with its session token, not both",
        ));
    }
    // RFC 6750: `b64token`. Anything else is not looked at.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    if token.is_empty() || !token.bytes().all(plain) {
        return Err(S3Error::invalid_argument(
            "the Authorization header has no token behind `Bearer`",
        ));
    }
    let payload = content_sha256(signable)?;
    if payload.is_some_and(|mode| mode.starts_with("STREAMING-AWS4-")) {
        return Err(S3Error::invalid_request(
            "x-amz-content-sha256 announces signed chunks, and nothing signs them beside a Bearer token; leave it out, or \
             use STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        ));
    }
    Ok(ReadClaim {
        claim: Claim::Bearer(Secret::new(token)),
        payload: payload.map(Box::from),
    })
}

fn from_header(signable: &Signable<'_>, value: &str) -> Result<ReadClaim, S3Error> {
    let rest = value
        .strip_prefix(ALGORITHM)
        .filter(|rest| rest.starts_with(' '))
        .ok_or_else(unsupported)?;
    let malformed =
        |what: &str| S3Error::authorization_header_malformed(format!("the Authorization header {what}"));
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    // pgBackRest and s3cmd put no space after the commas.
    for part in rest.split(',').map(str::trim) {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| malformed("has a part without `=`"))?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(malformed("has an unknown part")),
        };
        if slot.replace(value).is_some() {
            return Err(malformed("has a part twice"));
        }
    }
    let (Some(credential), Some(signed_headers), Some(signature)) = (credential, signed_headers, signature)
    else {
        return Err(malformed("needs Credential, SignedHeaders and Signature"));
    };
    let (access_key_id, scope) =
        credential_scope(credential).ok_or_else(|| malformed("has a malformed credential"))?;
    let signature = hex32(signature).ok_or_else(|| malformed("has a malformed signature"))?;
    let (signed_at, signed_at_text) = header_date(signable.headers)?;
    let payload = match (content_sha256(signable)?, signable.body_sha256) {
        (Some(declared), _) => declared.to_owned(),
        (None, Some(hash)) => HEXLOWER.encode(&hash),
        (None, None) => {
            return Err(S3Error::invalid_request(
                "Missing required header for this request: x-amz-content-sha256",
            ));
        }
    };
    let claim = SignatureClaim {
        form: SignatureForm::Header,
        access_key_id: access_key_id.into(),
        scope,
        signed_at,
        signed_at_text,
        session_token: header_text(signable.headers, "x-amz-security-token")?.map(Box::from),
        signs: Signs::CanonicalRequest(canonical_request_hash(signable, signed_headers, &payload)?),
        signature,
    };
    Ok(ReadClaim {
        claim: Claim::Signature(Box::new(claim)),
        payload: Some(payload.into()),
    })
}

fn from_query(signable: &Signable<'_>) -> Result<ReadClaim, S3Error> {
    let query = signable.query;
    let malformed = |what: String| S3Error::authorization_query_parameters(what);
    let parameter = |name: &str| {
        query.get(name).ok_or_else(|| {
            malformed(format!(
                "Query-string authentication requires the {name} parameter"
            ))
        })
    };
    if parameter("X-Amz-Algorithm")? != ALGORITHM {
        return Err(malformed(
            "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"".to_owned(),
        ));
    }
    let (access_key_id, scope) = credential_scope(parameter("X-Amz-Credential")?).ok_or_else(|| {
        malformed("X-Amz-Credential must be `access-key-id/yyyymmdd/region/service/aws4_request`".to_owned())
    })?;
    let signature = hex32(parameter("X-Amz-Signature")?)
        .ok_or_else(|| malformed("X-Amz-Signature must be 64 lower-case hex digits".to_owned()))?;
    let signed_at_text = parameter("X-Amz-Date")?;
    let signed_at = basic_date(signed_at_text).ok_or_else(|| {
        malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"".to_owned())
    })?;
    let expires = parameter("X-Amz-Expires")?;
    let expires = Some(expires)
        .filter(|text| !text.is_empty() && text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse::<u64>().ok())
        .filter(|seconds| (1..=604_800).contains(seconds))
        .ok_or_else(|| {
            malformed("X-Amz-Expires must be a number of seconds from 1 to 604800 (seven days)".to_owned())
        })?;
    if signable.headers.contains_key("x-amz-security-token") {
        return Err(S3Error::invalid_argument(
            "x-amz-security-token belongs into the query of a presigned URL",
        ));
    }
    let of_body = signable.body_sha256.map(|hash| HEXLOWER.encode(&hash));
    let declared = match (query.get("X-Amz-Content-Sha256"), content_sha256(signable)?) {
        (Some(_), Some(_)) => return Err(S3Error::invalid_argument("x-amz-content-sha256 is given twice")),
        (Some(declared), None) | (None, Some(declared)) => declared,
        // Only S3 takes bodies that are not signed.
        (None, None) => of_body.as_deref().unwrap_or(UNSIGNED_PAYLOAD),
    };
    let claim = SignatureClaim {
        form: SignatureForm::Presigned {
            expires: Duration::from_secs(expires),
        },
        access_key_id: access_key_id.into(),
        scope,
        signed_at,
        signed_at_text: signed_at_text.into(),
        session_token: query.get("X-Amz-Security-Token").map(Box::from),
        signs: Signs::CanonicalRequest(canonical_request_hash(
            signable,
            parameter("X-Amz-SignedHeaders")?,
            declared,
        )?),
        signature,
    };
    Ok(ReadClaim {
        claim: Claim::Signature(Box::new(claim)),
        payload: Some(declared.into()),
    })
}

/// Hashes the canonical request, after checking that all that must be signed is.
fn canonical_request_hash(
    signable: &Signable<'_>,
    signed_headers: &str,
    payload: &str,
) -> Result<[u8; 32], S3Error> {
    let signed: Vec<&str> = signed_headers.split(';').collect();
    if signed.iter().enumerate().any(|(i, name)| {
        name.is_empty()
            || name.bytes().any(|b| b.is_ascii_uppercase())
            || signed.iter().skip(i + 1).any(|n| n == name)
    }) {
        return Err(S3Error::authorization_header_malformed(
            "SignedHeaders must be lower-case names, each once, separated by `;`",
        ));
    }
    refuse_unsigned(signable.headers, &signed)?;
    let mut hash = Context::new(&SHA256);
    for line in [
        signable.method,
        signable.canonical_path,
        &signable.query.canonical(),
    ] {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    let mut value = Vec::new();
    for name in &signed {
        hash.update(name.as_bytes());
        hash.update(b":");
        value.clear();
        if *name == "host" {
            value.extend_from_slice(signable.authority.as_bytes());
        } else {
            for (i, one) in signable.headers.get_all(*name).iter().enumerate() {
                if i > 0 {
                    value.push(b',');
                }
                trim_into(one.as_bytes(), &mut value);
            }
        }
        hash.update(&value);
        hash.update(b"\n");
    }
    hash.update(b"\n");
    hash.update(signed_headers.as_bytes());
    hash.update(b"\n");
    hash.update(payload.as_bytes());
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    Ok(digest)
}

// INVARIANT: no `x-amz-*` header is acted on that the signature does not cover. SIG-01, SIG-02
fn refuse_unsigned(headers: &HeaderMap, signed: &[&str]) -> Result<(), S3Error> {
    if !signed.contains(&"host") {
        return Err(
            S3Error::access_denied("the `host` header must be signed").with("HeadersNotSigned", "host")
        );
    }
    let mut unsigned: Vec<&str> = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| name.starts_with("x-amz-") && !signed.contains(name))
        .collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    unsigned.sort_unstable();
    Err(
        S3Error::access_denied("There were headers present in the request which were not signed")
            .with("HeadersNotSigned", unsigned.join(", ")),
    )
}

/// Appends a header value without outer white space and with inner runs of spaces collapsed. SIG-13
fn trim_into(value: &[u8], into: &mut Vec<u8>) {
    let value = value.trim_ascii();
    if !value.contains(&b' ') {
        return into.extend_from_slice(value);
    }
    let mut space = false;
    for &byte in value {
        if byte == b' ' && space {
            continue;
        }
        space = byte == b' ';
        into.push(byte);
    }
}

fn content_sha256<'a>(signable: &Signable<'a>) -> Result<Option<&'a str>, S3Error> {
    header_text(signable.headers, "x-amz-content-sha256")
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, S3Error> {
    headers
        .get(name)
        .map(|value| {
            value
                .to_str()
                .map_err(|_| S3Error::invalid_argument(format!("`{name}` is not printable ASCII")))
        })
        .transpose()
}

/// `access-key-id/yyyymmdd/region/service/aws4_request`; the access key id may contain slashes.
pub(super) fn credential_scope(credential: &str) -> Option<(&str, CredentialScope)> {
    let mut parts = credential.rsplitn(5, '/');
    let (terminator, service, region, date, access_key_id) = (
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
    );
    let dated = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
    let plain =
        |text: &str| !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic());
    if terminator != "aws4_request" || !dated || !plain(region) || !plain(service) || !plain(access_key_id) {
        return None;
    }
    Some((
        access_key_id,
        CredentialScope {
            date: date.into(),
            region: region.into(),
            service: service.into(),
        },
    ))
}

/// `x-amz-date`, else `Date` in the same form or as an HTTP date.
fn header_date(headers: &HeaderMap) -> Result<(Timestamp, Box<str>), S3Error> {
    let missing = || S3Error::access_denied("AWS authentication requires a valid Date or x-amz-date header");
    if let Some(text) = header_text(headers, "x-amz-date")? {
        return basic_date(text).map(|at| (at, text.into())).ok_or_else(missing);
    }
    let text = header_text(headers, "date")?.ok_or_else(missing)?;
    let at = basic_date(text)
        .or_else(|| {
            jiff::fmt::rfc2822::parse(text)
                .ok()
                .map(|zoned| zoned.timestamp())
        })
        .ok_or_else(missing)?;
    Ok((at, at.strftime("%Y%m%dT%H%M%SZ").to_string().into()))
}

/// `yyyymmddThhmmssZ`, exactly.
pub(super) fn basic_date(text: &str) -> Option<Timestamp> {
    let shaped = text.len() == 16
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 => b == b'T',
            15 => b == b'Z',
            _ => b.is_ascii_digit(),
        });
    if !shaped {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
    // A leap second is the one before it, as everywhere where there are none.
    let second = small(13)?;
    let second = if second == 60 { 59 } else { second };
    let civil = DateTime::new(
        number(0, 4)?,
        small(4)?,
        small(6)?,
        small(9)?,
        small(11)?,
        second,
        0,
    )
    .ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

pub(super) fn hex32(text: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}
