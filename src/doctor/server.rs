//! The report of a server: everything that its configuration names, tried as the service would.

use super::buckets::Trial;
use super::targets::{self, Case};
use super::ward::{Seen, Ward};
use super::x509::Certificate;
use super::{Line, Side, clocks, issuers, own_issuer, reach, secrets};
use crate::authn::service_keys::in_words;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::with_causes;
use crate::generation;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use std::sync::Arc;
use std::time::Duration;

/// What is looked at, and how far a dry run goes.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// These buckets alone; all without any.
    pub buckets: Vec<String>,
    /// These targets alone; all without any.
    pub targets: Vec<String>,
    /// Whether an object is put, read and deleted in each bucket.
    pub write: bool,
    /// Below which prefix.
    pub prefix: Option<String>,
}

/// For an issuer: connecting, discovery and key set.
const PATIENCE: Duration = Duration::from_secs(30);
/// For a target with all its buckets, whose parts have bounds of their own.
const LONGEST: Duration = Duration::from_secs(90);

impl Options {
    /// A bucket or target that was named and that there is not.
    pub fn unknown(&self, config: &Config) -> Option<String> {
        let bucket = self
            .buckets
            .iter()
            .find(|name| !config.buckets.keys().any(|known| known.as_str() == **name));
        let target = self
            .targets
            .iter()
            .find(|name| !config.targets.contains_key(&***name));
        let known = |names: Vec<&str>| names.join(", ");
        match (bucket, target) {
            (Some(name), _) => Some(format!(
                "there is no bucket `{name}`; there are {}",
                known(config.buckets.keys().map(|name| name.as_str()).collect())
            )),
            (None, Some(name)) => Some(format!(
                "there is no target `{name}`; there are {}",
                known(config.targets.keys().map(|name| &**name).collect())
            )),
            (None, None) => None,
        }
    }

    /// Whether it is about the whole server, and not about some of its targets and buckets.
    fn is_whole(&self) -> bool {
        self.buckets.is_empty() && self.targets.is_empty()
    }
}

/// Examines everything that `config` names, at the same time.
pub async fn examine(config: Arc<Config>, options: &Options, clock: &Clock) -> Vec<Line> {
    let mut ward = Ward::default();
    if options.is_whole() {
        for issuer in &config.issuers {
            let about = ("issuer", issuer.name.to_string());
            ward.admit(
                about,
                PATIENCE,
                issuers::examine(Arc::clone(issuer), clock.clone()),
            );
        }
        if let Some(settings) = config.issuer.clone() {
            let clock = clock.clone();
            ward.admit(("issuer", "own"), PATIENCE, async move {
                Seen::of(own_issuer::examine(settings, clock).await)
            });
        }
    }
    let mut lines = Vec::new();
    match generation::resources(&config, clock) {
        Ok(resources) => {
            if options.is_whole() {
                let examined = secrets::examine(Arc::clone(&config), resources.clone());
                ward.admit(("secret", ""), PATIENCE, examined);
            }
            for (name, target) in &config.targets {
                let mut mapped = config
                    .buckets
                    .values()
                    .filter(|bucket| bucket.target.name == *name);
                let named = |name: &str| options.buckets.iter().any(|bucket| bucket == name);
                let is_meant = match options.is_whole() {
                    true => true,
                    false => {
                        options.targets.iter().any(|target| **target == **name)
                            || mapped.clone().any(|bucket| named(bucket.name.as_str()))
                    }
                };
                if !is_meant {
                    continue;
                }
                let wanted = |bucket: &&Arc<crate::config::Bucket>| {
                    options.buckets.is_empty() || named(bucket.name.as_str())
                };
                let case = Case {
                    config: Arc::clone(&config),
                    target: Arc::clone(target),
                    buckets: mapped.by_ref().filter(wanted).cloned().collect(),
                    resources: resources.clone(),
                    trial: Trial {
                        write: options.write,
                        prefix: options.prefix.clone(),
                    },
                };
                ward.admit(("target", name.to_string()), LONGEST, targets::examine(case));
            }
        }
        Err(error) => {
            let remedy = "the keys of `[issuer]`, and what `[secrets]` says";
            lines.push(Line::fail(
                "target",
                "",
                with_causes(&error),
                Side::Tidegate,
                remedy,
            ));
        }
    }
    let seen = ward.discharge().await;
    let mut all = clocks::compare(&seen.clocks);
    all.extend(certificate(&config, clock.now()));
    all.extend(lines);
    all.extend(seen.lines);
    all
}

/// The server's own certificate: for all names that are served, and for how long.
fn certificate(config: &Config, now: Timestamp) -> Vec<Line> {
    const CHECK: &str = "certificate";
    let file = config.server.certificate.display();
    // That it cannot be used at all is a finding of the configuration.
    let chain = CertificateDer::pem_file_iter(&config.server.certificate).ok();
    let first = chain.and_then(|mut chain| chain.next()?.ok());
    let Some(certificate) = first.as_ref().and_then(|der| Certificate::parse(der)) else {
        return Vec::new();
    };
    let fail = |said: String, remedy: &str| Line::fail(CHECK, "", said, Side::Tidegate, remedy);
    let mut lines = Vec::new();
    for domain in &config.server.domains {
        if !certificate.covers(domain) {
            let said = format!("`{file}` is not for `{domain}`, which is among `server.domains`");
            lines.push(fail(said, "a certificate with all names that are served"));
        } else if !certificate.covers(&format!("bucket.{domain}")) {
            let said = format!("`{file}` is not for `*.{domain}`: no bucket is reached by its own host name");
            let remedy = "a certificate with the wildcard, or clients that use path style";
            lines.push(fail(said, remedy).as_warning());
        }
    }
    let left = certificate.not_after.duration_since(now);
    let names = certificate.names.join(", ");
    let renew = "renew it; it is loaded without a restart";
    lines.push(if left.is_negative() {
        fail(format!("`{file}` expired {} ago", in_words(left.abs())), renew)
    } else if certificate.not_before > now {
        fail(
            format!("`{file}` is not valid before {:.0}", certificate.not_before),
            reach::SET_CLOCK,
        )
    } else if left < reach::ENDS_SOON {
        fail(format!("{names}: expires in {}", in_words(left)), renew).as_warning()
    } else {
        Line::ok(CHECK, "", format!("{names}, expires in {}", in_words(left)))
    });
    lines
}
