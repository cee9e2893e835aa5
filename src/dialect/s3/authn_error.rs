//! Why a claim was not accepted, in S3's words and with the elements that SDKs read.

use super::error::S3Error;
use crate::authn::{AuthnError, SignatureForm, bearer_message};

/// The caller's view of a claim that was not accepted.
pub(super) fn describe(error: &AuthnError) -> S3Error {
    match error {
        AuthnError::Anonymous => S3Error::access_denied(
            "Access Denied: the request has no credentials. Trade an identity token for a session at this endpoint's STS \
             (AssumeRoleWithWebIdentity) and sign with it.",
        ),
        AuthnError::MalformedScope { form: SignatureForm::Header, reason } => {
            S3Error::authorization_header_malformed(format!("The authorization header is malformed; {reason}"))
        }
        AuthnError::MalformedScope { form: SignatureForm::Presigned { .. }, reason } => {
            S3Error::authorization_query_parameters(format!("X-Amz-Credential is malformed; {reason}"))
        }
        AuthnError::MalformedScope { form: SignatureForm::Form { .. }, reason } => {
            S3Error::invalid_argument(format!("x-amz-credential is malformed; {reason}"))
                .with("ArgumentName", "x-amz-credential")
        }
        AuthnError::PolicyExpired { expired_at, server_time } => {
            S3Error::access_denied("Invalid according to Policy: Policy expired.")
                .with("Expires", expired_at.to_string())
                .with("ServerTime", server_time.to_string())
        }
        AuthnError::RequestTimeTooSkewed { request_time, server_time, drift, .. } => S3Error::request_time_too_skewed(
            format!(
                "The difference between the request time and the server's time is too large: your clock is {drift}. Set \
                 it, best by NTP."
            ),
        )
        .with("RequestTime", &**request_time)
        .with("ServerTime", server_time.to_string())
        .with("MaxAllowedSkewMilliseconds", "900000"),
        AuthnError::NotYetValid { server_time, drift, .. } => {
            let clock = format!("The clock that it was signed by is {drift}");
            S3Error::access_denied("Request is not valid yet").with("Details", clock).with("ServerTime", server_time.to_string())
        }
        AuthnError::Expired { expires, expired_at, server_time } => S3Error::access_denied("Request has expired")
            .with("X-Amz-Expires", expires.as_secs().to_string())
            .with("Expires", expired_at.to_string())
            .with("ServerTime", server_time.to_string()),
        AuthnError::InvalidAccessKeyId { access_key_id } => S3Error::invalid_access_key_id(
            "The AWS Access Key Id you provided does not exist in our records.",
        )
        .with("AWSAccessKeyId", &**access_key_id),
        AuthnError::InvalidToken { .. } => {
            S3Error::invalid_token("The provided token is malformed or otherwise invalid. Get a new session.")
        }
        AuthnError::ExpiredToken { .. } => {
            S3Error::expired_token("The provided token has expired. Get a new session.")
        }
        // 401 and not 400, as for signatures: clients that carry bearer tokens get another one when they read it.
        AuthnError::ExpiredBearer { cause, .. } => S3Error::new(401, "ExpiredToken", bearer_message(cause)),
        AuthnError::InvalidBearer(cause) => S3Error::new(401, "InvalidToken", bearer_message(cause)),
        AuthnError::IssuerUnavailable(_) => S3Error::slow_down(
            "The keys of the identity token's issuer cannot be fetched now. Try again.",
        )
        .retry_after(1),
        AuthnError::Revoked { revocation, .. } => S3Error::expired_token(format!(
            "The provided token has expired: it was {}. Get a new session.",
            revocation.told()
        )),
        AuthnError::ServiceKey { access_key_id, why } => {
            S3Error::access_denied(format!("Access Denied: {}", why.told(access_key_id)))
                .with("AWSAccessKeyId", &**access_key_id)
        }
        AuthnError::SignatureDoesNotMatch { access_key_id, string_to_sign }
        | AuthnError::UnknownServiceKey { access_key_id, string_to_sign } => {
            let error = S3Error::signature_does_not_match(
                "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
            )
            .with("AWSAccessKeyId", &**access_key_id);
            match &**string_to_sign {
                "" => error,
                text => error.with("StringToSign", text),
            }
        }
    }
}
