//! How secret managers are read: `[secrets]`.
//!
//! A manager that can be had by default (the region, the metadata server or the managed identity of the machine) needs no
//! table. Vault does: nobody can guess where it is.

use super::super::raw::Section;
use super::super::{
    AwsSecrets, AzureIdentity, AzureSecrets, CredentialSource, Endpoint, GcpSecrets, IdentityToken, Issuer,
    Metadata, SecretManager, SecretRef, Secrets, Target, VaultAuth, VaultSecrets, units,
};
use super::credentials::{self, Surroundings, endpoint_unwarned, https};
use super::target::{ENDPOINT, REGION, TargetKind, region};
use super::{HOUR, MINUTE, SECOND};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What Entra asks of the tokens of others.
const ENTRA_AUDIENCE: &str = "api://AzureADTokenExchange";
const NAME: &str = "a name of letters, digits and `-_./`";

/// `[secrets]`, held against the references that need it.
pub(super) fn secrets(
    root: &Section<'_>,
    issuers: &[Arc<Issuer>],
    targets: &BTreeMap<Box<str>, Option<Arc<Target>>>,
) -> Option<Secrets> {
    let has_issuer = root.has("issuer");
    let secrets = match root.has("secrets") {
        true => written(root.section("secrets", "a table `[secrets]`")?, has_issuer),
        false => Some(Secrets::default()),
    };
    let Some(Secrets { vault: None, .. }) = secrets else {
        return secrets;
    };
    let is_vaults = |secret: &&SecretRef| {
        secret
            .managed()
            .is_some_and(|secret| secret.place.manager() == SecretManager::Vault)
    };
    let of_targets = targets.values().flatten();
    let of_targets = of_targets.flat_map(|target| target.credentials.secrets());
    let of_logins = issuers
        .iter()
        .filter_map(|issuer| issuer.login.as_ref()?.client_secret.as_ref());
    let mut all = of_targets.map(|(_, secret)| secret).chain(of_logins);
    if let Some(secret) = all.find(is_vaults) {
        root.site().showing(None).problem(
            format!("there is no `[secrets.vault]`, and `{secret}` is in Vault"),
            "a table `[secrets.vault]` with `address` and `auth`",
        );
    }
    secrets
}

fn written(section: Section<'_>, has_issuer: bool) -> Option<Secrets> {
    let default = Secrets::default();
    let poll = section.duration("poll", SECOND..=DAY).unwrap_or(default.poll);
    let max_age = section
        .duration("max_age", HOUR..=3650 * DAY)
        .unwrap_or(default.max_age);
    let aws = table(&section, "aws").map_or(Some(default.aws), |table| aws(table?, has_issuer));
    let gcp = table(&section, "gcp").map_or(Some(default.gcp), |table| gcp(table?, has_issuer));
    let azure = table(&section, "azure").map_or(Some(default.azure), |table| azure(table?, has_issuer));
    let vault = table(&section, "vault").map_or(Some(None), |table| vault(table?, has_issuer).map(Some));
    section.finish();
    Some(Secrets {
        poll,
        max_age,
        aws: aws?,
        gcp: gcp?,
        azure: azure?,
        vault: vault?,
    })
}

/// `None` if it is not written, `Some(None)` if it is no table.
fn table<'a>(section: &Section<'a>, key: &'static str) -> Option<Option<Section<'a>>> {
    section.has(key).then(|| section.section(key, "a table"))
}

fn aws(section: Section<'_>, has_issuer: bool) -> Option<AwsSecrets> {
    let region = section.parsed("region", REGION, region);
    let endpoint = endpoint(&section, "endpoint");
    let ca = section.path("ca");
    let credentials = table(&section, "credentials").map_or(Some(None), |table| {
        let table = table?.private();
        let kind = table.required("kind", "\"ambient\" or \"aws-web-identity\"", |text| match text {
            "ambient" => Ok(false),
            "aws-web-identity" => Ok(true),
            _ => Err("not a kind of credentials for AWS Secrets Manager"),
        });
        let around = Surroundings {
            target: TargetKind::S3,
            region: region.as_deref(),
            has_issuer,
        };
        let found = match kind? {
            false => Some(None),
            true => credentials::web_identity(&table, &around)
                .map(|role| Some(Box::new(CredentialSource::Role(role)))),
        };
        own_account(&table);
        table.finish();
        found
    });
    let found = AwsSecrets {
        region,
        endpoint: endpoint?,
        ca,
        credentials: credentials?,
    };
    section.finish();
    Some(found)
}

fn gcp(section: Section<'_>, has_issuer: bool) -> Option<GcpSecrets> {
    let default = Secrets::default().gcp;
    let endpoint = endpoint_with_tls(&section, "endpoint", || default.endpoint.clone());
    let ca = section.path("ca");
    let credentials = table(&section, "credentials").map_or(Some(default.credentials), |table| {
        let table = table?.private();
        let around = Surroundings {
            target: TargetKind::GcsXml,
            region: None,
            has_issuer,
        };
        let kinds = "\"google-metadata\", \"google-workload-identity\" or \"google-service-account-file\"";
        let found = match table.required("kind", kinds, google)? {
            Google::Metadata => credentials::metadata(&table).map(CredentialSource::Metadata),
            Google::WorkloadIdentity => {
                credentials::workload_identity(&table, &around).map(CredentialSource::WorkloadIdentity)
            }
            Google::ServiceAccountFile => {
                credentials::service_account_file(&table).map(CredentialSource::ServiceAccountFile)
            }
        };
        own_account(&table);
        table.finish();
        found.map(Box::new)
    });
    section.finish();
    Some(GcpSecrets {
        endpoint: endpoint?,
        ca,
        credentials: credentials?,
    })
}

enum Google {
    Metadata,
    WorkloadIdentity,
    ServiceAccountFile,
}

fn google(text: &str) -> Result<Google, &'static str> {
    match text {
        "google-metadata" => Ok(Google::Metadata),
        "google-workload-identity" => Ok(Google::WorkloadIdentity),
        "google-service-account-file" => Ok(Google::ServiceAccountFile),
        _ => Err("not a kind of credentials for Secret Manager"),
    }
}

/// Nobody's request is behind the reading of a secret, and no bucket.
fn own_account(table: &Section<'_>) {
    for key in ["attribution", "narrow", "source_identity", "session_tags"] {
        if table.has(key) {
            table
                .site_of(key)
                .problem("secrets are read on Tidegate's own account", "nothing");
        }
    }
}

fn azure(section: Section<'_>, has_issuer: bool) -> Option<AzureSecrets> {
    let default = Secrets::default().azure;
    let suffix = section.parsed(
        "suffix",
        "a domain, such as \"vault.azure.net\"",
        units::host_name,
    );
    let endpoint = endpoint(&section, "endpoint");
    let ca = section.path("ca");
    let credentials = table(&section, "credentials").map_or(Some(default.credentials), |table| {
        let table = table?.private();
        let kinds = "\"azure-managed-identity\" or \"azure-workload-identity\"";
        let kind = table.required("kind", kinds, |text| match text {
            "azure-managed-identity" => Ok(true),
            "azure-workload-identity" => Ok(false),
            _ => Err("not a kind of credentials for Key Vault"),
        });
        let found = match kind? {
            true => managed_identity(&table),
            false => federated(&table, has_issuer),
        };
        table.finish();
        found
    });
    section.finish();
    Some(AzureSecrets {
        suffix: suffix.unwrap_or(default.suffix),
        endpoint: endpoint?,
        ca,
        credentials: credentials?,
    })
}

fn managed_identity(table: &Section<'_>) -> Option<AzureIdentity> {
    let client_id = table.parsed("client_id", "the id of an identity", |text| {
        units::word(text, 128)
    });
    // It is on the machine itself, as far as the network is concerned, and speaks no TLS.
    let metadata = endpoint_unwarned(table, "metadata_endpoint", imds);
    Some(AzureIdentity::Managed {
        client_id,
        metadata: metadata?,
    })
}

fn federated(table: &Section<'_>, has_issuer: bool) -> Option<AzureIdentity> {
    let tenant = table.required("tenant", "the id or domain of a directory", |text| {
        word(text, 128)
    });
    let client_id = table.required("client_id", "the id of an application", |text| word(text, 128));
    let token = own_or_file(table, has_issuer, ENTRA_AUDIENCE);
    let login = endpoint_with_tls(table, "login_endpoint", || {
        https("login.microsoftonline.com".to_owned())
    });
    let ca = table.path("ca");
    Some(AzureIdentity::Workload {
        tenant: tenant?,
        client_id: client_id?,
        token: token?,
        login: login?,
        ca,
    })
}

fn vault(section: Section<'_>, has_issuer: bool) -> Option<VaultSecrets> {
    let address = section.required("address", ENDPOINT, units::endpoint);
    if let Some(address) = &address {
        with_tls(&section, "address", address);
    }
    let namespace = section.parsed("namespace", NAME, |text| word(text.trim_end_matches('/'), 255));
    let ca = section.path("ca");
    let auth = section.section("auth", "a table with `kind`").and_then(|table| {
        let table = table.private();
        let kinds = "\"token\", \"kubernetes\" or \"jwt\"";
        let kind = table.required("kind", kinds, |text| match text {
            "token" | "kubernetes" | "jwt" => Ok(text.to_owned()),
            _ => Err("not a way to log in at Vault"),
        })?;
        let auth = match kind.as_str() {
            "token" => credentials::secret_here(&table, "token").map(VaultAuth::Token),
            kind => login(&table, kind == "kubernetes", has_issuer),
        };
        table.finish();
        auth
    });
    section.finish();
    Some(VaultSecrets {
        address: address?,
        namespace,
        ca,
        auth: auth?,
    })
}

fn login(table: &Section<'_>, kubernetes: bool, has_issuer: bool) -> Option<VaultAuth> {
    let role = table.required("role", NAME, |text| word(text, 255));
    let mount = table.parsed("mount", NAME, |text| word(text, 255));
    let token = match (kubernetes, table.has("token_file")) {
        (true, false) => Some(IdentityToken::File(KUBERNETES_TOKEN.into())),
        (true, true) => table.path("token_file").map(IdentityToken::File),
        (false, _) => own_or_file(table, has_issuer, "vault"),
    };
    let default = if kubernetes { "kubernetes" } else { "jwt" };
    let mount = match table.has("mount") {
        true => mount,
        false => Some(default.into()),
    };
    Some(VaultAuth::Login {
        mount: mount?,
        role: role?,
        token: token?,
    })
}

/// Where Kubernetes puts the token of a pod's service account.
const KUBERNETES_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

fn own_or_file(table: &Section<'_>, has_issuer: bool, audience: &str) -> Option<IdentityToken> {
    let around = Surroundings {
        target: TargetKind::S3,
        region: None,
        has_issuer,
    };
    credentials::identity_token(table, &around, "audience", audience.into())
}

/// What goes into a path as it is.
fn word(text: &str, most: usize) -> Result<Box<str>, &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let parts = |part: &str| !matches!(part, "" | "." | "..");
    match text.len() <= most && text.bytes().all(plain) && text.split('/').all(parts) {
        true => Ok(text.into()),
        false => Err("not such a name"),
    }
}

/// `Some(None)` if there is none.
fn endpoint(section: &Section<'_>, key: &'static str) -> Option<Option<Endpoint>> {
    if !section.has(key) {
        return Some(None);
    }
    let endpoint = section.parsed(key, ENDPOINT, units::endpoint)?;
    with_tls(section, key, &endpoint).then_some(Some(endpoint))
}

fn endpoint_with_tls(
    section: &Section<'_>,
    key: &'static str,
    default: impl FnOnce() -> Endpoint,
) -> Option<Endpoint> {
    let endpoint = endpoint_unwarned(section, key, default)?;
    with_tls(section, key, &endpoint).then_some(endpoint)
}

/// What is read there is worth more than any one request.
fn with_tls(section: &Section<'_>, key: &'static str, endpoint: &Endpoint) -> bool {
    let is_safe = endpoint.tls || endpoint.is_local();
    if !is_safe {
        section
            .site_of(key)
            .problem("secrets do not travel without TLS", "an `https` URL");
    }
    is_safe
}

fn imds() -> Endpoint {
    Endpoint {
        tls: false,
        host: "169.254.169.254".into(),
        port: 80,
    }
}

impl Default for Secrets {
    /// Whoever the machine is, in the public clouds.
    fn default() -> Self {
        Self {
            poll: MINUTE,
            max_age: 90 * DAY,
            aws: AwsSecrets {
                region: None,
                endpoint: None,
                ca: None,
                credentials: None,
            },
            gcp: GcpSecrets {
                endpoint: https("secretmanager.googleapis.com".to_owned()),
                ca: None,
                credentials: Box::new(CredentialSource::Metadata(Metadata {
                    service_account: "default".into(),
                    endpoint: Endpoint {
                        tls: false,
                        host: "metadata.google.internal".into(),
                        port: 80,
                    },
                })),
            },
            azure: AzureSecrets {
                suffix: "vault.azure.net".into(),
                endpoint: None,
                ca: None,
                credentials: AzureIdentity::Managed {
                    client_id: None,
                    metadata: imds(),
                },
            },
            vault: None,
        }
    }
}
