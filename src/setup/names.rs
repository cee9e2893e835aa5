//! Names of clouds. What has passed here has no quote, no space and nothing else that is syntax anywhere.

use std::fmt;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not {accepted}: {shown:?}")]
pub struct NameError {
    what: &'static str,
    accepted: &'static str,
    shown: String,
}

/// A name of characters that mean nothing in JSON, a shell, Terraform, CEL or a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Plain(Box<str>);

/// Which names are accepted.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    what: &'static str,
    accepted: &'static str,
    lengths: (usize, usize),
    allowed: fn(u8) -> bool,
    shape: fn(&str) -> bool,
}

const fn names(
    what: &'static str,
    accepted: &'static str,
    lengths: (usize, usize),
    allowed: fn(u8) -> bool,
) -> Names {
    Names {
        what,
        accepted,
        lengths,
        allowed,
        shape: |_| true,
    }
}

fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._".contains(&b)
}

impl Names {
    /// `iss` of tokens.
    pub const ISSUER: Self = Self {
        shape: |url| {
            let rest = url.strip_prefix("https://").unwrap_or_default();
            !rest.is_empty() && !rest.starts_with('/') && !rest.ends_with('/') && !rest.contains("//")
        },
        ..names(
            "the issuer",
            "an `https` URL without query and without a slash at the end",
            (9, 255),
            |b| word(b) || b":/~".contains(&b),
        )
    };
    /// `aud` of tokens.
    pub const AUDIENCE: Self = names(
        "the audience",
        "1 to 255 of letters, digits and `-._:/@`",
        (1, 255),
        |b| word(b) || b":/@".contains(&b),
    );
    /// `sub` of tokens that are not ours.
    pub const SUBJECT: Self = names(
        "the subject",
        "1 to 127 of letters, digits and `-._:/@=+#`",
        (1, 127),
        |b| word(b) || b":/@=+#".contains(&b),
    );
    /// A target of Tidegate, or an issuer of its configuration.
    pub const OWN: Self = names("the name", "1 to 32 of `a-z`, `0-9` and `-`", (1, 32), |b| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
    });
    /// A role of AWS.
    pub const ROLE: Self = names(
        "the role's name",
        "1 to 64 of letters, digits and `+=,.@_-`",
        (1, 64),
        |b| word(b) || b"+=,@".contains(&b),
    );
    /// A region.
    pub const REGION: Self = names("the region", "a region, such as `eu-central-1`", (1, 32), |b| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
    });
    /// Anything of AWS.
    pub const ARN: Self = Self {
        shape: |arn| arn.starts_with("arn:") && arn.splitn(6, ':').count() == 6,
        ..names("the ARN", "an ARN without wildcards", (20, 2048), |b| {
            word(b) || b":/+=,@".contains(&b)
        })
    };
    /// What keeps a deputy from being confused.
    pub const EXTERNAL_ID: Self = names(
        "the external id",
        "2 to 1224 of letters, digits and `_+=,.@:/-`",
        (2, 1224),
        |b| word(b) || b"+=,@:/".contains(&b),
    );
    /// A project's id at Google.
    pub const PROJECT: Self = Self {
        shape: |id| id.starts_with(|c: char| c.is_ascii_lowercase()) && !id.ends_with('-'),
        ..names(
            "the project",
            "a project id, such as `acme-data-1`",
            (4, 63),
            |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:".contains(&b),
        )
    };
    /// A project's number at Google.
    pub const NUMBER: Self = names("the project's number", "a number", (1, 20), |b| {
        b.is_ascii_digit()
    });
    /// A pool, or a provider of it.
    pub const POOL: Self = Self {
        shape: |id| !id.starts_with("gcp-"),
        ..names(
            "the pool or provider",
            "4 to 32 of `a-z`, `0-9` and `-`, not beginning with `gcp-`",
            (4, 32),
            |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-',
        )
    };
    /// A service account.
    pub const SERVICE_ACCOUNT: Self = Self {
        shape: |email| email.split('@').filter(|part| !part.is_empty()).count() == 2,
        ..names("the service account", "an email address", (6, 254), |b| {
            word(b) || b == b'@'
        })
    };
    /// What `mc` calls a server, and a policy or user of MinIO.
    pub const MINIO: Self = Self {
        shape: |name| name.starts_with(|c: char| c.is_ascii_alphabetic()),
        ..names(
            "the name",
            "3 to 64 of letters, digits, `-` and `_`, beginning with a letter",
            (3, 64),
            |b| b.is_ascii_alphanumeric() || b"-_".contains(&b),
        )
    };

    /// Takes a name, or says what it should be.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn parse(&self, text: &str) -> Result<Plain, NameError> {
        let (shortest, longest) = self.lengths;
        let fits = (shortest..=longest).contains(&text.len());
        // INVARIANT: whatever a kind of names allows, these are never among it.
        let is_syntax = |b: u8| !b.is_ascii_graphic() || b"'\"`\\$%{}()[]<>|&;*?!^".contains(&b);
        if fits && text.bytes().all(|b| (self.allowed)(b) && !is_syntax(b)) && (self.shape)(text) {
            return Ok(Plain(text.into()));
        }
        Err(NameError {
            what: self.what,
            accepted: self.accepted,
            shown: text.chars().take(80).collect(),
        })
    }
}

impl Plain {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Plain {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of an account of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsAccount(Box<str>);

impl AsRef<str> for AwsAccount {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AwsAccount {
    /// Twelve digits.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            true => Ok(Self(text.into())),
            false => Err(NameError {
                what: "the account",
                accepted: "the twelve digits of an account of AWS",
                shown: text.chars().take(80).collect(),
            }),
        }
    }
}

/// A partition of AWS, which is in every ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwsPartition(&'static str);

impl AwsPartition {
    /// The one of a region; the usual one if there is none.
    pub fn of(region: Option<&Plain>) -> Self {
        match region.map(Plain::as_str) {
            Some(region) if region.starts_with("cn-") => Self("aws-cn"),
            Some(region) if region.starts_with("us-gov-") => Self("aws-us-gov"),
            Some(_) | None => Self("aws"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        ["aws", "aws-cn", "aws-us-gov"]
            .into_iter()
            .find(|known| *known == text)
            .map(Self)
    }

    /// `aws`.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

/// A role, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleArn {
    /// Of the ARN.
    pub partition: AwsPartition,
    /// Whose it is.
    pub account: AwsAccount,
    /// `/`, or `/a/b/`.
    pub path: String,
    /// Without its path.
    pub name: Plain,
}

impl RoleArn {
    /// `arn:aws:iam::123456789012:role/path/name`.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError {
            what: "the role",
            accepted: "the ARN of a role, such as `arn:aws:iam::123456789012:role/tidegate`",
            shown: text.chars().take(80).collect(),
        };
        let arn = Names::ARN.parse(text).map_err(|_| wrong())?;
        let parts: Vec<&str> = arn.as_str().splitn(6, ':').collect();
        let [_, partition, "iam", "", account, role] = parts.as_slice() else {
            return Err(wrong());
        };
        let rest = role.strip_prefix("role/").ok_or_else(wrong)?;
        let (path, name) = rest
            .rsplit_once('/')
            .map_or(("", rest), |(path, name)| (path, name));
        Ok(Self {
            partition: AwsPartition::parse(partition).ok_or_else(wrong)?,
            account: AwsAccount::parse(account).map_err(|_| wrong())?,
            path: if path.is_empty() {
                "/".to_owned()
            } else {
                format!("/{path}/")
            },
            name: Names::ROLE.parse(name).map_err(|_| wrong())?,
        })
    }

    /// The role of this name in an account.
    pub fn new(partition: AwsPartition, account: AwsAccount, name: Plain) -> Self {
        Self {
            partition,
            account,
            path: "/".to_owned(),
            name,
        }
    }

    /// The account's number.
    pub fn account(&self) -> &str {
        &self.account.0
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partition, account) = (self.partition.as_str(), self.account());
        write!(f, "arn:{partition}:iam::{account}:role{}{}", self.path, self.name)
    }
}
