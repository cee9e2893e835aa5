//! What signs towards targets: where it comes from, and in whose name it is asked for.

use super::{Endpoint, SecretRef, StaticKeys};
use crate::session_policy::Dialect;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the credential that signs towards a target comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// Keys that someone rotates.
    Static(StaticKeys),
    /// An OAuth 2.0 access token that something else keeps fresh. Only for targets of kind `gcs-xml`.
    AccessToken {
        /// A file is read anew every few seconds and when the target calls the token unknown.
        token: SecretRef,
    },
    /// A role that a security token service lets us assume.
    Role(AssumedRole),
    /// Google's workload identity federation.
    WorkloadIdentity(WorkloadIdentity),
    /// The service account of the machine, from Google's metadata server.
    Metadata(Metadata),
    /// The key file of a Google service account.
    ServiceAccountFile(ServiceAccountFile),
}

/// A role of AWS, or of a store that has such roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedRole {
    /// The role.
    pub role_arn: Box<str>,
    /// What shows that it is ours to assume.
    pub proof: RoleProof,
    /// The STS.
    pub sts_endpoint: Endpoint,
    /// Private CA of the STS.
    pub sts_ca: Option<PathBuf>,
    /// 15 minutes to 12 hours.
    pub duration: Duration,
    /// `RoleSessionName` of sessions that are in nobody's name.
    pub session_name: Box<str>,
    /// In whose name.
    pub attribution: Attribution,
    /// Whether a session in a principal's name says so in `SourceIdentity`.
    pub source_identity: bool,
    /// Whether a session in a principal's name has tags that say who it is.
    pub session_tags: bool,
    /// Whether a session policy narrows it to the bucket and prefix that it is used for.
    pub narrow: bool,
}

/// What shows a security token service that a role is ours to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleProof {
    /// AssumeRoleWithWebIdentity.
    WebIdentity(IdentityToken),
    /// AssumeRole, signed with what the machine has: environment, profile, container or instance.
    Ambient {
        /// For the STS signature.
        region: Box<str>,
        /// Against the confused deputy.
        external_id: Option<Box<str>>,
    },
    /// AssumeRole, signed with keys of the configuration.
    Keys {
        /// What signs the STS call.
        keys: StaticKeys,
        /// For the STS signature.
        region: Box<str>,
        /// Against the confused deputy.
        external_id: Option<Box<str>>,
    },
}

/// An identity token, by which a cloud knows us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityToken {
    /// Something else keeps it fresh in a file, which is read anew for each call.
    File(PathBuf),
    /// Tidegate's own, minted for each call.
    Own {
        /// `aud`.
        audience: Box<str>,
    },
}

/// In whose name credentials are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attribution {
    /// One for everybody: few calls, and only the audit log tells callers apart.
    #[default]
    Shared,
    /// One for each principal: the target's own log names it.
    PerPrincipal,
}

/// Google's workload identity federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadIdentity {
    /// The provider: `//iam.googleapis.com/projects/N/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`.
    pub provider: Box<str>,
    /// What is exchanged.
    pub token: IdentityToken,
    /// The service account that is impersonated; none to be granted rights as the federated principal itself.
    pub service_account: Option<Box<str>>,
    /// The token service.
    pub sts_endpoint: Endpoint,
    /// IAM Credentials, for impersonation.
    pub iam_endpoint: Endpoint,
    /// Private CA of both.
    pub ca: Option<PathBuf>,
    /// In whose name.
    pub attribution: Attribution,
}

/// Google's metadata server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// An email address, or `default`.
    pub service_account: Box<str>,
    /// The server.
    pub endpoint: Endpoint,
}

/// A Google service account's key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountFile {
    /// JSON, as Google makes it. Read anew for each call.
    pub file: PathBuf,
    /// The token service, if it is not the one that the file names.
    pub token_endpoint: Option<Endpoint>,
    /// Its private CA.
    pub ca: Option<PathBuf>,
}

impl CredentialSource {
    /// Private CAs of the services that are asked.
    pub fn authorities(&self) -> Option<&Path> {
        match self {
            Self::Static(_) | Self::AccessToken { .. } | Self::Metadata(_) => None,
            Self::Role(role) => role.sts_ca.as_deref(),
            Self::WorkloadIdentity(google) => google.ca.as_deref(),
            Self::ServiceAccountFile(account) => account.ca.as_deref(),
        }
    }

    /// The secrets that it is made of, by the key of the configuration.
    pub fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        match self {
            Self::Static(keys)
            | Self::Role(AssumedRole {
                proof: RoleProof::Keys { keys, .. },
                ..
            }) => keys.references(),
            Self::AccessToken { token } => vec![("token", token)],
            Self::Role(_) | Self::WorkloadIdentity(_) | Self::Metadata(_) | Self::ServiceAccountFile(_) => {
                Vec::new()
            }
        }
    }

    /// The identity token by which a cloud knows us, if that is how it does.
    pub fn identity_token(&self) -> Option<&IdentityToken> {
        match self {
            Self::Role(AssumedRole {
                proof: RoleProof::WebIdentity(token),
                ..
            })
            | Self::WorkloadIdentity(WorkloadIdentity { token, .. }) => Some(token),
            Self::Role(_)
            | Self::Static(_)
            | Self::AccessToken { .. }
            | Self::Metadata(_)
            | Self::ServiceAccountFile(_) => None,
        }
    }

    /// The kind, as the configuration says it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::AccessToken { .. } => "access-token",
            Self::Role(role) => match &role.proof {
                RoleProof::WebIdentity(_) => "aws-web-identity",
                RoleProof::Ambient { .. } => "aws-assume-role",
                RoleProof::Keys { .. } => "sts-assume-role",
            },
            Self::WorkloadIdentity(_) => "google-workload-identity",
            Self::Metadata(_) => "google-metadata",
            Self::ServiceAccountFile(_) => "google-service-account-file",
        }
    }
}

impl AssumedRole {
    /// How a session policy is written for whoever gives the role.
    pub(crate) fn dialect(&self) -> Dialect {
        // Others have neither variables, by which a pattern is taken for what it says, nor keys of KMS.
        let is_at_amazon = self.sts_endpoint.is_amazons() || self.sts_endpoint.is_local();
        let is_amazon = match &self.proof {
            RoleProof::WebIdentity(_) | RoleProof::Ambient { .. } => is_at_amazon,
            RoleProof::Keys { .. } => false,
        };
        Dialect::of_role(&self.role_arn, is_amazon)
    }
}

impl StaticKeys {
    /// Its parts, by the key of the configuration.
    pub fn references(&self) -> Vec<(&'static str, &SecretRef)> {
        let mut all = vec![
            ("access_key_id", &self.access_key_id),
            ("secret_access_key", &self.secret_access_key),
        ];
        all.extend(self.session_token.as_ref().map(|token| ("session_token", token)));
        all
    }
}
