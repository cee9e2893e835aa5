//! `GET /_tidegate/whoami`: who a bearer token makes its holder, and what that holder may do.
//!
//! Without it, whoever is denied has to guess: was it the wrong account, a group that is not in the token, or the
//! policy? It tells a caller nothing that it could not find out by trying.

use super::{DoorError, asked};
use crate::authn::Principal;
use crate::authz::Reach;
use http::request::Parts;
use serde_json::json;
use std::net::IpAddr;

/// That nothing is asked but who.
///
/// # Errors
/// [`DoorError::Unknown`] for a parameter.
pub(crate) fn check(head: &Parts) -> Result<(), DoorError> {
    asked::nothing(head.uri.query())
}

/// The document.
pub(crate) fn document(principal: &Principal, source_ip: IpAddr, reach: &Reach) -> String {
    let session = principal.session();
    let kind = match principal.kind() {
        crate::authn::PrincipalKind::User => "user",
        crate::authn::PrincipalKind::Workload => "workload",
    };
    json!({
        "principal": principal.id(),
        "kind": kind,
        "issuer": principal.issuer(),
        "subject": principal.subject(),
        "groups": principal.groups(),
        "tags": principal.tags(),
        "role": principal.role(),
        "session": {
            "id": session.id,
            "issued_at": session.issued_at.to_string(),
            "expires_at": session.expires_at.to_string(),
            "narrowed": !principal.session_policies().is_empty(),
        },
        "source_ip": source_ip.to_canonical().to_string(),
        "buckets": reach,
    })
    .to_string()
}
