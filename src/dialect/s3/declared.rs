//! What the caller declares about its payload: mode, length, checksums.

use super::error::S3Error;
use crate::operation::{Api, BodyRule, Checksum, ChecksumAlgorithm, DeclaredPayload, PayloadMode};
use data_encoding::{BASE64, HEXLOWER};
use http::HeaderMap;

/// Reads the declarations and holds them against what the call takes.
///
/// `payload` is the signed value of `x-amz-content-sha256`, `presigned` whether it was signed in a query.
///
/// # Errors
/// `InvalidRequest`, `MissingContentLength`, `InvalidDigest`, `MaxMessageLengthExceeded`, `NotImplemented`.
pub(crate) fn read(
    api: Api,
    headers: &HeaderMap,
    payload: Option<&str>,
    presigned: bool,
) -> Result<DeclaredPayload, S3Error> {
    let row = api.row();
    let mode = mode(payload)?;
    let length = number(headers, "content-length")?;
    let length = match row.body {
        BodyRule::Empty if mode.is_chunked() => return Err(streaming_elsewhere()),
        BodyRule::Empty => match length {
            Some(0) | None if !headers.contains_key(http::header::TRANSFER_ENCODING) => 0,
            _ => {
                return Err(S3Error::invalid_request(format!(
                    "{} takes no request body",
                    api.name()
                )));
            }
        },
        BodyRule::Form | BodyRule::Document { .. } if mode.is_chunked() => return Err(streaming_elsewhere()),
        BodyRule::Form => length.ok_or_else(missing_length)?,
        BodyRule::Document { limit, optional, .. } => {
            let bodyless = !headers.contains_key(http::header::TRANSFER_ENCODING);
            let length = match length {
                // A request without a body needs no length.
                None if optional && bodyless => 0,
                declared => declared.ok_or_else(missing_length)?,
            };
            if length > u64::try_from(limit).unwrap_or(u64::MAX) {
                return Err(S3Error::max_message_length(format!(
                    "Your request was too big: {limit} bytes at most"
                )));
            }
            length
        }
        BodyRule::Object if mode.is_chunked() && presigned => {
            return Err(S3Error::invalid_request(
                "a presigned URL takes a plain body, not aws-chunked",
            ));
        }
        BodyRule::Object if mode.is_chunked() => {
            number(headers, "x-amz-decoded-content-length")?.ok_or_else(missing_length)?
        }
        BodyRule::Object => {
            if lists(headers, "content-encoding", "aws-chunked") {
                return Err(S3Error::invalid_argument(
                    "aws-chunked needs a STREAMING value in x-amz-content-sha256",
                ));
            }
            length.ok_or_else(missing_length)?
        }
    };
    let mut checksums = Vec::new();
    for name in headers.keys().map(http::HeaderName::as_str) {
        let algorithm = match name {
            "content-md5" => Some(ChecksumAlgorithm::Md5),
            // In CompleteMultipartUpload these describe the object and not the body.
            name if row.headers.contains(&name) => None,
            name => ChecksumAlgorithm::from_header(name),
        };
        if let Some(algorithm) = algorithm {
            checksums.push(checksum(algorithm, headers)?);
        }
    }
    let declared = DeclaredPayload {
        mode,
        length,
        checksums,
        trailer: trailer(headers, mode)?,
    };
    let unproven = declared.checksums.is_empty() && matches!(mode, PayloadMode::Unsigned);
    if api == Api::DeleteObjects && unproven {
        return Err(S3Error::invalid_request(
            "Missing required header for this request: Content-MD5",
        ));
    }
    Ok(declared)
}

fn mode(payload: Option<&str>) -> Result<PayloadMode, S3Error> {
    Ok(match payload {
        None | Some("UNSIGNED-PAYLOAD") => PayloadMode::Unsigned,
        Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => PayloadMode::UnsignedTrailer,
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") => PayloadMode::SignedChunks,
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") => PayloadMode::SignedChunksTrailer,
        // STR-01: an unknown mode must not fall through to one that verifies less.
        Some(other) => PayloadMode::Literal(
            HEXLOWER.decode(other.as_bytes()).ok().and_then(|hash| hash.try_into().ok()).ok_or_else(|| {
                S3Error::invalid_request(
                    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                     STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a SHA-256 in hex",
                )
            })?,
        ),
    })
}

fn trailer(headers: &HeaderMap, mode: PayloadMode) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let announced = headers
        .get("x-amz-trailer")
        .map(|value| value.to_str().unwrap_or_default().trim());
    match (mode, announced) {
        (PayloadMode::UnsignedTrailer | PayloadMode::SignedChunksTrailer, Some(name)) => {
            ChecksumAlgorithm::from_header(&name.to_ascii_lowercase())
                .map(Some)
                .ok_or_else(|| {
                    S3Error::invalid_request(
                        "The value specified in the x-amz-trailer header is not supported",
                    )
                })
        }
        (PayloadMode::UnsignedTrailer | PayloadMode::SignedChunksTrailer, None) => Err(
            S3Error::invalid_request("a payload with a trailer needs x-amz-trailer to announce it"),
        ),
        (PayloadMode::Literal(_) | PayloadMode::Unsigned | PayloadMode::SignedChunks, Some(_)) => Err(
            S3Error::invalid_request("x-amz-trailer needs a payload with a trailer"),
        ),
        (PayloadMode::Literal(_) | PayloadMode::Unsigned | PayloadMode::SignedChunks, None) => Ok(None),
    }
}

fn checksum(algorithm: ChecksumAlgorithm, headers: &HeaderMap) -> Result<Checksum, S3Error> {
    let name = algorithm.header();
    let mut values = headers.get_all(name).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => BASE64.decode(value.as_bytes().trim_ascii()).ok(),
        _ => None,
    };
    value
        .filter(|value| value.len() == algorithm.length())
        .map(|value| Checksum { algorithm, value })
        .ok_or_else(|| match algorithm {
            ChecksumAlgorithm::Md5 => S3Error::invalid_digest("The Content-MD5 you specified was invalid"),
            _ => S3Error::invalid_request(format!("Value for {name} header is invalid")),
        })
}

fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, S3Error> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(Some(number)),
        _ => Err(S3Error::invalid_argument(format!(
            "`{name}` must be a number of bytes"
        ))),
    }
}

fn lists(headers: &HeaderMap, name: &str, token: &str) -> bool {
    let tokens = |value: &http::HeaderValue| {
        value
            .to_str()
            .unwrap_or_default()
            .split(',')
            .any(|t| t.trim().eq_ignore_ascii_case(token))
    };
    headers.get_all(name).iter().any(tokens)
}

fn missing_length() -> S3Error {
    S3Error::missing_content_length("You must provide the Content-Length HTTP header")
}

fn streaming_elsewhere() -> S3Error {
    S3Error::invalid_request("a STREAMING payload is for PutObject and UploadPart only")
}
