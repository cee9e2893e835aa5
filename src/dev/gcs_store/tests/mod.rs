//! What the store takes, what it refuses, and what remains of what it refused.

mod access;
mod conditions;
mod copies;
mod faults;
mod listings;
mod objects;
mod resumable;
mod uploads;
mod xml;

use super::*;
use data_encoding::BASE64;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::io::Write as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TOKEN: &str = "store-token";
const BLOCK: usize = 256 << 10;

/// A store with the bucket `lake`, at a time that stands still.
struct Site {
    store: GcsStore,
    clock: Clock,
    dir: TempDir,
}

/// An answer, read as far as it came.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    /// It did not come to its end.
    broken: bool,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    fn reason(&self) -> String {
        self.json()["error"]["errors"][0]["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn header(&self, name: &str) -> &str {
        request::text(&self.headers, name).unwrap_or_default()
    }

    /// The path of the session that was begun.
    fn session(&self) -> String {
        let location: Uri = self.header("location").parse().unwrap();
        location.path_and_query().unwrap().to_string()
    }
}

impl Site {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut GcsOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::fixed("2026-11-20T10:00:00Z".parse().unwrap());
        let mut options = GcsOptions::new(dir.path(), TOKEN, clock.clone());
        change(&mut options);
        let store = GcsStore::start(options).await.unwrap();
        assert!(store.make_bucket("lake", GcsBucket::default()).unwrap());
        Self { store, clock, dir }
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_send(method, target, headers, body)
            .await
            .expect("an answer")
    }

    /// `None` if the connection ended without an answer. An empty `authorization` is none.
    async fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Reply> {
        let stream = TcpStream::connect(self.store.address()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "gcs.example");
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {TOKEN}"));
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let says_length = headers.iter().any(|(name, _)| *name == "content-length");
        if body.is_empty() && matches!(method, "POST" | "PUT") && !says_length {
            request = request.header("content-length", 0);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let (head, mut incoming) = sender.send_request(request).await.ok()?.into_parts();
        let (mut body, mut broken) = (Vec::new(), false);
        while let Some(frame) = incoming.frame().await {
            match frame {
                Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        Some(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            broken,
        })
    }

    async fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &[], b"").await
    }

    async fn post(&self, target: &str, body: Value) -> Reply {
        let kind = [("content-type", "application/json")];
        self.send("POST", target, &kind, body.to_string().as_bytes())
            .await
    }

    async fn put(&self, name: &str, content: &[u8]) -> u64 {
        self.store.put("lake", name, "text/plain", content).await.unwrap()
    }

    fn content(&self, name: &str) -> Option<Vec<u8>> {
        self.store.content("lake", name)
    }

    /// Nothing is left of what was refused.
    fn is_clean(&self) {
        let inbox = self.dir.path().join(shelf::INBOX);
        assert_eq!(std::fs::read_dir(inbox).unwrap().count(), 0);
    }

    async fn begin(&self, name: &str, headers: &[(&str, &str)]) -> String {
        let target = format!("{UPLOAD}?uploadType=resumable&name={name}");
        let reply = self.send("POST", &target, headers, b"").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.session()
    }
}

const UPLOAD: &str = "/upload/storage/v1/b/lake/o";
const OBJECTS: &str = "/storage/v1/b/lake/o";

const CRC: &str = "crc32c=4waSgw==";
const MD5: &str = "md5=JfnnlDI7RTiF9RgfG2JNCw==";
const WRONG_CRC: &str = "crc32c=AAAAAA==";
const WRONG_MD5: &str = "md5=1B2M2Y8AsgTpgAmY7PhCfg==";
