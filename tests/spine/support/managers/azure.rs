//! Azure Key Vault, the instance metadata service, and Entra.

use super::{Asked, Kind, Reply, Standing, State, pairs};
use http::Method;
use serde_json::json;

pub(super) fn version(number: usize) -> String {
    format!("{number:032x}")
}

pub(super) fn answer(state: &mut State, asked: &Asked) -> Reply {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let query = pairs(query);
    let parameter = |name: &str| query.get(name).map(String::as_str);
    match (path, state.kind) {
        ("/metadata/identity/oauth2/token", Kind::Azure) => {
            let is_right = asked.header("metadata") == Some("true")
                && asked.method == Method::GET
                && parameter("api-version") == Some("2018-02-01")
                && parameter("resource") == Some("https://vault.azure.net");
            if !is_right {
                state.fault(format!("metadata: {}", asked.target));
                return (400, "", json!({ "error": "invalid_request" }));
            }
            let token = state.gives("eyJ0eXAi.");
            let document = json!({
                "access_token": token, "client_id": "c", "expires_in": "3599", "expires_on": "1900000000",
                "resource": "https://vault.azure.net", "token_type": "Bearer",
            });
            (200, "", document)
        }
        ("/acme-tenant/oauth2/v2.0/token", Kind::AzureWorkload) => login(state, asked),
        ("/secrets/store", _) => secret(state, asked, parameter("api-version")),
        _ => {
            state.fault(format!("no such thing: {} {path}", asked.method));
            error(404, "NotFound", None)
        }
    }
}

fn login(state: &mut State, asked: &Asked) -> Reply {
    let form = pairs(std::str::from_utf8(&asked.body).unwrap_or_default());
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let is_right = asked.method == Method::POST
        && field("grant_type") == "client_credentials"
        && field("client_id") == "acme-client"
        && field("scope") == "https://vault.azure.net/.default"
        && field("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    if !is_right {
        state.fault(format!("login: {:?}", form.keys()));
        return (400, "", json!({ "error": "invalid_request" }));
    }
    let assertion = field("client_assertion");
    if let Err(why) = state.claims(assertion, "api://AzureADTokenExchange") {
        state.fault(format!("login: {why}"));
        let description = format!("AADSTS70021: No matching federated identity record found for {assertion}");
        return (
            401,
            "",
            json!({ "error": "invalid_client", "error_description": description }),
        );
    }
    let token = state.gives("eyJ0eXAi.");
    (
        200,
        "",
        json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" }),
    )
}

fn secret(state: &mut State, asked: &Asked, api: Option<&str>) -> Reply {
    if asked.method != Method::GET || api != Some("7.4") {
        state.fault(format!("api-version {api:?}"));
        return error(400, "BadParameter", None);
    }
    let token = asked.header("authorization").unwrap_or_default();
    let token = token.strip_prefix("Bearer ").unwrap_or_default();
    if !state.tokens.iter().any(|known| known == token) {
        return error(401, "Unauthorized", None);
    }
    if !state.permitted {
        return error(403, "Forbidden", Some("ForbiddenByRbac"));
    }
    state.reads += 1;
    let Some((number, newest)) = state.newest() else {
        return error(404, "SecretNotFound", None);
    };
    match state.standing {
        Standing::Enabled => {}
        Standing::Disabled => return error(403, "Forbidden", Some("SecretDisabled")),
        Standing::Deleted => return error(404, "SecretNotFound", None),
    }
    let created = newest.created.as_second();
    let document = json!({
        "value": newest.text,
        "id": format!("https://acme-prod.vault.azure.net/secrets/store/{}", version(number)),
        "attributes": { "enabled": true, "created": created, "updated": created, "recoveryLevel": "Recoverable" },
    });
    (200, "", document)
}

fn error(status: u16, code: &str, inner: Option<&str>) -> Reply {
    let mut error = json!({ "code": code, "message": "A secret with (name/id) store cannot be read" });
    if let Some(inner) = inner {
        error["innererror"] = json!({ "code": inner });
    }
    (status, "", json!({ "error": error }))
}
