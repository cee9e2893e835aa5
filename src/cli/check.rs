//! `tidegate check`: everything that `tidegate serve` would refuse, and where it is written.
//!
//! Reads, and changes nothing: it may run next to a Tidegate that serves with the same files. It uses the network only
//! with `--targets`, for canaries that are deleted again, and with `--token`, for the keys of issuers.

use super::finding::{Finding, Severity};
use super::wiring;
use crate::config::{self, Config, CredentialSource, IdentityToken, SecretRef, SecretRefError};
use crate::credentials::check_key_file;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// `tidegate check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tidegate.toml")]
    pub config: PathBuf,
    /// Fail on warnings, too
    #[arg(long)]
    pub deny_warnings: bool,
    /// Find out what every target understands, with objects that are put, read and deleted there
    #[arg(long)]
    pub targets: bool,
    /// Say which issuer would take this identity token, every check passed or failed, and whom it names; `-` reads it
    /// from standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["targets", "deny_warnings"])]
    pub token: Option<PathBuf>,
    /// With `--token`: print JSON
    #[arg(long, requires = "token")]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tidegate check --config tidegate.toml
  tidegate check --config tidegate.toml --deny-warnings && systemctl reload tidegate
  tidegate check --config tidegate.toml --targets
  gcloud auth print-identity-token --audiences https://s3.example.com | tidegate check --config tidegate.toml --token -

Prints one line for each thing that is wrong:
  error: tidegate.toml:2: server.listen = \"abc\": not an address; expected \"ADDRESS:PORT\", such as \"127.0.0.1:8443\"

Exit codes: 0 it can be served (the token is accepted), 1 it cannot (it is refused), 2 the command was not understood.";

/// What is looked at, in a word, and how.
type Check = (&'static str, fn(&Config) -> Vec<Finding>);

/// What is looked at once the configuration is right.
const CHECKS: [Check; 10] = [
    ("certificate", wiring::certificate),
    ("key ring", wiring::key_ring),
    ("service keys", wiring::service_keys),
    ("policies", wiring::policies),
    ("issuers", wiring::issuers),
    ("issuer", wiring::issuer),
    ("authorities", authorities),
    ("secrets", secrets),
    ("secret ages", wiring::ages),
    ("audit", audit),
];

/// Prints what is wrong to `out`. Answers whether it can be served, or whether the token is accepted.
///
/// # Errors
/// If `out` does not take it.
pub fn run(args: &Args, out: &mut dyn Write) -> io::Result<bool> {
    if let Some(file) = &args.token {
        return super::token::run(&args.config, file, args.json, out);
    }
    let (mut findings, config) = examine(&args.config);
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    if let Some(config) = config.as_ref().filter(|_| args.targets) {
        for finding in super::targets::secrets(config)? {
            writeln!(out, "{finding}")?;
            findings.push(finding);
        }
        for examined in super::targets::examine(config)? {
            if let Some(line) = &examined.found {
                writeln!(out, "{line}")?;
            }
            for finding in examined.findings {
                writeln!(out, "{finding}")?;
                findings.push(finding);
            }
        }
    }
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let file = args.config.display();
    match (&config, errors) {
        (Some(config), 0) => writeln!(
            out,
            "{file}: ok: {}, {}, {}{}",
            plural(config.issuers.len(), "issuer"),
            plural(config.targets.len(), "target"),
            plural(config.buckets.len(), "bucket"),
            if warnings == 0 {
                String::new()
            } else {
                format!("; {}", plural(warnings, "warning"))
            }
        )?,
        (Some(_), _) => writeln!(
            out,
            "{file}: {}, {}",
            plural(errors, "error"),
            plural(warnings, "warning")
        )?,
        (None, _) => writeln!(
            out,
            "{file}: {}, {}; certificates, keys and policies are checked once these are gone",
            plural(errors, "error"),
            plural(warnings, "warning")
        )?,
    }
    Ok(errors == 0 && !(args.deny_warnings && warnings > 0))
}

/// Everything that is wrong with the configuration at `path` and with what it names.
pub fn examine(path: &Path) -> (Vec<Finding>, Option<Config>) {
    let (parts, config) = examine_each(path);
    (
        parts.into_iter().flat_map(|(_, findings)| findings).collect(),
        config,
    )
}

/// The same, by what was looked at.
pub(super) fn examine_each(path: &Path) -> (Vec<(&'static str, Vec<Finding>)>, Option<Config>) {
    let of = |severity, problems: &[config::ConfigProblem]| -> Vec<Finding> {
        problems
            .iter()
            .map(|problem| Finding::of_config(severity, problem))
            .collect()
    };
    match config::load(path) {
        Ok(config) => {
            let mut parts = vec![("configuration", of(Severity::Warning, &config.warnings))];
            parts.extend(CHECKS.iter().map(|(name, check)| (*name, check(&config))));
            (parts, Some(config))
        }
        Err(errors) => {
            let mut findings = of(Severity::Error, &errors.problems);
            findings.extend(of(Severity::Warning, &errors.warnings));
            (vec![("configuration", findings)], None)
        }
    }
}

/// Private CAs: files with at least one certificate, all of them usable.
pub(super) fn authorities(config: &Config) -> Vec<Finding> {
    let of_issuers = config.issuers.iter().filter_map(|issuer| issuer.ca.as_deref());
    let of_secrets = config.secrets.authorities();
    let of_targets = config.targets.values().flat_map(|target| {
        let own = target.ca.as_deref().into_iter();
        own.chain(target.credentials.authorities())
    });
    let mut files: Vec<&Path> = of_issuers.chain(of_targets).chain(of_secrets).collect();
    files.sort_unstable();
    files.dedup();
    files
        .into_iter()
        .filter_map(|file| authority(file).err())
        .collect()
}

fn authority(file: &Path) -> Result<(), Finding> {
    const ACCEPTED: &str = "one or more CA certificates, PEM";
    let wrong = |message: String| Finding::error(file.display(), message).expected(ACCEPTED);
    let pem = std::fs::read(file).map_err(|error| Finding::of_io(file, &error).expected(ACCEPTED))?;
    let mut roots = rustls::RootCertStore::empty();
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        count += 1;
        let certificate = certificate.map_err(|error| wrong(format!("not PEM: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(format!("certificate {count} cannot be used: {error}")))?;
    }
    if count == 0 {
        Err(wrong("there is no certificate in it".to_owned()))
    } else {
        Ok(())
    }
}

/// Secrets of targets and logins: they can be had. Their values are not looked at any further.
pub(super) fn secrets(config: &Config) -> Vec<Finding> {
    let logins = config.issuers.iter().filter_map(|issuer| {
        let secret = issuer.login.as_ref()?.client_secret.as_ref()?;
        let secret = Some(secret).filter(|secret| secret.managed().is_none())?;
        unavailable(&format!("issuers.{}.login.client_secret", issuer.name), secret)
    });
    let mut findings: Vec<Finding> = logins.collect();
    for target in config.targets.values() {
        let place = format!("targets.{}.credentials", target.name);
        for (key, reference) in target.credentials.secrets() {
            if reference.managed().is_some() {
                continue;
            }
            findings.extend(match key {
                // Something else writes it, perhaps only when everything runs.
                "token" => reference.resolve().err().map(|error| {
                    Finding::warning(format!("{place}.token"), super::describe(&error))
                        .expected("an access token by the time the first request comes")
                }),
                _ => unavailable(&format!("{place}.{key}"), reference),
            });
        }
        if let Some(IdentityToken::File(file)) = target.credentials.identity_token()
            && let Err(error) = std::fs::metadata(file)
        {
            let message = format!("`{}` cannot be read: {error}", file.display());
            findings.push(Finding::warning(format!("{place}.token_file"), message));
        }
        if let CredentialSource::ServiceAccountFile(account) = &target.credentials
            && let Err(error) = check_key_file(&account.file)
        {
            findings.push(Finding::error(format!("{place}.file"), super::describe(&error)));
        }
    }
    findings
}

fn unavailable(place: &str, reference: &SecretRef) -> Option<Finding> {
    let error = reference.resolve().err()?;
    let message = super::describe(&error);
    Some(match error {
        // The service may have another environment than the shell in which this runs.
        SecretRefError::Env(_) => {
            Finding::warning(place, message).expected("it in the environment of the service")
        }
        SecretRefError::File { .. }
        | SecretRefError::Empty(_)
        | SecretRefError::TooLarge(_)
        | SecretRefError::Elsewhere(_) => Finding::error(place, message),
    })
}

/// The audit file, if there is one, can be appended to. It is not made: that is for the user who serves.
pub(super) fn audit(config: &Config) -> Vec<Finding> {
    let file = &config.audit.file;
    match std::fs::OpenOptions::new().append(true).open(file) {
        Ok(_) => Vec::new(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let message = format!("cannot be appended to: {error}");
            vec![Finding::error(file.display(), message).expected("a file, or a path where one can be made")]
        }
    }
}

pub(super) fn plural(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}
