//! Keys: from the cache while they are fresh, otherwise from the gateway, once for all processes that want them.

use super::cache::{Cached, Entry};
use super::error::ClientError;
use super::gateway::{GatewayError, Keys};
use super::identity::{self, IdentityError, Source};
use super::login::{self, LoginError};
use super::people::Hold;
use super::settings::IdentityKind;
use super::store::{Login, Tokens};
use super::{Client, EXCHANGE, spoken};
use crate::secret::Secret;
use jiff::SignedDuration;
use std::time::Duration;

/// How keys are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Whether a browser may be opened when nobody is logged in.
    pub auto_login: bool,
    /// How long before their end keys are renewed.
    pub window: Duration,
    /// Whether keys are kept and reused.
    pub cache: bool,
}

impl Default for Renewal {
    /// SDKs ask for new keys when 15 minutes are left (botocore); asking the gateway before that is for nothing.
    fn default() -> Self {
        Self {
            auto_login: false,
            window: Duration::from_secs(15 * 60),
            cache: true,
        }
    }
}

/// How long a process waits for another one that is renewing.
const PATIENCE: Duration = Duration::from_secs(60);
/// An identity token younger than this is as good as a new one.
const YOUNG: SignedDuration = SignedDuration::from_mins(5);
/// What has to be left of an identity token for it to arrive.
const IN_TIME: SignedDuration = SignedDuration::from_secs(30);

impl Client {
    /// Keys for these settings.
    ///
    /// # Errors
    /// [`ClientError`]; as long as earlier keys are good, what passes by itself is no error.
    pub async fn keys(&self, renewal: Renewal) -> Result<Keys, ClientError> {
        let begun = self.now();
        match self.keys_of_login(renewal).await {
            Err(error) if error.exit_code() == 3 && renewal.auto_login && self.is_person() => {
                self.log_in(None, Hold::ForThisCommand, begun).await?;
                self.keys_of_login(renewal).await
            }
            settled => settled,
        }
    }

    async fn keys_of_login(&self, renewal: Renewal) -> Result<Keys, ClientError> {
        let login = self.login()?;
        let entry = match self.folder().filter(|_| renewal.cache) {
            Some(folder) => Some(Entry::new(
                folder,
                self.endpoint(),
                &self.inputs(login.as_ref()).await?,
            )),
            None => None,
        };
        if let Some(cached) = self.fresh(entry.as_ref(), renewal, login.as_ref()) {
            return Ok(cached.keys);
        }
        let lock = match self.lock(self.endpoint(), EXCHANGE, PATIENCE).await {
            Ok(lock) => lock,
            Err(error) => return self.make_do(entry.as_ref(), error),
        };
        // Whoever had the lock before may have done the work.
        if let Some(cached) = self.fresh(entry.as_ref(), renewal, login.as_ref()) {
            return Ok(cached.keys);
        }
        let exchanged = self.exchange().await;
        let keys = match exchanged {
            Ok(keys) => keys,
            Err(error) => return self.make_do(entry.as_ref(), error),
        };
        if let Some(entry) = &entry {
            entry.write(&keys, self.now(), &self.console);
        }
        drop(lock);
        Ok(keys)
    }

    /// What is in the cache, if nothing is to be gained by asking.
    fn fresh(&self, entry: Option<&Entry>, renewal: Renewal, login: Option<&Login>) -> Option<Cached> {
        let cached = entry?.read(&self.console)?;
        let now = self.now();
        if cached.is_fresh(renewal.window, now) {
            return Some(cached);
        }
        // Keys end with the login. One that cannot be renewed gives no better ones.
        let at_its_end = login.is_some_and(|login| {
            !login.renewable
                && login.expires_at.duration_since(cached.keys.expires_at) < SignedDuration::from_mins(1)
        });
        (at_its_end && cached.is_good(now)).then_some(cached)
    }

    /// Keys that are still good, in place of an error that may pass.
    fn make_do(&self, entry: Option<&Entry>, error: ClientError) -> Result<Keys, ClientError> {
        let now = self.now();
        let left = entry
            .filter(|_| error.leaves_keys_as_they_are())
            .and_then(|entry| entry.read(&self.console));
        match left.filter(|cached| cached.is_good(now)) {
            Some(cached) => {
                let why = crate::error::with_causes(&error);
                let left = spoken::duration(cached.left(now));
                self.console.warn(format!(
                    "{why}. The keys at hand are good for {left} more. Run: {}",
                    error.next()
                ));
                Ok(cached.keys)
            }
            None => Err(error),
        }
    }

    /// Trades an identity for keys. The lock is held.
    async fn exchange(&self) -> Result<Keys, ClientError> {
        let (token, login) = self.token().await?;
        let keys = self.gateway.credentials(&token, &self.wish(login.as_ref())).await;
        let keys = keys.map_err(|error| self.about_the_token(error))?;
        let drift = self.gateway.drift();
        if drift.is_dangerous() {
            let said = drift.to_string();
            let said = said.trim_start_matches("; ");
            self.console.warn(format!(
                "{said}: signatures made here are refused at 15 min. Run: timedatectl status"
            ));
        }
        Ok(keys)
    }

    /// An identity token, and the login that it is of. The lock is held.
    pub(super) async fn token(&self) -> Result<(Secret, Option<Login>), ClientError> {
        if self.is_person() {
            let login = self.login()?.ok_or_else(|| self.not_logged_in())?;
            let (token, login) = self.token_of_person(login).await?;
            return Ok((token, Some(login)));
        }
        let audience = match &self.settings.audience {
            Some(audience) => audience.clone(),
            None => self
                .gateway
                .configuration()
                .await?
                .audience
                .ok_or(IdentityError::NoAudience)?,
        };
        let source = Source::new(
            &self.settings,
            audience,
            &self.environment,
            &self.clock,
            self.fetcher()?,
        );
        Ok((source.token().await?, None))
    }

    /// The identity token of a login, renewed if it can be and has to be.
    async fn token_of_person(&self, login: Login) -> Result<(Secret, Login), ClientError> {
        let store = self.store()?;
        let tokens = store.tokens(&login).await?;
        let now = self.now();
        let left = login.expires_at.duration_since(now);
        let is_young = now.duration_since(login.obtained_at).abs() < YOUNG && left > IN_TIME;
        if tokens.refresh_token.is_none() || is_young {
            return if left > IN_TIME {
                Ok((tokens.id_token, login))
            } else {
                Err(self.expired(left))
            };
        }
        match login::renew(&login, &tokens, &self.fetcher()?).await {
            Ok(granted) => {
                let renewed = Login {
                    obtained_at: now,
                    expires_at: now.checked_add(granted.lifetime).unwrap_or(now),
                    renewable: granted.tokens.refresh_token.is_some(),
                    ..login
                };
                self.keep(&renewed, &granted.tokens).await;
                Ok((granted.tokens.id_token, renewed))
            }
            Err(error) if error.is_passing() && left > IN_TIME => Ok((tokens.id_token, login)),
            Err(error) if error.is_passing() => Err(error.into()),
            Err(error) => {
                // INVARIANT: a refresh token that was refused is not tried again. Some providers take a second try for
                // theft, and end the person's other logins as well.
                let spent = Login {
                    renewable: false,
                    ..login
                };
                let rest = Tokens {
                    id_token: tokens.id_token,
                    refresh_token: None,
                };
                self.keep(&spent, &rest).await;
                match left > IN_TIME {
                    true => Ok((rest.id_token, spent)),
                    false => Err(self.over(left, &error)),
                }
            }
        }
    }

    /// Keeps what was renewed. What cannot be kept is used all the same, and the next process has to log in.
    async fn keep(&self, login: &Login, tokens: &Tokens) {
        if let Ok(store) = self.store()
            && let Err(error) = store.keep(login, tokens).await
        {
            let why = crate::error::with_causes(&error);
            let login = self.settings.login_command();
            self.console
                .warn(format!("the renewed login cannot be kept: {why}. Run: {login}"));
        }
    }

    /// The login at this gateway, without its tokens.
    pub(super) fn login(&self) -> Result<Option<Login>, ClientError> {
        if !self.is_person() {
            return Ok(None);
        }
        let found = self.store()?.find(self.endpoint())?;
        let is_meant = |login: &Login| {
            self.settings
                .issuer
                .as_ref()
                .is_none_or(|issuer| *issuer == login.issuer_name)
        };
        match found.filter(is_meant) {
            Some(login) => Ok(Some(login)),
            None => Err(self.not_logged_in()),
        }
    }

    pub(super) fn is_person(&self) -> bool {
        self.settings.identity == IdentityKind::Login
    }

    /// Everything that decides what the keys are, for the name of their cache.
    pub(super) async fn inputs(&self, login: Option<&Login>) -> Result<Vec<String>, ClientError> {
        let wish = self.wish(login);
        let mut inputs = identity::fingerprint(&self.settings, &self.environment).await?;
        inputs.push(login.map(|login| login.id.clone()).unwrap_or_default());
        inputs.push(self.settings.audience.clone().unwrap_or_default());
        inputs.push(wish.role.unwrap_or_default());
        inputs.push(
            wish.duration
                .map(|duration| duration.as_secs().to_string())
                .unwrap_or_default(),
        );
        for (name, value) in wish.tags {
            inputs.extend([name, value]);
        }
        Ok(inputs)
    }

    pub(super) fn not_logged_in(&self) -> ClientError {
        ClientError::NotLoggedIn {
            endpoint: self.endpoint().to_owned(),
            login: self.settings.first_login_command(),
        }
    }

    fn expired(&self, left: SignedDuration) -> ClientError {
        ClientError::Expired {
            ago: -left.min(SignedDuration::ZERO),
            login: self.settings.login_command(),
        }
    }

    /// A login that cannot be renewed: what the provider said, unless it is the usual.
    fn over(&self, left: SignedDuration, error: &LoginError) -> ClientError {
        match error {
            LoginError::Refused { code, .. } if code == "invalid_grant" => self.expired(left),
            other => ClientError::LoginRejected {
                reason: other.to_string(),
                login: self.settings.login_command(),
            },
        }
    }

    pub(super) fn about_the_token(&self, error: GatewayError) -> ClientError {
        let login = self.settings.login_command();
        match error {
            GatewayError::Refused {
                code, message, drift, ..
            } if self.is_person() && GatewayError::is_about_a_token(&code) => {
                ClientError::LoginRejected {
                    reason: format!("{message} ({code}){drift}"),
                    // With another clock than the gateway's, the next login is no better than this one.
                    login: if drift.is_dangerous() {
                        format!("sudo timedatectl set-ntp true && {login}")
                    } else {
                        login
                    },
                }
            }
            other => other.into(),
        }
    }
}
