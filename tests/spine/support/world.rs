//! One Tidegate process with everything it needs. Dropping it ends the process.

use super::client::{Client, Keys};
use jiff::Timestamp;
use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tidegate::dev::{
    CertificateAuthority, IdentityProvider, RunningProvider, SampleIdentity, Store, StoreKeys,
};
use tidegate::issuer::SigningKeys;

pub const AUDIENCE: &str = "https://s3.tidegate.test";
/// Where the keys of [`Settings::own_issuer`] are.
pub const ISSUER_KEYS: &str = "secrets/issuer-keys.toml";
pub const STORE_SECRET: &str = "store-secret-that-nobody-else-has";

/// What a test wants to be different.
#[derive(Default)]
pub struct Settings {
    /// Another target than the store, such as one that breaks off.
    pub target: Option<SocketAddr>,
    /// Lines for `[server]`.
    pub server: String,
    /// Lines for `[sessions]`.
    pub sessions: String,
    /// Lines for `[targets.store]`.
    pub target_lines: String,
    /// Lines for `[buckets.lake]`.
    pub bucket_lines: String,
    /// The whole of `[targets.store]` instead.
    pub target_table: Option<String>,
    /// More tables for the configuration.
    pub more: String,
    /// Policies of more buckets, by name.
    pub policies: Vec<(&'static str, String)>,
    /// Another policy for `lake` than [`POLICY`].
    pub policy: Option<String>,
    /// A policy for `other`, which has none.
    pub other_policy: Option<String>,
    /// Another audit file.
    pub audit_file: Option<&'static str>,
    /// The identity provider is gone before anybody asks for its keys.
    pub without_provider: bool,
    /// Tidegate as an issuer towards clouds, with this URL and keys of its own.
    pub own_issuer: Option<&'static str>,
    /// More variables for the process.
    pub environment: Vec<(&'static str, String)>,
}

/// A running Tidegate, its store and its identity provider.
pub struct World {
    pub dir: TempDir,
    pub store: Store,
    pub provider: IdentityProvider,
    /// `iss` of the provider's tokens.
    pub issuer: String,
    running_provider: Option<RunningProvider>,
    pub authority: CertificateAuthority,
    pub data: SocketAddr,
    pub admin: SocketAddr,
    child: Child,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the sample identities may do in bucket `lake`.
pub const POLICY: &str = r#"
@id("etl-reads-and-writes")
permit (principal == Tidegate::Workload::"idp:etl",
        action in [Tidegate::Action::"read", Tidegate::Action::"write", Tidegate::Action::"list"], resource);
@id("etl-cleans-up")
permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"delete", resource)
when { resource.key like "tmp/*" };
@id("analysts-read")
permit (principal in Tidegate::Group::"idp:analysts", action in Tidegate::Action::"read", resource)
when { resource.key like "public/*" };
@id("nothing-is-written-to-frozen")
@explain("The frozen folder is closed. Ask the storage team.")
forbid (principal, action in [Tidegate::Action::"write", Tidegate::Action::"delete"], resource)
when { resource.key like "frozen/*" };
"#;

impl World {
    pub async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in [
            "store/acme-lake-prod",
            "store/acme-other",
            "policies",
            "certs",
            "secrets",
        ] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let keys = StoreKeys {
            access_key_id: "STOREKEY".into(),
            secret_access_key: STORE_SECRET.into(),
        };
        let store = Store::start(&root.join("store"), &keys).await.unwrap();
        let authority = CertificateAuthority::load_or_create(&root.join("ca")).unwrap();
        let provider = IdentityProvider::load_or_create(&root.join("idp")).unwrap();
        let running_provider = provider.serve(&authority, &root.join("idp"), 0).await.unwrap();
        let issuer = running_provider.issuer();
        authority
            .issue(
                &[
                    "localhost",
                    "127.0.0.1",
                    "s3.tidegate.test",
                    "*.s3.tidegate.test",
                    "lake.localhost",
                ],
                &root.join("certs/server.pem"),
                &root.join("certs/server.key"),
            )
            .unwrap();
        std::fs::write(root.join("certs/ca.pem"), authority.certificate_pem()).unwrap();
        std::fs::write(
            root.join("policies/lake.cedar"),
            settings.policy.as_deref().unwrap_or(POLICY),
        )
        .unwrap();
        if let Some(policy) = &settings.other_policy {
            std::fs::write(root.join("policies/other.cedar"), policy).unwrap();
        }
        for (bucket, policy) in &settings.policies {
            let path = root.join(format!("policies/{bucket}.cedar"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, policy).unwrap();
        }
        let target = settings.target.unwrap_or_else(|| store.address());
        std::fs::write(
            root.join("tidegate.toml"),
            super::config::config(&settings, target, &issuer),
        )
        .unwrap();
        let made = Command::new(binary())
            .args(["keys", "new"])
            .arg(root.join("secrets/session-keys.toml"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        if settings.own_issuer.is_some() {
            SigningKeys::create(&root.join(ISSUER_KEYS), now()).unwrap();
        }
        let (child, data, admin) = spawn(root, "tidegate", &settings.environment).await;
        Self {
            dir,
            store,
            provider,
            issuer,
            running_provider: (!settings.without_provider).then_some(running_provider),
            authority,
            data,
            admin,
            child,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A token of a sample identity, as its holder would get it.
    pub fn token(&self, subject: &str) -> String {
        let identity = SampleIdentity::ALL
            .into_iter()
            .find(|i| i.subject == subject)
            .unwrap_or_else(|| SampleIdentity {
                subject: subject.to_owned().leak(),
                groups: &[],
                about: "somebody",
            });
        self.provider
            .token(
                &self.issuer,
                &identity,
                AUDIENCE,
                now(),
                Duration::from_secs(3600),
            )
            .unwrap()
    }

    /// Ends the identity provider.
    pub fn stop_provider(&mut self) {
        self.running_provider = None;
    }

    /// A client that trusts the test's authority and has no session.
    pub fn anonymous(&self) -> Client {
        Client::new(self.data, self.authority.certificate_pem())
    }

    /// A client with the session of a sample identity.
    pub async fn client(&self, subject: &str) -> Client {
        let mut client = self.anonymous();
        client.keys = Some(self.session(subject).await);
        client
    }

    /// Trades a token for a session.
    pub async fn session(&self, subject: &str) -> Keys {
        let answer = self.anonymous().assume_role(&self.token(subject)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Keys::from_sts(&answer.text())
    }

    /// Puts a file under the store's feet.
    pub fn store_file(&self, bucket: &str, key: &str, content: &[u8]) {
        let path = self.path("store").join(bucket).join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Runs a command of the program under test that takes `--config`.
    pub fn command(&self, words: &[&str]) -> std::process::Output {
        Command::new(binary())
            .args(words)
            .arg("--config")
            .arg(self.path("tidegate.toml"))
            .output()
            .unwrap()
    }

    /// As [`World::command`], for one that works; what it printed.
    pub fn does(&self, words: &[&str]) -> String {
        let done = self.command(words);
        assert!(
            done.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap()
    }

    /// Makes a service key with `service-keys create` and these further words.
    pub fn service_key(&self, words: &[&str]) -> Keys {
        let made = self.does(&[&["service-keys", "create", "--json"], words].concat());
        Keys::of_json(&made)
    }

    /// A client with other keys than those of a session.
    pub fn client_with(&self, keys: Keys) -> Client {
        let mut client = self.anonymous();
        client.keys = Some(keys);
        client
    }

    /// Another process with the same configuration and a key ring of its own, which is a copy for now: its path, and a
    /// client of it.
    pub async fn replica(&self) -> Replica {
        self.replica_with(&[]).await
    }

    /// The same, with these words of its configuration replaced.
    pub async fn replica_with(&self, pairs: &[(&str, &str)]) -> Replica {
        let mut config = std::fs::read_to_string(self.path("tidegate.toml")).unwrap();
        for (from, to) in pairs {
            config = config.replace(from, to);
        }
        let config = config
            .replace("session-keys.toml", "replica-keys.toml")
            .replace("audit/audit.jsonl", "audit/replica.jsonl");
        std::fs::write(self.path("replica.toml"), config).unwrap();
        let ring = self.path("secrets/replica-keys.toml");
        std::fs::copy(self.path("secrets/session-keys.toml"), &ring).unwrap();
        let (child, data, _) = spawn(self.dir.path(), "replica", &[]).await;
        Replica {
            ring,
            client: Client::new(data, self.authority.certificate_pem()),
            child,
        }
    }

    /// Sends a signal to the process.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the process to end by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the end of the process", || child.try_wait().unwrap()).await
    }
}

/// A second process beside that of a [`World`]. Dropping it ends it.
pub struct Replica {
    pub ring: PathBuf,
    pub client: Client,
    child: Child,
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls `probe`, which takes time, until it holds; fails after a deadline.
pub async fn becomes(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !probe().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} did not come about"
        );
        tokio::task::yield_now().await;
    }
}

/// Polls `probe` until it gives a value; fails after a deadline.
pub async fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut pause = tokio::time::interval(Duration::from_millis(10));
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} did not come about"
        );
        pause.tick().await;
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the process under test reads the machine's clock too"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_tidegate")
}

/// Starts a process with the configuration of this name, and a log of the same.
async fn spawn(
    root: &Path,
    name: &str,
    environment: &[(&'static str, String)],
) -> (Child, SocketAddr, SocketAddr) {
    let log = std::fs::File::create(root.join(format!("{name}.log"))).unwrap();
    let mut child = Command::new(binary())
        .args(["serve", "--config"])
        .arg(root.join(format!("{name}.toml")))
        .env("STORE_ACCESS_KEY_ID", "STOREKEY")
        .env("STORE_SECRET_ACCESS_KEY", STORE_SECRET)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The pipe ends when the process does, so this cannot wait for ever.
    let addresses = tokio::task::spawn_blocking(move || {
        ["(data)", "(admin)"].map(|which| {
            let line = lines.next()?.ok().filter(|line| line.ends_with(which))?;
            line.split("://").nth(1)?.split(' ').next()?.parse().ok()
        })
    });
    let [Some(data), Some(admin)] = addresses.await.unwrap() else {
        panic!(
            "tidegate did not start: {}",
            std::fs::read_to_string(root.join(format!("{name}.log"))).unwrap_or_default()
        );
    };
    (child, data, admin)
}
