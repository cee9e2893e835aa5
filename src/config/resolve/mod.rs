//! From what was written to what is meant. Goes on after a mistake, so that one run shows them all.

mod bucket;
mod credentials;
mod issuer;
mod login;
mod narrowing;
mod own_issuer;
mod role;
mod secrets;
mod target;

use super::raw::{Document, Section};
use super::{Admin, Audit, Config, ConfigErrors, Issuer, Limits, Server, ServiceKeys, Sessions, units};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use toml::de::DeTable;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Resolves the `text` of the file at `path`.
pub(super) fn resolve(path: &Path, text: &str) -> Result<Config, ConfigErrors> {
    let document = Document::new(path, text);
    let (table, mistakes) = DeTable::parse_recoverable(text);
    for mistake in &mistakes {
        // The message of the parser names what it wanted. Its `Display` would show the line: a secret, perhaps.
        let site = document.at(mistake.span().map(|span| span.start));
        site.problem(format!("not valid TOML: {}", mistake.message()), "");
    }
    let table = table.into_inner();
    // What follows a mistake of syntax is guesswork.
    let config = if mistakes.is_empty() {
        root(Section::root(&document, &table))
    } else {
        None
    };
    let (problems, warnings) = document.findings();
    match config {
        Some(config) if problems.is_empty() => Ok(Config {
            warnings,
            digest: sha256(text),
            ..config
        }),
        Some(_) | None => Err(ConfigErrors { problems, warnings }),
    }
}

fn root(root: Section<'_>) -> Option<Config> {
    let server = root.section("server", "a table `[server]`").and_then(server);
    let admin = root
        .section("admin", "a table `[admin]`")
        .and_then(|s| admin(s, server.as_ref()));
    let issuers = issuer::issuers(&root);
    let sessions = root
        .section("sessions", "a table `[sessions]`")
        .and_then(|section| sessions(section, &issuers));
    let service_keys = root.has("service_keys").then(|| {
        root.section("service_keys", "a table `[service_keys]`")
            .map(service_keys)
    });
    let audit = root.section("audit", "a table `[audit]`").and_then(audit);
    let limits = match root.has("limits") {
        true => root.section("limits", "a table `[limits]`").map(limits),
        false => Some(Limits::default()),
    };
    let login = login::login(&root, server.as_ref(), sessions.as_ref(), &issuers);
    let roles = role::roles(&root);
    let issuer = own_issuer::own_issuer(&root, server.as_ref(), &issuers);
    let targets = target::targets(&root, root.has("issuer"));
    let secrets = secrets::secrets(&root, &issuers, &targets);
    let buckets = bucket::buckets(&root, &targets, server.as_ref());
    root.finish();
    Some(Config {
        server: server?,
        admin: admin?,
        sessions: sessions?,
        service_keys: service_keys.flatten().flatten(),
        audit: audit?,
        limits: limits?,
        issuers,
        issuer: issuer?,
        secrets: secrets?,
        login: login?,
        roles,
        targets: targets
            .into_iter()
            .filter_map(|(name, target)| Some((name, target?)))
            .collect(),
        buckets,
        warnings: Vec::new(),
        digest: [0; 32],
    })
}

fn server(section: Section<'_>) -> Option<Server> {
    let timeout = |key, default: Duration| section.duration(key, SECOND..=HOUR).unwrap_or(default);
    let listen = section.required("listen", ADDRESS, address);
    let domains = section.list(
        "domains",
        "host names in lower case, such as \"s3.example.com\"",
        units::host_name,
    );
    let files = section.section("tls", "a table `[server.tls]`").and_then(|tls| {
        let files = (tls.required_path("certificate"), tls.required_path("key"));
        tls.finish();
        Some((files.0?, files.1?))
    });
    let max_connections = section.number("max_connections", 1..=1_000_000).unwrap_or(10_000);
    let per_address = section.number("max_connections_per_address", 1..=1_000_000);
    let handshake_timeout = timeout("handshake_timeout", 10 * SECOND);
    let header_timeout = timeout("header_timeout", 2 * MINUTE);
    let stall_timeout = timeout("stall_timeout", MINUTE);
    let drain_timeout = timeout("drain_timeout", MINUTE);
    let longest_transfer = section
        .duration("longest_transfer", SECOND..=7 * 24 * HOUR)
        .unwrap_or(12 * HOUR);
    section.finish();
    let (certificate, key) = files?;
    Some(Server {
        listen: listen?,
        domains: domains?,
        certificate,
        key,
        max_connections,
        max_connections_per_address: per_address.unwrap_or(1_000).min(max_connections),
        handshake_timeout,
        header_timeout,
        stall_timeout,
        drain_timeout,
        longest_transfer,
    })
}

fn admin(section: Section<'_>, server: Option<&Server>) -> Option<Admin> {
    let listen = section.required("listen", ADDRESS, address);
    if let Some(listen) = listen {
        let site = section.site_of("listen");
        if listen.port() != 0 && server.is_some_and(|s| s.listen == listen) {
            site.problem("the address of the data listener", "an address of its own");
        }
        if !listen.ip().to_canonical().is_loopback() {
            site.warning("health and metrics can be read by everybody who reaches this address");
        }
    }
    section.finish();
    Some(Admin { listen: listen? })
}

fn sessions(section: Section<'_>, issuers: &[Arc<Issuer>]) -> Option<Sessions> {
    let keys = section.required_path("keys");
    let most = section
        .duration("maximum_lifetime", 15 * MINUTE..=12 * HOUR)
        .unwrap_or(12 * HOUR);
    let default = section
        .duration("default_lifetime", 15 * MINUTE..=most)
        .unwrap_or(HOUR.min(most));
    let bound_to_token = section.flag("bound_to_token").unwrap_or(true);
    let revocations = section
        .path("revocations")
        .unwrap_or_else(|| section.document().resolve(REVOCATIONS));
    let caller_tags = match section.has("caller_tags") {
        true => section
            .list("caller_tags", TAG_NAME, tag_name)
            .unwrap_or_default(),
        false => Vec::new(),
    };
    // INVARIANT: what a policy reads in such a tag was said by the issuer, or by the caller, and never by either.
    for issuer in issuers {
        if let Some(tag) = issuer.tags.iter().find(|tag| caller_tags.contains(&tag.name)) {
            section.site_of("caller_tags").problem(
                format!("`{}` is filled from claims by issuer `{}`", tag.name, issuer.name),
                "names of tags that no issuer fills",
            );
        }
    }
    section.finish();
    Some(Sessions {
        keys: keys?,
        default_lifetime: default,
        maximum_lifetime: most,
        bound_to_token,
        revocations,
        caller_tags,
    })
}

/// `None` if they are switched off, or if something is wrong, which is reported then.
fn service_keys(section: Section<'_>) -> Option<ServiceKeys> {
    let enabled = section.flag("enabled").unwrap_or(true);
    let file = section.required_path("file");
    section.finish();
    file.filter(|_| enabled).map(|file| ServiceKeys { file })
}

fn audit(section: Section<'_>) -> Option<Audit> {
    let file = section.required_path("file");
    section.finish();
    Some(Audit { file: file? })
}

/// Beside the policies, with which it is deployed.
const REVOCATIONS: &str = "policies/revocations.toml";
fn limits(section: Section<'_>) -> Limits {
    let per_minute = section.number("door_requests_per_minute", 1..=1_000_000);
    section.finish();
    let per_minute = per_minute.and_then(|number| NonZeroU32::new(u32::try_from(number).ok()?));
    Limits {
        door_requests_per_minute: per_minute.unwrap_or(Limits::default().door_requests_per_minute),
    }
}

const TAG_NAME: &str = "names of tags: 1 to 64 of letters, digits, `_`, `-`, `.`, `:` and `/`";

fn tag_name(text: &str) -> Result<Box<str>, &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b);
    match (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        true => Ok(text.into()),
        false => Err("not the name of a tag"),
    }
}

const ADDRESS: &str = "\"ADDRESS:PORT\", such as \"127.0.0.1:8443\"";

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "not an address")
}

fn sha256(text: &str) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref());
    digest
}
