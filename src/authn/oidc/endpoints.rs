//! Where people log in: the endpoints that an issuer's discovery document names.
//!
//! The document is fetched and held against the configured issuer like the one that leads to the keys. A browser is
//! sent to the authorization endpoint; codes and the client's secret go to the token endpoint, so that one is an
//! `https` URL on the issuer's own host or on a public address.
//!
//! Spec: <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata>,
//! <https://www.rfc-editor.org/rfc/rfc9207#section-3>

use super::discovery::{self, DiscoveryError, Location};
use super::documents::{Documents, FETCH_TIMEOUT, KeysError, Network};
use crate::config;
use crate::error::with_causes;
use crate::fetch::Guard;
use crate::json::{Json, Object};
use std::sync::Arc;

/// What a login needs to know of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// Where the browser is sent.
    pub(crate) authorization: Box<str>,
    /// Where a code is exchanged.
    pub(crate) token: Box<str>,
    /// Which addresses [`Endpoints::token`] may lead to.
    pub(crate) guard: Guard,
    /// Whether each answer to a browser says which issuer it is of (RFC 9207).
    pub(crate) names_itself: bool,
    /// Whether a client's secret goes into the form, because the issuer does not take it in a header.
    pub(crate) secret_in_form: bool,
    /// The values of `prompt` that it says it knows; empty if it does not say.
    pub(crate) prompts: Vec<Box<str>>,
}

/// Why there are no endpoints, in the operator's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the discovery document cannot be used: {0}")]
pub(crate) struct EndpointsError(pub(crate) Box<str>);

impl Endpoints {
    /// Fetches the discovery document of `issuer`; for ten seconds at most.
    ///
    /// # Errors
    /// [`EndpointsError`].
    pub(crate) async fn fetch(issuer: &Arc<config::Issuer>) -> Result<Self, EndpointsError> {
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, Self::fetched(issuer)).await;
        let fetched = fetched.unwrap_or(Err(KeysError::Timeout));
        fetched.map_err(|error| EndpointsError(with_causes(&error).into()))
    }

    async fn fetched(issuer: &Arc<config::Issuer>) -> Result<Self, KeysError> {
        let place = discovery::document_of(&issuer.issuer).ok_or(KeysError::Address)?;
        // The CA is read.
        let of = Arc::clone(issuer);
        let network = tokio::task::spawn_blocking(move || Network::new(&of)).await;
        let network = network.map_err(|_| KeysError::Roots)??;
        let document = network.get(&place.url, Guard::Any).await?;
        Ok(Self::read(&issuer.issuer, &place.host, &document.body)?)
    }

    /// Reads the document that `host` published for `issuer`.
    fn read(issuer: &str, host: &str, document: &[u8]) -> Result<Self, DiscoveryError> {
        let document = Object::parse(document).map_err(|error| DiscoveryError::Json(error.to_string()))?;
        if document.text("issuer") != Some(issuer) {
            return Err(DiscoveryError::OtherIssuer);
        }
        let endpoint = |name: &'static str| {
            let url = document.text(name).and_then(Location::parse);
            url.ok_or(DiscoveryError::NoEndpoint(name))
        };
        let authorization = endpoint("authorization_endpoint")?;
        let token = endpoint("token_endpoint")?;
        let methods = texts(document.get("token_endpoint_auth_methods_supported"));
        let takes = |method: &str| methods.iter().any(|known| **known == *method);
        // RFC 8414: without a list it is `client_secret_basic`.
        let secret_in_form = takes("client_secret_post") && !takes("client_secret_basic");
        let named = document.get("authorization_response_iss_parameter_supported");
        Ok(Self {
            authorization: authorization.url,
            guard: if *token.host == *host {
                Guard::Any
            } else {
                Guard::PublicOnly
            },
            token: token.url,
            names_itself: named == Some(&Json::Bool(true)),
            secret_in_form,
            prompts: texts(document.get("prompt_values_supported")),
        })
    }
}

fn texts(list: Option<&Json>) -> Vec<Box<str>> {
    match list {
        Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).map(Box::from).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://idp.test/t";

    fn read(more: &str) -> Result<Endpoints, DiscoveryError> {
        let document =
            format!(r#"{{"issuer":"{ISSUER}","authorization_endpoint":"https://login.test/a?p=1"{more}}}"#);
        Endpoints::read(ISSUER, "idp.test", document.as_bytes())
    }

    // OID-04, JWT-13
    #[test]
    fn a_document_says_where_to_log_in() {
        let found = read(r#","token_endpoint":"https://idp.test/token""#).unwrap();
        assert_eq!(
            found,
            Endpoints {
                authorization: "https://login.test/a?p=1".into(),
                token: "https://idp.test/token".into(),
                guard: Guard::Any,
                names_itself: false,
                secret_in_form: false,
                prompts: Vec::new(),
            }
        );
        let elsewhere = read(r#","token_endpoint":"https://other.test/token""#).unwrap();
        assert_eq!(elsewhere.guard, Guard::PublicOnly);
        let named =
            r#","token_endpoint":"https://idp.test/t","authorization_response_iss_parameter_supported":true"#;
        assert!(read(named).unwrap().names_itself);
        for missing in [
            "",
            r#","token_endpoint":"http://idp.test/token""#,
            r#","token_endpoint":["https://idp.test/token"]"#,
            r#","token_endpoint":"https://a@idp.test/token""#,
        ] {
            assert_eq!(
                read(missing),
                Err(DiscoveryError::NoEndpoint("token_endpoint")),
                "{missing}"
            );
        }
        let other = Endpoints::read(
            "https://idp.test/",
            "idp.test",
            b"{\"issuer\":\"https://idp.test\"}",
        );
        assert_eq!(other, Err(DiscoveryError::OtherIssuer));
    }

    #[test]
    fn a_secret_goes_into_the_form_only_where_no_header_is_taken() {
        let check = |methods: &str, expected: bool| {
            let more = format!(
                r#","token_endpoint":"https://idp.test/t","token_endpoint_auth_methods_supported":{methods}"#
            );
            assert_eq!(read(&more).unwrap().secret_in_form, expected, "{methods}");
        };
        check(r#"["client_secret_basic","client_secret_post"]"#, false);
        check(r#"["client_secret_post"]"#, true);
        check(r#"["private_key_jwt"]"#, false);
        check(r#""client_secret_post""#, false);
        check("[]", false);
    }
}
