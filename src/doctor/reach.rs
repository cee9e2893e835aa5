//! Can a place be reached: its name, a connection, its certificate. And what time is it there?

use super::x509::Certificate;
use super::{Line, Side};
use crate::authn::service_keys::in_words;
use crate::clock::{Clock, Drift};
use crate::error::with_causes;
use crate::fetch::{Fetcher, tls_client_config};
use jiff::{SignedDuration, Timestamp};
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A place that is connected to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// In the report: `issuer okta`.
    pub(super) name: String,
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Private CA; the machine's own roots without one.
    pub(super) ca: Option<PathBuf>,
    /// How the private CA is set: `targets.lake.ca`.
    pub(super) ca_key: String,
    /// Whose it is.
    pub(super) side: Side,
}

/// A certificate that ends sooner is worth a word.
pub(super) const ENDS_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// For each of: name, connection, handshake, one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found of a place.
pub(super) struct Reached {
    pub(super) line: Line,
    /// How far its clock is from ours, if it answered.
    pub(super) drift: Option<Drift>,
}

impl Place {
    /// The place of a URL such as an issuer's. `None` if it has none.
    pub(super) fn of_url(name: String, url: &str, side: Side) -> Option<Self> {
        let uri: http::Uri = url.parse().ok()?;
        let tls = uri.scheme_str() == Some("https");
        let authority = uri.authority()?;
        Some(Self {
            name,
            tls,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            ca: None,
            ca_key: String::new(),
            side,
        })
    }

    /// The same with a private CA, and the key of the configuration that names it.
    pub(super) fn trusting(mut self, ca: Option<PathBuf>, key: impl Into<String>) -> Self {
        (self.ca, self.ca_key) = (ca, key.into());
        self
    }

    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}/", self.authority())
    }

    /// Connects, looks at the certificate, and asks what time it is.
    pub(super) async fn reach(&self, clock: &Clock) -> Reached {
        let line = match self.connect(clock.now()).await {
            Ok(line) => line,
            Err(line) => return Reached { line, drift: None },
        };
        Reached {
            line,
            drift: self.time(clock).await,
        }
    }

    async fn connect(&self, now: Timestamp) -> Result<Line, Line> {
        let place = self.authority();
        let (about, fail) = (self.name.clone(), |check, said: String, side, remedy: String| {
            Line::fail(check, self.name.clone(), said, side, remedy)
        });
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((&*self.host, self.port))).await;
        let addresses: Vec<_> = match found {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        if addresses.is_empty() {
            let said = format!("the name `{}` cannot be resolved", self.host);
            let remedy = format!(
                "`getent hosts {}`, and the resolver or the name in the configuration",
                self.host
            );
            return Err(fail("dns", said, Side::ThisMachine, remedy));
        }
        let tcp = match tokio::time::timeout(PATIENCE, TcpStream::connect(&*addresses)).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => {
                let said = format!("no connection to `{place}`: {error}");
                return Err(fail("connect", said, self.side, self.knock()));
            }
            Err(_) => {
                let said = format!(
                    "no connection to `{place}` within {PATIENCE:?}: a firewall drops it, or nobody is there"
                );
                return Err(fail("connect", said, self.side, self.knock()));
            }
        };
        if !self.tls {
            return Ok(Line::ok("connect", about, format!("{place}, without TLS")));
        }
        let unusable = |said| Err(fail("tls", said, Side::Tidegate, self.set_ca()));
        let config = match tls_client_config(self.ca.as_deref()) {
            Ok(config) => config,
            Err(error) => return unusable(with_causes(&error)),
        };
        let Ok(name) = ServerName::try_from(self.host.clone()) else {
            return unusable(format!("`{}` is neither a name nor an address", self.host));
        };
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        match tokio::time::timeout(PATIENCE, handshake).await {
            Err(_) => {
                let said = format!("no TLS with `{place}` within {PATIENCE:?}");
                Err(fail("tls", said, self.side, self.knock()))
            }
            Ok(Err(error)) => Err(self.no_tls(&error)),
            Ok(Ok(stream)) => {
                let (_, session) = stream.get_ref();
                let first = session.peer_certificates().and_then(|chain| chain.first());
                let certificate = first.and_then(|der| Certificate::parse(der));
                Ok(self.ending(certificate.as_ref(), now))
            }
        }
    }

    fn ending(&self, certificate: Option<&Certificate>, now: Timestamp) -> Line {
        let place = self.authority();
        let Some(certificate) = certificate else {
            return Line::ok("tls", &*self.name, place);
        };
        let left = certificate.not_after.duration_since(now);
        let said = format!("{place}, certificate expires in {}", in_words(left));
        match left < ENDS_SOON {
            false => Line::ok("tls", &*self.name, said),
            true => {
                let remedy = "renew its certificate before that";
                Line::fail("tls", &*self.name, said, self.side, remedy).as_warning()
            }
        }
    }

    /// What a handshake that failed means, by what the certificate lacks.
    fn no_tls(&self, error: &io::Error) -> Line {
        let place = self.authority();
        let cause = error
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<rustls::Error>());
        let fail = |said: String, side, remedy: String| Line::fail("tls", &*self.name, said, side, remedy);
        let Some(rustls::Error::InvalidCertificate(flaw)) = cause else {
            let said = format!("no TLS with `{place}`: {error}");
            return fail(said, self.side, self.look());
        };
        match flaw {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => fail(
                format!("the certificate of `{place}` has expired"),
                self.side,
                "renew it there; if it has not expired, this machine's clock is wrong".to_owned(),
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => fail(
                format!("the certificate of `{place}` is not valid yet"),
                Side::ThisMachine,
                SET_CLOCK.to_owned(),
            ),
            CertificateError::UnknownIssuer => fail(
                format!("the certificate of `{place}` is signed by no authority that is trusted here"),
                Side::Tidegate,
                self.set_ca(),
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => fail(
                format!(
                    "the certificate of `{place}` is for another name than `{}`",
                    self.host
                ),
                self.side,
                format!(
                    "use a name that is in it, or have `{}` added to it: {}",
                    self.host,
                    self.look()
                ),
            ),
            other => fail(
                format!("the certificate of `{place}` is not accepted: {other}"),
                self.side,
                self.look(),
            ),
        }
    }

    /// By the `Date` of an answer, whatever it is.
    async fn time(&self, clock: &Clock) -> Option<Drift> {
        let fetcher = Fetcher::new(self.ca.as_deref()).ok()?;
        let fetcher = if self.tls { fetcher } else { fetcher.allow_plain() };
        let asked = clock.now();
        let answer = fetcher.get(&self.url()).await.ok()?;
        Some(Drift::seen(answer.date()?, asked, clock.now()))
    }

    fn knock(&self) -> String {
        format!("`curl -sv {}` from this machine", self.url())
    }

    fn look(&self) -> String {
        let (place, host) = (self.authority(), &self.host);
        format!(
            "`openssl s_client -connect {place} -servername {host} </dev/null | openssl x509 -noout -text`"
        )
    }

    fn set_ca(&self) -> String {
        match &self.ca {
            _ if self.ca_key.is_empty() => "install the authority on this machine".to_owned(),
            Some(file) => format!(
                "`{}`: the authority in `{}` is not the one",
                self.ca_key,
                file.display()
            ),
            None => format!("`{} = \"…/ca.pem\"`, if it is a private authority", self.ca_key),
        }
    }
}

/// What sets the clock of a machine.
pub(super) const SET_CLOCK: &str = "`sudo timedatectl set-ntp true`, or the time service of this machine";
