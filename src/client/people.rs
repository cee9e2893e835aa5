//! Logging in and out, and who one is.

use super::cache::{self, Entry};
use super::error::ClientError;
use super::gateway::Wish;
use super::lock::Failure;
use super::login::{self, Flow, Granted, Provider};
use super::settings::LoginWay;
use super::store::Login;
use super::{Client, EXCHANGE, GatewayError, LOGIN, random};
use crate::fetch::Fetcher;
use crate::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Somebody who has logged in.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Who, for people.
    pub who: String,
    /// The gateway's name for the identity provider.
    pub issuer: String,
    /// When the keys end, or the identity token if there are no keys yet.
    pub expires_at: Timestamp,
    /// Whether it goes on without a person.
    pub renewable: bool,
    /// Whether another process logged in and this one did not have to.
    pub by_another: bool,
    /// What the gateway says of them, if it does.
    pub gateway: Option<Value>,
}

/// A login that was forgotten.
#[derive(Clone, Debug)]
pub struct LoggedOut {
    /// The gateway.
    pub endpoint: String,
    /// Who.
    pub who: String,
    /// Whether the provider has heard of it.
    pub revoked: bool,
    /// Where the provider's own session ends.
    pub end_session: Option<String>,
}

/// Who one is.
#[derive(Clone, Debug)]
pub struct Me {
    /// What the gateway says.
    pub gateway: Value,
    /// The login here, if it is a person's.
    pub login: Option<LocalLogin>,
    /// The role that keys are asked for with.
    pub role: Option<String>,
    /// The session tags that keys are asked for with.
    pub tags: BTreeMap<String, String>,
}

/// What is known here about a login.
#[derive(Clone, Debug)]
pub struct LocalLogin {
    /// The gateway's name for the identity provider.
    pub issuer: String,
    /// When the identity token ends.
    pub expires_at: Timestamp,
    /// Whether it goes on without a person.
    pub renewable: bool,
}

/// Whether role, tags and lifetime of a login hold for what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// They were said to the login itself.
    UntilTheNextLogin,
    /// They were said to a command that needed a login on its way.
    ForThisCommand,
}

/// How long somebody may take to log in.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a process waits for another one in which somebody logs in.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(660);
/// How long a process waits to store what it has.
const PATIENCE_TO_KEEP: Duration = Duration::from_secs(60);

impl Client {
    /// Logs in, unless another process has done so since `begun`. Without a `way` it is that of the settings, or of the
    /// gateway.
    ///
    /// # Errors
    /// [`ClientError`]; an earlier login is still there then.
    pub async fn log_in(
        &self,
        way: Option<LoginWay>,
        hold: Hold,
        begun: Timestamp,
    ) -> Result<LoggedIn, ClientError> {
        // Before anybody types a password in vain.
        self.store()?;
        let mut lock = self.lock(self.endpoint(), LOGIN, PATIENCE_WITH_OTHERS).await?;
        if let Some(login) = self.store()?.find(self.endpoint()).ok().flatten()
            && login.logged_in_at >= begun
        {
            if hold == Hold::UntilTheNextLogin {
                self.hold(&login).await?;
            }
            return Ok(self.logged_in(&login, true));
        }
        if let Some(lock) = lock.as_ref().filter(|lock| lock.waited)
            && let Some(Failure { message, exit_code }) = lock.left.failure.clone()
        {
            return Err(ClientError::OfAnother { message, exit_code });
        }
        let outcome = self.log_in_here(way, hold).await;
        if let Some(lock) = &mut lock {
            lock.note(outcome.as_ref().err().map(|error| Failure {
                message: crate::error::with_causes(error),
                exit_code: error.exit_code(),
            }));
        }
        outcome
    }

    async fn log_in_here(&self, way: Option<LoginWay>, hold: Hold) -> Result<LoggedIn, ClientError> {
        let held = hold == Hold::UntilTheNextLogin;
        let configuration = self.gateway.configuration().await?;
        let issuer = login::choose(&configuration, &self.settings, self.endpoint())?;
        let usual = if issuer.device {
            LoginWay::Device
        } else {
            LoginWay::Browser
        };
        let way = way.or(self.settings.login).unwrap_or(usual);
        let fetcher = self.fetcher()?;
        let provider = Provider::discover(&issuer.issuer, &fetcher).await?;
        let flow = Flow {
            provider: &provider,
            issuer: &issuer,
            redirect: &self.settings.redirect,
            fetcher: &fetcher,
            console: &self.console,
            environment: &self.environment,
            patience: PATIENCE,
        };
        let Granted {
            tokens,
            lifetime,
            who,
        } = flow.run(way, self.lines).await?;
        let now = self.now();
        let login = Login {
            id: random::string()?,
            endpoint: self.endpoint().to_owned(),
            ca: absolute(self.settings.ca.as_deref()),
            issuer_ca: absolute(self.settings.issuer_ca.as_deref()),
            issuer_name: issuer.name.clone(),
            issuer: provider.issuer.clone(),
            client_id: issuer.client_id.clone(),
            client_secret: issuer.client_secret.clone(),
            token_endpoint: provider.token_endpoint.clone(),
            revocation_endpoint: provider.revocation_endpoint.clone(),
            end_session_endpoint: provider.end_session_endpoint.clone(),
            who,
            logged_in_at: now,
            obtained_at: now,
            expires_at: now.checked_add(lifetime).unwrap_or(now),
            renewable: tokens.refresh_token.is_some(),
            role: self.settings.role.clone().filter(|_| held),
            duration: self.settings.duration.filter(|_| held),
            tags: if held {
                self.settings.tags.clone()
            } else {
                BTreeMap::new()
            },
            tokens: None,
        };
        // A login that the gateway does not take is no login. One that it cannot be asked about now is kept.
        let keys = match self
            .gateway
            .credentials(&tokens.id_token, &self.wish(Some(&login)))
            .await
        {
            Ok(keys) => Some(keys),
            Err(error) if error.is_passing() => {
                self.console.warn(crate::error::with_causes(&error));
                None
            }
            Err(error) => return Err(error.into()),
        };
        let _lock = self.lock(self.endpoint(), EXCHANGE, PATIENCE_TO_KEEP).await?;
        let store = self.store()?;
        if let Some(folder) = self.folder() {
            cache::forget(folder, self.endpoint());
        }
        store.keep(&login, &tokens).await?;
        if let (Some(keys), Some(folder)) = (&keys, self.folder()) {
            let entry = Entry::new(folder, self.endpoint(), &self.inputs(Some(&login)).await?);
            entry.write(keys, self.now(), &self.console);
        }
        let mut logged_in = self.logged_in(&login, false);
        logged_in.gateway = self.gateway.who_am_i(&tokens.id_token).await.ok();
        if let Some(keys) = keys {
            logged_in.expires_at = keys.expires_at;
        }
        Ok(logged_in)
    }

    /// Notes what was asked for with the login of another process.
    async fn hold(&self, login: &Login) -> Result<(), ClientError> {
        let wish = self.wish(None);
        if (&wish.role, wish.duration, &wish.tags) == (&login.role, login.duration, &login.tags) {
            return Ok(());
        }
        let _lock = self.lock(self.endpoint(), EXCHANGE, PATIENCE_TO_KEEP).await?;
        let tokens = self.store()?.tokens(login).await?;
        let Wish { role, duration, tags } = wish;
        Ok(self
            .store()?
            .keep(
                &Login {
                    role,
                    duration,
                    tags,
                    ..login.clone()
                },
                &tokens,
            )
            .await?)
    }

    fn logged_in(&self, login: &Login, by_another: bool) -> LoggedIn {
        LoggedIn {
            who: login.who.clone(),
            issuer: login.issuer_name.clone(),
            expires_at: login.expires_at,
            renewable: login.renewable,
            by_another,
            gateway: None,
        }
    }

    /// Forgets the login at this gateway, or with `everywhere` all logins on this machine, and tells the providers.
    ///
    /// # Errors
    /// [`ClientError::Store`] if a login is still there.
    pub async fn log_out(&self, everywhere: bool) -> Result<Vec<LoggedOut>, ClientError> {
        let store = self.store()?;
        let logins = if everywhere {
            store.all()
        } else {
            match store.find(self.endpoint()) {
                Ok(login) => login.into_iter().collect(),
                // What cannot be read is forgotten all the same: it is of no use to anybody else either.
                Err(error) => {
                    self.console.warn(crate::error::with_causes(&error));
                    store.forget_file(self.endpoint())?;
                    Vec::new()
                }
            }
        };
        let mut gone = Vec::new();
        for login in logins {
            let _lock = self.lock(&login.endpoint, EXCHANGE, PATIENCE_TO_KEEP).await?;
            let revoked = match store.tokens(&login).await {
                Ok(tokens) => {
                    // Of this login, and not of the gateway that happens to be named.
                    let ca = login.issuer_ca.as_deref().or(login.ca.as_deref());
                    match Fetcher::trusting_also(ca) {
                        Ok(fetcher) => login::revoke(&login, &tokens, &fetcher).await,
                        Err(_) => false,
                    }
                }
                Err(error) => {
                    self.console.warn(crate::error::with_causes(&error));
                    false
                }
            };
            store.forget(&login).await?;
            if let Some(folder) = self.folder() {
                cache::forget(folder, &login.endpoint);
            }
            gone.push(LoggedOut {
                end_session: login::end_session_url(&login),
                endpoint: login.endpoint,
                who: login.who,
                revoked,
            });
        }
        if everywhere && store.forget_rest()? > 0 {
            self.console.warn(
                "there were logins that could not be read; their files are gone, and no provider heard of it",
            );
        }
        if let Some(folder) = self.folder().filter(|_| !everywhere) {
            cache::forget(folder, self.endpoint());
        }
        Ok(gone)
    }

    /// Asks the gateway whom it takes this caller for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn who_am_i(&self) -> Result<Me, ClientError> {
        let (token, login) = self.token_locked().await?;
        let gateway = self.gateway.who_am_i(&token).await;
        let gateway = gateway.map_err(|error: GatewayError| self.about_the_token(error))?;
        let Wish { role, tags, .. } = self.wish(login.as_ref());
        let login = login.map(|login| LocalLogin {
            issuer: login.issuer_name,
            expires_at: login.expires_at,
            renewable: login.renewable,
        });
        Ok(Me {
            gateway,
            login,
            role,
            tags,
        })
    }

    async fn token_locked(&self) -> Result<(Secret, Option<Login>), ClientError> {
        let _lock = self.lock(self.endpoint(), EXCHANGE, PATIENCE_TO_KEEP).await?;
        self.token().await
    }

    /// When the keys at hand end, if there are any.
    pub async fn keys_end(&self) -> Option<Timestamp> {
        let login = self.login().ok()?;
        let entry = Entry::new(
            self.folder()?,
            self.endpoint(),
            &self.inputs(login.as_ref()).await.ok()?,
        );
        let now = self.now();
        let cached = entry.read(&self.console)?;
        (cached.left(now) > SignedDuration::ZERO).then_some(cached.keys.expires_at)
    }
}

/// Paths outlive the folder in which they were typed.
fn absolute(path: Option<&std::path::Path>) -> Option<std::path::PathBuf> {
    path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}
