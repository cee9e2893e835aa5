//! Browser login: authorization code with PKCE, a session in a cookie, and the pages about it.
//!
//! | page | what it does |
//! |---|---|
//! | `GET /_tidegate/login[?issuer=NAME][&to=/_tidegate/…][&account=other]` | sends the browser to an issuer |
//! | `GET /_tidegate/callback/NAME` | takes it back: code to ID token to session |
//! | `GET /_tidegate/` | says who is logged in |
//! | `POST /_tidegate/logout` | clears the session |
//!
//! Browsers send cookies along with whatever makes them ask, so a cookie is worth little here: it opens these pages,
//! for a visit of a person, and nothing else. It never authenticates a call of S3 or STS (OID-09), and what it opens is
//! closed to scripts, frames and other origins (OID-08, OID-10, OID-12). Where the login is and where browsers come
//! back to is configuration; no header of a request has a say in it (OID-03).

mod answer;
mod attempt;
mod cookies;
mod error;
mod flow;
mod html;
mod isolation;
mod journey;
mod page;
mod parameters;
mod provider;
mod return_path;
#[cfg(test)]
mod tests;
mod visitor;

pub(crate) use error::LoginError;
pub(crate) use isolation::isolate;

use crate::authn::oidc::Verifier;
use crate::authn::{KeyRing, Principal};
use crate::body::Body;
use crate::config::Config;
use crate::credentials::Resources;
use crate::secrets::SecretReader;
use answer::Answer;
use attempt::UsedStates;
use http::{Response, request::Parts};
use jiff::Timestamp;
use provider::Provider;
use return_path::ROOT;
use std::{sync::Arc, time::Duration};

/// The browser login of one generation.
pub(crate) struct Login {
    /// `https://host[:port]`, from the configuration.
    origin: Box<str>,
    lifetime: Duration,
    bound_to_token: bool,
    providers: Vec<Provider>,
    ring: Arc<KeyRing>,
    verifier: Arc<Verifier>,
    used: Arc<UsedStates>,
    secrets: SecretReader,
}

/// One of the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/_tidegate/`.
    Home,
    /// `/_tidegate/login`.
    Login,
    /// `/_tidegate/callback/` and an issuer's name.
    Callback(Box<str>),
    /// `/_tidegate/logout`.
    Logout,
}

/// A request for a page.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    pub(crate) route: &'a Route,
    pub(crate) head: &'a Parts,
    /// The body of a POST.
    pub(crate) form: &'a [u8],
    pub(crate) request_id: &'a str,
    pub(crate) now: Timestamp,
}

/// A page that was served, and what is to be recorded of it.
pub(crate) struct Visited {
    pub(crate) response: Response<Body>,
    /// Who is or was logged in.
    pub(crate) principal: Option<Principal>,
    /// Why it is not what was asked for.
    pub(crate) refusal: Option<LoginError>,
}

/// Whether a principal may still use its session; with the reason, if not.
pub(crate) type Admission<'a> = &'a (dyn Fn(&Principal) -> Result<(), LoginError> + Send + Sync);

impl Route {
    /// The page at `path`, as it stands in the request.
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path.strip_prefix(ROOT)? {
            "" => Some(Self::Home),
            "login" => Some(Self::Login),
            "logout" => Some(Self::Logout),
            other => other
                .strip_prefix("callback/")
                .map(|name| Self::Callback(name.into())),
        }
    }

    /// The name in the audit record, and whether it changes nothing.
    pub(crate) fn call(&self) -> (&'static str, bool) {
        match self {
            Self::Home => ("ShowSession", true),
            Self::Login => ("BeginLogin", false),
            Self::Callback(_) => ("CompleteLogin", false),
            Self::Logout => ("Logout", false),
        }
    }

    fn allowed(&self) -> &'static str {
        match self {
            Self::Home => "GET, HEAD",
            Self::Login | Self::Callback(_) => "GET",
            Self::Logout => "POST",
        }
    }
}

impl Login {
    /// The login that `config` asks for, if it does. What is known of issuers, and which states were used, is carried
    /// over from `previous`.
    pub(crate) fn new(
        config: &Config,
        ring: &Arc<KeyRing>,
        verifier: &Arc<Verifier>,
        resources: &Resources,
        previous: Option<&Self>,
    ) -> Option<Self> {
        let settings = config.login.as_ref()?;
        let known = |issuer: &Arc<crate::config::Issuer>| {
            previous?
                .providers
                .iter()
                .find(|provider| provider.issuer == *issuer)
        };
        let with_login = config.issuers.iter().filter(|issuer| issuer.login.is_some());
        let providers = with_login.map(|issuer| match known(issuer) {
            Some(provider) => provider.clone(),
            None => Provider::new(issuer.clone(), resources.clock.clone()),
        });
        Some(Self {
            origin: settings.origin.clone(),
            lifetime: settings.lifetime,
            bound_to_token: config.sessions.bound_to_token,
            providers: providers.collect(),
            ring: Arc::clone(ring),
            verifier: Arc::clone(verifier),
            used: previous.map(|previous| previous.used.clone()).unwrap_or_default(),
            secrets: resources.secrets.clone(),
        })
    }

    /// Logs what each issuer has to know.
    pub(crate) fn announce(&self) {
        for provider in &self.providers {
            let redirect_uri = self.redirect(provider);
            tracing::info!(issuer = %provider.issuer.name, redirect_uri, "browsers log in");
        }
    }

    /// Serves a page. `admits` is asked about whoever is or becomes logged in.
    pub(crate) async fn serve(&self, visit: Visit<'_>, admits: Admission<'_>) -> Visited {
        let mut answer = Answer::default();
        let outcome = match self.check(visit) {
            Ok(()) => match visit.route {
                Route::Home => self.home(visit, admits, &mut answer),
                Route::Login => self.begin(visit, &mut answer).await,
                Route::Callback(name) => self.complete(visit, name, admits, &mut answer).await,
                Route::Logout => self.end(visit, &mut answer),
            },
            Err(error) => Err(error),
        };
        answer.render(visit, &self.origin, outcome.err())
    }

    /// Refuses a page before it is looked at.
    pub(crate) fn refuse(&self, visit: Visit<'_>, error: LoginError) -> Visited {
        Answer::default().render(visit, &self.origin, Some(error))
    }

    /// Is this a person who opens a page? Browsers say so of every request that they make; other programs say
    /// nothing, and hold no cookie of a person.
    ///
    /// OID-10: a script that got hold of our origin, out of an object that was opened by a presigned URL, can neither
    /// fetch a page nor frame it.
    fn check(&self, visit: Visit<'_>) -> Result<(), LoginError> {
        let allowed = visit.route.allowed();
        if !allowed
            .split(", ")
            .any(|method| method == visit.head.method.as_str())
        {
            return Err(LoginError::Method(allowed));
        }
        for (name, expected) in [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")] {
            let mut values = visit.head.headers.get_all(name).into_iter();
            if values.any(|value| value != expected) {
                return Err(LoginError::NotAVisit(name));
            }
        }
        Ok(())
    }
}
