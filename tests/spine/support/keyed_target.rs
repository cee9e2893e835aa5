//! A store that knows at each moment which keys are valid: signatures are verified, and every use of a key is kept.

use super::amazon::{Asked, sigv4};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Default)]
struct State {
    /// Secrets by access key id.
    keys: BTreeMap<String, String>,
    /// Keys that are valid and may do nothing.
    powerless: Vec<String>,
    /// Keys of another tenant, and what that finds for whatever it asks.
    strangers: BTreeMap<String, (u16, &'static str)>,
    /// Method, access key id, and what became of it.
    seen: Vec<(Method, String, &'static str)>,
}

/// Dropping it ends it.
pub struct KeyedTarget {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

pub const WORKED: &str = "ok";
pub const UNKNOWN: &str = "InvalidAccessKeyId";
pub const MISMATCH: &str = "SignatureDoesNotMatch";
pub const DENIED: &str = "AccessDenied";

impl KeyedTarget {
    /// One that knows this key.
    pub async fn start(id: &str, secret: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| serve(state.clone(), request));
                    // A connection that the other side resets is part of the tests.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        let target = Self { address, state, task };
        target.knows(id, secret);
        target
    }

    /// Knows another key from now on.
    pub fn knows(&self, id: &str, secret: &str) {
        self.state.lock().unwrap().keys.insert(id.into(), secret.into());
    }

    /// Does not know this key any more.
    pub fn forgets(&self, id: &str) {
        self.state.lock().unwrap().keys.remove(id);
    }

    /// Lets this key do nothing from now on, or all.
    pub fn is_powerless(&self, id: &str, powerless: bool) {
        let mut state = self.state.lock().unwrap();
        state.powerless.retain(|known| known != id);
        if powerless {
            state.powerless.push(id.into());
        }
    }

    /// Makes this key another tenant's from now on, who is answered so; nobody else's with `None`.
    pub fn is_a_strangers(&self, id: &str, finds: Option<(u16, &'static str)>) {
        let strangers = &mut self.state.lock().unwrap().strangers;
        match finds {
            Some(finds) => strangers.insert(id.into(), finds),
            None => strangers.remove(id),
        };
    }

    /// What was asked since this was last called: method, key and what became of it.
    pub fn take_seen(&self) -> Vec<(Method, String, &'static str)> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

impl Drop for KeyedTarget {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let asked = Asked {
        method: head.method,
        target: head.uri.path_and_query().unwrap().to_string(),
        headers: head.headers,
        body: Bytes::new(),
    };
    let (id, status, code) = judge(&state.lock().unwrap(), &asked);
    state.lock().unwrap().seen.push((asked.method.clone(), id, code));
    // A store that refuses a signature does so before the body.
    if code == WORKED {
        #[allow(clippy::disallowed_methods, reason = "uploads in tests are small")]
        body.collect().await.map_err(std::io::Error::other)?;
    }
    let response = Response::builder().header("content-type", "application/xml");
    let (status, text) = match code {
        WORKED => (200, "content".to_owned()),
        code => (
            status,
            format!("<Error><Code>{code}</Code><Message>STRING-TO-SIGN</Message></Error>"),
        ),
    };
    let text = if asked.method == Method::HEAD {
        String::new()
    } else {
        text
    };
    let response = response.status(status).header("etag", "\"e\"");
    Ok(response.body(Full::from(text)).unwrap())
}

fn judge(state: &State, asked: &Asked) -> (String, u16, &'static str) {
    let Ok(claimed) = sigv4::claimed(asked) else {
        return (String::new(), 403, DENIED);
    };
    let id = claimed.access_key_id.clone();
    let code = match state.keys.get(&id) {
        None => UNKNOWN,
        Some(secret) => match sigv4::verify(asked, &claimed, ("s3", "us-east-1"), secret) {
            Err(_) => MISMATCH,
            Ok(()) if state.powerless.contains(&id) => DENIED,
            Ok(()) => match state.strangers.get(&id) {
                Some((status, code)) => return (id, *status, code),
                None => WORKED,
            },
        },
    };
    (id, 403, code)
}
