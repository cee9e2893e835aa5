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
            let now = self.clock.now();
            if now.duration_since(written).abs() < REPLACED_AFTER {
                continue;
            }
            match self.write() {
                Ok(()) => written = now,
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::environment::Environment;
    use std::fs;

    #[tokio::test(start_paused = true)]
    async fn files_are_renewed_by_the_wall_clock() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::fixed("2026-11-20T10:00:00Z".parse().unwrap());
        let environment = Environment::open_or_make(dir.path(), &clock).unwrap();
        let tokens = Tokens::new(
            environment.folder(),
            environment.provider(),
            "https://localhost:1".into(),
            clock.clone(),
        );
        tokens.write().unwrap();
        let read = || fs::read_to_string(dir.path().join("tokens/etl.jwt")).unwrap();
        let first = read();
        let keeping = tokens.keep_fresh();
        tokio::pin!(keeping);
        let mut pass = async |minutes: i64| {
            clock.advance(SignedDuration::from_mins(minutes));
            tokio::select! {
                never = &mut keeping => match never {},
                () = tokio::time::sleep(LOOK_EVERY * 2) => {}
            }
        };
        pass(59).await;
        assert_eq!(read(), first);
        pass(2).await;
        let second = read();
        assert_ne!(second, first);
        pass(30).await;
        assert_eq!(read(), second);
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
