//! Where the browser comes back to: a port on this machine, for one answer.
//!
//! Anything on this machine, and any page in a browser, can knock here. What has not the `state` of this login is not an
//! answer, whatever else it has, and the waiting goes on. The pages say nothing that came with the request (OID-05), and
//! keep no address with a code in it in a `Referer`.

use super::{Lines, LoginError};
use crate::client::console::{Console, printable};
use crate::client::settings::is_loopback;
use crate::secret::Secret;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The address that is registered with the provider. Its port is the kernel's choice unless the provider insists on one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    host: String,
    port: u16,
    path: String,
}

/// The open port.
pub(super) struct Landing {
    listener: TcpListener,
    redirect_uri: String,
    path: String,
}

/// What an answer must have to be one.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    state: String,
    issuer: String,
    /// Whether the provider said that it names itself.
    names_itself: bool,
}

/// What came.
pub(super) enum Verdict {
    /// Something else.
    Stray,
    /// The code.
    Code(Secret),
    /// The provider's refusal, or a sign that somebody stands between.
    Failed(LoginError),
}

/// Connections at once; browsers open several, and none of them is worth more.
const CONNECTIONS: usize = 32;
/// How long one may take.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

impl Default for Redirect {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            path: "/callback".to_owned(),
        }
    }
}

impl Redirect {
    /// Reads an address such as `http://localhost:8250/callback`.
    ///
    /// # Errors
    /// What is wrong: it has to be on this machine, without TLS, because nobody has a certificate for it.
    pub(in crate::client) fn parse(written: &str) -> Result<Self, &'static str> {
        let uri: Uri = written.parse().map_err(|_| "not an address")?;
        let host = uri.host().ok_or("it has no host")?;
        if uri.scheme_str() != Some("http") || !is_loopback(host) {
            return Err("not plain HTTP on this machine");
        }
        if uri.query().is_some() || written.contains(['#', '@']) {
            return Err("more than host, port and path");
        }
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(0),
            path: uri.path().to_owned(),
        })
    }

    fn address(&self) -> IpAddr {
        // `localhost` may mean either; browsers try both.
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.parse().unwrap_or(IpAddr::from([127, 0, 0, 1]))
    }
}

impl Landing {
    /// Opens the port.
    pub(super) async fn open(redirect: &Redirect) -> Result<Self, LoginError> {
        let address = (redirect.address(), redirect.port);
        let failed = |source| LoginError::Listen {
            address: format!("{}:{}", redirect.host, redirect.port),
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self {
            listener,
            redirect_uri: format!("http://{}:{port}{}", redirect.host, redirect.path),
            path: redirect.path.clone(),
        })
    }

    pub(super) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Waits for the answer, from the browser or among `lines`.
    pub(super) async fn wait(
        &self,
        expected: &Expected,
        mut lines: Option<Lines>,
        console: &Console,
    ) -> Result<Secret, LoginError> {
        let mut connections: JoinSet<Option<Verdict>> = JoinSet::new();
        loop {
            let verdict = tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(answer(stream, self.path.clone(), expected.clone()));
                    }
                    None
                }
                // Once a page has been written, so that the browser shows it although this process ends.
                Some(ended) = connections.join_next() => ended.ok().flatten(),
                line = next(&mut lines) => match line {
                    Some(line) => {
                        let verdict = expected.judge(query_of(&line));
                        if matches!(verdict, Verdict::Stray) && !line.trim().is_empty() {
                            console.say("That is not the address at which this login ended. Paste all of it, from `http://`.");
                        }
                        Some(verdict)
                    }
                    None => {
                        lines = None;
                        None
                    }
                },
            };
            match verdict {
                Some(Verdict::Code(code)) => return Ok(code),
                Some(Verdict::Failed(error)) => return Err(error),
                Some(Verdict::Stray) | None => {}
            }
        }
    }
}

/// The next line; never, without lines.
async fn next(lines: &mut Option<Lines>) -> Option<String> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}

/// The query of an address as it is pasted, or the line itself.
fn query_of(line: &str) -> &str {
    let line = line.trim().trim_matches(['"', '\'', '<', '>']);
    let query = line.split_once('?').map_or(line, |(_, query)| query);
    query.split_once('#').map_or(query, |(query, _)| query)
}

impl Expected {
    pub(super) fn new(state: String, issuer: &str, names_itself: bool) -> Self {
        Self {
            state,
            issuer: issuer.to_owned(),
            names_itself,
        }
    }

    /// Whether a query answers this login.
    pub(super) fn judge(&self, query: &str) -> Verdict {
        let (mut code, mut state, mut issuer, mut error, mut description) = (None, None, None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*name {
                "code" => &mut code,
                "state" => &mut state,
                "iss" => &mut issuer,
                "error" => &mut error,
                "error_description" => &mut description,
                _ => continue,
            };
            // Given twice, it is what two readers read differently.
            if slot.replace(value.into_owned()).is_some() {
                return Verdict::Stray;
            }
        }
        let is_ours = state.is_some_and(|state| {
            aws_lc_rs::constant_time::verify_slices_are_equal(state.as_bytes(), self.state.as_bytes()).is_ok()
        });
        let is_answer = error.is_some() || code.as_ref().is_some_and(|code| !code.is_empty());
        if !is_ours || !is_answer {
            return Verdict::Stray;
        }
        // RFC 9207: the answer of another provider, though to this question.
        let from_another = match &issuer {
            Some(issuer) => *issuer != self.issuer,
            None => self.names_itself,
        };
        if from_another {
            return Verdict::Failed(LoginError::IdToken(
                "the answer is that of another identity provider",
            ));
        }
        match (code, error) {
            (_, Some(error)) if error == "access_denied" => Verdict::Failed(LoginError::Denied),
            (_, Some(error)) => Verdict::Failed(LoginError::Refused {
                code: printable(&error),
                description: description
                    .as_deref()
                    .map_or_else(|| "it does not say why".to_owned(), printable),
            }),
            (Some(code), None) => Verdict::Code(Secret::new(code)),
            (None, None) => Verdict::Stray,
        }
    }
}

/// Answers one connection, and then says what came.
async fn answer(stream: TcpStream, path: String, expected: Expected) -> Option<Verdict> {
    let came = Arc::new(Mutex::new(None));
    let service = service_fn(|request: Request<Incoming>| {
        let verdict = judge(&request, &path, &expected);
        let page = page(&verdict);
        *came.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        async move { Ok::<_, Infallible>(page) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    // However it ends: what matters is what came.
    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
    came.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn judge(request: &Request<Incoming>, path: &str, expected: &Expected) -> Verdict {
    if request.method() != Method::GET || request.uri().path() != path {
        return Verdict::Stray;
    }
    expected.judge(request.uri().query().unwrap_or_default())
}

fn page(verdict: &Verdict) -> Response<Full<Bytes>> {
    let (status, title, text) = match verdict {
        Verdict::Stray => (
            StatusCode::NOT_FOUND,
            "Nothing here",
            "This is not the login that Tidegate is waiting for.",
        ),
        Verdict::Code(_) => (
            StatusCode::OK,
            "Logged in",
            "You can close this page and go back to the terminal.",
        ),
        Verdict::Failed(_) => (
            StatusCode::OK,
            "Not logged in",
            "The terminal says why. You can close this page.",
        ),
    };
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1><p>{text}</p></html>\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
