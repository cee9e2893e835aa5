//! Configuration: what the operator wrote, checked and resolved.
//!
//! The file has a raw shape (in `raw`) and this one; `resolve` leads from the one to the other and reports every
//! mistake with its line, its key and what would be accepted. A value of [`Config`] is valid: names refer to things
//! that exist, durations are in range, URLs are taken apart. Nothing here opens a socket.
//!
//! The hazards: a typing error that silently means a default (unknown keys are errors), and a secret that ends up
//! in a configuration file or in a message about it (only references are taken, and no value of theirs is shown).

mod credentials;
mod environment;
mod error;
mod issuer;
mod raw;
mod resolve;
mod secret_ref;
mod secrets;
mod units;

#[cfg(test)]
mod credential_tests;
#[cfg(test)]
mod door_tests;
#[cfg(test)]
mod gcs_tests;
#[cfg(test)]
mod own_issuer_tests;
#[cfg(test)]
mod role_tests;
#[cfg(test)]
mod secrets_tests;
#[cfg(test)]
mod tests;

pub use credentials::{
    AssumedRole, Attribution, CredentialSource, IdentityToken, Metadata, RoleProof, ServiceAccountFile,
    WorkloadIdentity,
};
pub use environment::Environment;
pub use error::{ConfigErrors, ConfigProblem};
pub use issuer::{ClaimPath, ClaimSource, ClaimValue, Condition, Issuer, Login, Rule, TagSource};
pub(crate) use secret_ref::LONGEST as LONGEST_SECRET;
pub use secret_ref::{
    Found, ManagedSecret, SecretManager, SecretPlace, SecretRef, SecretRefError, StaticKeys,
};
pub use secrets::{AwsSecrets, AzureIdentity, AzureSecrets, GcpSecrets, Secrets, VaultAuth, VaultSecrets};
pub use units::duration as parse_duration;

use crate::operation::{BucketName, KeyPrefix};
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};
use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

/// Longest configuration file, in bytes: ten thousand buckets fit.
const MAX_FILE: u64 = 4 << 20;

/// Reads and resolves the configuration file at `path`. Paths in it are relative to its folder.
///
/// # Errors
/// [`ConfigErrors`] lists everything that is wrong, in the order of the file.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    let accepted = "a TOML file that can be read";
    let whole = |message: String| ConfigErrors::from(ConfigProblem::of_file(path, message, accepted));
    let size = std::fs::metadata(path)
        .map_err(|e| whole(format!("cannot be read: {e}")))?
        .len();
    if size > MAX_FILE {
        return Err(whole(format!("larger than {MAX_FILE} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|e| whole(format!("cannot be read: {e}")))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| whole("not UTF-8".to_owned()))?;
    resolve::resolve(path, text)
}

/// Resolves `text` as if it were the file at `path`. For tests of other rooms.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn resolve_text(path: &Path, text: &str) -> Result<Config, ConfigErrors> {
    resolve::resolve(path, text)
}

/// The filter of the log: `RUST_LOG`, if it is set.
#[allow(
    clippy::disallowed_methods,
    reason = "`config` is the room that reads the environment"
)]
pub fn log_filter() -> Option<String> {
    std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty())
}

/// Everything the operator decides. Paths are absolute or relative to the working directory's config folder
/// as resolved at load: they can be opened as they are.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data listener.
    pub server: Server,
    /// The listener for health and metrics.
    pub admin: Admin,
    /// How sessions are sealed and how long they live.
    pub sessions: Sessions,
    /// The keys of tools that cannot refresh a session; `None` if there are to be none.
    pub service_keys: Option<ServiceKeys>,
    /// Where audit records go.
    pub audit: Audit,
    /// How much one caller may ask for.
    pub limits: Limits,
    /// Identity providers, in the order of the file.
    pub issuers: Vec<Arc<Issuer>>,
    /// Tidegate as an issuer towards clouds.
    pub issuer: Option<OwnIssuer>,
    /// How secret references are read.
    pub secrets: Secrets,
    /// Whether and where browsers log in.
    pub login: Option<BrowserLogin>,
    /// What sessions may carry, by name.
    pub roles: BTreeMap<Box<str>, Arc<Role>>,
    /// Stores, by name.
    pub targets: BTreeMap<Box<str>, Arc<Target>>,
    /// Virtual buckets, by the name callers use.
    pub buckets: BTreeMap<BucketName, Arc<Bucket>>,
    /// What is valid, but probably not meant.
    pub warnings: Vec<ConfigProblem>,
    /// SHA-256 of the file.
    pub digest: [u8; 32],
}

/// The data listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Address and port; port 0 lets the kernel choose.
    pub listen: SocketAddr,
    /// Host names that are served, in lower case, without port. A virtual-host bucket is `<bucket>.<domain>`.
    pub domains: Vec<Box<str>>,
    /// Chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Connections at once; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Connections at once from one address.
    pub max_connections_per_address: usize,
    /// TLS handshake deadline.
    pub handshake_timeout: Duration,
    /// Deadline for a request head, and for idle keep-alive.
    pub header_timeout: Duration,
    /// How long a body may stand still, in either direction.
    pub stall_timeout: Duration,
    /// How long after SIGTERM in-flight requests may take before they are reset.
    pub drain_timeout: Duration,
    /// How long a request may take from its head to the last byte of its answer before it is reset.
    pub longest_transfer: Duration,
}

/// The listener for `/healthz`, `/readyz` and `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Address and port; port 0 lets the kernel choose.
    pub listen: SocketAddr,
}

/// Sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The key ring file.
    pub keys: PathBuf,
    /// Lifetime when the caller asks for none: 15 minutes to [`Sessions::maximum_lifetime`].
    pub default_lifetime: Duration,
    /// Longest lifetime a caller may ask for: at most 12 hours.
    pub maximum_lifetime: Duration,
    /// Whether a session ends no later than the token it was traded for.
    pub bound_to_token: bool,
    /// What ends sessions before their time; need not exist.
    pub revocations: PathBuf,
    /// The tags that callers may choose for their sessions. None of them is filled from claims.
    pub caller_tags: Vec<Box<str>>,
}

/// Service keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceKeys {
    /// What is on record of each; need not exist.
    pub file: PathBuf,
}

/// Limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests for sessions in a minute from one address; with IPv6, from one network of 64 bits.
    pub door_requests_per_minute: NonZeroU32,
}

impl Default for Limits {
    /// Generous: all machines of a cluster may stand behind one address.
    fn default() -> Self {
        const MANY: NonZeroU32 = NonZeroU32::MIN.saturating_add(599);
        Self {
            door_requests_per_minute: MANY,
        }
    }
}

/// Audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// JSON lines are appended here.
    pub file: PathBuf,
}

/// Tidegate as an OIDC issuer towards clouds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnIssuer {
    /// `iss`: `https`, no query, no slash at the end.
    pub url: Box<str>,
    /// The signing keys.
    pub keys: PathBuf,
    /// Whether its documents are served here; if not, they are published elsewhere.
    pub serves: bool,
}

/// The browser login. Issuers with [`Issuer::login`] are those to log in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserLogin {
    /// Where browsers reach it: `https://host`, or `https://host:port`. The host is one of [`Server::domains`].
    pub origin: Box<str>,
    /// Of a session: 15 minutes to [`Sessions::maximum_lifetime`].
    pub lifetime: Duration,
}

/// A role that sessions may carry and policies name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `[a-z0-9-]{1,32}`: the last part of a `RoleArn` that selects it.
    pub name: Box<str>,
    /// Its trust policy: who may take it on.
    pub trust: PathBuf,
}

/// A store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name in the file.
    pub name: Box<str>,
    /// Where it is.
    pub endpoint: Endpoint,
    /// For the signature.
    pub region: Box<str>,
    /// How buckets are addressed there.
    pub addressing: Addressing,
    /// Private CA.
    pub ca: Option<PathBuf>,
    /// Which dialect of S3 it understands. If that is to be found out: what is taken for granted until then.
    pub profile: Profile,
    /// Whether the profile is found out with a canary.
    pub finds_profile: bool,
    /// Whether it keeps every key as it is. Stores that keep objects as files take `a//b` for `a/b`.
    pub exact_keys: bool,
    /// Where the canary is put, if not into the first bucket that is mapped to it.
    pub canary: Option<Canary>,
    /// The Google Cloud project that new buckets of it belong to.
    pub project: Option<Box<str>>,
    /// TCP and TLS connect deadline.
    pub connect_timeout: Duration,
    /// Deadline for the head of a response once the request body is sent.
    pub response_timeout: Duration,
    /// What signs.
    pub credentials: CredentialSource,
}

impl Config {
    /// Every reference to a secret with its place in the file, but for those of `[secrets]` itself.
    pub fn references(&self) -> Vec<(String, &SecretRef)> {
        let of_targets = self.targets.values().flat_map(|target| {
            let secrets = target.credentials.secrets().into_iter();
            secrets.map(|(key, secret)| (format!("targets.{}.credentials.{key}", target.name), secret))
        });
        let of_logins = self.issuers.iter().filter_map(|issuer| {
            let secret = issuer.login.as_ref()?.client_secret.as_ref()?;
            Some((format!("issuers.{}.login.client_secret", issuer.name), secret))
        });
        of_targets.chain(of_logins).collect()
    }
}

impl Target {
    /// The files that it is made of: private CAs and `file:` secrets. What is read anew for each use is not among them.
    pub fn files(&self) -> Vec<&Path> {
        let secrets = self.credentials.secrets().into_iter();
        let files = secrets.filter_map(|(key, reference)| match reference {
            // One that something else keeps fresh is looked at while it is in use.
            SecretRef::File(path) if key != "token" => Some(path.as_path()),
            SecretRef::File(_) | SecretRef::Env(_) | SecretRef::Managed(_) => None,
        });
        let authorities = self.credentials.authorities();
        self.ca
            .as_deref()
            .into_iter()
            .chain(authorities)
            .chain(files)
            .collect()
    }
}

/// What a target understands of the ways to say what a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As AWS: `aws-chunked` with a checksum trailer, and `x-amz-checksum-*`, all of which it enforces.
    Aws,
    /// S3 of before 2022: a raw body with its length, a literal SHA-256 or none, `Content-MD5`.
    Plain,
    /// The XML API of Google Cloud Storage: a raw body, no `aws-chunked` and no `x-amz-checksum-*` at all.
    Gcs,
}

impl Profile {
    /// The name in the file, in logs and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Plain => "plain",
            Self::Gcs => "gcs",
        }
    }
}

/// A place for objects of our own at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The bucket's name at the target.
    pub bucket: BucketName,
    /// The keys begin with it and a slash.
    pub prefix: Box<str>,
}

/// Who holds a payload against what its caller declared about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumRule {
    /// Tidegate, while the payload passes, whatever the target does besides.
    #[default]
    Verify,
    /// The target, where it enforces the declaration; Tidegate, where it does not.
    Passthrough,
}

/// Scheme, host and port of a service. No path, no user, no query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Lower-case name, or IP address without brackets.
    pub host: Box<str>,
    /// Always set.
    pub port: u16,
}

impl Endpoint {
    /// The `Host` header: without the scheme's default port, IPv6 in brackets.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_string()
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl Endpoint {
    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        let is_loopback = |ip: std::net::IpAddr| ip.is_loopback();
        self.host.parse().map_or(&*self.host == "localhost", is_loopback)
    }

    /// Whether it is Amazon's.
    pub fn is_amazons(&self) -> bool {
        let domains = [".amazonaws.com", ".amazonaws.com.cn"];
        domains.iter().any(|domain| self.host.ends_with(domain))
    }
}

/// How a target's buckets are addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `https://endpoint/bucket/key`.
    Path,
    /// `https://bucket.endpoint/key`.
    VirtualHost,
}

/// A virtual bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The name callers use.
    pub name: BucketName,
    /// Where it is stored.
    pub target: Arc<Target>,
    /// Its name there.
    pub target_bucket: BucketName,
    /// The folder there that it is; empty for the whole bucket.
    pub prefix: KeyPrefix,
    /// Whether an upload that was found in a listing may be gone on with, and not only be aborted: for buckets whose
    /// uploads all belong to one service.
    pub resume_listed_uploads: bool,
    /// Its policy file.
    pub policy: PathBuf,
    /// Whether callers may make and delete it at the target, if policy lets them.
    pub create: bool,
    /// For `context.local`.
    pub time_zone: TimeZone,
    /// Who verifies what callers declare about their payloads.
    pub checksum: ChecksumRule,
}
