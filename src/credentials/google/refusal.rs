//! What Google says when it refuses, and what the operator can do about it.
//!
//! The token service and the OAuth endpoint speak RFC 6749, everything else Google's own error format, and what stands
//! before them plain text. All of it is somebody else's text: it is shortened and goes to the log alone.

use super::{GoogleError, Service};
use crate::credentials::refusal::printable;
use crate::json::{Json, Object};
use crate::secret::Secret;
use http::StatusCode;

/// What was said, fit for a log. `sent` are the secrets that the question had.
pub(super) fn read(service: Service, status: StatusCode, body: &[u8], sent: &[&Secret]) -> GoogleError {
    let said = Said::read(body);
    let shown = |text: &str, longest| {
        let all = sent.iter().fold(text.to_owned(), |text, secret| {
            printable(&text, Some(secret), text.len())
        });
        printable(&all, None, longest)
    };
    GoogleError::Refused {
        service,
        status,
        hint: hint(service, status, &said),
        code: shown(&said.code, 64),
        message: shown(&said.message, 256),
    }
}

struct Said {
    /// `error` of RFC 6749, `error.status` of Google's format.
    code: String,
    message: String,
    /// `error.details[].reason`, where Google is more precise.
    reason: String,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        Self::of_json(body).unwrap_or_else(|| Self {
            code: "none".to_owned(),
            message: String::from_utf8_lossy(body).into_owned(),
            reason: String::new(),
        })
    }

    fn of_json(body: &[u8]) -> Option<Self> {
        let document = Object::parse(body).ok()?;
        match document.get("error")? {
            Json::String(code) => Some(Self {
                code: code.to_string(),
                message: document.text("error_description").unwrap_or("no message").into(),
                reason: String::new(),
            }),
            Json::Object(error) => Some(Self {
                code: error.text("status").unwrap_or("none").into(),
                message: error.text("message").unwrap_or("no message").into(),
                reason: reason(error).unwrap_or_default().into(),
            }),
            _ => None,
        }
    }
}

fn reason(error: &Object) -> Option<&str> {
    let Json::Array(details) = error.get("details")? else {
        return None;
    };
    details.iter().find_map(|detail| match detail {
        Json::Object(detail) => detail.text("reason"),
        _ => None,
    })
}

/// What to look at. Messages change; so they only choose between hints, and there is one for whatever they say.
fn hint(service: Service, status: StatusCode, said: &Said) -> &'static str {
    let message = said.message.to_ascii_lowercase();
    let says = |words: &str| message.contains(words);
    if said.reason == "SERVICE_DISABLED" || says("has not been used in project") {
        return match service {
            Service::TokenService => {
                "enable the API in the project of the pool: `gcloud services enable sts.googleapis.com`"
            }
            _ => {
                "enable the API in the project of the service account: `gcloud services enable iamcredentials.googleapis.com`"
            }
        };
    }
    if status == StatusCode::TOO_MANY_REQUESTS || said.code == "RESOURCE_EXHAUSTED" {
        return "the project's quota is used up: with `attribution = \"per-principal\"` each principal counts; it will be asked again";
    }
    if status.is_server_error() {
        return "it will be asked again";
    }
    match service {
        Service::TokenService => of_token_service(&said.code, says),
        Service::IamCredentials => of_iam_credentials(status, says),
        Service::MetadataServer => match status {
            StatusCode::NOT_FOUND => {
                "attach a service account to this machine, or name one of those that it has"
            }
            StatusCode::FORBIDDEN => {
                "the machine's identity may not act as this service account: bind `roles/iam.workloadIdentityUser`"
            }
            _ => "it will be asked again",
        },
        Service::OAuth => of_oauth(&said.code, says),
    }
}

fn of_token_service(code: &str, says: impl Fn(&str) -> bool) -> &'static str {
    match code {
        _ if says("attribute condition") => {
            "the attribute condition of the provider must hold for this token: `tidegate setup gcp` prints one"
        }
        _ if says("audience in") || says("does not match the expected audience") => {
            "the provider must allow the audience of the token: set its `--allowed-audiences`, or `token_audience` here"
        }
        _ if says("issuer") && (says("connect") || says("fetch")) => {
            "Google cannot fetch discovery document or key set of the token's issuer: publish them, or upload the key set to the provider"
        }
        _ if says("issuer") => "the provider must name the issuer of the token, byte for byte",
        _ if says("signature") || says("key") => {
            "the provider has another key set: if it was uploaded, upload that of `tidegate issuer jwks` again"
        }
        _ if says("127 bytes") || says("mapped attribute") => {
            "map `google.subject=assertion.sub`: subjects of Tidegate's own tokens are short enough"
        }
        _ if says("stale") || says("expired") || says("in the future") => {
            "check the clock of this machine, or what keeps the token file fresh"
        }
        "invalid_target" => {
            "`audience` must name a pool and a provider that exist and are enabled, by the number of their project; new ones take minutes"
        }
        "invalid_scope" => "the scope of the token is not known there: check `universe_domain`",
        "unauthorized_client" | "access_denied" => {
            "the provider's attribute condition, or an organisation policy, keeps this token out"
        }
        "invalid_grant" => "check issuer, audience, signature and times of the token against the provider",
        _ => "check `audience` and the provider",
    }
}

fn of_iam_credentials(status: StatusCode, says: impl Fn(&str) -> bool) -> &'static str {
    match status {
        _ if says("lifetime") => "the organisation must allow this lifetime for the service account",
        StatusCode::FORBIDDEN => {
            "bind `roles/iam.workloadIdentityUser` on the service account to the federated principal, as `tidegate setup gcp` prints it; new bindings take minutes"
        }
        StatusCode::NOT_FOUND => "there is no such service account: check `service_account`",
        StatusCode::UNAUTHORIZED => {
            "the federated token is not accepted there: `sts_endpoint` and `iam_endpoint` must be of one universe"
        }
        StatusCode::BAD_REQUEST => {
            "check `service_account`: it must be an email address, and the account enabled"
        }
        _ => "check `service_account`",
    }
}

fn of_oauth(code: &str, says: impl Fn(&str) -> bool) -> &'static str {
    match code {
        _ if says("timeframe") || says("iat") => "check the clock of this machine",
        _ if says("signature") => "the key was deleted or disabled: make another one, or better none",
        _ if says("account not found") || says("disabled") => "the service account is disabled or deleted",
        "deleted_client" | "disabled_client" => "the service account is disabled or deleted",
        "invalid_scope" => "the scope of the token is not known there: check `token_endpoint`",
        _ => "check the key file, and that the service account and the key are enabled",
    }
}
