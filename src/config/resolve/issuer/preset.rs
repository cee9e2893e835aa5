//! What is known of identity providers: their `iss`, which claim names somebody for ever, and their traps.
//!
//! A preset asks for what only the tenant knows. It adds conditions and never lifts one; what is written beside it
//! replaces its principal, groups and tags.

use super::super::super::raw::{Scalar, Section, Site};
use super::super::super::{ClaimPath, ClaimSource, ClaimValue, Condition, Rule, TagSource, units};
use crate::authn::PrincipalKind;

const NAMES: &str = "\"google\", \"google-workspace\", \"entra\", \"okta\", \"aws\", \"kubernetes\", \"gke\", \"eks\" or \
                     \"github\", or no preset for any other issuer of OpenID Connect";

/// A provider that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    Google,
    GoogleWorkspace,
    Entra,
    Okta,
    Aws,
    Kubernetes,
    Gke,
    Eks,
    Github,
}

/// What a preset fills in.
#[derive(Debug)]
pub(super) struct Known {
    /// The canonical `iss` first; empty where it must be written.
    pub(super) issuers: Vec<Box<str>>,
    pub(super) kind: Option<PrincipalKind>,
    pub(super) principal: ClaimSource,
    pub(super) groups: Option<ClaimPath>,
    pub(super) require: Vec<Condition>,
    pub(super) tags: Vec<TagSource>,
}

impl Default for Known {
    /// Of a provider that is not known.
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            kind: None,
            principal: "sub".into(),
            groups: None,
            require: Vec::new(),
            tags: Vec::new(),
        }
    }
}

/// `preset`, if one is written and known.
pub(super) fn of(section: &Section<'_>) -> Option<Preset> {
    section.parsed("preset", NAMES, |text| match text {
        "google" => Ok(Preset::Google),
        "google-workspace" => Ok(Preset::GoogleWorkspace),
        "entra" => Ok(Preset::Entra),
        "okta" => Ok(Preset::Okta),
        "aws" => Ok(Preset::Aws),
        "kubernetes" => Ok(Preset::Kubernetes),
        "gke" => Ok(Preset::Gke),
        "eks" => Ok(Preset::Eks),
        "github" => Ok(Preset::Github),
        _ => Err("not a known provider"),
    })
}

impl Preset {
    /// Reads what belongs to the provider. `None` was reported.
    pub(super) fn read(
        self,
        section: &Section<'_>,
        kind: Option<PrincipalKind>,
        written: &[Condition],
    ) -> Option<Known> {
        match self {
            Self::Google => Some(google()),
            Self::GoogleWorkspace => workspace(section),
            Self::Entra => entra(section, kind.unwrap_or(PrincipalKind::Workload)),
            Self::Okta => okta(section, kind.unwrap_or(PrincipalKind::User)),
            Self::Aws => Some(aws()),
            Self::Kubernetes => Some(kubernetes(Vec::new())),
            Self::Gke => gke(section),
            Self::Eks => eks(section),
            Self::Github => github(section, written),
        }
    }

    /// What `issuer` must be, where the preset does not know it.
    pub(super) fn url(self) -> &'static str {
        match self {
            Self::Aws => {
                "the issuer of your account, such as \"https://<uuid>.tokens.sts.global.api.aws\": `aws iam \
                 get-outbound-web-identity-federation-info` prints it"
            }
            Self::Eks => {
                "`region` and `id`, or the issuer: `aws eks describe-cluster --query cluster.identity.oidc.issuer`"
            }
            _ => {
                "the issuer of the cluster: `kubectl get --raw /.well-known/openid-configuration` has it as `issuer`"
            }
        }
    }

    fn is_cluster(self) -> bool {
        matches!(self, Self::Kubernetes | Self::Gke | Self::Eks)
    }

    /// Reports a cluster whose keys nobody outside of it can fetch.
    pub(super) fn reachable(self, issuer: &str, has_keys: bool, site: &Site<'_>) {
        let host = issuer.strip_prefix("https://").unwrap_or(issuer);
        let host = host.split(['/', ':']).next().unwrap_or_default();
        let inside = [".svc", ".svc.cluster.local", ".cluster.local"];
        if self.is_cluster() && !has_keys && inside.iter().any(|end| host.ends_with(end)) {
            site.problem(
                format!("missing, and `{host}` answers inside of its cluster only, and not without a token"),
                "a file with the keys of the cluster: `kubectl get --raw /openid/v1/jwks > jwks.json`",
            );
        }
    }

    /// Reports audiences that the provider puts into tokens for others.
    pub(super) fn audiences(self, issuer: &str, audiences: &[Box<str>], site: &Site<'_>) {
        if self.is_cluster() && audiences.iter().any(|audience| **audience == *issuer) {
            site.problem(
                "the issuer itself, which is the audience of the API server: every pod has such a token",
                "an audience of our own, for projected tokens with `audience: …`",
            );
        }
        if self == Self::Github
            && audiences
                .iter()
                .any(|audience| audience.starts_with("https://github.com/"))
        {
            site.warning(
                "the default audience of GitHub: every token that a workflow shows to somebody else works here, too",
            );
        }
    }
}

fn google() -> Known {
    let engine = |name: &str| nested(&["google", "compute_engine", name]);
    Known {
        issuers: google_issuers(),
        kind: Some(PrincipalKind::Workload),
        // Counts only with `email_verified`. An address can be made anew after it was deleted; `sub` cannot.
        principal: "email".into(),
        tags: vec![
            tag("sub", "sub"),
            tag("project_id", engine("project_id")),
            tag("zone", engine("zone")),
            tag("instance_name", engine("instance_name")),
        ],
        ..Known::default()
    }
}

/// The second one stands in tokens for old OAuth clients.
fn google_issuers() -> Vec<Box<str>> {
    vec!["https://accounts.google.com".into(), "accounts.google.com".into()]
}

fn workspace(section: &Section<'_>) -> Option<Known> {
    const DOMAIN: &str = "the domain of your organisation, such as \"acme.com\", or a list of them";
    let Some(entry) = section.entry("hd") else {
        section.missing("hd", DOMAIN);
        return None;
    };
    let texts = entry.texts(DOMAIN)?;
    let mut domains = Vec::with_capacity(texts.len());
    for (site, text) in &texts {
        match units::host_name(text) {
            Ok(domain) => domains.push(ClaimValue::Text(domain)),
            Err(wrong) => site.problem(wrong, DOMAIN),
        }
    }
    (domains.len() == texts.len()).then(|| Known {
        issuers: google_issuers(),
        kind: Some(PrincipalKind::User),
        principal: "email".into(),
        // Without it every Google account of the world would be one of ours.
        require: vec![is("hd", domains)],
        tags: vec![tag("sub", "sub"), tag("hd", "hd")],
        ..Known::default()
    })
}

fn entra(section: &Section<'_>, kind: PrincipalKind) -> Option<Known> {
    let tenant = section.required(
        "tenant",
        "the id of your tenant, such as \"72f988bf-86f1-41af-91ab-2d7cd011db47\": `az account show --query tenantId`",
        |text| {
            let text = text.to_ascii_lowercase();
            let parts: Vec<usize> = text.split('-').map(str::len).collect();
            let digits = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
            match &*text {
                "common" | "organizations" | "consumers" => Err("stands for every tenant there is"),
                "9188040d-6c67-4c5b-b112-36a304b66dad" => Err("the tenant of all personal accounts there are"),
                _ if digits && parts == [8, 4, 4, 4, 12] => Ok(text),
                _ => Err("not the id of a tenant"),
            }
        },
    )?;
    Some(Known {
        issuers: vec![
            format!("https://login.microsoftonline.com/{tenant}/v2.0").into(),
            // What the tokens of managed identities say, whatever endpoint made them: the resource decides.
            format!("https://sts.windows.net/{tenant}/").into(),
        ],
        kind: Some(kind),
        principal: "oid".into(),
        groups: Some("groups".into()),
        require: vec![
            is("tid", vec![ClaimValue::Text(tenant.into())]),
            // An application that acts for somebody is not the workload, and an application is nobody.
            match kind {
                PrincipalKind::Workload => absent("scp"),
                PrincipalKind::User => Condition {
                    claim: "idtyp".into(),
                    rule: Rule::NoneOf(vec![ClaimValue::Text("app".into())]),
                },
            },
            // `idtyp` is only there where the tenant asks for it. An application's subject is the application, and a
            // person's differs from one application to the next.
            Condition {
                claim: "sub".into(),
                rule: match kind {
                    PrincipalKind::Workload => Rule::SameAs("oid".into()),
                    PrincipalKind::User => Rule::OtherThan("oid".into()),
                },
            },
        ],
        tags: vec![
            TagSource {
                name: "app".into(),
                claim: either("appid", "azp"),
            },
            tag("tid", "tid"),
        ],
    })
}

fn okta(section: &Section<'_>, kind: PrincipalKind) -> Option<Known> {
    const SERVER: &str = "the id of a custom authorization server, such as \"default\" or \"aus1x2\"";
    let domain = section.required(
        "domain",
        "the host of your organisation, such as \"acme.okta.com\"",
        |text| match text.contains("-admin.okta") {
            true => Err("the console for admins; the host of the organisation has no `-admin`"),
            false => units::host_name(text),
        },
    );
    let server = section.parsed("authorization_server", SERVER, |text| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        match (1..=64).contains(&text.len()) && text.bytes().all(inner) {
            true => Ok(text.to_owned()),
            false => Err("not the id of an authorization server"),
        }
    });
    let custom = section.has("authorization_server");
    if !custom && kind == PrincipalKind::Workload {
        section.missing("authorization_server", SERVER);
        return None;
    }
    let domain = domain?;
    let (url, principal, rule) = match (custom, kind) {
        // Its access tokens are for Okta's own API: only identity tokens can be verified, and those have no `scp`.
        (false, _) => (format!("https://{domain}"), "sub".into(), absent("scp")),
        // In access tokens `sub` is the name that somebody logs in with, which changes; identity tokens have no `uid`.
        (true, PrincipalKind::User) => (
            format!("https://{domain}/oauth2/{}", server?),
            either("uid", "sub"),
            Condition {
                claim: "uid".into(),
                rule: Rule::PresentWith("cid".into()),
            },
        ),
        // `cid` is also in the tokens of people, for the application that they use.
        (true, PrincipalKind::Workload) => (
            format!("https://{domain}/oauth2/{}", server?),
            "cid".into(),
            absent("uid"),
        ),
    };
    Some(Known {
        issuers: vec![url.into()],
        kind: Some(kind),
        principal,
        groups: Some("groups".into()),
        require: vec![rule],
        tags: vec![tag("app", "cid")],
    })
}

fn aws() -> Known {
    let own = |name: &str| nested(&["https://sts.amazonaws.com/", name]);
    Known {
        kind: Some(PrincipalKind::Workload),
        // The ARN of the role, without the name of the session.
        principal: "sub".into(),
        tags: vec![
            tag("aws_account", own("aws_account")),
            tag("org_id", own("org_id")),
            tag("source_region", own("source_region")),
        ],
        ..Known::default()
    }
}

fn kubernetes(issuers: Vec<Box<str>>) -> Known {
    let own = |names: &[&str]| nested(&[&["kubernetes.io"], names].concat());
    Known {
        issuers,
        kind: Some(PrincipalKind::Workload),
        // `system:serviceaccount:NAMESPACE:NAME`.
        principal: "sub".into(),
        tags: vec![
            tag("namespace", own(&["namespace"])),
            tag("service_account", own(&["serviceaccount", "name"])),
            tag("pod", own(&["pod", "name"])),
            tag("node", own(&["node", "name"])),
        ],
        ..Known::default()
    }
}

fn gke(section: &Section<'_>) -> Option<Known> {
    let part = |key, accepted| {
        section.required(key, accepted, |text| {
            let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:".contains(&b);
            match (1..=63).contains(&text.len()) && text.bytes().all(inner) {
                true => Ok(text.to_owned()),
                false => Err("has other characters than `a-z`, `0-9` and `-`"),
            }
        })
    };
    let project = part("project", "the id of the project, such as \"acme-prod\"");
    let location = part("location", "where the cluster is, such as \"europe-west2\"");
    let cluster = part("cluster", "the name of the cluster");
    let base = "https://container.googleapis.com/v1";
    let issuer = format!(
        "{base}/projects/{}/locations/{}/clusters/{}",
        project?, location?, cluster?
    );
    Some(kubernetes(vec![issuer.into()]))
}

fn eks(section: &Section<'_>) -> Option<Known> {
    let region = section.parsed("region", "a region, such as \"eu-west-2\"", |text| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        match (1..=32).contains(&text.len()) && text.bytes().all(inner) {
            true => Ok(text.to_owned()),
            false => Err("not a region"),
        }
    });
    let id = section.parsed("id", "the id at the end of the cluster's issuer", |text| {
        match text.len() == 32
            && text
                .bytes()
                .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_lowercase())
        {
            true => Ok(text.to_owned()),
            false => Err("not 32 hexadecimal digits in upper case"),
        }
    });
    let issuers = match (region, id) {
        (Some(region), Some(id)) => {
            let domain = if region.starts_with("cn-") {
                "amazonaws.com.cn"
            } else {
                "amazonaws.com"
            };
            vec![format!("https://oidc.eks.{region}.{domain}/id/{id}").into()]
        }
        // Without both `issuer` must be there, which is asked for later.
        _ => Vec::new(),
    };
    Some(kubernetes(issuers))
}

fn github(section: &Section<'_>, written: &[Condition]) -> Option<Known> {
    const OWNER: &str = "the id of your organisation or account, such as \"9919\": `gh api users/NAME --jq .id` prints \
                         it. Everybody on github.com can have a token with your audience";
    let host = section.parsed(
        "host",
        "the host of GitHub Enterprise, such as \"github.acme.com\" or \"acme.ghe.com\"",
        units::host_name,
    );
    let enterprise = section.parsed(
        "enterprise",
        "the slug of your enterprise, where it has issuers of its own",
        units::name,
    );
    let owners = match section.entry("owner_id") {
        None => Vec::new(),
        Some(entry) => {
            let listed = entry.items();
            let entries = listed.as_deref().unwrap_or(std::slice::from_ref(&entry));
            let mut ids = Vec::with_capacity(entries.len());
            for entry in entries {
                match entry.scalar() {
                    Some(Scalar::Text(id)) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) => {
                        ids.push(ClaimValue::Text(id.into()));
                    }
                    Some(Scalar::Integer(id)) if id > 0 => ids.push(ClaimValue::Text(id.to_string().into())),
                    Some(_) => entry.site().problem("not an id", OWNER),
                    None => entry.mistyped("an id", OWNER),
                }
            }
            if ids.is_empty() || ids.len() < entries.len() {
                if entries.is_empty() {
                    entry.site().problem("empty", OWNER);
                }
                return None;
            }
            ids
        }
    };
    let issuer = match (&host, &enterprise) {
        (None, None) => "https://token.actions.githubusercontent.com".to_owned(),
        (None, Some(slug)) => format!("https://token.actions.githubusercontent.com/{slug}"),
        (Some(host), _) if host.ends_with(".ghe.com") => format!("https://token.actions.{host}"),
        (Some(host), _) => format!("https://{host}/_services/token"),
    };
    const PINS: [&str; 3] = ["repository_owner_id", "repository_id", "enterprise_id"];
    let pinned = written
        .iter()
        .any(|condition| PINS.iter().any(|claim| condition.claim.is(claim)));
    if host.is_none() && enterprise.is_none() && owners.is_empty() && !pinned {
        section.missing("owner_id", OWNER);
        return None;
    }
    let require = match owners.is_empty() {
        true => Vec::new(),
        false => vec![is("repository_owner_id", owners)],
    };
    let tags = [
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "repository_visibility",
        "ref",
        "ref_type",
        "environment",
        "job_workflow_ref",
        "event_name",
        "runner_environment",
        "actor_id",
    ];
    Some(Known {
        issuers: vec![issuer.into()],
        kind: Some(PrincipalKind::Workload),
        // Names can be given away, and the form of `sub` has changed; the id of a repository is its own for ever.
        principal: "repository_id".into(),
        require,
        tags: tags.map(|name| tag(name, name)).into(),
        ..Known::default()
    })
}

fn is(claim: &str, values: Vec<ClaimValue>) -> Condition {
    Condition {
        claim: claim.into(),
        rule: Rule::OneOf(values),
    }
}

fn absent(claim: &str) -> Condition {
    Condition {
        claim: claim.into(),
        rule: Rule::Absent,
    }
}

fn tag(name: &str, claim: impl Into<ClaimSource>) -> TagSource {
    TagSource {
        name: name.into(),
        claim: claim.into(),
    }
}

fn nested(names: &[&str]) -> ClaimSource {
    let (last, outer) = names
        .split_last()
        .map_or(("", &[][..]), |(last, outer)| (*last, outer));
    ClaimPath::from(last).inside(outer).into()
}

fn either(first: &str, second: &str) -> ClaimSource {
    ClaimSource::from(first).or(second)
}
