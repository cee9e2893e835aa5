//! The identity of an AWS role: STS signs a token for somebody outside of AWS, for whoever signs the call.
//!
//! Spec: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html>

use super::error::AWS_STS;
use super::{IdentityError, Source, encoded, token};
use crate::client::console::printable;
use crate::client::settings::is_loopback;
use crate::credentials::{sign_sts, sts_error, web_identity_token};
use crate::secret::Secret;
use http::StatusCode;

impl Source {
    pub(super) async fn aws_token(&self) -> Result<Secret, IdentityError> {
        let (keys, region) = self.ambient_keys().await?;
        let region = region.ok_or(IdentityError::Missing {
            name: "AWS_REGION",
            meaning: "which token service is to be asked",
        })?;
        let url = match &self.aws_sts_endpoint {
            Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
            None if region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
                let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
                format!("https://sts.{region}.amazonaws.com{suffix}/")
            }
            None => return Err(IdentityError::Variable { name: "AWS_REGION" }),
        };
        let body = encoded(&[
            ("Action", "GetWebIdentityToken"),
            ("Version", "2011-06-15"),
            ("Audience.member.1", &self.audience),
            ("SigningAlgorithm", "RS256"),
            // The longest that there is: sessions end with the token that they come from.
            ("DurationSeconds", "3600"),
        ]);
        let uri: http::Uri = url.parse().map_err(|_| IdentityError::Signature)?;
        let host = uri.authority().ok_or(IdentityError::Signature)?.as_str();
        let headers = sign_sts(&keys, &region, &url, host, &body, self.clock.now())
            .map_err(|_| IdentityError::Signature)?;
        let fetcher = if is_loopback(uri.host().unwrap_or_default()) {
            self.fetcher.clone().allow_plain()
        } else {
            self.fetcher.clone()
        };
        let answer = fetcher.post_form(&url, body, &headers).await;
        let answer = answer.map_err(|source| IdentityError::Unreachable {
            server: AWS_STS,
            source,
        })?;
        let text = String::from_utf8_lossy(&answer.body);
        if answer.status != StatusCode::OK {
            let (code, message) = sts_error(&text).unwrap_or_default();
            let hint = match code.as_str() {
                "OutboundWebIdentityFederationDisabled"
                | "OutboundWebIdentityFederationDisabledException" => {
                    "; an administrator of the account has to call `aws iam enable-outbound-web-identity-federation`"
                }
                "AccessDenied" => "; the role needs `sts:GetWebIdentityToken`",
                _ => "",
            };
            let message = printable(&format!("{code}: {message}")) + hint;
            return Err(IdentityError::Refused {
                server: AWS_STS,
                status: answer.status.as_u16(),
                message,
            });
        }
        let given = web_identity_token(&text).map_err(|problem| IdentityError::Token {
            server: AWS_STS,
            problem,
        })?;
        token(AWS_STS, &given)
    }
}
