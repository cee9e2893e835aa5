//! Stores: `[targets.NAME]`.

use super::super::raw::Section;
use super::super::{Addressing, Canary, CredentialSource, Endpoint, Profile, Target, units};
use super::credentials::{Surroundings, credentials};
use super::{HOUR, MINUTE, SECOND};
use crate::operation::BucketName;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const ENDPOINT: &str =
    "an `https` or `http` URL of scheme, host and port, such as \"https://127.0.0.1:9000\"";
const CANARY: &str = "\"BUCKET/PREFIX\" as the target names it, such as \"acme-lake-prod/.tidegate-canary\"";
/// Before the random part of a canary's key.
const CANARY_PREFIX: &str = ".tidegate-canary";
pub(super) const REGION: &str = "a region, such as \"us-east-1\"";

/// Every `[targets.NAME]`; `None` for one that is wrong, so that buckets may refer to it all the same.
///
/// `has_issuer` is whether there is an `[issuer]`, whose tokens their credentials may come from.
pub(super) fn targets(root: &Section<'_>, has_issuer: bool) -> BTreeMap<Box<str>, Option<Arc<Target>>> {
    let sections = root.named("targets", "tables `[targets.NAME]`");
    let read = sections.into_iter().map(|(name, section)| {
        let checked = units::name(name);
        if let Err(wrong) = checked {
            section
                .site()
                .problem(wrong, "a name of 1 to 32 of `a-z`, `0-9` and `-`");
        }
        (name.into(), target(name, section, has_issuer).map(Arc::new))
    });
    read.collect()
}

fn target(name: &str, section: Section<'_>, has_issuer: bool) -> Option<Target> {
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
    let known_to_be_exact =
        assumed == TargetKind::GcsXml || endpoint.as_ref().is_some_and(Endpoint::is_amazons);
    let (canary, project) = match assumed {
        TargetKind::S3 => (section.parsed("canary", CANARY, self::canary), None),
        TargetKind::GcsXml => (None, section.parsed("project", PROJECT, self::project)),
    };
    let connect_timeout = section.duration("connect_timeout", SECOND..=5 * MINUTE);
    let response_timeout = section.duration("response_timeout", SECOND..=HOUR);
    let around = Surroundings {
        target: assumed,
        region: region.as_deref(),
        has_issuer,
    };
    let credentials = section
        .section("credentials", "a table `credentials` in the target")
        .and_then(|s| credentials(s.private(), &around));
    let may_be_read = endpoint.as_ref().is_some_and(|e| !e.tls && !e.is_local());
    if may_be_read && credentials.as_ref().is_some_and(bears_token) {
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
pub(super) enum TargetKind {
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

pub(super) fn region(text: &str) -> Result<Box<str>, &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        true => Ok(text.into()),
        false => Err("not a region"),
    }
}

/// Whether what signs is sent along.
fn bears_token(source: &CredentialSource) -> bool {
    match source {
        CredentialSource::AccessToken { .. }
        | CredentialSource::WorkloadIdentity(_)
        | CredentialSource::Metadata(_)
        | CredentialSource::ServiceAccountFile(_) => true,
        CredentialSource::Static(_) | CredentialSource::Role(_) => false,
    }
}

pub(super) fn in_clear(section: &Section<'_>, key: &'static str, endpoint: &Endpoint) {
    if !endpoint.tls && !endpoint.is_local() {
        section
            .site_of(key)
            .warning("without TLS, data and session tokens can be read and changed on the way");
    }
}
