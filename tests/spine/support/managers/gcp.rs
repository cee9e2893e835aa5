//! Secret Manager of Google Cloud, and the metadata server of the machine.

use super::{Asked, Reply, Standing, State};
use crc_fast::{CrcAlgorithm, checksum};
use data_encoding::BASE64;
use http::Method;
use serde_json::json;

const SECRET: &str = "/v1/projects/acme-prod/secrets/store/versions/";

pub(super) fn answer(state: &mut State, asked: &Asked) -> Reply {
    if asked.method != Method::GET {
        state.fault("only reading is needed");
        return error(405, "INVALID_ARGUMENT");
    }
    if let Some(path) = asked.target.strip_prefix("/computeMetadata/v1/") {
        return metadata(state, path, asked);
    }
    let token = asked.header("authorization").unwrap_or_default();
    let token = token.strip_prefix("Bearer ").unwrap_or_default();
    if !state.tokens.iter().any(|known| known == token) {
        return error(401, "UNAUTHENTICATED");
    }
    let Some(version) = asked.target.strip_prefix(SECRET) else {
        state.fault(format!("no such secret: {}", asked.target));
        return error(404, "NOT_FOUND");
    };
    if !state.permitted {
        return error(403, "PERMISSION_DENIED");
    }
    let Some((number, newest)) = state.newest() else {
        return error(404, "NOT_FOUND");
    };
    let name = format!("projects/123456/secrets/store/versions/{number}");
    match version.strip_suffix(":access") {
        None if version == number.to_string() => {
            let created = newest.created.to_string();
            (
                200,
                "",
                json!({ "name": name, "createTime": created, "state": "ENABLED", "etag": "\"1\"" }),
            )
        }
        Some("latest") => {
            state.reads += 1;
            match state.standing {
                Standing::Enabled => {}
                Standing::Disabled => return error(400, "FAILED_PRECONDITION"),
                Standing::Deleted => return error(404, "NOT_FOUND"),
            }
            let crc32c = checksum(CrcAlgorithm::Crc32Iscsi, newest.text.as_bytes());
            let payload =
                json!({ "data": BASE64.encode(newest.text.as_bytes()), "dataCrc32c": crc32c.to_string() });
            (200, "", json!({ "name": name, "payload": payload }))
        }
        _ => {
            state.fault(format!("no such version: {version}"));
            error(404, "NOT_FOUND")
        }
    }
}

fn metadata(state: &mut State, path: &str, asked: &Asked) -> Reply {
    if asked.header("metadata-flavor") != Some("Google") {
        state.fault("no `Metadata-Flavor`");
        return error(403, "FORBIDDEN");
    }
    let path = path.split('?').next().unwrap_or_default();
    if path != "instance/service-accounts/default/token" {
        state.fault(format!("no such metadata: {path}"));
        return error(404, "NOT_FOUND");
    }
    let token = state.gives("ya29.");
    let document = json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" });
    (
        200,
        "metadata-flavor: Google\nserver: Metadata Server for VM",
        document,
    )
}

fn error(code: u16, status: &str) -> Reply {
    let message = format!("Permission or version of projects/acme-prod: {status}");
    (
        code,
        "",
        json!({ "error": { "code": code, "message": message, "status": status } }),
    )
}
