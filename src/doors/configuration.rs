//! `GET /_tidegate/configuration`: what the command line must know to log somebody in, or to ask for a token.
//!
//! Told to anybody, so it has only what an identity provider shows in its own login page: which provider, as which
//! client, with which scopes. A client's secret is not among it.

use super::{DoorError, asked};
use crate::authn::PrincipalKind;
use crate::config::{Config, Issuer};
use http::request::Parts;
use serde_json::{Value, json};

/// That nothing is asked.
///
/// # Errors
/// [`DoorError::Unknown`] for a parameter.
pub(crate) fn check(head: &Parts) -> Result<(), DoorError> {
    asked::nothing(head.uri.query())
}

/// The document.
pub(crate) fn document(config: &Config) -> String {
    let issuers: Vec<Value> = config.issuers.iter().filter_map(|issuer| of(issuer)).collect();
    // What workloads ask their provider for: the audience of the first issuer that is theirs.
    let workloads = |issuer: &&std::sync::Arc<Issuer>| issuer.kind == PrincipalKind::Workload;
    let asked = config.issuers.iter().find(workloads).or(config.issuers.first());
    json!({
        "issuers": issuers,
        "audience": asked.and_then(|issuer| issuer.audiences.first()),
    })
    .to_string()
}

fn of(issuer: &Issuer) -> Option<Value> {
    let login = issuer.login.as_ref()?;
    Some(json!({
        "name": issuer.name,
        "issuer": issuer.issuer,
        "kind": match issuer.kind {
            PrincipalKind::User => "user",
            PrincipalKind::Workload => "workload",
        },
        "client_id": login.client_id,
        "scopes": login.scopes,
        "device": login.device,
    }))
}
