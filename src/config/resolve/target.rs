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
const PROFILES: &str = "\"aws\", \"plain\", \"gcs\" or \"auto\"";
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
    let kind = section.required("kind", "\"s3\"", |text| match text {
        "s3" => Ok(()),
        "gcs" | "azure" => Err("not a kind of target yet"),
        _ => Err("not a kind of target"),
    });
    let endpoint = section.required("endpoint", ENDPOINT, units::endpoint);
    if let Some(endpoint) = &endpoint {
        in_clear(&section, "endpoint", endpoint);
    }
    let region = section.required("region", REGION, self::region);
    let addressing = section.parsed("addressing", "\"path\" or \"virtual-host\"", |text| match text {
        "path" => Ok(Addressing::Path),
        "virtual-host" => Ok(Addressing::VirtualHost),
        _ => Err("not a way to address buckets"),
    });
    let ca = section.path("ca");
    let profile = section.parsed("profile", PROFILES, |text| match text {
        "aws" => Ok((Profile::Aws, false)),
        "plain" => Ok((Profile::Plain, false)),
        "gcs" => Ok((Profile::Gcs, false)),
        // What every target understands, until more is known.
        "auto" => Ok((Profile::Plain, true)),
        _ => Err("not a profile of targets"),
    });
    let canary = section.parsed("canary", CANARY, canary);
    let connect_timeout = section.duration("connect_timeout", SECOND..=5 * MINUTE);
    let response_timeout = section.duration("response_timeout", SECOND..=HOUR);
    let credentials = section
        .section("credentials", "a table `credentials` in the target")
        .and_then(|s| credentials(s.private(), region.as_deref()));
    section.finish();
    let (profile, finds_profile) = profile.unwrap_or((Profile::Aws, false));
    kind?;
    Some(Target {
        name: name.into(),
        endpoint: endpoint?,
        region: region?,
        addressing: addressing.unwrap_or(Addressing::Path),
        ca,
        profile,
        finds_profile,
        canary,
        connect_timeout: connect_timeout.unwrap_or(5 * SECOND),
        response_timeout: response_timeout.unwrap_or(MINUTE),
        credentials: credentials?,
    })
}

fn credentials(section: Section<'_>, region: Option<&str>) -> Option<CredentialSource> {
    const KINDS: &str = "\"static\", \"assume-role\" or \"assume-role-with-web-identity\"";
    let source = match section.required("kind", KINDS, kind)? {
        Kind::Static => static_keys(&section).map(CredentialSource::Static),
        Kind::AssumeRole => {
            let sts_region = section.parsed("sts_region", REGION, self::region);
            let sts_region = sts_region.or_else(|| region.map(Box::from));
            let external_id = section.parsed("external_id", "2 to 1224 characters without spaces", |text| {
                units::word(text, 1224)
            });
            let role = role(&section, sts_region.as_deref());
            let source = static_keys(&section);
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
}

fn kind(text: &str) -> Result<Kind, &'static str> {
    match text {
        "static" => Ok(Kind::Static),
        "assume-role" => Ok(Kind::AssumeRole),
        "assume-role-with-web-identity" => Ok(Kind::WebIdentity),
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

fn static_keys(section: &Section<'_>) -> Option<StaticKeys> {
    let required = |key| {
        if !section.has(key) {
            section.missing(key, SECRET);
        }
        secret(section, key)
    };
    let access_key_id = required("access_key_id");
    let secret_access_key = required("secret_access_key");
    let session_token = secret(section, "session_token");
    Some(StaticKeys {
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        session_token,
    })
}

const SECRET: &str = "\"env:NAME\" or \"file:PATH\"";

/// A reference to a secret. What is no reference is a secret, as far as messages are concerned.
fn secret(section: &Section<'_>, key: &'static str) -> Option<SecretRef> {
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

fn in_clear(section: &Section<'_>, key: &'static str, endpoint: &Endpoint) {
    let local = endpoint
        .host
        .parse()
        .map_or(&*endpoint.host == "localhost", |ip: std::net::IpAddr| {
            ip.is_loopback()
        });
    if !endpoint.tls && !local {
        section
            .site_of(key)
            .warning("without TLS, data and session tokens can be read and changed on the way");
    }
}
