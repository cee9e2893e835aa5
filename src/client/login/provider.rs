//! What an identity provider says of itself.
//!
//! Spec: <https://openid.net/specs/openid-connect-discovery-1_0.html>, RFC 8414, RFC 9207.

use super::LoginError;
use crate::client::settings::is_loopback;
use crate::fetch::Fetcher;
use crate::json::{Json, Object};
use http::{StatusCode, Uri};

/// A provider's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::client) struct Provider {
    pub(in crate::client) issuer: String,
    pub(super) authorization_endpoint: Option<String>,
    pub(in crate::client) token_endpoint: String,
    pub(super) device_authorization_endpoint: Option<String>,
    pub(in crate::client) revocation_endpoint: Option<String>,
    pub(in crate::client) end_session_endpoint: Option<String>,
    /// Whether it says who it is when it sends the browser back.
    pub(super) names_itself: bool,
    /// Whether a login may be renewed without a person.
    pub(super) has_offline_access: bool,
}

impl Provider {
    /// Reads the provider's document.
    ///
    /// # Errors
    /// [`LoginError::Unreachable`] or [`LoginError::Provider`].
    pub(in crate::client) async fn discover(issuer: &str, fetcher: &Fetcher) -> Result<Self, LoginError> {
        let wrong = |problem: String| LoginError::Provider {
            issuer: issuer.to_owned(),
            problem,
        };
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let answer = for_issuer(fetcher, issuer).get(&url).await;
        let answer = answer.map_err(|source| LoginError::Unreachable {
            issuer: issuer.to_owned(),
            source,
        })?;
        if answer.status != StatusCode::OK {
            return Err(wrong(format!("status {}", answer.status.as_u16())));
        }
        let document =
            Object::parse(&answer.body).map_err(|_| wrong("its document is not JSON".to_owned()))?;
        // Byte for byte: whoever can change it can stand between (OID-04).
        if document.text("issuer") != Some(issuer) {
            return Err(wrong("its document is that of another issuer".to_owned()));
        }
        let endpoint = |name: &str| match document.text(name) {
            None => Ok(None),
            Some(url) if is_usable(url, issuer) => Ok(Some(url.to_owned())),
            Some(_) => Err(wrong(format!("`{name}` is not behind TLS"))),
        };
        let lists = |name: &str, value: &str| match document.get(name) {
            Some(Json::Array(all)) => all.iter().any(|one| one.as_str() == Some(value)),
            _ => false,
        };
        Ok(Self {
            issuer: issuer.to_owned(),
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?
                .ok_or_else(|| wrong("it has no token endpoint".to_owned()))?,
            device_authorization_endpoint: endpoint("device_authorization_endpoint")?,
            revocation_endpoint: endpoint("revocation_endpoint")?,
            end_session_endpoint: endpoint("end_session_endpoint")?,
            names_itself: document.get("authorization_response_iss_parameter_supported")
                == Some(&Json::Bool(true)),
            has_offline_access: lists("scopes_supported", "offline_access"),
        })
    }

    /// The scopes to ask for: those of the gateway, or the usual ones.
    pub(super) fn scopes(&self, configured: &[String]) -> String {
        let mut scopes: Vec<&str> = configured.iter().map(String::as_str).collect();
        if scopes.is_empty() {
            scopes.extend(["email", "profile"]);
            scopes.extend(self.has_offline_access.then_some("offline_access"));
        }
        if !scopes.contains(&"openid") {
            scopes.insert(0, "openid");
        }
        scopes.join(" ")
    }
}

/// Behind TLS, or on this machine if the provider itself is.
fn is_usable(url: &str, issuer: &str) -> bool {
    if url.contains(['\'', '"', ' ', '#']) || url.chars().any(char::is_control) {
        return false;
    }
    match url.parse::<Uri>() {
        Ok(uri) => match uri.scheme_str() {
            Some("https") => true,
            Some("http") => issuer.starts_with("http://") && uri.host().is_some_and(is_loopback),
            _ => false,
        },
        Err(_) => false,
    }
}

/// The same client, which speaks plain HTTP only to a provider on this machine.
pub(super) fn for_issuer(fetcher: &Fetcher, issuer: &str) -> Fetcher {
    let on_this_machine = issuer
        .parse::<Uri>()
        .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some_and(is_loopback));
    if on_this_machine {
        fetcher.clone().allow_plain()
    } else {
        fetcher.clone()
    }
}
