//! A door on this machine: the container-credentials protocol, for programs that run longer than keys live.
//!
//! Whoever reaches a port on loopback is any user and any page in a browser. So the door opens only to a random token that
//! is handed to one program, refuses whatever comes under another name than this machine's (a page whose name was pointed
//! here), and gives keys and nothing else.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use super::error::ClientError;
use super::gateway::Keys;
use super::keys::Renewal;
use super::settings::is_loopback;
use super::{Client, random};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// An open door.
pub struct Door {
    listener: TcpListener,
    /// Its address, for `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    pub url: String,
    token: String,
    host: String,
    renewal: Renewal,
    /// Keys at hand, so that a hundred threads of one program do not read a file each.
    held: Mutex<Option<(Keys, Timestamp)>>,
}

const PATH: &str = "/credentials";
const CONNECTIONS: usize = 256;
const IDLE: Duration = Duration::from_secs(30);
/// How long keys are handed out without a look at the cache.
const HELD: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

impl Door {
    /// Opens it on loopback, at `port` or one that is free.
    ///
    /// # Errors
    /// [`ClientError::Door`].
    pub async fn open(port: u16, renewal: Renewal) -> Result<Self, ClientError> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(ClientError::Door)?;
        let port = listener.local_addr().map_err(ClientError::Door)?.port();
        let host = format!("127.0.0.1:{port}");
        Ok(Self {
            listener,
            url: format!("http://{host}{PATH}"),
            token: random::string()?,
            host,
            renewal,
            held: Mutex::new(None),
        })
    }

    /// What opens it, for `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Serves until `end`.
    pub async fn serve(self: Arc<Self>, client: Arc<Client>, end: impl Future<Output = ()>) {
        let mut connections = JoinSet::new();
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(Arc::clone(&self).connection(stream, Arc::clone(&client)));
                    }
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, client: Arc<Client>) {
        let service = service_fn(|request: Request<Incoming>| {
            let (door, client) = (Arc::clone(&self), Arc::clone(&client));
            async move { Ok::<_, Infallible>(door.answer(&client, &request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(stream), service);
        // However it ends, the program asks again.
        let _ = connection.await;
    }

    async fn answer(&self, client: &Client, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !self.is_own_name(request) {
            return refusal(StatusCode::FORBIDDEN, "WrongHost", "this door has another name");
        }
        if !self.is_authorized(request) {
            return refusal(
                StatusCode::FORBIDDEN,
                "AccessDenied",
                "the authorization token is not that of this door",
            );
        }
        if request.uri().path() != PATH {
            return refusal(StatusCode::NOT_FOUND, "NotFound", "there is nothing here");
        }
        if request.method() != Method::GET {
            return refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "keys are fetched with GET",
            );
        }
        match self.keys(client).await {
            Ok(keys) => json(StatusCode::OK, &container_document(&keys)),
            Err(error) => {
                let said = format!("{}. Run: {}", crate::error::with_causes(&error), error.next());
                client.console().say(format!("tidegate: {said}"));
                refusal(StatusCode::SERVICE_UNAVAILABLE, "CredentialsUnavailable", &said)
            }
        }
    }

    /// One at a time: those that wait find what the first one got.
    async fn keys(&self, client: &Client) -> Result<Keys, ClientError> {
        let mut held = self.held.lock().await;
        let now = client.now();
        if let Some((keys, since)) = held.as_ref()
            && now.duration_since(*since).abs() < HELD
            && keys.expires_at > now
        {
            return Ok(keys.clone());
        }
        let keys = client.keys(self.renewal).await?;
        *held = Some((keys.clone(), now));
        Ok(keys)
    }

    fn is_authorized(&self, request: &Request<Incoming>) -> bool {
        let mut given = request.headers().get_all(header::AUTHORIZATION).iter();
        match (given.next(), given.next()) {
            (Some(one), None) => {
                aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), self.token.as_bytes())
                    .is_ok()
            }
            _ => false,
        }
    }

    fn is_own_name(&self, request: &Request<Incoming>) -> bool {
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        host.is_some_and(|host| {
            host == self.host
                || host
                    .rsplit_once(':')
                    .is_some_and(|(name, port)| is_loopback(name) && self.host.ends_with(&format!(":{port}")))
        })
    }
}

/// Keys in the words of container credentials.
fn container_document(keys: &Keys) -> serde_json::Value {
    serde_json::json!({
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key.expose_str().unwrap_or_default(),
        "Token": keys.session_token.expose_str().unwrap_or_default(),
        "Expiration": keys.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    json(status, &serde_json::json!({ "code": code, "message": message }))
}

fn json(status: StatusCode, document: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
