//! ARNs of AWS that must be of a kind: one of another kind is taken by AWS and then means nobody, or everybody.

use super::{NameError, Names, Plain};

/// Why an ARN was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// It is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// `aws:PrincipalArn` is never that of a session.
    #[error(
        "this is a session, which no policy of a bucket can name: give its role, `arn:{partition}:iam::{account}:role/{role}`; if the role has a path, which the name of a session leaves out, `aws iam get-role --role-name {role}` says its ARN"
    )]
    Session {
        /// Of the ARN.
        partition: String,
        /// Whose it is.
        account: String,
        /// The role's name, without its path.
        role: String,
    },
    /// Trust in it is trust in whoever the account's administrators choose.
    #[error(
        "this is everybody in an account: give the one role or user that Tidegate's machine has, such as `arn:aws:iam::123456789012:role/gateway`"
    )]
    Account,
    /// A policy that names an alias allows nothing.
    #[error(
        "this is an alias, by which a policy allows nothing: give the ARN of the key, which `aws kms describe-key --key-id {0} --query KeyMetadata.Arn` says"
    )]
    Alias(String),
    /// It is of something else.
    #[error("this is not the ARN of {0}")]
    Other(&'static str),
}

/// Who gets at objects besides the role, as `aws:PrincipalArn` has it.
///
/// # Errors
/// [`ArnError`].
///
/// Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn>
pub fn exempt(text: &str) -> Result<Plain, ArnError> {
    let (arn, parts) = (Names::ARN.parse(text)?, Parts::of(text));
    match (parts.service, parts.resource) {
        ("iam", resource) if is_one(resource, "role/") || is_one(resource, "user/") => Ok(arn),
        // The root user alone, here.
        ("iam", "root") => Ok(arn),
        ("sts", resource) if is_one(resource, "federated-user/") => Ok(arn),
        _ => Err(parts.session().unwrap_or(ArnError::Other(
            "a role or user, such as `arn:aws:iam::123456789012:role/admin`",
        ))),
    }
}

/// Who may assume the role.
///
/// # Errors
/// [`ArnError`].
pub fn trusted(text: &str) -> Result<Plain, ArnError> {
    let (arn, parts) = (Names::ARN.parse(text)?, Parts::of(text));
    match (parts.service, parts.resource) {
        ("iam", resource) if is_one(resource, "role/") || is_one(resource, "user/") => Ok(arn),
        ("iam", "root") => Err(ArnError::Account),
        _ => Err(parts.session().unwrap_or(ArnError::Other(
            "a role or user, such as `arn:aws:iam::123456789012:role/gateway`",
        ))),
    }
}

/// A key of KMS.
///
/// # Errors
/// [`ArnError`].
pub fn kms_key(text: &str) -> Result<Plain, ArnError> {
    let (arn, parts) = (Names::ARN.parse(text)?, Parts::of(text));
    match (parts.service, parts.resource) {
        ("kms", resource) if is_one(resource, "key/") => Ok(arn),
        ("kms", resource) if resource.starts_with("alias/") => Err(ArnError::Alias(arn.to_string())),
        _ => Err(ArnError::Other(
            "a key of KMS, such as `arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab`",
        )),
    }
}

/// What of an ARN says what it is of.
struct Parts<'a> {
    partition: &'a str,
    service: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Parts<'a> {
    fn of(arn: &'a str) -> Self {
        let mut parts = arn.splitn(6, ':').skip(1);
        let mut next = || parts.next().unwrap_or_default();
        let (partition, service, _region, account, resource) = (next(), next(), next(), next(), next());
        Self {
            partition,
            service,
            account,
            resource,
        }
    }

    fn session(&self) -> Option<ArnError> {
        let session = self.resource.strip_prefix("assumed-role/")?;
        let role = session.split('/').next().unwrap_or_default();
        (self.service == "sts").then(|| ArnError::Session {
            partition: self.partition.to_owned(),
            account: self.account.to_owned(),
            role: role.to_owned(),
        })
    }
}

fn is_one(resource: &str, kind: &str) -> bool {
    let name = resource.strip_prefix(kind).unwrap_or_default();
    !name.is_empty() && !name.ends_with('/')
}
