//! How secret managers are read: `[secrets]`.

use super::{CredentialSource, Endpoint, IdentityToken, SecretRef};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How secret references are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// From one look at a secret to the next.
    pub poll: Duration,
    /// From which age on a secret is warned of.
    pub max_age: Duration,
    /// AWS Secrets Manager.
    pub aws: AwsSecrets,
    /// Secret Manager of Google Cloud.
    pub gcp: GcpSecrets,
    /// Azure Key Vault.
    pub azure: AzureSecrets,
    /// HashiCorp Vault. It is nowhere by default.
    pub vault: Option<VaultSecrets>,
}

/// AWS Secrets Manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSecrets {
    /// Of secrets whose reference is not an ARN; `None` for that of the machine.
    pub region: Option<Box<str>>,
    /// Another one than that of the region.
    pub endpoint: Option<Endpoint>,
    /// Its private CA.
    pub ca: Option<PathBuf>,
    /// Who reads them: a role, or `None` for whoever the machine is.
    pub credentials: Option<Box<CredentialSource>>,
}

/// Secret Manager of Google Cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpSecrets {
    /// The API.
    pub endpoint: Endpoint,
    /// Its private CA.
    pub ca: Option<PathBuf>,
    /// Who reads them: one of Google's kinds.
    pub credentials: Box<CredentialSource>,
}

/// Azure Key Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureSecrets {
    /// The domain of vaults.
    pub suffix: Box<str>,
    /// One endpoint for all vaults, in place of a host for each.
    pub endpoint: Option<Endpoint>,
    /// Its private CA.
    pub ca: Option<PathBuf>,
    /// Who reads them.
    pub credentials: AzureIdentity,
}

/// Who Tidegate is for Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AzureIdentity {
    /// The managed identity of the machine.
    Managed {
        /// Which, if there are several.
        client_id: Option<Box<str>>,
        /// The instance metadata service.
        metadata: Endpoint,
    },
    /// An application with a federated credential.
    Workload {
        /// The directory.
        tenant: Box<str>,
        /// The application.
        client_id: Box<str>,
        /// What is exchanged.
        token: IdentityToken,
        /// Entra.
        login: Endpoint,
        /// Its private CA.
        ca: Option<PathBuf>,
    },
}

/// HashiCorp Vault, or OpenBao.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSecrets {
    /// Where it is.
    pub address: Endpoint,
    /// For `X-Vault-Namespace`.
    pub namespace: Option<Box<str>>,
    /// Its private CA.
    pub ca: Option<PathBuf>,
    /// Who reads them.
    pub auth: VaultAuth,
}

/// Who Tidegate is for Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAuth {
    /// A token that something else keeps alive.
    Token(SecretRef),
    /// A login with an identity token: auth methods `kubernetes` and `jwt`.
    Login {
        /// Where the auth method is mounted.
        mount: Box<str>,
        /// Its role.
        role: Box<str>,
        /// What proves it.
        token: IdentityToken,
    },
}

impl Secrets {
    /// Private CAs of the managers and of what proves who we are to them.
    pub fn authorities(&self) -> Vec<&Path> {
        let of_identity = match &self.azure.credentials {
            AzureIdentity::Workload { ca, .. } => ca.as_deref(),
            AzureIdentity::Managed { .. } => None,
        };
        let credentials = self.aws.credentials.iter().chain([&self.gcp.credentials]);
        let own = [
            self.aws.ca.as_deref(),
            self.gcp.ca.as_deref(),
            self.azure.ca.as_deref(),
            self.vault.as_ref().and_then(|vault| vault.ca.as_deref()),
            of_identity,
        ];
        own.into_iter()
            .flatten()
            .chain(credentials.filter_map(|source| source.authorities()))
            .collect()
    }
}
