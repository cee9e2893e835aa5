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

mod attempt;
mod cookies;
mod error;
mod flow;
mod html;
mod isolation;
mod page;
mod parameters;
mod provider;
mod return_path;
#[cfg(test)]
mod tests;

pub(crate) use error::LoginError;
pub(crate) use isolation::isolate;

use crate::authn::oidc::{Endpoints, Identity, LoginProof, Verifier};
use crate::authn::{
    Form, IssuedBearer, KeyRing, Principal, SessionError, Terms, form_token, is_form_token, issue_bearer,
    open_bearer,
};
use crate::body::Body;
use crate::clock::Clock;
use crate::config::Config;
use attempt::UsedStates;
use cookies::Cookies;
use flow::Flow;
use http::{HeaderMap, HeaderValue, Method, Response, header, request::Parts};
use jiff::Timestamp;
use page::Page;
use parameters::Parameters;
use provider::Provider;
use return_path::{ROOT, ReturnPath};
use std::{sync::Arc, time::Duration};

/// A session shorter than this would be over before its first page is read.
const SHORTEST: i64 = 60;

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

/// What becomes of a visit before it is an answer.
#[derive(Default)]
struct Answer {
    /// A page, or where to go.
    content: Option<Content>,
    cookies: Vec<HeaderValue>,
    principal: Option<Principal>,
}

enum Content {
    Page(Page),
    Redirect(String),
}

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
        clock: &Clock,
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
            None => Provider::new(issuer.clone(), clock.clone()),
        });
        Some(Self {
            origin: settings.origin.clone(),
            lifetime: settings.lifetime,
            bound_to_token: config.sessions.bound_to_token,
            providers: providers.collect(),
            ring: Arc::clone(ring),
            verifier: Arc::clone(verifier),
            used: previous.map(|previous| previous.used.clone()).unwrap_or_default(),
        })
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
        answer.render(visit, Some(&self.origin), outcome.err())
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

    fn home(&self, visit: Visit<'_>, admits: Admission<'_>, answer: &mut Answer) -> Result<(), LoginError> {
        let principal = self.session(visit)?.ok_or(LoginError::NotLoggedIn)?;
        answer.principal = Some(principal.clone());
        admits(&principal)?;
        let token = form_token(&self.ring, &principal, visit.now).map_err(LoginError::Seal)?;
        let issuer = principal.id().split(':').next().unwrap_or_default();
        answer.page(page::home(&principal, issuer, &token));
        Ok(())
    }

    async fn begin(&self, visit: Visit<'_>, answer: &mut Answer) -> Result<(), LoginError> {
        let mut parameters = Parameters::of(visit.head.uri.query());
        let name = parameters.take("issuer")?;
        let to = parameters.take("to")?;
        let account = parameters.take("account")?;
        parameters.refuse_others()?;
        let to = match to {
            Some(to) => ReturnPath::parse(&to).ok_or(LoginError::Parameter("to"))?,
            None => ReturnPath::home(),
        };
        let other_account = match account.as_deref() {
            None => false,
            Some("other") => true,
            Some(_) => return Err(LoginError::Parameter("account")),
        };
        let provider = match (name, self.providers.as_slice()) {
            (Some(name), _) => self.provider(&name)?,
            (None, [only]) => only,
            (None, several) => {
                let names = several.iter().map(|provider| &*provider.issuer.name);
                answer.page(page::choice(names, &to));
                return Ok(());
            }
        };
        let endpoints = provider.endpoints().await;
        let endpoints = endpoints.map_err(|error| LoginError::Unavailable(error.0))?;
        let redirect = self.redirect(provider);
        let flow = self.flow(provider, &endpoints, &redirect)?;
        let cookies = Cookies::of(&visit.head.headers);
        let begun = attempt::begin(&self.ring, &provider.issuer.name, &to, &cookies, visit.now)
            .map_err(LoginError::Seal)?;
        let place = flow
            .authorization(&begun, other_account)
            .map_err(LoginError::Flow)?;
        answer.cookies = begun.cookies;
        answer.content = Some(Content::Redirect(place));
        Ok(())
    }

    async fn complete(
        &self,
        visit: Visit<'_>,
        name: &str,
        admits: Admission<'_>,
        answer: &mut Answer,
    ) -> Result<(), LoginError> {
        let provider = self.provider(name)?;
        let mut parameters = Parameters::of(visit.head.uri.query());
        let state = parameters.take("state")?;
        let code = parameters.take("code")?;
        let issuer = parameters.take("iss")?;
        let error = parameters.take("error")?;
        // What else issuers add (`session_state`, `scope`, `error_description`) is not looked at.
        let cookies = Cookies::of(&visit.head.headers);
        let (cleared, returned) = attempt::resume(
            &self.ring,
            &self.used,
            name,
            state.as_deref(),
            &cookies,
            visit.now,
        );
        answer.cookies.extend(cleared);
        let returned = returned.map_err(LoginError::Attempt)?;
        let endpoints = provider.endpoints().await;
        let endpoints = endpoints.map_err(|error| LoginError::Unavailable(error.0))?;
        // OID-04: an answer that another issuer had a hand in ends here, before its code goes anywhere.
        match issuer {
            Some(issuer) if *issuer != *provider.issuer.issuer => return Err(LoginError::MixUp),
            None if endpoints.names_itself => return Err(LoginError::Unnamed),
            Some(_) | None => {}
        }
        if let Some(error) = error {
            return Err(LoginError::Provider(known_error(&error)));
        }
        let code = code.filter(|code| !code.is_empty()).ok_or(LoginError::NoCode)?;
        let redirect = self.redirect(provider);
        let flow = self.flow(provider, &endpoints, &redirect)?;
        let tokens = flow.exchange(&code, &returned.verifier).await;
        let tokens = tokens.map_err(LoginError::Flow)?;
        let proof = LoginProof {
            issuer: &provider.issuer,
            client_id: &flow.settings.client_id,
            nonce: &returned.nonce,
            access_token: tokens.access_token.expose_str().unwrap_or_default(),
        };
        let id_token = tokens.id_token.expose_str().unwrap_or_default();
        let identity = self.verifier.verify_login(id_token, proof, visit.now).await;
        let identity = identity.map_err(LoginError::Token)?;
        let lifetime = self.lifetime_of(identity.expires_at, visit.now)?;
        let issued = self.issue(&identity, lifetime, visit.now)?;
        answer.principal = Some(issued.principal.clone());
        admits(&issued.principal)?;
        let value = issued.token.expose_str().unwrap_or_default();
        let cookie = cookies::set(cookies::SESSION, value, lifetime);
        // Browsers drop a longer one without a word, and the person would be sent to log in for ever.
        answer
            .cookies
            .push(cookie.ok_or(LoginError::TooLarge(value.len()))?);
        answer.content = Some(Content::Redirect(returned.to.as_str().to_owned()));
        Ok(())
    }

    fn end(&self, visit: Visit<'_>, answer: &mut Answer) -> Result<(), LoginError> {
        let session = match self.session(visit) {
            Ok(session) => session,
            // What is no session any more needs no proof to be cleared.
            Err(LoginError::Session(_)) => None,
            Err(error) => return Err(error),
        };
        if let Some(principal) = session {
            answer.principal = Some(principal.clone());
            self.check_form(visit, &principal)?;
        }
        answer.cookies.extend(cookies::clear(cookies::SESSION));
        answer.page(page::logged_out());
        Ok(())
    }

    /// OID-09: the form is ours, of this session, and was sent from our page.
    fn check_form(&self, visit: Visit<'_>, principal: &Principal) -> Result<(), LoginError> {
        let headers = &visit.head.headers;
        let site = only(headers, "sec-fetch-site")?;
        let origin = only(headers, "origin")?;
        match (site, origin) {
            (Some("same-origin"), None) => {}
            // What browsers make of the origin of a page that gives no reference to itself.
            (Some("same-origin"), Some("null")) => {}
            (Some("same-origin") | None, Some(origin)) if *origin == *self.origin => {}
            (Some("same-origin") | None, Some(_)) => return Err(LoginError::Forged("`Origin`")),
            (Some(_), _) => return Err(LoginError::Forged("`Sec-Fetch-Site`")),
            (None, None) => return Err(LoginError::Forged("neither `Sec-Fetch-Site` nor `Origin`")),
        }
        let form = std::str::from_utf8(visit.form).ok();
        let token = Parameters::of(form).take("token")?;
        match token {
            Some(token) if is_form_token(&self.ring, principal, &token) => Ok(()),
            Some(_) => Err(LoginError::Forged("`token`")),
            None => Err(LoginError::Forged("there is no `token`")),
        }
    }

    /// The session of the visitor, if there is one. Whether it is admitted is for the caller to ask.
    fn session(&self, visit: Visit<'_>) -> Result<Option<Principal>, LoginError> {
        let cookies = Cookies::of(&visit.head.headers);
        let cookie = cookies
            .session()
            .map_err(|cookies::Twice| LoginError::TwoSessions)?;
        cookie
            .map(|cookie| open_bearer(&self.ring, Form::Cookie, cookie, visit.now))
            .transpose()
            .map_err(LoginError::Session)
    }

    fn provider(&self, name: &str) -> Result<&Provider, LoginError> {
        let mut providers = self.providers.iter();
        providers
            .find(|provider| *provider.issuer.name == *name)
            .ok_or(LoginError::UnknownIssuer)
    }

    /// OID-03, OID-04: one for each issuer, made of configuration alone.
    fn redirect(&self, provider: &Provider) -> String {
        format!("{}{ROOT}callback/{}", self.origin, provider.issuer.name)
    }

    fn flow<'a>(
        &self,
        provider: &'a Provider,
        endpoints: &'a Endpoints,
        redirect: &'a str,
    ) -> Result<Flow<'a>, LoginError> {
        let settings = provider.issuer.login.as_ref().ok_or(LoginError::UnknownIssuer)?;
        Ok(Flow {
            issuer: &provider.issuer,
            settings,
            endpoints,
            redirect,
        })
    }

    /// OID-07: a new session for each login, whatever the browser had before.
    fn issue(
        &self,
        identity: &Identity,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<IssuedBearer, LoginError> {
        let terms = Terms::plain(identity, "browser", lifetime);
        issue_bearer(&self.ring, Form::Cookie, &terms, now).map_err(|error| match error {
            SessionError::TooLarge { bytes, .. } => LoginError::TooLarge(bytes),
            other => LoginError::Seal(other),
        })
    }

    /// SES-07: a session does not outlive its token, where the operator wants it so.
    fn lifetime_of(&self, token_expires_at: Timestamp, now: Timestamp) -> Result<Duration, LoginError> {
        if !self.bound_to_token {
            return Ok(self.lifetime);
        }
        let remaining = token_expires_at.as_second().saturating_sub(now.as_second());
        match u64::try_from(remaining) {
            Ok(seconds) if remaining >= SHORTEST => Ok(self.lifetime.min(Duration::from_secs(seconds))),
            _ => Err(LoginError::TooShort(remaining)),
        }
    }
}

/// The page for whoever asks for a login where there is none.
pub(crate) fn not_configured(visit: Visit<'_>) -> Visited {
    Answer::default().render(visit, None, Some(LoginError::NotConfigured))
}

/// The page for a form that cannot be read.
pub(crate) fn unreadable(visit: Visit<'_>, error: crate::body::BodyError) -> Visited {
    Answer::default().render(visit, None, Some(LoginError::Form(error)))
}

impl Answer {
    fn page(&mut self, page: Page) {
        self.content = Some(Content::Page(page));
    }

    fn render(mut self, visit: Visit<'_>, origin: Option<&str>, refusal: Option<LoginError>) -> Visited {
        let head = visit.head.method == Method::HEAD;
        let refused = |error: &LoginError| {
            page::refusal(error.status(), &error.words(), origin, visit.request_id).render(head)
        };
        let defect = LoginError::Seal(SessionError::Crypto);
        let rendered = match (refusal, self.content) {
            (Some(error), _) => Err(error),
            (None, Some(Content::Page(page))) => Ok(page.render(head)),
            (None, Some(Content::Redirect(place))) => page::redirect(&place).ok_or(defect),
            (None, None) => Err(defect),
        };
        let (mut response, refusal) = match rendered {
            Ok(response) => (response, None),
            Err(error) => (refused(&error), Some(error)),
        };
        if let Some(error) = &refusal {
            // OID-07: what is not taken is not kept.
            if error.status() == 401 || matches!(error, LoginError::TwoSessions | LoginError::Revoked(_)) {
                self.cookies.extend(cookies::clear(cookies::SESSION));
            }
            explain(error, response.headers_mut());
        }
        for cookie in self.cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Visited {
            response,
            principal: self.principal,
            refusal,
        }
    }
}

/// The headers that go with a status.
fn explain(error: &LoginError, headers: &mut HeaderMap) {
    let (name, value) = match (error, error.status()) {
        (LoginError::Method(allowed), _) => (header::ALLOW, *allowed),
        // No scheme of HTTP authentication: browsers would ask for a password.
        (_, 401) => (header::WWW_AUTHENTICATE, "Cookie realm=\"Tidegate\""),
        (_, 503) => (header::RETRY_AFTER, "5"),
        _ => return,
    };
    headers.insert(name, HeaderValue::from_static(value));
}

/// A header that is there once or not at all.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, LoginError> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| LoginError::Forged(name)),
        (Some(_), Some(_)) => Err(LoginError::Forged(name)),
    }
}

/// OID-05: an error that we know by name; whatever else was written there stays there.
fn known_error(text: &str) -> &'static str {
    const KNOWN: [&str; 16] = [
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "invalid_request",
        "invalid_request_object",
        "invalid_request_uri",
        "invalid_scope",
        "login_required",
        "registration_not_supported",
        "request_not_supported",
        "request_uri_not_supported",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == text)
        .unwrap_or("another error")
}
