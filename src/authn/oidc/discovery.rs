//! Where an issuer's keys are.
//!
//! The address of the keys comes from the issuer's discovery document and from nowhere else; the document is
//! asked for at an address made of configuration alone, and must name the configured issuer byte for byte. Keys
//! on another host are fetched from public addresses only: a document cannot send us into our own network
//! (JWT-13).
//!
//! Spec: <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig>

use crate::json::Object;

/// An `https` URL, looked at and not normalised: no `url::Url` here, it rewrites hosts and paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// As it was written.
    pub(super) url: Box<str>,
    /// In lower case, without port.
    pub(super) host: Box<str>,
}

/// Why a discovery document leads nowhere.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DiscoveryError {
    #[error("the discovery document is not strict JSON: {0}")]
    Json(String),
    #[error("the discovery document is of another issuer than the configured one")]
    OtherIssuer,
    #[error(
        "the discovery document has no acceptable `jwks_uri`, which is an `https` URL without user and fragment"
    )]
    NoJwksUri,
    #[error(
        "the discovery document has no acceptable `{0}`, which is an `https` URL without user and fragment"
    )]
    NoEndpoint(&'static str),
}

/// Where the discovery document of `issuer` is. `None` if `issuer` is not an acceptable URL.
pub(super) fn document_of(issuer: &str) -> Option<Location> {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    Location::parse(&format!("{base}/.well-known/openid-configuration"))
}

/// Where the keys are, by the discovery document of `issuer`.
///
/// # Errors
/// [`DiscoveryError`].
pub(super) fn keys_of(issuer: &str, document: &[u8]) -> Result<Location, DiscoveryError> {
    let document = Object::parse(document).map_err(|error| DiscoveryError::Json(error.to_string()))?;
    if document.text("issuer") != Some(issuer) {
        return Err(DiscoveryError::OtherIssuer);
    }
    document
        .text("jwks_uri")
        .and_then(Location::parse)
        .ok_or(DiscoveryError::NoJwksUri)
}

impl Location {
    /// Reads an `https` URL with a host and without user, fragment, control characters or spaces.
    pub(super) fn parse(url: &str) -> Option<Self> {
        // `http::Uri` would drop a fragment silently.
        if url
            .bytes()
            .any(|b| !b.is_ascii_graphic() || b == b'#' || b == b'\\')
        {
            return None;
        }
        let uri: http::Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        if uri.scheme_str() != Some("https") || authority.as_str().contains('@') {
            return None;
        }
        if authority.host().is_empty() {
            return None;
        }
        Some(Self {
            url: url.into(),
            host: authority.host().to_ascii_lowercase().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, host: Option<&str>) {
        let found = Location::parse(url);
        assert_eq!(found.as_ref().map(|location| &*location.host), host, "{url}");
        assert!(found.is_none_or(|location| *location.url == *url));
    }

    // JWT-13
    #[test]
    fn only_plain_https_urls_are_locations() {
        check("https://idp.test/keys", Some("idp.test"));
        check("https://IDP.test:8443/a/../b?c=d", Some("idp.test"));
        check("https://idp.test", Some("idp.test"));
        check("https://[::1]:9/k", Some("[::1]"));
        check("http://idp.test/keys", None);
        check("file:///etc/passwd", None);
        check("ftp://idp.test/keys", None);
        check("//idp.test/keys", None);
        check("/keys", None);
        check("idp.test/keys", None);
        check("https:///keys", None);
        check("https://user@idp.test/keys", None);
        check("https://idp.test@evil.test/keys", None);
        check("https://user:password@idp.test/keys", None);
        check("https://idp.test/keys#fragment", None);
        check("https://idp.test\\@evil.test/", None);
        check("https://idp.test/ke ys", None);
        check("https://idp.test/keys\n", None);
        check("https://\u{444}.test/keys", None);
        check("", None);
    }

    #[test]
    fn the_well_known_path_is_joined_with_one_slash() {
        let check = |issuer: &str, expected: Option<&str>| {
            assert_eq!(
                document_of(issuer).as_ref().map(|location| &*location.url),
                expected
            );
        };
        check(
            "https://a.test",
            Some("https://a.test/.well-known/openid-configuration"),
        );
        check(
            "https://a.test/",
            Some("https://a.test/.well-known/openid-configuration"),
        );
        check(
            "https://a.test/t/v2.0",
            Some("https://a.test/t/v2.0/.well-known/openid-configuration"),
        );
        check(
            "https://a.test/t/",
            Some("https://a.test/t/.well-known/openid-configuration"),
        );
        check("http://a.test/", None);
    }

    // JWT-13
    #[test]
    fn a_document_of_another_issuer_is_refused() {
        let check = |issuer: &str, document: &str, expected: Result<&str, DiscoveryError>| {
            let found = keys_of(issuer, document.as_bytes());
            let found = found.as_ref().map(|location| &*location.url);
            assert_eq!(found, expected.as_ref().copied(), "{document}");
        };
        let a = "https://a.test";
        check(
            a,
            r#"{"issuer":"https://a.test","jwks_uri":"https://a.test/k"}"#,
            Ok("https://a.test/k"),
        );
        check(
            a,
            r#"{"issuer":"https://a.test/","jwks_uri":"https://a.test/k"}"#,
            Err(DiscoveryError::OtherIssuer),
        );
        check(
            a,
            r#"{"issuer":"https://A.test","jwks_uri":"https://a.test/k"}"#,
            Err(DiscoveryError::OtherIssuer),
        );
        check(
            a,
            r#"{"issuer":["https://a.test"],"jwks_uri":"https://a.test/k"}"#,
            Err(DiscoveryError::OtherIssuer),
        );
        check(
            a,
            r#"{"jwks_uri":"https://a.test/k"}"#,
            Err(DiscoveryError::OtherIssuer),
        );
        check(
            a,
            r#"{"issuer":"https://a.test","jwks_uri":"http://a.test/k"}"#,
            Err(DiscoveryError::NoJwksUri),
        );
        check(
            a,
            r#"{"issuer":"https://a.test","jwks_uri":7}"#,
            Err(DiscoveryError::NoJwksUri),
        );
        check(
            a,
            r#"{"issuer":"https://a.test"}"#,
            Err(DiscoveryError::NoJwksUri),
        );
        let twice =
            r#"{"issuer":"https://a.test","jwks_uri":"https://a.test/k","jwks_uri":"https://b.test/k"}"#;
        assert!(matches!(
            keys_of(a, twice.as_bytes()),
            Err(DiscoveryError::Json(_))
        ));
    }
}
