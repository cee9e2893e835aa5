//! The secrets of one configuration. What was read outlives reloads that do not change where it is or how it is opened.

use super::aws::AwsManager;
use super::azure::AzureManager;
use super::gcp::GcpManager;
use super::manager::Manager;
use super::vault::VaultManager;
use super::watched::{Tally, Watched};
use super::{SecretError, fingerprint};
use crate::config::{Config, ManagedSecret, SecretManager, SecretPlace, SecretRef, Secrets};
use crate::credentials::{Resources, SourceError};
use crate::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Reads the secrets of a configuration. Clones share what they read.
#[derive(Clone, Default)]
pub struct SecretReader(Option<Arc<Inner>>);

pub(super) struct Inner {
    pub(super) settings: Secrets,
    /// The identity of the issuer whose tokens open managers.
    pub(super) issuer: Box<str>,
    /// Of the private CAs: a new one makes new clients.
    pub(super) files: [u8; 32],
    pub(super) managers: BTreeMap<SecretManager, Arc<dyn Manager>>,
    pub(super) watched: BTreeMap<SecretPlace, Watched>,
}

/// What is known of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// Its reference, without the field.
    pub secret: String,
    /// The keys of the configuration that name it.
    pub places: Vec<String>,
    /// Which version was read last; `None` if none was.
    pub version: Option<Box<str>>,
    /// When that was made, if that is known.
    pub created_at: Option<Timestamp>,
    /// How old it is, if it is older than `max_age`.
    pub too_old: Option<Duration>,
    /// Why it cannot be read now, if so.
    pub cause: Option<String>,
}

impl SecretReader {
    /// Prepares to read what `config` refers to. What `previous` has read is carried over.
    ///
    /// # Errors
    /// [`SecretError`] for CAs that cannot be read, and for what opens managers.
    pub fn new(config: &Config, resources: &Resources, previous: Option<&Self>) -> Result<Self, SecretError> {
        let issuer = resources.issuer.as_ref();
        let issuer = issuer.map(|issuer| issuer.identity()).unwrap_or_default();
        let files = digest(&config.secrets);
        let before = previous.and_then(|previous| previous.0.as_deref());
        let same = before.filter(|before| {
            before.settings == config.secrets && *before.issuer == *issuer && before.files == files
        });
        let mut inner = Inner {
            settings: config.secrets.clone(),
            issuer: issuer.into(),
            files,
            managers: same.map(|same| same.managers.clone()).unwrap_or_default(),
            watched: BTreeMap::new(),
        };
        for (_, reference) in config.references() {
            if let Some(secret) = reference.managed() {
                inner.add(secret, same, resources)?;
            }
        }
        Ok(Self::of(inner))
    }

    pub(super) fn of(inner: Inner) -> Self {
        Self(Some(Arc::new(inner)))
    }

    /// Whether both open the same managers in the same way.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => {
                one.settings == other.settings && one.issuer == other.issuer && one.files == other.files
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Everything about how managers are opened, for keys.
    pub(crate) fn identity(&self) -> String {
        let Some(inner) = &self.0 else {
            return String::new();
        };
        format!("{:?} {:?} {:?}", inner.settings, inner.issuer, inner.files)
    }

    /// The secret that is behind a reference of the configuration.
    ///
    /// # Errors
    /// [`SecretError::Offline`] for one that the configuration does not have.
    pub(crate) fn watched(&self, secret: &ManagedSecret) -> Result<Watched, SecretError> {
        let known = self.0.as_ref().and_then(|inner| inner.watched.get(&secret.place));
        known
            .cloned()
            .ok_or_else(|| SecretError::Offline(secret.to_string()))
    }

    /// Reads a secret, wherever it is; one of a manager as it was read last.
    ///
    /// # Errors
    /// [`SecretError`] if it cannot be had.
    pub(crate) async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let Some(managed) = reference.managed() else {
            let reference = reference.clone();
            let read = tokio::task::spawn_blocking(move || reference.resolve()).await;
            return Ok(read.map_err(|_| SecretError::NotYet)??);
        };
        let watched = self.watched(managed)?;
        let versioned = watched.first().await?;
        let part = versioned.payload.part(managed.field.as_deref());
        part.map_err(|flaw| SecretError::Payload {
            version: versioned.version.clone(),
            flaw,
        })
    }

    /// Polls what is due. To be called every second or so.
    pub(crate) fn tend(&self) {
        self.all().for_each(Watched::tend);
    }

    /// The calls since this was last asked, by secret.
    pub(crate) fn take_tallies(&self) -> Vec<(String, Tally)> {
        let each = self.all().map(|one| (one.place().to_string(), one.take_tally()));
        each.collect()
    }

    /// What is known of every secret that `config` refers to, by reference. Asks nobody; files are looked at.
    pub fn survey(&self, config: &Config, now: Timestamp) -> Vec<Surveyed> {
        let mut found: BTreeMap<String, Surveyed> = BTreeMap::new();
        for (place, reference) in config.references() {
            let one = self.known(reference);
            let entry = found.entry(one.secret.clone()).or_insert(one);
            entry.places.push(place);
        }
        let mut all: Vec<Surveyed> = found.into_values().collect();
        for one in &mut all {
            one.too_old = one.created_at.and_then(|at| {
                let age = Duration::try_from(now.duration_since(at)).ok()?;
                (age > config.secrets.max_age).then_some(age)
            });
        }
        all
    }

    fn known(&self, reference: &SecretRef) -> Surveyed {
        let nothing = |secret: String, cause: Option<String>| Surveyed {
            secret,
            places: Vec::new(),
            version: None,
            created_at: None,
            too_old: None,
            cause,
        };
        let Some(managed) = reference.managed() else {
            return match reference.find() {
                Ok(found) => Surveyed {
                    version: Some(version_here(reference, &found)),
                    created_at: found.written_at,
                    ..nothing(reference.to_string(), None)
                },
                Err(error) => nothing(reference.to_string(), Some(crate::error::with_causes(&error))),
            };
        };
        let watched = match self.watched(managed) {
            Ok(watched) => watched,
            Err(error) => return nothing(managed.place.to_string(), Some(error.to_string())),
        };
        let latest = watched.latest();
        Surveyed {
            version: latest.as_ref().map(|latest| latest.version.clone()),
            created_at: latest.as_ref().and_then(|latest| latest.created_at),
            ..nothing(managed.place.to_string(), watched.cause())
        }
    }

    fn all(&self) -> impl Iterator<Item = &Watched> {
        self.0.iter().flat_map(|inner| inner.watched.values())
    }
}

/// The version of a secret on this machine: when its file was written, or a keyed fingerprint.
pub(crate) fn version_here(reference: &SecretRef, found: &crate::config::Found) -> Box<str> {
    match (reference, found.written_at) {
        (SecretRef::File(_), Some(at)) => format!("{at:.3}").into(),
        (SecretRef::File(_), None) => fingerprint("file", found.secret.expose()),
        (SecretRef::Env(_) | SecretRef::Managed(_), _) => fingerprint("env", found.secret.expose()),
    }
}

/// Reads every secret that `config` refers to once, for a command that looks at a configuration.
///
/// # Errors
/// [`SecretError`] as [`SecretReader::new`]; what cannot be read is in the answer.
pub async fn survey(config: &Config, resources: &Resources) -> Result<Vec<Surveyed>, SecretError> {
    let reader = SecretReader::new(config, resources, None)?;
    for watched in reader.all() {
        // Why it was not is kept with it.
        let _ = watched.first().await;
    }
    Ok(reader.survey(config, resources.clock.now()))
}

impl Inner {
    fn add(
        &mut self,
        secret: &ManagedSecret,
        same: Option<&Inner>,
        resources: &Resources,
    ) -> Result<(), SecretError> {
        let place = &secret.place;
        let watched = match self.watched.get(place) {
            Some(watched) => watched.clone(),
            None => match same.and_then(|same| same.watched.get(place)) {
                Some(watched) => watched.clone(),
                None => {
                    let manager = self.manager(place.manager(), resources)?;
                    let (clock, poll) = (resources.clock.clone(), self.settings.poll);
                    Watched::new(place.clone(), manager, clock, poll)
                }
            },
        };
        watched.expect(secret.field.as_deref());
        self.watched.insert(place.clone(), watched);
        Ok(())
    }

    fn manager(
        &mut self,
        which: SecretManager,
        resources: &Resources,
    ) -> Result<Arc<dyn Manager>, SecretError> {
        if let Some(manager) = self.managers.get(&which) {
            return Ok(Arc::clone(manager));
        }
        let settings = &self.settings;
        let manager: Arc<dyn Manager> = match which {
            SecretManager::Aws => Arc::new(AwsManager::new(&settings.aws, resources)?),
            SecretManager::Gcp => Arc::new(GcpManager::new(&settings.gcp, resources)?),
            SecretManager::Azure => Arc::new(AzureManager::new(&settings.azure, resources)?),
            SecretManager::Vault => {
                // The configuration was refused without it.
                let vault = settings.vault.as_ref();
                let vault = vault.ok_or(SourceError::Answer("there is no `[secrets.vault]`"))?;
                Arc::new(VaultManager::new(vault, resources)?)
            }
        };
        self.managers.insert(which, Arc::clone(&manager));
        Ok(manager)
    }
}

/// Secrets that are older than they should be, in words.
pub(crate) fn of_age(surveyed: &Surveyed) -> Option<String> {
    let age = SignedDuration::try_from(surveyed.too_old?).ok()?;
    Some(format!(
        "`{}` is {} days old: rotate it",
        surveyed.secret,
        age.as_hours() / 24
    ))
}

fn digest(settings: &Secrets) -> [u8; 32] {
    let files: BTreeSet<_> = settings.authorities().into_iter().collect();
    crate::files::digest(files)
}

impl fmt::Debug for SecretReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().map(Watched::place)).finish()
    }
}
