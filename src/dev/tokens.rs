//! Identity tokens of the sample identities, in files that are always fresh while the environment is served.
//!
//! SDKs read AWS_WEB_IDENTITY_TOKEN_FILE again for each session, as they do for the projected tokens of a cluster. A
//! session ends with its token, and SDKs renew early, so a token is replaced while it still outlives any session by
//! far.

use super::{
    DevError, IdentityProvider, SampleIdentity, configuration::AUDIENCE, environment::Folder, serving,
};
use crate::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// As long as the longest session.
pub(super) const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// The age at which a token is replaced: the file always has eleven more hours to offer.
const REPLACED_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How often the age is looked at. By the wall clock, because timers stand still while a laptop sleeps.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The tokens of one environment.
pub(super) struct Tokens<'a> {
    folder: &'a Folder,
    provider: &'a IdentityProvider,
    issuer: String,
    clock: Clock,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(
        folder: &'a Folder,
        provider: &'a IdentityProvider,
        issuer: String,
        clock: Clock,
    ) -> Self {
        Self {
            folder,
            provider,
            issuer,
            clock,
        }
    }

    /// A token of the identity `name`, and when it ends.
    ///
    /// # Errors
    /// [`DevError::UnknownIdentity`].
    pub(super) fn issue(&self, name: &str) -> Result<(String, Timestamp), DevError> {
        let unknown = || DevError::UnknownIdentity(name.to_owned());
        let identity = SampleIdentity::find(name).ok_or_else(unknown)?;
        let now = self.clock.now();
        let token = self
            .provider
            .token(&self.issuer, &identity, AUDIENCE, now, LIFETIME)
            .map_err(DevError::Provider)?;
        Ok((token, now.checked_add(LIFETIME).unwrap_or(Timestamp::MAX)))
    }

    /// Writes a token of each identity to its file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(super) fn write(&self) -> Result<(), DevError> {
        for identity in SampleIdentity::ALL {
            let path = self.folder.token(identity.subject);
            let (token, _) = self.issue(identity.subject)?;
            serving::replace_private(&path, token.as_bytes()).map_err(DevError::file(path))?;
        }
        Ok(())
    }

    /// Replaces the files in time, for ever. A failure is logged and tried again.
    pub(super) async fn keep_fresh(&self) -> std::convert::Infallible {
        let mut written = self.clock.now();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.renew(written) {
                Ok(at) => written = at,
                Err(error) => {
                    let error = crate::cli::describe(&error);
                    tracing::warn!(
                        error,
                        "the identity tokens cannot be renewed; they are tried again"
                    );
                }
            }
        }
    }

    /// Replaces the files if they are old enough. Answers when they were written.
    fn renew(&self, written: Timestamp) -> Result<Timestamp, DevError> {
        let now = self.clock.now();
        // A clock that was set back makes tokens of the future, which nobody accepts.
        if now.duration_since(written).abs() < REPLACED_AFTER {
            return Ok(written);
        }
        self.write()?;
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::environment::Environment;
    use std::fs;

    #[test]
    fn files_are_renewed_by_the_wall_clock() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::fixed("2026-11-20T10:00:00Z".parse().unwrap());
        let environment = Environment::open_or_make(dir.path(), &clock).unwrap();
        let issuer = "https://localhost:1".into();
        let tokens = Tokens::new(
            environment.folder(),
            environment.provider(),
            issuer,
            clock.clone(),
        );
        tokens.write().unwrap();
        let mut written = clock.now();
        let mut after = |minutes: i64| {
            clock.advance(SignedDuration::from_mins(minutes));
            let before = fs::read(dir.path().join("tokens/etl.jwt")).unwrap();
            written = tokens.renew(written).unwrap();
            fs::read(dir.path().join("tokens/etl.jwt")).unwrap() != before
        };
        assert!(!after(59));
        assert!(after(2));
        assert!(!after(30));
        assert!(after(-120));
        fs::remove_dir_all(dir.path().join("tokens")).unwrap();
        clock.advance(SignedDuration::from_hours(2));
        assert!(tokens.renew(written).is_err());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::fixed("2026-11-20T10:00:00Z".parse().unwrap());
        let environment = Environment::open_or_make(dir.path(), &clock).unwrap();
        let issuer = "https://localhost:1".into();
        let tokens = Tokens::new(environment.folder(), environment.provider(), issuer, clock);
        assert_eq!(
            tokens.issue("bob").unwrap_err().to_string(),
            "`bob` is not a sample identity: expected one of `etl`, `backup`, `analyst`"
        );
        assert!(tokens.issue("backup").is_ok());
    }
}
