//! The gateway's doors, seen from outside: its configuration, credentials for a token, and who it takes one for.
//!
//! A token is sent to the gateway that the caller named and nowhere else: over TLS, without a redirect. The gateway's
//! `Date` is compared with the clock of this machine on every answer, because a clock that is off is the usual reason why
//! neither tokens nor signatures are accepted, and nothing else says so.

use super::console::printable;
use super::spoken;
use crate::clock::Clock;
use crate::fetch::{FetchError, Fetched, Fetcher};
use crate::json::{Json, Object};
use crate::secret::Secret;
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use zeroize::Zeroizing;

/// A gateway.
#[derive(Clone, Debug)]
pub(super) struct Gateway {
    endpoint: String,
    fetcher: Fetcher,
    clock: Clock,
    /// Seconds by which the gateway is ahead of this machine.
    ahead: Arc<AtomicI64>,
}

/// What the gateway tells anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) issuers: Vec<LoginIssuer>,
    /// Whom tokens of workloads are for.
    pub(super) audience: Option<String>,
}

/// An identity provider at which people log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoginIssuer {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) client_id: String,
    /// Given by some providers to public clients as well.
    pub(super) client_secret: Option<String>,
    pub(super) scopes: Vec<String>,
    /// Whether people log in with a code, unless they say otherwise: the provider takes no browser back to a port.
    pub(super) device: bool,
}

/// What the keys are to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) role: Option<String>,
    pub(super) duration: Option<Duration>,
    pub(super) tags: BTreeMap<String, String>,
}

/// Keys of S3, for a while.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: Secret,
    /// Session token.
    pub session_token: Secret,
    /// When they stop working.
    pub expires_at: Timestamp,
}

/// Why the gateway gave no answer, or refused.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It cannot be reached.
    #[error("the gateway cannot be reached")]
    Unreachable {
        /// Its address.
        endpoint: String,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// It said no.
    #[error("the gateway refuses: {message} ({code}){drift}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// Its code, such as `AccessDenied`.
        code: String,
        /// Its words.
        message: String,
        /// What the clocks say, if that may be the reason.
        drift: Skew,
    },
    /// It is no Tidegate, or an older one.
    #[error("`{endpoint}` does not answer like a gateway: {problem}{drift}")]
    Answer {
        /// Its address.
        endpoint: String,
        /// What is missing.
        problem: String,
        /// What the clocks say.
        drift: Skew,
    },
}

/// By how much two clocks differ, if it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew(Option<i64>);

/// Clocks closer than this are not worth a word: answers take a while, too.
const NOTICED: i64 = 60;
/// S3 refuses a signature that is 15 minutes off; a warning has to come before that.
const WARNED: i64 = 300;

impl Gateway {
    pub(super) fn new(endpoint: &str, fetcher: Fetcher, clock: Clock) -> Self {
        let fetcher = if endpoint.starts_with("http://") {
            fetcher.allow_plain()
        } else {
            fetcher
        };
        Self {
            endpoint: endpoint.to_owned(),
            fetcher,
            clock,
            ahead: Arc::default(),
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What the gateway tells anybody.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub(super) async fn configuration(&self) -> Result<Configuration, GatewayError> {
        let answer = self.get("/_tidegate/configuration", &[]).await?;
        let document = self.document(&answer)?;
        let mut issuers = Vec::new();
        if let Some(Json::Array(all)) = document.get("issuers") {
            for one in all {
                let Json::Object(one) = one else {
                    return Err(self.odd("an issuer is not an object"));
                };
                let text = |name| one.text(name).map(str::to_owned);
                let (Some(name), Some(issuer), Some(client_id)) =
                    (text("name"), text("issuer"), text("client_id"))
                else {
                    // One for workloads alone: nobody logs in there.
                    continue;
                };
                let scopes = match one.get("scopes") {
                    Some(Json::Array(scopes)) => scopes
                        .iter()
                        .filter_map(|s| Some(s.as_str()?.to_owned()))
                        .collect(),
                    _ => Vec::new(),
                };
                issuers.push(LoginIssuer {
                    name,
                    issuer,
                    client_id,
                    client_secret: text("client_secret"),
                    scopes,
                    device: one.get("device") == Some(&Json::Bool(true)),
                });
            }
        }
        Ok(Configuration {
            issuers,
            audience: document.text("audience").map(str::to_owned),
        })
    }

    /// Trades an identity token for keys.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub(super) async fn credentials(&self, token: &Secret, wish: &Wish) -> Result<Keys, GatewayError> {
        let query = wish.query();
        let separator = if query.is_empty() { "" } else { "?" };
        let path = format!("/_tidegate/credentials{separator}{query}");
        let answer = self.get(&path, &[self.authorization("", token)?]).await?;
        let document = self.document(&answer)?;
        let member = |name: &'static str| {
            document
                .text(name)
                .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()))
                .ok_or_else(|| self.odd(&format!("there is no `{name}` in the credentials")))
        };
        let expires_at = member("Expiration")?
            .parse()
            .map_err(|_| self.odd("`Expiration` is not a time"))?;
        Ok(Keys {
            access_key_id: member("AccessKeyId")?.to_owned(),
            secret_access_key: Secret::new(member("SecretAccessKey")?),
            session_token: Secret::new(member("Token")?),
            expires_at,
        })
    }

    /// Whom the gateway takes this token for, in its own JSON.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub(super) async fn who_am_i(&self, token: &Secret) -> Result<serde_json::Value, GatewayError> {
        let answer = self
            .get("/_tidegate/whoami", &[self.authorization("Bearer ", token)?])
            .await?;
        self.document(&answer)?;
        serde_json::from_slice(&answer.body).map_err(|_| self.odd("not JSON"))
    }

    /// Seconds by which the gateway was ahead at its last answer.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// By how much the gateway was ahead at its last answer, if that is worth a word.
    pub(super) fn drift(&self) -> Skew {
        let ahead = self.ahead();
        Skew((ahead.abs() >= NOTICED).then_some(ahead))
    }

    async fn get(&self, path: &str, headers: &[(HeaderName, HeaderValue)]) -> Result<Fetched, GatewayError> {
        let url = format!("{}{path}", self.endpoint);
        let fetched = self.fetcher.get_with(&url, headers).await;
        let answer = fetched.map_err(|source| GatewayError::Unreachable {
            endpoint: self.endpoint.clone(),
            source,
        })?;
        if let Some(date) = answer.date() {
            self.ahead
                .store(date.duration_since(self.clock.now()).as_secs(), Ordering::Relaxed);
        }
        if answer.status == StatusCode::OK {
            return Ok(answer);
        }
        Err(self.refusal(&answer))
    }

    fn refusal(&self, answer: &Fetched) -> GatewayError {
        let Ok(document) = Object::parse(&answer.body) else {
            return self.odd(&format!("status {}", answer.status.as_u16()));
        };
        let text = |names: [&str; 2]| names.iter().find_map(|name| document.text(name)).map(printable);
        match text(["code", "error"]) {
            Some(code) => GatewayError::Refused {
                status: answer.status,
                message: text(["message", "error_description"])
                    .unwrap_or_else(|| "it does not say why".to_owned()),
                code,
                drift: self.drift(),
            },
            None => self.odd(&format!("status {}", answer.status.as_u16())),
        }
    }

    fn document(&self, answer: &Fetched) -> Result<Object, GatewayError> {
        Object::parse(&answer.body).map_err(|_| self.odd("its answer is not JSON"))
    }

    fn odd(&self, problem: &str) -> GatewayError {
        GatewayError::Answer {
            endpoint: self.endpoint.clone(),
            problem: problem.to_owned(),
            drift: self.drift(),
        }
    }

    fn authorization(&self, scheme: &str, token: &Secret) -> Result<(HeaderName, HeaderValue), GatewayError> {
        let mut value = Zeroizing::new(scheme.as_bytes().to_vec());
        value.extend_from_slice(token.expose());
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| GatewayError::Refused {
            status: StatusCode::BAD_REQUEST,
            code: "InvalidIdentityToken".to_owned(),
            message: "there are characters in the identity token that no token has".to_owned(),
            drift: Skew::default(),
        })?;
        value.set_sensitive(true);
        Ok((header::AUTHORIZATION, value))
    }
}

impl Wish {
    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(role) = &self.role {
            query.append_pair("role", role);
        }
        if let Some(duration) = self.duration {
            query.append_pair("duration", &duration.as_secs().to_string());
        }
        for (name, value) in &self.tags {
            query.append_pair("tag", &format!("{name}={value}"));
        }
        query.finish()
    }
}

impl GatewayError {
    /// Whether the next try may well succeed.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Answer { .. } => true,
        }
    }

    /// Whether a code is about the token, so that another login may help.
    pub(super) fn is_about_a_token(code: &str) -> bool {
        const CODES: [&str; 5] = [
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidIdentityToken",
            "InvalidToken",
            "invalid_token",
        ];
        CODES.contains(&code)
    }

    pub(super) fn next(&self) -> String {
        match self {
            Self::Unreachable { endpoint, .. } | Self::Answer { endpoint, .. } => {
                format!("curl -sS {endpoint}/_tidegate/configuration")
            }
            Self::Refused {
                drift: Skew(Some(_)), ..
            } => "timedatectl status".to_owned(),
            Self::Refused { .. } => "tidegate whoami".to_owned(),
        }
    }
}

impl Skew {
    /// Whether requests that are signed on this machine will soon be refused.
    pub(crate) fn is_dangerous(self) -> bool {
        self.0.is_some_and(|ahead| ahead.abs() >= WARNED)
    }
}

/// `; this machine's clock is 17 min behind the gateway's`, or nothing.
impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(ahead) => {
                let by = spoken::duration(SignedDuration::from_secs(ahead));
                let side = if ahead > 0 { "behind" } else { "ahead of" };
                write!(f, "; this machine's clock is {by} {side} the gateway's")
            }
        }
    }
}
