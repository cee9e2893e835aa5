//! Virtual buckets.

use super::super::raw::Section;
use super::super::{Bucket, ChecksumRule, Profile, Server, Target};
use super::narrowing::Narrowed;
use crate::operation::{BucketName, KeyPrefix};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names that are paths of other services on the same host, now or later: a bucket of that name would be
/// unreachable, or worse, would answer for them (CLS-09).
const RESERVED: [&str; 22] = [
    "admin",
    "api",
    "batch",
    "discovery",
    "download",
    "favicon.ico",
    "healthz",
    "login",
    "logout",
    "metrics",
    "oauth",
    "oauth2",
    "portal",
    "readyz",
    "resumable",
    "robots.txt",
    "signin",
    "storage",
    "sts",
    "tidegate",
    "token",
    "upload",
];

const NAME: &str = "a bucket name: 3 to 63 of `a-z`, `0-9`, `.` and `-`";
const PREFIX: &str = "a folder of the target bucket, such as \"teams/a/\": it ends with `/` and does not begin with one, and has 512 \
                      bytes at most";

/// Where virtual buckets are stored: names by prefix, for each bucket of each target.
type Stored = BTreeMap<(Box<str>, BucketName), BTreeMap<KeyPrefix, Box<str>>>;

type Targets = BTreeMap<Box<str>, Option<Arc<Target>>>;

/// Every `[buckets.NAME]` that is right.
pub(super) fn buckets(
    root: &Section<'_>,
    targets: &Targets,
    server: Option<&Server>,
) -> BTreeMap<BucketName, Arc<Bucket>> {
    let sections = root.named("buckets", "tables `[buckets.NAME]`");
    if sections.is_empty() {
        root.site_of("buckets")
            .warning("there are no buckets: callers can do nothing but log in");
    }
    let mut stored = Stored::new();
    let mut narrowed = Narrowed::default();
    let mut buckets = BTreeMap::new();
    for (name, section) in sections {
        let site = section.site();
        let parsed = BucketName::parse(name)
            .map_err(|wrong| site.problem(wrong.to_string(), NAME))
            .ok();
        if RESERVED.contains(&name) {
            site.problem(
                "this name is reserved",
                format!("none of {}", RESERVED.join(", ")),
            );
        }
        let domains = server.map(|s| &*s.domains).unwrap_or_default();
        if let Some(domain) = domains
            .iter()
            .find(|domain| is_other_domain(name, domain, domains))
        {
            site.problem(
                format!("`{name}.{domain}` is a domain of the server"),
                "another name, or other domains",
            );
        }
        let Some(bucket) = bucket(section, name, parsed, targets) else {
            continue;
        };
        narrowed.check(&bucket, &site);
        if let Some(warning) = shared(&mut stored, &bucket) {
            site.warning(warning);
        }
        buckets.insert(bucket.name.clone(), Arc::new(bucket));
    }
    buckets
}

/// Says whose objects are also those of `bucket`, and keeps where it is stored.
fn shared(stored: &mut Stored, bucket: &Bucket) -> Option<String> {
    let place = (bucket.target.name.clone(), bucket.target_bucket.clone());
    let there = stored.entry(place).or_default();
    let ours = &bucket.prefix;
    let warning = match there.get(ours) {
        Some(other) => Some(format!(
            "the same bucket of the same target as `{other}`: two policies decide about its objects"
        )),
        None => there
            .iter()
            .find(|(theirs, _)| theirs.overlaps(ours))
            .map(|(theirs, other)| {
                format!(
                    "`{other}` is {} of the same bucket of the same target, and this one {}: two policies decide about \
                     the objects that both hold",
                    folder(theirs),
                    folder(ours),
                )
            }),
    };
    there.insert(ours.clone(), bucket.name.as_str().into());
    warning
}

fn folder(prefix: &KeyPrefix) -> String {
    match prefix.is_empty() {
        true => "the whole".to_owned(),
        false => format!("folder `{prefix}`"),
    }
}

fn bucket(section: Section<'_>, name: &str, parsed: Option<BucketName>, targets: &Targets) -> Option<Bucket> {
    let known: Vec<String> = targets.keys().map(|name| format!("\"{name}\"")).collect();
    let accepted = match known.is_empty() {
        true => "the name of a table `[targets.NAME]`".to_owned(),
        false => format!("one of {}", known.join(", ")),
    };
    let target = section.required("target", &accepted, |text| {
        targets.get(text).ok_or("there is no such target")
    });
    let at_google = matches!(&target, Some(Some(target)) if target.profile == Profile::Gcs);
    let target_bucket = match at_google {
        true => section.parsed("bucket", NAME, BucketName::parse_at_google),
        false => section.parsed("bucket", NAME, BucketName::parse),
    };
    let target_bucket: Option<BucketName> = if section.has("bucket") {
        target_bucket
    } else {
        parsed.clone()
    };
    let prefix = section.parsed("prefix", PREFIX, KeyPrefix::parse);
    let prefix = if section.has("prefix") {
        prefix
    } else {
        Some(KeyPrefix::default())
    };
    let resume_listed_uploads = section.flag("resume_listed_uploads").unwrap_or(false);
    let policy = section.path("policy");
    let policy = policy.unwrap_or_else(|| section.document().resolve(&format!("policies/{name}.cedar")));
    let time_zone = section.parsed("time_zone", "an IANA name, such as \"Europe/London\"", |text| {
        TimeZone::get(text).map_err(|_| "not a time zone")
    });
    let create = section.flag("create");
    let checksum = section.parsed("checksum", "\"verify\" or \"passthrough\"", |text| match text {
        "verify" => Ok(ChecksumRule::Verify),
        "passthrough" => Ok(ChecksumRule::Passthrough),
        _ => Err("not a rule for checksums"),
    });
    if let (Some(ChecksumRule::Passthrough), Some(Some(target))) = (checksum, target)
        && target.profile != Profile::Aws
        && !target.finds_profile
    {
        section.site_of("checksum").warning(format!(
            "a target of profile `{}` enforces no checksum, so that all are verified here",
            target.profile.name()
        ));
    }
    if create == Some(true) && section.has("prefix") {
        section.site_of("create").problem(
            "a folder of a bucket cannot be made or deleted as a bucket",
            "`false`, or no `prefix`",
        );
    }
    section.finish();
    Some(Bucket {
        name: parsed?,
        target: target?.clone()?,
        target_bucket: target_bucket?,
        prefix: prefix?,
        resume_listed_uploads,
        policy,
        create: create.unwrap_or(false),
        time_zone: time_zone.unwrap_or(TimeZone::UTC),
        checksum: checksum.unwrap_or_default(),
    })
}

/// Whether `<name>.<domain>` is itself one of the `domains`, so that a request would mean two things.
fn is_other_domain(name: &str, domain: &str, domains: &[Box<str>]) -> bool {
    domains
        .iter()
        .any(|other| other.strip_suffix(domain).and_then(|head| head.strip_suffix('.')) == Some(name))
}
