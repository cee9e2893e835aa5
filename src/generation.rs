//! One generation: config, policies and keys, loaded together and frozen.
//!
//! A reload is all or nothing: everything is read and checked first, then swapped in with one pointer.

use crate::authn::oidc::Verifier;
use crate::authn::{
    Authenticated, Authenticator, AuthnError, BearerFlaw, Claim, KeyRing, Principal, Revocations, Service,
    ServiceKeyRefusal, ServiceKeys, SessionError,
};
use crate::authz::{Circumstances, Names, Policies};
use crate::bridge::{Known, canary::Line};
use crate::clock::Clock;
use crate::config::{Config, Target};
use crate::credentials::{CredentialCache, Resources, TargetCredentials};
use crate::doors::{limit::DoorLimit, published::GENEROSITY};
use crate::drift::Observed;
use crate::error::with_causes;
use crate::issuer::{Issuer, IssuerError, SigningKeys};
use crate::login::Login;
use crate::secret::Secret;
use crate::secrets::{SecretError, SecretReader};
use crate::signing::Signer;
use crate::sts::{Asking, Sts};
use crate::upstream::Upstream;
use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use std::{collections::BTreeMap, net::IpAddr, path::Path, sync::Arc};

/// Something that keeps a generation from being loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The component of readiness that it belongs to.
    pub(crate) component: &'static str,
    /// In the operator's words, with its place.
    pub(crate) message: String,
}

/// Everything that decides a request.
pub(crate) struct Generation {
    /// Changes with any of its parts, and is the same on all replicas that have the same; in every audit record.
    pub(crate) id: Box<str>,
    /// Counts the loads of this process, from 1.
    pub(crate) number: u64,
    pub(crate) config: Config,
    pub(crate) policies: Policies,
    authenticator: Authenticator,
    pub(crate) key_ring: Arc<KeyRing>,
    pub(crate) service_keys: Arc<ServiceKeys>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) sts: Sts<Arc<Verifier>>,
    /// How often one address may ask for sessions. Outlives a reload that does not change it.
    pub(crate) door_limit: Arc<DoorLimit>,
    /// How often one address may read what clouds read of Tidegate as an issuer.
    pub(crate) published_limit: Arc<DoorLimit>,
    pub(crate) verifier: Arc<Verifier>,
    /// Where browsers log in, if they do.
    pub(crate) login: Option<Login>,
    /// Tidegate as an issuer towards clouds. Outlives reloads that do not change where it is.
    pub(crate) issuer: Option<Arc<Issuer>>,
    /// What targets are sent. Outlives all reloads.
    pub(crate) credentials: CredentialCache,
    /// The secrets that the configuration refers to.
    pub(crate) secrets: SecretReader,
    pub(crate) targets: BTreeMap<Box<str>, Arc<TargetSide>>,
}

/// A target with its connections, its credential and the key derived from that.
pub(crate) struct TargetSide {
    pub(crate) target: Arc<Target>,
    pub(crate) upstream: Upstream,
    pub(crate) credentials: TargetCredentials,
    pub(crate) signer: Signer,
    /// What it understands, as far as that is known.
    pub(crate) known: Known,
    /// How far its clock is from ours, by the `Date` of its answers.
    pub(crate) drift: Observed,
    /// Of the files that it was made of.
    files: [u8; 32],
}

impl Generation {
    /// Logs what is valid and probably not meant, and what is served.
    pub(crate) fn announce(&self) {
        for warning in &self.config.warnings {
            tracing::warn!(%warning, "the configuration is valid, but look at this");
        }
        for warning in self.policies.warnings() {
            tracing::warn!(%warning, "the policy is valid, but look at this");
        }
        tracing::info!(
            generation = %self.id,
            issuers = self.config.issuers.len(),
            targets = self.targets.len(),
            buckets = self.config.buckets.len(),
            policies = self.policies.count(),
            service_keys = self.service_keys.records().len(),
            revocations = self.revocations.entries().len(),
            "loaded"
        );
        if let Some(login) = &self.login {
            login.announce();
        }
    }

    /// Loads everything that `path` names. Connections, credentials and issuer keys of `previous` are carried
    /// over where their configuration did not change.
    ///
    /// # Errors
    /// Every problem that was found, each with its place.
    pub(crate) fn load(path: &Path, clock: &Clock, previous: Option<&Self>) -> Result<Self, Vec<Problem>> {
        let config = crate::config::load(path).map_err(|errors| {
            let problems = errors.problems.iter();
            problems
                .map(|problem| Problem {
                    component: "config",
                    message: problem.to_string(),
                })
                .collect::<Vec<_>>()
        })?;
        let mut problems = Vec::new();
        let mut keep = |component, message: String| problems.push(Problem { component, message });
        let key_ring = KeyRing::load(&config.sessions.keys, clock)
            .map_err(|error| keep("sessions", with_causes(&error)))
            .ok();
        let issuers = config.issuers.iter().map(|issuer| &*issuer.name);
        let service_keys = match &config.service_keys {
            Some(settings) => ServiceKeys::load(&settings.file, issuers)
                .map_err(|error| keep("sessions", with_causes(&error)))
                .ok(),
            None => Some(ServiceKeys::off()),
        };
        let policies = Policies::load(
            &config.buckets,
            &config.roles,
            &names(&config, service_keys.as_ref()),
        )
        .map_err(|errors| {
            errors
                .iter()
                .for_each(|error| keep("policies", error.to_string()))
        })
        .ok();
        let path = &config.sessions.revocations;
        let revocations = match previous {
            Some(previous) => Revocations::reload(path, &previous.revocations),
            None => Revocations::load(path),
        };
        let revocations = revocations
            .map_err(|error| keep("sessions", with_causes(&error)))
            .ok();
        let verifier = Verifier::new(&config.issuers, clock.clone(), previous.map(|p| &*p.verifier))
            .map_err(|error| keep("issuers", with_causes(&error)))
            .ok();
        let issuer = issuer(&config, clock, previous)
            .map_err(|error| keep("issuer", with_causes(&error)))
            .ok();
        let resources = Resources {
            clock: clock.clone(),
            cache: previous.map(|p| p.credentials.clone()).unwrap_or_default(),
            issuer: issuer.as_ref().and_then(Renewed::issuer),
            secrets: SecretReader::default(),
        };
        let resources = match reading(&config, resources.clone(), previous) {
            Ok(resources) => resources,
            Err(error) => {
                keep("secrets", with_causes(&error));
                resources
            }
        };
        let opens_alike = previous.is_some_and(|p| p.secrets.is_like(&resources.secrets));
        let before = previous.and_then(|p| p.issuer.as_ref()).map(Arc::as_ptr);
        let is_same_issuer = resources.issuer.as_ref().map(Arc::as_ptr) == before;
        let mut targets = BTreeMap::new();
        for (name, target) in &config.targets {
            let unchanged = previous
                .and_then(|p| p.targets.get(name))
                .filter(|side| side.target == *target && side.files == digest_of(target))
                .filter(|_| is_same_issuer && opens_alike);
            let side = match unchanged {
                Some(side) => Ok(Arc::clone(side)),
                None => TargetSide::new(target, &config, &resources)
                    .and_then(|side| side.succeeding(previous.and_then(|p| p.targets.get(name))))
                    .map(Arc::new),
            };
            match side {
                Ok(side) => {
                    targets.insert(name.clone(), side);
                }
                Err(problem) => keep("targets", format!("targets.{name}: {problem}")),
            }
        }
        let (
            Some(key_ring),
            Some(policies),
            Some(verifier),
            Some(service_keys),
            Some(revocations),
            Some(issuer),
            true,
        ) = (
            key_ring,
            policies,
            verifier,
            service_keys,
            revocations,
            issuer,
            problems.is_empty(),
        )
        else {
            return Err(problems);
        };
        let key_ring = Arc::new(key_ring);
        let service_keys = Arc::new(service_keys);
        let revocations = Arc::new(revocations);
        let verifier = Arc::new(verifier);
        let per_minute = config.limits.door_requests_per_minute;
        let limit = |before: Option<&Arc<DoorLimit>>, per_minute| {
            let same = before.filter(|limit| limit.per_minute() == per_minute);
            same.map_or_else(|| Arc::new(DoorLimit::new(per_minute)), Arc::clone)
        };
        let door_limit = limit(previous.map(|previous| &previous.door_limit), per_minute);
        let published_limit = limit(
            previous.map(|previous| &previous.published_limit),
            per_minute.saturating_mul(GENEROSITY),
        );
        let before = previous.and_then(|previous| previous.login.as_ref());
        let login = Login::new(&config, &key_ring, &verifier, &resources, before);
        Ok(Self {
            id: identify(
                &config,
                &policies,
                &key_ring,
                &verifier,
                &issuer,
                [service_keys.digest(), revocations.digest()],
            ),
            number: previous.map_or(1, |previous| previous.number + 1),
            authenticator: Authenticator::new(Arc::clone(&key_ring), Arc::clone(&service_keys)),
            sts: Sts::new(
                &config.sessions,
                Arc::clone(&key_ring),
                Arc::clone(&revocations),
                Arc::clone(&verifier),
            ),
            door_limit,
            published_limit,
            key_ring,
            service_keys,
            revocations,
            verifier,
            login,
            policies,
            issuer: issuer.apply(),
            credentials: resources.cache,
            secrets: resources.secrets,
            targets,
            config,
        })
    }
}

impl Generation {
    /// Verifies a claim, which came `from` an address, against this generation: its keys, and what it admits.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate`] and [`Generation::admit`].
    pub(crate) fn authenticate(
        &self,
        claim: &Claim,
        service: Service,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Authenticated, AuthnError> {
        let authenticated = self.authenticator.authenticate(claim, service, from, now)?;
        self.admit(&authenticated.principal)?;
        Ok(authenticated)
    }

    /// Whether what `principal` came with still counts: its session or service key is genuine and alive, and neither
    /// revoked nor of an issuer that is not trusted any more.
    ///
    /// INVARIANT: every use of a session, an access token, a cookie or a service key passes here (SES-06).
    ///
    /// # Errors
    /// [`AuthnError::Revoked`], [`AuthnError::ServiceKey`], or [`AuthnError::InvalidToken`] of a session whose issuer or
    /// role was removed, or whose issuer is another one now.
    pub(crate) fn admit(&self, principal: &Principal) -> Result<(), AuthnError> {
        let access_key_id = || principal.session().access_key_id.clone();
        if !principal.has_service_key() && !self.trusts_issuer_of(principal) {
            return Err(AuthnError::InvalidToken {
                access_key_id: access_key_id(),
                cause: SessionError::Invalid("its issuer is not configured any more"),
            });
        }
        if principal
            .role()
            .is_some_and(|role| !self.config.roles.contains_key(role))
        {
            return Err(AuthnError::InvalidToken {
                access_key_id: access_key_id(),
                cause: SessionError::Invalid("its role is not configured any more"),
            });
        }
        let Some(revocation) = self.revocations.of(principal) else {
            return Ok(());
        };
        let revocation = Box::new(revocation.clone());
        Err(match principal.has_service_key() {
            true => AuthnError::ServiceKey {
                access_key_id: access_key_id(),
                why: ServiceKeyRefusal::Listed(revocation),
            },
            false => AuthnError::Revoked {
                access_key_id: access_key_id(),
                revocation,
            },
        })
    }

    /// Verifies a bearer token in the same way.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate_bearer`], and as [`Generation::admit`], in the words of bearer tokens.
    pub(crate) async fn authenticate_bearer(
        &self,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Principal, AuthnError> {
        let authenticator = &self.authenticator;
        let principal = authenticator
            .authenticate_bearer(token, &self.verifier, now)
            .await?;
        self.admit_bearer(principal, now)
    }

    /// Whom an access token of our own stands for. An identity token is none.
    ///
    /// # Errors
    /// As [`Generation::authenticate_bearer`].
    pub(crate) fn introspect(&self, token: &Secret, now: Timestamp) -> Result<Principal, AuthnError> {
        self.admit_bearer(self.authenticator.authenticate_access_token(token, now)?, now)
    }

    /// What a request for a role is asked of.
    pub(crate) fn asking<'a>(&'a self, circumstances: &'a Circumstances) -> Asking<'a> {
        Asking {
            policies: &self.policies,
            circumstances,
        }
    }

    fn admit_bearer(&self, principal: Principal, now: Timestamp) -> Result<Principal, AuthnError> {
        match self.admit(&principal) {
            Ok(()) => Ok(principal),
            Err(AuthnError::Revoked { revocation, .. }) => Err(AuthnError::ExpiredBearer {
                expired_at: now,
                server_time: now,
                cause: BearerFlaw::Revoked(revocation),
            }),
            Err(AuthnError::InvalidToken { cause, .. }) => {
                Err(AuthnError::InvalidBearer(BearerFlaw::Access(cause)))
            }
            Err(other) => Err(other),
        }
    }

    fn trusts_issuer_of(&self, principal: &Principal) -> bool {
        self.config.issuers.iter().any(|issuer| {
            let prefixed = principal
                .id()
                .strip_prefix(&*issuer.name)
                .is_some_and(|rest| rest.starts_with(':'));
            *issuer.issuer == *principal.issuer() && issuer.kind == principal.kind() && prefixed
        })
    }
}

/// The issuer of a generation that is being loaded. What others use changes only when everything is right.
enum Renewed {
    None,
    New(Arc<Issuer>),
    /// Where the previous one is, with the keys of now.
    Same(Arc<Issuer>, SigningKeys),
}

impl Renewed {
    fn issuer(&self) -> Option<Arc<Issuer>> {
        match self {
            Self::None => None,
            Self::New(issuer) | Self::Same(issuer, _) => Some(Arc::clone(issuer)),
        }
    }

    fn key_ids(&self) -> Vec<Box<str>> {
        let ids = |keys: &SigningKeys| keys.ids().map(Box::from).collect();
        match self {
            Self::None => Vec::new(),
            Self::New(issuer) => ids(&issuer.keys()),
            Self::Same(_, keys) => ids(keys),
        }
    }

    fn apply(self) -> Option<Arc<Issuer>> {
        match self {
            Self::None => None,
            Self::New(issuer) => Some(issuer),
            Self::Same(issuer, keys) => {
                issuer.adopt(keys);
                Some(issuer)
            }
        }
    }
}

fn issuer(config: &Config, clock: &Clock, previous: Option<&Generation>) -> Result<Renewed, IssuerError> {
    let Some(settings) = &config.issuer else {
        return Ok(Renewed::None);
    };
    let before = previous.and_then(|previous| previous.issuer.as_ref());
    Ok(match before.filter(|issuer| issuer.is_of(settings)) {
        Some(same) => Renewed::Same(Arc::clone(same), SigningKeys::load(&settings.keys, clock.now())?),
        None => Renewed::New(Arc::new(Issuer::load(settings, clock)?)),
    })
}

/// What credentials need of `config`, for a command that asks targets once.
///
/// # Errors
/// [`ResourceError`] for keys of Tidegate's own issuer that cannot be used, and for what opens secret managers.
pub(crate) fn resources(config: &Config, clock: &Clock) -> Result<Resources, ResourceError> {
    let resources = Resources {
        clock: clock.clone(),
        cache: CredentialCache::default(),
        issuer: issuer(config, clock, None)?.issuer(),
        secrets: SecretReader::default(),
    };
    Ok(reading(config, resources, None)?)
}

/// Why credentials cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResourceError {
    /// Tidegate's own issuer.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// Secret managers.
    #[error(transparent)]
    Secrets(#[from] SecretError),
}

/// The same, with the secrets that `config` refers to.
fn reading(
    config: &Config,
    resources: Resources,
    previous: Option<&Generation>,
) -> Result<Resources, SecretError> {
    let secrets = SecretReader::new(config, &resources, previous.map(|previous| &previous.secrets))?;
    Ok(Resources { secrets, ..resources })
}

/// What policies may speak of: the issuers' principals, and those of service keys.
pub(crate) fn names(config: &Config, service_keys: Option<&ServiceKeys>) -> Names {
    let issuers = config.issuers.iter().map(|issuer| issuer.name.clone());
    let keys = service_keys.into_iter().flat_map(ServiceKeys::records);
    let chosen = config.sessions.caller_tags.iter().cloned();
    let shared = config.issuers.iter().flat_map(|issuer| issuer.shared_tags());
    let prefixes = keys.filter_map(|record| record.principal.split_once(':'));
    Names {
        issuers: issuers.chain(prefixes.map(|(prefix, _)| prefix.into())).collect(),
        roles: config.roles.keys().cloned().collect(),
        shared_tags: chosen.chain(shared.cloned()).collect(),
    }
}

/// Over the private CAs and the `file:` secrets of a target: rotated, they make a new one.
fn digest_of(target: &Target) -> [u8; 32] {
    crate::files::digest(target.files())
}

/// `sha256:` and 16 hex digits over the configuration file, the policies, the ids of the session keys, the key sets of
/// issuers that are files, the service keys, the revocations and the ids of Tidegate's own signing keys.
fn identify(
    config: &Config,
    policies: &Policies,
    key_ring: &KeyRing,
    verifier: &Verifier,
    issuer: &Renewed,
    files: [&[u8; 32]; 2],
) -> Box<str> {
    let mut all = digest::Context::new(&digest::SHA256);
    let policies = policies.generation_id().as_bytes();
    let signing = issuer.key_ids();
    for part in [&config.digest[..], policies]
        .into_iter()
        .chain(files.map(|digest| &digest[..]))
        .chain(key_ring.ids().map(str::as_bytes))
        .chain(verifier.key_files().iter().map(|digest| &digest[..]))
        .chain(signing.iter().map(|id| id.as_bytes()))
    {
        // Length first, so that no two lists of parts give the same bytes.
        all.update(&(part.len() as u64).to_be_bytes());
        all.update(part);
    }
    let all = all.finish();
    let start = all.as_ref().get(..8).unwrap_or_default();
    format!("sha256:{}", HEXLOWER.encode(start)).into()
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl TargetSide {
    /// The way that a canary takes.
    pub(crate) fn line<'a>(&'a self, clock: &'a Clock) -> Line<'a> {
        Line {
            target: &self.target,
            upstream: &self.upstream,
            credentials: &self.credentials,
            signer: &self.signer,
            clock,
        }
    }

    /// The way to a target; nothing is connected yet.
    ///
    /// # Errors
    /// In the operator's words: keys or a CA that cannot be read.
    pub(crate) fn new(target: &Arc<Target>, config: &Config, resources: &Resources) -> Result<Self, String> {
        let files = digest_of(target);
        Ok(Self {
            upstream: Upstream::new(target, config.server.stall_timeout)
                .map_err(|error| with_causes(&error))?,
            credentials: TargetCredentials::new(target, &files, resources)
                .map_err(|error| with_causes(&error))?,
            signer: Signer::default(),
            drift: Observed::default(),
            known: Known::of(target),
            files,
            target: Arc::clone(target),
        })
    }

    /// Goes on with the credentials of `before`, if they are made of the same: keys that were rotated have to prove
    /// themselves.
    fn succeeding(self, before: Option<&Arc<Self>>) -> Result<Self, String> {
        let Some(before) = before else { return Ok(self) };
        let credentials = self.credentials.succeeding(&before.credentials);
        Ok(Self {
            credentials: credentials.map_err(|error| with_causes(&error))?,
            ..self
        })
    }
}
