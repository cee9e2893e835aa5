//! A world whose buckets are in the embedded store that speaks Google's JSON API, and callers who speak it too.
//!
//! The store is strict: it refuses what it does not know, so whatever it answers 2xx was understood. Faults are planned at it,
//! and it knows every request that reached it.

use super::world::{STORE_SECRET, Settings, World};
use super::{Answer, Client, Signed};
use bytes::Bytes;
use serde_json::Value;
use std::ops::Deref;
use tempfile::TempDir;
use tidegate::clock::Clock;
use tidegate::dev::{GcsBucket, GcsOptions, GcsStore};

/// The bucket behind `lake`.
pub const BUCKET: &str = "acme-lake-prod";
/// The bucket behind `other`.
pub const OTHER: &str = "acme-other";

/// The store with its folder.
pub struct JsonStore {
    store: GcsStore,
    _dir: TempDir,
}

impl Deref for JsonStore {
    type Target = GcsStore;

    fn deref(&self) -> &GcsStore {
        &self.store
    }
}

impl JsonStore {
    /// A store for whoever has [`STORE_SECRET`] as a token.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other options.
    pub async fn with(change: impl FnOnce(&mut GcsOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = GcsOptions::new(dir.path(), STORE_SECRET, Clock::system());
        change(&mut options);
        let store = GcsStore::start(options).await.unwrap();
        for bucket in [BUCKET, OTHER] {
            store.make_bucket(bucket, GcsBucket::default()).unwrap();
        }
        Self { store, _dir: dir }
    }

    /// The target's table in the configuration.
    pub fn table(&self) -> String {
        format!(
            "[targets.store]\nkind = \"gcs-xml\"\nendpoint = \"{}\"\n[targets.store.credentials]\n\
             kind = \"access-token\"\ntoken = \"env:STORE_SECRET_ACCESS_KEY\"\n",
            self.url()
        )
    }

    /// A world with both buckets in this store.
    pub async fn world(&self, settings: Settings) -> World {
        World::with(Settings {
            target_table: Some(self.table()),
            ..settings
        })
        .await
    }

    /// Puts an object into the bucket behind `lake`, and answers its generation.
    pub async fn has(&self, name: &str, content: &[u8]) -> u64 {
        self.put(BUCKET, name, "text/plain", content).await.unwrap()
    }

    /// The lines of the requests that reached it after the first so many.
    pub fn lines_since(&self, count: usize) -> Vec<String> {
        self.requests()[count..].iter().map(|seen| seen.line()).collect()
    }

    /// Fails if a request reached it since it had so many.
    pub fn untouched_since(&self, count: usize, what: &str) {
        assert_eq!(self.lines_since(count), Vec::<String>::new(), "{what}");
    }
}

/// A caller with a token who speaks the JSON API.
pub struct Caller {
    pub client: Client,
    pub token: String,
}

impl Caller {
    /// A sample identity, with its identity token.
    pub fn new(world: &World, subject: &str) -> Self {
        Self {
            client: world.anonymous(),
            token: world.token(subject),
        }
    }

    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Signed {
        let authorization = format!("Bearer {}", self.token);
        let headers = [&[("authorization", &*authorization)], headers].concat();
        self.client.unsigned(method, target, &headers, body)
    }

    pub async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.client
            .send(self.request(method, target, headers, body))
            .await
    }

    /// `None` if no whole answer came.
    pub async fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        self.client
            .try_send(self.request(method, target, headers, body))
            .await
            .ok()
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], b"").await
    }

    pub async fn delete(&self, target: &str) -> Answer {
        self.send("DELETE", target, &[], b"").await
    }

    /// A call with a document.
    pub async fn call(&self, method: &str, target: &str, document: &Value) -> Answer {
        let kind = [("content-type", "application/json")];
        self.send(method, target, &kind, document.to_string().as_bytes())
            .await
    }
}

/// The document of an answer that is one.
pub fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}: {}", answer.status, answer.text()))
}

/// Fails if this is not a refusal in Google's words, with this status and reason.
pub fn refused(answer: &Answer, what: &str, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    let error = &json(answer)["error"];
    let found = (
        &error["code"],
        &error["errors"][0]["reason"],
        &error["errors"][0]["domain"],
    );
    let domain = if status == 429 { "usageLimits" } else { "global" };
    assert_eq!(
        found,
        (&status.into(), &reason.into(), &domain.into()),
        "{what}: {error}"
    );
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{what}"
    );
    assert_eq!(error["message"], error["errors"][0]["message"], "{what}");
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert_eq!(
        challenge.starts_with("Bearer"),
        status == 401,
        "{what}: {challenge}"
    );
}

/// Fails if an answer shows where the bucket really is, or anything that works there.
pub fn shows_nothing_of_the_store(answer: &Answer, what: &str, more: &[&str]) {
    let everything = format!("{:?}{}", answer.headers, answer.text());
    let secrets = [
        BUCKET,
        OTHER,
        STORE_SECRET,
        "127.0.0.1",
        "store.example",
        "uploadid",
        "\"acl\"",
        "\"owner\"",
    ];
    for secret in secrets.iter().chain(more) {
        assert!(!everything.contains(secret), "{what}: `{secret}` in {everything}");
    }
}

/// Bytes that are different everywhere.
pub fn bytes(length: usize) -> Bytes {
    (0..length).map(|n| (n / 256 + n % 251) as u8).collect()
}
