//! What signs towards one target.

use super::cache::Key;
use super::google::{GoogleSource, Purpose};
use super::identity_token;
use super::keeper::{Attempts, CredentialState, Keeper, PATIENCE, Tally, within};
use super::rotating::Rotating;
use super::scope::{CloudSession, Scope};
use super::written::Written;
use super::{Credential, CredentialError, Resources, Source, SourceError, sts::RoleSource};
use crate::config::{Attribution, CredentialSource, SecretRef, Target};
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;

/// The credentials of one target, kept fresh. Clones share them.
#[derive(Clone)]
pub struct TargetCredentials(Kind);

#[derive(Clone)]
enum Kind {
    /// There is one for everything, in the configuration's own words.
    Written(Arc<OfWritten>),
    /// Each scope has its own, as far as the source makes a difference.
    Temporary(Arc<Temporary>),
}

struct OfWritten {
    rotating: Rotating,
    /// All that it is made of, but for what is written there.
    key: Key,
}

struct Temporary {
    name: Box<str>,
    source: Arc<dyn Source>,
    attribution: Attribution,
    narrow: bool,
    /// The part of the key that is the same for all scopes.
    key: Key,
    resources: Resources,
    tally: Arc<Tally>,
}

impl TargetCredentials {
    /// Prepares what the target says of its credentials. `files` tells one version of its files, such as private CAs,
    /// from the next.
    ///
    /// # Errors
    /// [`SourceError`] for keys or a CA file that cannot be read, and for a source that cannot be asked.
    pub fn new(target: &Target, files: &[u8], resources: &Resources) -> Result<Self, SourceError> {
        let written = |written| {
            let rotating = Rotating::new(&target.name, written, resources.clock.clone())?;
            let key = inputs(target, resources);
            Ok(Self(Kind::Written(Arc::new(OfWritten { rotating, key }))))
        };
        let secrets = &resources.secrets;
        let (source, attribution, narrow): (Arc<dyn Source>, _, _) = match &target.credentials {
            CredentialSource::Static(keys) => return written(Written::keys(keys, secrets)?),
            CredentialSource::AccessToken { token } => return written(Written::token(token, secrets)?),
            CredentialSource::Role(role) => (
                Arc::new(RoleSource::new(&target.name, role, resources)?),
                role.attribution,
                role.narrow,
            ),
            source @ (CredentialSource::WorkloadIdentity(_)
            | CredentialSource::Metadata(_)
            | CredentialSource::ServiceAccountFile(_)) => {
                let subject = identity_token::of_target(&target.name);
                let attribution = match source {
                    CredentialSource::WorkloadIdentity(google) => google.attribution,
                    _ => Attribution::Shared,
                };
                let source = GoogleSource::new(subject, source, Purpose::Storage, resources)?;
                (Arc::new(source), attribution, false)
            }
        };
        let issuer = resources.issuer.as_ref();
        let issuer = issuer.map(|issuer| issuer.identity()).unwrap_or_default();
        let key = inputs(target, resources).and(issuer.as_bytes()).and(files);
        Ok(Self(Kind::Temporary(Arc::new(Temporary {
            name: target.name.clone(),
            source,
            attribution,
            narrow,
            // What is cached counts into the same one, also after a reload.
            tally: resources.cache.tally(&key),
            key,
            resources: resources.clone(),
        }))))
    }

    /// A credential for `scope` that is good for at least another minute.
    ///
    /// # Errors
    /// [`CredentialError::Unavailable`] if there is none and none can be had now.
    pub async fn get(&self, scope: Scope<'_>) -> Result<Arc<Credential>, CredentialError> {
        match &self.0 {
            Kind::Written(written) => written.rotating.get(false).await,
            Kind::Temporary(temporary) => temporary.keeper(scope).get().await,
        }
    }

    /// As [`TargetCredentials::get`], for a read: it may be the first that is signed with new keys. What became of them is
    /// to be told by [`TargetCredentials::worked`], [`TargetCredentials::inferior`] or [`TargetCredentials::invalidate`].
    ///
    /// # Errors
    /// As [`TargetCredentials::get`].
    pub async fn get_or_try(&self, scope: Scope<'_>) -> Result<Arc<Credential>, CredentialError> {
        match &self.0 {
            Kind::Written(written) => written.rotating.get(true).await,
            Kind::Temporary(_) => self.get(scope).await,
        }
    }

    /// Says that the target did what was asked, and not merely that it knows the keys.
    pub fn worked(&self, used: &Arc<Credential>) {
        if let Kind::Written(written) = &self.0 {
            written.rotating.worked(used);
        }
    }

    /// What signs while `used` is on trial; `None` if it is not.
    pub fn instead_of(&self, used: &Arc<Credential>) -> Option<Arc<Credential>> {
        match &self.0 {
            Kind::Written(written) if written.rotating.is_on_trial(used) => written.rotating.standing(),
            Kind::Written(_) | Kind::Temporary(_) => None,
        }
    }

    /// Says that the same request was answered with `code` to `used`, and better or otherwise to its predecessor.
    pub fn inferior(&self, used: &Arc<Credential>, code: &str) {
        if let Kind::Written(written) = &self.0 {
            written.rotating.inferior(used, code);
        }
    }

    /// Asks the source once, past the cache, and says what it says: for whoever wants to know and not to use it.
    ///
    /// # Errors
    /// [`SourceError`], in the words of the source.
    pub async fn ask(&self, scope: Scope<'_>) -> Result<Credential, SourceError> {
        match &self.0 {
            Kind::Written(written) => written.rotating.ask().await,
            Kind::Temporary(temporary) => {
                let session = temporary.session(scope);
                within(PATIENCE, temporary.source.fetch(&session)).await
            }
        }
    }

    /// Says that the target called `used`, which was had for `scope`, expired or unknown. Gives whether
    /// [`TargetCredentials::get`] will now give another one; not so if the current one was fetched seconds ago,
    /// because then it is not the credential's fault. `code` is the target's: what it does not call expired goes on until
    /// there is another, which is waited for here.
    pub async fn invalidate(&self, scope: Scope<'_>, used: &Arc<Credential>, code: &str) -> bool {
        match &self.0 {
            Kind::Written(written) => written.rotating.refused(used, code).await,
            Kind::Temporary(temporary) => {
                let key = temporary.key_of(&temporary.session(scope));
                let keeper = temporary.resources.cache.find(&key);
                match keeper {
                    None => true,
                    Some(keeper) if OVER.contains(&code) => keeper.invalidate(used),
                    Some(keeper) => keeper.doubt(used).await,
                }
            }
        }
    }

    /// Reads static keys or a token again, after they were rotated; gives whether they changed. If they cannot be
    /// read the old ones stay. Temporary credentials look after themselves.
    ///
    /// # Errors
    /// [`SourceError`] says which reference cannot be read.
    pub fn refresh(&self) -> Result<bool, SourceError> {
        match &self.0 {
            Kind::Written(written) => written.rotating.refresh(),
            Kind::Temporary(_) => Ok(false),
        }
    }

    /// Takes up what was written meanwhile. To be called every second or so; what is temporary is tended by its cache.
    pub fn tend(&self) {
        if let Kind::Written(written) = &self.0 {
            written.rotating.tend();
        }
    }

    /// Goes on with what `before` knows, if both are made of the same: so that keys that were rotated prove themselves
    /// before those of before are forgotten.
    ///
    /// # Errors
    /// As [`TargetCredentials::refresh`].
    pub fn succeeding(self, before: &Self) -> Result<Self, SourceError> {
        match (&self.0, &before.0) {
            (Kind::Written(new), Kind::Written(old)) if new.key == old.key => {
                old.rotating.refresh()?;
                Ok(before.clone())
            }
            _ => Ok(self),
        }
    }

    /// The version of the secret that signs, where there are versions.
    pub fn version(&self) -> Option<Box<str>> {
        match &self.0 {
            Kind::Written(written) => written.rotating.standing()?.version.clone(),
            Kind::Temporary(_) => None,
        }
    }

    /// How the credentials are: the worst of them, and of equally bad ones that which ends first.
    pub fn state(&self) -> CredentialState {
        self.sessions().worst
    }

    /// How all the credentials are that are in use.
    pub fn sessions(&self) -> Sessions {
        match &self.0 {
            Kind::Written(written) => Sessions::of([written.rotating.state()]),
            Kind::Temporary(temporary) => {
                let keepers = temporary.resources.cache.beginning_with(&temporary.key);
                let in_use = keepers.iter().filter(|keeper| keeper.is_in_use());
                Sessions::of(in_use.map(Keeper::state))
            }
        }
    }

    /// The attempts since this was last asked.
    pub fn take_attempts(&self) -> Attempts {
        match &self.0 {
            Kind::Written(written) => written.rotating.take_attempts(),
            Kind::Temporary(temporary) => temporary.tally.take(),
        }
    }
}

/// What a target says of a credential that is over. All else may be about the request, or the target's own trouble.
const OVER: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"];

/// INVARIANT: every input is in the key. `Debug` of the source names all its fields, also those of tomorrow; secrets are
/// not among them but by reference.
fn inputs(target: &Target, resources: &Resources) -> Key {
    let is_managed = |(_, secret): &(_, &SecretRef)| secret.managed().is_some();
    let opened = match target.credentials.secrets().iter().any(is_managed) {
        true => resources.secrets.identity(),
        false => String::new(),
    };
    Key::default()
        .and(target.name.as_bytes())
        .and(format!("{:?}", target.credentials).as_bytes())
        .and(target.region.as_bytes())
        .and(opened.as_bytes())
}

impl Temporary {
    fn session(&self, scope: Scope<'_>) -> CloudSession {
        scope.session(self.attribution, self.narrow)
    }

    /// The key of what is asked for with `session`.
    fn key_of(&self, session: &CloudSession) -> Key {
        let mut key = self.key.clone();
        if let Some(principal) = &session.principal {
            key = key
                .and(principal.id.as_bytes())
                .and(principal.kind.name().as_bytes())
                .and(principal.issuer.as_bytes());
        }
        for place in &session.places {
            key = key
                .and(place.bucket.as_str().as_bytes())
                .and(place.prefix.as_str().as_bytes());
        }
        // INVARIANT: how many there were of each, so that no place is taken for a principal.
        key.and(&[u8::from(session.principal.is_some())])
    }

    fn keeper(&self, scope: Scope<'_>) -> Keeper {
        let session = self.session(scope);
        self.resources.cache.keeper(self.key_of(&session), || {
            Keeper::temporary(
                &self.name,
                Arc::clone(&self.source),
                session,
                self.resources.clock.clone(),
                Arc::clone(&self.tally),
            )
        })
    }
}

/// How the credentials of one target are. There are several where each principal has its own, and then the trouble of
/// one of them is not that of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Those that serve and can be renewed.
    pub ready: usize,
    /// Those that serve, and could not be renewed.
    pub stale: usize,
    /// Those that were wanted and could not be had.
    pub unavailable: usize,
    /// The worst of them, and of equally bad ones that which ends first.
    pub worst: CredentialState,
    /// When the first of those that serve ends.
    pub ends: Option<Timestamp>,
}

impl Sessions {
    fn of(states: impl IntoIterator<Item = CredentialState>) -> Self {
        let mut all = Self {
            ready: 0,
            stale: 0,
            unavailable: 0,
            worst: CredentialState::Unused,
            ends: None,
        };
        for state in states {
            let end = match &state {
                CredentialState::Unused => None,
                CredentialState::Ready { expires_at } => {
                    all.ready += 1;
                    *expires_at
                }
                CredentialState::Stale { expires_at, .. } => {
                    all.stale += 1;
                    *expires_at
                }
                CredentialState::Unavailable { .. } => {
                    all.unavailable += 1;
                    None
                }
            };
            all.ends = all.ends.into_iter().chain(end).min();
            all.worst = worse(all.worst, state);
        }
        all
    }

    /// All of them.
    pub fn count(&self) -> usize {
        self.ready + self.stale + self.unavailable
    }

    /// Whether so many have trouble that it is hardly theirs: more than half.
    pub fn is_general(&self) -> bool {
        (self.stale + self.unavailable) * 2 > self.count()
    }
}

fn worse(one: CredentialState, other: CredentialState) -> CredentialState {
    let rank = |state: &CredentialState| match state {
        CredentialState::Unused => 0,
        CredentialState::Ready { .. } => 1,
        CredentialState::Stale { .. } => 2,
        CredentialState::Unavailable { .. } => 3,
    };
    let end = |state: &CredentialState| match state {
        CredentialState::Ready { expires_at } | CredentialState::Stale { expires_at, .. } => *expires_at,
        CredentialState::Unused | CredentialState::Unavailable { .. } => None,
    };
    let ends_first = |at: Option<Timestamp>| at.unwrap_or(Timestamp::MAX);
    match (
        rank(&one).cmp(&rank(&other)),
        ends_first(end(&one)) <= ends_first(end(&other)),
    ) {
        (std::cmp::Ordering::Greater, _) | (std::cmp::Ordering::Equal, true) => one,
        (std::cmp::Ordering::Less, _) | (std::cmp::Ordering::Equal, false) => other,
    }
}

impl fmt::Debug for TargetCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TargetCredentials");
        if let Kind::Temporary(temporary) = &self.0 {
            out.field("target", &temporary.name);
        }
        out.finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
