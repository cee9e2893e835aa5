//! What a session of a role is told about whom it is for: its name, its source identity, its tags, its policy.
//!
//! All of it ends in the log of the cloud, and in the conditions of its policies: `aws:PrincipalTag/principal` may
//! decide who reads what. So two principals never have the same words (CRD-10), and none has another's: what a cloud
//! does not take is replaced, and whatever was replaced or cut carries a hash of all of it.
//!
//! Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>,
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html>

use super::SourceError;
use super::scope::{CloudSession, OnBehalfOf};
use crate::authn::{attribution_name, tag_value};
use crate::config::AssumedRole;
use serde_json::{Map, Value, json};

/// What is asked for, besides the role itself.
pub(super) struct RoleSession {
    /// `RoleSessionName`.
    pub(super) name: Box<str>,
    /// `SourceIdentity`: it stays with whatever the session becomes.
    pub(super) source_identity: Option<Box<str>>,
    /// Session tags.
    pub(super) tags: Vec<(&'static str, Box<str>)>,
    /// `Policy`.
    pub(super) policy: Option<String>,
}

impl RoleSession {
    /// What `session` is with this role.
    ///
    /// # Errors
    /// [`SourceError::Narrowing`] if it cannot be narrowed. The configuration is checked for that.
    pub(super) fn of(role: &AssumedRole, session: &CloudSession) -> Result<Self, SourceError> {
        let principal = session.principal.as_ref();
        let name = principal.map(|principal| attribution_name(&principal.id));
        let policy = match session.places.as_slice() {
            [] => None,
            places => {
                let places = places.iter().map(|place| (&place.bucket, &place.prefix));
                Some(role.dialect().narrowed(places)?)
            }
        };
        Ok(Self {
            source_identity: name.clone().filter(|_| role.source_identity),
            name: name.unwrap_or_else(|| role.session_name.clone()),
            tags: principal
                .filter(|_| role.session_tags)
                .map(tags)
                .unwrap_or_default(),
            policy,
        })
    }

    /// The claims by which a token of our own says the same: AWS takes neither as a parameter then.
    pub(super) fn claims(&self) -> Map<String, Value> {
        let mut claims = Map::new();
        if let Some(name) = &self.source_identity {
            claims.insert(SOURCE_IDENTITY.to_owned(), json!(name));
        }
        if !self.tags.is_empty() {
            let tags: Map<String, Value> = self
                .tags
                .iter()
                .map(|(key, value)| ((*key).to_owned(), json!([value])))
                .collect();
            let keys: Vec<&str> = self.tags.iter().map(|(key, _)| *key).collect();
            claims.insert(
                TAGS.to_owned(),
                json!({ "principal_tags": tags, "transitive_tag_keys": keys }),
            );
        }
        claims
    }

    /// The parameters of AssumeRole that say it.
    pub(super) fn parameters(&self) -> Vec<(String, &str)> {
        let mut parameters = Vec::new();
        if let Some(name) = &self.source_identity {
            parameters.push(("SourceIdentity".to_owned(), &**name));
        }
        for (nth, (key, value)) in (1..).zip(&self.tags) {
            parameters.push((format!("Tags.member.{nth}.Key"), *key));
            parameters.push((format!("Tags.member.{nth}.Value"), value));
            // A role that this one assumes is still in the same name.
            parameters.push((format!("TransitiveTagKeys.member.{nth}"), *key));
        }
        parameters
    }
}

const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";
const TAGS: &str = "https://aws.amazon.com/tags";

fn tags(principal: &OnBehalfOf) -> Vec<(&'static str, Box<str>)> {
    vec![
        ("principal", tag_value(&principal.id)),
        ("issuer", tag_value(&principal.issuer)),
        ("kind", principal.kind.name().into()),
    ]
}
