//! AWS Secrets Manager: `GetSecretValue`, signed by the machine's keys.

use super::{Asked, MACHINE, Reply, Standing, State};
use crate::support::amazon::sigv4;
use http::Method;
use serde_json::{Value, json};

pub(super) fn version(number: usize) -> String {
    format!("a1b2c3d4-5678-90ab-cdef-{number:012}")
}

pub(super) fn answer(state: &mut State, asked: &Asked) -> Reply {
    let is_call = asked.method == Method::POST
        && asked.target == "/"
        && asked.header("content-type") == Some("application/x-amz-json-1.1")
        && asked.header("x-amz-target") == Some("secretsmanager.GetSecretValue");
    if !is_call {
        state.fault(format!("no such call: {} {}", asked.method, asked.target));
        return error("UnknownOperationException", "");
    }
    let signed = sigv4::claimed(asked).and_then(|claimed| {
        let known = claimed.access_key_id == MACHINE.0;
        sigv4::verify(asked, &claimed, ("secretsmanager", "eu-central-1"), MACHINE.1).map(|()| known)
    });
    if signed != Ok(true) {
        state.fault(format!("signature: {signed:?}"));
        return error(
            "InvalidSignatureException",
            "The request signature we calculated does not match",
        );
    }
    let form: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    if form != json!({ "SecretId": "tidegate/store" }) {
        state.fault(format!("another secret: {form}"));
        return error(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
        );
    }
    if !state.permitted {
        let text = "User: arn:aws:iam::111122223333:user/tidegate is not authorized to perform: secretsmanager:GetSecretValue";
        return error("AccessDeniedException", text);
    }
    state.reads += 1;
    let Some((number, newest)) = state.newest() else {
        return error(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value",
        );
    };
    match state.standing {
        Standing::Enabled => {}
        Standing::Disabled => {
            let text = "Secrets Manager can't decrypt the protected secret text using the provided KMS key.";
            return error("DecryptionFailure", text);
        }
        Standing::Deleted => {
            let text = "You can't perform this operation on the secret because it was marked for deletion.";
            return error("InvalidRequestException", text);
        }
    }
    let document = json!({
        "ARN": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:tidegate/store-a1b2c3",
        "CreatedDate": newest.created.as_millisecond() as f64 / 1000.0,
        "Name": "tidegate/store",
        "SecretString": newest.text,
        "VersionId": version(number),
        "VersionStages": ["AWSCURRENT"],
    });
    (200, "", document)
}

fn error(kind: &str, message: &str) -> Reply {
    (400, "", json!({ "__type": kind, "Message": message }))
}
