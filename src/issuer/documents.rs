//! What clouds read: the discovery document.

use super::JWKS_PATH;
use serde_json::json;

/// The discovery document of the issuer `url`: what AWS, Google and Entra ask of one that only clouds talk to.
///
/// Spec: <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata>
pub(super) fn discovery(url: &str) -> String {
    json!({
        "issuer": url,
        "jwks_uri": format!("{url}{JWKS_PATH}"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"],
    })
    .to_string()
}
