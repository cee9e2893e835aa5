//! What a security token service said when it refused: fit for a log, with what the operator can do about it.

use super::{SourceError, sts_xml};
use crate::clock::Drift;
use crate::drift::WORTH_A_WARNING;
use crate::fetch::Fetched;
use crate::secret::Secret;
use http::StatusCode;
use jiff::Timestamp;

/// The refusal that `text`, the body of an answer, is about.
pub(super) fn refusal(status: StatusCode, text: &str, token: Option<&Secret>) -> SourceError {
    let (code, message) =
        sts_xml::error(text).unwrap_or_else(|| ("none".to_owned(), "no message".to_owned()));
    let hint = hint(status, &code, &message);
    SourceError::Refused {
        status,
        code: printable(&code, token, 64),
        message: printable(&message, token, 256),
        hint,
    }
}

/// Whether the service asks for less.
pub(super) fn is_throttled(error: &SourceError) -> bool {
    matches!(error, SourceError::Refused { status, code, .. }
        if THROTTLED.contains(&&**code) || *status == StatusCode::TOO_MANY_REQUESTS)
}

const THROTTLED: [&str; 4] = [
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "SlowDown",
];

/// `error`, with how far the service's clock is from ours if that may be why.
pub(super) fn drifting(
    error: SourceError,
    answer: &Fetched,
    asked: Timestamp,
    now: Timestamp,
) -> SourceError {
    let drift = answer.date().map(|theirs| Drift::seen(theirs, asked, now));
    match drift.filter(|drift| drift.exceeds(WORTH_A_WARNING)) {
        Some(drift) => SourceError::Drifting {
            drift,
            source: Box::new(error),
        },
        None => error,
    }
}

/// What to look at. Each code is one of Amazon's; other stores use the same ones.
fn hint(status: StatusCode, code: &str, message: &str) -> &'static str {
    let says = |words: &str| message.to_ascii_lowercase().contains(words);
    match code {
        // Amazon says it with a code of its own, others with what their client of HTTP said.
        "InvalidIdentityToken" | "AccessDenied" if says("verification key") || says("jwks") => {
            "the service could not fetch the keys of the token's issuer: its discovery document and key set must be reachable \
             from there, with a certificate of a public CA"
        }
        "InvalidIdentityToken" if says("audience") || says("aud") => {
            "the audience of the token must be among the client ids of the identity provider in the account"
        }
        "InvalidIdentityToken" if says("provider") => {
            "create the identity provider in the role's account, with the URL of `[issuer]` as it is written there"
        }
        "InvalidIdentityToken" | "IDPRejectedClaim" => "check issuer, audience and signature of the token",
        "IDPCommunicationError" => {
            "the service could not fetch the keys of the token's issuer, it will be asked again"
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            "whatever keeps the credential of this call fresh has stopped, or a clock is wrong"
        }
        "AccessDenied" if says("sts:tagsession") => {
            "let the trust policy of the role allow `sts:TagSession`, or set `session_tags = false`"
        }
        "AccessDenied" if says("sts:setsourceidentity") => {
            "let the trust policy of the role allow `sts:SetSourceIdentity`, or set `source_identity = false`"
        }
        "AccessDenied" => {
            "the trust policy of the role must allow this caller: action, audience, subject and external id are its conditions"
        }
        "RegionDisabledException" | "RegionDisabled" => {
            "the region's token service is not activated for the account: activate it, or set `sts_endpoint` or `sts_region`"
        }
        "PackedPolicyTooLarge" => {
            "session policy and tags are too large together: shorter prefixes, `session_tags = false` or `narrow = false`"
        }
        "MalformedPolicyDocument" => {
            "the service does not take the policy of `narrow = true`: set it to `false`"
        }
        "ValidationError" if says("role chaining") => {
            "what signs this call is itself a role's, and a role that a role assumes lasts an hour at most: `duration = \"1h\"`"
        }
        "ValidationError" if says("maxsessionduration") => {
            "raise the maximum session duration of the role, or lower `duration`"
        }
        "ValidationError" => "check role, session name and duration",
        "InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" => {
            "check the keys that sign this call, and the clock"
        }
        code if THROTTLED.contains(&code) || status == StatusCode::TOO_MANY_REQUESTS => {
            "it was asked too often and will be asked again later; shared sessions need fewer calls"
        }
        _ => "it will be asked again",
    }
}

/// Cuts `text`, replaces what is not printable and any part of the token.
pub(super) fn printable(text: &str, token: Option<&Secret>, longest: usize) -> String {
    let mut text = text.to_owned();
    for part in token
        .and_then(Secret::expose_str)
        .into_iter()
        .flat_map(|token| token.split('.'))
    {
        if part.len() >= 8 {
            text = text.replace(part, "[redacted]");
        }
    }
    text.chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .take(longest)
        .collect()
}
