//! Vault: mounts `team/kv` (KV version 2) and `old` (version 1) in the namespace `acme`, auth methods `jwt` and
//! `kubernetes`.

use super::{Asked, Kind, POD_TOKEN, Reply, Standing, State, VAULT_TOKEN};
use http::Method;
use serde_json::{Value, json};

pub(super) fn answer(state: &mut State, asked: &Asked) -> Reply {
    if asked.header("x-vault-request") != Some("true") || asked.header("x-vault-namespace") != Some("acme") {
        state.fault("no namespace, or not marked as a request");
        return errors(400, &["missing required header"]);
    }
    let Some(path) = asked.target.strip_prefix("/v1/") else {
        state.fault(format!("no API: {}", asked.target));
        return errors(404, &[]);
    };
    if let Some(mount) = path
        .strip_prefix("auth/")
        .and_then(|path| path.strip_suffix("/login"))
    {
        return login(state, mount, asked);
    }
    let token = asked.header("x-vault-token").unwrap_or_default();
    let is_known = match state.kind {
        Kind::VaultToken | Kind::VaultOne => token == VAULT_TOKEN,
        _ => state.tokens.iter().any(|known| known == token),
    };
    if asked.method != Method::GET {
        state.fault("only reading is needed");
        return errors(405, &["unsupported operation"]);
    }
    if !is_known || !state.permitted {
        return errors(403, &["1 error occurred:\n\t* permission denied\n\n"]);
    }
    if let Some(path) = path.strip_prefix("sys/internal/ui/mounts/") {
        return mount(state, path);
    }
    match path {
        "team/kv/data/tidegate/store" => second(state),
        "old/tidegate/store" => first(state),
        _ => {
            state.fault(format!("no such path: {path}"));
            errors(404, &[])
        }
    }
}

fn mount(state: &mut State, path: &str) -> Reply {
    let (mount, version) = match path {
        "team/kv/tidegate/store" => ("team/kv/", json!({ "version": "2" })),
        "old/tidegate/store" => ("old/", Value::Null),
        _ => {
            state.fault(format!("no such mount: {path}"));
            return errors(403, &["preflight capability check returned 403"]);
        }
    };
    let data = json!({ "path": mount, "type": "kv", "options": version, "accessor": "kv_1", "local": false });
    (
        200,
        "",
        json!({ "request_id": "1", "lease_duration": 0, "data": data }),
    )
}

fn second(state: &mut State) -> Reply {
    state.reads += 1;
    let Some((number, version)) = state.newest() else {
        return errors(404, &[]);
    };
    let gone = state.standing != Standing::Enabled;
    let metadata = json!({
        "created_time": version.created.to_string(), "custom_metadata": null,
        "deletion_time": if gone { version.created.to_string() } else { String::new() },
        "destroyed": state.standing == Standing::Disabled, "version": number,
    });
    if gone {
        return (404, "", json!({ "data": { "data": null, "metadata": metadata } }));
    }
    let data: Value =
        serde_json::from_str(&version.text).unwrap_or_else(|_| json!({ "value": version.text }));
    (
        200,
        "",
        json!({ "lease_duration": 0, "data": { "data": data, "metadata": metadata } }),
    )
}

fn first(state: &mut State) -> Reply {
    state.reads += 1;
    match state.newest() {
        Some((_, version)) if state.standing == Standing::Enabled => {
            let data: Value =
                serde_json::from_str(&version.text).unwrap_or_else(|_| json!({ "value": version.text }));
            (200, "", json!({ "lease_duration": 2_764_800, "data": data }))
        }
        _ => errors(404, &[]),
    }
}

fn login(state: &mut State, mount: &str, asked: &Asked) -> Reply {
    let form: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    if asked.method != Method::POST || asked.header("content-type") != Some("application/json") {
        state.fault("a login that is no JSON");
        return errors(400, &["error parsing JSON"]);
    }
    let (Some(role), Some(jwt)) = (form["role"].as_str(), form["jwt"].as_str()) else {
        state.fault("a login without role or token");
        return errors(400, &["missing token"]);
    };
    if role != "tidegate" {
        state.fault(format!("no such role: {role}"));
        return errors(400, &["role \"x\" could not be found"]);
    }
    let verified = match (state.kind, mount) {
        (Kind::VaultJwt, "jwt") => state.claims(jwt, "vault").map(drop),
        (Kind::VaultKubernetes, "kubernetes") if jwt == POD_TOKEN => Ok(()),
        (Kind::VaultKubernetes, "kubernetes") => Err("another pod".to_owned()),
        _ => Err(format!("no handler for route {mount:?}")),
    };
    if let Err(why) = verified {
        state.fault(format!("login: {why}"));
        // The real one repeats what it was sent in some of its messages.
        return errors(
            400,
            &[&format!(
                "error validating token: invalid audience (aud) claim in {jwt}"
            )],
        );
    }
    let token = state.gives("hvs.");
    let auth = json!({
        "client_token": token, "accessor": "a", "policies": ["default", "tidegate"], "lease_duration": 3600,
        "renewable": true, "token_type": "service",
    });
    (200, "", json!({ "request_id": "1", "auth": auth, "data": null }))
}

fn errors(status: u16, messages: &[&str]) -> Reply {
    (status, "", json!({ "errors": messages }))
}
