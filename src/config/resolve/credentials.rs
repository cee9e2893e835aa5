//! What signs towards targets: `[targets.NAME.credentials]`.
//!
//! Each kind has keys of its own; those of another kind are unknown keys, so that nothing is written that has no effect.

use super::super::raw::Section;
use super::super::{
    AssumedRole, Attribution, CredentialSource, Endpoint, IdentityToken, ManagedSecret, Metadata, RoleProof,
    SecretRef, ServiceAccountFile, StaticKeys, WorkloadIdentity, secret_ref, units,
};
use super::target::{ENDPOINT, REGION, TargetKind, in_clear, region};
use super::{HOUR, MINUTE};

/// What is known of the target and of Tidegate when its credentials are read.
pub(super) struct Surroundings<'a> {
    pub(super) target: TargetKind,
    /// The target's.
    pub(super) region: Option<&'a str>,
    /// Whether there is an `[issuer]`.
    pub(super) has_issuer: bool,
}

pub(super) fn credentials(section: Section<'_>, around: &Surroundings<'_>) -> Option<CredentialSource> {
    let kinds = match around.target {
        TargetKind::S3 => "\"aws-web-identity\", \"aws-assume-role\", \"sts-assume-role\" or \"static\"",
        TargetKind::GcsXml => {
            "\"google-workload-identity\", \"google-metadata\", \"google-service-account-file\", \"access-token\" or \"static\""
        }
    };
    let source = match section.required("kind", kinds, |text| kind(text, around.target))? {
        Kind::Static => {
            // The HMAC keys of Google have no session token.
            let keys = match around.target {
                TargetKind::S3 => keys_and_token(&section),
                TargetKind::GcsXml => static_keys(&section),
            };
            keys.map(CredentialSource::Static)
        }
        Kind::AccessToken => {
            required_secret(&section, "token").map(|token| CredentialSource::AccessToken { token })
        }
        Kind::AwsWebIdentity => web_identity(&section, around).map(CredentialSource::Role),
        Kind::AwsAssumeRole => ambient(&section, around).map(CredentialSource::Role),
        Kind::StsAssumeRole => with_keys(&section, around).map(CredentialSource::Role),
        Kind::GoogleWorkloadIdentity => {
            workload_identity(&section, around).map(CredentialSource::WorkloadIdentity)
        }
        Kind::GoogleMetadata => metadata(&section).map(CredentialSource::Metadata),
        Kind::GoogleServiceAccountFile => {
            service_account_file(&section).map(CredentialSource::ServiceAccountFile)
        }
    };
    section.finish();
    source
}

enum Kind {
    Static,
    AccessToken,
    AwsWebIdentity,
    AwsAssumeRole,
    StsAssumeRole,
    GoogleWorkloadIdentity,
    GoogleMetadata,
    GoogleServiceAccountFile,
}

fn kind(text: &str, target: TargetKind) -> Result<Kind, &'static str> {
    match (text, target) {
        ("static", _) => Ok(Kind::Static),
        ("aws-web-identity", TargetKind::S3) => Ok(Kind::AwsWebIdentity),
        ("aws-assume-role", TargetKind::S3) => Ok(Kind::AwsAssumeRole),
        ("sts-assume-role", TargetKind::S3) => Ok(Kind::StsAssumeRole),
        ("access-token", TargetKind::GcsXml) => Ok(Kind::AccessToken),
        ("google-workload-identity", TargetKind::GcsXml) => Ok(Kind::GoogleWorkloadIdentity),
        ("google-metadata", TargetKind::GcsXml) => Ok(Kind::GoogleMetadata),
        ("google-service-account-file", TargetKind::GcsXml) => Ok(Kind::GoogleServiceAccountFile),
        ("aws-web-identity" | "aws-assume-role" | "sts-assume-role", TargetKind::GcsXml) => {
            Err("Google Cloud has no such role; only targets of kind \"s3\" have these credentials")
        }
        (
            "access-token" | "google-workload-identity" | "google-metadata" | "google-service-account-file",
            TargetKind::S3,
        ) => Err("only targets of kind \"gcs-xml\" take an access token"),
        _ => Err("not a kind of credentials"),
    }
}

pub(super) fn web_identity(section: &Section<'_>, around: &Surroundings<'_>) -> Option<AssumedRole> {
    let token = identity_token(section, around, "audience", AMAZON.into());
    let role = role(section, around.region, token.map(RoleProof::WebIdentity))?;
    if section.has("token_file") {
        // Of a token that is not ours, its issuer says who and with what tags.
        return Some(role);
    }
    let is_elsewhere = !role.sts_endpoint.is_amazons() && !role.sts_endpoint.is_local();
    // INVARIANT: a token is good at one party. Whoever got Amazon's could assume a role of AWS with it.
    if is_elsewhere && !section.has("audience") {
        section.missing(
            "audience",
            "a name of this token service's own, such as \"minio\"",
        );
        return None;
    }
    if let RoleProof::WebIdentity(IdentityToken::Own { audience }) = &role.proof
        && is_elsewhere
        && **audience == *AMAZON
    {
        section
            .site_of("audience")
            .warning("whoever runs this token service can assume roles of AWS with such a token");
    }
    Some(named(section, role))
}

/// The audience of tokens for AWS.
const AMAZON: &str = "sts.amazonaws.com";

fn ambient(section: &Section<'_>, around: &Surroundings<'_>) -> Option<AssumedRole> {
    let region = sts_region(section, around);
    let external_id = external_id(section);
    let proof = region
        .clone()
        .map(|region| RoleProof::Ambient { region, external_id });
    let role = role(section, region.as_deref(), proof).map(|role| named(section, role))?;
    if role.duration > HOUR {
        section.site_of("duration").warning(
            "if the machine's own credentials are a role's, a role that it assumes lasts an hour at most, and STS refuses more",
        );
    }
    Some(role)
}

fn with_keys(section: &Section<'_>, around: &Surroundings<'_>) -> Option<AssumedRole> {
    let region = sts_region(section, around);
    let external_id = external_id(section);
    let keys = keys_and_token(section);
    let proof = keys.zip(region.clone()).map(|(keys, region)| RoleProof::Keys {
        keys,
        region,
        external_id,
    });
    role(section, region.as_deref(), proof)
}

/// What names the principal besides the session's name.
fn named(section: &Section<'_>, role: AssumedRole) -> AssumedRole {
    let default = role.attribution == Attribution::PerPrincipal;
    let source_identity = section.flag("source_identity").unwrap_or(default);
    let session_tags = section.flag("session_tags").unwrap_or(default);
    if !default {
        for (key, wanted) in [
            ("source_identity", source_identity),
            ("session_tags", session_tags),
        ] {
            if wanted {
                section.site_of(key).problem(
                    "a shared session is in nobody's name",
                    "`attribution = \"per-principal\"`, or nothing",
                );
            }
        }
    }
    AssumedRole {
        source_identity,
        session_tags,
        ..role
    }
}

fn sts_region(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Box<str>> {
    let written = section.parsed("sts_region", REGION, region);
    written.or_else(|| around.region.map(Box::from))
}

fn external_id(section: &Section<'_>) -> Option<Box<str>> {
    section.parsed("external_id", "2 to 1224 characters without spaces", |text| {
        units::word(text, 1224)
    })
}

/// The keys that all kinds of roles have. `region` chooses the endpoint if none is written.
fn role(section: &Section<'_>, region: Option<&str>, proof: Option<RoleProof>) -> Option<AssumedRole> {
    let arn = section.required(
        "role_arn",
        "a role, such as \"arn:aws:iam::123456789012:role/tidegate\"",
        |text| {
            let parts: Vec<&str> = text.splitn(6, ':').collect();
            match parts.as_slice() {
                ["arn", "aws" | "aws-cn" | "aws-us-gov", "iam", _, _, name] if !name.starts_with("role/") => {
                    Err("not the ARN of a role")
                }
                ["arn", _, _, _, _, _] => units::word(text, 2048),
                _ => Err("not an ARN"),
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
    let attribution = attribution(section);
    let narrow = section.flag("narrow").unwrap_or(false);
    Some(AssumedRole {
        role_arn: arn?,
        proof: proof?,
        sts_endpoint: sts_endpoint?,
        sts_ca,
        duration: duration.unwrap_or(HOUR),
        session_name: session_name.unwrap_or_else(|| "tidegate".into()),
        attribution,
        source_identity: false,
        session_tags: false,
        narrow,
    })
}

fn attribution(section: &Section<'_>) -> Attribution {
    let written = section.parsed(
        "attribution",
        "\"shared\" or \"per-principal\"",
        |text| match text {
            "shared" => Ok(Attribution::Shared),
            "per-principal" => Ok(Attribution::PerPrincipal),
            _ => Err("not a kind of attribution"),
        },
    );
    written.unwrap_or_default()
}

/// `token_file`, or Tidegate's own token for the audience in `key`.
pub(super) fn identity_token(
    section: &Section<'_>,
    around: &Surroundings<'_>,
    key: &'static str,
    default: Box<str>,
) -> Option<IdentityToken> {
    if section.has("token_file") {
        return section.path("token_file").map(IdentityToken::File);
    }
    let audience = section.parsed(key, "1 to 255 characters without spaces", |text| {
        units::word(text, 255)
    });
    if !around.has_issuer {
        section.site().problem(
            "there is no `[issuer]`, so Tidegate has no token of its own",
            "`token_file`, or a table `[issuer]`",
        );
        return None;
    }
    Some(IdentityToken::Own {
        audience: audience.unwrap_or(default),
    })
}

/// `https://sts.<region>.amazonaws.com`; China has a domain of its own.
fn regional_sts(region: &str) -> Endpoint {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    https(format!("sts.{region}.{domain}"))
}

pub(super) fn workload_identity(
    section: &Section<'_>,
    around: &Surroundings<'_>,
) -> Option<WorkloadIdentity> {
    let provider = section.required("audience", PROVIDER, provider);
    let token = match (&provider, section.has("token_file")) {
        (_, true) => section.path("token_file").map(IdentityToken::File),
        // What Google expects if nothing else was configured there.
        (Some(provider), false) => identity_token(
            section,
            around,
            "token_audience",
            format!("https:{provider}").into(),
        ),
        (None, false) => None,
    };
    let service_account = section.parsed("service_account", ACCOUNT, account);
    let universe = section
        .parsed(
            "universe_domain",
            "a domain, such as \"googleapis.com\"",
            units::host_name,
        )
        .unwrap_or_else(|| "googleapis.com".into());
    let sts_endpoint = endpoint_or(section, "sts_endpoint", || https(format!("sts.{universe}")));
    let iam_endpoint = endpoint_or(section, "iam_endpoint", || {
        https(format!("iamcredentials.{universe}"))
    });
    let ca = section.path("ca");
    let attribution = attribution(section);
    if attribution == Attribution::PerPrincipal && section.has("token_file") {
        section.site_of("attribution").problem(
            "the token of a file is the same for everybody, so that Google could tell nobody apart",
            "\"shared\", or Tidegate's own token instead of `token_file`",
        );
    }
    Some(WorkloadIdentity {
        provider: provider?,
        token: token?,
        service_account,
        sts_endpoint: sts_endpoint?,
        iam_endpoint: iam_endpoint?,
        ca,
        attribution,
    })
}

pub(super) fn metadata(section: &Section<'_>) -> Option<Metadata> {
    let service_account = section.parsed("service_account", ACCOUNT, |text| match text {
        "default" => Ok("default".into()),
        _ => account(text),
    });
    // It is on the machine itself, as far as the network is concerned, and speaks no TLS.
    let endpoint = endpoint_unwarned(section, "metadata_endpoint", || Endpoint {
        tls: false,
        host: "metadata.google.internal".into(),
        port: 80,
    });
    Some(Metadata {
        service_account: service_account.unwrap_or_else(|| "default".into()),
        endpoint: endpoint?,
    })
}

pub(super) fn service_account_file(section: &Section<'_>) -> Option<ServiceAccountFile> {
    section.site_of("kind").warning(
        "whoever copies the file is this service account until somebody deletes its key; \"google-workload-identity\" needs none",
    );
    let file = section.required_path("file");
    let token_endpoint = section.parsed("token_endpoint", ENDPOINT, units::endpoint);
    if let Some(endpoint) = &token_endpoint {
        in_clear(section, "token_endpoint", endpoint);
    }
    let ca = section.path("ca");
    Some(ServiceAccountFile {
        file: file?,
        token_endpoint,
        ca,
    })
}

const PROVIDER: &str = "a provider, such as \
    \"//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/tidegate/providers/tidegate\"";
const ACCOUNT: &str = "the email address of a service account";

fn provider(text: &str) -> Result<Box<str>, &'static str> {
    let name = text.strip_prefix("https:").unwrap_or(text);
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [
            "",
            "",
            host,
            "projects",
            _,
            "locations",
            _,
            "workloadIdentityPools",
            _,
            "providers",
            _,
        ] if host.starts_with("iam.") && parts.iter().skip(2).all(|part| !part.is_empty()) => {
            units::word(name, 512)
        }
        _ => Err("not the full name of a provider of a workload identity pool"),
    }
}

fn account(text: &str) -> Result<Box<str>, &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._@:".contains(&b);
    match text.contains('@') && text.len() <= 254 && text.bytes().all(allowed) {
        true => Ok(text.into()),
        false => Err("not the email address of a service account"),
    }
}

pub(super) fn https(host: String) -> Endpoint {
    Endpoint {
        tls: true,
        host: host.into(),
        port: 443,
    }
}

fn endpoint_or(
    section: &Section<'_>,
    key: &'static str,
    default: impl FnOnce() -> Endpoint,
) -> Option<Endpoint> {
    let endpoint = endpoint_unwarned(section, key, default);
    if let Some(endpoint) = endpoint.as_ref().filter(|_| section.has(key)) {
        in_clear(section, key, endpoint);
    }
    endpoint
}

/// One that is written and wrong is not replaced by the default.
pub(super) fn endpoint_unwarned(
    section: &Section<'_>,
    key: &'static str,
    default: impl FnOnce() -> Endpoint,
) -> Option<Endpoint> {
    let written = section.parsed(key, ENDPOINT, units::endpoint);
    written.or_else(|| (!section.has(key)).then(default))
}

fn keys_and_token(section: &Section<'_>) -> Option<StaticKeys> {
    let keys = static_keys(section);
    let session_token = secret(section, "session_token");
    keys.map(|keys| StaticKeys {
        session_token,
        ..keys
    })
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

const SECRET: &str =
    "\"env:NAME\" or \"file:PATH\", or a secret in a manager, such as \"vault://mount/path#field\"";
const SECRET_HERE: &str = "\"env:NAME\" or \"file:PATH\"";

/// A reference to a secret. What is no reference is a secret, as far as messages are concerned.
pub(super) fn secret(section: &Section<'_>, key: &'static str) -> Option<SecretRef> {
    reference(section, key, SECRET)
}

/// A secret by which secret managers know us: it is on this machine.
pub(super) fn secret_here(section: &Section<'_>, key: &'static str) -> Option<SecretRef> {
    if !section.has(key) {
        section.missing(key, SECRET_HERE);
    }
    reference(section, key, SECRET_HERE).filter(|secret| {
        let is_here = secret.managed().is_none();
        if !is_here {
            let site = section.site_of(key).showing(None);
            site.problem(
                "secret managers are not opened with secrets of secret managers",
                SECRET_HERE,
            );
        }
        is_here
    })
}

fn reference(section: &Section<'_>, key: &'static str, accepted: &str) -> Option<SecretRef> {
    let (site, text) = section.text(key, accepted)?;
    if let Some(name) = text.strip_prefix("env:") {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let starts = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        if starts && name.bytes().all(inner) {
            return Some(SecretRef::Env(name.into()));
        }
        let site = site.showing(Some("\"env:…\"".to_owned()));
        site.problem("not the name of an environment variable", accepted);
    } else if let Some(path) = text.strip_prefix("file:") {
        match units::path(path) {
            Ok(path) => return Some(SecretRef::File(section.document().resolve(&path))),
            Err(wrong) => site
                .showing(Some("\"file:…\"".to_owned()))
                .problem(format!("the path is {wrong}"), accepted),
        }
    } else if let Some(scheme) = secret_ref::scheme(text) {
        match ManagedSecret::parse(text) {
            Ok(secret) => return Some(SecretRef::Managed(Box::new(secret))),
            // Who mistypes a reference may have put the secret itself behind the scheme.
            Err(wrong) => site
                .showing(Some(format!("\"{scheme}…\"")))
                .problem(wrong, accepted),
        }
    } else {
        site.showing(None)
            .problem("a secret does not belong in this file", accepted);
    }
    None
}
