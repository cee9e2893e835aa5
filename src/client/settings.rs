//! What the caller wants, from the command line, the environment and `~/.config/tidegate/config.toml`, in this order.
//!
//! A profile is a table of the file; what stands above the tables holds for all of them. The hazard is a typing error
//! that silently means a default, so an unknown key is an error that names the line.

mod file;

use super::login::Redirect;
use crate::config::{Environment, parse_duration};
use http::Uri;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What the command line says, in the words of the caller.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Which profile.
    pub profile: Option<String>,
    /// The gateway.
    pub endpoint: Option<String>,
    /// Certificates that the gateway's is signed by.
    pub ca: Option<PathBuf>,
    /// Which identity provider, by the gateway's name for it.
    pub issuer: Option<String>,
    /// Where the identity comes from.
    pub identity: Option<String>,
    /// The role to assume.
    pub role: Option<String>,
    /// How long keys are good.
    pub duration: Option<Duration>,
    /// Session tags.
    pub tags: Vec<(String, String)>,
    /// Whom tokens of workloads are for.
    pub audience: Option<String>,
    /// The file of `--identity file` or `kubernetes`.
    pub token_file: Option<PathBuf>,
    /// Where a login is kept.
    pub store: Option<String>,
}

/// What holds for one run of the command.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The profile, if one was named.
    pub profile: Option<String>,
    /// The gateway's address: scheme, host and port. `None` if nobody said and nobody has logged in.
    pub endpoint: Option<String>,
    /// Certificates that the gateway's is signed by, besides those of the machine.
    pub ca: Option<PathBuf>,
    /// The same of the identity provider.
    pub issuer_ca: Option<PathBuf>,
    /// Which identity provider.
    pub issuer: Option<String>,
    /// The client's name at the provider, instead of what the gateway says.
    pub client_id: Option<String>,
    /// What some providers give even to public clients. It protects nothing.
    pub client_secret: Option<String>,
    /// Where the browser comes back to.
    pub redirect: Redirect,
    /// Where the identity comes from.
    pub identity: IdentityKind,
    /// The role to assume.
    pub role: Option<String>,
    /// How long keys are good.
    pub duration: Option<Duration>,
    /// Session tags.
    pub tags: BTreeMap<String, String>,
    /// Whom tokens of workloads are for.
    pub audience: Option<String>,
    /// The file of `--identity file` or `kubernetes`.
    pub token_file: Option<PathBuf>,
    /// Which managed identity of several.
    pub azure_client_id: Option<String>,
    /// The token service that `--identity aws` asks.
    pub aws_sts_endpoint: Option<String>,
    /// How people log in, if it is not left to the gateway.
    pub login: Option<LoginWay>,
    /// Where logins are kept.
    pub store: StoreChoice,
    /// What SDKs are told; any name does.
    pub region: String,
    /// The folder of logins, keys and locks; `None` without a home.
    pub folder: Option<PathBuf>,
    /// The file of settings, whether it is there or not.
    pub file: Option<PathBuf>,
}

/// Where an identity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityKind {
    /// A person that logged in.
    Login,
    /// The metadata server of Google Cloud.
    GcpMetadata,
    /// The metadata service of Azure, or App Service.
    AzureImds,
    /// STS, signed with the keys of this machine.
    Aws,
    /// A file that something else keeps fresh.
    File,
    /// The projected token of a pod.
    Kubernetes,
    /// A job of GitHub Actions.
    Github,
}

/// How people log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginWay {
    /// In a browser on this machine.
    Browser,
    /// In a browser anywhere, with a code.
    Device,
    /// In a browser anywhere, and the address is pasted back.
    Paste,
}

/// Where logins are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// In the keychain, or in a file if there is none, and it is said.
    Auto,
    /// In the keychain or not at all.
    Keychain,
    /// In a file.
    File,
}

/// What is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nobody said which gateway.
    #[error("which gateway? Neither `--endpoint` nor `TIDEGATE_ENDPOINT` nor `endpoint` of a profile says")]
    NoEndpoint,
    /// A profile that is not there.
    #[error("there is no profile `{name}` in `{file}`; expected one of {known}")]
    NoProfile {
        /// The name.
        name: String,
        /// The file.
        file: String,
        /// Those that are there.
        known: String,
    },
    /// A line of the file.
    #[error("{file}:{line}: {problem}")]
    File {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A value.
    #[error("{place} = `{value}`: {problem}; expected {accepted}")]
    Value {
        /// Where it stands.
        place: String,
        /// The value.
        value: String,
        /// What is wrong.
        problem: &'static str,
        /// What would be right.
        accepted: &'static str,
    },
    /// Certificates.
    #[error("ca = `{value}`: {problem}; expected one or more CA certificates, PEM")]
    Ca {
        /// The file.
        value: String,
        /// What is wrong.
        problem: String,
    },
    /// Neither a home nor a folder was named.
    #[error("there is no place for settings and logins: neither `HOME` nor `XDG_STATE_HOME` is set")]
    NoHome,
}

impl SettingsError {
    pub(super) fn next(&self) -> String {
        match self {
            Self::NoEndpoint => "tidegate login https://GATEWAY".to_owned(),
            Self::NoProfile { file, .. } | Self::File { file, .. } => format!("${{EDITOR:-vi}} {file}"),
            Self::Ca { value, .. } => format!("openssl x509 -noout -subject -in {value}"),
            Self::Value { .. } => "tidegate help credential-process".to_owned(),
            Self::NoHome => "export HOME=/path/to/home".to_owned(),
        }
    }
}

/// Shown to SDKs where nobody says more: they insist on a region, and the gateway takes any. For names of real ones boto3
/// presigns with the old SigV2, which the gateway refuses.
pub const REGION: &str = "gateway";
const ACCEPTED_ENDPOINT: &str = "`https://HOST` or `https://HOST:PORT`";

impl Settings {
    /// Puts them together.
    ///
    /// # Errors
    /// [`SettingsError`] names the place, the value and what would be accepted.
    pub fn resolve(choice: &Choice, environment: &Environment) -> Result<Self, SettingsError> {
        let file = config_file(environment);
        let read = match &file {
            Some(path) => file::read(path)?,
            None => file::File::default(),
        };
        let variable = |name: &str| environment.get(name).map(str::to_owned);
        let profile = choice
            .profile
            .clone()
            .or_else(|| variable("TIDEGATE_PROFILE"))
            .or_else(|| read.default_profile());
        let table = read.profile(profile.as_deref(), file.as_deref())?;
        let text = |flag: &Option<String>, name: &str, key: &Option<String>| {
            flag.clone().or_else(|| variable(name)).or_else(|| key.clone())
        };
        let path = |flag: &Option<PathBuf>, name: &str, key: &Option<PathBuf>| {
            flag.clone()
                .or_else(|| variable(name).map(PathBuf::from))
                .or_else(|| key.clone())
        };
        let endpoint = text(&choice.endpoint, "TIDEGATE_ENDPOINT", &table.endpoint);
        let identity = text(&choice.identity, "TIDEGATE_IDENTITY", &table.identity);
        let store = text(&choice.store, "TIDEGATE_STORE", &table.store);
        let login = text(&None, "TIDEGATE_LOGIN", &table.login);
        let duration = match (
            choice.duration,
            variable("TIDEGATE_DURATION").or_else(|| table.duration.clone()),
        ) {
            (Some(duration), _) => Some(duration),
            (None, Some(written)) => Some(
                parse_duration(&written)
                    .map_err(|problem| wrong("duration", &written, problem, "such as `1h` or `45m`"))?,
            ),
            (None, None) => None,
        };
        let mut tags = table.tags.clone();
        for written in environment
            .get("TIDEGATE_TAGS")
            .into_iter()
            .flat_map(|tags| tags.split(','))
        {
            let (name, value) = parse_tag(written)
                .map_err(|problem| wrong("TIDEGATE_TAGS", written, problem, "NAME=VALUE"))?;
            tags.insert(name, value);
        }
        tags.extend(choice.tags.iter().cloned());
        Ok(Self {
            endpoint: endpoint.as_deref().map(parse_endpoint).transpose()?,
            ca: path(&choice.ca, "TIDEGATE_CA", &table.ca),
            issuer_ca: path(&None, "TIDEGATE_ISSUER_CA", &table.issuer_ca),
            issuer: text(&choice.issuer, "TIDEGATE_ISSUER", &table.issuer),
            client_id: table.client_id.clone(),
            client_secret: table.client_secret.clone(),
            redirect: match &table.redirect {
                Some(written) => Redirect::parse(written).map_err(|problem| {
                    wrong(
                        "redirect",
                        written,
                        problem,
                        "such as `http://127.0.0.1:0/callback`",
                    )
                })?,
                None => Redirect::default(),
            },
            identity: identity
                .as_deref()
                .map(parse_identity)
                .transpose()?
                .unwrap_or(IdentityKind::Login),
            role: text(&choice.role, "TIDEGATE_ROLE", &table.role),
            duration,
            tags,
            audience: text(&choice.audience, "TIDEGATE_AUDIENCE", &table.audience),
            token_file: path(&choice.token_file, "TIDEGATE_TOKEN_FILE", &table.token_file),
            azure_client_id: table.azure_client_id.clone(),
            aws_sts_endpoint: table.aws_sts_endpoint.clone(),
            login: login.as_deref().map(parse_login).transpose()?,
            store: store
                .as_deref()
                .map(parse_store)
                .transpose()?
                .unwrap_or(StoreChoice::Auto),
            region: table
                .region
                .clone()
                .or_else(|| variable("AWS_REGION"))
                .unwrap_or_else(|| REGION.to_owned()),
            folder: state_folder(environment),
            profile,
            file,
        })
    }

    /// The gateway, if anybody said which.
    ///
    /// # Errors
    /// [`SettingsError::NoEndpoint`].
    pub(super) fn endpoint(&self) -> Result<&str, SettingsError> {
        self.endpoint.as_deref().ok_or(SettingsError::NoEndpoint)
    }

    /// What logs in with these settings for the first time, when nothing is remembered yet.
    pub(super) fn first_login_command(&self) -> String {
        match (&self.profile, &self.endpoint) {
            (None, Some(endpoint)) => {
                let ca = self.ca.as_ref().map(|ca| format!(" --ca {}", ca.display()));
                format!("tidegate login {endpoint}{}", ca.unwrap_or_default())
            }
            (Some(_), _) | (None, None) => self.login_command(),
        }
    }

    /// What logs in with these settings.
    pub(super) fn login_command(&self) -> String {
        match &self.profile {
            Some(profile) => format!("tidegate login --profile {profile}"),
            None => "tidegate login".to_owned(),
        }
    }
}

fn config_file(environment: &Environment) -> Option<PathBuf> {
    if let Some(path) = environment.get("TIDEGATE_CONFIG") {
        return Some(path.into());
    }
    base(environment, "XDG_CONFIG_HOME", ".config").map(|base| base.join("tidegate/config.toml"))
}

/// Where logins and keys are kept.
pub(super) fn state_folder(environment: &Environment) -> Option<PathBuf> {
    base(environment, "XDG_STATE_HOME", ".local/state").map(|base| base.join("tidegate"))
}

/// Spec: the XDG Base Directory Specification, by which relative paths are ignored.
fn base(environment: &Environment, name: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    environment
        .get(name)
        .and_then(|path| absolute(path.into()))
        .or_else(|| absolute(environment.get("HOME")?.into()).map(|home| home.join(below_home)))
}

/// An address as it is used: `https` unless it says otherwise, lower case, no path.
///
/// # Errors
/// Anything else than a scheme, a host and a port. `http` is for this machine alone.
pub(super) fn parse_endpoint(written: &str) -> Result<String, SettingsError> {
    // What stands before an `@` may be a password.
    let shown = written.rsplit_once('@').map_or(written, |(_, host)| host);
    let refused = |problem| wrong("endpoint", shown, problem, ACCEPTED_ENDPOINT);
    let whole = if written.contains("://") {
        written.to_owned()
    } else {
        format!("https://{written}")
    };
    let uri: Uri = whole.parse().map_err(|_| refused("not an address"))?;
    let authority = uri.authority().ok_or_else(|| refused("it has no host"))?;
    if authority.as_str().contains('@') || whole.contains('#') || authority.host().is_empty() {
        return Err(refused("more than a host"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(refused("it has a path"));
    }
    let scheme = match uri.scheme_str() {
        Some("https") => "https",
        Some("http") if is_loopback(authority.host()) => "http",
        _ => return Err(refused("not `https`")),
    };
    Ok(format!("{scheme}://{}", authority.as_str().to_ascii_lowercase()))
}

/// Whether a host is this machine, by its address or the one name that is reserved for it (RFC 6761).
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// `NAME=VALUE`, of a session tag.
///
/// # Errors
/// What is wrong with it.
pub fn parse_tag(written: &str) -> Result<(String, String), &'static str> {
    let (name, value) = written.split_once('=').ok_or("there is no `=` in it")?;
    if name.is_empty() {
        return Err("it has no name");
    }
    if [name, value]
        .iter()
        .any(|part| part.chars().any(char::is_control))
    {
        return Err("there are control characters in it");
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_identity(written: &str) -> Result<IdentityKind, SettingsError> {
    IdentityKind::parse(written)
        .ok_or_else(|| wrong("identity", written, "not an identity", IdentityKind::ACCEPTED))
}

fn parse_login(written: &str) -> Result<LoginWay, SettingsError> {
    match written {
        "browser" => Ok(LoginWay::Browser),
        "device" => Ok(LoginWay::Device),
        "no-browser" => Ok(LoginWay::Paste),
        _ => Err(wrong(
            "login",
            written,
            "not a way to log in",
            "`browser`, `device` or `no-browser`",
        )),
    }
}

fn parse_store(written: &str) -> Result<StoreChoice, SettingsError> {
    match written {
        "auto" => Ok(StoreChoice::Auto),
        "keychain" => Ok(StoreChoice::Keychain),
        "file" => Ok(StoreChoice::File),
        _ => Err(wrong(
            "store",
            written,
            "not a place",
            "`auto`, `keychain` or `file`",
        )),
    }
}

impl IdentityKind {
    /// All names, for messages.
    pub const ACCEPTED: &str =
        "`login`, `gcp-metadata`, `azure-imds`, `aws`, `file`, `kubernetes` or `github`";
    const ALL: [Self; 7] = [
        Self::Login,
        Self::GcpMetadata,
        Self::AzureImds,
        Self::Aws,
        Self::File,
        Self::Kubernetes,
        Self::Github,
    ];

    /// By the name that people give it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name that people give it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::GcpMetadata => "gcp-metadata",
            Self::AzureImds => "azure-imds",
            Self::Aws => "aws",
            Self::File => "file",
            Self::Kubernetes => "kubernetes",
            Self::Github => "github",
        }
    }
}

fn wrong(place: &str, value: &str, problem: &'static str, accepted: &'static str) -> SettingsError {
    SettingsError::Value {
        place: place.to_owned(),
        value: super::console::printable(value),
        problem,
        accepted,
    }
}

#[cfg(test)]
mod tests;
