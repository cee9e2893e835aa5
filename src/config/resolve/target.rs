//! Stores, and what signs towards them.

use super::super::raw::Section;
use super::super::{
    Addressing, Canary, CredentialSource, Endpoint, Profile, SecretRef, StaticKeys, Target, units,
};
use super::{HOUR, MINUTE, SECOND};
use crate::operation::BucketName;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const ENDPOINT: &str =
    "an `https` or `http` URL of scheme, host and port, such as \"https://127.0.0.1:9000\"";
const CANARY: &str = "\"BUCKET/PREFIX\" as the target names it, such as \"acme-lake-prod/.tidegate-canary\"";
/// Before the random part of a canary's key.
const CANARY_PREFIX: &str = ".tidegate-canary";
const REGION: &str = "a region, such as \"us-east-1\"";

/// Every `[targets.NAME]`; `None` for one that is wrong, so that buckets may refer to it all the same.
pub(super) fn targets(root: &Section<'_>) -> BTreeMap<Box<str>, Option<Arc<Target>>> {
    let sections = root.named("targets", "tables `[targets.NAME]`");
    let read = sections.into_iter().map(|(name, section)| {
        let checked = units::name(name);
        if let Err(wrong) = checked {
            section
                .site()
                .problem(wrong, "a name of 1 to 32 of `a-z`, `0-9` and `-`");
        }
        (name.into(), target(name, section).map(Arc::new))
    });
    read.collect()
}

fn target(name: &str, section: Section<'_>) -> Option<Target> {
    let kind = section.required("kind", "\"s3\" or \"gcs-xml\"", |text| match text {
        "s3" => Ok(TargetKind::S3),
        "gcs-xml" => Ok(TargetKind::GcsXml),
        _ => Err("not a kind of target"),
    });
    // What is asked of the rest depends on it, and one mistake should not be reported as many.
    let assumed = kind.unwrap_or(TargetKind::S3);
    let (endpoint, region) = place(&section, assumed);
    let addressing = section.parsed("addressing", "\"path\" or \"virtual-host\"", |text| match text {
        "path" => Ok(Addressing::Path),
        "virtual-host" => Ok(Addressing::VirtualHost),
        _ => Err("not a way to address buckets"),
    });
    let ca = section.path("ca");
    let (profile, finds_profile) = profile(&section, assumed);
    let exact_keys = section.flag("exact_keys");
    // Both keep a key as the bytes that it is.
    let known_to_be_exact = assumed == TargetKind::GcsXml || endpoint.as_ref().is_some_and(is_amazon);
    let (canary, project) = match assumed {
        TargetKind::S3 => (section.parsed("canary", CANARY, self::canary), None),
        TargetKind::GcsXml => (None, section.parsed("project", PROJECT, self::project)),
    };
    let connect_timeout = section.duration("connect_timeout", SECOND..=5 * MINUTE);
    let response_timeout = section.duration("response_timeout", SECOND..=HOUR);
    let credentials = section
        .section("credentials", "a table `credentials` in the target")
        .and_then(|s| credentials(s.private(), assumed, region.as_deref()));
    if let (Some(endpoint), Some(CredentialSource::AccessToken { .. })) = (&endpoint, &credentials)
        && !endpoint.tls
        && !is_local(endpoint)
    {
        // Whoever reads a signature has one request of ours; whoever reads a token has all of them.
        let site = section.site_of("endpoint");
        site.problem("an access token does not travel without TLS", "an `https` URL");
    }
    section.finish();
    kind?;
    Some(Target {
        name: name.into(),
        endpoint: endpoint?,
        region: region?,
        addressing: addressing.unwrap_or(Addressing::Path),
        ca,
        profile,
        finds_profile,
        exact_keys: exact_keys.unwrap_or(known_to_be_exact),
        canary,
        project,
        connect_timeout: connect_timeout.unwrap_or(5 * SECOND),
        response_timeout: response_timeout.unwrap_or(MINUTE),
        credentials: credentials?,
    })
}

/// What a target speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TargetKind {
    S3,
    /// Google Cloud Storage, by its XML API.
    GcsXml,
}

const GCS: &str = "storage.googleapis.com";
/// Buckets of Google's are signed for without a region.
const NO_REGION: &str = "auto";

fn place(section: &Section<'_>, kind: TargetKind) -> (Option<Endpoint>, Option<Box<str>>) {
    let (endpoint, region) = match kind {
        TargetKind::S3 => (
            section.required("endpoint", ENDPOINT, units::endpoint),
            section.required("region", REGION, self::region),
        ),
        TargetKind::GcsXml => {
            let endpoint = section.parsed("endpoint", ENDPOINT, units::endpoint);
            let google = || Endpoint {
                tls: true,
                host: GCS.into(),
                port: 443,
            };
            let region = section.parsed("region", REGION, self::region);
            (
                // One that is written and wrong is not replaced by another.
                endpoint.or_else(|| (!section.has("endpoint")).then(google)),
                region.or_else(|| (!section.has("region")).then(|| NO_REGION.into())),
            )
        }
    };
    if let Some(endpoint) = endpoint.as_ref().filter(|_| section.has("endpoint")) {
        in_clear(section, "endpoint", endpoint);
    }
    (endpoint, region)
}

/// The profile, and whether it is to be found out.
fn profile(section: &Section<'_>, kind: TargetKind) -> (Profile, bool) {
    let (accepted, default) = match kind {
        TargetKind::S3 => ("\"aws\", \"plain\" or \"auto\"", Profile::Aws),
        TargetKind::GcsXml => ("\"gcs\", or nothing", Profile::Gcs),
    };
    let profile = section.parsed("profile", accepted, |text| match (text, kind) {
        ("aws", TargetKind::S3) => Ok((Profile::Aws, false)),
        ("plain", TargetKind::S3) => Ok((Profile::Plain, false)),
        // What every target understands, until more is known.
        ("auto", TargetKind::S3) => Ok((Profile::Plain, true)),
        ("gcs", TargetKind::GcsXml) => Ok((Profile::Gcs, false)),
        ("gcs", TargetKind::S3) => Err("a target of kind \"gcs-xml\" has it, and this one is of kind \"s3\""),
        ("aws" | "plain" | "auto", TargetKind::GcsXml) => Err("targets of kind \"gcs-xml\" have one profile"),
        _ => Err("not a profile of targets"),
    });
    profile.unwrap_or((default, false))
}

const PROJECT: &str = "the id or the number of a Google Cloud project, such as \"acme-data-1\"";

fn project(text: &str) -> Result<Box<str>, &'static str> {
    // `domain.com:project` is how the oldest ones are named.
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:".contains(&b);
    match (1..=63).contains(&text.len()) && text.bytes().all(allowed) {
        true => Ok(text.into()),
        false => Err("not the id of a project"),
    }
}

fn credentials(section: Section<'_>, target: TargetKind, region: Option<&str>) -> Option<CredentialSource> {
    let kinds = match target {
        TargetKind::S3 => "\"static\", \"assume-role\" or \"assume-role-with-web-identity\"",
        TargetKind::GcsXml => "\"access-token\" or \"static\"",
    };
    let source = match section.required("kind", kinds, |text| kind(text, target))? {
        Kind::Static => {
            let keys = static_keys(&section);
            // The HMAC keys of Google have no session token.
            let session_token = match target {
                TargetKind::S3 => secret(&section, "session_token"),
                TargetKind::GcsXml => None,
            };
            keys.map(|keys| {
                CredentialSource::Static(StaticKeys {
                    session_token,
                    ..keys
                })
            })
        }
        Kind::AccessToken => {
            required_secret(&section, "token").map(|token| CredentialSource::AccessToken { token })
        }
        Kind::AssumeRole => {
            let sts_region = section.parsed("sts_region", REGION, self::region);
            let sts_region = sts_region.or_else(|| region.map(Box::from));
            let external_id = section.parsed("external_id", "2 to 1224 characters without spaces", |text| {
                units::word(text, 1224)
            });
            let role = role(&section, sts_region.as_deref());
            let source = static_keys(&section);
            let session_token = secret(&section, "session_token");
            let source = source.map(|keys| StaticKeys {
                session_token,
                ..keys
            });
            role.zip(source).and_then(|(role, source)| {
                Some(CredentialSource::AssumeRole {
                    role_arn: role.arn,
                    sts_endpoint: role.sts_endpoint,
                    sts_region: sts_region?,
                    sts_ca: role.sts_ca,
                    external_id,
                    duration: role.duration,
                    session_name: role.session_name,
                    source,
                })
            })
        }
        Kind::WebIdentity => {
            let role = role(&section, region);
            let token_file = section.required_path("token_file");
            role.zip(token_file)
                .map(|(role, token_file)| CredentialSource::AssumeRoleWithWebIdentity {
                    role_arn: role.arn,
                    sts_endpoint: role.sts_endpoint,
                    sts_ca: role.sts_ca,
                    duration: role.duration,
                    session_name: role.session_name,
                    token_file,
                })
        }
    };
    section.finish();
    source
}

enum Kind {
    Static,
    AssumeRole,
    WebIdentity,
    AccessToken,
}

fn kind(text: &str, target: TargetKind) -> Result<Kind, &'static str> {
    match (text, target) {
        ("static", _) => Ok(Kind::Static),
        ("assume-role", TargetKind::S3) => Ok(Kind::AssumeRole),
        ("assume-role-with-web-identity", TargetKind::S3) => Ok(Kind::WebIdentity),
        ("access-token", TargetKind::GcsXml) => Ok(Kind::AccessToken),
        ("assume-role" | "assume-role-with-web-identity", TargetKind::GcsXml) => {
            Err("Google Cloud has no such role; only targets of kind \"s3\" have these credentials")
        }
        ("access-token", TargetKind::S3) => Err("only targets of kind \"gcs-xml\" take an access token"),
        _ => Err("not a kind of credentials"),
    }
}

struct Role {
    arn: Box<str>,
    sts_endpoint: Endpoint,
    sts_ca: Option<PathBuf>,
    duration: Duration,
    session_name: Box<str>,
}

fn role(section: &Section<'_>, region: Option<&str>) -> Option<Role> {
    let arn = section.required(
        "role_arn",
        "a role, such as \"arn:aws:iam::123456789012:role/tidegate\"",
        |text| {
            let parts = text.splitn(6, ':').filter(|_| text.starts_with("arn:")).count();
            if parts == 6 {
                units::word(text, 2048)
            } else {
                Err("not an ARN")
            }
        },
    );
    let sts_endpoint = section.parsed("sts_endpoint", ENDPOINT, units::endpoint);
    let sts_endpoint = if section.has("sts_endpoint") {
        sts_endpoint
    } else {
        region.map(regional_sts)
    };
    if let Some(endpoint) = &sts_endpoint {
        in_clear(section, "sts_endpoint", endpoint);
    }
    let sts_ca = section.path("sts_ca");
    let duration = section.duration("duration", 15 * MINUTE..=12 * HOUR);
    let session_name = section.parsed(
        "session_name",
        "2 to 64 of letters, digits and `_+=,.@-`",
        |text| {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
            match (2..=64).contains(&text.len()) && text.bytes().all(allowed) {
                true => Ok(Box::from(text)),
                false => Err("not a session name"),
            }
        },
    );
    Some(Role {
        arn: arn?,
        sts_endpoint: sts_endpoint?,
        sts_ca,
        duration: duration.unwrap_or(HOUR),
        session_name: session_name.unwrap_or_else(|| "tidegate".into()),
    })
}

/// `https://sts.<region>.amazonaws.com`; China has a domain of its own.
fn regional_sts(region: &str) -> Endpoint {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    Endpoint {
        tls: true,
        host: format!("sts.{region}.{domain}").into(),
        port: 443,
    }
}

/// Without a session token, which not all of them may have.
fn static_keys(section: &Section<'_>) -> Option<StaticKeys> {
    let access_key_id = required_secret(section, "access_key_id");
    let secret_access_key = required_secret(section, "secret_access_key");
    Some(StaticKeys {
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        session_token: None,
    })
}

fn required_secret(section: &Section<'_>, key: &'static str) -> Option<SecretRef> {
    if !section.has(key) {
        section.missing(key, SECRET);
    }
    secret(section, key)
}

const SECRET: &str = "\"env:NAME\" or \"file:PATH\"";

/// A reference to a secret. What is no reference is a secret, as far as messages are concerned.
pub(super) fn secret(section: &Section<'_>, key: &'static str) -> Option<SecretRef> {
    let (site, text) = section.text(key, SECRET)?;
    if let Some(name) = text.strip_prefix("env:") {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let starts = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        if starts && name.bytes().all(inner) {
            return Some(SecretRef::Env(name.into()));
        }
        let site = site.showing(Some("\"env:…\"".to_owned()));
        site.problem("not the name of an environment variable", SECRET);
    } else if let Some(path) = text.strip_prefix("file:") {
        match units::path(path) {
            Ok(path) => return Some(SecretRef::File(section.document().resolve(&path))),
            Err(wrong) => site
                .showing(Some("\"file:…\"".to_owned()))
                .problem(format!("the path is {wrong}"), SECRET),
        }
    } else {
        site.problem("a secret does not belong in this file", SECRET);
    }
    None
}

fn canary(text: &str) -> Result<Canary, String> {
    let (bucket, prefix) = text.split_once('/').unwrap_or((text, CANARY_PREFIX));
    let bucket = BucketName::parse(bucket).map_err(|wrong| wrong.to_string())?;
    let prefix = prefix.trim_end_matches('/');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./!".contains(&b);
    let plain = (1..=512).contains(&prefix.len()) && prefix.bytes().all(allowed);
    let steps = prefix.split('/').any(|part| matches!(part, "" | "." | ".."));
    match plain && !steps {
        true => Ok(Canary {
            bucket,
            prefix: prefix.into(),
        }),
        false => Err("not a prefix for keys".to_owned()),
    }
}

fn region(text: &str) -> Result<Box<str>, &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        true => Ok(text.into()),
        false => Err("not a region"),
    }
}

fn is_local(endpoint: &Endpoint) -> bool {
    let is_loopback = |ip: std::net::IpAddr| ip.is_loopback();
    endpoint
        .host
        .parse()
        .map_or(&*endpoint.host == "localhost", is_loopback)
}

fn is_amazon(endpoint: &Endpoint) -> bool {
    let domains = [".amazonaws.com", ".amazonaws.com.cn"];
    domains.iter().any(|domain| endpoint.host.ends_with(domain))
}

fn in_clear(section: &Section<'_>, key: &'static str, endpoint: &Endpoint) {
    if !endpoint.tls && !is_local(endpoint) {
        section
            .site_of(key)
            .warning("without TLS, data and session tokens can be read and changed on the way");
    }
}
