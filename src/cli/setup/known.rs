//! What is known of a bucket and its target: from the configuration, or from options before there is one.

use super::super::wiring;
use super::{Common, Refusal};
use crate::config::{self, Attribution, Config, CredentialSource, IdentityToken, Target};
use crate::operation::{BucketName, KeyPrefix};
use crate::setup::{Access, Names, Place, Plain, RoleArn, Trusted, aws, needed};
use std::path::Path;

/// What is known of a bucket.
pub(super) struct Known {
    pub(super) place: Place,
    pub(super) config: Option<Config>,
    pub(super) region: Option<Plain>,
}

impl Known {
    pub(super) fn of(common: &Common) -> Result<Self, Refusal> {
        match &common.config {
            Some(path) => Self::configured(common, path),
            None => Ok(Self {
                place: Place {
                    name: common.bucket.clone(),
                    target: match &common.target {
                        Some(name) => name.as_str().into(),
                        None => default_target(&common.bucket)?,
                    },
                    bucket: common
                        .target_bucket
                        .clone()
                        .unwrap_or_else(|| common.bucket.clone()),
                    prefix: common.prefix.clone().unwrap_or_default(),
                    actions: needed(common.access.unwrap_or_default(), None, false),
                },
                config: None,
                region: None,
            }),
        }
    }

    fn configured(common: &Common, path: &Path) -> Result<Self, Refusal> {
        let config = config::load(path)?;
        let Some(bucket) = config.buckets.get(&common.bucket) else {
            let names: Vec<&str> = config.buckets.keys().map(BucketName::as_str).collect();
            return Err(format!(
                "there is no bucket `{}` in `{}`; it has: {}",
                common.bucket,
                path.display(),
                names.join(", ")
            )
            .into());
        };
        let permitted = wiring::grantable(&config, &common.bucket)?;
        let access = common.access.unwrap_or(Access::Manage);
        let actions = needed(access, Some(&permitted), bucket.create);
        if actions.is_empty() {
            return Err(format!(
                "no policy permits anything in bucket `{}` that needs the target: write `{}` first",
                bucket.name,
                bucket.policy.display()
            )
            .into());
        }
        Ok(Self {
            place: Place {
                name: bucket.name.clone(),
                target: bucket.target.name.clone(),
                bucket: bucket.target_bucket.clone(),
                prefix: bucket.prefix.clone(),
                actions,
            },
            region: Names::REGION.parse(&bucket.target.region).ok(),
            config: Some(config),
        })
    }

    pub(super) fn source(&self) -> Option<&CredentialSource> {
        let target = self.config.as_ref()?.targets.get(&self.place.target)?;
        Some(&target.credentials)
    }

    /// Whose tokens: Tidegate's own, or those that a file has.
    pub(super) fn trusted(
        &self,
        common: &Common,
        audience: Plain,
        attribution: Attribution,
    ) -> Result<Trusted, Refusal> {
        let token = self.source().and_then(CredentialSource::identity_token);
        let is_file = matches!(token, Some(IdentityToken::File(_)));
        if is_file && (common.issuer.is_none() || common.subject.is_none()) {
            return Err(
                "the token of a file is somebody else's: say `--issuer` and `--subject` of it".into(),
            );
        }
        let own = self.config.as_ref().and_then(|config| config.issuer.as_ref());
        if let (Some(IdentityToken::Own { .. }), Some(own)) = (token, own) {
            agrees("--issuer", common.issuer.as_ref(), &own.url, "`[issuer] url`")?;
            let name = format!("the name of target `{}`", self.place.target);
            agrees("--subject", common.subject.as_ref(), &self.place.subject(), &name)?;
        }
        let issuer = match (&common.issuer, own) {
            (Some(issuer), _) => issuer.clone(),
            (None, Some(own)) => Names::ISSUER.parse(&own.url)?,
            (None, None) => {
                return Err(
                    "nobody issues tokens: say `--issuer`, or write `[issuer]` into the configuration".into(),
                );
            }
        };
        let subjects = match &common.subject {
            Some(subject) => vec![subject.to_string()],
            None => vec![self.place.subject()],
        };
        let names: Vec<String> = match (&self.config, attribution) {
            (Some(_), Attribution::Shared) => Vec::new(),
            (Some(config), Attribution::PerPrincipal) => config
                .issuers
                .iter()
                .map(|issuer| issuer.name.to_string())
                .collect(),
            (None, _) => common.principals_of.iter().map(Plain::to_string).collect(),
        };
        Ok(Trusted {
            issuer,
            audience,
            subjects,
            beginnings: names.into_iter().map(|name| format!("{name}:")).collect(),
        })
    }
}

impl Known {
    /// Whose tokens something takes that several targets use: those of all targets whose credentials are of the
    /// `same` kind, too, and in whose name.
    pub(super) fn with_all(
        &self,
        common: &Common,
        mut trusted: Trusted,
        same: impl Fn(&CredentialSource) -> Option<Attribution>,
    ) -> Trusted {
        let (Some(config), None) = (&self.config, &common.subject) else {
            return trusted;
        };
        for target in config.targets.values() {
            let is_own = matches!(
                target.credentials.identity_token(),
                Some(IdentityToken::Own { .. })
            );
            let Some(attribution) = same(&target.credentials).filter(|_| is_own) else {
                continue;
            };
            trusted.subjects.push(format!("target/{}", target.name));
            if attribution == Attribution::PerPrincipal {
                let names = config.issuers.iter().map(|issuer| format!("{}:", issuer.name));
                trusted.beginnings.extend(names);
            }
        }
        for texts in [&mut trusted.subjects, &mut trusted.beginnings] {
            texts.sort();
            texts.dedup();
        }
        trusted
    }
}

impl Known {
    /// Who else of the configuration is at the same place of AWS.
    pub(super) fn neighbours(&self) -> aws::Neighbours {
        let mut neighbours = aws::Neighbours::default();
        let Some(config) = &self.config else {
            return neighbours;
        };
        let Some(target) = config.targets.get(&self.place.target) else {
            return neighbours;
        };
        for bucket in config.buckets.values() {
            let is_here = bucket.target_bucket == self.place.bucket
                && is_one_store(&bucket.target, target)
                && overlap(&bucket.prefix, &self.place.prefix);
            if bucket.name == self.place.name || !is_here {
                continue;
            }
            neighbours.buckets.push(bucket.name.clone());
            let role = match &bucket.target.credentials {
                CredentialSource::Role(role) => RoleArn::parse(&role.role_arn).ok(),
                CredentialSource::Static(_)
                | CredentialSource::AccessToken { .. }
                | CredentialSource::WorkloadIdentity(_)
                | CredentialSource::Metadata(_)
                | CredentialSource::ServiceAccountFile(_) => None,
            };
            match role {
                None => neighbours.of_no_role.push(bucket.name.clone()),
                Some(role) if neighbours.roles.contains(&role) => {}
                Some(role) => neighbours.roles.push(role),
            }
        }
        neighbours
    }
}

/// Whether buckets of one name are one bucket: all endpoints of AWS lead to the same ones.
fn is_one_store(one: &Target, other: &Target) -> bool {
    let is_amazon = |target: &Target| {
        let host = &target.endpoint.host;
        host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
    };
    one.endpoint.authority() == other.endpoint.authority() || (is_amazon(one) && is_amazon(other))
}

fn overlap(one: &KeyPrefix, other: &KeyPrefix) -> bool {
    let (one, other) = (one.as_str(), other.as_str());
    one.starts_with(other) || other.starts_with(one)
}

fn default_target(bucket: &BucketName) -> Result<Box<str>, Refusal> {
    let name = Names::OWN.parse(bucket.as_str());
    Ok(name
        .map_err(|_| "no target can have the bucket's name: say `--target`")?
        .as_str()
        .into())
}

pub(super) fn audience(common: &Common, configured: Option<&str>, default: &str) -> Result<Plain, Refusal> {
    if let Some(configured) = configured {
        agrees(
            "--audience",
            common.audience.as_ref(),
            configured,
            "the `credentials` of the target",
        )?;
    }
    match &common.audience {
        Some(audience) => Ok(audience.clone()),
        None => Ok(Names::AUDIENCE.parse(configured.unwrap_or(default))?),
    }
}

/// Refuses an option that says something else than the configuration at `place`: the cloud would trust somebody else
/// than Tidegate then is.
pub(super) fn agrees<T: AsRef<str>>(
    option: &str,
    said: Option<T>,
    configured: &str,
    place: &str,
) -> Result<(), Refusal> {
    match said {
        Some(said) if said.as_ref() != configured => Err(format!(
            "`{option} {}` contradicts the configuration, where {place} says `{configured}`: leave the option out, or change the configuration first",
            said.as_ref()
        )
        .into()),
        Some(_) | None => Ok(()),
    }
}

/// As [`agrees`], where the configuration makes an option meaningless.
pub(super) fn is_absent<T: AsRef<str>>(option: &str, said: Option<T>, why: &str) -> Result<(), Refusal> {
    match said {
        Some(said) => Err(format!(
            "`{option} {}` contradicts the configuration, where {why}: leave the option out, or change the configuration first",
            said.as_ref()
        )
        .into()),
        None => Ok(()),
    }
}

pub(super) fn unfit(known: &Known, source: &CredentialSource, accepted: &str) -> Refusal {
    format!(
        "target `{}` has credentials of kind `{}`: write {accepted} into the configuration first",
        known.place.target,
        source.kind()
    )
    .into()
}
