//! Why a machine's identity cannot be had, and what shows more.

use crate::fetch::FetchError;
use std::path::PathBuf;

/// Why there is no identity token.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A person's identity is not fetched but logged in.
    #[error("this identity has to log in")]
    Person,
    /// Nobody says whom the token is for.
    #[error("whom is the token for? The gateway does not say, and neither does `--audience`")]
    NoAudience,
    /// The server cannot be reached.
    #[error("{server} cannot be reached")]
    Unreachable {
        /// Which.
        server: &'static str,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// It said no.
    #[error("{server} answers with status {status}: {message}")]
    Refused {
        /// Which.
        server: &'static str,
        /// The status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// What it gave is no token.
    #[error("what {server} gives is not an identity token: {problem}")]
    Token {
        /// Which.
        server: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A variable that this identity needs.
    #[error("`{name}` is not set: {meaning}")]
    Missing {
        /// Which.
        name: &'static str,
        /// What that means.
        meaning: &'static str,
    },
    /// A variable that is of no use.
    #[error("what is in `{name}` cannot be sent or is not an address that may be asked")]
    Variable {
        /// Which.
        name: &'static str,
    },
    /// A file.
    #[error("the token cannot be read from `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The call cannot be signed.
    #[error("the call of AWS STS cannot be signed with the keys of this machine")]
    Signature,
}

impl IdentityError {
    pub(in crate::client) fn next(&self) -> String {
        match self {
            Self::Person => "tidegate login".to_owned(),
            Self::NoAudience => {
                "tidegate credential-process --audience https://GATEWAY --identity IDENTITY".to_owned()
            }
            Self::Unreachable { server, .. } | Self::Refused { server, .. } | Self::Token { server, .. } => {
                shown_by(server).to_owned()
            }
            Self::Missing { name, .. } | Self::Variable { name } => format!("env | grep ^{name}="),
            Self::File { path, .. } => format!("ls -l {}", path.display()),
            Self::Signature => shown_by(AWS_STS).to_owned(),
        }
    }
}

pub(super) const GCP: &str = "the metadata server of Google Cloud";
pub(super) const AZURE: &str = "the identity endpoint of Azure";
pub(super) const AWS_METADATA: &str = "the metadata service of EC2";
pub(super) const AWS_CONTAINER: &str = "the credentials endpoint of this container";
pub(super) const AWS_STS: &str = "AWS STS";
pub(super) const GITHUB: &str = "the identity endpoint of GitHub Actions";
pub(super) const FILE: &str = "the token file";

/// A command that asks the same server about itself and prints nothing secret.
fn shown_by(server: &str) -> &'static str {
    match server {
        GCP => {
            "curl -sS -H 'Metadata-Flavor: Google' http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/email"
        }
        AZURE => {
            "curl -sS -H 'Metadata: true' 'http://169.254.169.254/metadata/instance/compute/vmId?api-version=2021-02-01&format=text'"
        }
        AWS_METADATA | AWS_CONTAINER | AWS_STS => "aws sts get-caller-identity",
        GITHUB => "grep -rn 'id-token: write' .github/workflows",
        _ => "tidegate help credential-process",
    }
}
