//! References to secrets in a secret manager.
//!
//! What is written names a secret of one manager, a version of it and a member of it, and is taken apart here, so that
//! nothing that could end a path or begin a query reaches a URL. The hazard of messages: what is written in place of a
//! reference may be the secret itself, so no part of it is ever in one.

use std::fmt;

/// A secret of a manager, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ManagedSecret {
    /// Which secret, and which version of it.
    pub place: SecretPlace,
    /// The member of a JSON object, or the key of a secret of Vault; `None` for the whole of it.
    pub field: Option<Box<str>>,
}

/// Where a secret manager keeps a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretPlace {
    /// Secret Manager of Google Cloud.
    Gcp {
        /// Id or number of the project.
        project: Box<str>,
        /// The secret.
        secret: Box<str>,
        /// `None` for `latest`.
        version: Option<u64>,
    },
    /// AWS Secrets Manager.
    Aws {
        /// Name or ARN.
        id: Box<str>,
        /// That of an ARN.
        region: Option<Box<str>>,
    },
    /// Azure Key Vault.
    Azure {
        /// The vault.
        vault: Box<str>,
        /// The secret.
        secret: Box<str>,
        /// `None` for the current one.
        version: Option<Box<str>>,
    },
    /// HashiCorp Vault, or OpenBao. Where the mount ends is theirs to say.
    Vault {
        /// Mount and path.
        path: Box<str>,
    },
}

/// A secret manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretManager {
    /// AWS Secrets Manager.
    Aws,
    /// Secret Manager of Google Cloud.
    Gcp,
    /// Azure Key Vault.
    Azure,
    /// HashiCorp Vault, or OpenBao.
    Vault,
}

const GCP: &str = "gcp-secret-manager://";
const AWS: &str = "aws-secrets-manager://";
const AZURE: &str = "azure-key-vault://";
const VAULT: &str = "vault://";

/// The beginnings of references, for messages.
pub(in crate::config) fn scheme(text: &str) -> Option<&'static str> {
    [GCP, AWS, AZURE, VAULT]
        .into_iter()
        .find(|scheme| text.starts_with(scheme))
}

impl ManagedSecret {
    /// Reads a reference that begins with the name of a manager.
    ///
    /// # Errors
    /// What is wrong with it and what would be accepted. Nothing of `text` is in it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (rest, field) = match text.split_once('#') {
            Some((rest, field)) => (rest, Some(self::field(field)?)),
            None => (text, None),
        };
        let place = if let Some(name) = rest.strip_prefix(GCP) {
            gcp(name)
        } else if let Some(name) = rest.strip_prefix(AWS) {
            aws(name)
        } else if let Some(name) = rest.strip_prefix(AZURE) {
            azure(name)
        } else if let Some(name) = rest.strip_prefix(VAULT) {
            vault(name).and_then(|place| match field {
                Some(_) => Ok(place),
                None => Err("says no `#field`; a secret of Vault has fields: \"vault://mount/path#field\""),
            })
        } else {
            Err("not a reference to a secret manager")
        };
        Ok(Self { place: place?, field })
    }
}

impl SecretPlace {
    /// Who keeps it.
    pub fn manager(&self) -> SecretManager {
        match self {
            Self::Gcp { .. } => SecretManager::Gcp,
            Self::Aws { .. } => SecretManager::Aws,
            Self::Azure { .. } => SecretManager::Azure,
            Self::Vault { .. } => SecretManager::Vault,
        }
    }
}

impl SecretManager {
    /// The name of its table in `[secrets]`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
            Self::Vault => "vault",
        }
    }
}

/// As it is written, without the field.
impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gcp {
                project,
                secret,
                version,
            } => {
                write!(f, "{GCP}projects/{project}/secrets/{secret}/versions/")?;
                match version {
                    Some(version) => write!(f, "{version}"),
                    None => f.write_str("latest"),
                }
            }
            Self::Aws { id, .. } => write!(f, "{AWS}{id}"),
            Self::Azure {
                vault,
                secret,
                version,
            } => {
                write!(f, "{AZURE}{vault}/{secret}")?;
                match version {
                    Some(version) => write!(f, "/{version}"),
                    None => Ok(()),
                }
            }
            Self::Vault { path } => write!(f, "{VAULT}{path}"),
        }
    }
}

/// As it is written.
impl fmt::Display for ManagedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        match &self.field {
            Some(field) => write!(f, "#{field}"),
            None => Ok(()),
        }
    }
}

fn field(text: &str) -> Result<Box<str>, &'static str> {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'#';
    match (1..=128).contains(&text.len()) && text.bytes().all(plain) {
        true => Ok(text.into()),
        false => Err("its `#field` is not 1 to 128 visible characters of ASCII"),
    }
}

/// Spec: <https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access>
fn gcp(name: &str) -> Result<SecretPlace, &'static str> {
    const WRONG: &str = "not \"gcp-secret-manager://projects/PROJECT/secrets/SECRET/versions/latest\", or a number in place of `latest`";
    let parts: Vec<&str> = name.split('/').collect();
    let ["projects", project, "secrets", secret, "versions", version] = parts.as_slice() else {
        return Err(match parts.as_slice() {
            ["projects", _, "locations", ..] => {
                "names a regional secret, which has another API; name a global one"
            }
            _ => WRONG,
        });
    };
    let of_project = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:".contains(&b);
    let version = match *version {
        "latest" => Some(None),
        number if !number.starts_with(['0', '+']) => number.parse().ok().map(Some),
        _ => None,
    };
    match version {
        Some(version) if is(project, 63, of_project) && is(secret, 255, of_name) => Ok(SecretPlace::Gcp {
            project: (*project).into(),
            secret: (*secret).into(),
            version,
        }),
        _ => Err(WRONG),
    }
}

/// Spec: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
fn aws(name: &str) -> Result<SecretPlace, &'static str> {
    let of_id = |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-!".contains(&b);
    let Some(arn) = name.strip_prefix("arn:") else {
        return match is(name, 512, of_id) {
            true => Ok(SecretPlace::Aws {
                id: name.into(),
                region: None,
            }),
            false => {
                Err("not \"aws-secrets-manager://NAME\", a name of letters, digits and `/_+=.@-!`, or an ARN")
            }
        };
    };
    let of_region = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        [partition, "secretsmanager", region, account, "secret", id]
            if is(partition, 32, of_region)
                && is(region, 32, of_region)
                && is(account, 12, |b| b.is_ascii_digit())
                && is(id, 512, of_id) =>
        {
            Ok(SecretPlace::Aws {
                id: name.into(),
                region: Some((*region).into()),
            })
        }
        _ => Err(
            "not an ARN of a secret, such as \"arn:aws:secretsmanager:eu-central-1:123456789012:secret:NAME-a1b2c3\"",
        ),
    }
}

/// Spec: <https://learn.microsoft.com/en-us/azure/key-vault/general/about-keys-secrets-certificates>
fn azure(name: &str) -> Result<SecretPlace, &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let parts: Vec<&str> = name.split('/').collect();
    let (vault, secret, version) = match parts.as_slice() {
        [vault, secret] => (vault, secret, None),
        [vault, secret, version] => (vault, secret, Some(version)),
        _ => {
            return Err(
                "not \"azure-key-vault://VAULT/SECRET\" or \"azure-key-vault://VAULT/SECRET/VERSION\"",
            );
        }
    };
    if !is(vault, 24, plain) || vault.starts_with('-') || vault.ends_with('-') {
        return Err("its vault is not the name of one: up to 24 letters, digits and `-`, without a domain");
    }
    if !is(secret, 127, plain) {
        return Err("its secret is not the name of one: letters, digits and `-`");
    }
    if version.is_some_and(|version| version.len() != 32 || !is(version, 32, |b| b.is_ascii_hexdigit())) {
        return Err("its version is not 32 hex digits");
    }
    Ok(SecretPlace::Azure {
        vault: vault.to_ascii_lowercase().into(),
        secret: (*secret).into(),
        version: version.map(|version| version.to_ascii_lowercase().into()),
    })
}

/// Spec: <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>
fn vault(path: &str) -> Result<SecretPlace, &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~@+=:".contains(&b);
    let parts: Vec<&str> = path.split('/').collect();
    let is_part = |part: &&str| is(part, 255, plain) && !matches!(*part, "." | "..");
    match parts.len() >= 2 && path.len() <= 1024 && parts.iter().all(is_part) {
        true => Ok(SecretPlace::Vault { path: path.into() }),
        false => Err("not \"vault://mount/path#field\", without the `data/` of the API"),
    }
}

fn of_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

fn is(text: &str, most: usize, allowed: impl Fn(u8) -> bool) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        for text in [
            "gcp-secret-manager://projects/acme-prod/secrets/store_key/versions/latest",
            "gcp-secret-manager://projects/example.com:acme/secrets/store/versions/17#secret",
            "gcp-secret-manager://projects/123456/secrets/store/versions/1",
            "aws-secrets-manager://tidegate/store#access_key_id",
            "aws-secrets-manager://rds!cluster-1",
            "aws-secrets-manager://arn:aws:secretsmanager:eu-central-1:123456789012:secret:tidegate/store-a1b2c3#id",
            "azure-key-vault://acme-prod/store-key",
            "azure-key-vault://acme-prod/store-key/0123456789abcdef0123456789abcdef#id",
            "vault://secret/tidegate/store#secret_access_key",
            "vault://team/kv/a#b",
        ] {
            let read = ManagedSecret::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
            assert_eq!(read.to_string(), text);
        }
        let of_arn = ManagedSecret::parse(
            "aws-secrets-manager://arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:a",
        );
        assert!(
            matches!(of_arn.unwrap().place, SecretPlace::Aws { region: Some(r), .. } if *r == *"cn-north-1")
        );
    }

    // CRD-09
    #[test]
    fn what_could_become_another_url_is_refused_and_never_shown() {
        for text in [
            "gcp-secret-manager://projects/p/secrets/s",
            "gcp-secret-manager://projects/p/secrets/s/versions/0",
            "gcp-secret-manager://projects/p/secrets/s/versions/+1",
            "gcp-secret-manager://projects/p/secrets/s/versions/99999999999999999999",
            "gcp-secret-manager://projects/p/secrets/../versions/latest",
            "gcp-secret-manager://projects/p/secrets/s?x/versions/latest",
            "gcp-secret-manager://projects/p/locations/l/secrets/s/versions/1",
            "aws-secrets-manager://",
            "aws-secrets-manager://a b",
            "aws-secrets-manager://a\"b",
            "aws-secrets-manager://arn:aws:iam::123456789012:role/x",
            "aws-secrets-manager://arn:aws:secretsmanager:evil.example/:1:secret:a",
            "azure-key-vault://vault",
            "azure-key-vault://vault.vault.azure.net/secret",
            "azure-key-vault://vault/secret/latest",
            "azure-key-vault://vault/a_b",
            "azure-key-vault://vault/a/0123456789abcdef0123456789abcdef/x",
            "vault://mount#field",
            "vault://mount/path",
            "vault://mount/../sys#field",
            "vault://mount//path#field",
            "vault://mount/pa%2fth#field",
            "vault://mount/path?version=2#field",
            "vault://mount/path#",
            "vault://mount/path#a b",
            "vault://mount/path#a#b",
            "s3cr3t",
        ] {
            let wrong = ManagedSecret::parse(text).expect_err(text);
            assert!(!wrong.is_empty() && wrong != text, "{text}: {wrong}");
        }
    }
}
